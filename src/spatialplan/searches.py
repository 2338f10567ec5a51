"""Shortest-path searches among chosen vertices: scipy's on small graphs, compiled on large ones.

Both kinds answer the same questions: the minutes of many pairs, what some quantity adds up to
along the fastest ways, and the arcs of one way.
"""

from __future__ import annotations

import functools
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

if TYPE_CHECKING:
    from spatialplan.engine import Compiled
    from spatialplan.reuse import Reuse
    from spatialplan.travel import Graph

__all__ = ["Search", "prepare", "reached", "search"]

LARGE = 20_000  # vertices from which on compiled searches pay for loading the compiler
KEPT_BYTES = 1 << 29  # of search results that are held at a time
PATIENCE = 2.0  # seconds after which the user is told that loops are being compiled


def search(graph: Graph, vertices: np.ndarray, mode: str, limit: float = np.inf) -> Search:
    """Return the fastest ways from some vertices (-1: none) within a limit in minutes."""
    starts = np.unique(vertices[vertices >= 0])
    if graph.size > LARGE:
        _get_ready()
        return _CompiledSearch(starts, _rows(graph, mode, limit))
    return _ScipySearch.run(starts, *graph.matrix(mode), limit)


def _rows(graph: Graph, mode: str, limit: float) -> Rows:
    """Return the times that were found on a large network; there are none at first."""
    key = mode, limit
    if key not in graph.rows:
        reuse = graph.reuse(mode)
        before = graph.earlier.rows.get(key) if reuse else None
        graph.rows[key] = Rows(graph.compiled(mode), limit, (reuse, before) if before else None)
    return graph.rows[key]


def prepare(graph: Graph, mode: str) -> None:
    """Find now what all searches by a mode share on a large network, for many searches."""
    if graph.size > LARGE:
        from spatialplan import engine

        _get_ready()
        for name in ("road", "rail") if mode == "rail" else (mode,):
            engine.prepare(graph.compiled(name))


def reached(
    graph: Graph, starts: Sequence[tuple[int, float]], limit: float, mode: str, reverse: bool
) -> np.ndarray:
    """Return the minutes from the best of some starts to each vertex, infinite beyond the limit.

    Parameters
    ----------
    starts
        Vertices, and minutes already spent there.
    reverse
        The minutes from each vertex to the best of the starts.
    """
    best = np.full(graph.size, np.inf)
    starts = [(vertex, minutes) for vertex, minutes in starts if minutes <= limit]
    if graph.size > LARGE and starts:
        from spatialplan import engine

        _get_ready()
        found, minutes = engine.reached(graph.compiled(mode), starts, limit, reverse=reverse)
        best[found] = minutes
        return best
    matrix, _ = graph.matrix(mode)
    matrix = matrix.T.tocsr() if reverse else matrix
    for vertex, minutes in starts:
        found = dijkstra(matrix, indices=vertex, limit=limit - minutes)
        best = np.minimum(best, found + minutes)
    return best


