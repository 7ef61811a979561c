"""The confidence query on the untouched model, which is shown its own samples first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from calibrant.answers.prompts import Prompts
from calibrant.answers.query import row_scores
from calibrant.estimators.estimator import Say, Scores, Unfitted, Untrained, silent
from calibrant.estimators.sampled import Floats, Sampled
from calibrant.models.local import local
from calibrant.models.model import Capability, Model
from calibrant.records import Answer, Answered

NO_ROOM = "the question is too long to be asked about a proposed answer"


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
        prompts = Prompts.of(base)

        def work(items: list[Answered], samples: list[list[Answer]]) -> Floats:
            found = [
                _row(prompts, item, [one.text for one in drawn], base.max_tokens)
                for item, drawn in zip(items, samples)
            ]
            if n := sum(shown < len(drawn) for (_, shown), drawn in zip(found, samples)):
                say(f"{n} of {len(items)} questions are shown fewer samples: no room for all")
            values = np.full(len(found), np.nan)
            there = [i for i, (row, _) in enumerate(found) if row]
            values[there] = row_scores([found[i][0] for i in there], base, say=say)
            return values

        return self.estimator.scores(items, model, say, work, why=NO_ROOM)


def _row(
    prompts: Prompts, item: Answered, shown: list[str], most: int | None
) -> tuple[list[int], int]:
    """(token ids, how many of the samples they show): the first ones, as there is room for.

    An answer that there is no room for even without them is cut at its front, as elsewhere; no ids
    where the question alone takes all.
    """
    text = item.answer.text
    while (excess := len(row := prompts.with_samples(item, shown)) - (most or len(row))) > 0:
        if shown:
            shown = shown[:-1]
        elif text:
            text = text[max(1, len(text) * excess // len(row)) :]
            item = replace(item, answer=replace(item.answer, id="", text=text))
        else:
            return [], 0
    return row, len(shown)
