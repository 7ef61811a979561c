"""A probe: a head on the frozen model's hidden state after its answer (Kapoor et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from calibrant.answers.hidden import Place, kept_states
from calibrant.errors import InvalidData
from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    non_default,
    silent,
)
from calibrant.estimators.vector_head import (
    Head,
    Kind,
    Vectors,
    fit_head,
    head_scores,
    load_head,
    save_head,
)
from calibrant.models.local import local
from calibrant.models.model import Capability, Model
from calibrant.records import Answered, Graded


@dataclass(frozen=True, kw_only=True)
class Probe(Estimator):
    """Reads whether the answer is right from one place of one or several layers.

    With the query's text after the answer the paper finds 2 to 7 points of AUROC more.
    """

    name: ClassVar = "probe"
    needs: ClassVar = frozenset({Capability.HIDDEN_STATES})
    head: Kind = "mlp"
    """The paper's MLP, or a logistic regression whose penalty the validation answers choose."""
    place: Place = "query"
    """Where it reads."""
    layers: tuple[int, ...] = (-1,)
    """Which layers: 0 = embeddings, k = after block k, negative ones from the end."""
    mix: bool = False
    """Learn a mix of the layers (MLP only); otherwise they lie side by side."""
    n_epochs: float = 30.0
    """Of the MLP, at most; the validation log loss ends it before."""
    learning_rate: float = 1e-3
    """Of the MLP."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.layers:
            raise InvalidData("a probe reads one layer at least")
        if self.mix and self.head != "mlp":
            raise InvalidData("only the MLP learns a mix of layers")

    @property
    def variant(self) -> str:
        """Head and place, and the settings that are not the usual ones."""
        return f"{self.head} {self.place} {non_default(self, but=['head', 'place'])}".strip()

    @classmethod
    def forms(cls) -> tuple[Estimator, ...]:
        """The paper's two probes, and a linear one."""
        return cls(place="last"), cls(), cls(head="logistic")

    def prepare(
        self, splits: Mapping[str, Sequence[Answered]], model: Model, say: Say = silent
    ) -> None:
        """Read the states of all answers."""
        for items in splits.values():
            self._vectors(items, model, say)

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
        """Fit the head on the states."""
        kept, correct = graded_only(train)
        checked, checked_correct = graded_only(validation, "validation")
        head = fit_head(
            self.head,
            self._vectors(kept, model, say),
            correct,
            self._vectors(checked, model, say),
            checked_correct,
            seed=seed,
            n_epochs=self.n_epochs,
            learning_rate=self.learning_rate,
            n_mixed=len(self.layers) if self.mix else 1,
        )
        return FittedProbe(self, head)

    def _vectors(self, items: Sequence[Answered], model: Model, say: Say) -> Vectors:
        states = kept_states(items, local(model), self.layers, self.place, say)
        return states.reshape(len(items), np.prod(states.shape[1:], dtype=int)).astype(np.float64)


class FittedProbe(FittedEstimator):
    """A head."""

    def __init__(self, estimator: Probe, head: Head) -> None:
        self.estimator: Probe = estimator
        self.head = head

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the head."""
        if not items:
            return Scores.whole([])
        return Scores.whole(head_scores(self.estimator._vectors(items, model, say), self.head))

    def save(self, folder: Path) -> dict[str, Any]:
        """The head."""
        return save_head(self.head, folder)

    @staticmethod
    def load(estimator: Probe, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the head."""
        return FittedProbe(estimator, load_head(state, folder))
