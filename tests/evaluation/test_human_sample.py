"""People's verdicts on a sample, from a run or a table into metrics, report and terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibrant.cli import app
from calibrant.confidences import sample_to_grade
from calibrant.errors import InvalidData
from calibrant.evaluation.evaluate import Settings
from calibrant.grades.human import STAGE
from calibrant.pipeline import evaluate_stage
from calibrant.records import Answer, Confidence, Grade, ModelName, Question, Source, Verdict
from calibrant.reporting.grader_error import lines
from calibrant.runs import Run
from calibrant.tables import write_table

N, SETTINGS = 2000, Settings(n_resamples=50)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, bool]]:
    """A run with one estimator, and the truth of every answer: the grader misses a third of it."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("human") / "run"
    made = Run(folder, {"seed": 0, "model": {"name": "m"}, "prompt": "p"})
    source = Source(name="almanac", split="mixture")
    questions = [Question(text=f"{i}?", targets=("yes",), source=source) for i in range(N)]
    answers = [
        Answer(question_id=q.id, text="yes", extracted="yes", model=ModelName(name="m"))
        for q in questions
    ]
    p = rng.beta(2, 2, N)
    truth = rng.random(N) < p
    graded = truth & (rng.random(N) < 0.67)
    made.replace("questions", questions)
    made.replace("answers", answers)
    verdicts = [Verdict.CORRECT if g else Verdict.INCORRECT for g in graded]
    grades = [Grade(answer_id=a.id, verdict=v, grader="g/1") for a, v in zip(answers, verdicts)]
    made.replace("grades", grades)
    scores = np.log(p / (1 - p))
    confidences = [
        Confidence(answer_id=a.id, value=float(v), score=float(s), estimator="e", calibrator="none")
        for a, v, s in zip(answers, p, scores)
    ]
    made.replace("confidences/e-open", confidences)
    made.note(fitted={"e-open": {"estimator": "e", "variant": "", "is_confidence": True}})
    return made, {a.id: bool(t) for a, t in zip(answers, truth)}


def test_a_run_with_a_file_of_verdicts(run: tuple[Run, dict[str, bool]], tmp_path: Path) -> None:
    here, truth = run
    assert "grader_error" not in evaluate_stage(here, SETTINGS)
    chosen = sample_to_grade(here, 150)
    assert [i.answer.id for i in sample_to_grade(here, 50)] == [i.answer.id for i in chosen[:50]]
    rows = [{"answer_id": i.answer.id, "correct": int(truth[i.answer.id])} for i in chosen]
    write_table(tmp_path / "human.csv", rows)
    metrics = evaluate_stage(here, SETTINGS, tmp_path / "human.csv")
    (part,) = json.loads((here.folder / "metrics.json").read_text("utf-8"))["grader_error"]
    assert part == metrics["grader_error"][0] and part["n_human"] == 150
    assert part["specificity"]["value"] == 1 and part["specificity"]["low"] < 1
    right = part["accuracy"]
    assert right["graded"] < 0.4 < right["corrected"]["low"] < 0.5 < right["corrected"]["high"]
    raw = next(c for c in part["columns"] if c["calibrator"] == "none")
    assert raw["ece"]["graded"] > 0.12 > raw["ece"]["corrected"]["value"]
    page = (here.folder / "report.html").read_text("utf-8")
    assert "The grader’s error" in page and "e (raw)" in page
    text = lines(metrics)
    assert "People graded 150 of" in text and "ECE" in text
    assert not lines({"rows": []})


def test_a_run_graded_by_hand_is_corrected_without_asking(
    run: tuple[Run, dict[str, bool]], tmp_path: Path
) -> None:
    here, truth = run
    given = [
        Grade(
            answer_id=item.answer.id,
            verdict=Verdict.CORRECT if truth[item.answer.id] else Verdict.INCORRECT,
            grader="human/Ada",
        )
        for item in sample_to_grade(here, 30)
    ]
    here.append(STAGE, given)
    assert evaluate_stage(here, SETTINGS)["grader_error"][0]["n_human"] == 30
    write_table(tmp_path / "other.csv", [{"answer_id": "another", "correct": 1}])
    with pytest.raises(InvalidData, match=r"1 verdicts are of answers that .* such as another"):
        evaluate_stage(here, SETTINGS, tmp_path / "other.csv")
    test = {item.answer.id for item in sample_to_grade(here, 10_000)}
    learned = next(one.id for one in here.read("answers") if one.id not in test)
    write_table(tmp_path / "other.csv", [{"answer_id": learned, "correct": 1}])
    with pytest.raises(InvalidData, match="no person's verdict on a test answer"):
        evaluate_stage(here, SETTINGS, tmp_path / "other.csv")


def test_a_table_with_a_column_of_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for i in range(400):
        p = float(rng.beta(2, 2))
        right = rng.random() < p
        row = {"confidence": p, "correct": int(right and rng.random() < 0.7)}
        rows.append({**row, "person": int(right) if i < 100 else ""})
    write_table(tmp_path / "a.csv", rows)
    words = ["evaluate", str(tmp_path / "a.csv"), "--human", "person", "--n-resamples", "50"]
    app(("evaluate", "agree"))(words, standalone_mode=False)
    told = capsys.readouterr().out
    assert "The grader's error, open-ended: People graded 100 of 400 graded answers" in told


def test_agree_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": f"q{i}", "target": "Paris", "answer": "Paris" if i % 2 else "In Paris",
         "correct": int(i % 4 > 0), "system": "ab"[i % 2]} for i in range(40)
    ]  # fmt: skip
    write_table(tmp_path / "a.csv", rows)
    words = ["agree", str(tmp_path / "a.csv"), "--graders", "exact,exact+substring"]
    app(("evaluate", "agree"))([*words, "--subset", "system"], standalone_mode=False)
    told = capsys.readouterr().out
    assert "exact+substring: agreement" in told and "mean size of the difference" in told
