"""The page of benchmarks/real_answers.py: what its cells measure, as tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibrant import metrics, registry
from calibrant.runs import write_json

MEASURES = {
    "auroc": metrics.auroc,
    "ece": metrics.ece,
    "brier_score": metrics.brier_score,
    "log_loss": metrics.log_loss,
}


def measured(out: Path) -> Iterator[dict[str, Any]]:
    """One row a cell: metrics of the test answers, Platt-scaled on the calibration answers."""
    for path in sorted((out / "cells").glob("*.json")):
        found = json.loads(path.read_text())
        held, test = found["calibration"], found["test"]
        calibrator = registry.get("calibration", "platt")().fit(held["scores"], held["correct"])
        confidence = calibrator.confidence(test["scores"])
        draws = metrics.resample(test["groups"], n_resamples=1000, seed=0)
        row: dict[str, Any] = {
            **found["cell"],
            "n_test": len(confidence),
            "n_ungraded": test["n_ungraded"],
            "accuracy": float(np.mean(test["correct"])),
            "seconds": found["seconds"],
        }
        for name, metric in MEASURES.items():
            told = metrics.bootstrap(metric, confidence, test["correct"], draws)
            row[name] = {"value": told.value, "low": told.low, "high": told.high}
        yield row


MARK = "<!-- tables: written by benchmarks/real_answers.py --page, from here to the end -->"
ORDER = (
    "base_rate", "subject_rate", "has_letter", "answer_length", "text_embedding", "tuned_encoder",
)  # fmt: skip
VIEWS = ("left out", "incorrect")
"""What becomes of an answer without a letter."""
HALF = "the categories of odd places"
NOT_MEASURED = "not measured"


def told(cell: dict[str, float]) -> str:
    """A value with its 95 % interval."""
    return f"{cell['value']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def tables(rows: Sequence[dict[str, Any]]) -> str:
    """The page's tables; cells that are not there are said to be not measured."""
    keys = ("table", "estimator", "fitted_on", "model", "no_letter")
    found = {tuple(row[key] for key in keys): row for row in rows}
    models = sorted({row["model"] for row in rows})

    def measures(
        table: str, name: str, fitted_on: str, model: str, view: str = VIEWS[0]
    ) -> list[str]:
        row = found.get((table, name, fitted_on, model, view))
        return [told(row[m]) if row else NOT_MEASURED for m in MEASURES]

    own, wrong = (
        [
            [model, name, *measures(table, name, model, model, view)]
            for model in models
            for name in ORDER
            for table in ("transfer" if name == "text_embedding" else "models",)
        ]
        for view in VIEWS
    )
    answers = [
        [
            model,
            str(row["n_test"]),
            str(row["n_ungraded"]),
            f"{row['accuracy']:.3f}",
            f"{counted:.3f}",
        ]
        for model in models
        for row in [found["models", "base_rate", model, model, VIEWS[0]]]
        for counted in [found["models", "base_rate", model, model, VIEWS[1]]["accuracy"]]
    ]
    crossed = [
        [
            one,
            *(
                measures("transfer", "text_embedding", one, other)[0].split(" [")[0]
                for other in models
            ),
        ]
        for one in models
    ]
    others = [
        [model, *measures("leave_one_out", "tuned_encoder", f"all but {model}", model)]
        for model in models
    ]
    halves = [[model, *measures("categories", "tuned_encoder", HALF, model)] for model in models]
    parts = [
        (
            "The test answers",
            ["answers of", "with a letter", "without", "accuracy", "counting these as incorrect"],
            answers,
        ),
        ("Fitted on the model's own answers", ["answers of", "estimator", *MEASURES], own),
        (
            "text_embedding fitted on (row), judging the answers of (column): AUROC",
            ["fitted on", *models],
            crossed,
        ),
        (
            "tuned_encoder fitted on the answers of all other models",
            ["answers of", *MEASURES],
            others,
        ),
        (
            "tuned_encoder fitted on every other category, judging the other ones",
            ["answers of", *MEASURES],
            halves,
        ),
        (
            "Fitted on the model's own answers, those without a letter counted as incorrect",
            ["answers of", "estimator", *MEASURES],
            wrong,
        ),
    ]
    return "\n".join(f"## {title}\n\n{markdown(head, body)}" for title, head, body in parts)


def write_page(out: Path, table: Path | None, page: Path | None) -> None:
    """Measure the cells in `out`; keep the numbers as JSON and in the page, where asked for."""
    rows = list(measured(out))
    if table:
        write_json(table, rows)
    if page:
        text = page.read_text("utf-8") if page.exists() else ""
        page.write_text(f"{text.split(MARK)[0]}{MARK}\n\n{tables(rows)}", "utf-8")
    print(f"{len(rows)} cells measured")
