"""The mean over subjects of any metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibrant.errors import InvalidData, TooFewClasses
from calibrant.metrics.common import Array, Measure, check_weights, checked


@dataclass(frozen=True, kw_only=True)
class SubjectMean:
    """The mean over S subjects of a metric taken within each."""

    value: Measure
    """The mean, a float, or (R,) for weights (R, n): NaN where no subject is defined."""
    n_subjects: int
    """Subjects with enough rows on which the metric is defined."""
    n_too_small: int
    """Subjects left out for having fewer rows than `minimum`."""
    n_undefined: int
    """Subjects left out because the metric is undefined on their rows."""
    subjects: npt.NDArray[Any]
    """(S,) all subjects, sorted."""
    by_subject: Array
    """(S,) or (R, S), the metric of each subject; NaN where it was left out."""


def subject_mean(
    metric: Callable[..., Measure],
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    subject: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    subject_weights: npt.ArrayLike | None = None,
    *,
    minimum: int = 1,
    **options: Any,
) -> SubjectMean:
    """The mean over subjects of `metric` within each subject: every subject counts the same.

    Subjects on which the metric is undefined (AUROC where all answers are correct) are left out
    and counted, never given a number. Among replicates each leaves out its own.

    Parameters
    ----------
    metric : a function (confidence, correct, weights, **options)
    confidence, correct : (n,)
    subject : (n,), the subject of each row
    weights : None, (n,) or (R, n), how often each row counts
    subject_weights : None, (S,) or (R, S) as `weights`, how often each of the sorted subjects
        counts (how often it was drawn); None is once
    minimum : subjects with fewer rows (before any weights) are left out
    options : passed on to the metric

    Raises
    ------
    InvalidData
        The shapes do not fit, or (without replicates) no subject is left.

    Examples
    --------
    >>> from calibrant.metrics import accuracy
    >>> subject_mean(accuracy, [0.5, 0.5, 0.5], [1, 1, 0], ["a", "a", "b"]).value
    0.5
    """
    p, y = checked(confidence, correct)
    labels = np.asarray(subject)
    if labels.shape != p.shape:
        raise InvalidData(f"{p.size} rows but subjects of shape {labels.shape}: give one per row.")
    subjects, member, size = np.unique(labels, return_inverse=True, return_counts=True)
    w = np.ones(p.size) if weights is None else check_weights(weights, p.size)
    shape = (*w.shape[:-1], subjects.size)
    drawn = np.ones(shape) if subject_weights is None else check_weights(subject_weights, shape[-1])
    if drawn.shape != shape:
        raise InvalidData(f"subject_weights have shape {drawn.shape}: {shape} is needed.")
    by_subject, undefined = np.full(shape, np.nan), 0
    for s in np.flatnonzero(size >= minimum):
        rows = np.flatnonzero(member == s)
        try:
            metric(p[rows], y[rows], **options)
        except TooFewClasses:
            undefined += 1
            continue
        by_subject[..., s] = _within(metric, p[rows], y[rows], w[..., rows], options)
    counted = np.where(np.isnan(by_subject), 0.0, drawn)
    total = counted.sum(axis=-1)
    if w.ndim == 1 and not total:
        raise InvalidData(
            f"none of the {subjects.size} subjects is left: {np.sum(size < minimum)} have fewer"
            f" than {minimum} rows and on the others the metric is undefined."
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(counted > 0, by_subject * counted, 0.0).sum(axis=-1) / total
    return SubjectMean(
        value=means if w.ndim == 2 else float(means),
        n_subjects=int(np.sum(size >= minimum)) - undefined,
        n_too_small=int(np.sum(size < minimum)),
        n_undefined=undefined,
        subjects=subjects,
        by_subject=by_subject,
    )


def _within(
    metric: Callable[..., Measure], p: Array, y: Array, w: npt.NDArray[Any], options: dict[str, Any]
) -> Measure:
    values = np.asarray(metric(p, y, np.atleast_2d(w), **options))
    return values if w.ndim == 2 else float(values[0])
