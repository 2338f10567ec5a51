"""Verdicts of a plan on a large road network, before and after edits; writes verdicts.md here.

    python benchmarks/verdicts.py [--nodes 1000000]

A synthetic province is laid over Linxia and written as a planner's file. Then, as
``spatialplan check --plan linxia-2021 --network FILE --edits … --against FILE`` does: the file is
read, places are tied to it, all targets judged; after each edit all are judged again, from what
is known and, to compare, on a network that knows of no other. Seconds are of processor time.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from spatialplan import assessment, edits, searches, targets
from spatialplan.assessment import Situation
from spatialplan.province import province
from spatialplan.targets import Verdict

PLAN = "linxia-2021"
MIDDLE = (103.3, 35.55)  # degrees: among Linxia's counties
OUT = Path(__file__).with_suffix(".md")
PACKAGES = ("numba", "numpy", "pandas", "geopandas", "pyogrio", "shapely", "scipy")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def judged(found: Situation) -> list[Verdict]:
    case = found.case(PLAN)
    return targets.evaluate(case.plan.targets, case)


def chosen_edits(found: Situation, verdicts: list[Verdict]) -> dict[str, list[dict]]:
    """Edits of roads that trips of the plan run on: the longest trip's busiest kinds of links."""
    trips = [pair for verdict in verdicts for pair in verdict.pairs if np.isfinite(pair.minutes)]
    longest = max((pair for pair in trips if pair.route.mode == "road"), key=lambda p: p.minutes)
    legs = [leg for leg in longest.route.legs if leg.link >= 0]
    link = legs[len(legs) // 2].link_id
    place, other = longest.origin, longest.destination
    x, y = found.network.links.geometry[link].interpolate(0.5, normalized=True).coords[0]
    road = {"class": "class1", "design_speed_kmh": 80}
    return {
        "build a road between two seats": [
            {"action": "add", "from": place.place_id, "to": other.place_id, **road}
        ],
        "build a road to the middle of a link": [
            {"action": "add", "from": place.place_id, "to": [x, y], **road}
        ],
        "close a link of a long trip": [{"action": "close", "where": {"link_id": link}}],
        "upgrade it": [
            {
                "action": "modify",
                "where": {"link_id": link},
                "set": road | {"design_speed_kmh": 100},
            }
        ],
    }


def values(verdicts: list[Verdict]) -> list[tuple]:
    """What verdicts come to; times differ by the rounding of cut links at the most."""
    return [
        (
            verdict.target.key,
            verdict.verdict,
            *(round(pair.minutes, 3) for pair in verdict.pairs if np.isfinite(pair.minutes)),
        )
        for verdict in verdicts
    ]


def network_file(nodes: int, folder: Path) -> Path:
    made = province(nodes, seed=1)
    middle = (made.lonlat.min(axis=0) + made.lonlat.max(axis=0)) / 2
    file = folder / "province.gpkg"
    replace(made, lonlat=made.lonlat - middle + MIDDLE).network().write(file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=1_000_000)
    options = parser.parse_args()
    searches._get_ready()  # compiled once for a machine, not for each run
    with tempfile.TemporaryDirectory() as folder:
        file = network_file(options.nodes, Path(folder))
        megabytes = file.stat().st_size / 1e6
        load = os.getloadavg()[0]
        reading, found = timed(lambda: assessment.situation(plan_ids=[PLAN], network=file))
    judging, before = timed(lambda: judged(found))
    rows = []
    for name, entries in chosen_edits(found, before).items():
        parsed = edits.parse(entries, "benchmark")
        applying, after = timed(lambda: assessment.edited(found, parsed))  # noqa: B023
        again, ours = timed(lambda: judged(after))  # noqa: B023
        alone = replace(after, network=replace(after.network))
        fresh, theirs = timed(lambda: judged(alone))  # noqa: B023
        assert values(ours) == values(theirs), name
        rows.append((name, applying, again, fresh))
    nodes, links = len(found.network.nodes), len(found.network.links)
    OUT.write_text(page(nodes, links, megabytes, load, (reading, judging), rows), "utf-8")
    print(OUT.read_text("utf-8"))


def page(
    nodes: int,
    links: int,
    megabytes: float,
    load: float,
    first: tuple[float, float],
    rows: list[tuple[str, float, float, float]],
) -> str:
    """Return the page of results."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    heads = (
        "edit",
        "applied, s",
        "verdicts after it, s",
        "the same on a network by itself, s",
        "edit and verdicts, share of reading and judging anew",
    )
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = (
        f"{os.cpu_count()} cores, {platform.system()}, {platform.machine()}, Python "
        f"{platform.python_version()}, {packages}; load average {load:.1f} before the run."
    )
    what = (
        f"Synthetic province over Linxia: {nodes:,} nodes, {links:,} links, GeoPackage of "
        f"{megabytes:.0f} MB. All targets of {PLAN}. Seconds of processor time; the most memory "
        f"was {peak:.1f} GB."
    )
    first_words = (
        f"Reading the file and tying places: {first[0]:.1f} s. The first verdicts, compiling "
        f"the network included: {first[1]:.1f} s."
    )
    lines = [
        "# Verdicts on a large network, measured",
        "",
        "Made by `python benchmarks/verdicts.py`; not to be edited.",
        "",
        machine,
        "",
        what,
        "",
        first_words,
        "",
        f"| {' | '.join(heads)} |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, applying, again, fresh in rows:
        share = (applying + again) / (first[0] + applying + fresh)
        lines.append(f"| {name} | {applying:.2f} | {again:.1f} | {fresh:.1f} | {share:.0%} |")
    lines += [
        "",
        "The verdicts, and all times to a thousandth of a minute, are the same both ways.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
