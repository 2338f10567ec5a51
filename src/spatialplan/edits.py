"""Edits: changes to a network as data: add, modify, close."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from spatialplan import places
from spatialplan.errors import Fault, InputError, collect, nearest_names
from spatialplan.files import load_yaml, read_layer
from spatialplan.geodesy import line_km, part, point_at, straight_km
from spatialplan.network import (
    EXPRESSWAY,
    STATUSES,
    SURFACE,
    Network,
    as_links,
    as_nodes,
    is_date,
)
from spatialplan.standards import CLASSES, DESIGN_SPEEDS, MODES, RAIL_CLASSES

__all__ = ["Applied", "Change", "Edit", "apply", "apply_file", "parse", "read"]

ACTIONS = ("add", "modify", "close")
SNAP_KM = 2.0  # the built-in network is drawn to about this accuracy
BETWEEN_KM = 40.0  # a town may lie beside the road it is said to be on
NODE_BONUS_KM = 0.2  # rather a node than a cut this much nearer
# Where an expressway may begin or end.
GATES = ("interchange", "junction", "border")
# Road length over straight line when a planner gives none: valley expressways to mountain
# lanes, from the mean of the published lengths in the built-in network.
DETOUR = {"expressway": 1.15, "class1": 1.2, "class2": 1.3, "class3": 1.4, "class4": 1.5}
DEFAULT_DETOUR = 1.2
# The usual choice of the region's hilly terrain among the speeds of JTG B01-2014.
DEFAULT_DESIGN_SPEED = {
    "expressway": 80,
    "class1": 80,
    "class2": 60,
    "class3": 40,
    "class4": 20,
    "hsr": 250,
    "rail200": 200,
    "rail160": 160,
    "rail120": 120,
}
# A drawn line selects the links that run beside it: this share of the link within this distance.
BESIDE_SHARE, BESIDE_KM = 0.8, 1.0
ALONG_SHARE = 0.5  # and so much of the distance of its ends lies along the line

_VALUES = [
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
]
_ADD_KEYS = {"action", "link_id", "from", "to", "via", "geometry", "note", *_VALUES}
_WHERE_KEYS = {"link_id", "ref", "name_zh", "class", "mode", "between", "polygon", "line"}
_CHANGE_KEYS = {
    "modify": {"action", "where", "expect", "set", "note"},
    "close": {"action", "where", "expect", "note"},
}
# Attribute columns of a vector layer; none longer than ten characters, for Shapefiles.
_COLUMNS = {
    "class": "class",
    "speed": "design_speed_kmh",
    "length_km": "length_km",
    "ref": "ref",
    "name": "name_zh",
    "oneway": "oneway",
    "mode": "mode",
}


@dataclass(frozen=True)
class Edit:
    """One change, as checked as it can be without a network.

    `spot` says where it stands (file and number); an ``add`` has `ends` (place, node id or
    (lon, lat)) or `geometry`; a ``modify`` or ``close`` has `where` and perhaps `expect`.
    `values` are the columns of links that it sets. The edits of an undo have `restored`: the
    link as it was, and its nodes.
    """

    action: str
    spot: str
    ends: tuple[Any, ...] = ()
    geometry: BaseGeometry | None = None
    link_id: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    restored: tuple[gpd.GeoDataFrame, gpd.GeoDataFrame] | None = None


@dataclass(frozen=True)
class Change:
    """What one edit did.

    `links` and `km` count the links it is about; `removed` and `added` (ids) are all that went
    and came, split links included; `nodes` are the ends of what went; `notes` say what was
    assumed.
    """

    edit: Edit
    links: int
    km: float
    added: tuple[str, ...]
    removed: gpd.GeoDataFrame
    nodes: gpd.GeoDataFrame
    notes: tuple[str, ...] = ()

    def undo(self) -> list[Edit]:
        """Return the edits that bring back what was before."""
        spot = f"undo {self.edit.spot}"
        gone = [Edit("close", spot, where={"link_id": link_id}) for link_id in self.added]
        back = []
        for link_id in self.removed.index:
            link = self.removed.loc[[link_id]]
            ends = self.nodes.loc[self.nodes.index.isin([*link["from_node"], *link["to_node"]])]
            back.append(Edit("add", spot, link_id=str(link_id), restored=(link, ends)))
        return [*gone, *back]


@dataclass(frozen=True)
class Applied:
    """The new network, and what each edit changed."""

    network: Network
    changes: tuple[Change, ...] = ()

    def undo(self) -> list[Edit]:
        """Return the edits that lead from the new network back to the old one."""
        return [edit for change in reversed(self.changes) for edit in change.undo()]


def read(path: str | Path) -> list[Edit]:
    """Read an edit file: YAML, or a vector layer with the geometry saying where.

    Raises
    ------
    InputError
        With every fault found: unknown actions, keys, classes, values; no CRS; wrong encoding.
    """
    return parse(_entries(Path(path)), Path(path).name)


def parse(entries: Sequence[Any], source: str) -> list[Edit]:
    """Return edits from the entries of a file, `source` naming the file in messages.

    Raises
    ------
    InputError
        With every fault found.
    """
    edits, faults = _parsed(entries, source)
    collect(faults)
    return edits


def _entries(path: Path) -> list[Any]:
    if path.suffix.lower() not in (".yaml", ".yml"):
        return _layer_entries(path)
    content = load_yaml(path)
    entries = content
    if isinstance(content, dict):
        # The projects of a plan file are edits too: all of them are then built.
        projects = content.get("projects") or []
        entries = content.get("edits") or [e for p in projects for e in p.get("edits") or []]
    if not isinstance(entries, list) or not entries:
        raise InputError.of(
            path, "没有 edits 列表;请写 edits: 后逐条列出", "no list of edits in the file"
        )
    return entries


def _parsed(entries: Sequence[Any], source: str) -> tuple[list[Edit], list[Fault]]:
    edits: list[Edit] = []
    faults: list[Fault] = []
    for number, entry in enumerate(entries, start=1):
        spot = f"{source} 第{number}条"
        found = list(_entry_faults(entry, spot))
        faults += found
        if not found:
            edits.append(_edit(entry, spot))
    return edits, faults


def _entry_faults(entry: Any, spot: str) -> Iterator[Fault]:
    if not isinstance(entry, dict):
        yield Fault(spot, "每条编辑应是“键: 值”的表", "an edit is a mapping of keys")
        return
    action = entry.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        yield Fault(
            spot,
            f"action“{action}”无效;可用 add(新增)、modify(修改)、close(关闭)",
            "action is none of add, modify, close",
        )
        return
    allowed = _ADD_KEYS if action == "add" else _CHANGE_KEYS[action]
    yield from _key_faults(entry, allowed, spot)
    if action == "add":
        yield from _add_faults(entry, spot)
        yield from _value_faults(entry, spot)
        return
    where = entry.get("where")
    if not isinstance(where, dict) or not where:
        yield Fault(spot, "缺少 where(改哪些路段)", "no where: which links")
    else:
        yield from _key_faults(where, _WHERE_KEYS, f"{spot} where")
        for key, known in (("class", CLASSES), ("mode", MODES)):
            yield from _word_faults(where, key, known, f"{spot} where")
        between = where.get("between")
        if between is not None and not (isinstance(between, list) and len(between) == 2):
            yield Fault(f"{spot} where", "between 应是两个地点", "between is a list of two places")
    for key in ("set", "expect"):
        if key == "set" and action == "modify" and not entry.get(key):
            yield Fault(spot, "缺少 set(改成什么)", "no set: what to change")
        elif isinstance(entry.get(key), dict):
            yield from _key_faults(entry[key], set(_VALUES), f"{spot} {key}")
            # A guard may allow several values.
            for values in _each_value(entry[key]) if key == "expect" else [entry[key]]:
                yield from _value_faults(values, f"{spot} {key}")
        elif entry.get(key) is not None:
            yield Fault(spot, f"{key} 应是“键: 值”的表", f"{key} is a mapping of keys")


def _each_value(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in values.items():
        for single in _as_list(value):
            yield {key: single}


def _key_faults(entry: Mapping[str, Any], allowed: set[str], spot: str) -> Iterator[Fault]:
    for key in entry:
        if key not in allowed:
            near = "、".join(nearest_names(str(key), sorted(allowed)))
            yield Fault(spot, f"不认识的键“{key}”;相近的有:{near}", "unknown key")


def _add_faults(entry: Mapping[str, Any], spot: str) -> Iterator[Fault]:
    if "class" not in entry:
        yield Fault(
            spot, f"缺少 class(等级);可用 {'、'.join(CLASSES)}", "no class for the new link"
        )
    via = entry.get("via")
    if via is not None and not isinstance(via, list):
        yield Fault(spot, "via 应是地点或 [经度, 纬度] 的列表", "via is a list of places")
    if "geometry" in entry:
        yield from _geometry_faults(entry["geometry"], spot)
    else:
        for key in ("from", "to"):
            if entry.get(key) in (None, ""):
                yield Fault(
                    spot,
                    f"缺少 {key};请写地点名、节点编号或 [经度, 纬度]",
                    f"no {key}: a place, a node id or [lon, lat]",
                )


def _geometry_faults(shape: Any, spot: str) -> Iterator[Fault]:
    """Yield a fault unless the shape is there, and lies on Earth."""
    if shape is None or (isinstance(shape, BaseGeometry) and shape.is_empty):
        yield Fault(spot, "没有几何;请画出线", "no geometry; draw the line")
        return
    try:
        xy = shapely.get_coordinates(shape) if isinstance(shape, BaseGeometry) else _points(shape)
    except (TypeError, ValueError):
        yield Fault(
            spot,
            "geometry 应是 [[经度, 纬度], …],至少两点",
            "geometry is a list of at least two [lon, lat]",
        )
        return
    if not ((np.abs(xy) <= [180.0, 90.0]).all() and np.isfinite(xy).all()):
        yield Fault(
            spot,
            "坐标不是经纬度(经度在前,十进制度);请检查坐标系",
            "positions are not degrees, longitude first; check the CRS",
        )


def _points(given: Any) -> np.ndarray:
    """Return positions as an array of lon and lat; `ValueError` when they are none."""
    xy = np.array(given, dtype=float)
    if xy.ndim != 2 or len(xy) < 2 or xy.shape[1] not in (2, 3):
        raise ValueError("no line")
    return xy[:, :2]


def _word_faults(
    values: Mapping[str, Any], key: str, known: Iterable[str], spot: str
) -> Iterator[Fault]:
    """Yield a fault for each value of a key that is none of the known words."""
    for value in _as_list(values.get(key)):
        if value is not None and (not isinstance(value, str) or value not in known):
            near = "、".join(nearest_names(str(value), known))
            name = {"class": "等级", "mode": "方式", "status": "状态"}[key]
            yield Fault(
                spot,
                f"{name}“{value}”无效;相近的有:{near};全部:{'、'.join(known)}",
                f"{key} is none of the known ones",
            )


def _value_faults(values: Mapping[str, Any], spot: str) -> Iterator[Fault]:
    cls = values.get("class")
    for key, known in (("class", CLASSES), ("mode", MODES), ("status", STATUSES)):
        if isinstance(values.get(key), list):
            yield Fault(spot, f"{key} 只能是一个值", f"{key} is a single value")
        else:
            yield from _word_faults(values, key, known, spot)
    mode = values.get("mode")
    if isinstance(cls, str) and cls in CLASSES and mode in MODES:
        yield from _pair_faults(cls, mode, spot)
    for key in ("opened", "closed"):
        date = values.get(key)
        if date not in (None, "") and not is_date(_text(date)):
            yield Fault(
                spot, f"{key} 应是 YYYY 或 YYYY-MM:{date}", f"{key} must be YYYY or YYYY-MM"
            )
    oneway = values.get("oneway")
    if oneway is not None and _yes_or_no(oneway) is None:
        yield Fault(spot, f"oneway 应是 yes 或 no:{oneway}", "oneway is yes or no")
    for key, top in (("length_km", 5000.0), ("design_speed_kmh", 400.0)):
        value = values.get(key)
        if value is not None and not (_is_number(value) and 0 < value <= top):
            yield Fault(
                spot,
                f"{key} 应是 0 到 {top:g} 之间的数:{value}",
                f"{key} must be a positive number, at most {top:g}",
            )
    speed = values.get("design_speed_kmh")
    if _is_number(speed):
        yield from _speed_faults(str(cls), speed, spot)


def _speed_faults(cls: str, speed: float, spot: str) -> Iterator[Fault]:
    legal = DESIGN_SPEEDS.get(cls)
    if legal and not min(legal) <= speed <= max(legal):
        yield Fault(
            spot,
            f"{CLASSES[cls][0]}的设计速度可取 {'、'.join(map(str, legal))} km/h"
            f"(JTG B01-2014),不能是 {speed:g}",
            "JTG B01-2014 knows no such design speed for this class",
        )


def _pair_faults(cls: str, mode: str, spot: str) -> Iterator[Fault]:
    if (mode == "rail") != (cls in RAIL_CLASSES):
        yield Fault(
            spot,
            f"方式 {mode} 与等级 {cls} 不符;铁路用 {'、'.join(RAIL_CLASSES)}",
            "mode and class do not go together",
        )


def _yes_or_no(value: object) -> bool | None:
    """Return what yes, no, true, false, 1 or 0 mean; None for anything else."""
    word = str(value).lower().removesuffix(".0")
    if word in ("yes", "true", "1"):
        return True
    return False if word in ("no", "false", "0") else None


def _text(value: object) -> str:
    """Return a value as text; a whole number without its decimals (files have 2024.0)."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _tidy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that an entry sets, each of its type."""
    given = {key: values[key] for key in _VALUES if values.get(key) is not None}
    for key, value in given.items():
        if key == "oneway":
            given[key] = bool(_yes_or_no(value))
        elif key in ("design_speed_kmh", "length_km"):
            given[key] = float(value)
        else:
            given[key] = _text(value)
    return given


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _edit(entry: Mapping[str, Any], spot: str) -> Edit:
    if entry["action"] == "add":
        ends = (entry.get("from"), *(entry.get("via") or ()), entry.get("to"))
        line = entry.get("geometry")
        return Edit(
            "add",
            spot,
            () if ends == (None, None) else ends,
            shapely.LineString(line) if isinstance(line, list) else line,
            _text(entry.get("link_id") or ""),
            _tidy(entry),
        )
    return Edit(
        entry["action"],
        spot,
        where=dict(entry["where"]),
        expect=dict(entry.get("expect") or {}),
        values=_tidy(entry.get("set") or {}),
    )


