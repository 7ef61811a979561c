"""Exact match after normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, judge, normalise
from calibrant.records import Answered, Verdict


@dataclass(frozen=True, kw_only=True)
class Exact(Grader):
    """Correct when the extracted answer equals a target, both normalised."""

    name: ClassVar = "exact"

    def verdict(self, item: Answered) -> tuple[Verdict, str]:
        """Any answer to an unanswerable question is wrong."""
        question = item.question
        if not question.answerable:
            return judge(False, "the question has no answer")
        if not question.targets:
            return Verdict.UNGRADED, "the question has no target"
        said = normalise(item.answer.extracted or item.answer.text)
        return judge(said in {normalise(target) for target in question.targets})
