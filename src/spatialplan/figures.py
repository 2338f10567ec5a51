"""The figures of a plan, remade with data, as sheets in the manner of planning drawings.

Every figure takes a `Material` and returns a matplotlib `Figure`; `FIGURES` lists them and
`save` writes them. What a document does not enumerate is drawn dashed and said to be inferred.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.figure import Figure

from spatialplan import boundaries
from spatialplan.basemap import (
    SEAT_ENTRIES,
    band_entries,
    base_entries,
    bounds_of,
    draw_bands,
    draw_base,
    draw_seats,
    minutes_text,
    plain_name,
    sheet_notes,
    subtitle_of,
    title_of,
)
from spatialplan.charts import travel_matrix_chart, verdict_chart
from spatialplan.errors import InputError
from spatialplan.farmaps import DIRECTION_STRUCTURE, four_directions, national_position
from spatialplan.files import atomic_path
from spatialplan.labels import Candidate, Label, along
from spatialplan.layout import layout as build_layout
from spatialplan.layout import plan_bounds, plan_crs
from spatialplan.palette import CLASS, ELEMENT, STATUS_DASH, STATUS_NAMES
from spatialplan.places import SEAT_KINDS, Gazetteer, Place
from spatialplan.rolemap import roles, town_roles
from spatialplan.sheet import Entry, Sheet
from spatialplan.standards import CLASSES, RAIL_CLASSES
from spatialplan.verdict import beyond

if TYPE_CHECKING:
    from spatialplan.plan import Plan
    from spatialplan.scenario import Scenario
    from spatialplan.starts import Start
    from spatialplan.targets import Verdict
    from spatialplan.travel import Graph

__all__ = [
    "BY_AREA",
    "BY_SCENARIO",
    "FIGURES",
    "Material",
    "available",
    "core_circles",
    "corridors",
    "draw",
    "four_directions",
    "material",
    "national_position",
    "save",
    "spatial_layout",
    "stem",
    "title",
    "town_roles",
    "travel_circles",
    "travel_matrix",
    "travel_matrix_chart",
    "verdict_chart",
    "verdicts",
]

AROUND_FRAME = 0.3  # degrees beyond a frame that a sheet of another shape may show
CIRCLE = ("#2f855a", "#d9a441")
CORRIDOR_STRUCTURE = "四廊"
_FROM_PRESS = "等级和状态据公开报道,未核实的普通公路等级为估计;拟建和谋划项目走向为推定。"
_ESTIMATED = "路网含估计的里程和等级,时间仅供参考。Indicative: partly estimated data."
_FROM_FILE = "里程、等级和状态按路网文件。Lengths, classes and status as the file has them."


@dataclass(frozen=True)
class Material:
    """All that the figures of one plan and scenario are drawn from.

    Parameters
    ----------
    plan, gazetteer
        The document, and the places it speaks of.
    layout
        Its elements as geometry, from `spatialplan.layout.layout`.
    roads
        Links of every status (columns ``mode, class, status, geometry``), EPSG:4326.
    graph
        The compiled network of the scenario; None leaves out what needs travel times.
    verdicts
        Verdicts of the plan's targets in that scenario.
    scenario_zh, scenario_en, date
        What the sheets call the scenario, and its day (``YYYY-MM``).
    reached
        Travel-time circles that are known already, with where they start.
    extent
        Where the network can tell what there is (EPSG:4326); None: everywhere.
    network
        What the sheets say of a network of the user's own: its name, and whose data it is.
    """

    plan: Plan
    gazetteer: Gazetteer
    layout: gpd.GeoDataFrame
    roads: gpd.GeoDataFrame
    graph: Graph | None = None
    verdicts: Sequence[Verdict] = ()
    scenario_zh: str = ""
    scenario_en: str = ""
    date: str = ""
    circle_minutes: tuple[float, ...] = field(default=(60.0, 120.0))
    reached: tuple[tuple[Start, gpd.GeoDataFrame], ...] = ()
    extent: shapely.Geometry | None = None
    network: str = ""

    @property
    def crs(self) -> str:
        """The plan's projected CRS."""
        return plan_crs(self.plan, self.gazetteer)

    @cached_property
    def area(self) -> gpd.GeoDataFrame:
        """The plan's counties, as far as the boundary data have them."""
        return boundaries.counties(boundaries.known(self.plan.area))

    @cached_property
    def frame(self) -> gpd.GeoSeries:
        """The rectangle that a map of the plan must show."""
        roads = self.graph.network.links if self.graph else self.roads
        return _frame_of(self.plan, self.gazetteer, roads)

    @cached_property
    def open_roads(self) -> gpd.GeoDataFrame:
        """The links to draw of the scenario's network; all that are known without one."""
        return drawable(self.graph.network.links, self.frame) if self.graph else self.roads

    @cached_property
    def seats(self) -> list[Place]:
        """The seats of the plan's counties."""
        return [self.gazetteer[i] for i in self.gazetteer.seats(list(self.plan.area))]

    @cached_property
    def untold(self) -> list[Place]:
        """The seats and outer destinations that lie beyond the network."""
        return beyond([*self.seats, *self.outer_destinations], self.extent)

    @cached_property
    def told_seats(self) -> list[Place]:
        """The seats of which the network can tell."""
        return [place for place in self.seats if place not in self.untold]

    @cached_property
    def origin(self) -> Place:
        """Where the travel-time circles start: the seat of the prefecture, else the first."""
        principal = [place for place in self.told_seats if place.kind == "prefecture_seat"]
        return (principal or self.told_seats)[0]

    @cached_property
    def circles(self) -> gpd.GeoDataFrame:
        """Areas reached by road from `origin` within `circle_minutes`."""
        from spatialplan.starts import Start

        own = Start(self.origin.name_zh, self.origin.name_en, (self.origin,), self.circle_minutes)
        return self.reach(own)

    def reach(self, start: Start) -> gpd.GeoDataFrame:
        """Return the circles of a start: those that are known, else computed now."""
        for other, frame in self.reached:
            same = set(other.places) == set(start.places) and other.mode == start.mode
            if same and set(start.minutes) <= set(other.minutes):
                return frame[frame["minutes"].isin(start.minutes)].reset_index(drop=True)
        return start.circles(self.graph)

    @cached_property
    def outer_destinations(self) -> list[Place]:
        """Places beyond the area that a target of the plan wants reached by road."""
        found: dict[str, Place] = {}
        for target in self.plan.targets:
            named = target.parameters.get("destinations")
            if target.metric == "travel_time" and target.mode == "road" and isinstance(named, list):
                for place_id in named:
                    place = self.gazetteer[place_id]
                    if place.kind in SEAT_KINDS and place.adcode not in self.plan.area:
                        found.setdefault(place_id, place)
        return list(found.values())


