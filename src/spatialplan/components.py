"""The connected parts of an imported network, and what its nodes are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from spatialplan.network import EXPRESSWAY, SURFACE, Network

__all__ = ["Part", "labels", "main_parts", "part_lines", "with_kinds"]

SMALLEST_SHARE = 0.01  # parts shorter than this share of the longest are left out
KEEP = ("main", "largest", "all")


@dataclass(frozen=True)
class Part:
    """A connected part: of roads (with ferries) or of railways; nodes, km, whether it stays."""

    mode: str
    nodes: int
    km: float
    kept: bool


def labels(first: np.ndarray, last: np.ndarray, size: int) -> np.ndarray:
    """Return for each of `size` nodes the number of its part, given the ends of links."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = coo_array((np.ones(len(first), dtype=np.int8), (first, last)), shape=(size, size))
    return connected_components(pairs, directed=False)[1]


def main_parts(network: Network, keep: str = "main") -> tuple[Network, list[Part]]:
    """Return the network without its small separate parts, and every part, longest first.

    `keep`: ``main`` leaves out parts shorter than 1 % of the longest, ``largest`` all but the
    longest, ``all`` none. Railways are counted for themselves.
    """
    first, last = network.ends
    rail = (network.links["mode"] == "rail").to_numpy()
    km = network.links["length_km"].to_numpy()
    label = labels(first, last, len(network.nodes))
    count = int(label.max()) + 1 if len(label) else 0
    size = np.bincount(label, minlength=count)
    length = np.bincount(label[first], weights=km, minlength=count)
    # A part with a road is one of roads, even when a station joins a railway to it.
    is_road = np.zeros(count, dtype=bool)
    is_road[label[first[~rail]]] = True
    stays, parts = np.zeros(count, dtype=bool), []
    for mode, chosen in (("road", is_road), ("rail", ~is_road & (length > 0))):
        numbers = np.flatnonzero(chosen)
        numbers = numbers[np.argsort(-length[numbers], kind="stable")]
        for rank, part in enumerate(numbers):
            large = length[part] >= SMALLEST_SHARE * length[numbers[0]]
            stays[part] = keep == "all" or rank == 0 or (keep == "main" and large)
            parts.append(Part(mode, int(size[part]), float(length[part]), bool(stays[part])))
    if stays.all():
        return network, parts
    links = network.links[stays[label[first]]]
    return replace(network, nodes=network.nodes[stays[label]], links=links), parts


def part_lines(parts: list[Part]) -> list[str]:
    """Return a line of text for each mode that has several parts."""
    lines = []
    for mode, name in (("road", "公路 roads"), ("rail", "铁路 railways")):
        found = [part for part in parts if part.mode == mode]
        left = [part for part in found if not part.kept]
        if len(found) < 2:
            continue
        sizes = "、".join(f"{part.nodes} 个节点 nodes {part.km:.0f} km" for part in found[:3])
        text = f"{name}: {len(found)} 个连通部分 parts,最大的 largest: {sizes};"
        text += f"保留 kept {len(found) - len(left)}"
        if left:
            text += f",舍去 left out {len(left)}(共 {sum(part.km for part in left):.1f} km)"
        lines.append(text)
    return lines


def with_kinds(network: Network, gates: Mapping[str, str] | None = None) -> Network:
    """Return the network with its interchanges marked, where expressways meet other roads.

    Nodes where three or more expressway links meet are junctions. `gates` names interchanges
    by node id.
    """
    surface, fast = network.node_levels(SURFACE), network.node_levels(EXPRESSWAY)
    first, last = network.ends
    degree = np.bincount(np.concatenate([first, last]), minlength=len(network.nodes))
    kind = np.where(fast & ~surface & (degree > 2), "junction", network.nodes["kind"])
    kind = np.where(fast & surface, "interchange", kind)
    names = network.nodes["name_zh"].to_numpy()
    if gates:
        found = network.nodes.index.map(gates).fillna("").to_numpy()
        names = np.where(fast & surface & (found != ""), found, names)
    return replace(network, nodes=network.nodes.assign(kind=kind, name_zh=names))
