"""Figures: what they show, that labels keep apart, and that the files open anywhere."""

from __future__ import annotations

import dataclasses
import itertools
import re

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.text import Text

from spatialplan import (
    basemap,
    figures,
    fonts,
    labels,
    places,
    plan,
    scenario,
    standards,
    targets,
    travel,
)
from spatialplan.errors import InputError
from spatialplan.palette import VERDICT
from spatialplan.script import wide
from spatialplan.sheet import Sheet, wrap

MAPS = ("4-1", "5-1", "5-2", "5-3", "5-4")
BOUNDS = (0.0, 0.0, 400.0, 300.0)

CLOSING = ",)》〕\uff0c\uff09"


def material_of(plan_id):
    chosen = scenario.builtin("linxia-open-2024")
    network = scenario.network_of(chosen)
    graph = travel.compile_graph(network, standards.read_profile("operating"))
    document = plan.builtin(plan_id)
    timed = [t for t in document.targets if t.id in ("L1", "L5", "L7", "L8", "L14")]
    case = targets.Case(document, network, graph.profile, chosen.id)
    found = targets.evaluate(timed, case)
    return figures.material(document, places.builtin(), chosen, graph, found)


@pytest.fixture(scope="module")
def linxia():
    return material_of("linxia-2021")


@pytest.fixture(scope="module")
def drawn(linxia):
    """Every figure of the register, drawn once."""
    assert {"4-1", "5-1", "5-2", "5-3", "5-4", "verdicts", "matrix"} <= {*figures.available(linxia)}
    return {key: figures.draw(key, linxia) for key in figures.available(linxia)}


def texts(figure):
    return [t for t in figure.findobj(Text) if t.get_text().strip()]


def words(figure):
    return "\n".join(t.get_text() for t in texts(figure))


# -- the font --------------------------------------------------------------------------------


def test_every_character_of_every_figure_is_in_the_font(drawn):
    for key, figure in drawn.items():
        for text in texts(figure):
            assert fonts.missing(text.get_text()) == "", (key, text.get_text())
            assert text.get_fontproperties().get_file() == str(fonts.font_path()), text


def test_a_character_that_is_not_in_the_font_is_noticed():
    assert fonts.missing("临夏\U0001f6a7癿藏\U0001f6a7") == "\U0001f6a7"


def test_drawing_leaves_the_settings_of_matplotlib_alone(linxia, tmp_path):
    before = dict(mpl.rcParams), len(font_manager.fontManager.ttflist)
    figures.save(figures.draw("4-1", linxia), tmp_path / "a", dpi=30)
    assert (dict(mpl.rcParams), len(font_manager.fontManager.ttflist)) == before


# -- labels ----------------------------------------------------------------------------------

