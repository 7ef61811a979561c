"""One self-contained HTML page about a run: what its confidences are worth, and how it was made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from calibrant.errors import InvalidData
from calibrant.evaluation.table import Table
from calibrant.parallel import side_by_side
from calibrant.reporting import figures, grader_error, grids, wording
from calibrant.reporting.selection import (
    Part,
    Row,
    before_of,
    column,
    key_of,
    known,
    lead_of,
    main_rows,
    parts,
    rows_of,
    select,
    titles,
)
from calibrant.reporting.wording import WORDING, Key
from calibrant.web.pages import render

TEMPLATES = Path(__file__).parent / "templates"
N_EXAMPLES = 10
MANY = 20
"""Figures from which on they are drawn side by side."""
Texts = Sequence[tuple[str, str, str]]
Plot = dict[str, Any]


def write_report(
    folder: Path,
    metrics: Mapping[str, Any],
    table: Table,
    texts: Texts,
    made: Mapping[str, Any],
    lead: Key | None = None,
) -> Path:
    """Write report.html and figures/*.svg, *.png into a folder.

    Parameters
    ----------
    folder
        Is made where it does not exist.
    metrics
        What `evaluate` returned for the table.
    table
        A row an answer.
    texts
        (question, answer, reference) of every row; empty leaves out the single answers.
    made
        How it was made: names and values, nested as they are.
    lead
        (estimator, variant, calibrator) of the column it is about; None: the last with confidences.

    Returns
    -------
    The page's path.

    Raises
    ------
    InvalidData
        When the lead is no column of the table, or texts are of another number than its rows.
    """
    if texts and len(texts) != len(table.correct):
        raise InvalidData(f"{len(texts)} texts for {len(table.correct)} answers: give one of each")
    folder.mkdir(parents=True, exist_ok=True)
    report = _Report(folder, metrics, table, lead or lead_of(metrics))
    page = folder / "report.html"
    page.write_text(render("report.html", TEMPLATES, **report.context(texts, made)), "utf-8")
    return page


@dataclass(frozen=True)
class _Report:
    """What the page is made of."""

    folder: Path
    metrics: Mapping[str, Any]
    table: Table
    lead: Key
    plots: list[tuple[Plot, tuple[Figure, Path, str, str]]] = field(default_factory=list)
    """What is to be drawn: each with its figure, folder, name, and what it shows."""

    @cached_property
    def parts(self) -> list[Part]:
        return parts(self.metrics)

    @cached_property
    def titles(self) -> dict[Part, str]:
        return titles(self.metrics)

    @cached_property
    def kinds(self) -> list[str]:
        return list(dict.fromkeys(kind for kind, _ in self.parts))

    @cached_property
    def before(self) -> Key | None:
        """What the lead is set against."""
        return before_of(self.table.columns, self.lead)

    @cached_property
    def n_bins(self) -> int:
        return int(self.metrics["rows"][0]["n_bins"])

    def first(self, kind: str) -> Part:
        """The part of a format that is shown first: seen subjects where there are any."""
        of_kind = [part for part in self.parts if part[0] == kind]
        return (kind, "seen") if (kind, "seen") in of_kind else of_kind[0]

    @property
    def focus(self) -> Part:
        """The part of the headline."""
        return self.first(self.kinds[0])

    def row(self, part: Part, key: Key) -> Row:
        return next(row for row in rows_of(self.metrics, part) if key_of(row) == key)

    def drawable(self, part: Part, key: Key) -> bool:
        """Whether a graded answer there has a confidence in this column."""
        return bool(known(select(self.table, part), key)[0].size)

    def context(self, texts: Texts, made: Mapping[str, Any]) -> dict[str, Any]:
        """All that the template needs."""
        column(self.table, self.lead)
        examples = self.examples(texts)
        found = {
            "model": self.table.model,
            "lead_name": wording.name(self.lead),
            "summary": self.summary(),
            "glance": grids.glance_grid(self.metrics, self.titles, self.lead),
            "reliability": self.reliability(),
            "results": self.results(),
            "differences": self.differences(),
            "grader_error": grader_error.told(self.metrics),
            "histograms": self.groups(self.histogram),
            "risks": self.risks(),
            **self.subjects(),
            "examples": examples,
            "fewest": figures.FEWEST,
            "counts": grids.count_grid(self.table, self.titles),
            "made": made,
            "meanings": list(WORDING.values()),
        }
        self.draw()
        sections = {
            "reliability": ("reliability", "Reliability"),
            "results": ("results", "Results"),
            "differences": ("differences", "Against the baselines"),
            "grader_error": ("grader", "The grader’s error"),
            "histograms": ("histograms", "Right and wrong"),
            "risks": ("risk", "Risk against coverage"),
            "subjects": ("subjects", "Subjects"),
            "examples": ("answers", "Most wrong"),
            "counts": ("made", "How it was made"),
            "meanings": ("meanings", "How to read this"),
        }
        return found | {"contents": [link for name, link in sections.items() if found[name]]}

    def summary(self) -> list[str]:
        """What was found, in words."""
        kind, subset = self.focus
        row = self.row(self.focus, self.lead)
        of_kind = [part for part in self.parts if part[0] == kind]
        where = f" on {wording.subset_name(subset)}" if len(of_kind) > 1 else ""
        what = f"{wording.format_name(kind)} answer" if len(self.kinds) > 1 else "answer"
        right = wording.per_cent(row["accuracy"]) if row["accuracy"] else "an unknown share"
        told = [f"Of {wording.count(row['n'], what)}{where}, {right} are right.{_left_out(row)}"]
        told[0] += f" The confidence of {wording.name(self.lead)} {_claim(row)}."
        if self.before and self.row(self.focus, self.before)["n"]:
            before = wording.worth(self.row(self.focus, self.before))
            told.append(f"Before, {wording.name(self.before)}: {before}.")
        for part in of_kind:
            if part[1] not in (subset, "all", "unanswerable"):
                here = wording.worth(self.row(part, self.lead))
                told.append(f"The same confidence on {wording.subset_name(part[1])}: {here}.")
        return told + wording.left_out_told(self.metrics.get("left_out", {}))

    def plot(self, figure: Figure, name: str, about: str, caption: str = "") -> Plot:
        """A figure for the page; its files and its "svg" are there once all are drawn."""
        name = re.sub(r"[^\w-]+", "_", name)
        found = {"caption": caption}
        self.plots.append((found, (figure, self.folder / "figures", name, about)))
        return found

    def draw(self) -> None:
        """Write the figures' files, and give the page what is in them."""
        jobs = [job for _, job in self.plots]
        drawn = side_by_side(figures.save, jobs, worth_it=len(jobs) > MANY)
        for (found, _), svg in zip(self.plots, drawn, strict=True):
            found["svg"] = Markup(svg)

    def groups(self, draw: Callable[[Part, Key, str], Plot]) -> list[dict[str, Any]]:
        """Figures by format: before and after where it is shown first, the lead elsewhere."""
        found = []
        for kind in self.kinds:
            first = self.first(kind)
            pair = [("Before", self.before), ("After", self.lead)]
            shown = [(first, key, when) for when, key in pair if key]
            others = [
                (part, self.lead, "")
                for part in self.parts
                if part[0] == kind and part != first and part[1] != "all"
            ]
            for title, panels in (("", shown), (f": {wording.name(self.lead)} elsewhere", others)):
                drawn = [draw(*panel) for panel in panels if self.drawable(*panel[:2])]
                title = title or f", {wording.subset_name(first[1])}"
                title = wording.capital(wording.format_name(kind)) + title
                found.append({"title": title, "figures": drawn})
        return [group for group in found if group["figures"]]

    def reliability(self) -> list[dict[str, Any]]:
        """Reliability diagrams; those before and after also in one figure."""
        if not column(self.table, self.lead).is_confidence:
            return []
        if self.before and all(self.drawable(self.focus, k) for k in (self.before, self.lead)):
            both = select(self.table, self.focus), self.before, self.lead
            figure = figures.before_after(*both, n_bins=self.n_bins)
            self.plot(figure, "before_after", "Reliability before and after")
        return self.groups(self.diagram)

    def diagram(self, part: Part, key: Key, when: str) -> Plot:
        """One reliability diagram."""
        figure = figures.reliability(
            select(self.table, part),
            key,
            title=_title(part, key, when),
            colour=figures.BEFORE if when == "Before" else figures.LEAD,
            n_bins=self.n_bins,
        )
        about = f"Reliability diagram of {wording.name(key)}, {wording.part(*part)}"
        name = "-".join(filter(None, ("reliability", *part, when.lower())))
        return self.plot(figure, name, about, wording.worth(self.row(part, key), 3))

    def histogram(self, part: Part, key: Key, when: str) -> Plot:
        """One histogram of right and wrong answers."""
        figure = figures.histogram(select(self.table, part), key, title=_title(part, key, when))
        about = f"Confidence of right and wrong answers: {wording.name(key)}"
        name = "-".join(filter(None, ("histogram", *part, when.lower())))
        return self.plot(figure, name, f"{about}, {wording.part(*part)}")

    def results(self) -> list[dict[str, Any]]:
        """The tables of every format and subset."""
        raw = {(*self.lead[:2], "none"), self.before or self.lead, self.lead}
        found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in self.kinds}
        for part in self.parts:
            rows, here = rows_of(self.metrics, part), select(self.table, part)
            main = main_rows(rows, self.lead[2], raw)
            told = self.titles[part]
            every = f"{told}: all calibrators, all metrics"
            found[part[0]].append(
                {
                    "title": self.heading(part),
                    "is_open": part in (self.focus, (self.focus[0], "unseen")),
                    "main": grids.metric_grid(main, here, self.lead, told, grids.MAIN),
                    "full": grids.metric_grid(rows, here, self.lead, every, tuple(WORDING)),
                }
            )
        return [
            {"title": wording.capital(wording.format_name(kind)), "parts": shown}
            for kind, shown in found.items()
        ]

    def heading(self, part: Part) -> str:
        """ "Seen subjects: 600 answers, 3 ungraded"."""
        rows = rows_of(self.metrics, part)
        n = wording.count(max(row["n"] for row in rows), "answer")
        subset = wording.capital(wording.subset_name(part[1]))
        subset = subset if len(self.parts) > 1 else self.titles[part]
        return f"{subset}: {n}, {rows[0]['n_ungraded']:,} ungraded"

    def differences(self) -> list[dict[str, Any]]:
        """The lead against every baseline."""
        return [
            {"title": title, "is_open": part == self.focus, "main": grid}
            for part, title in self.titles.items()
            if (grid := grids.difference_grid(self.metrics, part, title, self.lead))
        ]

    def risks(self) -> list[dict[str, Any]]:
        """Risk-coverage curves of all estimators with the lead's calibrator, by format."""
        palette = figures.colours(self.table, self.lead, self.before)
        same = [c.key for c in self.table.columns if c.calibrator == self.lead[2]]
        keys = [self.lead, *(key for key in same if key != self.lead)]
        drawn: dict[str, list[Plot]] = {kind: [] for kind in self.kinds}
        for part in self.parts:
            if part[1] not in ("all", "unanswerable") and self.drawable(part, self.lead):
                told = self.titles[part]
                figure = figures.risk_coverage(select(self.table, part), keys, palette, title=told)
                name = "-".join(("risk_coverage", *part))
                drawn[part[0]].append(self.plot(figure, name, f"Risk-coverage curves: {told}"))
        return [
            {"title": wording.capital(wording.format_name(kind)), "figures": plots}
            for kind, plots in drawn.items()
            if plots
        ]

    def subjects(self) -> dict[str, Any]:
        """Tables by subject and their figures."""
        tables, drawn = [], []
        for kind in self.kinds:
            if not (grid := grids.subject_grid(self.metrics, self.table, kind, self.lead)):
                continue
            tables.append(grid)
            title = f"{wording.capital(wording.format_name(kind))}: {wording.name(self.lead)}"
            if column(self.table, self.lead).is_confidence:
                here = select(self.table, (kind, "all"))
                figure = figures.subjects(here, self.lead, title=title)
                about = f"Accuracy against mean confidence by subject, {title}"
                drawn.append(self.plot(figure, f"subjects-{kind}", about))
        return {"subjects": tables, "subject_figures": drawn}

    def examples(self, texts: Texts) -> list[dict[str, Any]]:
        """The most confident wrong answers and the least confident right ones."""
        if not texts:
            return []
        p, y, rows = known(self.table, self.lead)
        wrong, right = (np.flatnonzero(y == verdict) for verdict in (0, 1))
        most = wrong[np.argsort(-p[wrong], kind="stable")][:N_EXAMPLES]
        least = right[np.argsort(p[right], kind="stable")][:N_EXAMPLES]
        titles = ("Most confident wrong answers", "Least confident right answers")
        return [
            {
                "title": title,
                "caption": f"By {wording.name(self.lead)}",
                "rows": [self.example(texts, int(rows[i]), float(p[i])) for i in chosen],
            }
            for title, chosen in zip(titles, (most, least))
        ]

    def example(self, texts: Texts, i: int, confidence: float) -> dict[str, Any]:
        question, answer, reference = texts[i]
        subset = str(self.table.subset[i])
        return {
            "confidence": wording.number(confidence),
            "question": question,
            "answer": answer,
            "reference": reference,
            "unanswerable": subset == "unanswerable",
            "subject": str(self.table.subject[i]),
            "where": f"{wording.format_name(str(self.table.format[i]))}, {subset}",
        }


def _title(part: Part, key: Key, when: str) -> str:
    return f"{when}: {wording.name(key)}" if when else wording.capital(wording.subset_name(part[1]))


def _left_out(row: Row) -> str:
    """ " (3 more are ungraded, 2 have no confidence.)", or nothing."""
    told = []
    if row["n_ungraded"]:
        told.append(f"{row['n_ungraded']:,} could not be graded")
    if row["n_missing"]:
        told.append(f"{row['n_missing']:,} have no confidence")
    return f" (Left out: {', '.join(told)}.)" if told else ""


def _claim(row: Row) -> str:
    """ "tells right from wrong with AUROC ... and is off by ... on average"."""
    told = []
    if row["auroc"]:
        told.append(f"tells right from wrong with AUROC {wording.measured(row['auroc'])}")
    if row["ece"]:
        floor = wording.value(row["ece_floor"], 2)
        told.append(
            f"is off by {wording.measured(row['ece'])} on average"
            f" (ECE; a perfectly calibrated one would show {floor})"
        )
    return " and ".join(told) or "cannot be judged here"
