"""What a report tells, as plain values: plans on scenarios, outlooks, differences, tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path

import pandas as pd

from spatialplan import assessment, commuting, places, scenario, standards, tables, ties, travel
from spatialplan import edits as editing
from spatialplan import network as networks
from spatialplan import plan as plans
from spatialplan.assessment import Assessment, Situation
from spatialplan.errors import Fault, InputError
from spatialplan.network import Network, end_of
from spatialplan.ownnetwork import OwnNetwork, extent_of
from spatialplan.palette import STATUS_NAMES
from spatialplan.places import Place
from spatialplan.plan import Citation, Plan, Project
from spatialplan.scenario import Scenario
from spatialplan.script import wide
from spatialplan.standards import CLASSES, SpeedProfile
from spatialplan.targets import EVIDENCE_NAMES, VERDICT_NAMES, Verdict
from spatialplan.verdict import beyond

__all__ = [
    "SCHEDULE_NAMES",
    "Area",
    "Chapter",
    "Difference",
    "Dossier",
    "Outlook",
    "Table",
    "amount",
    "bare_title",
    "differences",
    "gather",
    "networks_of",
    "prefectures",
    "projects_in",
    "report_tables",
]

UNIT_NAMES = {"min": "分钟"}
AS_IT_IS = "as_it_is"  # the schedule of a network file that is taken as it is
SCHEDULE_NAMES = {**tables.SCHEDULE_NAMES, AS_IT_IS: ("按文件", "as the file has it")}


@dataclass(frozen=True)
class Chapter:
    """One plan on one scenario; `after` is the same with a planner's edits, if there are any."""

    found: Assessment
    after: Assessment | None = None

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self.found.cases[0].plan

    @property
    def scenario(self) -> Scenario:
        """The scenario; of a network file without one, what is open in it today."""
        now = self.found.situation
        return now.scenario or _as_it_is(now, self.plan)

    @property
    def slug(self) -> str:
        """Name of its files, ``<plan>.<scenario>``."""
        return f"{self.plan.id}.{self.scenario.id}"

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdicts by the keys of their targets."""
        return {verdict.target.key: verdict for verdict in self.found.verdicts}

    @cached_property
    def seats(self) -> list[Place]:
        """The seats of the plan's counties that the network can tell of."""
        case = self.found.cases[0]
        every = [case.gazetteer[i] for i in case.gazetteer.seats(list(case.plan.area))]
        away = case.beyond(every)
        return [place for place in every if place not in away]

    @cached_property
    def untold(self) -> list[Place]:
        """The places of the plan that lie beyond its network, about which nothing is said."""
        case = self.found.cases[0]
        return case.beyond(case.gazetteer[i] for i in self.plan.place_ids(case.gazetteer))

    @cached_property
    def seat_times(self) -> pd.DataFrame:
        """Minutes and km by road between the seats of the plan's counties."""
        return travel.travel_times(self.found.cases[0].graph, self.seats, self.seats)

    @cached_property
    def commute(self) -> commuting.Commute | None:
        """Commuting between the plan's cores; None where it has not several."""
        return commuting.between_cores(self.found.cases[0])


@dataclass(frozen=True)
class Area:
    """Plans of one region, which the same scenarios test."""

    id: str
    zh: str
    en: str
    plans: tuple[Plan, ...]


@dataclass(frozen=True)
class Outlook:
    """A target today, and the first scenarios of each schedule that meet it (None: none does)."""

    verdict: Verdict
    planned: Scenario | None
    built: Scenario | None


@dataclass(frozen=True)
class Difference:
    """Something that two documents say differently: what, and each document's own words."""

    zh: str
    en: str
    values: tuple[tuple[Plan, str, Citation], tuple[Plan, str, Citation]]


