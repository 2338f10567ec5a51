"""Scenarios: a network date, the projects that are there by then, and further edits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from spatialplan import edits as editing
from spatialplan import network as networks
from spatialplan import plan as plans
from spatialplan import revision
from spatialplan.edits import Edit
from spatialplan.errors import InputError, nearest_names
from spatialplan.files import data_dir, load_yaml
from spatialplan.network import Network, end_of
from spatialplan.plan import Plan, Project

__all__ = [
    "Scenario",
    "builtin",
    "default",
    "network_of",
    "of_counties",
    "of_plan",
    "projects_of",
    "register",
    "scenarios",
]

ROLES = ("base", "open", "promised", "expected", "vision")
SCHEDULES = ("as_built", "as_planned")


@dataclass(frozen=True)
class Scenario:
    """Which network to look at.

    `projects` lists project keys, or is None when `all_open_by` chooses them: by the date
    that evidence gives (``as_built``) or by the year that the documents promise
    (``as_planned``); see `projects_of`. `network_date` is the day of the network under the
    projects.
    """

    id: str
    title_zh: str
    title_en: str
    area: str
    role: str
    plans: tuple[str, ...]
    network_date: str
    schedule: str = "as_built"
    all_open_by: str = ""
    projects: tuple[str, ...] | None = None
    note_zh: str = ""
    note_en: str = ""


@cache
def _read(folder: Path) -> tuple[Scenario, ...]:
    path = folder / "scenarios.yaml"
    return tuple(_scenario(entry, path) for entry in load_yaml(path))


def _scenario(entry: dict, path: Path) -> Scenario:
    if not isinstance(entry, dict):
        raise InputError.of(path, "每个情景应是“键: 值”的表", "a scenario is a mapping of keys")
    where = f"{path} {entry.get('id', '')}".rstrip()
    for key in ("id", "title_zh", "title_en", "area", "plans", "network_date"):
        if not entry.get(key):
            raise InputError.of(where, f"缺少 {key};请补上", f"{key} is missing")
    for key, allowed in (("role", ROLES), ("schedule", SCHEDULES)):
        if entry.get(key, allowed[0]) not in allowed:
            raise InputError.of(
                where, f"{key} 应是 {'、'.join(allowed)}", f"{key} is none of the known values"
            )
    chosen = entry.get("projects")
    return Scenario(
        id=entry["id"],
        title_zh=entry["title_zh"],
        title_en=entry["title_en"],
        area=entry["area"],
        role=entry.get("role", "base"),
        plans=tuple(entry["plans"]),
        network_date=str(entry["network_date"]),
        schedule=entry.get("schedule", "as_built"),
        all_open_by=str(entry.get("all_open_by") or ""),
        projects=None if chosen is None else tuple(chosen),
        note_zh=entry.get("note_zh") or "",
        note_en=entry.get("note_en") or "",
    )


def scenarios() -> tuple[Scenario, ...]:
    """Return the built-in scenarios, in the order of their file."""
    return _read(data_dir())


def builtin(scenario_id: str) -> Scenario:
    """Return a built-in scenario.

    Raises
    ------
    InputError
        When there is none of this id; the nearest are named.
    """
    found = {scenario.id: scenario for scenario in scenarios()}
    if scenario_id not in found:
        near = "、".join(nearest_names(scenario_id, found))
        raise InputError.of(
            "--scenario",
            f"没有情景“{scenario_id}”;相近的有:{near}",
            "no such scenario; `spatialplan scenarios` lists all",
        )
    return found[scenario_id]


def default(plan_ids: Iterable[str]) -> Scenario:
    """Return the latest open network of the area of the plans.

    A plan that no scenario knows, a planner's own, is tested on the latest open network of
    its counties, or of all when no scenario covers them.
    """
    opened = [scenario for scenario in scenarios() if scenario.role == "open"]
    wanted = {item.id for plan_id in plan_ids for item in of_plan(plans.find(plan_id))}
    found = [scenario for scenario in opened if scenario.id in wanted] or opened
    if not found:
        raise InputError.of(
            "--scenario", "没有现状情景;请用 --scenario 指定", "no open network; name one"
        )
    return max(found, key=lambda scenario: end_of(scenario.network_date))


def of_plan(plan: Plan) -> list[Scenario]:
    """Return the scenarios of a plan; of a planner's own, those of the plans of its counties.

    Where there are none either, the latest open networks: they hold the roads of all areas.
    """
    opened = [scenario for scenario in scenarios() if scenario.role == "open"]
    latest = max(opened, key=lambda scenario: end_of(scenario.network_date), default=None)
    return of_counties(plan) or ([latest] if latest else [])


def of_counties(plan: Plan) -> list[Scenario]:
    """Return the scenarios of a plan, else those of the plans of its counties; maybe none."""
    own = [scenario for scenario in scenarios() if plan.id in scenario.plans]
    areas = {item.id: set(item.area) for item in _plans()}
    near = [
        scenario
        for scenario in scenarios()
        if any(areas[plan_id] & set(plan.area) for plan_id in scenario.plans)
    ]
    return own or near


def projects_of(scenario: Scenario) -> list[Project]:
    """Return the projects of a scenario, each once, in the order of the plans.

    Of the scenario's own plans those that it names, or those that are there by
    `all_open_by`, on its schedule. A road of a neighbouring plan carries traffic too: the
    neighbours' projects come in by the evidence, up to the date of the network.
    """
    _check_named(scenario)
    named = set(scenario.projects or ())
    horizon = max(plan.horizon for plan in _plans() if plan.id in scenario.plans)
    found: dict[str, Project] = {}
    for plan in _plans():
        own = plan.id in scenario.plans
        for project in plan.projects:
            built = project.opened or project.expected
            if not own:
                there = _by(built, scenario.network_date)
            elif scenario.projects is not None:
                there = not named.isdisjoint({project.key, f"{plan.id}/{project.id}"})
            elif scenario.schedule == "as_planned":
                there = _by(_promised(project, horizon), scenario.all_open_by)
            else:
                there = _by(built, scenario.all_open_by)
            if there:
                found.setdefault(project.key, project)
    return list(found.values())


def _by(date: str, day: str) -> bool:
    return bool(date and day) and end_of(date) <= end_of(day)


def _check_named(scenario: Scenario) -> None:
    known = [f"{plan.id}/{project.id}" for plan in _plans() for project in plan.projects]
    unknown = [key for key in scenario.projects or () if key not in known]
    if unknown:
        raise InputError.of(
            scenario.id,
            f"没有项目 {'、'.join(unknown)};相近的有:{'、'.join(nearest_names(unknown[0], known))}",
            "no such project",
        )


def _promised(project: Project, horizon: int) -> str:
    """Return the year a document promises; what is open already is open on any schedule.

    A project without a year counts at the horizon of the farthest-looking plan.
    """
    dates = [str(project.promised or horizon)]
    if project.opened:
        dates.append(project.opened)
    return min(dates, key=end_of)


def _plans() -> list[Plan]:
    return [plans.builtin(plan_id) for plan_id in plans.plan_ids()]


@cache
def _network(_: Path, scenario: Scenario) -> Network:
    base = networks.builtin().at(scenario.network_date)
    added = [edit for project in projects_of(scenario) for edit in project_edits(project)]
    network = revision.apply(base, added).network
    return replace(network, name=scenario.id)


def project_edits(project: Project) -> list[Edit]:
    """Return the edits of a project; its links carry its key and its dates."""
    stamped = [
        {
            "project": project.key,
            "opened": project.opened or project.expected,
            "status": project.status,
            **entry,
        }
        if entry.get("action") == "add"
        else dict(entry)
        for entry in project.edits
    ]
    return editing.parse(stamped, project.key)


def network_of(scenario: Scenario, further: Sequence[Edit] = ()) -> Network:
    """Return the network of a scenario, with further edits on top.

    Raises
    ------
    InputError
        With every fault of the edits; nothing is applied then.
    """
    network = _network(data_dir(), scenario)
    return revision.apply(network, further).network if further else network


def register() -> Network:
    """Return every link known, of all years, with the links of all projects added."""
    return _register(data_dir())


@cache
def _register(_: Path) -> Network:
    projects = {project.key: project for plan in _plans() for project in plan.projects}
    edits = [edit for project in projects.values() for edit in project_edits(project)]
    added = [edit for edit in edits if edit.action == "add"]
    network = revision.apply(networks.builtin(), added).network
    return replace(network, name="register", date="")
