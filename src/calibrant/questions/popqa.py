"""PopQA (Mallen et al. 2023)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row
from calibrant.tables import as_list


class Popqa(Published):
    """PopQA: facts on entities of all degrees of fame, 16 relations."""

    name: ClassVar = "popqa"
    hub: ClassVar = "akariasai/PopQA"
    revision: ClassVar = "098765c79ea10a2cb19c828324e33281b8336ec0"
    formats: ClassVar = ("open",)
    schema: ClassVar = "dataset card: question, possible_answers (a JSON list as text), prop, ..."

    def ask(self, row: Row) -> Ask | None:
        """The relation is the subject."""
        targets = as_list(row["possible_answers"])
        return Ask(text=row["question"], targets=targets, subject=str(row["prop"]))
