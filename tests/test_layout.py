import geopandas as gpd
import numpy as np
import pytest
import shapely

from spatialplan import layout as lay
from spatialplan import places
from spatialplan.plan import Citation, Element, Plan

SPOTS = {
    "east": ("county_seat", 103.6, 35.5),
    "heart": ("county_seat", 103.2, 35.6),
    "heart-town": ("town", 103.26, 35.61),
    "north": ("town", 103.25, 35.9),
    "south": ("town", 103.3, 35.2),
    "west": ("town", 102.9, 35.7),
}


@pytest.fixture
def gazetteer():
    rows = {
        "place_id": list(SPOTS),
        "name_zh": list(SPOTS),
        "name_en": list(SPOTS),
        "kind": [spot[0] for spot in SPOTS.values()],
        "county": "",
        "adcode": 622901,
        "lon": [spot[1] for spot in SPOTS.values()],
        "lat": [spot[2] for spot in SPOTS.values()],
        "accuracy_m": 1000.0,
        "confidence": "H",
    }
    points = shapely.points(rows["lon"], rows["lat"])
    return places.Gazetteer(gpd.GeoDataFrame(rows, geometry=points, crs=4326).set_index("place_id"))


def plan_of(*elements, crs="EPSG:4543"):
    return Plan(
        id="p", title_zh="规划", title_en="Plan", issuer="", number="", date="2022",
        horizon=2035, area=(622901,), crs=crs, elements=elements,
    )  # fmt: skip


def element(kind, members=(), spine=(), **more):
    cite = Citation("1", "原文")
    return Element(
        kind, "p", "一心", kind, f"{kind}名", kind, cite, tuple(members), tuple(spine), **more
    )


def metres(frame):
    return frame.to_crs(4543).geometry


def shape_of(gazetteer, one):
    return metres(lay.layout(plan_of(one), gazetteer)).iloc[0]


def at(gazetteer, name):
    return metres(gazetteer.table).loc[name]


def test_every_kind_gets_its_sort_of_geometry_in_wgs84(gazetteer):
    names = ("east", "heart", "west", "north")
    kinds = ("core", "belt", "corridor", "axis", "node", "pole", "ring", "wing", "cluster")
    frame = lay.layout(plan_of(*(element(kind, names) for kind in kinds)), gazetteer)
    assert frame.crs.to_epsg() == 4326
    assert list(frame.index) == list(kinds)
    sorts = {kind: shape.geom_type.removeprefix("Multi") for kind, shape in frame.geometry.items()}
    lines = {"axis": "LineString", "ring": "LineString", "node": "Point"}
    assert sorts == {kind: lines.get(kind, "Polygon") for kind in kinds}
    assert frame.geometry.is_valid.all()


def test_a_core_is_one_shape_that_holds_its_members_and_is_wider_at_the_seat(gazetteer):
    shape = shape_of(gazetteer, element("core", ("heart", "heart-town")))
    assert shape.geom_type == "Polygon"
    edges = {name: at(gazetteer, name).distance(shape.exterior) for name in ("heart", "heart-town")}
    assert all(at(gazetteer, name).within(shape) for name in edges)
    assert edges["heart"] == pytest.approx(lay.SEAT_RADIUS, rel=0.05)
    assert edges["heart-town"] < edges["heart"] - 500


def test_a_belt_follows_its_spine_and_narrows_at_its_ends(gazetteer):
    names = ("west", "heart", "east")
    frame = lay.layout(plan_of(element("belt", spine=names)), gazetteer)
    shape, spine = metres(frame).iloc[0], frame["spine"].set_crs(4326).to_crs(4543).iloc[0]
    assert all(at(gazetteer, name).distance(spine) < 1 for name in names)
    assert shape.contains(spine)
    widths = {}
    for share in (0.02, 0.5):
        a, b = (np.array(spine.interpolate(share + d, True).coords[0]) for d in (-0.01, 0.01))
        across = np.array([-(b - a)[1], (b - a)[0]]) / np.hypot(*(b - a)) * 20_000
        middle = (a + b) / 2
        widths[share] = shapely.LineString([middle - across, middle + across]).intersection(shape)
    assert widths[0.5].length == pytest.approx(2 * lay.HALF_WIDTH["belt"], rel=0.03)
    assert 0.4 < widths[0.02].length / widths[0.5].length < 0.8


def test_members_serve_as_the_spine_of_a_belt_without_one(gazetteer):
    by_members = shape_of(gazetteer, element("belt", ("west", "heart", "east")))
    by_spine = shape_of(gazetteer, element("belt", spine=("west", "heart", "east")))
    assert by_members.equals(by_spine)


