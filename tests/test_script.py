"""Traditional and Simplified Chinese: quotes stay, search and display work in both."""

import pytest

from spatialplan import places, plan, printing
from spatialplan.script import beside, listed, simplified, wide

COMMA, COLON, SEMICOLON = "\N{FULLWIDTH COMMA}", "\N{FULLWIDTH COLON}", "\N{FULLWIDTH SEMICOLON}"
OPEN, CLOSE = "\N{FULLWIDTH LEFT PARENTHESIS}", "\N{FULLWIDTH RIGHT PARENTHESIS}"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("莊浪縣", "庄浪县"), ("静寧", "静宁县"), ("靜寧縣", "静宁县"), ("華亭市", "华亭市")],
)
def test_a_place_is_found_by_its_traditional_name(typed: str, meant: str) -> None:
    gazetteer = places.builtin()
    assert meant in set(gazetteer.search(typed)["name_zh"])
    assert meant in gazetteer.suggestions(typed)


def test_a_traditional_name_means_the_same_place() -> None:
    gazetteer = places.builtin()
    assert gazetteer.find("莊浪縣") == gazetteer.find("庄浪县")
    assert gazetteer.find("臨夏市") == gazetteer.find("临夏市")


def test_only_characters_change_never_words() -> None:
    assert simplified("優先發展公共運輸,提高站點覆蓋率") == "优先发展公共运输,提高站点覆盖率"
    assert simplified("G22 a.b") == "G22 a.b"
    assert beside("临夏州") == ""


def test_quotes_stay_and_the_simplified_text_lies_beside() -> None:
    pingliang = plan.builtin("pingliang-2021")
    text = printing.plan_text(pingliang)
    quote = next(t for t in pingliang.targets if t.id == "P1").cite.quote
    assert quote in text
    assert "以“县县通高速”为目标" in text
    assert "简体" not in printing.plan_text(plan.builtin("linxia-2021"))


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("示意图,界线", f"示意图{COMMA}界线"),
        ("可见:永靖县;康乐县", f"可见{COLON}永靖县{SEMICOLON}康乐县"),
        ("规划(2021-2035年)", f"规划{OPEN}2021-2035年{CLOSE}"),
        ("表格(CSV)", f"表格{OPEN}CSV{CLOSE}"),
        ("低(估计)low, estimated", f"低{OPEN}估计{CLOSE}low, estimated"),
        ("甲(乙(丙),丁)", f"甲{OPEN}乙{OPEN}丙{CLOSE}{COMMA}丁{CLOSE}"),
        ("共 1,234 条,长 5 km,占 3%", f"共 1,234 条{COMMA}长 5 km{COMMA}占 3%"),
        ("中文, English", f"中文{COMMA}English"),
        ("“甲”,乙", f"“甲”{COMMA}乙"),
    ],
)
def test_marks_beside_chinese_are_wide(typed, wanted):
    assert wide(typed) == wanted
    assert wide(wanted) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "class-I road, 40 links (open); see: x!", "12:30", "路网 network: 5", "G310 (2024)",
     "(unbalanced 甲", "高 high", "https://example.org/a?b=1"],
)  # fmt: skip
def test_english_and_numbers_stay(text):
    assert wide(text) == text


def test_list_as_a_planner_types_it():
    assert listed("30,60") == listed("30\uff0c60") == listed(" 30\u300160 ") == ["30", "60"]


def test_position_as_a_planner_types_it():
    assert places.parse_lonlat(f"103.2{COMMA}35.6", "x") == places.parse_lonlat("103.2,35.6", "x")
    assert places.parse_lonlat(f"103.2{COMMA}35.6", "x") is not None