points = st.lists(
    st.tuples(
        st.text("临夏州永靖县东乡", min_size=1, max_size=7),
        st.floats(0, 400),
        st.floats(0, 300),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=25,
)


def labels_at(spots):
    return [
        labels.Label(text, 9.0, labels.around(text, 9.0, x, y, 4.0), priority)
        for text, x, y, priority in spots
    ]


@given(points)
@settings(max_examples=25, deadline=None)
def test_no_two_labels_intersect_whatever_the_points(spots):
    symbols = [shapely.Point(x, y).buffer(4.0) for _, x, y, _ in spots]
    placed = labels.place(labels_at(spots), BOUNDS, symbols)
    for a, b in itertools.combinations(placed, 2):
        assert not a.box.intersects(b.box)
        for line, other in ((a.leader, b), (b.leader, a)):
            assert line is None or not line.intersects(other.box)
    for placement in placed:
        assert shapely.box(*BOUNDS).covers(placement.box)
        assert not any(symbol.intersects(placement.box) for symbol in symbols)
    again = labels.place(labels_at(spots), BOUNDS, symbols)
    assert [p.box for p in again] == [p.box for p in placed]


def test_a_label_alone_lies_right_beside_its_symbol():
    (placed,) = labels.place(labels_at([("临夏市", 200, 150, 0)]), BOUNDS)
    assert placed.leader is None
    assert placed.box.bounds[0] == pytest.approx(205.0)


def test_the_important_label_gets_the_room_and_the_other_moves_or_goes():
    spots = [("不重要", 200, 150, 3), ("重要", 200, 150, 0)]
    first, second = labels.place(labels_at(spots), BOUNDS)
    assert first.label.text == "重要"
    assert first.box.bounds[0] == pytest.approx(205.0)
    assert second.candidate.cost > 0
    crowd = [(f"地点{n}", 20.0, 20.0, n) for n in range(60)]
    kept = labels.place(labels_at(crowd), (0, 0, 90, 60))
    assert 0 < len(kept) < 60
    assert kept[0].label.text == "地点0"


def test_in_a_thicket_a_label_takes_a_leader_between_the_trees():
    turns = np.arange(8) * np.pi / 4
    trees = [shapely.Point(200 + 16 * np.cos(t), 150 + 16 * np.sin(t)).buffer(3) for t in turns]
    (placed,) = labels.place(labels_at([("临夏市", 200, 150, 0)]), BOUNDS, trees)
    assert placed.leader is not None
    assert placed.leader.distance(shapely.Point(200, 150)) == pytest.approx(4.0)
    assert not any(placed.leader.intersects(tree) for tree in trees)
    wall = [shapely.Point(200, 150).buffer(12).boundary.buffer(2)]
    assert labels.place(labels_at([("临夏市", 200, 150, 0)]), BOUNDS, wall) == []


def test_labels_keep_off_roads_when_they_can():
    road = shapely.LineString([(200, 150), (400, 150)])
    (placed,) = labels.place(labels_at([("临夏市", 200, 150, 0)]), BOUNDS, soft=[road])
    assert not placed.box.intersects(road)


def test_names_along_a_line_turn_with_it_and_stand_upright():
    down = labels.along(shapely.LineString([(0, 300), (300, 0)]))
    assert {round(spot.angle) for spot in down} == {-45}
    leftwards = labels.along(shapely.LineString([(300, 100), (0, 100)]))
    assert {round(spot.angle) % 360 for spot in leftwards} == {0}


def test_names_of_areas_lie_inside_them():
    area = shapely.Polygon([(0, 0), (200, 0), (200, 30), (30, 30), (30, 200), (0, 200)])
    spots = labels.inside("定西市", 9.0, area)
    assert spots
    width, height = fonts.text_width("定西市", 9.0), fonts.text_height("定西市", 9.0)
    for spot in spots:
        box = shapely.box(
            spot.x - width / 2, spot.y - height / 2, spot.x + width / 2, spot.y + height / 2
        )
        assert area.covers(box)
    assert labels.inside("定西市", 90.0, area) == ()


@pytest.mark.parametrize("key", MAPS)
def test_labels_of_a_figure_do_not_overlap_as_rendered(drawn, key):
    figure = drawn[key]
    renderer = FigureCanvasAgg(figure).get_renderer()
    paper = figure.axes[1]
    level = [t for t in paper.texts if t.get_rotation() % 360 < 1 or t.get_rotation() % 360 > 359]
    scale = [t for t in level if re.fullmatch(r"[\d.]+( 千米 km)?", t.get_text())]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in level if t not in scale]
    assert len(boxes) > 10
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        # The measure of a text is a hair wider than its ink.
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(overlap) <= 0.8, (one, other, overlap)


# -- the sheet -------------------------------------------------------------------------------


@given(st.text("临夏州(2021年),《规划》abc 通道", max_size=80), st.integers(60, 200))
@settings(max_examples=60, deadline=None)
def test_wrapped_text_keeps_its_words_and_its_width(text, width):
    lines = wrap(text, 8.0, width)
    squeezed = re.sub(r"\s", "", "".join(lines))
    assert squeezed == re.sub(r"\s", "", wide(text))
    for line in lines:
        hanging = len(line) - len(line.rstrip(CLOSING))
        longest = max((len(word) for word in re.findall(r"[A-Za-z0-9(),]+", line)), default=0)
        assert fonts.text_width(line, 8.0) <= width + 8.0 * (hanging + longest) or not line


def test_a_closing_bracket_never_begins_a_line():
    text = "中长期铁路网规划(发改基础〔2016〕1536号),及其他文件"
    for width in range(40, 160, 5):
        lines = wrap(text, 8.0, width)
        assert not [line for line in lines if line.startswith(tuple(CLOSING))]
        assert not [line for line in lines if line[-1:] in "(〔"]


def test_the_map_is_true_to_scale():
    sheet = Sheet("图", "Figure", "", (102.6, 34.9, 103.9, 36.2), "EPSG:4543")
    a, b = (103.2064, 35.6003), (103.7056, 35.3725)
    points = np.hypot(*np.subtract(sheet.xy(*a), sheet.xy(*b)))
    km = travel.straight_km(*a, *b)
    assert points * sheet.metres / 1000 == pytest.approx(km, rel=1e-3)
    sheet.finish([])
    bar = [p for p in sheet.paper.patches if isinstance(p, Rectangle) and p.get_height() == 4.5]
    ends = [t for t in sheet.paper.texts if "千米" in t.get_text()]
    said = float(ends[0].get_text().split()[0])
    assert sum(p.get_width() for p in bar) * sheet.metres / 1000 == pytest.approx(said)


# -- what the figures show -------------------------------------------------------------------


