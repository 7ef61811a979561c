"""Every answer about time and measures is checked by a second way to work it out."""

from __future__ import annotations

import calendar
import math
import random
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache

import pint
import pytest
from num2words import num2words

from calibrant.questions.almanac import measures
from calibrant.questions.almanac.subject import Subject, Table

SUBJECTS = {subject.name: subject for subject in measures.SUBJECTS}
UNITS: pint.UnitRegistry[float] = pint.UnitRegistry()
UNITS.define("ten_years = 10 * year")
UNIT_NAMES = {"decade": "ten_years", "decades": "ten_years"}
"""The library's own decade is a ratio of frequencies."""
Slots = Mapping[str, str]
Check = Callable[[Slots, str], bool]


def number(text: str) -> int:
    return int(text.replace(",", ""))


def weekday_moved(slots: Slots, answer: str, sign: int) -> bool:
    """By walking the calendar from a day of that name."""
    week = (date(2024, 5, day) for day in range(1, 8))
    start = next(day for day in week if f"{day:%A}" == slots["start"])
    return f"{start + sign * timedelta(days=int(slots['steps'].split()[0])):%A}" == answer


def month_moved(slots: Slots, answer: str, sign: int) -> bool:
    """By walking the calendar from month to month."""
    day = datetime.strptime(f"15 {slots['start']} 2023", "%d %B %Y")
    for _ in range(int(slots["steps"].split()[0])):
        day = (day + sign * timedelta(days=30)).replace(day=15)
    return f"{day:%B}" == answer


def same_time(twelve: str, twenty_four: str) -> bool:
    half = twelve.replace(".", "").replace("pm", " pm").replace("am", " am")
    return datetime.strptime(half, "%I:%M %p") == datetime.strptime(twenty_four, "%H:%M")


def converts(slots: Slots, answer: str) -> bool:
    amount, unit = slots["amount"].split()
    unit, wanted = (UNIT_NAMES.get(name, name) for name in (unit, slots["unit"]))
    length = UNITS.Quantity(float(amount), unit).to(wanted).magnitude
    return math.isclose(length, number(answer))


def century(slots: Slots, answer: str) -> bool:
    place = math.ceil(int(slots["year"]) / 100)
    forms = {num2words(place, to="ordinal"), num2words(place, to="ordinal_num")}
    return answer in forms | {f"{form} century" for form in forms} | {str(place)}


