"""Platt scaling with a bias for each subject, shrunk towards the common one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from scipy.special import log_expit, logsumexp

from calibrant.calibration.calibrator import (
    Calibrator,
    FittedCalibrator,
    Names,
    check_clip,
    clipped,
    sigmoid,
)
from calibrant.calibration.logistic import fit_logistic, smoothed_targets
from calibrant.metrics.common import Array

_SHIFTS = np.linspace(-8.0, 8.0, 641)
"""Where likelihoods of a subject's shift are looked at."""
_SPREADS = np.geomspace(0.05, 4.0, 45)
"""Candidates for the spread of the shifts, beside 0."""


@final
@dataclass(frozen=True, kw_only=True)
class FittedBySubject(FittedCalibrator):
    """sigmoid(slope * score + intercept + shift of the subject)."""

    settings: BySubject
    slope: float
    """At least 0."""
    intercept: float
    """In log-odds."""
    spread: float
    """Standard deviation of the subjects' shifts; 0 when they show none."""
    subjects: tuple[str, ...]
    """Those of the answers that it was fitted on, sorted."""
    shifts: tuple[float, ...]
    """Of each subject, in log-odds; other subjects have none."""

    def _map(self, scores: Array) -> Array:
        return self._map_by(scores, np.full(scores.size, ""))

    def _map_by(self, scores: Array, subjects: Names) -> Array:
        common = self.slope * clipped(scores, self.settings.clip) + self.intercept
        shift_of = dict(zip(self.subjects, self.shifts))
        shifts = np.array([shift_of.get(name, 0.0) for name in subjects.tolist()])
        return sigmoid(common + shifts)


@final
@dataclass(frozen=True, kw_only=True)
class BySubject(Calibrator):
    """Platt scaling, and a shift of each subject that small subjects hardly get (empirical Bayes).

    Shifts are taken as normal around 0. Their spread is the one of the largest marginal likelihood,
    and each shift its posterior mean: the fewer answers a subject has, the closer to 0. Answers
    without a subject, and subjects not met in fitting, get the common map.

    References
    ----------
    Efron & Morris, "Stein's estimation rule and its competitors: an empirical Bayes approach",
    JASA 68 (1973).
    """

    name: ClassVar[str] = "by_subject"
    fitted: ClassVar[type[FittedCalibrator]] = FittedBySubject

    clip: float = 1e-6
    """Scores are held within the log-odds of clip and 1 - clip, in fitting and in use."""

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_clip(self.clip)

    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        return self._solve_by(scores, correct, np.full(scores.size, ""))

    def _solve_by(self, scores: Array, correct: Array, subjects: Names) -> dict[str, Any]:
        held = clipped(scores, self.clip)
        slopes, intercept = fit_logistic(held[:, None], smoothed_targets(correct))
        slope = float(slopes[0])
        names = sorted(set(subjects.tolist()) - {""})
        spread, shifts = _shifts(slope * held + intercept, correct, subjects, names)
        return {
            "slope": slope,
            "intercept": intercept,
            "spread": spread,
            "subjects": tuple(names),
            "shifts": tuple(shifts),
        }


def _shifts(
    common: Array, correct: Array, subjects: Names, names: list[str]
) -> tuple[float, list[float]]:
    """Spread and posterior means of the subjects' shifts on top of the common log-odds (n,)."""
    if not names:
        return 0.0, []
    sign = np.where(correct == 1, 1.0, -1.0)
    likelihood = np.array(  # (subjects, candidate shifts), logarithms
        [
            log_expit(np.multiply.outer(sign[of], _SHIFTS) + (sign[of] * common[of])[:, None]).sum(
                0
            )
            for of in (subjects == name for name in names)
        ]
    )
    weight = -0.5 * (_SHIFTS / _SPREADS[:, None]) ** 2  # (spreads, candidate shifts)
    weight -= logsumexp(weight, axis=1, keepdims=True)
    joint = likelihood[:, None, :] + weight[None]
    evidence = logsumexp(joint, axis=2)  # (subjects, spreads)
    total = evidence.sum(0)
    none = float(likelihood[:, _SHIFTS.size // 2].sum())
    best = int(np.argmax(total))
    if total[best] <= none:
        return 0.0, [0.0] * len(names)
    posterior = np.exp(joint[:, best] - evidence[:, best, None])
    return float(_SPREADS[best]), (posterior @ _SHIFTS).tolist()
