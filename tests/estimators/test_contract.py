"""What every estimator must do; they are found by the registry."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Literal, get_origin, get_type_hints

import numpy as np
import pytest

from calibrant import registry
from calibrant.answers.generate import answer
from calibrant.answers.prompts import Prompts
from calibrant.errors import InvalidData, NothingGraded, TooFewClasses
from calibrant.estimators.calibrated import (
    Calibrated,
    calibrate,
    fit_calibrated,
    load_calibrated,
)
from calibrant.estimators.estimator import (
    ABOVE_0,
    AT_LEAST_0,
    SHARES,
    Estimator,
    FittedEstimator,
)
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.estimators.needs import require
from calibrant.estimators.room import with_room
from calibrant.models.local import LocalModel
from calibrant.models.model import Capability
from calibrant.records import Answered, Grade, Graded, ModelName, Question, Verdict

FORMS = [form for cls in registry.variants("estimators").values() for form in cls.forms()]
FORMS += [LoraPrompt(activation="query"), LoraPrompt(activation="short_query")]
Data = tuple[list[Graded], list[Graded], LocalModel]


def quick(form: Estimator, encoder: str) -> Estimator:
    """The same with little training, a tiny encoder, short samples, and answers that are read."""
    small = {"n_epochs": 1.0, "unread": 0.5, "max_new_tokens": 8, "encoder": encoder}
    if hasattr(form, "n_samples"):
        small |= {"n_samples": 3, "max_new_tokens": 2, "temperature": 0.3}
    return replace(form, **{name: v for name, v in small.items() if hasattr(form, name)})


@pytest.fixture(scope="module", params=FORMS, ids=lambda f: f"{f.name}-{f.variant}".strip("-"))
def form(request: pytest.FixtureRequest, encoder_folder: str) -> Estimator:
    return quick(request.param, encoder_folder)


@pytest.fixture(scope="module")
def by_format(llama: LocalModel) -> dict[str, Data]:
    return {"open": made(llama, ()), "choice": made(llama, ("one", "two"))}


@pytest.fixture(scope="module")
def data(form: Estimator, by_format: dict[str, Data]) -> Data:
    """Answers of a format that the estimator scores."""
    return by_format[form.formats[0]]


def made(llama: LocalModel, choices: tuple[str, ...]) -> Data:
    """Graded answers of a tiny model; what is right follows the subject, with exceptions."""
    questions = [
        Question(
            text=f"What is {i} of {i * 7 % 11}?",
            choices=choices,
            targets=choices[:1] or (str(i),),
            subject=f"s{i % 3}",
            category="c",
        )
        for i in range(48)
    ]
    answers = answer(questions, llama, max_new_tokens=5)
    items = []
    for i, (question, said) in enumerate(zip(questions, answers)):
        verdict = Verdict.CORRECT if (i % 3 == 0) != (i % 7 == 0) else Verdict.INCORRECT
        grade = Grade(answer_id=said.id, verdict=verdict, grader="test/1")
        items.append(Graded(question=question, answer=said, grade=grade))
    return items[:32], items[32:], llama


def fit(form: Estimator, data: Data, seed: int = 0) -> FittedEstimator:
    train, validation, model = data
    return form.fit(train, validation, model, seed)


def blind(items: list[Graded]) -> list[Answered]:
    """Without grades."""
    return [Answered(question=item.question, answer=item.answer) for item in items]


@pytest.fixture(scope="module")
def fitted(form: Estimator, data: Data) -> FittedEstimator:
    return fit(form, data)


def test_settings_round_trip(fitted: FittedEstimator) -> None:
    estimator = fitted.estimator
    assert type(estimator)(**estimator.settings()) == estimator
    assert registry.get("estimators", estimator.name) is type(estimator)
    assert estimator.needs <= frozenset(Capability)
    with pytest.raises(FrozenInstanceError):
        estimator.name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        type(estimator)(colour=1)  # type: ignore[call-arg]


def test_a_value_that_a_setting_does_not_know_is_refused(fitted: FittedEstimator) -> None:
    estimator = fitted.estimator
    hints = get_type_hints(type(estimator))
    for name in estimator.settings():
        if get_origin(hints[name]) is Literal:
            with pytest.raises(InvalidData, match=name):
                replace(estimator, **{name: "qery"})


def test_numbers_that_no_setting_can_have_are_refused(fitted: FittedEstimator) -> None:
    estimator = fitted.estimator
    for name, value in estimator.settings().items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert name in ABOVE_0 | AT_LEAST_0, "one of the two says how small it may be"
            zero, much = (0,) if name in ABOVE_0 else (), (1.5,) if name in SHARES else ()
            for wrong in (-1, math.nan, math.inf, *zero, *much):
                with pytest.raises(InvalidData, match=name):
                    replace(estimator, **{name: wrong})


def test_same_seed_same_scores(fitted: FittedEstimator, data: Data) -> None:
    again = fit(fitted.estimator, data)
    items = blind(data[1])
    np.testing.assert_array_equal(
        fitted.score(items, data[2]).values, again.score(items, data[2]).values
    )


def test_order_and_batch_do_not_matter(fitted: FittedEstimator, data: Data) -> None:
    items, model = blind(data[0] + data[1]), data[2]
    together = fitted.score(items, model).values
    np.testing.assert_allclose(fitted.score(items[::-1], model).values[::-1], together, atol=1e-5)
    alone = [fitted.score([item], model).values[0] for item in items[:5]]
    np.testing.assert_allclose(alone, together[:5], atol=1e-5)


def test_grades_are_never_seen(fitted: FittedEstimator, data: Data) -> None:
    wrong = Grade(answer_id="x", verdict=Verdict.INCORRECT, grader="g")
    items = [replace(item, grade=wrong) for item in data[1]]
    np.testing.assert_array_equal(
        fitted.score(items, data[2]).values, fitted.score(blind(data[1]), data[2]).values
    )


def test_ungraded_are_left_out(fitted: FittedEstimator, data: Data) -> None:
    if fitted.estimator.name == "semantic_entropy_probe":
        pytest.skip("it is fitted on samples and looks at no grade")
    train, validation, model = data
    unknown = Grade(answer_id="x", verdict=Verdict.UNGRADED, grader="g", reason="r")
    more = train + [replace(item, grade=unknown) for item in validation]
    again = fitted.estimator.fit(more, validation, model, 0)
    items = blind(validation)
    np.testing.assert_array_equal(
        again.score(items, model).values, fitted.score(items, model).values
    )


def test_empty_and_one_class(fitted: FittedEstimator, data: Data) -> None:
    estimator = fitted.estimator
    plain = estimator.name == "sequence_likelihood" and estimator.variant != "head"
    if not estimator.learns or plain or estimator.name == "semantic_entropy_probe":
        pytest.skip("nothing is fitted on grades")
    with pytest.raises(NothingGraded):
        estimator.fit([], data[1], data[2], 0)
    right = [item for item in data[0] if item.correct]
    with pytest.raises(TooFewClasses, match=r"all .* are correct"):
        estimator.fit(right, data[1], data[2], 0)


def test_what_does_not_learn_looks_at_no_answer(fitted: FittedEstimator, data: Data) -> None:
    if fitted.estimator.learns:
        pytest.skip("it learns")
    again = fitted.estimator.fit([], [], data[2], 1)
    items = blind(data[1])
    np.testing.assert_array_equal(
        again.score(items, data[2]).values, fitted.score(items, data[2]).values
    )


def test_missing_is_told(fitted: FittedEstimator, data: Data) -> None:
    none = dict.fromkeys(("log_probs", "token_ids", "top_log_probs", "option_probs"), ())
    bare = [replace(item, answer=replace(item.answer, **none)) for item in blind(data[1])[:3]]
    found = fitted.score(bare, data[2])
    needs = set(fitted.estimator.reads) & none.keys()
    assert set(found.reasons) == ({0, 1, 2} if needs else set())


def test_no_items_have_no_scores(fitted: FittedEstimator, data: Data) -> None:
    assert fitted.score([], data[2]).values.shape == (0,)


def test_long_texts_stop_nothing(form: Estimator, data: Data) -> None:
    """Questions without room, or with room for the query alone, and an answer longer than all."""
    model, prompts = data[2], Prompts(data[2].tokenizer)
    splits = {"train": data[0][:20], "validation": data[0][20:], "calibration": data[1][:]}
    for name, part in splits.items():
        empty = prompts.question(replace(part[0].question, text="two"))
        room = 256 - len(prompts.query) - len(empty)
        for i, text in ((1, f"{name} why not " * 200), (3, f"{name[0]} " + "two " * (room - 2))):
            question = replace(part[i].question, id="", group="", text=text)
            part[i] = replace(part[i], question=question)
        said = replace(part[5].answer, id="", text="one " * 300, token_ids=())
        part[5] = replace(part[5], answer=said)
    parts = {name: with_room(form, items, model) for name, items in splits.items()}
    form.prepare(parts | {"test": parts["calibration"]}, model)
    made = fit_calibrated(form, registry.get("calibration", "platt")(), splits, model)
    found = made.confidences(blind(splits["calibration"]), model)
    assert all(one.value is not None or one.reason for one in found)
    assert sum(one.value is None for one in found) <= 2


def calibrated(fitted: FittedEstimator, data: Data) -> Calibrated:
    splits = {"train": data[0], "validation": [], "calibration": data[1]}
    return calibrate(fitted, registry.get("calibration", "platt")(), splits, data[2])


def test_saved_and_loaded_is_the_same(fitted: FittedEstimator, data: Data, tmp_path: Path) -> None:
    made = calibrated(fitted, data)
    made.save(tmp_path / "artefact")
    loaded = load_calibrated(tmp_path / "artefact", data[2])
    items = blind(data[1])
    assert loaded.confidences(items, data[2]) == made.confidences(items, data[2])
    assert loaded.estimator == made.estimator
    card = (tmp_path / "artefact" / "README.md").read_text()
    assert fitted.estimator.name in card and data[2].name.revision in card
    for confidence in made.confidences(items, data[2]):
        assert confidence.value is not None and 0 <= confidence.value <= 1


def test_answers_of_another_model(fitted: FittedEstimator, data: Data) -> None:
    """It is fitted on them and scores them; their tokens, of no use here, are never read."""
    train, validation, model = data

    def foreign(item: Graded) -> Graded:
        theirs = ModelName(name="other", revision=model.name.revision)
        ids = (10**6,) * len(item.answer.token_ids)
        return replace(item, answer=replace(item.answer, id="", model=theirs, token_ids=ids))

    items, held = list(map(foreign, train)), list(map(foreign, validation))
    require([fitted.estimator], model, items)
    found = fitted.estimator.fit(items, held, model, 0).score(blind(held), model)
    assert not found.reasons and len(found.values) == len(held)
