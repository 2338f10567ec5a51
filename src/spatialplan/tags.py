"""What OpenStreetMap's tags mean: class, direction, speed limit, who may drive.

The class comes from a table of rules (``data/raw/osm-classes.csv``) that a planner may edit. It
is not derived here, because OpenStreetMap's ``highway`` follows the administrative rank of a
Chinese road, and the technical class must be guessed from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from spatialplan.errors import Fault, InputError, collect
from spatialplan.files import data_dir
from spatialplan.places import read_table
from spatialplan.standards import CLASSES, MODES, RAIL_CLASSES

__all__ = [
    "Rule",
    "Rules",
    "drivable",
    "duration_hours",
    "oneway",
    "read_rules",
    "speed_limit",
    "turn",
]

Tags = Mapping[str, str]

SKIP = "skip"
_CONDITION = re.compile(r"^([A-Za-z_][\w:]*)\s*(=(?!\s*$)|[<>]=?(?=\s*\d+(?:\.\d+)?$))\s*(.+)$")

KMH_OF_UNIT = {"": 1.0, "km/h": 1.0, "kmh": 1.0, "kph": 1.0, "mph": 1.609344, "knots": 1.852}
# Speeds where no sign stands: 道路交通安全法实施条例 art. 45 (one lane each way, streets 50,
# roads 70 km/h) and art. 78 (expressways 120 km/h).
IMPLICIT_KMH = {"urban": 50.0, "rural": 70.0, "motorway": 120.0, "expressway": 120.0}
_NO_NUMBER = ("none", "signals", "variable", "unknown", "implicit", "default")
TOP_KMH = {"road": 150.0, "ferry": 150.0, "rail": 400.0}
_SPEED = re.compile(r"^(-?\d+(?:\.\d+)?)\s*(km/h|kmh|kph|mph|knots)?$")

# What shuts ordinary cars out; "destination", "customers" and the like let a trip end there.
SHUT = frozenset(
    (
        *("no", "private", "agricultural", "forestry", "agricultural;forestry", "military"),
        *("emergency", "psv", "bus", "bicycle", "foot", "hgv", "use_sidepath"),
    )
)
SHUT_BARRIERS = frozenset(
    (
        *("block", "bollard", "chain", "cycle_barrier", "debris", "fence", "jersey_barrier"),
        *("kissing_gate", "log", "planter", "stile", "turnstile", "wall"),
    )
)
# Whose turn restrictions bind an ordinary car; the more particular first.
CARS = ("motorcar", "motor_vehicle", "vehicle")
TURN_KEYS = (*(f"restriction:{car}" for car in CARS), "restriction")
# Whatever a turn restriction is told by, those of no concern to cars included.
TURN_TAGS = (
    *(f"{key}{when}" for key in TURN_KEYS for when in ("", ":conditional")),
    *(f"restriction:{other}" for other in ("hgv", "bus", "psv", "bicycle", "caravan")),
)
_CONDITIONAL = re.compile(r"([a-z_]+)\s*@\s*(\([^)]*\)|[^;]+)")
# At all hours of every working day at least.
_ALL_DAY = re.compile(r"^(24/7|(mo-(fr|sa|su)(,\s*ph)?)?\s*(00:00-24:00)?)$")
_HOURS = ("hour_on", "hour_off", "day_on", "day_off")  # how conditions were tagged before 2012
_ONEWAY = {"yes": 1, "true": 1, "1": 1, "-1": -1, "reverse": -1, "no": 0, "false": 0, "0": 0}


@dataclass(frozen=True, eq=False)  # the hash of an object is quick
class Rule:
    """A row of the table: the class of the ways whose tags fit all of its tests."""

    name: str
    tests: tuple[tuple[str, Callable[[str], bool]], ...]
    mode: str
    cls: str
    oneway: bool
    confidence: str

    def fits(self, tags: Tags) -> bool:
        """Say whether a way's tags pass every test; an absent tag counts as empty text."""
        return all(test(tags.get(key, "")) for key, test in self.tests)


