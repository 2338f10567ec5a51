"""A networkx backend: shortest paths by compiled loops through networkx's own calls.

``nx.shortest_path(graph, a, b, weight="minutes", backend="spatialplan")``, or for all calls
``nx.config.backend_priority.algos = ["spatialplan"]``.

Results equal those of plain networkx to the last bit, the choice among equally short ways and
the order of dictionaries included. That is why this is Dijkstra over the weights as they are
and not the engine's bucket queue, which counts whole units of time: there, speed and equal
repairs matter, here, that nobody can tell who computed. What is not supported (functions as
weights, negative or odd weights, unweighted searches) is computed by networkx itself.

The module is imported together with networkx; it must stay light.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    import networkx as nx
    import numpy as np

__all__ = ["CompiledGraph", "can_run", "convert_from_nx", "convert_to_nx", "get_info", "should_run"]

NAME = "spatialplan"
# Below these numbers of nodes compiling a graph costs more than it saves.
WORTH_ONE_SEARCH = 2_000
WORTH_MANY_SEARCHES = 200
LARGEST_WHOLE = 2**53  # whole numbers up to here are exact as floats

# Functions, and the name of the argument that says what the weight is.
FUNCTIONS = {
    "dijkstra_path": "weight",
    "dijkstra_path_length": "weight",
    "bidirectional_dijkstra": "weight",
    "single_source_dijkstra": "weight",
    "single_source_dijkstra_path": "weight",
    "single_source_dijkstra_path_length": "weight",
    "multi_source_dijkstra": "weight",
    "multi_source_dijkstra_path": "weight",
    "multi_source_dijkstra_path_length": "weight",
    "all_pairs_dijkstra": "weight",
    "all_pairs_dijkstra_path": "weight",
    "all_pairs_dijkstra_path_length": "weight",
    "shortest_path": "weight",
    "shortest_path_length": "weight",
    "closeness_centrality": "distance",
    "betweenness_centrality": "weight",
}
_MANY = frozenset(name for name in FUNCTIONS if name.startswith("all_") or "centrality" in name)


def get_info() -> dict[str, Any]:
    """Return what networkx shows of a backend."""
    return {
        "backend_name": NAME,
        "project": "spatialplan",
        "package": "spatialplan",
        "short_summary": "Shortest paths by compiled loops, equal to networkx to the last bit.",
        "functions": {
            name: {"additional_docs": "Compiled; equal to networkx, order of results included."}
            for name in FUNCTIONS
        },
    }


def _given(name: str, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Return the arguments of a call by their names, defaults included."""
    bound = signature(globals()[name]).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


def can_run(name: str, args: tuple, kwargs: dict) -> bool | str:
    """Tell networkx whether a call is supported; a text says why not."""
    given = _given(name, args, kwargs)
    weight = given.get(FUNCTIONS.get(name, ""))
    if weight is None:
        return "unweighted searches are left to networkx"
    if callable(weight):
        return "functions as weights are left to networkx"
    if given.get("method", "dijkstra") != "dijkstra":
        return "only Dijkstra's method"
    return True


def should_run(name: str, args: tuple, kwargs: dict) -> bool | str:
    """Tell networkx whether a call is worth compiling the graph; a text says why not."""
    graph = args[0] if args else kwargs["G"]
    least = WORTH_MANY_SEARCHES if name in _MANY else WORTH_ONE_SEARCH
    return len(graph) >= least or f"fewer than {least} nodes: networkx is as fast"


@dataclass(frozen=True)
class _Rows:
    """Arcs in networkx's order: heads and weights of node `i` from ``pointer[i]`` on."""

    pointer: np.ndarray
    heads: np.ndarray
    weights: np.ndarray
    whole: bool

    @classmethod
    def of(
        cls, adjacency: Any, index: dict[Hashable, int], weight: str, multi: bool
    ) -> _Rows | None:
        """Return the arcs, or None when the weights are not plain numbers from 0 up."""
        import numpy as np

        if multi:
            values = [
                min(data.get(weight, 1) for data in parallel.values())
                for row in adjacency.values()
                for parallel in row.values()
            ]
        else:
            values = [data.get(weight, 1) for row in adjacency.values() for data in row.values()]
        if not set(map(type, values)) <= {int, float, np.float64, np.int64}:
            return None
        numbers = np.array(values, dtype=None if values else float)
        if numbers.dtype.kind not in "if":
            return None
        weights = numbers.astype(np.float64)
        whole = numbers.dtype.kind == "i"
        if not (weights >= 0).all() or (whole and weights.sum() >= LARGEST_WHOLE):
            return None
        if not whole and set(map(type, values)) & {int, np.int64} and weights.max() > LARGEST_WHOLE:
            return None
        pointer = np.zeros(len(index) + 1, np.int64)
        np.cumsum([len(row) for row in adjacency.values()], out=pointer[1:])
        heads = np.fromiter(
            (index[head] for row in adjacency.values() for head in row), np.int32, len(values)
        )
        return cls(pointer, heads, weights, whole)


