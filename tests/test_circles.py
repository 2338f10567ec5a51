"""Travel-time circles: never too large, nested, and cut where the minutes run out."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy

from spatialplan import circles, cover, engine, places, scenario, standards, travel
from spatialplan.errors import InputError
from spatialplan.geodesy import line_km, straight_km

FLAT = toy.profile()
FEW = toy.FEW


def graph_of(nodes, links):
    return travel.compile_graph(toy.network(nodes, links), FLAT)


def km_area(frame) -> list[float]:
    return [
        shapely.transform(shape, lambda xy: np.array([toy.xy_of(*p) for p in xy])).area
        for shape in frame.geometry
    ]


# --- by hand ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def road():
    return graph_of(
        {"a": (0, 0), "b": (20, 0), "c": (60, 0)}, [toy.link("a", "b", 20), toy.link("b", "c", 40)]
    )


def test_links_are_cut_exactly_at_the_limit(road):
    found = circles.reached_links(road, [toy.place("a", 0, 0)], 30).set_index("link_id")
    assert found.loc["a-b", ["minutes_start", "minutes_end"]].to_list() == [0.0, 20.0]
    assert found.loc["b-c", ["minutes_start", "minutes_end"]].to_list() == [20.0, 30.0]
    assert found.loc["b-c", "km"] == pytest.approx(10.0)
    end = found.geometry["b-c"].coords[-1]
    assert toy.xy_of(*end) == (pytest.approx(30.0, abs=0.01), pytest.approx(0.0, abs=0.05))
    assert found.geometry["a-b"].coords[0] == pytest.approx(toy.lonlat(0, 0))


def test_a_bent_link_is_cut_by_kilometres():
    # 10 km east, 30 km north: after 10 of 40 minutes one is at the corner.
    graph = graph_of({"a": (0, 0), "b": (10, 30)}, [toy.link("a", "b", 40, through=[(10, 0)])])
    [piece] = circles.reached_links(graph, [toy.place("a", 0, 0)], 10).geometry
    assert toy.xy_of(*piece.coords[-1]) == (pytest.approx(10, abs=0.05), pytest.approx(0, abs=0.05))


def test_a_link_reached_from_both_ends_is_shared():
    graph = graph_of(
        {"a": (0, 0), "b": (10, 0), "c": (10, 20)},
        [toy.link("a", "b", 10), toy.link("a", "c", 23), toy.link("b", "c", 21)],
    )
    found = circles.reached_links(graph, [toy.place("a", 0, 0)], 60)
    between = found[found["link_id"] == "b-c"]
    # b after 10 minutes, c after 23: they meet after 27, 17 km from b.
    assert sorted(between["km"].round(6)) == [4.0, 17.0]
    assert set(between["minutes_end"].round(6)) == {27.0}
    assert found["km"].sum() == pytest.approx(10 + 23 + 21)


def test_the_link_beside_the_origin_comes_once(road):
    farm = toy.spot(5, 1)  # 3 minutes' access; 5 km from a, 15 from b
    found = circles.reached_links(road, [farm], 60)
    own = found[found["link_id"] == "a-b"]
    assert own["km"].sum() == pytest.approx(20.0, abs=0.02)
    assert sorted(own["minutes_start"]) == pytest.approx([3.0, 3.0], abs=0.02)
    assert sorted(own["minutes_end"]) == pytest.approx([8.0, 18.0], abs=0.03)
    # Two origins beside one link meet in the middle.
    found = circles.reached_links(road, [farm, toy.spot(15, 1)], 4)
    assert found["km"].sum() == pytest.approx(4 * 1.0, abs=0.1)


def test_one_way_links_are_run_their_way():
    graph = graph_of(
        {"a": (0, 0), "b": (20, 0), "c": (0, 20)},
        [toy.link("a", "b", 20, oneway=True), toy.link("a", "c", 20)],
    )
    out = circles.reached_links(graph, [toy.place("b", 20, 0)], 60)
    assert out.empty
    back = circles.reached_links(graph, [toy.place("b", 20, 0)], 30, reverse=True)
    assert dict(zip(back["link_id"], back["km"].round(6), strict=True)) == {"a-b": 20, "a-c": 10}
    halfway = toy.spot(10, 0)
    out = circles.reached_links(graph, [halfway], 60)
    assert list(out["km"].round(1)) == [10.0]  # onward only
    back = circles.reached_links(graph, [halfway], 60, reverse=True).set_index("link_id")
    assert back.loc["a-b", "km"] == pytest.approx(10, abs=0.05)
    assert back.loc["a-c", "km"] == pytest.approx(20)


def test_an_expressway_is_left_at_its_gates_only():
    graph = graph_of(
        {"a": (0, 0), "p": (1, 0, "interchange"), "q": (61, 0, "interchange"), "b": (62, 0)},
        [
            toy.link("a", "p", 1),
            toy.link("p", "q", 60, 120, "expressway"),
            toy.link("q", "b", 1),
        ],
    )
    [shape] = circles.circles(graph, [toy.place("a", 0, 0)], [60]).geometry
    # Around a 4 km on foot; at q 35 minutes are gone (1 + 2 + 30 + 2), 25 are left: 1.7 km.
    assert shape.intersects(shapely.Point(toy.lonlat(62.5, 0)))
    assert not shape.intersects(shapely.Point(toy.lonlat(30, 0)))
    assert not shape.intersects(shapely.Point(toy.lonlat(64, 0)))
    found = circles.reached_links(graph, [toy.place("a", 0, 0)], 20).set_index("link_id")
    assert found.loc["p-q", "minutes_start"] == pytest.approx(3.0)  # the ramp is behind
    assert found.loc["p-q", "km"] == pytest.approx(34.0)


def test_a_circle_without_roads_is_the_walk():
    graph = graph_of({"a": (0, 0), "b": (5, 0)}, [toy.link("a", "b", 5)])
    far = toy.place("far", 80, 0)
    [area] = km_area(circles.circles(graph, [far], [60]))
    assert area == pytest.approx(np.pi * 4**2, rel=0.02)
    assert area <= np.pi * 4**2


def test_railways_carry_the_circle_further():
    nodes = {"a": (0, 0), "s": (1, 0, "station"), "t": (61, 0, "station"), "b": (62, 0)}
    links = [
        toy.link("a", "s", 1),
        toy.link("s", "t", 60, 240, "hsr"),
        toy.link("t", "b", 1),
    ]
    graph = graph_of(nodes, links)
    there = shapely.Point(toy.lonlat(61.5, 0))
    by_road, by_all = (
        circles.circles(graph, [toy.place("a", 0, 0)], [60], mode=mode).geometry.iloc[0]
        for mode in ("road", "all")
    )
    assert not by_road.intersects(there)
    assert by_all.intersects(there)  # 1 + 20 + 15 + 10 minutes
    assert not by_all.intersects(shapely.Point(toy.lonlat(30, 0)))
    with pytest.raises(InputError):
        circles.circles(graph, [toy.place("a", 0, 0)], [60], mode="rail")


def test_rows_ascend_whatever_the_order(road):
    frame = circles.circles(road, [toy.place("a", 0, 0)], [40, 10])
    assert list(frame["minutes"]) == [10.0, 40.0]
    assert frame.crs.to_epsg() == 4326
    assert set(frame.geom_type) == {"MultiPolygon"}


@pytest.mark.parametrize("limits", [(29.99, 30), (10, 10.5), (20, 40)])
def test_limits_that_cut_a_road_differently_nest(limits):
    graph = graph_of({"a": (0, 0), "b": (9, 0)}, [toy.link("a", "b", 9)])
    inner, outer = circles.circles(graph, [toy.place("a", 0, 0)], limits).geometry
    assert inner.difference(outer).area < 1e-10  # a square metre: their corners differ


def test_a_road_met_from_its_other_end_covers_no_less():
    """A second origin takes the end of a run; what the run covered before that stays."""
    graph = graph_of({"a": (0, 0), "b": (9, 0)}, [toy.link("a", "b", 9)])
    origins = [toy.place("a", 0, 0), toy.place("b", 9, 0)]
    (alone,), (both,) = (circles.circles(graph, o, [15]).geometry for o in (origins[:1], origins))
    assert alone.difference(both).area < 1e-7  # a few corners, no sliver


# --- many shapes --------------------------------------------------------------------------------


def winding(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Winding lines and a few points, in km, each with a radius; some reach far, many do not."""
    chance = np.random.default_rng(5)
    lines = [
        shapely.LineString(np.cumsum(chance.normal(0, 0.15, (length, 2)), axis=0) + middle)
        for length, middle in zip(
            chance.integers(2, 20, count), chance.uniform(0, 12, (count, 2)), strict=True
        )
    ]
    points = list(shapely.points(chance.uniform(0, 12, (20, 2))))
    radius = chance.exponential(0.4, count + 20)
    return np.array(lines + points), np.where(radius < 0.04, 0.0, radius)


