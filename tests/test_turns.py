"""Turn restrictions: by hand, in circles, through edits and files, and against an oracle."""

from __future__ import annotations

import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy

from spatialplan import circles, edits, network, printing, revision, searches, travel, turns
from spatialplan.errors import InputError
from spatialplan.network import Network, as_restrictions

FLAT = toy.profile()
BOTH_ENGINES = pytest.mark.parametrize("large", [False, True], ids=["small", "large"])


def with_turns(net: Network, *rows: tuple[str, str, str, str]) -> Network:
    """A network with restrictions ``(from_link, via_node, to_link, kind)``."""
    columns = ["from_link", "via_node", "to_link", "kind"]
    return replace(net, restrictions=as_restrictions(pd.DataFrame(rows, columns=columns)))


def cross(*rows) -> Network:
    """Four roads meet at x; from the south to the west there is a way round by the north.

    One-way streets in the north and the west keep everybody from turning round there; to turn
    at the dead end in the east takes an hour from x and back.
    """
    return with_turns(
        toy.network(
            {"s": (0, -10), "x": (0, 0), "n": (0, 10), "w": (-10, 0), "e": (30, 0)},
            [
                toy.link("s", "x", 10),
                toy.link("x", "n", 10, oneway=True),
                toy.link("x", "w", 10, oneway=True),
                toy.link("x", "e", 30),
                toy.link("n", "w", 30, oneway=True),
            ],
        ),
        *rows,
    )


NO_LEFT = ("s-x", "x", "x-w", "no")
ONLY_STRAIGHT = ("s-x", "x", "x-n", "only")


def minutes(net: Network, origin, destination, mode="road") -> float:
    graph = travel.compile_graph(net, FLAT)
    places = dict(zip(net.nodes.index, toy.places_of(net), strict=True))
    ends = [places.get(end, end) if isinstance(end, str) else end for end in (origin, destination)]
    [route] = travel.routes(graph, [ends[0]], [ends[1]], mode=mode)
    table = travel.travel_times(graph, [ends[0]], [ends[1]], mode=mode)
    if np.isfinite(route.minutes):
        assert route.minutes == pytest.approx(sum(leg.minutes for leg in route.legs), abs=1e-4)
        assert table["km"].iloc[0] == pytest.approx(route.km)
    return route.minutes


@pytest.fixture(autouse=True)
def small(request, monkeypatch):
    """Let the compiled engine do it where a test asks for that."""
    if getattr(request.node, "callspec", None) and request.node.callspec.params.get("large"):
        monkeypatch.setattr(searches, "LARGE", 0)


# --- by hand ------------------------------------------------------------------------------------


@BOTH_ENGINES
def test_a_forbidden_left_turn_makes_the_detour(large):
    assert minutes(cross(), "s", "w") == pytest.approx(20, abs=1e-4)
    assert minutes(cross(NO_LEFT), "s", "w") == pytest.approx(10 + 10 + 30, abs=1e-4)
    for pair, expected in {("e", "w"): 40, ("s", "e"): 40, ("s", "n"): 20, ("x", "w"): 10}.items():
        assert minutes(cross(NO_LEFT), *pair) == pytest.approx(expected, abs=1e-4), pair


@BOTH_ENGINES
def test_only_straight_on_forbids_every_other_way_out(large):
    held = cross(ONLY_STRAIGHT)
    assert minutes(held, "s", "n") == pytest.approx(20, abs=1e-4)
    assert minutes(held, "s", "w") == pytest.approx(50, abs=1e-4)
    assert minutes(held, "s", "e") == math.inf
    assert minutes(held, "s", "x") == pytest.approx(10, abs=1e-4)  # one may end there
    assert minutes(held, "x", "e") == pytest.approx(30, abs=1e-4)  # and begin
    assert minutes(held, "e", "s") == pytest.approx(40, abs=1e-4)


@BOTH_ENGINES
def test_a_place_beside_a_road_is_bound_by_its_turns(large):
    south, west = toy.spot(0, -5), toy.spot(-5, 0)
    assert minutes(cross(), south, west) == pytest.approx(10, abs=0.01)
    # The street is entered at x only: one turns round in the east.
    assert minutes(cross(NO_LEFT), south, west) == pytest.approx(5 + 30 + 30 + 5, abs=0.01)
    assert minutes(cross(NO_LEFT), "e", west) == pytest.approx(35, abs=0.01)
    assert minutes(cross(NO_LEFT), "x", west) == pytest.approx(5, abs=0.01)


