"""Where the travel-time circles of a plan start: its cores, one by one and together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spatialplan.circles import circles
from spatialplan.verdict import beyond

if TYPE_CHECKING:
    import geopandas as gpd
    import shapely

    from spatialplan.places import Gazetteer, Place
    from spatialplan.plan import Element, Plan
    from spatialplan.travel import Graph

__all__ = ["Start", "core_starts", "cores"]

MINUTES = (30.0, 60.0)


@dataclass(frozen=True)
class Start:
    """What one set of circles is drawn from: names, points, limits in minutes, and the mode.

    `mode` is ``road``, or ``all``: by train too, with the drives to and from the stations.
    """

    zh: str
    en: str
    places: tuple[Place, ...]
    minutes: tuple[float, ...] = MINUTES
    mode: str = "road"

    @property
    def key(self) -> tuple:
        """What makes two sets of circles on one network the same."""
        return frozenset(place.key for place in self.places), self.minutes, self.mode

    def circles(self, graph: Graph) -> gpd.GeoDataFrame:
        """Return the areas reached; columns ``minutes, geometry`` (EPSG:4326)."""
        return circles(graph, self.places, self.minutes, mode=self.mode)


def cores(plan: Plan) -> list[Element]:
    """Return the cores of the plan's main formula: the first one that has a core."""
    found = [element for element in plan.elements if element.kind == "core" and element.members]
    return [element for element in found if element.structure == found[0].structure]


def core_starts(
    plan: Plan, gazetteer: Gazetteer, extent: shapely.Geometry | None = None
) -> list[Start]:
    """Return where circles start: the core; of several, all together and each.

    With several cores come the same starts by train too, those of all together first. Places
    outside the `extent` of a network (EPSG:4326) are none.
    """
    members = [(core, [gazetteer[i] for i in core.members]) for core in cores(plan)]
    away = beyond((place for _, places in members for place in places), extent)
    told = [(core, tuple(p for p in places if p not in away)) for core, places in members]
    own = [Start(core.name_zh, core.name_en, places) for core, places in told if places]
    if len(own) < 2:
        return own
    together = tuple(dict.fromkeys(place for start in own for place in start.places))
    by_road = [Start("各核合计", "all cores together", together), *own]
    by_train = [
        replace(start, zh=f"{start.zh},含乘火车", en=f"{start.en}, by train too", mode="all")
        for start in by_road
    ]
    return [*by_road, *by_train]
