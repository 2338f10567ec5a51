"""The lists of dependencies agree, the wheel is whole, and no file names what it must not."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]

# Put together here, so that this file does not name them itself.
HOSTS = (
    "pypi" + ".org", "python" + "hosted.org", "ana" + "conda.org", "pypi" + ".tuna",
    "mirrors" + ".aliyun", "mirrors" + ".tencent", "mirrors" + ".ustc", "repo" + ".huaweicloud",
    "pypi" + ".douban", "npmjs" + ".org", "registry" + ".npm",
)  # fmt: skip
MACHINE_PATH = re.compile(
    r"(?<![\w.:/*$}~-])/(?:work|root|home|tmp|opt|Users)/[\w.]|\b[A-Z]:[\\/]+Users[\\/]"
)


def run_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_script", ROOT / "run.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def direct_requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    lists = [PROJECT["dependencies"], *(extras[name] for name in extras if name != "bench")]
    return [Requirement(item) for part in lists for item in part]


def git(*words: str) -> bytes:
    program = shutil.which("git")
    if program is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return subprocess.run([program, *words], cwd=ROOT, check=True, capture_output=True).stdout


def tracked_files() -> list[Path]:
    names = git("ls-files", "-z").decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# The three lists


def test_lock_satisfies_pyproject() -> None:
    versions = run_module().locked_versions(LOCK)
    wrong = [
        f"{requirement}: lock has {versions.get(requirement.name)}"
        for requirement in direct_requirements()
        if requirement.name not in versions
        or not requirement.specifier.contains(Version(versions[requirement.name]))
    ]
    assert not wrong


def test_lock_has_one_version_of_each_direct_dependency() -> None:
    pinned = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", LOCK, flags=re.MULTILINE)
    twice = {name for name in pinned if pinned.count(name) > 1}
    assert not twice & {requirement.name for requirement in direct_requirements()}


def test_environment_is_made_from_pyproject_and_lock() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    expected = run_module().conda_environment(pyproject, LOCK)
    assert (ROOT / "environment.yml").read_text(encoding="utf-8") == expected


def test_environment_names_every_direct_dependency_at_the_locked_version() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    versions = run_module().locked_versions(LOCK)
    listed = dict(re.findall(r"^ +- ([a-z0-9._-]+?)={1,2}([\w.]+)$", text, flags=re.MULTILINE))
    assert {requirement.name for requirement in direct_requirements()} <= listed.keys()
    assert listed == {name: versions[name] for name in listed}


def test_lock_gives_hashes_for_each_package_and_no_address() -> None:
    body = "\n".join(line for line in LOCK.splitlines() if not line.startswith("#"))
    blocks = re.split(r"\n(?=\S)", body.strip())
    assert len(blocks) > 100
    shape = re.compile(
        r"[a-z0-9._-]+==[^\s\\]+(?: ; [^\\]+?)?(?: \\\n +--hash=sha256:[0-9a-f]{64})+"
    )
    assert [block.splitlines()[0] for block in blocks if not shape.fullmatch(block)] == []
    assert "://" not in LOCK
    assert not re.search(r"^\s*(-i|-f|--index|--extra-index|--find-links)", LOCK, re.MULTILINE)


# run.py


def test_run_script_imports_only_the_standard_library() -> None:
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}
    assert "tomllib" in names
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_run_script_parses_on_old_python_and_checks_the_version_first() -> None:
    """An old Python must get as far as the message, so neither syntax nor imports stop it."""
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 7))
    check = next(i for i, node in enumerate(tree.body) if isinstance(node, ast.If))
    before = tree.body[1:check]
    assert [ast.unparse(node) for node in before] == ["import sys"]
    assert "sys.version_info < (3, 11)" in ast.unparse(tree.body[check])


@pytest.fixture
def run_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py in a folder of its own, with a ``run`` that only writes down what it was asked."""
    module = run_module()
    for name in ("ROOT", "VENV", "PYTHON", "LOCK", "PYPROJECT", "STAMP", "UNFINISHED"):
        place = tmp_path / getattr(module, name).relative_to(ROOT)
        monkeypatch.setattr(module, name, place)
    module.LOCK.write_text("a==1\n", encoding="utf-8")
    module.PYPROJECT.write_text("[project]\n", encoding="utf-8")
    module.commands = []

    def record(command: list[str], **_: object) -> int:
        module.commands.append(command)
        if command[1:3] == ["-m", "venv"]:
            module.PYTHON.parent.mkdir(parents=True)
            module.PYTHON.touch()
        elif command[0] == str(module.PYTHON) and not module.PYTHON.exists():
            raise FileNotFoundError(command[0])
        return 0

    monkeypatch.setattr(module, "run", record)
    return module


