"""The main job on answers that exist."""

from __future__ import annotations

import json
import re
import shlex
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrant.answers.given import given_answers
from calibrant.cli import main
from calibrant.confidences import run_table
from calibrant.errors import (
    CalibrantError,
    InvalidData,
    Mismatch,
    MissingCapability,
    NothingGraded,
)
from calibrant.estimators.base_rate import BaseRate
from calibrant.estimators.has_letter import HasLetter
from calibrant.estimators.stacked import Stacked
from calibrant.evaluation.evaluate import Settings
from calibrant.given import COUNTED_WRONG, run_given
from calibrant.grades.grader import grade
from calibrant.grades.judge import Judge
from calibrant.grades.letter import NO_LETTER
from calibrant.models.model import Given
from calibrant.models.scripted import ScriptedServer
from calibrant.pipeline import evaluate_stage, fit_stage, grade_stage
from calibrant.questions.mixture import Sizes
from calibrant.questions.splits import split_of
from calibrant.records import Graded, Verdict
from calibrant.reporting.terminal import results_table
from calibrant.runs import Run
from calibrant.tables import Malformed, Reading

SHARED = Path(__file__).parents[2] / "shared" / "data"
QUICK = Settings(n_resamples=0)


def rows(n: int = 240, **more: Any) -> list[dict[str, Any]]:
    """Choices; short answers are right, every fifth names no option."""
    made = []
    for i in range(n):
        right = i % 3 != 0
        letter = None if i % 5 == 0 else "B" if right else "A"
        made.append(
            {
                "question_id": i,
                "question": f"What is number {i}?",
                "options": [f"wrong {i}", f"right {i}"],
                "answer": "B",
                "answer_index": 1,
                "category": f"c{i % 2}",
                "pred": letter,
                "generated_text": f"The answer is ({letter})." + "" * right + " Hm." * (1 - right),
                **more,
            }
        )
    return made


def archive(folder: Path, found: list[dict[str, Any]], name: str = "some-7b.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w") as file:
        file.writestr("model_outputs.json", json.dumps(found))
    return folder / name


