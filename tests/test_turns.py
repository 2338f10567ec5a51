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

from spatialplan import circles, edits, network, printing, revision, searches, ties, travel, turns
from spatialplan.errors import InputError
from spatialplan.network import Network, as_restrictions
from spatialplan.places import Gazetteer

FLAT = toy.profile()
BOTH_ENGINES = pytest.mark.parametrize("large", [False, True], ids=["small", "large"])


def with_turns(net: Network, *rows: tuple[str, ...]) -> Network:
    """A network with restrictions ``(from_link, via_node, to_link, kind[, via_links])``."""
    columns = ["from_link", "via_node", "to_link", "kind", "via_links"]
    frame = pd.DataFrame([(*row, "")[:5] for row in rows], columns=columns)
    return replace(net, restrictions=as_restrictions(frame))


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
    assert len(vertices) == 3  # of those from the south, and from the east: they do not turn round
    assert len(graph.vertices(held.nodes.index.get_loc("n"))) == 1


def dual(*rows) -> Network:
    """A dual carriageway, eastward a-x-b and westward d-y-c, with a short link between x and y.

    A one-way street crosses northward by the short link. The carriageways meet in the east.
    """
    nodes = {
        "a": (-10, 0), "x": (0, 0), "b": (20, 0), "s": (0, -10),
        "c": (-10, 0.1), "y": (0, 0.1), "d": (20, 0.1), "n": (0, 10.1),
    }  # fmt: skip
    links = [
        toy.link("a", "x", 10, oneway=True),
        toy.link("x", "b", 20, oneway=True),
        toy.link("b", "d", 0.1),
        toy.link("d", "y", 20, oneway=True),
        toy.link("y", "c", 10, oneway=True),
        toy.link("x", "y", 0.1),
        toy.link("s", "x", 10, oneway=True),
        toy.link("y", "n", 10, oneway=True),
    ]
    return with_turns(toy.network(nodes, links), *rows)


NO_U_TURN = ("a-x", "x", "y-c", "no", "x-y")


@BOTH_ENGINES
def test_turning_round_over_a_link_between_carriageways_can_be_forbidden(large):
    assert minutes(dual(), "a", "c") == pytest.approx(20.1, abs=1e-3)
    held = dual(NO_U_TURN)
    assert minutes(held, "a", "c") == pytest.approx(10 + 20 + 0.1 + 20 + 10, abs=1e-3)
    # All others may use the link, and turn off it the same way.
    others = {("s", "c"): 20.1, ("a", "n"): 20.1, ("x", "c"): 10.1, ("a", "y"): 10.1}
    for pair, expected in others.items():
        assert minutes(held, *pair) == pytest.approx(expected, abs=1e-3), pair
    # A trip from a spot on the short link came from nowhere; one to it may come by it.
    assert minutes(held, toy.spot(0, 0.05), "c") == pytest.approx(10.05, abs=0.01)
    assert minutes(held, "a", toy.spot(0, 0.05)) == pytest.approx(10.05, abs=0.01)


@BOTH_ENGINES
def test_only_by_way_of_a_road_binds_along_it(large):
    held = dual(("a-x", "x", "y-n", "only", "x-y"))
    assert minutes(held, "a", "n") == pytest.approx(20.1, abs=1e-3)
    assert minutes(held, "a", "x") == pytest.approx(10, abs=1e-3)
    assert minutes(held, "a", "c") == minutes(held, "a", "b") == math.inf
    assert minutes(held, "s", "c") == pytest.approx(20.1, abs=1e-3)


def test_links_between_may_come_in_any_order_and_must_lead_there():
    net = dual()
    far = [("a-x", "x", "y-c", "no", between) for between in ("d-y > b-d > x-b", "x-b>b-d >d-y")]
    for row in far:
        # Back by the short link and round once more: that is a way nobody forbids.
        assert minutes(with_turns(net, NO_U_TURN, row), "a", "c") == pytest.approx(100.3)
        assert list(turns.usable(net, with_turns(net, row).restrictions)) == [True]
    for wrong in (
        ("a-x", "x", "y-c", "no", "b-d"),  # does not begin at x
        ("a-x", "x", "y-c", "no", "x-b > d-y"),  # has a gap
        ("a-x", "x", "y-c", "no", "x-y > gone"),
        ("a-x", "x", "s-x", "no", "x-y"),  # ends elsewhere
        ("x-b", "x", "y-c", "no", "x-y"),  # against the direction of x-b
        ("s-x", "x", "a-x", "no"),  # into a one-way street
    ):
        held = with_turns(net, wrong)
        assert list(turns.usable(net, held.restrictions)) == [False], wrong
        assert turns.restricted(held, held.arcs(FLAT)).tail.size == held.arcs(FLAT).tail.size


