"""Coverage, selective accuracy and the threshold that reaches an accuracy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibrant.errors import InvalidData
from calibrant.metrics.aurc import risk_coverage_curve
from calibrant.metrics.common import Measure, checked, mean, measure


def coverage(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    threshold: float = 0.5,
) -> Measure:
    """The share of answers with confidence >= threshold, in [0, 1].

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1; checked and not used
    weights : None, (n,) or (R, n), how often each row counts
    threshold : any number; above 1 nothing is covered

    Returns
    -------
    float, or (R,) for weights (R, n): NaN where a replicate is empty.

    Examples
    --------
    >>> coverage([0.5, 0.9, 0.2, 0.1], [1, 1, 0, 0], threshold=0.5)
    0.5
    """
    p, _ = checked(confidence, correct)
    covered = (p >= threshold).astype(np.float64)
    return measure(lambda w: mean(w, covered), p.size, weights)


def selective_accuracy(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    threshold: float = 0.5,
) -> Measure:
    """Accuracy of the answers with confidence >= threshold, in [0, 1].

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts
    threshold : any number

    Returns
    -------
    float, or (R,) for weights (R, n): NaN where a replicate covers nothing.

    Raises
    ------
    InvalidData
        No confidence reaches the threshold.

    Examples
    --------
    >>> selective_accuracy([0.5, 0.9, 0.2, 0.1], [1, 0, 0, 0], threshold=0.5)
    0.5
    """
    p, y = checked(confidence, correct)
    covered = (p >= threshold).astype(np.float64)
    nothing = InvalidData(f"no confidence reaches {threshold!r}: the highest is {p.max():.6g}.")
    if weights is None and not covered.any():
        raise nothing
    return measure(lambda w: (w @ (covered * y)) / (w @ covered), p.size, weights, nothing)


def threshold_for_accuracy(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    target: float,
    weights: npt.ArrayLike | None = None,
) -> float | None:
    """The lowest confidence t such that answers with confidence >= t have accuracy >= target.

    The lowest, thus the largest coverage, even where a higher threshold misses the target. Chosen
    and measured on the same rows it is optimistic: it carries no guarantee for new ones.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    target : accuracy in [0, 1]
    weights : None or (n,)

    Returns
    -------
    One of the confidences, or None when no threshold reaches the target.

    Examples
    --------
    >>> threshold_for_accuracy([0.9, 0.8, 0.8, 0.1], [1, 1, 0, 0], target=0.6)
    0.8
    """
    if not 0 <= target <= 1:
        raise InvalidData(f"target is {target!r}: an accuracy in [0, 1] is needed.")
    curve = risk_coverage_curve(confidence, correct, weights)
    enough = np.flatnonzero(1 - curve.risk >= target - 1e-12)
    return float(curve.threshold[enough[-1]]) if enough.size else None
