"""Accuracy."""

from __future__ import annotations

import numpy.typing as npt

from calibrant.metrics.common import Measure, checked, mean, measure


def accuracy(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Measure:
    """The share of correct answers, in [0, 1]. The confidences are checked and not used.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts

    Returns
    -------
    float, or (R,) for weights (R, n): NaN where a replicate is empty.

    Examples
    --------
    >>> accuracy([0.9, 0.8, 0.4], [1, 0, 1], weights=[1, 1, 2])
    0.75
    """
    p, y = checked(confidence, correct)
    return measure(lambda w: mean(w, y), p.size, weights)
