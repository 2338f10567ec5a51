"""Web maps of a plan: its structure, its promises and the network, on one page for a browser.

A page holds everything it needs and asks nothing of the network, unless a base map is asked
for. Everything is drawn as it lies (WGS84); only for Amap's tiles the drawing is shifted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import folium
import numpy as np
import shapely
from branca.element import Element, Figure, MacroElement
from folium.template import Template

from spatialplan import boundaries, gcj02, offline
from spatialplan.errors import InputError
from spatialplan.layer import Layer
from spatialplan.layers import ROOM, Reach, Scene, layers_of
from spatialplan.panel import changes, counts_text, panel, scenario_text
from spatialplan.roadlayers import DETAILED
from spatialplan.script import wide

if TYPE_CHECKING:
    import geopandas as gpd

    from spatialplan.assessment import Assessment, Situation
    from spatialplan.starts import Start
    from spatialplan.targets import Case, Verdict

__all__ = [
    "BASEMAPS",
    "ComparedMap",
    "Reach",
    "Scene",
    "SceneMap",
    "assessment_map",
    "changes",
    "compare_map",
    "core_reaches",
    "plan_map",
    "reach_of",
    "save",
    "write",
]


@dataclass(frozen=True)
class _Tiles:
    url: str
    subdomains: str
    hosts: tuple[str, ...]
    attribution: str
    labels_url: str = ""


# Tianditu: CGCS2000 in Web Mercator, `vec` the map and `cva` its names; Amap: GCJ-02.
_TIANDITU = "https://t{s}.tianditu.gov.cn/DataServer?T=%s_w&x={x}&y={y}&l={z}&tk="
_TILES = {
    "osm": _Tiles(
        "https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        "abc",
        ("tile.openstreetmap.org",),
        "© OpenStreetMap contributors",
    ),
    "tianditu": _Tiles(
        _TIANDITU % "vec", "01234567", ("*.tianditu.gov.cn",), "© 天地图", _TIANDITU % "cva"
    ),
    "amap": _Tiles(
        "https://webrd0{s}.is.autonavi.com/appmaptile?lang=zh_cn&size=1&scale=1&style=8"
        "&x={x}&y={y}&z={z}",
        "1234",
        ("*.is.autonavi.com",),
        wide("© 高德地图(GCJ-02,图上要素已相应偏移)"),
    ),
}
BASEMAPS = tuple(_TILES)

_PADDING = 14


class _Board(MacroElement):
    """Prepares a folium map for our drawing: canvas, scale, north arrow, labels, extent."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        var {{ this.get_name() }} = spatialplan.board(
            {{ this._parent.get_name() }}, {{ this.options }});
        {% endmacro %}
        """
    )

    def __init__(self, options: dict) -> None:
        super().__init__()
        self._name = "board"
        self.options = offline.to_json(options)


class _Script(Element):
    """A script as it stands: branca would read it as a template, which takes long."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def render(self, **_: Any) -> str:
        return self.text


class _Drawing(MacroElement):
    """The shapes and labels of one layer, put into its folium feature group."""

    def __init__(self, board: _Board, layer: Layer, *, shifted: bool) -> None:
        super().__init__()
        self._name = "drawing"
        self.board = board
        self.key = offline.to_json(layer.key)
        self.payload = offline.to_json(layer.payload(shifted=shifted))

    def render(self, **_: Any) -> None:
        call = f"{self.board.get_name()}.add({self.key}, {self._parent.get_name()},"
        text = f"\n        {call}\n            {self.payload});\n        "
        self.get_root().script.add_child(_Script(text), name=self.get_name())


class _Caption(MacroElement):
    """The title on the map itself."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        (function (box, lines) {
            box.className = "sp-caption";
            box.appendChild(document.createElement("b")).textContent = lines[0];
            box.appendChild(document.createElement("span")).textContent = lines[1];
            {{ this._parent.get_name() }}.getContainer().appendChild(box);
        })(document.createElement("div"), {{ this.lines }});
        {% endmacro %}
        """
    )

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self._name = "caption"
        self.lines = offline.to_json([wide(line) for line in lines])


