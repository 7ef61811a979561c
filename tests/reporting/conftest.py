"""A synthetic run: two formats, four subsets, hostile texts, ungraded and missing answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibrant.evaluation.evaluate import Settings, evaluate
from calibrant.evaluation.table import Column, Table
from calibrant.reporting.html import write_report

HOSTILE = "<script>alert(1)</script> \"quoted\" & 'so' </table>"
SUBJECTS = ("rivers", "plurals", "leap_years", "capitals", "anagrams", "<b>units</b>")
SUBSETS = ("seen", "seen", "development", "development", "unseen", "unseen")


@dataclass(frozen=True)
class Case:
    """A run's table, its metrics as read back from JSON, and its report."""

    table: Table
    metrics: dict[str, Any]
    texts: list[tuple[str, str, str]]
    page: Path

    @property
    def html(self) -> str:
        return self.page.read_text("utf-8")


def _column(name: str, variant: str, calibrator: str, p: Any, claims: bool = True) -> Column:
    answered = {target: (p > target).astype(np.float64) for target in (0.9, 0.95)}
    return Column(
        estimator=name,
        variant=variant,
        calibrator=calibrator,
        confidence=p,
        is_confidence=claims,
        answered=answered,
    )


def synthetic(n: int = 400, seed: int = 0) -> Table:
    """Answers whose difficulty shows in every score but the base rate."""
    generator = np.random.default_rng(seed)
    subject = generator.integers(0, len(SUBJECTS), n)
    ease = generator.normal(0, 1.5, n) + np.linspace(-1, 1, len(SUBJECTS))[subject]
    correct = (generator.random(n) < 1 / (1 + np.exp(-ease))).astype(np.float64)
    subset = np.array(SUBSETS, dtype="U12")[subject]
    subset[generator.random(n) < 0.12] = "unanswerable"
    correct[subset == "unanswerable"] = 0
    correct[generator.random(n) < 0.03] = np.nan
    missing = generator.random(n) < 0.03

    def sigmoid(scores: Any) -> Any:
        return np.where(missing, np.nan, 1 / (1 + np.exp(-scores)))

    columns = [
        _column("base_rate", "", c, np.where(missing, np.nan, 0.45)) for c in ("none", "platt")
    ]
    likelihood = 0.5 * ease + generator.normal(0, 1, n)
    for variant in ("mean", "sum"):
        columns.append(_column("sequence_likelihood", variant, "none", sigmoid(likelihood), False))
        columns.append(_column("sequence_likelihood", variant, "platt", sigmoid(likelihood)))
    asked = 0.3 * ease + generator.normal(0, 1, n)
    columns += [
        _column("zero_shot", "", "none", sigmoid(asked + 2)),
        _column("zero_shot", "", "platt", sigmoid(asked)),
    ]
    tuned = ease + generator.normal(0, 0.7, n)
    columns += [
        _column("lora_prompt", "", "none", sigmoid(tuned + 0.5)),
        _column("lora_prompt", "", "platt", sigmoid(tuned)),
    ]
    return Table(
        model="almanac-small",
        correct=correct,
        group=np.array([f"g{i // 2}" for i in range(n)]),
        subject=np.array(SUBJECTS)[subject],
        subset=subset,
        format=np.where(generator.random(n) < 0.5, "open", "choice"),
        columns=tuple(columns),
    )


def external(n: int = 120) -> Table:
    """What `calibrant evaluate FILE` makes of a file: one format, no subjects, one estimator."""
    generator = np.random.default_rng(1)
    p = generator.random(n)
    return Table(
        model="answers",
        correct=(generator.random(n) < p).astype(np.float64),
        group=np.array([f"row {i}" for i in range(n)]),
        subject=np.full(n, ""),
        subset=np.full(n, "seen"),
        format=np.full(n, "open"),
        columns=tuple(_column("confidence", "", c, p) for c in ("none", "platt")),
    )


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """Evaluate a table and write its report."""

    def make(table: Table, *, with_texts: bool = True, lead: Any = None, n: int = 20) -> Case:
        metrics = json.loads(json.dumps(evaluate(table, Settings(n_resamples=n))))
        texts = [(f"{HOSTILE} {i}", f"answer {i} {HOSTILE}", "") for i in range(len(table.correct))]
        made = {
            "command": "calibrant run",
            "versions": {"python": "3.11", "<i>": ["a", HOSTILE]},
            "none": None,
            "nothing": [],
        }
        folder = tmp_path_factory.mktemp("report")
        page = write_report(folder, metrics, table, texts if with_texts else [], made, lead)
        return Case(table, metrics, texts, page)

    return make


@pytest.fixture(scope="session")
def case(report: Callable[..., Case]) -> Case:
    """The report of a whole run."""
    return report(synthetic(), n=100)


@pytest.fixture(scope="session")
def small(report: Callable[..., Case]) -> Case:
    """The report of a file of confidences."""
    return report(external(), with_texts=False)


@pytest.fixture(scope="session")
def raw(report: Callable[..., Case]) -> Case:
    """A report about a score that is no probability, without intervals."""
    return report(synthetic(200), lead=("sequence_likelihood", "sum", "none"), n=0)
