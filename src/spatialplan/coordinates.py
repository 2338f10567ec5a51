"""Coordinates of planners' layers: what they look like, and bringing them to degrees.

A missing CRS, swapped axes, a zone number that does not fit the declared CRS, and the shift of
Chinese web maps are detected where they can be, told, and mended only when asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import boundaries, gcj02, offset
from spatialplan.errors import Fault, InputError, collect_some

__all__ = ["Known", "Mends", "as_wgs84", "county_at", "detect_crs"]

CHINA = (72.0, 3.0, 136.0, 54.0)  # west, south, east, north
EARTH = (-180.0, -90.0, 180.0, 90.0)
ZONE_METRES = 1_000_000  # what each zone before an easting adds
# CGCS2000 / 3-degree Gauss-Kruger without zone numbers, by central meridian: where China is wide.
MERIDIANS = {meridian: f"EPSG:{4534 + (meridian - 75) // 3}" for meridian in range(96, 115, 3)}
_GCJ02_NAMES = "gcj|amap|高德|火星|腾讯|tencent"
FAR_DEGREES = 6.0  # a zone is at times used for its neighbours too, never farther


@dataclass(frozen=True)
class Mends:
    """What a planner asks to be mended.

    `crs` goes before what the file says (``auto``: what the coordinates look like); `snap_m`
    joins ends that lie this near; `crossings` joins lines where they cross.
    """

    crs: str = ""
    encoding: str = ""
    swap_axes: bool = False
    gcj02: bool = False
    crossings: bool = False
    snap_m: float = 0.05


@dataclass(frozen=True)
class Known:
    """Roads that are where they should be (EPSG:4326), and what messages call them."""

    name: str
    lines: np.ndarray


def detect_crs(bounds: Sequence[float]) -> tuple[str, str]:
    """Return what coordinates look like: an EPSG code or a hint, and a word for it.

    Parameters
    ----------
    bounds
        Least x and y, greatest x and y.

    Returns
    -------
    tuple of str
        ``("EPSG:4523", "zoned")`` for CGCS2000 Gauss-Kruger in 3-degree zones with the zone
        before the easting; ``("", "unzoned")`` without it, where the central meridian cannot
        be known; ``("EPSG:4490", "degrees")``; ``("EPSG:3857", "mercator")``; ``("EPSG:…",
        "swapped")`` for any of these with latitude or northing first; ``("", "unknown")``.
    """
    code, look = _plain_look(bounds)
    if look != "unknown":
        return code, look
    code, look = _plain_look(_turned(bounds))
    return ("", "unknown") if look == "unknown" else (code, "swapped")


def _plain_look(bounds: Sequence[float]) -> tuple[str, str]:
    """Return what coordinates look like when easting or longitude comes first."""
    west, south, east, north = bounds
    on_earth = _within(bounds, EARTH) and not _within(_turned(bounds), CHINA)
    if on_earth or _within(bounds, CHINA):
        return "EPSG:4490", "degrees"
    if south >= 1.5e6 and north <= 6.2e6:
        zone = _zone(west)
        if zone == _zone(east) and west - zone * ZONE_METRES > 1e5:
            if 25 <= zone <= 45:
                return f"EPSG:{4513 + zone - 25}", "zoned"
            if 13 <= zone <= 23:
                return f"EPSG:{4491 + zone - 13}", "zoned"
        if west >= 1e5 and east <= 9e5:
            return "", "unzoned"
    if west >= 8e6 and east <= 15.2e6 and south >= 3e5 and north <= 7.3e6:
        return "EPSG:3857", "mercator"
    return "", "unknown"


def _zone(easting: float) -> int:
    """Return the number of the zone before an easting; 0: there is none."""
    return int(easting // ZONE_METRES) if np.isfinite(easting) else 0


def _within(bounds: Sequence[float], box: Sequence[float]) -> bool:
    return (
        box[0] <= bounds[0] and box[1] <= bounds[1] and bounds[2] <= box[2] and bounds[3] <= box[3]
    )


def _turned(bounds: Sequence[float]) -> tuple[float, float, float, float]:
    return bounds[1], bounds[0], bounds[3], bounds[2]


_LOOKS = {
    "zoned": ("带号的 CGCS2000 高斯投影", "CGCS2000 Gauss-Kruger with the zone number"),
    "unzoned": ("不带带号的高斯投影(中央经线不详)", "Gauss-Kruger, central meridian unknown"),
    "degrees": ("经纬度", "degrees"),
    "swapped": ("纬度或北坐标在前", "latitude or northing comes first"),
    "mercator": ("网络墨卡托", "web Mercator"),
    "unknown": ("说不清的坐标", "nothing known"),
}


def as_wgs84(
    frame: gpd.GeoDataFrame, where: str, mends: Mends, known: Known | None = None
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return the lines in EPSG:4326 with what was noticed, or say what is wrong."""
    frame, notes = _only_lines(frame, where)
    if mends.swap_axes:
        frame = frame.set_geometry(
            gpd.GeoSeries(
                shapely.transform(frame.geometry.to_numpy(), lambda xy: xy[:, ::-1]),
                frame.index,
                crs=frame.crs,
            )
        )
        notes.append("已对调坐标轴 axes swapped")
    guess, look = detect_crs(frame.total_bounds)
    crs = mends.crs
    if crs == "auto":
        if not guess:
            raise _unclear(where, frame, look)
        crs = guess
        notes.append(f"坐标像{_LOOKS[look][0]},按 {crs} 读 read as {crs}")
    if crs:
        try:
            frame = frame.set_crs(crs, allow_override=True)
        except Exception:  # pyproj raises its own kinds
            raise InputError.of(
                f"--crs {crs}", "不是坐标系;应如 EPSG:4523", "not a CRS; write EPSG:4523"
            ) from None
    if frame.crs is None:
        raise _unclear(where, frame, look)
    _check_declared(frame, where, look)
    lines = frame.to_crs(4326)
    if not np.isfinite(lines.total_bounds).all() or not _within(lines.total_bounds, EARTH):
        raise _unclear(where, frame, look)
    notes += _of_gcj02(lines, where, mends, known)
    if mends.gcj02:
        moved = gcj02.shift_back(lines.geometry.to_numpy())
        lines = lines.set_geometry(gpd.GeoSeries(moved, lines.index, crs=4326))
    return lines, notes


