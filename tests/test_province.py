"""The synthetic province is the same for the same seed, whole, and like a road network."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from spatialplan.errors import InputError
from spatialplan.province import CLASS_SPEEDS, EXPRESSWAY, Province, province

FIELDS = ("lonlat", "tail", "head", "km", "kmh", "rank", "oneway")


@pytest.fixture(scope="module")
def found() -> Province:
    return province(30_000, seed=5)


def test_same_seed_same_province() -> None:
    one, same, other = (province(3_000, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(getattr(one, name), getattr(same, name)) for name in FIELDS)
    assert not np.array_equal(one.km[: len(other.km)], other.km[: len(one.km)])
    assert np.array_equal(one.seats(9), same.seats(9))


@pytest.mark.parametrize("nodes", [100, 137, 1_000, 30_000])
def test_size_is_as_asked_and_everything_is_joined(nodes: int) -> None:
    made = province(nodes)
    gates = (made.rank == EXPRESSWAY).sum() * 2
    assert gates > 0
    assert abs(made.size - nodes) <= 0.02 * nodes + min(gates, nodes // 5)
    tail, head, minutes = made.arcs
    matrix = coo_array((minutes, (tail, head)), shape=(made.size, made.size))
    assert connected_components(matrix, connection="strong")[0] == 1
    assert (tail != head).all()
    assert np.isfinite(minutes).all()
    assert (minutes > 0).all()


def test_degrees_are_those_of_roads(found: Province) -> None:
    assert len(found.arcs[0]) / found.size == pytest.approx(2.6, abs=0.1)
    degree = np.bincount(np.concatenate([found.tail, found.head]), minlength=found.size)
    share = np.bincount(degree) / found.size
    assert share[0] == 0
    assert 0.08 < share[1] < 0.35  # dead ends
    assert share[3] + share[4] > 0.35  # junctions
    assert degree.max() <= 8


def test_hierarchy(found: Province) -> None:
    share = np.bincount(found.rank, minlength=len(CLASS_SPEEDS)) / len(found.rank)
    assert share[0] > 0.5
    assert (np.diff(share) < 0).all()
    speeds = [np.median(found.kmh[found.rank == rank]) for rank in range(len(CLASS_SPEEDS))]
    assert (np.diff(speeds) > 0).all()
    fast = found.rank == EXPRESSWAY
    ends = np.concatenate([found.tail[fast], found.head[fast]])
    elsewhere = np.concatenate([found.tail[~fast], found.head[~fast]])
    ramps = np.isin(elsewhere, ends).sum()
    assert ramps == len(np.unique(ends))  # one ramp for each gate, nothing else meets it
    assert not found.oneway[found.rank > 0].any()
    assert 0.001 < found.oneway.mean() < 0.05


def test_lengths_are_no_shorter_than_the_map(found: Province) -> None:
    delta = (found.lonlat[found.tail] - found.lonlat[found.head]) * [92.3, 110.6]
    straight = np.hypot(*delta.T)
    assert (found.km >= 0.95 * straight).all()


def test_seats_are_on_higher_roads(found: Province) -> None:
    seats = found.seats(50)
    assert len(np.unique(seats)) == 50
    higher = (found.rank >= 2) & (found.rank < EXPRESSWAY)
    assert np.isin(seats, np.concatenate([found.tail[higher], found.head[higher]])).all()


def test_as_a_network() -> None:
    made = province(400, seed=2)
    network = made.network()
    assert network.faults() == []
    assert len(network.nodes) == made.size
    assert len(network.links) == len(made.tail)
    assert network.links["oneway"].sum() == made.oneway.sum()
    assert len(network.components()) == 1


def test_too_small() -> None:
    with pytest.raises(InputError, match="100"):
        province(99)
