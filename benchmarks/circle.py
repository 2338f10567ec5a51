"""A 60-minute circle against the recipe of OSMnx's gallery; writes circle.md beside this file.

    python benchmarks/circle.py [--nodes 100000] [--runs 3]

The recipe: `networkx.ego_graph` by travel time, a disc about each node that is reached, a band
along each edge, `unary_union`. It widens everything by the same width; ours widens each stretch
of road by what is left of the minutes, and tells roads that are only driven on (expressways)
from those that one may leave. Seconds are medians of processor time.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import geopandas as gpd
import networkx as nx
import shapely

from spatialplan import circles, standards, travel
from spatialplan.places import Place
from spatialplan.province import province

LIMIT = 60.0
NODE_M, EDGE_M = 50.0, 25.0  # the widths of the recipe
OUT = Path(__file__).with_suffix(".md")


def median(work: Callable[[], object], runs: int) -> float:
    spans = []
    for _ in range(runs):
        start = time.process_time()
        work()
        spans.append(time.process_time() - start)
    return statistics.median(spans)


def recipe(graph: nx.MultiDiGraph, center: object) -> shapely.Geometry:
    """The function `make_iso_polys` of OSMnx's notebook on isochrones, for one trip time."""
    subgraph = nx.ego_graph(graph, center, radius=LIMIT, distance="minutes")
    points = [shapely.Point((data["x"], data["y"])) for _, data in subgraph.nodes(data=True)]
    nodes = gpd.GeoDataFrame({"id": list(subgraph.nodes)}, geometry=points).set_index("id")
    lines = []
    for first, last in subgraph.edges():
        a, b = nodes.loc[first].geometry, nodes.loc[last].geometry
        lines.append(
            graph.get_edge_data(first, last)[0].get("geometry", shapely.LineString([a, b]))
        )
    discs = nodes.buffer(NODE_M).geometry
    bands = gpd.GeoSeries(lines).buffer(EDGE_M).geometry
    return gpd.GeoSeries([*discs, *bands]).union_all()


def in_metres(graph: travel.Graph) -> nx.MultiDiGraph:
    """The public graph with positions in a plane, as the recipe wants it."""
    public = graph.network.to_networkx(graph.profile)
    plane = graph.network.nodes.estimate_utm_crs()
    at = graph.network.nodes.to_crs(plane).geometry
    x, y = dict(zip(at.index, at.x, strict=True)), dict(zip(at.index, at.y, strict=True))
    for _, data in public.nodes(data=True):
        data["x"], data["y"] = x[data["node_id"]], y[data["node_id"]]
    return public


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    made = province(options.nodes, seed=1)
    graph = travel.compile_graph(made.network(), standards.read_profile())
    middle = made.lonlat[made.size // 2 + round(made.size**0.5) // 2]
    place = Place("middle", float(middle[0]), float(middle[1]))
    center = graph.network.nodes.index[made.size // 2 + round(made.size**0.5) // 2]
    start = time.process_time()
    circles.circles(graph, [place], [LIMIT])
    first = time.process_time() - start
    ours = median(lambda: circles.circles(graph, [place], [LIMIT]), options.runs)
    nested = median(lambda: circles.circles(graph, [place], [15, 30, 60]), options.runs)
    links = median(lambda: circles.reached_links(graph, [place], LIMIT), options.runs)
    count = len(circles.reached_links(graph, [place], LIMIT)["link_id"].unique())
    public = in_metres(graph)
    theirs = median(lambda: recipe(public, center), options.runs)
    land = (
        f"Synthetic province of {made.size:,} junctions and {len(made.tail):,} links; "
        f"{count:,} links are reached in {LIMIT:.0f} minutes. Median of {options.runs} runs, "
        "seconds of processor time."
    )
    machine = (
        f"Python {platform.python_version()}, networkx {version('networkx')}, "
        f"geopandas {version('geopandas')}, shapely {version('shapely')} "
        f"(GEOS {shapely.geos_version_string}), {platform.machine()}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}."
    )
    lines = [
        "# A travel-time circle on a large network",
        "",
        "Written by `python benchmarks/circle.py`; do not edit.",
        "",
        land,
        "",
        "| work | seconds | goal |",
        "|---|---|---|",
        f"| 60-minute circle, polygon | {ours:.2f} | well under 1 |",
        f"| the first one, the graph compiled on the way | {first:.2f} | |",
        f"| 15, 30 and 60 minutes at once, nested | {nested:.2f} | |",
        f"| the links reached, cut where the minutes run out | {links:.2f} | |",
        f"| recipe of the OSMnx gallery | {theirs:.2f} | |",
        f"| ratio recipe / ours | {theirs / ours:.1f} | ≥ 10 |",
        "",
        machine,
        "",
    ]
    OUT.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
