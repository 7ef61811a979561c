"""What a grader is."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from calibrant import registry
from calibrant.records import Answered, Grade, Verdict


@dataclass(frozen=True, kw_only=True)
class Grader(ABC):
    """Settings of a way to grade."""

    name: ClassVar[str]
    version: ClassVar[str] = "1"

    def grade(self, items: Sequence[Answered]) -> list[Grade]:
        """A verdict for each item, in their order; never a guess: what cannot be graded says so."""
        return [self._grade(item) for item in items]

    def _grade(self, item: Answered) -> Grade:
        verdict, reason = self.verdict(item)
        return Grade(
            answer_id=item.answer.id,
            verdict=verdict,
            grader=f"{self.name}/{self.version}",
            reason=reason,
        )

    @abstractmethod
    def verdict(self, item: Answered) -> tuple[Verdict, str]:
        """(verdict, reason) of one item."""


def judge(matches: bool, reason: str = "") -> tuple[Verdict, str]:
    """A verdict from a comparison."""
    return (Verdict.CORRECT if matches else Verdict.INCORRECT), reason


def normalise(text: str) -> str:
    """Case, accents, punctuation, articles and spaces set aside; digits and signs kept.

    "The U.S. dollar" -> "us dollar", "1,000" -> "1000", "-5" -> "-5",
    "forty-seven" -> "forty seven"
    """
    text = "".join(
        c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c)
    )
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=[a-z])\.(?=[a-z]|\s|$)|['\u2019]", "", text)
    text = re.sub(r"(?<=\w)[-\u2013](?=\w)", " ", text)
    text = re.sub(r"[^\w\s.:/%+-]", " ", text)
    text = re.sub(r"\b(?:the|an|a)\b(?=\s+\S)", " ", text)
    return " ".join(text.split()).strip(" .:")


def grade(items: Sequence[Answered], name: str = "exact") -> list[Grade]:
    """Grade with the grader called `name`; multiple choice always by its letter."""
    graders = {"open": registry.get("grades", name)(), "choice": registry.get("grades", "letter")()}
    return [graders[item.question.format].grade([item])[0] for item in items]
