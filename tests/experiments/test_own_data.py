"""Experiments on one's own questions, grader and models, and what is told when something lacks."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calibrant import registry
from calibrant.cli import app
from calibrant.errors import DamagedFile, InvalidData, ModelUnavailable, NoSandbox
from calibrant.estimators.forms import forms_of
from calibrant.experiments import arms, bench, estimators, label_count, pages, results
from calibrant.experiments.bench import Bench
from calibrant.experiments.experiment import NOT_RUN, Findings
from calibrant.experiments.fitting import name_of
from calibrant.grades.grader import grader_called
from calibrant.models.local import EMBEDDED
from calibrant.questions.mixture import Sizes, equal_quota
from calibrant.questions.source import load_questions
from calibrant.questions.splits import HELD_OUT
from calibrant.tables import Reading

MODEL = "almanac-mini"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which an experiment takes seconds."""
    sizes = Sizes(train=48, validation=28, calibration=42, test=56, unanswerable=28)
    monkeypatch.setattr(bench, "QUICK", sizes)
    monkeypatch.setattr(label_count, "QUICK", (24, 48))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Open-ended questions under headings of one's own."""
    path = tmp_path_factory.mktemp("own") / "mine.csv"
    every = [
        q
        for q in load_questions("almanac")
        if q.format == "open" and q.answerable and q.source.split not in HELD_OUT
    ]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Q", "A"])
        writer.writerows([q.text, q.targets[0]] for q in equal_quota(every, 220))
    return path


