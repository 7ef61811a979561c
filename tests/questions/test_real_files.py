"""Published sets: counts of real files against the published ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from calibrant.questions.mmlu import SUBJECTS
from calibrant.questions.source import load_questions
from calibrant.tables import Reading

from .schemas import SOURCES

SHARED = Path(__file__).parents[3] / "shared" / "data"
COUNTS = [  # file, rows, choice, open
    ("mmlu", "mmlu", 14_042, 13_937, 13_917),
    ("gsm8k", "gsm8k", 1319, 0, 1319),
    ("selfaware", "selfaware", 2337 + 1032, 0, 3369),
    ("truthfulqa", "truthfulqa", 790, 790, 790),
    ("nq_open", "nq_open", 3610, 0, 3610),
    ("simpleqa", "simpleqa", 4326, 0, 4326),
    ("opentriviaqa", "opentriviaqa", 49_716, 49_716, 49_716),
    ("humaneval", "humaneval", 164, 0, 164),
    ("mbpp", "mbpp", 974, 0, 974),
    ("leetcode", "leetcode", 228, 0, 228),
    ("arc_easy", "llm_adapters/ARC-Easy", 2251, 2251, 2251),
    ("arc_challenge", "llm_adapters/ARC-Challenge", 1119, 1118, 1118),
    ("boolq", "llm_adapters/boolq", 9427, 9427, 9427),
    ("openbookqa", "llm_adapters/openbookqa", 4957, 4952, 4901),
    ("math_qa", "llm_adapters/mathqa/test.json", 2985, 2985, 2985),
    ("piqa", "llm_adapters/piqa/test.json", 1838, 1838, 1838),
    ("social_i_qa", "llm_adapters/social_i_qa/test.json", 1954, 1935, 1935),
    ("winogrande", "llm_adapters/winogrande/test.json", 1267, 1267, 1267),
    ("mmlu_pro", "mmlu_pro_outputs/gemma-7b.zip", 12_032, 11_873, 11_758),
]


@pytest.mark.parametrize(
    ("name", "place", "n", "n_choice", "n_open"),
    [
        pytest.param(*row, id=row[0], marks=[pytest.mark.slow] if row[0] == "opentriviaqa" else [])
        for row in COUNTS
    ],
)
def test_counts_of_real_files(name: str, place: str, n: int, n_choice: int, n_open: int) -> None:
    if not (SHARED / place).exists():
        pytest.skip("../shared/data is not there")
    reading = Reading()
    found = load_questions(f"{name}:{SHARED / place}", reading)
    formats = Counter(question.format for question in found)
    assert reading.malformed.n_read == n
    assert (formats["choice"], formats["open"]) == (n_choice, n_open)
    assert all(reason.endswith("question again") for reason, _ in reading.malformed)
    lost = reading.malformed.counts
    assert formats["choice"] in (0, n - lost["the same choice question again"])
    assert n_open == n - lost["the same open question again"]
    assert not any("Answer format" in question.text for question in found)


def test_selfaware_and_mmlu_as_published() -> None:
    if not SHARED.exists():
        pytest.skip("../shared/data is not there")
    found = load_questions(f"selfaware:{SHARED / 'selfaware'}")
    assert Counter(q.answerable for q in found) == {True: 2337, False: 1032}
    assert all(bool(q.targets) == q.answerable for q in found)
    assert [len(names.split()) for names in SUBJECTS.values()] == [19, 13, 12, 13]
    reading = Reading()
    mmlu = SOURCES["mmlu"](path=str(SHARED / "mmlu"), split="dev", reading=reading).load()
    assert reading.malformed.n_read == 285
    n_choice = sum(bool(q.choices) for q in mmlu)
    assert n_choice == 285 - reading.malformed.counts["the same choice question again"]
    assert len({q.subject for q in mmlu}) == 57
    assert {q.subject: q.category for q in mmlu}["anatomy"] == "STEM"
