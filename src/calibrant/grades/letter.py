"""The letter of the chosen option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.answers.extract import extract
from calibrant.grades.grader import Grader, Ruling, judge, normalise
from calibrant.records import LETTERS, NONE_TOLD, Answered, Format, Question, Verdict

NO_LETTER = "no letter was found in the answer"


@dataclass(frozen=True, kw_only=True)
class Letter(Grader):
    """Correct when the answer names the letter, or the text, of an option that is a target."""

    name: ClassVar = "letter"
    version: ClassVar = "5"
    formats: ClassVar[tuple[Format, ...]] = ("choice",)

    def settled(self, question: Question) -> Ruling | None:
        """Without choices there is no letter."""
        if question.answerable and not question.choices:
            return Ruling(Verdict.UNGRADED, "the question has no choices")
        return super().settled(question)

    def verdict(self, item: Answered) -> Ruling:
        """An answer without a letter cannot be graded by its letter."""
        question, answer = item.question, item.answer
        right = _right(question)
        if not right:
            return Ruling(Verdict.UNGRADED, "no choice is a target")
        valid = LETTERS[: len(question.choices)]
        letter = answer.extracted if len(answer.extracted) == 1 else ""
        if letter not in [*valid, NONE_TOLD]:
            letter = extract(answer.text, question)
        if letter in ("", NONE_TOLD):
            return Ruling(Verdict.UNGRADED, NO_LETTER)
        return judge(LETTERS.index(letter) in right)


def _right(question: Question) -> list[int]:
    """Places of the options that are targets: as they stand, or where none is, once normalised."""
    choices = list(enumerate(question.choices))
    if right := [i for i, text in choices if text in question.targets]:
        return right
    targets = set(map(normalise, question.targets))
    return [i for i, text in choices if normalise(text) in targets]