def installs(module: ModuleType) -> list[list[str]]:
    return [command for command in module.commands if "install" in command]


def test_second_run_starts_no_pip(run_script: ModuleType) -> None:
    assert run_script.main(["setup"]) == 0
    assert any("--require-hashes" in command for command in installs(run_script))
    run_script.commands.clear()
    assert run_script.main(["check", "--plan", "linxia-2021"]) == 0
    python = str(run_script.PYTHON)
    assert run_script.commands == [
        [python, "-P", "-m", "spatialplan", "check", "--plan", "linxia-2021"]
    ]


@pytest.mark.parametrize("changed", ["LOCK", "PYPROJECT"])
def test_changed_list_is_installed_again(run_script: ModuleType, changed: str) -> None:
    run_script.main(["setup"])
    run_script.commands.clear()
    getattr(run_script, changed).write_text("# changed\n", encoding="utf-8")
    assert run_script.main(["setup"]) == 0
    assert len(installs(run_script)) == 2
    assert not any("venv" in command for command in run_script.commands)


def test_interrupted_set_up_is_mended(
    run_script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_script.run

    def interrupt(command: list[str], **options: object) -> int:
        if "--require-hashes" in command:
            raise KeyboardInterrupt
        return record(command, **options)

    monkeypatch.setattr(run_script, "run", interrupt)
    assert run_script.main(["setup"]) == 130
    assert not run_script.is_ready()
    monkeypatch.setattr(run_script, "run", record)
    assert run_script.main(["setup"]) == 0
    assert "--force-reinstall" in installs(run_script)[0]
    assert run_script.is_ready()


def test_venv_without_python_is_made_anew(run_script: ModuleType) -> None:
    run_script.VENV.mkdir()
    (run_script.VENV / "half").touch()
    assert run_script.main(["setup"]) == 0
    assert not (run_script.VENV / "half").exists()


def test_working_venv_of_somebody_else_is_kept(run_script: ModuleType) -> None:
    run_script.PYTHON.parent.mkdir(parents=True)
    run_script.PYTHON.touch()
    assert run_script.main(["setup"]) == 0
    assert not any("venv" in command for command in run_script.commands)
    assert "--force-reinstall" not in installs(run_script)[0]


def test_missing_ensurepip_names_the_remedy_and_keeps_the_folder(
    run_script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_script.VENV.mkdir()
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name)
    )
    assert run_script.main(["setup"]) == 1
    message = capsys.readouterr().err
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"sudo apt install python{version}-venv" in message
    assert "缺少 ensurepip" in message
    assert run_script.VENV.exists()
    assert not installs(run_script)


def test_exit_status_is_passed_on() -> None:
    module = run_module()
    assert module.run([sys.executable, "-c", "raise SystemExit(7)"]) == 7


# The wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("spatialplan-*.whl"))


