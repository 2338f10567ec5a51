"""A network of the user's own, made ready for plans: its day, its places, their ties, projects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import shapely

from spatialplan import network as networks
from spatialplan import places, revision, ties
from spatialplan import scenario as scenarios
from spatialplan.draft import Draft
from spatialplan.errors import InputError
from spatialplan.network import Network
from spatialplan.places import Gazetteer
from spatialplan.plan import Plan, Project
from spatialplan.scenario import Scenario
from spatialplan.standards import MODES
from spatialplan.ties import Tied

__all__ = ["OwnNetwork", "extent_of", "read"]

MARGIN_DEGREES = 0.03  # so far beyond its outermost nodes a network still tells what is there
NAMED_AT_MOST, TIES_AT_MOST = 5, 20


@dataclass(frozen=True)
class OwnNetwork:
    """A network from a file.

    Parameters
    ----------
    network
        Its links of the day, places of the plans tied to it, projects of the scenario built.
    known
        Every link of the file, whatever its status.
    gazetteer
        The built-in places, those of the plans, and those that came with the network.
    tied
        How each place of the plans was tied.
    extent
        Where the network can tell what there is: a polygon in EPSG:4326.
    day
        ``YYYY-MM``: links that are open then are in the network.
    notes
        What was taken and left, in Chinese and English.
    """

    network: Network
    known: Network
    gazetteer: Gazetteer
    tied: Tied
    extent: shapely.Geometry
    day: str = ""
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The notes, and how the places were tied, as lines of text."""
        return [*self.notes, *self.tied.lines(TIES_AT_MOST)]


def read(
    path: str | Path | Network,
    *,
    plans: Sequence[Plan] = (),
    scenario: Scenario | None = None,
    overrides: str | Path = "",
) -> OwnNetwork:
    """Read a network file and make it ready for plans.

    Parameters
    ----------
    path
        The file, or the network that was read from it.
    plans
        Their places are tied to the network.
    scenario
        Gives the day, and projects; without one the links that are open today count.
    overrides
        A CSV of ties that go before what is found; by default the overrides in the table
        that the import wrote beside the network.

    Raises
    ------
    InputError
        When a file has faults, or no link is open on the day.
    """
    whole = path if isinstance(path, Network) else networks.read(path)
    gazetteer = places.builtin().with_places([place for plan in plans for place in plan.places])
    gazetteer = ties.known_places(gazetteer, whole.places)
    today, day, notes = _of_day(whole, scenario)
    wanted = _wanted(plans, scenario, gazetteer)
    given = _overrides(whole.file, overrides, today)
    chosen = Gazetteer(gazetteer.table[gazetteer.table.index.isin([*wanted, *given])])
    tied = ties.tie(today, chosen, overrides=given)
    notes += _part_notes(today)
    network = tied.network
    if scenario is not None:
        network, more = _built(network, scenario, gazetteer)
        notes += more
    return OwnNetwork(network, whole, gazetteer, tied, extent_of(whole), day, tuple(notes))


def extent_of(network: Network) -> shapely.Geometry:
    """Return where a network can tell what there is: a polygon in EPSG:4326."""
    closed = np.concatenate([network.lonlat, network.lonlat[:1]])  # a line has two points
    return shapely.buffer(shapely.convex_hull(shapely.linestrings(closed)), MARGIN_DEGREES)


def _of_day(network: Network, scenario: Scenario | None) -> tuple[Network, str, list[str]]:
    """Return the links of the day of a scenario (without one, of today), the day, and notes."""
    if scenario is None:
        day = f"{date.today():%Y-%m}"  # noqa: DTZ011 - the user's own calendar day
        is_open = (network.links["status"] == "open").to_numpy()
        there = network.part(is_open & network.links_at(day))
        rule = (
            "没有给 --scenario,只计现在已通车(status 为 open 且已到 opened)的路段",
            "without --scenario only links open today count",
        )
    else:
        there = network.at(scenario.network_date)
        day = there.date
        rule = (
            f"按情景 {scenario.id} 的年月计:已通车的,以及 opened 不晚于它的在建、规划路段",
            "of the scenario's month: links open, or expected open, by then",
        )
    if there.links.empty:
        raise InputError.of(
            network.name,
            f"到 {day} 没有一个路段通车;请检查 status、opened 列,或用 --scenario 指定年份",
            f"no link is open in {day}; check the columns status and opened, or name a scenario",
        )
    left = len(network.links) - len(there.links)
    if not left and scenario is None:
        return there, day, []
    counts = f"路网 {network.name} {day}: 用 {len(there.links)} 段 links,不计 left out {left} 段"
    return there, day, [f"{counts}({rule[0]} {rule[1]})"]


