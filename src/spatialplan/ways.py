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
def sums(pointer, arcs, given, units, rows, ends, values):
    """Return what `values` of arcs (as given) add up to on the way of each row to its end."""
    total = np.zeros(len(rows))
    for i in range(len(rows)):
        dist, node = units[rows[i]], ends[i]
        while dist[node] > 0:
            at = _before(pointer, arcs, dist, node)
            total[i] += values[given[at]]
            node = arcs[at, 0]
    return total
