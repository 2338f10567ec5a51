"""Travel-time circles: all that can be reached within some minutes, as links and as areas."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer

from spatialplan import cover
from spatialplan.network import SURFACE, Network
from spatialplan.places import Place
from spatialplan.travel import Graph, reach

__all__ = ["circles", "reached_links"]

# A run along a road is cut into stretches of at most so many minutes, or of this share of the
# limit; each is widened by what its far end has left, so that the area never promises a point
# too early.
STRETCH_MINUTES, STRETCH_SHARE = 2.0, 1 / 15
ROUNDING_MINUTES = 1e-5
QUARTER_SEGMENTS = 6  # of the discs; polygons inscribed, so never too large


@dataclass(frozen=True)
class _Pieces:
    """Runs along links (positions) from one fraction to another, and the minutes at both."""

    link: np.ndarray
    start: np.ndarray
    end: np.ndarray
    minutes_start: np.ndarray
    minutes_end: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> _Pieces:
        return _Pieces(*(column[chosen] for column in vars(self).values()))


def circles(
    graph: Graph,
    origins: Sequence[Place],
    minutes: Sequence[float] = (30, 60),
    *,
    mode: str = "road",
    reverse: bool = False,
    beside_km: float = np.inf,
) -> gpd.GeoDataFrame:
    """Return the areas within some minutes of the nearest origin (to it, when `reverse`).

    From every point of an ordinary road that is reached in time one walks on across country,
    at the profile's ``off_network_kmh``, until the minutes run out, but no farther than
    `beside_km`. Expressways and railways are left only at their gates.

    Returns
    -------
    GeoDataFrame
        One row for each limit, ascending: ``minutes``, ``geometry`` (MultiPolygon, EPSG:4326);
        each area lies inside the next.
    """
    limits = sorted(float(limit) for limit in minutes)
    best = reach(graph, origins, limits[-1], mode=mode, reverse=reverse)
    plane = _plane(origins)
    areas = []
    for limit in limits:
        pieces = _pieces(graph, origins, best, limit, reverse)
        pieces = pieces[graph.network.levels[pieces.link] == SURFACE]
        lines, late = _stretches(graph.network, pieces, limit, plane)
        area = _area(graph, origins, plane, lines, limit - late, limit, beside_km)
        areas.append(_around(area, areas[-1]) if areas else area)
    frame = gpd.GeoDataFrame({"minutes": limits}, geometry=areas)
    return frame.set_geometry(_to_degrees(areas, plane), crs=4326)


def reached_links(
    graph: Graph,
    origins: Sequence[Place],
    minutes: float = 60,
    *,
    mode: str = "road",
    reverse: bool = False,
) -> gpd.GeoDataFrame:
    """Return the pieces of links reached in time, cut where the minutes run out.

    Returns
    -------
    GeoDataFrame
        ``link_id, class, minutes_start, minutes_end, km, geometry`` (LineString away from the
        origin, EPSG:4326). No stretch of road comes twice.
    """
    best = reach(graph, origins, float(minutes), mode=mode, reverse=reverse)
    pieces = _pieces(graph, origins, best, float(minutes), reverse)
    links = graph.network.links
    share = np.abs(pieces.end - pieces.start)
    low, high = np.minimum(pieces.start, pieces.end), np.maximum(pieces.start, pieces.end)
    lines = _Lines.of(graph.network, pieces.link).parts(pieces.link, low, high)
    return gpd.GeoDataFrame(
        {
            "link_id": links.index[pieces.link],
            "class": links["class"].to_numpy()[pieces.link],
            "minutes_start": pieces.minutes_start,
            "minutes_end": pieces.minutes_end,
            "km": links["length_km"].to_numpy()[pieces.link] * share,
        },
        geometry=np.where(pieces.end < pieces.start, shapely.reverse(lines), lines),
        crs=4326,
    )


def _pieces(
    graph: Graph, origins: Sequence[Place], best: np.ndarray, limit: float, reverse: bool
) -> _Pieces:
    """Return the runs along links, each from the end where it is entered."""
    whole = graph.link_minutes
    oneway = graph.network.links["oneway"].to_numpy(dtype=bool)
    ends = graph.at_links(best, reverse)
    beside = _beside(graph, origins)
    free = np.minimum(*ends) < limit
    free[list(beside)] = False
    link = np.flatnonzero(free)
    from_tail, from_head = (side[link] for side in ends)
    meeting = _meeting(from_tail, from_head, whole[link])
    runs = [
        (link, np.zeros(len(link)), meeting, from_tail),
        (link, np.ones(len(link)), meeting, from_head),
    ]
    for number, starts in beside.items():
        sources = [(0.0, float(ends[0][number])), *starts, (1.0, float(ends[1][number]))]
        ways = (not (oneway[number] and reverse), not oneway[number] or reverse)
        found = list(_runs_between(sources, ways, float(whole[number])))
        columns = np.array(found, dtype=float).reshape(-1, 3).T
        runs.append((np.full(len(found), number), *columns))
    link, start, end, begun = (np.concatenate(column) for column in zip(*runs, strict=True))
    kept = (begun < limit) & (start != end)
    return _run(link[kept], start[kept], end[kept], begun[kept], whole[link[kept]], limit)


def _meeting(
    first: np.ndarray | float, last: np.ndarray | float, whole: np.ndarray | float
) -> np.ndarray:
    """Return the share of the way at which runs meet that begin at its two ends at some minutes.

    Times may be rounded; what they are rounded by is no way of its own.
    """
    with np.errstate(invalid="ignore"):
        share = (np.subtract(last, first) + whole) / (2.0 * np.asarray(whole))
    share = np.where(np.isinf(last), 1.0, np.where(np.isinf(first), 0.0, share))
    short = ROUNDING_MINUTES / np.asarray(whole)
    return np.where(share < short, 0.0, np.where(share > 1.0 - short, 1.0, share))


def _beside(graph: Graph, origins: Sequence[Place]) -> dict[int, list[tuple[float, float]]]:
    """Return the links that origins lie beside: where along them, in order, and from when."""
    found: dict[int, list[tuple[float, float]]] = {}
    for terminal in map(graph.terminal, origins):
        if terminal.link >= 0:
            start = terminal.fraction, terminal.access_minutes
            found.setdefault(terminal.link, []).append(start)
    return {link: sorted(starts) for link, starts in found.items()}


def _runs_between(
    sources: Sequence[tuple[float, float]], ways: tuple[bool, bool], whole: float
) -> Iterator[tuple[float, float, float]]:
    """Yield start, end and minutes of the runs along a link that is entered at several points.

    `ways` says whether it may be run onward, and backward.
    """
    fractions = [fraction for fraction, _ in sources]
    times = [minutes for _, minutes in sources]
    spans = [(b - a) * whole for a, b in itertools.pairwise(fractions)]
    if ways[0]:
        for i, span in enumerate(spans):
            times[i + 1] = min(times[i + 1], times[i] + span)
    if ways[1]:
        for i, span in reversed(list(enumerate(spans))):
            times[i] = min(times[i], times[i + 1] + span)
    for i, span in enumerate(spans):
        low, high = fractions[i], fractions[i + 1]
        if span <= 0 or not np.isfinite(min(times[i], times[i + 1])):
            continue
        meeting = high if ways[0] else low
        if all(ways):
            meeting = low + float(_meeting(times[i], times[i + 1], span)) * (high - low)
        yield low, meeting, times[i]
        yield high, meeting, times[i + 1]


def _run(
    link: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    begun: np.ndarray,
    whole: np.ndarray,
    limit: float,
) -> _Pieces:
    share = np.minimum(np.abs(end - start), (limit - begun) / whole)
    return _Pieces(link, start, start + share * np.sign(end - start), begun, begun + share * whole)


def _plane(origins: Sequence[Place]) -> Transformer:
    """Return the transformation to a transverse Mercator around the origins, in km."""
    lon = float(np.mean([place.lon for place in origins]))
    lat = float(np.mean([place.lat for place in origins]))
    crs = f"+proj=tmerc +lat_0={lat} +lon_0={lon} +ellps=GRS80 +units=km +type=crs"
    return Transformer.from_crs(4490, crs, always_xy=True)


@dataclass(frozen=True)
class _Lines:
    """The drawn lines of some links: points in the order of links and of the way along them.

    `key` ascends: twice the place of the link in `links` (ascending), plus the share of its
    length, on the ground, that lies before the point.
    """

    links: np.ndarray
    xy: np.ndarray
    key: np.ndarray

    @classmethod
    def of(cls, network: Network, links: np.ndarray, plane: Transformer | None = None) -> _Lines:
        """Return the lines in degrees, or in a plane."""
        used = np.unique(links)
        lines = network.links.geometry.to_numpy()[used]
        lonlat, owner = shapely.get_coordinates(lines, return_index=True)
        points = np.maximum(np.bincount(owner, minlength=len(used)), 1)
        middle = np.bincount(owner, lonlat[:, 1], len(used)) / points
        flat = lonlat * np.column_stack([np.cos(np.radians(middle))[owner], np.ones(len(owner))])
        gone = np.zeros(len(owner))
        gone[1:] = np.where(owner[1:] == owner[:-1], np.hypot(*np.diff(flat, axis=0).T), 0.0)
        along = np.cumsum(gone)
        first = np.searchsorted(owner, np.arange(len(used)))
        along -= along[first][owner]
        whole = np.bincount(owner, gone, len(used))[owner]
        share = np.divide(along, whole, out=np.zeros(len(owner)), where=whole > 0)
        xy = lonlat if plane is None else np.column_stack(plane.transform(*lonlat.T))
        return cls(used, xy, 2.0 * owner + np.minimum(share, 1.0))

    def parts(self, link: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return the LineStrings of some links from one share of their length to another."""
        if not len(link):
            return np.empty(0, dtype=object)
        base = 2.0 * np.searchsorted(self.links, link)
        first = np.searchsorted(self.key, base + low, side="right")
        inner = np.maximum(np.searchsorted(self.key, base + high, side="left") - first, 0)
        owner, place = _counted(inner + 2)
        key = np.where(place == 0, (base + low)[owner], (base + high)[owner])
        xy = np.column_stack([np.interp(key, self.key, axis) for axis in self.xy.T])
        between = (place > 0) & (place <= inner[owner])
        xy[between] = self.xy[(first[owner] + place - 1)[between]]
        return shapely.linestrings(xy, indices=owner)


