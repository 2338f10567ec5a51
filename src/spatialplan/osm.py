"""Networks from OpenStreetMap extracts: roads, ferries, railways, places, turn restrictions.

The file is read once, front to back, by pyosmium; the positions of nodes wait in memory, or for
big files on disk. Ways meet where they share a node, so bridges and tunnels join nothing.
"""

from __future__ import annotations

import math
import sys
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import psutil
import shapely

from spatialplan import tags as tagging
from spatialplan.chains import Chains, Ways, chained
from spatialplan.components import Part, labels, main_parts, part_lines, with_kinds
from spatialplan.errors import InputError
from spatialplan.geodesy import straight_km
from spatialplan.network import SURFACE, Network, as_links, as_nodes
from spatialplan.restrictions import Relations

if TYPE_CHECKING:
    from spatialplan.tags import Rule, Rules

__all__ = ["ATTRIBUTION", "Collector", "Extract", "Report", "read"]

ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"
PLACE_VALUES = ("city", "borough", "suburb", "town", "village", "hamlet")
# A Chinese name says what a place is; OpenStreetMap's value says only how big it looks.
KIND_OF_ENDING = {"街道": "district", "镇": "town", "乡": "township"}
STATION_TO_TRACK_KM = 0.5
STATION_TO_ROAD_KM = 1.5
STATION_DETOUR = 1.3  # a station square is not crossed in a straight line
# The fastest that JTG D20-2017 designs ramps for; between expressways nobody stops to pay.
HUB_RAMP_KMH = 60.0
DISK_INDEX_BYTES = 400_000_000  # files from this size on keep the positions of nodes on disk
MEMORY_EVERY = 100_000  # items of a file between looks at what memory is left
BYTES_PER_WAY = 2_000  # that joining and writing links takes; 1,600 were measured

_RAIL = 1 << 60  # added to the numbers of rail nodes: a level crossing is no station
_KEYS = ("highway", "railway", "route", "place", "barrier", *tagging.TURN_TAGS)


@dataclass
class Report:
    """What an import found, took and left, to be told to the user."""

    counts: Counter = field(default_factory=Counter)
    parts: list[Part] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the report as lines of text, Chinese with English."""
        c = self.counts
        taken = (
            f"路段 links {c['links']}、节点 nodes {c['nodes']}、{c['km']:.0f} km;"
            f"地点 places {c['places']}、车站 stations {c['stations']}、"
            f"转向限制 turn restrictions {c['restrictions']}"
        )
        lines = [taken]
        lines += [f"{zh} {en}: {c[key]}" for key, (zh, en) in _NOTES.items() if c[key]]
        return lines + part_lines(self.parts)


_NOTES = {
    "skipped": ("按等级规则不用的道路", "ways left out by the class rules"),
    "shut": ("禁止机动车的道路", "ways closed to cars"),
    "twice": ("编号重复的道路,只取一次", "ways of a number that is there already"),
    "absurd": ("限速为零或离谱,当作没有", "absurd speed limits, taken as none"),
    "missing": ("文件中缺坐标的节点", "nodes of ways that the file lacks"),
    "hub_ramps": ("只连高速的匝道,按高速计", "ramps between expressways, now expressway"),
    "stations_off": ("离铁路或公路太远的车站", "stations too far from rail or road"),
    "restrictions_via": (
        "转向限制中,途经路段的(如绕中央分隔带掉头)",
        "of the turn restrictions, by way of roads",
    ),
    "restrictions_hours": (
        "只在部分时段有效的转向限制,未采用",
        "turn restrictions at certain hours, not used",
    ),
    "restrictions_others": (
        "不管小客车的转向限制,未采用",
        "turn restrictions not for cars, not used",
    ),
    "restrictions_off": (
        "成员不全或不明的转向限制,未采用",
        "turn restrictions with members missing or in doubt, not used",
    ),
}


@dataclass(frozen=True)
class Extract:
    """What an extract holds.

    Parameters
    ----------
    network
        Roads, ferries and railways, with turn restrictions and places.
    report
        What was found, taken and left.
    """

    network: Network
    report: Report

    @property
    def places(self) -> gpd.GeoDataFrame:
        """The places: index ``place_id``, columns as in a gazetteer, points in EPSG:4326."""
        return self.network.places

    def write(self, path: str | Path) -> None:
        """Write the layers to a file, with the attribution that the licence asks for.

        Raises
        ------
        InputError
            When the suffix is neither ``.gpkg`` nor ``.geojson``, or the place cannot be written.
        """
        self.network.write(path)


def read(
    path: str | Path,
    *,
    area: shapely.Geometry | None = None,
    rules: Rules | None = None,
    keep: str = "main",
    progress: bool = False,
) -> Extract:
    """Read an OpenStreetMap file (``.osm.pbf``, ``.osm``, ``.osm.gz``, ``.osm.bz2``).

    Parameters
    ----------
    area
        Polygon in EPSG:4326; ways are cut at its edge.
    rules
        The class of each way; the built-in table by default.
    keep
        ``main`` leaves out separate parts shorter than 1 % of the longest, ``largest`` all but
        the longest, ``all`` none.
    progress
        Show on standard error how far it is.

    Raises
    ------
    InputError
        When the file is missing, truncated, no OpenStreetMap file, or holds no road in the area.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError.of(path, "文件不存在", "no such file")
    import osmium

    collector = Collector(rules or tagging.read_rules(), area)
    try:
        _scan(path, collector, progress)
    except osmium.InvalidLocationError as error:
        raise InputError.of(
            path,
            "有节点的坐标不是数,或不在地球上;请改正后再导入",
            f"a node has a coordinate that is no number, or no degree: {error}",
        ) from None
    except InputError:
        raise
    except (RuntimeError, OSError, ValueError) as error:
        raise InputError.of(
            path,
            "读不出 OpenStreetMap 数据:文件可能不完整(请重新下载)或不是 .osm.pbf / .osm",
            f"truncated, or not an OpenStreetMap file: {str(error).splitlines()[0]}",
        ) from None
    return collector.finished(path.stem.removesuffix(".osm"), str(path), keep)


