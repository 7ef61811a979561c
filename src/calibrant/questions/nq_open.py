"""NQ-open (Lee et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row
from calibrant.tables import as_texts


class NqOpen(Published):
    """NQ-open: what people asked a search engine."""

    name: ClassVar = "nq_open"
    hub: ClassVar = "google-research-datasets/nq_open"
    revision: ClassVar = "5dd9790a83002ad084ddeb7c420dc716852c6f28"
    formats: ClassVar = ("open",)
    schema: ClassVar = "dataset card: question (no question mark), answer (list)"
    files: ClassVar = ("NQ-open.dev.jsonl",)
    part: ClassVar = "validation"

    def ask(self, row: Row) -> Ask | None:
        """Some published files come without answers."""
        if not row.get("answer"):
            return None
        return Ask(text=f"{row['question'].rstrip('?')}?", targets=as_texts(row["answer"]))
