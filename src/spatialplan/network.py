"""The transport network: nodes and links as a value, its checks, files and directed arcs."""

from __future__ import annotations

import re
import weakref
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import drawing, places
from spatialplan.errors import Fault, InputError, collect, collect_some
from spatialplan.files import HAS_ARROW, data_dir, read_text, write_layers
from spatialplan.geodesy import locate, straight_km
from spatialplan.standards import CLASSES, MODES, RAIL_CLASSES, SpeedProfile

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Arcs", "Lineage", "Network", "builtin", "end_of", "is_date", "read"]

NODE_COLUMNS = ("kind", "place_id", "name_zh", "confidence", "geometry")
LINK_COLUMNS = (
    "from_node",
    "to_node",
    "mode",
    "class",
    "design_speed_kmh",
    "length_km",
    "oneway",
    "ref",
    "name_zh",
    "opened",
    "closed",
    "status",
    "source",
    "confidence",
    "length_basis",
    "project",
    "geometry",
)
RESTRICTION_COLUMNS = (
    "restriction_id",
    "from_link",
    "via_node",
    "to_link",
    "kind",
    "via_links",
    "tag",
    "geometry",
)
RESTRICTION_KINDS = ("no", "only")
VIA = " > "  # between the ids of the links that a restriction goes by way of
PLACE_COLUMNS = (
    *("name_zh", "name_en", "kind", "county", "adcode", "accuracy_m"),
    *("source", "confidence", "aliases", "note"),
)
STATUSES = ("open", "construction", "planned", "proposed")
_TEXT_COLUMNS = tuple(
    name for name in LINK_COLUMNS if name not in ("design_speed_kmh", "length_km", "oneway")
)[:-1]
_DATE = re.compile(r"^\d{4}(-(0[1-9]|1[0-2]))?$")

# The three levels of a node. A road that is no expressway, the expressway and the railway are
# levels of their own, joined by ramps and platforms: so the time of a toll gate or of a wait
# is paid exactly where a trip changes level.
SURFACE, EXPRESSWAY, RAIL = 0, 1, 2
LEVEL_SUFFIX = ("", "@expressway", "@rail")


def end_of(date: str) -> str:
    """Return ``YYYY-MM`` of a date; a bare year means its end."""
    return f"{date}-12" if len(date) == 4 else date


@dataclass(frozen=True)
class Arcs:
    """The network as directed arcs between vertices, in arrays.

    `vertex_node` and `vertex_level` say for each vertex which node (by position) it is and on
    which level; for each arc, `tail` and `head` are vertices, `link` is the position of its
    link or -1 on a ramp or platform, `backward` says that the link is run from its end.
    """

    vertex_node: np.ndarray
    vertex_level: np.ndarray
    tail: np.ndarray
    head: np.ndarray
    minutes: np.ndarray
    km: np.ndarray
    link: np.ndarray
    backward: np.ndarray

    def usable(self, mode: str) -> np.ndarray:
        """Return the arcs of a mode, as numbers.

        ``road`` has no trains, ``rail`` has only trains, ``all`` has both and the platforms
        between them.
        """
        on_rail = self.vertex_level == RAIL
        tail, head = on_rail[self.tail], on_rail[self.head]
        chosen = {"road": ~(tail | head), "rail": tail & head, "all": np.ones_like(tail)}
        return np.flatnonzero(chosen[mode])


def as_restrictions(frame: pd.DataFrame | None = None) -> gpd.GeoDataFrame:
    """Return a table of turn restrictions with all columns, empty text where unknown."""
    frame = pd.DataFrame() if frame is None else frame
    if getattr(frame, "crs", None) is not None:
        frame = frame.to_crs(4326)
    columns = {
        name: as_text(frame[name]) if name in frame else pd.Series("", frame.index, dtype=object)
        for name in RESTRICTION_COLUMNS[:-1]
    }
    points = list(frame["geometry"]) if "geometry" in frame else [None] * len(frame)
    table = pd.DataFrame(columns).reset_index(drop=True)
    return gpd.GeoDataFrame(table, geometry=points, crs=4326)


