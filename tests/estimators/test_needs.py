"""What cannot run is refused before any work; what some answers lack is counted."""

from __future__ import annotations

import json
from math import log
from pathlib import Path
from typing import Any

import pytest

from calibrant.artefacts import ask, load_artefact, recalibrate_rows, score_rows
from calibrant.calibration.platt import Platt
from calibrant.errors import (
    DamagedFile,
    InvalidData,
    Mismatch,
    MissingCapability,
    NothingGraded,
)
from calibrant.estimators.calibrated import fit_calibrated
from calibrant.estimators.max_softmax import MaxSoftmax
from calibrant.estimators.needs import require
from calibrant.estimators.p_true import PTrue
from calibrant.estimators.probe import Probe
from calibrant.estimators.sampling import Sampling
from calibrant.estimators.semantic_entropy import SemanticEntropy
from calibrant.estimators.semantic_entropy_probe import SemanticEntropyProbe
from calibrant.estimators.sequence_likelihood import SequenceLikelihood
from calibrant.estimators.stacked import Stacked
from calibrant.estimators.token_entropy import TokenEntropy
from calibrant.evaluation.evaluate import Settings
from calibrant.given import run_given
from calibrant.models.local import LocalModel
from calibrant.models.model import Capability, Given
from calibrant.models.scripted import ScriptedModel
from calibrant.records import Answer, Grade, Graded, ModelName, Question, Verdict


def items(n: int = 60, start: int = 0, **fields: Any) -> list[Graded]:
    found = []
    for i in range(start, start + n):
        question = Question(text=f"Question {i}?", targets=("x",))
        said = Answer(question_id=question.id, text="x", model=ModelName(name="m"), **fields)
        verdict = Verdict.CORRECT if i % 3 else Verdict.INCORRECT
        grade = Grade(answer_id=said.id, verdict=verdict, grader="test/1")
        found.append(Graded(question=question, answer=said, grade=grade))
    return found


def splits(**fields: Any) -> dict[str, list[Graded]]:
    names = ("train", "validation", "calibration")
    return {name: items(30, 30 * i, **fields) for i, name in enumerate(names)}


class Silent(ScriptedModel):
    """Any call is a failure."""

    def __init__(self) -> None:
        super().__init__({}, "remote")


@pytest.mark.parametrize("form", [Probe(), PTrue(), SemanticEntropyProbe()])
def test_hidden_states_of_an_endpoint(form: Any) -> None:
    """Nothing is asked, and all that would run is named, whatever was asked for."""
    model = Silent()
    with pytest.raises(MissingCapability, match=f"{form.name} needs hidden_states") as told:
        fit_calibrated(form, Platt(), splits(), model)
    would = str(told.value).split("would run: ")[1].split(", ")
    assert {"base_rate", "verbal", "sampling", "text_embedding", "tuned_encoder"} <= set(would)
    assert not {"probe", "lora_prompt", "zero_shot", "token_entropy", "max_softmax"} & set(would)
    assert not model.asked


@pytest.mark.parametrize(
    "form",
    [
        Sampling(form="likelihood"),
        SemanticEntropy(form="weighted"),
        Stacked(members=("base_rate", 'sampling form="likelihood"')),
    ],
)
def test_samples_that_cannot_be_weighed_are_not_drawn(form: Any) -> None:
    """Log-probabilities of the answers, which these carry, are not those of samples."""
    model = Silent()
    model.capabilities -= {Capability.LOGPROBS}
    held = splits(log_probs=(-0.1,))
    with pytest.raises(MissingCapability, match=r"needs logprobs, .*would run: .*sampling") as told:
        fit_calibrated(form, Platt(), held, model)
    assert form.name in str(told.value) and not model.asked
    both = Stacked(members=("sequence_likelihood", "verbal"))
    require([Sampling(), SequenceLikelihood(), both], model, held["train"])
    require([form], Silent(), held["train"])


@pytest.mark.parametrize(
    ("form", "field", "value"),
    [
        (SequenceLikelihood(), "log_probs", (-0.1,)),
        (TokenEntropy(), "top_log_probs", ((-0.1, -3.0),)),
        (Sampling(source="given", n_samples=1), "samples", ("x",)),
        (Stacked(members=("base_rate", "token_entropy")), "top_log_probs", ((-0.1, -3.0),)),
    ],
)
def test_what_answers_do_not_carry(form: Any, field: str, value: Any) -> None:
    """An endpoint that could tell log-probabilities left them out: in all answers, or in some."""
    with pytest.raises(MissingCapability, match=f"needs {field} of the answers, which remote"):
        fit_calibrated(form, Platt(), splits(), Silent())
    said: list[str] = []
    require([form, form], Silent(), items(5, **{field: value}) + items(2), said.append)
    assert said == [f"2 of 7 answers have no {field}, which {form.name} reads"]
    require([MaxSoftmax()], Silent(), items(3))  # open answers: not its format, as a run says


def test_scores_that_are_all_missing_are_no_calibration_data() -> None:
    held = splits(samples=("x",))
    with pytest.raises(NothingGraded, match=r"sampling .*none of the 30.*1 samples in place of 2"):
        fit_calibrated(Sampling(source="given", n_samples=2), Platt(), held, Given())


def test_splits_are_disjoint() -> None:
    held = splits(log_probs=(-0.1,))
    for one, other in (("train", "validation"), ("validation", "calibration")):
        mixed = {**held, other: [*held[other], held[one][0]]}
        with pytest.raises(InvalidData, match=f"is in {one} and in {other}"):
            fit_calibrated(SequenceLikelihood(), Platt(), mixed, Given())


