"""Turn restrictions in routing: vertices that remember by which links one came.

Whoever runs over the links that a restriction begins with arrives at a copy of the junction, from
which the arcs go on that he may take; the copies of one restriction after another remember
longer ways (an automaton that looks for words, Aho and Corasick 1975, CACM 18(6), whose letters
are links). Nothing else changes, so every search that works on arcs honours the restrictions. A
trip that begins at a node begins at the node itself, which can be left by every arc; one that
ends there ends at the node or at any of its copies.

To turn round on the link just used never saves time but where a restriction stands: going past a
forbidden turn, turning round and coming back would undo it. Around restrictions, as far as
`TURNING_LINKS` links, nobody therefore turns round where he may go on, as in OSRM, Valhalla and
GraphHopper; at dead ends everybody may. Farther away it stays free: where no sign forbids it, the
law allows it (道路交通安全法实施条例 art. 49), and going so far is a detour of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spatialplan.network import RAIL, VIA, Arcs, Network, as_restrictions

__all__ = ["followed", "forbidden_turns", "named", "restricted", "usable"]

TURNING_LINKS = 3

# A step is a run over a link: twice its position, and one more when it is run from its end.
Path = tuple[int, ...]


def named(restrictions: pd.DataFrame, link_ids: Collection[str]) -> np.ndarray:
    """Return which restrictions name some links, first, last or between."""
    ids = set(link_ids)
    between = [bool(text) and not ids.isdisjoint(_via(text)) for text in restrictions["via_links"]]
    ends = restrictions["from_link"].isin(ids) | restrictions["to_link"].isin(ids)
    return ends.to_numpy() | np.array(between, dtype=bool)


def followed(
    restrictions: pd.DataFrame, link_id: str, pieces: pd.DataFrame, *, keep: bool = True
) -> pd.DataFrame:
    """Return turn restrictions that hold for the pieces of a link that was cut, too.

    Parameters
    ----------
    pieces
        Rows of links with ``from_node, to_node``; a restriction of the link becomes one of the
        piece that ends at its node, and one by way of the link one by way of all pieces.
    keep
        Keep the rows that name the whole link: they count again when the cut is taken back.
    """
    if not (whole := named(restrictions, [link_id])).any():
        return restrictions
    cut = restrictions[whole]
    for side in ("from_link", "to_link"):
        rows = cut[cut[side] == link_id]
        # Where the links between end is not known here: the piece that does not fit sleeps.
        anywhere = (rows["via_links"] != "") & (side == "to_link")
        for piece in pieces.itertuples():
            there = rows["via_node"].isin([piece.from_node, piece.to_node]) | anywhere
            cut = pd.concat([cut, rows[there].assign(**{side: piece.Index})])
    between = [_via(text) for text in cut["via_links"]]
    parts = [[n for v in via for n in (pieces.index if v == link_id else [v])] for via in between]
    cut = cut.assign(via_links=[VIA.join(names) for names in parts])
    cut = cut[~named(cut, [link_id])]
    return as_restrictions(pd.concat([restrictions if keep else restrictions[~whole], cut]))


def _via(text: str) -> list[str]:
    """Return the ids of the links between the first and the last."""
    return [name for part in text.split(VIA.strip()) if (name := part.strip())]


def usable(network: Network, restrictions: pd.DataFrame) -> np.ndarray:
    """Return which restrictions count: their node and links are here, meet, and can be run."""
    return np.array([path is not None for path in _paths(network, restrictions)], dtype=bool)


def forbidden_turns(network: Network) -> pd.DataFrame:
    """Return the turns that the restrictions of a network forbid, those of `only` each by each.

    Returns
    -------
    DataFrame
        Positions in the tables of the network: ``first`` and ``last`` (the link one comes by, and
        the one that may not follow), ``start`` and ``end`` (the nodes where those begin and end),
        ``node`` (where the last begins). Turning round is left out: it leads nowhere new.
    """
    found = [
        (path[0], path[-1], last)
        for path, links in _forbidden(network, network.restrictions).items()
        for last in sorted(links)
    ]
    enters, steps, last = np.array(found, dtype=np.int64).reshape(-1, 3).T
    node = _heads(network, steps)
    start, end = _heads(network, enters ^ 1), _heads(network, _step(network, last, node))
    columns = {"first": enters // 2, "node": node, "last": last, "start": start, "end": end}
    table = pd.DataFrame(columns)
    return table[(table["start"] != table["end"]) & (_step(network, last, node) >= 0)]


def restricted(network: Network, arcs: Arcs, restrictions: pd.DataFrame | None = None) -> Arcs:
    """Return the arcs with turn restrictions built in.

    Parameters
    ----------
    network, arcs
        A network and its arcs under some profile.
    restrictions
        By default the network's own. Columns ``from_link, via_node, to_link`` (ids of the
        network), ``via_links`` (ids of the links between, where there are any) and ``kind``:
        ``no`` (this turn is forbidden) or ``only`` (every other one is, on the way over the
        links between as well). Rows about links or nodes that the network lacks, about
        railways, or that no way goes along are passed over.

    Returns
    -------
    Arcs
        With more vertices than before: copies come after the old ones, which keep their
        numbers. A trip that starts at a node is not restricted there.
    """
    table = network.restrictions if restrictions is None else restrictions
    forbidden = _forbidden(network, table) if len(table) else {}
    return _expanded(arcs, _Memory.of(network, forbidden)) if forbidden else arcs


def _paths(network: Network, table: pd.DataFrame) -> list[Path | None]:
    """Return the steps of each restriction up to the last turn; None where it does not count."""
    first, last = (network.links.index.get_indexer(table[s]) for s in ("from_link", "to_link"))
    node = network.nodes.index.get_indexer(table["via_node"])
    enters, leaves = _step(network, first, node, into=True), _step(network, last, node)
    found: list[Path | None] = [
        (step,) if step >= 0 and out >= 0 else None
        for step, out in zip(enters.tolist(), leaves.tolist(), strict=True)
    ]
    for row in np.flatnonzero((table["via_links"] != "").to_numpy()):
        via = network.links.index.get_indexer(_via(table["via_links"].iloc[row])).tolist()
        found[row] = _along(network, int(enters[row]), via, last[row])
    return found


def _along(network: Network, enters: int, via: list[int], last: int) -> Path | None:
    """Return the way over some links, in whatever order they come; None: there is none."""
    path, left = [enters], list(via)
    while path[-1] >= 0 and left:
        steps = _step(network, np.array(left), _heads(network, path[-1]))
        taken = int((steps >= 0).argmax())
        path.append(int(steps[taken]))
        del left[taken]
    goes_on = path[-1] >= 0 and _step(network, last, _heads(network, path[-1])) >= 0
    return tuple(path) if goes_on else None


def _step(
    network: Network, link: np.ndarray, node: np.ndarray, *, into: bool = False
) -> np.ndarray:
    """Return the steps over links out of nodes (or into them); -1 where there is none."""
    near, far = network.ends[::-1] if into else network.ends
    backward = near[link] != node
    possible = (link >= 0) & (node >= 0) & (network.levels[link] != RAIL)
    oneway = network.links["oneway"].to_numpy(dtype=bool)
    possible &= ~backward | ((far[link] == node) & ~oneway[link])
    return np.where(possible, 2 * link + backward, -1)


def _heads(network: Network, steps: np.ndarray) -> np.ndarray:
    """Return the nodes that steps lead to."""
    first, last = network.ends
    return np.where(steps % 2, first[steps // 2], last[steps // 2])


def _forbidden(network: Network, restrictions: pd.DataFrame) -> dict[Path, set[int]]:
    """Return the links that may not follow on some ways; all restricted ways are among them."""
    no: dict[Path, set[int]] = defaultdict(set)
    only: dict[Path, set[int]] = defaultdict(set)
    to_link = network.links.index.get_indexer(restrictions["to_link"]).tolist()
    paths = _paths(network, restrictions)
    for path, kind, last in zip(paths, restrictions["kind"], to_link, strict=True):
        if path is None:
            continue
        if kind == "no":
            no[path].add(last)
            continue
        for end in range(1, len(path)):
            only[path[:end]].add(path[end] // 2)
        only[path].add(last)
    leaving = _leaving(network, only)
    for path, allowed in only.items():
        no[path] |= leaving[path[-1]] - allowed
    return no


def _leaving(network: Network, paths: Iterable[Path]) -> dict[int, set[int]]:
    """Return the links by which one may leave the end of some paths, by the last step of each."""
    steps = np.unique([path[-1] for path in paths]).astype(np.int64)
    node = _heads(network, steps)
    wanted = np.zeros(len(network.nodes), dtype=bool)
    wanted[node] = True
    at: dict[int, set[int]] = defaultdict(set)
    for side in network.ends:
        link = np.flatnonzero(wanted[side])
        link = link[_step(network, link, side[link]) >= 0]
        for one, where in zip(link.tolist(), side[link].tolist(), strict=True):
            at[where].add(one)
    return {step: at[where] for step, where in zip(steps.tolist(), node.tolist(), strict=True)}


def _turning_round(network: Network, forbidden: Mapping[Path, set[int]]) -> np.ndarray:
    """Return the steps around restrictions after which nobody goes back over the same link."""
    first, last = network.ends
    road = network.levels != RAIL
    both = road & ~network.links["oneway"].to_numpy(dtype=bool)
    near = np.zeros(len(network.nodes), dtype=bool)
    near[_heads(network, np.array([step for path in forbidden for step in path]))] = True
    for _ in range(TURNING_LINKS):
        touched = road & (near[first] | near[last])
        near[first[touched]] = near[last[touched]] = True
    ways_out = np.bincount(np.concatenate([first[road], last[both]]), minlength=len(near))
    steps = (2 * np.flatnonzero(both)[:, None] + [0, 1]).ravel()
    node = _heads(network, steps)
    steps = steps[near[node] & (ways_out[node] > 1)]
    shut: dict[int, set[int]] = defaultdict(set)
    for path, links in forbidden.items():
        shut[path[-1]] |= links
    leaving = _leaving(network, forbidden)
    stuck = [step for step, links in shut.items() if leaving[step] <= links | {step // 2}]
    return np.setdiff1d(steps, stuck)


@dataclass(frozen=True)
class _Memory:
    """What one has to remember: states, each for a way over some links just run.

    Parameters
    ----------
    node
        The node where each state is.
    of_step
        The state in which a step ends when nothing else is remembered; -1: none.
    forbidden
        Pairs of a state and a link that may not follow, as ascending numbers.
    goes_on, next_state
        Pairs of a state and a step that lead to another state than the step alone, as ascending
        numbers, and these states.
    """

    node: np.ndarray
    of_step: np.ndarray
    forbidden: np.ndarray
    goes_on: np.ndarray
    next_state: np.ndarray

    @classmethod
    def of(cls, network: Network, forbidden: Mapping[Path, set[int]]) -> _Memory:
        """Return the states for ways on which links are forbidden, and for turning round."""
        count = len(network.links)
        turning = _turning_round(network, forbidden)
        paths = {path[:end] for path in forbidden for end in range(1, len(path) + 1)}
        long = sorted(path for path in paths if len(path) > 1)
        short = np.union1d(turning, [path[0] for path in paths]).astype(np.int64)
        of_step = np.full(2 * count, -1)
        of_step[short] = np.arange(len(short))
        state = {path: int(of_step[path[0]]) for path in paths if len(path) == 1}
        state |= {path: len(short) + number for number, path in enumerate(long)}
        children: dict[Path, list[int]] = defaultdict(list)
        for path in long:
            children[path[:-1]].append(path[-1])
        after: dict[int, int] = {}
        shut: list[int] = []
        for path, number in state.items():
            for suffix in (path[start:] for start in range(len(path))):
                shut += [number * count + link for link in forbidden.get(suffix, ())]
                for step in children.get(suffix, ()):
                    # The longest way that still fits is what one remembers.
                    after.setdefault(number * 2 * count + step, state[(*suffix, step)])
        last = np.concatenate([short, np.array([path[-1] for path in long], dtype=np.int64)])
        round_again = np.flatnonzero(np.isin(last, turning))
        goes_on = np.array(sorted(after), dtype=np.int64)
        return cls(
            _heads(network, last),
            of_step,
            np.union1d(shut, round_again * count + last[round_again] // 2).astype(np.int64),
            goes_on,
            np.array([after[key] for key in goes_on.tolist()], dtype=np.int64),
        )

    def allows(self, state: np.ndarray, link: np.ndarray) -> np.ndarray:
        """Return whether links may follow in some states; between levels (-1) one always may."""
        count = len(self.of_step) // 2
        return (link < 0) | ~np.isin(state * count + link, self.forbidden)

    def after(self, state: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Return the states that steps lead to."""
        found = self.of_step[step]
        key = state * len(self.of_step) + step
        longer = np.flatnonzero(np.isin(key, self.goes_on))
        found[longer] = self.next_state[np.searchsorted(self.goes_on, key[longer])]
        return found


