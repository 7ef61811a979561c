"""The nouns: frozen, refusing the unknown, the same after a round trip."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from calibrant.errors import InvalidData
from calibrant.records import (
    Answer,
    Answered,
    Confidence,
    Grade,
    Graded,
    ModelName,
    Question,
    Source,
    Verdict,
    from_row,
    to_row,
)

QUESTION = Question(
    text="?", choices=("a", "b"), targets=("a",), source=Source(name="s", split="unseen")
)
ANSWER = Answer(
    question_id=QUESTION.id,
    text="a",
    model=ModelName(name="m"),
    token_ids=(1, 2),
    log_probs=(-0.5, -0.25),
    top_log_probs=((-0.5, -1.0), (-0.25, -2.0)),
    finish_reason="stop",
)
GRADE = Grade(answer_id=ANSWER.id, verdict=Verdict.CORRECT, grader="exact/1")
CONFIDENCE = Confidence(
    answer_id=ANSWER.id, value=None, reason="why", estimator="e", calibrator="c"
)


@pytest.mark.parametrize("record", [QUESTION, ANSWER, GRADE, CONFIDENCE])
def test_round_trip_and_frozen(record: object) -> None:
    row = to_row(record)
    assert from_row(type(record), row) == record
    with pytest.raises(InvalidData, match="colour"):
        from_row(type(record), {**row, "colour": 1})
    with pytest.raises(FrozenInstanceError):
        setattr(record, fields(record)[0].name, "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        type(record)(1)


def test_ids_are_content_not_position() -> None:
    assert Question(text="?").id == Question(text="?", group="elsewhere").id
    assert Question(text="?").id != Question(text="?", targets=("a",)).id
    assert Question(text="?").group == Question(text="?").id


def test_ungraded_is_a_state() -> None:
    ungraded = Grade(answer_id=ANSWER.id, verdict=Verdict.UNGRADED, grader="g", reason="silent")
    item = Graded(question=QUESTION, answer=ANSWER, grade=ungraded)
    assert not item.is_graded
    with pytest.raises(InvalidData, match="silent"):
        _ = item.correct
    with pytest.raises(TypeError):
        bool(Verdict.INCORRECT)


def test_an_estimator_sees_no_grade() -> None:
    assert "grade" not in {field.name for field in fields(Answered)}


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidData):
        Question(text="  ")
    with pytest.raises(InvalidData):
        Question(text="?", targets=("a",), answerable=False)
