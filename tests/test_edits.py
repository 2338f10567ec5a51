"""Edits: what they do, what they say, and what they refuse."""

from __future__ import annotations

import dataclasses
import math

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy

from spatialplan import edits, network, places, revision, scenario, standards, travel
from spatialplan.edits import Edit
from spatialplan.errors import InputError
from spatialplan.network import Network, as_restrictions

FLAT = toy.profile()
GAZETTEER = toy.gazetteer(
    {
        "a": ("甲县", 0, 0, "county_seat", 622901),
        "b": ("乙县", 30, 0, "county_seat", 622921),
        "c": ("丙县", 60, 0, "county_seat", 622922),
        "d": ("丁镇", 30, 20, "town", 622922),
        "s": ("戊站", 0, 1, "station", 622922),
    }
)


@pytest.fixture(scope="module")
def base() -> Network:
    """甲–乙–丙 by class-II roads of 33 km, an expressway over them; 丁 lies apart."""
    return toy.network(
        {
            "a": (0, 0), "b": (30, 0), "c": (60, 0),
            "p": (1, 6, "interchange"), "q": (59, 6, "interchange"), "s": (0, 1, "station"),
        },
        [
            toy.link("a", "b", 33, 60, ref="G1", name_zh="甲丙线"),
            toy.link("b", "c", 33, 60, ref="G1", name_zh="甲丙线"),
            toy.link("a", "p", 7, 40, "access"),
            toy.link("c", "q", 7, 40, "access"),
            toy.link("a", "s", 1.1, 40, "access"),
            toy.link("p", "q", 60, 80, "expressway", ref="G99"),
        ],
    )  # fmt: skip


def apply(base, *entries) -> revision.Applied:
    return revision.apply(base, edits.parse(list(entries), "test.yaml"), GAZETTEER)


def faults(base, *entries) -> list:
    with pytest.raises(InputError) as caught:
        apply(base, *entries)
    return list(caught.value.faults)


def fault(base, *entries) -> str:
    [found] = faults(base, *entries)
    assert found.where.startswith("test.yaml 第1条")
    assert found.zh
    assert found.en.isascii()
    return str(found)


def minutes(network, first, last, mode="road") -> float:
    graph = travel.compile_graph(network, FLAT)
    ends = [toy.spot(*end) if isinstance(end, tuple) else GAZETTEER[end] for end in (first, last)]
    [route] = travel.routes(graph, ends[:1], ends[1:], mode=mode)
    return route.minutes


# --- add ----------------------------------------------------------------------------------------


def test_a_new_road_between_places(base):
    done = apply(
        base,
        {"action": "add", "from": "丁镇", "to": "乙县", "class": "class1",
         "design_speed_kmh": 100, "length_km": 25, "ref": "S9"},
    )  # fmt: skip
    [change] = done.changes
    assert (change.links, change.km, change.added) == (1, 25.0, ("s9-0001",))
    row = done.network.links.loc["s9-0001"]
    assert (row["from_node"], row["to_node"], row["mode"]) == ("d", "b", "road")
    assert done.network.nodes.at["d", "kind"] == "town"
    assert minutes(done.network, "d", "b") == pytest.approx(15.0)
    assert minutes(base, "b", "c") == pytest.approx(33.0)
    assert done.network.faults() == []


def test_a_chain_runs_through_its_nodes_and_is_drawn_through_its_positions(base):
    done = apply(
        base,
        {"action": "add", "from": "a", "via": [[103.1, 35.6], "丁镇"], "to": "c",
         "class": "class2", "length_km": 90},
    )  # fmt: skip
    [change] = done.changes
    assert change.links == 2
    first, second = (done.network.links.loc[i] for i in change.added)
    assert (first["from_node"], first["to_node"], second["to_node"]) == ("a", "d", "c")
    assert first["length_km"] + second["length_km"] == pytest.approx(90)
    assert len(first.geometry.coords) == 3
    assert set(done.network.links.loc[list(change.added), "length_basis"]) == {"pro_rata"}


def test_what_is_not_given_is_assumed_and_said(base):
    done = apply(base, {"action": "add", "from": "d", "to": "b", "class": "class3"})
    [change] = done.changes
    row = done.network.links.loc[change.added[0]]
    assert row["design_speed_kmh"] == 40
    assert row["length_km"] == pytest.approx(20 * 1.4, abs=0.05)
    assert row["length_basis"] == "estimate"
    assert row["confidence"] == "L"
    assert row["source"]
    assert len(change.notes) == 2


