"""What turn restrictions change, told by hand-made networks."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from tests import networks as toy
from tests.test_turns import NO_LEFT, NO_U_TURN, ONLY_STRAIGHT, cross, dual, with_turns

from spatialplan import cli, printing, searches
from spatialplan.detours import detours

FLAT = toy.profile()


def rows(net) -> dict[tuple[str, str], tuple[float, float]]:
    table = detours(net, FLAT)
    assert (table["extra"] == table["minutes"] - table["minutes_free"]).all()
    minutes = zip(table["minutes_free"].round(4), table["minutes"].round(4), strict=True)
    return dict(zip(zip(table["from_link"], table["to_link"], strict=True), minutes, strict=True))


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_the_way_round_a_forbidden_turn(large, monkeypatch):
    if large:
        monkeypatch.setattr(searches, "LARGE", 0)
    assert rows(cross(NO_LEFT)) == {("s-x", "x-w"): (20, 50)}
    # By the far end it takes 60.1 minutes, and that is too long to be told.
    assert rows(dual(NO_U_TURN)) == {("a-x", "y-c"): (20.1, math.inf)}


def test_each_turn_that_only_forbids_is_one_but_turning_round():
    found = rows(cross(ONLY_STRAIGHT))
    assert found == {("s-x", "x-w"): (20, 50), ("s-x", "x-e"): (40, math.inf)}


def test_a_turn_may_lie_on_no_fastest_way():
    net = cross(NO_LEFT)
    short = toy.link("s", "w", 12, 60, link_id="short")
    nodes = {"s": (0, -10), "x": (0, 0), "w": (-10, 0)}
    links = [toy.link("s", "x", 10), toy.link("x", "w", 10), short]
    net = with_turns(toy.network(nodes, links), NO_LEFT)
    assert rows(net) == {("s-x", "x-w"): (12, 12)}
    text = printing.network_text(net, detours(net, FLAT))
    assert "fastest way untouched 1" in text
    assert "make a detour" not in text


def test_of_many_turns_some_are_taken():
    net = cross(ONLY_STRAIGHT, ("e-x", "x", "x-w", "no"), ("x-e", "x", "x-w", "no"))
    assert len(detours(net, FLAT, most=2)) == 2
    assert len(detours(net, FLAT)) == 3


def test_a_network_without_restrictions_has_none():
    assert detours(cross(), FLAT).empty
    assert "转向限制" not in printing.network_text(cross(), detours(cross(), FLAT))


def test_network_info_says_what_restrictions_change(tmp_path, capsys):
    held = cross(NO_LEFT, ONLY_STRAIGHT)
    signs = pd.Series(["no_left_turn", "only_straight_on"])
    held.restrictions["tag"] = signs
    path = tmp_path / "net.gpkg"
    held.write(path)
    assert cli.main(["network", "info", "--network", str(path)]) == 0
    out = capsys.readouterr().out
    assert "禁止 no 1(左转 left_turn 1)、只许 only 1(直行 straight_on 1)" in out
    assert "forbidden turns looked at 2 处、要绕行 make a detour 1" in out
    assert "no way within an hour 1" in out