class _Page(MacroElement):
    """The panel beside the maps; it must come after them."""

    _template = Template(
        """
        {% macro html(this, kwargs) %}{{ this.panel }}{% endmacro %}
        {% macro script(this, kwargs) %}spatialplan.start();{% endmacro %}
        """
    )

    def __init__(self, panel: str) -> None:
        super().__init__()
        self._name = "page"
        self.panel = offline.to_html(panel)


class SceneMap(folium.Map):
    """A folium map of a scene that shows and saves as a page of its own.

    Further folium layers may be added; one that needs the network is refused when the page
    is made.
    """

    default_js: ClassVar[list[tuple[str, str]]] = []
    default_css: ClassVar[list[tuple[str, str]]] = []

    def __init__(
        self,
        scene: Scene,
        name: str,
        basemap: str | None = None,
        room: int = ROOM,
        **kwargs: Any,
    ) -> None:
        basemap = None if basemap == "none" else basemap
        west, south, east, north = scene.bounds
        super().__init__(
            location=[(south + north) / 2, (west + east) / 2],
            tiles=None,
            zoom_start=9,
            prefer_canvas=True,
            zoom_snap=0.25,
            zoom_delta=0.5,
            min_zoom=6,
            max_zoom=15,
            attribution_control=bool(basemap or scene.network.attribution),
            **kwargs,
        )
        # Fixed ids, so that the same scene gives the same page.
        self._id = name
        self.scene = scene
        self.basemap = basemap
        self.title = wide(f"{scene.plan.title_zh} 示意图")
        self._add_tiles()
        self.sections = layers_of(scene, plain=basemap is not None, room=room)
        self._add_layers(_bounds(scene, shifted=basemap == "amap"))

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that the page may ask for map tiles."""
        return _TILES[self.basemap].hosts if self.basemap else ()

    @property
    def attribution(self) -> str:
        """Whose map tiles lie under the drawing; empty without any."""
        return _TILES[self.basemap].attribution if self.basemap else ""

    def _add_tiles(self) -> None:
        if not self.basemap:
            return
        tiles = _tiles(self.basemap)
        for number, url in enumerate(filter(None, (tiles.url, tiles.labels_url))):
            layer = folium.TileLayer(url, attr=tiles.attribution, subdomains=tiles.subdomains)
            layer._id = f"{self._id}_tiles{number}"
            self.add_child(layer)

    def _add_layers(self, bounds: list) -> None:
        said = self.scene.network.attribution
        credit = {"credit": said} if said else {}
        board = _Board({"bounds": bounds, "padding": _PADDING, **credit})
        board._id = self._id
        self.add_child(board)
        shifted = self.basemap == "amap"
        for layers in self.sections.values():
            for layer in layers:
                group = folium.FeatureGroup(layer.zh, show=layer.shown)
                drawing = _Drawing(board, layer, shifted=shifted)
                group._id = drawing._id = f"{self._id}_{layer.key}"
                group.add_child(drawing)
                self.add_child(group)

    def add_caption(self, title: str, under: str) -> None:
        """Write a title over the map."""
        caption = _Caption((title, under))
        caption._id = f"{self._id}_caption"
        self.add_child(caption)

    def html(self) -> str:
        """Return the whole page as text."""
        return offline.page(self.get_root(), self.title, self.hosts)

    def _repr_html_(self, **_: Any) -> str:
        return offline.frame(self.html())


class ComparedMap:
    """Two maps side by side on one page, moving together.

    Attributes
    ----------
    before, after : SceneMap
    figure : branca.element.Figure
    """

    def __init__(self, before: SceneMap, after: SceneMap, figure: Figure) -> None:
        self.before, self.after, self.figure = before, after, figure

    def html(self) -> str:
        """Return the whole page as text."""
        return offline.page(self.figure, f"{self.before.title} 对比", self.before.hosts)

    def _repr_html_(self) -> str:
        return offline.frame(self.html())


def _bounds(scene: Scene, *, shifted: bool) -> list[list[float]]:
    """Return the south-west and north-east corners to fit, latitude first."""
    west, south, east, north = scene.bounds
    lon, lat = np.array([west, east]), np.array([south, north])
    if shifted:
        lon, lat = gcj02.to_gcj02(lon, lat)
    return [[float(lat[0]), float(lon[0])], [float(lat[1]), float(lon[1])]]


def _tiles(basemap: str) -> _Tiles:
    """Return the tiles of a base map, the key of Tianditu put in.

    Raises
    ------
    InputError
        When the base map is unknown, or ``TIANDITU_TK`` holds no key.
    """
    if basemap not in _TILES:
        raise InputError.of(
            "basemap",
            f"没有底图“{basemap}”;可用 {'、'.join(BASEMAPS)}",
            "no such base map; use " + ", ".join(BASEMAPS),
        )
    tiles = _TILES[basemap]
    if basemap != "tianditu":
        return tiles
    key = os.environ.get("TIANDITU_TK", "").strip()
    if not key.isalnum():
        raise InputError.of(
            "TIANDITU_TK",
            "天地图底图需要密钥;请在天地图控制台申请,并设为环境变量 TIANDITU_TK",
            "Tianditu needs a key; get one from its console and set TIANDITU_TK",
        )
    return _Tiles(
        tiles.url + key, tiles.subdomains, tiles.hosts, tiles.attribution, tiles.labels_url + key
    )


def plan_map(scene: Scene, *, basemap: str | None = None) -> SceneMap:
    """Return the map of a plan on the network of a scenario.

    Parameters
    ----------
    scene
        Plan, network, verdicts, circles and titles; see `Scene`.
    basemap
        None (no tiles, works offline), ``osm``, ``tianditu`` or ``amap``.

    Raises
    ------
    InputError
        When the base map is unknown or lacks its key.
    """
    made = SceneMap(scene, "a", basemap)
    made.add_caption(scene.plan.title_zh, _under_title(scene))
    figure = made.get_root()
    figure.header.add_child(_header(), name="spatialplan")
    _finish(figure, panel(scene, made.sections, attribution=made.attribution))
    return made


def _under_title(scene: Scene) -> str:
    lacking = len(scene.plan.area) - len(boundaries.known(scene.plan.area))
    words = "没有县界 no boundaries" if lacking == len(scene.plan.area) else "县界不全"
    away = not shapely.box(*scene.network.links.total_bounds).intersects(scene.window)
    parts = scenario_text(scene), words * bool(lacking), "路网不在图幅内 network elsewhere" * away
    return " · ".join(part for part in parts if part)


def compare_map(before: Scene, after: Scene, *, basemap: str | None = None) -> ComparedMap:
    """Return two maps of one plan side by side, with a list of what changed.

    Parameters
    ----------
    before, after
        Two scenes of the same plan.
    basemap
        As for `plan_map`.
    """
    if before.plan.id != after.plan.id:
        raise InputError.of(
            "compare",
            "前后对比须是同一规划",
            "before and after must show the same plan",
        )
    figure = Figure()
    figure.header.add_child(_header(), name="spatialplan")
    named = ((before, "a"), (after, "b"))
    pair = [SceneMap(scene, name, basemap, ROOM // 2) for scene, name in named]
    for made, word in zip(pair, ("前 Before", "后 After"), strict=True):
        made.add_caption(f"{word}:{made.scene.scenario_zh}", counts_text(made.scene.verdicts))
        figure.add_child(made)
    _finish(figure, panel(after, pair[1].sections, (before, pair[0].sections), pair[0].attribution))
    return ComparedMap(*pair, figure)


def save(made: SceneMap | ComparedMap, path: str | Path) -> None:
    """Write a map as one self-contained HTML file of at most 5 MB, all or nothing.

    Raises
    ------
    InputError
        When something on the map would ask the network, the page is too large, or the file
        cannot be written.
    """
    offline.save(made.html(), path)


def assessment_map(
    found: Assessment, *, basemap: str | None = None, circles: Sequence[Reach] | None = None
) -> SceneMap | ComparedMap:
    """Return the map of an assessment of one plan: two maps when it compares two networks.

    Parameters
    ----------
    found
        The assessment.
    basemap
        As for `plan_map`.
    circles
        Travel-time circles when they are known already; by default those of 30 and 60 minutes
        from the plan's cores are computed.

    Raises
    ------
    InputError
        As `plan_map` does.
    """
    (case,) = found.cases
    after = _scene(found.situation, case, found.verdicts, circles)
    if found.before is None:
        return plan_map(after, basemap=basemap)
    before = _scene(found.before, found.before.case(case.plan), found.verdicts_before)
    shown = ("targets", "circles", "network", "places")
    pair = [replace(scene, shown=shown) for scene in (before, after)]
    return compare_map(*pair, basemap=basemap)


def write(
    found: Assessment,
    path: str | Path,
    *,
    basemap: str | None = None,
    circles: Sequence[Reach] | None = None,
) -> None:
    """Write the map of an assessment of one plan, as `assessment_map` draws it.

    Raises
    ------
    InputError
        As `plan_map` and `save` do.
    """
    save(assessment_map(found, basemap=basemap, circles=circles), path)


def _scene(
    situation: Situation,
    case: Case,
    verdicts: Sequence[Verdict],
    circles: Sequence[Reach] | None = None,
) -> Scene:
    applied = situation.applied
    edited = [link for change in applied.changes for link in change.added] if applied else []
    return Scene(
        plan=case.plan,
        network=case.network,
        verdicts=verdicts,
        circles=core_reaches(case) if circles is None else circles,
        scenario_zh=situation.title_zh,
        scenario_en=situation.title_en,
        profile_zh=case.profile.title_zh,
        profile_en=case.profile.title_en,
        register=case.every_link,
        edited=frozenset(edited),
        gazetteer=case.gazetteer,
    )


def core_reaches(
    case: Case, circles_of: Callable[[Start], gpd.GeoDataFrame] | None = None
) -> list[Reach]:
    """Return what is reached from the cores of a plan in 30 and 60 minutes.

    Parameters
    ----------
    circles_of
        Gives the circles of a start where they may be known already.
    """
    from spatialplan.circles import reached_links
    from spatialplan.starts import core_starts

    starts = core_starts(case.plan, case.gazetteer, case.extent)
    found = [
        reach_of(start, circles_of(start) if circles_of else start.circles(case.graph))
        for start in starts
    ]
    # Among few links one sees which lie inside a circle.
    if found and len(case.network.links) > DETAILED:
        first = starts[0]
        links = reached_links(case.graph, first.places, max(first.minutes), mode=first.mode)
        found[0] = replace(found[0], links=links)
    return found


def reach_of(start: Start, frame: gpd.GeoDataFrame) -> Reach:
    """Return circles with their titles, as a map shows them."""
    minutes = [f"{limit:g}" for limit in start.minutes]
    zh = f"自{start.zh}{'、'.join(minutes)}分钟"
    return Reach(zh, f"{' and '.join(minutes)} min from {start.en}", frame)


def _header() -> Any:
    element = offline.header([offline.asset("map.css")], [offline.asset("map.js")])
    element._id = "spatialplan"
    return element


def _finish(figure: Figure, panel: str) -> None:
    page = _Page(panel)
    page._id = "page"
    figure.add_child(page)
