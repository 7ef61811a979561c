"""LiveCodeBench (Jain et al. 2024)."""

from __future__ import annotations

import base64
import io
import json
import pickle
import zlib
from typing import Any, ClassVar

from calibrant.questions.published import Ask, Published, Row

_CHECK = """
import json as _json
for _given, _wanted in {cases!r}:
    _found = Solution().{name}(*map(_json.loads, _given.split("\\n")))
    _found = list(_found) if isinstance(_found, tuple) else _found
    assert _found == _json.loads(_wanted), f"{{_given!r}} gives {{_found!r}}, not {{_wanted}}"
"""


class Livecodebench(Published):
    """LiveCodeBench: contest problems with tests, those of LeetCode only (grader code)."""

    name: ClassVar = "livecodebench"
    hub: ClassVar = "livecodebench/code_generation_lite"
    revision: ClassVar = "0fe84c3912ea0c4d4a78037083943e8f0c4dd505"
    hub_files: ClassVar = "test*.jsonl"
    files: ClassVar = ("test*.jsonl",)
    formats: ClassVar = ("open",)
    schema: ClassVar = (
        "LiveCodeBench/LiveCodeBench, lcb_runner/benchmarks/code_generation.py at"
        " 9af8fc86eee8a46432e7cbbfbef5d8d163da6a41: question_content, platform, starter_code,"
        " difficulty, public_test_cases, private_test_cases (JSON, or that packed), metadata"
    )
    unlabelled: ClassVar = "reads standard input: no function to test"

    def ask(self, row: Row) -> Ask | None:
        """The difficulty is the subject; all tests are used, in the order given."""
        cases = [*json.loads(row["public_test_cases"]), *_cases(row["private_test_cases"])]
        if row["platform"] != "leetcode" or any(c["testtype"] != "functional" for c in cases):
            return None
        starter = f"from typing import *\n{row['starter_code'].rstrip()}"
        text = f"{row['question_content'].strip()}\nBegin the program with these lines:\n{starter}"
        return Ask(
            text=text,
            tests=_CHECK.format(
                cases=[(case["input"], case["output"]) for case in cases],
                name=json.loads(row["metadata"])["func_name"],
            ),
            subject=row["difficulty"],
        )


class _Plain(pickle.Unpickler):
    """Text and nothing else: a pickle that names any class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError(f"packed tests that name {module}.{name}")


def _cases(text: str) -> list[dict[str, str]]:
    """Test cases from JSON, or from JSON that was pickled, compressed and put in base 64."""
    if not text.lstrip().startswith("["):
        packed = zlib.decompress(base64.b64decode(text))
        text = _Plain(io.BytesIO(packed)).load()
    return list(json.loads(text))
