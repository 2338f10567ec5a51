"""Lines for drawing links: roads that bend with their valley instead of straight chords.

A link of the built-in network is known by its two ends and its mileage; where it runs between
is not known. The lines made here are schematic. They are never a source of length: every line
is at least as long as the chord and at most as long as the mileage of its link.
"""

from __future__ import annotations

import zlib
from functools import cache
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import shapely

from spatialplan.files import data_dir, read_text

__all__ = ["draw_links", "read_valleys"]

STEPS = 32
"""Pieces that a line is made of before those that bend nothing are dropped."""

VALLEY_REACH_KM = 4.5
"""Both ends of a link must lie this near to a valley for the link to follow it."""

# How a class runs: share of the chord that a bend may leave it by; spacing of bends in km;
# how far (km) the valley's own bends are smoothed away before the link follows it. An
# expressway or a railway cuts the corners that a country road goes round.
_STYLES = {
    "expressway": (0.025, 22.0, 2.0),
    "class1": (0.03, 16.0, 1.5),
    "class2": (0.045, 11.0, 1.0),
    "class3": (0.06, 8.0, 0.6),
    "class4": (0.07, 6.0, 0.6),
    "hsr": (0.0, 60.0, 5.0),
    "rail200": (0.008, 40.0, 3.0),
    "rail160": (0.01, 40.0, 2.0),
    "rail120": (0.015, 30.0, 2.0),
}
_OTHER_STYLE = (0.03, 10.0, 1.0)
_SMOOTHINGS = (0.6, 1.5, 3.0)

# Roads of one corridor run side by side: this far (km) from the line they would share.
_SIDE_KM = {"expressway": 0.5, "class1": -0.35, "hsr": -0.7, "rail160": 0.25, "rail120": 0.25}

_SPACING_KM = 0.5
_KM_PER_DEGREE = 111.2

# WGS84: equatorial radius in km and the square of the eccentricity.
_RADIUS_KM = 6378.137
_ECCENTRICITY2 = 6.69437999014e-3


def draw_links(
    links: pd.DataFrame, places: pd.DataFrame, valleys: pd.DataFrame | None = None
) -> list[shapely.LineString]:
    """Return a schematic line for each link.

    Parameters
    ----------
    links
        Index or column ``link_id``; columns ``from_node, to_node, class, length_km`` (km) and,
        where known, ``ref, name_zh``. The same link always gives the same line among the same
        links.
    places
        Index or column ``place_id`` (or ``node_id``); columns ``lon, lat`` in degrees, WGS84.
    valleys
        Polylines as in ``data/raw/valleys.csv``; default: those.

    Returns
    -------
    list of shapely.LineString
        One line per row, lon/lat WGS84, from the first node to the second. Its geodesic length
        lies between the chord and ``length_km``; where ``length_km`` is no number, or shorter
        than the chord, the line is the chord.

    Raises
    ------
    KeyError
        When a link ends at a node that `places` does not have.

    Notes
    -----
    A line is the chord plus a deviation times a weight. The deviation is the valley that both
    ends lie near to, shifted so that it meets them; elsewhere a cubic Hermite curve whose
    tangents go through the neighbours of the same road (Catmull-Rom), with gentle bends drawn
    from the link's id. The weight is the largest in [0, 1] that keeps the line within its
    mileage, found by bisection.
    """
    if not len(links):
        return []
    table = _by_id(links, ("link_id",))
    nodes = _by_id(places, ("place_id", "node_id"))
    position = {name: i for i, name in enumerate(nodes.index)}
    start = np.array([position[name] for name in table["from_node"]])
    end = np.array([position[name] for name in table["to_node"]])
    lonlat = nodes[["lon", "lat"]].to_numpy(float)
    plane = _Plane(lonlat[np.union1d(start, end)].mean(axis=0))
    xy = plane.forward(lonlat)
    if valleys is None:
        valleys = read_valleys(data_dir() / "valleys.csv")
    tracks = _tracks(valleys, plane)
    curves = _Curves(table, xy, start, end)
    deviation = curves.bends()
    _follow_valleys(deviation, curves, tracks)
    deviation += curves.sides()
    mileage = pd.to_numeric(table["length_km"], errors="coerce").to_numpy(float)
    lines = _within_mileage(curves.chords(), deviation, mileage, plane)
    lines[:, 0], lines[:, -1] = lonlat[start], lonlat[end]
    return _as_lines(lines)


