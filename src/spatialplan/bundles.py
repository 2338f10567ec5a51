"""Many links in few characters, for a web map that opens offline.

A page of some megabytes holds a hundred thousand links when links that look the same and lie
near each other are one bundle, thinned as far as the nearest view allows, and written as the
differences of whole numbers. What then still does not fit is left out by class, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan.geodesy import part

__all__ = [
    "DIGITS",
    "ORDER",
    "QUANTUM",
    "Bundles",
    "Fit",
    "bands",
    "encode",
    "fit",
    "grouped",
    "thinned",
    "zooms",
]

QUANTUM = 1e-5  # degrees; about a metre
# Five bits each, the sixth says that more follow; none of them means anything in HTML.
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_DIGITS = np.frombuffer(DIGITS.encode("ascii"), dtype=np.uint8)

# What is shown from afar, first; what is left out first, last.
ORDER = (
    "hsr", "rail200", "rail160", "rail120", "expressway", "class1", "class2", "class3", "urban",
    "class4", "ramp", "access",
)  # fmt: skip
_REACHED_BEFORE = 2.5  # how many classes higher a link counts that is reached in time
TOLERANCES = (8.0, 16.0, 32.0, 64.0)  # metres: 2 px of the nearest view, and more where it must be
TILE = 0.1  # degrees
_TILE_DIGITS = 3  # of a step across it
READABLE = 6000  # links in one view
_METRES = 111_320.0  # of a degree of latitude


@dataclass(frozen=True)
class Bundles:
    """Lines in bundles: `rows` says what each bundle is, `owner` in which one a line is.

    Lines of one bundle lie together, and `owner` ascends.
    """

    lines: np.ndarray = field(default_factory=lambda: np.array([], dtype=object))
    owner: np.ndarray = field(default_factory=lambda: np.array([], dtype=int))
    rows: Sequence[dict] = ()


def encode(lines: np.ndarray, owner: np.ndarray) -> list[str]:
    """Return the text of each bundle of lines.

    For each line the number of its points, then for each point the steps east and north from
    the point before it, in units of `QUANTUM`; the first point of a bundle counts from 0, 0.
    Whole numbers are written as in Google's "Encoded Polyline Algorithm Format": sign last,
    five bits to a digit, the lowest first.

    Parameters
    ----------
    lines
        LineStrings in degrees.
    owner
        Number of the bundle of each line, from 0, ascending, none without a line.
    """
    values, line, _ = _values(lines, owner)
    count = _digits(values)
    offset = np.concatenate([[0], np.cumsum(count)])
    text = np.empty(offset[-1], dtype=np.uint8)
    for place in range(count.max(initial=0)):
        some = count > place
        digit = (values[some] >> (5 * place)) & 31
        more = np.where(count[some] > place + 1, 32, 0)
        text[offset[:-1][some] + place] = _DIGITS[digit | more]
    whole = text.tobytes().decode("ascii")
    firsts = np.flatnonzero(np.diff(owner[line], prepend=-1))
    ends = [*offset[firsts[1:]], len(whole)]
    return [whole[a:b] for a, b in zip(offset[firsts], ends, strict=True)] if len(lines) else []


def _values(lines: np.ndarray, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers to write, the line of each, and the number of points of each line."""
    xy, line = shapely.get_coordinates(lines, return_index=True)
    steps = np.round(xy / QUANTUM).astype(np.int64)
    first = np.diff(line, prepend=-1) > 0
    last = np.diff(line, append=len(lines)) > 0
    stays = (np.diff(steps, axis=0, prepend=steps[:1] - 1) == 0).all(axis=1) & ~first & ~last
    steps, line, first = steps[~stays], line[~stays], first[~stays]
    moves = np.diff(steps, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
    new = first & (np.diff(owner[line], prepend=-1) > 0)
    moves[new] = steps[new]
    signed = (moves << 1) ^ (moves >> 63)
    points = np.bincount(line, minlength=len(lines))
    values = np.insert(signed.ravel(), 2 * np.flatnonzero(first), points)
    return values, np.repeat(np.arange(len(lines)), 1 + 2 * points), points


def _digits(values: np.ndarray) -> np.ndarray:
    """Return how many digits each number takes."""
    limits = 1 << np.arange(5, 50, 5)
    return 1 + np.searchsorted(limits, values, side="right")


def thinned(lines: np.ndarray, metres: float = TOLERANCES[0]) -> np.ndarray:
    """Return lines (degrees) with fewer points; none lies farther off than so many metres."""
    middle = np.radians(np.mean(shapely.total_bounds(lines)[1::2])) if len(lines) else 0.0
    squeeze = np.array([np.cos(middle), 1.0])
    flat = shapely.transform(lines, lambda xy: xy * squeeze)
    thin = shapely.simplify(flat, metres / _METRES, preserve_topology=False)
    return shapely.transform(thin, lambda xy: xy / squeeze)


@dataclass(frozen=True)
class Fit:
    """Links that fit into a page: which (by position), their lines, and how far thinned.

    `lines` and `tile` belong to the kept links; links of a tile are near each other.
    """

    kept: np.ndarray
    lines: np.ndarray
    tile: np.ndarray
    metres: float

    def of(self, chosen: np.ndarray) -> Fit:
        """Return the same for some of the links that were to fit: `kept` counts only these."""
        own = chosen[self.kept]
        place = np.cumsum(chosen) - 1
        return Fit(place[self.kept[own]], self.lines[own], self.tile[own], self.metres)


def fit(links: gpd.GeoDataFrame, band: np.ndarray, room: int) -> Fit:
    """Return as many links as fit into `room` characters, thinned no more than needed.

    Parameters
    ----------
    links
        Columns ``class, geometry`` (EPSG:4326).
    band
        For each link a number from 0 when it is reached in time, else -1.
    room
        Characters for all lines.

    Notes
    -----
    Left out are whole classes, the lowest first, those that are not reached before those that
    are.
    """
    geometry = links.geometry.to_numpy()
    for metres in TOLERANCES:
        lines = thinned(geometry, metres)
        size = _sizes(lines)
        if size.sum() <= room:
            break
    rank = pd.Categorical(links["class"], ORDER).codes - np.where(band >= 0, _REACHED_BEFORE, 0.0)
    ranks, group = np.unique(rank, return_inverse=True)
    through = np.cumsum(np.bincount(group, size, minlength=len(ranks))) <= room
    kept = np.flatnonzero(through[group])
    return Fit(kept, lines[kept], _tiles(lines[kept]), metres)


def _sizes(lines: np.ndarray) -> np.ndarray:
    """Return how many characters each line takes beside others of its tile."""
    values, line, _ = _values(lines, np.zeros(len(lines), dtype=int))
    return np.bincount(line, np.minimum(_digits(values), _TILE_DIGITS), minlength=len(lines))


def _tiles(lines: np.ndarray) -> np.ndarray:
    """Return the number of the tile that each line begins in."""
    start = np.floor(shapely.get_coordinates(shapely.get_point(lines, 0)) / TILE).astype(int)
    return start[:, 1] * 10_000 + start[:, 0]


def zooms(classes: pd.Series, opening: float) -> dict[str, float]:
    """Return from which zoom each class is shown.

    The higher classes at once, as long as there are no more than `READABLE` links; each
    further class where a view, a quarter of the one before, holds no more than that.

    Parameters
    ----------
    classes
        Class of each link.
    opening
        The zoom that shows all.
    """
    counts = classes.value_counts()
    total, found = 0, {}
    for name in ORDER:
        total += int(counts.get(name, 0))
        steps = 0.5 * np.ceil(2 * np.log(max(total / READABLE, 1.0)) / np.log(4.0))
        if name in counts:
            found[name] = 0.0 if not steps else float(opening + steps)
    return found


def bands(
    links: gpd.GeoDataFrame, reached: gpd.GeoDataFrame, limits: Sequence[float]
) -> tuple[np.ndarray, gpd.GeoDataFrame]:
    """Return between which limits each link is reached, and the pieces of those cut in two.

    Parameters
    ----------
    links
        Index ``link_id``; ``length_km``.
    reached
        As `spatialplan.circles.reached_links` returns it, up to the last limit.
    limits
        Minutes, ascending.

    Returns
    -------
    band : ndarray of int
        For each link 0 when all of it is reached within the first limit, 1 between the first
        and the second, …; -1 when it is not reached, or not all of it in one band.
    pieces : GeoDataFrame
        ``class, band, geometry``: the reached parts of the links with -1.
    """
    row = links.index.get_indexer(reached["link_id"])
    reached, row = reached[row >= 0], row[row >= 0]
    begun = np.searchsorted(limits, reached["minutes_start"], side="right")
    ended = np.searchsorted(limits, reached["minutes_end"], side="left")
    ended = np.clip(ended, begun, len(limits) - 1)
    km = np.bincount(row, reached["km"], minlength=len(links))
    lowest, highest = np.full(len(links), len(limits)), np.full(len(links), -1)
    np.minimum.at(lowest, row, begun)
    np.maximum.at(highest, row, ended)
    whole = (lowest == highest) & (km >= links["length_km"].to_numpy() * (1 - 1e-6))
    split = ~whole[row]
    cuts = [
        piece
        for values in zip(
            reached["class"][split], reached["minutes_start"][split],
            reached["minutes_end"][split], begun[split], ended[split],
            reached.geometry[split], strict=True,
        )
        for piece in _cut(*values, limits)
    ]  # fmt: skip
    pieces = pd.DataFrame(cuts, columns=["class", "band", "geometry"])
    return np.where(whole, lowest, -1), gpd.GeoDataFrame(pieces, crs=4326)


def _cut(
    name: str,
    start: float,
    end: float,
    first: int,
    last: int,
    line: shapely.LineString,
    limits: Sequence[float],
) -> list[tuple[str, int, shapely.LineString]]:
    """Return the parts of a reached piece, one for each band."""
    if first == last or end <= start:
        return [(name, int(first), line)]
    marks = [0.0, *((limits[band] - start) / (end - start) for band in range(first, last)), 1.0]
    return [
        (name, int(band), part(line, marks[number], marks[number + 1]))
        for number, band in enumerate(range(first, last + 1))
    ]


def grouped(lines: np.ndarray, keys: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Return lines in the order of their bundles, the bundle of each, and a row for each bundle.

    Parameters
    ----------
    lines
        LineStrings in degrees.
    keys
        One row for each line: lines of equal rows become one bundle.
    """
    number = keys.groupby(list(keys.columns), sort=False, dropna=False).ngroup().to_numpy()
    starts = gpd.GeoSeries(shapely.get_point(lines, 0))
    along = starts.hilbert_distance() if len(lines) else starts
    order = np.lexsort((along, number))
    _, first = np.unique(number, return_index=True)
    return lines[order], number[order], keys.iloc[first].reset_index(drop=True)
