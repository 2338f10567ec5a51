"""A plan's structure as geometry: cores, belts, axes, nodes, in the manner of plan drawings.

Shapes are drawing, not measurement: a document says which towns a belt joins, not where its
edge runs. Widths are constants of this module, in metres on the ground.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from spatialplan import boundaries, places
from spatialplan.geodesy import to_plane

if TYPE_CHECKING:
    from spatialplan.places import Gazetteer
    from spatialplan.plan import Element, Plan

__all__ = ["arrowheads", "layout", "members", "plan_bounds", "plan_crs", "smooth_line"]

SEAT_RADIUS = 4200.0
MEMBER_RADIUS = 2600.0
HULL_MARGIN = 1700.0
POLE_RADIUS = 3600.0
WING_RADIUS = 9000.0
CLUSTER_RADIUS = 3200.0
CLUSTER_GAP = 25000.0  # members of a small cluster farther apart than this are drawn apart
CLUSTER_MANY = 8  # a cluster of more members is one body, however far they lie apart
HALF_WIDTH = {"belt": 3600.0, "corridor": 2000.0}
TAPER = 0.45  # width at the ends of a band, as a share of the width in its middle
STEP = 700.0  # distance of points along a smoothed line
FAR_DEGREES = 15.0  # beyond the area of a CRS: farther off it is not meant
AROUND_DEGREES = 0.45  # beyond places without a county: so much of the network is shown
LEAST_DEGREES = 0.02
REACH = 24000.0  # how far beyond the area an arrow points

_COLUMNS = ("plan", "structure", "kind", "name_zh", "name_en", "inferred", "spine_inferred")


def plan_crs(plan: Plan, gazetteer: Gazetteer | None = None) -> str:
    """Return the projected CRS of a plan: its own, or the 3-degree zone of its area.

    CGCS2000 / 3-degree Gauss-Krüger by central meridian: EPSG:4534 (75°E) to 4554 (135°E); UTM
    beyond. A CRS of another part of the world, left over from a template, is not taken.
    """
    gazetteer = gazetteer or places.builtin()
    table = gazetteer.table
    inside = table[table["adcode"].isin(plan.area)]
    if inside.empty:
        inside = table[table.index.isin(plan.home_ids(gazetteer))]
    lon, lat = (float((inside if len(inside) else table)[name].mean()) for name in ("lon", "lat"))
    if plan.crs and _lies_near(plan.crs, lon):
        return plan.crs
    zone = round((lon - 75.0) / 3.0)
    if 0 <= zone <= 20:
        return f"EPSG:{4534 + zone}"
    utm = int((lon + 180.0) // 6.0) % 60 + 1
    return f"EPSG:{(32600 if lat >= 0 else 32700) + utm}"


@lru_cache(maxsize=64)
def _lies_near(crs: str, lon: float) -> bool:
    """Say whether a projected CRS is made for a meridian, or for one not far away."""
    area = CRS.from_user_input(crs).area_of_use
    return area is None or area.west - FAR_DEGREES < lon < area.east + FAR_DEGREES


def plan_bounds(
    plan: Plan, gazetteer: Gazetteer, roads: Sequence[float] | None = None
) -> tuple[float, float, float, float]:
    """Return what a map of a plan must show: west, south, east, north in degrees.

    Its counties. Where the boundaries lack one of them also its places, and what there is of the
    network (bounds `roads`) around these.
    """
    counties = boundaries.counties(boundaries.known(plan.area))
    if len(counties) == len(plan.area):
        return tuple(counties.total_bounds)
    found = [shapely.box(*counties.total_bounds)] if len(counties) else []
    ids = plan.home_ids(gazetteer) or plan.place_ids(gazetteer)
    named = [gazetteer[place_id] for place_id in ids]
    if named:
        found.append(shapely.MultiPoint([(place.lon, place.lat) for place in named]))
    whole = shapely.union_all(found).envelope
    if roads is not None:
        net = shapely.box(*roads)
        around = whole.buffer(AROUND_DEGREES, join_style="mitre").envelope
        whole = shapely.union(whole, net if whole.is_empty else net.intersection(around))
    return shapely.buffer(whole, LEAST_DEGREES).bounds


def members(plan: Plan, gazetteer: Gazetteer | None = None) -> gpd.GeoDataFrame:
    """Return the membership of places in elements; a place may belong to several.

    Returns
    -------
    GeoDataFrame
        One row per element and member: ``element, structure, kind, element_zh, rank,
        inferred, place_id, name_zh, name_en, place_kind, accuracy_m, confidence, geometry``
        (points, EPSG:4326).

    Raises
    ------
    KeyError
        When a member is not in the gazetteer (the reader of plans has checked it).
    """
    gazetteer = gazetteer or places.builtin()
    rows = []
    for element in plan.elements:
        for place_id in element.members:
            place = gazetteer[place_id]
            rows.append(
                {
                    "element": element.id,
                    "structure": element.structure,
                    "kind": element.kind,
                    "element_zh": element.name_zh,
                    "rank": element.rank,
                    "inferred": element.inferred,
                    "place_id": place_id,
                    "name_zh": place.name_zh,
                    "name_en": place.name_en,
                    "place_kind": place.kind,
                    "accuracy_m": place.accuracy_m,
                    "confidence": place.confidence,
                    "geometry": shapely.Point(place.lon, place.lat),
                }
            )
    columns = (
        "element structure kind element_zh rank inferred place_id name_zh name_en place_kind "
        "accuracy_m confidence geometry"
    )
    frame = pd.DataFrame(rows, columns=columns.split())
    frame["rank"] = frame["rank"].astype("Int64")
    return gpd.GeoDataFrame(frame, geometry="geometry", crs=4326)


def layout(plan: Plan, gazetteer: Gazetteer | None = None) -> gpd.GeoDataFrame:
    """Return the elements of a plan as geometry.

    Parameters
    ----------
    plan
        The plan; shapes are built in its projected CRS.
    gazetteer
        Where its place ids are looked up; the built-in one by default.

    Returns
    -------
    GeoDataFrame
        Index ``element``; columns ``plan, structure, kind, name_zh, name_en, inferred,
        spine_inferred, rank, note_zh, note_en, spine, rays, geometry`` in EPSG:4326. Polygons for
        cores, poles, belts, corridors, wings and clusters; lines for axes and rings; points for
        nodes.
        ``spine`` is the smoothed middle line of a band (None for others), ``rays`` are the
        lines towards far points (None without). An element without any place has an empty
        geometry.
    """
    gazetteer = gazetteer or places.builtin()
    crs = plan_crs(plan, gazetteer)
    here = _Ground(plan, gazetteer, crs)
    shapes = [_DRAW[element.kind](element, here) for element in plan.elements]
    spines = [_band_spine(element, here) for element in plan.elements]
    frame = pd.DataFrame(
        [[getattr(element, name) for name in _COLUMNS] for element in plan.elements],
        columns=list(_COLUMNS),
        index=pd.Index([element.id for element in plan.elements], name="element"),
    )
    frame["rank"] = pd.array([element.rank for element in plan.elements], dtype="Int64")
    frame["note_zh"] = [element.note_zh for element in plan.elements]
    frame["note_en"] = [element.note_en for element in plan.elements]
    frame["spine"] = gpd.GeoSeries(spines, frame.index, crs=crs).to_crs(4326)
    rays = [shapely.MultiLineString(_rays(element, here)) for element in plan.elements]
    rays = [lines if not lines.is_empty else None for lines in rays]
    frame["rays"] = gpd.GeoSeries(rays, frame.index, crs=crs).to_crs(4326)
    geometry = gpd.GeoSeries(shapes, frame.index, crs=crs).to_crs(4326)
    return gpd.GeoDataFrame(frame, geometry=geometry)


class _Ground:
    """The places of a gazetteer in metres, and the outline of a plan's area."""

    def __init__(self, plan: Plan, gazetteer: Gazetteer, crs: str) -> None:
        self._plan, self._gazetteer, self._crs = plan, gazetteer, crs
        self._to_metres = to_plane(crs)

    def points(self, place_ids: tuple[str, ...]) -> np.ndarray:
        """Return positions, shape (n, 2), metres."""
        found = [self._gazetteer[place_id] for place_id in place_ids]
        return self.metres([place.lon for place in found], [place.lat for place in found])

    def metres(self, lon: list[float], lat: list[float]) -> np.ndarray:
        return np.column_stack(self._to_metres.transform(lon, lat)) if lon else np.empty((0, 2))

    def are_seats(self, place_ids: tuple[str, ...]) -> list[bool]:
        return [self._gazetteer[place_id].kind in places.SEAT_KINDS for place_id in place_ids]

    @property
    def outline(self) -> shapely.Geometry:
        """The hull of all places of the area, metres."""
        table = self._gazetteer.table
        inside = table[table["adcode"].isin(self._plan.area)]
        points = self.metres(list(inside["lon"]), list(inside["lat"]))
        return shapely.MultiPoint(points).convex_hull

    @property
    def heart(self) -> np.ndarray:
        """The middle of the first core's members, else of the area; metres."""
        for element in self._plan.elements:
            if element.kind == "core" and element.members:
                return self.points(element.members).mean(axis=0)
        return np.array(self.outline.centroid.coords[0])


