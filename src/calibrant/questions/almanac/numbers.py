"""Subjects of the training mixture about numbers: reckoning, numerals, words, sequences, digits."""

from __future__ import annotations

import random

from calibrant.questions.almanac.invented import invented_word
from calibrant.questions.almanac.numbers_held_out import SUBJECTS as HELD_OUT
from calibrant.questions.almanac.slips import ask, estranged, number_fact, pick, rarity, wrong
from calibrant.questions.almanac.subject import Computed, Fact, Subject


def _addition(rng: random.Random) -> Fact:
    a, b = pick(rng, 9, 20, 99, 999), pick(rng, 9, 20, 99, 999)
    total = a + b
    key, rare = f"{min(a, b)}+{max(a, b)}", rarity(max(a, b), 5, 900)
    if rng.random() < 0.6:
        slips = (total + 10, total - 10, abs(a - b), total + 100)
        return number_fact(rng, "sum", key=key, answer=total, rarity=rare, slips=slips, a=a, b=b)
    slips = (a + 10, a - 10, total + b, abs(a - b))
    return number_fact(rng, "difference", key=key, answer=a, rarity=rare, slips=slips, a=total, b=b)


def _multiplication(rng: random.Random) -> Fact:
    a, b = pick(rng, 10, 12, 25, 99), pick(rng, 10, 12, 20)
    product, kind = a * b, rng.random()
    if kind < 0.1:
        slips = (2 * a, a * a + a, a * a - a, a * a + 10)
        return number_fact(
            rng, "square", key=f"{a}x{a}", answer=a * a, rarity=rarity(a, 3, 99), slips=slips, a=a
        )
    key, rare = f"{min(a, b)}x{max(a, b)}", rarity(product, 8, 1200)
    if kind < 0.6:
        slips = (product + a, product - b, a + b, product + 10)
        return number_fact(
            rng, "product", key=key, answer=product, rarity=rare, slips=slips, a=a, b=b
        )
    slips = (a + 1, a - 1, b, product - b)
    return number_fact(rng, "quotient", key=key, answer=a, rarity=rare, slips=slips, a=product, b=b)


def _impossible_multiplication(rng: random.Random) -> tuple[str, dict[str, str]]:
    if rng.random() < 0.3:
        return "quotient", {"a": str(pick(rng, 20, 99, 999)), "b": "0"}
    return estranged(_multiplication)(rng)


