import json
import pickle
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import chain
from math import cos, hypot, inf, radians
from types import SimpleNamespace

import folium
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from spatialplan import (
    assessment,
    bundles,
    gcj02,
    layers,
    layout,
    maps,
    network,
    offline,
    osm,
    places,
    plan,
    province,
    roadlayers,
    scenario,
)
from spatialplan.errors import InputError
from spatialplan.network import Network, as_links, as_nodes
from spatialplan.palette import CLASS, STATUS_DASH, VERDICT
from spatialplan.places import Place
from spatialplan.plan import Citation, Target
from spatialplan.script import wide
from spatialplan.targets import Pair, Verdict
from spatialplan.travel import Route

EVIL = "<script>alert(1)</script>\"'`{{7*7}}${1}<img src=x onerror=alert(2)>"


def verdict_of(name, trips, *, target="T1", title="半小时交通圈", value=None):
    """Trips are (origin id, destination id, minutes, lower bound)."""
    aim = Target(
        target, "linxia-2021", title, "half an hour", "travel_time", Citation("1", "原文"),
        threshold=30.0, unit="min",
    )  # fmt: skip
    pairs = []
    for origin, destination, minutes, bound in trips:
        a, b = (places.builtin()[place_id] for place_id in (origin, destination))
        route = Route(a, b, "road", minutes)
        bounded = SimpleNamespace(minutes=bound)
        pairs.append(Pair(a, b, minutes, 40.0, minutes <= 30, bounded, route))
    return Verdict(aim, name, "理由", "reason", value, evidence="mixed", pairs=tuple(pairs))


TRIPS = [
    ("linxia-shi", "dongxiang-xian", 25.0, 13.0),
    ("linxia-shi", "guanghe-xian", 45.0, 26.0),
    ("linxia-shi", "kangle-xian", 65.0, 39.0),
]


@pytest.fixture(scope="module")
def open_network():
    return network.builtin().at("2024-12")


@pytest.fixture(scope="module")
def scene(open_network):
    disc = shapely.Point(103.2, 35.6)
    circles = gpd.GeoDataFrame(
        {"minutes": [30.0, 60.0]}, geometry=[disc.buffer(0.1), disc.buffer(0.3)], crs=4326
    )
    return maps.Scene(
        plan=plan.builtin("linxia-2021"),
        network=open_network,
        verdicts=[verdict_of("impossible", TRIPS, value=65.0)],
        circles=(maps.Reach("自临夏市", "from Linxia", circles),),
        scenario_zh="实际通车",
        scenario_en="Open",
        profile_zh="运行速度",
        drawn_on=date(2026, 1, 2),
    )


@pytest.fixture(scope="module")
def html(scene):
    return maps.plan_map(scene).html()


def payloads(html):
    """Return what each layer of the (first) map draws, by key."""
    found = re.findall(r'board_a\.add\("(\w+)", feature_group_a_\w+,\s*(\{.*?\})\);', html)
    return {key: json.loads(text) for key, text in found}


def decode(text):
    """Return the lines of a bundle as lists of points, as the page's script reads them."""
    numbers, value, shift = [], 0, 0
    for digit in map(bundles.DIGITS.index, text):
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            numbers.append(value)
            value = shift = 0
    lines, stream = [], iter(numbers)
    for count in stream:
        lines += [[(next(stream), next(stream)) for _ in range(count)]]
    return lines


def tips(layer):
    return [item["t"] for item in layer["items"] if "t" in item]


def test_the_page_says_what_it_shows(html):
    for text in ("实际通车", "2024-12", "运行速度", "2026-01-02", "示意图", "天地图", "629900"):
        assert (text in html) == (text != "629900")
    assert "<title>临夏州新型城镇化规划" in html


def test_the_page_names_no_address_outside_leaflet_and_says_so_to_the_browser(html):
    script, style = offline._leaflet()
    rest = html.replace(script, "").replace(style, "")
    assert "://" not in rest
    assert not re.search(r"""(?:src|href)\s*=\s*"(?!data:)""", rest.split("<body>")[0])
    assert "default-src 'none'" in html
    assert "img-src data: blob:;" in html