class CompiledGraph:
    """A networkx graph with its arcs in arrays, one set for each attribute that is asked for.

    Whatever else is asked of it is answered by the networkx graph.
    """

    __networkx_backend__ = NAME

    def __init__(self, source: nx.Graph) -> None:
        self.source = source
        self.nodes_in_order = list(source)
        self.index = {node: number for number, node in enumerate(self.nodes_in_order)}
        self._rows: dict[tuple[str, bool], _Rows | None] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)

    def __len__(self) -> int:
        return len(self.nodes_in_order)

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self.nodes_in_order)

    def __contains__(self, node: Hashable) -> bool:
        try:
            return node in self.index
        except TypeError:
            return False

    def __getitem__(self, node: Hashable) -> Any:
        return self.source[node]

    def rows(self, weight: str, *, reverse: bool = False) -> _Rows | None:
        """Return the arcs with one attribute; None when networkx itself must do it."""
        reverse = reverse and self.source.is_directed()
        if (weight, reverse) not in self._rows:
            adjacency = self.source._pred if reverse else self.source._adj
            multi = self.source.is_multigraph()
            self._rows[weight, reverse] = _Rows.of(adjacency, self.index, weight, multi)
        return self._rows[weight, reverse]


def convert_from_nx(graph: nx.Graph, **_: object) -> CompiledGraph:
    """Return a networkx graph for this backend. Arcs are compiled at the first search."""
    return graph if isinstance(graph, CompiledGraph) else CompiledGraph(graph)


def convert_to_nx(result: Any, **_: object) -> Any:
    """Return a result, or the networkx graph behind a compiled one."""
    return result.source if isinstance(result, CompiledGraph) else result


def _exact() -> ModuleType | None:
    """Return the compiled loops, or None where numba cannot run."""
    from spatialplan import engine

    if engine._kernels() is None:
        return None
    from spatialplan import exact

    return exact


def _plain(name: str, graph: CompiledGraph, *args: Any, **kwargs: Any) -> Any:
    """Let networkx compute."""
    import networkx as nx

    return getattr(nx, name)(convert_to_nx(graph), *args, backend="networkx", **kwargs)


def _is_left_to_networkx(graph: CompiledGraph, weight: Any, cutoff: Any = None) -> bool:
    usual = isinstance(weight, Hashable) and weight is not None and not callable(weight)
    if cutoff is not None and not isinstance(cutoff, int | float):
        return True
    return not usual or _exact() is None or graph.rows(weight) is None


@dataclass(frozen=True)
class _Found:
    """What one search settled: numbers of nodes in order, their distances, those before."""

    graph: CompiledGraph
    sources: list[int]
    order: np.ndarray
    values: list[float]
    before: np.ndarray

    @classmethod
    def run(
        cls,
        graph: CompiledGraph,
        rows: _Rows,
        sources: Iterable[Hashable],
        cutoff: float | None = None,
        target: Hashable | None = None,
    ) -> _Found:
        import numpy as np

        starts = [graph.index[source] for source in sources]
        size = len(graph)
        dist, before, order = np.empty(size), np.empty(size, np.int32), np.empty(size, np.int32)
        goal = -1 if target is None or target not in graph else graph.index[target]
        count = _exact().settle(
            rows.pointer, rows.heads, rows.weights, np.array(starts, np.int32),
            float("inf") if cutoff is None else float(cutoff), goal, dist, before, order,
        )  # fmt: skip
        order = order[:count]
        found = dist[order]
        values = (found.astype(np.int64) if rows.whole else found).tolist()
        for at in range(min(len(set(starts)), count)):
            values[at] = 0  # networkx begins at the whole number
        return cls(graph, starts, order, values, before)

    def lengths(self) -> dict[Hashable, float]:
        nodes = self.graph.nodes_in_order
        return dict(zip(map(nodes.__getitem__, self.order.tolist()), self.values, strict=True))

    def paths(self) -> dict[Hashable, list[Hashable]]:
        nodes, before = self.graph.nodes_in_order, self.before.tolist()
        by_number = {source: [nodes[source]] for source in self.sources}
        for number in self.order.tolist():
            if number not in by_number:
                by_number[number] = [*by_number[before[number]], nodes[number]]
        return {nodes[number]: way for number, way in by_number.items()}

    def last(self) -> int:
        return int(self.order[-1]) if len(self.order) else -1

    def way(self, number: int) -> list[Hashable]:
        return _way(self.graph, self.before, number)[::-1]


