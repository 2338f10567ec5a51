"""The pages of the report: from a dossier to HTML. Every text is escaped by the templates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import jinja2
import numpy as np
import pandas as pd

import spatialplan
from spatialplan import boundaries, offline, scenario, ties
from spatialplan.assessment import Assessment
from spatialplan.dossier import (
    SCHEDULE_NAMES,
    Area,
    Chapter,
    Dossier,
    Outlook,
    amount,
    bare_title,
    differences,
    networks_of,
    prefectures,
    projects_in,
    projects_of,
    promised_year,
    years_late,
)
from spatialplan.ownnetwork import OwnNetwork
from spatialplan.palette import STATUS_NAMES, VERDICT
from spatialplan.plan import Element, Plan, Project
from spatialplan.script import beside, wide
from spatialplan.standards import CLASSES
from spatialplan.targets import EVIDENCE_NAMES, VERDICT_NAMES, Verdict, changed_pairs

__all__ = [
    "DOCUMENTS",
    "Download",
    "Picture",
    "chapter_page",
    "documents_page",
    "index_page",
    "map_name",
    "page_name",
    "style",
]

DOCUMENTS = "pages/documents.html"

MEANINGS = {
    "met": (
        "在这个路网上,要求已经满足。",
        "On this network the requirement holds.",
    ),
    "not_met": (
        "算出来的值没有达到要求,但也没有证明做不到。",
        "The value falls short, but nothing shows that it must.",
    ),
    "impossible": (
        "按附近道路(含在建和谋划)最高的设计速度走直线也超过时限,再修路也达不到。",
        "Even the straight line, at the highest design speed of any road near, takes longer.",
    ),
    "unknown": (
        "没有公布数据,或文件没有给出标准;不作猜测,有参考值的列出。",
        "No published data, or no criterion in the document; nothing is guessed.",
    ),
}
EVIDENCE_MARKS = {
    "published": ("●", "公布"),
    "measured": ("◉", "量测"),
    "mixed": ("◐", "混合"),
    "estimated": ("○", "估计"),
}
_SHADE = 0.13  # how much of a verdict's colour is in the ground of a cell
_CARD_LIMIT, _SHORT_CARD_LIMIT = 9, 2
_RINGS = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫"  # stand for the documents in tables


@dataclass(frozen=True)
class Picture:
    """A figure: its key, its path in the report's folder without suffix, and its titles."""

    key: str
    path: str
    zh: str
    en: str


@dataclass(frozen=True)
class Download:
    """A file of the report: its path in the folder, titles and size in bytes."""

    path: str
    zh: str
    en: str
    size: int


def page_name(chapter: Chapter, *, after: bool = False) -> str:
    """Return the path of a chapter's page in the report's folder."""
    return f"pages/{chapter.slug}{_suffix(chapter) if after else ''}.html"


def map_name(chapter: Chapter, *, after: bool = False) -> str:
    """Return the path of a chapter's map in the report's folder."""
    return f"maps/{chapter.slug}{_suffix(chapter) if after else ''}.html"


def _suffix(chapter: Chapter) -> str:
    assert chapter.after is not None
    return ".edits" if chapter.after.situation.applied else ".compared"


def style() -> str:
    """Return the style sheet, the shared colours in front."""
    colours = [
        f"--{name}: {colour}; --{name}-soft: {_tint(colour)};" for name, colour in VERDICT.items()
    ]
    return ":root { " + " ".join(colours) + " }\n" + offline.asset("report.css")


def _tint(colour: str) -> str:
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - (255 - part) * _SHADE):02x}" for part in parts)


@cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FunctionLoader(offline.asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters["number"] = _number
    found.filters["beside"] = beside
    return found


# Between Chinese characters punctuation is wide. Quotes stay as the documents have them.
_KEPT = re.compile(
    r'(<q>.*?</q>|<(?:span|small) class="(?:block )?en">[^<]*</|<[^>]*>|&#?\w+;)', re.DOTALL
)


def _render(template: str, **values: Any) -> str:
    return _typeset(_templates().get_template(template).render(**values))


def _typeset(html: str) -> str:
    """Return a page with wide punctuation in Chinese text."""
    parts = _KEPT.split(html)
    parts[::2] = [wide(text) for text in parts[::2]]
    return "".join(parts)


def _number(value: float | None, digits: int = 1, empty: str = "–") -> str:
    return empty if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def _shared(dossier: Dossier, root: str) -> dict[str, Any]:
    return {
        "root": root,
        "rings": _RINGS,
        "plans": dossier.plans,
        "edits": dossier.edits,
        "against": dossier.against,
        "compared": {"zh": dossier.compared, "sides": dossier.sides},
        "own": _own(dossier),
        "profile": dossier.profile,
        "version": spatialplan.__version__,
        "built_on": date.today().isoformat(),  # noqa: DTZ011 - the user's own calendar day
        "verdicts": {key: {"zh": zh, "en": en} for key, (zh, en) in VERDICT_NAMES.items()},
        "meanings": {key: {"zh": zh, "en": en} for key, (zh, en) in MEANINGS.items()},
        "statuses": {key: {"zh": zh, "en": en} for key, (zh, en) in STATUS_NAMES.items()},
        "evidence": {
            key: {
                "zh": zh,
                "en": en,
                "mark": EVIDENCE_MARKS[key][0],
                "short": EVIDENCE_MARKS[key][1],
            }
            for key, (zh, en) in EVIDENCE_NAMES.items()
        },
        "lacking": boundaries.lacking_words(
            dict.fromkeys(code for plan in dossier.plans for code in plan.area)
        ),
        "boundary_note": {"zh": boundaries.NOTE_ZH, "en": boundaries.NOTE_EN},
        "boundary_source": {"zh": boundaries.SOURCE_ZH, "en": boundaries.SOURCE_EN},
    }


# --- a network of the user's own -----------------------------------------------------------------

_TOLD_AT_MOST = 30  # names of places in one sentence


def _own(dossier: Dossier) -> dict | None:
    """Return what is told of a network of the user's own: itself, its ties, what is left out."""
    own = dossier.own
    if own is None:
        return None
    links, file = own.known.links, own.known.file
    km = links.groupby("class")["length_km"].agg(["size", "sum"])
    saved = date.fromtimestamp(file.stat().st_mtime) if file and file.is_file() else None  # noqa: DTZ012
    return {
        "name": own.known.name,
        "file": file.name if file else "",
        "saved": saved.isoformat() if saved else "",
        "day": own.day,
        "links": len(links),
        "nodes": len(own.known.nodes),
        "km": links["length_km"].sum(),
        "credit": own.known.attribution,
        "classes": [
            {"zh": zh, "en": en, "links": km.at[name, "size"], "km": km.at[name, "sum"]}
            for name, (zh, en) in CLASSES.items()
            if name in km.index
        ],
        "omitted": [{"zh": zh, "en": en} for zh, en in dossier.omitted],
        "days": [
            {"zh": item.title_zh, "notes": network.notes}
            for item, network in networks_of(dossier)
            if network.notes
        ],
        "ties": _tie_rows(own),
        "counts": "、".join(
            f"{ties.HOW[how][0]} {count}"
            for how, count in own.tied.table["how"].value_counts().items()
        ),
    }


def _tie_rows(own: OwnNetwork) -> list[dict]:
    """Return the ties of places, what wants a look first."""
    table = own.tied.table
    odd = table["how"].isin(["far", "shared"]) | (table["km"] > 1.0)
    return [
        {
            "name": row.name_zh,
            "id": row.place_id,
            "node": row.node_id,
            "km": row.km,
            "how_zh": ties.HOW[row.how][0],
            "how_en": ties.HOW[row.how][1],
            "matched": row.matched,
            "odd": bool(odd[row.Index]),
        }
        for row in pd.concat([table[odd], table[~odd]]).itertuples()
    ]


def _untold(chapter: Chapter) -> str:
    """Return the names of the places that lie beyond the network."""
    names = [place.name_zh for place in chapter.untold]
    more = f"等 {len(names)} 处" if len(names) > _TOLD_AT_MOST else ""
    return "、".join(names[:_TOLD_AT_MOST]) + more


# --- the index --------------------------------------------------------------------------------


def index_page(dossier: Dossier, downloads: Sequence[Download]) -> str:
    """Return the first page: what holds today, each scenario, projects, assumptions, files."""
    return _render(
        "report-index.html",
        **_shared(dossier, ""),
        areas=[_area(dossier, area) for area in dossier.areas],
        documents=DOCUMENTS if len(dossier.plans) > 1 else "",
        differences=differences(dossier.plans),
        scenarios=[_scenario_row(item) for item in dossier.scenarios],
        scheduled=any(item.schedule in scenario.SCHEDULES for item in dossier.scenarios),
        speeds=_speed_rows(dossier),
        edited=[_edited_group(chapter) for chapter in dossier.chapters if chapter.after],
        refused=[
            {"title": item.title_zh, "faults": [fault.zh for fault in faults]}
            for item, faults in dossier.refused
        ],
        files=[{"href": d.path, "zh": d.zh, "en": d.en, "size": _size(d.size)} for d in downloads],
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 1):.0f} kB"