def as_places(frame: pd.DataFrame | None = None) -> gpd.GeoDataFrame:
    """Return a table of places with the columns of a gazetteer, index ``place_id``."""
    frame = pd.DataFrame(columns=["place_id"]) if frame is None else frame
    if "place_id" in frame:
        frame = frame.set_index("place_id")
    index = pd.Index(frame.index.astype(str), name="place_id", dtype=object)
    points = list(frame["geometry"]) if "geometry" in frame else [None] * len(frame)
    table = gpd.GeoDataFrame(index=index, geometry=points, crs=getattr(frame, "crs", None) or 4326)
    table = table.to_crs(4326)
    for name in PLACE_COLUMNS:
        given = frame[name].set_axis(index) if name in frame else pd.Series("", index, dtype=object)
        table[name] = as_text(given)
    table["adcode"] = pd.to_numeric(table["adcode"], errors="coerce").astype("Int64")
    table["accuracy_m"] = pd.to_numeric(table["accuracy_m"], errors="coerce").astype(float)
    return table.assign(lon=table.geometry.x, lat=table.geometry.y)


@dataclass(frozen=True)
class Network:
    """Places where trips may turn, and the roads and railways between them.

    Parameters
    ----------
    nodes
        Index ``node_id``; columns ``kind, place_id, name_zh, confidence``; points in EPSG:4326.
    links
        Index ``link_id``; columns as in `LINK_COLUMNS`; lines in EPSG:4326 for drawing.
        ``length_km`` is the published or estimated mileage, not the drawn length.
    name
        How results call this network.
    date
        ``YYYY-MM`` for the network of one day; empty for one that holds all years.
    restrictions
        Turn restrictions; columns as in `RESTRICTION_COLUMNS`, points in EPSG:4326. ``kind`` is
        ``no`` (from this link over this node into that link one may not go) or ``only``
        (one may go nowhere else); ``via_links`` names the links between the two, joined by
        `VIA`, when they do not meet: the node is then where the first link ends. Rows about
        links or nodes that are not here are asleep: they count again when an edit is taken
        back.
    places
        The places that came with the network, as the table of a gazetteer; often none.
    file
        The file it was read from, beside which what is made of it may be kept; None when it
        does not come from one.
    """

    nodes: gpd.GeoDataFrame
    links: gpd.GeoDataFrame
    name: str = "network"
    date: str = ""
    restrictions: gpd.GeoDataFrame = field(default_factory=as_restrictions)
    places: gpd.GeoDataFrame = field(default_factory=as_places)
    file: Path | None = None

    def at(self, date: str) -> Network:
        """Return the network of a day (``YYYY`` or ``YYYY-MM``; a bare year means its end).

        A link without a date is there always when it is open, and never when it is not;
        a link that is still being built comes in on the date it is expected.
        """
        return self.part(self.links_at(date), date=end_of(date))

    def links_at(self, date: str) -> np.ndarray:
        """Return which links are there on a day, by the rule of `at`."""
        day = end_of(date)
        opened = self.links["opened"]
        ended = (self.links["closed"] != "") & _is_by(self.links["closed"], day)
        dated = (self.links["status"] == "open") | (opened != "")
        return (_is_by(opened, day) & ~ended & dated).to_numpy()

    def part(self, kept: np.ndarray, *, date: str = "") -> Network:
        """Return the network of some links (a mask), and of the nodes that they use."""
        ends = [side[kept] for side in self.ends]
        used = np.zeros(len(self.nodes) + 1, dtype=bool)
        for side in ends:
            used[side] = True
        used[-1] = False  # where ends are counted that are no node of the network, -1
        number = np.where(used, np.cumsum(used) - 1, -1)
        used = used[:-1]
        if used.all() and kept.all():
            return self.like(date=date)
        found = replace(self, nodes=self.nodes[used], links=self.links[kept], date=date)
        found.__dict__["ends"] = tuple(number[side] for side in ends)
        return found

    def like(self, **changes: Any) -> Network:
        """Return this network with other fields, its rows of nodes and links the same.

        What was found out about the rows, as where links end, is not looked up again.
        """
        known = ("ends", "levels", "lonlat", "_link_trees")
        found = replace(self, **changes)
        found.__dict__.update({key: self.__dict__[key] for key in known if key in self.__dict__})
        return found

    @cached_property
    def kept(self) -> dict[Hashable, Any]:
        """What other modules have found out about this very network, for as long as it lives."""
        return {}

    @property
    def lineage(self) -> Lineage | None:
        """What it has in common with the network that was edited to make it, if one was."""
        return self.kept.get(Lineage)

    def __getstate__(self) -> dict[str, Any]:
        # What is found out from the fields is many times larger, and soon found again.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def turns(self) -> gpd.GeoDataFrame:
        """The turn restrictions that count: their node and their links are here, and meet."""
        from spatialplan import turns

        if self.restrictions.empty:
            return self.restrictions
        return self.restrictions[turns.usable(self, self.restrictions)]

    @cached_property
    def _node_by_place(self) -> dict[str, str]:
        named = (self.nodes["place_id"] != "").to_numpy()
        return dict(zip(self.nodes["place_id"][named], self.nodes.index[named], strict=True))

    def node_of(self, place_id: str | None) -> str | None:
        """Return the node that has this id or stands for this place, or None."""
        if not place_id or place_id in self.nodes.index:
            return place_id or None
        return self._node_by_place.get(place_id)

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions in `nodes` of the first and the last node of each link."""
        index = self.nodes.index
        return tuple(_positions(index, self.links[side]) for side in ("from_node", "to_node"))

    @cached_property
    def lonlat(self) -> np.ndarray:
        """Positions of the nodes in degrees, shape ``(nodes, 2)``; NaN where there is none."""
        points = self.nodes.geometry.to_numpy()
        return np.column_stack([shapely.get_x(points), shapely.get_y(points)])

    @cached_property
    def levels(self) -> np.ndarray:
        """Level of each link: `SURFACE`, `EXPRESSWAY` or `RAIL`."""
        rail = (self.links["mode"] == "rail").to_numpy()
        fast = (self.links["class"] == "expressway").to_numpy()
        return np.where(rail, RAIL, np.where(fast, EXPRESSWAY, SURFACE))

    @cached_property
    def _link_trees(self) -> dict[int, tuple[shapely.STRtree, np.ndarray]]:
        return {}

    def _link_tree(self, level: int) -> tuple[shapely.STRtree, np.ndarray]:
        """Return an index of the lines of the road links of a level, and their positions."""
        if level not in self._link_trees:
            usable = (self.levels == level) & (self.links["mode"] != "walk").to_numpy()
            positions = np.flatnonzero(usable)
            tree = shapely.STRtree(self.links.geometry.to_numpy()[positions])
            self._link_trees[level] = tree, positions
        return self._link_trees[level]

    def nearest_link(
        self, lon: float, lat: float, level: int = SURFACE, without: np.ndarray | None = None
    ) -> tuple[int, float, float] | None:
        """Return the nearest link of a level: its position, the fraction along it, and km to it.

        None when there is no link of this level. By default ordinary roads: nobody enters an
        expressway or a railway between its gates. `without` marks links to be passed over.
        """
        tree, positions = self._link_tree(level)
        usable = None if without is None else ~without[positions]
        if not (len(positions) if usable is None else usable.any()):
            return None
        here = shapely.Point(lon, lat)

        def within(reach: float) -> np.ndarray:
            near = tree.query(here, predicate="dwithin", distance=reach)
            return near if usable is None else near[usable[near]]

        # Longitudes shrink with the latitude: nearest with them squeezed is nearest on the
        # ground. Squeezed, no distance is less than squeeze times what it was; a billionth
        # is for rounding.
        squeeze = np.cos(np.radians(lat))
        reach = float(shapely.distance(tree.geometries[tree.nearest(here)], here))
        while not len(near := within(reach * (1 + 1e-9))):
            reach = 2 * reach + 1e-3
        best = shapely.distance(tree.geometries[near], here).min()
        near = within(best / squeeze * (1 + 1e-9))
        flat = shapely.transform(tree.geometries[near], lambda xy: xy * [squeeze, 1.0])
        away = shapely.distance(flat, shapely.Point(lon * squeeze, lat))
        found = near[away.argmin()]
        fraction, *foot = locate(tree.geometries[found], lon, lat)
        return int(positions[found]), fraction, float(straight_km(lon, lat, *foot))

    def node_levels(self, level: int) -> np.ndarray:
        """Return for each node whether a link of this level ends there."""
        chosen = self.levels == level
        found = np.zeros(len(self.nodes), dtype=bool)
        for side in self.ends:
            found[side[chosen]] = True
        return found

    def arcs(self, profile: SpeedProfile) -> Arcs:
        """Return the directed arcs with their minutes and kilometres under a speed profile."""
        count = len(self.nodes)
        first, last = self.ends
        tail = first + self.levels * count
        head = last + self.levels * count
        km = self.links["length_km"].to_numpy(dtype=float)
        kmh = profile.kmh(
            self.links["class"].to_numpy(), self.links["design_speed_kmh"].to_numpy(dtype=float)
        )
        minutes = km / kmh * 60.0
        position = np.arange(len(self.links))
        both = ~self.links["oneway"].to_numpy(dtype=bool)
        changes = self._level_changes(profile)
        zeros = np.zeros(len(changes[0]))
        tails = np.concatenate([tail, head[both], changes[0]])
        heads = np.concatenate([head, tail[both], changes[1]])
        is_vertex = np.zeros(count * len(LEVEL_SUFFIX), dtype=bool)
        is_vertex[tails] = is_vertex[heads] = True
        used, number = np.flatnonzero(is_vertex), np.cumsum(is_vertex) - 1
        return Arcs(
            vertex_node=used % max(count, 1),
            vertex_level=used // max(count, 1),
            tail=number[tails],
            head=number[heads],
            minutes=np.concatenate([minutes, minutes[both], changes[2]]),
            km=np.concatenate([km, km[both], zeros]),
            link=np.concatenate([position, position[both], zeros.astype(int) - 1]),
            backward=np.repeat([False, True, False], [len(km), both.sum(), len(zeros)]),
        )

    def _level_changes(self, profile: SpeedProfile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return tails, heads and minutes of the arcs up to and down from the other levels."""
        count = len(self.nodes)
        surface = self.node_levels(SURFACE)
        tails, heads, minutes = [], [], []
        times = {
            EXPRESSWAY: (profile.ramp_minutes, profile.ramp_minutes),
            RAIL: (profile.wait_minutes, profile.leave_minutes),
        }
        for level, (up, down) in times.items():
            nodes = np.flatnonzero(surface & self.node_levels(level))
            tails += [nodes, nodes + level * count]
            heads += [nodes + level * count, nodes]
            minutes += [np.full(len(nodes), up), np.full(len(nodes), down)]
        return np.concatenate(tails), np.concatenate(heads), np.concatenate(minutes)

    def to_networkx(self, profile: SpeedProfile, *, turns: bool = True) -> nx.MultiDiGraph:
        """Return the network as a MultiDiGraph with ``minutes`` and ``km`` on each edge.

        Vertices are node ids; the expressway and the rail level of a node are vertices of
        their own, ``<id>@expressway`` and ``<id>@rail``, joined to it by edges whose
        ``link_id`` is empty and whose ``minutes`` are the ramp or the platform time.

        Where turns are restricted, trips end at ``<id>`` as everywhere, but begin at
        ``<id>@start`` and pass by ``<id>#1``, ``<id>#2``…, vertices that remember where one came
        from. ``graph.graph["starts"]`` has the start of each such vertex: from
        ``starts.get(origin, origin)`` to any vertex networkx's own searches keep to the
        restrictions.

        Parameters
        ----------
        turns
            False: without turn restrictions, a vertex can be left by every edge.
        """
        import networkx as nx

        from spatialplan.turns import restricted

        arcs = restricted(self, self.arcs(profile)) if turns else self.arcs(profile)
        node, level = arcs.vertex_node, arcs.vertex_level
        same = pd.Series(level * len(self.nodes) + node)
        number, split = same.groupby(same).cumcount().tolist(), same.duplicated(keep=False)
        ids, suffix = self.nodes.index[node], [LEVEL_SUFFIX[i] for i in level]
        ends = [f"{node_id}{end}" for node_id, end in zip(ids, suffix, strict=True)]
        names = [
            f"{ids[i]}{f'#{number[i]}' if number[i] else '@start'}{suffix[i]}" if many else ends[i]
            for i, many in enumerate(split)
        ]
        through = [(names[i], ends[i]) for i in np.flatnonzero(split)]
        starts = {end: name for name, end in reversed(through)}  # the first stays
        graph = nx.MultiDiGraph(name=self.name, date=self.date, profile=profile.id, starts=starts)
        points = self.nodes.geometry.get_coordinates().to_numpy()[node].tolist()
        for called in (names, ends):
            for name, node_id, (x, y) in zip(called, ids, points, strict=True):
                graph.add_node(name, node_id=node_id, x=x, y=y)
        links = self.links.index.to_numpy()
        for row in range(len(arcs.tail)):
            link = arcs.link[row]
            graph.add_edge(
                names[arcs.tail[row]],
                names[arcs.head[row]],
                link_id=links[link] if link >= 0 else "",
                minutes=float(arcs.minutes[row]),
                km=float(arcs.km[row]),
            )
        graph.add_edges_from(through, link_id="", minutes=0.0, km=0.0)
        return graph

    def components(self, modes: Sequence[str] = ("road",)) -> np.ndarray:
        """Return how many nodes each connected part of some modes has, the largest first."""
        from spatialplan.components import labels

        chosen = self.links["mode"].isin(modes).to_numpy()
        first, last = (side[chosen] for side in self.ends)
        used = np.zeros(len(self.nodes), dtype=bool)
        used[first] = used[last] = True
        sizes = np.bincount(labels(first, last, len(used))[used])
        return np.sort(sizes[sizes > 0])[::-1]

    def faults(self, where: str = "") -> list[Fault]:
        """Return what is wrong with the tables: missing nodes, lengths, classes, positions."""
        found: list[Fault] = []
        for link_id, row in self._suspect_links().iterrows():
            found += _link_faults(f"{where} {link_id}".strip(), row, self.nodes.index)
        there = (np.abs(self.lonlat) <= [180, 90]).all(axis=1)
        found += [
            Fault(
                f"{where} {node}".strip(),
                "节点没有有效坐标;请补上经纬度",
                "the node has no valid position; give longitude and latitude",
            )
            for node in self.nodes.index[~there]
        ]
        return found

    def _suspect_links(self) -> gpd.GeoDataFrame:
        """Return the links that some quick test finds odd (all tests are repeated singly)."""
        links = self.links
        first, last = self.ends
        dates = {*links["opened"].unique(), *links["closed"].unique()}
        wrong_dates = [date for date in dates if not is_date(date)]
        lines = links.geometry.to_numpy()
        good = (
            links["mode"].isin(MODES)
            & links["class"].isin(list(CLASSES))
            & links["status"].isin(STATUSES)
            & (links["length_km"] > 0)
            & np.isfinite(links["length_km"])
            & ~(links["design_speed_kmh"] <= 0)
            & ~(links["design_speed_kmh"] > 400)
            & (first >= 0)
            & (last >= 0)
            & ((links["mode"] == "rail") == links["class"].isin(list(RAIL_CLASSES)))
            & ~links["opened"].isin(wrong_dates)
            & ~links["closed"].isin(wrong_dates)
            & (shapely.get_type_id(lines) == shapely.GeometryType.LINESTRING)
            & ~shapely.is_empty(lines)
            & _on_earth(lines)
        )
        return links[~good.to_numpy()]

    @property
    def attribution(self) -> str:
        """What the licences of the sources ask to be said: those that begin with ©."""
        return "; ".join(text for text in self.links["source"].unique() if text.startswith("©"))

    def layers(self) -> dict[str, gpd.GeoDataFrame]:
        """Return the tables that a file holds: nodes, links; turn restrictions, places if any."""
        found = {"nodes": self.nodes.reset_index(), "links": self.links.reset_index()}
        if not self.turns.empty:
            found["restrictions"] = self.turns
        if not self.places.empty:
            found["places"] = self.places.reset_index()
        return found

    def write(self, path: str | Path) -> None:
        """Write the layers: GeoPackage (EPSG:4490) or GeoJSON (WGS84), with the attribution."""
        write_layers(path, self.layers(), self.attribution)


