"""Tying the places of plans to an imported network, by name and by position.

A tied node carries the place's id, so that targets start there and the projects of a plan, which
name places, end there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan.draft import joined, part_basis
from spatialplan.errors import Fault, InputError, collect
from spatialplan.files import atomic_path
from spatialplan.geodesy import part, point_at, straight_km
from spatialplan.network import EXPRESSWAY, RAIL, SURFACE, Network, as_links, as_nodes
from spatialplan.places import SEAT_KINDS, TOWN_KINDS, Gazetteer, read_table
from spatialplan.turns import followed

__all__ = ["Tied", "known_places", "read_overrides", "tie"]

LIMIT_KM = 2.0  # a place known to a kilometre lies within two of its road
ACCURACIES = 2.0  # or within twice its own accuracy
NAME_KM = 5.0  # two towns of one name lie farther apart
NODE_BONUS_KM = 0.3  # rather an existing node than a cut this much nearer
SHORTEST_KM = 0.05
GATE_KINDS = ("interchange", "junction", "station", "border")
# Kinds of places that OpenStreetMap knows as places too.
SETTLED = (*SEAT_KINDS, *TOWN_KINDS, "district")
# What a name may end in without meaning another place.
_ENDINGS = re.compile(
    r"(自治县|县城|县|市|区|镇|乡|街道|互通立交|互通|枢纽立交|枢纽|收费站|火车站|站|立交)$"
)
HOW = {
    "id": ("编号相同", "same id"),
    "override": ("人工指定", "given by hand"),
    "name": ("名称相同", "same name"),
    "position": ("最近节点", "nearest node"),
    "split": ("在路段上新设节点", "a new node on a link"),
    "shared": ("节点已归他处", "the node is another place's"),
    "far": ("太远,未关联", "too far, not tied"),
}
_COLUMNS = ["place_id", "name_zh", "kind", "node_id", "km", "how", "matched"]


@dataclass(frozen=True)
class Tied:
    """The network with place ids as node ids, and how each place was tied.

    `table` has columns ``place_id, name_zh, kind, node_id`` (what the node was called, empty
    when not tied), ``km`` (from the place's position to the node), ``how`` (a key of `HOW`) and
    ``matched`` (the name found in the network, where one was).
    """

    network: Network
    table: pd.DataFrame

    def lines(self, more: int = 0) -> list[str]:
        """Return a summary as lines of text.

        Every place that is far or not tied is named, and so many `more` that were tied now.
        """
        counts = self.table["how"].value_counts()
        parts = [f"{HOW[how][0]} {HOW[how][1]} {n}" for how, n in counts.items()]
        lines = [f"规划地点关联 places tied: {'、'.join(parts)}"] if parts else []
        nothing = np.isinf(self.table["km"].astype(float))
        if nothing.any():
            names = "、".join(self.table["name_zh"][nothing].iloc[:3])
            zh = f"路网中没有可关联的互通、枢纽、车站或道路:{nothing.sum()} 处"
            lines.append(f"  {zh},如 {names} no node of their kind in the network")
        odd = (self.table["how"].isin(["far", "shared"])) | (self.table["km"] > 1.0)
        odd &= ~nothing
        usual = self.table[~odd & ~nothing & (self.table["how"] != "id")]
        for row in pd.concat([self.table[odd], usual.iloc[:more]]).itertuples():
            node = f" → {row.node_id}" if row.node_id else ""
            how = " ".join(HOW[row.how])
            lines.append(f"  {row.name_zh}({row.place_id}){node}: {how},{row.km:.1f} km")
        if 0 < more < len(usual):
            lines.append(f"  …另有 and {len(usual) - more} 处(--format json 列出全部 lists all)")
        return lines

    def write(self, path: str | Path) -> None:
        """Write the table as CSV that Excel opens; edited, it can be given as overrides."""
        with atomic_path(path) as temporary:
            self.table.round({"km": 3}).to_csv(temporary, index=False, encoding="utf-8-sig")


def read_overrides(path: str | Path) -> dict[str, str]:
    """Read a CSV with columns ``place_id, node_id``; an empty node means: tie it to nothing.

    Of a table that `Tied.write` wrote, only the rows whose ``how`` is ``override`` count.

    Raises
    ------
    InputError
        When columns are missing, or a place is named twice.
    """
    frame = read_table(path)
    missing = [name for name in ("place_id", "node_id") if name not in frame]
    if missing:
        raise InputError.of(
            path, f"缺少列 {'、'.join(missing)}", f"columns missing: {', '.join(missing)}"
        )
    if "how" in frame:
        frame = frame[frame["how"] == "override"]
    collect(
        Fault(f"{path} 第{row + 2}行", f"地点 {name} 重复", "the place is named twice")
        for row, name in frame["place_id"][frame["place_id"].duplicated()].items()
    )
    return dict(zip(frame["place_id"], frame["node_id"], strict=True))


def known_places(gazetteer: Gazetteer, more: gpd.GeoDataFrame) -> Gazetteer:
    """Return a gazetteer with the places that came with a network.

    One that has the name of a place nearby is that place, and says where it is; the others are
    minor: a name means them only when the gazetteer has none of that name.
    """
    if more.empty:
        return gazetteer
    spots = _spots_by_name(more)
    table = gazetteer.table
    moved: dict[str, dict] = {}
    same: set[str] = set()
    settled = table[table["kind"].isin(SETTLED)]
    for place_id, row in zip(settled.index, settled.to_dict("records"), strict=True):
        found = _nearest_of_name(row, spots, NAME_KM)
        same |= {spot.place_id for _, spot in found}
        if found and found[0][1].accuracy_m <= (row["accuracy_m"] or np.inf):
            spot = found[0][1]
            better = {"lon": spot.lon, "lat": spot.lat, "accuracy_m": spot.accuracy_m}
            moved[place_id] = row | better | {"confidence": spot.confidence}
    others = more[~more.index.isin(same | set(table.index))]
    rows = pd.concat([pd.DataFrame.from_dict(moved, orient="index"), pd.DataFrame(others)])
    return gazetteer.with_rows(rows.drop(columns="geometry"), minor=others.index)


@dataclass(frozen=True)
class _Spot:
    """Where a place of a network is."""

    place_id: str
    name_zh: str
    lon: float
    lat: float
    accuracy_m: float
    confidence: str


def _spots_by_name(named: gpd.GeoDataFrame) -> dict[str, list[_Spot]]:
    found: dict[str, list[_Spot]] = {}
    for row in named.itertuples():
        spot = _Spot(
            str(row.Index),
            row.name_zh,
            row.geometry.x,
            row.geometry.y,
            float(getattr(row, "accuracy_m", 0.0)),
            str(getattr(row, "confidence", "M")),
        )
        names = {_stem(name) for name in (row.name_zh, *_aliases(row))}
        for name in names - {""}:
            found.setdefault(name, []).append(spot)
    return found


def _aliases(row: Any) -> list[str]:
    return str(getattr(row, "aliases", "")).split(";")


def _nearest_of_name(
    place: Mapping, spots: Mapping[str, list[_Spot]], reach: float
) -> list[tuple[float, _Spot]]:
    """Return the spots within reach that have a name of a place, nearest first, with their km."""
    named = {spot for name in _stems(place) for spot in spots.get(name, ())}
    km = [(float(straight_km(place["lon"], place["lat"], s.lon, s.lat)), s) for s in named]
    return sorted((item for item in km if item[0] <= reach), key=lambda item: item[0])


def tie(
    network: Network,
    gazetteer: Gazetteer,
    *,
    overrides: Mapping[str, str] | None = None,
    limit_km: float = LIMIT_KM,
) -> Tied:
    """Return the network with the places of a gazetteer as nodes.

    Where a place that came with the network has the name of a place nearby, its position goes
    before the gazetteer's.

    Parameters
    ----------
    gazetteer
        Its places within the network's extent are tied.
    overrides
        Node ids by place id, as `read_overrides` gives them.
    limit_km
        The farthest that a place may lie from its node; twice its own accuracy, if more.

    Raises
    ------
    InputError
        With one fault for each override that names an unknown place or node.

    Notes
    -----
    Towns meet ordinary roads: the nearest node, or a new one where the nearest link is more than
    300 m nearer. Interchanges, junctions and stations meet nodes of their kind, first by name.
    """
    table = gazetteer.table
    given = dict(overrides or {})
    collect(_override_faults(given, table.index, network))
    network = _released(network, [p for p, node in given.items() if node != p])
    west, south, east, north = network.links.total_bounds
    margin = max(limit_km, NAME_KM) / 80.0  # km in a degree of longitude, at the least
    inside = table["lon"].between(west - margin, east + margin)
    inside &= table["lat"].between(south - margin, north + margin)
    chosen = table[inside | table.index.isin(given)]
    finder = _Finder(network, limit_km, [*chosen.index, *given.values()])
    ties = [
        finder.found(place_id, row, given.get(place_id))
        for place_id, row in zip(chosen.index, chosen.to_dict("records"), strict=True)
    ]
    return _applied(network, ties, chosen)


def _override_faults(
    given: Mapping[str, str], places: pd.Index, network: Network
) -> Iterable[Fault]:
    for place_id, node in given.items():
        if place_id not in places:
            yield Fault(f"--ties {place_id}", "没有这个地点", "no such place")
        if node and node not in network.nodes.index:
            yield Fault(f"--ties {place_id}", f"路网中没有节点 {node}", "no such node")


def _released(network: Network, place_ids: Iterable[str]) -> Network:
    """Return the network with the nodes of some places nameless again: they go elsewhere."""
    names = {p: f"{p}@before" for p in place_ids if p in network.nodes.index}
    if not names:
        return network
    nodes = network.nodes.copy()
    plain = nodes.index.isin(list(names))
    nodes.loc[plain, ["place_id", "name_zh"]] = ""
    nodes.loc[plain & ~nodes["kind"].isin(GATE_KINDS), "kind"] = "node"
    return _renamed(network.like(nodes=nodes), names)


def _renamed(network: Network, names: Mapping[str, str]) -> Network:
    """Return a network with other ids for some nodes, in all its tables."""
    ids = pd.Index(_put(network.nodes.index.to_series(), names), name="node_id")
    ends = {end: _put(network.links[end], names) for end in ("from_node", "to_node")}
    via = _put(network.restrictions["via_node"], names)
    return network.like(
        nodes=network.nodes.set_axis(ids),
        links=network.links.assign(**ends),
        restrictions=network.restrictions.assign(via_node=via),
    )


def _put(column: pd.Series, values: Mapping[str, str], keys: pd.Index | None = None) -> pd.Series:
    """Return a column with some values put in by key; what a row has already is its key.

    The other rows, of a million perhaps, are left alone.
    """
    keys = pd.Index(column) if keys is None else keys
    chosen = np.flatnonzero(keys.isin(list(values)))
    found = column.copy()
    found.iloc[chosen] = [values[key] for key in keys[chosen]]
    return found


@dataclass(frozen=True)
class _Tie:
    """Where one place goes: to a node, or to a fraction of a link (by position)."""

    place_id: str
    km: float
    how: str
    node: str = ""
    matched: str = ""
    link: int = -1
    fraction: float = 0.0


class _Nearest:
    """Some nodes of a network, for finding the nearest one."""

    def __init__(self, lonlat: np.ndarray, chosen: np.ndarray) -> None:
        from scipy.spatial import cKDTree

        self.nodes = np.flatnonzero(chosen)
        self.lonlat = lonlat[self.nodes]
        middle = self.lonlat[:, 1].mean() if len(self.nodes) else 0.0
        # Longitudes shrink with the latitude: nearest in the plane is nearest on the ground.
        self.squeeze = np.array([np.cos(np.radians(middle)), 1.0])
        # For the few that are asked for, a tree that is made fast serves best.
        self.tree = cKDTree(self.lonlat * self.squeeze, balanced_tree=False, compact_nodes=False)

    def to(self, lon: float, lat: float) -> tuple[int, float]:
        """Return the nearest node and km to it; -1 and infinity when there is none."""
        if not len(self.nodes):
            return -1, np.inf
        few = self.tree.query(np.array([lon, lat]) * self.squeeze, k=min(4, len(self.nodes)))[1]
        few = np.atleast_1d(few)
        km = straight_km(lon, lat, *self.lonlat[few].T)
        return int(self.nodes[few[km.argmin()]]), float(km.min())


class _Finder:
    """Looks for the nodes of places; `ids` are those of the places and of nodes given by hand."""

    def __init__(self, network: Network, limit_km: float, ids: Iterable[str]) -> None:
        self.network = network
        self.limit_km = limit_km
        index = network.nodes.index
        found = np.flatnonzero(index.isin(list(ids)))
        self.there = dict(zip(index[found], found.tolist(), strict=True))
        kind = network.nodes["kind"]
        fast, surface = network.node_levels(EXPRESSWAY), network.node_levels(SURFACE)
        self.usable = {
            "interchange": fast & surface,
            "junction": fast,
            "border": np.ones(len(kind), dtype=bool),
            "station": (kind == "station").to_numpy() | (network.node_levels(RAIL) & surface),
            "town": surface,
        }
        self._trees: dict[str, _Nearest] = {}
        self.called: dict[str, list[int]] = {}
        names = network.nodes["name_zh"]
        named = np.flatnonzero((names != "").to_numpy())
        for node, name in zip(named.tolist(), names.iloc[named], strict=True):
            self.called.setdefault(_stem(name), []).append(node)
        self.by_name = _spots_by_name(network.places)

    def found(self, place_id: str, place: Mapping, override: str | None) -> _Tie:
        """Return the tie of a place."""
        if override is not None:
            km = self._km(place, override) if override else 0.0
            return _Tie(place_id, km, "override", override)
        if place_id in self.there:
            return _Tie(place_id, self._km(place, place_id), "id", place_id)
        limit = max(self.limit_km, ACCURACIES * float(place["accuracy_m"] or 0) / 1000.0)
        if place["kind"] in GATE_KINDS:
            return self._gate(place_id, place, limit)
        return self._town(place_id, place, limit)

    def _km(self, place: Mapping, node: str) -> float:
        return self._km_to(place, self.there[node])

    def _km_to(self, place: Mapping, node: int) -> float:
        return float(straight_km(place["lon"], place["lat"], *self.network.lonlat[node]))

    def _nearest(self, kind: str, lon: float, lat: float) -> tuple[int, float]:
        """Return the nearest node that is usable for a kind of place, and km to it."""
        if kind not in self._trees:
            self._trees[kind] = _Nearest(self.network.lonlat, self.usable[kind])
        return self._trees[kind].to(lon, lat)

    def _gate(self, place_id: str, place: Mapping, limit: float) -> _Tie:
        """Return the tie of an interchange, junction, station or border point."""
        lon, lat, nodes = place["lon"], place["lat"], self.network.nodes
        usable = self.usable[place["kind"]]
        called = [n for name in _stems(place) for n in self.called.get(name, ()) if usable[n]]
        if called:
            km = straight_km(lon, lat, *self.network.lonlat[called].T)
            node, away = called[int(km.argmin())], float(km.min())
            if away <= max(NAME_KM, limit):
                matched = nodes["name_zh"].iloc[node]
                return _Tie(place_id, away, "name", str(nodes.index[node]), matched)
        node, away = self._nearest(place["kind"], lon, lat)
        if away > limit:
            return _Tie(place_id, away, "far")
        return _Tie(place_id, away, "position", str(nodes.index[node]))

    def _town(self, place_id: str, place: Mapping, limit: float) -> _Tie:
        """Return the tie of a place that ordinary roads serve."""
        lon, lat, matched = self._named_spot(place, limit)
        found = self.network.nearest_link(lon, lat)
        if found is None:
            return _Tie(place_id, np.inf, "far")
        link, fraction, link_km = found
        node, node_km = self._nearest("town", lon, lat)
        how = "name" if matched else "position"
        if min(link_km, node_km) > limit:
            return _Tie(place_id, float(link_km), "far", matched=matched)
        if node_km <= link_km + NODE_BONUS_KM or not 0.001 < fraction < 0.999:
            away, name = self._km_to(place, node), str(self.network.nodes.index[node])
            return _Tie(place_id, away, how, name, matched)
        foot = point_at(self.network.links.geometry.iloc[link], fraction)
        away = float(straight_km(place["lon"], place["lat"], foot.x, foot.y))
        return _Tie(place_id, away, "split", "", matched, link, fraction)

    def _named_spot(self, place: Mapping, limit: float) -> tuple[float, float, str]:
        """Return the position of the imported place of this name nearby, else the place's own."""
        near = _nearest_of_name(place, self.by_name, max(NAME_KM, limit))
        if not near:
            return place["lon"], place["lat"], ""
        spot = near[0][1]
        return spot.lon, spot.lat, spot.name_zh


def _stem(name: object) -> str:
    """Return what a name is without the word for its kind, if two characters are left."""
    text = re.sub(r"\s+", "", str(name)).lower()
    short = _ENDINGS.sub("", text)
    return short if len(short) >= 2 else text


def _stems(place: Mapping) -> set[str]:
    names = [place["name_zh"], place["name_en"], *str(place.get("aliases", "")).split(";")]
    return {_stem(name) for name in names} - {""}


def _applied(network: Network, ties: list[_Tie], places: gpd.GeoDataFrame) -> Tied:
    """Return the network with nodes renamed, links cut, and the table of ties."""
    network, ties = _with_cuts(network, ties)
    taken: dict[str, str] = {}
    shared: list[_Tie] = []
    final: list[_Tie] = []
    for found in sorted(ties, key=lambda t: (t.how not in ("override", "id"), t.km)):
        if found.node and found.node not in taken:
            taken[found.node] = found.place_id
        elif found.node:
            shared.append(found)
            final.append(replace(found, how="shared"))
            continue
        final.append(found)
    tied = _with_shared(_renamed(_described(network, taken, places), taken), shared, taken, places)
    rows = {found.place_id: found for found in final}
    table = pd.DataFrame(
        [
            (i, places.at[i, "name_zh"], places.at[i, "kind"], f.node, f.km, f.how, f.matched)
            for i, f in ((t.place_id, rows[t.place_id]) for t in ties)
        ],
        columns=_COLUMNS,
    )
    return Tied(tied, table)


def _described(network: Network, taken: Mapping[str, str], places: gpd.GeoDataFrame) -> Network:
    """Return the network with what is known of the places that took nodes."""
    nodes = network.nodes
    plain = nodes.index[nodes.index.isin(list(taken)) & (nodes["kind"] == "node").to_numpy()]
    columns = {
        name: {node: places.at[p, name] for node, p in taken.items()}
        for name in ("name_zh", "confidence")
    }
    columns["place_id"] = taken
    columns["kind"] = {node: places.at[taken[node], "kind"] for node in plain}
    put = {name: _put(nodes[name], values, nodes.index) for name, values in columns.items()}
    return network.like(nodes=nodes.assign(**put))


def _with_cuts(network: Network, ties: list[_Tie]) -> tuple[Network, list[_Tie]]:
    """Cut links where places lie beside them; the ties then name the new nodes."""
    by_link: dict[int, list[_Tie]] = {}
    for found in ties:
        if found.link >= 0:
            by_link.setdefault(found.link, []).append(found)
    if not by_link:
        return network, ties
    nodes: dict[str, dict] = {}
    pieces: dict[str, dict] = {}
    done: dict[str, _Tie] = {}
    turned = network.restrictions
    for link, group in by_link.items():
        link_id, row = str(network.links.index[link]), network.links.iloc[link]
        cuts: list[tuple[float, str]] = []
        for found in sorted(group, key=lambda t: t.fraction):
            if cuts and (found.fraction - cuts[-1][0]) * row["length_km"] < SHORTEST_KM:
                done[found.place_id] = replace(found, node=cuts[-1][1])
                continue
            node = f"{link_id}@{found.place_id}"
            cuts.append((found.fraction, node))
            spot = point_at(row["geometry"], found.fraction)
            nodes[node] = {"kind": "node", "confidence": row["confidence"], "geometry": spot}
            done[found.place_id] = replace(found, node=node)
        stops = [(0.0, row["from_node"]), *cuts, (1.0, row["to_node"])]
        cut = {
            f"{link_id}-{number}": row.to_dict()
            | {
                "from_node": low[1],
                "to_node": high[1],
                "length_km": row["length_km"] * (high[0] - low[0]),
                "length_basis": part_basis(row["length_basis"]),
                "geometry": part(row["geometry"], low[0], high[0]),
            }
            for number, (low, high) in enumerate(pairwise(stops), start=1)
        }
        pieces |= cut
        turned = followed(turned, link_id, pd.DataFrame.from_dict(cut, orient="index"), keep=False)
    whole = np.ones(len(network.links), dtype=bool)
    whole[list(by_link)] = False
    rest = replace(network, links=network.links[whole], restrictions=turned)
    changed = _joined(rest, nodes, pieces)
    return changed, [done.get(found.place_id, found) for found in ties]


def _with_shared(
    network: Network, shared: list[_Tie], taken: Mapping[str, str], places: gpd.GeoDataFrame
) -> Network:
    """Give towns whose node is another place's a node of their own beside it."""
    new_nodes, new_links = {}, {}
    for found in shared:
        place = places.loc[found.place_id]
        if place["kind"] in GATE_KINDS:
            continue
        other = taken[found.node]
        spot = network.nodes.geometry[other]
        km = float(straight_km(place["lon"], place["lat"], spot.x, spot.y))
        new_nodes[found.place_id] = {
            "kind": place["kind"],
            "place_id": found.place_id,
            "name_zh": place["name_zh"],
            "confidence": place["confidence"],
            "geometry": place["geometry"],
        }
        new_links[f"tie-{found.place_id}"] = {
            "from_node": found.place_id,
            "to_node": other,
            "mode": "road",
            "class": "access",
            "length_km": max(km, SHORTEST_KM),
            "length_basis": "estimate",
            "source": "地点关联 tie of a place",
            "confidence": "L",
            "geometry": shapely.LineString([place["geometry"], spot]),
        }
    return _joined(network, new_nodes, new_links)


def _joined(network: Network, nodes: Mapping[str, dict], links: Mapping[str, dict]) -> Network:
    """Return the network with more nodes and links, given their columns by id."""
    if not nodes:
        return network
    more_nodes = as_nodes(pd.DataFrame.from_dict(nodes, orient="index"))
    more_links = as_links(pd.DataFrame.from_dict(links, orient="index"))
    return replace(
        network,
        nodes=joined(network.nodes, more_nodes, "node_id"),
        links=joined(network.links, more_links, "link_id"),
    )
