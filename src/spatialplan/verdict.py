"""What a target is tested on, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import places, plan, travel
from spatialplan.bounds import Bound, Ceilings
from spatialplan.errors import InputError
from spatialplan.network import Network
from spatialplan.places import Gazetteer, Place
from spatialplan.plan import Plan, Target
from spatialplan.standards import SpeedProfile
from spatialplan.travel import Graph, Route

__all__ = [
    "EVIDENCE_NAMES",
    "VERDICT_NAMES",
    "Basis",
    "Case",
    "Pair",
    "Verdict",
    "as_dict",
    "beyond",
    "changed_pairs",
    "differs",
]

VERDICT_NAMES = {
    "met": ("达到", "met"),
    "not_met": ("未达到", "not met"),
    "impossible": ("不可能", "impossible"),
    "unknown": ("无法判定", "unknown"),
}

EVIDENCE_NAMES = {
    "published": ("有公布数据", "published"),
    "measured": ("里程按图形量测", "lengths measured from geometry"),
    "mixed": ("公布与估计混合", "mixed"),
    "estimated": ("以估计为主,仅供参考", "mostly estimated, indicative"),
}

# Share of the road km (or of the places) that must rest on published, or measured, data.
FOUNDED_FROM, MIXED_FROM = 0.8, 0.3
# A network tells of a county when it covers so much of it: mountains have no roads.
COVERED_FROM = 0.8
PUBLISHED_BASES = ("published", "pro_rata")
# Of an imported network: neither published nor guessed.
MEASURED_BASES = ("measured", "drawn")


@dataclass(frozen=True)
class Case:
    """What targets are tested on: a plan, a network, a speed profile.

    `every_link` holds all links known, built or only proposed: the proof that something is
    impossible must hold against all of them, and against what is `proposed` besides. The
    network itself serves when they are not given. `extent` (EPSG:4326) is where the network
    can tell what there is; None when it holds all that the plans speak of.
    `layers` are the user's own, by name: built-up areas, stops, ways to walk on.
    """

    plan: Plan
    network: Network
    profile: SpeedProfile
    scenario: str = ""
    gazetteer: Gazetteer = field(default_factory=places.builtin)
    every_link: Network | None = None
    proposed: Network | None = None
    extent: shapely.Geometry | None = None
    layers: Mapping[str, gpd.GeoDataFrame] = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        """The network compiled for travel."""
        return travel.compile_graph(self.network, self.profile)

    @cached_property
    def rides(self) -> Graph:
        """The same, but a train is taken at the very station where a trip begins."""
        return self.graph.under(replace(self.profile, access_limit_minutes=0.0))

    @cached_property
    def ceilings(self) -> tuple[Ceilings, ...]:
        """Highest speeds of the links of the network, and of all links known."""
        networks = (self.network, self.every_link, self.proposed)
        return tuple(Ceilings.of(network, self.profile) for network in networks if network)

    def __getstate__(self) -> dict[str, Any]:
        # What is computed from the fields is many times larger, and soon computed again.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def beyond(self, chosen: Iterable[Place]) -> list[Place]:
        """Return the places that lie where the network tells nothing."""
        return beyond(chosen, self.extent)

    def lacks(self, area: shapely.Geometry) -> bool:
        """Say whether the network leaves out a good part of an area."""
        if self.extent is None:
            return False
        return shapely.intersection(self.extent, area).area < COVERED_FROM * area.area

    def places(self, asked: Any) -> list[Place]:
        """Return the places of a set: ids, an element's members, or seats and towns."""
        if isinstance(asked, Mapping):
            ids = self._set(asked)
            out = set(asked.get("except") or ())
            return [self.gazetteer[place_id] for place_id in ids if place_id not in out]
        return [self.gazetteer[place_id] for place_id in asked]

    def _set(self, asked: Mapping[str, Any]) -> Sequence[str]:
        if "element" in asked:
            plan_id, _, element = str(asked["element"]).rpartition("/")
            home = plan.builtin(plan_id) if plan_id and plan_id != self.plan.id else self.plan
            try:
                return home.element(element).members
            except KeyError:
                raise InputError.of(
                    f"{self.plan.id} element {asked['element']}",
                    f"规划中没有要素“{element}”;可用 {'、'.join(e.id for e in home.elements)}",
                    "no such element in the plan",
                ) from None
        if asked.get("set") == "area-seats":
            return self.gazetteer.seats(list(self.plan.area))
        return self.gazetteer.townships(list(self.plan.area))


def beyond(chosen: Iterable[Place], extent: shapely.Geometry | None) -> list[Place]:
    """Return the places, each once, that lie outside an extent (EPSG:4326; None: everywhere)."""
    if extent is None:
        return []
    chosen = list(dict.fromkeys(chosen))
    points = shapely.points(np.reshape([(p.lon, p.lat) for p in chosen], (-1, 2)))
    inside = shapely.covers(extent, points)
    return [place for place, there in zip(chosen, inside, strict=True) if not there]


@dataclass(frozen=True)
class Pair:
    """One trip of a target; `minutes` is NaN when there is no way."""

    origin: Place
    destination: Place
    minutes: float
    km: float
    met: bool
    bound: Bound
    route: Route

    @property
    def lower_bound(self) -> float:
        """The least minutes that any road known could allow."""
        return self.bound.minutes


