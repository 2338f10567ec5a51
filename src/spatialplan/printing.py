"""Results as text for the terminal, Chinese first, lined up by display width."""

from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd

from spatialplan.assessment import Assessment
from spatialplan.network import Network
from spatialplan.palette import STATUS_NAMES
from spatialplan.plan import Plan, Target
from spatialplan.script import beside
from spatialplan.standards import CLASSES
from spatialplan.targets import EVIDENCE_NAMES, VERDICT_NAMES, Verdict, changed_pairs, differs

__all__ = ["assessment_text", "network_text", "plan_text", "text_table"]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def text_table(frame: pd.DataFrame) -> str:
    """Return a table as aligned text."""
    cells = [[str(name) for name in frame.columns]]
    cells += [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(
            text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def assessment_text(found: Assessment) -> str:
    """Return each verdict with its value and reason, and what changed."""
    now = found.situation
    titles = " ".join(dict.fromkeys([now.title_zh, now.title_en]))
    what = "路网 network" if now.scenario is None else "情景 scenario"
    head = [
        f"{what}: {titles} [{now.network.name}]",
        f"路网日期 date: {now.network.date or '–'}    车速 profile: {now.profile.title_zh}",
    ]
    if found.before:
        head.append(f"对比 against: {found.before.title_zh} [{found.before.network.name}]")
    before = found.verdicts_before or (None,) * len(found.verdicts)
    blocks = [
        _verdict_text(verdict, old) for verdict, old in zip(found.verdicts, before, strict=True)
    ]
    return "\n".join([*head, "", *blocks, _summary(found)])


def _verdict_text(verdict: Verdict, old: Verdict | None) -> str:
    target = verdict.target
    zh, en = VERDICT_NAMES[verdict.verdict]
    threshold = "" if target.threshold is None else f"(目标 {_amount(target.threshold, target)})"
    value = "–" if verdict.value is None else _amount(verdict.value, target)
    lines = [
        f"{target.key}  【{zh} {en}】 {value}{threshold}",
        f"    {target.title_zh}  {target.title_en}",
        f"    {verdict.reason_zh} [{EVIDENCE_NAMES[verdict.evidence][0]}]",
    ]
    if target.note_zh:
        lines.append(f"    说明 note: {target.note_zh}")
    if old is not None:
        lines += _change_lines(verdict, old)
    return "\n".join(lines)


def _amount(value: float, target: Target) -> str:
    if target.unit == "share":
        return f"{value:.0%}"
    return f"{value:.1f}".removesuffix(".0") + (f" {target.unit}" if target.unit else "")


def _change_lines(verdict: Verdict, old: Verdict) -> list[str]:
    pairs = changed_pairs(verdict, old)
    value = "–" if old.value is None else _amount(old.value, verdict.target)
    if not differs(verdict, old):
        return ["    对比 before: 无变化 no change"]
    lines = [f"    对比 before: {VERDICT_NAMES[old.verdict][0]} {value}"]
    for after, earlier in pairs[:12]:
        lines.append(
            f"      {after.origin.name_zh}–{after.destination.name_zh}: "
            f"{_minutes(earlier.minutes)} → {_minutes(after.minutes)} 分钟 min"
        )
    if len(pairs) > 12:
        lines.append(f"      …另有 {len(pairs) - 12} 对 more")
    return lines


def _minutes(value: float) -> str:
    return "不通" if pd.isna(value) else f"{value:.1f}"


def _summary(found: Assessment) -> str:
    counts = pd.Series([verdict.verdict for verdict in found.verdicts]).value_counts()
    parts = [f"{zh} {counts.get(key, 0)}" for key, (zh, _) in VERDICT_NAMES.items()]
    text = f"合计 {len(found.verdicts)} 项: {'、'.join(parts)}"
    return f"{text};有变化 {len(found.changed)} 项" if found.before else text


def plan_text(plan: Plan) -> str:
    """Return a plan's elements, targets and projects as text."""
    lines = [f"{plan.title_zh}  {plan.title_en}", f"{plan.issuer} {plan.number} {plan.date}"]
    for structure in plan.structures:
        lines.append(f"\n{structure or '其他 other'}")
        for element in plan.elements:
            if element.structure == structure:
                mark = " (推定 inferred)" if element.inferred else ""
                members = "、".join(element.members)
                lines.append(
                    f"  {element.id}  {element.name_zh} {element.name_en}{mark}: {members}"
                )
    lines.append("\n目标 targets")
    for target in plan.targets:
        lines.append(f"  {target.key}  {target.title_zh}  “{target.cite.quote}”")
        other = beside(target.cite.quote)
        if other:
            lines.append(f"      (简体 Simplified:“{other}”)")
    lines.append("\n项目 projects")
    for project in plan.projects:
        dates = (
            f"承诺 {project.promised or '未定'}、通车 {project.opened or project.expected or '–'}"
        )
        lines.append(
            f"  {project.key}  {project.name_zh} {STATUS_NAMES[project.status][0]}({dates})"
        )
    return "\n".join(lines)


TURN_NAMES = {
    "left_turn": "左转",
    "right_turn": "右转",
    "straight_on": "直行",
    "u_turn": "掉头",
    "entry": "驶入",
    "exit": "驶出",
}


def _turns_text(network: Network, detours: pd.DataFrame | None) -> list[str]:
    """Return which turn restrictions there are, what they change, and which count for nothing."""
    table, turns = network.restrictions, network.turns
    if table.empty:
        return []
    kinds = "、".join(
        f"{zh} {kind} {(turns['kind'] == kind).sum()}{_signs_text(turns[turns['kind'] == kind])}"
        for kind, zh in (("no", "禁止"), ("only", "只许"))
    )
    by_way = (turns["via_links"] != "").sum()
    lines = [f"转向限制 turn restrictions: {kinds};其中途经路段 by way of roads {by_way}"]
    # What became of a link that was cut counts, and the whole link sleeps.
    living = (table["restriction_id"] != "") & table["restriction_id"].isin(turns["restriction_id"])
    asleep = len(table.index.difference(turns.index).difference(table.index[living]))
    if asleep:
        lines.append(f"  未生效(路段不在路网中或不相接)not applied {asleep}")
    return [*lines, *_detours_text(detours)]


def _signs_text(turns: pd.DataFrame) -> str:
    """Return how many restrictions there are of each tag of OpenStreetMap, if there are tags."""
    signs = turns["tag"].str.replace("^(no|only)_", "", regex=True).value_counts()
    parts = [f"{TURN_NAMES[s]} {s} {n}" for s, n in signs.items() if s in TURN_NAMES]
    return f"({'、'.join(parts)})" if parts else ""


def _detours_text(detours: pd.DataFrame | None) -> list[str]:
    """Return what the ways round forbidden turns take."""
    if detours is None or detours.empty:
        return []
    extra = detours["extra"].to_numpy()
    never, longer = np.isinf(extra), np.isfinite(extra) & (extra > 0.01)
    parts = [f"  影响 effect: 查看所禁转弯 forbidden turns looked at {len(extra)} 处"]
    if longer.any():
        middle, most = np.median(extra[longer]), extra[longer].max()
        parts.append(
            f"要绕行 make a detour {longer.sum()}"
            f"(中位 median {middle:.1f} 分 min,最多 most {most:.1f} 分 min)"
        )
    if never.any():
        parts.append(f"一小时内绕不到 no way within an hour {never.sum()}")
    if not (longer | never).all():
        parts.append(f"不影响最快路线 fastest way untouched {(~longer & ~never).sum()}")
    return ["、".join(parts)]


def network_text(network: Network, detours: pd.DataFrame | None = None) -> str:
    """Return what a network holds: by class and status, its parts, how well it is known.

    `detours` as `spatialplan.detours.detours` returns them.
    """
    links = network.links
    table = links.assign(
        等级=links["class"].map({name: zh for name, (zh, _) in CLASSES.items()}),
        状态=links["status"].map({name: zh for name, (zh, _) in STATUS_NAMES.items()}),
    )
    sums = table.groupby(["等级", "状态"], sort=False)["length_km"].agg(["count", "sum"])
    sums = sums.reset_index().rename(columns={"count": "段 links", "sum": "km"})
    parts = network.components()
    basis = links.groupby("length_basis")["length_km"].sum() / links["length_km"].sum()
    size = f"节点 nodes {len(network.nodes)}、路段 links {len(links)}"
    shares = "、".join(f"{name or '未注明'} {share:.0%}" for name, share in basis.items())
    return "\n".join(
        [
            f"{network.name}  {network.date or '各年 all years'}",
            f"{size}、{links['length_km'].sum():.0f} km",
            f"公路连通部分 road components: {len(parts)}(最大 {max(parts, default=0)} 个节点)",
            f"里程依据 length basis: {shares}",
            *_turns_text(network, detours),
            "",
            text_table(sums),
        ]
    )
