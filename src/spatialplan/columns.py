"""Columns of planners' layers: which holds what, and what their words and figures mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from spatialplan.errors import Fault, InputError, collect, collect_some, nearest_names
from spatialplan.files import load_yaml
from spatialplan.network import LINK_COLUMNS, STATUSES
from spatialplan.standards import CLASSES, MODES, RAIL_CLASSES
from spatialplan.tags import TOP_KMH

__all__ = ["Columns", "cell_text", "our_columns"]

# Names that bureaus use for what our columns hold; a YAML mapping goes before them.
USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "class": ("class", "技术等级", "公路等级", "道路等级", "等级", "jsdj"),
    "design_speed_kmh": ("design_speed_kmh", "speed", "设计速度", "设计车速", "设计时速", "sjss"),
    "length_km": ("length_km", "里程km", "里程_km"),
    "ref": ("ref", "路线编号", "路线代码", "路线编码", "道路编号", "lxbh", "lxdm"),
    "name_zh": ("name_zh", "name", "路线名称", "道路名称", "名称", "lxmc"),
    "oneway": ("oneway", "单行"),
    "mode": ("mode", "方式"),
    "link_id": ("link_id", "编号", "路段编号"),
    "status": ("status", "状态", "建设状态"),
    "opened": ("opened", "通车时间"),
    "source": ("source", "来源"),
}
# What the words of some columns mean; ours mean themselves.
USUAL_WORDS: dict[str, dict[str, str]] = {
    "class": {name: name for name in CLASSES}
    | {
        "高速": "expressway",
        "一级": "class1",
        "二级": "class2",
        "三级": "class3",
        "四级": "class4",
        "等外": "class4",
        "等外公路": "class4",
        "城市道路": "urban",
        "匝道": "ramp",
        "连接线": "access",
    }
    | {zh: name for name, (zh, _) in CLASSES.items()},
    "mode": {name: name for name in MODES}
    | {"公路": "road", "道路": "road", "铁路": "rail", "轮渡": "ferry", "渡船": "ferry"},
    "status": {name: name for name in STATUSES}
    | dict.fromkeys(("现状", "已建", "建成", "通车", "已通车"), "open")
    | dict.fromkeys(("在建", "建设中", "施工"), "construction")
    | {"规划": "planned", "拟建": "proposed"},
}
_WHAT = {"class": "等级", "mode": "方式", "status": "状态"}
_YES = ("yes", "true", "1", "是", "单行", "t")
_UNITS: dict[str, dict[str, float]] = {
    "length_km": {"km": 1.0, "m": 0.001, "公里": 1.0, "千米": 1.0, "米": 0.001},
    # “80公里”: everybody means in an hour.
    "design_speed_kmh": dict.fromkeys(("km/h", "kmh", "km", "公里/小时", "千米/小时", "公里"), 1.0)
    | {"m/s": 3.6},
}
_LONGEST_KM = 5000.0
_FIGURE = re.compile(r"([+-]?\d[\d,\uff0c]*\.?\d*)\s*(\D.*)?")
_DATE = re.compile(r"(\d{4})(?:年|\s*[-/.年]\s*(\d{1,2})(?:\D.*)?|(\d\d)(?:\d\d)?)?")
_OURS = ("link_id", *(name for name in LINK_COLUMNS if name not in ("from_node", "to_node")))


@dataclass(frozen=True)
class Columns:
    """Which columns of a layer hold what, from a planner's YAML file.

    `columns`: ours to theirs; `units`: of a column of theirs that is not in km or km/h;
    `values`: for a column of ours their words to ours; `defaults`: for what they lack.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Columns:
        """Read a mapping.

        The file has ``columns: {class: 技术等级, length_km: {column: 里程, unit: m}}``,
        ``values: {class: {甲: class1}}`` and ``defaults: {class: class3}``, each of them
        optional.

        Raises
        ------
        InputError
            With every fault: unknown keys, columns, units, classes.
        """
        content = load_yaml(path)
        if not isinstance(content, dict):
            raise InputError.of(path, "列映射应是“键: 值”的表", "the mapping is a table of keys")
        collect(_mapping_faults(content, str(path)))
        asked = {
            name: item if isinstance(item, dict) else {"column": item}
            for name, item in (content.get("columns") or {}).items()
        }
        return cls(
            columns={name: str(item["column"]) for name, item in asked.items()},
            units={name: item["unit"] for name, item in asked.items() if "unit" in item},
            values={
                name: {cell_text(key): value for key, value in words.items()}
                for name, words in (content.get("values") or {}).items()
            },
            defaults=content.get("defaults") or {},
        )


def _mapping_faults(content: Mapping[str, Any], where: str) -> Iterator[Fault]:
    for key, part in content.items():
        if key not in ("columns", "values", "defaults"):
            yield Fault(where, f"不认识的键“{key}”;可用 columns、values、defaults", "unknown key")
        elif not isinstance(part, dict | None):
            yield Fault(f"{where} {key}", "应是“键: 值”的表", "this is a table of keys")
        else:
            for name, item in (part or {}).items():
                yield from _entry_faults(key, name, item, f"{where} {key}")


