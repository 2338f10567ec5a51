"""Maps opened in a headless Chromium with the network off."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from spatialplan import layers, maps, osm, plan, province, scenario, standards, targets
from spatialplan.circles import circles
from spatialplan.palette import CLASS, band_colours
from spatialplan.script import wide

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")

EVIL = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def scene():
    chosen = scenario.builtin("linxia-open-2024")
    profile = standards.read_profile("operating")
    case = targets.Case(plan.builtin("linxia-2021"), scenario.network_of(chosen), profile)
    wanted = [target for target in case.plan.targets if target.id in ("L3", "L5", "L6")]
    origins = case.places({"element": "core"})
    return maps.Scene(
        plan=case.plan,
        network=case.network,
        verdicts=targets.evaluate(wanted, case),
        circles=(maps.Reach("自中心城区", "from the core", circles(case.graph, origins)),),
        scenario_zh=chosen.title_zh,
        scenario_en=chosen.title_en,
        register=scenario.register(),
        shown=("structure", "targets", "network", "places"),
        drawn_on=date(2026, 1, 2),
    )


@pytest.fixture(scope="module")
def browser(browser_path):
    with playwright.sync_playwright() as play:
        running = play.chromium.launch(executable_path=browser_path, args=FLAGS)
        yield running
        running.close()


class Watched:
    """A page that remembers what it asked for and complained about."""

    def __init__(self, browser, path: Path, size=(1400, 900)):
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        context.set_offline(True)
        self.page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.url = path.as_uri()
        self.page.goto(self.url)
        self.page.wait_for_function("window.spatialplan && spatialplan.boards.length > 0")
        self.page.wait_for_timeout(250)

    def assert_quiet(self):
        assert self.requests == [self.url]
        assert self.complaints == []

    def shown(self, key, board=0):
        return self.page.evaluate(
            "([b, k]) => spatialplan.boards[b].map.hasLayer(spatialplan.boards[b].groups[k])",
            [board, key],
        )

    def labels(self, board=0):
        """Return text and box of the labels that can be read."""
        return self.page.evaluate(
            """(b) => spatialplan.boards[b].labels
                 .filter((label) => label.node.style.visibility === "visible")
                 .map((label) => {
                   const r = label.node.getBoundingClientRect();
                   const turned = !label.node.style.transform.includes("rotate(0deg)");
                   return [label.t, r.left, r.top, r.right, r.bottom, turned];
                 })""",
            board,
        )

    def view(self, lat, lon, zoom, board=0):
        self.page.evaluate(
            """([b, lat, lon, zoom]) => {
                 spatialplan.boards[b].map.setView([lat, lon], zoom, {animate: false}); }""",
            [board, lat, lon, zoom],
        )
        self.page.wait_for_timeout(150)

    def hover(self, x, y):
        """Return the tooltip at a place of the screen."""
        for away in (40, 1, 0):  # Leaflet looks at the mouse some 30 times a second at most
            self.page.mouse.move(x, y + away)
            self.page.wait_for_timeout(80)
        tip = self.page.locator(".sp-tip")
        tip.wait_for(timeout=2000)
        return tip.inner_text()

    def pixel(self, lon, lat, board=0):
        """Return where a position lies on the screen."""
        return self.page.evaluate(
            """([b, lat, lon]) => {
                 const map = spatialplan.boards[b].map;
                 const box = map.getContainer().getBoundingClientRect();
                 const at = map.latLngToContainerPoint([lat, lon]);
                 return [box.left + at.x, box.top + at.y];
               }""",
            [board, lat, lon],
        )


@pytest.fixture(scope="module")
def map_file(scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "map.html"
    maps.save(maps.plan_map(scene), path)
    return path


@pytest.fixture
def opened(browser, map_file):
    watched = Watched(browser, map_file)
    yield watched
    watched.page.context.close()


def test_a_map_opens_with_no_request_and_no_complaint(opened):
    opened.assert_quiet()
    page = opened.page
    assert page.title().startswith("临夏州新型城镇化规划")
    assert page.locator(".sp-caption b").inner_text() == wide("临夏州新型城镇化规划(2021-2035年)")
    panel = page.locator(".sp-panel").inner_text()
    for text in ("示意图", "实际通车", "2024-12", "2026-01-02", "沿黄河城镇带", "高速公路"):
        assert text in panel
    assert page.locator(".leaflet-control-scale-line").inner_text().endswith("km")
    drawn = page.evaluate(
        """() => { const c = document.querySelector("canvas");
             const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
             const seen = new Set(); for (let i = 0; i < d.length; i += 4 * 97)
               seen.add(d.slice(i, i + 4).join()); return seen.size; }"""
    )
    assert drawn > 50  # colours: a blank canvas has one


def test_labels_do_not_overlap_and_the_chief_ones_are_there(opened):
    labels = opened.labels()
    names = {label[0] for label in labels}
    assert {"临夏市", "永靖县", "康乐县", "沿黄河城镇带", "沿洮河城镇带"} <= names
    straight = [label for label in labels if not label[5]]
    for number, (name, left, top, right, bottom, _) in enumerate(straight):
        for other, left2, top2, right2, bottom2, _ in straight[number + 1 :]:
            apart = (
                left2 >= right - 1 or left >= right2 - 1 or top2 >= bottom - 1 or top >= bottom2 - 1
            )
            assert apart, (name, other)


def test_a_layer_is_switched_off_and_on_again_in_its_place(opened):
    box = opened.page.locator('input[data-layer="structure0"]')
    assert opened.shown("structure0")
    order = "() => spatialplan.boards[0].pieces.map((piece) => piece.z)"
    before = opened.labels()
    box.uncheck()
    opened.page.wait_for_timeout(150)
    assert not opened.shown("structure0")
    assert "沿黄河城镇带" not in {label[0] for label in opened.labels()}
    box.check()
    opened.page.wait_for_timeout(150)
    assert opened.shown("structure0")
    assert sorted(opened.labels()) == sorted(before)
    heights = opened.page.evaluate(order)
    assert heights == sorted(heights)
    opened.assert_quiet()


def test_a_tooltip_shows_the_source_of_a_seat(opened, scene):
    row = scene.gazetteer.table.loc["kangle-xian"]
    x, y = opened.pixel(row["lon"], row["lat"])
    text = opened.hover(x, y)
    assert "康乐县" in text
    assert row["source"] in text
    assert "可信度" in text


def test_a_trip_tells_its_minutes(opened, scene):
    (verdict,) = [v for v in scene.verdicts if v.target.id == "L5"]
    pair = next(p for p in verdict.pairs if p.destination.place_id == "kangle-xian")
    opened.view(35.5, 103.46, 11)
    middle = layers._bow(pair.origin, pair.destination).interpolate(0.55, normalized=True)
    x, y = opened.pixel(middle.x, middle.y)
    text = opened.hover(x, y)
    assert f"{pair.minutes:.1f}" in text
    assert f"{pair.lower_bound:.1f}" in text


def test_nearer_views_show_more_names(opened):
    far = len(opened.labels())
    towns = [label[0] for label in opened.labels() if label[0].endswith("乡")]
    opened.view(35.6, 103.2, 11.5)
    near = opened.labels()
    box = opened.page.locator("#map_a").bounding_box()
    inside = [label for label in near if box["x"] < label[1] < box["x"] + box["width"]]
    assert any(label[0].endswith("乡") and label[0] not in towns for label in inside)
    assert far > 20


def test_the_panel_folds_away(opened):
    width = opened.page.locator("#map_a").bounding_box()["width"]
    opened.page.locator(".sp-fold").click()
    assert opened.page.locator(".sp-panel").is_hidden()
    assert opened.page.locator("#map_a").bounding_box()["width"] > width + 300


def test_a_small_screen_starts_with_the_map(browser, map_file):
    watched = Watched(browser, map_file, (600, 800))
    assert watched.page.locator(".sp-panel").is_hidden()
    assert watched.page.locator("#map_a").bounding_box()["width"] == 600
    watched.page.context.close()


def test_names_of_the_data_do_not_run(browser, scene, tmp_path):
    elements = tuple(replace(e, name_zh=EVIL + e.id, note_zh=EVIL) for e in scene.plan.elements)
    evil_plan = replace(scene.plan, title_zh=EVIL, elements=elements)
    evil = replace(scene, plan=evil_plan, scenario_zh=EVIL)
    path = tmp_path / "evil.html"
    maps.save(maps.compare_map(replace(evil, scenario_zh="前"), evil), path)
    watched = Watched(browser, path)
    assert watched.page.evaluate("window.hit") is None
    assert watched.page.locator(".sp-caption b").nth(1).inner_text().endswith(EVIL)
    assert EVIL in watched.page.locator(".sp-panel h1").inner_text()
    watched.assert_quiet()
    watched.page.context.close()


def test_two_maps_move_together_and_switch_together(browser, scene, tmp_path):
    promised = scenario.builtin("linxia-promised-2025")
    case = targets.Case(scene.plan, scenario.network_of(promised), standards.read_profile())
    verdicts = targets.evaluate([verdict.target for verdict in scene.verdicts], case)
    after = replace(scene, network=case.network, verdicts=verdicts, scenario_zh=promised.title_zh)
    path = tmp_path / "two.html"
    maps.save(maps.compare_map(scene, after), path)
    watched = Watched(browser, path, (1600, 900))
    watched.assert_quiet()
    page = watched.page
    for board in (0, 1):
        watched.view(35.4, 103.6, 11, board)
        views = page.evaluate(
            "spatialplan.boards.map((b) => [b.map.getCenter().lat, b.map.getZoom()])"
        )
        assert views[0] == pytest.approx(views[1], abs=1e-4)
        watched.view(36, 103, 9, 1 - board)
    assert page.evaluate("spatialplan.boards[0].map.getZoom()") == 9
    page.locator("summary", has_text="交通圈").click()
    page.locator('input[data-layer="circles0"]').check()
    assert watched.shown("circles0", 0)
    assert watched.shown("circles0", 1)
    assert "新增" in page.locator(".sp-panel").inner_text()
    assert page.locator(".sp-change").count() > 2
    page.context.close()


@pytest.fixture(scope="module")
def wide_file(tmp_path_factory):
    """A map of a province of 30,000 links, a part of it reached."""
    made = province.province(23_000, seed=5)
    middle = (made.lonlat.min(axis=0) + made.lonlat.max(axis=0)) / 2
    made = replace(made, lonlat=made.lonlat - middle + MIDDLE)
    network = made.network()
    links = network.links
    away = shapely.distance(links.geometry.to_numpy(), shapely.Point(MIDDLE)) * 150
    links["source"] = osm.ATTRIBUTION
    columns = {"link_id": links.index, "class": links["class"], "minutes_start": away,
               "minutes_end": away + 0.1, "km": links["length_km"]}  # fmt: skip
    reached = gpd.GeoDataFrame(columns, geometry=list(links.geometry), crs=4326)[away < 59.9]
    discs = [shapely.Point(MIDDLE).buffer(radius) for radius in (0.2, 0.4)]
    areas = gpd.GeoDataFrame({"minutes": [30.0, 60.0]}, geometry=discs, crs=4326)
    path = tmp_path_factory.mktemp("large") / "map.html"
    shown = maps.Scene(
        plan=plan.builtin("linxia-2021"),
        network=network,
        circles=(maps.Reach("自中心", "from the middle", areas, reached),),
        drawn_on=date(2026, 1, 2),
    )
    maps.save(maps.plan_map(shown), path)
    return path


MIDDLE = (103.3, 35.55)


@pytest.fixture
def large(browser, wide_file):
    watched = Watched(browser, wide_file)
    yield watched
    watched.page.context.close()


def bundles_shown(watched, key):
    """Return how many bundles of a layer are on the map, by colour."""
    return watched.page.evaluate(
        """(key) => { const seen = {};
             for (const bundle of spatialplan.boards[0].bundles)
               if (bundle.on && bundle.key === key && (bundle.tip || key !== "roads"))
                 seen[bundle.style.color] = (seen[bundle.style.color] || 0) + 1;
             return seen; }""",
        key,
    )


def ink_near(watched, colour):
    """Return how many pixels of a map's canvas have all but this colour."""
    return watched.page.evaluate(
        """(colour) => { const c = document.querySelector("canvas");
             const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
             const want = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
             let count = 0;
             for (let i = 0; i < d.length; i += 4)
               if (want.every((value, k) => Math.abs(d[i + k] - value) < 12)) count++;
             return count; }""",
        colour,
    )


