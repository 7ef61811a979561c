"""One function builds the text: what it builds, and that it is stable under continuation."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest
from transformers.utils import chat_template_utils

from calibrant.answers.generate import answer, within
from calibrant.answers.prompts import QUERY, SHORT_QUERY, Prompts, content, messages
from calibrant.answers.query import query_scores
from calibrant.errors import Mismatch
from calibrant.models.local import LocalModel
from calibrant.records import Answer, Answered, ModelName, Question, Shot

QUESTION = Question(text="What is the capital of France?", targets=("Paris",))
CHOICE = Question(text="Which is first?", choices=("one", "two", "three"), targets=("one",))


def test_content_of_both_formats() -> None:
    assert content(QUESTION) == "What is the capital of France?\nAnswer briefly."
    assert content(CHOICE) == (
        "Which is first?\nChoices:\nA. one\nB. two\nC. three\nAnswer with the letter."
    )


def test_query_text_is_the_protocols(tiny: LocalModel) -> None:
    prompts = Prompts(tiny.tokenizer)
    assert QUERY in tiny.tokenizer.decode(list(prompts.query))
    assert len(set(prompts.options)) == 2


def test_the_short_query_differs_in_nothing_else(tiny: LocalModel) -> None:
    """Question, answer and options are those of the paper's query."""
    usual, short = Prompts.of(tiny), Prompts.of(tiny, SHORT_QUERY)
    assert SHORT_QUERY in tiny.tokenizer.decode(list(short.query))
    assert len(short.query) < len(usual.query)
    item = Answered(question=QUESTION, answer=answer([QUESTION], tiny)[0])
    assert short.asked(item, tiny)[:2] == usual.asked(item, tiny)[:2]
    assert short.asked(item, tiny)[2] == list(short.query)
    assert len(set(short.options)) == 2 and short.label != usual.label


def test_what_is_worked_out_is_kept_until_the_template_changes(llama: LocalModel) -> None:
    model = copy.copy(llama)
    model.tokenizer = copy.deepcopy(llama.tokenizer)
    before, ids = Prompts.of(model), Prompts.of(model).query
    assert Prompts.of(model) is before and Prompts.of(model, SHORT_QUERY) is not before
    model.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
    assert Prompts.of(model).query != ids


def test_options_are_the_natural_continuation(tiny: LocalModel) -> None:
    """The whole text tokenised at once ends in the very token that is read."""
    prompts = Prompts(tiny.tokenizer)
    pair, (no, yes) = prompts._option_pair
    chat = bool(tiny.tokenizer.chat_template)
    text = tiny.tokenizer.decode([*prompts.question(QUESTION), *prompts.query])
    for word, token in zip(pair, (no, yes)):
        joined = text + (word if chat else f" {word}")
        assert tiny.tokenizer(joined, add_special_tokens=False)["input_ids"][-1] == token


def test_letters_are_single_and_distinct(tiny: LocalModel) -> None:
    letters = Prompts(tiny.tokenizer).letters(CHOICE)
    assert len(set(letters)) == 3
    assert [tiny.tokenizer.decode([i]).strip() for i in letters] == ["A", "B", "C"]


def test_own_tokens_are_used_for_own_answers_and_text_for_others(tiny: LocalModel) -> None:
    prompts = Prompts(tiny.tokenizer)
    own = Answer(
        question_id=QUESTION.id,
        text="Paris",
        model=tiny.name,
        token_ids=(7, 8, 9),
        finish_reason="stop",
    )
    other = Answer(question_id=QUESTION.id, text="Paris", model=ModelName(name="other"))
    question, answer, query = prompts.asked(Answered(question=QUESTION, answer=own), tiny)
    assert answer == [7, 8] and query == list(prompts.query)
    assert question == prompts.question(QUESTION)
    _, answer, _ = prompts.asked(Answered(question=QUESTION, answer=other), tiny)
    assert tiny.tokenizer.decode(answer).strip() == "Paris"


@pytest.mark.parametrize("text", ["Paris", "12", "New York", "x y z."])
def test_text_and_tokens_of_an_answer_agree(tiny: LocalModel, text: str) -> None:
    """What is tokenised from text is what the tokenizer makes of the whole."""
    prompts = Prompts(tiny.tokenizer)
    ids = prompts.answer(QUESTION, text)
    assert tiny.tokenizer.decode(ids).strip() == text
    assert prompts.question(QUESTION) + ids == prompts._ids(
        "".join(
            (
                prompts._frame[0],
                content(QUESTION),
                prompts._frame[1],
                text if tiny.tokenizer.chat_template else f" {text}",
            )
        )
    )


TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SHOTS = (
    Shot(text="What is the capital of Peru?", reply="Lima"),
    Shot(text="Which is first?", choices=("x", "y"), reply="B"),
)


