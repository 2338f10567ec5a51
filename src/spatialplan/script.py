"""How Chinese is written: Traditional and Simplified beside each other, wide punctuation."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opencc import OpenCC

__all__ = ["beside", "listed", "simplified", "wide"]

_FIRST_HAN = "\u3400"  # below lie Latin letters, punctuation and kana, which have no second form

_HAN = "\u3000-\u303f\u4e00-\u9fff\u201c\u201d\uff00-\uffef"
_STOP = re.compile(rf"(?<=[{_HAN}])([,:;!?]) ?|([,:;!?]) ?(?=[{_HAN}])")
# After Chinese, or with Chinese in them.
_BRACKETS = re.compile(rf"(?:(?<=[{_HAN}])\(|\((?=[^()]*[{_HAN}]))([^()]*)\)")


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


def wide(text: str) -> str:
    """Return a text with wide punctuation beside Chinese characters.

    ``中(甲),乙`` gets wide brackets and a wide comma; punctuation between Latin letters stays.
    """
    for _ in range(2):  # brackets may stand in brackets
        text = _BRACKETS.sub("\uff08\\1\uff09", text)
    return _STOP.sub(lambda found: chr(ord(found[1] or found[2]) + 0xFEE0), text)


def listed(text: str) -> list[str]:
    """Return the parts of a list that a planner typed: with commas, wide ones, or pause marks."""
    return [part.strip() for part in re.split("[,\uff0c\u3001]", text)]
