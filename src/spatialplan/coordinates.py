"""Coordinates of planners' layers: what they look like, and bringing them to degrees.

A missing CRS, swapped axes, a zone number that does not fit the declared CRS, and the shift of
Chinese web maps are detected where they can be, told, and mended only when asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely

from spatialplan import gcj02
from spatialplan.errors import Fault, InputError, collect_some

__all__ = ["Mends", "as_wgs84", "detect_crs"]

CHINA = (72.0, 3.0, 136.0, 54.0)  # west, south, east, north


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
        be known; ``("EPSG:4490", "degrees")``; ``("EPSG:4490", "swapped")`` for latitude first;
        ``("EPSG:3857", "mercator")``; ``("", "unknown")``.
    """
    west, south, east, north = bounds
    in_north = south >= 1.5e6 and north <= 6.2e6
    if _within(bounds, CHINA) or (
        abs(west) <= 180
        and abs(east) <= 180
        and -90 <= south <= 90
        and -90 <= north <= 90
        and not _within(_turned(bounds), CHINA)
    ):
        return "EPSG:4490", "degrees"
    if _within(_turned(bounds), CHINA):
        return "EPSG:4490", "swapped"
    zone = int(west // 1_000_000)
    if in_north and zone == int(east // 1_000_000):
        offset = west - zone * 1_000_000
        if 25 <= zone <= 45 and offset > 1e5:
            return f"EPSG:{4513 + zone - 25}", "zoned"
        if 13 <= zone <= 23 and offset > 1e5:
            return f"EPSG:{4491 + zone - 13}", "zoned"
    if in_north and west >= 1e5 and east <= 9e5:
        return "", "unzoned"
    if west >= 8e6 and east <= 15.2e6 and south >= 3e5 and north <= 7.3e6:
        return "EPSG:3857", "mercator"
    return "", "unknown"


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
    "swapped": ("纬度在前的经纬度", "degrees with latitude first"),
    "mercator": ("网络墨卡托", "web Mercator"),
    "unknown": ("说不清的坐标", "nothing known"),
}


def as_wgs84(
    frame: gpd.GeoDataFrame, where: str, mends: Mends
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return the lines in EPSG:4326 with what was noticed, or say what is wrong."""
    frame = _only_lines(frame, where)
    notes: list[str] = []
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
    if not np.isfinite(lines.total_bounds).all() or not _within(
        lines.total_bounds, (-180, -90, 180, 90)
    ):
        raise _unclear(where, frame, look)
    if mends.gcj02:
        lines = lines.set_geometry(
            gpd.GeoSeries(_from_gcj02(lines.geometry.to_numpy()), lines.index, crs=4326)
        )
        notes.append("已从 GCJ-02 纠回 WGS84 shifted back from GCJ-02")
    elif re.search("gcj|amap|高德|火星|腾讯|tencent", where, flags=re.IGNORECASE):
        notes.append(
            "文件名像 GCJ-02(高德、腾讯)坐标;若是,请加 --gcj02,否则偏 300–700 m "
            "the name speaks of GCJ-02: add --gcj02 if it is"
        )
    return lines, notes


def _unclear(where: str, frame: gpd.GeoDataFrame, look: str) -> InputError:
    zh, en = _LOOKS[look]
    guess = detect_crs(frame.total_bounds)[0]
    advice = f"--crs {guess}(或 --crs auto)" if guess else "--crs EPSG:代码"
    if look == "swapped":
        advice += " 和 --swap-axes"
    if look == "unzoned":
        advice += "(3 度带中央经线 102° 用 EPSG:4543,105° 用 EPSG:4544)"
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


def _check_declared(frame: gpd.GeoDataFrame, where: str, look: str) -> None:
    """Refuse coordinates that cannot be in the CRS that the file declares."""
    if frame.crs.is_geographic:
        if look == "swapped":
            raise InputError.of(
                where,
                "坐标像是纬度在前;请加 --swap-axes",
                "latitude seems to come first; add --swap-axes",
            )
        if look != "degrees":
            raise _unclear(where, frame, look)
        return
    if look in ("degrees", "swapped"):
        raise _unclear(where, frame, look)
    zoned = _false_easting(frame) >= 1e6
    if (look == "zoned") != zoned and look in ("zoned", "unzoned") and _is_gauss(frame):
        raise _unclear(where, frame, look)


def _is_gauss(frame: gpd.GeoDataFrame) -> bool:
    operation = frame.crs.coordinate_operation
    return bool(operation and operation.method_name == "Transverse Mercator")


def _false_easting(frame: gpd.GeoDataFrame) -> float:
    operation = frame.crs.coordinate_operation
    values = [p.value for p in operation.params if p.name == "False easting"] if operation else []
    return values[0] if values else 0.0


def _from_gcj02(lines: np.ndarray) -> np.ndarray:
    """Return lines moved back from GCJ-02; the shift is inverted by fixed-point iteration."""

    def back(xy: np.ndarray) -> np.ndarray:
        guess = xy.copy()
        for _ in range(4):  # each step gains three digits: below a millimetre
            guess += xy - np.column_stack(gcj02.to_gcj02(guess[:, 0], guess[:, 1]))
        return guess

    return shapely.transform(lines, back)


def _only_lines(frame: gpd.GeoDataFrame, where: str) -> gpd.GeoDataFrame:
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise InputError.of(where, "图层是空的", "the layer is empty")
    shapes = frame.geometry
    faults = [
        Fault(f"{where} 第{row + 1}个要素", "没有几何", "the feature has no geometry")
        for row in np.flatnonzero(shapes.isna() | shapes.is_empty)
    ]
    kinds = shapes.geom_type.to_numpy()
    other = ~np.isin(kinds, ["LineString", "MultiLineString"]) & shapes.notna().to_numpy()
    faults += [
        Fault(f"{where} 第{row + 1}个要素", f"应是线,这里是 {kinds[row]}", "a line is needed here")
        for row in np.flatnonzero(other)
    ]
    xy, owner = shapely.get_coordinates(shapes.to_numpy(), return_index=True)
    faults += [
        Fault(f"{where} 第{row + 1}个要素", "坐标不是数(NaN)", "NaN among the coordinates")
        for row in np.unique(owner[~np.isfinite(xy).all(axis=1)])
    ]
    collect_some(faults, where)
    return frame.set_geometry(gpd.GeoSeries(shapely.force_2d(shapes), frame.index, crs=frame.crs))
