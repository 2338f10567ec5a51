"""The panel beside a map: facts, verdicts, layer switches with their legend, what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup

from spatialplan import boundaries, offline
from spatialplan.layer import Layer
from spatialplan.layers import Scene
from spatialplan.palette import VERDICT
from spatialplan.script import wide
from spatialplan.standards import CLASSES
from spatialplan.targets import VERDICT_NAMES, changed_pairs

if TYPE_CHECKING:
    import pandas as pd

    from spatialplan.network import Network
    from spatialplan.targets import Verdict

__all__ = ["Change", "changes", "counts_text", "panel", "scenario_text"]

Sections = Mapping[str, Sequence[Layer]]

_SECTIONS = {
    "structure": ("规划结构", "Structure"),
    "targets": ("交通目标", "Targets"),
    "circles": ("交通圈", "Travel-time circles"),
    "network": ("路网", "Network"),
    "places": ("地点与境界", "Places and boundaries"),
}


def panel(
    scene: Scene,
    sections: Sections,
    before: tuple[Scene, Sections] | None = None,
    attribution: str = "",
) -> str:
    """Return the panel of a page as HTML; all text of the data is escaped.

    Parameters
    ----------
    scene, sections
        What the map shows, and its layers as `spatialplan.layers.layers_of` returns them.
    before
        The same of the map beside it, for a comparison.
    attribution
        Of the map tiles, when there are any.
    """
    earlier = before[0] if before else None
    template = jinja2.Environment(
        autoescape=True, trim_blocks=True, finalize=_in_chinese_marks
    ).from_string(offline.asset("panel.html"))
    return template.render(
        title_zh=scene.plan.title_zh,
        title_en=scene.plan.title_en,
        facts=_facts(scene, earlier),
        counts=_counts(scene.verdicts),
        changes=changes(earlier, scene) if earlier else None,
        sections=[
            _section(name, layers, scene, earlier)
            for name, layers in _merged(sections, before[1] if before else {})
            if layers or scene.verdicts
        ],
        notes=list(_notes(attribution, [scene, *before[:1]] if before else [scene])),
    )


def _in_chinese_marks(value: Any) -> Any:
    """Return what stands in the page for a value of the template."""
    return wide(value) if type(value) is str else value


def _merged(sections: Sections, before: Sections) -> Iterator[tuple[str, list[Layer]]]:
    """Yield the layers of each section: those of both maps, each key once."""
    for name, layers in sections.items():
        found = {layer.key: layer for layer in [*before.get(name, ()), *layers]}
        if found or name == "targets":
            yield name, list(found.values())


def scenario_text(scene: Scene) -> str:
    """Return the scenario's title in both languages."""
    names = dict.fromkeys((scene.scenario_zh, scene.scenario_en))  # a network has one name only
    return " ".join(text for text in names if text)


def _facts(scene: Scene, before: Scene | None) -> list[tuple[str, str]]:
    scenario = scenario_text(scene)
    dates = scene.network.date
    if before:
        scenario = f"前 {before.scenario_zh} → 后 {scene.scenario_zh}"
        dates = f"{before.network.date or '—'} → {dates or '—'}"
    rows = [
        ("发布 Issued", " ".join(t for t in (scene.plan.issuer, scene.plan.number) if t)),
        ("规划日期 Dated", scene.plan.date),
        ("情景 Scenario", scenario),
        ("路网日期 Network", dates),
        ("车速方案 Speeds", " ".join(t for t in (scene.profile_zh, scene.profile_en) if t)),
        ("制图日期 Drawn", scene.drawn_on.isoformat()),
    ]
    return [(name, value) for name, value in rows if value]


def _counts(verdicts: Sequence[Verdict]) -> list[dict]:
    counted = Counter(verdict.verdict for verdict in verdicts)
    return [
        {"zh": zh, "en": en, "number": counted[name], "colour": VERDICT[name]}
        for name, (zh, en) in VERDICT_NAMES.items()
        if counted[name]
    ]


def counts_text(verdicts: Sequence[Verdict]) -> str:
    """Return how many verdicts there are of each sort, in Chinese."""
    return " · ".join(f"{c['zh']} {c['number']}" for c in _counts(verdicts))


