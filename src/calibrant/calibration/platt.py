"""Platt scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

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
class FittedPlatt(FittedCalibrator):
    """sigmoid(slope * score + intercept)."""

    settings: Platt
    slope: float
    """At least 0."""
    intercept: float
    """In log-odds."""

    def _map(self, scores: Array) -> Array:
        return sigmoid(self.slope * clipped(scores, self.settings.clip) + self.intercept)


@final
@dataclass(frozen=True, kw_only=True)
class Platt(Calibrator):
    """sigmoid(slope * score + intercept), slope >= 0, of maximum likelihood, not regularised.

    The targets are Platt's smoothed ones, so it is finite for scores that separate the classes.
    The intercept follows the base rate, which a temperature cannot.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines" (1999); Lin, Lin & Weng, "A note on
    Platt's probabilistic outputs", Machine Learning 68 (2007).
    """

    name: ClassVar[str] = "platt"
    fitted: ClassVar[type[FittedCalibrator]] = FittedPlatt

    clip: float = 1e-6
    """Scores are held within the log-odds of clip and 1 - clip, in fitting and in use."""

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_clip(self.clip)

    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        features = clipped(scores, self.clip)[:, None]
        slopes, intercept = fit_logistic(features, smoothed_targets(correct))
        return {"slope": float(slopes[0]), "intercept": intercept}
