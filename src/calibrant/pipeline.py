"""The whole chain: questions -> answers -> grades -> estimators -> calibration -> evaluation.

Each stage reads what the stages before it left in the run's folder and can be called again: what is
there is not done twice.
"""

from __future__ import annotations

import copy
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from operator import call
from pathlib import Path
from typing import Any

import numpy as np

from calibrant import registry
from calibrant.answers.generate import MANY, MAX_NEW_TOKENS, in_batches
from calibrant.answers.prompts import Prompts
from calibrant.calibration.calibrator import Calibrator
from calibrant.confidences import by_split, run_table
from calibrant.errors import InvalidData, NothingGraded, TooFewClasses, UnknownName
from calibrant.estimators.calibrated import calibrate
from calibrant.estimators.estimator import Estimator, silent, unlearnable
from calibrant.estimators.forms import forms_of
from calibrant.estimators.needs import require
from calibrant.estimators.room import learnable, scores_of, with_room
from calibrant.evaluation.evaluate import Settings, evaluate
from calibrant.evaluation.grader_error import corrected
from calibrant.grades.agreement import TO_NUMBER
from calibrant.grades.grader import Grader, grade, grader_called
from calibrant.grades.human import STAGE, human_verdicts
from calibrant.models.local import LocalModel
from calibrant.models.model import Model
from calibrant.parallel import begin, side_by_side
from calibrant.questions.mixture import Sizes, choose, composition
from calibrant.questions.source import content, files_of, iterate_questions
from calibrant.questions.splits import SUBSETS
from calibrant.records import Answered, Confidence, Graded, content_hash
from calibrant.reporting.html import write_report
from calibrant.reporting.wording import left_out_told
from calibrant.runs import Run, write_json
from calibrant.settings import settings_of
from calibrant.tables import Reading

ESTIMATORS = (
    "base_rate", "subject_rate", "sequence_likelihood", "token_entropy", "zero_shot",
    "stacked", "lora_prompt",
)  # fmt: skip
Say = Callable[[str], None]


def open_run(
    folder: str | Path,
    model: LocalModel,
    questions: str,
    *,
    sizes: Sizes | None = None,
    subsets: Sequence[str] = (),
    reading: Reading | None = None,
    seed: int = 0,
) -> Run:
    """A new run with its questions chosen, or the one that is there, made of the same."""
    sizes, reading = sizes or Sizes(), reading or Reading()
    for name in subsets:
        if name not in SUBSETS:
            raise UnknownName("subset", name, SUBSETS)
    identity = {
        "model": asdict(model.name),
        **({"dtype": model.dtype} if model.dtype != "float32" else {}),
        "prompt": Prompts.of(model).label,
        "questions": questions,
        **({"files": content(questions)} if any(files_of(questions)) else {}),
        **({"columns": dict(reading.columns)} if reading.columns else {}),
        **({"n_shots": reading.n_shots} if reading.n_shots else {}),
        "sizes": asdict(sizes),
        "subsets": list(subsets),
        "seed": seed,
    }
    is_new = not (Path(folder) / "manifest.json").exists()
    if not is_new:
        run = Run(folder, identity)
        is_new = "questions" not in run.manifest.get("finished", {})
    if is_new:  # nothing is written before the questions are there
        found = iterate_questions(questions, reading, seed)
        if model.is_small and sizes.train >= MANY:
            begin(model)  # to answer with, once they are chosen
        chosen = choose(found, sizes, subsets, seed, malformed=reading.malformed)
        if not chosen:
            raise InvalidData(f"{questions} has no questions of these subsets")
        run = Run(folder, identity)
        run.note(composition=composition(chosen), reading=reading.malformed.report)
        run.replace("questions", chosen)
    return run


