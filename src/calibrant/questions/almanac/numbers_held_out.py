"""Development and unseen subjects about numbers; they share no rule with the mixture's."""

from __future__ import annotations

import math
import random

from calibrant.questions.almanac.invented import invented_word
from calibrant.questions.almanac.slips import ask, estranged, number_fact, pick, rarity, wrong
from calibrant.questions.almanac.subject import Computed, Fact, Subject


def _remainders(rng: random.Random) -> Fact:
    a, b = pick(rng, 20, 60, 200, 999), pick(rng, 5, 10, 25, low=2)
    quotient, left = divmod(a, b)
    slips = (quotient, b - left, left + 1, left - 1)
    return number_fact(
        rng, "remainder", key=f"{a} mod {b}", answer=left, rarity=rarity(a * b, 30, 6000),
        slips=slips, a=a, b=b,
    )  # fmt: skip


def _impossible_remainder(rng: random.Random) -> tuple[str, dict[str, str]]:
    if rng.random() < 0.5:
        return "remainder", {"a": str(pick(rng, 20, 99, 999)), "b": "0"}
    return estranged(_remainders)(rng)


def _binary(rng: random.Random) -> Fact:
    number = rng.randint(1, 63)
    bits, rare = f"{number:b}", number / 63
    if rng.random() < 0.5:
        slips = (number * 2, number // 2, number ^ 2, number ^ 1, int(bits[::-1], 2))
        return number_fact(
            rng, "to_decimal", key=str(number), answer=number, rarity=rare, slips=slips, bits=bits
        )
    others = [bits + "0", bits + "1", *(f"{number ^ (1 << place):b}" for place in range(4))]
    return Fact(
        relation="to_binary",
        key=str(number),
        slots={"number": str(number)},
        targets=(bits,),
        distractors=wrong((bits,), rng.sample(others, len(others))),
        rarity=rare,
    )


def _impossible_binary(rng: random.Random) -> tuple[str, dict[str, str]]:
    """A binary numeral with a digit that binary does not have."""
    bits = rng.choices("01", k=rng.randint(2, 4)) + rng.choices("23456789", k=1)
    rng.shuffle(bits)
    return "to_decimal", {"bits": "1" + "".join(bits)}


def _listed(items: list[str]) -> str:
    """Items as they stand in a sentence: a, b or c."""
    return f"{', '.join(items[:-1])} or {items[-1]}"


def _one_number(rng: random.Random, kind: str) -> str:
    if kind == "decimal":
        scale = rng.choice((10, 100, 1000))
        return f"{rng.randint(1, 5 * scale) / scale:g}"
    if kind == "negative":
        return str(rng.choice((-1, -1, 1)) * pick(rng, 9, 30, 99))
    return str(pick(rng, 20, 99) if kind == "small" else pick(rng, 999, 9999, low=100))


_LARGEST_KINDS = {"small": 0.0, "large": 0.35, "negative": 0.6, "decimal": 0.8}


def _largest(rng: random.Random) -> Fact:
    """The largest or smallest of a few numbers; decimals of unlike length are the hard ones."""
    (kind,) = rng.choices(list(_LARGEST_KINDS), (4, 3, 2, 2))
    items: dict[float, str] = {}
    count = rng.choice((3, 4))
    while len(items) < 4:
        item = _one_number(rng, kind)
        items[float(item)] = item
    *shown, spare = rng.sample(list(items.values()), 4)
    if count == 4:
        shown.append(spare)
    relation, best = rng.choice((("largest", max), ("smallest", min)))
    target = best(shown, key=float)
    return Fact(
        relation=relation,
        key=" ".join(sorted(shown)),
        slots={"numbers": _listed(shown)},
        targets=(target,),
        distractors=wrong((target,), (*shown, spare)),
        rarity=_LARGEST_KINDS[kind] + (count == 4) * 0.15,
    )


def _impossible_largest(rng: random.Random) -> tuple[str, dict[str, str]]:
    items = [str(pick(rng, 20, 99)), *(invented_word(rng) for _ in range(rng.choice((2, 3))))]
    rng.shuffle(items)
    return rng.choice(("largest", "smallest")), {"numbers": _listed(items)}


def _fractions(rng: random.Random) -> Fact:
    """A proper fraction in lowest terms, or brought to a larger denominator."""
    low = pick(rng, 4, 6, 12, low=2)
    top = rng.choice([n for n in range(1, low) if math.gcd(n, low) == 1])
    factor = pick(rng, 3, 6, 12, low=2)
    wide, lowest = f"{top * factor}/{low * factor}", f"{top}/{low}"
    if rng.random() < 0.6:
        relation, slots, target = "simplify", {"fraction": wide}, lowest
        tops = (top, top + 1, low - top, top * 2)
        others = [f"{a}/{b}" for a in tops for b in (low, low + 1, low * 2)]
    else:
        slots = {"fraction": lowest, "denominator": str(low * factor)}
        relation, target = "expand", wide
        tops = (top * factor + 1, top, top + factor, (low - top) * factor)
        others = [f"{a}/{low * factor}" for a in tops]
    rng.shuffle(others)
    spare = (f"{top * factor + step}/{low * factor}" for step in (2, 3, 4))
    return Fact(
        relation=relation,
        key=f"{wide}={lowest}",
        slots=slots,
        targets=(target,),
        distractors=wrong((target,), (*others, *spare)),
        rarity=rarity(low * factor, 6, 110),
    )


def _impossible_fraction(rng: random.Random) -> tuple[str, dict[str, str]]:
    if rng.random() < 0.5:
        return "simplify", {"fraction": f"{pick(rng, 12, 40)}/0"}
    return estranged(_fractions)(rng)


_FIRST_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth"),
)
_ORDINAL_TENS = ("twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet")


