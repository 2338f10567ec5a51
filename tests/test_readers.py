"""Planners' own lines: coordinates, encodings, columns, crossings, graphs, databases."""

from __future__ import annotations

import getpass
import math
import os
import shutil
import socket
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NoReturn

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely

from spatialplan import gcj02, graphs, postgis, readers
from spatialplan import network as networks
from spatialplan.coordinates import Mends, detect_crs
from spatialplan.errors import InputError
from spatialplan.geodesy import line_km

LINES = [
    [(103.20, 35.60), (103.25, 35.61), (103.30, 35.60)],
    [(103.30, 35.60), (103.40, 35.60)],
    [(103.30, 35.60), (103.30, 35.70)],
]


def layer(**columns) -> gpd.GeoDataFrame:
    shapes = [shapely.LineString(line) for line in LINES]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=4490)


def roads(**columns) -> gpd.GeoDataFrame:
    return layer(
        技术等级=["一级", "二级公路", "等外"], 路线编号=["G309", "S309", "X370"], **columns
    )


def ends(network: networks.Network) -> np.ndarray:
    return shapely.get_coordinates(network.nodes.geometry.to_numpy())


# Formats and encodings


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.shp", "a.gdb"])
def test_formats_give_the_same_network(tmp_path, name):
    path = tmp_path / name
    frame = roads(路线名称=["兰郎线", "临大线", "康冶线"])
    drivers = {"a.gdb": "OpenFileGDB", "a.shp": "ESRI Shapefile"}
    if name == "a.shp":  # ten bytes hold three characters of UTF-8
        frame = frame.rename(columns=lambda column: column if column == "geometry" else column[:3])
    frame.to_file(path, driver=drivers.get(name))
    found = readers.read_file(path).network
    assert list(found.links["class"]) == ["class1", "class2", "class4"]
    assert list(found.links["ref"]) == ["G309", "S309", "X370"]
    assert list(found.links["name_zh"]) == ["兰郎线", "临大线", "康冶线"]
    assert len(found.nodes) == 4
    assert len(found.components()) == 1
    assert found.faults() == []
    assert found.links["length_km"].to_numpy() == pytest.approx(
        [line_km(line) for line in layer().geometry], abs=1e-4
    )


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
@pytest.mark.parametrize("cpg", [True, False])
def test_attributes_of_shapefiles(tmp_path, encoding, cpg):
    path = tmp_path / "a.shp"
    frame = layer(name=["兰郎线", "临大线", "康冶线"], 等级=["一级", "二级", "三级"])
    frame.to_file(path, encoding=encoding)
    if not cpg:
        path.with_suffix(".cpg").unlink()
    found = readers.read_file(path)
    assert list(found.network.links["name_zh"]) == ["兰郎线", "临大线", "康冶线"]
    assert list(found.network.links["class"]) == ["class1", "class2", "class3"]
    assert any(".cpg" in note for note in found.notes) == (not cpg)


def test_column_name_that_is_cut_within_a_character(tmp_path):
    path = tmp_path / "a.shp"
    layer(classclass=["一级", "二级", "三级"]).to_file(path, encoding="utf-8")
    table = path.with_suffix(".dbf")
    table.write_bytes(table.read_bytes().replace(b"classclass", "技术等级".encode()[:10], 1))
    found = readers.read_file(path).network
    assert list(found.links["class"]) == ["class1", "class2", "class3"]


def test_encoding_can_be_given(tmp_path):
    path = tmp_path / "a.shp"
    layer(name=["兰郎线", "临大线", "康冶线"]).to_file(path, encoding="gbk")
    path.with_suffix(".cpg").write_text("UTF-8")
    with pytest.raises(InputError, match="encoding"):
        readers.read_file(path, mends=Mends(encoding="utf-8"))
    found = readers.read_file(path, mends=Mends(encoding="gbk")).network
    assert found.links["name_zh"].iloc[0] == "兰郎线"


def test_several_layers_must_be_chosen_from(tmp_path):
    path = tmp_path / "a.gpkg"
    for name in ("国道", "省道"):
        layer().to_file(path, layer=name)
    with pytest.raises(InputError, match="国道、省道"):
        readers.read_file(path)
    assert len(readers.read_file(path, layer="省道").network.links) == 3
    with pytest.raises(InputError, match=r"没有图层“县道”.*国道、省道"):
        readers.read_file(path, layer="县道")