def _scan(path: Path, collector: Collector, progress: bool) -> None:
    import osmium
    from tqdm import tqdm

    with tempfile.TemporaryDirectory(prefix="spatialplan-", ignore_cleanup_errors=True) as folder:
        big = path.stat().st_size >= DISK_INDEX_BYTES
        index = f"sparse_file_array,{Path(folder, 'nodes')}" if big else "flex_mem"
        processor = osmium.FileProcessor(str(path)).with_locations(index)
        processor = processor.with_filter(osmium.filter.KeyFilter(*_KEYS))
        items = tqdm(
            processor,
            desc=f"读取 reading {path.name}",
            unit="",
            delay=1.5,
            leave=False,
            mininterval=0.5,
            file=sys.stderr,
            disable=not progress,
        )
        line, last = _line_reader(osmium), 0
        for number, item in enumerate(items):
            if number % MEMORY_EVERY == 0:
                _check_memory(path, collector.size)
            if item.is_way():
                tags, again, last = dict(item.tags), item.id == last, item.id
                if again:  # of extracts put together, in order
                    collector.counts["twice"] += 1
                elif collector.wants(tags):
                    collector.add_way(item.id, tags, *line(item))
            elif item.is_node():
                location = item.location
                if location.valid():
                    collector.add_node(item.id, location.lon, location.lat, dict(item.tags))
            elif item.tags.get("type") == "restriction":
                members = [(member.type, member.ref, member.role) for member in item.members]
                collector.add_restriction(item.id, dict(item.tags), members)


def _check_memory(path: Path, ways: int) -> None:
    """Stop in time when the links of what was read will not fit into what memory is left."""
    needed, left = ways * BYTES_PER_WAY, psutil.virtual_memory().available
    if needed > left:
        raise InputError.of(
            path,
            f"内存不够:已有 {ways} 条道路,整理约需 {needed / 1e9:.1f} GB,只剩 {left / 1e9:.1f} GB;"
            "请用 --bbox 或 --boundary 只读需要的范围",
            f"too large for this machine: {ways} ways so far need about {needed / 1e9:.1f} GB, "
            f"{left / 1e9:.1f} GB are left; give --bbox or --boundary to read the part you need",
        )


def _line_reader(osmium: Any) -> Any:
    """Return a function that gives the nodes of a way, and their positions."""
    factory, whole = osmium.geom.WKBFactory(), osmium.geom.use_nodes.ALL

    def line(way: Any) -> tuple[list[int], array[float]]:
        nodes = [node.ref for node in way.nodes]
        lonlat = array("d")
        if len(nodes) > 1:
            try:
                # In one go: five times as fast as asking each node. Nine bytes of header.
                lonlat.frombytes(bytes.fromhex(factory.create_linestring(way, whole))[9:])
            except osmium.InvalidLocationError:  # a node that the file lacks
                for node in way.nodes:
                    known = node.location.valid()
                    lonlat.extend((node.lon, node.lat) if known else (np.nan, np.nan))
        return nodes, lonlat

    return line