def _layer_entries(path: Path) -> list[dict[str, Any]]:
    """Return the features of a vector layer as the entries of a YAML file would be."""
    frame = read_layer(path)
    if frame.empty:
        raise InputError.of(path, "图层里没有要素", "the layer has no features")
    return [_feature_entry(row) for _, row in frame.iterrows()]


def _feature_entry(row: pd.Series) -> dict[str, Any]:
    given = {key: row[key] for key in row.index if key != "geometry" and not _blank(row[key])}
    entry: dict[str, Any] = {"action": given.get("action")}
    values = {name: given[column] for column, name in _COLUMNS.items() if column in given}
    for key in ("design_speed_kmh", "length_km"):
        if isinstance(values.get(key), str):  # a text column may hold numbers
            with contextlib.suppress(ValueError):
                values[key] = float(values[key])
    if entry["action"] == "add":
        return entry | values | {"geometry": row["geometry"], "link_id": given.get("link_id", "")}
    shape = row["geometry"]
    where: dict[str, Any] = {}
    if "link_id" in given:
        where["link_id"] = _text(given["link_id"])
    elif shape is not None and shape.geom_type.endswith("Polygon"):
        where["polygon"] = shape
    elif shape is not None:
        where["line"] = shape
    entry["where"] = where
    if "expect_cls" in given:
        entry["expect"] = {"class": given["expect_cls"]}
    return entry | ({"set": values} if entry["action"] == "modify" else {})


