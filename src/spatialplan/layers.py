"""What lies on a web map: shapes, styles, tooltips, labels and legend, layer by layer.

Nothing here knows HTML or Leaflet: a layer is data that the page's own script draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import boundaries, layout, places, roadlayers
from spatialplan.layer import (
    ANY_ZOOM,
    CONFIDENCE,
    NO_KEY,
    Key,
    Layer,
    area_key,
    dot_key,
    line_key,
)
from spatialplan.palette import ELEMENT, VERDICT, band_colours
from spatialplan.targets import EVIDENCE_NAMES, VERDICT_NAMES

if TYPE_CHECKING:
    from spatialplan.network import Network
    from spatialplan.places import Gazetteer, Place
    from spatialplan.plan import Plan
    from spatialplan.targets import Pair, Verdict

__all__ = ["Key", "Layer", "Reach", "Scene", "layers_of"]

ROOM = 2_400_000
SECTIONS = ("structure", "circles", "targets", "network", "places")
ESTIMATED = "L"  # confidence of a point or link that is an estimate

_KIND_NAMES = {
    "prefecture_seat": ("州市驻地", "prefecture seat"),
    "county_seat": ("县城", "county seat"),
    "town": ("镇", "town"),
    "township": ("乡", "township"),
    "district": ("片区", "district"),
    "park": ("园区", "industrial park"),
    "station": ("车站", "station"),
    "interchange": ("互通", "interchange"),
    "junction": ("路口", "junction"),
    "airport": ("机场", "airport"),
    "port": ("港口", "port"),
    "scenic": ("景区", "scenic area"),
    "reservoir": ("水库", "reservoir"),
    "pass": ("垭口", "pass"),
    "border": ("省界路口", "border crossing"),
}
_BELTS = ("#c2680c", "#0f766e", "#4d7c0f", "#1d5fa8", "#8b5a2b", "#7e4b9e")
_INFERRED_DASH = "7 6"
_MARGIN_DEGREES = 0.45  # how far beyond the area roads and places are drawn


@dataclass(frozen=True)
class Reach:
    """Travel-time circles to draw: `frame` as `spatialplan.circles.circles` returns it.

    `links`, as `spatialplan.circles.reached_links` returns them, are the roads reached.
    """

    title_zh: str
    title_en: str
    frame: gpd.GeoDataFrame
    links: gpd.GeoDataFrame | None = None


@dataclass(frozen=True)
class Scene:
    """What one map shows.

    Parameters
    ----------
    plan, network
        The plan, and the network of the scenario.
    verdicts
        As `spatialplan.targets.evaluate` returns them; their pairs become lines.
    circles
        Travel-time circles; the first is shown at once.
    scenario_zh, scenario_en, profile_zh, profile_en
        Titles of the scenario and of the speed profile.
    register
        Network of all links known: those that are not in `network` are drawn as projects.
    edited
        Ids of links that the planner's own edits have added or changed.
    gazetteer
        The built-in one by default.
    shown
        Sections whose layers are switched on when the page opens (of `SECTIONS`). Of targets
        and circles only one layer is, for all at once cannot be read.
    drawn_on
        The day printed on the map, today by default.
    """

    plan: Plan
    network: Network
    verdicts: Sequence[Verdict] = ()
    circles: Sequence[Reach] = ()
    scenario_zh: str = ""
    scenario_en: str = ""
    profile_zh: str = ""
    profile_en: str = ""
    register: Network | None = None
    edited: frozenset[str] = frozenset()
    gazetteer: Gazetteer = field(default_factory=places.builtin)
    shown: tuple[str, ...] = ("structure", "network", "places")
    drawn_on: date = field(default_factory=date.today)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """What the map opens on: west, south, east, north in degrees."""
        return layout.plan_bounds(self.plan, self.gazetteer, self.network.links.total_bounds)

    @cached_property
    def window(self) -> shapely.Geometry:
        """The rectangle (degrees) that is drawn."""
        far = self._far_points()
        area = shapely.box(*self.bounds)
        return shapely.box(*area.union(far).bounds).buffer(_MARGIN_DEGREES, join_style="mitre")

    def _far_points(self) -> shapely.Geometry:
        ends = [
            (place.lon, place.lat)
            for verdict in self.verdicts
            for pair in verdict.pairs
            for place in (pair.origin, pair.destination)
        ]
        return shapely.MultiPoint(ends)


# ------------------------------------------------------------------------ layers of a scene


def layers_of(scene: Scene, *, plain: bool = False, room: int = ROOM) -> dict[str, list[Layer]]:
    """Return the layers of a scene by section of the panel.

    Parameters
    ----------
    scene
        What to show.
    plain
        Leave the counties unfilled, for drawing on map tiles.
    room
        How many characters the lines of a large network may take.
    """
    plan, gazetteer = scene.plan, scene.gazetteer
    roads = roadlayers.RoadLayers(scene, room)
    sections = {
        "structure": _structure_layers(_Ground(plan, gazetteer, scene.bounds)),
        "circles": [
            *(_circle_layer(reach, n) for n, reach in enumerate(scene.circles)),
            *roads.reached(),
        ],
        "targets": list(_target_layers(scene)),
        "network": roads.network(),
        "places": _ground_layers(_Ground(plan, gazetteer, scene.bounds, scene.window, plain)),
    }
    return {
        name: [replace(layer, shown=layer.shown and name in scene.shown) for layer in layers]
        for name, layers in sections.items()
    }


@dataclass(frozen=True, eq=False)
class _Ground:
    """What a map shows on any network, compared by value.

    Most of the work on a map goes into it, and many maps of a report have it in common.
    """

    plan: Plan
    gazetteer: Gazetteer
    bounds: tuple[float, float, float, float]
    window: shapely.Geometry | None = None
    plain: bool = False

    @property
    def _frame(self) -> tuple:
        return self.bounds, self.window, self.plain

    def __hash__(self) -> int:
        return hash((self.plan.id, self._frame))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Ground):
            return NotImplemented
        if (self.plan, self._frame) != (other.plan, other._frame):
            return False
        mine, others = self.gazetteer.table, other.gazetteer.table
        return mine is others or mine.equals(others)


@lru_cache(maxsize=8)
def _ground_layers(ground: _Ground) -> list[Layer]:
    return [*_place_layers(ground), _boundary_layer(ground)]


def _boundary_layer(ground: _Ground) -> Layer:
    """Counties of the area and around it, with names, and the reserves kept apart."""
    layer = Layer("boundaries", "县级行政区", "Counties", z=0)
    fill = 0.0 if ground.plain else 1.0
    codes = ground.gazetteer.table["adcode"].dropna().astype(int)
    apart = {*ground.plan.area, *boundaries.RESERVES}
    around = boundaries.known(code for code in codes.unique() if code not in apart)
    near = boundaries.counties(around)
    near = boundaries.simplify(near[near.intersects(ground.window)])
    outer = {"color": "#c9c6bb", "weight": 0.8, "fillColor": "#f4f3ee", "fillOpacity": fill}
    for row in near.itertuples():
        layer.draw(row.geometry, outer, [row.name_zh, ("所属 in", row.city_zh)])
        layer.label(row.name_zh, _inner_points(row.geometry), "neighbour", 8, zooms=(8.6, 13))
    own = boundaries.simplify(boundaries.counties(boundaries.known(ground.plan.area)))
    inner = {"color": "#a89a80", "weight": 1.1, "fillColor": "#fffdf5", "fillOpacity": fill}
    inner["dashArray"] = "7 3 2 3"
    for row in own.itertuples():
        layer.draw(row.geometry, inner, [row.name_zh, ("所属 in", row.city_zh)])
        layer.label(row.name_zh, _inner_points(row.geometry), "county", 30, zooms=(8, 13))
    edge = {"color": "#8a6d3b", "weight": 2.6, "opacity": 0.75, "fill": False}
    layer.draw(own.union_all(), edge)
    _draw_reserves(layer, ground.window)
    lacking = boundaries.lacking_words(ground.plan.area)
    layer.keys = [Key(NO_KEY, *lacking)] if lacking else []
    if len(own):
        layer.keys += [
            Key(line_key("#8a6d3b", 2.6), "规划范围", "area of the plan"),
            Key(line_key("#a89a80", 1.2, "7 3 2 3"), "县级界线", "county boundary"),
        ]
    if boundaries.reserves().intersects(ground.window).any():
        reserve = area_key("#cfe3c4", 0.8, "#7ba05b", "3 3")
        layer.keys.append(Key(reserve, "自然保护区(单列)", "reserve kept apart"))
    return layer


def _draw_reserves(layer: Layer, window: shapely.Geometry) -> None:
    style = {"color": "#7ba05b", "weight": 1, "dashArray": "3 3", "fillColor": "#cfe3c4"}
    frame = boundaries.reserves()
    for row in frame[frame.intersects(window)].itertuples():
        tip = [row.name_zh, ("英文 in English", row.name_en), ("说明 note", row.note_zh)]
        layer.draw(row.geometry, {**style, "fillOpacity": 0.8}, tip)
        layer.label(row.name_zh, _inner_points(row.geometry), "reserve", 6, zooms=(9.6, 13))


def _inner_points(shape: shapely.Geometry) -> list[tuple[float, float]]:
    """Return some positions inside a polygon, the roomiest first."""
    largest = max(shapely.get_parts(shape), key=lambda part: part.area)
    west, south, east, north = largest.bounds
    grid = [
        (west + (east - west) * x, south + (north - south) * y)
        for x in (0.5, 0.35, 0.65)
        for y in (0.5, 0.35, 0.65, 0.22, 0.78)
    ]
    roomy = largest.buffer(-0.12 * min(east - west, north - south))
    middle = shapely.get_coordinates(shapely.maximum_inscribed_circle(largest, 0.005))[0]
    return [tuple(middle), *(point for point in grid if roomy.contains(shapely.Point(point)))]


def _circle_layer(reach: Reach, number: int) -> Layer:
    """Bands between one limit and the next, so that no colour covers another."""
    layer = Layer(f"circles{number}", reach.title_zh, reach.title_en, z=10, shown=number == 0)
    inner: shapely.Geometry = shapely.Polygon()
    colours = band_colours(len(reach.frame))
    below = 0.0
    for colour, row in zip(colours, reach.frame.sort_values("minutes").itertuples(), strict=True):
        shape = row.geometry.simplify(0.0008)
        style = {"stroke": False, "fillColor": colour, "fillOpacity": 0.5}
        tip = [reach.title_zh, ("用时 time", f"{below:g}–{row.minutes:g} 分钟 min")]
        layer.draw(shape.difference(inner), style, tip)
        zh, en = f"{below:g}–{row.minutes:g} 分钟", f"{below:g}–{row.minutes:g} min"
        layer.keys.append(Key(area_key(colour, 0.55), zh, en))
        inner, below = inner.union(shape), row.minutes
    return layer


@lru_cache(maxsize=8)
def _structure_layers(ground: _Ground) -> list[Layer]:
    """One layer for each formula of the plan; the first is shown."""
    frame = layout.layout(ground.plan, ground.gazetteer)
    heads = _arrowheads(frame, layout.plan_crs(ground.plan, ground.gazetteer))
    table = layout.members(ground.plan, ground.gazetteer)
    view = shapely.box(*ground.bounds).buffer(_MARGIN_DEGREES)
    table["beyond"] = ~table.within(view)
    layers = []
    for number, structure in enumerate(ground.plan.structures):
        layer = Layer(f"structure{number}", structure, "", z=20, shown=number == 0)
        chosen = frame[frame["structure"] == structure]
        belts = 0
        for row in chosen.itertuples():
            colour = ELEMENT[row.kind]
            if row.kind in ("belt", "corridor", "axis"):
                colour, belts = _BELTS[belts % len(_BELTS)], belts + 1
            own = table[table["element"] == row.Index]
            _draw_element(layer, row, colour, own, heads[row.Index])
            layer.keys.append(_element_key(row, colour))
        beyond = table[(table["structure"] == structure) & table["beyond"]]
        if len(beyond):
            names = "、".join(dict.fromkeys(beyond["name_zh"]))
            layer.keys.append(Key(NO_KEY, f"在图幅以外,缩小可见:{names}", "beyond: zoom out"))
        layers.append(layer)
    return layers


def _arrowheads(frame: gpd.GeoDataFrame, crs: str) -> dict[str, shapely.Geometry]:
    """Return the arrowheads of each axis and of each ray towards a far point."""
    none = shapely.MultiLineString()
    lines = [
        row.geometry if row.kind == "axis" and (row.rays is None or row.spine is None) else row.rays
        for row in frame.itertuples()
    ]
    lines = [none if line is None else line for line in lines]
    heads = layout.arrowheads(gpd.GeoSeries(lines, frame.index, crs=4326), crs)
    return heads.to_dict()


def _element_key(row: Any, colour: str) -> Key:
    dash = _INFERRED_DASH if row.inferred else ""
    zh = row.name_zh + ("(推断)" if row.inferred else "")
    if row.geometry.is_empty:
        return Key(area_key("#fff", 0), f"{row.name_zh}(未定位)", f"{row.name_en}, no place")
    if row.kind == "node":
        return Key(dot_key(colour, _node_radius(row.rank), hollow=row.inferred), zh, row.name_en)
    if row.kind in ("axis", "ring"):
        return Key(line_key(colour, 3, dash), zh, row.name_en)
    return Key(area_key(colour, 0.4, colour, dash), zh, row.name_en)


def _node_radius(rank: Any) -> float:
    return {1: 8.0, 2: 6.0, 3: 4.8}.get(None if pd.isna(rank) else int(rank), 4.2)


def _element_tip(row: Any, own: gpd.GeoDataFrame) -> list:
    inferred = [
        name
        for name, flag in (("成员 members", row.inferred), ("走向 line", row.spine_inferred))
        if flag
    ]
    return [
        row.name_zh,
        ("英文 in English", row.name_en),
        ("结构 structure", row.structure),
        ("成员 members", "、".join(own["name_zh"])),
        ("推断 inferred", "、".join(inferred) + ":规划原文未列明" if inferred else ""),
        ("说明 note", row.note_zh),
        ("英文说明 in English", row.note_en),
    ]


def _draw_element(
    layer: Layer, row: Any, colour: str, own: gpd.GeoDataFrame, heads: shapely.Geometry
) -> None:
    tip = _element_tip(row, own)
    dash = {"dashArray": _INFERRED_DASH} if row.inferred or row.spine_inferred else {}
    if row.kind == "node":
        _draw_nodes(layer, row, colour, own)
        return
    if row.kind in ("axis", "ring"):
        layer.draw(row.geometry, {"color": colour, "weight": 3.4, "opacity": 0.85, **dash}, tip)
    else:
        strong = row.kind in ("core", "pole")
        area = {"color": colour, "weight": 2.4 if strong else 1.4, "fillColor": colour}
        area |= {"fillOpacity": 0.3 if strong else 0.2, "opacity": 0.9, **dash}
        # A core lies above the belts that meet in it.
        layer.draw(row.geometry, {**area, "above": 2 if strong else 0}, tip)
    if row.rays is not None and row.kind != "axis":
        layer.draw(row.rays, {"color": colour, "weight": 2.4, **dash}, tip)
    if not heads.is_empty:
        head = {"stroke": False, "fillColor": colour, "fillOpacity": 0.9, "above": 1}
        layer.draw(heads, head, tip)
    _label_element(layer, row, colour)


def _draw_nodes(layer: Layer, row: Any, colour: str, own: gpd.GeoDataFrame) -> None:
    radius = _node_radius(row.rank)
    for place in own.itertuples():
        hollow = row.inferred or place.confidence == ESTIMATED
        style = {"radius": radius, "color": "#fff" if not hollow else colour, "weight": 1.4}
        style |= {"fillColor": "#fff" if hollow else colour, "fillOpacity": 0.95, "above": 45}
        if row.inferred:
            style["dashArray"] = "2 2"
        tip = [
            place.name_zh,
            ("英文 in English", place.name_en),
            ("节点 node of", row.name_zh),
            ("级别 rank", "" if pd.isna(row.rank) else f"{row.rank}"),
            ("推断 inferred", "成员名单规划未列明" if row.inferred else ""),
            *_accuracy_rows(place),
        ]
        layer.draw(place.geometry, style, tip)
        at = [(place.geometry.x, place.geometry.y)]
        rank = 4 if pd.isna(row.rank) else int(row.rank)
        # Far places are seen on a small map only, where there is room for their names.
        zooms = ANY_ZOOM if place.beyond else (8.6 if rank <= 2 else 9.4, 30)
        layer.label(
            place.name_zh, at, "node", 50 - 3 * rank, zooms=zooms, offset=radius + 2,
            dot=radius, ink=colour,
        )  # fmt: skip


def _accuracy_rows(place: Any) -> list[tuple[str, str]]:
    accuracy = place.accuracy_m
    known = accuracy is not None and not pd.isna(accuracy) and accuracy > 0
    return [
        ("位置精度 accuracy", f"±{accuracy:g} m" if known else ""),
        ("可信度 confidence", CONFIDENCE.get(place.confidence, place.confidence)),
    ]


def _label_element(layer: Layer, row: Any, colour: str) -> None:
    text = row.name_zh + ("(推断)" if row.inferred else "")
    if row.geometry.is_empty:
        return
    if row.kind in ("belt", "corridor", "axis", "ring"):
        line = row.spine if row.spine is not None else _longest(row.geometry)
        layer.label(text, _along(line), "element", 70, ink=colour, zooms=(8, 14))
    elif row.kind in ("wing", "cluster", "pole"):
        at = [*_inner_points(row.geometry), *_around(row.geometry)]
        layer.label(text, at, "element", 72, ink=colour, zooms=(8, 14))
    else:
        at = [*_around(row.geometry), *_inner_points(row.geometry)]
        layer.label(text, at, "core", 90, ink=colour, zooms=(8, 14))


def _longest(shape: shapely.Geometry) -> shapely.LineString:
    lines = [part for part in shapely.get_parts(shape) if part.geom_type == "LineString"]
    return max(lines, key=lambda line: line.length)


def _along(line: shapely.LineString) -> list[tuple[float, float, float]]:
    """Return positions along a line with the angle of reading, degrees clockwise."""
    found = []
    for share in (0.5, 0.38, 0.62, 0.26, 0.74, 0.15, 0.85):
        (x0, y0), (x1, y1) = (
            line.interpolate(share + step, normalized=True).coords[0] for step in (-0.08, 0.08)
        )
        x, y = line.interpolate(share, normalized=True).coords[0]
        angle = np.degrees(np.arctan2(y1 - y0, (x1 - x0) * np.cos(np.radians(y))))
        angle = (angle + 90) % 180 - 90  # never upside down
        found.append((x, y, -float(angle)))
    return found


def _around(shape: shapely.Geometry) -> list[tuple[float, float]]:
    """Return positions above and below a shape, the nearest and most central first."""
    west, south, east, north = shape.bounds
    return [
        (west + (east - west) * share, edge + sign * gap)
        for gap in (0.02, 0.05)
        for share in (0.5, 0.2, 0.8)
        for edge, sign in ((north, 1), (south, -1))
    ]


# ---------------------------------------------------------------------------------- places


def _place_layers(ground: _Ground) -> Iterator[Layer]:
    table = ground.gazetteer.table
    table = table[table.intersects(ground.window)]
    own = table["adcode"].isin(ground.plan.area)
    seats = table["kind"].isin(places.SEAT_KINDS)
    towns = table["kind"].isin(places.TOWN_KINDS)
    yield _seat_layer(table[seats], ground)
    layer = Layer("towns", "乡镇", "Towns and townships", z=60)
    _draw_points(layer, table[towns & own], "#6b7280", 2.6, ("town", 14, (10.2, 30)))
    yield layer
    layer = Layer("sites", "互通、车站、园区、景区等", "Interchanges, stations, parks …", z=58)
    layer.shown = False
    others = table[~seats & ~towns & own]
    for kind, colour in _SITE_COLOURS.items():
        chosen = others[others["kind"] == kind]
        _draw_points(layer, chosen, colour, 3.2, ("site", 10, (10.6, 30)))
        if len(chosen):
            layer.keys.append(Key(dot_key(colour, 3.2), *_KIND_NAMES[kind]))
    yield layer


_SITE_COLOURS = {
    "interchange": "#c0392b",
    "junction": "#a16207",
    "station": "#1f4e79",
    "airport": "#7c3aed",
    "park": "#9a3412",
    "scenic": "#15803d",
    "port": "#0e7490",
    "reservoir": "#0284c7",
    "district": "#475569",
    "pass": "#57534e",
    "border": "#57534e",
}


def _seat_layer(table: gpd.GeoDataFrame, ground: _Ground) -> Layer:
    layer = Layer("seats", "州市县驻地", "Seats", z=70)
    own = table["adcode"].isin(ground.plan.area)
    prefecture = table["kind"] == "prefecture_seat"
    heads = table[own & (prefecture | _is_capital(table, ground.plan))]
    rest = table[own & ~table.index.isin(heads.index)]
    _draw_points(layer, heads, "#111827", 6.0, ("seat", 100, ANY_ZOOM))
    _draw_points(layer, rest, "#111827", 4.4, ("seat", 95, ANY_ZOOM))
    _draw_points(layer, table[~own & prefecture], "#4b5563", 4.6, ("far", 60, (7, 30)))
    _draw_points(layer, table[~own & ~prefecture], "#6b7280", 3.2, ("far", 40, (8.8, 30)))
    layer.keys = [
        Key(dot_key("#111827", 4.4), "位置有出处", "point with a source"),
        Key(dot_key("#111827", 4.4, hollow=True), "位置为估计", "estimated point"),
    ]
    return layer


def _is_capital(table: gpd.GeoDataFrame, plan: Plan) -> pd.Series:
    """Return whether a seat is a member of the plan's first core."""
    cores = [element for element in plan.elements if element.kind == "core"]
    return pd.Series(table.index.isin(cores[0].members if cores else ()), table.index)