@dataclass(frozen=True)
class _Point:
    """A place or a station."""

    number: int
    lon: float
    lat: float
    tags: Mapping[str, str]


class Collector:
    """Takes the objects of an extract one by one, then makes the network.

    Also the way in for data that another reader got from OpenStreetMap.
    """

    def __init__(self, rules: Rules, area: shapely.Geometry | None = None) -> None:
        self.rules = rules
        self.area = area
        self._bounds = area.bounds if area is not None else None
        self._rule_keys = rules.keys
        self._known: dict[tuple, Rule | None] = {}
        self._ways = Ways()
        self._places: list[_Point] = []
        self._stations: list[_Point] = []
        self._gates: dict[int, str] = {}
        self._blocked: set[int] = set()
        self._copies: dict[int, int] = {}
        self.counts: Counter = Counter()
        self._relations = Relations(self.counts)

    def add_node(self, number: int, lon: float, lat: float, tags: Mapping[str, str]) -> None:
        """Take a node with tags: a place, a station, an interchange's name, a barrier."""
        point = _Point(number, lon, lat, tags)
        if tags.get("place") in PLACE_VALUES:
            self._places.append(point)
        if _is_station(tags):
            self._stations.append(point)
        if tags.get("highway") == "motorway_junction":
            self._gates[number] = _name(tags) or tags.get("ref", "")
        if "barrier" in tags and tagging.blocks(tags):
            self._blocked.add(number)

    def wants(self, tags: Mapping[str, str]) -> bool:
        """Say whether a way may be of use, before its nodes are read."""
        if _is_station(tags):
            return True
        rule = self._rule(tags)
        if rule is None:
            self.counts["skipped"] += "highway" in tags
            return False
        if rule.mode != "rail" and not tagging.drivable(tags):
            self.counts["shut"] += 1
            return False
        return True

    def _rule(self, tags: Mapping[str, str]) -> Rule | None:
        key = tuple(map(tags.get, self._rule_keys))
        if key not in self._known:
            self._known[key] = self.rules.first(tags)
        return self._known[key]

    @property
    def size(self) -> int:
        """How many ways there are so far."""
        return len(self._ways)

    def add_way(
        self, number: int, tags: Mapping[str, str], nodes: Sequence[int], lonlat: array[float]
    ) -> None:
        """Take a way that `wants` wants: its nodes, and lon, lat of each in one array."""
        if len(nodes) < 2 or not self._near(lonlat):
            return
        if _is_station(tags):
            middle = np.nanmean(np.reshape(lonlat, (-1, 2)), axis=0)
            self._stations.append(_Point(number, float(middle[0]), float(middle[1]), tags))
        rule = self._rule(tags)
        if rule is None:
            return
        rail = rule.mode == "rail"
        speed, absurd = tagging.speed_limit(tags, rule.mode)
        self.counts["absurd"] += absurd
        if rule.mode == "ferry":
            speed = _ferry_kmh(tags, lonlat)
        way = 0 if rail else tagging.oneway(tags, rule.oneway)
        if way < 0:
            nodes, lonlat = nodes[::-1], _reversed(lonlat)
        if rail:
            nodes = [node + _RAIL for node in nodes]
        kind = (rule, way != 0, None if np.isnan(speed) else speed, *_signs(tags))
        if self._blocked.isdisjoint(nodes):
            self._ways.add(number, kind, nodes, lonlat)
        else:
            self._add_in_pieces(number, kind, nodes, lonlat)

    def _add_in_pieces(
        self, number: int, kind: tuple, nodes: Sequence[int], lonlat: array[float]
    ) -> None:
        """Take a way cut at its barriers; each cut end is a copy of the node."""
        cuts = [i for i, node in enumerate(nodes[1:-1], start=1) if node in self._blocked]
        bounds = [0, *cuts, len(nodes) - 1]
        for low, high in pairwise(bounds):
            part = list(nodes[low : high + 1])
            for end in (0, -1):
                if part[end] in self._blocked:
                    copy = -(1 << 61) - len(self._copies)
                    self._copies[copy] = part[end]
                    part[end] = copy
            self._ways.add(number, kind, part, lonlat[2 * low : 2 * high + 2])

    def _near(self, lonlat: array[float]) -> bool:
        if self._bounds is None:
            return True
        lon, lat = lonlat[0::2], lonlat[1::2]
        if any(map(math.isnan, lonlat)):
            lon, lat = ([x for x in side if not math.isnan(x)] for side in (lon, lat))
            if not lon:
                return True  # nobody knows: it is told as lacking
        west, south, east, north = self._bounds
        return min(lon) <= east and max(lon) >= west and min(lat) <= north and max(lat) >= south

    def add_restriction(
        self, number: int, tags: Mapping[str, str], members: Iterable[tuple[str, int, str]]
    ) -> None:
        """Take a turn restriction, see `spatialplan.restrictions`."""
        self._relations.add(number, tags, members)

    def finished(self, name: str, where: str, keep: str = "main") -> Extract:
        """Return the extract; `where` names the file in messages, `keep` as for `read`.

        Raises
        ------
        InputError
            When there is no road.
        """
        tracks = self._station_tracks()
        stops = self._relations.nodes(self._ways) | set(tracks)
        chains = chained(self._ways, area=self.area, keep=stops) if self._ways else None
        if chains is None or not len(chains.line):
            lost = bool(self._ways) and np.isnan(np.asarray(self._ways.lonlat)).all()
            raise _no_positions(where) if lost else _no_roads(where)
        ids = self._node_ids(chains.node)
        links = _with_hubs(_links(chains, self._ways, ids))
        hubs = int((links["rule"] == "hub").sum())
        whole = Network(_nodes(chains, ids), as_links(links), name)
        network, parts = main_parts(whole, keep)
        if not (network.links["mode"] == "road").any():
            raise _no_roads(where)
        gates = {f"n{number}": text for number, text in self._gates.items() if text}
        network, joined = _with_stations(with_kinds(network, gates), tracks)
        known = ids, _link_ids(chains)
        there = set(network.links.index)
        restrictions = self._relations.table(self._ways, chains, known, there)
        towns = _place_table([p for p in self._places if self._inside(p)])
        network = replace(network, restrictions=restrictions, places=towns)
        self.counts.update(
            links=len(network.links),
            nodes=len(network.nodes),
            km=float(network.links["length_km"].sum()),
            places=len(towns),
            stations=joined,
            stations_off=len(self._stations) - joined,
            hub_ramps=hubs,
            missing=int(np.isnan(np.asarray(self._ways.lonlat)).sum() // 2),
        )
        return Extract(network, Report(self.counts, parts))

    def _inside(self, point: _Point) -> bool:
        return self.area is None or bool(shapely.contains_xy(self.area, point.lon, point.lat))

    def _station_tracks(self) -> dict[int, _Point]:
        """Return the stations by the node of the track that is theirs."""
        numbers = np.asarray(self._ways.node)
        rail = numbers >= _RAIL // 2
        self._stations = [point for point in self._stations if self._inside(point)]
        if not self._stations or not rail.any():
            return {}
        from scipy.spatial import cKDTree

        numbers = numbers[rail]
        lonlat = np.reshape(self._ways.lonlat, (-1, 2))[rail]
        numbers, lonlat = numbers[known := np.isfinite(lonlat[:, 0])], lonlat[known]
        squeeze = np.array([np.cos(np.radians(lonlat[:, 1].mean())), 1.0])
        tree = cKDTree(lonlat * squeeze)
        on_track = set(numbers.tolist())
        found: dict[int, _Point] = {}
        for point in self._stations:
            track = point.number + _RAIL
            if track not in on_track:
                nearest = int(tree.query(np.array([point.lon, point.lat]) * squeeze)[1])
                if straight_km(point.lon, point.lat, *lonlat[nearest]) > STATION_TO_TRACK_KM:
                    continue
                track = int(numbers[nearest])
            found.setdefault(track, point)
        return found

    def _node_ids(self, numbers: np.ndarray) -> np.ndarray:
        ids = []
        times: Counter = Counter()
        for number in numbers.tolist():
            if number in self._copies:
                real = self._copies[number]
                times[real] += 1
                ids.append(f"n{real}-{times[real]}")
            else:
                ids.append(f"r{number - _RAIL}" if number >= _RAIL // 2 else f"n{number}")
        return np.array(ids, dtype=object)


def _no_roads(where: str) -> InputError:
    return InputError.of(
        where,
        "没有可行车的道路;请检查范围(--bbox、--boundary)、等级规则(--classes)和文件是否含道路",
        "no road for cars; check the area, the class rules and what the extract holds",
    )


def _no_positions(where: str) -> InputError:
    return InputError.of(
        where,
        "道路的节点都没有坐标:文件里道路写在节点之前(如 Overpass 的 out; >; out;),或缺节点;"
        "请用 osmium sort 排序,或在 Overpass 中用 (._;>;); out; 重新导出",
        "no node of a road has a position: nodes come after ways or are lacking; sort the file",
    )


def _is_station(tags: Mapping[str, str]) -> bool:
    return (
        tags.get("railway") in ("station", "halt")
        and tags.get("station") not in ("subway", "light_rail", "monorail", "funicular")
        and tags.get("train") != "no"
    )


def _name(tags: Mapping[str, str]) -> str:
    return tags.get("name:zh-Hans") or tags.get("name:zh") or tags.get("name", "")


def _signs(tags: Mapping[str, str]) -> tuple[str, str]:
    """Return number and name of a road; several numbers in a row are tidied."""
    if ";" not in tags.get("ref", ""):
        return tags.get("ref", "").strip(), _name(tags)
    return ";".join(part.strip() for part in tags.get("ref", "").split(";")), _name(tags)


def _ferry_kmh(tags: Mapping[str, str], lonlat: array[float]) -> float:
    """Return the speed that a ferry's ``duration`` gives, NaN when it has none."""
    hours = tagging.duration_hours(tags.get("duration", ""))
    lon, lat = np.reshape(lonlat, (-1, 2)).T
    km = float(np.nansum(straight_km(lon[:-1], lat[:-1], lon[1:], lat[1:])))
    return round(min(km / hours, 80.0), 2) if hours > 0 and km > 0 else np.nan


def _reversed(lonlat: array[float]) -> array[float]:
    return array("d", np.reshape(lonlat, (-1, 2))[::-1].tobytes())


def _nodes(chains: Chains, ids: np.ndarray) -> gpd.GeoDataFrame:
    frame = pd.DataFrame(
        {
            "kind": "node",
            "confidence": "M",
            "geometry": shapely.points(chains.lon, chains.lat),
        },
        index=pd.Index(ids, name="node_id"),
    )
    return as_nodes(frame)


def _links(chains: Chains, ways: Ways, ids: np.ndarray) -> pd.DataFrame:
    """Return the links with all columns that their ways' tags give."""
    rules = [kind[0] for kind in ways.kinds]
    columns = {
        "mode": [rule.mode for rule in rules],
        "class": [rule.cls for rule in rules],
        "rule": [rule.name for rule in rules],
        "confidence": [rule.confidence for rule in rules],
        "oneway": [kind[1] for kind in ways.kinds],
        "design_speed_kmh": [np.nan if kind[2] is None else kind[2] for kind in ways.kinds],
        "ref": [kind[3] for kind in ways.kinds],
        "name_zh": [kind[4] for kind in ways.kinds],
    }
    frame = pd.DataFrame(columns).iloc[chains.kind].reset_index(drop=True)
    frame = frame.assign(
        from_node=ids[chains.first],
        to_node=ids[chains.last],
        length_km=chains.km,
        length_basis="measured",
        status="open",
        source=ATTRIBUTION,
        geometry=chains.line,
    )
    frame.index = pd.Index(_link_ids(chains), name="link_id")
    return frame[frame["length_km"] > 0]


def _link_ids(chains: Chains) -> np.ndarray:
    """Return the ids of links: the way that each begins with, and its number among those."""
    number = pd.Series(chains.way).groupby(chains.way).cumcount() + 1
    ids = [f"w{way}-{i}" for way, i in zip(chains.way.tolist(), number, strict=True)]
    return np.array(ids, dtype=object)


def _with_hubs(links: pd.DataFrame) -> pd.DataFrame:
    """Make the ramps that join expressways with nothing else expressways.

    Else each change of expressway would cost the time of two toll gates.
    """
    ramp = (links["class"] == "ramp").to_numpy()
    if not ramp.any():
        return links
    nodes, ends = np.unique(
        links[["from_node", "to_node"]].to_numpy(dtype=str), return_inverse=True
    )
    first, last = ends.reshape(-1, 2).T
    part = labels(first[ramp], last[ramp], len(nodes))
    road = links["mode"].isin(["road", "ferry"]).to_numpy() & ~ramp
    fast = (links["class"] == "expressway").to_numpy()
    touched = [np.zeros(part.max() + 1, dtype=bool) for _ in range(2)]
    for table, chosen in zip(touched, (road & ~fast, fast), strict=True):
        table[part[np.concatenate([first[chosen], last[chosen]])]] = True
    hub = ramp & (touched[1] & ~touched[0])[part[first]]
    slow = links["design_speed_kmh"].fillna(HUB_RAMP_KMH)
    return links.assign(
        **{
            "class": links["class"].where(~hub, "expressway"),
            "rule": links["rule"].where(~hub, "hub"),
            "design_speed_kmh": links["design_speed_kmh"].where(~hub, slow),
        }
    )


def _with_stations(network: Network, tracks: Mapping[int, _Point]) -> tuple[Network, int]:
    """Name the stations and join each to the nearest road; return how many were joined."""
    found = {f"r{number - _RAIL}": point for number, point in tracks.items()}
    found = {node: point for node, point in found.items() if node in network.nodes.index}
    if not found:
        return network, 0
    from scipy.spatial import cKDTree

    roads = network.nodes[network.node_levels(SURFACE)]
    lonlat = shapely.get_coordinates(roads.geometry.to_numpy())
    squeeze = np.array([np.cos(np.radians(lonlat[:, 1].mean())), 1.0])
    tree = cKDTree(lonlat * squeeze)
    nodes, rows = network.nodes.copy(), {}
    for node, point in found.items():
        nearest = int(tree.query(np.array([point.lon, point.lat]) * squeeze)[1])
        km = float(straight_km(point.lon, point.lat, *lonlat[nearest]))
        if km > STATION_TO_ROAD_KM:
            continue
        nodes.loc[node, ["kind", "name_zh"]] = ["station", _name(point.tags)]
        rows[f"station-{node}"] = {
            "from_node": node,
            "to_node": roads.index[nearest],
            "mode": "road",
            "class": "access",
            "length_km": max(km * STATION_DETOUR, 0.05),
            "length_basis": "estimate",
            "source": "站前道路(推定)estimated way to the station",
            "confidence": "L",
            "name_zh": _name(point.tags),
            "geometry": shapely.LineString([nodes.geometry[node], roads.geometry.iloc[nearest]]),
        }
    if not rows:
        return network, 0
    access = as_links(pd.DataFrame.from_dict(rows, orient="index"))
    links = pd.concat([network.links, access]).rename_axis("link_id")
    return replace(network, nodes=nodes, links=links), len(rows)


def _place_table(points: Sequence[_Point]) -> gpd.GeoDataFrame:
    """Return places as in a gazetteer; their county where they lie in China."""
    rows = [
        {
            "place_id": f"osm-n{point.number}",
            "name_zh": _name(point.tags),
            "name_en": point.tags.get("name:en", ""),
            "kind": _place_kind(point.tags),
            "lon": point.lon,
            "lat": point.lat,
            "accuracy_m": 500.0,
            "source": ATTRIBUTION,
            "confidence": "M",
            "aliases": _aliases(point.tags),
            "note": f"place={point.tags['place']}",
        }
        for point in points
        if _name(point.tags)
    ]
    columns = ["place_id", "name_zh", "name_en", "kind", "lon", "lat", "accuracy_m", "source"]
    frame = pd.DataFrame(rows, columns=[*columns, "confidence", "aliases", "note"])
    frame = frame.set_index("place_id")
    geometry = shapely.points(frame["lon"].to_numpy(float), frame["lat"].to_numpy(float))
    table = gpd.GeoDataFrame(frame, geometry=geometry, crs=4326)
    return _with_counties(table)


def _place_kind(tags: Mapping[str, str]) -> str:
    name = _name(tags)
    found = (kind for ending, kind in KIND_OF_ENDING.items() if name.endswith(ending))
    return next(found, tags["place"])


def _aliases(tags: Mapping[str, str]) -> str:
    keys = ("name", "alt_name", "official_name", "old_name", "short_name")
    names = [part.strip() for key in keys for part in tags.get(key, "").split(";")]
    return ";".join(dict.fromkeys(name for name in names if name and name != _name(tags)))


def _with_counties(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    from spatialplan import boundaries

    table = table.assign(county="", adcode=pd.Series(pd.NA, table.index, dtype="Int64"))
    if not (table["lon"].between(73, 136) & table["lat"].between(18, 54)).any():
        return table
    counties = boundaries.counties()
    row, county = counties.sindex.query(table.geometry, predicate="intersects")
    place = table.index[row]
    table.loc[place, "county"] = counties["name_zh"].to_numpy()[county]
    table.loc[place, "adcode"] = counties.index.to_numpy()[county]
    return table
