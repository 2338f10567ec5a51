"""Travel times and routes on the compiled network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from spatialplan import searches
from spatialplan.errors import InputError
from spatialplan.geodesy import straight_km
from spatialplan.network import EXPRESSWAY, RAIL, SURFACE, Arcs, Network
from spatialplan.places import Place
from spatialplan.searches import Search
from spatialplan.standards import SpeedProfile
from spatialplan.turns import restricted

if TYPE_CHECKING:
    from spatialplan.engine import Compiled
    from spatialplan.reuse import Reuse
    from spatialplan.searches import Rows

__all__ = [
    "Destinations",
    "Gate",
    "Graph",
    "Leg",
    "Route",
    "Terminal",
    "compile_graph",
    "nearest",
    "reach",
    "routes",
    "travel_times",
]

TRAVEL_MODES = ("road", "rail", "all")
TIME_COLUMNS = ["origin", "destination", "minutes", "km", "straight_km", "mode", "in_vehicle"]
SNAP_LIMIT_KM = 30.0  # a place farther from every road than this is a mistake, not a trip


@dataclass(frozen=True)
class Leg:
    """One step of a route: ``access``, ``link``, ``ramp``, ``wait`` or ``leave``.

    A step on a link names it, by its id and by its position in the network.
    """

    kind: str
    minutes: float
    km: float
    link_id: str = ""
    link: int = -1


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


class Gate(NamedTuple):
    """A vertex that a place is left by or arrived from, and the minutes and km between them.

    `way` says for a place beside a link which end of the link it is: 0 the first, 1 the last.
    """

    vertex: int
    minutes: float = 0.0
    km: float = 0.0
    way: int = 0


@dataclass(frozen=True)
class Terminal:
    """Where a place meets the roads, with the gates by which it is left and arrived at.

    A place on a node is left by the node's vertex; one beside a link by the ends of the link,
    and `link`, `fraction` say where on it. `access` is the leg from the place to the road.
    Where turns are restricted, a node has copies that one may arrive at, and a link may be
    entered from several vertices.
    """

    place: Place
    leaving: tuple[Gate, ...] = ()
    arriving: tuple[Gate, ...] = ()
    link: int = -1
    fraction: float = 0.0
    access_minutes: float = 0.0
    access_km: float = 0.0

    def share(self, way: int) -> float:
        """Return the share of the link between the place and one of its ends."""
        return self.fraction if way == 0 else 1.0 - self.fraction


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
    def _by_node(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices in the order of their levels and nodes, and those as one ascending number."""
        key = self.arcs.vertex_level * len(self.network.nodes) + self.arcs.vertex_node
        order = np.argsort(key, kind="stable")
        return order, key[order]

    def vertices(self, node: int, level: int = SURFACE) -> np.ndarray:
        """Return the vertices of a node (by position) on a level.

        The first is the node itself; the others are copies for those who may not turn from
        it as they like.
        """
        order, key = self._by_node
        asked = level * len(self.network.nodes) + node
        low, high = np.searchsorted(key, [asked, asked + 1])
        return order[low:high]

    def vertex(self, node: int, level: int = SURFACE) -> int:
        """Return the vertex that a node (by position) is on a level, or -1."""
        found = self.vertices(node, level)
        return int(found[0]) if len(found) else -1

    @cached_property
    def _by_link(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.arcs.link, kind="stable")
        return order, self.arcs.link[order]

    def arcs_of(self, link: int) -> np.ndarray:
        """Return the arcs of a link; one for each way unless turns are restricted at its ends."""
        order, links = self._by_link
        low, high = np.searchsorted(links, [link, link + 1])
        return order[low:high]

    def at_links(self, best: np.ndarray, reverse: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return the least minutes at which each link is entered at its first and its last end.

        Parameters
        ----------
        best
            Minutes at each vertex, as `reach` gives them.
        reverse
            The least minutes that one has still to go on leaving it by these ends.
        """
        arcs, count = self.arcs, len(self.network.links)
        at = best[arcs.head if reverse else arcs.tail]
        usable = np.flatnonzero((arcs.link >= 0) & np.isfinite(at))
        found = np.full((2, count), np.inf)
        ends = arcs.backward[usable] != reverse
        np.minimum.at(found, (ends.astype(int), arcs.link[usable]), at[usable])
        return found[0], found[1]

    @cached_property
    def link_minutes(self) -> np.ndarray:
        """Running minutes of each link."""
        minutes = np.empty(len(self.network.links))
        forward = (self.arcs.link >= 0) & ~self.arcs.backward
        minutes[self.arcs.link[forward]] = self.arcs.minutes[forward]
        return minutes

    @cached_property
    def link_km(self) -> np.ndarray:
        """Length of each link in km."""
        return self.network.links["length_km"].to_numpy(dtype=float)

    @cached_property
    def _matrices(self) -> dict[str, tuple[csr_array, np.ndarray]]:
        return {}

    def matrix(self, mode: str) -> tuple[csr_array, np.ndarray]:
        """Return minutes between vertices as CSR, and the arc behind each stored entry.

        Of parallel arcs of the mode (`Arcs.usable`) the fastest is kept.
        """
        if mode not in self._matrices:
            self._matrices[mode] = _csr(self.arcs, self.arcs.usable(mode), self.size)
        return self._matrices[mode]

    @cached_property
    def _compiled(self) -> dict[str, Compiled]:
        return {}

    def compiled(self, mode: str) -> Compiled:
        """Return the arcs of a mode, as of `matrix`, compiled for searches on large networks."""
        from spatialplan import engine

        if mode not in self._compiled:
            found = self.reuse(mode)
            self._compiled[mode] = found.after if found else engine.compile_travel(self, mode)
        return self._compiled[mode]

    @cached_property
    def _reuses(self) -> dict[str, Reuse | None]:
        return {}

    def reuse(self, mode: str) -> Reuse | None:
        """Return how what was compiled before the edits of the network serves; None: there is none.

        That is so when it is there already by the time this graph is first asked for.
        """
        if mode not in self._reuses:
            from spatialplan import reuse

            earlier = self.earlier
            there = earlier is not None and mode in earlier._compiled
            self._reuses[mode] = reuse.reuse(earlier, self, mode) if there else None
        return self._reuses[mode]

    @property
    def earlier(self) -> Graph | None:
        """The graph of the network before its edits, when there is one under the same profile."""
        lineage = self.network.lineage
        before = lineage.origin() if lineage else None
        return before.kept.get(("graph", self._compiled_under)) if before else None

    @cached_property
    def rows(self) -> dict[tuple[str, float], Rows]:
        """Times that were found on a large network, by mode and limit (see `searches`)."""
        return {}

    def under(self, profile: SpeedProfile) -> Graph:
        """Return this graph under a profile by which every arc takes the same time."""
        found = replace(self, profile=profile)
        shared = ("_compiled_under", "_matrices", "_compiled", "_reuses", "rows")
        found.__dict__.update({name: getattr(self, name) for name in shared})
        return found

    @cached_property
    def _compiled_under(self) -> SpeedProfile:
        return self.profile

    @cached_property
    def riding_minutes(self) -> np.ndarray | None:
        """Minutes of each arc in a train, 0 elsewhere; None where there are no trains."""
        on_rail = self.arcs.vertex_level == RAIL
        riding = on_rail[self.arcs.tail] & on_rail[self.arcs.head]
        return np.where(riding, self.arcs.minutes, 0.0) if riding.any() else None

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
            return Leg("link", minutes, km, str(self.network.links.index[link]), int(link))
        level = self.arcs.vertex_level
        ends = level[self.arcs.tail[arc]], level[self.arcs.head[arc]]
        kind = "ramp" if EXPRESSWAY in ends else "wait" if ends[1] == RAIL else "leave"
        return Leg(kind, minutes, km)

    @cached_property
    def stations(self) -> tuple[np.ndarray, np.ndarray]:
        """Surface and rail vertices of the stations that have a road."""
        level = self.arcs.vertex_level
        up = np.flatnonzero((level[self.arcs.tail] == SURFACE) & (level[self.arcs.head] == RAIL))
        # Of a station with copies the first vertex is the station itself.
        _, first = np.unique(self.arcs.vertex_node[self.arcs.tail[up]], return_index=True)
        return self.arcs.tail[up[first]], self.arcs.head[up[first]]

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

    def slim(self, places: Iterable[Place], mode: str) -> Graph:
        """Return what trips between some places by one mode need: no lines, no names.

        For sending: circles, routes and further places need the whole graph. What searches
        share is found now, not by each who receives it.

        Raises
        ------
        InputError
            As `terminal`.
        """
        terminals = {place: self.terminal(place) for place in places}
        searches.prepare(self, mode)
        nodes = pd.DataFrame(index=pd.RangeIndex(len(self.network.nodes)))
        links = self.network.links[["length_km", "oneway"]].reset_index(drop=True)
        slim = Graph(Network(nodes, links), self.profile, self.arcs)
        slim._terminals.update(terminals)
        slim._compiled.update(self._compiled)
        return slim

    def _node_terminal(self, place: Place) -> Terminal | None:
        node = self.network.node_of(place.place_id)
        if node is None:
            return None
        vertices = self.vertices(self.network.nodes.index.get_loc(node)).tolist()
        return self.at_vertices(place, vertices) if vertices else None

    def at_vertices(self, place: Place, vertices: Sequence[int]) -> Terminal:
        """Return a place as one on a node, whose vertices are given, the node itself first."""
        gates = tuple(map(Gate, vertices))
        return Terminal(place, gates[:1], gates)

    def _link_terminal(self, place: Place) -> Terminal:
        found = self.network.nearest_link(place.lon, place.lat)
        if found is None:
            raise InputError.of(
                place.name_zh, "路网中没有普通公路", "the network has no ordinary road"
            )
        distance = found[2]
        if distance > SNAP_LIMIT_KM and place.place_id:
            return Terminal(place)
        if distance > SNAP_LIMIT_KM:
            raise InputError.of(
                place.name_zh,
                f"离最近的公路 {distance:.0f} km,超过 {SNAP_LIMIT_KM:.0f} km;请检查坐标或路网范围",
                f"{distance:.0f} km from the nearest road; check the position or the network",
            )
        return self._beside(place, *found)

    def _beside(self, place: Place, link: int, fraction: float, distance: float) -> Terminal:
        """Return a place beside a link, at a fraction of it and km from it."""
        access = distance / self.profile.access_kmh * 60.0
        shares = fraction, 1.0 - fraction
        minutes = [access + share * float(self.link_minutes[link]) for share in shares]
        whole = float(self.link_km[link])
        gates: tuple[set[Gate], set[Gate]] = set(), set()
        for arc in self.arcs_of(link).tolist():
            back = int(self.arcs.backward[arc])
            for side, vertex, way in (
                (0, int(self.arcs.head[arc]), 1 - back),
                (1, int(self.arcs.tail[arc]), back),
            ):
                km = distance + shares[way] * whole
                gates[side].add(Gate(vertex, minutes[way], km, way))
        order = attrgetter("way", "vertex")
        leaving, arriving = (tuple(sorted(side, key=order)) for side in gates)
        return Terminal(place, leaving, arriving, link, fraction, access, distance)


def compile_graph(network: Network, profile: SpeedProfile) -> Graph:
    """Return the network compiled for travel under a speed profile; that is done once."""
    key = "graph", profile
    if key not in network.kept:
        network.kept[key] = Graph(network, profile, restricted(network, network.arcs(profile)))
    return network.kept[key]


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


def _end_leg(graph: Graph, terminal: Terminal, way: int, out: bool) -> list[Leg]:
    """Return the legs between a place and one of its vertices, in the order of travel."""
    if terminal.link < 0:
        return []
    share = terminal.share(way)
    link_id = str(graph.network.links.index[terminal.link])
    km = float(graph.link_km[terminal.link]) * share
    legs = [
        Leg("access", terminal.access_minutes, terminal.access_km),
        Leg("link", float(graph.link_minutes[terminal.link]) * share, km, link_id, terminal.link),
    ]
    return legs if out else legs[::-1]


@dataclass(frozen=True)
class _Gates:
    """Gates of some terminals as arrays of shape (terminals, most gates); vertex -1: none."""

    vertices: np.ndarray
    minutes: np.ndarray
    km: np.ndarray

    @classmethod
    def of(cls, gates: Sequence[Sequence[Gate]]) -> _Gates:
        size = len(gates), max(map(len, gates), default=0) or 1
        found = cls(np.full(size, -1), np.full(size, np.inf), np.zeros(size))
        for row, some in enumerate(gates):
            for column, gate in enumerate(some):
                found.vertices[row, column], found.minutes[row, column] = gate.vertex, gate.minutes
                found.km[row, column] = gate.km
        return found


@dataclass(frozen=True)
class _Ends:
    """Where trips end, whatever the origins: gates, and which ends are of a place or a link."""

    terminals: Sequence[Terminal]
    gates: _Gates
    of_place: dict[Place, list[int]]
    of_link: dict[int, list[int]]

    @classmethod
    def of(cls, terminals: Sequence[Terminal]) -> _Ends:
        of_place: dict[Place, list[int]] = {}
        of_link: dict[int, list[int]] = {}
        for column, terminal in enumerate(terminals):
            of_place.setdefault(terminal.place, []).append(column)
            if terminal.link >= 0:
                of_link.setdefault(terminal.link, []).append(column)
        gates = _Gates.of([terminal.arriving for terminal in terminals])
        return cls(terminals, gates, of_place, of_link)


ALONG, SAME = -1, -2  # choices of a route that passes no gate


@dataclass(frozen=True)
class _Table:
    """All pairs of some terminals on roads (or on everything): minutes and how they came."""

    graph: Graph
    search: Search
    origins: Sequence[Terminal]
    ends: _Ends
    out: _Gates
    minutes: np.ndarray
    choice: np.ndarray  # number of the origin's gate × most gates + that of the destination's

    @classmethod
    def of(
        cls,
        graph: Graph,
        origins: Sequence[Terminal],
        ends: _Ends,
        mode: str,
        limit: float = np.inf,
    ) -> _Table:
        out, back = _Gates.of([origin.leaving for origin in origins]), ends.gates
        search = searches.search(graph, out.vertices, mode, limit)
        found = search.between(out.vertices.ravel(), back.vertices.ravel())
        options = found.reshape(*out.minutes.shape, *back.minutes.shape)
        options = options + out.minutes[:, :, None, None] + back.minutes
        ways = out.minutes.shape[1] * back.minutes.shape[1]
        options = options.transpose(1, 3, 0, 2).reshape(ways, *options.shape[::2])
        minutes, choice = options.min(axis=0), options.argmin(axis=0)
        for row, column, along in _along_one_link(graph, origins, ends):
            if along < minutes[row, column]:
                minutes[row, column], choice[row, column] = along, ALONG
        same = _same(origins, ends)
        minutes[same], choice[same] = 0.0, SAME
        minutes[minutes > limit] = np.inf
        return cls(graph, search, origins, ends, out, minutes, choice)

    @cached_property
    def km(self) -> np.ndarray:
        """Kilometres of the fastest route of each pair; NaN where there is no way."""
        found = self._sums(self.graph.arcs.km)
        pairs, (first, last) = self._passing
        found[pairs] += self.out.km[pairs[0], first] + self.ends.gates.km[pairs[1], last]
        for row, column in np.argwhere(self.choice == ALONG):
            legs = _legs_along(self.graph, self.origins[row], self.ends.terminals[column])
            found[row, column] = sum(leg.km for leg in legs)
        return np.where(np.isfinite(self.minutes), found, np.nan)

    @property
    def in_vehicle(self) -> np.ndarray:
        """Minutes in trains on the fastest route of each pair; NaN where there are none."""
        riding = self.graph.riding_minutes
        if riding is None:
            return np.full(self.minutes.shape, np.nan)
        found = self._sums(riding)
        return np.where(np.isfinite(self.minutes) & (found > 0), found, np.nan)

    @property
    def _passing(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """The pairs whose route passes gates, and the numbers of the gates at both ends."""
        pairs = np.nonzero(np.isfinite(self.minutes) & (self.choice >= 0))
        return pairs, np.divmod(self.choice[pairs], self.ends.gates.vertices.shape[1])

    def _sums(self, of_arcs: np.ndarray) -> np.ndarray:
        """Return what the arcs of each pair's route add up to."""
        pairs, (first, last) = self._passing
        tails = self.out.vertices[pairs[0], first]
        heads = self.ends.gates.vertices[pairs[1], last]
        found = np.zeros(self.minutes.shape)
        found[pairs] = self.search.sums(of_arcs, tails, heads)
        return found

    def legs(self, row: int, column: int) -> list[Leg]:
        """Return the legs of one pair; empty when there is no way."""
        choice = int(self.choice[row, column])
        if not np.isfinite(self.minutes[row, column]) or choice == SAME:
            return []
        origin, destination = self.origins[row], self.ends.terminals[column]
        if choice == ALONG:
            return _legs_along(self.graph, origin, destination)
        first, last = divmod(choice, self.ends.gates.vertices.shape[1])
        begin, end = origin.leaving[first], destination.arriving[last]
        return [
            *_end_leg(self.graph, origin, begin.way, out=True),
            *(self.graph.leg(arc) for arc in self.search.arcs(begin.vertex, end.vertex)),
            *_end_leg(self.graph, destination, end.way, out=False),
        ]


def _along_one_link(
    graph: Graph, origins: Sequence[Terminal], ends: _Ends
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs that lie beside one link, with the minutes along it."""
    for row, origin in enumerate(origins):
        for column in ends.of_link.get(origin.link, ()):
            destination = ends.terminals[column]
            ahead = destination.fraction - origin.fraction
            if ahead >= 0 or not graph.network.links["oneway"].iloc[origin.link]:
                running = abs(ahead) * float(graph.link_minutes[origin.link])
                yield row, column, running + origin.access_minutes + destination.access_minutes


def _legs_along(graph: Graph, origin: Terminal, destination: Terminal) -> list[Leg]:
    share = abs(destination.fraction - origin.fraction)
    link = origin.link
    km = float(graph.link_km[link]) * share
    minutes = float(graph.link_minutes[link]) * share
    return [
        Leg("access", origin.access_minutes, origin.access_km),
        Leg("link", minutes, km, str(graph.network.links.index[link]), link),
        Leg("access", destination.access_minutes, destination.access_km),
    ]


@dataclass(frozen=True)
class _Rails:
    """What follows the drive to a station, whatever the origins: the ride, and the drive on."""

    graph: Graph
    stations: _Ends
    ride: Search
    egress: _Table
    minutes: np.ndarray  # of the ride from station to station, in the order of `Graph.stations`

    @classmethod
    def of(cls, graph: Graph, ends: _Ends) -> _Rails:
        surface, rail = graph.stations
        stations = [
            graph.at_vertices(
                Place(f"station {vertex}", np.nan, np.nan),
                graph.vertices(graph.arcs.vertex_node[vertex]).tolist(),
            )
            for vertex in surface
        ]
        egress = _Table.of(graph, stations, ends, "road", graph.profile.access_limit_minutes)
        ride = searches.search(graph, rail, "rail")
        minutes = ride.between(rail, rail)
        np.fill_diagonal(minutes, np.inf)
        return cls(graph, _Ends.of(stations), ride, egress, minutes)

    @cached_property
    def km(self) -> np.ndarray:
        """Kilometres of the ride from station to station; NaN where there is none."""
        rail, found = self.graph.stations[1], np.full(self.minutes.shape, np.nan)
        board, alight = pairs = np.nonzero(np.isfinite(self.minutes))
        found[pairs] = self.ride.sums(self.graph.arcs.km, rail[board], rail[alight])
        return found


@dataclass(frozen=True)
class _RailTable:
    """All pairs door to door by train: drive to a station, wait, ride, leave, drive on."""

    rails: _Rails
    access: _Table
    minutes: np.ndarray
    via: np.ndarray  # boarding and alighting station of each pair, shape (2, o, d)

    @classmethod
    def of(cls, rails: _Rails, origins: Sequence[Terminal]) -> _RailTable:
        graph, egress = rails.graph, rails.egress
        limit = graph.profile.access_limit_minutes
        access = _Table.of(graph, origins, rails.stations, "road", limit)
        size = len(origins), len(egress.ends.terminals)
        minutes, via = np.full(size, np.inf), np.zeros((2, *size), dtype=int)
        if len(rails.minutes):
            overhead = graph.profile.wait_minutes + graph.profile.leave_minutes
            boarded = access.minutes[:, :, None] + (rails.minutes + overhead)[None]
            board, arrived = boarded.argmin(axis=1), boarded.min(axis=1)
            whole = arrived[:, :, None] + egress.minutes[None]
            alight, minutes = whole.argmin(axis=1), whole.min(axis=1)
            via = np.stack([np.take_along_axis(board, alight, axis=1), alight])
        minutes[_same(origins, egress.ends)] = 0.0
        return cls(rails, access, minutes, via)

    @property
    def graph(self) -> Graph:
        """The network that it is of."""
        return self.rails.graph

    @property
    def km(self) -> np.ndarray:
        """Kilometres of the fastest route of each pair; NaN where there is no way."""
        pairs, found = self._riding, np.zeros(self.minutes.shape)
        board, alight = self.via[:, *pairs]
        found[pairs] = self.rails.km[board, alight] + self.access.km[pairs[0], board]
        found[pairs] += self.rails.egress.km[alight, pairs[1]]
        return np.where(np.isfinite(self.minutes), found, np.nan)

    @property
    def in_vehicle(self) -> np.ndarray:
        """Minutes in trains on the fastest route of each pair; NaN where there are none."""
        pairs, found = self._riding, np.full(self.minutes.shape, np.nan)
        found[pairs] = self.rails.minutes[*self.via[:, *pairs]]
        return found

    @property
    def _riding(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs that go by train."""
        return np.nonzero((self.minutes > 0) & np.isfinite(self.minutes))

    def legs(self, row: int, column: int) -> list[Leg]:
        """Return the legs of one pair; empty when there is no way."""
        if not 0 < self.minutes[row, column] < np.inf:
            return []
        board, alight = self.via[:, row, column]
        rail = self.graph.stations[1]
        arcs = self.rails.ride.arcs(int(rail[board]), int(rail[alight]))
        return [
            *self.access.legs(row, board),
            Leg("wait", self.graph.profile.wait_minutes, 0.0),
            *(self.graph.leg(arc) for arc in arcs),
            Leg("leave", self.graph.profile.leave_minutes, 0.0),
            *self.rails.egress.legs(alight, column),
        ]


def _same(origins: Sequence[Terminal], ends: _Ends) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pairs that are one place."""
    pairs = [(row, c) for row, o in enumerate(origins) for c in ends.of_place.get(o.place, ())]
    rows, same = np.array(pairs, dtype=int).reshape(-1, 2).T
    return rows, same


@dataclass(frozen=True)
class Destinations:
    """Places to travel to, made ready once for any number of origins."""

    graph: Graph
    places: Sequence[Place]
    mode: str
    ends: _Ends
    rails: _Rails | None

    @classmethod
    def of(cls, graph: Graph, places: Sequence[Place], mode: str = "road") -> Destinations:
        """Make some places ready.

        Raises
        ------
        InputError
            When a place is far from every road, or the mode is unknown.
        """
        if mode not in TRAVEL_MODES:
            raise InputError.of(
                "mode", f"方式应是 {'、'.join(TRAVEL_MODES)}:{mode}", "mode is road, rail or all"
            )
        ends = _Ends.of([graph.terminal(place) for place in places])
        rails = _Rails.of(graph, ends) if mode == "rail" else None
        return cls(graph, places, mode, ends, rails)

    def table(self, origins: Sequence[Place]) -> _Table | _RailTable:
        """Return the fastest ways from some origins, to read minutes, km and legs from."""
        starts = [self.graph.terminal(place) for place in origins]
        if self.rails is not None:
            return _RailTable.of(self.rails, starts)
        return _Table.of(self.graph, starts, self.ends, self.mode)

    def prepare(self) -> None:
        """Find now what tables of all origins share, as before sending this to many machines."""
        if self.rails is not None:
            self.rails.km, self.rails.egress.km  # noqa: B018 - kept once they are found

    def times(self, origins: Sequence[Place]) -> pd.DataFrame:
        """Return the rows of some origins, as `travel_times`; columns of text are categories."""
        table = self.table(origins)
        rows, columns = (part.ravel() for part in np.indices(table.minutes.shape, np.int32))
        (lon1, lat1), (lon2, lat2) = (
            np.array([(place.lon, place.lat) for place in ends]).T
            for ends in (origins, self.places)
        )
        straight = straight_km(lon1[:, None], lat1[:, None], lon2[None], lat2[None])
        return pd.DataFrame(
            {
                "origin": pd.Categorical([place.key for place in origins]).take(rows),
                "destination": pd.Categorical([place.key for place in self.places]).take(columns),
                "minutes": np.where(np.isfinite(table.minutes), table.minutes, np.nan).ravel(),
                "km": table.km.ravel(),
                "straight_km": straight.ravel(),
                "mode": pd.Categorical([self.mode]).take(np.zeros_like(rows)),
                "in_vehicle": table.in_vehicle.ravel(),
            }
        )


def _table(
    graph: Graph, origins: Sequence[Place], destinations: Sequence[Place], mode: str
) -> _Table | _RailTable:
    return Destinations.of(graph, destinations, mode).table(origins)


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
    if not (origins and destinations):
        return pd.DataFrame(columns=TIME_COLUMNS)
    found = Destinations.of(graph, destinations, mode).times(origins)
    return found.astype(dict.fromkeys(found.columns[found.dtypes == "category"], str))


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
    Where turns are restricted a node has several vertices (`Graph.vertices`): one is there at
    the least of their minutes.

    Raises
    ------
    InputError
        When a position is far from every road, or the mode is neither of the two.
    """
    if mode not in ("road", "all"):
        raise InputError.of("mode", f"方式应是 road、all:{mode}", "mode is road or all")
    terminals = map(graph.terminal, origins)
    gates = [gate for t in terminals for gate in (t.arriving if reverse else t.leaving)]
    starts = [(gate.vertex, gate.minutes) for gate in gates]
    return searches.reached(graph, starts, limit, mode, reverse)
