"""MMLU-Pro (Wang et al. 2024)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row
from calibrant.tables import as_list


class MmluPro(Published):
    """MMLU-Pro: up to ten options, 14 categories (for answers to it see run --answers)."""

    name: ClassVar = "mmlu_pro"
    hub: ClassVar = "TIGER-Lab/MMLU-Pro"
    revision: ClassVar = "3373e0b32277875b8db2aa555a333b78a08477ea"
    shots_from: ClassVar = "validation"
    schema: ClassVar = "dataset card: question, options (3-10), answer (letter), answer_index, ..."

    def ask(self, row: Row) -> Ask | None:
        """The category is the subject."""
        options = as_list(row["options"])
        right = int(row["answer_index"])
        return Ask(text=row["question"], choices=options, right=right, subject=row["category"])
