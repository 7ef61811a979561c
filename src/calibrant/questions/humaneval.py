"""HumanEval (Chen et al. 2021)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Humaneval(Published):
    """HumanEval: functions to complete, graded by their tests (grader code)."""

    name: ClassVar = "humaneval"
    hub: ClassVar = "openai/openai_humaneval"
    revision: ClassVar = "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544"
    formats: ClassVar = ("open",)
    schema: ClassVar = "dataset card: task_id, prompt, canonical_solution, test, entry_point"
    files: ClassVar = ("HumanEval.jsonl.gz",)

    def ask(self, row: Row) -> Ask | None:
        """The question is the program's beginning."""
        return Ask(text=row["prompt"], tests=f"{row['test']}\ncheck({row['entry_point']})\n")
