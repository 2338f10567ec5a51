"""Distances on the ellipsoid of CGCS2000 (GRS80)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import shapely
import shapely.ops
from numpy.typing import ArrayLike
from pyproj import Geod, Transformer
from shapely.geometry.base import BaseGeometry

__all__ = ["line_km", "locate", "part", "point_at", "straight_km", "to_plane"]

_GEOD = Geod(ellps="GRS80")


# To make one takes a tenth of a second: as long as to draw a layer.
@lru_cache(maxsize=32)
def to_plane(crs: str) -> Transformer:
    """Return the transformation from degrees (EPSG:4326, longitude first) to a projected CRS."""
    return Transformer.from_crs(4326, crs, always_xy=True)


def straight_km(lon1: ArrayLike, lat1: ArrayLike, lon2: ArrayLike, lat2: ArrayLike) -> np.ndarray:
    """Return geodesic distances in km between positions in degrees; arrays broadcast."""
    lon1, lat1, lon2, lat2 = np.broadcast_arrays(lon1, lat1, lon2, lat2)
    return np.asarray(_GEOD.inv(lon1, lat1, lon2, lat2)[2]) / 1000.0


def line_km(line: BaseGeometry) -> float:
    """Return the geodesic length in km of a line in degrees."""
    xy = shapely.get_coordinates(line)
    return float(straight_km(*xy[:-1].T, *xy[1:].T).sum())


# A degree of longitude is shorter than one of latitude. So that a fraction of a line is a
# fraction of its length on the ground, longitudes are squeezed by the cosine of its latitude.


def _squeeze(line: BaseGeometry) -> float:
    return float(np.cos(np.radians(shapely.get_coordinates(line)[:, 1].mean())))


def _flat(line: BaseGeometry, squeeze: float) -> BaseGeometry:
    return shapely.transform(line, lambda xy: xy * [squeeze, 1.0])


def locate(line: BaseGeometry, lon: float, lat: float) -> tuple[float, float, float]:
    """Return the fraction of a line's length nearest to a position, and that point in degrees."""
    squeeze = _squeeze(line)
    flat = _flat(line, squeeze)
    fraction = flat.project(shapely.Point(lon * squeeze, lat), normalized=True)
    foot = flat.interpolate(fraction, normalized=True)
    return float(fraction), float(foot.x / squeeze), float(foot.y)


def point_at(line: BaseGeometry, fraction: float) -> shapely.Point:
    """Return the point in degrees at a fraction of a line's length."""
    squeeze = _squeeze(line)
    foot = _flat(line, squeeze).interpolate(fraction, normalized=True)
    return shapely.Point(foot.x / squeeze, foot.y)


def part(line: BaseGeometry, start: float, end: float) -> BaseGeometry:
    """Return a line from one fraction of its length to another, turned when they descend."""
    squeeze = _squeeze(line)
    cut = shapely.ops.substring(_flat(line, squeeze), start, end, normalized=True)
    return shapely.transform(cut, lambda xy: xy / [squeeze, 1.0])
