"""The answer proper, taken out of a model's words."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrant.answers.extract import extract
from calibrant.questions.source import load_questions
from calibrant.records import LETTERS, Question

MMLU = Path(__file__).parents[3] / "shared/data/mmlu/mmlu"
TEN = Question(text="?", choices=tuple(f"{i} eggs" for i in range(10)), targets=("1 eggs",))
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
        ("**Answer:** Paris", "Paris"),
        ("It is **Paris**.", "Paris"),
        ("2**3 + 3**2", "2**3 + 3**2"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is B. Option A is plausible, but it is in France.", "B"),
        ("Answer: B\n\nOption A: in France.\nOption C: in Norway.", "B"),
        ("B\n\nExplanation: Option C is tempting", "B"),
        ("B is correct. Choice A is a distractor.", "B"),
        ("The answer is B. If you pick A, you are mistaken.", "B"),
        ("A. Paris\nB. Rome\nC. Oslo\n\nAnswer: Rome", "B"),
        ("A. Paris\nB. Rome\nC. Oslo\n\nThe answer is C.", "C"),
        ("A. Paris\nB. Rome\nC. Oslo", ""),
        ("A: Rome", "B"),
        ("A: The answer is Rome", "B"),
        ("A, B and C", ""),
        ("The answer is A, B", ""),
        ("B and C are correct", ""),
        ("The answer is C or maybe B", ""),
        ("The answer is b", "B"),
        ("answer: b", "B"),
        ('The answer is "B".', "B"),
        ("Answer: [B]", "B"),
        ("It's B", "B"),
        ("I think B is correct.", "B"),
        ("Therefore, B is the right answer.", "B"),
        ("The answer is probably B", "B"),
        ("\\(\\boxed{B}\\)", "B"),
        ("#### B", "B"),
        ("- B", "B"),
        ("The answer is not A but B.", "B"),
        ("A is incorrect. B is correct.", "B"),
        ("I don't think it is A.", ""),
        ("<think>The answer is A?</think>\nB", "B"),
        ("B\n\nQuestion: next?\nAnswer: C", "B"),
        ("Rome, not Paris", "B"),
    ],
)
def test_choice_in_prose(text: str, expected: str) -> None:
    assert extract(text, CHOICE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I", "I"),
        ("(I) 8 eggs", "I"),
        ("The answer is I.", "I"),
        ("The answer I choose is B", "B"),
        ("the answer is I believe C", "C"),
        ("The answer, I believe, is C", "C"),
        ("I, as a model, would pick C.", "C"),
        ("I think it is B", "B"),
        ("The answer is H and I am sure", "H"),
        ("C and I.", ""),
        ("I cannot tell", ""),
    ],
)
def test_the_letter_that_is_a_word(text: str, expected: str) -> None:
    assert extract(text, TEN) == expected


@pytest.mark.parametrize(
    ("choices", "text", "expected"),
    [
        (("$5", "$10"), "$10", "B"),
        (("x_1", "x_2"), "x_2", "B"),
        ((r"\frac{1}{4}", r"\frac{1}{8}"), r"The answer is $\frac{1}{8}$", "B"),
        (("5", r"2\sqrt{2}", r"5+2\sqrt{13}"), r"5+2\sqrt{13}", "C"),
        (("Yes", "No"), "No, it is not.", "B"),
        (("True", "False"), "False, since it is not so", "B"),
        (("1", "2", "3"), "The answer is 3.5", ""),
        (("1", "2"), "-2", ""),
        (("C major", "D major"), "The answer is D major", "B"),
        (("B cells", "T cells"), "B cells", "A"),
        (("BB BB", "Bb Bb"), "Bb Bb", "B"),
        (("BB BB", "Bb Bb"), "bb bb", ""),
        (("687", "687", "1"), "687", "A"),
    ],
)
def test_the_text_of_an_option(choices: tuple[str, ...], text: str, expected: str) -> None:
    assert extract(text, Question(text="?", choices=choices, targets=choices[:1])) == expected


@pytest.mark.skipif(not MMLU.exists(), reason=f"{MMLU} is absent")
def test_the_text_of_an_option_of_mmlu() -> None:
    asked = [q for q in load_questions(f"mmlu:{MMLU}") if q.choices]
    lost = [
        question
        for question in asked
        if question.targets[0] not in LETTERS
        and extract(question.targets[0], question)
        not in [LETTERS[i] for i, c in enumerate(question.choices) if c in question.targets]
    ]
    assert len(asked) > 13_000
    assert len(lost) < 3, [(q.choices, q.targets) for q in lost][:20]