@cache
def read_valleys(path: Path) -> pd.DataFrame:
    """Read the valleys to draw along.

    Parameters
    ----------
    path
        A CSV file with columns ``valley_id, seq, lon, lat`` (degrees, WGS84).

    Returns
    -------
    pandas.DataFrame
        The rows in order of valley and sequence; empty when there is no such file.
    """
    if not path.is_file():
        return pd.DataFrame(columns=["valley_id", "seq", "lon", "lat"])
    frame = pd.read_csv(StringIO(read_text(path)), usecols=["valley_id", "seq", "lon", "lat"])
    return frame.sort_values(["valley_id", "seq"], kind="stable", ignore_index=True)


class _Plane:
    """Kilometres east and north of a centre, good enough to shape lines by."""

    def __init__(self, centre: np.ndarray) -> None:
        self.centre = centre
        self.scale = np.array([np.cos(np.radians(centre[1])), 1.0]) * _KM_PER_DEGREE

    def forward(self, lonlat: np.ndarray) -> np.ndarray:
        return (lonlat - self.centre) * self.scale

    def back(self, xy: np.ndarray) -> np.ndarray:
        return xy / self.scale + self.centre


class _Curves:
    """The links' chords (km plane) and the ways in which they leave them."""

    def __init__(
        self, table: pd.DataFrame, xy: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> None:
        self.table = table
        self.start, self.end = start, end
        self.xy = xy
        self.origin, self.target = xy[start], xy[end]
        self.vector = self.target - self.origin
        self.chord = np.hypot(*self.vector.T)
        self.unit = self.vector / np.maximum(self.chord, 1e-9)[:, None]
        styles = [_STYLES.get(name, _OTHER_STYLE) for name in table["class"]]
        self.amplitude, self.spacing, self.smoothing = np.array(styles, dtype=float).T
        self.share = np.linspace(0.0, 1.0, STEPS + 1)

    def chords(self) -> np.ndarray:
        """Return the points of the chords, shape (links, STEPS + 1, 2)."""
        return self.origin[:, None] + self.share[:, None] * self.vector[:, None]

    def bends(self) -> np.ndarray:
        """Return the deviations of roads that no valley leads, shaped like the chords."""
        s = self.share[:, None]
        leave, arrive = self._tangents()
        hermite = (s**3 - 2 * s**2 + s) * leave[:, None] + (s**3 - s**2) * arrive[:, None]
        even = (3 * s**2 - 2 * s**3 - s) * self.vector[:, None]
        return hermite + even + self.wiggles()

    def _tangents(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the tangents (km) at both ends: through the next link of the same road."""
        at_start, at_end = self._partners()
        leave = self._blend(at_start, self.origin)
        arrive = -self._blend(at_end, self.target, backwards=True)
        # A road that ends has no neighbour to turn to: its end mirrors its other end.
        lone_start, lone_end = at_start < 0, at_end < 0
        both = lone_start & lone_end
        leave[both], arrive[both] = self.vector[both], self.vector[both]
        only = lone_start & ~both
        leave[only] = 1.5 * self.vector[only] - 0.5 * arrive[only]
        only = lone_end & ~both
        arrive[only] = 1.5 * self.vector[only] - 0.5 * leave[only]
        return leave, arrive

    def _blend(
        self, neighbour: np.ndarray, node: np.ndarray, backwards: bool = False
    ) -> np.ndarray:
        """Return tangents that point into the link, from node to node beyond both."""
        inward = -self.vector if backwards else self.vector
        known = neighbour >= 0
        other = self.xy[np.where(known, neighbour, 0)]
        onward = np.where(known[:, None], node - other, inward)
        near = np.maximum(np.hypot(*onward.T), 1e-9)
        # The nearer neighbour says more about the direction at the node.
        weight = (self.chord / (self.chord + near))[:, None]
        direction = (
            weight * onward / near[:, None]
            + (1 - weight) * inward / np.maximum(self.chord, 1e-9)[:, None]
        )
        size = np.hypot(*direction.T)[:, None]
        # At a hairpin the two directions cancel out: a small tangent keeps the line tame.
        return direction / np.maximum(size, 1e-9) * (self.chord[:, None] * np.minimum(size, 1.0))

    def _partners(self) -> tuple[np.ndarray, np.ndarray]:
        """Return, per end, the far node of the next link of the same road (-1: none)."""
        count = len(self.table)
        keys = _road_keys(self.table)
        rows = np.tile(np.arange(count), 2)
        here = np.concatenate([self.start, self.end])
        there = np.concatenate([self.end, self.start])
        groups: dict[tuple, list[int]] = {}
        for i, key in enumerate(zip(keys[rows], here.tolist(), strict=True)):
            if key[0]:
                groups.setdefault(key, []).append(i)
        far = np.full(2 * count, -1)
        for members in groups.values():
            if len(members) == 2:
                one, two = members
                far[one], far[two] = there[two], there[one]
        return far[:count], far[count:]

    def wiggles(self) -> np.ndarray:
        """Return bends to both sides of the chord, drawn from the link's id."""
        seed = np.array([zlib.crc32(str(name).encode()) for name in self.table.index])
        sign = np.where(seed % 2, 1.0, -1.0)
        number = np.clip(np.round(self.chord / self.spacing) + seed // 2 % 2, 1, 6)
        lean = (seed // 4 % 1000) / 1000.0 - 0.5
        height = np.minimum(self.amplitude * self.chord / np.sqrt(number), 1.6)
        s = self.share[None]
        # Both value and slope are nought at the ends, so that roads stay smooth at nodes.
        envelope = np.sin(np.pi * s) ** 2
        wave = np.sin(np.pi * number[:, None] * (s + 0.12 * lean[:, None] * envelope))
        return self._normal(sign[:, None] * height[:, None] * envelope * wave)

    def sides(self) -> np.ndarray:
        """Return shifts that keep roads with the same ends, or the same corridor, apart."""
        pairs = np.sort(np.stack([self.start, self.end]), axis=0)
        code = pairs[0] * (len(self.xy) + 1) + pairs[1]
        order = pd.Series(code).groupby(code).cumcount().to_numpy()
        many = pd.Series(code).groupby(code).transform("size").to_numpy()
        apart = (order - (many - 1) / 2.0) * np.minimum(0.9, 0.12 * self.chord)
        side = np.array([_SIDE_KM.get(name, 0.0) for name in self.table["class"]])
        # Left of the way east, whichever end comes first; fully so on long links only.
        east = np.where(self.vector[:, 0] >= 0, 1.0, -1.0)
        shift = east * (apart + side * np.clip(self.chord / 12.0, 0.0, 1.0))
        return self._normal(shift[:, None] * np.sin(np.pi * self.share[None]) ** 2)

    def _normal(self, offset: np.ndarray) -> np.ndarray:
        """Return offsets (km to the left) as vectors, shape (links, STEPS + 1, 2)."""
        left = np.stack([-self.unit[:, 1], self.unit[:, 0]], axis=1)
        return offset[:, :, None] * left[:, None]


def _road_keys(table: pd.DataFrame) -> np.ndarray:
    """Return the road each link belongs to; empty for sidings and connectors."""
    blank = pd.Series("", table.index)
    ref = table.get("ref", blank).fillna("").astype(str)
    name = table.get("name_zh", blank).fillna("").astype(str)
    fast = table["class"].eq("expressway").map({True: "e:", False: "o:"})
    key = fast + ref.where(ref != "", name.where(name != "连接线", ""))
    return key.where((ref != "") | ((name != "") & (name != "连接线")), "").to_numpy()


def _tracks(valleys: pd.DataFrame, plane: _Plane) -> dict[float, list[np.ndarray]]:
    """Return the valleys as evenly spaced points (km plane), for each degree of smoothing."""
    lonlat = valleys[["lon", "lat"]].to_numpy(float)
    names = valleys["valley_id"].to_numpy()
    cuts = np.flatnonzero(names[1:] != names[:-1]) + 1
    lines = [_even(line) for line in np.split(plane.forward(lonlat), cuts) if len(line) > 1]
    return {width: [_smoothed(line, width) for line in lines] for width in _SMOOTHINGS}


def _even(line: np.ndarray) -> np.ndarray:
    """Return points every half kilometre along a smooth curve through a valley's points."""
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    stops = np.linspace(0.0, way[-1], max(2, int(way[-1] / _SPACING_KM) + 1))
    inner = (line[2:] - line[:-2]) / (way[2:] - way[:-2])[:, None]
    slope = np.concatenate([line[1:2] - line[:1], inner, line[-1:] - line[-2:-1]])
    slope[[0, -1]] /= np.diff(way)[[0, -1], None]
    piece = np.clip(np.searchsorted(way, stops, side="right") - 1, 0, len(line) - 2)
    length = (way[piece + 1] - way[piece])[:, None]
    s = (stops - way[piece])[:, None] / length
    return (
        (1 + 2 * s) * (1 - s) ** 2 * line[piece]
        + s * (1 - s) ** 2 * length * slope[piece]
        + s**2 * (3 - 2 * s) * line[piece + 1]
        + s**2 * (s - 1) * length * slope[piece + 1]
    )


def _smoothed(line: np.ndarray, width_km: float) -> np.ndarray:
    """Return the line with bends shorter than a width (km) averaged away, ends kept."""
    half = max(1, round(width_km / _SPACING_KM))
    kernel = np.hanning(2 * half + 3)[1:-1]
    kernel /= kernel.sum()
    # Mirrored ends: the average of a line and its mirror image passes through the end itself.
    before = 2 * line[0] - line[half:0:-1] if len(line) > half else np.repeat(line[:1], half, 0)
    after = (
        2 * line[-1] - line[-2 : -half - 2 : -1]
        if len(line) > half
        else np.repeat(line[-1:], half, 0)
    )
    padded = np.concatenate([before, line, after])
    return np.stack([np.convolve(padded[:, k], kernel, "valid") for k in (0, 1)], axis=1)


def _follow_valleys(
    deviation: np.ndarray, curves: _Curves, tracks: dict[float, list[np.ndarray]]
) -> None:
    """Replace, in place, the deviation of links whose ends lie in one valley."""
    used = np.union1d(curves.start, curves.end)
    slot = np.zeros(len(curves.xy), dtype=int)
    slot[used] = np.arange(len(used))
    level = np.array([min(_SMOOTHINGS, key=lambda w: abs(w - x)) for x in curves.smoothing])
    mileage = pd.to_numeric(curves.table["length_km"], errors="coerce").to_numpy(float)
    best = np.full(len(curves.chord), np.inf)
    # A road keeps some bends of its own in a valley that is drawn with few points.
    wiggles = 0.4 * curves.wiggles()
    for width, lines in tracks.items():
        mine = (level == width) & (curves.chord > 2.5)
        if not mine.any():
            continue
        for line in lines:
            gap, index = _nearest(curves.xy[used], line)
            a, b = slot[curves.start], slot[curves.end]
            far = gap[a] + gap[b]
            along = np.abs(index[a] - index[b]) * _SPACING_KM
            fits = (
                mine
                & (np.maximum(gap[a], gap[b]) <= VALLEY_REACH_KM)
                & (far < best)
                & (far < 0.8 * curves.chord)
                & (along >= 0.6 * curves.chord)
                & (along <= 1.5 * mileage)
            )
            if not fits.any():
                continue
            best[fits] = far[fits]
            path = _along(line, index[a[fits]], index[b[fits]], curves, fits)
            deviation[fits] = path + wiggles[fits]


def _along(
    line: np.ndarray, first: np.ndarray, last: np.ndarray, curves: _Curves, rows: np.ndarray
) -> np.ndarray:
    """Return deviations that follow a valley between two of its points, meeting both ends."""
    s = curves.share[None]
    place = first[:, None] + s * (last - first)[:, None]
    low = np.minimum(place.astype(int), len(line) - 2)
    part = (place - low)[:, :, None]
    path = line[low] * (1 - part) + line[low + 1] * part
    ease = (s * s * (3 - 2 * s))[:, :, None]
    lead = (curves.origin[rows] - path[:, 0])[:, None]
    trail = (curves.target[rows] - path[:, -1])[:, None]
    chord = curves.origin[rows][:, None] + s[:, :, None] * curves.vector[rows][:, None]
    return path + lead * (1 - ease) + trail * ease - chord


def _nearest(points: np.ndarray, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each point's distance (km) to a valley and the index of the nearest point."""
    reach = VALLEY_REACH_KM + 1.0
    low, high = line.min(axis=0) - reach, line.max(axis=0) + reach
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    gap = np.full(len(points), np.inf)
    index = np.zeros(len(points), dtype=int)
    if len(near):
        # |p - q|² less |p|²: one matrix product instead of a table of differences.
        square = (line**2).sum(axis=1) - 2.0 * points[near] @ line.T
        index[near] = square.argmin(axis=1)
        gap[near] = np.hypot(*(points[near] - line[index[near]]).T)
    return gap, index


def _within_mileage(
    chords: np.ndarray, deviation: np.ndarray, mileage: np.ndarray, plane: _Plane
) -> np.ndarray:
    """Return lon/lat of the lines, each bent as far as its mileage (km) allows."""
    limit = np.nan_to_num(mileage, nan=0.0) * 0.9995
    low, high = np.zeros(len(chords)), np.ones(len(chords))
    whole = _lengths(plane.back(chords + deviation)) <= limit
    low[whole] = 1.0
    rest = np.flatnonzero(~whole)
    for _ in range(7):
        middle = (low[rest] + high[rest]) / 2.0
        lines = plane.back(chords[rest] + middle[:, None, None] * deviation[rest])
        fits = _lengths(lines) <= limit[rest]
        low[rest[fits]] = middle[fits]
        high[rest[~fits]] = middle[~fits]
    return plane.back(chords + low[:, None, None] * deviation)


def _lengths(lonlat: np.ndarray) -> np.ndarray:
    """Return lengths (km) of lines on the WGS84 ellipsoid, shape (links, points, 2) in degrees.

    Each piece is measured with the radii of curvature at its middle; over the few kilometres
    of a piece that differs from the geodesic by less than a millionth.
    """
    lon, lat = np.radians(lonlat[..., 0]), np.radians(lonlat[..., 1])
    middle = (lat[:, 1:] + lat[:, :-1]) / 2.0
    curve = 1.0 - _ECCENTRICITY2 * np.sin(middle) ** 2
    north = (1.0 - _ECCENTRICITY2) / curve * np.diff(lat)
    east = np.cos(middle) * np.diff(lon)
    return _RADIUS_KM * (np.hypot(north, east) / np.sqrt(curve)).sum(axis=1)


def _as_lines(lonlat: np.ndarray) -> list[shapely.LineString]:
    """Return shapely lines without the points that bend nothing (within about 20 m)."""
    count, points = lonlat.shape[:2]
    lines = shapely.linestrings(lonlat.reshape(-1, 2), indices=np.repeat(np.arange(count), points))
    return list(shapely.simplify(lines, 2e-4, preserve_topology=False))


def _by_id(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Return the frame indexed by the first of the id columns that it has."""
    for name in names:
        if name in frame.columns:
            return pd.DataFrame(frame).set_index(name)
    return pd.DataFrame(frame)
