"""The report in a browser with the network off: no request leaves the pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import test_ownnetwork as toy

from spatialplan import report

pytestmark = pytest.mark.browser
PLAN, SCENARIO = "linxia-2021", "linxia-open-2024"
# How many pixels of each colour a map has drawn.
COLOURS = """board => {
    const counts = {};
    for (const canvas of board.querySelectorAll("canvas")) {
        const {width, height} = canvas;
        const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
        for (let i = 0; i < data.length; i += 4) {
            if (data[i + 3]) {
                const key = [data[i] >> 4, data[i + 1] >> 4, data[i + 2] >> 4].join();
                counts[key] = (counts[key] || 0) + 1;
            }
        }
    }
    return counts; }"""


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    return report.build([PLAN], [SCENARIO], out=tmp_path_factory.mktemp("report") / "out")


@pytest.fixture(scope="module")
def browser(browser_path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        found = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        yield found
        found.close()


@pytest.fixture(params=[(1366, 820), (390, 844)], ids=["wide", "narrow"])
def page(request, browser):
    """A page that records requests and errors, and must have none of the wrong kind."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    found = context.new_page()
    asked, failed, errors = [], [], []
    found.on("request", lambda request: asked.append(request.url))
    found.on("requestfailed", lambda request: failed.append(request.url))
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    yield found
    failed = list(failed)  # closing the page breaks off what a hidden picture still asks for
    context.close()
    assert asked
    assert [url for url in asked if not url.startswith(("file://", "data:", "blob:"))] == []
    assert failed == []
    assert errors == []


def _fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_index_leads_from_a_promise_to_its_verdict(page, index):
    page.goto(index.as_uri())
    assert _fits(page)
    for name in ("met", "not_met", "impossible", "unknown"):
        assert page.locator(f".card.{name}").is_visible()
    page.locator(".card.impossible li a").first.click()
    assert "#" in page.url
    row = page.locator("tr:target")
    assert row.locator(".chip").inner_text() == "不可能"
    assert row.is_visible()


def test_pairs_open(page, index):
    page.goto((index.parent / f"pages/{PLAN}.{SCENARIO}.html").as_uri())
    assert _fits(page)
    pairs = page.locator("tr#L5 + tr.pairs")
    assert not pairs.locator("table").is_visible()
    pairs.locator("summary").click()
    assert pairs.locator("tbody tr").first.is_visible()
    assert pairs.locator("tbody tr").count() == 7


def test_map_shows_in_its_frame_and_a_layer_switches_off(page, index):
    page.goto((index.parent / f"pages/{PLAN}.{SCENARIO}.html").as_uri())
    page.locator("iframe.map").scroll_into_view_if_needed()
    frame = page.frame_locator("iframe.map")
    frame.locator(".leaflet-container").first.wait_for(state="visible")
    frame.locator("canvas").first.wait_for(state="attached")
    board = frame.locator(".leaflet-container").first
    page.wait_for_timeout(600)
    before = board.evaluate(COLOURS)
    assert len(before) > 20
    # On a narrow page the panel is folded at first.
    frame.locator("input[data-layer]:checked").first.evaluate("box => box.click()")
    page.wait_for_timeout(600)
    assert board.evaluate(COLOURS) != before


def test_figures_load(page, index):
    page.goto((index.parent / f"pages/{PLAN}.{SCENARIO}.html").as_uri())
    pictures = page.locator("figure img")
    assert pictures.count() == 7
    for number in range(7):
        picture = pictures.nth(number)
        picture.scroll_into_view_if_needed()
        picture.evaluate("async el => { await el.decode(); }")
        assert picture.evaluate("el => el.naturalWidth") > 500


def test_map_appears_in_a_frame_without_a_size_at_first(page, index, tmp_path):
    """A frame far below may be laid out only when somebody scrolls to it."""
    path = (index.parent / f"maps/{PLAN}.{SCENARIO}.html").as_uri()
    host = tmp_path / "host.html"
    host.write_text(f'<iframe src="{path}" style="width:0;height:0"></iframe>', encoding="utf-8")
    page.goto(host.as_uri())
    page.locator("iframe").evaluate("one => { one.style = 'width:340px;height:600px'; }")
    board = page.frame_locator("iframe").locator(".leaflet-container").first
    page.wait_for_timeout(600)
    assert len(board.evaluate(COLOURS)) > 20


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A report on a toy network, of a plan whose county no boundary data know."""
    folder = tmp_path_factory.mktemp("own")
    spots = [{**spot, "adcode": 999999, "kind": "town"} for spot in toy.OWN]
    core = {"id": "core", "structure": "一心", "kind": "core", "name_zh": "一心",
            "members": ["aa"]}  # fmt: skip
    target = toy.trip(origins=["aa"], destinations=["bb", "cc"])
    plan = toy.plan_file(folder, places=spots, elements=[core], targets=[target], area=[999999])
    toy.roads(source="© Somebody").write(folder / "n.gpkg")
    return report.build([str(plan)], [], out=folder / "out", network=folder / "n.gpkg")


def test_a_network_of_ones_own_is_told_and_drawn(page, own):
    page.goto(own.as_uri())
    assert _fits(page)
    section = page.locator("#network")
    assert "n.gpkg" in section.inner_text()
    assert section.locator("table.ties tbody tr").count() == 3
    assert section.locator("table.ties tbody tr").first.is_visible()
    page.locator(".card li a").first.click()
    assert _fits(page)
    page.locator("iframe.map").scroll_into_view_if_needed()
    frame = page.frame_locator("iframe.map")
    assert "999999" in frame.locator(".sp-panel").text_content()
    board = frame.locator(".leaflet-container").first
    board.wait_for(state="visible")
    page.wait_for_timeout(800)
    # The roads of class II lie in the view: their colour, and the label of the core.
    assert any(key.startswith("11,9,") for key in board.evaluate(COLOURS))
    assert "甲园" in frame.locator(".leaflet-container").first.text_content()
