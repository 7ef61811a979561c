"""The words of the almanac against dictionaries, language packages and other computations.

No package tells of opposites, of the young of animals or of people from somewhere. For these the
check is a second list, written from the other end (the answer first): it finds slips of the pen,
and answers that were accepted without thought, but not an error of knowledge made twice.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Iterator

import inflect
import lemminflect
import num2words
import pytest
from babel import Locale
from babel.languages import get_official_languages

from calibrant.questions.almanac import spelling, words
from calibrant.questions.almanac.subject import Subject, Table

SUBJECTS: dict[str, Subject] = {s.name: s for s in (*words.SUBJECTS, *spelling.SUBJECTS)}
ENGLISH, FRENCH = Locale("en"), Locale("fr")


def pairs(name: str, first: str, second: str) -> Iterator[tuple[str, str]]:
    """Every accepted pair of the table, told by its facts in either direction."""
    subject = SUBJECTS[name]
    for fact in subject.facts:
        relation = subject.relation(fact.relation)
        for target in fact.targets:
            pair = {relation.given: fact.slots[relation.given], relation.wanted: target}
            if pair.keys() == {first, second}:
                yield pair[first], pair[second]


def inflections(word: str, tag: str) -> set[str]:
    """The forms that lemminflect has from its dictionary, without guesses."""
    return set(lemminflect.getInflection(word, tag, inflect_oov=False))


def second_list(text: str) -> dict[str, set[str]]:
    """Entries "answer: asked, asked;" as a mapping."""
    entries = (" ".join(entry.split()).split(": ") for entry in text.strip(" ;\n").split(";"))
    return {answer: set(others.split(", ")) for answer, others in entries}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_facts_are_well_formed(subject: Subject) -> None:
    for fact in subject.facts:
        right, wrong = ([s.casefold() for s in t] for t in (fact.targets, fact.distractors))
        assert len(set(right)) == len(right) >= 1
        assert len(set(wrong)) == len(wrong) >= 3
        assert not set(right) & set(wrong)
        assert 0 <= fact.rarity <= 1
        for question in subject.relation(fact.relation).questions:
            assert all(slot in question.format(**fact.slots) for slot in fact.slots.values())
    asked = [(fact.relation, *sorted(fact.slots.items())) for fact in subject.facts]
    assert len(set(asked)) == len(asked)


def test_sides() -> None:
    sides = Counter(subject.side for subject in SUBJECTS.values())
    assert sides == {"mixture": 7, "development": 4, "unseen": 3}
    assert {subject.category for subject in SUBJECTS.values()} == {"words"}


def test_sides_share_no_words() -> None:
    lists = {side: spelling._words(side) for side in ("mixture", "development", "unseen")}
    together = [word for side in lists.values() for word in side]
    assert len(set(together)) == len(together) == 904
    assert all(3 <= len(word) <= 9 and word.islower() for word in together)
    assert all(list(side) == sorted(side, key=len) for side in lists.values())
    verbs = {name: {v for v, _ in pairs(name, "verb", f)} for name, f in
             (("past_tense", "past"), ("ing_forms", "ing"))}  # fmt: skip
    assert not verbs["past_tense"] & verbs["ing_forms"]


@pytest.mark.parametrize("name", [s.name for s in SUBJECTS.values() if s.impossible])
def test_unanswerable_questions_ask_of_nothing_known(name: str) -> None:
    subject = SUBJECTS[name]
    known = {value.casefold() for fact in subject.facts for value in fact.slots.values()}
    drawn = set()
    for seed in range(300):
        assert subject.impossible is not None
        relation, slots = subject.impossible(random.Random(seed))
        example = next(fact for fact in subject.facts if fact.relation == relation)
        assert slots.keys() == example.slots.keys()
        assert name == "alphabet" or not known & {slot.casefold() for slot in slots.values()}
        drawn.add((relation, *slots.values()))
    assert len(drawn) > 80


def test_unanswerable_questions_ask_of_words_without_the_form() -> None:
    barred = {
        "plurals": ("NOUN",),
        "past_tense": ("VERB",),
        "comparatives": ("ADJ",),
        "ing_forms": ("VERB",),
    }
    for name, classes in barred.items():
        for seed in range(300):
            impossible = SUBJECTS[name].impossible
            assert impossible is not None
            (word,) = impossible(random.Random(seed))[1].values()
            assert not set(classes) & set(lemminflect.getAllLemmas(word)), word


def test_two_thirds_of_the_subjects_have_unanswerable_questions() -> None:
    assert 3 * sum(s.impossible is not None for s in SUBJECTS.values()) >= 2 * len(SUBJECTS)


PLURALS = {  # neither package knows these
    ("passer-by", "passers-by"),  # its rule for hyphened words inflects the end
    ("runner-up", "runners-up"),  # likewise
    ("cello", "celli"),  # the Italian plural, rare beside "cellos"
}


def test_plurals() -> None:
    modern, classical = inflect.engine(), inflect.engine()
    classical.classical(all=True)
    for noun, plural in pairs("plurals", "noun", "plural"):
        known = {modern.plural_noun(noun), classical.plural_noun(noun)} | inflections(noun, "NNS")
        assert plural in known or (noun, plural) in PLURALS, (noun, plural)


PAST_TENSES = {  # second forms that large dictionaries have, but lemminflect's has not
    "quit": "quitted",
    "leap": "leaped",
    "shrink": "shrunk",
    "sink": "sunk",
    "spin": "span",
    "stink": "stunk",
    "awake": "awaked",
    "slay": "slayed",
}


def test_past_tenses() -> None:
    for verb, past in pairs("past_tense", "verb", "past"):
        assert past in inflections(verb, "VBD") or PAST_TENSES.get(verb) == past, (verb, past)


ING_FORMS = {  # lemminflect does not know "belie", and spells "mimicing" for "mimic"
    "belie": "belying",
    "mimic": "mimicking",
}


def test_ing_forms() -> None:
    for verb, ing in pairs("ing_forms", "verb", "ing"):
        assert ing in inflections(verb, "VBG") or ING_FORMS.get(verb) == ing, (verb, ing)
    engine = inflect.engine()
    assert all(engine.present_participle(verb) == ing for verb, ing in ING_FORMS.items())


COMPARATIVES = {
    # lemminflect knows only "littler" and has nothing of quantities
    "little": {"less", "lesser", "least"},
    "many": {"more", "most"},
    "much": {"more"},
    # it spells "freeer"
    "free": {"freer", "freest"},
    # it has only one of the two spellings in i and y
    "shy": {"shier", "shiest"},
    "sly": {"slyer", "slyest"},
    "dry": {"dryer", "dryest"},
}


def test_comparatives() -> None:
    for tag, column in (("JJR", "comparative"), ("JJS", "superlative")):
        for adjective, form in pairs("comparatives", "adjective", column):
            known = inflections(adjective, tag) | COMPARATIVES.get(adjective, set())
            assert form in known, (adjective, form)


def test_french() -> None:
    known: dict[str, set[str]] = {}
    for kind in ("days", "months"):
        for index, name in getattr(ENGLISH, kind)["format"]["wide"].items():
            known[name] = {getattr(FRENCH, kind)["format"]["wide"][index]}
    for value in (*range(31), *range(40, 101, 10), 1000):
        name = num2words.num2words(value)
        french = {num2words.num2words(value, lang=lang) for lang in ("fr", "fr_BE", "fr_CH")}
        known[name] = french
        for variant in (
            name.replace("-", " "),
            name.removeprefix("one "),
            name.replace("one ", "a "),
        ):
            known.setdefault(variant, french)
    known["one"] |= {"une"}  # the feminine
    known["eighty"] |= {"quatre-vingt"}  # as it is spelt before another numeral

    def plain(text: str) -> str:
        """Without accents and hyphens, which may be left out."""
        bare = unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()
        return bare.replace("-", " ")

    for english, french_word in pairs("calendar_french", "english", "french"):
        assert plain(french_word) in {plain(word) for word in known[english]}, english
    table = SUBJECTS["calendar_french"]
    assert isinstance(table, Table)
    usual = {row["english"][0]: row["french"][0] for row in table.rows}
    assert len(usual) == 58
    renamed = {"hundred": "one hundred", "thousand": "one thousand"}
    for english, french_word in usual.items():
        # num2words parts "vingt et un" by blanks like the table.
        assert french_word in known[renamed.get(english, english)], english


ANTONYMS = second_list("""
abnormal: normal; absent: present; abstract: concrete; after: before; answer: question, ask;
antonym: synonym; arrogant: humble, modest; artificial: natural; asleep: awake; backward: forward,
forwards; backwards: forwards, forward; bad: good; barren: fertile; below: above, over; beneath:
above, over; benign: malignant; bent: straight; bitter: sweet; blame: praise; blunt: sharp; borrow:
lend; bottom: top; brief: long; careless: careful; close: open, far; closed: open; cold: hot, warm;
complex: simple, easy; complicated: simple, easy; compulsory: voluntary; contract: expand; convex:
concave; cooked: raw; cool: hot, warm; costly: cheap; cowardly: brave, courageous, bold; criticise:
praise; criticize: praise; crooked: straight; cruel: kind; cry: laugh; curved: straight; dangerous:
safe; dark: light, bright; dead: alive, living; dear: cheap; death: life, birth; decline: increase,
accept; decrease: increase, grow; defeat: victory, triumph, win; defend: attack; demolish: build,
create; depart: arrive, come; descend: ascend; destroy: build, create, make; different: same,
alike; difficult: easy, simple; dirty: clean; disagree: agree; disappear: appear; discourage:
encourage; dishonest: honest; dislike: like, love; distant: near, close; divide: multiply; down:
up; dry: wet; dull: sharp, bright; eastern: western; easy: hard, difficult; effect: cause; empty:
full; end: start, begin; enemy: friend, ally; epilogue: prologue; evil: good; exhale: inhale; exit:
enter, entrance; expensive: cheap, inexpensive; explicit: implicit; export: import; exterior:
interior; external: internal; extravert: introvert; extrovert: introvert; fail: succeed, pass;
failure: success; fall: rise; false: true; far: near, close; female: male; few: many; finish:
start, begin; foe: friend, ally; follow: lead; forbid: allow, permit; foreign: domestic; forget:
remember; go: come, arrive, stop; goodbye: hello; grief: joy, happiness; hard: soft, easy, simple;
hate: love, like; heavy: light; hell: heaven; horizontal: vertical; ill: healthy, well; illegal:
legal, lawful; immature: mature; impatient: patient; imperfect: perfect; implicit: explicit;
impolite: polite; impossible: possible; inactive: active; incomplete: complete; incorrect: correct;
inferior: superior; infertile: fertile; inflexible: flexible, elastic; informal: formal; innocent:
guilty; invisible: visible; involuntary: voluntary; irregular: regular; junior: senior; last:
first; late: early; learn: teach; least: most; leave: arrive, enter; less: more; little: big,
large; loose: tight; lose: win, find; loss: profit, gain, victory; low: high, loud; lower: upper;
mandatory: voluntary; mean: kind, generous; melt: freeze; minimum: maximum; minor: major; minority:
majority; modern: ancient, old, old-fashioned; nadir: zenith; narrow: wide, broad; negative:
positive; never: always; new: old; night: day; no: yes; nobody: everybody; nocturnal: diurnal;
nothing: everything, something; nowhere: everywhere; off: on; opaque: transparent, clear; out: in;
outer: inner; outside: inside; passive: active; past: present; peace: war; permanent: temporary;
pessimist: optimist; pessimistic: optimistic; poor: rich, wealthy; private: public; prohibit:
allow, permit; proud: humble, modest; pull: push; quiet: loud, noisy; rear: front; back: front;
receive: give, send; reduce: increase, grow; refuse: accept; reject: accept; repel: attract; reply:
question, ask; reveal: hide; right: left, wrong; rigid: flexible, elastic; rotten: fresh; rough:
smooth; rude: polite; rural: urban; sad: happy, glad, cheerful; sadness: joy; seek: hide; selfish:
generous; sell: buy; set: rise; shallow: deep; short: long, tall; shorten: lengthen; show: hide;
shut: open; sick: healthy, well; silent: loud, noisy; singular: plural; sink: float, rise; slack:
tight; slow: fast, quick; small: big, large; soft: hard, loud, rough; sorrow: joy, happiness; sour:
sweet; south: north; southern: northern; stale: fresh; sterile: fertile; stiff: flexible; stingy:
generous; stop: start, begin, go; subjective: objective; subtract: add; suffix: prefix; supply:
demand; synthetic: natural; take: give; thaw: freeze; thin: thick, fat; ugly: beautiful, pretty,
attractive, handsome; unclean: clean; under: above, over; unequal: equal; unfair: fair;
unfortunate: lucky, fortunate; unhappy: happy; unhealthy: healthy; unkind: kind; unknown: known;
unlawful: legal; unlock: lock; unlucky: lucky, fortunate; unnatural: natural; unsafe: safe; untie:
tie; untrue: true; useless: useful; vanish: appear; villain: hero; weak: strong, powerful; weaken:
strengthen; weep: laugh; west: east; western: eastern; white: black; wild: domestic; winter:
summer; wrong: correct, right; young: old
""")


def test_opposites() -> None:
    for word, opposite in pairs("opposites", "word", "opposite"):
        assert word in ANTONYMS.get(opposite, ()), (word, opposite)
    table = SUBJECTS["opposites"]
    asked = [fact.slots[table.relation(fact.relation).given] for fact in table.facts]
    assert len(set(asked)) == len(asked), "a word in both columns would be asked of twice"


ANIMAL_WORDS = second_list("""
alevin: young salmon; army: group of ants; billy: male goat; billy goat: male goat; boar: male pig;
brood: group of chicks; buck: male deer, male goat, male rabbit; bull: male cow, male elephant,
male whale, male deer; bunny: young rabbit; calf: young cow, young elephant, young whale, young
deer, young seal; capon: castrated rooster; caterpillar: young butterfly; chick: young chicken,
young goose, young swan, young owl, young eagle, young turkey, young hawk, young pigeon; cloud:
group of locusts; clutch: group of chicks; cob: male swan; cock: male chicken; cockerel: male
chicken; colony: group of ants, group of bees; colt: young male horse; cow: female elephant, female
whale, female deer; cub: young bear, young lion, young tiger, young fox, young wolf; cygnet: young
swan; doe: female deer, female rabbit, female goat; dog: male fox; drake: male duck; drove: group
of cows; duckling: young duck; eaglet: young eagle; elver: young eel; ewe: female sheep; eyas:
young hawk; fawn: young deer; filly: young female horse; flock: group of sheep, group of birds,
group of geese, group of crows, group of chicks; foal: young horse; fold: group of sheep; fry:
young salmon; gaggle: group of geese; gander: male goose; gelding: castrated male horse; gosling:
young goose; hart: male deer; heifer: young female cow; hen: female chicken; herd: group of cows,
group of elephants, group of sheep, group of whales, group of dolphins; hind: female deer; hive:
group of bees; joey: young kangaroo, young koala; kid: young goat; kindle: group of kittens; kit:
young fox, young rabbit; kitten: young cat, young rabbit; kitty: young cat; lamb: young sheep;
larva: young butterfly; leopardess: female leopard; leveret: young hare; lioness: female lion;
litter: group of puppies, group of kittens; mare: female horse; murder: group of crows; nanny:
female goat; nanny goat: female goat; owlet: young owl; pack: group of wolves; parliament: group of
owls; parr: young salmon; peacock: male peafowl; peahen: female peafowl; pen: female swan; piglet:
young pig; plague: group of locusts; pod: group of whales, group of dolphins; poult: young turkey;
pride: group of lions; pup: young dog, young seal, young wolf, young fox, young rabbit, young
kangaroo; puppy: young dog; ram: male sheep; rooster: male chicken; school: group of fish, group of
whales, group of dolphins; shoal: group of fish; skein: group of geese; smolt: young salmon; sow:
female pig; spat: young oyster; spiderling: young spider; squab: young pigeon; stag: male deer;
stallion: male horse; swarm: group of bees, group of locusts; tadpole: young frog; tigress: female
tiger; tod: male fox; tom: male cat; tomcat: male cat; tribe: group of monkeys; troop: group of
monkeys; vixen: female fox; whelp: young wolf
""")


def test_young_animals() -> None:
    told = list(pairs("young_animals", "thing", "word"))
    assert len(told) >= 130
    for thing, word in told:
        assert thing.removeprefix("a ") in ANIMAL_WORDS[word], (thing, word)
    assert {thing.removeprefix("a ") for thing, _ in told} == set().union(*ANIMAL_WORDS.values())


COUNTRIES = second_list("""
Afghan: Afghanistan; Algerian: Algeria; American: United States; Andorran: Andorra; Angolan:
Angola; Argentine: Argentina; Argentinean: Argentina; Argentinian: Argentina; Australian:
Australia; Austrian: Austria; Bahamian: Bahamas; Bahraini: Bahrain; Bajan: Barbados; Bangladeshi:
Bangladesh; Barbadian: Barbados; Belgian: Belgium; Belizean: Belize; Beninese: Benin; Bhutanese:
Bhutan; Bolivian: Bolivia; Botswanan: Botswana; Brazilian: Brazil; British: United Kingdom;
Bruneian: Brunei; Burkinabe: Burkina Faso; Burkinese: Burkina Faso; Burundian: Burundi; Cambodian:
Cambodia; Cameroonian: Cameroon; Canadian: Canada; Cape Verdean: Cape Verde; Chadian: Chad;
Chilean: Chile; Colombian: Colombia; Costa Rican: Costa Rica; Cuban: Cuba; Cypriot: Cyprus;
Djiboutian: Djibouti; East Timorese: East Timor, Timor-Leste; Ecuadoran: Ecuador; Ecuadorean:
Ecuador; Ecuadorian: Ecuador; Egyptian: Egypt; Emirati: United Arab Emirates; Equatoguinean:
Equatorial Guinea; Equatorial Guinean: Equatorial Guinea; Eritrean: Eritrea; Ethiopian: Ethiopia;
Gabonese: Gabon; Gambian: Gambia; Ghanaian: Ghana; Grenadian: Grenada; Guatemalan: Guatemala;
Guinean: Guinea; Guyanese: Guyana; Honduran: Honduras; Indian: India; Iranian: Iran; Iraqi: Iraq;
Israeli: Israel; Ivorian: Ivory Coast, Cote d'Ivoire; Jamaican: Jamaica; Jordanian: Jordan; Kenyan:
Kenya; Kuwaiti: Kuwait; Lebanese: Lebanon; Liberian: Liberia; Libyan: Libya; Malawian: Malawi;
Malaysian: Malaysia; Malian: Mali; Mauritanian: Mauritania; Mauritian: Mauritius; Mexican: Mexico;
Micronesian: Micronesia; Monacan: Monaco; Monegasque: Monaco; Moroccan: Morocco; Motswana:
Botswana; Mozambican: Mozambique; Namibian: Namibia; Nicaraguan: Nicaragua; Nigerian: Nigeria;
Nigerien: Niger; Omani: Oman; Pakistani: Pakistan; Panamanian: Panama; Papua New Guinean: Papua New
Guinea; Papuan: Papua New Guinea; Paraguayan: Paraguay; Peruvian: Peru; Qatari: Qatar; Rwandan:
Rwanda; Saint Lucian: Saint Lucia; Salvadoran: El Salvador; Salvadorean: El Salvador; Salvadorian:
El Salvador; Sammarinese: San Marino; San Marinese: San Marino; Saudi: Saudi Arabia; Saudi Arabian:
Saudi Arabia; Senegalese: Senegal; Sierra Leonean: Sierra Leone; Singaporean: Singapore; South
African: South Africa; South Sudanese: South Sudan; Sri Lankan: Sri Lanka; Sudanese: Sudan;
Surinamese: Suriname; Swiss: Switzerland; Syrian: Syria; Tanzanian: Tanzania; Timorese: East Timor;
Togolese: Togo; Tunisian: Tunisia; Ugandan: Uganda; Uruguayan: Uruguay; Venezuelan: Venezuela;
Yemeni: Yemen; Yemenite: Yemen; Zambian: Zambia; Zimbabwean: Zimbabwe
""")
NAMES = {"Ivory Coast": "CI", "Cote d'Ivoire": "CI", "East Timor": "TL"}


def test_people_words() -> None:
    for country, word in pairs("people_words", "country", "word"):
        assert country in COUNTRIES[word], (country, word)


def test_people_words_are_no_languages_of_the_country() -> None:
    """Else the fact would be one of the subject about languages as well."""
    codes = {
        name.replace("St. ", "Saint "): code for code, name in ENGLISH.territories.items()
    } | NAMES
    for country, word in pairs("people_words", "country", "word"):
        code = codes[country]
        tongues = get_official_languages(code, regional=True, de_facto=True)
        assert word not in {ENGLISH.languages.get(tongue) for tongue in tongues}, country