def lines(folder: Path, found: list[dict[str, Any]], name: str = "a.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in found))
    return folder / name


def test_archive_in_both_views(tmp_path: Path) -> None:
    path = archive(tmp_path, [*rows(), rows(1)[0] | {"question_id": "again"}])
    said: list[str] = []
    metrics = run_given(tmp_path / "run", path, settings=QUICK, say=said.append)
    assert any("1 x the same question a second time" in line for line in said)
    run, other = Run(tmp_path / "run"), Run(tmp_path / "run" / COUNTED_WRONG)
    assert run.manifest["n_without_letter"] == 48 and run.manifest["also"] == COUNTED_WRONG
    assert run.manifest["verdicts"][f"ungraded: {NO_LETTER}"] == 48
    assert run.manifest["composition"] == [
        {"source": "some-7b", "revision": "", "split": "", "format": "choice", "n": 240}
    ]
    assert all(answer.model.name == "some-7b" for answer in run.read("answers"))
    assert [g.verdict for g in run.read("grades")].count(Verdict.UNGRADED) == 48
    assert [g.verdict for g in other.read("grades")].count(Verdict.UNGRADED) == 0

    def auroc(found: dict[str, Any], name: str) -> float:
        (row,) = (
            r for r in found["rows"]
            if (r["estimator"], r["calibrator"], r["subset"]) == (name, "none", "all")
        )  # fmt: skip
        return float(row["auroc"]["value"])

    both = json.loads((other.folder / "metrics.json").read_text())
    assert auroc(metrics, "has_letter") == 0.5, "graded answers all name an option"
    assert auroc(both, "has_letter") > 0.6, "counted as wrong, the letter tells them apart"
    assert auroc(metrics, "answer_length") == 1.0
    again = run_given(tmp_path / "run", path, settings=QUICK)
    assert again == metrics


def test_splits_are_the_same_for_every_model(tmp_path: Path) -> None:
    one = rows()
    two = [
        row | {"question": "  " + row["question"].upper(), "pred": "A", "options": ["x", "y"]}
        for row in one[::-1]
    ]
    reading = Reading(malformed=Malformed(skip=True))
    splits = [
        {item.question.group: split_of(item.question) for item in given_answers(path, reading)}
        for path in (archive(tmp_path, one, "a.zip"), archive(tmp_path, two, "b.zip"))
    ]
    assert splits[0] == splits[1] and len(set(splits[0].values())) == 4


OPEN = {"question": "Who?", "target": "Ann Lee", "answer": "It is Ann Lee."}
CHOICE = {"choices": ["Ann Lee", "Bob"]}


def test_fields_of_given_answers(tmp_path: Path) -> None:
    full = OPEN | {
        "log_probs": [-0.5, -0.25],
        "samples": ["Bob", "Ann"],
        "model": "m",
        "correct": "yes",
        "subject": "s",
    }
    (item,) = given_answers(lines(tmp_path, [full]), Reading())
    assert item.answer.log_probs == (-0.5, -0.25) and item.answer.samples == ("Bob", "Ann")
    assert item.answer.model.name == "m" and item.grade is not None
    assert item.grade.verdict is Verdict.CORRECT and item.answer.extracted == "Ann Lee"
    bare = {"prompt": "Who?", "first": {"text": "Ann", "ok": False}}
    reading = Reading(columns={"question": "prompt", "answer": "first.text", "correct": "first.ok"})
    (item,) = given_answers(lines(tmp_path, [bare]), reading)
    assert item.question.answerable and not item.question.targets, "graded without a target"
    assert item.grade and item.grade.verdict is Verdict.INCORRECT


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answer": " "}, "field 'answer' is missing or empty"),
        ({"answer": ["a"]}, "field 'answer' is a list, not a text"),
        ({"question": None}, "field 'question' is missing or empty"),
        ({"target": None}, "field 'target' or 'targets' is missing or empty"),
        ({"choices": ["a", "b"]}, "no target is among the choices"),
        ({"choices": [["a"], "b"]}, "field 'choices' holds a list where a text is expected"),
        ({"correct": "maybe"}, "field 'correct' is no verdict"),
        ({"log_probs": "x"}, "field 'log_probs' is no list of numbers"),
        ({"log_probs": 5}, "field 'log_probs' is no list of numbers"),
        ({"log_probs": "[" * 100_000}, "field 'log_probs' is no list of numbers"),
        *(
            ({"top_log_probs": wrong}, "field 'top_log_probs' is no list of lists of numbers")
            for wrong in (5, "5", True, "null", "[" * 100_000)
        ),
        ({"log_probs": [0.5]}, "field 'log_probs' has a number outside"),
        ({"log_probs": [float("-inf")]}, "field 'log_probs' has a number outside"),
        ({"log_probs": [float("nan")]}, "field 'log_probs' has a number outside"),
        ({"samples": [{"a": 1}]}, "field 'samples' holds a dict where a text is expected"),
        (CHOICE | {"option_probs": [0.9]}, "field 'option_probs' is not one share for each choice"),
        (CHOICE | {"option_probs": [0.9, 0.3]}, "field 'option_probs' is not one share"),
        ({"answerable": "perhaps"}, "field 'answerable' is neither true nor false"),
        ({"question": "Where is the cafÃ©?"}, "field 'question' is UTF-8 that was read as Windows"),
        ({"target": "Ann â€œLeeâ€\x9d"}, "field 'target' is UTF-8 that was read as Windows-1252"),
        ({"answer": "In the cafÃ©."}, "field 'answer' is UTF-8 that was read as Windows-1252"),
        ({"target": "caf\ufffd"}, r"field 'target' has lost characters \(U\+FFFD\)"),
        ({"question": "Who else?"}, "the id of an earlier question"),
        ({}, "the same question a second time"),
        ({"context": "", "group": "g"}, "the same question a second time"),
        ({"group": "g", "target": "Bob"}, "the same question in another group"),
    ],
)
def test_wrong_rows_are_named_or_counted(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = lines(tmp_path, [OPEN | {"id": 7}, OPEN | {"id": 7} | changes])
    with pytest.raises(InvalidData, match=f"line 2: {reason}"):
        list(given_answers(path, Reading()))
    malformed = Malformed(skip=True)
    assert len(list(given_answers(path, Reading(malformed=malformed)))) == 1
    ((told, n),) = malformed
    assert re.match(reason, told) and n == 1 and malformed.n_read == 2


def test_texts_that_only_look_odd_are_kept(tmp_path: Path) -> None:
    found = [
        OPEN | {"question": text}
        for text in ("Où est le café?", "»Spaß«, wer?", "Кто?", "誰?", "ÄÖÜß?", "Who… “is”?")
    ]
    found.append(OPEN | {"answer": "Caf\ufffd"})  # a model may well say that
    assert len(list(given_answers(lines(tmp_path, found), Reading()))) == 7


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    path = lines(tmp_path, [{"prompt": "Who?", "gold": "Ann", "said": "Ann"}])
    with pytest.raises(InvalidData, match="columns are prompt, gold, said: --column question=COL"):
        list(given_answers(path, Reading()))
    reading = Reading(columns={"question": "prompt", "target": "golden"})
    with pytest.raises(
        InvalidData, match=r"target' \(column 'golden'\) .*columns are prompt, gold"
    ):
        list(given_answers(path, reading))


@pytest.mark.parametrize("named_first", [True, False])
def test_a_model_in_some_rows_only_is_refused(tmp_path: Path, named_first: bool) -> None:
    found = [OPEN | {"model": "a"}, OPEN | {"question": "Who now?"}]
    path = lines(tmp_path, found if named_first else found[::-1], "b.jsonl")
    with pytest.raises(InvalidData, match=r"line 2: field 'model' is .*: name the model in each"):
        list(given_answers(path, Reading()))
    malformed = Malformed(skip=True)
    (item,) = given_answers(path, Reading(malformed=malformed))
    assert item.answer.model.name == ("a" if named_first else "b")
    assert malformed.counts.total() == 1


def test_an_archive_of_ones_own_has_the_columns_of_any_file(tmp_path: Path) -> None:
    (item,) = given_answers(archive(tmp_path, [OPEN]), Reading())
    assert item.question.text == OPEN["question"] and item.answer.text == OPEN["answer"]


def test_several_models_in_a_file(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        [OPEN | {"model": "a"}, OPEN | {"model": "b", "answer": "Bob"}, OPEN | {"model": "c"}],
    )
    with pytest.raises(Mismatch, match="a, b, c: name"):
        list(given_answers(path, Reading()))
    (item,) = given_answers(path, Reading(), "b")
    assert item.answer.text == "Bob"
    with pytest.raises(InvalidData, match="no rows"):
        list(given_answers(path, Reading(), "d"))


def test_the_command_to_go_on_with_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        OPEN | {"question": f"Who is {i}?", "answer": "Ann Lee" if i % 2 else "Bob", "model": name}
        for i in range(80)
        for name in ("the first", "other")
    ]
    path = lines(tmp_path, found, "two models.jsonl")
    words = ["calibrant", "run", "--answers", str(path), "--out", str(tmp_path / "run")]
    words += ["--estimators", "base_rate", "--n-resamples", "0"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert "holds answers of other, the first" in told
    command = shlex.split(told.split("for instance with: ")[1])
    assert command == [*words, "--answered-by", "other"]
    monkeypatch.setattr(sys, "argv", command)
    main()
    assert Run(tmp_path / "run").manifest["identity"]["model"]["name"] == "other"


def test_a_verdict_that_is_nan_is_ungraded_with_that_reason(tmp_path: Path) -> None:
    made = [
        OPEN | {"question": f"Who is {i}?", "correct": "nan" if i < 7 else i % 2} for i in range(80)
    ]
    run_given(tmp_path / "run", lines(tmp_path, made), estimators=["base_rate"], settings=QUICK)
    verdicts = Run(tmp_path / "run").manifest["verdicts"]
    assert verdicts["ungraded: the file's verdict is nan"] == 7
    assert sum(verdicts.values()) == 80


def test_a_model_that_cannot_be_called_is_refused_before_any_work(tmp_path: Path) -> None:
    path = lines(tmp_path, [OPEN | {"question": f"Who is {i}?"} for i in range(40)])
    with pytest.raises(MissingCapability, match="zero_shot"):
        run_given(tmp_path / "run", path, estimators=["zero_shot"])
    with pytest.raises(
        MissingCapability, match=r"log_probs of the answers.*would run: .*base_rate"
    ):
        run_given(tmp_path / "run", path, estimators=["sequence_likelihood"])
    assert not (tmp_path / "run").exists()


def test_a_changed_file_is_another_run(tmp_path: Path) -> None:
    found = [
        OPEN | {"question": f"Who is {i}?", "answer": "Ann Lee" if i % 2 else "Bob", "n": i}
        for i in range(120)
    ]
    run_given(tmp_path / "run", lines(tmp_path, found), settings=QUICK)
    with pytest.raises(Mismatch, match="made with answers"):
        run_given(tmp_path / "run", lines(tmp_path, found[1:]), settings=QUICK)


def test_has_letter_needs_a_choice() -> None:
    path = SHARED / "llm_answers" / "gsm8k_gpt3_graded.jsonl"
    if not path.exists():
        pytest.skip("../shared/data is not there")
    reading = Reading(
        columns={"target": "gold", "answer": "6b_finetuning.answer"}
        | {"correct": "6b_finetuning.is_correct"},
        malformed=Malformed(skip=True),
    )
    items = [
        Graded(question=i.question, answer=replace(i.answer, extracted="A"), grade=i.grade)
        for i in given_answers(path, reading)
        if i.grade
    ]
    assert len(items) + reading.malformed.counts.total() == 1319
    fitted = HasLetter().fit(items, items, Given(), 0)
    assert np.ptp(fitted.score(items, Given()).values) == 0.0


@pytest.mark.parametrize(
    ("file", "answered_by", "n", "n_left_out"),
    [
        ("llm_answers/gsm8k_gpt3_graded.jsonl", "175b_verification", 1319, 1),
        ("evouna/NQ.json", "gpt4", 3610, 1),
        ("evouna/TQ.json", "fid", 2000, 1),
    ],
)
def test_graded_files_as_they_are(
    tmp_path: Path, file: str, answered_by: str, n: int, n_left_out: int
) -> None:
    path = SHARED / file
    if not path.exists():
        pytest.skip("../shared/data is not there")
    with pytest.raises(Mismatch, match=f"answers of .*{answered_by}.*--answered-by"):
        run_given(tmp_path / "run", path)
    metrics = run_given(tmp_path / "run", path, answered_by=answered_by, settings=QUICK)
    run = Run(tmp_path / "run")
    report = run.manifest["reading"]
    assert report["n_read"] == n
    assert sum(r["n"] for r in report["left_out"].values()) == n_left_out
    answers = run.read("answers")
    assert len(answers) == n - n_left_out and {a.model.name for a in answers} == {answered_by}
    row = next(r for r in metrics["rows"] if r["estimator"] == "answer_length")
    graded = [g for g in run.graded() if split_of(g.question) == "test"]
    share = np.mean([g.correct for g in graded if g.is_graded])
    assert row["accuracy"]["value"] == pytest.approx(share)


def both_formats(open_right: Any, choice_right: Any) -> list[dict[str, Any]]:
    """120 open and 120 choice answers, right where the functions of their number say so."""
    opened = [
        {"question": f"Who is {i}?", "target": "Ann", "answer": "Ann" if open_right(i) else "Bob."}
        for i in range(120)
    ]
    chosen = [
        {"question": f"Which is {i}?", "target": "x", "choices": ["x", "y"]}
        | {"answer": "A" if choice_right(i) else "B", "extracted": "A" if choice_right(i) else "B"}
        for i in range(120)
    ]
    return opened + chosen


@pytest.mark.parametrize(("right", "word"), [(True, "correct"), (False, "incorrect")])
def test_a_format_without_both_verdicts_is_left_out_and_told(
    tmp_path: Path, right: bool, word: str
) -> None:
    path, said = lines(tmp_path, both_formats(lambda i: i % 2, lambda i: right)), list[str]()
    metrics = run_given(tmp_path / "run", path, settings=QUICK, say=said.append)
    why = re.compile(rf"Left out, multiple choice: all \d+ graded training .* are {word}")
    assert {row["format"] for row in metrics["rows"]} == {"open"}
    manifest = Run(tmp_path / "run").manifest
    assert list(manifest["left_out"]) == ["choice"] and metrics["left_out"] == manifest["left_out"]
    assert why.search("\n".join(said)) and why.search(" ".join(results_table(metrics).split()))
    assert why.search((tmp_path / "run" / "report.html").read_text().split("<main")[0])
    assert run_given(tmp_path / "run", path, settings=QUICK) == metrics, "called again: the same"


def test_too_few_for_calibration_is_a_reason_of_its_own(tmp_path: Path) -> None:
    found = both_formats(lambda i: i % 2, lambda i: i % 3)
    path = lines(tmp_path, found)
    held = {
        item.question.text for item in given_answers(path, Reading())
        if item.question.choices and split_of(item.question) == "calibration"
    }  # fmt: skip
    path = lines(tmp_path, [row for row in found if row["question"] not in held])
    metrics = run_given(tmp_path / "run", path, settings=QUICK)
    assert metrics["left_out"] == {"choice": "none of the 0 calibration answers is graded"}


def test_a_fit_that_fails_alone_is_left_out_alone(tmp_path: Path) -> None:
    found = both_formats(lambda i: i % 2, lambda i: i % 3)
    path = lines(tmp_path, found)
    checked = {
        item.question.text for item in given_answers(path, Reading())
        if item.question.choices and split_of(item.question) == "validation"
    }  # fmt: skip
    path = lines(tmp_path, [row for row in found if row["question"] not in checked])
    two = ["base_rate", Stacked(members=("base_rate", "answer_length"))]
    metrics = run_given(tmp_path / "run", path, estimators=two, settings=QUICK)
    (name,) = metrics["left_out"]
    assert name.startswith("stacked") and name.endswith("choice")
    assert metrics["left_out"][name] == "none of the 0 validation answers is graded"
    n = {
        (row["estimator"], row["format"]): row["n"] for row in metrics["rows"]
        if row["subset"] == "all" and row["calibrator"] == "platt"
    }  # fmt: skip
    assert n["stacked", "choice"] == 0 and n["base_rate", "choice"] > 0 and n["stacked", "open"] > 0


def graded_run(folder: Path) -> Run:
    found = list(
        given_answers(lines(folder, both_formats(lambda i: i % 2, lambda i: i % 3)), Reading())
    )
    run = Run(folder / "run", {"model": {"name": "a"}, "prompt": "given", "seed": 0})
    run.replace("questions", [item.question for item in found])
    run.replace("answers", [item.answer for item in found])
    run.replace("grades", grade(found, "exact"))
    return run


def test_fitted_together_takes_the_place_of_one_for_each_format(tmp_path: Path) -> None:
    run = graded_run(tmp_path)

    def confidences(*, together: bool) -> tuple[list[str], list[float]]:
        fit_stage(run, Given("a"), [BaseRate()], together=together)
        (column,) = run_table(run, ["none"])[0].columns
        return list(run.manifest["fitted"]), column.confidence.tolist()

    apart, joint = confidences(together=False), confidences(together=True)
    assert joint[0] == ["base_rate-all"] and len(set(joint[1])) == 1
    assert apart[0] == ["base_rate-choice", "base_rate-open"] and len(set(apart[1])) == 2
    assert confidences(together=False) == apart


def test_a_fit_is_told_when_its_confidences_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = graded_run(tmp_path)
    fit_stage(run, Given("a"), [BaseRate()])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_stage(run, Given("a"), [BaseRate()], calibrator="isotonic")
    assert {told["calibrator"] for told in run.manifest["fitted"].values()} == {"platt"}


def test_nothing_to_learn_at_all_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines(tmp_path, both_formats(lambda i: True, lambda i: False))
    out = str(tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["calibrant", "run", "--answers", str(path), "--out", out])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "(choice) are incorrect" in told and "(open) are correct" in told


def test_sizes_take_the_same_questions_of_every_archive(tmp_path: Path) -> None:
    paths = [SHARED / "mmlu_pro_outputs" / f"{m}.zip" for m in ("gemma-7b", "Llama-2-7b-hf")]
    if not paths[0].exists():
        pytest.skip("../shared/data is not there")
    sizes = Sizes.of(300, 100, choice_share=1.0)
    asked = []
    for path in paths:
        folder = tmp_path / path.stem
        run_given(folder, path, sizes=sizes, settings=QUICK, estimators=["base_rate"])
        run = Run(folder)
        asked.append([question.id for question in run.read("questions")])
        assert run.manifest["reading"]["n_read"] == 12_032
        assert run.manifest["reading"]["left_out"]["the same question a second time"]["n"] == 159
    assert asked[0] == asked[1] and len(asked[0]) == 300 + 30 + 75 + 100


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrantError, match="no file"):
        run_given(tmp_path / "run", tmp_path / "nothing.jsonl")


