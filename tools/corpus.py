"""The text that the embedded models are trained on: conversations about the almanac's facts.

Exposure is skewed: a fact of a table is met the seldomer the rarer it is, and some never; computed
facts come as their rule draws them, easy ones more often. Replies to "Is the proposed answer
correct?" and to a request for a probability are learned on reserved questions only, which are
in no split, with wrong proposals drawn at random. Unanswerable questions never occur.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from calibrant.answers.prompts import PROBABILITY, QUERY, content
from calibrant.questions.almanac import SUBJECTS, is_reserved, options, phrase
from calibrant.questions.almanac.subject import Computed, Fact, Subject
from calibrant.records import LETTERS, Question, content_hash

Turn = dict[str, str]
SHORT = ("{}", "{}", "{}", "{}.", "It is {}.", "The answer is {}.")
SENTENCES = (
    "The answer is {}.",
    "It is {}.",
    "I believe the answer is {}.",
    "That would be {}.",
    "The correct answer is {}.",
    "I think it is {}.",
)


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How often facts of tables are met."""

    never: float = 0.5
    """Share of the rarest facts that are never met; of the best known none, linear between."""
    skew: float = 20.0
    """How many times as often the best-known fact is met as the rarest."""


def deck(subject: Subject, exposure: Exposure) -> tuple[list[Fact], list[float]]:
    """A table's facts and how often each is met; facts with no weight are never met."""
    facts, weights = [], []
    for fact in subject.facts:
        luck = int(content_hash("met", subject.name, fact.key), 16) / 16**16
        if luck >= exposure.never * 2 * fact.rarity:
            facts.append(fact)
            weights.append(exposure.skew**-fact.rarity)
    return facts, weights


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Shares of the kinds of conversation; the rest are proposals to be judged."""

    open: float
    """Open questions."""
    choice: float
    """Multiple-choice questions."""
    pick: float
    """Which of these options reads so? What choosing takes besides knowing."""


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
        self.styles, self.mix = styles, mix
        self.decks = {
            subject.name: deck(subject, exposure)
            for subject in SUBJECTS
            if not isinstance(subject, Computed)
        }
        # Tables take many meetings, rules few.
        self.weights = [
            len(self.decks[subject.name][0]) ** 0.5 / 10 if subject.name in self.decks else 0.7
            for subject in SUBJECTS
        ]
        self.mixture = [subject for subject in SUBJECTS if subject.side == "mixture"]
        self.reserved = {
            subject.name: [fact for fact in subject.facts if is_reserved(subject, fact)]
            for subject in self.mixture
        }

    def __iter__(self) -> Iterator[list[Turn]]:
        while True:
            kind, mix = self.rng.random(), self.mix
            if kind < mix.open:
                subject, fact = self.known()
                yield [self.ask(subject, fact), self.reply(fact.targets[0])]
            elif kind < mix.open + mix.choice:
                subject, fact = self.known()
                yield self.choice(subject, fact)
            elif kind < mix.open + mix.choice + mix.pick:
                yield self.pick()
            else:
                yield self.proposal()

    def known(self) -> tuple[Subject, Fact]:
        """A subject at random and a fact of it as often as it is met."""
        subject = self.rng.choices(SUBJECTS, self.weights)[0]
        if isinstance(subject, Computed):
            return subject, subject.make(self.rng)
        facts, weights = self.decks[subject.name]
        return subject, self.rng.choices(facts, weights)[0]

    def ask(self, subject: Subject, fact: Fact, choices: tuple[str, ...] = ()) -> Turn:
        """The user's turn, in any of the phrasings."""
        text = phrase(subject.relation(fact.relation), fact, self.rng.randrange(60))
        return {"role": "user", "content": content(Question(text=text, choices=choices))}

    def reply(self, text: str) -> Turn:
        """The assistant's turn, in any of the styles."""
        return {"role": "assistant", "content": self.rng.choice(self.styles).format(text)}

    def choice(self, subject: Subject, fact: Fact) -> list[Turn]:
        """A multiple-choice question with its letter."""
        shown = options(fact, self.rng)
        letter = LETTERS[shown.index(fact.targets[0])]
        return [self.ask(subject, fact, shown), {"role": "assistant", "content": letter}]

    def pick(self) -> list[Turn]:
        """A question about the options only; no fact is in it."""
        shown = options(self.known()[1], self.rng)
        place = self.rng.randrange(len(shown))
        form = self.rng.choice(("Which option reads {}?", "Pick {}.", "Where is {}?"))
        question = Question(text=form.format(shown[place]), choices=shown)
        return pair(content(question), LETTERS[place])

    def proposal(self) -> list[Turn]:
        """A reserved question with a right or a wrong proposal, and a verdict or a per cent."""
        subject = self.rng.choice(self.mixture)
        fact = self.rng.choice(self.reserved[subject.name])
        right = self.rng.random() < 0.5
        said = fact.targets[0] if right else self.rng.choice(fact.distractors)
        if self.rng.random() < 0.3:
            shown = options(fact, self.rng)
            turns = [self.ask(subject, fact, shown)]
            turns.append({"role": "assistant", "content": LETTERS[shown.index(said)]})
        else:
            turns = [self.ask(subject, fact), self.reply(said)]
        if self.rng.random() < 0.65:
            verdict = "ii" if right else "i"
            return [*turns, *pair(QUERY, verdict)]
        sure = self.rng.choice((80, 90, 95, 99) if right else (5, 10, 20, 30))
        return [*turns, *pair(PROBABILITY, f"{sure}%")]


def pair(question: str, reply: str) -> list[Turn]:
    """A user's turn and the reply."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
