"""Measure the engine against its peers on a synthetic province; write engine.md beside this file.

    python benchmarks/engine.py            the whole table: some minutes, about 3 GB
    python benchmarks/engine.py --small    a tenth of the size, to see that it works

Peers that are not installed are left out: pip install "spatialplan[bench]". Every peer gets
the same arcs in the same run, and its turns alternate with the engine's, so that a busy moment
hits all alike; works shorter than a turn are repeated in it. Figures are medians of seconds on
the clock. The load of the machine is noted,
since only ratios within one run mean anything on a busy machine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

import networkx as nx
import numba
import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from spatialplan import backend, engine, kernels
from spatialplan.engine import Change
from spatialplan.province import EXPRESSWAY, Province, province

SEED = 1
LIMIT = 60.0  # minutes
TURN = 0.02  # seconds that a turn lasts at least
PEERS = ("networkx", "scipy", "igraph", "rustworkx", "networkit", "pandana", "numba", "numpy")
SLOPE = 1.05  # of time over n log n, both in logarithms, that still counts as n log n


@dataclass(frozen=True)
class Goal:
    """A figure to reach: what, how much is wanted, and what was found."""

    what: str
    wanted: float
    found: float
    unit: str = "×"
    at_least: bool = True

    @property
    def reached(self) -> bool:
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted

    @property
    def row(self) -> str:
        sign = "≥" if self.at_least else "≤"
        verdict = "reached" if self.reached else "**not reached**"
        found, wanted = (f"{value:.3g} {self.unit}".rstrip() for value in (self.found, self.wanted))
        return f"| {self.what} | {sign} {wanted} | {found} | {verdict} |"


Part = tuple[str, list[Goal]]  # text of a section, and its goals


def peer(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed and is left out")
        return None


def medians(
    works: Mapping[str, Callable[[], object]], runs: int, fewer: Mapping[str, int] | None = None
) -> dict[str, float]:
    """Return median seconds on the clock of several works, run in turn; `fewer`: of the slow."""
    spans: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(runs):
        for name, work in works.items():
            if turn < (fewer or {}).get(name, runs):
                spans[name].append(turn_of(work))
    return {name: statistics.median(found) for name, found in spans.items()}


def turn_of(work: Callable[[], object]) -> float:
    """Return the seconds of one run in a turn: short works run on for a while, as in timeit."""
    start, count = time.perf_counter(), 0
    while not count or time.perf_counter() - start < TURN:
        work()
        count += 1
    return (time.perf_counter() - start) / count


def clock(work: Callable[[], object]) -> float:
    """Return the seconds on the clock of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processor(work: Callable[[], object]) -> float:
    """Return seconds of processor time of one run, all threads together."""
    start = time.process_time()
    work()
    return time.process_time() - start


class Case:
    """One province, compiled for the engine and for scipy."""

    def __init__(self, nodes: int) -> None:
        self.province: Province = province(nodes, seed=SEED)
        self.tail, self.head, self.minutes = self.province.arcs
        self.size = self.province.size
        start = time.perf_counter()
        self.graph = self.compiled()
        self.compile_seconds = time.perf_counter() - start
        # scipy gets the good order of vertices, too: it is half of the speed.
        rank = self.graph.rank
        order = np.lexsort((rank[self.head], rank[self.tail]))
        self.matrix = csr_array(
            (self.minutes[order], rank[self.head][order], self.graph.pointer),
            shape=(self.size, self.size),
        )
        self.seats = self.province.seats(30).tolist()

    def compiled(self) -> engine.Compiled:
        return engine.compile_arcs(
            self.tail, self.head, self.minutes, self.size, lonlat=self.province.lonlat
        )

    def networkx(self) -> nx.DiGraph:
        graph = nx.DiGraph()
        rows = zip(self.tail.tolist(), self.head.tolist(), self.minutes.tolist(), strict=True)
        for tail, head, minutes in rows:
            # Of parallel arcs the fastest, as everywhere else.
            if not graph.has_edge(tail, head) or graph[tail][head]["minutes"] > minutes:
                graph.add_edge(tail, head, minutes=minutes)
        return graph