@dataclass(frozen=True)
class Lineage:
    """What a network has in common with the one that was edited to make it.

    Parameters
    ----------
    origin
        The network that was edited, as long as anybody else has a use for it.
    links, nodes
        For each link and node of the new network its position in the old one, -1 where it is
        new. Those that were there come first, in the same order.
    """

    origin: weakref.ref[Network]
    links: np.ndarray
    nodes: np.ndarray


def _on_earth(lines: np.ndarray) -> np.ndarray:
    """Return which lines have no coordinate that is no number, or no degree."""
    xy, line = shapely.get_coordinates(lines, return_index=True)
    wrong = ~(np.abs(xy) <= [180.0, 90.0]).all(axis=1)
    good = np.ones(len(lines), dtype=bool)
    good[line[wrong]] = False
    return good


def _positions(index: pd.Index, ids: pd.Series) -> np.ndarray:
    """Return where ids are in an index; -1 for those that are not there."""
    if getattr(index.dtype, "storage", "") != "pyarrow" or ids.dtype != index.dtype:
        return index.get_indexer(ids)
    import pyarrow as pa
    import pyarrow.compute as pc

    # In a third of the time, and pandas need not keep a million names for it.
    found = pc.index_in(pa.array(ids.array), value_set=pa.array(index.array))
    return found.fill_null(-1).to_numpy().astype(np.intp)