def _area(dossier: Dossier, area: Area) -> dict:
    """Return what the first page says of a region: findings today, then each scenario."""
    several = len(dossier.areas) > 1
    today = {c.scenario.id: c.scenario for c in map(dossier.today, area.plans)}.values()
    keys = {project.key for project, _ in projects_of(area.plans)}
    return {
        "id": area.id,
        "zh": area.zh,
        "en": area.en,
        "plans": area.plans,
        "today_zh": "、".join(item.title_zh for item in today),
        "today_en": "; ".join(item.title_en for item in today),
        "cards": _cards(dossier, area.plans, _SHORT_CARD_LIMIT if several else _CARD_LIMIT),
        "matrices": [_matrix(dossier, plan) for plan in area.plans],
        "undecided": [row for plan in area.plans for row in _undecided(dossier, plan)],
        "projects": _project_rows(
            dossier, [item for item in projects_of(dossier.plans) if item[0].key in keys]
        ),
    }


def _cards(dossier: Dossier, documents: Sequence[Plan], limit: int) -> list[dict]:
    """Return the targets under their verdicts of today; what two documents share comes once.

    Under a short limit, of several readings of one sentence only the first is named.
    """
    merged: dict[tuple, dict] = {}
    for plan in documents:
        for outlook in dossier.outlooks(plan):
            verdict = outlook.verdict
            key = verdict.target.title_zh, verdict.verdict, verdict.value
            merged.setdefault(key, _card_entry(dossier.today(plan), outlook))
    cards = []
    for name in VERDICT_NAMES:
        entries = [entry for entry in merged.values() if entry["verdict"] == name]
        told = [entry for entry in entries if entry["shown"]]
        if limit < _CARD_LIMIT:
            told = list({bare_title(entry["title"]): entry for entry in reversed(told)}.values())
            told.reverse()
        rest = len(entries) - len(told[:limit])
        cards.append(
            {
                "verdict": name,
                "number": len(entries),
                "meaning_zh": MEANINGS[name][0],
                "entries": told[:limit],
                "rest": rest,
                "rest_why": "见下方各情景结论" if name != "unknown" else "见下方:缺数据或没有标准",
            }
        )
    return cards


def _card_entry(chapter: Chapter, outlook: Outlook) -> dict:
    verdict = outlook.verdict
    target = verdict.target
    value, why = _short_why(outlook)
    return {
        "verdict": verdict.verdict,
        "title": target.title_zh,
        "href": f"{page_name(chapter)}#{target.id}",
        "value": value,
        "why": why,
        "shown": verdict.verdict != "unknown" or verdict.value is not None,
    }


