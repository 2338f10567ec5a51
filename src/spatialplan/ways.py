"""Compiled loops that read ways off the times of a search from single starts.

One looks back from the end: an arc is on a fastest way when the times of its ends differ by
just its units. Of several, the one from the vertex that comes first is taken, as
`engine.Times.way` does. Import only where the engine is used.
"""

# numba finds the types itself
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np

try:
    from spatialplan.kernels import jit
except Exception:  # numba cannot run here: as slow as the engine then is

    def jit(function):
        return function


__all__ = ["sums", "traced"]


@jit
def _before(pointer, arcs, dist, node):
    """Return the place, among the arcs turned round, of the one by which a vertex is reached."""
    best, tail = -1, 0
    for at in range(pointer[node], pointer[node + 1]):
        other = arcs[at, 0]
        if np.int64(dist[other]) + arcs[at, 1] == dist[node] and (best < 0 or other < tail):
            best, tail = at, other
    return best


@jit
def traced(pointer, arcs, given, dist, end):
    """Return the numbers of the arcs of the way to a vertex, the last one first.

    `pointer`, `arcs`, `given` are those of the graph turned round, `dist` the units to each
    vertex, which `end` must have been reached by; the start has none.
    """
    count, node = 0, end
    while dist[node] > 0:
        node = arcs[_before(pointer, arcs, dist, node), 0]
        count += 1
    found = np.empty(count, given.dtype)
    node = end
    for i in range(count):
        at = _before(pointer, arcs, dist, node)
        found[i] = given[at]
        node = arcs[at, 0]
    return found


@jit
def sums(pointer, arcs, units, rows, ends, values):
    """Return what `values` of the arcs turned round add up to on the way of each row to its end.

    A way is followed back as far as ways of the same row are known: cheap when the pairs of a
    row follow each other, and those of neighbouring ends.
    """
    size = units.shape[1]
    total = np.zeros(len(rows))
    known, of_row = np.zeros(size), np.full(size, -1, np.int64)
    way = np.empty(size, np.int32)
    for i in range(len(rows)):
        row, node, count = rows[i], ends[i], 0
        dist = units[row]
        while dist[node] > 0 and of_row[node] != row:
            at = _before(pointer, arcs, dist, node)
            known[node] = values[at]
            way[count] = node
            count += 1
            node = arcs[at, 0]
        if of_row[node] == row:
            total[i] = known[node]
        while count > 0:
            count -= 1
            node = way[count]
            total[i] += known[node]
            known[node] = total[i]
            of_row[node] = row
    return total