def test_nobody_turns_round_to_undo_a_restriction_but_at_dead_ends():
    nodes = {"s": (0, -10), "x": (0, 0), "w": (-10, 0), "n": (0, 1), "m": (0, 2), "o": (0, 30),
             "p": (30, 1)}  # fmt: skip
    links = [
        toy.link("s", "x", 10),
        toy.link("x", "w", 10),
        toy.link("x", "n", 1),
        toy.link("n", "m", 1),
        toy.link("m", "o", 28),
        toy.link("n", "p", 30),
    ]
    free = toy.network(nodes, links)
    held = with_turns(free, NO_LEFT)
    assert minutes(free, "s", "w") == pytest.approx(20)
    # Turning at n, a junction, would take 22 minutes, at m, where nothing is, 24.
    assert minutes(held, "s", "w") == pytest.approx(10 + 2 * 30 + 10)
    assert minutes(held, "s", "s") == 0
    assert minutes(held, "n", "w") == pytest.approx(11)  # a trip begins in any direction
    assert minutes(held, toy.spot(0, 1.5), "w") == pytest.approx(11.5, abs=0.01)
    short = with_turns(toy.network(nodes, links[:4]), NO_LEFT)
    assert minutes(short, "s", "w") == pytest.approx(10 + 2 * 2 + 10)  # m is a dead end now


def test_who_can_go_nowhere_else_may_turn_round():
    nodes = {"s": (0, -10), "x": (0, 0), "w": (-10, 0), "n": (0, 10), "m": (0, 30)}
    links = [toy.link("s", "x", 10), toy.link("x", "w", 10), toy.link("x", "n", 10)]
    oneway = toy.network(nodes, [*links, toy.link("m", "n", 20, oneway=True)])
    assert minutes(with_turns(oneway, NO_LEFT), "s", "w") == pytest.approx(10 + 2 * 10 + 10)
    both = toy.network(nodes, [*links, toy.link("n", "m", 20)])
    assert minutes(with_turns(both, NO_LEFT), "s", "w") == pytest.approx(10 + 2 * 30 + 10)
    shut = with_turns(both, NO_LEFT, ("x-n", "n", "n-m", "no"))
    assert minutes(shut, "s", "w") == pytest.approx(10 + 2 * 10 + 10)
    fixed = with_turns(both, NO_LEFT, ("x-n", "n", "n-m", "no"), ("x-n", "n", "x-n", "no"))
    assert minutes(fixed, "s", "w") == math.inf


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
    far = ("s-x", "x", "n-w", "no", "x-n")
    held = cross(NO_LEFT, ("gone", "x", "x-w", "no"), far)
    path = tmp_path / f"net.{suffix}"
    held.write(path)
    found = network.read(path)
    assert len(found.nodes) == 5
    columns = ["from_link", "via_node", "to_link", "kind", "via_links"]
    rows = [[*NO_LEFT, ""], list(far)]  # sleepers stay out
    assert found.restrictions[columns].to_numpy().tolist() == rows
    assert minutes(found, "s", "w") == pytest.approx(10 + 30 + 30 + 10, abs=1e-3)
    found = replace(found, restrictions=found.restrictions[:1])
    assert minutes(found, "s", "w") == pytest.approx(50, abs=1e-3)
    assert "禁止 no 1、只许 only 0;其中途经路段 by way of roads 0" in printing.network_text(found)
    assert "未生效" not in printing.network_text(found)
    assert "by way of roads 1" in printing.network_text(held)
    assert "not applied 1" in printing.network_text(held)
    assert "转向限制" not in printing.network_text(cross())


def test_restrictions_of_an_unknown_kind_are_refused(tmp_path):
    path = tmp_path / "net.gpkg"
    cross(("s-x", "x", "x-w", "never")).write(path)
    with pytest.raises(InputError, match=r"(?s)restrictions 第1行.*never"):
        network.read(path)


