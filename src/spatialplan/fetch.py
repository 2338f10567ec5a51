"""Road networks from an Overpass server, through OSMnx.

OSMnx asks, waits its turn, cuts large areas into several questions and keeps the answers in a
cache. What it gets goes the way of an extract file, except turn restrictions: it does not ask
for those.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import shapely

from spatialplan import osm, tags
from spatialplan.errors import InputError

if TYPE_CHECKING:
    import geopandas as gpd
    import networkx as nx
    import requests

    from spatialplan.tags import Rules

__all__ = ["ENDPOINT", "fetch"]

ENDPOINT = "https://overpass-api.de/api"
REACH_SECONDS = 10.0
NOWHERE = "http://127.0.0.1:9"  # where nobody listens: fails at once
LARGEST_SQUARE_DEGREES = 4.0  # a prefecture; more is unkind to a free server
_ROADS = "motorway|trunk|primary|secondary|tertiary|unclassified|residential|living_street|road"
_LINKS = "motorway_link|trunk_link|primary_link|secondary_link|tertiary_link|service|track"
_WAYS = (f'["highway"~"^({_ROADS}|{_LINKS})$"]', '["railway"="rail"]', '["route"="ferry"]')
_POINTS = {
    "place": list(osm.PLACE_VALUES),
    "railway": ["station", "halt"],
    "highway": "motorway_junction",
    "barrier": sorted(tags.SHUT_BARRIERS | {"gate", "lift_gate", "swing_gate"}),
}
_ACCESS = ("access", "vehicle", "motor_vehicle", "motorcar")
_TAGS = (
    *("highway", "railway", "route", "name", "name:zh", "name:zh-Hans", "name:en", "ref"),
    *("oneway", "oneway:motor_vehicle", "oneway:motorcar", "junction", "area", "duration"),
    *("maxspeed", "maxspeed:forward", "maxspeed:backward", *_ACCESS),
)


def fetch(
    area: shapely.Geometry,
    *,
    rules: Rules | None = None,
    endpoint: str = "",
    cache: str | Path | None = None,
    keep: str = "main",
    name: str = "overpass",
) -> osm.Extract:
    """Return the network of an area from an Overpass server.

    Parameters
    ----------
    area
        Polygon in EPSG:4326, at most `LARGEST_SQUARE_DEGREES` of bounding box.
    rules
        The class of each way; the built-in table by default.
    endpoint
        The server, up to ``/api``; by default ``SPATIALPLAN_OVERPASS``, else `ENDPOINT`.
    cache
        Folder for answers; by default ``.cache/overpass`` in the working folder. What is there
        is not asked for again.
    keep
        As for `spatialplan.osm.read`.

    Raises
    ------
    InputError
        When OSMnx is not installed, the server cannot be reached or refuses, the area is too
        large, or has no road; the message says how to work from an extract file.
    """
    ox = _osmnx()
    west, south, east, north = area.bounds
    if (east - west) * (north - south) > LARGEST_SQUARE_DEGREES:
        raise InputError.of(
            "network fetch",
            f"范围太大({east - west:.1f}°×{north - south:.1f}°);请缩小,或下载省级 .osm.pbf 后用 "
            "network import",
            "the area is too large; make it smaller, or import an extract file",
        )
    rules = rules or tags.read_rules()
    server = (endpoint or os.environ.get("SPATIALPLAN_OVERPASS") or ENDPOINT).rstrip("/")
    _check_address(server)
    folder = Path(cache) if cache else Path(".cache", "overpass")
    with _settings(ox, server, folder, [*_TAGS, *rules.keys]):
        graph, points = _asked(ox, area, server, folder)
    collector = osm.Collector(rules, area)
    if points is not None:
        _add_points(collector, points)
    if graph is not None:
        _add_ways(collector, graph)
    return collector.finished(name, "network fetch", keep)


def _osmnx() -> ModuleType:
    try:
        import osmnx
    except ImportError:
        raise InputError.of(
            "network fetch",
            "在线获取需要 OSMnx;请运行 pip install 'spatialplan[fetch]'。"
            "没有网络时:在别的机器上下载 .osm.pbf(如 Geofabrik 的 China/Gansu),"
            "再用 spatialplan network import FILE.osm.pbf",
            "OSMnx is needed: pip install 'spatialplan[fetch]'; or import an extract file",
        ) from None
    return osmnx


@contextlib.contextmanager
def _settings(ox: ModuleType, server: str, folder: Path, keys: list[str]) -> Iterator[None]:
    """Set OSMnx up for one question, and leave it as it was; it holds its settings globally."""
    reached = _reaches(server)  # else the answers may be in the cache; waiting is no use
    public = urlsplit(server).hostname == urlsplit(ENDPOINT).hostname
    wanted = {
        "overpass_url": server,
        "overpass_rate_limit": reached and public,
        "requests_kwargs": {"hooks": {"response": _check_answer}}
        if reached
        else {"proxies": dict.fromkeys(("http", "https"), NOWHERE)},
        "use_cache": True,
        "cache_folder": str(folder),
        "all_oneway": True,  # each way once, in the order of its nodes
        "useful_tags_way": list(dict.fromkeys(keys)),
        "useful_tags_node": ["barrier", "highway", "name", "ref", *_ACCESS],
        "doh_url_template": None,  # asks nobody but the server
        "log_console": False,
    }
    before = {key: getattr(ox.settings, key) for key in wanted}
    resolve = socket.getaddrinfo  # OSMnx puts a function of its own here
    try:
        for key, value in wanted.items():
            setattr(ox.settings, key, value)
        yield
    finally:
        for key, value in before.items():
            setattr(ox.settings, key, value)
        socket.getaddrinfo = resolve


def _check_address(server: str) -> None:
    try:
        parts = urlsplit(server)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    if not good:
        raise InputError.of(
            server,
            f"服务器地址应如 {ENDPOINT}(--endpoint 或 SPATIALPLAN_OVERPASS)",
            "not the address of a server; it begins with http:// or https://",
        )


def _check_answer(answer: requests.Response, *_: object, **__: object) -> None:
    """Refuse an answer that is no JSON, or that the server broke off; OSMnx takes what is there."""
    if not answer.ok or not answer.url.partition("?")[0].endswith("/interpreter"):
        return
    if not answer.content.lstrip().startswith(b"{"):
        said = " ".join(answer.text.split())[:100]
        raise _odd(answer.url, f"no JSON: {said}")
    remark = re.search(rb'"remark"\s*:\s*"([^"]*)', answer.content[-2000:])
    if remark and b"error" in remark[1]:
        raise _odd(answer.url, remark[1].decode(errors="replace")[:200])


def _odd(server: str, reason: str) -> InputError:
    return InputError.of(
        server,
        "服务器拒绝或回答异常;请稍后再试、缩小范围,或用 --endpoint 换一台,或改用 .osm.pbf 文件",
        f"the server refuses or answers oddly: {reason}",
    )


def _asked(
    ox: ModuleType, area: shapely.Geometry, server: str, folder: Path
) -> tuple[nx.MultiDiGraph | None, gpd.GeoDataFrame | None]:
    """Return the ways and the points that the server has, or the cache, or None."""
    import requests

    graph = points = None
    try:
        with _nothing_found():
            graph = ox.graph_from_polygon(
                area,
                custom_filter=list(_WAYS),
                simplify=False,
                retain_all=True,
                truncate_by_edge=True,
            )
        with _nothing_found():
            points = ox.features_from_polygon(area, _POINTS)
    except requests.exceptions.RequestException as error:
        raise _unreachable(server, error) from None
    except json.JSONDecodeError:
        raise InputError.of(
            folder,
            "缓存里的回答已损坏;请删去这个文件夹后再试",
            "an answer in the cache is damaged; delete this folder and try again",
        ) from None
    except OSError as error:
        raise InputError.of(
            folder,
            "缓存写不进去;请用 --cache 换个文件夹",
            f"cannot write the cache: {error.strerror}",
        ) from None
    except InputError:
        raise
    except ValueError as error:
        raise _odd(server, str(error).splitlines()[0][:200]) from None
    return graph, points


@contextlib.contextmanager
def _nothing_found() -> Iterator[None]:
    """Pass over OSMnx's complaint that there is nothing in the area."""
    try:
        yield
    except ValueError as error:
        nothing = type(error).__name__ == "InsufficientResponseError"
        if not nothing and "no graph nodes within" not in str(error):
            raise


