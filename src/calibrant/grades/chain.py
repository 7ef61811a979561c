"""One grader, else the next: "exact+judge"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from calibrant import registry
from calibrant.errors import InvalidData
from calibrant.grades.grader import Grader, Note, Ruling
from calibrant.records import Answered, Question, Verdict, content_hash
from calibrant.settings import settings_of, with_settings


@dataclass(frozen=True, kw_only=True)
class Chain(Grader):
    """Correct when one of several graders says so; each sees what those before did not accept.

    Not accepted by any, an answer has the last grader's verdict: cheap and strict ones come first.
    """

    name: ClassVar = "chain"
    graders: tuple[str, ...] = ("exact", "substring")
    """Names, in the order in which they are asked."""
    settings: tuple[str, ...] = ()
    """"NAME=VALUE" of their settings; each goes to every grader that has it."""

    @cached_property
    def links(self) -> tuple[Grader, ...]:
        """The graders with their settings.

        Raises
        ------
        InvalidData
            When there is none, or none has a setting of that name.
        """
        if not self.graders:
            raise InvalidData("a chain of no graders grades nothing")
        usual: list[Grader] = [registry.get("grades", name)() for name in self.graders]
        has = [
            [text for text in self.settings if text.partition("=")[0] in settings_of(grader)]
            for grader in usual
        ]
        if unknown := set(self.settings) - {text for texts in has for text in texts}:
            known = ", ".join(sorted({name for grader in usual for name in settings_of(grader)}))
            raise InvalidData(
                f"none of {', '.join(self.graders)} has the setting {min(unknown)!r};"
                f" they have {known or 'none'}"
            )
        return tuple(map(with_settings, usual, has))

    def check(self) -> None:
        """Those of each link."""
        for link in self.links:
            link.check()

    @property
    def label(self) -> str:
        """The labels of the graders."""
        return "+".join(grader.label for grader in self.links)

    @property
    def digest(self) -> str:
        """Of those of the graders."""
        return content_hash(*(grader.digest for grader in self.links))

    def settled(self, question: Question) -> Ruling | None:
        """What the last grader says of the question, where it is settled for all of them."""
        rulings = [grader.settled(question) for grader in self.links]
        return rulings[-1] if all(rulings) else None

    def rulings(self, items: Sequence[Answered], note: Note) -> list[Ruling]:
        """Each grader rules on what is left."""
        found: dict[int, Ruling] = {}
        left = list(range(len(items)))
        for grader in self.links:
            for i, grade in zip(left, grader.grade([items[i] for i in left], note)):
                reason = f"{grader.name}: {grade.reason}" if grade.reason else grader.name
                found[i] = Ruling(grade.verdict, reason, grade.soft)
            left = [i for i in left if found[i].verdict is not Verdict.CORRECT]
        return [found[i] for i in range(len(items))]