def test_the_page_is_small_and_the_same_each_time(scene, html):
    assert len(html.encode()) < 1_500_000
    assert maps.plan_map(scene).html() == html


def test_coordinates_are_rounded_to_five_decimals(html):
    layer = payloads(html)["roads"]
    numbers = re.findall(r"\d+\.(\d+)", json.dumps([item["g"] for item in layer["items"]]))
    assert len(numbers) > 500
    assert max(map(len, numbers)) <= 5


def test_trips_are_coloured_by_their_own_verdict(html):
    layer = payloads(html)["target0"]
    coloured = {
        item["t"][0]: layer["styles"][item["s"]]["color"] for item in layer["items"] if "t" in item
    }
    assert coloured == {
        "临夏市 → 东乡县": VERDICT["met"],
        "临夏市 → 广河县": VERDICT["not_met"],
        "临夏市 → 康乐县": VERDICT["impossible"],
    }
    kangle = dict(tips(layer)[2][1:])
    assert kangle["用时 time"].startswith("65.0")
    assert kangle["理论下限 lower bound"].startswith("39.0")
    assert kangle["里程 distance"] == "40.0 km"
    assert "30" in kangle["门槛 threshold"]
    assert {label["t"] for label in layer["labels"]} == {"25 分", "45 分", "65 分"}


def test_a_trip_without_a_way_is_said_to_be_none(scene):
    verdict = verdict_of("not_met", [("linxia-shi", "kangle-xian", inf, 39.0)])
    verdict = replace(verdict, pairs=(replace(verdict.pairs[0], minutes=np.nan, km=np.nan),))
    (layer,) = layers.layers_of(replace(scene, verdicts=[verdict]))["targets"]
    tip = next(dict(item["t"][1:]) for item in layer.items if "t" in item)
    assert "不通" in tip["用时 time"]
    assert "里程 distance" not in tip


def test_circles_are_bands_that_do_not_cover_each_other(html):
    bands = [shapely.geometry.shape(item["g"]) for item in payloads(html)["circles0"]["items"]]
    assert len(bands) == 2
    assert bands[0].intersection(bands[1]).area < 1e-6
    assert bands[1].area > bands[0].area


def test_inferred_elements_are_dashed_and_called_so(scene, html):
    found = payloads(html)
    for element in scene.plan.elements:
        if element.kind == "node" or not (element.members or element.spine):
            continue
        layer = found[f"structure{scene.plan.structures.index(element.structure)}"]
        items = [item for item in layer["items"] if item.get("t", [""])[0] == wide(element.name_zh)]
        styles = [layer["styles"][item["s"]] for item in items]
        dashed = element.inferred or element.spine_inferred
        edges = [style for style in styles if style.get("stroke", True)]
        assert edges
        assert all(("dashArray" in style) == dashed for style in edges), element.id
        assert all(("推断 inferred" in dict(item["t"][1:])) == dashed for item in items)


def test_estimated_points_are_hollow_and_say_their_source_and_accuracy(html):
    table = places.builtin().table
    layer = payloads(html)["towns"]
    hollow = {
        item["t"][0]: layer["styles"][item["s"]]["fillColor"] == "#fff" for item in layer["items"]
    }
    towns = table[table["adcode"].isin(plan.builtin("linxia-2021").area)]
    towns = towns[towns["kind"].isin(places.TOWN_KINDS)].drop_duplicates("name_zh", keep=False)
    wanted = (towns.set_index("name_zh")["confidence"] == "L").to_dict()
    assert {name: hollow[name] for name in wanted} == wanted
    assert len(set(wanted.values())) == 2
    tip = dict(tips(layer)[0][1:])
    assert {"来源 source", "位置精度 accuracy", "可信度 confidence"} <= set(tip)


