"""The command line as other programs and outside checks rely on it."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import pytest
import shapely
from tests import networks as toy

from spatialplan import (  # noqa: F401
    boundaries,
    cli,
    network,
    places,
    plan,
    scenario,
    standards,
    travel,
)

TARGET_KEYS = {
    "id", "plan", "title_zh", "quote", "metric", "threshold", "unit", "verdict", "value", "share",
    "margin", "lower_bound", "reason", "evidence", "against", "pairs",
}  # fmt: skip
PAIR_KEYS = {"origin", "destination", "minutes", "km", "lower_bound", "met"}
MATRIX = ["origin", "destination", "minutes", "km", "straight_km", "mode"]


@pytest.fixture
def run(capsys):
    """Run the program in this process: status, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def refused(run):
    """Run what must be refused, and return the message."""

    def call(*arguments: object) -> str:
        status, out, err = run(*arguments)
        assert status == 2
        assert out == ""
        assert "错误 error" in err
        assert "Traceback" not in err
        return err

    return call


@pytest.fixture
def toy_file(tmp_path) -> Path:
    """A small network in a file: two parts without a road between them, an expressway."""
    path = tmp_path / "小网.gpkg"
    toy.network(
        {"linxia-shi": (0, 0), "linxia-xian": (30, 0), "kangle-xian": (90, 0),
         "hezheng-xian": (99, 0)},
        [
            toy.link("linxia-shi", "linxia-xian", 35, 60),
            toy.link("kangle-xian", "hezheng-xian", 10, 60, oneway=True),
        ],
    ).write(path)  # fmt: skip
    return path


# --- check --------------------------------------------------------------------------------------


def test_check_in_json(run):
    status, out, err = run("check", "--plan", "linxia-2021", "--format", "json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert {"scenario", "network", "profile", "targets"} <= set(found)
    assert found["scenario"] == "linxia-open-2024"  # the area's latest open network
    assert found["profile"] == "operating"
    assert [t["id"] for t in found["targets"]] == [
        t.key for t in plan.builtin("linxia-2021").targets
    ]
    for target in found["targets"]:
        assert set(target) >= TARGET_KEYS
        assert target["verdict"] in ("met", "not_met", "impossible", "unknown")
        assert target["evidence"] in ("published", "mixed", "estimated")
        assert target["plan"] == "linxia-2021"
        assert target["quote"]
        assert target["reason"]
        assert target["against"] is None
        assert all(set(pair) == PAIR_KEYS for pair in target["pairs"])
    [half_hour] = [t for t in found["targets"] if t["id"] == "linxia-2021/L5"]
    assert half_hour["verdict"] == "impossible"
    assert half_hour["lower_bound"] > half_hour["threshold"] == 30


def test_check_of_each_scenario_with_edits_against_another(run, tmp_path):
    path = tmp_path / "我的路.yaml"
    path.write_text(
        "edits:\n"
        "  - {action: add, from: 康乐县, to: 和政县, class: class1, design_speed_kmh: 80,"
        " length_km: 34}\n",
        encoding="utf-8",
    )
    status, out, err = run(
        "check", "--plan", "linxia-2021", "--scenario", "linxia-promised-2025", "--edits", path,
        "--against", "linxia-open-2024", "--format", "json", "--profile", "design",
    )  # fmt: skip
    assert status == 0
    found = json.loads(out)
    assert found["profile"] == "design"
    for target in found["targets"]:
        assert set(target["against"]) == {"verdict", "value"}
    # What each edit touched is said, and not where a pipe would read it.
    assert "我的路.yaml 第1条 add: 1 段 links, 34.0 km" in err


def test_check_as_a_table_and_as_csv(run):
    status, out, _ = run("check", "--plan", "linxia-lanzhou-2022")
    assert status == 0
    assert "linxia-lanzhou-2022/L10" in out
    assert "合计" in out
    status, out, _ = run("check", "--plan", "linxia-lanzhou-2022", "--format", "csv")
    assert status == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["id"] for row in rows] == [
        t.key for t in plan.builtin("linxia-lanzhou-2022").targets
    ]
    assert "nan" not in out.lower().replace("nanning", "")
    assert "\r" not in out


