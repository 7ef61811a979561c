"""Temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from calibrant.calibration.calibrator import (
    Calibrator,
    FittedCalibrator,
    check_clip,
    clipped,
    sigmoid,
)
from calibrant.errors import InvalidData
from calibrant.metrics.common import Array


@final
@dataclass(frozen=True, kw_only=True)
class FittedTemperature(FittedCalibrator):
    """sigmoid(score * inverse_temperature)."""

    settings: Temperature
    inverse_temperature: float
    """1/T >= 0; 0 means that every confidence is 0.5."""

    @property
    def temperature(self) -> float:
        """T > 0, infinite where the inverse is 0; above 1 it makes confidences less extreme."""
        return 1 / self.inverse_temperature if self.inverse_temperature else float("inf")

    def _map(self, scores: Array) -> Array:
        return sigmoid(clipped(scores, self.settings.clip) * self.inverse_temperature)


@final
@dataclass(frozen=True, kw_only=True)
class Temperature(Calibrator):
    """sigmoid(score / T), the T of maximum likelihood.

    The loss is convex in 1/T; its derivative is solved for 0 on 0 <= 1/T <= 1/min_temperature.
    Where the data call for a negative slope (high scores are wrong more often) 1/T is 0, an
    infinite temperature. A confidence of 0.5 stays 0.5: a shift of the base rate is beyond it.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017.
    """

    name: ClassVar[str] = "temperature"
    fitted: ClassVar[type[FittedCalibrator]] = FittedTemperature

    clip: float = 1e-6
    """Scores are held within the log-odds of clip and 1 - clip, in fitting and in use."""
    min_temperature: float = 0.01
    """The lowest T, reached when the sign of the score tells right from wrong without error."""

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_clip(self.clip)
        if not self.min_temperature > 0:
            raise InvalidData(f"min_temperature is {self.min_temperature!r}: above 0 is needed.")

    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        margin = np.where(correct == 1, 1.0, -1.0) * clipped(scores, self.clip)

        def fall(inverse: float) -> float:
            """Mean derivative of the log-likelihood in 1/T: it never rises."""
            return float(np.mean(margin * expit(-inverse * margin)))

        most = 1 / self.min_temperature
        if fall(0.0) <= 0:
            return {"inverse_temperature": 0.0}
        if fall(most) >= 0:
            return {"inverse_temperature": most}
        return {"inverse_temperature": float(brentq(fall, 0.0, most, xtol=1e-13))}
