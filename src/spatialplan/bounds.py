"""Proofs that a trip takes at least so long, whatever road is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from spatialplan.geodesy import straight_km
from spatialplan.network import Network
from spatialplan.places import Place
from spatialplan.standards import LEGAL_MAX_KMH, SpeedProfile

__all__ = ["Bound", "Ceilings", "bound"]

# How far around the straight line a proof looks for faster roads, in distances of the ends.
ELLIPSE = 2.0

DEGREE_KM = 111.7  # no degree on Earth is longer
FIRST_BLOCK = 256  # links looked at together


@dataclass(frozen=True)
class Bound:
    """A proof that a trip takes at least so long: `km` in a straight line at `kmh`.

    `origin` is where the straight line starts: of several origins the best one.
    """

    minutes: float
    km: float
    kmh: float
    origin: Place


@dataclass(frozen=True)
class Ceilings:
    """The highest speed that any link allows, near a trip; the fastest links come first.

    `points` are unit vectors of the ends and the quarters of each link, shape (5, links, 3);
    no point of a link is farther than `reach`, in km, from one of them.
    """

    points: np.ndarray
    reach: np.ndarray
    kmh: np.ndarray
    rail: np.ndarray

    @classmethod
    def of(cls, network: Network, profile: SpeedProfile) -> Ceilings:
        """Return the speeds of a network: the design speed, or a profile's if that is higher."""
        links = network.links
        design = links["design_speed_kmh"].to_numpy(dtype=float)
        kmh = np.fmax(design, profile.kmh(links["class"].to_numpy(), design))
        order = np.argsort(-kmh, kind="stable")
        lines = links.geometry.to_numpy()[order]
        quarters = np.linspace(0.0, 1.0, 5)
        spots = [shapely.line_interpolate_point(lines, f, normalized=True) for f in quarters]
        points = np.stack([_unit(shapely.get_x(spot), shapely.get_y(spot)) for spot in spots])
        reach = shapely.length(lines) / 8 * DEGREE_KM
        return cls(points, reach, kmh[order], (links["mode"] == "rail").to_numpy()[order])

    def near(self, origin: Place, destination: Place, modes: str) -> float:
        """Return the highest speed in km/h of the links near a trip; 0 when there are none.

        Near is what touches the ellipse around both ends whose long axis is `ELLIPSE` × their
        distance d, a trip along a part of a link included. A trip that leaves it is longer
        than that; at V, the highest speed of all, it takes more than ELLIPSE × d / V, which
        `bound` never exceeds.
        """
        ends = [_unit(place.lon, place.lat) for place in (origin, destination)]
        longest, known = ELLIPSE * float(_arc_km(*ends)), self._of(modes)
        first, size = 0, FIRST_BLOCK
        # On a large network the first few links are mostly enough.
        while first < len(self.kmh):
            block = slice(first, first + size)
            away = sum(_arc_km(self.points[:, block], end) for end in ends).min(axis=0)
            inside = (away - 2 * self.reach[block] <= longest) & known[block]
            if inside.any():
                return float(self.kmh[block][inside.argmax()])
            first, size = first + size, 2 * size
        return 0.0

    def _of(self, modes: str) -> np.ndarray:
        return {"rail": self.rail, "road": ~self.rail}.get(modes, self.rail | True)

    @cached_property
    def _tops(self) -> dict[str, float]:
        every = ((modes, self.kmh[self._of(modes)]) for modes in ("road", "rail", "all"))
        return {modes: max(LEGAL_MAX_KMH, float(kmh.max(initial=0.0))) for modes, kmh in every}

    def top(self, modes: str) -> float:
        """Return the highest speed of all links of some modes, at least the legal maximum."""
        return self._tops[modes]


def _unit(lon: float | np.ndarray, lat: float | np.ndarray) -> np.ndarray:
    x, y = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)], axis=-1)


def _arc_km(points: np.ndarray, point: np.ndarray) -> np.ndarray:
    return 6371.0 * np.arccos(np.clip(points @ point, -1.0, 1.0))


def bound(ceilings: Sequence[Ceilings], origin: Place, destination: Place, modes: str) -> Bound:
    """Return the least minutes between two places that any road known could allow.

    Distance ÷ the highest speed near (`Ceilings.near`), but no more than a trip around the
    outside at the highest speed of all would take: so it is a bound on every trip.
    """
    km = float(straight_km(origin.lon, origin.lat, destination.lon, destination.lat))
    near = max(ceiling.near(origin, destination, modes) for ceiling in ceilings)
    top = max(ceiling.top(modes) for ceiling in ceilings)
    kmh = max(near, top / ELLIPSE)
    return Bound(km / kmh * 60.0, km, kmh, origin)
