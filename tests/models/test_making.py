"""How the embedded models are made: batches, and what is learned from them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

sys.path.append(str(Path(__file__).parents[2] / "tools"))
import make_model
from accelerator import Batch, ahead
from calibrant.models.local import LocalModel, locate
from make_model import RECIPES, Recipe, new_model, of_own_answers, padded
from training import passed, stepping, train

TRACED = partial(torch.compile, backend="eager")
"""Compiling up to where a C++ compiler would be needed."""
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


def test_processes_whose_texts_differ_take_batches_of_like_length_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [ROWS, ROWS[2:]]
    n = [len(padded(RECIPES["almanac-small"], rows)) for rows in texts]
    monkeypatch.setattr(make_model, "least", lambda mine: min(n))
    taken = [
        make_model.shuffled(RECIPES["almanac-small"], rows, random.Random(0)) for rows in texts
    ]
    widths = [[ids.shape[1] for ids, _ in made] for made in taken]
    assert len(widths[0]) == len(widths[1]) == min(n) < len(ROWS)
    assert widths[0] != sorted(widths[0], reverse=True)
    assert max(abs(a - b) for a, b in zip(*widths)) <= 4


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


def test_a_compiled_step_is_the_plain_one(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.randint(5, 100, (4, 9), generator=torch.Generator().manual_seed(0))
    sure = torch.full((*ids.shape, 2), 0.5)
    tokenizer = LocalModel("almanac-mini").tokenizer
    for layers in ((0, 0), (1, 0), (0, 2), (1, 2)):
        losses = []
        for compiled in (TRACED, lambda module, dynamic: module):
            monkeypatch.setattr(torch, "compile", compiled)
            torch.manual_seed(0)
            model = new_model(replace(recipe, layers=3), tokenizer)
            step = stepping(model, torch.tensor(1e-2), *layers)
            losses.append([step(ids, ids, *([sure] * bool(layers[1]))).item() for _ in range(3)])
        assert losses[0] == pytest.approx(losses[1], rel=1e-2) and losses[1][2] < losses[1][0]


def test_what_is_passed_is_what_the_model_computes(recipe: Recipe) -> None:
    """At all places or only at some, with padding after the rows' ends."""
    model = new_model(replace(recipe, layers=3), LocalModel("almanac-mini").tokenizer)
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 100, (4, 9), generator=torch.Generator().manual_seed(0))
    ids[1, 6:] = 0
    with torch.no_grad():
        expected = model.model(input_ids=ids, output_hidden_states=True)
        whole, states = passed(model.model, ids, None, (1, 2))
        some, none = passed(model.model, ids, torch.tensor([3, 11, 35]), ())
    assert torch.allclose(whole, expected.last_hidden_state, atol=1e-6)
    assert torch.allclose(some, whole.flatten(0, 1)[[3, 11, 35]], atol=1e-6)
    assert states.keys() == {1, 2} and not none
    for n, state in states.items():
        assert torch.allclose(state, expected.hidden_states[n], atol=1e-6)


@pytest.fixture(scope="module")
def own(recipe: Recipe) -> tuple[LocalModel, list[Batch]]:
    """Batches of a model's own answers, a question a batch."""
    model = LocalModel("almanac-mini")
    folder = Path(locate("almanac-mini"))
    few = replace(recipe, sharpened=24, tokens_per_batch=1)
    return model, of_own_answers(few, folder)


def test_how_likely_an_answer_was_is_told_where_it_is_foretold_and_at_its_end(
    own: tuple[LocalModel, list[Batch]],
) -> None:
    model, batches = own
    kinds = set()
    for ids, labels, sure in batches:
        assert ids.shape == labels.shape == sure.shape[:2] and len(ids) == 1
        with torch.no_grad():
            log_probs = model.module(input_ids=ids).logits.float().log_softmax(-1)[0]
        places = (sure[0, :, 0] >= 0).nonzero()[:, 0]
        expected = log_probs[places, ids[0, places + 1]]
        assert torch.allclose(sure[0, places, 0], expected.exp(), atol=0.02)
        ends = (sure[0, :, 1] >= 0).nonzero()[:, 0]
        kinds.add(len(ends))  # a choice ends at its letter and at the end marker
        assert ends[-1] == ids.shape[1] - 1
        assert torch.allclose(sure[0, ends, 1], expected.sum().exp().expand(len(ends)), atol=0.03)
        assert (labels[0, places + 1] == ids[0, places + 1]).all()
    assert kinds == {1, 2}


def test_an_accelerator_gets_what_is_told_with_filled_up_rows() -> None:
    rows = [(row, reply, [(0.5, 0.25)] * len(row)) for row, reply in ROWS]
    for device in ("cpu", "cuda"):
        batches = padded(replace(RECIPES["almanac-small"], device=device), rows)
        assert all(sure.shape == (*ids.shape, 2) for ids, _, sure in batches)
        n_told = sum(int((sure[..., 0] == 0.5).sum()) for _, _, sure in batches)
        assert n_told == sum(len(row) for row, _ in ROWS)
        assert {float(i) for _, _, sure in batches for i in sure[..., 1].unique()} <= {0.25, -1.0}


def test_a_layer_learns_to_hold_what_is_told_of_its_places(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linearly readable after it, each of the two where it is told, and only if it is to learn."""
    monkeypatch.setattr(torch, "compile", lambda module, dynamic: module)
    tokenizer = LocalModel("almanac-mini").tokenizer
    ids = torch.randint(5, 100, (48, 12), generator=torch.Generator().manual_seed(0))
    sure = torch.full((*ids.shape, 2), -1.0)
    sure[:, 6, 0] = (ids[:, 2] + ids[:, 6]) % 2  # no linear map of the embeddings tells this
    sure[:, 9, 1] = (ids[:, 3] + ids[:, 9]) % 2
    explained = []
    for layer in (0, 1):
        torch.manual_seed(0)
        model = new_model(recipe, tokenizer)
        train(model, iter([(ids, ids, sure)] * 200), 200, 1e-2, lambda line: None, sure=layer)
        with torch.no_grad():
            states = model(input_ids=ids, output_hidden_states=True).hidden_states[1]
        for number, place in enumerate((6, 9)):
            known = np.c_[states[:, place].numpy(), np.ones(len(ids))]
            target = sure[:, place, number].numpy()
            left = target - known @ np.linalg.lstsq(known, target, rcond=None)[0]
            explained.append(1 - left.var() / target.var())
    assert min(explained[2:]) > 0.8 > 0.6 > max(explained[:2])