def _ordinal_word(number: int) -> str:
    """A place up to 99 in words."""
    tens, ones = divmod(number, 10)
    if number < 20:
        return _FIRST_ORDINALS[number - 1]
    stem = _ORDINAL_TENS[tens - 2]
    return f"{stem}y-{_FIRST_ORDINALS[ones - 1]}" if ones else f"{stem}ieth"


def _ordinal(number: int) -> str:
    """A place in digits with its ending."""
    ending = "th" if number // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _ordinals(rng: random.Random) -> Fact:
    if rng.random() < 0.4:
        number = pick(rng, 30, 99, 999)
        targets: tuple[str, ...] = (_ordinal(number),)
        others = [f"{number}{ending}" for ending in ("st", "nd", "rd", "th")]
        relation, slots = "short", {"number": str(number)}
    else:
        number = pick(rng, 20, 99)
        near = [n for step in (1, 2, 10) for n in (number + step, number - step) if 0 < n < 100]
        word = _ordinal_word(number)
        if rng.random() < 0.5:
            relation, slots = "in_words", {"place": _ordinal(number)}
            targets = tuple(dict.fromkeys((word, word.replace("-", " "))))
            others = [_ordinal_word(n) for n in near]
        else:
            relation, slots = "in_digits", {"words": word}
            targets = (_ordinal(number), str(number))
            others = [_ordinal(n) for n in near]
    return Fact(
        relation=relation,
        key=str(number),
        slots=slots,
        targets=targets,
        distractors=wrong(targets, rng.sample(others, len(others))),
        rarity=rarity(number, 5, 900),
    )


