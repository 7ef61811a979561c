"""Which rows of the metrics and of the table are shown, and in what order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrant.errors import InvalidData
from calibrant.evaluation.table import Column, Floats, Table
from calibrant.reporting import wording
from calibrant.reporting.wording import FORMATS, SUBSETS, WORDING, Key

Row = Mapping[str, Any]
Part = tuple[str, str]
"""(format, subset)."""


def key_of(row: Row) -> Key:
    """Estimator, variant and calibrator of a row of the metrics."""
    return row["estimator"], row["variant"], row["calibrator"]


def parts(metrics: Mapping[str, Any]) -> list[Part]:
    """Formats by whole subsets in reading order; "all" only where it adds something."""
    counts = ("n", "n_missing", "n_ungraded")
    held = {(r["format"], r["subset"]) for r in metrics["rows"] if any(r[n] for n in counts)}
    whole = {part for part in held if not part[1].startswith("subject:")}
    if len(kinds := {kind for kind, _ in whole}) > 1:
        whole = {(kind, subset) for kind, subset in whole if kind != "all"}
    for kind in kinds:
        if len({subset for k, subset in whole if k == kind} - {"all", "unanswerable"}) == 1:
            whole.discard((kind, "all"))
    return sorted(whole, key=lambda part: (_rank(part[0], FORMATS), _rank(part[1], SUBSETS)))


def titles(metrics: Mapping[str, Any]) -> dict[Part, str]:
    """What each part is called; of a table that is not split by subset, just "All answers"."""
    shown = parts(metrics)
    if [subset for _, subset in shown] == ["seen"]:
        return {shown[0]: "All answers"}
    return {part: wording.capital(wording.part(*part)) for part in shown}


def _rank(name: str, order: Iterable[str]) -> tuple[int, str]:
    known = list(order)
    return (known.index(name) if name in known else len(known)), name


def rows_of(metrics: Mapping[str, Any], part: Part) -> list[Row]:
    """The rows of a format and subset, a row a column of the table, in its order."""
    return [r for r in metrics["rows"] if (r["format"], r["subset"]) == part]


def lead_of(metrics: Mapping[str, Any]) -> Key:
    """The last column that has confidences: what a report is about unless told otherwise."""
    rows = rows_of(metrics, parts(metrics)[0])
    return key_of(next((row for row in reversed(rows) if row["n"]), rows[-1]))


def before_of(columns: Sequence[Column], lead: Key) -> Key | None:
    """What the lead is set against: the likelihood with its calibrator, for which nothing is tuned,
    else the first raw claim that varies."""
    others = [c for c in columns if c.key[:2] != lead[:2] or c.calibrator == "none"]
    claims = [c for c in others if c.is_confidence and c.key != lead]
    varied = [c for c in claims if np.unique(c.confidence[~np.isnan(c.confidence)]).size > 1]
    like = [c for c in varied if (c.estimator, c.calibrator) == ("sequence_likelihood", lead[2])]
    found = (
        *(c for c in like if c.variant != "head"),  # that one is fitted on verdicts
        *(c for c in varied if c.calibrator == "none"),
        *(c for c in claims if c.calibrator == "none"),
        *claims,
    )
    return next((c.key for c in found), None)


def main_rows(rows: Sequence[Row], calibrator: str, raw: Iterable[Key] = ()) -> list[Row]:
    """Every estimator with one calibrator, and these raw ones; all rows where it is not there."""
    if all(row["calibrator"] != calibrator for row in rows):
        return list(rows)
    kept = set(raw)
    return [row for row in rows if row["calibrator"] == calibrator or key_of(row) in kept]


def best(rows: Sequence[Row], measure: str, digits: int) -> set[Key]:
    """Who is best at it, ties in the digits shown included; nobody where it ranks nothing."""
    better = WORDING[measure].better
    values = {key_of(r): round(better * r[measure]["value"], digits) for r in rows if r[measure]}
    if not better or len(values) < 2:
        return set()
    return {key for key, value in values.items() if value == max(values.values())}


def select(table: Table, part: Part) -> Table:
    """The table's rows of a format and subset, as `evaluate` takes them."""
    kind, subset = part
    of_kind = np.full(len(table.format), True) if kind == "all" else table.format == kind
    if subset == "all":
        return table.select(of_kind & (table.subset != "unanswerable"))
    return table.select(of_kind & (table.subset == subset))


def column(table: Table, key: Key) -> Column:
    """The column of that key.

    Raises
    ------
    InvalidData
        Naming the columns that exist.
    """
    for found in table.columns:
        if found.key == key:
            return found
    known = ", ".join(" ".join(filter(None, c.key)) for c in table.columns)
    raise InvalidData(f"no column {' '.join(filter(None, key))!r}; there are: {known}")


def known(table: Table, key: Key) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Confidences, verdicts and places of the graded answers that have a confidence."""
    confidence = column(table, key).confidence
    rows = np.flatnonzero(~np.isnan(confidence) & ~np.isnan(table.correct))
    return confidence[rows], table.correct[rows], rows