def test_shapefile_that_was_not_copied_whole(tmp_path):
    path = tmp_path / "a.shp"
    roads().to_file(path, encoding="gbk")
    path.with_suffix(".shx").rename(tmp_path / "kept")
    with pytest.raises(InputError, match=r"缺 \.shx"):
        readers.read_file(path)
    (tmp_path / "kept").rename(path.with_suffix(".shx"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="不完整") as caught:
        readers.read_file(path)
    assert len(caught.value.faults) == 1
    path.write_bytes(whole)
    path.with_suffix(".dbf").unlink()
    assert any(".dbf" in note for note in readers.read_file(path).notes)


@pytest.mark.parametrize("cpg", [True, False])
def test_shapefile_in_a_zip(tmp_path, cpg):
    (tmp_path / "in").mkdir()
    roads().to_file(tmp_path / "in" / "路网.shp", encoding="gbk")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for part in (tmp_path / "in").iterdir():
            if cpg or part.suffix != ".cpg":
                packed.write(part, part.name)
    found = readers.read_file(tmp_path / "a.zip")
    assert list(found.network.links["class"]) == ["class1", "class2", "class4"]
    assert any(".cpg" in note for note in found.notes) == (not cpg)


def test_shapefile_with_its_suffixes_in_capitals(tmp_path):
    layer(name=["兰郎线", "临大线", "康冶线"]).to_file(tmp_path / "a.shp", encoding="gbk")
    for part in list(tmp_path.iterdir()):
        part.rename(tmp_path / part.name.upper())
    found = readers.read_file(tmp_path / "A.SHP")
    assert found.network.links["name_zh"].iloc[0] == "兰郎线"
    assert not any(".cpg" in note for note in found.notes)


# Coordinates


def project(frame: gpd.GeoDataFrame, epsg: int, shift: float = 0.0) -> gpd.GeoDataFrame:
    moved = frame.to_crs(epsg)
    return moved.set_geometry(moved.translate(shift))


@pytest.mark.parametrize(
    ("epsg", "expected"),
    [
        (4490, ("EPSG:4490", "degrees")),
        (4522, ("EPSG:4522", "zoned")),  # 3-degree zone 34 with its number
        (4543, ("", "unzoned")),  # the same without
        (4495, ("EPSG:4495", "zoned")),  # 6-degree zone 17
        (3857, ("EPSG:3857", "mercator")),
    ],
)
def test_coordinates_are_recognised(epsg, expected):
    assert detect_crs(layer().to_crs(epsg).total_bounds) == expected


def test_zone_codes_are_those_of_the_register():
    for zone in (25, 34, 35, 45):
        crs = pyproj.CRS(detect_crs((zone * 1e6 + 4e5, 3.9e6, zone * 1e6 + 6e5, 4e6))[0])
        assert f"zone {zone}" in crs.name
        assert "CGCS2000 / 3-degree" in crs.name
    for zone in (13, 17, 23):
        crs = pyproj.CRS(detect_crs((zone * 1e6 + 4e5, 3.9e6, zone * 1e6 + 6e5, 4e6))[0])
        assert f"Gauss-Kruger zone {zone}" in crs.name


@pytest.mark.parametrize("epsg", [4490, 4543, 4522, 4495, 3857, 32648])
def test_projected_layers_come_out_in_degrees(tmp_path, epsg):
    layer().to_crs(epsg).to_file(tmp_path / "a.gpkg")
    found = ends(readers.read_file(tmp_path / "a.gpkg").network)
    expected = ends(readers.network_of_lines(layer().to_crs(4326)))
    assert np.sort(found, axis=0) == pytest.approx(np.sort(expected, axis=0), abs=1e-6)


@pytest.mark.parametrize(
    ("epsg", "advice"), [(4522, "EPSG:4522"), (4543, "中央经线"), (4490, "EPSG:4490")]
)
def test_missing_prj_is_told_with_what_the_coordinates_look_like(tmp_path, epsg, advice):
    path = tmp_path / "a.shp"
    layer().to_crs(epsg).to_file(path)
    path.with_suffix(".prj").unlink()
    with pytest.raises(InputError, match="坐标系") as caught:
        readers.read_file(path)
    assert advice in str(caught.value)
    found = readers.read_file(path, mends=Mends(crs=f"EPSG:{epsg}")).network
    assert ends(found)[:, 0].max() == pytest.approx(103.4, abs=1e-6)


def test_crs_auto_takes_what_the_coordinates_look_like(tmp_path):
    path = tmp_path / "a.shp"
    layer().to_crs(4522).to_file(path)
    path.with_suffix(".prj").unlink()
    found = readers.read_file(path, mends=Mends(crs="auto"))
    assert ends(found.network)[:, 0].max() == pytest.approx(103.4, abs=1e-6)
    assert any("4522" in note for note in found.notes)
    layer().to_crs(4543).to_file(path)
    path.with_suffix(".prj").unlink()
    with pytest.raises(InputError, match="中央经线"):
        readers.read_file(path, mends=Mends(crs="auto"))


@pytest.mark.parametrize(
    ("true", "declared"), [(4522, 4543), (4543, 4522), (4490, 4543), (4543, 4490)]
)
def test_coordinates_that_do_not_fit_their_crs(tmp_path, true, declared):
    frame = layer().to_crs(true).set_crs(declared, allow_override=True)
    frame.to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="不符"):
        readers.read_file(tmp_path / "a.gpkg")
    found = readers.read_file(tmp_path / "a.gpkg", mends=Mends(crs=f"EPSG:{true}")).network
    assert ends(found)[:, 0].max() == pytest.approx(103.4, abs=1e-6)


