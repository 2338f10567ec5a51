"""A road network without the vertices that offer little choice: compiled loops that take them out.

A vertex with few neighbours is taken out and replaced by arcs past it, so that distances among
the rest stay what they were; arcs that a way over one vertex beats are dropped. What is left is
a tenth of a road network. A search climbs from its start to that core, goes through it, and one
sweep over the vertices taken out, last first, fills in the rest: contraction hierarchies
(Geisberger et al. 2008, WEA) with the sweep of Delling et al. 2013 (PHAST, Journal of Parallel
and Distributed Computing 73(7)), stopped where taking out more would cost more than it saves.
"""

# numba finds the types itself
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from spatialplan.kernels import UNREACHED, jit, search

__all__ = ["Core", "core_of", "needed", "search_core"]

END, OUT, HOME = 0, 1, 2  # columns: a neighbour, units to it, units from it
ROUNDS = (2, 3, 3, 4, 4)  # most neighbours of a vertex to be taken out
ROOM = 8  # neighbours that a vertex may come to have, if it has not more from the first


class Core(NamedTuple):
    """What is left of a graph, and how the rest hangs on it.

    Parameters
    ----------
    nodes, number
        The vertices of the core, and for each vertex of the graph its number among them (-1).
    pointer, arcs
        The core in compressed rows, as in `spatialplan.engine.Compiled`.
    taken, place
        The vertices taken out, in that order, and for each vertex its place there (-1).
    first, near
        ``near[first[i]:first[i + 1]]`` are the neighbours of ``taken[i]``, all in the core or
        taken out later: neighbour, units to it, units from it.
    """

    nodes: np.ndarray
    number: np.ndarray
    pointer: np.ndarray
    arcs: np.ndarray
    taken: np.ndarray
    place: np.ndarray
    first: np.ndarray
    near: np.ndarray


def core_of(pointer: np.ndarray, arcs: np.ndarray) -> Core:
    """Return the core of a graph in compressed rows."""
    size = len(pointer) - 1
    room = np.diff(pointer) + np.bincount(arcs[:, 0], minlength=size)
    begin = np.zeros(size + 1, np.int64)
    np.cumsum(np.maximum(room, ROOM), out=begin[1:])
    near, used = np.empty((begin[-1], 3), np.int32), np.zeros(size, np.int32)
    _gather(pointer, arcs, begin, used, near)
    taken, place = np.empty(size, np.int32), np.full(size, -1, np.int32)
    first, hung = np.zeros(size + 1, np.int32), np.empty((max(ROUNDS) * size, 3), np.int32)
    count = 0
    for most in ROUNDS:
        count = _take_out(begin, used, near, most, count, taken, place, first, hung)
        if most > 2:
            _prune(begin, used, near, place)
    number = np.where(place < 0, np.cumsum(place < 0) - 1, -1).astype(np.int32)
    left = _left(begin, used, near, number)
    first = first[: count + 1].copy()
    return Core(
        np.flatnonzero(place < 0), number, *left, taken[:count].copy(), place, first,
        hung[: first[-1]].copy(),
    )  # fmt: skip


@jit
def _slot(begin, used, near, node, other):
    """Return where `node` notes its neighbour `other`; a new place when it does not yet."""
    at = np.uint64(begin[node])
    end = at + np.uint64(used[node])
    while at < end and near[at, END] != other:
        at += np.uint64(1)
    return at


@jit
def _note(begin, used, near, node, other, out, home):
    """Note the units from `node` to a neighbour and from there, where they are less."""
    at = _slot(begin, used, near, node, other)
    if at == np.uint64(begin[node]) + np.uint64(used[node]):
        near[at, END], near[at, OUT], near[at, HOME] = other, out, home
        used[node] += 1
    else:
        near[at, OUT], near[at, HOME] = min(near[at, OUT], out), min(near[at, HOME], home)


@jit
def _forget(begin, used, near, node, at):
    """Drop the neighbour noted at a place."""
    last = np.uint64(begin[node]) + np.uint64(used[node]) - np.uint64(1)
    for column in range(3):
        near[at, column] = near[last, column]
    used[node] -= 1


