"""Travel times on large networks: a compiled graph, searches over both cores, and repairs.

Times are whole units of 0.2 ms. Rounding errs by at most half a unit for each arc, so a way of
fewer than 10,000 arcs errs by less than a second (in practice, errors of both signs cancel:
a few milliseconds). In return results are the same on every machine, whatever the order of
the search, and a repair after an edit equals a fresh search to the last bit. The longest time
that can be told is 119 hours; what lies beyond counts as out of reach.

The searches are a bucket queue (Dial 1969, Communications of the ACM 12(11), with buckets
wider than a unit as in Denardo and Fox 1979, Operations Research 27(1)) compiled by numba;
where numba cannot run, scipy's Dijkstra gives the same units, more slowly. Repairs after
closures follow Ramalingam and Reps 1996, Journal of Algorithms 21(2).

Import this module only where a network is large: it is not needed for plan-scale networks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra, reverse_cuthill_mckee

from spatialplan.errors import InputError
from spatialplan.files import atomic_path

if TYPE_CHECKING:
    from spatialplan.reduction import Core
    from spatialplan.travel import Graph

__all__ = [
    "UNITS_PER_MINUTE",
    "Change",
    "Compiled",
    "Copy",
    "Times",
    "Way",
    "change",
    "compile_arcs",
    "compile_travel",
    "cores",
    "matrix",
    "minutes_from",
    "nearest",
    "prepare",
    "reached",
    "renumbered",
    "rerun",
    "times",
    "to_minutes",
    "to_units",
    "way",
]

UNITS_PER_MINUTE = 300_000
UNREACHED = 2**31 - 1
LONGEST_SEARCH = UNREACHED - 1
RING_LIMIT = 4096  # buckets; more would not fit the processor's nearest cache
WORTH_REDUCING = 16  # searches; for fewer it costs more to find the core than it saves
LARGE = 5_000  # vertices; smaller graphs are searched at once anyway
WORTH_KEEPING = 50_000  # vertices; smaller graphs are compiled in a tenth of a second
_EDITION = b"1"  # to be raised whenever compiling or reducing gives something else

Start = int | Sequence[tuple[int, float]]  # a vertex, or vertices with minutes already spent


def to_units(minutes: np.ndarray | float) -> np.ndarray:
    """Return minutes as whole units, at least one; what is infinite is out of reach."""
    units = np.rint(np.asarray(minutes, dtype=float) * UNITS_PER_MINUTE)
    return np.clip(units, 1, UNREACHED).astype(np.int32)


def to_minutes(units: np.ndarray) -> np.ndarray:
    """Return units as minutes; infinite where there is no way."""
    minutes = units / float(UNITS_PER_MINUTE)
    minutes[units == UNREACHED] = np.inf
    return minutes


def cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _kernels() -> ModuleType | None:
    """Return the compiled loops, or None where numba is missing or cannot compile them."""
    try:
        from spatialplan import kernels

        pointer, arcs = np.array([0, 1, 1], np.int32), np.array([[1, 5]], np.int32)
        dist = np.empty(2, np.int32)
        first, pool = np.zeros(1, np.int32), np.empty((4, 3), np.int32)
        kernels.search(pointer, arcs, first, first, LONGEST_SEARCH, (1, 8), _NONE, pool, dist)
    except Exception:  # numba raises many kinds, and LLVM more
        return None
    return kernels if dist.tolist() == [0, 5] else None


@dataclass(frozen=True)
class Compiled:
    """A directed graph in compressed rows, its vertices renumbered so that near ones are near.

    Parameters
    ----------
    pointer
        Shape ``(size + 1,)``: arcs of vertex `v` are ``arcs[pointer[v]:pointer[v + 1]]``.
    arcs
        Shape ``(arcs, 2)``: head and units. `UNREACHED` units mean that it is closed.
    given
        For each arc the number under which it was given; -1 for one that is no more.
    rank
        For each vertex as given, its number here.
    copy
        Where the core is kept once it has been found.
    """

    pointer: np.ndarray
    arcs: np.ndarray
    given: np.ndarray
    rank: np.ndarray
    copy: Copy | None = None

    @property
    def size(self) -> int:
        """Number of vertices."""
        return len(self.rank)

    @cached_property
    def vertex(self) -> np.ndarray:
        """For each vertex here, its number as given."""
        found = np.empty(self.size, np.int32)
        found[self.rank] = np.arange(self.size, dtype=np.int32)
        return found

    @cached_property
    def entry(self) -> np.ndarray:
        """For each arc as given, its place in `arcs`; -1 for numbers that were left out."""
        found = np.full(int(self.given.max(initial=-1)) + 1, -1, np.int64)
        known = np.flatnonzero(self.given >= 0)
        found[self.given[known]] = known
        return found

    @cached_property
    def tails(self) -> np.ndarray:
        """Tail of each arc."""
        return np.repeat(np.arange(self.size, dtype=np.int32), np.diff(self.pointer))

    @cached_property
    def back(self) -> Compiled:
        """The graph with all arcs turned round."""
        order = np.argsort(self.arcs[:, 0], kind="stable")
        arcs = np.column_stack([self.tails[order], self.arcs[order, 1]])
        pointer = _pointer(self.arcs[:, 0], self.size)
        turned = Compiled(pointer, arcs, self.given[order], self.rank)
        turned.__dict__["back"] = self
        turned.__dict__["_queue"] = self._queue
        turned.__dict__["_scratch"] = self._scratch
        return turned

    @cached_property
    def _queue(self) -> tuple[int, int]:
        """Width of a bucket as a power of two, and how many buckets the longest arc needs."""
        return _buckets(self.arcs[:, 1])

    @cached_property
    def _core(self) -> tuple[Core, tuple[int, int]]:
        """What is left of the graph without vertices of little choice, and the queue for it."""
        from spatialplan.reduction import Core, core_of

        def found() -> Core:
            return core_of(self.pointer, self.arcs)

        core = Core(*self.copy.kept("core", found)) if self.copy else found()
        return core, _buckets(core.arcs[:, 1])

    @cached_property
    def _matrix(self) -> csr_array:
        """Units as a scipy matrix, the fastest of parallel arcs, for want of numba."""
        usable = self.arcs[:, 1] < UNREACHED
        tail, (head, units) = self.tails[usable], self.arcs[usable].T
        order = np.lexsort((units, head, tail))
        tail, head, units = tail[order], head[order], units[order]
        first = np.ones(len(order), dtype=bool)
        first[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
        pointer = _pointer(tail[first], self.size)
        return csr_array(
            (units[first].astype(float), head[first], pointer), shape=(self.size, self.size)
        )

    @cached_property
    def _scratch(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Clean working arrays that no search is using."""
        return []

    @contextlib.contextmanager
    def scratch(self) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Lend an array of `UNREACHED` (to be given back so) and a pool of queue entries.

        The pool has room for a little more than one entry for each vertex.
        """
        try:
            pair = self._scratch.pop()
        except IndexError:
            room = self.size + self.size // 8 + 1
            pair = np.full(self.size, UNREACHED, np.int32), np.empty((room, 3), np.int32)
        yield pair
        self._scratch.append(pair)


def _buckets(units: np.ndarray) -> tuple[int, int]:
    """Return the width of a bucket as a power of two, and how many the longest arc needs."""
    units = units[units < UNREACHED]
    if not len(units):
        return 0, 2
    # Few arcs are shorter than a bucket is wide: within it, vertices are scanned in any order.
    short, longest = np.percentile(units[:: max(len(units) // 10_000, 1)], 10), int(units.max())
    shift = int(short).bit_length()
    while (longest >> shift) + 2 > RING_LIMIT:
        shift += 1
    return shift, 1 << ((longest >> shift) + 1).bit_length()


def _pointer(tail: np.ndarray, size: int) -> np.ndarray:
    pointer = np.zeros(size + 1, np.int32)
    np.cumsum(np.bincount(tail, minlength=size), out=pointer[1:])
    return pointer


def compile_arcs(
    tail: np.ndarray,
    head: np.ndarray,
    minutes: np.ndarray,
    size: int,
    *,
    lonlat: np.ndarray | None = None,
    numbers: np.ndarray | None = None,
) -> Compiled:
    """Return the graph of some directed arcs; of parallel arcs all are kept.

    Parameters
    ----------
    tail, head, minutes
        One for each arc: vertices below `size`, and the time, which must not be negative.
        An infinite time closes the arc.
    lonlat
        Positions of the vertices, shape ``(size, 2)``. With them the vertices are put in the
        order of a Hilbert curve, without them in that of neighbourhood.
    numbers
        Numbers of the arcs for later reference; by default 0, 1, 2 …

    Raises
    ------
    InputError
        When a vertex is out of range, or a time is negative, not a number, or over 119 hours.
    """
    tail, head = np.asarray(tail, np.int64), np.asarray(head, np.int64)
    minutes = np.asarray(minutes, dtype=float)
    _check(tail, head, minutes, size)
    rank = _hilbert_rank(lonlat) if lonlat is not None else _near_rank(tail, head, size)
    tail, head = rank[tail], rank[head]
    order = np.argsort(tail.astype(np.int64) * size + head, kind="stable")
    arcs = np.column_stack([head[order], to_units(minutes)[order]]).astype(np.int32)
    given = np.arange(len(order)) if numbers is None else np.asarray(numbers)
    return Compiled(_pointer(tail, size), arcs, given[order].astype(np.int32), rank)


def _check(tail: np.ndarray, head: np.ndarray, minutes: np.ndarray, size: int) -> None:
    outside = (tail < 0) | (tail >= size) | (head < 0) | (head >= size)
    if outside.any():
        arc = int(np.flatnonzero(outside)[0])
        raise InputError.of(
            f"arc {arc}", f"顶点编号应在 0 到 {size - 1} 之间", "a vertex number is out of range"
        )
    bad = ~(minutes >= 0) | (np.isfinite(minutes) & (minutes * UNITS_PER_MINUTE >= LONGEST_SEARCH))
    if bad.any():
        arc = int(np.flatnonzero(bad)[0])
        raise InputError.of(
            f"arc {arc}",
            f"通行时间 {minutes[arc]} 分钟无效;应在 0 到 7158 分钟之间",
            "the time must be from 0 to 7158 minutes (119 hours)",
        )


def _hilbert_rank(lonlat: np.ndarray) -> np.ndarray:
    """Return the place of each position along a Hilbert curve."""
    known = np.nan_to_num(np.asarray(lonlat, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    low = known.min(axis=0, initial=np.inf)
    side = max(float((known - low).max(initial=0.0)), 1e-12)
    x, y = ((known - low) / side * 65535).astype(np.int64).T
    return _inverse(np.argsort(_hilbert(x, y), kind="stable"))


def _hilbert(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the place along a Hilbert curve of points with coordinates below 65536."""
    x, y, place = x.copy(), y.copy(), np.zeros(len(x), np.int64)
    for bit in range(15, -1, -1):
        side = 1 << bit
        right, upper = (x & side) > 0, (y & side) > 0
        place += side * side * ((3 * right) ^ upper)
        turned = ~upper & right
        x, y = np.where(turned, 65535 - x, x), np.where(turned, 65535 - y, y)
        x, y = np.where(upper, x, y), np.where(upper, y, x)
    return place


