"""The plan model: elements, targets and projects of a planning document, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from spatialplan.errors import Fault, InputError, collect, nearest_names
from spatialplan.files import data_dir, load_yaml, read_text
from spatialplan.places import Gazetteer, Place, from_entries
from spatialplan.places import builtin as builtin_places

__all__ = [
    "Citation",
    "Element",
    "Plan",
    "Project",
    "Target",
    "builtin",
    "find",
    "plan_ids",
    "read",
]

_SETS = ("origins", "destinations", "places", "borders")  # parameters that list places
ELEMENT_KINDS = ("core", "belt", "axis", "node", "pole", "ring", "wing", "cluster", "corridor")


@dataclass(frozen=True)
class Citation:
    """Where a document says something: section, and the exact words."""

    section: str
    quote: str


@dataclass(frozen=True)
class Element:
    """A part of the plan's structure.

    `members` and `spine` are place ids; `toward` are far points (name_zh, name_en, lon, lat)
    that a direction points at. `inferred`: the document does not give the members;
    `spine_inferred`: it does not give the line.
    """

    id: str
    plan: str
    structure: str
    kind: str
    name_zh: str
    name_en: str
    cite: Citation
    members: tuple[str, ...] = ()
    spine: tuple[str, ...] = ()
    toward: tuple[Mapping[str, Any], ...] = ()
    inferred: bool = False
    spine_inferred: bool = False
    rank: int | None = None
    note_zh: str = ""
    note_en: str = ""


@dataclass(frozen=True)
class Target:
    """A promise that can be computed; `parameters` belong to the metric."""

    id: str
    plan: str
    title_zh: str
    title_en: str
    metric: str
    cite: Citation
    threshold: float | None = None
    unit: str = ""
    year: int | None = None
    mode: str = "road"
    reading_zh: str = ""
    reading_en: str = ""
    note_zh: str = ""
    note_en: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """``<plan>/<id>``."""
        return f"{self.plan}/{self.id}"


@dataclass(frozen=True)
class Project:
    """A construction work named in a plan.

    `promised` is the year the document names (None: none; it counts at the plan's horizon);
    `opened` and `expected` are what the evidence says. `edits` are the raw entries that
    `spatialplan.edits` reads, from this project or from the one it is the same as.
    """

    id: str
    plan: str
    name_zh: str
    name_en: str
    cite: Citation
    edits: tuple[Mapping[str, Any], ...] = ()
    cls: str = ""
    status: str = "planned"
    promised: int | None = None
    opened: str = ""
    expected: str = ""
    length_km: float | None = None
    evidence_zh: str = ""
    evidence_en: str = ""
    confidence: str = "L"
    note_zh: str = ""
    note_en: str = ""
    same_as: str = ""

    @property
    def key(self) -> str:
        """``<plan>/<id>`` of the project itself, shared by the plans that name it."""
        return self.same_as or f"{self.plan}/{self.id}"


@dataclass(frozen=True)
class Plan:
    """One planning document."""

    id: str
    title_zh: str
    title_en: str
    issuer: str
    number: str
    date: str
    horizon: int
    area: tuple[int, ...]
    crs: str
    elements: tuple[Element, ...] = ()
    targets: tuple[Target, ...] = ()
    projects: tuple[Project, ...] = ()
    places: tuple[Place, ...] = ()

    @property
    def gazetteer(self) -> Gazetteer:
        """The built-in gazetteer, with the places that the plan brings along."""
        return builtin_places().with_places(self.places)

    def element(self, element_id: str) -> Element:
        """Return the element of an id (`KeyError` when there is none)."""
        return {element.id: element for element in self.elements}[element_id]

    def place_ids(self, gazetteer: Gazetteer) -> list[str]:
        """Return the places that the plan speaks of, each once: at home, and in its targets."""
        found = self.home_ids(gazetteer)
        for target in self.targets:
            asked = (target.parameters.get(name) for name in _SETS)
            found += [name for listed in asked if isinstance(listed, list) for name in listed]
        return list(dict.fromkeys(found))

    def home_ids(self, gazetteer: Gazetteer) -> list[str]:
        """Return the plan's own places, those of its counties and of its elements, each once."""
        table = gazetteer.table
        found = [str(place.place_id) for place in self.places]
        inside = table["adcode"].isin(self.area).fillna(value=False).to_numpy(bool)
        found += list(table.index[inside])
        for element in self.elements:
            found += [*element.members, *element.spine]
        return list(dict.fromkeys(found))

    @property
    def structures(self) -> tuple[str, ...]:
        """The formulas that the elements belong to, in the order of the document."""
        return tuple(dict.fromkeys(element.structure for element in self.elements))


def plan_ids() -> list[str]:
    """Return the ids of the built-in plans."""
    return sorted(path.stem for path in (data_dir() / "plans").glob("*.yaml"))


def builtin(plan_id: str) -> Plan:
    """Return a built-in plan.

    Raises
    ------
    InputError
        When there is no plan of this id (the nearest are named), or its file has faults.
    """
    if plan_id not in plan_ids():
        near = "、".join(nearest_names(plan_id, plan_ids()))
        raise InputError.of(
            "--plan", f"没有规划“{plan_id}”;可用:{near}", "no such plan; `spatialplan plans`"
        )
    return _read_builtin(data_dir(), plan_id)


@cache
def _read_builtin(folder: Path, plan_id: str) -> Plan:
    return read(folder / "plans" / f"{plan_id}.yaml")


def find(name: str | Path) -> Plan:
    """Return a built-in plan by its id, or a planner's own by the path of its YAML file.

    Raises
    ------
    InputError
        When there is neither, or the file has faults.
    """
    path = Path(name)
    return read(path) if path.suffix.lower() in (".yaml", ".yml") else builtin(str(name))


def read(path: str | Path) -> Plan:
    """Read a plan file; the text that its quotes come from lies in ``texts/<id>.txt`` beside it.

    Raises
    ------
    InputError
        With one fault for each missing key, unknown place, repeated id, unknown metric, and
        each quote that is not in the text.
    """
    path = Path(path)
    content = _content(path)
    if not isinstance(content, dict):
        raise InputError.of(path, "规划文件应是“键: 值”的表", "a plan is a mapping of keys")
    needed = ("id", "title_zh", "title_en", "date", "horizon", "area")
    missing = [name for name in needed if not content.get(name)]
    if missing:
        raise InputError.of(
            path, f"缺少 {'、'.join(missing)};请补上", f"missing: {', '.join(missing)}"
        )
    text = read_text(path.parent / "texts" / f"{content['id']}.txt")
    own = from_entries(content.get("places"), str(path))
    collect(_faults(content, str(path), text, builtin_places().with_places(own)))
    return _plan(content, own)


def _content(path: Path) -> Any:
    """Return the YAML of a file, parsed once as long as the file stays as it is."""
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _parsed(path, stamp)


@cache
def _parsed(path: Path, stamp: int) -> Any:  # noqa: ARG001 - the stamp is part of the key
    return load_yaml(path)


def _faults(content: dict, where: str, text: str, gazetteer: Gazetteer) -> Iterator[Fault]:
    from spatialplan.targets import metric_faults

    if not (isinstance(content["horizon"], int) and isinstance(content["area"], list)):
        yield Fault(
            where, "horizon 应是年份,area 应是县级代码的列表", "horizon is a year, area a list"
        )
    known = {e.get("id") for e in _listed(content, "elements") if isinstance(e, dict)}
    for section in ("elements", "targets", "projects"):
        seen: set[str] = set()
        for number, entry in enumerate(_listed(content, section), start=1):
            spot = f"{where} {section} 第{number}条"
            if not isinstance(entry, dict):
                yield Fault(spot, "应是“键: 值”的表", "an entry is a mapping of keys")
                continue
            spot = f"{spot} {entry.get('id', '')}".rstrip()
            for key in _NEEDED[section]:
                if not entry.get(key):
                    yield Fault(spot, f"缺少 {key};请补上", f"{key} is missing")
            yield from _entry_faults(entry, spot, seen, text)
            if section == "elements":
                yield from _element_faults(entry, spot, gazetteer)
            elif section == "targets":
                yield from metric_faults(entry, spot, gazetteer)
                yield from _own_element_faults(entry, spot, content["id"], known)


_NEEDED = {"elements": ("name_zh",), "targets": ("title_zh",), "projects": ()}


def _listed(content: dict, section: str) -> list:
    found = content.get(section) or []
    if not isinstance(found, list):
        raise InputError.of(section, f"{section} 应是列表", f"{section} is a list")
    return found


def _own_element_faults(entry: dict, spot: str, plan_id: str, known: set) -> Iterator[Fault]:
    """Yield the sets that name an element which this plan does not have."""
    for key in ("origins", "destinations", "places"):
        asked = entry.get(key)
        if not isinstance(asked, dict) or "element" not in asked:
            continue
        home, _, element = str(asked["element"]).rpartition("/")
        if home in ("", plan_id) and element not in known:
            near = "、".join(nearest_names(element, map(str, known)))
            yield Fault(
                f"{spot} {key}",
                f"没有要素“{element}”;相近的有:{near}",
                "no such element in this plan",
            )


def _entry_faults(entry: dict, spot: str, seen: set[str], text: str) -> Iterator[Fault]:
    identity = entry.get("id")
    if not identity:
        yield Fault(spot, "缺少 id;请补上", "no id; add one")
    elif identity in seen:
        yield Fault(spot, f"id {identity} 重复;请改用别的", "the id is used twice")
    seen.add(identity)
    cite = entry.get("cite")
    quote = cite.get("quote") if isinstance(cite, dict) else None
    if not isinstance(quote, str) or not quote:
        yield Fault(spot, "缺少 cite.quote(原文引句)", "no cite.quote, the sentence it rests on")
    elif quote not in text:
        yield Fault(
            spot,
            f"引句不在原文中:“{quote[:30]}”;请从原文逐字复制",
            "the quote is not in the text; copy it to the letter",
        )


def _element_faults(entry: dict, spot: str, gazetteer: Gazetteer) -> Iterator[Fault]:
    if entry.get("kind") not in ELEMENT_KINDS:
        yield Fault(
            spot,
            f"kind {entry.get('kind')} 无效;可用 {'、'.join(ELEMENT_KINDS)}",
            "kind is none of the known kinds",
        )
    for key in ("members", "spine"):
        for name in entry.get(key) or []:
            if name not in gazetteer:
                near = "、".join(gazetteer.suggestions(name))
                yield Fault(spot, f"{key} 中没有地点“{name}”;相近的有:{near}", "no such place id")


def _plan(content: dict, own: tuple[Place, ...]) -> Plan:
    plan_id = content["id"]
    return Plan(
        id=plan_id,
        title_zh=content["title_zh"],
        title_en=content["title_en"],
        issuer=content.get("issuer") or "",
        number=content.get("number") or "",
        date=str(content["date"]),
        horizon=int(content["horizon"]),
        area=tuple(int(code) for code in content["area"]),
        crs=content.get("crs") or "",
        elements=_entries(content, "elements", _element),
        targets=_entries(content, "targets", _target),
        projects=_entries(content, "projects", _project),
        places=own,
    )


def _entries(content: dict, section: str, build: Callable[[dict, str], Any]) -> tuple:
    return tuple(build(entry, content["id"]) for entry in content.get(section) or [])


def _cite(entry: dict) -> Citation:
    return Citation(str(entry["cite"].get("section") or ""), entry["cite"]["quote"])


def _element(entry: dict, plan_id: str) -> Element:
    return Element(
        id=entry["id"],
        plan=plan_id,
        structure=entry.get("structure") or "",
        kind=entry["kind"],
        name_zh=entry["name_zh"],
        name_en=entry.get("name_en") or "",
        cite=_cite(entry),
        members=tuple(entry.get("members") or ()),
        spine=tuple(entry.get("spine") or ()),
        toward=tuple(entry.get("toward") or ()),
        inferred=bool(entry.get("inferred")),
        spine_inferred=bool(entry.get("spine_inferred")),
        rank=entry.get("rank"),
        note_zh=entry.get("note_zh") or "",
        note_en=entry.get("note_en") or "",
    )


_TARGET_KEYS = [
    "id",
    "title_zh",
    "title_en",
    "metric",
    "threshold",
    "unit",
    "year",
    "mode",
    "reading_zh",
    "reading_en",
    "note_zh",
    "note_en",
    "cite",
]


def _target(entry: dict, plan_id: str) -> Target:
    return Target(
        id=str(entry["id"]),
        plan=plan_id,
        title_zh=entry["title_zh"],
        title_en=entry.get("title_en") or "",
        metric=entry["metric"],
        cite=_cite(entry),
        threshold=entry.get("threshold"),
        unit=entry.get("unit") or "",
        year=entry.get("year"),
        mode=entry.get("mode") or "road",
        reading_zh=entry.get("reading_zh") or "",
        reading_en=entry.get("reading_en") or "",
        note_zh=entry.get("note_zh") or "",
        note_en=entry.get("note_en") or "",
        parameters={key: value for key, value in entry.items() if key not in _TARGET_KEYS},
    )


def _project(entry: dict, plan_id: str) -> Project:
    same_as = entry.get("same_as") or ""
    own = _original(same_as) | entry if same_as else entry
    return Project(
        id=entry["id"],
        plan=plan_id,
        name_zh=own.get("name_zh") or entry["id"],
        name_en=own.get("name_en") or "",
        cite=_cite(entry),
        edits=tuple(own.get("edits") or ()),
        cls=own.get("class") or "",
        status=own.get("status") or "planned",
        promised=entry.get("promised"),
        opened=str(own.get("opened") or ""),
        expected=str(own.get("expected") or ""),
        length_km=own.get("length_km"),
        evidence_zh=own.get("evidence_zh") or "",
        evidence_en=own.get("evidence_en") or "",
        confidence=own.get("confidence") or "L",
        note_zh=own.get("note_zh") or "",
        note_en=own.get("note_en") or "",
        same_as=same_as,
    )


def _original(same_as: str) -> dict:
    """Return the raw entry of the project that another plan's project is the same as."""
    plan_id, _, project_id = same_as.partition("/")
    entries = _raw_projects(data_dir(), plan_id)
    if project_id not in entries:
        raise InputError.of(
            f"same_as {same_as}", "所指的项目不存在;请改正", "the project it refers to is not there"
        )
    return entries[project_id]


@cache
def _raw_projects(folder: Path, plan_id: str) -> dict[str, dict]:
    path = folder / "plans" / f"{plan_id}.yaml"
    if not path.is_file():
        return {}
    return {entry["id"]: entry for entry in _content(path).get("projects") or []}
