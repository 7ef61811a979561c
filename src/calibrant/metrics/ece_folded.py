"""Expected calibration error of a folded confidence, as the paper reports it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibrant.metrics.binning import Strategy
from calibrant.metrics.common import Measure, checked
from calibrant.metrics.ece import ece


def ece_folded(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> Measure:
    """ECE of "is the answer correct?" as a two-class prediction: of max(p, 1 - p).

    The class predicted is "correct" when p >= 0.5; its confidence max(p, 1 - p) is compared with
    how often that class is right. Over- and underconfidence on either side of 0.5 can cancel, so
    it is at most about the plain ECE; half of the uniform bins stay empty. Its floor is
    `ece_floor(np.maximum(p, 1 - p))`. The published code also drops rows with confidence exactly
    1; this function keeps them.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts
    n_bins, strategy : see `bin_index`

    Returns
    -------
    float in [0, 1], or (R,) for weights (R, n): NaN where a replicate is empty.

    References
    ----------
    Kapoor et al., "Large language models must be taught to know what they don't know",
    NeurIPS 2024, and its code.

    Examples
    --------
    >>> round(ece_folded([0.1, 0.9], [0, 0]), 4)  # 0.9 sure twice, right once
    0.4
    """
    p, y = checked(confidence, correct)
    says_correct = p >= 0.5
    return ece(
        np.where(says_correct, p, 1 - p),
        np.where(says_correct, y, 1 - y),
        weights,
        n_bins=n_bins,
        strategy=strategy,
    )