def _near_rank(tail: np.ndarray, head: np.ndarray, size: int) -> np.ndarray:
    """Return an order in which neighbours are near, for want of positions."""
    matrix = csr_array((np.ones(len(tail), np.int8), (tail, head)), shape=(size, size))
    return _inverse(reverse_cuthill_mckee(csr_array(matrix + matrix.T), symmetric_mode=True))


def _inverse(order: np.ndarray) -> np.ndarray:
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def compile_travel(graph: Graph, mode: str = "road") -> Compiled:
    """Return a `spatialplan.travel.Graph` compiled for one mode: road, rail or all.

    Vertices keep the numbers of `graph`; arcs are known by their place in ``graph.arcs``.
    What is made of a large network that comes from a file is kept beside that file.
    """
    arcs = graph.arcs
    numbers = arcs.usable(mode)
    lonlat = graph.network.lonlat[arcs.vertex_node]
    given = arcs.tail[numbers], arcs.head[numbers], arcs.minutes[numbers]

    def build() -> tuple[np.ndarray, ...]:
        found = compile_arcs(*given, graph.size, lonlat=lonlat, numbers=numbers)
        return found.pointer, found.arcs, found.given, found.rank

    file = graph.network.file
    if file is None or graph.size < WORTH_KEEPING:
        return Compiled(*build())
    copy = Copy.beside(file, f"{graph.profile.id} {mode}", (*given, lonlat, numbers))
    return Compiled(*copy.kept("graph", build), copy)


