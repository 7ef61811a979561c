"""Area under the ROC curve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from calibrant.errors import TooFewClasses
from calibrant.metrics.common import Array, Measure, block_sums, checked, measure


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
    inner = within(p, y, np.zeros(p.size, dtype=np.intp))
    share = y.mean()
    if weights is None and share in (0, 1):
        raise _one_class(share)
    return measure(lambda w: inner(w)[:, 0], p.size, weights, _one_class(share))


def within(p: Array, y: Array, group: npt.NDArray[np.intp]) -> Callable[[Array], Array]:
    """`auroc` of the rows of each group alone: w (r, n) -> (r, S), NaN where it is undefined.

    `group` (n,) holds 0 to S - 1.
    """
    order = np.lexsort((p, group))
    right, ranked, member = y[order], p[order], group[order]
    is_new = np.r_[True, member[1:] != member[:-1]]
    starts = np.flatnonzero(is_new | np.r_[True, ranked[1:] != ranked[:-1]])
    firsts = np.flatnonzero(is_new[starts])  # among the blocks of equal values
    of_block = member[starts]

    def kernel(w: Array) -> Array:
        here = w[:, order]
        won = here * right
        positive, negative = block_sums(won, starts), block_sums(here - won, starts)
        lost = np.add.reduceat(negative, firsts, axis=1)
        before = (np.cumsum(lost, axis=1) - lost)[:, of_block]
        beaten = np.cumsum(negative, axis=1) - before - negative / 2
        pairs = np.add.reduceat(positive, firsts, axis=1) * lost
        return np.asarray(np.add.reduceat(positive * beaten, firsts, axis=1) / pairs)

    return kernel


def _one_class(share: float) -> TooFewClasses:
    kind = {0.0: "incorrect", 1.0: "correct"}.get(float(share), "of one class (by their weights)")
    return TooFewClasses(
        f"all answers are {kind}: AUROC compares correct answers with incorrect ones."
    )
