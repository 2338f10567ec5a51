"""All built-in plans, the scenarios and the tables beside them, checked as data.

Nothing of the package is imported: a fault here is a fault of the data, not of a reader.
"""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

RAW = Path(__file__).resolve().parents[1] / "data" / "raw"
PLAN_IDS = tuple(sorted(path.stem for path in (RAW / "plans").glob("*.yaml")))
LINXIA_IDS = ("linxia-2021", "linxia-lanzhou-2022")
LINXIA = {622901, 622921, 622922, 622923, 622924, 622925, 622926, 622927}
# How many targets each document's codes run to.
CODES = {
    "linxia-2021": ("L", range(1, 19)),
    "linxia-lanzhou-2022": ("L", (8, 9, 10, 11, 16, 18)),
    "pingliang-2021": ("P", range(1, 10)),
    "qinghai-2024": ("Q", range(1, 6)),
    "haidong-2023": ("H", range(1, 12)),
}
KINDS = {"core", "belt", "axis", "node", "pole", "ring", "wing", "cluster", "corridor"}
STATUSES = {"open", "construction", "planned", "proposed"}
ROAD_CLASSES = {"expressway", "class1", "class2", "class3", "class4", "urban", "ramp", "access"}
RAIL_CLASSES = {"hsr", "rail200", "rail160", "rail120"}
SETS = {"area-seats", "area-towns"}
METRIC_KEYS = {
    "travel_time": {"origins", "destinations", "mode", "rule"},
    "all_pairs_time": {"places", "mode"},
    "interchange_in_county": {"counties", "include_class1"},
    "time_to_interchange": {"origins", "include_class1", "share"},
    "class_coverage": {"places", "classes", "within_km", "universe"},
    "network_length": {"counties", "classes"},
    "statistic": {"indicator"},
    "coverage": {"area_layer", "point_layer", "distance_m", "method"},
    "screening": {"rules", "counties", "year", "not_computable_zh", "not_computable_en"},
    "border_class": {"borders"},
    "qualitative": {"needs_zh", "needs_en"},
}


