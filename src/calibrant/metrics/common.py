"""What every metric shares: checks, weights, ties and sums.

Shapes: n rows, R replicates (weight vectors), r replicates of one chunk, B blocks of equal values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from calibrant.errors import InvalidConfidence, InvalidData

Array = npt.NDArray[np.float64]
Measure = float | Array
"""A float, or with weights of shape (R, n) an array (R,)."""

_CHUNK = 1 << 16
"""Weights held as float64 at a time: what a processor's cache holds, and little memory."""


def check_confidence(confidence: npt.ArrayLike) -> Array:
    """`confidence` as float64 (n,), every value in [0, 1].

    Raises
    ------
    InvalidConfidence
        Naming the first value that is outside [0, 1], missing or not a number.
    InvalidData
        Empty, or not one-dimensional.
    """
    given = np.asarray(confidence)
    if given.dtype.kind not in "fiubO":
        raise InvalidConfidence(f"confidences must be numbers in [0, 1], not {given.dtype}.")
    try:
        values = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidConfidence(f"confidences must be numbers in [0, 1]: {error}.") from error
    _check_vector(values, "confidence")
    valid = (values >= 0) & (values <= 1)
    if not valid.all():
        first = int(np.argmin(valid))
        raise InvalidConfidence(
            f"confidence[{first}] is {given[first]!r}, outside [0, 1]"
            f" ({np.count_nonzero(~valid)} of {values.size} are)."
            " A missing confidence is left out and counted, never replaced by a number."
        )
    return values


def check_correct(correct: npt.ArrayLike) -> Array:
    """`correct` as float64 (n,) of 0 and 1.

    Raises
    ------
    InvalidData
        Naming the first value that is neither 0 nor 1; empty; not one-dimensional.
    """
    given = np.asarray(correct)
    if given.dtype.kind in "fiub":
        valid = (given == 0) | (given == 1)
    else:
        flat = given.ravel()
        valid = np.array([isinstance(c, bool | np.bool_ | int) and c in (0, 1) for c in flat], bool)
        valid = valid.reshape(given.shape)
    _check_vector(given, "correct")
    if not valid.all():
        first = int(np.argmin(valid))
        raise InvalidData(
            f"correct[{first}] is {given[first]!r}: only 0 and 1 (or False and True) are verdicts."
            " Ungraded answers are left out and counted before a metric is called."
        )
    return given.astype(np.float64)


def checked(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> tuple[Array, Array]:
    """Both, checked, and of one length."""
    p, y = check_confidence(confidence), check_correct(correct)
    if p.size != y.size:
        raise InvalidData(f"{p.size} confidences but {y.size} verdicts: give one of each per row.")
    return p, y


def check_weights(weights: npt.ArrayLike, n: int) -> npt.NDArray[Any]:
    """`weights` as given, (n,) or (R, n), finite and non-negative."""
    w = np.asarray(weights)
    if w.dtype.kind not in "fiub":
        raise InvalidData(f"weights must be numbers, not {w.dtype}.")
    if w.ndim not in (1, 2) or w.shape[-1] != n or not w.size:
        raise InvalidData(f"weights have shape {w.shape}: ({n},) or (R, {n}) is needed.")
    if w.dtype.kind in "fi" and not (w >= 0).all():
        raise InvalidData("weights must be at least 0: they say how often a row counts.")
    if w.dtype.kind == "f" and np.isinf(w).any():
        raise InvalidData("weights must be finite: they say how often a row counts.")
    return w


def _check_vector(values: npt.NDArray[Any], name: str) -> None:
    if values.ndim != 1:
        raise InvalidData(f"{name} has shape {values.shape}: one value per row, (n,), is needed.")
    if not values.size:
        raise InvalidData(f"{name} is empty: there is nothing to measure.")


def evaluate(kernel: Callable[[Array], Array], n: int, weights: npt.ArrayLike | None) -> Array:
    """Apply `kernel`, (r, n) -> (r, ...), to all weights, some replicates at a time.

    Returns
    -------
    (R, ...), with R = 1 for weights None or (n,).
    """
    if weights is None:
        return kernel(np.ones((1, n)))
    w = np.atleast_2d(check_weights(weights, n))
    step = max(1, _CHUNK // n)
    with np.errstate(invalid="ignore", divide="ignore"):  # a replicate of nothing is NaN
        parts = [kernel(w[i : i + step].astype(np.float64)) for i in range(0, len(w), step)]
    return np.concatenate(parts)


def measure(
    kernel: Callable[[Array], Array],
    n: int,
    weights: npt.ArrayLike | None,
    undefined: InvalidData | None = None,
) -> Measure:
    """The value of a metric: a float, or (R,) for weights of shape (R, n).

    A value that is undefined (NaN) stays NaN among replicates; alone it is raised as `undefined`.
    """
    return as_measure(evaluate(kernel, n, weights), weights, undefined)


def as_measure(
    values: Array, weights: npt.ArrayLike | None, undefined: InvalidData | None = None
) -> Measure:
    """As `measure`, of values (R,) that are there."""
    if weights is not None and np.ndim(weights) == 2:
        return values
    if np.isnan(values[0]):
        if weights is not None and not np.any(weights):
            raise InvalidData("all weights are 0: there is nothing to measure.")
        raise undefined or InvalidData("the metric is undefined for these rows.")
    return float(values[0])


def mean(w: Array, values: Array) -> Array:
    """Weighted means (r,) of values (n,); NaN where the weights sum to 0."""
    means: Array = (w @ values) / w.sum(axis=1)
    return means


def grouped(index: npt.NDArray[np.intp], size: int, *values: Array) -> Callable[[Array], Array]:
    """Sums over the rows of each group: w (r, n) -> (len(values), r, size), of w * values.

    `index` (n,) or (r, n) holds the group of each row; each of the values is (n,).
    """
    k = len(values)
    if index.ndim == 1:
        n = index.size
        cells = index[:, None] + size * np.arange(k)
        entries = (np.stack(values, axis=1).ravel(), cells.ravel(), np.arange(0, k * n + 1, k))
        member = csr_array(entries, shape=(n, k * size)).T
        return lambda w: (member @ np.ascontiguousarray(w.T)).reshape(k, size, -1).swapaxes(1, 2)

    def sums(w: Array) -> Array:
        flat = (index + size * np.arange(len(w))[:, None]).ravel()
        mass = [np.bincount(flat, (w * v).ravel(), minlength=size * len(w)) for v in values]
        return np.stack(mass).reshape(k, len(w), size).astype(np.float64)

    return sums


def blocks(values: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Ascending order (n,) and where each block of equal values starts in it (B,)."""
    order = np.argsort(values)
    ranked = values[order]
    return order, np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])


def block_sums(w: Array, starts: npt.NDArray[np.intp]) -> Array:
    """Sums (r, B) over blocks of neighbouring columns."""
    return w if starts.size == w.shape[1] else np.add.reduceat(w, starts, axis=1)
