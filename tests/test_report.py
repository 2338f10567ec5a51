"""The report: what it writes, that it is whole, escaped, and never half there."""

from __future__ import annotations

import csv
import pickle
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pyogrio
import pytest
from openpyxl import load_workbook
from tests import test_ownnetwork as toy

from spatialplan import (
    cli,
    dossier,
    maps,
    network,
    pages,
    places,
    plan,
    printing,
    province,
    report,
    script,
    targets,
)
from spatialplan.errors import InputError
from spatialplan.files import data_dir

PLAN, SCENARIO = "linxia-2021", "linxia-open-2024"
EDITS = """\
edits:
  - {action: add, from: 康乐县, to: 临夏市, class: class1, design_speed_kmh: 80, length_km: 58,
     name_zh: "<b>康临</b>"}
"""
VOID = ("meta", "link", "br", "img", "hr")


class _Page(HTMLParser):
    """What a page refers to, its ids, and whether its elements close in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.refers: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.refers.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())


@pytest.fixture(scope="module")
def gathered() -> dossier.Dossier:
    *_, whole = dossier.gather([], [SCENARIO, "linxia-expected-2027"], None, "operating")
    return whole


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A report of one plan and one scenario, with edits."""
    folder = tmp_path_factory.mktemp("report")
    edits = folder / "edits.yaml"
    edits.write_text(EDITS, encoding="utf-8")
    return report.build([PLAN], [SCENARIO], edits, out=folder / "out").parent


def test_every_reference_is_a_file_of_the_report(built):
    paths = sorted(built.rglob("*.html"))
    assert len([path for path in paths if path.parent.name == "pages"]) == 2
    for path in paths:
        if path.parent.name == "maps":
            continue
        page = _Page(path)
        assert not page.open
        assert len(page.ids) == len(set(page.ids))
        assert "script" not in page.tags
        for reference in page.refers:
            if reference == "data:,":
                continue
            name, _, anchor = reference.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target.is_file(), reference
            assert target.is_relative_to(built.resolve())
            if anchor:
                assert anchor in _Page(target).ids, reference


def test_figures_maps_and_tables_are_there(built):
    figures = {path.name for path in (built / "figures").iterdir()}
    for name in ("4-1", "5-1", "5-2", "5-4"):
        assert {f"{PLAN}.figure-{name}.svg", f"{PLAN}.figure-{name}.png"} <= figures
    for name in ("5-3", "verdicts", "matrix"):
        assert f"{PLAN}.{SCENARIO}.figure-{name}.svg" in figures
    for path in (built / "maps").iterdir():
        assert 50_000 < path.stat().st_size <= 3_000_000
    assert len(list((built / "maps").iterdir())) == 2