@dataclass(frozen=True)
class Dossier:
    """All that a report tells.

    `refused` are scenarios that the edits do not fit, with their faults; `against` is the title
    of what everything is compared with; `omitted` says, in Chinese and English, what a network
    of the user's own leaves out.
    """

    plans: tuple[Plan, ...]
    chapters: tuple[Chapter, ...]
    profile: SpeedProfile
    edits: str = ""
    refused: tuple[tuple[Scenario, tuple[Fault, ...]], ...] = ()
    against: str = ""
    omitted: tuple[tuple[str, str], ...] = ()

    @property
    def compared(self) -> str:
        """What the comparison is of, in Chinese."""
        return f"与“{self.against}”对比" if self.against else "编辑前后"

    @property
    def sides(self) -> tuple[str, str]:
        """What the two sides of the comparison are called, in Chinese."""
        return ("对比", "本次") if self.against else ("编辑前", "编辑后")

    @property
    def own(self) -> OwnNetwork | None:
        """The network of the user's own, on its first day here; None for the built-in one."""
        return self.chapters[0].found.situation.own

    def of(self, plan: Plan) -> list[Chapter]:
        """Return the chapters of a plan, in the order of the scenarios."""
        return [chapter for chapter in self.chapters if chapter.plan.id == plan.id]

    def today(self, plan: Plan) -> Chapter:
        """Return the chapter of the latest open network, or the first there is."""
        chapters = self.of(plan)
        opened = [chapter for chapter in chapters if chapter.scenario.role == "open"]
        return max(opened or chapters[:1], key=lambda c: end_of(c.scenario.network_date))

    def outlooks(self, plan: Plan) -> list[Outlook]:
        """Return for each target of a plan its verdict today and when it will be met."""
        chapters = sorted(self.of(plan), key=lambda c: end_of(c.scenario.network_date))
        return [
            Outlook(
                verdict,
                _first_met(key, chapters, "as_planned"),
                _first_met(key, chapters, "as_built"),
            )
            for key, verdict in self.today(plan).verdicts.items()
        ]

    @property
    def scenarios(self) -> list[Scenario]:
        """The scenarios, each once."""
        return list({c.scenario.id: c.scenario for c in self.chapters}.values())

    @cached_property
    def areas(self) -> list[Area]:
        """The plans by region, in the order of the scenarios; named by prefectures."""
        order = dict.fromkeys(item.area for item in scenario.scenarios())
        found: dict[str, list[Plan]] = {name: [] for name in order}
        for plan in self.plans:
            found.setdefault(self.today(plan).scenario.area, []).append(plan)
        return [
            Area(name, prefectures(own), _area_title(name, own), tuple(own))
            for name, own in found.items()
            if own
        ]


def _area_title(name: str, own: Sequence[Plan]) -> str:
    known = any(item.area == name for item in scenario.scenarios())
    return "–".join(name.split("-")).title() if known else own[0].title_en


def _as_it_is(now: Situation, plan: Plan) -> Scenario:
    """Return what stands for a scenario where a network file is shown as it is today."""
    assert now.own is not None
    near = scenario.of_counties(plan)
    return Scenario(
        id="network",
        title_zh=f"路网 {now.network.name},现已通车",
        title_en=f"Network {now.network.name}, open today",
        area=near[0].area if near else plan.id,
        role="open",
        plans=(plan.id,),
        network_date=now.own.day,
        schedule=AS_IT_IS,
    )


def projects_in(item: Scenario) -> list[Project]:
    """Return the projects of a scenario; a network file as it is has those that it has."""
    return [] if item.schedule == AS_IT_IS else scenario.projects_of(item)


def prefectures(documents: Sequence[Plan]) -> str:
    """Return the names of the prefectures that plans speak of, Chinese; else the plans' own."""
    from spatialplan import boundaries

    codes = boundaries.known(sorted({code for plan in documents for code in plan.area}))
    names = dict.fromkeys(boundaries.counties(codes)["city_zh"])
    return "、".join(names or [plan.title_zh for plan in documents])


def _first_met(key: str, chapters: Sequence[Chapter], schedule: str) -> Scenario | None:
    scenarios = (c.scenario for c in chapters if c.verdicts[key].verdict == "met")
    return next((item for item in scenarios if item.schedule == schedule), None)


def amount(value: float | None, unit: str) -> str:
    """Return a value with its unit for Chinese text; empty when there is none."""
    if value is None or pd.isna(value):
        return ""
    if unit == "share":
        return f"{value:.1%}".replace(".0%", "%")
    digits = f"{value:.1f}".removesuffix(".0") if abs(value) < 1000 else f"{value:,.0f}"
    name = UNIT_NAMES.get(unit, unit)
    return f"{digits}%" if unit == "%" else f"{digits} {name}".rstrip()


# --- gathering --------------------------------------------------------------------------------


