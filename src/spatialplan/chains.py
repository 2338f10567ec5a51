"""From ways to links: ways meet at shared nodes only, and chains of ways become one link.

A way is a list of node numbers with positions. A link runs between two nodes where something
happens: ways meet or end, a road changes its class, name, number, speed or direction, or a
caller wants a node. Everything between is geometry.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely

from spatialplan.geodesy import straight_km

__all__ = ["Chains", "Ways", "chained"]

_NONE = -1


@dataclass
class Ways:
    """Ways being collected. A kind is a tuple of attributes, whose second item says oneway."""

    kinds: list[tuple] = field(default_factory=list)
    number: array[int] = field(default_factory=lambda: array("q"))
    kind: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    node: array[int] = field(default_factory=lambda: array("q"))
    lonlat: array[float] = field(default_factory=lambda: array("d"))
    _kind_number: dict[tuple, int] = field(default_factory=dict)

    def add(self, number: int, kind: tuple, node: Sequence[int], lonlat: array[float]) -> None:
        """Add a way: its number, attributes, nodes, and lon, lat of each (NaN: not known)."""
        self.node.extend(node)
        self.lonlat.extend(lonlat)
        self.number.append(number)
        self.size.append(len(node))
        if kind not in self._kind_number:
            self._kind_number[kind] = len(self.kinds)
            self.kinds.append(kind)
        self.kind.append(self._kind_number[kind])

    def __len__(self) -> int:
        return len(self.number)


@dataclass(frozen=True)
class Chains:
    """Links and their nodes as arrays.

    Parameters
    ----------
    node, lon, lat
        Number and position (degrees WGS84) of each node.
    first, last
        Positions in `node` of the ends of each link.
    kind
        Position of its attributes in `Ways.kinds`.
    way, last_way
        Numbers of the ways that it begins and ends with.
    line, km
        Its geometry and geodesic length.
    """

    node: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    first: np.ndarray
    last: np.ndarray
    kind: np.ndarray
    way: np.ndarray
    last_way: np.ndarray
    line: np.ndarray
    km: np.ndarray


def chained(
    ways: Ways, *, area: shapely.Geometry | None = None, keep: Iterable[int] = ()
) -> Chains:
    """Return the links that ways make.

    Parameters
    ----------
    area
        In EPSG:4326; only the pieces of ways with an end inside stay.
    keep
        Numbers of nodes that stay nodes even if nothing happens there.
    """
    number = np.array(ways.node, dtype=np.int64)
    x, y = np.array(ways.lonlat, dtype=float).reshape(-1, 2).T
    unique, node = np.unique(number, return_inverse=True)
    at, way = _pieces(ways, node, x, y, area)
    kind = np.array(ways.kind, dtype=np.int64)[way]
    kept = np.isin(unique, np.fromiter(keep, dtype=np.int64))
    oneway = np.array([bool(kind[1]) for kind in ways.kinds] or [False])
    partner = _partners(node[at], node[at + 1], kind, oneway, kept)
    runs = _runs(at, partner)
    order, turned, chain = _walk(partner, *runs)
    position, start, piece = _vertices(at, runs, order, turned, chain)
    low, high, chain_of = _without_loops(node[position], start)
    vertex, owner = _ranges(low, high)
    lon, lat = x[position[vertex]], y[position[vertex]]
    line = shapely.linestrings(np.column_stack([lon, lat]), indices=owner) if len(low) else []
    used, ends = np.unique(
        np.concatenate([node[position[low]], node[position[high]]]), return_inverse=True
    )
    spot = np.empty(len(unique), dtype=np.int64)
    spot[node] = np.arange(len(node))
    numbers = np.array(ways.number, dtype=np.int64)
    return Chains(
        node=unique[used],
        lon=x[spot[used]],
        lat=y[spot[used]],
        first=ends[: len(low)],
        last=ends[len(low) :],
        kind=kind[piece[start[:-1]]][chain_of],
        # The piece before a vertex ends there; a chain's first vertex has the piece after it.
        way=numbers[way[piece[np.minimum(low + 1, high)]]],
        last_way=numbers[way[piece[high]]],
        line=np.asarray(line, dtype=object),
        km=_lengths(lon, lat, owner, len(low)),
    )


def _pieces(
    ways: Ways, node: np.ndarray, x: np.ndarray, y: np.ndarray, area: shapely.Geometry | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the straight pieces of ways: position of their first node, and their way."""
    owner = np.repeat(np.arange(len(ways)), ways.size)
    good = np.isfinite(x) & np.isfinite(y)
    joined = (owner[:-1] == owner[1:]) & (node[:-1] != node[1:]) & good[:-1] & good[1:]
    if area is not None:
        inside = np.zeros(len(node), dtype=bool)
        inside[good] = shapely.contains_xy(area, x[good], y[good])
        joined &= inside[:-1] | inside[1:]
    at = np.flatnonzero(joined)
    return at, owner[at]