def test_roads_not_open_are_dashed(scene, open_network):
    links = open_network.links.copy()
    road = links[(links["class"] == "expressway") & links.intersects(scene.window)].index[0]
    links.loc[road, "status"] = "construction"
    changed = Network(open_network.nodes, links, "n", "2024-12")
    roads, *_ = layers.layers_of(replace(scene, network=changed))["network"]
    styles = {
        dict(item["t"][1:])["编号 link"]: roads.styles[item["s"]]
        for item in roads.items
        if "t" in item
    }
    assert styles[road]["dashArray"] == STATUS_DASH["construction"]
    assert sum("dashArray" in style for style in styles.values()) == 1
    assert "在建" in [key.zh for key in roads.keys]


def test_projects_outside_the_scenario_are_there_but_off(scene):
    register = scenario.register()
    found = {
        layer.key: layer for layer in layers.layers_of(replace(scene, register=register))["network"]
    }
    drawn = {dict(item["t"][1:])["编号 link"] for item in found["projects"].items if "t" in item}
    assert drawn
    assert not drawn & set(scene.network.links.index)
    assert not found["projects"].shown


def test_the_reserves_are_drawn_with_their_explanation(html):
    found = {tip[0]: dict(tip[1:]) for tip in tips(payloads(html)["boundaries"])}
    assert "天地图" in found["太子山天然林保护区"]["说明 note"]
    assert {"临夏市", "永靖县", "积石山县"} <= set(found)


def test_names_of_the_data_cannot_become_markup(scene):
    evil_plan = replace(
        scene.plan,
        title_zh=EVIL,
        title_en=EVIL,
        elements=tuple(
            replace(element, name_zh=EVIL, name_en=EVIL, structure=EVIL, note_zh=EVIL, note_en=EVIL)
            for element in scene.plan.elements
        ),
    )
    links = scene.network.links.copy()
    links["name_zh"] = links["ref"] = links["source"] = EVIL
    verdicts = [replace(verdict_of("met", TRIPS, title=EVIL), reason_zh=EVIL)]
    evil = replace(
        scene, plan=evil_plan, network=Network(scene.network.nodes, links, EVIL, "2024-12"),
        verdicts=verdicts, scenario_zh=EVIL, profile_zh=EVIL,
    )  # fmt: skip
    page = maps.compare_map(scene, evil).html()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "`49" not in page  # no template has run over it
    assert page.count("7*7}}") > 20
    assert page.count("<script") == offline.header(["a"], ["b"]).render().count("<script") + 3


@pytest.mark.parametrize(
    "text", ["{{{1}}", "{%raw%}", "{#c#}", "{{{%", "</script>", "<!--", "//a.b"]
)
def test_json_in_a_script_survives_two_renderings(text):
    import jinja2

    once = jinja2.Template("{{ x }}").render(x=offline.to_json({"a": {"b": [text]}}))
    twice = jinja2.Template(once).render()
    assert json.loads(twice) == {"a": {"b": [text]}}
    assert not re.search(r"[<>]|//|\{[{%#]", twice)


def test_an_element_that_needs_the_network_is_refused(scene, tmp_path):
    made = maps.plan_map(scene)
    folium.TileLayer("https://tiles.example.org/{z}/{x}/{y}.png", attr="x").add_to(made)
    target = tmp_path / "map.html"
    target.write_text("old")
    with pytest.raises(InputError, match=r"tiles\.example\.org"):
        maps.save(made, target)
    assert target.read_text() == "old"


def test_a_page_of_more_than_5_mb_is_refused(tmp_path):
    with pytest.raises(InputError, match="5 MB"):
        offline.save("x" * 5_000_001, tmp_path / "map.html")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def large():
    """A scene of 100,000 links around the middle of the area, those near it reached."""
    made = province.province(76_000, seed=3)
    middle = (made.lonlat.min(axis=0) + made.lonlat.max(axis=0)) / 2
    made = replace(made, lonlat=made.lonlat - middle + [103.3, 35.55])
    links = made.network().links
    first = links["class"] == "class1"
    links["ref"] = links["ref"].where(~first, "S" + links["from_node"].str[-1])
    away = shapely.distance(links.geometry.to_numpy(), shapely.Point(103.3, 35.55)) * 150
    reached = pd.DataFrame(
        {"class": links["class"], "minutes_start": away, "minutes_end": away + 0.5,
         "km": links["length_km"]},
    ).reset_index(names="link_id")  # fmt: skip
    reached = gpd.GeoDataFrame(reached, geometry=list(links.geometry), crs=4326)
    discs = [shapely.Point(103.3, 35.55).buffer(radius) for radius in (0.2, 0.4)]
    areas = gpd.GeoDataFrame({"minutes": [30.0, 60.0]}, geometry=discs, crs=4326)
    return maps.Scene(
        plan=plan.builtin("linxia-2021"),
        network=Network(made.network().nodes, links, "province"),
        circles=(maps.Reach("自中心", "from the middle", areas, reached[away < 59.5]),),
        drawn_on=date(2026, 1, 2),
    )