def test_a_drawn_line_cuts_the_road_it_meets(base):
    # From 丁 down to the middle of 乙–丙, 600 m short of it: snapped, 13.5 of 33 km behind 乙.
    entry = {"action": "add", "class": "class2", "design_speed_kmh": 60,
             "geometry": [toy.lonlat(42.3, 20), toy.lonlat(42.3, 0.6)],
             "from": "丁镇", "to": toy.lonlat(42.3, 0.6)}  # fmt: skip
    entry["to"] = list(entry["to"])
    [change] = (done := apply(base, entry)).changes
    links = done.network.links
    assert "b-c" not in links.index
    assert links.at["b-c-a", "length_km"] == pytest.approx(33 * 12.3 / 30, abs=0.05)
    assert links.at["b-c-a", "length_km"] + links.at["b-c-b", "length_km"] == pytest.approx(33)
    assert (change.links, list(change.removed.index)) == (1, ["b-c"])
    assert set(change.added) > {"b-c-a", "b-c-b"}
    cut = links.at["b-c-a", "to_node"]
    assert done.network.nodes.at[cut, "kind"] == "node"
    x, y = toy.xy_of(*done.network.nodes.geometry[cut].coords[0])
    assert (x, y) == (pytest.approx(42.3, abs=0.02), pytest.approx(0, abs=0.05))
    # A trip that passes the cut takes what it took.
    assert minutes(done.network, "b", "c") == pytest.approx(33.0)
    assert minutes(done.network, "d", "b") > 13.5


def test_a_turn_stays_forbidden_into_the_half_of_a_road_that_was_cut(base):
    turn = {"from_link": "a-b", "via_node": "b", "to_link": "b-c", "kind": "no"}
    table = as_restrictions(pd.DataFrame([turn]))
    end = list(toy.lonlat(42.3, 0.6))
    entry = {"action": "add", "class": "class2", "from": "丁镇", "to": end}
    done = apply(dataclasses.replace(base, restrictions=table), entry)
    [row] = done.network.turns.to_dict("records")
    assert (row["from_link"], row["to_link"]) == ("a-b", "b-c-a")
    back = revision.apply(done.network, done.undo(), GAZETTEER).network
    [row] = back.turns.to_dict("records")
    assert (row["from_link"], row["to_link"]) == ("a-b", "b-c")


def test_a_part_of_an_estimate_is_an_estimate(base):
    end = list(toy.lonlat(42.3, 0.6))
    entry = {"action": "add", "class": "class2", "from": "丁镇", "to": end}
    for basis, of_part in (("published", "pro_rata"), ("estimate", "estimate"),
                           ("measured", "measured")):  # fmt: skip
        links = base.links.assign(length_basis=basis)
        done = apply(dataclasses.replace(base, links=links), entry)
        assert done.network.links.at["b-c-a", "length_basis"] == of_part


def test_a_bent_road_is_cut_at_the_nearest_point():
    bent = toy.network(
        {"a": (0, 0), "b": (20, 20), "x": (40, 10)},
        [toy.link("a", "b", 44, 60, through=[(20, 0)]), toy.link("b", "x", 30)],
    )
    done = apply(
        bent,
        {"action": "add", "class": "class2", "geometry": [toy.lonlat(20.5, 5), toy.lonlat(40, 10)]},
    )
    cut = done.network.links.at["a-b-a", "to_node"]
    assert toy.xy_of(*done.network.nodes.geometry[cut].coords[0]) == (
        pytest.approx(20, abs=0.02),
        pytest.approx(5, abs=0.02),
    )
    assert done.network.links.at["a-b-a", "length_km"] == pytest.approx(44 * 25 / 40, abs=0.05)


def test_a_line_snaps_to_a_node_rather_than_cut_beside_it(base):
    done = apply(
        base,
        {"action": "add", "class": "class2",
         "geometry": [toy.lonlat(30.1, 0.1), toy.lonlat(59.9, -0.1)]},
    )  # fmt: skip
    [change] = done.changes
    row = done.network.links.loc[change.added[0]]
    assert (row["from_node"], row["to_node"]) == ("b", "c")
    assert change.removed.empty


@pytest.mark.parametrize(("km", "good"), [(1.8, True), (2.2, False)])
def test_the_snap_distance(base, km, good):
    entry = {"action": "add", "class": "class2",
             "geometry": [toy.lonlat(15, km), toy.lonlat(30, 0.1)]}  # fmt: skip
    if good:
        assert apply(base, entry).changes[0].links == 1
    else:
        assert "吸附距离" in fault(base, entry)


