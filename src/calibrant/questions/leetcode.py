"""LeetCodeDataset (Xia et al. 2025)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Leetcode(Published):
    """LeetCode: problems with tests, later than many models (grader code)."""

    name: ClassVar = "leetcode"
    hub: ClassVar = "newfacade/LeetCodeDataset"
    revision: ClassVar = "215604aeed660029df7de2fea5a4d7b6ed476a08"
    formats: ClassVar = ("open",)
    schema: ClassVar = (
        "newfacade/LeetCodeDataset at 182cd19fd53161efd70a1ef074fe1056b659bfa3: task_id, difficulty"
        " and problem_description (v0.3), prompt (imports), query, entry_point, test"
    )
    files: ClassVar = ("LeetCodeDataset-v0.3.1-{split}.jsonl.gz",)

    def ask(self, row: Row) -> Ask | None:
        """The imports are part of what is asked for: the tests need them."""
        text = f"{row['query'].strip()}\nBegin the program with these lines:\n{row['prompt']}"
        tests = f"{row['test']}\ncheck({row['entry_point']})\n"
        return Ask(text=text, tests=tests, subject=row.get("difficulty", ""))