def _blank(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value))


def apply(
    network: Network,
    edits: Iterable[Edit],
    gazetteer: places.Gazetteer | None = None,
    snap_km: float = SNAP_KM,
) -> Applied:
    """Return the network with the edits applied in order; the one given stays as it was.

    Parameters
    ----------
    gazetteer
        Where place names are looked up; the built-in one by default.
    snap_km
        How far the end of a drawn line may lie from the network.

    Raises
    ------
    InputError
        With every fault of every edit: nothing is applied then.
    """
    applied, faults = _applied(network, edits, gazetteer or places.builtin(), snap_km)
    collect(faults)
    return applied


def apply_file(
    network: Network,
    path: str | Path,
    gazetteer: places.Gazetteer | None = None,
    snap_km: float = SNAP_KM,
) -> Applied:
    """Return the network with the edits of a file applied; of a plan file, all its projects.

    Raises
    ------
    InputError
        With every fault, of the file itself and against the network, at once.
    """
    edits, faults = _parsed(_entries(Path(path)), Path(path).name)
    applied, more = _applied(network, edits, gazetteer or places.builtin(), snap_km)
    collect([*faults, *more])
    return applied


def _applied(
    network: Network, edits: Iterable[Edit], gazetteer: places.Gazetteer, snap_km: float
) -> tuple[Applied, list[Fault]]:
    draft = _Draft(network, gazetteer, snap_km)
    faults: list[Fault] = []
    changes: list[Change] = []
    for edit in edits:
        try:
            changes.append(_ACTIONS[edit.action](draft, edit))
        except InputError as error:
            faults += error.faults
    return Applied(draft.finished(), tuple(changes)), faults