# Searches


@dataclass(frozen=True)
class _Seeds:
    """Where a search begins: vertices (as in the compiled graph) and units already spent."""

    nodes: np.ndarray
    units: np.ndarray

    @classmethod
    def of(cls, graph: Compiled, start: Start) -> _Seeds:
        pairs = [(int(start), 0.0)] if isinstance(start, int | np.integer) else list(start)
        vertices = np.array([vertex for vertex, _ in pairs], dtype=np.int64)
        minutes = np.array([spent for _, spent in pairs], dtype=float)
        wrong = (vertices < 0) | (vertices >= graph.size) | ~(minutes >= 0)
        if wrong.any():
            vertex, spent = pairs[int(np.flatnonzero(wrong)[0])]
            raise InputError.of(
                f"起点 {vertex}",
                f"顶点编号应在 0 到 {graph.size - 1} 之间,已用分钟数 {spent} 不得为负",
                "a start needs a vertex number in range and minutes that are not negative",
            )
        units = np.where(minutes == 0, 0, to_units(minutes)).astype(np.int32)
        return cls(graph.rank[vertices], units)

    @cached_property
    def soonest(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices and units, the soonest first."""
        order = np.argsort(self.units)
        return self.nodes[order], self.units[order]


@dataclass(frozen=True)
class Times:
    """Units from some starts to every vertex (to the starts, when `backward`).

    `units` has shape ``(starts, size)`` in the order of the compiled graph; `minutes` gives
    them in the order of the caller. `limit` is in units.
    """

    graph: Compiled
    seeds: tuple[_Seeds, ...]
    units: np.ndarray = field(repr=False)
    limit: int = LONGEST_SEARCH
    backward: bool = False

    @classmethod
    def known(
        cls, graph: Compiled, starts: Sequence[Start], units: np.ndarray, limit: float = np.inf
    ) -> Times:
        """Return times that were found before, as units in the order of the compiled graph."""
        seeds = tuple(_Seeds.of(graph, start) for start in starts)
        return cls(graph, seeds, units, _limit_units(limit))

    def minutes(self, vertices: np.ndarray | None = None) -> np.ndarray:
        """Return minutes to the given vertices (by default all), infinite where there is no way."""
        rank, kernels = self.graph.rank, _kernels()
        places = rank if vertices is None else rank[np.asarray(vertices, np.int64)]
        minutes = np.empty((len(self.units), len(places)))
        for row, units in enumerate(self.units):
            if kernels is None:
                minutes[row] = to_minutes(units[places])
            else:
                kernels.in_minutes(units, places, float(UNITS_PER_MINUTE), minutes[row])
        return minutes

    @property
    def _arrivals(self) -> Compiled:
        """The graph by whose arcs one looks back from a vertex."""
        return self.graph if self.backward else self.graph.back

    def tree(self, row: int = 0) -> np.ndarray:
        """Return for each vertex the one before it on the way (after it, when `backward`).

        -1 at starts and out of reach. Of equally fast ways the one from the vertex that comes
        first in the compiled order is taken.
        """
        dist, seeds, arrivals = self.units[row], self.seeds[row], self._arrivals
        ends, (tails, units) = arrivals.tails, arrivals.arcs.T
        tight = dist[tails].astype(np.int64) + units == dist[ends]
        tight &= dist[ends] != UNREACHED
        before = np.full(self.graph.size, self.graph.size, np.int64)
        np.minimum.at(before, ends[tight], tails[tight])
        before[before == self.graph.size] = -1
        before[seeds.nodes[dist[seeds.nodes] == seeds.units]] = -1
        tree = np.where(before >= 0, self.graph.vertex[before], -1)
        return tree[self.graph.rank]

    def way(self, row: int, vertex: int) -> Way:
        """Return the way from a start to a vertex (from it to the start, when `backward`)."""
        dist, arrivals = self.units[row], self._arrivals
        starts = dict(zip(self.seeds[row].nodes.tolist(), self.seeds[row].units.tolist()))  # noqa: B905
        node = int(self.graph.rank[vertex])
        if dist[node] == UNREACHED:
            return Way((), (), np.inf)
        nodes, arcs = [node], []
        while starts.get(node) != dist[node]:
            low, high = arrivals.pointer[node], arrivals.pointer[node + 1]
            tails, units = arrivals.arcs[low:high].T
            tight = np.flatnonzero(dist[tails].astype(np.int64) + units == dist[node])
            best = tight[np.argmin(tails[tight])]
            arcs.append(int(arrivals.given[low + best]))
            node = int(tails[best])
            nodes.append(node)
        step = 1 if self.backward else -1
        minutes = float(to_minutes(dist[[self.graph.rank[vertex]]])[0])
        vertices = tuple(self.graph.vertex[nodes[::step]].tolist())
        return Way(vertices, tuple(arcs[::step]), minutes)


@dataclass(frozen=True)
class Way:
    """A way: its vertices and arcs as given, in the order of travel, and its minutes."""

    vertices: tuple[int, ...]
    arcs: tuple[int, ...]
    minutes: float


def _limit_units(limit: float) -> int:
    if not limit >= 0:
        raise InputError.of("limit", f"时限 {limit} 不得为负", "the limit must not be negative")
    return int(min(np.floor(limit * UNITS_PER_MINUTE + 0.5), LONGEST_SEARCH))


def _fill(
    graph: Compiled, seeds: _Seeds, limit: int, dist: np.ndarray, targets: np.ndarray
) -> None:
    """Fill a row with the units from the nearest seed."""
    kernels = _kernels()
    if kernels is None:
        _fill_slowly(graph, seeds, limit, dist)
        return
    with graph.scratch() as (_, pool):
        kernels.search(
            graph.pointer, graph.arcs, *seeds.soonest, limit, graph._queue, targets, pool, dist
        )


def _fill_slowly(graph: Compiled, seeds: _Seeds, limit: int, dist: np.ndarray) -> None:
    """Do the same by scipy: one more vertex leads to the seeds, a unit dearer than they are."""
    matrix, size = graph._matrix, graph.size
    nodes, spent = seeds.soonest
    pointer = np.append(matrix.indptr, matrix.indptr[-1] + len(nodes))
    heads = np.concatenate([matrix.indices, nodes])
    units = np.concatenate([matrix.data, spent + 1.0])
    wider = csr_array((units, heads, pointer), shape=(size + 1, size + 1))
    found = dijkstra(wider, indices=size, limit=limit + 1.0)[:size]
    dist[:] = np.where(np.isfinite(found), found - 1.0, UNREACHED)


def _goes_by_core(graph: Compiled, searches: int) -> bool:
    """Tell whether searches should go through the core: it is there, or is worth finding."""
    worth = searches >= WORTH_REDUCING and graph.size >= LARGE
    return _kernels() is not None and ("_core" in graph.__dict__ or worth)


def prepare(graph: Compiled) -> None:
    """Find now what many searches will share, as before sending the graph to many machines."""
    graph.back  # noqa: B018 - kept once it is found
    if _goes_by_core(graph, WORTH_REDUCING):
        graph._core  # noqa: B018


def _fill_by_core(
    graph: Compiled, seeds: _Seeds, limit: int, dist: np.ndarray, told: tuple[np.ndarray, ...]
) -> None:
    """Fill a row through the core; `told` says at which vertices (`reduction.needed`)."""
    from spatialplan.reduction import search_core

    core, queue = graph._core
    with graph.scratch() as (_, pool):
        search_core(core, *seeds.soonest, limit, queue, *told, pool, dist)


def _in_threads(work: Callable[[int], object], count: int, workers: int | None) -> None:
    """Call `work` with 0, 1, … in threads; the compiled loops let them run side by side."""
    workers = min(workers or cores(), count)
    if workers <= 1 or _kernels() is None:
        for number in range(count):
            work(number)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(count)))


_NONE = np.empty(0, np.int32)


def times(
    graph: Compiled,
    starts: Sequence[Start],
    *,
    limit: float = np.inf,
    reverse: bool = False,
    workers: int | None = None,
    out: np.ndarray | None = None,
) -> Times:
    """Return the times from each of some starts to all vertices (to the starts, when `reverse`).

    Parameters
    ----------
    starts
        Each a vertex, or several ``(vertex, minutes already spent)`` of which the best counts.
    limit
        Minutes beyond which nothing is reached.
    workers
        Threads; by default one for each core.
    out
        Where to put the units: int32, shape ``(len(starts), size)``.

    Raises
    ------
    InputError
        When a start is not a vertex, or minutes are negative.
    """
    seeds = tuple(_Seeds.of(graph, start) for start in starts)
    units = np.empty((len(seeds), graph.size), np.int32) if out is None else out
    used, most = graph.back if reverse else graph, _limit_units(limit)
    fill, told = _fill, _NONE
    if _goes_by_core(used, len(seeds)):
        everywhere = np.arange(len(used._core[0].taken), dtype=np.int32)[::-1].copy()
        fill, told = _fill_by_core, (everywhere, _NONE)
    _in_threads(lambda row: fill(used, seeds[row], most, units[row], told), len(seeds), workers)
    return Times(graph, seeds, units, most, reverse)


def minutes_from(
    graph: Compiled, start: Start, *, limit: float = np.inf, reverse: bool = False
) -> np.ndarray:
    """Return the minutes from one start to all vertices, shape ``(size,)``, infinite: no way."""
    return times(graph, [start], limit=limit, reverse=reverse, workers=1).minutes()[0]


def reached(
    graph: Compiled, start: Start, limit: float, *, reverse: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices within a limit, and the minutes to each.

    The cost depends on their number, not on the size of the network.
    """
    seeds, most = _Seeds.of(graph, start), _limit_units(limit)
    used, kernels = graph.back if reverse else graph, _kernels()
    if kernels is None:
        dist = np.empty(graph.size, np.int32)
        _fill_slowly(used, seeds, most, dist)
        found = np.flatnonzero(dist != UNREACHED)
        return graph.vertex[found], to_minutes(dist[found])
    with used.scratch() as (dist, pool):
        return kernels.within(
            used.pointer, used.arcs, *seeds.soonest, most, used._queue, pool, dist,
            graph.vertex, float(UNITS_PER_MINUTE),
        )  # fmt: skip


def nearest(
    graph: Compiled, starts: Sequence[Start], *, limit: float = np.inf, reverse: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each vertex the minutes from the nearest start, and which one it is.

    One search, however many starts there are. Of equally near starts the one that the tree
    of the search leads to is told; -1 where none is within reach.
    """
    pairs = [
        pair
        for start in starts
        for pair in ([(start, 0.0)] if isinstance(start, int | np.integer) else start)
    ]
    owners = np.repeat(
        np.arange(len(starts)),
        [1 if isinstance(start, int | np.integer) else len(start) for start in starts],
    )
    found = times(graph, [pairs], limit=limit, reverse=reverse)
    which = np.full(graph.size, -1, np.int64)
    vertices = np.array([vertex for vertex, _ in pairs], dtype=np.int64)
    at_start = found.units[0, graph.rank[vertices]] == found.seeds[0].units
    # Backwards, so that of starts at one vertex the first is told.
    which[vertices[at_start][::-1]] = owners[at_start][::-1]
    before = found.tree()
    ahead = np.where(before >= 0, before, np.arange(graph.size))
    while True:  # every round doubles the stride along the way
        further = ahead[ahead]
        if np.array_equal(further, ahead):
            break
        ahead = further
    return found.minutes()[0], which[ahead]


def matrix(
    graph: Compiled,
    origins: Sequence[Start],
    destinations: np.ndarray | Sequence[int],
    *,
    limit: float = np.inf,
    workers: int | None = None,
) -> np.ndarray:
    """Return the minutes of each origin to each destination vertex, infinite: no way.

    Searches run from the smaller side, over all cores; only the wanted columns are kept.
    """
    destinations = np.asarray(destinations, dtype=np.int64)
    alone = all(isinstance(origin, int | np.integer) for origin in origins)
    if alone and len(destinations) < len(origins):
        turned = _columns(graph.back, destinations.tolist(), np.array(origins), limit, workers)
        return turned.T.copy()
    return _columns(graph, origins, destinations, limit, workers)


def _columns(
    graph: Compiled, starts: Sequence[Start], ends: np.ndarray, limit: float, workers: int | None
) -> np.ndarray:
    seeds = [_Seeds.of(graph, start) for start in starts]
    places, most = graph.rank[ends], _limit_units(limit)
    fill, told = _fill, np.unique(places)
    if _goes_by_core(graph, len(seeds)):
        from spatialplan.reduction import needed

        fill, told = _fill_by_core, needed(graph._core[0], places)
    units = np.empty((len(seeds), len(ends)), np.int32)

    def work(row: int) -> None:
        dist = np.empty(graph.size, np.int32)
        fill(graph, seeds[row], most, dist, told)
        units[row] = dist[places]

    _in_threads(work, len(seeds), workers)
    return to_minutes(units)


def way(graph: Compiled, origin: Start, destination: int) -> Way:
    """Return the fastest way of an origin to a vertex; no vertices and inf when there is none."""
    seeds = _Seeds.of(graph, origin)
    goal = _Seeds.of(graph, destination).nodes
    dist = np.empty((1, graph.size), np.int32)
    _fill(graph, seeds, LONGEST_SEARCH, dist[0], goal)
    return Times(graph, (seeds,), dist).way(0, destination)


# Edits


@dataclass(frozen=True)
class Change:
    """What is different in a network: arcs with new times, new arcs, new vertices.

    Parameters
    ----------
    arcs, minutes
        Numbers of arcs, as given, and their new times; infinite closes an arc.
    tail, head, added
        Ends and minutes of new arcs. They are numbered on from the highest number given.
    vertices
        How many new vertices there are; they are numbered on from the last.
    replaced
        Those of `arcs` that close, but from whose tail new arcs lead to their head in the same
        time: as when a link is cut. Nothing gets slower by that.
    """

    arcs: Sequence[int] = ()
    minutes: Sequence[float] = ()
    tail: Sequence[int] = ()
    head: Sequence[int] = ()
    added: Sequence[float] = ()
    vertices: int = 0
    replaced: Sequence[int] = ()

    def __post_init__(self) -> None:
        even = len(self.arcs) == len(self.minutes), len(self.tail) == len(self.head)
        if not all(even) or len(self.tail) != len(self.added):
            raise ValueError("arcs go with minutes, and tail with head and added")


def change(graph: Compiled, edit: Change) -> Compiled:
    """Return the graph after a change; `graph` stays as it is.

    Raises
    ------
    InputError
        When an arc or a vertex is not in the graph, or a time is not valid.
    """
    size = graph.size + edit.vertices
    tail, head = np.asarray(edit.tail, np.int64), np.asarray(edit.head, np.int64)
    _check(tail, head, np.asarray(edit.added, dtype=float), size)
    numbers = np.asarray(edit.arcs, np.int64)
    minutes = np.asarray(edit.minutes, dtype=float)
    known = (numbers >= 0) & (numbers < len(graph.entry))
    if not known.all() or (graph.entry[numbers] < 0).any():
        raise InputError.of("change", "要修改的弧不在路网中", "an arc to change is not there")
    _check(numbers * 0, numbers * 0, minutes, 1)
    rank = graph.rank
    if edit.vertices:
        rank = np.append(rank, np.arange(graph.size, size, dtype=np.int32))
    tail, head = rank[tail], rank[head]
    new = np.arange(len(graph.entry), len(graph.entry) + len(tail), dtype=np.int32)
    units = to_units(minutes), to_units(np.asarray(edit.added, dtype=float))
    after = _inserted(graph, numbers, rank, (tail, head, new), units)
    longest = max((int(part[part < UNREACHED].max(initial=0)) for part in units), default=0)
    shift, buckets = graph._queue
    if (longest >> shift) + 2 <= buckets:
        after.__dict__["_queue"] = graph._queue
    if "back" in graph.__dict__:
        turned = _inserted(graph.back, numbers, rank, (head, tail, new), units)
        turned.__dict__["_queue"] = after._queue
        after.__dict__["back"], turned.__dict__["back"] = turned, after
    return after


def _inserted(
    graph: Compiled,
    numbers: np.ndarray,
    rank: np.ndarray,
    added: tuple[np.ndarray, np.ndarray, np.ndarray],
    units: tuple[np.ndarray, np.ndarray],
) -> Compiled:
    """Return the rows with new units and with further arcs at the end of their tails' rows."""
    arcs = graph.arcs.copy()
    arcs[graph.entry[numbers], 1] = units[0]
    if not len(added[0]) and len(rank) == graph.size:
        after = Compiled(graph.pointer, arcs, graph.given, rank)
        after.__dict__["entry"] = graph.entry
        after.__dict__["_scratch"] = graph._scratch
        return after
    order = np.argsort(added[0], kind="stable")
    tail, head, new = (part[order] for part in added)
    more = np.full(len(rank) - graph.size, graph.pointer[-1], np.int32)
    pointer = np.append(graph.pointer, more)
    places = pointer[tail + 1]
    fresh = np.column_stack([head, units[1][order]]).astype(np.int32)
    return Compiled(
        pointer + np.cumsum(np.bincount(tail + 1, minlength=len(pointer)), dtype=np.int32),
        _spliced(arcs, places, fresh),
        _spliced(graph.given, places, new),
        rank,
    )


def _spliced(values: np.ndarray, places: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Return rows with fresh ones put in before the given (ascending) places."""
    bounds = [0, *places.tolist(), len(values)]
    parts = []
    for at in range(len(places)):
        parts += [values[bounds[at] : bounds[at + 1]], fresh[at : at + 1]]
    return np.concatenate([*parts, values[bounds[-2] :]])


def renumbered(graph: Compiled, arcs: np.ndarray, vertices: np.ndarray) -> Compiled:
    """Return a graph whose arcs and vertices are given under other numbers.

    Parameters
    ----------
    arcs
        For each number of an arc the new one; -1: it is no more.
    vertices
        For each new number of a vertex the present one.
    """
    rank = graph.rank[vertices]

    def of(rows: Compiled) -> Compiled:
        given = np.where(rows.given < 0, -1, arcs[rows.given])
        found = Compiled(rows.pointer, rows.arcs, given, rank)
        found.__dict__["_queue"] = graph._queue
        return found

    found, turned = of(graph), of(graph.back)
    found.__dict__["back"], turned.__dict__["back"] = turned, found
    return found


def rerun(
    before: Times,
    edit: Change,
    *,
    graph: Compiled | None = None,
    workers: int | None = None,
    out: np.ndarray | None = None,
) -> Times:
    """Return the times after a change, from those before it: equal to a fresh search.

    Each start costs a search over the vertices to which its time changes, and one more for
    those that it reaches over arcs that are closed or slower.

    Parameters
    ----------
    graph
        The changed graph, if it was made already.
    out
        Where to put the units, int32, shape ``(starts, size after)``; ``before.units`` itself
        when it is not needed any more, or the array of an earlier edit.
    """
    graph = change(before.graph, edit) if graph is None else graph
    rows, old = before.units.shape
    units = np.empty((rows, graph.size), np.int32) if out is None else out
    after = Times(graph, before.seeds, units, before.limit, before.backward)
    used = graph.back if before.backward else graph
    if _kernels() is None:
        for row in range(rows):
            _fill(used, before.seeds[row], before.limit, units[row], _NONE)
        return after
    worse, better = _sorted_edits(before, edit, graph)
    early = before.graph.back if before.backward else before.graph
    # Only what got worse is looked back from: else the graph is not turned round for nothing.
    back = used.back if len(worse) else used
    graphs = [(part.pointer, part.arcs) for part in (early, used, back)]

    from spatialplan.repair import repair

    def mend(row: int) -> None:
        if units is not before.units:
            units[row, :old] = before.units[row]
        units[row, old:] = UNREACHED
        with used.scratch() as (_, pool):
            repair(
                *graphs, worse, better, *before.seeds[row].soonest, before.limit, used._queue,
                pool, units[row],
            )  # fmt: skip

    _in_threads(mend, rows, workers)
    return after


def _sorted_edits(before: Times, edit: Change, after: Compiled) -> tuple[np.ndarray, np.ndarray]:
    """Return arcs that got worse as (tail, head, units before), better as (…, units after)."""
    old = before.graph
    numbers = np.asarray(edit.arcs, np.int64)
    entry = old.entry[numbers]
    tail = np.searchsorted(old.pointer, entry, side="right") - 1
    units = old.arcs[entry, 1].astype(np.int64), to_units(np.asarray(edit.minutes, dtype=float))
    ends = np.column_stack([tail, old.arcs[entry, 0]]).astype(np.int64)
    new = np.column_stack([after.rank[list(edit.tail)], after.rank[list(edit.head)]])
    new = np.column_stack([new, to_units(np.asarray(edit.added, dtype=float))]).astype(np.int64)
    slower = (units[1] > units[0]) & ~np.isin(numbers, edit.replaced)
    worse = np.column_stack([ends, units[0]])[slower]
    better = np.column_stack([ends, units[1]])[units[1] < units[0]]
    better = np.concatenate([better, new.reshape(-1, 3)])
    if before.backward:
        worse, better = worse[:, [1, 0, 2]], better[:, [1, 0, 2]]
    return worse, better


# Copies beside a network file


@dataclass(frozen=True)
class Copy:
    """Where what was made of a network file is kept: beside it.

    Parameters
    ----------
    stem
        How the names of the files begin.
    digest
        Of all that it was made of: what was made of something else is made anew.
    """

    stem: Path
    digest: bytes

    @classmethod
    def beside(cls, source: Path, settings: str, made_of: Iterable[np.ndarray]) -> Copy:
        """Return the copy for some settings (profile, mode …): there is one for each."""
        digest = hashlib.blake2b(_EDITION, digest_size=16)
        for part in made_of:
            digest.update(np.ascontiguousarray(part))
        name = hashlib.blake2b(settings.encode(), digest_size=4).hexdigest()
        return cls(source.with_name(f"{source.name}.{name}"), digest.digest())

    def kept(self, kind: str, build: Callable[[], Sequence[np.ndarray]]) -> Sequence[np.ndarray]:
        """Return arrays as they were kept, or build them and keep them where one may write."""
        file = self.stem.with_name(f"{self.stem.name}.{kind}.npz")
        arrays = self._read(file)
        if arrays is None:
            arrays = build()
            with contextlib.suppress(InputError, OSError), atomic_path(file) as temporary:
                np.savez(temporary, np.frombuffer(self.digest, np.uint8), *arrays)
        return arrays

    def _read(self, file: Path) -> list[np.ndarray] | None:
        """Return the arrays of a file; None when it is not there, damaged, or of something else."""
        try:
            with np.load(file, allow_pickle=False) as parts:
                if parts["arr_0"].tobytes() != self.digest:
                    return None
                return [parts[f"arr_{number}"] for number in range(1, len(parts.files))]
        except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, BadZipFile):
            return None  # what is no archive of arrays is told in many ways
