"""Networks from planners' own lines: files, databases, graphs.

What a file leaves open (its CRS, the encoding of its attributes, swapped axes, the shift of
Chinese web maps) is detected where it can be, told, and mended only when asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict, Unpack

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan.components import Part, labels, main_parts, part_lines, with_kinds
from spatialplan.coordinates import Mends, as_wgs84
from spatialplan.draft import part_basis
from spatialplan.errors import Fault, InputError, collect, collect_some, nearest_names
from spatialplan.files import load_yaml
from spatialplan.geodesy import straight_km
from spatialplan.network import LINK_COLUMNS, Network, as_links, as_nodes
from spatialplan.standards import CLASSES, MODES, RAIL_CLASSES

__all__ = [
    "Columns",
    "Imported",
    "Mends",
    "Reading",
    "drawn_km",
    "imported",
    "network_of_lines",
    "read_file",
]

_DECIMALS = 7  # of a degree: about a centimetre
# Names that bureaus use for what our columns hold; a YAML mapping goes before them.
USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "class": ("class", "技术等级", "公路等级", "道路等级", "等级", "jsdj"),
    "design_speed_kmh": ("design_speed_kmh", "speed", "设计速度", "设计车速", "设计时速", "sjss"),
    "length_km": ("length_km", "里程km", "里程_km"),
    "ref": ("ref", "路线编号", "路线代码", "道路编号", "lxbh", "lxdm"),
    "name_zh": ("name_zh", "name", "路线名称", "道路名称", "名称", "lxmc"),
    "oneway": ("oneway", "单行"),
    "mode": ("mode", "方式"),
    "link_id": ("link_id", "编号", "路段编号"),
    "status": ("status", "状态"),
    "opened": ("opened", "通车时间"),
    "source": ("source", "来源"),
}
USUAL_CLASSES = {
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
} | {zh: name for name, (zh, _) in CLASSES.items()}
_YES = ("yes", "true", "1", "1.0", "是", "单行", "t")
_UNITS = {"km": 1.0, "m": 0.001, "公里": 1.0, "米": 0.001, "km/h": 1.0, "m/s": 3.6}


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
                name: {str(key): value for key, value in words.items()}
                for name, words in (content.get("values") or {}).items()
            },
            defaults=content.get("defaults") or {},
        )


_OURS = ("link_id", *(name for name in LINK_COLUMNS if name not in ("from_node", "to_node")))


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
    if name not in _OURS:
        near = "、".join(nearest_names(str(name), _OURS))
        yield Fault(where, f"没有列 {name};相近的有:{near}", "not a column of links")
    elif key == "columns" and isinstance(item, dict):
        if "column" not in item or item.get("unit", "km") not in _UNITS:
            yield Fault(
                f"{where} {name}",
                f"应写 {{column: 列名, unit: {'|'.join(_UNITS)}}}",
                "give the column, and one of these units",
            )
    elif key == "values" and not isinstance(item, dict):
        yield Fault(f"{where} {name}", "应写 {原值: 新值}", "give a table of their words to ours")
    words = item.values() if key == "values" and isinstance(item, dict) else ()
    for word in [*words, *([item] if key == "defaults" else [])]:
        if name == "class" and word not in CLASSES:
            yield Fault(
                f"{where} {name}",
                f"等级 {word} 无效;可用 {'、'.join(CLASSES)}",
                "class is none of the known classes",
            )


@dataclass(frozen=True)
class Imported:
    """A network, its connected parts, and what was noticed on the way."""

    network: Network
    parts: list[Part]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        net = self.network
        taken = (
            f"路段 links {len(net.links)}、节点 nodes {len(net.nodes)}、"
            f"{net.links['length_km'].sum():.0f} km"
        )
        return [taken, *self.notes, *part_lines(self.parts)]


class Reading(TypedDict, total=False):
    """How lines become a network.

    Parameters
    ----------
    columns
        Which columns hold what; usual Chinese names are known without it.
    mends
        What to mend.
    area
        Polygon in EPSG:4326; lines that touch it are kept whole.
    keep
        As in `spatialplan.components.main_parts`; by default ``main``.
    default_class
        Of lines that give none; by default ``class3``.
    """

    columns: Columns | None
    mends: Mends | None
    area: shapely.Geometry | None
    keep: str
    default_class: str


def read_file(
    path: str | Path,
    *,
    layer: str = "",
    **options: Unpack[Reading],
) -> Imported:
    """Read a network from a Shapefile, GeoPackage, GeoJSON or File Geodatabase of lines.

    Parameters
    ----------
    layer
        Its name, when the file has several of lines.
    options
        As in `Reading`.

    Raises
    ------
    InputError
        With one fault for each thing wrong: no CRS, axes swapped, unknown classes, absurd
        speeds, ids used twice, NaN coordinates, no lines.
    """
    path, mends = Path(path), options.get("mends") or Mends()
    frame, notes = _read_layer(path, layer, mends.encoding)
    return imported(frame, path.stem, path.name, notes=notes, **options)


def imported(
    frame: gpd.GeoDataFrame,
    name: str,
    where: str,
    *,
    columns: Columns | None = None,
    mends: Mends | None = None,
    area: shapely.Geometry | None = None,
    keep: str = "main",
    default_class: str = "class3",
    notes: Sequence[str] = (),
) -> Imported:
    """Return the network of a layer that was read, in whatever CRS; see `read_file`."""
    mends = mends or Mends()
    lines, more = as_wgs84(frame, where, mends)
    if area is not None:
        lines = lines[shapely.intersects(lines.geometry.to_numpy(), area)]
    if lines.empty:
        raise InputError.of(where, "没有线要素(或都在范围外)", "no lines, or none in the area")
    table, said = _our_columns(lines, columns or Columns(), where, default_class)
    if mends.crossings:
        table, count = _cut_at_crossings(table)
        said.append(f"在 {count} 处交叉点相连 joined at crossings")
    whole = network_of_lines(table, default_class=default_class, name=name, snap_m=mends.snap_m)
    collect(whole.faults(where))
    network, parts = main_parts(with_kinds(whole), keep)
    return Imported(network, parts, (*notes, *more, *said))


# Reading layers


def _read_layer(path: Path, layer: str, encoding: str) -> tuple[gpd.GeoDataFrame, list[str]]:
    import pyogrio

    if not path.exists():
        raise InputError.of(path, "文件不存在", "no such file")
    try:
        name = layer or _line_layer(path, pyogrio.list_layers(path))
        return _decoded(path, name, encoding)
    except InputError:
        raise
    except Exception as error:  # pyogrio raises many kinds
        raise InputError.of(
            path,
            "读不出图层:文件可能损坏,或不是 Shapefile、GeoPackage、GeoJSON、File Geodatabase",
            f"damaged, or not a vector file: {str(error).splitlines()[0]}",
        ) from None


def _line_layer(path: Path, layers: np.ndarray) -> str:
    """Return the only layer of lines; one called ``links`` or ``roads`` goes before others."""
    found = [str(name) for name, kind in layers if kind is None or "Line" in str(kind)]
    unknown = [str(name) for name, kind in layers if str(kind) in ("Unknown", "Geometry")]
    found = found or unknown
    for usual in ("links", "roads"):
        if usual in found:
            return usual
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError.of(
            path,
            f"有几个线图层,请用 --layer 指定:{'、'.join(found)}",
            "several layers of lines; name one with --layer",
        )
    raise InputError.of(path, "没有线图层", "no layer of lines")


def _decoded(path: Path, layer: str, encoding: str) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return a layer; of a Shapefile that does not say its encoding, or wrongly, as it decodes."""
    shape = path.suffix.lower() == ".shp"
    if encoding or not shape or path.with_suffix(".cpg").is_file():
        try:
            return gpd.read_file(
                path, layer=layer, **({"encoding": encoding} if encoding else {})
            ), []
        except (UnicodeDecodeError, LookupError):
            if encoding or not shape:
                raise InputError.of(
                    path,
                    f"属性表不是 {encoding or '所声明的'} 编码;请用 --encoding utf-8 或 gbk",
                    "the attributes are in another encoding; try --encoding utf-8 or gbk",
                ) from None
    raw = gpd.read_file(path, layer=layer, encoding="ISO-8859-1")  # bytes as they are
    for guess in ("utf-8", "gb18030"):
        try:
            frame = _recoded(raw, guess)
        except UnicodeDecodeError:
            continue
        note = f"没有可用的 .cpg,按 {guess.upper()} 读属性 attributes read as {guess}"
        return frame, [] if frame.equals(raw) else [note]
    raise InputError.of(
        path,
        "属性表的编码既不是 UTF-8 也不是 GBK;请用 --encoding 指定",
        "the attributes are neither UTF-8 nor GBK; give --encoding",
    )


