"""Scenarios: which projects are there on which day, on either schedule."""

from __future__ import annotations

import pytest
from tests import networks as toy

from spatialplan import network, plan, revision, scenario
from spatialplan.edits import Edit
from spatialplan.errors import InputError
from spatialplan.plan import Citation, Plan, Project
from spatialplan.scenario import Scenario

CITE = Citation("一", "句")


def project(plan_id, name, **columns) -> Project:
    return Project(name, plan_id, name, name, CITE, **columns)


PLANS = {
    "one": Plan("one", "", "", "", "", "2021", 2035, (1,), "", projects=(
        project("one", "built", promised=2025, opened="2023-06", status="open"),
        project("one", "early", promised=2025, opened="2022", status="open"),
        project("one", "late", promised=2025, expected="2027", status="construction"),
        project("one", "dream", status="proposed"),
    )),
    "two": Plan("two", "", "", "", "", "2022", 2030, (1,), "", projects=(
        project("two", "late", promised=2026, expected="2027", same_as="one/late"),
        project("two", "own", promised=2024, expected="2026-03", status="construction"),
    )),
    "other": Plan("other", "", "", "", "", "2020", 2030, (9,), "", projects=(
        project("other", "near", promised=2021, expected="2024-05", status="construction"),
    )),
}  # fmt: skip


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.setattr(plan, "plan_ids", lambda: sorted(PLANS))
    monkeypatch.setattr(plan, "builtin", PLANS.__getitem__)


def keys(**columns) -> set[str]:
    found = scenario.projects_of(
        Scenario("x", "", "", "x", "open", columns.pop("plans", ("one", "two")),
                 columns.pop("network_date", "2035"), **columns)
    )  # fmt: skip
    assert len({p.key for p in found}) == len(found)  # each once, though two plans name it
    return {p.key for p in found}


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2021", set()),
        ("2022-11", set()),
        ("2022", {"one/early"}),
        ("2023-06", {"one/early", "one/built"}),
        ("2026", {"one/early", "one/built", "two/own"}),
        ("2027", {"one/early", "one/built", "two/own", "one/late"}),
        ("2099", {"one/early", "one/built", "two/own", "one/late"}),  # the dream has no date
    ],
)
def test_by_the_evidence(day, expected):
    assert keys(all_open_by=day, network_date="2020") == expected


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2023", {"one/early", "one/built"}),  # open before the promise is open
        ("2024", {"one/early", "one/built", "two/own"}),
        ("2025", {"one/early", "one/built", "two/own", "one/late"}),
        ("2034", {"one/early", "one/built", "two/own", "one/late"}),
        ("2035", {"one/early", "one/built", "two/own", "one/late", "one/dream"}),
    ],
)
def test_by_the_promise(day, expected):
    assert keys(all_open_by=day, schedule="as_planned", network_date="2020") == expected


@pytest.mark.usefixtures("toys")
def test_neighbours_come_in_by_the_evidence_of_the_day():
    assert keys(network_date="2024-05", projects=()) == {"other/near"}
    assert keys(network_date="2024-04", projects=()) == set()
    promised = keys(network_date="2024-04", all_open_by="2035", schedule="as_planned")
    assert "other/near" not in promised


@pytest.mark.usefixtures("toys")
def test_by_name():
    assert keys(projects=("two/late", "one/built"), network_date="2020") == {
        "one/late",
        "one/built",
    }
    assert keys(projects=("one/late", "two/late"), network_date="2020") == {"one/late"}
    with pytest.raises(InputError, match=r"one/bilt.*one/built"):
        keys(projects=("one/bilt",))


def test_the_default_is_the_latest_open_network():
    assert scenario.default(["linxia-2021"]).id == "linxia-open-2024"
    assert scenario.default(["linxia-lanzhou-2022", "linxia-2021"]).role == "open"


