"""Searches of the engine equal plain Dijkstra; repairs equal fresh searches."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatialplan import assessment, engine, kernels, network, reduction, searches, standards, travel
from spatialplan.engine import UNITS_PER_MINUTE, Change, compile_arcs
from spatialplan.errors import InputError
from spatialplan.places import Place
from spatialplan.province import province


def random_arcs(seed: int, size: int = 60, degree: float = 2.6) -> tuple:
    """Arcs between vertices, some parallel, some loops, some at zero minutes, not all joined."""
    chance = np.random.default_rng(seed)
    count = int(size * degree)
    tail, head = chance.integers(0, size, (2, count))
    # Few distinct values make many ways equally fast.
    minutes = chance.choice([chance.integers(1, 6, count) / 2.0, chance.exponential(3.0, count)])
    minutes[chance.random(count) < 0.02] = 0.0
    return tail, head, minutes, size


def compiled(seed: int, **options: float) -> engine.Compiled:
    tail, head, minutes, size = random_arcs(seed, **options)
    lonlat = np.random.default_rng(seed).uniform(100, 104, (size, 2)) if seed % 2 else None
    return compile_arcs(tail, head, minutes, size, lonlat=lonlat)


def expected(seed_or_arcs: int | tuple, starts: list, limit: float = np.inf) -> np.ndarray:
    """The same by networkx, over minutes rounded as the engine rounds them."""
    arcs = random_arcs(seed_or_arcs) if isinstance(seed_or_arcs, int) else seed_or_arcs
    tail, head, minutes, size = arcs
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(-1, size))
    for u, v, value in zip(tail.tolist(), head.tolist(), minutes, strict=True):
        if np.isfinite(value):
            graph.add_edge(u, v, units=max(round(value * UNITS_PER_MINUTE), 1))
    for vertex, spent in starts:
        graph.add_edge(-1, vertex, units=round(spent * UNITS_PER_MINUTE))
    found = nx.single_source_dijkstra_path_length(graph, -1, weight="units")
    units = np.array([found.get(vertex, np.inf) for vertex in range(size)])
    return np.where(units <= np.round(limit * UNITS_PER_MINUTE), units / UNITS_PER_MINUTE, np.inf)


@pytest.fixture(params=["numba", "scipy"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the compiled loops, and without them."""
    if request.param == "scipy":
        monkeypatch.setattr(engine, "_kernels", lambda: None)
    else:
        assert engine._kernels() is not None
    return request.param


# Units


def test_units_round_to_the_nearest_and_are_never_zero() -> None:
    units = engine.to_units(np.array([0.0, 1.0, 1.0 + 0.4 / 300_000, 0.5, np.inf]))
    assert units.tolist() == [1, 300_000, 300_000, 150_000, engine.UNREACHED]
    assert np.isinf(engine.to_minutes(units)[-1])


def test_ten_thousand_arcs_err_by_less_than_a_second() -> None:
    """The worst arc: half a unit too long, each of ten thousand times."""
    count = 9_999
    minutes = np.full(count, 0.2 + 0.499 / UNITS_PER_MINUTE)
    graph = compile_arcs(np.arange(count), np.arange(1, count + 1), minutes, count + 1)
    found = engine.minutes_from(graph, 0)[-1]
    error = abs(found - minutes.sum()) * 60
    assert 0.5 < error < 1.0


# Searches


@pytest.mark.parametrize("seed", range(12))
def test_one_to_all(seed: int, either: str) -> None:
    graph = compiled(seed)
    assert np.array_equal(engine.minutes_from(graph, 3), expected(seed, [(3, 0)]))
    limited = engine.minutes_from(graph, 3, limit=6.0)
    assert np.array_equal(limited, expected(seed, [(3, 0)], 6.0))


@pytest.mark.parametrize("seed", range(6))
def test_reverse_runs_over_arcs_turned_round(seed: int, either: str) -> None:
    tail, head, minutes, size = random_arcs(seed)
    found = engine.minutes_from(compiled(seed), 3, reverse=True)
    assert np.array_equal(found, expected((head, tail, minutes, size), [(3, 0)]))


