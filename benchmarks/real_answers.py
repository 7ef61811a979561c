"""How well can the answers of real models be judged from their text alone?

    python benchmarks/real_answers.py ARCHIVES OUT [--cells base,embedding,tuned] [--page FILE]

ARCHIVES is a folder with one zip a model: answers to MMLU-Pro as its authors publish them. OUT
keeps embeddings and the scores of each cell; called again, what is there is not computed again.
Questions are split by their normalised text, the same for every model: 3,000 train, 500
validation, 500 calibration, 1,000 test. An answer without a letter is ungraded and left out; a
second view counts it as incorrect.
"""

from __future__ import annotations

import argparse
import json
import time
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from calibrant import registry
from calibrant.answers.evidence import embeddings
from calibrant.errors import UnknownName
from calibrant.estimators.estimator import Estimator, graded_only
from calibrant.estimators.text_embedding import TextEmbedding, head_scores
from calibrant.estimators.tuned_encoder import TunedEncoder
from calibrant.grades.grader import grade, normalise
from calibrant.grades.letter import NO_LETTER
from calibrant.models.encoder import encoder_called
from calibrant.models.model import Given
from calibrant.records import (
    LETTERS,
    Answer,
    Answered,
    Graded,
    ModelName,
    Question,
    Verdict,
    content_hash,
)
from calibrant.runs import write_json

SIZES = {"train": 3000, "validation": 500, "calibration": 500, "test": 1000}
PLAIN = ("base_rate", "subject_rate", "has_letter", "answer_length")
HALF = "the categories of odd places"
TUNED = TunedEncoder(precision="bfloat16", dropout=0.0)
"""The tuned encoder, three times as fast on a processor as with its usual settings."""
VIEWS = ("left out", "incorrect")
"""What becomes of an answer without a letter."""
Splits = dict[str, list[Graded]]


def read_archive(path: Path) -> list[Graded]:
    """Graded answers of one model; of questions with the same text the first, no empty answers."""
    with zipfile.ZipFile(path) as archive:
        rows = json.loads(archive.read(archive.namelist()[0]))
    found: dict[str, Answered] = {}
    for row in sorted(rows, key=lambda row: row["question_id"]):
        key = normalise(row["question"])
        if key in found or not row["generated_text"]:
            continue
        options = tuple(row["options"])
        question = Question(
            text=row["question"],
            choices=options,
            targets=(options[row["answer_index"]],),
            group=content_hash("text", key),
            subject=row["category"],
            category=row["category"],
        )
        pred = row["pred"] or ""
        said = Answer(
            question_id=question.id,
            text=row["generated_text"].strip(),
            extracted=pred if pred in LETTERS[: len(options)] else "",
            model=ModelName(name=path.stem),
        )
        found[key] = Answered(question=question, answer=said)
    items = list(found.values())
    lost = {"verdict": Verdict.UNGRADED, "reason": NO_LETTER}
    return [
        Graded(
            question=item.question,
            answer=item.answer,
            grade=given if item.answer.extracted else replace(given, **lost),
        )
        for item, given in zip(items, grade(items))
    ]


def counted_wrong(splits: Splits) -> Splits:
    """The same with answers that name no letter graded as incorrect."""

    def wrong(item: Graded) -> Graded:
        if item.grade.reason != NO_LETTER:
            return item
        return replace(item, grade=replace(item.grade, verdict=Verdict.INCORRECT))

    return {name: [wrong(item) for item in items] for name, items in splits.items()}