def test_unknown_scenarios_name_the_nearest():
    with pytest.raises(InputError, match="linxia-open-2024"):
        scenario.builtin("linxia-open-2042")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {id: a, title_zh: 甲, title_en: a, area: x, plans: [p]}", r" a: 缺少 network_date"),
        ("- {id: a, title_zh: 甲, title_en: a, area: x, plans: [p], network_date: 2024, role: x}",
         "role"),
        ("- {id: a, title_zh: 甲, title_en: a, area: x, plans: [p], network_date: 2, schedule: x}",
         "schedule"),
        ("- word", "键"),
    ],
)  # fmt: skip
def test_faults_of_the_file(tmp_path, monkeypatch, text, words):
    (tmp_path / "places.csv").touch()
    (tmp_path / "scenarios.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("SPATIALPLAN_DATA", str(tmp_path))
    with pytest.raises(InputError, match=words):
        scenario.scenarios()


# --- the built-in ones --------------------------------------------------------------------------

LINXIA = [s for s in scenario.scenarios() if s.area == "linxia"]


def test_what_linxia_has_to_compare():
    assert {s.role for s in LINXIA} == {"base", "open", "promised", "expected", "vision"}
    by_role = {s.role: {p.key for p in scenario.projects_of(s)} for s in LINXIA}
    own = {k: {key for key in v if key.startswith("linxia")} for k, v in by_role.items()}
    assert own["base"] == set()
    assert own["open"] < own["expected"] < own["vision"]
    # The promise of 2025 and what the evidence says of 2025 differ: that is the point.
    assert own["promised"] - own["open"]


@pytest.mark.parametrize("chosen", LINXIA, ids=lambda s: s.id)
def test_the_network_of_a_scenario(chosen):
    found = scenario.network_of(chosen)
    assert (found.name, found.date) == (chosen.id, network.end_of(chosen.network_date))
    assert found.faults() == []
    projects = {p.key: p for p in scenario.projects_of(chosen)}
    with_roads = {key for key, p in projects.items() if any(e["action"] == "add" for e in p.edits)}
    assert set(found.links["project"]) - {""} == with_roads
    assert found.components()[0] > 500


def test_later_networks_hold_the_earlier_ones():
    """Between the evidence of two days no road is lost."""
    km = [
        scenario.network_of(scenario.builtin(f"linxia-{name}")).links["length_km"].sum()
        for name in ("base-2021", "open-2024", "expected-2027")
    ]
    assert km == sorted(km)


def test_further_edits_come_on_top_and_leave_the_scenario_alone():
    chosen = scenario.builtin("linxia-open-2024")
    before = scenario.network_of(chosen)
    count = len(before.links)
    after = scenario.network_of(chosen, [Edit("close", "x", where={"link_id": "g310-0007"})])
    assert len(after.links) == count - 1
    assert len(scenario.network_of(chosen).links) == count
    with pytest.raises(InputError):
        scenario.network_of(chosen, [Edit("close", "x", where={"link_id": "none"})])


def test_the_register_holds_every_road_of_every_project():
    found = scenario.register()
    added = {
        entry["link_id"]
        for plan_id in plan.plan_ids()
        for p in plan.builtin(plan_id).projects
        for entry in p.edits
        if entry["action"] == "add" and entry.get("link_id")
    }
    assert added <= set(found.links.index)
    assert set(network.builtin().links.index) <= set(found.links.index)
    assert set(found.links["status"]) >= {"open", "construction", "proposed"}


def test_a_project_and_a_planners_edit_go_the_same_way():
    base = toy.network({"a": (0, 0), "b": (10, 0), "c": (20, 0)},
                       [toy.link("a", "b", 11), toy.link("b", "c", 11)])  # fmt: skip
    entry = {"action": "add", "from": "a", "to": "c", "class": "class2", "length_km": 22}
    work = project("one", "w", edits=(entry,), expected="2027", status="construction")
    gazetteer = toy.gazetteer({"a": ("甲", 0, 0, "town", 1)})
    built = revision.apply(base, scenario.project_edits(work), gazetteer).network
    [row] = built.links[built.links["project"] == "one/w"].itertuples()
    assert (row.opened, row.status, row.length_km) == ("2027", "construction", 22)