def test_at_prediction_too(tmp_path: Path) -> None:
    held = splits(log_probs=(-0.1,))
    for number, item in enumerate(held["calibration"]):
        object.__setattr__(item.answer, "log_probs", (-0.01 * number,))
    fit_calibrated(SequenceLikelihood(), Platt(), held, Given()).save(tmp_path)
    made, model = load_artefact(tmp_path)
    row = {"question": "Q?", "answer": "A"}
    rows = [row | {"log_probs": [-0.1]}, row | {"log_probs": None}, row, {"question": "Q?"}, {}]
    found = score_rows(rows, made, model)
    assert [r["confidence"] is None for r in found] == [False, True, True, True, True]
    assert "log-probabilities" in found[1]["confidence_reason"]
    assert score_rows([], made, model) == []
    said: list[str] = []
    assert score_rows(found, made, model, said.append) == found
    assert said == ["the column confidence of the table is replaced"]
    with pytest.raises(InvalidData, match="no column 'log_probs'; it has answer, question"):
        score_rows([row], made, model)
    with pytest.raises(InvalidData, match=r"row 2: field 'log_probs' has a number outside"):
        score_rows([rows[0], row | {"log_probs": [0.5]}], made, model)


def test_an_answer_may_be_a_number(tmp_path: Path) -> None:
    """0, too; rows that have none are told."""
    fit_calibrated(SequenceLikelihood(), Platt(), splits(log_probs=(-0.1,)), Given()).save(tmp_path)
    made, model = load_artefact(tmp_path)
    row = {"question": "How many?", "log_probs": [-0.1]}
    rows = [row | {"answer": said, "correct": 1} for said in (0, 0.0, 3, None, " ", float("nan"))]
    found = score_rows(rows, made, model)
    assert [one["confidence"] is None for one in found] == [False] * 3 + [True] * 3
    said: list[str] = []
    again = recalibrate_rows(rows, made, model, said.append)
    assert again.made_with["recalibrated"]["n"] == 3
    assert "thresholds" in made.made_with["metrics"]  # of the confidences before, in another domain
    assert not {"thresholds", "coverage"} & again.made_with["metrics"].keys()
    assert said == ["3 of 6 rows have no question or no answer: left out"]


def test_an_artefact_that_is_not_whole_is_named(tmp_path: Path) -> None:
    fit_calibrated(SequenceLikelihood(), Platt(), splits(log_probs=(-0.1,)), Given()).save(tmp_path)
    path = tmp_path / "artefact.json"
    whole = json.loads(path.read_text())
    for part in set(whole) - {"schema"}:
        path.write_text(json.dumps({k: v for k, v in whole.items() if k != part}))
        with pytest.raises(DamagedFile, match=rf"artefact\.json is damaged.*{part}"):
            load_artefact(tmp_path)
    odd: list[tuple[str, dict[str, object]]] = [
        ("colour", {"estimator": {**whole["estimator"], "settings": {"colour": 1}}}),
        ("formats", {"formats": "open"}),
        ("revision", {"made_with": whole["made_with"] | {"model": {"name": "", "revision": None}}}),
        ("NoneType", {"calibrator": {
            **whole["calibrator"], "fitted": {**whole["calibrator"]["fitted"], "slope": None}
        }}),
    ]  # fmt: skip
    for part, change in odd:
        path.write_text(json.dumps(whole | change))
        with pytest.raises(DamagedFile, match=rf"artefact\.json is damaged.*{part}"):
            load_artefact(tmp_path)


def test_another_model_may_not_answer(
    llama: LocalModel, model_folders: dict[str, str], tmp_path: Path
) -> None:
    """Of an estimator that calls none, too; answers that are there are scored, whoever wrote."""
    held = splits(log_probs=(-0.1,))
    fit_calibrated(SequenceLikelihood(), Platt(), held, llama).save(tmp_path)
    other = model_folders["qwen"]
    with pytest.raises(Mismatch, match="made with another model"):
        ask("Who?", tmp_path, model=other)
    assert 0 <= ask("Who?", tmp_path)["confidence"] <= 1
    assert 0 <= ask("Who?", tmp_path, model=other, allow_mismatch=True)["confidence"] <= 1
    row = {"question": "Who?", "answer": "Ann", "log_probs": [-0.1], "model": "other"}
    for options in ({}, {"model": other}):
        (found,) = score_rows([row], *load_artefact(tmp_path, **options))
        assert found["confidence"] is not None


def test_token_entropy_works_on_a_file_of_api_answers(tmp_path: Path) -> None:
    """Some rows lack the likeliest tokens: they are counted, and have no confidence."""
    lines = []
    for i in range(400):
        sure, right = bool(i % 2), bool(i % 2) != (i % 7 == 0)
        top = [[log(0.9), log(0.05)] if sure else [log(0.4), log(0.35)]]
        row = {"question": f"Who is {i}?", "answer": "Ann", "correct": int(right)}
        lines.append(row | ({"top_log_probs": top} if i % 5 else {}))
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said: list[str] = []
    metrics = run_given(
        tmp_path / "run",
        path,
        estimators=["token_entropy"],
        settings=Settings(n_resamples=0),
        say=said.append,
    )
    assert "80 of 400 answers have no top_log_probs, which token_entropy reads" in said
    (row,) = (
        r for r in metrics["rows"]
        if (r["estimator"], r["calibrator"], r["subset"]) == ("token_entropy", "platt", "all")
    )  # fmt: skip
    assert row["auroc"]["value"] > 0.7 and row["n_missing"] > 0