def gather(
    plan_ids: Sequence[str],
    scenario_ids: Sequence[str],
    edits: str | Path | None,
    profile: str | Path,
    *,
    network: str | Path | None = None,
    by_hand: str | Path = "",
    against: str = "",
) -> Iterator[Dossier | Chapter]:
    """Yield each chapter when it is ready, and the whole dossier at the end.

    Parameters
    ----------
    plan_ids, scenario_ids
        Which ones; by default all that belong together. A plan may be named by its file.
    edits
        A planner's edit file; None for none.
    profile
        Speed profile, by name or by file.
    network, by_hand
        A network file in place of the built-in network, and a CSV of ties to it.
    against
        A scenario, or a network file, that each chapter is compared with.

    Raises
    ------
    InputError
        When a name is unknown, no scenario belongs to a plan, a file has faults, or the edits
        fit none of the scenarios (or not one that was named).
    """
    whole = networks.read(network) if network else None
    chosen, wanted, omitted = _choose(plan_ids, scenario_ids, whole)
    asked = {
        "plan_ids": list(chosen),
        "network": whole,
        "ties": by_hand,
        "profile": profile,
    }
    edited, refused = _edited(wanted, edits, asked, strict=bool(scenario_ids))
    other = assessment.earlier(against, **asked) if against else None
    chapters = []
    for item in wanted:
        before = assessment.situation(item and item.id, **asked)
        for name, plan in chosen.items():
            if item is None or _shared(plan, [item]):
                chapters.append(_chapter(name, before, edited.get(item), other))
                yield chapters[-1]
    order = {plan.id: number for number, plan in enumerate(chosen.values())}
    chapters.sort(key=lambda chapter: order[chapter.plan.id])
    yield Dossier(
        tuple(chosen.values()),
        tuple(chapters),
        standards.read_profile(profile),
        Path(edits).name if edits else "",
        refused,
        other.title_zh if other else "",
        omitted,
    )


def _choose(
    plan_ids: Sequence[str], scenario_ids: Sequence[str], whole: Network | None
) -> tuple[dict[str, Plan], list[Scenario | None], tuple[tuple[str, str], ...]]:
    """Return the plans by the name they were asked by (an id or a file), the scenarios, omissions.

    On a network of the user's own, None among the scenarios is the network as it is today.
    """
    if whole is None:
        return *_choose_builtin(plan_ids, scenario_ids), ()
    if plan_ids:
        chosen, omitted = {str(item): plans.find(item) for item in plan_ids}, []
    else:
        chosen, omitted = _plans_on(whole)
    if scenario_ids:
        chosen, wanted = _choose_builtin(list(chosen), scenario_ids)
        return chosen, wanted, tuple(omitted)
    wanted, more = _days_of(whole, chosen.values())
    return chosen, [None, *wanted], (*omitted, *more)


def _plans_on(whole: Network) -> tuple[dict[str, Plan], list[tuple[str, str]]]:
    """Return the built-in plans with a seat on a network, and what is said of the others."""
    known = places.builtin()
    every = [plans.builtin(plan_id) for plan_id in plans.plan_ids()]
    seats = {plan.id: [known[i] for i in known.seats(list(plan.area))] for plan in every}
    away = {id_: len(beyond(own, extent_of(whole))) == len(own) for id_, own in seats.items()}
    found = {plan.id: plan for plan in every if not away[plan.id]}
    if not found:
        raise InputError.of(
            "--plan",
            f"路网 {whole.name} 的范围内没有内置规划的县城;请用 --plan 写明规划或规划文件",
            "no seat of a built-in plan lies on this network; name a plan, or its file",
        )
    others = "、".join(f"《{plan.title_zh}》" for plan in every if away[plan.id])
    words = f"不在路网范围内的规划未列:{others}", "plans whose seats lie elsewhere are left out"
    return found, [words] if others else []


def _days_of(
    whole: Network, chosen: Iterable[Plan]
) -> tuple[list[Scenario], list[tuple[str, str]]]:
    """Return the scenarios whose day a network can tell, and what is said of its dates."""
    dated = int(((whole.links["opened"] != "") | (whole.links["closed"] != "")).sum())
    if not dated:
        return [], [_NO_DATES]
    near = {item.id for plan in chosen for item in scenario.of_counties(plan)}
    wanted = [
        item
        for item in scenario.scenarios()
        if item.id in near and len(whole.at(item.network_date).links)
    ]
    count = f"{dated:,} / {len(whole.links):,}"
    zh = f"有通车或停用年月的路段 {count} 条;没有年月的路段在各年都算已有"
    return wanted, [(zh, f"{count} links have dates; the others count in every year")]


