"""Networks from graphs of networkx, and from the GraphML files that OSMnx saves."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyproj
import shapely

from spatialplan.components import main_parts, with_kinds
from spatialplan.errors import Fault, InputError, collect_some
from spatialplan.network import LINK_COLUMNS, Network, as_links, as_nodes
from spatialplan.readers import Imported, drawn_km

if TYPE_CHECKING:
    import networkx as nx

    from spatialplan.tags import Rules

__all__ = ["network_of_graph", "read_graphml"]

_YES = ("yes", "true", "1")


def read_graphml(
    path: str | Path,
    rules: Rules | None = None,
    *,
    keep: str = "main",
    area: shapely.Geometry | None = None,
) -> Imported:
    """Read a network from a GraphML file that OSMnx saved.

    Parameters
    ----------
    rules
        The class of each edge by its tags; the built-in table by default.
    keep
        As in `spatialplan.components.main_parts`.
    area
        Polygon in EPSG:4326; links that touch it are kept whole.

    Raises
    ------
    InputError
        When the file is not GraphML, not of a road network, or has no road in the area.
    """
    import networkx as nx

    try:
        graph = nx.read_graphml(path, force_multigraph=True)
    except FileNotFoundError:
        raise InputError.of(path, "文件不存在", "no such file") from None
    except Exception as error:  # the XML parser raises several kinds
        raise InputError.of(
            path, "不是 GraphML 文件,或不完整", f"not GraphML: {str(error).splitlines()[0]}"
        ) from None
    network = network_of_graph(graph, rules, name=Path(path).stem, where=str(path))
    if area is not None:
        network = _touching(network, area, str(path))
    network, parts = main_parts(network, keep)
    return Imported(network, parts)


def _touching(network: Network, area: shapely.Geometry, where: str) -> Network:
    """Return the links that touch an area, and their nodes."""
    links = network.links[shapely.intersects(network.links.geometry.to_numpy(), area)]
    if links.empty:
        raise InputError.of(where, "范围内没有道路", "no road in the area")
    used = pd.unique(links[["from_node", "to_node"]].to_numpy().ravel())
    return replace(network, nodes=network.nodes[network.nodes.index.isin(used)], links=links)


def network_of_graph(
    graph: nx.Graph, rules: Rules | None = None, *, name: str = "graph", where: str = "graph"
) -> Network:
    """Return the network of a networkx graph, such as OSMnx makes.

    Parameters
    ----------
    graph
        Nodes have ``x, y`` (degrees, or in the CRS that ``graph.graph["crs"]`` names). Edges
        have OpenStreetMap's tags, or ``class`` and other columns of links; ``length`` in
        metres or ``length_km``; perhaps ``geometry``. Of a directed graph, two edges in
        opposite directions make a two-way link.

    Raises
    ------
    InputError
        When nodes have no position, or no edge is a road for cars.
    """
    from spatialplan import tags

    rules = rules or tags.read_rules()
    to_degrees = _to_degrees(graph, where)
    xy = _graph_positions(graph, where)
    rows: dict[tuple, dict[str, Any]] = {}
    for first, last, data in graph.edges(data=True):
        row = _graph_row(data, rules)
        if row is None:
            continue
        row |= {"from_node": f"n{first}", "to_node": f"n{last}"}
        row["geometry"] = _graph_line(data, xy[first], xy[last], first == last)
        if not graph.is_directed():
            row["oneway"] = str(data.get("oneway", "")).lower() in _YES
            rows[len(rows), ""] = row
            continue
        key = _pair_key(first, last, row["geometry"])
        if key in rows and rows[key]["from_node"] == row["to_node"]:
            rows[key]["oneway"] = False
        else:
            rows[key if key not in rows else (*key, len(rows))] = row | {"oneway": True}
    if not rows:
        raise InputError.of(where, "图里没有可行车的道路", "no edge is a road for cars")
    frame = pd.DataFrame(list(rows.values()))
    frame.index = pd.Index([f"l{i}" for i in range(len(frame))], name="link_id")
    lines = shapely.transform(frame["geometry"].to_numpy(), to_degrees)
    frame["geometry"] = lines
    drawn = drawn_km(shapely.get_coordinates(lines), shapely.get_num_coordinates(lines))
    frame["length_km"] = frame["length_km"].where(frame["length_km"] > 0, drawn)
    frame = frame[frame["length_km"] > 0]
    ends = set(frame["from_node"]) | set(frame["to_node"])
    used = [node for node in graph if f"n{node}" in ends]
    spots = shapely.points(to_degrees(np.array([xy[node] for node in used])))
    nodes = pd.DataFrame(
        {"kind": "node", "geometry": spots},
        index=pd.Index([f"n{node}" for node in used], name="node_id"),
    )
    network = with_kinds(Network(as_nodes(nodes), as_links(frame), name))
    collect_some(network.faults(where), where)
    return network


def _graph_positions(graph: nx.Graph, where: str) -> dict[Any, tuple[float, float]]:
    faults, found = [], {}
    for node, data in graph.nodes(data=True):
        try:
            found[node] = float(data["x"]), float(data["y"])
        except (KeyError, TypeError, ValueError):
            found[node] = np.nan, np.nan
        if not np.isfinite(found[node]).all():
            faults.append(
                Fault(f"{where} 节点 {node}", "没有坐标 x、y", "the node has no position x, y")
            )
    collect_some(faults, where)
    return found


def _to_degrees(graph: nx.Graph, where: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what turns positions of a graph into degrees."""
    crs = str(graph.graph.get("crs") or "EPSG:4326")
    if crs.upper() in ("EPSG:4326", "EPSG:4490"):
        return lambda xy: xy
    try:
        project = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform
    except pyproj.exceptions.CRSError:
        raise InputError.of(
            f"{where} crs", f"不是坐标系:{crs};应如 EPSG:4543", "not a CRS; write EPSG:4543"
        ) from None
    return lambda xy: np.column_stack(project(*xy.T))


