"""How far a grader agrees with people.

Shapes: N answers, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrant.errors import NothingGraded
from calibrant.metrics import interval, resample
from calibrant.records import Grade, Verdict

Floats = NDArray[np.float64]
MEASURES = ("agreement", "kappa", "human_accuracy", "graded_accuracy", "difference")


def numbers(grades: Sequence[Grade]) -> Floats:
    """Verdicts as 1 and 0, NaN where ungraded, (N,)."""
    values = {Verdict.CORRECT: 1.0, Verdict.INCORRECT: 0.0, Verdict.UNGRADED: np.nan}
    return np.array([values[grade.verdict] for grade in grades], dtype=np.float64)


def agreement(
    graded: Floats,
    human: Floats,
    subset: Sequence[str],
    group: Sequence[str],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """A grader against people, over all answers and by subset.

    Parameters
    ----------
    graded, human
        (N,) 1, 0, or NaN where there is no verdict. Answers without a human verdict are left out;
        those that the grader left ungraded are counted.
    subset
        (N,) what the answers are told apart by, as subjects in the paper's Table 2.
    group
        (N,) what was drawn together, for the intervals.

    Returns
    -------
    `rows`: for "all" and each subset the counts of (human, grader), the share of equal verdicts,
    Cohen's kappa, the accuracy by both, and how far the grader's is off, with 95 % intervals.
    `mean_difference`: the mean over subsets of the size of that difference, which the paper prints.

    Raises
    ------
    NothingGraded
        When no answer has a verdict of both.
    """
    subsets, groups = np.asarray(subset, dtype=str), np.asarray(group, dtype=str)
    seen = ~np.isnan(human)
    if not (seen & ~np.isnan(graded)).any():
        raise NothingGraded("no answer has a verdict of the grader and of a person")
    rows, sizes = [], []
    for name in ("all", *sorted(set(subsets[seen].tolist()))):
        here = seen if name == "all" else seen & (subsets == name)
        known = here & ~np.isnan(graded)
        row: dict[str, Any] = {"subset": name, "n": int(known.sum())}
        row["n_ungraded"] = int(here.sum() - known.sum())
        if known.any():
            row |= _row(graded[known], human[known], groups[known], n_resamples, seed)
            if name != "all":
                sizes.append(row.pop("_sizes"))
            row.pop("_sizes", None)
        rows.append(row)
    found: dict[str, Any] = {"rows": rows}
    if sizes:
        values = np.mean([value for value, _ in sizes])
        replicates = np.mean([replicates for _, replicates in sizes], axis=0)
        found["mean_difference"] = _cell(float(values), replicates)
    return found


def _row(
    graded: Floats, human: Floats, group: NDArray[np.str_], n_resamples: int, seed: int
) -> dict[str, Any]:
    cells = {
        "both_correct": human * graded,
        "only_human": human * (1 - graded),
        "only_grader": (1 - human) * graded,
        "both_incorrect": (1 - human) * (1 - graded),
    }
    row: dict[str, Any] = {name: int(values.sum()) for name, values in cells.items()}
    weights = resample(group, n_resamples=n_resamples, seed=seed).weights.astype(np.float64)
    counts_once = np.array([[values.sum()] for values in cells.values()])
    counts = np.array([weights @ values for values in cells.values()])
    once, often = _measures(counts_once), _measures(counts)
    for name in MEASURES:
        row[name] = _cell(float(once[name][0]), often[name])
    row["_sizes"] = (abs(float(once["difference"][0])), np.abs(often["difference"]))
    return row


def _measures(counts: Floats) -> dict[str, Floats]:
    """Measures (R,) from counts (4, R)."""
    both, only_human, only_grader, neither = counts
    with np.errstate(invalid="ignore", divide="ignore"):
        n = counts.sum(0)
        people, grader, same = (
            (both + only_human) / n,
            (both + only_grader) / n,
            (both + neither) / n,
        )
        chance = people * grader + (1 - people) * (1 - grader)
        return {
            "agreement": same,
            "kappa": (same - chance) / (1 - chance),
            "human_accuracy": people,
            "graded_accuracy": grader,
            "difference": grader - people,
        }


def _cell(value: float, replicates: Floats) -> dict[str, float | None] | None:
    """{value, low, high}; None where it is undefined: kappa when all verdicts are the same."""
    if np.isnan(value):
        return None
    found = interval(value, replicates)
    return {"value": found.value, "low": found.low, "high": found.high}
