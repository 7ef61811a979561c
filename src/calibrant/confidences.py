"""A run's test answers with the confidences of every estimator and calibrator.

Every calibrator is fitted anew, from the scores that the run keeps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calibrant import registry
from calibrant.errors import InvalidData
from calibrant.estimators.calibrated import subjects_of
from calibrant.evaluation.evaluate import answered
from calibrant.evaluation.table import Column, Floats, Table
from calibrant.questions.splits import split_of, subset_of
from calibrant.records import Answered, Confidence, Graded, content_hash
from calibrant.runs import Run

CALIBRATORS = ("none", "temperature", "platt")


def by_split(items: Sequence[Graded], seed: int) -> dict[str, list[Graded]]:
    """The answers in train, validation, calibration and test."""
    splits: dict[str, list[Graded]] = {
        name: [] for name in ("train", "validation", "calibration", "test")
    }
    for item in items:
        splits[split_of(item.question, seed)].append(item)
    return splits


def run_table(run: Run, calibrators: Sequence[str] = CALIBRATORS) -> tuple[Table, list[Graded]]:
    """The test answers with the confidences of every estimator and calibrator.

    Calibrators are fitted, and thresholds chosen, on the scores of the calibration split. A format
    that nothing was fitted on is left out.
    """
    by_form: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for name, told in run.manifest.get("fitted", {}).items():
        by_form[told["estimator"], told["variant"], told["is_confidence"]].append(name)
    if not by_form:
        raise InvalidData(f"no estimator was fitted in {run.folder}: calibrant fit comes first")
    scored = {
        part: {c.answer_id: c for c in run.read(f"confidences/{part}")}
        for parts in by_form.values()
        for part in parts
    }
    items, known = run.graded(), {answer for part in scored.values() for answer in part}
    kinds = {item.question.format for item in items if item.answer.id in known}
    kept = [item for item in items if item.question.format in kinds]
    splits = by_split(kept, run.manifest["identity"]["seed"])
    held, test = splits["calibration"], splits["test"]
    columns = []
    for (name, variant, claims), parts_of in by_form.items():
        parts = [scored[part] for part in parts_of]
        for calibrator in calibrators:
            pairs = [_calibrate(part, held, test, calibrator) for part in parts]
            # Each part knows the answers of its own formats only.
            here, there = (_merge(side) for side in zip(*pairs))
            columns.append(
                Column(
                    estimator=name,
                    variant=variant,
                    calibrator=calibrator,
                    confidence=there,
                    is_confidence=claims or calibrator != "none",
                    answered=_answered(here, held, there, test),
                )
            )
    table = Table(
        model=run.manifest["identity"]["model"]["name"],
        correct=_correct(test),
        group=np.array([item.question.group for item in test], dtype=str),
        subject=np.array([item.question.subject for item in test], dtype=str),
        subset=np.array([subset_of(item.question) for item in test], dtype=str),
        format=_formats(test),
        columns=tuple(columns),
    )
    return table, test


def _calibrate(
    scored: Mapping[str, Confidence], held: Sequence[Graded], test: Sequence[Graded], name: str
) -> tuple[Floats, Floats]:
    """Confidences of the held-out and the test answers; NaN where there is no score."""

    def scores(items: Sequence[Graded]) -> Floats:
        found = (scored.get(item.answer.id) for item in items)
        return np.array(
            [np.nan if c is None or c.score is None else c.score for c in found], dtype=np.float64
        )

    here, there = scores(held), scores(test)
    known = ~np.isnan(_correct(held))
    subjects = np.array(subjects_of(held), dtype=str)
    fitted = registry.get("calibration", name)().fit(
        here[known], _correct(held)[known], subjects[known]
    )
    return fitted.confidence(here, subjects), fitted.confidence(there, subjects_of(test))


def _answered(
    here: Floats, held: Sequence[Graded], there: Floats, test: Sequence[Graded]
) -> dict[float, Floats]:
    """Each format has thresholds of its own, chosen on the calibration split."""
    formats = _formats(test)
    found: dict[float, Floats] = {}
    for kind in sorted(set(formats.tolist())):
        of_kind = _formats(held) == kind
        by_target = answered(here[of_kind], _correct(held)[of_kind], there)
        for target, values in by_target.items():
            found.setdefault(target, np.zeros(len(test)))[formats == kind] = values[formats == kind]
    return found


def _merge(parts: Sequence[Floats]) -> Floats:
    merged = parts[0]
    for part in parts[1:]:
        merged = np.where(np.isnan(merged), part, merged)
    return merged


def _correct(items: Sequence[Graded]) -> Floats:
    return np.array(
        [item.correct if item.is_graded else np.nan for item in items], dtype=np.float64
    )


def _formats(items: Sequence[Graded]) -> Any:
    return np.array([item.question.format for item in items], dtype=str)


def sample_to_grade(run: Run, n: int, seed: int = 0) -> list[Answered]:
    """So many test answers, drawn by chance; a larger sample holds a smaller one."""
    questions = {question.id: question for question in run.read("questions")}
    split_seed = run.manifest["identity"]["seed"]
    items = [
        Answered(question=questions[a.question_id], answer=a)
        for a in run.read("answers")
        if split_of(questions[a.question_id], split_seed) == "test"
    ]
    return sorted(items, key=lambda item: content_hash("by hand", seed, item.answer.id))[:n]
