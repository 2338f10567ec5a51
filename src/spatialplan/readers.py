"""Networks from planners' own lines."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan.geodesy import straight_km
from spatialplan.network import Network, as_links, as_nodes

__all__ = ["network_of_lines"]

_DECIMALS = 7  # of a degree: ends within a centimetre are one node


def network_of_lines(
    lines: gpd.GeoDataFrame, *, default_class: str = "class3", name: str = "lines"
) -> Network:
    """Return a network of lines that meet where their ends coincide, and nowhere else.

    Parameters
    ----------
    lines
        LineStrings (multi-part ones are taken apart) in EPSG:4326; columns named as in
        `spatialplan.network.LINK_COLUMNS` are kept, and the rest of them filled:
        ``length_km`` with the drawn length, ``class`` with `default_class`.
    """
    parts = lines.explode(index_parts=False, ignore_index=True)
    parts = parts[parts.geometry.geom_type == "LineString"].reset_index(drop=True)
    geometry = parts.geometry.to_numpy()
    xy = np.round(shapely.get_coordinates(geometry), _DECIMALS)
    count = shapely.get_num_coordinates(geometry)
    last = np.cumsum(count) - 1
    ends = np.concatenate([xy[last - count + 1], xy[last]])
    spots, number = np.unique(ends, axis=0, return_inverse=True)
    node_ids = np.array([f"n{i}" for i in range(len(spots))])
    first, second = node_ids[number[: len(parts)]], node_ids[number[len(parts) :]]
    frame = pd.DataFrame(parts.drop(columns="geometry")).assign(from_node=first, to_node=second)
    if "length_km" not in frame:
        owner = np.repeat(np.arange(len(parts)), count)
        steps = straight_km(*xy[:-1].T, *xy[1:].T) if len(xy) > 1 else np.zeros(0)
        same = owner[:-1] == owner[1:]
        frame["length_km"] = np.bincount(
            owner[:-1][same], weights=steps[same], minlength=len(parts)
        )
        frame["length_basis"] = "drawn"
    if "class" not in frame:
        frame["class"] = default_class
    if "mode" not in frame:
        frame["mode"] = "road"
    frame.index = [f"l{i}" for i in range(len(parts))]
    keep = frame["length_km"].to_numpy() > 0
    links = as_links(frame[keep], geometry[keep]).rename_axis("link_id")
    nodes = pd.DataFrame({"kind": "junction", "geometry": shapely.points(spots)}, index=node_ids)
    return Network(as_nodes(nodes.rename_axis("node_id")), links, name)
