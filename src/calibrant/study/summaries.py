"""What each participant did, in a few numbers: the unit of every primary test is a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from calibrant.study.data import Row
from calibrant.study.design import MEASURES

MIN_FOR_SLOPE = 5
"""A slope takes so many answers with a confidence that differs among them."""


def kept(participants: Sequence[Row]) -> dict[str, Row]:
    """Participants whom no rule of the design leaves out, by id."""
    return {row["participant"]: row for row in participants if not row["excluded"]}


def exclusions(participants: Sequence[Row]) -> dict[str, int]:
    """Reason -> how many are left out for it."""
    return dict(Counter(row["excluded"] for row in participants if row["excluded"]))


def counting(participants: Sequence[Row], trials: Sequence[Row]) -> list[Row]:
    """The answers that are analysed: of those who are kept, given in time."""
    people = kept(participants)
    return [
        row
        for row in trials
        if row["kind"] == "trial" and row["participant"] in people and row["response"] is not None
    ]


def summaries(participants: Sequence[Row], trials: Sequence[Row]) -> list[Row]:
    """One row a participant and arm: the measures of `design.MEASURES`, ability and block.

    A measure is None where it has nothing to be computed from.
    """
    people, parts = kept(participants), defaultdict(list)
    for row in counting(participants, trials):
        parts[row["participant"], row["arm"]].append(row)
    return [
        {
            "participant": name,
            "arm": arm,
            "block": people[name]["block"],
            "batch": people[name]["batch"],
            "ability": people[name]["ability"],
            "seconds": float(np.median([row["seconds"] for row in rows])),
            "n": len(rows),
            **measures(rows),
        }
        for (name, arm), rows in sorted(parts.items())
    ]


def measures(rows: Sequence[Row]) -> dict[str, Any]:
    """The measures of one participant's answers under one arm."""
    shown = [row for row in rows if row["prediction_shown"]]
    agrees = np.array([row["agrees"] for row in shown], dtype=float)
    right = np.array([row["model_correct"] for row in shown], dtype=bool)
    told = [row for row in shown if row["confidence"] is not None]
    found = {
        "accuracy": _mean(np.array([row["correct"] for row in rows], dtype=float)),
        "agreement": _mean(agrees),
        "sensible": _mean((agrees == right).astype(float)),
        "over_reliance": _mean(agrees[~right]),
        "under_reliance": _mean(1 - agrees[right]),
        "slope": slope(
            np.array([row["confidence"] for row in told], dtype=float),
            np.array([row["agrees"] for row in told], dtype=float),
        ),
    }
    return {name: found[name] for name in MEASURES}


def slope(confidence: Any, agrees: Any) -> float | None:
    """Least-squares slope (n,), (n,): agreement gained from confidence 0 to 1; None: undefined.

    Unlike a logistic slope it exists for people who always agree (0) and has the scale of
    agreement itself.
    """
    if confidence.size < MIN_FOR_SLOPE or np.ptp(confidence) == 0:
        return None
    centred = confidence - confidence.mean()
    return float(centred @ agrees / (centred @ centred))


def _mean(values: Any) -> float | None:
    return float(values.mean()) if values.size else None