@pytest.mark.parametrize("seed", range(6))
def test_several_starts_with_minutes_already_spent(seed: int, either: str) -> None:
    start = [(3, 2.0), (17, 0.0), (3, 9.0), (40, 4000.0)]
    found = engine.minutes_from(compiled(seed), start)
    assert np.array_equal(found, expected(seed, start))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.integers(0, 24), room=st.integers(1, 80))
def test_search_is_exact_for_any_width_of_buckets_and_any_pool(
    seed: int, shift: int, room: int
) -> None:
    graph = compiled(seed)
    longest = int(graph.arcs[:, 1].max()) >> shift
    queue = shift, 1 << (longest + 1).bit_length()
    place, spent = graph.rank[[3]], np.zeros(1, np.int32)
    graph_and_start = graph.pointer, graph.arcs, place, spent
    pool, dist = np.empty((room, 3), np.int32), np.empty(graph.size, np.int32)
    limit = engine.LONGEST_SEARCH
    kernels.search(*graph_and_start, limit, queue, place[:0], pool, dist)
    right = expected(seed, [(3, 0)])
    assert np.array_equal(engine.to_minutes(dist)[graph.rank], right)
    dist[:] = engine.UNREACHED
    found, minutes = kernels.within(
        *graph_and_start, limit, queue, pool, dist, graph.vertex, float(UNITS_PER_MINUTE)
    )
    assert (dist == engine.UNREACHED).all()
    assert sorted(found.tolist()) == np.flatnonzero(np.isfinite(right)).tolist()
    assert np.array_equal(minutes, right[found])


@pytest.mark.parametrize("seed", range(6))
def test_reached_is_what_lies_within_the_limit(seed: int, either: str) -> None:
    graph, start = compiled(seed), [(3, 1.0), (9, 0.0)]
    for _ in range(2):  # the second run finds the working arrays clean
        vertices, minutes = engine.reached(graph, start, 7.0)
        dense = np.full(graph.size, np.inf)
        dense[vertices] = minutes
        assert len(set(vertices.tolist())) == len(vertices)
        assert np.array_equal(dense, expected(seed, start, 7.0))


@pytest.mark.parametrize("seed", range(6))
def test_nearest_tells_which_start(seed: int, either: str) -> None:
    graph = compiled(seed)
    starts = [3, [(17, 1.5), (20, 0.0)], 40]
    minutes, which = engine.nearest(graph, starts)
    rows = engine.times(graph, starts).minutes()
    assert np.array_equal(minutes, rows.min(axis=0))
    assert (which[np.isinf(minutes)] == -1).all()
    there = np.isfinite(minutes)
    assert np.array_equal(rows[which[there], np.flatnonzero(there)], minutes[there])


@pytest.mark.parametrize("seed", range(4))
def test_matrix_from_either_side(seed: int, either: str) -> None:
    graph = compiled(seed)
    many, few = list(range(20)), [50, 7, 7]
    rows = np.array([expected(seed, [(vertex, 0)]) for vertex in range(60)])
    assert np.array_equal(engine.matrix(graph, many, few), rows[np.ix_(many, few)])
    assert np.array_equal(engine.matrix(graph, few, many), rows[np.ix_(few, many)])
    limited = engine.matrix(graph, few, many, limit=5.0)
    assert np.array_equal(limited, np.where(limited <= 5.0, rows[np.ix_(few, many)], np.inf))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), degree=st.sampled_from([0.5, 1.2, 1.8, 2.6]))