def _part_notes(network: Network) -> list[str]:
    """Say so when the roads are not one connected whole."""
    sizes = network.components([mode for mode in MODES if mode != "rail"])
    if len(sizes) < 2:
        return []
    share = sizes[0] / sizes.sum()
    zh = f"公路分为 {len(sizes)} 个互不相连的部分,最大的占节点 {share:.1%};不同部分之间不通"
    return [f"{zh} {len(sizes)} separate parts of roads, no way between them"]


def _overrides(file: Path | None, given: str | Path, network: Network) -> dict[str, str]:
    """Return the ties that a user gave, now or when the network was imported."""
    if given:
        return ties.read_overrides(given)
    beside = file.with_suffix(".ties.csv") if file else None
    if beside is None or not beside.is_file():
        return {}
    # Those that found their node have given it their id already.
    found = ties.read_overrides(beside).items()
    return {p: node for p, node in found if not node and p not in network.nodes.index}


def _wanted(
    plans: Iterable[Plan], scenario: Scenario | None, gazetteer: Gazetteer
) -> Iterator[str]:
    """Yield the places that plans speak of, and those where projects begin and end."""
    for plan in plans:
        yield from plan.place_ids(gazetteer)
    projects = [project for plan in plans for project in plan.projects]
    projects += scenarios.projects_of(scenario) if scenario else []
    for project in projects:
        yield from _ends(project, gazetteer)


def _ends(project: Project, gazetteer: Gazetteer) -> Iterator[str]:
    """Yield the places where the links of a project begin and end."""
    for entry in project.edits:
        for name in (entry.get("from"), *(entry.get("via") or ()), entry.get("to")):
            try:
                place = gazetteer.find(name) if isinstance(name, str) else None
            except InputError:  # a node id, or a slip that applying will tell
                continue
            if place is not None and place.place_id in gazetteer:
                yield str(place.place_id)


def _built(network: Network, scenario: Scenario, gazetteer: Gazetteer) -> tuple[Network, list[str]]:
    """Return the network with the projects of a scenario that are not open yet.

    What is open already should be in the file; what lies elsewhere does not concern it.
    """
    draft = Draft(network, gazetteer, revision.SNAP_KM)
    inside = set(network.links["project"].unique())
    counts = {"built": [], "there": [], "away": [], "fails": []}
    for project in scenarios.projects_of(scenario):
        ends = list(_ends(project, gazetteer))
        if not project.edits:
            continue
        if project.status == "open" or project.key in inside:
            counts["there"].append(project.name_zh)
        elif ends and not any(draft.node_of(end) for end in ends):
            counts["away"].append(project.name_zh)
        else:
            trial = draft.copy()
            _, faults = revision.put_in(trial, scenarios.project_edits(project))
            if faults:
                counts["fails"].append(f"{project.name_zh}({faults[0]})")
            else:
                draft = trial
                counts["built"].append(project.name_zh)
    built = draft.network() if counts["built"] else network
    # What is made of it may be kept beside the file: the scenario's projects are no passing edits.
    return built.like(file=network.file), [
        f"{zh} {en}: {len(names)} 个,{_some(names)}"
        for key, (zh, en) in _PROJECT_NOTES.items()
        if (names := counts[key])
    ]


_PROJECT_NOTES = {
    "built": ("已加入情景的项目", "projects of the scenario, added"),
    "there": ("已通车的项目,应已在文件中,不再添加", "open already, so taken to be in the file"),
    "away": ("不在此路网范围的项目", "projects elsewhere"),
    "fails": ("不能用于此路网、未加入的项目", "projects that do not fit this network, left out"),
}


def _some(names: Sequence[str]) -> str:
    more = "等" if len(names) > NAMED_AT_MOST else ""
    return "、".join(names[:NAMED_AT_MOST]) + more
