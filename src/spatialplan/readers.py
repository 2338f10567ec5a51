"""Networks from planners' own lines: files, databases, graphs.

What a file leaves open (its CRS, the encoding of its attributes, swapped axes, the shift of
Chinese web maps) is detected where it can be, told, and mended only when asked.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict, Unpack

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan.columns import Columns, cell_text, our_columns
from spatialplan.components import Part, labels, main_parts, part_lines, with_kinds
from spatialplan.coordinates import Known, Mends, as_wgs84
from spatialplan.draft import part_basis
from spatialplan.errors import Fault, InputError, collect, collect_some
from spatialplan.geodesy import straight_km
from spatialplan.network import Network, as_links, as_nodes
from spatialplan.standards import RAIL_CLASSES

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
_NAMED_AT_MOST = 5


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
    known
        Roads of the same area that are not shifted, to tell GCJ-02 by.
    """

    columns: Columns | None
    mends: Mends | None
    area: shapely.Geometry | None
    keep: str
    default_class: str
    known: Known | None


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
    known: Known | None = None,
    notes: Sequence[str] = (),
) -> Imported:
    """Return the network of a layer that was read, in whatever CRS; see `read_file`."""
    mends = mends or Mends()
    lines, more = as_wgs84(frame.reset_index(drop=True), where, mends, known)
    if area is not None:
        lines = lines[shapely.intersects(lines.geometry.to_numpy(), area)]
    if lines.empty:
        raise InputError.of(where, "没有线要素(或都在范围外)", "no lines, or none in the area")
    table, said = our_columns(lines, columns or Columns(), where, default_class)
    said += _odd_lines(table)
    if mends.crossings:
        table, count = _cut_at_crossings(table)
        said.append(f"在 {count} 处交叉点相连 joined at crossings")
    whole = network_of_lines(table, default_class=default_class, name=name, snap_m=mends.snap_m)
    collect_some(whole.faults(where), where)
    network, parts = main_parts(with_kinds(whole), keep)
    return Imported(network, parts, (*notes, *more, *said))


def _odd_lines(table: gpd.GeoDataFrame) -> Iterator[str]:
    """Yield what is said of lines that have no length, and of those drawn twice."""
    lines = table.geometry.to_numpy()
    xy, last = shapely.get_coordinates(lines), np.cumsum(shapely.get_num_coordinates(lines)) - 1
    first, length = np.append(0, last[:-1] + 1), shapely.length(lines)
    ends = np.round(np.column_stack([xy[first], xy[last]]), _DECIMALS)
    turned = (ends[:, 0] > ends[:, 2]) | ((ends[:, 0] == ends[:, 2]) & (ends[:, 1] > ends[:, 3]))
    ends[turned] = ends[turned][:, [2, 3, 0, 1]]
    # Two one-way lines of opposite directions are the two sides of a road.
    way = np.where(table["oneway"], 1 + turned, 0) if "oneway" in table else np.zeros(len(table))
    nothing = length == 0
    same = np.column_stack([ends, np.round(length, 2 + _DECIMALS), way])
    twice = pd.DataFrame(same).duplicated().to_numpy() & ~nothing
    for found, zh, en in (
        (nothing, "零长度的线,未用", "lines without length, left out"),
        (twice, "重复画的线,统计里程时会重复计,宜在 QGIS 中删去", "lines drawn twice, both kept"),
    ):
        if found.any():
            rows = "、".join(f"{row + 1}" for row in table.index[found][:_NAMED_AT_MOST])
            more = "等" if found.sum() > _NAMED_AT_MOST else ""
            yield f"{zh} {en}: {found.sum()}(第 {rows} {more}个要素)"


# Reading layers


