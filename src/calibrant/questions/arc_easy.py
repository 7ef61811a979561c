"""ARC, easy set (Clark et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, lettered


class ArcEasy(Published):
    """ARC easy: grade-school science."""

    name: ClassVar = "arc_easy"
    hub: ClassVar = "allenai/ai2_arc"
    config: ClassVar = "ARC-Easy"
    revision: ClassVar = "210d026faf9955653af8916fad021475a3f00453"
    schema: ClassVar = "dataset card: question, choices {text, label}, answerKey (A-E or 1-5)"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """The key is a label of the row's own."""
        return lettered(row["question"], row["choices"], row["answerKey"])
