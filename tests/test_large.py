"""Large networks: the compiled loops of the engine and of circles say what the small ways say."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy

from spatialplan import circles, cover, errors, places, scenario, searches, standards, travel
from spatialplan.errors import InputError
from spatialplan.places import Place
from spatialplan.province import province

FLAT = toy.profile()
SECOND = 1 / 60  # a way errs by less, see `spatialplan.engine`
MODES = pytest.mark.parametrize("mode", ["road", "rail", "all"])


def both(work):
    """What the small and the large way say."""
    found = []
    for large in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(searches, "LARGE", 0 if large else 10**9)
            patch.setattr(searches, "KEPT_BYTES", 1)  # one origin at a time
            patch.setattr(cover, "WORTH_THINNING", 0 if large else 10**9)
            found.append(work())
    return found


def spots(data, network) -> list[Place]:
    """Towns, and some places beside roads."""
    xy = st.tuples(st.floats(0, 40), st.floats(0, 40))
    drawn = data.draw(st.lists(xy, max_size=3))
    ends = toy.places_of(network) + [toy.spot(x, y) for x, y in drawn]
    graph = travel.compile_graph(network, FLAT)
    return [place for place in ends if _is_near(graph, place)]


def _is_near(graph, place) -> bool:
    try:
        graph.terminal(place)
    except InputError:
        return False
    return True


@MODES
@toy.FEW
@given(network=toy.networks(), data=st.data())
def test_tables_and_routes_are_the_same(mode, network, data):
    ends = spots(data, network)

    def work():
        graph = travel.compile_graph(network, FLAT)
        table = travel.travel_times(graph, ends, ends, mode=mode)
        return table, travel.routes(graph, ends, ends, mode=mode)

    (small, small_routes), (large, large_routes) = both(work)
    for column in ("minutes", "in_vehicle"):
        np.testing.assert_allclose(large[column], small[column], atol=SECOND)
    for plain, fast, km in zip(small_routes, large_routes, large["km"], strict=True):
        assert fast.minutes == pytest.approx(plain.minutes, abs=SECOND)
        # Of ways that are equally fast either may be told; what it adds up to is right.
        if np.isfinite(fast.minutes):
            assert sum(leg.minutes for leg in fast.legs) == pytest.approx(fast.minutes, abs=SECOND)
            assert fast.km == pytest.approx(km)


@pytest.mark.parametrize("per", ["origin", "destination"])
@MODES
@toy.FEW
@given(network=toy.networks(), data=st.data())
def test_the_nearest_is_the_same(mode, per, network, data):
    ends = spots(data, network)
    origins, destinations = ends[::2], ends[1::2]

    def work():
        graph = travel.compile_graph(network, FLAT)
        return travel.nearest(graph, origins, destinations, mode=mode, per=per)

    small, large = both(work)
    assert [r.minutes for r in large] == pytest.approx([r.minutes for r in small], abs=SECOND)


@pytest.mark.parametrize("mode", ["road", "all"])
@toy.FEW
@given(network=toy.networks(), data=st.data(), limit=st.floats(1, 200), reverse=st.booleans())
def test_what_is_reached_is_the_same_and_as_networkx_says(mode, network, data, limit, reverse):
    ends = spots(data, network)
    origins = data.draw(st.lists(st.sampled_from(ends), min_size=1, max_size=3, unique=True))

    def work():
        graph = travel.compile_graph(network, FLAT)
        return travel.reach(graph, origins, limit, mode=mode, reverse=reverse)

    small, large = both(work)
    differ = np.isfinite(small) != np.isfinite(large)
    assert (np.abs(np.minimum(small, large)[differ] - limit) < SECOND).all()
    np.testing.assert_allclose(large[~differ], small[~differ], atol=SECOND)
    town = next((place for place in origins if place.place_id), None)
    if town is None or len(origins) > 1:
        return
    graph = travel.compile_graph(network, FLAT)
    public = network.to_networkx(FLAT)
    if mode == "road":
        public = public.subgraph([node for node in public if not node.endswith("@rail")])
    if town.key not in public:
        return
    best = nx.single_source_dijkstra_path_length(
        public.reverse() if reverse else public, town.key, cutoff=limit, weight="minutes"
    )
    for number, node in enumerate(network.nodes.index):
        vertex = graph.vertex(number)
        if vertex >= 0 and abs(best.get(node, 0.0) - limit) > SECOND:
            assert large[vertex] == pytest.approx(best.get(node, np.inf), abs=SECOND)


@toy.FEW
@given(network=toy.networks(rail=False), data=st.data(), reverse=st.booleans())
def test_circles_are_the_same(network, data, reverse):
    ends = spots(data, network)
    origins = data.draw(st.lists(st.sampled_from(ends), min_size=1, max_size=2, unique=True))

    def work():
        graph = travel.compile_graph(network, FLAT)
        links = circles.reached_links(graph, origins, 45, reverse=reverse)
        return circles.circles(graph, origins, (20, 45), reverse=reverse).geometry, links

    (small, links), (large, large_links) = both(work)
    for plain, fast in zip(small, large, strict=True):
        assert fast.is_valid
        assert fast.difference(plain.buffer(1e-7)).is_empty  # no spill: 1e-7° is a centimetre
        assert plain.difference(fast.buffer(1e-7)).is_empty  # no gap
    assert large.iloc[0].difference(large.iloc[1]).area < 1e-9
    assert large_links["km"].sum() == pytest.approx(links["km"].sum(), abs=0.01)


def test_a_slip_among_very_many_names_is_told_at_once():
    names = [f"{stem}{number}" for number in range(200_000) for stem in ("l", "s")]
    start = time.process_time()
    assert errors.nearest_names("l19999x", names)[0] == "l19999"
    assert len(errors.nearest_names("zz", names)) == 3
    assert time.process_time() - start < 5


# --- a synthetic province -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def land():
    """Some 25,000 junctions, large by its own size, and its graph."""
    made = province(25_000, seed=3)
    graph = travel.compile_graph(made.network(), standards.read_profile("design"))
    assert graph.size > searches.LARGE
    return made, graph


def seats_of(made, graph, count) -> list[Place]:
    ids = graph.network.nodes.index
    return [Place(ids[node], *made.lonlat[node], place_id=ids[node]) for node in made.seats(count)]


def test_a_table_on_a_province_is_as_networkx_says(land):
    made, graph = land
    seats = seats_of(made, graph, 8)
    table = travel.travel_times(graph, seats, seats)
    public = graph.network.to_networkx(graph.profile)
    found = table["minutes"].to_numpy().reshape(8, 8)
    for row, seat in enumerate(seats[:2]):
        best = nx.single_source_dijkstra_path_length(public, seat.key, weight="minutes")
        np.testing.assert_allclose(found[row], [best[s.key] for s in seats], atol=SECOND)
    [route] = travel.routes(graph, seats[:1], seats[-1:])
    assert route.km == pytest.approx(table["km"].iloc[7])
    assert len(route.legs) > 30


def test_a_circle_on_a_province_has_no_gap_and_no_spill(land, monkeypatch):
    made, graph = land
    middle = Place("middle", *made.lonlat.mean(axis=0))
    frame = circles.circles(graph, [middle], (15, 30, 60))
    monkeypatch.setattr(cover, "WORTH_THINNING", 10**9)
    plain = circles.circles(graph, [middle], (15, 30, 60))
    for fast, whole in zip(frame.geometry, plain.geometry, strict=True):
        assert fast.symmetric_difference(whole).area < 1e-9 * whole.area
    for inner, outer in itertools.pairwise(frame.geometry):
        assert inner.difference(outer).area < 1e-9
    # Every junction that is reached well in time lies inside, and so does its road.
    best = travel.reach(graph, [middle], 60)[: made.size]
    level = graph.arcs.vertex_level[: made.size]
    there = (best < 59) & (level == 0)
    points = made.lonlat[graph.arcs.vertex_node[: made.size][there]]
    assert there.sum() > 3000
    assert shapely.contains_xy(frame.geometry.iloc[-1], *points.T).all()


def test_a_small_limit_does_not_make_a_large_one_slow(land):
    made, graph = land
    middle = Place("middle", *made.lonlat.mean(axis=0))
    spent = []
    for limits in ((60,), (1, 60)):
        start = time.process_time()
        frame = circles.circles(graph, [middle], limits)
        spent.append(time.process_time() - start)
    assert list(frame["minutes"]) == [1, 60]
    assert frame.geometry.iloc[0].difference(frame.geometry.iloc[1]).area < 1e-9
    assert spent[1] < 3 * spent[0] + 0.5


# --- the compiler ---------------------------------------------------------------------------------


def test_small_networks_need_no_compiler():
    code = (
        "import sys; from spatialplan import cli;"
        "cli.main(['matrix', '--from', '临夏市', '--to', '康乐县']);"
        "sys.exit('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_wait_for_the_compiler_is_told(monkeypatch, capsys):
    monkeypatch.setattr(searches, "PATIENCE", 0.0)
    said = ""
    for _ in range(100):  # the timer may be called off before its thread runs
        searches._get_ready.cache_clear()
        searches._get_ready()
        said += capsys.readouterr().err
        if said:
            break
    assert "正在编译" in said
    assert "compiling" in said


def test_the_real_network_is_the_same_either_way():
    network = scenario.network_of(scenario.builtin("linxia-expected-2027"))
    gazetteer = places.builtin()
    seats = [gazetteer[i] for i in gazetteer.seats()[::3]]

    def work():
        graph = travel.compile_graph(network, standards.read_profile())
        return [travel.travel_times(graph, seats, seats, mode=m) for m in ("road", "rail", "all")]

    for small, large in zip(*both(work), strict=True):
        for column in ("minutes", "km", "in_vehicle"):
            np.testing.assert_allclose(large[column], small[column], atol=0.02)
