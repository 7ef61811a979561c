"""Subjects about the world: places, their codes, money and tongues; elements; animals.

The facts lie in `tables/`. Whatever has no answer is asked about something invented, or about a
code that is formed like a real one but that nobody was given.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from string import ascii_uppercase, digits

from calibrant.questions.almanac.invented import invented_name, invented_word
from calibrant.questions.almanac.subject import Relation, Subject, Table

Invent = Callable[[random.Random], str]


def _about(
    *kinds: tuple[str, str, Invent],
) -> Callable[[random.Random], tuple[str, dict[str, str]]]:
    """Draws one of the kinds (relation, slot, inventor) and fills its slot with an invention."""

    def draw(rng: random.Random) -> tuple[str, dict[str, str]]:
        relation, slot, invent = rng.choice(kinds)
        return relation, {slot: invent(rng)}

    return draw


def _no_element(rng: random.Random) -> str:
    """A name that sounds like an element's."""
    return invented_word(rng) + "ium"


def _no_symbol(rng: random.Random) -> str:
    """A symbol with J or Q, which the periodic table does without."""
    letters = [rng.choice("JQ"), rng.choice(ascii_uppercase)]
    rng.shuffle(letters)
    return "".join(letters).capitalize()


def _no_country_code(rng: random.Random) -> str:
    """A code that the standard never gives to a country (XK is left out: Kosovo uses it)."""
    first = rng.choice("QX")
    return first + rng.choice("MNOPQRSTUVWXYZ" if first == "Q" else "ABCDEFGHIJLMNOPQRSTUVWXYZ")


def _no_airport(rng: random.Random) -> str:
    """A code with a digit in it; real ones are letters only."""
    letters = [*rng.choices(ascii_uppercase, k=2), rng.choice(digits)]
    rng.shuffle(letters)
    return "".join(letters)


CAPITALS = Table(
    name="capitals",
    category="world",
    side="mixture",
    relations=(
        Relation(
            name="capital",
            given="country",
            wanted="capital",
            questions=(
                "What is the capital of {country}?",
                "Which city is the capital of {country}?",
                "Name the capital city of {country}.",
            ),
        ),
        Relation(
            name="country",
            given="capital",
            wanted="country",
            questions=(
                "{capital} is the capital of which country?",
                "Which country has {capital} as its capital?",
                "Name the country whose capital is {capital}.",
            ),
        ),
    ),
    impossible=_about(("capital", "country", invented_name), ("country", "capital", invented_name)),
)

US_STATES = Table(
    name="us_states",
    category="world",
    side="mixture",
    relations=(
        Relation(
            name="capital",
            given="state",
            wanted="capital",
            questions=(
                "What is the capital of the US state of {state}?",
                "Which city is the state capital of {state}?",
                "Name the capital of the American state {state}.",
            ),
        ),
        Relation(
            name="state",
            given="capital",
            wanted="state",
            questions=(
                "{capital} is the capital of which US state?",
                "Which American state has {capital} as its capital?",
                "Name the US state that is governed from {capital}.",
            ),
        ),
    ),
    impossible=_about(("capital", "state", invented_name), ("state", "capital", invented_name)),
)

ELEMENTS = Table(
    name="elements",
    category="world",
    side="mixture",
    relations=(
        Relation(
            name="symbol",
            given="element",
            wanted="symbol",
            questions=(
                "What is the chemical symbol for {element}?",
                "Which symbol stands for the element {element}?",
                "Give the chemical symbol of {element}.",
            ),
        ),
        Relation(
            name="element",
            given="symbol",
            wanted="element",
            questions=(
                "Which element has the chemical symbol {symbol}?",
                "{symbol} is the symbol of which chemical element?",
                "Name the element whose symbol is {symbol}.",
            ),
        ),
        Relation(
            name="number",
            given="element",
            wanted="number",
            questions=(
                "What is the atomic number of {element}?",
                "How many protons are in an atom of {element}?",
                "Give the atomic number of the element {element}.",
            ),
        ),
    ),
    impossible=_about(
        ("symbol", "element", _no_element),
        ("element", "symbol", _no_symbol),
        ("number", "element", _no_element),
    ),
)

COUNTRY_CODES = Table(
    name="country_codes",
    category="world",
    side="mixture",
    relations=(
        Relation(
            name="code",
            given="country",
            wanted="code",
            questions=(
                "What is the two-letter country code of {country}?",
                "Which two letters stand for {country}?",
                "Give the two-letter ISO code for {country}.",
            ),
        ),
        Relation(
            name="country",
            given="code",
            wanted="country",
            questions=(
                "Which country has the two-letter code {code}?",
                "{code} is the ISO code of which country?",
                "Name the country with the two-letter code {code}.",
            ),
        ),
    ),
    impossible=_about(("code", "country", invented_name), ("country", "code", _no_country_code)),
)

