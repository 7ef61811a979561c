"""The ECE that a perfectly calibrated estimator would have: noise alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len

from calibrant.errors import InvalidData
from calibrant.metrics.binning import Strategy, bin_index
from calibrant.metrics.common import (
    Array,
    Measure,
    check_confidence,
    check_weights,
    checked,
    grouped,
    measure,
)

_GRID = 4096
"""Bins of more rows than this are moved to a grid of this step (linear splitting)."""


def ece_floor(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> Measure:
    """The expected ECE (l1) of a perfectly calibrated estimator with these very confidences.

    Were every verdict drawn as correct with probability equal to its confidence, the number of
    correct answers in a bin would be Poisson-binomial; its mean absolute deviation is computed
    from the exact distribution (by its characteristic function), not from a normal
    approximation, so it holds for bins of one row, too. Bins of more than 4,096 rows are first
    put on a grid of step 1/4096, which keeps the mean and changes the variance by less than
    1/4096 of itself.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : checked when given, and not used: the floor does not depend on the verdicts
    weights : None, (n,) or (R, n) of whole numbers: k stands for k rows with verdicts of their own
    n_bins, strategy : see `bin_index`; with "quantile" and weights (R, n) it takes seconds

    Returns
    -------
    float in [0, 1], or (R,) for weights (R, n): NaN where a replicate is empty.

    References
    ----------
    Bröcker & Smith, "Increasing the reliability of reliability diagrams", Wea. Forecasting 22
    (2007), for the idea of comparing with consistent verdicts; Hong, "On computing the
    distribution function for the Poisson binomial distribution", CSDA 59 (2013).

    Examples
    --------
    >>> round(ece_floor([0.5]), 12)  # |1 - 0.5| or |0 - 0.5|
    0.5
    """
    p = check_confidence(confidence) if correct is None else checked(confidence, correct)[0]

    def kernel(w: Array) -> Array:
        gap = np.zeros(len(w))
        for rows, share, count in _bins(p, w, n_bins, strategy):
            deviation, chance = _deviations(share, count)
            gap[rows] += (np.abs(deviation) * chance).sum(axis=1)
        return np.asarray(gap / w.sum(axis=1))

    return measure(kernel, p.size, weights)


def ece_noise_range(
    confidence: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    level: float = 0.95,
    n_simulations: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """The central range of the ECE of a perfectly calibrated estimator with these confidences.

    An ECE inside it gives no reason to doubt the calibration. Verdicts are not simulated row by
    row: each bin's number of correct answers is drawn from its exact distribution.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    weights : None or (n,) of whole numbers
    level : in (0, 1)
    n_simulations : draws; the ends of the range vary by about 1 % of its width at 10,000

    Returns
    -------
    (low, high), in [0, 1].
    """
    p = check_confidence(confidence)
    if not 0 < level < 1 or n_simulations < 1:
        raise InvalidData("level must be between 0 and 1, n_simulations at least 1.")
    w = np.ones((1, p.size)) if weights is None else check_weights(weights, p.size)[None]
    if w.ndim != 2 or not w.any():
        raise InvalidData("a noise range needs weights (n,) that are not all 0.")
    w = w.astype(np.float64)
    generator, total = np.random.default_rng(seed), np.zeros(n_simulations)
    for _, share, count in _bins(p, w, n_bins, strategy):
        deviation, chance = _deviations(share, count)
        below = np.cumsum(chance[0])
        drawn = np.searchsorted(below, generator.random(n_simulations) * below[-1], side="right")
        total += np.abs(deviation[0, np.minimum(drawn, below.size - 1)])
    tail = (1 - level) / 2
    low, high = np.quantile(total / w.sum(), [tail, 1 - tail])
    return float(low), float(high)


def _bins(
    p: Array, w: Array, n_bins: int, strategy: Strategy
) -> Iterator[tuple[slice, Array, Array]]:
    """For each bin: the replicates (r') that share it, confidences (m,) and counts (r', m)."""
    shared = strategy == "uniform" or len(w) == 1
    for rows in [slice(None)] if shared else [slice(r, r + 1) for r in range(len(w))]:
        ours = w[rows]
        index = bin_index(p, n_bins, strategy, ours)
        index = index if index.ndim == 1 else index[0]
        for k in range(n_bins):
            inside = np.flatnonzero(index == k)
            if inside.size > _GRID:
                yield rows, *_on_grid(p[inside], ours[:, inside])
            elif inside.size:
                yield rows, p[inside], ours[:, inside]


def _on_grid(p: Array, w: Array) -> tuple[Array, Array]:
    left = np.minimum((p * _GRID).astype(np.intp), _GRID - 1)
    right_share = p * _GRID - left
    (count,) = grouped(left, _GRID + 1, 1 - right_share)(w)
    count += grouped(left + 1, _GRID + 1, right_share)(w)[0]
    used = np.flatnonzero(count.any(axis=0))
    return used / _GRID, count[:, used]


def _deviations(p: Array, count: Array) -> tuple[Array, Array]:
    """The distribution of the number correct minus its expectation, in one bin.

    Parameters
    ----------
    p : (m,) chances
    count : (r, m), how many independent rows have each chance

    Returns
    -------
    deviation (r, K) and its chance (r, K), on a window that holds all but 1e-15 of the mass.

    The characteristic function of the centred sum, exp(sum of count * log of a row's), is taken at
    the K/2 + 1 frequencies of a window of K whole numbers and turned back by a fast Fourier
    transform. |value| <= exp(-variance * (1 - cos t)), so large bins need the first few only.
    """
    variance = count @ (p * (1 - p))
    reach = 12 + np.sqrt(140 + 70 * variance.max())  # Bernstein: P(|deviation| > reach) < 1e-15
    size = next_fast_len(2 * int(reach) + 2, real=True)
    t = 2 * np.pi * np.arange(size // 2 + 1) / size
    t = t[variance.min() * (1 - np.cos(t)) < 40]
    squared = 1 - 2 * (p * (1 - p))[:, None] * (1 - np.cos(t))
    log_size = np.log(np.maximum(squared, 1e-300)) / 2
    angle = np.arctan2(p[:, None] * np.sin(t), 1 - p[:, None] * (1 - np.cos(t))) - p[:, None] * t
    expected = count @ p
    offset = np.rint(expected) - expected
    spectrum = np.exp(count @ log_size + 1j * (count @ angle - offset[:, None] * t))
    chance = irfft(spectrum.conj(), n=size, axis=1)
    step = np.arange(size)
    step[step > size // 2] -= size
    return step + offset[:, None], np.maximum(chance, 0.0)