def _recoded(raw: gpd.GeoDataFrame, encoding: str) -> gpd.GeoDataFrame:
    """Return a layer that was read byte by byte in its real encoding."""

    def text(value: Any) -> Any:
        return value.encode("latin-1").decode(encoding) if isinstance(value, str) else value

    frame = raw.copy()
    for name in raw.columns.drop("geometry"):
        if raw[name].map(type).eq(str).any():
            frame[name] = raw[name].map(text)
    # Names are cut at ten bytes, perhaps within a character.
    names = {n: str(n).encode("latin-1").decode(encoding, "ignore") for n in raw.columns}
    return frame.rename(columns=names)


# Attributes


def _our_columns(
    lines: gpd.GeoDataFrame, columns: Columns, where: str, default_class: str
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return the lines with our columns, filled from theirs."""
    found, faults = _matched(lines, columns, where)
    table = gpd.GeoDataFrame(geometry=lines.geometry.to_numpy(), crs=4326)
    notes = []
    for name, theirs in found.items():
        values = lines[theirs].reset_index(drop=True)
        if name in columns.values:
            values = values.map(lambda v, words=columns.values[name]: words.get(_text(v), v))
        if name in ("length_km", "design_speed_kmh"):
            values, more = _as_numbers(values, name, theirs, where)
            values *= _UNITS[columns.units.get(name, "km")]
            faults += more
        table[name] = values
    if "class" in table:
        table["class"], more = _as_classes(table["class"], where, default_class)
        faults += more
    elif "class" not in columns.defaults:
        notes.append(f"没有等级列,全按 {CLASSES[default_class][0]} 计 all as {default_class}")
    for name, value in columns.defaults.items():
        blank = table[name].isna() | (table[name] == "") if name in table else True
        table[name] = value if blank is True else table[name].where(~blank, value)
    if "oneway" in table:
        table["oneway"] = [_text(value).lower() in _YES for value in table["oneway"]]
    if "mode" not in table and "class" in table:
        table["mode"] = np.where(table["class"].isin(RAIL_CLASSES), "rail", "road")
    if "length_km" in table:
        table["length_basis"] = table.get("length_basis", "published")
    table["source"] = table.get("source", where)
    faults += list(_row_faults(table, where))
    collect_some(faults, where)
    if found:
        used = "、".join(f"{theirs}→{name}" for name, theirs in found.items() if theirs != name)
        notes += [f"所用的列 columns used: {used}"] if used else []
    return table, notes


def _matched(
    lines: gpd.GeoDataFrame, columns: Columns, where: str
) -> tuple[dict[str, str], list[Fault]]:
    """Return which of their columns holds what, by the mapping and by usual names."""
    theirs = {str(name).lower(): str(name) for name in lines.columns if name != "geometry"}
    found, faults = {}, []
    for name, asked in columns.columns.items():
        if asked in lines.columns:
            found[name] = asked
        else:
            near = "、".join(nearest_names(asked, theirs.values()))
            faults.append(
                Fault(where, f"没有列“{asked}”;相近的有:{near}", "the layer has no such column")
            )
    for name in _OURS:
        usual = USUAL_NAMES.get(name, (name,))
        if name not in columns.columns and name != "geometry":
            match = next((theirs[word] for word in _spellings(usual) if word in theirs), None)
            if match:
                found[name] = match
    return found, faults


def _spellings(names: Sequence[str]) -> Iterator[str]:
    """Yield names, and what is left of them in the ten bytes of a Shapefile in UTF-8."""
    for name in names:
        yield name
        short = name.encode()[:10].decode(errors="ignore")
        if len(short) >= 3:
            yield short


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return ""
    return str(value).strip()


def _as_numbers(
    values: pd.Series, name: str, theirs: str, where: str
) -> tuple[pd.Series, list[Fault]]:
    texts = values.map(_text)
    numbers = pd.to_numeric(texts.where(texts != "").astype(object), errors="coerce").astype(float)
    bad = np.flatnonzero((texts != "") & numbers.isna())
    return numbers, [
        Fault(
            f"{where} 第{row + 1}个要素",
            f"{theirs} 不是数字:{texts.iloc[row]}",
            f"{name} is not a number",
        )
        for row in bad
    ]


def _as_classes(values: pd.Series, where: str, default: str) -> tuple[pd.Series, list[Fault]]:
    """Return our classes for their words; one fault for each word that is not known."""
    texts = values.map(_text)
    known = {name: name for name in CLASSES} | USUAL_CLASSES
    found = texts.map(known).astype(object)
    found = found.where(texts != "", default)
    faults = []
    for word in texts[found.isna()].unique():
        rows = np.flatnonzero(texts == word)
        faults.append(
            Fault(
                f"{where} 第{rows[0] + 1}个要素等 {len(rows)} 个",
                f"不认识的等级“{word}”;请在 --columns 的 values: class: 中对应到 "
                f"{'、'.join(CLASSES)}",
                "an unknown class; map it in the file of --columns",
            )
        )
    return found.fillna(default), faults


def _row_faults(table: pd.DataFrame, where: str) -> Iterator[Fault]:
    """Yield rows with absurd speeds or lengths, unknown modes, or ids used twice."""
    tests = (
        ("design_speed_kmh", 400.0, "设计速度应在 0 到 400 km/h 之间", "the speed is absurd"),
        ("length_km", 5000.0, "里程应是正的公里数", "the length is not a positive number of km"),
    )
    for name, top, zh, en in tests:
        if name in table:
            values = table[name].to_numpy(dtype=float)
            for row in np.flatnonzero((values <= 0) | (values > top)):
                yield Fault(f"{where} 第{row + 1}个要素", f"{zh}:{values[row]:g}", en)
    if "mode" in table:
        for row in np.flatnonzero(~table["mode"].isin(MODES)):
            yield Fault(
                f"{where} 第{row + 1}个要素",
                f"方式“{table['mode'].iloc[row]}”无效;可用 {'、'.join(MODES)}",
                "mode is not known",
            )
    if "link_id" in table:
        ids = table["link_id"].map(_text)
        for row in np.flatnonzero(ids.duplicated() & (ids != "")):
            first = int(np.flatnonzero(ids == ids.iloc[row])[0])
            yield Fault(
                f"{where} 第{row + 1}个要素",
                f"编号 {ids.iloc[row]} 与第{first + 1}个要素重复",
                "the id is used twice",
            )


# Topology


def network_of_lines(
    lines: gpd.GeoDataFrame,
    *,
    default_class: str = "class3",
    name: str = "lines",
    snap_m: float = 0.0,
) -> Network:
    """Return a network of lines that meet where their ends coincide, and nowhere else.

    Parameters
    ----------
    lines
        LineStrings (multi-part ones are taken apart) in EPSG:4326; columns named as in
        `spatialplan.network.LINK_COLUMNS`, and ``link_id``, are kept, and the rest filled:
        ``length_km`` with the drawn length, ``class`` with `default_class`.
    snap_m
        Ends that lie this near to one another are one node; 0: within a centimetre.
    """
    parts = lines.explode(index_parts=False, ignore_index=True)
    parts = parts[parts.geometry.geom_type == "LineString"].reset_index(drop=True)
    geometry = parts.geometry.to_numpy()
    xy = np.round(shapely.get_coordinates(geometry), _DECIMALS)
    count = shapely.get_num_coordinates(geometry)
    last = np.cumsum(count) - 1
    ends = np.concatenate([xy[last - count + 1], xy[last]])
    spots, number = np.unique(ends, axis=0, return_inverse=True)
    if snap_m > 0:
        spots, number = _snapped(spots, number, snap_m)
    node_ids = np.array([f"n{i}" for i in range(len(spots))])
    first, second = node_ids[number[: len(parts)]], node_ids[number[len(parts) :]]
    frame = pd.DataFrame(parts.drop(columns="geometry")).assign(from_node=first, to_node=second)
    drawn = drawn_km(xy, count)
    if "length_km" not in frame:
        frame["length_km"] = np.nan
    given = pd.to_numeric(frame["length_km"], errors="coerce").notna()
    basis = frame["length_basis"] if "length_basis" in frame else pd.Series("", frame.index)
    frame["length_basis"] = basis.where(given, "drawn")
    frame["length_km"] = frame["length_km"].where(given, drawn)
    if "class" not in frame:
        frame["class"] = default_class
    if "mode" not in frame:
        frame["mode"] = "road"
    frame.index = _link_ids(frame)
    # A ring without a crossing leads nowhere; a piece shorter than the snapping is no link.
    keep = (frame["length_km"].to_numpy() > 0) & (drawn > 0)
    keep &= (first != second) | (drawn > 2 * snap_m / 1000)
    links = as_links(frame[keep], geometry[keep]).rename_axis("link_id")
    nodes = pd.DataFrame({"kind": "node", "geometry": shapely.points(spots)}, index=node_ids)
    used = nodes.index.isin(pd.unique(links[["from_node", "to_node"]].to_numpy().ravel()))
    return Network(as_nodes(nodes[used].rename_axis("node_id")), links, name)


def drawn_km(xy: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return geodesic lengths of lines from their coordinates and the number of each's."""
    owner = np.repeat(np.arange(len(count)), count)
    steps = straight_km(*xy[:-1].T, *xy[1:].T) if len(xy) > 1 else np.zeros(0)
    same = owner[:-1] == owner[1:]
    return np.bincount(owner[:-1][same], weights=steps[same], minlength=len(count))


def _link_ids(frame: pd.DataFrame) -> pd.Index:
    """Return the ids given, numbered where a line has several parts, and ours for the rest."""
    if "link_id" not in frame:
        return pd.Index([f"l{i}" for i in range(len(frame))])
    given = frame["link_id"].map(_text)
    blank = given == ""
    ids = given.where(~blank, [f"l{i}" for i in range(len(frame))])
    repeat = ids.groupby(ids).cumcount()
    return pd.Index(ids.where(repeat == 0, ids + "-" + (repeat + 1).astype(str)))


def _snapped(spots: np.ndarray, number: np.ndarray, snap_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Make one node of spots that lie within some metres of one another."""
    from scipy.spatial import cKDTree

    scale = np.array([np.cos(np.radians(spots[:, 1].mean())), 1.0]) * 111_200.0
    pairs = cKDTree((spots - spots.mean(axis=0)) * scale).query_pairs(snap_m, output_type="ndarray")
    if not len(pairs):
        return spots, number
    group = labels(pairs[:, 0], pairs[:, 1], len(spots))
    first = np.unique(group, return_index=True)[1]
    return spots[first], group[number]


def _cut_at_crossings(table: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, int]:
    """Cut lines where they cross or touch one another; lengths are shared out pro rata.

    An expressway or a railway is never joined so: what crosses it goes over or under it.
    """
    table = table.explode(index_parts=False, ignore_index=True)
    lines = table.geometry.to_numpy()
    tree = shapely.STRtree(lines)
    one, other = tree.query(lines, predicate="intersects")
    fast = np.zeros(len(table), dtype=bool)
    if "class" in table:
        fast = table["class"].isin(["expressway", *RAIL_CLASSES]).to_numpy()
    chosen = (one < other) & ~fast[one] & ~fast[other]
    one, other = one[chosen], other[chosen]
    points = shapely.intersection(lines[one], lines[other])
    cuts: dict[int, list[np.ndarray]] = {}
    joints = set()
    for first, second, shape in zip(one.tolist(), other.tolist(), points, strict=True):
        for spot in np.round(_spots(shape), _DECIMALS):
            cuts.setdefault(first, []).append(spot)
            cuts.setdefault(second, []).append(spot)
            joints.add(tuple(spot))
    pieces = [
        _cut_line(line, cuts[row]) if row in cuts else [line] for row, line in enumerate(lines)
    ]
    owner = np.repeat(np.arange(len(lines)), [len(part) for part in pieces])
    flat = np.array([line for part in pieces for line in part], dtype=object)
    result = gpd.GeoDataFrame(
        pd.DataFrame(table.drop(columns="geometry")).iloc[owner].reset_index(drop=True),
        geometry=flat,
        crs=4326,
    )
    if "length_km" in result:
        km = drawn_km(shapely.get_coordinates(flat), shapely.get_num_coordinates(flat))
        whole = np.bincount(owner, weights=km, minlength=len(lines))
        result["length_km"] *= km / whole[owner]
        split = np.bincount(owner)[owner] > 1
        of_part = result["length_basis"].map(part_basis)
        result["length_basis"] = result["length_basis"].where(~split, of_part)
    return result, len(joints)


def _spots(shape: shapely.Geometry) -> np.ndarray:
    """Return the points of a crossing; of a stretch in common, its ends."""
    parts = shapely.get_parts(shape)
    points = [shapely.get_coordinates(part) for part in parts if part.geom_type == "Point"]
    lines = [shapely.get_coordinates(part)[[0, -1]] for part in parts if "Line" in part.geom_type]
    return np.concatenate([*points, *lines]) if points or lines else np.empty((0, 2))


def _cut_line(line: shapely.LineString, spots: list[np.ndarray]) -> list[shapely.LineString]:
    """Return the pieces of a line between spots on it; each spot is a vertex of its pieces."""
    xy = shapely.get_coordinates(line)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    unique = np.unique(np.array(spots), axis=0)
    where = shapely.line_locate_point(line, shapely.points(unique))
    tiny = 10.0**-_DECIMALS
    inner = (where > tiny) & (where < along[-1] - tiny)
    unique, where = unique[inner], where[inner]
    old = np.abs(along[:, None] - where[None, :]).min(axis=1, initial=np.inf) > tiny
    old[[0, -1]] = True
    order = np.argsort(np.concatenate([along[old], where]), kind="stable")
    points = np.concatenate([xy[old], unique])[order]
    cut = np.concatenate([np.zeros(old.sum(), dtype=bool), np.ones(len(where), dtype=bool)])[order]
    marks = [0, *np.flatnonzero(cut).tolist(), len(points) - 1]
    return [
        shapely.LineString(points[low : high + 1]) for low, high in pairwise(marks) if high > low
    ]