def test_matrix_of_many_equals_single_searches(seed: int, degree: float) -> None:
    """Vertices without a choice are taken out of the graph first; nothing may change by it."""
    graph = compiled(seed, degree=degree)
    chance = np.random.default_rng(seed)
    starts = [int(vertex) for vertex in chance.integers(0, 60, 11)]
    starts[3] = [(starts[3], 0.5), (starts[4], 0.0)]
    ends = chance.integers(0, 60, 9)
    assert np.array_equal(
        engine.matrix(graph, starts, ends), engine.times(graph, starts).minutes(ends)
    )


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    degree=st.sampled_from([0.5, 1.2, 1.8, 2.6, 4.0]),
    reverse=st.booleans(),
    limit=st.sampled_from([np.inf, 8.0]),
)
def test_search_through_the_core_equals_the_plain_one(
    seed: int, degree: float, reverse: bool, limit: float
) -> None:
    graph = compiled(seed, degree=degree)
    chance = np.random.default_rng(seed)
    starts = [int(vertex) for vertex in chance.integers(0, 60, 5)]
    starts += [[(starts[3], 0.5), (starts[4], 0.0), (7, 9.0)]]
    plain = engine.times(graph, starts, reverse=reverse, limit=limit)
    core, _ = (graph.back if reverse else graph)._core  # once it is there it is used
    assert len(core.nodes) + len(core.taken) == graph.size
    found = engine.times(graph, starts, reverse=reverse, limit=limit)
    assert np.array_equal(found.units, plain.units)
    ends = chance.integers(0, 60, 9)
    if not reverse:
        few = engine.matrix(graph, starts, ends, limit=limit)
        assert np.array_equal(few, plain.minutes(ends))


def test_core_of_a_province_is_small_and_exact() -> None:
    found = province(20_000, seed=3)
    graph = compile_arcs(*found.arcs, found.size, lonlat=found.lonlat)
    seats = found.seats(40)
    plain = [engine.minutes_from(graph, seat) for seat in seats.tolist()]
    rows = engine.times(graph, seats.tolist())
    assert len(graph._core[0].nodes) < 0.15 * graph.size
    assert np.array_equal(rows.minutes(), plain)
    right = rows.minutes(seats)
    assert np.array_equal(engine.matrix(graph, seats.tolist(), seats), right)


def test_core_of_nothing_and_of_loops() -> None:
    """A loop, arcs both ways in parallel, a closed arc, and vertices without any."""
    tail, head = np.array([0, 0, 1, 0, 2]), np.array([0, 1, 0, 1, 3])
    minutes = np.array([1.0, 2.0, 3.0, 1.5, np.inf])
    graph = compile_arcs(tail, head, minutes, 5)
    core, _ = graph._core
    assert len(core.nodes) == 0
    assert engine.minutes_from(graph, 0).tolist() == [0.0, 1.5, np.inf, np.inf, np.inf]
    assert engine.minutes_from(graph, 1).tolist() == [3.0, 0.0, np.inf, np.inf, np.inf]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_ways_add_up_and_follow_the_arcs(seed: int, reverse: bool, either: str) -> None:
    tail, head, minutes, size = random_arcs(seed)
    graph = compiled(seed)
    found = engine.times(graph, [[(3, 1.0), (5, 0.0)]], reverse=reverse)
    units, tree = found.units[0, graph.rank], found.tree()
    for vertex in range(size):
        way = found.way(0, vertex)
        if units[vertex] == engine.UNREACHED:
            assert (way.vertices, way.minutes, tree[vertex]) == ((), np.inf, -1)
            continue
        end, start = (0, -1) if reverse else (-1, 0)
        assert way.vertices[end] == vertex
        begun = {3: 300_000, 5: 0}[way.vertices[start]]
        assert [int(tail[arc]) for arc in way.arcs] == list(way.vertices[:-1])
        assert [int(head[arc]) for arc in way.arcs] == list(way.vertices[1:])
        assert begun + engine.to_units(minutes[list(way.arcs)]).sum() == units[vertex]
        if len(way.vertices) > 1:
            assert tree[vertex] == way.vertices[1 if reverse else -2]
    alone = engine.way(graph, 3, 9)
    assert alone.minutes == expected(seed, [(3, 0)])[9]


