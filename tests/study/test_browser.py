"""Every page and state in Chromium: silent console, no foreign requests, accessible."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from calibrant.study import admin, app, store, views
from calibrant.study.data import tables
from calibrant.study.design import Arm
from calibrant.study.folder import Study
from calibrant.study.items import freeze
from calibrant.study.policies import crowd
from calibrant.study.report import write_report
from calibrant.study.server import running
from calibrant.study.virtual import virtual

from .conftest import HOSTILE, absent, make_design, make_items
from .walk import Walker

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
RIGHT = {
    "goal": "To answer as many questions as I can correctly",
    "model": "No, it can be wrong",
    "confidence": "In the model's own estimate the answer is likely to be right",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        absent(f"{CHROMIUM} is not there: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker, where npm has it."""
    try:
        where = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, check=True)
        return (Path(where.stdout.strip()) / "axe-core" / "axe.min.js").read_text("utf-8")
    except (OSError, subprocess.CalledProcessError):
        absent("axe-core is not there: npm install -g axe-core")
        raise


@pytest.fixture
def site(study: Callable[..., Study]) -> Iterator[Callable[..., tuple[Study, str]]]:
    servers: list[Any] = []

    def serve(**settings: Any) -> tuple[Study, str]:
        made = study(**settings)
        servers.append(running(made))
        return made, servers[-1].__enter__()

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


