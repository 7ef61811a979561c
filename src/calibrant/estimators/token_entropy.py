"""How undecided the model was at each token of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

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

MISSING = "the answer has no log-probabilities of the likeliest tokens"


@dataclass(frozen=True, kw_only=True)
class TokenEntropy(Estimator):
    """A logistic regression on mean, largest and first token entropy.

    The entropies are those of the likeliest tokens, which also servers tell: of as many as all
    training answers have, since more would make any of them larger.
    """

    name: ClassVar = "token_entropy"
    needs: ClassVar = frozenset({Capability.LOGPROBS})
    reads: ClassVar = ("top_log_probs",)

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
        """Fit the regression."""
        kept, correct = graded_only(train)
        sizes = [len(place) for item in kept for place in item.answer.top_log_probs]
        n_top = min(filter(None, sizes), default=1)
        head = LogisticHead.fit(_features(kept, n_top), correct, why=MISSING)
        return FittedTokenEntropy(self, n_top, head)


def entropies(top_log_probs: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Entropy in nats at each place (T,), what is left of the probability taken as one outcome.

    At most the entropy over all tokens, and equal to it when the rest is one token or nothing.
    """
    width = max(map(len, top_log_probs), default=0)
    whole = [[*place, *[-np.inf] * (width - len(place))] for place in top_log_probs]
    p = np.exp(np.array(whole, dtype=np.float64).reshape(len(whole), width))
    outcomes = np.column_stack([p, np.maximum(0.0, 1.0 - p.sum(axis=1))])
    return np.asarray(-xlogy(outcomes, outcomes).sum(axis=1))


def _features(items: Sequence[Answered], n_top: int) -> NDArray[np.float64]:
    """(N, 3): mean, largest and first entropy of the `n_top` likeliest; NaN without so many."""
    rows = []
    for item in items:
        top = [sorted(place, reverse=True)[:n_top] for place in item.answer.top_log_probs]
        found = entropies(top)
        whole = found.size > 0 and all(len(place) == n_top for place in top)
        rows.append([found.mean(), found.max(), found[0]] if whole else [np.nan] * 3)
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


class FittedTokenEntropy(FittedEstimator):
    """The regression."""

    def __init__(self, estimator: TokenEntropy, n_top: int, head: LogisticHead) -> None:
        self.estimator, self.n_top, self.head = estimator, n_top, head

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the regression."""
        values = self.head.score(_features(items, self.n_top))
        few = f"the answer has log-probabilities of fewer than {self.n_top} tokens at some place"
        reasons = {
            i: few if all(items[i].answer.top_log_probs or [()]) else MISSING
            for i in np.flatnonzero(np.isnan(values)).tolist()
        }
        return Scores(values=values, reasons=reasons)

    def save(self, folder: Path) -> dict[str, Any]:
        """The regression, and of how many tokens."""
        return {"n_top": self.n_top, "head": self.head.to_dict()}

    @staticmethod
    def load(estimator: TokenEntropy, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the same."""
        return FittedTokenEntropy(estimator, state["n_top"], LogisticHead(**state["head"]))
