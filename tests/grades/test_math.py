"""Mathematical equality, and a time limit that holds."""

from __future__ import annotations

from calibrant.grades import math as module
from calibrant.grades.grader import grade, grader_called
from calibrant.grades.math import Math
from calibrant.records import Answer, Answered, ModelName, Question, Verdict


def item(text: str, *targets: str) -> Answered:
    question = Question(text="?", targets=targets)
    answer = Answer(question_id=question.id, text=text, model=ModelName(name="someone"))
    return Answered(question=question, answer=answer)


def test_equality_and_three_states() -> None:
    pairs = [
        ("0.5", "1/2", True),
        ("$(x+1)^2$", "x^2+2x+1", True),
        ("(x+1)^2", "x^2+2x+1", True),
        ("The answer is $2\\sqrt{2}$.", "\\sqrt{8}", True),
        ("\\boxed{\\frac{3}{4}}", "$0.75$", True),
        ("$\\{2, 1\\}$", "{1,2}", True),
        ("so 12 apples", "12", True),
        ("y=2x+1", "y=2x+1", True),
        ("(1, 2)", "(1,2)", True),
        ("(1, 2)", "(2, 1)", False),
        ("13", "12", False),
        ("$x^2$", "x^3", False),
        ("I do not know", "12", False),
    ]
    grades = grade([item(text, target) for text, target, _ in pairs], "math")
    assert [g.verdict is Verdict.CORRECT for g in grades] == [same for *_, same in pairs]
    others = grade([item("Paris", "Paris"), item("1"), item("7", "x", "7")], "math")
    assert [g.verdict.value for g in others] == ["ungraded", "ungraded", "correct"]
    assert others[0].reason == "no target is mathematics"


def test_what_takes_forever_is_left_ungraded_and_the_rest_is_not() -> None:
    items = [item("1", "1"), item("$(10^8)!$", "5"), item("2", "2"), item("3", "4")]
    grades = grade(items, grader_called("math", ["timeout_s=1.5"]))
    verdicts = [g.verdict.value for g in grades]
    assert verdicts == ["correct", "ungraded", "correct", "incorrect"]
    assert grades[1].reason == "comparing took longer than 1.5 s"


def test_a_process_that_hangs_or_dies() -> None:
    worker = module._Worker()
    assert worker.ask({"targets": ["1"], "answer": "1"}, 20) == {"same": True, "why": ""}
    first = worker.process
    assert first is not None
    first.kill()
    first.wait()
    died = worker.ask({"targets": ["1"], "answer": "1"}, 20)
    assert died is not None and died["same"] is None and "died" in died["why"]
    assert worker.ask({"targets": ["1"], "answer": "1"}, 20) == {"same": True, "why": ""}
    assert worker.ask({"targets": ["1"], "answer": "1"}, 0.0) is None
    assert worker.process is None
    assert Math().grade([]) == []
