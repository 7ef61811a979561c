"""Simulated people go through the real web app over HTTP: they read pages and send forms.

It is the load generator, too: with a pace, sessions run side by side and answer every so often.
"""

from __future__ import annotations

import asyncio
import html
import random
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from calibrant.errors import CalibrantError, InvalidData, UnknownName
from calibrant.runs import write_parquet
from calibrant.study.data import tables
from calibrant.study.folder import Study, simulated_copy
from calibrant.study.items import Item
from calibrant.study.messages import Messages
from calibrant.study.policies import POLICIES, Mind, Person, Seen, crowd
from calibrant.study.server import running
from calibrant.study.summaries import counting
from calibrant.study.thresholds import thresholds
from calibrant.study.views import WORD_EDGES

_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_OPTION = re.compile(
    r'<input type="radio" name="([^"]+)" value="([^"]+)"[^>]*><label [^>]*>([^<]*)</label>'
)
_LEGEND = re.compile(r"<legend>([^<]*)</legend>")
_DATA = re.compile(r' data-(item|prediction|percent|word|code|step)="([^"]*)"')
MIDDLES = [(low + high) / 2 for low, high in zip((0, *WORD_EDGES), (*WORD_EDGES, 1))]
"""What someone takes each of the seven wordings for."""


@dataclass(frozen=True)
class Page:
    """What a page of the app says to a machine."""

    text: str

    @cached_property
    def hidden(self) -> dict[str, str]:
        """Fields that are sent back as they are."""
        return {name: html.unescape(value) for name, value in _HIDDEN.findall(self.text)}

    @cached_property
    def data(self) -> dict[str, str]:
        """What is marked up: item, prediction, percent, word, code."""
        return {name: html.unescape(value) for name, value in _DATA.findall(self.text)}

    @cached_property
    def options(self) -> list[tuple[str, str, str]]:
        """(field, value, label) of every radio button."""
        return [(name, value, html.unescape(label))
                for name, value, label in _OPTION.findall(self.text)]  # fmt: skip

    @cached_property
    def legend(self) -> str:
        """The first question's text."""
        return html.unescape(next(iter(_LEGEND.findall(self.text)), ""))

    @cached_property
    def seen(self) -> Seen:
        """What it shows of the model."""
        data = self.data
        confidence = None
        if "percent" in data:
            confidence = int(data["percent"]) / 100
        elif "word" in data:
            confidence = MIDDLES[int(data["word"].removeprefix("words.w"))]
        return Seen(prediction=data.get("prediction"), confidence=confidence)


@dataclass
class Load:
    """What was sent, and how long it took."""

    seconds: list[float] = field(default_factory=list)
    """Of every page: from asking, or sending a form, until the next page is there."""
    requests: int = 0
    """HTTP requests; a form's redirect is one of its own."""
    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    """External id -> steps whose answer was accepted."""
    finished: int = 0
    """Sessions that reached the last page."""
    failed: list[str] = field(default_factory=list)
    """What went wrong."""


class Visitor:
    """One simulated person in a browser without a screen."""

    def __init__(
        self, study: Study, client: httpx.AsyncClient, name: str, mind: Mind, load: Load
    ) -> None:
        self.study, self.client, self.name, self.mind, self.load = study, client, name, mind, load
        self.items: dict[str, Item] = {item.id: item for item in study.items}
        self.messages: Messages = study.messages[study.design.languages[0]]
        self.path = ""
        self.load.acknowledged[name] = []

    async def get(self, path: str) -> Page:
        """Ask for a page."""
        return await self._send("GET", path)

    async def post(self, path: str, form: dict[str, str]) -> Page:
        """Send a form and follow to the next page."""
        return await self._send("POST", path, form)

    async def _send(self, method: str, path: str, form: dict[str, str] | None = None) -> Page:
        start = time.perf_counter()
        for _ in range(3):
            reply = await self.client.request(method, path, data=form)
            self.load.requests += 1
            if reply.status_code != 303:
                break
            if form and "step" in form and form["kind"] == "answer":
                self.load.acknowledged[self.name].append(form["step"])
            method, path, form = "GET", reply.headers["location"], None
        if reply.status_code != 200:
            raise CalibrantError(f"{method} {path}: status {reply.status_code}")
        self.load.seconds.append(time.perf_counter() - start)
        self.path = path
        return Page(reply.text)

    async def begin(self) -> Page:
        """Consent, and the first page after it."""
        lang = self.study.design.languages[0]
        page = await self.get(f"/?PROLIFIC_PID={self.name}&lang={lang}")
        return await self.post("/start", {**page.hidden, "age": "yes", "agree": "yes"})

    async def go(self, page: Page, pace: tuple[float, float] | None = None) -> None:
        """Answer until the end, or until they leave."""
        n = self.study.design.n_questions
        while "code" not in page.data:
            step = page.hidden["step"]
            kind, number = step.split("-")[0], int(step.split("-")[-1]) if "-" in step else 0
            progress = number / n if kind == "trial" else 0.0
            if kind == "trial" and progress >= self.mind.person.patience:
                return
            if pace and page.hidden["kind"] == "answer":
                await asyncio.sleep(random.uniform(*pace))
            page = await self.post(self.path, self._filled(page, kind, progress))
        self.load.finished += 1

    def _filled(self, page: Page, kind: str, progress: float) -> dict[str, str]:
        form = dict(page.hidden)
        took = self.mind.seconds(progress)
        sent = time.time()
        form |= {"client_shown": f"{1000 * (sent - took):.0f}", "client_sent": f"{1000 * sent:.0f}"}
        if form["kind"] == "seen":
            return form
        if "item" in page.data:
            item = self.items[page.data["item"]]
            response, sure = self.mind.answer(item, page.seen, progress)
            if item.choices:
                response = str(item.choices.index(response))
            if page.seen.prediction is not None and self.study.design.feedback:
                self.mind.learn(item.model_correct)
            return {**form, "response": response, "own": str(round(100 * sure))}
        if kind == "check":
            wanted = next(value for _, value, label in page.options if f"“{label}”" in page.legend)
            return {**form, "response": wanted}
        if kind == "comprehension":
            right = {
                name: value
                for name, value, label in page.options
                if label == self.messages(f"comprehension.{name}_right")
            }
            return {**form, **right}
        if kind == "survey":
            scales = {name: "2" for name, _, _ in page.options}
            return {**form, **scales, "comment": "=1+1 <script>alert(1)</script>"}
        return form


