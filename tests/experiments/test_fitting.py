"""Fits and scores of experiments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from calibrant.experiments.fitting import Value, tried_first


@pytest.mark.parametrize(("share", "n_asked"), [(0.02, 60), (0.5, 600)])
def test_who_states_hardly_any_confidence_is_not_asked_on(share: float, n_asked: int) -> None:
    asked = list[int]()

    def give(items: Sequence[int]) -> list[Value]:
        asked.extend(items)
        return [
            (float(i), "") if (i // 10) % 50 < 50 * share else (np.nan, "silent") for i in items
        ]

    found = tried_first(range(600), give)
    assert len(asked) == len(set(asked)) == n_asked and len(found) == 600
    for i, (value, why) in enumerate(found):
        if i in asked:
            assert value == i if (i // 10) % 50 < 50 * share else why == "silent"
        else:
            assert np.isnan(value) and "fewer than a tenth" in why
    asked.clear()
    assert len(tried_first(range(90), give)) == len(asked) == 90
