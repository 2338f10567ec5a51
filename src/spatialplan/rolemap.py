"""A map of what a plan makes of each town: its roles, and the passages between the towns.

For documents whose structure is a list of roles, not a core with belts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import shapely
from matplotlib.figure import Figure

from spatialplan.basemap import (
    SEAT_ENTRIES,
    base_entries,
    bounds_of,
    draw_base,
    plain_name,
    sheet_notes,
)
from spatialplan.labels import Label, along, around
from spatialplan.sheet import Entry, Sheet

if TYPE_CHECKING:
    from spatialplan.figures import Material

__all__ = ["roles", "roles_of", "town_roles"]

_LINES = ("axis", "corridor", "belt", "ring")
_COLOURS = ("#7c3aed", "#b45309", "#0f766e", "#be185d", "#475569", "#1d4ed8")
_MANY = 12  # an element of more members is a list of towns, not a role


def roles_of(data: Material) -> dict[str, list[str]]:
    """Return the roles of each town, Chinese, by place id; inferred ones are marked so."""
    found: dict[str, list[str]] = {}
    for element in data.plan.elements:
        if element.kind in _LINES or len(element.members) > _MANY:
            continue
        name = plain_name(element.name_zh) + ("(推断)" if element.inferred else "")
        for place_id in element.members:
            found.setdefault(place_id, []).append(name)
    return found


def roles(data: Material) -> bool:
    """Say whether a plan is a list of roles: no core or belt, and towns with several roles."""
    kinds = {element.kind for element in data.plan.elements}
    several = [names for names in roles_of(data).values() if len(names) > 2]
    return not kinds & {"core", "belt", "pole"} and len(several) > 1


def town_roles(data: Material) -> Figure:
    """Draw the towns with their roles in words, other named places, and the passages."""
    sheet = Sheet(
        "县城定位与通道",
        "Roles of the county towns, and passages",
        f"《{data.plan.title_zh}》",
        bounds_of([data.frame, _members(data)], 0.12),
        data.crs,
    )
    draw_base(sheet, data)
    entries = _passages(sheet, data)
    named = roles_of(data)
    seats = {place.place_id for place in data.seats}
    towns = [place_id for place_id, own in named.items() if place_id in seats or len(own) > 2]
    for place_id in towns:
        _town(sheet, data, place_id, named[place_id], place_id in seats)
    sites = [place_id for place_id in named if place_id not in towns]
    for place_id in sites:
        place = data.gazetteer[place_id]
        sheet.point(place.lon, place.lat, "D", 5.5, "#fbbf24", "#92400e")
        sheet.name(place.name_zh, place.lon, place.lat, 8.2, 4.5, 4.0, colour="#92400e")
    sheet.legend(
        Entry("heading", "县城与功能", "Towns and roles"),
        SEAT_ENTRIES[1],
        Entry(
            "point",
            "另一候选驻地或重点镇",
            "Other town",
            {"marker": "s", "size": 8, "face": "#fff"},
        ),
        Entry(
            "point",
            "园区、景区等功能点",
            "Parks, sights",
            {"marker": "D", "size": 5.5, "face": "#fbbf24", "edge": "#92400e"},
        ),
        Entry("heading", "通道", "Passages"),
        *entries,
        *base_entries(data),
    )
    return sheet.finish(
        sheet_notes(
            data,
            ("功能", "县城旁的文字取自文件的各项定位;“推断”指文件没有列明成员。"),
            ("虚线", "通道走向由本图推断。Dashed: the line is inferred."),
        )
    )


def _members(data: Material) -> gpd.GeoSeries:
    places = [data.gazetteer[i] for e in data.plan.elements for i in (*e.members, *e.spine)]
    near = (data.area.geometry if len(data.area) else data.frame).union_all().buffer(0.25)
    points = [shapely.Point(place.lon, place.lat) for place in places]
    return gpd.GeoSeries([point for point in points if near.contains(point)], crs=4326)


def _passages(sheet: Sheet, data: Material) -> list[Entry]:
    entries = []
    rows = data.layout[data.layout["kind"].isin(_LINES)]
    for number, (_, row) in enumerate(rows.iterrows()):
        line = row["spine"] if row["spine"] is not None else row.geometry
        if line is None or line.is_empty:
            continue
        colour = _COLOURS[number % len(_COLOURS)]
        dash = "7 4" if row["inferred"] or row["spine_inferred"] else ""
        sheet.lines([line], colour, 4.0, dash, alpha=0.75, zorder=6)
        name, english = plain_name(row["name_zh"]), row["name_en"].split(" (")[0]
        entries.append(Entry("line", name, english, {"colour": colour, "width": 4.0, "dash": dash}))
        paper = sheet.on_paper([line])[0].intersection(sheet.frame.buffer(-8))
        parts = [part for part in shapely.get_parts(paper) if part.length > 40]
        if parts:
            longest = max(parts, key=lambda part: part.length)
            spots = (*along(longest, 9.0, steps=25), *along(longest, 15.0, steps=25))
            sheet.label(Label(name, 9.0, spots, 2.0, {"colour": colour, "bold": True}))
    return entries


def _town(sheet: Sheet, data: Material, place_id: str, own: list[str], is_seat: bool) -> None:
    place = data.gazetteer[place_id]
    marker, size = ("o", 8.5) if is_seat else ("s", 8.0)
    x, y = sheet.point(place.lon, place.lat, marker, size, width=1.6)
    sheet.name(place.name_zh, place.lon, place.lat, 12.5, 6, 0.0, bold=True)
    text = "\n".join(f"· {name}" for name in own)
    style = {"colour": "#334155", "multialignment": "left"}
    sheet.label(Label(text, 7.4, around(text, 7.4, x, y, 16.0), 1.0, style))