def test_swapped_axes(tmp_path):
    turned = shapely.transform(layer().geometry.to_numpy(), lambda xy: xy[:, ::-1])
    layer().set_geometry(gpd.GeoSeries(turned, crs=4490)).to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="--swap-axes"):
        readers.read_file(tmp_path / "a.gpkg")
    found = readers.read_file(tmp_path / "a.gpkg", mends=Mends(swap_axes=True))
    assert ends(found.network)[:, 0].max() == pytest.approx(103.4)
    assert any("对调" in note for note in found.notes)


def test_gcj02_is_shifted_back_within_a_millimetre(tmp_path):
    frame = layer().to_crs(4326)
    shifted = frame.set_geometry(gpd.GeoSeries(gcj02.shift(frame.geometry.to_numpy()), crs=4326))
    path = tmp_path / "高德路网.gpkg"
    shifted.to_file(path)
    raw = readers.read_file(path)
    assert any("--gcj02" in note for note in raw.notes)
    expected = ends(readers.network_of_lines(frame))
    assert np.abs(ends(raw.network) - expected).max() > 1e-3
    mended = readers.read_file(path, mends=Mends(gcj02=True)).network
    assert np.abs(ends(mended) - expected).max() < 2e-7  # nodes are rounded to 1e-7


@pytest.mark.parametrize(("epsg", "guess"), [(4543, ""), (4522, "EPSG:4522"), (4495, "EPSG:4495")])
def test_northing_first_is_recognised_in_projected_layers(tmp_path, epsg, guess):
    frame = layer().to_crs(epsg)
    turned = shapely.transform(frame.geometry.to_numpy(), lambda xy: xy[:, ::-1])
    swapped = frame.set_geometry(gpd.GeoSeries(turned, crs=epsg))
    assert detect_crs(swapped.total_bounds) == (guess, "swapped")
    swapped.to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="--swap-axes"):
        readers.read_file(tmp_path / "a.gpkg")
    found = readers.read_file(tmp_path / "a.gpkg", mends=Mends(swap_axes=True)).network
    assert ends(found)[:, 0].max() == pytest.approx(103.4, abs=1e-6)


def test_zone_number_other_than_the_declared_one(tmp_path):
    layer().to_crs(4523).set_crs(4522, allow_override=True).to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"不符.*EPSG:4523"):
        readers.read_file(tmp_path / "a.gpkg")


def test_projected_coordinates_far_from_where_their_crs_is_used(tmp_path):
    frame = layer().to_crs(3405)  # UTM of Vietnam
    frame.set_crs(2056, allow_override=True).to_file(tmp_path / "a.gpkg")  # Switzerland
    with pytest.raises(InputError, match="不符"):
        readers.read_file(tmp_path / "a.gpkg")


def test_without_a_zone_the_message_says_where_the_layer_would_lie():
    frame = layer().to_crs(4543).set_crs(None, allow_override=True)
    with pytest.raises(InputError) as caught:
        readers.imported(frame, "a", "a")
    assert "102° EPSG:4543 在临夏回族自治州" in str(caught.value)
    assert "105° EPSG:4544 在" in str(caught.value)


def test_unknown_crs_option(tmp_path):
    layer().to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="--crs"):
        readers.read_file(tmp_path / "a.gpkg", mends=Mends(crs="北京54"))


# Columns


def mapping(tmp_path: Path, text: str) -> readers.Columns:
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    return readers.Columns.read(path)