_NO_DATES = (
    "路网文件没有通车年月,不按年份比较;用 --scenario 可加上某情景尚未通车的项目",
    "the file has no dates of opening, so years are not compared; --scenario adds projects to come",
)


def _choose_builtin(
    plan_ids: Sequence[str], scenario_ids: Sequence[str]
) -> tuple[dict[str, Plan], list[Scenario]]:
    named = [scenario.builtin(item) for item in dict.fromkeys(scenario_ids)]
    if plan_ids:
        asked = {str(item): plans.find(item) for item in plan_ids}
    else:
        kept = {plan_id for item in named for plan_id in item.plans}
        ids = [item for item in plans.plan_ids() if not named or item in kept]
        asked = {item: plans.builtin(item) for item in ids}
    belonging = {item.id for plan in asked.values() for item in scenario.of_plan(plan)}
    wanted = named or [item for item in scenario.scenarios() if item.id in belonging]
    chosen = {name: plan for name, plan in asked.items() if _shared(plan, wanted)}
    for name in asked.keys() - chosen.keys() if plan_ids else ():
        raise InputError.of(
            "--plan",
            f"所选情景不属于规划“{asked[name].id}”;用 spatialplan scenarios 查看情景",
            "none of the scenarios belongs to this plan; `spatialplan scenarios` lists all",
        )
    order = [item.id for item in scenario.scenarios()]
    fitting = [item for item in wanted if item.id in belonging]
    return chosen, sorted(fitting, key=lambda item: order.index(item.id))


def _shared(plan: Plan, wanted: Sequence[Scenario]) -> set[str]:
    return {item.id for item in scenario.of_plan(plan)} & {item.id for item in wanted}


def _edited(
    wanted: Sequence[Scenario | None], path: str | Path | None, asked: dict, *, strict: bool
) -> tuple[dict[Scenario | None, Situation], tuple[tuple[Scenario, tuple[Fault, ...]], ...]]:
    """Return the scenarios with the edits applied, and those that the edits do not fit.

    An edit may change a road that an earlier year does not have. Who names a scenario wants it
    there, as does who has one network; who names none gets the scenarios that the edits fit.
    """
    found, refused = {}, []
    further = editing.read(path) if path else []
    for item in wanted if further else ():
        try:
            found[item] = assessment.situation(item and item.id, edits=further, **asked)
        except InputError as error:
            if strict or item is None:
                raise
            refused.append((item, error.faults))
    if refused and not found:
        raise InputError(*refused[0][1])
    return found, tuple(refused)


def _chapter(
    name: str, now: Situation, edited: Situation | None, other: Situation | None
) -> Chapter:
    """Return a plan on a network, and beside it what is compared.

    That is the network with the edits, if there are any, with `other`, else with the network
    as it was; or the network itself with `other`.
    """
    found = assessment.assess([name], now)
    if edited is None and (other is None or _same(now, other)):
        return Chapter(found)
    after = assessment.assess([name], edited) if edited else found
    before = found if other is None or _same(now, other) else assessment.assess([name], other)
    return Chapter(
        found,
        Assessment(after.situation, after.cases, after.verdicts, before.situation, before.verdicts),
    )


def _same(a: Situation, b: Situation) -> bool:
    return (a.scenario, a.network.name, a.network.file) == (
        b.scenario,
        b.network.name,
        b.network.file,
    )


# --- what documents say differently -----------------------------------------------------------


def differences(documents: Sequence[Plan]) -> list[Difference]:
    """Return what two documents of one area say differently: members, statistics, years.

    Only what the documents themselves enumerate counts, nothing inferred.
    """
    found = []
    for a, b in combinations(documents, 2):
        if set(a.area) & set(b.area):
            found += [
                *_member_differences(a, b),
                *_list_differences(a, b),
                *_number_differences(a, b),
                *_year_differences(a, b),
            ]
    return found


def _member_differences(a: Plan, b: Plan) -> Iterator[Difference]:
    theirs = {element.id: element for element in b.elements if not element.inferred}
    for element in a.elements:
        other = theirs.get(element.id)
        if element.inferred or other is None or set(element.members) == set(other.members):
            continue
        texts = _lists((a, element.members), (b, other.members))
        yield Difference(
            f"“{bare_title(element.name_zh)}”的成员",
            f"Members of: {element.name_en}",
            ((a, texts[0], element.cite), (b, texts[1], other.cite)),
        )


