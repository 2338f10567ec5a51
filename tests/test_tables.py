"""Tables for people to read."""

from __future__ import annotations

import pandas as pd
import pytest

from spatialplan import assessment, edits, plan, tables
from spatialplan.assessment import Assessment

ROAD = {"action": "add", "from": "康乐县", "to": "临夏市", "class": "class1", "length_km": 62}


@pytest.fixture(scope="module")
def compared() -> Assessment:
    before = assessment.situation("linxia-open-2024")
    after = assessment.situation("linxia-open-2024", edits=edits.parse([ROAD], "test"))
    return assessment.assess(["linxia-2021"], after, before)


def test_members_stand_together_by_element_and_say_who_counts_them() -> None:
    documents = [plan.builtin("linxia-2021"), plan.builtin("linxia-lanzhou-2022")]
    table = tables.member_table(documents, "一心四带多节点")
    core = table[table["element"].str.startswith("一心")]
    assert list(core.index) == list(range(5))
    assert list(core["linxia-2021"] == "√") == [True] * 3 + [False] * 2
    assert (core["linxia-lanzhou-2022"] == "√").all()
    assert set(core["place"][3:]) == {"东塬乡", "河滩镇"}
    nodes = table[table["element"].str.startswith("多节点")]
    assert set(nodes["linxia-2021"]) == {"(√)", ""}
    assert tables.member_table(documents, "没有这样的结构").empty


def test_changed_trips_are_listed_with_both_times(compared: Assessment) -> None:
    table = tables.change_table(compared)
    row = table[(table["target"] == "linxia-2021/L5") & (table["destination_zh"] == "康乐县")]
    assert len(row) == 1
    assert float(row["minutes"].iloc[0]) == pytest.approx(62 / 70 * 60)
    assert float(row["change"].iloc[0]) < -0.5
    assert (table["change"] - (table["minutes"] - table["minutes_before"])).abs().max() < 1e-9


def test_steps_of_a_route_add_up(compared: Assessment) -> None:
    verdict = next(v for v in compared.verdicts_before if v.target.id == "L6")
    for pair in verdict.pairs:
        steps = tables.route_table(pair.route, compared.before.network)
        assert steps["minutes"].sum() == pytest.approx(pair.minutes)
        assert steps["km"].sum() == pytest.approx(pair.km)
        assert (steps["name_zh"] != "").any()


def test_outlook_has_a_column_for_each_situation(compared: Assessment) -> None:
    base = assessment.assess(["linxia-2021"], assessment.situation("linxia-base-2021"))
    table = tables.outlook_table([base, compared])
    assert list(table.columns[2:]) == [base.situation.title_zh, compared.situation.title_zh]
    found = dict(zip(table["id"], table.iloc[:, 3], strict=True))
    assert found["linxia-2021/L5"] == "不可能"
    assert len(table) == len(compared.verdicts)


def test_shown_escapes_texts_and_shortens_numbers() -> None:
    frame = pd.DataFrame(
        {
            "title_zh": ["<script>alert(1)</script>", "路"],
            "<b>": ["", ""],
            "value": [0.75, 12.345],
            "threshold": [1.0, float("nan")],
            "unit": ["share", "min"],
            "verdict_zh": ["达到", "不可能"],
        }
    )
    html = tables.shown(frame).to_html()
    assert "<script>" not in html
    assert "<b>" not in html
    for text in ("75%", "100%", "12.3", "–", "结论 verdict"):
        assert f">{text}</t" in html
    assert "12.345" not in html
    assert frame["value"].tolist() == [0.75, 12.345]
    chosen = tables.shown(frame, "verdict_zh title_zh").to_html()
    assert chosen.index("结论 verdict") < chosen.index("承诺")
    assert "75%" not in chosen
