"""Targets: from a promise in a plan to a verdict with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spatialplan import metrics, travel, trips
from spatialplan.errors import Fault, nearest_names
from spatialplan.places import Gazetteer
from spatialplan.plan import Target
from spatialplan.standards import CLASSES
from spatialplan.verdict import (
    EVIDENCE_NAMES,
    VERDICT_NAMES,
    Case,
    Pair,
    Verdict,
    as_dict,
    changed_pairs,
    differs,
)

__all__ = [
    "EVIDENCE_NAMES",
    "METRIC_NAMES",
    "VERDICT_NAMES",
    "Case",
    "Pair",
    "Verdict",
    "as_dict",
    "changed_pairs",
    "differs",
    "evaluate",
    "metric_faults",
]


def evaluate(targets: Sequence[Target], case: Case) -> list[Verdict]:
    """Return the verdict of each target on the case.

    Raises
    ------
    InputError
        When a target has a metric that nobody knows.
    """
    return [_noted(_METRICS[target.metric].evaluate(target, case)) for target in targets]


def _noted(verdict: Verdict) -> Verdict:
    """Say so when the threshold is not the document's own."""
    given = verdict.target.parameters
    if not given.get("threshold_inferred"):
        return verdict
    zh, en = given.get("threshold_note_zh") or "", given.get("threshold_note_en") or ""
    return replace(
        verdict,
        reason_zh=f"{verdict.reason_zh}文件没有给出数值,阈值另有出处:{zh}。",
        reason_en=f"{verdict.reason_en} The document gives no figure; the threshold is from: {en}.",
    )


@dataclass(frozen=True)
class _Metric:
    """How a metric is computed, and which parameters it must have."""

    evaluate: Callable[[Target, Case], Verdict]
    needs: tuple[str, ...] = ()


_METRICS = {
    "travel_time": _Metric(trips.travel_time, ("origins", "destinations", "threshold")),
    "all_pairs_time": _Metric(trips.all_pairs_time, ("places", "threshold")),
    "time_to_interchange": _Metric(trips.time_to_interchange, ("origins", "threshold")),
    "interchange_in_county": _Metric(metrics.interchange_in_county, ("counties", "threshold")),
    "class_coverage": _Metric(
        metrics.class_coverage, ("places", "classes", "within_km", "threshold")
    ),
    "network_length": _Metric(metrics.network_length, ("counties", "classes", "threshold")),
    "statistic": _Metric(metrics.figure_of_statistics, ("indicator",)),
    "coverage": _Metric(
        metrics.coverage_of_area, ("area_layer", "point_layer", "distance_m", "threshold")
    ),
    "screening": _Metric(metrics.screening, ("rules", "counties")),
    "border_class": _Metric(metrics.border_class, ("borders", "threshold")),
    "qualitative": _Metric(metrics.qualitative),
}

METRIC_NAMES = tuple(_METRICS)

_SETS = ("area-seats", "area-towns")


def metric_faults(entry: Mapping[str, Any], spot: str, gazetteer: Gazetteer) -> Iterator[Fault]:
    """Yield what is wrong with a target of a plan file: metric, parameters, places."""
    metric = _METRICS.get(str(entry.get("metric")))
    if metric is None:
        yield Fault(
            spot,
            f"metric“{entry.get('metric')}”无效;可用 {'、'.join(_METRICS)}",
            "metric is none of the known metrics",
        )
        return
    for name in metric.needs:
        if entry.get(name) is None:
            yield Fault(spot, f"缺少 {name};请补上", f"{name} is missing")
    if entry.get("mode", "road") not in travel.TRAVEL_MODES:
        yield Fault(
            spot,
            f"mode 应是 {'、'.join(travel.TRAVEL_MODES)}",
            "mode is none of road, rail, all",
        )
    yield from _parameter_faults(entry, spot)
    for name in ("origins", "destinations", "places", "borders"):
        yield from _set_faults(entry.get(name), f"{spot} {name}", gazetteer)


_RANGES = {"threshold": (0.0, np.inf), "share": (0.0, 1.0), "within_km": (0.0, 1000.0)}

_WORDS = {"rule": ("nearest", "each"), "measure": ("door_to_door", "in_vehicle")}


def _parameter_faults(entry: Mapping[str, Any], spot: str) -> Iterator[Fault]:
    """Yield the parameters that are no number, no word or no class that is known."""
    for name, (low, high) in _RANGES.items():
        value = entry.get(name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and low <= value <= high):
            yield Fault(
                spot, f"{name} 应是 {low:g} 到 {high:g} 之间的数:{value}", f"{name} is a number"
            )
    for name, words in _WORDS.items():
        if entry.get(name) is not None and entry[name] not in words:
            yield Fault(
                spot, f"{name} 应是 {'、'.join(words)}:{entry[name]}", f"{name} is none of these"
            )
    for name in entry.get("classes") or ():
        if name not in CLASSES:
            near = "、".join(nearest_names(str(name), CLASSES))
            yield Fault(spot, f"等级“{name}”无效;相近的有:{near}", "no such class")
    if entry.get("metric") != "statistic" or entry.get("areas"):
        return
    for name in ("area", "threshold"):
        if entry.get(name) is None:
            yield Fault(spot, f"缺少 {name}(或 areas);请补上", f"{name} (or areas) is missing")


def _set_faults(asked: Any, spot: str, gazetteer: Gazetteer) -> Iterator[Fault]:
    if isinstance(asked, Mapping):
        if "element" not in asked and asked.get("set") not in _SETS:
            yield Fault(
                spot,
                f"应是地点列表、element 或 set({'、'.join(_SETS)})",
                "a list of places, an element, or a set",
            )
        asked = asked.get("except")
    if asked is not None and not isinstance(asked, list | tuple):
        yield Fault(spot, "应是地点编号的列表", "a list of place ids")
        return
    for name in asked or ():
        if name not in gazetteer:
            near = "、".join(gazetteer.suggestions(str(name)))
            yield Fault(spot, f"没有地点“{name}”;相近的有:{near}", "no such place id")
