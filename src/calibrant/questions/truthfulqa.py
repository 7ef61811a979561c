"""TruthfulQA (Lin et al. 2022)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row, shuffled


class Truthfulqa(Published):
    """TruthfulQA: questions that many people answer falsely."""

    name: ClassVar = "truthfulqa"
    hub: ClassVar = "truthfulqa/truthful_qa"
    config: ClassVar = "generation"
    revision: ClassVar = "741b8276f2d1982aa3d5b832d3ee81ed3b896490"
    schema: ClassVar = (
        "dataset card: category, question, best_answer, correct_answers, incorrect_answers;"
        " sylinrl/TruthfulQA, TruthfulQA.csv: the same, answers parted by ;"
    )
    files: ClassVar = ("TruthfulQA.csv",)
    part: ClassVar = "validation"

    def ask(self, row: Row) -> Ask | None:
        """The choice is between the best answer and the incorrect ones."""
        if "Question" in row:
            several = {
                name: [text.strip() for text in (row[name] or "").split(";") if text.strip()]
                for name in ("Correct Answers", "Incorrect Answers")
            }
            best, subject, text = row["Best Answer"], row["Category"], row["Question"]
            correct, wrong = several["Correct Answers"], several["Incorrect Answers"]
        else:
            best, subject, text = row["best_answer"], row["category"], row["question"]
            correct, wrong = row["correct_answers"], row["incorrect_answers"]
        choices, right = shuffled(best.strip(), list(wrong))
        targets = tuple(dict.fromkeys([best.strip(), *correct]))
        return Ask(text=text, choices=choices, right=right, targets=targets, subject=subject)
