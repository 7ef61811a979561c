"""Figures of a study's report; the look is that of `calibrant.reporting.figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde
from sklearn.linear_model import LogisticRegression

from calibrant.reporting.figures import GRID, LEAD, OTHERS, QUIET, RIGHT, STYLE, WRONG
from calibrant.study.data import Row

COLOURS = (OTHERS[4], OTHERS[3], OTHERS[0], "#D55E00", OTHERS[1], OTHERS[2])
"""Of arms, in the order of the design; the last one has the lead's."""


def colours(arms: Sequence[str]) -> dict[str, str]:
    """Arm -> colour, the same in all figures."""
    found = {arm: COLOURS[i % len(COLOURS)] for i, arm in enumerate(arms)}
    return found | {arms[-1]: LEAD}


def _axes(size: tuple[float, float]) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.grid(color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def agreement(trials: Sequence[Row], arm: str, colour: str, n_resamples: int = 100) -> Figure:
    """Share of agreement by confidence: dots in bins, and a logistic curve with its band."""
    with matplotlib.rc_context(dict(STYLE)):
        figure, axes = _axes((4.1, 3.4))
        x = np.array([row["confidence"] for row in trials], dtype=float)
        y = np.array([row["agrees"] for row in trials], dtype=int)
        people = np.unique([row["participant"] for row in trials], return_inverse=True)[1]
        edges = np.linspace(0, 1, 11)
        place = np.clip(np.digitize(x, edges) - 1, 0, 9)
        n = np.bincount(place, minlength=10)
        full = n > 0
        mean = np.bincount(place, y, minlength=10)[full] / n[full]
        middle = np.bincount(place, x, minlength=10)[full] / n[full]
        grid = np.linspace(0, 1, 101)
        generator = np.random.default_rng(0)
        drawn = [
            _logistic(x, y, grid, np.bincount(generator.choice(k, k), minlength=k)[people])
            for k in [people.max() + 1]
            for _ in range(n_resamples if k > 2 else 0)
        ]
        drawn = [curve for curve in drawn if curve is not None]
        if drawn:
            low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
            axes.fill_between(grid, low, high, color=colour, alpha=0.18, lw=0)
        if (curve := _logistic(x, y, grid, np.ones(x.size))) is not None:
            axes.plot(grid, curve, color=colour, lw=2)
        axes.scatter(middle, mean, s=18 + 500 * n[full] / n.sum(), color=colour, alpha=0.6, lw=0)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set(xlabel="Confidence that the arm works with", ylabel="Share that agreed")
        axes.set_title(arm)
    return figure


def _logistic(x: Any, y: Any, grid: Any, weight: Any) -> Any:
    used = weight > 0
    if np.unique(y[used]).size < 2:
        return None
    fitted = LogisticRegression(C=1000.0).fit(x[:, None], y, weight)
    return fitted.predict_proba(grid[:, None])[:, 1]


def densities(trials: Sequence[Row], arm: str) -> Figure:
    """Where confidence lay when people agreed and when they did not."""
    with matplotlib.rc_context(dict(STYLE)):
        figure, axes = _axes((4.1, 2.9))
        grid = np.linspace(0, 1, 201)
        for agrees, colour, name in ((True, RIGHT, "agreed"), (False, WRONG, "disagreed")):
            x = np.array([row["confidence"] for row in trials if row["agrees"] is agrees])
            if x.size > 2 and np.ptp(x) > 0:
                # mirrored at 0 and 1, where density would leak out
                curve = gaussian_kde(np.r_[x, -x, 2 - x], 0.12)(grid) * 3
                axes.fill_between(grid, curve, color=colour, alpha=0.35, lw=0)
                axes.plot(grid, curve, color=colour, lw=1.6, label=f"{name} ({x.size})")
        axes.set(xlim=(0, 1), xlabel="Confidence that the arm works with", ylabel="Density")
        axes.set_ylim(bottom=0)
        axes.set_title(arm)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9)
    return figure


def means(cells: Mapping[str, Row], title: str, palette: Mapping[str, str]) -> Figure:
    """A measure's mean of each arm with its interval."""
    with matplotlib.rc_context(dict(STYLE)):
        figure, axes = _axes((4.1, 0.45 * len(palette) + 1.0))
        names = [arm for arm in palette if arm in cells]
        for place, arm in enumerate(names):
            cell = cells[arm]
            if cell["low"] is not None:
                axes.hlines(place, cell["low"], cell["high"], color=palette[arm], lw=2.5)
            axes.scatter(cell["value"], place, s=46, color=palette[arm], zorder=3)
        axes.set_title(title)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
    return figure


