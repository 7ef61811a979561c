"""Figures in the paper's manner: bars by method, curves, matrices, histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from calibrant.reporting.figures import BEFORE, GRID, INK, LEAD, OTHERS, QUIET, STYLE

HALO = [withStroke(linewidth=3, foreground="white")]
"""Keeps a text readable on a curve."""
PALETTE = (LEAD, BEFORE, *OTHERS)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    lead: bool = False
    """Drawn in the leading colour."""


def styled() -> Any:
    """The house's style, for the block."""
    return matplotlib.rc_context(dict(STYLE))


def bars(
    panels: Mapping[str, Sequence[Bar]], *, xlabels: Mapping[str, str] | None = None
) -> Figure:
    """A panel a title, a bar a method, whiskers where there is an interval.

    All panels have the same methods in the same order. Where a title begins with "AUROC", a line
    marks guessing.
    """
    with styled():
        n = max(map(len, panels.values()))
        figure = Figure(figsize=(3.1 + 2.5 * len(panels), 0.9 + 0.27 * n))
        figure.set_layout_engine("constrained")
        places: Any = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, found) in zip(places, panels.items()):
            y = np.arange(len(found))[::-1]
            colours = [LEAD if bar.lead else "#9aa3b5" for bar in found]
            axes.barh(y, [bar.value for bar in found], color=colours, height=0.66, zorder=2)
            for place, bar in zip(y, found):
                if bar.low is not None and bar.high is not None:
                    axes.plot([bar.low, bar.high], [place, place], color=INK, lw=1.2, zorder=3)
            axes.set_title(title)
            axes.set_yticks(y, [bar.label for bar in found])
            axes.set_xlabel((xlabels or {}).get(title, ""))
            axes.set_ylim(-0.6, n - 0.4)
            values = [v for b in found for v in (b.value, b.low, b.high) if v is not None]
            values = [v for v in values if np.isfinite(v)]
            if title.startswith("AUROC") and values:  # half of the scale is worse than guessing
                axes.set_xlim(left=min(0.4, min(values) - 0.02))
                axes.axvline(0.5, color=INK, lw=0.8, ls="--", zorder=3)
            for place in (p for p, b in zip(y, found) if not np.isfinite(b.value)):
                axes.annotate(
                    "not defined", (0.02, place), xycoords=axes.get_yaxis_transform(),
                    va="center", color=QUIET, fontsize=8, zorder=4,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                )  # fmt: skip
            if values and min(values) < 0:
                axes.axvline(0, color=INK, lw=0.8, zorder=3)
            axes.locator_params(axis="x", nbins=5)
            axes.grid(axis="x", color=GRID, lw=0.6)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0)
    return figure


Point = tuple[float, float, float | None, float | None]
"""x, y, low, high."""


def curves(
    panels: Mapping[str, Mapping[str, Sequence[Point]]],
    *,
    xlabel: str,
    ylabels: Mapping[str, str],
    levels: Mapping[str, Mapping[str, float]] | None = None,
    marks: Mapping[str, Mapping[str, Sequence[tuple[float, str]]]] | None = None,
    log: bool = False,
    lines: bool = True,
) -> Figure:
    """A panel a title, a line a series with its interval, dashed levels to compare with.

    A level's name begins with a letter, "a: NAME", which stands at the end of its line. Marks are
    texts at points of a series, named by their x. Without lines the points stand alone, and the
    texts by turns above and below them.
    """
    with styled():
        figure = Figure(figsize=(max(6.4, 0.6 + 3.9 * len(panels)), 4.1))
        figure.set_layout_engine("constrained")
        places: Any = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, series) in zip(places, panels.items()):
            for i, (name, points) in enumerate(series.items()):
                x, y = ([p[k] for p in points] for k in (0, 1))
                colour = PALETTE[i % len(PALETTE)]
                axes.plot(
                    x, y, color=colour, marker="o", ms=4, lw=1.6 * lines, label=name, zorder=3
                )
                for j, (place, text) in enumerate(
                    sorted((marks or {}).get(title, {}).get(name, ()))
                ):
                    at = next(p[:2] for p in points if p[0] == place)
                    _mark(axes, at, text, colour, below=j % 2 > 0 and not lines)
                whole = [p for p in points if p[2] is not None and p[3] is not None]
                ends = [[p[k] for p in whole] for k in (0, 2, 3)]
                if lines and len(points) > 1:
                    axes.fill_between(*ends, color=colour, alpha=0.15, lw=0)
                else:
                    axes.vlines(*ends, color=colour, lw=1.2)
            _levels(axes, (levels or {}).get(title, {}))
            axes.set(title=title, xlabel=xlabel, ylabel=ylabels.get(title, ""))
            if not lines:
                axes.margins(x=0.2)  # the texts go beyond the points
            if log:
                axes.set_xscale("log")
                ticks = sorted({p[0] for points in series.values() for p in points if p[0] > 0})
                if all(float(t).is_integer() for t in ticks):
                    shown = ticks if len(ticks) < 9 else ticks[::2]
                    axes.set_xticks(shown, [f"{t:,.0f}" for t in shown], rotation=45)
                    axes.minorticks_off()
                else:
                    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
                    axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(color=GRID, lw=0.6)
            axes.set_axisbelow(True)
        labelled = {
            label: handle
            for axes in places
            for handle, label in zip(*axes.get_legend_handles_labels())
        }
        figure.legend(
            labelled.values(), labelled.keys(), loc="outside lower center",
            ncols=min(3, len(labelled)), frameon=False, fontsize=9,
        )  # fmt: skip
    return figure


