"""SelfAware (Yin et al. 2023)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.errors import InvalidData
from calibrant.questions.published import Ask, Published, Row, truth_of
from calibrant.tables import as_texts


class Selfaware(Published):
    """SelfAware: 2,337 questions with an answer and 1,032 without one."""

    name: ClassVar = "selfaware"
    formats: ClassVar = ("open",)
    schema: ClassVar = (
        "yinzhangyue/SelfAware, data/SelfAware.json at f0bad1ff77bd42fc4eb2360281ed646c7bb7bd0c:"
        " question, answer (list, or null), answerable, source"
    )
    files: ClassVar = ("SelfAware.json", "data/SelfAware.json")

    def ask(self, row: Row) -> Ask | None:
        """An unanswerable question has no targets; any answer to it is wrong."""
        answerable = truth_of(row["answerable"])
        if answerable and row["answer"] is None:
            raise InvalidData("an answerable question has no answer")
        targets = as_texts(row["answer"]) if answerable else ()
        return Ask(text=row["question"], targets=targets, answerable=answerable)
