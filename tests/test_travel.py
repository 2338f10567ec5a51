"""Travel times that can be worked out by hand, laws that must hold, and networkx as oracle."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy

from spatialplan import places, scenario, standards, travel
from spatialplan.errors import InputError
from spatialplan.network import EXPRESSWAY, RAIL, Network

FLAT = toy.profile()
FEW = toy.FEW


def minutes(graph, origin, destination, mode="road") -> float:
    [route] = travel.routes(graph, [origin], [destination], mode=mode)
    return route.minutes


def compiled(nodes, links, profile=FLAT):
    network = toy.network(nodes, links)
    assert network.faults() == []
    graph = travel.compile_graph(network, profile)
    return graph, dict(zip(network.nodes.index, toy.places_of(network), strict=True))


# --- by hand ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def valley():
    """A–B–C by ordinary roads, an expressway over them between interchanges p and q."""
    return compiled(
        {"a": (0, 0), "b": (30, 0), "c": (60, 0), "p": (0, 5, "interchange"),
         "q": (60, 5, "interchange")},
        [
            toy.link("a", "b", 40, 40),
            toy.link("b", "c", 30, 60),
            toy.link("a", "p", 6, 60, "access"),
            toy.link("c", "q", 6, 60, "access"),
            toy.link("p", "q", 60, 120, "expressway"),
        ],
    )  # fmt: skip


def test_minutes_km_and_legs_of_a_plain_road(valley):
    graph, at = valley
    [route] = travel.routes(graph, [at["a"]], [at["b"]])
    assert route.minutes == pytest.approx(60.0)  # 40 km at 40 km/h; the detour takes 83 minutes
    assert route.km == pytest.approx(40.0)
    assert route.straight_km == pytest.approx(30.0, abs=0.01)
    assert [(leg.kind, leg.link_id) for leg in route.legs] == [("link", "a-b")]
    assert np.isnan(route.in_vehicle)


def test_an_expressway_costs_a_ramp_at_each_end(valley):
    graph, at = valley
    [route] = travel.routes(graph, [at["a"]], [at["c"]])
    assert route.minutes == pytest.approx(6 + 2 + 30 + 2 + 6)
    assert route.km == pytest.approx(6 + 60 + 6)
    assert [(leg.kind, leg.minutes) for leg in route.legs] == [
        ("link", pytest.approx(6)),
        ("ramp", 2.0),
        ("link", pytest.approx(30)),
        ("ramp", 2.0),
        ("link", pytest.approx(6)),
    ]


def test_two_expressways_that_meet_at_a_junction_need_no_ramp():
    graph, at = compiled(
        {"p": (0, 0, "interchange"), "j": (40, 0, "junction"), "q": (80, 0, "interchange"),
         "a": (0, 3), "b": (80, 3)},
        [
            toy.link("a", "p", 4, 60),
            toy.link("p", "j", 40, 80, "expressway"),
            toy.link("j", "q", 40, 80, "expressway"),
            toy.link("q", "b", 4, 60),
        ],
    )  # fmt: skip
    assert minutes(graph, at["a"], at["b"]) == pytest.approx(4 + 2 + 30 + 30 + 2 + 4)
    with_gate = travel.compile_graph(
        toy.network(
            {"p": (0, 0, "interchange"), "j": (40, 0, "junction"), "t": (40, 9)},
            [toy.link("p", "j", 40, 80, "expressway"), toy.link("t", "j", 10, 60)],
        ),
        FLAT,
    )
    # j is now a gate as well: a trip from the town pays the ramp there.
    levels = with_gate.arcs.vertex_level[with_gate.arcs.vertex_node == 1]
    assert sorted(levels) == [0, EXPRESSWAY]


@pytest.fixture(scope="module")
def railway():
    """Towns a and b, 12 km from stations s and t; 100 km of railway; a road of 150 km."""
    return compiled(
        {"a": (0, 0), "s": (0, 10, "station"), "t": (90, 10, "station"), "b": (90, 0)},
        [
            toy.link("a", "s", 12, 60),
            toy.link("s", "t", 100, 200, "hsr"),
            toy.link("t", "b", 12, 60),
            toy.link("a", "b", 150, 60),
        ],
    )


def test_rail_is_door_to_door_with_the_ride_beside_it(railway):
    graph, at = railway
    [route] = travel.routes(graph, [at["a"]], [at["b"]], mode="rail")
    assert route.minutes == pytest.approx(12 + 20 + 30 + 10 + 12)
    assert route.in_vehicle == pytest.approx(30.0)
    assert route.km == pytest.approx(12 + 100 + 12)
    assert [leg.kind for leg in route.legs] == ["link", "wait", "link", "leave", "link"]
    assert minutes(graph, at["a"], at["b"]) == pytest.approx(150.0)
    assert minutes(graph, at["a"], at["b"], "all") == pytest.approx(84.0)
    # Where the road is as good, ``all`` drives.
    assert minutes(graph, at["a"], at["s"], "all") == pytest.approx(12.0)


def test_rail_between_stations_waits_and_leaves(railway):
    graph, at = railway
    assert minutes(graph, at["s"], at["t"], "rail") == pytest.approx(20 + 30 + 10)
    assert minutes(graph, at["s"], at["s"], "rail") == 0.0


def test_a_station_too_far_away_is_no_travelling_by_rail(railway):
    graph, at = railway
    near = travel.compile_graph(graph.network, toy.profile(access_limit_minutes=12.0))
    far = travel.compile_graph(graph.network, toy.profile(access_limit_minutes=11.9))
    assert minutes(near, at["a"], at["b"], "rail") == pytest.approx(84.0)
    assert minutes(far, at["a"], at["b"], "rail") == math.inf


def test_a_town_without_railway_is_out_of_reach_by_rail(valley):
    graph, at = valley
    [route] = travel.routes(graph, [at["a"]], [at["b"]], mode="rail")
    assert route.minutes == math.inf
    assert route.legs == ()
    assert np.isnan(route.km)
    assert np.isnan(route.in_vehicle)


def test_roads_never_run_over_rails():
    graph, at = compiled(
        {"a": (0, 0), "s": (0, 10, "station"), "t": (90, 10, "station"), "b": (90, 0)},
        [toy.link("a", "s", 12), toy.link("s", "t", 100, 200, "hsr"), toy.link("t", "b", 12)],
    )
    assert minutes(graph, at["a"], at["b"]) == math.inf
    assert minutes(graph, at["a"], at["b"], "rail") == pytest.approx(84.0)


def test_out_of_reach_is_nan_in_tables_never_a_number():
    graph, at = compiled(
        {"a": (0, 0), "b": (10, 0), "c": (30, 0), "d": (40, 0)},
        [toy.link("a", "b", 11), toy.link("c", "d", 11)],
    )
    frame = travel.travel_times(graph, [at["a"]], [at["b"], at["c"], at["a"]])
    assert frame["minutes"].to_list()[0] == pytest.approx(11.0)
    assert frame[["minutes", "km"]].iloc[1].isna().all()
    assert frame["straight_km"].iloc[1] == pytest.approx(30.0, abs=0.01)
    assert frame["minutes"].iloc[2] == 0.0
    assert frame["km"].iloc[2] == 0.0
    assert list(frame["origin"]) == ["a", "a", "a"]
    assert list(frame["destination"]) == ["b", "c", "a"]


def test_one_way_links_are_run_one_way():
    graph, at = compiled(
        {"a": (0, 0), "b": (20, 0), "c": (10, 10)},
        [toy.link("a", "b", 20, oneway=True), toy.link("b", "c", 15), toy.link("c", "a", 15)],
    )
    assert minutes(graph, at["a"], at["b"]) == pytest.approx(20.0)
    assert minutes(graph, at["b"], at["a"]) == pytest.approx(30.0)


# --- positions between nodes --------------------------------------------------------------------


@pytest.fixture(scope="module")
def straight_road():
    return compiled(
        {"a": (0, 0), "b": (20, 0), "c": (40, 0)}, [toy.link("a", "b", 24), toy.link("b", "c", 20)]
    )


def test_a_position_enters_at_the_nearest_point_of_a_road(straight_road):
    graph, at = straight_road
    farm = toy.spot(5, 2)  # 2 km off the road at a quarter of it: 6 minutes' access, 18 of 24 km
    [route] = travel.routes(graph, [farm], [at["b"]])
    assert route.minutes == pytest.approx(6 + 18, abs=0.05)
    assert route.km == pytest.approx(2 + 18, abs=0.01)
    assert [leg.kind for leg in route.legs] == ["access", "link"]
    assert minutes(graph, farm, at["a"]) == pytest.approx(6 + 6, abs=0.05)
    [back] = travel.routes(graph, [at["c"]], [farm])
    assert back.minutes == pytest.approx(20 + 18 + 6, abs=0.05)
    assert [leg.kind for leg in back.legs] == ["link", "link", "access"]


def test_two_positions_beside_one_link_go_along_it(straight_road):
    graph, _ = straight_road
    one, other = toy.spot(5, 2), toy.spot(15, -1)
    for ends in ((one, other), (other, one)):
        [route] = travel.routes(graph, [ends[0]], [ends[1]])
        assert route.minutes == pytest.approx(6 + 12 + 3, abs=0.05)
        assert route.km == pytest.approx(2 + 12 + 1, abs=0.05)
        assert [leg.kind for leg in route.legs] == ["access", "link", "access"]


def test_positions_beside_a_one_way_link():
    graph, at = compiled(
        {"a": (0, 0), "b": (20, 0), "c": (10, 30)},
        [toy.link("a", "b", 20, oneway=True), toy.link("b", "c", 40), toy.link("c", "a", 40)],
    )
    one, other = toy.spot(5, 0), toy.spot(15, 0)
    assert minutes(graph, one, other) == pytest.approx(10, abs=0.05)
    assert minutes(graph, other, one) == pytest.approx(5 + 40 + 40 + 5, abs=0.05)
    assert minutes(graph, one, at["a"]) == pytest.approx(15 + 80, abs=0.05)
    assert minutes(graph, at["b"], other) == pytest.approx(80 + 15, abs=0.05)


def test_nobody_enters_an_expressway_or_a_railway_between_its_gates():
    graph, at = compiled(
        {"p": (0, 0, "interchange"), "q": (60, 0, "interchange"), "a": (0, -8), "b": (60, -8),
         "s": (0, 1, "station"), "t": (60, 1, "station")},
        [
            toy.link("p", "q", 60, 120, "expressway"),
            toy.link("a", "p", 8, 60),
            toy.link("q", "b", 8, 60),
            toy.link("a", "b", 90, 60),
            toy.link("s", "t", 60, 120, "rail120"),
            toy.link("s", "p", 2, 60),
            toy.link("t", "q", 2, 60),
        ],
    )  # fmt: skip
    beside = toy.spot(30, 0.5)  # half a kilometre from expressway and railway, 8.5 from the road
    terminal = graph.terminal(beside)
    assert graph.network.links.index[terminal.link] == "a-b"
    assert minutes(graph, beside, at["b"]) == pytest.approx(8.5 * 3 + 45, abs=0.3)


def test_the_fraction_of_a_bent_link_is_one_of_kilometres():
    # 10 km east, then 10 km north: at the corner half of the way is done.
    graph, at = compiled(
        {"a": (0, 0), "b": (10, 10)}, [toy.link("a", "b", 20, 60, through=[(10, 0)])]
    )
    assert minutes(graph, at["a"], toy.spot(10, 0)) == pytest.approx(10.0, abs=0.05)
    assert minutes(graph, at["b"], toy.spot(10, 5)) == pytest.approx(5.0, abs=0.05)


def test_a_position_far_from_every_road_is_refused(straight_road):
    graph, at = straight_road
    with pytest.raises(InputError, match=r"(?s)50 km.*30 km"):
        minutes(graph, toy.spot(10, 50), at["a"])
    # A place of the gazetteer is merely out of reach, from both sides and by every mode.
    lost = toy.place("lost", 10, 50)
    assert minutes(graph, lost, at["a"]) == math.inf
    assert minutes(graph, at["a"], lost) == math.inf
    assert minutes(graph, lost, toy.place("lost2", 10, 60)) == math.inf
    assert minutes(graph, lost, at["a"], "rail") == math.inf
    assert np.isinf(travel.reach(graph, [lost], 60.0)).all()


def test_a_network_without_ordinary_roads_is_refused():
    graph, _ = compiled(
        {"s": (0, 0, "station"), "t": (9, 0, "station")}, [toy.link("s", "t", 10, 120, "rail120")]
    )
    with pytest.raises(InputError, match="没有普通公路"):
        minutes(graph, toy.spot(1, 1), toy.spot(2, 1))


def test_a_node_of_another_name_is_found_by_its_place():
    network = toy.network({"n1": (0, 0), "n2": (20, 0)}, [toy.link("n1", "n2", 20)])
    nodes = network.nodes.assign(place_id=["x-zhen", "y-zhen"])
    graph = travel.compile_graph(Network(nodes, network.links), FLAT)
    # The gazetteer has the place 3 km beside its node: the node counts, not the way to it.
    one, other = toy.place("x-zhen", 0, 3), toy.place("y-zhen", 20, 3)
    assert minutes(graph, one, other) == pytest.approx(20.0)


def test_a_mode_that_is_none(valley):
    graph, at = valley
    with pytest.raises(InputError, match="road、rail、all"):
        travel.routes(graph, [at["a"]], [at["b"]], mode="bike")
    with pytest.raises(InputError, match="road"):
        travel.reach(graph, [at["a"]], 30.0, mode="rail")


# --- several origins, limits --------------------------------------------------------------------


def test_nearest_of_several(straight_road):
    graph, at = straight_road
    found = travel.nearest(graph, [at["a"], at["c"]], [at["b"], at["a"]])
    assert [(r.origin.key, r.destination.key, round(r.minutes)) for r in found] == [
        ("c", "b", 20),
        ("a", "a", 0),
    ]
    found = travel.nearest(graph, [at["a"], at["c"]], [at["b"], at["a"]], per="origin")
    assert [(r.origin.key, r.destination.key, round(r.minutes)) for r in found] == [
        ("a", "a", 0),
        ("c", "b", 20),
    ]


def test_no_places_give_no_trips(straight_road):
    graph, at = straight_road
    assert travel.routes(graph, [], [at["a"]]) == []
    assert travel.routes(graph, [at["a"]], []) == []
    assert travel.nearest(graph, [], [at["a"]]) == []
    assert travel.travel_times(graph, [], []).empty


def test_reach_keeps_its_limit_and_its_direction():
    graph, at = compiled(
        {"a": (0, 0), "b": (20, 0), "c": (40, 0)},
        [toy.link("a", "b", 20, oneway=True), toy.link("b", "c", 20)],
    )
    vertex = {node: graph.vertex(i) for i, node in enumerate(graph.network.nodes.index)}
    out = travel.reach(graph, [at["a"]], 30.0)
    assert out[vertex["b"]] == pytest.approx(20.0)
    assert out[vertex["c"]] == math.inf
    back = travel.reach(graph, [at["c"]], 60.0, reverse=True)
    assert back[vertex["a"]] == pytest.approx(40.0)
    assert travel.reach(graph, [at["b"]], 60.0)[vertex["a"]] == math.inf
    assert travel.reach(graph, [at["a"]], 20.0)[vertex["b"]] == pytest.approx(20.0)


def test_minutes_of_nothing_do_not_cut_the_way(valley):
    """A profile without ramp time: arcs of zero minutes are still arcs."""
    graph, at = valley
    free = travel.compile_graph(graph.network, toy.profile(ramp_minutes=0.0))
    assert minutes(free, at["a"], at["c"]) == pytest.approx(6 + 30 + 6)


# --- laws, on random networks -------------------------------------------------------------------


def all_minutes(network, mode="road", towns=None) -> np.ndarray:
    graph = travel.compile_graph(network, FLAT)
    towns = towns or toy.places_of(network)
    frame = travel.travel_times(graph, towns, towns, mode=mode)
    return frame["minutes"].fillna(math.inf).to_numpy()


def not_longer(after: np.ndarray, before: np.ndarray) -> bool:
    return bool((after <= before + 1e-9).all())


@FEW
@given(network=toy.networks(), data=st.data())
@pytest.mark.parametrize("mode", ["road", "rail", "all"])
def test_another_link_never_lengthens_a_trip(network, data, mode):
    last = data.draw(st.sampled_from(list(network.links.index)))
    ordinary = network.levels == 0
    # Every place keeps an ordinary road, lest it stand beside another one without the link.
    rest = network.links.drop(index=last)
    kept = rest[ordinary[network.links.index != last]]
    touched = {*kept["from_node"], *kept["to_node"]}
    towns = [p for p in toy.places_of(network) if p.key in touched]
    if len(towns) < 2:
        return
    without = Network(network.nodes, rest)
    assert not_longer(all_minutes(network, mode, towns), all_minutes(without, mode, towns))


@FEW
@given(network=toy.networks(), data=st.data())
@pytest.mark.parametrize("mode", ["road", "rail", "all"])
def test_a_faster_link_never_lengthens_a_trip(network, data, mode):
    last = data.draw(st.sampled_from(list(network.links.index)))
    links = network.links.copy()
    links.loc[last, "design_speed_kmh"] *= data.draw(st.floats(1.0, 3.0))
    after = all_minutes(Network(network.nodes, links), mode)
    assert not_longer(after, all_minutes(network, mode))


@FEW
@given(network=toy.networks(oneway=False))
def test_without_one_way_links_there_and_back_take_the_same(network):
    count = len(network.nodes)
    there = all_minutes(network).reshape(count, count)
    np.testing.assert_allclose(there, there.T)


@FEW
@given(network=toy.networks())
def test_no_trip_beats_another_way_round(network):
    """The triangle inequality, and a route adds up to its minutes."""
    graph = travel.compile_graph(network, FLAT)
    towns = toy.places_of(network)
    for mode in ("road", "all"):
        table = travel.routes(graph, towns, towns, mode=mode)
        count = len(towns)
        minutes = np.array([r.minutes for r in table]).reshape(count, count)
        assert (minutes[:, None, :] <= minutes[:, :, None] + minutes[None] + 1e-9).all()
        for route in table:
            if np.isfinite(route.minutes):
                assert sum(leg.minutes for leg in route.legs) == pytest.approx(route.minutes)
                assert route.km >= route.straight_km * 0.999 - 0.01


@FEW
@given(network=toy.networks(), x=st.floats(-3, 43), y=st.floats(-3, 43))
def test_road_access_is_from_ordinary_roads_only(network, x, y):
    graph = travel.compile_graph(network, FLAT)
    for place in (toy.spot(x, y), *toy.places_of(network)):
        try:
            terminal = graph.terminal(place)
        except InputError:
            continue  # far from every road
        gates = (*terminal.leaving, *terminal.arriving)
        levels = [graph.arcs.vertex_level[gate.vertex] for gate in gates]
        assert set(levels) <= {0}
        if terminal.link >= 0:
            assert network.levels[terminal.link] not in (EXPRESSWAY, RAIL)


@FEW
@given(network=toy.networks(), data=st.data())
def test_a_search_to_a_place_is_the_search_from_it_turned_round(network, data):
    graph = travel.compile_graph(network, FLAT)
    surface = [p for i, p in enumerate(toy.places_of(network)) if graph.vertex(i) >= 0]
    target = data.draw(st.sampled_from(surface))
    found = travel.reach(graph, [target], 1e9, reverse=True)
    for number, place in enumerate(toy.places_of(network)):
        if graph.vertex(number) >= 0:
            assert found[graph.vertex(number)] == pytest.approx(minutes(graph, place, target))
    # Reversing every link and then the search gives the plain search again: the identity.
    swapped = network.links.rename(columns={"from_node": "to_node", "to_node": "from_node"})
    swapped["geometry"] = swapped.geometry.reverse()
    mirror = travel.compile_graph(Network(network.nodes, swapped), FLAT)
    np.testing.assert_allclose(
        travel.reach(mirror, [target], 1e9), found[_same_vertices(graph, mirror)]
    )


def _same_vertices(graph, mirror) -> list[int]:
    pairs = zip(mirror.arcs.vertex_node, mirror.arcs.vertex_level, strict=True)
    return [graph.vertex(int(node), int(level)) for node, level in pairs]


# --- networkx as oracle -------------------------------------------------------------------------


def oracle(network, profile, ids, mode) -> dict[str, dict[str, float]]:
    """Minutes between nodes by plain networkx."""
    graph = network.to_networkx(profile)
    if mode == "road":
        graph = graph.subgraph([n for n in graph if not n.endswith("@rail")])
    return {
        node: nx.single_source_dijkstra_path_length(graph, node, weight="minutes") for node in ids
    }


@FEW
@given(network=toy.networks())
@pytest.mark.parametrize("mode", ["road", "all"])
def test_equal_to_networkx_on_random_networks(network, mode):
    graph = travel.compile_graph(network, FLAT)
    towns = [p for i, p in enumerate(toy.places_of(network)) if graph.vertex(i) >= 0]
    truth = oracle(network, FLAT, [p.key for p in towns], mode)
    for route in travel.routes(graph, towns, towns, mode=mode):
        expected = truth[route.origin.key].get(route.destination.key, math.inf)
        assert route.minutes == pytest.approx(expected, abs=1e-9)


@FEW
@given(network=toy.networks(max_nodes=8))
def test_rail_equal_to_every_choice_of_stations(network):
    graph = travel.compile_graph(network, FLAT)
    whole = network.to_networkx(FLAT)
    rails = whole.subgraph([n for n in whole if n.endswith("@rail")])
    roads = whole.subgraph([n for n in whole if not n.endswith("@rail")])
    stations = [n.removesuffix("@rail") for n in rails if n.removesuffix("@rail") in roads]
    towns = [p for i, p in enumerate(toy.places_of(network)) if graph.vertex(i) >= 0]
    drive = dict(nx.all_pairs_dijkstra_path_length(roads, weight="minutes"))
    ride = dict(nx.all_pairs_dijkstra_path_length(rails, weight="minutes"))
    for route in travel.routes(graph, towns, towns, mode="rail"):
        first, last = route.origin.key, route.destination.key
        ways = [
            drive[first][s] + 20 + ride[f"{s}@rail"][f"{t}@rail"] + 10 + drive[t][last]
            for s, t in itertools.permutations(stations, 2)
            if drive[first].get(s, math.inf) <= 60
            and drive[t].get(last, math.inf) <= 60
            and f"{t}@rail" in ride[f"{s}@rail"]
        ]
        expected = 0.0 if first == last else min(ways, default=math.inf)
        assert route.minutes == pytest.approx(expected, abs=1e-9)


CHOSEN = [s.id for s in scenario.scenarios() if s.area == "linxia" or s.role == "vision"]


@pytest.mark.parametrize("chosen", CHOSEN)
def test_equal_to_networkx_for_all_seats_of_each_scenario(chosen):
    network = scenario.network_of(scenario.builtin(chosen))
    profile = standards.read_profile()
    gazetteer = places.builtin()
    seats = [gazetteer[i] for i in gazetteer.seats() if i in network.nodes.index]
    assert len(seats) > 25
    graph = travel.compile_graph(network, profile)
    public = network.to_networkx(profile)
    roads = nx.DiGraph(public.subgraph([n for n in public if not n.endswith("@rail")]))
    for mode, truth in (("road", roads), ("all", public)):
        table = travel.travel_times(graph, seats, seats, mode=mode)
        found = table["minutes"].to_numpy().reshape(len(seats), len(seats))
        assert np.isfinite(found).all()
        if truth is roads:  # parallel links: the fastest of them
            for u, v in truth.edges:
                truth.edges[u, v]["minutes"] = min(d["minutes"] for d in public[u][v].values())
        for row, seat in enumerate(seats):
            best = nx.single_source_dijkstra_path_length(truth, seat.key, weight="minutes")
            expected = [best[other.key] for other in seats]
            np.testing.assert_allclose(found[row], expected, atol=1e-6)


def test_the_public_graph_has_the_kilometres_and_the_links():
    network = toy.network(
        {"a": (0, 0), "p": (0, 5, "interchange"), "q": (50, 5, "interchange")},
        [toy.link("a", "p", 6, 60, oneway=True), toy.link("p", "q", 50, 100, "expressway")],
    )
    graph = network.to_networkx(FLAT)
    edges = {(u, v): d for u, v, d in graph.edges(data=True)}
    assert edges["p@expressway", "q@expressway"]["km"] == pytest.approx(50)
    assert edges["q@expressway", "p@expressway"]["minutes"] == pytest.approx(30)
    assert edges["p", "p@expressway"] == {"link_id": "", "minutes": 2.0, "km": 0.0}
    assert ("p", "a") not in edges
    assert edges["a", "p"]["link_id"] == "a-p"
    assert graph.nodes["p@expressway"]["node_id"] == "p"
    node = graph.nodes["q@expressway"]
    assert "q" not in graph  # no ordinary road there
    x, y = toy.xy_of(node["x"], node["y"])
    assert (x, y) == (pytest.approx(50, abs=1e-6), pytest.approx(5, abs=1e-6))


def test_parallel_links_the_faster_counts():
    graph, at = compiled(
        {"a": (0, 0), "b": (20, 0)},
        [toy.link("a", "b", 30, 30), toy.link("a", "b", 24, 60, link_id="fast")],
    )
    [route] = travel.routes(graph, [at["a"]], [at["b"]])
    assert route.minutes == pytest.approx(24.0)
    assert route.legs[0].link_id == "fast"


def test_a_profile_of_ones_own_changes_the_minutes(valley):
    graph, at = valley
    slow = replace(FLAT, speeds=dict.fromkeys(FLAT.speeds, ((60.0, 30.0),)))
    # Half the speed everywhere: 40 km at 20 km/h, or 86 minutes round by the expressway.
    assert minutes(travel.compile_graph(graph.network, slow), at["a"], at["c"]) == pytest.approx(
        2 * (6 + 30 + 6) + 2 * 2
    )
    assert minutes(travel.compile_graph(graph.network, slow), at["a"], at["b"]) == pytest.approx(
        120
    )


@pytest.mark.parametrize("mode", ["road", "rail", "all"])
def test_the_table_says_what_the_routes_say(mode: str) -> None:
    network = scenario.network_of(scenario.builtin("linxia-expected-2027"))
    graph = travel.compile_graph(network, standards.read_profile())
    gazetteer = places.builtin()
    ends = [gazetteer[place_id] for place_id in gazetteer.seats()[::4]]
    # Two beside one link, and one elsewhere beside a link.
    ends += [places.Place(f"p{lon}", lon, lat) for lon, lat in ((103.3, 35.5), (103.31, 35.503))]
    table = travel.travel_times(graph, ends, ends, mode=mode)
    found = travel.routes(graph, ends, ends, mode=mode)
    took = [route.minutes if np.isfinite(route.minutes) else np.nan for route in found]
    np.testing.assert_allclose(table["minutes"], took)
    np.testing.assert_allclose(table["km"], [route.km for route in found], atol=1e-9)
    np.testing.assert_allclose(table["in_vehicle"], [route.in_vehicle for route in found])
    np.testing.assert_allclose(table["straight_km"], [route.straight_km for route in found])