@pytest.fixture
def page(browser: Any, axe: str) -> Iterator[Any]:
    """A page that must tell nothing to the console; navigations are counted in `page.told`."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, locale="en-GB", bypass_csp=False
    )
    opened = context.new_page()
    listen(opened)
    yield opened
    context.close()


def listen(page: Any) -> None:
    page.told = []
    page.on("console", lambda message: page.told.append(message.text))
    page.on("pageerror", lambda error: page.told.append(str(error)))


def check(page: Any, axe: str) -> None:
    """Accessible (by all rules of axe-core), no sideways scrolling, nothing told."""
    page.evaluate(axe)  # evaluation is not held by the page's policy, which stays as it is
    found = page.evaluate("axe.run(document)")
    wrong = [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found["violations"]]
    assert wrong == []
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth") <= page.evaluate(f"{root}.clientWidth")
    assert page.told == []


def start(page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_label("I am at least 18").check()
    page.get_by_role("button", name="Start").click()


def kind(page: Any) -> str:
    if page.locator("[data-step=feedback]").count():
        return "feedback"
    if page.locator("[data-code]").count():
        return "done"
    return str(page.locator("input[name=step]").get_attribute("value")).split("-")[0]


def fill(page: Any, step: str) -> None:
    """Answer what is on the page, without sending it."""
    if step in ("ability", "practice", "trial"):
        page.locator("input[name=response]").nth(1).check()
    elif step == "comprehension":
        for name, text in RIGHT.items():
            if page.locator(f"input[name={name}]").count():
                page.get_by_label(text).check()
    elif step == "check":
        legend = page.locator("legend").inner_text()
        page.get_by_label(legend.split("“")[1].split("”")[0]).check()
    elif step == "survey":
        for name in ("difficulty", "follow", "helpful", "trust"):
            if page.locator(f"input[name={name}]").count():
                page.locator(f"input[name={name}]").nth(2).check()
        page.get_by_label("Is there anything else").fill("<b>words</b>")


def press(page: Any) -> None:
    page.locator("main button[type=submit]").first.click()


def until(page: Any, wanted: str, seen: list[str] | None = None) -> None:
    for _ in range(80):
        step = kind(page)
        if seen is not None:
            seen.append(step)
        if step == wanted:
            return
        fill(page, step)
        press(page)
    raise AssertionError(f"{wanted} does not come")


WIDE = pytest.param(1200, "dark", marks=pytest.mark.slow)


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), WIDE])
def test_every_page_of_the_way(browser: Any, axe: str, site: Any, width: int, scheme: str) -> None:
    made, url = site(ask_confidence=False)
    context = browser.new_context(
        viewport={"width": width, "height": 740}, color_scheme=scheme, locale="en-GB"
    )
    page = context.new_page()
    listen(page)
    foreign: list[str] = []
    page.on("request", lambda asked: asked.url.startswith(url) or foreign.append(asked.url))
    page.goto(url)
    check(page, axe)
    start(page, url)
    checked = set()
    while (step := kind(page)) != "done":
        if step not in checked:
            check(page, axe)
            checked.add(step)
        fill(page, step)
        press(page)
    check(page, axe)
    page.get_by_role("link", name="Withdraw").click()
    check(page, axe)
    page.get_by_role("link", name="Go on").click()
    assert kind(page) == "done"
    assert {"ability", "instructions", "comprehension", "practice", "trial", "feedback", "check",
            "survey"} <= checked  # fmt: skip
    assert [u for u in foreign if not u.startswith("data:")] == []
    assert tables(made)[0][0]["comment"] == "<b>words</b>"
    context.close()


def test_notices_and_german(page: Any, axe: str, site: Any) -> None:
    made, url = site()
    for path in ("/nowhere", "/s/" + "0" * 40):
        page.goto(url + path)
        page.told.clear()  # the browser itself reports the status 404
        check(page, axe)
    page.goto(url)
    page.get_by_role("link", name="Deutsch").click()
    assert page.locator("html").get_attribute("lang") == "de"
    check(page, axe)
    page.get_by_role("button", name="Ich möchte nicht teilnehmen").click()
    check(page, axe)
    assert "nichts gespeichert" in page.content() and tables(made)[0] == []


FORMS = ("no_model", "prediction", "tuned", "said=tuned:words", "seen=tuned:bar",
         "shy=tuned:abstain:0.5")  # fmt: skip


def test_every_display_and_refusal(page: Any, axe: str, site: Any) -> None:
    """All that an arm shows, in one session; forms that lack something; instructions again."""
    _, url = site(
        arms=tuple(map(Arm.parse, FORMS)), within=True, n_questions=18, n_batches=1, n_ability=0,
        n_practice=0, n_checks=1, ask_confidence=True, max_seconds=600,
        completion_url="https://panel.example.org/done",
    )  # fmt: skip

    def send() -> None:
        """As it is, whatever is missing."""
        with page.expect_navigation():
            page.locator("main form").evaluate("form => form.submit()")
        page.told.clear()  # the browser itself reports the status 422

    start(page, url)
    checked: set[tuple[str, ...]] = set()
    while (step := kind(page)) != "done":
        shown = [name for name in ("[data-prediction]", "[data-percent]", "[data-word]", "meter",
                                   ".model") if page.locator(name).count()]  # fmt: skip
        state = (step, *shown)
        if state not in checked:
            check(page, axe)
            if step not in ("instructions", "feedback"):
                send()
                assert page.get_by_role("alert").is_visible()
                check(page, axe)
            checked.add(state)
        if step == "comprehension" and ("again",) not in checked:
            for name in RIGHT:  # all wrong: the instructions come again
                right = page.get_by_label(RIGHT[name])
                page.locator(f"input[name={name}]").nth(
                    int(right.get_attribute("value") == "0")
                ).check()
            press(page)
            assert "read them once more" in page.content()
            check(page, axe)
            checked.add(("again",))
            continue
        fill(page, step)
        if page.locator("#own").count():
            page.locator("#own").fill("70")
        press(page)
    check(page, axe)
    trials = {state[1:] for state in checked if state[0] == "trial"}
    told = "[data-prediction]"
    assert trials == {
        (), (told, ".model"), (told, "[data-percent]", ".model"), (told, "[data-word]", ".model"),
        (told, "[data-percent]", "meter", ".model"), (".model",),
    }  # fmt: skip


def test_own_words(page: Any, axe: str, site: Any) -> None:
    made, url = site(n_ability=0, n_practice=0, n_checks=0)
    made.items = [replace(item, choices=()) for item in made.items]
    start(page, url)
    until(page, "instructions")
    press(page)
    fill(page, "comprehension")
    press(page)
    check(page, axe)
    page.get_by_label("Your answer").fill(HOSTILE)
    press(page)
    assert kind(page) == "feedback" and HOSTILE in page.locator("main").inner_text()
    check(page, axe)


def test_every_notice(page: Any, axe: str, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, url = site(n_participants=1, n_ability=0, n_practice=0)

    def notice(title: str) -> None:
        assert page.get_by_role("heading", level=1).inner_text() == title
        page.told.clear()  # the browser itself reports the status
        check(page, axe)

    start(page, url + "/?PROLIFIC_PID=p1")
    session = page.url
    until(page, "trial")
    for name, value, title in (("step", "trial-3", "This is not the next step"),
                               ("kind", "other", "This could not be understood")):  # fmt: skip
        set_value = "(field, value) => { field.value = value; field.form.submit(); }"
        with page.expect_navigation():
            page.locator(f"input[name={name}]").evaluate(set_value, value)
        notice(title)
        page.get_by_role("link", name="Continue").click()
        assert kind(page) == "trial"
    start(page, url + "/?PROLIFIC_PID=p1")
    notice("You have already started")
    start(page, url)
    notice("No places left")
    with monkeypatch.context() as patch:
        patch.setattr(views.Views, "consent", lambda *_: 1 / 0)
        page.goto(url)
        notice("Something went wrong")
    made.store.close("test")
    for address in (url, session):
        made.store._closed = (-60.0, None)
        page.goto(address)
        notice("The study has ended")
    page.get_by_role("link", name="Withdraw").click()
    check(page, axe)


def test_report(page: Any, axe: str, tmp_path: Path) -> None:
    design = make_design(n_questions=12, n_practice=0, ask_confidence=True, min_seconds=0)
    items, _ = freeze(make_items(), design)
    people = crowd(32, 0)
    participants, trials = virtual(design, items, 32, lambda _, number: people[number], 0)
    for row in participants:
        row |= {"comment": HOSTILE, "difficulty": 3}
    write_report(tmp_path, design, items, participants, trials, n_permutations=99, n_resamples=20)
    page.goto((tmp_path / "report.html").as_uri())
    page.get_by_text("Comments (32)").click()
    assert page.get_by_text(HOSTILE).first.is_visible()
    check(page, axe)


def test_consent_must_be_ticked(page: Any, axe: str, site: Any) -> None:
    made, url = site()
    page.goto(url)
    page.get_by_role("button", name="Start").click()
    assert page.get_by_role("alert").is_visible()
    page.told.clear()  # status 422
    check(page, axe)
    assert tables(made)[0] == []


def test_back_reload_and_two_tabs(page: Any, axe: str, site: Any) -> None:
    made, url = site(n_ability=0, n_practice=0, n_checks=0, feedback=False)
    start(page, url)
    until(page, "trial")
    other = page.context.new_page()
    listen(other)
    other.goto(page.url)
    fill(page, "trial")
    press(page)  # trial 0 from the first tab
    other.locator("input[name=response]").nth(2).check()
    press(other)  # and again from the second: the first one counts
    assert other.locator("input[name=step]").get_attribute("value") == "trial-1"
    page.reload()
    assert page.locator("input[name=step]").get_attribute("value") == "trial-1"
    page.go_back()  # to a page that was answered: it shows, or brings, the present step
    page.wait_for_load_state()
    fill(page, "trial")
    press(page)
    page.wait_for_load_state()
    until(page, "done")
    _, trials = tables(made)
    assert [row["position"] for row in trials] == list(range(6))
    assert trials[0]["response"].startswith("Answer B")
    assert page.told == [] and other.told == []


def test_double_click_and_slow_network(page: Any, site: Any) -> None:
    made, url = site(n_ability=0, n_practice=0, n_checks=0, feedback=False)
    start(page, url)
    until(page, "trial")
    sent: list[str] = []
    page.on("request", lambda asked: asked.method == "POST" and sent.append(asked.url))
    page.route("**/s/*", lambda route: (time.sleep(0.4), route.continue_()))
    fill(page, "trial")
    button = page.locator("main button[type=submit]")
    button.dblclick(no_wait_after=True)
    page.wait_for_selector("input[name=step][value=trial-1]", state="attached")
    assert len(sent) == 1 and len(tables(made)[1]) == 1 and page.told == []


def test_least_time(page: Any, axe: str, site: Any) -> None:
    made, url = site(min_seconds=5, n_ability=0, n_practice=0, n_checks=0)
    start(page, url)
    until(page, "trial")
    fill(page, "trial")
    button = page.locator("main button[type=submit]")
    assert button.get_attribute("aria-disabled") == "true"
    button.click(force=True)
    assert kind(page) == "trial" and tables(made)[1] == []
    check(page, axe)
    page.wait_for_selector("main button[aria-disabled=false]")
    assert "You can answer now." in page.locator("[role=status]").inner_text()
    button.click()
    page.wait_for_selector("[data-step=feedback]")
    (row,) = tables(made)[1]
    assert row["seconds"] >= 4.75 and 4.5 <= row["client_seconds"] <= row["seconds"] + 1


def test_time_limit(page: Any, site: Any) -> None:
    made, url = site(max_seconds=2, n_ability=0, n_practice=0, n_checks=0)
    start(page, url)
    until(page, "trial")
    page.wait_for_selector("[data-step=feedback]")
    assert "Time is up" in page.content()
    assert tables(made)[1][0]["late"] and page.told == []


def test_return_the_next_day(page: Any, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser was closed amid a question; it is asked again, and its time is told as it was."""
    made, url = site(min_seconds=1, n_ability=0, n_practice=0, n_checks=0)
    start(page, url)
    until(page, "trial")
    link = page.url
    page.goto("about:blank")
    now = time.time
    for module in (app, store, views):
        monkeypatch.setattr(module.time, "time", lambda: now() + 86_400)
    page.goto(link)
    assert page.locator("input[name=step]").get_attribute("value") == "trial-0"
    until(page, "done")
    _, trials = tables(made)
    assert trials[0]["seconds"] > 86_000 > 60 > trials[1]["seconds"] and page.told == []