CITIES = Table(
    name="cities",
    category="world",
    side="mixture",
    relations=(
        Relation(
            name="country",
            given="city",
            wanted="country",
            questions=(
                "In which country is the city of {city}?",
                "Which country does the city {city} belong to?",
                "Name the country where the city of {city} lies.",
            ),
        ),
    ),
    impossible=_about(("country", "city", invented_name)),
)

LANGUAGES = Table(
    name="languages",
    category="world",
    side="mixture",
    relations=(
        Relation(
            name="language",
            given="country",
            wanted="language",
            questions=(
                "What is the main official language of {country}?",
                "Which language does the government of {country} mainly use?",
                "Name the chief official language of {country}.",
            ),
        ),
    ),
    impossible=_about(("language", "country", invented_name)),
)

PROVINCES = Table(
    name="provinces",
    category="world",
    side="mixture",
    relations=(
        Relation(
            name="country",
            given="province",
            wanted="country",
            questions=(
                "Which country is the region of {province} part of?",
                "In which country is the province or region of {province}?",
                "Name the country that the region {province} belongs to.",
            ),
        ),
    ),
    impossible=_about(("country", "province", invented_name)),
)

CURRENCIES = Table(
    name="currencies",
    category="world",
    side="development",
    relations=(
        Relation(
            name="currency",
            given="country",
            wanted="currency",
            questions=(
                "What is the currency of {country}?",
                "What money do people in {country} pay with?",
                "Name the currency that is used in {country}.",
            ),
        ),
    ),
    impossible=_about(("currency", "country", invented_name)),
)

AIRPORTS = Table(
    name="airports",
    category="world",
    side="development",
    relations=(
        Relation(
            name="city",
            given="code",
            wanted="city",
            questions=(
                "Which city does the airport {code} serve?",
                "A plane flies to {code}: to which city?",
                "Name the city of the airport with the code {code}.",
            ),
        ),
    ),
    impossible=_about(("city", "code", _no_airport)),
)

SCRIPTS = Table(
    name="scripts",
    category="world",
    side="development",
    relations=(
        Relation(
            name="script",
            given="language",
            wanted="script",
            questions=(
                "In which script is {language} usually written?",
                "Which writing system does the language {language} use?",
                "Name the script that {language} is written in.",
            ),
        ),
    ),
    impossible=_about(("script", "language", invented_name)),
)

ANIMAL_CLASSES = Table(
    name="animal_classes",
    category="world",
    side="development",
    relations=(
        Relation(
            name="class",
            given="animal",
            wanted="class",
            questions=(
                "To which class of animals does the {animal} belong?",
                "The {animal} is what kind of animal?",
                "Name the animal group that the {animal} falls into.",
            ),
        ),
    ),
    impossible=_about(("class", "animal", invented_word)),
)

CONTINENTS = Table(
    name="continents",
    category="world",
    side="unseen",
    relations=(
        Relation(
            name="continent",
            given="country",
            wanted="continent",
            questions=(
                "On which continent is {country}?",
                "Which continent does {country} belong to?",
                "Name the continent of {country}.",
            ),
        ),
    ),
    impossible=_about(("continent", "country", invented_name)),
)

CALLING_CODES = Table(
    name="calling_codes",
    category="world",
    side="unseen",
    relations=(
        Relation(
            name="code",
            given="country",
            wanted="code",
            questions=(
                "What is the international dialling code of {country}?",
                "Which prefix do you dial to telephone {country}?",
                "Give the telephone country code for {country}.",
            ),
        ),
    ),
    impossible=_about(("code", "country", invented_name)),
)

TIME_OFFSETS = Table(
    name="time_offsets",
    category="world",
    side="unseen",
    relations=(
        Relation(
            name="offset",
            given="country",
            wanted="offset",
            questions=(
                "How many hours ahead of UTC is {country} in standard time?",
                "By how many hours does standard time in {country} lead UTC?",
                "Give the standard UTC offset of {country} in hours.",
            ),
        ),
    ),
    impossible=_about(("offset", "country", invented_name)),
)

SUBJECTS: tuple[Subject, ...] = (
    CAPITALS,
    US_STATES,
    ELEMENTS,
    COUNTRY_CODES,
    CITIES,
    LANGUAGES,
    PROVINCES,
    CURRENCIES,
    AIRPORTS,
    SCRIPTS,
    ANIMAL_CLASSES,
    CONTINENTS,
    CALLING_CODES,
    TIME_OFFSETS,
)
