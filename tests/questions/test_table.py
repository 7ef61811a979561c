"""Questions of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibrant import registry
from calibrant.errors import CalibrantError, InvalidData, UnknownName
from calibrant.questions.mixture import Draw, Sizes, choose, equal_quota, itself
from calibrant.questions.source import load_questions
from calibrant.questions.splits import check_disjoint, split_of
from calibrant.records import Question, Source
from calibrant.tables import Malformed, Reading


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
        ("question,target\n,a\n", "line 2: field 'question'"),
        ("question,target\nWhat?,\n", "line 2: field 'target'"),
        ("question,target\nWhat?,a\nWhat?,a\n", "line 3: the same question"),
        ("question,target,choices\nWhat?,a,b|c\n", "no target is among"),
        ("question,target,targets\nWhat?,a,b|c\n", "'target' and field 'targets' differ"),
        ("question,target,choices\nWhat?,a,a\n", "holds a single choice"),
        ("question,target\n", "no rows"),
        ("id,question,target\n1,What?,a\n1,Who?,a\n", "line 3: the id of an earlier question"),
        ("question,target,target\nWhat?,a,b\n", "line 1: 1 columns twice, first 'target'"),
        ("question;target\nWhat?;a\n", "the columns are question;target"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(CalibrantError, match=expected):
        load_questions(write(tmp_path, text))


def test_numbers_without_end_are_no_targets(tmp_path: Path) -> None:
    line = '{"question": "What?", "target": 1e400}\n'
    with pytest.raises(CalibrantError, match="'target' holds a number that is not finite"):
        load_questions(write(tmp_path, line, "q.jsonl"))


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
        check_disjoint([(one, "train"), (two, "test")])


def test_a_draw_in_passing_is_the_quota_of_all() -> None:
    subjects = ["a"] * 60 + ["b"] * 5 + [f"s{i}" for i in range(30)]
    questions = [Question(text=f"{i}?", subject=s) for i, s in enumerate(subjects)]
    for n in (0, 1, 7, 20, 50, 200):
        for order in (questions, questions[::-1]):
            draw = Draw(n, 3, itself)
            for question in order:
                draw.add(question)
                assert draw._n_kept <= 2 * max(n, len(draw._kept))
            assert draw.drawn() == equal_quota(questions, n, 3)


def test_held_out_parts_and_several_sources(tmp_path: Path) -> None:
    one = write(tmp_path, "question,target\nWhat?,a\nWhich?,b\n", "one.csv")
    two = write(tmp_path, "question,target\nWhich?,b\nwhat? ,other\n", "two.csv")
    reading = Reading()
    found = load_questions(f"{one},unseen={two}", reading)
    assert [q.source.split for q in found] == ["", "", "unseen"]
    assert dict(reading.malformed) == {"the same question in two sources": 1}
    with pytest.raises(InvalidData, match=r"is in (train|validation|calibration) and in test"):
        choose(found, Sizes(), (), 1)
    kept = choose(found, Sizes(), (), 1, malformed=Malformed(skip=True))
    assert {q.text for q in kept} == {"Which?", "what? "}, "the question that is tested stays"


def test_letters_and_answerable(tmp_path: Path) -> None:
    text = "question,target,choices,answerable\nWhat?,(B),x|y,\nWhich?,,,false\n"
    one, two = load_questions(write(tmp_path, text))
    assert one.targets == ("y",) and not two.answerable and not two.targets


def test_columns_and_skips(tmp_path: Path) -> None:
    path = write(tmp_path, "prompt,gold\nWhat?,a\n,b\nwhat?,\n")
    reading = Reading(columns={"question": "prompt", "target": "gold"})
    with pytest.raises(InvalidData, match=r"line 3: field 'question' \(column 'prompt'\)"):
        load_questions(path, reading)
    reading = replace(reading, malformed=Malformed(skip=True))
    assert [q.text for q in load_questions(path, reading)] == ["What?"]
    assert reading.malformed.counts.total() == 2
    with pytest.raises(InvalidData, match="no rows that can be used"):
        load_questions(write(tmp_path, "question\nx\n"), Reading(malformed=Malformed(skip=True)))


@pytest.mark.parametrize("target", ["ABC", "BC", "()", " ", "(AB)"])
def test_only_one_letter_names_an_option(tmp_path: Path, target: str) -> None:
    path = write(tmp_path, f"question,target,choices\nWhat?,{target},x|y|z\n")
    with pytest.raises(InvalidData, match=r"line 2: (no target is among|field 'target')"):
        load_questions(path)


@pytest.mark.parametrize("field", ['"target": " "', '"targets": ["", " "]'])
def test_blank_targets_are_none(tmp_path: Path, field: str) -> None:
    path = write(tmp_path, f'{{"question": "What?", {field}}}\n', "q.jsonl")
    with pytest.raises(InvalidData, match="field 'target' or 'targets' is missing or empty"):
        load_questions(path)


def test_a_question_with_another_group_in_another_file_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path, "question,target,group\nWhat?,a,g\nWho?,b,h\n", "one.csv")
    two = write(tmp_path, "question,target,group\nwhat?,c,h\nWhose?,b,h\n", "two.csv")
    with pytest.raises(InvalidData, match=r"two\.csv: the same question in another group.*what"):
        load_questions(f"{one},{two}")
    reading = Reading(malformed=Malformed(skip=True))
    assert [q.text for q in load_questions(f"{one},{two}", reading)] == ["What?", "Who?", "Whose?"]


def test_the_source_that_is_told_is_that_of_what_is_left_out() -> None:
    group = next(g for g in "abcdefgh" if split_of(Question(text="b?", group=g), 1) == "train")
    tested = Question(text="a?", group=group, source=Source(name="kept", split="unseen"))
    others = [Question(text=f"{i}?", source=Source(name="other")) for i in range(40)]
    shared = Question(text="b?", group=group, source=Source(name="shared"))
    malformed = Malformed(skip=True)
    kept = choose([*others, tested, shared], Sizes(), (), 1, malformed=malformed)
    assert shared not in kept and tested in kept
    assert set(malformed.first.values()) == {"shared"}