def test_an_expressway_begins_at_an_interchange(base):
    text = fault(base, {"action": "add", "from": "甲县", "to": "q", "class": "expressway"})
    assert "高速公路不能直接接到 a" in text
    assert "互通" in text
    assert "p" in text  # the nearest interchange is named
    done = apply(
        base,
        {"action": "add", "from": "p", "to": "q", "class": "expressway",
         "design_speed_kmh": 120, "length_km": 60},
    )  # fmt: skip
    assert minutes(done.network, "a", "c") == pytest.approx(10.5 + 2 + 30 + 2 + 10.5)


def test_a_drawn_expressway_meets_interchanges_only(base):
    """No place is ever snapped onto an expressway, and it onto none."""
    near_town = {"action": "add", "class": "expressway",
                 "geometry": [toy.lonlat(0.1, -1), toy.lonlat(59, 6)]}  # fmt: skip
    assert "互通" in fault(base, near_town)
    good = {"action": "add", "class": "expressway",
            "geometry": [toy.lonlat(1.1, 6.5), toy.lonlat(59, 6.5)]}  # fmt: skip
    row = apply(base, good).network.links.iloc[-1]
    assert (row["from_node"], row["to_node"]) == ("p", "q")


def test_a_ramp_makes_an_interchange(base):
    done = apply(
        base,
        {"action": "add", "class": "ramp", "geometry": [toy.lonlat(30, 0), toy.lonlat(30, 5.9)]},
    )
    [change] = done.changes
    assert list(change.removed.index) == ["p-q"]
    gate = done.network.links.at["p-q-a", "to_node"]
    assert done.network.nodes.at[gate, "kind"] == "interchange"
    row = done.network.links.loc[change.added[0]]
    assert {row["from_node"], row["to_node"]} == {"b", gate}
    # 6 km of ramp and a gate to pay: now 乙 is on the expressway.
    half = done.network.links.at["p-q-b", "length_km"]
    graph = travel.compile_graph(done.network, FLAT)
    way = travel.reach(graph, [GAZETTEER["b"]], 1e6)
    at_q = done.network.nodes.index.get_loc("q")
    ramp = row["length_km"] / 60 * 60  # no design speed: the default of the class
    assert way[graph.vertex(at_q, network.EXPRESSWAY)] == pytest.approx(
        ramp + 2 + half / 80 * 60, abs=0.01
    )


def test_a_ramp_into_the_open_lets_a_new_expressway_begin(base):
    done = apply(
        base,
        {"action": "add", "class": "ramp", "from": "b", "to": list(toy.lonlat(30, -9)),
         "length_km": 10},
        {"action": "add", "class": "expressway", "from": list(toy.lonlat(30, -9)), "to": "q",
         "length_km": 50, "design_speed_kmh": 100},
    )  # fmt: skip
    assert [change.links for change in done.changes] == [1, 1]
    assert minutes(done.network, "b", "c") == pytest.approx(min(33, 10 + 2 + 30 + 2 + 10.5))
    assert done.network.faults() == []


def test_railways_join_stations(base):
    assert "车站" in fault(base, {"action": "add", "from": "a", "to": "c", "class": "hsr"})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"from": "a", "to": "甲县", "class": "class2"}, "同一节点"),
        ({"from": "a", "to": "c", "class": "class2", "length_km": 40}, "短于"),
        ({"from": "a", "to": "c", "class": "class2", "link_id": "a-b"}, "已存在"),
        ({"from": "a", "to": "甲乙县", "class": "class2"}, "没有地点"),
        ({"from": "a", "to": [203, 35], "class": "class2"}, "不是经纬度"),
        ({"from": "a", "to": 7, "class": "class2"}, "既不是地点名"),
        ({"from": "a", "to": "c"}, "缺少 class"),
        ({"from": "a", "class": "class2"}, "缺少 to"),
        ({"from": "a", "to": "c", "class": "klasse2"}, "class2"),
        ({"from": "a", "to": "c", "class": ["class2"]}, "单"),
        ({"from": "a", "to": "c", "class": "class2", "via": "丁镇"}, "via"),
        ({"from": "a", "to": "c", "class": "class2", "design_speed_kmh": 120}, "JTG"),
        ({"from": "a", "to": "c", "class": "class2", "design_speed_kmh": "fast"}, "design_speed"),
        ({"from": "a", "to": "c", "class": "class2", "length_km": -3}, "length_km"),
        ({"from": "a", "to": "c", "class": "class2", "lenght_km": 70}, "length_km"),
        ({"from": "a", "to": "c", "class": "class2", "mode": "rail"}, "不符"),
        ({"from": "a", "to": "c", "class": "class2", "mode": "boat"}, "road"),
        ({"from": "a", "to": "c", "class": "class2", "status": "opne"}, "open"),
        ({"from": "a", "to": "c", "class": "class2", "opened": "soon"}, "YYYY"),
        ({"from": "a", "to": "c", "class": "class2", "oneway": "maybe"}, "yes"),
        ({"class": "class2", "geometry": None}, "没有几何"),
        ({"class": "class2", "geometry": [[103, 35]]}, "至少两点"),
        ({"class": "class2", "geometry": "LINESTRING (0 0, 1 1)"}, "至少两点"),
        ({"class": "class2", "geometry": [[500000, 3900000], [500100, 3900100]]}, "坐标系"),
        ({"class": "class2", "geometry": [[103, 35.5], [103.33, math.nan]]}, "坐标"),
    ],
)
def test_faults_of_an_addition(base, entry, words):
    assert words in fault(base, {"action": "add", **entry}).replace("只能是一个值", "单")


