"""Compiled loops of the engine and the networkx backend. Import only where they are needed.

Indices are made unsigned before use: numba then leaves out the test for negative ones, which
halves the time of a search.
"""

# numba finds the types itself
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = [
    "UNREACHED",
    "breadth_first",
    "in_minutes",
    "jit",
    "search",
    "spread",
    "within",
]

UNREACHED = 2**31 - 1
NODE, KEY, NEXT = 0, 1, 2  # columns of the pool of queue entries


def jit(function: Callable) -> Any:
    """Compile a function, and keep the machine code for the next session where that is possible."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder may be written to
        return numba.njit(nogil=True)(function)


# The queue: a ring of buckets, each a linked list of entries (vertex, key) in a pool. An entry
# whose key is not the vertex's any more is dropped when it comes up. Entries stay in the pool
# after that: they tell what was reached.


@jit
def spread(pointer, arcs, nodes, units, limit, queue, targets, pool, dist):
    """Settle what is reached sooner than `dist` says from `nodes`, each begun at its `units`.

    `queue` is the width of a bucket as a power of two, and how many there are: a power of two,
    more than any arc is long in buckets. A vertex that improves within the bucket that is
    being emptied is scanned again, so the result is exact for any width. `units` ascend.
    Stops when all `targets` are final. Returns the pool, larger if it had to be, and the number
    of its entries: one for each time that a vertex improved.
    """
    one, wide, mask = np.uint64(1), np.uint64(queue[0]), np.uint64(queue[1] - 1)
    ring = np.full(queue[1], -1, np.int32)
    used, taken, fed, done = np.int64(0), np.int64(0), 0, 0
    bucket = np.uint64(0)
    while taken < used or fed < len(nodes):
        if taken == used:
            bucket = max(bucket, np.uint64(units[fed]) >> wide)
        slot = bucket & mask
        while fed < len(nodes) and np.uint64(units[fed]) >> wide <= bucket:
            if used == len(pool):
                pool = _larger(pool)
            if units[fed] < dist[nodes[fed]] and units[fed] <= limit:
                dist[nodes[fed]] = units[fed]
                pool[used, NODE], pool[used, KEY] = nodes[fed], units[fed]
                pool[used, NEXT], ring[slot] = ring[slot], used
                used += 1
            fed += 1
        while ring[slot] >= 0:
            entry = np.uint64(ring[slot])
            node, key = np.uint64(pool[entry, NODE]), np.int64(pool[entry, KEY])
            arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
            if used + np.int64(end - arc) > len(pool):
                break
            ring[slot] = pool[entry, NEXT]
            taken += 1
            if dist[node] != key:
                continue
            while arc < end:
                head, after = np.uint64(arcs[arc, 0]), key + np.int64(arcs[arc, 1])
                arc += one
                # Chance decides whether it is better: chosen between values, since a jump that
                # cannot be foreseen costs more than to write an entry that does not count.
                before, to = np.int64(dist[head]), (np.uint64(after) >> wide) & mask
                entry, top = np.uint64(used), np.int64(ring[to])
                better = (after < before) & (after <= limit)
                pool[entry, NODE], pool[entry, KEY], pool[entry, NEXT] = head, after, top
                ring[to] = used if better else top
                dist[head] = after if better else before
                used += better
        if ring[slot] >= 0:
            pool = _larger(pool)  # here, since among the arcs it would cost a fifth of the speed
            continue
        bucket += one
        if len(targets) > 0:
            while done < len(targets) and np.uint64(dist[targets[done]]) >> wide < bucket:
                done += 1
            if done == len(targets):
                break
    return pool, used


@jit
def _larger(pool):
    """Return the pool with twice the room."""
    found = np.empty((2 * len(pool), 3), np.int32)
    found[: len(pool)] = pool
    return found


@jit
def search(pointer, arcs, nodes, units, limit, queue, targets, pool, dist):
    """Fill `dist` with the units from the nearest of `nodes`, each begun at its `units`."""
    dist[:] = UNREACHED
    spread(pointer, arcs, nodes, units, limit, queue, targets, pool, dist)


@jit
def within(pointer, arcs, nodes, units, limit, queue, pool, dist, vertex, per_minute):
    """Return the vertices reached, by the numbers that `vertex` has for them, and the minutes.

    The cost depends on their number only. `dist` is all `UNREACHED` before and after.
    """
    pool, used = spread(pointer, arcs, nodes, units, limit, queue, nodes[:0], pool, dist)
    found, minutes = np.empty(used, np.int32), np.empty(used)
    count = np.uint64(0)
    for i in range(used):
        node, key = np.uint64(pool[np.uint64(i), NODE]), pool[np.uint64(i), KEY]
        found[count], minutes[count] = vertex[node], key / per_minute
        best = dist[node]
        count += np.uint64(best == key)
        dist[node] = UNREACHED if best == key else best
    return found[:count], minutes[:count]


@jit
def in_minutes(dist, rank, per_minute, minutes):
    """Fill `minutes` in the order of the caller."""
    for i in range(len(rank)):
        units = dist[np.uint64(rank[i])]
        minutes[i] = np.inf if units == UNREACHED else units / per_minute


@jit
def breadth_first(pointer, arcs, source, level, queue):
    """Fill `level` with the number of arcs from a source: the floor for any search."""
    one = np.uint64(1)
    level[:] = UNREACHED
    level[source] = 0
    queue[0] = source
    first, last = np.uint64(0), np.uint64(1)
    while first < last:
        node = np.uint64(queue[first])
        first += one
        after = level[node] + 1
        arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
        while arc < end:
            head = np.uint64(arcs[arc, 0])
            arc += one
            if level[head] == UNREACHED:
                level[head] = after
                queue[last] = head
                last += one
    return last