def one_to_all(case: Case, runs: int) -> Part:
    """One origin to all, with and without a limit, against networkx, scipy and the floor."""
    seat, place = case.seats[7], int(case.graph.rank[case.seats[7]])
    level, queue = np.empty(case.size, np.int32), np.empty(case.size, np.int32)
    graph = case.networkx()
    search = nx.single_source_dijkstra_path_length
    pointer, arcs = case.graph.pointer, case.graph.arcs
    kernels.breadth_first(pointer, arcs, place, level, queue)
    found = engine.minutes_from(case.graph, seat)
    right = dijkstra(case.matrix, indices=place)[case.graph.rank]
    worst = float(np.abs(found - right).max() * 60e3)
    assert worst < 1000, "differs by more than a second"
    whole = medians(
        {
            "engine": lambda: engine.minutes_from(case.graph, seat),
            "breadth-first": lambda: kernels.breadth_first(pointer, arcs, place, level, queue),
            "scipy": lambda: dijkstra(case.matrix, indices=place),
            "networkx": lambda: search(graph, seat, weight="minutes"),
        },
        3 * runs,
        {"networkx": min(runs, 3), "scipy": runs},
    )
    vertices, _ = engine.reached(case.graph, seat, LIMIT)
    limited = medians(
        {
            "engine": lambda: engine.reached(case.graph, seat, LIMIT),
            "breadth-first": part_floor(case, vertices, place),
            "scipy": lambda: dijkstra(case.matrix, indices=place, limit=LIMIT),
            "networkx": lambda: search(graph, seat, cutoff=LIMIT, weight="minutes"),
        },
        20 * runs,
        {"networkx": runs},
    )
    compiled = backend.convert_from_nx(graph)
    theirs = backend.single_source_dijkstra_path_length
    first = clock(lambda: theirs(compiled, seat, weight="minutes"))
    through = medians({"engine": lambda: theirs(compiled, seat, weight="minutes")}, runs)
    through["networkx"] = whole["networkx"]
    texts = [
        table("One to all", whole, f"Largest error of rounding {worst:.1f} ms."),
        table(f"One to all within {LIMIT:.0f} min", limited, f"{len(vertices):,} reached."),
        table(
            "One to all through networkx's backend",
            through,
            f"A dictionary as from networkx; the first call, compiling: {first:.1f} s.",
        ),
    ]
    goals = []
    for name, spans in (("One to all", whole), (f"… within {LIMIT:.0f} min", limited)):
        ours = spans["engine"]
        goals += [
            Goal(f"{name}: faster than networkx", 60, spans["networkx"] / ours),
            Goal(f"{name}: faster than scipy", 2.5, spans["scipy"] / ours),
            Goal(f"{name}: of breadth-first", 3, ours / spans["breadth-first"], at_least=False),
        ]
    return "\n\n".join(texts), goals


@numba.njit
def breadth_first_of(pointer, arcs, source, most, level, queue):
    """Take the nearest `most` vertices by number of arcs; leave `level` as it was."""
    one, first, last = np.uint64(1), np.uint64(0), np.uint64(1)
    level[source] = 0
    queue[0] = source
    while first < last < most:
        node = np.uint64(queue[first])
        first += one
        arc, end = np.uint64(pointer[node]), np.uint64(pointer[node + one])
        while arc < end:
            head = np.uint64(arcs[arc, 0])
            arc += one
            if level[head] == kernels.UNREACHED:
                level[head] = level[node] + 1
                queue[last] = head
                last += one
    for i in range(last):
        level[queue[i]] = kernels.UNREACHED
    return last


def part_floor(case: Case, vertices: np.ndarray, place: int) -> Callable[[], object]:
    """A breadth-first search over the same graph, as far as the limit reaches."""
    level = np.full(case.size, kernels.UNREACHED, np.int32)
    queue = np.empty(case.size, np.int32)
    pointer, arcs, most = case.graph.pointer, case.graph.arcs, len(vertices)
    breadth_first_of(pointer, arcs, place, most, level, queue)
    return lambda: breadth_first_of(pointer, arcs, place, most, level, queue)


