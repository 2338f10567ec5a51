"""Compiled repair of times after a change: equal to a fresh search, at the cost of what changes."""

# numba finds the types itself
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np

from spatialplan.kernels import KEY, NEXT, NODE, UNREACHED, jit, spread

__all__ = ["repair"]


@jit
def _lose(pointer, arcs, worse, pool, dist):
    """Take the time of all that may lose by arcs that got worse; return how many these are.

    They are noted in the pool. These are the vertices with a fastest way over such an arc:
    found from its head by arcs that are just as long as the times differ, in the order of a
    tree, which keeps to one place for long. Those with another way that is as fast are among
    them: they will come to the same time.
    """
    one, used, top = np.uint64(1), np.int64(0), np.int64(-1)
    tight = dist[worse[:, 0]] + worse[:, 2] == dist[worse[:, 1]]
    for node in worse[tight, 1]:
        if dist[node] != UNREACHED:
            pool[used, NODE], pool[used, KEY], pool[used, NEXT] = node, dist[node], top
            dist[node] = UNREACHED
            top = used
            used += 1
    while top >= 0:
        entry = np.uint64(top)
        node, key = np.uint64(pool[entry, NODE]), np.int64(pool[entry, KEY])
        top = np.int64(pool[entry, NEXT])
        arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
        while arc < end:
            head, after = np.uint64(arcs[arc, 0]), key + np.int64(arcs[arc, 1])
            arc += one
            entry, before = np.uint64(used), np.int64(dist[head])
            loses = (after == before) & (before != UNREACHED)
            pool[entry, NODE], pool[entry, KEY], pool[entry, NEXT] = head, before, top
            dist[head] = UNREACHED if loses else before
            top = used if loses else top
            used += loses
    return used


@jit
def _enter(back_pointer, back_arcs, pool, count, limit, dist):
    """Keep in the pool those that are reached from outside, and the units; return how many."""
    one, kept = np.uint64(1), np.uint64(0)
    for i in range(count):
        node, best = np.uint64(pool[np.uint64(i), NODE]), np.int64(UNREACHED)
        arc, end = np.uint64(back_pointer[node]), np.uint64(back_pointer[node + one])
        while arc < end:
            after = np.int64(dist[np.uint64(back_arcs[arc, 0])]) + np.int64(back_arcs[arc, 1])
            best = min(best, after)
            arc += one
        if best <= limit:
            pool[kept, NODE], pool[kept, KEY] = node, best
            kept += one
    return kept


@jit
def repair(old, new, back, worse, better, nodes, units, limit, queue, pool, dist):
    """Make the times `dist` from `nodes`, begun at `units`, right after a graph has changed.

    `old`, `new` and `back` are (pointer, arcs) of the graph before, after, and after but turned
    round, which is not used where nothing got worse. Rows of `worse` are (tail, head, units
    before), those of `better` (tail, head, units after). What may lose loses its time, is
    entered from what is left, and from there, from the starts, and over the arcs that got
    better all is reached that comes sooner: the two steps of Ramalingam and Reps 1996, Journal
    of Algorithms 21(2), for many arcs at once. The pool has room for more than all vertices.
    """
    lost = _lose(*old, worse, pool, dist)
    kept = _enter(*back, pool, lost, limit, dist)
    over = np.minimum(dist[better[:, 0]] + better[:, 2], UNREACHED).astype(np.int32)
    nodes = np.concatenate((pool[:kept, NODE], better[:, 1].astype(np.int32), nodes))
    units = np.concatenate((pool[:kept, KEY], over, units))
    order = np.argsort(units)
    spread(*new, nodes[order], units[order], limit, queue, nodes[:0], pool, dist)
