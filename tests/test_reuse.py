"""What was searched before an edit serves after it: the times are those of a fresh search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy
from tests.test_turns import restricted_networks

from spatialplan import edits, engine, revision, searches, standards, travel
from spatialplan.province import province
from spatialplan.travel import Graph
from spatialplan.turns import restricted

FLAT = toy.profile()
GAZETTEER = toy.gazetteer({"z": ("远", 500, 500, "town", 1)})
UNIT = 1 / engine.UNITS_PER_MINUTE
MODES = ("road", "rail", "all")


@pytest.fixture(autouse=True)
def _by_the_engine(monkeypatch):
    monkeypatch.setattr(searches, "LARGE", 0)


def fresh(network) -> Graph:
    """A graph that knows of no other."""
    return Graph(network.like(), FLAT, restricted(network, network.arcs(FLAT)))


def times(graph, towns, mode):
    return travel.travel_times(graph, towns, towns, mode=mode)


def edited(network, entries):
    """The network after those edits that hold, one after the other."""
    for entry in entries:
        done, faults = revision._applied(
            network, edits.parse([entry], "x"), GAZETTEER, revision.SNAP_KM
        )
        network = network if faults else done.network
        yield network


@toy.FEW
@given(network=st.one_of(toy.networks(), restricted_networks()), data=st.data())
def test_times_after_edits_are_those_of_a_fresh_search(network, data):
    towns = toy.places_of(network)
    mode = data.draw(st.sampled_from(MODES))
    times(travel.compile_graph(network, FLAT), towns, mode)
    held = [network]
    for after in edited(network, data.draw(toy.entries_for(network))):
        for name in ("ends", "levels", "lonlat"):  # known from before the edits
            np.testing.assert_array_equal(getattr(after, name), getattr(replace(after), name))
        graph = travel.compile_graph(after, FLAT)
        here = [town for town in towns if after.node_of(town.place_id)]
        # A graph under another rule for stations shares what is compiled, whoever asks first.
        rides = graph.under(replace(FLAT, access_limit_minutes=0.0))
        times(rides, here, "rail")
        found, wanted = times(graph, here, mode), times(fresh(after), here, mode)
        # Each cut may shift what lies beyond it by a unit.
        slack = 5 * len(held) * UNIT + 1e-9
        np.testing.assert_allclose(found["minutes"], wanted["minutes"], rtol=0, atol=slack)
        for route in travel.routes(graph, here, here, mode=mode):
            links = [leg.link_id for leg in route.legs if leg.kind == "link"]
            assert set(links) <= set(after.links.index)
            if np.isfinite(route.minutes):
                total = sum(leg.minutes for leg in route.legs)
                assert total == pytest.approx(route.minutes, abs=1 / 60)
        held.append(after)  # while one is in use, the next is made of it


@pytest.fixture(scope="module")
def land():
    """Some 3,000 junctions."""
    made = province(3_000, seed=3)
    return made, made.network()


def test_only_what_changed_is_changed_on_a_province(land):
    made, network = land
    profile = standards.read_profile("design")
    seats = made.seats(6)
    ids = network.nodes.index
    places = [toy.Place(ids[n], *made.lonlat[n], place_id=ids[n]) for n in seats.tolist()]
    before = travel.compile_graph(network, profile)
    travel.travel_times(before, places, places)
    links = network.links
    longest = links[~links["oneway"] & (links["class"] == "access")]["length_km"].idxmax()
    middle = links.geometry[longest].interpolate(0.5, normalized=True)
    road = {"action": "add", "from": str(ids[seats[0]]), "to": [middle.x, middle.y]}
    done = revision.apply(
        network,
        edits.parse(
            [
                road | {"class": "class1", "design_speed_kmh": 80},
                {"action": "modify", "where": {"link_id": links.index[7]},
                 "set": {"design_speed_kmh": 20}},
                {"action": "close", "where": {"link_id": links.index[300]}},
            ],
            "x",
        ),
        GAZETTEER,
        snap_km=5.0,
    ).network  # fmt: skip
    graph = travel.compile_graph(done, profile)
    reuse = graph.reuse("road")
    assert len(reuse.change.replaced) == 2  # the link that was cut, both ways
    assert len(reuse.change.arcs) <= 6
    assert len(reuse.change.added) <= 6
    assert reuse.change.vertices == 1
    found = travel.travel_times(graph, places, places)
    plain = Graph(done.like(), profile, restricted(done, done.arcs(profile)))
    wanted = travel.travel_times(plain, places, places)
    np.testing.assert_allclose(found["minutes"], wanted["minutes"], rtol=0, atol=2.1 * UNIT)
    np.testing.assert_allclose(found["km"], wanted["km"])


def test_times_are_mended_and_not_searched_again(land, monkeypatch):
    made, network = land
    network = network.like()
    ids = network.nodes.index
    places = [toy.Place(ids[n], *made.lonlat[n], place_id=ids[n]) for n in made.seats(5).tolist()]
    travel.travel_times(travel.compile_graph(network, FLAT), places, places)
    closed = edits.parse([{"action": "close", "where": {"link_id": network.links.index[9]}}], "x")
    after = revision.apply(network, closed, GAZETTEER).network
    wanted = times(fresh(after), places, "road")
    monkeypatch.setattr(engine, "times", None)  # a fresh search would fail
    found = times(travel.compile_graph(after, FLAT), places, "road")
    np.testing.assert_array_equal(found["minutes"], wanted["minutes"])


def test_what_nobody_uses_any_more_is_not_kept(land):
    _, network = land
    network = network.like()
    travel.compile_graph(network, FLAT).compiled("road")
    closed = edits.parse([{"action": "close", "where": {"link_id": network.links.index[9]}}], "x")
    after = revision.apply(network, closed, GAZETTEER).network
    assert after.lineage.origin() is network
    del network
    import gc

    gc.collect()
    assert after.lineage.origin() is None
    assert travel.compile_graph(after, FLAT).reuse("road") is None