def _counted(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for so many items of each owner their owner, and their number among its items."""
    owner = np.repeat(np.arange(len(size)), size)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size)


def _stretches(
    network: Network, pieces: _Pieces, limit: float, plane: Transformer
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lines of the stretches that pieces are cut into, and minutes at their far ends."""
    pieces = pieces[pieces.minutes_end > pieces.minutes_start]
    minutes = pieces.minutes_end - pieces.minutes_start
    step = min(STRETCH_MINUTES, limit * STRETCH_SHARE) / minutes  # as a share of the run
    owner, place = _counted(np.ceil(1.0 / step).astype(int))
    # From where it begins: a run that ends sooner, met by another, is cut at the same points.
    early, late = place * step[owner], np.minimum((place + 1) * step[owner], 1.0)
    start, run, link = pieces.start[owner], (pieces.end - pieces.start)[owner], pieces.link[owner]
    near, far = start + early * run, start + late * run
    lines = _Lines.of(network, pieces.link, plane)
    stretches = lines.parts(link, np.minimum(near, far), np.maximum(near, far))
    return stretches, pieces.minutes_start[owner] + late * minutes[owner]


def _area(
    graph: Graph,
    origins: Sequence[Place],
    plane: Transformer,
    lines: np.ndarray,
    left: np.ndarray,
    limit: float,
    beside_km: float,
) -> shapely.MultiPolygon:
    """Return the union of stretches, each widened by what is `left` at its far end, in km."""
    speed = graph.profile.off_network_kmh / 60.0
    starts = shapely.points(
        np.column_stack(plane.transform(*np.array([(p.lon, p.lat) for p in origins]).T))
    )
    shapes = np.concatenate([starts, lines])
    spent = np.concatenate([np.full(len(starts), limit), np.maximum(left, 0.0)])
    radius = np.minimum(spent * speed, beside_km)
    return _multi(cover.union(shapes, radius, QUARTER_SEGMENTS))


def _around(area: shapely.MultiPolygon, inner: shapely.MultiPolygon) -> shapely.MultiPolygon:
    """Return an area, and what of the one for fewer minutes it leaves out (strips at its rim)."""
    shapely.prepare(area)
    return area if shapely.covers(area, inner) else _multi(shapely.union(area, inner))


def _multi(area: shapely.Geometry) -> shapely.MultiPolygon:
    parts = [part for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts)


def _to_degrees(areas: list[shapely.MultiPolygon], plane: Transformer) -> list:
    def back(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(plane.transform(*xy.T, direction="INVERSE"))

    # Rounding may make two all but equal vertices cross.
    return [_multi(shapely.make_valid(shapely.transform(area, back))) for area in areas]
