"""Histogram binning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from calibrant.calibration.calibrator import Calibrator, FittedCalibrator, sigmoid
from calibrant.errors import InvalidData
from calibrant.metrics.binning import bin_index
from calibrant.metrics.common import Array


@final
@dataclass(frozen=True, kw_only=True)
class FittedHistogram(FittedCalibrator):
    """A constant per bin; bins are left-closed and reach over all numbers."""

    settings: Histogram
    starts: tuple[float, ...]
    """sigmoid(score) at which the second and each later bin starts, rising."""
    values: tuple[float, ...]
    """The confidence in each bin, from the lowest."""

    def _map(self, scores: Array) -> Array:
        bins = np.searchsorted(self.starts, sigmoid(scores), side="right")
        return np.array(self.values, dtype=np.float64)[bins]


@final
@dataclass(frozen=True, kw_only=True)
class Histogram(Calibrator):
    """The accuracy of each of `n_bins` bins of equal mass; need not be monotone.

    Bins follow `calibrant.metrics.bin_index` ("quantile"): equal scores share a bin, so with many
    ties there are fewer bins than asked for, and none is empty.

    References
    ----------
    Zadrozny & Elkan, "Obtaining calibrated probability estimates from decision trees and naive
    Bayesian classifiers", ICML 2001.
    """

    name: ClassVar[str] = "histogram"
    fitted: ClassVar[type[FittedCalibrator]] = FittedHistogram

    n_bins: int = 10
    """At least 1."""

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        if self.n_bins < 1:
            raise InvalidData(f"n_bins is {self.n_bins!r}: at least 1 is needed.")

    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        p = sigmoid(scores)
        used, index = np.unique(bin_index(p, self.n_bins, "quantile"), return_inverse=True)
        starts = np.full(used.size, np.inf)
        np.minimum.at(starts, index, p)
        values = np.bincount(index, correct) / np.bincount(index)
        return {"starts": tuple(starts[1:].tolist()), "values": tuple(values.tolist())}