def _draw_points(
    layer: Layer,
    table: gpd.GeoDataFrame,
    colour: str,
    radius: float,
    label: tuple[str, float, tuple[float, float]],
) -> None:
    css, priority, zooms = label
    for place in table.itertuples():
        hollow = place.confidence == ESTIMATED
        style = {"radius": radius, "color": colour if hollow else "#fff", "weight": 1.2}
        style |= {"fillColor": "#fff" if hollow else colour, "fillOpacity": 1}
        layer.draw(place.geometry, style, _place_tip(place))
        at = [(place.geometry.x, place.geometry.y)]
        dot = radius if priority >= 40 else 0
        layer.label(place.name_zh, at, css, priority, zooms=zooms, offset=radius + 2, dot=dot)


def _place_tip(place: Any) -> list:
    return [
        place.name_zh,
        ("英文 in English", place.name_en),
        ("类型 kind", " ".join(_KIND_NAMES.get(place.kind, (place.kind,)))),
        ("所属 in", place.county),
        ("来源 source", getattr(place, "source", "")),
        *_accuracy_rows(place),
    ]


# --------------------------------------------------------------------------------- targets


def _target_layers(scene: Scene) -> Iterator[Layer]:
    """One layer of lines for each target with pairs; the one that tells most is shown."""
    opening = _opening_target(scene.verdicts)
    for number, verdict in enumerate(scene.verdicts):
        if not verdict.pairs:
            continue
        target = verdict.target
        layer = Layer(f"target{number}", target.title_zh, target.title_en, z=50)
        layer.shown = number == opening
        for pair in verdict.pairs:
            _draw_pair(layer, pair, verdict)
        yield layer