class _Draft:
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
                nodes = _joined(nodes, as_nodes(frame), "node_id")
            if self._new_links:
                frame = pd.DataFrame.from_dict(self._new_links, orient="index")
                links = _joined(links, as_links(frame), "link_id")
            self._network = Network(nodes, links, old.name, old.date)
            self._new_nodes, self._new_links = {}, {}
        return self._network

    def finished(self) -> Network:
        """Return the network without the nodes that no link uses."""
        network = self.network()
        used = pd.unique(network.links[["from_node", "to_node"]].to_numpy().ravel())
        kept = network.nodes.index.isin(used)
        if kept.all():
            return network
        return Network(network.nodes[kept], network.links, network.name, network.date)

    def replace_links(self, link_ids: Sequence[str], new: gpd.GeoDataFrame | None = None) -> None:
        """Take links out, and put others in."""
        old = self.network()
        links = old.links.drop(index=list(link_ids))
        if new is not None:
            links = _joined(links, new, "link_id")
        self._network = Network(old.nodes, links, old.name, old.date)

    def has_node(self, node: str) -> bool:
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
        self._new_nodes[node] = columns
        return node

    def put_link(self, link_id: str, columns: dict[str, Any]) -> None:
        self._new_links[link_id] = columns

    def has_link(self, link_id: str) -> bool:
        return link_id in self._new_links or link_id in self._network.links.index

    def free_id(self, stem: str) -> str:
        """Return the first of ``<stem>-0001``… that no link and no node has."""
        number = 1
        while self.has_link(f"{stem}-{number:04d}") or self.has_node(f"{stem}-{number:04d}"):
            number += 1
        return f"{stem}-{number:04d}"


def _joined(first: gpd.GeoDataFrame, second: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    whole = pd.concat([first, second]).rename_axis(name)
    return gpd.GeoDataFrame(whole, geometry="geometry", crs=4326)


@dataclass
class _Splits:
    """Links cut in two while an edit found its ends."""

    removed: list[gpd.GeoDataFrame] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)


def _add(draft: _Draft, edit: Edit) -> Change:
    if edit.restored is not None:
        return _put_back(draft, edit, *edit.restored)
    values, notes = _with_defaults(edit)
    if edit.link_id and draft.has_link(edit.link_id):
        raise InputError.of(
            edit.spot, f"link_id {edit.link_id} 已存在;请改用别的", "the link id is taken"
        )
    splits = _Splits()
    nodes, shapes = _chain(draft, edit, values, splits)
    if any(a == b for a, b in itertools.pairwise(nodes)):
        raise InputError.of(
            edit.spot,
            f"两端落在同一节点({nodes[0]});请检查两端位置",
            "both ends meet the same node",
        )
    lines = [
        _drawn(draft, pair, shape)
        for pair, shape in zip(itertools.pairwise(nodes), shapes, strict=True)
    ]
    lengths = _lengths(edit, values, lines, notes)
    ids = []
    for pair, line, km in zip(itertools.pairwise(nodes), lines, lengths, strict=True):
        single = edit.link_id if len(lines) == 1 else ""
        link_id = single or draft.free_id(_stem(edit, values))
        columns = {**values, "from_node": pair[0], "to_node": pair[1]}
        draft.put_link(link_id, columns | {"length_km": km, "geometry": line})
        ids.append(link_id)
    came = [half for half in splits.halves if draft.has_link(half)]
    gone, ends = _cut_away(draft, splits)
    return Change(edit, len(ids), sum(lengths), (*ids, *came), gone, ends, tuple(notes))