def _list_differences(a: Plan, b: Plan) -> Iterator[Difference]:
    """Yield lists of one name that the documents divide into other parts, as of special towns."""
    for structure in a.structures:
        parts = [[e for e in plan.elements if e.structure == structure] for plan in (a, b)]
        every = [*parts[0], *parts[1]]
        common = {e.id for e in parts[0]} & {e.id for e in parts[1]}
        if not structure or common or not parts[1] or any(e.inferred for e in every):
            continue
        members = [tuple(dict.fromkeys(i for e in part for i in e.members)) for part in parts]
        if set(members[0]) != set(members[1]):
            texts = _lists((a, members[0]), (b, members[1]))
            yield Difference(
                f"“{structure}”的名单",
                f"List of: {parts[0][0].name_en}",
                ((a, texts[0], parts[0][0].cite), (b, texts[1], parts[1][0].cite)),
            )


def _lists(
    first: tuple[Plan, Sequence[str]], second: tuple[Plan, Sequence[str]]
) -> tuple[str, str]:
    """Return both documents' lists of places in words, each with what only it has."""

    def words(plan: Plan, own: Sequence[str], other: Sequence[str]) -> str:
        gazetteer = plan.gazetteer
        names = [gazetteer[i].name_zh for i in own]
        only = [gazetteer[i].name_zh for i in own if i not in other]
        more = f"(只见于此:{'、'.join(only)})" if only and len(only) < len(own) else ""
        return f"{len(names)} 个:{'、'.join(names)}{more}"

    return words(*first, second[1]), words(*second, first[1])


def _number_differences(a: Plan, b: Plan) -> Iterator[Difference]:
    def asked(plan: Plan) -> dict:
        return {
            (t.parameters.get("indicator"), str(t.parameters.get("area")), t.year): t
            for t in plan.targets
            if t.metric == "statistic" and t.threshold is not None
        }

    theirs = asked(b)
    for key, target in asked(a).items():
        other = theirs.get(key)
        if other is not None and other.threshold != target.threshold:
            yield Difference(
                f"{target.title_zh.split('年', 1)[-1]}({target.year}年)".replace(
                    amount(target.threshold, target.unit), ""
                ).replace("以上", ""),
                f"{target.title_en} / {other.title_en}",
                (
                    (a, amount(target.threshold, target.unit), target.cite),
                    (b, amount(other.threshold, other.unit), other.cite),
                ),
            )


def _year_differences(a: Plan, b: Plan) -> Iterator[Difference]:
    theirs = {project.key: project for project in b.projects}
    for project in a.projects:
        other = theirs.get(project.key)
        years = [f"{p.promised} 年" for p in (project, other) if p and p.promised]
        if other is not None and len(set(years)) == 2:
            yield Difference(
                f"{project.name_zh}:何时建成",
                f"{project.name_en}: when it will be finished",
                ((a, years[0], project.cite), (b, years[1], other.cite)),
            )


def bare_title(title: str) -> str:
    """Return a title without the bracket at its end."""
    return re.sub(r"[(\uff08][^()\uff08\uff09]*[)\uff09]$", "", title)


