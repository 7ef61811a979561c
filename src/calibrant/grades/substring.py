"""A target stands in the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, Ruling, judge, normalise
from calibrant.records import Answered


@dataclass(frozen=True, kw_only=True)
class Substring(Grader):
    """Correct when a normalised target stands, as whole words, in the normalised answer.

    Lenient to long answers and harsh to paraphrases (Kapoor et al. 2024: 16.8 points off).
    """

    name: ClassVar = "substring"
    version: ClassVar = "4"

    def verdict(self, item: Answered) -> Ruling:
        """A target that is nothing after normalisation stands nowhere."""
        said = f" {normalise(item.answer.text)} "
        targets = filter(None, map(normalise, item.question.targets))
        return judge(any(f" {target} " in said for target in targets))