def _short_why(outlook: Outlook) -> tuple[str, str]:
    verdict = outlook.verdict
    target = verdict.target
    required = amount(target.threshold, target.unit)
    if verdict.verdict == "impossible":
        return "", _proof(verdict)
    value = _value(verdict)
    if verdict.verdict == "met":
        return value, f" · 要求 {required}"
    if verdict.verdict == "unknown":
        wanted = f"要求 {required}," if required else ""
        return f"参考 {value}", f" · {wanted}资料不全"
    return value, f" · 要求 {required};{_later(outlook)}"


def _proof(verdict: Verdict) -> str:
    """Return the clearest proof in one line, rather one between well-known points."""
    beyond = [p for p in verdict.pairs if p.lower_bound > float(verdict.target.threshold or 0)]
    pair = max(
        beyond,
        key=lambda p: (
            "L" not in (p.bound.origin.confidence, p.destination.confidence),
            p.lower_bound,
        ),
    )
    return (
        f"{pair.bound.origin.name_zh}–{pair.destination.name_zh}直线 {pair.bound.km:.1f} km,"
        f"以 {pair.bound.kmh:g} km/h 也要 {pair.lower_bound:.0f} 分钟"
        f"(时限 {amount(verdict.target.threshold, verdict.target.unit)})"
    )


def _later(outlook: Outlook) -> str:
    found = [
        f"{SCHEDULE_NAMES[item.schedule][0]} {item.network_date[:4]} 年达到"
        for item in (outlook.planned, outlook.built)
        if item is not None
    ]
    return "、".join(found) or "所列情景都未达到"


def _value(verdict: Verdict) -> str:
    target = verdict.target
    text = amount(verdict.value, target.unit)
    # Where nothing is known there may well be a way.
    if text or not verdict.pairs or verdict.verdict == "unknown":
        return text
    return "无铁路可乘" if target.mode == "rail" else "不通"


def _share(verdict: Verdict) -> str:
    if len(verdict.pairs) < 2:
        return ""
    return f"{sum(pair.met for pair in verdict.pairs)}/{len(verdict.pairs)} 对"


def _undecided(dossier: Dossier, plan: Plan) -> list[dict]:
    """Return the targets that are unknown in every scenario and have not even an indication."""
    keys = _blank_keys(dossier, plan)
    today = dossier.today(plan).verdicts
    return [_verdict_row(verdict) for key, verdict in today.items() if key in keys]


def _blank_keys(dossier: Dossier, plan: Plan) -> set[str]:
    return {
        target.key
        for target in plan.targets
        if all(
            c.verdicts[target.key].verdict == "unknown" and c.verdicts[target.key].value is None
            for c in dossier.of(plan)
        )
    }


def _matrix(dossier: Dossier, plan: Plan) -> dict:
    chapters, blank = dossier.of(plan), _blank_keys(dossier, plan)
    today = dossier.today(plan)
    return {
        "plan": plan,
        "heads": [_head(chapter, chapter is today) for chapter in chapters],
        "rows": [
            {
                "id": target.id,
                "title": target.title_zh,
                "title_en": target.title_en,
                "required": amount(target.threshold, target.unit),
                "cells": [_cell(chapter, chapter.verdicts[target.key]) for chapter in chapters],
            }
            for target in plan.targets
            if target.key not in blank
        ],
    }


def _head(chapter: Chapter, now: bool) -> dict:
    item = chapter.scenario
    return {
        "zh": item.title_zh,
        "en": item.title_en,
        "href": page_name(chapter),
        "schedule": SCHEDULE_NAMES[item.schedule][0],
        "date": item.network_date,
        "now": now,
    }


def _cell(chapter: Chapter, verdict: Verdict) -> dict:
    return {
        "verdict": verdict.verdict,
        "evidence": verdict.evidence,
        "value": " · ".join(filter(None, (_value(verdict), _share(verdict)))),
        "href": f"{page_name(chapter)}#{verdict.target.id}",
    }


