"""The questions that experiments draw from, and what their files hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from calibrant import registry
from calibrant.questions.source import load_questions
from calibrant.questions.splits import HELD_OUT
from calibrant.records import Question, content_hash
from calibrant.tables import Malformed, Reading, suffix_of

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


@cache
def content(questions: str) -> str:
    """Hash of the files that are named, and of those in folders that are."""
    digests = []
    for path in _files(questions):
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return content_hash(digests)


def _files(questions: str) -> Iterator[Path]:
    """Files by the rule by which sources are named: FILE or NAME:PATH, held out or not."""
    for text in map(str.strip, questions.split(",")):
        part, _, rest = text.partition("=")
        text = rest if part in HELD_OUT and rest else text
        name, _, path = text.partition(":")
        if suffix_of(text) and name not in registry.variants("questions"):
            path = text
        if path and Path(path).is_dir():
            yield from (inner for inner in sorted(Path(path).rglob("*")) if inner.is_file())
        elif path and Path(path).is_file():
            yield Path(path)