def test_a_road_one_way_is_read_from_words(base):
    ends = {"action": "add", "from": "d", "to": "b", "class": "class2", "length_km": 25}
    for word, one in (("yes", True), (True, True), ("no", False), (False, False), ("1", True)):
        done = apply(base, {**ends, "oneway": word})
        assert bool(done.network.links["oneway"].iloc[-1]) is one
        assert (minutes(done.network, "b", "d") == math.inf) is one
    done = apply(base, {"action": "modify", "where": {"ref": "G1"}, "set": {"oneway": "no"}})
    assert not done.network.links.loc[["a-b", "b-c"], "oneway"].any()


# --- modify and close ---------------------------------------------------------------------------


def test_a_better_class_takes_its_usual_speed(base):
    done = apply(
        base, {"action": "modify", "where": {"link_id": "a-b"}, "set": {"class": "class1"}}
    )
    assert done.network.links.at["a-b", "design_speed_kmh"] == 80
    assert done.changes[0].notes
    assert minutes(done.network, "a", "b") == pytest.approx(33 / 80 * 60)
    # A class without usual speed has none, rather than that of the class before.
    done = apply(base, {"action": "modify", "where": {"link_id": "a-b"}, "set": {"class": "urban"}})
    assert np.isnan(done.network.links.at["a-b", "design_speed_kmh"])


def test_a_new_total_length_is_shared_out(base):
    done = apply(base, {"action": "modify", "where": {"ref": "G1"}, "set": {"length_km": 60}})
    assert list(done.network.links.loc[["a-b", "b-c"], "length_km"]) == [30.0, 30.0]
    [change] = done.changes
    assert (change.links, change.km) == (2, 60.0)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"ref": "G1"}, {"a-b", "b-c"}),
        ({"name_zh": "甲丙线", "between": ["甲县", "乙县"]}, {"a-b"}),
        ({"ref": "G1", "between": ["a", list(toy.lonlat(61, 0))]}, {"a-b", "b-c"}),
        ({"ref": "G1", "between": ["丁镇", "丙县"]}, {"b-c"}),  # 丁 lies beside the road
        ({"link_id": ["a-b", "p-q"]}, {"a-b", "p-q"}),
        ({"class": "access", "polygon": [toy.lonlat(-1, -1), toy.lonlat(5, -1),
                                         toy.lonlat(5, 9), toy.lonlat(-1, 9)]},
         {"a-p", "a-s"}),
        ({"line": [toy.lonlat(-1, 0.5), toy.lonlat(31, 0.5)], "mode": "road"}, {"a-b"}),
        ({"class": ["class2", "expressway"]}, {"a-b", "b-c", "p-q"}),
    ],
)  # fmt: skip
def test_which_links_are_meant(base, where, expected):
    [change] = apply(base, {"action": "close", "where": where}).changes
    assert set(change.removed.index) == expected
    assert change.links == len(expected)
    assert change.km == pytest.approx(base.links.loc[list(expected), "length_km"].sum())


