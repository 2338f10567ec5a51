"""Faults in what a user gives us: what, where, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Fault", "InputError", "collect", "collect_some", "nearest_names"]

MOST_FAULTS = 100  # nobody reads more of one file
MOST_COMPARED = 2000


@dataclass(frozen=True)
class Fault:
    """One fault of an input.

    Parameters
    ----------
    where
        File and position, for example ``edits.yaml 第2条``; empty for a command-line value.
    zh, en
        What is wrong and how to mend it, in Chinese and in English.
    """

    where: str
    zh: str
    en: str

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"{where}{self.zh}({self.en})"


class InputError(ValueError):
    """Bad input; carries every fault that was found, one line each."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))

    @classmethod
    def of(cls, where: object, zh: str, en: str) -> InputError:
        """Return an error with a single fault."""
        return cls(Fault(str(where), zh, en))


def collect(faults: Iterable[Fault]) -> None:
    """Raise one `InputError` with all faults, if there is any."""
    found = tuple(faults)
    if found:
        raise InputError(*found)


def collect_some(faults: Iterable[Fault], where: str) -> None:
    """Raise the faults like `collect`; of very many, the first hundred."""
    found = list(faults)
    if len(found) > MOST_FAULTS:
        rest = len(found) - MOST_FAULTS
        found = found[:MOST_FAULTS]
        found.append(Fault(where, f"另有 {rest} 处错误未列出", f"and {rest} more faults"))
    collect(found)


def nearest_names(name: str, names: Iterable[str], n: int = 3) -> list[str]:
    """Return the `n` names most like `name`, best first; never empty when there are names.

    To compare a million takes minutes: of very many, only those that begin alike are compared.
    """
    alike = list(map(str, names))
    if len(alike) > MOST_COMPARED:
        for length in range(1, len(name) + 1):
            closer = [other for other in alike if other.startswith(name[:length])]
            if len(closer) < n:
                break
            alike = closer
        alike = alike[:MOST_COMPARED]
    return difflib.get_close_matches(name, dict.fromkeys(alike), n=n, cutoff=0.0)