def test_a_direction_stops_near_the_area_and_points_at_its_goal(gazetteer):
    goal = {"name_zh": "成都", "name_en": "Chengdu", "lon": 104.07, "lat": 30.67}
    one = element("axis", ("heart",), toward=(goal,))
    shape = shape_of(gazetteer, one)
    outline = metres(gazetteer.table).union_all().convex_hull
    (line,) = shape.geoms
    tip = shapely.Point(line.coords[-1])
    assert tip.distance(outline) == pytest.approx(lay.REACH, rel=0.02)
    far = gpd.GeoSeries([shapely.Point(104.07, 30.67)], crs=4326).to_crs(4543).iloc[0]
    ray = shapely.LineString([line.coords[0], (far.x, far.y)])
    assert tip.distance(ray) < 1
    heads = lay.arrowheads(gpd.GeoSeries([shape], crs=4543), "EPSG:4543")
    assert tip.distance(heads.iloc[0]) < 1e-6


def test_directions_without_a_line_go_out_from_the_first_member(gazetteer):
    goal = {"name_zh": "拉萨", "name_en": "Lhasa", "lon": 91.13, "lat": 29.65}
    shape = shape_of(gazetteer, element("axis", ("heart", "east", "north"), toward=(goal,)))
    start = at(gazetteer, "heart")
    assert len(shape.geoms) == 3
    assert all(shapely.Point(line.coords[0]).distance(start) < 1 for line in shape.geoms)


def test_a_ray_goes_on_from_the_end_of_a_spine(gazetteer):
    goal = {"name_zh": "成都", "name_en": "Chengdu", "lon": 104.07, "lat": 30.67}
    one = element("corridor", spine=("west", "heart", "south"), toward=(goal,))
    frame = lay.layout(plan_of(one), gazetteer)
    (ray,) = frame["rays"].set_crs(4326).to_crs(4543).iloc[0].geoms
    assert shapely.Point(ray.coords[0]).distance(at(gazetteer, "south")) < 1
    assert frame.geometry.iloc[0].geom_type == "Polygon"


def test_wings_stay_apart_and_far_members_of_a_cluster_are_not_hulled_together(gazetteer):
    wing = shape_of(gazetteer, element("wing", ("north", "south")))
    cluster = shape_of(gazetteer, element("cluster", ("heart", "heart-town", "south")))
    assert len(wing.geoms) == 2
    assert len(cluster.geoms) == 2
    many = shape_of(gazetteer, element("cluster", ("heart", "south", "north") * 3))
    assert many.geom_type == "Polygon"


def test_a_ring_is_closed_and_smooth_and_passes_its_members(gazetteer):
    names = ("west", "north", "east", "south")
    line = shape_of(gazetteer, element("ring", names))
    assert line.is_ring
    assert all(at(gazetteer, name).distance(line) < 1 for name in names)
    steps = np.diff(shapely.get_coordinates(line), axis=0)
    turns = np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))
    assert np.abs(turns).max() < np.radians(20)


def test_an_element_without_places_is_empty_and_one_of_a_single_place_is_drawn(gazetteer):
    for kind in ("core", "belt", "corridor", "axis", "node", "pole", "ring", "wing", "cluster"):
        assert shape_of(gazetteer, element(kind)).is_empty
    for kind in ("core", "belt", "corridor", "node", "pole", "wing", "cluster"):
        assert not shape_of(gazetteer, element(kind, ("heart",))).is_empty


def test_layout_is_the_same_each_time_and_carries_what_is_inferred(gazetteer):
    plan = plan_of(element("node", ("east", "west"), rank=2, inferred=True, note_zh="推断"))
    one, two = lay.layout(plan, gazetteer), lay.layout(plan, gazetteer)
    assert one.geometry.to_wkb().equals(two.geometry.to_wkb())
    row = one.loc["node"]
    assert (row["rank"], bool(row["inferred"]), row["note_zh"]) == (2, True, "推断")


def test_a_place_may_belong_to_several_elements(gazetteer):
    plan = plan_of(element("core", ("heart",)), element("belt", ("heart", "east")))
    table = lay.members(plan, gazetteer)
    assert list(table.loc[table["place_id"] == "heart", "element"]) == ["core", "belt"]
    assert table.crs.to_epsg() == 4326


def test_the_zone_follows_the_area_when_the_plan_names_none(gazetteer):
    assert lay.plan_crs(plan_of(), gazetteer) == "EPSG:4543"
    assert lay.plan_crs(plan_of(crs=""), gazetteer) == "EPSG:4543"


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_smooth_line_passes_every_point_and_does_not_fold(count):
    rng = np.random.default_rng(count)
    points = np.cumsum(rng.uniform(3000, 9000, (count, 2)), axis=0)
    line = lay.smooth_line(np.repeat(points, 2, axis=0))
    assert line.is_simple
    assert max(shapely.Point(point).distance(line) for point in points) < 1e-6
    assert line.length < 1.3 * shapely.LineString(points).length
