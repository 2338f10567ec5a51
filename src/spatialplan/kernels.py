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
    "improve",
    "in_minutes",
    "search",
    "within",
    "worsen",
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
def _put(ring, pool, free, used, slot, node, key):
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
def _take(ring, pool, free, slot):
    """Take an entry out of a bucket that is not empty; return it and the first free entry."""
    first = np.int64(ring[slot])
    entry = np.uint64(first)
    ring[slot] = pool[entry, NEXT]
    pool[entry, NEXT] = free
    return np.uint64(pool[entry, NODE]), np.int64(pool[entry, KEY]), first


@jit
def _larger(pool, more):
    found = np.empty((2 * len(pool) + more, 3), np.int32)
    found[: len(pool)] = pool
    return found


@jit
def _spread(pointer, arcs, nodes, dist, limit, shift, ring, targets, reached):
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
                pool = _larger(pool, 1)
            free, used = _put(ring, pool, free, used, slot, nodes[fed], keys[fed])
            waiting += 1
            fed += 1
        while ring[slot] >= 0:
            node, key, free = _take(ring, pool, free, slot)
            waiting -= 1
            if dist[node] != key:
                continue
            arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
            if used + np.int64(end - arc) > len(pool):
                pool = _larger(pool, np.int64(end - arc))
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
                    free, used = _put(ring, pool, free, used, slot_of, head, after)
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
    """Set the starts and return them, ascending by their units."""
    for i in range(len(nodes)):
        if units[i] <= limit:
            dist[nodes[i]] = min(dist[nodes[i]], units[i])
    first = np.unique(nodes)
    first = first[dist[first] <= limit]
    return first[np.argsort(dist[first], kind="mergesort")]


@jit
def search(pointer, arcs, nodes, units, limit, shift, ring, targets, dist):
    """Fill `dist` with the units from the nearest of `nodes`, each begun at its `units`."""
    dist[:] = UNREACHED
    begun = _begin(nodes, units, limit, dist)
    _spread(pointer, arcs, begun, dist, limit, shift, ring, targets, begun[:0])


@jit
def within(pointer, arcs, nodes, units, limit, shift, ring, dist, reached):
    """Return the vertices reached and their units; the cost depends on their number only.

    `dist` is all `UNREACHED` before and after; `reached` has room for all vertices.
    """
    begun = _begin(nodes, units, limit, dist)
    count = _spread(pointer, arcs, begun, dist, limit, shift, ring, begun[:0], reached)
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


@jit
def _is_start(node, dist, nodes, units):
    for i in range(len(nodes)):  # noqa: SIM110 - numba knows no generator here
        if nodes[i] == node and units[i] == dist[node]:
            return True
    return False


@jit
def _gainers(dist, rows, arc, limits):
    """Return the rows that reach the head of an arc sooner by it, and when."""
    found = np.empty(len(rows), np.int64)
    begun = np.empty(len(rows), np.int64)
    count = 0
    for row in rows:
        after = dist[row, arc[0]] + arc[2]
        if dist[row, arc[0]] != UNREACHED and after < dist[row, arc[1]] and after <= limits[row]:
            found[count], begun[count] = row, after
            count += 1
    return found[:count], begun[:count]


@jit
def improve(pointer, arcs, arc, rows, dist, limits, shift, ring, label, touched):
    """Make rows of `dist` right after one arc was added or became faster.

    `arc` is (tail, head, units); `pointer` and `arcs` hold it already. One search from its
    head serves all rows: it goes on only through vertices that some row reaches sooner by
    the arc, because every vertex on the way to an improved one is improved itself.
    `label` is all `UNREACHED` before and after; `touched` has room for all vertices.
    Returns the number of vertices that were looked at.
    """
    some, begun = _gainers(dist, rows, arc, limits)
    if len(some) == 0:
        return 0
    one, mask, wide = np.uint64(1), np.uint64(len(ring) - 1), np.uint64(shift)
    pool = np.empty((FIRST_POOL, 3), np.int32)
    free, used, waiting = np.int64(-1), np.int64(0), 0
    bucket = np.uint64(0)
    free, used = _put(ring, pool, free, used, bucket, arc[1], 0)
    waiting = 1
    label[arc[1]] = 0
    touched[0] = arc[1]
    seen = 1
    while waiting > 0:
        slot = bucket & mask
        while ring[slot] >= 0:
            node, key, free = _take(ring, pool, free, slot)
            waiting -= 1
            if label[node] != key or not _better(dist, some, begun, limits, node, key):
                continue
            at, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
            if used + np.int64(end - at) > len(pool):
                pool = _larger(pool, np.int64(end - at))
            while at < end:
                head = np.uint64(arcs[at, 0])
                after = key + np.int64(arcs[at, 1])
                at += one
                if after < label[head]:
                    if label[head] == UNREACHED:
                        touched[seen] = head
                        seen += 1
                    label[head] = after
                    slot_of = (np.uint64(after) >> wide) & mask
                    free, used = _put(ring, pool, free, used, slot_of, head, after)
                    waiting += 1
        bucket += one
    for i in range(seen):
        label[touched[i]] = UNREACHED
    return seen