def _entry_faults(key: str, name: str, item: Any, where: str) -> Iterator[Fault]:
    spot = f"{where} {name}"
    if name not in _OURS:
        near = "、".join(nearest_names(str(name), _OURS))
        yield Fault(where, f"没有列 {name};相近的有:{near}", "not a column of links")
    elif key == "columns":
        yield from _column_faults(name, item, spot)
    elif key == "defaults":
        yield from _word_faults(name, item, spot)
    elif not isinstance(item, dict):
        yield Fault(spot, "应写 {原值: 新值}", "give a table of their words to ours")
    else:
        for word in item.values():
            yield from _word_faults(name, word, spot)


def _column_faults(name: str, item: Any, spot: str) -> Iterator[Fault]:
    if not isinstance(item, dict):
        if isinstance(item, list | None):
            yield Fault(spot, "应写一个列名", "give the name of one column")
        return
    units = _UNITS.get(name, {})
    if "column" not in item or item.get("unit", next(iter(units), None)) not in (*units, None):
        unit = f", unit: {'|'.join(units)}" if units else ""
        yield Fault(
            spot, f"应写 {{column: 列名{unit}}}", "give the column, and one of these units, if any"
        )


def _word_faults(name: str, word: Any, spot: str) -> Iterator[Fault]:
    allowed = {"class": CLASSES, "mode": MODES, "status": STATUSES}.get(name)
    if allowed and str(word) not in allowed:
        yield Fault(
            spot,
            f"{_WHAT[name]} {word} 无效;可用 {'、'.join(allowed)}",
            f"{name} is none of the known ones",
        )
    if name in _UNITS and not isinstance(word, int | float):
        yield Fault(spot, f"应是数字:{word}", "a number is needed here")