def test_strict_tells_by_the_status(run, tmp_path, monkeypatch):
    assert run("check", "--plan", "linxia-2021", "--strict")[0] == 1
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mine.txt").write_text("一小时可达。待定。", encoding="utf-8")
    content = """
id: mine
title_zh: 我的规划
title_en: Mine
date: 2024-01-01
horizon: 2030
area: [622901]
targets:
  - {id: T1, title_zh: 可达, metric: travel_time, threshold: THRESHOLD, unit: min,
     origins: [linxia-shi], destinations: [linxia-xian], cite: {quote: 一小时可达}}
  - {id: T2, title_zh: 待定, metric: qualitative, cite: {quote: 待定}}
"""
    path = tmp_path / "mine.yaml"
    for threshold, expected in ((60, 0), (21, 1), (5, 1)):
        path.write_text(content.replace("THRESHOLD", str(threshold)), encoding="utf-8")
        asked = ("check", "--plan", path, "--scenario", "linxia-open-2024")
        assert run(*asked, "--strict")[0] == expected
        assert run(*asked)[0] == 0


def test_check_what_is_not_there(refused, tmp_path):
    assert "linxia-2021" in refused("check", "--plan", "linxia-2012")
    assert "linxia-open-2024" in refused("check", "--scenario", "linxia-open")
    assert "operating" in refused("check", "--profile", "fast")
    assert "不存在" in refused("check", "--network", tmp_path / "none.gpkg")
    assert "打不开" in refused("check", "--edits", tmp_path / "none.yaml")
    assert "命令有误" in refused("check", "--format", "xml")
    assert "命令有误" in refused("chek")
    assert "命令有误" in refused()


def test_all_faults_of_an_edit_file_one_to_a_line(refused, tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(
        "edits:\n"
        "  - {action: add, from: 康东县, to: 和政县, class: class1}\n"
        "  - {action: remove, where: {ref: G310}}\n"
        "  - {action: close, where: {ref: G310}, expect: {class: class4}}\n",
        encoding="utf-8",
    )
    err = refused("check", "--plan", "linxia-2021", "--edits", path)
    lines = err.strip().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("错误 error: e.yaml 第") for line in lines)
    assert "康乐县" in err
    assert "与预期不符" in err


# --- matrix -------------------------------------------------------------------------------------


def test_matrix_columns_and_numbers(run, toy_file):
    asked = ("matrix", "--from", "临夏市", "--to", "linxia-xian,Kangle County,临夏市",
             "--network", toy_file)  # fmt: skip
    status, out, err = run(*asked)
    assert status == 0
    assert "2 个互不相连的部分" in err
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == MATRIX
    by_end = {row[1]: row for row in rows[1:]}
    assert by_end["linxia-xian"][0] == "linxia-shi"
    assert float(by_end["linxia-xian"][3]) == 35.0
    assert 35 / 60 * 60 / float(by_end["linxia-xian"][2]) <= 1.2  # operating: below the design
    assert by_end["kangle-xian"][2:4] == ["", ""]
    assert float(by_end["kangle-xian"][4]) > 0
    assert by_end["linxia-shi"][2:] == ["0.0", "0.0", "0.0", "road"]
    status, out, _ = run(*asked, "--format", "json")
    found = json.loads(out)
    assert [list(row) for row in found] == [MATRIX] * 3
    assert found[1]["minutes"] is None
    assert found[1]["km"] is None
    status, out, _ = run(*asked, "--format", "table", "--mode", "rail")
    assert (status, "–" in out) == (0, True)


def test_matrix_of_a_one_way_road(run, toy_file):
    there = run("matrix", "--from", "康乐县", "--to", "和政县", "--network", toy_file)[1]
    back = run("matrix", "--from", "和政县", "--to", "康乐县", "--network", toy_file)[1]
    assert there.splitlines()[1].split(",")[2] != ""
    assert back.splitlines()[1].split(",")[2] == ""