def _cut_away(draft: _Draft, splits: _Splits) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Return the links that were cut, and their nodes."""
    if not splits.removed:
        return draft.nothing, draft.nowhere
    gone = pd.concat(splits.removed)
    # A link that this very edit made by a cut and cut again never was: it need not come back.
    gone = gone[~gone.index.isin(splits.halves)]
    return gone, _ends(draft.network(), gone)


def _ends(network: Network, links: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return the nodes that some links join."""
    ends = pd.unique(links[["from_node", "to_node"]].to_numpy().ravel())
    return network.nodes[network.nodes.index.isin(ends)]


def _put_back(draft: _Draft, edit: Edit, link: gpd.GeoDataFrame, nodes: gpd.GeoDataFrame) -> Change:
    """Put a link back to the letter, and those of its nodes that went with it."""
    for node, row in nodes.iterrows():
        if not draft.has_node(node):
            draft.put_node(node, **row)
    draft.replace_links((), link)
    km = float(link["length_km"].sum())
    return Change(edit, len(link), km, tuple(link.index), draft.nothing, nodes.iloc[:0])


def _stem(edit: Edit, values: Mapping[str, Any]) -> str:
    stem = edit.link_id or str(values.get("ref") or "")
    return stem.lower() if stem.isascii() and stem else "edit"


def _with_defaults(edit: Edit) -> tuple[dict[str, Any], list[str]]:
    values, notes = dict(edit.values), []
    cls = values["class"]
    values.setdefault("mode", "rail" if cls in RAIL_CLASSES else "road")
    values.setdefault("confidence", "L")
    values.setdefault("source", edit.spot)
    values.setdefault("oneway", False)
    speed = values.get("design_speed_kmh")
    if (speed is None or np.isnan(speed)) and cls in DEFAULT_DESIGN_SPEED:
        values["design_speed_kmh"] = DEFAULT_DESIGN_SPEED[cls]
        notes.append(f"未给设计速度,按 {DEFAULT_DESIGN_SPEED[cls]} km/h 计")
    return values, notes


def _chain(
    draft: _Draft, edit: Edit, values: Mapping[str, Any], splits: _Splits
) -> tuple[list[str], list[list[tuple[float, float]] | None]]:
    """Return the nodes of a new chain, and between each two the points it is drawn through.

    A position between the ends is only a point of the drawing; a name is a node.
    """
    if edit.geometry is not None:
        line = _one_line(edit.geometry, edit.spot)
        points = list(line.coords)
        ends = edit.ends or (points[0][:2], points[-1][:2])
        nodes = [_node(draft, end, values, edit.spot, splits) for end in (ends[0], ends[-1])]
        return nodes, [[point[:2] for point in points[1:-1]]]
    nodes, shapes = [_node(draft, edit.ends[0], values, edit.spot, splits)], []
    between: list[tuple[float, float]] = []
    for via in edit.ends[1:-1]:
        position = _position(via, edit.spot)
        if position:
            between.append(position)
        else:
            nodes.append(_node(draft, via, values, edit.spot, splits))
            shapes.append(between)
            between = []
    nodes.append(_node(draft, edit.ends[-1], values, edit.spot, splits))
    return nodes, [*shapes, between]


def _one_line(shape: BaseGeometry, spot: str) -> shapely.LineString:
    merged = shapely.line_merge(shape) if shape.geom_type == "MultiLineString" else shape
    if merged.geom_type != "LineString" or merged.is_empty:
        raise InputError.of(
            spot,
            f"新增路段应是一条连续的线,这里是 {merged.geom_type};请拆成单线",
            "a new link is one connected line; split it",
        )
    if not np.isfinite(shapely.get_coordinates(merged)).all():
        raise InputError.of(spot, "线的坐标不是数(NaN)", "the line has NaN coordinates")
    return merged


def _position(value: Any, spot: str) -> tuple[float, float] | None:
    """Return (lon, lat) when the value is a position and not a name."""
    if isinstance(value, str):
        return places.parse_lonlat(value, spot)
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)):
        return places.parse_lonlat(f"{value[0]},{value[1]}", spot)
    raise InputError.of(
        spot, f"“{value}”既不是地点名也不是 [经度, 纬度]", "neither a place nor [lon, lat]"
    )


def _node(draft: _Draft, end: Any, values: Mapping[str, Any], spot: str, splits: _Splits) -> str:
    """Return the node where a new link ends, made or cut out of a link when need be."""
    if isinstance(end, str) and draft.has_node(end):
        node = end
    else:
        position = _position(end, spot)
        if position:
            return _node_at(draft, position, values, spot, splits)
        place = draft.gazetteer.find(end, spot)
        node = draft.node_of(place.place_id) or place.place_id
        if not draft.has_node(node):
            draft.put_node(
                node,
                kind=place.kind,
                place_id=node,
                name_zh=place.name_zh,
                confidence=place.confidence,
                geometry=shapely.Point(place.lon, place.lat),
            )
    _gate_check(draft, node, values, spot)
    return node


