"""What turn restrictions change: the ways round the turns that they forbid."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from spatialplan import searches, travel
from spatialplan.network import Network
from spatialplan.standards import SpeedProfile
from spatialplan.travel import Graph
from spatialplan.turns import forbidden_turns

__all__ = ["LIMIT_MINUTES", "detours"]

LIMIT_MINUTES = 60.0  # a turn that takes longer to make up for cannot be made up for
MOST = 100


def detours(network: Network, profile: SpeedProfile, most: int = MOST) -> gpd.GeoDataFrame:
    """Return forbidden turns, with the time from before to behind them with and without the ban.

    Parameters
    ----------
    most
        Of more turns than that, so many are taken, evenly from first to last.

    Returns
    -------
    GeoDataFrame
        ``from_link, via_node, to_link`` (where a turn goes by way of other links, `via_node` is
        where the last begins), ``minutes_free``, ``minutes`` (from where the first link begins
        to where the last ends, on the fastest way; infinite beyond `LIMIT_MINUTES`), ``extra``
        (the difference); points in EPSG:4326.
    """
    table = forbidden_turns(network)
    rows = np.unique(np.linspace(0, len(table) - 1, min(most, len(table))).astype(int))
    table = table.iloc[rows]
    # Of no file: what is kept beside it is for the graph with restrictions.
    free = Graph(network.like(file=None), profile, network.arcs(profile))
    held = travel.compile_graph(network, profile)
    levels = network.levels[table[["first", "last"]].to_numpy()]
    pairs = table[["start", "end"]].to_numpy()
    before, now = (_minutes(graph, pairs, levels) for graph in (free, held))
    links, nodes = network.links.index, network.nodes
    return gpd.GeoDataFrame(
        {
            "from_link": links[table["first"]],
            "via_node": nodes.index[table["node"]],
            "to_link": links[table["last"]],
            "minutes_free": before,
            "minutes": now,
            "extra": now - before,
        },
        geometry=nodes.geometry.to_numpy()[table["node"]],
        crs=4326,
    )


def _minutes(graph: Graph, pairs: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the minutes between nodes (by position), each on a level, one pair a row."""
    starts = np.array([graph.vertex(*at) for at in zip(pairs[:, 0], levels[:, 0], strict=True)])
    ends = [graph.vertices(*at) for at in zip(pairs[:, 1], levels[:, 1], strict=True)]
    found = np.full(len(pairs), np.inf)
    if len(pairs):
        search = searches.search(graph, starts, "road", LIMIT_MINUTES)
        row = np.repeat(np.arange(len(pairs)), list(map(len, ends)))
        minutes = search.between(starts, np.concatenate(ends))[row, np.arange(len(row))]
        np.minimum.at(found, row, minutes)
    return found
