"""Subjects about letters and the spelling of words: all of them computed."""

from __future__ import annotations

import random
from functools import cache
from importlib.resources import files
from os.path import commonprefix
from string import ascii_lowercase, ascii_uppercase

from calibrant.questions.almanac.invented import invented_word
from calibrant.questions.almanac.slips import wrong
from calibrant.questions.almanac.subject import Computed, Fact, Relation, Side, Subject

_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty", "twenty-one", "twenty-two", "twenty-three", "twenty-four"),
)
_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi"),
    *("chi", "psi", "omega"),
)


@cache
def _words(side: Side) -> tuple[str, ...]:
    """The side's own common words of three to nine letters, short ones first."""
    return tuple((files(__package__) / "tables" / f"words_{side}.txt").read_text("utf-8").split())


def _word(rng: random.Random, side: Side) -> str:
    """One of the side's words, short ones more often."""
    words = _words(side)
    return words[int(len(words) * rng.random() ** 1.5)]


def _length_rarity(word: str) -> float:
    """0 for the shortest words, 1 for the longest."""
    return (len(word) - 3) / 6


def _number(value: int) -> tuple[str, ...]:
    """The accepted ways to write a small number."""
    word = _NUMBERS[value]
    return tuple(dict.fromkeys((str(value), word, word.replace("-", " "))))


def _near_numbers(rng: random.Random, value: int) -> tuple[str, ...]:
    """Three numbers close by."""
    near = [n for n in range(value - 2, value + 4) if n >= 0 and n != value]
    return tuple(str(n) for n in rng.sample(near, 3))


def _count(rng: random.Random, relation: str, answer: int, *, rarity: float, **slots: str) -> Fact:
    """A fact about how often something occurs in the word of the slots."""
    return Fact(
        relation=relation,
        key=slots["word"],
        slots=slots,
        targets=_number(answer),
        distractors=_near_numbers(rng, answer),
        rarity=rarity,
    )


def _letter_counts(rng: random.Random) -> Fact:
    word = _word(rng, "mixture")
    if rng.random() < 0.3:
        return _count(rng, "length", len(word), rarity=_length_rarity(word), word=word)
    letter = rng.choice(word if rng.random() < 0.85 else ascii_lowercase)
    count = word.count(letter)
    rarity = min(1.0, _length_rarity(word) + 0.3 * (count > 1))
    return _count(rng, "occurrences", count, rarity=rarity, letter=letter, word=word)


def _vowel_counts(rng: random.Random) -> Fact:
    word = _word(rng, "development")
    vowels = sum(letter in "aeiou" for letter in word)
    relation, answer = rng.choice((("vowels", vowels), ("consonants", len(word) - vowels)))
    return _count(rng, relation, answer, rarity=_length_rarity(word), word=word)


def _alphabet(rng: random.Random) -> Fact:
    (steps,) = rng.choices(range(1, 26), [1 / n for n in range(1, 26)])
    early = rng.randrange(26 - steps)
    late = early + steps
    forward = rng.random() < 0.5
    given, answer = (early, late) if forward else (late, early)
    slips = [answer + slip for slip in (1, -1, 2, -2, 3, -3)] + [2 * given - answer, given]
    rng.shuffle(slips)
    slots = {"letter": ascii_uppercase[given]}
    if steps == 1:
        relation = "next" if forward else "previous"
    else:
        relation = "after" if forward else "before"
        slots["steps"] = str(steps)
    return Fact(
        relation=relation,
        key=ascii_uppercase[early] + ascii_uppercase[late],
        slots=slots,
        targets=(ascii_uppercase[answer],),
        distractors=wrong(
            ascii_uppercase[answer], (ascii_uppercase[slip] for slip in slips if 0 <= slip < 26)
        ),
        rarity=(steps - forward) / 25,
    )


def _beyond_alphabet(rng: random.Random) -> tuple[str, dict[str, str]]:
    """Beyond Z or before A, where no letter is."""
    steps = rng.randint(2, 25)
    outer = rng.randrange(steps)
    if rng.random() < 0.5:
        return "before", {"letter": ascii_uppercase[outer], "steps": str(steps)}
    return "after", {"letter": ascii_uppercase[-1 - outer], "steps": str(steps)}