def _gate_check(draft: _Draft, node: str, values: Mapping[str, Any], spot: str) -> None:
    """Refuse an expressway that ends elsewhere than at an interchange, a railway at a town."""
    kind = draft.node(node)["kind"]
    if values["class"] == "expressway" and kind not in GATES:
        raise InputError.of(
            spot,
            f"高速公路不能直接接到 {draft.node(node)['name_zh'] or node};"
            f"请改接互通,最近的有:{_near_gates(draft, node)};"
            "要新设互通,先用 class: ramp 从公路接出匝道",
            "an expressway needs an interchange; add one with a link of class ramp first",
        )
    if values["mode"] == "rail" and kind not in ("station", *GATES):
        raise InputError.of(
            spot,
            f"铁路须接到车站,不能接到 {draft.node(node)['name_zh'] or node}",
            "a railway ends at a station",
        )


def _near_gates(draft: _Draft, node: str) -> str:
    nodes = draft.network().nodes
    gates = nodes[nodes["kind"].isin(["interchange", "junction"])]
    point = draft.node(node)["geometry"]
    km = straight_km(point.x, point.y, gates.geometry.x, gates.geometry.y)
    best = np.argsort(km)[:3]
    return "、".join(f"{gates['name_zh'].iloc[i] or gates.index[i]}({km[i]:.0f} km)" for i in best)


def _node_at(
    draft: _Draft,
    position: tuple[float, float],
    values: Mapping[str, Any],
    spot: str,
    splits: _Splits,
) -> str:
    """Return the node at a position: the nearest one, or one that cuts the nearest link."""
    network = draft.network()
    cls, rail = values["class"], values["mode"] == "rail"
    if cls == "expressway":
        usable = network.nodes["kind"].isin(GATES).to_numpy()
    elif rail:
        usable = (network.nodes["kind"] == "station").to_numpy()
    else:
        usable = network.node_levels(SURFACE)
    km = straight_km(*position, network.nodes.geometry.x, network.nodes.geometry.y)
    km = np.where(usable, km, np.inf)
    node, node_km = (int(km.argmin()), float(km.min())) if len(km) else (-1, np.inf)
    cut, cut_level = None, SURFACE
    if not rail and cls != "expressway":
        cut = network.nearest_link(*position)
        if cls == "ramp":
            gate = network.nearest_link(*position, level=EXPRESSWAY)
            if gate and (cut is None or gate[2] < cut[2]):
                cut, cut_level = gate, EXPRESSWAY
    cut_km = cut[2] if cut else np.inf
    if node_km <= min(cut_km + NODE_BONUS_KM, draft.snap_km):
        return str(network.nodes.index[node])
    if cut is not None and cut_km <= draft.snap_km:
        return _cut(draft, cut, cut_level, splits)
    if cls == "ramp":
        return draft.put_node(
            draft.free_id("interchange"),
            kind="interchange",
            place_id="",
            name_zh="",
            confidence="L",
            geometry=shapely.Point(position),
        )
    what = "互通" if cls == "expressway" else "车站" if rail else "公路"
    best = node_km if (cls == "expressway" or rail) else min(node_km, cut_km)
    near = f",最近的是 {network.nodes['name_zh'].iloc[node]}" if node >= 0 and usable.any() else ""
    raise InputError.of(
        spot,
        f"端点 {position[0]:.4f},{position[1]:.4f} 离{what} {best:.1f} km,"
        f"超过吸附距离 {draft.snap_km:g} km{near};请移到{what}上",
        "the end lies too far from what it should meet; move it there",
    )


def _cut(
    draft: _Draft,
    cut: tuple[int, float, float],
    level: int,
    splits: _Splits,
) -> str:
    """Cut a link in two at a fraction and return the node between."""
    network = draft.network()
    link_id = str(network.links.index[cut[0]])
    row = network.links.loc[[link_id]]
    line, fraction = row.geometry.iloc[0], cut[1]
    node = draft.put_node(
        draft.free_id(f"{link_id}-cut"),
        kind="interchange" if level == EXPRESSWAY else "junction",
        place_id="",
        name_zh="",
        confidence=row["confidence"].iloc[0],
        geometry=point_at(line, fraction),
    )
    parts = (
        ("a", row["from_node"].iloc[0], node, 0.0, fraction),
        ("b", node, row["to_node"].iloc[0], fraction, 1.0),
    )
    halves = []
    for suffix, start, end, low, high in parts:
        half = row.rename(index={link_id: f"{link_id}-{suffix}"})
        half = half.assign(from_node=start, to_node=end, length_basis="pro_rata")
        half["length_km"] = row["length_km"].iloc[0] * (high - low)
        half["geometry"] = [part(line, low, high)]
        halves.append(half)
    splits.removed.append(row)
    splits.halves += [half.index[0] for half in halves]
    draft.replace_links([link_id], pd.concat(halves))
    return node


def _drawn(
    draft: _Draft, pair: tuple[str, str], shape: list[tuple[float, float]] | None
) -> shapely.LineString:
    points = [draft.node(node)["geometry"] for node in pair]
    return shapely.LineString([points[0].coords[0][:2], *(shape or []), points[1].coords[0][:2]])