def test_columns_by_a_mapping(tmp_path):
    frame = layer(dj=["甲", "乙", ""], cd=[11000, 9500, None], sd=[80, 60, 40], dx=["是", "否", ""])
    frame.to_file(tmp_path / "a.gpkg")
    columns = mapping(
        tmp_path,
        """
columns: {class: dj, length_km: {column: cd, unit: m}, design_speed_kmh: sd, oneway: dx}
values: {class: {甲: class1, 乙: class2}}
defaults: {class: class4, source: 普查, confidence: M}
""",
    )
    found = readers.read_file(tmp_path / "a.gpkg", columns=columns, default_class="class4")
    links = found.network.links
    assert list(links["class"]) == ["class1", "class2", "class4"]
    assert list(links["length_km"][:2]) == [11.0, 9.5]
    assert list(links["length_basis"]) == ["published", "published", "drawn"]
    assert links["length_km"].iloc[2] == pytest.approx(line_km(links.geometry.iloc[2]), abs=1e-4)
    assert list(links["oneway"]) == [True, False, False]
    assert set(links["source"]) == {"普查"}
    assert set(links["confidence"]) == {"M"}
    assert list(links["design_speed_kmh"]) == [80, 60, 40]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colums: {class: dj}", "colums"),
        ("columns: {klass: dj}", "klass"),
        ("columns: {length_km: {column: cd, unit: 里}}", "unit"),
        ("values: {class: {甲: 高级}}", "高级"),
        ("defaults: {class: 高级}", "高级"),
        ("columns: 3", "columns"),
        ("columns: {class: [a]}", "列名"),
        ("columns: {ref: {column: a, unit: km}}", "ref"),
        ("defaults: {design_speed_kmh: fast}", "数字"),
        ("defaults: {mode: x}", "方式 x"),
        ("values: {status: {已建: 好}}", "状态 好"),
        ("3", "键"),
    ],
)
def test_faults_of_a_mapping(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        mapping(tmp_path, text)


def test_mapped_column_that_is_not_there(tmp_path):
    roads().to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="技术等级"):
        readers.read_file(
            tmp_path / "a.gpkg", columns=mapping(tmp_path, "columns: {class: 技术等}")
        )


def test_lines_without_a_class_take_the_default_and_it_is_told(tmp_path):
    layer().to_file(tmp_path / "a.gpkg")
    found = readers.read_file(tmp_path / "a.gpkg", default_class="class2")
    assert set(found.network.links["class"]) == {"class2"}
    assert any("没有等级列" in note for note in found.notes)


# Bad rows: one fault for each


def test_every_bad_row_is_named(tmp_path):
    frame = layer(
        link_id=["a", "a", "b"],
        class_=["一级", "三级", "砂石"],
        speed=[0, 900, 40],
        length_km=[10.0, -3.0, 5.0],
    ).rename(columns={"class_": "class"})
    frame.to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError) as caught:
        readers.read_file(tmp_path / "a.gpkg")
    text = str(caught.value)
    assert len(caught.value.faults) == 5
    for words in ("第1个要素: 设计速度", "第2个要素: 设计速度", "第2个要素: 里程", "砂石", "重复"):
        assert words in text


@pytest.mark.parametrize(
    ("texts", "km"),
    [
        (["17,500", "9500.5", ""], [17.5, 9.5005]),
        (["17.5公里", "9500 米", None], [17.5, 9.5]),
        (["17.5km", "9500m", " "], [17.5, 9.5]),
    ],
)
def test_units_and_commas_in_cells(tmp_path, texts, km):
    layer(cd=texts, speed=["80km/h", "60 公里/小时", "40"]).to_file(tmp_path / "a.shp")
    columns = mapping(tmp_path, "columns: {length_km: {column: cd, unit: m}}")
    links = readers.read_file(tmp_path / "a.shp", columns=columns).network.links
    assert list(links["length_km"][:2]) == pytest.approx(km)
    assert links["length_basis"].iloc[2] == "drawn"
    assert list(links["design_speed_kmh"]) == [80, 60, 40]


def test_whole_numbers_that_a_file_keeps_as_fractions_are_the_same_words(tmp_path):
    layer(dj=[1, 2, None], link_id=[7, None, 9]).to_file(tmp_path / "a.gpkg")
    columns = mapping(
        tmp_path,
        "columns: {class: dj}\nvalues: {class: {1: class1, 2: class2}}\ndefaults: {class: class4}",
    )
    links = readers.read_file(tmp_path / "a.gpkg", columns=columns).network.links
    assert list(links["class"]) == ["class1", "class2", "class4"]
    assert list(links.index) == ["7", "l1", "9"]


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_mapped_column_whose_name_a_shapefile_cut(tmp_path, encoding):
    frame = layer(道路技术等级代码=["一级", "二级", "三级"])
    frame.columns = [n.encode(encoding)[:10].decode(encoding, "ignore") for n in frame.columns]
    frame.to_file(tmp_path / "a.shp", encoding=encoding)
    columns = mapping(tmp_path, "columns: {class: 道路技术等级代码}")
    links = readers.read_file(tmp_path / "a.shp", columns=columns).network.links
    assert list(links["class"]) == ["class1", "class2", "class3"]


def test_words_for_mode_and_status_and_dates_as_bureaus_write_them(tmp_path):
    frame = layer(
        方式=["公路", "", "道路"], 状态=["已建", "在建", "规划"],
        通车时间=["2021年5月", "202309", "2027/1/15"],
    )  # fmt: skip
    frame.to_file(tmp_path / "a.gpkg")
    links = readers.read_file(tmp_path / "a.gpkg").network.links
    assert set(links["mode"]) == {"road"}
    assert list(links["status"]) == ["open", "construction", "planned"]
    assert list(links["opened"]) == ["2021-05", "2023-09", "2027-01"]
    days = pd.to_datetime(["2021-05-06", None, "2019-01-01"])
    layer(opened=days).to_file(tmp_path / "b.gpkg")
    links = readers.read_file(tmp_path / "b.gpkg").network.links
    assert list(links["opened"]) == ["2021-05", "", "2019-01"]


