"""Metrics of trips: how long they take, whether they could ever be short enough, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from spatialplan import travel
from spatialplan.bounds import Bound, bound
from spatialplan.network import EXPRESSWAY, SURFACE, Network
from spatialplan.places import Place
from spatialplan.plan import Target
from spatialplan.standards import CLASSES, LEGAL_MAX_KMH
from spatialplan.travel import Route
from spatialplan.verdict import Basis, Case, Pair, Verdict

__all__ = ["all_pairs_time", "gates", "pair_of", "time_to_interchange", "travel_time"]


def travel_time(target: Target, case: Case) -> Verdict:
    """Judge the time to each destination, from its nearest origin or from every one."""
    given = target.parameters
    origins, destinations = case.places(given["origins"]), case.places(given["destinations"])
    riding = given.get("measure") == "in_vehicle" and _are_stations([*origins, *destinations])
    graph = case.rides if riding else case.graph
    if given.get("rule", "nearest") == "nearest":
        found = travel.nearest(graph, origins, destinations, mode=target.mode)
        # The nearest in time need not be the nearest in space: the bound is over all origins.
        pairs = [pair_of(target, case, r, origins) for r in found if r.origin != r.destination]
    else:
        found = travel.routes(graph, origins, destinations, mode=target.mode)
        pairs = [pair_of(target, case, r, [r.origin]) for r in found if r.origin != r.destination]
    return _judge_trips(target, case, pairs)


def _are_stations(chosen: Sequence[Place]) -> bool:
    return all(place.kind == "station" for place in chosen)


def all_pairs_time(target: Target, case: Case) -> Verdict:
    """Judge the time between every two of some places, the slower way counting."""
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
        target, case, [pair_of(target, case, route, [route.origin]) for route in slower.values()]
    )


def time_to_interchange(target: Target, case: Case) -> Verdict:
    """Judge the time from each place to the nearest way onto an expressway."""
    found_gates = gates(case.network, bool(target.parameters.get("include_class1")))
    origins = case.places(target.parameters["origins"])
    if not len(found_gates):
        beyond = case.beyond(origins)
        zh, en = beyond_words(beyond) if beyond else ("", "")
        return Verdict(
            target,
            "unknown" if beyond else "not_met",
            f"路网中没有互通{f';{zh}' if zh else ''}。",
            f"No interchange in the network{f'; {en}' if en else ''}.",
        )
    ends = [_gate(case, str(node), row) for node, row in found_gates.iterrows()]
    found = travel.nearest(case.graph, origins, ends, per="origin")
    pairs = [pair_of(target, case, route, []) for route in found]
    return _judge_trips(target, case, pairs)


def _gate(case: Case, node: str, row: pd.Series) -> Place:
    """Return an interchange as a place: the gazetteer's, or a bare one where an edit made it."""
    if node in case.gazetteer:
        return case.gazetteer[node]
    return Place(row["name_zh"] or node, row.geometry.x, row.geometry.y, node, confidence="L")


def gates(network: Network, include_class1: bool) -> pd.DataFrame:
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


def pair_of(target: Target, case: Case, route: Route, origins: Sequence[Place]) -> Pair:
    """Return a route as a pair, with the least minutes that any road could take."""
    in_vehicle = target.parameters.get("measure") == "in_vehicle"
    minutes = route.in_vehicle if in_vehicle else route.minutes
    minutes = float(minutes) if np.isfinite(minutes) else np.nan
    modes = "rail" if in_vehicle else "road" if target.mode == "road" else "all"
    if in_vehicle and not _are_stations([route.origin, route.destination]):
        origins = []  # how far one drives to the train is open: no bound on the ride
    least = min(
        (bound(case.ceilings, origin, route.destination, modes) for origin in origins),
        key=lambda found: found.minutes,
        default=Bound(0.0, 0.0, np.nan, route.origin),
    )
    met = bool(minutes <= float(target.threshold or 0.0) + 1e-9)
    return Pair(route.origin, route.destination, minutes, route.km, met, least, route)


