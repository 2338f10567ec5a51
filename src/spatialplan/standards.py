"""Technical classes of roads and railways, and the speeds at which they are travelled.

Classes and design speeds of roads: JTG B01-2014, *Technical Standard of Highway Engineering*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialplan.errors import Fault, InputError, collect
from spatialplan.files import data_dir, load_yaml

__all__ = [
    "CLASSES",
    "DESIGN_SPEEDS",
    "LEGAL_MAX_KMH",
    "MODES",
    "SpeedProfile",
    "read_profile",
]

MODES = ("road", "rail", "ferry", "walk")

CLASSES: dict[str, tuple[str, str]] = {
    "expressway": ("高速公路", "expressway"),
    "class1": ("一级公路", "class-I road"),
    "class2": ("二级公路", "class-II road"),
    "class3": ("三级公路", "class-III road"),
    "class4": ("四级公路", "class-IV road"),
    "urban": ("城市道路", "urban road"),
    "ramp": ("匝道", "ramp"),
    "access": ("连接道", "access road"),
    "hsr": ("高速铁路", "high-speed railway"),
    "rail200": ("200 km/h 铁路", "200 km/h railway"),
    "rail160": ("160 km/h 铁路", "160 km/h railway"),
    "rail120": ("120 km/h 铁路", "120 km/h railway"),
}
RAIL_CLASSES = ("hsr", "rail200", "rail160", "rail120")
ROAD_CLASSES = tuple(name for name in CLASSES if name not in RAIL_CLASSES)

# Design speeds that JTG B01-2014 (3.5.1) knows for each class, km/h.
DESIGN_SPEEDS: dict[str, tuple[int, ...]] = {
    "expressway": (120, 100, 80, 60),
    "class1": (100, 80, 60),
    "class2": (80, 60, 40),
    "class3": (40, 30),
    "class4": (30, 20),
}
LEGAL_MAX_KMH = 120.0

_NUMBERS = ("ramp_minutes", "off_network_kmh", "access_kmh")
_RAIL_NUMBERS = ("wait_minutes", "leave_minutes", "access_limit_minutes")


@dataclass(frozen=True)
class SpeedProfile:
    """A rule that gives each link its running speed, and what lies between links.

    Parameters
    ----------
    speeds
        For each class a tuple of (design speed, running speed) pairs, km/h, ascending.
    default_kmh
        For each class the running speed of a link without a known design speed, km/h.
    ramp_minutes
        One entry to or exit from an expressway, toll included.
    wait_minutes, leave_minutes
        From the station's door into the moving train, and from the train to the door.
    access_limit_minutes
        The longest drive to or from a station that counts as travelling by rail.
    access_kmh, off_network_kmh
        Speed from a position to the nearest road; speed across country in travel-time circles.
    """

    id: str
    title_zh: str
    title_en: str
    source: str
    speeds: Mapping[str, tuple[tuple[float, float], ...]]
    default_kmh: Mapping[str, float]
    ramp_minutes: float
    wait_minutes: float
    leave_minutes: float
    access_limit_minutes: float
    access_kmh: float
    off_network_kmh: float

    def __hash__(self) -> int:
        """Equal profiles have equal ids; their tables have no hash."""
        return hash((self.id, self.ramp_minutes, self.access_limit_minutes))

    def kmh(self, classes: np.ndarray, design_speeds: np.ndarray) -> np.ndarray:
        """Return the running speed of links, km/h, one for each class and design speed.

        Between two design speeds of the table the running speed is interpolated; beyond its
        ends it keeps the ratio of the nearest row. An unknown design speed (NaN) takes the
        default of the class.
        """
        codes, names = pd.factorize(np.ravel(classes))
        codes = codes.reshape(np.shape(classes))
        design = np.asarray(design_speeds, dtype=float)
        result = np.full(design.shape, np.nan)
        for code, name in enumerate(names):
            rows = np.asarray(self.speeds[name], dtype=float)
            chosen = codes == code
            asked = design[chosen]
            inside = np.clip(asked, rows[0, 0], rows[-1, 0])
            running = np.interp(inside, rows[:, 0], rows[:, 1]) * asked / inside
            result[chosen] = np.where(np.isnan(asked), self.default_kmh[name], running)
        return result


@cache
def _builtin(folder: Path) -> dict[str, Any]:
    content = load_yaml(folder / "speeds.yaml")
    return {profile["id"]: profile for profile in content["profiles"]}


def read_profile(name: str | Path = "operating") -> SpeedProfile:
    """Return a speed profile by its built-in name, or from a planner's YAML file.

    A file may say ``base: operating`` and then hold only what differs.

    Raises
    ------
    InputError
        When there is no such profile or file, or its speeds are missing or absurd.
    """
    known = _builtin(data_dir())
    if str(name) in known:
        return _parse(known[str(name)], "speeds.yaml")
    path = Path(name)
    if not path.is_file():
        raise InputError.of(
            "--profile",
            f"没有车速方案“{name}”;可用 {'、'.join(known)} 或一个 YAML 文件",
            "no such speed profile; use a built-in one or a YAML file",
        )
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise InputError.of(path, "车速方案应是“键: 值”的表", "a profile is a mapping of keys")
    base = content.get("base")
    if base is not None and (not isinstance(base, str) or base not in known):
        raise InputError.of(path, f"base 不是内置方案:{base}", "base is not a built-in profile")
    return _parse(_merge(known[base], content) if base else content, str(path), path.stem)


def _merge(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the entries of `content` in place of its own."""
    rows = _rows_of(content)
    own = {_row_key(row): row for row in rows if isinstance(row, dict)}
    odd = [row for row in rows if not isinstance(row, dict)]
    kept = [row for row in base["speeds"] if _row_key(row) not in own]
    rail = base.get("rail", {}) | _rail_of(content)
    return {**base, "id": None, **content, "speeds": [*kept, *own.values(), *odd], "rail": rail}