def test_one_fault_for_each_unknown_word(tmp_path):
    layer(
        mode=["?", "?", "road"], status=["x", "", "y"], opened=["2021-13", "soon", "soon"]
    ).to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError) as caught:
        readers.read_file(tmp_path / "a.gpkg")
    assert len(caught.value.faults) == 5
    assert "第2个要素等 2 个: opened" in str(caught.value)


def test_roads_are_not_as_fast_as_railways(tmp_path):
    frame = layer(speed=[250, 250, 60], **{"class": ["hsr", "class1", "class2"]})
    frame.to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="第2个要素") as caught:
        readers.read_file(tmp_path / "a.gpkg")
    assert len(caught.value.faults) == 1


def test_words_where_numbers_belong(tmp_path):
    layer(speed=["八十", "60", ""]).to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"第1个要素.*八十"):
        readers.read_file(tmp_path / "a.gpkg")


def test_nan_coordinates_and_missing_geometry():
    with np.errstate(invalid="ignore"):
        broken = shapely.LineString([(103, 35), (103.1, np.nan)])
    shapes = [broken, None, shapely.LineString([(103, 35), (103.1, 35)])]
    frame = gpd.GeoDataFrame(geometry=shapes, crs=4326)
    with pytest.raises(InputError) as caught:
        readers.imported(frame, "a", "a")
    assert [fault.where for fault in caught.value.faults] == ["a 第2个要素", "a 第1个要素"]


def test_points_among_lines_are_left_out_and_told():
    shapes = [shapely.Point(103, 35), *layer().geometry, shapely.box(103, 35, 104, 36)]
    found = readers.imported(gpd.GeoDataFrame(geometry=shapes, crs=4326), "a", "a")
    assert len(found.network.links) == 3
    assert any("Point、Polygon" in note and ": 2" in note for note in found.notes)


def test_a_written_network_in_one_geojson_is_read_again(tmp_path):
    readers.imported(roads(), "a", "a").network.write(tmp_path / "a.geojson")
    again = readers.read_file(tmp_path / "a.geojson").network
    assert sorted(again.links["ref"]) == ["G309", "S309", "X370"]


def test_features_are_numbered_as_in_the_file_when_an_area_is_cut_out():
    frame = layer(speed=[60, 0, 60])
    with pytest.raises(InputError, match="第2个要素"):
        readers.imported(frame, "a", "a", area=shapely.box(103.35, 35.5, 103.5, 35.65))


def test_very_many_faults_are_counted():
    shapes = [shapely.Point(103, 35)] * 250
    with pytest.raises(InputError) as caught:
        readers.imported(gpd.GeoDataFrame(geometry=shapes, crs=4326), "a", "a")
    assert len(caught.value.faults) == 101
    assert "150" in str(caught.value.faults[-1])


