"""Travel-time matrices too large for one machine: origins in partitions on a Dask cluster."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialplan.errors import Fault, InputError, collect
from spatialplan.files import atomic_path
from spatialplan.places import Place
from spatialplan.tables import matrix_table
from spatialplan.travel import Destinations, Graph, travel_times

if TYPE_CHECKING:
    from distributed import Client, Future
    from tqdm import tqdm

__all__ = ["Case", "matrix", "write_matrix"]

CONNECT_SECONDS = 10.0
RETURN_SECONDS = 60.0  # that we wait for a worker when all were lost: most are started again
LINE_SECONDS = 60.0  # between two lines that tell a log file how far the work is
SENDINGS = 5  # times that the graph is sent when all its copies are lost with their workers
AHEAD = 4  # partitions under way for each processor: none idles, and few results pile up
CELLS = 1_000_000  # pairs that a partition has at most: a quarter of a gigabyte while it is made
OWN_BYTES, VERTEX_BYTES = 1.0e9, 500  # memory of a worker: its own, and for each vertex
MEMORY_SHARE = 0.6  # of this machine, for its workers; the rest for the network and the system
PARTS = 256  # partitions at least, if there are as many origins: all have work, little is lost
# Ctrl-C reaches all processes of a terminal; what is to be said about it, we say.
CALM = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
SAME_VERSIONS = ("spatialplan", "numpy", "pandas", "scipy")  # else results might differ
PART = re.compile(r"part-\d{6,}\.parquet")
OURS = re.compile(rf"{PART.pattern}|\.writing-.*")  # with what a power cut may leave behind
UNFINISHED = ".unfinished"
MARK = b"spatialplan"  # in a file, what of it: tells whose work it is


@dataclass(frozen=True)
class Case:
    """One matrix: a network, places, a mode, and what its rows have in further columns."""

    graph: Graph
    origins: Sequence[Place]
    destinations: Sequence[Place]
    mode: str = "road"
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What a worker needs once, whatever the origins."""

    destinations: Destinations
    labels: Mapping[str, str]

    @classmethod
    def of(cls, case: Case) -> Load:
        slim = case.graph.slim([*case.origins, *case.destinations], case.mode)
        destinations = Destinations.of(slim, case.destinations, case.mode)
        destinations.prepare()
        return cls(destinations, case.labels)

    @cached_property
    def mark(self) -> bytes:
        """A digest of all that the times depend on, but for the origins."""
        graph, ends = self.destinations.graph, self.destinations.ends
        found = hashlib.blake2b(digest_size=16)
        arcs = [getattr(graph.arcs, each.name) for each in fields(graph.arcs)]
        for array in (*arcs, *graph.network.links.to_numpy(float).T):
            found.update(np.ascontiguousarray(array))
        versions = [sys.modules[name].__version__ for name in SAME_VERSIONS]
        rest = (versions, graph.profile, self.destinations.mode, dict(self.labels), ends.terminals)
        found.update(repr(rest).encode())
        return found.digest()

    def parts(self, origins: Sequence[Place], folder: Path, first: int, size: int) -> list[Part]:
        """Return partitions of some origins, and their files, numbered from `first` on."""
        terminal, found = self.destinations.graph.terminal, []
        for start in range(0, len(origins), size):
            some = tuple(origins[start : start + size])
            mark = hashlib.blake2b(self.mark, digest_size=16)
            mark.update(repr([terminal(origin) for origin in some]).encode())
            path = folder / f"part-{first + len(found):06d}.parquet"
            found.append(Part(path, some, mark.hexdigest().encode()))
        return found

    def parquet(self, origins: Sequence[Place], mark: bytes) -> bytes:
        """Return the rows of some origins as a Parquet file, text as numbers of a list."""
        import pyarrow as pa
        from pyarrow import parquet

        rows = matrix_table(self.destinations.times(origins), self.labels)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        texts = [name for name in rows if rows[name].dtype == "category"]
        file = io.BytesIO()
        marked = table.replace_schema_metadata({**table.schema.metadata, MARK: mark})
        parquet.write_table(marked, file, use_dictionary=texts)
        return file.getvalue()


