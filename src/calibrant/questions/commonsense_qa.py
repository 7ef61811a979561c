"""CommonsenseQA (Talmor et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, lettered


class CommonsenseQa(Published):
    """CommonsenseQA: five options around one concept."""

    name: ClassVar = "commonsense_qa"
    hub: ClassVar = "tau/commonsense_qa"
    revision: ClassVar = "94630fe30dad47192a8546eb75f094926d47e155"
    schema: ClassVar = "dataset card: question, choices {label, text}, answerKey (empty in test)"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """The test split has no keys."""
        return lettered(row["question"], row["choices"], row["answerKey"])
