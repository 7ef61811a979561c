"""Confidences that exist already, from anywhere: a table of them becomes one to evaluate.

Calibrators are cross-fitted: each fold's confidences come from a calibrator, and its thresholds
from answers, of the other folds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibrant import registry
from calibrant.calibration import cross_fit
from calibrant.errors import InvalidConfidence, InvalidData, NothingGraded
from calibrant.evaluation.evaluate import Settings, answered, evaluate
from calibrant.evaluation.table import TARGETS, Column, Floats, Strings, Table
from calibrant.records import content_hash
from calibrant.tables import column, read_table

CALIBRATORS = ("temperature", "platt")
N_FOLDS = 5
TRUE, FALSE = ("1", "1.0", "true", "correct", "yes"), ("0", "0.0", "false", "incorrect", "no")

_NUMBER = re.compile(r"(?:(?<!\w)[-\u2212])?(?:\d+(?:\.\d+)?|(?<![\w.])\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a file mean what."""

    confidence: tuple[str, ...] = ("confidence",)
    """Confidences in [0, 1], or per cents such as "90%"; empty = missing."""
    percent: bool = False
    """Confidences are per cents in a model's words: the first number in a cell counts, and a cell
    without one is missing."""
    correct: str = "correct"
    """1 or 0, true or false; empty = ungraded."""
    options: tuple[str, ...] = ()
    """Probabilities of the options; then the confidence is the largest, and that option is right
    or wrong by `target`."""
    target: str = "target"
    """Number of the right option, from 0."""
    subject: str = ""
    """The subject; an empty cell is none."""
    group: str = ""
    """What was drawn together; no column, or an empty cell: the row by itself."""
    where: tuple[str, ...] = ()
    """COLUMN=VALUE: only these rows."""


def read(path: str | Path, columns: Columns) -> Table:
    """A table to evaluate from a CSV, JSONL or Parquet file.

    Raises
    ------
    InvalidData
        When the file or a column does not exist, none is named, or a verdict is none.
    InvalidConfidence
        Naming the first row whose confidence is none.
    """
    if not columns.confidence and not columns.options:
        raise InvalidData("no column with confidences is named: --confidence COLUMN,COLUMN")
    rows = _where(read_table(path), columns.where, path)
    if columns.options:
        names: tuple[str, ...] = ("largest option",)
        found, correct = _largest_option(rows, columns, path)
        confidences = [found]
    else:
        names = columns.confidence
        cells = {name: column(rows, name, path) for name in names}
        if columns.percent:
            cells = {name: [_percent(value) for value in values] for name, values in cells.items()}
        confidences = [_confidence(values, name) for name, values in cells.items()]
        correct = np.array(
            [verdict(v, i) for i, v in enumerate(column(rows, columns.correct, path))]
        )
    if np.isnan(correct).all():
        raise NothingGraded(f"none of the {len(rows)} rows of {path} is graded")
    everyone = [f"row {i}" for i in range(len(rows))]
    nobody = [""] * len(rows)
    groups = _texts(rows, columns.group, path, everyone) if columns.group else everyone
    subjects = _texts(rows, columns.subject, path, nobody) if columns.subject else nobody
    group = np.array(groups, dtype=str)
    return Table(
        model=Path(path).stem,
        correct=correct,
        group=group,
        subject=np.array(subjects, dtype=str),
        subset=np.array(["seen"] * len(rows), dtype=str),
        format=np.array(["choice" if columns.options else "open"] * len(rows), dtype=str),
        columns=tuple(
            _column(name, calibrator, values, correct, group)
            for name, values in zip(names, confidences)
            for calibrator in ("none", *CALIBRATORS)
        ),
    )


def _texts(
    rows: Sequence[Mapping[str, Any]], name: str, path: object, instead: Sequence[str]
) -> list[str]:
    """A column as texts; for an empty cell what stands in the row's place of `instead`."""
    cells = zip(column(rows, name, path), instead)
    return [other if v is None or v == "" or v != v else str(v) for v, other in cells]


def measured(table: Table, settings: Settings) -> dict[str, Any]:
    """What `evaluate` tells, with why a calibrator could not be fitted.

    Raises
    ------
    NothingGraded
        As there, or when no graded row has a confidence.
    """
    graded = ~np.isnan(table.correct)
    if graded.any() and all(np.isnan(c.confidence[graded]).all() for c in table.columns):
        raise NothingGraded("no graded row has a confidence")
    metrics = evaluate(table, settings)
    reasons = {column.key: column.reason for column in table.columns if column.reason}
    for row in metrics["rows"]:
        if why := reasons.get((row["estimator"], row["variant"], row["calibrator"])):
            row["reasons"] = dict.fromkeys(row["reasons"], why)
    return metrics