def test_return_on_another_device(browser: Any, page: Any, site: Any) -> None:
    _, url = site()
    start(page, url)
    until(page, "instructions")
    link = page.locator("code.link").inner_text()
    assert link == page.url
    until(page, "trial")
    where = page.locator("input[name=step]").get_attribute("value")
    elsewhere = browser.new_context().new_page()
    listen(elsewhere)
    elsewhere.goto(link)
    assert elsewhere.locator("input[name=step]").get_attribute("value") == where
    assert elsewhere.context.cookies() == [] and elsewhere.told == []
    elsewhere.context.close()


def test_keyboard_only(page: Any, site: Any) -> None:
    made, url = site(n_ability=1, n_practice=0, n_checks=0, n_questions=4, survey=False)
    page.goto(url)

    def tab_to(selector: str) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("#age")
    page.keyboard.press("Space")
    tab_to("button[value=yes]")
    page.keyboard.press("Enter")
    for _ in range(40):
        page.wait_for_load_state()
        step = kind(page)
        if step == "done":
            break
        if step in ("ability", "trial"):
            tab_to("input[name=response]")
            page.keyboard.press("ArrowDown")
        elif step == "comprehension":
            for name, text in RIGHT.items():
                if page.locator(f"input[name={name}]").count():
                    tab_to(f"input[name={name}]")
                    page.keyboard.press("Space")
                    for _ in range(3):
                        if page.get_by_label(text).is_checked():
                            break
                        page.keyboard.press("ArrowDown")
        tab_to("main button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert tables(made)[0][0]["finished"] and page.told == []


@pytest.mark.slow
def test_without_scripts(browser: Any, site: Any) -> None:
    made, url = site(n_checks=0)
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    start(page, url)
    until(page, "done")
    assert tables(made)[0][0]["n_trials"] == 6
    context.close()


def test_withdrawal(page: Any, axe: str, site: Any) -> None:
    made, url = site()
    start(page, url)
    until(page, "trial")
    page.get_by_role("link", name="Withdraw").click()
    page.get_by_role("button", name="Delete everything").click()
    check(page, axe)
    assert "was deleted" in page.content() and tables(made)[0] == []


def test_administration_counts_by_itself(
    browser: Any, axe: str, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "EVERY_S", 0.2)
    made, url = site(n_ability=0, n_practice=0)
    context = browser.new_context(
        http_credentials={"username": "admin", "password": "correct horse"}
    )
    page = context.new_page()
    listen(page)
    page.goto(url + "/admin")
    page.told.clear()  # status 401, as below
    page.get_by_label("Reason").fill("half written")
    page.get_by_role("region", name="Counts").focus()
    with httpx.Client(base_url=url) as client:
        walker = Walker(client)
        page.get_by_role("row", name="consented 1").wait_for()
        wrong = walker.until(lambda step: step == "check-0")
        chosen = next(v for _, v, label in wrong.options if f"“{label}”" not in wrong.legend)
        walker.send({**wrong.hidden, "response": chosen})
        walker.finish()
        page.get_by_role("row", name="finished 1").wait_for()
        page.get_by_text("1 attention check failed").wait_for()
        arm = made.plan(0).arms[0]
        cells = page.get_by_role("region", name="Cells").inner_text()
        assert re.search(rf"{arm}\s+{made.plan(0).batch}\s+1\s+1", cells)
        assert page.get_by_label("Reason").input_value() == "half written"
        assert page.evaluate("document.activeElement.ariaLabel") == "Counts"
        check(page, axe)
        page.get_by_label("Count again").uncheck()
        Walker(client)
        page.wait_for_timeout(800)
        assert page.get_by_role("row", name="consented 1").count() == 1
        page.get_by_label("Count again").check()
        page.get_by_role("row", name="consented 2").wait_for()
    page.route("**/admin", lambda route: route.abort())
    page.get_by_text("The server does not answer").wait_for()
    page.get_by_label("Count again").uncheck()
    page.wait_for_timeout(400)
    page.told.clear()  # the browser's own words on that
    check(page, axe)
    page.unroute("**/admin")
    page.get_by_label("Count again").check()
    page.get_by_text("The server does not answer").wait_for(state="hidden")
    made.store.close("elsewhere")
    page.wait_for_selector("text=Results by arm")
    page.wait_for_selector("text=Closed 20")
    context.close()


def test_administration(browser: Any, axe: str, site: Any) -> None:
    made, url = site()
    context = browser.new_context(
        http_credentials={"username": "admin", "password": "correct horse"}
    )
    page = context.new_page()
    listen(page)
    start(page, url)
    until(page, "trial")
    page.goto(url + "/admin")
    page.told.clear()  # the browser reports the status 401 before it sends the password
    check(page, axe)
    page.get_by_label("Reason").fill("a test")
    page.keyboard.press("Enter")  # shows results and closes nothing
    page.wait_for_selector("text=unblinded")
    assert not made.store.closed
    check(page, axe)
    page.get_by_label("It cannot be opened again").check()
    page.get_by_role("button", name="Close for good").click()
    page.wait_for_selector("text=Closed 20")
    check(page, axe)
    assert made.store.closed
    context.close()
