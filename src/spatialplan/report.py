"""The report: pages, maps, figures, tables, a workbook and a GeoPackage in one folder.

The folder is built beside its place and moved there when it is whole.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import pickle
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spatialplan.dossier import Chapter, Dossier, Table, gather, report_tables
from spatialplan.errors import InputError

if TYPE_CHECKING:
    import geopandas as gpd
    from tqdm import tqdm

    from spatialplan.assessment import Assessment
    from spatialplan.figures import Material
    from spatialplan.maps import Reach
    from spatialplan.pages import Download, Picture
    from spatialplan.plan import Plan
    from spatialplan.starts import Start
    from spatialplan.targets import Pair, Verdict

__all__ = ["build"]

MARKER = "report.json"
PARTS = ("index.html", "report.css", "pages", "maps", "figures", "tables", "layers")
WORKBOOK, GEOPACKAGE = "tables/report.xlsx", "layers/report.gpkg"
PNG_DPI = 150
HEAVY = 20_000  # links: to send more of them takes as long as to draw them
SEAT_MINUTES = (30.0, 60.0, 120.0)


def build(
    plan_ids: Sequence[str],
    scenario_ids: Sequence[str],
    edits: str | Path | None = None,
    profile: str | Path = "operating",
    out: str | Path = "reports",
    workers: int = 1,
    *,
    network: str | Path | None = None,
    ties: str | Path = "",
    against: str = "",
) -> Path:
    """Write the report and return the path of its first page.

    Parameters
    ----------
    plan_ids, scenario_ids
        Which ones; by default all that belong together. A plan may be named by its file.
    edits
        A planner's edit file; the scenarios are then shown before and after it.
    profile
        Speed profile, by name or by file.
    out
        The folder. A report that is there is replaced; other files in it stay.
    workers
        Further processes that draw maps and figures; this one draws too, when it has
        nothing else to do.
    network, ties
        A network file in place of the built-in network, and a CSV of ties to it.
    against
        A scenario, or a network file, that everything is compared with.

    Raises
    ------
    InputError
        When a name is unknown, a file has faults, or the folder cannot be written; the folder
        is then as it was.
    """
    out = Path(out)
    with _put_in_place(out) as folder, _progress() as bar:
        asked = {"network": network, "by_hand": ties, "against": against}
        found = gather(plan_ids, scenario_ids, edits, profile, **asked)
        _write(folder, found, workers, bar)
    return out / "index.html"


@contextlib.contextmanager
def _progress() -> Iterator[tqdm]:
    from tqdm import tqdm

    # `disable=None`: only on a terminal; short work shows nothing.
    with tqdm(desc="报告 report", file=sys.stderr, disable=None, delay=1.5, leave=False) as bar:
        bar.total = 0
        yield bar


# --- the folder -------------------------------------------------------------------------------


@contextlib.contextmanager
def _put_in_place(out: Path) -> Iterator[Path]:
    """Give a new folder; when the block ends well its content takes its place in `out`."""
    try:
        _check_place(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".writing-", dir=out.parent))
    except OSError as error:
        raise InputError.of(
            out, "无法写入;请检查文件夹和权限", f"cannot write here: {error.strerror}"
        ) from None
    try:
        folder = workshop / "new"
        folder.mkdir()
        yield folder
        (folder / MARKER).write_text(json.dumps({"parts": PARTS}), encoding="utf-8")
        if out.exists():
            _exchange(folder, out, workshop / "old")
        else:
            folder.rename(out)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _check_place(out: Path) -> None:
    """Refuse a folder whose own files have the names of a report's parts."""
    if out.exists() and not out.is_dir():
        raise InputError.of(out, "这是文件;请用 --out 指定文件夹", "a file; name a folder")
    taken = [name for name in PARTS if (out / name).exists()]
    if taken and not (out / MARKER).is_file():
        raise InputError.of(
            out,
            f"文件夹里有不是报告的同名内容({'、'.join(taken)});请用 --out 另选文件夹",
            "the folder holds something else of the same names; choose another with --out",
        )


