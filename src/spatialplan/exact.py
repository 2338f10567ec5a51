"""Compiled Dijkstra over weights as they are: settles vertices in the very order of networkx.

networkx takes from its heap the vertex of the lowest (distance, number of the push). Both are
kept here, and sums are made in the same order, so distances, ways among equally short ones,
and the order of results are those of networkx to the last bit.
"""

# numba finds the types itself
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import numpy as np

from spatialplan.kernels import jit

__all__ = ["dependencies", "meet", "settle"]

UNSEEN, SEEN, DONE = 0, 1, 2
FIRST_HEAP = 1024


@jit
def _push(distances, numbers, nodes, size, distance, number, node):
    """Put an entry on the heap (four children each), which has room for it."""
    at = np.uint64(size)
    while at > 0:
        above = (at - np.uint64(1)) >> np.uint64(2)
        # The new entry has the highest number: at the same distance it stays behind.
        if distances[above] <= distance:
            break
        distances[at], numbers[at], nodes[at] = distances[above], numbers[above], nodes[above]
        at = above
    distances[at], numbers[at], nodes[at] = distance, number, node


@jit
def _pop(distances, numbers, nodes, size):
    """Move the first entry to the end of the heap, which is one shorter then."""
    one, last = np.uint64(1), np.uint64(size - 1)
    first = distances[0], numbers[0], nodes[0]
    distance, number, node = distances[last], numbers[last], nodes[last]
    at = np.uint64(0)
    child = one
    while child < last:
        best = child
        for other in range(child + one, min(child + np.uint64(4), last)):
            other_child = np.uint64(other)
            if distances[other_child] < distances[best] or (
                distances[other_child] == distances[best] and numbers[other_child] < numbers[best]
            ):
                best = other_child
        if distance < distances[best] or (distance == distances[best] and number < numbers[best]):
            break
        distances[at], numbers[at], nodes[at] = distances[best], numbers[best], nodes[best]
        at = best
        child = (at << np.uint64(2)) + one
    distances[at], numbers[at], nodes[at] = distance, number, node
    distances[last], numbers[last], nodes[last] = first


@jit
def _longer(values):
    found = np.empty(2 * len(values), values.dtype)
    found[: len(values)] = values
    return found


@jit
def settle(pointer, heads, weights, sources, cutoff, target, dist, before, order):
    """Settle vertices from some sources; return how many, in `order`.

    Fills `dist` and `before` (-1 at sources) of those vertices only. Stops at `target`
    (-1: none). Nothing beyond `cutoff` is reached.
    """
    one, goal = np.uint64(1), np.uint64(target) if target >= 0 else np.uint64(len(pointer))
    state = np.zeros(len(pointer) - 1, np.uint8)
    distances = np.empty(FIRST_HEAP, np.float64)
    numbers, nodes = np.empty(FIRST_HEAP, np.int64), np.empty(FIRST_HEAP, np.int32)
    size, number, count = 0, 0, 0
    for source in sources:
        if size == len(nodes):
            distances, numbers, nodes = _longer(distances), _longer(numbers), _longer(nodes)
        state[source], dist[source], before[source] = SEEN, 0.0, -1
        _push(distances, numbers, nodes, size, 0.0, number, source)
        size, number = size + 1, number + 1
    while size > 0:
        _pop(distances, numbers, nodes, size)
        size -= 1
        distance, node = distances[size], np.uint64(nodes[size])
        if state[node] == DONE:
            continue
        state[node] = DONE
        order[count] = node
        count += 1
        if node == goal:
            break
        arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
        while arc < end:
            head = np.uint64(heads[arc])
            reached = distance + weights[arc]
            arc += one
            if reached > cutoff or state[head] == DONE:
                continue
            if state[head] == UNSEEN or reached < dist[head]:
                if size == len(nodes):
                    distances, numbers, nodes = _longer(distances), _longer(numbers), _longer(nodes)
                state[head], dist[head], before[head] = SEEN, reached, node
                _push(distances, numbers, nodes, size, reached, number, head)
                size, number = size + 1, number + 1
    return count


