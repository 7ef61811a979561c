"""The questions that experiments draw from."""

from __future__ import annotations

from functools import cache

from calibrant import registry
from calibrant.questions.source import load_questions
from calibrant.records import Question
from calibrant.tables import Malformed, Reading

Columns = tuple[tuple[str, str], ...]
"""(field, column of another name)."""
MORE, MOST = (2_000, 1600), (18_000, 2000)
"""With more training questions than the first, so many of each of the almanac's subjects."""


def n_per_subject(n_train: int) -> int:
    """How many questions of each of the almanac's subjects it takes; 0 for the usual number."""
    return max((n for edge, n in (MORE, MOST) if n_train > edge), default=0)


@cache
def pool(
    questions: str, n_each: int, seed: int, columns: Columns = (), skip: bool = False
) -> tuple[tuple[Question, ...], str]:
    """(all questions, what is told of rows that were left out); the almanac has more if asked."""
    if questions == "almanac" and n_each:
        return tuple(registry.get("questions", "almanac")(n_per_subject=n_each).load()), ""
    reading = Reading(columns=dict(columns), malformed=Malformed(skip=skip))
    found = tuple(load_questions(questions, reading, seed))
    return found, str(reading.malformed) if reading.malformed.counts else ""