def _exchange(new: Path, out: Path, old: Path) -> None:
    """Move each part into place; put the old ones back when one of them cannot be moved."""
    old.mkdir()
    # The marker goes first, so that at no moment parts lie there without it.
    (new / MARKER).replace(out / MARKER)
    moved: list[str] = []
    try:
        for name in PARTS:
            moved.append(name)
            if (out / name).exists():
                (out / name).rename(old / name)
            if (new / name).exists():
                (new / name).rename(out / name)
    except OSError:
        for name in moved:
            if (old / name).exists():
                if (out / name).exists():
                    (out / name).rename(new / name)
                (old / name).rename(out / name)
        raise InputError.of(
            out,
            "旧报告正被占用(可能在 Excel、QGIS 或浏览器中打开);请关闭后重试",
            "the old report is in use, perhaps in Excel or QGIS; close it and try again",
        ) from None


# --- writing ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _MapJob:
    """A map to be drawn: of one plan, on one network or on two."""

    found: Assessment
    path: Path
    circles: Sequence[Reach] | None = None

    @property
    def links(self) -> int:
        """How many links would have to be sent to another process."""
        return len(self.found.situation.network.links)

    def run(self) -> None:
        from spatialplan import maps

        maps.write(self.found, self.path, circles=self.circles)


@dataclass(frozen=True)
class _FigureJob:
    """A figure to be drawn, as SVG and PNG."""

    key: str
    material: Material
    path: Path

    @property
    def links(self) -> int:
        """How many links would have to be sent to another process."""
        graph = self.material.graph
        return len(graph.network.links) if graph else len(self.material.roads)

    def run(self) -> None:
        from spatialplan import figures

        figures.save(figures.draw(self.key, self.material), self.path, dpi=PNG_DPI)


_Job = _MapJob | _FigureJob


def _run(packed: bytes) -> None:
    pickle.loads(packed).run()


def _write(folder: Path, found: Iterator[Dossier | Chapter], workers: int, bar: tqdm) -> None:
    """Write everything; maps and figures are drawn while the next network is computed."""
    for name in PARTS[2:]:
        (folder / name).mkdir()
    easel = _Easel(folder, workers, bar)
    with easel:
        for item in found:
            if isinstance(item, Chapter):
                easel.draw_chapter(item)
        assert isinstance(item, Dossier)
        sheets = report_tables(item)
        _write_tables(folder, item, sheets)
        _write_layers(folder / GEOPACKAGE, item, easel)
        _write_chapters(folder, item, easel.pictures)
        easel.finish()
    _write_index(folder, item, sheets)


class _Circles:
    """Travel-time circles: computed once, however many maps, figures and layers show them."""

    def __init__(self) -> None:
        self._known: dict[tuple, gpd.GeoDataFrame] = {}

    def of(self, chapter: Chapter, start: Start) -> gpd.GeoDataFrame:
        """Return the circles of a start on the network of a chapter."""
        # Plans of one scenario share its network.
        key = chapter.scenario.id, *start.key
        if key not in self._known:
            self._known[key] = start.circles(chapter.found.cases[0].graph)
        return self._known[key]