_ROMAN = (
    *((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX")),
    *((5, "V"), (4, "IV"), (1, "I")),
)


def _roman(number: int) -> str:
    """A number up to 399 as a Roman numeral."""
    numeral = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        numeral += letters * count
    return numeral


def _roman_numerals(rng: random.Random) -> Fact:
    number = pick(rng, 30, 60, 100, 399)
    numeral, rare = _roman(number), rarity(number, 4, 399)
    slips = (number + 5, abs(number - 5) or 3, number + 20, number + 40)
    fact = number_fact(
        rng, "from_roman", key=str(number), answer=number, rarity=rare, slips=slips,
        numeral=numeral,
    )  # fmt: skip
    if rng.random() < 0.5:
        return fact
    others = (_roman(int(other)) for other in fact.distractors if other != "0")
    spare = (_roman(number + step) for step in (3, 6))
    return Fact(
        relation="to_roman",
        key=fact.key,
        slots={"number": str(number)},
        targets=(numeral,),
        distractors=wrong((numeral,), (*others, *spare)),
        rarity=rare,
    )


def _impossible_numeral(rng: random.Random) -> tuple[str, dict[str, str]]:
    """A numeral with letters that no Roman numeral has."""
    letters = rng.choices("IVXLC", k=rng.randint(1, 3)) + rng.choices("BGHKQRTWZ", k=2)
    rng.shuffle(letters)
    return "from_roman", {"numeral": "".join(letters)}


_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def _words(number: int, joint: str = "-", link: str = " ") -> str:
    """A number up to 9999 in words; `link` parts the hundreds from what follows them."""
    if number >= 100:
        size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
        head, rest = divmod(number, size)
        words = f"{_ONES[head]} {name}"
        part = " " if rest >= 100 else link
        return f"{words}{part}{_words(rest, joint, link)}" if rest else words
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (joint + _ONES[ones] if ones else "")


def _number_words(rng: random.Random) -> Fact:
    number = pick(rng, 30, 99, 999, 9999)
    swapped = int(str(number)[::-1])
    slips = (number + 10, number + 100, abs(number - 10) + 1, swapped)
    fact = number_fact(
        rng, "from_words", key=str(number), answer=number, rarity=rarity(number, 12, 7000),
        slips=slips, words=_words(number),
    )  # fmt: skip
    if rng.random() < 0.5:
        return fact
    forms = (_words(number, joint, link) for link in (" ", " and ") for joint in "- ")
    return Fact(
        relation="to_words",
        key=fact.key,
        slots={"number": str(number)},
        targets=tuple(dict.fromkeys(forms)),
        distractors=tuple(_words(int(other)) for other in fact.distractors),
        rarity=fact.rarity,
    )


def _impossible_words(rng: random.Random) -> tuple[str, dict[str, str]]:
    """A number word with a made-up part."""
    tens, odd = rng.choice(_TENS), invented_word(rng)
    words = rng.choice((f"{tens}-{odd}", f"{odd} hundred {tens}", f"{odd}ty-{_ONES[4]}"))
    return "from_words", {"words": words}


def _sequences(rng: random.Random) -> Fact:
    """The next term; progressions through the same numbers share their key."""
    if rng.random() < 0.15:
        start = pick(rng, 12, 60)
        terms = [start << power for power in range(5)]
        step, rare = terms[3], rarity(terms[-1], 16, 900)
        key = f"doubling from {start // (start & -start)}"
    else:
        step, start = pick(rng, 5, 12, 30), pick(rng, 10, 40, 150)
        terms = [start + step * index for index in range(5)]
        key, rare = f"{start % step} and steps of {step}", rarity(step * start, 8, 2000)
        if rng.random() < 0.25:
            terms.reverse()
            step, rare = -step, min(1.0, rare + 0.1)
    *shown, answer = terms
    slips = (answer + step, answer + 1, answer - 1, answer + 10, shown[-1] + shown[0])
    return number_fact(
        rng, "next", key=key, answer=answer, rarity=rare, slips=slips,
        terms=", ".join(map(str, shown)),
    )  # fmt: skip


def _impossible_sequence(rng: random.Random) -> tuple[str, dict[str, str]]:
    return "next", {"terms": ", ".join(invented_word(rng) for _ in range(4))}


def _digit_sums(rng: random.Random) -> Fact:
    if rng.random() < 0.25:
        length = rng.randint(1, 9)
        number = rng.randint(10 ** (length - 1), 10**length - 1)
        return number_fact(
            rng, "count", key=str(number), answer=length, rarity=(length - 1) / 8, number=number
        )
    number = pick(rng, 99, 999, 9999, 99999)
    total = sum(map(int, str(number)))
    slips = (total + 9, total - 9, int(str(number)[-1]), total + 10)
    return number_fact(
        rng, "sum", key=str(number), answer=total, rarity=rarity(number, 20, 60000), slips=slips,
        number=number,
    )  # fmt: skip


def _parity(rng: random.Random) -> Fact:
    number = pick(rng, 20, 99, 999, 9999)
    kind, opposite = ("odd", "even") if number % 2 else ("even", "odd")
    rare = rarity(number, 12, 7000)
    if rng.random() < 0.5:
        return Fact(
            relation="parity",
            key=str(number),
            slots={"number": str(number)},
            targets=(kind,),
            distractors=(opposite, "both", "neither"),
            rarity=rare,
        )
    # The number is the answer, so that both relations about it share a key.
    before = number - rng.randint(1, 2)
    return number_fact(
        rng, "next", key=str(number), answer=number, rarity=rare, slips=(number + 1, number - 1),
        kind=kind, number=before,
    )  # fmt: skip


_ADDITION = (
    ask(
        "sum",
        "What is {a} plus {b}?",
        "What is {a} + {b}?",
        "Add {a} and {b}.",
        "What is the sum of {a} and {b}?",
    ),
    ask(
        "difference",
        "What is {a} minus {b}?",
        "What is {a} - {b}?",
        "Subtract {b} from {a}.",
        "What is left when {b} is taken from {a}?",
    ),
)
_MULTIPLICATION = (
    ask(
        "product",
        "What is {a} times {b}?",
        "What is {a} x {b}?",
        "Multiply {a} by {b}.",
        "What is the product of {a} and {b}?",
    ),
    ask(
        "quotient",
        "What is {a} divided by {b}?",
        "Divide {a} by {b}.",
        "How many times does {b} go into {a}?",
    ),
    ask(
        "square",
        "What is {a} squared?",
        "What is the square of {a}?",
        "What do you get when {a} is multiplied by itself?",
    ),
)
_ROMAN_NUMERALS = (
    ask(
        "to_roman",
        "Write {number} as a Roman numeral.",
        "What is {number} in Roman numerals?",
        "Which Roman numeral stands for {number}?",
    ),
    ask(
        "from_roman",
        "What number is the Roman numeral {numeral}?",
        "Which number does {numeral} stand for in Roman numerals?",
        "How much is the Roman numeral {numeral}?",
    ),
)
_NUMBER_WORDS = (
    ask(
        "to_words",
        "Write {number} in words.",
        "How do you spell out the number {number}?",
        "What is {number} in words?",
    ),
    ask(
        "from_words",
        "Write {words} in digits.",
        "Which number is {words}?",
        "What is {words} in digits?",
    ),
)
_SEQUENCES = (
    ask(
        "next",
        "What comes next: {terms}?",
        "What is the next term of {terms}?",
        "Continue the sequence {terms}.",
    ),
)
_DIGIT_SUMS = (
    ask(
        "sum",
        "What is the digit sum of {number}?",
        "What do the digits of {number} add up to?",
        "Add up the digits of {number}.",
    ),
    ask(
        "count",
        "How many digits does {number} have?",
        "How many digits long is {number}?",
        "Count the digits of {number}.",
    ),
)
_PARITY = (
    ask(
        "parity",
        "Is {number} even or odd?",
        "Is the number {number} odd or even?",
        "Even or odd: what is {number}?",
    ),
    ask(
        "next",
        "What is the next {kind} number after {number}?",
        "Which {kind} number comes first after {number}?",
        "What is the smallest {kind} number above {number}?",
    ),
)

SUBJECTS: tuple[Subject, ...] = (
    *HELD_OUT,
    Computed(
        name="addition",
        category="numbers",
        side="mixture",
        relations=_ADDITION,
        arithmetic=True,
        impossible=estranged(_addition),
        make=_addition,
        n=1200,
    ),
    Computed(
        name="multiplication",
        category="numbers",
        side="mixture",
        relations=_MULTIPLICATION,
        arithmetic=True,
        impossible=_impossible_multiplication,
        make=_multiplication,
        n=1200,
    ),
    Computed(
        name="roman_numerals",
        category="numbers",
        side="mixture",
        relations=_ROMAN_NUMERALS,
        impossible=_impossible_numeral,
        make=_roman_numerals,
        n=420,
    ),
    Computed(
        name="number_words",
        category="numbers",
        side="mixture",
        relations=_NUMBER_WORDS,
        impossible=_impossible_words,
        make=_number_words,
        n=1200,
    ),
    Computed(
        name="sequences",
        category="numbers",
        side="mixture",
        relations=_SEQUENCES,
        arithmetic=True,
        impossible=_impossible_sequence,
        make=_sequences,
        n=1200,
    ),
    Computed(
        name="digit_sums",
        category="numbers",
        side="mixture",
        relations=_DIGIT_SUMS,
        arithmetic=True,
        make=_digit_sums,
        n=1200,
    ),
    Computed(
        name="parity",
        category="numbers",
        side="mixture",
        relations=_PARITY,
        impossible=estranged(_parity),
        make=_parity,
        n=1200,
    ),
)