def verdicts(path: str | Path, columns: Columns, name: str) -> Floats:
    """Verdicts (N,) in another column of the same rows, e.g. people's; NaN where there is none."""
    rows = _where(read_table(path), columns.where, path)
    return np.array([verdict(v, i) for i, v in enumerate(column(rows, name, path))])


def _column(
    name: str, calibrator: str, confidence: Floats, correct: Floats, groups: Strings
) -> Column:
    reason = ""
    if calibrator != "none":
        known = ~np.isnan(confidence) & ~np.isnan(correct)
        with np.errstate(divide="ignore"):
            scores = np.log(confidence[known]) - np.log1p(-confidence[known])
        confidence = confidence.copy()
        settings = registry.get("calibration", calibrator)()
        n_folds = min(N_FOLDS, len(set(groups[known].tolist())))
        try:
            confidence[known] = cross_fit(
                settings, scores, correct[known], groups[known], n_folds=n_folds, seed=0
            )
        except InvalidData as error:
            reason, confidence[known] = f"not calibrated by other folds: {error}", np.nan
        confidence[~known] = np.nan
    fold = np.array([int(content_hash("fold", g), 16) % N_FOLDS for g in groups.tolist()])
    given = {target: np.zeros(len(correct)) for target in TARGETS}
    for k in range(N_FOLDS):
        decided = answered(confidence[fold != k], correct[fold != k], confidence[fold == k])
        for target, values in decided.items():
            given[target][fold == k] = values
    return Column(
        estimator=name,
        calibrator=calibrator,
        confidence=confidence,
        reason=reason,
        answered=given,
    )


def _where(
    rows: list[dict[str, Any]], conditions: Sequence[str], path: object
) -> list[dict[str, Any]]:
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals:
            raise InvalidData(f"{condition!r} is no condition: write COLUMN=VALUE")
        rows = [row for row, v in zip(rows, column(rows, name, path)) if str(v) == value]
        if not rows:
            raise InvalidData(f"no row of {path} has {condition}")
    return rows


def _largest_option(
    rows: Sequence[Mapping[str, Any]], columns: Columns, path: object
) -> tuple[Floats, Floats]:
    """Largest option probability, and whether that option is the target."""
    cells = [column(rows, name, path) for name in columns.options]
    probabilities = np.array(
        list(zip(*(_confidence(c, n) for c, n in zip(cells, columns.options))))
    )
    targets = column(rows, columns.target, path)
    given = ["" if v is None else str(v).removesuffix(".0") for v in targets]
    if odd := [v for v in given if not v.isdecimal()]:
        raise InvalidData(f"{path}: target is {odd[0]!r}: an option's number is needed, from 0 on")
    target = np.array(list(map(int, given)))
    if np.isnan(probabilities).any() or target.max() >= len(columns.options):
        raise InvalidData(f"{path}: an option has no probability, or a target is no option")
    right = probabilities.argmax(axis=1) == target
    return probabilities.max(axis=1), right.astype(np.float64)


def _confidence(values: Sequence[Any], name: str) -> Floats:
    """Numbers in [0, 1]; "90%" is 0.9; NaN where the cell is empty."""
    found = []
    for i, value in enumerate(values):
        text = "" if value is None else str(value).strip()
        try:
            number = float(text[:-1]) / 100 if text.endswith("%") else float(text or "nan")
        except ValueError:
            number = np.inf
        if text and not 0 <= number <= 1:
            raise InvalidConfidence(
                f"{name}, row {i + 1}: {value!r} is no confidence in [0, 1] and no per cent;"
                " leave the cell empty where it is missing"
            )
        found.append(number)
    return np.array(found, dtype=np.float64)


def _percent(value: Any) -> str:
    """The cell as a per cent: "90% ." and "90" are "90%", "I am sure" is nothing.

    A sign stays, for what is less than nothing to be refused.
    """
    number = _NUMBER.search(str(value))
    return f"{number[0]}%" if number else ""


def verdict(value: Any, row: int) -> float:
    """1 for a correct answer, 0 for an incorrect one, NaN for an ungraded one.

    Raises
    ------
    InvalidData
        When the cell is none of these, naming the row (counted from 0 here, from 1 there).
    """
    text = "" if value is None else str(value).strip().lower()
    if text in ("", "ungraded"):
        return np.nan
    if text in TRUE or text in FALSE:
        return float(text in TRUE)
    raise InvalidData(f"row {row + 1}: {value!r} is no verdict; write 1, 0 or nothing")
