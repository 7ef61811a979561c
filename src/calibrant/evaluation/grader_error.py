"""What the grader's own error does to accuracy and calibration, from a sample that people graded.

Two corrections, from a random sample of the answers with a person's verdict beside the grader's:

- *Prediction-powered* (accuracy, Brier score, log loss, confidence minus accuracy): the grader's
  mean over all answers, moved by how far it is off on the sample, with the weight that makes the
  variance least. For verdicts this is post-stratification: each of the grader's two verdicts gets
  the share of right answers that people found among it. Nothing is assumed but a random sample.
- *Misclassification-corrected* (ECE): each bin's share of right answers is (graded - (1 - spec)) /
  (sens + spec - 1), with the grader's sensitivity and specificity on the sample (Rogan & Gladen).
  It assumes that the grader errs as often on confident answers as on others that are as right.

Intervals are percentiles over replicates that draw both errors: answers by the bootstrap, and the
grader's rates from their Jeffreys posteriors, so that no error in a small sample is not certainty.
For means over answers (Brier score, log loss) each replicate adds to the errors that it drew one
that was not seen, at an answer drawn from all, in either direction, with a weight from the
exponential distribution: where people found no error among M this is the rule of three, for the
middle 95 % of such weights reach to 3 / M. It takes unseen errors to fall on any answer alike.

References
----------
Angelopoulos, Bates, Fannjiang, Jordan & Zrnic, "Prediction-powered inference", Science 382 (2023);
Angelopoulos, Duchi & Zrnic, "PPI++" (2023). Rogan & Gladen, "Estimating prevalence from the results
of a screening test", Am. J. Epidemiology 107 (1978); Lang & Reiczigel, Prev. Vet. Med. 113 (2014).
Hanley & Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249 (1983): the rule
of three; Rubin, "The Bayesian bootstrap", Annals of Statistics 9 (1981): exponential weights.

Shapes: N answers, M of them with a person's verdict, R replicates, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibrant.errors import InvalidData
from calibrant.evaluation.table import Floats, Table
from calibrant.metrics import interval, resample
from calibrant.metrics.binning import bin_index

MIN_HUMAN = 20
"""Verdicts of people below which nothing is corrected."""
MIN_YOUDEN = 0.05
"""sens + spec - 1 below which a grader tells right from wrong too little to be corrected."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Answers with the grader's verdicts, a few of them with people's, and the replicates."""

    graded: Floats
    """(N,) the grader's: 1 or 0."""
    human: Floats
    """(N,) people's: 1, 0, or NaN for none."""
    weights: Floats
    """(R, N) how often each answer was drawn."""
    given_correct: Floats
    """(1 + R,) share that is right of what the grader calls correct; the estimate first."""
    given_incorrect: Floats
    """(1 + R,) share that is right of what the grader calls incorrect."""
    sensitivity: Floats
    """(1 + R,) share of what is right that the grader calls correct."""
    specificity: Floats
    """(1 + R,) share of what is wrong that the grader calls incorrect."""
    unseen: NDArray[np.intp]
    """(R,) an answer at which the grader errs unseen."""
    unseen_weight: Floats
    """(R,) how often it does; negative where the error is the other way round."""
    confusion: dict[str, int] = field(repr=False)
    """Counts by (people, grader) in the sample."""


