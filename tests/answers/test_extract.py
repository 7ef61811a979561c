"""The answer proper, taken out of a model's words."""

from __future__ import annotations

import pytest

from calibrant.answers.extract import extract
from calibrant.records import Question

OPEN = Question(text="?")
CHOICE = Question(text="?", choices=("Paris", "Rome", "Oslo"), targets=("Rome",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paris", "Paris"),
        ("Paris.", "Paris"),
        ("The answer is Paris.", "Paris"),
        ("It is Paris.", "Paris"),
        ("I think it is 12.", "12"),
        ("I believe the answer is forty-seven.", "forty-seven"),
        ("That would be Mount Everest.", "Mount Everest"),
        ("The correct answer is: B.", "B"),
        ("Isaac Newton", "Isaac Newton"),
        ("Italy", "Italy"),
        ("Sofia", "Sofia"),
        ("This", "This"),
        ("", ""),
        ("1.5", "1.5"),
    ],
)
def test_open(text: str, expected: str) -> None:
    assert extract(text, OPEN) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("(B)", "B"),
        ("b)", "B"),
        ("B. Rome", "B"),
        ("The answer is (B)", "B"),
        ("The answer is B.", "B"),
        ("Rome", "B"),
        ("It is Rome.", "B"),
        ("D", ""),
        ("Berlin", ""),
        ("Another city", ""),
        ("**B**", "B"),
        ("\\boxed{B}", "B"),
        ("b", "B"),
        ("B because it is old", "B"),
        ("A Paris", "A"),
        ("A city in Italy", ""),
        ("The answer is a city", ""),
        ("Is it (A)? The answer is A? No: the answer is (b).", "B"),
        ("**Answer:** C", "C"),
        ("Option B.", "B"),
        ("Surely Rome, the old one", "B"),
        ("It is not Rome", ""),
        ("Paris or Rome", ""),
        ("I do not know", ""),
        ("The answer is B, not answer A", "B"),
        ("The answer is B not A", "B"),
        ("The answer is not (A) but (B)", "B"),
        ("Answer (A) is wrong; so (B)", "B"),
        ("Option A is clearly wrong, option C isn't it either: I go with the option B", "B"),
        ("(A) is incorrect. The city is Rome", "B"),
        ("I choose B", "B"),
        ("I would pick (b).", "B"),
        ("B is wrong. The answer is C", "C"),
        ("B, and I am sure", "B"),
        ("The answer is B and A city it is", "B"),
        ("Surely (B), the old one", "B"),
        ("Either (A) or (B)", ""),
        ("A or B", ""),
        ("B or A", ""),
        ("The answer is A or B.", ""),
        ("Answer: (A) and (C)", ""),
        ("It is not (B)", ""),
        ("A" * 1_000_000, ""),
        ("The answer is A. " * 100_000, "A"),
        ("(A) is not it. " * 100_000, ""),
        ("", ""),
    ],
)
def test_choice(text: str, expected: str) -> None:
    assert extract(text, CHOICE) == expected
