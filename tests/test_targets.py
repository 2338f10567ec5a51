"""Targets: each metric and each verdict, by hand and on the real data."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from tests import networks as toy

from spatialplan import assessment, boundaries, scenario, statistic, targets
from spatialplan.bounds import ELLIPSE, Ceilings
from spatialplan.errors import InputError
from spatialplan.geodesy import straight_km
from spatialplan.network import RAIL, Network
from spatialplan.places import Place
from spatialplan.plan import Citation, Element, Plan, Target
from spatialplan.targets import Case
from spatialplan.verdict import Basis

FLAT = toy.profile()
# Four seats in a row, a town beside, two stations; all inside 临夏州's neighbourhood.
WHERE = {
    "west": (0, 0), "mid": (20, 0), "east": (40, 0), "far": (90, 0), "town": (20, 15),
    "p": (1, 2, "interchange"), "q": (39, 2, "interchange"),
    "s": (0, 1, "station"), "t": (88, 1, "station"),
}  # fmt: skip
GAZETTEER = toy.gazetteer(
    {
        "west": ("西县", 0, 0, "county_seat", 1),
        "mid": ("中县", 20, 0, "county_seat", 2),
        "east": ("东县", 40, 0, "county_seat", 3),
        "far": ("远县", 90, 0, "county_seat", 4),
        "town": ("北镇", 20, 15, "town", 2),
        "lost": ("孤镇", 20, -25, "town", 2),
        "s": ("西站", 0, 1, "station", 1),
        "t": ("远站", 88, 1, "station", 4),
    }
)


def roads(**changes) -> Network:
    rows = {
        "west-mid": toy.link("west", "mid", 24, 60),  # 24 minutes
        "mid-east": toy.link("mid", "east", 24, 60, confidence="L", length_basis="estimate"),
        "east-far": toy.link("east", "far", 60, 60, "class3"),
        "mid-town": toy.link("mid", "town", 20, 40, "class3"),  # 30 minutes
        "west-p": toy.link("west", "p", 3, 60, "access"),
        "east-q": toy.link("east", "q", 3, 60, "access"),
        "p-q": toy.link("p", "q", 40, 120, "expressway"),
        "west-s": toy.link("west", "s", 2, 60, "access"),
        "far-t": toy.link("far", "t", 4, 60, "access"),
        "s-t": toy.link("s", "t", 100, 200, "rail200"),
    }
    rows |= {key: {**rows[key], **value} for key, value in changes.items() if value}
    rows = {key: row for key, row in rows.items() if changes.get(key, row) is not None}
    return toy.network(WHERE, list(rows.values()))


PLAN = Plan(
    id="toy",
    title_zh="试",
    title_en="toy",
    issuer="",
    number="",
    date="2021",
    horizon=2035,
    area=(1, 2, 3),
    crs="",
    elements=(
        Element("core", "toy", "一心", "core", "一心", "core", Citation("", ""), ("west", "mid")),
    ),
)


def target(metric="travel_time", threshold=30.0, unit="min", mode="road", year=None, **parameters):
    return Target(
        "T1", "toy", "目标", "target", metric, Citation("一", "引句"), threshold, unit, year, mode,
        parameters=parameters,
    )  # fmt: skip


def judge(wanted: Target, network: Network | None = None, **case) -> targets.Verdict:
    case = Case(PLAN, network or roads(), FLAT, "toy", GAZETTEER, **case)
    [found] = targets.evaluate([wanted], case)
    check_consistent(found)
    return found


def check_consistent(found: targets.Verdict) -> None:
    """What holds for every verdict: explained, and its numbers go together."""
    assert found.verdict in targets.VERDICT_NAMES
    assert found.evidence in targets.EVIDENCE_NAMES
    assert found.reason_zh.endswith("。")
    assert re.search("[\u4e00-\u9fff]", found.reason_zh)
    assert found.reason_en.endswith(".")
    assert "nan" not in f"{found.reason_zh}{found.reason_en}".lower()
    if found.share is not None:
        assert found.share >= 0
    if found.margin is not None and found.verdict == "met":
        assert found.margin >= -1e-9
    if found.margin is not None and found.verdict in ("not_met", "impossible"):
        assert found.margin < 0
    if found.pairs:
        wanted = found.target
        assert found.share == pytest.approx(np.mean([pair.met for pair in found.pairs]))
        needed = wanted.parameters.get("share") or 1.0
        assert (found.verdict == "met") == (found.share >= needed - 1e-9)
        for pair in found.pairs:
            assert pair.met == (pair.minutes <= wanted.threshold + 1e-9)
            if not math.isnan(pair.minutes):
                assert pair.lower_bound <= pair.minutes + 1e-9
            assert not (pair.met and pair.lower_bound > wanted.threshold + 1e-9)
        if found.value is not None:
            assert found.margin == pytest.approx(wanted.threshold - found.value)
    if found.verdict == "impossible":
        assert "证明" in found.reason_zh
        assert found.lower_bound > found.target.threshold
    json.dumps(targets.as_dict(found), allow_nan=False)


# --- times --------------------------------------------------------------------------------------


def test_every_trip_in_time():
    found = judge(target(origins=["mid"], destinations=["west", "east", "town"]))
    assert (found.verdict, found.value, found.share) == ("met", pytest.approx(30.0), 1.0)
    assert found.margin == pytest.approx(0.0)
    assert [round(pair.minutes) for pair in found.pairs] == [24, 24, 30]
    assert [round(pair.km) for pair in found.pairs] == [24, 24, 20]


def test_one_trip_too_slow_but_not_impossible():
    found = judge(target(origins=["west"], destinations=["mid", "east"], threshold=25))
    assert (found.verdict, found.share) == ("not_met", 0.5)
    assert found.value == pytest.approx(3 + 2 + 20 + 2 + 3)
    assert found.margin == pytest.approx(-5.0)
    assert "西县–东县" in found.reason_zh
    assert found.lower_bound == pytest.approx(20.0, abs=0.05)  # 40 km at 120 km/h


def test_impossible_carries_a_proof():
    found = judge(target(origins=["west"], destinations=["mid", "far"]))
    assert found.verdict == "impossible"
    proof = max(found.pairs, key=lambda pair: pair.lower_bound)
    assert (proof.bound.km, proof.bound.kmh) == (pytest.approx(90, abs=0.05), 120)
    assert found.lower_bound == pytest.approx(45.0, abs=0.05)
    assert "西县–远县直线 90.0 km" in found.reason_zh
    assert "120 km/h" in found.reason_zh


def test_roads_that_are_only_proposed_count_in_the_proof():
    slow = roads(**{"p-q": None})
    wanted = target(origins=["west"], destinations=["east"], threshold=25)
    # No road faster than 60 near, but the highest legal speed bounds a way around.
    assert judge(wanted, slow).verdict == "impossible"
    assert judge(wanted, slow, every_link=roads()).verdict == "not_met"


def test_a_share_of_the_trips_may_be_enough():
    wanted = target(origins=["west"], destinations=["mid", "east", "town"], threshold=35)
    assert judge(wanted).verdict == "not_met"
    found = judge(replace(wanted, parameters={**wanted.parameters, "share": 0.6}))
    # 24, 30 and 54 minutes: two of three are in time, the second of them decides.
    assert (found.verdict, found.value) == ("met", pytest.approx(30.0))
    assert found.margin == pytest.approx(5.0)
    assert found.share == pytest.approx(2 / 3)


def test_impossible_only_when_too_many_are():
    wanted = target(origins=["west"], destinations=["mid", "far"], share=0.5, threshold=24)
    assert judge(wanted).verdict == "met"
    slower = roads(**{"west-mid": {"length_km": 30}})
    assert judge(wanted, slower).verdict == "not_met"  # 远县 is beyond, 中县 is not


def test_no_way_is_not_met_and_no_number():
    found = judge(target(origins=["west"], destinations=["mid", "t"], mode="rail"))
    assert found.verdict == "not_met"
    assert found.value is None
    assert found.margin is None
    shown = targets.as_dict(found)
    assert shown["value"] is None
    assert shown["pairs"][0]["minutes"] is None
    assert "没有铁路可乘" in found.reason_zh
    cut = roads(**{"mid-town": None})
    # 北镇 then lies 15 km from the road: access, though slow. 孤镇 beyond 30 km has none.
    assert judge(target(origins=["west"], destinations=["town"]), cut).value > 60
    lonely = roads(**{"mid-town": None, "west-mid": None, "mid-east": {"oneway": True}})
    assert "不通" in judge(target(origins=["east"], destinations=["mid"]), lonely).reason_zh


def test_nearest_origin_or_each():
    wanted = target(origins={"element": "core"}, destinations={"set": "area-seats"})
    found = judge(replace(wanted, parameters={**wanted.parameters, "rule": "nearest"}))
    assert [(p.origin.key, p.destination.key) for p in found.pairs] == [("mid", "east")]
    found = judge(replace(wanted, parameters={**wanted.parameters, "rule": "each"}))
    assert len(found.pairs) == 4
    assert not any(pair.origin == pair.destination for pair in found.pairs)


def test_the_proof_of_nearest_is_over_all_origins():
    found = judge(target(origins=["west", "east"], destinations=["far"], threshold=20))
    assert found.pairs[0].origin.key == "east"
    assert found.pairs[0].lower_bound == pytest.approx(25.0, abs=0.05)  # from 东县, 50 km
    assert found.pairs[0].bound.origin.key == "east"


def test_sets_leave_out_and_unknown_elements_are_named():
    seats = {"set": "area-seats", "except": ["west"]}
    found = judge(target(origins=["west"], destinations=seats, rule="each"))
    assert [pair.destination.key for pair in found.pairs] == ["mid", "east"]
    everything = {"set": "area-seats", "except": ["west", "mid", "east"]}
    assert judge(target(origins=["west"], destinations=everything)).verdict == "unknown"
    with pytest.raises(InputError, match="core"):
        judge(target(origins={"element": "kore"}, destinations=seats))


def test_rail_door_to_door_and_in_the_train():
    trip = {"origins": ["west"], "destinations": ["far"], "mode": "rail", "rule": "each"}
    found = judge(target(threshold=66, **trip))
    assert (found.verdict, found.value) == ("met", pytest.approx(2 + 20 + 30 + 10 + 4))
    ride = {**trip, "origins": ["s"], "destinations": ["t"], "measure": "in_vehicle"}
    found = judge(target(threshold=30, **ride))
    assert (found.verdict, found.value) == ("met", pytest.approx(30.0))
    assert found.lower_bound == pytest.approx(88 / 200 * 60, abs=0.1)
    found = judge(target(threshold=25, **ride))
    assert found.verdict == "impossible"
    assert judge(target(threshold=27, **ride)).verdict == "not_met"


def test_a_ride_begins_at_the_station_that_is_named():
    """Driving on to the next station would shorten the ride, not the promise."""
    where = {**WHERE, "u": (44, 1, "station")}
    rows = [
        toy.link("west", "s", 2, 60, "access"), toy.link("far", "t", 4, 60, "access"),
        toy.link("west", "u", 45, 100, "class1"),
        toy.link("s", "u", 100, 120, "rail120"), toy.link("u", "t", 50, 200, "rail200"),
    ]  # fmt: skip
    network = toy.network({k: where[k] for k in ("west", "far", "s", "t", "u")}, rows)
    found = judge(
        target(origins=["s"], destinations=["t"], mode="rail", measure="in_vehicle", rule="each"),
        network,
    )
    assert found.value == pytest.approx(50 + 15)
    # From a town the ride of the fastest trip is told; how far one drives is open: no proof.
    found = judge(
        target(origins=["west"], destinations=["far"], mode="rail", measure="in_vehicle",
               rule="each", threshold=5),
        network,
    )  # fmt: skip
    assert (found.verdict, found.value) == ("not_met", pytest.approx(15.0))
    assert found.lower_bound == 0.0


def test_all_pairs_counts_both_ways_once():
    network = roads(**{"mid-east": {"oneway": True}, "p-q": None})
    found = judge(target("all_pairs_time", 60, places=["west", "mid", "east"]), network)
    assert len(found.pairs) == 3
    assert found.verdict == "not_met"
    assert sum(math.isnan(pair.minutes) for pair in found.pairs) == 2  # no way back from 东县
    found = judge(target("all_pairs_time", 48, places=["west", "mid", "east"]))
    assert (found.verdict, len(found.pairs)) == ("met", 3)


def test_evidence_tells_how_much_is_published():
    wanted = target(origins=["west"], destinations=["mid"])
    assert judge(wanted).evidence == "published"
    assert judge(target(origins=["mid"], destinations=["east"])).evidence == "estimated"
    both = target(origins=["mid"], destinations=["west", "east"])
    assert judge(both).evidence == "mixed"
    doubtful = GAZETTEER.table.assign(
        confidence=["L" if i == "mid" else "H" for i in GAZETTEER.table.index]
    )
    case = Case(PLAN, roads(), FLAT, "toy", type(GAZETTEER)(doubtful))
    assert targets.evaluate([wanted], case)[0].evidence == "mixed"
    impossible = target(origins=["west"], destinations=["far"])
    assert judge(impossible).evidence == "published"  # two points are enough


def test_lengths_measured_from_geometry_are_evidence_of_their_own():
    wanted = target(origins=["west"], destinations=["mid"])
    [link_id] = [leg.link_id for leg in judge(wanted).pairs[0].route.legs]
    for basis in ("measured", "drawn"):
        found = judge(wanted, roads(**{link_id: {"length_basis": basis}}))
        assert found.evidence == "measured"
        assert "按图形量测的占 100%" in found.reason_zh
        assert "0% rest on published mileage, 100% are measured" in found.reason_en
    guessed = judge(wanted, roads(**{link_id: {"length_basis": "measured", "confidence": "L"}}))
    assert guessed.evidence == "measured"
    assert "(其中等级为推定的 100%)" in guessed.reason_zh
    assert "量测" not in judge(wanted).reason_zh


@pytest.mark.parametrize(
    ("published", "measured", "grade"),
    [(0.8, 0.2, "published"), (0.2, 0.8, "measured"), (0.5, 0.5, "mixed"), (0.1, 0.2, "mixed"),
     (0.1, 0.1, "estimated")],
)  # fmt: skip
def test_evidence_by_shares(published, measured, grade):
    assert Basis(published, measured).grade == grade


# --- the proof is one ---------------------------------------------------------------------------


@toy.FEW
@given(network=toy.networks(max_nodes=7), data=st.data())
def test_no_network_beats_the_lower_bound(network, data):
    """Not the one tested, nor one with any of the links that are known."""
    ids = list(network.links.index)
    kept = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
    part = Network(network.nodes, network.links.loc[sorted(kept)])
    if not (part.levels == 0).any():
        part = network
    corners = [(data.draw(st.floats(0, 40)), data.draw(st.floats(0, 40))) for _ in range(2)]
    spots = [toy.place(f"z{i}", *corner) for i, corner in enumerate(corners)]
    everywhere = [*toy.places_of(network), *spots]
    for mode in ("road", "all"):
        for tested in (part, network):
            for pair in judged_trips(everywhere, tested, mode=mode, every_link=network):
                if not math.isnan(pair.minutes):
                    assert pair.lower_bound <= pair.minutes + 1e-6


def judged_trips(ends, network, mode="road", every_link=None):
    """The trips of every end to every other, with their bounds."""
    ids = [place.place_id for place in ends]
    wanted = target(threshold=1.0, mode=mode, rule="each", origins=ids, destinations=ids)
    known = GAZETTEER.with_places(ends)
    case = Case(PLAN, network, FLAT, "toy", known, every_link=every_link)
    return targets.evaluate([wanted], case)[0].pairs


def test_the_bound_holds_between_two_farms_beside_one_long_road():
    """Both ends of the road and its middle are far away, yet the trip runs along it."""
    network = toy.network(
        {"a": (0, 0), "b": (80, 0), "c": (0, 40)},
        [toy.link("a", "b", 80, 100, "class1"), toy.link("a", "c", 50, 20, "class4")],
    )
    farms = [toy.place(f"z{x}", x, 0) for x in (54, 57)]
    for pair in judged_trips(farms, network):
        assert pair.minutes < 3
        assert pair.lower_bound <= pair.minutes + 0.05


@toy.FEW
@given(network=toy.networks(), data=st.data())
def test_no_faster_link_comes_near_a_trip_than_the_bound_says(network, data):
    ceilings = Ceilings.of(network, FLAT)
    spots = st.tuples(st.floats(-60, 100), st.floats(-60, 100))
    (lon1, lat1), (lon2, lat2) = ends = [toy.lonlat(*data.draw(spots)) for _ in range(2)]
    trip = [Place(f"z{i}", *end) for i, end in enumerate(ends)]
    longest = ELLIPSE * straight_km(lon1, lat1, lon2, lat2)
    for modes, chosen in (("road", network.levels != RAIL), ("rail", network.levels == RAIL)):
        near = ceilings.near(*trip, modes)
        faster = network.links[chosen & (network.links["design_speed_kmh"] > near).to_numpy()]
        for line in faster.geometry:
            lon, lat = shapely.get_coordinates(line.segmentize(0.01)).T
            detour = straight_km(lon, lat, lon1, lat1) + straight_km(lon, lat, lon2, lat2)
            assert detour.min() > longest * 0.995  # that one reckons on a sphere


# --- interchanges, coverage, lengths ------------------------------------------------------------


def test_time_to_the_nearest_interchange():
    found = judge(target("time_to_interchange", 27, origins={"set": "area-seats"}))
    assert [round(pair.minutes) for pair in found.pairs] == [3, 27, 3]
    assert found.verdict == "met"
    found = judge(target("time_to_interchange", 20, origins={"set": "area-seats"}))
    assert (found.verdict, found.lower_bound) == ("not_met", 0.0)
    found = judge(target("time_to_interchange", 20, origins=["mid"]), roads(**{"p-q": None}))
    assert found.verdict == "not_met"
    assert "没有互通" in found.reason_zh


@pytest.mark.parametrize("metric", ["interchange_in_county", "network_length"])
def test_a_county_without_a_boundary_is_unknown(metric):
    found = judge(target(metric, 1.0, counties=[622901, 711], classes=["class2"]))
    assert found.verdict == "unknown"
    assert "没有 711," in found.reason_zh
    assert "711" in found.reason_en


def test_an_interchange_in_each_county(monkeypatch):
    import geopandas as gpd

    def box(x):
        corners = [toy.lonlat(*xy) for xy in ((x - 5, -5), (x + 5, -5), (x + 5, 5), (x - 5, 5))]
        return shapely.Polygon(corners)

    table = gpd.GeoDataFrame(
        {"name_zh": ["西", "中", "东"]}, geometry=[box(0), box(20), box(40)], index=[1, 2, 3],
        crs=4326,
    )  # fmt: skip
    monkeypatch.setattr(boundaries, "counties", lambda codes=None: table.loc[list(codes)])
    wanted = target("interchange_in_county", 1.0, "share", counties=[1, 2, 3])
    found = judge(wanted)
    assert (found.verdict, found.share, found.value) == (
        "not_met", pytest.approx(2 / 3), pytest.approx(2 / 3)
    )  # fmt: skip
    assert "没有的:中" in found.reason_zh
    assert judge(replace(wanted, parameters={"counties": [1, 3]})).verdict == "met"
    # A numbered class-I road with a side road counts when asked for.
    better = roads(**{"west-mid": {"class": "class1", "ref": "S9"}})
    assert judge(wanted, better).verdict == "not_met"
    found = judge(
        replace(wanted, parameters={"counties": [1, 2, 3], "include_class1": True}), better
    )
    assert found.verdict == "met"
    # Lengths: 西–中 from 0 to 20 km crosses 5 km of the first box and 5 of the second.
    found = judge(
        target("network_length", 20, "km", counties=[1, 2], classes=["class2"]),
    )
    assert found.value == pytest.approx(24 * 10 / 20 + 24 * 5 / 20, rel=0.01)
    assert (found.verdict, found.margin) == ("not_met", pytest.approx(found.value - 20))
    found = judge(target("network_length", 17, "km", counties=[1, 2], classes=["class2"]))
    assert found.verdict == "met"
    assert found.evidence == "mixed"


def test_towns_on_a_road_of_a_class():
    near = {"places": ["mid", "town"], "classes": ["class2"], "threshold": 0.5, "unit": "share"}
    found = judge(target("class_coverage", within_km=2, **near))
    assert (found.verdict, found.value, found.margin) == ("met", 0.5, 0.0)
    assert judge(target("class_coverage", within_km=15.1, **near)).value == 1.0
    near["threshold"] = 0.6
    assert judge(target("class_coverage", within_km=2, **near)).verdict == "not_met"
    # The document speaks of more towns than have a position: no verdict, but a value.
    found = judge(target("class_coverage", within_km=2, universe=4, **near))
    assert (found.verdict, found.value) == ("unknown", 0.5)
    assert "25%" in found.reason_zh
    assert "75%" in found.reason_zh


# --- statistics and words -----------------------------------------------------------------------


@pytest.fixture
def figures(monkeypatch):
    rows = [
        (1, "甲", "gdp", 2024, 120.0),
        (1, "甲", "gdp", 2025, 130.0),
        (2, "乙", "gdp", 2024, 50.0),
        (2, "乙", "gdp", 2025, math.nan),
        (3, "丙", "gdp", 2025, 10.0),
    ]
    table = pd.DataFrame(rows, columns=["adcode", "area_zh", "indicator", "year", "value"])
    table = table.assign(unit="亿元", source="年鉴", confidence="H")
    monkeypatch.setattr(statistic, "statistics", lambda: table)


@pytest.mark.usefixtures("figures")
def test_a_published_figure_against_its_threshold():
    wanted = target("statistic", 125, "亿元", indicator="gdp", area=1, year=2025)
    found = judge(wanted)
    assert (found.verdict, found.value, found.margin) == ("met", 130.0, 5.0)
    assert found.evidence == "published"
    assert judge(replace(wanted, threshold=131)).verdict == "not_met"
    assert judge(replace(wanted, year=None)).value == 130.0  # the newest
    assert judge(replace(wanted, year=2024)).value == 120.0


@pytest.mark.usefixtures("figures")
def test_a_figure_that_nobody_has_published():
    for area in (2, 9):
        wanted = target("statistic", 40, "亿元", indicator="gdp", area=area, year=2025)
        found = judge(wanted)
        assert (found.verdict, found.value, found.margin) == ("unknown", None, None)
        assert "没有找到 2025 年" in found.reason_zh
    assert "50" in judge(target("statistic", 40, indicator="gdp", area=2, year=2025)).reason_zh


@pytest.mark.usefixtures("figures")
def test_several_areas_each_with_its_own_threshold():
    def of(areas):
        return judge(target("statistic", None, "亿元", indicator="gdp", areas=areas, year=2025))

    assert of({1: 100, 3: 5}).verdict == "met"
    assert of({1: 100, 3: 50}).verdict == "not_met"
    assert of({1: 100, 2: 5}).verdict == "unknown"
    assert of({3: 50, 2: 5}).verdict == "not_met"  # one has failed, whatever the other says


def test_a_sentence_without_criterion_is_unknown():
    found = judge(target("qualitative", None, needs_zh="需要名单", needs_en="a list"))
    assert (found.verdict, found.value) == ("unknown", None)
    assert "需要名单" in found.reason_zh


# --- before and after ---------------------------------------------------------------------------


def test_changed_trips_are_matched_by_what_they_are_about():
    slow, fast = roads(**{"p-q": None}), roads()
    each = target(origins=["west"], destinations=["mid", "east"], rule="each")
    before, after = judge(each, slow), judge(each, fast)
    assert [(a.destination.key, round(b.minutes), round(a.minutes))
            for a, b in targets.changed_pairs(after, before)] == [("east", 48, 30)]  # fmt: skip
    # The nearest interchange changes: matched by the seat, not by the interchange.
    gates = target("time_to_interchange", 30, origins=["mid", "east"])
    moved = roads(**{"east-q": None})
    before, after = judge(gates, fast), judge(gates, moved)
    found = targets.changed_pairs(after, before)
    assert [(a.origin.key, b.origin.key) for a, b in found] == [("east", "east")]
    # One-way differences are not mixed up.
    one = roads(**{"p-q": None, "west-mid": {"oneway": True}})
    both = target(origins=["west", "mid"], destinations=["west", "mid"], rule="each")
    found = targets.changed_pairs(judge(both, one), judge(both, slow))
    assert [(a.origin.key, math.isnan(a.minutes)) for a, b in found] == [("mid", True)]


# --- the real plans -----------------------------------------------------------------------------

LINXIA = ["linxia-2021", "linxia-lanzhou-2022"]


@pytest.fixture(scope="module", params=[s.id for s in scenario.scenarios() if s.area == "linxia"])
def assessed(request):
    return assessment.assess(LINXIA, assessment.situation(request.param))


def test_every_promise_is_there_and_explained(assessed):
    codes = {verdict.target.id.split("-")[0] for verdict in assessed.verdicts}
    assert codes >= {f"L{number}" for number in range(1, 18)}
    for verdict in assessed.verdicts:
        check_consistent(verdict)


def test_kangle_is_beyond_half_an_hour_for_ever(assessed):
    [found] = [v for v in assessed.verdicts if v.target.key == "linxia-2021/L5"]
    assert found.verdict == "impossible"
    assert "临夏市–康乐县直线 51." in found.reason_zh
    assert "80 km/h" in found.reason_zh
    [pair] = [p for p in found.pairs if p.destination.key == "kangle-xian"]
    assert pair.lower_bound > 30
    assert pair.lower_bound == pytest.approx(pair.route.straight_km / 80 * 60, rel=0.01)


def test_open_roads_never_make_a_verdict_worse():
    first, last = (
        assessment.assess(LINXIA[:1], assessment.situation(f"linxia-{s}"))
        for s in ("base-2021", "open-2024")
    )
    for before, after in zip(first.verdicts, last.verdicts, strict=True):
        if before.target.metric in ("travel_time", "all_pairs_time") and before.value:
            assert after.value <= before.value + 1e-6, before.target.key