MOST_LINES = 6000  # on one sheet; more of them are a blot
# What is left out first comes last.
_DRAWN_CLASSES = (*RAIL_CLASSES, "expressway", "class1", "class2", "class3", "class4")


def drawable(links: gpd.GeoDataFrame, frame: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """Return the links to draw on a sheet: of a large network the higher classes around a frame.

    Notes
    -----
    Whole classes are left out, the lowest first, until `MOST_LINES` are left; the highest that
    there is always stays.
    """
    if len(links) <= MOST_LINES:
        return links
    around = frame.total_bounds + np.array([-1, -1, 1, 1]) * AROUND_FRAME
    near = links[links.intersects(shapely.box(*around))]
    rank = pd.Index(_DRAWN_CLASSES).get_indexer(near["class"])
    counts = np.cumsum(np.bincount(rank[rank >= 0], minlength=len(_DRAWN_CLASSES)))
    least = np.flatnonzero(counts)[:1]
    last = max([*least, *np.flatnonzero((counts > 0) & (counts <= MOST_LINES))], default=-1)
    drawn = near[(rank >= 0) & (rank <= last)]
    drawn.attrs["left_out"] = [n for n in _DRAWN_CLASSES[last + 1 :] if (near["class"] == n).any()]
    return drawn


def _left_out(links: gpd.GeoDataFrame) -> list[tuple[str, str]]:
    """Return a note on the classes that `drawable` left out."""
    names = "、".join(CLASSES[name][0] for name in links.attrs.get("left_out", ()))
    return [("道路", f"路网密,未画{names}。Lower classes are not drawn.")] if names else []


def _frame_of(plan: Plan, gazetteer: Gazetteer, roads: gpd.GeoDataFrame) -> gpd.GeoSeries:
    bounds = plan_bounds(plan, gazetteer, roads.total_bounds)
    return gpd.GeoSeries([shapely.box(*bounds)], crs=4326)


def material(
    plan: Plan,
    gazetteer: Gazetteer,
    scenario: Scenario | None = None,
    graph: Graph | None = None,
    verdicts: Sequence[Verdict] = (),
    roads: gpd.GeoDataFrame | None = None,
) -> Material:
    """Return the material of a plan and a scenario; the layout is built here.

    `roads` are the links to draw; by default every link that is known, of all statuses.
    """
    if roads is None:
        from spatialplan.scenario import register

        roads = register().links
    return Material(
        plan=plan,
        gazetteer=gazetteer,
        layout=build_layout(plan, gazetteer),
        roads=drawable(roads, _frame_of(plan, gazetteer, roads)),
        graph=graph,
        verdicts=tuple(verdicts),
        scenario_zh=scenario.title_zh if scenario else "",
        scenario_en=scenario.title_en if scenario else "",
        date=graph.network.date if graph else "",
    )


# -- 图4-1 -----------------------------------------------------------------------------------


def spatial_layout(data: Material) -> Figure:
    """Draw the core, the belts along their spines and the nodes by rank (图4-1)."""
    formula = _main_structure(data)
    rows = data.layout[data.layout["structure"] == formula]
    wings = data.layout[data.layout["kind"] == "wing"]
    sheet = Sheet(
        title_of(data, "4-1", "城镇总体空间布局"),
        "Overall spatial layout of towns",
        f"《{data.plan.title_zh}》   {formula}",
        bounds_of([data.frame]),
        data.crs,
    )
    draw_base(sheet, data)
    belts = rows[rows["kind"].isin(("belt", "axis", "corridor"))]
    draw_bands(sheet, belts, 0.20)
    cores = rows[rows["kind"] == "core"]
    for _, row in cores.iterrows():
        sheet.areas(
            [row.geometry],
            face=ELEMENT["core"],
            edge=ELEMENT["core"],
            width=1.6,
            dash="7 4" if row["inferred"] else "",
            alpha=0.22,
            zorder=4.5,
        )
    _wing_rings(sheet, data, wings)
    draw_seats(sheet, data)
    ranks = _nodes(sheet, data, rows[rows["kind"].isin(("node", "pole"))])
    sheet.legend(
        Entry("heading", formula[:12], "Structure"),
        *[
            Entry(
                "area",
                plain_name(row["name_zh"]),
                "Core",
                {
                    "face": ELEMENT["core"],
                    "edge": ELEMENT["core"],
                    "alpha": 0.22,
                    "width": 1.4,
                    "dash": "7 4" if row["inferred"] else "",
                },
            )
            for _, row in cores.iterrows()
        ],
        *band_entries(belts, 0.20),
        *ranks,
        *_wing_entries(wings),
        *SEAT_ENTRIES,
        *base_entries(data),
    )
    unlisted = [row["name_zh"] for _, row in rows.iterrows() if row["inferred"]]
    lines = [r["name_zh"] for _, r in rows.iterrows() if r["spine_inferred"] and not r["inferred"]]
    notes = []
    if unlisted:
        notes.append(("推断", f"文件未列成员:{'、'.join(unlisted)},符号用虚线。"))
    if lines:
        notes.append(("走向", f"文件未给线路,由本图推断,带边用虚线:{'、'.join(lines)}。"))
    notes.append(("", "Dashed: members or line inferred, not listed in the document."))
    return sheet.finish(sheet_notes(data, *notes))


def _main_structure(data: Material) -> str:
    """Return the formula of the plan's towns: the first that has a core."""
    found = [e.structure for e in data.plan.elements if e.kind == "core" and e.structure]
    return (found or list(data.plan.structures) or [""])[0]


def _wing_rings(sheet: Sheet, data: Material, wings: gpd.GeoDataFrame) -> None:
    for element in wings.index:
        for place_id in data.plan.element(element).members:
            place = data.gazetteer[place_id]
            sheet.point(place.lon, place.lat, size=17, face="none", edge=ELEMENT["wing"], width=1.6)


def _wing_entries(wings: gpd.GeoDataFrame) -> list[Entry]:
    style = {"size": 12, "face": "none", "edge": ELEMENT["wing"], "width": 1.6}
    return [Entry("point", "副中心(南北两翼)", "Wings", style)] if len(wings) else []


_NODE_SIZE = {1: 10.0, 2: 8.0, 3: 6.0}


def _nodes(sheet: Sheet, data: Material, rows: gpd.GeoDataFrame) -> list[Entry]:
    """Draw the members of node elements, the higher rank first; return their legend."""
    seats = {place.place_id for place in data.seats}
    drawn, entries = set[str](), []
    for element, row in rows.sort_values("rank", na_position="last").iterrows():
        rank = 3 if pd.isna(row["rank"]) else min(int(row["rank"]), 3)
        size = _NODE_SIZE[rank]
        style = {
            "marker": {1: "D", 2: "s", 3: "o"}[rank],
            "size": size,
            "face": "white" if row["inferred"] else ELEMENT["node"],
            "edge": ELEMENT["node"],
            "width": 1.3,
            "dash": "4 2.4" if row["inferred"] else "",
        }
        entries.append(
            Entry(
                "point",
                plain_name(row["name_zh"]) + ("(推断)" if row["inferred"] else ""),
                f"Nodes, rank {rank}",
                style,
            )
        )
        for place_id in data.plan.element(element).members:
            place = data.gazetteer[place_id]
            if place_id in seats:
                # A seat has its own mark and name: the node is a ring around it.
                ring = style | {"size": 15, "face": "none", "width": 1.8}
                sheet.point(place.lon, place.lat, **ring)
                continue
            if place_id in drawn:
                continue
            drawn.add(place_id)
            sheet.point(place.lon, place.lat, **style)
            sheet.name(place.name_zh, place.lon, place.lat, 8.6, size / 2 + 1, priority=1.5 + rank)
    return entries


# -- 图5-3 -----------------------------------------------------------------------------------


def travel_circles(data: Material) -> Figure:
    """Draw the areas reached in one and two hours from the core, with minutes (图5-3)."""
    from spatialplan.travel import travel_times

    limits = [float(v) for v in data.circles["minutes"]]
    others = [p for p in data.told_seats if p != data.origin]
    outer = [p for p in data.outer_destinations if p not in data.untold]
    times = travel_times(data.graph, [data.origin], [*others, *outer])
    minutes = dict(zip(times["destination"], times["minutes"], strict=True))
    sheet = Sheet(
        title_of(data, "5-3", "城镇1-2小时通行圈"),
        "Areas within one and two hours by road",
        subtitle_of(data),
        bounds_of([data.frame, _points(outer, data.frame)], 0.10),
        data.crs,
    )
    draw_base(sheet, data, tint="#fffefa")
    for number in reversed(range(len(limits))):
        colour = CIRCLE[min(number, len(CIRCLE) - 1)]
        area = data.circles.geometry.iloc[number]
        sheet.areas([area], face=colour, edge=colour, width=1.3, alpha=0.24, zorder=3.5)
    _main_roads(sheet, data)
    origin = data.origin
    sheet.point(origin.lon, origin.lat, "*", 19, "#dc2626", "#7f1d1d")
    sheet.name(f"{origin.name_zh}(起点)", origin.lon, origin.lat, 12, 9, 0.0, bold=True)
    for place in others:
        _timed(sheet, place, minutes[place.key], limits, 7.5, 1.0)
    for place in outer:
        _timed(sheet, place, minutes[place.key], limits, 7.5, 0.5, marker="s")
    for place in beyond(data.seats, data.extent):
        _untimed(sheet, place)
    sheet.legend(
        Entry("heading", "自" + origin.name_zh + "公路出行", "By road"),
        *[
            Entry(
                "area",
                f"{limit:g}分钟通行圈",
                f"{limit:g} min",
                {"face": CIRCLE[min(i, 1)], "edge": CIRCLE[min(i, 1)], "alpha": 0.3},
            )
            for i, limit in enumerate(limits)
        ],
        Entry("heading", "目的地与分钟数", "Destinations, minutes"),
        *[
            Entry("point", words, en, {"face": colour, "size": 7.5})
            for words, en, colour in _time_classes(limits)
        ],
        Entry("point", "州外目的地", "Beyond the prefecture", {"marker": "s", "size": 7.5}),
        *_road_entries(data, ("expressway", "class1", "class2")),
        *base_entries(data),
    )
    profile = data.graph.profile
    untold = "、".join(place.name_zh for place in data.untold)
    return sheet.finish(
        sheet_notes(
            data,
            ("口径", f"起点{origin.name_zh};公路,门到门;离路 {profile.off_network_kmh:g} km/h。"),
            *([("未计", f"路网以外:{untold}")] if untold else []),
            *_left_out(data.open_roads),
            ("速度", f"{profile.title_zh} {profile.title_en}"),
            ("说明", _FROM_FILE if data.network else _ESTIMATED),
        )
    )


def core_circles(data: Material) -> Figure:
    """Draw what is reached from several cores together in 30 and 60 minutes: road, and trains.

    Filled: by road. Dashed: by train too, with the drives to and from the stations.
    """
    from spatialplan.starts import core_starts
    from spatialplan.travel import travel_times

    starts = core_starts(data.plan, data.gazetteer, data.extent)
    by_road = starts[0]
    by_train = next(start for start in starts if start.mode == "all")
    limits = list(by_road.minutes)
    origins = list(by_road.places)
    others = [place for place in data.told_seats if place not in origins]
    times = travel_times(data.graph, origins, others)
    minutes = times.groupby("destination", sort=False)["minutes"].min()
    sheet = Sheet(
        "各核30、60分钟通行圈",
        "Within 30 and 60 minutes of the cores",
        subtitle_of(data),
        bounds_of([data.frame], 0.10),
        data.crs,
    )
    draw_base(sheet, data, tint="#fffefa")
    road, train = data.reach(by_road), data.reach(by_train)
    for number in reversed(range(len(limits))):
        colour = CIRCLE[min(number, len(CIRCLE) - 1)]
        shape = road.geometry.iloc[number]
        sheet.areas([shape], face=colour, edge=colour, width=1.3, alpha=0.24, zorder=3.5)
        shape = train.geometry.iloc[number]
        sheet.areas([shape], edge=_TRAIN[number % 2], width=1.2, dash="6 3", zorder=3.7)
    _main_roads(sheet, data)
    _railways(sheet, data.open_roads)
    for place in origins:
        sheet.point(place.lon, place.lat, "*", 15, "#dc2626", "#7f1d1d")
        sheet.name(place.name_zh, place.lon, place.lat, 10.5, 8, 0.5, bold=True)
    for place in others:
        _timed(sheet, place, float(minutes[place.key]), limits, 7.5, 1.0)
    for place in beyond(data.seats, data.extent):
        _untimed(sheet, place)
    sheet.legend(
        Entry("heading", "自各核公路出行", "By road from the cores"),
        *[
            Entry("area", f"{v:g}分钟", f"{v:g} min", {"face": c, "edge": c, "alpha": 0.3})
            for v, c in zip(limits, CIRCLE, strict=False)
        ],
        Entry("heading", "可乘火车再换车", "By train, then by road"),
        *[
            Entry("line", f"{v:g}分钟", f"{v:g} min", {"colour": c, "width": 1.8, "dash": "6 3"})
            for v, c in zip(limits, _TRAIN, strict=False)
        ],
        Entry("heading", "县城与公路分钟数", "Seats, minutes by road"),
        *[
            Entry("point", words, en, {"face": colour, "size": 7.5})
            for words, en, colour in _time_classes(limits)
        ],
        *_road_entries(data, ("expressway", "class1", "class2")),
        *base_entries(data),
    )
    profile = data.graph.profile
    gained = train.to_crs(data.crs).area - road.to_crs(data.crs).area
    waits = f"候车 {profile.wait_minutes:g}、出站 {profile.leave_minutes:g} 分钟"
    added = f"{limits[-1]:g} 分钟内比公路多到 {max(gained.iloc[-1], 0.0) / 1e6:.0f} km²"
    return sheet.finish(
        sheet_notes(
            data,
            ("起点", "、".join(place.name_zh for place in origins)),
            ("铁路", f"门到门,{waits};{added}。"),
            *_left_out(data.open_roads),
            ("速度", f"{profile.title_zh} {profile.title_en}"),
            ("说明", _FROM_FILE if data.network else _ESTIMATED),
        )
    )


_TRAIN = ("#1d4ed8", "#6d28d9")


def _points(places: Sequence[Place], fallback: gpd.GeoSeries) -> gpd.GeoSeries:
    if not places:
        return fallback
    return gpd.GeoSeries([shapely.Point(p.lon, p.lat) for p in places], crs=4326)


_TIME_COLOURS = ("#1a7f4b", "#d9a441", "#b91c1c")


def _time_classes(limits: Sequence[float]) -> list[tuple[str, str, str]]:
    low, high = limits[0], limits[-1]
    return [
        (f"{low:g}分钟以内", f"within {low:g} min", _TIME_COLOURS[0]),
        (f"{low:g}—{high:g}分钟", f"{low:g}–{high:g} min", _TIME_COLOURS[1]),
        (f"{high:g}分钟以上", f"over {high:g} min", _TIME_COLOURS[2]),
    ]


def _timed(
    sheet: Sheet,
    place: Place,
    minutes: float,
    limits: Sequence[float],
    size: float,
    priority: float,
    marker: str = "o",
) -> None:
    known = bool(np.isfinite(minutes))
    step = int(np.searchsorted(limits, minutes)) if known else len(limits)
    colour = _TIME_COLOURS[min(step, 2)]
    sheet.point(place.lon, place.lat, marker, size, colour)
    passed = max((limit for limit in limits if known and limit < minutes), default=None)
    time = f"{minutes_text(minutes, passed)}分钟" if known else "不可达"
    sheet.name(
        f"{place.name_zh} {time}", place.lon, place.lat, 10, size / 2 + 1, priority, bold=True
    )


def _untimed(sheet: Sheet, place: Place) -> None:
    """Draw a place that lies beyond the network."""
    sheet.point(place.lon, place.lat, size=6.0, edge="#9ca3af", face="white")
    text = f"{place.name_zh} 路网以外"
    sheet.name(text, place.lon, place.lat, 8.6, 4.0, 3.0, colour="#6b7280")


def _main_roads(sheet: Sheet, data: Material) -> None:
    links = data.open_roads
    road = links[links["mode"] == "road"]
    for name in ("class2", "class1", "expressway"):
        colour, width = CLASS[name]
        sheet.lines(
            road.geometry[road["class"] == name],
            colour,
            width * 0.55,
            zorder=6,
            casing="white" if name != "class2" else None,
            alpha=1.0 if name != "class2" else 0.75,
        )


_CLASS_NAMES = {
    "expressway": ("高速公路", "Expressway"),
    "class1": ("一级公路", "Class I"),
    "class2": ("二级公路", "Class II"),
    "class3": ("三级公路", "Class III"),
    "class4": ("四级公路", "Class IV"),
}


def _road_entries(data: Material, classes: Sequence[str], scale: float = 0.55) -> list[Entry]:
    left = data.open_roads.attrs.get("left_out", ())
    return [
        Entry("heading", "公路", "Roads"),
        *[
            Entry(
                "line",
                *_CLASS_NAMES[name],
                {"colour": CLASS[name][0], "width": CLASS[name][1] * scale},
            )
            for name in classes
            if name not in left
        ],
    ]


# -- 图5-4 -----------------------------------------------------------------------------------


def corridors(data: Material) -> Figure:
    """Draw the corridors along the belts, with roads by class and by status (图5-4)."""
    rows = data.layout[data.layout["structure"] == CORRIDOR_STRUCTURE]
    sheet = Sheet(
        title_of(data, "5-4", f"“{CORRIDOR_STRUCTURE}”交通体系"),
        "Transport corridors along the four belts",
        f"《{data.plan.title_zh}》   道路含已通车、在建、拟建和谋划 Roads of every status",
        bounds_of([data.frame]),
        data.crs,
    )
    draw_base(sheet, data, tint="#fffefa")
    draw_bands(sheet, rows, 0.24)
    classes = ("class4", "class3", "class2", "class1", "expressway")
    road = data.roads[data.roads["mode"] == "road"]
    for name in classes:
        colour, width = CLASS[name]
        for status, dash in STATUS_DASH.items():
            chosen = road[(road["class"] == name) & (road["status"] == status)]
            sheet.lines(
                chosen.geometry,
                colour,
                width * 0.8,
                dash,
                zorder=6 + classes.index(name) / 10,
                casing="white" if name in ("expressway", "class1") and not dash else None,
            )
    _railways(sheet, data.roads)
    _road_numbers(sheet, road)
    draw_seats(sheet, data)
    sheet.legend(
        Entry("heading", CORRIDOR_STRUCTURE, "Corridors"),
        *band_entries(rows, 0.24),
        *_road_entries(data, classes[::-1], 0.8),
        Entry("heading", "建设状态", "Status"),
        *[
            Entry(
                "line",
                STATUS_NAMES[status][0],
                STATUS_NAMES[status][1],
                {"colour": CLASS["expressway"][0], "width": 2.4, "dash": dash},
            )
            for status, dash in STATUS_DASH.items()
        ],
        Entry(
            "line",
            "铁路(已通车)",
            "Railway, open",
            {"colour": "#1f2937", "width": 2.2, "inner": ("white", 1.2, "9 9")},
        ),
        Entry(
            "line",
            "铁路(在建及以后)",
            "not yet open",
            {"colour": "#1f2937", "width": 1.7, "dash": "9 3"},
        ),
        *SEAT_ENTRIES,
        *base_entries(data),
    )
    return sheet.finish(
        sheet_notes(
            data,
            ("推断", "文件只说沿四个城镇带建“四廊”,未列道路和地点;线位由本图推断,用虚线。"),
            ("", "Dashed corridors: inferred, not listed in the document."),
            *_left_out(data.roads),
            ("道路", _FROM_FILE if data.network else _FROM_PRESS),
        )
    )


def _railways(sheet: Sheet, links: gpd.GeoDataFrame) -> None:
    rail = links[links["mode"] == "rail"]
    for status in STATUS_DASH:
        lines = rail.geometry[rail["status"] == status]
        if status == "open":
            sheet.lines(lines, "#1f2937", 2.2, zorder=6.8)
            sheet.lines(lines, "white", 1.2, "9 9", zorder=6.9, avoid=False)
        else:
            sheet.lines(lines, "#1f2937", 1.7, "9 3", zorder=6.8)


def _road_numbers(sheet: Sheet, road: gpd.GeoDataFrame) -> None:
    """Write the number of each expressway and class-I road once, on its longest run in view."""
    for name in ("expressway", "class1"):
        chosen = road[(road["class"] == name) & (road["ref"].str.fullmatch(r"[GS]\d+"))]
        for ref, links in chosen.groupby("ref"):
            merged = shapely.line_merge(shapely.union_all(sheet.on_paper(links.geometry)))
            parts = [p for p in shapely.get_parts(merged.intersection(sheet.frame)) if p.length]
            if not parts:
                continue
            line = max(parts, key=lambda part: part.length)
            if line.length > 35:
                face = CLASS[name][0]
                spots = tuple(
                    _upright(spot) for offset in (0.0, 10.0) for spot in along(line, offset, 21)
                )
                style = {"colour": "white", "halo": None, "plate": face}
                sheet.label(Label(str(ref), 7.0, spots, 1.4, style, on_lines=True))


def _upright(spot: Candidate) -> Candidate:
    return replace(spot, angle=0.0)


# -- charts ----------------------------------------------------------------------------------


def verdicts(data: Material) -> Figure:
    """Draw the time targets' values against their thresholds."""
    return verdict_chart(data.verdicts, subtitle_of(data))


def travel_matrix(data: Material) -> Figure:
    """Draw the minutes by road between the seats of the area."""
    from spatialplan.travel import travel_times

    times = travel_times(data.graph, data.told_seats, data.told_seats)
    names = {place.key: place.name_zh for place in data.told_seats}
    table = times.pivot_table(index="origin", columns="destination", values="minutes", sort=False)
    table = table.rename(index=names, columns=names)
    limit = next((t.threshold for t in data.plan.targets if t.metric == "all_pairs_time"), None)
    return travel_matrix_chart(table, limit, subtitle_of(data))


# -- the register ----------------------------------------------------------------------------

FIGURES: Mapping[str, tuple[str, str, Callable[[Material], Figure]]] = MappingProxyType(
    {
        "4-1": ("图4-1 城镇总体空间布局", "Overall spatial layout of towns", spatial_layout),
        "5-1": (
            "图5-1 与国家“八纵八横”高速铁路网",
            "In the national eight-by-eight high-speed network",
            national_position,
        ),
        "5-2": (
            "图5-2 “四向”发展战略交通体系",
            "Transport in four strategic directions",
            four_directions,
        ),
        "5-3": ("图5-3 城镇1-2小时通行圈", "Areas within one and two hours", travel_circles),
        "5-4": ("图5-4 “四廊”交通体系", "Transport corridors along the four belts", corridors),
        "roles": ("县城定位与通道", "Roles of the county towns, and passages", town_roles),
        "cores": ("各核30、60分钟通行圈", "Within 30 and 60 minutes of the cores", core_circles),
        "verdicts": ("时间类目标:计算值与阈值", "Time targets against their thresholds", verdicts),
        "matrix": ("县市之间公路行车时间", "Minutes by road between county seats", travel_matrix),
    }
)

# The others are the same in every scenario: once for each plan is enough.
BY_SCENARIO = ("5-3", "cores", "verdicts", "matrix")
# These are the same for plans of the same counties, on the same network.
BY_AREA = ("5-3", "matrix")


def available(data: Material) -> list[str]:
    """Return the keys of `FIGURES` that can be drawn from this material, in order."""
    from spatialplan.starts import core_starts

    structures = set(data.layout["structure"]) if len(data.area) else set()
    timed = any(v.target.metric in ("travel_time", "all_pairs_time") for v in data.verdicts)
    possible = {
        "4-1": bool(set(data.layout["kind"]) & {"core", "belt", "pole"}),
        "5-1": "八纵八横" in structures,
        "5-2": DIRECTION_STRUCTURE in structures,
        "5-3": data.graph is not None and bool(data.told_seats),
        "5-4": CORRIDOR_STRUCTURE in structures,
        "roles": roles(data),
        "cores": data.graph is not None
        and len(core_starts(data.plan, data.gazetteer, data.extent)) > 1,
        "verdicts": timed,
        "matrix": data.graph is not None and len(data.told_seats) > 1,
    }
    return [key for key in FIGURES if possible[key]]


def draw(key: str, data: Material) -> Figure:
    """Draw one figure of the register.

    Raises
    ------
    InputError
        When the material lacks what this figure shows.
    """
    if key not in available(data):
        raise InputError.of(
            f"{data.plan.id} {key}",
            f"这份规划的数据画不出此图;可画:{'、'.join(available(data))}",
            "this figure cannot be drawn from the plan's data",
        )
    return FIGURES[key][2](data)


def title(key: str, data: Material) -> tuple[str, str]:
    """Return the Chinese and the English title; the number only if the document has it."""
    zh, en, _ = FIGURES[key]
    return (title_of(data, key, zh.split(" ", 1)[1]) if zh.startswith("图") else zh), en


def stem(key: str) -> str:
    """Return the file name of a figure without its suffix, for example ``figure-4-1``."""
    return f"figure-{key}"


def save(figure: Figure, target: str | Path, dpi: int = 200) -> tuple[Path, Path]:
    """Write a figure as SVG and PNG; return both paths.

    Text in the SVG is drawn as outlines, so that it looks the same where the font is not
    installed. The files are the same for the same figure: they carry no date.

    Parameters
    ----------
    figure
        What a function of this module returned.
    target
        Path without suffix.
    dpi
        Of the PNG.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    target = Path(target)
    svg, png = (target.with_name(target.name + suffix) for suffix in (".svg", ".png"))
    FigureCanvasAgg(figure)
    options = {"svg.fonttype": "path", "svg.hashsalt": "spatialplan"}
    with mpl.rc_context(options):
        with atomic_path(svg) as path:
            figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
            path.write_text(_rounded(path.read_text(encoding="utf-8")), encoding="utf-8")
        with atomic_path(png) as path:
            # Half the time of the default level, for a file a twentieth larger.
            quick = {"compress_level": 3}
            figure.savefig(
                path, format="png", dpi=dpi, metadata={"Software": None}, pil_kwargs=quick
            )
    return svg, png


_FURTHER_DIGITS = re.compile(r"(?<=\.\d\d)\d+")


def _rounded(svg: str) -> str:
    """Return an SVG with outlines to a hundredth of a point: half the size, the same look."""
    return re.sub(r' d="[^"]+"', lambda d: _FURTHER_DIGITS.sub("", d[0]), svg)