def _gcd(rng: random.Random) -> Fact:
    common, x, y = pick(rng, 5, 12, 30), pick(rng, 4, 9, 12), pick(rng, 4, 9, 12)
    a, b = common * x, common * y
    divisor = math.gcd(a, b)
    slips = [n for n in range(1, min(a, b) + 1) if a % n == b % n == 0][-3:]
    slips += [abs(a - b), min(a, b), a * b // divisor]
    return number_fact(
        rng, "gcd", key=f"{min(a, b)} and {max(a, b)}", answer=divisor,
        rarity=rarity(min(a, b), 3, 120), slips=slips, a=a, b=b,
    )  # fmt: skip


_RATES = (10, 50, 25, 20, 75, 5, 1, 30, 40, 60, 80, 90, 15, 2, 70, 35, 45, 12, 65, 85, 4, 8)


def _percentages(rng: random.Random) -> Fact:
    place = pick(rng, 4, 10, len(_RATES)) - 1
    rate = _RATES[place]
    number = 100 // math.gcd(rate, 100) * pick(rng, 4, 10, 20)
    part = number * rate // 100
    rare = min(1.0, 0.5 * place / len(_RATES) + 0.5 * rarity(number, 10, 1500))
    key = f"{min(rate, number)}% of {max(rate, number)}"
    slips = [part * 2, part + 10, number - part, part * 10, part + rate]
    if rng.random() < 0.7:
        return number_fact(
            rng, "part", key=key, answer=part, rarity=rare, slips=slips, rate=rate, number=number
        )
    others = [f"{other}%" for other in (rate * 2, 100 - rate, part, rate + 5, rate + 10, rate + 1)]
    targets = (f"{rate}%", str(rate), f"{rate} percent")
    return Fact(
        relation="rate",
        key=key,
        slots={"part": str(part), "number": str(number)},
        targets=targets,
        distractors=wrong(targets, rng.sample(others, len(others))),
        rarity=rare,
    )


_BINARY = (
    ask(
        "to_binary",
        "Write {number} in binary.",
        "What is {number} in the binary system?",
        "Which binary number equals {number}?",
    ),
    ask(
        "to_decimal",
        "Which number is {bits} in binary?",
        "What is binary {bits} as a decimal number?",
        "Convert binary {bits} to decimal.",
    ),
)
_LARGEST = tuple(
    ask(
        size,
        f"Which is the {size}: {{numbers}}?",
        f"Which of these numbers is the {size}: {{numbers}}?",
        f"Name the {size} number: {{numbers}}.",
    )
    for size in ("largest", "smallest")
)
_FRACTIONS = (
    ask(
        "simplify",
        "What is {fraction} in lowest terms?",
        "Reduce the fraction {fraction}.",
        "Simplify the fraction {fraction} fully.",
    ),
    ask(
        "expand",
        "Write {fraction} with the denominator {denominator}.",
        "Which fraction with denominator {denominator} equals {fraction}?",
        "Expand the fraction {fraction} to the denominator {denominator}.",
    ),
)
_ORDINALS = (
    ask(
        "short",
        "What is the ordinal of {number} in short form?",
        "How do you write {number} as an ordinal in figures?",
        "Which ordinal in figures belongs to {number}?",
    ),
    ask(
        "in_words",
        "How is {place} spelled out?",
        "Which ordinal word is {place}?",
        "Spell out the position {place}.",
    ),
    ask(
        "in_digits",
        "Which position is {words} in figures?",
        "Write the ordinal {words} in figures.",
        "How is the ordinal {words} abbreviated?",
    ),
)
_PERCENTAGES = (
    ask(
        "part",
        "What is {rate}% of {number}?",
        "How much is {rate} percent of {number}?",
        "Find {rate} percent of {number}.",
    ),
    ask(
        "rate",
        "What percentage of {number} is {part}?",
        "Which percentage of {number} does {part} make up?",
        "{part} is what percent of {number}?",
    ),
)

SUBJECTS: tuple[Subject, ...] = (
    Computed(
        name="remainders",
        category="numbers",
        side="development",
        relations=(
            ask(
                "remainder",
                "What is the remainder when {a} is divided by {b}?",
                "What is {a} modulo {b}?",
                "Which remainder does {a} leave on division by {b}?",
            ),
        ),
        arithmetic=True,
        impossible=_impossible_remainder,
        make=_remainders,
        n=900,
    ),
    Computed(
        name="binary",
        category="numbers",
        side="development",
        relations=_BINARY,
        impossible=_impossible_binary,
        make=_binary,
        n=126,
    ),
    Computed(
        name="largest",
        category="numbers",
        side="development",
        relations=_LARGEST,
        impossible=_impossible_largest,
        make=_largest,
        n=900,
    ),
    Computed(
        name="fractions",
        category="numbers",
        side="development",
        relations=_FRACTIONS,
        arithmetic=True,
        impossible=_impossible_fraction,
        make=_fractions,
        n=600,
    ),
    Computed(
        name="ordinals",
        category="numbers",
        side="unseen",
        relations=_ORDINALS,
        impossible=estranged(_ordinals),
        make=_ordinals,
        n=600,
    ),
    Computed(
        name="gcd",
        category="numbers",
        side="unseen",
        relations=(
            ask(
                "gcd",
                "What is the greatest common divisor of {a} and {b}?",
                "Which is the largest number dividing both {a} and {b}?",
                "Find the greatest common factor of {a} and {b}.",
            ),
        ),
        arithmetic=True,
        impossible=estranged(_gcd),
        make=_gcd,
        n=900,
    ),
    Computed(
        name="percentages",
        category="numbers",
        side="unseen",
        relations=_PERCENTAGES,
        arithmetic=True,
        impossible=estranged(_percentages),
        make=_percentages,
        n=700,
    ),
)
