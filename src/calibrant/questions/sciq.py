"""SciQ (Welbl et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, shuffled


class Sciq(Published):
    """SciQ: science examinations."""

    name: ClassVar = "sciq"
    hub: ClassVar = "allenai/sciq"
    revision: ClassVar = "2c94ad3e1aafab77146f384e23536f97a4849815"
    schema: ClassVar = "dataset card: question, correct_answer, distractor1..3, support (unused)"
    part: ClassVar = "train"

    def ask(self, row: Row) -> Ask | None:
        """The right answer has a column of its own, so the options are put in another order."""
        wrong = [row[f"distractor{i}"] for i in (1, 2, 3)]
        choices, right = shuffled(row["correct_answer"], wrong)
        return Ask(text=row["question"], choices=choices, right=right)
