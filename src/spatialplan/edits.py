"""Edits: changes to a network as data (add, modify, close), read from files and checked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from spatialplan.errors import Fault, InputError, collect, nearest_names
from spatialplan.files import layer_names, load_yaml, read_layer
from spatialplan.network import LINK_COLUMNS, STATUSES, is_date
from spatialplan.places import Place, from_entries
from spatialplan.standards import CLASSES, DESIGN_SPEEDS, MODES, RAIL_CLASSES

__all__ = ["Contents", "Edit", "contents", "parse", "read"]

ACTIONS = ("add", "modify", "close")

_VALUES = [name for name in LINK_COLUMNS if name not in ("from_node", "to_node", "geometry")]
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
class Contents:
    """What an edit file holds: edits, the places it brings along, and every fault found."""

    edits: tuple[Edit, ...]
    places: tuple[Place, ...] = ()
    faults: tuple[Fault, ...] = ()


def read(path: str | Path) -> list[Edit]:
    """Read an edit file: YAML, or a vector file with the geometry saying where.

    Of a plan file these are the edits of all its projects.

    Raises
    ------
    InputError
        With every fault found: unknown actions, keys, classes, values; no CRS; wrong encoding.
    """
    found = contents(path)
    collect(found.faults)
    return list(found.edits)


def parse(entries: Sequence[Any], source: str) -> list[Edit]:
    """Return edits from the entries of a file, `source` naming the file in messages.

    Raises
    ------
    InputError
        With every fault found.
    """
    edits, faults = _parsed(_numbered(entries, source))
    collect(faults)
    return edits


def contents(path: str | Path) -> Contents:
    """Return what an edit file holds, with the faults of its edits for the caller to raise.

    Raises
    ------
    InputError
        When there is nothing to read: no such file, no list of edits, no layer of them.
    """
    path = Path(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        edits, faults = _parsed(_features(path))
        return Contents(tuple(edits), (), tuple(faults))
    content = load_yaml(path)
    entries, own = content, ()
    if isinstance(content, dict):
        entries = content.get("edits") or _of_projects(content, path)
        own = from_entries(content.get("places"), str(path))
    if not isinstance(entries, list) or not entries:
        raise InputError.of(
            path, "没有 edits 列表;请写 edits: 后逐条列出", "no list of edits in the file"
        )
    edits, faults = _parsed(_numbered(entries, path.name))
    return Contents(tuple(edits), own, tuple(faults))


def _of_projects(content: Mapping[str, Any], path: Path) -> list[Any]:
    """Return the edits of all projects of a plan file: all of them are then built.

    Raises
    ------
    InputError
        When it is a plan, but there is nothing in it to build.
    """
    projects = content.get("projects")
    listed = [p for p in projects if isinstance(p, dict)] if isinstance(projects, list) else []
    entries = [entry for project in listed for entry in project.get("edits") or ()]
    if not entries and content.keys() & {"targets", "elements", "projects"}:
        raise InputError.of(
            path,
            "这是规划文件,但 projects(建设项目)里没有 edits,没有可建的道路;请在 projects 下写项目"
            "及其 edits,或另写只含 edits: 的编辑文件;只检验规划本身时去掉 --edits",
            "a plan without works to build: write projects with edits, or an edit file of its own; "
            "to test the plan as it is, leave --edits out",
        )
    return entries


def _numbered(entries: Sequence[Any], source: str) -> Iterator[tuple[Any, str]]:
    """Yield each entry with its place in the file."""
    for number, entry in enumerate(entries, start=1):
        yield entry, f"{source} 第{number}条"


def _parsed(entries: Iterable[tuple[Any, str]]) -> tuple[list[Edit], list[Fault]]:
    edits: list[Edit] = []
    faults: list[Fault] = []
    for entry, spot in entries:
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
        for single in as_list(value):
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
    for value in as_list(values.get(key)):
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
        yield from pair_faults(cls, mode, spot)
    for key in ("opened", "closed"):
        date = values.get(key)
        if date not in (None, "") and not is_date(as_word(date)):
            yield Fault(
                spot, f"{key} 应是 YYYY 或 YYYY-MM:{date}", f"{key} must be YYYY or YYYY-MM"
            )
    oneway = values.get("oneway")
    if oneway is not None and _yes_or_no(oneway) is None:
        yield Fault(spot, f"oneway 应是 yes 或 no:{oneway}", "oneway is yes or no")
    for key, top in (("length_km", 5000.0), ("design_speed_kmh", 400.0)):
        value = values.get(key)
        if value is not None and not (is_number(value) and 0 < value <= top):
            yield Fault(
                spot,
                f"{key} 应是 0 到 {top:g} 之间的数:{value}",
                f"{key} must be a positive number, at most {top:g}",
            )
    speed = values.get("design_speed_kmh")
    if is_number(speed):
        yield from speed_faults(str(cls), speed, spot)


def speed_faults(cls: str, speed: float, spot: str) -> Iterator[Fault]:
    legal = DESIGN_SPEEDS.get(cls)
    if legal and not min(legal) <= speed <= max(legal):
        yield Fault(
            spot,
            f"{CLASSES[cls][0]}的设计速度可取 {'、'.join(map(str, legal))} km/h"
            f"(JTG B01-2014),不能是 {speed:g}",
            "JTG B01-2014 knows no such design speed for this class",
        )


def pair_faults(cls: str, mode: str, spot: str) -> Iterator[Fault]:
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


def as_word(value: object) -> str:
    """Return a value as text; a whole number without its decimals (files have 2024.0)."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def tidy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that an entry sets, each of its type."""
    given = {key: values[key] for key in _VALUES if values.get(key) is not None}
    for key, value in given.items():
        if key == "oneway":
            given[key] = bool(_yes_or_no(value))
        elif key in ("design_speed_kmh", "length_km"):
            given[key] = float(value)
        else:
            given[key] = as_word(value)
    return given


def is_number(value: object) -> bool:
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
            as_word(entry.get("link_id") or ""),
            tidy(entry),
        )
    return Edit(
        entry["action"],
        spot,
        where=dict(entry["where"]),
        expect=dict(entry.get("expect") or {}),
        values=tidy(entry.get("set") or {}),
    )


def _features(path: Path) -> list[tuple[dict[str, Any], str]]:
    """Return the features of all layers of a file as the entries of a YAML file would be.

    Raises
    ------
    InputError
        When a layer of several has no column ``action``, or none has a feature.
    """
    names = layer_names(path)
    several = len(names) > 1
    found: list[tuple[dict[str, Any], str]] = []
    faults: list[Fault] = []
    for name in names or [""]:
        frame = read_layer(path, name if several else "")
        if several and "action" not in frame:
            faults.append(
                Fault(
                    f"{path.name} 图层 {name}",
                    "没有 action 列,不是编辑图层;请把它移到别的文件,或补上 action 列",
                    "no column action, so no layer of edits: move it to a file of its own",
                )
            )
            continue
        entries = [_feature_entry(row) for _, row in frame.iterrows()]
        found += _numbered(entries, f"{path.name} {name}" if several else path.name)
    collect(faults)
    if not found:
        raise InputError.of(path, "图层里没有要素", "the layer has no features")
    return found


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
        where["link_id"] = as_word(given["link_id"])
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


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
