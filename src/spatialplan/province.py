"""A synthetic province: a road network of any size, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from spatialplan.errors import InputError

__all__ = ["Province", "province"]

# Classes from the lowest up, with the design speed of a new road in open country, km/h.
CLASS_SPEEDS = (
    ("access", 30.0),
    ("class4", 40.0),
    ("class3", 50.0),
    ("class2", 60.0),
    ("class1", 80.0),
    ("expressway", 100.0),
)
EXPRESSWAY = 5
RAMP_KM, RAMP_KMH = 1.0, 40.0
SPACING_KM = 0.5  # mean distance of neighbouring junctions in the open country
TOWN_SPACING = 0.3  # of that in the middle of a town
# A line of the grid that a number divides is a road of that class from end to end.
LINE_STEPS = ((8, 1), (16, 2), (48, 3), (96, 4))
EXPRESSWAY_STEP = 192  # an expressway runs along every so many lines
GATE_STEP = 24  # and has a gate at every so many junctions
EXTRA_LINKS = 0.307  # links beyond those that join everything once, for each junction
ONEWAY_SHARE = 0.06  # of the local links that are not needed to join everything
WEST_SOUTH = (102.0, 34.0)  # degrees


@dataclass(frozen=True)
class Province:
    """Junctions and the roads between them, in arrays.

    `lonlat` has shape ``(nodes, 2)``, degrees (WGS84). For each link: `tail`, `head`
    (junctions), `km`, `kmh` (running speed), `rank` (position in `CLASS_SPEEDS`), `oneway`.
    """

    lonlat: np.ndarray
    tail: np.ndarray
    head: np.ndarray
    km: np.ndarray
    kmh: np.ndarray
    rank: np.ndarray
    oneway: np.ndarray
    seed: int

    @property
    def size(self) -> int:
        """Number of junctions."""
        return len(self.lonlat)

    @cached_property
    def arcs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tails, heads and minutes of the directed arcs, one or two for each link."""
        minutes = self.km / self.kmh * 60.0
        both = ~self.oneway
        return (
            np.concatenate([self.tail, self.head[both]]),
            np.concatenate([self.head, self.tail[both]]),
            np.concatenate([minutes, minutes[both]]),
        )

    def seats(self, count: int) -> np.ndarray:
        """Return `count` junctions to travel between, on the higher roads, spread by chance."""
        higher = np.zeros(self.size, dtype=bool)
        chosen = (self.rank >= 2) & (self.rank < EXPRESSWAY)
        higher[self.tail[chosen]] = True
        chance = np.random.default_rng([self.seed, 1])
        pool = np.flatnonzero(higher) if higher.sum() >= count else np.arange(self.size)
        return np.sort(chance.choice(pool, size=count, replace=False))

    def network(self) -> object:
        """Return the province as a `spatialplan.network.Network` (straight lines)."""
        import shapely

        from spatialplan.network import Network, as_links, as_nodes

        nodes = pd.DataFrame(
            {"kind": "junction", "geometry": shapely.points(self.lonlat)},
            index=pd.Index([f"n{i}" for i in range(self.size)], name="node_id"),
        )
        names = np.array([name for name, _ in CLASS_SPEEDS], dtype=object)
        ids = nodes.index.to_numpy()
        links = pd.DataFrame(
            {
                "from_node": ids[self.tail],
                "to_node": ids[self.head],
                "mode": "road",
                "class": names[self.rank],
                "design_speed_kmh": self.kmh,
                "length_km": self.km,
                "oneway": np.where(self.oneway, "yes", "no"),
                "source": "synthetic",
                "confidence": "L",
            },
            index=pd.Index([f"l{i}" for i in range(len(self.tail))], name="link_id"),
        )
        ends = np.stack([self.lonlat[self.tail], self.lonlat[self.head]], axis=1)
        return Network(as_nodes(nodes), as_links(links, shapely.linestrings(ends)), "province")