def answer_stage(
    run: Run,
    model: LocalModel,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    say: Say = silent,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Answer what is not answered yet; returns how many that were."""
    questions = run.read("questions")
    done = {found.question_id for found in run.read("answers")}
    pending = [question for question in questions if question.id not in done]
    progress(len(done), len(questions))
    for answers in in_batches(pending, model, max_new_tokens=max_new_tokens, say=say):
        run.append("answers", answers)  # on disk before the next ones are taken
        done.update(found.question_id for found in answers)
        progress(len(done), len(questions))
    run.finish("answers", len(questions))
    return len(pending)


def grade_stage(run: Run, grader: str | Grader = "exact") -> Mapping[str, int]:
    """Grade all answers anew; the model is not asked. Returns the number of each verdict.

    Raises
    ------
    InvalidData
        When not all questions are answered yet.
    """
    use = grader_called(grader) if isinstance(grader, str) else grader
    if "answers" not in run.manifest.get("finished", {}):
        n, whole = len(run.read("answers")), len(run.read("questions"))
        raise InvalidData(
            f"{run.folder}: {n} of {whole} questions are answered: calibrant answer comes first"
        )
    questions = {question.id: question for question in run.read("questions")}
    items = [Answered(question=questions[a.question_id], answer=a) for a in run.read("answers")]
    told: dict[str, Any] = {"judge": None, "graded_by": use.digest}  # not an earlier judge's counts
    grades = grade(items, use, note=told.update)
    run.regrade(grades)
    counts = Counter(found.verdict.value for found in grades)
    name = grader if isinstance(grader, str) else use.label
    run.note(grader=name, verdicts=dict(counts), grader_settings=settings_of(use), **told)
    return counts


def fit_stage(
    run: Run,
    model: Model,
    estimators: Sequence[Estimator],
    *,
    calibrator: str = "platt",
    together: bool = False,
    say: Say = silent,
) -> None:
    """Fit each estimator, keep it as an artefact, and score calibration and test answers.

    What cannot be learned from, or not be fitted, is left out; the manifest tells why (`left_out`).

    Parameters
    ----------
    calibrator
        The one that the artefacts hold; evaluation fits every calibrator anew from the scores.
    together
        Fit one estimator on both formats, in place of one each.

    Raises
    ------
    NothingGraded, TooFewClasses
        When nothing could be fitted.
    """
    items = run.graded()
    if not items:
        raise NothingGraded(f"{run.folder} holds no grades: calibrant grade comes first")
    require(estimators, model, items, say)
    use = registry.get("calibration", calibrator)()
    seed = run.manifest["identity"]["seed"]
    model = copy.copy(model)
    model.cache = run.folder / "cache"
    kinds = sorted({item.question.format for item in items})
    how = {"calibrator": calibrator, "reader": model.known_as}
    before, left_out = dict(run.manifest.get("fitted", {})), dict[str, InvalidData | None]()
    ahead, tuned, others, asked = list[Any](), list[Any](), list[Any](), list[str]()
    for kind in ("all",) if together and len(kinds) > 1 else kinds:
        splits = by_split([i for i in items if kind in ("all", i.question.format)], seed)
        untaught = unlearnable(splits["train"], "training")
        uncalibrated = unlearnable(splits["calibration"], "calibration")
        left_out[kind] = uncalibrated and (untaught or uncalibrated)
        new: list[Estimator] = []
        for estimator in estimators if left_out[kind] is None else ():
            if kind != "all" and kind not in estimator.formats:
                say(f"{estimator.name} is for {' and '.join(estimator.formats)} answers only")
                continue
            name = "-".join(filter(None, (estimator.name, estimator.variant, kind)))
            asked.append(name)
            if untaught and estimator.learns_from_verdicts:
                left_out[name] = untaught
                continue
            if not _is_done(run, name, how):
                fits = tuned if estimator.tunes else others
                fits.append((_fit_one, run.folder, name, estimator, use, splits, model, seed, say))
                new.append(estimator)
        for i in range(n := 1 + model.is_small):  # in one part, a core would wait for another
            ahead.append((_prepare, new, {k: v[i::n] for k, v in splits.items()}, model, say))
    # What takes longest begins first: what is tuned, and of each kind what is named last.
    steps = [*reversed(tuned), *ahead], others[::-1]
    # A small model on a CPU cannot use two cores, but two estimators can.
    worth_it = model.is_small and len(tuned) + len(others) > 1
    made = (side_by_side(call, s, worth_it=worth_it, in_order=False) for s in steps)
    for name, told, found in filter(None, chain.from_iterable(made)):
        left_out[name] = told if isinstance(told, InvalidData) else None
        if not isinstance(told, InvalidData):
            _keep(run, name, found, {**told, **how})
        shutil.rmtree(_checkpoints(run.folder, name, model), ignore_errors=True)
    _close(run, before, asked, left_out, say)


def _keep(run: Run, name: str, found: Sequence[Confidence], told: Mapping[str, Any]) -> None:
    run.replace(f"confidences/{name}", found)
    run.note(fitted={**run.manifest.get("fitted", {}), name: told})


def _close(
    run: Run,
    before: Mapping[str, Any],
    asked: Sequence[str],
    left_out: Mapping[str, InvalidData | None],
    say: Say,
) -> None:
    """Keep what was fitted as it was asked for, or after what was there; tell and raise the rest.

    A run that goes on after a kill asks for what is there, too: it has the order of a whole one.
    """
    known = run.manifest.get("fitted", {})
    # Fitted together, a form takes the place of one for each format, and the other way round.
    anew = {name.rpartition("-")[0] for name in asked if name in known}
    kept = [name for name in known if name in asked or name.rpartition("-")[0] not in anew]
    order = [*(asked if before.keys() <= set(asked) else [*before, *asked]), *known]
    run.note(fitted={name: known[name] for name in sorted(kept, key=order.index)})
    _tell_left_out(run, left_out, say)
    errors = [error for error in left_out.values() if error]
    if errors and not set(asked) & set(kept):
        raise type(errors[0])("; ".join(dict.fromkeys(map(str, errors))))


def _is_done(run: Run, name: str, how: Mapping[str, str]) -> bool:
    """Whether it was fitted, with this calibrator and reader."""
    told = run.manifest.get("fitted", {}).get(name, {})
    is_scored = f"confidences/{name}" in run.manifest.get("finished", {})
    return is_scored and how == {key: told.get(key) for key in how}


def _tell_left_out(run: Run, found: Mapping[str, InvalidData | None], say: Say) -> None:
    """Keep in the manifest which formats and fits were left out, and why; None: no longer."""
    told = {**run.manifest.get("left_out", {}), **{k: str(e) for k, e in found.items() if e}}
    told = {what: why for what, why in told.items() if found.get(what, True)}
    run.note(left_out=told or None)
    for sentence in left_out_told(told):
        say(sentence)


def _checkpoints(folder: Path, name: str, model: Model) -> Path:
    return folder / "checkpoints" / f"{name}-{content_hash(asdict(model.name))[:8]}"


def _prepare(
    estimators: Sequence[Estimator], splits: Mapping[str, Sequence[Graded]], model: Model, say: Say
) -> None:
    """What several of them read is computed once, before they are fitted side by side."""
    for estimator in estimators:
        parts = {name: with_room(estimator, items, model) for name, items in splits.items()}
        estimator.prepare(parts, model, say)


def _fit_one(
    folder: Path,
    name: str,
    estimator: Estimator,
    use: Calibrator,
    splits: Mapping[str, Sequence[Graded]],
    model: Model,
    seed: int,
    say: Say,
) -> tuple[str, dict[str, Any] | InvalidData, list[Confidence]]:
    """Fit, save the artefact, and score once; what the run keeps of it, or why it cannot be."""
    start = time.monotonic()
    place = _checkpoints(folder, name, model)
    splits = learnable(estimator, splits, model, say)
    scored = [*splits["calibration"], *splits["test"]]
    none = registry.get("calibration", "none")()
    try:
        fitted = estimator.fit(
            splits["train"], splits["validation"], model, seed, folder=place, say=say
        )
        scores = scores_of(fitted, scored, model, say)
        held = scores.first(len(splits["calibration"]))
        made = calibrate(fitted, use, splits, model, seed, scores=held)
        raw = calibrate(fitted, none, splits, model, seed, scores=held)
    except (NothingGraded, TooFewClasses) as error:
        return name, error, []
    made.save(folder / "artefacts" / name)
    say(f"{name}: {time.monotonic() - start:.1f} s")
    told = {
        "estimator": estimator.name,
        "variant": estimator.variant,
        "is_confidence": estimator.score_is_confidence,
    }
    return name, told, raw.from_scores(scored, range(len(scored)), scores)


def evaluate_stage(
    run: Run, settings: Settings | None = None, human: str | Path = ""
) -> dict[str, Any]:
    """Write `metrics.json` and `report.html`; returns the metrics.

    Parameters
    ----------
    human
        A table with answer_id and correct, or a run that was graded by hand: people's verdicts on
        a random sample of the test answers. Empty: those in this run, if there are any.
    """
    settings = settings or Settings()
    table, items = run_table(run)
    found = evaluate(table, settings)
    if told := run.manifest.get("left_out"):
        found["left_out"] = told
    if human or (run.folder / STAGE).is_dir():
        verdicts = human_verdicts(human or run.folder)
        if strange := verdicts.keys() - {one.id for one in run.read("answers")}:
            raise InvalidData(
                f"{human}: {len(strange)} verdicts are of answers that {run.folder} does not hold,"
                f" such as {min(strange)}"
            )
        rulings = [verdicts.get(item.answer.id) for item in items]
        told = [np.nan if r is None else TO_NUMBER[r.verdict] for r in rulings]
        if np.isnan(told).all():
            raise InvalidData(f"{human or run.folder} holds no person's verdict on a test answer")
        found["grader_error"] = corrected(
            table,
            np.array(told, dtype=np.float64),
            n_bins=settings.n_bins,
            n_resamples=max(settings.n_resamples, 1),
            seed=settings.seed,
        )
    write_json(run.folder / "metrics.json", found)
    texts = [(i.question.text, i.answer.text, " | ".join(i.question.targets)) for i in items]
    made = {name: value for name, value in run.manifest.items() if name != "schema"}
    made |= {"log_loss_clip": settings.clip} if settings.clip else {}
    write_report(run.folder, found, table, texts, made)
    return found


def run(
    folder: str | Path,
    *,
    model: LocalModel | str = "almanac-small",
    questions: str = "almanac",
    estimators: Sequence[str | Estimator] = ESTIMATORS,
    grader: str | Grader = "exact",
    sizes: Sizes | None = None,
    subsets: Sequence[str] = (),
    reading: Reading | None = None,
    together: bool = False,
    settings: Settings | None = None,
    seed: int = 0,
    say: Say = silent,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """The main job: answer, grade, fit, evaluate and report into a folder.

    Called again with the same settings it goes on where it stopped.

    Returns
    -------
    The metrics, as in the folder's `metrics.json`.

    Raises
    ------
    CalibrantError
        When something that is named does not exist, does not fit, or cannot be learned from.
    """
    start = time.monotonic()
    model = LocalModel(model) if isinstance(model, str) else model
    forms = [f for e in estimators for f in (forms_of([e]) if isinstance(e, str) else [e])]
    require(forms, model)
    use = grader_called(grader) if isinstance(grader, str) else grader
    here = open_run(
        folder, model, questions, sizes=sizes, subsets=subsets, reading=reading, seed=seed
    )
    answer_stage(here, model, say=say, progress=progress)
    unanswered = here.manifest.get("judge", {}).get("n_failed")  # a judge may be there again
    is_graded = "grades" in here.manifest["finished"]
    if unanswered or not is_graded or here.manifest.get("graded_by") != use.digest:
        say(f"verdicts: {dict(grade_stage(here, grader))}")
    fit_stage(here, model, forms, together=together, say=say)
    here.note(seconds_before_evaluation=round(time.monotonic() - start, 1))
    return evaluate_stage(here, settings)