def sample(
    graded: ArrayLike, human: ArrayLike, group: ArrayLike, *, n_resamples: int = 1000, seed: int = 0
) -> Sample:
    """The sample with its replicates.

    Parameters
    ----------
    graded : (N,) of 0 and 1
    human : (N,) of 0 and 1, NaN where nobody has graded; drawn by chance from the N
    group : (N,) what was drawn together

    Raises
    ------
    InvalidData
        With fewer than `MIN_HUMAN` verdicts of people, or none of one of the grader's verdicts.
    """
    g, h = np.asarray(graded, np.float64), np.asarray(human, np.float64)
    known = ~np.isnan(h)
    if known.sum() < MIN_HUMAN:
        raise InvalidData(
            f"{known.sum()} answers have a person's verdict: at least {MIN_HUMAN} are needed"
        )
    if not np.isin(g, (0, 1)).all() or not np.isin(h[known], (0, 1)).all():
        raise InvalidData("verdicts are 0 and 1; leave ungraded answers out")
    counts = {
        "both_correct": int((h[known] * g[known]).sum()),
        "only_human": int((h[known] * (1 - g[known])).sum()),
        "only_grader": int(((1 - h[known]) * g[known]).sum()),
        "both_incorrect": int(((1 - h[known]) * (1 - g[known])).sum()),
    }
    both, only_human, only_grader, neither = counts.values()
    if not both + only_grader or not only_human + neither:
        raise InvalidData("people graded answers of one of the grader's verdicts only")
    generator = np.random.default_rng([seed, 1])
    weights = resample(np.asarray(group), n_resamples=n_resamples, seed=seed).weights

    def rate(yes: int, no: int) -> Floats:
        draws = generator.beta(yes + 0.5, no + 0.5, n_resamples)
        rates: Floats = np.r_[yes / (yes + no) if yes + no else np.nan, draws]
        return rates

    return Sample(
        graded=g,
        human=h,
        weights=weights.astype(np.float64),
        given_correct=rate(both, only_grader),
        given_incorrect=rate(only_human, neither),
        sensitivity=rate(both, only_human),
        specificity=rate(neither, only_grader),
        unseen=generator.integers(len(g), size=n_resamples),
        unseen_weight=generator.laplace(size=n_resamples),
        confusion=counts,
    )


def accuracy(drawn: Sample) -> Floats:
    """The corrected accuracy (1 + R,), the estimate first."""
    share = _means(drawn, drawn.graded)
    return share * drawn.given_correct + (1 - share) * drawn.given_incorrect


def mean_of(drawn: Sample, if_correct: Floats, if_incorrect: Floats) -> Floats:
    """The corrected mean (1 + R,) of a measure that is (N,) this where right and that where wrong.

    Both of the measure's errors are drawn by the bootstrap, with one unseen error.
    """
    known = ~np.isnan(drawn.human)
    by_grader = np.where(drawn.graded == 1, if_correct, if_incorrect)
    by_human = np.where(drawn.human == 1, if_correct, if_incorrect)[known]
    w = np.r_[np.ones((1, known.sum())), drawn.weights[:, known]]
    n = w.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_g, mean_h = w @ by_grader[known] / n, w @ by_human / n
        cross = w @ (by_grader[known] * by_human) / n - mean_g * mean_h
        square = w @ by_grader[known] ** 2 / n - mean_g**2
        tuned = np.where(square > 0, cross / square, 1.0)
    found: Floats = mean_h + tuned * (_means(drawn, by_grader) - mean_g)
    moved = if_correct + if_incorrect - 2 * by_grader  # what an error changes
    found[1:] += drawn.unseen_weight * moved[drawn.unseen] / n[1:]
    return found


def ece(drawn: Sample, confidence: Floats, n_bins: int) -> Floats:
    """The corrected ECE (1 + R,) with bins of equal width, as `metrics.ece` makes them."""
    youden = drawn.sensitivity + drawn.specificity - 1
    index = bin_index(confidence, n_bins)
    member = (index[:, None] == np.arange(n_bins)).astype(np.float64)
    w = np.r_[np.ones((1, len(confidence))), drawn.weights]
    n_RB = w @ member
    with np.errstate(invalid="ignore", divide="ignore"):
        graded_RB = (w * drawn.graded) @ member / n_RB
        right_RB = (graded_RB - (1 - drawn.specificity)[:, None]) / youden[:, None]
        gap_RB = np.abs(np.clip(right_RB, 0, 1) - (w * confidence) @ member / n_RB)
        found = np.nansum(gap_RB * n_RB, axis=1) / n_RB.sum(1)
    return np.where(youden > MIN_YOUDEN, found, np.nan)


def _means(drawn: Sample, values: Floats) -> Floats:
    """The mean of values (N,), and its replicates: (1 + R,)."""
    means: Floats = np.r_[values.mean(), drawn.weights @ values / drawn.weights.sum(1)]
    return means