def _graph_row(data: Mapping[str, Any], rules: Rules) -> dict[str, Any] | None:
    """Return the columns of an edge, or None when it is no road for cars."""
    from spatialplan import tags

    if "class" in data:
        row = {name: data[name] for name in LINK_COLUMNS if name in data and name != "geometry"}
        row.setdefault("mode", "road")
        return row | {"length_km": _km(data)}
    marks = {key: _tag(value) for key, value in data.items() if key != "geometry"}
    rule = rules.first({**marks, "highway": marks.get("highway", "").split(";")[0]})
    if rule is None or not tags.drivable(marks | {"oneway": ""}):
        return None
    return {
        "mode": rule.mode,
        "class": rule.cls,
        "confidence": rule.confidence,
        "design_speed_kmh": tags.speed_limit(marks, rule.mode)[0],
        "ref": marks.get("ref", ""),
        "name_zh": marks.get("name", ""),
        "length_km": _km(data),
        "length_basis": "measured",
        "source": "© OpenStreetMap contributors, ODbL 1.0",
    }


def _km(data: Mapping[str, Any]) -> float:
    """Return the length of an edge; NaN, so that it is measured, when it gives none."""
    for key, km in (("length", 0.001), ("length_km", 1.0)):
        try:
            return float(data[key]) * km
        except (KeyError, TypeError, ValueError):
            continue
    return np.nan


def _tag(value: Any) -> str:
    """Return a tag as text; a list, also one written as text in GraphML, joined by ``;``."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            value = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            return value
    if isinstance(value, list | tuple | set):
        return ";".join(str(item) for item in value)
    return "" if value is None or pd.isna(value) else str(value).strip()


def _graph_line(
    data: Mapping[str, Any], start: tuple, end: tuple, loop: bool
) -> shapely.LineString:
    line = data.get("geometry")
    if isinstance(line, str):
        line = shapely.from_wkt(line)
    if line is None:
        return shapely.LineString([start, end])
    # OSMnx draws the edge against its direction when it keeps only one of two.
    turned = not loop and np.hypot(*np.subtract(line.coords[0], start)) > np.hypot(
        *np.subtract(line.coords[-1], start)
    )
    return line.reverse() if turned else line


def _pair_key(first: Any, last: Any, line: shapely.LineString) -> tuple:
    """Return what the two directions of a road have in common."""
    ends = tuple(sorted((str(first), str(last))))
    points = np.round(shapely.get_coordinates(line), 6).tolist()
    return (*ends, str(min(points, points[::-1])))
