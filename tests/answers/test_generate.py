"""Greedy answers: against transformers' own generate, and the same in any batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from calibrant.answers.generate import N_TOP, Generation, answer, ends, greedy, to_answers
from calibrant.answers.prompts import Prompts
from calibrant.answers.sample import draw
from calibrant.models.local import LocalModel
from calibrant.records import Answered, Question

QUESTIONS = [
    Question(text=text)
    for text in ("What is it?", "What is the capital of France and of Paris?", "12?", "Name it.")
]
CHOICES = [Question(text=q.text, choices=("one", "two"), targets=("one",)) for q in QUESTIONS]
NOTHING = (DynamicCache(), torch.zeros(1, 0))


def test_equals_transformers_generate(tiny: LocalModel) -> None:
    prompts = Prompts(tiny.tokenizer)
    for question in QUESTIONS:
        row = prompts.question(question)
        made = greedy(tiny, [row], 8)
        ids, log_probs, top = made.ids, made.log_probs, made.top
        inputs = torch.tensor([row])
        expected = tiny.module.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=8,
            do_sample=False,
            pad_token_id=tiny.pad_id,
        )[0, len(row) :].tolist()
        n = len(ids[0])  # ours also ends at a line break
        assert ids[0] == expected[:n]
        assert n == len(expected) or ends(tiny, ids[0][-1])
        full = torch.tensor([row + ids[0]])
        with torch.no_grad():
            logits = tiny.module(input_ids=full).logits[0].log_softmax(-1)
        for i, token in enumerate(ids[0]):
            assert log_probs[0][i] == pytest.approx(
                logits[len(row) - 1 + i, token].item(), abs=1e-4
            )
            expected_top = logits[len(row) - 1 + i].sort(descending=True).values[:N_TOP].tolist()
            assert top[0][i] == pytest.approx(expected_top, abs=1e-4)


def test_batch_and_order_do_not_matter(tiny: LocalModel) -> None:
    together = answer(QUESTIONS, tiny, max_new_tokens=6)
    alone = [answer([question], tiny, max_new_tokens=6)[0] for question in QUESTIONS]
    backwards = answer(QUESTIONS[::-1], tiny, max_new_tokens=6)[::-1]
    for a, b, c in zip(together, alone, backwards):
        assert a.token_ids == b.token_ids == c.token_ids
        assert a.log_probs == pytest.approx(b.log_probs, abs=1e-5)
        assert a.log_probs == pytest.approx(c.log_probs, abs=1e-5)


def test_answers_end_where_the_model_has_no_positions_left(
    make_model: Callable[[str], str],
) -> None:
    """The last token takes none, and a row with more room goes on beside one without."""
    gpt2 = LocalModel(make_model("gpt2"))
    prompts, noise = Prompts(gpt2.tokenizer), np.full((1, 2, 45), 0.5)
    rows = [prompts.question(Question(text="one " * n)) for n in (1, 9, 17, 20)]
    room = [min(45, 65 - len(row)) for row in rows]
    assert min(room) < 45 == max(room)
    gpt2.module.generation_config.eos_token_id = gpt2.tokenizer.eos_token_id = None
    found = greedy(gpt2, rows, 45, one_line=False).ids
    assert [len(ids) for ids in found] == room
    for row, n, together in zip(rows, room, found):
        assert greedy(gpt2, [row], 45, one_line=False).ids == [together]
        drawn = draw(gpt2, [row], noise, top_p=1.0, temperature=1.0)[0][0]
        assert all(len(ids) == n or ends(gpt2, ids[-1]) for ids in drawn)


@pytest.mark.parametrize(
    ("last", "text"), [(")\n", "(1, 2)"), (")\n\nSo", "(1, 2)"), ("\nSo", "(1, 2")]
)
def test_what_stands_before_the_line_break_in_a_token_is_kept(
    model_folders: dict[str, str], last: str, text: str
) -> None:
    """Byte-level tokenizers have ")\\n" as one token; the query follows the tokens before it."""
    model = LocalModel(model_folders["qwen"])
    model.tokenizer.add_tokens([last])
    prompts = Prompts(model.tokenizer)
    ids = model.tokenizer("(1, 2" + last)["input_ids"]
    made = Generation(
        [ids], [[-1.0] * len(ids)], [[[-1.0]] * len(ids)], torch.zeros(1, 1), *NOTHING
    )
    (said,) = to_answers(QUESTIONS[:1], made, model, prompts)
    assert (said.text, said.finish_reason, list(said.token_ids)) == (text, "stop", ids)
    asked = prompts.asked(Answered(question=QUESTIONS[0], answer=said), model)
    assert model.tokenizer.decode(asked[1]) == "(1, 2"


def test_choice_is_one_token_with_option_probabilities(tiny: LocalModel) -> None:
    for found in answer(CHOICES, tiny):
        assert len(found.token_ids) == 1
        assert len(found.option_probs) == 2
        assert 0 < sum(found.option_probs) <= 1


def test_memory_running_out_halves_the_budget(tiny: LocalModel) -> None:
    expected = answer(QUESTIONS, tiny, max_new_tokens=4)
    said: list[str] = []
    whole, forward = tiny.token_budget, tiny.module.forward

    def small(*args: object, **kwargs: object) -> object:
        if len(kwargs["input_ids"]) > 1:  # type: ignore[arg-type]
            raise torch.OutOfMemoryError("out of memory")
        return forward(*args, **kwargs)

    tiny.module.forward = small
    try:
        found = answer(QUESTIONS, tiny, max_new_tokens=4, say=said.append)
        assert [a.token_ids for a in found] == [a.token_ids for a in expected]
        assert tiny.token_budget < whole and "out of memory" in said[0]
    finally:
        tiny.module.forward = forward
        tiny.token_budget = whole