def _alphabetical_order(rng: random.Random) -> Fact:
    words = _words("mixture")
    if rng.random() < 0.4:  # the hard ones begin with the same letter
        initial = rng.choice(words)[0]
        alike = tuple(word for word in words if word[0] == initial)
        words = alike if len(alike) >= 4 else words
    four = rng.sample(words, 4)
    named = four[: rng.choice((3, 4))]
    relation, answer, *rest = rng.choice(
        (("first", *sorted(named)), ("last", *sorted(named, reverse=True)))
    )
    shared = len(commonprefix((answer, rest[0])))  # noqa: RUF071  (letter by letter is meant)
    return Fact(
        relation=relation,
        key=" ".join(sorted(named)),
        slots={"words": f"{', '.join(named[:-1])} or {named[-1]}"},
        targets=(answer,),
        # Of three words, the fourth that was drawn stands in as a wrong answer.
        distractors=tuple(word for word in four if word != answer),
        rarity=min(1.0, (2 * shared + len(named) - 3) / 7),
    )


def _greek_letters(rng: random.Random) -> Fact:
    relation = rng.choice(("next", "previous", "position", "letter_at"))
    if relation in ("next", "previous"):
        first = rng.randrange(len(_GREEK) - 1)
        key = f"{_GREEK[first]} {_GREEK[first + 1]}"
        given, answer = (first, first + 1) if relation == "next" else (first + 1, first)
        slots = {"letter": _GREEK[given]}
    else:
        answer = rng.randrange(len(_GREEK))
        key = _GREEK[answer]
        slots = {"letter": key} if relation == "position" else {"position": str(answer + 1)}
    if relation == "position":
        targets, distractors = _number(answer + 1), _near_numbers(rng, answer + 1)
    else:
        near = list(_GREEK[max(0, answer - 3) : answer + 4])
        rng.shuffle(near)
        targets = (_GREEK[answer],)
        distractors = wrong(targets, near)
    return Fact(
        relation=relation,
        key=key,
        slots=slots,
        targets=targets,
        distractors=distractors,
        rarity=answer / len(_GREEK),
    )


def _no_greek_letter(rng: random.Random) -> tuple[str, dict[str, str]]:
    """Made-up letters, and places that an alphabet of 24 letters does not have."""
    if rng.random() < 0.3:
        return "letter_at", {"position": str(rng.randint(25, 99))}
    return rng.choice(("next", "previous", "position")), {"letter": invented_word(rng)}


def _reversals(rng: random.Random) -> Fact:
    word = _word(rng, "unseen")
    backwards = word[::-1]
    if rng.random() < 0.5:
        like = [other for other in _words("unseen") if len(other) == len(word)]
        rng.shuffle(like)
        like.sort(key=lambda other: (other[0] != word[0]) + (other[-1] != word[-1]))
        relation, slots, answer, slips = "forwards", {"spelling": backwards}, word, like
    else:
        places = rng.sample(range(len(word) - 1), len(word) - 1)
        swapped = [
            backwards[:i] + backwards[i + 1] + backwards[i] + backwards[i + 2 :] for i in places
        ]
        slips = [*swapped[:2], word, *swapped[2:], word[0] + backwards[:-1], backwards[1:]]
        relation, slots, answer = "backwards", {"word": word}, backwards
    return Fact(
        relation=relation,
        key=word,
        slots=slots,
        targets=(answer,),
        distractors=wrong((answer,), slips),
        rarity=_length_rarity(word),
    )