def _of_gcj02(
    lines: gpd.GeoDataFrame, where: str, mends: Mends, known: Known | None
) -> Iterator[str]:
    """Yield what is said of the shift of Chinese web maps."""
    if mends.gcj02:
        yield "已从 GCJ-02 纠回 WGS84 shifted back from GCJ-02"
    if known is not None:
        fit = offset.compare(lines.geometry.to_numpy(), known.lines)
        yield fit.line(known.name, mended=mends.gcj02)
    elif not mends.gcj02 and re.search(_GCJ02_NAMES, where, flags=re.IGNORECASE):
        yield (
            "文件名像 GCJ-02(高德、腾讯)坐标;若是,请加 --gcj02,否则偏 300–700 m;"
            "用 --known 给出同一地区不偏移的路网(如 OSM 提取),就能判断 "
            "the name speaks of GCJ-02: add --gcj02 if it is; with --known and a network of the "
            "area that is not shifted it can be told"
        )


def _unclear(where: str, frame: gpd.GeoDataFrame, look: str) -> InputError:
    zh, en = _LOOKS[look]
    guess = detect_crs(frame.total_bounds)[0]
    advice = f"--crs {guess}(或 --crs auto)" if guess else "--crs EPSG:代码"
    if look == "swapped":
        advice += " 和 --swap-axes"
    if look == "unzoned":
        advice += f"({_by_meridian(frame.total_bounds)})"
    if frame.crs is None:
        return InputError.of(
            where,
            f"没有坐标系(缺 .prj?);坐标像{zh};请用 {advice}",
            f"no CRS; the coordinates look like {en}; give --crs",
        )
    return InputError.of(
        where,
        f"坐标与所声明的坐标系 {frame.crs.to_string()} 不符,像{zh};请用 {advice}",
        f"the coordinates do not fit the CRS that is declared; they look like {en}",
    )


