"""The numbers behind a reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from calibrant.errors import InvalidData
from calibrant.metrics.binning import Strategy, bin_edges, bin_index
from calibrant.metrics.common import Array, check_weights, checked, grouped


@dataclass(frozen=True, kw_only=True)
class ReliabilityDiagram:
    """One entry per bin; arrays (n_bins,), NaN where a bin is empty (`count` is 0 there)."""

    left: Array
    """The bin's left edge; for "quantile" its lowest confidence."""
    right: Array
    """The bin's right edge; for "quantile" its highest confidence."""
    count: Array
    """Rows (or their weight); sums to n."""
    confidence: Array
    """Mean confidence."""
    accuracy: Array
    """Share correct."""
    low: Array
    """Lower end of the Wilson interval of the accuracy."""
    high: Array
    """Upper end of it."""


def reliability_diagram(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    level: float = 0.95,
) -> ReliabilityDiagram:
    """Mean confidence, accuracy and Wilson interval of every bin.

    The intervals take rows as independent: too narrow where rows share a question.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None or (n,), how often each row counts
    n_bins, strategy : see `bin_index`
    level : in (0, 1)

    References
    ----------
    DeGroot & Fienberg, "The comparison and evaluation of forecasters", The Statistician 32 (1983);
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Examples
    --------
    >>> reliability_diagram([0.1, 0.9, 1.0], [0, 1, 0], n_bins=2).accuracy
    array([0. , 0.5])
    """
    p, y = checked(confidence, correct)
    if not 0 < level < 1:
        raise InvalidData(f"level is {level!r}: a number between 0 and 1 is needed.")
    w = np.ones((1, p.size)) if weights is None else check_weights(weights, p.size)[None]
    if w.ndim != 2:
        raise InvalidData("a diagram needs weights (n,): it has no replicates.")
    w = w.astype(np.float64)
    index = np.atleast_2d(bin_index(p, n_bins, strategy, w))[0]
    count, sum_p, sum_y = grouped(index, n_bins, np.ones_like(p), p, y)(w)[:, 0]
    held = np.where(count > 0, count, np.nan)
    accuracy = sum_y / held
    low, high = _wilson(accuracy, held, level)
    left, right = _extent(p[w[0] > 0], index[w[0] > 0], n_bins, strategy)
    return ReliabilityDiagram(
        left=left,
        right=right,
        count=count,
        confidence=sum_p / held,
        accuracy=accuracy,
        low=low,
        high=high,
    )


def _wilson(share: Array, count: Array, level: float) -> tuple[Array, Array]:
    z = float(ndtri((1 + level) / 2))
    scale = 1 + z**2 / count
    middle = (share + z**2 / (2 * count)) / scale
    half = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) / scale
    # Rounding must not put the share itself outside.
    return np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)


def _extent(
    p: Array, index: npt.NDArray[np.intp], n_bins: int, strategy: Strategy
) -> tuple[Array, Array]:
    if strategy == "uniform":
        edges = bin_edges(n_bins)
        return edges[:-1], edges[1:]
    left, right = np.full(n_bins, np.inf), np.full(n_bins, -np.inf)
    np.minimum.at(left, index, p)
    np.maximum.at(right, index, p)
    return np.where(left > right, np.nan, left), np.where(left > right, np.nan, right)