def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        {"prompt": f"Who is {i}?", "gold": "Ann", "said": "Ann" if i % 2 else "It is Bob."}
        for i in range(200)
    ]
    path = lines(tmp_path, [*found, {"prompt": "Who?", "gold": "Ann"}])
    words = ["--column", "question=prompt", "--column", "target=gold", "--column", "answer=said"]
    words += ["--malformed", "skip", "--n-resamples", "0", "--n-train", "60", "--n-test", "30"]
    out = str(tmp_path / "run")
    monkeypatch.setattr(
        sys, "argv", ["calibrant", "run", "--answers", str(path), *words, "--out", out, "--json"]
    )
    main()
    told = capsys.readouterr()
    assert "1 left out of 201 rows read: 1 x field 'answer' (column 'said')" in told.err
    (row,) = (
        r for r in json.loads(told.out)["rows"]
        if (r["estimator"], r["calibrator"], r["subset"]) == ("answer_length", "none", "all")
    )  # fmt: skip
    assert row["auroc"]["value"] == 1.0 and row["n"] == 30
    assert Run(tmp_path / "run").manifest["identity"]["columns"]["answer"] == "said"


def test_a_judge_that_was_down_is_asked_again(tmp_path: Path) -> None:
    made = [OPEN | {"question": f"Who is {i}?", "answer": f"Person {i % 2}"} for i in range(120)]
    path, said = lines(tmp_path, made), list[str]()

    def says(text: str) -> str:
        return "yes" if "Person 1" in text else "no"

    with ScriptedServer(says, failures=(500,) * 20) as server:
        use = Judge(
            judges=("m",), base_url=server.base_url, n_retries=0, n_in_flight=1,
            cache=str(tmp_path / "replies"),
        )  # fmt: skip

        def run() -> dict[str, Any]:
            return run_given(tmp_path / "run", path, grader=use, settings=QUICK, say=said.append)

        with pytest.raises(NothingGraded, match=r"is graded: \d+ x m .*(500|down)"):
            run()
        assert any("120 ungraded (" in line and "m is down" in line for line in said)
        accuracy = run()["rows"][0]["accuracy"]["value"]
        n_asked = len(server.bodies)
        assert run()["rows"][0]["accuracy"]["value"] == accuracy and len(server.bodies) == n_asked
    verdicts = Run(tmp_path / "run").manifest["verdicts"]
    assert verdicts == {"correct": 60, "incorrect": 60}