def _by_meridian(bounds: Sequence[float]) -> str:
    """Return where the middle of coordinates without a zone lies, by central meridian."""
    west, south, east, north = bounds
    middle = gpd.GeoSeries.from_xy([(west + east) / 2], [(south + north) / 2])
    found = []
    for meridian, code in MERIDIANS.items():
        spot = middle.set_crs(code, allow_override=True).to_crs(4326)[0]
        found.append(f"{meridian}° {code} 在{county_at(spot.x, spot.y)}")
    return f"按中央经线,图层中心:{'、'.join(found)}"


def county_at(lon: float, lat: float) -> str:
    """Return the prefecture and county at a position, as a planner says them."""
    counties = boundaries.counties()
    inside = counties[counties.contains(shapely.Point(lon, lat))]
    return "".join(inside[["city_zh", "name_zh"]].iloc[0]) if len(inside) else "各县之外"


def _check_declared(frame: gpd.GeoDataFrame, where: str, look: str) -> None:
    """Refuse coordinates that cannot be in the CRS that the file declares."""
    geographic = frame.crs.is_geographic
    if look == "swapped" and (geographic or _is_gauss(frame)):
        raise InputError.of(
            where,
            "坐标像是纬度或北坐标在前;请加 --swap-axes",
            "latitude or northing seems to come first; add --swap-axes",
        )
    if geographic:
        fits = look == "degrees"
    elif _is_gauss(frame) and look in ("zoned", "unzoned"):
        fits = _zone(frame.total_bounds[0]) == _zone(_false_easting(frame))
    else:
        fits = look != "degrees" and not _far_from_use(frame)
    if not fits:
        raise _unclear(where, frame, look)


def _far_from_use(frame: gpd.GeoDataFrame) -> bool:
    """Say whether coordinates lie far from where their projected CRS is used."""
    use = frame.crs.area_of_use
    if use is None:
        return False
    west, south, east, north = frame.total_bounds
    middle = gpd.GeoSeries.from_xy([(west + east) / 2], [(south + north) / 2], crs=frame.crs)
    lon, lat = shapely.get_coordinates(middle.to_crs(4326).to_numpy())[0]
    beyond = (use.west - lon, lon - use.east, use.south - lat, lat - use.north)
    return not max(beyond) <= FAR_DEGREES  # also where it has no position at all


def _is_gauss(frame: gpd.GeoDataFrame) -> bool:
    operation = frame.crs.coordinate_operation
    return bool(operation and operation.method_name == "Transverse Mercator")


def _false_easting(frame: gpd.GeoDataFrame) -> float:
    operation = frame.crs.coordinate_operation
    values = [p.value for p in operation.params if p.name == "False easting"] if operation else []
    return values[0] if values else 0.0


def _only_lines(frame: gpd.GeoDataFrame, where: str) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return the lines of a layer, flat; points and areas among them are left out and told."""
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise InputError.of(where, "图层是空的", "the layer is empty")
    shapes = frame.geometry
    nothing = (shapes.isna() | shapes.is_empty).to_numpy()
    kinds = shapes.geom_type.to_numpy()
    lines = np.isin(kinds, ["LineString", "MultiLineString"]) & ~nothing
    other = ~lines & ~nothing
    faults = [
        Fault(
            f"{where} 第{row + 1}个要素",
            "没有几何;请在 QGIS 中补画,或删去这一行",
            "the feature has no geometry; draw it, or delete the row",
        )
        for row in np.flatnonzero(nothing)
    ]
    if not lines.any():
        faults += [
            Fault(
                f"{where} 第{row + 1}个要素",
                f"应是线,这里是 {kinds[row]}",
                "a line is needed here",
            )
            for row in np.flatnonzero(other)
        ]
    xy, owner = shapely.get_coordinates(shapes.to_numpy(), return_index=True)
    faults += [
        Fault(
            f"{where} 第{row + 1}个要素",
            "坐标不是数(NaN);请重画这条线",
            "NaN among the coordinates; draw the line anew",
        )
        for row in np.unique(owner[~np.isfinite(xy).all(axis=1)])
    ]
    collect_some(faults, where)
    flat = gpd.GeoSeries(shapely.force_2d(shapes), frame.index, crs=frame.crs)
    found = frame.set_geometry(flat)[lines]
    if not other.any():
        return found, []
    names = "、".join(pd.unique(kinds[other]))
    return found, [f"不是线的要素({names}),未用 not lines, left out: {other.sum()}"]
