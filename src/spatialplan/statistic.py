"""Published statistics: what a yearbook or a census says of an area in a year."""

from __future__ import annotations

from functools import cache
from io import StringIO
from pathlib import Path

import pandas as pd

from spatialplan.files import data_dir, read_text

__all__ = ["figure", "latest", "of_year", "population", "statistics"]


@cache
def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(StringIO(read_text(path)), dtype={"confidence": str})


def statistics() -> pd.DataFrame:
    """Return ``adcode, area_zh, indicator, year, value, unit, source, confidence``."""
    return _read(data_dir() / "statistics.csv")


def population() -> pd.DataFrame:
    """Return ``adcode, name_zh, year, population, urban, source, confidence`` of counties."""
    return _read(data_dir() / "population.csv")


def _rows(adcode: int, indicator: str) -> pd.DataFrame:
    table = statistics()
    chosen = (table["adcode"] == adcode) & (table["indicator"] == indicator)
    return table[chosen & table["value"].notna()]


def of_year(adcode: int, indicator: str, year: int) -> pd.Series | None:
    """Return the published row of a year, or None when nobody has published it."""
    rows = _rows(adcode, indicator)
    rows = rows[rows["year"] == year]
    return None if rows.empty else rows.iloc[-1]


def latest(adcode: int, indicator: str) -> pd.Series | None:
    """Return the newest published row, or None when there is none."""
    rows = _rows(adcode, indicator)
    return None if rows.empty else rows.loc[rows["year"].idxmax()]


def figure(adcode: int, indicator: str, year: int) -> tuple[float, str] | None:
    """Return a figure of a year and its confidence: published, or out of the census table.

    ``population`` and ``urbanisation_rate`` (%) of counties come from the census when no
    other figure was published.
    """
    row = of_year(adcode, indicator, year)
    if row is not None:
        return float(row["value"]), str(row["confidence"])
    table = population()
    rows = table[(table["adcode"] == adcode) & (table["year"] == year)]
    if rows.empty or indicator not in ("population", "urbanisation_rate"):
        return None
    people, urban, confidence = rows.iloc[-1][["population", "urban", "confidence"]]
    value = people if indicator == "population" else 100.0 * urban / people
    return None if pd.isna(value) else (float(value), str(confidence))