def test_matrix_agrees_with_the_engine(run):
    _, out, _ = run("matrix", "--from", "临夏市", "--to", "all-seats", "--scenario",
                    "linxia-open-2024", "--format", "json")  # fmt: skip
    found = {row["destination"]: row["minutes"] for row in json.loads(out)}
    graph = travel.compile_graph(
        scenario.network_of(scenario.builtin("linxia-open-2024")), standards.read_profile()
    )
    gazetteer = places.builtin()
    frame = travel.travel_times(graph, [gazetteer["linxia-shi"]], places.read_set("all-seats"))
    for row in frame.itertuples():
        expected = None if math.isnan(row.minutes) else pytest.approx(row.minutes, abs=1e-3)
        assert found[row.destination] == expected
    assert sum(minutes is not None for minutes in found.values()) > 25


def table_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_matrix_of_several_scenarios(run, refused):
    """Each scenario's rows are those of the scenario alone, with its id before them."""
    asked = ("matrix", "--from", "临夏市,康乐县", "--to", "永靖县,积石山县,康乐县")
    ids = ("linxia-base-2021", "linxia-expected-2027")
    status, out, err = run(*asked, "--scenario", ids[1], "--scenario", ids[0])
    assert (status, err.splitlines()) == (0, [ids[1], ids[0]])
    expected = [
        {"scenario": name} | row
        for name in ids[::-1]
        for row in table_of(run(*asked, "--scenario", name)[1])
    ]
    assert table_of(out) == expected
    assert list(expected[0]) == ["scenario", *MATRIX]
    assert len({row["minutes"] for row in expected}) > 6, "the scenarios do not differ"
    twice = run(*asked, "--scenario", ids[0], "--scenario", ids[0])[1]
    assert twice == run(*asked, "--scenario", ids[0])[1]
    assert "没有情景" in refused(*asked, "--scenario", ids[0], "--scenario", "linxia-open-2023")


def test_matrix_with_and_without_each_of_several_edit_files(run, refused, tmp_path):
    for name, kmh in (("slow", 60), ("fast", 100)):
        road = f"action: add, from: 康乐县, to: 和政县, class: class1, design_speed_kmh: {kmh}"
        (tmp_path / f"{name}.yaml").write_text(f"- {{{road}}}", encoding="utf-8")
    slow, fast = (str(tmp_path / f"{name}.yaml") for name in ("slow", "fast"))
    asked = ("matrix", "--from", "康乐县", "--to", "和政县,临夏市")
    edits = [("--edits", name) for name in ("", slow, fast)]
    both = (*asked, "--scenario", "linxia-open-2024", "--scenario", "linxia-base-2021")
    status, out, err = run(*both, *edits[0], *edits[1], *edits[2])
    assert status == 0
    assert "linxia-open-2024 不编辑 no edits" in err
    assert f"linxia-base-2021 {slow}" in err
    found = table_of(out)
    assert list(found[0]) == ["scenario", "edits", *MATRIX]
    assert len(found) == 12
    for name, option in zip(("", slow, fast), edits, strict=True):
        alone = table_of(run(*asked, "--scenario", "linxia-open-2024", *option)[1])
        here = [row for row in found if (row["scenario"], row["edits"])
                == ("linxia-open-2024", name)]  # fmt: skip
        assert [{key: row[key] for key in MATRIX} for row in here] == alone
    minutes = [float(row["minutes"]) for row in found if row["destination"] == "hezheng-xian"][:3]
    assert minutes[0] > minutes[1] > minutes[2]
    # Files are checked before the first matrix.
    (tmp_path / "slow.yaml").write_text("- {action: build}", encoding="utf-8")
    assert "slow.yaml" in refused(*asked, *edits[0], *edits[1])


def test_matrix_of_several_scenarios_on_a_network_file(run, toy_file, monkeypatch):
    """The file is read once, whatever the number of scenarios."""
    read, calls = network.read, []
    monkeypatch.setattr(network, "read", lambda path: calls.append(path) or read(path))
    asked = ("matrix", "--from", "临夏市", "--to", "linxia-xian", "--network", toy_file)
    ids = ("linxia-open-2024", "linxia-expected-2027")
    status, out, _ = run(*asked, "--scenario", ids[0], "--scenario", ids[1])
    assert (status, len(calls)) == (0, 1)
    assert [row["scenario"] for row in table_of(out)] == list(ids)


