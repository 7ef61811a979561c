"""What the computed subjects share and no fact is in: sizes, spellings, plausible wrong answers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

from calibrant.questions.almanac.invented import invented_word
from calibrant.questions.almanac.subject import Fact, Relation


def ask(name: str, *questions: str) -> Relation:
    """A relation of a computed subject."""
    return Relation(name=name, questions=questions)


def pick(rng: random.Random, *tops: int, low: int = 1) -> int:
    """A number from `low` to one of `tops`, the earlier (easier) ones more often."""
    (top,) = rng.choices(tops, range(len(tops), 0, -1))
    return rng.randint(low, top)


def rarity(size: float, low: float, top: float) -> float:
    """How far out something of this size is: 0 up to `low`, 1 from `top`, logarithmic between."""
    return min(1.0, max(0.0, math.log(max(size, low) / low) / math.log(top / low)))


def digits(value: int) -> tuple[str, ...]:
    """The accepted ways to write a whole number in digits."""
    return (str(value),) if abs(value) < 1000 else (str(value), f"{value:,}")


def counted(number: int, one: str, many: str) -> str:
    """A count with its noun: 1 day, 3 days."""
    return f"{number} {one if number == 1 else many}"


def wrong(targets: Iterable[str], candidates: Iterable[str]) -> tuple[str, ...]:
    """The first three candidates that are no target and differ, up to case."""
    taken = {target.casefold() for target in targets}
    found = []
    for candidate in candidates:
        if candidate.casefold() not in taken:
            taken.add(candidate.casefold())
            found.append(candidate)
    return tuple(found[:3])


def wrong_numbers(rng: random.Random, value: int, slips: Iterable[int] = ()) -> tuple[str, ...]:
    """Two typical slips of the task where there are as many, then neighbours of the answer."""
    typical = [slip for slip in dict.fromkeys(slips) if slip != value]
    near = [value + step for step in (1, -1, 2, -2, 10, -10)]
    rng.shuffle(typical)
    rng.shuffle(near)
    return wrong((str(value),), (str(n) for n in (*typical[:2], *near) if n >= 0 or value < 0))


def number_fact(
    rng: random.Random,
    relation: str,
    *,
    key: str,
    answer: int,
    rarity: float,
    slips: Iterable[int] = (),
    **slots: object,
) -> Fact:
    """A fact whose answer is a whole number."""
    return Fact(
        relation=relation,
        key=key,
        slots={name: str(value) for name, value in slots.items()},
        targets=digits(answer),
        distractors=wrong_numbers(rng, answer, slips),
        rarity=rarity,
    )


def estranged(
    make: Callable[[random.Random], Fact], *names: str
) -> Callable[[random.Random], tuple[str, dict[str, str]]]:
    """Questions like those of `make`, but one slot (of `names`, if given) is an invented word."""

    def draw(rng: random.Random) -> tuple[str, dict[str, str]]:
        fact = make(rng)
        slots = dict(fact.slots)
        open_slots = [name for name in slots if name in names or not names]
        slots[rng.choice(open_slots)] = invented_word(rng)
        return fact.relation, slots

    return draw
