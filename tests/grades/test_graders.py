"""Every grader: verdicts by hand, three states, never a guess."""

from __future__ import annotations

import pytest

from calibrant import registry
from calibrant.answers.extract import extract
from calibrant.grades.grader import grade, normalise
from calibrant.records import Answer, Answered, ModelName, Question, Verdict

GRADERS = registry.variants("grades")


def item(
    text: str, *targets: str, choices: tuple[str, ...] = (), answerable: bool = True
) -> Answered:
    question = Question(text="?", targets=targets, choices=choices, answerable=answerable)
    answer = Answer(
        question_id=question.id,
        text=text,
        extracted=extract(text, question),
        model=ModelName(name="someone"),
    )
    return Answered(question=question, answer=answer)


@pytest.mark.parametrize("name", GRADERS)
def test_contract(name: str) -> None:
    grader = GRADERS[name]()
    items = [item("Paris", "Paris", choices=("Paris", "Rome") * (name == "letter"))]
    grades = grader.grade(items * 2)
    assert [g.verdict for g in grades] == [Verdict.CORRECT] * 2
    assert grader.name == name and grades[0].grader == f"{name}/{grader.version}"
    assert grader == type(grader)()
    without = grader.grade([item("Paris", choices=("Paris", "Rome") * (name == "letter"))])[0]
    assert without.verdict is Verdict.UNGRADED and without.reason
    choices = ("Paris", "Rome") * (name == "letter")
    nothing = grader.grade([item("A", choices=choices, answerable=False)])[0]
    assert nothing.verdict is Verdict.INCORRECT
    with pytest.raises(TypeError):
        bool(nothing.verdict)


@pytest.mark.parametrize(
    ("text", "target", "exact", "substring"),
    [
        ("The answer is Paris.", "Paris", True, True),
        ("paris", "Paris", True, True),
        ("forty seven", "forty-seven", True, True),
        ("1,000", "1000", True, True),
        ("Paris, the largest city", "Paris", False, True),
        ("112", "12", False, False),
        ("It is -5.", "5", False, False),
        ("-5", "-5", True, True),
        ("São Tomé", "Sao Tome", True, True),
        ("", "Paris", False, False),
        ("The Netherlands", "Netherlands", True, True),
        ("9:15 p.m.", "9:15 pm", True, True),
    ],
)
def test_open_answers(text: str, target: str, exact: bool, substring: bool) -> None:
    one = item(text, target)
    for name, expected in (("exact", exact), ("substring", substring)):
        assert (grade([one], name)[0].verdict is Verdict.CORRECT) is expected, name


def test_normalise_is_idempotent() -> None:
    for text in ("The U.S. dollar", "1,234.5", "-7", "a", "The", "O'Neill's"):
        assert normalise(normalise(text)) == normalise(text)


def test_choices_go_by_the_letter_whatever_the_grader() -> None:
    right = item("B", "Rome", choices=("Paris", "Rome"))
    wrong = item("A", "Rome", choices=("Paris", "Rome"))
    silent = item("I do not know", "Rome", choices=("Paris", "Rome"))
    verdicts = [g.verdict for g in grade([right, wrong, silent], "exact")]
    assert verdicts == [Verdict.CORRECT, Verdict.INCORRECT, Verdict.UNGRADED]
