"""The gazetteer: places with names, and finding them by what a planner types."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from spatialplan.errors import Fault, InputError, collect, nearest_names
from spatialplan.files import data_dir, read_layer, read_text
from spatialplan.script import simplified

__all__ = [
    "Gazetteer",
    "Place",
    "builtin",
    "from_entries",
    "parse_lonlat",
    "read_set",
]

SEAT_KINDS = ("prefecture_seat", "county_seat")
TOWN_KINDS = ("town", "township")
_COLUMNS = ("place_id", "name_zh", "name_en", "kind", "county", "adcode", "lon", "lat")
_LONLAT = re.compile(r"^\s*(-?\d+(?:\.\d+)?)\s*[,\uff0c]\s*(-?\d+(?:\.\d+)?)\s*$")


@dataclass(frozen=True)
class Place:
    """A point that a trip may start or end at.

    `place_id` is None for a bare position; `lon` and `lat` are degrees WGS84;
    `accuracy_m` and `confidence` (H, M, L) say how well the point is known.
    """

    name_zh: str
    lon: float
    lat: float
    place_id: str | None = None
    name_en: str = ""
    kind: str = "position"
    adcode: int | None = None
    accuracy_m: float = 0.0
    confidence: str = "H"

    @property
    def key(self) -> str:
        """The place id, or ``lon,lat`` for a bare position."""
        return self.place_id or self.name_zh


@dataclass(frozen=True)
class Gazetteer:
    """Places by id, name and alias.

    Parameters
    ----------
    table
        One row per place, index ``place_id``, geometry points in EPSG:4326; columns as in
        ``data/raw/places.csv``.
    minor
        Ids of places that a name means only when no other place has it.
    """

    table: gpd.GeoDataFrame
    minor: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: str | Path) -> Gazetteer:
        """Read a ``places.csv``.

        Raises
        ------
        InputError
            When columns are missing, ids repeat, or a position is not a number.
        """
        frame = read_table(path)
        missing = [name for name in _COLUMNS if name not in frame]
        if missing:
            raise InputError.of(
                path, f"缺少列 {'、'.join(missing)}", f"columns missing: {', '.join(missing)}"
            )
        if "accuracy_m" not in frame:
            frame["accuracy_m"] = ""
        for name in ("lon", "lat", "accuracy_m"):
            frame[name] = _numbers(frame[name], path, name)
        collect(_position_faults(frame, path))
        frame["adcode"] = _numbers(frame["adcode"], path, "adcode").astype("Int64")
        repeated = frame.index[frame["place_id"].duplicated()]
        if len(repeated):
            row = repeated[0]
            raise InputError.of(
                f"{path} 第{row + 2}行",
                f"地点编号 {frame.at[row, 'place_id']} 重复;请改用不同的编号",
                "place id used twice; give it another",
            )
        points = shapely.points(frame["lon"], frame["lat"])
        return cls(gpd.GeoDataFrame(frame, geometry=points, crs=4326).set_index("place_id"))

    def with_places(self, more: Sequence[Place]) -> Gazetteer:
        """Return the gazetteer with more places; one of the same id takes the old one's place."""
        if not more:
            return self
        rows = {
            place.place_id: {
                "name_zh": place.name_zh,
                "name_en": place.name_en,
                "kind": place.kind,
                "county": "",
                "adcode": place.adcode,
                "lon": place.lon,
                "lat": place.lat,
                "accuracy_m": place.accuracy_m,
                "confidence": place.confidence,
            }
            for place in more
        }
        frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("place_id")
        return self.with_rows(frame)

    def with_unknown(self, more: Sequence[Place]) -> Gazetteer:
        """Return the gazetteer with those of some places that it does not have."""
        return self.with_places([place for place in more if place.place_id not in self])

    def with_rows(self, frame: pd.DataFrame, minor: Iterable[str] = ()) -> Gazetteer:
        """Return the gazetteer with more rows; one of the same id takes the old one's place."""
        frame = frame.assign(adcode=frame["adcode"].astype("Int64"))
        points = shapely.points(frame["lon"].to_numpy(float), frame["lat"].to_numpy(float))
        added = gpd.GeoDataFrame(frame, geometry=points, crs=4326)
        kept = self.table[~self.table.index.isin(added.index)]
        whole = pd.concat([kept, added]).rename_axis("place_id")
        for name in ("aliases", "source", "note"):
            if name in whole:
                whole[name] = whole[name].fillna("")
        return Gazetteer(whole, self.minor | frozenset(minor))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        aliases = self.table.get("aliases", pd.Series("", self.table.index))
        rows = zip(
            self.table.index, self.table["name_zh"], self.table["name_en"], aliases, strict=True
        )
        for place_id, name_zh, name_en, others in rows:
            names = [place_id, name_zh, name_en.lower(), *others.split(";")]
            for name in dict.fromkeys(_fold(name) for name in names):
                if name:
                    found[name].append(place_id)
        return dict(found)

    def __getitem__(self, place_id: str) -> Place:
        """Return the place of an id (`KeyError` when there is none)."""
        row = self._records[place_id]
        return Place(
            name_zh=row["name_zh"],
            lon=row["lon"],
            lat=row["lat"],
            place_id=place_id,
            name_en=row["name_en"],
            kind=row["kind"],
            adcode=None if pd.isna(row["adcode"]) else int(row["adcode"]),
            accuracy_m=row["accuracy_m"],
            confidence=row.get("confidence", "L"),
        )

    @cached_property
    def _records(self) -> dict[str, dict]:
        return self.table.drop(columns="geometry").to_dict("index")

    def __contains__(self, place_id: object) -> bool:
        return place_id in self._records

    def find(self, name: str, where: object = "") -> Place:
        """Return the place a user means by an id, a Chinese or English name, or ``lon,lat``.

        Raises
        ------
        InputError
            When no place has this name (the three nearest names are given), or two have.
        """
        position = parse_lonlat(name, where)
        if position:
            return Place(_key_of(*position), *position)
        ids = [name] if name in self._records else self._ids_of(name)
        if len(ids) == 1:
            return self[ids[0]]
        if ids:
            choices = "、".join(f"{i}({self._records[i]['county']})" for i in ids)
            raise InputError.of(
                where,
                f"有 {len(ids)} 个地点叫“{name}”:{choices};请改用编号",
                "several places have this name; use one of the ids",
            )
        near = self.suggestions(name)
        raise InputError.of(
            where,
            f"没有地点“{name}”;相近的有:{'、'.join(near)}",
            "no such place; the nearest names are given; `spatialplan places` lists all",
        )

    def _ids_of(self, name: str) -> list[str]:
        ids = next((self._by_name[text] for text in _names_of(name) if text in self._by_name), [])
        return [place_id for place_id in ids if place_id not in self.minor] or ids

    def suggestions(self, name: str) -> list[str]:
        """Return three names: those that share a beginning first, then those most alike."""
        name = simplified(name)
        names = list(self.table["name_zh"])
        if name.isascii():
            names = [*self.table["name_en"], *self.table.index]
        stem = name.rstrip("市县区镇乡")
        begins = [n for n in names if stem and n.startswith(stem)][:3]
        return list(dict.fromkeys([*begins, *nearest_names(name, names)]))[:3]

    def search(self, text: str = "") -> gpd.GeoDataFrame:
        """Return the places whose id, names, aliases or county contain `text`.

        Traditional characters find what is written in Simplified ones.
        """
        if not text:
            return self.table
        columns = [c for c in ("name_zh", "name_en", "aliases", "county") if c in self.table]
        whole = self.table[columns].astype(str).agg("\n".join, axis=1) + "\n" + self.table.index
        hits = [whole.str.contains(t, case=False, regex=False) for t in _names_of(text)]
        return self.table[np.logical_or.reduce(hits)]

    def seats(self, adcodes: list[int] | None = None) -> list[str]:
        """Return the ids of the seats of the counties given (default: of all)."""
        return self._of_kinds(SEAT_KINDS, adcodes)

    def towns(self, adcodes: list[int] | None = None) -> list[str]:
        """Return the ids of seats, towns and townships of the counties given."""
        return self._of_kinds((*SEAT_KINDS, *TOWN_KINDS), adcodes)

    def townships(self, adcodes: list[int]) -> list[str]:
        """Return the places of the towns and townships of some counties, each once.

        From the register of administrative codes: subdistricts do not count, and a county seat
        counts as the town it lies in. A town without a place of its own there is the minor
        place of its name in its county; those that have none are left out. Of counties that
        the register does not know, the seats, towns and townships here.
        """
        table = _read_townships(data_dir())
        table = table[table["adcode"].isin([str(code) for code in adcodes])]
        table = table[table["kind"].isin(TOWN_KINDS)]
        if table.empty:
            return self.towns(adcodes)
        rows = zip(table["adcode"], table["name_zh"], table["place_id"], strict=True)
        found = [place_id or self._town_called(name, int(code)) for code, name, place_id in rows]
        return list(dict.fromkeys(place_id for place_id in found if place_id))

    def _town_called(self, name: str, adcode: int) -> str:
        """Return the id of the only minor place of a name in a county, or nothing."""
        called = [i for i in self._by_name.get(_fold(name), ()) if i in self.minor]
        ids = [place_id for place_id in called if self[place_id].adcode == adcode]
        return ids[0] if len(ids) == 1 else ""

    def _of_kinds(self, kinds: tuple[str, ...], adcodes: list[int] | None) -> list[str]:
        chosen = self.table["kind"].isin(kinds)
        if adcodes is not None:
            chosen &= self.table["adcode"].isin(adcodes)
        return list(self.table.index[chosen])