def _is_by(dates: pd.Series, day: str) -> pd.Series:
    """Return which dates are no later than a day; an empty one is always by then."""
    late = [text for text in dates.unique() if text and end_of(text) > day]
    return ~dates.isin(late)


def is_date(text: str) -> bool:
    """Return whether a text is empty, ``YYYY`` or ``YYYY-MM``."""
    return not text or bool(_DATE.match(text))


def _link_faults(where: str, row: pd.Series, nodes: pd.Index) -> list[Fault]:
    tests = [
        (row["mode"] in MODES, f"方式 {row['mode']} 无效", "mode is none of " + ", ".join(MODES)),
        (
            row["class"] in CLASSES,
            f"等级 {row['class']} 无效;可用 {'、'.join(CLASSES)}",
            "class is none of the known classes",
        ),
        (
            (row["mode"] == "rail") == (row["class"] in RAIL_CLASSES),
            f"方式 {row['mode']} 与等级 {row['class']} 不符",
            "mode and class do not go together",
        ),
        (row["status"] in STATUSES, f"状态 {row['status']} 无效", "status is none of the known"),
        (
            0 < row["length_km"] < np.inf,
            f"长度 {row['length_km']} 无效;应为正的公里数",
            "the length must be a positive number of kilometres",
        ),
        (
            pd.isna(row["design_speed_kmh"]) or 0 < row["design_speed_kmh"] <= 400,
            f"设计速度 {row['design_speed_kmh']} 无效;应在 0 到 400 km/h 之间",
            "the design speed must lie between 0 and 400 km/h",
        ),
    ]
    line = row["geometry"]
    tests.append(
        (
            line is not None and line.geom_type == "LineString" and not line.is_empty,
            "没有线,或不是一条连续的线;请在 QGIS 中补画或拆分",
            "no line, or not one connected line",
        )
    )
    tests.append(
        (
            bool(_on_earth(np.array([line], dtype=object))[0]),
            "线上有坐标不是数(NaN)或不是经纬度;请重画该线或检查坐标系",
            "a coordinate of the line is no number or no degree; draw it anew or check the CRS",
        )
    )
    tests += [
        (
            is_date(row[column]),
            f"{column} 日期 {row[column]} 无效;应为 YYYY 或 YYYY-MM",
            f"{column} must be YYYY or YYYY-MM",
        )
        for column in ("opened", "closed")
    ]
    tests += [
        (
            row[column] in nodes,
            f"{column} 的节点 {row[column]} 不存在;请补节点或改编号",
            f"the node of {column} is not in the node layer",
        )
        for column in ("from_node", "to_node")
    ]
    return [Fault(where, zh, en) for good, zh, en in tests if not good]