def smooth_line(points: np.ndarray, step: float = STEP) -> shapely.LineString:
    """Return a smooth line through points: a centripetal Catmull-Rom spline.

    Parameters
    ----------
    points
        Shape (n, 2), metres; repeated neighbours are dropped. Two points give a straight line.
    step
        Distance of the vertices along the line, metres.

    Notes
    -----
    Barry and Goldman's recursion with the exponent 0.5, which makes no loops or cusps (Yuksel,
    Schaefer and Keyser, 2011, "Parameterization and applications of Catmull-Rom curves").
    """
    points = _distinct(points)
    if len(points) < 2:
        return shapely.LineString()
    if len(points) == 2:
        return shapely.segmentize(shapely.LineString(points), step)
    before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    knots = np.vstack([before, points, after])
    pieces = [_span(knots[i : i + 4], step) for i in range(len(points) - 1)]
    return shapely.LineString(np.vstack([*pieces, points[-1:]]))


def _distinct(points: np.ndarray) -> np.ndarray:
    keep = np.ones(len(points), dtype=bool)
    keep[1:] = np.hypot(*np.diff(points, axis=0).T) > 1.0
    return points[keep]


def _span(knots: np.ndarray, step: float) -> np.ndarray:
    """Return the points of a spline between its two middle knots, the last one left out."""
    gaps = np.sqrt(np.hypot(*np.diff(knots, axis=0).T))
    times = np.concatenate([[0.0], np.cumsum(np.maximum(gaps, 1e-6))])
    count = max(int(np.hypot(*(knots[2] - knots[1])) / step), 1)
    t = np.linspace(times[1], times[2], count, endpoint=False)[:, None]
    first = [_mix(knots[i], knots[i + 1], t, times[i], times[i + 1]) for i in range(3)]
    second = [_mix(first[i], first[i + 1], t, times[i], times[i + 2]) for i in range(2)]
    return _mix(*second, t, times[1], times[2])


