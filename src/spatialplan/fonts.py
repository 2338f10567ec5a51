"""The Chinese font of the figures: it comes with a dependency, so any machine can draw."""

from __future__ import annotations

import importlib.util
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from spatialplan.errors import InputError
from spatialplan.script import wide

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

__all__ = ["LINE_HEIGHT", "font", "font_path", "missing", "text_height", "text_width"]

LINE_HEIGHT = 1.25  # of the font size; Chinese characters fill most of their square


@cache
def font_path() -> Path:
    """Return the path of ``NotoSansSC-Regular.ttf``.

    Raises
    ------
    InputError
        When the package that brings the font is not installed whole.
    """
    # The package is only looked up: importing it would change matplotlib's global settings.
    spec = importlib.util.find_spec("zhplot")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "fonts" / "NotoSansSC-Regular.ttf"
        if path.is_file():
            return path
    raise InputError.of(
        "zhplot",
        "找不到中文字体;请重新安装 zhplot",
        "the Chinese font is missing; reinstall zhplot",
    )


@lru_cache(maxsize=64)
def font(size: float) -> FontProperties:
    """Return the font at a size in points."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=str(font_path()), size=size)


@cache
def _characters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font_path())).get_charmap())


def missing(text: str) -> str:
    """Return the characters of `text` that the font cannot draw; empty when it has them all."""
    return "".join(c for c in dict.fromkeys(text) if c != "\n" and ord(c) not in _characters())


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Return the width of the longest line of `text` in points, as it is drawn: see `wide`."""
    from matplotlib.textpath import text_to_path

    lines = wide(text).split("\n")
    return max(text_to_path.get_text_width_height_descent(x, font(size), False)[0] for x in lines)


def text_height(text: str, size: float) -> float:
    """Return the height of `text` in points, all lines together."""
    return size * LINE_HEIGHT * (text.count("\n") + 1)