@pytest.mark.slow
def test_wheel_holds_the_code_the_data_and_the_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    raw = [path for path in tracked_files() if path.is_relative_to(ROOT / "data" / "raw")]
    code = [path for path in tracked_files() if path.is_relative_to(ROOT / "src")]
    expected = {
        f"spatialplan/data/{path.relative_to(ROOT / 'data/raw').as_posix()}" for path in raw
    }
    expected |= {path.relative_to(ROOT / "src").as_posix() for path in code}
    assert "spatialplan/data/places.csv" in expected
    assert expected - names == set()
    assert {"LICENSE", "DATA-LICENSES.md"} <= {Path(name).name for name in names}
    assert not [name for name in names if re.match(r"(tests|notebooks|benchmarks|src|data)/", name)]


@pytest.fixture(scope="session")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fresh environment with the wheel in it, far from the checkout: (its Python, its folder).

    The dependencies are those of this environment, lent through a path file, so that nothing
    is downloaded; an editable spatialplan is not lent with them.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "env", with_pip=False)
    bin_folder = "Scripts" if os.name == "nt" else "bin"
    python = folder / "env" / bin_folder / Path(sys.executable).with_stem("python").name
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, cwd=folder)
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()
    lent = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    Path(site, "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
    return python, folder


def call(elsewhere: tuple[Path, Path], *words: str) -> subprocess.CompletedProcess[str]:
    python, folder = elsewhere
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPATIALPLAN_DATA")}
    return subprocess.run(
        [str(python), *words],
        cwd=folder,
        env=kept | {"PYTHONUTF8": "1"},
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


@pytest.mark.slow
def test_wheel_works_without_the_checkout(elsewhere: tuple[Path, Path]) -> None:
    where = call(elsewhere, "-c", "import spatialplan; print(spatialplan.__file__)")
    assert str(elsewhere[1]) in where.stdout
    version = call(elsewhere, "-m", "spatialplan", "--version")
    assert version.returncode == 0, version.stderr
    assert PROJECT["version"] in version.stdout
    plans = call(elsewhere, "-m", "spatialplan", "plans")
    assert plans.returncode == 0, plans.stderr
    assert "linxia-2021" in plans.stdout


# What is in git


def forbidden(text: str) -> list[str]:
    """Return the machine paths and registry hosts that a text names."""
    found = [match.group() for match in MACHINE_PATH.finditer(text)]
    return found + [host for host in HOSTS if host in text]


def stored_output(notebook: dict) -> list[int]:
    """Return the numbers of the cells that keep an output or an execution count."""
    return [
        number
        for number, cell in enumerate(notebook["cells"])
        if cell.get("outputs") or cell.get("execution_count") is not None
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("see " + "/" + "home/me/plan.yaml", 1),
        ("C:" + "\\Users\\me\\plan.yaml", 1),
        ("'/" + "tmp/x'", 1),
        ("from https://files." + HOSTS[1] + "/a.whl", 1),
        ("https://example.com/work/index.html and data/raw/home/x", 0),
        ("/usr/bin/env python3 and /usr/share/fonts", 0),
    ],
)
def test_forbidden_finds_what_it_is_for(text: str, count: int) -> None:
    assert len(forbidden(text)) == count


def test_no_file_in_git_names_this_machine_or_a_registry() -> None:
    named = {}
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a database
        if found := forbidden(text):
            named[path.relative_to(ROOT).as_posix()] = found[:3]
    assert named == {}


def test_stored_output_finds_what_it_is_for() -> None:
    clean = {"cell_type": "code", "outputs": [], "execution_count": None}
    cells = [
        {"cell_type": "markdown"},
        clean,
        clean | {"outputs": [{}]},
        clean | {"execution_count": 1},
    ]
    assert stored_output({"cells": cells}) == [2, 3]


def test_notebooks_in_git_hold_no_output() -> None:
    notebooks = [path for path in tracked_files() if path.suffix == ".ipynb"]
    dirty = {
        path.name: cells
        for path in notebooks
        if (cells := stored_output(json.loads(path.read_text(encoding="utf-8"))))
    }
    assert dirty == {}
