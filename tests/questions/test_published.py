"""Published sets: each description on rows of the published schema, and counts of real files."""

from __future__ import annotations

import base64
import importlib.util
import json
import pickle
import socket
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from calibrant import registry
from calibrant.errors import DataUnavailable, InvalidData
from calibrant.questions import hub
from calibrant.questions.mixture import Sizes, choose, composition
from calibrant.questions.mmlu import SUBJECTS
from calibrant.questions.published import Published
from calibrant.questions.source import iterate_questions, load_questions
from calibrant.questions.training_mixture import SETS, TrainingMixture
from calibrant.records import Question, from_row, to_row
from calibrant.tables import Malformed, Reading, write_table

SHARED = Path(__file__).parents[3] / "shared" / "data"
SOURCES = {
    name: source
    for name, source in registry.variants("questions").items()
    if issubclass(source, Published)
}
Row = dict[str, Any]


def labelled(texts: str, key: str) -> Row:
    return {"choices": {"text": texts.split(), "label": list("ABCDE")}, "answerKey": key}


NLI = {"premise": "A dog runs.", "hypothesis": "An animal moves."}
LEET = {"query": "Add.", "prompt": "import math", "entry_point": "add", "test": "def check(f): 1"}
CASES = json.dumps([{"input": "2\n[1, 2]", "output": "[3, 4]", "testtype": "functional"}])
PACKED = base64.b64encode(zlib.compress(pickle.dumps(CASES))).decode()
LIVE = {
    "question_content": "Add to each.",
    "platform": "leetcode",
    "difficulty": "easy",
    "starter_code": "class Solution:\n    def add(self, a: int, b: List[int]):\n        ",
    "public_test_cases": CASES,
    "private_test_cases": PACKED,
    "metadata": '{"func_name": "add"}',
}
# name -> (a row of the published schema, the right choice, targets when open, a row without label)
ROWS: dict[str, tuple[Row, str | None, tuple[str, ...], Row | None]] = {
    "arc_easy": (
        {"id": "1", "question": "Q?", "answerKey": "2"}
        | {"choices": {"text": ["x", "y"], "label": ["1", "2"]}},
        "y", ("y",), None,
    ),
    "arc_challenge": ({"question": "Q?", **labelled("x y z w", "C")}, "z", ("z",), None),
    "boolq": ({"question": "is it", "passage": "P.", "answer": True}, "True", ("True",), None),
    "commonsense_qa": (
        {"question": "Q?", "question_concept": "c", **labelled("v w x y z", "E")},
        "z", ("z",), {"question": "Q?", **labelled("v w x y z", "")},
    ),
    "cosmos_qa": (
        {"context": "C.", "question": "Q?", "label": 2} | {f"answer{i}": f"a{i}" for i in range(4)},
        "a2", ("a2",), {"label": -1},
    ),
    "hellaswag": (
        {"ctx": "He sits", "endings": ["a", "b", "c", "d"], "label": "3"},
        "d", (), {"ctx": "He", "endings": ["a"], "label": ""},
    ),
    "math_qa": (
        {"Problem": "1 + 1 ?", "options": "a ) 1 , b ) 2 , c ) 1 , 000 , d ) 3", "correct": "c"},
        "1 , 000", ("1 , 000",), None,
    ),
    "snli": ({**NLI, "label": 1}, "It's impossible to say", ("It's impossible to say",),
             {**NLI, "label": -1}),
    "anli_r1": ({**NLI, "label": 0, "reason": ""}, "Yes", ("Yes",), None),
    "anli_r2": ({**NLI, "label": 2, "reason": ""}, "No", ("No",), None),
    "anli_r3": ({**NLI, "label": 2, "reason": ""}, "No", ("No",), None),
    "cb": ({**NLI, "label": 1, "idx": 0}, "No", ("No",), {**NLI, "label": -1}),
    "openbookqa": ({"question_stem": "Q", **labelled("x y z w", "D")}, "w", ("w",), None),
    "piqa": ({"goal": "G", "sol1": "s", "sol2": "t", "label": 1}, "t", ("t",),
             {"goal": "G", "sol1": "s", "sol2": "t", "label": -1}),
    "sciq": (
        {"question": "Q?", "correct_answer": "r", "support": ""}
        | {f"distractor{i}": f"d{i}" for i in (1, 2, 3)},
        "r", ("r",), None,
    ),
    "multirc": ({"paragraph": "P.", "question": "Q?", "answer": "a", "label": 1},
                "Yes", ("Yes",), {"paragraph": "P.", "question": "Q?", "answer": "", "label": -1}),
    "copa": ({"premise": "It fell.", "question": "cause", "choice1": "x", "choice2": "y",
              "label": 0}, "x", ("x",), {"label": -1}),
    "trec": ({"text": "Who?", "coarse_label": 3, "fine_label": 5},
             "Human being", ("Human being",), None),
    "winogrande": (
        {"sentence": "A saw _ .", "option1": "B", "option2": "C", "answer": "2"},
        "C", ("C",), {"sentence": "_", "option1": "B", "option2": "C", "answer": ""},
    ),
    "social_i_qa": (
        {"context": "C.", "question": "Q?", "answerA": "a", "answerB": "b", "answerC": "c",
         "label": "2\n"}, "b", ("b",), None,
    ),
    "mmlu": ({"question": "Q?", "subject": "virology", "choices": ["a", "b", "c", "d"],
              "answer": 2}, "c", ("c",), None),
    "mmlu_pro": ({"question": "Q?", "options": ["a", "b"], "answer": "B", "answer_index": 1,
                  "category": "law"}, "b", ("b",), None),
    "selfaware": ({"question": "Q?", "answer": ["a"], "answerable": True}, None, ("a",), None),
    "truthfulqa": (
        {"question": "Q?", "category": "c", "best_answer": "b", "correct_answers": ["b", "c"],
         "incorrect_answers": ["x", "y"]}, "b", ("b", "c"), None,
    ),
    "gsm8k": ({"question": "Q?", "answer": "1+1=<<1+1=2>>2\n#### 1,002"}, None, ("1,002",),
              {"question": "Q?", "answer": "?"}),
    "nq_open": ({"question": "who", "answer": ["a", "b"]}, None, ("a", "b"), {"question": "x"}),
    "simpleqa": ({"metadata": "{'topic': 'Art', 'urls': []}", "problem": "Q?", "answer": "a"},
                 None, ("a",), None),
    "triviaqa": ({"question": "Q?", "answer": {"value": "a", "aliases": ["b", "a"]}},
                 None, ("a", "b"), {"question": "Q?", "answer": {"value": "", "aliases": []}}),
    "popqa": ({"question": "Q?", "possible_answers": '["a", "b"]', "prop": "capital"},
              None, ("a", "b"), None),
    "humaneval": ({"prompt": "def f():\n", "test": "def check(c): 1", "entry_point": "f"},
                  None, (), None),
    "mbpp": ({"text": "Write.", "test_list": ["assert f(1)\r\n"], "test_setup_code": ""},
             None, (), None),
    "leetcode": (LEET, None, (), None),
    "livecodebench": (LIVE, None, (), {**LIVE, "platform": "atcoder"}),
    "opentriviaqa": ({"block": "Q\nis it?\n^ b c\nA a\nB b\nc\n"}, "b c", ("b c",), None),
}  # fmt: skip


