"""A matrix on a Dask cluster is the matrix of one process, whatever happens on the way."""

from __future__ import annotations

import errno
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
import pytest

from spatialplan import (
    assessment,
    cli,
    distributed,
    edits,
    places,
    scenario,
    searches,
    standards,
    travel,
)
from spatialplan.distributed import Case, Load
from spatialplan.errors import InputError
from spatialplan.places import Place
from spatialplan.travel import Graph

dask = pytest.importorskip("distributed", reason="the dask extra is not installed")


def cluster_of(workers: int, *, processes: bool = True) -> dask.LocalCluster:
    return dask.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=processes,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[dask.LocalCluster]:
    with cluster_of(2) as found:
        yield found


@pytest.fixture
def thread() -> Iterator[dask.LocalCluster]:
    """One worker in this process: starts at once."""
    with cluster_of(1, processes=False) as found:
        yield found


def graph_of(scenario_id: str) -> Graph:
    network = scenario.network_of(scenario.builtin(scenario_id))
    return travel.compile_graph(network, standards.read_profile())


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of("linxia-open-2024")


@pytest.fixture(scope="module")
def origins() -> list[Place]:
    """Some seats, one of them twice, and a position beside a road."""
    seats = places.read_set("all-seats")[:20]
    return [*seats, seats[3], *places.read_set("103.25,35.62")]


@pytest.fixture(scope="module")
def destinations() -> list[Place]:
    return places.read_set("all-towns")[::8]


@pytest.fixture
def case(graph: Graph, origins: list[Place], destinations: list[Place]) -> Case:
    return Case(graph, origins, destinations)


def assert_same(folder: Path, expected: pd.DataFrame) -> None:
    """The text in a folder is categories, so that a hundred million rows fit into memory."""
    found = pd.read_parquet(folder)
    texts = [name for name in expected if not pd.api.types.is_numeric_dtype(expected[name])]
    assert all(found[name].dtype == "category" for name in texts)
    asked = found.astype(dict.fromkeys(texts, str))
    pd.testing.assert_frame_equal(asked, expected.astype(dict.fromkeys(texts, str)))


