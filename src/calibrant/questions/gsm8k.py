"""GSM8K (Cobbe et al. 2021)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Gsm8k(Published):
    """GSM8K: grade-school mathematics, to be graded as numbers."""

    name: ClassVar = "gsm8k"
    hub: ClassVar = "openai/gsm8k"
    config: ClassVar = "main"
    revision: ClassVar = "e53f048856ff4f594e959d75785d2c2d37b678ee"
    shots_from: ClassVar = "train"
    formats: ClassVar = ("open",)
    schema: ClassVar = "dataset card: question, answer (steps, then '#### ' and the number)"

    def ask(self, row: Row) -> Ask | None:
        """The target is what follows the mark."""
        _, mark, target = row["answer"].rpartition("####")
        return Ask(text=row["question"], targets=(target.strip(),)) if mark else None
