"""Bootstrap resamples as weights, and the intervals that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from calibrant.errors import InvalidData
from calibrant.metrics.common import Array, Measure

Level = Literal["group", "subject"]

_CHUNK = 1 << 22
_MOST_UNDEFINED = 0.05

Counts = npt.NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, kw_only=True)
class Resamples:
    """R resamples of n rows, as how often each row was drawn."""

    weights: Counts
    """(R, n) whole numbers: the `weights` of a metric."""
    subject_weights: Counts | None
    """(R, S), how often each subject was drawn; None at level "group"."""
    subjects: npt.NDArray[Any] | None
    """(S,) the subjects, sorted: the columns of `subject_weights`."""


def resample(
    groups: npt.ArrayLike,
    subjects: npt.ArrayLike | None = None,
    level: Level = "group",
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Resamples:
    """Draw what is independent with replacement: groups of rows, or subjects and then groups.

    "group": as many groups as there are, with all their rows; `subjects` is not used for drawing.
    For questions that could have been others of the same kind.

    "subject": as many subjects as there are, then within each drawn subject as many groups as it
    has, independently for each time it was drawn: for subjects that could have been others, too.
    Both stages are drawn with replacement, which counts the noise within subjects twice: the
    intervals are a little wide where subjects are small (Davison & Hinkley 1997, section 3.8).

    Parameters
    ----------
    groups : (n,), what each row belongs to; rows of one group are drawn together. Unique values
        for independent rows. At level "subject" a group in two subjects is drawn in each by itself.
    subjects : (n,), needed at level "subject"
    n_resamples : R
    seed : same seed, same draws, whatever the order of the rows

    Raises
    ------
    InvalidData
        Empty, of different lengths, or no subjects at level "subject".

    Examples
    --------
    >>> resample(["a", "a", "b"], n_resamples=4, seed=0).weights.shape
    (4, 3)
    """
    if level not in ("group", "subject"):
        raise InvalidData(f"level is {level!r}: there are 'group' and 'subject'.")
    if n_resamples < 1:
        raise InvalidData(f"n_resamples is {n_resamples!r}: at least 1 is needed.")
    group = _codes(groups, "groups")
    generator = np.random.default_rng(seed)
    if level == "group":
        once = np.ones(n_resamples, np.intp)
        counts = _draws(once, int(group.max()) + 1, generator)
        return Resamples(weights=counts[:, group], subject_weights=None, subjects=None)
    if subjects is None:
        raise InvalidData("level 'subject' needs the subject of every row.")
    return _two_stages(group, np.asarray(subjects), n_resamples, generator)


def _two_stages(
    group: npt.NDArray[np.intp],
    subjects: npt.NDArray[Any],
    n_resamples: int,
    generator: np.random.Generator,
) -> Resamples:
    """Subjects, then the groups of each as often as it was drawn."""
    subject = _codes(subjects, "subjects")
    if subject.size != group.size:
        raise InvalidData(f"{group.size} groups but {subject.size} subjects: give one of each.")
    drawn = _draws(np.ones(n_resamples, np.intp), int(subject.max()) + 1, generator)
    columns: list[Counts] = []
    position = np.empty(group.size, np.intp)
    for s in range(drawn.shape[1]):
        rows = np.flatnonzero(subject == s)
        inside = np.unique(group[rows], return_inverse=True)[1]
        position[rows] = inside + sum(c.shape[1] for c in columns)
        columns.append(_draws(drawn[:, s].astype(np.intp), int(inside.max()) + 1, generator))
    return Resamples(
        weights=np.concatenate(columns, axis=1)[:, position],
        subject_weights=drawn,
        subjects=np.unique(subjects),
    )


def _codes(labels: npt.ArrayLike, name: str) -> npt.NDArray[np.intp]:
    values = np.asarray(labels)
    if values.ndim != 1 or not values.size:
        raise InvalidData(f"{name} has shape {values.shape}: one value per row is needed.")
    return np.unique(values, return_inverse=True)[1]


def _draws(times: npt.NDArray[np.intp], size: int, generator: np.random.Generator) -> Counts:
    """Counts (R, size) of times[r] * size draws from `size` things."""
    step = max(1, _CHUNK // size)
    parts = []
    for i in range(0, times.size, step):
        here = times[i : i + step]
        row = np.repeat(np.arange(here.size) * size, here * size)
        cell = row + generator.integers(0, size, row.size)
        count = np.bincount(cell, minlength=here.size * size).reshape(here.size, size)
        parts.append(count.astype(np.min_scalar_type(int(count.max(initial=0)))))
    return np.concatenate(parts)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value and its percentile interval."""

    value: float
    low: float | None
    """None, as `high`, when more than 5 % of the replicates are undefined."""
    high: float | None
    level: float
    n_resamples: int
    n_undefined: int
    """Replicates (NaN) that were left out."""


def interval(value: float, replicates: npt.ArrayLike, *, level: float = 0.95) -> Interval:
    """The percentile interval of a metric from its replicates (R,).

    The interval of a difference is that of the difference of replicates made with the same
    weights: `interval(a - b, a_replicates - b_replicates)`. Percentile intervals of `ece`,
    `smooth_ece` and other measures that noise can only raise are shifted upwards: resampling adds
    the noise once more. They do not cover 0 when the truth is 0; compare with `ece_floor`.

    Parameters
    ----------
    value : the metric on the rows themselves
    replicates : (R,), the metric with the weights of `resample`; NaN is undefined
    level : in (0, 1)

    References
    ----------
    Efron & Tibshirani, "An introduction to the bootstrap" (1993), chapter 13.

    Examples
    --------
    >>> made = interval(0.5, np.linspace(0, 1, 101), level=0.9)
    >>> round(made.low, 6), round(made.high, 6)
    (0.05, 0.95)
    """
    values = np.asarray(replicates, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise InvalidData(f"replicates have shape {values.shape}: (R,) is needed.")
    if not 0 < level < 1:
        raise InvalidData(f"level is {level!r}: a number between 0 and 1 is needed.")
    defined = values[~np.isnan(values)]
    undefined = values.size - defined.size
    low: float | None = None
    high: float | None = None
    if undefined <= _MOST_UNDEFINED * values.size:
        ends, ranked = ((1 - level) / 2, (1 + level) / 2), np.sort(defined)
        if np.isfinite(ranked).all():  # as np.quantile, which takes much longer
            low, high = map(float, np.interp(ends, np.linspace(0, 1, ranked.size), ranked))
        else:  # between two infinite replicates there is nothing
            low, high = map(float, np.quantile(ranked, ends, method="inverted_cdf"))
    return Interval(
        value=float(value),
        low=low,
        high=high,
        level=level,
        n_resamples=values.size,
        n_undefined=undefined,
    )


def bootstrap(
    metric: Callable[..., Measure],
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    resamples: Resamples,
    *,
    level: float = 0.95,
    **options: Any,
) -> Interval:
    """`metric` on the rows and its percentile interval over `resamples`.

    Parameters
    ----------
    metric : a function (confidence, correct, weights, **options)
    confidence, correct : (n,)
    resamples : of these n rows
    """
    value = metric(confidence, correct, **options)
    replicates: Array = np.asarray(metric(confidence, correct, resamples.weights, **options))
    return interval(float(value), replicates, level=level)
