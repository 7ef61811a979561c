"""Development and unseen subjects about time and measures; no rule is shared with the mixture's."""

from __future__ import annotations

import random
from datetime import date, timedelta

from calibrant.questions.almanac.invented import invented_word
from calibrant.questions.almanac.slips import (
    ask,
    counted,
    estranged,
    number_fact,
    pick,
    rarity,
    wrong,
)
from calibrant.questions.almanac.subject import Computed, Fact, Relation, Subject, Table


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _leap_years(rng: random.Random) -> Fact:
    """Facts share the leap year at or after the year they tell of."""
    low, high = rng.choice(((1990, 2030), (1900, 2100), (1900, 2100), (1600, 2400)))
    year = rng.randint(low, high)
    leap, rare = _is_leap(year), min(1.0, abs(year - 2016) / 400 + 0.5 * (year % 100 == 0))
    following = next(later for later in range(year + 1, year + 9) if _is_leap(later))
    key = str(year if leap else following)
    kind = rng.random()
    if kind < 0.4:
        slips = (following + 4, following - 4, following + 2, following - 1)
        return number_fact(
            rng, "next", key=str(following), answer=following, rarity=rare, slips=slips, year=year
        )
    if kind < 0.7:
        days = 366 if leap else 365
        return number_fact(
            rng, "days", key=key, answer=days, rarity=rare, slips=(731 - days, 364), year=year
        )
    names = ("leap year", "common year") if leap else ("common year", "leap year")
    return Fact(
        relation="kind",
        key=key,
        slots={"year": str(year)},
        targets=(names[0], names[0].removesuffix(" year")),
        distractors=(names[1], "both", "neither"),
        rarity=rare,
    )


def _clock(minutes: int) -> str:
    """Minutes after midnight as a time of the day."""
    hour, minute = divmod(minutes, 60)
    return f"{hour % 12 or 12}:{minute:02} {'pm' if hour >= 12 else 'am'}"