@dataclass(frozen=True)
class Rules:
    """The table in its order; the first rule that fits a way decides."""

    rows: tuple[Rule, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The tags that some rule looks at."""
        return tuple(dict.fromkeys(key for rule in self.rows for key, _ in rule.tests))

    def first(self, tags: Tags) -> Rule | None:
        """Return the rule of a way, or None when none fits or the rule says skip."""
        found = next((rule for rule in self.rows if rule.fits(tags)), None)
        return None if found is None or found.cls == SKIP else found


def read_rules(path: str | Path | None = None) -> Rules:
    """Read a table of rules; by default the built-in one.

    Parameters
    ----------
    path
        A CSV file with columns ``rule, where, mode, class`` and perhaps ``default_oneway,
        confidence, note``. ``where`` joins conditions with ``&``: ``key=a;b`` (one of these;
        ``*``, ``?`` and ``[0-9]`` are patterns), ``key=-`` (the key is absent), or
        ``lanes>=4``. ``class`` may be ``skip``: such ways are left out.

    Raises
    ------
    InputError
        With every fault of the table.
    """
    path = Path(path) if path else data_dir() / "osm-classes.csv"
    return _read(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _read(path: Path, _written: int) -> Rules:
    frame = read_table(path)
    missing = [name for name in ("rule", "where", "mode", "class") if name not in frame]
    if missing:
        raise InputError.of(
            path, f"缺少列 {'、'.join(missing)}", f"columns missing: {', '.join(missing)}"
        )
    collect(_faults(frame, path))
    return Rules(tuple(_rule(row) for row in frame.to_dict("records")))


def _faults(frame: pd.DataFrame, path: Path) -> Iterator[Fault]:
    rows = zip(frame["where"], frame["mode"], frame["class"], strict=True)
    for number, (where, mode, cls) in enumerate(rows, start=2):
        spot = f"{path} 第{number}行"
        for part in where.split("&"):
            if not _CONDITION.match(part.strip()):
                yield Fault(
                    spot,
                    f"where 里的条件看不懂:“{part.strip()}”;应如 highway=trunk;primary & lanes>=4",
                    "a condition is written as key=value;value or key>=number",
                )
        if mode not in MODES:
            yield Fault(spot, f"mode 应是 {'、'.join(MODES)}:{mode}", "mode is not known")
        elif cls != SKIP and (cls not in CLASSES or (cls in RAIL_CLASSES) != (mode == "rail")):
            yield Fault(
                spot,
                f"class 应是 skip 或与 {mode} 相配的 {'、'.join(CLASSES)}:{cls}",
                "class is neither skip nor a class of this mode",
            )


def _rule(row: Mapping[str, str]) -> Rule:
    return Rule(
        name=row["rule"],
        tests=tuple(_condition(part) for part in row["where"].split("&")),
        mode=row["mode"],
        cls=row["class"],
        oneway=row.get("default_oneway", "") == "yes",
        confidence=row.get("confidence") or "L",
    )


def _condition(text: str) -> tuple[str, Callable[[str], bool]]:
    """Return the key and the test of a condition: some part of the value fits an alternative."""
    key, sign, right = _CONDITION.match(text.strip()).groups()
    if sign != "=":
        limit = float(right)
        return key, lambda value: _compares(value, sign, limit)
    options = [part.strip() for part in right.split(";")]
    plain = frozenset("" if part == "-" else part for part in options if not _is_pattern(part))
    patterns = [part for part in options if _is_pattern(part)]

    def fits(value: str) -> bool:
        parts = [part.strip() for part in value.split(";")]
        if not plain.isdisjoint(parts):
            return True
        return bool(value) and any(fnmatchcase(part, p) for p in patterns for part in parts)

    return key, fits


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _compares(value: str, sign: str, limit: float) -> bool:
    number = re.match(r"\d+(?:\.\d+)?", value)
    if not number:
        return False
    found = float(number[0])
    if "=" in sign and found == limit:
        return True
    return found > limit if sign[0] == ">" else found < limit


def oneway(tags: Tags, default: bool = False) -> int:
    """Return 1 for a way open only in its drawn direction, -1 only against it, 0 for both.

    ``oneway:motorcar`` and ``oneway:motor_vehicle`` go before ``oneway``; roundabouts are one-way
    unless tagged otherwise, and so is what the class table says (`default`).
    """
    for key in ("oneway:motorcar", "oneway:motor_vehicle", "oneway"):
        found = _ONEWAY.get(tags.get(key, ""))
        if found is not None:
            return found
    implied = default or tags.get("junction") in ("roundabout", "circular")
    return int(implied)


def drivable(tags: Tags) -> bool:
    """Say whether an ordinary car may use a way: the most particular access tag decides."""
    for key in ("motorcar", "motor_vehicle", "vehicle", "access"):
        value = tags.get(key)
        if value:
            return value not in SHUT
    return tags.get("area") != "yes" and tags.get("oneway") != "reversible"


def blocks(tags: Tags) -> bool:
    """Say whether a node's barrier stops an ordinary car."""
    barrier = tags.get("barrier")
    if not barrier:
        return False
    for key in ("motorcar", "motor_vehicle", "vehicle", "access"):
        value = tags.get(key)
        if value:
            return value in SHUT
    return barrier in SHUT_BARRIERS


def turn(tags: Tags) -> tuple[str, str]:
    """Return what a turn restriction forbids (``no_left_turn``, ``only_straight_on``…) a car.

    That is: an ordinary car at an ordinary hour of a working day. What holds all day binds
    (``24/7``, ``Mo-Fr``, no hours); what holds at some hours only does not, and where at some
    hours something else holds, what else holds does. What holds for lorries or buses, or not for
    cars (``except=motorcar``), does not bind either.

    Returns
    -------
    tuple
        What is forbidden, and an empty text; or an empty text, and why there is nothing:
        ``hours`` (at some hours only), ``others`` (cars may), ``unknown``.
    """
    if not {part.strip() for part in tags.get("except", "").split(";")}.isdisjoint(CARS):
        return "", "others"
    for key in TURN_KEYS:
        conditional = _CONDITIONAL.findall(tags.get(f"{key}:conditional", ""))
        always = [value for value, when in conditional if _ALL_DAY.match(when.strip("() ").lower())]
        found = next(iter(always), tags.get(key, ""))
        if not found and conditional:
            return "", "hours"
        if found:
            known = found.startswith(("no_", "only_")) and not found.endswith("_on_red")
            timed = any(name in tags for name in _HOURS)
            return ("", "hours") if timed else (found, "") if known else ("", "unknown")
    vehicles = any(key.startswith("restriction:") for key in tags)
    return "", "others" if vehicles else "unknown"


def speed_limit(tags: Tags, mode: str = "road") -> tuple[float, bool]:
    """Return the signed speed limit of a way in km/h (NaN: none), and whether it was absurd.

    Of several values (lanes, directions) the lowest counts. ``none`` and ``signals`` give no
    number; ``CN:urban`` and the like stand for the speed of the traffic law. Zero, or more than
    any road allows, is absurd and gives NaN.
    """
    keys = ("maxspeed", "maxspeed:forward", "maxspeed:backward")
    return _lowest(tuple(tags[key] for key in keys if key in tags), TOP_KMH[mode])


@lru_cache(maxsize=10_000)
def _lowest(texts: tuple[str, ...], top: float) -> tuple[float, bool]:
    speeds = [_kmh(part.strip().lower()) for text in texts for part in re.split("[;|,]", text)]
    known = [speed for speed in speeds if not np.isnan(speed)]
    if not known:
        return np.nan, False
    lowest = min(known)
    if not 0 < lowest <= top:
        return np.nan, True
    return lowest, False


def _kmh(text: str) -> float:
    match = _SPEED.match(text)
    if match:
        return float(match[1]) * KMH_OF_UNIT[match[2] or ""]
    zone = text.rpartition(":")[2]
    if zone.isdigit():  # DE:zone:30
        return float(zone)
    if text == "walk" or zone in ("walk", "living_street"):
        return 10.0
    return np.nan if text in _NO_NUMBER else IMPLICIT_KMH.get(zone, np.nan)


def duration_hours(text: str) -> float:
    """Return hours of a ferry's ``duration``: ``HH:MM``, ``HH:MM:SS``, minutes or ``PT1H20M``."""
    iso = re.match(r"^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?$", text)
    if iso and text != "PT":
        hours, minutes, seconds = (int(part or 0) for part in iso.groups())
        return hours + minutes / 60 + seconds / 3600
    parts = text.split(":")
    if not all(part.isdigit() for part in parts) or len(parts) > 3:
        return np.nan
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        return numbers[0] / 60
    return sum(number / 60**power for power, number in enumerate(numbers))