def test_two_restrictions_at_one_junction_and_a_forbidden_turning_round():
    rows = [NO_LEFT, ("s-x", "x", "x-e", "no"), ("s-x", "x", "s-x", "no")]
    held = cross(*rows)
    assert minutes(held, "s", "e") == math.inf
    assert minutes(held, "s", "n") == pytest.approx(20)
    graph = travel.compile_graph(held, FLAT)
    node = held.nodes.index.get_loc("x")
    vertices = graph.vertices(node)
    assert graph.vertex(node) == vertices[0]
    assert len(vertices) == 2
    assert len(graph.vertices(held.nodes.index.get_loc("n"))) == 1


def test_a_turn_onto_an_expressway_can_be_forbidden():
    nodes = {"a": (-5, 0), "p": (0, 0, "interchange"), "q": (30, 0, "interchange"), "b": (35, 0)}
    links = [
        toy.link("a", "p", 5),
        toy.link("p", "q", 30, 120, "expressway"),
        toy.link("q", "b", 5),
        toy.link("p", "b", 60),
    ]
    free = toy.network(nodes, links)
    assert minutes(free, "a", "b") == pytest.approx(5 + 2 + 15 + 2 + 5)
    assert minutes(with_turns(free, ("a-p", "p", "p-q", "no")), "a", "b") == pytest.approx(65)
    left = with_turns(free, ("p-q", "q", "q-b", "no"))
    assert minutes(left, "a", "b") == pytest.approx(65)
    assert minutes(left, "a", "q") == pytest.approx(24)  # through the gate one may come


@BOTH_ENGINES
@pytest.mark.parametrize(("mode", "ride"), [("rail", 70), ("all", 70)])
def test_a_station_at_a_junction_with_restrictions_serves_everybody(large, mode, ride):
    nodes = {
        "a": (-5, 0),
        "s": (0, 0, "station"),
        "t": (60, 0, "station"),
        "b": (65, 0),
        "c": (0, 5),
    }
    links = [
        toy.link("a", "s", 5),
        toy.link("s", "c", 5),
        toy.link("s", "t", 60, 120, "rail120"),
        toy.link("b", "t", 5),
        toy.link("t", "c", 300),
    ]
    held = with_turns(
        toy.network(nodes, links), ("a-s", "s", "s-c", "no"), ("b-t", "t", "t-c", "no")
    )
    assert minutes(held, "a", "b", mode) == pytest.approx(5 + 20 + 30 + 10 + 5, abs=1e-3)
    assert minutes(held, "b", "a", mode) == pytest.approx(ride, abs=1e-3)
    assert len(travel.compile_graph(held, FLAT).stations[0]) == 2


# --- circles ------------------------------------------------------------------------------------


@BOTH_ENGINES
def test_circles_do_not_turn_where_it_is_forbidden(large):
    def reached(net, place, limit, **options):
        graph = travel.compile_graph(net, FLAT)
        found = circles.reached_links(graph, [place], limit, **options)
        return found.groupby("link_id")["km"].sum().round(3).to_dict()

    south, west = toy.place("s", 0, -10), toy.place("w", -10, 0)
    assert reached(cross(), south, 15) == {"s-x": 10, "x-n": 5, "x-w": 5, "x-e": 5}
    assert reached(cross(NO_LEFT), south, 15) == {"s-x": 10, "x-n": 5, "x-e": 5}
    # To the west: from the south by the north only, which takes 50 minutes.
    assert reached(cross(), west, 15, reverse=True) == {
        "x-w": 10, "n-w": 15, "s-x": 5, "x-e": 5,
    }  # fmt: skip
    assert reached(cross(NO_LEFT), west, 15, reverse=True) == {"x-w": 10, "n-w": 15, "x-e": 5}
    assert reached(cross(NO_LEFT), west, 45, reverse=True)["s-x"] == 5
    [free, held] = (
        circles.circles(travel.compile_graph(net, FLAT), [south], [18]).geometry.iloc[0]
        for net in (cross(), cross(NO_LEFT))
    )
    assert held.within(free.buffer(1e-9))
    assert held.area < free.area


# --- the network, its files, and edits ------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
def test_restrictions_are_written_and_read_again(tmp_path, suffix):
    held = cross(NO_LEFT, ("gone", "x", "x-w", "no"))
    path = tmp_path / f"net.{suffix}"
    held.write(path)
    found = network.read(path)
    assert len(found.nodes) == 5
    columns = ["from_link", "via_node", "to_link", "kind"]
    assert found.restrictions[columns].to_numpy().tolist() == [list(NO_LEFT)]  # sleepers stay out
    assert minutes(found, "s", "w") == pytest.approx(50, abs=1e-3)
    assert "禁止 no 1、只许 only 0" in printing.network_text(found)
    assert "未生效" not in printing.network_text(found)
    assert "not applied 1" in printing.network_text(held)
    assert "转向限制" not in printing.network_text(cross())


