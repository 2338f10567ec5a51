"""The shift of Chinese web maps (GCJ-02): for drawing on Amap tiles, and to mend such layers.

Measuring and files are in WGS84. The formula is the published reverse-engineered one (the
"eviltransform" algorithm, 2013) on the ellipsoid of Krasovsky 1940; no official one is public.
"""

from __future__ import annotations

import numpy as np
import shapely

__all__ = ["shift", "shift_back", "to_gcj02"]

_AXIS = 6378245.0
_ECCENTRICITY2 = 0.00669342162296594323


def to_gcj02(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return GCJ-02 positions of WGS84 positions, degrees; outside China they stay.

    Parameters
    ----------
    lon, lat
        Arrays of one shape, degrees WGS84.
    """
    lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
    x, y = lon - 105.0, lat - 35.0
    radians = np.radians(lat)
    magic = 1 - _ECCENTRICITY2 * np.sin(radians) ** 2
    north = _north(x, y) / np.radians(_AXIS * (1 - _ECCENTRICITY2) / magic**1.5)
    east = _east(x, y) / np.radians(_AXIS / np.sqrt(magic) * np.cos(radians))
    inside = (lon >= 72.004) & (lon <= 137.8347) & (lat >= 0.8293) & (lat <= 55.8271)
    return np.where(inside, lon + east, lon), np.where(inside, lat + north, lat)


def _waves(*terms: tuple[float, np.ndarray]) -> np.ndarray:
    return sum(size * np.sin(angle * np.pi) for size, angle in terms) * 2.0 / 3.0


def _north(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (
        -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y**2
        + 0.1 * x * y
        + 0.2 * np.sqrt(np.abs(x))
        + _waves((20.0, 6 * x), (20.0, 2 * x))
        + _waves((20.0, y), (40.0, y / 3))
        + _waves((160.0, y / 12), (320.0, y / 30))
    )


def _east(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (
        300.0
        + x
        + 2.0 * y
        + 0.1 * x**2
        + 0.1 * x * y
        + 0.1 * np.sqrt(np.abs(x))
        + _waves((20.0, 6 * x), (20.0, 2 * x))
        + _waves((20.0, x), (40.0, x / 3))
        + _waves((150.0, x / 12), (300.0, x / 30))
    )


def shift(geometry: np.ndarray | shapely.Geometry) -> np.ndarray | shapely.Geometry:
    """Return geometries (EPSG:4326) moved to GCJ-02, for drawing on Amap tiles."""
    return shapely.transform(geometry, lambda xy: np.column_stack(to_gcj02(xy[:, 0], xy[:, 1])))


def shift_back(geometry: np.ndarray | shapely.Geometry) -> np.ndarray | shapely.Geometry:
    """Return geometries in GCJ-02 moved to EPSG:4326, to a millimetre."""

    def back(xy: np.ndarray) -> np.ndarray:
        guess = xy.copy()
        for _ in range(4):  # each step of the fixed-point iteration gains three digits
            guess += xy - np.column_stack(to_gcj02(guess[:, 0], guess[:, 1]))
        return guess

    return shapely.transform(geometry, back)
