"""A sheet with a map: frame, title, legend, scale bar, north arrow, notes, and its labels.

Drawn with matplotlib's `Figure` only, so nothing global is touched and no display is needed.
The look follows the habits of Chinese planning drawings; no symbol standard is claimed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
import shapely.ops
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import Normal, Stroke
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from spatialplan.fonts import LINE_HEIGHT, font, text_width
from spatialplan.geodesy import to_plane
from spatialplan.labels import Label, Placement, around, place
from spatialplan.script import wide

__all__ = ["Entry", "Sheet", "dashes", "draw_text", "outline_path", "wrap"]

INK, GREY, PALE = "#1f2937", "#6b7280", "#9ca3af"
MARGIN, TITLE, PANEL, GAP = 16.0, 46.0, 218.0, 8.0
_TOKENS = re.compile(r"\n|[A-Za-z0-9][A-Za-z0-9.,;:'()/%°\-–]*\s?|.")
_CLOSING = "。、》”〕】,.;:)!?\uff0c\uff1b\uff1a\uff09\uff01\uff1f"
_OPENING = "《“〔【(\uff08"


@dataclass(frozen=True)
class Entry:
    """A row of the legend: a symbol and what it means.

    `kind` is ``area``, ``line``, ``point`` or ``heading``; `style` is what the symbol is drawn
    with: face, edge, colour, width, dash, marker, size, alpha, hatch, and `inner` for a line on
    top of a line (colour, width, dash).
    """

    kind: str
    zh: str
    en: str = ""
    style: dict[str, Any] = field(default_factory=dict)


def dashes(pattern: str) -> tuple[float, tuple[float, ...]] | str:
    """Return matplotlib's line style of an SVG dash pattern such as ``8 5``."""
    return (0.0, tuple(float(part) * 0.5 for part in pattern.split())) if pattern else "-"


def draw_text(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str = INK,
    bold: bool = False,
    halo: str | None = None,
    **options: Any,
) -> None:
    """Write Chinese or English text; `bold` thickens the strokes of the one weight there is."""
    options = {"ha": "left", "va": "center", "zorder": 30} | options
    # One stroked and filled outline each: every further effect repeats all glyphs in an SVG.
    effects = [Stroke(linewidth=size * 0.28, foreground=halo)] if halo else []
    if bold:
        effects.append(Stroke(linewidth=size * 0.045, foreground=colour))
    elif halo:
        effects.append(Normal())
    axes.text(
        x,
        y,
        wide(text),
        fontproperties=font(size),
        color=colour,
        linespacing=LINE_HEIGHT * 0.86,
        parse_math=False,
        path_effects=effects or None,
        **options,
    )


def wrap(text: str, size: float, width: float) -> list[str]:
    """Return the lines of `text` that fit `width` points; Chinese may break at any character."""
    lines, line = [], ""
    for token in _TOKENS.findall(wide(text)):
        if token == "\n":
            lines, line = [*lines, line], ""
        elif text_width(line + token, size) <= width or not line or token in _CLOSING:
            line += token
        else:
            kept = line.rstrip().rstrip(_OPENING)  # an opening bracket goes with what follows
            lines, line = [*lines, kept], line.rstrip()[len(kept) :] + token.lstrip()
    return [*lines, line] if line else lines