def applied(net: Network, *entries: dict) -> revision.Applied:
    return revision.apply(net, edits.parse(list(entries), "test"), towns_of(net))


def towns_of(net: Network) -> Gazetteer:
    """The nodes of a network as the towns of a gazetteer."""
    points = net.nodes.geometry.items()
    return toy.gazetteer({n: (n, *toy.xy_of(p.x, p.y), "town", 1) for n, p in points})


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


@pytest.mark.parametrize(
    "cut", [(-5, 0), (0, 0.04), (-5, 0.1), (10, 0)], ids=["from", "via", "to", "longer via"]
)
def test_a_cut_link_keeps_its_restriction_by_way_of_links(cut):
    rows = [NO_U_TURN, ("a-x", "x", "y-c", "no", "x-b > b-d > d-y")]
    spur = {"action": "add", "from": lonlat(*cut), "to": "n", "class": "class2", "length_km": 200}
    done = revision.apply(dual(*rows), edits.parse([spur], "test"), towns_of(dual()), snap_km=0.03)
    assert len(done.network.links) == 10
    assert len(done.network.turns) == 2
    assert minutes(done.network, "a", "c") == pytest.approx(100.3, abs=0.01)
    back = revision.apply(done.network, done.undo()).network
    assert minutes(back, "a", "c") == pytest.approx(100.3, abs=1e-3)
    assert back.turns["via_links"].to_list() == ["x-y", "x-b > b-d > d-y"]


def test_a_link_cut_where_one_may_not_turn_round_keeps_that():
    spur = {"action": "add", "from": lonlat(0, -4), "to": "e", "class": "class2", "length_km": 200}
    done = applied(cross(("s-x", "x", "s-x", "no")), spur)
    [row] = done.network.turns[["from_link", "to_link"]].to_numpy().tolist()
    assert row == ["s-x-b", "s-x-b"]


@pytest.mark.parametrize("at", [(-5, 0.3), (0, 0.05), (-5, -0.2), (10, -0.3)])
def test_a_place_that_cuts_a_link_keeps_its_restrictions(at):
    rows = [NO_U_TURN, ("a-x", "x", "y-c", "no", "x-b > b-d > d-y")]
    spots = {"a": ("a", -10, 0, "town", 1), "town": ("town", *at, "town", 1)}
    tied = ties.tie(dual(*rows), toy.gazetteer(spots)).network
    assert "town" in tied.nodes.index
    assert len(tied.turns) == 2
    assert minutes(tied, "a", "c") == pytest.approx(100.3, abs=0.01)


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


def leads(net: Network, link: str, node: str) -> str | None:
    """Where one comes to by a link from a node; None when it cannot be run that way."""
    row = net.links.loc[link]
    if row["mode"] == "rail":
        return None
    if row["from_node"] == node:
        return row["to_node"]
    return row["from_node"] if row["to_node"] == node and not row["oneway"] else None


@st.composite
def restricted_networks(draw) -> Network:
    """Random networks with restrictions over up to three links between the first and the last.

    Most speak of ways that can be run; the links between come in any order.
    """
    net = draw(toy.networks())
    ends = net.links[["from_node", "to_node"]]
    at = {node: list(net.links.index[(ends == node).any(axis=1)]) for node in net.nodes.index}
    rows = []
    for _ in range(draw(st.integers(2, 9))):
        node, taken = draw(st.sampled_from(list(net.nodes.index))), []
        via = node
        for number in range(draw(st.sampled_from([2, 2, 3, 4, 5]))):
            onward = [link for link in at[node] if leads(net, link, node) and link not in taken]
            link = draw(st.sampled_from(onward or at[node]))
            taken.append(link)
            node = leads(net, link, node) or node
            via = node if number == 0 else via
        between = draw(st.permutations(taken[1:-1]))
        kind = draw(st.sampled_from(["no", "no", "no", "only"]))
        rows.append((taken[0], via, taken[-1], kind, " > ".join(between)))
    return with_turns(net, *rows)


