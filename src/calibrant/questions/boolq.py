"""BoolQ (Clark et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, truth_of


class Boolq(Published):
    """BoolQ: yes/no questions on a passage (instruction sets leave the passage out)."""

    name: ClassVar = "boolq"
    hub: ClassVar = "google/boolq"
    revision: ClassVar = "35b264d03638db9f4ce671b711558bf7ff0f80d5"
    schema: ClassVar = "dataset card: question (no question mark), passage, answer (bool)"
    open_text: ClassVar = "{text} Answer True or False."
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """False before True, as the paper's code has them."""
        return Ask(
            text=f"{row['question'].rstrip('?')}?",
            context=row["passage"],
            choices=("False", "True"),
            right=int(truth_of(row["answer"])),
        )
