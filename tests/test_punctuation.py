import pytest

from spatialplan.punctuation import full_width

COMMA, COLON, SEMICOLON = "\N{FULLWIDTH COMMA}", "\N{FULLWIDTH COLON}", "\N{FULLWIDTH SEMICOLON}"
OPEN, CLOSE = "\N{FULLWIDTH LEFT PARENTHESIS}", "\N{FULLWIDTH RIGHT PARENTHESIS}"


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
def test_marks_beside_chinese_are_full_width(typed, wanted):
    assert full_width(typed) == wanted
    assert full_width(wanted) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "class-I road, 40 links (open); see: x!", "12:30", "路网 network: 5", "G310 (2024)",
     "(unbalanced 甲", "高 high", "https://example.org/a?b=1"],
)  # fmt: skip
def test_english_and_numbers_stay(text):
    assert full_width(text) == text
