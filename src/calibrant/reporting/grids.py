"""Tables of the report, before they are HTML: what each cell says, and why one says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calibrant.evaluation.table import Table
from calibrant.reporting import wording
from calibrant.reporting.selection import (
    Part,
    Row,
    best,
    column,
    key_of,
    known,
    rows_of,
    select,
)
from calibrant.reporting.wording import NOTHING, WORDING, Key

MAIN = (
    "accuracy", "ece", "ece_corrected", "smooth_ece", "brier_score", "log_loss",
    "auroc", "auroc_subject_mean", "aurc", "coverage_90", "coverage_95",
)  # fmt: skip
GLANCE = ("accuracy", "ece", "brier_score", "log_loss", "auroc", "auroc_subject_mean")
COMPARED = (
    "ece", "smooth_ece", "brier_score", "log_loss", "auroc", "auroc_subject_mean", "aurc",
    "coverage_90", "coverage_95",
)  # fmt: skip
DIGITS = 3


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell."""

    text: str
    """What it says."""
    below: tuple[str, ...] = ()
    """Small lines below: the interval."""
    kind: str = ""
    """A class for its looks."""
    strong: bool = False
    """Whether it stands out."""
    reason: str = ""
    """Why there is no number."""
    note: int = 0
    """The footnote that says so."""
    order: float | str | None = None
    """What it is sorted by."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row."""

    name: str
    """Its head."""
    below: str = ""
    """A small line below it."""
    cells: Sequence[Cell]
    """The others."""
    is_lead: bool = False
    """Whether it is the row that the report is about."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table."""

    caption: str
    """What it shows."""
    heads: Sequence[str]
    """Of all columns."""
    rows: Sequence[Line]
    """Its rows."""
    notes: Sequence[str] = ()
    """Footnotes, numbered from 1."""
    title: str = ""
    """Of what is folded around it."""
    code: bool = True
    """Whether the rows' names are those of code."""
    sortable: bool = False
    """Whether a click on a head sorts it."""


@dataclass
class Notes:
    """Reasons for missing numbers, each told once."""

    told: list[str] = field(default_factory=list)

    def cell(self, found: Mapping[str, Any] | None, reason: str, strong: bool = False) -> Cell:
        """A metric with its interval, or a dash with its reason."""
        if found is None:
            return self.nothing(reason)
        interval = wording.short(wording.span(found, DIGITS))
        return Cell(
            text=wording.value(found, DIGITS),
            below=(interval,) if interval else (),
            strong=strong,
            order=found["value"],
        )

    def nothing(self, reason: str) -> Cell:
        """A dash."""
        reason = reason or "not measured"
        if reason not in self.told:
            self.told.append(reason)
        return Cell(text=NOTHING, reason=reason, note=self.told.index(reason) + 1, order="")


def metric_grid(
    rows: Sequence[Row], here: Table, lead: Key, caption: str, measures: Sequence[str]
) -> Grid:
    """Estimators by metrics; `here` is the table's part that the rows are of."""
    notes = Notes()
    winners = {m: best(rows, m, DIGITS) for m in measures}
    lines = [
        Line(
            name=row["estimator"],
            below=wording.form(key_of(row)),
            cells=_cells(row, measures, notes, winners, here),
            is_lead=key_of(row) == lead,
        )
        for row in rows
    ]
    heads = _heads("Confidence", measures)
    return Grid(caption=caption, heads=heads, rows=lines, notes=notes.told)


def glance_grid(metrics: Mapping[str, Any], titles: Mapping[Part, str], lead: Key) -> Grid:
    """The lead's row of every part."""
    notes = Notes()
    lines = [
        Line(name=title, cells=_cells(row, GLANCE, notes))
        for part, title in titles.items()
        for row in rows_of(metrics, part)
        if key_of(row) == lead
    ]
    caption = f"{wording.name(lead)} by format and subset"
    heads = _heads("Questions", GLANCE)
    return Grid(caption=caption, heads=heads, rows=lines, notes=notes.told, code=False)


def _heads(first: str, measures: Sequence[str]) -> list[str]:
    arrows = {1: "\u00a0↑", -1: "\u00a0↓", 0: ""}
    return [first, "Answers", *(WORDING[m].label + arrows[WORDING[m].better] for m in measures)]


def _cells(
    row: Row,
    measures: Sequence[str],
    notes: Notes,
    winners: Mapping[str, set[Key]] | None = None,
    here: Table | None = None,
) -> list[Cell]:
    left_out = (f"{row['n_ungraded']:,} ungraded", f"{row['n_missing']:,} missing")
    cells = [Cell(text=f"{row['n']:,}", below=left_out, order=row["n"])]
    for m in measures:
        strong = key_of(row) in (winners or {}).get(m, ())
        cell = notes.cell(row.get(m), row["reasons"].get(m, ""), strong)
        more = ""
        if m == "ece" and row[m] and "ece_floor" not in measures:
            more = f"floor {wording.value(row['ece_floor'], DIGITS)}"
        elif m.startswith("coverage_") and row[m] and here is not None:
            more = _reached(here, key_of(row), int(m.removeprefix("coverage_")) / 100)
        cells.append(replace(cell, below=(*cell.below, wording.short(more))) if more else cell)
    return cells