def is_whole(folder: Path, expected: pd.DataFrame) -> bool:
    """Whether a folder holds exactly this table, and nothing lies beside it."""
    assert_same(folder, expected)
    return [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.fixture
def after_writing(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Have something happen once, as soon as some partitions are written."""

    def arrange(partitions: int, happening: Callable[[], object]) -> None:
        write, written = distributed._write, []

        def write_and_see(path: Path, content: bytes) -> None:
            write(path, content)
            written.append(path)
            if len(written) == partitions:
                happening()

        monkeypatch.setattr(distributed, "_write", write_and_see)

    return arrange


# --- the result -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["road", "rail", "all"])
def test_any_partition_gives_the_table_of_one_process(
    cluster, graph, origins, destinations, mode, tmp_path
):
    case = Case(graph, origins, destinations, mode)
    expected = distributed.matrix([case])
    assert expected["minutes"].notna().any()
    for size, parts in ((5, 5), (100, 1)):
        folder = tmp_path / mode
        address = cluster.scheduler_address
        distributed.write_matrix([case], folder, scheduler=address, size=size)
        assert len(list(folder.iterdir())) == parts
        assert is_whole(folder, expected)


def test_cases_come_one_below_the_other(thread, graph, origins, destinations, tmp_path):
    later = graph_of("linxia-expected-2027")
    cases = [
        Case(graph, origins, destinations, labels={"scenario": "now", "edits": ""}),
        Case(later, origins[::-1], destinations[:3], labels={"scenario": "later", "edits": "a"}),
    ]
    expected = distributed.matrix(cases)
    assert list(expected)[:3] == ["scenario", "edits", "origin"]
    assert list(expected["scenario"].unique()) == ["now", "later"]
    address = thread.scheduler_address
    distributed.write_matrix(iter(cases), tmp_path / "matrix", scheduler=address, size=4)
    assert is_whole(tmp_path / "matrix", expected)


def test_what_follows_the_drive_to_a_station_is_found_once(
    thread, graph, origins, destinations, monkeypatch, tmp_path
):
    found, calls = travel._Rails.of.__func__, []

    def counted(*given: object) -> travel._Rails:
        calls.append(given)
        return found(travel._Rails, *given)

    monkeypatch.setattr(travel._Rails, "of", counted)
    case = Case(graph, origins, destinations, "rail")
    address = thread.scheduler_address
    distributed.write_matrix([case], tmp_path / "matrix", scheduler=address, size=1)
    assert len(calls) == 1
    monkeypatch.undo()
    assert is_whole(tmp_path / "matrix", distributed.matrix([case]))


@pytest.mark.parametrize("large", [0, 10**9])
@pytest.mark.parametrize("mode", ["road", "rail"])
def test_what_is_sent_holds_no_lines_and_no_times(
    graph, origins, destinations, mode, large, monkeypatch
):
    monkeypatch.setattr(searches, "LARGE", large)
    network = scenario.network_of(scenario.builtin("linxia-open-2024"))
    case = Case(Graph(network, graph.profile, graph.arcs), origins, destinations, mode)
    load = Load.of(case)
    before = load.parquet(origins, b"mark")
    sent = pickle.dumps(load, 5)
    assert len(sent) < 500 * graph.size + 2_000_000
    assert b"LineString" not in sent
    assert pickle.loads(sent).parquet(origins, b"mark") == before


@pytest.mark.slow
@pytest.mark.parametrize("killed", [1, 2])
def test_killed_workers_lose_nothing(cluster, case, killed, after_writing, monkeypatch, tmp_path):
    """With both workers go all copies of the graph, which Dask cannot make again."""
    monkeypatch.setattr(distributed, "AHEAD", len(case.origins))
    monkeypatch.setattr(distributed, "RETURN_SECONDS", 300.0)  # a busy machine starts them slowly
    cluster.wait_for_workers(2, timeout=60)
    workers = list(cluster.workers.values())[:killed]
    victims = [psutil.Process(worker.pid) for worker in workers]
    under_way = []

    def kill() -> None:
        for worker, victim in zip(workers, victims, strict=True):
            under_way.append(len(cluster.scheduler.workers[worker.worker_address].processing))
            victim.kill()

    def freeze() -> None:
        """Let them finish nothing more of what they have begun, and kill them a little later."""
        for victim in victims:
            victim.suspend()
        threading.Timer(0.3, kill).start()

    after_writing(1, freeze)
    folder = tmp_path / "matrix"
    distributed.write_matrix([case], folder, scheduler=cluster.scheduler_address, size=1)
    assert len(under_way) == killed
    assert all(under_way), "nothing was under way when the worker died"
    assert not any(victim.is_running() for victim in victims)
    assert len(list(folder.iterdir())) == len(case.origins)
    assert is_whole(folder, distributed.matrix([case]))


def test_compiled_searches_give_the_same_in_any_partition(thread, case, monkeypatch, tmp_path):
    monkeypatch.setattr(searches, "LARGE", 0)
    expected = distributed.matrix([case])
    for size in (1, 6):
        folder = tmp_path / "matrix"
        address = thread.scheduler_address
        distributed.write_matrix([case], folder, scheduler=address, size=size)
        assert is_whole(folder, expected)


def test_what_is_mended_after_edits_is_sent_right(
    thread, origins, destinations, monkeypatch, tmp_path
):
    """Compiled graphs of edited networks are made from those before; the matrix is as if not."""
    road = {"action": "add", "from": "康乐县", "to": "和政县", "class": "class1"}
    changed = edits.parse([road | {"design_speed_kmh": 100}], "here")
    now = assessment.situation("linxia-open-2024")

    def cases() -> Iterator[Case]:
        for found in (now, assessment.edited(now, changed)):
            graph = travel.compile_graph(found.network, found.profile)
            labels = {"edits": "yes" if found.applied else ""}
            yield Case(graph, origins, destinations, "all", labels)

    expected = distributed.matrix(cases())
    fast, slow = (rows["minutes"].sum() for _, rows in expected.groupby("edits", sort=True))
    assert fast != slow
    monkeypatch.setattr(searches, "LARGE", 0)
    for found in (now, assessment.edited(now, changed)):
        found.network.kept.clear()
    address = thread.scheduler_address
    distributed.write_matrix(cases(), tmp_path / "matrix", scheduler=address, size=3)
    found = pd.read_parquet(tmp_path / "matrix")
    for column in ("minutes", "km"):
        assert found[column].tolist() == pytest.approx(
            expected[column].tolist(), abs=0.02, nan_ok=True
        )


def test_partitions_fit_memory_and_give_all_work(case, monkeypatch):
    ends = Load.of(case).destinations
    assert distributed.partition_size(ends, 3) == 1
    assert distributed.partition_size(ends, 2_800) == 11
    monkeypatch.setattr(distributed, "CELLS", 4 * len(case.destinations))
    assert distributed.partition_size(ends, 2_800) == 4
    by_train = Load.of(Case(case.graph, case.origins, case.destinations, "rail")).destinations
    assert distributed.partition_size(by_train, 2_800) == 1


def test_processes_fit_memory(case, monkeypatch):
    load = Load.of(case)
    monkeypatch.setattr("dask.system.CPU_COUNT", 16)
    for gigabytes, count in ((256, 16), (8, 4), (1, 1)):
        monkeypatch.setattr("distributed.system.MEMORY_LIMIT", gigabytes * 10**9)
        assert distributed._processes(load) == count


def test_command_line_on_a_cluster_of_its_own(capsys, tmp_path):
    asked = ["matrix", "--from", "临夏市,康乐县,夏河县", "--to", "all-seats"]
    assert cli.main([*asked, "--engine", "dask", "-o", str(tmp_path / "matrix")]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main([*asked, "-o", str(tmp_path / "matrix.csv")]) == 0
    assert_same(tmp_path / "matrix", pd.read_csv(tmp_path / "matrix.csv"))


# --- progress, and runs that break off ----------------------------------------------------------


def test_a_log_gets_lines(thread, case, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(distributed, "LINE_SECONDS", 0.0)
    case = Case(case.graph, case.origins, case.destinations, labels={"scenario": "2027"})
    address = thread.scheduler_address
    distributed.write_matrix([case], tmp_path / "matrix", scheduler=address, size=2)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) >= 10
    assert all(line.startswith("矩阵 matrix 2027: ") for line in lines)
    assert "\r" not in err
    assert "20/22 起点 origins" in err


def test_an_interrupted_run_goes_on_where_it_was(
    thread, case, after_writing, monkeypatch, capsys, tmp_path
):
    def interrupt() -> None:
        raise KeyboardInterrupt

    folder, address = tmp_path / "matrix", thread.scheduler_address
    after_writing(3, interrupt)
    with pytest.raises(KeyboardInterrupt):
        distributed.write_matrix([case], folder, scheduler=address, size=2)
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.unfinished"]
    assert len(list((tmp_path / "matrix.unfinished").iterdir())) == 3
    assert "3 部分保存在 matrix.unfinished" in capsys.readouterr().err

    again = written(monkeypatch)
    distributed.write_matrix([case], folder, scheduler=address, size=2)
    assert len(again) == 8
    assert "11 部分中已有 3 部分" in capsys.readouterr().err
    assert is_whole(folder, distributed.matrix([case]))


def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are written from now on."""
    write, found = distributed._write, []

    def note(path: Path, content: bytes) -> None:
        write(path, content)
        found.append(path.name)

    monkeypatch.setattr(distributed, "_write", note)
    return found


def test_only_what_is_right_is_taken_over(thread, case, monkeypatch, capsys, tmp_path):
    """Another network, damage, what a power cut left, another division: all done anew."""
    folder, kept = tmp_path / "matrix", tmp_path / "matrix.unfinished"
    address = thread.scheduler_address
    distributed.write_matrix([case], kept, scheduler=address, size=2)
    (kept / "part-000002.parquet").write_bytes(b"PAR1")
    (kept / "part-000003.parquet").write_bytes((kept / "part-000004.parquet").read_bytes())
    (kept / "part-000011.parquet").write_bytes(b"")
    (kept / ".writing-abc").mkdir()
    (kept / ".writing-abc" / "part-000005.parquet").write_bytes(b"half")

    again = written(monkeypatch)
    distributed.write_matrix([case], folder, scheduler=address, size=2)
    assert sorted(again) == ["part-000002.parquet", "part-000003.parquet"]
    assert is_whole(folder, distributed.matrix([case]))
    capsys.readouterr()

    folder.rename(kept)
    again.clear()
    other = Case(graph_of("linxia-expected-2027"), case.origins, case.destinations)
    distributed.write_matrix([other], folder, scheduler=address, size=2)
    assert len(again) == 11
    assert "另一次计算" in capsys.readouterr().err
    assert is_whole(folder, distributed.matrix([other]))


@pytest.mark.parametrize("what", ["mode", "labels", "profile", "km", "destination", "version"])
def test_the_mark_tells_what_differs(case, what, monkeypatch, tmp_path):
    def mark(case: Case) -> bytes:
        return Load.of(case).parts(case.origins, tmp_path, 0, 5)[0].mark

    before, graph, ends = mark(case), case.graph, list(case.destinations)
    assert mark(Case(Graph(graph.network, graph.profile, graph.arcs), case.origins, ends)) == before
    others = {
        "mode": lambda: Case(graph, case.origins, ends, "all"),
        "labels": lambda: Case(graph, case.origins, ends, labels={"scenario": "x"}),
        "profile": lambda: Case(
            travel.compile_graph(graph.network, standards.read_profile("design")),
            case.origins,
            ends,
        ),
        "km": lambda: Case(
            Graph(graph.network, graph.profile, replace(graph.arcs, km=graph.arcs.km + 1e-6)),
            case.origins,
            ends,
        ),
        "destination": lambda: Case(graph, case.origins, ends[::-1]),
        "version": lambda: case,
    }
    if what == "version":
        monkeypatch.setattr("spatialplan.__version__", "9.9")
    assert mark(others[what]()) != before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals to a group of processes")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_stopped_goes_on_when_it_is_given_again(how, tmp_path):
    """Ctrl-C reaches the workers as well; a power cut leaves nobody the time to tidy up."""
    folder, kept = tmp_path / "matrix", tmp_path / "matrix.unfinished"
    asked = ["matrix", "--from", "all-towns", "--to", "all-towns", "-o", str(folder)]
    command = [sys.executable, "-m", "spatialplan", *asked, "--engine", "dask"]
    group = {"start_new_session": True, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **group, encoding="utf-8") as run:
        give_up = time.monotonic() + 120
        while len(list(kept.glob("part-*"))) < 3 and run.poll() is None:
            assert time.monotonic() < give_up
            time.sleep(0.005)
        os.killpg(run.pid, how)
        said = run.communicate(timeout=60)[1]
    left = len(list(kept.glob("part-*")))
    assert left >= 3
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert [line[:3] for line in said.splitlines()] == ["已完成", "已中断"]
    again = subprocess.run(command, **group, encoding="utf-8", timeout=300, check=True)
    assert f"已有 {left} 部分" in again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["matrix"]
    towns = places.read_set("all-towns")
    latest = scenario.default(["linxia-2021", "pingliang-2021", "qinghai-2024"])
    found = pd.read_parquet(folder)
    assert len(found) == len(towns) ** 2
    some = found[found["origin"] == towns[7].key].reset_index(drop=True)
    expected = distributed.matrix([Case(graph_of(latest.id), [towns[7]], towns)])
    assert some["minutes"].tolist() == pytest.approx(expected["minutes"].tolist(), nan_ok=True)


# --- what goes wrong --------------------------------------------------------------------------


@pytest.fixture
def refused(tmp_path, case):
    """Give the message of what must be refused, the old result still there, and what was kept."""
    folder = tmp_path / "matrix"
    folder.mkdir()
    (folder / "part-000000.parquet").write_bytes(b"old")

    def call(kept: int = 0, **options) -> str:
        with pytest.raises(InputError) as error:
            distributed.write_matrix([case], folder, **options)
        found = {path.name: len(list(path.iterdir())) for path in tmp_path.iterdir()}
        assert found == {"matrix": 1} | ({"matrix.unfinished": kept} if kept else {})
        assert [path.read_bytes() for path in folder.iterdir()] == [b"old"]
        [fault] = error.value.faults
        assert "\n" not in str(fault)
        return str(fault)

    return call


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere://1.2.3.4:5", "127.0.0.1:port"])
def test_no_scheduler_there(refused, address, monkeypatch):
    monkeypatch.setattr(distributed, "CONNECT_SECONDS", 0.3)
    message = refused(scheduler=address)
    assert message.startswith(f"--scheduler {address}: 连不上调度器")
    left = [thing for thing in gc.get_objects() if type(thing) is dask.Client]
    assert left == [], "a client is to be finalized later, at a bad moment"


def test_scheduler_without_workers(refused, monkeypatch):
    monkeypatch.setattr(distributed, "CONNECT_SECONDS", 0.5)
    with cluster_of(0) as empty:
        assert "没有工作进程" in refused(scheduler=empty.scheduler_address)


def test_workers_that_leave_for_good(refused, thread, after_writing, monkeypatch):
    monkeypatch.setattr(distributed, "RETURN_SECONDS", 0.5)
    after_writing(3, lambda: thread.scale(0))
    message = refused(kept=3, scheduler=thread.scheduler_address, size=1)
    assert "联系中断" in message
    assert "No valid workers" in message


@pytest.mark.parametrize(("theirs", "said"), [("0.0.9", "0.0.9"), (None, "未安装")])
def test_workers_with_another_version(refused, thread, theirs, said, monkeypatch):
    versions = dask.Client.get_versions

    def other(client: dask.Client, packages: list[str]) -> dict:
        found = versions(client, packages=packages)
        for worker in found["workers"].values():
            worker["packages"]["spatialplan"] = theirs
        return found

    monkeypatch.setattr(dask.Client, "get_versions", other)
    message = refused(scheduler=thread.scheduler_address)
    assert f"spatialplan 是 {said}" in message
    assert "这里是 0." in message


def test_workers_that_cannot_import_it(refused, thread, monkeypatch):
    def broken() -> None:
        raise ImportError("DLL load failed")

    monkeypatch.setattr(distributed, "_ready", broken)
    message = refused(scheduler=thread.scheduler_address)
    assert "不能载入 spatialplan" in message
    assert "DLL load failed" in message


def test_workers_without_memory(refused, thread, monkeypatch):
    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(distributed, "matrix_table", too_large)
    assert "内存不足" in refused(scheduler=thread.scheduler_address)


def test_full_disk(refused, thread, monkeypatch):
    sync, calls = os.fsync, []

    def full(file: int) -> None:
        calls.append(file)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    monkeypatch.setattr(os, "fsync", full)
    message = refused(kept=2, scheduler=thread.scheduler_address, size=1)
    assert "磁盘空间" in message
    assert "No space left" in message


def test_place_far_from_every_road_is_named_before_anything_starts(case, tmp_path):
    far = Case(case.graph, [Place("远方", 103.2, 45.6)], case.destinations)
    with pytest.raises(InputError, match="30 km"):
        distributed.write_matrix([far], tmp_path / "x", scheduler="nowhere:1")
    assert list(tmp_path.iterdir()) == []


def test_folder_of_something_else_is_left_alone(case, tmp_path):
    def refused(folder: Path, said: str) -> None:
        with pytest.raises(InputError, match=said):
            distributed.write_matrix([case], folder, scheduler="nowhere:1")

    for name, there in (("notes.txt", "notes.txt"), ("sub/part-000000.parquet", "sub")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine", encoding="utf-8")
        refused(tmp_path, "别的内容")
        assert (tmp_path / there).exists()
    refused(tmp_path / "notes.txt", "这是文件")
    refused(tmp_path / "notes.txt" / "x", "无法写入")
    (tmp_path / "x.unfinished").mkdir()
    (tmp_path / "x.unfinished" / "thesis.docx").write_bytes(b"mine")
    refused(tmp_path / "x", "x.unfinished: 文件夹里有别的内容")
    assert (tmp_path / "x.unfinished" / "thesis.docx").exists()


@pytest.mark.parametrize("module", ["distributed", "pyarrow"])
def test_extra_that_is_not_installed(module, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    asked = ["matrix", "--from", "临夏市", "--to", "康乐县", "--engine", "dask"]
    assert cli.main([*asked, "-o", str(tmp_path / "matrix")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "pip install 'spatialplan[dask]'" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "dask"], "用 -o 给出文件夹"),
        (["--engine", "dask", "-o", "matrix", "--format", "json"], "不用 --format"),
        (["--scheduler", "localhost:8786"], "--engine dask"),
    ],
)
def test_options_that_do_not_go_together(options, said, capsys):
    assert cli.main(["matrix", "--from", "临夏市", "--to", "康乐县", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_unknown_engine(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["matrix", "--from", "临夏市", "--to", "康乐县", "--engine", "spark"])
    assert end.value.code == 2
    assert "spark" in capsys.readouterr().err
