"""LoRA + Prompt: the answer is never changed, and the loss is the paper's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from calibrant.answers.generate import answer
from calibrant.answers.prompts import Prompts
from calibrant.answers.query import query_scores, sequences
from calibrant.calibration.platt import Platt
from calibrant.errors import DamagedFile, InvalidData, Mismatch, TooFewClasses
from calibrant.estimators.calibrated import calibrate, load_calibrated, recalibrated
from calibrant.estimators.lora_prompt import FittedLoraPrompt, LoraPrompt
from calibrant.estimators.zero_shot import ZeroShot
from calibrant.models.local import LocalModel
from calibrant.questions.source import load_questions
from calibrant.records import Answered, Grade, Graded, Question, Verdict
from calibrant.training import adapters
from calibrant.training.prompt_tuning import FullTuning

QUESTIONS = [
    Question(text=f"What is {i}?", targets=("one two" if i % 2 else str(i),)) for i in range(24)
] + [Question(text=f"Which is {i}?", choices=("one", "two"), targets=("two",)) for i in range(8)]


def graded(model: LocalModel) -> list[Graded]:
    found = []
    for i, (question, said) in enumerate(
        zip(QUESTIONS, answer(QUESTIONS, model, max_new_tokens=5))
    ):
        verdict = Verdict.CORRECT if i % 3 else Verdict.INCORRECT
        grade = Grade(answer_id=said.id, verdict=verdict, grader="test/1")
        found.append(Graded(question=question, answer=said, grade=grade))
    return found


@pytest.fixture(scope="module")
def fitted(llama: LocalModel) -> FittedLoraPrompt:
    items = graded(llama)
    found = LoraPrompt(n_epochs=2, learning_rate=0.02).fit(items, items, llama, 0)
    assert isinstance(found, FittedLoraPrompt)
    return found


def test_learns_on_every_architecture(tiny: LocalModel) -> None:
    """Some steps on a few answers bring the loss down, and the base model is left as it was."""
    easy = {"open": Verdict.INCORRECT, "choice": Verdict.CORRECT}
    items = [
        replace(item, grade=replace(item.grade, verdict=easy[item.question.format]))
        for item in graded(tiny)
    ]
    before = {name: value.clone() for name, value in tiny.module.state_dict().items()}
    answers = answer(QUESTIONS, tiny, max_new_tokens=5)
    scores = query_scores(items, tiny)
    settings = LoraPrompt(n_epochs=12, learning_rate=0.02, batch_size=16, kappa=0.1, patience=99)
    found = settings.fit(items, items, tiny, 0)
    assert isinstance(found, FittedLoraPrompt)
    assert found.history[-1]["validation"] < 0.7 * found.history[0]["validation"]
    after = tiny.module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert answer(QUESTIONS, tiny, max_new_tokens=5) == answers
    assert query_scores(items, tiny) == scores
    assert found.score(items, tiny).values.tolist() != scores


def test_answers_are_the_same_with_the_adapter_loaded(
    llama: LocalModel, fitted: FittedLoraPrompt
) -> None:
    expected = answer(QUESTIONS, llama, max_new_tokens=5)
    with adapters.attached(llama, fitted.config, fitted.weights) as peft, peft.disable_adapter():
        assert answer(QUESTIONS, llama, max_new_tokens=5) == expected


def test_paper_settings() -> None:
    estimator = LoraPrompt()
    assert (estimator.rank, estimator.alpha, estimator.dropout, estimator.kappa) == (
        8,
        32,
        0.1,
        1.0,
    )


def test_targets(tiny: LocalModel) -> None:
    config = adapters.lora_config(tiny, rank=8, alpha=32, dropout=0.1, targets=())
    expected = {"query_key_value"} if tiny.module.config.model_type == "gpt_neox" else None
    assert config.target_modules == (expected or {"q_proj", "v_proj"})
    with pytest.raises(Mismatch, match="nothing_proj"):
        adapters.lora_config(tiny, rank=8, alpha=32, dropout=0.1, targets=("nothing_proj",))


def test_layers(tiny: LocalModel) -> None:
    items, last = graded(tiny), tiny.module.config.num_hidden_layers - 1
    fitted = LoraPrompt(n_epochs=1, layers=(-1,)).fit(items, items, tiny, 0)
    assert isinstance(fitted, FittedLoraPrompt)
    assert fitted.weights and all(f".{last}." in name for name in fitted.weights)
    for wrong in (last + 1, "-1", True):
        told = rf"{last + 1} layers, 0 to {last}: {wrong!r} is none"
        with pytest.raises(InvalidData, match=told):
            LoraPrompt(layers=(wrong,)).fit(items, items, tiny, 0)  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match="all-linear is for all layers"):
        LoraPrompt(layers=(0,), targets=("all-linear",)).fit(items, items, tiny, 0)


def test_a_reference_is_cut_to_what_the_model_has_room_for(llama: LocalModel) -> None:
    """It has 256 positions."""
    items = graded(llama)[:8]
    long = replace(items[0].question, targets=("two " * 1000,))
    items[0] = replace(items[0], question=long)
    whole = Prompts(llama.tokenizer).answer(long, long.targets[0])
    assert len(whole) > 256
    config = adapters.lora_config(llama, rank=8, alpha=32, dropout=0.0, targets=())
    with adapters.attached(llama, config) as peft:
        loss = tuning(peft, llama, items, 0.7)
        assert loss.references[0] == whole[: 256 - len(loss.questions[0])]
        assert np.isfinite(loss.backward(range(len(items))))


def test_a_question_without_room_has_no_confidence_and_is_named(llama: LocalModel) -> None:
    """One does not fit the model, one fits it without the query."""
    items, prompts = graded(llama)[:24], Prompts(llama.tokenizer)
    splits = {"train": [], "validation": [], "calibration": items}
    made = calibrate(ZeroShot().fit([], [], llama, 0), Platt(), splits, llama)
    expected = made.confidences(items, llama)
    n = 256 - len(prompts.question(Question(text="two")))
    for i, text in ((1, "Why not two " * 200), (3, "two " * n)):
        items[i] = replace(items[i], question=replace(items[i].question, text=text))
    assert 256 - len(prompts.query) < len(prompts.question(items[3].question)) <= 256
    found = made.confidences(items, llama)
    assert [one.value is None for one in found] == [i in (1, 3) for i in range(24)]
    assert re.match(
        r"the question is too long: .* \d+ tokens, and .* 256 positions", found[1].reason
    )
    for i in {*range(24)} - {1, 3}:
        assert found[i].value == pytest.approx(expected[i].value, abs=1e-5)
    assert calibrate(made.fitted, Platt(), splits, llama).made_with["n"]["calibration"] == 24
    assert recalibrated(made, items, llama).made_with["recalibrated"]["n_missing"] == 2
    with pytest.raises(Mismatch, match=r"2 of 24 questions .* 256 positions.*'Why not two Why"):
        LoraPrompt(n_epochs=1).fit(items, items, llama, 0)
    with pytest.raises(Mismatch, match=r"1 of 24 questions .* 256 positions.*'Why not two Why"):
        answer([item.question for item in items], llama, max_new_tokens=4)


def tuning(peft: object, model: LocalModel, items: list[Graded], kappa: float) -> FullTuning:
    return FullTuning(peft, model, items, [item.correct for item in items], kappa)


def test_loss_against_a_plain_computation(tiny: LocalModel) -> None:
    """One row at a time, without padding: the ragged, branching batch must give the same loss."""
    assert_plain_loss(tiny)


def test_loss_of_a_model_that_looks_back_less_far_than_the_text(
    make_model: Callable[[str], str],
) -> None:
    mistral = LocalModel(make_model("mistral"))
    whole = assert_plain_loss(mistral)
    mistral.module.config.sliding_window = 24
    assert assert_plain_loss(mistral) != pytest.approx(whole, rel=1e-3)


def assert_plain_loss(tiny: LocalModel) -> float:
    items, prompts = graded(tiny), Prompts(tiny.tokenizer)
    fitted = LoraPrompt(n_epochs=2, learning_rate=0.02).fit(items, items, tiny, 0)
    assert isinstance(fitted, FittedLoraPrompt)
    no, yes = prompts.options
    with adapters.attached(tiny, replace(fitted.config, lora_dropout=0.0), fitted.weights) as peft:
        loss = tuning(peft, tiny, items, 0.7)
        loss.backward(range(len(items)))
        found = loss.backward(range(len(items)))  # the second time from what was kept
        assert len(loss.base) == len(items)
        expected = 0.0
        for item in items:
            ids = sequences([item], tiny)[0]
            logits = peft(input_ids=torch.tensor([ids])).logits[0, -1, [no, yes]]
            expected -= logits.log_softmax(-1)[int(item.correct)].item()
            question = prompts.question(item.question)
            target = item.question.targets[0]
            if item.question.choices:
                target_ids = [prompts.letters(item.question)[item.question.choices.index(target)]]
            else:
                target_ids = prompts.answer(item.question, target)
            row = torch.tensor([question + target_ids])
            tuned = peft(input_ids=row).logits[0].log_softmax(-1)
            with peft.disable_adapter():
                base = peft(input_ids=row).logits[0].log_softmax(-1)
            places = range(len(question) - 1, len(question) + len(target_ids) - 1)
            for t in places:
                p, q = base[t].exp(), tuned[t].exp()
                m = (p + q) / 2
                js = 0.5 * (p * (p / m).log()).sum() + 0.5 * (q * (q / m).log()).sum()
                expected += 0.7 * js.item()
    assert found == pytest.approx(expected / len(items), rel=1e-4)
    return found


def test_micro_batches_do_not_change_the_loss(llama: LocalModel, fitted: FittedLoraPrompt) -> None:
    items = graded(llama)
    gradients = []
    for budget in (100_000, 300):
        with adapters.attached(
            llama, replace(fitted.config, lora_dropout=0.0), fitted.weights
        ) as peft:
            loss = tuning(peft, llama, items, 1.0)
            loss.budget = budget
            value = loss.backward(range(len(items)))
            gradients.append(
                (value, [p.grad.clone() for p in peft.parameters() if p.grad is not None])
            )
    (one, first), (other, second) = gradients
    assert one == pytest.approx(other, rel=1e-5)
    for a, b in zip(first, second):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_questions_without_a_reference_are_counted(llama: LocalModel) -> None:
    items = graded(llama)
    bare = [replace(i, question=replace(i.question, targets=(), choices=())) for i in items[:4]]
    said: list[str] = []
    LoraPrompt(n_epochs=1).fit(bare + items[4:], items, llama, 0, say=said.append)
    assert any("4 questions have no reference" in line for line in said)


def test_the_reference_of_a_choice_is_a_target_among_the_choices(llama: LocalModel) -> None:
    item = graded(llama)[-1]
    texts = [("number two", "two"), ("number two",), ("two",)]
    asked = [replace(item.question, id="", targets=targets) for targets in texts]
    references = tuning(None, llama, [replace(item, question=q) for q in asked], 1.0).references
    assert references[0] == references[2] != [] == references[1]


def test_brier_is_minimised_when_asked_for(llama: LocalModel) -> None:
    """Of the confidences as they are: it is the loss of the first step, and falls."""
    items = graded(llama)
    correct = np.array([item.correct for item in items])
    settings = LoraPrompt(
        rule="brier",
        n_epochs=8,
        batch_size=32,
        learning_rate=0.02,
        kappa=0.0,
        dropout=0.0,
        patience=99,
    )
    found = settings.fit(items, items, llama, 0)
    assert isinstance(found, FittedLoraPrompt)

    def brier(scores: Sequence[float]) -> float:
        return float(np.mean((expit(scores) - correct) ** 2))

    before = brier(query_scores(items, llama))
    assert found.losses[0] == pytest.approx(before, abs=1e-5)
    assert brier(found.score(items, llama).values.tolist()) < before - 0.02


def test_validation_of_one_class_is_named(llama: LocalModel) -> None:
    items = graded(llama)
    with pytest.raises(TooFewClasses):
        LoraPrompt().fit(items, [i for i in items if i.correct], llama, 0)


def saved(llama: LocalModel, fitted: FittedLoraPrompt, folder: Path) -> Path:
    items = graded(llama)
    splits = {"train": [], "validation": [], "calibration": items}
    calibrate(fitted, Platt(), splits, llama).save(folder)
    return folder


def test_another_base_model_is_refused(
    llama: LocalModel,
    fitted: FittedLoraPrompt,
    tmp_path: Path,
    model_folders: dict[str, str],
) -> None:
    folder = saved(llama, fitted, tmp_path / "a")
    other = LocalModel(model_folders["qwen"])
    with pytest.raises(Mismatch, match="another model"):
        load_calibrated(folder, other)


@pytest.mark.parametrize("file", ["artefact.json", "adapter/adapter_model.safetensors"])
def test_damaged_artefacts_are_named(
    llama: LocalModel, fitted: FittedLoraPrompt, tmp_path: Path, file: str
) -> None:
    folder = saved(llama, fitted, tmp_path / "a")
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFile, match=Path(file).name):
        load_calibrated(folder, llama)
    (folder / file).unlink()
    with pytest.raises(DamagedFile, match=Path(file).name):
        load_calibrated(folder, llama)


def test_text_of_another_models_answer_bounds_the_difference(fitted: FittedLoraPrompt) -> None:
    """The same answers as text: hardly any is parted into other tokens, and little moves there."""
    model = LocalModel("almanac-mini")
    asked = [q for q in load_questions("almanac") if q.answerable][::60]
    prompts, own = Prompts(model.tokenizer), list(zip(asked, answer(asked, model)))
    mine = [Answered(question=q, answer=a) for q, a in own]
    text = [
        Answered(question=q, answer=replace(a, model=replace(a.model, name="other")))
        for q, a in own
    ]
    parted = [prompts.asked(a, model)[1] != prompts.asked(b, model)[1] for a, b in zip(mine, text)]
    scores = np.array(query_scores(mine, model))
    moved = np.abs(scores - query_scores(text, model))
    assert 0 < np.mean(parted) < 0.03
    assert moved[~np.array(parted)].max() < 1e-4 < moved.max() < scores.std()
