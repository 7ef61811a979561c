"""Holm's correction, by hand and against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from calibrant.metrics.correction import holm


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    generator = np.random.default_rng(0)
    for n in range(1, 9):
        p = np.round(generator.random(n), 1).tolist()  # with ties
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