def test_ctrl_c_is_no_traceback(run, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(travel, "travel_times", interrupt)
    monkeypatch.setattr("spatialplan.distributed.travel_times", interrupt)
    status, out, err = run("matrix", "--from", "临夏市", "--to", "康乐县")
    assert (status, out, err) == (130, "", "已中断 interrupted\n")


def test_matrix_into_a_file(run, refused, tmp_path):
    path = tmp_path / "时间.csv"
    asked = ("matrix", "--from", "临夏市", "--to", "康乐县", "-o", path)
    status, out, _ = run(*asked)
    assert (status, out) == (0, "")
    assert path.read_bytes().startswith(b"\xef\xbb\xbforigin,destination,minutes")  # for Excel
    before = path.read_bytes()
    refused("matrix", "--from", "临夏市", "--to", "康东县", "-o", path)
    assert path.read_bytes() == before  # untouched by a fault
    assert sorted(tmp_path.iterdir()) == [path]  # and no half file beside it
    (tmp_path / "folder").mkdir()
    assert "写入" in refused(*asked[:-1], tmp_path / "folder")


def test_matrix_of_places_that_are_not_there(refused):
    err = refused("matrix", "--from", "临夏是,康乐县", "--to", "甲,乙")
    assert "临夏市" in err
    assert "--from" in err
    err = refused("matrix", "--from", "35.6,103.2", "--to", "临夏市")
    assert "经度在前" in err
    assert "30 km" in refused("matrix", "--from", "103.2,45.6", "--to", "临夏市")
    assert "命令有误" in refused("matrix", "--from", "临夏市")


# --- circle -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["geojson", "gpkg"])
def test_circles_in_a_file(run, tmp_path, suffix):
    path = tmp_path / f"圈.{suffix}"
    status, out, err = run("circle", "--from", "临夏市", "--minutes", "30,60", "-o", path)
    assert (status, out, err) == (0, "", "")
    frame = gpd.read_file(path)
    assert list(frame["minutes"]) == [30, 60]
    assert set(frame["origin"]) == {"linxia-shi"}
    assert set(frame["direction"]) == {"from"}
    assert frame.crs.to_epsg() == (4326 if suffix == "geojson" else 4490)
    inner, outer = frame.geometry
    assert inner.difference(outer).area < 1e-9
    assert outer.contains(shapely.Point(103.21, 35.60))


def test_circles_to_a_position(run, toy_file, tmp_path):
    path = tmp_path / "c.geojson"
    lon, lat = toy.lonlat(98, 0)
    status, _, _ = run("circle", "--from", f"{lon},{lat}", "--minutes", "20", "--reverse",
                       "--network", toy_file, "-o", path)  # fmt: skip
    assert status == 0
    [shape] = gpd.read_file(path).geometry
    assert shape.contains(shapely.Point(toy.lonlat(92, 0)))  # upstream of the one-way road
    forward = tmp_path / "f.geojson"
    run("circle", "--from", f"{lon},{lat}", "--minutes", "20", "--network", toy_file, "-o", forward)
    assert not gpd.read_file(forward).geometry[0].contains(shapely.Point(toy.lonlat(92, 0)))


def test_circles_that_cannot_be(refused, tmp_path):
    path = tmp_path / "c.geojson"
    for minutes in ("", "x", "-5", "0", "nan", "99999", "30;60"):
        assert "--minutes" in refused(
            "circle", "--from", "临夏市", "--minutes", minutes, "-o", path
        )
    assert "gpkg" in refused("circle", "--from", "临夏市", "-o", tmp_path / "c.shp")
    refused("circle", "--from", "无此地", "-o", path)
    assert list(tmp_path.iterdir()) == []


# --- lists, network, edits ----------------------------------------------------------------------


def test_lists(run, refused):
    status, out, _ = run("plans")
    assert status == 0
    assert all(name in out for name in plan.plan_ids())
    _, out, _ = run("plans", "show", "linxia-2021")
    assert "linxia-2021/L5" in out
    assert "linxia-2021/linda" in out
    assert "一心四带多节点" in out
    _, out, _ = run("scenarios")
    assert all(s.id in out for s in scenario.scenarios())
    _, out, _ = run("places", "康乐")
    assert "kangle-xian" in out
    assert "longnan" not in out
    assert "康乐" in refused("places", "康乐的")
    assert "plans" in refused("plans", "show")
    assert "linxia-2021" in refused("plans", "show", "linxia")


def test_network_info_and_export(run, refused, tmp_path, toy_file):
    status, out, _ = run("network", "info", "--scenario", "linxia-base-2021")
    assert status == 0
    assert "linxia-base-2021" in out
    path = tmp_path / "n.gpkg"
    status, out, _ = run("network", "export", "--network", toy_file, "-o", path)
    assert (status, out) == (0, "")
    assert len(gpd.read_file(path, layer="links")) == 2
    assert "-o" in refused("network", "export")


def test_edits_validate(run, tmp_path):
    good, bad, none = (tmp_path / f"{name}.yaml" for name in ("good", "bad", "none"))
    good.write_text("edits:\n  - {action: close, where: {ref: G310}}\n", encoding="utf-8")
    bad.write_text("edits:\n  - {action: close, where: {ref: G999}}\n", encoding="utf-8")
    status, out, err = run("edits", "validate", good)
    assert status == 0
    assert "good.yaml: 通过 valid" in out
    assert "good.yaml 第1条 close" in err
    status, out, err = run("edits", "validate", bad, good, none)
    assert status == 2
    assert "good.yaml: 通过 valid" in out
    assert "bad.yaml 第1条" in err
    assert "none.yaml" in err
    assert "Traceback" not in err


def test_a_network_file_with_faults(refused, tmp_path):
    nodes, links = (tmp_path / "n.gpkg"), None
    network = toy.network({"a": (0, 0), "b": (10, 0)}, [toy.link("a", "b", 11)])
    links = network.links.assign(length_km=-1.0, to_node="z")
    type(network)(network.nodes, links).write(nodes)
    err = refused("network", "info", "--network", nodes)
    assert len(err.strip().splitlines()) == 2
    assert "n.gpkg a-b" in err


# --- around it ----------------------------------------------------------------------------------


def test_another_data_folder(run, refused, tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALPLAN_DATA", str(tmp_path))
    assert "places.csv" in refused("places", "临夏")
    source = Path(__file__).parents[1] / "data" / "raw"
    copy = tmp_path / "data"
    shutil.copytree(source, copy)
    table = copy / "places.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("康乐县,", "新康乐县,"), "utf-8")
    monkeypatch.setenv("SPATIALPLAN_DATA", str(copy))
    assert "新康乐县" in run("places", "康乐")[1]
    (copy / "links.csv").unlink()
    assert "links.csv" in refused("network", "info")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "places.csv").touch()
    monkeypatch.setenv("SPATIALPLAN_DATA", str(empty))
    assert "places.csv" in refused("places", "临夏")
    monkeypatch.delenv("SPATIALPLAN_DATA")
    assert "新康乐县" not in run("places", "康乐")[1]


def test_version_and_help(run):
    status, out, err = run("--version")
    assert (status, err) == (0, "")
    assert out.startswith("spatialplan ")
    status, out, _ = run("--help")
    assert status == 0
    for command in ("report", "check", "matrix", "circle", "map", "plans", "scenarios", "places"):
        assert command in out


def program(*arguments, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-m", "spatialplan", *arguments],
        env=environment | options.pop("env", {}), capture_output=True, timeout=60, check=False,
        **options,
    )  # fmt: skip


def test_python_m_is_the_same_program(tmp_path):
    # Even where the console speaks GBK, a pipe gets UTF-8.
    done = program("places", "康乐", env={"PYTHONIOENCODING": "gbk"}, cwd=tmp_path)
    assert done.returncode == 0
    assert "康乐县" in done.stdout.decode("utf-8")
    assert done.stderr == b""
    done = program("places", "康乐的", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert "错误 error" in done.stderr.decode("utf-8")
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