def _rows_of(content: dict[str, Any]) -> list[Any]:
    rows = content.get("speeds") or []
    return rows if isinstance(rows, list) else [rows]


def _rail_of(content: dict[str, Any]) -> dict[str, Any]:
    rail = content.get("rail") or {}
    return rail if isinstance(rail, dict) else {}


def _row_key(row: dict[str, Any]) -> tuple:
    return str(row.get("class")), str(row.get("design_speed_kmh"))


def _parse(content: dict[str, Any], where: str, stem: str = "") -> SpeedProfile:
    rows, rail = _rows_of(content), _rail_of(content)
    numbers = {name: content.get(name) for name in _NUMBERS}
    numbers |= {name: rail.get(name) for name in _RAIL_NUMBERS}
    collect([*_row_faults(rows, where), *_number_faults(numbers, where)])
    speeds: dict[str, list[tuple[float, float]]] = {}
    default: dict[str, float] = {}
    for row in rows:
        if row.get("design_speed_kmh") is None:
            default[row["class"]] = float(row["kmh"])
        else:
            pair = float(row["design_speed_kmh"]), float(row["kmh"])
            speeds.setdefault(row["class"], []).append(pair)
    for name in CLASSES:
        if name not in speeds and name in default:
            speeds[name] = [(default[name], default[name])]
        elif name in speeds:
            default.setdefault(name, min(kmh for _, kmh in speeds[name]))
    missing = [name for name in CLASSES if name not in speeds]
    if missing:
        raise InputError.of(
            where,
            f"缺少等级 {'、'.join(missing)} 的车速;请补上,或写 base: operating",
            "speeds missing for these classes; add them, or write base: operating",
        )
    profile_id = str(content.get("id") or stem)
    return SpeedProfile(
        id=profile_id,
        title_zh=content.get("title_zh") or profile_id,
        title_en=content.get("title_en") or profile_id,
        source=content.get("source") or where,
        speeds={name: tuple(sorted(pairs)) for name, pairs in speeds.items()},
        default_kmh=default,
        **{name: float(value) for name, value in numbers.items()},
    )


def _row_faults(rows: list[Any], where: str) -> list[Fault]:
    faults = []
    for number, row in enumerate(rows, start=1):
        place = f"{where} speeds 第{number}条"
        if not isinstance(row, dict) or str(row.get("class")) not in CLASSES:
            faults.append(
                Fault(
                    place,
                    f"等级应是以下之一:{'、'.join(CLASSES)}",
                    "class is none of the known classes",
                )
            )
            continue
        for key in ("kmh", "design_speed_kmh"):
            value = row.get(key)
            optional = key == "design_speed_kmh" and value is None
            if not optional and not _between(value, 0.1, 400):
                faults.append(
                    Fault(
                        place,
                        f"{key} 应在 0.1 到 400 之间:{value}",
                        f"{key} must lie between 0.1 and 400 km/h",
                    )
                )
    return faults


def _number_faults(numbers: dict[str, Any], where: str) -> list[Fault]:
    faults = []
    for name, value in numbers.items():
        low = 0.1 if name.endswith("kmh") else 0.0
        if not _between(value, low, 1000):
            faults.append(
                Fault(
                    where,
                    f"{name} 缺少或不合理:{value}",
                    f"{name} is missing or absurd",
                )
            )
    return faults


def _between(value: object, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and low <= value <= high
