"""Samples: of the model's own distribution, never mixed, the same alone and in any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.conftest import byte_level
from transformers import Lfm2Config, Lfm2ForCausalLM

from calibrant.answers import generate
from calibrant.answers.generate import ends
from calibrant.answers.prompts import Prompts
from calibrant.answers.sample import Sampling, draw, sample
from calibrant.errors import DamagedFile, InvalidData
from calibrant.models.local import LocalModel
from calibrant.records import Question

QUESTIONS = [
    Question(text=text)
    for text in ("What is it?", "What is the capital of France and of Paris?", "12?", "Name it.")
]
QUESTIONS.append(Question(text="Which?", context="Paris is the capital of France. " * 6))
CHOICES = [Question(text=q.text, choices=("one", "two"), targets=("one",)) for q in QUESTIONS]
FEW = Sampling(n_samples=4, max_new_tokens=6)


def distribution(model: LocalModel, row: list[int]) -> np.ndarray:
    with torch.no_grad():
        return (
            model.module(input_ids=torch.tensor([row])).logits[0, -1].softmax(-1).double().numpy()
        )


def test_batches_never_mix_examples(tiny: LocalModel) -> None:
    prompts = Prompts(tiny.tokenizer)
    mixed = [*QUESTIONS, *CHOICES]
    for question, drawn in zip(mixed, sample(mixed, tiny, FEW), strict=True):
        assert len(drawn) == 4 and len({answer.id for answer in drawn}) == 4
        row = prompts.question(question)
        for answer in drawn:
            assert answer.question_id == question.id
            ids = list(answer.token_ids)
            with torch.no_grad():
                full = tiny.module(input_ids=torch.tensor([row + ids])).logits[0].log_softmax(-1)
            expected = [full[len(row) - 1 + t, token].item() for t, token in enumerate(ids)]
            assert answer.log_probs == pytest.approx(expected, abs=1e-4)
            stopped = [ends(tiny, token) for token in ids]
            assert not any(stopped[:-1])
            assert (answer.finish_reason == "stop") == stopped[-1]
            assert len(ids) == 1 if question.choices else (stopped[-1] or len(ids) == 6)


def test_alone_in_a_batch_and_backwards_are_the_same(tiny: LocalModel) -> None:
    together = sample(QUESTIONS, tiny, FEW)
    alone = [sample([question], tiny, FEW)[0] for question in QUESTIONS]
    backwards = sample(QUESTIONS[::-1], tiny, FEW)[::-1]
    fewer = sample(QUESTIONS, tiny, Sampling(n_samples=2, max_new_tokens=6))
    for a, b, c, d in zip(together, alone, backwards, fewer):
        ids = [answer.token_ids for answer in a]
        assert ids == [x.token_ids for x in b] == [x.token_ids for x in c]
        assert ids[:2] == [x.token_ids for x in d]
        assert len(set(ids)) > 1
    other = sample(QUESTIONS, tiny, Sampling(n_samples=4, max_new_tokens=6, seed=1))
    assert [x.token_ids for x in other[0]] != [x.token_ids for x in together[0]]


def test_layers_of_two_kinds(tmp_path: Path) -> None:
    """Convolutions keep states of another shape than keys and values."""
    torch.manual_seed(0)
    tokenizer = byte_level(True)
    config = Lfm2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, eos_token_id=tokenizer.eos_token_id,
        layer_types=["conv", "full_attention"] * 2,
    )  # fmt: skip
    Lfm2ForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = LocalModel(str(tmp_path))
    together = sample(QUESTIONS, model, FEW), generate.answer(QUESTIONS, model, max_new_tokens=6)
    for i, question in enumerate(QUESTIONS):
        (drawn,), (said,) = (
            sample([question], model, FEW),
            generate.answer([question], model, max_new_tokens=6),
        )
        assert [a.token_ids for a in together[0][i]] == [a.token_ids for a in drawn]
        assert together[1][i].token_ids == said.token_ids


def _p_value(tokens: list[int], p: np.ndarray) -> float:
    """Of a chi-square test; tokens expected fewer than five times are counted as one."""
    counts, expected = np.bincount(tokens, minlength=len(p)), p * len(tokens)
    assert counts[p == 0].sum() == 0
    often = expected >= 5
    rest = [counts[~often].sum()], [expected[~often].sum()]
    assert often.sum() > 3
    if rest[1][0] < 1e-9:
        rest = [], []
    return float(chisquare([*counts[often], *rest[0]], [*expected[often], *rest[1]]).pvalue)


@pytest.mark.parametrize(("top_p", "temperature"), [(1.0, 1.0), (0.7, 1.0), (0.9, 0.5)])
def test_distribution_is_the_models(llama: LocalModel, top_p: float, temperature: float) -> None:
    row = Prompts(llama.tokenizer).question(QUESTIONS[0])
    noise = np.random.default_rng(0).random((1, 20_000, 2))
    ids = draw(llama, [row], noise, top_p=top_p, temperature=temperature)[0][0]

    def expected(row: list[int]) -> np.ndarray:
        p = distribution(llama, row) ** (1 / temperature)
        p /= p.sum()
        order = np.argsort(-p)
        n = int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1
        p[order[n:]] = 0
        return p / p.sum()

    firsts = [one[0] for one in ids]
    assert _p_value(firsts, expected(row)) > 1e-3
    common = max(set(firsts) - llama.end_ids, key=firsts.count)
    seconds = [one[1] for one in ids if one[0] == common and len(one) > 1]
    assert _p_value(seconds, expected([*row, common])) > 1e-3


def test_kept_on_disk_once(llama: LocalModel, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "cache", tmp_path)
    first = sample(QUESTIONS[:3], llama, FEW)
    calls: list[int] = []
    forward = llama.forward
    monkeypatch.setattr(llama, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    assert sample(QUESTIONS[:3], llama, FEW) == first and not calls
    fewer = Sampling(n_samples=3, max_new_tokens=6)
    assert sample(QUESTIONS[:3], llama, fewer) == [a[:3] for a in first] and not calls
    more = sample(QUESTIONS, llama, FEW)
    assert more[:3] == first and calls
    del calls[:]
    hotter = Sampling(n_samples=4, max_new_tokens=6, temperature=2.0)
    assert sample(QUESTIONS[:3], llama, hotter) != first and calls
    path = next(tmp_path.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFile, match="damaged"):
        for settings in (FEW, hotter):
            sample(QUESTIONS, llama, settings)


def test_settings_that_make_no_sense() -> None:
    for wrong in ({"n_samples": 0}, {"top_p": 0.0}, {"top_p": 1.5}, {"temperature": 0.0}):
        with pytest.raises(InvalidData):
            Sampling(**wrong)
