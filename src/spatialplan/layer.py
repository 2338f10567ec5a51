"""What a layer of a web map is made of: shapes, styles, tooltips, labels and legend.

Nothing here knows HTML or Leaflet: a layer is data that the page's own script draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from spatialplan import gcj02
from spatialplan.bundles import Bundles, encode
from spatialplan.script import wide

__all__ = [
    "ANY_ZOOM",
    "CONFIDENCE",
    "NO_KEY",
    "Key",
    "Layer",
    "area_key",
    "dot_key",
    "line_key",
    "tip_lines",
]

ANY_ZOOM = (0, 30)
CONFIDENCE = {"H": "高 high", "M": "中 medium", "L": "低(估计)low, estimated"}


@dataclass(frozen=True)
class Key:
    """One line of the legend; it holds from a `zoom` on."""

    svg: str
    zh: str
    en: str = ""
    zoom: float = 0.0


@dataclass
class Layer:
    """One switch of the panel: shapes with styles and tooltips, labels, and legend keys.

    Where lines are many they come as `bundles` instead, each row with the number of its style
    ``s`` (and that of its casing ``c``), of its tooltip ``t`` in `tips`, the zoom ``f`` from
    which it is shown, and the band ``b`` in which it is reached. A layer may show the bundles
    of another one, `of`, that are reached, in the style of their band.
    """

    key: str
    zh: str
    en: str
    z: int
    shown: bool = True
    keys: list[Key] = field(default_factory=list)
    styles: list[dict] = field(default_factory=list)
    items: list[dict] = field(default_factory=list)
    labels: list[dict] = field(default_factory=list)
    bundles: Bundles = field(default_factory=Bundles)
    tips: list[list] = field(default_factory=list)
    of: str = ""

    def style(self, style: Mapping[str, Any]) -> int:
        """Return the number of a style, a new one when it was not there."""
        if dict(style) not in self.styles:
            self.styles.append(dict(style))
        return self.styles.index(dict(style))

    def draw(
        self, shape: shapely.Geometry, style: Mapping[str, Any], tip: Sequence | None = None
    ) -> None:
        """Add a shape (degrees); `tip` is a heading and (name, value) rows."""
        if shape is None or shape.is_empty:
            return
        item = {"g": shape, "s": self.style(style)}
        if tip:
            item["t"] = tip_lines(tip)
        self.items.append(item)

    def label(
        self,
        text: str,
        at: Sequence[Sequence[float]],
        css: str,
        priority: float,
        *,
        english: str = "",
        zooms: tuple[float, float] = ANY_ZOOM,
        offset: float | None = None,
        dot: float = 0.0,
        ink: str = "",
    ) -> None:
        """Add a text; `at` lists positions (lon, lat[, angle]), the best first.

        With `offset` (px) the text stands beside its point; `dot` (px) keeps others off it.
        """
        label = {"t": wide(text), "x": at, "c": css, "p": priority, "z": list(zooms)}
        extra = {"e": english, "o": offset, "dot": dot or None, "k": ink}
        self.labels.append(label | {k: v for k, v in extra.items() if v not in ("", None)})

    def payload(self, *, shifted: bool) -> dict:
        """Return what the page's script draws: rounded coordinates, latitudes first in labels."""
        shapes = np.array([item["g"] for item in self.items], dtype=object)
        shapes = gcj02.shift(shapes) if shifted and len(shapes) else shapes
        rounded = shapely.transform(shapes, lambda xy: np.round(xy, 5)) if len(shapes) else []
        items = [
            {**item, "g": _geojson(shape)} for item, shape in zip(self.items, rounded, strict=True)
        ]
        labels = [{**label, "x": _turned(label["x"], shifted)} for label in self.labels]
        drawn = {"z": self.z, "styles": self.styles, "items": items, "labels": labels}
        if self.of:
            drawn["of"] = self.of
        if len(self.bundles.lines):
            drawn |= {"tips": self.tips, "bundles": self._bundle_rows(shifted)}
        return drawn

    def _bundle_rows(self, shifted: bool) -> list[dict]:
        lines, owner = self.bundles.lines, self.bundles.owner
        texts = encode(gcj02.shift(lines) if shifted else lines, owner)
        return [{**row, "l": text} for row, text in zip(self.bundles.rows, texts, strict=True)]


def tip_lines(tip: Sequence) -> list:
    """Return a heading and its (name, value) rows as the page takes them, empty ones left out."""
    rows = ([wide(name), wide(text)] for name, text in tip[1:] if text)
    return [wide(tip[0]), *rows]


def _geojson(shape: shapely.Geometry) -> dict:
    return {"type": shape.geom_type, "coordinates": shape.__geo_interface__["coordinates"]}


def _turned(positions: Sequence[Sequence[float]], shifted: bool) -> list[list[float]]:
    turned = []
    for lon, lat, *angle in positions:
        x, y = gcj02.to_gcj02(lon, lat) if shifted else (lon, lat)
        turned.append([round(float(y), 5), round(float(x), 5), *(round(a, 1) for a in angle)])
    return turned


def line_key(colour: str, width: float, dash: str = "", inner: str = "") -> str:
    """Return a legend symbol: a line, with a white dashed core for railways."""
    line = '<line x1="1" y1="7" x2="31" y2="7" stroke="{}" stroke-width="{}"{}/>'
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    dashes += ' stroke-linecap="round"' if dash.startswith("1 ") else ""
    core = line.format("#fff", max(width - 1.4, 0.8), f' stroke-dasharray="{inner}"')
    whole = line.format(colour, width, dashes) + (core if inner else "")
    return f'<svg width="32" height="14">{whole}</svg>'


def area_key(colour: str, opacity: float, edge: str = "", dash: str = "") -> str:
    """Return a legend symbol: an area."""
    stroke = f' stroke="{edge}"' if edge else ""
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    box = f'<rect x="2" y="2" width="28" height="10" rx="3" fill="{colour}"'
    return f'<svg width="32" height="14">{box} fill-opacity="{opacity}"{stroke}{dashes}/></svg>'


def dot_key(colour: str, radius: float, *, hollow: bool = False) -> str:
    """Return a legend symbol: a point."""
    fill = "#fff" if hollow else colour
    dot = f'<circle cx="16" cy="7" r="{radius}" fill="{fill}" stroke="{colour}"'
    return f'<svg width="32" height="14">{dot} stroke-width="1.6"/></svg>'


NO_KEY = '<svg width="32" height="14"></svg>'
