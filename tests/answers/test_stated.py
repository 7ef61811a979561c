"""Stated confidences: what is plain is read, and nothing else becomes a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrant.answers.stated import WORDS, stated_guesses, stated_lines, stated_probability

PLAIN = {
    "85%": 0.85,
    "85 %.": 0.85,
    "I am 85 per cent sure.": 0.85,
    "85 percent": 0.85,
    "**85%**": 0.85,
    "Probability: 0.85": 0.85,
    "87,5%": 0.875,
    "85": 0.85,
    "9/10": 0.9,
    "9 out of 10": 0.9,
    "100%": 1.0,
    "0": 0.0,
    "0%": 0.0,
    "1%": 0.01,
    "1.0": 1.0,
    "80% (that is, 80 %), for 2 reasons": 0.8,
    "95%, no doubt": 0.95,
    "Without a doubt, 99%": 0.99,
}
UNCLEAR = (
    "", "sure", "1", "-5%", "120%", "70-80%", "between 70% and 80%", "70 to 80", "90% or 95%",
    "1,000%", "10%, no, 20%", "3/7", "1000", "11/10", "٨٥%", "nan%", "inf", "1e-1", "NaN",
    "I am 90% sure that it is wrong", "There is a 10% chance I am mistaken", "80%, not correct",
    "not 90%", "It isn't 80%", "less than 50%", "at least 90 per cent", "over 60%", "<5%", "±85%",
    "90% unlikely", "Improbable (90%)", "There is a 90% chance it is not the answer", "No, 95%",
    "90% sure it's not Paris", "90% sure it isn’t", "I doubt it: 90%", "80% chance of failure",
)  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_plain(text: str) -> None:
    assert stated_probability(text) == pytest.approx(PLAIN[text])


@pytest.mark.parametrize("text", UNCLEAR)
def test_unclear_is_none(text: str) -> None:
    assert stated_probability(text) is None


def test_words() -> None:
    for word, value in WORDS.items():
        assert stated_probability(f"It is {word.upper()}.", words=True) == value
    for text in (
        "",
        "not likely",
        "highly likely",
        "likely, or unlikely",
        "isn't likely",
        "80%",
        "It is likely wrong",
        "Likely not",
        "very likely not",
        "not at all likely",
        "I doubt that it is likely",
    ):
        assert stated_probability(text, words=True) is None
    assert sorted(WORDS.values(), reverse=True) == list(WORDS.values())


def test_guesses() -> None:
    reply = "1. Paris | 70%\n\n- Lyon | 20 %\nGuess 3: Nice | often\nLille\n| 5%"
    assert stated_guesses(reply) == [("Paris", 0.7), ("Lyon", 0.2), ("Nice", None), ("Lille", None)]
    assert stated_guesses("A | B | very likely", words=True) == [("A | B", 0.9)]
    assert stated_lines("1. 90%\n2: 5%\nno", 4) == [0.9, 0.05, None, None]
    assert stated_lines("Paris | 90%\n\n20\n30", 2) == [0.9, 0.2]
    assert stated_lines("Here are the likelihoods:\n90%\n5%", 2) == [0.9, 0.05]
    assert stated_lines("Here they are\n90%\n5%", 2) == [None, None]
    assert stated_lines("Guess 2: 5%\nGuess 1: 90%", 3) == [0.9, 0.05, None]
    assert stated_lines("1. 5%\n1. 90%", 2) == [None, None]
    assert stated_lines("No: 90%\nYes: 10%", 2) == [0.9, 0.1]
    assert stated_lines("1. No Country for Old Men: 85%\n2. Fargo: not 10%", 2) == [0.85, None]
    assert stated_guesses("My guesses:\nParis | 70%") == [("Paris", 0.7)]


@given(st.text(), st.booleans())
def test_any_text_gives_a_probability_or_none(text: str, words: bool) -> None:
    value = stated_probability(text, words)
    assert value is None or 0 <= value <= 1
    for guess, likely in stated_guesses(text, words):
        assert guess.strip() and (likely is None or 0 <= likely <= 1)
    assert len(stated_lines(text, 3, words)) == 3


@given(
    st.from_regex(
        r"[-+]?[0-9]{0,3}[.,]?[0-9]{0,3} ?(%|/10|/100| out of 10|percent)?", fullmatch=True
    ),
    st.sampled_from(["{}", "It is {}.", "({})", "about {}!", "{}\n"]),
)
def test_numbers_like_text(number: str, frame: str) -> None:
    value = stated_probability(frame.format(number))
    assert value is None or 0 <= value <= 1


@given(st.integers(0, 100), st.sampled_from(["{}%", "{} per cent", "I say {}%.", "{}/100"]))
def test_every_per_cent_is_read(number: int, frame: str) -> None:
    assert stated_probability(frame.format(number)) == pytest.approx(number / 100)


@given(st.integers(0, 100), st.integers(0, 100))
def test_two_different_numbers_are_none(one: int, other: int) -> None:
    value = stated_probability(f"{one}%, then {other}%")
    assert value == (pytest.approx(one / 100) if one == other else None)