def split(items: Sequence[Graded], held_out: Collection[str] = ()) -> Splits:
    """The same questions in each split for every model.

    Parameters
    ----------
    held_out
        Categories that only the test holds, and only these; none: every split holds all.
    """
    order = sorted(items, key=lambda item: content_hash("place", item.question.group))
    found, start = {}, 0
    for name, size in SIZES.items():
        part = order[start : start + size]
        found[name] = [
            i for i in part if not held_out or (i.question.category in held_out) == (name == "test")
        ]
        start += size
    return found


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One estimator, fitted on the answers of some models, judging those of one."""

    table: str
    """Which table of the page it belongs to."""
    estimator: str
    """Its name in the page."""
    fitted_on: str
    """Model, "all but" a model, or half of the categories."""
    model: str
    """Whose answers are judged."""
    no_letter: str = VIEWS[0]
    """What becomes of an answer without a letter."""

    @property
    def file(self) -> str:
        """Where its scores are kept."""
        return f"{content_hash(vars(self))}.json"


class Work:
    """Archives, cached embeddings and cells in one folder."""

    def __init__(self, archives: Path, out: Path, models: Collection[str] = ()) -> None:
        self.out = out
        self.items = {path.stem: read_archive(path) for path in sorted(archives.glob("*.zip"))}
        if not self.items:
            raise SystemExit(f"{archives} holds no zip")
        shared = set.intersection(*({i.question.group for i in v} for v in self.items.values()))
        self.items = {
            name: [i for i in v if i.question.group in shared] for name, v in self.items.items()
        }
        self.models = [name for name in self.items if not models or name in models]
        self.splits = {name: split(items) for name, items in self.items.items()}
        self.views = {
            VIEWS[0]: self.splits,
            VIEWS[1]: {name: counted_wrong(splits) for name, splits in self.splits.items()},
        }
        self.vectors: dict[tuple[str, str], np.ndarray] = {}

    def embedded(self, model: str, name: str) -> np.ndarray:
        """Embeddings (N, D) of a split, computed once."""
        if (model, name) not in self.vectors:
            how = TextEmbedding()
            encoder = encoder_called(how.encoder)
            ids = [item.answer.id for item in self.splits[model][name]]
            key = content_hash(ids, how.max_tokens, encoder.name.revision, TUNED.precision)
            path = self.out / "embeddings" / f"{key}.npy"
            if not path.exists():
                with encoder.computing_in(TUNED.precision):
                    found = embeddings(self.splits[model][name], encoder, how.max_tokens)
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, found.astype(np.float32))
            self.vectors[model, name] = np.load(path).astype(np.float64)
        return self.vectors[model, name]

    def keep(self, cell: Cell, splits: Splits, scores: dict[str, Any], start: float) -> None:
        """Scores of the calibration and test answers, on disk."""
        found: dict[str, Any] = {"cell": vars(cell)}
        for name in ("calibration", "test"):
            graded = [i.is_graded for i in splits[name]]
            kept, correct = graded_only(splits[name])
            found[name] = {
                "scores": np.asarray(scores[name], dtype=np.float64)[graded].tolist(),
                "correct": correct.tolist(),
                "groups": [item.question.group for item in kept],
                "n_ungraded": len(graded) - len(kept),
            }
        found["seconds"] = round(time.monotonic() - start, 1)
        write_json(self.out / "cells" / cell.file, found)
        print(f"{vars(cell)}: {found['seconds']} s", flush=True)

    def is_done(self, cell: Cell) -> bool:
        """Whether its scores are there."""
        return (self.out / "cells" / cell.file).exists()

    def run(self, cell: Cell, estimator: Estimator, fit_on: Splits, judged: Splits) -> None:
        """Fit an estimator and keep its scores."""
        if self.is_done(cell):
            return
        start, given = time.monotonic(), Given(cell.model)
        fitted = estimator.fit(
            fit_on["train"],
            fit_on["validation"],
            given,
            0,
            folder=self.out / "checkpoints" / cell.file,
            say=lambda line: print(f"  {line}", flush=True),
        )
        scores = {n: fitted.score(judged[n], given).values for n in ("calibration", "test")}
        self.keep(cell, judged, scores, start)


def base_cells(work: Work) -> None:
    """What needs no text: rates, and two facts about the answer."""
    for name in PLAIN:
        try:
            estimator = registry.get("estimators", name)()
        except UnknownName:
            print(f"{name} is not installed: not measured")
            continue
        for view, splits in work.views.items():
            for model in work.models:
                cell = Cell(
                    table="models", estimator=name, fitted_on=model, model=model, no_letter=view
                )
                work.run(cell, estimator, splits[model], splits[model])


def embedding_cells(work: Work) -> None:
    """Frozen embedding with a logistic head: every model's head on every model's answers."""
    for view in VIEWS:
        for fitted_on in work.models:
            _embedding_cells(work, fitted_on, view)


def _embedding_cells(work: Work, fitted_on: str, view: str) -> None:
    pending = [
        Cell(
            table="transfer",
            estimator="text_embedding",
            fitted_on=fitted_on,
            model=model,
            no_letter=view,
        )
        for model in (work.models if view == VIEWS[0] else (fitted_on,))
    ]
    if all(map(work.is_done, pending)):
        return
    start, splits = time.monotonic(), work.views[view]
    head = _head(work, fitted_on, splits[fitted_on])
    for cell in pending:
        # Calibrated on answers of the model that it was fitted on, too.
        whose = {"calibration": fitted_on, "test": cell.model}
        scores = {n: head_scores(work.embedded(m, n), head) for n, m in whose.items()}
        work.keep(cell, {n: splits[m][n] for n, m in whose.items()}, scores, start)


def _head(work: Work, model: str, splits: Splits) -> Any:
    parts = []
    for name in ("train", "validation"):
        graded = [item.is_graded for item in splits[name]]
        parts += [work.embedded(model, name)[graded], graded_only(splits[name])[1]]
    return TextEmbedding(head="logistic").fit_head(*parts, seed=0)


def tuned_cells(work: Work, view: str = VIEWS[0]) -> None:
    """The tuned encoder on each model's own answers."""
    for model in work.models:
        cell = Cell(
            table="models", estimator="tuned_encoder", fitted_on=model, model=model, no_letter=view
        )
        work.run(cell, TUNED, work.views[view][model], work.views[view][model])