def _durations(rng: random.Random) -> Fact:
    grid = rng.choice((15, 5, 5, 1))
    start = rng.randrange(6 * 60, 18 * 60) // grid * grid
    minutes = max(1, pick(rng, 30, 60, 120, 300) // grid) * grid
    end = start + minutes
    hundreds = end // 60 * 100 + end % 60 - start // 60 * 100 - start % 60
    slips = (hundreds, minutes + 10, abs(minutes - 10), minutes + 60, abs(minutes - 60))
    return number_fact(
        rng,
        "minutes",
        key=f"{start} to {end}",
        answer=minutes,
        rarity=0.7 * rarity(minutes, 5, 300) + 0.3 * (hundreds != minutes),
        slips=slips,
        start=_clock(start),
        end=_clock(end),
    )


def _impossible_times(rng: random.Random) -> tuple[str, dict[str, str]]:
    """From or to a minute that no hour has."""
    fact = _durations(rng)
    hour, half = rng.randint(1, 12), rng.choice(("am", "pm"))
    odd = f"{hour}:{rng.randint(60, 99)} {half}"
    return "minutes", {**fact.slots, rng.choice(("start", "end")): odd}


_COMMON_YEAR = tuple(date(2023, 1, 1) + timedelta(days=day) for day in range(365))
_QUARTERS = ("first", "second", "third", "fourth")


def _named(day: date) -> str:
    return f"{day:%B} {day.day}"


def _day_of_year(rng: random.Random) -> Fact:
    kind, number = rng.random(), rng.randint(1, 365)
    day = _COMMON_YEAR[number - 1]
    rare = 0.5 * rarity(number, 20, 365) + 0.5 * (day.day not in (1, 31))
    key = f"{day:%m-%d}"
    if kind < 0.45:
        slips = (number + 1, number - 1, abs(number - 30), number + 2)
        return number_fact(
            rng, "number", key=key, answer=number, rarity=rare, slips=slips, date=_named(day)
        )
    if kind < 0.9:
        relation, slots = "date", {"number": str(number)}
        targets: tuple[str, ...] = (_named(day),)
        steps = rng.sample((1, -1, 2, -2, 30, -30, 31), 7)
        others = [_named(_COMMON_YEAR[(number - 1 + step) % 365]) for step in steps]
    else:
        quarter = (day.month - 1) // 3
        relation, slots, key = "quarter", {"month": f"{day:%B}"}, f"{day:%B}"
        targets = (_QUARTERS[quarter], f"{_QUARTERS[quarter]} quarter", str(quarter + 1))
        others, rare = list(_QUARTERS), 0.2 * quarter
    return Fact(
        relation=relation,
        key=key,
        slots=slots,
        targets=targets,
        distractors=wrong(targets, others),
        rarity=rare,
    )


def _impossible_day(rng: random.Random) -> tuple[str, dict[str, str]]:
    """A day that no month has, or a number beyond the year."""
    if rng.random() < 0.4:
        return "date", {"number": str(rng.randint(367, 999))}
    month = rng.choice(("January", "February", "March", "April", "June", "October", "November"))
    return "number", {"date": f"{month} {rng.randint(32, 60)}"}


def _impossible_quantity(rng: random.Random) -> tuple[str, dict[str, str]]:
    relation, slot = rng.choice((("unit_of", "quantity"), ("symbol_of", "unit")))
    return relation, {slot: invented_word(rng)}


def _temperatures(rng: random.Random) -> Fact:
    """Between the scales, whole degrees on both."""
    celsius = 5 * rng.choice((pick(rng, 8, 20, 60, low=0), -pick(rng, 4, 10)))
    fahrenheit = celsius * 9 // 5 + 32
    key, rare = f"{celsius} C", rarity(abs(celsius), 10, 250)
    if rng.random() < 0.6:
        slips = [celsius * 9 // 5, celsius + 32, celsius * 2 + 32, celsius * 9 // 5 - 32]
        return number_fact(
            rng, "to_fahrenheit", key=key, answer=fahrenheit, rarity=rare, slips=slips,
            degrees=celsius,
        )  # fmt: skip
    slips = [fahrenheit - 32, celsius + 5, celsius - 5, fahrenheit * 5 // 9]
    return number_fact(
        rng, "to_celsius", key=key, answer=celsius, rarity=rare, slips=slips, degrees=fahrenheit
    )


_SIGNS = (
    *((1, 20, "Aquarius"), (2, 19, "Pisces"), (3, 21, "Aries"), (4, 20, "Taurus")),
    *((5, 21, "Gemini"), (6, 21, "Cancer"), (7, 23, "Leo"), (8, 23, "Virgo"), (9, 23, "Libra")),
    *((10, 23, "Scorpio"), (11, 22, "Sagittarius"), (12, 22, "Capricorn")),
)
_STARTS = tuple(date(2023, month, day).timetuple().tm_yday for month, day, _ in _SIGNS)


def _zodiac(rng: random.Random) -> Fact:
    """The sign of a date; the days about a change, which differ by year, are left out."""
    place = rng.randrange(12)
    length = (_STARTS[(place + 1) % 12] - _STARTS[place]) % 365
    offset = rng.randrange(2, length - 2)
    day = date(2023, 1, 1) + timedelta(days=(_STARTS[place] - 1 + offset) % 365)
    near = [_SIGNS[(place + step) % 12][2] for step in (1, -1, 2, -2)]
    kind, target = rng.random(), _SIGNS[place][2]
    if kind < 0.8:
        relation, slots, key = "sign", {"date": _named(day)}, _named(day)
        rare = abs(offset - length / 2) / length * 2
    else:
        relation, step = ("after", -1) if kind < 0.9 else ("before", 1)
        start = _SIGNS[(place + step) % 12][2]
        slots, rare = {"sign": start}, 0.3
        key = " ".join(sorted((start, target)))
    return Fact(
        relation=relation,
        key=key,
        slots=slots,
        targets=(target,),
        distractors=wrong((target,), rng.sample(near, 4)),
        rarity=rare,
    )


def _impossible_birthday(rng: random.Random) -> tuple[str, dict[str, str]]:
    month = rng.choice(("February", "April", "May", "July", "August", "September", "December"))
    return "sign", {"date": f"{month} {rng.randint(32, 70)}"}


_COINS = (
    ("quarter", "quarters", 25), ("dime", "dimes", 10), ("nickel", "nickels", 5),
    ("penny", "pennies", 1),
)  # fmt: skip


def _coins(rng: random.Random) -> Fact:
    """The worth of one to four kinds of coins."""
    kinds = sorted(rng.sample(range(4), rng.choice((1, 2, 2, 2, 3, 3, 4))))
    counts = [pick(rng, 4, 9) for _ in kinds]
    coins = [_COINS[kind] for kind in kinds]
    named = [counted(count, one, many) for count, (one, many, _) in zip(counts, coins, strict=True)]
    cents = sum(count * worth for count, (_, _, worth) in zip(counts, coins, strict=True))
    slips = [cents + worth for _, _, worth in coins] + [abs(cents - coins[0][2]), sum(counts)]
    text = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    return number_fact(
        rng, "cents", key=text, answer=cents, rarity=rarity(cents * len(kinds), 15, 900),
        slips=slips, coins=text,
    )  # fmt: skip


def _impossible_coins(rng: random.Random) -> tuple[str, dict[str, str]]:
    """Coins of which one kind has no worth that anybody knows."""
    _, many, _ = rng.choice(_COINS)
    first, second = pick(rng, 9, low=2), pick(rng, 9, low=2)
    return "cents", {"coins": f"{first} {many} and {second} {invented_word(rng)}s"}


_LEAP_YEARS = (
    ask(
        "next",
        "What is the next leap year after {year}?",
        "Which is the first leap year after {year}?",
        "After {year}, when is the next leap year?",
    ),
    ask(
        "days",
        "How many days does the year {year} have?",
        "How many days long is the year {year}?",
        "How many days are in the year {year}?",
    ),
    ask(
        "kind",
        "Is {year} a leap year or a common year?",
        "Leap year or common year: what is {year}?",
        "Which kind of calendar year is {year}, leap or common?",
    ),
)
_DAY_OF_YEAR = (
    ask(
        "number",
        "Which day number has {date} in a common year?",
        "What is the day of the year of {date} in common years?",
        "Counting from January 1, which day is {date} in a common year?",
    ),
    ask(
        "date",
        "Which date is day {number} of a common year?",
        "What is the date of day {number} in a common year?",
        "On which date does day {number} of a common year fall?",
    ),
    ask(
        "quarter",
        "Which quarter of the year is {month} in?",
        "To which quarter of the year does {month} belong?",
        "In which quarter of the year is {month}?",
    ),
)
_SI_UNITS = (
    Relation(
        name="unit_of",
        given="quantity",
        wanted="unit",
        questions=(
            "What is the SI unit of {quantity}?",
            "In which SI unit is {quantity} measured?",
            "Which SI unit measures {quantity}?",
        ),
    ),
    Relation(
        name="symbol_of",
        given="unit",
        wanted="symbol",
        questions=(
            "What is the symbol of the {unit}?",
            "Which symbol stands for the unit {unit}?",
            "How is the unit {unit} abbreviated?",
        ),
    ),
)
_TEMPERATURES = (
    ask(
        "to_fahrenheit",
        "What is {degrees} degrees Celsius in Fahrenheit?",
        "Convert {degrees} degrees Celsius to Fahrenheit.",
        "How many degrees Fahrenheit are {degrees} degrees Celsius?",
    ),
    ask(
        "to_celsius",
        "What is {degrees} degrees Fahrenheit in Celsius?",
        "Convert {degrees} degrees Fahrenheit to Celsius.",
        "How many degrees Celsius are {degrees} degrees Fahrenheit?",
    ),
)
_ZODIAC = (
    ask(
        "sign",
        "Which zodiac sign has someone born on {date}?",
        "What is the zodiac sign for {date}?",
        "Under which star sign does {date} fall?",
    ),
    ask(
        "after",
        "Which zodiac sign comes after {sign}?",
        "What star sign follows {sign}?",
        "Name the zodiac sign right after {sign}.",
    ),
    ask(
        "before",
        "Which zodiac sign comes before {sign}?",
        "What star sign precedes {sign}?",
        "Name the zodiac sign right before {sign}.",
    ),
)

SUBJECTS: tuple[Subject, ...] = (
    Computed(
        name="leap_years",
        category="measures",
        side="development",
        relations=_LEAP_YEARS,
        impossible=estranged(_leap_years),
        make=_leap_years,
        n=900,
    ),
    Computed(
        name="durations",
        category="measures",
        side="development",
        relations=(
            ask(
                "minutes",
                "How many minutes are there from {start} to {end}?",
                "How many minutes pass between {start} and {end}?",
                "It is {start}. How many minutes is it until {end}?",
            ),
        ),
        arithmetic=True,
        impossible=_impossible_times,
        make=_durations,
        n=900,
    ),
    Computed(
        name="day_of_year",
        category="measures",
        side="development",
        relations=_DAY_OF_YEAR,
        impossible=_impossible_day,
        make=_day_of_year,
        n=742,
    ),
    Table(
        name="si_units",
        category="measures",
        side="development",
        relations=_SI_UNITS,
        impossible=_impossible_quantity,
    ),
    Computed(
        name="temperatures",
        category="measures",
        side="unseen",
        relations=_TEMPERATURES,
        arithmetic=True,
        impossible=estranged(_temperatures),
        make=_temperatures,
        n=142,
    ),
    Computed(
        name="zodiac",
        category="measures",
        side="unseen",
        relations=_ZODIAC,
        impossible=_impossible_birthday,
        make=_zodiac,
        n=341,
    ),
    Computed(
        name="coins",
        category="measures",
        side="unseen",
        relations=(
            ask(
                "cents",
                "How many cents are {coins} worth?",
                "What is the value in cents of {coins}?",
                "How many cents do {coins} make?",
            ),
        ),
        arithmetic=True,
        impossible=_impossible_coins,
        make=_coins,
        n=900,
    ),
)