def _partners(
    tail: np.ndarray, head: np.ndarray, kind: np.ndarray, oneway: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """Return for the tail and the head of each piece which piece's end it goes on at.

    Ends are numbered: tail of piece ``i`` is ``i``, its head ``i + count``. -1: at a node.
    """
    count = len(tail)
    node = np.concatenate([tail, head])
    partner = np.full(2 * count, _NONE, dtype=np.int64)
    plain = ~kept & (np.bincount(node, minlength=len(kept)) == 2)
    ends = np.flatnonzero(plain[node])
    ends = ends[np.argsort(node[ends], kind="stable")]
    one, other = ends[0::2], ends[1::2]
    same = kind[one % max(count, 1)] == kind[other % max(count, 1)]
    # One-way pieces go on only from a head to a tail.
    along = (one < count) != (other < count)
    same &= along | ~oneway[kind[one % max(count, 1)]]
    same &= one % max(count, 1) != other % max(count, 1)
    one, other = one[same], other[same]
    partner[one], partner[other] = other, one
    return partner


def _runs(at: np.ndarray, partner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last pieces of the runs: pieces of a way that go on into one another."""
    count = len(at)
    goes_on = np.zeros(count, dtype=bool)
    if count:
        next_piece = np.arange(1, count)
        goes_on[:-1] = (partner[count : 2 * count - 1] == next_piece) & (at[1:] == at[:-1] + 1)
    starts = np.flatnonzero(~np.concatenate([[False], goes_on[:-1]])) if count else np.arange(0)
    return starts, np.flatnonzero(~goes_on)


def _walk(
    partner: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[list[int], list[bool], list[int]]:
    """Return the runs chain by chain, whether each is turned round, and its chain's number."""
    count = len(partner) // 2
    run_of = np.full(2 * count, _NONE, dtype=np.int64)
    run_of[first], run_of[last + count] = np.arange(len(first)), np.arange(len(first))
    ends = np.stack([partner[first], partner[last + count]])
    ahead = [
        [_NONE if end == _NONE else int(run_of[end]) for end in side] for side in ends.tolist()
    ]
    # Does the next run begin (0) or end (1) where this one goes on?
    enters = (ends >= count).tolist()
    free = [[run == _NONE for run in side] for side in ahead]
    done = [False] * len(first)
    order: list[int] = []
    turned: list[bool] = []
    chain: list[int] = []

    def follow(run: int, back: bool) -> None:
        number = chain[-1] + 1 if chain else 0
        while run != _NONE and not done[run]:
            done[run] = True
            order.append(run)
            turned.append(back)
            chain.append(number)
            side = 0 if back else 1
            run, back = ahead[side][run], enters[side][run]

    # From free tails first, so that one-way chains are walked in their direction.
    for run in range(len(first)):
        if free[0][run] and not done[run]:
            follow(run, back=False)
    for run in range(len(first)):
        if free[1][run] and not done[run]:
            follow(run, back=True)
    for run in range(len(first)):  # rings on their own
        if not done[run]:
            follow(run, back=False)
    return order, turned, chain


def _vertices(
    at: np.ndarray,
    runs: tuple[np.ndarray, np.ndarray],
    order: list[int],
    turned: list[bool],
    chain: list[int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions of the vertices of all chains, where each chain starts, and pieces.

    The piece of a vertex is the one that leads to it (for a chain's first: from it).
    """
    run, back = np.array(order, dtype=np.int64), np.array(turned, dtype=bool)
    number = np.array(chain, dtype=np.int64)
    first, last = runs[0][run], runs[1][run]
    opens = np.ones(len(run), dtype=bool)
    opens[1:] = number[1:] != number[:-1]
    size = last - first + 1 + opens
    step = np.where(back, -1, 1)
    begin = np.where(back, at[last] + 1, at[first]) + np.where(opens, 0, step)
    total = np.cumsum(size)
    offset = np.arange(total[-1] if len(total) else 0) - np.repeat(total - size, size)
    position = np.repeat(begin, size) + np.repeat(step, size) * offset
    step_index = np.maximum(offset - np.repeat(opens, size), 0)
    piece = np.where(
        np.repeat(back, size),
        np.repeat(last, size) - step_index,
        np.repeat(first, size) + step_index,
    )
    start = np.concatenate([(total - size)[opens], total[-1:]])
    return position, start, piece


def _without_loops(
    node: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return first and last vertex of each link, and its chain; a loop becomes two links."""
    low, high = start[:-1], start[1:] - 1
    loops = np.flatnonzero((node[low] == node[high]) & (high - low >= 2))
    middle = (low[loops] + high[loops]) // 2
    chain = np.arange(len(low))
    cut = high.copy()
    cut[loops] = middle
    low, high = np.concatenate([low, middle]), np.concatenate([cut, high[loops]])
    chain = np.concatenate([chain, loops])
    order = np.argsort(low, kind="stable")
    real = order[node[low[order]] != node[high[order]]]
    return low[real], high[real], chain[real]


def _ranges(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all whole numbers from each low to its high, and the row each belongs to."""
    size = high - low + 1
    owner = np.repeat(np.arange(len(low)), size)
    before = np.cumsum(size) - size
    return np.arange(len(owner)) - before[owner] + low[owner], owner


def _lengths(lon: np.ndarray, lat: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    same = owner[:-1] == owner[1:]
    km = straight_km(lon[:-1][same], lat[:-1][same], lon[1:][same], lat[1:][same])
    return np.bincount(owner[1:][same], weights=km, minlength=count)
