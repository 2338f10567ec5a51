"""Charts without a map: time targets against their thresholds, and a table of travel times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from spatialplan.basemap import minutes_text
from spatialplan.fonts import font, text_width
from spatialplan.palette import VERDICT
from spatialplan.sheet import GREY, INK, draw_text, wrap

if TYPE_CHECKING:
    from spatialplan.targets import Verdict

__all__ = ["TIME_METRICS", "travel_matrix_chart", "verdict_chart"]

TIME_METRICS = ("travel_time", "all_pairs_time", "time_to_interchange")
_EVIDENCE = {
    "published": "",
    "measured": "里程按图形量测",
    "mixed": "部分估计",
    "estimated": "估计,仅供参考",
}
_HEAT = LinearSegmentedColormap.from_list(
    "minutes", ["#e6f4ea", "#fdf3d0", "#f5c9a6", "#d9765a", "#a03a2c"]
)


def verdict_chart(verdicts: Sequence[Verdict], subtitle: str = "") -> Figure:
    """Return a chart of the time targets: each pair's minutes, and the threshold.

    One row for each target that has a threshold in minutes: a dot for each pair, filled when
    it holds; a black stroke at the threshold; a triangle at the least time that the law's
    highest speed allows for the worst pair; the row's verdict and its worst pair in words.

    Parameters
    ----------
    verdicts
        Verdicts of any metric; others than time targets are left out.
    subtitle
        A line under the title: plan and scenario.
    """
    rows = [v for v in verdicts if v.target.metric in TIME_METRICS and v.target.threshold]
    high = 34.0
    height = 118 + high * max(len(rows), 1)
    figure, axes = _sheet(
        930, height, "时间类目标:计算值与阈值", "Time targets: values against thresholds", subtitle
    )
    left, right = 300.0, 672.0
    times = [_finite(pair.minutes) for v in rows for pair in v.pairs]
    times += [float(v.target.threshold) for v in rows]
    scale = _Scale(left, right, max([t for t in times if t is not None], default=60.0) * 1.05)
    top = height - 76
    _time_axis(axes, scale, top, top - high * len(rows))
    for number, verdict in enumerate(rows):
        _verdict_row(axes, verdict, scale, top - high * (number + 0.5), high, number)
    if not rows:
        draw_text(axes, 18, top - 14, "没有时间类目标 No time targets", 10, GREY)
    _chart_key(axes)
    return figure


class _Scale:
    """Minutes to points, with ticks."""

    def __init__(self, left: float, right: float, most: float) -> None:
        self.left, self.right = left, right
        self.step = next(s for s in (10, 15, 30, 60, 120, 240, 480, 1e9) if most / s <= 9)
        self.most = float(np.ceil(most / self.step) * self.step)

    def __call__(self, minutes: float) -> float:
        return self.left + (self.right - self.left) * min(minutes / self.most, 1.0)

    @property
    def ticks(self) -> np.ndarray:
        return np.arange(0, self.most + 1, self.step)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _sheet(width: float, height: float, zh: str, en: str, subtitle: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    draw_text(axes, 18, height - 24, zh, 17, bold=True)
    draw_text(axes, 18 + text_width(zh, 17) + 12, height - 26, en, 10, GREY)
    draw_text(axes, 18, height - 46, subtitle, 8.5, GREY)
    return figure, axes


def _time_axis(axes: Axes, scale: _Scale, top: float, low: float) -> None:
    for tick in scale.ticks:
        x = scale(tick)
        axes.add_line(Line2D([x, x], [low, top], color="#e5e7eb", linewidth=0.7, zorder=1))
        draw_text(axes, x, top + 8, f"{tick:g}", 8, GREY, ha="center")
    draw_text(axes, scale.right + 10, top + 8, "分钟 min", 8, GREY)


def _verdict_row(
    axes: Axes, verdict: Verdict, scale: _Scale, y: float, high: float, number: int
) -> None:
    from spatialplan.targets import VERDICT_NAMES

    colour = VERDICT[verdict.verdict]
    if number % 2 == 0:
        axes.add_patch(Rectangle((12, y - high / 2), 906, high, color="#f6f6f3", zorder=0))
    target = verdict.target
    draw_text(axes, 18, y, target.id, 8.5, colour, bold=True)
    title = wrap(target.title_zh, 8.8, 208)
    title = title if len(title) <= 2 else [title[0], title[1][:-1] + "…"]
    draw_text(axes, 84, y, "\n".join(title), 8.8)
    axes.add_line(Line2D([scale.left, scale.right], [y, y], color="#d1d5db", lw=0.8, zorder=2))
    limit = scale(float(target.threshold))
    axes.add_patch(
        Rectangle((scale.left, y - 3), limit - scale.left, 6, color="#dbe7df", zorder=1.5)
    )
    axes.add_line(Line2D([limit, limit], [y - 10, y + 10], color=INK, linewidth=2.2, zorder=4))
    worst = _dots(axes, verdict, scale, y, colour)
    zh, en = VERDICT_NAMES[verdict.verdict]
    draw_text(axes, scale.right + 14, y + 6, zh, 10, colour, bold=True)
    basis = _EVIDENCE.get(verdict.evidence, "")
    words = f"{en} · {basis}" if basis else en
    draw_text(axes, scale.right + 17 + text_width(zh, 10), y + 5.5, words, 7.5, colour)
    value = _finite(verdict.value)
    none = "没有通路 no way" if verdict.pairs else "没有值 no value"
    words = (
        f"{minutes_text(value, target.threshold)}分钟,限{target.threshold:g}"
        if value is not None
        else none
    )
    draw_text(axes, scale.right + 14, y - 7, f"{words}{worst}", 7.6, GREY)


def _dots(axes: Axes, verdict: Verdict, scale: _Scale, y: float, colour: str) -> str:
    """Draw the pairs and the lower bound; return the worst pair in words."""
    reached = [p for p in verdict.pairs if _finite(p.minutes) is not None]
    for pair in reached:
        axes.plot(
            [scale(pair.minutes)],
            [y],
            marker="o",
            markersize=7,
            markerfacecolor=colour if pair.met is False else "white",
            markeredgecolor=colour if pair.met is False else VERDICT["met"],
            markeredgewidth=1.4,
            alpha=0.85,
            linestyle="none",
            zorder=5,
        )
    if not reached and _finite(verdict.value) is not None:
        axes.plot([scale(verdict.value)], [y], "o", color=colour, markersize=8, zorder=5)
    bound = _finite(verdict.lower_bound)
    if bound is not None:
        axes.plot(
            [scale(bound)],
            [y - 8.5],
            marker="^",
            markersize=6,
            color=VERDICT["impossible"],
            linestyle="none",
            zorder=6,
        )
    if not reached:
        return ""
    worst = max(reached, key=lambda pair: pair.minutes)
    return f";最慢 {worst.origin.name_zh}—{worst.destination.name_zh}"


def _chart_key(axes: Axes) -> None:
    x, y = 18.0, 16.0
    items = (
        ("o", "white", VERDICT["met"], "在限内 within"),
        ("o", VERDICT["not_met"], VERDICT["not_met"], "超限(颜色同判定) over"),
        ("|", INK, INK, "阈值 threshold"),
        (
            "^",
            VERDICT["impossible"],
            VERDICT["impossible"],
            "最短可能时间(直线÷最高设计速度) lower bound",
        ),
    )
    for marker, face, edge, text in items:
        axes.plot(
            [x + 5],
            [y],
            marker=marker,
            markersize=7 if marker != "|" else 13,
            markerfacecolor=face,
            markeredgecolor=edge,
            markeredgewidth=1.6,
            linestyle="none",
        )
        draw_text(axes, x + 15, y, text, 8)
        x += text_width(text, 8) + 36


def travel_matrix_chart(
    minutes: pd.DataFrame, threshold: float | None = None, subtitle: str = ""
) -> Figure:
    """Return a table of minutes with coloured cells.

    Parameters
    ----------
    minutes
        Rows are origins, columns destinations, both labelled with the names to show; NaN where
        there is no way.
    threshold
        Cells above it are framed.
    subtitle
        A line under the title: plan and scenario.
    """
    rows, columns = minutes.shape
    wide, high, left = 62.0, 32.0, 96.0
    width = max(left + wide * columns + 24, 560)
    height = 150 + high * rows
    figure, axes = _sheet(width, height, "县市之间公路行车时间", "Minutes by road", subtitle)
    top = height - 96
    values = minutes.to_numpy(dtype=float)
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    most = max(most, threshold or 0.0, 1.0)
    for j, name in enumerate(minutes.columns):
        draw_text(axes, left + wide * (j + 0.5), top + 12, str(name), 9.5, ha="center", bold=True)
    for i, name in enumerate(minutes.index):
        y = top - high * (i + 0.5)
        draw_text(axes, left - 10, y, str(name), 9.5, ha="right", bold=True)
        for j in range(columns):
            same = name == minutes.columns[j]
            _cell(
                axes,
                (left + wide * j, y - high / 2, wide, high),
                values[i, j],
                same,
                most,
                threshold,
            )
    foot = "行为起点,列为终点;单位分钟。Rows: origins, columns: destinations, minutes."
    if threshold:
        foot += f" 粗框:超过 {threshold:g} 分钟 framed: over {threshold:g} min."
    for number, line in enumerate(wrap(foot, 8, width - 36)):
        draw_text(axes, 18, 30 - 12 * number, line, 8, GREY)
    return figure


def _cell(
    axes: Axes,
    box: tuple[float, float, float, float],
    value: float,
    same: bool,
    most: float,
    threshold: float | None,
) -> None:
    x, y, wide, high = box
    known = np.isfinite(value)
    shade = value / most if known else 0.0
    face = "#f3f4f6" if same or not known else _HEAT(shade)
    axes.add_patch(Rectangle((x, y), wide, high, facecolor=face, edgecolor="white", lw=1.5))
    over = threshold is not None and known and not same and value > threshold
    if over:
        axes.add_patch(
            Rectangle(
                (x + 3, y + 3),
                wide - 6,
                high - 6,
                fill=False,
                edgecolor="#7f1d1d",
                lw=1.8,
                zorder=3,
            )
        )
    text = "—" if same else minutes_text(value, threshold) if known else "不通"
    colour = "white" if shade > 0.72 and not same else INK
    axes.text(
        x + wide / 2,
        y + high / 2,
        text,
        fontproperties=font(10.5),
        color=colour,
        ha="center",
        va="center",
        zorder=4,
    )
