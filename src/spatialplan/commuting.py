"""How far one commutes from some places, and what tolls and ramps cost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from spatialplan import travel

if TYPE_CHECKING:
    from spatialplan.network import Network
    from spatialplan.places import Place
    from spatialplan.standards import SpeedProfile

__all__ = ["reach_table", "toll_table"]

RAMP_MINUTES = (0.0, 1.0, 2.0, 3.0, 5.0)


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
    frames = []
    for ramp in ramp_minutes:
        graph = travel.compile_graph(network, replace(profile, ramp_minutes=float(ramp)))
        times = travel.travel_times(graph, origins, destinations)
        frames.append(times.assign(ramp_minutes=float(ramp)))
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
    limits: Sequence[float] = (30.0, 60.0),
    ramp_minutes: Sequence[float] = RAMP_MINUTES,
) -> pd.DataFrame:
    """Return how many places lie within some minutes of the nearest origin, by ramp setting.

    Returns
    -------
    DataFrame
        ``ramp_minutes``, then one column for each limit (``within_30``, …): counts of places.
    """
    rows = []
    for ramp in ramp_minutes:
        graph = travel.compile_graph(network, replace(profile, ramp_minutes=float(ramp)))
        times = travel.travel_times(graph, origins, places)
        nearest = times.groupby("destination", sort=False)["minutes"].min()
        counts = {f"within_{limit:g}": int((nearest <= limit).sum()) for limit in limits}
        rows.append({"ramp_minutes": float(ramp), **counts})
    return pd.DataFrame(rows)