# --- tables -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A table of the report: name of its CSV file, titles, content, and what columns mean.

    `headings` name the columns for people, in order; the CSV keeps the short names. Chinese text
    has wide punctuation, quotes have what the documents have.
    """

    name: str
    zh: str
    en: str
    frame: pd.DataFrame
    headings: dict[str, str]


def report_tables(dossier: Dossier) -> list[Table]:
    """Return every table of a report; with edits the comparison as well."""
    found = [
        _matrix_table(dossier),
        _verdict_table(dossier),
        _pair_table(dossier),
        _seat_table(dossier),
        _project_table(dossier),
        _difference_table(dossier),
        _scenario_table(dossier),
        _speed_table(dossier.profile),
    ]
    if dossier.own:
        found.append(_tie_table(dossier))
    if any(chapter.commute for chapter in dossier.chapters):
        found += [_commute_table(dossier), _reach_table(dossier)]
    if any(chapter.after for chapter in dossier.chapters):
        found += [_changed_table(dossier), _changed_pair_table(dossier)]
    return [_typeset(table) for table in found]


def _typeset(table: Table) -> Table:
    """Return a table with wide punctuation in Chinese text, but for quotes and English."""
    own = [n for n in table.frame if not n.endswith("_en") and n not in ("quote", "section")]
    texts = table.frame[own].map(lambda value: wide(value) if isinstance(value, str) else value)
    frame = table.frame.assign(**{name: texts[name] for name in own})
    return replace(table, frame=frame, headings={k: wide(v) for k, v in table.headings.items()})


def _table(name: str, zh: str, en: str, rows: list, headings: dict[str, str]) -> Table:
    return Table(name, zh, en, pd.DataFrame(rows, columns=list(headings)), headings)


def _joined_table(
    dossier: Dossier,
    titles: tuple[str, str, str],
    part: Callable[[Chapter], pd.DataFrame],
    headings: dict[str, str],
) -> Table:
    """Return the parts of all chapters as one table, each under its scenario."""
    frames = [
        part(chapter).assign(scenario=chapter.scenario.id).astype(object)
        for chapter in dossier.chapters
    ]
    return Table(*titles, pd.concat(frames, ignore_index=True)[list(headings)], headings)


def _matrix_table(dossier: Dossier) -> Table:
    rows = []
    for plan in dossier.plans:
        for target in plan.targets:
            row = {
                "id": target.key,
                "title_zh": target.title_zh,
                "required": amount(target.threshold, target.unit),
            }
            for chapter in dossier.of(plan):
                verdict = chapter.verdicts[target.key]
                value = amount(verdict.value, target.unit)
                row[chapter.scenario.id] = f"{VERDICT_NAMES[verdict.verdict][0]} {value}".strip()
            rows.append(row)
    headings = {"id": "编号 id", "title_zh": "目标 target", "required": "要求 required"}
    headings |= {item.id: f"{item.title_zh} {item.id}" for item in dossier.scenarios}
    return _table("matrix", "结论总表", "Targets by scenario", rows, headings)


_VERDICT_HEADINGS = {
    "scenario": "情景 scenario",
    "id": "编号 id",
    "title_zh": "目标",
    "title_en": "Target",
    "reading_zh": "理解",
    "note_zh": "说明",
    "note_en": "Note",
    "verdict": "verdict",
    "verdict_zh": "结论",
    "value": "值 value",
    "threshold": "要求 required",
    "unit": "单位 unit",
    "share": "达到的比例 share",
    "margin": "余量 margin",
    "lower_bound": "理论下限(分钟) lower bound",
    "evidence": "evidence",
    "evidence_zh": "依据",
    "reason_zh": "理由",
    "reason_en": "Reason",
    "quote": "原文 quote",
    "section": "章节 section",
}


def _verdict_table(dossier: Dossier) -> Table:
    return _joined_table(
        dossier,
        ("verdicts", "目标结论", "Verdicts"),
        lambda chapter: tables.verdict_table(chapter.found),
        _VERDICT_HEADINGS,
    )


_PAIR_HEADINGS = {
    "scenario": "情景 scenario",
    "target": "目标 target",
    "origin": "origin",
    "destination": "destination",
    "origin_zh": "起点",
    "destination_zh": "终点",
    "minutes": "分钟 minutes",
    "km": "里程 km",
    "straight_km": "直线 km",
    "lower_bound": "理论下限(分钟) lower bound",
    "ceiling_kmh": "下限所用车速 km/h",
    "met": "达到 met",
}


def _pair_table(dossier: Dossier) -> Table:
    return _joined_table(
        dossier,
        ("pairs", "目标起讫点", "Trips of the targets"),
        lambda chapter: tables.pair_table(chapter.found.verdicts),
        _PAIR_HEADINGS,
    )


def _seat_table(dossier: Dossier) -> Table:
    rows, done = [], set()
    for chapter in dossier.chapters:
        # Plans of one area have the same seats.
        key = chapter.scenario.id, chapter.plan.area
        if key in done:
            continue
        done.add(key)
        names = {place.key: place.name_zh for place in chapter.seats}
        for trip in chapter.seat_times.itertuples(index=False):
            if trip.origin != trip.destination:
                ends = names[trip.origin], names[trip.destination]
                rows.append((chapter.scenario.id, *ends, trip.minutes, trip.km, trip.straight_km))
    headings = {
        "scenario": "情景 scenario",
        "origin": "起点 from",
        "destination": "终点 to",
        "minutes": "分钟 minutes",
        "km": "里程 km",
        "straight_km": "直线 km",
    }
    return _table("seat-times", "县市间行车时间", "Road times between seats", rows, headings)


def _tie_table(dossier: Dossier) -> Table:
    rows = [
        (item.id, tie.place_id, tie.name_zh, tie.node_id, tie.km, *ties.HOW[tie.how], tie.matched)
        for item, own in networks_of(dossier)
        for tie in own.tied.table.assign(
            km=own.tied.table["km"].replace(float("inf"), float("nan"))
        ).itertuples()
    ]
    headings = {
        "scenario": "情景 scenario",
        "place_id": "地点编号 place",
        "name_zh": "地点",
        "node_id": "路网节点 node",
        "km": "相距 km",
        "how_zh": "怎样关联",
        "how_en": "How",
        "matched": "路网中的名称 matched",
    }
    return _table("ties", "地点与路网的关联", "Ties of places to the network", rows, headings)


def networks_of(dossier: Dossier) -> list[tuple[Scenario, OwnNetwork]]:
    """Return the user's own network as each scenario has it; none of the built-in one."""
    found = {c.scenario.id: (c.scenario, c.found.situation.own) for c in dossier.chapters}
    return [(item, own) for item, own in found.values() if own]


