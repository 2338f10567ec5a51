"""Compiled repairs of times after an edit: equal to a fresh search, at the cost of what changes.

Rows (origins) are repaired together, since they gain and lose by the same roads: one search
from the head of an arc finds, for all of them, what lies behind it.
"""

# numba finds the types itself
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np

from spatialplan.kernels import FIRST_POOL, UNREACHED, jit, larger, put, spread, take

__all__ = ["MOST_ROWS", "improve", "worsen"]

MOST_ROWS = 32  # that `worsen` repairs at once: the bits of a word


@jit
def _concerned(dist, rows, arc, limit, lowering):
    """Return the rows that an arc (tail, head, units) serves, and when they come to its head.

    When `lowering` those that gain by it, otherwise those that have a fastest way over it.
    """
    found, begun = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    count = 0
    for row in rows:
        after = np.int64(dist[row, arc[0]]) + arc[2]
        serves = after < dist[row, arc[1]] if lowering else after == dist[row, arc[1]]
        if serves and dist[row, arc[0]] != UNREACHED and after <= limit:
            found[count], begun[count] = row, after
            count += 1
    return found[:count], begun[:count]


@jit
def _better(dist, rows, begun, limit, node, key):
    """Lower what can be lowered at a vertex; tell whether there was anything."""
    better = False
    for i in range(len(rows)):
        after = begun[i] + key
        row = np.uint64(rows[i])
        if after < dist[row, node] and after <= limit:
            dist[row, node] = after
            better = True
    return better


@jit
def _tight(dist, rows, begun, bits, node, key):
    """Return the bits of the rows for which the way over the arc is a fastest one to a vertex."""
    word = np.uint32(0)
    for i in range(len(rows)):
        if begun[i] + key == dist[np.uint64(rows[i]), node]:
            word |= bits[i]
    return word


@jit
def _follow(
    pointer, arcs, head, rows, begun, bits, dist, limit, lost, shift, ring, label, touched
):  # fmt: skip
    """Search from the head of an arc as far as it serves some row; return how many were seen.

    These are in `touched`, and `label` has the units to them: right ones where the arc serves
    some row, since then it serves it all along the way. Lowers `dist`; or, where there are
    `bits` for the rows, adds to the words of `lost` those of rows with a fastest way there.
    """
    one, mask, wide = np.uint64(1), np.uint64(len(ring) - 1), np.uint64(shift)
    pool = np.empty((FIRST_POOL, 3), np.int32)
    bucket = np.uint64(0)
    free, used = put(ring, pool, np.int64(-1), np.int64(0), bucket, head, 0)
    waiting, seen = 1, 1
    label[head], touched[0] = 0, head
    while waiting > 0:
        slot = bucket & mask
        while ring[slot] >= 0:
            node, key, free = take(ring, pool, free, slot)
            waiting -= 1
            if label[node] != key:
                continue
            if len(bits) > 0:
                word = _tight(dist, rows, begun, bits, node, key)
                lost[node] |= word
                serves = word != 0
            else:
                serves = _better(dist, rows, begun, limit, node, key)
            if not serves:
                continue
            at, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
            if used + np.int64(end - at) > len(pool):
                pool = larger(pool, np.int64(end - at))
            while at < end:
                other = np.uint64(arcs[at, 0])
                after = key + np.int64(arcs[at, 1])
                at += one
                if after < label[other]:
                    if label[other] == UNREACHED:
                        touched[seen] = other
                        seen += 1
                    label[other] = after
                    slot_of = (np.uint64(after) >> wide) & mask
                    free, used = put(ring, pool, free, used, slot_of, other, after)
                    waiting += 1
        bucket += one
    return seen


@jit
def improve(pointer, arcs, arc, rows, dist, limit, shift, ring, label, touched):
    """Make rows of `dist` right after one arc was added or became faster.

    `arc` is (tail, head, units); `pointer` and `arcs` hold it already. The search goes on only
    through vertices that some row reaches sooner by the arc, because every vertex on the way
    to an improved one is improved itself. `label` is all `UNREACHED` before and after;
    `touched` has room for all vertices.
    """
    some, begun = _concerned(dist, rows, arc, limit, True)
    if len(some) > 0:
        none = np.empty(0, np.uint32)
        seen = _follow(
            pointer, arcs, arc[1], some, begun, none, dist, limit, none, shift, ring, label, touched
        )
        for i in range(seen):
            label[touched[i]] = UNREACHED


@jit
def _losses(pointer, arcs, changed, rows, dist, limit, shift, ring, label, touched):
    """Return the vertices that have a fastest way over a changed arc, and a word of bits for each.

    The bits say for which rows. The words are those of all vertices. Vertices with another way
    that is as fast are among them: they will come to the same time.
    """
    lost = np.zeros(len(label), np.uint32)
    for k in range(len(changed)):
        arc = changed[k]
        some, begun = _concerned(dist, rows, arc, limit, False)
        if len(some) == 0:
            continue
        bits = np.uint32(1) << np.searchsorted(rows, some).astype(np.uint32)
        seen = _follow(
            pointer, arcs, arc[1], some, begun, bits, dist, limit, lost, shift, ring, label, touched
        )
        for i in range(seen):
            label[touched[i]] = UNREACHED
    # In the order of the memory, through which each row will go.
    return np.flatnonzero(lost).astype(np.int32), lost


@jit
def worsen(
    old_pointer, old_arcs, pointer, arcs, back_pointer, back_arcs, changed, rows, starts, dist,
    limit, shift, ring, label, touched,
):  # fmt: skip
    """Make rows of `dist` right after arcs were closed or became slower.

    Rows of `changed` are (tail, head, units before), those of `starts` (row, vertex, units);
    `rows` ascend and are at most `MOST_ROWS`. What may lose is found in the old graph, then
    reached anew, in the changed one, from what is left (the two steps of Ramalingam and Reps
    1996, Journal of Algorithms 21(2)). `label` and `touched` are as for `improve`.
    """
    found, lost = _losses(
        old_pointer, old_arcs, changed, rows, dist, limit, shift, ring, label, touched
    )
    one = np.uint64(1)
    for lane in range(len(rows)):
        row, bit = rows[lane], np.uint32(1) << np.uint32(lane)
        mine = dist[row]
        count = 0
        for i in range(len(found)):
            node = np.uint64(found[i])
            if not lost[node] & bit:
                continue
            touched[count] = node
            count += 1
            best = np.int64(UNREACHED)
            arc, end = np.uint64(back_pointer[node]), np.uint64(back_pointer[node + one])
            while arc < end:
                tail = np.uint64(back_arcs[arc, 0])
                if not lost[tail] & bit and mine[tail] != UNREACHED:
                    best = min(best, np.int64(mine[tail]) + np.int64(back_arcs[arc, 1]))
                arc += one
            mine[node] = best if best <= limit else UNREACHED
        for i in range(len(starts)):
            node = starts[i, 1]
            if starts[i, 0] == row and lost[node] & bit and starts[i, 2] <= limit:
                mine[node] = min(mine[node], starts[i, 2])
        again = _by_bucket(touched[:count], mine, shift)
        spread(pointer, arcs, again, mine, limit, shift, ring, found[:0], found[:0])


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
