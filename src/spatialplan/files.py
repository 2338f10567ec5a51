"""Where data lies, and reading and writing files without leaving halves behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from spatialplan.errors import InputError

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = [
    "HAS_ARROW",
    "atomic_path",
    "check_layer_suffix",
    "data_dir",
    "layer_names",
    "load_yaml",
    "read_layer",
    "read_text",
    "write_layers",
]

# With pyarrow, which need not be installed, layers go to and from files in a quarter of the time.
HAS_ARROW = find_spec("pyarrow") is not None
MANY_ROWS = 10_000  # below, any kind of table is written the way that takes them all


def data_dir() -> Path:
    """Return the folder of the built-in data.

    ``SPATIALPLAN_DATA`` wins; then the copy inside an installed package; then ``data/raw`` of
    the checkout.

    Raises
    ------
    InputError
        When the folder that ``SPATIALPLAN_DATA`` names holds no ``places.csv``.
    """
    named = os.environ.get("SPATIALPLAN_DATA")
    if named:
        folder = Path(named)
        if not (folder / "places.csv").is_file():
            raise InputError.of(
                f"SPATIALPLAN_DATA={named}",
                "该文件夹中没有 places.csv;请改为数据文件夹,或取消此环境变量",
                "no places.csv in this folder; point it to a data folder or unset it",
            )
        return folder
    return _own_data_dir()


@cache
def _own_data_dir() -> Path:
    package = Path(__file__).resolve().parent
    inside = package / "data"
    return inside if (inside / "places.csv").is_file() else package.parents[1] / "data" / "raw"


def read_text(path: str | Path) -> str:
    """Return the text of a UTF-8 file.

    Raises
    ------
    InputError
        When the file is missing, or is not UTF-8.
    """
    path = Path(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError.of(
            f"{path} 第{error.start}字节",
            "文件不是 UTF-8 编码(可能是 GBK);请另存为 UTF-8",
            "not UTF-8, perhaps GBK; save it as UTF-8",
        ) from None
    except IsADirectoryError:
        raise InputError.of(path, "这是文件夹,不是文件", "this is a folder, not a file") from None
    except OSError as error:
        raise InputError.of(
            path, "文件打不开;请检查路径和权限", f"cannot be opened: {error.strerror}"
        ) from None


def load_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file.

    Raises
    ------
    InputError
        When it cannot be read, or is not YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(read_text(path), Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path} 第{mark.line + 1}行第{mark.column + 1}列" if mark else str(path)
        problem = getattr(error, "problem", None) or "syntax error"
        raise InputError.of(
            where, "YAML 格式有误;请检查缩进、冒号和引号", f"not valid YAML: {problem}"
        ) from None


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it into place when the block ends well.

    When the block raises, `path` stays as it was and the temporary file is gone.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    except OSError as error:
        raise InputError.of(
            path, "无法写入;请检查文件夹和权限", f"cannot write here: {error.strerror}"
        ) from None
    try:
        # The suffix stays: drivers choose the format by it.
        temporary = folder / path.name
        yield temporary
        try:
            temporary.replace(path)
        except PermissionError:
            raise InputError.of(
                path,
                "文件被占用(可能正在 Excel 或 QGIS 中打开);请关闭后重试",
                "the file is in use, perhaps open in Excel or QGIS; close it and try again",
            ) from None
        except OSError as error:
            raise InputError.of(
                path, "无法写入;这里也许已有同名文件夹", f"cannot write here: {error.strerror}"
            ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def layer_names(path: str | Path) -> list[str]:
    """Return the names of the layers with geometry of a GeoPackage; of other files, none."""
    import geopandas as gpd

    path = Path(path)
    if path.suffix.lower() != ".gpkg" or not path.is_file():
        return []
    try:
        layers = gpd.list_layers(path)
    except Exception:  # `read_layer` says what is wrong with it
        return []
    return list(layers["name"][layers["geometry_type"].notna()])


def read_layer(path: str | Path, layer: str = "") -> gpd.GeoDataFrame:
    """Return a vector layer in EPSG:4326; a Shapefile without .cpg may be UTF-8 or GBK.

    Of several layers the one called `layer`, or the first.

    Raises
    ------
    InputError
        When it cannot be read, its attributes are in another encoding, or it has no CRS.
    """
    path = Path(path)
    frame = _read_layer(path, layer)
    if "geometry" not in frame or not hasattr(frame, "crs"):
        raise InputError.of(
            path, "是没有几何的表,不是图层", "a table without geometry, not a vector layer"
        )
    if frame.crs is None:
        raise InputError.of(
            path,
            "没有坐标系(CRS);请在 QGIS 中“指定图层坐标系”,Shapefile 请带上 .prj",
            "no CRS; set it in QGIS, or bring the .prj of the Shapefile",
        )
    return frame.to_crs(4326)


def _read_layer(path: Path, layer: str = "") -> gpd.GeoDataFrame:
    import geopandas as gpd

    if not path.is_file():
        raise InputError.of(path, "文件不存在", "no such file")
    bare_shapefile = path.suffix.lower() == ".shp" and not path.with_suffix(".cpg").is_file()
    for encoding in ("utf-8", "gbk") if bare_shapefile else (None,):
        try:
            options = {"encoding": encoding, "layer": layer}
            return gpd.read_file(path, **{key: value for key, value in options.items() if value})
        except UnicodeDecodeError:
            continue
        except Exception as error:  # pyogrio raises many kinds
            raise InputError.of(
                path,
                "读不出图层;请用 GeoPackage、GeoJSON 或 Shapefile",
                f"cannot be read as a vector layer: {str(error).splitlines()[0]}",
            ) from None
    raise InputError.of(
        path,
        "属性表的编码既不是 UTF-8 也不是 GBK;请另存为 UTF-8",
        "the attribute table is neither UTF-8 nor GBK",
    )


def check_layer_suffix(path: Path) -> None:
    """Refuse a suffix that `write_layers` does not know."""
    if path.suffix.lower() not in (".gpkg", ".geojson", ".json"):
        raise InputError.of(
            path, "请用 .gpkg 或 .geojson 作扩展名", "use .gpkg or .geojson as the suffix"
        )


def write_layers(
    path: str | Path, layers: dict[str, gpd.GeoDataFrame], attribution: str = ""
) -> None:
    """Write layers (EPSG:4326) to a GeoPackage, labelled EPSG:4490, or to one GeoJSON (WGS84).

    `attribution` is what the licence of the data asks to be said in the file.

    Raises
    ------
    InputError
        When the suffix is neither ``.gpkg`` nor ``.geojson``, or the place cannot be written.
    """
    path = Path(path)
    check_layer_suffix(path)
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".gpkg":
            said = {"layer_metadata": {"attribution": attribution}} if attribution else {}
            for name, frame in layers.items():
                # CGCS2000 and WGS84 differ by less than the accuracy of the data. Version 1.3
                # spares older QGIS a warning.
                labelled = frame.set_crs(4490, allow_override=True)
                fast = HAS_ARROW and len(frame) > MANY_ROWS
                labelled.to_file(
                    temporary, layer=name, driver="GPKG", VERSION="1.3", use_arrow=fast, **said
                )
            return
        features = [
            feature
            for frame in layers.values()
            for feature in json.loads(frame.to_json(drop_id=True))["features"]
        ]
        content = {"type": "FeatureCollection", "features": features}
        content |= {"attribution": attribution} if attribution else {}
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
