"""A travel-time matrix too large for one machine: origins in partitions on a Dask cluster."""

from __future__ import annotations

import contextlib
import gc
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from spatialplan.errors import Fault, InputError, collect
from spatialplan.files import atomic_path
from spatialplan.places import Place
from spatialplan.tables import matrix_table
from spatialplan.travel import Graph, travel_times

if TYPE_CHECKING:
    from distributed import Client, Future
    from tqdm import tqdm

__all__ = ["partition_size", "write_matrix"]

CONNECT_SECONDS = 10.0
RETURN_SECONDS = 60.0  # that we wait for a worker when all were lost: most are started again
SENDINGS = 5  # times that the graph is sent when all its copies are lost with their workers
AHEAD = 4  # partitions under way for each processor: none idles, and few results pile up
CELLS = 4_000_000  # numbers of each kind that a partition holds in memory, eight bytes each
SAME_VERSIONS = ("spatialplan", "numpy", "pandas", "scipy")  # else results might differ
PART = re.compile(r"part-\d{6,}\.parquet")


@dataclass(frozen=True)
class Load:
    """What a worker needs once, whatever the origins."""

    graph: Graph
    destinations: tuple[Place, ...]
    mode: str

    def parquet(self, origins: Sequence[Place]) -> bytes:
        """Return the rows of some origins as a Parquet file."""
        table = travel_times(self.graph, origins, self.destinations, mode=self.mode)
        return matrix_table(table).to_parquet(index=False, engine="pyarrow")


def write_matrix(
    graph: Graph,
    origins: Sequence[Place],
    destinations: Sequence[Place],
    folder: str | Path,
    *,
    mode: str = "road",
    scheduler: str = "",
    size: int | None = None,
) -> None:
    """Write the travel times between places as a folder of Parquet files.

    ``pandas.read_parquet(folder)`` is ``tables.matrix_table(travel.travel_times(…))`` of the
    same places, row by row, however the work was parted. What a lost worker had is done again
    by another.

    Parameters
    ----------
    folder
        A result of an earlier run is replaced, once the new one is complete.
    scheduler
        Address of a Dask scheduler; by default a cluster on this machine, one process for
        each core, that ends with the work.
    size
        Origins in a partition; by default as memory and the number of workers suggest.

    Raises
    ------
    InputError
        When the extra is not installed, a place is far from every road, the folder is not
        ours or cannot be written, the scheduler does not answer, or its workers cannot do it.
    """
    _distributed()
    folder = Path(folder)
    load = Load(graph.slim([*origins, *destinations]), tuple(destinations), mode)
    with _in_place(folder) as fresh, _client(scheduler) as client:
        workers = client.nthreads()
        size = size or partition_size(load, len(origins), sum(workers.values()))
        starts = range(0, max(len(origins), 1), size)
        parts = [tuple(origins[start : start + size]) for start in starts]
        with _bar(len(origins), len(workers)) as bar:
            for number, content in _results(client, load, parts):
                _write(fresh / f"part-{number:06d}.parquet", content)
                bar.update(len(parts[number]))