def test_large_network_equals_scipy_and_itself_in_any_order() -> None:
    found = province(20_000, seed=3)
    tail, head, minutes = found.arcs
    near = compile_arcs(tail, head, minutes, found.size, lonlat=found.lonlat)
    far = compile_arcs(tail, head, minutes, found.size)
    seats = found.seats(6).tolist()
    fast = engine.times(near, seats).minutes()
    assert np.array_equal(fast, engine.times(far, seats, workers=1).minutes())
    slow = np.empty(found.size, np.int32)
    for row, seat in enumerate(seats):
        engine._fill_slowly(near, engine._Seeds.of(near, seat), engine.LONGEST_SEARCH, slow)
        assert np.array_equal(engine.to_minutes(slow[near.rank]), fast[row])
    assert np.isfinite(fast).all()


def test_neighbours_get_near_numbers() -> None:
    """The order along the curve is what makes searches of large networks fast."""
    found = province(20_000, seed=3)
    tail, head, minutes = found.arcs
    graph = compile_arcs(tail, head, minutes, found.size, lonlat=found.lonlat)
    apart = np.abs(graph.tails - graph.arcs[:, 0])
    assert np.median(apart) <= 4
    assert np.median(np.abs(tail - head)) > 1 or np.percentile(apart, 75) < 40


def test_nothing_to_search_is_no_error(either: str) -> None:
    graph = compile_arcs(np.array([], int), np.array([], int), np.array([]), 3)
    assert engine.minutes_from(graph, 1).tolist() == [np.inf, 0.0, np.inf]
    assert engine.times(graph, []).minutes().shape == (0, 3)
    assert engine.matrix(graph, [], [1]).shape == (0, 1)
    assert engine.minutes_from(graph, [(0, 9.0)], limit=5.0).tolist() == [np.inf] * 3


def test_long_arcs_beside_short_ones(either: str) -> None:
    """An arc of hours among arcs of milliseconds needs wider buckets, not more memory."""
    tail, head = np.array([0, 1, 2, 0]), np.array([1, 2, 3, 3])
    minutes = np.array([1e-5, 6000.0, 1e-5, 6001.0])
    graph = compile_arcs(tail, head, minutes, 4)
    assert graph._queue[1] <= engine.RING_LIMIT
    units = engine.times(graph, [0]).units[0, graph.rank]
    assert units.tolist() == [0, 3, 3 + 6000 * UNITS_PER_MINUTE, 6 + 6000 * UNITS_PER_MINUTE]


def test_more_than_119_hours_is_out_of_reach(either: str) -> None:
    graph = compile_arcs(np.array([0, 1]), np.array([1, 2]), np.array([4000.0, 4000.0]), 3)
    assert engine.minutes_from(graph, 0).tolist() == [0.0, 4000.0, np.inf]


@pytest.mark.parametrize(
    ("tail", "head", "minutes"),
    [([0], [5], [1.0]), ([-1], [0], [1.0]), ([0], [1], [-1.0]), ([0], [1], [np.nan]),
     ([0], [1], [8000.0])],
)  # fmt: skip
def test_bad_arcs_are_refused(tail: list, head: list, minutes: list) -> None:
    with pytest.raises(InputError, match="arc 0"):
        compile_arcs(np.array(tail), np.array(head), np.array(minutes), 3)


@pytest.mark.parametrize("start", [60, -1, [(0, -1.0)], [(0, np.nan)]])
def test_bad_starts_are_refused(start: engine.Start) -> None:
    with pytest.raises(InputError, match="起点"):
        engine.minutes_from(compiled(0), start)
    with pytest.raises(InputError, match="limit"):
        engine.minutes_from(compiled(0), 0, limit=-1.0)


# Edits


