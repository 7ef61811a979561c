"""No calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from calibrant.calibration.calibrator import Calibrator, FittedCalibrator, sigmoid
from calibrant.metrics.common import Array


@final
@dataclass(frozen=True, kw_only=True)
class FittedNone(FittedCalibrator):
    """sigmoid(score)."""

    def _map(self, scores: Array) -> Array:
        return sigmoid(scores)


@final
@dataclass(frozen=True, kw_only=True)
class Uncalibrated(Calibrator):
    """The sigmoid of the score as it is: what the other calibrators are compared with.

    It is called `none`; fitting learns nothing, and asks for the same data as any other.
    """

    name: ClassVar[str] = "none"
    fitted: ClassVar[type[FittedCalibrator]] = FittedNone

    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        return {}


def none() -> Uncalibrated:
    """The calibrator of this name: no class can be called None."""
    return Uncalibrated()