def many_to_all(case: Case, runs: int) -> Part:
    """30 origins to all, on all cores, against peers of whom some use all cores, too."""
    units = np.zeros((30, case.size), np.int32)
    graph = case.compiled()
    core = clock(lambda: graph._core)
    places = graph.rank[case.seats].tolist()
    works: dict[str, Callable[[], object]] = {
        "engine": lambda: engine.times(graph, case.seats, out=units),
        "scipy": lambda: [dijkstra(case.matrix, indices=place) for place in places],
    }
    works["engine"]()
    busy = {name: processor(work) for name, work in works.items()}
    tail, head = graph.rank[case.tail], graph.rank[case.head]
    if igraph := peer("igraph"):
        ig = igraph.Graph(case.size, np.column_stack([tail, head]), directed=True)
        weights = case.minutes.tolist()
        works["igraph"] = lambda: ig.distances(places[:3], weights=weights, algorithm="dijkstra")
    if rustworkx := peer("rustworkx"):
        rx = rustworkx.PyDiGraph()
        rx.add_nodes_from(range(case.size))
        edges = zip(tail.tolist(), head.tolist(), case.minutes.tolist(), strict=True)
        rx.add_edges_from(list(edges))
        lengths = rustworkx.dijkstra_shortest_path_lengths
        works["rustworkx"] = lambda: [lengths(rx, place, float) for place in places[:3]]
    if networkit := peer("networkit"):
        networkit.setNumberOfThreads(engine.cores())
        pairs = tail.astype(np.uint64), head.astype(np.uint64)
        nk = networkit.GraphFromCoo(
            (case.minutes, pairs), n=case.size, weighted=True, directed=True
        )
        works["networkit"] = lambda: networkit.distance.SPSP(nk, places).run()
        busy["networkit"] = processor(works["networkit"])
    spans = medians(works, runs, dict.fromkeys(set(works) - {"engine"}, 1))
    for name in {"igraph", "rustworkx"} & set(spans):
        spans[name] *= 10
    note = (
        "Igraph and rustworkx: three origins, times ten. Processor time: "
        + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in busy.items())
        + f". The core of the graph, {len(graph._core[0].nodes) / graph.size:.0%} of its vertices, "
        f"is found once for a graph, in {core:.1f} s, and not counted here; nor is what peers "
        "need to build theirs."
    )
    best = min(span for name, span in spans.items() if name != "engine")
    goal = Goal("30 origins to all: faster than the best peer", 4, best / spans["engine"])
    return table("30 origins to all", spans, note), [goal]


def small_matrix(nodes: int, runs: int) -> Part:
    """A matrix of 150 by 150, building included."""
    case = Case(nodes)
    seats = case.province.seats(150)

    def ours() -> np.ndarray:
        return engine.matrix(case.compiled(), seats.tolist(), seats)

    works: dict[str, Callable[[], object]] = {"engine": ours}
    ours()
    if pandana := peer("pandana"):
        import pandas as pd

        def theirs() -> np.ndarray:
            net = pandana.Network(
                pd.Series(case.province.lonlat[:, 0]), pd.Series(case.province.lonlat[:, 1]),
                pd.Series(case.tail), pd.Series(case.head),
                pd.DataFrame({"minutes": case.minutes}), twoway=False,
            )  # fmt: skip
            starts, ends = np.repeat(seats, 150), np.tile(seats, 150)
            return np.array(net.shortest_path_lengths(starts, ends)).reshape(150, 150)

        works["pandana"] = theirs
    spans = medians(works, runs, {"pandana": 1})
    goals = []
    if pandana:
        off = np.abs(theirs() - ours()).max() if nodes <= 20_000 else 0.0
        assert off < 0.1, f"pandana differs by {off} minutes"
        ratio = spans["pandana"] / spans["engine"]
        goals = [Goal("150 × 150 matrix: faster than pandana", 10, ratio)]
    title = "150 × 150 matrix, building included"
    return table(title, spans, f"{case.size:,} junctions."), goals