@dataclass(frozen=True)
class Part:
    """Some origins, the file that their rows go to, and the mark that it must bear."""

    path: Path
    origins: tuple[Place, ...]
    mark: bytes

    @property
    def done(self) -> bool:
        """Whether the file is there and is of this very work."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            return (parquet.read_schema(self.path).metadata or {}).get(MARK) == self.mark
        except (OSError, pa.ArrowException):
            return False


def matrix(cases: Iterable[Case]) -> pd.DataFrame:
    """Return the matrices of some cases in one table, one below the other.

    Raises
    ------
    InputError
        When a place is far from every road.
    """
    found = [
        matrix_table(
            travel_times(case.graph, case.origins, case.destinations, mode=case.mode), case.labels
        )
        for case in cases
    ]
    return pd.concat(found, ignore_index=True)


def write_matrix(
    cases: Iterable[Case], folder: str | Path, *, scheduler: str = "", size: int | None = None
) -> None:
    """Write travel times between places as a folder of Parquet files.

    ``pandas.read_parquet(folder)`` is what `matrix` returns, row by row, however the work was
    parted; columns of text are categories. What a lost worker had is done again by another.
    When the run ends before its time, what is done stays in a folder beside, and the next run
    with the same networks and places goes on from there.

    Parameters
    ----------
    cases
        Taken one after the other, so that only one network at a time need be in memory.
    folder
        A result of an earlier run is replaced, once the new one is complete.
    scheduler
        Address of a Dask scheduler; by default a cluster on this machine, one process for
        each core, that ends with the work.
    size
        Origins in a partition; by default as memory and the number of origins suggest.

    Raises
    ------
    InputError
        When the extra is not installed, a place is far from every road, the folder is not
        ours or cannot be written, the scheduler does not answer, or its workers cannot do it.
    """
    _distributed()
    # A fault of the first network is told before anything starts.
    works = ((case.origins, Load.of(case)) for case in cases)
    first = next(works)
    cluster = _client(scheduler, first[1])
    files: set[Path] = set()
    with _in_place(Path(folder).absolute(), files) as fresh, cluster as client:
        for origins, load in chain([first], works):
            each = size or partition_size(load.destinations, len(origins))
            parts = load.parts(origins, fresh, len(files), each)
            files.update(part.path for part in parts)
            _compute(client, load, parts, _where(scheduler))


def partition_size(destinations: Destinations, origins: int) -> int:
    """Return how many origins go together: few enough for memory, and for all to have work.

    It does not depend on the cluster, so that another one can go on with the work.
    """
    ends = len(destinations.ends.terminals)
    stations = len(destinations.rails.minutes) if destinations.rails else 0
    cells = max(ends * max(stations, 1), stations**2)  # each boarding with each alighting
    return max(1, min(CELLS // cells, -(-origins // PARTS)))


def _compute(client: Client, load: Load, parts: Sequence[Part], where: str) -> None:
    """Write the files of those partitions that are not done yet."""
    missing = [part for part in parts if not part.done]
    _tell_kept(parts, missing)
    done = sum(len(part.origins) for part in parts) - sum(len(part.origins) for part in missing)
    title = " ".join(["矩阵 matrix", *load.labels.values()])
    with _lost(where), _bar(title, done, sum(len(part.origins) for part in parts)) as bar:
        for part, content in _results(client, load, missing):
            _write(part.path, content)
            bar.update(len(part.origins))


def _tell_kept(parts: Sequence[Part], missing: Sequence[Part]) -> None:
    """Say what is taken over from an earlier run that did not end well."""
    done, of = len(parts) - len(missing), len(parts)
    if done:
        _tell(
            f"接着上次的计算:{of} 部分中已有 {done} 部分",
            f"going on with the last run: {done} of {of} parts are there",
        )
    elif any(part.path.exists() for part in parts):
        _tell(
            f"{parts[0].path.parent.name} 中是另一次计算的部分结果(路网、地点或选项不同),不沿用",
            "the parts there are of another network, other places or options, and are not used",
        )


def _tell(zh: str, en: str) -> None:
    sys.stderr.write(f"{zh}({en})\n")


@contextlib.contextmanager
def _bar(title: str, done: int, origins: int) -> Iterator[tqdm]:
    """Show how far the work is: a bar on a terminal, a line each minute in a file."""
    from tqdm import tqdm

    unit = " 起点 origins"
    if sys.stderr.isatty():
        options = {"file": sys.stderr, "leave": False, "delay": 1.5}
    else:
        lines = "{desc}: {n_fmt}/{total_fmt}{unit}, 已用 {elapsed}, 约剩 {remaining} left"
        options = {
            "file": _Lines(),
            "mininterval": LINE_SECONDS,
            "delay": LINE_SECONDS,
            "bar_format": lines,
            "leave": False,
        }
    with tqdm(desc=title, total=origins, initial=done, unit=unit, miniters=1, **options) as bar:
        yield bar


class _Lines:
    """A standard error on which what would be drawn over the last line gets one of its own."""

    def write(self, text: str) -> None:
        if line := text.strip():
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()


# --- the folder -------------------------------------------------------------------------------


@contextlib.contextmanager
def _in_place(folder: Path, files: set[Path]) -> Iterator[Path]:
    """Give a folder beside that takes the place of `folder` when the block ends well.

    Of what is in it only `files`, which the block names, are meant. When the block does not
    end well it stays, unless nothing is in it.
    """
    fresh = folder.with_name(f"{folder.name}{UNFINISHED}")
    for path in (folder, fresh):
        _check_ours(path)
    try:
        fresh.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.of(
            folder, "无法写入;请检查文件夹和权限", f"cannot write here: {error.strerror}"
        ) from None
    try:
        yield fresh
    except BaseException:
        _leave(fresh)
        raise
    for path in set(fresh.iterdir()) - files:
        path.unlink() if path.is_file() else shutil.rmtree(path)
    with TemporaryDirectory(prefix=".writing-", dir=folder.parent) as aside:
        if folder.exists():
            _move(folder, Path(aside, "before"))
        _move(fresh, folder)


def _check_ours(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError.of(folder, "这是文件;请用 -o 指定文件夹", "a file; name a folder with -o")
    if folder.exists() and not all(OURS.fullmatch(path.name) for path in folder.iterdir()):
        raise InputError.of(
            folder,
            "文件夹里有别的内容;请用 -o 另选文件夹",
            "the folder holds something else; choose another with -o",
        )


def _leave(fresh: Path) -> None:
    """Say what is kept of a run that did not end well; nothing is no folder."""
    count = sum(1 for path in fresh.iterdir() if PART.fullmatch(path.name))
    if not count:
        shutil.rmtree(fresh, ignore_errors=True)
        return
    _tell(
        f"已完成的 {count} 部分保存在 {fresh.name};再次运行同一命令,即接着计算",
        f"{count} parts are kept there; run the same command again to go on",
    )


def _move(folder: Path, aside: Path) -> None:
    try:
        folder.rename(aside)
    except OSError as error:
        raise InputError.of(
            folder,
            "文件夹正被占用;请关闭使用它的程序后重试",
            f"the folder is in use; close it and try again: {error.strerror}",
        ) from None


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, even when the power fails."""
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
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
def _client(address: str, load: Load) -> Iterator[Client]:
    """Give a client of a scheduler, or of a cluster of our own; faults become one line each."""
    where = _where(address)
    distributed = _distributed()
    failure = ""
    with _quiet(), contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(_connected(distributed, address, load))
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
        yield client