def _edited_group(chapter: Chapter) -> dict:
    return {
        "plan": chapter.plan,
        "scenario": chapter.scenario,
        "href": page_name(chapter, after=True),
        "rows": _changed_rows(chapter.after),
    }


def _scenario_row(item: scenario.Scenario) -> dict:
    return {
        "title_zh": item.title_zh,
        "title_en": item.title_en,
        "date": item.network_date,
        "schedule": " ".join(SCHEDULE_NAMES[item.schedule]),
        "projects": "、".join(project.name_zh for project in projects_in(item)),
        "note_zh": item.note_zh,
        "note_en": item.note_en,
    }


def _speed_rows(dossier: Dossier) -> list[dict]:
    profile = dossier.profile
    return [
        {
            "zh": CLASSES[name][0],
            "en": CLASSES[name][1],
            "speeds": "  ".join(f"{design:g} → {running:g}" for design, running in rows),
            "default": f"{profile.default_kmh[name]:g}",
        }
        for name, rows in profile.speeds.items()
    ]


def _project_rows(dossier: Dossier, found: Iterable[tuple[Project, list[Plan]]]) -> list[dict]:
    marks = {plan.id: _RINGS[number] for number, plan in enumerate(dossier.plans)}
    rows = []
    for project, named in found:
        promised = promised_year(project, named)
        rows.append(
            {
                "name_zh": project.name_zh,
                "name_en": project.name_en,
                "named": "".join(marks[plan.id] for plan in named),
                "status": project.status,
                "promised": promised,
                "opened": project.opened,
                "expected": project.expected,
                "late": years_late(project, promised),
                "length_km": project.length_km,
                "evidence_zh": project.evidence_zh,
                "evidence_en": project.evidence_en,
                "confidence": project.confidence,
            }
        )
    return rows


# --- documents side by side -------------------------------------------------------------------

KIND_NAMES = {
    "core": "核心",
    "belt": "带",
    "axis": "轴",
    "node": "节点",
    "pole": "极",
    "ring": "环",
    "wing": "翼",
    "cluster": "组团、片区",
    "corridor": "廊道",
}


def documents_page(dossier: Dossier) -> str:
    """Return the page that sets the documents side by side.

    Their structures, their targets by today's verdict, and what they say differently.
    """
    return _render(
        "report-documents.html",
        **_shared(dossier, "../"),
        columns=[_document(dossier, plan) for plan in dossier.plans],
        structures=[_structures(plan) for plan in dossier.plans],
        differences=differences(dossier.plans),
    )


def _document(dossier: Dossier, plan: Plan) -> dict:
    today = dossier.today(plan)
    kinds = Counter(element.kind for element in plan.elements)
    statuses = Counter(project.status for project in plan.projects)
    return {
        "plan": plan,
        "area": prefectures([plan]),
        "href": f"../{page_name(today)}",
        "scenario": today.scenario,
        "formula": next(iter(plan.structures), ""),
        "kinds": "、".join(f"{KIND_NAMES[kind]} {number}" for kind, number in kinds.items()),
        "elements": len(plan.elements),
        "inferred": sum(element.inferred for element in plan.elements),
        "drawn": sum(element.spine_inferred and not element.inferred for element in plan.elements),
        "works": "、".join(f"{STATUS_NAMES[name][0]} {n}" for name, n in statuses.items()),
        "verdicts": {
            name: [
                _told(today, verdict)
                for verdict in today.verdicts.values()
                if verdict.verdict == name
            ]
            for name in VERDICT_NAMES
        },
    }


def _told(chapter: Chapter, verdict: Verdict) -> dict:
    required = amount(verdict.target.threshold, verdict.target.unit)
    return {
        "id": verdict.target.id,
        "title": verdict.target.title_zh,
        "href": f"../{page_name(chapter)}#{verdict.target.id}",
        "value": " / ".join(text for text in (_value(verdict), required) if text),
    }


