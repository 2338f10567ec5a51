"""Measure the engine against its peers on a synthetic province; write engine.md beside this file.

    python benchmarks/engine.py            the whole table: some minutes, about 3 GB
    python benchmarks/engine.py --small    a tenth of the size, to see that it works

Peers that are not installed are left out: pip install "spatialplan[bench]". Every peer gets
the same arcs in the same run; figures are medians. The load of the machine is noted, since
only ratios within one run mean anything on a busy machine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
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
PEERS = ("networkx", "scipy", "igraph", "rustworkx", "networkit", "pandana", "numba", "numpy")


def peer(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed and is left out")
        return None


def median(work: Callable[[], object], times: int) -> float:
    """Seconds on the clock, median of several runs."""
    spans = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spans.append(time.perf_counter() - start)
    return statistics.median(spans)


def processor(work: Callable[[], object]) -> float:
    """Seconds of processor time of one run, all threads together."""
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


def one_to_all(case: Case, runs: int, rows: list) -> None:
    """One origin to all, with and without a limit, against networkx, scipy and the floor."""
    seat, place = case.seats[7], int(case.graph.rank[case.seats[7]])
    level, queue = np.empty(case.size, np.int32), np.empty(case.size, np.int32)
    graph = case.networkx()
    search = nx.single_source_dijkstra_path_length
    pointer, arcs = case.graph.pointer, case.graph.arcs
    kernels.breadth_first(pointer, arcs, place, level, queue)
    engine.minutes_from(case.graph, seat)
    engine.reached(case.graph, seat, LIMIT)

    whole = {
        "engine": median(lambda: engine.minutes_from(case.graph, seat), 3 * runs),
        "breadth-first": median(
            lambda: kernels.breadth_first(pointer, arcs, place, level, queue), 3 * runs
        ),
        "scipy": median(lambda: dijkstra(case.matrix, indices=place), runs),
        "networkx": median(lambda: search(graph, seat, weight="minutes"), 1 if runs < 5 else 3),
    }
    found = engine.minutes_from(case.graph, seat)
    right = dijkstra(case.matrix, indices=place)[case.graph.rank]
    assert np.abs(found - right).max() * 60 < 1.0, "differs by more than a second"
    worst = float(np.abs(found - right).max() * 60e3)
    rows.append(table("one to all", whole, f"largest error of rounding {worst:.1f} ms"))

    vertices, _ = engine.reached(case.graph, seat, LIMIT)
    limited = {
        "engine": median(lambda: engine.reached(case.graph, seat, LIMIT), 9 * runs),
        "breadth-first": median(part_floor(case, vertices, place), 9 * runs),
        "scipy": median(lambda: dijkstra(case.matrix, indices=place, limit=LIMIT), 3 * runs),
        "networkx": median(lambda: search(graph, seat, cutoff=LIMIT, weight="minutes"), runs),
    }
    rows.append(table(f"one to all within {LIMIT:.0f} min", limited, f"{len(vertices):,} reached"))

    compiled = backend.convert_from_nx(graph)
    start = time.perf_counter()
    backend.single_source_dijkstra_path_length(compiled, seat, weight="minutes")
    first = time.perf_counter() - start
    ours = median(
        lambda: backend.single_source_dijkstra_path_length(compiled, seat, weight="minutes"), runs
    )
    through = {"engine": ours, "networkx": whole["networkx"]}
    note = f"a dictionary as from networkx; the first call, compiling: {first:.1f} s"
    rows.append(table("one to all through networkx's backend", through, note))


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


def many_to_all(case: Case, runs: int, rows: list) -> None:
    """30 origins to all, on all cores, against peers of whom some use all cores, too."""
    units = np.zeros((30, case.size), np.int32)
    spans = {"engine": median(lambda: engine.times(case.graph, case.seats, out=units), runs)}
    busy = processor(lambda: engine.times(case.graph, case.seats, out=units))
    places = case.graph.rank[case.seats].tolist()
    spans["scipy"] = median(lambda: [dijkstra(case.matrix, indices=p) for p in places], 1)
    loop = processor(lambda: [dijkstra(case.matrix, indices=p) for p in places])
    theirs_busy = f", scipy {loop:.1f} s"
    rank = case.graph.rank
    tail, head = rank[case.tail], rank[case.head]
    if igraph := peer("igraph"):
        theirs = igraph.Graph(case.size, np.column_stack([tail, head]), directed=True)
        weights = case.minutes.tolist()
        spans["igraph"] = 10 * median(
            lambda: theirs.distances(places[:3], weights=weights, algorithm="dijkstra"), 1
        )
        del theirs
    if rustworkx := peer("rustworkx"):
        theirs = rustworkx.PyDiGraph()
        theirs.add_nodes_from(range(case.size))
        edges = zip(tail.tolist(), head.tolist(), case.minutes.tolist(), strict=True)
        theirs.add_edges_from(list(edges))
        lengths = rustworkx.dijkstra_shortest_path_lengths
        spans["rustworkx"] = 10 * median(
            lambda: [lengths(theirs, place, float) for place in places[:3]], 1
        )
        del theirs
    if networkit := peer("networkit"):
        networkit.setNumberOfThreads(engine.cores())
        pairs = tail.astype(np.uint64), head.astype(np.uint64)
        theirs = networkit.GraphFromCoo(
            (case.minutes, pairs), n=case.size, weighted=True, directed=True
        )
        theirs_busy += f", networkit {processor(networkit.distance.SPSP(theirs, places).run):.1f} s"
        spans["networkit"] = median(lambda: networkit.distance.SPSP(theirs, places).run(), 1)
        del theirs
    note = (
        f"igraph and rustworkx: three origins, times ten. Processor time: engine {busy:.1f} s"
        f"{theirs_busy}. On a busy machine two threads get less than two cores"
    )
    rows.append(table("30 origins to all", spans, note))


def small_matrix(nodes: int, runs: int, rows: list) -> None:
    """A matrix of 150 by 150, building included."""
    case = Case(nodes)
    seats = case.province.seats(150)

    def ours() -> np.ndarray:
        return engine.matrix(case.compiled(), seats.tolist(), seats)

    spans = {"engine": median(ours, runs)}
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

        spans["pandana"] = median(theirs, 1)
        off = np.abs(theirs() - ours()).max() if nodes <= 20_000 else 0.0
        assert off < 0.1, f"pandana differs by {off} minutes"
    rows.append(table("150 × 150 matrix, building included", spans, f"{case.size:,} junctions"))


def edits(case: Case, runs: int, rows: list) -> None:
    """Times of 30 origins to all after one edit, against a fresh search."""
    fresh_units, units = (np.zeros((30, case.size), np.int32) for _ in range(2))
    before = engine.times(case.graph, case.seats)
    case.graph.back  # noqa: B018 - made once for a network, for reverse searches, too
    chance = np.random.default_rng(SEED)
    found = case.province
    second = len(found.tail) + np.cumsum(~found.oneway) - 1  # the arc back, of two-way links

    def arcs_of(link: int) -> list[int]:
        return [link] if found.oneway[link] else [link, int(second[link])]

    changes = []
    for rank, name in ((4, "class 1"), (3, "class 2"), (1, "class 4"), (EXPRESSWAY, "expressway")):
        for link in chance.choice(np.flatnonzero(found.rank == rank), 3, replace=False):
            arcs = arcs_of(int(link))
            changes += [
                (f"close a link, {name}", Change(arcs, [np.inf] * len(arcs))),
                (f"upgrade a link, {name}", Change(arcs, case.minutes[arcs] * 0.6)),
            ]
    for _ in range(3):
        one, other = chance.choice(case.seats, 2, replace=False).tolist()
        near = found.seats(2_000)
        apart = np.hypot(*(found.lonlat[near] - found.lonlat[one]).T)
        other = int(near[np.argsort(apart)[20]])
        minutes = float(engine.way(case.graph, one, other).minutes) * 0.6
        changes.append(
            ("build a road, 40 % faster",
             Change(tail=[one, other], head=[other, one], added=[minutes] * 2))
        )  # fmt: skip
    engine.rerun(before, changes[0][1], out=units)
    engine.rerun(before, changes[-1][1], out=units)
    spans: dict[str, list[float]] = {}
    shares: dict[str, list[float]] = {}
    fresh: list[float] = []  # taken between the edits, so that both see the same load
    for name, edit in changes:
        span = median(lambda: engine.rerun(before, edit, out=units), runs)  # noqa: B023
        changed = engine.change(case.graph, edit)
        start = time.perf_counter()
        right = engine.times(changed, case.seats, out=fresh_units)
        fresh.append(time.perf_counter() - start)
        assert np.array_equal(right.units, units), name
        spans.setdefault(name, []).append(span)
        shares.setdefault(name, []).append(float((before.units != units).mean()))
    whole = statistics.median(fresh)
    every = [span for part in spans.values() for span in part]
    lines = [
        "### After one edit, 30 origins to all",
        "",
        f"Fresh computation: {whole * 1e3:,.0f} ms. Equal to it in every unit, all edits tried.",
        "",
        "| edit | pairs that change | ms | share of fresh |",
        "|---|---:|---:|---:|",
    ]
    for name, part in sorted(spans.items()):
        for span, share in sorted(zip(part, shares[name], strict=True)):
            lines.append(
                f"| {name} | {share * 100:.2g} % | {span * 1e3:,.0f} | {span / whole * 100:.1f} % |"
            )
    middle = statistics.median(every)
    lines.append(f"| **median of all** | | {middle * 1e3:,.0f} | {middle / whole * 100:.1f} % |")
    print("\n".join(lines), flush=True)
    rows.append("\n".join(lines))


def growth(largest: int, runs: int, rows: list) -> None:
    """Seconds of one search as the network grows, and against n log n."""
    lines = ["### Growth", "", "| junctions | compile s | one to all ms | ns / (n log₂ n) |"]
    lines.append("|---:|---:|---:|---:|")
    steps = round(2 * np.log10(largest / 10_000)) + 1
    for size in np.geomspace(10_000, largest, steps).round().astype(int).tolist():
        case = Case(size)
        span = median(lambda: engine.minutes_from(case.graph, case.seats[7]), 5 * runs)  # noqa: B023
        each = span * 1e9 / (case.size * np.log2(case.size))
        lines.append(
            f"| {case.size:,} | {case.compile_seconds:.2f} | {span * 1e3:.1f} | {each:.2f} |"
        )
    print("\n".join(lines), flush=True)
    rows.append("\n".join(lines))


def table(title: str, spans: dict[str, float], note: str) -> str:
    lines = [f"### {title[0].upper()}{title[1:]}", "", f"{note[0].upper()}{note[1:]}.", ""]
    lines += ["| who | ms | engine is faster by |", "|---|---:|---:|"]
    for name, span in spans.items():
        lines.append(f"| {name} | {span * 1e3:,.1f} | {span / spans['engine']:.2f} × |")
    text = "\n".join(lines)
    print(text, flush=True)
    return text


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the size")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    share = 10 if options.small else 1
    rows: list[str] = []
    loads: list[float] = []

    def note_load() -> None:
        if hasattr(os, "getloadavg"):
            loads.append(os.getloadavg()[0])

    if engine._kernels() is None:
        print("numba does not run here: nothing to measure")
        return 1
    case = Case(1_000_000 // share)
    for part in (one_to_all, many_to_all, edits):
        note_load()
        part(case, options.runs, rows)
    note_load()
    small_matrix(100_000 // share, options.runs, rows)
    growth(1_000_000 // share, options.runs, rows)
    note_load()
    place = Path(__file__).with_suffix(".md")
    if options.small:
        print("not written: the table is made at full size")
        return 0
    head = "# The engine, measured\n\nMade by `python benchmarks/engine.py`; not to be edited.\n"
    place.write_text(
        "\n\n".join([head.rstrip(), facts(case, loads), *rows]) + "\n", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
