"""Revisions: edits applied to a network, what each of them changed, and the way back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from spatialplan import edits as editing
from spatialplan import places
from spatialplan.choice import chosen_links
from spatialplan.draft import Draft, part_basis
from spatialplan.edits import Edit, is_number, pair_faults, speed_faults
from spatialplan.errors import Fault, InputError, collect
from spatialplan.geodesy import line_km, part, point_at, straight_km
from spatialplan.network import EXPRESSWAY, SURFACE, Network
from spatialplan.standards import RAIL_CLASSES

__all__ = ["Applied", "Change", "apply", "apply_file"]

SNAP_KM = 2.0  # the built-in network is drawn to about this accuracy
NODE_BONUS_KM = 0.2  # rather a node than a cut this much nearer
# Where an expressway may begin or end.
GATES = ("interchange", "junction", "border")
# Road length over straight line when a planner gives none: valley expressways to mountain
# lanes, from the mean of the published lengths in the built-in network.
DETOUR = {"expressway": 1.15, "class1": 1.2, "class2": 1.3, "class3": 1.4, "class4": 1.5}
DEFAULT_DETOUR = 1.2
# The usual choice of the region's hilly terrain among the speeds of JTG B01-2014.
DEFAULT_DESIGN_SPEED = {
    "expressway": 80,
    "class1": 80,
    "class2": 60,
    "class3": 40,
    "class4": 20,
    "hsr": 250,
    "rail200": 200,
    "rail160": 160,
    "rail120": 120,
}


@dataclass(frozen=True)
class Change:
    """What one edit did.

    `links` and `km` count the links it is about; `removed` and `added` (ids) are all that went
    and came, split links included; `nodes` are the ends of what went; `notes` say what was
    assumed.
    """

    edit: Edit
    links: int
    km: float
    added: tuple[str, ...]
    removed: gpd.GeoDataFrame
    nodes: gpd.GeoDataFrame
    notes: tuple[str, ...] = ()

    def undo(self) -> list[Edit]:
        """Return the edits that bring back what was before."""
        spot = f"undo {self.edit.spot}"
        gone = [Edit("close", spot, where={"link_id": link_id}) for link_id in self.added]
        back = []
        for link_id in self.removed.index:
            link = self.removed.loc[[link_id]]
            ends = self.nodes.loc[self.nodes.index.isin([*link["from_node"], *link["to_node"]])]
            back.append(Edit("add", spot, link_id=str(link_id), restored=(link, ends)))
        return [*gone, *back]


@dataclass(frozen=True)
class Applied:
    """The new network, and what each edit changed."""

    network: Network
    changes: tuple[Change, ...] = ()

    def undo(self) -> list[Edit]:
        """Return the edits that lead from the new network back to the old one."""
        return [edit for change in reversed(self.changes) for edit in change.undo()]


def apply(
    network: Network,
    edits: Iterable[Edit],
    gazetteer: places.Gazetteer | None = None,
    snap_km: float = SNAP_KM,
) -> Applied:
    """Return the network with the edits applied in order; the one given stays as it was.

    Parameters
    ----------
    gazetteer
        Where place names are looked up; the built-in one by default.
    snap_km
        How far the end of a drawn line may lie from the network.

    Raises
    ------
    InputError
        With every fault of every edit: nothing is applied then.
    """
    applied, faults = _applied(network, edits, gazetteer or places.builtin(), snap_km)
    collect(faults)
    return applied


def apply_file(
    network: Network,
    path: str | Path,
    gazetteer: places.Gazetteer | None = None,
    snap_km: float = SNAP_KM,
) -> Applied:
    """Return the network with the edits of a file applied; of a plan file, all its projects.

    The places that the file brings along are known beside those of the gazetteer.

    Raises
    ------
    InputError
        With every fault, of the file itself and against the network, at once.
    """
    found = editing.contents(path)
    known = (gazetteer or places.builtin()).with_places(found.places)
    applied, more = _applied(network, found.edits, known, snap_km)
    collect([*found.faults, *more])
    return applied


def _applied(
    network: Network, edits: Iterable[Edit], gazetteer: places.Gazetteer, snap_km: float
) -> tuple[Applied, list[Fault]]:
    draft = Draft(network, gazetteer, snap_km)
    changes, faults = put_in(draft, edits)
    return Applied(draft.network(), tuple(changes)), faults


def put_in(draft: Draft, edits: Iterable[Edit]) -> tuple[list[Change], list[Fault]]:
    """Put edits into a draft in order; return what those changed that could be, and the faults."""
    faults: list[Fault] = []
    changes: list[Change] = []
    for edit in edits:
        try:
            changes.append(_ACTIONS[edit.action](draft, edit))
        except InputError as error:
            faults += error.faults
    return changes, faults


@dataclass
class _Splits:
    """Links cut in two while an edit found its ends."""

    removed: list[gpd.GeoDataFrame] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)


def _add(draft: Draft, edit: Edit) -> Change:
    if edit.restored is not None:
        return _put_back(draft, edit, *edit.restored)
    values, notes = _with_defaults(edit)
    if edit.link_id and draft.has_link(edit.link_id):
        raise InputError.of(
            edit.spot, f"link_id {edit.link_id} 已存在;请改用别的", "the link id is taken"
        )
    splits = _Splits()
    nodes, shapes = _chain(draft, edit, values, splits)
    if any(a == b for a, b in itertools.pairwise(nodes)):
        raise InputError.of(
            edit.spot,
            f"两端落在同一节点({nodes[0]});请检查两端位置",
            "both ends meet the same node",
        )
    lines = [
        _drawn(draft, pair, shape)
        for pair, shape in zip(itertools.pairwise(nodes), shapes, strict=True)
    ]
    lengths = _lengths(edit, values, lines, notes)
    ids = []
    for pair, line, km in zip(itertools.pairwise(nodes), lines, lengths, strict=True):
        single = edit.link_id if len(lines) == 1 else ""
        link_id = single or draft.free_id(_stem(edit, values))
        columns = {**values, "from_node": pair[0], "to_node": pair[1]}
        draft.put_link(link_id, columns | {"length_km": km, "geometry": line})
        ids.append(link_id)
    came = [half for half in splits.halves if draft.has_link(half)]
    gone, ends = _cut_away(draft, splits)
    return Change(edit, len(ids), sum(lengths), (*ids, *came), gone, ends, tuple(notes))


def _cut_away(draft: Draft, splits: _Splits) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Return the links that were cut, and their nodes."""
    if not splits.removed:
        return draft.nothing, draft.nowhere
    gone = pd.concat(splits.removed)
    # A link that this very edit made by a cut and cut again never was: it need not come back.
    gone = gone[~gone.index.isin(splits.halves)]
    return gone, draft.ends_of(gone)