def test_restrictions_of_an_unknown_kind_are_refused(tmp_path):
    path = tmp_path / "net.gpkg"
    cross(("s-x", "x", "x-w", "never")).write(path)
    with pytest.raises(InputError, match=r"(?s)restrictions 第1行.*never"):
        network.read(path)


def applied(net: Network, *entries: dict) -> revision.Applied:
    places = {
        node: (node, *toy.xy_of(p.x, p.y), "town", 1) for node, p in net.nodes.geometry.items()
    }
    return revision.apply(net, edits.parse(list(entries), "test"), toy.gazetteer(places))


def lonlat(x: float, y: float) -> list[float]:
    return list(toy.lonlat(x, y))


@pytest.mark.parametrize("cut", [(0, -4), (-6, 0)], ids=["from", "to"])
def test_a_cut_link_keeps_its_restriction_at_the_junction(cut):
    held = cross(NO_LEFT)
    spur = {"action": "add", "from": lonlat(*cut), "to": "e", "class": "class2", "length_km": 200}
    done = applied(held, spur)
    assert len(done.network.links) == 7
    assert minutes(done.network, "s", "w") == pytest.approx(50, abs=0.01)
    assert len(done.network.turns) == 1
    back = revision.apply(done.network, done.undo()).network
    assert minutes(back, "s", "w") == pytest.approx(50)
    columns = ["from_link", "via_node", "to_link", "kind"]
    assert back.turns[columns].to_numpy().tolist() == [list(NO_LEFT)]


def test_both_links_of_a_restriction_can_be_cut():
    spur = {"action": "add", "from": lonlat(0, -4), "to": lonlat(-6, 0), "class": "class2",
            "length_km": 300}  # fmt: skip
    done = applied(cross(NO_LEFT), spur)
    assert minutes(done.network, "s", "w") == pytest.approx(50, abs=0.01)
    assert len(done.network.turns) == 1
    assert done.network.turns.iloc[0]["from_link"].startswith("s-x-")


def test_a_closed_link_puts_its_restriction_to_sleep():
    close = {"action": "close", "where": {"link_id": "x-n"}}
    done = applied(cross(ONLY_STRAIGHT, NO_LEFT), close)
    assert done.network.turns[["to_link"]].to_numpy().tolist() == [["x-w"]]
    assert any("转向限制" in note for note in done.changes[0].notes)
    # The sign that says "only there" has gone with the road; the other one stands.
    assert minutes(done.network, "s", "e") == pytest.approx(40)
    assert minutes(done.network, "s", "w") == pytest.approx(10 + 30 + 30 + 10)
    back = revision.apply(done.network, done.undo()).network
    assert minutes(back, "s", "e") == math.inf
    quiet = applied(cross(NO_LEFT), {"action": "close", "where": {"link_id": "n-w"}})
    assert not any("转向限制" in note for note in quiet.changes[0].notes)


def test_restrictions_come_and_go_with_the_date():
    links = cross().links.assign(opened=["", "2030", "", "", ""], status="planned")
    links["status"] = ["open", "planned", "open", "open", "open"]
    held = replace(cross(ONLY_STRAIGHT), links=links)
    assert minutes(held.at("2024"), "s", "e") == pytest.approx(40)
    assert minutes(held.at("2031"), "s", "e") == math.inf


# --- laws and an oracle ---------------------------------------------------------------------------


@st.composite
def restricted_networks(draw) -> Network:
    net = draw(toy.networks())
    pairs = []
    for node in net.nodes.index:
        ends = net.links[["from_node", "to_node"]]
        at = list(net.links.index[(ends == node).any(axis=1) & (net.links["mode"] == "road")])
        pairs += [(first, node, last) for first in at for last in at]
    rows = draw(st.lists(st.sampled_from(pairs), max_size=8, unique=True)) if pairs else []
    kinds = draw(st.lists(st.sampled_from(["no", "no", "only"]), min_size=8, max_size=8))
    return with_turns(net, *((*row, kind) for row, kind in zip(rows, kinds, strict=False)))