def test_tables_open_in_excel(built):
    for path in (built / "tables").glob("*.csv"):
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with (built / "tables/verdicts.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [target.key for target in plan.builtin(PLAN).targets]
    book = load_workbook(built / "tables/report.xlsx")
    assert book.sheetnames[0] == "说明"
    sheet = book["目标结论"]
    assert sheet.freeze_panes == "C2"
    assert sheet.max_row == len(rows) + 1
    column = [cell.value for cell in sheet[1]].index("结论") + 1
    for row, source in enumerate(rows, start=2):
        cell = sheet.cell(row, column)
        assert cell.value == source["verdict_zh"]
        assert cell.font.color.rgb.endswith(pages.VERDICT[source["verdict"]][1:].upper())


def test_chinese_in_tables_has_wide_punctuation_and_quotes_are_as_in_the_document(built):
    text = (data_dir() / f"plans/texts/{PLAN}.txt").read_text(encoding="utf-8")
    narrow = re.compile("[\u4e00-\u9fff][,:;]|[,:;][\u4e00-\u9fff]")
    for path in (built / "tables").glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                assert row.get("quote", "") in text
                for key, value in row.items():
                    kept = key.endswith("_en") or key in ("quote", "section")
                    assert kept or not narrow.search(value), (path.name, key, value)


def test_geopackage_holds_every_layer(built):
    path = built / "layers/report.gpkg"
    layers = set(pyogrio.list_layers(path)[:, 0])
    expected = {
        "places",
        "counties",
        "circles",
        "target_lines",
        "elements_areas",
        "elements_lines",
        "elements_points",
    }
    for name in (SCENARIO, f"{SCENARIO}_edits"):
        expected |= {f"links_{name}", f"nodes_{name}"}
    assert layers == expected
    for layer in layers:
        info = pyogrio.read_info(path, layer=layer)
        assert info["crs"] == "EPSG:4490"
        assert info["features"] > 0
    assert (
        pyogrio.read_info(path, layer=f"links_{SCENARIO}_edits")["features"]
        > (pyogrio.read_info(path, layer=f"links_{SCENARIO}")["features"])
    )


def test_page_shows_the_verdict_that_check_gives(built, gathered):
    text = (built / f"pages/{PLAN}.{SCENARIO}.html").read_text(encoding="utf-8")
    today = gathered.today(plan.builtin(PLAN))
    assert today.scenario.id == SCENARIO
    verdict = today.verdicts[f"{PLAN}/L5"]
    block = text[text.index('id="L5"') : text.index('id="L5-core"')]
    assert targets.VERDICT_NAMES[verdict.verdict][0] in block
    assert dossier.amount(verdict.value, "min") in block
    for pair in verdict.pairs:
        assert f"<td>{pair.destination.name_zh}</td>" in block
        assert f'<td class="n">{pair.minutes:.1f}</td>' in block


def test_commuting_between_cores_is_told_where_there_are_several(every):
    names = {table.name: table.frame for table in dossier.report_tables(every)}
    trips, reach = names["core-trips"], names["core-reach"]
    assert set(trips["plan"]) == set(reach["plan"]) == {"qinghai-2024"}
    chapter = every.today(plan.builtin("qinghai-2024"))
    text = pages.chapter_page(every, chapter, ())
    block = text[text.index('id="commute"') : text.index('id="projects"')]
    own = trips[trips["scenario"] == chapter.scenario.id]
    ends = zip(own["origin"], own["destination"], strict=True)
    for origin, destination in set(ends):
        assert f"{origin}–{destination}</th>" in block
    for minutes in own["minutes"]:
        assert f">{minutes:.0f} 分钟<" in block
    for count in reach.loc[reach["scenario"] == chapter.scenario.id, "within_60"]:
        assert f">{count} 个<" in block
    other = every.today(plan.builtin(PLAN))
    assert other.commute is None
    assert 'id="commute"' not in pages.chapter_page(every, other, ())


def test_notes_of_targets_are_told(every):
    item = plan.builtin("linxia-lanzhou-2022")
    noted = [target for target in item.targets if target.note_zh]
    assert noted
    chapter = every.today(item)
    text = pages.chapter_page(every, chapter, ())
    told = targets.as_dict(chapter.verdicts[noted[0].key])
    assert told["note_zh"] == noted[0].note_zh
    for target in noted:
        assert f"说明\uff1a{script.wide(target.note_zh)}" in text
    assert noted[0].note_zh in printing.assessment_text(chapter.found)


def test_edits_page_names_the_trips_that_change(built):
    text = (built / f"pages/{PLAN}.{SCENARIO}.edits.html").read_text(encoding="utf-8")
    changes = text[text.index('id="changes"') : text.index('id="map"')]
    assert "临夏市–康乐县" in changes
    assert "<b>康临</b>" not in text


def test_outlook_tells_the_first_scenario_of_each_schedule(gathered):
    outlooks = {o.verdict.target.id: o for o in gathered.outlooks(plan.builtin(PLAN))}
    assert outlooks["L2"].verdict.verdict == "not_met"
    assert outlooks["L2"].built.id == "linxia-expected-2027"
    assert outlooks["L2"].planned is None
    assert outlooks["L5"].built is None


def test_documents_differ_in_the_core_and_in_urbanisation():
    found = dossier.differences([plan.builtin(PLAN), plan.builtin("linxia-lanzhou-2022")])
    values = [[value for _, value, _ in item.values] for item in found]
    assert any("东塬" in b and "东塬" not in a for a, b in values)
    assert ["45%", "50%"] in values
    assert dossier.differences([plan.builtin(PLAN)]) == []


@pytest.fixture(scope="module")
def every() -> dossier.Dossier:
    """All plans, each on the latest open network of its area."""
    opened = ["linxia-open-2024", "xining-haidong-open-2024", "pingliang-open-2024"]
    *_, whole = dossier.gather([], opened, None, "operating")
    return whole


def test_index_of_several_areas_tells_each_area_first(every):
    text = pages.index_page(every, [])
    assert [area.id for area in every.areas] == ["linxia", "pingliang", "xining-haidong"]
    first = text[text.index('id="today"') : text.index('id="reading"')]
    for area in every.areas:
        assert area.zh in first
        counted = sum(len(every.outlooks(plan)) for plan in area.plans)
        block = first[first.index(f"#area-{area.id}") :].split('class="region"')[0]
        numbers = [int(part.split("</b>")[0]) for part in block.split("<header><b>")[1:]]
        assert len(numbers) == 4
        # What two documents share comes once.
        assert 0 < sum(numbers) <= counted
        assert f'id="area-{area.id}"' in text
    assert pages.DOCUMENTS in first


def test_documents_stand_side_by_side(every):
    text = pages.documents_page(every)
    for item in every.plans:
        assert text.count(script.wide(item.title_zh)) >= 3
        for element in item.elements:
            assert script.wide(element.name_zh) in text
        verdicts = every.today(item).verdicts
        assert all(f"#{v.target.id}" in text for v in verdicts.values())
    assert "东塬乡" in text[text.index('id="differences"') :]
    # A Traditional quote stands as it is, the Simplified one beside it.
    assert "一心六極多點" in text
    assert "“一心六极多点”城镇格局" in text


def test_lists_that_documents_divide_differently_are_compared():
    found = dossier.differences([plan.builtin(PLAN), plan.builtin("linxia-lanzhou-2022")])
    (towns,) = [item for item in found if "特色小镇" in item.zh]
    texts = [value for _, value, _ in towns.values]
    assert texts[0].startswith("8 个")
    assert texts[1].startswith("10 个")
    assert "只见于此:景古镇、折桥镇、莲花镇" in texts[0]


def test_documents_of_different_areas_are_not_compared():
    assert dossier.differences([plan.builtin(PLAN), plan.builtin("pingliang-2021")]) == []


def test_circles_are_computed_once_for_plans_of_one_network(gathered, monkeypatch):
    book = report._Circles()
    first, second = [c for c in gathered.chapters if c.scenario.id == SCENARIO]
    (start,) = report._seat_starts(first)
    frame = book.of(first, start)
    assert book.of(second, report._seat_starts(second)[0]) is frame


def test_text_of_the_data_is_escaped(gathered):
    text = pages.index_page(
        gathered, [pages.Download("tables/a.csv", "<script>alert(1)</script>", "&", 1)]
    )
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("要求,现值:30", "要求\uff0c现值\uff1a30"),
        ("<td>中(甲)</td>", "<td>中\uff08甲\uff09</td>"),
        ("通车(2023-06)", "通车\uff082023-06\uff09"),
        ("road (2023-06), then", "road (2023-06), then"),
        ("<q>目标,二级(公路)</q>", "<q>目标,二级(公路)</q>"),
        ("a&amp;中", "a&amp;中"),
        ('<a href="中,文">km, km</a>', '<a href="中,文">km, km</a>'),
    ],
)
def test_chinese_punctuation_is_wide(text, expected):
    assert pages._typeset(text) == expected