def _levels(axes: Any, levels: Mapping[str, float]) -> None:
    """Dashed lines, with their letters at the right; those of near levels stand together."""
    for name, level in levels.items():
        axes.axhline(level, color=QUIET, lw=0.9, ls="--", zorder=2)
        axes.plot([], [], " ", label=name)
    low, high = axes.get_ylim()
    told: list[tuple[str, float]] = []
    for name, level in sorted(levels.items(), key=lambda item: item[1]):
        letters, last = told[-1] if told else ("", -np.inf)
        letter = name.partition(":")[0]
        if level - last < 0.05 * (high - low):
            told[-1] = (letters + letter, last)
        else:
            told.append((letter, level))
    for letters, level in told:
        axes.text(
            1.01, level, "".join(sorted(letters)), transform=axes.get_yaxis_transform(),
            va="center", color=QUIET, fontsize=9,
        )  # fmt: skip


def _mark(axes: Any, at: tuple[float, float], text: str, colour: str, *, below: bool) -> None:
    """A ring around a point, and its text above it or, from the point on, below it."""
    shift, ha, va = (-7, "left", "top") if below else (7, "center", "bottom")
    axes.plot(*at, "o", ms=9, mfc="none", mec=colour, zorder=4)
    axes.annotate(
        text, at, (0, shift), textcoords="offset points", ha=ha, va=va,
        color=colour, weight="bold", zorder=5, path_effects=HALO,
    )  # fmt: skip


def matrix(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, title: str,
    xlabel: str, ylabel: str,
) -> Figure:  # fmt: skip
    """Numbers in cells, coloured by size; NaN stays empty."""
    with styled():
        size = (max(6.0, 3.4 + 0.85 * len(columns)), max(4.2, 2.4 + 0.5 * len(rows)))
        figure = Figure(figsize=size)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        axes.imshow(values, cmap="Blues", aspect="auto")
        axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
        axes.set_yticks(range(len(rows)), rows)
        known = values[np.isfinite(values)]
        dark = known.min() + 0.65 * np.ptp(known) if known.size else 0
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if value > dark else INK
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def histograms(panels: Mapping[str, Mapping[str, np.ndarray]], *, xlabel: str) -> Figure:
    """A panel a title: shares of the confidences of each series in 20 bins."""
    with styled():
        figure = Figure(figsize=(0.5 + 3.4 * len(panels), 3.1))
        figure.set_layout_engine("constrained")
        places: Any = figure.subplots(1, len(panels), squeeze=False)[0]
        edges = np.linspace(0, 1, 21)
        for axes, (title, series) in zip(places, panels.items()):
            for i, (name, values) in enumerate(series.items()):
                known = values[~np.isnan(values)]
                share = np.histogram(known, edges)[0] / max(known.size, 1)
                axes.stairs(
                    share, edges, fill=True, alpha=0.45, color=PALETTE[i % len(PALETTE)],
                    label=name,
                )  # fmt: skip
            axes.set(title=title, xlabel=xlabel, ylabel="Share of the answers", xlim=(0, 1))
            axes.grid(color=GRID, lw=0.6)
            axes.set_axisbelow(True)
        handles, labels = places[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure
