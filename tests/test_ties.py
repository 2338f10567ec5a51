"""Places tied to an imported network, and plans that use them there."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from spatialplan import network, places, readers, revision, scenario, standards, ties
from spatialplan.errors import InputError
from spatialplan.geodesy import straight_km
from spatialplan.network import as_places
from spatialplan.places import Gazetteer
from spatialplan.travel import compile_graph, travel_times

LONG = [(103.0, 35.0), (103.3, 35.0)]  # 27 km without a node between
SHORT = [(103.3, 35.0), (103.4, 35.0)]
FAST = [(103.0, 35.05), (103.2, 35.05), (103.4, 35.05)]


def gazetteer(**rows: tuple) -> Gazetteer:
    """Places by id: (lon, lat) and perhaps kind, name, accuracy in metres."""
    table = []
    for place_id, given in rows.items():
        lon, lat, kind, name, accuracy = (*given, *("town", place_id, 100.0)[len(given) - 2 :])
        table.append(
            {
                "place_id": place_id,
                "name_zh": name,
                "name_en": place_id,
                "kind": kind,
                "county": "",
                "adcode": pd.NA,
                "lon": lon,
                "lat": lat,
                "accuracy_m": accuracy,
                "source": "test",
                "confidence": "M",
                "aliases": "",
                "note": "",
                "geometry": shapely.Point(lon, lat),
            }
        )
    frame = pd.DataFrame(table).set_index("place_id").astype({"adcode": "Int64"})
    return Gazetteer(gpd.GeoDataFrame(frame, crs=4326))


def roads(*extra: tuple[list, str]) -> network.Network:
    lines = [(LONG, "class2"), (SHORT, "class3"), *extra]
    frame = gpd.GeoDataFrame(
        {"class": [cls for _, cls in lines]},
        geometry=[shapely.LineString(line) for line, _ in lines],
        crs=4326,
    )
    return readers.imported(frame, "imported", "imported", keep="all").network


def row(tied: ties.Tied, place_id: str) -> pd.Series:
    return tied.table.set_index("place_id").loc[place_id]


def check(tied: ties.Tied) -> None:
    assert tied.network.faults() == []
    assert tied.network.links.index.is_unique
    assert tied.network.nodes.index.is_unique


def test_place_at_a_node_gives_the_node_its_id():
    before = roads()
    tied = ties.tie(before, gazetteer(kangle=(103.301, 35.0)))
    check(tied)
    found = row(tied, "kangle")
    assert found["how"] == "position"
    assert found["km"] == pytest.approx(float(straight_km(103.301, 35, 103.3, 35)))
    assert found["node_id"] in before.nodes.index
    assert found["node_id"] not in tied.network.nodes.index
    assert tied.network.nodes.loc["kangle", ["place_id", "name_zh", "kind"]].tolist() == [
        "kangle",
        "kangle",
        "town",
    ]
    assert "kangle" not in before.nodes.index  # a network is a value


def test_place_beside_a_long_link_cuts_it_and_loses_no_length():
    before = roads()
    tied = ties.tie(before, gazetteer(hezheng=(103.1, 35.002)))
    check(tied)
    found = row(tied, "hezheng")
    assert (found["how"], len(tied.network.links)) == ("split", 3)
    assert found["km"] == pytest.approx(0.22, abs=0.01)
    assert tied.network.links["length_km"].sum() == pytest.approx(before.links["length_km"].sum())
    assert set(tied.network.links["class"]) == {"class2", "class3"}
    point = tied.network.nodes.geometry["hezheng"]
    assert (point.x, point.y) == pytest.approx((103.1, 35.0), abs=1e-4)


def test_two_places_on_one_link():
    tied = ties.tie(roads(), gazetteer(a=(103.1, 35.0), b=(103.2, 35.0), c=(103.2001, 35.0)))
    check(tied)
    assert {"a", "b", "c"} <= set(tied.network.nodes.index)
    assert sorted(tied.table["how"]) == ["shared", "split", "split"]
    graph = compile_graph(tied.network, standards.read_profile())
    ends = [gazetteer(a=(103.1, 35.0), c=(103.2001, 35.0))[i] for i in ("a", "c")]
    assert travel_times(graph, ends[:1], ends[1:])["km"].iloc[0] == pytest.approx(9.2, abs=0.1)


def test_an_imported_place_of_the_same_name_goes_before_the_position():
    named = gpd.GeoDataFrame(
        {"name_zh": ["三甲集镇", "别处"], "aliases": ["", "三甲集"]},
        geometry=[shapely.Point(103.2, 35.0), shapely.Point(104.9, 35.0)],
        crs=4326,
    )
    known = gazetteer(sanjiaji=(103.18, 35.02, "town", "三甲集", 3000.0))
    net = replace(roads(), places=as_places(named.assign(place_id=["osm-1", "osm-2"])))
    tied = ties.tie(net, known)
    found = row(tied, "sanjiaji")
    assert found["matched"] == "三甲集镇"
    assert tied.network.nodes.geometry["sanjiaji"].x == pytest.approx(103.2, abs=1e-3)
    assert found["km"] == pytest.approx(float(straight_km(103.18, 35.02, 103.2, 35.0)), abs=0.01)


def test_places_that_came_with_a_network_are_known_beside_the_others():
    came = gpd.GeoDataFrame(
        {"place_id": ["osm-1", "osm-2", "osm-3"], "name_zh": ["三甲集镇", "和平村", "大路"],
         "kind": ["town", "village", "village"], "accuracy_m": 500.0, "confidence": "M"},
        geometry=gpd.points_from_xy([103.2, 103.3, 103.9], [35.0, 35.1, 35.2]),
        crs=4326,
    )  # fmt: skip
    own = gazetteer(
        sanjiaji=(103.18, 35.02, "town", "三甲集", 3000.0), dalu=(103.2, 35.3, "town", "大路")
    )
    known = ties.known_places(own, as_places(came))
    assert list(known.table.index) == ["dalu", "sanjiaji", "osm-2", "osm-3"]
    # The same place: one id, the better position. Others of a name stand back.
    assert (known["sanjiaji"].lon, known["sanjiaji"].accuracy_m) == (103.2, 500.0)
    assert known.find("大路").place_id == "dalu"
    assert known.find("和平村").place_id == "osm-2"
    exact = gazetteer(sanjiaji=(103.18, 35.02, "town", "三甲集", 50.0))
    assert ties.known_places(exact, as_places(came))["sanjiaji"].lon == 103.18
    gate = gazetteer(gate=(103.18, 35.02, "interchange", "三甲集互通", 3000.0))
    assert ties.known_places(gate, as_places(came))["gate"].lon == 103.18


def test_a_tie_in_the_file_can_be_overridden():
    known = gazetteer(kangle=(103.3, 35.0), hezheng=(103.0, 35.0))
    first = ties.tie(roads(), known).network
    end = first.nodes.index[shapely.get_x(first.nodes.geometry.to_numpy()).argmax()]
    moved = ties.tie(first, known, overrides={"kangle": end})
    check(moved)
    assert moved.network.nodes.geometry["kangle"].x == pytest.approx(103.4)
    assert moved.network.nodes.at["kangle@before", "place_id"] == ""
    assert moved.network.nodes.geometry["hezheng"].x == pytest.approx(103.0)
    gone = ties.tie(first, known, overrides={"kangle": ""}).network
    assert "kangle" not in set(gone.nodes["place_id"])


def test_place_too_far_off_is_told_and_not_tied():
    tied = ties.tie(roads(), gazetteer(far=(103.1, 35.02)), limit_km=1.0)
    assert row(tied, "far")["how"] == "far"
    assert "far" not in tied.network.nodes.index
    assert any("太远" in line and "2.2 km" in line for line in tied.lines())


def test_places_outside_the_network_are_not_listed():
    assert len(ties.tie(roads(), gazetteer(away=(110.0, 35.0))).table) == 0


def test_interchanges_meet_gates_and_towns_never_an_expressway():
    ramp = [(103.2, 35.05), (103.3, 35.0)]
    net = roads((FAST[:2], "expressway"), (FAST[1:], "expressway"), (ramp, "ramp"))
    known = gazetteer(
        gate=(103.21, 35.055, "interchange", "双城互通"),
        beside=(103.1, 35.048, "town", "近高速", 3000.0),
    )
    tied = ties.tie(net, known)
    check(tied)
    assert tied.network.nodes.loc["gate", "kind"] == "interchange"
    assert tied.network.nodes.geometry["gate"].y == pytest.approx(35.05)
    assert tied.network.nodes.geometry["beside"].y == pytest.approx(35.0, abs=1e-3)


def test_interchange_is_found_by_name_before_position():
    ramps = [([(x, 35.05), (x, 35.0)], "ramp") for x in (103.1, 103.12)]
    fast = [([(a, 35.05), (b, 35.05)], "expressway") for a, b in ((103.1, 103.12), (103.12, 103.3))]
    net = roads(*ramps, *fast)
    gates = net.nodes.index[net.nodes["kind"] == "interchange"]
    east = max(gates, key=lambda node: net.nodes.geometry[node].x)
    names = net.nodes["name_zh"].where(net.nodes.index != east, "折桥收费站")
    net = network.Network(net.nodes.assign(name_zh=names), net.links)
    tied = ties.tie(net, gazetteer(zheqiao=(103.1, 35.05, "interchange", "折桥互通")))
    assert row(tied, "zheqiao")[["how", "node_id"]].tolist() == ["name", east]


def test_overrides_decide(tmp_path):
    net = roads()
    node = net.nodes.index[shapely.get_x(net.nodes.geometry.to_numpy()).argmax()]
    table = tmp_path / "ties.csv"
    table.write_text(f"place_id,node_id\nkangle,{node}\nhezheng,\n", encoding="utf-8")
    known = gazetteer(kangle=(103.3, 35.0), hezheng=(103.0, 35.0))
    tied = ties.tie(net, known, overrides=ties.read_overrides(table))
    check(tied)
    assert tied.network.nodes.geometry["kangle"].x == pytest.approx(103.4)
    assert row(tied, "kangle")["km"] == pytest.approx(9.13, abs=0.01)
    assert "hezheng" not in tied.network.nodes.index


def test_the_table_written_can_be_edited_and_given_back(tmp_path):
    net = roads()
    tied = ties.tie(net, gazetteer(kangle=(103.3, 35.0)))
    tied.write(tmp_path / "t.csv")
    assert ties.read_overrides(tmp_path / "t.csv") == {}
    text = (tmp_path / "t.csv").read_text(encoding="utf-8-sig").replace("position", "override")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    assert list(ties.read_overrides(tmp_path / "t.csv")) == ["kangle"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("place_id,node_id\nnowhere,n0\n", "没有这个地点"),
        ("place_id,node_id\nkangle,n99\n", "没有节点 n99"),
        ("place_id,node_id\nkangle,n0\nkangle,n1\n", "重复"),
        ("place,node\nkangle,n0\n", "place_id"),
    ],
)
def test_faults_of_overrides(tmp_path, text, words):
    table = tmp_path / "ties.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        ties.tie(roads(), gazetteer(kangle=(103.3, 35.0)), overrides=ties.read_overrides(table))


# The built-in places and projects on a network that knows no names


@pytest.fixture(scope="module")
def anonymous() -> network.Network:
    """The built-in network of 2021 as a stranger would bring it: lines with classes."""
    links = network.builtin().at("2021-12").links
    columns = ["class", "design_speed_kmh", "length_km", "mode", "geometry"]
    return readers.imported(links[columns].reset_index(drop=True), "a", "a", keep="all").network


def test_builtin_places_find_their_nodes(anonymous):
    tied = ties.tie(anonymous, places.builtin())
    check(tied)
    known = network.builtin().at("2021-12").nodes
    table = tied.table.set_index("place_id")
    towns = known.index[known["kind"].isin(["town", "county_seat"])]
    assert table.loc[towns, "km"].max() < 0.5
    assert set(table.loc[towns, "how"]) <= {"position", "shared", "split"}
    assert set(towns) <= set(tied.network.nodes.index)


def test_projects_of_a_plan_apply_to_an_imported_network(anonymous):
    tied = ties.tie(anonymous, places.builtin())
    projects = scenario.projects_of(scenario.builtin("linxia-expected-2027"))
    before = compile_graph(tied.network, standards.read_profile())
    changes = [edit for project in projects for edit in scenario.project_edits(project)]
    adds = [edit for edit in changes if edit.action == "add"]
    after = revision.apply(tied.network, adds).network
    assert after.faults() == []
    builtin = places.builtin()
    ends = [builtin[i] for i in builtin.seats([622901, 622923, 622927])]
    old = travel_times(before, ends, ends)["minutes"]
    new = travel_times(compile_graph(after, standards.read_profile()), ends, ends)["minutes"]
    assert old.notna().all()
    assert (new <= old + 1e-6).all()
    assert (new < old - 1).any()  # an expressway makes somebody faster
