"""OpenStreetMap extracts: each tag rule on a file written here, and a real extract."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from array import array
from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pyogrio
import pytest
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from spatialplan import network as networks
from spatialplan import osm, places, standards, tags, turns
from spatialplan.errors import InputError
from spatialplan.geodesy import line_km
from spatialplan.travel import compile_graph, travel_times

STEP = 0.01  # degrees between the points of the little grid
CAR = {"highway": "secondary"}


def position(node: int) -> tuple[float, float]:
    """Node 37 lies 7 steps east and 3 steps north of the origin."""
    return 103.0 + STEP * (node % 10), 35.0 + STEP * (node // 10)


def write(
    path: Path,
    ways: dict[int, tuple[list[int], dict]],
    nodes: dict[int, dict] | None = None,
    restrictions: list[tuple] = (),
    missing: set[int] = frozenset(),
) -> Path:
    """Write an extract: ways {id: (nodes, tags)}, tags of nodes, (from, via, to, tags)."""
    tagged = nodes or {}
    numbers = {n for refs, _ in ways.values() for n in refs} | set(tagged)
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        for number in sorted(numbers - set(missing)):
            writer.add_node(
                osmium.osm.mutable.Node(
                    id=number, location=position(number), tags=tagged.get(number, {}), version=1
                )
            )
        for number, (refs, marks) in sorted(ways.items()):
            writer.add_way(osmium.osm.mutable.Way(id=number, nodes=refs, tags=marks, version=1))
        for number, (first, via, last, marks) in enumerate(restrictions, start=1):
            between = via if isinstance(via, list) else [via]
            members = [("w", first, "from"), *((*v, "via") for v in between), ("w", last, "to")]
            kind = {"type": "restriction", **marks}
            writer.add_relation(
                osmium.osm.mutable.Relation(id=number, members=members, tags=kind, version=1)
            )
    return path


def extract(tmp_path: Path, ways: dict, *, options: dict | None = None, **content) -> osm.Extract:
    path = write(tmp_path / "a.osm.pbf", ways, **content)
    return osm.read(path, keep="all", **(options or {}))


def links(tmp_path: Path, ways: dict, **content) -> pd.DataFrame:
    return extract(tmp_path, ways, **content).network.links


def only_link(tmp_path: Path, marks: dict) -> pd.Series:
    found = links(tmp_path, {1: ([1, 2], marks), 2: ([11, 12], CAR)})
    return found.loc["w1-1"]


# Geometry and joints


def test_ways_become_links_with_whole_geometry_and_geodesic_length(tmp_path):
    found = links(tmp_path, {1: ([1, 2, 12, 13], CAR)})
    assert list(found.index) == ["w1-1"]
    line = found.geometry.iloc[0]
    assert list(line.coords) == [pytest.approx(position(n)) for n in (1, 2, 12, 13)]
    assert found["length_km"].iloc[0] == pytest.approx(line_km(line), abs=1e-6)
    assert tuple(found[["from_node", "to_node"]].iloc[0]) == ("n1", "n13")
    assert set(found["length_basis"]) == {"measured"}
    assert "ODbL" in found["source"].iloc[0]


def test_ways_are_joined_into_a_chain_where_nothing_changes(tmp_path):
    # The second is drawn the other way round; the node 4 is the end of the chain.
    found = links(tmp_path, {1: ([1, 2], CAR), 2: ([3, 2], CAR), 3: ([3, 4], CAR)})
    assert len(found) == 1
    assert set(found.iloc[0][["from_node", "to_node"]]) == {"n1", "n4"}
    assert found.geometry.iloc[0].length == pytest.approx(3 * STEP)


@pytest.mark.parametrize(
    "change",
    [{"name": "b"}, {"ref": "S1"}, {"maxspeed": "40"}, {"oneway": "yes"}, {"highway": "primary"}],
)
def test_a_chain_ends_where_the_road_changes(tmp_path, change):
    found = links(tmp_path, {1: ([1, 2], CAR), 2: ([2, 3], CAR | change)})
    assert {frozenset(pair) for pair in found[["from_node", "to_node"]].to_numpy()} == {
        frozenset(("n1", "n2")),
        frozenset(("n2", "n3")),
    }


def test_bridges_and_tunnels_cross_without_a_joint(tmp_path):
    crossing = {
        1: ([10, 12], CAR | {"bridge": "yes", "layer": "1"}),
        2: ([1, 11, 21], CAR | {"name": "unter"}),
    }
    found = extract(tmp_path, crossing).network
    lines = found.links.geometry.to_numpy()
    assert lines[0].intersects(lines[1])  # they do cross as drawn
    assert len(found.components()) == 2


def test_crossing_at_a_shared_node_is_a_joint(tmp_path):
    found = extract(tmp_path, {1: ([10, 11, 12], CAR), 2: ([1, 11, 21], CAR)}).network
    assert len(found.links) == 4
    assert len(found.components()) == 1


def test_ring_without_a_crossing_becomes_two_links(tmp_path):
    found = links(tmp_path, {1: ([1, 2, 12, 11, 1], CAR), 2: ([1, 0], CAR | {"name": "x"})})
    assert len(found) == 3
    assert (found["from_node"] != found["to_node"]).all()
    assert found["length_km"].sum() == pytest.approx(
        sum(line_km(line) for line in found.geometry), abs=1e-6
    )


def test_two_roads_between_the_same_nodes_stay_two(tmp_path):
    found = links(tmp_path, {1: ([1, 2, 3], CAR), 2: ([1, 11, 13, 3], CAR | {"name": "b"})})
    assert len(found) == 2
    assert {frozenset(p) for p in found[["from_node", "to_node"]].to_numpy()} == {
        frozenset(("n1", "n3"))
    }


def test_nodes_that_the_file_lacks_cut_a_way_and_are_told(tmp_path):
    found = extract(tmp_path, {1: ([1, 2, 3, 4, 5], CAR)}, missing={3})
    assert {frozenset(p) for p in found.network.links[["from_node", "to_node"]].to_numpy()} == {
        frozenset(("n1", "n2")),
        frozenset(("n4", "n5")),
    }
    assert found.report.counts["missing"] == 1
    assert any("缺坐标" in line for line in found.report.lines())


# Direction


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ({}, None),
        ({"oneway": "yes"}, ("n1", "n2")),
        ({"oneway": "-1"}, ("n2", "n1")),
        ({"oneway": "no"}, None),
        ({"junction": "roundabout"}, ("n1", "n2")),
        ({"junction": "roundabout", "oneway": "-1"}, ("n2", "n1")),
        ({"highway": "motorway"}, ("n1", "n2")),
        ({"highway": "motorway", "oneway": "no"}, None),
        ({"highway": "motorway_link"}, None),
        ({"oneway": "yes", "oneway:motor_vehicle": "no"}, None),
    ],
)
def test_oneway(tmp_path, marks, expected):
    found = only_link(tmp_path, CAR | marks)
    assert found["oneway"] == (expected is not None)
    if expected:
        assert tuple(found[["from_node", "to_node"]]) == expected


def test_oneway_chain_runs_in_its_direction_whatever_the_order_of_ways(tmp_path):
    one = CAR | {"oneway": "yes"}
    found = links(tmp_path, {3: ([1, 2], one), 2: ([2, 3], one), 1: ([3, 4], one)})
    assert len(found) == 1
    assert tuple(found.iloc[0][["from_node", "to_node"]]) == ("n1", "n4")


def test_oneways_that_meet_head_on_are_not_joined(tmp_path):
    one = CAR | {"oneway": "yes"}
    assert len(links(tmp_path, {1: ([1, 2], one), 2: ([3, 2], one)})) == 2


# Speed


@pytest.mark.parametrize(
    ("value", "kmh"),
    [
        ("60", 60),
        ("60 km/h", 60),
        ("30 mph", 48.28),
        ("60;40", 40),
        ("80|60", 60),
        ("CN:urban", 50),
        ("CN:rural", 70),
        ("none", math.nan),
        ("signals", math.nan),
        ("schnell", math.nan),
        ("0", math.nan),
        ("900", math.nan),
    ],
)
def test_maxspeed(tmp_path, value, kmh):
    found = only_link(tmp_path, CAR | {"maxspeed": value})
    assert found["design_speed_kmh"] == pytest.approx(kmh, abs=0.01, nan_ok=True)


def test_lower_limit_of_two_directions_counts():
    assert tags.speed_limit({"maxspeed:forward": "60", "maxspeed:backward": "40"})[0] == 40


def test_absurd_speeds_are_told(tmp_path):
    found = extract(tmp_path, {1: ([1, 2], CAR | {"maxspeed": "0"})})
    assert found.report.counts["absurd"] == 1


@pytest.mark.parametrize("highway", ["trunk", "primary", "motorway"])
def test_design_speed_is_never_taken_from_highway_alone(tmp_path, highway):
    assert math.isnan(only_link(tmp_path, {"highway": highway})["design_speed_kmh"])


# Who may drive


@pytest.mark.parametrize(
    ("marks", "used"),
    [
        ({"access": "no"}, False),
        ({"access": "private"}, False),
        ({"access": "no", "motor_vehicle": "yes"}, True),
        ({"motor_vehicle": "no"}, False),
        ({"motor_vehicle": "agricultural"}, False),
        ({"motor_vehicle": "no", "motorcar": "yes"}, True),
        ({"access": "destination"}, True),
        ({"area": "yes"}, False),
        ({"highway": "footway"}, False),
        ({"highway": "construction", "construction": "trunk"}, False),
        ({"highway": "service", "service": "parking_aisle"}, False),
        ({"highway": "service"}, True),
        ({"highway": "track"}, False),
        ({"highway": "track", "tracktype": "grade1"}, True),
    ],
)
def test_access(tmp_path, marks, used):
    found = links(tmp_path, {1: ([1, 2], CAR | marks), 2: ([11, 12], CAR)})
    assert ("w1-1" in found.index) == used


@pytest.mark.parametrize(
    ("marks", "passes"),
    [
        ({"barrier": "bollard"}, False),
        ({"barrier": "bollard", "motor_vehicle": "yes"}, True),
        ({"barrier": "gate"}, True),
        ({"barrier": "gate", "access": "private"}, False),
        ({"barrier": "toll_booth"}, True),
    ],
)
def test_barriers_part_the_road(tmp_path, marks, passes):
    found = extract(tmp_path, {1: ([1, 2, 3], CAR), 2: ([2, 12], CAR)}, nodes={2: marks}).network
    assert len(found.components()) == (1 if passes else 3)


# Classes


@pytest.mark.parametrize(
    ("marks", "cls"),
    [
        ({"highway": "motorway"}, "expressway"),
        ({"highway": "trunk"}, "class2"),
        ({"highway": "trunk", "lanes": "4"}, "class1"),
        ({"highway": "trunk", "oneway": "yes", "lanes": "2"}, "class1"),
        ({"highway": "trunk", "motorroad": "yes"}, "class1"),
        ({"highway": "trunk", "highway:CN": "class_3"}, "class3"),
        ({"highway": "primary", "highway:CN": "高速公路"}, "expressway"),
        ({"highway": "unclassified", "ref": "G568"}, "class2"),
        ({"highway": "tertiary", "ref": "X101;S309"}, "class3"),
        ({"highway": "primary", "ref": "X370"}, "class3"),
        ({"highway": "secondary", "ref": "Y012"}, "class4"),
        ({"highway": "tertiary"}, "class4"),
        ({"highway": "residential"}, "urban"),
        ({"highway": "primary", "highway:CN:urban": "arterial"}, "urban"),
        ({"highway": "trunk_link"}, "ramp"),
        ({"highway": "service"}, "access"),
    ],
)
def test_class_by_the_built_in_rules(tmp_path, marks, cls):
    assert only_link(tmp_path, marks)["class"] == cls


def test_a_planners_rules_decide(tmp_path):
    table = tmp_path / "rules.csv"
    table.write_text(
        "rule,where,mode,class,default_oneway,confidence,note\n"
        "wide,highway=* & lanes>=4 & surface=-,road,class1,,H,\n"
        "paved,highway=* & surface=asph*;concrete,road,class2,yes,M,\n"
        "rest,highway=*,road,skip,,,\n",
        encoding="utf-8",
    )
    ways = {
        1: ([1, 2], CAR | {"lanes": "4"}),
        2: ([11, 12], CAR | {"surface": "asphalt", "lanes": "6"}),
        3: ([21, 22], CAR),
    }
    found = extract(tmp_path, ways, options={"rules": tags.read_rules(table)})
    assert found.network.links["class"].to_dict() == {"w1-1": "class1", "w2-1": "class2"}
    assert found.network.links["oneway"].to_dict() == {"w1-1": False, "w2-1": True}
    assert found.report.counts["skipped"] == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("a,highway=x,road,class9", "class9"),
        ("a,highway=x,air,class1", "air"),
        ("a,highway=x,rail,class1", "rail"),
        ("a,highway,road,class1", "看不懂"),
        ("a,lanes>=many,road,class1", "看不懂"),
    ],
)
def test_faults_of_a_rules_table_are_named(tmp_path, row, words):
    table = tmp_path / "rules.csv"
    table.write_text(f"rule,where,mode,class\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError, match="第2行") as caught:
        tags.read_rules(table)
    assert words in str(caught.value)


def test_rules_table_lacking_columns(tmp_path):
    table = tmp_path / "rules.csv"
    table.write_text("rule,class\na,class1\n", encoding="utf-8")
    with pytest.raises(InputError, match="where"):
        tags.read_rules(table)


# Expressways


def test_interchange_has_its_name_and_a_hub_costs_no_gate(tmp_path):
    fast, ramp = {"highway": "motorway"}, {"highway": "motorway_link", "oneway": "yes"}
    ways = {
        1: ([1, 2, 3], fast),
        2: ([2, 12], ramp),  # to a road: a gate
        3: ([11, 12, 13], CAR),
        4: ([3, 33], ramp),  # to another expressway: a hub
        5: ([32, 33, 34], fast),
    }
    found = extract(
        tmp_path, ways, nodes={2: {"highway": "motorway_junction", "name": "双城"}}
    ).network
    assert found.links.loc["w2-1", "class"] == "ramp"
    assert found.links.loc["w4-1", "class"] == "expressway"
    assert found.links.loc["w4-1", "design_speed_kmh"] == 60
    assert tuple(found.nodes.loc["n2", ["kind", "name_zh"]]) == ("interchange", "双城")
    assert found.nodes.loc["n33", "kind"] == "junction"
    assert found.nodes.loc["n11", "kind"] == "node"
    profile = standards.read_profile()
    graph = compile_graph(found, profile)
    towns = [places.Place(n, *position(int(n[1:])), place_id=n) for n in ("n11", "n13")]
    assert travel_times(graph, towns, towns)["minutes"].notna().all()


# Ferries and railways


def test_ferry_takes_its_duration(tmp_path):
    ways = {1: ([1, 2], CAR), 2: ([2, 5], {"route": "ferry", "duration": "00:20"})}
    found = links(tmp_path, ways)
    ferry = found.loc["w2-1"]
    assert (ferry["mode"], ferry["class"]) == ("ferry", "access")
    assert ferry["length_km"] / ferry["design_speed_kmh"] * 60 == pytest.approx(20, abs=0.02)
    closed = {1: ([1, 2], CAR), 2: ([2, 5], {"route": "ferry", "motor_vehicle": "no"})}
    assert list(links(tmp_path, closed).index) == ["w1-1"]


@pytest.mark.parametrize(
    ("text", "hours"),
    [("20", 1 / 3), ("01:30", 1.5), ("1:30:36", 1.51), ("PT1H30M", 1.5), ("bald", math.nan)],
)
def test_durations(text, hours):
    assert tags.duration_hours(text) == pytest.approx(hours, nan_ok=True)


@pytest.mark.parametrize(
    ("marks", "cls"),
    [
        ({}, "rail120"),
        ({"maxspeed": "160"}, "rail160"),
        ({"maxspeed": "200"}, "rail200"),
        ({"maxspeed": "250"}, "hsr"),
        ({"highspeed": "yes"}, "hsr"),
        ({"service": "yard"}, None),
        ({"usage": "industrial"}, None),
    ],
)
def test_rail_classes(tmp_path, marks, cls):
    found = links(tmp_path, {1: ([1, 2], {"railway": "rail"} | marks), 2: ([11, 12], CAR)})
    assert found["class"].get("w1-1") == cls


def test_trains_are_boarded_at_stations_and_not_at_level_crossings(tmp_path):
    ways = {
        1: ([10, 11, 12, 13, 14, 15], {"railway": "rail"}),
        2: ([1, 11, 21], CAR),  # a level crossing
        3: ([3, 13], CAR | {"name": "crossing too"}),
        4: ([5, 25], CAR | {"name": "elsewhere"}),
    }
    stations = {13: {"railway": "station", "name": "甲"}, 15: {"railway": "halt", "name": "乙"}}
    found = extract(tmp_path, ways, nodes=stations)
    net = found.network
    kinds = net.nodes["kind"]
    assert set(net.nodes.index[kinds == "station"]) == {"r13", "r15"}
    assert set(net.nodes["name_zh"][kinds == "station"]) == {"甲", "乙"}
    both = net.node_levels(0) & net.node_levels(2)
    assert set(net.nodes.index[both]) == {"r13", "r15"}
    graph = compile_graph(net, standards.read_profile())
    ends = [places.Place(n, *position(int(n[1:])), place_id=n) for n in ("n3", "n5")]
    ride = travel_times(graph, ends[:1], ends[1:], mode="rail")
    assert ride["in_vehicle"].iloc[0] > 0
    assert found.report.counts["stations"] == 2


def test_station_beside_the_track_is_joined_and_one_far_off_is_told(tmp_path):
    near = position(12)
    path = write(
        tmp_path / "a.osm.pbf",
        {1: ([11, 12, 13], {"railway": "rail"}), 2: ([2, 3], CAR)},
        nodes={77: {"railway": "station", "name": "远"}},
    )
    collector = osm.Collector(tags.read_rules())
    collector.add_node(900, near[0] + 0.001, near[1] - 0.001, {"railway": "station", "name": "近"})
    osm._scan(path, collector, progress=False)
    found = collector.finished("a", "a", keep="all")
    assert found.network.nodes.loc["r12", "name_zh"] == "近"
    assert found.report.counts["stations"] == 1
    assert found.report.counts["stations_off"] == 1


# Places


def test_places_with_names_kinds_and_counties(tmp_path):
    named = {
        1: {"place": "village", "name": "Sanjiaji", "name:zh": "三甲集镇", "name:en": "Sanjiaji"},
        2: {"place": "town", "name": "Vaduz"},
        3: {"place": "village", "name": "牛堡乡", "old_name": "牛堡公社"},
        4: {"place": "locality", "name": "a field"},
        5: {"place": "city"},
    }
    found = extract(tmp_path, {1: ([1, 2], CAR)}, nodes=named).places
    assert found["kind"].to_dict() == {"osm-n1": "town", "osm-n2": "town", "osm-n3": "township"}
    assert found.loc["osm-n1", "name_zh"] == "三甲集镇"
    assert found.loc["osm-n1", "aliases"] == "Sanjiaji"
    assert found.loc["osm-n3", "aliases"] == "牛堡公社"
    assert places.Gazetteer(found).find("三甲集镇").place_id == "osm-n1"
    assert found["adcode"].notna().all()  # the grid lies in Gansu
    assert (found["county"] != "").all()


# Turn restrictions


def cross(*restrictions) -> dict:
    """Four roads that meet at node 11, and a long way round from node 1 to node 12."""
    ways = {
        1: ([1, 11], CAR | {"name": "south"}),
        2: ([11, 21], CAR | {"name": "north"}),
        3: ([10, 11], CAR | {"name": "west"}),
        4: ([11, 12], CAR | {"name": "east"}),
        5: ([21, 22, 12], CAR | {"name": "round"}),
    }
    return {"ways": ways, "restrictions": list(restrictions)}


def minutes_between(found: osm.Extract, first: str, last: str, restricted: bool) -> float:
    """The fastest way between two nodes by scipy, over arcs with or without restrictions."""
    net, profile = found.network, standards.read_profile()
    arcs = net.arcs(profile)
    if restricted:
        arcs = turns.restricted(net, arcs, found.network.restrictions)
    size = len(arcs.vertex_node)
    best: dict[tuple[int, int], float] = {}
    for tail, head, minutes in zip(
        arcs.tail.tolist(), arcs.head.tolist(), arcs.minutes.tolist(), strict=True
    ):
        best[tail, head] = min(minutes, best.get((tail, head), math.inf))
    keys = np.array(list(best)).T
    matrix = csr_array((list(best.values()), keys), shape=(size, size))
    node = net.nodes.index.get_indexer([first, last])
    start = int(np.flatnonzero(arcs.vertex_node == node[0])[0])
    ends = np.flatnonzero(arcs.vertex_node == node[1])
    return float(dijkstra(matrix, indices=start)[ends].min())


def test_forbidden_turn_sends_the_route_round(tmp_path):
    one = CAR | {"oneway": "yes"}  # so that nobody turns round in the north or in the west
    banned = cross((1, ("n", 11), 4, {"restriction": "no_right_turn"}))
    banned["ways"] |= {2: ([11, 21], one), 3: ([10, 11], one | {"name": "west"})}
    found = extract(tmp_path, banned.pop("ways"), **banned)
    assert found.network.restrictions[["from_link", "via_node", "to_link", "kind", "tag"]].to_dict(
        "records"
    ) == [
        {
            "from_link": "w1-1",
            "via_node": "n11",
            "to_link": "w4-1",
            "kind": "no",
            "tag": "no_right_turn",
        }
    ]
    free = minutes_between(found, "n1", "n12", restricted=False)
    held = minutes_between(found, "n1", "n12", restricted=True)
    km = found.network.links["length_km"]
    kmh = standards.read_profile().kmh(np.array(["class3"]), np.array([np.nan]))[0]
    assert free == pytest.approx((km["w1-1"] + km["w4-1"]) / kmh * 60)
    assert held == pytest.approx((km["w1-1"] + km["w2-1"] + km["w5-1"]) / kmh * 60)
    # From the west, and against the turn, nothing is forbidden.
    for pair in (("n10", "n12"), ("n12", "n1"), ("n11", "n12"), ("n1", "n21")):
        assert minutes_between(found, *pair, restricted=True) == pytest.approx(
            minutes_between(found, *pair, restricted=False)
        )


def test_mandatory_turn_forbids_all_others(tmp_path):
    banned = cross((1, ("n", 11), 2, {"restriction": "only_straight_on"}))
    found = extract(tmp_path, banned.pop("ways"), **banned)
    assert list(found.network.restrictions["kind"]) == ["only"]
    assert minutes_between(found, "n1", "n12", restricted=True) > minutes_between(
        found, "n1", "n12", restricted=False
    )
    assert minutes_between(found, "n1", "n21", restricted=True) == pytest.approx(
        minutes_between(found, "n1", "n21", restricted=False)
    )
    # West can be had only by turning round somewhere beyond node 11.
    west = minutes_between(found, "n1", "n10", restricted=True)
    assert west > minutes_between(found, "n1", "n10", restricted=False)


@pytest.mark.parametrize(
    ("marks", "found"),
    [
        ({"restriction": "no_right_turn"}, ("no_right_turn", "")),
        ({"restriction": "only_straight_on"}, ("only_straight_on", "")),
        ({"restriction": "no_right_turn", "except": "bus;bicycle"}, ("no_right_turn", "")),
        ({"restriction": "no_right_turn", "except": "bus; motorcar"}, ("", "others")),
        ({"restriction:hgv": "no_right_turn"}, ("", "others")),
        ({"restriction:bus": "only_left_turn"}, ("", "others")),
        ({"restriction:motorcar": "no_u_turn"}, ("no_u_turn", "")),
        ({"restriction": "no_left_turn", "restriction:hgv": "no_u_turn"}, ("no_left_turn", "")),
        ({"restriction:conditional": "no_right_turn @ (Mo-Fr 07:00-09:00)"}, ("", "hours")),
        ({"restriction:conditional": "no_right_turn @ (22:00-06:00; Su)"}, ("", "hours")),
        ({"restriction:conditional": "no_right_turn @ Sa,Su"}, ("", "hours")),
        ({"restriction:conditional": "no_right_turn @ (weight>3.5)"}, ("", "hours")),
        ({"restriction:conditional": "no_right_turn @ (24/7)"}, ("no_right_turn", "")),
        ({"restriction:conditional": "no_right_turn @ (Mo-Fr)"}, ("no_right_turn", "")),
        ({"restriction:conditional": "no_u_turn @ (Mo-Su 00:00-24:00)"}, ("no_u_turn", "")),
        ({"restriction:motorcar:conditional": "no_u_turn @ (07:00-09:00)"}, ("", "hours")),
        (
            {"restriction": "no_u_turn", "restriction:conditional": "none @ (20:00-06:00)"},
            ("no_u_turn", ""),
        ),
        ({"restriction": "no_left_turn", "hour_on": "07:00", "hour_off": "09:00"}, ("", "hours")),
        ({"restriction": "no_right_turn_on_red"}, ("", "unknown")),
        ({"restriction": "give_way"}, ("", "unknown")),
        ({}, ("", "unknown")),
    ],
)
def test_what_binds_a_car_at_an_ordinary_hour(marks, found):
    assert tags.turn({"type": "restriction", **marks}) == found


@pytest.mark.parametrize(
    ("restriction", "counted"),
    [
        ((1, ("n", 11), 4, {"restriction": "no_right_turn", "except": "motorcar"}), "others"),
        ((1, ("n", 11), 4, {"restriction:hgv": "no_right_turn"}), "others"),
        ((1, ("n", 11), 4, {"restriction:conditional": "no_left_turn @ (07:00-09:00)"}), "hours"),
        ((1, ("w", 2), 4, {"restriction": "no_u_turn"}), "off"),  # way 4 does not go on there
        ((1, ("w", 66), 5, {"restriction": "no_u_turn"}), "off"),
        ((1, ("n", 11), 77, {"restriction": "no_right_turn"}), "off"),
        ((1, ("n", 21), 4, {"restriction": "no_right_turn"}), "off"),
    ],
)
def test_restrictions_that_do_not_apply_are_left_and_told(tmp_path, restriction, counted):
    content = cross(restriction)
    found = extract(tmp_path, content.pop("ways"), **content)
    assert len(found.network.restrictions) == 0
    assert found.report.counts[f"restrictions_{counted}"] == 1
    words = {"others": "not for cars", "hours": "at certain hours", "off": "missing or in doubt"}
    assert words[counted] in "".join(found.report.lines())


ONE = CAR | {"oneway": "yes"}
# Two carriageways, 20 to 24 eastward, 34 to 30 westward, joined at the end in the east; between
# them the link 22-32.
DUAL = {
    1: ([20, 21, 22], ONE),
    2: ([22, 23, 24], ONE),
    3: ([34, 33, 32], ONE),
    4: ([32, 31, 30], ONE),
    5: ([22, 32], CAR),
    6: ([24, 34], CAR),
}


def turning_back(found: osm.Extract) -> bool:
    """Whether one may turn from the first carriageway into the other over the short link."""
    near, far = (minutes_between(found, "n20", "n30", restricted=r) for r in (False, True))
    assert far >= near
    return far == near


NO_U = {"restriction": "no_u_turn"}


@pytest.mark.parametrize("marks", [{}, {"name": "Bridge"}])
def test_turning_round_by_way_of_a_link_is_forbidden(tmp_path, marks):
    ways = DUAL | {5: ([22, 32], CAR | marks)}
    free = extract(tmp_path, ways)
    assert turning_back(free)
    held = extract(tmp_path, ways, restrictions=[(1, ("w", 5), 4, NO_U)])
    [row] = held.network.turns.to_dict("records")
    assert (row["via_node"], row["via_links"], row["tag"]) == ("n22", "w5-1", "no_u_turn")
    assert (row["geometry"].x, row["geometry"].y) == pytest.approx(position(22))
    assert not turning_back(held)
    assert held.report.counts["restrictions_via"] == 1
    assert "by way of roads: 1" in "".join(held.report.lines())


def test_a_way_between_may_be_many_links_or_drawn_backwards_or_part_of_a_chain(tmp_path):
    # The link is cut by a crossing road at 42, and drawn from the far side.
    crossed = DUAL | {5: ([32, 42, 22], CAR), 7: ([41, 42, 43], ONE)}
    found = extract(tmp_path, crossed, restrictions=[(1, ("w", 5), 4, NO_U)])
    [row] = found.network.turns.to_dict("records")
    assert row["via_links"] == "w5-2 > w5-1"
    assert not turning_back(found)
    # Ways that the chain would run through: the restriction keeps its joints.
    plain = {1: ([1, 2], CAR), 2: ([2, 3], CAR), 3: ([4, 3], CAR), 4: ([4, 5], CAR)}
    assert len(links(tmp_path, plain)) == 1
    two = extract(tmp_path, plain, restrictions=[(1, [("w", 2), ("w", 3)], 4, NO_U)])
    [row] = two.network.turns.to_dict("records")
    assert [row[c] for c in ("from_link", "via_node", "via_links", "to_link")] == [
        "w1-1", "n2", "w2-1 > w3-1", "w4-1",
    ]  # fmt: skip
    assert len(two.network.links) == 4


def test_only_by_way_of_a_link_and_restrictions_in_doubt(tmp_path):
    only = extract(tmp_path, DUAL, restrictions=[(1, ("w", 5), 4, {"restriction": "only_u_turn"})])
    assert math.isinf(minutes_between(only, "n20", "n24", restricted=True))
    assert turning_back(only)
    # A crescent that meets the carriageway twice: the direction tells which end is meant.
    bent = DUAL | {5: ([22, 12, 13, 23], CAR), 8: ([13, 3], CAR)}
    for last in (2, 8):
        doubt = extract(tmp_path, bent, restrictions=[(1, ("w", 5), last, NO_U)])
        assert len(doubt.network.turns) == doubt.report.counts["restrictions"]


def test_a_link_that_is_no_link_does_not_shift_the_names_of_others(tmp_path):
    collector = osm.Collector(tags.read_rules())
    same = {2: 1}  # node 2 lies where node 1 does: the way between is no link
    for number, (refs, marks) in {
        1: ([1, 2], CAR), 2: ([2, 3], CAR | {"name": "a"}), 3: ([3, 4], CAR | {"name": "b"}),
        4: ([3, 13], CAR | {"name": "c"}),
    }.items():  # fmt: skip
        lonlat = array("d", [v for n in refs for v in position(same.get(n, n))])
        collector.add_way(number, marks, refs, lonlat)
    members = [("w", 2, "from"), ("n", 3, "via"), ("w", 4, "to")]
    collector.add_restriction(1, {"type": "restriction", "restriction": "no_left_turn"}, members)
    [row] = collector.finished("a", "a", keep="all").network.turns.to_dict("records")
    assert (row["from_link"], row["to_link"]) == ("w2-1", "w4-1")


def test_restriction_keeps_its_node_in_a_chain_and_respects_direction(tmp_path):
    one = CAR | {"oneway": "yes"}
    ways = {1: ([1, 11], one), 2: ([11, 21], one)}
    found = extract(tmp_path, ways, restrictions=[(1, ("n", 11), 2, {"restriction": "no_entry"})])
    assert len(found.network.links) == 2
    assert len(found.network.restrictions) == 1
    backwards = [(2, ("n", 11), 1, {"restriction": "no_u_turn"})]
    assert len(extract(tmp_path, ways, restrictions=backwards).network.restrictions) == 0


# Area, parts, files


def test_area_cuts_ways_at_its_edge(tmp_path):
    area = shapely.box(102.995, 34.995, 103.035, 35.005)
    ways = {1: ([1, 2, 3, 4, 5, 6], CAR), 2: ([90, 91], CAR)}
    found = extract(tmp_path, ways, options={"area": area}, nodes={95: {"place": "town"}})
    assert list(found.network.links.index) == ["w1-1"]
    assert len(found.network.links.geometry.iloc[0].coords) == 4  # 1 2 3 and the first beyond
    assert len(found.places) == 0


@pytest.mark.parametrize(("keep", "count"), [("main", 2), ("largest", 1), ("all", 3)])
def test_small_parts_are_left_out_and_told(tmp_path, keep, count):
    ways = {
        1: ([0, 9, 19, 10, 20, 29, 39, 30, 40, 49, 59, 50, 60, 69, 79, 70, 80, 89, 99, 90], CAR),
        2: ([95, 96], CAR),
        3: ([12, 14], CAR),
    }
    path = tmp_path / "a.osm.pbf"
    write(path, ways)
    # Way 2 made short by moving its nodes together, under one per cent of the longest.
    collector = osm.Collector(tags.read_rules())
    for number, (refs, marks) in ways.items():
        lonlat = array("d", [v for n in refs for v in position(n)])
        if number == 2:
            lonlat = array("d", [103.5, 35.0, 103.501, 35.0])
        collector.add_way(number, marks, refs, lonlat)
    found = collector.finished("a", "a", keep=keep)
    assert len(found.network.links) == count
    assert [part.kept for part in found.report.parts].count(True) == count
    assert any("连通部分" in line for line in found.report.lines())


def test_layers_can_be_read_back(tmp_path):
    banned = cross((1, ("n", 11), 4, {"restriction": "no_right_turn"}))
    found = extract(
        tmp_path, banned.pop("ways"), nodes={1: {"place": "town", "name": "甲"}}, **banned
    )
    found.write(tmp_path / "net.gpkg")
    again = networks.read(tmp_path / "net.gpkg")
    assert set(again.links.index) == set(found.network.links.index)
    assert again.links["length_km"].sum() == pytest.approx(found.network.links["length_km"].sum())
    assert list(gpd.read_file(tmp_path / "net.gpkg", layer="restrictions")["to_link"]) == ["w4-1"]
    assert list(gpd.read_file(tmp_path / "net.gpkg", layer="places")["name_zh"]) == ["甲"]
    about = pyogrio.read_info(tmp_path / "net.gpkg", layer="links")
    assert "ODbL" in str(about["layer_metadata"])


def test_xml_gives_what_pbf_gives(tmp_path):
    ways = {1: ([1, 2, 3], CAR), 2: ([2, 12], CAR)}
    one = osm.read(write(tmp_path / "a.osm.pbf", ways)).network
    other = osm.read(write(tmp_path / "a.osm", ways)).network
    pd.testing.assert_frame_equal(pd.DataFrame(one.links), pd.DataFrame(other.links))


def test_big_files_keep_positions_on_disk(tmp_path, monkeypatch):
    path = write(tmp_path / "a.osm.pbf", {1: ([1, 2, 3], CAR), 2: ([2, 12], CAR)})
    expected = osm.read(path).network.links
    monkeypatch.setattr(osm, "DISK_INDEX_BYTES", 1)
    pd.testing.assert_frame_equal(
        pd.DataFrame(osm.read(path).network.links), pd.DataFrame(expected)
    )


# Bad input


def test_a_file_too_large_for_the_memory_is_stopped_in_time(tmp_path, monkeypatch):
    path = write(tmp_path / "a.osm", {n: ([n, n + 1], CAR) for n in range(1, 40)})
    left = SimpleNamespace(available=20 * osm.BYTES_PER_WAY)
    monkeypatch.setattr(osm.psutil, "virtual_memory", lambda: left)
    monkeypatch.setattr(osm, "MEMORY_EVERY", 1)
    with pytest.raises(InputError, match=r"已有 21 条道路.*--bbox"):
        osm.read(path)


def test_truncated_file(tmp_path):
    ways = {i: ([i % 90, i % 90 + 1], CAR | {"name": f"road {i}"}) for i in range(1, 3000)}
    whole = write(tmp_path / "a.osm.pbf", ways).read_bytes()
    bad = tmp_path / "b.osm.pbf"
    bad.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match="不完整"):
        osm.read(bad)


@pytest.mark.parametrize("name", ["a.osm.pbf", "a.osm", "a.pdf"])
def test_file_that_is_no_osm(tmp_path, name):
    bad = tmp_path / name
    bad.write_bytes(b"%PDF-1.7 not a map" * 100)
    with pytest.raises(InputError, match="OpenStreetMap"):
        osm.read(bad)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="不存在"):
        osm.read(tmp_path / "none.osm.pbf")


@pytest.mark.parametrize(
    "marks", [{"building": "yes"}, {"highway": "footway"}, {"railway": "rail"}]
)
def test_extract_without_roads(tmp_path, marks):
    path = write(tmp_path / "a.osm.pbf", {1: ([1, 2], marks)})
    with pytest.raises(InputError, match="没有可行车的道路"):
        osm.read(path)


def test_area_without_roads(tmp_path):
    path = write(tmp_path / "a.osm.pbf", {1: ([1, 2], CAR)})
    with pytest.raises(InputError, match="没有可行车的道路"):
        osm.read(path, area=shapely.box(0, 0, 1, 1))


def test_a_failed_write_leaves_the_previous_file(tmp_path, monkeypatch):
    found = extract(tmp_path, {1: ([1, 2], CAR)})
    target = tmp_path / "net.gpkg"
    target.write_bytes(b"before")
    original = gpd.GeoDataFrame.to_file

    def fail(self, *args, layer, **options):
        if layer == "links":
            raise RuntimeError("disk full")
        original(self, *args, layer=layer, **options)

    monkeypatch.setattr(gpd.GeoDataFrame, "to_file", fail)
    with pytest.raises(RuntimeError):
        found.write(target)
    assert target.read_bytes() == b"before"
    assert {p.name for p in tmp_path.iterdir()} == {"net.gpkg", "a.osm.pbf"}


def test_importing_the_module_loads_no_osmium():
    code = "import sys, spatialplan.osm; print('osmium' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# A real extract


@pytest.fixture(scope="module")
def liechtenstein() -> osm.Extract:
    named = os.environ.get("SPATIALPLAN_TEST_OSM")
    path = Path(named) if named else Path(__file__).parents[2] / "shared/data/osm"
    path = path / "liechtenstein.osm.pbf" if path.is_dir() else path
    if not path.is_file():
        pytest.skip("no liechtenstein.osm.pbf; name it in SPATIALPLAN_TEST_OSM")
    return osm.read(path)


def test_real_extract_is_sound(liechtenstein):
    net = liechtenstein.network
    assert net.faults() == []
    assert net.links.index.is_unique
    assert net.nodes.index.is_unique
    assert len(net.components()) == 1
    ends = net.links.geometry.apply(lambda line: (line.coords[0], line.coords[-1]))
    points = dict(zip(net.nodes.index, shapely.get_coordinates(net.nodes.geometry), strict=True))
    for column, number in (("from_node", 0), ("to_node", 1)):
        drawn = np.array([pair[number] for pair in ends])
        placed = np.array([points[node] for node in net.links[column]])
        assert np.abs(drawn - placed)[~net.links.index.str.startswith("station")].max() < 1e-7


def test_real_extract_holds_no_chain_that_could_be_longer(liechtenstein):
    net = liechtenstein.network
    vias = set(net.restrictions["via_node"])
    columns = ["mode", "class", "oneway", "ref", "name_zh", "design_speed_kmh"]
    kinds = [tuple(row) for row in net.links[columns].fillna(-1).to_numpy()]
    at: dict[str, list] = {}
    for kind, pair in zip(kinds, net.links[["from_node", "to_node"]].to_numpy(), strict=True):
        for node in pair:
            at.setdefault(node, []).append((kind, tuple(pair)))
    loose = [
        node
        for node, found in at.items()
        if len(found) == 2
        and found[0][0] == found[1][0]
        and not found[0][0][2]
        and len(set(found[0][1]) | set(found[1][1])) == 3
        and node not in vias
    ]
    # Small parts left out, and barriers, may leave a few; a missed joint leaves hundreds.
    assert len(loose) < 0.02 * len(at)


def test_real_extract_gives_plausible_times(liechtenstein):
    # Vaduz to Balzers is some 8 km by road.
    gazetteer = places.Gazetteer(liechtenstein.places)
    graph = compile_graph(liechtenstein.network, standards.read_profile())
    pair = [gazetteer.find("Vaduz"), gazetteer.find("Balzers")]
    row = travel_times(graph, pair[:1], pair[1:]).iloc[0]
    assert 7.5 < row["km"] < 11
    assert row["straight_km"] < row["km"]
    assert 10 < row["minutes"] < 25
