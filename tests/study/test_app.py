"""The app over HTTP: the whole way, what is sent twice or wrongly, and what browsers are told."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibrant.study.answers import MAX_COMMENT, SCALES
from calibrant.study.data import tables
from calibrant.study.design import Arm
from calibrant.study.folder import token_hash
from calibrant.study.messages import Messages
from calibrant.study.simulate import Page

from .conftest import ARMS, HOSTILE, PASSWORD
from .walk import Walker


def test_the_whole_way(served: Callable[..., Any], database: str) -> None:
    made, client = served(database=database, ask_confidence=True)
    walker = Walker(client, "&PROLIFIC_PID=p1&SESSION_ID=s1&other=x")
    seen = []
    while "code" not in (page := walker.page()).data:
        seen.append((page.hidden["step"], page.hidden["kind"]))
        assert HOSTILE not in page.text and "<script>alert" not in page.text
        assert walker.send(walker.filled(page)).status_code == 303
    kinds = list(dict.fromkeys(step.split("-")[0] for step, _ in seen))
    assert kinds[:5] == ["ability", "instructions", "comprehension", "practice", "trial"]
    assert sorted(kinds[4:]) == ["check", "survey", "trial"] and kinds[-1] == "survey"
    participants, trials = tables(made)
    (person,) = participants
    assert page.data["code"] == made.code(person["participant"])
    assert person["excluded"] == "" and person["n_trials"] == 6 and person["failed_checks"] == 0
    assert [row["kind"] for row in trials] == ["ability"] * 2 + ["practice"] + ["trial"] * 6
    assert all(row["own_confidence"] == 0.7 for row in trials)
    (stored, events) = next(made.store.everything())
    assert stored.external == {"PROLIFIC_PID": "p1", "SESSION_ID": "s1"}
    assert {e.kind for e in events} == {"shown", "answer", "seen", "assigned"}
    plan = made.plan(stored.slot)
    assert [row["item"] for row in trials[3:]] == [trial.item.id for trial in plan.trials]


def test_feedback_and_score(served: Callable[..., Any]) -> None:
    made, client = served(n_ability=0, n_practice=0)
    walker = Walker(client)
    page = walker.until(lambda step: step == "trial-0")
    item = next(i for i in made.items if i.id == page.data["item"])
    right = str(item.choices.index(item.targets[0]))
    walker.send({**page.hidden, "response": right})
    page = walker.page()
    assert page.data["step"] == "feedback" and "Right so far: 1 of 1" in page.text
    made2, client2 = served(name="quiet", feedback=False, n_ability=0, n_practice=0)
    walker = Walker(client2)
    page = walker.until(lambda step: step == "trial-0")
    walker.send({**page.hidden, "response": "0"})
    page = walker.page()
    assert page.hidden["step"] == "trial-1" and "Right so far" not in page.text
    assert made2.design.feedback is False


def test_what_an_arm_shows(served: Callable[..., Any]) -> None:
    arms = ("no_model", "prediction", "tuned", "said=tuned:words", "seen=tuned:bar",
            "shy=tuned:abstain:0.5")  # fmt: skip
    made, client = served(
        arms=tuple(map(Arm.parse, arms)), n_batches=1, n_ability=0, n_practice=0, n_checks=0
    )
    for _ in range(6):
        walker = Walker(client)
        page = walker.until(lambda step: step == "trial-0")
        (person, _) = made.store.find(token_hash(walker.token))
        arm = made.design.arm(made.plan(person.slot).arms[0])
        item = next(i for i in made.items if i.id == page.data["item"])
        shown = page.data.get("prediction")
        percent = str(round(100 * item.confidences["tuned"]))
        if arm.form == "none":
            assert shown is None
        elif arm.form == "abstain":
            assert (shown is None) == (item.confidences["tuned"] < 0.5)
            assert ("not confident enough" in page.text) == (shown is None)
        else:
            assert shown == item.prediction
        told = {"number": "percent", "bar": "percent", "words": "word"}.get(arm.form)
        assert ("percent" in page.data or "word" in page.data) == bool(told)
        if told == "percent":
            assert page.data["percent"] == percent
        elif told == "word":
            assert Messages.load("en", made.folder)(page.data["word"]) in page.text


def test_consent_is_needed_and_refusal_stores_nothing(served: Callable[..., Any]) -> None:
    made, client = served()
    form = Page(client.get("/").text).hidden
    assert client.post("/start", data={**form, "agree": "yes"}).status_code == 422
    refused = client.post("/start", data={**form, "agree": "no"})
    assert "nothing was stored" in refused.text
    assert client.post("/start", data={"agree": "yes", "age": "yes"}).status_code == 400
    bad = {**form, "nonce": "../../x", "agree": "yes", "age": "yes"}
    assert client.post("/start", data=bad).status_code == 400
    assert list(made.store.everything()) == []


def test_starting_twice(served: Callable[..., Any]) -> None:
    made, client = served()
    walker = Walker(client, "&PROLIFIC_PID=p1")
    again = client.post("/start", data=walker.started)  # a double click, or back and again
    assert again.status_code == 303 and again.headers["location"] == walker.path
    form = {**Page(client.get("/?PROLIFIC_PID=p1").text).hidden, "age": "yes", "agree": "yes"}
    other = client.post("/start", data=form)  # who knows the id does not get the session
    assert other.status_code == 409 and walker.token not in other.text
    assert len(list(made.store.everything())) == 1


def test_repeats_and_steps_out_of_order(served: Callable[..., Any]) -> None:
    made, client = served()
    walker = Walker(client)
    page = walker.until(lambda step: step == "trial-1")
    answer = {**page.hidden, "response": "2"}
    before = len(made.store.find(token_hash(walker.token))[1])
    for wrong in ({"step": "trial-2"}, {"kind": "seen"}, {"step": "survey"}, {"step": "nothing"}):
        assert walker.send({**answer, **wrong}).status_code == 409
    for bad in ({"response": "4"}, {"response": "-1"}, {"response": "x"}, {"kind": "other"}):
        assert walker.send({**answer, **bad}).status_code == 400
    assert walker.send({**answer, "response": ""}).status_code == 422
    assert len(made.store.find(token_hash(walker.token))[1]) == before
    assert walker.send(answer).status_code == 303
    assert walker.send({**answer, "response": "3"}).status_code == 303  # from another tab
    events = made.store.find(token_hash(walker.token))[1]
    given = [e.data["response"] for e in events if e.kind == "answer" and e.step == "trial-1"]
    assert len(given) == 1 and given[0].startswith("Answer C")
    assert walker.send({**page.hidden, "step": "trial-0", "response": "1"}).status_code == 303
    assert walker.step() == "trial-1"  # its feedback


def test_forged_tokens(served: Callable[..., Any]) -> None:
    made, client = served()
    walker = Walker(client)
    for token in ("0" * 40, walker.token[:-1], walker.token.upper(), "x", walker.token + "0"):
        for reply in (client.get(f"/s/{token}"), client.post(f"/s/{token}", data={"step": "x"}),
                      client.post(f"/s/{token}/withdraw", data={"confirm": "yes"})):  # fmt: skip
            assert reply.status_code == 404 and "No session belongs" in reply.text
    person, _ = next(made.store.everything())
    for other in (person.id, token_hash(walker.token)):
        assert client.get(f"/s/{other}").status_code == 404
    assert client.get("/nowhere").status_code == 404


def test_too_early_and_too_late(served: Callable[..., Any], monkeypatch: Any) -> None:
    from calibrant.study import app, store, views

    made, client = served(min_seconds=10, max_seconds=30, n_ability=0, n_practice=0, n_checks=0)
    clock = [1_700_000_000.0]
    for module in (app, store, views):
        monkeypatch.setattr(module.time, "time", lambda: clock[0])
    walker = Walker(client)

    def wait(seconds: float) -> None:
        clock[0] += seconds

    page = walker.until(lambda step: step == "trial-0")
    answer = {**page.hidden, "response": "1"}
    wait(5)
    early = walker.send(answer)
    assert early.status_code == 422 and "too early" in early.text
    assert 'data-wait="5' in walker.page().text  # a reload does not start the clock again
    wait(6)
    assert walker.send(answer).status_code == 303
    walker.send(walker.page().hidden)
    page = walker.page()
    wait(29.5)
    assert walker.send({**page.hidden, "response": ""}).status_code == 303  # the page gave up
    assert "Time is up" in walker.page().text
    walker.send(walker.page().hidden)
    page = walker.page()
    wait(86_400)  # back the next day
    assert walker.send({**page.hidden, "response": "1"}).status_code == 303
    _, trials = tables(made)
    assert [(r["late"], r["response"] is None, r["correct"] is None) for r in trials] == [
        (False, False, False), (True, True, True), (True, True, True),
    ]  # fmt: skip
    assert trials[0]["seconds"] == 11


def test_comprehension_is_asked_again_and_then_noted(served: Callable[..., Any]) -> None:
    made, client = served(n_ability=0, comprehension_attempts=2)
    walker = Walker(client)
    for attempt in range(2):
        page = walker.until(lambda step, n=attempt: step == f"comprehension-{n}")
        wrong = {
            name: value
            for name, value, label in page.options
            if label in ("To finish as fast as I can", "Yes, always", "The question is hard")
        }
        assert walker.send({**page.hidden, **wrong}).status_code == 303
        if not attempt:
            assert "read them once more" in walker.page().text
    walker.finish()
    assert tables(made)[0][0]["excluded"] == "did not understand the instructions"


def test_who_saw_no_model_is_not_asked_about_it(served: Callable[..., Any]) -> None:
    made, client = served(n_batches=1, n_ability=0, n_practice=0, n_checks=0)
    for _ in made.design.arms:
        walker = Walker(client)
        page = walker.until(lambda step: step == "survey")
        asked = {name for name, _, _ in page.options}
        (person, _) = made.store.find(token_hash(walker.token))
        alone = made.plan(person.slot).arms == ("no_model",)
        assert asked == ({"difficulty"} if alone else set(SCALES))
        form = walker.filled(page)
        assert walker.send({**form, "difficulty": ""}).status_code == 422
        assert walker.send({**form, "difficulty": "5"}).status_code == 400
        walker.finish()
    for row in tables(made)[0]:
        assert row["difficulty"] == 1 and (row["trust"] is None) == (row["arm"] == "no_model")


def test_failed_attention_check(served: Callable[..., Any]) -> None:
    made, client = served()
    walker = Walker(client)
    page = walker.until(lambda step: step == "check-0")
    wrong = next(value for _, value, label in page.options if f"“{label}”" not in page.legend)
    walker.send({**page.hidden, "response": wrong})
    walker.finish()
    assert tables(made)[0][0]["excluded"] == "failed attention checks"


def test_what_was_given_stays_on_the_page(served: Callable[..., Any]) -> None:
    _, client = served(n_ability=0, n_practice=0, ask_confidence=True)
    walker = Walker(client)
    page = walker.until(lambda step: step == "trial-0")
    again = walker.send({**page.hidden, "response": "2", "own": '"><b>'})
    assert again.status_code == 422 and "<b>" not in again.text
    assert re.findall(r'value="(\d)" id="[^"]*" required checked', again.text) == ["2"]
    walker.send({**page.hidden, "response": "2", "own": "55"})
    page = walker.until(lambda step: step == "survey")
    form = {**walker.filled(page), "difficulty": "3", "comment": f"kept {HOSTILE}"}
    for missing in ({"difficulty": ""}, {"comment": form["comment"] + "x" * 1500}):
        again = walker.send({**form, **missing})
        assert again.status_code == 422 and "kept &lt;script" in again.text
        assert HOSTILE not in again.text
        marked = 'id="difficulty-3" required checked' in again.text
        assert marked == ("comment" in missing)


def test_a_comment_has_room_in_every_script(served: Callable[..., Any]) -> None:
    made, client = served(n_ability=0, n_practice=0, n_checks=0, n_questions=1)
    for comment in ("世" * MAX_COMMENT, "a\r\n" * (MAX_COMMENT // 2 - 1) + "so"):
        walker = Walker(client)
        page = walker.until(lambda step: step == "survey")
        assert f'maxlength="{MAX_COMMENT}"' in page.text
        assert walker.send({**walker.filled(page), "comment": comment}).status_code == 303
    assert {len(row["comment"]) for row in tables(made)[0]} == {MAX_COMMENT}


def test_instructions_say_what_comes_in_some_parts_only(served: Callable[..., Any]) -> None:
    _, client = served(within=True, n_questions=4, n_ability=0)
    text = Walker(client).until(lambda step: step == "instructions-0").text
    assert "In some parts: You answer on your own" in text
    assert "In some parts: With each question you see" in text
    _, client = served(name="other", n_ability=0, arms=tuple(map(Arm.parse, ARMS[1:3])))
    assert "In some parts" not in Walker(client).until(lambda s: s == "instructions-0").text


def test_behind_a_proxy_the_personal_link_is_the_proxys(served: Callable[..., Any]) -> None:
    _, client = served(n_ability=0)
    walker = Walker(client)
    head = {"host": "study.example.org", "x-forwarded-proto": "https"}
    page = client.get(walker.path, headers=head).text
    assert f"https://study.example.org{walker.path}<" in page
    form = {**Page(page).hidden, "step": "instructions-0"}
    head |= {"origin": "https://study.example.org"}
    assert client.post(walker.path, data=form, headers=head).status_code == 303


def test_withdrawal(served: Callable[..., Any], database: str) -> None:
    made, client = served(database=database)
    walker = Walker(client)
    walker.until(lambda step: step == "trial-2")
    assert "Delete everything" in client.get(f"{walker.path}/withdraw").text
    assert client.post(f"{walker.path}/withdraw", data={}).status_code == 400
    assert walker.step() == "trial-2"
    gone = client.post(f"{walker.path}/withdraw", data={"confirm": "yes"})
    assert gone.status_code == 200 and "was deleted" in gone.text
    assert client.get(walker.path).status_code == 404
    assert list(made.store.everything()) == []
    other = Walker(client)
    other.until(lambda step: step == "trial-0")
    assert made.store.find(token_hash(other.token))[0].slot == 0


def test_full_and_closed(served: Callable[..., Any]) -> None:
    made, client = served(n_participants=1)
    walker = Walker(client)
    form = {**Page(client.get("/").text).hidden, "age": "yes", "agree": "yes"}
    assert client.post("/start", data=form).status_code == 409
    page = walker.until(lambda step: step == "trial-0")
    made.store.close("test")
    assert client.get("/").status_code == 410 and client.get(walker.path).status_code == 410
    closed = walker.send({**page.hidden, "response": "0"})
    assert closed.status_code == 410 and ">Continue<" not in closed.text
    assert client.post("/start", data=form).status_code == 410
    assert f'href="{walker.path}/withdraw"' in closed.text  # their data are still theirs
    client.post(f"{walker.path}/withdraw", data={"confirm": "yes"})
    assert list(made.store.everything()) == []


def test_long_and_strange_input(served: Callable[..., Any], database: str) -> None:
    made, client = served(database=database)
    walker = Walker(client)
    page = walker.until(lambda step: step == "survey")
    form = {**walker.filled(page), "comment": "x" * 2001}
    assert walker.send(form).status_code == 422
    assert walker.send({**form, "comment": "x" * 20_000}).status_code == 413
    raw = client.post(walker.path, content=b"\xff\xfe%%%", headers={"content-type": FORM})
    assert raw.status_code == 400
    assert client.post(walker.path, json={"step": "survey"}).status_code == 415
    assert walker.send({**form, "comment": HOSTILE + "\x00"}).status_code == 303
    assert tables(made)[0][0]["comment"] == HOSTILE
    long_id = client.get("/?PROLIFIC_PID=" + "x" * 65)
    assert "x" * 65 not in long_id.text and client.get("/?PROLIFIC_PID=<b>").text.count("<b>") == 0


FORM = "application/x-www-form-urlencoded"


def test_what_browsers_are_told(served: Callable[..., Any]) -> None:
    made, client = served()
    walker = Walker(client)
    page = walker.until(lambda step: step == "trial-0")
    replies = [client.get(path) for path in ("/", walker.path, "/nowhere", "/admin")]
    for reply in (*replies, walker.send({}), client.post(walker.path, json={})):
        head = reply.headers
        assert "frame-ancestors 'none'" in head["content-security-policy"]
        assert "unsafe" not in head["content-security-policy"]
        assert head["x-frame-options"] == "DENY" and head["x-content-type-options"] == "nosniff"
        assert head["referrer-policy"] == "same-origin" and head["cache-control"] == "no-store"
        assert "set-cookie" not in head and "server" not in head
    answer = {**page.hidden, "response": "0"}
    foreign = [{"origin": "https://evil.example"}, {"origin": "null"},
               {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}]  # fmt: skip
    for head in foreign:
        refused = client.post(walker.path, data=answer, headers=head)
        assert refused.status_code == 403 and "from another site" in refused.text
        assert "frame-ancestors 'none'" in refused.headers["content-security-policy"]
    own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert client.post(walker.path, data=answer, headers=own).status_code == 303
    assert "127.0.0.1" not in str([made.store.find(token_hash(walker.token))])


def test_open_questions(served: Callable[..., Any]) -> None:
    made, client = served(n_ability=0, n_practice=0, n_checks=0)
    plain = [type(i)(**{**vars(i), "choices": ()}) for i in made.items]
    made.items = plain
    walker = Walker(client)
    page = walker.until(lambda step: step == "trial-0")
    assert walker.send({**page.hidden, "response": "y" * 201}).status_code == 422
    item = next(i for i in plain if i.id == page.data["item"])
    assert walker.send({**page.hidden, "response": item.targets[0].upper()}).status_code == 303
    assert tables(made)[1][0]["correct"] is True


@pytest.mark.parametrize("language", ["en", "de"])
def test_languages(served: Callable[..., Any], language: str) -> None:
    _, client = served()
    page = client.get("/", headers={"accept-language": f"fr, {language}-CH;q=0.8"}).text
    assert f'<html lang="{language}">' in page
    form = {**Page(page).hidden, "age": "yes", "agree": "yes"}
    path = client.post("/start", data=form).headers["location"]
    assert Messages.load(language, Path())("question.submit") in client.get(path).text


def auth(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()}


def test_administration(served: Callable[..., Any]) -> None:
    made, client = served(n_batches=1)
    for head in ({}, auth("wrong"), {"authorization": "Basic %%%"}, {"authorization": "Bearer x"}):
        assert client.get("/admin", headers=head).status_code == 401
        assert client.post("/admin", data={"do": "close"}, headers=head).status_code == 401
    for _ in range(4):
        Walker(client).finish()
    reply = client.get("/admin", headers=auth(PASSWORD))
    (policy,) = reply.headers.get_list("content-security-policy")
    assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert "connect-src 'self'" in policy and reply.headers["x-frame-options"] == "DENY"
    assert "connect-src" not in client.get("/").headers["content-security-policy"]
    page = reply.text
    assert "Results by arm are hidden" in page and "Accuracy" not in page
    held = re.findall(r'<th scope="row">(\w+)</th><td>0</td><td>(\d)</td><td>(\d)</td>', page)
    assert sorted(held) == sorted((arm, "1", "1") for arm in made.design.arm_names)
    foreign = {**auth(PASSWORD), "origin": "https://evil.example"}
    form = {"do": "close", "sure": "yes"}
    assert client.post("/admin", data=form, headers=foreign).status_code == 403
    assert client.post("/admin", data={"do": "unblind"}, headers=auth(PASSWORD)).status_code == 400
    form = {"do": "unblind", "reason": HOSTILE}
    assert client.post("/admin", data=form, headers=auth(PASSWORD)).status_code == 303
    page = client.get("/admin", headers=auth(PASSWORD)).text
    assert "Accuracy" in page and "unblinded" in page and HOSTILE not in page
    assert client.post("/admin", data={"do": "close"}, headers=auth(PASSWORD)).status_code == 400
    assert not made.store.closed
    client.post("/admin", data={"do": "close", "sure": "yes"}, headers=auth(PASSWORD))
    assert made.store.closed and made.store.logged()[-1][1:] == ("closed", "on the admin page")
