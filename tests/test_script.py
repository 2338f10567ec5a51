"""Traditional and Simplified Chinese: quotes stay, search and display work in both."""

import pytest

from spatialplan import places, plan, printing
from spatialplan.script import beside, simplified


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
