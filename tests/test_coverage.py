"""Coverage of an area by stops, screening of counties, class of roads at a border."""

import math
from dataclasses import replace

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from spatialplan import assessment, coverage, plan, statistic, targets
from spatialplan.errors import InputError
from spatialplan.plan import Citation, Target
from spatialplan.targets import Case

LON, LAT = 102.804, 36.330
KM_LON = 1 / (111.32 * math.cos(math.radians(LAT)))  # degrees to a km east
KM_LAT = 1 / 110.95


def at(east_km: float, north_km: float) -> tuple[float, float]:
    return LON + east_km * KM_LON, LAT + north_km * KM_LAT


def layer(*shapes: shapely.Geometry) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=list(shapes), crs=4326)


TOWN = layer(shapely.box(*at(-2, -2), *at(2, 2)))
STOP = layer(shapely.Point(*at(0, 0)))
# Streets every 200 m.
STREETS = layer(
    *(
        shapely.LineString([at(i / 5, j / 5), at((i + di) / 5, (j + dj) / 5)])
        for i in range(-10, 10)
        for j in range(-10, 10)
        for di, dj in ((1, 0), (0, 1))
    )
)


def test_straight_coverage_is_the_circle() -> None:
    found = coverage.covered(TOWN, STOP, 500)
    assert found.covered_km2 == pytest.approx(math.pi * 0.25, rel=0.005)
    assert found.area_km2 == pytest.approx(16, rel=0.01)
    assert found.share == pytest.approx(found.covered_km2 / found.area_km2)


def test_circles_of_stops_count_once() -> None:
    twice = layer(*STOP.geometry, *STOP.geometry)
    once = coverage.covered(TOWN, STOP, 500)
    assert coverage.covered(TOWN, twice, 500).share == pytest.approx(once.share)


def test_walking_reaches_less_than_the_crow_and_more_than_the_streets() -> None:
    on_foot = coverage.covered(TOWN, STOP, 500, ways=STREETS)
    straight = coverage.covered(TOWN, STOP, 500)
    # On a square grid 500 m of walking reach a diamond of 0.5 km².
    assert 0.4 < on_foot.covered_km2 < 0.65
    assert on_foot.share < straight.share
    assert not shapely.intersection(
        on_foot.geometry, layer(shapely.Point(*at(0.45, 0.45))).geometry[0]
    )


def test_a_larger_distance_never_covers_less() -> None:
    shares = [
        coverage.covered(TOWN, STOP, metres, ways=STREETS).share for metres in (200, 500, 900)
    ]
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("area", "points"),
    [(TOWN.set_crs(None, allow_override=True), STOP), (TOWN, STOP[:0]), (STREETS, STOP)],
)
def test_bad_layers_are_refused(area: gpd.GeoDataFrame, points: gpd.GeoDataFrame) -> None:
    with pytest.raises(InputError):
        coverage.covered(area, points, 500)


@pytest.fixture(scope="module")
def case() -> Case:
    now = assessment.situation("linxia-open-2024")
    return replace(now.case("linxia-2021"), layers={})


def target(metric: str, threshold: float | None = None, **parameters: object) -> Target:
    return Target(
        "T", "p", "目标", "target", metric, Citation("", "句"), threshold, parameters=parameters
    )


def test_coverage_target_asks_for_its_layers_and_then_judges(case: Case) -> None:
    stops = target("coverage", 1.0, area_layer="built_up", point_layer="bus_stops", distance_m=500)
    (asked,) = targets.evaluate([stops], case)
    assert asked.verdict == "unknown"
    assert "--layer built_up=" in asked.reason_zh
    given = replace(case, layers={"built_up": TOWN, "bus_stops": STOP})
    (found,) = targets.evaluate([stops], given)
    assert found.verdict == "not_met"
    assert found.value == pytest.approx(0.049, abs=0.001)
    (lenient,) = targets.evaluate([replace(stops, threshold=0.04)], given)
    assert lenient.verdict == "met"


def test_coverage_is_judged_town_by_town(case: Case) -> None:
    town = case.gazetteer["minhe-xian"]
    here = layer(shapely.Point(town.lon, town.lat).buffer(0.001))
    given = replace(
        case,
        layers={"built_up": here, "bus_stops": layer(shapely.Point(town.lon, town.lat))},
    )
    stops = target(
        "coverage",
        1.0,
        area_layer="built_up",
        point_layer="bus_stops",
        distance_m=500,
        places=["minhe-xian"],
    )
    (found,) = targets.evaluate([stops], given)
    assert found.verdict == "met"
    both = replace(stops, parameters={**stops.parameters, "places": ["minhe-xian", "huzhu-xian"]})
    (lacking,) = targets.evaluate([both], given)
    assert lacking.verdict == "unknown"
    assert "互助" in lacking.reason_zh


def test_screening_lists_who_passes(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame(
        {
            "adcode": [622901, 622922, 622923],
            "year": 2020,
            "population": [300_000, 250_000, 90_000],
            "urban": [270_000, 50_000, None],
            "confidence": "H",
        }
    )
    monkeypatch.setattr(statistic, "population", lambda: table)
    rules = [
        {"indicator": "population", "above": 100_000},
        {"indicator": "urbanisation_rate", "below": 50},
    ]
    screen = target("screening", counties=[622901, 622922, 622923], rules=rules)
    (found,) = targets.evaluate([screen], case)
    # The city is too urban, Yongjing too small whatever its rate; Kangle passes.
    assert found.verdict == "met"
    assert found.value == 1
    assert "康乐" in found.reason_zh
    open_rule = replace(screen, parameters={**screen.parameters, "not_computable_zh": "产业基础"})
    (indicative,) = targets.evaluate([open_rule], case)
    assert indicative.verdict == "unknown"
    assert "产业基础" in indicative.reason_zh


def test_border_roads_are_compared_by_class(case: Case) -> None:
    borders = [
        place_id
        for place_id, kind in case.gazetteer.table["kind"].items()
        if kind == "border" and place_id in case.network.nodes.index
    ]
    (found,) = targets.evaluate([target("border_class", 1.0, borders=borders)], case)
    links = case.network.links
    uneven = 0
    for node in borders:
        best = {}
        for near, far in (("from_node", "to_node"), ("to_node", "from_node")):
            for other, name in links[links[near] == node][[far, "class"]].itertuples(index=False):
                side = case.gazetteer[other].adcode // 10000
                best[side] = min(best.get(side, "z"), name)
        uneven += len(set(best.values())) > 1
    assert (found.verdict == "not_met") == (uneven > 0)


def test_an_inferred_threshold_is_named(case: Case) -> None:
    trip = target(
        "travel_time",
        60,
        origins=["linxia-shi"],
        destinations=["kangle-xian"],
        threshold_inferred=True,
        threshold_note_zh="发改规划〔2019〕328号",
    )
    (found,) = targets.evaluate([trip], case)
    assert "发改规划〔2019〕328号" in found.reason_zh


def test_metrics_of_the_plans_are_all_known() -> None:
    known = set(targets.METRIC_NAMES)
    assert {t.metric for i in plan.plan_ids() for t in plan.builtin(i).targets} <= known
