"""How far a grader agrees with people.

Shapes: N answers, R resamples.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrant import registry
from calibrant.answers.extract import extract
from calibrant.errors import InvalidData, NothingGraded
from calibrant.grades.grader import Grader, grade, grader_called
from calibrant.grades.human import human_verdicts, verdict_of
from calibrant.metrics import interval, resample
from calibrant.questions.fields import question_of
from calibrant.records import Answer, Answered, Grade, ModelName, Source, Verdict
from calibrant.runs import Run
from calibrant.settings import settings_of
from calibrant.tables import Reading, column, read_table

Floats = NDArray[np.float64]
TO_NUMBER = {Verdict.CORRECT: 1.0, Verdict.INCORRECT: 0.0, Verdict.UNGRADED: np.nan}
MEASURES = ("agreement", "kappa", "human_accuracy", "graded_accuracy", "difference")


def numbers(grades: Sequence[Grade]) -> Floats:
    """Verdicts as 1 and 0, NaN where ungraded, (N,)."""
    return np.array([TO_NUMBER[grade.verdict] for grade in grades], dtype=np.float64)


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


def human_graded(
    source: str | Path, human: str = "", subset: str = ""
) -> tuple[list[Answered], Floats, list[str]]:
    """(items, people's verdicts (N,), what each is told apart by) of a run or a table.

    Parameters
    ----------
    human
        Of a table the column (default "correct"); for a run a file with answer_id and correct,
        or nothing where the run was graded by hand.
    subset
        Of a table a column; in a run it is the subject.
    """
    if Path(source).is_dir():
        run = Run(source)
        answers = defaultdict(list)
        for answer in run.read("answers"):
            answers[answer.question_id].append(answer)
        known = human_verdicts(human or source)
        items = [
            Answered(question=question, answer=answer)
            for question in run.read("questions")
            for answer in answers[question.id]
            if answer.id in known
        ]
        verdicts = [TO_NUMBER[known[item.answer.id].verdict] for item in items]
        return items, np.array(verdicts, dtype=np.float64), [i.question.subject for i in items]
    rows = read_table(source)
    for name in ("question", "answer"):
        column(rows, name, source)
    bars = ".csv" in Path(source).name
    items = [_item(row, f"{source}, row {i}", bars) for i, row in enumerate(rows, 1)]
    said = [
        verdict_of(v, f"{source}, row {i}")
        for i, v in enumerate(column(rows, human or "correct", source), 1)
    ]
    told = [str(v) for v in column(rows, subset, source)] if subset else [""] * len(rows)
    return items, np.array([TO_NUMBER[v] for v in said], dtype=np.float64), told


def _item(row: dict[str, Any], where: str, bars: bool) -> Answered:
    try:
        table = Source(name="table", split="test")
        question = question_of(row, Reading(as_published=True), source=table, bars=bars)
    except InvalidData as error:
        raise InvalidData(f"{where}: {error}") from error
    text = str(row.get("answer") or "")
    answer = Answer(
        question_id=question.id,
        text=text,
        extracted=extract(text, question),
        model=ModelName(name=str(row.get("model") or "given")),
    )
    return Answered(question=question, answer=answer)


def graders_called(names: Sequence[str], settings: Sequence[str] = ()) -> dict[str, Grader]:
    """Graders and chains by name; each setting goes to all that have it.

    Raises
    ------
    InvalidData
        When none has a setting of that name.
    """
    known = {
        name: {s for part in name.split("+") for s in settings_of(registry.get("grades", part)())}
        for name in names
    }
    for text in settings:
        if text.partition("=")[0] not in set().union(*known.values()):
            raise InvalidData(f"none of {', '.join(names)} has the setting {text!r}")
    return {
        name: grader_called(name, [s for s in settings if s.partition("=")[0] in known[name]])
        for name in names
    }


def agreements(
    graders: dict[str, Grader],
    items: Sequence[Answered],
    human: Floats,
    subset: Sequence[str],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """What `agreement` tells of each grader on the same answers."""
    group = [item.question.group for item in items]
    return {
        name: agreement(
            numbers(grade(items, grader)), human, subset, group, n_resamples=n_resamples, seed=seed
        )
        for name, grader in graders.items()
    }


def lines(found: dict[str, dict[str, Any]]) -> str:
    """Plain text: a block for each grader (name -> what `agreement` returns)."""
    texts = []
    for name, told in found.items():
        texts.append(f"{name}: agreement, kappa, accuracy as graded minus by people, in per cent")
        width = max(len(row["subset"]) for row in told["rows"])
        for row in told["rows"]:
            cells = [_words(row.get(m), 1 if m == "kappa" else 100) for m in MEASURES[:2]]
            cells.append(_words(row.get("difference"), 100))
            counts = f"n {row['n']}" + f", {row['n_ungraded']} ungraded" * bool(row["n_ungraded"])
            texts.append(f"  {row['subset']:{width}}  {'  '.join(cells)}  ({counts})")
        if mean := told.get("mean_difference"):
            texts.append(f"  mean size of the difference over subsets: {_words(mean, 100)}")
    return "\n".join(texts)


def _words(cell: dict[str, float | None] | None, scale: float) -> str:
    """A value with its interval; "-" for what is undefined, also at an end of the interval."""
    if cell is None:
        return "-"
    digits = 2 if scale == 1 else 1
    value, low, high = (
        "-" if (number := cell[name]) is None else f"{scale * number:.{digits}f}"
        for name in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]"