def edit_of(seed: int, kind: str, arcs: tuple) -> tuple[Change, tuple]:
    """A random change of one kind or of all, and the arcs after it."""
    tail, head, minutes, size = arcs
    chance = np.random.default_rng([seed, 7])
    count = int(chance.integers(1, 6))
    chosen = chance.choice(len(tail), count, replace=False)
    slower = {"close": np.full(count, np.inf), "slow": minutes[chosen] * 3 + 0.5}
    after = minutes.copy()
    if kind == "mixed":
        after[chosen] = np.where(
            chance.random(count) < 0.5,
            minutes[chosen] / 4,
            np.where(chance.random(count) < 0.5, np.inf, minutes[chosen] + 2.0),
        )
    elif kind != "add":
        after[chosen] = slower.get(kind, minutes[chosen] / 5)
    more = int(chance.integers(1, 5)) if kind in ("add", "mixed") else 0
    vertices = int(chance.integers(0, 3)) if more else 0
    new = chance.integers(0, size + vertices, (2, more))
    added = chance.choice([0.5, 1.0, 2.5], more)
    edit = Change(chosen, after[chosen], new[0], new[1], added, vertices)
    whole = (
        np.append(tail, new[0]), np.append(head, new[1]), np.append(after, added), size + vertices
    )  # fmt: skip
    return edit, whole


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["add", "speed", "close", "slow", "mixed"]),
    reverse=st.booleans(),
    limit=st.sampled_from([np.inf, 8.0]),
)
def test_repair_equals_a_fresh_search(seed: int, kind: str, reverse: bool, limit: float) -> None:
    arcs = random_arcs(seed)
    graph, starts = compiled(seed), [3, [(17, 1.0), (9, 0.0)], 3, 40]
    before = engine.times(graph, starts, reverse=reverse, limit=limit)
    kept = before.units.copy()
    edit, whole = edit_of(seed, kind, arcs)
    found = engine.rerun(before, edit)
    fresh = compile_arcs(*whole)
    right = engine.times(fresh, starts, reverse=reverse, limit=limit)
    assert np.array_equal(found.minutes(), right.minutes())
    assert np.array_equal(before.units, kept)
    # And once more, from the repaired times: an edit on top of an edit.
    second, whole = edit_of(seed + 1, "mixed", whole)
    again = engine.rerun(found, second)
    right = engine.times(compile_arcs(*whole), starts, reverse=reverse, limit=limit)
    assert np.array_equal(again.minutes(), right.minutes())


@pytest.mark.parametrize("kind", ["add", "speed", "close", "slow", "mixed"])
def test_repair_on_a_province(kind: str) -> None:
    found = province(5_000, seed=2)
    tail, head, minutes = found.arcs
    arcs = (tail, head, minutes, found.size)
    graph = compile_arcs(*arcs, lonlat=found.lonlat)
    before = engine.times(graph, found.seats(8).tolist())
    for seed in range(8):
        edit, whole = edit_of(seed, kind, arcs)
        right = engine.times(compile_arcs(*whole), found.seats(8).tolist())
        assert np.array_equal(engine.rerun(before, edit).minutes(), right.minutes())


def test_repair_where_nearly_everything_is_lost() -> None:
    """A line cut near its start, with a detour; then the detour, too."""
    count = 40
    line = np.arange(count), np.arange(1, count + 1), np.ones(count)
    detour = tuple(np.append(part, more) for part, more in zip(line, (1, 3, 5.0), strict=True))
    before = engine.times(compile_arcs(*detour, count + 1), [0])
    found = engine.rerun(before, Change([1], [np.inf]))
    assert found.minutes()[0].tolist() == [0.0, 1.0, np.inf, *range(6, 44)]
    found = engine.rerun(found, Change([40], [np.inf]))
    assert found.minutes()[0].tolist() == [0.0, 1.0] + [np.inf] * 39


def test_repair_over_an_arc_that_got_faster_behind_one_that_got_slower() -> None:
    """The way there and its end both got another time, though the sum is not what it was."""
    line = compile_arcs(np.arange(3), np.arange(1, 4), np.array([1.0, 10.0, 1.0]), 4)
    before = engine.times(line, [0])
    found = engine.rerun(before, Change([0, 1], [15.0, 9.5]))
    assert found.minutes()[0].tolist() == [0.0, 15.0, 24.5, 25.5]
    found = engine.rerun(before, Change([0, 1], [np.inf, 0.5], [0], [2], [20.0]))
    assert found.minutes()[0].tolist() == [0.0, np.inf, 20.0, 21.0]


