"""The contract of a calibrator: settings, and what they become when fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit

from calibrant import registry
from calibrant.calibration.logistic import smoothed_targets
from calibrant.errors import InvalidData, TooFewClasses
from calibrant.metrics.common import Array, check_correct

Names = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Calibrator(ABC):
    """Settings of a map from score to probability.

    A score is on the scale of log-odds: any real number, also infinite, higher = more likely
    right; its sigmoid is the uncalibrated confidence. NaN is a missing score.
    """

    name: ClassVar[str]
    fitted: ClassVar[type[FittedCalibrator]]

    @final
    def fit(
        self,
        scores: npt.ArrayLike,
        correct: npt.ArrayLike,
        subjects: npt.ArrayLike | None = None,
    ) -> FittedCalibrator:
        """Learn the map from graded answers; missing scores are left out and counted.

        Parameters
        ----------
        scores : (n,) log-odds
        correct : (n,) of 0 and 1
        subjects : (n,) names, which most calibrators do not look at; None: all unknown

        Raises
        ------
        InvalidData
            Empty, of different lengths, no score that is not missing, or not 0 and 1.
        TooFewClasses
            All answers with a score are correct, or all incorrect.
        """
        s, y, there = _known(scores, correct)
        names = check_subjects(subjects, there.size)[there]
        if y.min() == y.max():
            kind = "correct" if y[0] else "incorrect"
            raise TooFewClasses(
                f"all {y.size} answers are {kind}: a calibrator needs correct and incorrect ones."
            )
        counts = {"n": int(y.size), "n_missing": int(there.size - y.size)}
        return self.fitted(settings=self, **counts, **self._solve_by(s, y, names))

    @abstractmethod
    def _solve(self, scores: Array, correct: Array) -> dict[str, Any]:
        """The parameters, named as the fields of `fitted`."""

    def _solve_by(self, scores: Array, correct: Array, subjects: Names) -> dict[str, Any]:
        """The same for calibrators that look at the subjects."""
        return self._solve(scores, correct)


@dataclass(frozen=True, kw_only=True)
class FittedCalibrator(ABC):
    """A map from score to probability."""

    settings: Calibrator
    n: int
    """Answers it was fitted on."""
    n_missing: int
    """Answers left out because their score was missing."""
    shift: float = 0.0
    """Added to the log-odds of each confidence, for another base rate (`shifted`)."""

    @final
    def confidence(self, scores: npt.ArrayLike, subjects: npt.ArrayLike | None = None) -> Array:
        """P(correct), in [0, 1], of each score; a missing score (NaN) stays missing.

        Parameters
        ----------
        scores : (n,) log-odds
        subjects : (n,) names, which most calibrators do not look at; None: all unknown
        """
        s = check_scores(scores, empty=True)
        names = check_subjects(subjects, s.size)
        made = np.full(s.shape, np.nan)
        there = ~np.isnan(s)
        made[there] = np.clip(self._map_by(s[there], names[there]), 0.0, 1.0)
        return sigmoid(_log_odds(made) + self.shift) if self.shift else made

    @abstractmethod
    def _map(self, scores: Array) -> Array:
        """Probabilities of scores that are not missing."""

    def _map_by(self, scores: Array, subjects: Names) -> Array:
        """The same for calibrators that look at the subjects."""
        return self._map(scores)

    @final
    def shifted(
        self,
        scores: npt.ArrayLike,
        correct: npt.ArrayLike,
        subjects: npt.ArrayLike | None = None,
    ) -> Self:
        """The same map with its bias fitted anew on a few graded answers of another domain.

        One number is learned, the shift of the log-odds, by maximum likelihood with Platt's
        smoothed targets: a few dozen answers do, and they may be all correct or all incorrect.
        Confidences of exactly 0 and 1 count as 1e-6 from it. The order of answers, and so AUROC,
        stays.

        Parameters
        ----------
        scores : (n,) log-odds; missing ones are left out
        correct : (n,) of 0 and 1
        subjects : (n,) names, as in `confidence`

        Raises
        ------
        InvalidData
            As `Calibrator.fit`.
        """
        s, y, there = _known(scores, correct)
        names = check_subjects(subjects, there.size)[there]
        base = _log_odds(replace(self, shift=0.0).confidence(s, names))
        targets = smoothed_targets(y)

        def excess(shift: float) -> float:
            """Mean confidence minus mean target: it rises with the shift."""
            return float(np.mean(expit(base + shift) - targets))

        return replace(self, shift=float(brentq(excess, -40.0, 40.0, xtol=1e-12)))

    @final
    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; `from_dict` gives an equal calibrator back, exactly."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "settings"}
        return {"calibrator": self.settings.name, "settings": asdict(self.settings)} | {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> FittedCalibrator:
        """The fitted calibrator that `to_dict` described.

        Raises
        ------
        UnknownName
            No such calibrator is installed.
        InvalidData
            Fields are missing, unknown or no calibrator's.
        """
        rest = dict(data)
        try:
            make = registry.get("calibration", rest.pop("calibrator"))
            settings: Calibrator = make(**rest.pop("settings"))
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in rest.items()
            }
            made = settings.fitted(settings=settings, **values)
        except (KeyError, TypeError) as error:
            raise InvalidData(f"not a fitted calibrator as to_dict writes it: {error}.") from error
        return made


def _known(scores: npt.ArrayLike, correct: npt.ArrayLike) -> tuple[Array, Array, Any]:
    """Scores and verdicts of the rows (n,) that have a score, and which rows these are."""
    s, y = check_scores(scores), check_correct(correct)
    if s.shape != y.shape:
        raise InvalidData(f"{s.size} scores but {y.size} verdicts: give one of each per row.")
    there = ~np.isnan(s)
    if not there.any():
        raise InvalidData(f"all {s.size} scores are missing: there is nothing to fit.")
    return s[there], y[there], there


def check_subjects(subjects: npt.ArrayLike | None, n: int) -> Names:
    """`subjects` as text (n,); empty names where there are none."""
    names = np.asarray([""] * n if subjects is None else subjects, dtype=str)
    if names.shape != (n,):
        raise InvalidData(f"{n} scores but subjects of shape {names.shape}: give one per row.")
    return names


def _log_odds(confidence: Array) -> Array:
    """Of confidences held within 1e-6 and 1 - 1e-6."""
    return np.asarray(logit(np.clip(confidence, 1e-6, 1 - 1e-6)), dtype=np.float64)


def check_scores(scores: npt.ArrayLike, empty: bool = False) -> Array:
    """`scores` as float64 (n,); None becomes NaN."""
    given = np.asarray(scores)
    if given.dtype.kind not in "fiuO":
        raise InvalidData(f"scores must be numbers, not {given.dtype}.")
    try:
        values = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"scores must be numbers: {error}.") from error
    if values.ndim != 1:
        raise InvalidData(f"scores have shape {values.shape}: one per row, (n,), is needed.")
    if not values.size and not empty:
        raise InvalidData("scores are empty: there is nothing to fit.")
    return values


def sigmoid(scores: Array) -> Array:
    """Probabilities (n,) of log-odds (n,)."""
    return np.asarray(expit(scores), dtype=np.float64)


def check_clip(clip: float) -> None:
    """Refuse a clip that is not in (0, 0.5)."""
    if not 0 < clip < 0.5:
        raise InvalidData(f"clip is {clip!r}: a probability between 0 and 0.5 is needed.")


def clipped(scores: Array, clip: float) -> Array:
    """Scores within the log-odds of `clip` and 1 - `clip`: infinite ones become finite."""
    limit = -float(logit(clip))
    return np.clip(scores, -limit, limit)
