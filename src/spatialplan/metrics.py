"""Metrics of roads, areas and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import statistic
from spatialplan.errors import InputError
from spatialplan.geodesy import straight_km
from spatialplan.places import Place
from spatialplan.plan import Target
from spatialplan.standards import CLASSES
from spatialplan.trips import beyond_words, gates
from spatialplan.verdict import MEASURED_BASES, Basis, Case, Verdict

if TYPE_CHECKING:
    from spatialplan.coverage import Coverage

__all__ = [
    "border_class",
    "class_coverage",
    "coverage_of_area",
    "figure_of_statistics",
    "interchange_in_county",
    "network_length",
    "qualitative",
    "screening",
]

TOWN_KM = 10.0  # built-up land this near a town's point is the town's


def _counties(adcodes: Sequence[int]) -> gpd.GeoDataFrame | None:
    """Return the polygons of counties; None when the data lack one (a new one, one abroad)."""
    from spatialplan import boundaries

    try:
        return boundaries.counties(adcodes)
    except InputError:
        return None


def _without_counties(target: Target, adcodes: Sequence[int]) -> Verdict:
    from spatialplan import boundaries

    known = boundaries.known(adcodes)
    missing = "、".join(str(code) for code in adcodes if code not in known)
    return Verdict(
        target,
        "unknown",
        f"界线数据中没有 {missing},无法判断道路在不在其中;请核对代码。",
        f"The boundary data have no county {missing}: check the code.",
    )


def interchange_in_county(target: Target, case: Case) -> Verdict:
    """Count the counties that have a way onto an expressway."""
    adcodes = [int(code) for code in target.parameters["counties"]]
    counties = _counties(adcodes)
    if counties is None:
        return _without_counties(target, adcodes)
    entries = gates(case.network, bool(target.parameters.get("include_class1")))
    having, lacking, hidden, sure = [], [], [], True
    for code in adcodes:
        inside = entries[entries.geometry.within(counties.geometry.loc[code])]
        name = str(counties.at[code, "name_zh"])
        if len(inside):
            having.append(f"{name}({'、'.join(inside['name_zh'].iloc[:2])})")
            sure &= bool((inside["confidence"] != "L").any())
        elif case.lacks(counties.geometry.loc[code]):
            hidden.append(name)
        else:
            lacking.append(name)
    share = len(having) / len(adcodes)
    best, wanted = share + len(hidden) / len(adcodes), float(target.threshold) - 1e-9
    return Verdict(
        target,
        "met" if share >= wanted else "not_met" if best < wanted else "unknown",
        f"{len(adcodes)} 个县市中 {len(having)} 个有互通"
        + (f":{'、'.join(having)}" if having else "")
        + (f";没有的:{'、'.join(lacking)}" if lacking else "")
        + (f";路网没有完整覆盖的:{'、'.join(hidden)}" if hidden else "")
        + "。互通位置多为估计。",
        f"{len(having)} of {len(adcodes)} counties have an interchange"
        + (f", {len(hidden)} are not covered by the network" if hidden else "")
        + "; most of their positions are estimates.",
        value=share,
        share=share,
        margin=share - float(target.threshold),
        evidence="mixed" if sure else "estimated",
    )


def class_coverage(target: Target, case: Case) -> Verdict:
    """Count the towns that have a road of some classes within some km."""
    given = target.parameters
    listed = case.places(given["places"])
    beyond = case.beyond(listed)
    towns = [place for place in listed if place not in beyond]
    links = case.network.links
    chosen = links[links["class"].isin(given["classes"])]
    near = _near_links(towns, chosen, float(given["within_km"]))
    if case.extent is None:  # in the built-in network a town's node is the town
        ends = set(chosen["from_node"]) | set(chosen["to_node"])
        near |= np.array([town.place_id in ends for town in towns], dtype=bool)
    covered, located = int(near.sum()), len(towns)
    universe = int(given.get("universe") or len(listed))
    value = covered / located if located else None
    threshold = float(target.threshold)
    names = "、".join(CLASSES[name][0] for name in given["classes"])
    zh = (
        f"已定位 {located} 个乡镇中 {covered} 个在 {given['within_km']:g} km 内有{names}"
        f",占 {value or 0:.0%}"
    )
    en = f"{covered} of {located} located towns lie within {given['within_km']:g} km of such a road"
    if beyond:
        more = beyond_words(beyond)
        zh, en = f"{zh};{more[0]}", f"{en}; {more[1]}"
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
    sure = chosen["confidence"] != "L"
    measured = chosen["length_basis"].isin(MEASURED_BASES)
    count = max(len(chosen), 1)
    basis = Basis((sure & ~measured).sum() / count, (sure & measured).sum() / count)
    return Verdict(
        target,
        "met" if (value or 0.0) >= threshold - 1e-9 else "not_met",
        f"{zh}。",
        f"{en}.",
        value=value,
        share=value,
        margin=None if value is None else value - threshold,
        evidence=basis.grade,
    )


def _near_links(towns: Sequence[Place], links: pd.DataFrame, within_km: float) -> np.ndarray:
    """Return for each place whether one of the links runs within some km."""
    if not len(links) or not towns:
        return np.zeros(len(towns), dtype=bool)
    squeeze = float(np.cos(np.radians(np.mean([town.lat for town in towns]))))
    lines = shapely.transform(links.geometry.to_numpy(), lambda xy: xy * [squeeze, 1.0])
    tree = shapely.STRtree(lines)
    points = shapely.points([[town.lon * squeeze, town.lat] for town in towns])
    feet = shapely.shortest_line(points, lines[tree.nearest(points)])
    xy = shapely.get_coordinates(feet).reshape(-1, 4) / [squeeze, 1.0, squeeze, 1.0]
    return straight_km(*xy.T) <= within_km


def network_length(target: Target, case: Case) -> Verdict:
    """Add up the km of some classes inside the counties."""
    given = target.parameters
    adcodes = [int(code) for code in given["counties"]]
    counties = _counties(adcodes)
    if counties is None:
        return _without_counties(target, adcodes)
    links = case.network.links
    chosen = links[links["class"].isin(given["classes"]) & (links["mode"] == "road")]
    lines = chosen.geometry.to_numpy()
    area = shapely.union_all(counties.geometry.to_numpy())
    shapely.prepare(area)
    inside = shapely.length(shapely.intersection(lines, area)) / shapely.length(lines)
    km = chosen["length_km"].to_numpy() * inside
    value, threshold = float(km.sum()), float(target.threshold)
    basis = Basis.of(chosen, km)
    founded = basis.words()
    by_class = {
        CLASSES[name]: float(km[(chosen["class"] == name).to_numpy()].sum())
        for name in given["classes"]
    }
    parts = ";".join(f"{name[0]} {length:.0f} km" for name, length in by_class.items())
    parts_en = "; ".join(f"{name[1]} {length:.0f} km" for name, length in by_class.items())
    short = threshold - value
    hidden = list(counties["name_zh"][[case.lacks(shape) for shape in counties.geometry]])
    if hidden:
        parts += f";路网没有完整覆盖 {'、'.join(hidden)},实际更长"
        parts_en += f"; {len(hidden)} counties are not covered by the network, so it is more"
    return Verdict(
        target,
        "met" if value >= threshold else "unknown" if hidden else "not_met",
        f"本路网界内合计 {value:.0f} km({parts}),"
        + (f"还差 {short:.0f} km" if short > 0 else f"超出 {-short:.0f} km")
        + f";跨界路段按界内画线比例计;里程{founded[0]}。",
        f"{value:.0f} km inside the counties ({parts_en}); links across the boundary count by the "
        f"share drawn inside; {founded[1]}.",
        value=value,
        share=value / threshold,
        margin=-short,
        evidence=basis.grade,
    )


def border_class(target: Target, case: Case) -> Verdict:
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


def coverage_of_area(target: Target, case: Case) -> Verdict:
    """Measure how much of the built-up area, of each town named, lies near the points."""
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
    towns = case.places(given["places"]) if given.get("places") else []
    parts = _parts_of_towns(area, towns) if towns else {"": area}
    metres = float(given["distance_m"])
    found = {
        name: coverage.covered(part, points, metres, ways=ways[0] if ways else None)
        for name, part in parts.items()
        if len(part)
    }
    return _coverage_verdict(target, found, [name for name in parts if name not in found])


def _parts_of_towns(area: gpd.GeoDataFrame, towns: Sequence[Place]) -> dict[str, gpd.GeoDataFrame]:
    """Return for each town the parts of a built-up area that lie around it."""
    centres = shapely.centroid(area.to_crs(4326).geometry.to_numpy())
    lon, lat = shapely.get_x(centres), shapely.get_y(centres)
    near = {t.name_zh: straight_km(t.lon, t.lat, lon, lat) <= TOWN_KM for t in towns}
    return {name: area[inside] for name, inside in near.items()}


def _coverage_verdict(
    target: Target, found: Mapping[str, Coverage], lacking: Sequence[str]
) -> Verdict:
    from spatialplan.coverage import METHODS

    given, threshold = target.parameters, float(target.threshold)
    zh, en = METHODS[str(given.get("method") or "straight")]
    words = [
        f"{name}建成区 {part.area_km2:.2f} km² 中 {part.covered_km2:.2f} km² 在站点 "
        f"{given['distance_m']:g} 米内({zh}),占 {part.share:.1%}"
        for name, part in found.items()
    ]
    words += [f"图层中没有{name}的建成区" for name in lacking]
    worst = min((part.share for part in found.values()), default=None)
    failed = worst is not None and worst < threshold - 1e-9
    total = sum(part.area_km2 for part in found.values())
    share = sum(part.covered_km2 for part in found.values()) / total if total else None
    return Verdict(
        target,
        "not_met" if failed else "unknown" if lacking or worst is None else "met",
        ";".join(words) + "。",
        f"Least share of a town within {given['distance_m']:g} m ({en}): "
        + (f"{worst:.1%}" if worst is not None else "none")
        + (f"; no built-up area of {len(lacking)} towns in the layer." if lacking else "."),
        value=worst,
        share=share,
        margin=None if worst is None else worst - threshold,
        evidence="published",
    )


def screening(target: Target, _: Case) -> Verdict:
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


def figure_of_statistics(target: Target, _: Case) -> Verdict:
    """Compare published figures with their thresholds; what nobody published is unknown."""
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
    # A figure at second hand is not as good as one from the bulletin.
    sound = not missing and all(row["confidence"] != "L" for row in known)
    evidence = "estimated" if not known else "published" if sound else "mixed"
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


def qualitative(target: Target, _: Case) -> Verdict:
    """Say what is missing where the document gives no criterion."""
    zh = target.parameters.get("needs_zh") or "可计算的标准"
    en = target.parameters.get("needs_en") or "a criterion that can be computed"
    return Verdict(
        target,
        "unknown",
        f"文件没有给出可计算的标准;{zh}。",
        f"The document gives no criterion: {en}.",
    )
