"""Appendix E of the paper: does confidence only follow the length of the answer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import Cell, Panel, difference
from calibrant.experiments.drawing import Point, curves
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import Floats, correct_of, forms, name_of
from calibrant.records import Graded

LEAD, LENGTH, TURNED = "lora_prompt", "answer_length", "answer_length, the better way round"
N_BINS = 6


@dataclass(frozen=True, kw_only=True)
class AnswerLength(Experiment):
    """Slopes of confidence and of correctness on the logarithm of the answer's length."""

    name: ClassVar = "answer_length"
    place: ClassVar = 15
    title: ClassVar = "Confidence and the length of the answer"
    counterpart: ClassVar = "Appendix E"
    question: ClassVar = "Is confidence more than the length of the answer?"
    claims: ClassVar = (
        Claim(
            name="beyond",
            text="lora_prompt ranks better than the answer's length (AUROC, open-ended; longer or"
            " shorter being better, whichever ranks these very answers better)",
        ),
        Claim(
            name="slope",
            text="per doubling of the length lora_prompt's confidence moves no more than the share"
            " of right answers does: the difference of the slopes' sizes",
            wish=-1,
            margin=0.02,
        ),
    )
    in_paper: ClassVar = "none: a figure of confidence against length"

    def run(self, bench: Bench) -> Findings:
        """All arms that have a confidence of their own."""
        names = (LEAD, "zero_shot", "sequence_likelihood", LENGTH)
        chosen = {name_of(form): arms.Arm(form) for form in forms(*names)}
        chosen["stacked states"] = arms.Arm(arms.states()[0])
        panel = arms.panel(bench, chosen)
        of_truth = _mean([_slopes(panel, cell, correct_of(cell.items)) for cell in panel.of(LEAD)])
        table = [_row("right answers", _difference(panel, *of_truth))]
        differences: dict[str, Difference] = {}
        for arm in panel.arms:
            found = _mean([_slopes(panel, cell, cell.confidence) for cell in panel.of(arm)])
            table.append(_row(arm, _difference(panel, *found)))
            if arm == LEAD:
                (a, a_r), (b, b_r) = found, of_truth
                gap = _difference(panel, abs(a) - abs(b), np.abs(a_r) - np.abs(b_r))
                differences["slope"] = gap
        _turn(panel)
        differences |= arms.claimed(panel, {"beyond": (LEAD, TURNED, "auroc")})
        return Findings(
            differences=differences,
            tables={"slopes": table, "arms": arms.rows(panel, ("auroc", "ece"))},
            figures={"length": _drawn(panel)},
        )


def lengths(items: Sequence[Graded]) -> Floats:
    """log2 of the number of characters of each answer."""
    return np.array([np.log2(max(len(item.answer.text), 1)) for item in items])


def _slopes(panel: Panel, cell: Cell, y: Floats) -> tuple[float, Floats]:
    """Least-squares slope of y on log2 of the length, with replicates (R,)."""
    x = lengths(cell.items)
    known = ~np.isnan(y)
    weights = panel.weights(cell.items)[:, known].astype(np.float64)
    x, y = x[known], y[known]

    def slope(w: Floats) -> Floats:
        total = w.sum(-1)
        mean_x, mean_y = w @ x / total, w @ y / total
        found = (w @ (x * y) / total - mean_x * mean_y) / (w @ (x * x) / total - mean_x**2)
        return np.asarray(found)

    with np.errstate(invalid="ignore", divide="ignore"):
        return float(slope(np.ones((1, x.size)))[0]), slope(weights)


def _mean(found: list[tuple[float, Floats]]) -> tuple[float, Floats]:
    return float(np.mean([v for v, _ in found])), np.mean([r for _, r in found], axis=0)


def _row(name: str, found: Difference) -> Row:
    title = "slope per doubling"
    return {"arm": name, title: found.value, f"{title} low": found.low, f"{title} high": found.high}


def _difference(panel: Panel, value: float, replicates: Floats) -> Difference:
    items = panel.of(LEAD)[0].items
    df, n = panel.df(items), len(items)
    return difference([value], [replicates], df=df, n=n, units=panel.units)


def _turn(panel: Panel) -> None:
    """Put in the length as it ranks these answers best: what any use of it could give at most."""
    cell = panel.value(LENGTH, "auroc")
    is_wrong = cell is not None and cell["value"] < 0.5
    for c in panel.of(LENGTH):
        confidence = 1 - c.confidence if is_wrong else c.confidence
        panel.add(TURNED, c.model, c.seed, c.items, confidence)


def _drawn(panel: Panel) -> Figure:
    """Mean confidence, and the share of right answers, by length."""
    x = np.concatenate([lengths(cell.items) for cell in panel.of(LEAD)])
    edges = np.unique(np.quantile(x, np.linspace(0, 1, N_BINS + 1)))
    series: dict[str, list[Point]] = {}
    truth = np.concatenate([correct_of(cell.items) for cell in panel.of(LEAD)])
    every = {"right answers": truth} | {
        arm: np.concatenate([cell.confidence for cell in panel.of(arm)])
        for arm in panel.arms
        if arm != TURNED
    }
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(len(edges) - 2, 0))
    for name, values in every.items():
        points: list[Point] = []
        for b in range(max(len(edges) - 1, 1)):
            mine = (place == b) & ~np.isnan(values)
            if mine.any():
                at = float(round(2 ** x[mine].mean()))
                points.append((at, float(values[mine].mean()), None, None))
        series[name] = points
    title = "Confidence by length"
    return curves(
        {title: series}, xlabel="Characters of the answer", log=True,
        ylabels={title: "Mean confidence, or share right"},
    )  # fmt: skip
