"""Bringing in a road network from wherever it is, tied to the places of the plans."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from spatialplan import components, places, ties
from spatialplan import network as networks
from spatialplan.coordinates import Known, Mends, county_at
from spatialplan.errors import Fault, InputError, collect
from spatialplan.files import check_layer_suffix
from spatialplan.network import Network
from spatialplan.script import listed
from spatialplan.standards import CLASSES

if TYPE_CHECKING:
    from typing import Unpack

    from spatialplan.columns import Columns
    from spatialplan.osm import Extract
    from spatialplan.readers import Imported, Reading
    from spatialplan.ties import Tied

__all__ = ["Import", "area_of", "bring", "check_output", "fetch", "fetch_area", "plan_area"]

OSM_ENDINGS = (".pbf", ".osm", ".osm.gz", ".osm.bz2", ".o5m")
DATABASES = ("postgresql://", "postgres://")
LONGEST_SNAP_M = 100.0  # farther apart, ends are not sloppily drawn but apart
PLAN_MARGIN = 0.15  # degrees around a plan's counties: roads go round their borders


@dataclass(frozen=True)
class Import:
    """A network brought in: `lines` say what was found, `tied` how places were tied to it."""

    network: Network
    lines: tuple[str, ...]
    tied: Tied | None = None

    def write(self, path: str | Path) -> list[str]:
        """Write the network, and beside it the table of ties; return what was written.

        The path is a file, with ``<name>.ties.csv`` beside it, or a PostGIS address.

        Raises
        ------
        InputError
            When the file cannot be written; the previous one is then as it was.
        """
        if str(path).startswith(DATABASES):
            from spatialplan import postgis

            return postgis.write_postgis(self.network, str(path))
        self.network.write(path)
        if self.tied is None or self.tied.table.empty:
            return [str(path)]
        beside = Path(path).with_suffix(".ties.csv")
        self.tied.write(beside)
        return [str(path), str(beside)]


def area_of(bbox: str = "", boundary: str = "") -> shapely.Geometry | None:
    """Return the polygon (EPSG:4326) that a user names, or None.

    Parameters
    ----------
    bbox
        ``west,south,east,north`` in degrees.
    boundary
        Codes of counties, prefectures or provinces (``622901,622922``, ``622900``,
        ``620000``), or a file of polygons.

    Raises
    ------
    InputError
        When both are given, or either cannot be understood.
    """
    if bbox and boundary:
        raise InputError.of(
            "--bbox --boundary", "只能给一个", "give one of --bbox and --boundary, not both"
        )
    if bbox:
        return _box(bbox)
    if not boundary:
        return None
    codes = listed(boundary)
    if all(code.strip().isdigit() for code in codes):
        return _counties([int(code) for code in codes])
    return _polygon(Path(boundary))


def _box(text: str) -> shapely.Geometry:
    try:
        west, south, east, north = (float(part) for part in listed(text))
    except ValueError:
        west = east = south = north = 0.0
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise InputError.of(
            "--bbox",
            f"应是 西,南,东,北(度):{text}",
            "write west,south,east,north in degrees",
        )
    return shapely.box(west, south, east, north)


def _counties(codes: Sequence[int]) -> shapely.Geometry:
    from spatialplan import boundaries

    known = boundaries.counties().index
    wanted: list[int] = []
    for code in codes:
        beginning = str(code)
        while beginning.endswith("00"):
            beginning = beginning[:-2]
        inside = [c for c in known if str(c).startswith(beginning)]
        wanted += inside if len(beginning) in (2, 4, 6) and inside else [code]
    return shapely.union_all(boundaries.counties(wanted).geometry.to_numpy())


def _polygon(path: Path) -> shapely.Geometry:
    import geopandas as gpd

    if not path.exists():
        raise InputError.of(
            f"--boundary {path}",
            "既不是行政区划代码(如 622922),也没有这个文件",
            "neither codes nor a file that exists",
        )
    try:
        frame = gpd.read_file(path)
    except Exception as error:  # pyogrio raises many kinds
        raise InputError.of(
            path, "读不出面图层", f"cannot be read: {str(error).splitlines()[0]}"
        ) from None
    if frame.crs is None or not frame.geom_type.str.endswith("Polygon").all() or frame.empty:
        raise InputError.of(
            path, "范围应是带坐标系的面图层", "the boundary must be polygons, with a CRS"
        )
    return shapely.union_all(shapely.make_valid(frame.to_crs(4326).geometry.to_numpy()))


def fetch_area(plan_id: str = "", bbox: str = "", boundary: str = "") -> shapely.Geometry:
    """Return the polygon (EPSG:4326) to fetch: of a plan, a box, or counties.

    Raises
    ------
    InputError
        When not exactly one is given, or it cannot be understood.
    """
    area = area_of(bbox, boundary)
    if bool(plan_id) == (area is not None):
        raise InputError.of(
            "network fetch",
            "请给 --plan、--bbox、--boundary 中的一个",
            "name the area to fetch: one of --plan, --bbox and --boundary",
        )
    return plan_area(plan_id) if area is None else area


def plan_area(plan_id: str) -> shapely.Geometry:
    """Return the counties of a built-in plan with a margin, EPSG:4326."""
    from spatialplan import plan

    return shapely.buffer(_counties(plan.builtin(plan_id).area), PLAN_MARGIN)


def check_output(output: str, source: str = "") -> None:
    """Refuse, before any work, a place where the network could not be written.

    Raises
    ------
    InputError
        When the suffix is wrong, the place is a folder or closed to us, or is the source itself.
    """
    if output.startswith(DATABASES):
        return
    path = Path(output)
    check_layer_suffix(path)
    if source and path.exists() and Path(source).exists() and path.samefile(source):
        raise InputError.of(
            path,
            "输出会覆盖要导入的文件;请换个文件名",
            "the output would replace the file that is read; give another name",
        )
    folder = next((parent for parent in path.absolute().parents if parent.exists()), path)
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise InputError.of(
            path,
            "无法写入;请检查文件夹和权限,或这里已有同名文件夹",
            "cannot write here; check the folder and its rights, or a folder has this name",
        )


def bring(
    source: str,
    *,
    area: shapely.Geometry | None = None,
    classes: str = "",
    columns: str = "",
    layer: str = "",
    mends: Mends | None = None,
    keep: str = "main",
    default_class: str = "",
    known: str = "",
    tie: bool = True,
    overrides: str = "",
    progress: bool = False,
) -> Import:
    """Return the network of a source, tied to the built-in places.

    Parameters
    ----------
    source
        An OpenStreetMap extract, a vector file, a GraphML file, or a PostGIS address.
    classes
        Table of class rules for OpenStreetMap's tags; the built-in one by default.
    columns, layer, mends, default_class
        How to read vector data, see `spatialplan.readers`.
    known
        An extract or network file of the same area that is not shifted, to tell GCJ-02 by.
    tie, overrides
        Whether to tie places, and a CSV of ties that go before what is found.
    progress
        Show on standard error how far it is with an extract.

    Raises
    ------
    InputError
        With one fault for each thing wrong.
    """
    mends = mends or Mends()
    kind = _kind(source)
    given = {"--classes": classes, "--columns": columns, "--layer": layer}
    given |= {"--default-class": default_class, "--known": known} | _asked_mends(mends)
    collect(_option_faults(kind, given, keep, default_class, mends))
    _refuse_page(source)
    if kind == "osm":
        from spatialplan import osm, tags

        rules = tags.read_rules(classes or None)
        found = osm.read(source, area=area, rules=rules, keep=keep, progress=progress)
        return _of_extract(found, tie, overrides)
    if kind == "graph":
        from spatialplan import graphs, tags

        rules = tags.read_rules(classes or None)
        brought = graphs.read_graphml(source, rules, keep=keep, area=area)
    else:
        brought = _lines(
            source,
            layer,
            columns=_columns(columns),
            mends=mends,
            area=area,
            keep=keep,
            default_class=default_class or "class3",
            known=_known(known) if known else None,
        )
    return _tied(brought.network, brought.lines(), tie, overrides)


_KINDS = {
    "osm": ("OSM 提取", "an OpenStreetMap extract"),
    "graph": ("GraphML", "GraphML"),
    "table": ("PostGIS 表", "a PostGIS table"),
    "file": ("矢量文件", "a vector file"),
}
_MENDS = {
    "crs": "--crs",
    "encoding": "--encoding",
    "swap_axes": "--swap-axes",
    "gcj02": "--gcj02",
    "crossings": "--node-crossings",
    "snap_m": "--snap",
}
_MEANT_FOR = {
    "--classes": ("osm", "graph"),
    "--layer": ("file",),
    "--encoding": ("file",),
}


def _kind(source: str) -> str:
    """Return what a source is: a key of `_KINDS`."""
    if source.startswith(DATABASES):
        return "table"
    if source.lower().endswith(OSM_ENDINGS):
        return "osm"
    return "graph" if source.lower().endswith(".graphml") else "file"


def _asked_mends(mends: Mends) -> dict[str, bool]:
    """Return which options of mending were given."""
    usual = Mends()
    return {
        _MENDS[field.name]: getattr(mends, field.name) != getattr(usual, field.name)
        for field in fields(Mends)
    }


def _option_faults(
    kind: str, given: Mapping[str, Any], keep: str, default_class: str, mends: Mends
) -> Iterator[Fault]:
    """Yield options that are wrong, or that say nothing to this kind of source."""
    for option, value in given.items():
        if value and kind not in _MEANT_FOR.get(option, ("file", "table")):
            zh, en = _KINDS[kind]
            yield Fault(option, f"对 {zh} 没有意义;请去掉", f"means nothing to {en}; leave it out")
    if keep not in components.KEEP:
        yield Fault("--keep", f"应是 {'、'.join(components.KEEP)}:{keep}", "main, largest or all")
    if default_class and default_class not in CLASSES:
        yield Fault(
            "--default-class", f"应是 {'、'.join(CLASSES)}:{default_class}", "not a known class"
        )
    if not 0 <= mends.snap_m <= LONGEST_SNAP_M:
        yield Fault(
            "--snap",
            f"应在 0 到 {LONGEST_SNAP_M:.0f} 米之间:{mends.snap_m:g}",
            "must lie between 0 and 100 metres",
        )


def _refuse_page(source: str) -> None:
    """Refuse a web page that was saved in place of a file."""
    if not Path(source).is_file():
        return
    with Path(source).open("rb") as file:
        head = file.read(200).lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise InputError.of(
            source,
            "这是网页,不是数据:下载时可能要登录,或链接已失效;请重新下载",
            "a web page, not data: the download may have asked for a login; download it anew",
        )


def _columns(path: str) -> Columns | None:
    from spatialplan.columns import Columns

    return Columns.read(path) if path else None


def _known(path: str) -> Known:
    """Return the roads of an extract or network file."""
    if path.lower().endswith(OSM_ENDINGS):
        from spatialplan import osm

        network = osm.read(path, keep="all").network
    else:
        network = networks.read(path)
    roads = network.links[network.links["mode"] == "road"]
    return Known(Path(path).name, roads.geometry.to_numpy())


def _lines(source: str, layer: str, **options: Unpack[Reading]) -> Imported:
    if source.startswith(DATABASES):
        from spatialplan.postgis import read_postgis

        return read_postgis(source, **options)
    from spatialplan.readers import read_file

    return read_file(source, layer=layer, **options)


def fetch(
    area: shapely.Geometry,
    *,
    classes: str = "",
    endpoint: str = "",
    cache: str = "",
    keep: str = "main",
    tie: bool = True,
    overrides: str = "",
    name: str = "overpass",
) -> Import:
    """Return the network of an area from an Overpass server, tied to the built-in places."""
    from spatialplan import fetch as fetching
    from spatialplan import tags

    found = fetching.fetch(
        area,
        rules=tags.read_rules(classes or None),
        endpoint=endpoint,
        cache=cache or None,
        keep=keep,
        name=name,
    )
    return _of_extract(found, tie, overrides)


def _of_extract(found: Extract, tie: bool, overrides: str) -> Import:
    from spatialplan.osm import ATTRIBUTION

    lines = [*found.report.lines(), f"数据 data: {ATTRIBUTION}"]
    return _tied(found.network, lines, tie, overrides)


def _tied(network: Network, lines: Sequence[str], tie: bool, overrides: str) -> Import:
    if not tie:
        return Import(network, tuple(lines))
    given = ties.read_overrides(overrides) if overrides else None
    tied = ties.tie(network, places.builtin(), overrides=given)
    more = tied.lines() if len(tied.table) else [_elsewhere(network)]
    return Import(tied.network, (*lines, *more), tied)


def _elsewhere(network: Network) -> str:
    """Return what is said of a network that has none of the built-in places."""
    west, south, east, north = network.links.total_bounds
    lon, lat = (west + east) / 2, (south + north) / 2
    return (
        f"内置地点都不在路网范围内;路网中心在 {lon:.2f}°E {lat:.2f}°N({county_at(lon, lat)}),"
        "若不对,请检查坐标系、中央经线和坐标轴 no built-in place near; if this is not where the "
        "network should be, check its CRS"
    )
