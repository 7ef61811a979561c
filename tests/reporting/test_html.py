"""The page: complete, equal to metrics.json, escaped, and of one piece."""

from __future__ import annotations

import html
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from calibrant.errors import InvalidData
from calibrant.reporting import grids
from calibrant.reporting.grids import MAIN
from calibrant.reporting.html import write_report

NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
SECTIONS = (
    "glance", "reliability", "results", "differences", "histograms", "risk", "subjects", "answers",
    "made", "meanings",
)  # fmt: skip


def cells(row: str) -> list[str]:
    """The main text of each cell of a row, without what stands small below it."""
    found = re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)
    return [re.sub(r"<[^>]+>", "", re.split("<small>|<sup>", cell)[0]).strip() for cell in found]


def test_sections_in_order(case: Any) -> None:
    found = re.findall(r'<section id="(\w+)">', case.html)
    assert tuple(found) == SECTIONS
    links = re.findall(r'<a href="#(\w+)">', case.html)
    assert [link for link in links if link != "content"] == list(SECTIONS[1:])


def test_headings_do_not_skip_a_level(case: Any) -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", case.html)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_numbers_are_those_of_the_metrics(case: Any) -> None:
    results = case.html.split('<section id="results">')[1].split("</section>")[0]
    tables = re.findall(
        r"<caption>([^<:]*)</caption>.*?<tr class=\"lead\">(.*?)</tr>", results, re.S
    )
    assert len(tables) == 10
    rows = {
        (row["format"], row["subset"]): row
        for row in case.metrics["rows"]
        if (row["estimator"], row["calibrator"]) == ("lora_prompt", "platt")
    }
    words = {"Open-ended": "open", "Multiple choice": "choice"}
    for caption, row in tables:
        kind, subset = caption.split(", ")
        subset = subset.split()[0]
        expected = rows[words[kind], subset]
        values = [expected[name] for name in MAIN]
        numbers = ["–" if v is None else f"{v['value']:.3f}" for v in values]
        assert cells(row) == [f"{expected['n']:,}", *numbers], caption


def test_ungraded_and_missing_are_counted(case: Any) -> None:
    row = next(r for r in case.metrics["rows"] if (r["format"], r["subset"]) == ("open", "seen"))
    assert row["n_ungraded"] and row["n_missing"]
    assert f"<small>{row['n_ungraded']} ungraded</small>" in case.html
    assert f"<small>{row['n_missing']} missing</small>" in case.html


def test_every_null_says_why(case: Any) -> None:
    nulls = 0
    pattern = r"(<table(?:(?!<table).)*?</table>)\s*</div>\s*(<ol class.*?</ol>)?"
    for table, notes in re.findall(pattern, case.html, re.S):
        if 'class="words"' in table:
            continue  # a dash for an empty text
        told = [html.unescape(note) for note in re.findall(r"<li>(.*?)</li>", notes)]
        reasons = re.findall(r'<abbr title="([^"]+)">–<sup>(\d+)</sup>', table)
        assert len(reasons) == table.count("–<") and {int(n) for _, n in reasons} == set(
            range(1, len(told) + 1)
        )
        assert all(html.unescape(reason) == told[int(n) - 1] for reason, n in reasons)
        nulls += len(reasons)
    assert nulls and "AUROC compares correct answers with incorrect ones" in case.html
    assert "the score is no probability of being right" in case.html


def test_differences_say_better_only_off_zero(case: Any) -> None:
    section = case.html.split('<section id="differences">')[1].split("</section>")[0]
    assert "<small>better</small>" in section
    for low, high, word in re.findall(
        r"<small>\[([+−.\d]+), ([+−.\d]+)\]</small>(?:<small>(\w+)</small>)?", section
    ):
        ends = [float(end.replace("−", "-")) for end in (low, high)]
        if word:
            assert ends[0] >= 0 or ends[1] <= 0


def test_texts_are_escaped(case: Any) -> None:
    assert "<script>alert" not in case.html and "<b>units" not in case.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in case.html
    assert case.html.count("<script>") == 1
    assert "&lt;b&gt;units&lt;/b&gt;" in case.html


def test_nothing_is_loaded_from_elsewhere(case: Any) -> None:
    assert set(re.findall(r"https?://[^\"'\s<>)]+", case.html)) <= NAMESPACES
    assert not re.search(r"<(?:img|iframe|object|embed)\b|\bsrc=|@import", case.html)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', case.html)
    assert policy and html.unescape(policy[1]).startswith("default-src 'none'")


def test_ids_are_unique(case: Any) -> None:
    ids = re.findall(r'\bid="([^"]+)"', case.html)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', case.html))
    assert used <= set(ids)


def test_tables_have_captions_and_scopes(case: Any) -> None:
    assert case.html.count("<table") == case.html.count("<caption>")
    heads = re.findall(r"<th\b[^>]*>", case.html)
    assert heads and all("scope=" in head for head in heads)


def test_most_wrong_answers_come_first(case: Any) -> None:
    section = case.html.split('<section id="answers">')[1].split("</section>")[0]
    wrong, right = section.split("Least confident right answers</h3>")
    for part, ascending in ((wrong, False), (right, True)):
        found = [float(p) for p in re.findall(r'<th scope="row">([.\d]+)</th>', part)]
        assert len(found) == 10 and found == sorted(found, reverse=not ascending)
    assert "none: it has no answer" in wrong


def test_figures_are_written(case: Any) -> None:
    figures = case.page.parent / "figures"
    names = {path.stem for path in figures.glob("*.svg")}
    assert names == {path.stem for path in figures.glob("*.png")}
    assert {"before_after", "reliability-open-seen-before", "risk_coverage-choice-unseen"} <= names
    for path in figures.glob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.get("aria-label") and any(e.tag.endswith("}text") for e in root.iter())


def test_small_table_leaves_sections_out(small: Any) -> None:
    found = re.findall(r'<section id="(\w+)">', small.html)
    assert found == ["glance", "reliability", "results", "histograms", "risk", "made", "meanings"]
    body = small.html.split('<section id="meanings">')[0]
    assert "seen subjects" not in re.sub(r"<svg.*?</svg>", "", body, flags=re.S)


def test_score_that_claims_nothing(raw: Any) -> None:
    assert '<section id="reliability">' not in raw.html
    assert "the score is no probability of being right" in raw.html
    assert "sequence_likelihood (sum, raw) tells right from wrong" in raw.html


def test_bad_arguments_are_refused(case: Any) -> None:
    folder = case.page.parent / "bad"
    with pytest.raises(
        InvalidData, match=r"no column 'lora platt'; there are: .*lora_prompt platt"
    ):
        write_report(folder, case.metrics, case.table, [], {}, ("lora", "", "platt"))
    with pytest.raises(InvalidData, match="1 texts for 400 answers"):
        write_report(folder, case.metrics, case.table, [("q", "a", "r")], {})


@pytest.mark.parametrize(("metric", "word"), [("brier_score", "better"), ("auroc", "worse")])
def test_a_lower_error_is_better_and_a_lower_auroc_is_worse(metric: str, word: str) -> None:
    row = {"difference": {"value": -0.1, "low": -0.2, "high": -0.05}}
    assert word in grids._difference(metric, row, grids.Notes()).below
