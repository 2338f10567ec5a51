"""Fetching from a server on this machine that plays Overpass. Nothing goes farther."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import osmnx
import pytest
import shapely

from spatialplan import fetch, importing
from spatialplan.errors import InputError

AREA = shapely.box(103.0, 35.0, 103.2, 35.2)
NODES = {1: (103.05, 35.05), 2: (103.1, 35.05), 3: (103.15, 35.05), 4: (103.1, 35.1)}
WAYS = {
    11: ([1, 2, 3], {"highway": "trunk", "ref": "G309", "maxspeed": "60"}),
    12: ([2, 4], {"highway": "primary", "highway:CN": "class_1", "oneway": "-1"}),
    13: ([3, 4], {"highway": "service", "access": "private"}),
}
PLACES = [
    {
        "type": "node",
        "id": 50,
        "lon": 103.1,
        "lat": 35.052,
        "tags": {"place": "town", "name": "三甲集镇"},
    }
]


class Server(ThreadingHTTPServer):
    """Overpass with three ways and a town; `status` and `empty` change what it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.queries: list[str] = []
        self.status = 200
        self.empty = False
        self.says: bytes = b""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = parse_qs(body)["data"][0]
        self.server.queries.append(query)
        answer = json.dumps({"version": 0.6, "elements": self.elements(query)}).encode()
        if self.server.status != 200:
            answer = b"<html>Error: runtime error</html>"
        answer = self.server.says or answer
        self.send_response(self.server.status if self.path == "/api/interpreter" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def elements(self, query: str) -> list[dict]:
        if self.server.empty:
            return []
        if '"highway"~' in query:
            ways = [
                {"type": "way", "id": i, "nodes": refs, "tags": tags}
                for i, (refs, tags) in WAYS.items()
            ]
            nodes = [{"type": "node", "id": i, "lon": x, "lat": y} for i, (x, y) in NODES.items()]
            return [*ways, *nodes]
        return PLACES if "'place'" in query else []

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def overpass(monkeypatch) -> Iterator[Server]:
    """A server that plays Overpass; whoever asks another one fails."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    connect = socket.socket.connect

    def only_here(self, address):
        assert str(address[0]) in ("127.0.0.1", "::1"), f"asks {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    monkeypatch.setattr(fetch, "getproxies", dict)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_network_and_places_come_from_the_server(overpass, tmp_path):
    found = fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path / "cache")
    links = found.network.links
    assert set(links["class"]) == {"class2", "class1"}
    assert len(links) == 3
    assert set(links["design_speed_kmh"].dropna()) == {60.0}
    against = links[links["class"] == "class1"].iloc[0]
    assert against["oneway"]
    assert tuple(against[["from_node", "to_node"]]) == ("n4", "n2")
    assert list(found.places["name_zh"]) == ["三甲集镇"]
    assert "ODbL" in links["source"].iloc[0]
    assert found.network.faults() == []


def test_answers_are_cached(overpass, tmp_path):
    first = fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path / "cache")
    asked = len(overpass.queries)
    assert asked >= 2
    overpass.status = 500  # whoever asks again now gets nothing
    again = fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path / "cache")
    assert len(overpass.queries) == asked
    assert list(again.network.links.index) == list(first.network.links.index)


def test_the_endpoint_can_come_from_the_environment(overpass, tmp_path, monkeypatch):
    monkeypatch.setenv("SPATIALPLAN_OVERPASS", overpass.address + "/")
    fetch.fetch(AREA, cache=tmp_path)
    assert overpass.queries


def test_settings_of_osmnx_and_of_sockets_stay_as_they_were(overpass, tmp_path):
    names = [n for n in dir(osmnx.settings) if n.islower() and not n.startswith("_")]
    before = {name: getattr(osmnx.settings, name) for name in names}
    resolve = socket.getaddrinfo
    fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path)
    assert {name: getattr(osmnx.settings, name) for name in names} == before
    assert socket.getaddrinfo is resolve


def test_area_without_roads(overpass, tmp_path):
    overpass.empty = True
    with pytest.raises(InputError, match="没有可行车的道路"):
        fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path)


def test_server_that_refuses(overpass, tmp_path):
    overpass.status = 400
    with pytest.raises(InputError, match="拒绝"):
        fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path)


def test_without_a_network_the_message_says_how_to_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "getproxies", dict)
    with socket.socket() as probe:  # a port where nobody listens
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
        with pytest.raises(InputError, match="network import") as caught:
            fetch.fetch(AREA, endpoint=address, cache=tmp_path)
    assert "Geofabrik" in str(caught.value)


def test_without_osmnx_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "osmnx", None)
    with pytest.raises(InputError, match=r"spatialplan\[fetch\]") as caught:
        fetch.fetch(AREA)
    assert "network import" in str(caught.value)


def test_too_large_an_area_is_refused_before_anything_is_asked(overpass):
    with pytest.raises(InputError, match="太大"):
        fetch.fetch(shapely.box(100, 30, 106, 36), endpoint=overpass.address)
    assert overpass.queries == []


def test_cached_answers_serve_without_a_network(overpass, tmp_path):
    fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path)
    overpass.shutdown()
    overpass.server_close()
    again = fetch.fetch(AREA, endpoint=overpass.address, cache=Path(tmp_path))
    assert len(again.network.links) == 3


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"<html>rate limited</html>", "rate limited"),
        (b'{"elements": [], "remark": "runtime error: Query timed out after 181 s"}', "timed out"),
    ],
)
def test_answer_that_is_not_whole_is_not_taken_for_no_roads(overpass, tmp_path, says, words):
    overpass.says = says
    with pytest.raises(InputError, match="回答异常") as caught:
        fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path)
    assert words in str(caught.value)
    overpass.says = b""
    assert len(fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path).network.links) == 3


def test_nothing_of_the_answer_within_the_area(overpass, tmp_path):
    with pytest.raises(InputError, match="没有可行车的道路"):
        fetch.fetch(shapely.box(104, 35, 104.1, 35.1), endpoint=overpass.address, cache=tmp_path)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:80/api", "overpass", "http://127.0.0.1:99999/api", "ftp://x/api"]
)
def test_endpoint_that_is_no_address(address):
    with pytest.raises(InputError, match="服务器地址应如"):
        fetch.fetch(AREA, endpoint=address)


def test_cache_that_cannot_be_written_or_is_damaged(overpass, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="--cache"):
        fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path / "file")
    fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path / "cache")
    for answer in (tmp_path / "cache").iterdir():
        answer.write_text('{"elements": [')
    with pytest.raises(InputError, match="已损坏"):
        fetch.fetch(AREA, endpoint=overpass.address, cache=tmp_path / "cache")


def test_one_way_of_naming_the_area():
    with pytest.raises(InputError, match="中的一个"):
        importing.fetch_area("linxia-2021", bbox="103,35,104,36")
    assert importing.fetch_area(bbox="103,35,104,36").bounds == (103, 35, 104, 36)
