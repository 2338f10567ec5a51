"""How far one commutes from some places, and what tolls and ramps cost on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from spatialplan import travel
from spatialplan.starts import MINUTES, cores

if TYPE_CHECKING:
    from spatialplan.network import Network
    from spatialplan.places import Place
    from spatialplan.standards import SpeedProfile
    from spatialplan.travel import Graph
    from spatialplan.verdict import Case

__all__ = ["Commute", "between_cores", "reach_table", "toll_table"]

RAMP_MINUTES = (0.0, 1.0, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Commute:
    """Commuting between the cores of a plan, by what entering an expressway costs.

    `trips` is a `toll_table` from the places of each core to those of the later ones, `reach` a
    `reach_table` from all cores to the towns of the plan, of which there are `towns`.
    """

    trips: pd.DataFrame
    reach: pd.DataFrame
    towns: int


def between_cores(case: Case, ramp_minutes: Sequence[float] = RAMP_MINUTES) -> Commute | None:
    """Return the commuting between the cores of a plan; None where it has not several.

    Places of which the network tells nothing are left out.
    """
    members = [_told(case, core.members) for core in cores(case.plan)]
    own = [places for places in members if places]
    if len(own) < 2:
        return None
    towns = _told(case, {"set": "area-towns"})
    everywhere = list(dict.fromkeys(place for members in own for place in members))
    roads = case.network, case.profile
    trips = [toll_table(*roads, a, b, ramp_minutes) for a, b in combinations(own, 2)]
    reach = reach_table(*roads, everywhere, towns, ramp_minutes=ramp_minutes)
    return Commute(pd.concat(trips, ignore_index=True), reach, len(towns))


def _told(case: Case, asked: Any) -> list[Place]:
    places = case.places(asked)
    away = case.beyond(places)
    return [place for place in places if place not in away]


def toll_table(
    network: Network,
    profile: SpeedProfile,
    origins: Sequence[Place],
    destinations: Sequence[Place],
    ramp_minutes: Sequence[float] = RAMP_MINUTES,
) -> pd.DataFrame:
    """Return the times by road when entering or leaving an expressway costs more or less.

    Parameters
    ----------
    network, profile
        The roads, and the speeds; only the profile's ``ramp_minutes`` is replaced.
    origins, destinations
        Every pair of them is measured.
    ramp_minutes
        Minutes of one entry or exit, the toll station included: 0 is a road without tolls.

    Returns
    -------
    DataFrame
        ``ramp_minutes, origin, destination`` (names), ``minutes, km``; one row for each setting
        and pair. Minutes never fall as ramps take longer; a trip that leaves the expressway for
        an ordinary road shows in its km.
    """
    frames = [
        travel.travel_times(graph, origins, destinations).assign(ramp_minutes=ramp)
        for ramp, graph in _graphs(network, profile, ramp_minutes)
    ]
    names = {place.key: place.name_zh for place in (*origins, *destinations)}
    table = pd.concat(frames, ignore_index=True)
    table = table.assign(origin=table["origin"].map(names))
    table = table.assign(destination=table["destination"].map(names))
    return table[["ramp_minutes", "origin", "destination", "minutes", "km"]]


def reach_table(
    network: Network,
    profile: SpeedProfile,
    origins: Sequence[Place],
    places: Sequence[Place],
    limits: Sequence[float] = MINUTES,
    ramp_minutes: Sequence[float] = RAMP_MINUTES,
) -> pd.DataFrame:
    """Return how many places lie within some minutes of the nearest origin, by ramp setting.

    Returns
    -------
    DataFrame
        ``ramp_minutes``, then one column for each limit (``within_30``, …): counts of places.
    """
    rows = []
    for ramp, graph in _graphs(network, profile, ramp_minutes):
        times = travel.travel_times(graph, origins, places)
        nearest = times.groupby("destination", sort=False)["minutes"].min()
        counts = {f"within_{limit:g}": int((nearest <= limit).sum()) for limit in limits}
        rows.append({"ramp_minutes": ramp, **counts})
    return pd.DataFrame(rows)


def _graphs(
    network: Network, profile: SpeedProfile, ramp_minutes: Sequence[float]
) -> Iterator[tuple[float, Graph]]:
    for ramp in map(float, ramp_minutes):
        yield ramp, travel.compile_graph(network, replace(profile, ramp_minutes=ramp))
