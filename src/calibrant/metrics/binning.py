"""The one binning function of the house."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from calibrant.errors import InvalidData
from calibrant.metrics.common import Array, block_sums, blocks, check_confidence

Strategy = Literal["uniform", "quantile"]


def bin_index(
    confidence: npt.ArrayLike,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    weights: Array | None = None,
) -> npt.NDArray[np.intp]:
    """The bin, 0 to n_bins - 1, of every confidence. Each row is in exactly one bin.

    "uniform" (equal width): bin k holds k/n_bins <= p < (k+1)/n_bins; the last bin also holds 1.
    The edges are the floating-point numbers k/n_bins, so 0.3 is in the bin that starts at 3/10.

    "quantile" (equal mass): rows are ranked by confidence; equal confidences go, as one block,
    to the bin that holds its middle rank, floor(n_bins * (middle rank) / n). They are never split,
    so with many ties bins are uneven or empty. Bins depend on `weights`.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    n_bins : at least 1
    strategy : "uniform" or "quantile"
    weights : None or (R, n), how often each row counts

    Returns
    -------
    (n,), or for "quantile" with weights (R, n).

    Examples
    --------
    >>> bin_index([0.0, 0.29, 0.3, 0.95, 1.0])
    array([0, 2, 3, 9, 9])
    >>> bin_index([0.9, 0.9, 0.9, 1.0], n_bins=2, strategy="quantile")
    array([0, 0, 0, 1])
    """
    p = check_confidence(confidence)
    if isinstance(n_bins, bool) or not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise InvalidData(f"n_bins is {n_bins!r}: a whole number of at least 1 is needed.")
    if strategy == "uniform":
        return np.searchsorted(bin_edges(n_bins)[1:-1], p, side="right")
    if strategy == "quantile":
        return _quantile_index(p, n_bins, weights)
    raise InvalidData(f"strategy is {strategy!r}: there are 'uniform' and 'quantile'.")


def bin_edges(n_bins: int) -> Array:
    """The edges (n_bins + 1,) of the uniform bins: 0, 1/n_bins, ..., 1."""
    return np.arange(n_bins + 1) / n_bins


def _quantile_index(p: Array, n_bins: int, weights: Array | None) -> npt.NDArray[np.intp]:
    w = np.ones((1, p.size)) if weights is None else weights
    order, starts = blocks(p)
    mass = block_sums(w[:, order], starts)
    above = np.cumsum(mass, axis=1)
    twice_middle, total = 2 * above - mass, above[:, -1:]
    with np.errstate(invalid="ignore"):
        share = np.nan_to_num(n_bins * twice_middle / (2 * total))  # exact for whole weights
    of_block = np.minimum(share.astype(np.intp), n_bins - 1)
    index = np.empty(w.shape, np.intp)
    index[:, order] = np.repeat(of_block, np.diff(np.r_[starts, p.size]), axis=1)
    return index[0] if weights is None else index
