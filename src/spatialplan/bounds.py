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
SHORT_DEGREE_KM = 110.5  # no degree of a great circle is shorter
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

    `lines` are in degrees, `boxes` (shape ``(links, 4)``) are their bounds: west, south, east,
    north.
    """

    lines: np.ndarray
    boxes: np.ndarray
    kmh: np.ndarray
    rail: np.ndarray

    @classmethod
    def of(cls, network: Network, profile: SpeedProfile) -> Ceilings:
        """Return the speeds of a network: the design speed, or a profile's if that is higher.

        That is done once for a network and a profile.
        """
        key = cls, profile
        if key not in network.kept:
            network.kept[key] = cls._of(network, profile)
        return network.kept[key]

    @classmethod
    def _of(cls, network: Network, profile: SpeedProfile) -> Ceilings:
        links = network.links
        design = links["design_speed_kmh"].to_numpy(dtype=float)
        kmh = np.fmax(design, profile.kmh(links["class"].to_numpy(), design))
        order = np.argsort(-kmh, kind="stable")
        lines = links.geometry.to_numpy()[order]
        rail = (links["mode"] == "rail").to_numpy()[order]
        return cls(lines, shapely.bounds(lines), kmh[order], rail)

    def near(self, origin: Place, destination: Place, modes: str) -> float:
        """Return the highest speed in km/h of the links near a trip; 0 when there are none.

        Near is what touches the ellipse around both ends whose long axis is `ELLIPSE` × their
        distance d, a trip along a part of a link included. A trip that leaves it is longer
        than that; at V, the highest speed of all, it takes more than ELLIPSE × d / V, which
        `bound` never exceeds.
        """
        key = origin.lon, origin.lat, destination.lon, destination.lat, modes
        if key not in self._known:
            self._known[key] = self._near(origin, destination, modes)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple, float]:
        """What `near` has found: many targets ask for the same trips, after each edit again."""
        return {}

    def _near(self, origin: Place, destination: Place, modes: str) -> float:
        ends = [_unit(place.lon, place.lat) for place in (origin, destination)]
        longest = ELLIPSE * float(_arc_km(*ends))
        west, south, east, north = _box_around(origin, destination, longest)
        first, size = 0, FIRST_BLOCK
        # On a large network the first few links are mostly enough.
        while first < len(self.kmh):
            block = slice(first, first + size)
            low, high = self.boxes[block, :2], self.boxes[block, 2:]
            inside = (low <= [east, north]).all(axis=1) & (high >= [west, south]).all(axis=1)
            chosen = first + np.flatnonzero(inside & _is_of(modes, self.rail[block]))
            found = chosen[self._detour_km(chosen, ends) <= longest]
            if len(found):
                return float(self.kmh[found[0]])
            first, size = first + size, 2 * size
        return 0.0

    def _detour_km(self, links: np.ndarray, ends: Sequence[np.ndarray]) -> np.ndarray:
        """Return what a trip over each of some links comes to at the least, as the crow flies."""
        points, reach = self._spots
        new = links[np.isnan(reach[links])]
        lines = self.lines[new]
        for row, share in zip(points, np.linspace(0.0, 1.0, len(points)), strict=True):
            spot = shapely.line_interpolate_point(lines, share, normalized=True)
            row[new] = _unit(shapely.get_x(spot), shapely.get_y(spot))
        # No point of a link is farther from one of them.
        reach[new] = shapely.length(lines) / (2 * len(points) - 2) * DEGREE_KM
        away = sum(_arc_km(points[:, links], end) for end in ends).min(axis=0)
        return away - 2 * reach[links]

    @cached_property
    def _spots(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends and quarters of links as unit vectors, and km: filled in as they are asked for."""
        return np.empty((5, len(self.kmh), 3)), np.full(len(self.kmh), np.nan)

    @cached_property
    def _tops(self) -> dict[str, float]:
        every = ((modes, self.kmh[_is_of(modes, self.rail)]) for modes in ("road", "rail", "all"))
        return {modes: max(LEGAL_MAX_KMH, float(kmh.max(initial=0.0))) for modes, kmh in every}

    def top(self, modes: str) -> float:
        """Return the highest speed of all links of some modes, at least the legal maximum."""
        return self._tops[modes]


def _is_of(modes: str, rail: np.ndarray) -> np.ndarray:
    return {"rail": rail, "road": ~rail}.get(modes, np.ones_like(rail))


def _box_around(origin: Place, destination: Place, longest: float) -> tuple[float, ...]:
    """Return the degrees (west, south, east, north) of all places with a short enough detour.

    Those from which both ends are at most `longest` km away in sum: so one is at most half.
    """
    lon, lat = sorted((origin.lon, destination.lon)), sorted((origin.lat, destination.lat))
    beyond = longest / 2 / SHORT_DEGREE_KM
    south, north = lat[0] - beyond, lat[1] + beyond
    wider = beyond / max(np.cos(np.radians(max(-south, north))), 1e-9)
    west, east = lon[0] - wider, lon[1] + wider
    if west < -180 or east > 180:  # at a pole, or over the date line
        return -180.0, south, 180.0, north
    return west, south, east, north


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
