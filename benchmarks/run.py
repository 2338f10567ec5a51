"""Measure the program: start-up, one circle, travel times against plain networkx, scenarios.

    python benchmarks/run.py [--repeat 7] [--report]

Prints a table and writes ``benchmarks/results.md``. Every figure is the median of several runs;
what is compared is measured on the same graph in the same run.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import networkx as nx
import numpy as np

from spatialplan import assessment, circles, edits, places, plan, scenario, targets, travel

SCENARIO, PLAN, ORIGIN = "linxia-open-2024", "linxia-2021", "临夏市"
PACKAGES = ("numpy", "scipy", "networkx", "shapely", "geopandas", "pandas")


@dataclass(frozen=True)
class Line:
    """One measured thing: seconds (median, fastest, slowest), and what is wanted of it."""

    what: str
    seconds: list[float]
    wanted: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def cells(self) -> list[str]:
        spread = f"{_time(min(self.seconds))} – {_time(max(self.seconds))}"
        return [self.what, _time(self.median), spread, self.wanted, self.note]


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def timed(work: Callable[[], object], repeat: int) -> list[float]:
    """Return the seconds of each run, after one run that does not count."""
    work()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def program(*words: str) -> Callable[[], object]:
    """Return a run of Python in a process of its own, which must end well."""

    def run() -> None:
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)

    return run


def start_up(repeat: int) -> Iterator[Line]:
    bare = Line("Python itself, cold", timed(program("-c", "pass"), repeat))
    yield bare
    yield Line("import spatialplan, cold", timed(program("-c", "import spatialplan"), repeat))
    check = program("-m", "spatialplan", "check", "--plan", PLAN)
    yield Line(f"`check --plan {PLAN}`, cold", timed(check, repeat), "< 3 s")


def report(_: int) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        program("-m", "spatialplan", "report", "--out", folder)()
        yield Line("`report`, everything, cold (one run)", [time.perf_counter() - start], "< 60 s")


def in_process(repeat: int) -> Iterator[Line]:
    now = assessment.situation(SCENARIO)
    case = now.case(PLAN)
    graph, origin = case.graph, [places.builtin().find(ORIGIN)]
    yield Line(
        "compile the network",
        timed(lambda: travel.compile_graph(now.network, now.profile), repeat),
        note=f"{len(now.network.nodes)} nodes, {len(now.network.links)} links",
    )
    area = timed(lambda: circles.circles(graph, origin, (60,)), repeat)
    yield Line("one 60-minute circle", area, "< 0.2 s", f"from {ORIGIN}")
    yield from against_networkx(graph, repeat)
    yield from scenarios(now, case, repeat)


def against_networkx(graph: travel.Graph, repeat: int) -> Iterator[Line]:
    """Compare with networkx's own Dijkstra on the same graph, first checking that both agree."""
    whole = graph.network.to_networkx(graph.profile)
    # The engine's road graph has no railways; neither may networkx's have.
    roads = whole.subgraph([vertex for vertex in whole if not vertex.endswith("@rail")]).copy()
    start = places.builtin().find(ORIGIN)
    found = travel.reach(graph, [start], np.inf)
    other = nx.single_source_dijkstra_path_length(roads, start.key, weight="minutes")
    reached = {graph.network.nodes.index[node]: minutes for node, minutes, level in zip(
        graph.arcs.vertex_node, found, graph.arcs.vertex_level, strict=True
    ) if level == 0 and np.isfinite(minutes)}  # fmt: skip
    plain = {vertex: minutes for vertex, minutes in other.items() if "@" not in vertex}
    assert reached.keys() == plain.keys()
    assert max(abs(reached[vertex] - plain[vertex]) for vertex in plain) < 1e-6
    ours = timed(lambda: travel.reach(graph, [start], np.inf), repeat)
    theirs = timed(
        lambda: nx.single_source_dijkstra_path_length(roads, start.key, weight="minutes"), repeat
    )
    yield from compared(f"one to all ({len(plain)} nodes)", ours, theirs)
    seats = [place for place in map(places.builtin().__getitem__, places.builtin().seats())
             if place.key in roads]  # fmt: skip
    names = [place.key for place in seats]

    def all_pairs() -> list[dict]:
        rows = (nx.single_source_dijkstra_path_length(roads, a, weight="minutes") for a in names)
        return [{b: row.get(b, np.inf) for b in names} for row in rows]

    table = travel.travel_times(graph, seats, seats).fillna({"minutes": np.inf})
    grid = np.array([[row[b] for b in names] for row in all_pairs()])
    assert np.allclose(table["minutes"].to_numpy().reshape(grid.shape), grid, atol=1e-6)
    few = max(3, repeat // 2)
    theirs = timed(all_pairs, few)
    matrix = timed(lambda: [travel.reach(graph, [seat], np.inf) for seat in seats], few)
    yield from compared(f"all pairs of {len(seats)} seats, minutes", matrix, theirs)
    whole_table = timed(lambda: travel.travel_times(graph, seats, seats), few)
    yield Line(
        f"all pairs of {len(seats)} seats, with the km and legs of each route",
        whole_table,
        note=f"{statistics.median(theirs) / statistics.median(whole_table):.1f} × networkx, "
        "which gives minutes only",
    )


def compared(what: str, ours: list[float], theirs: list[float]) -> Iterator[Line]:
    ratio = statistics.median(theirs) / statistics.median(ours)
    yield Line(f"{what}: spatialplan", ours, note=f"{ratio:.0f} × faster than networkx")
    yield Line(f"{what}: plain networkx", theirs)


def scenarios(now: assessment.Situation, case: targets.Case, repeat: int) -> Iterator[Line]:
    document = plan.builtin(PLAN)
    timing = [t for t in document.targets if t.metric in ("travel_time", "all_pairs_time")]
    entry = {
        "action": "modify",
        "where": {"ref": "G310", "class": "class2"},
        "set": {"design_speed_kmh": 80},
    }
    change = edits.parse([entry], "benchmark")

    def evaluate() -> None:
        network = scenario.network_of(now.scenario, change)
        fresh = targets.Case(document, network, now.profile, every_link=case.every_link)
        targets.evaluate(timing, fresh)

    seconds = timed(evaluate, repeat)
    yield Line(
        f"edit, compile and judge {len(timing)} time targets",
        seconds,
        note=f"{1 / statistics.median(seconds):.1f} a second",
    )
    seconds = timed(lambda: targets.evaluate(document.targets, case), repeat)
    yield Line(
        f"judge all {len(document.targets)} targets, network compiled",
        seconds,
        note=f"{1 / statistics.median(seconds):.1f} a second",
    )


def processor() -> str:
    """Return the name of the processor and how many of them this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8").splitlines()
        name = next((ln.split(":", 1)[1].strip() for ln in lines if "model name" in ln), name)
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {count} cores"


def load() -> str:
    if not hasattr(os, "getloadavg"):
        return "not known"
    return f"{os.getloadavg()[0]:.1f} before the run"


def text(lines: list[Line], about: dict[str, str]) -> str:
    heading = ["what", "median", "fastest – slowest", "wanted", "note"]
    rows = [heading, ["---"] * len(heading), *(line.cells for line in lines)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    facts = "\n".join(f"* {name}: {value}" for name, value in about.items())
    return (
        "# 性能 · Benchmarks\n\n"
        "由 `benchmarks/run.py` 写出,请勿手改。各数为多次运行的中位数;“cold” 指新开的进程。\n"
        "Written by `benchmarks/run.py`, not by hand. Medians of several runs; cold: a new process."
        f"\n\n{facts}\n\n{table}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7, help="runs of each (default 7)")
    parser.add_argument("--report", action="store_true", help="time the whole report as well")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"))
    options = parser.parse_args()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    about = {
        "date": datetime.now().astimezone().date().isoformat(),
        "machine": processor(),
        "load": load(),
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "packages": versions,
        "network": f"{SCENARIO}; {options.repeat} runs of each, half for all pairs",
    }
    lines = []
    for part in (start_up, in_process, *([report] if options.report else [])):
        for line in part(options.repeat):
            print("  ".join(line.cells), flush=True)
            lines.append(line)
    options.out.write_text(text(lines, about), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
