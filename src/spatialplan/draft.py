"""A network while it is being edited: what it was, what went and what came.

The tables of a large network are made anew once, when all edits are done; until then questions
are put to the tables as they were and to the few rows that came.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from spatialplan import places
from spatialplan.geodesy import straight_km
from spatialplan.network import SURFACE, Lineage, Network, as_links, as_nodes
from spatialplan.turns import followed, named

__all__ = ["Draft", "joined", "part_basis"]


class Draft:
    """A network being edited; additions wait in lists until somebody asks for tables."""

    def __init__(self, network: Network, gazetteer: places.Gazetteer, snap_km: float) -> None:
        self.gazetteer = gazetteer
        self.snap_km = snap_km
        self.nothing, self.nowhere = network.links.iloc[:0], network.nodes.iloc[:0]
        self._before = network
        self._gone = np.zeros(len(network.links), dtype=bool)
        self._restrictions = network.restrictions
        self._added = Network(self.nowhere, self.nothing)
        self._new_nodes: dict[str, Mapping[str, Any]] = {}
        self._new_links: dict[str, Mapping[str, Any]] = {}

    def copy(self) -> Draft:
        """Return a draft of the same network as it stands, to be changed for itself."""
        found = copy(self)
        found._gone = self._gone.copy()
        found._new_nodes, found._new_links = dict(self._new_nodes), dict(self._new_links)
        return found

    # What there is

    @property
    def added(self) -> Network:
        """What came, as a network of its own (its links may end at nodes that were there)."""
        if self._new_nodes or self._new_links:
            nodes, links = self._added.nodes, self._added.links
            if self._new_nodes:
                nodes = joined(nodes, as_nodes(_frame(self._new_nodes)), "node_id")
            if self._new_links:
                links = joined(links, as_links(_frame(self._new_links)), "link_id")
            self._added, self._new_nodes, self._new_links = Network(nodes, links), {}, {}
        return self._added

    def has_link(self, link_id: str) -> bool:
        """Say whether there is a link of this id."""
        if link_id in self._new_links or link_id in self._added.links.index:
            return True
        index = self._before.links.index
        return link_id in index and not self._gone[index.get_loc(link_id)]

    def links(self, link_ids: Iterable[str]) -> gpd.GeoDataFrame:
        """Return the rows of those of the links that there are."""
        asked, new = list(link_ids), self.added.links
        at = self._before.links.index.get_indexer(asked)
        at = np.sort(at[at >= 0])
        old = self._before.links.iloc[at[~self._gone[at]]]
        return joined(old, new[new.index.isin(asked)], "link_id")

    def tables(self) -> Iterator[tuple[gpd.GeoDataFrame, np.ndarray]]:
        """Yield tables of links, and which of their rows there still are."""
        yield self._before.links, ~self._gone
        new = self.added.links
        yield new, np.ones(len(new), dtype=bool)

    def nearest_link(
        self, lon: float, lat: float, level: int = SURFACE
    ) -> tuple[str, float, float] | None:
        """Return the nearest link of a level: its id, the fraction along it, and km to it."""
        parts = (self._before, self._gone), (self.added, None)
        found = [(part, part.nearest_link(lon, lat, level, without)) for part, without in parts]
        known = [(str(part.links.index[at[0]]), *at[1:]) for part, at in found if at]
        return min(known, key=lambda link: link[2], default=None)

    def has_node(self, node: str) -> bool:
        """Say whether there is a node of this id."""
        return any(
            node in table
            for table in (self._new_nodes, self._added.nodes.index, self._before.nodes.index)
        )

    def node_of(self, place_id: str) -> str | None:
        """Return the node that stands for a place, if there is one."""
        return place_id if self.has_node(place_id) else self._before.node_of(place_id)

    def node(self, node: str) -> Mapping[str, Any]:
        """Return ``kind, name_zh, geometry`` of a node."""
        if node in self._new_nodes:
            return self._new_nodes[node]
        nodes = self._added.nodes if node in self._added.nodes.index else self._before.nodes
        row = nodes.index.get_loc(node)
        return {name: nodes[name].array[row] for name in ("kind", "name_zh", "geometry")}

    def nodes(self, node_ids: Iterable[str]) -> gpd.GeoDataFrame:
        """Return the rows of some nodes."""
        asked, new = pd.unique(np.asarray(list(node_ids), dtype=object)), self.added.nodes
        at = self._before.nodes.index.get_indexer(asked)
        old = self._before.nodes.iloc[np.sort(at[at >= 0])]
        return joined(old, new[new.index.isin(asked)], "node_id")

    def ends_of(self, links: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """Return the nodes that some links join."""
        return self.nodes(links[["from_node", "to_node"]].to_numpy().ravel())

    def near_nodes(
        self, lon: float, lat: float, kinds: Collection[str] | None, most: int = 1
    ) -> list[tuple[str, str, float]]:
        """Return the nearest nodes: id, name, km. None of the kinds: those on ordinary roads."""
        found: list[tuple[str, str, float]] = []
        parts = (self._before, self.added)
        usable = [part.nodes["kind"].isin(kinds) for part in parts] if kinds else self._on_roads
        for part, chosen in zip(parts, usable, strict=True):
            at = np.flatnonzero(chosen)
            off = np.hypot(*((part.lonlat[at] - [lon, lat]) * [np.cos(np.radians(lat)), 1.0]).T)
            best = at[np.argsort(off, kind="stable")[:most]]
            km = straight_km(lon, lat, *part.lonlat[best].T)
            names = part.nodes["name_zh"].array[best]
            found += zip(part.nodes.index[best].astype(str), names, km.tolist(), strict=True)
        return sorted(found, key=lambda node: node[2])[:most]

    @property
    def _on_roads(self) -> tuple[np.ndarray, np.ndarray]:
        """Which nodes, of those that were there and of those that came, are on ordinary roads."""
        old, new = self._before, self.added
        marks = np.zeros(len(old.nodes), dtype=bool), np.zeros(len(new.nodes), dtype=bool)
        there = (old.levels == SURFACE) & ~self._gone
        for side in old.ends:
            marks[0][side[there]] = True
        ends = new.links.loc[new.levels == SURFACE, ["from_node", "to_node"]].to_numpy().ravel()
        for mark, nodes in zip(marks, (old.nodes, new.nodes), strict=True):
            at = nodes.index.get_indexer(ends)
            mark[at[at >= 0]] = True
        return marks

    def free_id(self, stem: str) -> str:
        """Return the first of ``<stem>-0001``… that no link and no node has."""
        number = 1
        while self.has_link(f"{stem}-{number:04d}") or self.has_node(f"{stem}-{number:04d}"):
            number += 1
        return f"{stem}-{number:04d}"

    def turns_of(self, link_ids: Collection[str]) -> int:
        """Return how many turn restrictions that count speak of some links."""
        table = self._restrictions[named(self._restrictions, link_ids)]
        return len(replace(self.network(), restrictions=table).turns) if len(table) else 0

    # Changing it

    def put_node(self, node: str, **columns: Any) -> str:
        """Put a node in and return its id."""
        self._new_nodes[node] = columns
        return node

    def put_link(self, link_id: str, columns: Mapping[str, Any]) -> None:
        """Put a link in."""
        self._new_links[link_id] = columns

    def replace_links(self, link_ids: Sequence[str], new: gpd.GeoDataFrame | None = None) -> None:
        """Take links out, and put others in."""
        added = self.added
        links = added.links[~added.links.index.isin(list(link_ids))]
        at = self._before.links.index.get_indexer(list(link_ids))
        self._gone[at[at >= 0]] = True
        if new is not None:
            links = joined(links, new, "link_id")
        self._added = Network(added.nodes, links)

    def cut_link(self, link_id: str, halves: gpd.GeoDataFrame) -> None:
        """Put two halves in the place of a link; its turn restrictions go on for them."""
        self.replace_links([link_id], halves)
        self._restrictions = followed(self._restrictions, link_id, halves)

    def network(self) -> Network:
        """Return the network as it stands, without the nodes whose links all went."""
        before, added = self._before, self.added
        kept = np.flatnonzero(~self._gone)
        ends = added.links[["from_node", "to_node"]].to_numpy().T
        at = np.array([before.nodes.index.get_indexer(side) for side in ends])
        old_nodes = self._nodes_kept(kept, at)
        new = np.flatnonzero(added.nodes.index.isin(ends.ravel()))
        network = replace(
            before,
            nodes=joined(_rows(before.nodes, old_nodes), added.nodes.iloc[new], "node_id"),
            links=joined(_rows(before.links, kept), added.links, "link_id"),
            restrictions=self._restrictions,
            # What is made of an edited network would push out what is kept beside the file.
            file=None,
        )
        network.kept[Lineage] = Lineage(
            weakref.ref(before),
            np.append(kept, np.full(len(added.links), -1)),
            np.append(old_nodes, np.full(len(new), -1)),
        )
        # What is known of the rows need not be looked up in the new tables.
        place = np.full(len(before.nodes) + 1, -1)
        place[old_nodes] = np.arange(len(old_nodes))
        among_new = [added.nodes.index[new].get_indexer(side) + len(old_nodes) for side in ends]
        network.__dict__.update(
            ends=tuple(
                np.append(place[old[kept]], np.where(mine >= 0, place[mine], others))
                for old, mine, others in zip(before.ends, at, among_new, strict=True)
            ),
            levels=np.append(before.levels[kept], added.levels),
            lonlat=np.concatenate([before.lonlat[old_nodes], added.lonlat[new]]),
        )
        return network

    def _nodes_kept(self, links: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return the nodes that were there and stay: all but those whose links all went."""
        lost, used = (np.zeros(len(self._before.nodes) + 1, dtype=bool) for _ in range(2))
        for side in self._before.ends:
            lost[side[self._gone]] = True
            used[side[links]] = True
        used[ends] = True
        return np.flatnonzero((used | ~lost)[:-1])


def _frame(rows: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index")


def _rows(table: gpd.GeoDataFrame, kept: np.ndarray) -> gpd.GeoDataFrame:
    return table if len(kept) == len(table) else table.iloc[kept]


def joined(first: gpd.GeoDataFrame, second: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """Return two tables of nodes or links as one, its index called `name`."""
    if not len(first) or not len(second):
        return (first if len(first) else second).rename_axis(name)
    whole = pd.concat([first, second]).rename_axis(name)
    return gpd.GeoDataFrame(whole, geometry="geometry", crs=4326)


def part_basis(basis: str) -> str:
    """Return what the length of a part of a link rests on, given that of the whole.

    A published total is shared out; what was measured or estimated stays what it is.
    """
    return "pro_rata" if basis == "published" else basis
