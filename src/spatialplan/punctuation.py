"""Chinese punctuation in Chinese text, whichever keyboard it was typed on."""

from __future__ import annotations

import re

__all__ = ["full_width"]

_MARKS = {
    ",": "\N{FULLWIDTH COMMA}",
    ";": "\N{FULLWIDTH SEMICOLON}",
    ":": "\N{FULLWIDTH COLON}",
    "?": "\N{FULLWIDTH QUESTION MARK}",
    "!": "\N{FULLWIDTH EXCLAMATION MARK}",
}
_OPEN, _CLOSE = "\N{FULLWIDTH LEFT PARENTHESIS}", "\N{FULLWIDTH RIGHT PARENTHESIS}"
_HAN = r"\u3400-\u9fff"
_PAIR = re.compile(r"\(([^()]*)\)")
_MARK = re.compile(
    rf"(?<=[{_HAN}\u201d\u2019\u300b\u3015{_CLOSE}])([,;:?!])(?: (?=\S))?"
    rf"|([,;:?!])(?=[{_HAN}\u201c\u2018\u300a\u3014])"
)
_ENDS_IN_HAN = re.compile(rf"[{_HAN}]$")


def full_width(text: str) -> str:
    """Return a text with full-width marks wherever they stand beside Chinese characters.

    Commas, colons, semicolons, question and exclamation marks; brackets when they follow a
    Chinese character or hold one. Numbers, English and a full stop stay as they are.
    """
    found = _PAIR.sub(_bracket, text)
    while found != text:  # brackets within brackets
        text, found = found, _PAIR.sub(_bracket, found)
    return _MARK.sub(lambda match: _MARKS[match[1] or match[2]], text)


def _bracket(match: re.Match) -> str:
    before = match.string[: match.start()]
    if _ENDS_IN_HAN.search(before[-1:]) or re.search(f"[{_HAN}]", match[1]):
        return f"{_OPEN}{match[1]}{_CLOSE}"
    return match[0]