def lines_of(layer):
    """Return style and number of points of each line in the bundles of a layer's payload."""
    return [
        (layer["styles"][row["s"]], len(line))
        for row in layer["bundles"]
        for line in decode(row["l"])
    ]


@pytest.mark.slow
def test_a_hundred_thousand_links_stay_under_5_mb_and_all_are_drawn(large):
    assert len(large.network.links) > 95_000
    page = maps.plan_map(large).html()
    assert len(page.encode()) < 4_000_000
    found = payloads(page)
    drawn = Counter(style["color"] for style, _ in lines_of(found["roads"]))
    wanted = large.network.links["class"].value_counts()
    for name in wanted.index:
        alike = [other for other in wanted.index if CLASS[other][0] == CLASS[name][0]]
        assert drawn[CLASS[name][0]] == wanted[alike].sum(), name
    found = re.search(r'data-from="([\d.]+)">(?:(?!data-from).)*连接道[:\uff1a]([\d,]+) 条', page)
    assert float(found[1]) > 10
    assert int(found[2].replace(",", "")) == wanted["access"]
    assert "未画" not in page


@pytest.mark.slow
def test_reached_links_share_the_lines_of_the_network(large):
    sections = layers.layers_of(large)
    roads = sections["network"][0].payload(shifted=False)
    reached = next(layer for layer in sections["circles"] if layer.key == "reached")
    assert reached.of == "roads"
    own = reached.payload(shifted=False)
    assert len(own["styles"]) == 2
    bands = Counter()
    for row in roads["bundles"]:
        bands[row.get("b")] += len(decode(row["l"]))
    table = large.circles[0].links
    assert bands[0] == (table["minutes_end"] <= 30).sum()
    assert bands[1] == (table["minutes_start"] >= 30).sum()
    cut = (table["minutes_start"] < 30) & (table["minutes_end"] > 30)
    assert cut.sum() > 100
    assert sum(len(decode(row["l"])) for row in own["bundles"]) == 2 * cut.sum()


@pytest.mark.slow
def test_what_does_not_fit_is_counted_in_the_legend(large):
    (roads, *_) = layers.layers_of(large, room=300_000)["network"]
    text = roads.payload(shifted=False)["bundles"]
    assert sum(len(row["l"]) for row in text) < 330_000
    left = {}
    for key in roads.keys:
        if "未画" in key.zh:
            left[key.zh.split(":")[0]] = int(re.search(r"([\d,]+) 条", key.zh)[1].replace(",", ""))
    assert left
    drawn = sum(len(decode(row["l"])) for row in text)
    assert drawn + sum(left.values()) == len(large.network.links)


@pytest.mark.slow
def test_named_roads_of_a_large_network_tell_their_whole_length(large):
    (roads, *_) = layers.layers_of(large)["network"]
    links = large.network.links
    own = links[links["ref"] == "S7"]
    (tip,) = [tip for tip in roads.tips if tip[0] == "S7"]
    assert dict(tip[1:])["里程合计 length"] == f"{own['length_km'].sum():.1f} km"
    assert dict(tip[1:])["路段 links"] == f"{len(own):,}"
    assert "S7" in {label["t"] for label in roads.labels}