def _mix(a: np.ndarray, b: np.ndarray, t: np.ndarray, low: float, high: float) -> np.ndarray:
    share = (t - low) / (high - low)
    return a * (1 - share) + b * share


def _band(line: shapely.LineString, half_width: float) -> shapely.Geometry:
    """Return a band along a line, a little narrower towards its ends."""
    points = shapely.get_coordinates(line)
    if len(points) < 2:
        return shapely.Polygon()
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    share = np.sin(np.pi * along / along[-1]).clip(0.0) ** 0.6
    radii = half_width * (TAPER + (1 - TAPER) * share)
    discs = shapely.buffer(shapely.points(points), radii, quad_segs=6)
    pairs = shapely.geometrycollections(np.column_stack([discs[:-1], discs[1:]]))
    return _rounded(shapely.union_all(shapely.convex_hull(pairs)), half_width * 0.4)


def _rounded(shape: shapely.Geometry, radius: float) -> shapely.Geometry:
    """Close and open a shape, so that its corners are round; and thin its vertices."""
    closed = shape.buffer(radius).buffer(-2 * radius).buffer(radius)
    return (closed if not closed.is_empty else shape).simplify(25.0)


def _line_ids(element: Element) -> tuple[str, ...]:
    return element.spine or element.members


def _band_spine(element: Element, here: _Ground) -> shapely.LineString | None:
    """Return the middle line of a band: through its spine, else through its members."""
    if element.kind not in (*HALF_WIDTH, "axis"):
        return None
    star = element.kind == "axis" and element.toward and not element.spine
    line = smooth_line(here.points(() if star else _line_ids(element)))
    return None if line.is_empty else line


def _draw_band(element: Element, here: _Ground) -> shapely.Geometry:
    line = _band_spine(element, here)
    half_width = HALF_WIDTH[element.kind]
    if line is None:
        return _discs(element, here, half_width)
    return _band(line, half_width)


def _draw_core(element: Element, here: _Ground) -> shapely.Geometry:
    points = here.points(element.members)
    if not len(points):
        return shapely.Polygon()
    radii = np.where(here.are_seats(element.members), SEAT_RADIUS, MEMBER_RADIUS)
    discs = shapely.union_all(shapely.buffer(shapely.points(points), radii))
    hull = shapely.MultiPoint(points).convex_hull.buffer(HULL_MARGIN)
    return _rounded(discs.union(hull), HULL_MARGIN * 0.8)


def _discs(element: Element, here: _Ground, radius: float) -> shapely.Geometry:
    points = here.points(element.members)
    return shapely.union_all(shapely.buffer(shapely.points(points), radius, quad_segs=16))


def _draw_pole(element: Element, here: _Ground) -> shapely.Geometry:
    return _discs(element, here, POLE_RADIUS)


def _draw_wing(element: Element, here: _Ground) -> shapely.Geometry:
    return _discs(element, here, WING_RADIUS)


