"""Smooth expected calibration error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.fft import dct
from scipy.sparse import csr_array

from calibrant.metrics.common import Array, Measure, as_measure, checked, evaluate

_CELLS = 1024
_COARSE_CELLS = 256
_WIDE = 0.03
"""Widths above this are integrated over the coarse grid, with an error below about 1e-5."""
_BATCH = 256
_TOLERANCE = 1e-5
_MOST_STEPS = 50


def smooth_ece(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Measure:
    """Calibration error without bins: the mean size of the smoothed residuals, in [0, 1].

    The residuals (verdict - confidence) are smoothed along the confidence by a Gaussian kernel of
    width sigma, reflected at 0 and 1, and the result is the integral of their absolute value. The
    width is not a setting: it is the sigma at which the result equals sigma. Lies between |mean
    confidence - accuracy| and the mean gap over single values. Unlike ECE it is continuous in the
    confidences.

    A reflected Gaussian is the heat kernel with insulated ends, so smoothing multiplies cosine
    coefficients by exp(-(pi k sigma)^2 / 2). Residuals are first put on a grid of 1,024 cells (each
    split linearly between two neighbours); widths below 1/1024 are not used.

    relplot's smECE (1.0.3) agrees within 0.0015, except that it gives rows with confidence exactly
    0 or 1 half their weight (its mirror images leave out the end points); here they count fully.

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts

    Returns
    -------
    float, or (R,) for weights (R, n): NaN where a replicate is empty.

    References
    ----------
    Błasiok & Nakkiran, "Smooth ECE: principled reliability diagrams via kernel smoothing",
    ICLR 2024 (relplot's smECE).

    Examples
    --------
    >>> round(smooth_ece([0.25, 0.25, 0.55, 0.75, 0.75], [0, 0, 1, 1, 1]), 3)
    0.198
    """
    p, y = checked(confidence, correct)
    spread = _spread(p, y - p)

    def kernel(w: Array) -> Array:
        return np.asarray((spread @ np.ascontiguousarray(w.T)).T / w.sum(axis=1, keepdims=True))

    mass = evaluate(kernel, p.size, weights)
    parts = [_fixed_point(mass[i : i + _BATCH]) for i in range(0, len(mass), _BATCH)]
    return as_measure(np.concatenate(parts), weights)


def _spread(p: Array, residual: Array) -> csr_array:
    """The matrix (_CELLS + 1, n) that puts each row's residual on its two grid points."""
    left = np.minimum((p * _CELLS).astype(np.intp), _CELLS - 1)
    share = p * _CELLS - left
    row = np.concatenate([left, left + 1])
    column = np.tile(np.arange(p.size), 2)
    value = np.concatenate([(1 - share) * residual, share * residual])
    return csr_array((value, (row, column)), shape=(_CELLS + 1, p.size))


def _fixed_point(mass: Array) -> Array:
    """The sigma (r,) at which the smoothed mass (r, _CELLS + 1) has the size sigma.

    The size never rises with sigma (smoothing is a semigroup of contractions), so there is one
    such sigma, and it lies between any sigma and its size. Wide kernels leave few coefficients
    and need a coarse grid only; each row is treated alone, whatever the others are.
    """
    edge = np.ones(_CELLS + 1)
    edge[[0, -1]] = 2.0  # the cells at the ends are half as wide
    coefficient = dct(mass * edge, type=1, axis=1) / 2  # of the density
    size = _size(coefficient, np.full(len(mass), _WIDE), _COARSE_CELLS)
    root = np.full(len(mass), np.nan)
    for rows, cells in ((size > _WIDE, _COARSE_CELLS), (size <= _WIDE, _CELLS)):
        root[rows] = _solve(coefficient[rows], size[rows], cells)
    return root


def _size(coefficient: Array, sigma: Array, cells: int) -> Array:
    """Integral (r,) of the absolute mass smoothed with width sigma (r,)."""
    used = int(np.ceil(np.sqrt(80.0) / np.pi / max(sigma.min(initial=1.0), 1e-9)))  # exp(-40) on
    used = min(used, cells) + 1
    decay = np.exp(sigma[:, None] ** 2 * (-((np.pi * np.arange(used)) ** 2) / 2))
    smooth = np.zeros((len(sigma), cells + 1))
    np.multiply(coefficient[:, :used], decay, out=smooth[:, :used])
    density = dct(smooth, type=1, axis=1, overwrite_x=True)
    np.abs(density, out=density)
    density[:, [0, -1]] /= 2
    return np.asarray(density.sum(axis=1) / cells)


def _solve(coefficient: Array, size: Array, cells: int) -> Array:
    """The sigma (r,) that equals its size, starting from the size at _WIDE.

    Secants in log sigma and log size, where pure noise (size as sigma^-1/2) is a straight line.
    """
    here = np.full(len(size), np.log(_WIDE))
    excess = np.log(np.maximum(size, 1 / _CELLS)) - here
    low, high = np.minimum(here, here + excess), np.maximum(here, here + excess)
    slope, todo = np.full(len(size), -1.5), np.arange(len(size))
    root = size.copy()
    for _ in range(_MOST_STEPS):
        if not todo.size:
            break
        guess = np.clip(here - excess / slope, low, high)[todo]
        root[todo] = size = _size(coefficient[todo], np.exp(guess), cells)
        value = np.log(np.maximum(size, 1 / _CELLS)) - guess
        moved = guess - here[todo]
        rise = (value - excess[todo]) / np.where(moved == 0, np.inf, moved)
        slope[todo] = np.clip(rise, -4.0, -1.0)
        here[todo], excess[todo] = guess, value
        low[todo] = np.maximum(low[todo], np.minimum(guess, guess + value))
        high[todo] = np.minimum(high[todo], np.maximum(guess, guess + value))
        todo = todo[np.abs(value) > _TOLERANCE]
    return root