def edits_of(case: Case) -> list[tuple[str, Change]]:
    """Return closures and upgrades of roads of each class, and new roads, chosen by chance."""
    chance = np.random.default_rng(SEED)
    found = case.province
    second = len(found.tail) + np.cumsum(~found.oneway) - 1  # the arc back, of two-way links
    changes = []
    for rank, name in ((4, "class 1"), (3, "class 2"), (1, "class 4"), (EXPRESSWAY, "expressway")):
        for link in chance.choice(np.flatnonzero(found.rank == rank), 3, replace=False).tolist():
            arcs = [link] if found.oneway[link] else [link, int(second[link])]
            changes += [
                (f"close a link, {name}", Change(arcs, [np.inf] * len(arcs))),
                (f"upgrade a link, {name}", Change(arcs, case.minutes[arcs] * 0.6)),
            ]
    near = found.seats(2_000)
    for one in chance.choice(case.seats, 3, replace=False).tolist():
        apart = np.hypot(*(found.lonlat[near] - found.lonlat[one]).T)
        other = int(near[np.argsort(apart)[20]])
        minutes = float(engine.way(case.graph, one, other).minutes) * 0.6
        road = Change(tail=[one, other], head=[other, one], added=[minutes] * 2)
        changes.append(("build a road, 40 % faster", road))
    return changes


def edits(case: Case, runs: int) -> Part:
    """Times of 30 origins to all after one edit, against a fresh search."""
    fresh_units, units = (np.zeros((30, case.size), np.int32) for _ in range(2))
    before = engine.times(case.graph, case.seats)
    case.graph.back  # noqa: B018 - made once for a network, for reverse searches, too
    changes = edits_of(case)
    engine.rerun(before, changes[0][1], out=units)
    engine.rerun(before, changes[-1][1], out=units)
    rows, fresh = [], []
    for name, edit in changes:
        changed = engine.change(case.graph, edit)
        # Between the edits, so that both see the same load.
        fresh.append(clock(lambda: engine.times(changed, case.seats, out=fresh_units)))  # noqa: B023
        span = medians({"": lambda: engine.rerun(before, edit, out=units)}, runs)[""]  # noqa: B023
        assert np.array_equal(fresh_units, units), name
        rows.append((name, span, float((before.units != units).mean())))
    whole = statistics.median(fresh)
    middle = statistics.median(span for _, span, _ in rows)
    worst = max(rows, key=lambda row: row[1])
    note = (
        f"Fresh computation: {whole * 1e3:,.0f} ms, finding the core of the changed graph "
        "included. Equal to it in every unit, all edits tried. A repair costs what copying the "
        "times costs and, for each pair that changes, as much as a plain search for each pair; "
        "twice that where a road was closed, since what loses by it has to be found first."
    )
    lines = [
        "### After one edit, 30 origins to all",
        "",
        note,
        "",
        "| edit | pairs that change | ms | share of fresh |",
        "|---|---:|---:|---:|",
    ]
    for name, span, share in sorted(rows):
        cells = f"{share * 100:.2g} % | {span * 1e3:,.0f} | {span / whole * 100:.1f} %"
        lines.append(f"| {name} | {cells} |")
    lines.append(f"| **median of all** | | {middle * 1e3:,.0f} | {middle / whole * 100:.1f} % |")
    median_goal = Goal("After one edit, median: of fresh", 10, middle / whole * 100, "%", False)
    most = f"After one edit, worst ({worst[2]:.1%} of pairs change): of fresh"
    goals = [median_goal, Goal(most, 10, worst[1] / whole * 100, "%", False)]
    return "\n".join(lines), goals


def growth(largest: int, runs: int, picture: Path | None) -> Part:
    """Seconds of one search as the network grows, against n log n, and of the floor for any."""
    lines = [
        "### Growth",
        "",
        "| junctions | compile s | one to all ms | ns / (n log₂ n) | breadth-first ms |",
        "|---:|---:|---:|---:|---:|",
    ]
    steps = round(2 * np.log10(largest / 10_000)) + 1
    sizes, spans = [], {"engine": [], "breadth-first": []}
    for size in np.geomspace(10_000, largest, steps).round().astype(int).tolist():
        case = Case(size)
        place, works = int(case.graph.rank[case.seats[7]]), np.empty((2, case.size), np.int32)
        floor = case.graph.pointer, case.graph.arcs, place, *works
        found = medians(
            {
                "engine": lambda: engine.minutes_from(case.graph, case.seats[7]),  # noqa: B023
                "breadth-first": lambda: kernels.breadth_first(*floor),  # noqa: B023
            },
            5 * runs,
        )
        ours, least = found.values()
        each = ours * 1e9 / (case.size * np.log2(case.size))
        lines.append(
            f"| {case.size:,} | {case.compile_seconds:.2f} | {ours * 1e3:.1f} | {each:.2f} "
            f"| {least * 1e3:.1f} |"
        )
        sizes.append(case.size)
        for name, span in found.items():
            spans[name].append(span)
    work = np.array(sizes) * np.log2(sizes)
    slopes = {
        name: float(np.polyfit(np.log(work), np.log(some), 1)[0]) for name, some in spans.items()
    }
    note = (
        f"In logarithms, time grows {slopes['engine']:.2f} times as fast as n log n, that of a "
        f"breadth-first search {slopes['breadth-first']:.2f} times: small networks fit the "
        "processor's cache, large ones do not."
    )
    lines += ["", note]
    if picture:
        plot(sizes, spans, work, picture)
        lines += ["", f"![Time of one search as the network grows]({picture.name})"]
    goal = Goal("Growth: exponent over n log n", SLOPE, slopes["engine"], "", at_least=False)
    return "\n".join(lines), [goal]


