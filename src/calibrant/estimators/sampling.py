"""How much of what the model samples says what the answer says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from calibrant.estimators.estimator import (
    Say,
    Scores,
    Unfitted,
    Untrained,
    log_odds,
    silent,
)
from calibrant.estimators.sampled import Compared, Floats, likelihoods, said
from calibrant.models.model import Model
from calibrant.records import Answer, Answered

Form = Literal["counting", "likelihood"]


@dataclass(frozen=True, kw_only=True)
class Sampling(Compared, Untrained):
    """The share of the samples that say what the answer says.

    `counting` counts them; `likelihood` accumulates length-normalised likelihoods: their sum over
    the samples that agree, divided by the sum over all.
    """

    name: ClassVar = "sampling"
    form: Form = "counting"
    """What each sample weighs."""


class FittedSampling(Unfitted):
    """Nothing but the settings."""

    estimator: Sampling

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the share, infinite where no sample or every sample agrees."""
        estimator = self.estimator

        def work(items: list[Answered], samples: list[list[Answer]]) -> Floats:
            groups = [
                (item.question, [said(item.answer)], [said(one) for one in drawn])
                for item, drawn in zip(items, samples)
            ]
            agree = estimator.same(groups, model, say)
            weigh = estimator.weighs
            weights = [likelihoods(drawn) if weigh else np.ones(len(drawn)) for drawn in samples]
            return log_odds(np.array([share(a[0], w) for a, w in zip(agree, weights)]))

        return estimator.scores(items, model, say, work)


def share(agrees: np.ndarray, weights: Floats) -> float:
    """The weight of the samples that agree over the weight of all; both (K,)."""
    # What is left over is added up by itself: a share of 1 is then exactly 1.
    left_over, agreed = weights[~agrees].sum(), weights[agrees].sum()
    return float(agreed / (agreed + left_over))
