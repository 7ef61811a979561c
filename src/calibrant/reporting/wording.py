"""How names and numbers are put into words: one place for every table, page and figure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str, str]
"""(estimator, variant, calibrator)."""
NOTHING = "–"
FORMATS = {"open": "open-ended", "choice": "multiple choice", "all": "both formats"}
SUBSETS = {
    "seen": "seen subjects",
    "development": "development subjects",
    "unseen": "unseen subjects",
    "unanswerable": "unanswerable questions",
    "all": "all answerable questions",
}


@dataclass(frozen=True, kw_only=True)
class Wording:
    """A metric for readers."""

    label: str
    """Head of its column."""
    better: int
    """1: higher is better; -1: lower is; 0: it ranks nothing."""
    meaning: str
    """What it says, in a sentence or two."""


WORDING: Mapping[str, Wording] = {
    "accuracy": Wording(
        label="Accuracy",
        better=0,
        meaning="Share of the graded answers that are right: what the model can do, whatever its"
        " confidence says.",
    ),
    "ece": Wording(
        label="ECE",
        better=-1,
        meaning="Expected calibration error: answers are put into bins of equal width by"
        " confidence, and the gap between mean confidence and accuracy is averaged over all"
        " answers. Noise can only raise it; its interval is shifted upwards for the same reason.",
    ),
    "ece_floor": Wording(
        label="ECE floor",
        better=0,
        meaning="The ECE that a perfectly calibrated confidence would show on this many answers,"
        " by chance alone.",
    ),
    "ece_corrected": Wording(
        label="ECE − floor",
        better=-1,
        meaning="What is left of the ECE above its floor, at least 0.",
    ),
    "ece_subject_mean": Wording(
        label="Within-subject ECE",
        better=-1,
        meaning="The ECE within each subject of at least ten answers, averaged over subjects.",
    ),
    "ece_folded": Wording(
        label="ECE folded",
        better=-1,
        meaning="The ECE of max(p, 1 − p) as the confidence of the guess “right” or “wrong”: the"
        " form that the paper reports. Errors on either side of one half can cancel.",
    ),
    "smooth_ece": Wording(
        label="Smooth ECE",
        better=-1,
        meaning="Calibration error without bins: gaps are smoothed along the confidence by a"
        " width that the data choose.",
    ),
    "brier_score": Wording(
        label="Brier",
        better=-1,
        meaning="Mean squared difference of confidence and verdict (1 right, 0 wrong): calibration"
        " and discrimination in one number.",
    ),
    "log_loss": Wording(
        label="Log loss",
        better=-1,
        meaning="Mean of −log of the probability given to what turned out true; infinite when a"
        " wrong answer had confidence 1.",
    ),
    "auroc": Wording(
        label="AUROC",
        better=1,
        meaning="Probability that a right answer has a higher confidence than a wrong one; 0.5 is"
        " guessing.",
    ),
    "auroc_subject_mean": Wording(
        label="Within-subject AUROC",
        better=1,
        meaning="The AUROC within each subject, averaged: what is left when knowing that a subject"
        " is easy or hard does not help.",
    ),
    "aurc": Wording(
        label="AURC",
        better=-1,
        meaning="Area under the risk-coverage curve: the share of wrong answers among the most"
        " confident ones, averaged over every coverage.",
    ),
    "coverage_90": Wording(
        label="Coverage at 90 %",
        better=0,
        meaning="Share of the answers that would be given by the threshold that reached 90 %"
        " accuracy on other (calibration) answers; below it the accuracy reached here. More is"
        " better only where that keeps its word, so nothing is marked as best.",
    ),
    "coverage_95": Wording(
        label="Coverage at 95 %", better=0, meaning="The same for 95 % accuracy."
    ),
}


def number(x: float, digits: int = 3) -> str:
    """A number in few digits."""
    return f"{x:.{digits}f}"


def signed(x: float, digits: int = 3) -> str:
    """A difference with its sign."""
    return f"{x:+.{digits}f}".replace("-", "−")


def span(cell: Mapping[str, Any], digits: int = 3, *, sign: bool = False) -> str:
    """The interval of a cell, "[0.91, 0.95]", or nothing where it has none."""
    ends = (cell["low"], cell["high"])
    if None in ends:
        return ""
    return f"[{', '.join(signed(end, digits) if sign else number(end, digits) for end in ends)}]"


def short(told: str) -> str:
    """Without the zeros before the points: "[.91, .95]"."""
    return re.sub(r"(?<!\d)0(?=\.)", "", told)


def value(cell: Mapping[str, Any] | None, digits: int = 3) -> str:
    """The value of a cell, or a dash."""
    return NOTHING if cell is None else number(cell["value"], digits)


def measured(cell: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Value and interval: "0.93 [0.91, 0.95]"."""
    return value(cell, digits) + (f" {span(cell, digits)}".rstrip() if cell else "")


def per_cent(cell: Mapping[str, Any]) -> str:
    """Value and interval in per cent: "48 % [46, 50]"."""
    low, high = cell["low"], cell["high"]
    ends = "" if None in (low, high) else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * cell['value']:.0f} %{ends}"


def count(n: int, noun: str) -> str:
    """ "1 answer", "2,300 answers"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def form(key: Key) -> str:
    """Variant and calibrator: "mean, platt"; a confidence as it came is "raw"."""
    _, variant, calibrator = key
    return ", ".join(filter(None, (variant, "raw" if calibrator == "none" else calibrator)))


def subset_name(subset: str) -> str:
    """ "seen subjects"; a name that is not ours as it is."""
    return SUBSETS.get(subset, subset)


def format_name(kind: str) -> str:
    """ "open-ended"; a name that is not ours as it is."""
    return FORMATS.get(kind, kind)


def left_out_told(reasons: Mapping[str, str]) -> list[str]:
    """A sentence for each format, or fit on one, that was left out: "Left out, open-ended: ..."."""
    return [f"Left out, {format_name(what)}: {why}." for what, why in reasons.items()]


def name(key: Key) -> str:
    """A column in a figure or sentence: "sequence_likelihood (mean, platt)"."""
    return f"{key[0]} ({form(key)})"


def part(kind: str, subset: str) -> str:
    """ "open-ended, seen subjects"."""
    return f"{format_name(kind)}, {subset_name(subset)}"


def worth(row: Mapping[str, Any], digits: int = 2) -> str:
    """What a confidence is worth: "AUROC 0.93 [0.91, 0.95], ECE 0.03 [0.02, 0.05] (floor 0.02)"."""
    told = [f"AUROC {measured(row['auroc'], digits)}"] if row["auroc"] else []
    if row["ece"]:
        floor = value(row["ece_floor"], digits)
        told.append(f"ECE {measured(row['ece'], digits)} (floor {floor})")
    return ", ".join(told) or "neither AUROC nor ECE is defined"


def capital(text: str) -> str:
    """The first letter large, the others as they are."""
    return text[:1].upper() + text[1:]