# --- the folder -------------------------------------------------------------------------------


def _fill(folder: Path, text: str) -> None:
    (folder / "pages").mkdir()
    (folder / "pages/a.html").write_text(text, encoding="utf-8")
    (folder / "index.html").write_text(text, encoding="utf-8")


def _fail(folder: Path) -> None:
    _fill(folder, "new")
    (folder / "pages").mkdir()


def _listing(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file() and path.name != report.MARKER
    }


def test_a_new_report_replaces_the_old_and_keeps_other_files(tmp_path):
    out = tmp_path / "reports"
    with report._put_in_place(out) as folder:
        _fill(folder, "old")
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    with report._put_in_place(out) as folder:
        _fill(folder, "new")
    assert _listing(out) == {"index.html": "new", "pages/a.html": "new", "notes.txt": "mine"}
    assert list(tmp_path.iterdir()) == [out]


def test_a_failure_leaves_the_old_report(tmp_path):
    out = tmp_path / "reports"
    with report._put_in_place(out) as folder:
        _fill(folder, "old")
    with pytest.raises(FileExistsError), report._put_in_place(out) as folder:
        _fail(folder)
    assert _listing(out) == {"index.html": "old", "pages/a.html": "old"}
    assert list(tmp_path.iterdir()) == [out]


def test_a_part_in_use_puts_the_old_report_back(tmp_path, monkeypatch):
    out = tmp_path / "reports"
    with report._put_in_place(out) as folder:
        _fill(folder, "old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == out / "pages":
            raise PermissionError(13, "in use")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="占用"), report._put_in_place(out) as folder:
        _fill(folder, "new")
    assert _listing(out) == {"index.html": "old", "pages/a.html": "old"}


