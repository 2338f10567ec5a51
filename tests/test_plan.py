"""The plan reader: what it reads, and one fault for each thing that is wrong."""

from __future__ import annotations

import copy

import pytest
import yaml

from spatialplan import plan, targets
from spatialplan.errors import InputError

TEXT = "第一章 总则\n构建“一心两带”格局。实现中心城区至各县半小时交通圈。建设甲乙高速。\n"
CONTENT = {
    "id": "toy-2021",
    "title_zh": "试验规划",
    "title_en": "Toy plan",
    "issuer": "某局",
    "date": "2021-01-01",
    "horizon": 2035,
    "area": [622901, 622922],
    "crs": "EPSG:4543",
    "elements": [
        {"id": "core", "structure": "一心两带", "kind": "core", "name_zh": "一心",
         "members": ["linxia-shi", "linxia-xian"],
         "cite": {"section": "一", "quote": "构建“一心两带”格局"}},
        {"id": "belt", "structure": "一心两带", "kind": "belt", "name_zh": "带",
         "spine": ["linxia-shi", "kangle-xian"], "inferred": True,
         "cite": {"section": "一", "quote": "构建“一心两带”格局"}},
    ],
    "targets": [
        {"id": "T1", "title_zh": "半小时", "metric": "travel_time", "threshold": 30, "unit": "min",
         "origins": {"element": "core"}, "destinations": {"set": "area-seats"},
         "cite": {"quote": "实现中心城区至各县半小时交通圈"}},
        {"id": "T2", "title_zh": "数", "metric": "statistic", "threshold": 1, "indicator": "gdp",
         "area": 622901, "cite": {"quote": "实现中心城区至各县半小时交通圈"}},
    ],
    "projects": [
        {"id": "jiayi", "name_zh": "甲乙高速", "promised": 2025, "opened": "2024-12",
         "edits": [], "cite": {"quote": "建设甲乙高速"}},
    ],
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "toy-2021.txt").write_text(TEXT, encoding="utf-8")

    def put(content) -> object:
        path = tmp_path / "toy-2021.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return path

    return put


def test_a_good_plan_is_read(write):
    found = plan.read(write(CONTENT))
    assert (found.id, found.horizon, found.area) == ("toy-2021", 2035, (622901, 622922))
    assert found.structures == ("一心两带",)
    assert found.element("core").members == ("linxia-shi", "linxia-xian")
    assert found.element("belt").inferred
    assert found.targets[0].key == "toy-2021/T1"
    assert found.targets[0].mode == "road"
    assert found.targets[0].parameters["origins"] == {"element": "core"}
    assert found.projects[0].key == "toy-2021/jiayi"
    assert found.projects[0].opened == "2024-12"
    with pytest.raises(KeyError):
        found.element("none")


