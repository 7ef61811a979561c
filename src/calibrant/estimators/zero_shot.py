"""The confidence query on the untouched model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from calibrant.answers.hidden import kept_log_odds
from calibrant.answers.query import log_odds_after, query_scores
from calibrant.estimators.estimator import (
    Say,
    Scores,
    Unfitted,
    Untrained,
    silent,
)
from calibrant.models.local import LocalModel, local
from calibrant.models.model import Capability, Model
from calibrant.models.prefix import Prefix
from calibrant.records import Answered


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Untrained):
    """Asks the model itself whether its answer is correct."""

    name: ClassVar = "zero_shot"
    needs: ClassVar = frozenset({Capability.HIDDEN_STATES})


class FittedZeroShot(Unfitted):
    """Nothing but the query."""

    estimator: ZeroShot

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the two options; as they were kept, if all of these answers' were."""
        known = kept_log_odds(items, local(model))
        return Scores.whole(query_scores(items, local(model), say=say) if known is None else known)

    def score_read(self, read: Prefix, model: LocalModel) -> Scores | None:
        """The query, after what was read."""
        return Scores.whole(log_odds_after(read, model))
