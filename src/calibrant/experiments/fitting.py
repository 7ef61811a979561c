"""Estimators fitted once: each in a folder that is named by everything it depends on.

A folder holds the fitted estimator and the scores that it has given; asked again, only answers
that have none yet are scored.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from calibrant import registry
from calibrant.errors import InvalidData
from calibrant.estimators.calibrated import subjects_of
from calibrant.estimators.estimator import Estimator, FittedEstimator, Scores, silent
from calibrant.estimators.forms import described, forms_of, restored, with_settings
from calibrant.estimators.room import scores_of, with_room
from calibrant.models.model import Model
from calibrant.records import Answered, Graded, content_hash
from calibrant.runs import read_parquet, write_json, write_parquet

Floats = NDArray[np.float64]
Found = Mapping[str, tuple[float, str]]
"""Answer id -> score (NaN where missing) and why it is missing."""
LONG = {"open": "Open-ended", "choice": "Multiple choice"}
HAIR = 1e-9
LEAST_SHARE = 0.1
"""Of the answers: what has a confidence for fewer is measured on too few, and not told."""
N_TRIED, MOST_SILENT = 60, 1
"""Of so many answers, what states a confidence for a tenth states more than so few (98.6 %)."""
EPOCH = 3
"""Raised when what an estimator computes changes without its settings changing."""


@dataclass(frozen=True)
class Fit:
    """An estimator on some graded answers."""

    estimator: Estimator
    train: Sequence[Graded]
    validation: Sequence[Graded]
    model: Model
    """Which it reads."""
    seed: int = 0

    @cached_property
    def key(self) -> str:
        """Hash of settings and model and, if it learns, of answers, verdicts and seed."""
        answers = [
            [[i.answer.id, str(i.grade.verdict)] for i in items]
            for items in (self.train, self.validation)
        ]
        if not self.estimator.learns:
            answers = []
        how = [self.estimator.name, self.estimator.settings(), asdict(self.model.name)]
        return content_hash(EPOCH, how, answers, self.seed if self.estimator.learns else 0)

    @property
    def work(self) -> float:
        """Answers that training goes through: begun last, the longest would keep one core alone."""
        return len(self.train) * float(self.estimator.settings().get("n_epochs", 0))


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Scores of some answers, and what a fit took."""

    scores: Scores
    """In the order of the answers."""
    told: Mapping[str, Any]
    """seconds_fit, n_train, history where there is one."""

    @property
    def values(self) -> np.ndarray:
        """(N,), NaN where missing."""
        return self.scores.values


def name_of(estimator: Estimator) -> str:
    """Name and variant."""
    return " ".join(filter(None, (estimator.name, estimator.variant)))


class Missing:
    """Confidences that there are none of, each counted once, and why."""

    def __init__(self) -> None:
        self._why: dict[str, dict[tuple[str, str], str]] = {}

    def note(self, fit: Fit, items: Sequence[Answered], scores: Scores) -> None:
        """Those of one fit."""
        for i, why in scores.reasons.items():
            form = f"{LONG[items[i].question.format]}, `{name_of(fit.estimator)}`"
            told = self._why.setdefault(form, {})
            told[fit.key, item_key(items[i])] = why.strip()

    def told(self) -> list[str]:
        """A sentence a format and form."""
        told = [(form, len(whys), sorted(set(whys.values()))) for form, whys in self._why.items()]
        return [f"{form}: {n:,} confidences are missing ({'; '.join(w)})." for form, n, w in told]


def item_key(item: Answered) -> str:
    """What a score belongs to: the question as it is asked and the answer."""
    return content_hash(item.question.id, item.answer.id)


def kept(folder: Path) -> dict[str, tuple[float, str]]:
    """Scores that lie in a fit's folder."""
    found: dict[str, tuple[float, str]] = {}
    for path in sorted((folder / "scores").glob("*.parquet")):
        for row in read_parquet(path):
            value = np.nan if row["score"] is None else row["score"]
            found[row["item"]] = (value, row["reason"])
    return found


def pending(folder: Path, items: Sequence[Answered]) -> list[Answered]:
    """Those without a score yet that may get one, each once."""
    if _why_none(told_of(folder)):
        return []
    have = kept(folder)
    return list({key: i for i in items if (key := item_key(i)) not in have}.values())


def told_of(folder: Path) -> dict[str, Any]:
    """What a fit's folder tells; empty before the fit."""
    place = folder / "fitted.json"
    found: dict[str, Any] = json.loads(place.read_text("utf-8")) if place.exists() else {}
    return found


def _why_none(told: Mapping[str, Any]) -> str:
    """Why what has no score yet gets none, if so: the fit failed, or states no confidence."""
    return str(told.get("error") or told.get("silent") or "")