def _put_back(draft: Draft, edit: Edit, link: gpd.GeoDataFrame, nodes: gpd.GeoDataFrame) -> Change:
    """Put a link back to the letter, and those of its nodes that went with it."""
    for node, row in nodes.iterrows():
        if not draft.has_node(node):
            draft.put_node(node, **row)
    draft.replace_links((), link)
    km = float(link["length_km"].sum())
    return Change(edit, len(link), km, tuple(link.index), draft.nothing, nodes.iloc[:0])


def _stem(edit: Edit, values: Mapping[str, Any]) -> str:
    stem = edit.link_id or str(values.get("ref") or "")
    return stem.lower() if stem.isascii() and stem else "edit"


def _with_defaults(edit: Edit) -> tuple[dict[str, Any], list[str]]:
    values, notes = dict(edit.values), []
    cls = values["class"]
    values.setdefault("mode", "rail" if cls in RAIL_CLASSES else "road")
    values.setdefault("confidence", "L")
    values.setdefault("source", edit.spot)
    values.setdefault("oneway", False)
    speed = values.get("design_speed_kmh")
    if (speed is None or np.isnan(speed)) and cls in DEFAULT_DESIGN_SPEED:
        values["design_speed_kmh"] = DEFAULT_DESIGN_SPEED[cls]
        notes.append(f"未给设计速度,按 {DEFAULT_DESIGN_SPEED[cls]} km/h 计")
    return values, notes


