"""Exact match after normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, Ruling, judge, normalise
from calibrant.records import Answered


@dataclass(frozen=True, kw_only=True)
class Exact(Grader):
    """Correct when the extracted answer, or the whole of it, equals a target, both normalised."""

    name: ClassVar = "exact"
    version: ClassVar = "5"

    def verdict(self, item: Answered) -> Ruling:
        """The whole answer counts, too: a title may begin as a lead-in does ("This Is It")."""
        said = {_key(text) for text in {item.answer.said, item.answer.text}} - {""}
        return judge(not said.isdisjoint(map(_key, item.question.targets)))


def _key(text: str) -> str:
    """A mark that is nothing after normalisation stands for itself."""
    return normalise(text) or text.strip()