class Signs:
    """What the restrictions of a network say, put down as plainly as can be."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.signs = [sign for row in net.restrictions.itertuples() if (sign := self._sign(row))]
        roads = nx.MultiGraph()
        for link in net.links[net.links["mode"] != "rail"].itertuples():
            roads.add_edge(link.from_node, link.to_node)
        self.near = set()
        for steps, _, _ in self.signs:
            for _, node in steps:
                self.near |= set(nx.ego_graph(roads, node, radius=turns.TURNING_LINKS))
        # What some sign forbids after a step, whatever was before.
        self.shut: dict[tuple, set] = {}
        for steps, last, kind in self.signs:
            if kind == "no":
                self.shut.setdefault(steps[-1], set()).add(last)
            for size in range(1, len(steps) + 1) if kind == "only" else ():
                others = self.ways_out(steps[size - 1][1]) - self.allowed(steps[:size])
                self.shut.setdefault(steps[size - 1], set()).update(others)

    def _sign(self, row) -> tuple | None:
        """The steps that a sign speaks of, the last link and the kind; None: nobody goes there."""
        node, ends = row.via_node, self.net.links.loc[row.from_link, ["from_node", "to_node"]]
        if node not in {leads(self.net, row.from_link, end) for end in ends}:
            return None
        steps, left = [(row.from_link, node)], [v for v in row.via_links.split(" > ") if v]
        while left:
            taken = next((v for v in left if leads(self.net, v, node)), None)
            if taken is None:
                return None
            left.remove(taken)
            node = leads(self.net, taken, node)
            steps.append((taken, node))
        return (tuple(steps), row.to_link, row.kind) if leads(self.net, row.to_link, node) else None

    def ways_out(self, node: str) -> set[str]:
        return {link for link in self.net.links.index if leads(self.net, link, node)}

    def allowed(self, way: tuple) -> set[str]:
        """Where the signs that say "only" send whoever came exactly this way; empty: no sign."""
        size = len(way)
        return {
            last if len(steps) == size else steps[size][0]
            for steps, last, kind in self.signs
            if kind == "only" and steps[:size] == way
        }

    def may(self, way: tuple, link: str) -> bool:
        """Whether a link may follow the last steps of a way."""
        if not way:
            return True
        for size in range(1, len(way) + 1):
            tail = way[-size:]
            if any(k == "no" and s == tail and t == link for s, t, k in self.signs):
                return False
            allowed = self.allowed(tail)
            if allowed and link not in allowed:
                return False
        came, node = way[-1]
        if link != came or node not in self.near:
            return True
        return not self.ways_out(node) - {came} - self.shut.get(way[-1], set())


def oracle(net: Network, mode: str, *, everywhere: bool = False) -> nx.DiGraph:
    """States are vertices with the links by which they were come to; signs bind at each step.

    With `everywhere` nobody turns round on the road wherever he is, but at dead ends.
    """
    arcs, signs = net.arcs(FLAT), Signs(net)
    signs.near |= set(net.nodes.index) if everywhere else set()
    ids, nodes = net.links.index, net.nodes.index
    longest = max((len(steps) for steps, _, _ in signs.signs), default=1)
    graph = nx.DiGraph()
    by_tail: dict[int, list[int]] = {}
    for arc, tail in enumerate(arcs.tail.tolist()):
        ends = arcs.vertex_level[[tail, arcs.head[arc]]]
        if mode == "all" or (ends != network.RAIL).all():
            by_tail.setdefault(tail, []).append(arc)
    waiting = [(vertex, ()) for vertex in range(len(arcs.vertex_node))]
    graph.add_nodes_from(waiting)
    while waiting:
        state = vertex, way = waiting.pop()
        for arc in by_tail.get(vertex, ()):
            head, after = int(arcs.head[arc]), way
            if arcs.link[arc] >= 0:
                link = ids[arcs.link[arc]]
                if not signs.may(way, link):
                    continue
                after = (*way, (link, nodes[arcs.vertex_node[head]]))[-longest:]
            if (head, after) not in graph:
                waiting.append((head, after))
            took = float(arcs.minutes[arc])
            known = graph.get_edge_data(state, (head, after), {"minutes": math.inf})
            if took < known["minutes"]:
                graph.add_edge(state, (head, after), minutes=took)
    return graph


def minutes_by(states: nx.DiGraph, net: Network, towns: list) -> np.ndarray:
    """Minutes between towns by states of the oracle, whatever one remembers on arriving."""
    arcs, at = net.arcs(FLAT), [net.nodes.index.get_loc(town.key) for town in towns]
    surface = arcs.vertex_level == network.SURFACE
    found = np.full((len(towns), len(towns)), math.inf)
    for row, node in enumerate(at):
        [start] = np.flatnonzero((arcs.vertex_node == node) & surface)
        best = nx.single_source_dijkstra_path_length(states, (start, ()), weight="minutes")
        least = np.full(len(net.nodes), math.inf)
        for (vertex, _), took in best.items():
            if surface[vertex]:
                least[arcs.vertex_node[vertex]] = min(took, least[arcs.vertex_node[vertex]])
        found[row] = least[at]
    return found


def towns_on(net: Network) -> tuple[travel.Graph, list]:
    """The compiled graph, and the towns that it has vertices for."""
    graph = travel.compile_graph(net, FLAT)
    return graph, [p for i, p in enumerate(toy.places_of(net)) if graph.vertex(i) >= 0]


def square(graph: travel.Graph, towns: list, mode: str) -> np.ndarray:
    """Minutes between all towns."""
    table = travel.travel_times(graph, towns, towns, mode=mode)["minutes"].to_numpy()
    return np.where(np.isnan(table), math.inf, table).reshape(len(towns), len(towns))


@BOTH_ENGINES
@pytest.mark.parametrize("mode", ["road", "all"])
@toy.FEW
@given(net=restricted_networks())
def test_equal_to_a_search_that_remembers_where_it_came_from(large, mode, net):
    graph, towns = towns_on(net)
    table = square(graph, towns, mode)
    np.testing.assert_allclose(table, minutes_by(oracle(net, mode), net, towns), atol=1e-4)
    back = travel.reach(graph, towns[:1], 1e6, mode=mode, reverse=True)
    there = [back[graph.vertex(net.nodes.index.get_loc(town.key))] for town in towns]
    np.testing.assert_allclose(there, table[:, 0], atol=1e-4)


@toy.FEW
@given(net=toy.networks())
def test_turning_round_saves_no_time_where_no_sign_stands(net):
    graph, towns = towns_on(net)
    states = oracle(net, "road", everywhere=True)
    np.testing.assert_allclose(square(graph, towns, "road"), minutes_by(states, net, towns))


@pytest.mark.parametrize("mode", ["road", "all"])
@toy.FEW
@given(net=restricted_networks())
def test_searches_of_networkx_keep_to_the_turns(mode, net):
    (graph, towns), public = towns_on(net), net.to_networkx(FLAT)
    starts = public.graph["starts"]
    if mode == "road":
        public = public.subgraph([name for name in public if not name.endswith("@rail")])
    for route in travel.routes(graph, towns, towns, mode=mode):
        origin, destination = route.origin.key, route.destination.key
        best = nx.single_source_dijkstra_path_length(
            public, starts.get(origin, origin), weight="minutes"
        )
        assert route.minutes == pytest.approx(best.get(destination, math.inf), abs=1e-6)


def test_the_public_graph_has_starts_and_ends_where_turns_are_restricted():
    graph = cross(NO_LEFT).to_networkx(FLAT)
    assert graph.graph["starts"] == {"x": "x@start"}
    assert set(graph) == {"s", "n", "w", "e", "x", "x@start", "x#1", "x#2"}
    assert {graph.nodes[name]["node_id"] for name in ("x", "x@start", "x#2")} == {"x"}
    assert not list(graph.successors("x"))
    assert nx.shortest_path(graph, "s", "w", weight="minutes") == ["s", "x#1", "n", "w"]
    assert nx.shortest_path(graph, "x@start", "w", weight="minutes") == ["x@start", "w"]
    assert nx.shortest_path_length(graph, "s", "x", weight="minutes") == 10
    free = cross(NO_LEFT).to_networkx(FLAT, turns=False)
    assert nx.shortest_path(free, "s", "w", weight="minutes") == ["s", "x", "w"]
    assert free.graph["starts"] == {}


@toy.FEW
@given(net=restricted_networks(), data=st.data(), limit=st.floats(1, 100), reverse=st.booleans())
def test_reached_links_keep_to_the_turns(net, data, limit, reverse):
    """What a circle says of the far end of a link is what a trip to a spot on it takes."""
    graph, towns = towns_on(net)
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
