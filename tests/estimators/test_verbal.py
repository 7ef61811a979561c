"""Verbal elicitation: what the model is asked, what is read, and what is missing."""

from __future__ import annotations

import json
from math import log
from pathlib import Path

import numpy as np
import pytest

from calibrant import registry
from calibrant.answers import talk
from calibrant.answers.generate import answer
from calibrant.answers.prompts import PROBABILITY, Prompts
from calibrant.answers.stated import WORDS
from calibrant.artefacts import load_artefact
from calibrant.cli import app, score
from calibrant.errors import InvalidData, Mismatch, MissingCapability, ModelUnavailable
from calibrant.estimators import verbal
from calibrant.estimators.calibrated import calibrate
from calibrant.estimators.verbal import NOT_GUESSED, NOT_STATED, Verbal
from calibrant.models.local import LocalModel
from calibrant.models.model import Given
from calibrant.models.remote import RemoteModel
from calibrant.models.scripted import ScriptedModel, ScriptedServer
from calibrant.questions.source import load_questions
from calibrant.records import Answer, Answered, Grade, Graded, ModelName, Question, Verdict

QUESTIONS = [
    Question(text="Capital of France?", targets=("Paris",)),
    Question(text="Which is it?", choices=("one", "two"), targets=("one",)),
    Question(text="And of Spain?", targets=("Madrid",)),
]
SAID = ("Paris.", "B", "Madrid")


def call(*words: object) -> None:
    app([str(words[0])])([*map(str, words)], standalone_mode=False)


@pytest.fixture()
def items() -> list[Answered]:
    return [
        Answered(
            question=question,
            answer=Answer(
                question_id=question.id, text=said, extracted=said, model=ModelName(name="other")
            ),
        )
        for question, said in zip(QUESTIONS, SAID)
    ]


class Script:
    """Stands for the model's replies, by turns; keeps what was asked."""

    def __init__(self, model: LocalModel, monkeypatch: pytest.MonkeyPatch, *turns: list[str]):
        self.model, self.turns, self.asked = model, list(turns), []
        self.texts = [text for turn in turns for text in turn]
        monkeypatch.setattr(talk._Local, "_generated", lambda _, rows: self(rows))
        # Tiny tokenizers lack most signs: a text's number stands for its tokens.
        monkeypatch.setattr(talk, "decode", lambda _, ids: self.texts[ids[0] - 10])

    def __call__(self, rows: list[list[int]]) -> list[list[int]]:
        self.asked.append([self.model.tokenizer.decode(row) for row in rows])
        return [[10 + self.texts.index(text)] for text in self.turns.pop(0)]


def test_the_request_follows_the_answers_own_tokens(tiny: LocalModel) -> None:
    own = [Answered(question=q, answer=a) for q, a in zip(QUESTIONS, answer(QUESTIONS, tiny))]
    prompts = Prompts(tiny.tokenizer)
    for item in own:
        question, said, request = prompts.asked(item, tiny, PROBABILITY)
        kept = len(item.answer.token_ids) - (item.answer.finish_reason == "stop")
        assert said == list(item.answer.token_ids[:kept])
        assert question == prompts.asked(item, tiny)[0]
        assert PROBABILITY in tiny.tokenizer.decode(request)
        assert tuple(request) != prompts.query