def _lengths(
    edit: Edit, values: dict[str, Any], lines: list[shapely.LineString], notes: list[str]
) -> list[float]:
    """Return km of each link of a chain: the total given, or an estimate, spread pro rata."""
    drawn = [line_km(line) for line in lines]
    straight = sum(float(straight_km(*line.coords[0], *line.coords[-1])) for line in lines)
    total = values.pop("length_km", None)
    if total is None or np.isnan(total):
        followed = edit.geometry is not None or any(len(line.coords) > 2 for line in lines)
        factor = 1.0 if followed else DETOUR.get(values["class"], DEFAULT_DETOUR)
        total = sum(drawn) * factor
        values["length_basis"] = "estimate"
        how = "按所画线长" if followed else f"按直线距离 × {factor:g}"
        notes.append(f"未给长度,{how}估为 {total:.1f} km")
    elif total < straight * 0.995 - 0.05:
        raise InputError.of(
            edit.spot,
            f"长度 {total:g} km 短于两端直线距离 {straight:.1f} km;请改长度或端点",
            "shorter than the straight line between the ends",
        )
    else:
        values.setdefault("length_basis", "published" if len(lines) == 1 else "pro_rata")
    whole = sum(drawn)
    if not total > 0:
        raise InputError.of(
            edit.spot, "两端位置相同,长度为零;请给 length_km", "both ends are at one position"
        )
    return [total * (km / whole if whole else 1 / len(drawn)) for km in drawn]


def _modify(draft: _Draft, edit: Edit) -> Change:
    chosen, notes = _chosen(draft, edit)
    old = draft.network().links.loc[chosen]
    new = old.copy()
    values = dict(edit.values)
    total = values.pop("length_km", None)
    for key, value in values.items():
        new[key] = value
    cls = values.get("class")
    if cls and "design_speed_kmh" not in values:
        new["design_speed_kmh"] = float(DEFAULT_DESIGN_SPEED.get(cls, np.nan))
        if cls in DEFAULT_DESIGN_SPEED:
            notes.append(f"未给设计速度,按 {DEFAULT_DESIGN_SPEED[cls]} km/h 计")
    if cls and "mode" not in values:
        new["mode"] = "rail" if cls in RAIL_CLASSES else "road"
    if total is not None:
        new["length_km"] = old["length_km"] * (total / old["length_km"].sum())
    if cls == "expressway":
        for node in pd.unique(new[["from_node", "to_node"]].to_numpy().ravel()):
            _gate_check(draft, node, {"class": cls, "mode": "road"}, edit.spot)
    collect(_modified_faults(new, values, edit.spot))
    ends = _ends(draft.network(), old)
    draft.replace_links(chosen, new)
    km = float(new["length_km"].sum())
    return Change(edit, len(new), km, tuple(chosen), old, ends, tuple(notes))


def _modified_faults(
    links: gpd.GeoDataFrame, values: Mapping[str, Any], spot: str
) -> Iterator[Fault]:
    """Yield what a change makes of links that cannot be, once for each class."""
    for cls, mode in links[["class", "mode"]].drop_duplicates().itertuples(index=False):
        yield from _pair_faults(cls, mode, spot)
    if "class" not in values and "design_speed_kmh" in values:
        for cls in links["class"].unique():
            yield from _speed_faults(cls, values["design_speed_kmh"], spot)


def _close(draft: _Draft, edit: Edit) -> Change:
    chosen, notes = _chosen(draft, edit)
    old = draft.network().links.loc[chosen]
    ends = _ends(draft.network(), old)
    draft.replace_links(chosen)
    return Change(edit, len(old), float(old["length_km"].sum()), (), old, ends, tuple(notes))


_ACTIONS = {"add": _add, "modify": _modify, "close": _close}


def _chosen(draft: _Draft, edit: Edit) -> tuple[list[str], list[str]]:
    """Return the ids of the links an edit means, after its guard has held, and notes."""
    network = draft.network()
    links = network.links
    mask = pd.Series(True, links.index)
    for key in ("ref", "name_zh", "class", "mode"):
        if key in edit.where:
            mask &= links[key].isin([_text(value) for value in _as_list(edit.where[key])])
    if "link_id" in edit.where:
        asked = [_text(item) for item in _as_list(edit.where["link_id"])]
        unknown = [item for item in asked if item not in links.index]
        if unknown:
            near = "、".join(nearest_names(unknown[0], links.index))
            raise InputError.of(
                edit.spot, f"没有路段 {unknown[0]};相近的有:{near}", "no link of this id"
            )
        mask &= links.index.isin(asked)
    for key, select in (("polygon", _within), ("line", _beside)):
        if key in edit.where:
            mask &= select(links, edit.where[key], edit.spot)
    chosen = list(links.index[mask])
    notes: list[str] = []
    if "between" in edit.where and chosen:
        chosen = _between(draft, edit, chosen, notes)
    if not chosen:
        said = "、".join(f"{key}={value}" for key, value in edit.where.items())
        raise InputError.of(
            edit.spot,
            f"没有路段符合 where({said[:80]});请检查编号、名称和所选年份",
            "no link matches; check ids, names and the year of the network",
        )
    collect(_guard_faults(edit, links.loc[chosen]))
    return chosen, notes


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _guard_faults(edit: Edit, links: gpd.GeoDataFrame) -> Iterator[Fault]:
    for key, value in edit.expect.items():
        wanted = [_tidy({key: single}).get(key, "") for single in _as_list(value)]
        bad = links.index[~links[key].isin(wanted)]
        if len(bad):
            is_now = links.at[bad[0], key]
            yield Fault(
                edit.spot,
                f"与预期不符:{bad[0]} 等 {len(bad)} 段的 {key} 是 {is_now},不是 {value};"
                "请核对路网后改 expect 或 where",
                "the guard does not hold: the network is not what you expected",
            )


