"""Subjects of the training mixture about time and measures."""

from __future__ import annotations

import calendar
import random
from datetime import date

from calibrant.questions.almanac.invented import invented_name, invented_word
from calibrant.questions.almanac.measures_held_out import SUBJECTS as HELD_OUT
from calibrant.questions.almanac.slips import (
    ask,
    counted,
    estranged,
    number_fact,
    pick,
    rarity,
    wrong,
)
from calibrant.questions.almanac.subject import Computed, Fact, Subject

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def _cycle_fact(rng: random.Random, cycle: tuple[str, ...], unit: str, farthest: int) -> Fact:
    """So many steps after or before one of the names that come round and round."""
    steps, at = rng.randint(1, farthest), rng.randrange(len(cycle))
    start, end = cycle[at], cycle[(at + steps) % len(cycle)]
    relation = rng.choice(("after", "before"))
    given, target = (start, end) if relation == "after" else (end, start)
    near = [cycle[(cycle.index(target) + step) % len(cycle)] for step in (1, -1, 2, -2)]
    return Fact(
        relation=relation,
        key=f"{start} and {steps}",
        slots={"start": given, "steps": counted(steps, unit, f"{unit}s")},
        targets=(target,),
        distractors=wrong((target,), rng.sample(near, 4)),
        rarity=rarity(steps, 1, farthest),
    )


def _weekdays(rng: random.Random) -> Fact:
    return _cycle_fact(rng, _DAYS, "day", 30)


def _impossible_weekday(rng: random.Random) -> tuple[str, dict[str, str]]:
    fact = _weekdays(rng)
    day = invented_name(rng).rstrip("aeiou") + "sday"
    return fact.relation, {**fact.slots, "start": day}


def _months(rng: random.Random) -> Fact:
    kind, place = rng.random(), rng.randint(1, 12)
    month, rare = _MONTHS[place - 1], (place - 1) / 11
    if kind < 0.7:
        return _cycle_fact(rng, _MONTHS, "month", 11)
    near = rng.sample([other for other in range(place - 3, place + 4) if 0 < other < 13], 4)
    if kind < 0.8:
        relation, slots, targets = "number", {"month": month}, (str(place),)
        others = [str(other) for other in near]
    elif kind < 0.9:
        relation, slots, targets = "named", {"number": str(place)}, (month,)
        others = [_MONTHS[other - 1] for other in near]
    else:
        relation, slots, targets = (
            "length",
            {"month": month},
            (str(calendar.monthrange(2023, place)[1]),),
        )
        others = ["31", "30", "28", "29"]
    return Fact(
        relation=relation,
        key=month,
        slots=slots,
        targets=targets,
        distractors=wrong(targets, others),
        rarity=rare / 2,
    )


def _impossible_month(rng: random.Random) -> tuple[str, dict[str, str]]:
    if rng.random() < 0.3:
        return "named", {"number": str(rng.randint(13, 60))}
    fact = _months(rng)
    month = invented_name(rng).rstrip("aeiou") + rng.choice(("ember", "uary", "ober"))
    slot = {"number": "month", "named": "number", "length": "month"}.get(fact.relation, "start")
    return fact.relation, {**fact.slots, slot: month}


def _half_day(hour: int, minute: int, half: str) -> tuple[str, ...]:
    """The accepted ways to write a time on the 12-hour clock."""
    time = f"{hour}:{minute:02}"
    return f"{time} {half}", f"{time}{half}", f"{time} {half[0]}.m."


def _clock_24h(rng: random.Random) -> Fact:
    hour = rng.randrange(24)
    minute = rng.choice((0, 30, 15, 45, rng.randrange(0, 60, 5), rng.randrange(60)))
    rare = 0.5 * (hour in (0, 12)) + 0.1 * (hour > 12) + 0.4 * (minute % 15 != 0)
    twelve, half = hour % 12 or 12, "pm" if hour >= 12 else "am"
    if rng.random() < 0.6:
        relation, slots = "to_12", {"time": f"{hour:02}:{minute:02}"}
        targets = _half_day(twelve, minute, half)
        other = "am" if half == "pm" else "pm"
        slips = [(twelve, other), (twelve % 12 + 1, half), ((twelve - 3) % 12 + 1, half)]
        others = [_half_day(slip, minute, side)[0] for slip, side in slips]
    else:
        relation, slots = "to_24", {"time": _half_day(twelve, minute, half)[0]}
        targets = tuple(dict.fromkeys((f"{hour:02}:{minute:02}", f"{hour}:{minute:02}")))
        others = [f"{(hour + step) % 24:02}:{minute:02}" for step in (12, 1, -1, 2, -2)]
        others = others[:1] + rng.sample(others[1:], 4)
    return Fact(
        relation=relation,
        key=f"{hour:02}:{minute:02}",
        slots=slots,
        targets=targets,
        distractors=wrong(targets, others),
        rarity=rare,
    )