def test_a_small_network_is_drawn_link_by_link_with_what_is_reached(scene):
    links = scene.network.links
    near = links[links.intersects(scene.window) & (links["mode"] != "rail")]
    rows = {"link_id": near.index, "class": near["class"], "minutes_start": 0.0,
            "minutes_end": 20.0, "km": near["length_km"]}  # fmt: skip
    reached = gpd.GeoDataFrame(rows, geometry=near.geometry, crs=4326)
    reach = replace(scene.circles[0], links=reached)
    sections = layers.layers_of(replace(scene, circles=(reach,)))
    roads = sections["network"][0]
    assert not roads.bundles.rows
    assert sum("t" in item for item in roads.items) == len(near)
    halo = sections["circles"][-1]
    assert (halo.key, halo.of) == ("reached", "")
    assert len(halo.bundles.lines) == len(near)


def test_data_of_openstreetmap_are_credited_on_the_map_and_in_the_notes(scene):
    plain = maps.plan_map(scene).html()
    assert "路网数据 network data" not in plain
    assert '"credit"' not in plain
    links = scene.network.links.copy()
    links.loc[links.index[:3], "source"] = osm.ATTRIBUTION
    page = maps.plan_map(
        replace(scene, network=Network(scene.network.nodes, links, "osm", ""))
    ).html()
    assert "路网数据 network data:© OpenStreetMap contributors, ODbL 1.0" in page
    assert re.search(r'"credit":"© OpenStreetMap contributors, ODbL 1.0"', page)
    assert re.search(r'"attributionControl":\s*true', page)


def test_a_plan_or_a_place_that_changes_under_its_id_is_drawn_anew(scene):
    first = layers.layers_of(scene)
    copy = pickle.loads(pickle.dumps(scene))  # as another process gets it
    assert layers.layers_of(copy)["structure"][0].items is first["structure"][0].items
    renamed = replace(scene.plan.elements[0], name_zh="另一名称")
    edited = replace(scene.plan, elements=(renamed, *scene.plan.elements[1:]))
    assert layers.layers_of(replace(scene, plan=edited))["structure"][0].keys[0].zh == "另一名称"
    table = scene.gazetteer.table.copy()
    table.loc["kangle-xian", "name_zh"] = "新康乐"
    moved = layers.layers_of(replace(scene, gazetteer=places.Gazetteer(table)))
    assert "新康乐" in {label["t"] for label in moved["places"][0].labels}
    assert "康乐县" in {label["t"] for label in layers.layers_of(scene)["places"][0].labels}


def test_save_writes_the_page(scene, html, tmp_path):
    maps.save(maps.plan_map(scene), tmp_path / "new" / "map.html")
    assert (tmp_path / "new" / "map.html").read_text(encoding="utf-8") == html


def test_an_assessment_is_written_as_one_map_or_as_two(tmp_path):
    now, before = (
        assessment.situation(name) for name in ("linxia-promised-2025", "linxia-base-2021")
    )
    alone = assessment.assess(["linxia-lanzhou-2022"], now)
    maps.write(alone, tmp_path / "one.html", basemap="none")
    both = assessment.assess(["linxia-lanzhou-2022"], now, before)
    maps.write(both, tmp_path / "two.html")
    one, two = ((tmp_path / f"{name}.html").read_text("utf-8") for name in ("one", "two"))
    assert one.count('class="folium-map"') == 1
    assert two.count('class="folium-map"') == 2
    assert "未纳入本情景的项目" in one
    assert wide("前 规划编制时(2021年底) → 后 规划承诺(2025年)") in two
    assert "自一心" in one


def test_chinese_on_a_map_has_chinese_marks(scene, html):
    han, marks = r"[\u4e00-\u9fff]", "[,:;]"
    shown = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.S)
    words = [*re.findall(r">([^<>]+)<", shown)]
    for layer in payloads(html).values():
        words += [label["t"] for label in layer["labels"]]
        words += [text for tip in tips(layer) for text in (tip[0], *chain(*tip[1:]))]
    typed = [text for text in words if re.search(f"{han}{marks}|{marks}{han}", text)]
    assert typed == []
    assert sum("\uff08" in text for text in words) > 3


