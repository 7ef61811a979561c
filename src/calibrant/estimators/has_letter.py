"""Whether an answer to a choice names an option at all: what a careless grader would reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    log_odds,
    silent,
)
from calibrant.models.model import Model
from calibrant.records import NONE_TOLD, Answered, Graded


@dataclass(frozen=True, kw_only=True)
class HasLetter(Estimator):
    """Knows whether a letter was found in the answer, and nothing else.

    Each of the two rates counts one more answer at the rate of all, so that none is 0 or 1.
    """

    name: ClassVar = "has_letter"
    formats: ClassVar = ("choice",)

    def fit(
        self,
        train: Sequence[Graded],
        validation: Sequence[Graded],
        model: Model,
        seed: int,
        *,
        folder: Path | None = None,
        say: Say = silent,
    ) -> FittedEstimator:
        """The share of correct answers with and without a letter."""
        kept, correct = graded_only(train)
        overall = float(correct.mean())
        found = np.array([_has_letter(item) for item in kept])
        rates = [(correct[found == v].sum() + overall) / ((found == v).sum() + 1) for v in (0, 1)]
        return FittedHasLetter(self, float(rates[0]), float(rates[1]))


def _has_letter(item: Answered) -> bool:
    return bool(item.question.choices) and item.answer.extracted not in ("", NONE_TOLD)


class FittedHasLetter(FittedEstimator):
    """Two rates."""

    def __init__(self, estimator: HasLetter, without: float, with_letter: float) -> None:
        self.estimator, self.without, self.with_letter = estimator, without, with_letter

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """The log-odds of the rate that fits."""
        rates = [self.with_letter if _has_letter(item) else self.without for item in items]
        return Scores.whole(log_odds(np.array(rates, dtype=np.float64)))

    def save(self, folder: Path) -> dict[str, Any]:
        """The rates."""
        return {"without": self.without, "with_letter": self.with_letter}

    @staticmethod
    def load(estimator: HasLetter, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the rates."""
        return FittedHasLetter(estimator, state["without"], state["with_letter"])
