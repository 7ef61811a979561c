"""What participants are asked: questions with a model's answers and confidences, frozen."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from calibrant import registry
from calibrant.calibration.cross_fitting import cross_fit
from calibrant.errors import InvalidData
from calibrant.evaluation.external import verdict
from calibrant.records import LETTERS, Graded
from calibrant.runs import Run
from calibrant.study.design import Design
from calibrant.tables import as_list, column, read_table

MAX_TEXT = 200
"""Characters of an answer in one's own words."""
CALIBRATORS = ("none", "temperature", "platt")
_PUNCTUATION = re.compile(r"""[\s,;:!?"'`“”„‘’‚«»()\[\]{}…$€£]+""")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question with what the model made of it."""

    id: str = ""
    """Its number in the study."""
    question_id: str = ""
    """Where it comes from: id of the question, or row of the table."""
    text: str
    """The question."""
    context: str = ""
    """A passage that it is about."""
    choices: tuple[str, ...] = ()
    """Options; empty for an answer in one's own words."""
    targets: tuple[str, ...]
    """Right answers (one of the options)."""
    prediction: str
    """The model's answer (one of the options)."""
    model_correct: bool
    """Whether it is right."""
    confidences: Mapping[str, float] = field(default_factory=dict)
    """Name -> confidence in [0, 1]; missing ones are not in it."""
    topic: str = ""
    """What items are stratified by."""
    role: str = ""
    """"ability", "practice", or the number of a batch."""

    def is_right(self, response: str) -> bool:
        """Whether a person's response is right: options as they are, own words case aside.

        Who says what the model says is as right as the model, whatever graded that.
        """
        if self.choices:  # two options may differ in a sign only
            return response in self.targets
        if plain(response) == plain(self.prediction):
            return self.model_correct
        return plain(response) in {plain(target) for target in self.targets}

    def agrees(self, response: str) -> bool:
        """Whether a person's response is the model's answer (or as right as that)."""
        if self.choices:
            return response == self.prediction
        same = plain(response) == plain(self.prediction)
        return same or (self.model_correct and self.is_right(response))


@lru_cache(100_000)
def plain(text: str) -> str:
    """Case, punctuation and spaces aside."""
    return _PUNCTUATION.sub(" ", text.casefold()).strip(" .") or text.strip()


def of_run(folder: str | Path) -> list[Item]:
    """Items of a run: every graded answer that estimators have scored.

    The confidences are called ESTIMATOR[-VARIANT]/CALIBRATOR, and ESTIMATOR alone is the one with
    Platt scaling. Calibrators are cross-fitted, each format on its own: no answer is calibrated by
    its own verdict.

    Raises
    ------
    InvalidData
        When it is no run, or nothing in it is graded and scored.
    """
    run = Run(folder)
    by_answer: dict[str, dict[str, float]] = defaultdict(dict)
    graded = [item for item in run.graded() if item.is_graded and item.question.answerable]
    for stage, told in run.manifest.get("fitted", {}).items():
        score = {c.answer_id: c.score for c in run.read(f"confidences/{stage}")}
        here = [item for item in graded if score.get(item.answer.id) is not None]
        for kind in ("open", "choice"):
            part = [item for item in here if item.question.format == kind]
            if part:
                _add(by_answer, part, [score[item.answer.id] for item in part], told)
    if not by_answer:
        raise InvalidData(f"{folder} has no graded answers with scores: calibrant fit comes first")
    scored = [item for item in graded if item.answer.id in by_answer]
    return [_item(item, by_answer[item.answer.id]) for item in scored]


def _add(
    found: Mapping[str, dict[str, float]],
    items: Sequence[Graded],
    scores: Sequence[Any],
    told: Mapping[str, Any],
) -> None:
    name = "-".join(filter(None, (told["estimator"], told["variant"])))
    correct = [item.correct for item in items]
    groups = [item.question.group for item in items]
    for calibrator in CALIBRATORS:
        if calibrator == "none" and not told["is_confidence"]:
            continue
        try:
            settings = registry.get("calibration", calibrator)()
            made = cross_fit(settings, scores, correct, groups)
        except InvalidData:  # too few answers to fit on: the confidence stays missing
            continue
        for item, value in zip(items, made.tolist()):
            found[item.answer.id][f"{name}/{calibrator}"] = value
            if calibrator == "platt":
                found[item.answer.id][name] = value


def _item(item: Graded, confidences: Mapping[str, float]) -> Item:
    question, prediction = item.question, item.answer.said.strip()
    if question.choices:
        place = LETTERS.find(prediction) if len(prediction) == 1 else -1
        prediction = question.choices[place] if 0 <= place < len(question.choices) else ""
    return Item(
        question_id=question.id,
        text=question.text,
        context=question.context,
        choices=question.choices,
        targets=question.targets,
        prediction=prediction,
        model_correct=item.correct,
        confidences=confidences,
        topic=question.subject,
    )


