"""A start for a planner's own plan: a commented YAML file and a place for its text."""

from __future__ import annotations

import re
from pathlib import Path

from spatialplan.errors import InputError
from spatialplan.files import atomic_path

__all__ = ["write"]

_ID = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*$")

_TEXT = (
    "把规划全文粘贴到这里,保存为 UTF-8。每条引句都要能在这里逐字找到:5年内实现全县半小时交通圈。\n"
)

_YAML = """\
# 一份规划一个文件。先改 title、date、area,再逐条写 elements、targets、projects。
# One file for one plan. Mend title, date and area first, then elements, targets, projects.
# 全文放在 texts/{id}.txt;每条 quote 必须在全文中逐字找到。
# The whole text lies in texts/{id}.txt; each quote must be found there to the letter.
# 检验 test:    spatialplan check --plan {file}
# 项目全部建成后 with all its projects built:
#               spatialplan check --plan {file} --edits {file} --against 情景编号
# 地点编号用 `spatialplan places 名称` 查 find place ids with `spatialplan places NAME`.

id: {id}
title_zh: 某县新型城镇化规划(请改)
title_en: A plan (change me)
issuer: 某县人民政府
number: ""
date: 2025-01-01
horizon: 2035                      # 规划期末 last year of the plan
area: [622922]                     # 县级行政区划代码 adcodes of its counties
crs: EPSG:4543                     # CGCS2000 三度带;103.5°E 以东可用 EPSG:4544 zone of the area

# 内置地名没有的点 points the built-in places lack (WGS84)
places: []
#  - {{place_id: my-park, name_zh: 某工业园, lon: 103.70, lat: 35.38, kind: park, adcode: 622922,
#     accuracy_m: 500, confidence: M}}

elements:                          # 空间结构 core belt axis node pole ring wing cluster corridor
  - id: core
    structure: 一心
    kind: core
    name_zh: 一心
    name_en: Core
    members: [kangle-xian]
    inferred: false                # 文件没有列出成员时写 true(true when it lists none)
    note_zh: ""                    # 说明;inferred: true 时写明依据 a note; say why it is inferred
    note_en: ""                    # 英文说明,可不写 the same in English, optional
    cite: {{section: 一, quote: 5年内实现全县半小时交通圈}}

targets:                           # 可检验的承诺 promises that can be tested
  - id: T1
    title_zh: 县城到各乡镇半小时
    title_en: Half an hour from the seat to every town
    metric: travel_time            # 其他 others: {metrics}
    origins: {{element: core}}
    destinations: {{set: area-towns}}
    mode: road                     # road rail all
    rule: nearest                  # nearest 最近的起点;each 每一对
    share: 1.0                     # 多大比例须达到 how many of them must hold
    threshold: 30
    unit: min
    year: 2030
    cite: {{section: 一, quote: 5年内实现全县半小时交通圈}}

projects: []                       # 建设项目,每个项目由 edits 组成 works, each made of edits
#  - id: kang-he
#    name_zh: 康乐至和政一级公路
#    name_en: Kangle-Hezheng class-I road
#    class: class1
#    status: planned               # open construction planned proposed
#    promised: 2030
#    evidence_zh: 2024年5月批复可研(某报 2024-05-01) # 证据与来源 what is known, and the source
#    evidence_en: Feasibility study approved May 2024 (press of 2024-05-01) # 可不写 optional
#    note_zh: 走向为推定 # 说明 a note
#    note_en: The line is inferred # 可不写 optional
#    edits:
#      - {{action: add, from: 康乐县, to: 和政县, class: class1, design_speed_kmh: 80}}
#    cite: {{section: 二, quote: 原文引句}}
"""


def write(plan_id: str, folder: str | Path = "plans") -> Path:
    """Write ``<folder>/<id>.yaml`` and ``<folder>/texts/<id>.txt`` and return the first.

    Raises
    ------
    InputError
        When the id is not lower-case ASCII, or one of the files is there already.
    """
    from spatialplan.targets import METRIC_NAMES

    if not _ID.match(plan_id):
        raise InputError.of(
            plan_id,
            "编号只能用小写字母、数字和连字符,如 kangle-2025",
            "an id is lower-case letters, digits and hyphens, as in kangle-2025",
        )
    path = Path(folder) / f"{plan_id}.yaml"
    text = Path(folder) / "texts" / f"{plan_id}.txt"
    for file in (path, text):
        if file.exists():
            raise InputError.of(
                file, "文件已存在,没有改动", "the file is there already; left alone"
            )
    content = _YAML.format(id=plan_id, file=path.as_posix(), metrics=" ".join(METRIC_NAMES))
    for file, body in ((text, _TEXT), (path, content)):
        with atomic_path(file) as temporary:
            temporary.write_text(body, encoding="utf-8")
    return path