def test_a_page_may_be_made_twice(scene):
    made = maps.plan_map(scene)
    assert made.html() == made.html()


def test_notebooks_get_the_same_page_in_a_frame(scene):
    shown = maps.plan_map(scene)._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert shown.count("<") == 2  # everything inside is escaped


def test_base_maps_allow_their_own_host_only(scene, monkeypatch):
    page = maps.plan_map(scene, basemap="osm").html()
    assert "https://tile.openstreetmap.org/{z}/{x}/{y}.png" in page
    assert "img-src data: blob: https://tile.openstreetmap.org;" in page
    assert "OpenStreetMap" in page
    monkeypatch.setenv("TIANDITU_TK", "0123abc")
    page = maps.plan_map(scene, basemap="tianditu").html()
    assert "tk=0123abc" in page
    assert "https://*.tianditu.gov.cn" in page


@pytest.mark.parametrize("key", ["", "  ", 'x" onload="'])
def test_tianditu_without_a_key_says_how_to_get_one(scene, monkeypatch, key):
    monkeypatch.setenv("TIANDITU_TK", key)
    with pytest.raises(InputError, match="TIANDITU_TK"):
        maps.plan_map(scene, basemap="tianditu")


def test_an_unknown_base_map_is_named(scene):
    with pytest.raises(InputError, match="google"):
        maps.plan_map(scene, basemap="google")
    assert maps.plan_map(scene, basemap="none").hosts == ()


def metres(lon, lat, lon2, lat2):
    return (lon2 - lon) * 111_320 * cos(radians(lat)), (lat2 - lat) * 110_950


def test_gcj02_moves_linxia_203_m_east_and_40_m_south():
    lon, lat = gcj02.to_gcj02(103.212, 35.599)
    east, north = metres(103.212, 35.599, float(lon), float(lat))
    assert east == pytest.approx(203, abs=2)
    assert north == pytest.approx(-40, abs=2)
    assert gcj02.to_gcj02(2.35, 48.85) == (2.35, 48.85)


def test_amap_shifts_the_drawing_and_nothing_else(scene):
    plain, shifted = (
        payloads(maps.plan_map(scene, basemap=name).html()) for name in ("osm", "amap")
    )
    for key in ("roads", "towns", "boundaries", "structure0"):
        a, b = (layer[key]["items"][0]["g"] for layer in (plain, shifted))
        before, after = (shapely.get_coordinates(shapely.geometry.shape(g))[0] for g in (a, b))
        assert 120 < hypot(*metres(*before, *after)) < 300, key
    a, b = (layer["towns"]["labels"][0]["x"][0] for layer in (plain, shifted))
    assert 150 < hypot(*metres(a[1], a[0], b[1], b[0])) < 300
    assert (
        scene.network.links.geometry.iloc[0]
        == network.builtin().at("2024-12").links.geometry.iloc[0]
    )


def after_of(scene):
    trips = [*TRIPS[:1], ("linxia-shi", "guanghe-xian", 29.0, 26.0), *TRIPS[2:]]
    links = scene.network.links.copy()
    gone = links.index[links["ref"] == "G75"]
    links = links.drop(gone)
    changed = links.index[links["ref"] == "G1816"]
    links.loc[changed, "class"] = "class1"
    added = links.iloc[[0]].assign(ref="S99", name_zh="新路", length_km=12.3)
    added.index = pd.Index(["s99-0001"])
    links = pd.concat([links, added])
    return replace(
        scene,
        network=Network(scene.network.nodes, links, "after", "2025-12"),
        verdicts=[verdict_of("not_met", trips, value=29.5)],
        scenario_zh="加新路",
    )


def test_changes_name_verdicts_pairs_and_roads(scene):
    found = maps.changes(scene, after_of(scene))
    assert found[0].zh == "T1 半小时交通圈:不可能 → 未达到,65 分钟 → 29.5 分钟"
    assert "临夏市→广河县 45 → 29 分" in found[0].en
    assert found[0].kind == "better"
    roads = [change.zh for change in found[1:]]
    assert any("新增 S99 新路" in text and "12.3 km" in text for text in roads)
    assert any("停用 G75" in text for text in roads)
    assert any("修改 G1816" in text and "高速公路 → 一级公路" in text for text in roads)
    assert maps.changes(scene, scene) == []


