"""Questions of one's own, from a CSV, JSONL or Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from calibrant.errors import InvalidData
from calibrant.questions.fields import Seen, question_of
from calibrant.questions.source import TWO_GROUPS, QuestionSource, text_group
from calibrant.records import Question, Source, content_hash
from calibrant.tables import Reading, Row, iterate_table, suffix_of

T = TypeVar("T")
REPEATED = "the same question a second time"
SAME_ID = "the id of an earlier question"


@dataclass(frozen=True, kw_only=True)
class Table(QuestionSource):
    """Columns `question` and `target` or `targets`; optional others, see docs/questions.md."""

    name: ClassVar = "table"
    path: str = ""
    """The file."""
    reading: Reading = field(default_factory=Reading)
    """Its columns, and what is done with rows that cannot be used."""

    @classmethod
    def at(cls, path: str, reading: Reading, seed: int) -> QuestionSource:
        """The file at the path."""
        return cls(path=path, reading=reading)

    def load(self) -> list[Question]:
        """One question a row, in the file's order."""
        return list(self.iterate())

    def iterate(self) -> Iterator[Question]:
        """One question a row; the same question twice is an error, or skipped and counted."""
        if not self.path:
            raise InvalidData("name the file itself as the question source, e.g. questions.jsonl")
        bars = "csv" in suffix_of(self.path)

        def read(row: Row) -> Question:
            return question_of(row, self.reading, source=Source(name="table"), bars=bars)

        return usable(self.path, self.reading, read, lambda question: question)


def usable(
    path: str,
    reading: Reading,
    read: Callable[[Row], T | None],
    of: Callable[[T], Question],
    key: Callable[[T], str] | None = None,
) -> Iterator[T]:
    """What `read` makes of each row of a file (None: nothing of ours), each question once.

    Where `key` is given, each of these hashes is there once in place of each question.

    Rows that it refuses (InvalidData), and questions that come again, that stand in two groups or
    that have another's `id`, are errors that name the row, or are skipped and counted.
    """
    malformed, n = reading.malformed, 0
    with closing(Seen()) as ids, closing(Seen()) as groups, closing(Seen()) as names:
        for where, row in iterate_table(path, malformed):
            try:
                item = read(row)
            except InvalidData as error:
                malformed.refuse(
                    where, str(error), detail="; ".join(getattr(error, "__notes__", ()))
                )
                continue
            if item is None:
                continue
            question = of(item)
            text = text_group(question.context, question.text)
            name = reading.cell(row, "id")
            if not ids.is_new(key(item) if key else question.id):
                malformed.refuse(where, REPEATED)
            elif groups.first(text, question.group) != question.group:
                malformed.refuse(where, TWO_GROUPS)
            elif name is not None and question.id != names.first(
                content_hash("id", str(name)), question.id
            ):
                malformed.refuse(where, SAME_ID)
            else:
                n += 1
                yield item
    if not n:
        told = f": {malformed}" if malformed.n_read else ""
        raise InvalidData(f"{path} has no rows{' that can be used' if told else ''}{told}")
