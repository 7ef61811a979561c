"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibrant.errors import TooFewClasses
from calibrant.metrics.common import Array, Measure, block_sums, blocks, checked, measure


def auroc(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Measure:
    """The chance that a correct answer has the higher confidence than an incorrect one.

    Ties count half, so 0.5 is what a constant has. In [0, 1]; higher separates better.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts

    Returns
    -------
    float, or (R,) for weights (R, n): NaN where a replicate has one class only.

    Raises
    ------
    TooFewClasses
        All answers are correct, or all incorrect.

    References
    ----------
    Hanley & McNeil, "The meaning and use of the area under a ROC curve", Radiology 143 (1982).

    Examples
    --------
    >>> auroc([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1])
    0.875
    """
    p, y = checked(confidence, correct)
    order, starts = blocks(p)
    right = y[order]

    def kernel(w: Array) -> Array:
        ranked = w[:, order]
        won = ranked * right
        positive, negative = block_sums(won, starts), block_sums(ranked - won, starts)
        at_most = np.cumsum(negative, axis=1)
        wins = np.einsum("rb,rb->r", positive, at_most - negative / 2)
        return np.asarray(wins / (positive.sum(axis=1) * at_most[:, -1]))

    share = y.mean()
    if weights is None and share in (0, 1):
        raise _one_class(share)
    return measure(kernel, p.size, weights, _one_class(share))


def _one_class(share: float) -> TooFewClasses:
    kind = {0.0: "incorrect", 1.0: "correct"}.get(float(share), "of one class (by their weights)")
    return TooFewClasses(
        f"all answers are {kind}: AUROC compares correct answers with incorrect ones."
    )