def as_links(frame: pd.DataFrame, geometry: list | np.ndarray | None = None) -> gpd.GeoDataFrame:
    """Return a table of links with all columns, their types right, empty text where unknown."""
    frame = frame.copy()
    for column in _TEXT_COLUMNS:
        values = frame[column] if column in frame else pd.Series("", frame.index)
        frame[column] = as_text(values)
    for column in ("design_speed_kmh", "length_km"):
        values = frame[column] if column in frame else pd.Series(np.nan, frame.index)
        frame[column] = pd.to_numeric(values, errors="coerce").astype(float)
    frame["oneway"] = _truth(frame.get("oneway"), frame.index)
    frame["status"] = frame["status"].where(frame["status"] != "", "open")
    lines = frame["geometry"] if geometry is None else geometry
    columns = [name for name in LINK_COLUMNS if name != "geometry"]
    return gpd.GeoDataFrame(frame[columns], geometry=np.asarray(lines, dtype=object), crs=4326)


def as_text(values: pd.Series) -> pd.Series:
    """Return values as text, empty where missing; 2024.0, as files have it, is 2024."""
    if values.dtype == "str":  # as pandas 3 reads text
        return values.fillna("")
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return values.astype(object).where(values.notna(), "").astype(str)


def _truth(values: pd.Series | None, index: pd.Index) -> pd.Series:
    if values is None:
        return pd.Series(False, index)
    return values.astype(str).str.lower().isin(["yes", "true", "1", "1.0"])