def test_closing_a_road_closes_it(base):
    done = apply(base, {"action": "close", "where": {"link_id": "b-c"}})
    assert minutes(done.network, "b", "c") == pytest.approx(33 + 10.5 + 2 + 45 + 2 + 10.5)
    done = apply(base, {"action": "close", "where": {"class": "access"}})
    assert set(done.network.nodes.index) == {"a", "b", "c", "p", "q"}  # no road to the station


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"action": "close", "where": {"link_id": "a-bb"}}, "a-b"),
        ({"action": "close", "where": {"ref": "G2"}}, "没有路段符合"),
        ({"action": "close", "where": {}}, "缺少 where"),
        ({"action": "close", "where": {"reff": "G1"}}, "ref"),
        ({"action": "close", "where": {"class": "class22"}}, "class2"),
        ({"action": "close", "where": {"ref": "G1", "between": ["甲县"]}}, "两个地点"),
        ({"action": "close", "where": {"ref": "G1", "between": ["甲县", "甲县"]}}, "同一点"),
        ({"action": "close", "where": {"ref": "G1", "between": ["甲县", [104.9, 35.5]]}}, "km"),
        ({"action": "close", "where": {"polygon": [[103, 35]]}}, "polygon"),
        ({"action": "close", "where": {"line": "here"}}, "line"),
        ({"action": "close", "where": {"ref": "G1"}, "set": {"class": "class1"}}, "set"),
        ({"action": "modify", "where": {"ref": "G1"}}, "缺少 set"),
        ({"action": "modify", "where": {"ref": "G1"}, "set": {}}, "缺少 set"),
        ({"action": "modify", "where": {"ref": "G1"}, "set": {"klass": "class1"}}, "class"),
        ({"action": "modify", "where": {"ref": "G1"}, "set": {"class": "hsr", "mode": "road"}},
         "不符"),
        ({"action": "modify", "where": {"ref": "G1"}, "set": {"mode": "rail"}}, "不符"),
        ({"action": "modify", "where": {"ref": "G1"}, "set": {"design_speed_kmh": 120}}, "JTG"),
        ({"action": "modify", "where": {"link_id": "a-b"}, "set": {"class": "expressway"}},
         "高速公路不能直接接到"),
        ({"action": "modify", "where": {"ref": "G1"}, "expect": {"class": "class3"},
          "set": {"class": "class1"}}, "与预期不符"),
        ({"action": "modify", "where": {"ref": "G1"}, "expect": "class3",
          "set": {"class": "class1"}}, "expect"),
        ({"action": "upgrade", "where": {"ref": "G1"}}, "modify"),
        ({"where": {"ref": "G1"}}, "action"),
        ("close G1", "键"),
    ],
)  # fmt: skip
def test_faults_of_a_change(base, entry, words):
    found = faults(base, entry)
    assert any(words in str(f) for f in found), found
    assert all(f.where.startswith("test.yaml 第1条") for f in found)


def test_a_guard_may_allow_several_values(base):
    entry = {"action": "modify", "where": {"ref": "G1"}, "set": {"class": "class1"}}
    for expect in (
        {"class": ["class2", "class3"]},
        {"class": "class2", "design_speed_kmh": 60, "length_km": 33},
        {"oneway": "no", "ref": "G1"},
    ):
        assert apply(base, {**entry, "expect": expect}).changes[0].links == 2
    for expect in ({"design_speed_kmh": [40, 80]}, {"oneway": True}, {"ref": 1}):
        assert "与预期不符" in faults(base, {**entry, "expect": expect})[0].zh


def test_all_faults_of_a_file_at_once_and_nothing_applied(base, tmp_path):
    path = tmp_path / "坏.yaml"
    path.write_text(
        """
edits:
  - {action: modify, where: {ref: G1}, set: {class: class1}}
  - {action: add, from: 临夏市, to: 无此地, class: class2}
  - {action: close, where: {link_id: nothing}}
  - {action: blow-up}
  - {action: add, from: 临夏市, to: 康乐县, class: class9, colour: red}
""",
        encoding="utf-8",
    )
    before = base.links.copy()
    with pytest.raises(InputError) as caught:
        revision.apply_file(base, path)
    wheres = [f.where for f in caught.value.faults]
    assert sorted(wheres) == [f"坏.yaml 第{n}条" for n in (2, 3, 4, 5, 5)]
    assert base.links.equals(before)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\n", "没有 edits"),
        ("edits: []\n", "没有 edits"),
        ("edits: {action: add}\n", "没有 edits"),
        ("edits:\n  - {action: add\n", "YAML"),
        ("", "没有 edits"),
    ],
)
def test_files_that_hold_no_edits(tmp_path, text, words):
    path = tmp_path / "e.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        edits.read(path)


