"""Grading by hand: the page, what it keeps, and the grader that reads it."""

from __future__ import annotations

import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from calibrant.errors import InvalidData
from calibrant.grades.by_hand import ByHand, serve
from calibrant.grades.grader import grade, grader_called
from calibrant.grades.human import STAGE, human_verdicts
from calibrant.records import Answer, Answered, ModelName, Question, Verdict
from calibrant.runs import Run
from calibrant.tables import write_table


def item(text: str, choices: tuple[str, ...] = ()) -> Answered:
    question = Question(text=f"Is it <b>{text}</b>?", targets=("Paris",), choices=choices)
    answer = Answer(question_id=question.id, text=text, model=ModelName(name="someone"))
    return Answered(question=question, answer=answer)


ITEMS = [item("Paris"), item("<script>alert(1)</script>"), item("A", ("Paris", "Rome"))]


@pytest.fixture
def grading(tmp_path: Path) -> ByHand:
    return ByHand(Run(tmp_path / "run", {}), ITEMS, "Ada")


@pytest.fixture
def address(grading: ByHand) -> Iterator[str]:
    with serve(grading) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def post(address: str, **form: str) -> str:
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(address, data, timeout=5) as reply:
        return str(reply.read().decode())


def test_a_person_grades_goes_back_and_ends(grading: ByHand, address: str) -> None:
    with urllib.request.urlopen(address, timeout=5) as reply:
        first = reply.read().decode()
    assert "0 of 3 are graded, by Ada" in first and "Is it &lt;b&gt;Paris" in first
    ids = [one.answer.id for one in ITEMS]
    second = post(address, token=grading.token, answer_id=ids[0], verdict="correct")
    assert "&lt;script&gt;alert" in second and "1 of 3" in second
    post(address, token=grading.token, answer_id=ids[1], verdict="incorrect", reason="a tag")
    end = post(address, token=grading.token, answer_id=ids[2], verdict="ungraded")
    assert "All 3 answers are graded" in end
    with urllib.request.urlopen(f"{address}/?i=0", timeout=5) as reply:
        assert "Correct (as you said)" in reply.read().decode()
    post(address, token=grading.token, answer_id=ids[0], verdict="incorrect")
    kept = Run(grading.run.folder).read(STAGE)
    assert [g.verdict.value for g in kept] == ["incorrect", "incorrect", "ungraded"]
    assert kept[1].reason == "a tag" and kept[2].reason == "the person could not tell"
    assert kept[0].grader == "human/Ada"
    again = ByHand(Run(grading.run.folder), ITEMS, "Ada")
    assert "All 3 answers" in again.page()

    found = grade([*ITEMS, item("new")], grader_called("human", [f"file={grading.run.folder}"]))
    assert [g.verdict.value for g in found] == ["incorrect", "incorrect", "ungraded", "ungraded"]
    assert found[3].reason == "nobody has graded it"


def test_a_changed_grade_is_followed_by_others(grading: ByHand) -> None:
    ids = [one.answer.id for one in ITEMS]
    for name, verdict in zip((ids[0], ids[0], ids[1], ids[2]), ("correct", *["incorrect"] * 3)):
        grading.give(name, Verdict(verdict))
    kept = Run(grading.run.folder).read(STAGE)
    assert [(g.answer_id, g.verdict) for g in kept] == [(i, Verdict.INCORRECT) for i in ids]


def test_a_run_that_counted_its_grades_once_takes_more(grading: ByHand) -> None:
    grading.give(ITEMS[0].answer.id, Verdict.CORRECT)
    grading.run.finish(STAGE, 1)
    grading.give(ITEMS[1].answer.id, Verdict.CORRECT)
    assert len(Run(grading.run.folder).read(STAGE)) == 2


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"token": "wrong"}, 403),
        ({"answer_id": "another"}, 400),
        ({"verdict": "perhaps"}, 400),
        ({"reason": "x" * 9000}, 413),
    ],
)
def test_forms_that_are_refused(
    grading: ByHand, address: str, form: dict[str, str], status: int
) -> None:
    usual = {"token": grading.token, "answer_id": ITEMS[0].answer.id, "verdict": "correct"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(address, **(usual | form))
    assert caught.value.code == status
    caught.value.close()
    assert not grading.grades


def test_another_host_is_refused(address: str) -> None:
    request = urllib.request.Request(address, headers={"host": "evil.example:80"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    assert caught.value.code == 403 and b"token" not in caught.value.read()


def test_verdicts_from_a_table(tmp_path: Path) -> None:
    ids = [one.answer.id for one in ITEMS]
    rows = [{"answer_id": i, "correct": v} for i, v in zip(ids, ("1", "false", ""))]
    write_table(tmp_path / "human.csv", rows)
    found = grade(ITEMS, grader_called("human", [f"file={tmp_path / 'human.csv'}"]))
    assert [g.verdict for g in found] == [
        Verdict.CORRECT,
        Verdict.INCORRECT,
        Verdict.UNGRADED,
    ]
    for bad, words in (("maybe", "no verdict"), ("0", "two verdicts")):
        write_table(tmp_path / "bad.csv", [*rows, {"answer_id": ids[0], "correct": bad}])
        with pytest.raises(InvalidData, match=words):
            human_verdicts(tmp_path / "bad.csv")
    with pytest.raises(InvalidData, match="file=FILE"):
        grader_called("human")
    Run(tmp_path / "empty", {})
    with pytest.raises(InvalidData, match="grade-by-hand"):
        human_verdicts(tmp_path / "empty")


def test_the_digest_is_of_the_verdicts_too(tmp_path: Path) -> None:
    path = tmp_path / "human.csv"
    found = []
    for verdict in ("1", "0"):
        write_table(path, [{"answer_id": ITEMS[0].answer.id, "correct": verdict}])
        found += [grader_called(name, [f"file={path}"]).digest for name in ("human", "exact+human")]
    assert len(set(found)) == 4
    with pytest.raises(InvalidData, match="there is no file"):
        _ = grader_called("human", [f"file={tmp_path / 'none.csv'}"]).digest