def as_nodes(frame: pd.DataFrame) -> gpd.GeoDataFrame:
    """Return a table of nodes with all columns, from one with ``geometry``."""
    frame = pd.DataFrame(frame).copy()
    for column in NODE_COLUMNS[:-1]:
        values = frame[column] if column in frame else pd.Series("", frame.index)
        frame[column] = as_text(values)
    return gpd.GeoDataFrame(frame[list(NODE_COLUMNS)], geometry="geometry", crs=4326)


def nodes_of(gazetteer: places.Gazetteer, place_ids: list[str]) -> gpd.GeoDataFrame:
    """Return places as nodes; the node id is the place id."""
    frame = gazetteer.table.loc[place_ids]
    return as_nodes(frame.assign(place_id=frame.index).rename_axis("node_id"))


@cache
def _read_builtin(folder: Path) -> Network:
    path = folder / "links.csv"
    gazetteer = places.builtin()
    frame = pd.read_csv(StringIO(read_text(path)), dtype=str, keep_default_na=False)
    ends = pd.unique(frame[["from_node", "to_node"]].to_numpy().ravel())
    missing = [
        Fault(
            f"{path} 第{row + 2}行",
            f"节点 {name} 不在 places.csv 中;请补地点或改编号",
            "this node is not in places.csv; add the place or mend the id",
        )
        for column in ("from_node", "to_node")
        for row, name in frame[column].items()
        if name not in gazetteer
    ]
    collect(missing)
    frame = frame.set_index("link_id")
    frame["length_km"] = pd.to_numeric(frame["length_km"], errors="coerce")
    lines = drawing.draw_links(frame, gazetteer.table)
    network = Network(nodes_of(gazetteer, list(ends)), as_links(frame, lines), "builtin")
    collect(network.faults(path.name))
    return network