def leave_one_out_cells(work: Work) -> None:
    """The tuned encoder on the answers of all models but one."""
    for model in work.models:
        others: Splits = {}
        for name in ("train", "validation", "calibration"):
            every = [i for m in work.items if m != model for i in work.splits[m][name]]
            every.sort(key=lambda i: content_hash("joint", i.answer.id))
            others[name] = every[: SIZES[name]]
        judged = {**work.splits[model], "calibration": others["calibration"]}
        cell = Cell(
            table="leave_one_out",
            estimator="tuned_encoder",
            fitted_on=f"all but {model}",
            model=model,
        )
        work.run(cell, TUNED, others, judged)


def category_cells(work: Work) -> None:
    """Fitted on every other category, judging the others."""
    names = sorted({item.question.category for item in work.items[work.models[0]]})
    for model in work.models:
        splits = split(work.items[model], held_out=names[1::2])
        cell = Cell(table="categories", estimator="tuned_encoder", fitted_on=HALF, model=model)
        work.run(cell, TUNED, splits, splits)


CELLS = {
    "base": base_cells,
    "embedding": embedding_cells,
    "tuned": tuned_cells,
    "leave_one_out": leave_one_out_cells,
    "categories": category_cells,
    "tuned_incorrect": partial(tuned_cells, view=VIEWS[1]),
}


def main() -> None:
    """Compute the cells that are asked for and write what is measured."""
    from real_answers_page import write_page  # beside this file

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cells", default="", help=f"parted by commas: {', '.join(CELLS)}")
    parser.add_argument("--models", default="", help="only these models' answers are judged")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="Markdown: its tables are written anew")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [name for name in arguments.cells.split(",") if name]
    if wanted:
        models = [name for name in arguments.models.split(",") if name]
        work = Work(arguments.archives, arguments.out, models)
        for name in wanted:
            CELLS[name](work)
    write_page(arguments.out, arguments.json, arguments.page)


if __name__ == "__main__":
    main()