@jit
def _better(dist, some, begun, limits, node, key):
    """Lower what can be lowered at a vertex; tell whether there was anything."""
    better = False
    for i in range(len(some)):
        after = begun[i] + key
        row = np.uint64(some[i])
        if after < dist[row, node] and after <= limits[row]:
            dist[row, node] = after
            better = True
    return better


@jit
def _is_held(node, back_pointer, back_arcs, dist, lost, nodes, units):
    """Tell whether a vertex keeps its time: it is a start, or some sound way leads there."""
    one = np.uint64(1)
    arc, end = np.uint64(back_pointer[node]), np.uint64(back_pointer[node + one])
    while arc < end:
        tail = np.uint64(back_arcs[arc, 0])
        if dist[tail] + back_arcs[arc, 1] == dist[node] and not lost[tail]:
            return True
        arc += one
    return _is_start(node, dist, nodes, units)


@jit
def _losers(
    pointer, arcs, back_pointer, back_arcs, changed, nodes, units, dist, lost, most, found
):  # fmt: skip
    """Note in `found` and `lost` the vertices that lose every fastest way; return how many.

    Stops early when they are more than `most`.
    """
    one = np.uint64(1)
    count = 0
    for i in range(len(changed)):
        tail, head = np.uint64(changed[i, 0]), np.uint64(changed[i, 1])
        if dist[tail] == UNREACHED or dist[tail] + changed[i, 2] != dist[head] or lost[head]:
            continue
        if not _is_held(head, back_pointer, back_arcs, dist, lost, nodes, units):
            lost[head] = True
            found[count] = head
            count += 1
    at = 0
    while at < count <= most:
        node = np.uint64(found[at])
        at += 1
        arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
        while arc < end:
            head = np.uint64(arcs[arc, 0])
            tight = dist[node] + np.int64(arcs[arc, 1]) == dist[head]
            arc += one
            if not tight or lost[head]:
                continue
            if not _is_held(head, back_pointer, back_arcs, dist, lost, nodes, units):
                lost[head] = True
                found[count] = head
                count += 1
    return count


@jit
def _by_bucket(nodes, dist, shift):
    """Return those of the nodes that are reached at all, in the order of their buckets."""
    lowest, highest, count = UNREACHED, 0, 0
    for node in nodes:
        if dist[node] != UNREACHED:
            lowest, highest = min(lowest, dist[node]), max(highest, dist[node])
            count += 1
    found = np.empty(count, nodes.dtype)
    if count == 0:
        return found
    lowest >>= shift
    place = np.zeros((highest >> shift) - lowest + 2, np.int64)
    for node in nodes:
        if dist[node] != UNREACHED:
            place[(dist[node] >> shift) - lowest + 1] += 1
    place = np.cumsum(place)
    for node in nodes:
        if dist[node] != UNREACHED:
            bucket = (dist[node] >> shift) - lowest
            found[place[bucket]] = node
            place[bucket] += 1
    return found


@jit
def worsen(
    pointer, arcs, back_pointer, back_arcs, changed, nodes, units, dist, limit, shift, ring,
    lost, most, touched,
):  # fmt: skip
    """Make one row of `dist` right after arcs were closed or became slower.

    Rows of `changed` are (tail, head, units before); the graph is the changed one. The
    vertices that lose every fastest way are found first, then reached anew from what is left.
    Returns their number; -1, with `dist` as it was, when they are more than `most`: then a
    fresh search is as good. `lost` is all false before and after.
    """
    count = _losers(
        pointer, arcs, back_pointer, back_arcs, changed, nodes, units, dist, lost, most, touched
    )
    found = touched[:count]
    if count > most:
        for i in range(count):
            lost[found[i]] = False
        return -1
    one = np.uint64(1)
    for i in range(count):
        node = np.uint64(found[i])
        best = np.int64(UNREACHED)
        arc, end = np.uint64(back_pointer[node]), np.uint64(back_pointer[node + one])
        while arc < end:
            tail = np.uint64(back_arcs[arc, 0])
            if not lost[tail] and dist[tail] != UNREACHED:
                best = min(best, np.int64(dist[tail]) + np.int64(back_arcs[arc, 1]))
            arc += one
        dist[node] = best if best <= limit else UNREACHED
    for i in range(len(nodes)):
        if lost[nodes[i]] and units[i] <= limit:
            dist[nodes[i]] = min(dist[nodes[i]], units[i])
    for i in range(count):
        lost[found[i]] = False
    again = _by_bucket(found, dist, shift)
    _spread(pointer, arcs, again, dist, limit, shift, ring, found[:0], found[:0])
    return count