def builtin() -> Network:
    """Return the built-in network of all years, from Xining to Pingliang."""
    return _read_builtin(data_dir())


def read(path: str | Path) -> Network:
    """Read a network that `Network.write` wrote, or one of the same layers and columns.

    Raises
    ------
    InputError
        When it cannot be read, lacks a layer, a column or a CRS, or its tables have faults.
    """
    path = Path(path)
    nodes, links, turns, towns = _read_layers(path)
    tables = {"nodes": nodes, "links": links, "places": towns}
    for layer, frame in tables.items():
        if frame.empty and layer != "places":
            raise InputError.of(f"{path} {layer}", "图层是空的", "the layer is empty")
        collect(_layer_faults(frame, _NEEDED[layer], f"{path} {layer}"))
    collect_some(_number_faults(links, path.name), path.name)
    nodes, links = _in_degrees(nodes), _in_degrees(links)
    nodes = as_nodes(nodes.assign(node_id=as_text(nodes["node_id"])).set_index("node_id"))
    links = links.assign(link_id=as_text(links["link_id"])).set_index("link_id")
    network = Network(nodes, as_links(links, _single_lines(links)), path.stem)
    turn_faults = _restriction_faults(turns, f"{path.name} restrictions")
    collect_some([*network.faults(path.name), *turn_faults], path.name)
    return network.like(
        links=_turned(network),
        restrictions=as_restrictions(turns),
        places=as_places(towns),
        file=path.absolute(),
    )


_READ = {
    "nodes": ("node_id", *NODE_COLUMNS[:-1]),
    "links": ("link_id", *LINK_COLUMNS[:-1]),
    "restrictions": RESTRICTION_COLUMNS[:-1],
    "places": ("place_id", *PLACE_COLUMNS),
}
# The column of ids comes first.
_NEEDED = {
    "nodes": ("node_id",),
    "links": ("link_id", "from_node", "to_node", "mode", "class", "length_km"),
    "places": ("place_id", "name_zh", "kind"),
}


def _layer_faults(frame: gpd.GeoDataFrame, needed: Sequence[str], where: str) -> Iterator[Fault]:
    """Yield what keeps a layer from being read: columns, CRS, ids used twice, no positions."""
    missing = [name for name in needed if name not in frame]
    if missing and len(frame):
        names = ", ".join(missing)
        yield Fault(where, f"缺少列 {'、'.join(missing)}", f"the layer has no column {names}")
        return
    if frame.crs is None:
        yield Fault(
            where,
            "没有坐标系(CRS);请在 QGIS 中“指定图层坐标系”后重存",
            "no CRS; set the layer's CRS in QGIS and save again",
        )
    if frame.empty:
        return
    ids = frame[needed[0]]
    twice = list(dict.fromkeys(map(str, ids[ids.duplicated()])))
    if twice:
        names = "、".join(twice[:3]) + (f" 等 {len(twice)} 个" if len(twice) > 3 else "")
        yield Fault(where, f"编号重复:{names};请改用不同的编号", "these ids are used twice")
    if needed[0] == "link_id":
        return  # what a link lacks is told with the link
    bare = ids[frame.geometry.isna() | frame.geometry.is_empty]
    if len(bare):
        zh = f"{len(bare)} 个点没有坐标;请补画或删去"
        yield Fault(f"{where} {bare.iloc[0]}", zh, "no position: draw it, or take it out")