def our_columns(
    lines: gpd.GeoDataFrame, columns: Columns, where: str, default_class: str
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return lines with our columns, filled from theirs, and what was noticed.

    Parameters
    ----------
    lines
        Their index numbers the features of the file from 0.
    where
        What messages call the file.
    default_class
        Of lines that give none.

    Raises
    ------
    InputError
        With one fault for each column that is missing, word that is not known, figure that is
        none or absurd, and id used twice.
    """
    found, faults = _matched(lines, columns, where)
    table = gpd.GeoDataFrame(geometry=lines.geometry, crs=4326)
    notes = []
    for name, theirs in found.items():
        values = lines[theirs]
        if name in columns.values:
            values = values.map(lambda v, words=columns.values[name]: words.get(cell_text(v), v))
        table[name], more = _understood(values, name, theirs, columns.units.get(name, ""), where)
        faults += more
    if "class" not in table and "class" not in columns.defaults:
        notes.append(f"没有等级列,全按 {CLASSES[default_class][0]} 计 all as {default_class}")
    for name, value in columns.defaults.items():
        blank = table[name].isna() | (table[name] == "") if name in table else True
        table[name] = value if blank is True else table[name].where(~blank, value)
    if "oneway" in table:
        table["oneway"] = [cell_text(value).lower() in _YES for value in table["oneway"]]
    if "class" in table:
        table["class"] = table["class"].where(table["class"] != "", default_class)
    rail = table["class"].isin(RAIL_CLASSES) if "class" in table else False
    usual = pd.Series(np.where(rail, "rail", "road"), table.index)
    table["mode"] = table["mode"].where(table["mode"] != "", usual) if "mode" in table else usual
    if "length_km" in table:
        table["length_basis"] = table.get("length_basis", "published")
    table["source"] = table.get("source", where)
    faults += list(_row_faults(table, where))
    collect_some(faults, where)
    if used := [f"{theirs}→{name}" for name, theirs in found.items() if theirs != name]:
        notes.append(f"所用的列 columns used: {'、'.join(used)}")
    return table, notes


def _matched(
    lines: gpd.GeoDataFrame, columns: Columns, where: str
) -> tuple[dict[str, str], list[Fault]]:
    """Return which of their columns holds what, by the mapping and by usual names."""
    theirs = {str(name).lower(): str(name) for name in lines.columns if name != "geometry"}
    found, faults = {}, []
    for name in _OURS:
        asked = columns.columns.get(name)
        wanted = (asked,) if asked else USUAL_NAMES.get(name, (name,))
        match = next((theirs[word] for word in _spellings(wanted) if word in theirs), None)
        if match:
            found[name] = match
        elif asked:
            near = "、".join(nearest_names(asked, theirs.values()))
            faults.append(
                Fault(where, f"没有列“{asked}”;相近的有:{near}", "the layer has no such column")
            )
    return found, faults


def _spellings(names: Sequence[str]) -> Iterator[str]:
    """Yield names, and what is left of them in the ten bytes that a Shapefile has for one."""
    for name in names:
        yield name.lower()
        for encoding in ("utf-8", "gbk"):
            short = name.encode(encoding, "ignore")[:10].decode(encoding, "ignore")
            if len(short) >= 3:
                yield short.lower()


def cell_text(value: Any) -> str:
    """Return a cell as text, empty where missing; 2.0, as files have it, is 2."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, float):
        return "" if np.isnan(value) else str(int(value) if value.is_integer() else value)
    return str(value).strip()


def _understood(
    values: pd.Series, name: str, theirs: str, unit: str, where: str
) -> tuple[pd.Series, list[Fault]]:
    """Return a column of theirs as ours, and a fault for each word or figure that is none."""
    if name in _UNITS:
        return _as_numbers(values, name, theirs, unit, where)
    if name in USUAL_WORDS:
        return _as_words(values, USUAL_WORDS[name].get, name, where)
    if name in ("opened", "closed"):
        return _as_words(values, _month, name, where)
    if name == "link_id":
        return values.map(cell_text), []
    return values, []


def _as_words(
    values: pd.Series, meaning: Callable[[str], str | None], name: str, where: str
) -> tuple[pd.Series, list[Fault]]:
    """Return what words mean, empty where missing, and a fault for each that means nothing."""
    texts = values.map(cell_text)
    known = texts.map({text: meaning(text) if text else "" for text in texts.unique()})
    return known.fillna(""), list(_unknown_words(texts, known, name, where))


def _as_numbers(
    values: pd.Series, name: str, theirs: str, unit: str, where: str
) -> tuple[pd.Series, list[Fault]]:
    """Return numbers in km or km/h; a unit in the cell goes before that of the column."""
    factor = _UNITS[name].get(unit, 1.0)
    numbers = pd.to_numeric(values, errors="coerce").astype(float) * factor
    texts = values[numbers.isna()].map(cell_text)
    texts = texts[texts != ""]
    read = texts.map(lambda text: _figure(text, _UNITS[name], factor)).astype(float)
    numbers = numbers.copy()
    numbers[read.index] = read
    return numbers, [
        Fault(
            f"{where} 第{row + 1}个要素",
            f"{theirs} 不是数字:{texts[row]}",
            f"{name} is not a number",
        )
        for row in read.index[read.isna()]
    ]


def _figure(text: str, units: Mapping[str, float], factor: float) -> float:
    """Return what ``80km/h`` or ``17,500`` says; NaN when it says nothing known."""
    found = _FIGURE.fullmatch(text)
    unit = (found[2] or "").strip().lower() if found else ""
    if not found or (unit and unit not in units):
        return np.nan
    return float(re.sub("[,\uff0c]", "", found[1])) * (units[unit] if unit else factor)


def _month(text: str) -> str | None:
    """Return a day, month or year as bureaus write it as YYYY-MM or YYYY; None: it is none."""
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year, month = found[1], found[2] or found[3]
    if month is None:
        return year
    return f"{year}-{int(month):02d}" if 1 <= int(month) <= 12 else None


def _unknown_words(texts: pd.Series, known: pd.Series, name: str, where: str) -> Iterator[Fault]:
    """Yield a fault for each word that is not known."""
    for word in texts[known.isna()].unique():
        rows = texts.index[texts == word]
        spot = f"{where} 第{rows[0] + 1}个要素等 {len(rows)} 个"
        if name in USUAL_WORDS:
            ours = dict.fromkeys(USUAL_WORDS[name].values())
            zh = f"不认识的{_WHAT[name]}“{word}”;请在 --columns 的 values: {name}: 中对应到 "
            en = f"an unknown {name}; map it in the file of --columns"
            yield Fault(spot, zh + "、".join(ours), en)
        else:
            zh = f"{name} 日期“{word}”无效;应为 YYYY 或 YYYY-MM"
            yield Fault(spot, zh, f"{name} must be YYYY or YYYY-MM")


def _row_faults(table: pd.DataFrame, where: str) -> Iterator[Fault]:
    """Yield rows with absurd speeds or lengths, and ids used twice."""
    if "design_speed_kmh" in table:
        top = table["mode"].map(TOP_KMH).to_numpy()
        zh = "设计速度应大于 0,公路不超过 150、铁路不超过 400 km/h"
        yield from _absurd(table["design_speed_kmh"], top, where, zh, "the speed is absurd")
    if "length_km" in table:
        zh, en = "里程应是正的公里数", "the length is not a positive number of km"
        yield from _absurd(table["length_km"], _LONGEST_KM, where, zh, en)
    if "link_id" in table:
        ids = table["link_id"]
        again = ids.duplicated() & (ids != "")
        first = ids[~ids.duplicated()].reset_index().set_index("link_id")["index"]
        for row, name in ids[again].items():
            yield Fault(
                f"{where} 第{row + 1}个要素",
                f"编号 {name} 与第{first[name] + 1}个要素重复",
                "the id is used twice",
            )


def _absurd(
    values: pd.Series, top: np.ndarray | float, where: str, zh: str, en: str
) -> Iterator[Fault]:
    numbers = values.to_numpy(dtype=float)
    for row in np.flatnonzero((numbers <= 0) | (numbers > top)):
        yield Fault(f"{where} 第{values.index[row] + 1}个要素", f"{zh}:{numbers[row]:g}", en)
