"""The computed words of the almanac, each computed another way."""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

import num2words

from calibrant.questions.almanac import spelling
from calibrant.questions.almanac.subject import Fact, Subject

SUBJECTS: dict[str, Subject] = {subject.name: subject for subject in spelling.SUBJECTS}


def facts(name: str, relation: str) -> Iterator[Fact]:
    found = [fact for fact in SUBJECTS[name].facts if fact.relation == relation]
    assert len(found) >= 23
    yield from found


def number(targets: tuple[str, ...]) -> int:
    """The number that is the answer; its word must be accepted as well."""
    assert num2words.num2words(int(targets[0])) in targets[1:]
    return int(targets[0])


def test_letter_counts() -> None:
    for fact in facts("letter_counts", "length"):
        assert number(fact.targets) == sum(1 for _ in fact.slots["word"])
    for fact in facts("letter_counts", "occurrences"):
        assert number(fact.targets) == Counter(fact.slots["word"])[fact.slots["letter"]]


def test_vowel_counts() -> None:
    for relation, barred in (("vowels", "bcdfghjklmnpqrstvwxz"), ("consonants", "aeiou")):
        for fact in facts("vowel_counts", relation):
            assert "y" not in fact.slots["word"], "y is both"
            left = fact.slots["word"].translate(str.maketrans("", "", barred))
            assert number(fact.targets) == len(left)


def test_alphabet() -> None:
    for relation, sign in (("next", 1), ("after", 1), ("previous", -1), ("before", -1)):
        for fact in facts("alphabet", relation):
            steps = sign * int(fact.slots.get("steps", "1"))
            assert fact.targets == (chr(ord(fact.slots["letter"]) + steps),)
            assert fact.targets[0] in ascii_uppercase
            low, high = sorted((fact.slots["letter"], fact.targets[0]))
            assert fact.key == low + high
    for seed in range(300):
        relation, slots = spelling._beyond_alphabet(random.Random(seed))
        steps = int(slots["steps"]) * (1 if relation == "after" else -1)
        assert chr(ord(slots["letter"]) + steps) not in ascii_uppercase


def test_alphabetical_order() -> None:
    def value(word: str) -> int:
        """The word as a number to base 27."""
        digits = ((ascii_lowercase.index(letter) + 1) for letter in word.ljust(9, "a"))
        padded = [digit if i < len(word) else 0 for i, digit in enumerate(digits)]
        return sum(digit * 27 ** (8 - i) for i, digit in enumerate(padded))

    for relation, extreme in (("first", min), ("last", max)):
        for fact in facts("alphabetical_order", relation):
            named = fact.slots["words"].replace(" or ", ", ").split(", ")
            assert len(set(named)) == len(named) in (3, 4)
            assert fact.targets == (extreme(named, key=value),)
            assert set(named) <= {*fact.targets, *fact.distractors}


def test_greek_letters() -> None:
    codes = [code for code in range(0x3B1, 0x3CA) if code != 0x3C2]  # but the final sigma
    names = [unicodedata.name(chr(code)).split()[-1].lower() for code in codes]
    names[names.index("lamda")] = "lambda"  # Unicode keeps the modern Greek spelling
    assert len(names) == 24
    for relation, step in (("next", 1), ("previous", -1)):
        for fact in facts("greek_letters", relation):
            assert names.index(fact.targets[0]) == names.index(fact.slots["letter"]) + step
    for fact in facts("greek_letters", "position"):
        assert names[number(fact.targets) - 1] == fact.slots["letter"]
    for fact in facts("greek_letters", "letter_at"):
        assert (names[int(fact.slots["position"]) - 1],) == fact.targets


def test_reversals() -> None:
    for relation, slot in (("backwards", "word"), ("forwards", "spelling")):
        for fact in facts("reversals", relation):
            letters = list(fact.slots[slot])
            assert fact.targets[0] == "".join(letters.pop() for _ in fact.slots[slot])
            assert fact.targets[0] != fact.slots[slot]
    words_ = {fact.slots["word"] for fact in facts("reversals", "backwards")}
    assert not words_ & {fact.slots["spelling"] for fact in facts("reversals", "forwards")}
