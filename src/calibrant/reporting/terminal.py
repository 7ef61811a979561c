"""The results as plain text for a terminal and as Markdown for a README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from calibrant.reporting import wording
from calibrant.reporting.selection import (
    Part,
    Row,
    best,
    key_of,
    lead_of,
    main_rows,
    parts,
    rows_of,
    titles,
)
from calibrant.reporting.wording import WORDING, Key

MEASURES = ("ece", "brier_score", "log_loss", "auroc", "auroc_subject_mean")
WIDTH = 100
DIGITS = 2


def results_table(
    metrics: Mapping[str, Any],
    *,
    calibrator: str = "platt",
    lead: Key | None = None,
    shown: Sequence[Part] | None = None,
) -> str:
    """Estimators by metrics, a block per format and subset; plain text, at most 100 wide.

    Parameters
    ----------
    metrics
        What `evaluate` returns.
    calibrator
        Shown of every estimator; all rows are shown where nothing has it.
    lead
        Also shown raw; None: the last column.
    shown
        Formats and subsets; None: all.
    """
    names, told = titles(metrics), _shown(metrics, calibrator, lead, shown)
    for brief, gap in ((False, 2), (False, 1), (True, 1)):
        blocks = [_lines(rows, brief) for _, rows in told]
        widths = [max(map(len, cells)) for cells in zip(*(line for b in blocks for line in b))]
        if sum(widths) + gap * (len(widths) - 1) <= WIDTH:
            break
    texts = []
    for (part, rows), block in zip(told, blocks):
        aligned = [
            (" " * gap).join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in block
        ]
        rule = "─" * max(map(len, aligned))
        texts.append("\n".join([_heading(rows, names[part]), rule, *map(str.rstrip, aligned)]))
    legend = "95 % intervals in brackets; * best of its column; – undefined (the report says why)"
    if clip := metrics["rows"][0].get("clip"):
        legend += f"\nLog loss of confidences clipped into [{clip:g}, 1 - {clip:g}]"
    left = [fill(line, WIDTH) for line in wording.left_out_told(metrics.get("left_out", {}))]
    return "\n\n".join([*texts, *left, legend])


def markdown_table(
    metrics: Mapping[str, Any],
    columns: Sequence[tuple[Part, str]],
    *,
    calibrator: str = "platt",
    lead: Key | None = None,
) -> str:
    """One table as Markdown: a row an estimator, cells as `0.93 [0.91, 0.95]`, the best in bold.

    Parameters
    ----------
    columns
        (format and subset, metric) of each; above the table stands what each part holds.
    """
    names, wanted = titles(metrics), list(dict.fromkeys(part for part, _ in columns))
    told = dict(_shown(metrics, calibrator, lead, wanted))
    heads = [f"{WORDING[m].label}, {part[1]}" for part, m in columns]
    cells: dict[Key, list[str]] = {}
    for part, metric in columns:
        winners = best(told[part], metric, DIGITS)
        for row in told[part]:
            bold = "**" if key_of(row) in winners else ""
            cell = f"{bold}{wording.measured(row[metric], DIGITS)}{bold}{_left_out(row)}"
            cells.setdefault(key_of(row), []).append(cell)
    lines = [f"| Confidence | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(heads)}"]
    for key, row_cells in cells.items():
        lines.append(f"| `{key[0]}` {wording.form(key)} | {' | '.join(row_cells)} |")
    above = "\n".join(f"- {_heading(told[part], names[part])}" for part in wanted)
    return f"{above}\n\n" + "\n".join(lines)


def _shown(
    metrics: Mapping[str, Any], calibrator: str, lead: Key | None, shown: Sequence[Part] | None
) -> list[tuple[Part, list[Row]]]:
    estimator, variant, _ = lead or lead_of(metrics)
    raw = [(estimator, variant, "none")]
    return [
        (part, main_rows(rows_of(metrics, part), calibrator, raw))
        for part in (parts(metrics) if shown is None else shown)
    ]


def _heading(rows: Sequence[Row], name: str) -> str:
    """What is measured: "Open-ended, seen subjects: 600 answers, 3 ungraded, 48 % right"."""
    most = max(rows, key=lambda row: row["n"])
    told = [wording.count(most["n"], "answer")]
    if most["n_ungraded"]:
        told.append(f"{most['n_ungraded']:,} ungraded")
    if most["accuracy"]:
        told.append(f"{wording.per_cent(most['accuracy'])} right")
    return f"{name}: {', '.join(told)}"


def _left_out(row: Row) -> str:
    return f" ({row['n_missing']:,} missing)" if row["n_missing"] else ""


def _lines(rows: Sequence[Row], brief: bool) -> list[list[str]]:
    """The head, then two lines a row: values, and below them their intervals."""
    winners = {m: best(rows, m, DIGITS) for m in MEASURES}
    lines = [["", "n", "accuracy", "ECE", "Brier", "log loss", "AUROC", "…in subjects"]]
    for row in rows:
        key, cells = key_of(row), [row[m] for m in MEASURES]
        values = [
            wording.value(cell, DIGITS) + ("*" if key in winners[m] else " ")
            for m, cell in zip(MEASURES, cells)
        ]
        accuracy = wording.value(row["accuracy"], DIGITS)
        lines.append([row["estimator"], f"{row['n']:,}", accuracy, *values])
        spans = ["" if cell is None else wording.span(cell, DIGITS) for cell in cells]
        spans = [wording.short(span) for span in spans] if brief else spans
        lines.append([f"  {wording.form(key)}{_left_out(row)}", "", "", *spans])
    return lines