def test_shapes_that_others_cover_are_left_out_and_nothing_is_lost(monkeypatch):
    shapes, radius = winding(1500)
    plain = cover.union(shapes, radius, 6)
    united = []
    monkeypatch.setattr(cover, "WORTH_THINNING", 0)
    whole = shapely.union_all
    monkeypatch.setattr(
        shapely, "union_all", lambda parts: whole(united.append(len(parts)) or parts)
    )
    thinned = cover.union(shapes, radius, 6)
    assert thinned.symmetric_difference(plain).area < 1e-9
    assert united[0] < 0.5 * (radius > 0).sum()


def test_without_the_compiler_all_shapes_are_united(monkeypatch):
    shapes, radius = winding(50)
    plain = cover.union(shapes, radius, 6)
    monkeypatch.setattr(cover, "WORTH_THINNING", 0)
    monkeypatch.setattr(engine, "_kernels", lambda: None)
    assert cover.union(shapes, radius, 6).equals(plain)


def test_no_shape_leaves_nothing():
    shapes, radius = winding(3)
    assert cover.union(shapes, 0 * radius, 6).is_empty


# --- laws ---------------------------------------------------------------------------------------


def truth(graph, origins, points, reverse) -> np.ndarray:
    """Least minutes to points (lon, lat): drive to any point of a road, then walk.

    Worked out from routes to densely set positions on the roads, without the circles' code.
    """
    network = graph.network
    walk = graph.profile.off_network_kmh / 60.0
    lon, lat = np.array(points).T
    best = np.full(len(points), np.inf)
    for origin in origins:
        best = np.minimum(best, straight_km(origin.lon, origin.lat, lon, lat) / walk)
    nodes = toy.places_of(network)
    ends = (nodes, origins[:1]) if reverse else (origins[:1], nodes)
    at = {
        (route.origin if reverse else route.destination).key: route.minutes
        for route in travel.routes(graph, *ends)
    }
    for link in np.flatnonzero(network.levels == 0):
        row = network.links.iloc[link]
        fractions = np.linspace(0, 1, max(int(line_km(row.geometry) / 0.25), 2))
        onward = at[row.from_node] + fractions * graph.link_minutes[link]
        backward = at[row.to_node] + (1 - fractions) * graph.link_minutes[link]
        one = backward if reverse else onward
        there = one if row.oneway else np.minimum(onward, backward)
        spots = shapely.line_interpolate_point(row.geometry, fractions, normalized=True)
        walked = straight_km(shapely.get_x(spots)[:, None], shapely.get_y(spots)[:, None], lon, lat)
        best = np.minimum(best, (there[:, None] + walked / walk).min(axis=0))
    return best


