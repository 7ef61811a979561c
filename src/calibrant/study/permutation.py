"""Permutation tests of differences between arms, and the intervals that belong to them.

Shapes: n participants, R permutations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibrant.errors import InvalidData
from calibrant.study.data import Row
from calibrant.study.design import Contrast

Floats = NDArray[np.float64]
FEWEST = 4
"""A test needs so many participants (in each arm between subjects)."""


@dataclass(frozen=True, kw_only=True)
class Test:
    """A difference with its test."""

    estimate: float
    """Difference of means, weighted over strata."""
    low: float
    """Lower end of the interval: differences that the test does not refuse."""
    high: float
    """Upper end."""
    p: float
    """Two-sided p-value of no difference for anybody."""
    n: tuple[int, ...]
    """Participants: in each arm between subjects, pairs within."""
    n_missing: int
    """Participants without the measure."""


def contrast(
    rows: Sequence[Row],
    planned: Contrast,
    *,
    within: bool,
    n_permutations: int = 9999,
    level: float = 0.95,
    seed: int = 0,
) -> Test:
    """Test a planned contrast on per-participant summaries.

    Raises
    ------
    InvalidData
        When there are too few participants with the measure.
    """
    generator = np.random.default_rng([seed, 7])
    here = [row for row in rows if row["arm"] in (planned.arm, planned.than)]
    known = [row for row in here if row[planned.measure] is not None]
    n_missing = len(here) - len(known)
    if within:
        pairs: dict[str, dict[str, float]] = defaultdict(dict)
        for row in known:
            pairs[row["participant"]][row["arm"]] = row[planned.measure]
        whole = [pair for pair in pairs.values() if len(pair) == 2]
        d = np.array([pair[planned.arm] - pair[planned.than] for pair in whole], dtype=float)
        _enough(d.size)
        signs = generator.choice([-1.0, 1.0], size=(n_permutations, d.size))
        drawn = signs @ d / d.size, signs.mean(axis=1)
        return _test(float(d.mean()), drawn, (d.size,), n_missing, level)
    y = np.array([row[planned.measure] for row in known], dtype=float)
    a = np.array([row["arm"] == planned.arm for row in known], dtype=float)
    _enough(int(a.sum()), int((1 - a).sum()))
    estimate, drawn = _stratified(y, a, strata(known, planned.arm), n_permutations, generator)
    return _test(estimate, drawn, (int(a.sum()), int((1 - a).sum())), n_missing, level)


def _enough(*sizes: int) -> None:
    if min(sizes) < FEWEST:
        told = " and ".join(map(str, sizes))
        raise InvalidData(f"{told} participants, {FEWEST} are needed")


def strata(rows: Sequence[Row], arm: str) -> NDArray[np.intp]:
    """The stratum of each participant: batch by block, so that both arms are in every one.

    Arms were drawn within blocks, and within batches of these. Where a stratum lacks an arm, for
    somebody is left out, it is joined with the next block's of the same batch.
    """
    found = np.zeros(len(rows), dtype=np.intp)
    number = 0
    for batch in sorted({row["batch"] for row in rows}):
        order = sorted(
            (i for i, row in enumerate(rows) if row["batch"] == batch),
            key=lambda i: rows[i]["block"],
        )
        open_: list[int] = []
        last: list[int] = []
        for place, i in enumerate(order):
            open_.append(i)
            ends = place + 1 == len(order) or rows[order[place + 1]]["block"] != rows[i]["block"]
            if ends and len({rows[j]["arm"] == arm for j in open_}) == 2:
                found[open_], number = number, number + 1
                last, open_ = open_, []
        if open_:  # what is left joins the batch's last stratum, or stands alone and says nothing
            found[open_] = found[last[0]] if last else number
            number += not last
    return found


def _stratified(
    y: Floats,
    a: Floats,
    stratum: NDArray[np.intp],
    n_permutations: int,
    generator: np.random.Generator,
) -> tuple[float, tuple[Floats, Floats]]:
    """The weighted difference and, for each permutation, that of y and that of a itself."""
    order = np.argsort(stratum, kind="stable")
    y, a, stratum = y[order], a[order], stratum[order]
    size, ones = np.bincount(stratum), np.bincount(stratum, a)
    centred = a - (ones / size)[stratum]
    # Weights n_a n_b / (n_a + n_b) make it a sum over people.
    total = float((ones * (size - ones) / size).sum())
    if total == 0:
        raise InvalidData("no stratum has participants of both arms")
    drawn_y, drawn_a = np.empty(n_permutations), np.empty(n_permutations)
    step = max(1, 2_000_000 // y.size)
    for start in range(0, n_permutations, step):
        part = slice(start, min(start + step, n_permutations))
        keys = generator.random((part.stop - part.start, y.size)) + stratum
        shuffled = centred[np.argsort(keys, axis=1)]
        drawn_y[part], drawn_a[part] = shuffled @ y / total, shuffled @ a / total
    return float(centred @ y / total), (drawn_y, drawn_a)


def _test(
    estimate: float,
    drawn: tuple[Floats, Floats],
    n: tuple[int, ...],
    n_missing: int,
    level: float,
) -> Test:
    low, high = (_edge(estimate, drawn, side, 1 - level) for side in (-1, 1))
    return Test(
        estimate=estimate,
        low=low,
        high=high,
        p=_p(estimate, drawn, 0.0),
        n=n,
        n_missing=n_missing,
    )


def _p(estimate: float, drawn: tuple[Floats, Floats], shift: float) -> float:
    """Of the hypothesis that the arm adds `shift` for everybody."""
    drawn_y, drawn_a = drawn
    reached = np.abs(drawn_y - shift * drawn_a) >= abs(estimate - shift) - 1e-12
    return float((1 + np.count_nonzero(reached)) / (1 + drawn_y.size))


def _edge(estimate: float, drawn: tuple[Floats, Floats], side: int, alpha: float) -> float:
    """Where p falls to alpha on one side of the estimate, by doubling and halving."""
    step = max(1e-3, 4 * float(np.std(drawn[0])))
    for _ in range(30):
        if _p(estimate, drawn, estimate + side * step) <= alpha:
            break
        step *= 2
    else:
        return side * float("inf")  # too few participants to bound it
    near, far = 0.0, step
    for _ in range(40):
        middle = (near + far) / 2
        if _p(estimate, drawn, estimate + side * middle) <= alpha:
            far = middle
        else:
            near = middle
    return estimate + side * near
