"""The whole chain on tiny models: every architecture, kill and resume, nothing mixed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibrant.answers.generate import answer
from calibrant.artefacts import ask, load_artefact, score_rows
from calibrant.errors import InvalidData, Mismatch, NothingGraded, UnknownName
from calibrant.estimators.base_rate import BaseRate
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.estimators.sequence_likelihood import SequenceLikelihood
from calibrant.evaluation.evaluate import MEASURES, OF_SUBJECTS, Settings
from calibrant.grades.grader import grader_called
from calibrant.models.local import LocalModel
from calibrant.models.model import Given
from calibrant.pipeline import (
    Sizes,
    answer_stage,
    evaluate_stage,
    fit_stage,
    grade_stage,
    open_run,
    run,
)
from calibrant.questions.splits import split_of
from calibrant.records import Verdict
from calibrant.runs import Run

ESTIMATORS = (
    "base_rate",
    "subject_rate",
    "sequence_likelihood",
    "zero_shot",
    LoraPrompt(n_epochs=1),
)
SIZES = Sizes(train=60, validation=20, calibration=30, test=30, unanswerable=10)
SETTINGS = Settings(n_resamples=40)


def make_gradable(run_: Run) -> None:
    """Random answers are hardly ever right: grade by a coin that the question's id tosses.

    An answer's id is that of its model, too, and so of the folder that the model lies in.
    """
    tossed = [
        replace(
            item.grade,
            verdict=Verdict.CORRECT if int(item.question.id, 16) % 3 else Verdict.INCORRECT,
        )
        for item in run_.graded()
    ]
    run_.replace("grades", tossed)


@pytest.fixture(scope="session")
def finished(
    tiny: LocalModel, own_questions: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A whole run of each architecture."""
    folder = tmp_path_factory.mktemp("run") / "run"
    here = open_run(folder, tiny, own_questions, sizes=SIZES)
    answer_stage(here, tiny, max_new_tokens=6)
    grade_stage(here)
    make_gradable(here)
    run(
        folder,
        model=tiny,
        questions=own_questions,
        estimators=ESTIMATORS,
        sizes=SIZES,
        settings=SETTINGS,
    )
    return folder


def test_metrics_have_the_fixed_names(finished: Path) -> None:
    found = json.loads((finished / "metrics.json").read_text())
    assert found["schema"] == 1
    rows = found["rows"]
    assert {row["format"] for row in rows} == {"open", "choice", "all"}
    assert {row["subset"] for row in rows} >= {"all", "seen", "subject:s0"}
    names = {row["estimator"] for row in rows}
    assert names == {e if isinstance(e, str) else e.name for e in ESTIMATORS}
    assert {row["calibrator"] for row in rows} == {"none", "temperature", "platt"}
    for row in rows:
        measures = OF_SUBJECTS if row["subset"].startswith("subject:") else MEASURES
        for name in measures:
            assert row[name] is None or set(row[name]) == {"value", "low", "high"}
            assert (row[name] is None) == (name in row["reasons"])
        assert {"model", "variant", "n", "n_ungraded", "n_missing", "n_bins"} <= set(row)
    raw = [r for r in rows if r["variant"] == "mean" and r["calibrator"] == "none"]
    assert all(r.get("ece") is None for r in raw)
    comparisons = found["comparisons"]
    assert {c["estimator"] for c in comparisons} == {"lora_prompt"}
    assert {"baseline", "baseline_calibrator", "metric", "subset", "difference"} <= set(
        comparisons[0]
    )


def test_splits_share_no_group(finished: Path) -> None:
    where: dict[str, set[str]] = {}
    for item in Run(finished).graded():
        where.setdefault(item.question.group, set()).add(split_of(item.question))
    assert all(len(splits) == 1 for splits in where.values())


def test_second_call_changes_nothing(finished: Path, tiny: LocalModel, own_questions: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.glob("answers/*")}
    metrics = (finished / "metrics.json").read_bytes()
    run(
        finished,
        model=tiny,
        questions=own_questions,
        estimators=ESTIMATORS,
        sizes=SIZES,
        settings=SETTINGS,
    )
    assert {path: path.stat().st_mtime_ns for path in finished.glob("answers/*")} == before
    assert (finished / "metrics.json").read_bytes() == metrics


def test_other_settings_are_refused(finished: Path, tiny: LocalModel, own_questions: str) -> None:
    with pytest.raises(Mismatch, match="sizes"):
        open_run(finished, tiny, own_questions, sizes=Sizes(train=1))
    with pytest.raises(Mismatch, match="questions"):
        open_run(finished, tiny, "almanac", sizes=SIZES)


