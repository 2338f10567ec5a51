"""One question answered: plans tested on a network, perhaps against another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialplan import network as networks
from spatialplan import plan as plans
from spatialplan import revision, standards, targets
from spatialplan import scenario as scenarios
from spatialplan.edits import Edit
from spatialplan.network import Network
from spatialplan.plan import Plan
from spatialplan.revision import Applied
from spatialplan.scenario import Scenario
from spatialplan.standards import SpeedProfile
from spatialplan.targets import Case, Verdict

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["Assessment", "Situation", "assess", "situation"]


@dataclass(frozen=True)
class Situation:
    """A network to test plans on, and where it comes from.

    `scenario` is None for a network from a file; `applied` tells what further edits did.
    """

    network: Network
    profile: SpeedProfile
    scenario: Scenario | None = None
    applied: Applied | None = None
    layers: Mapping[str, gpd.GeoDataFrame] = field(default_factory=dict)

    @property
    def title_zh(self) -> str:
        """What people call it, in Chinese."""
        title = self.scenario.title_zh if self.scenario else self.network.name
        return f"{title} + 编辑" if self.applied else title

    @property
    def title_en(self) -> str:
        """What people call it, in English."""
        title = self.scenario.title_en if self.scenario else self.network.name
        return f"{title} + edits" if self.applied else title

    def case(self, name: str | Plan) -> Case:
        """Return a plan (itself, its id or its file) on this network, ready for its targets."""
        plan = name if isinstance(name, Plan) else plans.find(name)
        return Case(
            plan,
            self.network,
            self.profile,
            self.scenario.id if self.scenario else self.network.name,
            plan.gazetteer,
            every_link=scenarios.register() if self.scenario else None,
            layers=self.layers,
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
            if after.verdict != before.verdict or targets.changed_pairs(after, before)
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


def situation(
    scenario: str | None = None,
    *,
    plan_ids: Sequence[str] = (),
    edits: str | Path | Sequence[Edit] | None = None,
    network: str | Path | None = None,
    profile: str | Path = "operating",
    layers: Mapping[str, gpd.GeoDataFrame] | None = None,
) -> Situation:
    """Return the network that a user asks for, with edits applied.

    Parameters
    ----------
    scenario
        Its id; by default the latest open network of the area of the plans.
    edits
        An edit file, or edits.
    network
        A network file, in place of a scenario.
    layers
        The user's own layers by name, for targets of coverage.

    Raises
    ------
    InputError
        When a name is unknown, or a file has faults.
    """
    speeds = standards.read_profile(profile)
    if network is not None:
        chosen, base = None, networks.read(network)
    else:
        for plan_id in plan_ids:
            plans.find(plan_id)  # an unknown plan is named as such
        asked = plan_ids or plans.plan_ids()
        chosen = scenarios.builtin(scenario) if scenario else scenarios.default(asked)
        base = scenarios.network_of(chosen)
    if not edits:
        return Situation(base, speeds, chosen, layers=layers or {})
    # A planner's own plan brings places along, and its works may begin there.
    known = plans.find(plan_ids[0]).gazetteer if len(plan_ids) == 1 else None
    apply = revision.apply_file if isinstance(edits, str | Path) else revision.apply
    applied = apply(base, edits, known)
    return Situation(applied.network, speeds, chosen, applied, layers or {})


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
    cases = tuple(now.case(plan_id) for plan_id in ids)
    old = tuple(before.case(plan_id) for plan_id in ids) if before else ()
    return Assessment(now, cases, _verdicts(cases, only), before, _verdicts(old, only))


def _verdicts(cases: Sequence[Case], only: Sequence[str] | None) -> tuple[Verdict, ...]:
    return tuple(
        verdict
        for case in cases
        for verdict in targets.evaluate(
            [t for t in case.plan.targets if only is None or t.key in only], case
        )
    )