@jit
def meet(pointers, all_heads, all_weights, source, target, dist, before):
    """Search from both ends in turn; return the vertex where the ways meet (-1: none), and how far.

    The three tuples hold the graph and the graph turned round; `dist` and `before` have two
    rows, for the way there and the way back.
    """
    size_of = len(pointers[0]) - 1
    state = np.zeros((2, size_of), np.uint8)
    distances = np.empty((2, FIRST_HEAP), np.float64)
    numbers, nodes = np.empty((2, FIRST_HEAP), np.int64), np.empty((2, FIRST_HEAP), np.int32)
    size = np.ones(2, np.int64)
    number = 2
    for side in range(2):
        start = source if side == 0 else target
        state[side, start], dist[side, start], before[side, start] = SEEN, 0.0, -1
        _push(distances[side], numbers[side], nodes[side], 0, 0.0, side, start)
    best, middle = np.inf, -1
    side = 1
    while size[0] > 0 and size[1] > 0:
        side = 1 - side
        _pop(distances[side], numbers[side], nodes[side], size[side])
        size[side] -= 1
        distance, node = distances[side, size[side]], nodes[side, size[side]]
        if state[side, node] == DONE:
            continue
        state[side, node] = DONE
        if state[1 - side, node] == DONE:
            return middle, best
        pointer, heads, weights = pointers[side], all_heads[side], all_weights[side]
        for arc in range(pointer[node], pointer[node + 1]):
            head = heads[arc]
            reached = distance + weights[arc]
            if state[side, head] == DONE:
                continue
            if state[side, head] == UNSEEN or reached < dist[side, head]:
                if size[side] == distances.shape[1]:
                    distances, numbers, nodes = _wider(distances), _wider(numbers), _wider(nodes)
                state[side, head], dist[side, head], before[side, head] = SEEN, reached, node
                _push(
                    distances[side], numbers[side], nodes[side], size[side], reached, number, head
                )
                size[side] += 1
                number += 1
                if state[1 - side, head] != UNSEEN:
                    whole = reached + dist[1 - side, head]
                    if middle < 0 or best > whole:
                        best, middle = whole, head
    return -1, np.inf


@jit
def _wider(values):
    found = np.empty((2, 2 * values.shape[1]), values.dtype)
    found[:, : values.shape[1]] = values
    return found


@jit
def dependencies(pointer, heads, weights, places, source, delta, order):
    """Fill `delta` with how much each vertex lies on the shortest ways from a source.

    Brandes' algorithm (2001, Journal of Mathematical Sociology 25(2)) with networkx's order
    of sums. `places` says where the vertices before each one may be noted. Returns how many
    vertices were settled, in `order`; `delta` is filled for those only.
    """
    size_of = len(pointer) - 1
    state = np.zeros(size_of, np.uint8)
    dist, ways = np.empty(size_of, np.float64), np.zeros(size_of, np.float64)
    before, noted = np.empty(size_of, np.int32), np.zeros(size_of, np.int64)
    tails = np.empty(places[-1], np.int32)
    distances = np.empty(FIRST_HEAP, np.float64)
    numbers, nodes = np.empty(FIRST_HEAP, np.int64), np.empty(FIRST_HEAP, np.int32)
    state[source], dist[source], before[source], ways[source] = SEEN, 0.0, source, 1.0
    _push(distances, numbers, nodes, 0, 0.0, 0, source)
    size, number, count = 1, 1, 0
    while size > 0:
        _pop(distances, numbers, nodes, size)
        size -= 1
        distance, node = distances[size], nodes[size]
        if state[node] == DONE:
            continue
        state[node] = DONE
        ways[node] += ways[before[node]]
        order[count] = node
        count += 1
        for arc in range(pointer[node], pointer[node + 1]):
            head = heads[arc]
            reached = distance + weights[arc]
            if state[head] != DONE and (state[head] == UNSEEN or reached < dist[head]):
                if size == len(nodes):
                    distances, numbers, nodes = _longer(distances), _longer(numbers), _longer(nodes)
                state[head], dist[head], before[head] = SEEN, reached, node
                _push(distances, numbers, nodes, size, reached, number, head)
                size, number = size + 1, number + 1
                ways[head] = 0.0
                tails[places[head]] = node
                noted[head] = 1
            elif reached == dist[head]:
                ways[head] += ways[node]
                tails[places[head] + noted[head]] = node
                noted[head] += 1
    sums = np.zeros(size_of, np.float64)
    for at in range(count - 1, -1, -1):
        node = order[at]
        # As it is now: over arcs of no weight more may come later, which networkx leaves out.
        delta[node] = sums[node]
        share = (1.0 + sums[node]) / ways[node]
        for i in range(places[node], places[node] + noted[node]):
            sums[tails[i]] += ways[tails[i]] * share
    return count