@functools.cache
def _get_ready() -> None:
    """Load the compiled loops; say so when they have to be compiled first."""
    message = (
        "首次使用,正在编译计算程序,约需半分钟…… "
        "First use: compiling the search, about half a minute"
    )
    timer = threading.Timer(PATIENCE, print, [message], {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        from spatialplan import engine

        graph = engine.compile_arcs([0], [1], [1.0], 2)
        engine.reached(graph, [(0, 0.0)], 1.0)
        tiny = _CompiledSearch(np.array([0]), Rows(graph, np.inf))
        tiny.between(np.array([0]), np.array([1]))
        tiny.sums(np.ones(1), np.array([0]), np.array([1]))
    finally:
        timer.cancel()


@dataclass(frozen=True)
class Search(ABC):
    """The fastest ways from some vertices, ascending."""

    starts: np.ndarray

    def _rows(self, tails: np.ndarray) -> np.ndarray:
        """Return the row of each vertex among the starts; -1 for -1."""
        rows = np.searchsorted(self.starts, tails)
        return np.where(tails < 0, -1, rows)

    @abstractmethod
    def between(self, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Return minutes from each tail to each head; infinite: no way, or a vertex is -1."""

    @abstractmethod
    def sums(self, of_arcs: np.ndarray, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Return what a quantity of arcs adds up to on the way of each pair; there is one."""

    @abstractmethod
    def arcs(self, start: int, end: int) -> list[int]:
        """Return the arcs of the way between two vertices, in order; there is one."""


@dataclass(frozen=True)
class _ScipySearch(Search):
    """Trees of scipy's Dijkstra, held in full."""

    matrix: csr_array
    arc_of: np.ndarray
    minutes: np.ndarray
    before: np.ndarray

    @classmethod
    def run(
        cls, starts: np.ndarray, matrix: csr_array, arc_of: np.ndarray, limit: float
    ) -> _ScipySearch:
        if not len(starts):
            none = np.empty((0, matrix.shape[0]))
            return cls(starts, matrix, arc_of, none, none.astype(np.int32))
        minutes, before = dijkstra(matrix, indices=starts, limit=limit, return_predecessors=True)
        return cls(starts, matrix, arc_of, minutes, before)

    def between(self, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
        rows = self._rows(tails)
        known = np.ix_(rows >= 0, heads >= 0)
        found = np.full((len(tails), len(heads)), np.inf)
        found[known] = self.minutes[np.ix_(rows[rows >= 0], heads[heads >= 0])]
        return found

    def sums(self, of_arcs: np.ndarray, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
        # Each vertex starts with the arc that leads to it and then, again and again, takes
        # over what its forerunner has: twice as far back each time.
        root = np.arange(self.before.shape[1])
        before = np.where(self.before < 0, root, self.before)
        rows = np.repeat(np.arange(len(self.matrix.indptr) - 1), np.diff(self.matrix.indptr))
        keys = rows * len(root) + self.matrix.indices
        wanted = before * len(root) + root
        entry = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        moved = before != root
        total = np.zeros(before.shape)
        total[moved] = of_arcs[self.arc_of[entry[moved]]]
        while True:
            total = total + np.take_along_axis(total, before, axis=1)
            further = np.take_along_axis(before, before, axis=1)
            if (further == before).all():
                return total[self._rows(tails), heads]
            before = further

    def arcs(self, start: int, end: int) -> list[int]:
        row, arcs = int(self._rows(np.array([start]))[0]), []
        while end != start:
            previous = int(self.before[row, end])
            low, high = self.matrix.indptr[previous], self.matrix.indptr[previous + 1]
            entry = low + np.searchsorted(self.matrix.indices[low:high], end)
            arcs.append(int(self.arc_of[entry]))
            end = previous
        return arcs[::-1]


@dataclass(frozen=True)
class Rows:
    """Times from single starts on a compiled graph, as many as memory holds.

    Parameters
    ----------
    before
        How those of the network before its edits serve, and what there is of them.
    """

    graph: Compiled
    limit: float
    before: tuple[Reuse, Rows] | None = None

    def __getstate__(self) -> dict:
        """Send no times: they are many times larger than the graph."""
        return {"graph": self.graph, "limit": self.limit, "before": None}

    @property
    def most(self) -> int:
        """How many starts there is room for."""
        return min(max(KEPT_BYTES // (4 * self.graph.size), 1), self.graph.size)

    @cached_property
    def units(self) -> np.ndarray:
        """Times in units of the engine, a row for each start."""
        return np.empty((self.most, self.graph.size), np.int32)

    @cached_property
    def _row(self) -> dict[int, int]:
        """The row of each start, the one that was asked for least recently first."""
        return {}

    def of(self, starts: np.ndarray) -> np.ndarray:
        """Return the rows of some starts (no more than `most`), searched where they are new."""
        asked, row = starts.tolist(), self._row
        for start in asked:
            if start in row:
                row[start] = row.pop(start)
        missing = [start for start in asked if start not in row]
        for start in missing:
            full = len(row) == self.most
            row[start] = row.pop(next(iter(row))) if full else len(row)
        for some, found in self._found(np.array(missing, dtype=np.int64)):
            self.units[[row[start] for start in some.tolist()]] = found
        return np.array([row[start] for start in asked], dtype=np.int64)

    def _found(self, starts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield starts with the units from them: mended ones of before, and new ones."""
        from spatialplan import engine

        if self.before and len(starts):
            reuse, rows = self.before
            old = reuse.vertices[starts]
            known = np.isin(old, list(rows._row))
            if known.any():
                units = rows.units[[rows._row[start] for start in old[known].tolist()]]
                yield starts[known], reuse.units(starts[known], units, self.limit)
            starts = starts[~known]
        if len(starts):
            yield starts, engine.times(self.graph, starts.tolist(), limit=self.limit).units


@dataclass(frozen=True)
class _CompiledSearch(Search):
    """Compiled searches, as many starts at a time as memory holds; ways are read off the times."""

    rows: Rows

    def _by_block(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield which of some rows (-1: none) lie in a block of starts, and where its times are."""
        most = self.rows.most
        blocks = np.where(rows < 0, -1, rows // most)
        for block in np.unique(blocks[rows >= 0]).tolist():
            held = self.rows.of(self.starts[block * most : (block + 1) * most])
            chosen = np.flatnonzero(blocks == block)
            yield chosen, held[rows[chosen] - block * most]

    def between(self, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
        from spatialplan import engine

        known = heads >= 0
        found = np.full((len(tails), len(heads)), np.inf)
        ends = self.rows.graph.rank[heads[known]]
        for chosen, held in self._by_block(self._rows(tails)):
            found[np.ix_(chosen, known)] = engine.to_minutes(self.rows.units[np.ix_(held, ends)])
        return found

    def sums(self, of_arcs: np.ndarray, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
        from spatialplan import ways

        rows, total = self._rows(tails), np.zeros(len(tails))
        graph, units = self.rows.graph, self.rows.units
        back, ends = graph.back, graph.rank[heads]
        values = np.asarray(of_arcs, dtype=float)[back.given]
        for some, held in self._by_block(rows):
            order = np.lexsort([ends[some], held])
            chosen = some[order]
            total[chosen] = ways.sums(
                back.pointer, back.arcs, units, held[order], ends[chosen], values
            )
        return total

    def arcs(self, start: int, end: int) -> list[int]:
        from spatialplan import ways

        graph = self.rows.graph
        (row,), back = self.rows.of(np.array([start])), graph.back
        units = self.rows.units[row]
        found = ways.traced(back.pointer, back.arcs, back.given, units, int(graph.rank[end]))
        return found[::-1].tolist()
