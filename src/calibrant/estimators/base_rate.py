"""The accuracy of the training answers: the same score for every answer."""

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
from calibrant.records import Answered, Graded


@dataclass(frozen=True, kw_only=True)
class BaseRate(Estimator):
    """Knows how often the model is right, and nothing of the answer."""

    name: ClassVar = "base_rate"

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
        """The share of correct answers."""
        _, correct = graded_only(train)
        return FittedBaseRate(self, float(correct.mean()))


class FittedBaseRate(FittedEstimator):
    """A constant."""

    def __init__(self, estimator: BaseRate, rate: float) -> None:
        self.estimator, self.rate = estimator, rate

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """The log-odds of the rate, for every item."""
        return Scores.whole(log_odds(np.full(len(items), self.rate)))

    def save(self, folder: Path) -> dict[str, Any]:
        """The rate."""
        return {"rate": self.rate}

    @staticmethod
    def load(estimator: BaseRate, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the rate."""
        return FittedBaseRate(estimator, state["rate"])