def of_table(path: str | Path, confidences: Sequence[str]) -> list[Item]:
    """Items of a CSV, JSONL or Parquet file.

    Columns `question`, `target` or `targets`, `prediction` and those of the confidences; optional
    `choices`, `topic` or `subject`, `context`, `correct` (of the prediction; where it is absent the
    prediction is compared with the targets). Options, targets and predictions of a question with
    choices are texts of options, or their letters.
    """
    rows = read_table(path)
    for name in ("question", "prediction", *confidences):
        column(rows, name, path)
    found = []
    for number, row in enumerate(rows, 1):
        where = f"{path}, row {number}"
        choices = as_list(row.get("choices"))
        targets = [_option(t, choices) for t in as_list(row.get("targets", row.get("target")))]
        if not row["question"] or not targets or (choices and not set(targets) & set(choices)):
            raise InvalidData(f"{where}: no question, or no target (among the choices)")
        prediction = _option(str(row["prediction"] or ""), choices)
        made = Item(
            question_id=f"row {number}",
            text=str(row["question"]),
            context=str(row.get("context") or ""),
            choices=choices,
            targets=tuple(targets),
            prediction=prediction if not choices or prediction in choices else "",
            model_correct=False,
            confidences={
                name: _confidence(row[name], where) for name in confidences if row[name] is not None
            },
            topic=str(row.get("topic") or row.get("subject") or ""),
        )
        said = {plain(prediction)} if not choices else {prediction}
        by_text = bool(said & {t if choices else plain(t) for t in targets})
        told = verdict(row.get("correct"), number - 1)
        right = by_text if np.isnan(told) else bool(told)
        if choices and prediction in choices and right != by_text:
            raise InvalidData(
                f"{where}: correct is {row['correct']!r}, but the targets say otherwise"
            )
        found.append(replace(made, model_correct=right))
    return found


def _option(text: str, choices: Sequence[str]) -> str:
    if text in choices or len(text) != 1:
        return text
    place = LETTERS.find(text)
    return choices[place] if 0 <= place < len(choices) else text


def _confidence(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1:
        raise InvalidData(f"{where}: confidence {value!r} is no number in [0, 1]")
    return number


def freeze(
    items: Iterable[Item], design: Design, *, leave_out: bool = False
) -> tuple[list[Item], int]:
    """The study's items, each with its role: as many of each topic as its share allows.

    Batches are alike in topics and, within a topic, in how often the model is right. The confidence
    "random" is drawn here. A question that is there with options and without is taken once.

    Parameters
    ----------
    leave_out
        Leave out items without a prediction or a confidence of some arm, where they would be
        refused.

    Returns
    -------
    The items that are used, and how many were left out as incomplete.

    Raises
    ------
    InvalidData
        Naming what is missing from which items, or how many there are too few.
    """
    # The first of those that ask the same: feedback on one would give the other away.
    first: dict[tuple[str, str], Item] = {}
    for item in items:
        first.setdefault((plain(item.text), item.context), item)
    pool = list(first.values())
    generator = np.random.default_rng([design.seed, 17])
    drawn = generator.random(len(pool)).round(4)
    pool = [
        replace(item, confidences={"random": value, **item.confidences})
        for item, value in zip(pool, drawn.tolist())
    ]
    lacking = {i: what for i, item in enumerate(pool) if (what := _lacks(item, design))}
    if lacking and not leave_out:
        raise InvalidData(_lacking(pool, lacking))
    whole = [item for i, item in enumerate(pool) if i not in lacking]
    if len(whole) < design.n_items:
        raise InvalidData(
            f"{len(whole)} complete items, but the design takes {design.n_items}:"
            f" {design.n_batches} batches of {design.n_questions}, {design.n_ability} for ability,"
            f" {design.n_practice} for practice. Take fewer, or a larger source."
        )
    return _dealt(_chosen(whole, design.n_items, generator), design), len(lacking)


def _lacks(item: Item, design: Design) -> str:
    if not item.prediction:
        return "a prediction (among the choices)"
    if not item.targets:
        return "a right answer"
    if not item.choices and len(item.prediction) > MAX_TEXT:
        return "a prediction that fits the field for an answer"
    needed = [arm.confidence for arm in design.arms if arm.confidence]
    return next((f"confidence {name!r}" for name in needed if name not in item.confidences), "")


def _lacking(pool: Sequence[Item], lacking: Mapping[int, str]) -> str:
    first = next(iter(lacking))
    kinds = sorted(set(lacking.values()))
    there = sorted({name for item in pool for name in item.confidences})
    return (
        f"{len(lacking)} of {len(pool)} items lack {' or '.join(kinds)}, the first is"
        f" {pool[first].question_id} ({pool[first].text[:60]!r}). The confidences that exist are"
        f" {', '.join(there)}. --leave-out-incomplete goes on without these items."
    )


def _by_topic(items: Sequence[Item]) -> list[list[Item]]:
    topics: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        topics[item.topic].append(item)
    return [topics[name] for name in sorted(topics)]


def _chosen(items: Sequence[Item], n: int, generator: np.random.Generator) -> list[Item]:
    """n items, spread evenly over the topics as far as they reach."""
    piles = [[topic[i] for i in generator.permutation(len(topic))] for topic in _by_topic(items)]
    found: list[Item] = []
    while len(found) < n:
        found += [pile.pop() for pile in piles if pile][: n - len(found)]
    return found


def _dealt(items: Sequence[Item], design: Design) -> list[Item]:
    """Roles dealt out round and round: each gets its share of right and wrong of every topic."""
    ordered = [
        item for topic in _by_topic(items) for item in sorted(topic, key=lambda i: i.model_correct)
    ]
    room = {str(batch): design.n_questions for batch in range(design.n_batches)}
    room |= {"ability": design.n_ability, "practice": design.n_practice}
    total, left = len(ordered), dict(room)
    made = []
    for number, item in enumerate(ordered):
        # the role that is farthest behind its share of what was dealt so far
        role = max(
            (name for name in left if left[name]),
            key=lambda name: room[name] * (number + 1) / total - (room[name] - left[name]),
        )
        left[role] -= 1
        made.append(replace(item, id=f"i{number:03d}", role=role))
    return made