def test_repair_from_a_start_that_was_reached_sooner_from_another() -> None:
    line = compile_arcs(np.arange(3), np.arange(1, 4), np.ones(3), 4)
    before = engine.times(line, [[(0, 0.0), (2, 3.0)]])
    assert before.minutes()[0].tolist() == [0.0, 1.0, 2.0, 3.0]
    closed = engine.rerun(before, Change([0], [np.inf]))
    assert closed.minutes()[0].tolist() == [0.0, np.inf, 3.0, 4.0]


def test_repair_of_many_rows() -> None:
    found = province(2_000, seed=2)
    arcs = (*found.arcs, found.size)
    before = engine.times(compile_arcs(*arcs, lonlat=found.lonlat), found.seats(80).tolist())
    for seed in range(4):
        edit, whole = edit_of(seed, "mixed", arcs)
        right = engine.times(compile_arcs(*whole), found.seats(80).tolist())
        assert np.array_equal(engine.rerun(before, edit, workers=2).minutes(), right.minutes())


def test_repair_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_kernels", lambda: None)
    arcs = random_arcs(5)
    edit, whole = edit_of(5, "mixed", arcs)
    found = engine.rerun(engine.times(compiled(5), [3, 4]), edit)
    assert np.array_equal(found.minutes(), engine.times(compile_arcs(*whole), [3, 4]).minutes())


def test_repair_in_place_and_in_a_given_array() -> None:
    arcs = random_arcs(8)
    edit, whole = edit_of(8, "close", arcs)
    right = engine.times(compile_arcs(*whole), [3, 4]).minutes()
    before = engine.times(compiled(8), [3, 4])
    room = np.empty_like(before.units)
    assert engine.rerun(before, edit, out=room).units is room
    assert np.array_equal(engine.rerun(before, edit, out=before.units).minutes(), right)


def test_bad_changes_are_refused() -> None:
    graph = compiled(1)
    with pytest.raises(InputError, match="弧"):
        engine.change(graph, Change([10_000], [1.0]))
    with pytest.raises(InputError, match="通行时间"):
        engine.change(graph, Change([1], [-1.0]))
    with pytest.raises(InputError, match="顶点"):
        engine.change(graph, Change(tail=[0], head=[60], added=[1.0]))
    with pytest.raises(ValueError, match="go with"):
        Change([1], [])


