"""Travel times and routes on the compiled network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from spatialplan.errors import InputError
from spatialplan.geodesy import straight_km
from spatialplan.network import EXPRESSWAY, RAIL, SURFACE, Arcs, Network
from spatialplan.places import Place
from spatialplan.standards import SpeedProfile

__all__ = [
    "Graph",
    "Leg",
    "Route",
    "compile_graph",
    "nearest",
    "reach",
    "routes",
    "travel_times",
]

TRAVEL_MODES = ("road", "rail", "all")
SNAP_LIMIT_KM = 30.0  # a place farther from every road than this is a mistake, not a trip


@dataclass(frozen=True)
class Leg:
    """One step of a route: ``access``, ``link``, ``ramp``, ``wait`` or ``leave``."""

    kind: str
    minutes: float
    km: float
    link_id: str = ""


@dataclass(frozen=True)
class Route:
    """The fastest way from one place to another; `minutes` is infinite when there is none.

    `in_vehicle` is the time in the train, NaN on a route without one.
    """

    origin: Place
    destination: Place
    mode: str
    minutes: float
    legs: tuple[Leg, ...] = ()
    in_vehicle: float = np.nan

    @property
    def km(self) -> float:
        """Length of the route in km; NaN when there is none."""
        return sum(leg.km for leg in self.legs) if np.isfinite(self.minutes) else np.nan

    @property
    def straight_km(self) -> float:
        """Geodesic distance of the two places in km."""
        a, b = self.origin, self.destination
        return float(straight_km(a.lon, a.lat, b.lon, b.lat))


@dataclass(frozen=True)
class Terminal:
    """Where a place meets the roads: up to two vertices, with minutes from and to each.

    A place on a node has one vertex; a place beside a link has the ends of the link, and
    `link`, `fraction` say where on it. `access` is the leg from the place to the road.
    """

    place: Place
    vertices: tuple[int, int]
    out: tuple[float, float]
    back: tuple[float, float]
    link: int = -1
    fraction: float = 0.0
    access_minutes: float = 0.0
    access_km: float = 0.0

    def share(self, way: int) -> float:
        """Return the share of the link between the place and one of its ends."""
        return self.fraction if way == 0 else 1.0 - self.fraction


_AT_NODE = ((0.0, np.inf), (0.0, np.inf))
_NO_WAY = ((np.inf, np.inf), (np.inf, np.inf))


@dataclass(frozen=True)
class Graph:
    """A network compiled under one speed profile."""

    network: Network
    profile: SpeedProfile
    arcs: Arcs

    @cached_property
    def size(self) -> int:
        """Number of vertices."""
        return len(self.arcs.vertex_node)

    @cached_property
    def _vertex_at(self) -> dict[tuple[int, int], int]:
        pairs = zip(self.arcs.vertex_node.tolist(), self.arcs.vertex_level.tolist(), strict=True)
        return {pair: vertex for vertex, pair in enumerate(pairs)}

    def vertex(self, node: int, level: int = SURFACE) -> int:
        """Return the vertex of a node (by position) on a level, or -1."""
        return self._vertex_at.get((node, level), -1)

    @cached_property
    def link_vertices(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices at the first and the last end of each link."""
        count = len(self.network.links)
        forward = (self.arcs.link >= 0) & ~self.arcs.backward
        tail, head = np.empty(count, dtype=int), np.empty(count, dtype=int)
        tail[self.arcs.link[forward]] = self.arcs.tail[forward]
        head[self.arcs.link[forward]] = self.arcs.head[forward]
        return tail, head

    @cached_property
    def link_minutes(self) -> np.ndarray:
        """Running minutes of each link."""
        minutes = np.empty(len(self.network.links))
        forward = (self.arcs.link >= 0) & ~self.arcs.backward
        minutes[self.arcs.link[forward]] = self.arcs.minutes[forward]
        return minutes

    @cached_property
    def _matrices(self) -> dict[str, tuple[csr_array, np.ndarray]]:
        return {}

    def matrix(self, mode: str) -> tuple[csr_array, np.ndarray]:
        """Return minutes between vertices as CSR, and the arc behind each stored entry.

        Of parallel arcs the fastest is kept. ``road`` has no trains, ``rail`` has only
        trains, ``all`` has both and the platforms between them.
        """
        if mode not in self._matrices:
            level = self.arcs.vertex_level
            ends = level[self.arcs.tail] == RAIL, level[self.arcs.head] == RAIL
            chosen = {
                "road": ~ends[0] & ~ends[1],
                "rail": ends[0] & ends[1],
                "all": np.ones(len(self.arcs.tail), dtype=bool),
            }[mode]
            self._matrices[mode] = _csr(self.arcs, np.flatnonzero(chosen), self.size)
        return self._matrices[mode]

    @cached_property
    def rail_ids(self) -> frozenset[str]:
        """Ids of the links of railways."""
        return frozenset(self.network.links.index[self.network.levels == RAIL])

    @cached_property
    def _legs(self) -> dict[int, Leg]:
        return {}

    def leg(self, arc: int) -> Leg:
        """Return an arc as a leg of a route."""
        if arc not in self._legs:
            self._legs[arc] = self._new_leg(arc)
        return self._legs[arc]

    def _new_leg(self, arc: int) -> Leg:
        minutes, km = float(self.arcs.minutes[arc]), float(self.arcs.km[arc])
        link = self.arcs.link[arc]
        if link >= 0:
            return Leg("link", minutes, km, str(self.network.links.index[link]))
        level = self.arcs.vertex_level
        ends = level[self.arcs.tail[arc]], level[self.arcs.head[arc]]
        kind = "ramp" if EXPRESSWAY in ends else "wait" if ends[1] == RAIL else "leave"
        return Leg(kind, minutes, km)

    @cached_property
    def stations(self) -> tuple[np.ndarray, np.ndarray]:
        """Surface and rail vertices of the stations that have a road."""
        level = self.arcs.vertex_level
        up = (level[self.arcs.tail] == SURFACE) & (level[self.arcs.head] == RAIL)
        return self.arcs.tail[up], self.arcs.head[up]

    @cached_property
    def _terminals(self) -> dict[Place, Terminal]:
        return {}

    def terminal(self, place: Place) -> Terminal:
        """Return where a place meets the ordinary roads; never an expressway or a railway.

        A place of the gazetteer with no road within `SNAP_LIMIT_KM` is out of reach.

        Raises
        ------
        InputError
            When no road is within `SNAP_LIMIT_KM` of a bare position: most likely a slip.
        """
        if place not in self._terminals:
            self._terminals[place] = self._node_terminal(place) or self._link_terminal(place)
        return self._terminals[place]

    def slim(self, places: Iterable[Place]) -> Graph:
        """Return what trips between some places need, and no more: no lines, no names of links.

        For sending; circles and further places need the whole graph.

        Raises
        ------
        InputError
            As `terminal`.
        """
        terminals = {place: self.terminal(place) for place in places}
        whole = self.network
        network = replace(
            whole,
            nodes=whole.nodes[["place_id", "geometry"]],
            links=whole.links[["length_km", "oneway"]],
        )
        slim = Graph(network, self.profile, self.arcs)
        slim._terminals.update(terminals)
        return slim

    def _node_terminal(self, place: Place) -> Terminal | None:
        node = self.network.node_of(place.place_id)
        vertex = -1 if node is None else self.vertex(self.network.nodes.index.get_loc(node))
        if vertex < 0:
            return None
        return Terminal(place, (vertex, -1), *_AT_NODE)

    def _link_terminal(self, place: Place) -> Terminal:
        found = self.network.nearest_link(place.lon, place.lat)
        if found is None:
            raise InputError.of(
                place.name_zh, "路网中没有普通公路", "the network has no ordinary road"
            )
        link, fraction, distance = found
        if distance > SNAP_LIMIT_KM and place.place_id:
            return Terminal(place, (-1, -1), *_NO_WAY)
        if distance > SNAP_LIMIT_KM:
            raise InputError.of(
                place.name_zh,
                f"离最近的公路 {distance:.0f} km,超过 {SNAP_LIMIT_KM:.0f} km;请检查坐标或路网范围",
                f"{distance:.0f} km from the nearest road; check the position or the network",
            )
        tail, head = (int(side[link]) for side in self.link_vertices)
        access = distance / self.profile.access_kmh * 60.0
        whole = float(self.link_minutes[link])
        near, far = access + fraction * whole, access + (1.0 - fraction) * whole
        oneway = bool(self.network.links["oneway"].iloc[link])
        return Terminal(
            place,
            (tail, head),
            (np.inf if oneway else near, far),
            (near, np.inf if oneway else far),
            link,
            fraction,
            access,
            distance,
        )


