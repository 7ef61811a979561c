"""Logistic regression with slopes that are not negative, for a handful of features."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import expit

from calibrant.metrics.common import Array

_MOST_STEPS = 100


def smoothed_targets(correct: Array) -> Array:
    """Platt's targets (n,): (n1 + 1)/(n1 + 2) for correct answers, 1/(n0 + 2) for incorrect.

    With them the likelihood has a finite maximum even where a score separates the classes.

    References
    ----------
    Platt, "Probabilistic outputs for support vector machines" (1999), section 2.2.
    """
    right = correct.sum()
    wrong = correct.size - right
    return np.asarray(np.where(correct == 1, (right + 1) / (right + 2), 1 / (wrong + 2)))


def fit_logistic(features: Array, target: Array) -> tuple[Array, float]:
    """Maximum likelihood of sigmoid(features @ slopes + intercept), slopes >= 0.

    The loss is convex, so the constrained minimum is the best among the minima with some slopes
    held at 0 that turn out not negative.

    Parameters
    ----------
    features : (n, d), finite, d small
    target : (n,) in (0, 1)

    Returns
    -------
    slopes (d,), intercept
    """
    center, scale = features.mean(axis=0), features.std(axis=0)
    varies = np.flatnonzero(scale > 1e-12 * (1 + np.abs(center)))
    unit = (features[:, varies] - center[varies]) / scale[varies]
    best, least = np.zeros(varies.size + 1), np.inf
    for size in range(varies.size, -1, -1):
        for kept in map(list, combinations(range(varies.size), size)):
            found, loss = _newton(np.column_stack([unit[:, kept], np.ones(len(unit))]), target)
            if (found[:-1] >= 0).all() and loss < least:
                best, least = np.zeros(varies.size + 1), loss
                best[[*kept, -1]] = found
        if size == varies.size and least < np.inf:
            break  # the unconstrained minimum
    slopes = np.zeros(features.shape[1])
    slopes[varies] = best[:-1] / scale[varies]
    return slopes, float(best[-1] - slopes @ center)


def _newton(design: Array, target: Array) -> tuple[Array, float]:
    """Newton's method with step halving; coefficients (k,) and the mean loss."""

    def loss_at(coefficients: Array) -> float:
        z = design @ coefficients
        return float(np.mean(np.logaddexp(0.0, z) - target * z))

    found = np.zeros(design.shape[1])
    loss = loss_at(found)
    for _ in range(_MOST_STEPS):
        p = expit(design @ found)
        gradient = design.T @ (p - target) / len(design)
        hessian = (design * (p * (1 - p))[:, None]).T @ design / len(design)
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        fall = float(gradient @ step)
        share = 1.0
        while loss_at(found - share * step) > loss - 1e-4 * share * fall and share > 1e-10:
            share /= 2
        if fall < 1e-15 or share <= 1e-10:
            break
        found = found - share * step
        loss = loss_at(found)
    return found, loss