def province(nodes: int, *, seed: int = 0) -> Province:
    """Return a province with about `nodes` junctions, all joined to each other.

    The gates of expressways come on top: 1 in 3,000 junctions, up to 1 in 5 of a few hundred.

    The junctions lie on a grid that is drawn together in towns and shaken a little. A tree
    of chance joins them all; some further links, and all links of the county, provincial and
    national roads, are added; expressways cross over them and are entered at gates only.
    For each junction there are about 2.6 directed arcs; a fifth to a third of the junctions
    are dead ends. Running speeds depend on class, terrain and chance.

    Raises
    ------
    InputError
        When fewer than 100 junctions are asked for.
    """
    if nodes < 100:
        raise InputError.of(
            "nodes", f"节点数至少为 100:{nodes}", f"at least 100 junctions, not {nodes}"
        )
    chance = np.random.default_rng([seed, 0])
    rows = round(np.sqrt(nodes))
    columns = round(nodes / rows)
    position = _positions(chance, rows, columns)
    tail, head, rank, extra = _local_links(chance, rows, columns)
    fast = _expressways(rows, columns)
    gates, gate_of = np.unique(np.concatenate(fast), return_inverse=True)
    gate_of = gate_of.reshape(2, -1) + len(position)
    position = np.concatenate([position, position[gates] + 0.2])
    tail = np.concatenate([tail, gates, gate_of[0]])
    head = np.concatenate([head, np.arange(len(gates)) + rows * columns, gate_of[1]])
    rank = np.concatenate([rank, np.full(len(gates), 1), np.full(len(fast[0]), EXPRESSWAY)])
    straight = np.hypot(*(position[tail] - position[head]).T)
    detour = chance.uniform(1.02, 1.35, len(tail))
    terrain = 1.0 - 0.4 * _terrain(chance, position[tail])
    speed = np.array([kmh for _, kmh in CLASS_SPEEDS])[rank]
    kmh = np.maximum(speed * terrain * chance.uniform(0.8, 1.1, len(tail)), 10.0)
    km = np.maximum(straight * np.where(rank == EXPRESSWAY, 1.05, detour), 0.02)
    ramp = np.zeros(len(tail), dtype=bool)
    ramp[len(extra) : len(extra) + len(gates)] = True
    oneway = np.zeros(len(tail), dtype=bool)
    oneway[: len(extra)] = extra & (rank[: len(extra)] == 0)
    oneway &= chance.random(len(tail)) < ONEWAY_SHARE
    degrees = position / [111.32 * np.cos(np.radians(WEST_SOUTH[1])), 110.57] + WEST_SOUTH
    return Province(
        degrees,
        tail,
        head,
        np.where(ramp, RAMP_KM, km),
        np.where(ramp, RAMP_KMH, kmh),
        rank,
        oneway,
        seed,
    )


def _positions(chance: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return kilometres east and north of each junction, row by row."""
    axes = []
    for count in (columns, rows):
        town = np.maximum(0.0, np.sin(np.arange(count) / 48.0 * 2 * np.pi + chance.uniform(0, 6)))
        gaps = SPACING_KM * (1.0 - (1.0 - TOWN_SPACING) * town**2)
        axes.append(np.cumsum(gaps * chance.uniform(0.8, 1.2, count)))
    east, north = np.meshgrid(axes[0], axes[1])
    shake = chance.uniform(-0.3, 0.3, (2, rows, columns)) * SPACING_KM * TOWN_SPACING
    return np.column_stack([(east + shake[0]).ravel(), (north + shake[1]).ravel()])


def _local_links(
    chance: np.random.Generator, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return tails, heads, ranks, and whether a link is beyond the tree that joins all."""
    number = np.arange(rows * columns).reshape(rows, columns)
    tail = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    head = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    along_row = np.arange(len(tail)) < rows * (columns - 1)
    line = np.where(along_row, tail // columns, tail % columns)
    rank = np.zeros(len(tail), dtype=np.int64)
    for step, value in LINE_STEPS:
        rank[line % step == step // 2] = value
    # The tree prefers the higher roads, so that few further links are needed for them.
    weight = chance.random(len(tail)) + np.where(rank > 0, 0.0, 1.0) + 0.1
    size = rows * columns
    chosen = coo_array((weight, (tail, head)), shape=(size, size)).tocsr()
    kept = minimum_spanning_tree(chosen).tocoo()
    in_tree = np.isin(tail * size + head, kept.row.astype(np.int64) * size + kept.col)
    spare = np.flatnonzero(~in_tree & (rank == 0))
    wanted = max(int(EXTRA_LINKS * size) - int((~in_tree & (rank > 0)).sum()), 0)
    keep = in_tree | (rank > 0)
    keep[chance.choice(spare, size=min(wanted, len(spare)), replace=False)] = True
    return tail[keep], head[keep], rank[keep], ~in_tree[keep]


def _expressways(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the junctions at both ends of each run from gate to gate."""
    number = np.arange(rows * columns).reshape(rows, columns)
    step = min(EXPRESSWAY_STEP, rows // 2, columns // 2)
    gate = max(min(GATE_STEP, step // 2), 1)
    first = step // 2 % gate
    runs = [number[line, first::gate] for line in range(step // 2, rows, step)]
    runs += [number[first::gate, line] for line in range(step // 2, columns, step)]
    return (
        np.concatenate([run[:-1] for run in runs]),
        np.concatenate([run[1:] for run in runs]),
    )


def _terrain(chance: np.random.Generator, position: np.ndarray) -> np.ndarray:
    """Return how mountainous it is, from 0 to 1, in waves of some tens of kilometres."""
    total = np.zeros(len(position))
    for length in (180.0, 70.0, 25.0):
        wave = chance.normal(size=2) / length * 2 * np.pi / np.sqrt(2)
        total += np.sin(position @ wave + chance.uniform(0, 6))
    return np.clip(total / 4.0 + 0.4, 0.0, 1.0)