def compile_graph(network: Network, profile: SpeedProfile) -> Graph:
    """Return the network compiled for travel under a speed profile."""
    return Graph(network, profile, network.arcs(profile))


def _csr(arcs: Arcs, chosen: np.ndarray, size: int) -> tuple[csr_array, np.ndarray]:
    tail, head, minutes = arcs.tail[chosen], arcs.head[chosen], arcs.minutes[chosen]
    order = np.lexsort((minutes, head, tail))
    tail, head = tail[order], head[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
    order = order[first]
    pointer = np.zeros(size + 1, dtype=np.int32)
    np.cumsum(np.bincount(tail[first], minlength=size), out=pointer[1:])
    data = minutes[order], head[first].astype(np.int32), pointer
    return csr_array(data, shape=(size, size)), chosen[order]


@dataclass(frozen=True)
class _Search:
    """Shortest-path trees from some vertices (to them, when `reverse`)."""

    matrix: csr_array
    arc_of: np.ndarray
    row_of: dict[int, int]
    minutes: np.ndarray
    before: np.ndarray

    @classmethod
    def run(cls, graph: Graph, vertices: np.ndarray, mode: str, limit: float) -> _Search:
        matrix, arc_of = graph.matrix(mode)
        unique = np.unique(vertices[vertices >= 0])
        if not len(unique):
            nothing = np.full((1, graph.size), np.inf)
            return cls(matrix, arc_of, {}, nothing, np.full_like(nothing, -1, dtype=int))
        minutes, before = dijkstra(matrix, indices=unique, limit=limit, return_predecessors=True)
        rows = {int(vertex): row for row, vertex in enumerate(unique)}
        return cls(matrix, arc_of, rows, minutes, before)

    def between(self, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Minutes from each tail to each head; infinite where a vertex is -1."""
        rows = np.array([self.row_of.get(int(vertex), -1) for vertex in tails], dtype=int)
        found = self.minutes[np.ix_(rows, heads)]
        found[rows < 0, :] = np.inf
        found[:, np.asarray(heads) < 0] = np.inf
        return found

    def sums(self, of_arcs: np.ndarray) -> np.ndarray:
        """Return what the paths add up of some quantity of arcs, shape of `minutes`.

        Each vertex starts with the arc that leads to it and then, again and again, takes
        over what its forerunner has: twice as far back each time.
        """
        root = np.arange(self.before.shape[1])
        before = np.where(self.before < 0, root, self.before)
        rows = np.repeat(np.arange(len(self.matrix.indptr) - 1), np.diff(self.matrix.indptr))
        keys = rows * len(root) + self.matrix.indices
        wanted = before * len(root) + root
        entry = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        moved = before != root
        total = np.zeros(before.shape)
        total[moved] = of_arcs[self.arc_of[entry[moved]]]
        while True:
            total = total + np.take_along_axis(total, before, axis=1)
            further = np.take_along_axis(before, before, axis=1)
            if (further == before).all():
                return total
            before = further

    def arcs(self, start: int, end: int) -> list[int]:
        """Return the arcs of the path between two vertices, in order."""
        row, arcs = self.row_of[start], []
        while end != start:
            previous = int(self.before[row, end])
            low, high = self.matrix.indptr[previous], self.matrix.indptr[previous + 1]
            entry = low + np.searchsorted(self.matrix.indices[low:high], end)
            arcs.append(int(self.arc_of[entry]))
            end = previous
        return arcs[::-1]


def _end_leg(graph: Graph, terminal: Terminal, way: int, out: bool) -> list[Leg]:
    """Return the legs between a place and one of its vertices, in the order of travel."""
    if terminal.link < 0:
        return []
    share = terminal.share(way)
    link_id = str(graph.network.links.index[terminal.link])
    km = float(graph.network.links["length_km"].iloc[terminal.link]) * share
    legs = [
        Leg("access", terminal.access_minutes, terminal.access_km),
        Leg("link", float(graph.link_minutes[terminal.link]) * share, km, link_id),
    ]
    return legs if out else legs[::-1]


def _end_km(graph: Graph, terminal: Terminal, way: int) -> float:
    if terminal.link < 0:
        return 0.0
    whole = float(graph.network.links["length_km"].iloc[terminal.link])
    return terminal.access_km + terminal.share(way) * whole


@dataclass(frozen=True)
class _Table:
    """All pairs of some terminals on roads (or on everything): minutes and how they came."""

    graph: Graph
    search: _Search
    origins: list[Terminal]
    destinations: list[Terminal]
    minutes: np.ndarray
    choice: np.ndarray  # 0-3: which pair of vertices; 4: along one link; 5: the same place

    @classmethod
    def of(
        cls,
        graph: Graph,
        origins: list[Terminal],
        destinations: list[Terminal],
        mode: str,
        limit: float = np.inf,
    ) -> _Table:
        tails = np.array([o.vertices for o in origins], dtype=int).reshape(-1, 2)
        heads = np.array([d.vertices for d in destinations], dtype=int).reshape(-1, 2)
        search = _Search.run(graph, tails, mode, limit)
        out = np.array([o.out for o in origins]).reshape(-1, 2)
        back = np.array([d.back for d in destinations]).reshape(-1, 2)
        size = len(origins), len(destinations)
        options = np.full((6, *size), np.inf)
        for way in range(4):
            o, d = divmod(way, 2)
            between = search.between(tails[:, o], heads[:, d])
            options[way] = out[:, o, None] + between + back[None, :, d]
        for row, column, minutes in _along_one_link(graph, origins, destinations):
            options[4, row, column] = minutes
        for row, origin in enumerate(origins):
            for column, destination in enumerate(destinations):
                if origin.place == destination.place:
                    options[5, row, column] = 0.0
        minutes = options.min(axis=0)
        minutes[minutes > limit] = np.inf
        return cls(graph, search, origins, destinations, minutes, options.argmin(axis=0))

    @property
    def km(self) -> np.ndarray:
        """Kilometres of the fastest route of each pair; NaN where there is no way."""
        found = self._sums(self.graph.arcs.km)
        out, back = (
            np.array([[_end_km(self.graph, end, w) for w in (0, 1)] for end in ends]).reshape(-1, 2)
            for ends in (self.origins, self.destinations)
        )
        for way in range(4):
            o, d = divmod(way, 2)
            found += np.where(self.choice == way, out[:, o, None] + back[None, :, d], 0.0)
        for row, column in np.argwhere(self.choice == 4):
            legs = _legs_along(self.graph, self.origins[row], self.destinations[column])
            found[row, column] = sum(leg.km for leg in legs)
        return np.where(np.isfinite(self.minutes), found, np.nan)

    @property
    def in_vehicle(self) -> np.ndarray:
        """Minutes in trains on the fastest route of each pair; NaN where there are none."""
        level = self.graph.arcs.vertex_level
        riding = (level[self.graph.arcs.tail] == RAIL) & (level[self.graph.arcs.head] == RAIL)
        found = self._sums(np.where(riding, self.graph.arcs.minutes, 0.0))
        return np.where(np.isfinite(self.minutes) & (found > 0), found, np.nan)

    def _sums(self, of_arcs: np.ndarray) -> np.ndarray:
        """Return what the arcs of each pair's route add up to."""
        sums = self.search.sums(of_arcs)
        found = np.zeros(self.minutes.shape)
        for way in range(4):
            o, d = divmod(way, 2)
            rows = [self.search.row_of.get(end.vertices[o], 0) for end in self.origins]
            rows = np.array(rows, dtype=int)
            heads = np.array([end.vertices[d] for end in self.destinations], dtype=int)
            found = np.where(self.choice == way, sums[np.ix_(rows, heads)], found)
        return found

    def legs(self, row: int, column: int) -> list[Leg]:
        """Return the legs of one pair; empty when there is no way."""
        choice = int(self.choice[row, column])
        if not np.isfinite(self.minutes[row, column]) or choice == 5:
            return []
        origin, destination = self.origins[row], self.destinations[column]
        if choice == 4:
            return _legs_along(self.graph, origin, destination)
        o, d = divmod(choice, 2)
        arcs = self.search.arcs(origin.vertices[o], destination.vertices[d])
        return [
            *_end_leg(self.graph, origin, o, out=True),
            *(self.graph.leg(arc) for arc in arcs),
            *_end_leg(self.graph, destination, d, out=False),
        ]


def _along_one_link(
    graph: Graph, origins: list[Terminal], destinations: list[Terminal]
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs that lie beside one link, with the minutes along it."""
    columns: dict[int, list[int]] = {}
    for column, destination in enumerate(destinations):
        if destination.link >= 0:
            columns.setdefault(destination.link, []).append(column)
    for row, origin in enumerate(origins):
        for column in columns.get(origin.link, []) if origin.link >= 0 else []:
            destination = destinations[column]
            ahead = destination.fraction - origin.fraction
            if ahead >= 0 or not graph.network.links["oneway"].iloc[origin.link]:
                running = abs(ahead) * float(graph.link_minutes[origin.link])
                yield row, column, running + origin.access_minutes + destination.access_minutes


def _legs_along(graph: Graph, origin: Terminal, destination: Terminal) -> list[Leg]:
    share = abs(destination.fraction - origin.fraction)
    link = origin.link
    km = float(graph.network.links["length_km"].iloc[link]) * share
    minutes = float(graph.link_minutes[link]) * share
    return [
        Leg("access", origin.access_minutes, origin.access_km),
        Leg("link", minutes, km, str(graph.network.links.index[link])),
        Leg("access", destination.access_minutes, destination.access_km),
    ]


@dataclass(frozen=True)
class _RailTable:
    """All pairs door to door by train: drive to a station, wait, ride, leave, drive on."""

    graph: Graph
    access: _Table
    ride: _Search
    egress: _Table
    minutes: np.ndarray
    via: np.ndarray  # boarding and alighting station of each pair, shape (2, o, d)

    @classmethod
    def of(cls, graph: Graph, origins: list[Terminal], destinations: list[Terminal]) -> _RailTable:
        surface, rail = graph.stations
        stations = [
            Terminal(Place(f"station {vertex}", np.nan, np.nan), (int(vertex), -1), *_AT_NODE)
            for vertex in surface
        ]
        limit = graph.profile.access_limit_minutes
        access = _Table.of(graph, origins, stations, "road", limit)
        egress = _Table.of(graph, stations, destinations, "road", limit)
        ride = _Search.run(graph, rail, "rail", np.inf)
        riding = ride.between(rail, rail)
        np.fill_diagonal(riding, np.inf)
        overhead = graph.profile.wait_minutes + graph.profile.leave_minutes
        if not len(rail):
            size = len(origins), len(destinations)
            minutes, via = np.full(size, np.inf), np.zeros((2, *size), dtype=int)
            minutes[_same(origins, destinations)] = 0.0
            return cls(graph, access, ride, egress, minutes, via)
        boarded = access.minutes[:, :, None] + (riding + overhead)[None]
        board, arrived = boarded.argmin(axis=1), boarded.min(axis=1)
        whole = arrived[:, :, None] + egress.minutes[None]
        alight, minutes = whole.argmin(axis=1), whole.min(axis=1)
        board = np.take_along_axis(board, alight, axis=1)
        minutes[_same(origins, destinations)] = 0.0
        return cls(graph, access, ride, egress, minutes, np.stack([board, alight]))

    @property
    def km(self) -> np.ndarray:
        """Kilometres of the fastest route of each pair; NaN where there is no way."""
        riding = self.ride.sums(self.graph.arcs.km)
        return self._sums(self.access.km, riding, self.egress.km)

    @property
    def in_vehicle(self) -> np.ndarray:
        """Minutes in trains on the fastest route of each pair; NaN where there are none."""
        found = self._sums(0.0, self.ride.minutes, 0.0)
        return np.where(found > 0, found, np.nan)

    def _sums(
        self, access: np.ndarray | float, riding: np.ndarray, egress: np.ndarray | float
    ) -> np.ndarray:
        """Return what the parts of each pair's route add up to."""
        size = self.minutes.shape
        if not len(self.graph.stations[1]):
            return np.where(np.isfinite(self.minutes), 0.0, np.nan)
        board, alight = self.via
        rail = self.graph.stations[1]
        rows = np.array([self.ride.row_of[int(vertex)] for vertex in rail])
        access = np.broadcast_to(access, (size[0], len(rail)))
        egress = np.broadcast_to(egress, (len(rail), size[1]))
        found = np.take_along_axis(access, board, axis=1) + riding[rows[board], rail[alight]]
        found = found + np.take_along_axis(egress, alight, axis=0)
        return np.where(self.minutes > 0, np.where(np.isfinite(self.minutes), found, np.nan), 0.0)

    def legs(self, row: int, column: int) -> list[Leg]:
        """Return the legs of one pair; empty when there is no way."""
        if not 0 < self.minutes[row, column] < np.inf:
            return []
        board, alight = self.via[:, row, column]
        rail = self.graph.stations[1]
        arcs = self.ride.arcs(int(rail[board]), int(rail[alight]))
        return [
            *self.access.legs(row, board),
            Leg("wait", self.graph.profile.wait_minutes, 0.0),
            *(self.graph.leg(arc) for arc in arcs),
            Leg("leave", self.graph.profile.leave_minutes, 0.0),
            *self.egress.legs(alight, column),
        ]


def _same(
    origins: Sequence[Terminal], destinations: Sequence[Terminal]
) -> tuple[np.ndarray, np.ndarray]:
    same = [[o.place == d.place for d in destinations] for o in origins]
    return np.nonzero(np.array(same, dtype=bool).reshape(len(origins), len(destinations)))


def _table(
    graph: Graph, origins: Sequence[Place], destinations: Sequence[Place], mode: str
) -> _Table | _RailTable:
    if mode not in TRAVEL_MODES:
        raise InputError.of(
            "mode", f"方式应是 {'、'.join(TRAVEL_MODES)}:{mode}", "mode is road, rail or all"
        )
    starts = [graph.terminal(place) for place in origins]
    ends = [graph.terminal(place) for place in destinations]
    if mode == "rail":
        return _RailTable.of(graph, starts, ends)
    return _Table.of(graph, starts, ends, mode)


def _route(table: _Table | _RailTable, pair: tuple[int, int], ends: tuple, mode: str) -> Route:
    legs = tuple(table.legs(*pair))
    riding = [leg.minutes for leg in legs if leg.link_id in table.graph.rail_ids]
    in_vehicle = sum(riding) if riding else np.nan
    return Route(*ends, mode, float(table.minutes[pair]), legs, in_vehicle)


def routes(
    graph: Graph, origins: Sequence[Place], destinations: Sequence[Place], *, mode: str = "road"
) -> list[Route]:
    """Return the fastest route of each origin to each destination, origins outermost.

    Raises
    ------
    InputError
        When a place is far from every road, or the mode is unknown.
    """
    if not (origins and destinations):
        return []
    table = _table(graph, origins, destinations, mode)
    return [
        _route(table, (row, column), (origin, destination), mode)
        for row, origin in enumerate(origins)
        for column, destination in enumerate(destinations)
    ]


def travel_times(
    graph: Graph, origins: Sequence[Place], destinations: Sequence[Place], *, mode: str = "road"
) -> pd.DataFrame:
    """Return a table of travel times, one row for each origin and destination.

    Returns
    -------
    DataFrame
        Columns ``origin, destination`` (place ids or ``lon,lat``), ``minutes``, ``km``,
        ``straight_km``, ``mode``, ``in_vehicle``; NaN where there is no way.

    Raises
    ------
    InputError
        When a place is far from every road, or the mode is unknown.
    """
    columns = ["origin", "destination", "minutes", "km", "straight_km", "mode", "in_vehicle"]
    if not (origins and destinations):
        return pd.DataFrame(columns=columns)
    table = _table(graph, origins, destinations, mode)
    (lon1, lat1), (lon2, lat2) = (
        np.array([(place.lon, place.lat) for place in ends]).T for ends in (origins, destinations)
    )
    straight = straight_km(lon1[:, None], lat1[:, None], lon2[None], lat2[None])
    found = pd.DataFrame(
        {
            "origin": np.repeat([place.key for place in origins], len(destinations)),
            "destination": np.tile([place.key for place in destinations], len(origins)),
            "minutes": np.where(np.isfinite(table.minutes), table.minutes, np.nan).ravel(),
            "km": table.km.ravel(),
            "straight_km": straight.ravel(),
            "mode": mode,
            "in_vehicle": table.in_vehicle.ravel(),
        }
    )
    return found[columns]


def nearest(
    graph: Graph,
    origins: Sequence[Place],
    destinations: Sequence[Place],
    *,
    mode: str = "road",
    per: str = "destination",
) -> list[Route]:
    """Return for each destination the fastest route from any of the origins.

    With ``per="origin"``: for each origin the fastest route to any of the destinations.
    """
    if not (origins and destinations):
        return []
    table = _table(graph, origins, destinations, mode)
    if per == "origin":
        pairs = list(enumerate(table.minutes.argmin(axis=1)))
    else:
        pairs = [(row, column) for column, row in enumerate(table.minutes.argmin(axis=0))]
    return [
        _route(table, (int(row), int(column)), (origins[row], destinations[column]), mode)
        for row, column in pairs
    ]


def reach(
    graph: Graph,
    origins: Sequence[Place],
    limit: float,
    *,
    mode: str = "road",
    reverse: bool = False,
) -> np.ndarray:
    """Return the minutes from the nearest origin to each vertex (to it, when `reverse`).

    Infinite beyond `limit` minutes. Shape ``(graph.size,)``; `mode` is ``road`` or ``all``.

    Raises
    ------
    InputError
        When a position is far from every road, or the mode is neither of the two.
    """
    if mode not in ("road", "all"):
        raise InputError.of("mode", f"方式应是 road、all:{mode}", "mode is road or all")
    matrix, _ = graph.matrix(mode)
    matrix = matrix.T.tocsr() if reverse else matrix
    best = np.full(graph.size, np.inf)
    for place in origins:
        terminal = graph.terminal(place)
        ways = terminal.back if reverse else terminal.out
        for vertex, minutes in zip(terminal.vertices, ways, strict=True):
            if vertex >= 0 and minutes <= limit:
                found = dijkstra(matrix, indices=vertex, limit=limit - minutes)
                best = np.minimum(best, found + minutes)
    return best