def partition_size(load: Load, origins: int, processors: int) -> int:
    """Return how many origins go together: few enough for memory, and for all to have work."""
    rail = len(load.graph.stations[0]) ** 2  # each boarding with each alighting
    cells = 2 * load.graph.size + 6 * len(load.destinations) + rail
    fair = -(-origins // (AHEAD * max(processors, 1)))
    return max(1, min(CELLS // cells, fair))


@contextlib.contextmanager
def _bar(origins: int, workers: int) -> Iterator[tqdm]:
    from tqdm import tqdm

    name = f"矩阵 matrix,{workers} 个进程 workers"
    options = {"unit": " 起点 origins", "file": sys.stderr, "disable": None, "leave": False}
    with tqdm(desc=name, total=origins, delay=1.5, **options) as bar:
        yield bar


# --- the folder -------------------------------------------------------------------------------


@contextlib.contextmanager
def _in_place(folder: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of `folder` when the block ends well."""
    if folder.exists() and not folder.is_dir():
        raise InputError.of(folder, "这是文件;请用 -o 指定文件夹", "a file; name a folder with -o")
    with atomic_path(folder) as fresh:
        if folder.exists() and not all(PART.fullmatch(path.name) for path in folder.iterdir()):
            raise InputError.of(
                folder,
                "文件夹里有别的内容;请用 -o 另选文件夹",
                "the folder holds something else; choose another with -o",
            )
        fresh.mkdir()
        yield fresh
        if folder.exists():
            _put_aside(folder, fresh.with_name("before"))


def _put_aside(folder: Path, aside: Path) -> None:
    try:
        folder.rename(aside)
    except OSError as error:
        raise InputError.of(
            folder,
            "旧结果正被占用;请关闭使用它的程序后重试",
            f"the old result is in use; close it and try again: {error.strerror}",
        ) from None


def _write(path: Path, content: bytes) -> None:
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise InputError.of(
            path.parent.name,
            "写不进结果;请检查磁盘空间和权限",
            f"cannot be written, perhaps the disk is full: {error.strerror}",
        ) from None


# --- the cluster ------------------------------------------------------------------------------


def _distributed() -> ModuleType:
    try:
        import distributed
        import pyarrow as pa  # noqa: F401 - pandas needs it for Parquet
    except ImportError:
        raise InputError.of(
            "--engine dask",
            "分布式计算需要 Dask 和 pyarrow;请运行 pip install 'spatialplan[dask]'",
            "the dask extra is needed: pip install 'spatialplan[dask]'",
        ) from None
    return distributed


@contextlib.contextmanager
def _client(address: str) -> Iterator[Client]:
    """Give a client of a scheduler, or of a cluster of our own; faults become one line each."""
    where = f"--scheduler {address}" if address else "--engine dask"
    distributed = _distributed()
    failure = ""
    with _quiet(), contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(_connected(distributed, address))
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            versions = client.get_versions(packages=SAME_VERSIONS)
        except (OSError, ValueError, RuntimeError) as error:
            failure = _first_line(error)
        if failure:
            # A client that did not connect goes now, not while the next one takes the same lock.
            gc.collect()
            raise InputError.of(
                where,
                "连不上调度器,或它没有工作进程;请检查地址(如 tcp://10.0.0.5:8786)、端口和防火墙",
                f"no scheduler answers, or it has no workers: {failure}",
            )
        collect(_version_faults(versions, where))
        _check_import(client, where)
        try:
            yield client
        except (distributed.KilledWorker, MemoryError):
            raise InputError.of(
                where,
                "工作进程内存不足,或反复退出;请减少每台机器的进程数",
                "workers ran out of memory, or died again and again; use fewer of them",
            ) from None
        except (OSError, CancelledError) as error:
            raise InputError.of(
                where,
                "与集群的联系中断;请检查调度器和工作进程,然后重新运行",
                f"the cluster was lost; see to it and run this again: {_first_line(error)}",
            ) from None


@contextlib.contextmanager
def _connected(distributed: ModuleType, address: str) -> Iterator[Client]:
    if address:
        with distributed.Client(address, timeout=CONNECT_SECONDS) as client:
            yield client
        return
    from dask.system import CPU_COUNT

    own = distributed.LocalCluster(
        n_workers=CPU_COUNT,
        threads_per_worker=1,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )
    with own, distributed.Client(own) as client:
        yield client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from telling what we tell ourselves, in one line and in Chinese."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*Mismatched versions found")
            yield
    finally:
        logger.setLevel(before)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _version_faults(versions: Mapping[str, Any], where: str) -> list[Fault]:
    """Return one fault for each package that some workers lack or have in another version."""
    ours = versions["client"]["packages"]
    found: dict[tuple[str, str | None], list[str]] = {}
    for worker, told in versions["workers"].items():
        for name in SAME_VERSIONS:
            theirs = told["packages"].get(name)
            if theirs != ours[name]:
                found.setdefault((name, theirs), []).append(worker)
    return [
        Fault(
            where,
            f"{len(workers)} 个工作进程(如 {workers[0]})的 {name} 是 {theirs or '未安装'},"
            f"这里是 {ours[name]};请装成同一版本",
            f"{name} is {theirs or 'missing'} on some workers and {ours[name]} here; "
            "install the same version",
        )
        for (name, theirs), workers in found.items()
    ]


def _check_import(client: Client, where: str) -> None:
    try:
        client.run(_ready)
    except Exception as error:  # whatever stops the import over there
        raise InputError.of(
            where,
            "工作进程不能载入 spatialplan;请在那里运行 python -m spatialplan plans 查看原因",
            f"a worker cannot import spatialplan: {_first_line(error)}",
        ) from None


def _ready() -> None:
    """Do nothing: a worker that has got this far has imported what it needs."""


# --- the work ---------------------------------------------------------------------------------


def _results(
    client: Client, load: Load, parts: Sequence[Sequence[Place]]
) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the file of each partition, once, in the order they get done.

    Dask gives what a lost worker had to another. When every copy of the graph was lost with
    the workers, Dask cannot go on by itself: then the graph is sent again.
    """
    missing = dict(enumerate(parts))
    for _ in range(SENDINGS):
        with contextlib.suppress(CancelledError):
            for number, content in _done(client, load, list(missing.items())):
                del missing[number]
                yield number, content
        if not missing:
            return
    raise CancelledError("all copies of the graph were lost")


def _done(
    client: Client, load: Load, parts: Sequence[tuple[int, Sequence[Place]]]
) -> Iterator[tuple[int, bytes]]:
    from distributed import wait

    shared = client.scatter(load, broadcast=True, hash=False, timeout=RETURN_SECONDS)
    waiting = iter(parts)
    running: dict[Future, int] = {}
    while True:
        processors = sum(client.nthreads().values())
        wanted = AHEAD * max(processors, 1) - len(running)
        for number, origins in islice(waiting, max(wanted, 0)):
            running[client.submit(Load.parquet, shared, origins, pure=False)] = number
        if not running:
            return
        for future in wait(list(running), return_when="FIRST_COMPLETED").done:
            yield running.pop(future), future.result()
