"""What is refused: half a form, addresses that are none, items and studies that cannot work."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import calibrant.study
from calibrant.cli import app
from calibrant.errors import InvalidData
from calibrant.study import app as app_module
from calibrant.study import store as store_module
from calibrant.study import views
from calibrant.study.data import tables
from calibrant.study.design import Arm
from calibrant.study.folder import Study, new_study, simulated_copy
from calibrant.study.items import MAX_TEXT, Item, freeze, of_table
from calibrant.study.policies import crowd
from calibrant.study.store import Store
from calibrant.study.thresholds import thresholds
from calibrant.study.virtual import virtual
from calibrant.tables import read_table
from calibrant.web.security import Secured

from .conftest import make_design, make_items
from .test_store import someone
from .walk import Walker

Message = dict[str, Any]


def asked(headers: dict[str, str], parts: list[Message]) -> tuple[list[bytes], list[Message]]:
    """Bodies that an app gets of a form, and what the browser is sent."""
    taken, sent = [], []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        taken.append((await receive())["body"])

    async def receive() -> Message:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Secured(inner, "default-src 'self'")(scope, receive, send))
    return taken, sent


def test_half_a_form_is_no_form() -> None:
    first = {"type": "http.request", "body": b"response=The", "more_body": True}
    rest = {"type": "http.request", "body": b"+whole", "more_body": False}
    assert asked({}, [first, rest])[0] == [b"response=The+whole"]
    assert asked({}, [first, {"type": "http.disconnect"}]) == ([], [])


@pytest.mark.parametrize("origin", ["http://[", "http://elsewhere.org", "null"])
def test_a_form_from_elsewhere(origin: str) -> None:
    taken, sent = asked({"host": "here.org", "origin": origin}, [])
    assert not taken and sent[0]["status"] == 403
    assert (b"x-frame-options", b"DENY") in sent[0]["headers"]


def test_who_follows_a_model_that_is_right_is_right() -> None:
    item = Item(
        text="Capital of France?", targets=("Paris",), prediction="the city of Paris",
        model_correct=True,
    )  # fmt: skip
    assert item.is_right("The city of Paris.") and item.is_right("paris")
    assert not item.is_right("the city of Rome")
    assert not replace(item, model_correct=False).is_right("the city of Paris")


def test_verdicts_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"

    def verdicts(*cells: str, kind: str = ",") -> list[bool]:
        rows = [f"Q{i}?,{kind}{cell}" for i, cell in enumerate(cells)]
        path.write_text("\n".join(["question,choices,target,prediction,correct", *rows]) + "\n")
        return [item.model_correct for item in of_table(path, [])]

    assert verdicts("a,b,yes", "a,a,no", "a,a,", "a,b,", "a,b,True") == [
        True, False, True, False, True,
    ]  # fmt: skip
    with pytest.raises(InvalidData, match="'maybe' is no verdict"):
        verdicts("a,b,maybe")
    assert verdicts("a,a,1", kind="a|b,") == [True]
    with pytest.raises(InvalidData, match="the targets say otherwise"):
        verdicts("a,b,1", kind="a|b,")


def test_items_that_no_feedback_can_be_given_on(tmp_path: Path) -> None:
    items = make_items()
    items[1] = replace(items[1], targets=(), choices=())
    items[2] = replace(items[2], choices=(), prediction="x" * (MAX_TEXT + 1))
    with pytest.raises(InvalidData, match=r"2 of 80 items lack a prediction that fits .*a right"):
        new_study(tmp_path / "study", items, make_design())


def test_a_language_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    design = make_design(languages=("en", "xx"))
    with pytest.raises(InvalidData, match="no messages for language 'xx'"):
        new_study(folder, make_items(), design)
    (folder / "messages").mkdir(parents=True)
    shutil.copyfile(
        Path(calibrant.study.__file__).parent / "messages/en.toml", folder / "messages/xx.toml"
    )
    made, _, _ = new_study(folder, make_items(), design)
    assert set(made.messages) == {"en", "xx"}
    assert set(simulated_copy(made, tmp_path / "copy").messages) == {"en", "xx"}
    (tmp_path / "file").write_text("")
    for make in (lambda f: new_study(f, make_items(), design), lambda f: simulated_copy(made, f)):
        with pytest.raises(InvalidData, match="is a file"):
            make(tmp_path / "file")


def test_the_clock_runs_from_a_page_that_was_refused(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, client = served(n_practice=0, n_checks=0, max_seconds=30)
    clock = [1_700_000_000.0]
    for module in (app_module, store_module, views):
        monkeypatch.setattr(module.time, "time", lambda: clock[0])
    walker = Walker(client)
    first = walker.page().hidden
    walker.send({**first, "response": "0"})
    unseen = {**first, "step": "ability-1", "response": ""}
    assert walker.send(unseen).status_code == 422
    clock[0] += 60
    walker.page()
    assert walker.send({**unseen, "response": "0"}).status_code == 303
    (person,), rows = tables(made)
    assert [(row["late"], row["seconds"]) for row in rows] == [(False, 0), (True, 60)]
    assert person["ability"] == float(rows[0]["correct"])  # a late answer is missing, not wrong


def test_a_store_that_cannot_be_opened() -> None:
    with pytest.raises(InvalidData, match=r"^sqlite:.* cannot be opened"):
        Store("sqlite:////nowhere/at/all.sqlite", "study")


def test_a_reason_is_given(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}", "study")
    with pytest.raises(InvalidData, match="--unblind"):
        store.require_closed("  ")
    assert not store.logged()
    store.shut()


@pytest.mark.parametrize(
    "words",
    [
        "power {} --sizes=", "power {} --sizes=0", "power {} --n-simulations 0",
        "simulate {} --participants 0", "simulate {} --policies=", "simulate {} --seed -1",
        "serve {} --port 99999", "analyse {} --n-permutations 0", "analyse {} --n-resamples -1",
    ],
)  # fmt: skip
def test_numbers_that_cannot_be(words: str, study: Callable[..., Study]) -> None:
    found = CliRunner().invoke(app(["study"]), ["study", *words.format(study().folder).split()])
    assert found.exit_code != 0 and isinstance(found.exception, (SystemExit, InvalidData))


def called(*words: str) -> Any:
    """What a verb of the study prints as JSON."""
    found = CliRunner().invoke(app(["study"]), ["study", *words, "--json"])
    assert found.exit_code == 0, found.output + repr(found.exception)
    return json.loads(found.stdout)


def test_the_verbs_one_after_the_other(study: Callable[..., Study], tmp_path: Path) -> None:
    made, copy = str(study().folder), str(tmp_path / "copy")
    found = called("simulate", made, "--participants", "8", "--out", copy)
    assert found["finished"] == 8 and not found["failed"]
    found = called("analyse", copy, "--n-permutations", "99", "--n-resamples", "50")
    assert found["primary"] and (tmp_path / "copy/report/report.html").exists()
    assert called("export", copy) == {"participants": 8, "trials": 8 * 9}
    person = read_table(tmp_path / "copy/export/participants.csv")[0]["participant"]
    before = Study(copy)
    assert called("link", copy, person)["path"].startswith("/s/")
    assert before.store.logged()[-1][1:] == ("new link", "")
    Study(made).store.start(someone("came and left"))
    assert called("close", made)["closed"]
    assert called("export", made) == {"participants": 1, "trials": 0}
    header = (Path(made) / "export/trials.csv").read_text()
    assert header.startswith("participant,") and header.count("\n") == 1


def test_a_hidden_confidence_has_no_threshold(study: Callable[..., Study]) -> None:
    arms = tuple(map(Arm.parse, ("sure=tuned", "shy=tuned:abstain:0.5")))
    made = study(arms=arms, n_ability=0, n_practice=0, n_checks=0)
    people = crowd(8, 0)
    _, trials = virtual(made.design, made.items, 8, lambda arm, i: people[i], 0)
    by_arm = {row["participant"]: row["arm"] for row in trials}
    assert set(by_arm.values()) == {"sure", "shy"}
    assert {by_arm[name] for name in thresholds(trials)} == {"sure"}


def test_a_question_is_asked_once() -> None:
    items = make_items(60)
    twice = [*items, *(replace(item, choices=(), text=f"{item.text} ") for item in items)]
    chosen, _ = freeze(twice, make_design(n_questions=20, n_ability=0, n_practice=0))
    assert len(chosen) == 40 and all(item.choices for item in chosen)
