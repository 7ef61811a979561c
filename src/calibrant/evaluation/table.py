"""The table that is evaluated: one row an answer, one column a way to get its confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Strings = NDArray[np.str_]
TARGETS = (0.90, 0.95)
"""Selective accuracies at which coverage is told."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """Confidences of one estimator with one calibrator."""

    estimator: str
    """Its name."""
    variant: str = ""
    """Its form, empty for the usual one."""
    calibrator: str
    """The calibrator's name."""
    confidence: Floats
    """(N,) in [0, 1], NaN where missing."""
    reason: str = ""
    """Why all are missing, where the calibrator could not be fitted."""
    is_confidence: bool = True
    """False for a raw score that claims no probability: it ranks only."""
    answered: Mapping[float, Floats]
    """Selective accuracy -> (N,) 1 where the confidence reaches the threshold that was chosen for
    it on other answers, else 0."""

    @property
    def key(self) -> tuple[str, str, str]:
        """(estimator, variant, calibrator)."""
        return self.estimator, self.variant, self.calibrator


@dataclass(frozen=True, kw_only=True)
class Table:
    """Answers of one model with their verdicts and confidences."""

    model: str
    """Who answered."""
    correct: Floats
    """(N,) 1 or 0, NaN where ungraded."""
    group: Strings
    """(N,) what was drawn together."""
    subject: Strings
    """(N,)"""
    subset: Strings
    """(N,) "seen", "development", "unseen" or "unanswerable"."""
    format: Strings
    """(N,) "open" or "choice"."""
    columns: tuple[Column, ...]
    """The ways."""

    def select(self, rows: NDArray[Any]) -> Table:
        """Some of the rows (mask or indices)."""
        names = ("correct", "group", "subject", "subset", "format")
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in names},
            columns=tuple(
                replace(
                    column,
                    confidence=column.confidence[rows],
                    answered={t: values[rows] for t, values in column.answered.items()},
                )
                for column in self.columns
            ),
        )
