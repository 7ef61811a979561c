"""Brier score and its decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibrant.metrics.binning import Strategy, bin_index
from calibrant.metrics.common import Array, Measure, checked, evaluate, grouped, mean, measure


def brier_score(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Measure:
    """Mean squared difference of confidence and verdict, in [0, 1]; lower is better.

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
    Brier, "Verification of forecasts expressed in terms of probability", Mon. Wea. Rev. 78 (1950).

    Examples
    --------
    >>> brier_score([0.5, 1.0], [1, 1])
    0.125
    """
    p, y = checked(confidence, correct)
    return measure(lambda w: mean(w, (p - y) ** 2), p.size, weights)


@dataclass(frozen=True, kw_only=True)
class BrierDecomposition:
    """Parts of the Brier score; each a float, or (R,).

    score = reliability - resolution + uncertainty + within_bin_variance - within_bin_covariance
    """

    reliability: Measure
    """Mean squared gap of a bin's mean confidence and accuracy; 0 is calibrated."""
    resolution: Measure
    """Variance of the bins' accuracies; higher separates better."""
    uncertainty: Measure
    """Accuracy times (1 - accuracy): what the data, not the estimator, decide."""
    within_bin_variance: Measure
    """Variance of confidence inside bins."""
    within_bin_covariance: Measure
    """Twice the covariance of confidence and verdict inside bins."""

    @property
    def score(self) -> Measure:
        """The Brier score itself."""
        return (
            self.reliability
            - self.resolution
            + self.uncertainty
            + self.within_bin_variance
            - self.within_bin_covariance
        )


def brier_decomposition(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> BrierDecomposition:
    """The Brier score in five parts that sum to it (up to rounding) for any bins.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts
    n_bins, strategy : see `bin_index`

    References
    ----------
    Murphy, "A new vector partition of the probability score", J. Appl. Meteor. 12 (1973);
    Stephenson, Coelho & Jolliffe, "Two extra components in the Brier score decomposition",
    Wea. Forecasting 23 (2008).

    Examples
    --------
    >>> parts = brier_decomposition([0.5, 0.5, 1.0], [1, 0, 1])
    >>> parts.reliability, round(parts.score, 4)
    (0.0, 0.1667)
    """
    p, y = checked(confidence, correct)
    values = (np.ones_like(p), p, y, p * p, p * y)
    is_fixed = strategy == "uniform"
    fixed = grouped(bin_index(p, n_bins, strategy), n_bins, *values) if is_fixed else None

    def kernel(w: Array) -> Array:
        sums = fixed or grouped(bin_index(p, n_bins, strategy, w), n_bins, *values)
        total = w.sum(axis=1)
        rate = w @ y / total
        count, sum_p, sum_y, sum_pp, sum_py = sums(w)
        held = np.where(count > 0, count, 1.0)
        mean_p, mean_y = sum_p / held, sum_y / held
        parts = (
            count * (mean_p - mean_y) ** 2,
            count * (mean_y - rate[:, None]) ** 2,
            count * rate[:, None] * (1 - rate[:, None]),
            sum_pp - count * mean_p**2,
            2 * (sum_py - count * mean_p * mean_y),
        )
        return np.stack([part.sum(axis=1) / total for part in parts], axis=1)

    found = evaluate(kernel, p.size, weights)
    many = weights is not None and np.ndim(weights) == 2
    parts: list[Measure] = [*found.T] if many else [float(v) for v in found[0]]
    return BrierDecomposition(
        reliability=parts[0],
        resolution=parts[1],
        uncertainty=parts[2],
        within_bin_variance=parts[3],
        within_bin_covariance=parts[4],
    )