def corrected(
    table: Table, human: Floats, *, n_bins: int = 10, n_resamples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """For each format: the grader's confusion, and measures as graded and as corrected.

    Parameters
    ----------
    human : (N,) 1 or 0, NaN where nobody has graded; a random sample of the table's answers

    Returns
    -------
    A dictionary for each format: n, n_human, confusion, sensitivity, specificity, accuracy, and
    `columns` with ece, brier_score, log_loss and confidence_minus_accuracy; each measure as
    {"graded": value, "corrected": {value, low, high}}. Where there is too little, a `reason`.
    """
    found = []
    for kind in sorted(set(table.format.tolist())):
        rows = (table.format == kind) & ~np.isnan(table.correct)
        part, people = table.select(rows), human[rows]
        told: dict[str, Any] = {"format": kind, "n": int(rows.sum())}
        told["n_human"] = int((~np.isnan(people)).sum())
        try:
            told |= _corrected_part(part, people, n_bins, n_resamples, seed)
        except InvalidData as error:
            told["reason"] = str(error)
        found.append(told)
    return found


def _corrected_part(
    part: Table, human: Floats, n_bins: int, n_resamples: int, seed: int
) -> dict[str, Any]:
    options: dict[str, int] = {"n_resamples": n_resamples, "seed": seed}
    drawn = sample(part.correct, human, part.group, **options)
    told: dict[str, Any] = {
        "confusion": drawn.confusion,
        "sensitivity": _cell(drawn.sensitivity),
        "specificity": _cell(drawn.specificity),
        "accuracy": {"graded": float(part.correct.mean()), "corrected": _cell(accuracy(drawn))},
        "columns": [],
    }
    for column in part.columns:
        here = ~np.isnan(column.confidence)
        if not column.is_confidence or (here & ~np.isnan(human)).sum() < MIN_HUMAN:
            continue
        use = drawn
        if not here.all():
            use = sample(part.correct[here], human[here], part.group[here], **options)
        told["columns"].append(
            {
                "estimator": column.estimator,
                "variant": column.variant,
                "calibrator": column.calibrator,
                **_column(use, column.confidence[here], n_bins),
            }
        )
    return told


def _column(drawn: Sample, p: Floats, n_bins: int) -> dict[str, Any]:
    y = drawn.graded
    index = bin_index(p, n_bins)
    gaps = np.bincount(index, p - y, n_bins)
    with np.errstate(divide="ignore"):
        losses = -np.log(p), -np.log1p(-p)
    measures: dict[str, tuple[float, NDArray[np.float64]]] = {
        "ece": (float(np.abs(gaps).sum() / len(p)), ece(drawn, p, n_bins)),
        "brier_score": (float(((p - y) ** 2).mean()), mean_of(drawn, (1 - p) ** 2, p**2)),
        "confidence_minus_accuracy": (
            float((p - y).mean()),
            _means(drawn, p) - accuracy(drawn),
        ),
    }
    if all(np.isfinite(loss).all() for loss in losses):
        graded = float(np.where(y == 1, *losses).mean())
        measures["log_loss"] = (graded, mean_of(drawn, *losses))
    return {
        name: {"graded": value, "corrected": (upward if name == "ece" else _cell)(values)}
        for name, (value, values) in measures.items()
    }


def upward(values: Floats) -> dict[str, float | None] | None:
    """As any cell, for a measure that noise can only raise: both the percentile interval and that
    turned round its value. Replicates of an ECE near 0 all lie above it.
    """
    cell = _cell(values)
    if cell is None or cell["value"] is None or cell["low"] is None or cell["high"] is None:
        return cell
    value, low, high = cell["value"], cell["low"], cell["high"]
    low, high = min(low, max(0.0, 2 * value - high)), max(high, 2 * value - low)
    return {"value": value, "low": low, "high": high}


def _cell(values: Floats) -> dict[str, float | None] | None:
    """{value, low, high} of (1 + R,) values; None where the value is undefined."""
    if np.isnan(values[0]):
        return None
    found = interval(float(values[0]), values[1:])
    return {"value": found.value, "low": found.low, "high": found.high}