def test_two_stages_rate_the_answer(
    tiny: LocalModel, items: list[Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(tiny, monkeypatch, ["75%", "Who knows?", "0%"])
    said: list[str] = []
    found = verbal.FittedVerbal(Verbal()).score(items, tiny, said.append)
    assert found.values[[0, 2]] == pytest.approx([log(3), -np.inf])
    assert found.reasons == {1: NOT_STATED}
    assert said == [f"1 of 3 confidences are missing: {NOT_STATED}"]
    rows = [sum(Prompts(tiny.tokenizer).asked(i, tiny, PROBABILITY), []) for i in items]
    assert script.asked[0] == list(map(tiny.tokenizer.decode, rows))


def test_the_papers_half_is_an_option(
    llama: LocalModel, items: list[Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    Script(llama, monkeypatch, ["75%", "Who knows?", "likely"])
    said: list[str] = []
    found = verbal.FittedVerbal(Verbal(unread=0.5)).score(items, llama, said.append)
    assert found.values == pytest.approx([log(3), 0, 0]) and not found.reasons
    assert said == [f"2 of 3 confidences are 0.5: {NOT_STATED}"]


def test_words(llama: LocalModel, items: list[Answered], monkeypatch: pytest.MonkeyPatch) -> None:
    Script(llama, monkeypatch, ["Very likely.", "80%", "almost certain"])
    found = verbal.FittedVerbal(Verbal(scale="words")).score(items, llama)
    expected = [log(p / (1 - p)) for p in (WORDS["very likely"], WORDS["almost certain"])]
    assert found.values[[0, 2]] == pytest.approx(expected) and set(found.reasons) == {1}


def test_one_stage_rates_the_guess_that_is_the_answer(
    tiny: LocalModel, items: list[Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = ["1. Lyon | 10%\n2. paris | 75%", "A. one | 60%\nB. two | 25%", "Toledo | 90%"]
    script = Script(tiny, monkeypatch, replies)
    found = verbal.FittedVerbal(Verbal(n_stages=1, n_guesses=4)).score(items, tiny)
    assert found.values[:2] == pytest.approx([log(3), -log(3)])
    assert found.reasons == {2: NOT_GUESSED}
    if tiny.tokenizer.chat_template:  # the other tiny tokenizers lack most letters
        assert all("GUESS | LIKELY" in text for text in script.asked[0])


def test_two_stages_with_guesses(
    tiny: LocalModel, items: list[Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(
        tiny,
        monkeypatch,
        ["Lyon\nParis", "two", ""],
        ["10%\n75%", "sure", "50%"],
    )
    found = verbal.FittedVerbal(Verbal(n_guesses=2)).score(items, tiny)
    assert found.values[0] == pytest.approx(log(3))
    assert found.reasons == {1: NOT_STATED, 2: NOT_STATED}
    # the second request follows the very guesses
    assert all(later.startswith(first) for first, later in zip(*script.asked))
    assert "LIKELY" not in script.asked[0][0]
    if tiny.tokenizer.chat_template:
        assert "2 guesses" in script.asked[1][0]


def test_remote_models_are_asked_the_same(items: list[Answered]) -> None:
    """By messages: the request follows the answer, and guesses are rated in a second turn."""
    model = ScriptedModel(lambda words: "75%" if words == PROBABILITY else "unheard")
    assert verbal.FittedVerbal(Verbal()).score(items, model).values == pytest.approx([log(3)] * 3)
    assert model.asked == [PROBABILITY] * 3
    guessing = ScriptedModel(
        lambda words: (
            "Lyon\nParis" if "France" in words else "30%\n75%" if "lines" in words else "?"
        )
    )
    found = verbal.FittedVerbal(Verbal(n_guesses=2)).score(items, guessing)
    assert found.values[0] == pytest.approx(log(3))
    assert found.reasons == {1: NOT_GUESSED, 2: NOT_GUESSED}
    with pytest.raises(MissingCapability):
        verbal.FittedVerbal(Verbal()).score(items, Given("someone"))
    with ScriptedServer(lambda words: "25%") as server:
        remote = RemoteModel("m", base_url=server.base_url)
        values = verbal.FittedVerbal(Verbal()).score(items, remote).values
    assert values == pytest.approx([-log(3)] * 3)


def test_requests_that_fail_are_missing_and_the_others_scored(items: list[Answered]) -> None:
    """In either turn, and never taken for a reply that cannot be read."""

    refused = ["lines"]  # the first request of the second turn

    def script(words: str) -> str:
        if refused and refused[0] in words:
            raise ModelUnavailable(f"{refused.pop()} refused")
        return "30%\n75%" if "lines" in words else "Lyon\nParis\nMadrid"

    model = ScriptedModel(script)
    pair = [items[0], items[2]]
    how = verbal.FittedVerbal(Verbal(n_guesses=3, unread=0.5))
    found = how.score(pair, model)
    assert found.reasons == {0: "lines refused"} and found.values[1] == 0
    refused.append("France")
    found = how.score(pair, model)
    assert found.reasons == {0: "France refused"} and len(model.asked) == 4 + 3
    said: list[str] = []
    with ScriptedServer(lambda words: "75%", failures=(400,)) as server:
        remote = RemoteModel("m", base_url=server.base_url, n_in_flight=1)
        how = verbal.FittedVerbal(Verbal(unread=0.5))
        found = how.score(items, remote, said.append)
        assert found.reasons.keys() == {0} and "status 400" in found.reasons[0]
        assert found.values[1:] == pytest.approx([log(3)] * 2)
        assert len(said) == 1 and said[0].startswith(
            "1 of 3 requests failed, most often: m at http"
        )
        server.failures = [400] * 3
        with pytest.raises(ModelUnavailable, match=r"all 3 requests failed, the first: m at .*400"):
            how.score(items, remote)


def test_an_artefact_finds_its_model_behind_an_endpoint(
    items: list[Answered], tmp_path: Path
) -> None:
    """From the command line as NAME@URL; another name is another model."""
    verdicts = (Verdict.CORRECT, Verdict.INCORRECT)
    graded = [
        Graded(
            question=item.question,
            answer=item.answer,
            grade=Grade(answer_id=item.answer.id, verdict=verdict, grader="g/1"),
        )
        for item, verdict in zip(items[::2], verdicts)
    ]
    table = tmp_path / "answers.jsonl"
    table.write_text('{"question": "Capital of France?", "answer": "Paris"}\n')
    with ScriptedServer(lambda words: "75%") as server:
        remote = RemoteModel("m", base_url=server.base_url)
        splits = {"train": [], "validation": [], "calibration": graded}
        fitted = verbal.FittedVerbal(Verbal())
        calibrate(fitted, registry.get("calibration", "none")(), splits, remote).save(tmp_path)
        with pytest.raises(ModelUnavailable, match=r"for the model m:.*NAME@URL"):
            load_artefact(tmp_path)
        with pytest.raises(Mismatch, match=r"another model \(m, .* than other"):
            load_artefact(tmp_path, model=f"other@{server.base_url}")
        out = tmp_path / "scored.jsonl"
        score.command(tmp_path, table, out, model=f"m@{server.base_url}")
    row = json.loads(out.read_text())
    assert row["confidence"] == pytest.approx(0.75)


def test_given_answers_and_a_model_behind_an_endpoint(tmp_path: Path) -> None:
    """From the command line, as a run and as one more fit; it is not asked for the answers."""
    table, out = tmp_path / "answers.jsonl", tmp_path / "run"
    rows = [
        {"question": f"What is {i}?", "target": "x", "answer": "x" if i % 3 else "y"}
        for i in range(90)
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with ScriptedServer(lambda words: "75%" if " 1" in str(words) else "40%") as server:
        named = f"m@{server.base_url}"
        words = ["run", "--answers", table, "--out", out, "--model", named]
        call(*words, "--estimators", "verbal", "--n-resamples", 20)
        call("fit", out, "--estimators", "verbal", "--set", "unread=0.5", "--model", named)
        n = len(server.bodies)
        assert n >= 180  # every answer for either form
        with pytest.raises(InvalidData, match=r"is behind an endpoint.*--answers FILE"):
            call("run", "--model", named, "--out", tmp_path / "other")
        assert len(server.bodies) == n
        place = out / "manifest.json"
        told = json.loads(place.read_text())
        told["identity"] |= {"prompt": "asked"}  # a run whose own model is said to be out there
        told["identity"]["model"] |= {"name": named}
        place.write_text(json.dumps(told))
        with pytest.raises(ModelUnavailable, match="there is no model"):
            call("fit", out, "--estimators", "verbal", "--set", "unread=0.25")
        assert len(server.bodies) == n
    found = json.loads((out / "metrics.json").read_text())["rows"]
    (row,) = [
        r for r in found
        if (r["estimator"], r["calibrator"], r["subset"]) == ("verbal", "platt", "seen")
        and r["format"] == "open"
    ]  # fmt: skip
    assert row["n"] > 0 and row["n_missing"] == 0
    assert (out / "artefacts" / "verbal-2-stage top-1 numbers unread=0.5-open").is_dir()


def test_settings_are_checked() -> None:
    for bad in ({"n_stages": 3}, {"n_guesses": 0}, {"scale": "colours"}, {"unread": 1.5}):
        with pytest.raises(InvalidData):
            Verbal(**bad)
    assert Verbal(unread=0.5).variant == "2-stage top-1 numbers unread=0.5"


def test_an_embedded_model_states_what_can_be_read() -> None:
    """It was taught this very request: nearly all is read, whatever it is worth."""
    model = LocalModel("almanac-small")
    questions = [q for q in load_questions("almanac") if q.answerable and not q.choices][::170]
    pairs = zip(questions, answer(questions, model))
    items = [Answered(question=q, answer=a) for q, a in pairs]
    values = verbal.FittedVerbal(Verbal()).score(items, model).values
    read = ~np.isnan(values)
    assert read.mean() > 0.9
    assert len(set(values[read].tolist())) > 1
