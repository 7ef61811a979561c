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

    def verdict(self, item: Answered) -> Ruling:
        """The whole answer counts where nothing was extracted."""
        said = normalise(item.answer.extracted or item.answer.text)
        return judge(said in {normalise(target) for target in item.question.targets})