def _section(name: str, layers: list[Layer], scene: Scene, before: Scene | None) -> dict:
    zh, en = _SECTIONS[name]
    if name == "targets":
        earlier = {v.target.key: v for v in before.verdicts} if before else {}
        rows = [
            _target_row(number, verdict, layers, earlier.get(verdict.target.key))
            for number, verdict in enumerate(scene.verdicts)
        ]
    else:
        rows = [_layer_row(layer) for layer in layers]
    return {
        "zh": zh,
        "en": en,
        "open": name in scene.shown,
        "rows": rows,
        "note": _SECTION_NOTES.get(name),
    }


_SECTION_NOTES = {
    "structure": "虚线:走向或成员由本工具推断,规划原文未列明。 Dashed: inferred by us.",
    "targets": "勾选后在图上画出起讫点连线。 Tick to draw the trips.",
    "places": "空心点:位置为估计。 Hollow: estimated position.",
}


def _layer_row(layer: Layer) -> dict:
    legend = [
        {"svg": Markup(key.svg), "zh": key.zh, "en": key.en, "zoom": key.zoom} for key in layer.keys
    ]
    return {
        "key": layer.key,
        "zh": layer.zh,
        "en": layer.en,
        "shown": layer.shown,
        "legend": legend,
    }


def _target_row(
    number: int, verdict: Verdict, layers: list[Layer], earlier: Verdict | None
) -> dict:
    key = f"target{number}"
    found = [layer for layer in layers if layer.key == key]
    states = [earlier, verdict] if earlier and earlier.verdict != verdict.verdict else [verdict]
    return {
        "key": key,
        "switch": bool(found),
        "shown": bool(found) and found[0].shown,
        "code": verdict.target.id,
        "zh": verdict.target.title_zh,
        "verdicts": [
            {"zh": VERDICT_NAMES[v.verdict][0], "colour": VERDICT[v.verdict]} for v in states
        ],
        "detail": _detail(verdict, earlier),
        "reason": verdict.reason_zh,
    }


def _detail(verdict: Verdict, earlier: Verdict | None = None) -> str:
    target = verdict.target
    value = _amount(verdict.value, target.unit)
    if earlier and _amount(earlier.value, target.unit) != value:
        value = f"{_amount(earlier.value, target.unit) or '—'} → {value or '—'}"
    threshold = _amount(target.threshold, target.unit)
    parts = [
        f"现值 value {value}" if value else "",
        f"要求 required {threshold}" if threshold else "",
        "仅供参考 indicative" if verdict.evidence == "estimated" else "",
    ]
    return " · ".join(part for part in parts if part)


def _amount(value: Any, unit: str) -> str:
    if value is None or not np.isfinite(value):
        return ""
    if unit == "share":
        return f"{value:.0%}"
    names = {"min": "分钟"}
    return f"{value:.1f}".removesuffix(".0") + f" {names.get(unit, unit)}".rstrip()


def _notes(attribution: str, scenes: Sequence[Scene]) -> Iterator[str]:
    scene = scenes[0]
    yield f"{boundaries.NOTE_ZH}。 {boundaries.NOTE_EN}."
    lacking = boundaries.lacking_words(scene.plan.area)
    if lacking:
        yield "{}。 {}.".format(*lacking)
    yield f"{boundaries.SOURCE_ZH}。 {boundaries.SOURCE_EN}."
    reserves = boundaries.reserves()
    for code in reserves.index[reserves.intersects(scene.window)]:
        name, english, note = boundaries.RESERVES[code]
        yield f"{name}:{note}。 {english}."
    yield "道路走向为示意,里程以属性为准。 Lines are schematic; lengths are those of the table."
    yield "用时按车速方案计算,不含拥堵。 Times follow the speed profile, without congestion."
    for owner in dict.fromkeys(scene.network.attribution for scene in scenes):
        if owner:
            yield f"路网数据 network data:{owner}"
    if attribution:
        yield f"底图 base map:{attribution}"


@dataclass(frozen=True)
class Change:
    """One line of what changed: `kind` is ``better``, ``worse`` or ``other``."""

    zh: str
    en: str
    kind: str = "other"


_RANK = {"impossible": 0, "not_met": 1, "unknown": 1, "met": 2}


