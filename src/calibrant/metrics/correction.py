"""Holm's correction of p-values that are looked at together (Holm 1979)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p-values, in [0, 1], in the order given."""
    p = np.array(p_values, dtype=float)  # by hand: statsmodels' collects garbage at each call
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.arange(p.size, 0, -1) * p[order])
    p[order] = np.minimum(steps, 1)
    return [float(value) for value in p]