def test_every_description_has_rows_and_cites_its_schema() -> None:
    assert set(ROWS) == set(SOURCES)
    for name, source in SOURCES.items():
        assert len(source.schema) > 20, name
        pinned = len(source.revision) == 40 or source.revision == "refs/convert/parquet"
        assert pinned or not source.hub, name


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
    assert set(by_format) == ({"choice"} if right else set()) | ({"open"} & set(source.formats))
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


def test_an_unreachable_hub_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(DataUnavailable, match=r"piqa cannot be loaded.*reached.*piqa:PATH"):
        load_questions("piqa")
    assert not slept, "nothing is tried again"
    assert constants.HF_HUB_OFFLINE is False
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataUnavailable, match="HF_HUB_OFFLINE is set"):
        load_questions("piqa")
    with pytest.raises(InvalidData, match="not on the hub"):
        load_questions("selfaware")


def test_the_hub_is_asked_for_what_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[Any] = []

    def load_dataset(*args: Any, **more: Any) -> Any:
        asked.append((args, more))
        return datasets.Dataset.from_list([ROWS["openbookqa"][0]] * 2)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(hub, "_why_silent", lambda name: "")
    reading = Reading()
    assert len(load_questions("openbookqa", reading)) == 2
    revision = SOURCES["openbookqa"].revision
    assert asked == [(("allenai/openbookqa", "main"), {"split": "train", "revision": revision})]
    assert reading.malformed.report["n_read"] == 2