def test_gbk_yaml_is_named_as_such(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_bytes("edits:\n  - {action: close, where: {name_zh: 康临}}\n".encode("gbk"))
    with pytest.raises(InputError, match="GBK"):
        edits.read(path)
    with pytest.raises(InputError, match="打不开"):
        edits.read(tmp_path / "none.yaml")


# --- vector layers ------------------------------------------------------------------------------


def layer(**columns) -> gpd.GeoDataFrame:
    """An edit layer: a road to 丁, a better 甲–乙 drawn beside it, 乙–丙 closed by a polygon."""
    ring = [toy.lonlat(x, y) for x, y in ((28, -3), (62, -3), (62, 3), (28, 3))]
    frame = gpd.GeoDataFrame(
        {
            "action": ["add", "modify", "close"],
            "class": ["class1", "class1", None],
            "speed": [100, 80, None],
            "length_km": [23.5, None, None],
            "name": ["康和路", None, None],
            "ref": ["S9", None, None],
            "link_id": [None, None, None],
            "expect_cls": [None, "class2", None],
            "oneway": ["no", None, None],
        },
        geometry=[
            shapely.LineString([toy.lonlat(30, 22), toy.lonlat(30.2, 0.2)]),
            shapely.LineString([toy.lonlat(0, 0.4), toy.lonlat(15, 0.4), toy.lonlat(30, 0.4)]),
            shapely.Polygon(ring),
        ],
        crs=4326,
    )
    return frame.assign(**columns)


@pytest.fixture(scope="module")
def open_base(base) -> Network:
    """The same with a road at 丁, so that a drawn line has two ends to meet."""
    return apply(
        base,
        {"action": "add", "from": "d", "to": "a", "class": "class4", "length_km": 60,
         "link_id": "d-a"},
    ).network  # fmt: skip


def check_layer(network, path, name="康和路"):
    done = revision.apply(network, edits.read(path), GAZETTEER, snap_km=3.0)
    added, modified, closed = done.changes
    row = done.network.links.loc[added.added[0]]
    assert (row["name_zh"], row["ref"], row["class"]) == (name, "S9", "class1")
    assert (row["design_speed_kmh"], row["length_km"], row["oneway"]) == (100, 23.5, False)
    assert {row["from_node"], row["to_node"]} == {"d", "b"}
    assert list(modified.removed.index) == ["a-b"]
    assert done.network.links.at["a-b", "class"] == "class1"
    assert list(closed.removed.index) == ["b-c"]


@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "shp"])
@pytest.mark.parametrize("crs", [4326, 4490, 4543])
def test_the_same_edits_from_every_format(open_base, tmp_path, suffix, crs):
    path = tmp_path / f"编辑.{suffix}"
    frame = layer().to_crs(4326 if suffix == "geojson" else crs)
    if suffix != "shp":
        frame.to_file(path)
        check_layer(open_base, path)
        return
    # A Shapefile holds one kind of geometry: lines here, the polygon in a second one.
    frame.iloc[:2].to_file(path, encoding="utf-8")
    done = revision.apply(open_base, edits.read(path), GAZETTEER, snap_km=3.0)
    assert done.network.links.loc[done.changes[0].added[0], "name_zh"] == "康和路"
    assert [change.links for change in done.changes] == [1, 1]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
@pytest.mark.parametrize("cpg", [True, False])
def test_shapefiles_in_either_encoding(open_base, tmp_path, encoding, cpg):
    path = tmp_path / "e.shp"
    layer().iloc[:2].to_file(path, encoding=encoding)
    if not cpg:
        path.with_suffix(".cpg").unlink()
    found = edits.read(path)
    assert found[0].values["name_zh"] == "康和路"


def test_a_layer_without_crs_is_refused(tmp_path):
    path = tmp_path / "e.shp"
    layer().iloc[:2].to_file(path)
    path.with_suffix(".prj").unlink()
    with pytest.raises(InputError, match="CRS"):
        edits.read(path)


def test_multilines_of_one_piece_and_text_numbers(open_base, tmp_path):
    frame = layer(speed=["100", "80", None])
    shapes = [shapely.MultiLineString([frame.geometry[0]]), *frame.geometry[1:]]
    path = tmp_path / "e.gpkg"
    frame.set_geometry(shapes, crs=4326).to_file(path)
    check_layer(open_base, path)
    two = shapely.MultiLineString([[(103, 35), (103.1, 35)], [(104, 36), (104.1, 36)]])
    frame.iloc[:1].set_geometry([two], crs=4326).to_file(path)
    with pytest.raises(InputError, match="连续的线"):
        revision.apply(open_base, edits.read(path), GAZETTEER)


