"""Which links an edit means: by id, number, name, class, place, polygon or drawn line."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from spatialplan.draft import Draft
from spatialplan.edits import Edit, as_list, as_word, tidy
from spatialplan.errors import Fault, InputError, collect, nearest_names
from spatialplan.geodesy import straight_km

__all__ = ["chosen_links"]

BETWEEN_KM = 40.0  # a town may lie beside the road it is said to be on
# A drawn line selects the links that run beside it: this share of the link within this distance.
BESIDE_SHARE, BESIDE_KM = 0.8, 1.0
ALONG_SHARE = 0.5  # and so much of the distance of its ends lies along the line


def chosen_links(draft: Draft, edit: Edit) -> tuple[list[str], list[str]]:
    """Return the ids of the links an edit means, after its guard has held, and notes."""
    where = edit.where
    tables = draft.tables()
    if "link_id" in where:
        asked = [as_word(item) for item in as_list(where["link_id"])]
        _check_ids(draft, edit, asked)
        links = draft.links(asked)
        tables = [(links, np.ones(len(links), dtype=bool))]
    chosen = [
        link_id for links, there in tables for link_id in links.index[there & _meant(links, edit)]
    ]
    notes: list[str] = []
    if "between" in edit.where and chosen:
        chosen = _between(draft, edit, chosen, notes)
    if not chosen:
        said = "、".join(f"{key}={value}" for key, value in edit.where.items())
        raise InputError.of(
            edit.spot,
            f"没有路段符合 where({said[:80]});请检查编号、名称和所选年份",
            "no link matches; check ids, names and the year of the network",
        )
    collect(_guard_faults(edit, draft.links(chosen)))
    return chosen, notes


def _check_ids(draft: Draft, edit: Edit, asked: list[str]) -> None:
    unknown = [link_id for link_id in asked if not draft.has_link(link_id)]
    if unknown:
        known = [links.index[there].to_numpy() for links, there in draft.tables()]
        near = "、".join(nearest_names(unknown[0], np.concatenate(known)))
        raise InputError.of(
            edit.spot, f"没有路段 {unknown[0]};相近的有:{near}", "no link of this id"
        )


def _meant(links: gpd.GeoDataFrame, edit: Edit) -> np.ndarray:
    """Return which links an edit means by number, name, class, mode, polygon and line."""
    mask = np.ones(len(links), dtype=bool)
    for key in ("ref", "name_zh", "class", "mode"):
        if key in edit.where:
            mask &= links[key].isin([as_word(v) for v in as_list(edit.where[key])]).to_numpy()
    for key, select in (("polygon", _within), ("line", _beside)):
        if key in edit.where:
            mask &= select(links, edit.where[key], edit.spot)
    return mask


def _guard_faults(edit: Edit, links: gpd.GeoDataFrame) -> Iterator[Fault]:
    for key, value in edit.expect.items():
        wanted = [tidy({key: single}).get(key, "") for single in as_list(value)]
        bad = links.index[~links[key].isin(wanted)]
        if len(bad):
            is_now = links.at[bad[0], key]
            yield Fault(
                edit.spot,
                f"与预期不符:{bad[0]} 等 {len(bad)} 段的 {key} 是 {is_now},不是 {value};"
                "请核对路网后改 expect 或 where",
                "the guard does not hold: the network is not what you expected",
            )


def _within(links: gpd.GeoDataFrame, shape: Any, spot: str) -> np.ndarray:
    """Select the links that lie wholly inside a polygon."""
    polygon = _shape(shape, shapely.Polygon, "polygon", spot)
    return polygon.covers(links.geometry.to_numpy())


def _beside(links: gpd.GeoDataFrame, shape: Any, spot: str) -> np.ndarray:
    """Select the links that run beside a line for most of their length."""
    line = _shape(shape, shapely.LineString, "line", spot)
    squeeze = np.cos(np.radians(line.centroid.y))
    flat = shapely.transform(line, lambda xy: xy[:, :2] * [squeeze, 1.0])
    band = flat.buffer(BESIDE_KM / 111.2)
    drawn = shapely.transform(links.geometry.to_numpy(), lambda xy: xy * [squeeze, 1.0])
    length = shapely.length(drawn)
    inside = shapely.length(shapely.intersection(drawn, band)) >= BESIDE_SHARE * length
    # A short side road lies within the distance too, but does not run along.
    ends = [shapely.line_locate_point(flat, shapely.get_point(drawn, end)) for end in (0, -1)]
    chord = shapely.distance(shapely.get_point(drawn, 0), shapely.get_point(drawn, -1))
    return inside & (np.abs(ends[1] - ends[0]) >= ALONG_SHARE * chord)


def _shape(shape: Any, kind: Callable, name: str, spot: str) -> BaseGeometry:
    try:
        made = shape if isinstance(shape, BaseGeometry) else kind(shape)
    except (TypeError, ValueError, shapely.errors.ShapelyError):
        made = None
    if made is None or made.is_empty:
        raise InputError.of(
            spot, f"{name} 应是 [[经度, 纬度], …]", f"a {name} is a list of [lon, lat]"
        )
    return made


def _between(draft: Draft, edit: Edit, chosen: list[str], notes: list[str]) -> list[str]:
    """Return the shortest chain of the chosen links between two nodes."""
    import networkx as nx

    links = draft.links(chosen)
    graph = nx.Graph()
    for link_id, row in links.sort_values("length_km", ascending=False).iterrows():
        graph.add_edge(row["from_node"], row["to_node"], km=row["length_km"], link_id=link_id)
    places_of = [_place_or_node(draft, edit, name) for name in edit.where["between"]]
    # Of a road in several parts, the part that both places lie nearest to.
    parts = [
        [_on_road(draft, name, node, sorted(part)) for name, node in places_of]
        for part in nx.connected_components(graph)
    ]
    ends = min(parts, key=lambda part: sum(found.km for found in part))
    for (name, _), found in zip(places_of, ends, strict=True):
        if found.km > BETWEEN_KM:
            raise InputError.of(
                edit.spot,
                f"{name} 不在 where 所选的路上,离它最近的 {found.name} 也有 {found.km:.0f} km;"
                "请换 between 的端点",
                "this place is far from the road that where chooses",
            )
        if found.km > 0:
            notes.append(f"{name} 不在所选的路上,取路上最近的 {found.name}({found.km:.0f} km)")
    path = nx.shortest_path(graph, *(found.node for found in ends), weight="km")
    if len(path) == 1:
        raise InputError.of(
            edit.spot,
            f"{' 与 '.join(map(str, edit.where['between']))} 都对应路上同一点 {ends[0].name}",
            "both places meet the road at one point",
        )
    return [graph.edges[pair]["link_id"] for pair in itertools.pairwise(path)]


@dataclass(frozen=True)
class _OnRoad:
    """The node of a road nearest to a place, and how far that is."""

    node: str
    name: str
    km: float


def _place_or_node(draft: Draft, edit: Edit, given: Any) -> tuple[str, tuple[str, float, float]]:
    """Return the name, and the id and position that it stands for."""
    name = ",".join(map(str, given)) if isinstance(given, list) else str(given)
    if draft.has_node(name):
        point = draft.node(name)["geometry"]
        return name, (name, point.x, point.y)
    place = draft.gazetteer.find(name, edit.spot)
    return name, (place.key, place.lon, place.lat)


def _on_road(draft: Draft, name: str, place: tuple[str, float, float], road: list[str]) -> _OnRoad:
    if place[0] in road:
        return _OnRoad(place[0], name, 0.0)
    nodes = draft.nodes(road)
    km = straight_km(place[1], place[2], nodes.geometry.x, nodes.geometry.y)
    best = int(km.argmin())
    node = str(nodes.index[best])
    return _OnRoad(node, nodes["name_zh"].iloc[best] or node, float(km[best]))
