"""Plans on a network of one's own: its day, its places, their ties, projects, what it tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pytest
import shapely
import yaml
from tests import networks as toy

from spatialplan import assessment, cli, importing, network, ownnetwork, places, plan, standards
from spatialplan import scenario as scenarios
from spatialplan.errors import InputError
from spatialplan.network import Network, as_links, as_places

REAL = Path(__file__).parents[2] / "shared" / "data" / "osm" / "liechtenstein.osm.pbf"
KANGLE = 622922


def run(capsys, *words: object) -> tuple[int, str, str]:
    status = cli.main([str(word) for word in words])
    out = capsys.readouterr()
    return status, out.out, out.err


def check(capsys, *words: object) -> dict[str, dict]:
    """The targets of a check by the code of each."""
    status, out, err = run(capsys, "check", *words, "--format", "json")
    assert status == 0, err
    return {row["id"].split("/")[1]: row for row in json.loads(out)["targets"]}


def plan_file(folder: Path, **content: object) -> Path:
    """Write a plan whose every quote is 「句」."""
    cite = {"cite": {"section": "一", "quote": "句"}}
    for section in ("elements", "targets", "projects"):
        content[section] = [entry | cite for entry in content.get(section, [])]
    content = {
        "id": "own", "title_zh": "试", "title_en": "own", "date": "2025-01-01", "horizon": 2030,
        "area": [KANGLE],
    } | content  # fmt: skip
    (folder / "texts").mkdir(exist_ok=True)
    (folder / "texts" / "own.txt").write_text("句", encoding="utf-8")
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def spot(place_id: str, x: float, y: float, name: str, **more: object) -> dict:
    lon, lat = toy.lonlat(x, y)
    return {"place_id": place_id, "name_zh": name, "lon": lon, "lat": lat, **more}


def trip(**more: object) -> dict:
    given = {"id": "T", "title_zh": "到", "metric": "travel_time", "rule": "each", "unit": "min"}
    return given | {"threshold": 30} | more


# A road of 30 km and one of 60 that meet in the middle of things; all class II, 60 km/h.
NODES = {"n1": (0, 0, "node"), "n2": (30, 0, "node"), "n3": (30, 40, "node")}


def roads(**columns: object) -> Network:
    rows = [toy.link("n1", "n2", 30, 60), toy.link("n2", "n3", 40, 60, **columns)]
    bare = toy.network(NODES, rows, "own")
    return replace(bare, nodes=bare.nodes.assign(place_id="", name_zh=""))


OWN = [spot("aa", 0, 0.3, "甲园"), spot("bb", 15, 0.5, "乙园"), spot("cc", 30, 40, "丙园")]


def minutes_of(km: float, cls: str = "class2", kmh: float = 60.0) -> float:
    profile = standards.read_profile()
    return km / float(profile.kmh(np.array([cls]), np.array([kmh]))[0]) * 60.0


# --- ties ---------------------------------------------------------------------------------------


def test_a_plans_places_are_tied_and_told(tmp_path, capsys):
    roads().write(tmp_path / "n.gpkg")
    target = trip(origins=["aa"], destinations=["bb", "cc"])
    plan = plan_file(tmp_path, places=OWN, targets=[target])
    words = ("check", "--plan", plan, "--network", tmp_path / "n.gpkg", "--format", "json")
    status, out, err = run(capsys, *words)
    assert status == 0
    found = json.loads(out)
    # 乙园 lies half way along a link without a node: the link is cut there.
    pairs = {pair["destination"]: pair for pair in found["targets"][0]["pairs"]}
    assert pairs["bb"]["km"] == pytest.approx(15.0, abs=0.01)
    assert pairs["bb"]["minutes"] == pytest.approx(minutes_of(15.0), abs=0.01)
    assert pairs["cc"]["minutes"] == pytest.approx(minutes_of(70.0), abs=0.01)
    ties = {row["place_id"]: row for row in found["ties"]}
    assert (ties["aa"]["how"], ties["aa"]["node_id"]) == ("position", "n1")
    assert ties["aa"]["km"] == pytest.approx(0.3, abs=0.01)
    assert (ties["bb"]["how"], ties["bb"]["km"]) == ("split", pytest.approx(0.5, abs=0.02))
    assert "甲园(aa) → n1: 最近节点 nearest node,0.3 km" in err
    assert found["scenario"] is None
    assert found["network"] == "n"


def test_a_tie_can_be_given_by_hand(tmp_path, capsys):
    roads().write(tmp_path / "n.gpkg")
    target = trip(origins=["aa"], destinations=["cc"])
    plan = plan_file(tmp_path, places=OWN, targets=[target])
    (tmp_path / "t.csv").write_text("place_id,node_id\naa,n2\n", encoding="utf-8")
    words = ("--plan", plan, "--network", tmp_path / "n.gpkg")
    [pair] = check(capsys, *words, "--ties", tmp_path / "t.csv")["T"]["pairs"]
    assert pair["km"] == pytest.approx(40.0)
    (tmp_path / "t.csv").write_text("place_id,node_id\naa,n9\n", encoding="utf-8")
    status, _, err = run(capsys, "check", *words, "--ties", tmp_path / "t.csv")
    assert status == 2
    assert "路网中没有节点 n9" in err


def test_what_the_import_tied_to_nothing_stays_so(tmp_path):
    roads().write(tmp_path / "n.gpkg")
    table = "place_id,node_id,how\nkangle-xian,,override\n"
    (tmp_path / "n.ties.csv").write_text(table, encoding="utf-8")
    found = ownnetwork.read(tmp_path / "n.gpkg")
    assert found.tied.table.set_index("place_id").at["kangle-xian", "how"] == "override"
    assert "kangle-xian" not in found.network.nodes.index


def test_a_plans_works_are_built_on_it(tmp_path, capsys):
    """Ends by place; the link beside 乙园 is cut; the file as it is stands against it."""
    path = tmp_path / "n.gpkg"
    roads().write(path)
    work = {
        "id": "w", "name_zh": "乙丙路", "class": "class2", "status": "planned",
        "edits": [{"action": "add", "from": "乙园", "to": "丙园", "class": "class2",
                   "design_speed_kmh": 60, "length_km": 45}],
    }  # fmt: skip
    target = trip(origins=["aa"], destinations=["cc"], threshold=80)
    plan = plan_file(tmp_path, places=OWN, targets=[target], projects=[work])
    words = ("--plan", plan, "--network", path)
    after = check(capsys, *words, "--edits", plan, "--against", path)["T"]
    assert after["pairs"][0]["km"] == pytest.approx(60.0, abs=0.05)
    assert after["value"] == pytest.approx(minutes_of(60.0), abs=0.05)
    assert after["against"]["value"] == pytest.approx(minutes_of(70.0), abs=0.05)
    status, out, _ = run(capsys, "edits", "validate", plan, "--network", path)
    assert status == 0
    assert "通过 valid" in out


def test_a_file_compared_with_itself_is_read_once(tmp_path, monkeypatch):
    path, read = tmp_path / "n.gpkg", []
    roads().write(path)
    whole = network.read
    monkeypatch.setattr(network, "read", lambda name: read.append(name) or whole(name))
    now = assessment.situation(network=path)
    assert assessment.earlier(str(path), now, network=path) is now
    other = assessment.earlier("linxia-vision-2035", now, network=path)
    assert other.scenario.id == "linxia-vision-2035"
    assert other.own.known is now.own.known
    assert read == [path]


# --- the day ------------------------------------------------------------------------------------


def situation(tmp_path: Path, scenario: str | None = None, **columns: object) -> Network:
    roads(**columns).write(tmp_path / "n.gpkg")
    return assessment.situation(scenario, network=tmp_path / "n.gpkg")


@pytest.mark.parametrize(
    ("columns", "today", "in_2021", "in_2035"),
    [
        ({"status": "open"}, True, True, True),
        ({"status": "open", "opened": "2024-06"}, True, False, True),
        ({"status": "open", "opened": "2998"}, False, False, False),
        ({"status": "open", "closed": "2023"}, False, True, False),
        ({"status": "construction", "opened": "2030"}, False, False, True),
        ({"status": "construction", "opened": "2020"}, False, True, True),
        ({"status": "planned"}, False, False, False),
    ],
)
def test_links_count_on_their_day(tmp_path, columns, today, in_2021, in_2035):
    days = {None: today, "linxia-base-2021": in_2021, "linxia-vision-2035": in_2035}
    for scenario, there in days.items():
        found = situation(tmp_path, scenario, **columns)
        # A place of the region may have cut it.
        assert any(found.network.links.index.str.startswith("n2-n3")) == there, scenario
        assert "n2-n3" in found.own.known.links.index
        said = [note for note in found.own.notes if "left out" in note]
        assert bool(said) == (scenario is not None or not there)


def test_no_link_open_at_all(tmp_path):
    path = tmp_path / "n.gpkg"
    whole = roads()
    replace(whole, links=whole.links.assign(status="planned")).write(path)
    with pytest.raises(InputError, match="没有一个路段通车"):
        assessment.situation(network=path)


def test_projects_of_a_scenario_are_built_on_it(tmp_path):
    """Of the built-in plan those not open yet that end at a place of the network."""
    builtin = network.builtin().at("2021-12")
    links = builtin.links[builtin.links["ref"].isin(["G309", "S309", "G568", "G248", "G75"])]
    ends = pd.unique(links[["from_node", "to_node"]].to_numpy().ravel())
    nodes = builtin.nodes[builtin.nodes.index.isin(ends)]
    Network(nodes, links).write(tmp_path / "n.gpkg")
    found = assessment.situation("linxia-vision-2035", network=tmp_path / "n.gpkg")
    added = set(found.network.links["project"]) - {""}
    asked = {project.key: project for project in scenarios.projects_of(found.scenario)}
    assert added
    assert {asked[key].status for key in added} <= {"construction", "planned", "proposed"}
    text = "\n".join(found.own.notes)
    assert "已加入情景的项目" in text
    assert "已通车的项目" in text
    assert found.network.faults() == []
    assert found.title_zh.startswith("n · ")


def test_a_project_that_does_not_fit_leaves_nothing_behind(tmp_path, monkeypatch):
    """And the next may go on from the one before."""
    roads().write(tmp_path / "n.gpkg")

    def faster(link_id: str) -> dict:
        return {"action": "modify", "where": {"link_id": link_id}, "set": {"design_speed_kmh": 80}}

    def road(link_id: str) -> dict:
        ends = {"from": "n1", "to": "n3", "class": "class2", "length_km": 55}
        return {"action": "add", "link_id": link_id, **ends}

    edits = {"odd": [road("o-1"), faster("o-2")], "way": [road("w-1")], "fast": [faster("w-1")]}
    works = [
        {"id": key, "name_zh": key, "class": "class2", "status": "planned", "edits": some}
        for key, some in edits.items()
    ]
    own = plan.read(plan_file(tmp_path, projects=works))
    monkeypatch.setattr(scenarios, "projects_of", lambda _: list(own.projects))
    vision = scenarios.builtin("linxia-vision-2035")
    found = ownnetwork.read(tmp_path / "n.gpkg", scenario=vision)
    built = found.network.links[found.network.links["project"] != ""]
    assert dict(built["design_speed_kmh"]) == {"w-1": 80}
    assert found.network.file == found.known.file
    text = "\n".join(found.notes)
    assert "added: 2 个,way、fast" in text
    assert "left out: 1 个,odd(" in text


# --- what the network tells, and what it does not -------------------------------------------------


def test_beyond_the_network_nothing_is_known(tmp_path, capsys):
    roads().write(tmp_path / "n.gpkg")
    far = [spot("zz", 30, 80, "远园")]
    targets = [
        trip(id="A", origins=["aa"], destinations=["cc", "zz"], threshold=600),
        trip(id="B", origins=["aa"], destinations=["cc", "zz"], threshold=80),
        trip(id="C", origins=["aa"], destinations=["cc", "zz"], threshold=600, share=0.5),
        {"id": "D", "title_zh": "盖", "metric": "class_coverage", "places": ["aa", "cc", "zz"],
         "classes": ["class2"], "within_km": 2, "threshold": 0.9, "unit": "share"},
        {"id": "E", "title_zh": "长", "metric": "network_length", "counties": [KANGLE],
         "classes": ["class2"], "threshold": 500, "unit": "km"},
        {"id": "F", "title_zh": "通", "metric": "interchange_in_county", "counties": [KANGLE],
         "threshold": 1.0, "unit": "share"},
        {"id": "G", "title_zh": "近", "metric": "time_to_interchange", "origins": ["zz"],
         "threshold": 30, "unit": "min"},
    ]  # fmt: skip
    plan = plan_file(tmp_path, places=OWN + far, targets=targets)
    found = check(capsys, "--plan", plan, "--network", tmp_path / "n.gpkg")
    verdicts = {code: row["verdict"] for code, row in found.items()}
    # B fails whatever the way to 远园 is; for C the way to 丙园 is enough.
    assert verdicts == {
        "A": "unknown", "B": "not_met", "C": "met", "D": "unknown", "E": "unknown",
        "F": "unknown", "G": "unknown",
    }  # fmt: skip
    assert "远园在路网范围之外" in found["A"]["reason"]
    assert found["D"]["value"] == 1.0


def osm(path: Path, ways: dict[tuple, dict], towns: dict[str, tuple]) -> Path:
    """Write lines of lon, lat with tags, and towns by name."""
    mutable = osmium.osm.mutable
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        number = 0
        chains = []
        for line, tags in ways.items():
            chain = range(number + 1, number + 1 + len(line))
            number += len(line)
            for node, where in zip(chain, line, strict=True):
                writer.add_node(mutable.Node(id=node, location=where, version=1))
            chains.append((list(chain), tags))
        for name, where in towns.items():
            number += 1
            tags = {"place": "town", "name": name}
            writer.add_node(mutable.Node(id=number, location=where, version=1, tags=tags))
        for way, (chain, tags) in enumerate(chains, start=1):
            writer.add_way(mutable.Way(id=way, nodes=chain, tags=tags, version=1))
    return path


SECOND = {"highway": "primary", "highway:CN": "class_2"}
LATITUDE = 35.30
# Townships of 康乐县 whose positions the built-in data lack, km north of the road.
NEW = {"康丰乡": 0.5, "白王乡": 1.0, "鸣鹿乡": 1.5, "八丹乡": -1.0, "上湾乡": 6.0, "草滩乡": -7.0}


@pytest.fixture(scope="module")
def kangle(tmp_path_factory) -> Path:
    """One class-II road from west to east through 康乐县, and small roads that go all around."""
    folder = tmp_path_factory.mktemp("kangle")
    west, south, east, north = importing.area_of(boundary=str(KANGLE)).bounds
    ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
    road = ((west, LATITUDE), (east, LATITUDE))
    ways = {road: SECOND, ring: {"highway": "unclassified"}}
    towns = {
        name: (103.55 + 0.02 * i, LATITUDE + km / 111.2) for i, (name, km) in enumerate(NEW.items())
    }
    osm(folder / "a.osm", ways, towns)
    words = ["network", "import", str(folder / "a.osm"), "-o", str(folder / "n.gpkg"), "--keep"]
    assert cli.main([*words, "all"]) == 0
    return folder / "n.gpkg"


def test_townships_of_the_import_are_counted(kangle, tmp_path, capsys):
    """L3 of the plan: of the fifteen townships nine are built in, six come with the network."""
    coverage = {
        "id": "L3", "title_zh": "通", "metric": "class_coverage", "places": {"set": "area-towns"},
        "classes": ["class1", "class2"], "within_km": 2, "universe": 15, "threshold": 0.5,
        "unit": "share",
    }  # fmt: skip
    plan = plan_file(tmp_path, targets=[coverage])
    found = check(capsys, "--plan", plan, "--network", kangle)["L3"]
    known = places.builtin()
    built_in = [known[i] for i in known.townships([KANGLE])]
    away = [abs(town.lat - LATITUDE) * 111.2 for town in built_in]
    assert len(away) == 9
    assert not any(1.9 < km < 2.1 for km in away)
    covered = sum(km <= 2 for km in away) + sum(abs(km) <= 2 for km in NEW.values())
    assert found["value"] == pytest.approx(covered / 15, abs=1e-4)
    assert found["verdict"] == ("met" if covered / 15 >= 0.5 else "not_met")
    assert "已定位 15 个乡镇" in found["reason"]
    assert found["evidence"] == "measured"
    # Without the network six have no position, and nothing is said of all fifteen.
    assert check(capsys, "--plan", plan)["L3"]["verdict"] == "unknown"


def test_places_of_the_import_have_names(kangle, capsys):
    words = ("matrix", "--network", kangle, "--from", "康丰乡", "--to", "白王乡")
    status, out, _ = run(capsys, *words, "--format", "json")
    assert status == 0
    [row] = json.loads(out)
    # 1.8 km along the road, half a kilometre and one from it.
    assert row["km"] == pytest.approx(0.02 * 111.2 * np.cos(np.radians(LATITUDE)) + 1.5, abs=0.1)
    assert run(capsys, *words[:4], "康丰", "--to", "白王乡")[0] == 2


def test_nothing_is_lost_when_edited_and_written(kangle, tmp_path, capsys):
    edit = {"action": "modify", "where": {"class": "class2"}, "set": {"design_speed_kmh": 80}}
    edits = tmp_path / "e.yaml"
    edits.write_text(yaml.safe_dump({"edits": [edit]}), encoding="utf-8")
    for name in ("b.gpkg", "b.geojson"):
        target = tmp_path / name
        words = ("network", "export", "--network", kangle, "--edits", edits, "-o", target)
        assert run(capsys, *words)[0] == 0
        before, after = network.read(kangle), network.read(target)
        columns = ["name_zh", "kind", "adcode", "accuracy_m", "lon"]
        pd.testing.assert_frame_equal(
            pd.DataFrame(before.places[columns].sort_index()),
            pd.DataFrame(after.places[columns].sort_index()),
        )
        assert len(after.places) == len(NEW)
        assert "OpenStreetMap" in after.attribution
        assert set(after.links["design_speed_kmh"].dropna()) == {80.0}
    import pyogrio

    info = pyogrio.read_info(tmp_path / "b.gpkg", layer="links")
    assert "OpenStreetMap" in info["layer_metadata"]["attribution"]
    assert "OpenStreetMap" in json.loads((tmp_path / "b.geojson").read_text())["attribution"]


def test_lengths_of_an_import_are_measured(kangle, tmp_path, capsys):
    west, _, east, _ = importing.area_of(boundary=str(KANGLE)).bounds
    ends = [{"place_id": i, "name_zh": i, "lon": lon, "lat": LATITUDE, "confidence": "M"}
            for i, lon in (("ww", west), ("ee", east))]  # fmt: skip
    target = trip(origins=["ww"], destinations=["ee"], threshold=600)
    plan = plan_file(tmp_path, places=ends, targets=[target])
    found = check(capsys, "--plan", plan, "--network", kangle)["T"]
    assert found["evidence"] == "measured"
    assert "按图形量测的占 100%" in found["reason"]


# --- faults -------------------------------------------------------------------------------------


def layers() -> dict[str, gpd.GeoDataFrame]:
    towns = {"place_id": ["x", "y"], "name_zh": ["甲", "乙"], "kind": "town"}
    points = gpd.points_from_xy([103, 103.1], [35.5, 35.5])
    came = as_places(gpd.GeoDataFrame(towns, geometry=points, crs=4326))
    return replace(roads(), places=came).layers()


def put(path: Path, tables: dict[str, gpd.GeoDataFrame]) -> Path:
    for name, table in tables.items():
        table.to_file(path, layer=name)
    return path


BAD_LINES = {
    "nowhere": shapely.LineString([(103, 35.5), (np.inf, 35.5), (103.3, 35.5)]),
    "metres": shapely.LineString([(403000, 3930000), (433000, 3930000)]),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_lines_off_the_earth(tmp_path, name):
    tables = layers()
    lines = [BAD_LINES[name], *tables["links"].geometry[1:]]
    tables["links"] = tables["links"].set_geometry(gpd.GeoSeries(lines, crs=4326))
    with pytest.raises(InputError, match=r"n.gpkg n1-n2: 线上有坐标不是数") as caught:
        network.read(put(tmp_path / "n.gpkg", tables))
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    ("layer", "change", "words"),
    [
        ("links", lambda t: t.assign(design_speed_kmh=["fast", "60"]), "n1-n2: design_speed_kmh"),
        ("links", lambda t: t.assign(length_km="long"), "n2-n3: length_km 不是数字:long"),
        ("links", lambda t: t.drop(columns=["from_node", "class"]), "缺少列 from_node、class"),
        ("links", lambda t: t.assign(link_id="one"), "编号重复:one"),
        ("nodes", lambda t: t.assign(node_id="one"), "编号重复:one"),
        ("places", lambda t: t.assign(place_id="one"), "编号重复:one"),
        ("places", lambda t: t.drop(columns="name_zh"), "places: 缺少列 name_zh"),
        ("places", lambda t: t.set_geometry([None, *t.geometry[1:]], crs=4326), "1 个点没有坐标"),
    ],
)
def test_faults_of_layers(tmp_path, layer, change, words):
    tables = layers()
    tables[layer] = change(tables[layer])
    with pytest.raises(InputError, match=words):
        network.read(put(tmp_path / "n.gpkg", tables))


def test_very_many_faults_are_not_all_told(tmp_path):
    tables = layers()
    row = tables["links"].iloc[[0]].assign(length_km=0.0)
    many = pd.concat([row.assign(link_id=f"l{i}") for i in range(150)])
    with pytest.raises(InputError, match="另有 50 处") as caught:
        network.read(put(tmp_path / "n.gpkg", tables | {"links": many}))
    assert len(caught.value.faults) == 101


def test_separate_parts_are_told(tmp_path):
    whole = roads()
    apart = toy.network(
        {"p": (0, 20, "node"), "q": (9, 20, "node")}, [toy.link("p", "q", 9)]
    )  # fmt: skip
    both = replace(
        whole,
        nodes=pd.concat([whole.nodes, apart.nodes]),
        links=as_links(pd.concat([whole.links, apart.links])),
    )
    both.write(tmp_path / "n.gpkg")
    notes = ownnetwork.read(tmp_path / "n.gpkg").notes
    assert any("2 个互不相连的部分,最大的占节点 60.0%" in note for note in notes)
    whole.write(tmp_path / "m.gpkg")
    assert not any("互不相连" in n for n in ownnetwork.read(tmp_path / "m.gpkg").notes)


# --- a real extract -------------------------------------------------------------------------------

TOWNS = {
    "vaduz": ("瓦杜兹", "Vaduz", 9.5209, 47.1410),
    "schaan": ("沙恩", "Schaan", 9.5087, 47.1655),
    "balzers": ("巴尔采斯", "Balzers", 9.5025, 47.0678),
    "malbun": ("马尔本", "Malbun", 9.6084, 47.1028),
}


@pytest.fixture(scope="module")
def liechtenstein(tmp_path_factory) -> Path:
    if not REAL.is_file():
        pytest.skip(f"the extract {REAL.name} is not here")
    path = tmp_path_factory.mktemp("li") / "li.gpkg"
    assert cli.main(["network", "import", str(REAL), "-o", str(path)]) == 0
    return path


def test_a_plan_of_towns_on_a_real_extract(liechtenstein, tmp_path, capsys):
    own = [
        {"place_id": i, "name_zh": zh, "name_en": en, "lon": lon, "lat": lat, "accuracy_m": 500,
         "confidence": "M"}
        for i, (zh, en, lon, lat) in TOWNS.items()
    ]  # fmt: skip
    core = {"id": "core", "structure": "一核", "kind": "core", "name_zh": "一核",
            "members": ["vaduz"]}  # fmt: skip
    targets = [
        trip(id="T1", origins={"element": "core"}, destinations=list(TOWNS), threshold=15),
        {"id": "T2", "title_zh": "盖", "metric": "class_coverage", "places": list(TOWNS),
         "classes": ["class1", "class2"], "within_km": 2, "threshold": 0.7, "unit": "share"},
        {"id": "T3", "title_zh": "近", "metric": "time_to_interchange", "origins": list(TOWNS),
         "threshold": 30, "unit": "min"},
    ]  # fmt: skip
    tunnel = {
        "id": "tunnel", "name_zh": "隧道", "class": "class2", "status": "planned",
        "edits": [{"action": "add", "from": "瓦杜兹", "to": "马尔本", "class": "class2",
                   "design_speed_kmh": 60, "length_km": 8.5}],
    }  # fmt: skip
    plan = plan_file(
        tmp_path, places=own, elements=[core], targets=targets, projects=[tunnel], area=[999999]
    )
    words = ("--plan", plan, "--network", liechtenstein)
    status, out, _ = run(capsys, "check", *words, "--format", "json")
    assert status == 0
    whole = json.loads(out)
    assert {row["how"] for row in whole["ties"]} == {"name"}
    assert max(row["km"] for row in whole["ties"]) < 0.5
    found = {row["id"].split("/")[1]: row for row in whole["targets"]}
    km = {pair["destination"]: pair["km"] for pair in found["T1"]["pairs"]}
    # By road 9 km from Vaduz to Balzers, 13 over Triesenberg to Malbun.
    assert 8.5 < km["balzers"] < 10.5
    assert 12 < km["malbun"] < 16
    assert found["T1"]["verdict"] == "not_met"
    assert found["T1"]["evidence"] == "measured"
    assert found["T3"]["reason"] == "路网中没有互通。"  # the motorway runs beyond the border
    after = check(capsys, *words, "--edits", plan, "--against", liechtenstein)
    pairs = {pair["destination"]: pair for pair in after["T1"]["pairs"]}
    assert pairs["malbun"]["km"] == pytest.approx(8.5)
    assert after["T1"]["verdict"] == "met"
    assert after["T1"]["against"]["verdict"] == "not_met"
    assert after["T2"]["value"] > after["T2"]["against"]["value"]


def test_a_circle_around_a_town_of_the_extract(liechtenstein, tmp_path, capsys):
    path = tmp_path / "c.geojson"
    words = ("circle", "--network", liechtenstein, "--from", "Vaduz", "--minutes", "5,10")
    assert run(capsys, *words, "-o", path)[0] == 0
    small, large = gpd.read_file(path).sort_values("minutes").geometry
    assert large.buffer(1e-6).covers(small)
    assert small.covers(shapely.Point(9.5209, 47.1410))
    assert not large.covers(shapely.Point(9.6084, 47.1028))
