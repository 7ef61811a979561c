"""The confidence query on the untouched model, which is shown its own samples first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from calibrant.answers.prompts import Prompts
from calibrant.answers.query import row_scores
from calibrant.estimators.estimator import Say, Scores, Unfitted, Untrained, silent
from calibrant.estimators.sampled import Floats, Sampled
from calibrant.models.local import local
from calibrant.models.model import Capability, Model
from calibrant.records import Answer, Answered


@dataclass(frozen=True, kw_only=True)
class PTrue(Sampled, Untrained):
    """P(True) of Kadavath et al. (2022): the samples, the answer, and whether it is correct."""

    name: ClassVar = "p_true"

    @property
    def needs(self) -> frozenset[Capability]:  # type: ignore[override]
        """The logits of the model, beside what draws the samples."""
        return super().needs | {Capability.HIDDEN_STATES}


class FittedPTrue(Unfitted):
    """Nothing but the query."""

    estimator: PTrue

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the two options."""
        base = local(model)
        prompts = Prompts(base.tokenizer)

        def work(items: list[Answered], samples: list[list[Answer]]) -> Floats:
            rows = [
                _row(prompts, item, [one.text for one in drawn], base.max_tokens)
                for item, drawn in zip(items, samples)
            ]
            return np.array(row_scores(rows, base, say=say), dtype=np.float64)

        return self.estimator.scores(items, model, say, work)


def _row(prompts: Prompts, item: Answered, shown: list[str], most: int | None) -> list[int]:
    """Token ids that show as many of the samples, the first ones, as there is room for."""
    while len(row := prompts.with_samples(item, shown)) > (most or len(row)) and shown:
        shown = shown[:-1]
    return row