def _reaches(server: str) -> bool:
    """Say whether the server answers at all (behind a proxy nobody can say)."""
    if getproxies():
        return True
    parts = urlsplit(server)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=REACH_SECONDS):
            return True
    except OSError:
        return False


def _unreachable(server: str, error: Exception) -> InputError:
    return InputError.of(
        server,
        "连不上 Overpass 服务器。没有网络时:在能上网的机器上下载 .osm.pbf"
        "(如 Geofabrik 的 China/Gansu,或 --endpoint 指定内网服务器),"
        "再用 spatialplan network import FILE.osm.pbf --boundary 代码 -o net.gpkg",
        f"cannot be reached ({type(error).__name__}); work from an extract file: network import",
    )


def _add_points(collector: osm.Collector, points: gpd.GeoDataFrame) -> None:
    """Give the collector the places, stations, interchanges and barriers."""
    rows = points.drop(columns="geometry").to_dict("records")
    for (kind, number), row, shape in zip(points.index, rows, points.geometry, strict=True):
        spot = shape.representative_point()
        marks = _marks(row)
        # Numbers of nodes and ways overlap; a way's would name a track's node by chance.
        collector.add_node(int(number) if kind == "node" else -int(number), spot.x, spot.y, marks)


def _add_ways(collector: osm.Collector, graph: nx.MultiDiGraph) -> None:
    """Give the collector each straight piece as a way; equal ones are chained again."""
    at = {node: (data["x"], data["y"]) for node, data in graph.nodes(data=True)}
    for first, last, data in graph.edges(data=True):
        marks = _marks(data)
        # OSMnx has turned what runs against its drawing.
        for key in ("oneway", "oneway:motor_vehicle", "oneway:motorcar"):
            if marks.get(key) in ("-1", "reverse"):
                marks[key] = "yes"
        if collector.wants(marks):
            collector.add_way(
                int(data["osmid"]), marks, [first, last], array("d", [*at[first], *at[last]])
            )


def _marks(data: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): value for key, value in data.items() if isinstance(value, str)}
