"""Results as plain tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spatialplan import plan as plans
from spatialplan import scenario as scenarios
from spatialplan.assessment import Assessment
from spatialplan.files import atomic_path
from spatialplan.network import Network
from spatialplan.palette import VERDICT
from spatialplan.plan import Plan
from spatialplan.standards import CLASSES
from spatialplan.targets import EVIDENCE_NAMES, VERDICT_NAMES, Verdict, changed_pairs

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from spatialplan.travel import Route

__all__ = [
    "HEADINGS",
    "change_table",
    "matrix_table",
    "member_table",
    "outlook_table",
    "pair_table",
    "plan_table",
    "project_table",
    "route_table",
    "scenario_table",
    "shown",
    "verdict_table",
    "write_csv",
]

LEG_NAMES = {
    "access": "接入路网 access",
    "ramp": "匝道、收费 ramp, toll",
    "wait": "候车 wait",
    "leave": "出站 leave the station",
}
HEADINGS = {
    "id": "编号 id",
    "title_zh": "承诺",
    "verdict_zh": "结论 verdict",
    "verdict_before_zh": "原结论 before",
    "value": "算得 value",
    "value_before": "原值 before",
    "threshold": "目标值 wanted",
    "unit": "单位",
    "share": "达到的比例 share",
    "evidence_zh": "依据 basis",
    "reason_zh": "为什么",
    "target": "目标 target",
    "origin_zh": "自 from",
    "destination_zh": "至 to",
    "minutes": "分钟 min",
    "minutes_before": "原分钟 before",
    "change": "变化 change",
    "km": "公里 km",
    "km2": "面积 km²",
    "straight_km": "直线公里 straight",
    "lower_bound": "理论下限(分钟) bound",
    "met": "达到 met",
    "link_id": "路段 link",
    "ref": "路线 road",
    "name_zh": "名称 name",
    "class_zh": "等级 class",
    "element": "要素 element",
    "place": "地点 place",
    "promised": "承诺年 promised",
    "opened": "已通车 opened",
    "expected": "预计 expected",
    "evidence": "证据 evidence",
    "evidence_en": "英文 in English",
    "confidence": "可信度 confidence",
}
SCHEDULE_NAMES = {"as_built": ("按证据", "as built"), "as_planned": ("按规划", "as planned")}


def verdict_table(assessment: Assessment) -> pd.DataFrame:
    """Return one row for each target, as `check --format csv` has it."""
    rows = []
    before = assessment.verdicts_before or (None,) * len(assessment.verdicts)
    for verdict, old in zip(assessment.verdicts, before, strict=True):
        row = _verdict_row(verdict)
        if old is not None:
            row |= {
                "verdict_before": old.verdict,
                "verdict_before_zh": VERDICT_NAMES[old.verdict][0],
                "value_before": old.value,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _verdict_row(verdict: Verdict) -> dict:
    target = verdict.target
    return {
        "id": target.key,
        "title_zh": target.title_zh,
        "title_en": target.title_en,
        "reading_zh": target.reading_zh,
        "note_zh": target.note_zh,
        "note_en": target.note_en,
        "verdict": verdict.verdict,
        "verdict_zh": VERDICT_NAMES[verdict.verdict][0],
        "value": verdict.value,
        "threshold": target.threshold,
        "unit": target.unit,
        "share": verdict.share,
        "margin": verdict.margin,
        "lower_bound": verdict.lower_bound,
        "evidence": verdict.evidence,
        "evidence_zh": EVIDENCE_NAMES[verdict.evidence][0],
        "reason_zh": verdict.reason_zh,
        "reason_en": verdict.reason_en,
        "quote": target.cite.quote,
        "section": target.cite.section,
    }


def pair_table(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Return one row for each trip of each target; minutes are empty where there is no way."""
    columns = [
        "target",
        "origin",
        "destination",
        "origin_zh",
        "destination_zh",
        "minutes",
        "km",
        "straight_km",
        "lower_bound",
        "ceiling_kmh",
        "met",
    ]
    rows = [
        (
            verdict.target.key,
            pair.origin.key,
            pair.destination.key,
            pair.origin.name_zh,
            pair.destination.name_zh,
            pair.minutes,
            pair.km,
            pair.route.straight_km,
            pair.lower_bound,
            pair.bound.kmh,
            pair.met,
        )
        for verdict in verdicts
        for pair in verdict.pairs
    ]
    return pd.DataFrame(rows, columns=columns)


