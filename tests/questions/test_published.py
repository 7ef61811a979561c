"""Published sets: each description on rows of the published schema."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import types
from pathlib import Path

import pytest

from calibrant.errors import InvalidData
from calibrant.questions.published import Published
from calibrant.questions.source import load_questions
from calibrant.records import Question, from_row, to_row
from calibrant.tables import Malformed, Reading, write_table

from .schemas import ROWS, SOURCES


def test_every_description_has_rows_and_cites_its_schema() -> None:
    assert set(ROWS) == set(SOURCES)
    for name, source in SOURCES.items():
        assert len(source.schema) > 20, name
        assert re.fullmatch("[0-9a-f]{40}", source.revision) or not source.hub, name


@pytest.mark.parametrize("name", [name for name in ROWS if name != "opentriviaqa"])
def test_rows_of_the_published_schema(tmp_path: Path, name: str) -> None:
    row, right, targets, unlabelled = ROWS[name]
    source = SOURCES[name]
    folder = tmp_path / (source.config or "data")
    write_table(folder / f"{source.part}-00000-of-00001.parquet", [row])
    if not source.config:
        assert (tmp_path / "data").is_dir()
    reading = Reading()
    found = load_questions(f"{name}:{tmp_path}", reading)
    by_format = {question.format: question for question in found}
    assert set(by_format) == set(source.formats) and bool(right) == ("choice" in source.formats)
    if right:
        assert by_format["choice"].targets == (right,)
        assert right in by_format["choice"].choices
    if "open" in by_format:
        assert by_format["open"].targets == targets
        assert bool(by_format["open"].tests) == (not targets)
    assert len({question.group for question in found}) == 1, "both forms stay on one side"
    assert {q.source.name for q in found} == {name} and found[0].source.split == source.part
    if unlabelled:
        write_table(tmp_path / "x.jsonl", [unlabelled, row])
        assert len(load_questions(f"{name}:{tmp_path / 'x.jsonl'}", reading)) == len(found)
        assert dict(reading.malformed) == {source.unlabelled: 1}
    wrong = {"answer": 1} if name in ("nq_open", "gsm8k") else {"nothing": 1}
    write_table(tmp_path / "wrong.jsonl", [wrong])
    with pytest.raises(InvalidData, match=f"line 1: not as {name} describes it"):
        load_questions(f"{name}:{tmp_path / 'wrong.jsonl'}")


DEV = [
    {"question": f"Q{i}?", "subject": s, "choices": ["a", "b", "c", f"d{i}"], "answer": i % 4}
    for s, n in (("virology", 0), ("anatomy", 10)) for i in range(n, n + 6)
]  # fmt: skip


def test_shots_are_the_first_solved_questions_of_the_subject(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    write_table(folder / "dev-00000-of-00001.parquet", DEV)
    test = [{**DEV[0], "question": "New?"}, {**DEV[7], "question": "Other?"}, DEV[1]]
    write_table(folder / "test-00000-of-00001.parquet", test)
    reading = Reading(n_shots=5)
    found = load_questions(f"mmlu:{tmp_path}", reading)
    bare = load_questions(f"mmlu:{tmp_path}")
    assert [q.text for q in found] == ["New?"] * 2 + ["Other?"] * 2, "what is shown is not asked"
    assert reading.malformed.counts["the choice question is one that is shown"] == 1
    choice, open_ = found[:2]
    assert [s.text for s in choice.shots] == [f"Q{i}?" for i in range(5)]
    assert [s.reply for s in choice.shots] == ["A", "B", "C", "D", "A"]
    assert [s.reply for s in open_.shots] == ["a", "b", "c", "d3", "a"]
    assert not open_.shots[0].choices
    assert {q.group for q in found} < {q.group for q in bare}, "splits do not go by the shots"
    assert not {q.id for q in found} & {q.id for q in bare}, "the model sees something else"
    assert from_row(Question, to_row(choice)) == choice
    with pytest.raises(InvalidData, match="split dev: name the folder"):
        load_questions(f"mmlu:{folder / 'test-00000-of-00001.parquet'}", reading)
    with pytest.raises(InvalidData, match="no solved questions"):
        load_questions(f"piqa:{tmp_path}", reading)


def test_opentriviaqa_format(tmp_path: Path) -> None:
    (tmp_path / "categories").mkdir()
    (tmp_path / "categories" / "art").write_bytes(
        "#Q Whó\nis it?\n^ b\nA a\nB b\n".encode("cp1252")
    )
    choice, open_ = load_questions(f"opentriviaqa:{tmp_path}")
    assert choice.text == "Whó\nis it?" and choice.choices == ("a", "b") and choice.subject == "art"
    assert open_.targets == ("b",)


@pytest.mark.parametrize(
    ("text", "answer", "asks", "choices", "right"),
    [
        ("Please choose the correct answer to the question: Is: it?\n\nAnswer1: x: 1 Answer2: y\n\n"
         "Answer format: answer1/answer2", "answer2", "Is: it?", ("x: 1", "y"), 1),
        ("Please answer the following question with true or false, question: is it?\n\n"
         "Answer format: true/false", "false", "is it?", ("True", "False"), 1),
        ("Please choose the correct answer to fill in the blank to complete the given sentence:"
         " A _ b."
         "\n\nOption1: X Option2: Y Answer format: option1/option2", "option1", "A _ b.",
         ("X", "Y"), 0),
        ("1 + 1 ? The options: A ) 1 , B ) 2 , C ) 1 , 000", "C", "1 + 1 ?",
         ("1", "2", "1 , 000"), 2),
    ],
)  # fmt: skip
def test_instructions_are_taken_off(
    tmp_path: Path, text: str, answer: str, asks: str, choices: tuple[str, ...], right: int
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"instruction": text, "input": "", "answer": answer}]))
    choice, _ = load_questions(f"piqa:{path}")
    assert (choice.text, choice.choices, choice.targets) == (asks, choices, (choices[right],))
    path.write_text(json.dumps([{"instruction": text, "input": "", "answer": "other"}]))
    with pytest.raises(InvalidData, match="none of the"):
        load_questions(f"piqa:{path}")


def test_a_folder_without_the_files_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(InvalidData, match=r"train-\*.parquet for piqa: it holds other.txt"):
        load_questions(f"piqa:{tmp_path}")
    with pytest.raises(InvalidData, match="no file or folder"):
        load_questions(f"piqa:{tmp_path / 'x'}")


def test_the_docs_describe_one_more_set_in_under_thirty_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "questions.md").read_text("utf-8")
    code = docs.partition("```python\n")[2].partition("```")[0]
    assert len(code.splitlines()) < 30
    place = types.ModuleType("riddles")
    monkeypatch.setitem(sys.modules, "riddles", place)
    exec(code, vars(place))
    source: type[Published] = place.Riddles
    rows = [{"riddle": f"Q{i}?", "options": ["w", "x", "y", "z"], "answer": a}
            for i, a in enumerate(("C", "", "E"))]  # fmt: skip
    write_table(tmp_path / "data" / "validation-00000-of-00001.parquet", rows)
    reading = Reading(malformed=Malformed(skip=True))
    found = source(path=str(tmp_path), reading=reading).load()
    assert [(q.format, q.targets) for q in found] == [("choice", ("y",)), ("open", ("y",))]
    assert dict(reading.malformed) == {"no label": 1, "not as riddles describes it": 1}


def test_the_table_of_sources_is_in_step() -> None:
    place = Path(__file__).parents[2] / "tools" / "sources.py"
    spec = importlib.util.spec_from_file_location("sources", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run python tools/sources.py"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("boolq", {"answer": "maybe"}), ("boolq", {"answer": None}), ("boolq", {"answer": ""}),
        ("selfaware", {"answerable": "perhaps"}), ("selfaware", {"answer": None}),
        ("mmlu", {"answer": -1}),
        ("mmlu_pro", {"answer_index": -1}), ("trec", {"coarse_label": -1}),
        ("hellaswag", {"label": "-1"}), ("snli", {"label": "neutral"}),
        ("copa", {"label": "first"}), ("multirc", {"label": 2}),
    ],
)  # fmt: skip
def test_a_label_that_is_none_of_the_options_is_refused(
    tmp_path: Path, name: str, change: dict[str, object]
) -> None:
    write_table(path := tmp_path / "a.jsonl", [{**ROWS[name][0], **change}])
    with pytest.raises(InvalidData, match=f"line 1: not as {name} describes it"):
        load_questions(f"{name}:{path}")


@pytest.mark.parametrize("false", [False, "False", "false", 0])
def test_false_is_false_however_it_is_written(tmp_path: Path, false: object) -> None:
    write_table(path := tmp_path / "a.jsonl", [{**ROWS["boolq"][0], "answer": false}])
    assert {q.targets for q in load_questions(f"boolq:{path}")} == {("False",)}
    write_table(path, [{**ROWS["selfaware"][0], "answerable": false}])
    (question,) = load_questions(f"selfaware:{path}")
    assert not question.answerable and not question.targets


@pytest.mark.parametrize("name", ["nq_open", "selfaware"])
def test_an_answer_that_is_one_text_is_one_target(tmp_path: Path, name: str) -> None:
    write_table(path := tmp_path / "a.jsonl", [{**ROWS[name][0], "answer": "Paris"}])
    assert [q.targets for q in load_questions(f"{name}:{path}")] == [("Paris",)]


@pytest.mark.parametrize("name", ["snli", "copa", "multirc"])
def test_a_label_may_be_a_number_as_text(tmp_path: Path, name: str) -> None:
    row, right, _, _ = ROWS[name]
    write_table(path := tmp_path / "a.jsonl", [{**row, "label": str(row["label"])}])
    assert load_questions(f"{name}:{path}")[0].targets == (right,)


def test_columns_of_a_published_set_cannot_be_named(tmp_path: Path) -> None:
    write_table(path := tmp_path / "a.jsonl", [ROWS["boolq"][0]])
    with pytest.raises(InvalidData, match="columns of its own: leave out --column question"):
        load_questions(f"boolq:{path}", Reading(columns={"question": "prompt"}))
