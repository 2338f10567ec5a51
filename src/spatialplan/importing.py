"""Bringing in a road network from wherever it is, tied to the places of the plans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from spatialplan import components, places, ties
from spatialplan.coordinates import Mends
from spatialplan.errors import InputError
from spatialplan.network import Network
from spatialplan.script import listed

if TYPE_CHECKING:
    from spatialplan.osm import Extract
    from spatialplan.ties import Tied

__all__ = ["Import", "area_of", "bring", "fetch", "plan_area"]

OSM_ENDINGS = (".pbf", ".osm", ".osm.gz", ".osm.bz2", ".o5m")
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
        if str(path).startswith(("postgresql://", "postgres://")):
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
        County or prefecture codes (``622901,622922`` or ``622900``), or a file of polygons.

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
        inside = [c for c in known if code % 100 == 0 and c // 100 == code // 100]
        wanted += inside or [code]
    return shapely.union_all(boundaries.counties(wanted).geometry.to_numpy())


def _polygon(path: Path) -> shapely.Geometry:
    import geopandas as gpd

    if not path.exists():
        raise InputError.of(
            f"--boundary {path}",
            "既不是行政区划代码,也没有这个文件",
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


def plan_area(plan_id: str) -> shapely.Geometry:
    """Return the counties of a built-in plan with a margin, EPSG:4326."""
    from spatialplan import plan

    return shapely.buffer(_counties(plan.builtin(plan_id).area), PLAN_MARGIN)


def bring(
    source: str,
    *,
    area: shapely.Geometry | None = None,
    classes: str = "",
    columns: str = "",
    layer: str = "",
    mends: Mends | None = None,
    keep: str = "main",
    default_class: str = "class3",
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
    tie, overrides
        Whether to tie places, and a CSV of ties that go before what is found.

    Raises
    ------
    InputError
        With one fault for each thing wrong.
    """
    if keep not in components.KEEP:
        raise InputError.of(
            "--keep", f"应是 {'、'.join(components.KEEP)}:{keep}", "main, largest or all"
        )
    if source.lower().endswith(OSM_ENDINGS):
        from spatialplan import osm, tags

        rules = tags.read_rules(classes or None)
        found = osm.read(source, area=area, rules=rules, keep=keep, progress=progress)
        return _of_extract(found, tie, overrides)
    if source.startswith(("postgresql://", "postgres://")):
        from spatialplan.postgis import read_postgis as read
    elif source.lower().endswith(".graphml"):
        from spatialplan import graphs, tags

        brought = graphs.read_graphml(source, tags.read_rules(classes or None), keep)
        return _tied(brought.network, brought.lines(), tie, overrides)
    else:
        from spatialplan.readers import read_file

        def read(path: str, **options: object) -> object:
            return read_file(path, layer=layer, **options)

    from spatialplan.readers import Columns

    brought = read(
        source,
        columns=Columns.read(columns) if columns else None,
        mends=mends,
        area=area,
        keep=keep,
        default_class=default_class,
    )
    return _tied(brought.network, brought.lines(), tie, overrides)


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
    return Import(tied.network, (*lines, *tied.lines()), tied)