_RAMP_HEADINGS = {
    "scenario": "情景 scenario",
    "plan": "规划 plan",
    "ramp_minutes": "每次上下高速(分钟) minutes per ramp",
}


def _commutes(dossier: Dossier) -> list[tuple[Chapter, commuting.Commute]]:
    return [(chapter, chapter.commute) for chapter in dossier.chapters if chapter.commute]


def _commute_table(dossier: Dossier) -> Table:
    rows = [
        (chapter.scenario.id, chapter.plan.id, *trip)
        for chapter, commute in _commutes(dossier)
        for trip in commute.trips.itertuples(index=False)
    ]
    headings = _RAMP_HEADINGS | {
        "origin": "起点 from",
        "destination": "终点 to",
        "minutes": "分钟 minutes",
        "km": "里程 km",
    }
    return _table("core-trips", "核心区间通勤", "Commuting between the cores", rows, headings)


def _reach_table(dossier: Dossier) -> Table:
    rows = [
        (chapter.scenario.id, chapter.plan.id, *counts, commute.towns)
        for chapter, commute in _commutes(dossier)
        for counts in commute.reach.itertuples(index=False)
    ]
    headings = _RAMP_HEADINGS | {
        "within_30": "30分钟内的乡镇数 towns within 30",
        "within_60": "60分钟内的乡镇数 towns within 60",
        "towns": "有坐标的乡镇数 located towns",
    }
    return _table("core-reach", "核心区通勤范围", "Towns near a core", rows, headings)


def projects_of(documents: Sequence[Plan]) -> list[tuple[Project, list[Plan]]]:
    """Return each project once, with the documents that name it."""
    found: dict[str, tuple[Project, list[Plan]]] = {}
    for plan in documents:
        for project in plan.projects:
            found.setdefault(project.key, (project, []))[1].append(plan)
    return list(found.values())


def promised_year(project: Project, named: Sequence[Plan]) -> int | None:
    """Return the earliest year that any of the documents promises."""
    own = [p.promised for plan in named for p in plan.projects if p.key == project.key]
    return min((year for year in own if year), default=None)


def years_late(project: Project, promised: int | None) -> int | None:
    """Return by how many years a project opened, or will open, after its promise."""
    date = project.opened or project.expected
    return int(date[:4]) - promised if date and promised else None


def _project_table(dossier: Dossier) -> Table:
    rows = [
        (
            project.key,
            project.name_zh,
            project.name_en,
            CLASSES[project.cls][0] if project.cls in CLASSES else project.cls,
            STATUS_NAMES[project.status][0],
            project.length_km,
            promised_year(project, named),
            project.opened,
            project.expected,
            years_late(project, promised_year(project, named)),
            project.confidence,
            project.evidence_zh,
            project.evidence_en,
            project.note_zh,
            project.note_en,
            "、".join(plan.title_zh for plan in named),
            project.cite.quote,
        )
        for project, named in projects_of(dossier.plans)
    ]
    headings = {
        "key": "编号 id",
        "name_zh": "项目",
        "name_en": "Project",
        "class": "等级 class",
        "status": "状态 status",
        "length_km": "里程 km",
        "promised": "承诺年 promised",
        "opened": "通车 opened",
        "expected": "预计 expected",
        "years_late": "晚(年) years late",
        "confidence": "可信度 confidence",
        "evidence_zh": "证据与来源",
        "evidence_en": "Evidence and source",
        "note_zh": "说明",
        "note_en": "Note",
        "plans": "所见文件 documents",
        "quote": "原文 quote",
    }
    return _table("projects", "项目", "Projects", rows, headings)


