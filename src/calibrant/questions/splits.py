"""Train, validation, calibration, test: disjoint by question group, the same whatever the order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from calibrant.errors import InvalidData
from calibrant.records import Question, content_hash

Split = Literal["train", "validation", "calibration", "test"]
SHARES: Mapping[Split, float] = {
    "train": 0.55,
    "validation": 0.1,
    "calibration": 0.15,
    "test": 0.2,
}
"""Shares of the groups of the mixture."""
SUBSETS = ("seen", "development", "unseen", "unanswerable")
HELD_OUT = ("development", "unseen")
"""Parts of a source whose subjects nothing is fitted on."""


def split_of(question: Question, seed: int = 0) -> Split:
    """The split of a question: by a hash of its group; held-out parts are test throughout."""
    if question.source.split in HELD_OUT or not question.answerable:
        return "test"
    place = int(content_hash("split", seed, question.group), 16) / 16**16
    edge = 0.0
    for split, share in SHARES.items():
        edge += share
        if place < edge:
            return split
    return "test"


def subset_of(question: Question) -> str:
    """One of `SUBSETS`: "seen" for everything that is of no other."""
    if not question.answerable:
        return "unanswerable"
    return question.source.split if question.source.split in HELD_OUT else "seen"


def check_disjoint(questions: Iterable[tuple[Question, Split]]) -> None:
    """Raise when a group stands on two sides.

    Raises
    ------
    InvalidData
        Naming the group and the two splits.
    """
    where: dict[str, str] = {}
    for question, split in questions:
        if where.setdefault(question.group, split) != split:
            raise InvalidData(
                f"group {question.group!r} is in {where[question.group]} and in {split}:"
                f" {question.text[:80]!r}"
            )


def by_split(questions: Sequence[Question], seed: int = 0) -> dict[Split, list[Question]]:
    """The questions of each split."""
    found: dict[Split, list[Question]] = {split: [] for split in SHARES}
    for question in questions:
        found[split_of(question, seed)].append(question)
    check_disjoint((q, split) for split, members in found.items() for q in members)
    return found
