"""Expected calibration error above its noise floor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibrant.metrics.binning import Strategy
from calibrant.metrics.common import Measure
from calibrant.metrics.ece import ece
from calibrant.metrics.ece_floor import ece_floor


def ece_corrected(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> Measure:
    """max(0, ece - ece_floor): what is left after the ECE that pure noise explains.

    About unbiased for a well-calibrated estimator; it takes too much off a badly calibrated one,
    whose ECE holds little noise. Report it beside `ece`, not instead.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n) of whole numbers, how often each row counts
    n_bins, strategy : see `bin_index`

    Returns
    -------
    float in [0, 1], or (R,) for weights (R, n): NaN where a replicate is empty.

    Examples
    --------
    >>> ece_corrected([0.5, 0.5], [1, 0])
    0.0
    """
    above = np.subtract(
        ece(confidence, correct, weights, n_bins=n_bins, strategy=strategy),
        ece_floor(confidence, correct, weights, n_bins=n_bins, strategy=strategy),
    )
    left = np.maximum(0.0, above)
    return left if left.ndim else float(left)
