"""Agreement with people: by hand, against scikit-learn, from tables and runs, on EVOUNA."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix

from calibrant.errors import InvalidData, NothingGraded
from calibrant.grades.agreement import (
    agreement,
    agreements,
    graders_called,
    human_graded,
    lines,
    numbers,
)
from calibrant.grades.grader import grade
from calibrant.grades.human import STAGE
from calibrant.records import Answer, Grade, ModelName, Question, Verdict
from calibrant.runs import Run
from calibrant.tables import write_table

EVOUNA = Path(__file__).parents[3] / "shared" / "data" / "evouna"


def test_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    human = (rng.random(400) < 0.6).astype(float)
    graded = np.where(rng.random(400) < 0.8, human, 1 - human)
    subset = rng.choice(["a", "b"], 400)
    found = agreement(graded, human, subset, np.arange(400).astype(str), n_resamples=200)
    for row in found["rows"]:
        here = subset == row["subset"] if row["subset"] != "all" else np.ones(400, bool)
        h, g = human[here], graded[here]
        assert row["agreement"]["value"] == pytest.approx(accuracy_score(h, g))
        assert row["kappa"]["value"] == pytest.approx(cohen_kappa_score(h, g))
        table = confusion_matrix(h, g).ravel().tolist()
        assert table == [
            row[name] for name in ("both_incorrect", "only_grader", "only_human", "both_correct")
        ]
        assert row["difference"]["value"] == pytest.approx(g.mean() - h.mean())
        for name in ("agreement", "kappa", "difference"):
            assert row[name]["low"] < row[name]["value"] < row[name]["high"]
    sizes = [abs(row["difference"]["value"]) for row in found["rows"][1:]]
    assert found["mean_difference"]["value"] == pytest.approx(np.mean(sizes))
    assert "kappa" in lines({"exact": found})


def test_what_is_unknown_is_counted_and_not_a_verdict() -> None:
    nan = np.nan
    found = agreement(
        np.array([1, 0, nan, 1, nan]), np.array([1, 1, 1, nan, nan]), [""] * 5, list("abcde")
    )
    row = found["rows"][0]
    assert (row["n"], row["n_ungraded"]) == (2, 1)
    same = agreement(np.ones(3), np.ones(3), [""] * 3, list("abc"))["rows"][0]
    assert same["agreement"]["value"] == 1 and same["kappa"] is None
    with pytest.raises(NothingGraded):
        agreement(np.array([nan]), np.array([1.0]), [""], ["a"])


ROWS = [
    {"question": "q1", "target": "Paris", "answer": "Paris", "correct": 1, "system": "x"},
    {
        "question": "q2",
        "target": "Paris",
        "answer": "It is Paris, yes",
        "correct": 1,
        "system": "y",
    },
    {"question": "q3", "target": "3", "answer": "4", "correct": 0, "system": "x"},
    {"question": "q4", "target": "3", "answer": "", "correct": None, "system": "y"},
]


def test_an_interval_that_is_undefined_is_no_number() -> None:
    human = np.array([1.0, 1.0, 1.0, 0.0])  # some replicates draw right answers only: no kappa
    found = agreement(human, human, ["s"] * 4, list("abcd"), n_resamples=200)
    assert found["rows"][0]["kappa"] == {"value": 1.0, "low": None, "high": None}
    assert "1.00 [-, -]" in lines({"exact": found}) and "0.00" not in lines({"exact": found})


def test_a_table(tmp_path: Path) -> None:
    write_table(tmp_path / "a.jsonl", ROWS)
    items, human, subset = human_graded(tmp_path / "a.jsonl", subset="system")
    graders = graders_called(["exact", "exact+substring", "number"], ["relative=0.5"])
    found = agreements(graders, items, human, subset, n_resamples=50)
    assert found["exact"]["rows"][0]["only_human"] == 1
    assert found["exact+substring"]["rows"][0]["agreement"]["value"] == 1
    assert found["number"]["rows"][0]["only_grader"] == 1, "4 is within half of 3"
    assert [row["subset"] for row in found["exact"]["rows"]] == ["all", "x", "y"]
    with pytest.raises(InvalidData, match="none of exact has"):
        graders_called(["exact"], ["relative=1"])
    with pytest.raises(InvalidData, match="no column 'judge'"):
        human_graded(tmp_path / "a.jsonl", human="judge")
    write_table(tmp_path / "b.jsonl", [{**ROWS[0], "correct": "perhaps"}])
    with pytest.raises(InvalidData, match=r"row 1: 'perhaps' is no verdict"):
        human_graded(tmp_path / "b.jsonl")
    write_table(tmp_path / "c.jsonl", [{**ROWS[0], "question": ""}])
    with pytest.raises(InvalidData, match=r"row 1: field 'question' is missing or empty"):
        human_graded(tmp_path / "c.jsonl")
    without = {name: value for name, value in ROWS[0].items() if name != "question"}
    write_table(tmp_path / "d.jsonl", [ROWS[0], without])
    with pytest.raises(InvalidData, match=r"row 2: field 'question' is missing or empty"):
        human_graded(tmp_path / "d.jsonl")


def test_a_table_is_read_as_elsewhere(tmp_path: Path) -> None:
    row = {"question": "Which?", "choices": ["Rome", "Oslo"], "target": "B", "answer": "Oslo"}
    none = {"question": "Who?", "answerable": False, "answer": "Ann", "target": "", "choices": None}
    bar = {"question": "a|b?", "targets": None, "target": "a|b", "answer": "a|b"}
    write_table(tmp_path / "a.jsonl", [one | {"correct": 1} for one in (row, none, bar)])
    items, _, _ = human_graded(tmp_path / "a.jsonl")
    assert [item.question.targets for item in items] == [("Oslo",), (), ("a|b",)]
    assert not items[1].question.answerable


def test_a_run_that_was_graded_by_hand(tmp_path: Path) -> None:
    run = Run(tmp_path / "run", {})
    questions = [Question(text=f"{i}?", targets=("yes",), subject="s") for i in range(3)]
    model = ModelName(name="m")
    answers = [Answer(question_id=q.id, text="yes", model=model) for q in questions]
    run.append("questions", questions)
    run.append("answers", answers)
    given = zip(answers[:2], (Verdict.CORRECT, Verdict.INCORRECT))
    run.append(STAGE, [Grade(answer_id=a.id, verdict=v, grader="human/Ada") for a, v in given])
    items, human, subset = human_graded(run.folder)
    assert [i.answer.id for i in items] == [a.id for a in answers[:2]]
    assert human.tolist() == [1, 0] and subset == ["s", "s"]
    assert numbers(grade(items, "exact")).tolist() == [1, 1]


@pytest.mark.skipif(not EVOUNA.is_dir(), reason=f"{EVOUNA} is not here")
def test_evouna_lexical_graders_err_one_way() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "agreement.py"
    spec = importlib.util.spec_from_file_location("agreement_benchmark", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    items, human, subset, n_improper = module.read(EVOUNA)
    n_rows = sum(len(json.loads((EVOUNA / f"{name}.json").read_text())) for name in ("NQ", "TQ"))
    assert n_rows == 5610 and len(items) == 5 * (n_rows - n_improper)
    group = [item.question.group for item in items]
    graded = numbers(grade(items, "substring"))
    row = agreement(graded, human, subset, group, n_resamples=20)["rows"][0]
    assert row["difference"]["value"] < -0.05, "marks right answers wrong"
    assert row["only_grader"] / row["n"] < 0.03, "and hardly the reverse"
