"""Estimators that read the probabilities an answer carries: hand-worked values and tables."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from calibrant.artefacts import load_artefact, recalibrate_rows, score_rows
from calibrant.calibration.platt import Platt
from calibrant.errors import InvalidData, NothingGraded, TooFewClasses
from calibrant.estimators.calibrated import calibrate
from calibrant.estimators.card import card
from calibrant.estimators.max_softmax import FittedMaxSoftmax, MaxSoftmax
from calibrant.estimators.token_entropy import TokenEntropy, entropies
from calibrant.models.model import Given
from calibrant.records import Answer, Answered, Grade, Graded, ModelName, Question, Verdict

SHARP, FLAT = (log(0.97), log(0.01)), (log(0.4), log(0.3))


def item(i: int, correct: bool, **fields: object) -> Graded:
    question = Question(text=f"Question {i}?", choices=("one", "two"), targets=("one",))
    said = Answer(question_id=question.id, text="A", model=ModelName(name="m"), **fields)
    verdict = Verdict.CORRECT if correct else Verdict.INCORRECT
    grade = Grade(answer_id=said.id, verdict=verdict, grader="test/1")
    return Graded(question=question, answer=said, grade=grade)


def test_max_softmax_is_the_largest_share_of_the_options() -> None:
    """0.3 of (0.3 + 0.1): a share of 3/4, log-odds log 3."""
    items = [
        item(0, True, option_probs=(0.1, 0.3)),
        item(1, True),
        Answered(question=Question(text="Open?"), answer=item(2, True).answer),
        item(3, True, option_probs=(1.0, 0.0)),
    ]
    found = FittedMaxSoftmax(MaxSoftmax()).score(items, Given())
    assert found.values[[0, 3]] == pytest.approx([log(3), np.inf])
    assert set(found.reasons) == {1, 2}
    assert "open answer" in found.reasons[2] and "no probabilities" in found.reasons[1]


def test_entropy_by_hand() -> None:
    half = entropies([[log(0.5), log(0.25)], [log(0.5), log(0.5)], [0.0], [log(0.2)]])
    rest = -0.2 * log(0.2) - 0.8 * log(0.8)
    assert half == pytest.approx([1.5 * log(2), log(2), 0.0, rest])


def test_entropy_is_learned_and_read_from_a_table(tmp_path: Path) -> None:
    """Undecided answers are wrong here: they get the lower confidence, also from a file."""
    generator = np.random.default_rng(0)
    items = []
    for i in range(80):
        sharp = bool(generator.random() < 0.5)
        top = (SHARP, SHARP) if sharp else (SHARP, FLAT)
        items.append(item(i, bool(generator.random() < (0.9 if sharp else 0.2)), top_log_probs=top))
    fitted = TokenEntropy().fit([*items, item(99, True)], [], Given(), 0)
    splits = {"train": [], "validation": [], "calibration": items}
    calibrate(fitted, Platt(), splits, Given()).save(tmp_path)
    rows = [
        {"question": "Q?", "answer": "A", "choices": "one|two", "top_log_probs": top}
        for top in (json.dumps([SHARP, SHARP]), [list(SHARP), list(FLAT)], None, [[-0.1], []])
    ]
    calibrated, model = load_artefact(tmp_path)
    scored = score_rows(rows, calibrated, model)
    assert scored[0]["confidence"] > 0.8 and scored[1]["confidence"] < 0.4
    assert [row["confidence"] is None for row in scored] == [False, False, True, True]
    assert "log-probabilities" in scored[2]["confidence_reason"]
    with pytest.raises(InvalidData, match="top_log_probs"):
        score_rows([{**rows[0], "top_log_probs": "often"}], calibrated, model)


def test_entropies_of_as_many_tokens_as_were_learned_from() -> None:
    """A server that tells more tokens gives the same score; one that tells fewer gives none."""
    items = [item(i, i % 3 > 0, top_log_probs=((FLAT, SHARP)[i % 3 > 0],)) for i in range(30)]
    fitted = TokenEntropy().fit(items, [], Given(), 0)
    more = item(0, True, top_log_probs=((*FLAT, *[FLAT[-1] - 3] * 5),))
    fewer = item(0, True, top_log_probs=(FLAT[:1],))
    found = fitted.score([items[0], more, fewer], Given())
    assert found.values[0] == found.values[1] and "fewer than" in found.reasons[2]


def test_answers_without_log_probabilities_cannot_be_learned_from() -> None:
    with pytest.raises(NothingGraded, match="likeliest tokens"):
        TokenEntropy().fit([item(0, True), item(1, False)], [], Given(), 0)
    bare = [item(i, False) for i in range(3)]
    one_class = [item(i, True, top_log_probs=(SHARP,)) for i in range(3)]
    with pytest.raises(TooFewClasses, match="all 3"):
        TokenEntropy().fit([*bare, *one_class], [], Given(), 0)


def test_an_artefact_counts_what_was_not_graded(tmp_path: Path) -> None:
    items = [item(i, i % 2 == 0, top_log_probs=((SHARP, FLAT)[i % 2],)) for i in range(80)]
    unknown = Grade(answer_id="x", verdict=Verdict.UNGRADED, grader="g", reason="r")
    held = [replace(one, grade=unknown) if i < 9 else one for i, one in enumerate(items)]
    fitted = TokenEntropy().fit(items, [], Given(), 0)
    made = calibrate(fitted, Platt(), {"train": [], "validation": [], "calibration": held}, Given())
    assert made.made_with["n"]["calibration"] == 80
    assert made.made_with["n_ungraded"] == {"train": 0, "validation": 0, "calibration": 9}
    made.save(tmp_path)
    assert "of them ungraded: calibration 9;" in (tmp_path / "README.md").read_text()


def test_an_artefact_tells_which_answers_to_give(tmp_path: Path) -> None:
    """Decided answers are all right, undecided ones half: 95 % takes the former and few others."""
    items = [
        item(i, i % 2 == 0 or i % 4 == 1, top_log_probs=((SHARP, FLAT)[i % 2],)) for i in range(80)
    ]
    fitted = TokenEntropy().fit(items, [], Given(), 0)
    splits = {"train": [], "validation": [], "calibration": items}
    made = calibrate(fitted, Platt(), splits, Given())
    told = made.made_with["metrics"]
    assert told["accuracy"] == 0.75 and 0.5 <= told["coverage"]["0.95"] <= 0.55
    assert told["coverage"]["0.95"] <= told["coverage"]["0.9"] <= 0.65
    assert told["thresholds"]["0.9"] <= told["thresholds"]["0.95"]
    made.save(tmp_path)
    page = (tmp_path / "README.md").read_text()
    share, at = told["coverage"]["0.95"], told["thresholds"]["0.95"]
    assert f"confidence of {at:.3f} or more, {share:.0%}" in page
    artefact = json.loads((tmp_path / "artefact.json").read_text())
    artefact["made_with"]["metrics"]["thresholds"]["0.95"] = None
    assert "no threshold reaches it" in card(artefact)
    del artefact["made_with"]["metrics"]["thresholds"]  # as artefacts were before
    assert "Which answers" not in card(artefact)


def test_recalibrated_on_a_few_labels_of_another_domain(tmp_path: Path) -> None:
    """Its base rate is another: the confidences move to it, in their order, and nothing else."""
    items = [item(i, i % 4 > 0, top_log_probs=((SHARP,) * (1 + i % 3))) for i in range(40)]
    splits = {"train": [], "validation": [], "calibration": items}
    fitted = TokenEntropy().fit(items, [], Given(), 0)
    calibrate(fitted, Platt(), splits, Given()).save(tmp_path / "old")
    calibrated, model = load_artefact(tmp_path / "old")
    rows = [
        {"question": f"Q {i}?", "answer": "A", "choices": "one|two", "top_log_probs": [SHARP]}
        | {"correct": i % 4 == 0}
        for i in range(24)
    ]
    ungraded = [{**rows[0], "correct": None}, {**rows[0], "top_log_probs": None}]
    made = recalibrate_rows([*rows, *ungraded], calibrated, model)
    made.save(tmp_path / "new")
    again, _ = load_artefact(tmp_path / "new")
    before, after = (
        [row["confidence"] for row in score_rows(rows, one, model)] for one in (calibrated, again)
    )
    assert before[0] == pytest.approx(0.75, abs=0.06)
    assert after[0] == pytest.approx(0.25, abs=0.06)
    assert again.made_with["recalibrated"]["n"] == 24
    assert again.made_with["recalibrated"]["n_missing"] == 1
    with pytest.raises(NothingGraded, match="none of the 1 answers"):
        recalibrate_rows(ungraded[:1], calibrated, model)
    with pytest.raises(InvalidData, match="'correct'"):
        recalibrate_rows([{"question": "Q?", "answer": "A"}], calibrated, model)
