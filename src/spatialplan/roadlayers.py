"""The roads and railways of a web map: each link by itself, or in bundles where they are many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan import bundles
from spatialplan.bundles import Bundles, Fit
from spatialplan.layer import CONFIDENCE, NO_KEY, Key, Layer, area_key, line_key, tip_lines
from spatialplan.palette import CLASS, STATUS_DASH, STATUS_NAMES, band_colours
from spatialplan.standards import CLASSES, RAIL_CLASSES

if TYPE_CHECKING:
    from spatialplan.layers import Reach, Scene

__all__ = ["DETAILED", "NAMED", "RoadLayers"]

DETAILED = 3000  # links that are drawn and explained one by one; more of them come in bundles
FEW = 300  # links of a layer that are never bundled
NAMED = 2500  # roads among bundles that have a tooltip of their own
REFS = 12  # signs of its number along one road
_THIN_DEGREES = 0.0003
_VIEW_PX = 800.0  # of a common window, for the zoom at which a map opens


_BASES = {
    "published": "公布",
    "pro_rata": "按公布总里程分摊",
    "measured": "按图形量测",
    "drawn": "按图形量测",
    "estimate": "估计",
}


def _thinned(links: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return links.set_geometry(links.simplify(_THIN_DEGREES))


def _link_tip(link_id: str, row: Mapping[str, Any]) -> list:
    known = pd.notna(row["design_speed_kmh"])
    basis = _BASES.get(row["length_basis"], "")
    return [
        " ".join(text for text in (row["ref"], row["name_zh"]) if text) or link_id,
        ("等级 class", " ".join(CLASSES[row["class"]])),
        ("状态 status", " ".join(STATUS_NAMES[row["status"]])),
        ("设计速度 design", f"{row['design_speed_kmh']:g} km/h" if known else ""),
        ("里程 length", f"{row['length_km']:.1f} km {basis}".strip()),
        ("通车 opened", row["opened"]),
        ("规划项目 project", row["project"]),
        ("来源 source", row["source"]),
        ("可信度 confidence", CONFIDENCE.get(row["confidence"], row["confidence"])),
        ("编号 link", link_id),
    ]


def _link_style(row: Mapping[str, Any]) -> dict:
    colour, width = CLASS[row["class"]]
    style: dict[str, Any] = {"color": colour, "weight": width, "lineCap": "butt"}
    if STATUS_DASH[row["status"]]:
        style["dashArray"] = STATUS_DASH[row["status"]]
    if row["status"] == "proposed":
        style["lineCap"] = "round"  # dots, not a ladder
    return {**style, "above": _ROAD_ORDER.get(row["class"], 0)}


_ROAD_ORDER = {"class3": 1, "urban": 1, "class2": 2, "class1": 4, "expressway": 6}
_CASED = ("class1", "expressway")


@dataclass(frozen=True)
class RoadLayers:
    """The roads and railways of a scene; the lines of a large network take `room` characters."""

    scene: Scene
    room: int

    def network(self) -> list[Layer]:
        """Return the layers of the network itself."""
        roads, rail = self._layer("roads"), self._layer("rail")
        beyond = len(self.scene.network.links) - len(self._links)
        if beyond and (roads.bundles.rows or self._links.empty):
            words = f"图幅以外 {beyond:,} 条未画", f"{beyond:,} links beyond the map"
            roads.keys.append(Key(NO_KEY, *words))
        drawn = [roads, rail]
        if self.scene.register is not None:
            drawn.append(self._projects())
        if self.scene.edited:
            own = self._links[self._links.index.isin(self.scene.edited)]
            drawn.append(_edited_layer(own, self.room // 4, self._zooms))
        return drawn

    def reached(self) -> Iterator[Layer]:
        """Yield the layer of the roads that are reached in time, when they are known."""
        if self._reach is None:
            return
        band, pieces = self._bands
        many = "roads" in self._bundled
        layer = _reached_layer(self._reach, pieces if many else self._every_piece, self._zooms)
        layer.of = "roads" if many and (band >= 0).any() else ""
        yield layer

    @cached_property
    def _links(self) -> gpd.GeoDataFrame:
        links = self.scene.network.links
        return links[links.intersects(self.scene.window)]

    @cached_property
    def _parts(self) -> dict[str, gpd.GeoDataFrame]:
        """The links of each layer."""
        rail = self._links["mode"] == "rail"
        found = {"roads": self._links[~rail], "rail": self._links[rail]}
        if self.scene.register is not None:
            known = self.scene.register.links
            others = known[~known.index.isin(self.scene.network.links.index)]
            others = others[(others["status"] != "open") & others.intersects(self.scene.window)]
            found["projects"] = others
        return found

    @property
    def _ways(self) -> gpd.GeoDataFrame:
        return self._parts["roads"]

    @cached_property
    def _bundled(self) -> list[str]:
        """The layers whose links come in bundles: all but the short ones where links are many."""
        many = sum(map(len, self._parts.values())) > DETAILED
        return [key for key, links in self._parts.items() if many and len(links) > FEW]

    @cached_property
    def _drawn(self) -> gpd.GeoDataFrame:
        """The links that come in bundles, layer by layer, with their ``layer`` and ``band``."""
        bands = {"roads": self._bands[0]} if "roads" in self._bundled else {}
        parts = [
            self._parts[key].assign(layer=key, band=bands.get(key, -1)) for key in self._bundled
        ]
        return pd.concat(parts)

    @cached_property
    def _fit(self) -> Fit:
        return bundles.fit(self._drawn, self._drawn["band"].to_numpy(), self.room)

    @cached_property
    def _reach(self) -> Reach | None:
        return next((reach for reach in self.scene.circles if reach.links is not None), None)

    @cached_property
    def _bands(self) -> tuple[np.ndarray, gpd.GeoDataFrame]:
        if self._reach is None:
            return np.full(len(self._ways), -1), gpd.GeoDataFrame()
        limits = sorted(self._reach.frame["minutes"])
        return bundles.bands(self._ways, self._reach.links, limits)

    @property
    def _every_piece(self) -> gpd.GeoDataFrame:
        """The reached links, whole ones and parts."""
        band, pieces = self._bands
        whole = self._ways[["class", "geometry"]].assign(band=band)[band >= 0]
        return pd.concat([whole, pieces], ignore_index=True)

    @cached_property
    def _zooms(self) -> dict[str, float]:
        return bundles.zooms(self._drawn["class"], self._opening) if self._bundled else {}

    @property
    def _opening(self) -> float:
        """The zoom that shows the whole area; a world of 256 px is zoom 0."""
        west, south, east, north = self.scene.bounds
        height = (north - south) / np.cos(np.radians((south + north) / 2))
        return float(np.floor(np.log2(_VIEW_PX / 256 * 360 / max(east - west, height))))

    def _layer(self, key: str) -> Layer:
        if key in self._bundled:
            own = (self._drawn["layer"] == key).to_numpy()
            most = int(NAMED * own.mean())
            links, fitted = self._drawn[own], self._fit.of(own)
            return _bundled_layer(_empty(key), links, fitted, self._zooms, most)
        fill = _fill_rail if key == "rail" else _fill_roads
        return fill(_empty(key), _thinned(self._parts[key]))

    def _projects(self) -> Layer:
        layer = self._layer("projects")
        layer.shown = False
        placeless = [project.name_zh for project in self.scene.plan.projects if not project.edits]
        if placeless:
            words = f"没有线位或点位、未画的项目:{'、'.join(placeless)}"
            layer.keys.append(Key(NO_KEY, words, "works without a known line, not drawn"))
        return layer


_LAYERS = {
    "roads": ("公路", "Roads", 30),
    "rail": ("铁路", "Railways", 40),
    "projects": ("未纳入本情景的项目", "Projects not in this scenario", 30),
    "edited": ("本次修改的路段", "Links changed by the edits", 29),
}


def _empty(key: str) -> Layer:
    zh, en, z = _LAYERS[key]
    return Layer(key, zh, en, z=z)


def _fill_roads(layer: Layer, links: gpd.GeoDataFrame) -> Layer:
    for link_id, row in zip(links.index, links.to_dict("records"), strict=True):
        style = _link_style(row)
        if row["class"] in _CASED and row["status"] == "open":
            layer.draw(row["geometry"], _casing(style))
        layer.draw(row["geometry"], style, _link_tip(link_id, row))
        if row["ref"] and row["class"] in _CASED:
            _label_ref(layer, row, style["color"])
    used = [name for name in CLASSES if (links["class"] == name).any()]
    layer.keys = [Key(line_key(*CLASS[name]), *CLASSES[name]) for name in used]
    layer.keys += _status_keys(links)
    return layer


def _status_keys(links: gpd.GeoDataFrame) -> list[Key]:
    """Return a line for each status but open that some links have."""
    return [
        Key(line_key("#444", 2.2, STATUS_DASH[status]), *STATUS_NAMES[status])
        for status in STATUS_NAMES
        if status != "open" and (links["status"] == status).any()
    ]


def _casing(style: Mapping[str, Any]) -> dict:
    casing = {"color": "#fff", "weight": style["weight"] + 2.2, "opacity": 0.9}
    return {**casing, "above": style["above"] - 1}


def _label_ref(layer: Layer, row: Mapping[str, Any], colour: str) -> None:
    at = row["geometry"].interpolate(0.5, normalized=True).coords[0]
    near = sum(
        1
        for label in layer.labels
        if label["t"] == row["ref"] and np.hypot(*np.subtract(label["x"][0], at)) < 0.22
    )
    if not near:
        layer.label(row["ref"], [at], "ref", 20, ink=colour, zooms=(8.6, 30))


def _rail_core(style: Mapping[str, Any]) -> dict:
    """Return what lies on a railway's dark line: a white dashed one."""
    core = {"color": "#fff", "weight": style["weight"] - 1.0, "dashArray": "7 7"}
    return {**core, "lineCap": "butt", "above": 1}


