"""The probability that the model gave the option that it chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from calibrant.estimators.estimator import (
    Say,
    Scores,
    Unfitted,
    Untrained,
    log_odds,
    silent,
)
from calibrant.models.model import Capability, Model
from calibrant.records import Answered

OPEN = "an open answer has no options to compare"
MISSING = "the answer has no probabilities of its options"


@dataclass(frozen=True, kw_only=True)
class MaxSoftmax(Untrained):
    """The largest softmax probability over the option letters of a multiple-choice answer."""

    name: ClassVar = "max_softmax"
    needs: ClassVar = frozenset({Capability.LOGPROBS})
    reads: ClassVar = ("option_probs",)
    formats: ClassVar = ("choice",)


class FittedMaxSoftmax(Unfitted):
    """Nothing but the probabilities that an answer carries."""

    estimator: MaxSoftmax

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the largest share among the options."""
        shares, reasons = np.full(len(items), np.nan), {}
        for i, item in enumerate(items):
            found = item.answer.option_probs
            if sum(found) > 0:
                shares[i] = max(found) / sum(found)
            else:
                reasons[i] = MISSING if item.question.choices else OPEN
        return Scores(values=log_odds(shares), reasons=reasons)