def test_a_large_network_opens_offline_and_credits_its_data(large):
    large.assert_quiet()
    credit = large.page.locator(".leaflet-control-attribution").inner_text()
    assert credit == "© OpenStreetMap contributors, ODbL 1.0"
    large.view(MIDDLE[1], MIDDLE[0], 9)
    shown = bundles_shown(large, "roads")
    assert CLASS["class1"][0] in shown
    assert CLASS["access"][0] not in shown
    assert large.page.locator(".sp-later").count() >= 1
    assert "zoom 9" in large.page.locator(".sp-zoom").inner_text()


def test_minor_roads_of_a_large_network_come_with_the_zoom_and_go_again(large):
    minor = CLASS["access"][0]
    large.view(MIDDLE[1], MIDDLE[0], 9)
    assert minor not in bundles_shown(large, "roads")
    large.view(MIDDLE[1], MIDDLE[0], 12)
    assert bundles_shown(large, "roads")[minor] >= 1
    assert large.page.locator(".sp-later").count() == 0
    large.view(35.9, 104.2, 12)  # beyond the network
    assert bundles_shown(large, "roads") == {}
    large.view(MIDDLE[1], MIDDLE[0], 9)
    assert minor not in bundles_shown(large, "roads")
    large.assert_quiet()
    before = ink_near(large, minor)
    large.view(MIDDLE[1], MIDDLE[0], 12)
    large.page.wait_for_timeout(300)
    assert ink_near(large, minor) > before + 2000


