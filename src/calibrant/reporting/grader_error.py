"""The grader's error in words and rows, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calibrant.reporting import wording

HEADS = ("confidence minus accuracy", "ECE", "Brier", "log loss")
_NAMES = ("confidence_minus_accuracy", "ece", "brier_score", "log_loss")


def told(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each format {title, sentence, heads, rows}; a cell is "as graded → corrected [..]"."""
    return [_part(part) for part in metrics.get("grader_error", [])]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    title = wording.capital(wording.format_name(part["format"]))
    n = f"{part['n_human']:,} of {wording.count(part['n'], 'graded answer')}"
    if "reason" in part:
        sentence = f"Not corrected: {part['reason']}."
        return {"title": title, "sentence": sentence, "heads": HEADS, "rows": []}
    right, rates = part["accuracy"], (part["sensitivity"], part["specificity"])
    yes, no = (wording.per_cent(rate) if rate else "an unknown share" for rate in rates)
    sentence = (
        f"People graded {n}. Of the answers that they find right the grader accepts {yes}, of those"
        f" that they find wrong it refuses {no}. Accuracy as graded: {100 * right['graded']:.0f} %;"
        f" corrected: {wording.per_cent(right['corrected'])}."
    )
    rows = [
        {
            "name": wording.name((c["estimator"], c["variant"], c["calibrator"])),
            "cells": [_cell(c.get(name)) for name in _NAMES],
        }
        for c in part["columns"]
    ]
    return {"title": title, "sentence": sentence, "heads": HEADS, "rows": rows}


def _cell(found: Mapping[str, Any] | None) -> tuple[str, str]:
    """("as graded → corrected", "[low, high]")."""
    if found is None:
        return wording.NOTHING, ""
    cell = found["corrected"]
    told = f"{wording.number(found['graded'])} → {wording.value(cell, 3)}"
    span = wording.span(cell) if cell else ""
    return told.replace("-", "−"), span.replace("-", "−")


def lines(metrics: Mapping[str, Any]) -> str:
    """Plain text for a terminal; empty where nobody graded."""
    texts = []
    for part in told(metrics):
        texts.append(f"\n\nThe grader's error, {part['title'].lower()}: {part['sentence']}")
        rows: Sequence[Mapping[str, Any]] = part["rows"]
        if rows:
            texts.append(f"  as graded → corrected: {', '.join(part['heads'])}")
            texts += [f"  {row['name']}: {'; '.join(map(' '.join, row['cells']))}" for row in rows]
    return "\n".join(texts)