def _where(address: str) -> str:
    return f"--scheduler {address}" if address else "--engine dask"


@contextlib.contextmanager
def _lost(where: str) -> Iterator[None]:
    """Tell in one line that the cluster, or what its workers need, is not there any more."""
    distributed = _distributed()
    try:
        yield
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
def _connected(distributed: ModuleType, address: str, load: Load) -> Iterator[Client]:
    if address:
        with distributed.Client(address, timeout=CONNECT_SECONDS) as client:
            yield client
        return
    count = _processes(load)
    own = distributed.LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        memory_limit=1.0 / count,
        preload=CALM,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )
    with own, distributed.Client(own) as client:
        yield client


def _processes(load: Load) -> int:
    """Return how many processes work here: one for each core, unless memory is short."""
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    each = OWN_BYTES + VERTEX_BYTES * load.destinations.graph.size
    return max(1, min(CPU_COUNT, int(MEMORY_SHARE * MEMORY_LIMIT / each)))


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
    """Import what a worker needs besides this module."""
    import pyarrow.parquet  # noqa: F401


# --- the work ---------------------------------------------------------------------------------


def _results(client: Client, load: Load, parts: Sequence[Part]) -> Iterator[tuple[Part, bytes]]:
    """Yield each partition, once, and its file, in the order they get done.

    Dask gives what a lost worker had to another. When every copy of the graph was lost with
    the workers, Dask cannot go on by itself: then the graph is sent again.
    """
    missing = {part.path: part for part in parts}
    for _ in range(SENDINGS):
        if not missing:
            return
        with contextlib.suppress(CancelledError):
            for part, content in _done(client, load, list(missing.values())):
                del missing[part.path]
                yield part, content
    if missing:
        raise CancelledError("all copies of the graph were lost")


def _done(client: Client, load: Load, parts: Sequence[Part]) -> Iterator[tuple[Part, bytes]]:
    from distributed import wait

    shared = client.scatter(load, broadcast=True, hash=False, timeout=RETURN_SECONDS)
    waiting = iter(parts)
    running: dict[Future, Part] = {}
    while True:
        processors = sum(client.nthreads().values())
        wanted = AHEAD * max(processors, 1) - len(running)
        for part in islice(waiting, max(wanted, 0)):
            task = client.submit(Load.parquet, shared, part.origins, part.mark, pure=False)
            running[task] = part
        if not running:
            return
        for future in wait(list(running), return_when="FIRST_COMPLETED").done:
            yield running.pop(future), future.result()
