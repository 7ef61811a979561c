"""Every answer of the number subjects is checked by a second way to work it out."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache

import inflect
import pytest
from num2words import num2words

from calibrant.questions.almanac import numbers
from calibrant.questions.almanac.subject import Computed, Subject

SUBJECTS = {subject.name: subject for subject in numbers.SUBJECTS}
INFLECT = inflect.engine()
Slots = Mapping[str, str]
Check = Callable[[Slots, str], bool]


def integer(text: str) -> int:
    """A whole number, perhaps with thousands commas in their places."""
    assert re.fullmatch(r"-?\d+|-?\d{1,3}(,\d{3})+", text) or not re.search(r"\d", text)
    return int(text.replace(",", ""))


def roman_value(numeral: str) -> int:
    """Each letter counts for itself, negatively where a greater one follows; normal form only."""
    if not re.fullmatch(r"C{0,3}(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})", numeral):
        raise ValueError(numeral)
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in numeral]
    later = [*values[1:], 0]
    return sum(-v if v < after else v for v, after in zip(values, later, strict=True))


def plain(words: str) -> str:
    """Words less the marks that are a matter of style."""
    return words.replace(",", "").replace("-", " ").replace(" and ", " ")


@cache
def number_word(number: int) -> str:
    """A number in words, on which two libraries agree."""
    word = plain(num2words(number))
    assert word == plain(str(INFLECT.number_to_words(str(number))))
    return word


@cache
def ordinal_word(number: int) -> str:
    """A place in words, on which two libraries agree."""
    word = plain(num2words(number, to="ordinal"))
    assert word == plain(str(INFLECT.ordinal(str(INFLECT.number_to_words(str(number))))))
    return word


def continues(slots: Slots, answer: str) -> bool:
    *terms, last = [int(term) for term in (*slots["terms"].split(", "), answer)]
    pairs = list(zip(terms, (*terms[1:], last), strict=True))
    return len({b - a for a, b in pairs}) == 1 or all(b == 2 * a for a, b in pairs)


def digit_sum(number: int) -> int:
    return number and number % 10 + digit_sum(number // 10)


def first_after(slots: Slots, answer: str) -> bool:
    number, found = int(slots["number"]), integer(answer)
    bit = {"even": "0", "odd": "1"}[slots["kind"]]
    return found > number and [n for n in range(number + 1, found + 1) if f"{n:b}"[-1] == bit] == [
        found
    ]


def extreme(slots: Slots, answer: str, sign: int) -> bool:
    shown = [Decimal(item) for item in re.split(", | or ", slots["numbers"])]
    assert len(set(shown)) == len(shown)
    return answer in re.split(", | or ", slots["numbers"]) and all(
        sign * Decimal(answer) >= sign * item for item in shown
    )


def greatest_divisor(slots: Slots, answer: str) -> bool:
    a, b = int(slots["a"]), int(slots["b"])
    return integer(answer) == max(n for n in range(1, a + 1) if a % n == 0 and b % n == 0)


def rate(text: str) -> int:
    return int(text.removesuffix("%").removesuffix(" percent"))


CHECKS: dict[tuple[str, str], Check] = {
    ("addition", "sum"): lambda s, x: integer(x) - int(s["a"]) == int(s["b"]),
    ("addition", "difference"): lambda s, x: integer(x) + int(s["b"]) == int(s["a"]),
    ("multiplication", "product"): lambda s, x: integer(x) == sum([int(s["a"])] * int(s["b"])),
    ("multiplication", "quotient"): lambda s, x: Fraction(int(s["a"]), int(s["b"])) == integer(x),
    ("multiplication", "square"): lambda s, x: math.sqrt(integer(x)) == int(s["a"]),
    ("roman_numerals", "to_roman"): lambda s, x: roman_value(x) == int(s["number"]),
    ("roman_numerals", "from_roman"): lambda s, x: roman_value(s["numeral"]) == integer(x),
    ("number_words", "to_words"): lambda s, x: plain(x) == number_word(int(s["number"])),
    ("number_words", "from_words"): lambda s, x: plain(s["words"]) == number_word(integer(x)),
    ("sequences", "next"): continues,
    ("digit_sums", "sum"): lambda s, x: digit_sum(int(s["number"])) == integer(x),
    ("digit_sums", "count"): lambda s, x: (
        10 ** (integer(x) - 1) <= int(s["number"]) < 10 ** integer(x)
    ),
    ("parity", "parity"): lambda s, x: {"even": 0, "odd": 1}[x] == int(s["number"]) & 1,
    ("parity", "next"): first_after,
    ("remainders", "remainder"): lambda s, x: (
        integer(x) in range(int(s["b"]))
        and (int(s["a"]) - integer(x)) in range(0, int(s["a"]) + 1, int(s["b"]))
    ),
    ("binary", "to_binary"): lambda s, x: x[0] == "1" and int(x, 2) == int(s["number"]),
    ("binary", "to_decimal"): lambda s, x: int(s["bits"], 2) == integer(x),
    ("largest", "largest"): lambda s, x: extreme(s, x, 1),
    ("largest", "smallest"): lambda s, x: extreme(s, x, -1),
    ("fractions", "simplify"): lambda s, x: str(Fraction(s["fraction"])) == x,
    ("fractions", "expand"): lambda s, x: (
        Fraction(x) == Fraction(s["fraction"]) and x.split("/")[1] == s["denominator"]
    ),
    ("ordinals", "short"): lambda s, x: num2words(int(s["number"]), to="ordinal_num") == x,
    ("ordinals", "in_words"): lambda s, x: ordinal_word(int(s["place"][:-2])) == plain(x),
    ("ordinals", "in_digits"): lambda s, x: (
        ordinal_word(int(re.sub("(st|nd|rd|th)$", "", x))) == plain(s["words"])
    ),
    ("gcd", "gcd"): greatest_divisor,
    ("percentages", "part"): lambda s, x: (
        Fraction(s["rate"]) / 100 * int(s["number"]) == integer(x)
    ),
    ("percentages", "rate"): lambda s, x: (
        Fraction(rate(x), 100) * int(s["number"]) == int(s["part"])
    ),
}


def holds(subject: Subject, relation: str, slots: Slots, answer: str) -> bool:
    """Whether the answer is right; where it cannot even be checked it is not."""
    try:
        return CHECKS[subject.name, relation](slots, answer)
    except (ValueError, ArithmeticError, LookupError):
        return False


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_targets_are_right_and_distractors_wrong(subject: Subject) -> None:
    for fact in subject.facts:
        assert all(holds(subject, fact.relation, fact.slots, each) for each in fact.targets), fact
        assert not any(
            holds(subject, fact.relation, fact.slots, each) for each in fact.distractors
        ), fact


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_facts_are_well_formed(subject: Subject) -> None:
    assert {fact.relation for fact in subject.facts} == {each.name for each in subject.relations}
    for fact in subject.facts:
        answers = [answer.casefold() for answer in (fact.targets[0], *fact.distractors)]
        assert len(set(answers)) == 4, fact
        assert 0 <= fact.rarity <= 1, fact
        assert all(q.format(**fact.slots) for q in subject.relation(fact.relation).questions)
    assert min(fact.rarity for fact in subject.facts) <= 0.2
    assert max(fact.rarity for fact in subject.facts) >= 0.8


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_impossible_questions_have_no_answer(subject: Subject) -> None:
    if subject.impossible is None:
        assert subject.name == "digit_sums"  # A word has no digits: 0 would be an answer.
        return
    rng = random.Random(0)
    answers = [answer for fact in subject.facts[:200] for answer in fact.targets]
    for _ in range(50):
        relation, slots = subject.impossible(rng)
        assert all(q.format(**slots) for q in subject.relation(relation).questions)
        assert not any(holds(subject, relation, slots, answer) for answer in answers), slots


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("addition", "What is 3 plus 4?", "What is 7 minus 4?"),
        ("addition", "What is 4 plus 3?", "What is 7 minus 3?"),
        ("multiplication", "What is 6 times 9?", "What is 54 divided by 9?"),
        ("sequences", "What comes next: 2, 5, 8, 11?", "What comes next: 5, 8, 11, 14?"),
        ("sequences", "What comes next: 2, 5, 8, 11?", "What comes next: 17, 14, 11, 8?"),
        ("sequences", "What comes next: 3, 6, 12, 24?", "What comes next: 6, 12, 24, 48?"),
        ("parity", "Is 38 even or odd?", "What is the next even number after 37?"),
        ("binary", "Which number is 1011 in binary?", "Write 11 in binary."),
    ],
)
def test_facts_that_tell_of_one_another_share_a_key(name: str, one: str, other: str) -> None:
    subject, rng, keys = SUBJECTS[name], random.Random(0), {}
    assert isinstance(subject, Computed)
    for _ in range(30000):
        fact = subject.make(rng)
        keys[subject.relation(fact.relation).questions[0].format(**fact.slots)] = fact.key
    assert keys[one] == keys[other]
