"""The union of many widened lines, by way of the ground that is covered for certain.

On a dense network most widened lines lie in the midst of others. A grid tells which cells are
covered whole, and lines that add nothing to those cells are left out before the union.
"""

from __future__ import annotations

import numpy as np
import shapely

__all__ = ["union"]

WORTH_A_GRID = 2000  # shapes; fewer are united at once
CELL_KM = 0.2
MOST_CELLS = 1_000_000
LEVEL_RATIO = 1.25  # of the radii for which the grid is tested
# Small discs are drawn with fewer corners, at most 34 m short: the union is faster.
SMALL_KM, SMALL_SEGMENTS = 1.0, 3


def union(shapes: np.ndarray, radius: np.ndarray, quarter_segments: int) -> shapely.Geometry:
    """Return the union of points and lines, each widened by a radius of its own.

    Parameters
    ----------
    shapes, radius
        In a plane, in km; a radius of zero leaves nothing of a shape.
    quarter_segments
        Of a quarter of a disc; polygons are inscribed, so the union is never too large.
    """
    kept = radius > 0
    shapes, radius = shapes[kept], radius[kept]
    if len(shapes) < WORTH_A_GRID:
        return shapely.union_all(shapely.buffer(shapes, radius, quad_segs=quarter_segments))
    grid = _Grid.of(shapes, radius * np.cos(np.pi / (4 * quarter_segments)))
    bare = ~grid.holds(shapes, radius)
    shapes, radius = shapes[bare], radius[bare]
    small = radius < SMALL_KM
    bands = [
        shapely.buffer(shapes[chosen], radius[chosen], quad_segs=segments)
        for chosen, segments in ((small, SMALL_SEGMENTS), (~small, quarter_segments))
    ]
    return shapely.union_all(np.concatenate([*bands, grid.boxes()]))


class _Grid:
    """Square cells over some ground, and which of them are covered whole."""

    def __init__(self, low: np.ndarray, side: float, covered: np.ndarray) -> None:
        self.low = low
        self.side = side
        self.covered = covered  # rows from the south, columns from the west

    @classmethod
    def of(cls, shapes: np.ndarray, radius: np.ndarray) -> _Grid:
        """Return the cells that lie within a radius of a corner of its shape, every point of it.

        A corner is somewhere in its cell, half a diagonal from the middle at most, and the far
        corner of a covered cell is as far from its own middle.
        """
        from scipy.ndimage import distance_transform_edt

        xy, owner = shapely.get_coordinates(shapes, return_index=True)
        bounds = shapely.bounds(shapes)
        low = (bounds[:, :2] - radius[:, None]).min(axis=0)
        high = (bounds[:, 2:] + radius[:, None]).max(axis=0)
        side = max(CELL_KM, float(np.sqrt(np.prod(high - low) / MOST_CELLS)))
        columns, rows = np.ceil((high - low) / side).astype(int) + 1
        column, row = ((xy - low) / side).astype(int).T
        best = np.zeros((rows, columns))
        np.maximum.at(best, (row, column), radius[owner])
        covered = np.zeros((rows, columns), dtype=bool)
        diagonal = side * np.sqrt(2.0)
        level = diagonal
        while level < best.max():
            far = distance_transform_edt(best < level) * side
            covered |= far + diagonal <= level
            level *= LEVEL_RATIO
        return cls(low, side, covered)

    def holds(self, shapes: np.ndarray, radius: np.ndarray) -> np.ndarray:
        """Return whether all cells around each widened shape are covered."""
        rows, columns = self.covered.shape
        total = np.zeros((rows + 1, columns + 1), dtype=np.int64)
        total[1:, 1:] = self.covered.cumsum(axis=0).cumsum(axis=1)
        bounds = shapely.bounds(shapes)
        west, south = ((bounds[:, :2] - radius[:, None] - self.low) / self.side).astype(int).T
        east, north = ((bounds[:, 2:] + radius[:, None] - self.low) / self.side).astype(int).T
        west, south = np.maximum(west, 0), np.maximum(south, 0)
        east, north = np.minimum(east + 1, columns), np.minimum(north + 1, rows)
        inside = total[north, east] - total[south, east] - total[north, west] + total[south, west]
        return inside == (east - west) * (north - south)

    def boxes(self) -> np.ndarray:
        """Return the covered cells, those side by side as one box."""
        edges = np.diff(np.pad(self.covered.astype(np.int8), ((0, 0), (1, 1))), axis=1)
        row, west = np.nonzero(edges == 1)
        east = np.nonzero(edges == -1)[1]
        x, y = self.low
        return shapely.box(
            x + west * self.side,
            y + row * self.side,
            x + east * self.side,
            y + (row + 1) * self.side,
        )
