"""What a question source is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from calibrant import registry
from calibrant.records import Question
from calibrant.tables import SUFFIXES


@dataclass(frozen=True, kw_only=True)
class QuestionSource(ABC):
    """Settings of a source."""

    name: ClassVar[str]

    @abstractmethod
    def load(self) -> list[Question]:
        """All its questions, always in the same order, ids unique.

        `Question.source.split` tells the part: "mixture" (to be split by `splits.py`),
        "development", "unseen" (subjects that nothing is fitted on).
        """


def load_questions(name: str) -> list[Question]:
    """The questions of the source called `name`, or of a file of one's own.

    Raises
    ------
    UnknownName
        When there is no such source and it is no file's name.
    """
    if Path(name).suffix in SUFFIXES:
        source: QuestionSource = registry.get("questions", "table")(path=name)
    else:
        source = registry.get("questions", name)()
    return source.load()
