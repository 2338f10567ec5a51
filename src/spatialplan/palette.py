"""Colours and line styles shared by maps, figures and the report.

Schematic: no official symbol standard is claimed. Hues are told apart with red-green blindness
as well (dark against light).
"""

from __future__ import annotations

__all__ = ["BAND", "CLASS", "ELEMENT", "STATUS_DASH", "STATUS_NAMES", "VERDICT", "band_colours"]

VERDICT = {"met": "#1a7f4b", "not_met": "#c2410c", "impossible": "#7f1d1d", "unknown": "#64748b"}

# Colour and width in px at regional scale.
CLASS = {
    "expressway": ("#c0392b", 3.2),
    "class1": ("#e67e22", 2.6),
    "class2": ("#b7950b", 1.9),
    "class3": ("#8d8d84", 1.3),
    "class4": ("#b5b5ad", 1.0),
    "urban": ("#a08c6a", 1.6),
    "ramp": ("#a6a6a6", 0.9),
    "access": ("#a6a6a6", 0.9),
    "hsr": ("#1f4e79", 2.4),
    "rail200": ("#2f5f8a", 2.2),
    "rail160": ("#4a6d8c", 1.8),
    "rail120": ("#6b8299", 1.5),
}

STATUS_NAMES = {
    "open": ("已通车", "open"),
    "construction": ("在建", "under construction"),
    "planned": ("拟建", "planned"),
    "proposed": ("谋划", "proposed"),
}
STATUS_DASH = {"open": "", "construction": "8 5", "planned": "4 5", "proposed": "1 5"}

ELEMENT = {
    "core": "#b91c1c",
    "belt": "#d97706",
    "axis": "#7c3aed",
    "node": "#0f766e",
    "pole": "#be185d",
    "ring": "#4d7c0f",
    "wing": "#0369a1",
    "cluster": "#6d28d9",
    "corridor": "#475569",
}

# Travel-time bands, from the nearest to the farthest.
BAND = ("#14532d", "#2f855a", "#7fb77e", "#c7dfa6", "#eef3cf")


def band_colours(count: int) -> list[str]:
    """Return well-spaced colours for so many travel-time bands, the nearest first."""
    steps = {1: (1,), 2: (1, 3), 3: (0, 1, 3)}.get(count)
    return [BAND[step] for step in steps] if steps else [BAND[i % len(BAND)] for i in range(count)]
