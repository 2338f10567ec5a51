"""Travel times after edits from those before them, on networks too large to begin again.

What an edited network has in common with the one before (`network.Lineage`) tells which of its
arcs were there already. The rest is a change of the compiled graph, and times on that are
repaired instead of searched anew: they are the same to the last unit but at cut links, whose
pieces are made to add up to what the whole was (alone they would be rounded, each by half a
unit at most).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialplan import engine
from spatialplan.engine import Change, Compiled, Times

if TYPE_CHECKING:
    from spatialplan.network import Arcs, Lineage
    from spatialplan.travel import Graph

__all__ = ["Reuse", "reuse"]

MOST_ARCS = 20_000  # that differ; with more one may as well begin again
CUT_SLACK = 1e-9  # share of its minutes by which an arc and its pieces may differ


@dataclass(frozen=True)
class Reuse:
    """How the compiled graph of an edited network is made of the one before.

    Parameters
    ----------
    before, after
        The graphs of the two networks, each under the numbers of its own.
    changed
        The second under the numbers of the first.
    change
        What leads from the first to the second, in the numbers of the first.
    vertices
        For each vertex of the second its number in the first, or one beyond when it is new.
    """

    before: Compiled
    changed: Compiled
    after: Compiled
    change: Change
    vertices: np.ndarray

    def units(self, starts: np.ndarray, units: np.ndarray, limit: float) -> np.ndarray:
        """Return the units from some starts, given those from the same starts before.

        `starts` are vertices of the new network that were in the old one, too.
        """
        times = Times.known(self.before, self.vertices[starts].tolist(), units, limit)
        return engine.rerun(times, self.change, graph=self.changed).units


def reuse(earlier: Graph, graph: Graph, mode: str) -> Reuse | None:
    """Return the compiled graph of an edited network, made of that of the one before.

    None where the two have too little in common.

    Parameters
    ----------
    earlier, graph
        The network before and after its edits (`Network.lineage`), under one profile.
    mode
        ``road``, ``rail`` or ``all``; `earlier` is compiled for it.
    """
    before, lineage = earlier.compiled(mode), graph.network.lineage
    vertices = _vertices_before(earlier, graph, lineage)
    new = np.flatnonzero(vertices < 0)
    vertices[new] = before.size + np.arange(len(new))
    twins = _twins(earlier, graph, lineage, vertices, mode)
    arcs, old, used = graph.arcs, earlier.arcs, graph.arcs.usable(mode)
    there = used[twins[used] >= 0]
    slower = there[arcs.minutes[there] != old.minutes[twins[there]]]
    gone = np.setdiff1d(old.usable(mode), twins[there], assume_unique=True)
    came = used[twins[used] < 0]
    if len(gone) + len(came) + len(slower) > MOST_ARCS:
        return None
    ends = vertices[np.stack([arcs.tail[came], arcs.head[came]])]
    replaced, minutes = _replaced(old, gone, ends, arcs.minutes[came], before.size)
    change = Change(
        arcs=np.concatenate([gone, twins[slower]]),
        minutes=np.concatenate([np.full(len(gone), np.inf), arcs.minutes[slower]]),
        tail=ends[0],
        head=ends[1],
        added=minutes,
        vertices=len(new),
        replaced=replaced,
    )
    changed = engine.change(before, change)
    known = len(before.entry)
    numbers = np.full(known + len(came), -1, np.int32)
    numbers[twins[there]] = there
    numbers[known:] = came
    left = np.ones(changed.size, dtype=bool)
    left[vertices] = False
    order = np.concatenate([vertices, np.flatnonzero(left)])
    after = engine.renumbered(changed, numbers, order)
    return Reuse(before, changed, after, change, vertices)


def _vertices_before(earlier: Graph, graph: Graph, lineage: Lineage) -> np.ndarray:
    """Return for each vertex its number before, -1 where it is new.

    Of the copies of a node the first is as the first before, and so on: which is which does
    not matter, since the arcs at them are compared one by one.
    """
    arcs, count = graph.arcs, len(earlier.network.nodes)
    node = lineage.nodes[arcs.vertex_node]
    key = np.where(node < 0, -1, arcs.vertex_level * count + node)
    return np.where(key < 0, -1, _twin_of(*earlier._by_node, key))


def _twin_of(order: np.ndarray, old: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return for the first of equal keys the number of the first old one, and so on; -1: none.

    `old` are the old keys, ascending; `order` are their numbers.
    """
    mine = np.argsort(keys, kind="stable")
    ascending = keys[mine]
    among_equals = np.arange(len(keys)) - np.searchsorted(ascending, ascending)
    place = np.searchsorted(old, ascending) + among_equals
    there = place < len(old)
    there[there] = old[place[there]] == ascending[there]
    found = np.full(len(keys), -1)
    found[mine[there]] = order[place[there]]
    return found