@cache
def _read_townships(folder: Path) -> pd.DataFrame:
    path = folder / "townships.csv"
    return pd.read_csv(StringIO(read_text(path)), dtype=str, keep_default_na=False)


_ENTRY_KEYS = ("place_id", "name_zh", "lon", "lat")


def from_entries(entries: Any, where: str) -> tuple[Place, ...]:
    """Return the places that a YAML file brings along under ``places``.

    Raises
    ------
    InputError
        With one fault for each entry that lacks a key, has no valid position, or repeats an id.
    """
    if not isinstance(entries or [], list):
        raise InputError.of(f"{where} places", "应是地点的列表", "a list of places")
    faults: list[Fault] = []
    found: dict[str, Place] = {}
    for number, entry in enumerate(entries or [], start=1):
        spot = f"{where} places 第{number}条"
        wrong = _entry_fault(entry, spot, found)
        if wrong:
            faults.append(wrong)
        else:
            found[str(entry["place_id"])] = _of_entry(entry)
    collect(faults)
    return tuple(found.values())


def _entry_fault(entry: Any, spot: str, found: Mapping[str, Place]) -> Fault | None:
    missing = [key for key in _ENTRY_KEYS if not isinstance(entry, dict) or key not in entry]
    if missing:
        return Fault(spot, f"缺少 {'、'.join(missing)}", f"missing: {', '.join(missing)}")
    if not (_within(entry["lon"], 180) and _within(entry["lat"], 90)):
        return Fault(spot, "经纬度无效;应为十进制度", "not a position in degrees")
    if not _within(entry.get("accuracy_m") or 0, np.inf):
        return Fault(spot, "accuracy_m 应是米数", "accuracy_m is a number of metres")
    if str(entry["place_id"]) in found:
        return Fault(
            spot, f"地点编号 {entry['place_id']} 重复;请改用别的", "this place id is used twice"
        )
    return None


