"""A planner's own plan: started from the template, tested without a line of Python."""

import csv
import io
from pathlib import Path

import pytest
import yaml

from spatialplan import cli, plan, template
from spatialplan.errors import InputError

SENTENCE = "5年内实现全县半小时交通圈"


@pytest.fixture
def started(tmp_path: Path) -> Path:
    return template.write("kangle-2025", tmp_path)


def change(path: Path, **sections: object) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8")) | sections
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def test_template_is_a_valid_plan(started: Path) -> None:
    found = plan.read(started)
    assert found.id == "kangle-2025"
    assert found.targets[0].cite.quote == SENTENCE


def test_template_never_overwrites(started: Path) -> None:
    before = started.read_bytes()
    with pytest.raises(InputError, match="已存在"):
        template.write("kangle-2025", started.parent)
    assert started.read_bytes() == before


@pytest.mark.parametrize("name", ["Kangle", "康乐", "a b", "../x", ""])
def test_bad_ids_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        template.write(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_own_plan_is_checked_with_own_places_and_works(
    started: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    park = {
        "place_id": "my-park",
        "name_zh": "某工业园",
        "lon": 103.72,
        "lat": 35.40,
        "confidence": "H",
    }
    cite = {"section": "一", "quote": SENTENCE}
    target = {
        "id": "T1",
        "title_zh": "园区到和政",
        "metric": "travel_time",
        "origins": ["my-park"],
        "destinations": ["hezheng-xian"],
        "threshold": 45,
        "cite": cite,
    }
    road = {"action": "add", "from": "某工业园", "to": "和政县", "class": "class1", "length_km": 40}
    work = {"id": "w", "name_zh": "园和路", "cite": cite, "edits": [road]}
    change(started, places=[park], elements=[], targets=[target], projects=[work])
    arguments = ["check", "--plan", str(started), "--edits", str(started), "--format", "csv"]
    assert cli.main([*arguments, "--against", "linxia-open-2024"]) == 0
    row = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert row["id"] == "kangle-2025/T1"
    # 40 km of class I at 80 km/h of design is well under 45 minutes; the old way is not.
    assert (row["verdict"], row["verdict_before"]) == ("met", "not_met")


def test_faults_of_an_own_plan_are_told_at_once(started: Path) -> None:
    target = {
        "id": "T1",
        "title_zh": "x",
        "metric": "travel_tiem",
        "cite": {"section": "", "quote": "没有这句话"},
    }
    change(started, places=[{"place_id": "a"}])
    with pytest.raises(InputError, match="places 第1条"):
        plan.read(started)
    change(started, places=[], targets=[target])
    with pytest.raises(InputError) as caught:
        plan.read(started)
    text = str(caught.value)
    assert "引句不在原文中" in text
    assert "travel_tiem" in text
