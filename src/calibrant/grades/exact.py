"""Exact match after normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, Ruling, judge, normalise
from calibrant.records import Answered


@dataclass(frozen=True, kw_only=True)
class Exact(Grader):
    """Correct when the extracted answer equals a target, both normalised."""

    name: ClassVar = "exact"
    version: ClassVar = "2"

    def verdict(self, item: Answered) -> Ruling:
        """The whole answer counts where nothing was extracted."""
        said = _key(item.answer.extracted or item.answer.text)
        return judge(bool(said) and said in map(_key, item.question.targets))


def _key(text: str) -> str:
    """A mark that is nothing after normalisation stands for itself."""
    return normalise(text) or text.strip()