def _read_layer(path: Path, layer: str, encoding: str) -> tuple[gpd.GeoDataFrame, list[str]]:
    import pyogrio

    if not path.exists():
        raise InputError.of(path, "文件不存在", "no such file")
    shape = path.suffix.lower() == ".shp" and path.is_file()
    if shape:
        collect(_shapefile_faults(path))
    try:
        with warnings.catch_warnings(record=True) as said:
            name = _line_layer(path, layer, pyogrio.list_layers(path))
            frame, notes = _decoded(path, name, encoding)
    except InputError:
        raise
    except Exception as error:  # pyogrio raises many kinds
        raise InputError.of(
            path,
            "读不出图层:文件可能损坏,或不是 Shapefile、GeoPackage、GeoJSON、File Geodatabase",
            f"damaged, or not a vector file: {str(error).splitlines()[0]}",
        ) from None
    said = list(dict.fromkeys(str(warning.message) for warning in said))
    notes += [f"读文件时的提示 said by the driver: {text}" for text in said[:_NAMED_AT_MOST]]
    if shape and not _has(path, ".dbf"):
        notes.append("缺 .dbf,因此没有属性 the .dbf is missing, so there are no attributes")
    return frame, notes


def _has(path: Path, suffix: str) -> bool:
    """Say whether a Shapefile has its part of this suffix, in small letters or capitals."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as packed:
            return any(name.lower().endswith(suffix) for name in packed.namelist())
    return any(path.with_suffix(name).is_file() for name in (suffix, suffix.upper()))


def _shapefile_faults(path: Path) -> Iterator[Fault]:
    """Yield what a Shapefile lacks that was not copied whole."""
    with path.open("rb") as file:
        head = file.read(28)
    if head[:4] != b"\x00\x00\x27\x0a":
        return  # no Shapefile at all: the driver says so
    if not _has(path, ".shx"):
        yield Fault(
            str(path),
            "缺 .shx;请把同名的 .shp、.shx、.dbf、.prj、.cpg 一起复制过来",
            "the .shx is missing; copy all the files that have this name",
        )
    size, wanted = path.stat().st_size, 2 * int.from_bytes(head[24:28], "big")  # 16-bit words
    if size < wanted:
        yield Fault(
            str(path),
            f"文件不完整:应有 {wanted} 字节,只有 {size} 字节;请重新复制",
            "the file is cut off; copy it anew",
        )


def _line_layer(path: Path, asked: str, layers: np.ndarray) -> str:
    """Return the layer asked for, or the only one of lines; ``links``, ``roads`` go first."""
    if asked:
        names = [str(name) for name, _ in layers]
        if asked in names:
            return asked
        raise InputError.of(
            path, f"没有图层“{asked}”;可用:{'、'.join(names)}", "no such layer; see those there are"
        )
    found = [str(name) for name, kind in layers if kind is None or _is_of_lines(str(kind))]
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


def _is_of_lines(kind: str) -> bool:
    return any(word in kind for word in ("Line", "Curve", "CircularString"))


def _decoded(path: Path, layer: str, encoding: str) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return a layer; of a Shapefile that does not say its encoding, or wrongly, as it decodes."""
    shape = path.suffix.lower() in (".shp", ".zip")
    if encoding or not shape or _has(path, ".cpg"):
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
    parts = _in_parts(lines)
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
    given = frame["link_id"].map(cell_text)
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
    table = _in_parts(table)
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
    return _shared_out(result, owner), len(joints)


def _in_parts(lines: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return lines with those of several parts taken apart."""
    if (lines.geom_type == "LineString").all():
        return lines.reset_index(drop=True)
    parts = lines.reset_index(drop=True).explode(index_parts=False)
    parts = parts[parts.geom_type == "LineString"]
    return _shared_out(parts.reset_index(drop=True), parts.index.to_numpy())


def _shared_out(pieces: gpd.GeoDataFrame, owner: np.ndarray) -> gpd.GeoDataFrame:
    """Return pieces of lines, each with its share of the length given for the whole of its owner.

    `owner` numbers the whole lines.
    """
    if "length_km" not in pieces:
        return pieces
    lines = pieces.geometry.to_numpy()
    km = drawn_km(shapely.get_coordinates(lines), shapely.get_num_coordinates(lines))
    whole = np.bincount(owner, weights=km)[owner]
    split = np.bincount(owner)[owner] > 1
    share = np.divide(km, whole, out=np.ones_like(km), where=split & (whole > 0))
    basis = pieces["length_basis"]
    return pieces.assign(
        length_km=pieces["length_km"] * share,
        length_basis=basis.where(~split, basis.map(part_basis)),
    )


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
