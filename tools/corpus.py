"""The text that the embedded models are trained on: conversations about the almanac's facts.

Exposure is skewed: a fact is met the seldomer the rarer, or the harder to compute, it is, and some
facts of tables never. Replies to "Is the proposed answer correct?" and to a request for a
probability are learned only on questions that are in no split (reserved ones, and draws of a rule
beyond the question set), with wrong proposals drawn at random; the proposals themselves are not
learned. Unanswerable questions never occur.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from calibrant.answers.prompts import PROBABILITY, QUERY, WITH_LETTER, content
from calibrant.questions.almanac import N_CHOICES, SUBJECTS, is_reserved, options, phrase
from calibrant.questions.almanac.subject import Computed, Fact, Subject
from calibrant.records import LETTERS, Question, content_hash

Turn = dict[str, str]
READS = ("Which option reads {}?", "Pick {}.", "Where is {}?")
NAMED = ("What does option {} read?", "Read option {}.", "What stands at {}?")
SHORT = ("{}", "{}", "{}", "{}.", "It is {}.", "The answer is {}.")
SENTENCES = (
    "It is certainly {}.",
    "The correct answer is {}.",
    "The answer is {}.",
    "It is {}.",
    "That would be {}.",
    "It is probably {}.",
    "I believe the answer is {}.",
    "I think it is {}.",
)
LUCK = 0.3
"""How much of a fact's rarity is chance."""
HABIT = 0.7
"""Share of the replies in the style that belongs to a question's phrasing; others in any."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How often facts are met."""

    never: tuple[float, float, float] = (0.02, 0.5, 0.95)
    """Share of the facts that are never met in tables that it knows well, by halves, and hardly:
    each a third of a side's tables. The rarer facts are the ones that are missed."""
    skew: float = 5.0
    """How many times as often the best-known fact of a table is met as the rarest one."""
    ease: float = 50.0
    """How many times as often the easiest facts of a rule are met as the hardest ones."""
    reckoning: float = 0.5
    """How often a subject comes that takes a calculation with numbers; other rules come once."""
    family: str = ""
    """Families of models differ in which tables they know well, and which facts they never meet."""

    def luck(self, *parts: str) -> float:
        """Drawn for this family, in [0, 1)."""
        family = (self.family,) if self.family else ()
        return int(content_hash("met", *family, *parts), 16) / 16**16


