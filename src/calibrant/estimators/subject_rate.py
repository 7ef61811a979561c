"""The accuracy of the training answers on the same subject."""

from __future__ import annotations

from collections import defaultdict
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
from calibrant.records import Answered, Graded, Question


@dataclass(frozen=True, kw_only=True)
class SubjectRate(Estimator):
    """Knows the subject only: its rate, its category's when unseen, else the rate of all.

    Each rate counts one more answer at the rate of all, so that none is 0 or 1.
    """

    name: ClassVar = "subject_rate"

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
        """The share of correct answers by subject and by category."""
        kept, correct = graded_only(train)
        overall = float(correct.mean())
        totals: dict[str, list[float]] = defaultdict(lambda: [overall, 1.0])
        for item, value in zip(kept, correct):
            for name in _names(item.question):
                totals[name][0] += value
                totals[name][1] += 1
        rates = {name: right / n for name, (right, n) in sorted(totals.items())}
        return FittedSubjectRate(self, rates, overall)


def _names(question: Question) -> list[str]:
    """The most particular first; what is empty names nothing."""
    named = {"subject": question.subject, "category": question.category}
    return [f"{kind}:{name}" for kind, name in named.items() if name]


class FittedSubjectRate(FittedEstimator):
    """A table of rates."""

    def __init__(self, estimator: SubjectRate, rates: dict[str, float], overall: float) -> None:
        self.estimator, self.rates, self.overall = estimator, rates, overall

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """The log-odds of the most particular rate that is known."""
        rates = [
            next((self.rates[n] for n in _names(i.question) if n in self.rates), self.overall)
            for i in items
        ]
        return Scores.whole(log_odds(np.array(rates, dtype=np.float64)))

    def save(self, folder: Path) -> dict[str, Any]:
        """The rates."""
        return {"rates": self.rates, "overall": self.overall}

    @staticmethod
    def load(estimator: SubjectRate, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the rates."""
        return FittedSubjectRate(estimator, state["rates"], state["overall"])
