"""Circles from several cores, tolls and ramps, and the figures that show them."""

from __future__ import annotations

import pandas as pd
import pytest

from spatialplan import assessment, commuting, figures, plan, starts, travel
from spatialplan.targets import Case

SCENARIO = "xining-haidong-open-2024"


@pytest.fixture(scope="module")
def case() -> Case:
    return assessment.situation(SCENARIO).case("qinghai-2024")


def test_several_cores_start_together_and_each_by_road_and_by_train(case: Case) -> None:
    found = starts.core_starts(case.plan, case.gazetteer)
    assert [start.mode for start in found] == ["road"] * 3 + ["all"] * 3
    together, *each = found[:3]
    assert set(together.places) == {place for start in each for place in start.places}
    assert len({start.key for start in found}) == len(found)


def test_one_core_starts_once_and_no_core_never(case: Case) -> None:
    gazetteer = case.gazetteer
    assert len(starts.core_starts(plan.builtin("linxia-2021"), gazetteer)) == 1
    assert starts.core_starts(plan.builtin("haidong-2023"), gazetteer) == []


def test_circles_of_all_cores_hold_those_of_each_and_trains_never_lose(case: Case) -> None:
    found = starts.core_starts(case.plan, case.gazetteer)
    areas = [s.circles(case.graph).to_crs(case.plan.crs).geometry for s in found[:4]]
    together, first, second, by_train = areas
    for row, limit in enumerate(starts.MINUTES):
        both = first.iloc[row].union(second.iloc[row])
        assert both.difference(together.iloc[row].buffer(20)).area < 1e4, limit
        assert together.iloc[row].difference(by_train.iloc[row].buffer(20)).area < 1e4, limit


def test_dearer_ramps_never_shorten_a_commute(case: Case) -> None:
    ends = case.places(["xining-shi"]), case.places(["pingan-qu", "ledu-qu"])
    table = commuting.toll_table(case.network, case.profile, *ends, (0, 1, 5, 60))
    assert list(table.columns) == ["ramp_minutes", "origin", "destination", "minutes", "km"]
    for _, rows in table.groupby("destination"):
        assert rows["minutes"].is_monotonic_increasing
        # Paid for twice, on and off; at an hour each the old road is faster.
        minutes, km = rows["minutes"].to_numpy(), rows["km"].to_numpy()
        assert minutes[1] - minutes[0] == pytest.approx(2.0)
        assert minutes[3] < minutes[0] + 60
        assert km[3] != pytest.approx(km[0])
    own = travel.travel_times(case.graph, *ends)["minutes"]
    default = commuting.toll_table(case.network, case.profile, *ends, (case.profile.ramp_minutes,))
    assert default["minutes"].to_numpy() == pytest.approx(own.to_numpy())


def test_dearer_ramps_never_bring_a_place_nearer(case: Case) -> None:
    cores = starts.core_starts(case.plan, case.gazetteer)[0].places
    towns = case.places({"set": "area-towns"})
    table = commuting.reach_table(case.network, case.profile, cores, towns, (30, 60), (0, 5))
    assert (table["within_30"] <= table["within_60"]).all()
    assert table["within_60"].is_monotonic_decreasing
    assert 0 < table["within_30"].iloc[1] <= table["within_60"].iloc[0] <= len(towns)


def test_commuting_between_cores_needs_several(case: Case) -> None:
    found = commuting.between_cores(case, (0, 5))
    assert found is not None
    ends = case.places({"element": "core-xining"}), case.places({"element": "core-haidong"})
    expected = commuting.toll_table(case.network, case.profile, *ends, (0, 5))
    pd.testing.assert_frame_equal(found.trips, expected)
    assert list(found.reach["ramp_minutes"]) == [0, 5]
    assert found.towns == len(case.places({"set": "area-towns"}))
    one = assessment.situation("linxia-open-2024").case("linxia-2021")
    assert commuting.between_cores(one) is None


def test_figures_of_cores_and_roles_are_for_plans_that_have_them(case: Case) -> None:
    own = figures.material(case.plan, case.gazetteer, None, case.graph)
    assert "cores" in figures.available(own)
    assert "roles" not in figures.available(own)
    haidong = plan.builtin("haidong-2023")
    roles = figures.material(haidong, haidong.gazetteer)
    assert figures.available(roles) == ["roles"]
    assert "4-1" not in figures.title("4-1", own)[0]
    texts = [t.get_text() for ax in figures.draw("roles", roles).axes for t in ax.texts]
    whole = "\n".join(texts)
    for name in ("化隆县", "群科镇", "人口流失县城", "生态农牧型县城", "主轴线"):
        assert name in whole or any(name in part for part in texts), name