def test_a_subset_that_is_none_is_named(tiny: LocalModel, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'seen'"):
        open_run(tmp_path / "run", tiny, "almanac", subsets=["sen"])
    assert not (tmp_path / "run").exists()


def test_ask_and_score_agree(finished: Path, tiny: LocalModel) -> None:
    (artefact,) = (finished / "artefacts").glob("lora_prompt-*open")
    found = ask("What is 7?", artefact)
    assert 0 <= found["confidence"] <= 1 and found["model"] == tiny.name.name
    assert ask("What is 7?", artefact) == found
    for choices in (("a",), ("a", " "), tuple(map(str, range(27)))):
        with pytest.raises(InvalidData, match="choices"):
            ask("What is 7?", artefact, choices=choices)
    with pytest.raises(Mismatch, match="no confidence"):
        ask("What is 7?", artefact, choices=("a", "b"))
    calibrated, model = load_artefact(artefact)
    rows = [
        {"question": "What is 7?", "answer": found["answer"] or "one", "kept": 1},
        {"question": "What is 7?", "answer": "", "kept": 2},
        {"question": "Which?", "answer": "A", "choices": "a|b", "kept": 3},
    ]
    scored = score_rows(rows, calibrated, model)
    assert [row["kept"] for row in scored] == [1, 2, 3]
    assert scored[0]["confidence"] is not None
    assert scored[1]["confidence"] is None and "no answer" in scored[1]["confidence_reason"]
    assert scored[2]["confidence"] is None and "open" in scored[2]["confidence_reason"]


def answers_of(folder: Path) -> dict[str, tuple[int, ...]]:
    return {a.question_id: a.token_ids for a in Run(folder).read("answers")}


@pytest.mark.parametrize("many", [10_000, 1])
def test_killed_and_resumed(
    model_folders: dict[str, str], own_questions: str, tmp_path: Path, many: int
) -> None:
    """kill -9 while answering, alone or side by side: nothing lost or done twice, the same."""
    model = LocalModel(model_folders["llama"])
    code = (
        "import sys, time; from calibrant import pipeline; from calibrant.answers import generate\n"
        f"generate.MANY = {many}\n"
        "from calibrant.models.local import LocalModel\n"
        f"model = LocalModel({model_folders['llama']!r}); model.token_budget = 200\n"
        f"here = pipeline.open_run({str(tmp_path / 'a')!r}, model, {own_questions!r})\n"
        "pipeline.answer_stage(here, model, max_new_tokens=6,"
        " progress=lambda done, total: time.sleep(0.05))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    for _ in range(600):
        if len(list((tmp_path / "a" / "answers").glob("*.parquet"))) >= 3:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = answers_of(tmp_path / "a")
    here = open_run(tmp_path / "a", model, own_questions)
    assert 0 < len(done) < len(here.read("questions"))
    n = answer_stage(here, model, max_new_tokens=6)
    assert n == len(here.read("questions")) - len(done)
    whole = open_run(tmp_path / "b", model, own_questions)
    answer_stage(whole, model, max_new_tokens=6)
    assert answers_of(tmp_path / "a") == answers_of(tmp_path / "b")


def test_regrading_never_asks_the_model(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    here = Run(tmp_path / "run")
    grades = here.read("grades")
    before = {name: here.manifest[name] for name in ("finished", "fitted")}
    counts = grade_stage(here, "substring")
    assert sum(counts.values()) == len(grades)
    with pytest.raises(InvalidData, match="no estimator was fitted"):  # on these grades
        evaluate_stage(here)
    here.replace("grades", grades)
    here.note(grader="exact", graded_by=grader_called("exact").digest, **before)
    here.regrade(grades)
    assert here.manifest["fitted"] == before["fitted"], "the same grades: nothing to do again"


def test_half_of_the_answers_are_not_graded(
    tiny: LocalModel, own_questions: str, tmp_path: Path
) -> None:
    here = open_run(tmp_path / "run", tiny, own_questions, sizes=SIZES)
    with pytest.raises(NothingGraded, match="holds no grades: calibrant grade comes first"):
        fit_stage(here, tiny, [BaseRate()])
    here.append("answers", answer(here.read("questions")[:4], tiny, max_new_tokens=6))
    n = len(here.read("questions"))
    with pytest.raises(InvalidData, match=f"4 of {n} questions are answered: calibrant answer"):
        grade_stage(here)


def test_edited_questions_are_not_mixed(
    own_questions: str, tiny: LocalModel, tmp_path: Path
) -> None:
    path = Path(own_questions)
    mine = tmp_path / path.name
    mine.write_bytes(path.read_bytes())
    open_run(tmp_path / "run", tiny, str(mine), sizes=SIZES)
    open_run(tmp_path / "run", tiny, str(mine), sizes=SIZES)
    mine.write_text(mine.read_text() + "\n")
    with pytest.raises(Mismatch, match="was made with files"):
        open_run(tmp_path / "run", tiny, str(mine), sizes=SIZES)


def test_a_run_called_with_another_grader_grades_anew(
    finished: Path, tiny: LocalModel, own_questions: str, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    with suppress(InvalidData):  # a tiny model's answers may be all wrong: nothing to learn then
        run(
            folder, model=tiny, questions=own_questions, estimators=["base_rate"],
            grader="substring", sizes=SIZES, settings=SETTINGS,
        )  # fmt: skip
    there = Run(folder)
    assert there.manifest["graded_by"] == grader_called("substring").digest
    assert {grade.grader.split("/")[0] for grade in there.read("grades")} == {"substring", "letter"}


def test_another_calibrator_or_reader_is_fitted_anew(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    here = Run(tmp_path / "run")
    made = here.manifest["identity"]["model"]
    reader = Given(made["name"], made["revision"])
    before = list(here.manifest["fitted"])

    def artefact() -> dict[str, Any]:
        place = here.folder / "artefacts" / "base_rate-open" / "artefact.json"
        found: dict[str, Any] = json.loads(place.read_text())
        return found

    fit_stage(here, reader, [BaseRate()], calibrator="isotonic")
    assert artefact()["calibrator"]["name"] == "isotonic"
    assert list(here.manifest["fitted"]) == before, "the lead of the report stays"
    told: list[str] = []
    fit_stage(here, reader, [BaseRate()], calibrator="isotonic", say=told.append)
    assert not told, "nothing to do"
    fit_stage(here, Given("another", "x"), [BaseRate()], calibrator="isotonic", say=told.append)
    assert any("base_rate" in line for line in told)


def test_the_order_is_that_of_a_whole_run_after_a_kill(finished: Path, tmp_path: Path) -> None:
    """The report is about the last; fits that take longest end first."""
    shutil.copytree(finished, tmp_path / "run")
    here = Run(tmp_path / "run")
    made = here.manifest["identity"]["model"]
    reader, forms = Given(made["name"], made["revision"]), [BaseRate(), SequenceLikelihood()]
    here.note(fitted={})
    fit_stage(here, reader, forms)
    whole = list(here.manifest["fitted"])
    last = whole[-1]
    here.note(fitted={last: here.manifest["fitted"][last]})
    fit_stage(here, reader, forms)
    assert list(here.manifest["fitted"]) == whole


def test_entropy_is_learned_without_verdicts(finished: Path, tmp_path: Path) -> None:
    """Only calibrating takes verdicts; what learns from verdicts is left out, and told."""
    shutil.copytree(finished, tmp_path / "run")
    here, said = Run(tmp_path / "run"), list[str]()
    seed = here.manifest["identity"]["seed"]
    train = {i.answer.id for i in here.graded() if split_of(i.question, seed) == "train"}
    here.regrade(
        [
            replace(g, verdict=Verdict.UNGRADED, reason="not read") if g.answer_id in train else g
            for g in here.read("grades")
        ]
    )
    made = here.manifest["identity"]["model"]
    forms = [BaseRate(), SequenceLikelihood()]
    fit_stage(here, Given(made["name"], made["revision"]), forms, say=said.append)
    fitted = [name.partition("-")[0] for name in here.manifest["fitted"]]
    assert set(fitted) == {"sequence_likelihood"}
    assert "none of the" in here.manifest["left_out"]["base_rate-open"]


def test_a_run_goes_on_without_a_format_that_is_all_right(
    tiny: LocalModel, own_questions: str, tmp_path: Path
) -> None:
    settled = {"model": tiny, "questions": own_questions, "sizes": SIZES}
    here = open_run(tmp_path / "run", tiny, own_questions, sizes=SIZES)
    answer_stage(here, tiny, max_new_tokens=6)
    grade_stage(here)
    make_gradable(here)
    chosen = {item.answer.id for item in here.graded() if item.question.choices}
    sure = [
        replace(g, verdict=Verdict.CORRECT) if g.answer_id in chosen else g
        for g in here.read("grades")
    ]
    here.regrade(sure)
    found = run(here.folder, estimators=("base_rate", "zero_shot"), settings=SETTINGS, **settled)
    assert {row["format"] for row in found["rows"]} == {"open"}
    assert "(choice) are correct" in found["left_out"]["choice"]
    here = Run(here.folder)
    make_gradable(here)
    here.regrade([replace(g, reason="again") for g in here.read("grades")])
    found = run(here.folder, estimators=("base_rate", "zero_shot"), settings=SETTINGS, **settled)
    assert {row["format"] for row in found["rows"]} == {"open", "choice", "all"}
    assert "left_out" not in found, "other grades: nothing is left out any more"