@pytest.mark.parametrize("name", ["a.gpkg", "a.shp", "a.geojson"])
def test_file_that_is_no_layer(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind" * 50)
    with pytest.raises(InputError, match="读不出"):
        readers.read_file(tmp_path / name)


def test_missing_file_and_layer_of_points(tmp_path):
    with pytest.raises(InputError, match="不存在"):
        readers.read_file(tmp_path / "a.gpkg")
    points = gpd.GeoDataFrame(geometry=[shapely.Point(103, 35)], crs=4490)
    points.to_file(tmp_path / "p.gpkg")
    with pytest.raises(InputError, match="没有线图层"):
        readers.read_file(tmp_path / "p.gpkg")


# Joints


def crossing() -> gpd.GeoDataFrame:
    shapes = [
        shapely.LineString([(103.0, 35.0), (103.2, 35.0)]),
        shapely.LineString([(103.1, 34.9), (103.1, 35.1)]),
        shapely.LineString([(103.05, 35.0), (103.05, 35.1)]),  # ends on the first
    ]
    frame = gpd.GeoDataFrame({"length_km": [20.0, 24.0, np.nan]}, geometry=shapes, crs=4326)
    return frame.assign(**{"class": "class3"})


def test_lines_that_cross_stay_apart_unless_asked():
    apart = readers.imported(crossing(), "a", "a", keep="all")
    assert len(apart.network.components()) == 3
    assert len(apart.parts) == 3
    assert any("连通部分" in line for line in apart.lines())
    joined = readers.imported(crossing(), "a", "a", mends=Mends(crossings=True))
    links = joined.network.links
    assert len(joined.network.components()) == 1
    assert len(links) == 6
    # What was published is shared out, and none of it lost.
    published = links[links["length_basis"] == "pro_rata"]
    assert published["length_km"].sum() == pytest.approx(44.0)
    assert any("2 处" in note for note in joined.notes)


def test_expressways_are_never_joined_at_crossings():
    frame = crossing()
    frame["class"] = ["expressway", "class3", "class3"]
    joined = readers.imported(frame, "a", "a", mends=Mends(crossings=True), keep="all")
    assert len(joined.network.components()) == 3


def test_ends_within_the_snapping_distance_are_one_node():
    shapes = [
        shapely.LineString([(103.0, 35.0), (103.1, 35.0)]),
        shapely.LineString([(103.1 + 5e-6, 35.0), (103.2, 35.0)]),  # half a metre off
    ]
    frame = gpd.GeoDataFrame(geometry=shapes, crs=4326)
    assert len(readers.imported(frame, "a", "a", keep="all").parts) == 2
    assert len(readers.imported(frame, "a", "a", mends=Mends(snap_m=1.0)).parts) == 1


def test_published_length_of_a_line_of_several_parts_is_shared_out():
    parts = shapely.MultiLineString([LINES[0], LINES[2]])
    frame = gpd.GeoDataFrame({"length_km": [22.0]}, geometry=[parts], crs=4490)
    for mends in (Mends(), Mends(crossings=True)):
        links = readers.imported(frame, "a", "a", mends=mends).network.links
        assert len(links) == 2
        assert links["length_km"].sum() == pytest.approx(22.0)
        assert set(links["length_basis"]) == {"pro_rata"}


def test_lines_without_length_and_lines_drawn_twice_are_told():
    spot = shapely.LineString([(103.2, 35.6), (103.2, 35.6)])
    first = shapely.LineString(LINES[0])
    shapes = [*layer().geometry, spot, first.reverse(), first]
    frame = gpd.GeoDataFrame(geometry=shapes, crs=4490)
    found = readers.imported(frame, "a", "a")
    assert len(found.network.links) == 5
    assert any("零长度" in note and "第 4 个" in note for note in found.notes)
    assert any("重复" in note and "第 5、6 个" in note for note in found.notes)
    # A road drawn once for each direction is not drawn twice.
    oneway = frame.assign(oneway=["no", "no", "no", "no", "yes", "yes"]).iloc[[4, 5]]
    assert not any("重复" in note for note in readers.imported(oneway, "a", "a").notes)


def test_small_parts_are_left_out_and_told():
    shapes = [
        shapely.LineString([(103.0, 35.0), (105.0, 35.0)]),
        shapely.LineString([(103.0, 36.0), (103.01, 36.0)]),
    ]
    found = readers.imported(gpd.GeoDataFrame(geometry=shapes, crs=4326), "a", "a")
    assert len(found.network.links) == 1
    assert [part.kept for part in found.parts] == [True, False]
    assert any("舍去" in line for line in found.lines())


def test_area_keeps_the_lines_that_touch_it(tmp_path):
    roads().to_file(tmp_path / "a.gpkg")
    box = shapely.box(103.35, 35.5, 103.5, 35.65)
    found = readers.read_file(tmp_path / "a.gpkg", area=box).network
    assert list(found.links["ref"]) == ["S309"]
    with pytest.raises(InputError, match="范围外"):
        readers.read_file(tmp_path / "a.gpkg", area=shapely.box(0, 0, 1, 1))


def test_expressways_meet_roads_at_interchanges():
    frame = layer(**{"class": ["expressway", "expressway", "class3"]}).to_crs(4326)
    found = readers.imported(frame, "a", "a").network
    assert sorted(found.nodes["kind"]) == ["interchange", "node", "node", "node"]


# Graphs


def osmnx_graph() -> nx.MultiDiGraph:
    """A graph as OSMnx 2 makes it: a two-way road with a bend, and a one-way street."""
    graph = nx.MultiDiGraph(crs="EPSG:4326", simplified=True)
    for node, (x, y) in {1: (103.0, 35.0), 2: (103.1, 35.0), 3: (103.1, 35.1)}.items():
        graph.add_node(node, x=x, y=y, street_count=2)
    bend = shapely.LineString([(103.0, 35.0), (103.05, 35.02), (103.1, 35.0)])
    road = {
        "osmid": [11, 12],
        "highway": ["trunk", "primary"],
        "ref": "G309",
        "maxspeed": ["60", "80"],
        "oneway": False,
        "length": 10300.0,
    }
    graph.add_edge(1, 2, reversed=False, geometry=bend, **road)
    graph.add_edge(2, 1, reversed=True, geometry=bend.reverse(), **road)
    graph.add_edge(3, 2, osmid=13, highway="residential", oneway=True, reversed=False, length=11100)
    return graph


def check_osmnx(network: networks.Network) -> None:
    links = network.links
    assert len(links) == 2
    road = links[links["ref"] == "G309"].iloc[0]
    assert not road["oneway"]
    assert road["class"] == "class2"
    assert road["length_km"] == pytest.approx(10.3)
    assert road["design_speed_kmh"] == 60
    assert len(road.geometry.coords) == 3
    street = links[links["class"] == "urban"].iloc[0]
    assert street["oneway"]
    assert tuple(street[["from_node", "to_node"]]) == ("n3", "n2")
    assert network.faults() == []


def test_networkx_graph():
    check_osmnx(graphs.network_of_graph(osmnx_graph()))


def test_graphml_of_osmnx(tmp_path):
    import osmnx

    osmnx.save_graphml(osmnx_graph(), tmp_path / "a.graphml")
    check_osmnx(graphs.read_graphml(tmp_path / "a.graphml").network)


def test_undirected_graph_with_our_columns():
    graph = nx.Graph()
    graph.add_node("a", x=103.0, y=35.0)
    graph.add_node("b", x=103.1, y=35.0)
    graph.add_edge("a", "b", **{"class": "class1", "length_km": 12.0, "ref": "G1"})
    link = graphs.network_of_graph(graph).links.iloc[0]
    assert (link["class"], link["length_km"], link["oneway"]) == ("class1", 12.0, False)


def test_graph_in_a_projected_crs():
    graph = osmnx_graph()
    moved = gpd.GeoSeries(
        [shapely.Point(d["x"], d["y"]) for _, d in graph.nodes(data=True)], crs=4326
    ).to_crs(4543)
    for (_, data), point in zip(graph.nodes(data=True), moved, strict=True):
        data["x"], data["y"] = point.x, point.y
    for _, _, data in graph.edges(data=True):
        if "geometry" in data:
            data["geometry"] = gpd.GeoSeries(data["geometry"], crs=4326).to_crs(4543)[0]
    graph.graph["crs"] = "EPSG:4543"
    network = graphs.network_of_graph(graph)
    check_osmnx(network)
    assert np.sort(ends(network)[:, 0]) == pytest.approx([103.0, 103.1, 103.1], abs=1e-7)
    assert network.links.total_bounds == pytest.approx((103.0, 35.0, 103.1, 35.1), abs=1e-7)
    graph.graph["crs"] = "北京54"
    with pytest.raises(InputError, match="北京54"):
        graphs.network_of_graph(graph)


@pytest.mark.parametrize("length", ["abc", None, -5.0, math.nan, 0.0])
def test_lengths_of_edges_that_are_none_are_measured(length):
    graph = osmnx_graph()
    for *_, data in graph.edges(data=True):
        data["length"] = length
    links = graphs.network_of_graph(graph).links
    drawn = [line_km(line) for line in links.geometry]
    assert links["length_km"].to_numpy() == pytest.approx(drawn, rel=1e-6)


def test_large_graphs_do_not_take_the_square_of_their_size():
    size = 60
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(size, size))
    for node, data in graph.nodes(data=True):
        data["x"], data["y"] = 103 + 0.001 * (node % size), 35 + 0.001 * (node // size)
    for *_, data in graph.edges(data=True):
        data.update(highway="primary", length=100.0)
    started = time.process_time()
    assert len(graphs.network_of_graph(graph).nodes) == size * size
    assert time.process_time() - started < 20.0  # 90 s when each node made a set of all ends


@pytest.mark.parametrize("bad", [{}, {"x": "hier", "y": 1}, {"x": math.nan, "y": 1}])
def test_graph_whose_nodes_have_no_position(bad):
    graph = nx.Graph()
    graph.add_node("a", x=103.0, y=35.0)
    graph.add_node("b", **bad)
    graph.add_edge("a", "b", highway="primary")
    with pytest.raises(InputError, match="节点 b"):
        graphs.network_of_graph(graph)


def test_file_that_is_no_graphml(tmp_path):
    (tmp_path / "a.graphml").write_text("<svg>", encoding="utf-8")
    with pytest.raises(InputError, match="GraphML"):
        graphs.read_graphml(tmp_path / "a.graphml")
    with pytest.raises(InputError, match="不存在"):
        graphs.read_graphml(tmp_path / "b.graphml")


# PostGIS


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, from Debian's packages or the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).parent if named else None


def no_database(what: str) -> NoReturn:
    """Skip the test, or fail where a database is required."""
    required = os.environ.get("SPATIALPLAN_REQUIRE_POSTGIS", "") not in ("", "0")
    leave = pytest.fail if required else pytest.skip
    leave(f"{what}; on Debian: apt install postgresql postgresql-postgis")


@pytest.fixture(scope="module")
def database() -> str:
    """The address of a PostgreSQL server with PostGIS, started for these tests."""
    programs = postgres_programs()
    if programs is None:
        no_database("no PostgreSQL")
    # A folder of its own: those of pytest are closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    # PostgreSQL refuses to run as root; Debian's package comes with a user for it.
    root = os.name == "posix" and os.geteuid() == 0
    as_user = ["runuser", "-u", "postgres", "--"] if root else []
    if root:
        shutil.chown(folder, "postgres")
    user = "postgres" if root else getpass.getuser()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, log = folder / "data", folder / "log"

    def run(program: str, *words: str) -> None:
        command = [*as_user, str(programs / program), *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            done.stdout + done.stderr + (log.read_text() if log.exists() else "")
        )

    run("initdb", "-D", str(data), "-A", "trust", "-U", user, "-E", "UTF8", "--locale", "C")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    run("pg_ctl", "-D", str(data), "-l", str(log), "-o", options, "-w", "start")
    try:
        control = ("psql", "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", "postgres", "-c")
        done = subprocess.run(
            [*as_user, str(programs / control[0]), *control[1:], "CREATE EXTENSION postgis"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0 and "not available" in done.stderr:
            no_database("PostgreSQL has no PostGIS")
        assert done.returncode == 0, done.stderr
        yield f"postgresql://{user}@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.postgis
def test_network_goes_into_a_database_and_comes_back(database):
    network = readers.imported(roads(), "a", "a").network
    written = postgis.write_postgis(network, f"{database}?table=net")
    assert written == ["net_nodes", "net_links"]
    again = postgis.read_postgis(f"{database}?table=public.net_links").network
    assert list(again.links.sort_index()["class"]) == list(network.links.sort_index()["class"])
    assert again.links["length_km"].sum() == pytest.approx(network.links["length_km"].sum())
    assert len(again.nodes) == len(network.nodes)
    postgis.write_postgis(network, f"{database}?table=net")  # replaces what is there
    assert len(postgis.read_postgis(f"{database}?table=net_links").network.links) == 3


@pytest.mark.postgis
def test_bureaus_table_with_projected_lines_and_chinese_columns(database):
    import sqlalchemy as sa

    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    moved = roads().to_crs(4543).rename_geometry("shape")
    moved.to_postgis("公路", engine, if_exists="replace", index=False)
    engine.dispose()
    found = postgis.read_postgis(f"{database}?table=公路").network
    assert list(found.links["class"]) == ["class1", "class2", "class4"]
    assert ends(found)[:, 0].max() == pytest.approx(103.4, abs=1e-6)


@pytest.mark.postgis
def test_table_in_another_schema_is_found_when_only_one_has_its_name(database):
    import sqlalchemy as sa

    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text('CREATE SCHEMA "规划"'))
    roads().to_postgis("Roads", engine, schema="规划", index=False)
    assert len(postgis.read_postgis(f"{database}?table=Roads").network.links) == 3
    with pytest.raises(InputError, match=r"规划\.Roads"):
        postgis.read_postgis(f"{database}?table=roads")
    roads().to_postgis("Roads", engine, index=False)
    with pytest.raises(InputError, match="不止一个"):
        postgis.read_postgis(f"{database}?table=Roads")
    assert len(postgis.read_postgis(f"{database}?table=规划.Roads").network.links) == 3
    with engine.begin() as connection:
        connection.execute(sa.text('DROP SCHEMA "规划" CASCADE; DROP TABLE "Roads"'))
    engine.dispose()


@pytest.mark.parametrize("address", ["postgresql://", "postgresql://h:port/x?table=a"])
def test_address_that_is_none(address):
    with pytest.raises(InputError, match="地址"):
        postgis.read_postgis(address)


@pytest.mark.postgis
def test_faults_of_a_database(database):
    with pytest.raises(InputError, match="没有这个表"):
        postgis.read_postgis(f"{database}?table=nichts")
    with pytest.raises(InputError, match="没有这个表"):
        postgis.read_postgis(f"{database}?table=nichts&geometry=geom")
    with pytest.raises(InputError, match="table"):
        postgis.read_postgis(database)
    wrong = database.replace("postgresql://", "postgresql://nobody:geheim@").replace(
        f"{getpass.getuser()}@", ""
    )
    with pytest.raises(InputError) as caught:
        postgis.read_postgis(f"{wrong}x?table=a")
    assert "geheim" not in str(caught.value)


def test_unreachable_database_says_so_without_the_password():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(InputError, match="连不上") as caught:
        postgis.read_postgis(f"postgresql://me:geheim@127.0.0.1:{port}/x?table=a&geometry=g")
    assert "geheim" not in str(caught.value)


def test_database_without_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    with pytest.raises(InputError, match="postgis"):
        postgis.read_postgis("postgresql://x/y?table=a")


def test_table_of_no_use_is_a_dataframe_only():
    with pytest.raises(InputError, match="空"):
        readers.imported(pd.DataFrame({"a": [1]}), "a", "a")
