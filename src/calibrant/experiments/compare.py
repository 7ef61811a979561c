"""Arms on the same questions: metrics with intervals, and paired differences.

An arm is one way to get confidences, on each of several models and seeds. Resamples are drawn once,
of all questions that any cell holds, so whatever is on the same questions is paired, and what two
seeds' tests share is drawn for both: a replicate of a mean over models and seeds is the mean of
their replicates. Intervals therefore tell what other questions (and
other subjects) could have given with these models and seeds; the spread over models and seeds is
told beside them.

Shapes: N answers, R resamples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrant import metrics
from calibrant.errors import InvalidData, TooFewClasses
from calibrant.evaluation.evaluate import MIN_SUBJECT_ROWS
from calibrant.experiments.experiment import Difference, Row
from calibrant.experiments.fitting import LEAST_SHARE, Floats, correct_of
from calibrant.metrics import Resamples
from calibrant.records import Graded, content_hash

Metric = Callable[..., Any]
N_BINS = 10
METRICS = ("accuracy", "auroc", "auroc_subject_mean", "ece", "brier_score", "log_loss", "aurc")


def _metric(name: str) -> Metric:
    inner: Metric = getattr(metrics, name.removesuffix("_subject_mean"))
    options = {"n_bins": N_BINS} if name.startswith("ece") else {}
    if not name.endswith("_subject_mean"):
        return lambda p, y, subject, weights, drawn: inner(p, y, weights, **options)
    return lambda p, y, subject, weights, drawn: (
        metrics.subject_mean(
            inner, p, y, subject, weights, drawn, minimum=MIN_SUBJECT_ROWS, **options
        ).value
    )


def over_models(values: Mapping[str, Sequence[float]]) -> tuple[float, float | None, float | None]:
    """Mean over models of each one's mean over seeds, and two standard deviations.

    That of the models' means, and that of the seeds of one model (pooled over models).
    """
    by_model = [float(np.mean(of_model)) for of_model in values.values()]
    spread = float(np.std(by_model, ddof=1)) if len(by_model) > 1 else None
    within = [np.var(of_model, ddof=1) for of_model in values.values() if len(of_model) > 1]
    return float(np.mean(by_model)), spread, float(np.sqrt(np.mean(within))) if within else None


@dataclass(frozen=True)
class Cell:
    """Confidences of one arm on one model's answers, with one seed."""

    arm: str
    model: str
    seed: int
    items: Sequence[Graded]
    confidence: Floats
    """(N,), NaN where missing."""
    n_judged: int
    """How many of them it was to judge."""