class Sheet:
    """A figure with one map and a side panel.

    Parameters
    ----------
    title_zh, title_en
        Title; the English stands beside the Chinese.
    subtitle
        One small line under the title.
    bounds
        (west, south, east, north) in degrees WGS84 that must be on the map.
    crs
        The projected CRS of the drawing; its unit is the metre.
    size
        Width and height of the sheet in inches.
    """

    def __init__(
        self,
        title_zh: str,
        title_en: str,
        subtitle: str,
        bounds: tuple[float, float, float, float],
        crs: str,
        size: tuple[float, float] = (13.0, 9.2),
        background: str = "#f4f2ec",
    ) -> None:
        self.crs = CRS.from_user_input(crs)
        self.figure = Figure(figsize=size, dpi=72, facecolor="white")
        self._sheet = (size[0] * 72.0, size[1] * 72.0)
        wide = self._sheet[0] - 2 * MARGIN - PANEL - GAP
        high = self._sheet[1] - 2 * MARGIN - TITLE
        self.width, self.height = wide, high
        self.map = self._axes(MARGIN, MARGIN, wide, high)
        self.paper = self._axes(MARGIN, MARGIN, wide, high)
        self.panel = self._axes(MARGIN + wide + GAP, MARGIN, PANEL, high)
        self.map.set_facecolor(background)
        for axes, w in ((self.paper, wide), (self.panel, PANEL)):
            axes.set(xlim=(0, w), ylim=(0, high))
            axes.patch.set_visible(False)
        self._set_extent(bounds)
        self._titles(title_zh, title_en, subtitle)
        self._labels: list[Label] = []
        self._obstacles: list[BaseGeometry] = []
        self._soft: list[BaseGeometry] = []
        self._entries: list[Entry] = []
        self.placements: list[Placement] = []

    def _axes(self, x: float, y: float, width: float, height: float) -> Axes:
        whole_w, whole_h = self._sheet
        axes = self.figure.add_axes((x / whole_w, y / whole_h, width / whole_w, height / whole_h))
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def _set_extent(self, bounds: tuple[float, float, float, float]) -> None:
        x0, y0, x1, y1 = self._to_crs.transform_bounds(*bounds, densify_pts=21)
        self.metres = max((x1 - x0) / self.width, (y1 - y0) / self.height)
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        half_w, half_h = self.width * self.metres / 2, self.height * self.metres / 2
        self.extent = (cx - half_w, cy - half_h, cx + half_w, cy + half_h)
        self.map.set(xlim=self.extent[::2], ylim=self.extent[1::2], aspect="equal")

    @cached_property
    def _to_crs(self) -> Transformer:
        return to_plane(self.crs)

    def _titles(self, zh: str, en: str, subtitle: str) -> None:
        axes = self._axes(MARGIN, self._sheet[1] - MARGIN - TITLE, self._sheet[0], TITLE)
        axes.set(xlim=(0, self._sheet[0]), ylim=(0, TITLE))
        axes.patch.set_visible(False)
        draw_text(axes, 0, 31, zh, 21, bold=True)
        draw_text(axes, text_width(zh, 21) + 14, 28, en, 11, GREY)
        draw_text(axes, 1, 11, subtitle, 9, GREY)
        right = self._sheet[0] - 2 * MARGIN
        draw_text(axes, right, 31, "示意图", 12, "#b91c1c", ha="right", bold=True)
        draw_text(axes, right, 11, "Schematic", 8, "#b91c1c", ha="right")

    # -- from degrees to the sheet -------------------------------------------------------

    def xy(self, lon: float, lat: float) -> tuple[float, float]:
        """Return the point of a position on the map, in points from its lower left corner."""
        x, y = self._to_crs.transform(lon, lat)
        return (x - self.extent[0]) / self.metres, (y - self.extent[1]) / self.metres

    def on_paper(self, shapes: gpd.GeoSeries | Iterable[BaseGeometry]) -> np.ndarray:
        """Return shapes (degrees WGS84, or with a CRS of their own) in points of the map."""
        series = shapes if isinstance(shapes, gpd.GeoSeries) else gpd.GeoSeries(list(shapes))
        series = series.set_crs(4326) if series.crs is None else series
        metres = np.asarray(series.to_crs(self.crs))
        x0, y0 = self.extent[:2]
        return shapely.transform(metres, lambda xy: (xy - (x0, y0)) / self.metres)

    def degrees(
        self, extent: tuple[float, float, float, float]
    ) -> tuple[float, float, float, float]:
        """Return the bounds in degrees of an extent in metres."""
        return self._to_crs.transform_bounds(*extent, densify_pts=21, direction="INVERSE")

    @property
    def frame(self) -> shapely.Polygon:
        """The map's rectangle in points."""
        return shapely.box(0, 0, self.width, self.height)

    # -- drawing -------------------------------------------------------------------------

    def areas(
        self,
        shapes: gpd.GeoSeries | Iterable[BaseGeometry],
        face: str = "none",
        edge: str = "none",
        width: float = 0.6,
        dash: str = "",
        alpha: float = 1.0,
        zorder: float = 2,
        hatch: str | None = None,
    ) -> None:
        """Draw areas; `alpha` is that of the face only."""
        from matplotlib.colors import to_rgba

        wide = self.frame.buffer(20)
        for shape in shapely.simplify(self.on_paper(shapes), 0.15):
            if shape is None or not shape.intersects(wide):
                continue
            self.paper.add_artist(
                PathPatch(
                    outline_path(_clip(shape, wide)),
                    facecolor=to_rgba(face, alpha) if face != "none" else "none",
                    edgecolor=edge,
                    linewidth=width,
                    linestyle=dashes(dash),
                    joinstyle="round",
                    zorder=zorder,
                    hatch=hatch,
                )
            )

    def lines(
        self,
        shapes: gpd.GeoSeries | Iterable[BaseGeometry],
        colour: str,
        width: float = 1.0,
        dash: str = "",
        alpha: float = 1.0,
        zorder: float = 5,
        casing: str | None = None,
        avoid: bool = True,
    ) -> None:
        """Draw lines; `casing` draws a wider line under them; labels keep off when `avoid`."""
        parts = []
        for shape in shapely.simplify(self.on_paper(shapes), 0.15):
            if shape is not None and shape.intersects(self.frame):
                parts += [part for part in _parts(shape) if part.length > 0]
        if not parts:
            return
        coordinates = [np.asarray(part.coords) for part in parts]
        style = {"capstyle": "butt" if dash else "round", "joinstyle": "round"}
        if casing:
            self.paper.add_collection(
                LineCollection(
                    coordinates, colors=casing, linewidths=width + 1.4, zorder=zorder - 0.1, **style
                )
            )
        self.paper.add_collection(
            LineCollection(
                coordinates,
                colors=colour,
                linewidths=width,
                linestyles=[dashes(dash)],
                alpha=alpha,
                zorder=zorder,
                **style,
            )
        )
        if avoid:
            self._soft += parts

    def paper_line(
        self,
        line: BaseGeometry,
        colour: str,
        width: float,
        zorder: float = 6,
        casing: str | None = None,
    ) -> None:
        """Draw a line given in points."""
        for part in _parts(line):
            for ink, broad, level in ((casing, width + 1.8, -0.1), (colour, width, 0.0)):
                if ink:
                    self.paper.add_line(
                        Line2D(
                            *np.transpose(part.coords),
                            color=ink,
                            linewidth=broad,
                            zorder=zorder + level,
                            solid_capstyle="round",
                        )
                    )
            self._soft.append(part)

    def arrowhead(
        self, tip: np.ndarray, ahead: np.ndarray, length: float, width: float, colour: str
    ) -> None:
        """Draw a filled arrowhead given in points; `ahead` is a unit vector."""
        across = np.array([-ahead[1], ahead[0]]) * width / 2
        base = tip - ahead * length
        shape = np.array([tip, base + across, base + ahead * length * 0.25, base - across])
        self.paper.add_artist(Polygon(shape, facecolor=colour, edgecolor="none", zorder=8))
        self._obstacles.append(shapely.Polygon(shape).buffer(0))

    def arrows(self, lines: Sequence[BaseGeometry], colour: str, start: float, end: float) -> None:
        """Draw broad arrows along lines in points as one shape, widening along the way."""
        shape = shapely.union_all([_arrow(line, start, end) for line in lines])
        self.paper.add_artist(
            PathPatch(
                outline_path(shape),
                facecolor=colour,
                edgecolor="white",
                linewidth=1.0,
                joinstyle="round",
                alpha=0.85,
                zorder=5,
            )
        )
        self._soft += [shapely.LineString(part.exterior) for part in shapely.get_parts(shape)]
        self._soft += lines

    def point(
        self,
        lon: float,
        lat: float,
        marker: str = "o",
        size: float = 6.0,
        face: str = "white",
        edge: str = INK,
        width: float = 1.0,
        zorder: float = 12,
        dash: str = "",
    ) -> tuple[float, float]:
        """Draw a symbol of a diameter in points; labels keep off it. Return where it lies."""
        x, y = self.xy(lon, lat)
        self._obstacles.append(shapely.Point(x, y).buffer(size / 2))
        if dash:
            _dashed(self.paper, x, y, marker, size, face, edge, width, dash, zorder)
            return x, y
        self.paper.plot(
            [x],
            [y],
            marker=marker,
            markersize=size,
            markerfacecolor=face,
            markeredgecolor=edge,
            markeredgewidth=width,
            linestyle="none",
            zorder=zorder,
        )
        return x, y

    def name(
        self,
        text: str,
        lon: float,
        lat: float,
        size: float = 9.0,
        radius: float = 4.0,
        priority: float = 5.0,
        leaders: bool = True,
        **style: Any,
    ) -> None:
        """Ask for a label beside a symbol of a radius in points."""
        x, y = self.xy(lon, lat)
        if self.frame.contains(shapely.Point(x, y)):
            spots = around(text, size, x, y, radius, leaders)
            self.label(Label(text, size, spots, priority, style))

    def label(self, label: Label) -> None:
        """Ask for a label; `place` decides when the sheet is finished."""
        self._labels.append(label)

    def keep_clear(self, shape: BaseGeometry, hard: bool = True) -> None:
        """Keep labels off a shape given in points; with ``hard=False`` only if they can."""
        (self._obstacles if hard else self._soft).append(shape)

    def legend(self, *entries: Entry) -> None:
        """Add rows to the legend."""
        self._entries += entries

    # -- the end -------------------------------------------------------------------------

    def finish(self, notes: Sequence[tuple[str, str]]) -> Figure:
        """Draw furniture, labels, legend and notes; return the figure.

        Parameters
        ----------
        notes
            Pairs of a short heading and a text, written at the foot of the panel.
        """
        self._frame()
        self._north_arrow()
        self._scale_bar()
        self._place_labels()
        floor = self._notes(notes)
        self._legend(floor)
        return self.figure

    def _frame(self) -> None:
        for width, inset in ((1.6, 0.0), (0.5, 3.5)):
            self.paper.add_artist(
                Rectangle(
                    (inset, inset),
                    self.width - 2 * inset,
                    self.height - 2 * inset,
                    fill=False,
                    edgecolor=INK,
                    linewidth=width,
                    zorder=40,
                    clip_on=False,
                )
            )

    def _north_arrow(self) -> None:
        x, y = self.width - 34, self.height - 44
        metres = (self.extent[0] + x * self.metres, self.extent[1] + y * self.metres)
        lon, lat = self._to_crs.transform(*metres, direction="INVERSE")
        # Grid north is not true north away from the central meridian.
        east, north = self._to_crs.transform(lon, lat + 0.1)
        turn = math.atan2(east - metres[0], north - metres[1])
        for half, face in ((-1, INK), (1, "white")):
            shape = np.array([(0, 24), (half * 8, -10), (0, -4)])
            self.paper.add_artist(
                Polygon(
                    np.add(_turned(shape, turn), (x, y)),
                    facecolor=face,
                    edgecolor=INK,
                    lw=0.8,
                    zorder=31,
                )
            )
        draw_text(
            self.paper,
            *np.add(_turned(np.array([(0, 31)]), turn)[0], (x, y)),
            "北 N",
            9,
            ha="center",
            halo="white",
        )
        self.keep_clear(shapely.box(x - 16, y - 14, x + 16, y + 40))

    def _scale_bar(self) -> None:
        wanted = self.width * 0.22 * self.metres / 1000
        power = 10 ** math.floor(math.log10(wanted))
        km = max(step * power for step in (1, 2, 5) if step * power <= wanted)
        points = km * 1000 / self.metres
        x, y, high = 20.0, 22.0, 4.5
        self.paper.add_artist(
            FancyBboxPatch(
                (x - 8, y - 8),
                points + 46,
                32,
                boxstyle="round,pad=0,rounding_size=3",
                facecolor="white",
                edgecolor="none",
                alpha=0.82,
                zorder=30,
            )
        )
        for quarter in range(4):
            self.paper.add_artist(
                Rectangle(
                    (x + quarter * points / 4, y),
                    points / 4,
                    high,
                    facecolor=INK if quarter % 2 == 0 else "white",
                    edgecolor=INK,
                    linewidth=0.7,
                    zorder=31,
                )
            )
        for share in (0, 0.5, 1):
            text = f"{km * share:g}" + (" 千米 km" if share == 1 else "")
            half = text_width(f"{km * share:g}", 8) / 2
            draw_text(self.paper, x + points * share - half, y + 12, text, 8, zorder=32)
        self.keep_clear(shapely.box(x - 8, y - 8, x + points + 44, y + 24))

    def _place_labels(self) -> None:
        inset = 6.0
        bounds = (inset, inset, self.width - inset, self.height - inset)
        self.placements = place(self._labels, bounds, self._obstacles, self._soft)
        for placement in self.placements:
            label, spot = placement.label, placement.candidate
            style = {"halo": "white"} | label.style
            plate = style.pop("plate", None)
            if plate:
                self._plate(placement, plate)
            if placement.leader is not None:
                self.paper.add_line(
                    Line2D(
                        *np.transpose(placement.leader.coords),
                        color=style.get("colour", INK),
                        linewidth=0.6,
                        zorder=13,
                    )
                )
            draw_text(
                self.paper,
                spot.x,
                spot.y,
                label.text,
                label.size,
                **{"ha": "center", "rotation": spot.angle, "rotation_mode": "anchor"} | style,
            )

    def _plate(self, placement: Placement, colour: str) -> None:
        """Draw the coloured plate of a road's number."""
        x0, y0, x1, y1 = placement.box.bounds
        self.paper.add_artist(
            FancyBboxPatch(
                (x0 - 0.5, y0 + 0.6),
                x1 - x0 + 1,
                y1 - y0 - 1.2,
                boxstyle="round,pad=0.6,rounding_size=1.6",
                facecolor=colour,
                edgecolor="white",
                linewidth=0.7,
                zorder=29,
            )
        )

    def _notes(self, notes: Sequence[tuple[str, str]]) -> float:
        size, leading = 7.4, 10.2
        rows: list[tuple[str, bool]] = []
        for heading, text in notes:
            lines = wrap(f"{heading}:{text}" if heading else text, size, PANEL - 20)
            rows += [(line, number == 0) for number, line in enumerate(lines)]
        y = 10 + leading * (len(rows) - 1)
        top = y + 14
        for line, first in rows:
            draw_text(self.panel, 10, y, line, size, INK if first else "#374151")
            y -= leading
        self._panel_box(0, top)
        return top

    def _panel_box(self, low: float, high: float) -> None:
        self.panel.add_patch(
            Rectangle(
                (0.5, low + 0.5),
                PANEL - 1,
                high - low - 1,
                facecolor="#fcfcfa",
                edgecolor="#9ca3af",
                linewidth=0.8,
                zorder=0,
            )
        )

    def _legend(self, floor: float) -> None:
        low = floor + 6
        self._panel_box(low, self.height)
        top = self.height - 20
        draw_text(self.panel, 12, top, "图例", 13, bold=True)
        draw_text(self.panel, 44, top - 1, "Legend", 9, GREY)
        rows = self._entries
        need = sum(19.5 if e.kind == "heading" else _row_height(e) for e in rows)
        squeeze = min(1.0, (top - 12 - low - 8) / need) if need else 1.0
        y = top - 12
        for entry in rows:
            high = (19.5 if entry.kind == "heading" else _row_height(entry)) * squeeze
            self._legend_row(entry, y - high / 2, squeeze)
            y -= high

    def _legend_row(self, entry: Entry, y: float, squeeze: float) -> None:
        size = 9.2 * (0.72 + 0.28 * squeeze)
        if entry.kind == "heading":
            draw_text(self.panel, 12, y - 2, entry.zh, size, bold=True)
            draw_text(
                self.panel, 16 + text_width(entry.zh, size), y - 2.5, entry.en, size * 0.78, GREY
            )
            return
        self._symbol(entry, 12, y)
        x = 50.0
        if _two_lines(entry):
            draw_text(self.panel, x, y + 5.5 * squeeze, entry.zh, size)
            draw_text(self.panel, x, y - 5.5 * squeeze, entry.en, size * 0.78, GREY)
        else:
            draw_text(self.panel, x, y, entry.zh, size)
            draw_text(
                self.panel, x + text_width(entry.zh, size) + 5, y - 0.5, entry.en, size * 0.78, GREY
            )

    def _symbol(self, entry: Entry, x: float, y: float) -> None:
        style = entry.style
        if entry.kind == "area":
            from matplotlib.colors import to_rgba

            face = style.get("face", "none")
            self.panel.add_patch(
                Rectangle(
                    (x, y - 5),
                    30,
                    10,
                    facecolor=to_rgba(face, style.get("alpha", 1)) if face != "none" else "none",
                    edgecolor=style.get("edge", "none"),
                    linewidth=style.get("width", 0.8),
                    linestyle=dashes(style.get("dash", "")),
                    hatch=style.get("hatch"),
                )
            )
        elif entry.kind == "line":
            self.panel.add_line(
                Line2D(
                    [x, x + 30],
                    [y, y],
                    color=style["colour"],
                    linewidth=style.get("width", 1.5),
                    linestyle=dashes(style.get("dash", "")),
                    alpha=style.get("alpha", 1),
                    solid_capstyle="butt",
                )
            )
            if "inner" in style:
                colour, width, dash = style["inner"]
                self.panel.add_line(
                    Line2D([x, x + 30], [y, y], color=colour, linewidth=width, ls=dashes(dash))
                )
        elif style.get("dash"):
            _dashed(
                self.panel,
                x + 15,
                y,
                style["marker"],
                style["size"],
                style["face"],
                style["edge"],
                style["width"],
                style["dash"],
            )
        else:
            self.panel.plot(
                [x + 15],
                [y],
                marker=style.get("marker", "o"),
                markersize=style.get("size", 6),
                markerfacecolor=style.get("face", "white"),
                markeredgecolor=style.get("edge", INK),
                markeredgewidth=style.get("width", 1),
                linestyle="none",
            )


