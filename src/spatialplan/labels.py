"""Placing labels on a drawing so that no two of them overlap.

Greedy by priority, and the same every time: each label takes the cheapest of its candidate
positions that is free; one that fits nowhere is left out. Everything is in points (1/72 inch)
on the sheet, so text keeps its size whatever the scale of the map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
import shapely.ops
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from spatialplan.fonts import text_height, text_width

__all__ = ["Candidate", "Label", "Placement", "along", "around", "inside", "place"]

SOFT_COST = 0.3  # for each point of a road that runs under a label
_SIDES = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))


@dataclass(frozen=True)
class Candidate:
    """A position for a label: centre (x, y), angle in degrees, cost, and its leader's start."""

    x: float
    y: float
    cost: float = 0.0
    angle: float = 0.0
    leader_from: tuple[float, float] | None = None


@dataclass(frozen=True)
class Label:
    """A text that wants one of some positions; the lower `priority`, the earlier it chooses.

    `size` is in points; `style` goes to the one who draws; `on_lines` lets it lie on roads at
    no cost, as a road's number does.
    """

    text: str
    size: float
    candidates: tuple[Candidate, ...]
    priority: float = 0.0
    style: dict[str, Any] = field(default_factory=dict)
    on_lines: bool = False

    @property
    def width(self) -> float:
        """Width in points."""
        return text_width(self.text, self.size)

    @property
    def height(self) -> float:
        """Height in points."""
        return text_height(self.text, self.size)


@dataclass(frozen=True)
class Placement:
    """A label where it came to lie; `box` is its rectangle, `leader` its line or None."""

    label: Label
    candidate: Candidate
    box: Polygon
    leader: LineString | None = None


def around(
    text: str, size: float, x: float, y: float, radius: float, leaders: bool = True
) -> tuple[Candidate, ...]:
    """Return positions around a symbol of a radius: beside it, a little off, then on a leader."""
    width, height = text_width(text, size) / 2, text_height(text, size) / 2
    found = []
    for step, gap in enumerate((1.0, 5.0)):
        for turn, (side, up) in enumerate(_SIDES):
            # On a diagonal the box may come closer than beside the symbol.
            reach = radius + gap if side == 0 or up == 0 else radius * 0.7 + gap
            dx = side * (reach + width)
            dy = up * (reach + height) if side == 0 else up * (reach * 0.6 + height * 0.5)
            found.append(Candidate(x + dx, y + dy, cost=turn * 0.6 + step * 5.0))
    if leaders:
        for reach in (18.0, 30.0, 44.0, 60.0):
            for turn in range(16):
                angle = math.tau * turn / 16
                cos, sin = math.cos(angle), math.sin(angle)
                found.append(
                    Candidate(
                        x + cos * (radius + reach + width),
                        y + sin * (radius + reach + height),
                        cost=14.0 + reach * 0.5 + turn * 0.01,
                        leader_from=(x + cos * radius, y + sin * radius),
                    )
                )
    return tuple(found)


def inside(text: str, size: float, area: BaseGeometry, steps: int = 13) -> tuple[Candidate, ...]:
    """Return positions whose box lies inside an area; the nearer to its middle the cheaper."""
    if area.is_empty:
        return ()
    middle = shapely.maximum_inscribed_circle(area, tolerance=1.0)
    cx, cy = middle.coords[0]
    x0, y0, x1, y1 = area.bounds
    xs, ys = np.meshgrid(np.linspace(x0, x1, steps), np.linspace(y0, y1, steps))
    centres = np.column_stack([np.append(xs.ravel(), cx), np.append(ys.ravel(), cy)])
    width, height = text_width(text, size), text_height(text, size)
    boxes = shapely.box(
        centres[:, 0] - width / 2,
        centres[:, 1] - height / 2,
        centres[:, 0] + width / 2,
        centres[:, 1] + height / 2,
    )
    kept = centres[shapely.contains(area, boxes)]
    away = np.hypot(kept[:, 0] - cx, kept[:, 1] - cy) * 0.1
    return tuple(Candidate(x, y, cost) for (x, y), cost in zip(kept, away, strict=True))


