"""A target stands in the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, judge, normalise
from calibrant.records import Answered, Verdict


@dataclass(frozen=True, kw_only=True)
class Substring(Grader):
    """Correct when a normalised target stands, as whole words, in the normalised answer.

    Lenient to long answers and harsh to paraphrases (Kapoor et al. 2024: 16.8 points off).
    """

    name: ClassVar = "substring"

    def verdict(self, item: Answered) -> tuple[Verdict, str]:
        """Any answer to an unanswerable question is wrong."""
        question = item.question
        if not question.answerable:
            return judge(False, "the question has no answer")
        if not question.targets:
            return Verdict.UNGRADED, "the question has no target"
        said = f" {normalise(item.answer.text)} "
        return judge(any(f" {normalise(target)} " in said for target in question.targets))