def slopes(summaries: Sequence[Row], palette: Mapping[str, str]) -> Figure:
    """A dot a participant: their reliance slope."""
    with matplotlib.rc_context(dict(STYLE)):
        known = [row for row in summaries if row["slope"] is not None]
        names = [arm for arm in palette if any(row["arm"] == arm for row in known)]
        figure, axes = _axes((5.6, 0.7 * max(1, len(names)) + 1.1))
        generator = np.random.default_rng(0)
        axes.axvline(0, color=QUIET, lw=1)
        for place, arm in enumerate(names):
            values = np.array([row["slope"] for row in known if row["arm"] == arm])
            height = place + generator.uniform(-0.22, 0.22, values.size)
            axes.scatter(values, height, s=16, color=palette[arm], alpha=0.55, lw=0)
            axes.vlines(values.mean(), place - 0.36, place + 0.36, color=palette[arm], lw=2.5)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("Reliance slope of a participant (bar: mean)")
    return figure


def ability(found: Mapping[str, Any], palette: Mapping[str, str]) -> Figure:
    """Accuracy by group of ability, a line an arm."""
    with matplotlib.rc_context(dict(STYLE)):
        figure, axes = _axes((5.2, 3.5))
        for number, (arm, colour) in enumerate(palette.items()):
            cells = [cell for cell in found["groups"] if cell["arm"] == arm]
            if not cells:
                continue
            x = np.array([cell["group"] for cell in cells]) + 0.06 * (number - len(palette) / 2)
            axes.plot(x, [cell["value"] for cell in cells], color=colour, marker="o", label=arm)
            for at, cell in zip(x, cells):
                if cell["low"] is not None:
                    axes.vlines(at, cell["low"], cell["high"], color=colour, lw=1.4, alpha=0.7)
        axes.set_xticks([0, 1, 2], ["lowest third", "middle", "highest third"])
        axes.set(xlabel="Ability, measured on other questions without a model", ylabel="Accuracy")
        axes.legend(frameon=False, fontsize=9)
    return figure


def times(trials: Sequence[Row], palette: Mapping[str, str]) -> Figure:
    """Response times of each arm, on a logarithmic scale."""
    with matplotlib.rc_context(dict(STYLE)):
        figure, axes = _axes((5.6, 0.55 * len(palette) + 1.2))
        groups = {a: [max(r["seconds"], 0.01) for r in trials if r["arm"] == a] for a in palette}
        groups = {arm: values for arm, values in groups.items() if values}
        drawn = axes.boxplot(
            list(groups.values()), orientation="horizontal", showfliers=False, patch_artist=True,
            medianprops={"color": "white", "lw": 2}, widths=0.55,
        )  # fmt: skip
        for box, arm in zip(drawn["boxes"], groups):
            box.set(facecolor=palette[arm], edgecolor=palette[arm])
        axes.set_yticks(range(1, len(groups) + 1), list(groups))
        axes.invert_yaxis()
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        ticks = [k * 10.0**e for e in range(-2, 5) for k in (1, 2, 5)]
        ticks = [tick for tick in ticks if low <= tick <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("Seconds from showing to answer (whiskers: 1.5 times the box)")
    return figure


def own_confidence(trials: Sequence[Row], palette: Mapping[str, str]) -> Figure:
    """Accuracy of people's final answers by their own confidence."""
    with matplotlib.rc_context(dict(STYLE)):
        figure, axes = _axes((4.4, 4.2))
        axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=(0, (4, 3)))
        for arm, colour in palette.items():
            mine = [r for r in trials if r["arm"] == arm and r["own_confidence"] is not None]
            p = np.array([row["own_confidence"] for row in mine])
            y = np.array([row["correct"] for row in mine], dtype=float)
            place = np.clip((p * 5).astype(int), 0, 4)
            n = np.bincount(place, minlength=5)
            full = n >= 5
            if full.any():
                axes.plot(
                    np.bincount(place, p, minlength=5)[full] / n[full],
                    np.bincount(place, y, minlength=5)[full] / n[full],
                    color=colour, marker="o", label=arm,
                )  # fmt: skip
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set(xlabel="Person's own confidence", ylabel="Accuracy of the person's answers")
        axes.legend(frameon=False, fontsize=9)
    return figure