@jit
def _gather(pointer, arcs, begin, used, near):
    """Note the neighbours of all vertices."""
    for node in range(len(pointer) - 1):
        for arc in range(pointer[node], pointer[node + 1]):
            head, units = arcs[arc, 0], arcs[arc, 1]
            if head != node and units != UNREACHED:
                _note(begin, used, near, node, head, units, UNREACHED)
                _note(begin, used, near, head, node, UNREACHED, units)


@jit
def _fits(begin, used, near, node):
    """Tell whether taking out a vertex makes no more arcs than it saves, and has room for them."""
    number, low = used[node], np.uint64(begin[node])
    if number <= 2:
        return True
    fresh = 0
    for i in range(number):
        other, more = near[low + np.uint64(i), END], -1
        full = np.uint64(begin[other]) + np.uint64(used[other])
        for j in range(number):
            further = near[low + np.uint64(j), END]
            more += i != j and _slot(begin, used, near, other, further) == full
        if used[other] + more > begin[other + 1] - begin[other]:
            return False
        fresh += more + 1
    return fresh <= 2 * number


@jit
def _take_out(begin, used, near, most, count, taken, place, first, hung):
    """Take out vertices with at most `most` neighbours; return how many are out now.

    Goes through the vertices in their order, so that a sweep over them runs through memory.
    """
    waiting = np.empty(most * len(used) + 1, np.int32)
    for start in range(len(used)):
        waiting[0] = start
        size = 1
        while size > 0:
            size -= 1
            node = waiting[size]
            number = used[node]
            if place[node] >= 0 or number > most or not _fits(begin, used, near, node):
                continue
            taken[count], place[node] = node, count
            low, into = np.uint64(begin[node]), np.uint64(first[count])
            count += 1
            # All of a round get as many entries: loops of one length are foreseen and run faster.
            first[count] = into + np.uint64(most)
            hung[into : into + np.uint64(most), END] = node
            hung[into : into + np.uint64(most), OUT:] = UNREACHED
            for i in range(number):
                one, at = low + np.uint64(i), into + np.uint64(i)
                for column in range(3):
                    hung[at, column] = near[one, column]
                other = near[one, END]
                _forget(begin, used, near, other, _slot(begin, used, near, other, node))
            for i in range(number):
                _join(begin, used, near, low + np.uint64(i), low + np.uint64(number))
            for i in range(number):
                other = near[low + np.uint64(i), END]
                if used[other] <= 2:
                    waiting[size] = other
                    size += 1
    return count


@jit
def _join(begin, used, near, one, end):
    """Note arcs from the neighbour at `one`, past the vertex taken out, to those after it."""
    other = one + np.uint64(1)
    while other < end:
        ahead = min(np.int64(near[one, HOME]) + near[other, OUT], UNREACHED)
        behind = min(np.int64(near[other, HOME]) + near[one, OUT], UNREACHED)
        if ahead != UNREACHED or behind != UNREACHED:
            _note(begin, used, near, near[one, END], near[other, END], ahead, behind)
            _note(begin, used, near, near[other, END], near[one, END], behind, ahead)
        other += np.uint64(1)


@jit
def _prune(begin, used, near, place):
    """Drop the arcs that a way over one vertex beats.

    All are found before any is dropped: that is safe, since the arcs of such a way are
    shorter than the arc it beats, and so is any way that beats them in turn.
    """
    at = np.full(len(used), -1, np.int64)
    beaten = np.zeros(len(near), np.bool_)
    for node in range(len(used)):
        if place[node] >= 0:
            continue
        low, high = begin[node], begin[node] + used[node]
        for arc in range(low, high):
            at[near[arc, END]] = arc
        for arc in range(low, high):
            middle, units = near[arc, END], near[arc, OUT]
            if units == UNREACHED:
                continue
            for second in range(begin[middle], begin[middle] + used[middle]):
                direct = at[near[second, END]]
                if direct >= 0 and near[second, OUT] != UNREACHED:
                    beaten[direct] |= units + near[second, OUT] <= near[direct, OUT]
        for arc in range(low, high):
            at[near[arc, END]] = -1
    for node in range(len(used)):
        if place[node] >= 0:
            continue
        for arc in range(begin[node], begin[node] + used[node]):
            if beaten[arc]:
                near[arc, OUT] = UNREACHED
                near[_slot(begin, used, near, near[arc, END], node), HOME] = UNREACHED
    for node in range(len(used)):
        for arc in range(begin[node] + used[node] - 1, begin[node] - 1, -1):
            if near[arc, OUT] == UNREACHED and near[arc, HOME] == UNREACHED and place[node] < 0:
                _forget(begin, used, near, node, arc)