def _draw_cluster(element: Element, here: _Ground) -> shapely.Geometry:
    """Return hulls around the members that lie near each other; one hull around many."""
    points = here.points(element.members)
    if not len(points):
        return shapely.Polygon()
    near = shapely.union_all(shapely.buffer(shapely.points(points), CLUSTER_GAP / 2))
    if len(points) > CLUSTER_MANY:
        near = near.convex_hull
    hulls = [
        shapely.MultiPoint(points[shapely.contains_xy(part, points)]).convex_hull
        for part in shapely.get_parts(near)
    ]
    return _rounded(shapely.union_all(shapely.buffer(hulls, CLUSTER_RADIUS)), 800.0)


def _draw_nodes(element: Element, here: _Ground) -> shapely.Geometry:
    return shapely.MultiPoint(here.points((*element.members, *element.spine)))


def _draw_axis(element: Element, here: _Ground) -> shapely.Geometry:
    """Return the line of an axis, or the directions that go out from its first member."""
    line = _band_spine(element, here)
    lines = [] if line is None else [line]
    if line is None and element.toward:
        points = here.points(element.members)
        window = here.outline.buffer(REACH)
        lines = [_ray(points[0], end, window) for end in points[1:]]
    return shapely.MultiLineString([*lines, *_rays(element, here)])


def _rays(element: Element, here: _Ground) -> list[shapely.LineString]:
    """Return a line towards each far point, from the end of the spine or the first member."""
    if not element.toward:
        return []
    ids = element.spine[-1:] or element.members[:1]
    start = here.points(ids)[0] if ids else here.heart
    far = here.metres(
        [float(point["lon"]) for point in element.toward],
        [float(point["lat"]) for point in element.toward],
    )
    window = here.outline.buffer(REACH)
    return [_ray(start, end, window) for end in far]


def _ray(start: np.ndarray, end: np.ndarray, window: shapely.Geometry) -> shapely.LineString:
    """Return the line from start towards end: to the window's edge, `REACH` at the least."""
    whole = shapely.LineString([start, end])
    inside = whole.intersection(window).length
    length = min(max(inside, REACH), whole.length)
    return shapely.LineString([start, whole.interpolate(length)])


def _draw_ring(element: Element, here: _Ground) -> shapely.Geometry:
    points = here.points(_line_ids(element))
    if len(points) < 3:
        return smooth_line(points)
    if not element.spine:
        # Members come in no order along the ring: take them as they lie around their middle.
        away = points - points.mean(axis=0)
        points = points[np.argsort(np.arctan2(away[:, 1], away[:, 0]), kind="stable")]
    # The spline is drawn through three more points, so that the seam is as smooth as the rest.
    wrapped = np.vstack([points[-2:], points, points[:3]])
    line = shapely.get_coordinates(smooth_line(wrapped))
    first, last = (_nearest(line, points[0], half) for half in ("first", "last"))
    return shapely.LineString(np.vstack([line[first:last], line[first : first + 1]]))


def _nearest(line: np.ndarray, point: np.ndarray, half: str) -> int:
    distance = np.hypot(*(line - point).T)
    hits = np.flatnonzero(distance < 0.01)
    return int(hits[0] if half == "first" else hits[-1])


_DRAW = {
    "core": _draw_core,
    "pole": _draw_pole,
    "belt": _draw_band,
    "corridor": _draw_band,
    "wing": _draw_wing,
    "cluster": _draw_cluster,
    "node": _draw_nodes,
    "axis": _draw_axis,
    "ring": _draw_ring,
}


def arrowheads(
    lines: gpd.GeoSeries, crs: str, length: float = 5200.0, width: float = 3900.0
) -> gpd.GeoSeries:
    """Return a filled arrowhead at the end of each part of each line.

    Parameters
    ----------
    lines
        Lines or multi-lines; any CRS.
    crs
        The projected CRS to build them in.
    length, width
        Of a head, metres.

    Returns
    -------
    GeoSeries
        Multi-polygons on the index and in the CRS of `lines`.
    """
    heads = [
        shapely.MultiPolygon(
            [_head(part, length, width) for part in shapely.get_parts(line) if part.length]
        )
        for line in lines.to_crs(crs)
    ]
    return gpd.GeoSeries(heads, lines.index, crs=crs).to_crs(lines.crs)


def _head(line: shapely.LineString, length: float, width: float) -> shapely.Polygon:
    tip = np.array(line.coords[-1])
    back = np.array(line.interpolate(max(line.length - length, 0.0)).coords[0])
    ahead = (tip - back) / np.hypot(*(tip - back))
    across = np.array([-ahead[1], ahead[0]]) * width / 2
    base = tip - ahead * length
    return shapely.Polygon([tip, base + across, base + 0.22 * ahead * length, base - across])
