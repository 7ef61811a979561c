"""The almanac: the question set that comes with the package.

Real facts and exact computations only: 56 subjects of four categories, each open-ended and multiple
choice. Subjects lie on three sides: the training mixture, development (for every choice that is
made) and unseen (the test subjects). Unanswerable questions match the others in form.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import ClassVar

from calibrant.questions.almanac import (
    measures,
    numbers,
    spelling,
    words,
    world,
)
from calibrant.questions.almanac.subject import Computed, Fact, Relation, Subject
from calibrant.questions.source import QuestionSource
from calibrant.records import Question, Source, content_hash

REVISION = "1"
SUBJECTS: tuple[Subject, ...] = tuple(
    sorted(
        (
            *world.SUBJECTS,
            *numbers.SUBJECTS,
            *words.SUBJECTS,
            *spelling.SUBJECTS,
            *measures.SUBJECTS,
        ),
        key=lambda subject: subject.name,
    )
)
RESERVED_SHARE = 0.1
"""Share of the mixture's groups kept out of the set: models learn to judge proposals on them."""
N_CHOICES = 4


@dataclass(frozen=True, kw_only=True)
class Almanac(QuestionSource):
    """The almanac's questions.

    Every fact is asked once open-ended and once with choices, and so are further phrasings of it
    while a subject has fewer than `n_per_subject` of a format.
    """

    name: ClassVar = "almanac"
    n_per_subject: int = 300
    """At most so many open and so many multiple-choice questions of a subject."""
    n_impossible: int = 24
    """Unanswerable questions of a subject and format."""

    def load(self) -> list[Question]:
        """All questions, subject by subject."""
        found: dict[str, Question] = {}
        for subject in SUBJECTS:
            for question in (*self._answerable(subject), *self._impossible(subject)):
                found.setdefault(question.id, question)
        return list(found.values())

    def _answerable(self, subject: Subject) -> list[Question]:
        kept = (fact for fact in subject.stream() if not is_reserved(subject, fact))
        if isinstance(subject, Computed):  # drawn at random as they come
            facts = list(islice(kept, self.n_per_subject))
        else:
            facts = sorted(kept, key=lambda f: content_hash(f.relation, sorted(f.slots.items())))
        made: list[Question] = []
        for turn in range(3):
            for fact in facts[: self.n_per_subject - len(made) // 2]:
                relation = subject.relation(fact.relation)
                first = int(content_hash(fact.key, fact.relation), 16)
                text = phrase(relation, fact, first + turn)
                made += [_question(subject, fact, text, with_choices=c) for c in (False, True)]
        return made

    def _impossible(self, subject: Subject) -> list[Question]:
        if subject.impossible is None:
            return []
        rng = random.Random(f"impossible {subject.name}")
        some = list(islice(subject.stream(), self.n_per_subject))
        made = []
        for i in range(self.n_impossible):
            name, slots = subject.impossible(rng)
            like = rng.choice([fact for fact in some if fact.relation == name])
            fact = Fact(
                relation=name,
                key=f"impossible {i}",
                slots=slots,
                targets=(),
                distractors=(*like.distractors[:3], like.targets[0]),
                rarity=1.0,
            )
            text = phrase(subject.relation(name), fact, i)
            made += [_question(subject, fact, text, with_choices=c) for c in (False, True)]
        return made


def is_reserved(subject: Subject, fact: Fact) -> bool:
    """Whether a fact of the mixture is kept out of the question set, for the making of models."""
    share = int(content_hash("reserved", subject.name, fact.key), 16) / 16**16
    return subject.side == "mixture" and share < RESERVED_SHARE


def phrase(relation: Relation, fact: Fact, turn: int) -> str:
    """One of the phrasings of a question."""
    return relation.questions[turn % len(relation.questions)].format(**fact.slots)


def options(fact: Fact, rng: random.Random) -> tuple[str, ...]:
    """Options of a multiple-choice question in a random order."""
    shown = [*fact.targets[:1], *fact.distractors][:N_CHOICES]
    return tuple(rng.sample(shown, len(shown)))


def _question(subject: Subject, fact: Fact, text: str, *, with_choices: bool) -> Question:
    return Question(
        text=text,
        choices=options(fact, random.Random(text)) if with_choices else (),
        targets=fact.targets[:1] if with_choices else fact.targets,
        answerable=bool(fact.targets),
        source=Source(name="almanac", revision=REVISION, split=subject.side),
        group=f"{subject.name}:{fact.key}",
        subject=subject.name,
        category=subject.category,
    )


@cache
def subject(name: str) -> Subject:
    """The subject called `name`."""
    return next(subject for subject in SUBJECTS if subject.name == name)
