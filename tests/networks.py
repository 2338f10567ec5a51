"""Small networks for tests, made by hand or by hypothesis, in which minutes can be worked out.

Positions are given in km east and north of 103.0° E, 35.5° N; under `profile()` a link runs at
its design speed, so that ``km / design_speed * 60`` are its minutes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import geopandas as gpd
import pandas as pd
import shapely
from hypothesis import Phase, settings
from hypothesis import strategies as st
from pyproj import Transformer

from spatialplan.network import Network, as_links, as_nodes
from spatialplan.places import Gazetteer, Place
from spatialplan.standards import CLASSES, RAIL_CLASSES, SpeedProfile

# The networks are small already; to shrink a failing one takes minutes. The same examples each
# time: what fails on one machine fails on all.
FEW = settings(
    max_examples=15, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate)
)
LON, LAT = 103.0, 35.5
_PLANE = f"+proj=aeqd +lat_0={LAT} +lon_0={LON} +ellps=GRS80 +units=km +type=crs"


@cache
def _plane() -> Transformer:
    return Transformer.from_crs(4490, _PLANE, always_xy=True)


def lonlat(x: float, y: float) -> tuple[float, float]:
    """Degrees of a point x km east and y km north of the origin."""
    lon, lat = _plane().transform(x, y, direction="INVERSE")
    return float(lon), float(lat)


def xy_of(lon: float, lat: float) -> tuple[float, float]:
    x, y = _plane().transform(lon, lat)
    return float(x), float(y)


def place(node: str, x: float, y: float, **columns) -> Place:
    """A place of the gazetteer at a node (its id is the node's)."""
    return Place(columns.pop("name_zh", node), *lonlat(x, y), place_id=node, **columns)


def spot(x: float, y: float) -> Place:
    """A bare position."""
    lon, lat = lonlat(x, y)
    return Place(f"{lon!r},{lat!r}", lon, lat)


def places_of(network: Network, *ids: str) -> list[Place]:
    """The nodes of a network as places."""
    chosen = network.nodes.loc[list(ids)] if ids else network.nodes
    return [
        Place(str(node), row.geometry.x, row.geometry.y, str(node), kind=row["kind"])
        for node, row in chosen.iterrows()
    ]


def profile(**changes) -> SpeedProfile:
    """A profile whose running speed is the design speed, with round extras."""
    flat = SpeedProfile(
        id="flat",
        title_zh="平",
        title_en="flat",
        source="test",
        speeds=dict.fromkeys(CLASSES, ((60.0, 60.0),)),
        default_kmh=dict.fromkeys(CLASSES, 60.0),
        ramp_minutes=2.0,
        wait_minutes=20.0,
        leave_minutes=10.0,
        access_limit_minutes=60.0,
        access_kmh=20.0,
        off_network_kmh=4.0,
    )
    return replace(flat, **changes)


def link(first: str, last: str, km: float, kmh: float = 60.0, cls: str = "class2", **columns):
    """A row of links; the id is ``<first>-<last>`` unless given."""
    return {
        "link_id": f"{first}-{last}",
        "from_node": first,
        "to_node": last,
        "mode": "rail" if cls in RAIL_CLASSES else "road",
        "class": cls,
        "design_speed_kmh": kmh,
        "length_km": km,
        "oneway": False,
        "source": "test",
        "confidence": "H",
        "length_basis": "published",
        **columns,
    }


def network(nodes: dict[str, tuple], links: list[dict], name: str = "toy") -> Network:
    """A network of nodes ``{id: (x, y[, kind])}`` and rows of `link`, drawn straight."""
    points = {node: shapely.Point(lonlat(*spec[:2])) for node, spec in nodes.items()}
    table = pd.DataFrame(
        {
            "kind": [spec[2] if len(spec) > 2 else "town" for spec in nodes.values()],
            "place_id": list(nodes),
            "name_zh": list(nodes),
            "confidence": "H",
            "geometry": list(points.values()),
        },
        index=pd.Index(nodes, name="node_id", dtype=object),
    )
    drawn = {row["link_id"]: row.get("through", ()) for row in links}
    rows = pd.DataFrame(links).set_index("link_id")
    lines = [
        shapely.LineString(
            [
                points[row["from_node"]],
                *(lonlat(*xy) for xy in drawn[link_id]),
                points[row["to_node"]],
            ]
        )
        for link_id, row in rows.iterrows()
    ]
    return Network(as_nodes(table), as_links(rows, lines), name)


def gazetteer(rows: dict[str, tuple]) -> Gazetteer:
    """A gazetteer of ``{id: (name_zh, x, y, kind, adcode)}``."""
    frame = pd.DataFrame(
        [
            {
                "place_id": place_id,
                "name_zh": name,
                "name_en": place_id,
                "kind": kind,
                "county": str(adcode),
                "adcode": adcode,
                "lon": lonlat(x, y)[0],
                "lat": lonlat(x, y)[1],
                "accuracy_m": 100.0,
                "source": "test",
                "confidence": "H",
                "aliases": "",
                "note": "",
            }
            for place_id, (name, x, y, kind, adcode) in rows.items()
        ]
    ).astype({"adcode": "Int64"})
    points = shapely.points(frame["lon"], frame["lat"])
    return Gazetteer(gpd.GeoDataFrame(frame, geometry=points, crs=4326).set_index("place_id"))


def same(first: Network, second: Network) -> None:
    """Assert that two networks hold the same nodes and links, in whatever order."""
    for name in ("nodes", "links"):
        one, other = (getattr(n, name).sort_index() for n in (first, second))
        assert list(one.index) == list(other.index), name
        assert shapely.equals_identical(one.geometry.to_numpy(), other.geometry.to_numpy()).all(), (
            name
        )
        pd.testing.assert_frame_equal(
            pd.DataFrame(one.drop(columns="geometry")),
            pd.DataFrame(other.drop(columns="geometry")),
            check_dtype=False,
            check_index_type=False,
        )


SPEEDS = {"expressway": (60, 80, 120), "class1": (60, 100), "class2": (40, 60), "class4": (20, 30)}
RAIL_SPEEDS = {"rail160": (160,), "hsr": (250,)}


@st.composite
def networks(
    draw,
    *,
    rail: bool = True,
    max_nodes: int = 9,
    oneway: bool = True,
    spread: int = 40,
) -> Network:
    """Random networks of towns, interchanges and stations, some of them in several parts.

    Mileage is at least the straight line; expressways join interchanges, railways stations.
    """
    count = draw(st.integers(4, max_nodes))
    grid = st.tuples(st.integers(0, spread), st.integers(0, spread))
    where = draw(st.lists(grid, min_size=count, max_size=count, unique=True))
    kinds = draw(
        st.lists(
            st.sampled_from(["town", "interchange", *(["station"] if rail else [])]),
            min_size=count,
            max_size=count,
        )
    )
    nodes = {f"n{i}": (*where[i], kinds[i]) for i in range(count)}
    rows = []
    for number in range(draw(st.integers(count - 1, 2 * count))):
        first = draw(st.integers(0, count - 1))
        last = draw(st.integers(0, count - 1).filter(lambda n, first=first: n != first))
        ends = {kinds[first], kinds[last]}
        classes = ["class1", "class2", "class4"]
        if ends == {"interchange"}:
            classes += ["expressway"] * 3
        if ends == {"station"}:
            classes += ["rail160", "hsr"] * 2
        cls = draw(st.sampled_from(classes))
        kmh = draw(st.sampled_from((SPEEDS | RAIL_SPEEDS)[cls]))
        straight = math.dist(where[first], where[last])
        km = round(straight * draw(st.sampled_from([1.01, 1.2, 1.7])) + 0.01, 3)
        one = oneway and draw(st.integers(0, 5)) == 0
        rows.append(
            link(f"n{first}", f"n{last}", km, kmh, cls, link_id=f"k-{number:04d}", oneway=one)
        )
    # An ordinary road at least, so that positions have something to stand beside.
    if all(row["class"] in ("expressway", *RAIL_CLASSES) for row in rows):
        km = round(math.dist(where[0], where[1]) * 1.1 + 0.01, 3)
        rows.append(link("n0", "n1", km, 40, "class2", link_id="k-last"))
    used = {row[side] for row in rows for side in ("from_node", "to_node")}
    return network({node: spec for node, spec in nodes.items() if node in used}, rows)


@st.composite
def entries_for(draw, network: Network) -> list[dict]:
    """A few edits that may or may not hold on the network."""
    ids = list(network.links.index)
    nodes = list(network.nodes.index)
    kind = st.sampled_from(["add", "cut", "modify", "close"])
    found = []
    for action in draw(st.lists(kind, min_size=1, max_size=4)):
        if action == "add":
            ends = draw(st.lists(st.sampled_from(nodes), min_size=2, max_size=2, unique=True))
            entry = {"action": "add", "from": ends[0], "to": ends[1], "class": "class2"}
        elif action == "cut":
            row = network.links.loc[draw(st.sampled_from(ids))]
            spot = row.geometry.interpolate(draw(st.floats(0.1, 0.9)), normalized=True)
            start, cls = draw(st.sampled_from(nodes)), draw(st.sampled_from(["class2", "ramp"]))
            entry = {"action": "add", "from": start, "to": [spot.x, spot.y], "class": cls}
        elif action == "modify":
            values = draw(st.sampled_from([{"design_speed_kmh": 60}, {"ref": "X1"}]))
            where = {"link_id": draw(st.sampled_from(ids))}
            entry = {"action": "modify", "where": where, "set": values}
        else:
            entry = {"action": "close", "where": {"link_id": draw(st.sampled_from(ids))}}
        found.append(entry)
    return found