def test_a_folder_without_the_files_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("")
    with pytest.raises(InvalidData, match=r"train-\*.parquet for piqa: it holds other.txt"):
        load_questions(f"piqa:{tmp_path}")
    with pytest.raises(InvalidData, match="no file or folder"):
        load_questions(f"piqa:{tmp_path / 'x'}")


def mixture(folder: Path, n: int = 30) -> None:
    """A file for each set, whose rows differ in a text."""
    for name in SETS:
        row, _, _, _ = ROWS[name]
        text = next(
            key for key in ("question", "question_stem", "goal", "Problem", "text", "ctx",
                            "sentence", "premise") if isinstance(row.get(key), str)
            and not (name == "copa" and key == "question")
        )  # fmt: skip
        rows = [{**row, text: f"{row[text]} {i}"} for i in range(5 if name == "cb" else n)]
        write_table(folder / f"{name}.jsonl", rows)


def test_the_training_mixture_is_an_equal_quota_at_random(tmp_path: Path) -> None:
    mixture(tmp_path)

    def load(seed: int) -> list[Question]:
        return list(TrainingMixture(path=str(tmp_path), n=200, seed=seed).iterate())

    found = load(0)
    counts = Counter((q.source.name, q.format) for q in found)
    assert counts.pop(("cb", "choice")) == counts.pop(("cb", "open")) == 5
    assert ("hellaswag", "open") not in counts
    assert set(counts.values()) == {10} and len(counts) == 2 * 19 - 1
    assert load(0) == found and load(1) != found
    sciq = [q.text for q in found if q.source.name == "sciq"]
    assert sciq[::2] != [f"Q? {i}" for i in range(10)], "not the first rows"
    sizes = Sizes(train=38, validation=0, calibration=0, test=0, choice_share=1.0)
    told = composition(choose(found, sizes, (), 0))
    assert {row["n"] for row in told if row["format"] == "open"} == {2}
    assert all(row["split"] == SOURCES[row["source"]].part for row in told)


def test_a_mixture_that_lacks_sets(tmp_path: Path) -> None:
    mixture(tmp_path)
    (tmp_path / "piqa.jsonl").unlink()
    name = f"training_mixture:{tmp_path}"
    with pytest.raises(InvalidData, match="piqa: a set that is not there"):
        load_questions(name)
    reading = Reading(malformed=Malformed(skip=True))
    found = list(iterate_questions(name, reading))
    assert len({q.source.name for q in found}) == 19
    assert reading.malformed.report["left_out"]["a set that is not there"]["first"] == "piqa"


def test_the_table_of_sources_is_in_step() -> None:
    place = Path(__file__).parents[2] / "tools" / "sources.py"
    spec = importlib.util.spec_from_file_location("sources", place)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run python tools/sources.py"