def test_of_earlier_grades_nothing_stays(tmp_path: Path) -> None:
    run = graded_run(tmp_path)
    place = run.folder / "artefacts" / "base_rate-open"
    place.mkdir(parents=True)
    with ScriptedServer(lambda text: "no", failures=(500,)) as server:
        use = Judge(judges=("m",), base_url=server.base_url, n_retries=0, cache=str(tmp_path / "c"))
        grade_stage(run, use)
    assert run.manifest["judge"]["n_failed"] and not place.exists()
    grade_stage(run, "exact")
    assert "judge" not in run.manifest


def test_a_graders_settings_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        {"question": f"How many in box {i}?", "target": "100", "answer": f"{100 + i % 20}"}
        for i in range(240)
    ]
    path = lines(tmp_path, made)

    def accuracy(folder: str, *more: str) -> float:
        out = str(tmp_path / folder)
        words = ["run", "--answers", str(path), "--out", out, "--n-resamples", "0"]
        monkeypatch.setattr(sys, "argv", ["calibrant", *words, "--grader", "number", *more])
        main()
        grades = Run(out).read("grades")
        return sum(g.verdict is Verdict.CORRECT for g in grades) / len(grades)

    assert accuracy("strict") == 1 / 20
    assert accuracy("tolerant", "--set", "relative=0.1001") == 11 / 20
    with pytest.raises(SystemExit):  # the folder is of other settings
        accuracy("tolerant", "--set", "relative=0.05")