@dataclass(frozen=True)
class _Groups:
    """Numbers by the group that each belongs to."""

    members: np.ndarray
    begin: np.ndarray

    @classmethod
    def of(cls, group: np.ndarray, chosen: np.ndarray, count: int) -> _Groups:
        """Return some rows of `group`, which holds numbers below `count`."""
        members = chosen[np.argsort(group[chosen], kind="stable")]
        size = np.bincount(group[chosen], minlength=count)
        return cls(members, np.concatenate([[0], np.cumsum(size)]))

    def all_of(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return all members of some groups, and the row in `groups` of each."""
        size = np.diff(self.begin)[groups]
        row = np.repeat(np.arange(len(groups)), size)
        place = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
        return row, self.members[self.begin[groups][row] + place]


def _expanded(arcs: Arcs, memory: _Memory) -> Arcs:
    """Return the arcs with a copy of the vertices of its node, on all levels, for each state."""
    size, wanted = len(arcs.vertex_node), np.zeros(arcs.vertex_node.max() + 1, dtype=bool)
    wanted[memory.node] = True
    split = wanted[arcs.vertex_node]
    by_node = _Groups.of(arcs.vertex_node, np.flatnonzero(split), len(wanted))
    by_tail = _Groups.of(arcs.tail, np.flatnonzero(split[arcs.tail]), size)
    state, vertex = by_node.all_of(memory.node)
    # The copy of a vertex in a state has the number `first[state] + place[vertex]`.
    first = size + np.searchsorted(state, np.arange(len(memory.node)))
    place = np.zeros(size, dtype=np.int64)
    place[by_node.members] = np.arange(len(by_node.members))
    place[by_node.members] -= by_node.begin[arcs.vertex_node[by_node.members]]

    def heads(arc: np.ndarray, after: np.ndarray) -> np.ndarray:
        head = arcs.head[arc]
        return np.where(after >= 0, first[after] + place[head], head)

    tail, arc = by_tail.all_of(vertex)
    link = arcs.link[arc]
    kept = memory.allows(state[tail], link)
    tail, arc, link = tail[kept], arc[kept], link[kept]
    step = 2 * arcs.link + arcs.backward
    # Between the levels of a node one stays in one's state.
    after = np.where(link < 0, state[tail], memory.after(state[tail], step[arc]))
    plain = np.where(arcs.link < 0, -1, memory.of_step[step])
    return replace(
        arcs,
        vertex_node=np.concatenate([arcs.vertex_node, arcs.vertex_node[vertex]]),
        vertex_level=np.concatenate([arcs.vertex_level, arcs.vertex_level[vertex]]),
        tail=np.concatenate([arcs.tail, size + tail]),
        head=np.concatenate([heads(np.arange(len(step)), plain), heads(arc, after)]),
        **{
            name: np.concatenate([getattr(arcs, name), getattr(arcs, name)[arc]])
            for name in ("minutes", "km", "link", "backward")
        },
    )
