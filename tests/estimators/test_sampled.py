"""The formulas of the estimators that draw samples, against values worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrant import pipeline
from calibrant.answers.generate import answer
from calibrant.answers.prompts import QUERY, Prompts
from calibrant.artefacts import load_artefact, score_rows
from calibrant.confidences import by_split
from calibrant.errors import InvalidData, MissingCapability, TooFewClasses
from calibrant.estimators.calibrated import calibrate
from calibrant.estimators.needs import require
from calibrant.estimators.p_true import PTrue
from calibrant.estimators.sampled import MISSING, Compared
from calibrant.estimators.sampling import Sampling
from calibrant.estimators.semantic_entropy import SemanticEntropy
from calibrant.estimators.semantic_entropy_probe import SemanticEntropyProbe, best_split
from calibrant.estimators.similarity_graph import SimilarityGraph, degree, eccentricity
from calibrant.models.local import LocalModel
from calibrant.models.model import Given
from calibrant.records import Answer, Answered, Grade, Graded, ModelName, Question, Verdict
from calibrant.runs import read_parquet

QUESTION = Question(text="Capital of France?", targets=("Paris",))
GIVEN = Given()
DRAWN = [("Paris", 0.5), ("The Paris.", 0.25), ("Rome", 0.2), ("Oslo", 0.05)]
"""Samples with their length-normalised likelihoods; two say Paris."""


def item_of(text: str, *samples: str, log_probs: tuple[float, ...] = ()) -> Answered:
    said = Answer(
        question_id=QUESTION.id, text=text, model=ModelName(name="m"), samples=tuple(samples)
    )
    return Answered(question=QUESTION, answer=said)


def score(estimator: Compared, *items: Answered) -> list[float]:
    fitted = estimator.fit([], [], GIVEN, 0)
    return fitted.score(items, GIVEN).values.tolist()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four samples of two tokens each to every item."""

    def samples(self: Compared, items: list[Answered], *_: object) -> list[list[Answer]]:
        made = [
            Answer(
                question_id=QUESTION.id,
                text=text,
                model=ModelName(name="m"),
                log_probs=(2 * math.log(p) + 0.5, -0.5),
            )
            for text, p in DRAWN
        ]
        return [made for _ in items]

    monkeypatch.setattr(Compared, "samples", samples)


def log_odds(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.mark.usefixtures("drawn")
def test_sampling_by_hand() -> None:
    paris, rome, bonn = item_of("paris"), item_of("Rome"), item_of("Bonn")
    counted = score(Sampling(form="counting", n_samples=4), paris, rome, bonn)
    assert counted == pytest.approx([log_odds(0.5), log_odds(0.25), -math.inf])
    # (0.5 + 0.25) / (0.5 + 0.25 + 0.2 + 0.05)
    accumulated = score(Sampling(form="likelihood", n_samples=4), paris, rome, bonn)
    assert accumulated == pytest.approx([log_odds(0.75), log_odds(0.2), -math.inf])


def test_all_agree_is_certain() -> None:
    five = item_of("Paris", *["paris"] * 5)
    assert score(Sampling(n_samples=5, source="given"), five) == [math.inf]


@pytest.mark.usefixtures("drawn")
def test_semantic_entropy_by_hand() -> None:
    # Clusters {Paris, The Paris.}, {Rome}, {Oslo}.
    by_count = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25))
    by_weight = -(0.75 * math.log(0.75) + 0.2 * math.log(0.2) + 0.05 * math.log(0.05))
    item = item_of("whatever it is")
    assert score(SemanticEntropy(form="discrete", n_samples=4), item) == pytest.approx([-by_count])
    assert score(SemanticEntropy(form="weighted", n_samples=4), item) == pytest.approx([-by_weight])