def _fill_rail(layer: Layer, links: gpd.GeoDataFrame) -> Layer:
    for link_id, row in zip(links.index, links.to_dict("records"), strict=True):
        style = _link_style(row)
        layer.draw(row["geometry"], style, _link_tip(link_id, row))
        if row["status"] == "open":
            layer.draw(row["geometry"], _rail_core(style))
    used = [name for name in CLASSES if (links["class"] == name).any()]
    layer.keys = [Key(line_key(*CLASS[name], inner="5 5"), *CLASSES[name]) for name in used]
    if (links["status"] != "open").any():
        dash = STATUS_DASH["construction"]
        layer.keys.append(Key(line_key("#1f4e79", 2.2, dash), "在建或规划", "not open yet"))
    return layer


def _edited_layer(links: gpd.GeoDataFrame, room: int, zooms: Mapping[str, float]) -> Layer:
    """Return a halo around the edited links; of very many, as far as there is room."""
    layer = _empty("edited")
    halo = {"color": "#d946ef", "weight": 11, "opacity": 0.45}
    layer.keys = [Key(line_key("#d946ef", 8), "修改的路段", "edited links")]
    if len(links) > FEW:
        fitted = bundles.fit(links, np.full(len(links), -1), room)
        keys = pd.DataFrame({"class": links["class"].iloc[fitted.kept], "tile": fitted.tile})
        lines, owner, rows = bundles.grouped(fitted.lines, keys)
        style = layer.style(halo)
        drawn = [{"s": style, "f": zooms.get(name, 0.0)} for name in rows["class"]]
        layer.bundles = Bundles(lines, owner, drawn)
        if len(fitted.kept) < len(links):
            gone = len(links) - len(fitted.kept)
            words = f"另有 {gone:,} 条未标出", f"{gone:,} more are not marked"
            layer.keys.append(Key(NO_KEY, *words))
        return layer
    for link_id, row in zip(links.index, _thinned(links).to_dict("records"), strict=True):
        layer.draw(row["geometry"], halo, _link_tip(link_id, row))
    return layer


