"""The notebooks run from top to bottom, without a network, and leave nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# In every kernel: whoever leaves this machine is told so by an error in the cell.
NO_NETWORK = """
import socket

def refuse(self, address, connect=socket.socket.connect):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"the notebook asks the network: {address}")
    return connect(self, address)

socket.socket.connect = refuse
"""
# What each notebook must show: (pictures, maps, words in its output).
SHOWN = {
    "1-structure": (2, 2, ["(√)", "东塬镇、河滩镇", "km²"]),
    "2-circles-and-targets": (3, 2, ["分钟 min", "不可能", "理论下限", "规划承诺(2025年)"]),
    "3-edits": (0, 1, ["2 段", "变化", *(f"wrong.yaml 第{n}条" for n in (1, 2, 3, 4))]),
    "4-xining-haidong": (2, 1, ["(√)", "各核合计,含乘火车", "60 分钟内", "两核1小时通勤"]),
    "5-haidong-counties": (1, 1, ["群科镇", "H6-city-qunke", "缺少图层", "示例:", "未达到"]),
    "6-pingliang": (3, 1, ["縣縣通高速", "县县通高速", "莊浪縣 → 庄浪县", "一心"]),
}
WRITTEN = {"3-edits": {"kangle-linxia.yaml", "kangle-linxia.html", "upgrade.yaml", "wrong.yaml"}}


def test_every_notebook_is_known() -> None:
    assert {path.stem for path in NOTEBOOKS} == SHOWN.keys()


@pytest.fixture
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in; kernels take the code of this checkout and no network."""
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "network.py").write_text(NO_NETWORK, encoding="utf-8")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def outputs(notebook: nbformat.NotebookNode) -> list[dict]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


@pytest.mark.notebook
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, quiet: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    settings = {"metadata": {"path": str(quiet)}}
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources=settings).execute()
    shown = outputs(notebook)
    data = [output.get("data", {}) for output in shown]
    html = [str(item.get("text/html", "")) for item in data]
    frames = [text for text in html if text.startswith("<iframe")]
    pictures, maps, words = SHOWN[path.stem]
    assert sum("image/png" in item for item in data) == pictures
    assert len(frames) == maps
    # The browser is told to refuse every request.
    assert all("default-src &#x27;none&#x27;" in frame for frame in frames)
    text = json.dumps(shown, ensure_ascii=False)
    assert [word for word in words if word not in text] == []
    assert not [output for output in shown if output.get("name") == "stderr"]
    assert {item.name for item in quiet.iterdir()} == WRITTEN.get(path.stem, set())


@pytest.mark.notebook
@pytest.mark.slow
def test_the_guard_against_the_network_holds(quiet: Path) -> None:
    asking = "import urllib.request; urllib.request.urlopen('http://192.0.2.1', timeout=1)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(asking)])
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True)
    client.execute(cwd=str(quiet))
    assert "asks the network" in json.dumps(outputs(notebook))
