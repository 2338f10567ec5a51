"""A matrix on a Dask cluster is the matrix of one process, whatever happens on the way."""

from __future__ import annotations

import errno
import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from spatialplan import cli, distributed, places, scenario, searches, standards, tables, travel
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


@pytest.fixture(scope="module")
def graph() -> Graph:
    network = scenario.network_of(scenario.builtin("linxia-open-2024"))
    return travel.compile_graph(network, standards.read_profile())


@pytest.fixture(scope="module")
def origins() -> list[Place]:
    """Some seats, one of them twice, and a position beside a road."""
    seats = places.read_set("all-seats")[:20]
    return [*seats, seats[3], *places.read_set("103.25,35.62")]


@pytest.fixture(scope="module")
def destinations() -> list[Place]:
    return places.read_set("all-towns")[::8]


@pytest.fixture
def ends(origins: list[Place], destinations: list[Place]) -> tuple[list[Place], list[Place]]:
    return origins, destinations


def local(graph: Graph, ends: tuple[list[Place], list[Place]], mode: str = "road") -> pd.DataFrame:
    return tables.matrix_table(travel.travel_times(graph, *ends, mode=mode))


def is_whole(folder: Path, expected: pd.DataFrame) -> bool:
    """Whether a folder holds exactly this table, and nothing lies beside it."""
    pd.testing.assert_frame_equal(pd.read_parquet(folder), expected)
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
def test_any_partition_gives_the_table_of_one_process(cluster, graph, ends, mode, tmp_path):
    expected = local(graph, ends, mode)
    assert expected["minutes"].notna().any()
    for size, parts in ((5, 5), (100, 1)):
        folder = tmp_path / mode
        address = cluster.scheduler_address
        distributed.write_matrix(graph, *ends, folder, mode=mode, scheduler=address, size=size)
        assert len(list(folder.iterdir())) == parts
        assert is_whole(folder, expected)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [1, 2])
def test_killed_workers_lose_nothing(
    cluster, graph, ends, killed, after_writing, monkeypatch, tmp_path
):
    """With both workers go all copies of the graph, which Dask cannot make again."""
    monkeypatch.setattr(distributed, "AHEAD", len(ends[0]))
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
    distributed.write_matrix(graph, *ends, folder, scheduler=cluster.scheduler_address, size=1)
    assert len(under_way) == killed
    assert all(under_way), "nothing was under way when the worker died"
    assert not any(victim.is_running() for victim in victims)
    assert len(list(folder.iterdir())) == len(ends[0])
    assert is_whole(folder, local(graph, ends))


def test_compiled_searches_give_the_same_in_any_partition(
    thread, graph, ends, monkeypatch, tmp_path
):
    monkeypatch.setattr(searches, "LARGE", 0)
    expected = local(graph, ends)
    for size in (1, 6):
        folder = tmp_path / "matrix"
        address = thread.scheduler_address
        distributed.write_matrix(graph, *ends, folder, scheduler=address, size=size)
        assert is_whole(folder, expected)


def test_partitions_fit_memory_and_give_all_work(graph, ends, monkeypatch):
    load = distributed.Load(graph, tuple(ends[1]), "road")
    assert distributed.partition_size(load, 80, processors=2) == 10
    assert distributed.partition_size(load, 3, processors=8) == 1
    monkeypatch.setattr(distributed, "CELLS", 25_000)
    assert 1 < distributed.partition_size(load, 80, processors=2) < 10
    monkeypatch.setattr(distributed, "CELLS", 10)
    assert distributed.partition_size(load, 80, processors=2) == 1


def test_command_line_on_a_cluster_of_its_own(capsys, tmp_path):
    asked = ["matrix", "--from", "临夏市,康乐县,夏河县", "--to", "all-seats"]
    assert cli.main([*asked, "--engine", "dask", "-o", str(tmp_path / "matrix")]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.main([*asked, "-o", str(tmp_path / "matrix.csv")]) == 0
    found = pd.read_parquet(tmp_path / "matrix")
    pd.testing.assert_frame_equal(found, pd.read_csv(tmp_path / "matrix.csv"))


# --- what goes wrong --------------------------------------------------------------------------


@pytest.fixture
def refused(tmp_path, graph, ends):
    """Give the message of what must be refused, the old result still there and nothing else."""
    folder = tmp_path / "matrix"
    folder.mkdir()
    (folder / "part-000000.parquet").write_bytes(b"old")

    def call(**options) -> str:
        with pytest.raises(InputError) as error:
            distributed.write_matrix(graph, *ends, folder, **options)
        assert [path.name for path in tmp_path.iterdir()] == ["matrix"]
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
    message = refused(scheduler=thread.scheduler_address, size=1)
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

    monkeypatch.setattr(distributed, "travel_times", too_large)
    assert "内存不足" in refused(scheduler=thread.scheduler_address)


def test_full_disk(refused, thread, monkeypatch):
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name == "part-000002.parquet":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    message = refused(scheduler=thread.scheduler_address, size=1)
    assert "磁盘空间" in message
    assert "No space left" in message


def test_place_far_from_every_road_is_named_before_anything_starts(graph, ends, tmp_path):
    far = Place("远方", 103.2, 45.6)
    with pytest.raises(InputError, match="30 km"):
        distributed.write_matrix(graph, [far], ends[1], tmp_path / "x", scheduler="nowhere:1")


def test_folder_of_something_else_is_left_alone(graph, ends, tmp_path):
    for name, there in (("notes.txt", "notes.txt"), ("sub/part-000000.parquet", "sub")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine", encoding="utf-8")
        with pytest.raises(InputError, match="别的内容"):
            distributed.write_matrix(graph, *ends, tmp_path, scheduler="nowhere:1")
        assert (tmp_path / there).exists()
    with pytest.raises(InputError, match="这是文件"):
        distributed.write_matrix(graph, *ends, tmp_path / "notes.txt", scheduler="nowhere:1")
    with pytest.raises(InputError, match="无法写入"):
        distributed.write_matrix(graph, *ends, tmp_path / "notes.txt" / "x", scheduler="nowhere:1")


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
