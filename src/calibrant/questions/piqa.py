"""PIQA (Bisk et al. 2020)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Piqa(Published):
    """PIQA: which of two ways reaches an everyday goal?"""

    name: ClassVar = "piqa"
    hub: ClassVar = "ybisk/piqa"
    config: ClassVar = "plain_text"
    revision: ClassVar = "078a131412f46a38025a762322c174a8bae2610c"
    converted: ClassVar = True
    schema: ClassVar = "dataset card: goal, sol1, sol2, label (-1 in test)"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """Two solutions; -1 is no label."""
        if int(row["label"]) < 0:
            return None
        return Ask(text=row["goal"], choices=(row["sol1"], row["sol2"]), right=int(row["label"]))