# The copy beside the file


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a network large enough to be kept."""
    monkeypatch.setattr(engine, "WORTH_KEEPING", 0)
    monkeypatch.setattr(engine, "LARGE", 0)
    monkeypatch.setattr(engine, "WORTH_REDUCING", 2)
    monkeypatch.setattr(searches, "LARGE", 0)
    path = tmp_path / "路网.gpkg"
    province(300, seed=3).network().write(path)
    return path


def minutes_of(path: Path, profile: str = "operating", km: float = 0.0) -> np.ndarray:
    """The minutes of a table on a network file, as at a new start; some km more on one link."""
    net = network.read(path)
    if km:
        longer = net.links["length_km"].to_numpy() + np.eye(1, len(net.links), 7)[0] * km
        net = replace(net, links=net.links.assign(length_km=longer))
    graph = travel.compile_graph(net, standards.read_profile(profile))
    ids = net.nodes.index[::40]
    towns = [Place(n, p.x, p.y, place_id=n) for n, p in net.nodes.geometry[ids].items()]
    found = travel.travel_times(graph, towns, towns)
    best = travel.reach(graph, towns[:1], 30.0)
    return np.append(found["minutes"].to_numpy(), best)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("is made anew")


def copies(source: Path) -> list[Path]:
    return sorted(source.parent.glob("*.npz"))


def test_second_start_neither_compiles_nor_reduces(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = minutes_of(source)
    assert [copy.name.rsplit(".", 2)[1] for copy in copies(source)] == ["core", "graph"]
    monkeypatch.setattr(engine, "compile_arcs", refuse)
    monkeypatch.setattr(reduction, "core_of", refuse)
    assert np.array_equal(minutes_of(source), right, equal_nan=True)
    with pytest.raises(AssertionError, match="anew"):
        minutes_of(source, "design")


def test_copy_is_replaced_when_the_network_is_another(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes_of(source)
    old = [copy.read_bytes() for copy in copies(source)]
    longer = minutes_of(source, km=5.0)  # whatever was done to it since it was read
    assert len(copies(source)) == len(old)
    assert all(c.read_bytes() != b for c, b in zip(copies(source), old, strict=True))
    with monkeypatch.context() as patch:
        patch.setattr(engine, "WORTH_KEEPING", 10**9)
        assert np.array_equal(minutes_of(source, km=5.0), longer, equal_nan=True)
    other = province(300, seed=4).network()
    other.write(source)
    found = minutes_of(source)
    assert len(copies(source)) == len(old)
    source.unlink()
    other.write(source.with_name("other.gpkg"))
    assert np.array_equal(minutes_of(source.with_name("other.gpkg")), found, equal_nan=True)


@pytest.mark.parametrize("kind", ["core", "graph"])
@pytest.mark.parametrize("damage", ["cut", "empty", "array", "text", "flipped", "edition"])
def test_damaged_copy_is_made_anew(
    source: Path, damage: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if damage == "edition":
        with monkeypatch.context() as patch:
            patch.setattr(engine, "_EDITION", b"0")
            right = minutes_of(source)
    else:
        right = minutes_of(source)
    [copy] = source.parent.glob(f"*.{kind}.npz")
    content = copy.read_bytes()
    middle = len(content) // 2
    turned = bytes([content[middle] ^ 255])
    if damage == "array":
        with copy.open("wb") as file:
            np.save(file, np.zeros((4, 4)))
    elif damage != "edition":
        copy.write_bytes(
            {
                "cut": content[:-40],
                "empty": b"",
                "text": b"not an array",
                "flipped": content[:middle] + turned + content[middle + 1 :],
            }[damage]
        )
    assert np.array_equal(minutes_of(source), right, equal_nan=True)
    monkeypatch.setattr(engine, "compile_arcs", refuse)
    monkeypatch.setattr(reduction, "core_of", refuse)
    assert np.array_equal(minutes_of(source), right, equal_nan=True)


def test_graph_is_built_where_nothing_can_be_written(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError("a closed folder")

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", closed)
        right = minutes_of(source)
    assert not copies(source)
    assert np.array_equal(minutes_of(source), right, equal_nan=True)


def test_networks_that_are_small_or_edited_leave_nothing(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = source.with_name("edits.yaml")
    edits.write_text("edits:\n  - {action: close, where: {link_id: l7}}\n", encoding="utf-8")
    assert assessment.situation(network=source).network.file == source
    assert assessment.situation(network=source, edits=edits).network.file is None
    monkeypatch.setattr(engine, "WORTH_KEEPING", 10**6)
    minutes_of(source)
    assert not copies(source)


# Start-up


def test_package_and_command_line_do_not_load_numba() -> None:
    code = (
        "import sys, spatialplan, spatialplan.cli, spatialplan.travel, spatialplan.network\n"
        "print([name for name in ('numba', 'spatialplan.kernels') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_second_session_finds_the_machine_code_ready() -> None:
    """Compiling takes many seconds; it must be done once on a machine, not in every session."""
    code = "from spatialplan import engine; assert engine._kernels()"
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
    )  # fmt: skip
    engine._kernels()
    if not (Path(engine.__file__).parent / "__pycache__").exists():
        pytest.skip("no folder for machine code")
    assert list((Path(engine.__file__).parent / "__pycache__").glob("kernels.search*.nbi"))
    assert time.perf_counter() - start < 300