def test_graph_by_hand() -> None:
    w = np.array([[1.0, 0.8, 0.1], [0.8, 1.0, 0.3], [0.1, 0.3, 1.0]])
    np.testing.assert_allclose(degree(w), [1.9 / 3, 2.1 / 3, 1.4 / 3])
    # Two clusters, {0, 1} and {2}: the nodes are at (1/sqrt 2, 0) twice and (0, 1).
    two = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    near = math.hypot(math.sqrt(0.5) / 3, 1 / 3)
    far = math.hypot(2 * math.sqrt(0.5) / 3, 2 / 3)
    np.testing.assert_allclose(eccentricity(two), [near, near, far])
    np.testing.assert_allclose(eccentricity(np.ones((4, 4))), 0, atol=1e-12)
    # A node apart is further from the centre than one of a close pair, soft similarities, too.
    soft = eccentricity(np.array([[1, 0.99, 0.05], [0.99, 1, 0.05], [0.05, 0.05, 1]]))
    assert soft[2] > soft[0] == pytest.approx(soft[1])


@pytest.mark.usefixtures("drawn")
def test_graph_has_the_answer_as_a_node() -> None:
    items = item_of("Paris"), item_of("Bonn")
    found = score(SimilarityGraph(form="degree", n_samples=4), *items)
    assert found == pytest.approx([log_odds(3 / 5), log_odds(1 / 5)])
    central, alone = score(SimilarityGraph(form="eccentricity", n_samples=4), *items)
    assert alone < central < 0


def test_samples_short_of_their_number_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, short = item_of("Paris", "Paris", "Rome", "Oslo", "Paris"), item_of("Paris", "Paris")
    for estimator in (
        Sampling(n_samples=3, source="given"),
        SemanticEntropy(n_samples=3, source="given"),
        SimilarityGraph(n_samples=3, source="given"),
    ):
        found = estimator.fit([], [], GIVEN, 0).score([short, whole], GIVEN)
        assert found.reasons == {0: "1 samples in place of 3"}
        assert not np.isnan(found.values[1])
    drawn = Sampling(n_samples=3, source="given").samples([short, whole], GIVEN)
    monkeypatch.setattr(Sampling, "samples", lambda *_: drawn)
    weighted = Sampling(form="likelihood", n_samples=3)
    found = weighted.fit([], [], GIVEN, 0).score([short, whole], GIVEN)
    assert found.reasons == {0: "1 samples in place of 3", 1: MISSING}


def test_given_samples_need_no_model(tmp_path: Path) -> None:
    given: Any = {"source": "given"}
    require([Sampling(source="given")], GIVEN)
    with pytest.raises(MissingCapability, match="generate"):
        require([Sampling()], GIVEN)
    with pytest.raises(MissingCapability, match="hidden_states"):
        require([PTrue(source="given")], GIVEN)
    with pytest.raises(MissingCapability, match="hidden_states"):
        require([Sampling(source="given", equivalence="judge")], GIVEN)
    with pytest.raises(InvalidData, match=r"by which sampling weighs.*set form=counting"):
        Sampling(form="likelihood", **given)
    with pytest.raises(InvalidData, match=r"by which semantic_entropy weighs.*set form=discrete"):
        SemanticEntropy(form="weighted", **given)
    estimator = Sampling(n_samples=2, source="given")
    items = [
        Graded(
            question=QUESTION,
            answer=item_of(text, "Paris", other).answer,
            grade=Grade(answer_id="x", verdict=verdict, grader="g/1"),
        )
        for text, other, verdict in (
            ("Paris", "Paris", Verdict.CORRECT),
            ("Rome", "Rome", Verdict.INCORRECT),
            ("Oslo", "Rome", Verdict.INCORRECT),
            ("Paris", "Rome", Verdict.CORRECT),
        )
    ]
    splits = {"train": [], "validation": [], "calibration": items}
    fitted = estimator.fit([], [], GIVEN, 0)
    calibrate(fitted, pipeline.registry.get("calibration", "platt")(), splits, GIVEN).save(tmp_path)
    calibrated, model = load_artefact(tmp_path)
    assert isinstance(model, Given)
    rows = [
        {"question": QUESTION.text, "answer": "Paris", "samples": '["Paris", "paris"]'},
        {"question": QUESTION.text, "answer": "Paris", "samples": "Rome|Oslo"},
        {"question": QUESTION.text, "answer": "Paris"},
    ]
    with pytest.raises(InvalidData, match="no column 'samples'; it has answer, question"):
        score_rows(rows[2:], calibrated, model)
    found = score_rows(rows, calibrated, model)
    assert found[0]["confidence"] > found[1]["confidence"]
    assert found[2]["confidence"] is None
    assert found[2]["confidence_reason"] == "0 samples in place of 2"


