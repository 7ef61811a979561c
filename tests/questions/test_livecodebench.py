"""LiveCodeBench: the tests that come packed."""

from __future__ import annotations

import base64
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from calibrant.errors import InvalidData
from calibrant.questions.source import load_questions
from calibrant.tables import write_table

from .schemas import CASES, LIVE


@pytest.mark.parametrize("packed", [True, False])
def test_livecodebench_tests_decide(tmp_path: Path, packed: bool) -> None:
    row = LIVE if packed else {**LIVE, "private_test_cases": CASES}
    write_table(tmp_path / "test.jsonl", [row])
    (question,) = load_questions(f"livecodebench:{tmp_path}")
    assert question.subject == "easy" and question.tests.count("[1, 2]") == 2
    place: dict[str, Any] = {}
    exec("class Solution:\n def add(self, a, b): return tuple(a + x for x in b)", place)
    exec(question.tests, place)
    exec("class Solution:\n def add(self, a, b): return b", place)
    with pytest.raises(AssertionError, match=r"not \[3, 4\]"):
        exec(question.tests, place)


def test_livecodebench_unpacks_nothing_that_runs(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (print, ("run",))

    evil = base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode()
    write_table(tmp_path / "test.jsonl", [{**LIVE, "private_test_cases": evil}])
    with pytest.raises(InvalidData, match=r"name builtins\.print"):
        load_questions(f"livecodebench:{tmp_path}")