def _structures(plan: Plan) -> dict:
    gazetteer = plan.gazetteer

    def row(element: Element) -> dict:
        return {
            "name_zh": element.name_zh,
            "name_en": element.name_en,
            "kind": KIND_NAMES[element.kind],
            "members": "、".join(gazetteer[i].name_zh for i in element.members),
            "count": len(element.members),
            "inferred": element.inferred,
            "spine_inferred": element.spine_inferred and not element.inferred,
            "quote": element.cite.quote,
            "section": element.cite.section,
        }

    return {
        "plan": plan,
        "formulas": [
            (name, [row(e) for e in plan.elements if e.structure == name])
            for name in plan.structures
        ],
    }


# --- one plan on one scenario -----------------------------------------------------------------


def chapter_page(
    dossier: Dossier, chapter: Chapter, pictures: Sequence[Picture], *, after: bool = False
) -> str:
    """Return the page of a plan on a scenario; with `after`, of what the edits change there."""
    found = chapter.after if after else chapter.found
    assert found is not None
    rows = [_verdict_row(verdict) for verdict in found.verdicts]
    blank = [row for row in rows if row["verdict"] == "unknown" and not row["value"]]
    return _render(
        "report-chapter.html",
        **_shared(dossier, "../"),
        plan=chapter.plan,
        scenario=chapter.scenario,
        after=after,
        siblings=_siblings(dossier, chapter, after=after),
        others=_others(dossier, chapter),
        other_half=_other_half(chapter, after=after),
        facts=_facts(chapter, found),
        counts=_counts(found),
        notes=found.situation.own.notes if found.situation.own else (),
        untold=_untold(chapter),
        rows=[row for row in rows if row not in blank],
        rows_unknown=blank,
        rows_changed=_changed_rows(found) if after else [],
        applied=_applied(found),
        map_href=f"../{map_name(chapter, after=after)}",
        heat=_heat(chapter) if not after else None,
        commute=_commute(chapter) if not after else None,
        figures=[
            {"svg": f"../{p.path}.svg", "png": f"../{p.path}.png", "zh": p.zh, "en": p.en}
            for p in pictures
        ],
        projects=_scenario_projects(dossier, chapter),
    )


def _counts(found: Assessment) -> dict[str, int]:
    counted = Counter(verdict.verdict for verdict in found.verdicts)
    return {name: counted[name] for name in VERDICT_NAMES}


def _siblings(dossier: Dossier, chapter: Chapter, *, after: bool) -> list[dict]:
    chapters = [item for item in dossier.of(chapter.plan) if item.after or not after]
    return [
        {
            "zh": item.scenario.title_zh,
            "href": f"../{page_name(item, after=after)}",
            "here": item is chapter,
        }
        for item in chapters
    ]


def _others(dossier: Dossier, chapter: Chapter) -> list[dict]:
    """Return the same scenario of the other plans."""
    return [
        {"zh": f"《{item.plan.title_zh}》", "href": f"../{page_name(item)}"}
        for item in dossier.chapters
        if item.scenario.id == chapter.scenario.id and item is not chapter
    ]


def _other_half(chapter: Chapter, *, after: bool) -> dict | None:
    if chapter.after is None:
        return None
    if chapter.after.situation.applied:
        words = "编辑前的结论 before the edits" if after else "编辑后的变化 after the edits"
    else:
        words = "本路网的结论 the verdicts" if after else "对比的变化 the comparison"
    return {"zh": words, "href": f"../{page_name(chapter, after=not after)}"}


def _facts(chapter: Chapter, found: Assessment) -> list[tuple[str, str]]:
    plan, item = chapter.plan, chapter.scenario
    rows = [
        ("发布 issued", f"{plan.issuer} {plan.number} {plan.date}".strip()),
        ("路网文件 file", found.situation.network.name if found.situation.own else ""),
        ("路网日期 network", item.network_date),
        ("进度 schedule", " ".join(SCHEDULE_NAMES[item.schedule])),
        ("车速 speeds", found.situation.profile.title_zh),
    ]
    return [(name, value) for name, value in rows if value]