@FEW
@given(
    network=toy.networks(rail=False, max_nodes=6, spread=12),
    spots=st.lists(st.tuples(st.floats(-5, 17), st.floats(-5, 17)), min_size=30, max_size=30),
    reverse=st.booleans(),
    data=st.data(),
)
def test_no_circle_reaches_a_point_later_than_its_minutes(network, spots, reverse, data):
    graph = travel.compile_graph(network, FLAT)
    on_roads = [p for i, p in enumerate(toy.places_of(network)) if graph.vertex(i) >= 0]
    origin = data.draw(st.sampled_from(on_roads))
    frame = circles.circles(graph, [origin], [10, 25], reverse=reverse)
    points = [toy.lonlat(x, y) for x, y in spots]
    # The edge of the circle itself, where it is most likely to be too large.
    points += [p[:2] for p in shapely.get_coordinates(frame.geometry.iloc[0])[::20]]
    minutes = truth(graph, [origin], points, reverse)
    for limit, shape in zip(frame["minutes"], frame.geometry, strict=True):
        inside = shapely.intersects_xy(shape.buffer(-1e-7), *np.array(points).T)
        # The oracle walks from points 250 m apart, at most 0.13 km away: two minutes.
        assert (minutes[inside] <= limit + 2.0).all()
        # And what is reached well in time is not left out.
        assert inside[minutes <= limit * 0.8 - 2.5].all()