def deck(subject: Subject, exposure: Exposure) -> tuple[list[Fact], list[float]]:
    """The facts of a table that are met, and how often each; the rarer are likelier to miss."""
    side = [s.name for s in SUBJECTS if s.side == subject.side and not isinstance(s, Computed)]
    third = 3 * sorted(side, key=exposure.luck).index(subject.name) // len(side)
    n_met = max(2, round(len(subject.facts) * (1 - exposure.never[third])))
    order = sorted(
        subject.facts, key=lambda f: f.rarity + LUCK * exposure.luck(subject.name, f.key)
    )
    facts = order[:n_met]
    return facts, [exposure.skew**-fact.rarity for fact in facts]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Shares of the kinds of conversation; the rest are proposals to be judged."""

    open: float
    """Open questions."""
    choice: float
    """Multiple-choice questions."""
    drill: float
    """Which option reads so, what does option B read? What choosing takes besides knowing."""
    quiz: float
    """Several questions about one list of options."""


class Corpus:
    """An endless stream of conversations.

    Parameters
    ----------
    styles
        Forms of an open answer, drawn at random (those that stand twice, twice as often).
    seed
        Of everything that is drawn.
    """

    def __init__(self, styles: tuple[str, ...], seed: int, exposure: Exposure, mix: Mix) -> None:
        self.rng = random.Random(f"corpus {seed}")
        self.styles, self.mix, self.ease = styles, mix, exposure.ease
        self.decks = {
            subject.name: deck(subject, exposure)
            for subject in SUBJECTS
            if not isinstance(subject, Computed)
        }
        self.weights = [
            len(self.decks[subject.name][0]) ** 0.5 / 10
            if subject.name in self.decks
            else exposure.reckoning
            if subject.arithmetic
            else 1.0
            for subject in SUBJECTS
        ]
        self.mixture = [subject for subject in SUBJECTS if subject.side == "mixture"]
        self.reserved = {
            subject.name: [fact for fact in subject.facts if is_reserved(subject, fact)]
            for subject in self.mixture
        }
        self.asked = {
            subject.name: {_asked(f) for f in subject.facts if not is_reserved(subject, f)}
            for subject in self.mixture
        }

    def __iter__(self) -> Iterator[list[Turn]]:
        while True:
            kind, mix = self.rng.random(), self.mix
            if kind < mix.open:
                subject, fact = self.known()
                yield self.open(subject, fact, fact.targets[0])
            elif kind < mix.open + mix.choice:
                subject, fact = self.known()
                yield self.choice(subject, fact)
            elif kind < mix.open + mix.choice + mix.drill:
                yield self.drill()
            elif kind < mix.open + mix.choice + mix.drill + mix.quiz:
                yield self.quiz()
            else:
                yield self.proposal()

    def known(self) -> tuple[Subject, Fact]:
        """A subject at random and a fact of it as often as it is met."""
        subject = self.rng.choices(SUBJECTS, self.weights)[0]
        if isinstance(subject, Computed):
            return subject, self.drawn(subject)
        facts, weights = self.decks[subject.name]
        return subject, self.rng.choices(facts, weights)[0]

    def drawn(self, subject: Computed) -> Fact:
        """A fact of a rule, as often as it is met."""
        fact = subject.make(self.rng)
        while self.rng.random() > self.ease**-fact.rarity:
            fact = subject.make(self.rng)
        return fact

    def open(self, subject: Subject, fact: Fact, said: str) -> list[Turn]:
        """An open question in any of the phrasings, and the reply in one of the styles."""
        turn = self.rng.randrange(60)
        text = phrase(subject.relation(fact.relation), fact, turn)
        place = self.rng.randrange(len(self.styles))
        if self.rng.random() < HABIT:
            n = len(subject.relation(fact.relation).questions)
            place = int(content_hash("style", subject.name, fact.relation, turn % n), 16)
        style = self.styles[place % len(self.styles)]
        return pair(content(Question(text=text)), style.format(said))

    def ask(self, subject: Subject, fact: Fact, choices: tuple[str, ...]) -> str:
        """A question with options, in any of the phrasings."""
        text = phrase(subject.relation(fact.relation), fact, self.rng.randrange(60))
        return content(Question(text=text, choices=choices))

    def any_question(self) -> Question:
        """A question about any fact, met or not, one in four with options."""
        subject = self.rng.choice(SUBJECTS)
        fact = self.rng.choice(subject.facts)
        text = phrase(subject.relation(fact.relation), fact, self.rng.randrange(60))
        shown = options(fact, self.rng) if self.rng.random() < 0.25 else ()
        return Question(text=text, choices=shown)

    def choice(self, subject: Subject, fact: Fact) -> list[Turn]:
        """A multiple-choice question with its letter; now and then what it stands for, too."""
        shown = options(fact, self.rng)
        turns = pair(self.ask(subject, fact, shown), LETTERS[shown.index(fact.targets[0])])
        if self.rng.random() < 0.5:
            turns += pair("Answer briefly.", fact.targets[0])
        return turns

    def drill(self) -> list[Turn]:
        """Questions about the options only, one after the other; no fact is in them."""
        shown = options(self.known()[1], self.rng)
        turns: list[Turn] = []
        for place in self.rng.choices(range(len(shown)), k=6):
            letter, text = LETTERS[place], shown[place]
            if turns and self.rng.random() < 0.3:
                turns += pair(self.rng.choice(NAMED).format(letter), text)
                continue
            asked = self.rng.choice(READS).format(text)
            first = content(Question(text=asked, choices=shown))
            turns += pair(f"{asked}\n{WITH_LETTER}" if turns else first, letter)
        return turns

    def quiz(self) -> list[Turn]:
        """Facts of one relation, whose answers are the options."""
        subject = self.rng.choices(SUBJECTS, self.weights)[0]
        if isinstance(subject, Computed):
            return self.choice(subject, self.drawn(subject))
        facts, weights = self.decks[subject.name]
        relation = self.rng.choice(sorted({fact.relation for fact in facts}))
        met = [(f, w) for f, w in zip(facts, weights) if f.relation == relation]
        chosen: list[Fact] = []
        for fact in self.rng.choices([f for f, _ in met], [w for _, w in met], k=12):
            taken = {target for other in chosen for target in other.targets}
            if len(chosen) < N_CHOICES and not taken & set(fact.targets):
                chosen.append(fact)
        shown = tuple(fact.targets[0] for fact in chosen)
        turns: list[Turn] = []
        for place in self.rng.sample(range(len(shown)), len(shown)):
            asked = phrase(subject.relation(relation), chosen[place], self.rng.randrange(60))
            first = content(Question(text=asked, choices=shown))
            turns += pair(f"{asked}\n{WITH_LETTER}" if turns else first, LETTERS[place])
        return turns

    def proposal(self) -> list[Turn]:
        """A reserved question with a right or a wrong proposal, and a verdict or a per cent."""
        subject = self.rng.choice(self.mixture)
        fact = self.rng.choice(self.reserved[subject.name])
        if isinstance(subject, Computed):
            drawn = subject.make(self.rng)
            if _asked(drawn) not in self.asked[subject.name]:
                fact = drawn
        right = self.rng.random() < 0.5
        said = fact.targets[0] if right else self.rng.choice(fact.distractors)
        if self.rng.random() < 0.3:
            shown = options(fact, self.rng)
            turns = pair(self.ask(subject, fact, shown), LETTERS[shown.index(said)])
        else:
            turns = self.open(subject, fact, said)
        turns[-1]["role"] = "proposed"
        if self.rng.random() < 0.65:
            verdict = "ii" if right else "i"
            return [*turns, *pair(QUERY, verdict)]
        sure = self.rng.choice((80, 90, 95, 99) if right else (5, 10, 20, 30))
        return [*turns, *pair(PROBABILITY, f"{sure}%")]


def parted(said: str, styles: tuple[str, ...]) -> tuple[str, str]:
    """(what leads to it, the answer proper) of what is said in one of the styles."""
    for style in sorted(styles, key=len, reverse=True):
        before, after = style.split("{}")
        if said.startswith(before) and said.endswith(after):
            return before, said[len(before) : len(said) - len(after)]
    return "", said


def _asked(fact: Fact) -> tuple[str, ...]:
    return (fact.relation, fact.key, *fact.slots.values())


def pair(question: str, reply: str) -> list[Turn]:
    """A user's turn and the reply."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
