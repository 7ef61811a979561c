"""What the test answers' verdicts may decide: the metrics, and nothing before them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrant import pipeline
from calibrant.calibration import Platt
from calibrant.confidences import by_split, run_table
from calibrant.estimators.base_rate import BaseRate
from calibrant.evaluation import external
from calibrant.evaluation.evaluate import answered
from calibrant.models.model import Given
from calibrant.records import (
    Answer,
    Confidence,
    Grade,
    Graded,
    ModelName,
    Question,
    Source,
    Verdict,
)
from calibrant.runs import Run

N = 600


def graded(i: int, correct: bool) -> Graded:
    source = Source(name="almanac", split="mixture")
    question = Question(text=f"{i}?", targets=("yes",), source=source)
    said = Answer(question_id=question.id, text="yes", model=ModelName(name="m"))
    verdict = Verdict.CORRECT if correct else Verdict.INCORRECT
    grade = Grade(answer_id=said.id, verdict=verdict, grader="g/1")
    return Graded(question=question, answer=said, grade=grade)


def made(folder: Path, scores: np.ndarray, right: np.ndarray) -> Run:
    """A run with one estimator's scores."""
    items = [graded(i, bool(correct)) for i, correct in enumerate(right)]
    run = Run(folder, {"seed": 0, "model": {"name": "m"}, "prompt": "p"})
    run.replace("questions", [item.question for item in items])
    run.replace("answers", [item.answer for item in items])
    run.replace("grades", [item.grade for item in items])
    told: dict[str, Any] = {"estimator": "e", "calibrator": "none"}
    run.replace(
        "confidences/e-open",
        [
            Confidence(answer_id=item.answer.id, value=0.5, score=float(score), **told)
            for item, score in zip(items, scores)
        ],
    )
    run.note(fitted={"e-open": {"estimator": "e", "variant": "", "is_confidence": True}})
    return run


def test_calibrators_and_thresholds_are_of_the_calibration_answers(tmp_path: Path) -> None:
    """Worked by hand from them; the test's verdicts turned round change neither."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, N)
    right = rng.random(N) < 1 / (1 + np.exp(-3 * scores))
    run = made(tmp_path / "run", scores, right)
    place = {item.question.text: i for i, item in enumerate(run.graded())}
    splits = by_split(run.graded(), 0)
    held, test = (
        [place[item.question.text] for item in splits[name]] for name in ("calibration", "test")
    )
    (column,) = run_table(run, ("platt",))[0].columns
    by_hand = Platt().fit(scores[held], right[held].astype(float))
    np.testing.assert_allclose(column.confidence, by_hand.confidence(scores[test]))
    given = answered(
        np.asarray(by_hand.confidence(scores[held])), right[held].astype(float), column.confidence
    )
    assert 0 < column.answered[0.9].mean() < 1
    for target, expected in given.items():
        np.testing.assert_array_equal(column.answered[target], expected)
    right[test] = ~right[test]
    (after,) = run_table(made(tmp_path / "turned", scores, right), ("platt",))[0].columns
    np.testing.assert_array_equal(after.confidence, column.confidence)
    for target in given:
        np.testing.assert_array_equal(after.answered[target], column.answered[target])


def test_estimators_learn_from_the_training_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, fit = [], BaseRate.fit

    def spy(self: BaseRate, train: Any, validation: Any, *rest: Any, **more: Any) -> Any:
        seen.append((train, validation))
        return fit(self, train, validation, *rest, **more)

    monkeypatch.setattr(BaseRate, "fit", spy)
    names = ("train", "validation", "calibration", "test")
    splits = {s: [graded(10 * n + i, i % 2 > 0) for i in range(4)] for n, s in enumerate(names)}
    pipeline._fit_one(tmp_path, "e-open", BaseRate(), Platt(), splits, Given(), 0, lambda _: None)
    assert seen == [(splits["train"], splits["validation"])]


@pytest.mark.parametrize("calibrator", ["platt", "none"])
def test_a_table_s_rows_are_judged_by_other_groups(calibrator: str) -> None:
    """A group's own verdicts turned round do not move its confidences, nor which are given.

    With a calibrator they move others' confidences, which thresholds are chosen on.
    """
    rng, n = np.random.default_rng(0), 120
    p = np.repeat(rng.uniform(0.05, 0.95, n // 2), 2)
    y = np.repeat((rng.random(n // 2) < p[::2]).astype(float), 2)
    group = np.repeat([f"g{i}" for i in range(n // 2)], 2)
    before = external._column("e", calibrator, p, y, group)
    for i in range(0, n, 2):
        turned = y.copy()
        turned[i : i + 2] = 1 - turned[i : i + 2]
        after = external._column("e", calibrator, p, turned, group)
        np.testing.assert_array_equal(after.confidence[i : i + 2], before.confidence[i : i + 2])
        for target, given in before.answered.items() if calibrator == "none" else ():
            np.testing.assert_array_equal(after.answered[target][i : i + 2], given[i : i + 2])
