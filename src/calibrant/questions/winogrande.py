"""WinoGrande (Sakaguchi et al. 2020)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Winogrande(Published):
    """WinoGrande: which of two fills the blank?"""

    name: ClassVar = "winogrande"
    hub: ClassVar = "allenai/winogrande"
    config: ClassVar = "winogrande_xl"
    revision: ClassVar = "01e74176c63542e6b0bcb004dcdea22d94fb67b5"
    schema: ClassVar = "dataset card: sentence (blank _), option1, option2, answer (1, 2, or empty)"
    open_text: ClassVar = "{text}\nWhat fits the blank: {choices}?"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """An empty answer is no label."""
        if row["answer"] not in ("1", "2"):
            return None
        choices = row["option1"], row["option2"]
        return Ask(text=row["sentence"], choices=choices, right=int(row["answer"]) - 1)
