"""Answers that exist already, read from a file: with their questions and, where told, their grades.

A file has the columns of a question file and `answer`; optional are `extracted` (the answer proper,
or the option's letter), `model`, `log_probs`, `top_log_probs`, `option_probs`, `samples` and
`correct`. An archive of MMLU-Pro outputs (MODEL.zip with one JSON list) is read as it is published.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calibrant.answers.extract import extract
from calibrant.errors import InvalidData, SeveralModels
from calibrant.evaluation.external import FALSE, TRUE
from calibrant.questions import fields
from calibrant.questions.fields import (
    called,
    check_readable,
    list_of,
    missing,
    question_of,
    text_of,
)
from calibrant.questions.table import usable
from calibrant.records import (
    LETTERS,
    NONE_TOLD,
    Answer,
    Answered,
    Grade,
    ModelName,
    Question,
    Source,
    Verdict,
    content_hash,
)
from calibrant.tables import Malformed, Reading, Row, iterate_table, suffix_of

FIELDS = (
    *fields.FIELDS, "answer", "extracted", "model", "log_probs", "top_log_probs", "option_probs",
    "samples", "correct",
)  # fmt: skip
EVERYONE = "all"
"""In place of a model's name: the answers of all of them."""
GRADING = ("target", "targets", "correct", "answerable", "tests")
"""Fields that tell how an answer is graded."""
MMLU_PRO: Mapping[str, str] = {
    "choices": "options",
    "target": "answer",
    "answer": "generated_text",
    "extracted": "pred",
    "subject": "category",
}
"""Field -> column of the archives that TIGER-Lab/MMLU-Pro publishes in eval_results/ (revision
f418b116db00b065c2aea046518d8fcf74d39872): `pred` is the letter that its own rule found, or null."""
LAYOUTS: tuple[Mapping[str, str], ...] = (
    {"target": "gold", "answer": "{}.answer", "correct": "{}.is_correct"},
    {"target": "golden_answer", "answer": "answer_{}", "correct": "judge_{}"},
)
"""Field -> column of published files with several models in each row, {} for a model's name: GSM8K
as openai/grade-school-math has it (example_model_solutions, joined by question), and EVOUNA."""
NO_VERDICT = "nan"
"""In a column of verdicts: nobody could tell. EVOUNA has it at questions that are flawed."""


@dataclass(frozen=True, kw_only=True)
class GivenAnswer(Answered):
    """An answered question with the grade that came with it."""

    grade: Grade | None
    """None when the file tells none: a grader is to decide."""


def given_answers(path: str | Path, reading: Reading, model: str = "") -> Iterator[GivenAnswer]:
    """The answers of one model, one after another, each question once; or those of all models.

    Parameters
    ----------
    model
        Only the answers of this one, where the file has a column `model`, or of `EVERYONE`; else
        what to call the model, the file's own name when empty.

    Raises
    ------
    InvalidData, DamagedFile
        When a row cannot be used, unless such rows are skipped.
    SeveralModels
        When the file holds answers of several models and none is chosen.
    """
    path = Path(path)
    suffix = suffix_of(path)
    reading = replace(published(path, reading, model), malformed=reading.malformed)
    name = path.name.removesuffix(suffix)
    authors: set[str] = set()  # "" for rows that name none

    def read(row: Row) -> GivenAnswer | None:
        author = text_of(row, reading, "model")
        if authors and bool(author) != any(authors):
            some = "is missing or empty" if not author else "is here, but in no row before"
            raise InvalidData(f"{called(reading, 'model')} {some}: name the model in each row")
        authors.add(author)
        if len(authors) > 1 and not model:
            found = (
                reading.cell(other, "model")
                for _, other in iterate_table(path, Malformed(skip=True))
            )
            names = sorted({str(name) for name in found if name is not None})
            raise SeveralModels(path, names, f", or {EVERYONE!r} for their common history")
        if author and model not in ("", EVERYONE, author):
            return None
        by = author or (model if model != EVERYONE else "") or name
        return _given(row, reading, by, name, bars="csv" in suffix)

    def key(item: GivenAnswer) -> str:
        return content_hash(item.question.id, item.answer.model.name)

    yield from usable(str(path), reading, read, lambda item: item.question, key)


def given_answer(row: Row) -> Answered:
    """The answer of a row that is to be scored: nothing that grades it is looked at.

    Raises
    ------
    InvalidData
        Saying which field is wrong.
    """
    seen = {name: value for name, value in row.items() if name not in GRADING}
    author = text_of(seen, Reading(), "model") or "given"
    item = _given(seen | {"correct": True}, Reading(), author, "given", bars=True)
    return Answered(question=item.question, answer=item.answer)


def published(path: Path, reading: Reading, model: str) -> Reading:
    """How a file is read, with the columns of the published layout that it has, if it has one.

    Such files hold questions twice and rows without an answer, which is no user's mistake: they are
    left out and counted whatever was chosen. A file whose answers are in a column that is named, or
    called `answer`, is no such file.

    Raises
    ------
    SeveralModels
        When its rows hold answers of several models and none of them is chosen.
    """
    columns = _columns(path, reading, model)
    if not columns or reading.as_published:
        return reading
    return replace(
        reading,
        columns={**columns, **reading.columns},
        malformed=Malformed(skip=True),
        as_published=True,
    )


