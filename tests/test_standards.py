"""Speed profiles: the two built in, and a planner's own."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from spatialplan import standards
from spatialplan.errors import InputError
from spatialplan.standards import CLASSES, DESIGN_SPEEDS


def kmh(profile, cls, design=np.nan) -> float:
    return float(profile.kmh(np.array([cls]), np.array([design]))[0])


def test_at_design_speed_a_link_runs_at_its_design_speed():
    design = standards.read_profile("design")
    for cls, speeds in DESIGN_SPEEDS.items():
        for speed in speeds:
            assert kmh(design, cls, speed) == speed
        assert kmh(design, cls) == max(speeds)  # unknown: the legal best case
    assert design.ramp_minutes >= 0


def test_running_never_beats_the_design():
    operating, design = (standards.read_profile(name) for name in ("operating", "design"))
    for cls in CLASSES:
        for speed in (15, 20, 30, 45, 60, 75, 80, 110, 120, 160, 200, 250, np.nan):
            assert 0 < kmh(operating, cls, speed) <= kmh(design, cls, speed) + 1e-9
    assert operating.wait_minutes >= design.wait_minutes


def test_between_the_rows_of_the_table_and_beyond():
    operating = standards.read_profile()
    low, high = kmh(operating, "class2", 40), kmh(operating, "class2", 80)
    assert low < kmh(operating, "class2", 70) < high
    assert kmh(operating, "class2", 100) == pytest.approx(high * 100 / 80)
    assert kmh(operating, "class2", 20) == pytest.approx(low * 20 / 40)


@pytest.fixture
def write(tmp_path):
    def put(content):
        path = tmp_path / "mine.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
        return path

    return put


def test_a_file_may_hold_only_what_differs(write):
    row = {"class": "expressway", "design_speed_kmh": 80, "kmh": 60}
    mine = standards.read_profile(
        write(
            {"base": "operating", "speeds": [row], "ramp_minutes": 3, "rail": {"wait_minutes": 5}}
        )
    )
    usual = standards.read_profile()
    assert mine.id == "mine"
    assert kmh(mine, "expressway", 80) == 60
    assert kmh(mine, "expressway", 120) == kmh(usual, "expressway", 120)
    assert kmh(mine, "class2", 60) == kmh(usual, "class2", 60)
    assert (mine.ramp_minutes, mine.wait_minutes, mine.leave_minutes) == (3, 5, usual.leave_minutes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"base": "fastest"}, "base"),
        ({"base": ["operating"]}, "base"),
        ({"base": "operating", "speeds": [{"class": "klasse", "kmh": 50}]}, "等级"),
        ({"base": "operating", "speeds": [{"class": ["class1"], "kmh": 50}]}, "等级"),
        ({"base": "operating", "speeds": [{"class": "class1", "kmh": -5}]}, "kmh"),
        ({"base": "operating", "speeds": [{"class": "class1", "kmh": True}]}, "kmh"),
        ({"base": "operating", "speeds": [{"class": "class1", "kmh": "50"}]}, "kmh"),
        ({"base": "operating", "speeds": "fast"}, "等级"),
        ({"base": "operating", "speeds": ["fast"]}, "等级"),
        ({"base": "operating", "ramp_minutes": -1}, "ramp_minutes"),
        ({"base": "operating", "access_kmh": 0}, "access_kmh"),
        ({"base": "operating", "rail": {"wait_minutes": None}}, "wait_minutes"),
        ({"speeds": [{"class": "class1", "kmh": 50}]}, "ramp_minutes"),
        ("- 1\n", "键"),
        ("a: [", "YAML"),
    ],
)
def test_faults_of_a_profile(write, content, words):
    with pytest.raises(InputError, match=words) as caught:
        standards.read_profile(write(content))
    assert all(fault.en.isascii() for fault in caught.value.faults)


def test_empty_sections_are_no_fault(write):
    mine = standards.read_profile(write({"base": "operating", "speeds": None, "rail": None}))
    assert mine.speeds == standards.read_profile().speeds


def test_classes_without_speeds_are_named(write):
    rows = [{"class": "class1", "kmh": 50}]
    numbers = {"ramp_minutes": 1, "off_network_kmh": 4, "access_kmh": 20}
    rail = {"wait_minutes": 1, "leave_minutes": 1, "access_limit_minutes": 60}
    with pytest.raises(InputError, match=r"缺少等级 expressway.*base: operating"):
        standards.read_profile(write({"speeds": rows, **numbers, "rail": rail}))


def test_a_profile_that_is_not_there():
    with pytest.raises(InputError, match=r"operating、design"):
        standards.read_profile("opperating")
