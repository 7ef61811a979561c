"""Scores of the plainest estimators, worked out by hand."""

from __future__ import annotations

from math import expm1, log

import numpy as np
import pytest

from calibrant.estimators.base_rate import BaseRate
from calibrant.estimators.sequence_likelihood import SequenceLikelihood
from calibrant.estimators.subject_rate import SubjectRate
from calibrant.models.model import Given
from calibrant.records import Answer, Grade, Graded, ModelName, Question, Verdict


def graded(i: int, correct: bool, subject: str = "", category: str = "", **more: object) -> Graded:
    question = Question(text=f"{i}?", targets=("a",), subject=subject, category=category)
    said = Answer(question_id=question.id, text="a", model=ModelName(name="m"), **more)
    verdict = Verdict.CORRECT if correct else Verdict.INCORRECT
    grade = Grade(answer_id=said.id, verdict=verdict, grader="g/1")
    return Graded(question=question, answer=said, grade=grade)


def test_rates() -> None:
    """Three of four are right; a subject's share counts the share of all as one more answer."""
    train = [graded(i, i < 3, ("art", "law")[i // 2], "x") for i in range(4)]
    found = BaseRate().fit(train, [], Given(), 0).score(train, Given()).values
    assert found == pytest.approx([log(3)] * 4)
    asked = [graded(9, True, *where) for where in ("art x", "law x", "new x", "new y")
             for where in [where.split()]]  # fmt: skip
    rates = np.array([2.75 / 3, 1.75 / 3, 3.75 / 5, 0.75])  # then the category's, then that of all
    found = SubjectRate().fit(train, [], Given(), 0).score(asked, Given()).values
    assert found == pytest.approx(np.log(rates / (1 - rates)))


@pytest.mark.parametrize(("form", "log_p"), [("mean", -0.2), ("sum", -0.4), ("min", -0.3)])
def test_likelihood(form: str, log_p: float) -> None:
    item = graded(0, True, log_probs=(-0.1, -0.3), token_ids=(1, 2))
    found = SequenceLikelihood(form=form).fit([], [], Given(), 0).score([item], Given())  # type: ignore[arg-type]
    assert found.values == pytest.approx([log_p - log(-expm1(log_p))])