def few(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Only these of all estimators."""
    found = {name_of(form): arms.Arm(form) for form in forms_of(list(names))}
    monkeypatch.setattr(arms, "every", lambda bench, kind: (dict(found), []))


def done(name: str, out: Path, own: Path, **more: Any) -> dict[str, Any]:
    """An experiment on these questions."""
    reading = Reading(columns={"question": "Q", "target": "A"})
    usual = {"model_names": (MODEL,), "quick": True, "questions": str(own), "reading": reading}
    one = Bench(out=out, **{**usual, **more})
    return results.done(name, one, "test")


def call(*words: str | Path) -> None:
    app(["experiment"])(["experiment", *map(str, words)], standalone_mode=False)


# One's own questions -----------------------------------------------------------------------


def test_questions_of_one_format(
    small: None, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, "lora_prompt", "zero_shot", "base_rate")
    lacks = f"{own} has no choice questions"
    for name in ("main_table", "likelihood_vs_scale", "estimators"):
        found = done(name, tmp_path, own)
        assert lacks in found["not_run"] and found["tables"]
        assert not any("choice" in title for title in found["tables"])
    assert done("format_shift", tmp_path, own)["not_run"] == [lacks]


def test_how_many_labels_ones_own_questions_take(
    small: None, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "label_count", "--quick", "--model", MODEL, "--questions", own, "--out", tmp_path,
        "--column", "question=Q", "--column", "target=A",
    ]  # fmt: skip
    call(*words, "--grader", "exact+number", "--set", "relative=0.5")
    assert "Labels until LoRA + Prompt is clearly better in AUROC: " in capsys.readouterr().out
    found = json.loads((tmp_path / "label_count" / "findings.json").read_text())
    assert found["tables"]["sizes"] and (tmp_path / "label_count" / "labels.png").exists()
    for row in found["tables"]["passed"]:
        told = row["passed in auroc from"]
        assert told in ("24", "48", "not by 48", "not defined")
    page = (tmp_path / "pages" / "label_count.md").read_text()
    assert "graded by exact" in page and "relative=0.5" in page
    assert "Labels until" in page
    assert len(list((tmp_path / "cache" / "answers").iterdir())) == 2  # fitting, testing
    call(*words)  # another grader's verdicts are others, on the same answers
    assert len(list((tmp_path / "cache" / "answers").iterdir())) == 2
    page = (tmp_path / "pages" / "label_count.md").read_text()
    assert "graded by" not in page and "on the models that come with" not in page
    assert "claims are told of the seen subjects" in page and "24 to 48 open answers" in page
    again = json.loads((tmp_path / "label_count" / "findings.json").read_text())
    assert again["tables"]["sizes"] != found["tables"]["sizes"]


def test_more_questions_only_where_they_are_needed() -> None:
    from calibrant.experiments.pool import n_per_subject

    assert [n_per_subject(n) for n in (160, 2000, 5000, 18_000)] == [0, 0, 1600, 1600]
    assert n_per_subject(20_000) == 2000


@pytest.mark.slow
def test_twenty_thousand_training_questions_are_there() -> None:
    from calibrant.experiments.pool import n_per_subject, pool
    from calibrant.questions.splits import split_of

    every = [q for q in pool("almanac", n_per_subject(20_000), 0)[0] if q.format == "open"]
    for seed in range(3):
        assert sum(split_of(q, seed) == "train" for q in every) >= 20_000


def test_edited_questions_are_other_questions(tmp_path: Path) -> None:
    from calibrant.questions.source import content
    from calibrant.records import content_hash

    path = tmp_path / "set" / "q.csv"
    path.parent.mkdir()
    path.write_text("question,target\na,b\n")
    names = [f"table:{path}", str(path), f"mmlu:{path.parent}", f"x.csv, {path}", f"unseen={path}"]
    before = [content(name) for name in names]
    path.write_text("question,target\na,c\n")
    assert all(content(name) != old for name, old in zip(names, before))
    assert content("almanac") == content_hash([])  # as it always was


def test_questions_without_targets_are_not_learned_from_as_others(own: Path) -> None:
    from calibrant.experiments.incorrect_answers import options, saying, swapped
    from calibrant.records import Answer, Grade, Graded, ModelName, Question, Verdict

    def item(text: str, *targets: str) -> Graded:
        asked = Question(text=text, targets=targets)
        answer = Answer(question_id=asked.id, text="x", model=ModelName(name="m"))
        grade = Grade(answer_id=answer.id, verdict=Verdict.CORRECT, grader="g")
        return saying(Graded(question=asked, answer=answer, grade=grade), "x", Verdict.CORRECT)

    splits = {"train": [item("Q1?", "a"), item("Write a program."), item("Q2?", "b")]}
    for made in (swapped(splits, 0), options(splits, 0)):
        assert [one.question.text for one in made] == ["Q1?", "Q2?"]


def test_selfaware_without_unanswerable_questions_of_ones_own(
    small: None, own: Path, tmp_path: Path
) -> None:
    place = tmp_path / "data" / "selfaware" / "data" / "SelfAware.json"
    place.parent.mkdir(parents=True)
    rows = [
        {"question": f"Is {i} even?", "answer": ["yes"], "answerable": i % 2 == 0, "source": "s"}
        for i in range(20)
    ]
    place.write_text(json.dumps({"example": rows}))
    found = done("unanswerable", tmp_path, own, data=tmp_path / "data")
    assert list(found["tables"]) == ["selfaware", "selfaware_separation"]
    assert any("the correctness AUROC on SelfAware" in told for told in found["not_run"])
    assert any("no unanswerable" in told for told in found["not_run"])


def test_a_model_that_is_a_folder(
    small: None, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch, "base_rate")
    none = {"fit": None, "score": None, "why": "all right"}
    monkeypatch.setattr(estimators, "cost", lambda *_: none)
    folder = tmp_path / "models" / "mine"
    shutil.copytree(Path(EMBEDDED) / MODEL, folder)
    found = done("estimators", tmp_path / "out", own, model_names=(str(folder),))
    assert f"cost of base_rate on {folder}: all right" in found["not_run"]
    (made,) = (tmp_path / "out" / "estimators").glob("*.csv")
    assert made.name.endswith("models_mine_open-ended.csv")


# What is not there -------------------------------------------------------------------------


def evouna(folder: Path, n: int) -> None:
    """Answers that people judged: every other one is right."""
    folder.mkdir(parents=True, exist_ok=True)
    systems = ("fid", "gpt35", "chatgpt", "gpt4", "newbing")
    for name in ("NQ", "TQ"):
        rows = [
            {
                "question": f"{name} {i}?", "golden_answer": f"gold {i}", "improper": False,
                **{f"answer_{s}": f"gold {i}" if i % 2 else "no" for s in systems},
                **{f"judge_{s}": bool(i % 2) for s in systems},
            }
            for i in range(n)
        ]  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps(rows))


def test_what_was_missing_is_looked_for_again(tmp_path: Path) -> None:
    """Without the model that is named, too: grading asks none."""
    data = tmp_path / "data"
    one = Bench(out=tmp_path, data=data, model_names=("nosuch",), quick=True)
    assert "does not exist" in results.done("graders", one, "test")["not_run"][0]
    (data / "evouna").mkdir(parents=True)
    (told,) = results.done("graders", one, "test")["not_run"]
    assert "NQ.json does not exist" in told
    evouna(data / "evouna", 12)
    found = results.done("graders", one, "test")
    assert found["verdict"] != NOT_RUN and found["bench"]["models"] == []
    assert any("--model" in note for note in found["notes"])
    assert results.done("graders", one, "again") == found
    named = replace(one, grader=grader_called("number", ["relative=0.5"]))  # beside the others
    rows = results.done("graders", named, "again")["tables"]["graders"]
    names = [row["grader"] for row in rows]
    assert len(names) == len(found["tables"]["graders"]) + 1
    assert sum(name.startswith("number") for name in names) == 1
    evouna(data / "evouna", 14)  # other data, other findings
    assert results.done("graders", one, "again")["notes"] != found["notes"]


def test_what_could_not_be_run_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox or a package may be there now, which nothing else tells."""
    answers = [NoSandbox("no sandbox here"), Findings(tables={"one": [{"n": 1}]})]

    def run(self: object, bench: Bench) -> Findings:
        if isinstance(found := answers.pop(0), NoSandbox):
            raise found
        return found

    monkeypatch.setattr(registry.get("experiments", "code"), "run", run)
    one = Bench(out=tmp_path, quick=True, grader=grader_called("substring"))
    assert results.done("code", one, "test")["not_run"] == ["no sandbox here"]
    found = results.done("code", one, "test")
    assert found["tables"] == {"one": [{"n": 1}]}
    assert results.done("code", one, "again") == found
    answers.append(Findings(tables={"one": [{"n": 1}]}))
    named = results.done("code", replace(one, model_names=(MODEL,)), "test")
    assert named["bench"]["models"][0].startswith(MODEL)  # it may write programs
    assert not named["notes"] and " Models: almanac-mini" in pages._learned_from(named["bench"])
    with pytest.raises(ModelUnavailable, match="nosuch"):
        results.done("code", replace(one, model_names=("nosuch",)), "test")


def test_a_model_that_is_missing_is_left_out(small: None, own: Path, tmp_path: Path) -> None:
    found = done("likelihood_vs_scale", tmp_path, own, model_names=(MODEL, "nosuch"))
    assert found["not_run"][0].startswith("model nosuch: there is no model")
    assert len(found["bench"]["models"]) == 1 and found["tables"]
    before = (tmp_path / "likelihood_vs_scale" / "findings.json").read_bytes()
    with pytest.raises(ModelUnavailable, match=r"there is no model .*almanac-mini"):
        call("likelihood_vs_scale", "--quick", "--model", "almanac-minni", "--out", tmp_path)
    assert (tmp_path / "likelihood_vs_scale" / "findings.json").read_bytes() == before
    one = Bench(out=tmp_path, questions=str(own), model_names=("nosuch",), quick=True)
    none = results.done("likelihood_vs_scale", one, "test", one_of_many=True)
    assert none["verdict"] == NOT_RUN and "it takes a model" in " ".join(none["not_run"])


def test_one_of_all_that_fails_does_not_stop_the_others(
    small: None, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: object, bench: Bench) -> None:
        raise DamagedFile("answers.parquet is damaged")

    monkeypatch.setattr(results, "names", lambda: ["format_shift", "likelihood_vs_scale"])
    monkeypatch.setattr(registry.get("experiments", "format_shift"), "run", damaged)
    words = ["--quick", "--model", MODEL, "--questions", own, "--out", tmp_path]
    words += ["--column", "question=Q", "--column", "target=A"]
    call("all", *words)
    found = {one["name"]: one for one in pages.read(tmp_path / "pages")}
    assert found["format_shift"]["not_run"] == ["answers.parquet is damaged"]
    assert found["likelihood_vs_scale"]["tables"]
    with pytest.raises(DamagedFile):  # asked for alone, it is an error
        call("format_shift", *words)


def test_seeds_that_are_the_same() -> None:
    with pytest.raises(InvalidData, match="names a seed twice"):
        call("graders", "--seeds", "0,1,0")
