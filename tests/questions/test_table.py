"""Questions of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibrant import registry
from calibrant.errors import CalibrantError, InvalidData, UnknownName
from calibrant.questions.mixture import equal_quota
from calibrant.questions.source import load_questions
from calibrant.questions.splits import check_disjoint
from calibrant.records import Question


def write(folder: Path, text: str, name: str = "q.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_csv_and_jsonl(tmp_path: Path) -> None:
    path = write(tmp_path, "question,targets,choices,subject\nWhat?,a|b,,s\nWhich?,a,a|b,t\n")
    one, two = load_questions(path)
    assert one.targets == ("a", "b") and one.format == "open" and one.subject == "s"
    assert two.choices == ("a", "b") and two.format == "choice"
    line = '{"question": "What?", "targets": ["a|b", "c"], "group": "g"}\n'
    (three,) = load_questions(write(tmp_path, line, "q.jsonl"))
    assert three.targets == ("a|b", "c") and three.group == "g"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question,target\n,a\n", "row 1: field 'question'"),
        ("question,target\nWhat?,\n", "row 1: field 'target'"),
        ("question,target\nWhat?,a\nWhat?,a\n", "row 2: the same question"),
        ("question,target,choices\nWhat?,a,b|c\n", "no target is among"),
        ("question,target\n", "no rows"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InvalidData, match=expected):
        load_questions(write(tmp_path, text))


def test_unknown_sources(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="almanac"):
        load_questions("almanak")
    with pytest.raises(CalibrantError, match="no file"):
        load_questions(str(tmp_path / "nothing.jsonl"))
    assert set(registry.variants("questions")) >= {"almanac", "table"}


def test_quota_is_equal_nested_and_blind_to_order() -> None:
    questions = [Question(text=f"{i}?", subject=f"s{i % 3 if i < 90 else 0}") for i in range(120)]
    some = equal_quota(questions, 30)
    assert [sum(q.subject == f"s{k}" for q in some) for k in range(3)] == [10, 10, 10]
    assert equal_quota(questions[::-1], 30) == some
    assert equal_quota(questions, 60)[:30] == some
    assert len(equal_quota(questions, 1000)) == 120
    assert equal_quota(questions, 30, seed=1) != some


def test_a_group_on_two_sides_is_named() -> None:
    one, two = (Question(text=t, group="g") for t in ("a?", "b?"))
    with pytest.raises(InvalidData, match="'g' is in train and in test"):
        check_disjoint({"train": [one], "test": [two]})
