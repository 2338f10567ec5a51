"""Travel-time circles: all that can be reached within some minutes, as links and as areas."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer

from spatialplan.geodesy import part
from spatialplan.network import SURFACE
from spatialplan.places import Place
from spatialplan.travel import Graph, reach

__all__ = ["circles", "reached_links"]

# A road is cut into stretches of at most so many minutes, or of this share of the smallest
# limit; each is widened by what its far end has left, so that the area never promises a point
# too early. All limits of one call are cut at the same minutes, so that their areas nest.
STRETCH_MINUTES, STRETCH_SHARE = 2.0, 1 / 15
QUARTER_SEGMENTS = 6  # of the discs; polygons inscribed, so never too large


@dataclass(frozen=True)
class _Piece:
    """A run along a link from one fraction to another, and the minutes at both."""

    link: int
    start: float
    end: float
    minutes_start: float
    minutes_end: float


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
    step = min(STRETCH_MINUTES, limits[0] * STRETCH_SHARE)
    lines = _Lines(graph, plane, step)
    areas = []
    for limit in limits:
        pieces = [
            piece
            for piece in _pieces(graph, origins, best, limit, reverse)
            if graph.network.levels[piece.link] == SURFACE
        ]
        areas.append(_area(graph, origins, lines, pieces, limit, beside_km))
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
    pieces = list(_pieces(graph, origins, best, float(minutes), reverse))
    links = graph.network.links
    positions = [piece.link for piece in pieces]
    length = links["length_km"].to_numpy()
    geometry = links.geometry.to_numpy()
    shares = [abs(piece.end - piece.start) for piece in pieces]
    return gpd.GeoDataFrame(
        {
            "link_id": links.index[positions],
            "class": links["class"].to_numpy()[positions],
            "minutes_start": [piece.minutes_start for piece in pieces],
            "minutes_end": [piece.minutes_end for piece in pieces],
            "km": [length[link] * share for link, share in zip(positions, shares, strict=True)],
        },
        geometry=[part(geometry[piece.link], piece.start, piece.end) for piece in pieces],
        crs=4326,
    )


def _pieces(
    graph: Graph, origins: Sequence[Place], best: np.ndarray, limit: float, reverse: bool
) -> Iterator[_Piece]:
    """Yield the runs along links, each from the end where it is entered."""
    whole = graph.link_minutes
    oneway = graph.network.links["oneway"].to_numpy(dtype=bool)
    from_tail, from_head = graph.at_links(best, reverse)
    with np.errstate(invalid="ignore"):
        meeting = np.clip((from_head - from_tail + whole) / (2 * whole), 0.0, 1.0)
    meeting = np.where(np.isinf(from_head), 1.0, np.where(np.isinf(from_tail), 0.0, meeting))
    beside = _beside(graph, origins)
    for link in np.flatnonzero(np.minimum(from_tail, from_head) < limit):
        for begun, start, end in (
            (from_tail[link], 0.0, meeting[link]),
            (from_head[link], 1.0, meeting[link]),
        ):
            if begun < limit and start != end and link not in beside:
                yield _run(int(link), start, end, begun, whole[link], limit)
    for link, starts in beside.items():
        sources = [(0.0, float(from_tail[link])), *starts, (1.0, float(from_head[link]))]
        ways = (not (oneway[link] and reverse), not oneway[link] or reverse)
        yield from _runs_between(link, sources, ways, float(whole[link]), limit)


def _beside(graph: Graph, origins: Sequence[Place]) -> dict[int, list[tuple[float, float]]]:
    """Return the links that origins lie beside: where along them, in order, and from when."""
    found: dict[int, list[tuple[float, float]]] = {}
    for terminal in map(graph.terminal, origins):
        if terminal.link >= 0:
            start = terminal.fraction, terminal.access_minutes
            found.setdefault(terminal.link, []).append(start)
    return {link: sorted(starts) for link, starts in found.items()}


def _runs_between(
    link: int,
    sources: Sequence[tuple[float, float]],
    ways: tuple[bool, bool],
    whole: float,
    limit: float,
) -> Iterator[_Piece]:
    """Yield the runs along a link entered at several points; `ways`: onward, backward."""
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
        early = min(times[i], times[i + 1])
        if span <= 0 or not early < limit:
            continue
        meeting = high if ways[0] else low
        if all(ways):
            share = (times[i + 1] - times[i] + span) / (2 * span)
            meeting = low + min(max(share, 0.0), 1.0) * (high - low)
        for begun, start in ((times[i], low), (times[i + 1], high)):
            if begun < limit and start != meeting:
                yield _run(link, start, meeting, begun, whole, limit)


def _run(link: int, start: float, end: float, begun: float, whole: float, limit: float) -> _Piece:
    share = min(abs(end - start), (limit - begun) / whole)
    stop = start + share * np.sign(end - start)
    return _Piece(link, start, float(stop), float(begun), float(begun + share * whole))


def _plane(origins: Sequence[Place]) -> Transformer:
    """Return the transformation to a transverse Mercator around the origins, in km."""
    lon = float(np.mean([place.lon for place in origins]))
    lat = float(np.mean([place.lat for place in origins]))
    crs = f"+proj=tmerc +lat_0={lat} +lon_0={lon} +ellps=GRS80 +units=km +type=crs"
    return Transformer.from_crs(4490, crs, always_xy=True)


class _Lines:
    """The drawn lines of links in the plane, with the share of length at each point."""

    def __init__(self, graph: Graph, plane: Transformer, step: float) -> None:
        self._geometry = graph.network.links.geometry.to_numpy()
        self.plane = plane
        self.step = step  # minutes of a stretch
        self._known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __getitem__(self, link: int) -> tuple[np.ndarray, np.ndarray]:
        if link not in self._known:
            lonlat = shapely.get_coordinates(self._geometry[link])
            xy = np.column_stack(self.plane.transform(*lonlat.T))
            along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
            self._known[link] = xy, along / (along[-1] or 1.0)
        return self._known[link]


def _stretches(lines: _Lines, piece: _Piece) -> Iterator[tuple[np.ndarray, float]]:
    """Yield the points of each stretch of a piece, and the minutes at its far end."""
    xy, along = lines[piece.link]
    if piece.minutes_end <= piece.minutes_start:
        return
    first = np.floor(piece.minutes_start / lines.step) + 1
    marks = np.arange(first * lines.step, piece.minutes_end, lines.step)
    times = np.concatenate([[piece.minutes_start], marks, [piece.minutes_end]])
    stops = np.interp(times, [piece.minutes_start, piece.minutes_end], [piece.start, piece.end])
    for begin, end, late in zip(stops[:-1], stops[1:], times[1:], strict=True):
        low, high = min(begin, end), max(begin, end)
        inner = along[(along > low) & (along < high)]
        fractions = np.concatenate([[low], inner, [high]])
        yield (
            np.column_stack([np.interp(fractions, along, xy[:, axis]) for axis in (0, 1)]),
            float(late),
        )


def _area(
    graph: Graph,
    origins: Sequence[Place],
    lines: _Lines,
    pieces: list[_Piece],
    limit: float,
    beside_km: float,
) -> shapely.MultiPolygon:
    """Return the union of the stretches, each widened by what is left at its far end, km."""
    speed = graph.profile.off_network_kmh / 60.0
    found = [stretch for piece in pieces for stretch in _stretches(lines, piece)]
    starts = np.array([lines.plane.transform(place.lon, place.lat) for place in origins])
    around = min(limit * speed, beside_km)
    discs = shapely.buffer(shapely.points(starts), around, quad_segs=QUARTER_SEGMENTS)
    if not found:
        return _multi(shapely.union_all(discs))
    points = np.concatenate([xy for xy, _ in found])
    owner = np.repeat(np.arange(len(found)), [len(xy) for xy, _ in found])
    roads = shapely.linestrings(points, indices=owner)
    left = np.maximum(limit - np.array([late for _, late in found]), 0.0) * speed
    bands = shapely.buffer(roads, np.minimum(left, beside_km), quad_segs=QUARTER_SEGMENTS)
    return _multi(shapely.union_all(np.concatenate([bands, discs])))


def _multi(area: shapely.Geometry) -> shapely.MultiPolygon:
    parts = [part for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts)


def _to_degrees(areas: list[shapely.MultiPolygon], plane: Transformer) -> list:
    def back(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(plane.transform(*xy.T, direction="INVERSE"))

    # Rounding may make two all but equal vertices cross.
    return [_multi(shapely.make_valid(shapely.transform(area, back))) for area in areas]
