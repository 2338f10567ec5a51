"""The guide to a plan of one's own, followed to the letter in an empty folder."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from spatialplan import cli, plan

GUIDE = (Path(__file__).resolve().parents[1] / "docs/new-plan.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^python3 run\.py (.*)$", GUIDE, re.M)]
FILE = "plans/guanghe-2025.yaml"


def block(language: str) -> str:
    return re.search(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)[1]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the guide's example in it."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["plans", "new", "guanghe-2025"]) == 0
    assert cli.main(["check", "--plan", FILE]) == 0
    (tmp_path / FILE).write_text(block("yaml"), encoding="utf-8")
    (tmp_path / "plans/texts/guanghe-2025.txt").write_text(block("text"), encoding="utf-8")
    return tmp_path


def test_the_guide_names_every_metric_and_kind() -> None:
    from spatialplan.targets import METRIC_NAMES

    assert [name for name in METRIC_NAMES if f"| `{name}` |" not in GUIDE] == []
    assert [kind for kind in plan.ELEMENT_KINDS if f"`{kind}`" not in GUIDE] == []


def test_short_commands_of_the_guide_work(started: Path, capsys: pytest.CaptureFixture) -> None:
    layers = {
        "建成区.shp": shapely.box(103.57, 35.475, 103.585, 35.49),
        "站点.shp": shapely.Point(103.576, 35.482),
    }
    for name, shape in layers.items():
        frame = gpd.GeoDataFrame({"name": ["示例"]}, geometry=[shape], crs=4326)
        frame.to_file(started / name, encoding="utf-8")
    short = [words for words in COMMANDS if words[0] not in ("report", "map")]
    assert len(short) >= 5
    for words in short:
        if words[:2] != ["plans", "new"]:
            assert cli.main(words) == 0, words
    text = capsys.readouterr().out
    # The park's road is the plan's own work: with it the park is near, without it is not.
    assert "guanghe-2025/T2  【达到 met】" in text
    assert "对比 before: 未达到" in text
    # The last command brings the layers that T3 asks for.
    assert "guanghe-2025/T3  【无法判定 unknown】" in text
    assert "guanghe-2025/T3  【未达到 not met】" in text


def test_maps_of_the_guide_are_drawn(started: Path) -> None:
    for words in COMMANDS:
        if words[0] == "map":
            assert cli.main(words) == 0, words
    assert "广河产业园" in (started / "map.html").read_text(encoding="utf-8")
    assert (started / "after.html").is_file()


@pytest.mark.slow
def test_reports_of_the_guide_are_written(started: Path) -> None:
    for words in COMMANDS:
        if words[0] == "report":
            named = [] if "--scenario" in words else ["--scenario", "linxia-open-2024"]
            assert cli.main([*words, *named]) == 0, words
    pages = {path.name for path in (started / "guanghe-report/pages").iterdir()}
    stem = "guanghe-2025.linxia-open-2024"
    assert pages == {f"{stem}.html", f"{stem}.edits.html"}


def test_a_plan_of_counties_without_scenarios_is_tested_on_the_open_network(
    started: Path, capsys: pytest.CaptureFixture
) -> None:
    path = started / FILE
    text = path.read_text(encoding="utf-8").replace("[622924]", "[623022]")
    path.write_text(text, encoding="utf-8")
    assert cli.main(["check", "--plan", FILE, "--format", "json"]) == 0
    captured = capsys.readouterr().out
    found = json.loads(captured[captured.index("{") :])
    assert found["scenario"].endswith("-open-2024")
