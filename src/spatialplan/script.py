"""Traditional and Simplified Chinese: quotes stay as they stand, and can be read in both."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opencc import OpenCC

__all__ = ["beside", "simplified"]

_FIRST_HAN = "\u3400"  # below lie Latin letters, punctuation and kana, which have no second form


@cache
def _converter() -> OpenCC:
    # Loading the dictionaries takes a moment, and most runs never need them.
    from opencc import OpenCC

    return OpenCC("t2s")


@cache
def simplified(text: str) -> str:
    """Return a text in Simplified characters, character by character; words stay as they are.

    Open Chinese Convert's ``t2s``: 莊浪縣 becomes 庄浪县, 公共運輸 becomes 公共运输 (not 公共交通),
    so that the result can be laid beside the original.
    """
    return _converter().convert(text) if any(char >= _FIRST_HAN for char in text) else text


def beside(text: str) -> str:
    """Return the Simplified form of a Traditional text; empty when it is the same."""
    other = simplified(text)
    return other if other != text else ""