def _two_lines(entry: Entry) -> bool:
    width = text_width(entry.zh, 9.2) + (text_width(entry.en, 7.2) + 5 if entry.en else 0)
    return width > PANEL - 60


def _row_height(entry: Entry) -> float:
    return 26.0 if _two_lines(entry) else 16.5


def _dashed(
    axes: Axes,
    x: float,
    y: float,
    marker: str,
    size: float,
    face: str,
    edge: str,
    width: float,
    dash: str,
    zorder: float = 12,
) -> None:
    """Draw a circle or a square with a dashed edge, which markers cannot have."""
    style = {
        "facecolor": face,
        "edgecolor": edge,
        "linewidth": width,
        "linestyle": dashes(dash),
        "zorder": zorder,
    }
    half = size / 2
    if marker == "o":
        axes.add_artist(Circle((x, y), half, **style))
    else:
        axes.add_artist(Rectangle((x - half, y - half), size, size, **style))


def _arrow(line: BaseGeometry, start: float, end: float) -> shapely.Polygon:
    head = end * 1.3
    shaft = shapely.ops.substring(line, 0, max(line.length - head, line.length * 0.5))
    points = np.asarray(shaft.coords)
    way = np.gradient(points, axis=0)
    way /= np.hypot(*way.T)[:, None]
    half = np.linspace(start, end, len(points))[:, None] / 2
    across = np.column_stack([-way[:, 1], way[:, 0]]) * half
    tip = np.asarray(line.coords[-1])
    ahead = (tip - points[-1]) / np.hypot(*(tip - points[-1]))
    side = np.array([-ahead[1], ahead[0]]) * end * 0.95
    ends = np.array([points[-1] + side, tip, points[-1] - side])
    outline = np.vstack([points + across, ends, (points - across)[::-1]])
    return shapely.Polygon(outline).buffer(0)


def _turned(shape: np.ndarray, turn: float) -> np.ndarray:
    """Turn points clockwise by an angle in radians."""
    cos, sin = math.cos(turn), math.sin(turn)
    return shape @ np.array([[cos, -sin], [sin, cos]])


def _parts(shape: BaseGeometry) -> list[BaseGeometry]:
    return [part for part in shapely.get_parts(shape) if isinstance(part, shapely.LineString)]


def _clip(shape: BaseGeometry, frame: BaseGeometry) -> BaseGeometry:
    return shape if frame.contains(shape) else shapely.make_valid(shape).intersection(frame)


def outline_path(shape: BaseGeometry) -> Outline:
    """Return the path of all rings of an area; lines and points in it are left out."""
    points, codes = [], []
    for part in shapely.get_parts(shape):
        if not isinstance(part, shapely.Polygon):
            continue
        for ring in (part.exterior, *part.interiors):
            points.append(np.asarray(ring.coords))
            inner = [Outline.LINETO] * (len(ring.coords) - 2)
            codes += [Outline.MOVETO, *inner, Outline.CLOSEPOLY]
    if not points:
        return Outline(np.empty((0, 2)))
    return Outline(np.concatenate(points), codes)
