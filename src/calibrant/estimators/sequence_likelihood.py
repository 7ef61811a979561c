"""The likelihood that the model gave its own answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

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
from calibrant.models.model import Capability, Model
from calibrant.records import Answered, Graded

Form = Literal["mean", "sum", "min", "head"]
MISSING = "the answer has no token log-probabilities"


@dataclass(frozen=True, kw_only=True)
class SequenceLikelihood(Estimator):
    """Token log-probabilities of the answer, its end marker included, in one number.

    `mean` (the inverse of perplexity), `sum`, `min` (the least likely token) are probabilities of a
    text, not of its being right; `head` is a logistic regression on all three and the length.
    """

    name: ClassVar = "sequence_likelihood"
    needs: ClassVar = frozenset({Capability.LOGPROBS})
    reads: ClassVar = ("log_probs",)
    form: Form = "mean"
    """Which number."""

    @property
    def variant(self) -> str:
        """The form."""
        return self.form

    @property
    def score_is_confidence(self) -> bool:
        """Of the head only."""
        return self.form == "head"

    @property
    def learns_from_verdicts(self) -> bool:
        """The head does."""
        return self.form == "head"

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
        """Nothing to fit but the head."""
        if self.form != "head":
            return FittedSequenceLikelihood(self, None)
        kept, correct = graded_only(train)
        head = LogisticHead.fit(_features(kept), correct, why=MISSING)
        return FittedSequenceLikelihood(self, head)


def _features(items: Sequence[Answered]) -> NDArray[np.float64]:
    """(N, 4): mean, sum and least log-probability, number of tokens; NaN where there are none."""
    rows = []
    for item in items:
        values = item.answer.log_probs
        if values:
            total = sum(values)
            rows.append([total / len(values), total, min(values), float(len(values))])
        else:
            rows.append([np.nan] * 4)
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


class FittedSequenceLikelihood(FittedEstimator):
    """Which number to read, or a head on all."""

    def __init__(self, estimator: SequenceLikelihood, head: LogisticHead | None) -> None:
        self.estimator: SequenceLikelihood = estimator
        self.head = head

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the probability that the form names."""
        features = _features(items)
        if self.head:
            values = self.head.score(features)
        else:
            log_p = features[:, ("mean", "sum", "min").index(self.estimator.form)]
            with np.errstate(divide="ignore"):  # a probability of 1 has infinite log-odds
                values = log_p - np.log(-np.expm1(np.minimum(log_p, 0.0)))
        missing = np.flatnonzero(np.isnan(values)).tolist()
        return Scores(values=values, reasons=dict.fromkeys(missing, MISSING))

    def save(self, folder: Path) -> dict[str, Any]:
        """The head."""
        return self.head.to_dict() if self.head else {}

    @staticmethod
    def load(estimator: SequenceLikelihood, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the head."""
        head = LogisticHead(**state) if estimator.form == "head" else None
        return FittedSequenceLikelihood(estimator, head)
