"""One function builds the text: what it builds, and that it is stable under continuation."""

from __future__ import annotations

import pytest

from calibrant.answers.prompts import QUERY, Prompts, content
from calibrant.models.local import LocalModel
from calibrant.records import Answer, Answered, ModelName, Question

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
    question, answer, query = prompts.asked(Answered(question=QUESTION, answer=own), tiny.name)
    assert answer == [7, 8] and query == list(prompts.query)
    assert question == prompts.question(QUESTION)
    _, answer, _ = prompts.asked(Answered(question=QUESTION, answer=other), tiny.name)
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