def _impossible_time(rng: random.Random) -> tuple[str, dict[str, str]]:
    """An hour or a minute that no clock shows."""
    if rng.random() < 0.4:
        return "to_24", {"time": _half_day(rng.randint(1, 12), rng.randint(60, 99), "pm")[0]}
    if rng.random() < 0.5:
        return "to_12", {"time": f"{rng.randint(25, 49)}:{rng.randrange(60):02}"}
    return "to_12", {"time": f"{rng.randrange(24):02}:{rng.randint(60, 99)}"}


_LENGTHS = (
    *(("meters", "centimeters", 100), ("kilometers", "meters", 1000), ("feet", "inches", 12)),
    *(("centimeters", "millimeters", 10), ("yards", "feet", 3), ("meters", "millimeters", 1000)),
    ("yards", "inches", 36),
)
_TIMES = (
    *(("hours", "minutes", 60), ("minutes", "seconds", 60), ("weeks", "days", 7)),
    *(("days", "hours", 24), ("years", "months", 12), ("decades", "years", 10)),
    *(("centuries", "years", 100), ("hours", "seconds", 3600), ("days", "minutes", 1440)),
)
_SINGULAR = {"feet": "foot", "inches": "inch", "centuries": "century"}


def _conversion(rng: random.Random, units: tuple[tuple[str, str, int], ...]) -> Fact:
    """An amount of one unit in another, whole both ways; the better known units come first."""
    big, small, factor = units[pick(rng, 3, len(units)) - 1]
    amount = pick(rng, 9, 20, 100)
    number, given, wanted, answer = amount, big, small, amount * factor
    slips = [answer * 10, answer // 10, answer + factor, answer - factor, answer + 100]
    if rng.random() < 0.4:
        number, given, wanted, answer = answer, small, big, amount
        slips = [amount * 10, amount // 10, amount + 1, amount - 1, number * factor]
    return number_fact(
        rng,
        "convert",
        key=f"{amount} {big} in {small}",
        answer=answer,
        rarity=rarity(amount * factor, 10, 100000),
        slips=slips,
        amount=counted(number, _SINGULAR.get(given, given[:-1]), given),
        unit=wanted,
    )


def _lengths(rng: random.Random) -> Fact:
    return _conversion(rng, _LENGTHS)


def _time_units(rng: random.Random) -> Fact:
    return _conversion(rng, _TIMES)


def _impossible_length(rng: random.Random) -> tuple[str, dict[str, str]]:
    amount, unit = f"{pick(rng, 9, 99, low=2)} {invented_word(rng)}s", rng.choice(_LENGTHS)[0]
    return "convert", {"amount": amount, "unit": unit}


def _impossible_duration(rng: random.Random) -> tuple[str, dict[str, str]]:
    big, _, _ = rng.choice(_TIMES)
    return "convert", {
        "amount": f"{pick(rng, 9, 99, low=2)} {big}",
        "unit": f"{invented_word(rng)}s",
    }


_CENTURIES = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth"),
    *("seventeenth", "eighteenth", "nineteenth", "twentieth", "twenty-first"),
)


def _century(number: int) -> tuple[str, ...]:
    """The accepted ways to name a century."""
    short = str(number) + {1: "st", 2: "nd", 3: "rd", 21: "st"}.get(number, "th")
    word = _CENTURIES[number - 1]
    return short, f"{short} century", word, f"{word} century", str(number)


def _centuries(rng: random.Random) -> Fact:
    """The century of a year; years such as 1900, which popular usage gets wrong, are left out."""
    low = rng.choice((1800, 1800, 1500, 1500, 1000, 1))
    year = rng.randint(low, 2098)
    year += year % 100 == 0
    number = year // 100 + 1
    near = [n for n in range(number - 2, number + 3) if 0 < n < 22]
    others = [_century(n)[0] for n in (*rng.sample(near, len(near)), *range(3, 6))]
    return Fact(
        relation="century",
        key=str(year),
        slots={"year": str(year)},
        targets=_century(number),
        distractors=wrong(_century(number), others),
        rarity=(2099 - year) / 2099,
    )


def _weekday_of_date(rng: random.Random) -> Fact:
    first, last = rng.choice(((2020, 2026), (2010, 2030), (1990, 2030)))
    day = date(rng.randint(first, last), 1, 1).toordinal() + rng.randrange(365)
    when = date.fromordinal(day)
    weekday = when.weekday()
    others = [_DAYS[(weekday + step) % 7] for step in (1, -1, 2, -2)]
    return Fact(
        relation="weekday",
        key=when.isoformat(),
        slots={"date": f"{_MONTHS[when.month - 1]} {when.day}, {when.year}"},
        targets=(_DAYS[weekday],),
        distractors=tuple(rng.sample(others, 3)),
        rarity=0.4 + 0.6 * abs(when.year - 2024) / 34,
    )


def _impossible_date(rng: random.Random) -> tuple[str, dict[str, str]]:
    """A day that no month or not this one has."""
    month, day = rng.choice((("February", 30), ("April", 31), ("June", 31), ("September", 31)))
    day += rng.choice((0, 0, pick(rng, 20)))
    return "weekday", {"date": f"{month} {day}, {rng.randint(1990, 2030)}"}


_WEEKDAYS = (
    ask(
        "after",
        "What day of the week comes {steps} after {start}?",
        "Which weekday is {steps} later than {start}?",
        "If today is {start}, what day is it in {steps}?",
    ),
    ask(
        "before",
        "What day of the week comes {steps} before {start}?",
        "Which weekday is {steps} earlier than {start}?",
        "If today is {start}, what day was it {steps} ago?",
    ),
)
_MONTH_RELATIONS = (
    ask(
        "after",
        "What month comes {steps} after {start}?",
        "Which month is {steps} later than {start}?",
        "If it is {start} now, what month is it in {steps}?",
    ),
    ask(
        "before",
        "What month comes {steps} before {start}?",
        "Which month is {steps} earlier than {start}?",
        "If it is {start} now, what month was it {steps} ago?",
    ),
    ask(
        "number",
        "What is the number of the month {month}?",
        "Which number does {month} have among the months?",
        "As a number, which month of the year is {month}?",
    ),
    ask(
        "named",
        "What is month number {number} of the year called?",
        "Which month of the year has the number {number}?",
        "Name month {number} of the year.",
    ),
    ask(
        "length",
        "How many days does {month} have in a common year?",
        "In a common year, how long is {month} in days?",
        "Of how many days does {month} consist in common years?",
    ),
)
_CLOCK = (
    ask(
        "to_12",
        "What is {time} in 12-hour time?",
        "Write {time} with am or pm.",
        "How does a 12-hour clock show {time}?",
    ),
    ask(
        "to_24",
        "What is {time} in 24-hour time?",
        "Write {time} without am or pm, in 24-hour time.",
        "How does a 24-hour clock show {time}?",
    ),
)
_LENGTH_QUESTIONS = ask(
    "convert",
    "How many {unit} are in {amount}?",
    "What is {amount} in {unit}?",
    "Convert {amount} to {unit}.",
)
_TIME_QUESTIONS = ask(
    "convert",
    "How many {unit} are there in {amount}?",
    "How many {unit} long is {amount}?",
    "What is {amount} expressed in {unit}?",
)
_CENTURY = ask(
    "century",
    "In which century was the year {year}?",
    "Which century does the year {year} belong to?",
    "The year {year} lies in which century?",
)
_WEEKDAY = ask(
    "weekday",
    "What day of the week is {date}?",
    "On which weekday does {date} fall?",
    "Which day of the week falls on {date}?",
)

SUBJECTS: tuple[Subject, ...] = (
    *HELD_OUT,
    Computed(
        name="weekdays",
        category="measures",
        side="mixture",
        relations=_WEEKDAYS,
        impossible=_impossible_weekday,
        make=_weekdays,
        n=420,
    ),
    Computed(
        name="months",
        category="measures",
        side="mixture",
        relations=_MONTH_RELATIONS,
        impossible=_impossible_month,
        make=_months,
        n=300,
    ),
    Computed(
        name="clock_24h",
        category="measures",
        side="mixture",
        relations=_CLOCK,
        impossible=_impossible_time,
        make=_clock_24h,
        n=900,
    ),
    Computed(
        name="lengths",
        category="measures",
        side="mixture",
        relations=(_LENGTH_QUESTIONS,),
        arithmetic=True,
        impossible=_impossible_length,
        make=_lengths,
        n=600,
    ),
    Computed(
        name="centuries",
        category="measures",
        side="mixture",
        relations=(_CENTURY,),
        impossible=estranged(_centuries),
        make=_centuries,
        n=900,
    ),
    Computed(
        name="weekday_of_date",
        category="measures",
        side="mixture",
        relations=(_WEEKDAY,),
        impossible=_impossible_date,
        make=_weekday_of_date,
        n=1800,
    ),
    Computed(
        name="time_units",
        category="measures",
        side="mixture",
        relations=(_TIME_QUESTIONS,),
        arithmetic=True,
        impossible=_impossible_duration,
        make=_time_units,
        n=600,
    ),
)
