"""Distances on the ellipsoid of CGCS2000 (GRS80)."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

__all__ = ["line_km", "straight_km"]

_GEOD = Geod(ellps="GRS80")


def straight_km(lon1, lat1, lon2, lat2) -> np.ndarray:
    """Return geodesic distances in km between positions in degrees; arrays broadcast."""
    lon1, lat1, lon2, lat2 = np.broadcast_arrays(lon1, lat1, lon2, lat2)
    return np.asarray(_GEOD.inv(lon1, lat1, lon2, lat2)[2]) / 1000.0


def line_km(line: BaseGeometry) -> float:
    """Return the geodesic length in km of a line in degrees."""
    xy = shapely.get_coordinates(line)
    return float(straight_km(*xy[:-1].T, *xy[1:].T).sum())