def oracle(net: Network, mode: str) -> nx.DiGraph:
    """States are vertices with the link by which their node was come to; ways bind at each step."""
    arcs = net.arcs(FLAT)
    ids, nodes = net.links.index, net.nodes.index
    no, only = {}, {}
    for row in net.restrictions.itertuples():
        (only if row.kind == "only" else no).setdefault((row.from_link, row.via_node), set()).add(
            row.to_link
        )

    def may(first, node, last) -> bool:
        key = first, node
        return last not in no.get(key, ()) and last in only.get(key, {last})

    graph = nx.DiGraph()
    by_tail: dict[int, list[int]] = {}
    for arc, tail in enumerate(arcs.tail.tolist()):
        ends = arcs.vertex_level[[tail, arcs.head[arc]]]
        if mode == "all" or (ends != network.RAIL).all():
            by_tail.setdefault(tail, []).append(arc)
    waiting = [(vertex, None) for vertex in range(len(arcs.vertex_node))]
    graph.add_nodes_from(waiting)
    while waiting:
        state = vertex, come = waiting.pop()
        for arc in by_tail.get(vertex, ()):
            link = ids[arcs.link[arc]] if arcs.link[arc] >= 0 else None
            if link is not None and not may(come, nodes[arcs.vertex_node[vertex]], link):
                continue
            after = int(arcs.head[arc]), come if link is None else link
            if after not in graph:
                waiting.append(after)
            took = float(arcs.minutes[arc])
            if took < graph.get_edge_data(state, after, {"minutes": math.inf})["minutes"]:
                graph.add_edge(state, after, minutes=took)
    return graph


@BOTH_ENGINES
@pytest.mark.parametrize("mode", ["road", "all"])
@toy.FEW
@given(net=restricted_networks())
def test_equal_to_a_search_that_remembers_where_it_came_from(large, mode, net):
    graph = travel.compile_graph(net, FLAT)
    plain = net.arcs(FLAT)
    towns = [p for i, p in enumerate(toy.places_of(net)) if graph.vertex(i) >= 0]
    states = oracle(net, mode)
    table = travel.travel_times(graph, towns, towns, mode=mode)["minutes"].to_numpy()
    table = np.where(np.isnan(table), math.inf, table).reshape(len(towns), len(towns))
    for row, origin in enumerate(towns):
        start = int(np.flatnonzero(_is_at(plain, net, origin))[0])
        best = nx.single_source_dijkstra_path_length(states, (start, None), weight="minutes")
        expected = [
            min((m for (v, _), m in best.items() if _is_at(plain, net, town)[v]), default=math.inf)
            for town in towns
        ]
        np.testing.assert_allclose(table[row], expected, atol=1e-4)
        if origin is towns[0]:
            back = travel.reach(graph, [origin], 1e6, mode=mode, reverse=True)
            there = [back[graph.vertex(net.nodes.index.get_loc(town.key))] for town in towns]
            np.testing.assert_allclose(there, table[:, row], atol=1e-4)


def _is_at(arcs, net, place) -> np.ndarray:
    return (arcs.vertex_node == net.nodes.index.get_loc(place.key)) & (arcs.vertex_level == 0)


@toy.FEW
@given(net=restricted_networks(), data=st.data(), limit=st.floats(1, 100), reverse=st.booleans())
def test_reached_links_keep_to_the_turns(net, data, limit, reverse):
    """What a circle says of the far end of a link is what a trip to a spot on it takes."""
    graph = travel.compile_graph(net, FLAT)
    towns = [p for i, p in enumerate(toy.places_of(net)) if graph.vertex(i) >= 0]
    origin = data.draw(st.sampled_from(towns))
    found = circles.reached_links(graph, [origin], limit, reverse=reverse)
    free = travel.compile_graph(replace(net, restrictions=as_restrictions()), FLAT)
    wide = circles.reached_links(free, [origin], limit, reverse=reverse)
    km, free_km = (frame.groupby("link_id")["km"].sum() for frame in (found, wide))
    assert (km <= free_km.reindex(km.index) + 1e-6).all()
    for row in found[found["class"] != "expressway"].itertuples():
        spot = row.geometry.interpolate(0.5, normalized=True)
        place = toy.spot(*toy.xy_of(spot.x, spot.y))
        ends = ([place], [origin]) if reverse else ([origin], [place])
        terminal = graph.terminal(place)
        if net.links.index[terminal.link] == row.link_id and row.km > 0.1:
            [route] = travel.routes(graph, *ends)
            middle = (row.minutes_start + row.minutes_end) / 2
            assert route.minutes == pytest.approx(middle, abs=0.3)


@toy.FEW
@given(net=restricted_networks())
def test_restrictions_never_make_a_trip_shorter(net):
    towns = toy.places_of(net)
    free = replace(net, restrictions=as_restrictions())
    held, plain = (
        travel.travel_times(travel.compile_graph(n, FLAT), towns, towns)["minutes"].to_numpy()
        for n in (net, free)
    )
    assert (np.nan_to_num(held, nan=np.inf) >= np.nan_to_num(plain, nan=np.inf) - 1e-9).all()
    assert turns.restricted(free, free.arcs(FLAT)).tail.size == free.arcs(FLAT).tail.size