def _difference_table(dossier: Dossier) -> Table:
    rows = [
        (item.zh, item.en, plan.title_zh, value, cite.quote, cite.section)
        for item in differences(dossier.plans)
        for plan, value, cite in item.values
    ]
    headings = {
        "subject": "事项",
        "subject_en": "Subject",
        "plan": "文件 document",
        "value": "说法 says",
        "quote": "原文 quote",
        "section": "章节 section",
    }
    return _table("differences", "文件间差异", "Where the documents differ", rows, headings)


def _scenario_table(dossier: Dossier) -> Table:
    rows = [
        (
            item.id,
            item.title_zh,
            item.title_en,
            item.network_date,
            SCHEDULE_NAMES[item.schedule][0],
            "、".join(project.name_zh for project in projects_in(item)),
            item.note_zh,
            item.note_en,
        )
        for item in dossier.scenarios
    ]
    headings = {
        "id": "编号 id",
        "title_zh": "情景",
        "title_en": "Scenario",
        "network_date": "路网日期 date",
        "schedule": "进度 schedule",
        "projects": "计入的项目 projects",
        "note_zh": "说明",
        "note_en": "Note",
    }
    return _table("scenarios", "情景", "Scenarios", rows, headings)


def _speed_table(profile: SpeedProfile) -> Table:
    rows = [
        (name, CLASSES[name][0], CLASSES[name][1], design, running)
        for name in profile.speeds
        for design, running in [*profile.speeds[name], (None, profile.default_kmh[name])]
    ]
    headings = {
        "class": "class",
        "class_zh": "等级",
        "class_en": "Class",
        "design_speed_kmh": "设计速度 km/h(空:不详 unknown)",
        "kmh": "运行速度 km/h",
    }
    return _table("speeds", "车速", "Running speeds", rows, headings)


def _changed_table(dossier: Dossier) -> Table:
    rows = [
        (
            chapter.scenario.id,
            after.target.key,
            after.target.title_zh,
            VERDICT_NAMES[before.verdict][0],
            VERDICT_NAMES[after.verdict][0],
            before.value,
            after.value,
            after.target.threshold,
            after.target.unit,
            EVIDENCE_NAMES[after.evidence][0],
        )
        for chapter in dossier.chapters
        if chapter.after
        for after, before in chapter.after.changed
    ]
    first, second = dossier.sides
    headings = {
        "scenario": "情景 scenario",
        "id": "编号 id",
        "title_zh": "目标 target",
        "verdict_before": f"{first} before",
        "verdict_after": f"{second} after",
        "value_before": "值(前) before",
        "value_after": "值(后) after",
        "threshold": "要求 required",
        "unit": "单位 unit",
        "evidence": "依据 evidence",
    }
    title = f"{dossier.compared}结论", "Verdicts before and after"
    return _table("edits-verdicts", *title, rows, headings)


def _changed_pair_table(dossier: Dossier) -> Table:
    from spatialplan.targets import changed_pairs

    rows = [
        (
            chapter.scenario.id,
            after.target.key,
            pair.origin.name_zh,
            pair.destination.name_zh,
            old.minutes,
            pair.minutes,
            pair.minutes - old.minutes,
            old.met,
            pair.met,
        )
        for chapter in dossier.chapters
        if chapter.after
        for after, before in chapter.after.changed
        for pair, old in changed_pairs(after, before)
    ]
    headings = {
        "scenario": "情景 scenario",
        "target": "目标 target",
        "origin": "起点 from",
        "destination": "终点 to",
        "minutes_before": "分钟(前) before",
        "minutes_after": "分钟(后) after",
        "change": "变化 change",
        "met_before": "达到(前) met before",
        "met_after": "达到(后) met after",
    }
    title = f"{dossier.compared}起讫点", "Trips before and after"
    return _table("edits-pairs", *title, rows, headings)
