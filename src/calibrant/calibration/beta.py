"""Beta calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from scipy.special import log_expit

from calibrant.calibration.calibrator import (
    Calibrator,
    FittedCalibrator,
    check_clip,
    clipped,
    sigmoid,
)
from calibrant.calibration.logistic import fit_logistic, smoothed_targets
from calibrant.metrics.common import Array


@final
@dataclass(frozen=True, kw_only=True)
class FittedBeta(FittedCalibrator):
    """sigmoid(a * log p - b * log(1 - p) + c) with p = sigmoid(score)."""

    settings: Beta
    a: float
    """At least 0: the slope for low scores."""
    b: float
    """At least 0: the slope for high scores."""
    c: float
    """In log-odds."""

    def _map(self, scores: Array) -> Array:
        low, high = _features(clipped(scores, self.settings.clip)).T
        return sigmoid(self.a * low + self.b * high + self.c)


@final
@dataclass(frozen=True, kw_only=True)
class Beta(Calibrator):
    """Platt scaling with two slopes, one towards confidence 0 and one towards 1.

    Maximum likelihood with slopes >= 0 and, other than in the paper, Platt's smoothed targets.

    References
    ----------
    Kull, Silva Filho & Flach, "Beta calibration", AISTATS 2017.
    """

    name: ClassVar[str] = "beta"
    fitted: ClassVar[type[FittedCalibrator]] = FittedBeta

    clip: float = 1e-6
    """Scores are held within the log-odds of clip and 1 - clip, in fitting and in use."""

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_clip(self.clip)

    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        features = _features(clipped(scores, self.clip))
        (a, b), c = fit_logistic(features, smoothed_targets(correct))
        return {"a": float(a), "b": float(b), "c": c}


def _features(scores: Array) -> Array:
    """Log p and -log(1 - p), (n, 2), of p = sigmoid(score)."""
    return np.column_stack([log_expit(scores), -log_expit(-scores)])