# --------------------------------------------------------------------------------- bundles


def _bundled_layer(
    layer: Layer, links: gpd.GeoDataFrame, fitted: Fit, zooms: Mapping[str, float], most: int
) -> Layer:
    """Fill a layer of a large network: by class, the `most` chief roads with names one by one."""
    kept = links.iloc[fitted.kept]
    road, named = _named(kept, most)
    keys = pd.DataFrame(
        {
            "class": kept["class"].to_numpy(),
            "status": kept["status"].to_numpy(),
            "band": kept["band"].to_numpy(),
            "road": road,
            "tile": np.where(road >= 0, -1, fitted.tile),
        }
    )
    lines, owner, rows = bundles.grouped(fitted.lines, keys)
    layer.tips = [_road_tip(row) for row in named.to_dict("records")]
    drawn = [_bundle(layer, row, zooms) for row in rows.to_dict("records")]
    layer.bundles = Bundles(lines, owner, drawn)
    _label_roads(layer, lines, rows["road"].to_numpy()[owner], named)
    layer.keys = [*_class_keys(links, fitted.kept, zooms), *_status_keys(kept)]
    layer.keys += _bundle_notes(fitted, named)
    return layer


def _named(links: gpd.GeoDataFrame, most: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the number of each link's road (-1 without), and the chief ones of all roads.

    A road is what has one number, name, class and status; `of` is how many there are.
    """
    columns = ["class", "status", "ref", "name_zh"]
    known = (links["ref"] != "") | (links["name_zh"] != "")
    groups = links[known].groupby(columns, sort=False)
    table = groups.agg(
        km=("length_km", "sum"), links=("length_km", "size"), low=("design_speed_kmh", "min"),
        high=("design_speed_kmh", "max"), source=("source", "first"),
        sources=("source", "nunique"), confidence=("confidence", "max"),
    ).reset_index()  # fmt: skip
    rank = pd.Categorical(table["class"], bundles.ORDER).codes
    order = np.lexsort((-table["km"], rank))[:most]
    place = np.full(len(table), -1)
    place[order] = np.arange(len(order))
    road = np.full(len(links), -1)
    road[known.to_numpy()] = place[groups.ngroup().to_numpy()]
    return road, table.iloc[order].assign(of=len(table))


def _road_tip(road: Mapping[str, Any]) -> list:
    known = pd.notna(road["low"])
    speeds = "–".join(f"{speed:g}" for speed in dict.fromkeys((road["low"], road["high"])))
    more = f" 等 {road['sources']} 项" if road["sources"] > 1 else ""
    return tip_lines(
        [
            " ".join(text for text in (road["ref"], road["name_zh"]) if text),
            ("等级 class", " ".join(CLASSES[road["class"]])),
            ("状态 status", " ".join(STATUS_NAMES[road["status"]])),
            ("设计速度 design", f"{speeds} km/h" if known else ""),
            ("里程合计 length", f"{road['km']:.1f} km"),
            ("路段 links", f"{road['links']:,}"),
            ("来源 source", f"{road['source']}{more}"),
            ("最低可信度 confidence", CONFIDENCE.get(road["confidence"], road["confidence"])),
        ]
    )


def _bundle(layer: Layer, row: Mapping[str, Any], zooms: Mapping[str, float]) -> dict:
    style = _link_style(row)
    found = {"s": layer.style(style), "f": zooms[row["class"]], "t": row["road"]}
    if row["class"] in _CASED and row["status"] == "open":
        found["c"] = layer.style(_casing(style))
    if row["class"] in RAIL_CLASSES and row["status"] == "open":
        found |= {"s": layer.style(_rail_core(style)), "c": found["s"]}
    if row["band"] >= 0:
        found["b"] = row["band"]
    if row["road"] < 0:
        tip = [CLASSES[row["class"]][0], ("等级 class", CLASSES[row["class"]][1])]
        tip += [("状态 status", " ".join(STATUS_NAMES[row["status"]]))]
        tip += [("说明 note", "合并绘制,不逐条说明 drawn together")]
        lines = tip_lines(tip)
        layer.tips += [] if lines in layer.tips[-40:] else [lines]
        found["t"] = layer.tips.index(lines)
    return found


def _label_roads(layer: Layer, lines: np.ndarray, road: np.ndarray, named: pd.DataFrame) -> None:
    """Put the number of each chief road beside its longest lines."""
    length = shapely.length(lines)
    for number, row in enumerate(named.to_dict("records")):
        if not row["ref"] or row["class"] not in _CASED:
            continue
        own = np.flatnonzero(road == number)
        for line in own[np.argsort(-length[own])][:REFS]:
            _label_ref(layer, {**row, "geometry": lines[line]}, CLASS[row["class"]][0])


def _class_keys(
    links: gpd.GeoDataFrame, kept: np.ndarray, zooms: Mapping[str, float]
) -> Iterator[Key]:
    """Yield a line for each class: how many are drawn, from which zoom on, and what is not."""
    drawn = links.iloc[kept]["class"].value_counts()
    left = links["length_km"].groupby(links["class"]).agg(["size", "sum"])
    left -= links.iloc[kept]["length_km"].groupby(links["class"]).agg(["size", "sum"]).reindex(
        left.index, fill_value=0
    )  # fmt: skip
    for name in bundles.ORDER:
        if name not in left.index:
            continue
        zh, en = CLASSES[name]
        count, zoom = int(drawn.get(name, 0)), zooms[name]
        if count:
            since = (f",放大到 {zoom:g} 级起显示", f", from zoom {zoom:g}") if zoom else ("", "")
            words = f"{zh}:{count:,} 条{since[0]}", f"{en}, {count:,} links{since[1]}"
            inner = "5 5" if name in RAIL_CLASSES else ""
            yield Key(line_key(*CLASS[name], inner=inner), *words, zoom=zoom)
        gone, km = left.loc[name]
        if gone:
            which = ("不可达的", ", not reached,") if count else ("", "")
            zh = f"{zh}:{which[0]}{gone:,.0f} 条({km:,.0f} km)未画,网页容量所限"
            en = f"{gone:,.0f} links{which[1]} are not drawn, for want of room"
            yield Key(NO_KEY, zh, en)


def _bundle_notes(fitted: Fit, named: pd.DataFrame) -> Iterator[Key]:
    metres = f"{fitted.metres:g}"
    yield Key(NO_KEY, f"线形简化至 {metres} 米", f"lines thinned to {metres} m")
    if len(named):
        count, every = len(named), named["of"].iloc[0]
        chief = (
            (f",其中主要的 {count:,} 条", f"the chief {count:,} ") if every > count else ("", "")
        )
        zh = f"有编号或名称的道路 {every:,} 条{chief[0]}有各自的提示框"
        yield Key(
            NO_KEY, zh, f"{chief[1]}of {every:,} roads with a name have a tooltip of their own"
        )


def _reached_layer(reach: Reach, pieces: gpd.GeoDataFrame, zooms: Mapping[str, float]) -> Layer:
    """Return the reached roads as a halo in the colour of their band."""
    limits = sorted(reach.frame["minutes"])
    zh, en = f"可达路段:{reach.title_zh}", f"Roads reached: {reach.title_en}"
    layer = Layer("reached", zh, en, z=29, shown=False)
    below = 0.0
    for limit, colour in zip(limits, band_colours(len(limits)), strict=True):
        layer.style({"color": colour, "weight": 4.0, "opacity": 0.75})
        words = f"{below:g}–{limit:g} 分钟", f"{below:g}–{limit:g} min"
        layer.keys.append(Key(area_key(colour, 0.75), *words))
        below = limit
    thin = bundles.thinned(pieces.geometry.to_numpy())
    lines, owner, rows = bundles.grouped(thin, pd.DataFrame(pieces[["class", "band"]]))
    layer.bundles = Bundles(lines, owner, [
        {"s": row["band"], "f": zooms.get(row["class"], 0.0)} for row in rows.to_dict("records")
    ])  # fmt: skip
    return layer