def _chain(
    draft: Draft, edit: Edit, values: Mapping[str, Any], splits: _Splits
) -> tuple[list[str], list[list[tuple[float, float]] | None]]:
    """Return the nodes of a new chain, and between each two the points it is drawn through.

    A position between the ends is only a point of the drawing; a name is a node.
    """
    if edit.geometry is not None:
        line = _one_line(edit.geometry, edit.spot)
        points = list(line.coords)
        ends = edit.ends or (points[0][:2], points[-1][:2])
        nodes = [_node(draft, end, values, edit.spot, splits) for end in (ends[0], ends[-1])]
        return nodes, [[point[:2] for point in points[1:-1]]]
    nodes, shapes = [_node(draft, edit.ends[0], values, edit.spot, splits)], []
    between: list[tuple[float, float]] = []
    for via in edit.ends[1:-1]:
        position = _position(via, edit.spot)
        if position:
            between.append(position)
        else:
            nodes.append(_node(draft, via, values, edit.spot, splits))
            shapes.append(between)
            between = []
    nodes.append(_node(draft, edit.ends[-1], values, edit.spot, splits))
    return nodes, [*shapes, between]


def _one_line(shape: BaseGeometry, spot: str) -> shapely.LineString:
    merged = shapely.line_merge(shape) if shape.geom_type == "MultiLineString" else shape
    if merged.geom_type != "LineString" or merged.is_empty:
        raise InputError.of(
            spot,
            f"新增路段应是一条连续的线,这里是 {merged.geom_type};请拆成单线",
            "a new link is one connected line; split it",
        )
    if not np.isfinite(shapely.get_coordinates(merged)).all():
        raise InputError.of(spot, "线的坐标不是数(NaN)", "the line has NaN coordinates")
    return merged


def _position(value: Any, spot: str) -> tuple[float, float] | None:
    """Return (lon, lat) when the value is a position and not a name."""
    if isinstance(value, str):
        return places.parse_lonlat(value, spot)
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value)):
        return places.parse_lonlat(f"{value[0]},{value[1]}", spot)
    raise InputError.of(
        spot, f"“{value}”既不是地点名也不是 [经度, 纬度]", "neither a place nor [lon, lat]"
    )


def _node(draft: Draft, end: Any, values: Mapping[str, Any], spot: str, splits: _Splits) -> str:
    """Return the node where a new link ends, made or cut out of a link when need be."""
    if isinstance(end, str) and draft.has_node(end):
        node = end
    else:
        position = _position(end, spot)
        if position:
            return _node_at(draft, position, values, spot, splits)
        place = draft.gazetteer.find(end, spot)
        node = draft.node_of(place.place_id) or place.place_id
        if not draft.has_node(node):
            draft.put_node(
                node,
                kind=place.kind,
                place_id=node,
                name_zh=place.name_zh,
                confidence=place.confidence,
                geometry=shapely.Point(place.lon, place.lat),
            )
    _gate_check(draft, node, values, spot)
    return node


def _gate_check(draft: Draft, node: str, values: Mapping[str, Any], spot: str) -> None:
    """Refuse an expressway that ends elsewhere than at an interchange, a railway at a town."""
    kind = draft.node(node)["kind"]
    if values["class"] == "expressway" and kind not in GATES:
        raise InputError.of(
            spot,
            f"高速公路不能直接接到 {draft.node(node)['name_zh'] or node};"
            f"请改接互通,最近的有:{_near_gates(draft, node)};"
            "要新设互通,先用 class: ramp 从公路接出匝道",
            "an expressway needs an interchange; add one with a link of class ramp first",
        )
    if values["mode"] == "rail" and kind not in ("station", *GATES):
        raise InputError.of(
            spot,
            f"铁路须接到车站,不能接到 {draft.node(node)['name_zh'] or node}",
            "a railway ends at a station",
        )


