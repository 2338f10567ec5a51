"""How much of an area lies near some points: as the crow flies, or on foot along ways.

The straight-line share is how Chinese bus-stop coverage is counted: the union of circles around
the stops, cut with the built-up area, over the built-up area (公交都市考核).
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely

from spatialplan import circles, readers, travel
from spatialplan.errors import InputError
from spatialplan.places import Place
from spatialplan.standards import SpeedProfile

__all__ = ["METHODS", "Coverage", "covered"]

METHODS = {"straight": ("直线距离", "straight line"), "walk": ("步行路网", "walking network")}
WALKING_KMH = 5.0  # any speed gives the same area: distance is what counts
BESIDE_KM = 0.1  # how far from a way a door may lie: half a large block
QUARTER_SEGMENTS = 16  # a circle of 500 m is then too small by 0.2 %


@dataclass(frozen=True)
class Coverage:
    """Share of an area within a distance of points; areas in km², `geometry` in the area's CRS."""

    share: float
    area_km2: float
    covered_km2: float
    points: int
    geometry: shapely.Geometry


def covered(
    area: gpd.GeoDataFrame,
    points: gpd.GeoDataFrame,
    distance_m: float,
    *,
    ways: gpd.GeoDataFrame | None = None,
) -> Coverage:
    """Return how much of an area lies within a distance of the nearest point.

    Parameters
    ----------
    area, points
        Polygons and points, with a CRS.
    distance_m
        The distance in metres, measured in the local transverse Mercator (UTM) zone.
    ways
        Lines to walk along, meeting at shared ends; without them the distance is straight.
        With them, the last metres from a way to a door beside it count too, up to `BESIDE_KM`.

    Raises
    ------
    InputError
        When a layer has no CRS, is empty, or the area has no extent.
    """
    for layer, name in ((area, "built_up"), (points, "points"), (ways, "ways")):
        if layer is not None:
            _check(layer, name)
    plane = area.to_crs(4326).estimate_utm_crs()
    whole = shapely.make_valid(shapely.union_all(area.to_crs(plane).geometry.to_numpy()))
    if whole.area <= 0:
        raise InputError.of(
            "built_up", "建成区面积为零;应是面图层", "the area has no extent; polygons are needed"
        )
    if ways is None:
        spots = points.to_crs(plane).geometry.to_numpy()
        near = shapely.union_all(shapely.buffer(spots, distance_m, quad_segs=QUARTER_SEGMENTS))
    else:
        near = gpd.GeoSeries([_on_foot(points, ways, distance_m)], crs=4326).to_crs(plane).iloc[0]
    inside = shapely.intersection(whole, near)
    return Coverage(
        inside.area / whole.area,
        whole.area / 1e6,
        inside.area / 1e6,
        len(points),
        gpd.GeoSeries([inside], crs=plane).to_crs(area.crs).iloc[0],
    )


def _on_foot(
    points: gpd.GeoDataFrame, ways: gpd.GeoDataFrame, distance_m: float
) -> shapely.Geometry:
    """Return what can be walked to from the points, EPSG:4326: a travel-time circle on foot."""
    network = readers.network_of_lines(ways.to_crs(4326), default_class="access")
    classes = set(network.links["class"])
    pace = dict.fromkeys(classes, ((WALKING_KMH, WALKING_KMH),))
    profile = SpeedProfile(
        id="walk",
        title_zh="步行",
        title_en="on foot",
        source="",
        speeds=pace,
        default_kmh=dict.fromkeys(classes, WALKING_KMH),
        ramp_minutes=0.0,
        wait_minutes=0.0,
        leave_minutes=0.0,
        access_limit_minutes=0.0,
        access_kmh=WALKING_KMH,
        off_network_kmh=WALKING_KMH,
    )
    spots = points.to_crs(4326).geometry
    origins = [Place(f"{p.x:.6f},{p.y:.6f}", p.x, p.y) for p in spots]
    minutes = distance_m / 1000.0 / WALKING_KMH * 60.0
    graph = travel.compile_graph(network, profile)
    return circles.circles(graph, origins, [minutes], beside_km=BESIDE_KM).geometry.iloc[0]


def _check(layer: gpd.GeoDataFrame, name: str) -> None:
    if layer.crs is None:
        raise InputError.of(name, "图层没有坐标系(CRS);请在 QGIS 中指定", "the layer has no CRS")
    if not len(layer) or bool(np.all(layer.geometry.is_empty | layer.geometry.isna())):
        raise InputError.of(name, "图层是空的", "the layer is empty")
