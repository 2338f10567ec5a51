"""What only the plans of Qinghai and Haidong must hold, checked as data."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

RAW = Path(__file__).resolve().parents[1] / "data" / "raw"
XINING = {630102, 630103, 630104, 630105, 630106, 630121, 630123}
HAIDONG = {630202, 630203, 630222, 630223, 630224, 630225}
FOUR = {630222, 630223, 630224, 630225}
SEATS = {"minhe-xian", "huzhu-xian", "xunhua-xian"}
BAYAN, QUNKE = "hualong-xian", "qunke-zhen"


def _load(name: str) -> Any:
    return yaml.safe_load((RAW / name).read_text(encoding="utf-8"))


def _table(name: str) -> list[dict[str, str]]:
    with (RAW / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


QINGHAI, HAIDONG_PLAN = _load("plans/qinghai-2024.yaml"), _load("plans/haidong-2023.yaml")
SCENARIOS = {s["id"]: s for s in _load("scenarios.yaml") if s["area"] == "xining-haidong"}


def _by_id(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in entries}


ELEMENTS, TARGETS = _by_id(QINGHAI["elements"]), _by_id(QINGHAI["targets"])
COUNTY_ELEMENTS = _by_id(HAIDONG_PLAN["elements"])
COUNTY_TARGETS = _by_id(HAIDONG_PLAN["targets"])


def test_areas() -> None:
    assert set(QINGHAI["area"]) == XINING | HAIDONG
    assert QINGHAI["province"] == 630000
    assert set(HAIDONG_PLAN["area"]) == FOUR
    assert QINGHAI["crs"] == HAIDONG_PLAN["crs"] == "EPSG:4543"


def test_formulas_count_their_parts() -> None:
    def kinds(structure: str) -> list[str]:
        return [e["kind"] for e in QINGHAI["elements"] if e["structure"] == structure]

    assert kinds("三横三纵") == ["axis"] * 6
    assert kinds("一轴两核三环多联").count("ring") == 3
    assert kinds("一轴两核三环多联").count("axis") == 1
    assert kinds("两核一带多节点").count("core") == 2
    assert kinds("两核一带多节点").count("belt") == 1
    assert len(kinds("特色专业镇")) == 5
    assert len(kinds("一体化跨界协作区")) == 2


def test_formulas_that_are_not_enumerated_are_inferred() -> None:
    for structure in ("三横三纵", "一轴两核三环多联", "一圈两区多点"):
        assert all(e["inferred"] for e in QINGHAI["elements"] if e["structure"] == structure)
    assert COUNTY_ELEMENTS["tourism-huzhu"]["inferred"]
    assert COUNTY_ELEMENTS["tourism-xunhua"]["inferred"]


def test_outer_towns_are_the_seven_of_the_sentence() -> None:
    towns = ELEMENTS["outer-county-towns"]
    assert not towns["inferred"]
    assert set(towns["members"]) == SEATS | {
        BAYAN,
        "huangyuan-xian",
        "datong-xian",
        "huangzhong-qu",
    }
    assert set(ELEMENTS["core-haidong"]["members"]) == {"ledu-qu", "pingan-qu"}


def test_roles_of_the_four_counties() -> None:
    def towns(name: str) -> set[str]:
        return set(COUNTY_ELEMENTS[name]["members"]) & (SEATS | {BAYAN, QUNKE})

    assert towns("type-farming") == {"minhe-xian"}
    assert towns("type-tourism") == {"huzhu-xian", "xunhua-xian", BAYAN, QUNKE}
    assert towns("farm-area") == {"minhe-xian", "xunhua-xian", BAYAN, QUNKE}
    assert towns("population-loss") == {BAYAN, QUNKE}
    assert {f"lanxi-{c}" for c in ("minhe", "huzhu", "hualong", "xunhua")} <= set(COUNTY_ELEMENTS)


@pytest.mark.parametrize("targets", [TARGETS, COUNTY_TARGETS], ids=["qinghai", "haidong"])
def test_every_reading_at_bayan_has_its_twin_at_qunke(targets: dict[str, dict[str, Any]]) -> None:
    outer = ELEMENTS["outer-county-towns"]["members"]
    seen = 0
    for name, target in targets.items():
        for key in ("places", "destinations"):
            value = target.get(key)
            if isinstance(value, dict):
                value = outer if value.get("element") == "outer-county-towns" else []
            if BAYAN not in (value or []):
                continue
            twin = targets[f"{name}-qunke"]
            assert set(twin[key]) == set(value) - {BAYAN} | {QUNKE}, name
            same = ("metric", "threshold", "mode", "method", "distance_m", "rule")
            assert [target.get(k) for k in same] == [twin.get(k) for k in same], name
            seen += 1
    assert seen >= 3


def test_figures_that_the_documents_do_not_give_are_marked() -> None:
    for target in [*QINGHAI["targets"], *HAIDONG_PLAN["targets"]]:
        if target["unit"] == "min":
            assert target["threshold_inferred"], target["id"]
    sixty = {t["threshold_note_zh"] for t in QINGHAI["targets"] if t.get("threshold") == 60}
    assert len(sixty) == 1
    assert "发改规划〔2019〕328号" in sixty.pop()


def test_county_thresholds_are_those_of_the_sentences() -> None:
    assert COUNTY_TARGETS["H9"]["areas"] == {630222: 70, 630223: 30, 630224: 15, 630225: 15}
    assert COUNTY_TARGETS["H8"]["threshold"] == 40
    assert COUNTY_TARGETS["H2"]["distance_m"] == 500
    assert COUNTY_TARGETS["H2"]["threshold"] == 1.0
    assert TARGETS["Q1"]["threshold"] == 67
    towns = [r for r in _table("townships.csv") if int(r["adcode"]) in FOUR]
    assert COUNTY_TARGETS["H5-share"]["universe"] == sum(
        row["kind"] in {"town", "township"} for row in towns
    )


def test_urbanisation_rates_follow_from_the_census() -> None:
    people = {r["adcode"]: (r["urban"], int(r["population"])) for r in _table("population.csv")}
    seen = 0
    for row in _table("statistics.csv"):
        if row["indicator"] != "urbanisation_rate" or not row["source"].startswith("按2020年普查"):
            continue
        urban, whole = people[row["adcode"]]
        assert float(row["value"]) == pytest.approx(100 * int(urban) / whole, abs=0.006)
        seen += 1
    assert seen == 5


def test_no_road_is_promised_for_a_year() -> None:
    for plan in (QINGHAI, HAIDONG_PLAN):
        assert [p["id"] for p in plan["projects"] if p["promised"] is not None] == []


def test_promised_scenario_holds_what_is_ordered_and_not_what_is_to_be_planned() -> None:
    chosen = set(SCENARIOS["xining-haidong-promised-2030"]["projects"])
    for plan in (QINGHAI, HAIDONG_PLAN):
        for project in plan["projects"]:
            key = f"{plan['id']}/{project['id']}"
            if "same_as" in project or not project["edits"]:
                continue
            ordered = (
                "谋划" not in project["cite"]["quote"] and "依托" not in project["cite"]["quote"]
            )
            assert (key in chosen) == ordered, key


def test_roles_of_scenarios() -> None:
    roles = [s["role"] for s in SCENARIOS.values()]
    assert sorted(roles) == ["base", "expected", "open", "promised", "vision"]