def _within(links: gpd.GeoDataFrame, shape: Any, spot: str) -> np.ndarray:
    """Select the links that lie wholly inside a polygon."""
    polygon = _shape(shape, shapely.Polygon, "polygon", spot)
    return polygon.covers(links.geometry.to_numpy())


def _beside(links: gpd.GeoDataFrame, shape: Any, spot: str) -> np.ndarray:
    """Select the links that run beside a line for most of their length."""
    line = _shape(shape, shapely.LineString, "line", spot)
    squeeze = np.cos(np.radians(line.centroid.y))
    flat = shapely.transform(line, lambda xy: xy[:, :2] * [squeeze, 1.0])
    band = flat.buffer(BESIDE_KM / 111.2)
    drawn = shapely.transform(links.geometry.to_numpy(), lambda xy: xy * [squeeze, 1.0])
    length = shapely.length(drawn)
    inside = shapely.length(shapely.intersection(drawn, band)) >= BESIDE_SHARE * length
    # A short side road lies within the distance too, but does not run along.
    ends = [shapely.line_locate_point(flat, shapely.get_point(drawn, end)) for end in (0, -1)]
    chord = shapely.distance(shapely.get_point(drawn, 0), shapely.get_point(drawn, -1))
    return inside & (np.abs(ends[1] - ends[0]) >= ALONG_SHARE * chord)


def _shape(shape: Any, kind: Callable, name: str, spot: str) -> BaseGeometry:
    try:
        made = shape if isinstance(shape, BaseGeometry) else kind(shape)
    except (TypeError, ValueError, shapely.errors.ShapelyError):
        made = None
    if made is None or made.is_empty:
        raise InputError.of(
            spot, f"{name} 应是 [[经度, 纬度], …]", f"a {name} is a list of [lon, lat]"
        )
    return made


def _between(draft: _Draft, edit: Edit, chosen: list[str], notes: list[str]) -> list[str]:
    """Return the shortest chain of the chosen links between two nodes."""
    import networkx as nx

    links = draft.network().links.loc[chosen]
    graph = nx.Graph()
    for link_id, row in links.sort_values("length_km", ascending=False).iterrows():
        graph.add_edge(row["from_node"], row["to_node"], km=row["length_km"], link_id=link_id)
    places_of = [_place_or_node(draft, edit, name) for name in edit.where["between"]]
    # Of a road in several parts, the part that both places lie nearest to.
    parts = [
        [_on_road(draft, name, node, sorted(part)) for name, node in places_of]
        for part in nx.connected_components(graph)
    ]
    ends = min(parts, key=lambda part: sum(found.km for found in part))
    for (name, _), found in zip(places_of, ends, strict=True):
        if found.km > BETWEEN_KM:
            raise InputError.of(
                edit.spot,
                f"{name} 不在 where 所选的路上,离它最近的 {found.name} 也有 {found.km:.0f} km;"
                "请换 between 的端点",
                "this place is far from the road that where chooses",
            )
        if found.km > 0:
            notes.append(f"{name} 不在所选的路上,取路上最近的 {found.name}({found.km:.0f} km)")
    path = nx.shortest_path(graph, *(found.node for found in ends), weight="km")
    if len(path) == 1:
        raise InputError.of(
            edit.spot,
            f"{' 与 '.join(map(str, edit.where['between']))} 都对应路上同一点 {ends[0].name}",
            "both places meet the road at one point",
        )
    return [graph.edges[pair]["link_id"] for pair in itertools.pairwise(path)]


@dataclass(frozen=True)
class _OnRoad:
    """The node of a road nearest to a place, and how far that is."""

    node: str
    name: str
    km: float


def _place_or_node(draft: _Draft, edit: Edit, given: Any) -> tuple[str, tuple[str, float, float]]:
    """Return the name, and the id and position that it stands for."""
    name = ",".join(map(str, given)) if isinstance(given, list) else str(given)
    if draft.has_node(name):
        point = draft.node(name)["geometry"]
        return name, (name, point.x, point.y)
    place = draft.gazetteer.find(name, edit.spot)
    return name, (place.key, place.lon, place.lat)


def _on_road(draft: _Draft, name: str, place: tuple[str, float, float], road: list[str]) -> _OnRoad:
    if place[0] in road:
        return _OnRoad(place[0], name, 0.0)
    nodes = draft.network().nodes.loc[road]
    km = straight_km(place[1], place[2], nodes.geometry.x, nodes.geometry.y)
    best = int(km.argmin())
    return _OnRoad(road[best], nodes["name_zh"].iloc[best] or road[best], float(km[best]))
