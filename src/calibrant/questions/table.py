"""Questions of one's own, from a CSV, JSONL or Parquet file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from calibrant.errors import InvalidData
from calibrant.questions.source import QuestionSource
from calibrant.records import Question, Source
from calibrant.tables import as_list, read_table


@dataclass(frozen=True, kw_only=True)
class Table(QuestionSource):
    """Columns `question` and `target` or `targets`; optional `choices, context, subject, group`.

    Lists are JSON lists, or in CSV forms parted by `|`.
    """

    name: ClassVar = "table"
    path: str = ""
    """The file."""

    def load(self) -> list[Question]:
        """One question a row; the same question twice is an error."""
        if not self.path:
            raise InvalidData("name the file itself as the question source, e.g. questions.jsonl")
        found: dict[str, Question] = {}
        for number, row in enumerate(read_table(self.path), 1):
            question = self._question(row, f"{self.path}, row {number}")
            if question.id in found:
                raise InvalidData(f"{self.path}, row {number}: the same question a second time")
            found[question.id] = question
        return list(found.values())

    def _question(self, row: dict[str, Any], where: str) -> Question:
        if not row.get("question"):
            raise InvalidData(f"{where}: field 'question' is missing or empty")
        targets = as_list(row.get("targets", row.get("target")))
        if not targets:
            raise InvalidData(f"{where}: field 'target' or 'targets' is missing or empty")
        choices = as_list(row.get("choices"))
        if choices and not set(targets) & set(choices):
            raise InvalidData(f"{where}: no target is among the choices")
        return Question(
            text=str(row["question"]),
            targets=targets,
            choices=choices,
            source=Source(name="table"),
            context=str(row.get("context") or ""),
            group=str(row.get("group") or ""),
            subject=str(row.get("subject") or ""),
            category=str(row.get("category") or ""),
        )
