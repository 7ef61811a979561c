"""SimpleQA (Wei et al. 2024)."""

from __future__ import annotations

from ast import literal_eval
from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Simpleqa(Published):
    """SimpleQA: short facts that models get wrong."""

    name: ClassVar = "simpleqa"
    hub: ClassVar = "basicv8vc/SimpleQA"
    revision: ClassVar = "e319282ab125c3dbd0c7fd00be2e4dd54e7e8f94"
    formats: ClassVar = ("open",)
    schema: ClassVar = (
        "openai/simple-evals, simple_qa_test_set.csv: metadata (a Python dict as text), problem,"
        " answer; the hub's copy has the same columns"
    )
    files: ClassVar = ("simple_qa_test_set.csv",)

    def ask(self, row: Row) -> Ask | None:
        """The subject is the topic in the metadata."""
        topic = literal_eval(row["metadata"])["topic"]
        return Ask(text=row["problem"], targets=(str(row["answer"]),), subject=topic)