def test_a_verdict_that_gets_worse_is_marked_so(scene):
    change = maps.changes(after_of(scene), scene)[0]
    assert change.kind == "worse"


def test_two_maps_share_one_page(scene):
    page = maps.compare_map(scene, after_of(scene)).html()
    assert "board_a.add(" in page
    assert "board_b.add(" in page
    assert page.count('class="folium-map"') == 2
    assert page.count('data-layer="target0"') == 1
    assert "不可能 → 未达到" in page
    assert len(page.encode()) < offline.MAX_BYTES


def test_maps_of_two_plans_are_not_compared(scene):
    other = replace(scene, plan=replace(scene.plan, id="other"))
    with pytest.raises(InputError, match="同一规划"):
        maps.compare_map(scene, other)


def test_sections_that_are_not_asked_for_start_switched_off(scene):
    sections = layers.layers_of(replace(scene, shown=("targets", "network")))
    assert [name for name, found in sections.items() if any(layer.shown for layer in found)] == [
        "targets",
        "network",
    ]


def test_a_label_is_never_upside_down():
    line = shapely.LineString([(103.5, 35.5), (103.0, 35.4), (102.8, 35.8)])
    for course in (line, line.reverse()):
        assert all(-90 <= angle <= 90 for _, _, angle in layers._along(course))


# --- plans beyond the boundary data -------------------------------------------------------------


def beyond_the_data(**content):
    """A plan of a county that no boundary data know, with two places in the Alps."""
    spots = {"vaduz": (9.52, 47.14), "balzers": (9.50, 47.07)}
    own = tuple(
        Place(name, lon, lat, place_id=name, kind="town", adcode=999999, confidence="M")
        for name, (lon, lat) in spots.items()
    )
    return replace(
        plan.builtin("linxia-2021"), area=(999999,), crs="EPSG:4543", places=own, targets=(),
        projects=(), elements=(), **content,
    )  # fmt: skip


def roads_of(*ends):
    """A network of one straight road of class II for each pair of positions."""
    spots = list(dict.fromkeys(spot for pair in ends for spot in pair))
    nodes = as_nodes(
        pd.DataFrame(
            {"kind": "node", "geometry": shapely.points(spots)},
            index=pd.Index([f"n{i}" for i in range(len(spots))], name="node_id"),
        )
    )
    rows = [
        {"from_node": f"n{spots.index(a)}", "to_node": f"n{spots.index(b)}", "mode": "road",
         "class": "class2", "length_km": 10.0, "source": "s", "confidence": "M",
         "geometry": shapely.LineString([a, b])}
        for a, b in ends
    ]  # fmt: skip
    index = pd.Index([f"l{i}" for i in range(len(rows))], name="link_id")
    return Network(nodes, as_links(pd.DataFrame(rows, index=index)), "alps")


def test_a_plan_without_boundaries_is_drawn_around_its_places_and_roads():
    own = beyond_the_data()
    roads = roads_of(((9.5, 47.0), (9.6, 47.3)), ((9.6, 47.3), (20.0, 50.0)))
    made = maps.Scene(plan=own, network=roads, gazetteer=own.gazetteer)
    west, south, east, north = made.bounds
    assert (9.4, 46.9) < (west, south) < (9.5, 47.0)
    # Of a network that goes on to the other end of Europe, what lies around the places.
    assert 9.6 < east < 10.1
    assert 47.3 < north < 47.7
    page = maps.plan_map(made).html()
    assert "没有县界 no boundaries" in page
    assert "天地图县级数据中没有 999999" in page
    assert "规划范围" not in page
    assert "太子山" not in page  # a reserve at the other end of the world
    assert layout.plan_crs(own, own.gazetteer) == "EPSG:32632"


