"""The page in a real browser: silent console, no requests, no sideways scrolling."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield started
        started.close()


@pytest.mark.parametrize("name", ["case", "small", "raw"])
@pytest.mark.parametrize("width", [380, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page(
    browser: Any, request: pytest.FixtureRequest, name: str, width: int, scheme: str
) -> None:
    told: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    url = request.getfixturevalue(name).page.as_uri()
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.on("request", lambda asked: asked.url == url or told.append(asked.url))
    page.goto(url)
    for unfold in (False, True):
        if unfold:
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        root = "document.documentElement"
        assert page.evaluate(f"{root}.scrollWidth") <= page.evaluate(f"{root}.clientWidth")
    assert told == []
    context.close()


def test_subjects_are_sorted_by_a_click(browser: Any, case: Any) -> None:
    page = browser.new_page()
    page.goto(case.page.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    table = page.locator("table.sortable").first
    head = table.locator("th", has_text="Mean confidence")
    column = head.evaluate("head => head.cellIndex + 1")
    for click, down in ((1, True), (2, False)):
        head.locator("button").click()
        cells = table.locator(f"tbody tr > :nth-child({column})").all()
        values = [float(cell.get_attribute("data-value")) for cell in cells]
        assert values == sorted(values, reverse=down), click
    page.close()
