"""One question answered: plans tested on a network, perhaps against another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialplan import edits as editing
from spatialplan import network as networks
from spatialplan import ownnetwork, places, revision, standards, targets
from spatialplan import plan as plans
from spatialplan import scenario as scenarios
from spatialplan.edits import Edit
from spatialplan.network import Network
from spatialplan.ownnetwork import OwnNetwork
from spatialplan.places import Gazetteer
from spatialplan.plan import Plan
from spatialplan.revision import Applied
from spatialplan.scenario import Scenario
from spatialplan.standards import SpeedProfile
from spatialplan.targets import Case, Verdict

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["Assessment", "Situation", "assess", "earlier", "edited", "situation", "situations"]

NETWORK_SUFFIXES = (".gpkg", ".geojson", ".json")


@dataclass(frozen=True)
class Situation:
    """A network to test plans on, and where it comes from.

    `own` is the network of the user's own, when it comes from a file; `scenario` is None when
    none was named for that. `applied` tells what further edits did, `base` is the same
    without them.
    """

    network: Network
    profile: SpeedProfile
    scenario: Scenario | None = None
    applied: Applied | None = None
    layers: Mapping[str, gpd.GeoDataFrame] = field(default_factory=dict)
    own: OwnNetwork | None = None
    base: Situation | None = None

    @property
    def title_zh(self) -> str:
        """What people call it, in Chinese."""
        title = self._title(self.scenario.title_zh if self.scenario else "")
        return f"{title} + 编辑" if self.applied else title

    @property
    def title_en(self) -> str:
        """What people call it, in English."""
        title = self._title(self.scenario.title_en if self.scenario else "")
        return f"{title} + edits" if self.applied else title

    def _title(self, of_scenario: str) -> str:
        names = [self.network.name if self.own else "", of_scenario]
        return " · ".join(name for name in names if name)

    @property
    def gazetteer(self) -> Gazetteer:
        """The places known here: the built-in ones, and those of a network of one's own."""
        return self.own.gazetteer if self.own else places.builtin()

    def case(self, name: str | Plan) -> Case:
        """Return a plan (itself, its id or its file) on this network, ready for its targets."""
        plan = name if isinstance(name, Plan) else plans.find(name)
        register = scenarios.register()
        case = Case(
            plan,
            self.network,
            self.profile,
            self.scenario.id if self.scenario else self.network.name,
            plan.gazetteer,
            every_link=register,
            layers=self.layers,
        )
        if self.own is None:
            return case
        return replace(
            case,
            gazetteer=self.own.gazetteer.with_unknown(plan.places),
            every_link=self.own.known,
            proposed=register,
            extent=self.own.extent,
        )


