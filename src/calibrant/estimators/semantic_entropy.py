"""The entropy over the meanings of what the model samples."""

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
    silent,
)
from calibrant.estimators.sampled import Compared, Floats, likelihoods, said
from calibrant.grades.equivalence import clusters
from calibrant.models.model import Model
from calibrant.records import Answer, Answered

Form = Literal["discrete", "weighted"]


@dataclass(frozen=True, kw_only=True)
class SemanticEntropy(Compared, Untrained):
    """Minus the entropy, in nats, over clusters of samples that say the same (Kuhn et al. 2023).

    A cluster's probability is its share of the samples (`discrete`) or of their length-normalised
    likelihoods (`weighted`). It tells of the question only: every answer to it scores the same.
    """

    name: ClassVar = "semantic_entropy"
    form: Form = "discrete"
    """What each sample weighs."""

    @property
    def score_is_confidence(self) -> bool:
        """An entropy is no probability."""
        return False


class FittedSemanticEntropy(Unfitted):
    """Nothing but the settings."""

    estimator: SemanticEntropy

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Minus the entropy: 0 when all samples say the same, at least -log K."""
        estimator = self.estimator

        def work(items: list[Answered], samples: list[list[Answer]]) -> Floats:
            return -entropies(estimator, items, samples, model, say=say)

        return estimator.scores(items, model, say, work)


def entropies(
    how: Compared,
    items: Sequence[Answered],
    samples: Sequence[Sequence[Answer]],
    model: Model,
    *,
    say: Say = silent,
) -> Floats:
    """Semantic entropy (N,) in nats of the samples to each item's question."""
    texts = [[said(one) for one in drawn] for drawn in samples]
    groups = [(item.question, words, words) for item, words in zip(items, texts)]
    weights = [likelihoods(drawn) if how.weighs else np.ones(len(drawn)) for drawn in samples]
    same = how.same(groups, model, say)
    return np.array([entropy(clusters(s), w) for s, w in zip(same, weights)], dtype=np.float64)


def entropy(labels: Sequence[int], weights: Floats) -> float:
    """Entropy in nats over clusters (label of each sample) that weigh what their samples do."""
    total = np.bincount(labels, weights=weights)
    p = total[total > 0] / total.sum() if total.sum() > 0 else np.array([np.nan])
    return abs(float((p * np.log(p)).sum()))