def test_every_map_has_title_legend_arrow_scale_source_and_says_it_is_a_sketch(drawn):
    for key in MAPS:
        said = words(drawn[key])
        zh, en, _ = figures.FIGURES[key]
        for needed in (zh, "示意图", "图例", "Legend", "北 N", "千米 km", "天地图", "2022-01-25"):
            assert needed in said, (key, needed)
        assert en.split()[0] in said


def test_spatial_layout_names_seats_belts_and_nodes(linxia, drawn):
    said = words(drawn["4-1"])
    for place in linxia.seats:
        assert place.name_zh in said
    for name in (
        "沿洮河城镇带",
        "沿黄河城镇带",
        "沿太子山城镇带",
        "沿兰郎公路城镇带",
        "达板镇",
        "大河家镇",
    ):
        assert said.count(name) >= 1, name
    assert "推断" in said


def test_what_is_inferred_is_dashed_and_what_is_not_is_solid(linxia):
    def edges(data):
        figure = figures.spatial_layout(data)
        colour = mpl.colors.to_rgba(basemap.BELT["洮"])
        return {
            p.get_linestyle()
            for p in figure.axes[1].findobj(PathPatch)
            if p.get_edgecolor() == colour
        }

    assert edges(linxia) == {"-"}
    layout = linxia.layout.copy()
    layout.loc["tao-river-belt", "spine_inferred"] = True
    (style,) = edges(dataclasses.replace(linxia, layout=layout))
    assert style != "-"


def test_national_position_names_corridors_and_cities(drawn):
    said = words(drawn["5-1"]).replace("\n", "")
    for name in (
        "陆桥通道",
        "京兰通道",
        wide("兰(西)广通道"),
        "兰合铁路",
        "临夏",
        "兰州",
        "西宁",
        "成都",
        "发改基础〔2016〕1536号",
        "不代表线位",
    ):
        assert name in said, name


def test_four_directions_quote_the_document(linxia, drawn):
    said = re.sub(r"\s", "", words(drawn["5-2"]))
    chosen = [e for e in linxia.plan.elements if e.structure == "四向" and e.kind == "axis"]
    assert len(chosen) == 4
    for element in chosen:
        assert element.cite.quote in said
    for name in ("银川", "西宁市", "天水市", "宝鸡", "成都", "重庆", "兰州国际陆港"):
        assert name in said, name


def test_travel_circles_show_the_minutes_of_the_engine(linxia, drawn):
    said = words(drawn["5-3"])
    names = [p for p in linxia.seats if p != linxia.origin] + linxia.outer_destinations
    assert {p.name_zh for p in linxia.outer_destinations} == {
        "临洮县",
        "安定区",
        "夏河县",
        "循化县",
    }
    times = travel.travel_times(linxia.graph, [linxia.origin], names)
    for place, minutes in zip(names, times["minutes"], strict=True):
        shown = re.search(rf"{place.name_zh} ([\d.]+)分钟", said)
        assert shown, place.name_zh
        assert float(shown[1]) == pytest.approx(minutes, abs=0.5)
    small, large = linxia.circles.geometry
    assert large.buffer(1e-6).covers(small)


def test_corridors_show_every_status(drawn):
    said = words(drawn["5-4"])
    for name in ("沿太子山交通走廊", "在建", "谋划", "高速公路", "四级公路", "G1816"):
        assert name in said, name


def test_the_other_plan_draws_what_its_document_has():
    data = material_of("linxia-lanzhou-2022")
    keys = figures.available(data)
    assert "4-1" in keys
    assert "5-2" not in keys
    # This document has no figure of that number, and enlarges the core.
    said = words(figures.draw("4-1", data))
    assert "图4-1" not in said
    assert figures.title("4-1", data)[0] in said
    assert "盐锅峡镇" in said
    with pytest.raises(InputError, match="5-2"):
        figures.draw("5-2", data)


# -- charts ----------------------------------------------------------------------------------


def dots(figure, marker):
    return [
        line
        for line in figure.findobj(Line2D)
        if line.get_marker() == marker and line.get_ydata()[0] > 40
    ]


def test_verdict_chart_has_a_dot_for_each_trip_in_the_colour_of_its_verdict(linxia):
    figure = figures.verdict_chart(linxia.verdicts)
    timed = [v for v in linxia.verdicts if v.target.metric == "travel_time"]
    trips = [p for v in timed for p in v.pairs if np.isfinite(p.minutes)]
    assert len(trips) > 10
    assert len(dots(figure, "o")) == len(trips)
    late = [d for d in dots(figure, "o") if d.get_markerfacecolor() != "white"]
    assert len(late) == sum(not p.met for p in trips)
    assert {d.get_markerfacecolor() for d in late} <= {VERDICT[v.verdict] for v in timed}
    bounds = [v for v in timed if v.lower_bound is not None and np.isfinite(v.lower_bound)]
    assert len(dots(figure, "^")) == len(bounds)
    said = words(figure)
    assert "不可能" in said
    assert "L14" not in said  # a statistic has no minutes