def _way(graph: CompiledGraph, before: np.ndarray, number: int) -> list[Hashable]:
    found = []
    while number >= 0:
        found.append(graph.nodes_in_order[number])
        number = int(before[number])
    return found


def _check_sources(graph: CompiledGraph, sources: Any) -> None:
    import networkx as nx

    if not sources:
        raise ValueError("sources must not be empty")
    for source in sources:
        if source not in graph:
            raise nx.NodeNotFound(f"Node {source} not found in graph")


# The functions of networkx, under its names and with its arguments


def multi_source_dijkstra(
    G: CompiledGraph,  # noqa: N803 - networkx's name
    sources: Any,
    target: Hashable | None = None,
    cutoff: float | None = None,
    weight: Any = "weight",
) -> tuple:
    """As `networkx.multi_source_dijkstra`."""
    import networkx as nx

    if _is_left_to_networkx(G, weight, cutoff):
        return _plain("multi_source_dijkstra", G, sources, target, cutoff, weight)
    _check_sources(G, sources)
    if target in sources:
        return 0, [target]
    found = _Found.run(G, G.rows(weight), sources, cutoff, target)
    if target is None:
        return found.lengths(), found.paths()
    if target not in G or found.last() != G.index[target]:
        raise nx.NetworkXNoPath(f"No path to {target}.")
    return found.values[-1], found.way(found.last())


def multi_source_dijkstra_path(
    G: CompiledGraph,  # noqa: N803
    sources: Any,
    cutoff: float | None = None,
    weight: Any = "weight",
) -> dict:
    """As `networkx.multi_source_dijkstra_path`."""
    return multi_source_dijkstra(G, sources, cutoff=cutoff, weight=weight)[1]


def multi_source_dijkstra_path_length(
    G: CompiledGraph,  # noqa: N803
    sources: Any,
    cutoff: float | None = None,
    weight: Any = "weight",
) -> dict:
    """As `networkx.multi_source_dijkstra_path_length`."""
    if _is_left_to_networkx(G, weight, cutoff):
        return _plain("multi_source_dijkstra_path_length", G, sources, cutoff, weight)
    _check_sources(G, sources)
    return _Found.run(G, G.rows(weight), sources, cutoff).lengths()


def single_source_dijkstra(
    G: CompiledGraph,  # noqa: N803
    source: Hashable,
    target: Hashable | None = None,
    cutoff: float | None = None,
    weight: Any = "weight",
) -> tuple:
    """As `networkx.single_source_dijkstra`."""
    return multi_source_dijkstra(G, {source}, target=target, cutoff=cutoff, weight=weight)


def single_source_dijkstra_path(
    G: CompiledGraph,  # noqa: N803
    source: Hashable,
    cutoff: float | None = None,
    weight: Any = "weight",
) -> dict:
    """As `networkx.single_source_dijkstra_path`."""
    return multi_source_dijkstra(G, {source}, cutoff=cutoff, weight=weight)[1]


def single_source_dijkstra_path_length(
    G: CompiledGraph,  # noqa: N803
    source: Hashable,
    cutoff: float | None = None,
    weight: Any = "weight",
) -> dict:
    """As `networkx.single_source_dijkstra_path_length`."""
    return multi_source_dijkstra_path_length(G, {source}, cutoff=cutoff, weight=weight)


def dijkstra_path(
    G: CompiledGraph,  # noqa: N803
    source: Hashable,
    target: Hashable,
    weight: Any = "weight",
) -> list:
    """As `networkx.dijkstra_path`."""
    return single_source_dijkstra(G, source, target=target, weight=weight)[1]