SUBJECTS: tuple[Subject, ...] = (
    Computed(
        name="letter_counts",
        category="words",
        side="mixture",
        make=_letter_counts,
        n=1200,
        relations=(
            Relation(
                name="length",
                questions=(
                    "How many letters has the word {word}?",
                    "What is the number of letters in {word}?",
                    "With how many letters is {word} spelt?",
                ),
            ),
            Relation(
                name="occurrences",
                questions=(
                    "How many times does the letter {letter} occur in {word}?",
                    "How often is there the letter {letter} in {word}?",
                    "Count the letter {letter} in the word {word}.",
                ),
            ),
        ),
    ),
    Computed(
        name="alphabet",
        category="words",
        side="mixture",
        make=_alphabet,
        n=650,
        impossible=_beyond_alphabet,
        relations=(
            Relation(
                name="next",
                questions=(
                    "Which letter comes right after {letter} in the alphabet?",
                    "What letter follows {letter} in the alphabet?",
                    "What is the next letter after {letter}?",
                ),
            ),
            Relation(
                name="previous",
                questions=(
                    "Which letter comes right before {letter} in the alphabet?",
                    "What letter precedes {letter} in the alphabet?",
                    "What is the last letter before {letter}?",
                ),
            ),
            Relation(
                name="after",
                questions=(
                    "Which letter comes {steps} places after {letter} in the alphabet?",
                    "What letter is {steps} steps after {letter}?",
                    "Start at {letter} and go {steps} letters forward: which letter?",
                ),
            ),
            Relation(
                name="before",
                questions=(
                    "Which letter comes {steps} places before {letter} in the alphabet?",
                    "What letter is {steps} steps before {letter}?",
                    "Start at {letter} and go {steps} letters back: which letter?",
                ),
            ),
        ),
    ),
    Computed(
        name="alphabetical_order",
        category="words",
        side="mixture",
        make=_alphabetical_order,
        n=1500,
        relations=tuple(
            Relation(
                name=name,
                questions=(
                    f"Which comes {name} in the dictionary: {{words}}?",
                    f"Which word is {name} in alphabetical order: {{words}}?",
                    f"Sorted from A to Z, which is {name}: {{words}}?",
                ),
            )
            for name in ("first", "last")
        ),
    ),
    Computed(
        name="greek_letters",
        category="words",
        side="development",
        make=_greek_letters,
        n=94,
        impossible=_no_greek_letter,
        relations=(
            Relation(
                name="next",
                questions=(
                    "Which Greek letter comes after {letter}?",
                    "In the Greek alphabet, what follows {letter}?",
                    "Name the Greek letter right after {letter}.",
                ),
            ),
            Relation(
                name="previous",
                questions=(
                    "Which Greek letter comes before {letter}?",
                    "In the Greek alphabet, what precedes {letter}?",
                    "Name the Greek letter right before {letter}.",
                ),
            ),
            Relation(
                name="position",
                questions=(
                    "What is the position of {letter} in the Greek alphabet?",
                    "What number does the Greek letter {letter} have in its alphabet?",
                    "Counting from alpha as 1, which number is {letter}?",
                ),
            ),
            Relation(
                name="letter_at",
                questions=(
                    "Which letter is number {position} of the Greek alphabet?",
                    "Counting from alpha as 1, which Greek letter is number {position}?",
                    "Name letter {position} of the Greek alphabet.",
                ),
            ),
        ),
    ),
    Computed(
        name="vowel_counts",
        category="words",
        side="development",
        make=_vowel_counts,
        n=604,
        relations=tuple(
            Relation(
                name=name,
                questions=(
                    f"How many {name} has the word {{word}}?",
                    f"What is the number of {name} in {{word}}?",
                    f"Count the {name} of {{word}}.",
                ),
            )
            for name in ("vowels", "consonants")
        ),
    ),
    Computed(
        name="reversals",
        category="words",
        side="unseen",
        make=_reversals,
        n=604,
        relations=(
            Relation(
                name="backwards",
                questions=(
                    "How is {word} spelt backwards?",
                    "What do you get when you reverse the word {word}?",
                    "Write the word {word} from right to left.",
                ),
            ),
            Relation(
                name="forwards",
                questions=(
                    "Which word gives {spelling} when it is spelt backwards?",
                    "Which word is {spelling} backwards?",
                    "Of which word is {spelling} the reverse?",
                ),
            ),
        ),
    ),
)
