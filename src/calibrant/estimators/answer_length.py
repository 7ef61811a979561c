"""How long an answer is: long ones ramble or are cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    silent,
)
from calibrant.estimators.logistic_head import LogisticHead
from calibrant.models.model import Model
from calibrant.records import Answered, Graded


@dataclass(frozen=True, kw_only=True)
class AnswerLength(Estimator):
    """Knows the number of characters: a logistic regression on its logarithm and that squared."""

    name: ClassVar = "answer_length"

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
        """The regression."""
        kept, correct = graded_only(train)
        return FittedAnswerLength(self, LogisticHead.fit(length_features(kept), correct))


def length_features(items: Sequence[Answered]) -> NDArray[np.float64]:
    """Of each answer's characters, (N, 2): log(1 + characters) and its square."""
    length = np.log1p(np.array([len(item.answer.text) for item in items], dtype=np.float64))
    return np.stack([length, length**2], axis=-1)


class FittedAnswerLength(FittedEstimator):
    """A head on the length."""

    def __init__(self, estimator: AnswerLength, head: LogisticHead) -> None:
        self.estimator, self.head = estimator, head

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the regression."""
        return Scores.whole(self.head.score(length_features(items)))

    def save(self, folder: Path) -> dict[str, Any]:
        """The head."""
        return self.head.to_dict()

    @staticmethod
    def load(estimator: AnswerLength, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the head."""
        return FittedAnswerLength(estimator, LogisticHead(**state))
