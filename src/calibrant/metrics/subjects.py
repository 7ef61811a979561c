"""The mean over subjects of any metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calibrant.errors import InvalidData
from calibrant.metrics.auroc import auroc
from calibrant.metrics.auroc import within as auroc_within
from calibrant.metrics.common import Array, Measure, check_weights, checked, evaluate
from calibrant.metrics.ece import ece
from calibrant.metrics.ece import within as ece_within


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
    metric : a function (confidence, correct, weights, **options), called with the options
    confidence, correct, subject : (n,)
    weights : None, (n,) or (R, n), how often each row counts
    subject_weights : None, (S,) or (R, S): how often each sorted subject was drawn; None is once
    minimum : subjects with fewer rows (before any weights) are left out

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
    subjects, member, size = _labels(subject, p.size)
    w = np.ones(p.size) if weights is None else check_weights(weights, p.size)
    shape = (*w.shape[:-1], subjects.size)
    drawn = np.ones(shape) if subject_weights is None else check_weights(subject_weights, shape[-1])
    if drawn.shape != shape:
        raise InvalidData(f"subject_weights have shape {drawn.shape}: {shape} is needed.")
    each = _each(metric, p, y, member, options)
    with_all, values = each(np.ones((1, p.size))), each(np.atleast_2d(w)).reshape(shape)
    large, undefined = size >= minimum, np.isnan(with_all[0])
    by_subject = np.where(large & ~undefined, values, np.nan)
    counted = np.where(np.isnan(by_subject), 0.0, drawn)
    if w.ndim == 1 and not counted.any():
        few = f"{(~large).sum()} have fewer than {minimum} rows"
        raise InvalidData(f"no subject is left: {few}, on the others the metric is undefined.")
    return SubjectMean(
        value=_means(by_subject, counted),
        n_subjects=int((large & ~undefined).sum()),
        n_too_small=int((~large).sum()),
        n_undefined=int((large & undefined).sum()),
        subjects=subjects,
        by_subject=by_subject,
    )


def _labels(subject: npt.ArrayLike, n: int) -> tuple[npt.NDArray[Any], ...]:
    """The subjects (S,), which of them each row is of (n,), and their numbers of rows (S,)."""
    if np.shape(subject) != (n,):
        raise InvalidData(f"{n} rows but subjects of shape {np.shape(subject)}: give one per row.")
    return np.unique(np.asarray(subject), return_inverse=True, return_counts=True)


def _each(
    metric: Callable[..., Measure],
    p: Array,
    y: Array,
    member: npt.NDArray[np.intp],
    options: dict[str, Any],
) -> Callable[[npt.NDArray[Any]], Array]:
    """The metric on each subject: weights (R, n) -> (R, S), NaN where it is undefined."""
    kernel = {auroc: auroc_within, ece: ece_within}.get(metric)
    if kernel and options.keys() <= {"n_bins"}:  # all subjects at once
        return lambda w: evaluate(kernel(p, y, member, **options), p.size, w)

    def one_by_one(w: npt.NDArray[Any]) -> Array:
        parts = [np.flatnonzero(member == s) for s in range(int(member.max()) + 1)]
        found = [metric(p[rows], y[rows], w[:, rows], **options) for rows in parts]
        return np.stack(found, axis=1)

    return one_by_one


def _means(values: Array, weights: Array) -> Measure:
    """Weighted means over the last axis; values of weight 0 may be NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.where(weights > 0, values * weights, 0.0).sum(axis=-1)
        means = np.asarray(total / weights.sum(axis=-1))
    return means if means.ndim else float(means)
