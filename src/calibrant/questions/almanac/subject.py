"""What a subject of the almanac is: a table of facts, or a rule that computes them."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Literal

Category = Literal["world", "numbers", "words", "measures"]
Side = Literal["mixture", "development", "unseen"]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that is so, ready to be asked about."""

    relation: str
    """Which relation of the subject asks for it."""
    key: str
    """What it is a fact about; facts that tell of one another share the key (and so the split)."""
    slots: Mapping[str, str]
    """What fills the question templates of the relation."""
    targets: tuple[str, ...]
    """All accepted answers, the usual form first."""
    distractors: tuple[str, ...]
    """At least three plausible wrong answers, none of them a target, no two alike."""
    rarity: float
    """0 = everybody knows it, 1 = hardly anybody does."""


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One way in which a subject asks."""

    name: str
    """Short and unique within the subject."""
    questions: tuple[str, ...]
    """At least three phrasings with the slots in braces, each a question or a request."""
    given: str = ""
    """Tables: the column that is told (its name is the slot)."""
    wanted: str = ""
    """Tables: the column that is asked for."""
    slips: Callable[[str], tuple[str, ...]] | None = None
    """Tables: wrong answers that a given value invites, e.g. mouse -> mouses."""


@dataclass(frozen=True, kw_only=True)
class Subject(ABC):
    """About fifty to thousands of facts of one kind."""

    name: str
    """snake_case."""
    category: Category
    """One of four."""
    side: Side
    """Training mixture, development, or unseen (the test subjects)."""
    relations: tuple[Relation, ...]
    """Every way of asking."""
    arithmetic: bool = False
    """Whether answering takes a calculation with numbers."""
    impossible: Callable[[random.Random], tuple[str, dict[str, str]]] | None = None
    """Draws (relation, slots) of a question of the same form that has no answer."""

    @abstractmethod
    def stream(self) -> Iterator[Fact]:
        """All facts, distinct, always in the same order."""

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, always in the same order."""
        return tuple(self.stream())

    def relation(self, name: str) -> Relation:
        """The relation called `name`."""
        return next(relation for relation in self.relations if relation.name == name)


@dataclass(frozen=True, kw_only=True)
class Table(Subject):
    """Facts from `tables/NAME.tsv`: a header of column names, then a row a fact, best known first.

    A cell may hold several accepted forms parted by `|`, the usual one first. Where a given value
    stands in several rows, the wanted values of all of them are accepted.
    """

    @cached_property
    def rows(self) -> tuple[dict[str, tuple[str, ...]], ...]:
        """The table's rows: column name -> accepted forms."""
        text = (files(__package__) / "tables" / f"{self.name}.tsv").read_text("utf-8")
        header, *lines = (line.split("\t") for line in text.splitlines())
        return tuple(
            dict(zip(header, (tuple(cell.split("|")) for cell in line), strict=True))
            for line in lines
        )

    def stream(self) -> Iterator[Fact]:
        """Relation by relation, in the order of the rows."""
        return (fact for relation in self.relations for fact in self._facts(relation))

    def _facts(self, relation: Relation) -> list[Fact]:
        wanted: dict[str, dict[str, None]] = {}
        rank: dict[str, int] = {}
        key: dict[str, str] = {}
        for index, row in enumerate(self.rows):
            given = row[relation.given][0]
            rank.setdefault(given, index)
            # The rarer column names the row, so that both directions of a relation share a key.
            key.setdefault(given, next(iter(row.values()))[0])
            wanted.setdefault(given, {}).update(dict.fromkeys(row[relation.wanted]))
        usual = list(dict.fromkeys(row[relation.wanted][0] for row in self.rows))
        facts = []
        for given, targets in wanted.items():
            rng = random.Random(f"{self.name} {relation.name} {given}")
            others = [value for value in usual if value not in targets]
            slips = [s for s in (relation.slips or _no_slips)(given) if s not in targets][:2]
            others = [value for value in others if value not in slips]
            facts.append(
                Fact(
                    relation=relation.name,
                    key=key[given],
                    slots={relation.given: given},
                    targets=tuple(targets),
                    distractors=(*slips, *rng.sample(others, 3 - len(slips))),
                    rarity=rank[given] / len(self.rows),
                )
            )
        return facts


def _no_slips(given: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Computed(Subject):
    """Facts that a rule computes: `make` draws one; the first `n` distinct ones are the subject."""

    make: Callable[[random.Random], Fact]
    """Draws a fact."""
    n: int
    """How many distinct facts to hold."""
    seed: int = field(default=0)
    """Of the draws."""

    def stream(self) -> Iterator[Fact]:
        """In the order in which they are first drawn."""
        rng = random.Random(f"{self.name} {self.seed}")
        found: set[str] = set()
        for _ in range(50 * self.n):
            fact = self.make(rng)
            asked = f"{fact.relation} {sorted(fact.slots.items())}"
            if asked not in found:
                found.add(asked)
                yield fact
                if len(found) == self.n:
                    return
        raise RuntimeError(f"{self.name}: only {len(found)} distinct facts of {self.n}")