async def visit(
    study: Study,
    people: Sequence[Person],
    url: str,
    *,
    seed: int,
    at_once: int = 24,
    pace: tuple[float, float] | None = None,
    until: float | None = None,
) -> Load:
    """Send people through the app; without a pace they come one by one, the same in every call.

    Parameters
    ----------
    url
        Where the study is served.
    at_once
        Sessions side by side.
    pace
        Least and most seconds before an answer; None for none.
    until
        Stop all sessions after so many seconds.
    """
    load, places, door = Load(), asyncio.Semaphore(at_once), asyncio.Lock()
    trusted = ssl.create_default_context()  # takes long to make: one for all
    limits = httpx.Limits(keepalive_expiry=60)  # as browsers do

    async def one(number: int, person: Person) -> None:
        name = f"sim-{number:05d}"
        mind = Mind(person, np.random.default_rng([seed, 6, number]))
        async with places:
            if pace:  # people do not arrive all at once
                await asyncio.sleep(random.uniform(0, pace[1]))
            try:
                # Everybody has a client: one for all looks through all its connections each time.
                async with httpx.AsyncClient(
                    base_url=url, timeout=60, verify=trusted, limits=limits
                ) as client:
                    visitor = Visitor(study, client, name, mind, load)
                    if pace:
                        first = await visitor.begin()
                    else:
                        async with door:  # places are given in the order of coming
                            first = await visitor.begin()
                    await visitor.go(first, pace)
            except (CalibrantError, httpx.HTTPError, KeyError) as error:
                load.failed.append(f"{name}: {type(error).__name__}: {error}")

    tasks = [asyncio.create_task(one(i, person)) for i, person in enumerate(people)]
    _, pending = await asyncio.wait(tasks, timeout=until)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return load


def truth_rows(study: Study, people: Sequence[Person]) -> list[dict[str, Any]]:
    """Who was who: participant -> the simulated person's settings."""
    found = []
    for participant, _ in study.store.everything():
        number = int(participant.external["PROLIFIC_PID"].removeprefix("sim-"))
        found.append({"participant": participant.id, **asdict(people[number])})
    return found


def simulate(
    study: Study,
    folder: Path,
    n: int,
    policies: Sequence[str] = POLICIES,
    *,
    leaving: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Make a simulated copy of a study, serve it, and send n people through it.

    Who they are goes to truth.parquet beside its store, for comparison with what is recovered.

    Raises
    ------
    InvalidData
        When the folder is not empty.
    UnknownName
        When there is no such policy.
    """
    for policy in policies:
        if policy not in (*POLICIES, "deaf"):
            raise UnknownName("policy", policy, (*POLICIES, "deaf"))
    if folder.exists() and any(folder.iterdir()):
        raise InvalidData(f"{folder} exists and is not empty: name another, or delete it")
    copy, people = simulated_copy(study, folder), crowd(n, seed, policies, leaving)
    start = time.perf_counter()
    with running(copy) as url:
        load = asyncio.run(visit(copy, people, url, seed=seed))
    truth = truth_rows(copy, people)
    write_parquet(folder / "truth.parquet", truth)
    return {
        "folder": str(folder),
        "finished": load.finished,
        "requests": load.requests,
        "seconds": round(time.perf_counter() - start, 1),
        "failed": len(load.failed),
        "first_failure": next(iter(load.failed), ""),
        **recovered(copy, truth),
    }


def recovered(study: Study, truth: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many known thresholds the analysis finds within 5 points, and has in its intervals."""
    known = {
        row["participant"]: int(row["policy"][-2:]) / 100
        for row in truth
        if row["policy"].startswith("threshold")
    }
    found = thresholds(counting(*tables(study)))
    both = [(found[name], value) for name, value in known.items() if name in found]
    return {
        "thresholds": len(both),
        "thresholds_near": sum(abs(one.value - value) <= 0.05 for one, value in both),
        "thresholds_covered": sum(one.low <= value <= one.high for one, value in both),
    }