def prepare(group: Sequence[tuple[Fit, Sequence[Answered]]]) -> None:
    """Compute into the model's cache what several estimators share."""
    for fit, items in group:
        train = [item for item in fit.train if item.is_graded]
        validation = [item for item in fit.validation if item.is_graded]
        scored = items or train
        parts = {"train": train, "validation": validation, "calibration": scored, "test": scored}
        if all(parts.values()):
            roomy = {k: with_room(fit.estimator, v, fit.model) for k, v in parts.items()}
            fit.estimator.prepare(roomy, fit.model)


def fit_and_score(folder: Path, fit: Fit, items: Sequence[Answered]) -> None:
    """Fit, unless that is done, and score; everything goes to the folder.

    An estimator that cannot be fitted on these answers leaves the reason there, as does one that
    states a confidence for hardly any of some of them: it is not asked for the rest, nor again.
    """
    if told := told_of(folder):
        fitted = restored(told, folder)
    else:
        start = time.monotonic()
        try:
            train, validation = (
                with_room(fit.estimator, items, fit.model) for items in (fit.train, fit.validation)
            )
            fitted = fit.estimator.fit(
                train, validation, fit.model, fit.seed, folder=folder / "checkpoints", say=silent
            )
        except InvalidData as error:
            write_json(folder / "fitted.json", {"error": str(error)})
            return
        seconds = time.monotonic() - start
        told = described(fitted, folder)
        told |= {"seconds_fit": round(seconds, 3), "n_train": len(fit.train)}
        write_json(folder / "fitted.json", told)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    some = _tried(fit, items)
    n_scored = _score(folder, fitted, fit.model, some)
    if some and n_scored <= MOST_SILENT:
        why = f"not asked for: of {len(some)} that were tried, {n_scored} had one"
        write_json(folder / "fitted.json", told | {"silent": why})
        return
    tried = {item_key(item) for item in some}
    _score(folder, fitted, fit.model, [item for item in items if item_key(item) not in tried])


def _tried(fit: Fit, items: Sequence[Answered]) -> list[Answered]:
    """Of many answers some at random, whatever their order: for what may state no confidence."""
    if fit.estimator.learns or len(items) < 2 * N_TRIED:
        return []
    return sorted(items, key=item_key)[:N_TRIED]


def _score(folder: Path, fitted: FittedEstimator, model: Model, items: Sequence[Answered]) -> int:
    """Keep the scores of items; how many there are."""
    if not items:
        return 0
    found = scores_of(fitted, items, model)
    rows = [
        {
            "item": item_key(item),
            "score": None if i in found.reasons else float(value),
            "reason": found.reasons.get(i, ""),
        }
        for i, (item, value) in enumerate(zip(items, found.values))
    ]
    write_parquet(folder / "scores" / f"{content_hash([r['item'] for r in rows])}.parquet", rows)
    return len(items) - len(found.reasons)


def read_scores(folder: Path, items: Sequence[Answered]) -> Scored:
    """Scores of items, in their order; missing where the fit failed, or was not asked on."""
    told, have = told_of(folder), kept(folder)
    if why := _why_none(told):
        have = {item_key(item): (np.nan, why) for item in items} | have
    found = [have[item_key(item)] for item in items]
    values = np.array([value for value, _ in found], dtype=np.float64)
    reasons = {i: reason for i, (value, reason) in enumerate(found) if np.isnan(value)}
    return Scored(scores=Scores(values=values, reasons=reasons), told=told)


def calibrated(
    held_scores: Floats,
    held: Sequence[Graded],
    scores: Floats,
    judged: Sequence[Answered],
    calibrator: str,
) -> Floats:
    """(N,) confidences by a calibrator that is fitted on the held-out answers.

    Where these call for a map that falls, it is flat: what is told apart by a hair then keeps the
    order of the scores, so that the ranking is that of the estimator. All are missing (NaN) where
    the held-out answers have no scores, or are all right or all wrong.
    """
    known = np.array([i.is_graded for i in held], dtype=bool) & ~np.isnan(held_scores)
    correct = correct_of(held)[known]
    if not known.any() or correct.min() == correct.max():
        return np.full(len(scores), np.nan)
    subjects = np.array(subjects_of(held), dtype=str)[known]
    fitted = registry.get("calibration", calibrator)().fit(held_scores[known], correct, subjects)
    found = np.asarray(fitted.confidence(scores, subjects_of(judged)), dtype=np.float64)
    levels = np.unique(found[~np.isnan(found)])
    if len(levels) == 1:
        ranks = rankdata(scores, "dense", nan_policy="omit") / (len(scores) + 1)
        found = found + HAIR * (ranks if levels[0] < 0.5 else ranks - 1)
    return found


def correct_of(items: Sequence[Graded]) -> Floats:
    """(N,) 1 or 0, NaN where ungraded."""
    return np.array([i.correct if i.is_graded else np.nan for i in items], dtype=np.float64)


def forms(*texts: str) -> list[Estimator]:
    """Estimators with settings, as an ensemble's members are written."""
    return [
        with_settings(forms_of([name])[0], settings)
        for name, *settings in (text.split() for text in texts)
    ]
