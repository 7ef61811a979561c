"""Items from a run's folder, which no model is needed to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibrant.cli import app
from calibrant.errors import InvalidData
from calibrant.records import Answer, Confidence, Grade, ModelName, Question, Verdict
from calibrant.runs import Run
from calibrant.study.design import Arm
from calibrant.study.folder import Study, new_study
from calibrant.study.items import of_run

from .conftest import make_design


def make_run(folder: Path, n: int = 120) -> Run:
    """Choices and open questions, some ungraded, one scored by nobody."""
    generator = np.random.default_rng(0)
    run = Run(folder, {"model": {"name": "m"}, "seed": 0})
    model = ModelName(name="m")
    questions = [
        Question(
            text=f"Question {i}",
            choices=("w", "x", "y", "z") if i % 2 else (),
            targets=("x",),
            subject=f"s{i % 3}",
        )
        for i in range(n)
    ]
    right = generator.random(n) < 0.6
    answers = [
        Answer(
            question_id=q.id,
            text=("B" if ok else "D") if q.choices else ("x" if ok else "v"),
            extracted=("B" if ok else "D") if q.choices else ("x" if ok else "v"),
            model=model,
        )
        for q, ok in zip(questions, right)
    ]
    verdicts = [Verdict.CORRECT if ok else Verdict.INCORRECT for ok in right]
    verdicts[0] = Verdict.UNGRADED
    grades = [
        Grade(answer_id=a.id, verdict=v, grader="g", reason="r") for a, v in zip(answers, verdicts)
    ]
    run.replace("questions", questions)
    run.replace("answers", answers)
    run.replace("grades", grades)
    fitted = {}
    for kind, remainder in (("open", 0), ("choice", 1)):
        for estimator, is_confidence in (("zero_shot", True), ("lora_prompt", False)):
            rows = [
                Confidence(
                    answer_id=a.id,
                    value=0.5,
                    score=None if i == 1 else float(generator.normal(2 * ok - 1, 1)),
                    estimator=estimator,
                    calibrator="none",
                )
                for i, (a, ok) in enumerate(zip(answers, right))
                if i % 2 == remainder
            ]
            run.replace(f"confidences/{estimator}-{kind}", rows)
            fitted[f"{estimator}-{kind}"] = {
                "estimator": estimator, "variant": "", "is_confidence": is_confidence,
            }  # fmt: skip
    run.note(fitted=fitted)
    return run


def test_items_of_a_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    items = of_run(run.folder)
    assert len(items) == 118  # one is ungraded, one has no score
    by_id = {graded.question.id: graded for graded in run.graded()}
    for item in items:
        graded = by_id[item.question_id]
        assert item.model_correct is graded.correct is item.is_right(item.prediction)
        assert item.topic == graded.question.subject
        assert set(item.confidences) == {
            "zero_shot", "zero_shot/none", "zero_shot/platt", "zero_shot/temperature",
            "lora_prompt", "lora_prompt/platt", "lora_prompt/temperature",
        }  # fmt: skip
    right = np.mean([i.confidences["lora_prompt"] for i in items if i.model_correct])
    wrong = np.mean([i.confidences["lora_prompt"] for i in items if not i.model_correct])
    assert right > wrong + 0.1
    arms = tuple(map(Arm.parse, ("no_model", "prediction", "random", "tuned=lora_prompt")))
    study, _, _ = new_study(tmp_path / "study", items, make_design(arms=arms))
    assert len(study.items) == study.design.n_items
    with pytest.raises(InvalidData, match=r"lack confidence 'probe'.*lora_prompt"):
        arms = tuple(map(Arm.parse, ("no_model", "tuned=probe")))
        new_study(tmp_path / "other", items, make_design(arms=arms))


def test_runs_without_scores(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    run.note(fitted={})
    with pytest.raises(InvalidData, match="calibrant fit comes first"):
        of_run(run.folder)
    with pytest.raises(InvalidData, match=r"no manifest\.json"):
        of_run(tmp_path)


def test_the_papers_arms_of_a_run(tmp_path: Path) -> None:
    run, folder = make_run(tmp_path / "run"), tmp_path / "study"
    sizes = ["--n-questions", "10", "--n-batches", "2", "--n-ability", "2", "--password", "x"]
    words = ["study", "new", str(folder), "--run", str(run.folder), *sizes]
    app(["study"])(words, standalone_mode=False)
    told = {arm.name: (arm.form, arm.confidence) for arm in Study(folder).design.arms}
    assert told == {
        "no_model": ("none", ""), "prediction": ("prediction", ""), "random": ("number", "random"),
        "zero_shot": ("number", "zero_shot/none"), "tuned": ("number", "lora_prompt"),
    }  # fmt: skip