def _judge_trips(target: Target, case: Case, pairs: Sequence[Pair]) -> Verdict:
    if not pairs:
        return Verdict(target, "unknown", "没有可计算的起讫点。", "No trips to compute.")
    needed = float(target.parameters.get("share") or 1.0)
    threshold = float(target.threshold or 0.0)
    share = float(np.mean([pair.met for pair in pairs]))
    possible = float(np.mean([pair.lower_bound <= threshold for pair in pairs]))
    # Where the network tells nothing a trip may be as fast as can be.
    beyond = case.beyond(end for pair in pairs for end in (pair.origin, pair.destination))
    hidden = {pair for pair in pairs if {pair.origin, pair.destination} & set(beyond)}
    best = float(np.mean([pair.met or pair in hidden for pair in pairs]))
    if share >= needed - 1e-9:
        verdict = "met"
    elif possible < needed - 1e-9:
        verdict = "impossible"
    else:
        verdict = "not_met" if best < needed - 1e-9 else "unknown"
    # What decides: the slowest trip, or the slowest of the share that must be in time.
    last = max(int(np.ceil(needed * len(pairs) - 1e-9)), 1) - 1
    deciding = float(np.sort([pair.minutes for pair in pairs])[last])  # NaN come last
    worst = None if np.isnan(deciding) else deciding
    basis = _length_basis(case, pairs)
    evidence = _trip_evidence(pairs, verdict, threshold, basis)
    reason = _trip_reason(target, case, pairs, hidden, verdict)
    if beyond:
        zh, en = beyond_words(beyond)
        reason = f"{reason[0]}{zh}。", f"{reason[1]} {en}."
    if basis is not None:
        zh, en = basis.words()
        reason = f"{reason[0]}路径里程中{zh}。", f"{reason[1]} Of the route km {en}."
    return Verdict(
        target,
        verdict,
        *reason,
        value=worst,
        share=share,
        margin=None if worst is None else threshold - worst,
        lower_bound=max(pair.lower_bound for pair in pairs),
        evidence=evidence,
        pairs=tuple(pairs),
    )


def beyond_words(places: Sequence[Place]) -> tuple[str, str]:
    """Return in words which places lie where the network tells nothing."""
    names = "、".join(place.name_zh for place in places[:3])
    zh = (
        f"{names}{f'等 {len(places)} 处' if len(places) > 3 else ''}在路网范围之外,请导入更大的范围"
    )
    return zh, f"{len(places)} places lie beyond the network: import a larger area"


def _trip_evidence(
    pairs: Sequence[Pair], verdict: str, threshold: float, basis: Basis | None
) -> str:
    """Return how well the verdict is founded."""
    if verdict == "impossible":
        # The proof needs two points and no road at all: one pair of known points is enough.
        beyond = [pair for pair in pairs if pair.lower_bound > threshold]
        proven = any(_known(p.bound.origin) and _known(p.destination) for p in beyond)
        return "published" if proven else "estimated"
    if basis is None:
        return "estimated"
    known = all(_known(place) for pair in pairs for place in (pair.origin, pair.destination))
    return basis.grade if known or basis.grade == "estimated" else "mixed"


def _known(place: Place) -> bool:
    return place.confidence != "L"


def _length_basis(case: Case, pairs: Sequence[Pair]) -> Basis | None:
    """Return what the km of the routes rest on, None when there is no route."""
    legs = [leg for pair in pairs for leg in pair.route.legs if leg.link >= 0]
    if not legs:
        return None
    links = case.network.links[["length_basis", "confidence"]]
    return Basis.of(links.iloc[[leg.link for leg in legs]], np.array([leg.km for leg in legs]))


def _trip_reason(
    target: Target, case: Case, pairs: Sequence[Pair], hidden: Collection[Pair], verdict: str
) -> tuple[str, str]:
    threshold = float(target.threshold or 0.0)
    met = [pair for pair in pairs if pair.met]
    lost = [pair for pair in pairs if np.isnan(pair.minutes) and pair not in hidden]
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
    proof = pair.bound
    what = "轨道和道路" if target.mode != "road" else "道路"
    legal = proof.km / LEGAL_MAX_KMH * 60.0
    slower = target.mode == "road" and proof.kmh < LEGAL_MAX_KMH
    zh = (
        f"不可能的证明:{proof.origin.name_zh}–{pair.destination.name_zh}直线 {proof.km:.1f} km,"
        f"按附近已建、在建和谋划的{what}中最高的设计速度 {proof.kmh:g} km/h 笔直行驶也要 "
        f"{proof.minutes:.1f} 分钟"
    )
    en = (
        f"proof: {proof.origin.name_en}–{pair.destination.name_en} is {proof.km:.1f} km in a "
        f"straight line; at {proof.kmh:g} km/h, the highest design speed near, built or proposed, "
        f"that is {proof.minutes:.1f} min"
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
    classes = case.network.links["class"].array
    km: dict[str, float] = {}
    other = 0.0
    for leg in route.legs:
        if leg.link >= 0:
            name = CLASSES[classes[leg.link]][0]
            km[name] = km.get(name, 0.0) + leg.km
        else:
            other += leg.minutes
    words = [f"{name} {value:.0f} km" for name, value in km.items() if value >= 0.5]
    return "、".join([*words, *([f"匝道、收费、候车等 {other:.0f} 分钟"] if other >= 0.5 else [])])