def _reached(here: Table, key: Key, target: float) -> str:
    """The accuracy of the answers that the threshold for it lets through."""
    _, y, rows = known(here, key)
    given = column(here, key).answered[target][rows] > 0
    return f"acc. {wording.number(float(y[given].mean()), DIGITS)}" if given.any() else ""


def difference_grid(metrics: Mapping[str, Any], part: Part, title: str, lead: Key) -> Grid | None:
    """The lead minus every baseline; None where nothing was compared."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in metrics["comparisons"]:
        if key_of(row) == lead and (row["format"], row["subset"]) == part:
            baseline = row["baseline"], row.get("baseline_variant", "")
            found.setdefault(baseline, {})[row["metric"]] = row
    notes = Notes()
    lines = []
    for (against, variant), of_metric in found.items():
        cells = [_difference(m, of_metric[m], notes) for m in COMPARED if m in of_metric]
        calibrator = next(iter(of_metric.values()))["baseline_calibrator"]
        below = wording.form((against, variant, calibrator))
        lines.append(Line(name=against, below=below, cells=cells))
    if not lines:
        return None
    heads = ["Baseline", *_heads("", COMPARED)[2:]]
    caption = f"{title}: {wording.name(lead)} minus baseline"
    return Grid(caption=caption, heads=heads, rows=lines, notes=notes.told)


def _difference(measure: str, row: Row, notes: Notes) -> Cell:
    found = row["difference"]
    if found is None:
        return notes.nothing(row.get("reason", ""))
    interval, word = wording.short(wording.span(found, DIGITS, sign=True)), ""
    if interval and not found["low"] <= 0 <= found["high"]:
        word = "better" if found["value"] * WORDING[measure].better > 0 else "worse"
    return Cell(
        text=wording.signed(found["value"], DIGITS),
        below=tuple(filter(None, (interval, word))),
        kind={"better": "good", "worse": "bad"}.get(word, ""),
        strong=bool(word),
    )


def subject_grid(metrics: Mapping[str, Any], table: Table, kind: str, lead: Key) -> Grid | None:
    """A row a subject of a format; None where there are no subjects."""
    notes = Notes()
    lines = []
    of_kind = select(table, (kind, "all"))
    for row in metrics["rows"]:
        subject = row["subset"].removeprefix("subject:")
        if row["format"] != kind or subject == row["subset"] or key_of(row) != lead:
            continue
        here = of_kind.select(of_kind.subject == subject)
        p, y, _ = known(here, lead)
        subset = ", ".join(sorted(set(here.subset.tolist())))
        claim = float(p.mean()) if p.size else None
        cells = [Cell(text=subset, order=subset)]
        counts, accuracy = _cells(row, ("accuracy",), notes)
        cells += [replace(counts, below=(", ".join(counts.below),)), accuracy]
        for number in (claim, None if claim is None else claim - float(y.mean())):
            cells.append(_plain(number, signed=len(cells) > 3, notes=notes))
        cells += _cells(row, ("brier_score", "auroc"), notes)[1:]
        lines.append(Line(name=subject, cells=cells))
    if not lines:
        return None
    heads = _heads("Subject", ("accuracy", "brier_score", "auroc"))
    heads[1:1] = ["Subset"]
    heads[4:4] = ["Mean confidence", "Confidence − accuracy"]
    name = wording.format_name(kind)
    return Grid(
        caption=f"{wording.name(lead)} by subject, {name}",
        heads=heads,
        rows=lines,
        notes=notes.told,
        title=f"{wording.count(len(lines), 'subject')}, {name}",
        code=False,
        sortable=True,
    )


def _plain(number: float | None, *, signed: bool, notes: Notes) -> Cell:
    if number is None:
        return notes.nothing("no graded answer has a confidence")
    text = wording.signed(number, DIGITS) if signed else wording.number(number, DIGITS)
    return Cell(text=text, order=number)


def count_grid(table: Table, titles: Mapping[Part, str]) -> Grid:
    """How many answers were evaluated, and their verdicts."""
    lines = []
    for part, title in titles.items():
        if part[1] == "all":
            continue
        here = select(table, part)
        verdicts = (here.correct == 1, here.correct == 0, np.isnan(here.correct))
        subjects = set(here.subject.tolist()) - {""}
        numbers = (len(here.correct), *(int(v.sum()) for v in verdicts), len(subjects))
        lines.append(
            Line(
                name=title,
                cells=[Cell(text=f"{n:,}") for n in numbers],
            )
        )
    heads = ("Evaluated", "Answers", "Right", "Wrong", "Ungraded", "Subjects")
    return Grid(caption=f"Answers of {table.model}", heads=heads, rows=lines, code=False)