def dijkstra_path_length(
    G: CompiledGraph,  # noqa: N803
    source: Hashable,
    target: Hashable,
    weight: Any = "weight",
) -> float:
    """As `networkx.dijkstra_path_length`."""
    import networkx as nx

    if _is_left_to_networkx(G, weight):
        return _plain("dijkstra_path_length", G, source, target, weight)
    if source not in G:
        raise nx.NodeNotFound(f"Node {source} not found in graph")
    if source == target:
        return 0
    found = _Found.run(G, G.rows(weight), [source], target=target)
    if target not in G or found.last() != G.index[target]:
        raise nx.NetworkXNoPath(f"Node {target} not reachable from {source}")
    return found.values[-1]


def bidirectional_dijkstra(
    G: CompiledGraph,  # noqa: N803
    source: Hashable,
    target: Hashable,
    weight: Any = "weight",
) -> tuple:
    """As `networkx.bidirectional_dijkstra`."""
    import networkx as nx
    import numpy as np

    if _is_left_to_networkx(G, weight):
        return _plain("bidirectional_dijkstra", G, source, target, weight)
    for name, node in (("Source", source), ("Target", target)):
        if node not in G:
            raise nx.NodeNotFound(f"{name} {node} is not in G")
    if source == target:
        return 0, [source]
    rows = G.rows(weight), G.rows(weight, reverse=True)
    dist, before = np.empty((2, len(G))), np.empty((2, len(G)), np.int32)
    middle, best = _exact().meet(
        tuple(row.pointer for row in rows), tuple(row.heads for row in rows),
        tuple(row.weights for row in rows), G.index[source], G.index[target], dist, before,
    )  # fmt: skip
    if middle < 0:
        raise nx.NetworkXNoPath(f"No path between {source} and {target}.")
    length = int(best) if rows[0].whole else best
    return length, _way(G, before[0], middle)[::-1] + _way(G, before[1], int(before[1, middle]))


def _all_pairs(
    graph: CompiledGraph, cutoff: float | None, weight: str, what: Callable[[_Found], Any]
) -> Iterator[tuple[Hashable, Any]]:
    """Yield each node with what was found from it; searches run ahead over all cores."""
    from spatialplan.engine import cores

    rows, ahead = graph.rows(weight), 4 * cores()

    def search(node: Hashable) -> _Found:
        return _Found.run(graph, rows, [node], cutoff)

    with ThreadPoolExecutor(cores()) as pool:
        for first in range(0, len(graph), ahead):
            nodes = graph.nodes_in_order[first : first + ahead]
            for node, found in zip(nodes, pool.map(search, nodes), strict=True):
                yield node, what(found)


def all_pairs_dijkstra(
    G: CompiledGraph,  # noqa: N803
    cutoff: float | None = None,
    weight: Any = "weight",
) -> Iterator:
    """As `networkx.all_pairs_dijkstra`."""
    if _is_left_to_networkx(G, weight, cutoff):
        return _plain("all_pairs_dijkstra", G, cutoff, weight)
    return _all_pairs(G, cutoff, weight, lambda found: (found.lengths(), found.paths()))


def all_pairs_dijkstra_path(
    G: CompiledGraph,  # noqa: N803
    cutoff: float | None = None,
    weight: Any = "weight",
) -> Iterator:
    """As `networkx.all_pairs_dijkstra_path`."""
    if _is_left_to_networkx(G, weight, cutoff):
        return _plain("all_pairs_dijkstra_path", G, cutoff, weight)
    return _all_pairs(G, cutoff, weight, _Found.paths)


def all_pairs_dijkstra_path_length(
    G: CompiledGraph,  # noqa: N803
    cutoff: float | None = None,
    weight: Any = "weight",
) -> Iterator:
    """As `networkx.all_pairs_dijkstra_path_length`."""
    if _is_left_to_networkx(G, weight, cutoff):
        return _plain("all_pairs_dijkstra_path_length", G, cutoff, weight)
    return _all_pairs(G, cutoff, weight, _Found.lengths)


