"""Unit tests, in a sandbox."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from calibrant.grades.grader import Grader, Note, Ruling, judge
from calibrant.grades.sandbox import ProgramLimits, run_programs
from calibrant.records import Answered, Question, Verdict

_FENCE = re.compile(r"^([ \t]*)```[ \t]*([^\n`]*?)[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL | re.M)
_PYTHON = ("", "python", "py", "python3")
_STARTS = re.compile(r"^(?:async\s+def|def|class|import|from|@\w)", re.MULTILINE)
_DEFINES = re.compile(r"^[ \t]*(?:async\s+def|def|class)\s", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Code(Grader):
    """Correct when the program in the answer passes the question's tests, in a sandbox.

    The program is what the blocks between ``` define, else the first of them, else the whole answer
    without the words before it; one that begins indented goes on from the question's text. A
    program that meets its own limits is incorrect; one that could not be run is ungraded.
    """

    name: ClassVar = "code"
    version: ClassVar = "2"
    wall_s: float = 10.0
    """Seconds that a program and its tests may take."""
    cpu_s: int = 5
    """Seconds of the processor."""
    memory_mb: int = 512
    """Megabytes of memory."""
    n_processes: int = 16
    """Processes and threads."""
    python: str = "/usr/bin/python3"
    """The interpreter: of the system, with nothing but the standard library."""
    unsandboxed: bool = False
    """Run programs that nobody has read with your rights: they can do all that you can."""

    @property
    def label(self) -> str:
        """Says so when there was no sandbox."""
        return super().label + " unsandboxed" * self.unsandboxed

    def settled(self, question: Question) -> Ruling | None:
        """There must be tests."""
        if not question.answerable:
            return super().settled(question)
        return None if question.tests else Ruling(Verdict.UNGRADED, "the question has no tests")

    def rulings(self, items: Sequence[Answered], note: Note) -> list[Ruling]:
        """Each program by itself, one for each core at a time."""
        limits = ProgramLimits(
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
            memory_mb=self.memory_mb,
            n_processes=self.n_processes,
        )
        outcomes = run_programs(
            [(program(item), item.question.tests) for item in items],
            limits,
            python=self.python,
            unsandboxed=self.unsandboxed,
        )
        return [
            Ruling(Verdict.UNGRADED, outcome.reason)
            if outcome.end == "harness"
            else judge(outcome.end == "passed", outcome.reason)
            for outcome in outcomes
        ]


def program(item: Answered) -> str:
    """The program that an answer gives."""
    text = item.answer.text
    blocks = [
        textwrap.dedent(found[3]) if found[1] else found[3]  # a block in a list is indented with it
        for found in _FENCE.finditer(text)
        if found[2].lower() in _PYTHON
    ]
    defining = [block for block in blocks if _DEFINES.search(block)]
    code = "\n".join(defining) or next(iter(blocks), None) or _without_words(text)
    first = next((line for line in code.splitlines() if line.strip()), "")
    return f"{item.question.text}\n{code}" if first[:1].isspace() else code


def _without_words(text: str) -> str:
    """From the first definition or import on, where a sentence stands before it."""
    found = _STARTS.search(text)
    before = text[: found.start()].rstrip() if found else ""
    return text[found.start() :] if found and before.endswith((":", ".", "!")) else text
