"""The network as a value: dates, files, checks."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy

from spatialplan import files, network, travel
from spatialplan.errors import InputError
from spatialplan.network import Network

FLAT = toy.profile()


@pytest.fixture
def dated() -> Network:
    return toy.network(
        {"a": (0, 0), "b": (10, 0), "c": (20, 0), "d": (30, 0), "e": (40, 0)},
        [
            toy.link("a", "b", 11),
            toy.link("b", "c", 11, opened="2023-06", status="open"),
            toy.link("c", "d", 11, opened="2025", status="construction"),
            toy.link("d", "e", 11, status="planned"),
            toy.link("a", "c", 25, closed="2023-06"),
        ],
    )


@pytest.mark.parametrize(
    ("date", "there"),
    [
        ("2020", {"a-b", "a-c"}),
        ("2023-05", {"a-b", "a-c"}),
        ("2023-06", {"a-b", "b-c"}),
        ("2023", {"a-b", "b-c"}),
        ("2025-11", {"a-b", "b-c"}),
        ("2025", {"a-b", "b-c", "c-d"}),
        ("2099", {"a-b", "b-c", "c-d"}),  # what has no date is never there
    ],
)
def test_the_network_of_a_day(dated, date, there):
    found = dated.at(date)
    assert set(found.links.index) == there
    ends = {*found.links["from_node"], *found.links["to_node"]}
    assert set(found.nodes.index) == ends
    assert found.date == (f"{date}-12" if len(date) == 4 else date)
    assert len(dated.links) == 5


@pytest.mark.parametrize("suffix", ["gpkg", "geojson"])
def test_written_and_read_again_it_is_the_same(dated, tmp_path, suffix):
    links = dated.links.copy()
    links.loc["a-b", "design_speed_kmh"] = np.nan
    links.loc["a-c", "oneway"] = True
    links.loc["a-b", "name_zh"] = "康临高速"
    before = Network(dated.nodes, links, "toy")
    path = tmp_path / f"路网.{suffix}"
    before.write(path)
    after = network.read(path)
    assert after.name == "路网"
    pd.testing.assert_frame_equal(
        pd.DataFrame(after.links.drop(columns="geometry")),
        pd.DataFrame(before.links.drop(columns="geometry")),
        check_dtype=False, check_index_type=False, check_names=False,
    )  # fmt: skip
    assert shapely.equals_exact(
        after.links.geometry.to_numpy(), before.links.geometry.to_numpy(), 1e-9
    ).all()
    for frame in (after.nodes, after.links):
        assert frame.crs.to_epsg() == 4326
    if suffix == "gpkg":
        assert gpd.read_file(path, layer="links").crs.to_epsg() == 4490


@toy.FEW
@given(before=toy.networks())
def test_any_network_keeps_its_minutes_in_a_file(before, tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "n.geojson"
    before.write(path)
    towns = toy.places_of(before)
    times = [
        travel.travel_times(travel.compile_graph(n, FLAT), towns, towns, mode="all")["minutes"]
        for n in (before, network.read(path))
    ]
    pd.testing.assert_series_equal(*times)


def layers(dated) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    return dated.nodes.reset_index(), dated.links.reset_index()


def put(path, nodes, links):
    path.unlink(missing_ok=True)
    nodes.to_file(path, layer="nodes", driver="GPKG")
    links.to_file(path, layer="links", driver="GPKG")
    return path


def _with(frame, row, **values):
    frame = frame.copy()
    for name, value in values.items():
        frame[name] = frame[name].astype(object)
        frame.at[row, name] = value
    return frame


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"from_node": "zz"}, r"a-b.*zz 不存在"),
        ({"length_km": -4.0}, r"a-b.*长度 -4"),
        ({"length_km": 0.0}, "长度 0"),
        ({"length_km": None}, "长度 nan"),
        ({"class": "motorway"}, r"motorway.*expressway"),
        ({"mode": "boat"}, "方式 boat"),
        ({"class": "hsr"}, "不符"),
        ({"status": "maybe"}, "状态 maybe"),
        ({"design_speed_kmh": 900.0}, "设计速度 900"),
        ({"opened": "last year"}, "日期 last year"),
        ({"geometry": None}, "没有线"),
    ],
)
def test_faults_of_a_link(dated, tmp_path, values, words):
    nodes, links = layers(dated)
    if "geometry" in values:
        links = links.set_geometry([None, *links.geometry[1:]], crs=4326)
    else:
        links = gpd.GeoDataFrame(_with(links, 0, **values), crs=4326)
    with pytest.raises(InputError, match=words) as caught:
        network.read(put(tmp_path / "n.gpkg", nodes, links))
    [fault] = caught.value.faults
    assert fault.where == "n.gpkg a-b"
    assert fault.en.isascii()


def test_faults_of_a_file(dated, tmp_path):
    nodes, links = layers(dated)
    path = tmp_path / "n.gpkg"
    with pytest.raises(InputError, match="link_id"):
        network.read(put(path, nodes, links.drop(columns="link_id")))
    with pytest.raises(InputError, match="编号重复:a-b"):
        network.read(put(path, nodes, pd.concat([links, links.iloc[:1]])))
    with (
        pytest.warns(UserWarning, match="crs"),
        pytest.raises(InputError, match=r"nodes: 没有坐标系"),
    ):
        network.read(put(path, nodes.set_crs(None, allow_override=True), links))
    with pytest.raises(InputError, match="没有坐标"):
        network.read(put(path, nodes.set_geometry([None, *nodes.geometry[1:]], crs=4326), links))
    path.unlink()
    nodes.to_file(path, layer="other", driver="GPKG")
    with pytest.raises(InputError, match="nodes 和 links"):
        network.read(path)
    with pytest.raises(InputError, match="不存在"):
        network.read(tmp_path / "none.gpkg")
    (tmp_path / "bad.geojson").write_text("{}")
    with pytest.raises(InputError):
        network.read(tmp_path / "bad.geojson")


def test_what_qgis_makes_of_a_network_is_read(dated, tmp_path):
    """Collections of one line, lines drawn the other way, years and ids as numbers, any CRS."""
    nodes, links = layers(dated)
    number = {name: float(i) for i, name in enumerate(nodes["node_id"], start=1)}
    nodes["node_id"] = nodes["node_id"].map(number)
    for side in ("from_node", "to_node"):
        links[side] = links[side].map(number)
    links["opened"] = [np.nan, 2023.0, 2025.0, np.nan, np.nan]
    turned = links.geometry.reverse().to_numpy()
    links = links.set_geometry([shapely.MultiLineString([line]) for line in turned], crs=4326)
    found = network.read(put(tmp_path / "n.gpkg", nodes.to_crs(4543), links.to_crs(4543)))
    assert list(found.links["opened"]) == ["", "2023", "2025", "", ""]
    assert set(found.links.geom_type) == {"LineString"}
    graph = travel.compile_graph(found, FLAT)
    start = toy.place("a", 0, 0)  # by the node's place_id
    # A quarter of the way from a to b, not from b to a.
    [route] = travel.routes(graph, [start], [toy.spot(2.5, 0)])
    assert route.minutes == pytest.approx(2.75, abs=0.02)


def test_parts_that_hang_together():
    found = toy.network(
        {"a": (0, 0), "b": (10, 0), "c": (20, 0), "d": (50, 0), "e": (60, 0),
         "s": (0, 1), "t": (9, 9)},
        [toy.link("a", "b", 11), toy.link("b", "c", 11), toy.link("d", "e", 11),
         toy.link("s", "t", 20, 120, "rail120")],
    )  # fmt: skip
    assert list(found.components()) == [3, 2]
    assert list(found.components(["rail"])) == [2]
    assert list(found.components(["ferry"])) == []
    assert list(found.components(["road", "rail"])) == [3, 2, 2]


def test_the_nearest_link_is_an_ordinary_road():
    found = toy.network(
        {"a": (0, 0), "b": (20, 0), "p": (0, 5, "interchange"), "q": (20, 5, "interchange")},
        [toy.link("a", "b", 24), toy.link("p", "q", 20, 80, "expressway"),
         toy.link("a", "p", 6), toy.link("b", "q", 6)],
    )  # fmt: skip
    link, fraction, km = found.nearest_link(*toy.lonlat(5, 2))
    assert (found.links.index[link], fraction, km) == (
        "a-b", pytest.approx(0.25, abs=1e-3), pytest.approx(2.0, abs=0.01)
    )  # fmt: skip
    link, fraction, km = found.nearest_link(*toy.lonlat(5, 4.9), level=network.EXPRESSWAY)
    assert found.links.index[link] == "p-q"


def test_the_nearest_link_is_nearest_on_the_ground():
    """A degree of longitude is shorter than one of latitude: here 0.9 km against 1.0 km."""
    found = toy.network(
        {"a": (0.9, -9), "b": (0.9, 9), "c": (-9, 1.0), "d": (0.5, 1.0)},
        [toy.link("a", "b", 19), toy.link("c", "d", 9), toy.link("b", "d", 9)],
    )
    here = shapely.Point(*toy.lonlat(0, 0))
    first, second, _ = shapely.distance(found.links.geometry.to_numpy(), here)
    assert second < first
    link, _, km = found.nearest_link(here.x, here.y)
    assert (found.links.index[link], km) == ("a-b", pytest.approx(0.9, abs=0.001))


@toy.FEW
@given(whole=toy.networks(), data=st.data())
def test_a_part_knows_where_its_links_end(whole, data):
    kept = np.array([data.draw(st.booleans()) for _ in range(len(whole.links))], dtype=bool)
    part = whole.part(kept)
    assert list(part.links.index) == list(whole.links.index[kept])
    assert set(part.nodes.index) == {*part.links["from_node"], *part.links["to_node"]}
    np.testing.assert_array_equal(part.ends, Network(part.nodes, part.links).ends)
    named = part.like(date="2030-01")
    assert named.date == "2030-01"
    np.testing.assert_array_equal(named.ends, part.ends)


def test_the_built_in_network_is_whole():
    found = network.builtin()
    assert found.faults() == []
    assert found.at("2024-12").components()[0] > 500
    assert found.at("2021").links["length_km"].sum() < found.at("2024").links["length_km"].sum()


@pytest.mark.parametrize("arrow", [False, True])
def test_a_large_file_is_the_same_with_and_without_arrow(arrow, dated, tmp_path, monkeypatch):
    if arrow:
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(files, "HAS_ARROW", arrow)
    monkeypatch.setattr(network, "HAS_ARROW", arrow)
    monkeypatch.setattr(files, "MANY_ROWS", 0)
    links = dated.links.copy()
    links.loc["a-b", "design_speed_kmh"] = np.nan
    links.loc["a-c", "oneway"] = True
    links.loc["a-c", "geometry"] = links.geometry["a-c"].reverse()  # read the right way round
    path = tmp_path / "net.gpkg"
    Network(dated.nodes, links).write(path)
    links.loc["a-c", "geometry"] = dated.links.geometry["a-c"]
    toy.same(network.read(path), Network(dated.nodes, links))
