"""Measure a large matrix, in one process and on Dask; write matrix.md beside this file.

    python benchmarks/matrix.py            280 origins, a tenth of the country's counties: minutes
    python benchmarks/matrix.py --small    a twentieth of that, to see that it works
    python benchmarks/matrix.py --origins 2800 --nodes 1000000 --destinations 40000

Both engines get the same network and places in the same run, and must give the same table.
Processor time counts this process and all workers. The load of the machine is noted, since
only ratios within one run mean anything on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import pickle
import platform
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from distributed import LocalCluster

from spatialplan import distributed, standards, tables, travel
from spatialplan.places import Place
from spatialplan.province import province

SEED = 1
WORKERS = 2
PACKAGES = ("dask", "distributed", "pyarrow", "pandas", "numpy", "scipy")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--origins", type=int, default=280)
    parser.add_argument("--destinations", type=int, default=4_000)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if options.small:
        options.origins, options.destinations, options.nodes = 14, 200, 5_000
    return options


def spots(lonlat: np.ndarray) -> list[Place]:
    """Positions beside roads, as in a planner's file of points."""
    return [Place(f"{lon:.6f},{lat:.6f}", lon, lat) for lon, lat in lonlat.tolist()]


class Case:
    """One province, and the places to travel between."""

    def __init__(self, origins: int, destinations: int, nodes: int) -> None:
        self.province = province(nodes, seed=SEED)
        self.graph = travel.compile_graph(self.province.network(), standards.read_profile())
        lonlat = self.province.lonlat
        chance = np.random.default_rng(SEED)
        self.origins = spots(lonlat[self.province.seats(origins)])
        self.destinations = spots(lonlat[chance.choice(len(lonlat), destinations, replace=False)])
        travel.travel_times(self.graph, self.origins[:2], self.destinations[:2])  # compiles

    def local(self) -> pd.DataFrame:
        times = travel.travel_times(self.graph, self.origins, self.destinations)
        return tables.matrix_table(times)

    def spread(self, folder: Path, scheduler: str) -> None:
        ends = self.origins, self.destinations
        distributed.write_matrix(self.graph, *ends, folder, scheduler=scheduler)

    def sizes(self) -> list[tuple[str, float]]:
        slim = self.graph.slim([*self.origins, *self.destinations])
        return [
            ("the graph as it is", len(pickle.dumps(self.graph, 5))),
            ("what is sent of it to each worker, once", len(pickle.dumps(slim, 5))),
        ]


def processor_seconds(pids: list[int]) -> float:
    """Processor time that some processes have used so far, all threads together."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(spent.user + spent.system for spent in times)


def measured(who: str, work: Callable[[], object], pids: list[int]) -> tuple[str, str, str]:
    """Seconds on the clock and of processors that a piece of work takes."""
    start, spent = time.perf_counter(), processor_seconds(pids)
    work()
    clock, spent = time.perf_counter() - start, processor_seconds(pids) - spent
    return who, f"{clock:,.1f}", f"{spent:,.1f}"


def on_cluster(case: Case, expected: pd.DataFrame) -> tuple[list, list]:
    """Times of two runs on a fresh cluster, and the size of what was written."""
    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0")
    with tempfile.TemporaryDirectory() as name, cluster:
        folder = Path(name, "matrix")
        pids = [os.getpid(), *(worker.pid for worker in cluster.workers.values())]
        rows = [
            measured(
                f"Dask, {WORKERS} workers, {which}",
                lambda: case.spread(folder, cluster.scheduler_address),
                pids,
            )
            for which in ("first run", "again")
        ]
        pd.testing.assert_frame_equal(pd.read_parquet(folder), expected)
        sizes = [path.stat().st_size for path in folder.iterdir()]
    return rows, [(f"{len(sizes)} Parquet files", sum(sizes))]


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---", *["---:"] * (len(heads) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(load: float) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"{platform.system()}, {platform.machine()}, Python {platform.python_version()}, "
        f"{packages}; load average {load:.1f} before the run."
    )


def main() -> None:
    options = arguments()
    load = psutil.getloadavg()[0]
    case = Case(options.origins, options.destinations, options.nodes)
    found: list[pd.DataFrame] = []
    rows = [measured("one process", lambda: found.append(case.local()), [os.getpid()])]
    more, written = on_cluster(case, found[0])
    megabytes = [(what, f"{size / 1e6:,.1f}") for what, size in [*case.sizes(), *written]]
    made = case.province
    text = f"""# A large matrix, measured

Made by `python benchmarks/matrix.py`; not to be edited.

{machine(load)}

Synthetic province, seed {SEED}: {made.size:,} junctions, {len(made.tail):,} links;
{options.origins:,} origins × {options.destinations:,} destinations beside roads.
Both engines gave the same table.

{table(("who", "clock, s", "processors, s"), rows + more)}

The first run on a cluster loads the program there. One process keeps the table in
memory; Dask writes it, too.

{table(("what", "MB"), megabytes)}
"""
    print(text)
    if not options.small:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
