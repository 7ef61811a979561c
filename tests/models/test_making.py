"""How the embedded models are made: batches, and what is learned from them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

sys.path.append(str(Path(__file__).parents[2] / "tools"))
from accelerator import Batch, ahead
from calibrant.models.local import LocalModel
from calibrant.records import Answer, ModelName
from make_model import RECIPES, UNTOLD, Recipe, likely, new_model, padded
from training import train

ROWS = [(list(range(1, n + 1)), [i > n // 2 for i in range(n)]) for n in range(4, 90)]


def learned(batches: list[Batch]) -> list[int]:
    return sorted(int(i) for _, labels in batches for i in labels[labels != -100])


def test_an_accelerator_gets_the_same_rows_in_few_shapes() -> None:
    plain = padded(RECIPES["almanac-small"], ROWS)
    even = padded(replace(RECIPES["almanac-small"], device="cuda"), ROWS)
    assert learned(plain) == learned(even)
    assert all(labels.shape == ids.shape for ids, labels in even)
    widths = {ids.shape[1] for ids, _ in even}
    assert all(width % 8 == 0 for width in widths)
    assert len({ids.shape for ids, _ in even}) == len(widths)  # the last one is filled up


def part(place: int, parts: int) -> Iterator[Batch]:
    for n in range(3):
        yield torch.tensor([[place, parts]]), torch.tensor([[n]])


def test_batches_made_ahead_come_from_each_process_in_turn() -> None:
    told = [(ids.tolist()[0], labels.item()) for ids, labels in ahead(part, 2)]
    assert told == [([place, 2], n) for n in range(3) for place in (0, 1)]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return replace(RECIPES["almanac-mini"], width=16, layers=2, heads=2, inner=32)


def test_an_early_layer_learns_to_tell_the_next_token_too(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: module)
    tokenizer = LocalModel("almanac-mini").tokenizer
    ids = torch.randint(5, 100, (8, 12), generator=torch.Generator().manual_seed(0))
    labels = ids.clone()
    labels[:, 0] = -100
    soon = []
    for early in (0, 1):
        torch.manual_seed(0)
        model = new_model(recipe, tokenizer)
        train(model, iter([(ids, labels)] * 300), 300, 1e-2, lambda line: None, early=early)
        with torch.no_grad():
            told = model(input_ids=ids, output_hidden_states=True)
            logits = model.lm_head(model.model.norm(told.hidden_states[1]))
        assert (told.logits.argmax(-1)[:, :-1] == ids[:, 1:]).float().mean() > 0.8
        soon.append(F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item())
    assert soon[1] < soon[0] / 2


def test_how_likely_an_answer_was_is_told_of_the_answer_proper(recipe: Recipe) -> None:
    tokenizer = LocalModel("almanac-mini").tokenizer
    ids = tokenizer("The answer is Paris.", add_special_tokens=False)["input_ids"]
    n_style = len(tokenizer("The answer is", add_special_tokens=False)["input_ids"])
    log_probs = [-9.0] * n_style + [-0.1] * (len(ids) - n_style)
    said = Answer(
        question_id="",
        text="The answer is Paris.",
        model=ModelName(name="almanac-mini"),
        log_probs=tuple(log_probs),
    )
    told = likely(said, recipe, tokenizer)
    assert told[:n_style] == [UNTOLD] * n_style
    assert [next_one for next_one, _ in told[n_style:-1]] == pytest.approx(
        [np.exp(-0.1)] * (len(ids) - n_style)
    )
    assert told[-1] == (-1.0, pytest.approx(np.exp(-0.1 * (len(ids) - n_style))))
    assert len(told) == len(ids) + 1  # the first is of the token before the answer


def test_a_layer_learns_to_hold_what_is_told_of_its_places(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linearly readable after it, at places that were told and by what these places show."""
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: module)
    tokenizer = LocalModel("almanac-mini").tokenizer
    ids = torch.randint(5, 100, (64, 12), generator=torch.Generator().manual_seed(0))
    sure = torch.full((*ids.shape, 2), -1.0)
    sure[:, 6, 0] = (ids[:, 2] + ids[:, 6]) % 2  # no linear map of the embeddings tells this
    sure[:, 6, 1] = 1 - sure[:, 6, 0]
    explained = []
    for layer in (0, 1):
        torch.manual_seed(0)
        model = new_model(recipe, tokenizer)
        batch = (ids, ids, sure) if layer else (ids, ids)
        train(model, iter([batch] * 300), 300, 1e-2, lambda line: None, sure=layer)
        with torch.no_grad():
            state = model(input_ids=ids, output_hidden_states=True).hidden_states[1][:, 6]
        known = np.c_[state.numpy(), np.ones(len(ids))]
        target = sure[:, 6, 0].numpy()
        left = target - known @ np.linalg.lstsq(known, target, rcond=None)[0]
        explained.append(1 - left.var() / target.var())
    assert explained[1] > 0.8 > 0.6 > explained[0]