def _twins(
    earlier: Graph, graph: Graph, lineage: Lineage, vertices: np.ndarray, mode: str
) -> np.ndarray:
    """Return for each arc the one before that ran the same way; -1: there was none."""
    old, arcs = earlier.arcs, graph.arcs
    ends = vertices[arcs.tail], vertices[arcs.head]
    twins = np.full(len(arcs.tail), -1)
    # Most arcs are the first of their link and direction, then as now.
    link = np.where(arcs.link >= 0, lineage.links[arcs.link], -1)
    on_link = np.flatnonzero(old.link >= 0)[::-1]
    first = np.full(2 * len(earlier.network.links), -1)
    first[2 * old.link[on_link] + old.backward[on_link]] = on_link
    at = np.flatnonzero(link >= 0)
    twin = first[2 * link[at] + arcs.backward[at]]
    same = (old.tail[twin] == ends[0][at]) & (old.head[twin] == ends[1][at])
    twins[at[same]] = twin[same]
    # The others by their ends: ramps, platforms, copies, links with new attributes.
    free = np.ones(len(old.tail), dtype=bool)
    free[twins[twins >= 0]] = False
    spare, rest = old.usable(mode), arcs.usable(mode)
    spare, rest = spare[free[spare]], rest[twins[rest] < 0]
    count = max(earlier.size, int(vertices.max(initial=0)) + 1)
    keys = old.tail[spare] * count + old.head[spare]
    order = np.argsort(keys, kind="stable")
    twins[rest] = _twin_of(spare[order], keys[order], ends[0][rest] * count + ends[1][rest])
    return twins


def _as_pieces(
    minutes: float, ends: tuple[int, int], ways: Mapping[int, list[tuple[int, int, float]]]
) -> list[int]:
    """Return the new arcs, over new vertices, that an arc was cut into; none when it was not.

    `ways` tells for each vertex the new arcs from it: number, head and minutes.
    """
    waiting: list[tuple[int, float, list[int]]] = [(ends[0], 0.0, [])]
    while waiting:
        vertex, spent, arcs = waiting.pop()
        if vertex == ends[1] and arcs and abs(spent - minutes) <= CUT_SLACK * minutes:
            return arcs
        for arc, head, more in ways.get(vertex, ()):
            if arc not in arcs and spent + more <= minutes * (1 + CUT_SLACK):
                waiting.append((head, spent + more, [*arcs, arc]))
    return []


def _replaced(
    old: Arcs, gone: np.ndarray, ends: np.ndarray, minutes: np.ndarray, new_from: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the arcs that were cut into pieces, and the minutes of new arcs, mended.

    Parameters
    ----------
    gone
        Arcs before that are no more.
    ends, minutes
        Tails and heads, shape ``(2, arcs)``, and times of the new arcs; vertices from
        `new_from` on are new. The last piece gets what the others leave of the whole.
    """
    units, whole = engine.to_units(minutes).astype(np.int64), engine.to_units(old.minutes[gone])
    inner = np.flatnonzero((ends >= new_from).any(axis=0))
    ways = defaultdict(list)
    for arc, tail, head in zip(inner.tolist(), *ends[:, inner].tolist(), strict=True):
        ways[tail].append((arc, head, float(minutes[arc])))
    replaced, mended = [], minutes.copy()
    for arc, total in zip(gone.tolist(), whole.tolist(), strict=True):
        pieces = _as_pieces(float(old.minutes[arc]), (int(old.tail[arc]), int(old.head[arc])), ways)
        last = total - sum(int(units[piece]) for piece in pieces[:-1])
        if pieces and last > 0:
            mended[pieces[-1]] = last / engine.UNITS_PER_MINUTE
            replaced.append(arc)
    return np.array(replaced, dtype=np.int64), mended