class _Easel:
    """Draws maps and figures in other processes and knows which pictures there are.

    Without workers, and where no further process can be started (a script without a main
    guard, an interpreter fed from a pipe), it draws in this process.
    """

    def __init__(self, folder: Path, workers: int, bar: tqdm) -> None:
        self.folder, self.bar = folder, bar
        self.pictures: dict[str, list[Picture]] = {}
        self.circles = _Circles()
        self._shared: dict[tuple, Picture] = {}
        self._materials: dict[str, Material] = {}
        self._jobs: list[tuple[_Job, Future | None]] = []
        # Spawned everywhere, as Windows must: a fork of a process with threads may hang.
        context = multiprocessing.get_context("spawn")
        self._pool: Executor | None = (
            ProcessPoolExecutor(workers, mp_context=context) if workers else None
        )

    def __enter__(self) -> _Easel:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=kind is not None)

    def draw_chapter(self, chapter: Chapter) -> None:
        """Draw the maps and figures of a chapter, and with the first one those of its plan."""
        from spatialplan import maps, pages

        own = self._plan_pictures(chapter)
        starts = _core_starts(chapter)
        case = chapter.found.cases[0]
        reaches = maps.core_reaches(case, lambda start: self.circles.of(chapter, start))
        data = replace(
            self._materials[chapter.plan.id],
            graph=case.graph,
            extent=case.extent,
            verdicts=chapter.found.verdicts,
            scenario_zh=chapter.scenario.title_zh,
            scenario_en=chapter.scenario.title_en,
            date=chapter.scenario.network_date,
            reached=tuple(
                (start, self.circles.of(chapter, start))
                for start in (*starts, *_seat_starts(chapter))
            ),
        )
        self.pictures[chapter.slug] = [*self._chapter_pictures(chapter, data, own), *own]
        self._start(_MapJob(chapter.found, self.folder / pages.map_name(chapter), reaches))
        if chapter.after:
            path = self.folder / pages.map_name(chapter, after=True)
            self._start(_MapJob(chapter.after, path))

    def _chapter_pictures(
        self, chapter: Chapter, data: Material, own: Sequence[Picture]
    ) -> list[Picture]:
        """Return the figures of a chapter; what plans of the same counties share is drawn once."""
        from spatialplan import figures

        drawn = {picture.key for picture in own}
        place = chapter.scenario.id, chapter.plan.area
        shared = [
            self._shared[place, key] for key in figures.BY_AREA if (place, key) in self._shared
        ]
        drawn |= {picture.key for picture in shared}
        found = self._figures(data, f"figures/{chapter.slug}", drawn)
        for picture in found:
            if picture.key in figures.BY_AREA:
                self._shared[place, picture.key] = picture
        order = list(figures.FIGURES)
        return sorted([*found, *shared], key=lambda picture: order.index(picture.key))

    def _plan_pictures(self, chapter: Chapter) -> list[Picture]:
        """Return the figures that no scenario changes."""
        plan = chapter.plan
        if plan.id not in self._materials:
            data = _material(chapter)
            self._materials[plan.id] = data
            self.pictures[plan.id] = self._figures(data, f"figures/{plan.id}")
        return self.pictures[plan.id]

    def layout_of(self, plan: Plan) -> gpd.GeoDataFrame:
        """Return the elements of a plan whose figures are drawn, as geometry."""
        return self._materials[plan.id].layout

    def _figures(self, data: Material, stem: str, drawn: Collection[str] = ()) -> list[Picture]:
        """Start the figures that this material can give and that are not drawn already."""
        from spatialplan import figures
        from spatialplan.pages import Picture

        keys = [key for key in figures.available(data) if key not in drawn]
        found = [
            Picture(key, f"{stem}.{figures.stem(key)}", *figures.title(key, data)) for key in keys
        ]
        for picture in found:
            self._start(_FigureJob(picture.key, data, self.folder / picture.path))
        return found

    def _start(self, job: _Job) -> None:
        self.bar.total += 1
        self.bar.refresh()
        future = None
        if self._pool and job.links <= HEAVY:
            with contextlib.suppress(BrokenProcessPool):
                # Packed here: the pool would do it in a thread of its own, while what is computed
                # from a network is still being added to it.
                future = self._pool.submit(_run, pickle.dumps(job))
                future.add_done_callback(self._drawn)
        self._jobs.append((job, future))

    def _drawn(self, future: Future) -> None:
        if not future.cancelled():
            self.bar.update()

    def finish(self) -> None:
        """Draw with the others, from the other end of the queue; raise what went wrong."""
        for job, future in reversed(self._jobs):
            if future is None or future.cancel():
                job.run()
                self.bar.update()
        for job, future in self._jobs:
            if future is not None and not future.cancelled():
                try:
                    future.result()
                except BrokenProcessPool:
                    job.run()


