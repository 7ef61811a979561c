"""Expected calibration error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from calibrant.errors import InvalidData
from calibrant.metrics.binning import Strategy, bin_index
from calibrant.metrics.common import Array, Measure, checked, grouped, measure

Norm = Literal["l1", "l2", "max"]


def ece(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    norm: Norm = "l1",
) -> Measure:
    """Expected calibration error: the mean gap of confidence and accuracy over bins, in [0, 1].

    With few rows it is far from 0 even for a perfectly calibrated estimator: see `ece_floor`.
    Other libraries place confidences that lie on an edge in another bin; ours is in `bin_index`.

    Parameters
    ----------
    confidence : (n,) in [0, 1]; 0 and 1 are kept
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts
    n_bins, strategy : see `bin_index`
    norm : "l1" mean gap, "l2" root of the mean squared gap, "max" largest gap of a bin

    Returns
    -------
    float, or (R,) for weights (R, n): NaN where a replicate is empty.

    References
    ----------
    Naeini, Cooper & Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
    AAAI 2015.

    Examples
    --------
    >>> round(ece([0.25, 0.25, 0.55, 0.75, 0.75], [0, 0, 1, 1, 1], n_bins=2), 4)
    0.29
    """
    p, y = checked(confidence, correct)
    if norm not in ("l1", "l2", "max"):
        raise InvalidData(f"norm is {norm!r}: there are 'l1', 'l2' and 'max'.")
    if (norm, strategy) == ("l1", "uniform"):
        inner = within(p, y, np.zeros(p.size, dtype=np.intp), n_bins=n_bins)
        return measure(lambda w: inner(w)[:, 0], p.size, weights)
    values = y - p, np.ones_like(p)
    is_fixed = strategy == "uniform"
    fixed = grouped(bin_index(p, n_bins, strategy), n_bins, *values) if is_fixed else None

    def kernel(w: Array) -> Array:
        sums = fixed or grouped(bin_index(p, n_bins, strategy, w), n_bins, *values)
        residual, count = sums(w)
        gap, total = np.abs(residual), w.sum(axis=1)
        if norm == "l1":
            return np.asarray(gap.sum(axis=1) / total)
        gap /= np.where(count > 0, count, 1.0)
        if norm == "l2":
            return np.asarray(np.sqrt((count * gap**2).sum(axis=1) / total))
        return np.where(total > 0, gap.max(axis=1), np.nan)

    return measure(kernel, p.size, weights)


def within(
    p: Array, y: Array, group: npt.NDArray[np.intp], *, n_bins: int = 10
) -> Callable[[Array], Array]:
    """`ece` of the rows of each group alone, in bins of equal width: w (r, n) -> (r, S).

    `group` (n,) holds 0 to S - 1.
    """
    n = int(group.max()) + 1
    residuals = grouped(group * n_bins + bin_index(p, n_bins), n * n_bins, y - p)
    counts = grouped(group, n, np.ones_like(p))

    def kernel(w: Array) -> Array:
        gap = np.abs(residuals(w)[0]).reshape(len(w), n, n_bins).sum(axis=2)
        return np.asarray(gap / counts(w)[0])

    return kernel
