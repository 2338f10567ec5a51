"""Measure a large matrix on Dask, and a sample of it in one process; write matrix.md beside this.

    python benchmarks/matrix.py            2,800 origins, 40,000 destinations, 1 M junctions:
                                           112 million rows, 2.2 GB on disk, about 6 GB of memory
    python benchmarks/matrix.py --origins 280    a tenth of the rows, the same network
    python benchmarks/matrix.py --small    a few seconds, to see that it works

The rows of the sample must be the same both ways. Where places meet roads is found before, and
timed apart, since both ways need it. Processor time counts this process and all
workers. The load of the machine is noted, since it makes times longer.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from distributed import LocalCluster
from pyarrow import dataset, parquet

from spatialplan import distributed, standards, travel
from spatialplan.distributed import Case
from spatialplan.places import Place
from spatialplan.province import Province, province

SEED = 1
WORKERS = os.cpu_count() or 1
SAMPLE = 11  # origins computed in one process as well
PACKAGES = ("dask", "distributed", "pyarrow", "pandas", "numpy", "scipy")

Row = tuple[str, ...]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--origins", type=int, default=2_800)
    parser.add_argument("--destinations", type=int, default=40_000)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if options.small:
        options.origins, options.destinations, options.nodes = 22, 200, 5_000
    return options


def spots(lonlat: np.ndarray) -> list[Place]:
    """Positions beside roads, as in a planner's file of points."""
    return [Place(f"{lon:.6f},{lat:.6f}", lon, lat) for lon, lat in lonlat.tolist()]


def case_of(made: Province, origins: int, destinations: int) -> Case:
    """Return what is computed: counties on the higher roads, townships anywhere."""
    graph = travel.compile_graph(made.network(), standards.read_profile())
    chance = np.random.default_rng(SEED)
    chosen = chance.choice(made.size, destinations, replace=False)
    return Case(graph, spots(made.lonlat[made.seats(origins)]), spots(made.lonlat[chosen]))


class Meter:
    """Processor time of some processes, and the most memory that each has had."""

    def __init__(self, pids: list[int]) -> None:
        self.processes = [psutil.Process(pid) for pid in pids]
        self.peaks = [0] * len(pids)

    def processor_seconds(self) -> float:
        times = [process.cpu_times() for process in self.processes]
        return sum(spent.user + spent.system for spent in times)

    def look(self) -> None:
        now = [process.memory_info().rss for process in self.processes]
        self.peaks = [max(pair) for pair in zip(self.peaks, now, strict=True)]

    @contextmanager
    def watching(self) -> Iterator[None]:
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.5):
                self.look()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            self.look()


def measured(who: str, count: int, work: Callable[[], object], meter: Meter) -> Row:
    """Seconds on the clock and of processors that a piece of work takes."""
    start, spent = time.perf_counter(), meter.processor_seconds()
    with meter.watching():
        work()
    clock, spent = time.perf_counter() - start, meter.processor_seconds() - spent
    print(f"{who}: {clock:,.1f} s", flush=True)
    return who, f"{count:,}", f"{clock:,.1f}", f"{spent:,.1f}", f"{count / clock:,.0f}"


def check_same(folder: Path, sample: pd.DataFrame) -> None:
    """Stop when the rows of the sample are not the same in the folder."""
    names = sample["origin"].unique().tolist()
    chosen = dataset.field("origin").cast("string").isin(names)
    found = dataset.dataset(folder).to_table(filter=chosen).to_pandas()
    pd.testing.assert_frame_equal(found.astype(sample.dtypes.to_dict()), sample)


def table(heads: Row, rows: list[Row]) -> str:
    lines = [heads, ("---", *["---:"] * (len(heads) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine(load: float) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"{platform.system()}, {platform.machine()}, Python {platform.python_version()}, "
        f"{packages}; load average {load:.1f} before the run."
    )


def on_cluster(case: Case, sample: pd.DataFrame) -> tuple[Row, list[Row]]:
    """Times of a run on a fresh cluster, the memory it took, and the size of what it wrote."""
    total = len(case.origins) * len(case.destinations)
    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0")
    with tempfile.TemporaryDirectory() as name, cluster:
        folder = Path(name, "matrix")
        meter = Meter([os.getpid(), *(worker.pid for worker in cluster.workers.values())])

        def work() -> None:
            distributed.write_matrix([case], folder, scheduler=cluster.scheduler_address)

        row = measured(f"Dask, {WORKERS} workers", total, work, meter)
        check_same(folder, sample)
        files = list(folder.iterdir())
        if sum(parquet.read_metadata(path).num_rows for path in files) != total:
            raise SystemExit("rows are missing")
        sizes = {f"{len(files)} Parquet files": sum(path.stat().st_size for path in files)}
    names = ["this process, with the network", *(f"worker {n}" for n in range(1, WORKERS + 1))]
    sizes = dict(zip(names, meter.peaks, strict=True)) | sizes
    return row, [(what, f"{size / 1e6:,.0f}") for what, size in sizes.items()]


def main() -> None:
    options = arguments()
    load = psutil.getloadavg()[0]
    made = province(options.nodes, seed=SEED)
    case, alone = case_of(made, options.origins, options.destinations), Meter([os.getpid()])
    places = [*case.origins, *case.destinations]
    travel.travel_times(case.graph, places[:2], places[:2])  # compiles
    step = max(len(case.origins) // SAMPLE, 1)
    some = Case(case.graph, case.origins[::step][:SAMPLE], case.destinations)
    found: list[pd.DataFrame] = []
    rows = [
        measured(
            "where places meet roads",
            len(places),
            lambda: [case.graph.terminal(place) for place in places],
            alone,
        ),
        measured(
            "one process, a sample",
            len(some.origins) * len(some.destinations),
            lambda: found.append(distributed.matrix([some])),
            alone,
        ),
    ]
    row, sizes = on_cluster(case, found[0])
    text = f"""# A large matrix, measured

Made by `python benchmarks/matrix.py`; not to be edited.

{machine(load)}

Synthetic province, seed {SEED}: {made.size:,} junctions, {len(made.tail):,} links;
{options.origins:,} origins × {options.destinations:,} destinations beside roads.
The rows of the sample are the same both ways.

{table(("work", "places or rows", "clock, s", "processors, s", "a second"), [*rows, row])}

On Dask the program is loaded, the network is compiled and sent, and the table is written; one
process keeps its rows in memory.

{table(("most memory, and size on disk", "MB"), sizes)}
"""
    print(text)
    if not options.small:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
