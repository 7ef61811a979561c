"""Calibrated = estimator + calibrator: the only thing that yields a confidence.

Saved as one folder: `artefact.json`, the estimator's own files, and a README.md for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import combinations
from operator import getitem
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from calibrant import metrics
from calibrant.answers.prompts import text_record
from calibrant.calibration.calibrator import Calibrator, FittedCalibrator
from calibrant.calibration.cross_fitting import cross_fit
from calibrant.errors import DamagedFile, InvalidData, Mismatch, NothingGraded
from calibrant.estimators.card import card
from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    silent,
)
from calibrant.estimators.forms import described, estimator_of, restored
from calibrant.estimators.needs import require
from calibrant.estimators.room import learnable, scores_of
from calibrant.evaluation.table import TARGETS
from calibrant.models.model import Model
from calibrant.records import Answered, Confidence, Format, Graded, content_hash
from calibrant.runs import provenance, write_json

SCHEMA = 1
NEEDED = (
    "estimator.name", "estimator.settings", "state", "calibrator.name", "calibrator.fitted",
    "formats", "made_with.model.name", "made_with.model.revision", "made_with.prompts",
)  # fmt: skip
"""What every artefact tells."""


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A fitted estimator with a fitted calibrator."""

    fitted: FittedEstimator
    """Gives scores."""
    calibrator: FittedCalibrator
    """Turns scores into confidences."""
    calibrator_name: str
    """Registered name of the calibrator."""
    formats: tuple[Format, ...]
    """Formats of the answers that it was fitted on."""
    made_with: Mapping[str, Any]
    """Model, prompts, grader, data hash, versions."""

    @property
    def estimator(self) -> Estimator:
        """The estimator's settings."""
        return self.fitted.estimator

    @cached_property
    def _name(self) -> str:
        """Of the estimator; an ensemble's variant takes a while to tell."""
        return "/".join(filter(None, (self.estimator.name, self.estimator.variant)))

    def confidences(
        self, items: Sequence[Answered], model: Model, say: Say = silent
    ) -> list[Confidence]:
        """One confidence for each item, in their order; missing where there is no score."""
        require([self.estimator], model, [])
        fit_for = [i for i, item in enumerate(items) if item.question.format in self.formats]
        scores = scores_of(self.fitted, [items[i] for i in fit_for], model, say)
        return self.from_scores(items, fit_for, scores)

    def from_scores(
        self, items: Sequence[Answered], fit_for: Sequence[int], scores: Scores
    ) -> list[Confidence]:
        """As `confidences`, of items whose scores are known already.

        Parameters
        ----------
        fit_for
            Indices of the items that `scores` are of, in their order.
        """
        values = self.calibrator.confidence(scores.values, subjects_of([items[i] for i in fit_for]))
        found = {
            i: self._confidence(items[i], score, value, scores.reasons.get(k, ""))
            for k, (i, score, value) in enumerate(zip(fit_for, scores.values, values))
        }
        other = f"fitted on answers of the format {' and '.join(self.formats)}"
        return [
            found[i] if i in found else self._confidence(item, np.nan, np.nan, other)
            for i, item in enumerate(items)
        ]

    def _confidence(self, item: Answered, score: float, value: float, reason: str) -> Confidence:
        missing = bool(np.isnan(value))
        return Confidence(
            answer_id=item.answer.id,
            value=None if missing else float(value),
            reason=reason,
            score=None if missing else float(score),
            estimator=self._name,
            calibrator=self.calibrator_name,
        )

    def save(self, folder: str | Path) -> None:
        """Write the artefact's folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        artefact = {
            "schema": SCHEMA,
            **described(self.fitted, folder),
            "calibrator": {"name": self.calibrator_name, "fitted": self.calibrator.to_dict()},
            "formats": list(self.formats),
            "made_with": dict(self.made_with),
        }
        (folder / "README.md").write_text(card(artefact), "utf-8")
        write_json(folder / "artefact.json", artefact)


def fit_calibrated(
    estimator: Estimator,
    calibrator: Calibrator,
    splits: Mapping[str, Sequence[Graded]],
    model: Model,
    seed: int = 0,
    *,
    folder: Path | None = None,
    say: Say = silent,
) -> Calibrated:
    """Fit an estimator on the splits train and validation, and its calibrator on calibration.

    Parameters
    ----------
    splits
        "train", "validation" and "calibration": graded answers, disjoint by question group.
    folder
        Where checkpoints of the training may go; the last one stays there.

    Raises
    ------
    NothingGraded, TooFewClasses
        When a split cannot be learned from.
    """
    require([estimator], model, [i for items in splits.values() for i in items], say)
    _check_apart(splits)
    splits = learnable(estimator, splits, model, say)
    fitted = estimator.fit(
        splits["train"], splits["validation"], model, seed, folder=folder, say=say
    )
    return calibrate(fitted, calibrator, splits, model, seed, say=say)


def _check_apart(splits: Mapping[str, Sequence[Graded]]) -> None:
    groups = {name: {item.question.group for item in items} for name, items in splits.items()}
    for one, other in combinations(groups, 2):
        if shared := groups[one] & groups[other]:
            raise InvalidData(f"group {min(shared)!r} is in {one} and in {other}")


def calibrate(
    fitted: FittedEstimator,
    calibrator: Calibrator,
    splits: Mapping[str, Sequence[Graded]],
    model: Model,
    seed: int = 0,
    *,
    scores: Scores | None = None,
    say: Say = silent,
) -> Calibrated:
    """Put a calibrator, fitted on the split "calibration", on a fitted estimator.

    Parameters
    ----------
    splits
        As for `fit_calibrated`; "train" is empty for an estimator that was fitted elsewhere.
    scores
        Those of the split's answers, where they are known already.

    Raises
    ------
    InvalidData
        When splits share a question group: a calibrator is not fitted on training answers.
    NothingGraded, TooFewClasses
        When the calibration answers cannot be learned from.
    """
    _check_apart(splits)
    held = splits["calibration"]
    kept, correct = graded_only(held, "calibration")
    scores = scores or scores_of(fitted, held, model, say)
    if len(scores.reasons) == len(held):
        raise NothingGraded(
            f"{fitted.estimator.name} {fitted.estimator.variant} scores none of the {len(held)}"
            f" calibration answers: {scores.reasons[0]}"
        )
    values = scores.values[[item.is_graded for item in held]]
    learned = calibrator.fit(values, correct, subjects_of(kept))
    data = content_hash(
        [[i.answer.id, i.grade.verdict] for items in splits.values() for i in items]
    )
    return Calibrated(
        fitted=fitted,
        calibrator=learned,
        calibrator_name=calibrator.name,
        formats=tuple(sorted({item.question.format for item in splits["train"] or held})),
        made_with={
            "model": {
                "name": model.name.name,
                "revision": model.name.revision,
                "dtype": model.dtype,
            },
            "prompts": text_record(model, fitted.estimator.asks),
            "query": fitted.estimator.asks,
            "grader": kept[0].grade.grader,
            "data": data,
            "n": {name: len(items) for name, items in splits.items()},
            "n_ungraded": {
                name: sum(not item.is_graded for item in items) for name, items in splits.items()
            },
            "seed": seed,
            "versions": provenance(),
            "metrics": _metrics(calibrator, values, kept, correct, seed),
        },
    )


def _metrics(
    calibrator: Calibrator,
    scores: NDArray[np.float64],
    kept: Sequence[Graded],
    correct: NDArray[np.float64],
    seed: int,
) -> dict[str, Any]:
    """Quality on the calibration answers, whose own calibrator is fitted on others."""
    groups = [item.question.group for item in kept]
    try:
        found = cross_fit(
            calibrator, scores, correct, groups, subjects=subjects_of(kept), seed=seed
        )
        known = ~np.isnan(found)
        p, y = found[known], correct[known]
        measured: dict[str, Any] = {
            name: float(getattr(metrics, name)(p, y)) for name in ("auroc", "ece", "brier_score")
        }
        thresholds = {f"{t:g}": metrics.threshold_for_accuracy(p, y, t) for t in TARGETS}
        shares = {
            target: 0.0 if at is None else float(metrics.coverage(p, y, threshold=at))
            for target, at in thresholds.items()
        }
    except InvalidData as error:
        return {"reason": f"the calibration answers are too few or alike ({error})"}
    counts = {"n": int(known.sum()), "n_missing": int((~known).sum())}
    measured |= {"thresholds": thresholds, "coverage": shares}
    return {**counts, "accuracy": float(y.mean()), **measured}


def subjects_of(items: Sequence[Answered]) -> list[str]:
    """Their subjects (categories where there are none), which some calibrators look at."""
    return [item.question.subject or item.question.category for item in items]


def recalibrated(
    made: Calibrated, items: Sequence[Graded], model: Model, say: Say = silent
) -> Calibrated:
    """The same with its bias fitted anew on a few graded answers of another domain.

    Raises
    ------
    NothingGraded, InvalidData
        When no answer is graded, or none has a score.
    """
    kept = [i for i in items if i.is_graded and i.question.format in made.formats]
    if not kept:
        raise NothingGraded(
            f"none of the {len(items)} answers is graded and of the format"
            f" {' or '.join(made.formats)}"
        )
    scores = scores_of(made.fitted, kept, model, say)
    correct = [item.correct for item in kept]
    calibrator = made.calibrator.shifted(scores.values, correct, subjects_of(kept))
    told = {"n": len(kept) - len(scores.reasons), "n_missing": len(scores.reasons)}
    noted = {**made.made_with, "recalibrated": {**told, "shift": calibrator.shift}}
    # Thresholds are of confidences before, in a domain that this is another of.
    before = made.made_with.get("metrics", {})
    noted["metrics"] = {k: v for k, v in before.items() if k not in ("thresholds", "coverage")}
    return replace(made, calibrator=calibrator, made_with=noted)


def load_calibrated(
    folder: str | Path, model: Model, *, allow_mismatch: bool = False, to_answer: bool = False
) -> Calibrated:
    """Read an artefact's folder for a model, which the estimator calls or which is `to_answer`.

    Raises
    ------
    DamagedFile
        When it is not whole.
    Mismatch
        When it was made with another base model, tokenizer or template, unless allowed.
    InvalidData
        When it would send a key from the environment to an address that the user did not name.
    """
    artefact = read_artefact(folder)
    made_with = artefact["made_with"]
    try:
        estimator = estimator_of(artefact)
        if (to_answer or estimator.calls_model) and not allow_mismatch:
            _check_match(made_with, model, folder, estimator.asks)
        return Calibrated(
            fitted=restored(artefact, Path(folder)),
            calibrator=FittedCalibrator.from_dict(artefact["calibrator"]["fitted"]),
            calibrator_name=artefact["calibrator"]["name"],
            formats=tuple(artefact["formats"]),
            made_with=made_with,
        )
    except (KeyError, TypeError) as error:
        raise DamagedFile(f"{folder}/artefact.json is damaged: {error!r}") from error


def _check_match(made_with: Mapping[str, Any], model: Model, folder: str | Path, asks: str) -> None:
    made, here = made_with["model"], model.name
    # An endpoint tells no revision: its model is known by its name alone.
    known_as = (made["revision"] or made["name"], here.revision or here.name)
    same = {
        "model": known_as[0] == known_as[1],
        "tokenizer, template or query": made_with["prompts"] == text_record(model, asks),
    }
    for what, matches in same.items():
        if not matches:
            raise Mismatch(
                f"{folder} was made with another {what} ({made_with['model']['name']},"
                f" revision {made_with['model']['revision']}) than {model.name.name}"
                f" (revision {model.name.revision}): its confidences would mean nothing;"
                " allow the mismatch if you know better"
            )


def read_artefact(folder: str | Path) -> dict[str, Any]:
    """The contents of `artefact.json`.

    Raises
    ------
    DamagedFile
        When there is none or it is not whole.
    """
    path = Path(folder) / "artefact.json"
    if not path.exists():
        raise DamagedFile(
            f"{folder} is no artefact: it has no artefact.json; calibrant fit makes some in"
            " RUN/artefacts, and the demo the one for calibrant ask"
        )
    try:
        artefact: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if artefact["schema"] != SCHEMA:
            raise Mismatch(f"{path} has schema {artefact['schema']}; this version reads {SCHEMA}")
        for place in NEEDED:
            reduce(getitem, place.split("."), artefact)
        _check_whole(artefact)
    except (ValueError, KeyError, TypeError, AttributeError, InvalidData) as error:
        raise DamagedFile(f"{path} is damaged: {error!r}") from error
    return artefact


def _check_whole(artefact: Mapping[str, Any]) -> None:
    """Build what it describes: the error tells what is missing, odd or of another version."""
    estimator_of(artefact)
    calibrator = FittedCalibrator.from_dict(artefact["calibrator"]["fitted"])
    calibrator.confidence(np.zeros(1), [""])
    formats, made = artefact["formats"], artefact["made_with"]["model"]
    if not (isinstance(formats, list) and set(formats) <= set(get_args(Format)) and formats):
        raise InvalidData(f"its formats are {formats!r}")
    if not (isinstance(made["name"], str) and isinstance(made["revision"], str)):
        raise InvalidData(f"its model is {made!r}")
