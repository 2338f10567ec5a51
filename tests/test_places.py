"""Finding places by what a planner types."""

from __future__ import annotations

import geopandas as gpd
import pytest
from tests import networks as toy

from spatialplan import places
from spatialplan.errors import InputError
from spatialplan.places import Gazetteer

HEAD = "place_id,name_zh,name_en,kind,county,adcode,lon,lat,accuracy_m,source,confidence,aliases"
ROWS = [
    "linxia-shi,临夏市,Linxia City,prefecture_seat,临夏市,622901,103.21,35.60,100,甲,H,河州;导河",
    "linxia-xian,临夏县,Linxia County,county_seat,临夏县,622921,102.99,35.49,100,甲,H,韩集镇",
    "xinzhuang-a,新庄乡,Xinzhuang,township,甲县,622922,103.1,35.2,,乙,L,",
    "xinzhuang-b,新庄乡,Xinzhuang,township,乙县,622923,103.4,35.3,,乙,L,",
]


@pytest.fixture
def write(tmp_path):
    def put(*rows, head=HEAD):
        path = tmp_path / "places.csv"
        path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
        return path

    return put


@pytest.fixture
def gazetteer(write) -> Gazetteer:
    return Gazetteer.read(write(*ROWS))


@pytest.mark.parametrize(
    "name",
    ["linxia-shi", "临夏市", " 临夏市 ", "Linxia City", "linxia city", "LINXIA  CITY", "河州"],
)
def test_a_place_has_many_names(gazetteer, name):
    found = gazetteer.find(name)
    assert (found.key, found.lon, found.lat, found.adcode) == ("linxia-shi", 103.21, 35.6, 622901)
    assert found == gazetteer["linxia-shi"]


@pytest.mark.parametrize("text", ["103.2104561,35.6", " 103.2104561 ,35.60"])
def test_a_position_is_a_place_of_its_own(gazetteer, text):
    found = gazetteer.find(text)
    assert (found.lon, found.lat, found.place_id) == (103.2104561, 35.6, None)
    assert found.key == "103.210456,35.6"  # near positions keep different keys


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("临夏", "临夏市、临夏县"),
        ("Linxia", "linxia-"),
        ("新庄乡", r"xinzhuang-a\(甲县\)、xinzhuang-b\(乙县\)"),
        ("35.6,203.2", "经度在前|不是经纬度"),
        ("35.6,103.2", "经度在前"),
        ("", "没有地点"),
    ],
)
def test_what_is_no_place_is_told_with_the_nearest(gazetteer, name, words):
    with pytest.raises(InputError, match=words) as caught:
        gazetteer.find(name, "--from")
    [fault] = caught.value.faults
    assert fault.where == "--from"
    assert fault.en.isascii()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ROWS[0], ROWS[0]], r"第3行.*重复"),
        ([ROWS[0].replace("103.21", "east")], r"第2行.*lon 不是数字"),
        ([ROWS[0].replace("103.21", "")], r"第2行.*经纬度无效"),
        ([ROWS[0].replace("35.60", "95.60")], r"第2行.*经纬度无效"),
    ],
)
def test_faults_of_a_table_of_places(write, rows, words):
    with pytest.raises(InputError, match=words):
        Gazetteer.read(write(*rows))


def test_missing_columns_and_files(write, tmp_path):
    with pytest.raises(InputError, match="缺少列 lon、lat"):
        Gazetteer.read(write(head="place_id,name_zh,name_en,kind,county,adcode"))
    with pytest.raises(InputError, match="打不开"):
        Gazetteer.read(tmp_path / "none.csv")
    with pytest.raises(InputError, match="CSV"):
        Gazetteer.read(write(head="").with_name("places.csv"))
    short = ",".join(HEAD.split(",")[:8])
    found = Gazetteer.read(write(",".join(ROWS[0].split(",")[:8]), head=short))
    assert found.find("临夏市").confidence == "L"  # not said: not trusted


def test_sets_of_places(gazetteer):
    assert gazetteer.seats() == ["linxia-shi", "linxia-xian"]
    assert gazetteer.seats([622921]) == ["linxia-xian"]
    assert gazetteer.towns([622921, 622922]) == ["linxia-xian", "xinzhuang-a"]
    assert list(gazetteer.search("新庄").index) == ["xinzhuang-a", "xinzhuang-b"]
    assert list(gazetteer.search("韩集").index) == ["linxia-xian"]
    assert len(gazetteer.search("")) == 4


def test_more_places_beside_the_built_in_ones(gazetteer):
    more = gazetteer.with_places([toy.place("new", 0, 0, name_zh="新地", kind="town")])
    assert more.find("新地").key == "new"
    assert len(more.table) == 5
    assert "new" not in gazetteer


# --- what the command line takes ----------------------------------------------------------------


def test_a_list_of_names_and_positions():
    found = places.read_set("临夏市,103.2,35.6、kangle-xian;和政县")
    assert [place.key for place in found] == [
        "linxia-shi",
        "103.2,35.6",
        "kangle-xian",
        "hezheng-xian",
    ]


def test_all_unknown_names_at_once():
    with pytest.raises(InputError) as caught:
        places.read_set("临夏市,甲甲甲,乙乙乙", "--to")
    assert len(caught.value.faults) == 2
    assert all("--to" in fault.where for fault in caught.value.faults)
    with pytest.raises(InputError, match="没有写地点"):
        places.read_set(",,")


def test_named_sets():
    seats = places.read_set("all-seats")
    assert {"linxia-shi", "kangle-xian"} <= {place.key for place in seats}
    assert len(places.read_set("all-towns")) > 2 * len(seats)


def test_points_from_a_csv(tmp_path):
    path = tmp_path / "点.csv"
    path.write_text("\ufeff名称,lon,lat\n甲,103.1,35.5\n,103.1234567,35.6\n", encoding="utf-8")
    assert [p.key for p in places.read_set(str(path))] == ["甲", "103.123457,35.6"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lon,lat\n103,x\n", "第2行.*不是数字"),
        ("lon,lat\n103,35\n203,35\n", "第3行.*经纬度无效"),
        ("lon,lat\n103,\n", "第2行.*经纬度无效"),
        ("x,y\n1,2\n", "缺少列 lon、lat"),
        ("lon,lat\n", "没有点"),
        ("", "CSV"),
        ('lon,lat\n"103,35\n1,2,3,4\n', "CSV|第2行"),
    ],
)
def test_faults_of_a_csv_of_points(tmp_path, text, words):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        places.read_set(str(path))


def test_points_from_a_layer(tmp_path):
    path = tmp_path / "p.gpkg"
    frame = gpd.GeoDataFrame(
        {"name": ["甲", None]}, geometry=gpd.points_from_xy([103.1, 103.2], [35.5, 35.6]), crs=4326
    )
    frame.to_crs(4543).to_file(path)
    first, second = places.read_set(str(path))
    assert (first.key, second.key) == ("甲", "103.2,35.6")
    assert (first.lon, first.lat) == (pytest.approx(103.1), pytest.approx(35.5))
    frame.to_crs(4543).buffer(9).to_file(path)
    with pytest.raises(InputError, match="全是点"):
        places.read_set(str(path))
    with pytest.raises(InputError, match="不存在"):
        places.read_set(str(tmp_path / "none.geojson"))
