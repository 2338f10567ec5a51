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
    "larger",
    "put",
    "search",
    "spread",
    "take",
    "within",
]

UNREACHED = 2**31 - 1
NODE, KEY, NEXT = 0, 1, 2  # columns of the pool of queue entries
FIRST_POOL = 4096


def jit(function: Callable) -> Any:
    """Compile a function, and keep the machine code for the next session where that is possible."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder may be written to
        return numba.njit(nogil=True)(function)


# The queue: a ring of buckets, each a linked list of entries (vertex, key) in a pool. An entry
# whose key is not the vertex's any more is dropped when it comes up.


@jit
def put(ring, pool, free, used, slot, node, key):
    """Put an entry into a bucket; return the first free entry and how many were ever used."""
    if free < 0:
        entry = np.uint64(used)
        used += 1
    else:
        entry = np.uint64(free)
        free = np.int64(pool[entry, NEXT])
    pool[entry, NODE] = node
    pool[entry, KEY] = key
    pool[entry, NEXT] = ring[slot]
    ring[slot] = entry
    return free, used


@jit
def take(ring, pool, free, slot):
    """Take an entry out of a bucket that is not empty; return it and the first free entry."""
    first = np.int64(ring[slot])
    entry = np.uint64(first)
    ring[slot] = pool[entry, NEXT]
    pool[entry, NEXT] = free
    return np.uint64(pool[entry, NODE]), np.int64(pool[entry, KEY]), first


@jit
def larger(pool, more):
    """Return the pool with more room."""
    found = np.empty((2 * len(pool) + more, 3), np.int32)
    found[: len(pool)] = pool
    return found


@jit
def spread(pointer, arcs, nodes, dist, limit, shift, ring, targets, reached):
    """Settle everything that can be reached from `nodes`, whose `dist` is set already.

    Buckets are ``2 ** shift`` units wide. A vertex that improves within the bucket that is
    being emptied is scanned again, so the result is exact for any width. `nodes` ascend by
    bucket. `ring` is all -1, a power of two in length and longer than any arc in buckets.
    Stops when all `targets` are final. Notes in `reached`, unless it is empty, which vertices
    were reached after the `nodes`, and returns their number.
    """
    one, mask, wide = np.uint64(1), np.uint64(len(ring) - 1), np.uint64(shift)
    pool = np.empty((FIRST_POOL, 3), np.int32)
    free, used, waiting = np.int64(-1), np.int64(0), 0
    keys = dist[nodes]
    fed, done, count = 0, 0, 0
    noting = len(reached) > 0
    bucket = np.uint64(0)
    while waiting > 0 or fed < len(nodes):
        if waiting == 0:
            bucket = max(bucket, np.uint64(keys[fed]) >> wide)
        slot = bucket & mask
        while fed < len(nodes) and np.uint64(keys[fed]) >> wide <= bucket:
            if used == len(pool):
                pool = larger(pool, 1)
            free, used = put(ring, pool, free, used, slot, nodes[fed], keys[fed])
            waiting += 1
            fed += 1
        while ring[slot] >= 0:
            node, key, free = take(ring, pool, free, slot)
            waiting -= 1
            if dist[node] != key:
                continue
            arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
            if used + np.int64(end - arc) > len(pool):
                pool = larger(pool, np.int64(end - arc))
            while arc < end:
                head = np.uint64(arcs[arc, 0])
                after = key + np.int64(arcs[arc, 1])
                arc += one
                before = dist[head]
                if after < before and after <= limit:
                    if noting and before == UNREACHED:
                        reached[count] = head
                        count += 1
                    dist[head] = after
                    slot_of = (np.uint64(after) >> wide) & mask
                    free, used = put(ring, pool, free, used, slot_of, head, after)
                    waiting += 1
        bucket += one
        if len(targets) > 0:
            while done < len(targets) and np.uint64(dist[targets[done]]) >> wide < bucket:
                done += 1
            if done == len(targets):
                ring[:] = -1
                break
    return count


@jit
def _begin(nodes, units, limit, dist):
    """Set the starts within the limit and return them."""
    count = np.searchsorted(units, limit, side="right")
    for i in range(count):
        dist[nodes[i]] = units[i]
    return nodes[:count]


@jit
def search(pointer, arcs, nodes, units, limit, shift, ring, targets, dist):
    """Fill `dist` with the units from the nearest of `nodes`, each begun at its `units`.

    Each of `nodes` is there once; `units` ascend.
    """
    dist[:] = UNREACHED
    begun = _begin(nodes, units, limit, dist)
    spread(pointer, arcs, begun, dist, limit, shift, ring, targets, begun[:0])


@jit
def within(pointer, arcs, nodes, units, limit, shift, ring, dist, reached):
    """Return the vertices reached and their units; the cost depends on their number only.

    `dist` is all `UNREACHED` before and after; `reached` has room for all vertices.
    """
    begun = _begin(nodes, units, limit, dist)
    count = spread(pointer, arcs, begun, dist, limit, shift, ring, begun[:0], reached)
    found = np.concatenate((begun, reached[:count]))
    best = dist[found]
    for i in range(len(found)):
        dist[found[i]] = UNREACHED
    return found, best


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
