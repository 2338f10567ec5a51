"""The union of many widened lines, without those that lie in the midst of others.

On a dense network most widened lines add nothing to what others cover. A grid of squares, first
coarse, then fine, tells which do; the others are left out before the union, and nothing is lost.
"""

from __future__ import annotations

import numpy as np
import shapely

__all__ = ["union"]

WORTH_THINNING = 5000  # shapes; fewer are united at once, without a compiler
GRIDS_KM = 0.2, 0.05, 0.05  # sides of the squares, one turn after another
# Small discs are drawn with fewer corners, at most 10 m short.
SMALL_KM, SMALL_SEGMENTS = 0.3, 3
# How GEOS widens lines: an arc of an arc and a half may have no corner within, and bends of less
# than a hundredth of the radius may be cut.
WIDEST_ARC, STRAIGHTENED = 1.5, 0.01
MOST_SQUARES = 10_000_000
HALF_DIAGONAL = np.sqrt(0.5)


def union(shapes: np.ndarray, radius: np.ndarray, quarter_segments: int) -> shapely.Geometry:
    """Return the union of points and lines, each widened by a radius of its own.

    Parameters
    ----------
    shapes, radius
        In a plane, in km; a radius of zero leaves nothing of a shape.
    quarter_segments
        Of a quarter of a disc; polygons are inscribed, so the union is never too large.
    """
    segments = np.where(radius < SMALL_KM, SMALL_SEGMENTS, quarter_segments)
    chosen = np.flatnonzero(radius > 0)
    if len(chosen) >= WORTH_THINNING:
        sure = radius * (np.cos(WIDEST_ARC * np.pi / (4 * segments)) - STRAIGHTENED)
        chosen = _enough(shapes, radius, sure, chosen)
    bands = [
        shapely.buffer(shapes[band], radius[band], quad_segs=corners)
        for corners in {SMALL_SEGMENTS, quarter_segments}
        for band in [chosen[segments[chosen] == corners]]
    ]
    return shapely.union_all(np.concatenate(bands))


def _enough(
    shapes: np.ndarray, radius: np.ndarray, sure: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Return those of the chosen shapes that cover what all cover.

    Taken by chance, the first ones cover much; turn by turn the order is reversed, so that
    those go that later ones cover.
    """
    from spatialplan import engine

    if engine._kernels() is None:
        return chosen
    chosen = np.random.default_rng(0).permutation(chosen)
    for side in GRIDS_KM:
        chosen = chosen[_adds(shapes[chosen], radius[chosen], sure[chosen], side)][::-1]
    return chosen


def _adds(shapes: np.ndarray, radius: np.ndarray, sure: np.ndarray, side: float) -> np.ndarray:
    """Return which shapes touch a square that none of those before them covers whole."""
    from spatialplan import surplus

    points, owner = shapely.get_coordinates(shapes, return_index=True)
    bounds = shapely.bounds(shapes)
    low = (bounds[:, :2] - radius[:, None]).min(axis=0)
    size = (bounds[:, 2:] + radius[:, None]).max(axis=0) - low
    side = max(side, float(np.sqrt(np.prod(size) / MOST_SQUARES)))
    columns, rows = np.ceil(size / side).astype(int) + 2
    return surplus.adds(
        (points - low) / side,
        np.searchsorted(owner, np.arange(len(shapes) + 1)),
        radius / side + HALF_DIAGONAL,
        sure / side - HALF_DIAGONAL,
        np.zeros((rows, columns), dtype=bool),
    )