@dataclass(frozen=True)
class Verdict:
    """What a target comes to, and why.

    `value` is in the target's unit (None when there is none); `share` of the units (trips,
    counties, towns) that meet it; `margin` is positive when the target is met with room;
    `lower_bound` is the largest of its trips' bounds, in minutes.
    """

    target: Target
    verdict: str
    reason_zh: str
    reason_en: str
    value: float | None = None
    share: float | None = None
    margin: float | None = None
    lower_bound: float | None = None
    evidence: str = "estimated"
    pairs: tuple[Pair, ...] = ()


def as_dict(verdict: Verdict, against: Verdict | None = None) -> dict[str, Any]:
    """Return a verdict as the command line's JSON has it."""
    target = verdict.target
    before = None
    if against is not None:
        before = {"verdict": against.verdict, "value": _plain(against.value)}
    return {
        "id": target.key,
        "plan": target.plan,
        "title_zh": target.title_zh,
        "title_en": target.title_en,
        "reading_zh": target.reading_zh,
        "reading_en": target.reading_en,
        "note_zh": target.note_zh,
        "note_en": target.note_en,
        "quote": target.cite.quote,
        "section": target.cite.section,
        "metric": target.metric,
        "mode": target.mode,
        "year": target.year,
        "threshold": target.threshold,
        "unit": target.unit,
        "verdict": verdict.verdict,
        "value": _plain(verdict.value),
        "share": _plain(verdict.share),
        "margin": _plain(verdict.margin),
        "lower_bound": _plain(verdict.lower_bound),
        "reason": verdict.reason_zh,
        "reason_en": verdict.reason_en,
        "evidence": verdict.evidence,
        "against": before,
        "pairs": [
            {
                "origin": pair.origin.key,
                "destination": pair.destination.key,
                "minutes": _plain(pair.minutes),
                "km": _plain(pair.km),
                "lower_bound": _plain(pair.lower_bound),
                "met": pair.met,
            }
            for pair in verdict.pairs
        ],
    }


def _plain(value: float | None) -> float | None:
    """Return a number for JSON, rounded to what it means; None for nothing and the infinite."""
    return round(float(value), 4) if value is not None and np.isfinite(value) else None


@dataclass(frozen=True)
class Basis:
    """What the km of some links rest on, in shares of them.

    `published` mileage; `measured` from geometry; `assumed` is the share measured whose class
    was only assumed. The rest are estimates.
    """

    published: float
    measured: float = 0.0
    assumed: float = 0.0

    @classmethod
    def of(cls, links: pd.DataFrame, weights: np.ndarray) -> Basis:
        """Return the shares for some links, given the weight (km) of each."""
        sure = (links["confidence"] != "L").to_numpy()
        published = links["length_basis"].isin(PUBLISHED_BASES).to_numpy() & sure
        measured = links["length_basis"].isin(MEASURED_BASES).to_numpy()
        whole = max(float(weights.sum()), 1e-9)
        chosen = (published, measured, measured & ~sure)
        return cls(*(float(weights[mask].sum()) / whole for mask in chosen))

    @property
    def grade(self) -> str:
        """The key of `EVIDENCE_NAMES` that fits."""
        if self.published >= FOUNDED_FROM:
            return "published"
        if self.measured >= FOUNDED_FROM:
            return "measured"
        return "mixed" if self.published + self.measured >= MIXED_FROM else "estimated"

    def words(self) -> tuple[str, str]:
        """Return the shares in Chinese and in English."""
        zh = f"有公布里程依据的占 {self.published:.0%}"
        en = f"{self.published:.0%} rest on published mileage"
        if self.measured < 0.005:
            return zh, en
        zh = f"{zh}、按图形量测的占 {self.measured:.0%}"
        en = f"{en}, {self.measured:.0%} are measured from geometry"
        if self.assumed < 0.005:
            return zh, en
        zh = f"{zh}(其中等级为推定的 {self.assumed:.0%})"
        return zh, f"{en} ({self.assumed:.0%} with an assumed class)"


def changed_pairs(after: Verdict, before: Verdict, least: float = 0.5) -> list[tuple[Pair, Pair]]:
    """Return the trips, after and before, whose minutes differ by at least so many."""
    old = {_unit_key(after.target, pair): pair for pair in before.pairs}
    found = []
    for pair in after.pairs:
        twin = old.get(_unit_key(after.target, pair))
        if twin and _differ(pair.minutes, twin.minutes, least):
            found.append((pair, twin))
    return found


def differs(after: Verdict, before: Verdict) -> bool:
    """Say whether a verdict, a trip of it, or for what is no trips its value, has changed."""
    if after.verdict != before.verdict or changed_pairs(after, before):
        return True
    values = (np.nan if verdict.value is None else verdict.value for verdict in (after, before))
    return not after.pairs and _differ(*values, 1e-6)


def _unit_key(target: Target, pair: Pair) -> object:
    """Return what a trip is about: of the nearest, the other end may have changed."""
    ends = pair.origin.key, pair.destination.key
    if target.metric == "all_pairs_time":
        return frozenset(ends)
    if target.metric == "time_to_interchange":
        return ends[0]
    return ends if target.parameters.get("rule") == "each" else ends[1]


def _differ(a: float, b: float, least: float) -> bool:
    if np.isnan(a) or np.isnan(b):
        return bool(np.isnan(a) != np.isnan(b))
    return abs(a - b) >= least