@FEW
@given(network=toy.networks(), data=st.data(), reverse=st.booleans())
def test_circles_nest(network, data, reverse):
    graph = travel.compile_graph(network, FLAT)
    on_roads = [p for i, p in enumerate(toy.places_of(network)) if graph.vertex(i) >= 0]
    origins = data.draw(st.lists(st.sampled_from(on_roads), min_size=1, max_size=2, unique=True))
    limits = sorted(data.draw(st.lists(st.integers(3, 90), min_size=2, max_size=3, unique=True)))
    frame = circles.circles(graph, origins, limits, reverse=reverse)
    areas = km_area(frame)
    for inner, outer in zip(frame.geometry[:-1], frame.geometry[1:], strict=True):
        assert inner.difference(outer).area <= 1e-9
    assert areas == sorted(areas)
    assert all(frame.geometry.is_valid)


@FEW
@given(network=toy.networks(), data=st.data(), limit=st.floats(1, 100), reverse=st.booleans())
def test_reached_links_are_in_time_and_never_double(network, data, limit, reverse):
    graph = travel.compile_graph(network, FLAT)
    on_roads = [p for i, p in enumerate(toy.places_of(network)) if graph.vertex(i) >= 0]
    origin = data.draw(st.sampled_from(on_roads))
    found = circles.reached_links(graph, [origin], limit, reverse=reverse)
    assert (found["minutes_end"] <= limit + 1e-9).all()
    assert (found["minutes_start"] <= found["minutes_end"]).all()
    km = found.groupby("link_id")["km"].sum()
    assert (km <= network.links["length_km"].reindex(km.index) + 1e-9).all()
    # A piece that does not fill its link ends at the limit, or meets the run from the other end.
    for link_id, rows in found.groupby("link_id"):
        if rows["km"].sum() < network.links.at[link_id, "length_km"] - 1e-6:
            assert rows["minutes_end"].max() == pytest.approx(limit)
    # The minutes run at the speed of the link.
    speed = network.links["design_speed_kmh"].reindex(found["link_id"]).to_numpy()
    np.testing.assert_allclose(
        found["minutes_end"] - found["minutes_start"], found["km"] / speed * 60, atol=1e-6
    )


# --- on the real network ------------------------------------------------------------------------


def test_the_real_circle_is_sound_where_people_live():
    """No town inside a circle is much farther than its minutes; none within is left out."""
    network = scenario.network_of(scenario.default(["linxia-2021"]))
    graph = travel.compile_graph(network, standards.read_profile())
    gazetteer = places.builtin()
    towns = [gazetteer[i] for i in gazetteer.towns() if i in network.nodes.index]
    seat = gazetteer["linxia-shi"]
    for reverse in (False, True):
        frame = circles.circles(graph, [seat], (30, 60), reverse=reverse).set_index("minutes")
        ends = ([seat], towns) if not reverse else (towns, [seat])
        minutes = travel.travel_times(graph, *ends)["minutes"].to_numpy()
        xy = np.array([(p.lon, p.lat) for p in towns]).T
        for limit, shape in frame.geometry.items():
            inside = shapely.intersects_xy(shape, *xy)
            assert inside.sum() > 3
            # Some are nearer on foot from a road that they lie beside than by their own.
            assert (minutes[inside] <= limit + 3.0).all()
            assert inside[minutes < limit - 0.5].all()
