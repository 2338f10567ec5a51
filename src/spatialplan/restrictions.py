"""Turn restrictions of an OpenStreetMap extract: which bind cars, and what links they speak of.

A restriction is a relation of ways; by the time it is read, ways have become links, cut where
others meet them and joined where nothing happens. One is taken only when there is no doubt which
links are meant.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import tags as tagging
from spatialplan.chains import Chains, Ways
from spatialplan.network import VIA, as_restrictions

__all__ = ["Relations"]

MEETINGS = 2  # nodes that two ways may share: a street may meet a crescent at both its ends


@dataclass(frozen=True)
class _Relation:
    """A restriction as it stands in the extract: `ways` from the first to the last.

    Those between are the ways it goes by; without them the two meet at `node`.
    """

    number: int
    tag: str
    ways: tuple[int, ...]
    node: int


@dataclass(frozen=True)
class _End:
    """A link at one of its ends: whether one may arrive there by it, and leave by it."""

    link: int
    other: int
    arrives: bool
    leaves: bool


@dataclass
class Relations:
    """Restrictions being collected; `counts` says why others were left."""

    counts: Counter = field(default_factory=Counter)
    _found: list[_Relation] = field(default_factory=list)

    def add(
        self, number: int, tags: Mapping[str, str], members: Iterable[tuple[str, int, str]]
    ) -> None:
        """Take a relation, if it binds cars and its members are what they should be."""
        tag, reason = tagging.turn(tags)
        roles: dict[str, list[tuple[str, int]]] = {"from": [], "via": [], "to": []}
        for kind, ref, role in members:
            roles.setdefault(role, []).append((kind, ref))
        via = "".join(kind for kind, _ in roles["via"])
        ends = {kind for role in ("from", "to") for kind, _ in roles[role] or [("", 0)]}
        if reason in ("hours", "others"):
            self.counts[f"restrictions_{reason}"] += 1
        elif not tag or ends != {"w"} or not (via == "n" or set(via) == {"w"}):
            self.counts["restrictions_off"] += 1
        else:
            refs = tuple(ref for _, ref in roles["via"])
            node, between = (refs[0], ()) if via == "n" else (0, refs)
            for (_, first), (_, last) in product(roles["from"], roles["to"]):
                self._found.append(_Relation(number, tag, (first, *between, last), node))

    def nodes(self, ways: Ways) -> set[int]:
        """Return the nodes that must stay nodes, so that links begin and end there."""
        lines = self._lines(ways)
        return {node for found in self._found for at in _meetings(found, lines) for node in at}

    def _lines(self, ways: Ways) -> dict[int, list[list[int]]]:
        """Return the nodes of the ways of restrictions by way of some; in parts at barriers."""
        numbers = np.array(ways.number, dtype=np.int64)
        wanted = {way for found in self._found if len(found.ways) > 2 for way in found.ways}
        end = np.cumsum(np.array(ways.size, dtype=np.int64))
        lines: dict[int, list[list[int]]] = defaultdict(list)
        for row in np.flatnonzero(np.isin(numbers, list(wanted))).tolist():
            part = ways.node[end[row] - ways.size[row] : end[row]]
            lines[int(numbers[row])].append(part.tolist())
        return lines

    def table(
        self, ways: Ways, chains: Chains, ids: tuple[np.ndarray, np.ndarray], there: Collection[str]
    ) -> gpd.GeoDataFrame:
        """Return the restrictions whose links are in the network.

        Parameters
        ----------
        ids
            Of the nodes and of the links of `chains`.
        there
            Ids of the links that stayed in the network.
        """
        lines = self._lines(ways)
        stops = {node for parts in lines.values() for part in parts for node in part}
        ends = _ends(ways, chains, stops | self.nodes(ways))
        rows = []
        for found in self._found:
            options = [
                (at[0], links)
                for at in product(*_meetings(found, lines))
                for links in _along(found.ways, at, lines, ends)
            ]
            if len(options) != 1 or any(ids[1][link] not in there for link in options[0][1]):
                self.counts["restrictions_off"] += 1
                continue
            [(number, links)] = options
            node = int(np.searchsorted(chains.node, number))
            first, *between, last = (ids[1][link] for link in links)
            rows.append(
                {
                    "restriction_id": f"osm-{found.number}",
                    "from_link": first,
                    "via_node": ids[0][node],
                    "to_link": last,
                    "kind": found.tag.partition("_")[0],
                    "via_links": VIA.join(between),
                    "tag": found.tag,
                    "geometry": shapely.Point(chains.lon[node], chains.lat[node]),
                }
            )
        self.counts["restrictions"] = len(rows)
        self.counts["restrictions_via"] = sum(row["via_links"] != "" for row in rows)
        return as_restrictions(pd.DataFrame(rows))


def _meetings(found: _Relation, lines: Mapping[int, list[list[int]]]) -> list[list[int]]:
    """Return the nodes where each way may meet the next; none where they run together."""
    if len(found.ways) == 2:
        return [[found.node]]
    nodes = [{node for part in lines.get(way, ()) for node in part} for way in found.ways]
    common = [sorted(one & other) for one, other in pairwise(nodes)]
    return [at if len(at) <= MEETINGS else [] for at in common]


def _ends(ways: Ways, chains: Chains, nodes: Collection[int]) -> dict[tuple[int, int], list[_End]]:
    """Return the links that end at some nodes, by node and way."""
    oneway = np.array([kind[1] for kind in ways.kinds])[chains.kind]
    chosen = np.isin(chains.node, np.fromiter(nodes, dtype=np.int64))
    found: dict[tuple[int, int], list[_End]] = defaultdict(list)
    sides = (chains.first, chains.last, chains.way), (chains.last, chains.first, chains.last_way)
    for is_last, (near, far, way) in enumerate(sides):
        for link in np.flatnonzero(chosen[near]).tolist():
            both = not oneway[link]
            end = _End(
                link, int(chains.node[far[link]]), bool(is_last) or both, not is_last or both
            )
            found[int(chains.node[near[link]]), int(way[link])].append(end)
    return found


def _along(
    ways: Sequence[int],
    at: Sequence[int],
    lines: Mapping[int, list[list[int]]],
    ends: Mapping[tuple[int, int], list[_End]],
) -> Iterator[tuple[int, ...]]:
    """Yield the links along some ways that meet at some nodes; several: there is doubt."""
    between = [
        _stretch(way, *pair, lines, ends)
        for way, pair in zip(ways[1:-1], pairwise(at), strict=True)
    ]
    if all(between):
        enter = [end.link for end in ends.get((at[0], ways[0]), ()) if end.arrives]
        leave = [end.link for end in ends.get((at[-1], ways[-1]), ()) if end.leaves]
        for first, last in product(enter, leave):
            yield (first, *(link for links in between for link in links), last)


def _stretch(
    way: int,
    start: int,
    end: int,
    lines: Mapping[int, list[list[int]]],
    ends: Mapping[tuple[int, int], list[_End]],
) -> list[int]:
    """Return the links along a way from one of its nodes to another; none when in doubt."""
    for part in lines[way]:
        if start == end or start not in part or end not in part:
            continue
        low, high = part.index(start), part.index(end)
        run = part[low : high + 1] if low < high else part[high : low + 1][::-1]
        stops = [node for node in run if (node, way) in ends]
        links = [
            [e.link for e in ends[one, way] if e.other == other and e.leaves]
            for one, other in pairwise(stops)
        ]
        if all(len(options) == 1 for options in links):
            return [link for [link] in links]
    return []
