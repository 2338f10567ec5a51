"""The networkx backend gives what networkx gives: values, ways, order of results, errors."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from spatialplan import backend, engine
from spatialplan import network as networks
from spatialplan.backend import CompiledGraph
from spatialplan.standards import read_profile

ROOT = Path(__file__).resolve().parents[1]
KINDS = [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]


def random_graph(kind: type, seed: int, weights: str = "float") -> Any:
    """Names of all sorts as nodes, loops, parallel edges, missing weights, ties, islands."""
    chance = np.random.default_rng(seed)
    names = [f"n{i}" if i % 3 else (i, "pair") if i % 2 else i for i in range(40)]
    chance.shuffle(order := list(range(40)))
    graph = kind()
    graph.add_nodes_from(names[i] for i in order)
    for u, v in chance.integers(0, 40, (100, 2)).tolist():
        value = {
            "float": float(chance.choice([0.1, 0.2, 0.3, 0.7, 1.1])),
            "int": int(chance.integers(0, 4)),
            "mixed": [1, 0.5, 2][int(chance.integers(3))],
        }[weights]
        if chance.random() < 0.1:
            graph.add_edge(names[u], names[v])
        else:
            graph.add_edge(names[u], names[v], minutes=value)
    return graph


def outcome(function: Any, *args: Any, **kwargs: Any) -> Any:
    """The result, iterators spelled out and dictionaries with their order; or the error."""
    try:
        return spelled(function(*args, **kwargs))
    except (nx.NetworkXException, ValueError, KeyError) as error:
        return type(error), str(error)


def spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, spelled(item)) for key, item in value.items()]
    if isinstance(value, tuple) and not (len(value) == 2 and value[1] == "pair"):
        return tuple(map(spelled, value))
    if isinstance(value, Iterator):
        return [spelled(item) for item in value]
    return value


CALLS = [
    ("dijkstra_path", ("n1", "n20"), {}),
    ("dijkstra_path_length", ("n1", "n20"), {}),
    ("dijkstra_path_length", ("n1", "n1"), {}),
    ("bidirectional_dijkstra", ("n1", "n20"), {}),
    ("bidirectional_dijkstra", ("n1", "n1"), {}),
    ("single_source_dijkstra", ("n1",), {}),
    ("single_source_dijkstra", ("n1",), {"target": 0}),
    ("single_source_dijkstra", ("n1",), {"target": 0, "cutoff": 0.9}),
    ("single_source_dijkstra_path", ("n1",), {"cutoff": 1.3}),
    ("single_source_dijkstra_path_length", ("n1",), {"cutoff": 1}),
    ("single_source_dijkstra_path_length", ("n1",), {}),
    ("multi_source_dijkstra", (["n1", "n20", "n1"],), {}),
    ("multi_source_dijkstra", (["n1", "n20"],), {"target": "n20"}),
    ("multi_source_dijkstra_path", (["n1", (9, "pair")],), {}),
    ("multi_source_dijkstra_path_length", (["n1", (9, "pair")],), {"cutoff": 2}),
    ("multi_source_dijkstra_path_length", ([],), {}),
    ("all_pairs_dijkstra", (), {"cutoff": 1}),
    ("all_pairs_dijkstra_path", (), {}),
    ("all_pairs_dijkstra_path_length", (), {}),
    ("shortest_path", ("n1", "n20"), {}),
    ("shortest_path", ("n1",), {}),
    ("shortest_path", (None, "n20"), {}),
    ("shortest_path", (), {}),
    ("shortest_path", ("n1", "n20"), {"method": "bellman-ford"}),
    ("shortest_path", ("n1", "n20"), {"method": "nonsense"}),
    ("shortest_path_length", ("n1", "n20"), {}),
    ("shortest_path_length", ("n1",), {}),
    ("shortest_path_length", (None, "n20"), {}),
    ("shortest_path_length", (), {}),
    ("dijkstra_path", ("n1", "nowhere"), {}),
    ("dijkstra_path", ("nowhere", "n1"), {}),
    ("bidirectional_dijkstra", ("n1", "nowhere"), {}),
    ("dijkstra_path_length", ("nowhere", "n1"), {}),
    ("shortest_path_length", (None, "nowhere"), {}),
    ("closeness_centrality", (), {}),
    ("closeness_centrality", (), {"wf_improved": False}),
    ("closeness_centrality", ("n1",), {}),
    ("betweenness_centrality", (), {}),
    ("betweenness_centrality", (), {"endpoints": True, "normalized": False}),
    ("betweenness_centrality", (), {"k": 7, "seed": 3}),
]


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    assert engine._kernels() is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "args", "kwargs"), CALLS)
def test_equal_to_networkx(kind: type, name: str, args: tuple, kwargs: dict) -> None:
    for seed, weights in enumerate(("float", "int", "mixed", "float")):
        graph = random_graph(kind, seed, weights)
        weight = {backend.FUNCTIONS[name]: "minutes"}
        expected = outcome(getattr(nx, name), graph, *args, **kwargs, **weight)
        given = kwargs | weight
        if "seed" in given:
            given["seed"] = random.Random(given["seed"])
        found = outcome(getattr(backend, name), CompiledGraph(graph), *args, **given)
        assert found == expected


def types_of(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [types_of(item) for item in value]
    return type(value)


def test_whole_weights_give_whole_lengths() -> None:
    for weights in ("int", "float"):
        graph = random_graph(nx.Graph, 1, weights)
        if weights == "float":
            nx.set_edge_attributes(graph, 0.7, "minutes")
        for name, args in (("single_source_dijkstra", ("n1",)), ("dijkstra_path_length", ("n1", 0)),
                           ("bidirectional_dijkstra", ("n1", 0))):  # fmt: skip
            expected = spelled(getattr(nx, name)(graph, *args, weight="minutes"))
            found = spelled(getattr(backend, name)(CompiledGraph(graph), *args, weight="minutes"))
            assert types_of(found) == types_of(expected)


def test_large_grid_with_many_equal_ways() -> None:
    graph = nx.grid_2d_graph(40, 40, create_using=nx.DiGraph)
    nx.set_edge_attributes(graph, 0.1, "minutes")
    nx.set_edge_attributes(graph, dict.fromkeys(list(graph.edges)[::7], 0.3), "minutes")
    found = backend.single_source_dijkstra(CompiledGraph(graph), (3, 3), weight="minutes")
    assert spelled(found) == spelled(nx.single_source_dijkstra(graph, (3, 3), weight="minutes"))
    found = backend.shortest_path(CompiledGraph(graph), (0, 0), (39, 37), "minutes")
    assert found == nx.shortest_path(graph, (0, 0), (39, 37), "minutes")


@pytest.mark.parametrize(
    "value", [-1.0, float("nan"), True, None, 2**60, "3", np.float32(0.1), complex(1, 0)]
)
def test_odd_weights_are_left_to_networkx(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = nx.path_graph(4)
    nx.set_edge_attributes(graph, {(0, 1): 5, (1, 2): value, (2, 3): 7}, "minutes")
    left = []
    plain = backend._plain
    monkeypatch.setattr(backend, "_plain", lambda *a, **k: (left.append(1), plain(*a, **k))[1])
    args = (0,), {"weight": "minutes"}
    found = caught(backend.single_source_dijkstra_path_length, CompiledGraph(graph), *args)
    assert left
    assert found == caught(nx.single_source_dijkstra_path_length, graph, *args)


def caught(function: Any, graph: Any, args: tuple, kwargs: dict) -> str:
    try:
        return repr(function(graph, *args, **kwargs))
    except (TypeError, ValueError) as error:
        return repr(error)


@pytest.mark.parametrize("weight", [None, lambda *_: 2.0])
def test_unsupported_weights_are_left_to_networkx(weight: Any) -> None:
    graph = random_graph(nx.DiGraph, 1)
    assert backend.can_run("shortest_path", (graph,), {"weight": weight}) is not True
    found = outcome(backend.shortest_path, CompiledGraph(graph), "n1", weight=weight)
    assert found == outcome(nx.shortest_path, graph, "n1", weight=weight)


def test_without_numba_networkx_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_kernels", lambda: None)
    graph = random_graph(nx.DiGraph, 1)
    found = backend.single_source_dijkstra(CompiledGraph(graph), "n1", weight="minutes")
    assert found == nx.single_source_dijkstra(graph, "n1", weight="minutes")


def test_small_graphs_are_not_worth_it() -> None:
    assert backend.should_run("dijkstra_path", (nx.path_graph(1_999), 0, 1), {}) is not True
    assert backend.should_run("dijkstra_path", (nx.path_graph(2_000), 0, 1), {}) is True
    assert backend.should_run("closeness_centrality", (), {"G": nx.path_graph(200)}) is True


def test_builtin_network() -> None:
    graph = networks.builtin().at("2024-12").to_networkx(read_profile("operating"))
    source = next(iter(graph))
    compiled = CompiledGraph(graph)
    for name in ("single_source_dijkstra", "shortest_path"):
        found = getattr(backend, name)(compiled, source, weight="minutes")
        assert spelled(found) == spelled(getattr(nx, name)(graph, source, weight="minutes"))
    found = backend.betweenness_centrality(compiled, weight="minutes")
    assert spelled(found) == spelled(nx.betweenness_centrality(graph, weight="minutes"))


# Through networkx's own calls, in a process of its own: backends are found when networkx is
# imported.


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which spatialplan counts as installed, with what pyproject declares."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = tmp_path_factory.mktemp("installed")
    info = folder / "spatialplan_declared-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: spatialplan-declared\nVersion: 0.1\n"
    )
    lines = []
    for group, entries in declared["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    from importlib.metadata import entry_points

    installed = entry_points(group="networkx.backends", name="spatialplan")
    paths = [str(ROOT / "src"), *([] if installed else [str(folder)])]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NETWORKX_")}
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def run(environment: dict[str, str], code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, text=True,
        capture_output=True, timeout=300, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


SETTING = """
import logging, sys
import networkx as nx
assert "numba" not in sys.modules and "numpy" not in sys.modules, "import networkx got slow"
from spatialplan import backend
graph = nx.grid_2d_graph(50, 50)
minutes = {edge: 0.1 * (i % 7) for i, edge in enumerate(graph.edges)}
nx.set_edge_attributes(graph, minutes, "minutes")
plain = nx.single_source_dijkstra_path_length(graph, (0, 0), weight="minutes")
calls = []
run = backend._Found.run.__func__
backend._Found.run = classmethod(lambda *args, **kw: (calls.append(1), run(*args, **kw))[1])
"""


def test_networkx_finds_the_backend(environment: dict[str, str]) -> None:
    found = run(
        environment,
        SETTING
        + """