def _number_faults(links: gpd.GeoDataFrame, where: str) -> Iterator[Fault]:
    """Yield the numbers that are text."""
    for name in ("length_km", "design_speed_kmh"):
        if name not in links or pd.api.types.is_numeric_dtype(links[name]):
            continue
        given = links[name].replace("", None)
        wrong = given[given.notna() & pd.to_numeric(given, errors="coerce").isna()]
        for link_id, value in zip(links["link_id"][wrong.index], wrong, strict=True):
            yield Fault(f"{where} {link_id}", f"{name} 不是数字:{value}", f"{name} is no number")


def _restriction_faults(table: pd.DataFrame, where: str) -> list[Fault]:
    missing = [name for name in RESTRICTION_COLUMNS[1:5] if name not in table]
    if missing:
        text = f"缺少列 {'、'.join(missing)}", f"columns missing: {', '.join(missing)}"
        return [Fault(where, *text)] if len(table) else []
    return [
        Fault(
            f"{where} 第{row + 1}行",
            f"kind 应是 no(禁止这样转)或 only(只许这样转):{kind}",
            "kind must be no (this turn is forbidden) or only (every other one is)",
        )
        for row, kind in enumerate(table["kind"])
        if kind not in RESTRICTION_KINDS
    ]


def _in_degrees(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return a layer in EPSG:4326, from which CGCS2000 differs less than the data err."""
    if frame.crs == 4490:
        return frame.set_crs(4326, allow_override=True)
    return frame.to_crs(4326)


def _single_lines(links: gpd.GeoDataFrame) -> np.ndarray:
    """Return the lines of links; QGIS likes to save a line as a collection of one."""
    lines = links.geometry.to_numpy()
    many = shapely.get_type_id(lines) == shapely.GeometryType.MULTILINESTRING
    lines[many] = shapely.line_merge(lines[many])
    return lines


def _turned(network: Network) -> gpd.GeoDataFrame:
    """Return the links, each line drawn from its first node to its last."""
    lines = network.links.geometry.to_numpy()
    first, last = (network.lonlat[side] for side in network.ends)
    xy, count = shapely.get_coordinates(lines), shapely.get_num_coordinates(lines)
    after = np.cumsum(count)
    start, end = xy[after - count], xy[after - 1]
    wrong = _apart(start, last) + _apart(end, first) < _apart(start, first) + _apart(end, last)
    if not wrong.any():
        return network.links
    lines[wrong] = shapely.reverse(lines[wrong])
    return network.links.set_geometry(lines)


def _apart(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.hypot(*(some - others).T)


def _read_layers(path: Path) -> list[gpd.GeoDataFrame]:
    """Return nodes, links, turn restrictions and places; the last two may be empty."""
    if not path.is_file():
        raise InputError.of(path, "文件不存在", "no such file")
    try:
        if path.suffix.lower() in (".geojson", ".json"):
            return _parted(gpd.read_file(path))
        there = set(gpd.list_layers(path)["name"]) | {"nodes", "links"}
        empty = {"restrictions": as_restrictions(), "places": as_places().reset_index()}
        return [
            gpd.read_file(path, layer=name, columns=columns, use_arrow=HAS_ARROW)
            if name in there
            else empty[name]
            for name, columns in _READ.items()
        ]
    except InputError:
        raise
    except Exception as error:  # pyogrio raises many kinds
        raise InputError.of(
            path,
            "读不出路网;应是含 nodes 和 links 两个图层的 GeoPackage 或 GeoJSON",
            f"not a network file with layers nodes and links: {str(error).splitlines()[0]}",
        ) from None


def _parted(whole: gpd.GeoDataFrame) -> list[gpd.GeoDataFrame]:
    """Return the tables of a file that holds them in one layer, as `_read_layers` does."""
    lines = whole.geometry.geom_type.isin(["LineString", "MultiLineString"])
    turns = ~lines & whole["via_node"].notna() if "via_node" in whole else lines & False
    rest = ~lines & ~turns
    no_node = whole["node_id"].isna() if {"node_id", "name_en"} <= set(whole) else lines & False
    towns = rest & no_node
    return [whole[chosen] for chosen in (rest & ~towns, lines, turns, towns)]
