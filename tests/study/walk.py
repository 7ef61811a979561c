"""Walking through the app with httpx, a step at a time."""

from __future__ import annotations

import re
from collections.abc import Callable

import httpx

from calibrant.study.simulate import Page

RIGHT = (
    "To answer as many questions as I can correctly",
    "No, it can be wrong",
    "In the model's own estimate the answer is likely to be right",
)


class Walker:
    """One participant's browser without a screen."""

    def __init__(self, client: httpx.Client, query: str = "") -> None:
        self.client = client
        page = Page(client.get(f"/?lang=en{query}").text)
        self.started = {**page.hidden, "age": "yes", "agree": "yes"}
        reply = client.post("/start", data=self.started)
        assert reply.status_code == 303, reply.text
        self.path = reply.headers["location"]

    @property
    def token(self) -> str:
        return self.path.removeprefix("/s/")

    def page(self) -> Page:
        reply = self.client.get(self.path)
        assert reply.status_code == 200, reply.text
        return Page(reply.text)

    def send(self, form: dict[str, str]) -> httpx.Response:
        return self.client.post(self.path, data=form)

    def step(self) -> str:
        page = self.page()
        return "done" if "code" in page.data else page.hidden["step"]

    def filled(self, page: Page) -> dict[str, str]:
        """An answer that is accepted: the first option, the right one of checks."""
        form = dict(page.hidden)
        if form["kind"] == "seen":
            return form
        names = dict.fromkeys(name for name, _, _ in page.options)
        form |= dict.fromkeys(names, "0")
        for name, value, label in page.options:
            if label in page.legend and form["step"].startswith("check"):
                form[name] = value
            if label in RIGHT:
                form[name] = value
        if 'name="response" id="response"' in page.text:
            form["response"] = "my own words"
        if 'name="own"' in page.text:
            form["own"] = "70"
        return form

    def until(self, stop: Callable[[str], bool]) -> Page:
        """Go on until the current step is one that `stop` wants, answered by nobody yet."""
        for _ in range(200):
            page = self.page()
            step = "done" if "code" in page.data else page.hidden["step"]
            if stop(step) and page.hidden.get("kind", "answer") == "answer":
                return page
            assert step != "done", "the session ended"
            reply = self.send(self.filled(page))
            assert reply.status_code == 303, re.sub(r"<style>.*?</style>", "", reply.text)
        raise AssertionError("the session does not end")

    def finish(self) -> Page:
        return self.until(lambda step: step == "done")