def _opening_target(verdicts: Sequence[Verdict]) -> int:
    """Return the first target missed by some of a handful of trips, else any with trips."""

    def clarity(number: int) -> tuple[bool, int]:
        verdict = verdicts[number]
        handful = 3 <= len(verdict.pairs) <= 12 and verdict.target.metric == "travel_time"
        return handful and verdict.verdict in ("not_met", "impossible"), len(verdict.pairs) > 0

    return max(range(len(verdicts)), key=clarity, default=0)


def _pair_verdict(pair: Pair, threshold: float | None) -> str:
    if pair.met:
        return "met"
    if threshold is not None and _number(pair.lower_bound) and pair.lower_bound > threshold:
        return "impossible"
    return "not_met"


def _number(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _draw_pair(layer: Layer, pair: Pair, verdict: Verdict) -> None:
    target = verdict.target
    name = _pair_verdict(pair, target.threshold)
    minutes = f"{pair.minutes:.0f} 分" if _number(pair.minutes) else "不通"
    tip = [
        f"{pair.origin.name_zh} → {pair.destination.name_zh}",
        ("目标 target", f"{target.id} {target.title_zh}"),
        ("判定 verdict", " ".join(VERDICT_NAMES[name])),
        ("用时 time", f"{pair.minutes:.1f} 分钟 min" if _number(pair.minutes) else "不通 no way"),
        ("车内 in vehicle", _figure(pair.route.in_vehicle, "分钟 min")),
        ("里程 distance", _figure(pair.km, "km")),
        ("理论下限 lower bound", _figure(pair.lower_bound, "分钟 min")),
        ("门槛 threshold", "" if target.threshold is None else f"≤ {target.threshold:g} 分钟 min"),
        ("依据 evidence", " ".join(EVIDENCE_NAMES[verdict.evidence])),
    ]
    line = _bow(pair.origin, pair.destination)
    if line.is_empty:
        return
    style = {"color": VERDICT[name], "weight": 2.6, "opacity": 0.9}
    layer.draw(line, {"color": "#fff", "weight": 4.8, "opacity": 0.8, "above": -1})
    layer.draw(line, style, tip)
    at = [line.interpolate(share, normalized=True).coords[0] for share in (0.5, 0.62, 0.4, 0.74)]
    layer.label(minutes, at, "minutes", 55, ink=VERDICT[name], zooms=(8, 30))


def _figure(value: Any, unit: str) -> str:
    return f"{value:.1f} {unit}" if _number(value) else ""


def _bow(origin: Place, destination: Place) -> shapely.LineString:
    """Return a slightly bent line, so that the way there and the roads below stay apart."""
    start, end = (np.array([place.lon, place.lat]) for place in (origin, destination))
    if not np.isfinite([start, end]).all() or np.allclose(start, end):
        return shapely.LineString()
    across = np.array([-(end - start)[1], (end - start)[0]])
    bend = (start + end) / 2 + 0.09 * across
    t = np.linspace(0, 1, 13)[:, None]
    return shapely.LineString((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end)
