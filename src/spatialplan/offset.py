"""Whether lines are shifted as Chinese web maps are, seen beside a network that is not.

No line tells by itself. Beside roads whose place is known, of the same area, it shows: moved
back from GCJ-02 the lines lie on them, and moved as far to any other side they do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from spatialplan import gcj02

__all__ = ["Fit", "compare"]

M_PER_DEGREE = 111_200.0
NEAR_M = 20.0  # two surveys of a road lie this near, or on its two carriageways
BESIDE_M = 1000.0  # farther from all known roads a spot tells nothing
MOST_LINES, MOST_SPOTS, FEWEST_SPOTS = 2000, 4000, 100
SPACING = 0.002  # degrees between spots on a long line
MARGIN = 0.2  # so much larger must a share be than each other one
TURNS = np.radians([60.0, 120.0, 180.0, 240.0, 300.0])


@dataclass(frozen=True)
class Fit:
    """How lines lie beside known roads.

    `spots` were compared; shares of them lie within `NEAR_M` of a known road `as_is`,
    `moved_back` from GCJ-02, and, at most, `aside`: moved as far in another direction.
    `east_m` and `north_m` are the shift of GCJ-02 there.
    """

    spots: int
    as_is: float
    moved_back: float
    aside: float
    east_m: float
    north_m: float

    @property
    def shifted(self) -> bool | None:
        """Whether the lines are in GCJ-02; None when it cannot be said."""
        if self.spots < FEWEST_SPOTS:
            return None
        if self.moved_back >= max(self.as_is, self.aside) + MARGIN:
            return True
        return False if self.as_is >= max(self.moved_back, self.aside) + MARGIN else None

    def line(self, name: str, *, mended: bool = False) -> str:
        """Return the figures and what they say as a line of text.

        `name` is the known network's; `mended` says whether the lines are being moved back.
        """
        beside = (
            f"与 {name} 相比 compared: 距其道路 {BESIDE_M / 1000:.0f} km 以内有 {self.spots} 处"
        )
        if self.spots < FEWEST_SPOTS:
            return f"{beside},太少,看不出是否 GCJ-02 坐标 too few to tell GCJ-02 by"
        zh, en = _SAYS[self.shifted, mended]
        return (
            f"{beside},其中 {NEAR_M:.0f} m 以内的 near: "
            f"原样 as it is {self.as_is:.0%}、按 GCJ-02 纠回 moved back {self.moved_back:.0%}、"
            f"移向别处至多 elsewhere {self.aside:.0%}"
            f"(此处 GCJ-02 偏东 {self.east_m:.0f} m、偏北 {self.north_m:.0f} m);{zh} {en}"
        )


_SAYS = {
    (True, False): ("像 GCJ-02 坐标,请加 --gcj02", "looks like GCJ-02: add --gcj02"),
    (True, True): ("是 GCJ-02 坐标,该纠回", "GCJ-02, rightly moved back"),
    (False, False): ("不是 GCJ-02 坐标", "not GCJ-02"),
    (False, True): ("不是 GCJ-02 坐标,请去掉 --gcj02", "not GCJ-02: leave --gcj02 out"),
    (None, False): ("看不出是否 GCJ-02 坐标", "nothing can be said of GCJ-02"),
    (None, True): ("看不出是否 GCJ-02 坐标", "nothing can be said of GCJ-02"),
}


def compare(lines: np.ndarray, known: np.ndarray) -> Fit:
    """Return how lines lie beside known roads, both EPSG:4326."""
    some = lines[:: max(1, len(lines) // MOST_LINES)]
    spots = shapely.get_coordinates(shapely.segmentize(some, SPACING))
    spots = spots[:: max(1, len(spots) // MOST_SPOTS)]
    scale = np.array([np.cos(np.radians(spots[:, 1].mean())), 1.0]) * M_PER_DEGREE
    tree = shapely.STRtree(shapely.transform(known, lambda xy: xy * scale))
    spots = spots[_near(tree, spots * scale, BESIDE_M)]
    if not len(spots):
        return Fit(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    true = shapely.get_coordinates(gcj02.shift_back(shapely.points(spots)))
    back = (true - spots) * scale
    turned = [
        back @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        for turn in TURNS
    ]
    as_is, moved_back, *aside = (
        float(_near(tree, spots * scale + move, NEAR_M).mean())
        for move in (np.zeros(2), back, *turned)
    )
    east, north = -np.median(back, axis=0)
    return Fit(len(spots), as_is, moved_back, max(aside), float(east), float(north))


def _near(tree: shapely.STRtree, spots: np.ndarray, metres: float) -> np.ndarray:
    """Return which spots lie within some metres of a line of the tree."""
    found = np.zeros(len(spots), dtype=bool)
    points = shapely.points(spots)
    found[tree.query_nearest(points, max_distance=metres, all_matches=False)[0]] = True
    return found
