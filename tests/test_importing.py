"""Networks brought in from the command line, and the plans tested on them."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import osmium
import pytest
import shapely

from spatialplan import cli, importing, network, plan
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