def _within(value: object, top: float) -> bool:
    return isinstance(value, int | float) and -top <= value <= top


def _of_entry(entry: Mapping[str, Any]) -> Place:
    return Place(
        name_zh=str(entry["name_zh"]),
        lon=float(entry["lon"]),
        lat=float(entry["lat"]),
        place_id=str(entry["place_id"]),
        name_en=str(entry.get("name_en") or ""),
        kind=str(entry.get("kind") or "town"),
        adcode=entry.get("adcode"),
        accuracy_m=float(entry.get("accuracy_m") or 0.0),
        confidence=str(entry.get("confidence") or "L"),
    )


def parse_lonlat(text: str, where: object = "") -> tuple[float, float] | None:
    """Return (lon, lat) of ``103.2,35.6``, or None when the text is no position.

    Raises
    ------
    InputError
        When the numbers are no position on Earth, or look swapped.
    """
    match = _LONLAT.match(text)
    if not match:
        return None
    lon, lat = float(match[1]), float(match[2])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        hint = ";经度在前、纬度在后" if -90 <= lon <= 90 and -180 <= lat <= 180 else ""
        raise InputError.of(
            where,
            f"“{text}”不是经纬度{hint}",
            "not a position; longitude comes first, then latitude, in degrees",
        )
    return lon, lat


def _fold(name: str) -> str:
    return re.sub(r"\s+", " ", str(name)).strip().lower()


def _names_of(name: str) -> list[str]:
    """Return a name as typed, and in Simplified characters, which the gazetteer writes."""
    folded = _fold(name)
    return list(dict.fromkeys([folded, simplified(folded)]))


def _key_of(lon: float, lat: float) -> str:
    """Return ``lon,lat`` to a tenth of a metre: near points keep different keys."""
    return ",".join(f"{value:.6f}".rstrip("0").rstrip(".") for value in (lon, lat))


def _position_faults(frame: pd.DataFrame, path: object) -> list[Fault]:
    bad = ~(frame["lon"].between(-180, 180) & frame["lat"].between(-90, 90))
    return [
        Fault(
            f"{path} 第{row + 2}行",
            f"经纬度无效:{frame.at[row, 'lon']}, {frame.at[row, 'lat']};应为十进制度",
            "not a position in degrees",
        )
        for row in frame.index[bad]
    ]