def _columns(path: Path, reading: Reading, model: str) -> Mapping[str, str]:
    """Field -> column of a file in a published layout; nothing for any other."""
    _, row = next(iterate_table(path, Malformed(skip=True)), ("", {}))
    if suffix_of(path) == ".zip" and {"generated_text", "pred"} & set(row):
        return MMLU_PRO
    if "answer" in {*row, *reading.columns}:
        return {}
    there = [
        *row,
        *(f"{a}.{b}" for a, value in row.items() if isinstance(value, dict) for b in value),
    ]
    for layout in LAYOUTS:
        before, _, after = layout["answer"].partition("{}")
        named = [c[len(before) : len(c) - len(after)] for c in there
                 if c.startswith(before) and c.endswith(after)]  # fmt: skip
        models = [name for name in named if layout["correct"].format(name) in there]
        if layout["target"] in row and models:
            if model not in models:
                raise SeveralModels(path, models)
            return {field: column.format(model) for field, column in layout.items()}
    return {}


def _given(row: Row, reading: Reading, author: str, name: str, bars: bool) -> GivenAnswer:
    verdict = _verdict(row, reading)
    question = _question(row, reading, name, bars, graded=verdict is not None)
    text = text_of(row, reading, "answer")
    if not text.strip():
        raise missing(row, reading, "answer")
    check_readable(reading, "answer", text)
    answer = Answer(
        question_id=question.id,
        text=text,
        extracted=_extracted(row, reading, text, question),
        model=ModelName(name=author),
        log_probs=_numbers(row, reading, "log_probs", -sys.float_info.max, 0.0),
        top_log_probs=_lists(row, reading, "top_log_probs", -math.inf, 0.0),
        option_probs=_option_probs(row, reading, question),
        samples=list_of(row, reading, "samples", bars=True),
    )
    grade = None
    if verdict is not None:
        known = verdict is not Verdict.UNGRADED
        reason = "as the file says" if known else f"the file's verdict is {NO_VERDICT}"
        grade = Grade(answer_id=answer.id, verdict=verdict, grader="given/1", reason=reason)
    return GivenAnswer(question=question, answer=answer, grade=grade)


def _question(row: Row, reading: Reading, name: str, bars: bool, *, graded: bool) -> Question:
    """The question; one whose answer is graded may do without a target."""
    source = Source(name=name)
    has_target = any(reading.cell(row, one) is not None for one in ("target", "targets"))
    if has_target or not graded:
        return question_of(row, reading, source=source, bars=bars)
    bare = question_of({**row, "answerable": False}, reading, source=source, bars=bars)
    return replace(bare, answerable=True, id="", group=bare.group)


def _extracted(row: Row, reading: Reading, text: str, question: Question) -> str:
    """What the file says, if it has such a column; for a choice a letter of an option, or none."""
    if reading.columns.get("extracted", "extracted") not in row:
        return extract(text, question)
    told = text_of(row, reading, "extracted").strip()
    if not question.choices:
        return told
    letter = told.strip("().").upper()
    return letter if letter in [*LETTERS[: len(question.choices)]] else NONE_TOLD


def _verdict(row: Row, reading: Reading) -> Verdict | None:
    value = reading.cell(row, "correct")
    text = "" if value is None else str(value).strip().lower()
    if text in TRUE or text in FALSE:
        return Verdict.CORRECT if text in TRUE else Verdict.INCORRECT
    if text == NO_VERDICT:
        return Verdict.UNGRADED
    if text:
        raise InvalidData(f"{called(reading, 'correct')} is no verdict: write 1, 0 or nothing")
    return None


def _option_probs(row: Row, reading: Reading, question: Question) -> tuple[float, ...]:
    """One for each option; together no more than 1, but for rounding."""
    found = _numbers(row, reading, "option_probs", 0.0, 1.0)
    if found and (len(found) != len(question.choices) or sum(found) > 1.01):
        raise InvalidData(f"{called(reading, 'option_probs')} is not one share for each choice")
    return found


def _numbers(row: Row, reading: Reading, name: str, low: float, high: float) -> tuple[float, ...]:
    """A list of numbers within [low, high]; () where there is none."""
    try:
        numbers = tuple(float(one) for one in _listed(reading.cell(row, name)))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidData(f"{called(reading, name)} is no list of numbers") from error
    if not all(low <= one <= high for one in numbers):
        raise InvalidData(f"{called(reading, name)} has a number outside [{low:g}, {high:g}]")
    return numbers


def _lists(row: Row, reading: Reading, name: str, *bounds: float) -> tuple[tuple[float, ...], ...]:
    """A list of lists of numbers, as `_numbers`."""
    try:
        lists = _listed(reading.cell(row, name))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{called(reading, name)} is no list of lists of numbers") from error
    return tuple(
        _numbers({**row, reading.columns.get(name, name): one}, reading, name, *bounds)
        for one in lists
    )


def _listed(value: Any) -> Sequence[Any]:
    """A cell with a list, which may be written as JSON."""
    found = json.loads(value) if isinstance(value, str) else () if value is None else value
    if not isinstance(found, list | tuple):
        raise ValueError(f"{type(found).__name__} where a list is expected")
    return found
