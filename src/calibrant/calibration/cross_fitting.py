"""Out-of-fold confidences: every answer is calibrated by answers of other groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibrant.calibration.calibrator import Calibrator, check_scores, check_subjects
from calibrant.errors import InvalidData
from calibrant.metrics.common import Array, check_correct


def cross_fit(
    calibrator: Calibrator,
    scores: npt.ArrayLike,
    correct: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    subjects: npt.ArrayLike | None = None,
    n_folds: int = 5,
    seed: int = 0,
) -> Array:
    """The confidence (n,) of each answer from a calibrator fitted on the other folds.

    A group (a question, say) is never on both sides. Groups are shuffled, then dealt out largest
    first, each to the fold with the fewest rows; the folds do not depend on row order.

    Parameters
    ----------
    calibrator : settings
    scores : (n,) log-odds; NaN is missing and stays so
    correct : (n,) of 0 and 1
    groups : (n,)
    subjects : (n,) names, for calibrators that look at them
    n_folds : at least 2, at most the number of groups

    Raises
    ------
    InvalidData
        Lengths differ, or there are fewer groups than folds.
    TooFewClasses
        The other folds of some fold hold one class only: use fewer folds.
    """
    s, y, labels = check_scores(scores), check_correct(correct), np.asarray(groups)
    if not s.shape == y.shape == labels.shape:
        raise InvalidData(
            f"{s.size} scores, {y.size} verdicts and groups of shape {labels.shape}:"
            " give one of each per row."
        )
    names = check_subjects(subjects, s.size)
    fold = _folds(labels, n_folds, np.random.default_rng(seed))
    made = np.full(s.size, np.nan)
    for k in range(n_folds):
        out = fold == k
        fitted = calibrator.fit(s[~out], y[~out], names[~out])
        made[out] = fitted.confidence(s[out], names[out])
    return made


def _folds(
    groups: npt.NDArray[np.generic], n_folds: int, generator: np.random.Generator
) -> npt.NDArray[np.intp]:
    names, member, size = np.unique(groups, return_inverse=True, return_counts=True)
    if not 2 <= n_folds <= names.size:
        raise InvalidData(f"n_folds is {n_folds!r}: 2 to {names.size} (the groups) are possible.")
    shuffled = generator.permutation(names.size)
    fold_of, rows = np.empty(names.size, np.intp), np.zeros(n_folds)
    for g in shuffled[np.argsort(-size[shuffled], kind="stable")]:
        fold_of[g] = smallest = int(np.argmin(rows))
        rows[smallest] += size[g]
    return fold_of[member]