def test_verdict_chart_puts_dots_right_of_the_threshold_only_when_late(linxia):
    chosen = [v for v in linxia.verdicts if v.target.id == "L5"]
    figure = figures.verdict_chart(chosen)
    limit = next(
        line.get_xdata()[0]
        for line in figure.findobj(Line2D)
        if line.get_linewidth() == 2.2 and line.get_xdata()[0] == line.get_xdata()[1]
    )
    for dot in dots(figure, "o"):
        assert (dot.get_xdata()[0] > limit) == (dot.get_markerfacecolor() != "white")


def test_verdict_chart_without_time_targets_says_so():
    assert "没有时间类目标" in words(figures.verdict_chart([]))


def test_travel_matrix_frames_what_is_over_and_does_not_round_it_away():
    names = ["甲", "乙", "丙"]
    table = pd.DataFrame(
        [[0, 60.3, 20], [60.3, 0, np.nan], [20, 99, 0]], index=names, columns=names
    )
    figure = figures.travel_matrix_chart(table, 60)
    frames = [p for p in figure.findobj(Rectangle) if p.get_linewidth() == 1.8]
    assert len(frames) == 3
    said = [t.get_text() for t in texts(figure)]
    assert said.count("60.3") == 2
    assert said.count("—") == 3
    assert said.count("不通") == 1


def test_a_limit_that_is_passed_is_not_rounded_away():
    assert basemap.minutes_text(60.3, 60) == "60.3"
    assert basemap.minutes_text(60.3, 30) == "60"
    assert basemap.minutes_text(59.8, 60) == "60"


# -- files -----------------------------------------------------------------------------------


def test_saved_files_open_anywhere_and_are_the_same_every_time(drawn, tmp_path):
    svg, png = figures.save(drawn["matrix"], tmp_path / "new" / figures.stem("matrix"), dpi=50)
    text = svg.read_text(encoding="utf-8")
    assert svg.name == "figure-matrix.svg"
    assert "<text" not in text
    assert "font-family" not in text
    assert "<path" in text
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    again = figures.save(drawn["matrix"], tmp_path / "again", dpi=50)
    assert again[0].read_bytes() == svg.read_bytes()
    assert again[1].read_bytes() == png.read_bytes()


def test_a_save_that_fails_leaves_the_old_file(drawn, tmp_path, monkeypatch):
    target = tmp_path / "figure"
    target.with_suffix(".svg").write_text("old", encoding="utf-8")

    def broken(*args, **kwargs):
        raise RuntimeError("full disk")

    monkeypatch.setattr(drawn["matrix"], "savefig", broken)
    with pytest.raises(RuntimeError):
        figures.save(drawn["matrix"], target)
    assert target.with_suffix(".svg").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["figure.svg"]


# --- networks of one's own ------------------------------------------------------------------------


def _crowd(linxia, count):
    """The links of the plan's network with so many more of class IV, all in one spot."""
    links = linxia.graph.network.links
    lines = [shapely.LineString([(103.2, 35.6), (103.21, 35.6 + i / 1e6)]) for i in range(count)]
    more = links.iloc[[0] * count].assign(**{"class": "class4", "mode": "road"})
    more = more.set_geometry(lines, crs=4326).set_axis([f"x{i}" for i in range(count)])
    return gpd.GeoDataFrame(pd.concat([links, more]), crs=4326)


def test_of_a_large_network_the_higher_classes_are_drawn(linxia):
    links = _crowd(linxia, figures.MOST_LINES)
    found = figures.drawable(links, linxia.frame)
    assert 0 < len(found) <= figures.MOST_LINES
    assert "class4" in found.attrs["left_out"]
    assert "class4" not in set(found["class"])
    assert {"expressway", "class1", "class2"} <= set(found["class"])
    assert "四级公路" in figures._left_out(found)[0][1]
    few = links.iloc[:100]
    assert figures.drawable(few, linxia.frame) is few


def test_the_highest_class_is_drawn_however_many_there_are(linxia):
    links = _crowd(linxia, figures.MOST_LINES + 1)
    links = links[links["class"] == "class4"]
    assert len(figures.drawable(links, linxia.frame)) > figures.MOST_LINES


def test_no_minutes_are_shown_where_the_network_ends(linxia):
    west, south, east, _ = linxia.frame.total_bounds
    half = shapely.box(west, south, east, 35.6)
    data = dataclasses.replace(linxia, extent=half)
    away = {place.name_zh for place in data.untold}
    assert "永靖县" in away
    assert "永靖县" not in {place.name_zh for place in data.told_seats}
    found = words(figures.travel_circles(data))
    assert "永靖县 路网以外" in found
    assert not re.search("永靖县 [0-9]+分钟", found)
    assert "永靖县" not in words(figures.travel_matrix(data))