def test_layers_of_a_large_network_are_switched(large):
    page = large.page
    large.view(MIDDLE[1], MIDDLE[0], 12)
    roads = page.locator('input[data-layer="roads"]')
    roads.uncheck()
    page.wait_for_timeout(150)
    assert bundles_shown(large, "roads") == {}
    roads.check()
    page.wait_for_timeout(150)
    assert len(bundles_shown(large, "roads")) > 1
    assert bundles_shown(large, "reached") == {}
    page.locator("summary", has_text="交通圈").click()
    page.locator('input[data-layer="reached"]').check()
    page.wait_for_timeout(300)
    large.view(MIDDLE[1], MIDDLE[0] - 0.2, 11)
    assert set(bundles_shown(large, "reached")) == set(band_colours(2))
    heights = page.evaluate(
        "() => { const b = spatialplan.boards[0]; b.restack(); return b.pieces.map((p) => p.z); }"
    )
    assert heights == sorted(heights)
    large.assert_quiet()


def test_a_minor_road_of_a_large_network_tells_its_class(large):
    large.view(MIDDLE[1], MIDDLE[0], 13)
    lat, lon = large.page.evaluate(
        """() => { const board = spatialplan.boards[0], view = board.map.getBounds().pad(-0.3);
             for (const bundle of board.bundles) {
               if (!bundle.on || !bundle.tip || bundle.tip[0] !== "连接道") continue;
               for (const line of bundle.layer.getLatLngs()) {
                 const middle = L.latLng((line[0].lat + line[1].lat) / 2,
                   (line[0].lng + line[1].lng) / 2);
                 if (view.contains(middle)) return [middle.lat, middle.lng];
               } } }"""
    )
    text = large.hover(*large.pixel(lon, lat))
    assert "连接道" in text
    assert "合并绘制" in text
