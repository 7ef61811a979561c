"""Every metric of every column, by format and subset, with intervals and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

from calibrant import metrics
from calibrant.errors import InvalidData, NothingGraded, TooFewClasses
from calibrant.evaluation.table import TARGETS, Column, Floats, Table
from calibrant.metrics import Resamples
from calibrant.parallel import side_by_side

SCHEMA = 1
BRIER_PARTS = ("brier_reliability", "brier_resolution", "brier_uncertainty")
"""Of `metrics.brier_decomposition`; what the bins hide is the rest of the score."""
CLAIMS = (  # need a confidence that claims to be P(correct)
    "ece", "ece_floor", "ece_corrected", "ece_subject_mean", "ece_folded", "smooth_ece",
    "brier_score", *BRIER_PARTS, "log_loss",
)  # fmt: skip
RANKS = ("auroc", "auroc_subject_mean", "aurc", "coverage_90", "coverage_95")
MEASURES = ("accuracy", *CLAIMS, *RANKS)
BY_ORDER = ("accuracy", "auroc", "auroc_subject_mean", "aurc")
"""What depends on the order of the confidences only."""
OF_SUBJECTS = ("accuracy", "brier_score", "auroc")
"""What is told of a single subject."""
MIN_SUBJECT_ROWS = 10
"""Subjects with fewer answers do not count in means over subjects."""
NO_CLAIM = "the score is no probability of being right"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evaluate."""

    n_bins: int = 10
    """Bins of equal width."""
    n_resamples: int = 1000
    """Bootstrap replicates; 0 for no intervals."""
    clip: float | None = None
    """Clip confidences into [clip, 1 - clip] for the log loss only; None: it may be infinite."""
    seed: int = 0
    """Of the resamples."""
    leads: tuple[str, ...] = ("stacked",)
    """Estimators that are compared with every other, beside the last one."""

    def __post_init__(self) -> None:
        if self.n_bins < 1 or self.n_resamples < 0:
            raise InvalidData("at least 1 bin and 0 resamples are needed")
        if self.clip is not None and not 0 < self.clip < 0.5:
            raise InvalidData(f"clip is {self.clip:g}: a number between 0 and 0.5 is needed")


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """A metric of a column: its value with replicates, or why it has none."""

    value: float = np.nan
    replicates: Floats = field(default_factory=lambda: np.empty(0))
    reason: str = ""

    def cell(self) -> dict[str, float | None] | None:
        """{value, low, high}, or None."""
        if self.reason:
            return None
        if not self.replicates.size:
            return {"value": self.value, "low": None, "high": None}
        found = metrics.interval(self.value, self.replicates)
        ends = (found.low, found.high)
        low, high = (None if end is None or not np.isfinite(end) else end for end in ends)
        return {"value": self.value, "low": low, "high": high}


def evaluate(table: Table, settings: Settings | None = None) -> dict[str, Any]:
    """Rows and comparisons, as `metrics.json` holds them.

    "all" is every answer to an answerable question. Intervals resample question groups on seen
    subjects and subjects, then groups, elsewhere. Columns are compared on the same resamples.

    Raises
    ------
    NothingGraded
        When no answer is graded.
    """
    settings = settings or Settings()
    if np.isnan(table.correct).all():
        raise NothingGraded(f"none of the {len(table.correct)} answers is graded")
    jobs = [(*place, settings) for place in _parts(table)]
    worth_it = len(table.correct) * len(table.columns) * settings.n_resamples > 2_000_000
    found = list(side_by_side(_evaluate_part, jobs, worth_it=worth_it))
    return {
        "schema": SCHEMA,
        "rows": [row for rows, _ in found for row in rows],
        "comparisons": [one for _, comparisons in found for one in comparisons],
    }