def _set(path: str, value):
    """Return a change of the content: ``targets.0.metric``; None removes the key."""
    *steps, last = path.split(".")

    def change(content):
        for step in steps:
            content = content[int(step) if step.isdigit() else step]
        if value is None:
            del content[last]
        else:
            content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        (_set("elements.0.cite.quote", "没有说过的话"), "elements 第1条 core", "不在原文中"),
        (_set("targets.0.cite.quote", "实现中心城区到各县"), "targets 第1条 T1", "逐字"),
        (_set("projects.0.cite", None), "projects 第1条 jiayi", "引句"),
        (_set("projects.0.cite", "建设甲乙高速"), "projects 第1条 jiayi", "引句"),
        (_set("elements.1.id", "core"), "elements 第2条 core", "重复"),
        (_set("targets.1.id", "T1"), "targets 第2条 T1", "重复"),
        (_set("targets.1.id", None), "targets 第2条", "缺少 id"),
        (_set("elements.0.kind", "heart"), "elements 第1条 core", "belt"),
        (_set("elements.0.name_zh", None), "elements 第1条 core", "name_zh"),
        (_set("elements.0.members", ["linxia-shi", "linxia-xiang"]), "elements 第1条 core",
         "linxia-x"),
        (_set("elements.1.spine", ["kangle"]), "elements 第2条 belt", "kangle"),
        (_set("targets.0.metric", "travel_tme"), "targets 第1条 T1", "travel_time"),
        (_set("targets.0.threshold", None), "targets 第1条 T1", "缺少 threshold"),
        (_set("targets.0.threshold", "thirty"), "targets 第1条 T1", "threshold"),
        (_set("targets.0.title_zh", None), "targets 第1条 T1", "title_zh"),
        (_set("targets.0.destinations", None), "targets 第1条 T1", "缺少 destinations"),
        (_set("targets.0.origins", ["linxia"]), "targets 第1条 T1 origins", "linxia"),
        (_set("targets.0.origins", "linxia-shi"), "targets 第1条 T1 origins", "列表"),
        (_set("targets.0.origins", {"set": "all"}), "targets 第1条 T1 origins", "area-seats"),
        (_set("targets.0.origins", {"element": "kore"}), "targets 第1条 T1 origins", "core"),
        (_set("targets.0.destinations", {"set": "area-seats", "except": ["nowhere"]}),
         "targets 第1条 T1 destinations", "nowhere"),
        (_set("targets.0.mode", "boat"), "targets 第1条 T1", "road"),
        (_set("targets.0.rule", "all"), "targets 第1条 T1", "nearest"),
        (_set("targets.0.share", 70), "targets 第1条 T1", "share"),
        (_set("targets.1.indicator", None), "targets 第2条 T2", "indicator"),
        (_set("targets.1.area", None), "targets 第2条 T2", "area"),
        (_set("targets.1", "T2"), "targets 第2条", "键"),
        (_set("horizon", "soon"), "toy-2021.yaml", "horizon"),
        (_set("title_zh", None), "toy-2021.yaml", "title_zh"),
        (_set("elements", {"core": {}}), "elements", "列表"),
    ],
)  # fmt: skip
def test_one_fault_each_with_place_and_remedy(write, change, where, words):
    content = copy.deepcopy(CONTENT)
    if where == "targets 第2条" and words == "键":
        content["targets"][1] = "T2"
    else:
        change(content)
    path = write(content)
    with pytest.raises(InputError) as caught:
        plan.read(path)
    [fault] = caught.value.faults
    assert where in fault.where
    assert "toy-2021.yaml" in fault.where or where == "elements"
    assert words in fault.zh
    assert fault.en.isascii()


def test_all_faults_at_once(write):
    content = copy.deepcopy(CONTENT)
    content["elements"][0]["members"] = ["nowhere", "linxia-shi"]
    content["targets"][0]["metric"] = "guess"
    content["projects"][0]["cite"]["quote"] = "?"
    with pytest.raises(InputError) as caught:
        plan.read(write(content))
    assert len(caught.value.faults) == 3


def test_the_text_must_be_there(tmp_path):
    path = tmp_path / "toy-2021.yaml"
    path.write_text(yaml.safe_dump(CONTENT, allow_unicode=True), encoding="utf-8")
    with pytest.raises(InputError, match=r"toy-2021\.txt"):
        plan.read(path)
    path.write_text("- 1\n", encoding="utf-8")
    with pytest.raises(InputError, match="键"):
        plan.read(path)


def test_an_unknown_plan_names_the_known_ones():
    with pytest.raises(InputError, match="linxia-2021"):
        plan.builtin("linxia-2012")


@pytest.mark.parametrize("plan_id", plan.plan_ids())
def test_the_built_in_plans_read_without_a_fault(plan_id):
    found = plan.builtin(plan_id)
    assert found.elements
    assert found.targets
    assert {t.metric for t in found.targets} <= set(targets.METRIC_NAMES)
    keys = [t.key for t in found.targets]
    assert len(keys) == len(set(keys))


def test_a_project_of_two_documents_is_one():
    second = {p.id: p for p in plan.builtin("linxia-lanzhou-2022").projects}
    first = {p.id: p for p in plan.builtin("linxia-2021").projects}
    shared = [p for p in second.values() if p.same_as]
    assert shared
    for project in shared:
        original = first[project.same_as.partition("/")[2]]
        assert project.key == original.key
        assert project.edits == original.edits
        assert project.opened == original.opened
        assert project.cite != original.cite
