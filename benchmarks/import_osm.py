"""Import of a city extract: our reader against OSMnx on the same file.

    python benchmarks/import_osm.py [FILE.osm.pbf] [--ways 50000] [--runs 3]

Without a file, a seeded city of streets, buildings and a few tags is written first. Each run is
a process of its own, so that its peak memory can be told. Seconds are medians. With three runs
or more, what was found is written to import_osm.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

MOST_SECONDS, MOST_MIB, LEAST_RATIO = 10, 1024, 10  # the goals
LEAST_RUNS = 3

OURS = """
import json, resource, sys, time
start = time.perf_counter()
from spatialplan import osm
loaded, spent = time.perf_counter(), time.process_time()
found = osm.read(sys.argv[1], keep="all")
read, cpu = time.perf_counter(), time.process_time() - spent
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
found.write(sys.argv[2])
written = time.perf_counter()
print(json.dumps({
    "seconds": read - loaded, "cpu": cpu, "imports": loaded - start,
    "write": written - read, "mib": peak,
    "links": len(found.network.links), "nodes": len(found.network.nodes),
    "km": float(found.network.links["length_km"].sum()),
}))
"""
# What OSMnx offers for a file: parse, then simplify to junctions, lengths included.
THEIRS = """
import json, resource, sys, time
start = time.perf_counter()
import osmnx as ox
loaded, spent = time.perf_counter(), time.process_time()
graph = ox.graph_from_xml(sys.argv[1], retain_all=True, simplify=True)
read, cpu = time.perf_counter(), time.process_time() - spent
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
links = ox.convert.to_undirected(graph).number_of_edges()
print(json.dumps({"seconds": read - loaded, "cpu": cpu, "imports": loaded - start, "mib": peak,
    "links": links, "nodes": graph.number_of_nodes()}))
"""


def write_city(path: Path, ways: int, seed: int = 7) -> None:
    """Write a grid of streets cut into ways of some blocks, shapes between, and buildings."""
    import osmium

    rng = np.random.default_rng(seed)
    side = int(np.sqrt(ways * 1.15))  # crossings along each side of the city
    step, between = 0.0009, 3  # degrees of a block; bends on each
    corner = np.array([103.0, 35.0])
    mutable = osmium.osm.mutable
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        number = 0
        node = np.empty((side, side), dtype=np.int64)
        for row in range(side):
            for column in range(side):
                number += 1
                node[row, column] = number
                spot = corner + step * np.array([column, row]) + rng.normal(0, step / 12, 2)
                writer.add_node(mutable.Node(id=number, location=tuple(spot), version=1))
        plans = _street_plans(rng, side, ways)
        shapes = []
        for blocks, marks in plans:
            refs = []
            for (r0, c0), (r1, c1) in pairwise(blocks):
                refs.append(int(node[r0, c0]))
                for bend in range(1, between + 1):
                    number += 1
                    share = bend / (between + 1)
                    row, column = r0 + (r1 - r0) * share, c0 + (c1 - c0) * share
                    spot = corner + step * np.array([column, row]) + rng.normal(0, step / 30, 2)
                    writer.add_node(mutable.Node(id=number, location=tuple(spot), version=1))
                    refs.append(number)
            refs.append(int(node[blocks[-1]]))
            shapes.append((refs, marks))
        houses = []
        for _ in range(ways):
            west, south = corner + step * side * rng.random(2)
            ring = []
            for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1)):
                number += 1
                spot = west + dx * 1e-4, south + dy * 1e-4
                writer.add_node(mutable.Node(id=number, location=spot, version=1))
                ring.append(number)
            houses.append(([*ring, ring[0]], {"building": "yes"}))
        for way, (refs, marks) in enumerate([*shapes, *houses], start=1):
            writer.add_way(mutable.Way(id=way, nodes=refs, tags=marks, version=1))


def _street_plans(rng, side, ways):
    kinds = ["residential", "residential", "service", "tertiary", "secondary", "footway"]
    plans = []
    for line in range(side):
        for across in (False, True):
            at = 0
            while at < side - 1:
                length = min(int(rng.integers(1, 4)), side - 1 - at)
                blocks = [(line, at + i) for i in range(length + 1)]
                blocks = [(b, a) for a, b in blocks] if across else blocks
                marks = {"highway": kinds[int(rng.integers(len(kinds)))]}
                marks["name"] = f"街 {line}-{int(across)}"
                if rng.random() < 0.15:
                    marks["oneway"] = "yes"
                if rng.random() < 0.2:
                    marks["maxspeed"] = str(int(rng.choice([30, 40, 50, 60])))
                plans.append((blocks, marks))
                at += length
    order = rng.permutation(len(plans))[:ways]
    return [plans[i] for i in order]


def run(program: str, *words: str) -> dict:
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def to_xml(source: Path, target: Path) -> None:
    import osmium

    with osmium.SimpleWriter(str(target), overwrite=True) as writer:
        for item in osmium.FileProcessor(str(source)):
            writer.add(item)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--ways", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pbf = Path(options.file) if options.file else Path(folder, "city.osm.pbf")
        if not options.file:
            write_city(pbf, options.ways)
        xml = Path(folder, "city.osm")
        to_xml(pbf, xml)
        target = str(Path(folder, "net.gpkg"))
        works = {
            "spatialplan .osm.pbf": (OURS, str(pbf), target),
            "spatialplan .osm": (OURS, str(xml), target),
            "OSMnx .osm": (THEIRS, str(xml)),
        }
        runs = {name: [] for name in works}
        for _ in range(options.runs):  # in turn, so that a busy moment hits all alike
            for name, words in works.items():
                runs[name].append(run(*words))
        text = report(f"{pbf.name}, {pbf.stat().st_size / 1e6:.1f} MB", options.runs, runs)
    print(text)
    if options.runs >= LEAST_RUNS:
        Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8", newline="\n")


def report(what: str, count: int, runs: dict[str, list[dict]]) -> str:
    """Return the medians as a table, and each goal with what was found."""
    keys = ("seconds", "cpu", "mib", "links", "nodes")
    middle = {
        name: {key: statistics.median(one[key] for one in found) for key in keys}
        for name, found in runs.items()
    }
    load = (
        f"; load average {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    )
    lines = [
        "# Import of a city extract, measured",
        "",
        "Made by `python benchmarks/import_osm.py`; not to be edited.",
        "",
        f"{what}; medians of {count} runs{load}.",
        "",
        "| who | s | processor s | peak MiB | links | nodes |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in middle.items():
        cells = f"{found['seconds']:.2f} | {found['cpu']:.2f} | {found['mib']:.0f}"
        lines.append(f"| {name} | {cells} | {found['links']:,.0f} | {found['nodes']:,.0f} |")
    lines += ["", "| goal | wanted | found | |", "|---|---:|---:|---|"]
    theirs = middle.pop("OSMnx .osm")["seconds"]
    for name, found in middle.items():
        for goal, wanted, value, reached in (
            ("seconds", f"< {MOST_SECONDS}", found["seconds"], found["seconds"] < MOST_SECONDS),
            ("peak MiB", f"< {MOST_MIB}", found["mib"], found["mib"] < MOST_MIB),
            ("times faster than OSMnx on the XML", f"≥ {LEAST_RATIO}", theirs / found["seconds"],
             theirs / found["seconds"] >= LEAST_RATIO),
        ):  # fmt: skip
            verdict = "reached" if reached else "**not reached**"
            lines.append(f"| {name}: {goal} | {wanted} | {value:.3g} | {verdict} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
