"""Hidden states: against a plain pass over each item alone, at every place."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from calibrant.answers.generate import answer
from calibrant.answers.hidden import (
    Place,
    hidden_states,
    kept_log_odds,
    kept_states,
    n_layers,
)
from calibrant.answers.prompts import Prompts
from calibrant.answers.query import query_scores
from calibrant.errors import InvalidData
from calibrant.estimators.zero_shot import ZeroShot
from calibrant.models.local import LocalModel
from calibrant.records import Answered, ModelName, Question

QUESTIONS = [
    Question(text=text)
    for text in ("What is it?", "What is the capital of France and of Paris?", "12?", "Name it.")
]


def items_of(model: LocalModel) -> list[Answered]:
    answers = answer(QUESTIONS, model, max_new_tokens=6)
    return [Answered(question=q, answer=a) for q, a in zip(QUESTIONS, answers)]


def expected(item: Answered, model: LocalModel, place: Place) -> np.ndarray:
    """(L, D) at the layers 0, 1 and the last, from transformers alone."""
    question, said, query = Prompts(model.tokenizer).asked(item, model)
    with torch.no_grad():
        found = model.module(
            input_ids=torch.tensor([question + said + query]), output_hidden_states=True
        ).hidden_states
    n, m = len(question), len(question + said)
    where = {"question": [n - 1], "last": [m - 1], "pooled": list(range(n, m)) or [n - 1]}
    at = where.get(place, [m + len(query) - 1])
    return torch.stack([found[layer][0, at].mean(0) for layer in (0, 1, -1)]).numpy()


@pytest.mark.parametrize("place", [p for p in get_args(Place) if p != "exact"])
def test_equals_a_plain_pass(tiny: LocalModel, place: Place) -> None:
    items = items_of(tiny)
    found = hidden_states(items, tiny, (0, 1, -1), place)
    assert found.shape == (4, 3, 32) and found.dtype == np.float32
    for item, states in zip(items, found):
        np.testing.assert_allclose(states, expected(item, tiny, place), atol=1e-5)
    alone = hidden_states(items[1:2], tiny, (0, 1, -1), place)
    np.testing.assert_allclose(alone[0], found[1], atol=1e-5)


def test_exact_is_where_the_extracted_answer_ends(llama: LocalModel) -> None:
    question = QUESTIONS[0]
    item = Answered(
        question=question,
        answer=replace(
            answer([question], llama, max_new_tokens=1)[0],
            text="The answer is Paris of France",
            extracted="Paris",
            model=ModelName(name="other"),
        ),
    )
    for text, exact, upto in (
        ("The answer is Paris of France", "Paris", "The answer is Paris"),
        ("Be it so: the answer is Be", "Be", "Be it so: the answer is Be"),
        ("In 1957 it was 5 or so in 1957", "5", "In 1957 it was 5"),
    ):
        whole = replace(item, answer=replace(item.answer, text=text, extracted=exact))
        cut = replace(item, answer=replace(item.answer, text=upto, extracted=exact))
        np.testing.assert_allclose(
            hidden_states([whole], llama, place="exact"),
            hidden_states([cut], llama, place="last"),
            atol=1e-5,
        )
    absent = replace(item, answer=replace(item.answer, extracted="Rome"))
    np.testing.assert_array_equal(
        hidden_states([absent], llama, place="exact"), hidden_states([item], llama, place="last")
    )


def test_empty_answers_no_items_and_wrong_layers(llama: LocalModel) -> None:
    assert n_layers(llama) == 2
    item = items_of(llama)[0]
    empty = replace(
        item,
        answer=replace(item.answer, text="", extracted="", token_ids=(), finish_reason="given"),
    )
    for place in ("last", "pooled", "exact"):
        np.testing.assert_allclose(
            hidden_states([empty], llama, place=place),
            hidden_states([item], llama, place="question"),
            atol=1e-5,
        )
    assert hidden_states([], llama, (0, 1)).shape == (0, 2, 32)
    with pytest.raises(InvalidData, match="no layer 3: it has 0 to 2"):
        hidden_states([item], llama, (3,))


def test_what_is_kept_is_read_once_for_several_places(
    llama: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, n_read = items_of(llama), list[int]()
    forward = llama.forward
    read = copy(llama)
    read.cache = tmp_path

    def counted(*given: object, **inputs: Any) -> Any:
        n_read.append(len(inputs["input_ids"]))
        return forward(*given, **inputs)

    monkeypatch.setattr(read, "forward", counted)
    for place, n in (("query", 3), ("pooled", 3), ("last", 6), ("question", 9)):
        found = kept_states(items[:3], read, (0, -1), place)  # type: ignore[arg-type]
        expected = hidden_states(items[:3], llama, (0, -1), place)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert sum(n_read) == n
    assert kept_states(items, read, (0, -1), "pooled").shape == (4, 2, 32) and sum(n_read) == 10
    assert kept_states([], read, (0, -1), "pooled").shape == (0, 2, 32)


def test_the_untuned_query_is_read_along_with_the_states(
    llama: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, read = items_of(llama), copy(llama)
    assert kept_log_odds(items, read) is None
    read.cache = tmp_path
    kept_states(items[:2], read, place="pooled")
    assert kept_log_odds(items, read) is None
    kept_states(items[2:], read, place="query")
    expected = query_scores(items, llama)
    np.testing.assert_allclose(kept_log_odds(items, read), expected, atol=1e-5)  # type: ignore[arg-type]
    with monkeypatch.context() as patch:
        patch.setattr(read, "forward", None)  # nothing is read any more
        found = ZeroShot().fit([], [], read, 0).score(items, read)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    kept_states(items, read, place="last")
    assert kept_log_odds(items[::-1], read)[0] == pytest.approx(expected[-1], abs=1e-5)  # type: ignore[index]
