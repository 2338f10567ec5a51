"""A network while it is being edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import geopandas as gpd
import pandas as pd

from spatialplan import places
from spatialplan.network import Network, as_links, as_nodes
from spatialplan.turns import followed

__all__ = ["Draft", "ends_of", "joined", "part_basis"]


class Draft:
    """A network being edited; additions wait in lists until somebody needs the tables."""

    def __init__(self, network: Network, gazetteer: places.Gazetteer, snap_km: float) -> None:
        self.gazetteer = gazetteer
        self.snap_km = snap_km
        self.nothing, self.nowhere = network.links.iloc[:0], network.nodes.iloc[:0]
        self._network = network
        self._new_nodes: dict[str, dict[str, Any]] = {}
        self._new_links: dict[str, dict[str, Any]] = {}
        self._looked_up_in: gpd.GeoDataFrame | None = None
        self._looked_up: dict[str, dict[str, Any]] = {}

    def network(self) -> Network:
        """Return the network as it stands."""
        if self._new_nodes or self._new_links:
            old = self._network
            nodes, links = old.nodes, old.links
            if self._new_nodes:
                frame = pd.DataFrame.from_dict(self._new_nodes, orient="index")
                nodes = joined(nodes, as_nodes(frame), "node_id")
            if self._new_links:
                frame = pd.DataFrame.from_dict(self._new_links, orient="index")
                links = joined(links, as_links(frame), "link_id")
            self._network = replace(old, nodes=nodes, links=links)
            self._new_nodes, self._new_links = {}, {}
        return self._network

    def finished(self) -> Network:
        """Return the network without the nodes that no link uses."""
        network = self.network()
        used = pd.unique(network.links[["from_node", "to_node"]].to_numpy().ravel())
        kept = network.nodes.index.isin(used)
        if kept.all():
            return network
        return replace(network, nodes=network.nodes[kept])

    def replace_links(self, link_ids: Sequence[str], new: gpd.GeoDataFrame | None = None) -> None:
        """Take links out, and put others in."""
        old = self.network()
        links = old.links.drop(index=list(link_ids))
        if new is not None:
            links = joined(links, new, "link_id")
        self._network = replace(old, links=links)

    def cut_link(self, link_id: str, halves: gpd.GeoDataFrame) -> None:
        """Put two halves in the place of a link; its turn restrictions go on for them."""
        self.replace_links([link_id], halves)
        turned = followed(self._network.restrictions, link_id, halves)
        self._network = replace(self._network, restrictions=turned)

    def has_node(self, node: str) -> bool:
        """Say whether there is a node of this id."""
        return node in self._new_nodes or node in self._network.nodes.index

    def node_of(self, place_id: str) -> str | None:
        """Return the node that stands for a place, if there is one."""
        return place_id if self.has_node(place_id) else self._network.node_of(place_id)

    def node(self, node: str) -> Mapping[str, Any]:
        """Return the columns of a node."""
        if node in self._new_nodes:
            return self._new_nodes[node]
        nodes = self._network.nodes
        if self._looked_up_in is not nodes:
            self._looked_up_in, self._looked_up = nodes, {}
        if node not in self._looked_up:
            row = nodes.index.get_loc(node)
            columns = ("kind", "name_zh", "geometry")
            self._looked_up[node] = {name: nodes[name].array[row] for name in columns}
        return self._looked_up[node]

    def put_node(self, node: str, **columns: Any) -> str:
        """Put a node in and return its id."""
        self._new_nodes[node] = columns
        return node

    def put_link(self, link_id: str, columns: dict[str, Any]) -> None:
        """Put a link in."""
        self._new_links[link_id] = columns

    def has_link(self, link_id: str) -> bool:
        """Say whether there is a link of this id."""
        return link_id in self._new_links or link_id in self._network.links.index

    def free_id(self, stem: str) -> str:
        """Return the first of ``<stem>-0001``… that no link and no node has."""
        number = 1
        while self.has_link(f"{stem}-{number:04d}") or self.has_node(f"{stem}-{number:04d}"):
            number += 1
        return f"{stem}-{number:04d}"


def joined(first: gpd.GeoDataFrame, second: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """Return two tables of nodes or links as one, its index called `name`."""
    whole = pd.concat([first, second]).rename_axis(name)
    return gpd.GeoDataFrame(whole, geometry="geometry", crs=4326)


def part_basis(basis: str) -> str:
    """Return what the length of a part of a link rests on, given that of the whole.

    A published total is shared out; what was measured or estimated stays what it is.
    """
    return "pro_rata" if basis == "published" else basis


def ends_of(network: Network, links: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the nodes that some links join."""
    ends = pd.unique(links[["from_node", "to_node"]].to_numpy().ravel())
    return network.nodes[network.nodes.index.isin(ends)]
