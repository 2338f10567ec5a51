"""One question answered: plans on a network, perhaps against another."""

from __future__ import annotations

import json

import pytest

from spatialplan import assessment, network, plan, printing, scenario, tables, targets
from spatialplan.edits import Edit
from spatialplan.errors import InputError

ROAD = Edit(
    "add", "我的路", ("kangle-xian", "hezheng-xian"),
    values={"class": "class1", "design_speed_kmh": 80.0, "length_km": 34.0, "mode": "road"},
)  # fmt: skip


@pytest.fixture(scope="module")
def compared():
    now = assessment.situation("linxia-open-2024", edits=[ROAD])
    before = assessment.situation("linxia-open-2024")
    return assessment.assess(["linxia-2021"], now, before)


def test_a_new_road_and_what_it_changes(compared):
    assert [change.links for change in compared.situation.applied.changes] == [1]
    assert compared.situation.title_zh.endswith("+ 编辑")
    assert compared.before.applied is None
    changed = {after.target.id for after, _ in compared.changed}
    assert "L6" in changed  # 康乐–和政 and beyond
    for after, before in compared.changed:
        for new, old in targets.changed_pairs(after, before):
            assert new.minutes <= old.minutes + 1e-9
    untouched = {v.target.id for v in compared.verdicts} - changed
    assert "L14" in untouched  # a statistic


def test_as_the_command_line_has_it(compared):
    shown = json.loads(json.dumps(compared.as_dict(), allow_nan=False))
    assert shown["scenario"] == "linxia-open-2024"
    assert shown["profile"] == "operating"
    assert shown["edits"] == [
        {"edit": "我的路", "action": "add", "links": 1, "km": 34.0, "notes": []}
    ]
    assert len(shown["targets"]) == len(plan.builtin("linxia-2021").targets)
    for row in shown["targets"]:
        assert set(row["against"]) == {"verdict", "value"}


def test_as_text_and_as_a_table(compared):
    text = printing.assessment_text(compared)
    assert "康乐县" in text
    assert "→" in text
    assert "对比 against" in text
    assert f"合计 {len(compared.verdicts)} 项" in text
    table = tables.verdict_table(compared)
    assert list(table["id"]) == [v.target.key for v in compared.verdicts]
    assert set(table["verdict_before"]) <= set(targets.VERDICT_NAMES)


def test_by_default_the_plans_of_the_scenario():
    found = assessment.assess([], assessment.situation("linxia-open-2024"), only=["linxia-2021/L5"])
    assert [v.target.key for v in found.verdicts] == ["linxia-2021/L5"]
    assert [case.plan.id for case in found.cases] == ["linxia-2021", "linxia-lanzhou-2022"]
    assert found.changed == []


def test_a_network_from_a_file_gives_the_same_verdicts(tmp_path):
    path = tmp_path / "n.gpkg"
    scenario.network_of(scenario.builtin("linxia-open-2024")).write(path)
    only = ["linxia-2021/L5", "linxia-2021/L6", "linxia-2021/L1-door"]
    ways = [
        assessment.assess(["linxia-2021"], situation, only=only)
        for situation in (
            assessment.situation("linxia-open-2024"),
            assessment.situation(network=path),
        )
    ]
    assert ways[1].situation.scenario is None
    assert ways[1].as_dict()["scenario"] is None
    for one, other in zip(*(way.verdicts for way in ways), strict=True):
        assert other.value == (None if one.value is None else pytest.approx(one.value))
        assert {one.verdict, other.verdict} <= {"not_met", "impossible"} or (
            one.verdict == other.verdict
        )


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"scenario": "linxia-open"}, "linxia-open-2024"),
        ({"plan_ids": ["linxia-2012"]}, "linxia-2021"),
        ({"profile": "fast"}, "operating"),
        ({"network": "none.gpkg"}, "不存在"),
        ({"edits": "none.yaml"}, "打不开"),
    ],
)
def test_names_that_are_not_there(asked, words):
    with pytest.raises(InputError, match=words):
        assessment.situation(**asked)


def test_a_better_profile_is_never_slower():
    usual, best = (
        assessment.assess(
            ["linxia-2021"], assessment.situation("linxia-open-2024", profile=name),
            only=["linxia-2021/L5", "linxia-2021/L6"],
        )
        for name in ("operating", "design")
    )  # fmt: skip
    for one, other in zip(usual.verdicts, best.verdicts, strict=True):
        assert other.value <= one.value


def test_the_network_in_words():
    text = printing.network_text(network.builtin().at("2024-12"))
    assert "高速公路" in text
    assert "段 links" in text