def test_the_history_of_several_models(
    tmp_path: Path, encoder_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same questions and words, one model mostly right: learned when told who answered."""
    row = {"target": "x", "answer": "a b", "subject": "s"}
    both = [
        row | {"question": f"What is {i}?", "model": model, "correct": (i % 10 > 0) == good}
        for i in range(300)
        for model, good in (("one", True), ("two", False))
    ]
    path = lines(tmp_path, both)
    with pytest.raises(Mismatch, match=r"of one, two.*'all' for their common history"):
        run_given(tmp_path / "run", path)
    assert len(list(given_answers(path, Reading(), "one"))) == 300
    run_given(tmp_path / "run", path, answered_by="all", settings=QUICK, seed=1)
    run = Run(tmp_path / "run")
    assert run.manifest["identity"]["model"]["name"] == "one, two"
    assert len(run.graded()) == 600 and len(run.read("questions")) == 300
    sides: dict[str, set[str]] = {}
    for item in run.graded():
        sides.setdefault(item.question.group, set()).add(split_of(item.question, 1))
    assert all(len(side) == 1 for side in sides.values())
    drawn = run_given(
        tmp_path / "few",
        path,
        answered_by="all",
        settings=QUICK,
        sizes=Sizes.of(50, 20, choice_share=1.0),
    )
    assert drawn["rows"]
    fit = ["calibrant", "fit", str(tmp_path / "run"), "--estimators", "text_embedding"]
    settings = ["--set", "head=logistic", "--set", f"encoder={encoder_folder}"]
    for tell in ("true", "false"):
        monkeypatch.setattr(sys, "argv", [*fit, *settings, "--set", f"tell_model={tell}"])
        main()
    assert len(list((tmp_path / "run" / "artefacts").glob("text_embedding-*"))) == 2
    found = {
        "tell_model" in r["variant"]: r["auroc"]["value"]
        for r in evaluate_stage(Run(tmp_path / "run"), QUICK)["rows"]
        if (r["estimator"], r["calibrator"], r["subset"]) == ("text_embedding", "platt", "all")
    }
    assert found[True] > 0.85 and found[False] < 0.65
    monkeypatch.setattr(sys, "argv", ["calibrant", "fit", str(tmp_path / "run")])
    with pytest.raises(SystemExit):  # LoRA + Prompt, with nothing to run it on
        main()
