"""LoRA + Prompt that acts from the query on: exact on the answer's cache, and never by silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel

from calibrant.answers.generate import Generation, answer, greedy
from calibrant.answers.prompts import Prompts
from calibrant.answers.query import Activation, row_scores, sequences
from calibrant.artefacts import answer_with_confidence
from calibrant.calibration.platt import Platt
from calibrant.errors import Mismatch
from calibrant.estimators.calibrated import calibrate, load_calibrated
from calibrant.estimators.lora_prompt import FittedLoraPrompt, LoraPrompt
from calibrant.estimators.zero_shot import ZeroShot
from calibrant.models import prefix
from calibrant.models.local import LocalModel
from calibrant.records import Answered, Grade, Graded, Question, Verdict
from calibrant.training import adapters
from calibrant.training.prompt_tuning import QueryTuning

ARCHITECTURES = ("llama", "mistral", "opt", "gpt_neox", "qwen")
QUESTIONS = [
    Question(text=f"What is {'the ' * (i % 7)}{i}?", targets=(str(i),)) for i in range(12)
] + [Question(text=f"Which is {i}?", choices=("one", "two"), targets=("two",)) for i in range(4)]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest, make_model: Callable[[str], str]) -> LocalModel:
    """Learned and rotary positions, grouped queries, a window shorter than the sequences."""
    made = LocalModel(make_model(request.param))
    if request.param == "mistral":
        made.module.config.sliding_window = len(Prompts(made.tokenizer).query) + 4
    return made


def items_of(model: LocalModel, limit: int = 6) -> list[Graded]:
    found = []
    for i, (question, said) in enumerate(
        zip(QUESTIONS, answer(QUESTIONS, model, max_new_tokens=limit))
    ):
        verdict = Verdict.CORRECT if i % 3 else Verdict.INCORRECT
        grade = Grade(answer_id=said.id, verdict=verdict, grader="test/1")
        found.append(Graded(question=question, answer=said, grade=grade))
    return found


def fit(model: LocalModel, activation: Activation = "query") -> FittedLoraPrompt:
    items = items_of(model)
    settings = LoraPrompt(activation=activation, n_epochs=2, learning_rate=0.05)
    found = settings.fit(items, items, model, 0)
    assert isinstance(found, FittedLoraPrompt)
    return found


def plain(fitted: FittedLoraPrompt, model: LocalModel, items: list[Graded]) -> list[float]:
    """One row at a time in one pass, the adapter masked by hand on every token before the query."""
    asks, found = fitted.estimator.asks, list[float]()
    prompts = Prompts(model.tokenizer, asks)
    no, yes = prompts.options
    config = replace(fitted.config, alora_invocation_tokens=list(prompts.query))
    with adapters.attached(model, config, fitted.weights) as peft, torch.no_grad():
        for row in sequences(items, model, asks=asks):
            logits = peft(input_ids=torch.tensor([row])).logits[0, -1]
            found.append((logits[yes] - logits[no]).item())
    return found


@pytest.mark.parametrize("activation", ["query", "short_query"])
def test_scores_equal_one_full_pass(model: LocalModel, activation: Activation) -> None:
    """PEFT's own switch, row by row, is the other side."""
    fitted, items = fit(model, activation), items_of(model)
    expected = plain(fitted, model, items)
    scores = fitted.score(items, model).values
    assert scores == pytest.approx(expected, abs=1e-5)
    with adapters.attached(model, fitted.config, fitted.weights) as peft:
        rows = sequences(items, model, asks=fitted.estimator.asks)
        everywhere = np.array(row_scores(rows, model, peft))
    assert abs(everywhere - scores).max() > 1e-3


