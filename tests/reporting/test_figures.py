"""Figures: portable SVG, consistent colours, clear refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from calibrant.errors import InvalidData
from calibrant.reporting import figures
from calibrant.reporting.selection import before_of, select

LEAD = ("lora_prompt", "", "platt")


def test_before_is_the_likelihood_calibrated_alike_or_the_first_raw_claim(case: Any) -> None:
    columns, raw = case.table.columns, ("zero_shot", "", "none")
    like = next(c for c in columns if c.key == ("sequence_likelihood", "mean", "platt"))
    head = replace(like, variant="head")
    flat = replace(like, confidence=np.full(len(like.confidence), 0.5))
    others = [c for c in columns if c.estimator != "sequence_likelihood"]
    assert before_of([*others, head, like], LEAD) == like.key
    assert before_of(columns, (*LEAD[:2], "none")) == raw  # a raw likelihood claims nothing
    for columns in (others, [*others, head], [*others, flat]):  # head: fitted on verdicts
        assert before_of(columns, LEAD) == raw  # the first that varies
    assert before_of([*others, like], like.key) == raw
    base = [c for c in columns if c.estimator == "base_rate"]
    assert before_of(base, LEAD) == ("base_rate", "", "none")
    assert before_of(base, ("base_rate", "", "none")) is None


def test_colours_are_distinct_and_the_lead_keeps_its_own(case: Any) -> None:
    found = figures.colours(case.table, LEAD, ("zero_shot", "", "none"))
    assert len(set(found.values())) == len(found) == 4
    assert found["lora_prompt"] == figures.LEAD


def test_saved_twice_is_the_same_and_bears_its_name(case: Any, tmp_path: Path) -> None:
    here = select(case.table, ("open", "seen"))
    one, two = (
        figures.save(
            figures.before_after(here, ("zero_shot", "", "none"), LEAD),
            tmp_path,
            "name",
            about='Before & "after"',
        )
        for _ in range(2)
    )
    assert one == two
    assert 'id="name-' in one and "url(#name-" in one and "metadata" not in one
    assert "Before: zero_shot (raw)" in one and "DejaVu Sans" in one
    assert (tmp_path / "name.png").stat().st_size > 10_000


def test_nothing_to_draw_is_refused(case: Any) -> None:
    table = select(case.table, ("open", "seen"))
    with pytest.raises(InvalidData, match="is no probability"):
        figures.reliability(table, ("sequence_likelihood", "mean", "none"))
    ungraded = replace(table, correct=np.full(len(table.correct), np.nan))
    for draw in (figures.reliability, figures.histogram):
        with pytest.raises(InvalidData, match="no graded answer"):
            draw(ungraded, LEAD)


def test_a_subject_with_dollars_is_no_formula(small: Any, tmp_path: Path) -> None:
    named = np.array(["Prices in $US_{ and $C"] * len(small.table.subject))
    figure = figures.subjects(replace(small.table, subject=named), ("confidence", "", "platt"))
    assert "Prices in $US_{" in figures.save(figure, tmp_path, "dollars", about="dollars")


def test_edge_cases_draw(case: Any, small: Any, tmp_path: Path) -> None:
    table = select(case.table, ("open", "seen"))
    right = select(table, ("open", "all")).select(table.correct == 1)
    drawn = [
        figures.reliability(right, LEAD),
        figures.histogram(right, LEAD),
        figures.risk_coverage(right, [("base_rate", "", "platt"), LEAD], {LEAD[0]: "k"}),
        figures.subjects(small.table, ("confidence", "", "platt")),
        figures.subjects(right.select(np.arange(5)), LEAD),
    ]
    for i, figure in enumerate(drawn):
        assert figures.save(figure, tmp_path, f"edge{i}", about="edge").startswith("<svg")


def test_a_long_title_stays_on_the_figure() -> None:
    """A form's settings are part of its name."""
    figure = Figure(figsize=figures.PANEL)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.17, right=0.97)
    figures._title(axes, "After: lora_prompt (activation=short_query, platt)")
    edge = axes.title.get_window_extent(FigureCanvasAgg(figure).get_renderer()).x1
    assert edge < figure.bbox.x1