def _near_gates(draft: Draft, node: str) -> str:
    point = draft.node(node)["geometry"]
    gates = draft.near_nodes(point.x, point.y, ("interchange", "junction"), 3)
    return "、".join(f"{name or gate}({km:.0f} km)" for gate, name, km in gates)


def _node_at(
    draft: Draft,
    position: tuple[float, float],
    values: Mapping[str, Any],
    spot: str,
    splits: _Splits,
) -> str:
    """Return the node at a position: the nearest one, or one that cuts the nearest link."""
    cls, rail = values["class"], values["mode"] == "rail"
    kinds = GATES if cls == "expressway" else ("station",) if rail else None
    node, name, node_km = next(iter(draft.near_nodes(*position, kinds)), ("", "", np.inf))
    cut, cut_level = None, SURFACE
    if kinds is None:
        cut = draft.nearest_link(*position)
        if cls == "ramp":
            gate = draft.nearest_link(*position, level=EXPRESSWAY)
            if gate and (cut is None or gate[2] < cut[2]):
                cut, cut_level = gate, EXPRESSWAY
    cut_km = cut[2] if cut else np.inf
    if node_km <= min(cut_km + NODE_BONUS_KM, draft.snap_km):
        return node
    if cut is not None and cut_km <= draft.snap_km:
        return _cut(draft, cut, cut_level, splits)
    if cls == "ramp":
        return draft.put_node(
            draft.free_id("interchange"),
            kind="interchange",
            place_id="",
            name_zh="",
            confidence="L",
            geometry=shapely.Point(position),
        )
    what = "互通" if cls == "expressway" else "车站" if rail else "公路"
    best = min(node_km, cut_km)
    near = f",最近的是 {name}" if node else ""
    raise InputError.of(
        spot,
        f"端点 {position[0]:.4f},{position[1]:.4f} 离{what} {best:.1f} km,"
        f"超过吸附距离 {draft.snap_km:g} km{near};请移到{what}上",
        "the end lies too far from what it should meet; move it there",
    )


def _cut(
    draft: Draft,
    cut: tuple[str, float, float],
    level: int,
    splits: _Splits,
) -> str:
    """Cut a link in two at a fraction and return the node between."""
    link_id, fraction, _ = cut
    row = draft.links([link_id])
    line = row.geometry.iloc[0]
    node = draft.put_node(
        draft.free_id(f"{link_id}-cut"),
        kind="interchange" if level == EXPRESSWAY else "node",
        place_id="",
        name_zh="",
        confidence=row["confidence"].iloc[0],
        geometry=point_at(line, fraction),
    )
    parts = (
        ("a", row["from_node"].iloc[0], node, 0.0, fraction),
        ("b", node, row["to_node"].iloc[0], fraction, 1.0),
    )
    halves = []
    for suffix, start, end, low, high in parts:
        half = row.rename(index={link_id: f"{link_id}-{suffix}"})
        basis = part_basis(row["length_basis"].iloc[0])
        half = half.assign(from_node=start, to_node=end, length_basis=basis)
        half["length_km"] = row["length_km"].iloc[0] * (high - low)
        half["geometry"] = [part(line, low, high)]
        halves.append(half)
    splits.removed.append(row)
    splits.halves += [half.index[0] for half in halves]
    draft.cut_link(link_id, pd.concat(halves))
    return node


def _drawn(
    draft: Draft, pair: tuple[str, str], shape: list[tuple[float, float]] | None
) -> shapely.LineString:
    points = [draft.node(node)["geometry"] for node in pair]
    return shapely.LineString([points[0].coords[0][:2], *(shape or []), points[1].coords[0][:2]])


