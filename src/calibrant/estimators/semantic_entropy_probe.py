"""A linear probe on hidden states that tells whether the samples would mean many things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from calibrant.answers.hidden import Place, kept_states, n_layers
from calibrant.errors import InvalidData, TooFewClasses
from calibrant.estimators.estimator import FittedEstimator, Say, Scores, silent
from calibrant.estimators.logistic_head import LogisticHead
from calibrant.estimators.sampled import Compared, Floats
from calibrant.estimators.semantic_entropy import entropies
from calibrant.models.local import local
from calibrant.models.model import Capability, Model
from calibrant.records import Answered, Graded


@dataclass(frozen=True, kw_only=True)
class SemanticEntropyProbe(Compared):
    """Predicts a low semantic entropy from one hidden state (Kossen et al. 2024).

    It is fitted on samples alone and needs no grade, so ungraded answers serve, too. At prediction
    it costs one pass and draws nothing.
    """

    name: ClassVar = "semantic_entropy_probe"
    layers: tuple[int, ...] = ()
    """Layers whose states are read, side by side; none: the one two thirds of the way up."""
    place: Place = "last"
    """Where they are read."""
    strength: float = 1.0
    """Inverse of the probe's L2 penalty."""

    @property
    def needs(self) -> frozenset[Capability]:  # type: ignore[override]
        """Hidden states, beside what draws the samples."""
        return super().needs | {Capability.HIDDEN_STATES}

    @property
    def learns_from_verdicts(self) -> bool:
        """Entropies are learned, not grades."""
        return False

    @property
    def score_is_confidence(self) -> bool:
        """It claims a low entropy, not that the answer is right."""
        return False

    def prepare(
        self, splits: Mapping[str, Sequence[Answered]], model: Model, say: Say = silent
    ) -> None:
        """Draw the samples that it is fitted on."""
        if model.cache is not None:
            self.samples(splits["train"], model, say)

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
        """A logistic regression of whether the entropy is low; grades are not looked at.

        Raises
        ------
        InvalidData
            When there is no answer with all its samples.
        TooFewClasses
            When all have the same entropy.
        """
        drawn = self.samples(train, model, say)
        whole = [i for i, samples in enumerate(drawn) if len(samples) == self.n_samples]
        if len(whole) < len(train):
            say(f"{len(train) - len(whole)} answers have too few samples and are left out")
        if not whole:
            raise InvalidData(f"none of the {len(train)} training answers has its samples")
        items: list[Answered] = [train[i] for i in whole]
        found = entropies(self, items, [drawn[i] for i in whole], model, say=say)
        limit = best_split(found)
        features = _features(self, items, model, say)
        head = LogisticHead.fit(features, (found <= limit).astype(float), strength=self.strength)
        return FittedSemanticEntropyProbe(self, head, limit)


def best_split(entropy: Floats) -> float:
    """The entropy at which low (at most it) and high are parted: least squared error within both.

    Raises
    ------
    TooFewClasses
        When all are the same.
    """
    # Sums over clusters differ in the last digit.
    levels = np.unique(entropy.round(9))
    if len(levels) < 2:
        raise TooFewClasses(
            f"the samples of all {len(entropy)} questions have the same semantic entropy,"
            f" {levels[0]:.3f}: nothing to learn; draw more samples or at another temperature"
        )

    def error(limit: float) -> float:
        low = entropy <= limit
        return float(sum(part.var() * len(part) for part in (entropy[low], entropy[~low])))

    limits = (levels[1:] + levels[:-1]) / 2
    return float(min(limits, key=error))


def _features(
    estimator: SemanticEntropyProbe, items: Sequence[Answered], model: Model, say: Say
) -> Floats:
    base = local(model)
    layers = estimator.layers or (round(2 * n_layers(base) / 3),)
    states = kept_states(items, base, layers, estimator.place, say)
    return states.reshape(len(items), np.prod(states.shape[1:], dtype=int)).astype(np.float64)


class FittedSemanticEntropyProbe(FittedEstimator):
    """A linear probe."""

    def __init__(self, estimator: SemanticEntropyProbe, head: LogisticHead, limit: float) -> None:
        self.estimator: SemanticEntropyProbe = estimator
        self.head, self.limit = head, limit

    @property
    def reads(self) -> tuple[str, ...]:
        """Nothing: samples are for fitting."""
        return ()

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds that the semantic entropy is low."""
        return Scores.whole(self.head.score(_features(self.estimator, items, model, say)))

    def save(self, folder: Path) -> dict[str, Any]:
        """The probe, and the entropy (nats) up to which it is called low."""
        return {"head": self.head.to_dict(), "limit": self.limit}

    @staticmethod
    def load(
        estimator: SemanticEntropyProbe, state: dict[str, Any], folder: Path
    ) -> FittedEstimator:
        """From the probe."""
        head = LogisticHead(**state["head"])
        return FittedSemanticEntropyProbe(estimator, head, state["limit"])