def shortest_path(
    G: CompiledGraph,  # noqa: N803
    source: Hashable | None = None,
    target: Hashable | None = None,
    weight: Any = None,
    method: str = "dijkstra",
) -> Any:
    """As `networkx.shortest_path`."""
    if method != "dijkstra" or _is_left_to_networkx(G, weight):
        return _plain("shortest_path", G, source, target, weight, method)
    if source is None and target is None:
        return all_pairs_dijkstra_path(G, weight=weight)
    if source is None:
        _check_sources(G, {target})
        found = _Found.run(G, G.rows(weight, reverse=True), [target])
        return {node: way[::-1] for node, way in found.paths().items()}
    if target is None:
        return single_source_dijkstra_path(G, source, weight=weight)
    return bidirectional_dijkstra(G, source, target, weight)[1]


def shortest_path_length(
    G: CompiledGraph,  # noqa: N803
    source: Hashable | None = None,
    target: Hashable | None = None,
    weight: Any = None,
    method: str = "dijkstra",
) -> Any:
    """As `networkx.shortest_path_length`."""
    if method != "dijkstra" or _is_left_to_networkx(G, weight):
        return _plain("shortest_path_length", G, source, target, weight, method)
    if source is None and target is None:
        return all_pairs_dijkstra_path_length(G, weight=weight)
    if source is None:
        _check_sources(G, {target})
        return _Found.run(G, G.rows(weight, reverse=True), [target]).lengths()
    if target is None:
        return single_source_dijkstra_path_length(G, source, weight=weight)
    return dijkstra_path_length(G, source, target, weight)


def closeness_centrality(
    G: CompiledGraph,  # noqa: N803
    u: Hashable | None = None,
    distance: Any = None,
    wf_improved: bool = True,
) -> Any:
    """As `networkx.closeness_centrality`."""
    from spatialplan.engine import cores

    if _is_left_to_networkx(G, distance) or (u is not None and u not in G):
        return _plain("closeness_centrality", G, u, distance, wf_improved)
    rows = G.rows(distance, reverse=True)

    def closeness(node: Hashable) -> float:
        values = _Found.run(G, rows, [node]).values
        total = sum(values)  # networkx's sum, in its order
        if total <= 0.0 or len(G) <= 1:
            return 0.0
        found = (len(values) - 1.0) / total
        return found * ((len(values) - 1.0) / (len(G) - 1)) if wf_improved else found

    if u is not None:
        return closeness(u)
    with ThreadPoolExecutor(cores()) as pool:
        return dict(zip(G.nodes_in_order, pool.map(closeness, G.nodes_in_order), strict=True))


def betweenness_centrality(
    G: CompiledGraph,  # noqa: N803
    k: int | None = None,
    normalized: bool = True,
    weight: Any = None,
    endpoints: bool = False,
    seed: Any = None,
) -> dict:
    """As `networkx.betweenness_centrality`."""
    import numpy as np

    try:
        from networkx.algorithms.centrality.betweenness import _rescale
    except ImportError:  # another networkx, whose scaling is not known here
        _rescale = None
    if _rescale is None or _is_left_to_networkx(G, weight):
        return _plain("betweenness_centrality", G, k, normalized, weight, endpoints, seed)
    from spatialplan.engine import cores

    k = None if k == len(G) else k
    nodes = G.nodes_in_order if k is None else seed.sample(list(G.nodes_in_order), k)
    rows = G.rows(weight)
    places = np.zeros(len(G) + 1, np.int64)
    np.cumsum(np.bincount(rows.heads, minlength=len(G)), out=places[1:])

    def search(node: Hashable) -> tuple[int, np.ndarray, np.ndarray]:
        delta, order = np.empty(len(G)), np.empty(len(G), np.int32)
        source = G.index[node]
        count = _exact().dependencies(
            rows.pointer, rows.heads, rows.weights, places, source, delta, order
        )
        return source, delta, order[:count]

    total, ahead = np.zeros(len(G)), 4 * cores()
    with ThreadPoolExecutor(cores()) as pool:
        for first in range(0, len(nodes), ahead):
            # Added in the order of the nodes, as networkx does: floats do not commute.
            for source, delta, order in pool.map(search, nodes[first : first + ahead]):
                others = order[order != source]
                if endpoints:
                    total[source] += len(order) - 1
                total[others] += delta[others] + 1 if endpoints else delta[others]
    return _rescale(
        dict(zip(G.nodes_in_order, total.tolist(), strict=True)),
        len(G),
        normalized=normalized,
        directed=G.source.is_directed(),
        endpoints=endpoints,
        sampled_nodes=None if k is None else nodes,
    )