def _material(chapter: Chapter) -> Material:
    """Return what the figures of a plan need that no scenario changes."""
    from spatialplan import figures

    own = chapter.found.situation.own
    if own is None:
        return figures.material(chapter.plan, chapter.plan.gazetteer)
    gazetteer = chapter.found.cases[0].gazetteer
    words = ",".join(text for text in (own.known.name, own.known.attribution) if text)
    data = figures.material(chapter.plan, gazetteer, roads=own.known.links)
    return replace(data, network=words)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_tables(folder: Path, dossier: Dossier, sheets: Sequence[Table]) -> None:
    from spatialplan import boundaries, tables, workbook

    for table in sheets:
        tables.write_csv(table.frame, folder / f"tables/{table.name}.csv")
    notes = [
        "规划承诺检验报告  What the plans promise, tested on the network",
        *(f"《{plan.title_zh}》{plan.number} {plan.date}" for plan in dossier.plans),
        f"车速 speeds:{dossier.profile.title_zh} {dossier.profile.title_en}",
        *_network_lines(dossier),
        f"{boundaries.NOTE_ZH}。{boundaries.NOTE_EN}.",
        "结论:达到 met、未达到 not met、不可能 impossible(有证明)、无法判定 unknown(缺资料)。",
    ]
    workbook.write(sheets, folder / WORKBOOK, notes)


def _network_lines(dossier: Dossier) -> list[str]:
    """Return what a workbook says of a network of the user's own."""
    if dossier.own is None:
        return []
    whole = dossier.own.known
    lines = [f"路网 network:{whole.name},计到 open by {dossier.own.day}"]
    lines += [f"{zh}。{en}." for zh, en in dossier.omitted]
    return lines + ([f"路网数据 network data:{whole.attribution}"] if whole.attribution else [])


def _write_chapters(folder: Path, dossier: Dossier, pictures: dict[str, list[Picture]]) -> None:
    from spatialplan import pages

    for chapter in dossier.chapters:
        text = pages.chapter_page(dossier, chapter, pictures[chapter.slug])
        _write_text(folder / pages.page_name(chapter), text)
        if chapter.after:
            text = pages.chapter_page(dossier, chapter, (), after=True)
            _write_text(folder / pages.page_name(chapter, after=True), text)


def _write_index(folder: Path, dossier: Dossier, sheets: Sequence[Table]) -> None:
    from spatialplan import pages

    _write_text(folder / "report.css", pages.style())
    if len(dossier.plans) > 1:
        _write_text(folder / pages.DOCUMENTS, pages.documents_page(dossier))
    _write_text(folder / "index.html", pages.index_page(dossier, _downloads(folder, sheets)))


def _downloads(folder: Path, sheets: Sequence[Table]) -> list[Download]:
    from spatialplan.pages import Download

    named = [
        (WORKBOOK, "全部表格(Excel)", "All tables, Excel"),
        (GEOPACKAGE, "全部图层(GeoPackage,EPSG:4490)", "All layers for QGIS"),
        *((f"tables/{t.name}.csv", f"{t.zh}(CSV)", t.en) for t in sheets),
    ]
    return [Download(path, zh, en, (folder / path).stat().st_size) for path, zh, en in named]


# --- layers -----------------------------------------------------------------------------------


def _write_layers(path: Path, dossier: Dossier, easel: _Easel) -> None:
    from spatialplan.files import write_layers

    layers = {
        "places": _flat(dossier.chapters[0].found.cases[0].gazetteer.table),
        "counties": _counties(dossier),
        **_elements([easel.layout_of(plan) for plan in dossier.plans]),
        "circles": _circle_layer(dossier, easel.circles),
        "target_lines": _target_lines(dossier),
    }
    for name, network in _networks(dossier).items():
        layers[f"links_{name}"] = _flat(network.links)
        layers[f"nodes_{name}"] = _flat(network.nodes)
    filled = {name: frame for name, frame in layers.items() if len(frame)}
    write_layers(path, filled, dossier.own.known.attribution if dossier.own else "")