@pytest.mark.parametrize(
    ("limit", "activation"), [(1, "query"), (3, "query"), (6, "query"), (6, "short_query")]
)
def test_the_answers_cache_serves_the_confidence(
    model: LocalModel, limit: int, activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows end at different lengths, some are cut; one batch and its cache, against full passes."""
    fitted, items = fit(model, activation), items_of(model, limit)
    read, from_cache = type(fitted).score_read, []
    monkeypatch.setattr(
        type(fitted), "score_read", lambda *given: from_cache.append(1) or read(*given)
    )
    splits = {"train": [], "validation": [], "calibration": items}
    made = calibrate(fitted, Platt(), splits, model)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    found = answer_with_confidence(QUESTIONS, made, model, max_new_tokens=limit)
    after = model.module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [said for said, _ in found] == [item.answer for item in items]
    assert from_cache
    scores = [confidence.score for _, confidence in found]
    assert scores == pytest.approx(plain(fitted, model, items), abs=1e-5)
    bare = calibrate(ZeroShot().fit(items, [], model, 0), Platt(), splits, model)
    expected = [c.value for c in bare.confidences(items, model)]
    again = answer_with_confidence(QUESTIONS, bare, model, max_new_tokens=limit)
    assert [c.value for _, c in again] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("is_short", [False, True])
def test_without_positions_for_the_query_it_is_as_when_scored(
    llama: LocalModel, is_short: bool
) -> None:
    """The answer is cut at its front, or has none: its cache would go beyond the last position."""
    items, most = items_of(llama), llama.max_tokens or 0
    splits = {"train": [], "validation": [], "calibration": items}
    one = fit(llama, "short_query") if is_short else ZeroShot().fit(items, [], llama, 0)
    prompts = Prompts(llama.tokenizer, one.estimator.asks)
    made = calibrate(one, Platt(), splits, llama)

    def asked(left: int) -> Question:
        """A question that leaves so many positions beside the query."""
        n = most - len(prompts.query) - left - len(prompts.question(Question(text="i")))
        return Question(text="i" + " i" * n)

    for left in (9, 4):
        question = asked(left)
        assert len(prompts.question(question)) + len(prompts.query) + left == most
        ((said, found),) = answer_with_confidence([question], made, llama, max_new_tokens=8)
        (expected,) = made.confidences([Answered(question=question, answer=said)], llama)
        assert len(said.token_ids) > 4
        assert found.score == pytest.approx(expected.score, abs=1e-5)
    ((_, found),) = answer_with_confidence([asked(-2)], made, llama, max_new_tokens=8)
    assert found.value is None and f"{most} positions" in found.reason


def test_in_sixteen_bits_the_cache_serves_as_well_as_the_text(
    make_model: Callable[[str], str],
) -> None:
    """Both are near the score in single precision: within a fifth of the scores' spread."""
    folder = make_model("llama")
    whole, half = LocalModel(folder), LocalModel(folder, dtype="bfloat16")
    fitted, items = fit(whole), items_of(half)
    exact = fitted.score(items, whole).values
    prompts = Prompts(half.tokenizer)
    parts = [prompts.asked(item, half)[:2] for item in items]
    found = fitted.score_read(prefix.read([q + a for q, a in parts], half), half)
    assert found is not None
    for scores in (found.values, fitted.score(items, half).values):
        assert abs(scores - exact).max() < exact.std() / 5


def test_rows_that_end_early_are_pushed_together(model: LocalModel) -> None:
    """Half of the rows are made to end after two tokens: what was generated later is not seen."""
    prompts = Prompts(model.tokenizer)
    rows = [prompts.question(question) for question in QUESTIONS[:8]]
    made = greedy(model, rows, 6, whole_cache=True)
    cut = [row[: 2 + 4 * (i % 2)] for i, row in enumerate(made.ids)]
    end = next(iter(model.end_ids))
    ended = [[*row, end] if len(row) == 2 else row for row in cut]
    read = replace(made, ids=ended).prefix(model)
    found = prefix.logits_after(read, prompts.query, model)
    for i, row in enumerate(cut):
        whole = torch.tensor([[*rows[i], *row, *prompts.query]])
        with torch.no_grad():
            expected = model.module(input_ids=whole).logits[0, -1]
        torch.testing.assert_close(found[i], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("keep", [True, False])
def test_gradients_equal_those_of_a_full_pass(model: LocalModel, keep: bool) -> None:
    fitted, items = fit(model), items_of(model)
    prompts = Prompts(model.tokenizer)
    query, options = list(prompts.query), list(prompts.options)
    correct = [item.correct for item in items]
    config = replace(fitted.config, lora_dropout=0.0)
    found: list[list[torch.Tensor]] = []

    def gradients(peft: torch.nn.Module) -> list[torch.Tensor]:
        named = sorted((n, p) for n, p in peft.named_parameters() if p.grad is not None)
        return [p.grad.clone() for _, p in named if p.grad is not None]

    with adapters.attached(model, config, fitted.weights) as peft:
        tuning = QueryTuning(peft, model, items, correct)
        tuning.free = 1 << 30 if keep else 0
        for _ in range(2):  # the second time from the kept prefixes
            peft.zero_grad()
            loss = tuning.backward(range(len(items)))
        assert len(tuning.read) == (len(items) if keep else 0)
        found.append(gradients(peft))
    switched = replace(config, alora_invocation_tokens=query)
    with adapters.attached(model, switched, fitted.weights) as peft:
        total = torch.zeros(())
        for row, right in zip(sequences(items, model), correct):
            logits = peft(input_ids=torch.tensor([row])).logits[0, -1, options]
            total = total - logits.log_softmax(-1)[int(right)]
        (total / len(items)).backward()
        found.append(gradients(peft))
    assert loss == pytest.approx(total.item() / len(items), abs=1e-5)
    assert len(found[0]) == len(found[1])
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_the_answer_is_as_likely_as_before(model: LocalModel) -> None:
    """Nothing to regularise: what stands before the query is the bare model's, bit for bit."""
    fitted, items = fit(model), items_of(model)
    rows = [row[: -len(fitted.query)] for row in sequences(items, model)]
    bare = prefix.read(rows, model)
    with adapters.attached(model, fitted.config, fitted.weights) as peft:
        with peft.disable_adapter():
            read = prefix.read(rows, model, peft)
        everywhere = prefix.read(rows, model, peft)
    for (keys, values), (k, v) in zip(bare.layers, read.layers):
        assert torch.equal(keys, k) and torch.equal(values, v)
    assert not torch.equal(everywhere.layers[-1][0], bare.layers[-1][0])


@pytest.mark.parametrize("keep", [0, 3])
def test_a_cache_that_is_not_whole_is_refused(
    llama: LocalModel, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    """A model that ignores the cache, or keeps a window: never read as if there were no prefix."""
    rows = [list(Prompts(llama.tokenizer).question(question)) for question in QUESTIONS[:3]]
    real = LocalModel.forward

    def forward(self: LocalModel, *given: object, **inputs: object) -> object:
        cache = inputs.pop("past_key_values")
        if keep:
            real(self, *given, **inputs, past_key_values=cache)  # type: ignore[arg-type]
            cache.crop(keep - cache.get_seq_length())  # type: ignore[attr-defined]
        return None

    monkeypatch.setattr(LocalModel, "forward", forward)
    with pytest.raises(Mismatch, match="does not keep keys and values"):
        prefix.read(rows, llama)


def test_answers_whose_cache_is_not_whole_are_read_from_their_text(
    llama: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of(llama)
    rows = [Prompts(llama.tokenizer).question(question) for question in QUESTIONS[:3]]
    made = greedy(llama, rows, 4, whole_cache=True)
    made.cache.crop(-1)
    with pytest.raises(Mismatch, match="does not keep keys and values"):
        made.prefix(llama)
    splits = {"train": [], "validation": [], "calibration": items}
    asks = calibrate(ZeroShot().fit(items, [], llama, 0), Platt(), splits, llama)
    expected = [c.score for _, c in answer_with_confidence(QUESTIONS, asks, llama)]
    whole = Generation.prefix

    def half(self: Generation, model: LocalModel) -> prefix.Prefix:
        self.cache.crop(-1)
        return whole(self, model)

    monkeypatch.setattr(Generation, "prefix", half)
    found = [c.score for _, c in answer_with_confidence(QUESTIONS, asks, llama)]
    assert found == pytest.approx(expected, abs=1e-5)


def edited(folder: Path, change: Callable[[dict], None], name: str) -> None:  # type: ignore[type-arg]
    path = folder / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_one_form_is_never_run_as_the_other(llama: LocalModel, tmp_path: Path) -> None:
    fitted, items = fit(llama), items_of(llama)
    splits = {"train": [], "validation": [], "calibration": items}
    made = calibrate(fitted, Platt(), splits, llama)
    made.save(tmp_path / "a")
    loaded = load_calibrated(tmp_path / "a", llama)
    assert loaded.confidences(items, llama) == made.confidences(items, llama)
    config = json.loads((tmp_path / "a" / "adapter" / "adapter_config.json").read_text())
    assert config["alora_invocation_tokens"] == list(fitted.query)
    state = json.loads((tmp_path / "a" / "artefact.json").read_text())["state"]
    assert "peft" in state["engines"] and "vllm" not in state["engines"]
    peft = PeftModel.from_pretrained(llama.module, tmp_path / "a" / "adapter")
    told = peft.active_peft_config.alora_invocation_tokens
    llama.module = peft.unload()
    assert told == list(fitted.query)

    def full(content: dict) -> None:  # type: ignore[type-arg]
        content["estimator"]["settings"]["activation"] = "full"

    def shorter(content: dict) -> None:  # type: ignore[type-arg]
        content["estimator"]["settings"]["activation"] = "short_query"

    def elsewhere(content: dict) -> None:  # type: ignore[type-arg]
        content["state"]["engines"] = ["vllm"]

    def unswitched(content: dict) -> None:  # type: ignore[type-arg]
        content["alora_invocation_tokens"] = None

    for change, name, match in (
        (full, "artefact.json", "does not act where"),
        (shorter, "artefact.json", "another tokenizer, template or query"),
        (elsewhere, "artefact.json", "runs on vllm"),
        (unswitched, "adapter/adapter_config.json", "does not act where"),
    ):
        made.save(tmp_path / "b")
        edited(tmp_path / "b", change, name)
        with pytest.raises(Mismatch, match=match):
            load_calibrated(tmp_path / "b", llama)
