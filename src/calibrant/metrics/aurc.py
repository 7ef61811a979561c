"""Area under the risk-coverage curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import digamma

from calibrant.errors import InvalidData
from calibrant.metrics.common import (
    Array,
    Measure,
    block_sums,
    blocks,
    check_weights,
    checked,
    measure,
)

_LARGEST_TABLE = 10_000_000


def aurc(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Measure:
    """Area under the risk-coverage curve, in [0, 1]; lower is better.

    The mean over k = 1 .. n of the selective risk (share incorrect) of the k most confident
    answers. Ties are averaged: within a block of equal confidences it is the expected value over
    all orders of the block, in closed form with harmonic numbers, so row order never matters and
    a constant confidence has the error rate. Weights count rows (digamma between whole numbers).

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts

    Returns
    -------
    float, or (R,) for weights (R, n): NaN where a replicate is empty.

    References
    ----------
    Geifman, Uziel & El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers",
    ICLR 2019.

    Examples
    --------
    >>> round(aurc([0.9, 0.8, 0.2], [1, 0, 1]), 4)  # the mean of 0, 1/2, 1/3
    0.2778
    """
    p, y = checked(confidence, correct)
    order, starts = blocks(-p)
    wrong = 1 - y[order]

    def kernel(w: Array) -> Array:
        ranked = w[:, order]
        count, errors = block_sums(ranked, starts), block_sums(ranked * wrong, starts)
        covered = np.cumsum(count, axis=1)
        harmonic = _harmonic(covered)
        step = np.diff(harmonic, axis=1, prepend=0.0)  # H(covered) - H(covered before)
        rate = errors / np.where(count > 0, count, 1.0)
        excess = np.cumsum(errors, axis=1) - errors - (covered - count) * rate
        return np.asarray((errors + excess * step).sum(axis=1) / covered[:, -1])

    return measure(kernel, p.size, weights)


def _harmonic(x: Array) -> Array:
    """Harmonic numbers H(x) = 1 + 1/2 + ... + 1/x, continued between whole numbers."""
    largest = x.max(initial=0.0)
    if largest <= _LARGEST_TABLE and (x == np.floor(x)).all():
        table = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(largest) + 1))])
        return np.asarray(table[x.astype(np.intp)])
    return np.asarray(digamma(x + 1) + np.euler_gamma)


@dataclass(frozen=True, kw_only=True)
class RiskCoverageCurve:
    """One point per distinct confidence, most confident first; arrays (B,)."""

    threshold: Array
    """Answers with at least this confidence are given."""
    coverage: Array
    """The share of answers that are given, in (0, 1]; the last is 1."""
    risk: Array
    """The share of the given answers that are incorrect."""


def risk_coverage_curve(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> RiskCoverageCurve:
    """Selective risk at every coverage that a threshold can reach (ties are never split).

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None or (n,)

    Examples
    --------
    >>> risk_coverage_curve([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0]).risk
    array([0.        , 0.33333333, 0.5       ])
    """
    p, y = checked(confidence, correct)
    w = np.ones(p.size) if weights is None else check_weights(weights, p.size).astype(np.float64)
    if w.ndim != 1 or not w.any():
        raise InvalidData("a curve needs weights (n,) that are not all 0.")
    p, y, w = p[w > 0], y[w > 0], w[w > 0]
    order, starts = blocks(-p)
    ranked = w[None, order]
    covered = np.cumsum(block_sums(ranked, starts))
    errors = np.cumsum(block_sums(ranked * (1 - y[order]), starts))
    return RiskCoverageCurve(
        threshold=p[order[starts]], coverage=covered / covered[-1], risk=errors / covered
    )
