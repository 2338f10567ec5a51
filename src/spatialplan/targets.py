"""Targets: from a promise in a plan to a verdict with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import places, plan, statistic, travel
from spatialplan.errors import Fault, InputError, nearest_names
from spatialplan.geodesy import straight_km
from spatialplan.network import EXPRESSWAY, SURFACE, Network
from spatialplan.places import Gazetteer, Place
from spatialplan.plan import Plan, Target
from spatialplan.standards import CLASSES, LEGAL_MAX_KMH, SpeedProfile
from spatialplan.travel import Graph, Route

__all__ = ["VERDICT_NAMES", "Case", "Pair", "Verdict", "as_dict", "evaluate", "metric_faults"]

VERDICT_NAMES = {
    "met": ("达到", "met"),
    "not_met": ("未达到", "not met"),
    "impossible": ("不可能", "impossible"),
    "unknown": ("无法判定", "unknown"),
}
EVIDENCE_NAMES = {
    "published": ("有公布数据", "published"),
    "mixed": ("公布与估计混合", "mixed"),
    "estimated": ("以估计为主,仅供参考", "mostly estimated, indicative"),
}
# Share of the road km (or of the places) that must rest on published data.
PUBLISHED_FROM, MIXED_FROM = 0.8, 0.3
# How far around the straight line a proof looks for faster roads, in distances of the ends.
ELLIPSE = 2.0
DEGREE_KM = 111.7  # no degree on Earth is longer


@dataclass(frozen=True)
class Case:
    """What targets are tested on: a plan, a network, a speed profile.

    `every_link` holds all links known, built or only proposed: the proof that something is
    impossible must hold against all of them. The network itself serves when it is not given.
    `layers` are the user's own, by name: built-up areas, stops, ways to walk on.
    """

    plan: Plan
    network: Network
    profile: SpeedProfile
    scenario: str = ""
    gazetteer: Gazetteer = field(default_factory=places.builtin)
    every_link: Network | None = None
    layers: Mapping[str, gpd.GeoDataFrame] = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        """The network compiled for travel."""
        return travel.compile_graph(self.network, self.profile)

    @cached_property
    def rides(self) -> Graph:
        """The same, but a train is taken at the very station where a trip begins."""
        profile = replace(self.profile, access_limit_minutes=0.0)
        return travel.compile_graph(self.network, profile)

    @cached_property
    def ceilings(self) -> tuple[_Ceilings, ...]:
        """Highest speeds of the links of the network, and of all links known."""
        networks = [self.network, *([self.every_link] if self.every_link else [])]
        return tuple(_Ceilings.of(network, self.profile) for network in networks)

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
        return places.township_ids(list(self.plan.area)) or self.gazetteer.towns(
            list(self.plan.area)
        )


@dataclass(frozen=True)
class Bound:
    """A proof that a trip takes at least so long: `km` in a straight line at `kmh`.

    `origin` is where the straight line starts: of several origins the best one.
    """

    minutes: float
    km: float
    kmh: float
    origin: Place


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


# --- trips ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ceilings:
    """The highest speed that any link allows, near a trip.

    `points` are unit vectors of the ends and the quarters of each link, shape (5, links, 3);
    no point of a link is farther than `reach`, in km, from one of them.
    """

    points: np.ndarray
    reach: np.ndarray
    kmh: np.ndarray
    rail: np.ndarray

    @classmethod
    def of(cls, network: Network, profile: SpeedProfile) -> _Ceilings:
        links = network.links
        design = links["design_speed_kmh"].to_numpy(dtype=float)
        running = profile.kmh(links["class"].to_numpy(), design)
        lines = links.geometry.to_numpy()
        quarters = np.linspace(0.0, 1.0, 5)
        spots = [shapely.line_interpolate_point(lines, f, normalized=True) for f in quarters]
        points = np.stack([_unit(shapely.get_x(spot), shapely.get_y(spot)) for spot in spots])
        reach = shapely.length(lines) / 8 * DEGREE_KM
        return cls(points, reach, np.fmax(design, running), (links["mode"] == "rail").to_numpy())

    def near(self, origin: Place, destination: Place, modes: str) -> float:
        """Return the highest speed in km/h of the links near a trip; 0 when there are none.

        Near is what touches the ellipse around both ends whose long axis is `ELLIPSE` × their
        distance d, a trip along a part of a link included. A trip that leaves it is longer
        than that; at V, the highest speed of all, it takes more than ELLIPSE × d / V, which
        `_bound` never exceeds.
        """
        known = np.ones(len(self.kmh), dtype=bool)
        if modes != "all":
            known = self.rail if modes == "rail" else ~self.rail
        ends = [_unit(place.lon, place.lat) for place in (origin, destination)]
        detour = sum(_arc_km(self.points, end) for end in ends).min(axis=0) - 2 * self.reach
        inside = (detour <= ELLIPSE * float(_arc_km(ends[0], ends[1]))) & known
        return float(self.kmh[inside].max()) if inside.any() else 0.0

    def top(self, modes: str) -> float:
        """Return the highest speed of all links of some modes, at least the legal maximum."""
        chosen = (
            self.rail if modes == "rail" else ~self.rail if modes == "road" else self.rail | True
        )
        return max(LEGAL_MAX_KMH, float(self.kmh[chosen].max(initial=0.0)))


def _unit(lon: float | np.ndarray, lat: float | np.ndarray) -> np.ndarray:
    x, y = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)], axis=-1)


def _arc_km(points: np.ndarray, point: np.ndarray) -> np.ndarray:
    return 6371.0 * np.arccos(np.clip(points @ point, -1.0, 1.0))


def _travel_time(target: Target, case: Case) -> Verdict:
    given = target.parameters
    origins, destinations = case.places(given["origins"]), case.places(given["destinations"])
    riding = given.get("measure") == "in_vehicle" and _are_stations([*origins, *destinations])
    graph = case.rides if riding else case.graph
    if given.get("rule", "nearest") == "nearest":
        found = travel.nearest(graph, origins, destinations, mode=target.mode)
        # The nearest in time need not be the nearest in space: the bound is over all origins.
        pairs = [_pair(target, case, r, origins) for r in found if r.origin != r.destination]
    else:
        found = travel.routes(graph, origins, destinations, mode=target.mode)
        pairs = [_pair(target, case, r, [r.origin]) for r in found if r.origin != r.destination]
    return _judge_trips(target, case, pairs)


def _are_stations(chosen: Sequence[Place]) -> bool:
    return all(place.kind == "station" for place in chosen)


def _all_pairs_time(target: Target, case: Case) -> Verdict:
    chosen = case.places(target.parameters["places"])
    found = travel.routes(case.graph, chosen, chosen, mode=target.mode)
    rank = {place: number for number, place in enumerate(chosen)}
    # Both ways count, and the slower one is shown.
    slower: dict[tuple[int, int], Route] = {}
    for route in found:
        ends = sorted((rank[route.origin], rank[route.destination]))
        if ends[0] != ends[1]:
            key = ends[0], ends[1]
            if key not in slower or route.minutes > slower[key].minutes + 1e-9:
                slower[key] = route
    return _judge_trips(
        target, case, [_pair(target, case, route, [route.origin]) for route in slower.values()]
    )


def _time_to_interchange(target: Target, case: Case) -> Verdict:
    gates = _gates(case.network, bool(target.parameters.get("include_class1")))
    origins = case.places(target.parameters["origins"])
    if not len(gates):
        return Verdict(target, "not_met", "路网中没有互通。", "No interchange in the network.")
    ends = [
        Place(row["name_zh"], row.geometry.x, row.geometry.y, str(node), confidence="L")
        for node, row in gates.iterrows()
    ]
    found = travel.nearest(case.graph, origins, ends, per="origin")
    pairs = [_pair(target, case, route, []) for route in found]
    return _judge_trips(target, case, pairs)


def _pair(target: Target, case: Case, route: Route, origins: Sequence[Place]) -> Pair:
    """Return a route as a pair, with the least minutes that any road could take."""
    in_vehicle = target.parameters.get("measure") == "in_vehicle"
    minutes = route.in_vehicle if in_vehicle else route.minutes
    minutes = float(minutes) if np.isfinite(minutes) else np.nan
    modes = "rail" if in_vehicle else "road" if target.mode == "road" else "all"
    if in_vehicle and not _are_stations([route.origin, route.destination]):
        origins = []  # how far one drives to the train is open: no bound on the ride
    bound = min(
        (_bound(case, origin, route.destination, modes) for origin in origins),
        key=lambda found: found.minutes,
        default=Bound(0.0, 0.0, np.nan, route.origin),
    )
    met = bool(minutes <= float(target.threshold or 0.0) + 1e-9)
    return Pair(route.origin, route.destination, minutes, route.km, met, bound, route)


def _bound(case: Case, origin: Place, destination: Place, modes: str) -> Bound:
    """Return the least minutes between two places that any road known could allow.

    Distance ÷ the highest speed near (`_Ceilings.near`), but no more than a trip around the
    outside at the highest speed of all would take: so it is a bound on every trip.
    """
    km = float(straight_km(origin.lon, origin.lat, destination.lon, destination.lat))
    near = max(ceiling.near(origin, destination, modes) for ceiling in case.ceilings)
    top = max(ceiling.top(modes) for ceiling in case.ceilings)
    kmh = max(near, top / ELLIPSE)
    return Bound(km / kmh * 60.0, km, kmh, origin)


def _judge_trips(target: Target, case: Case, pairs: Sequence[Pair]) -> Verdict:
    if not pairs:
        return Verdict(target, "unknown", "没有可计算的起讫点。", "No trips to compute.")
    needed = float(target.parameters.get("share") or 1.0)
    threshold = float(target.threshold or 0.0)
    share = float(np.mean([pair.met for pair in pairs]))
    possible = float(np.mean([pair.lower_bound <= threshold for pair in pairs]))
    if share >= needed - 1e-9:
        verdict = "met"
    else:
        verdict = "impossible" if possible < needed - 1e-9 else "not_met"
    # What decides: the slowest trip, or the slowest of the share that must be in time.
    last = max(int(np.ceil(needed * len(pairs) - 1e-9)), 1) - 1
    deciding = float(np.sort([pair.minutes for pair in pairs])[last])  # NaN come last
    worst = None if np.isnan(deciding) else deciding
    evidence, published = _trip_evidence(case, pairs, verdict, threshold)
    reason = _trip_reason(target, case, pairs, verdict)
    basis = (
        f"路径里程中有公布里程依据的占 {published:.0%}。",
        f" {published:.0%} of the route km rest on published mileage.",
    )
    return Verdict(
        target,
        verdict,
        reason[0] + (basis[0] if np.isfinite(published) else ""),
        reason[1] + (basis[1] if np.isfinite(published) else ""),
        value=worst,
        share=share,
        margin=None if worst is None else threshold - worst,
        lower_bound=max(pair.lower_bound for pair in pairs),
        evidence=evidence,
        pairs=tuple(pairs),
    )


def _trip_evidence(
    case: Case, pairs: Sequence[Pair], verdict: str, threshold: float
) -> tuple[str, float]:
    """Return how well the verdict is founded, and the share of route km that is published."""
    ends = [place for pair in pairs for place in (pair.origin, pair.destination)]
    known = all(_known(place) for place in ends)
    if verdict == "impossible":
        # The proof needs two points and no road at all: one pair of known points is enough.
        beyond = [pair for pair in pairs if pair.lower_bound > threshold]
        proven = any(_known(p.bound.origin) and _known(p.destination) for p in beyond)
        return ("published" if proven else "estimated"), _published_share(case, pairs)
    share = _published_share(case, pairs)
    if not np.isfinite(share):
        return "estimated", share
    if share >= PUBLISHED_FROM and known:
        return "published", share
    return ("mixed" if share >= MIXED_FROM else "estimated"), share


def _known(place: Place) -> bool:
    return place.confidence != "L"


def _published_share(case: Case, pairs: Sequence[Pair]) -> float:
    """Return the share of the km of routes whose length was published, or is part of such."""
    legs = [leg for pair in pairs for leg in pair.route.legs if leg.link_id]
    if not legs:
        return np.nan
    links = case.network.links
    basis = links["length_basis"].isin(["published", "pro_rata"]) & (links["confidence"] != "L")
    good = dict(zip(links.index, basis, strict=True))
    km = np.array([leg.km for leg in legs])
    return float(km[[good[leg.link_id] for leg in legs]].sum() / max(km.sum(), 1e-9))


def _trip_reason(
    target: Target, case: Case, pairs: Sequence[Pair], verdict: str
) -> tuple[str, str]:
    threshold = float(target.threshold or 0.0)
    met = [pair for pair in pairs if pair.met]
    lost = [pair for pair in pairs if np.isnan(pair.minutes)]
    zh = [f"{len(pairs)} 对中 {len(met)} 对在 {threshold:g} 分钟内"]
    en = [f"{len(met)} of {len(pairs)} trips within {threshold:g} min"]
    timed = [pair for pair in pairs if not np.isnan(pair.minutes)]
    if timed:
        worst = max(timed, key=lambda pair: pair.minutes)
        zh.append(
            f"最慢 {_names(worst)} {worst.minutes:.0f} 分钟、{worst.km:.0f} km"
            f"({_route_words(case, worst.route)})"
        )
        en.append(f"slowest {_ids(worst)} {worst.minutes:.0f} min, {worst.km:.0f} km")
    if lost:
        what = ("没有铁路可乘", "no train") if target.mode == "rail" else ("不通", "no way")
        named = "、".join(_names(pair) for pair in lost[:3])
        zh.append(f"{named}{'等' if len(lost) > 3 else ''} {what[0]}")
        en.append(f"{what[1]} for {len(lost)}")
    if verdict == "impossible":
        proof_zh, proof_en = _proof_words(
            max((p for p in pairs if p.lower_bound > threshold), key=_proof_rank), target
        )
        zh.append(proof_zh)
        en.append(proof_en)
    return ";".join(zh) + "。", "; ".join(en) + "."


def _proof_rank(pair: Pair) -> tuple[bool, float]:
    """Rather a proof between well-known points, then the clearest."""
    return _known(pair.bound.origin) and _known(pair.destination), pair.lower_bound


def _proof_words(pair: Pair, target: Target) -> tuple[str, str]:
    bound = pair.bound
    what = "轨道和道路" if target.mode != "road" else "道路"
    legal = bound.km / LEGAL_MAX_KMH * 60.0
    slower = target.mode == "road" and bound.kmh < LEGAL_MAX_KMH
    zh = (
        f"不可能的证明:{bound.origin.name_zh}–{pair.destination.name_zh}直线 {bound.km:.1f} km,"
        f"按附近已建、在建和谋划的{what}中最高的设计速度 {bound.kmh:g} km/h 笔直行驶也要 "
        f"{bound.minutes:.1f} 分钟"
    )
    en = (
        f"proof: {bound.origin.name_en}–{pair.destination.name_en} is {bound.km:.1f} km in a "
        f"straight line; at {bound.kmh:g} km/h, the highest design speed near, built or proposed, "
        f"that is {bound.minutes:.1f} min"
    )
    if slower:
        zh += f"(按法定最高 {LEGAL_MAX_KMH:g} km/h 为 {legal:.1f} 分钟)"
        en += f" ({legal:.1f} min at the legal {LEGAL_MAX_KMH:g} km/h)"
    return zh, en


def _names(pair: Pair) -> str:
    return f"{pair.origin.name_zh}–{pair.destination.name_zh}"


def _ids(pair: Pair) -> str:
    return "–".join(p.name_en or p.name_zh for p in (pair.origin, pair.destination))


def _route_words(case: Case, route: Route) -> str:
    """Return the km of each class on a route, and what is not driving, in a few words."""
    classes = dict(zip(case.network.links.index, case.network.links["class"], strict=True))
    km: dict[str, float] = {}
    other = 0.0
    for leg in route.legs:
        if leg.link_id:
            name = CLASSES[classes[leg.link_id]][0]
            km[name] = km.get(name, 0.0) + leg.km
        else:
            other += leg.minutes
    words = [f"{name} {value:.0f} km" for name, value in km.items() if value >= 0.5]
    return "、".join([*words, *([f"匝道、收费、候车等 {other:.0f} 分钟"] if other >= 0.5 else [])])


# --- interchanges, coverage, lengths ----------------------------------------------------------


def _gates(network: Network, include_class1: bool) -> pd.DataFrame:
    """Return the nodes where ordinary roads meet an expressway (or a class-I road)."""
    ordinary = _touched(network, (network.levels == SURFACE) & ~_is_class(network, "class1"))
    fast = network.node_levels(EXPRESSWAY)
    if include_class1:
        # Streets of class-I standard are no trunk roads: those have a number.
        trunk = _is_class(network, "class1") & (network.links["ref"] != "").to_numpy()
        fast = fast | _touched(network, trunk)
    return network.nodes[ordinary & fast]


def _is_class(network: Network, name: str) -> np.ndarray:
    return (network.links["class"] == name).to_numpy()


def _touched(network: Network, chosen: np.ndarray) -> np.ndarray:
    found = np.zeros(len(network.nodes), dtype=bool)
    for side in network.ends:
        found[side[chosen]] = True
    return found


def _interchange_in_county(target: Target, case: Case) -> Verdict:
    from spatialplan import boundaries

    adcodes = [int(code) for code in target.parameters["counties"]]
    counties = boundaries.counties(adcodes)
    gates = _gates(case.network, bool(target.parameters.get("include_class1")))
    having, lacking, sure = [], [], True
    for code in adcodes:
        inside = gates[gates.geometry.within(counties.geometry.loc[code])]
        name = str(counties.at[code, "name_zh"])
        if len(inside):
            having.append(f"{name}({'、'.join(inside['name_zh'].iloc[:2])})")
            sure &= bool((inside["confidence"] != "L").any())
        else:
            lacking.append(name)
    share = len(having) / len(adcodes)
    return Verdict(
        target,
        "met" if share >= float(target.threshold) - 1e-9 else "not_met",
        f"{len(adcodes)} 个县市中 {len(having)} 个有互通:{'、'.join(having)}"
        + (f";没有的:{'、'.join(lacking)}" if lacking else "")
        + "。互通位置多为估计。",
        f"{len(having)} of {len(adcodes)} counties have an interchange; most of their positions "
        "are estimates.",
        value=share,
        share=share,
        margin=share - float(target.threshold),
        evidence="mixed" if sure else "estimated",
    )


def _class_coverage(target: Target, case: Case) -> Verdict:
    given = target.parameters
    towns = case.places(given["places"])
    links = case.network.links
    chosen = links[links["class"].isin(given["classes"])]
    near = _near_links(towns, chosen, float(given["within_km"]))
    covered, located = int(near.sum()), len(towns)
    universe = int(given.get("universe") or located)
    value = covered / located if located else None
    threshold = float(target.threshold)
    names = "、".join(CLASSES[name][0] for name in given["classes"])
    zh = (
        f"已定位 {located} 个乡镇中 {covered} 个在 {given['within_km']:g} km 内有{names}"
        f",占 {value or 0:.0%}"
    )
    en = f"{covered} of {located} located towns lie within {given['within_km']:g} km of such a road"
    if located < universe:
        low, high = covered / universe, (covered + universe - located) / universe
        return Verdict(
            target,
            "unknown",
            f"{zh};应计 {universe} 个,其余没有坐标,真值在 {low:.0%} 与 {high:.0%} 之间;"
            "需要全部乡镇点位和公路技术等级。普通公路等级多为推定,仅供参考。",
            f"{en}; {universe} should count, so the true share lies between {low:.0%} and "
            f"{high:.0%}: positions of all towns and surveyed classes are needed.",
            value=value,
            share=value,
            margin=None if value is None else value - threshold,
        )
    grade = chosen["confidence"].ne("L").mean() if len(chosen) else 0.0
    return Verdict(
        target,
        "met" if (value or 0.0) >= threshold - 1e-9 else "not_met",
        f"{zh}。",
        f"{en}.",
        value=value,
        share=value,
        margin=None if value is None else value - threshold,
        evidence=_grade(grade),
    )


def _near_links(towns: Sequence[Place], links: pd.DataFrame, within_km: float) -> np.ndarray:
    """Return for each place whether one of the links ends there or runs within some km."""
    ends = set(links["from_node"]) | set(links["to_node"])
    if not len(links) or not towns:
        return np.zeros(len(towns), dtype=bool)
    squeeze = float(np.cos(np.radians(np.mean([town.lat for town in towns]))))
    lines = shapely.transform(links.geometry.to_numpy(), lambda xy: xy * [squeeze, 1.0])
    tree = shapely.STRtree(lines)
    points = shapely.points([[town.lon * squeeze, town.lat] for town in towns])
    feet = shapely.shortest_line(points, lines[tree.nearest(points)])
    xy = shapely.get_coordinates(feet).reshape(-1, 4) / [squeeze, 1.0, squeeze, 1.0]
    near = straight_km(*xy.T) <= within_km
    return near | np.array([town.place_id in ends for town in towns])


def _network_length(target: Target, case: Case) -> Verdict:
    from spatialplan import boundaries

    given = target.parameters
    counties = boundaries.counties([int(code) for code in given["counties"]])
    links = case.network.links
    chosen = links[links["class"].isin(given["classes"]) & (links["mode"] == "road")]
    lines = chosen.geometry.to_numpy()
    area = shapely.union_all(counties.geometry.to_numpy())
    shapely.prepare(area)
    inside = shapely.length(shapely.intersection(lines, area)) / shapely.length(lines)
    km = chosen["length_km"].to_numpy() * inside
    value, threshold = float(km.sum()), float(target.threshold)
    basis = chosen["length_basis"].isin(["published", "pro_rata"]).to_numpy()
    published = float(km[basis].sum() / max(value, 1e-9))
    by_class = {
        CLASSES[name]: float(km[(chosen["class"] == name).to_numpy()].sum())
        for name in given["classes"]
    }
    parts = ";".join(f"{name[0]} {length:.0f} km" for name, length in by_class.items())
    parts_en = "; ".join(f"{name[1]} {length:.0f} km" for name, length in by_class.items())
    short = threshold - value
    return Verdict(
        target,
        "met" if value >= threshold else "not_met",
        f"本路网界内合计 {value:.0f} km({parts}),"
        + (f"还差 {short:.0f} km" if short > 0 else f"超出 {-short:.0f} km")
        + f";跨界路段按界内画线比例计;{published:.0%} 有公布里程依据。",
        f"{value:.0f} km inside the counties ({parts_en}); links across the boundary count by the "
        f"share drawn inside; {published:.0%} rests on published mileage.",
        value=value,
        share=value / threshold,
        margin=-short,
        evidence=_grade(published),
    )


def _grade(published: float) -> str:
    if published >= PUBLISHED_FROM:
        return "published"
    return "mixed" if published >= MIXED_FROM else "estimated"


# --- statistics and sentences without a criterion ----------------------------------------------


def _statistic(target: Target, _: Case) -> Verdict:
    given = target.parameters
    areas = given.get("areas") or {given.get("area"): target.threshold}
    rows = {code: _published(int(code), given["indicator"], target.year) for code in areas}
    missing = [code for code, row in rows.items() if row is None]
    good = {c: rows[c]["value"] >= areas[c] for c in areas if rows[c] is not None}
    single = rows[next(iter(rows))] if len(areas) == 1 else None
    share = float(np.mean(list(good.values()))) if good and not missing else None
    value = None if single is None else float(single["value"])
    margin = None if value is None else value - float(next(iter(areas.values())))
    failed = bool(good) and not all(good.values())
    verdict = "not_met" if failed else "unknown" if missing else "met"
    zh, en = _statistic_words(target, areas, rows, missing)
    known = [row for row in rows.values() if row is not None]
    evidence = "published" if known and not missing else "mixed" if known else "estimated"
    return Verdict(target, verdict, zh, en, value, share, margin, None, evidence)


def _published(code: int, indicator: str, year: int | None) -> pd.Series | None:
    if year is None:
        return statistic.latest(code, indicator)
    return statistic.of_year(code, indicator, year)


def _statistic_words(
    target: Target, areas: Mapping, rows: Mapping, missing: Sequence
) -> tuple[str, str]:
    zh, en = [], []
    for code, row in rows.items():
        if row is not None:
            zh.append(
                f"{row['area_zh']} {row['year']} 年 {row['value']:g} {row['unit']}"
                f"(要求 {areas[code]:g};{row['source']})"
            )
            en.append(f"{row['area_zh']} {row['year']}: {row['value']:g} (wanted {areas[code]:g})")
    if missing:
        when = f" {target.year} 年的" if target.year else ""
        zh.append(f"没有找到{when}公布值,缺 {len(missing)} 个地区的数据,不作推测")
        en.append(f"no published value{f' of {target.year}' if target.year else ''} was found")
        newest = statistic.latest(int(missing[0]), target.parameters["indicator"])
        if newest is not None:
            zh.append(f"最近的公布值:{newest['year']} 年 {newest['value']:g} {newest['unit']}")
            en.append(f"newest published: {newest['year']}, {newest['value']:g} {newest['unit']}")
    return ";".join(zh) + "。", "; ".join(en) + "."


def _qualitative(target: Target, _: Case) -> Verdict:
    zh = target.parameters.get("needs_zh") or "可计算的标准"
    en = target.parameters.get("needs_en") or "a criterion that can be computed"
    return Verdict(
        target,
        "unknown",
        f"文件没有给出可计算的标准;{zh}。",
        f"The document gives no criterion: {en}.",
    )


# --- layers, screening, borders ------------------------------------------------------------------


def _coverage(target: Target, case: Case) -> Verdict:
    from spatialplan import coverage

    given = target.parameters
    method = str(given.get("method") or "straight")
    wanted = [str(given["area_layer"]), str(given["point_layer"])]
    wanted += [str(given.get("way_layer") or "walk_network")] if method == "walk" else []
    missing = [name for name in wanted if name not in case.layers]
    if missing:
        asked = " ".join(f"--layer {name}=文件" for name in missing)
        return Verdict(
            target,
            "unknown",
            f"缺少图层 {'、'.join(missing)};请用 {asked} 提供(任何 GIS 面、点、线图层)。",
            f"Layers missing: {', '.join(missing)}; give them with --layer NAME=FILE.",
        )
    area, points, *ways = (case.layers[name] for name in wanted)
    found = coverage.covered(
        area, points, float(given["distance_m"]), ways=ways[0] if ways else None
    )
    zh, en = coverage.METHODS[method]
    threshold = float(target.threshold)
    return Verdict(
        target,
        "met" if found.share >= threshold - 1e-9 else "not_met",
        f"建成区 {found.area_km2:.2f} km² 中 {found.covered_km2:.2f} km² 在 {found.points} 个点的 "
        f"{given['distance_m']:g} 米内({zh}),占 {found.share:.1%}。",
        f"{found.covered_km2:.2f} of {found.area_km2:.2f} km² lie within {given['distance_m']:g} m "
        f"of {found.points} points ({en}): {found.share:.1%}.",
        value=found.share,
        share=found.share,
        margin=found.share - threshold,
        evidence="published",
    )


def _screening(target: Target, _: Case) -> Verdict:
    """List the counties that pass a rule of figures; what is no figure stays open."""
    from spatialplan import boundaries

    given = target.parameters
    year = int(given.get("year_of_figures") or target.year or 2020)
    counties = [int(code) for code in given["counties"]]
    names = boundaries.counties(counties)["name_zh"]
    passing, failing, unknown = [], [], []
    for code in counties:
        results = [_passes(rule, code, year) for rule in given["rules"]]
        name = str(names[code])
        if False in results:
            failing.append(name)
        elif None in results:
            unknown.append(name)
        else:
            passing.append(name)
    rest_zh = given.get("not_computable_zh") or ""
    rest_en = given.get("not_computable_en") or ""
    share = len(passing) / len(counties)
    zh = f"按 {year} 年数据,符合的 {len(passing)} 个:{'、'.join(passing) or '无'}"
    zh += f";缺数据的 {len(unknown)} 个:{'、'.join(unknown)}" if unknown else ""
    zh += f";其余 {len(failing)} 个不符合"
    en = f"{len(passing)} of {len(counties)} counties pass on the figures of {year}"
    en += f", {len(unknown)} lack figures" if unknown else ""
    if rest_zh:
        zh, en = f"{zh};{rest_zh}无法计算", f"{en}; {rest_en} cannot be computed"
    open_question = bool(unknown or rest_zh)
    return Verdict(
        target,
        "unknown" if open_question else "met",
        f"{zh}。",
        f"{en}.",
        value=float(len(passing)),
        share=share,
        evidence="mixed",
    )


def _passes(rule: Mapping[str, Any], code: int, year: int) -> bool | None:
    """Return whether a county keeps a rule, None when a figure is not known."""
    found = statistic.figure(code, rule["indicator"], year)
    limits = []
    for key in ("above", "below"):
        limit = rule.get(key)
        if isinstance(limit, Mapping):
            other = statistic.figure(int(limit["area"]), limit["indicator"], year)
            if other is None:
                return None
            limit = other[0]
        limits.append(limit)
    if found is None:
        return None
    above, below = limits
    return (above is None or found[0] > above) and (below is None or found[0] < below)


def _border_class(target: Target, case: Case) -> Verdict:
    """Compare the best road on both sides of each border crossing."""
    links, nodes = case.network.links, case.network.nodes
    roads = links[links["mode"] == "road"]
    even, uneven, unknown = [], [], []
    for place in case.places(target.parameters["borders"]):
        node = place.place_id
        sides: dict[int, list[str]] = {}
        for near, far in (("from_node", "to_node"), ("to_node", "from_node")):
            at = roads[roads[near] == node]
            for other, name in zip(at[far], at["class"], strict=True):
                point = nodes.geometry[other]
                sides.setdefault(_province(case, other, point), []).append(name)
        best = {side: min(names, key=_CLASS_RANK.index) for side, names in sides.items()}
        if len(best) < 2:
            unknown.append(place.name_zh)
        elif len(set(best.values())) == 1:
            even.append(place.name_zh)
        else:
            grades = "/".join(CLASSES[name][0] for name in best.values())
            uneven.append(f"{place.name_zh}({grades})")
    total = len(even) + len(uneven) + len(unknown)
    share = len(even) / total if total else None
    threshold = float(target.threshold)
    verdict = "not_met" if uneven else "unknown" if unknown or not total else "met"
    if verdict == "not_met" and share is not None and share >= threshold:
        verdict = "met"
    return Verdict(
        target,
        verdict,
        f"{total} 处省界接口中两侧同等级 {len(even)} 处"
        + (f";不同的:{'、'.join(uneven)}" if uneven else "")
        + (f";缺一侧道路的:{'、'.join(unknown)}" if unknown else "")
        + "。普通公路等级多为推定,仅供参考。",
        f"{len(even)} of {total} border crossings have one class on both sides; most classes of "
        "ordinary roads are assumed.",
        value=share,
        share=share,
        margin=None if share is None else share - threshold,
    )


_CLASS_RANK = list(CLASSES)


def _province(case: Case, node: str, point: shapely.Point) -> int:
    """Return the first two digits of the code of the county that a node lies in."""
    if node in case.gazetteer and case.gazetteer[node].adcode:
        return int(case.gazetteer[node].adcode) // 10000
    from spatialplan import boundaries

    counties = boundaries.counties()
    inside = counties.index[counties.geometry.contains(point)]
    return int(inside[0]) // 10000 if len(inside) else 0


# --- the metrics -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Metric:
    """How a metric is computed, and which parameters it must have."""

    evaluate: Callable[[Target, Case], Verdict]
    needs: tuple[str, ...] = ()


_METRICS = {
    "travel_time": _Metric(_travel_time, ("origins", "destinations", "threshold")),
    "all_pairs_time": _Metric(_all_pairs_time, ("places", "threshold")),
    "time_to_interchange": _Metric(_time_to_interchange, ("origins", "threshold")),
    "interchange_in_county": _Metric(_interchange_in_county, ("counties", "threshold")),
    "class_coverage": _Metric(_class_coverage, ("places", "classes", "within_km", "threshold")),
    "network_length": _Metric(_network_length, ("counties", "classes", "threshold")),
    "statistic": _Metric(_statistic, ("indicator",)),
    "coverage": _Metric(_coverage, ("area_layer", "point_layer", "distance_m", "threshold")),
    "screening": _Metric(_screening, ("rules", "counties")),
    "border_class": _Metric(_border_class, ("borders", "threshold")),
    "qualitative": _Metric(_qualitative),
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


def changed_pairs(after: Verdict, before: Verdict, least: float = 0.5) -> list[tuple[Pair, Pair]]:
    """Return the trips, after and before, whose minutes differ by at least so many."""
    old = {_unit_key(after.target, pair): pair for pair in before.pairs}
    found = []
    for pair in after.pairs:
        twin = old.get(_unit_key(after.target, pair))
        if twin and _differ(pair.minutes, twin.minutes, least):
            found.append((pair, twin))
    return found


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