search = nx.single_source_dijkstra_path_length
found = search(graph, (0, 0), weight="minutes", backend="spatialplan")
assert list(found.items()) == list(plain.items()) and len(calls) == 1
assert nx.utils.backends.backend_info["spatialplan"]["project"] == "spatialplan"
assert "spatialplan" in nx.shortest_path.backends
try:
    nx.shortest_path(graph, (0, 0), (9, 9), weight=lambda u, v, d: 1, backend="spatialplan")
except NotImplementedError:
    print("refused")
""",
    )
    assert found == "refused\n"


def test_networkx_dispatches_by_itself(environment: dict[str, str]) -> None:
    found = run(
        environment,
        SETTING
        + """
nx.config.backend_priority.algos = ["spatialplan"]
nx.config.warnings_to_ignore.add("cache")
assert nx.single_source_dijkstra_path_length(graph, (0, 0), weight="minutes") == plain
assert len(calls) == 1
assert nx.single_source_dijkstra_path_length(graph, (0, 0), weight="minutes") == plain
assert len(calls) == 2
graph.add_edge((0, 0), (49, 49), minutes=0.01)  # networkx forgets the compiled graph
assert nx.single_source_dijkstra_path_length(graph, (0, 0), weight="minutes")[49, 49] == 0.01
assert len(calls) == 3
small = nx.path_graph(10)
nx.single_source_dijkstra_path_length(small, 0)
nx.shortest_path(graph, (0, 0), (5, 5))
nx.shortest_path(graph, (0, 0), (5, 5), weight=lambda u, v, d: 1)
assert len(calls) == 3
central = nx.closeness_centrality(nx.subgraph(graph, list(graph)[:300]), distance="minutes")
assert len(calls) == 303
nx.config.backend_priority.algos = []
assert central == nx.closeness_centrality(
    nx.subgraph(graph, list(graph)[:300]), distance="minutes", backend="networkx")
print("same")
""",
    )
    assert found == "same\n"


@pytest.mark.slow
def test_networkx_own_tests_pass_with_the_backend_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """networkx converts every graph of its own tests and calls the backend's functions."""
    packages = ["shortest_paths", "centrality.tests.test_betweenness_centrality",
                "centrality.tests.test_closeness_centrality"]  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore",
               "-c", os.devnull, f"--rootdir={tmp_path}", "--pyargs",
               *(f"networkx.algorithms.{name}" for name in packages)]  # fmt: skip
    switched = environment | {
        "NETWORKX_TEST_BACKEND": "spatialplan",
        "NETWORKX_FALLBACK_TO_NX": "1",
    }
    done = subprocess.run(
        command, env=switched, text=True, capture_output=True, timeout=580, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    summary = done.stdout.strip().splitlines()[-1]
    assert " passed" in summary
    assert "failed" not in summary
    assert int(summary.split(" passed")[0].split()[-1]) > 200