@dataclass
class Panel:
    """Cells, and what was measured on them."""

    n_resamples: int = 1000
    by_subject: bool = True
    """Resample subjects, then question groups (for transfer); else groups."""
    cells: list[Cell] = field(default_factory=list)
    _resamples: dict[str, Resamples] = field(default_factory=dict)
    _measured: dict[tuple[Any, ...], tuple[float, Floats]] = field(default_factory=dict)

    def add(
        self,
        arm: str,
        model: str,
        seed: int,
        items: Sequence[Graded],
        confidence: Floats,
        n_judged: int | None = None,
    ) -> None:
        """Put one in; unless told, all answers are judged."""
        n = len(items) if n_judged is None else min(n_judged, len(items))
        self.cells.append(Cell(arm, model, seed, items, confidence, n))
        self._resamples.clear()
        self._measured.clear()

    def of(self, arm: str, models: Iterable[str] | None = None) -> list[Cell]:
        """The cells of an arm, of these models or of all, by model and seed."""
        chosen = None if models is None else set(models)
        found = [c for c in self.cells if c.arm == arm and (chosen is None or c.model in chosen)]
        return sorted(found, key=lambda c: (c.model, c.seed))

    @property
    def arms(self) -> list[str]:
        """In the order in which they came."""
        return list(dict.fromkeys(cell.arm for cell in self.cells))

    def _drawn(self, items: Sequence[Graded]) -> tuple[str, Resamples]:
        ids = [item.question.id for item in items]
        if (key := content_hash(ids)) not in self._resamples:
            place = {one: i for i, one in enumerate(self._all)}
            whole = self._resamples.setdefault("", self._of_all())
            columns = [place[one] for one in ids]
            self._resamples[key] = replace(whole, weights=whole.weights[:, columns])
        return key, self._resamples[key]

    @property
    def _all(self) -> dict[str, Graded]:
        """The questions of all cells, each once."""
        return {i.question.id: i for cell in reversed(self.cells) for i in reversed(cell.items)}

    def _of_all(self) -> Resamples:
        items = list(self._all.values())
        subject = [item.question.subject for item in items]
        by_subject = self.by_subject and len(set(subject)) > 1
        return metrics.resample(
            [item.question.group for item in items],
            subject if by_subject else None,
            "subject" if by_subject else "group",
            n_resamples=self.n_resamples,
        )

    def weights(self, items: Sequence[Graded]) -> NDArray[Any]:
        """(R, N) how often each answer was drawn."""
        return self._drawn(items)[1].weights

    @property
    def units(self) -> str:
        """What is resampled first."""
        subjects = self._drawn([*self._all.values()])[1].subjects
        return "questions" if subjects is None else "subjects"

    def df(self, items: Sequence[Graded], among: NDArray[np.bool_] | None = None) -> int:
        """Degrees of freedom: how many subjects, or groups, of these answers are drawn, less 1."""
        by_subject = self._drawn(items)[1].subjects is not None
        kept = items if among is None else [item for item, k in zip(items, among) if k]
        units = {i.question.subject if by_subject else i.question.group for i in kept}
        return max(len(units) - 1, 1)

    def measure(
        self, cell: Cell, name: str, among: NDArray[np.bool_] | None = None
    ) -> tuple[float, Floats]:
        """(value, replicates (R,)) of a metric on the graded answers with a confidence.

        Undefined is NaN, in both.
        """
        y = correct_of(cell.items)
        known = ~np.isnan(y) & ~np.isnan(cell.confidence)
        known = known if among is None else known & among
        if not known.any():
            return np.nan, np.full(self.n_resamples, np.nan)
        key, resamples = self._drawn(cell.items)
        memo = (key, name, known.tobytes(), y.tobytes(), cell.confidence.tobytes())
        if memo not in self._measured:
            self._measured[memo] = np.nan, np.full(self.n_resamples, np.nan)
            subject = np.array([item.question.subject for item in cell.items])[known]
            drawn = resamples.subject_weights
            if drawn is not None and resamples.subjects is not None:
                drawn = drawn[:, np.isin(resamples.subjects, subject)]
            given = cell.confidence[known], y[known], subject
            try:
                value = float(_metric(name)(*given, None, None))
                replicates = _metric(name)(*given, resamples.weights[:, known], drawn)
                self._measured[memo] = value, np.asarray(replicates, dtype=np.float64)
            except (TooFewClasses, InvalidData):
                pass  # undefined: it stays NaN
        return self._measured[memo]

    def value(self, arm: str, name: str, models: Iterable[str] | None = None) -> Row | None:
        """{value, low, high, spread over models, spread over seeds, n}, or None where undefined.

        The mean over models and seeds; the interval is Student's t, as that of a difference, and
        cut to the metric's range; the spreads are those of `over_models`.
        """
        cells = self.of(arm, models)
        if not speaks(cells):
            return None
        found = [self.measure(cell, name) for cell in cells]
        if not found or not all(np.isfinite(value) for value, _ in found):
            return None
        by_model: dict[str, list[float]] = {}
        for cell, (one, _) in zip(cells, found):
            by_model.setdefault(cell.model, []).append(one)
        value, of_models, of_seeds = over_models(by_model)
        known = [~np.isnan(c.confidence) & ~np.isnan(correct_of(c.items)) for c in cells]
        df = min(self.df(c.items, k) for c, k in zip(cells, known))
        inner = difference([value], [r for _, r in found], df=df, n=0)
        most = math.inf if name == "log_loss" else 1.0
        return {
            "value": value,
            "low": None if inner.low is None else max(inner.low, 0.0),
            "high": None if inner.high is None else min(inner.high, most),
            "n": min(int(k.sum()) for k in known),
            "spread over models": of_models, "spread over seeds": of_seeds,
        }  # fmt: skip

    def difference(
        self, one: str, other: str, name: str, models: Iterable[str] | None = None
    ) -> Difference | None:
        """One arm minus another, paired; None where it is undefined or they share no cells.

        On the answers for which both have a confidence, of the models and seeds that both have.
        """
        models = None if models is None else tuple(models)
        if not all(speaks(self.of(arm, models)) for arm in (one, other)):
            return None
        others = {(cell.model, cell.seed): cell for cell in self.of(other, models)}
        values, replicates, n, df, cells = [], [], [], [], []
        for cell in self.of(one, models):
            if (rival := others.get((cell.model, cell.seed))) is None:
                continue
            among = ~np.isnan(cell.confidence) & ~np.isnan(rival.confidence)
            (a, a_r), (b, b_r) = (self.measure(c, name, among) for c in (cell, rival))
            if not (np.isfinite(a) and np.isfinite(b)):
                continue
            values.append(a - b)
            replicates.append(a_r - b_r)
            among &= ~np.isnan(correct_of(cell.items))
            n.append(int(among.sum()))
            df.append(self.df(cell.items, among))
            cells.append(cell)
        if not values:
            return None
        models = sorted({cell.model for cell in cells})
        told = f"{len(models)} models, seeds {sorted({cell.seed for cell in cells})}"
        return difference(
            values, replicates, df=min(df), n=min(n), about=told, units=self.units
        )  # fmt: skip


def speaks(cells: Sequence[Cell]) -> bool:
    """Whether there is a confidence for a tenth or more of the answers to judge, of each model."""
    n_given, n_judged = Counter[str](), Counter[str]()
    for cell in cells:
        n_given[cell.model] += int(np.isfinite(cell.confidence).sum())
        n_judged[cell.model] += cell.n_judged
    return bool(cells) and all(0 < n_given[m] >= LEAST_SHARE * n for m, n in n_judged.items())


def difference(
    values: Sequence[float],
    replicates: Sequence[Floats],
    *,
    df: int,
    n: int,
    about: str = "",
    units: str = "",
) -> Difference:
    """The mean of paired differences, from each one's value and replicates (R,).

    Parameters
    ----------
    units
        What was resampled, `df` + 1 of it: "subjects".
    """
    value, mean = float(np.mean(values)), np.mean(replicates, axis=0)
    is_defined = metrics.interval(value, mean).low is not None
    se = float(np.nanstd(mean, ddof=1)) if is_defined else np.nan
    drawn = f"{df + 1:,} {units}" if units else ""
    return Difference(value=value, se=se, df=df, n=n, about=about, drawn=drawn)