def test_p_true_shows_the_samples(tiny: LocalModel) -> None:
    prompts = Prompts(tiny.tokenizer)
    item = item_of("Paris of France")
    text = tiny.tokenizer.decode(prompts.with_samples(item, ["Paris", "Rome"]))
    shown = ["Capital of France?", "Paris", "Rome", "Proposed answer: Paris of France", QUERY]
    at = [text.index(part) for part in shown]
    assert at == sorted(at)
    # The text ends where the query ends, so that the same two options answer it.
    assert prompts.with_samples(item, [])[-3:] == list(prompts.query[-3:])


def test_probe_parts_low_from_high() -> None:
    assert 0.2 < best_split(np.array([0.0, 0.1, 0.2, 1.5, 1.6])) < 1.5
    with pytest.raises(TooFewClasses, match=r"same semantic entropy, 1\.099"):
        best_split(np.full(5, math.log(3)) + np.arange(5) * 1e-12)


def test_probe_predicts_entropy_without_grades(llama: LocalModel) -> None:
    questions = [Question(text=f"What is {i} of {i * 7 % 11}?") for i in range(40)]
    unknown = Grade(answer_id="x", verdict=Verdict.UNGRADED, grader="g", reason="r")
    items = [
        Graded(question=q, answer=a, grade=unknown)
        for q, a in zip(questions, answer(questions, llama, max_new_tokens=3))
    ]
    estimator = SemanticEntropyProbe(n_samples=4, max_new_tokens=1, temperature=0.3)
    fitted = estimator.fit(items, [], llama, 0)
    entropy = SemanticEntropy(n_samples=4, max_new_tokens=1, temperature=0.3)
    low = -entropy.fit([], [], llama, 0).score(items, llama).values <= fitted.limit
    assert 0 < low.sum() < len(items)
    scores = fitted.score(items, llama).values
    assert ((scores > 0) == low).mean() > 0.8  # on the very items that it was fitted on
    with pytest.raises(InvalidData, match="none of the 0"):
        estimator.fit([], [], llama, 0)


def test_a_run_draws_once_for_all(
    llama: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = tmp_path / "q.csv"
    lines = [f"What is {i} of {i % 7}?,{i}" for i in range(80)]
    questions.write_text("\n".join(["question,target", *lines]))
    sizes = pipeline.Sizes(train=20, validation=5, calibration=20, test=10)
    run = pipeline.open_run(tmp_path / "run", llama, str(questions), sizes=sizes)
    pipeline.answer_stage(run, llama, max_new_tokens=2)
    pipeline.grade_stage(run)
    grades = run.read("grades")
    run.replace(
        "grades",
        [
            replace(g, verdict=(Verdict.CORRECT, Verdict.INCORRECT)[i % 2])
            for i, g in enumerate(grades)
        ],
    )
    few = {"n_samples": 3, "max_new_tokens": 2, "temperature": 0.3}
    forms = [Sampling(**few), Sampling(form="likelihood", **few), SemanticEntropy(**few)]
    monkeypatch.setattr(type(llama), "is_small", property(lambda self: False))
    pipeline.fit_stage(run, llama, forms)
    assert llama.cache is None
    (shard,) = (tmp_path / "run" / "cache").rglob("*.parquet")
    splits = by_split(run.graded(), 0)
    assert len(read_parquet(shard)) == 3 * (len(splits["calibration"]) + len(splits["test"]))