def changes(before: Scene, after: Scene) -> list[Change]:
    """Return what differs between two scenes: verdicts and their pairs, then roads."""
    earlier = {verdict.target.key: verdict for verdict in before.verdicts}
    found = [
        change
        for verdict in after.verdicts
        if verdict.target.key in earlier
        for change in _verdict_changes(earlier[verdict.target.key], verdict)
    ]
    return [*found, *_link_changes(before, after)]


def _verdict_changes(before: Verdict, after: Verdict) -> list[Change]:
    target = after.target
    values = [_amount(verdict.value, target.unit) for verdict in (before, after)]
    if before.verdict == after.verdict and values[0] == values[1]:
        return []
    names = [VERDICT_NAMES[verdict.verdict] for verdict in (before, after)]
    moved = before.verdict != after.verdict
    zh = f"{names[0][0]} → {names[1][0]}" if moved else f"仍{names[1][0]}"
    en = f"{names[0][1]} → {names[1][1]}" if moved else f"still {names[1][1]}"
    value = f",{values[0] or '—'} → {values[1] or '—'}" if values[0] != values[1] else ""
    pairs = _pair_changes(before, after)
    kind = ("worse", "other", "better")[1 + np.sign(_gain(before, after))]
    return [Change(f"{target.id} {target.title_zh}:{zh}{value}", f"{en}. {pairs}", kind)]


def _gain(before: Verdict, after: Verdict) -> int:
    step = _RANK[after.verdict] - _RANK[before.verdict]
    if step or before.margin is None or after.margin is None:
        return int(np.sign(step))
    return int(np.sign(np.nan_to_num(after.margin - before.margin)))


def _pair_changes(before: Verdict, after: Verdict, limit: int = 6) -> str:
    """Return the trips whose minutes changed, those that crossed the threshold first."""
    pairs = sorted(changed_pairs(after, before), key=lambda pair: pair[0].met == pair[1].met)
    texts = [
        f"{now.origin.name_zh}→{now.destination.name_zh} "
        f"{_minutes(was.minutes)} → {_minutes(now.minutes)} 分"
        for now, was in pairs[:limit]
    ]
    more = f" 等 {len(pairs)} 对" if len(pairs) > limit else ""
    return ";".join(texts) + more


def _minutes(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else "不通"


def _link_changes(before: Scene, after: Scene) -> list[Change]:
    old, new = before.network.links, after.network.links
    common = new.index.intersection(old.index)
    columns = ["class", "design_speed_kmh", "length_km", "status"]
    was, now = (links.loc[common, columns].fillna(-1) for links in (old, new))
    changed = common[(was != now).any(axis=1)]
    found = [
        *_grouped(after.network, new.index.difference(old.index), "新增", "added"),
        *_grouped(before.network, old.index.difference(new.index), "停用", "closed"),
    ]
    for (ref, name, a, b), rows in new.loc[changed].groupby(
        [new.loc[changed, "ref"], new.loc[changed, "name_zh"], was.loc[changed, "class"],
         now.loc[changed, "class"]], sort=False,
    ):  # fmt: skip
        classes = f"{CLASSES[a][0]} → {CLASSES[b][0]}" if a != b else "车速、里程或状态"
        title = " ".join(filter(None, (ref, name)))
        km = rows["length_km"].sum()
        found.append(Change(f"修改 {title}:{classes},{km:.1f} km", f"modified, {len(rows)} links"))
    return found


def _grouped(network: Network, ids: pd.Index, zh: str, en: str) -> list[Change]:
    """Return one line for each road that came or went, the longest first."""
    links = network.links.loc[ids]
    found = []
    for (ref, name, cls), rows in links.groupby(["ref", "name_zh", "class"], sort=False):
        title = " ".join(filter(None, (ref, name))) or _ends(network, rows)
        km = rows["length_km"].sum()
        text = f"{zh} {title}({CLASSES[cls][0]}){km:.1f} km"
        found.append((km, Change(text, f"{en}, {CLASSES[cls][1]}, {len(rows)} links")))
    return [change for _, change in sorted(found, key=lambda pair: -pair[0])]


def _ends(network: Network, rows: pd.DataFrame) -> str:
    first, last = rows["from_node"].iloc[0], rows["to_node"].iloc[-1]
    names = network.nodes["name_zh"]
    return "–".join(names.get(node, "") or node for node in (first, last))
