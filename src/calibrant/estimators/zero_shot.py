"""The confidence query on the untouched model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from calibrant.answers.query import log_odds_after, query_scores
from calibrant.estimators.estimator import Estimator, FittedEstimator, Say, Scores, silent
from calibrant.models.local import LocalModel, local
from calibrant.models.model import Capability, Model
from calibrant.models.prefix import Prefix
from calibrant.records import Answered, Graded


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Estimator):
    """Asks the model itself whether its answer is correct."""

    name: ClassVar = "zero_shot"
    learns: ClassVar = False
    needs: ClassVar = frozenset({Capability.HIDDEN_STATES})

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
        """Nothing to fit."""
        return FittedZeroShot(self)


class FittedZeroShot(FittedEstimator):
    """Nothing but the query."""

    def __init__(self, estimator: ZeroShot) -> None:
        self.estimator = estimator

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the two options."""
        return Scores.whole(query_scores(items, local(model), say=say))

    def score_read(self, read: Prefix, model: LocalModel) -> Scores | None:
        """The query, after what was read."""
        return Scores.whole(log_odds_after(read, model))

    def save(self, folder: Path) -> dict[str, Any]:
        """Nothing."""
        return {}

    @staticmethod
    def load(estimator: ZeroShot, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From nothing."""
        return FittedZeroShot(estimator)