def test_faults_of_layers(tmp_path):
    path = tmp_path / "e.geojson"
    layer(action=["add", "bulid", "close"]).to_file(path)
    with pytest.raises(InputError, match=r"e.geojson 第2条.*add"):
        edits.read(path)
    layer(geometry=[None, *layer().geometry[1:]]).to_file(path)
    with pytest.raises(InputError, match=r"第1条.*没有几何"):
        edits.read(path)
    path.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(InputError, match=r"没有要素|读不出"):
        edits.read(path)
    path.write_text("not a layer")
    with pytest.raises(InputError, match="读不出"):
        edits.read(path)
    with pytest.raises(InputError, match="不存在"):
        edits.read(tmp_path / "none.gpkg")
    table = tmp_path / "e.csv"
    table.write_text("action,class\nadd,class1\n")
    with pytest.raises(InputError):
        edits.read(table)


def test_every_layer_of_a_geopackage_is_read(base, tmp_path):
    path = tmp_path / "e.gpkg"
    layer().iloc[:1].to_file(path, layer="new")
    layer().iloc[2:3].to_file(path, layer="shut")
    found = edits.read(path)
    assert [edit.action for edit in found] == ["add", "close"]
    assert [edit.spot for edit in found] == ["e.gpkg new 第1条", "e.gpkg shut 第1条"]
    layer().iloc[:0].to_file(path, layer="empty")
    pd.DataFrame({"style": ["x"]}).pipe(gpd.GeoDataFrame).to_file(path, layer="layer_styles")
    assert len(edits.read(path)) == 2
    layer().drop(columns="action").to_file(path, layer="roads")
    with pytest.raises(InputError, match=r"图层 roads: 没有 action 列") as caught:
        edits.read(path)
    assert len(caught.value.faults) == 1


def test_a_plan_file_brings_its_places_along(base, tmp_path):
    path = tmp_path / "plan.yaml"
    lon, lat = toy.lonlat(30, 9)
    own = {"place_id": "my-park", "name_zh": "己园", "lon": lon, "lat": lat, "kind": "park"}
    road = {"action": "add", "from": "己园", "to": "乙县", "class": "class2"}
    plan = {"id": "x", "targets": [], "places": [own], "projects": [{"id": "p", "edits": [road]}]}
    path.write_text(yaml.safe_dump(plan, allow_unicode=True), encoding="utf-8")
    done = revision.apply_file(base, path, GAZETTEER)
    assert set(done.network.links.loc[list(done.changes[0].added), "from_node"]) == {"my-park"}
    for key, value, words in (("lat", "north", "经纬度"), ("lon", math.nan, "经纬度"),
                              ("accuracy_m", "some", "accuracy_m")):  # fmt: skip
        plan["places"] = [{**own, key: value}]
        path.write_text(yaml.safe_dump(plan, allow_unicode=True), encoding="utf-8")
        with pytest.raises(InputError, match=words):
            revision.apply_file(base, path, GAZETTEER)
    plan["places"] = [own, own]
    path.write_text(yaml.safe_dump(plan, allow_unicode=True), encoding="utf-8")
    with pytest.raises(InputError, match="重复"):
        revision.apply_file(base, path, GAZETTEER)


