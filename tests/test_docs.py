"""What the pages for readers say is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from spatialplan import cli, places, revision, scenario

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.zh.md", "README.md")
PAGES = (*READMES, "gis/README.md", "data/processed/README.md")
EDIT_FILE = "kangle-linxia.yaml"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.DOTALL | re.MULTILINE)


def commands(name: str) -> list[list[str]]:
    """Return the words of each command for the program that a page names."""
    text = text_of(name)
    found = re.findall(r"^python3 run\.py(.*)$", text, re.MULTILINE)
    found += re.findall(r"`python3 run\.py ([^`]+)`", text)
    words = [shlex.split(line) for line in found]
    return [line for line in words if line and line[0] not in ("lab", "setup", "test")]


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_understood(name: str) -> None:
    found = commands(name)
    assert len(found) >= 3
    for words in found:
        cli._parser().parse_args(words)


def test_both_readmes_name_the_same_commands_files_and_pictures() -> None:
    links = [set(re.findall(r"\]\(([^)]+)\)", text_of(name))) for name in READMES]
    assert {*links[0], "README.zh.md"} == {*links[1], "README.md"}
    assert commands(READMES[0]) == commands(READMES[1])
    assert blocks(READMES[0], "yaml") == blocks(READMES[1], "yaml")
    assert blocks(READMES[0], "text") == blocks(READMES[1], "text")


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    folder = (ROOT / name).parent
    missing = [link for link in re.findall(r"\]\(([^)]+)\)", text_of(name))
               if "://" not in link and not (folder / link).exists()]  # fmt: skip
    assert missing == []


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert [path.name for path in pictures if path.stat().st_size > 200_000] == []


@pytest.mark.parametrize("name", READMES)
def test_the_counts_of_the_data_are_right(name: str) -> None:
    table = places.builtin().table
    estimated = table["source"].str.contains("estimate")
    interchanges = table["kind"] == "interchange"
    assert (estimated | ~interchanges).all()
    links = scenario.register().links
    basis = links["length_basis"].value_counts()
    text = text_of(name)
    heading = "## 数据和它的局限" if name == "README.zh.md" else "## The data and their limits"
    section = text.split(heading)[1]
    said = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", section)]
    true = [len(table), estimated.sum(), interchanges.sum(), len(links)]
    # When this fails the data have changed: put these numbers into both pages.
    assert said[:7] == [*true, *basis[["published", "pro_rata", "estimate"]]]


def test_the_road_of_the_readme_gives_the_answer_it_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(EDIT_FILE).write_text(blocks("README.md", "yaml")[0], encoding="utf-8")
    for words in commands("README.md"):
        if EDIT_FILE in words and words[0] in ("edits", "check"):
            assert cli.main(words) == 0
    captured = capsys.readouterr()
    quoted = blocks("README.md", "text")[0].splitlines()
    assert [line for line in quoted if line not in captured.out.splitlines()] == []
    assert "直线距离 × 1.2估为 66.7 km" in captured.err
    assert "28 对中 13 对在 60 分钟内" in captured.out
    assert "康乐县–积石山县直线 84.6 km" in captured.out
    assert "80 km/h 笔直行驶也要 63.4 分钟" in captured.out


def test_the_example_edits_hold() -> None:
    network = scenario.network_of(scenario.builtin("linxia-open-2024"))
    applied = revision.apply_file(network, ROOT / "gis" / "example-edits.yaml")
    assert [change.edit.action for change in applied.changes] == ["add", "modify", "close"]
    first = yaml.safe_load(text_of("gis/example-edits.yaml"))["edits"][0]
    assert first == yaml.safe_load(blocks("README.md", "yaml")[0])["edits"][0]


def test_roads_drawn_into_the_empty_layer_are_read(tmp_path: Path) -> None:
    import geopandas as gpd
    import shapely

    empty = gpd.read_file(ROOT / "gis" / "edits-empty.gpkg")
    listed = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \|", text_of("gis/README.md"), re.MULTILINE)
    assert {name for row in listed for name in row if name} == set(empty.columns) - {"geometry"}
    assert len(empty) == 0
    assert max(map(len, empty.columns)) <= 10
    network = scenario.network_of(scenario.builtin("linxia-open-2024"))
    seats = [places.builtin().find(name) for name in ("康乐县", "和政县")]
    line = shapely.LineString([(seat.lon, seat.lat) for seat in seats])
    rows = [
        {"action": "add", "class": "class1", "speed": 80.0, "geometry": line},
        {"action": "modify", "link_id": "g310-0019", "expect_cls": "class2", "speed": 80.0},
        {"action": "close", "link_id": "x-0039"},
    ]
    drawn = gpd.GeoDataFrame(rows, geometry="geometry", crs=empty.crs)
    drawn.to_file(tmp_path / "my-edits.gpkg", layer="edits")
    applied = revision.apply_file(network, tmp_path / "my-edits.gpkg")
    assert [change.links for change in applied.changes] == [1, 1, 1]


def test_every_module_is_in_the_guide_once() -> None:
    rows = [line for line in text_of("docs/modules.md").splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    there = [path.stem for path in (ROOT / "src/spatialplan").glob("[!_]*.py")]
    assert sorted(named) == sorted(there)