def _table(name: str) -> list[dict[str, str]]:
    with (RAW / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # a stray comma would shift the columns
    assert all(None not in row and None not in row.values() for row in rows), name
    return rows


def _load(name: str) -> Any:
    return yaml.safe_load((RAW / name).read_text(encoding="utf-8"))


PLANS: dict[str, dict[str, Any]] = {pid: _load(f"plans/{pid}.yaml") for pid in PLAN_IDS}
TEXTS = {pid: (RAW / "plans" / "texts" / f"{pid}.txt").read_text("utf-8") for pid in PLAN_IDS}
PLACES = {row["place_id"]: row for row in _table("places.csv")}
LINKS = {row["link_id"]: row for row in _table("links.csv")}
SPEEDS = {profile["id"]: profile for profile in _load("speeds.yaml")["profiles"]}
OWN_PROJECTS = {
    f"{pid}/{project['id']}": project
    for pid, plan in PLANS.items()
    for project in plan["projects"]
    if "same_as" not in project
}
ADDED = [
    (name, edit)
    for name, project in OWN_PROJECTS.items()
    for edit in project["edits"]
    if edit["action"] == "add"
]
ELEMENTS = {f"{pid}/{e['id']}": e for pid, plan in PLANS.items() for e in plan["elements"]}
ITEMS = [
    pytest.param(pid, item, id=f"{pid}/{part}/{item['id']}")
    for pid, plan in PLANS.items()
    for part in ("elements", "targets", "projects")
    for item in plan[part]
]


@pytest.mark.parametrize(("pid", "item"), ITEMS)
def test_quote_is_verbatim(pid: str, item: dict[str, Any]) -> None:
    cite = item["cite"]
    assert cite["section"]
    assert len(cite["quote"]) >= 6
    assert cite["quote"] in TEXTS[pid]


@pytest.mark.parametrize("pid", PLAN_IDS)
@pytest.mark.parametrize("part", ["elements", "targets", "projects"])
def test_ids_are_unique_and_well_formed(pid: str, part: str) -> None:
    ids = [item["id"] for item in PLANS[pid][part]]
    assert len(ids) == len(set(ids))
    pattern = r"[LPQH]\d+(-[a-z0-9]+)*" if part == "targets" else r"[a-z0-9]+(-[a-z0-9]+)*"
    assert [i for i in ids if not re.fullmatch(pattern, i)] == []


@pytest.mark.parametrize("pid", PLAN_IDS)
def test_plan_header(pid: str) -> None:
    plan = PLANS[pid]
    assert plan["id"] == pid
    assert len(plan["area"]) == len(set(plan["area"]))
    if pid in LINXIA_IDS:
        assert set(plan["area"]) == LINXIA
    assert not plan["number"] or plan["number"] in TEXTS[pid]
    assert int(plan["horizon"]) >= int(str(plan["date"])[:4])


@pytest.mark.parametrize("name", ELEMENTS)
def test_element(name: str) -> None:
    element = ELEMENTS[name]
    assert element["kind"] in KINDS
    assert element["name_zh"]
    assert element["name_en"].isascii() or "–" in element["name_en"]
    assert element["members"]
    assert len(element["members"]) == len(set(element["members"]))
    unknown = [p for p in element["members"] + element.get("spine", []) if p not in PLACES]
    assert unknown == []
    if element["inferred"] or element.get("spine_inferred"):
        assert len(element["note_zh"]) > 7
        assert len(element["note_en"]) > 20
    for far in element.get("toward", []):
        assert set(far) == {"name_zh", "name_en", "lon", "lat"}
        assert 73 < far["lon"] < 136
        assert 18 < far["lat"] < 54


def test_core_differs_between_the_documents() -> None:
    early = set(ELEMENTS["linxia-2021/core"]["members"])
    late = set(ELEMENTS["linxia-lanzhou-2022/core"]["members"])
    assert early == {"linxia-shi", "linxia-xian", "linxia-jingjikaifaqu"}
    assert late - early == {"dongyuan-xiang", "hetan-zhen"}
    assert early < late


def test_members_named_by_the_document_appear_in_its_text() -> None:
    """A member that is not inferred is named, by its name or the stem of it, in the document."""
    missing = []
    for name, element in ELEMENTS.items():
        if element["inferred"] or element["structure"] == "八纵八横":
            continue
        text = TEXTS[name.split("/")[0]].replace("县", "")
        if "么" not in text and "们" not in text and "國" in text:
            continue  # a text in traditional characters does not hold the names as written here
        for member in element["members"]:
            place = PLACES[member]["name_zh"]
            stem = re.sub(r"(市|县|区|镇|乡|水库|景区|(古动物)?化石博物馆|文化博物馆)$", "", place)
            if place.replace("县", "") not in text and stem[:4] not in text:
                missing.append((name, place))
    # seats that stand for a prefecture, a suburb, full names that the text shortens
    stand_ins = {
        "合作市",
        "西宁市",
        "白银区",
        "城郊镇",
        "兰州中川国际机场",
        "兰州国际陆港",
        "甘肃临夏公路港",
        # 隆务镇 is the seat of 同仁市, 城东区 is named without 西宁, 丹斗寺 is written 旦斗寺
        "同仁市",
        "西宁城东区",
        "丹斗寺",
        "大河家镇",
    }
    assert [m for m in missing if m[1] not in stand_ins] == []


@pytest.mark.parametrize("pid", [pid for pid in PLAN_IDS if pid in CODES])
def test_every_target_code_is_present(pid: str) -> None:
    letter, numbers = CODES[pid]
    found = {t["id"].split("-")[0] for t in PLANS[pid]["targets"]}
    if pid in LINXIA_IDS:  # the two documents share one list of codes
        found = {t["id"].split("-")[0] for p in LINXIA_IDS for t in PLANS[p]["targets"]}
    assert {f"{letter}{n}" for n in numbers} <= found


def test_linxia_codes_have_a_plain_reading() -> None:
    plain = {t["id"] for pid in LINXIA_IDS for t in PLANS[pid]["targets"]}
    assert {f"L{n}" for n in range(1, 18)} <= plain


def _place_set_faults(value: Any) -> list[str]:
    if isinstance(value, list):
        return [p for p in value if p not in PLACES]
    faults = [p for p in value.get("except", []) if p not in PLACES]
    if "set" in value:
        return faults + ([] if value["set"] in SETS else [str(value)])
    return faults


@pytest.mark.parametrize("pid", PLAN_IDS)
def test_targets(pid: str) -> None:
    for target in PLANS[pid]["targets"]:
        where = f"{pid}/{target['id']}"
        assert METRIC_KEYS[target["metric"]] <= set(target), where
        assert target["title_zh"], where
        assert target["title_en"], where
        screening = target["metric"] == "screening"
        assert screening or target["year"] is None or 2022 < target["year"] <= 2035, where
        for key in ("origins", "destinations", "places", "borders"):
            value = target.get(key)
            if value is None:
                continue
            assert _place_set_faults(value) == [], where
            if isinstance(value, dict) and "element" in value:
                full = value["element"] if "/" in value["element"] else f"{pid}/{value['element']}"
                assert full in ELEMENTS, where
        if target["metric"] in {"statistic", "qualitative"}:
            assert target["metric"] == "qualitative" or ("area" in target) != ("areas" in target)
        elif not screening:
            assert target["threshold"] > 0, where
        if target.get("threshold_inferred"):
            assert len(target["threshold_note_zh"]) > 10, where
            assert len(target["threshold_note_en"]) > 20, where
        assert set(target.get("counties", [])) <= set(PLANS[pid]["area"]), where


@pytest.mark.parametrize(
    ("target", "quoted"),
    [
        ("linxia-2021/L1", "半小时"),
        ("linxia-2021/L3", "70%"),
        ("linxia-2021/L5", "半小时"),
        ("linxia-2021/L6", "1小时"),
        ("linxia-2021/L7", "2小时"),
        ("linxia-lanzhou-2022/L10", "600公里"),
        ("linxia-2021/L14", "45%"),
        ("linxia-lanzhou-2022/L16", "50%"),
    ],
)
def test_threshold_is_the_quoted_number(target: str, quoted: str) -> None:
    pid, code = target.split("/")
    found = next(t for t in PLANS[pid]["targets"] if t["id"] == code)
    minutes = {"半小时": 30, "1小时": 60, "2小时": 120}
    number = minutes.get(quoted) or float(re.sub(r"[^\d.]", "", quoted))
    if found["unit"] == "share":
        number /= 100
    assert quoted in found["cite"]["quote"]
    assert found["threshold"] == pytest.approx(number)


def test_county_minima_are_those_of_the_sentence() -> None:
    target = next(t for t in PLANS["linxia-2021"]["targets"] if t["id"] == "L17")
    assert set(target["areas"]) == LINXIA
    assert sum(target["areas"].values()) == 570


@pytest.mark.parametrize("name", OWN_PROJECTS)
def test_project(name: str) -> None:
    project = OWN_PROJECTS[name]
    assert project["status"] in STATUSES
    assert project["confidence"] in {"H", "M", "L"}
    assert len(project["evidence_zh"]) > 5
    assert len(project["evidence_en"]) > 15
    assert (project["status"] == "open") == (project["opened"] is not None)
    if project["status"] == "open":
        assert project["expected"] is None
        assert "2010" < str(project["opened"]) < "2026-12"
    if project["status"] == "construction" and project["expected"] is None:
        assert "此处不列日期" in project["evidence_zh"]
        assert "no date is given here" in project["evidence_en"]
    elif project["status"] == "construction":
        assert int(str(project["expected"])[:4]) >= 2025
    if project["status"] == "proposed":
        assert project["expected"] is None
    if not project["edits"]:
        assert project["note_zh"]
    if project["length_km"] and project["edits"] and project["class"] in ROAD_CLASSES:
        roads = sum(e.get("length_km", 0) for e in project["edits"] if e["action"] == "add")
        assert roads == 0 or roads >= 0.95 * project["length_km"]


@pytest.mark.parametrize("pid", PLAN_IDS)
def test_notes_and_evidence_are_in_both_languages(pid: str) -> None:
    han = re.compile(r"[\u4e00-\u9fff]")
    for part in ("elements", "targets", "projects"):
        for entry in PLANS[pid][part]:
            where = f"{pid} {part} {entry['id']}"
            assert not {"note", "evidence"} & set(entry), where
            for field in ("note", "evidence"):
                zh, en = entry.get(f"{field}_zh", ""), entry.get(f"{field}_en", "")
                assert bool(zh) == bool(en), where
                assert not zh or (zh[-1] == "。" and len(han.findall(zh)) > 3), where
                assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", zh), where
                # English may hold Chinese names, but is more than a list of them.
                assert not en or (en[-1] == "." and len(re.findall(r"[A-Za-z]+", en)) > 1), where


def test_shared_projects_resolve() -> None:
    for pid, plan in PLANS.items():
        for project in plan["projects"]:
            if "same_as" in project:
                assert project["same_as"] in OWN_PROJECTS, f"{pid}/{project['id']}"
                assert set(project) <= {"id", "same_as", "promised", "cite", "note_zh", "note_en"}


def test_promised_year_only_where_the_sentence_says_finished() -> None:
    for pid, plan in PLANS.items():
        for project in plan["projects"]:
            if project["promised"] is not None:
                assert int(str(plan["date"])[:4]) <= project["promised"] <= plan["horizon"]
                assert "建成" in project["cite"]["quote"], f"{pid}/{project['id']}"


@pytest.mark.parametrize(("name", "edit"), [pytest.param(*a, id=a[1]["link_id"]) for a in ADDED])
def test_added_link(name: str, edit: dict[str, Any]) -> None:
    assert edit["from"] in PLACES
    assert edit["to"] in PLACES
    assert edit["from"] != edit["to"]
    assert edit["class"] in {"road": ROAD_CLASSES, "rail": RAIL_CLASSES}[edit["mode"]]
    assert 0 < edit["length_km"] < 150
    assert edit["source"]
    assert edit["confidence"] in {"H", "M", "L"}
    assert edit["length_basis"] in {"published", "pro_rata", "estimate"}
    if edit["length_basis"] == "estimate":
        assert edit["confidence"] != "H"
    assert edit["link_id"] not in LINKS, f"{name} adds a link that the network already has"


def _straight_km(start: str, end: str) -> float:
    """Return the great-circle distance between two places, km (haversine, mean radius)."""
    x1, y1, x2, y2 = (
        math.radians(float(PLACES[place][axis]))
        for place in (start, end)
        for axis in ("lon", "lat")
    )
    half = math.sin((y2 - y1) / 2) ** 2
    half += math.cos(y1) * math.cos(y2) * math.sin((x2 - x1) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(half))


def test_no_added_link_is_shorter_than_the_straight_line() -> None:
    short = [
        edit["link_id"]
        for _, edit in ADDED
        if edit["length_km"] < 0.995 * _straight_km(edit["from"], edit["to"])
    ]
    assert short == []


def test_added_link_ids_are_unique() -> None:
    ids = [edit["link_id"] for _, edit in ADDED]
    assert len(ids) == len(set(ids))


def test_modifying_edits_fit_the_network() -> None:
    seen = 0
    for name, project in OWN_PROJECTS.items():
        for edit in project["edits"]:
            if edit["action"] != "modify":
                continue
            seen += 1
            link = LINKS[edit["where"]["link_id"]]
            assert {k: str(v) for k, v in edit["expect"].items()} == {
                k: link[k] for k in edit["expect"]
            }, name
            assert edit["set"]["confidence"] == "L"
            assert "inferred" in edit["note"]
    assert seen >= 7


@pytest.mark.parametrize(
    ("name", "ref", "published"),
    [("linda", "S32", 51.3), ("anlin", "S36", 57.07), ("lanyonglin", "G1816", 80.858)],
)
def test_main_line_sums_to_the_published_length(name: str, ref: str, published: float) -> None:
    links = [
        e
        for e in OWN_PROJECTS[f"linxia-2021/{name}"]["edits"]
        if e.get("ref") == ref and e["length_basis"] != "estimate"
    ]
    assert sum(e["length_km"] for e in links) == pytest.approx(published, abs=0.05)


def test_scenarios_resolve() -> None:
    scenarios = _load("scenarios.yaml")
    ids = [s["id"] for s in scenarios]
    assert len(ids) == len(set(ids))
    assert {
        "linxia-base-2021",
        "linxia-open-2024",
        "linxia-promised-2025",
        "linxia-expected-2027",
        "linxia-vision-2035",
    } <= set(ids)
    for scenario in scenarios:
        assert scenario["role"] in {"base", "open", "promised", "expected", "vision"}
        assert set(scenario["plans"]) <= set(PLAN_IDS)
        if scenario["area"] == "linxia":
            assert set(scenario["plans"]) == set(LINXIA_IDS)
        assert re.fullmatch(r"20\d\d-\d\d", str(scenario["network_date"]))
        assert ("projects" in scenario) != ("all_open_by" in scenario)
        assert scenario["schedule"] in {"as_planned", "as_built"}
        assert [p for p in scenario.get("projects", []) if p not in OWN_PROJECTS] == []
    # A plan has one network of today: the default when a user names none.
    for pid in PLAN_IDS:
        assert [s["role"] for s in scenarios if pid in s["plans"]].count("open") == 1, pid


def test_promised_scenario_is_what_the_scheme_promises() -> None:
    promised = {
        p.get("same_as", f"linxia-lanzhou-2022/{p['id']}")
        for p in PLANS["linxia-lanzhou-2022"]["projects"]
        if p["promised"] == 2025
    }
    scenario = next(s for s in _load("scenarios.yaml") if s["id"] == "linxia-promised-2025")
    assert set(scenario["projects"]) == promised


def test_population_sums() -> None:
    population = {row["adcode"]: int(row["population"]) for row in _table("population.csv")}
    confidence = {row["adcode"]: row["confidence"] for row in _table("population.csv")}
    groups = {"622900": "6229", "620800": "6208", "630100": "6301", "630200": "6302"}
    for total, prefix in groups.items():
        parts = [a for a in population if a.startswith(prefix) and a != total]
        tolerance = 2_000 if any(confidence[a] == "L" for a in parts) else 0
        assert abs(sum(population[a] for a in parts) - population[total]) <= tolerance, total
    # what the counties without a published figure must add up to
    known = sum(population[a] for a in population if a[:4] == "6229" and confidence[a] == "H")
    assert 2 * population["622900"] - known == 721_080
    assert {row["adcode"] for row in _table("population.csv")} >= {str(a) for a in LINXIA}
    for row in _table("population.csv"):
        assert row["source"]
        assert not row["urban"] or 0 < int(row["urban"]) < int(row["population"])


def test_statistics_rows() -> None:
    rows = _table("statistics.csv")
    keys = [(r["adcode"], r["indicator"], r["year"]) for r in rows]
    assert len(keys) == len(set(keys))
    for row in rows:
        assert float(row["value"]) > 0
        assert row["source"]
        assert row["unit"]
    value = {
        (r["indicator"], r["year"]): float(r["value"]) for r in rows if r["adcode"] == "622900"
    }
    sectors = sum(value[f"gdp_{s}", "2020"] for s in ("primary", "secondary", "tertiary"))
    assert value["gdp", "2020"] == pytest.approx(sectors)
    share = value["urban_population", "2020"] / value["resident_population", "2020"] * 100
    assert value["urbanisation_rate", "2020"] == pytest.approx(share, abs=0.1)
    for row in rows:
        if row["source"].startswith("临夏州新型城镇化规划"):
            assert re.search(rf"{re.escape(row['value'])}(?!\d)", TEXTS["linxia-2021"]), row


def _speed_rows(profile: str) -> dict[tuple[str, str, int | None], float]:
    rows = SPEEDS[profile]["speeds"]
    keys = [(r["mode"], r["class"], r["design_speed_kmh"]) for r in rows]
    assert len(keys) == len(set(keys))
    return dict(zip(keys, (r["kmh"] for r in rows), strict=True))


def test_speeds_cover_every_link() -> None:
    needed = {(r["mode"], r["class"], int(float(r["design_speed_kmh"]))) for r in LINKS.values()}
    needed |= {(e["mode"], e["class"], e["design_speed_kmh"]) for _, e in ADDED}
    needed |= {("road", "class2", 80)}
    classes = {("road", c, None) for c in ROAD_CLASSES} | {("rail", c, None) for c in RAIL_CLASSES}
    for profile in ("operating", "design"):
        rows = _speed_rows(profile)
        assert classes <= set(rows)
        assert [
            k for k in needed if k not in rows and k[1] not in {"urban", "ramp", "access"}
        ] == []
        assert all(v <= SPEEDS[profile]["legal_max_kmh"] for k, v in rows.items() if k[0] == "road")


def test_operating_is_never_faster_than_design() -> None:
    operating, design = _speed_rows("operating"), _speed_rows("design")
    assert set(operating) == set(design)
    assert [k for k in operating if operating[k] > design[k]] == []
    for key, speed in design.items():
        assert key[2] is None or speed == key[2]
    slow, fast = SPEEDS["operating"], SPEEDS["design"]
    assert slow["ramp_minutes"] >= fast["ramp_minutes"]
    assert slow["access_kmh"] <= fast["access_kmh"]
    assert slow["rail"]["wait_minutes"] >= fast["rail"]["wait_minutes"]
