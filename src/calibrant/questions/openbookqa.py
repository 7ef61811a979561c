"""OpenBookQA (Mihaylov et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, lettered


class Openbookqa(Published):
    """OpenBookQA: elementary science with a fact to apply."""

    name: ClassVar = "openbookqa"
    hub: ClassVar = "allenai/openbookqa"
    config: ClassVar = "main"
    revision: ClassVar = "388097ea7776314e93a529163e0fea805b8a6454"
    schema: ClassVar = "dataset card: question_stem, choices {text, label}, answerKey"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """The key is a label of the row's own."""
        return lettered(row["question_stem"], row["choices"], row["answerKey"].strip())