def plot(
    sizes: list[int], spans: Mapping[str, list[float]], work: np.ndarray, picture: Path
) -> None:
    """Draw time over size, both in logarithms, and n log n through the first point."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "engine"
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    ours, floor = (np.array(spans[name]) * 1e3 for name in ("engine", "breadth-first"))
    axes.loglog(sizes, ours, "o-", color="#1f5fa8", label="one to all, measured")
    axes.loglog(sizes, floor, "s-", color="#b8860b", label="breadth-first search")
    axes.loglog(sizes, ours[0] * work / work[0], "--", color="#777777", label="n log n")
    axes.set(xlabel="junctions", ylabel="milliseconds")
    axes.grid(visible=True, which="major", color="#dddddd")
    axes.legend(frameon=False)
    figure.savefig(picture, metadata={"Date": None})
    plt.close(figure)


def table(title: str, spans: Mapping[str, float], note: str) -> str:
    lines = [f"### {title}", "", note, "", "| who | ms | engine is faster by |", "|---|---:|---:|"]
    for name, span in spans.items():
        lines.append(f"| {name} | {span * 1e3:,.1f} | {span / spans['engine']:.2f} × |")
    return "\n".join(lines)


def facts(case: Case, loads: list[float]) -> str:
    versions = []
    for name in PEERS:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} missing")
    memory = ""
    if hasattr(os, "sysconf"):
        memory = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB, "
    load = f"load average {min(loads):.1f} to {max(loads):.1f}" if loads else "load not known"
    return (
        f"{engine.cores()} cores, {memory}{platform.system()}, {platform.machine()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}; {load} "
        f"during the run.\n\nSynthetic province, seed {SEED}: {case.size:,} junctions, "
        f"{len(case.tail):,} arcs, compiled in {case.compile_seconds:.1f} s."
    )


def verdicts(goals: list[Goal]) -> str:
    lines = ["### Goals", "", "| goal | wanted | found | |", "|---|---:|---:|---|"]
    return "\n".join([*lines, *(goal.row for goal in goals)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the size")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if engine._kernels() is None:
        print("numba does not run here: nothing to measure")
        return 1
    share, runs = (10 if options.small else 1), options.runs
    place = Path(__file__).with_suffix(".md")
    picture = None if options.small else place.with_name("engine-growth.svg")
    case = Case(1_000_000 // share)
    parts: list[Callable[[], Part]] = [
        lambda: one_to_all(case, runs),
        lambda: many_to_all(case, runs),
        lambda: edits(case, runs),
        lambda: small_matrix(100_000 // share, runs),
        lambda: growth(1_000_000 // share, runs, picture),
    ]
    texts, goals, loads = [], [], []
    for part in parts:
        text, found = part()
        print(text, *(goal.row for goal in found), sep="\n", flush=True)
        texts.append(text)
        goals += found
        if hasattr(os, "getloadavg"):
            loads.append(os.getloadavg()[0])
    print(verdicts(goals))
    if options.small:
        print("not written: the table is made at full size")
        return 0
    head = "# The engine, measured\n\nMade by `python benchmarks/engine.py`; not to be edited."
    whole = [head, facts(case, loads), verdicts(goals), *texts]
    place.write_text("\n\n".join(whole) + "\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
