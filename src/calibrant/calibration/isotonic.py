"""Isotonic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from scipy.optimize import isotonic_regression

from calibrant.calibration.calibrator import Calibrator, FittedCalibrator, check_clip, clipped
from calibrant.metrics.common import Array


@final
@dataclass(frozen=True, kw_only=True)
class FittedIsotonic(FittedCalibrator):
    """Straight lines between knots, constant beyond the first and the last."""

    settings: Isotonic
    knots: tuple[float, ...]
    """Scores, rising."""
    values: tuple[float, ...]
    """The confidence at each knot, never falling."""

    def _map(self, scores: Array) -> Array:
        return np.interp(clipped(scores, self.settings.clip), self.knots, self.values)


@final
@dataclass(frozen=True, kw_only=True)
class Isotonic(Calibrator):
    """The never-falling map with the least squared error (pool adjacent violators).

    Flexible: wants about a thousand answers or more. Its ends are often exactly 0 and 1, where a
    single error makes the log loss infinite. Equal scores are pooled first.

    References
    ----------
    Zadrozny & Elkan, "Transforming classifier scores into accurate multiclass probability
    estimates", KDD 2002.
    """

    name: ClassVar[str] = "isotonic"
    fitted: ClassVar[type[FittedCalibrator]] = FittedIsotonic

    clip: float = 1e-6
    """Scores are held within the log-odds of clip and 1 - clip, in fitting and in use."""

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_clip(self.clip)

    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        knots, member, count = np.unique(
            clipped(scores, self.clip), return_inverse=True, return_counts=True
        )
        share = np.bincount(member, correct) / count
        values = np.clip(isotonic_regression(share, weights=count).x, 0.0, 1.0)
        level = np.diff(values) == 0
        inner = np.r_[False, level] & np.r_[level, False]  # on a plateau, not at its ends
        return {"knots": tuple(knots[~inner].tolist()), "values": tuple(values[~inner].tolist())}
