"""Turn restrictions in routing: a junction is split for those who come by a certain link.

Whoever enters a node by a link with a restriction arrives at a copy of the node, from which the
arcs go on that he may take. Nothing else changes, so every search that works on arcs honours
the restrictions. A trip that begins at the node begins at the node itself, which can be left
by every arc; one that ends there ends at the node or at any of its copies.

To turn round is not forbidden but where a restriction says so: a way past a forbidden turn may go
on to the next junction, turn there and come back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from spatialplan.network import RAIL, Arcs, Network, as_restrictions

__all__ = ["followed", "restricted"]


def followed(restrictions: pd.DataFrame, link_id: str, halves: pd.DataFrame) -> pd.DataFrame:
    """Return turn restrictions that hold for the two halves of a link that was cut, too.

    Parameters
    ----------
    halves
        Rows of links with ``from_node, to_node``; a restriction of the link becomes one of the
        half that ends at its node. The rows of the whole link stay: they count again when
        the cut is taken back.
    """
    more = []
    for side in ("from_link", "to_link"):
        rows = restrictions[restrictions[side] == link_id]
        for half in halves.itertuples():
            there = rows[rows["via_node"].isin([half.from_node, half.to_node])]
            more.append(there.assign(**{side: half.Index}))
    return (
        as_restrictions(pd.concat([restrictions, *more])) if any(map(len, more)) else restrictions
    )


def restricted(network: Network, arcs: Arcs, restrictions: pd.DataFrame | None = None) -> Arcs:
    """Return the arcs with turn restrictions built in.

    Parameters
    ----------
    network, arcs
        A network and its arcs under some profile.
    restrictions
        By default the network's own. Columns ``from_link, via_node, to_link`` (ids of the
        network) and ``kind``: ``no`` (this turn is forbidden) or ``only`` (every other one
        is). Rows about links or nodes that the network lacks, and about railways, are passed
        over.

    Returns
    -------
    Arcs
        With more vertices than before: copies come after the old ones, which keep their
        numbers. A trip that starts at a node is not restricted there.
    """
    table = network.restrictions if restrictions is None else restrictions
    forbidden = _forbidden(network, table) if len(table) else {}
    if not forbidden:
        return arcs
    builder = _Copies(arcs, [node for _, node in forbidden])
    for (link, node), links in forbidden.items():
        builder.split(link, node, links)
    return builder.finished()


def _forbidden(
    network: Network, restrictions: pd.DataFrame
) -> dict[tuple[int, int], frozenset[int]]:
    """Return for a link and the node it leads to the links that may not follow."""
    nodes = network.nodes.index.get_indexer(restrictions["via_node"])
    first = network.links.index.get_indexer(restrictions["from_link"])
    last = network.links.index.get_indexer(restrictions["to_link"])
    known = (nodes >= 0) & (first >= 0) & (last >= 0)
    known &= network.levels[first] != RAIL
    at = _links_at(network, set(nodes[known].tolist()))
    no: dict[tuple[int, int], set[int]] = defaultdict(set)
    only: dict[tuple[int, int], set[int]] = defaultdict(set)
    kinds = restrictions["kind"].to_numpy()
    for row in np.flatnonzero(known):
        table = only if kinds[row] == "only" else no
        table[int(first[row]), int(nodes[row])].add(int(last[row]))
    for key, allowed in only.items():
        no[key] |= at[key[1]] - allowed
    return {key: frozenset(links) for key, links in no.items()}


def _links_at(network: Network, nodes: set[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {node: set() for node in nodes}
    for side in network.ends:
        for link in np.flatnonzero(np.isin(side, list(nodes))):
            found[int(side[link])].add(int(link))
    return found


class _Copies:
    """The arcs being changed: columns of the new ones wait in lists."""

    def __init__(self, arcs: Arcs, nodes: Iterable[int]) -> None:
        self.arcs = arcs
        self.head = arcs.head.copy()
        self.size = len(arcs.vertex_node)
        self.vertex_node: list[int] = []
        self.vertex_level: list[int] = []
        self.new: list[tuple[int, int, int]] = []  # tail, head, the arc that it copies
        self.vertices: dict[int, list[int]] = defaultdict(list)
        at_nodes = np.isin(arcs.vertex_node, list(nodes))
        for vertex in np.flatnonzero(at_nodes).tolist():
            self.vertices[int(arcs.vertex_node[vertex])].append(vertex)
        self.leaving, self.arriving = (
            _by_vertex(side, np.flatnonzero(at_nodes[side])) for side in (arcs.tail, arcs.head)
        )

    def split(self, link: int, node: int, forbidden: frozenset[int]) -> None:
        """Send the arcs of a link that end at a node to a copy of it, on all its levels."""
        old, arcs = self.vertices[node], self.arcs
        entering = [a for v in old for a in self.arriving[v] if arcs.link[a] == link]
        if not entering:
            return
        copy = {vertex: self.size + len(self.vertex_node) + i for i, vertex in enumerate(old)}
        self.vertex_node += [node] * len(old)
        self.vertex_level += arcs.vertex_level[old].tolist()
        for vertex in old:
            for arc in self.leaving[vertex]:
                if int(arcs.link[arc]) in forbidden:
                    continue
                head = int(arcs.head[arc])
                # Between the levels of the node one stays among the copies.
                inner = arcs.link[arc] < 0 and head in copy
                self.new.append((copy[vertex], copy[head] if inner else head, arc))
        for arc in entering:
            self.head[arc] = copy[int(arcs.head[arc])]

    def finished(self) -> Arcs:
        """Return the changed arcs."""
        tail, head, arc = np.array(self.new, dtype=np.int64).reshape(-1, 3).T
        # A copied arc may itself lead into a split junction.
        old = self.arcs
        moved = (old.link[arc] >= 0) & (self.head[arc] != old.head[arc])
        head = np.where(moved, self.head[arc], head)
        return replace(
            old,
            vertex_node=np.concatenate([old.vertex_node, np.array(self.vertex_node, dtype=int)]),
            vertex_level=np.concatenate([old.vertex_level, np.array(self.vertex_level, dtype=int)]),
            tail=np.concatenate([old.tail, tail]),
            head=np.concatenate([self.head, head]),
            **{
                name: np.concatenate([getattr(old, name), getattr(old, name)[arc]])
                for name in ("minutes", "km", "link", "backward")
            },
        )


def _by_vertex(side: np.ndarray, arcs: np.ndarray) -> dict[int, list[int]]:
    """Return for each vertex which of some arcs have it as their tail (or head)."""
    found: dict[int, list[int]] = defaultdict(list)
    for arc in arcs.tolist():
        found[int(side[arc])].append(arc)
    return found