def read_table(path: str | Path) -> pd.DataFrame:
    """Return a CSV file as text, empty where nothing stands.

    Raises
    ------
    InputError
        When it cannot be opened, is not UTF-8, or is no table.
    """
    text = read_text(path)
    try:
        return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError.of(
            path, "不是 CSV 表;请检查列名行和逗号", f"not a CSV table: {str(error).splitlines()[0]}"
        ) from None


def _numbers(column: pd.Series, path: object, name: str) -> pd.Series:
    values = pd.to_numeric(column.where(column != ""), errors="coerce")
    bad = column.index[(column != "") & values.isna()]
    if len(bad):
        raise InputError.of(
            f"{path} 第{bad[0] + 2}行",
            f"{name} 不是数字:{column[bad[0]]}",
            f"{name} is not a number",
        )
    return values


@cache
def _read(folder: Path) -> Gazetteer:
    return Gazetteer.read(folder / "places.csv")


def builtin() -> Gazetteer:
    """Return the built-in gazetteer (WGS84 points)."""
    return _read(data_dir())


def read_set(text: str, where: object = "", gazetteer: Gazetteer | None = None) -> list[Place]:
    """Return the places that a user lists: names, ids, ``lon,lat``, a set, or a file of points.

    Parameters
    ----------
    text
        Parted by commas (``临夏市,康乐县,103.2,35.6``); ``all-seats``, ``all-towns``; or the
        path of a CSV (columns ``lon, lat`` and perhaps ``name``) or of a vector file of points.
    gazetteer
        Where names are looked up; the built-in one by default.

    Raises
    ------
    InputError
        With one fault for each name that is not found, or when the file has faults.
    """
    gazetteer = gazetteer or builtin()
    if text in ("all-seats", "all-towns"):
        ids = gazetteer.seats() if text == "all-seats" else gazetteer.towns()
        return [gazetteer[place_id] for place_id in ids]
    if Path(text).suffix.lower() in (".csv", ".geojson", ".json", ".gpkg", ".shp"):
        return _read_points(Path(text))
    found, faults = [], []
    for name in _names(text):
        try:
            found.append(gazetteer.find(name, where))
        except InputError as error:
            faults += error.faults
    collect(faults)
    if not found:
        raise InputError.of(where, "没有写地点", "no place is given")
    return found


def _names(text: str) -> list[str]:
    """Return the names of a list; two numbers in a row are one position."""
    parts = [part.strip() for part in re.split("[,,、;;]", text) if part.strip()]
    names: list[str] = []
    while parts:
        pair = f"{parts[0]},{parts[1]}" if len(parts) > 1 else ""
        if pair and _LONLAT.match(pair):
            names.append(pair)
            parts = parts[2:]
        else:
            names.append(parts.pop(0))
    return names


def _read_points(path: Path) -> list[Place]:
    if not path.is_file():
        raise InputError.of(path, "文件不存在", "no such file")
    read = _read_point_csv if path.suffix.lower() == ".csv" else _read_point_layer
    frame = read(path)
    collect(_position_faults(frame, path))
    if frame.empty:
        raise InputError.of(path, "文件里没有点", "no points in the file")
    return [
        Place(str(name) or _key_of(lon, lat), float(lon), float(lat))
        for name, lon, lat in zip(frame["name"], frame["lon"], frame["lat"], strict=True)
    ]


def _read_point_csv(path: Path) -> pd.DataFrame:
    frame = read_table(path)
    missing = [name for name in ("lon", "lat") if name not in frame]
    if missing:
        raise InputError.of(
            path, f"缺少列 {'、'.join(missing)}", "the columns lon and lat are needed"
        )
    for name in ("lon", "lat"):
        frame[name] = _numbers(frame[name], path, name)
    names = next((frame[n] for n in ("name", "name_zh", "名称") if n in frame), None)
    return frame[["lon", "lat"]].assign(name="" if names is None else names)


def _read_point_layer(path: Path) -> pd.DataFrame:
    layer = read_layer(path)
    if not (layer.geometry.geom_type == "Point").all():
        raise InputError.of(path, "图层应全是点", "every feature must be a point")
    names = next((layer[n] for n in ("name", "name_zh", "名称") if n in layer), None)
    return pd.DataFrame(
        {
            "lon": layer.geometry.x,
            "lat": layer.geometry.y,
            "name": "" if names is None else names.fillna("").astype(str),
        }
    )