def test_shots_stand_before_the_question_as_they_would_be_asked(tiny: LocalModel) -> None:
    prompts = Prompts(tiny.tokenizer)
    asked = replace(QUESTION, shots=SHOTS)
    text = tiny.tokenizer.decode(prompts.question(asked))
    places = [text.index(part) for part in ("Peru", "Lima", "A. x", "France")]
    assert places == sorted(places)
    bare = prompts.question(QUESTION)
    shown = tiny.tokenizer.decode(bare, skip_special_tokens=True).strip()
    assert tiny.tokenizer.decode(prompts.question(asked), skip_special_tokens=True).endswith(shown)
    assert len(prompts.question(asked)) > 2 * len(bare)
    if tiny.tokenizer.chat_template:
        assert text.count("<|user|>") == 3 and text.count("<|end|>") == 2
    else:
        assert text.count("Question:") == 3 and "Answer: Lima\n\nQuestion: Which" in text
    assert prompts.question(asked, "Guess.") == prompts.question(QUESTION, "Guess.")


def test_the_confidence_query_drops_the_shots_and_keeps_the_tokens(tiny: LocalModel) -> None:
    """Answered with shots, queried without: on the very ids that were generated."""
    prompts = Prompts(tiny.tokenizer)
    asked = Question(text=QUESTION.text, targets=QUESTION.targets, shots=SHOTS)
    (said,) = answer([asked], tiny, max_new_tokens=4)
    (bare,) = answer([QUESTION], tiny, max_new_tokens=4)
    assert said.prompt == prompts.label_of(asked) and "/2-shot/" in said.prompt
    assert bare.prompt == prompts.label and said.question_id != bare.question_id
    question, ids, query = prompts.asked(Answered(question=asked, answer=said), tiny)
    n = len(said.token_ids) - (said.finish_reason == "stop")
    assert ids == list(said.token_ids[:n]) and query == list(prompts.query)
    assert question == prompts.question(QUESTION)


def test_a_long_answer_is_cut_at_its_front_and_a_long_question_refused(tiny: LocalModel) -> None:
    """The query follows the answer's end, and nothing is read beyond the last position."""
    asked, most = Question(text="What is one?"), tiny.max_tokens or 0
    said = Answer(question_id=asked.id, text="two " * most + "one", model=ModelName(name="other"))
    item = Answered(question=asked, answer=said)
    parts = Prompts(tiny.tokenizer).asked(item, tiny)
    whole = Prompts(tiny.tokenizer).answer(asked, said.text)
    assert sum(map(len, parts)) == most > 0
    assert parts[1] == whole[-len(parts[1]) :] and len(whole) > most
    assert np.isfinite(query_scores([item], tiny)).all()
    long = replace(item, question=replace(asked, text="one " * most))
    with pytest.raises(Mismatch, match=f"{most} positions"):
        query_scores([long], tiny)


def test_shots_that_do_not_fit_are_left_out_and_told(llama: LocalModel) -> None:
    """The tiny model has 256 positions."""
    prompts = Prompts(llama.tokenizer)
    long = Shot(text="What is the capital of France? " * 12, reply="Paris")
    asked = Question(text=QUESTION.text, targets=QUESTION.targets, shots=(long, long, *SHOTS))
    assert len(prompts.question(asked)) > 252
    (said,) = answer([asked], llama, max_new_tokens=4)
    fewer = within(asked, llama, 4)
    assert 0 < len(fewer.shots) < 4 and fewer.shots == asked.shots[-len(fewer.shots) :]
    assert fewer.id == asked.id == said.question_id
    assert f"/{len(fewer.shots)}-shot/" in said.prompt


@pytest.mark.parametrize("names", [False, True])
def test_a_template_that_tells_the_date_gives_the_same_prompt_every_day(
    llama: LocalModel, monkeypatch: pytest.MonkeyPatch, names: bool
) -> None:
    """The rest of what it says stays."""
    tokenizer = copy.deepcopy(llama.tokenizer)
    tokenizer.chat_template = TEMPLATE
    plain = Prompts(tokenizer)
    asked = replace(QUESTION, shots=SHOTS)
    dated = "\n{{ strftime_now('%d %b %Y') }}\n" + TEMPLATE
    told = copy.deepcopy(tokenizer)
    told.chat_template = {"default": dated, "tool_use": dated} if names else dated
    days = []
    for day in (datetime(2025, 1, 2), datetime(2026, 3, 4)):
        clock = SimpleNamespace(now=lambda day=day: day)
        monkeypatch.setattr(chat_template_utils, "datetime", clock)
        chat_template_utils._compile_jinja_template.cache_clear()
        days.append(Prompts(told))
        assert days[-1]._frame[0] == f"\n26 Jul 2024\n{plain._frame[0]}"
        assert days[-1]._frame[1:] == plain._frame[1:]
    assert days[0].label == days[1].label != plain.label
    assert days[0].label_of(asked) == days[1].label_of(asked)
    model = copy.copy(llama)
    model.tokenizer = told
    assert Prompts.of(model).label == days[0].label


def test_an_endpoint_is_shown_the_shots_as_turns() -> None:
    said = messages(replace(QUESTION, shots=SHOTS))
    assert [turn["role"] for turn in said] == ["user", "assistant"] * 2 + ["user"]
    assert [said[1]["content"], said[3]["content"]] == ["Lima", "B"]
    assert said[-1:] == messages(QUESTION) == [{"role": "user", "content": content(QUESTION)}]
