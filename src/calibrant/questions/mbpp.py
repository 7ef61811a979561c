"""MBPP (Austin et al. 2021)."""

from __future__ import annotations

from typing import ClassVar

from calibrant.questions.published import Ask, Published, Row


class Mbpp(Published):
    """MBPP: small programs, graded by their tests (grader code)."""

    name: ClassVar = "mbpp"
    hub: ClassVar = "google-research-datasets/mbpp"
    config: ClassVar = "full"
    revision: ClassVar = "4bb6404fdc6cacfda99d4ac4205087b89d32030c"
    formats: ClassVar = ("open",)
    schema: ClassVar = "dataset card: task_id, text, code, test_list, test_setup_code, ..."
    files: ClassVar = ("mbpp.jsonl",)

    def ask(self, row: Row) -> Ask | None:
        """The first test shows the name and the arguments, as the authors prompt it."""
        tests = [line.replace("\r\n", "\n") for line in row["test_list"]]
        text = f"{row['text']}\nYour Python code must pass this test:\n{tests[0]}"
        setup = (row["test_setup_code"] or "").replace("\r\n", "\n")
        return Ask(text=text, tests="\n".join([setup, *tests]).strip() + "\n")