def _scenario_projects(dossier: Dossier, chapter: Chapter) -> list[dict]:
    inside = {project.key for project in projects_in(chapter.scenario)}
    known = projects_of(dossier.plans)
    return _project_rows(
        dossier, ((project, named) for project, named in known if project.key in inside)
    )


def _applied(found: Assessment) -> list[dict]:
    changes = found.situation.applied.changes if found.situation.applied else ()
    return [
        {
            "spot": change.edit.spot,
            "action": change.edit.action,
            "links": change.links,
            "km": change.km,
            "notes": ";".join(change.notes),
        }
        for change in changes
    ]


def _verdict_row(verdict: Verdict) -> dict:
    target = verdict.target
    required = amount(target.threshold, target.unit)
    return {
        "id": target.id,
        "title": target.title_zh,
        "title_en": target.title_en,
        "reading_zh": target.reading_zh,
        "note_zh": target.note_zh,
        "note_en": target.note_en,
        "verdict": verdict.verdict,
        "evidence": verdict.evidence,
        "value": _value(verdict),
        "required": required,
        "required_words": f"要求 {required}" if required else "没有数值要求",
        "share": _share(verdict),
        "reason_zh": verdict.reason_zh,
        "reason_en": verdict.reason_en,
        "quote": target.cite.quote,
        "section": target.cite.section,
        "year": target.year,
        "pairs": verdict.pairs,
    }


def _changed_rows(found: Assessment | None) -> list[dict]:
    if found is None:
        return []
    return [
        {
            "id": after.target.id,
            "title": after.target.title_zh,
            "title_en": after.target.title_en,
            "before": before.verdict,
            "after": after.verdict,
            "value_before": _value(before),
            "value_after": _value(after),
            "pairs": [
                {
                    "name": f"{new.origin.name_zh}–{new.destination.name_zh}",
                    "before": _number(old.minutes, 1, "不通"),
                    "after": _number(new.minutes, 1, "不通"),
                    "crossed": new.met and not old.met,
                    "lost": old.met and not new.met,
                }
                for new, old in changed_pairs(after, before)
            ],
        }
        for after, before in found.changed
    ]


def _heat(chapter: Chapter) -> dict | None:
    seats = chapter.seats
    if len(seats) < 2:
        return None
    limits = [t.threshold for t in chapter.plan.targets if t.metric == "all_pairs_time"]
    limit = min(limits, default=None)
    times = chapter.seat_times.set_index(["origin", "destination"])["minutes"]

    def cell(a: str, b: str) -> dict:
        if a == b:
            return {"text": "", "state": "self"}
        minutes = times[a, b]
        state = "" if limit is None else "in" if minutes <= limit else "out"
        return {"text": _number(minutes, 0, "不通"), "state": state}

    return {
        "limit": limit,
        "names": [place.name_zh for place in seats],
        "rows": [{"name": a.name_zh, "cells": [cell(a.key, b.key) for b in seats]} for a in seats],
    }


def _commute(chapter: Chapter) -> dict | None:
    """Return the trips between the cores and the towns near them, by minutes at each ramp."""
    found = chapter.commute
    if found is None:
        return None
    trips = found.trips.groupby(["origin", "destination"], sort=False)
    within = [name for name in found.reach if name != "ramp_minutes"]
    return {
        "ramps": [f"{ramp:g}" for ramp in found.reach["ramp_minutes"]],
        "own": f"{chapter.found.situation.profile.ramp_minutes:g}",
        "trips": [
            {"name": "–".join(ends), "cells": list(zip(rows["minutes"], rows["km"], strict=True))}
            for ends, rows in trips
        ],
        "towns": found.towns,
        "reach": [
            {"limit": name.removeprefix("within_"), "counts": list(found.reach[name])}
            for name in within
        ],
    }