@pytest.mark.parametrize("projects", ["[]", "[{id: p}]", "[{id: p, edits: []}]"])
def test_a_plan_without_works_says_what_to_do(tmp_path, projects):
    path = tmp_path / "plan.yaml"
    path.write_text(f"id: x\ntargets: []\nprojects: {projects}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"projects.*去掉 --edits"):
        edits.read(path)


def test_numbers_in_text_columns_of_layers(base, tmp_path):
    """Ids and refs that are digits come as numbers: 310.0 means 310."""
    renamed = base.links.rename(index={"a-b": "310"})
    path = tmp_path / "e.gpkg"
    gpd.GeoDataFrame(
        {"action": ["close", "add"], "link_id": [310.0, None], "ref": [None, 7.0],
         "class": [None, "class2"]},
        geometry=[
            shapely.Point(103, 35),
            shapely.LineString([toy.lonlat(0, 0), toy.lonlat(60, 0)]),
        ],
        crs=4326,
    ).to_file(path)  # fmt: skip
    done = revision.apply(Network(base.nodes, renamed), edits.read(path), GAZETTEER)
    assert "310" not in done.network.links.index
    assert done.network.links["ref"].iloc[-1] == "7"


# --- laws ---------------------------------------------------------------------------------------


@toy.FEW
@given(network=toy.networks(max_nodes=7), data=st.data())
def test_edits_and_then_their_undo_give_the_same_network(network, data):
    entries = data.draw(toy.entries_for(network))
    links, nodes = network.links.copy(), network.nodes.copy()
    done, faults = revision._applied(
        network, edits.parse(entries, "x"), GAZETTEER, revision.SNAP_KM
    )
    assert all(fault.where.startswith("x 第") for fault in faults)
    # The network that was given is as it was, whatever happened.
    assert network.links.equals(links)
    assert network.nodes.equals(nodes)
    if faults:
        return
    assert len(done.changes) == len(entries)
    for change in done.changes:
        assert change.links >= 1
        assert change.km > 0
    assert done.network.faults() == []
    back = revision.apply(done.network, done.undo(), GAZETTEER)
    toy.same(back.network, network)


@toy.FEW
@given(network=toy.networks(max_nodes=7), data=st.data())
def test_adding_and_speeding_up_by_edits_never_lengthens(network, data):
    nodes = list(network.nodes.index)
    surface = [n for n, on in zip(nodes, network.node_levels(0), strict=True) if on]
    ends = data.draw(st.lists(st.sampled_from(nodes), min_size=2, max_size=2, unique=True))
    ids = data.draw(st.sampled_from(list(network.links.index)))
    faster = network.links.at[ids, "design_speed_kmh"]
    done = revision.apply(
        network,
        [
            Edit("add", "x 1", (ends[0], ends[1]), values={"class": "class2", "mode": "road"}),
            Edit("modify", "x 2", where={"link_id": ids},
                 values={"design_speed_kmh": min(faster * 1.2, 400)}),
        ] if network.links.at[ids, "class"] in ("hsr", "rail160")
        else [Edit("add", "x 1", (ends[0], ends[1]), values={"class": "class2", "mode": "road"})],
        GAZETTEER,
    )  # fmt: skip
    towns = toy.places_of(network, *surface)
    before, after = (
        travel.travel_times(travel.compile_graph(n, FLAT), towns, towns, mode="all")["minutes"]
        for n in (network, done.network)
    )
    assert (after.fillna(math.inf) <= before.fillna(math.inf) + 1e-9).all()


# --- on the real network ------------------------------------------------------------------------

EXAMPLE = """
name: 康和一级公路与G213提级
edits:
  - action: add                     # a new link or chain
    from: 康乐县                    # place, node id, or [lon, lat]; or give geometry
    to: 和政县
    class: class1
    design_speed_kmh: 80
    length_km: 34
  - action: modify
    where: {ref: G213, between: [临夏市, 夏河县]}   # or link_id, name_zh, class, polygon
    expect: {class: class2}         # guard: refuse when the network is not what you thought
    set: {class: class1, design_speed_kmh: 80}
  - action: close
    where: {link_id: g310-0007}
"""


@pytest.fixture(scope="module")
def today() -> Network:
    return scenario.network_of(scenario.builtin("linxia-open-2024"))


def test_the_example_of_the_format_works_on_the_real_network(today, tmp_path):
    path = tmp_path / "例.yaml"
    path.write_text(EXAMPLE, encoding="utf-8")
    done = revision.apply_file(today, path)
    add, modify, close = done.changes
    assert (add.links, add.km) == (1, 34.0)
    assert modify.links > 1
    assert modify.km > 30
    assert list(close.removed.index) == ["g310-0007"]
    gazetteer = places.builtin()
    ends = [gazetteer["kangle-xian"]], [gazetteer["hezheng-xian"]]
    profile = standards.read_profile("design")
    after = travel.routes(travel.compile_graph(done.network, profile), *ends)[0]
    assert after.minutes <= 34 / 80 * 60 + 1e-9
    back = revision.apply(done.network, done.undo())
    toy.same(back.network, today)


def test_every_project_of_every_plan_is_undone_to_the_letter(today):
    """The projects of the plans are edits as a planner's are."""
    vision = scenario.builtin("linxia-vision-2035")
    base = network.builtin().at("2021")
    todo = [e for p in scenario.projects_of(vision) for e in scenario.project_edits(p)]
    done = revision.apply(base, todo)
    assert all(change.links > 0 and change.km > 0 for change in done.changes)
    toy.same(revision.apply(done.network, done.undo()).network, base)


def test_an_edit_file_is_yaml_that_others_may_write(today, tmp_path):
    path = tmp_path / "e.yaml"
    entries = [{"action": "close", "where": {"ref": ["G310"]}, "note": "塌方"}]
    path.write_text(yaml.safe_dump({"edits": entries}, allow_unicode=True), encoding="utf-8")
    [change] = revision.apply_file(today, path).changes
    assert change.links == (today.links["ref"] == "G310").sum()
