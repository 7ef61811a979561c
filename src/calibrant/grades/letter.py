"""The letter of the chosen option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, judge, normalise
from calibrant.records import LETTERS, Answered, Verdict


@dataclass(frozen=True, kw_only=True)
class Letter(Grader):
    """Correct when the extracted letter is that of an option that is a target."""

    name: ClassVar = "letter"

    def verdict(self, item: Answered) -> tuple[Verdict, str]:
        """An answer without a letter cannot be graded by its letter."""
        question = item.question
        if not question.choices:
            return Verdict.UNGRADED, "the question has no choices"
        if not question.answerable:
            return judge(False, "the question has no answer")
        targets = {normalise(target) for target in question.targets}
        right = [i for i, text in enumerate(question.choices) if normalise(text) in targets]
        if not right:
            return Verdict.UNGRADED, "no choice is a target"
        if item.answer.extracted not in LETTERS[: len(question.choices)] or (
            not item.answer.extracted
        ):
            return Verdict.UNGRADED, "no letter was found in the answer"
        return judge(LETTERS.index(item.answer.extracted) in right)
