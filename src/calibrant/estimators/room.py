"""Questions that leave a model no room for the query: not learned from, and without a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from calibrant.answers.prompts import Prompts
from calibrant.estimators.estimator import Estimator, FittedEstimator, Say, Scores, silent
from calibrant.models.local import LocalModel
from calibrant.models.model import Model
from calibrant.records import Answered, Graded

LEARN = ("train", "validation")
AnyAnswered = TypeVar("AnyAnswered", bound=Answered)


def scores_of(
    fitted: FittedEstimator, items: Sequence[Answered], model: Model, say: Say = silent
) -> Scores:
    """Scores of items; missing where the question leaves a model that is called no room."""
    if not (long := _without_room(fitted.estimator, items, model)):
        return fitted.score(items, model, say)
    kept = [i for i in range(len(items)) if i not in long]
    found = fitted.score([items[i] for i in kept], model, say)
    values = np.full(len(items), np.nan)
    values[kept] = found.values
    return Scores(values=values, reasons=long | {kept[k]: r for k, r in found.reasons.items()})


def _without_room(estimator: Estimator, items: Sequence[Answered], model: Model) -> dict[int, str]:
    if estimator.calls_model and isinstance(model, LocalModel):
        return Prompts.of(model, estimator.asks).without_room(items, model)
    return {}


def with_room(
    estimator: Estimator, items: Sequence[AnyAnswered], model: Model, say: Say = silent
) -> list[AnyAnswered]:
    """Items whose question leaves a model that is called room for the query; others are counted."""
    if (long := _without_room(estimator, items, model)) and estimator.learns:
        say(f"{len(long)} questions are too long for {model.name.name}: not learned from")
    return [item for i, item in enumerate(items) if i not in long]


def learnable(
    estimator: Estimator, splits: Mapping[str, Sequence[Graded]], model: Model, say: Say
) -> dict[str, Sequence[Graded]]:
    """The splits, of those that are learned from only what has room."""
    learn = {part: with_room(estimator, splits[part], model, say) for part in LEARN}
    return {**splits, **learn}
