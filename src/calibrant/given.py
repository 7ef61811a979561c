"""The main job on answers that exist: everything that comes after "answer".

Answers to a choice that name no option are neither right nor wrong: their verdict is UNGRADED with
a reason of its own. Where there are some, the whole job is done a second time in a folder below,
there counting them as incorrect.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from calibrant.answers.given import GivenAnswer, given_answers, published
from calibrant.estimators.estimator import Estimator, Say, silent
from calibrant.estimators.forms import forms_of
from calibrant.estimators.needs import lacks, require
from calibrant.evaluation.evaluate import Settings
from calibrant.grades.grader import Grader, Note, grade
from calibrant.grades.letter import NO_LETTER, Letter
from calibrant.models.model import Given, Model
from calibrant.pipeline import evaluate_stage, fit_stage
from calibrant.questions.mixture import N_ALL, Sizes, choose, composition
from calibrant.records import NONE_TOLD, Grade, ModelName, Verdict, content_hash
from calibrant.runs import Run
from calibrant.settings import settings_of
from calibrant.tables import Malformed, Reading

ESTIMATORS = ("base_rate", "subject_rate", "has_letter", "answer_length", "sequence_likelihood")
"""Those that need no model; the last one where there are log-probabilities."""
ALL = Sizes(train=N_ALL, validation=N_ALL, calibration=N_ALL, test=N_ALL, unanswerable=N_ALL)

COUNTED_WRONG = "no_letter_incorrect"
"""Folder, in that of the run, of the second job."""


def run_given(
    folder: str | Path,
    answers: str | Path,
    *,
    answered_by: str = "",
    estimators: Sequence[str | Estimator] = (),
    grader: str | Grader = "",
    model: Model | None = None,
    sizes: Sizes | None = None,
    reading: Reading | None = None,
    together: bool = False,
    settings: Settings | None = None,
    seed: int = 0,
    say: Say = silent,
) -> dict[str, Any]:
    """Grade, fit, calibrate, evaluate and report on the answers in a file.

    Parameters
    ----------
    answered_by
        The model whose answers are meant, where the file has those of several; "all" for their
        common history, which those estimators can tell apart that have the setting `tell_model`.
    estimators
        Names or settings; when empty all of `ESTIMATORS` that the file serves.
    grader
        When empty, the verdicts in the file; without any, "exact".
    model
        For estimators that run one on the answers; None for those that do not.
    sizes
        How many answers are taken; all when None. Splits go by the question's normalised text, so
        they are the same for every model that answered the same questions.

    Returns
    -------
    The metrics, as in the folder's `metrics.json`.

    Raises
    ------
    CalibrantError
        When the file cannot be used, or an estimator needs what it does not give.
    """
    path = Path(answers)
    reading = published(path, reading or Reading(), answered_by)
    found = _drawn(path, reading, answered_by, sizes, seed)
    if reading.malformed.counts:
        say(str(reading.malformed))
    author = ModelName(name=", ".join(sorted({item.answer.model.name for item in found})))
    reader = model or Given(author.name)
    forms = _forms(estimators, found, reader)
    require(forms, reader, found)
    identity = {
        "model": asdict(author),
        **_identity(path, grader, reading, sizes),
        "seed": seed,
    }
    told: dict[str, Any] = {}
    grades = _grades(found, grader, told.update)
    say(f"verdicts: {_told(grades)}")
    lost = {g.answer_id for g in grades if g.reason == NO_LETTER}
    views = {"": grades}
    if lost:
        say(f"{len(lost)} of {len(found)} answers name no option: left out, then counted as wrong")
        views[COUNTED_WRONG] = [_wrong(g) if g.answer_id in lost else g for g in grades]
    metrics: dict[str, dict[str, Any]] = {}
    for view, verdicts in views.items():
        run = Run(Path(folder) / view, {**identity, "view": view})
        _write(run, found, verdicts, reading.malformed)
        run.note(**told)
        run.note(n_without_letter=len(lost), also=COUNTED_WRONG if lost and not view else "")
        fit_stage(run, reader, forms, together=together, say=say)
        metrics[view] = evaluate_stage(run, settings)
    return metrics[""]


def _identity(
    path: Path, grader: str | Grader, reading: Reading, sizes: Sizes | None
) -> dict[str, Any]:
    """What the run is of, beside model and seed."""
    return {
        "prompt": "given",
        "questions": path.name,
        "answers": _digest(path),
        "grader": grader if isinstance(grader, str) else _named(grader),
        "columns": dict(reading.columns),
        "sizes": asdict(sizes) if sizes else "all",
        "subsets": [],
    }


def _named(grader: Grader) -> str:
    """Not by its digest: verdicts of people that change are graded anew, in the same folder."""
    return f"{grader.label} {content_hash(grader.label, settings_of(grader))}"


def _drawn(
    path: Path, reading: Reading, answered_by: str, sizes: Sizes | None, seed: int
) -> list[GivenAnswer]:
    return choose(
        given_answers(path, reading, answered_by),
        sizes or ALL,
        (),
        seed,
        of=lambda item: item.question,
        malformed=reading.malformed,
    )


def _forms(
    estimators: Sequence[str | Estimator], found: Sequence[GivenAnswer], model: Model
) -> list[Estimator]:
    if estimators:
        return [f for e in estimators for f in (forms_of([e]) if isinstance(e, str) else [e])]
    kinds = {item.question.format for item in found}
    return [
        form
        for form in forms_of(ESTIMATORS)
        if not lacks(form, model, found) and kinds & set(form.formats)
    ]


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _grades(found: Sequence[GivenAnswer], grader: str | Grader, note: Note) -> list[Grade]:
    """The file's verdicts or a grader's; what names no option is told apart."""
    if not grader and any(item.grade for item in found):
        untold = Grade(
            answer_id="", verdict=Verdict.UNGRADED, grader="given/1", reason="the file tells none"
        )
        return [item.grade or replace(untold, answer_id=item.answer.id) for item in found]
    lost = Grade(answer_id="", verdict=Verdict.UNGRADED, grader=Letter().label, reason=NO_LETTER)
    return [
        replace(lost, answer_id=item.answer.id) if _names_none(item) else one
        for item, one in zip(found, grade(found, grader or "exact", note))
    ]


def _names_none(item: GivenAnswer) -> bool:
    """Whether an answer names no option; where the file tells the letters, they count."""
    has_target = set(item.question.choices) & set(item.question.targets)
    return bool(has_target) and item.answer.extracted in ("", NONE_TOLD)


def _told(grades: Sequence[Grade]) -> str:
    """How many of each verdict, the ungraded by their commonest reasons."""
    counts = Counter(g.verdict.value for g in grades)
    why = Counter(g.reason for g in grades if g.verdict is Verdict.UNGRADED).most_common(3)
    reasons = "; ".join(f"{n} x {reason}" for reason, n in why)
    return ", ".join(f"{n} {word}" for word, n in counts.items()) + (reasons and f" ({reasons})")


def _wrong(one: Grade) -> Grade:
    return replace(one, verdict=Verdict.INCORRECT, reason=f"{NO_LETTER}, counted as incorrect")


def _write(
    run: Run, found: Sequence[GivenAnswer], grades: Sequence[Grade], malformed: Malformed
) -> None:
    """Put questions, answers and grades into a run; grades may be others than those there."""
    questions = list({item.question.id: item.question for item in found}.values())
    counts = Counter(g.verdict.value + (g.reason and f": {g.reason}") for g in grades)
    run.note(composition=composition(questions), reading=malformed.report, verdicts=dict(counts))
    if "grades" not in run.manifest.get("finished", {}):
        run.replace("questions", questions)
        run.replace("answers", [item.answer for item in found])
    run.regrade(grades)
