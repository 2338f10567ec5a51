"""Every area as a whole: roads between its seats, targets with verdicts, roads across borders."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest

from spatialplan import cli, layers, maps, places, plan, scenario, standards, travel
from spatialplan.network import Network
from spatialplan.script import wide

PLANS = plan.plan_ids()
OPEN = {item.id: item for item in (scenario.default([name]) for name in PLANS)}
CODES = {
    "pingliang-2021": [f"P{number}" for number in range(1, 10)],
    "qinghai-2024": [f"Q{number}" for number in range(1, 6)],
    "haidong-2023": [f"H{number}" for number in range(1, 12)],
}
MOST = 2.6


@cache
def shortest(scenario_id: str) -> pd.DataFrame:
    """Return the km of the shortest road between all seats: every road equally fast."""
    network = scenario.network_of(scenario.builtin(scenario_id))
    links = network.links.assign(design_speed_kmh=60.0)
    profile = standards.read_profile()
    profile = replace(
        profile,
        speeds=dict.fromkeys(profile.speeds, ((60.0, 60.0),)),
        default_kmh=dict.fromkeys(profile.default_kmh, 60.0),
        ramp_minutes=0.0,
        access_kmh=60.0,
    )
    even = Network(network.nodes, links, network.name, network.date)
    graph = travel.compile_graph(even, profile)
    codes = {code for p in scenario.builtin(scenario_id).plans for code in plan.builtin(p).area}
    seats = [places.builtin()[i] for i in places.builtin().seats(sorted(codes))]
    times = travel.travel_times(graph, seats, seats)
    return times[times["origin"] != times["destination"]]


@pytest.mark.parametrize("scenario_id", OPEN)
def test_roads_between_seats_are_neither_too_short_nor_too_long(scenario_id: str) -> None:
    table = shortest(scenario_id)
    assert len(table) >= 7 * 6
    assert table["minutes"].notna().all()
    assert (table["km"] >= table["straight_km"]).all()
    far = table[table["km"] > MOST * table["straight_km"]]
    assert far.empty, far[["origin", "destination", "km", "straight_km"]].to_string()


def test_the_mountains_between_minhe_and_hualong_are_crossed() -> None:
    """By 乐化, opened in November 2024: before, one drove round by 平安."""
    table = shortest("xining-haidong-open-2024").set_index(["origin", "destination"])
    row = table.loc[("minhe-xian", "hualong-xian")]
    assert row["km"] < 2.0 * row["straight_km"]
    before = shortest("xining-haidong-base-2023").set_index(["origin", "destination"])
    assert before.loc[("minhe-xian", "hualong-xian"), "km"] > row["km"] + 30


@pytest.fixture(scope="module")
def checked() -> dict[str, list[dict]]:
    """The targets of each plan as `check --format json` has them."""
    import contextlib
    import io

    found = {}
    for name in CODES:
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            assert cli.main(["check", "--plan", name, "--format", "json"]) == 0
        found[name] = json.loads(text.getvalue())["targets"]
    return found


@pytest.mark.parametrize("name", CODES)
def test_every_code_has_a_verdict_and_a_reason(name: str, checked: dict) -> None:
    targets = checked[name]
    ids = [target["id"].split("/")[-1] for target in targets]
    assert len(ids) == len(set(ids))
    assert [code for code in CODES[name] if code not in ids] == []
    # A further reading carries the code of its sentence.
    assert {one.split("-")[0] for one in ids} == set(CODES[name])
    for target in targets:
        assert target["verdict"] in ("met", "not_met", "impossible", "unknown")
        assert len(target["reason"]) >= 10, target["id"]
        assert target["quote"]
        if target["verdict"] == "impossible":
            assert target["lower_bound"] > target["threshold"]


@pytest.mark.parametrize(
    ("a", "b"), [("民和县", "永靖县"), ("循化县", "临夏市"), ("平凉市", "西宁市")]
)
@pytest.mark.parametrize("scenario_id", OPEN)
def test_one_network_reaches_across_the_border(scenario_id: str, a: str, b: str) -> None:
    network = scenario.network_of(scenario.builtin(scenario_id))
    graph = travel.compile_graph(network, standards.read_profile())
    ends = [places.builtin().find(name) for name in (a, b)]
    there, back = (travel.travel_times(graph, *([x] for x in xs)) for xs in (ends, ends[::-1]))
    for row in (there.iloc[0], back.iloc[0]):
        assert 1.0 <= row["km"] / row["straight_km"] <= MOST
        assert 30 < row["minutes"] < 900


@pytest.mark.parametrize("name", PLANS)
def test_every_element_and_project_is_drawn(name: str) -> None:
    """On the map each element is in the legend and has a shape; each work's links are there."""
    item = plan.builtin(name)
    network = scenario.network_of(scenario.default([name]))
    scene = maps.Scene(item, network, register=scenario.register())
    sections = layers.layers_of(scene)
    legend = [wide(key.zh) for layer in sections["structure"] for key in layer.keys]
    tips = {row["t"][0] for layer in sections["structure"] for row in layer.items if "t" in row}
    for element in item.elements:
        title = wide(element.name_zh)
        assert any(text.startswith(title) for text in legend), element.id
        names = {places.builtin()[i].name_zh for i in element.members}
        # Nodes are told by the names of their places.
        assert title in set(map(wide, tips)) or names & tips, element.id
    drawn = {
        value
        for layer in sections["network"]
        for row in layer.items
        for label, value in row.get("t", [])[1:]
        if label.startswith("编号")
    }
    told = " ".join(key.zh for layer in sections["network"] for key in layer.keys)
    for project in item.projects:
        assert project.edits or project.name_zh in told, project.key
        added = {edit["link_id"] for edit in project.edits if edit["action"] == "add"}
        inside = {
            link
            for link in added & set(scene.register.links.index)
            if scene.register.links.geometry[link].intersects(scene.window)
        }
        assert inside <= drawn, project.key


def test_members_beyond_the_map_are_told() -> None:
    item = plan.builtin("qinghai-2024")
    network = scenario.network_of(scenario.default([item.id]))
    sections = layers.layers_of(maps.Scene(item, network))
    told = {layer.zh: " ".join(key.zh for key in layer.keys) for layer in sections["structure"]}
    for name in ("冷湖镇", "香达镇"):
        assert name in told["特色专业镇"]
    assert "玛多县" in told["人口有序转移"]
    assert "缩小可见" not in told["两核一带多节点"]