@dataclass(frozen=True)
class Assessment:
    """Verdicts of some plans, and of the same plans on the network compared with."""

    situation: Situation
    cases: tuple[Case, ...]
    verdicts: tuple[Verdict, ...]
    before: Situation | None = None
    verdicts_before: tuple[Verdict, ...] = ()

    @property
    def changed(self) -> list[tuple[Verdict, Verdict]]:
        """Verdicts, after and before, that differ in verdict, value or trips."""
        return [
            (after, before)
            for after, before in zip(self.verdicts, self.verdicts_before, strict=bool(self.before))
            if targets.differs(after, before)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the assessment as the command line's JSON has it."""
        before = self.verdicts_before or (None,) * len(self.verdicts)
        scenario = self.situation.scenario
        return {
            "scenario": scenario.id if scenario else None,
            "network": self.situation.network.name,
            "network_date": self.situation.network.date or None,
            "profile": self.situation.profile.id,
            "against": self.before.network.name if self.before else None,
            "edits": _edit_rows(self.situation.applied),
            "ties": _tie_rows(self.situation.own),
            "targets": [
                targets.as_dict(verdict, old)
                for verdict, old in zip(self.verdicts, before, strict=True)
            ],
        }


def _edit_rows(applied: Applied | None) -> list[dict[str, Any]]:
    return [
        {
            "edit": change.edit.spot,
            "action": change.edit.action,
            "links": change.links,
            "km": round(change.km, 3),
            "notes": list(change.notes),
        }
        for change in (applied.changes if applied else ())
    ]


def _tie_rows(own: OwnNetwork | None) -> list[dict[str, Any]]:
    if own is None:
        return []
    table = own.tied.table[["place_id", "node_id", "km", "how"]].astype(object)
    km = [round(float(km), 3) if np.isfinite(km) else None for km in table["km"]]
    return table.assign(km=pd.Series(km, table.index, dtype=object)).to_dict("records")


def situation(
    scenario: str | None = None,
    *,
    plan_ids: Sequence[str] = (),
    edits: str | Path | Sequence[Edit] | None = None,
    network: str | Path | Network | None = None,
    ties: str | Path = "",
    profile: str | Path = "operating",
    layers: Mapping[str, gpd.GeoDataFrame] | None = None,
) -> Situation:
    """Return the network that a user asks for, with edits applied.

    Parameters
    ----------
    scenario
        Its id; by default the latest open network of the area of the plans, or for a network
        file the links that are open today.
    edits
        An edit file, or edits.
    network
        A network file (or what was read from one), in place of the built-in network; the
        places of the plans are tied to it, and what the scenario builds is added.
    ties
        A CSV of ties to the network file that go before what is found.
    layers
        The user's own layers by name, for targets of coverage.

    Raises
    ------
    InputError
        When a name is unknown, or a file has faults.
    """
    asked = [plans.find(plan_id) for plan_id in plan_ids]  # an unknown plan is named as such
    speeds = standards.read_profile(profile)
    chosen = scenarios.builtin(scenario) if scenario else None
    if network is not None:
        own = ownnetwork.read(network, plans=asked, scenario=chosen, overrides=ties)
        found = Situation(own.network, speeds, chosen, layers=layers or {}, own=own)
    else:
        chosen = chosen or scenarios.default(plan_ids or plans.plan_ids())
        found = Situation(scenarios.network_of(chosen), speeds, chosen, layers=layers or {})
    return edited(found, edits, asked) if edits else found


def situations(
    scenario_ids: Sequence[str],
    edit_files: Sequence[str],
    *,
    network: str | Path | None = None,
    **asked: Any,
) -> Iterator[tuple[dict[str, str], Situation]]:
    """Yield the situation of each scenario with each edit file, and what tells it apart.

    That is its `scenario` where there are several, and its `edits` where there are several
    files. An empty name of a file stands for no edits. They come one after the other, since
    a network may be large; names and files are checked before the first.

    Parameters
    ----------
    network, asked
        As in `situation`.

    Raises
    ------
    InputError
        As `situation`.
    """
    names, files = (list(dict.fromkeys(given)) or [None] for given in (scenario_ids, edit_files))
    for name in scenario_ids:
        scenarios.builtin(name)
    for file in filter(None, files):
        editing.read(file)
    whole = networks.read(network) if network else None
    for name in names:
        bare = situation(name, network=whole, **asked)
        for file in files:
            labels = {"scenario": name} if len(names) > 1 else {}
            labels |= {"edits": file} if len(files) > 1 else {}
            yield labels, edited(bare, file) if file else bare


def edited(
    found: Situation, edits: str | Path | Sequence[Edit], asked: Sequence[Plan] = ()
) -> Situation:
    """Return a situation with edits (a file, or edits) applied.

    Parameters
    ----------
    asked
        Plans whose own places the edits may name.

    Raises
    ------
    InputError
        With every fault of the edits; nothing is applied then.
    """
    # A planner's own plan brings places along, and its works may begin there.
    known = found.gazetteer.with_unknown([place for plan in asked for place in plan.places])
    apply = revision.apply_file if isinstance(edits, str | Path) else revision.apply
    applied = apply(found.network, edits, known)
    return replace(found, network=applied.network, applied=applied, base=found)


def earlier(against: str, now: Situation | None = None, **asked: Any) -> Situation:
    """Return what a situation is compared with, for the same further options of `situation`.

    Parameters
    ----------
    against
        The id of a scenario: of the same network file, where one is asked for. Or a network
        file, taken as it is.
    now
        The situation itself, if there is one by now: what it was made of is not read again.
    """
    plain = (now.base or now) if now else None
    file = Path(against) if Path(against).suffix.lower() in NETWORK_SUFFIXES else None
    whole = plain.own.known if plain and plain.own else None
    if whole is not None and (file is None or _same_file(file, whole.file)):
        if (plain.scenario and plain.scenario.id) == (None if file else against):
            return plain
        asked["network"] = whole
    elif file is not None:
        asked["network"] = file
    return situation(None if file else against, **asked)


def _same_file(one: Path, other: Path | None) -> bool:
    return other is not None and one.resolve() == other.resolve()


def assess(
    plan_ids: Sequence[str],
    now: Situation,
    before: Situation | None = None,
    only: Sequence[str] | None = None,
) -> Assessment:
    """Return the verdicts of the targets of some plans (by default those of the scenario).

    `only` keeps the targets with these keys.

    Raises
    ------
    InputError
        When a plan is unknown.
    """
    ids = plan_ids or (now.scenario.plans if now.scenario else plans.plan_ids())
    # What is found out before the edits serves after them.
    old = tuple(before.case(plan_id) for plan_id in ids) if before else ()
    verdicts_before = _verdicts(old, only)
    cases = tuple(now.case(plan_id) for plan_id in ids)
    return Assessment(now, cases, _verdicts(cases, only), before, verdicts_before)


def _verdicts(cases: Sequence[Case], only: Sequence[str] | None) -> tuple[Verdict, ...]:
    return tuple(
        verdict
        for case in cases
        for verdict in targets.evaluate(
            [t for t in case.plan.targets if only is None or t.key in only], case
        )
    )