@jit
def _left(begin, used, near, number):
    """Return the rows of the core."""
    total = 0
    for node in range(len(used)):
        if number[node] >= 0:
            for at in range(begin[node], begin[node] + used[node]):
                total += near[at, OUT] != UNREACHED
    pointer = np.zeros(number.max() + 2, np.int32)
    arcs = np.empty((total, 2), np.int32)
    count = 0
    for node in range(len(used)):
        if number[node] >= 0:
            for at in range(begin[node], begin[node] + used[node]):
                if near[at, OUT] != UNREACHED:
                    arcs[count, 0], arcs[count, 1] = number[near[at, END]], near[at, OUT]
                    count += 1
            pointer[number[node] + 1] = count
    return pointer, arcs


@jit
def _climb(core, nodes, units, limit, dist):
    """Return the vertices of the core that lie over some starts, the soonest first, and units.

    Sets the starts and what is passed on the way up in `dist`, which is all `UNREACHED` before.
    """
    place, first, near = core.place, core.first, core.near
    waiting, over = [np.int64(-1)], [np.int32(-1)]
    for i in range(len(nodes)):
        if units[i] <= limit and units[i] < dist[nodes[i]]:
            dist[nodes[i]] = units[i]
            if place[nodes[i]] >= 0:
                heapq.heappush(waiting, np.int64(place[nodes[i]]))
            else:
                over.append(np.int32(nodes[i]))
    last = np.int64(-1)
    while len(waiting) > 0:
        at = heapq.heappop(waiting)
        if at == last:
            continue
        last = at
        # In the order in which they were taken out, so that each is final when its turn comes.
        for arc in range(first[at], first[at + 1]):
            after = np.int64(dist[core.taken[at]]) + near[arc, OUT]
            above = near[arc, END]
            if after < dist[above] and after <= limit:
                if place[above] >= 0:
                    heapq.heappush(waiting, np.int64(place[above]))
                else:
                    over.append(np.int32(above))
                dist[above] = after
    # Each once, the soonest first: units above, numbers below in one word.
    words = [np.int64(dist[node]) << 32 | core.number[node] for node in over[1:]]
    heapq.heapify(words)
    count, last = 0, np.int64(-1)
    nodes, units = np.empty(len(words), np.int32), np.empty(len(words), np.int32)
    while len(words) > 0:
        word = heapq.heappop(words)
        if word != last:
            nodes[count], units[count] = word & (2**32 - 1), word >> 32
            count += 1
        last = word
    return nodes[:count], units[:count]


@jit
def search_core(core, starts, units, limit, queue, told, targets, pool, dist):
    """Fill `dist` with the units from the nearest of `starts`, each begun at its `units`.

    `told` are the places of the vertices to be told besides the core, last first; `targets`
    are the vertices of the core to be told (none: all).
    """
    dist[:] = UNREACHED
    above, begun = _climb(core, starts, units, limit, dist)
    inner = np.empty(len(core.nodes), np.int32)
    search(core.pointer, core.arcs, above, begun, limit, queue, targets, pool, inner)
    for i in range(len(inner)):
        dist[core.nodes[i]] = inner[i]
    one, taken, first, near = np.uint64(1), core.taken, core.first, core.near
    for i in range(len(told)):
        at = np.uint64(told[i])
        node = np.uint64(taken[at])
        best = np.int64(dist[node])
        arc, end = np.uint64(first[at]), np.uint64(first[at + one])
        while arc < end:
            best = min(best, np.int64(dist[np.uint64(near[arc, END])]) + np.int64(near[arc, HOME]))
            arc += one
        dist[node] = best if best <= limit else UNREACHED


@jit
def needed(core, nodes):
    """Return what must be known to tell the times at some vertices, as `search_core` wants it."""
    wanted = np.zeros(len(core.place), np.bool_)
    wanted[nodes] = True
    told, count = np.empty(len(core.taken), np.int32), len(core.taken)
    for at in range(len(core.taken)):
        if wanted[core.taken[at]]:
            count -= 1
            told[count] = at
            for arc in range(core.first[at], core.first[at + 1]):
                wanted[core.near[arc, END]] = True
    return told[count:], np.flatnonzero(wanted[core.nodes]).astype(np.int32)