def test_a_network_that_lies_elsewhere_is_said_to():
    roads = roads_of(((9.5, 47.0), (9.6, 47.3)))
    linxia = plan.builtin("linxia-2021")
    page = maps.plan_map(maps.Scene(plan=linxia, network=roads)).html()
    assert "路网不在图幅内" in page
    assert "图幅以外 1 条未画" in page


def test_a_plan_some_of_whose_counties_have_boundaries_draws_these(open_network):
    whole = plan.builtin("linxia-2021")
    some = replace(whole, area=(*whole.area, 999999))
    made = maps.Scene(plan=some, network=open_network)
    west, south, east, north = made.bounds
    inner = maps.Scene(plan=whole, network=open_network).bounds
    assert west < inner[0]
    assert south < inner[1]
    assert east > inner[2]
    assert north > inner[3]
    page = maps.plan_map(made).html()
    assert "县界不全" in page
    assert "规划范围" in page


def test_the_crs_of_a_plan_counts_where_it_is_made_for():
    whole = plan.builtin("linxia-2021")
    assert layout.plan_crs(whole) == whole.crs
    assert layout.plan_crs(replace(whole, crs="EPSG:32632")) == "EPSG:4543"


# --- railways, projects and edits of large networks ---------------------------------------------


@pytest.fixture(scope="module")
def railways(large):
    """The same links: half of them open railways, a quarter planned roads, named by tens."""
    links = large.network.links.copy()
    number = np.arange(len(links))
    rail, planned = number % 2 == 0, number % 4 == 1
    links.loc[rail, "mode"] = "rail"
    links.loc[rail, "class"] = "rail120"
    links.loc[planned, "status"] = "planned"
    links["name_zh"] = [f"线路{i // 10}" for i in number]
    nodes = large.network.nodes
    return replace(
        large,
        network=Network(nodes, links[~planned], "rails"),
        register=Network(nodes, links, "all"),
        circles=(),
        edited=frozenset(links.index[rail]),
    )


@pytest.mark.slow
def test_railways_projects_and_edits_in_their_thousands_stay_under_5_mb(railways):
    page = maps.plan_map(railways).html()
    assert len(page.encode()) < 4_000_000
    found = payloads(page)
    links = railways.register.links
    parts = {
        "rail": links["mode"] == "rail",
        "projects": links["status"] == "planned",
        "roads": (links["mode"] != "rail") & (links["status"] == "open"),
        "edited": links["mode"] == "rail",
    }
    for key, chosen in parts.items():
        assert len(lines_of(found[key])) == chosen.sum(), key
        assert found[key]["items"] == [], key


@pytest.mark.slow
def test_a_railway_in_a_bundle_is_dark_with_a_white_core(railways):
    _, rail, *_ = layers.layers_of(railways)["network"]
    found = rail.payload(shifted=False)
    row = next(row for row in found["bundles"] if row["t"] >= 0)
    assert found["styles"][row["s"]]["color"] == "#fff"
    assert found["styles"][row["s"]]["dashArray"]
    assert found["styles"][row["c"]]["color"] == CLASS["rail120"][0]
    tips = [found["tips"][row["t"]][0] for row in found["bundles"]]
    assert any(tip.startswith("线路") for tip in tips)


@pytest.mark.slow
def test_two_maps_of_very_many_links_fit_on_one_page(railways):
    assert len(maps.compare_map(railways, railways).html().encode()) < 5_000_000


def test_a_few_railways_beside_many_roads_are_told_one_by_one(open_network):
    made = maps.Scene(plan=plan.builtin("linxia-2021"), network=open_network)
    many = pd.concat([open_network.links.assign(mode="road", **{"class": "class4"})] * 20)
    many.index = [f"m{i}" for i in range(len(many))]
    both = replace(open_network, links=pd.concat([open_network.links, many]))
    roads = roadlayers.RoadLayers(replace(made, network=both), layers.ROOM).network()
    drawn = {layer.key: layer for layer in roads}
    assert drawn["roads"].bundles.rows
    assert not drawn["rail"].bundles.rows
    assert drawn["rail"].items
