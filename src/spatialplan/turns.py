"""Turn restrictions in routing: a junction is split for those who come by a certain link.

Whoever enters a node by a link with a restriction arrives at a copy of the node, from which the
arcs go on that he may take. Nothing else changes, so every search that works on arcs honours
the restrictions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd

from spatialplan.network import Arcs, Network

__all__ = ["restricted"]


def restricted(network: Network, arcs: Arcs, restrictions: pd.DataFrame) -> Arcs:
    """Return the arcs with turn restrictions built in.

    Parameters
    ----------
    network, arcs
        A network and its arcs under some profile.
    restrictions
        Columns ``from_link, via_node, to_link`` (ids of the network) and ``kind``: ``no``
        (this turn is forbidden) or ``only`` (every other one is). Rows about links or nodes
        that the network lacks are passed over.

    Returns
    -------
    Arcs
        With more vertices than before: copies come after the old ones, which keep their
        numbers. A trip that starts at a node is not restricted there.
    """
    forbidden = _forbidden(network, restrictions)
    if not forbidden:
        return arcs
    builder = _Copies(arcs)
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

    def __init__(self, arcs: Arcs) -> None:
        self.arcs = arcs
        self.head = arcs.head.copy()
        self.size = len(arcs.vertex_node)
        self.vertex_node: list[int] = []
        self.vertex_level: list[int] = []
        self.new: list[tuple[int, int, int]] = []  # tail, head, the arc that it copies
        self.order = np.argsort(arcs.tail, kind="stable")
        self.start = np.searchsorted(arcs.tail[self.order], np.arange(self.size + 1))
        self.by_link = np.argsort(arcs.link, kind="stable")
        self.links = arcs.link[self.by_link]
        self.vertices: dict[int, list[int]] = defaultdict(list)
        for vertex, node in enumerate(arcs.vertex_node.tolist()):
            self.vertices[node].append(vertex)

    def split(self, link: int, node: int, forbidden: frozenset[int]) -> None:
        """Send the arcs of a link that end at a node to a copy of it, on all its levels."""
        old = self.vertices[node]
        low, high = np.searchsorted(self.links, [link, link + 1])
        entering = [
            arc
            for arc in self.by_link[low:high].tolist()
            if self.arcs.vertex_node[self.arcs.head[arc]] == node
        ]
        if not entering:
            return
        copy = {vertex: self.size + len(self.vertex_node) + i for i, vertex in enumerate(old)}
        self.vertex_node += [node] * len(old)
        self.vertex_level += self.arcs.vertex_level[old].tolist()
        for vertex in old:
            for arc in self.order[self.start[vertex] : self.start[vertex + 1]].tolist():
                if int(self.arcs.link[arc]) in forbidden:
                    continue
                head = int(self.arcs.head[arc])
                # Between the levels of the node one stays among the copies.
                inner = self.arcs.link[arc] < 0 and head in copy
                self.new.append((copy[vertex], copy[head] if inner else head, arc))
        for arc in entering:
            self.head[arc] = copy[int(self.arcs.head[arc])]

    def finished(self) -> Arcs:
        """Return the changed arcs."""
        if not self.new and not self.vertex_node:
            return self.arcs
        tail, head, arc = np.array(self.new, dtype=np.int64).reshape(-1, 3).T
        # A copied arc may itself lead into a split junction.
        old = self.arcs
        moved = (self.arcs.link[arc] >= 0) & (self.head[arc] != old.head[arc])
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