def _evaluate_part(
    kind: str, subset: str, part: Table, settings: Settings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and comparisons of one format and subset."""
    whole = not subset.startswith("subject:")
    resamples = _resamples(part, subset, settings) if settings.n_resamples else None
    work = partial(
        _measure,
        part,
        names=MEASURES if whole else OF_SUBJECTS,
        resamples=resamples,
        settings=settings,
        ranked={},
    )
    measured = {column.key: work(column) for column in part.columns}
    rows = [
        _row(part, column, kind, subset, measured[column.key], settings) for column in part.columns
    ]
    compared = whole and resamples is not None
    leads = (*settings.leads, part.columns[-1].estimator)
    return rows, list(_compare(part, kind, subset, measured, work, leads)) if compared else []


def _parts(table: Table) -> Iterator[tuple[str, str, Table]]:
    """(format, subset, rows): whole subsets first, then single subjects by format."""
    kinds = sorted(set(table.format.tolist()))
    for kind in (*(("all",) if len(kinds) > 1 else ()), *kinds):
        of_kind = table if kind == "all" else table.select(table.format == kind)
        yield kind, "all", of_kind.select(of_kind.subset != "unanswerable")
        for subset in sorted(set(of_kind.subset.tolist())):
            yield kind, subset, of_kind.select(of_kind.subset == subset)
    for kind in kinds:
        known = table.select((table.format == kind) & (table.subset != "unanswerable"))
        for subject in sorted(set(known.subject.tolist()) - {""}):
            yield kind, f"subject:{subject}", known.select(known.subject == subject)


def _resamples(part: Table, subset: str, settings: Settings) -> Resamples | None:
    if not len(part.group):
        return None
    by_subject = len(set(part.subject.tolist())) > 1 and subset != "seen"
    return metrics.resample(
        part.group,
        part.subject if by_subject else None,
        "subject" if by_subject else "group",
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )


def _measure(
    part: Table,
    column: Column,
    names: Sequence[str],
    resamples: Resamples | None,
    settings: Settings,
    ranked: dict[tuple[str, bytes], _Measured],
    among: Column | None = None,
) -> dict[str, _Measured]:
    """Metrics of a column over its graded rows that have a confidence (in both columns).

    What depends on the order of the confidences only is computed once for each order (`ranked`):
    calibrators that keep the order share it.
    """
    known = ~np.isnan(part.correct) & ~np.isnan(column.confidence)
    if among is not None:
        known &= ~np.isnan(among.confidence)
    if not known.any():
        return dict.fromkeys(names, _Measured(reason="no graded answer has a confidence"))
    p, y, subject = column.confidence[known], part.correct[known], part.subject[known]
    weights = None if resamples is None else resamples.weights
    if weights is not None and not known.all():
        weights = weights[:, known]
    drawn = None if resamples is None else resamples.subject_weights
    if drawn is not None and resamples is not None and resamples.subjects is not None:
        drawn = drawn[:, np.isin(resamples.subjects, subject)]
    order = np.unique(p, return_inverse=True)[1].tobytes()

    @cache
    def decomposed(is_drawn: bool) -> metrics.BrierDecomposition:  # of which several names are told
        w = weights if is_drawn else None
        return metrics.brier_decomposition(p, y, w, n_bins=settings.n_bins)

    found = {}
    for name in names:
        if name in CLAIMS and not column.is_confidence:
            found[name] = _Measured(reason=NO_CLAIM)
            continue
        key = (name, known.tobytes() + order if name in BY_ORDER else b"")
        if key in ranked:
            found[name] = ranked[key]
            continue
        try:
            metric = _metric(name, column, known, subject, settings, decomposed)
            value = float(metric(p, y, None, None))
            if not np.isfinite(value):
                found[name] = _Measured(reason="infinite: an answer is certain, and wrongly so")
                continue
            replicates = np.empty(0)
            if weights is not None and name == "ece_corrected":
                # The floor hardly moves between resamples and is dear to compute.
                floor = found["ece_floor"].value
                replicates = np.maximum(0.0, found["ece"].replicates - floor)
            elif weights is not None and name != "ece_floor":
                replicates = np.asarray(metric(p, y, weights, drawn))
            found[name] = _Measured(value=value, replicates=replicates)
            if name in BY_ORDER:
                ranked[key] = found[name]
        except (TooFewClasses, InvalidData) as error:
            found[name] = _Measured(reason=str(error))
    return found


def _metric(
    name: str,
    column: Column,
    known: Any,
    subject: Any,
    settings: Settings,
    decomposed: Callable[[bool], metrics.BrierDecomposition],
) -> Callable[..., Any]:
    """A metric as a function of (confidence, correct, weights, subject weights)."""
    if name in BRIER_PARTS:
        part = name.removeprefix("brier_")
        # Of these very p, y and weights: computed once for all parts.
        return lambda p, y, w, drawn: getattr(decomposed(w is not None), part)
    options: dict[str, Any] = {}
    if name.startswith("ece"):
        options["n_bins"] = settings.n_bins
    if name == "log_loss":
        options["clip"] = settings.clip
    if name.endswith("_subject_mean"):
        inner = getattr(metrics, name.removesuffix("_subject_mean"))
        return lambda p, y, w, drawn: (
            metrics.subject_mean(
                inner, p, y, subject, w, drawn, minimum=MIN_SUBJECT_ROWS, **options
            ).value
        )
    if name.startswith("coverage_"):
        target = int(name.removeprefix("coverage_")) / 100
        given = column.answered[target][known]
        return lambda p, y, w, drawn: metrics.coverage(given, y, w, threshold=1.0)
    metric = getattr(metrics, name)
    return lambda p, y, w, drawn: metric(p, y, w, **options)


def _row(
    part: Table,
    column: Column,
    kind: str,
    subset: str,
    measured: dict[str, _Measured],
    settings: Settings,
) -> dict[str, Any]:
    ungraded = np.isnan(part.correct)
    missing = np.isnan(column.confidence)
    row: dict[str, Any] = {
        "estimator": column.estimator,
        "variant": column.variant,
        "calibrator": column.calibrator,
        "model": part.model,
        "format": kind,
        "subset": subset,
        "n": int((~ungraded & ~missing).sum()),
        "n_ungraded": int(ungraded.sum()),
        "n_missing": int((missing & ~ungraded).sum()),
        "n_bins": settings.n_bins,
        "clip": settings.clip,
    }
    row |= {name: value.cell() for name, value in measured.items()}
    row["reasons"] = {name: value.reason for name, value in measured.items() if value.reason}
    return row


def _compare(
    part: Table,
    kind: str,
    subset: str,
    measured: dict[tuple[str, str, str], dict[str, _Measured]],
    work: Callable[..., dict[str, _Measured]],
    leads: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """The leading estimators minus every other with the same calibrator.

    Paired by resample, on the answers for which both have a confidence.
    """
    for column in part.columns:
        for baseline in part.columns:
            if column.estimator not in leads or baseline.estimator == column.estimator:
                continue
            if column.calibrator != baseline.calibrator:
                continue
            one, other = measured[column.key], measured[baseline.key]
            if (np.isnan(column.confidence) != np.isnan(baseline.confidence)).any():
                one, other = work(column, among=baseline), work(baseline, among=column)
            for name in (name for name in one if name not in BRIER_PARTS):
                difference = _Measured(reason=one[name].reason or other[name].reason)
                if not difference.reason:
                    difference = _Measured(
                        value=one[name].value - other[name].value,
                        replicates=one[name].replicates - other[name].replicates,
                    )
                yield {
                    "estimator": column.estimator,
                    "variant": column.variant,
                    "calibrator": column.calibrator,
                    "baseline": baseline.estimator,
                    "baseline_variant": baseline.variant,
                    "baseline_calibrator": baseline.calibrator,
                    "metric": name,
                    "format": kind,
                    "subset": subset,
                    "difference": difference.cell(),
                    **({"reason": difference.reason} if difference.reason else {}),
                }


def answered(held: Floats, held_correct: Floats, confidence: Floats) -> dict[float, Floats]:
    """Which answers a policy gives that was fitted on other answers.

    Parameters
    ----------
    held, held_correct
        (M,) confidences and verdicts that thresholds are chosen on; NaN is left out.
    confidence
        (N,) confidences of the answers to decide on.

    Returns
    -------
    Selective accuracy -> (N,) 1 where the confidence is at least the lowest threshold that reaches
    it among the held ones, else 0; all 0 when none reaches it.
    """
    known = ~np.isnan(held) & ~np.isnan(held_correct)
    found = {}
    for target in TARGETS:
        threshold = None
        if known.any():
            threshold = metrics.threshold_for_accuracy(held[known], held_correct[known], target)
        reaches = confidence >= (np.inf if threshold is None else threshold)
        found[target] = reaches.astype(np.float64)
    return found
