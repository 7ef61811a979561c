"""Fits and scores of experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calibrant.estimators.max_softmax import MaxSoftmax
from calibrant.experiments.fitting import (
    N_TRIED,
    Fit,
    fit_and_score,
    kept,
    pending,
    read_scores,
)
from calibrant.models.model import Given
from calibrant.records import Answer, Answered, ModelName, Question

FIT = Fit(MaxSoftmax(), [], [], Given())


def some(n: int, speaks: Callable[[int], bool]) -> list[Answered]:
    found = []
    for i in range(n):
        question = Question(text=f"Question {i}?", targets=("x",), choices=("x", "y"))
        answer = Answer(
            question_id=question.id, text="A", extracted="A", model=ModelName(name="m"),
            option_probs=(0.9, 0.1) if speaks(i) else (),
        )  # fmt: skip
        found.append(Answered(question=question, answer=answer))
    return found


def scores(folder: Path, items: list[Answered]) -> tuple[np.ndarray, set[str]]:
    if left := pending(folder, items):
        fit_and_score(folder, FIT, left)
    found = read_scores(folder, items)
    return found.values, set(found.scores.reasons.values())


@pytest.mark.parametrize("n", [90, 600])
def test_who_states_a_confidence_on_some_subjects_is_asked_for_all(n: int, tmp_path: Path) -> None:
    """Their subjects come in turn: a sample must not fall on the silent ones alone."""
    items = some(n, lambda i: i % 12 == 1)
    values, _ = scores(tmp_path, items)
    assert np.isfinite(values).tolist() == [i % 12 == 1 for i in range(n)]


def test_who_states_hardly_any_is_not_asked_on_nor_again(tmp_path: Path) -> None:
    items = some(600, lambda i: False)
    values, reasons = scores(tmp_path / "one", items)
    tried = kept(tmp_path / "one")
    assert np.isnan(values).all() and len(tried) == N_TRIED
    (why,) = (reason for reason in reasons if reason.startswith("not asked"))
    assert f"of {N_TRIED} that were tried, 0 had one" in why
    more = some(900, lambda i: i >= 600)  # known by then to be silent
    assert pending(tmp_path / "one", more) == []
    values, reasons = scores(tmp_path / "one", more[600:])
    assert np.isnan(values).all() and reasons == {why}
    scores(tmp_path / "other", items[::-1])
    assert kept(tmp_path / "other").keys() == tried.keys()  # whatever their order
