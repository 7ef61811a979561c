"""CosmosQA (Huang et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class CosmosQa(Published):
    """CosmosQA: reading between the lines of a short narrative."""

    name: ClassVar = "cosmos_qa"
    hub: ClassVar = "allenai/cosmos_qa"
    revision: ClassVar = "ed50fe83db62b355759053b1cd5eef344ee371e0"
    converted: ClassVar = True
    schema: ClassVar = "dataset card: context, question, answer0..3, label (-1 in test)"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """Four answers; -1 is no label."""
        if int(row["label"]) < 0:
            return None
        return Ask(
            text=row["question"],
            context=row["context"],
            choices=tuple(row[f"answer{i}"] for i in range(4)),
            right=int(row["label"]),
        )
