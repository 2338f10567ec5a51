"""Networks brought in from the command line, and the plans tested on them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import osmium
import osmnx
import pytest
import shapely

from spatialplan import cli, gcj02, importing, network, offset, plan, readers
from spatialplan.errors import InputError

ROAD = {"highway": "secondary"}


def extract(path: Path) -> Path:
    """Write roads between 康乐 and 和政 and beyond, with a forbidden turn on the way."""
    spots = {1: (103.70, 35.37), 2: (103.55, 35.40), 3: (103.35, 35.43), 4: (103.55, 35.50)}
    ways = {1: [1, 2], 2: [2, 3], 3: [2, 4]}
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        for number, spot in spots.items():
            writer.add_node(osmium.osm.mutable.Node(id=number, location=spot, version=1))
        writer.add_node(
            osmium.osm.mutable.Node(
                id=9,
                location=(103.709, 35.371),
                version=1,
                tags={"place": "town", "name": "康乐县"},
            )
        )
        for number, nodes in ways.items():
            tags = ROAD | {"name": f"road {number}"}
            writer.add_way(osmium.osm.mutable.Way(id=number, nodes=nodes, tags=tags, version=1))
        members = [("w", 1, "from"), ("n", 2, "via"), ("w", 3, "to")]
        tags = {"type": "restriction", "restriction": "no_right_turn"}
        writer.add_relation(
            osmium.osm.mutable.Relation(id=1, members=members, tags=tags, version=1)
        )
    return path


def run(capsys, *words: object) -> tuple[int, str, str]:
    status = cli.main([str(word) for word in words])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_extract_is_imported_tied_and_used(tmp_path, capsys):
    target = tmp_path / "net.gpkg"
    source = extract(tmp_path / "a.osm.pbf")
    status, out, _ = run(capsys, "network", "import", source, "-o", target)
    assert status == 0
    assert "ODbL" in out
    assert "规划地点关联" in out
    net = network.read(target)
    assert "kangle-xian" in set(net.nodes["place_id"])
    table = (tmp_path / "net.ties.csv").read_text(encoding="utf-8-sig")
    assert table.startswith("place_id,name_zh,kind,node_id,km,how,matched")
    words = ("matrix", "--network", target, "--from", "康乐县", "--to", "103.35,35.43")
    status, out, _ = run(capsys, *words, "--format", "json")
    assert status == 0
    assert 30 < json.loads(out)[0]["km"] < 45


def test_restrictions_follow_their_links_when_places_cut_them(tmp_path, capsys):
    target = tmp_path / "net.gpkg"
    run(capsys, "network", "import", extract(tmp_path / "a.osm.pbf"), "-o", target)
    net = network.read(target)
    row = gpd.read_file(target, layer="restrictions").iloc[0]
    for side in ("from_link", "to_link"):
        ends = net.links.loc[row[side], ["from_node", "to_node"]]
        assert row["via_node"] in set(ends)


def test_targets_are_judged_on_an_imported_network(tmp_path, capsys):
    target = tmp_path / "net.gpkg"
    run(capsys, "network", "import", extract(tmp_path / "a.osm.pbf"), "-o", target)
    words = ("check", "--plan", plan.plan_ids()[0], "--network", target, "--format", "json")
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert json.loads(out)["targets"]


def test_shapefile_without_prj_and_cpg_from_the_command_line(tmp_path, capsys):
    lines = [[(103.70, 35.37), (103.55, 35.40)], [(103.55, 35.40), (103.35, 35.43)]]
    frame = gpd.GeoDataFrame(
        {"等级": ["一级", "二级"]}, geometry=[shapely.LineString(line) for line in lines], crs=4490
    )
    source, target = tmp_path / "a.shp", tmp_path / "net.gpkg"
    frame.to_crs(4543).to_file(source, encoding="gbk")
    source.with_suffix(".prj").unlink()
    source.with_suffix(".cpg").unlink()
    target.write_bytes(b"before")
    status, _, err = run(capsys, "network", "import", source, "-o", target)
    assert status == 2
    assert "--crs" in err
    assert target.read_bytes() == b"before"
    words = ("network", "import", source, "-o", target, "--crs", "EPSG:4543", "--no-ties")
    assert run(capsys, *words)[0] == 0
    assert list(network.read(target).links["class"]) == ["class1", "class2"]
    assert not (tmp_path / "net.ties.csv").exists()


def test_own_file_can_be_imported_again_without_loss(tmp_path, capsys):
    first, second = tmp_path / "a.gpkg", tmp_path / "b.gpkg"
    words = ("network", "import", extract(tmp_path / "a.osm.pbf"), "--no-ties", "-o", first)
    run(capsys, *words)
    assert run(capsys, "network", "import", first, "--no-ties", "-o", second)[0] == 0
    one, other = (network.read(path).links.sort_index() for path in (first, second))
    columns = ["mode", "class", "length_km", "length_basis", "ref", "name_zh", "confidence"]
    assert one[columns].equals(other[columns])


# Areas


def test_bbox_and_boundary():
    assert importing.area_of() is None
    assert importing.area_of(bbox="103,35,104,36").bounds == (103, 35, 104, 36)
    county = importing.area_of(boundary="622922")
    assert county.contains(shapely.Point(103.709, 35.371))
    prefecture = importing.area_of(boundary="622900")
    assert prefecture.area > 5 * county.area
    assert prefecture.covers(county.buffer(-1e-6))
    both = importing.area_of(boundary="622922,622901")
    assert both.area == pytest.approx(
        county.area + importing.area_of(boundary="622901").area, rel=1e-6
    )


def test_boundary_from_a_file(tmp_path):
    box = gpd.GeoDataFrame(geometry=[shapely.box(103, 35, 104, 36)], crs=4490)
    box.to_crs(4543).to_file(tmp_path / "a.gpkg")
    found = importing.area_of(boundary=str(tmp_path / "a.gpkg"))
    assert found.bounds == pytest.approx((103, 35, 104, 36), abs=1e-6)


@pytest.mark.parametrize(
    ("bbox", "boundary", "words"),
    [
        ("103,35,104", "", "--bbox"),
        ("104,35,103,36", "", "--bbox"),
        ("a,b,c,d", "", "--bbox"),
        ("35,103,36,104", "", "--bbox"),
        ("103,35,104,36", "622922", "只能给一个"),
        ("", "999999", "999999"),
        ("", "6", "adcode 6"),
        ("", "none.gpkg", "none.gpkg"),
    ],
)
def test_faults_of_areas(bbox, boundary, words):
    with pytest.raises(InputError, match=words):
        importing.area_of(bbox, boundary)


def test_boundary_of_lines_is_refused(tmp_path):
    line = gpd.GeoDataFrame(geometry=[shapely.LineString([(0, 0), (1, 1)])], crs=4490)
    line.to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="面图层"):
        importing.area_of(boundary=str(tmp_path / "a.gpkg"))


def test_area_of_a_plan_holds_its_counties_with_a_margin():
    chosen = plan.plan_ids()[0]
    area = importing.plan_area(chosen)
    codes = ",".join(map(str, plan.builtin(chosen).area))
    assert area.contains(importing.area_of(boundary=codes))


def test_fetch_without_an_area_and_import_without_output(capsys, tmp_path):
    assert run(capsys, "network", "fetch", "-o", tmp_path / "a.gpkg")[0] == 2
    with pytest.raises(SystemExit) as caught:
        cli.main(["network", "import", "a.osm.pbf"])
    assert caught.value.code == 2


def test_province_and_its_prefectures_by_code():
    gansu = importing.area_of(boundary="620000")
    assert gansu.contains(importing.area_of(boundary="622922").representative_point())
    assert gansu.area > 20 * importing.area_of(boundary="622900").area
    assert importing.area_of(boundary="629900").area < 1  # a unit of its own, no prefecture


# Options, sources and outputs that do not go together


def layer(path: Path) -> Path:
    lines = [[(103.70, 35.37), (103.55, 35.40)], [(103.55, 35.40), (103.35, 35.43)]]
    shapes = [shapely.LineString(line) for line in lines]
    gpd.GeoDataFrame({"class": ["class1", "class2"]}, geometry=shapes, crs=4490).to_file(path)
    return path


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--columns", "a.yaml"], "--columns"),
        (["--gcj02"], "--gcj02"),
        (["--crs", "auto"], "--crs"),
        (["--node-crossings"], "--node-crossings"),
        (["--layer", "a"], "--layer"),
        (["--default-class", "class2"], "--default-class"),
        (["--known", "a.gpkg"], "--known"),
    ],
)
def test_options_that_mean_nothing_to_an_extract(tmp_path, capsys, words, option):
    source, target = extract(tmp_path / "a.osm.pbf"), tmp_path / "net.gpkg"
    status, _, err = run(capsys, "network", "import", source, "-o", target, *words)
    assert status == 2
    assert f"{option}: 对 OSM" in err
    assert not target.exists()


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--classes", "a.csv"], "--classes"),
        (["--default-class", "高级"], "--default-class"),
        (["--snap", "-1"], "--snap"),
        (["--snap", "nan"], "--snap"),
        (["--snap", "5000"], "--snap"),
    ],
)
def test_options_that_are_wrong_for_a_layer(tmp_path, capsys, words, option):
    source, target = layer(tmp_path / "a.gpkg"), tmp_path / "net.gpkg"
    status, _, err = run(capsys, "network", "import", source, "-o", target, *words)
    assert status == 2
    assert err.startswith(f"错误 error: {option}: ")
    assert not target.exists()


@pytest.mark.parametrize("name", ["net.shp", "net", "folder.gpkg"])
def test_output_that_cannot_be_written_is_told_before_anything_is_read(tmp_path, capsys, name):
    (tmp_path / "folder.gpkg").mkdir()
    status, _, err = run(capsys, "network", "import", "none.osm.pbf", "-o", tmp_path / name)
    assert status == 2
    assert name in err
    assert "none.osm.pbf" not in err
    status, _, err = run(capsys, "network", "fetch", "-o", tmp_path / name)
    assert status == 2
    assert name in err


def test_the_source_is_never_replaced(tmp_path, capsys):
    source = layer(tmp_path / "a.gpkg")
    before = source.read_bytes()
    (tmp_path / "deep").mkdir()
    same = tmp_path / "deep" / ".." / "a.gpkg"
    status, _, err = run(capsys, "network", "import", source, "-o", same)
    assert status == 2
    assert "覆盖" in err
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["a.osm.pbf", "a.gpkg", "a.graphml", "a.geojson"])
def test_web_page_saved_in_place_of_a_file(tmp_path, capsys, name):
    (tmp_path / name).write_text("\ufeff\n<!DOCTYPE html><title>404</title>", encoding="utf-8")
    target = tmp_path / "net.gpkg"
    target.write_bytes(b"before")
    status, _, err = run(capsys, "network", "import", tmp_path / name, "-o", target)
    assert status == 2
    assert "网页" in err
    assert target.read_bytes() == b"before"


def test_what_was_written_is_named(tmp_path, capsys):
    source = layer(tmp_path / "路 网.gpkg")
    target = tmp_path / "新 目录" / "net.gpkg"
    status, out, _ = run(capsys, "network", "import", source, "-o", target)
    assert status == 0
    assert out.splitlines()[-2:] == [str(target), str(target.with_suffix(".ties.csv"))]


def test_steps_that_take_long_are_told_on_standard_error(tmp_path, capsys, monkeypatch):
    source, target = layer(tmp_path / "a.gpkg"), tmp_path / "net.gpkg"
    words = ("network", "import", source, "--no-ties", "-o", target)
    assert run(capsys, *words)[2] == ""
    monkeypatch.setattr(cli, "LARGE_BYTES", 0)
    monkeypatch.setattr(cli, "MANY_LINKS", 1)
    told = run(capsys, *words)[2]
    assert told.index("读取 reading a.gpkg") < told.index("写入 writing")


def test_the_mapping_that_help_shows_is_one(tmp_path, capsys):
    lines = cli.COLUMNS_HELP.strip().splitlines()
    (tmp_path / "map.yaml").write_text("\n".join(lines[1:]), encoding="utf-8")
    columns = readers.Columns.read(tmp_path / "map.yaml")
    assert columns.columns == {"class": "技术等级", "length_km": "里程"}
    assert columns.defaults["status"] == "open"
    with pytest.raises(SystemExit):
        cli.main(["network", "import", "--help"])
    assert lines[1] in capsys.readouterr().out


def test_layer_in_the_zone_of_another_meridian_is_told_by_where_it_lies(tmp_path, capsys):
    frame = gpd.read_file(layer(tmp_path / "true.gpkg")).to_crs(4543)
    frame.set_crs(4545, allow_override=True).to_file(tmp_path / "a.gpkg")  # 108°, not 102°
    words = ("network", "import", tmp_path / "a.gpkg", "-o", tmp_path / "net.gpkg")
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert "内置地点都不在路网范围内" in out
    assert "109.52°E 35.40°N(渭南市白水县)" in out
    assert "中央经线" in out


def test_no_password_is_shown(tmp_path, capsys, monkeypatch):
    from spatialplan import postgis

    monkeypatch.setattr(postgis, "write_postgis", lambda *_: ["net_nodes", "net_links"])
    source = layer(tmp_path / "a.gpkg")
    words = ("network", "import", source, "--no-ties", "-o", "postgresql://me:geheim@x/y?table=net")
    status, out, err = run(capsys, *words)
    assert status == 0
    assert out.splitlines()[-2:] == ["net_nodes", "net_links"]
    assert "geheim" not in out + err


def test_graphml_of_an_area(tmp_path, capsys):
    source = tmp_path / "a.graphml"
    osmnx.save_graphml(graph(), source)
    target = tmp_path / "net.gpkg"
    words = ("network", "import", source, "--no-ties", "-o", target)
    assert run(capsys, *words, "--bbox", "103.6,35.3,103.8,35.5")[0] == 0
    assert len(network.read(target).links) == 1
    status, _, err = run(capsys, *words, "--bbox", "80,30,81,31")
    assert status == 2
    assert "范围内没有道路" in err


def graph() -> nx.MultiDiGraph:
    found = nx.MultiDiGraph(crs="EPSG:4326")
    for node, (x, y) in {1: (103.7, 35.37), 2: (103.55, 35.4), 3: (103.35, 35.43)}.items():
        found.add_node(node, x=x, y=y)
    found.add_edge(1, 2, osmid=1, highway="primary", length=14000.0)
    found.add_edge(2, 3, osmid=2, highway="primary", length=18000.0)
    return found


# Extracts that are not as they should be


def xml(path: Path, *, nodes: str = "", ways: str = "", ways_first: bool = False) -> Path:
    """Write four nodes in a row, and ways between them."""
    nodes = nodes or "".join(
        f'<node id="{i}" version="1" lon="{103 + i / 100}" lat="35"/>' for i in range(1, 5)
    )
    parts = [ways, nodes] if ways_first else [nodes, ways]
    path.write_text(f'<osm version="0.6">{"".join(parts)}</osm>', encoding="utf-8")
    return path


def way(number: int, first: int, last: int, **tags: str) -> str:
    tags = {"highway": "primary"} | tags
    marks = "".join(f'<tag k="{key.replace("__", ":")}" v="{v}"/>' for key, v in tags.items())
    refs = "".join(f'<nd ref="{node}"/>' for node in range(first, last + 1))
    return f'<way id="{number}" version="1">{refs}{marks}</way>'


@pytest.mark.parametrize("lon", ["nan", "999"])
def test_node_that_is_nowhere(tmp_path, capsys, lon):
    nodes = f'<node id="1" version="1" lon="{lon}" lat="35"/>'
    source = xml(tmp_path / "a.osm", nodes=nodes, ways=way(1, 1, 2))
    status, _, err = run(capsys, "network", "import", source, "-o", tmp_path / "net.gpkg")
    assert status == 2
    assert "坐标不是数" in err
    assert lon in err


def test_ways_before_their_nodes(tmp_path, capsys):
    source = xml(tmp_path / "a.osm", ways=way(1, 1, 2), ways_first=True)
    for more in ((), ("--bbox", "103,34.9,103.1,35.1")):
        words = ("network", "import", source, "-o", tmp_path / "net.gpkg", *more)
        status, _, err = run(capsys, *words)
        assert status == 2
        assert "写在节点之前" in err


def test_way_whose_first_node_is_lacking_is_kept_in_an_area(tmp_path, capsys):
    lacking = way(1, 1, 3).replace('<nd ref="1"/>', '<nd ref="99"/><nd ref="1"/>')
    source, target = xml(tmp_path / "a.osm", ways=lacking), tmp_path / "net.gpkg"
    words = ("network", "import", source, "--no-ties", "-o", target)
    assert run(capsys, *words, "--bbox", "103,34.9,103.1,35.1")[0] == 0
    assert network.read(target).links["length_km"].sum() == pytest.approx(1.825, abs=0.01)


def test_way_that_is_there_twice(tmp_path, capsys):
    source, target = tmp_path / "a.osm", tmp_path / "net.gpkg"
    xml(source, ways=way(1, 1, 2) + way(1, 1, 2) + way(2, 2, 4))
    status, out, _ = run(capsys, "network", "import", source, "--no-ties", "-o", target)
    assert status == 0
    assert "编号重复的道路" in out
    assert len(network.read(target).links) == 1


def test_roads_not_open_yet_are_left_out_whatever_class_they_will_have(tmp_path, capsys):
    source, target = tmp_path / "a.osm", tmp_path / "net.gpkg"
    ways = way(1, 1, 2) + way(2, 2, 3, highway="construction", highway__CN="class_1")
    xml(source, ways=ways + way(3, 3, 4, highway="footway", highway__CN="class_4"))
    assert run(capsys, "network", "import", source, "--no-ties", "-o", target)[0] == 0
    assert list(network.read(target).links["class"]) == ["class3"]


def test_speed_below_zero_is_told(tmp_path, capsys):
    source, target = tmp_path / "a.osm", tmp_path / "net.gpkg"
    xml(source, ways=way(1, 1, 2, maxspeed="-5") + way(2, 2, 3, maxspeed="0"))
    status, out, _ = run(capsys, "network", "import", source, "--no-ties", "-o", target)
    assert status == 0
    assert "absurd speed limits, taken as none: 2" in out
    assert network.read(target).links["design_speed_kmh"].isna().all()


def test_table_of_classes_that_is_changed_is_read_anew(tmp_path, capsys):
    source, table = xml(tmp_path / "a.osm", ways=way(1, 1, 2)), tmp_path / "classes.csv"
    words = ("network", "import", source, "--no-ties", "-o", tmp_path / "net.gpkg")
    for number, name in enumerate(("class1", "class4")):
        table.write_text(f"rule,where,mode,class\nall,highway=*,road,{name}\n", encoding="utf-8")
        os.utime(table, (number, number))
        assert run(capsys, *words, "--classes", table)[0] == 0
        assert list(network.read(tmp_path / "net.gpkg").links["class"]) == [name]


@pytest.mark.parametrize("option", ["--classes", "--ties"])
def test_tables_without_a_row(tmp_path, capsys, option):
    source = xml(tmp_path / "a.osm", ways=way(1, 1, 2))
    (tmp_path / "empty.csv").write_text("")
    words = (option, tmp_path / "empty.csv", "-o", tmp_path / "net.gpkg")
    status, _, err = run(capsys, "network", "import", source, *words)
    assert status == 2
    assert "empty.csv" in err


# GCJ-02, told by roads whose place is known


def town(seed: int, *, share: float = 1.0) -> gpd.GeoDataFrame:
    """Winding roads at 临夏; a share of those of seed 1 where others have them, too."""
    random = np.random.default_rng(1)
    shapes = []
    for _ in range(120):
        start = random.uniform([103.1, 35.5], [103.3, 35.7])
        steps = random.normal(0, 0.001, (40, 2)) + random.normal(0, 0.0015, 2)
        shapes.append(shapely.LineString(start + np.cumsum(steps, axis=0)))
    other = np.random.default_rng(seed)
    for row in range(int(len(shapes) * share), len(shapes)):
        move = other.uniform(-0.05, 0.05, 2)
        shapes[row] = shapely.transform(shapes[row], lambda xy, move=move: xy + move)
    noisy = shapely.transform(shapes, lambda xy: xy + other.normal(0, 5e-5, xy.shape))
    return gpd.GeoDataFrame({"class": ["class3"] * len(noisy)}, geometry=noisy, crs=4326)


@pytest.mark.parametrize("share", [1.0, 0.6])
@pytest.mark.parametrize("shifted", [True, False])
def test_gcj02_is_told_beside_a_known_network(tmp_path, capsys, share, shifted):
    readers.imported(town(2), "known", "known", keep="all").network.write(tmp_path / "known.gpkg")
    frame = town(3, share=share)
    if shifted:
        frame = frame.set_geometry(gpd.GeoSeries(gcj02.shift(frame.geometry.values), crs=4326))
    frame.to_file(tmp_path / "roads.gpkg")
    words = ("network", "import", tmp_path / "roads.gpkg", "-o", tmp_path / "net.gpkg")
    words += ("--no-ties", "--keep", "all", "--known", tmp_path / "known.gpkg")
    status, out, _ = run(capsys, *words)
    assert status == 0
    told = next(line for line in out.splitlines() if "known.gpkg" in line)
    assert ("像 GCJ-02" in told) == shifted
    assert ("不是 GCJ-02" in told) == (not shifted)
    assert "偏东" in told
    # Told, but not mended unasked.
    found = network.read(tmp_path / "net.gpkg").links.geometry.total_bounds
    assert found == pytest.approx(frame.total_bounds, abs=1e-6)
    out = run(capsys, *words, "--gcj02")[1]
    told = next(line for line in out.splitlines() if "known.gpkg" in line)
    assert ("该纠回" in told) == shifted
    assert ("去掉 --gcj02" in told) == (not shifted)


def test_roads_elsewhere_tell_nothing_of_gcj02():
    lines = town(1).geometry.to_numpy()
    away = shapely.transform(lines, lambda xy: xy + 1)
    assert offset.compare(lines, away).shifted is None
    assert "太少" in offset.compare(lines, away).line("known.gpkg")
    beside = shapely.transform(lines, lambda xy: xy + np.array([0.004, 0.003]))
    assert offset.compare(lines, beside).shifted is None