def along(line: LineString, offset: float = 0.0, steps: int = 17) -> tuple[Candidate, ...]:
    """Return positions along a line, turned with it and upright; its middle is the cheapest.

    `offset` in points moves them to both sides of the line.
    """
    found = []
    reach = min(30.0, line.length / 4)
    for share in np.linspace(0.1, 0.9, steps):
        at = share * line.length
        (xa, ya), (xb, yb) = (line.interpolate(at + move).coords[0] for move in (-reach, reach))
        angle = math.degrees(math.atan2(yb - ya, xb - xa))
        angle = angle + 180 if angle < -90 else angle - 180 if angle > 90 else angle
        x, y = line.interpolate(at).coords[0]
        for side in (1, -1) if offset else (0,):
            turn = math.radians(angle + 90)
            dx, dy = (side * offset * part for part in (math.cos(turn), math.sin(turn)))
            cost = abs(share - 0.5) * 12 + (side < 0) * 1.0
            found.append(Candidate(x + dx, y + dy, cost, angle))
    return tuple(found)


def place(
    labels: Sequence[Label],
    bounds: tuple[float, float, float, float],
    obstacles: Sequence[BaseGeometry] = (),
    soft: Sequence[BaseGeometry] = (),
    gap: float = 1.0,
) -> list[Placement]:
    """Place labels inside `bounds`; no two boxes intersect, and none meets an obstacle.

    Parameters
    ----------
    labels
        In any order; `Label.priority` decides, then the order given.
    bounds
        (x0, y0, x1, y1) of the sheet in points.
    obstacles
        Shapes that no label may touch: symbols, other furniture of the map.
    soft
        Shapes that labels had better not lie on, such as roads; they only cost.
    gap
        Least distance of two boxes, in points.

    Returns
    -------
    list of Placement
        The labels that found room, in the order in which they were placed.
    """
    frame = shapely.box(*bounds)
    taken: list[BaseGeometry] = list(obstacles)
    soft_tree = shapely.STRtree(list(soft)) if len(soft) else None
    placements: list[Placement] = []
    for label in sorted(labels, key=lambda label: label.priority):
        lines = None if label.on_lines else soft_tree
        found = _best(label, frame, np.array(taken, dtype=object), lines, gap)
        if found is not None:
            placements.append(found)
            taken.append(found.box)
            if found.leader is not None:
                taken.append(found.leader)
    return placements


def _best(
    label: Label,
    frame: Polygon,
    taken: np.ndarray,
    soft: shapely.STRtree | None,
    gap: float,
) -> Placement | None:
    if not label.candidates:
        return None
    boxes = np.array([_box(label, c) for c in label.candidates], dtype=object)
    free = shapely.covered_by(boxes, frame)
    free[_near(boxes, taken, gap)] = False
    chosen = np.flatnonzero(free)
    costs = np.array([label.candidates[i].cost for i in chosen]) + _soft_costs(boxes[chosen], soft)
    for i in chosen[np.argsort(costs, kind="stable")]:
        leader = _leader(label.candidates[i], boxes[i])
        # A leader may start at its own symbol, and cross nothing else.
        if leader is None or not (shapely.intersects(taken, _shortened(leader)).any()):
            return Placement(label, label.candidates[i], boxes[i], leader)
    return None


def _box(label: Label, candidate: Candidate) -> Polygon:
    w, h = label.width / 2, label.height / 2
    turn = math.radians(candidate.angle)
    cos, sin = math.cos(turn), math.sin(turn)
    corners = ((-w, -h), (w, -h), (w, h), (-w, h))
    return Polygon(
        [(candidate.x + x * cos - y * sin, candidate.y + x * sin + y * cos) for x, y in corners]
    )


def _near(boxes: np.ndarray, taken: np.ndarray, gap: float) -> np.ndarray:
    """Return the positions of the boxes that come nearer than `gap` to what is taken."""
    found, other = shapely.STRtree(taken).query(boxes, predicate="dwithin", distance=gap)
    return found[shapely.distance(boxes[found], taken[other]) < gap]


def _soft_costs(boxes: np.ndarray, soft: shapely.STRtree | None) -> np.ndarray:
    if soft is None:
        return np.zeros(len(boxes))
    box, other = soft.query(boxes, predicate="intersects")
    under = shapely.length(shapely.intersection(soft.geometries[other], boxes[box]))
    return np.bincount(box, under, minlength=len(boxes)) * SOFT_COST


def _leader(candidate: Candidate, box: Polygon) -> LineString | None:
    if candidate.leader_from is None:
        return None
    start = shapely.Point(candidate.leader_from)
    return LineString([start, shapely.ops.nearest_points(start, box)[1]])


def _shortened(leader: LineString) -> LineString:
    return shapely.ops.substring(leader, 0.12, 0.95, normalized=True)