def _flat(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return frame.reset_index()


def _counties(dossier: Dossier) -> gpd.GeoDataFrame:
    from spatialplan import boundaries

    codes = boundaries.known(sorted({c for plan in dossier.plans for c in plan.area}))
    return _flat(boundaries.counties(codes))


def _elements(layouts: Sequence[gpd.GeoDataFrame]) -> dict[str, gpd.GeoDataFrame]:
    """Return the plans' elements: areas, lines and points in a layer each."""
    import geopandas as gpd
    import pandas as pd

    frames = [_flat(layout.drop(columns=["spine", "rays"])) for layout in layouts]
    every = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=4326)
    kinds = {"areas": "Polygon", "lines": "LineString", "points": "Point"}
    return {
        f"elements_{name}": every[every.geom_type.str.endswith(kind)]
        for name, kind in kinds.items()
    }


def _circle_layer(dossier: Dossier, circles: _Circles) -> gpd.GeoDataFrame:
    """Return the circles of each scenario: from the plan's cores, and from its main seat."""
    import geopandas as gpd
    import pandas as pd

    found: dict[tuple, gpd.GeoDataFrame] = {}
    for chapter in dossier.chapters:
        for start in (*_core_starts(chapter), *_seat_starts(chapter)):
            names = {"origin": start.zh, "mode": start.mode, "scenario": chapter.scenario.id}
            frame = circles.of(chapter, start).assign(**names)
            # Two plans may have a circle in common.
            found.setdefault((chapter.scenario.id, *start.key), frame)
    frames = list(found.values()) or [gpd.GeoDataFrame(geometry=[], crs=4326)]
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=4326)


def _core_starts(chapter: Chapter) -> list[Start]:
    from spatialplan.starts import core_starts

    case = chapter.found.cases[0]
    return core_starts(case.plan, case.gazetteer, case.extent)


def _seat_starts(chapter: Chapter) -> list[Start]:
    from spatialplan.starts import Start

    seats = sorted(chapter.seats, key=lambda place: place.kind != "prefecture_seat")
    return [Start(p.name_zh, p.name_en, (p,), SEAT_MINUTES) for p in seats[:1]]


def _target_lines(dossier: Dossier) -> gpd.GeoDataFrame:
    """Return a straight line for each trip of each target, with its minutes and verdict."""
    import geopandas as gpd
    import shapely

    rows = [
        _line_row(chapter, verdict, pair)
        for chapter in dossier.chapters
        for verdict in chapter.found.verdicts
        for pair in verdict.pairs
    ]
    lines = [
        shapely.LineString([(a.lon, a.lat), (b.lon, b.lat)])
        for a, b in ((row.pop("a"), row.pop("b")) for row in rows)
    ]
    return gpd.GeoDataFrame(rows, geometry=lines, crs=4326)


def _line_row(chapter: Chapter, verdict: Verdict, pair: Pair) -> dict:
    return {
        "scenario": chapter.scenario.id,
        "target": verdict.target.key,
        "title_zh": verdict.target.title_zh,
        "verdict": verdict.verdict,
        "origin": pair.origin.name_zh,
        "destination": pair.destination.name_zh,
        "minutes": pair.minutes,
        "threshold": verdict.target.threshold,
        "km": pair.km,
        "lower_bound": pair.lower_bound,
        "met": bool(pair.met),
        "a": pair.origin,
        "b": pair.destination,
    }


def _networks(dossier: Dossier) -> dict:
    found = {}
    for chapter in dossier.chapters:
        found[chapter.scenario.id] = chapter.found.situation.network
        if chapter.after:
            after = chapter.after.situation
            if after.applied:
                found[f"{chapter.scenario.id}_edits"] = after.network
            if dossier.against:
                found["against"] = chapter.after.before.network
    return found
