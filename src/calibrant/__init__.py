"""Calibrant teaches a language model to know what it doesn't know.

    from calibrant import ask, run
    run("runs/mine", model="almanac-small", questions="almanac")
    ask("What is the capital of France?", "runs/mine/artefacts/lora_prompt-open")

Everything here is loaded when it is first used: importing calibrant imports no torch.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

# Idle OpenMP threads that spin slow busy ones many times over; must be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_WHERE = {
    "Answer": "records",
    "Answered": "records",
    "CalibrantError": "errors",
    "Calibrated": "estimators.calibrated",
    "Confidence": "records",
    "Grade": "records",
    "Graded": "records",
    "LocalModel": "models.local",
    "Question": "records",
    "Run": "runs",
    "Verdict": "records",
    "Sizes": "questions.mixture",
    "answer": "answers.generate",
    "answer_with_confidence": "artefacts",
    "ask": "artefacts",
    "by_split": "questions.splits",
    "evaluate": "evaluation.evaluate",
    "fit_calibrated": "estimators.calibrated",
    "grade": "grades.grader",
    "load_calibrated": "estimators.calibrated",
    "pull": "artefacts",
    "push": "artefacts",
    "recalibrated": "estimators.calibrated",
    "load_questions": "questions.source",
    "load_artefact": "artefacts",
    "run": "pipeline",
    "score_rows": "artefacts",
}

__all__ = sorted(_WHERE)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'calibrant' has no attribute {name!r}")
    return getattr(import_module(f"calibrant.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
