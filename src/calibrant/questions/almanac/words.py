"""Subjects about the forms and meanings of words: all of them tables."""

from __future__ import annotations

import random
from collections.abc import Callable

from calibrant.questions.almanac.invented import invented_name, invented_word
from calibrant.questions.almanac.subject import Relation, Subject, Table

_Draw = Callable[[random.Random], str]


def _unanswerable(*ways: tuple[str, str, _Draw]) -> Callable[..., tuple[str, dict[str, str]]]:
    """Questions without an answer, each of one of the ways (relation, slot, what fills it)."""

    def draw(rng: random.Random) -> tuple[str, dict[str, str]]:
        relation, slot, fill = rng.choice(ways)
        return relation, {slot: fill(rng)}

    return draw


def _one_of(words: str) -> _Draw:
    """A draw from words parted by blanks."""
    choices = words.split()
    return lambda rng: rng.choice(choices)


_neither_noun_nor_verb = _one_of(
    "because although unless whereas never often always seldom quickly slowly happily "
    "sadly loudly quietly gently badly nearly hardly really very too quite rather almost already "
    "again together perhaps soon there thus hence therefore however moreover instead meanwhile "
    "sometimes usually rarely among between during despite until toward into onto upon from with "
    "against the anywhere everywhere somehow afterwards furthermore nonetheless regardless amidst"
)
_never_adjective = _one_of(
    "table window river bottle spoon kitchen garden finger elbow pencil ladder village island "
    "carpet bucket pillow basket hammer teacher doctor farmer soldier lawyer uncle nephew cousin "
    "elephant giraffe tiger lizard spider beetle banana carrot onion potato lemon cabbage biscuit "
    "sandwich violin trumpet bicycle tractor rocket engine planet volcano desert forest mountain "
    "library museum hospital station bridge castle ceiling chimney cupboard blanket umbrella"
)
_never_verb = _one_of(
    "beautiful happy lazy clever stupid honest polite afraid alive asleep ancient expensive "
    "difficult easy early late useful careful dangerous delicious famous impossible intelligent "
    "curious nervous jealous generous ugly young big small huge tiny rich poor sad tall angry "
    "hungry thirsty noisy silly funny friendly lonely healthy wooden golden royal rural modern "
    "popular patient proud strange careless endless helpful peaceful wonderful terrible horrible"
)
_no_ing_form = _one_of(
    "morning pudding herring sibling darling duckling seedling nothing something anything viking "
    "everything sterling sapling hireling gosling fledgling yearling starling earring lemming"
)

_plurals = Table(
    name="plurals",
    category="words",
    side="mixture",
    relations=(
        Relation(
            name="plural",
            given="noun",
            wanted="plural",
            slips=lambda noun: (f"{noun}s", f"{noun}es", f"{noun[:-1]}ies"),
            questions=(
                "What is the plural of {noun}?",
                "What is the plural form of the noun {noun}?",
                "Put the noun {noun} into the plural.",
            ),
        ),
        Relation(
            name="singular",
            given="plural",
            wanted="noun",
            questions=(
                "What is the singular of {plural}?",
                "Which noun has the plural {plural}?",
                "Put the noun {plural} into the singular.",
            ),
        ),
    ),
    impossible=_unanswerable(
        ("plural", "noun", _neither_noun_nor_verb), ("singular", "plural", _neither_noun_nor_verb)
    ),
)

_past_tense = Table(
    name="past_tense",
    category="words",
    side="mixture",
    relations=(
        Relation(
            name="past",
            given="verb",
            wanted="past",
            slips=lambda verb: (f"{verb}ed", f"{verb}d", f"{verb}{verb[-1]}ed"),
            questions=(
                "What is the past tense of {verb}?",
                "What is the simple past of the verb {verb}?",
                "Put the verb {verb} into the past tense.",
            ),
        ),
        Relation(
            name="present",
            given="past",
            wanted="verb",
            questions=(
                "Which verb has the past tense {past}?",
                "The word {past} is the past tense of which verb?",
                "What is the infinitive of the past form {past}?",
            ),
        ),
    ),
    impossible=_unanswerable(
        ("past", "verb", _neither_noun_nor_verb), ("present", "past", _neither_noun_nor_verb)
    ),
)

_opposites = Table(
    name="opposites",
    category="words",
    side="mixture",
    relations=tuple(
        Relation(
            name=f"opposite_of_{given}",
            given=given,
            wanted=wanted,
            questions=(
                f"What is the opposite of {{{given}}}?",
                f"Which word means the opposite of {{{given}}}?",
                f"Give an antonym of {{{given}}}.",
            ),
        )
        for given, wanted in (("word", "opposite"), ("opposite", "word"))
    ),
    impossible=_unanswerable(
        ("opposite_of_word", "word", invented_word),
        ("opposite_of_opposite", "opposite", invented_word),
    ),
)