def test_a_folder_with_other_content_of_the_same_names_is_refused(tmp_path):
    (tmp_path / "figures").mkdir()
    with pytest.raises(InputError, match="figures"), report._put_in_place(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "reports"
    path.write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="--out"), report._put_in_place(path):
        pass


# --- what is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plan", "linxia-2020"], "linxia-2021"),
        (["--scenario", "linxia-open-2025"], "linxia-open-2024"),
        (["--edits", "nowhere.yaml"], "nowhere.yaml"),
        (["--profile", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_written(tmp_path, capsys, arguments, words):
    out = tmp_path / "reports"
    assert cli.main(["report", *arguments, "--out", str(out)]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_edits_that_fit_no_scenario_are_refused(tmp_path):
    path = tmp_path / "edits.yaml"
    path.write_text("edits:\n  - {action: close, where: {link_id: none-1}}\n", encoding="utf-8")
    with pytest.raises(InputError, match="none-1"):
        next(dossier.gather([PLAN], [], path, "operating"))


def test_scenarios_that_the_edits_do_not_fit_are_told(tmp_path, monkeypatch):
    """A road of 2024 cannot be changed in 2021: the page says so, the others are shown."""
    path = tmp_path / "edits.yaml"
    path.write_text(
        "edits:\n  - {action: close, where: {ref: S36}}\n",
        encoding="utf-8",
    )
    wanted = [item.id for item in dossier.scenario.scenarios() if PLAN in item.plans]
    every = [dossier.scenario.builtin(item) for item in wanted]
    edited, refused = dossier._edited(every, path, {}, strict=False)
    assert {item.id for item, _ in refused} == {"linxia-base-2021"}
    assert {item.id for item in edited} == set(wanted) - {"linxia-base-2021"}
    with pytest.raises(InputError):
        dossier._edited([dossier.scenario.builtin("linxia-base-2021")], path, {}, strict=True)


def test_drawing_works_where_no_process_can_be_started(tmp_path, monkeypatch):
    """A script without a main guard cannot spawn workers: the drawing is done here."""
    drawn = []
    monkeypatch.setattr(maps, "write", lambda _, path, **__: drawn.append(path.name))

    class _Broken:
        def submit(self, *_: object) -> None:
            raise report.BrokenProcessPool

        def shutdown(self, **_: object) -> None:
            pass

    with report._progress() as bar:
        easel = report._Easel(tmp_path, 0, bar)
        easel._pool = _Broken()
        with easel:
            found = SimpleNamespace(situation=SimpleNamespace(network=SimpleNamespace(links=())))
            easel._start(report._MapJob(found, tmp_path / "a.html"))
            easel.finish()
    assert drawn == ["a.html"]


# --- a network of one's own ---------------------------------------------------------------------


def _own_report(folder: Path, capsys, *words: object) -> Path:
    """Report on the toy plan with these words; return the folder."""
    out = folder / "out"
    asked = ["report", "--plan", folder / "own.yaml", *words, "--out", out]
    assert cli.main([str(word) for word in asked]) == 0, capsys.readouterr().err
    capsys.readouterr()
    return out


def _rows(folder: Path, table: str) -> list[dict]:
    with (folder / f"tables/{table}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def toy_plan(tmp_path) -> Path:
    """A plan of three places on two roads, and a target about a town far off."""
    far = toy.trip(id="F", title_zh="远", origins=["aa"], destinations=["jingning-xian"])
    near = toy.trip(id="T", title_zh="近", origins=["aa"], destinations=["bb", "cc"])
    core = {"id": "core", "structure": "一心", "kind": "core", "name_zh": "一心",
            "members": ["aa"]}  # fmt: skip
    toy.plan_file(tmp_path, places=toy.OWN, elements=[core], targets=[near, far])
    toy.roads(source="© Somebody, ODbL 1.0").write(tmp_path / "n.gpkg")
    return tmp_path


def test_a_report_on_a_network_of_ones_own_says_what_check_says(toy_plan, capsys):
    out = _own_report(toy_plan, capsys, "--network", toy_plan / "n.gpkg")
    words = ("--plan", toy_plan / "own.yaml", "--network", toy_plan / "n.gpkg")
    told = toy.check(capsys, *words)
    rows = {row["id"]: row for row in _rows(out, "verdicts")}
    assert set(rows) == {"own/T", "own/F"}
    for row in rows.values():
        wanted = told[row["id"].split("/")[1]]
        assert row["verdict"] == wanted["verdict"]
        assert row["evidence"] == wanted["evidence"]
        assert row["scenario"] == "network"
    ties = {row["place_id"]: row for row in _rows(out, "ties")}
    assert ties["aa"]["node_id"] == "n1"
    assert float(ties["aa"]["km"]) == pytest.approx(0.3, abs=0.01)
    assert ties["bb"]["how_zh"] == "在路段上新设节点"
    pages_ = sorted(path.name for path in (out / "pages").iterdir())
    assert pages_ == ["own.network.html"]
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "n.gpkg" in index
    assert "© Somebody, ODbL 1.0" in index
    assert "没有通车年月" in index
    assert "乙园" in index
    page = (out / "pages/own.network.html").read_text(encoding="utf-8")
    assert script.wide("在路网范围以外,不计用时:") in page
    *_, whole = dossier.gather(
        [str(toy_plan / "own.yaml")], [], None, "operating", network=toy_plan / "n.gpkg"
    )
    assert "静宁县" in {place.name_zh for place in whole.chapters[0].untold}
    assert "© Somebody, ODbL 1.0" in (out / "maps/own.network.html").read_text(encoding="utf-8")
    layers = {name for name, _ in pyogrio.list_layers(out / "layers/report.gpkg")}
    assert {"links_network", "nodes_network", "elements_areas", "circles"} <= layers
    for path in [out / "index.html", *(out / "pages").iterdir()]:
        assert not _Page(path).open


def test_ties_by_hand_go_into_the_report(toy_plan, capsys):
    (toy_plan / "t.csv").write_text("place_id,node_id\naa,n2\n", encoding="utf-8")
    words = ("--network", toy_plan / "n.gpkg", "--ties", toy_plan / "t.csv")
    out = _own_report(toy_plan, capsys, *words)
    ties = {row["place_id"]: row for row in _rows(out, "ties")}
    assert (ties["aa"]["node_id"], ties["aa"]["how_zh"]) == ("n2", "人工指定")
    pairs = {row["destination"]: row for row in _rows(out, "pairs") if row["target"] == "own/T"}
    assert float(pairs["cc"]["km"]) == pytest.approx(40.0)


def test_a_network_with_dates_is_compared_by_year(tmp_path):
    toy.plan_file(tmp_path, places=toy.OWN, targets=[toy.trip(origins=["aa"], destinations=["cc"])])
    toy.roads(opened="2023-06").write(tmp_path / "n.gpkg")
    *chapters, whole = dossier.gather(
        [str(tmp_path / "own.yaml")], [], None, "operating", network=tmp_path / "n.gpkg"
    )
    found = {chapter.scenario.id: chapter.verdicts["own/T"].value for chapter in chapters}
    assert next(iter(found)) == "network"
    assert found["linxia-base-2021"] is None or found["linxia-base-2021"] != found["network"]
    assert found["linxia-open-2024"] == found["network"]
    assert "1 / 2" in whole.omitted[0][0]
    assert whole.today(whole.plans[0]).scenario.id == "network"


def test_what_is_compared_with_may_be_another_file(toy_plan, capsys):
    toy.roads(source="s").write(toy_plan / "old.gpkg")
    old = network.read(toy_plan / "old.gpkg")
    longer = old.links.assign(length_km=old.links["length_km"] * 2)
    replace(old, links=longer).write(toy_plan / "old.gpkg")
    words = ("--network", toy_plan / "n.gpkg", "--against", toy_plan / "old.gpkg")
    out = _own_report(toy_plan, capsys, *words)
    [row] = [row for row in _rows(out, "edits-pairs") if row["target"] == "own/T"][:1]
    assert float(row["minutes_before"]) > float(row["minutes_after"])
    page = (out / "pages/own.network.compared.html").read_text(encoding="utf-8")
    assert "与“old”对比" in page
    assert (out / "maps/own.network.compared.html").is_file()
    assert "links_against" in {name for name, _ in pyogrio.list_layers(out / "layers/report.gpkg")}


def test_the_same_network_is_not_compared_with_itself(toy_plan):
    path = toy_plan / "n.gpkg"
    (chapter, _) = dossier.gather(
        [str(toy_plan / "own.yaml")], [], None, "operating", network=path, against=str(path)
    )
    assert chapter.after is None


def test_plans_that_lie_elsewhere_are_left_out_and_told(tmp_path):
    toy.roads().write(tmp_path / "n.gpkg")  # around 103.0° E, 35.5° N
    *_, whole = dossier.gather([], [], None, "operating", network=tmp_path / "n.gpkg")
    assert "linxia-2021" in {item.id for item in whole.plans}
    assert "pingliang-2021" not in {item.id for item in whole.plans}
    assert any("平凉" in zh for zh, _ in whole.omitted)
    away = toy.roads()
    shift = {"geometry": away.nodes.geometry.translate(20, 0)}
    lines = {"geometry": away.links.geometry.translate(20, 0)}
    replace(away, nodes=away.nodes.assign(**shift), links=away.links.assign(**lines)).write(
        tmp_path / "away.gpkg"
    )
    with pytest.raises(InputError, match="没有内置规划的县城"):
        list(dossier.gather([], [], None, "operating", network=tmp_path / "away.gpkg"))


def test_a_plan_abroad_is_reported_without_boundaries(tmp_path, capsys):
    own = [{**spot, "adcode": 999999, "kind": "county_seat"} for spot in toy.OWN]
    core = {"id": "core", "structure": "一心", "kind": "core", "name_zh": "一心",
            "members": ["aa"]}  # fmt: skip
    target = toy.trip(origins=["aa"], destinations=["bb", "cc"])
    toy.plan_file(tmp_path, places=own, elements=[core], targets=[target], area=[999999])
    toy.roads().write(tmp_path / "n.gpkg")
    out = _own_report(tmp_path, capsys, "--network", tmp_path / "n.gpkg")
    assert "天地图县级数据中没有 999999" in (out / "index.html").read_text(encoding="utf-8")
    figures = {path.name for path in (out / "figures").iterdir()}
    assert {"own.figure-4-1.svg", "own.network.figure-5-3.svg"} <= figures
    assert "own.network.figure-matrix.svg" in figures
    # The same plan on the built-in network: its counties are as unknown there.
    out = _own_report(tmp_path, capsys)
    assert len(list((out / "maps").iterdir())) == 1


@pytest.mark.slow
def test_a_report_on_a_hundred_thousand_links(tmp_path, capsys):
    made = province.province(76_000, seed=3)
    middle = (made.lonlat.min(axis=0) + made.lonlat.max(axis=0)) / 2
    made = replace(made, lonlat=made.lonlat - middle + [103.3, 35.55])
    made.network().write(tmp_path / "p.gpkg")
    toy.plan_file(
        tmp_path,
        area=[622901, 622921],
        elements=[{"id": "core", "structure": "一心", "kind": "core", "name_zh": "一心",
                   "members": ["linxia-shi"]}],
        targets=[toy.trip(origins=["linxia-shi"], destinations=["linxia-xian"])],
    )  # fmt: skip
    out = _own_report(tmp_path, capsys, "--network", tmp_path / "p.gpkg")
    for path in (out / "maps").iterdir():
        assert path.stat().st_size < 5_000_000
    for path in (out / "figures").iterdir():
        assert path.stat().st_size < 4_000_000, path.name
    page = (out / "maps/own.network.html").read_text(encoding="utf-8")
    assert "可达路段" in page


def test_what_is_computed_from_a_case_is_not_sent_to_another_process(gathered):
    case = gathered.chapters[0].found.cases[0]
    assert case.graph.network is case.network
    assert "graph" in vars(case)
    again = pickle.loads(pickle.dumps(case))
    assert set(vars(again)) == {field.name for field in fields(case)}
    assert again.graph.network.links.equals(case.network.links)


def test_a_plan_on_a_network_elsewhere_is_told_nothing_but_that(tmp_path, capsys):
    toy.roads().write(tmp_path / "n.gpkg")
    target = toy.trip(origins=["jingning-xian"], destinations=[], mode="rail")
    known = places.builtin()
    target["destinations"] = [known.seats([620802])[0]]
    toy.plan_file(tmp_path, area=[620802, 620826], targets=[target])
    out = _own_report(tmp_path, capsys, "--network", tmp_path / "n.gpkg")
    assert _rows(out, "verdicts")[0]["verdict"] == "unknown"
    assert _rows(out, "seat-times") == []
    assert {path.stem for path in (out / "figures").iterdir()} <= {"own.network.figure-verdicts"}
    page = (out / "pages/own.network.html").read_text(encoding="utf-8")
    assert "无铁路可乘" not in page
    assert "没有一个在路网范围内" in (out / "index.html").read_text(encoding="utf-8")
    assert "路网不在图幅内" in (out / "maps/own.network.html").read_text(encoding="utf-8")
