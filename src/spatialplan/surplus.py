"""Compiled: which of many widened lines are surplus, since others cover what they cover.

Lengths are in sides of a square: that of row `i` and column `j` has its middle at (j, i).
"""

# numba finds the types itself
# ruff: noqa: ANN001, ANN201, ANN202

from __future__ import annotations

import math

import numpy as np

from spatialplan.kernels import jit

__all__ = ["adds"]


@jit
def adds(points, first, near, deep, covered):
    """Return which lines are near a square that those before them leave bare.

    Line `i` runs along ``points[first[i] : first[i + 1]]``, shape ``(…, 2)``. It is near squares
    whose middle is at most ``near[i]`` off, and covers those at most ``deep[i]`` off, unless it
    adds nothing. `covered`, shape ``(rows, columns)``, is filled in.
    """
    found = np.zeros(len(near), np.bool_)
    for line in range(len(near)):
        run = points[first[line] : first[line + 1]]
        found[line] = _meets_bare(run, near[line], covered, False)
        if found[line]:
            _meets_bare(run, deep[line], covered, True)
    return found


@jit
def _meets_bare(run, reach, covered, fill):
    """Return whether a square within reach of a line is bare; cover all of them, if so asked."""
    rows, columns = covered.shape
    bare = False
    for before in range(max(len(run) - 1, 1) if reach > 0 else 0):
        (ax, ay), (bx, by) = run[before], run[min(before + 1, len(run) - 1)]
        dx, dy = bx - ax, by - ay
        square = max(dx * dx + dy * dy, 1e-30)
        south, north = math.ceil(min(ay, by) - reach), math.floor(max(ay, by) + reach)
        west, east = math.ceil(min(ax, bx) - reach), math.floor(max(ax, bx) + reach)
        for row in range(max(south, 0), min(north + 1, rows)):
            for column in range(max(west, 0), min(east + 1, columns)):
                if covered[row, column]:
                    continue
                x, y = column - ax, row - ay
                share = min(max((x * dx + y * dy) / square, 0.0), 1.0)
                if (x - share * dx) ** 2 + (y - share * dy) ** 2 <= reach * reach:
                    bare = True
                    if not fill:
                        return bare
                    covered[row, column] = True
    return bare