_calendar_french = Table(
    name="calendar_french",
    category="words",
    side="mixture",
    relations=(
        Relation(
            name="to_french",
            given="english",
            wanted="french",
            questions=(
                "What is the French word for {english}?",
                "How do you say {english} in French?",
                "Translate {english} into French.",
            ),
        ),
        Relation(
            name="to_english",
            given="french",
            wanted="english",
            questions=(
                "What does the French word {french} mean in English?",
                "What is the French {french} in English?",
                "Translate {french} from French into English.",
            ),
        ),
    ),
    impossible=_unanswerable(
        ("to_french", "english", invented_word), ("to_english", "french", invented_word)
    ),
)

_comparatives = Table(
    name="comparatives",
    category="words",
    side="development",
    relations=(
        Relation(
            name="comparative",
            given="adjective",
            wanted="comparative",
            slips=lambda word: (f"more {word}", f"{word}er", f"{word}{word[-1]}er"),
            questions=(
                "What is the comparative of {adjective}?",
                "What is the comparative form of the adjective {adjective}?",
                "Put {adjective} into the comparative.",
            ),
        ),
        Relation(
            name="superlative",
            given="adjective",
            wanted="superlative",
            slips=lambda word: (f"most {word}", f"{word}est", f"{word}{word[-1]}est"),
            questions=(
                "What is the superlative of {adjective}?",
                "What is the superlative form of the adjective {adjective}?",
                "Put {adjective} into the superlative.",
            ),
        ),
        Relation(
            name="base",
            given="comparative",
            wanted="adjective",
            questions=(
                "Which adjective has the comparative {comparative}?",
                "The word {comparative} is the comparative of which adjective?",
                "What is the base form of the comparative {comparative}?",
            ),
        ),
    ),
    impossible=_unanswerable(
        ("comparative", "adjective", _never_adjective),
        ("superlative", "adjective", _never_adjective),
        ("base", "comparative", _never_adjective),
    ),
)

_young_animals = Table(
    name="young_animals",
    category="words",
    side="development",
    relations=(
        Relation(
            name="word",
            given="thing",
            wanted="word",
            questions=(
                "What do you call {thing}?",
                "What is {thing} called?",
                "What is the special word for {thing}?",
            ),
        ),
    ),
    impossible=_unanswerable(
        ("word", "thing", lambda rng: f"a young {invented_word(rng)}"),
        ("word", "thing", lambda rng: f"a male {invented_word(rng)}"),
        ("word", "thing", lambda rng: f"a female {invented_word(rng)}"),
        ("word", "thing", lambda rng: f"a group of {invented_word(rng)}s"),
    ),
)

_ing_forms = Table(
    name="ing_forms",
    category="words",
    side="unseen",
    relations=(
        Relation(
            name="ing",
            given="verb",
            wanted="ing",
            slips=lambda verb: (f"{verb}ing", f"{verb[:-1]}ing", f"{verb}{verb[-1]}ing"),
            questions=(
                "What is the -ing form of {verb}?",
                "What is the present participle of {verb}?",
                "How is the verb {verb} spelt with the ending -ing?",
            ),
        ),
        Relation(
            name="without_ing",
            given="ing",
            wanted="verb",
            questions=(
                "Which verb has the -ing form {ing}?",
                "The word {ing} is the present participle of which verb?",
                "How is the verb {ing} spelt without the ending -ing?",
            ),
        ),
    ),
    impossible=_unanswerable(("ing", "verb", _never_verb), ("without_ing", "ing", _no_ing_form)),
)

# Only countries whose people are not called like the country's language: "France: French" would be
# the same fact as in the subject about languages.
_people_words = Table(
    name="people_words",
    category="words",
    side="unseen",
    relations=(
        Relation(
            name="people",
            given="country",
            wanted="word",
            questions=(
                "What is a person from {country} called?",
                "Which adjective describes people and things from {country}?",
                "By what word do you call someone from {country}?",
            ),
        ),
        Relation(
            name="country",
            given="word",
            wanted="country",
            questions=(
                "From which country does a {word} person come?",
                "Which country do {word} people come from?",
                "Which country does the word {word} refer to?",
            ),
        ),
    ),
    impossible=_unanswerable(
        ("people", "country", invented_name), ("country", "word", invented_name)
    ),
)

SUBJECTS: tuple[Subject, ...] = (
    _plurals,
    _past_tense,
    _opposites,
    _calendar_french,
    _comparatives,
    _young_animals,
    _ing_forms,
    _people_words,
)