def matrix_table(times: pd.DataFrame, labels: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return travel times as `matrix` gives them out, to a thousandth of a minute or km.

    `labels` are columns that go before the others, of one value each.
    """
    table = times[["origin", "destination", "minutes", "km", "straight_km", "mode"]].round(3)
    for at, (name, value) in enumerate((labels or {}).items()):
        table.insert(at, name, pd.Categorical([value]).repeat(len(table)))
    return table


def change_table(found: Assessment) -> pd.DataFrame:
    """Return one row for each trip whose minutes differ between the two networks compared."""
    columns = ["target", "origin_zh", "destination_zh", "minutes_before", "minutes", "change"]
    rows = [
        (
            after.target.key,
            pair.origin.name_zh,
            pair.destination.name_zh,
            old.minutes,
            pair.minutes,
            pair.minutes - old.minutes,
        )
        for after, before in found.changed
        for pair, old in changed_pairs(after, before)
    ]
    return pd.DataFrame(rows, columns=columns)


def route_table(route: Route, network: Network) -> pd.DataFrame:
    """Return one row for each step of a route: road, class, km and minutes, in order."""
    links = network.links
    rows = []
    for leg in route.legs:
        ref, name, cls = "", LEG_NAMES.get(leg.kind, leg.kind), ""
        if leg.link_id:
            ref, name, cls = links.loc[leg.link_id, ["ref", "name_zh", "class"]]
        rows.append(
            (leg.kind, leg.link_id, ref, name, cls and CLASSES[cls][0], leg.km, leg.minutes)
        )
    columns = ["kind", "link_id", "ref", "name_zh", "class_zh", "km", "minutes"]
    return pd.DataFrame(rows, columns=columns)


def member_table(documents: Sequence[Plan], *structures: str) -> pd.DataFrame:
    """Return which places the documents count to which element.

    One row for each element and place, one column for each document: ``√`` when it names the
    place, ``(√)`` when it gives no list and the membership is inferred. `structures` keeps the
    elements of these formulas.
    """
    empty = dict.fromkeys([plan.id for plan in documents], "")
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for plan in documents:
        for element in plan.elements:
            for place_id in element.members if element.structure in structures else ():
                names = {"element": element.name_zh, "place": plan.gazetteer[place_id].name_zh}
                row = rows.setdefault((element.id, place_id), names | empty)
                row[plan.id] = "(√)" if element.inferred else "√"
    order = {key: number for number, key in enumerate(dict.fromkeys(key for key, _ in rows))}
    chosen = sorted(rows.items(), key=lambda item: order[item[0][0]])
    return pd.DataFrame([row for _, row in chosen], columns=["element", "place", *empty])


def outlook_table(assessments: Sequence[Assessment]) -> pd.DataFrame:
    """Return one row for each target, with its verdict (Chinese) in each situation."""
    rows: dict[str, dict[str, str]] = {}
    for found in assessments:
        for verdict in found.verdicts:
            target = verdict.target
            row = rows.setdefault(target.key, {"id": target.key, "title_zh": target.title_zh})
            row[found.situation.title_zh] = VERDICT_NAMES[verdict.verdict][0]
    return pd.DataFrame(list(rows.values()))


def shown(frame: pd.DataFrame, columns: str = "") -> Styler:
    """Return a table for a notebook: whole texts, short numbers, verdicts in their colours.

    Parameters
    ----------
    frame
        A table of this module, or any other.
    columns
        Names of the columns to show, in order, parted by spaces; by default all. The headings
        are bilingual where `HEADINGS` knows the name.
    """
    frame = _percent(frame)[columns.split()] if columns else _percent(frame)
    colours = {
        name: f"color: {VERDICT[verdict]}; font-weight: bold"
        for verdict, names in VERDICT_NAMES.items()
        for name in names
    }
    left = [("text-align", "left"), ("vertical-align", "top")]
    return (
        frame.rename(columns=HEADINGS)
        .reset_index(drop=True)
        .style.hide(axis="index")
        .format(_short, na_rep="–", escape="html")
        .format_index(axis="columns", escape="html")
        .map(lambda cell: colours.get(cell, "") if isinstance(cell, str) else "")
        .set_table_styles([{"selector": "th, td", "props": left}])
    )


def _percent(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose shares read as per cent."""
    if "unit" not in frame:
        return frame
    shares = frame["unit"] == "share"
    names = [name for name in ("value", "value_before", "threshold") if name in frame]
    frame = frame.astype(dict.fromkeys(names, object))
    for name in names:
        chosen = shares & frame[name].notna()
        frame.loc[chosen, name] = frame.loc[chosen, name].map("{:.0%}".format)
    return frame.assign(unit=frame["unit"].replace("share", ""))


def _short(value: object) -> object:
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


def write_csv(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as UTF-8 with a mark, so that Excel reads the Chinese right."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, encoding="utf-8-sig", float_format="%.6g")


def plan_table() -> pd.DataFrame:
    """Return one row for each built-in plan."""
    found = [plans.builtin(plan_id) for plan_id in plans.plan_ids()]
    return pd.DataFrame(
        {
            "id": [plan.id for plan in found],
            "规划 plan": [plan.title_zh for plan in found],
            "日期 date": [plan.date for plan in found],
            "要素 elements": [len(plan.elements) for plan in found],
            "目标 targets": [len(plan.targets) for plan in found],
            "项目 projects": [len(plan.projects) for plan in found],
        }
    )


def scenario_table() -> pd.DataFrame:
    """Return one row for each built-in scenario."""
    found = scenarios.scenarios()
    return pd.DataFrame(
        {
            "id": [scenario.id for scenario in found],
            "情景 scenario": [scenario.title_zh for scenario in found],
            "路网日期 date": [scenario.network_date for scenario in found],
            "进度 schedule": [SCHEDULE_NAMES[scenario.schedule][0] for scenario in found],
            "项目 projects": [len(scenarios.projects_of(scenario)) for scenario in found],
        }
    )


def project_table(plan: Plan) -> pd.DataFrame:
    """Return one row for each project of a plan: promise beside evidence."""
    columns = [
        "key",
        "name_zh",
        "name_en",
        "class",
        "status",
        "promised",
        "opened",
        "expected",
        "length_km",
        "evidence_zh",
        "evidence_en",
        "note_zh",
        "note_en",
        "confidence",
        "quote",
    ]
    rows = [
        (
            project.key,
            project.name_zh,
            project.name_en,
            project.cls,
            project.status,
            project.promised,
            project.opened,
            project.expected,
            project.length_km,
            project.evidence_zh,
            project.evidence_en,
            project.note_zh,
            project.note_en,
            project.confidence,
            project.cite.quote,
        )
        for project in plan.projects
    ]
    return pd.DataFrame(rows, columns=columns)