def _lengths(
    edit: Edit, values: dict[str, Any], lines: list[shapely.LineString], notes: list[str]
) -> list[float]:
    """Return km of each link of a chain: the total given, or an estimate, spread pro rata."""
    drawn = [line_km(line) for line in lines]
    straight = sum(float(straight_km(*line.coords[0], *line.coords[-1])) for line in lines)
    total = values.pop("length_km", None)
    if total is None or np.isnan(total):
        followed = edit.geometry is not None or any(len(line.coords) > 2 for line in lines)
        factor = 1.0 if followed else DETOUR.get(values["class"], DEFAULT_DETOUR)
        total = sum(drawn) * factor
        values["length_basis"] = "estimate"
        how = "按所画线长" if followed else f"按直线距离 × {factor:g}"
        notes.append(f"未给长度,{how}估为 {total:.1f} km")
    elif total < straight * 0.995 - 0.05:
        raise InputError.of(
            edit.spot,
            f"长度 {total:g} km 短于两端直线距离 {straight:.1f} km;请改长度或端点",
            "shorter than the straight line between the ends",
        )
    else:
        values.setdefault("length_basis", "published" if len(lines) == 1 else "pro_rata")
    whole = sum(drawn)
    if not total > 0:
        raise InputError.of(
            edit.spot, "两端位置相同,长度为零;请给 length_km", "both ends are at one position"
        )
    return [total * (km / whole if whole else 1 / len(drawn)) for km in drawn]


def _modify(draft: Draft, edit: Edit) -> Change:
    chosen, notes = chosen_links(draft, edit)
    old = draft.links(chosen)
    new = old.copy()
    values = dict(edit.values)
    total = values.pop("length_km", None)
    for key, value in values.items():
        new[key] = value
    cls = values.get("class")
    if cls and "design_speed_kmh" not in values:
        new["design_speed_kmh"] = float(DEFAULT_DESIGN_SPEED.get(cls, np.nan))
        if cls in DEFAULT_DESIGN_SPEED:
            notes.append(f"未给设计速度,按 {DEFAULT_DESIGN_SPEED[cls]} km/h 计")
    if cls and "mode" not in values:
        new["mode"] = "rail" if cls in RAIL_CLASSES else "road"
    if total is not None:
        new["length_km"] = old["length_km"] * (total / old["length_km"].sum())
    if cls == "expressway":
        for node in pd.unique(new[["from_node", "to_node"]].to_numpy().ravel()):
            _gate_check(draft, node, {"class": cls, "mode": "road"}, edit.spot)
    collect(_modified_faults(new, values, edit.spot))
    ends = draft.ends_of(old)
    draft.replace_links(chosen, new)
    km = float(new["length_km"].sum())
    return Change(edit, len(new), km, tuple(chosen), old, ends, tuple(notes))


def _modified_faults(
    links: gpd.GeoDataFrame, values: Mapping[str, Any], spot: str
) -> Iterator[Fault]:
    """Yield what a change makes of links that cannot be, once for each class."""
    for cls, mode in links[["class", "mode"]].drop_duplicates().itertuples(index=False):
        yield from pair_faults(cls, mode, spot)
    if "class" not in values and "design_speed_kmh" in values:
        for cls in links["class"].unique():
            yield from speed_faults(cls, values["design_speed_kmh"], spot)


def _close(draft: Draft, edit: Edit) -> Change:
    chosen, notes = chosen_links(draft, edit)
    old = draft.links(chosen)
    ends = draft.ends_of(old)
    lost = draft.turns_of(chosen)
    if lost:
        notes.append(f"{lost} 条转向限制随路段失效")
    draft.replace_links(chosen)
    return Change(edit, len(old), float(old["length_km"].sum()), (), old, ends, tuple(notes))


_ACTIONS = {"add": _add, "modify": _modify, "close": _close}