def zeller(slots: Slots, answer: str) -> bool:
    """Zeller's congruence of 1882; Saturday is its day 0."""
    when = datetime.strptime(slots["date"], "%B %d, %Y")
    month, year = (when.month, when.year) if when.month > 2 else (when.month + 12, when.year - 1)
    day = (when.day + 13 * (month + 1) // 5 + year + year // 4 - year // 100 + year // 400) % 7
    names = ("Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
    return names[day] == answer


def leap_kind(slots: Slots, answer: str) -> bool:
    kind = "leap" if calendar.isleap(int(slots["year"])) else "common"
    return answer in (kind, f"{kind} year")


def year_length(slots: Slots, answer: str) -> bool:
    year = int(slots["year"])
    return (date(year + 1, 1, 1) - date(year, 1, 1)).days == int(answer)


def next_leap(slots: Slots, answer: str) -> bool:
    year, leap = int(slots["year"]), number(answer)
    return calendar.isleap(leap) and leap > year and calendar.leapdays(year + 1, leap) == 0


def minutes_between(slots: Slots, answer: str) -> bool:
    start, end = (datetime.strptime(slots[name], "%I:%M %p") for name in ("start", "end"))
    return (end - start).total_seconds() == 60 * number(answer)


def day_number(day: str, place: int) -> bool:
    return datetime.strptime(f"{day} 2023", "%B %d %Y").timetuple().tm_yday == place


def quarter(slots: Slots, answer: str) -> bool:
    """A quarter by the number of its last month."""
    month = datetime.strptime(slots["month"], "%B").month
    last = {"first": 3, "second": 6, "third": 9, "fourth": 12}
    last |= {str(place): 3 * place for place in range(1, 5)}
    return 0 <= last[answer.removesuffix(" quarter")] - month < 3


def fahrenheit(celsius: int, degrees: int) -> bool:
    return math.isclose(UNITS.Quantity(celsius, "degC").to("degF").magnitude, degrees, abs_tol=1e-6)


SIGNS = (
    *("Aries", "Taurus", "Gemini", "Cancer", "Leo", "Virgo", "Libra", "Scorpio"),
    *("Sagittarius", "Capricorn", "Aquarius", "Pisces"),
)


def sun_sign(moment: datetime) -> str:
    """The twelfth of the ecliptic, from the spring equinox, in which the sun stands.

    By the low-precision formula of the Astronomical Almanac, good to a hundredth of a degree.
    """
    days = (moment - datetime(2000, 1, 1, 12)) / timedelta(days=1)
    anomaly = math.radians(357.528 + 0.9856003 * days)
    mean = 280.460 + 0.9856474 * days
    return SIGNS[
        int((mean + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly)) % 360 // 30)
    ]


@cache
def sun_signs(day: str) -> set[str]:
    """Of all births on that day from 1940 to 2040, whatever the hour and the time zone."""
    days = [datetime.strptime(f"{day} {year}", "%B %d %Y") for year in range(1940, 2041)]
    return {sun_sign(day + timedelta(hours=hours)) for day in days for hours in (-14, 36)}


def birth_sign(slots: Slots, answer: str) -> bool:
    return sun_signs(slots["date"]) == {answer}


def cents(slots: Slots, answer: str) -> bool:
    dollars = {"quarter": (1, 4), "dime": (1, 10), "nickel": (1, 20), "penn": (1, 100)}
    worth = Fraction(0)
    for part in re.split(", | and ", slots["coins"]):
        count, coin = part.split()
        worth += int(count) * Fraction(*dollars[re.sub("(s|y|ies)$", "", coin)])
    return worth == Fraction(number(answer), 100)


def definition(quantity: str) -> str:
    """The unit that follows from how the quantity is defined (base units stand for themselves)."""
    return next(unit for unit, names in DEFINITIONS.items() if quantity in names.split(", "))


DEFINITIONS = {
    "meter": "length",
    "kilogram": "mass",
    "second": "time",
    "ampere": "electric current",
    "kelvin": "temperature",
    "mole": "amount of substance",
    "candela": "luminous intensity",
    "radian": "plane angle",
    "radian ** 2": "solid angle",
    "kilogram * (meter / second) / second": "force, weight",
    "newton * meter": "energy, work, heat",
    "joule / second": "power",
    "newton / meter ** 2": "pressure, mechanical stress",
    "1 / second": "frequency",
    "count / second": "radioactivity",
    "joule / coulomb": "voltage",
    "volt / ampere": "electrical resistance",
    "ohm * meter ** 2 / meter": "electrical resistivity",
    "ampere * second": "electric charge",
    "coulomb / volt": "capacitance",
    "volt / (ampere / second)": "inductance",
    "volt * second": "magnetic flux",
    "newton / (ampere * meter)": "magnetic flux density",
    "newton / coulomb": "electric field strength",
    "(coulomb / meter ** 2) / (volt / meter)": "permittivity",
    "tesla / (ampere / meter)": "magnetic permeability",
    "ampere / meter ** 2": "current density",
    "meter / second": "speed",
    "(meter / second) / second": "acceleration",
    "meter * meter": "area",
    "meter * meter * meter": "volume",
    "kilogram / meter ** 3": "density",
    "kilogram * (meter / second)": "momentum",
    "kilogram * meter ** 2": "moment of inertia",
    "kilogram / second": "mass flow rate",
    "radian / second": "angular velocity",
    "candela * radian ** 2": "luminous flux",
    "lumen / meter ** 2": "illuminance",
    "candela / meter ** 2": "luminance",
    "joule / kilogram": "absorbed radiation dose, equivalent radiation dose",
    "(watt / meter ** 2) / (kelvin / meter)": "thermal conductivity",
    "joule / kelvin": "heat capacity, entropy",
    "pascal / ((meter / second) / meter)": "dynamic viscosity",
    "joule / meter ** 2": "surface tension",
    "watt / meter ** 2": "irradiance",
    "kilogram / mole": "molar mass",
    "mole / meter ** 3": "molar concentration",
    "mole / second": "catalytic activity",
}
OF_ONE_DIMENSION = {"gray": "absorbed radiation dose", "sievert": "equivalent radiation dose"}


def parsed(unit: str) -> pint.Quantity[float]:
    """A unit as the library knows it (which takes the kelvin after "per" for a numerator)."""
    return UNITS.Quantity(
        1.0,
        unit.replace("meter kelvin", "meter per kelvin").replace(
            "metre kelvin", "metre per kelvin"
        ),
    )


def unit_of(slots: Slots, answer: str) -> bool:
    """The unit is the one that follows from the definition, without a factor."""
    if slots["quantity"] != OF_ONE_DIMENSION.get(answer, slots["quantity"]):
        return False
    told = parsed(answer).to_base_units()
    defined = UNITS.Quantity(1.0, definition(slots["quantity"])).to_base_units()
    return str(told.units) == str(defined.units) and math.isclose(told.magnitude, 1)


def symbol_of(slots: Slots, answer: str) -> bool:
    return str(parsed(answer).units) == str(parsed(slots["unit"]).units)


CHECKS: dict[tuple[str, str], Check] = {
    ("weekdays", "after"): lambda s, x: weekday_moved(s, x, 1),
    ("weekdays", "before"): lambda s, x: weekday_moved(s, x, -1),
    ("months", "after"): lambda s, x: month_moved(s, x, 1),
    ("months", "before"): lambda s, x: month_moved(s, x, -1),
    ("months", "number"): lambda s, x: datetime.strptime(s["month"], "%B").month == int(x),
    ("months", "named"): lambda s, x: f"{date(2023, int(s['number']), 1):%B}" == x,
    ("months", "length"): lambda s, x: (
        f"{datetime.strptime(s['month'], '%B').replace(year=2023) + timedelta(days=int(x) - 1):%B}"
        == s["month"]
        != f"{datetime.strptime(s['month'], '%B').replace(year=2023) + timedelta(days=int(x)):%B}"
    ),
    ("clock_24h", "to_12"): lambda s, x: same_time(x, s["time"]),
    ("clock_24h", "to_24"): lambda s, x: same_time(s["time"], x),
    ("lengths", "convert"): converts,
    ("time_units", "convert"): converts,
    ("centuries", "century"): century,
    ("weekday_of_date", "weekday"): zeller,
    ("leap_years", "kind"): leap_kind,
    ("leap_years", "days"): year_length,
    ("leap_years", "next"): next_leap,
    ("durations", "minutes"): minutes_between,
    ("day_of_year", "number"): lambda s, x: day_number(s["date"], number(x)),
    ("day_of_year", "date"): lambda s, x: day_number(x, int(s["number"])),
    ("day_of_year", "quarter"): quarter,
    ("si_units", "unit_of"): unit_of,
    ("si_units", "symbol_of"): symbol_of,
    ("temperatures", "to_fahrenheit"): lambda s, x: fahrenheit(int(s["degrees"]), number(x)),
    ("temperatures", "to_celsius"): lambda s, x: fahrenheit(number(x), int(s["degrees"])),
    ("zodiac", "sign"): birth_sign,
    ("zodiac", "after"): lambda s, x: SIGNS[SIGNS.index(s["sign"]) - 11] == x,
    ("zodiac", "before"): lambda s, x: SIGNS[SIGNS.index(s["sign"]) - 1] == x,
    ("coins", "cents"): cents,
}
UNREADABLE = (ValueError, ArithmeticError, LookupError, StopIteration, pint.PintError)


def holds(subject: Subject, relation: str, slots: Slots, answer: str) -> bool:
    """Whether the answer is right; where it cannot even be checked it is not."""
    try:
        return CHECKS[subject.name, relation](slots, answer)
    except UNREADABLE:
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


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_impossible_questions_have_no_answer(subject: Subject) -> None:
    assert subject.impossible is not None
    rng = random.Random(0)
    answers = [answer for fact in subject.facts[:200] for answer in fact.targets]
    for _ in range(50):
        relation, slots = subject.impossible(rng)
        assert all(q.format(**slots) for q in subject.relation(relation).questions)
        assert not any(holds(subject, relation, slots, answer) for answer in answers), slots


@pytest.mark.parametrize(
    ("name", "size"),
    [("weekdays", 7 * 30 * 2), ("months", 12 * 11 * 2 + 36), ("day_of_year", 2 * 365 + 12)],
)
def test_small_subjects_hold_all_there_is(name: str, size: int) -> None:
    asked = {(fact.relation, *fact.slots.values()) for fact in SUBJECTS[name].facts}
    assert len(asked) == size


def test_years_on_which_usage_differs_are_left_out() -> None:
    years = [int(fact.slots["year"]) for fact in SUBJECTS["centuries"].facts]
    assert all(year % 100 for year in years)


def test_a_unit_symbol_differs_from_others_in_more_than_case() -> None:
    table = SUBJECTS["si_units"]
    assert isinstance(table, Table)
    symbols = {row["symbol"][0] for row in table.rows}
    assert len(symbols) == len({symbol.casefold() for symbol in symbols})
