"""Replies of a local model: long ones are read again and go on beside one another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from calibrant.answers import generate, talk
from calibrant.answers.generate import greedy
from calibrant.answers.prompts import Prompts
from calibrant.models.local import LocalModel
from calibrant.records import Question

ROWS = [("one " * n) + "and what is it?" for n in (1, 5, 9, 13)]


@pytest.mark.parametrize("one_line", [True, False])
@pytest.mark.parametrize("n_new", [3, 4, 11])
def test_long_replies_are_those_of_one_go(
    tiny: LocalModel, monkeypatch: pytest.MonkeyPatch, n_new: int, one_line: bool
) -> None:
    monkeypatch.setattr(talk, "SHORT", 4)
    rows = [Prompts(tiny.tokenizer).question(Question(text=text)) for text in ROWS]
    expected = [greedy(tiny, [row], n_new, one_line=one_line).ids[0] for row in rows]
    found = talk._Local(tiny, n_new, one_line, print)._generated(rows)
    assert found == expected


def test_replies_end_where_the_model_has_no_positions_left(
    make_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some have room for exactly as many tokens as a short reply has, or one more."""
    monkeypatch.setattr(talk, "SHORT", 4)
    gpt2 = LocalModel(make_model("gpt2"))
    gpt2.module.generation_config.eos_token_id = gpt2.tokenizer.eos_token_id = None
    most = gpt2.max_tokens or 0
    rooms = [1, 3, 4, 5, 9]
    rows = [[1] * (most + 1 - room) for room in rooms]
    found = talk._Local(gpt2, 9, False, print)._generated(rows)
    assert [len(ids) for ids in found] == rooms
    told = talk._Local(gpt2, 9, False, print)
    told._replies([*rows, [1] * (most + 1)])
    assert told.cut == set(range(5)) and set(told.failed) == {5}
    assert found == [greedy(gpt2, [row], 9, one_line=False).ids[0] for row in rows]


def test_what_has_ended_leaves_the_batch(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Prompts(tiny.tokenizer).question(Question(text=text)) for text in ROWS]
    freely = greedy(tiny, rows, 12, one_line=False).ids
    some = {freely[1][2], freely[2][5]}  # random models seldom end by themselves
    monkeypatch.setattr(generate, "ends", lambda model, token, one_line=True: token in some)
    kept = greedy(tiny, rows, 12, whole_cache=True)
    sizes: list[int] = []
    forward = tiny.module.forward

    def seen(*args: object, **kwargs: object) -> object:
        sizes.append(len(kwargs["input_ids"]))  # type: ignore[arg-type]
        return forward(*args, **kwargs)

    tiny.module.forward = seen
    try:
        found = greedy(tiny, rows, 12)
    finally:
        tiny.module.forward = forward
    assert (found.ids, [len(r) for r in found.top]) == (kept.ids, [len(r) for r in kept.ids])
    for a, b in zip(found.log_probs, kept.log_probs):
        assert a == pytest.approx(b, abs=1e-5)
    with pytest.raises(ValueError, match="not whole"):
        found.prefix(tiny)
    n_steps = max(map(len, found.ids))
    assert sizes == [sum(len(ids) > step for ids in found.ids) for step in range(n_steps)]
    assert sizes[-1] < len(rows)
