"""From which confidence on does a person follow the model?

A person who follows from a threshold on agrees often above it, and below it as often as their own
answer happens to be the model's, which is another share for right predictions than for wrong ones.
The shares are unknown; they are integrated out under Beta priors, which leaves a posterior over the
threshold alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from calibrant.errors import InvalidData
from calibrant.study.data import Row

ABOVE = (40.0, 2.0)
"""Beta prior of agreement above the threshold: nearly always, some lapses aside."""
BELOW = ((2.0, 8.0), (2.0, 2.0))
"""Beta priors of agreement below it, with wrong predictions (one's own mistake is seldom the
model's) and with right ones."""
SAME = (1.0, 1.0)
"""Beta prior of agreement for somebody who has no threshold."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """One person's threshold."""

    value: float
    """Posterior median, in [0, 1]."""
    low: float
    """Lower end of the 95 % interval: the posterior's 2.5 % quantile, moved out to the next
    confidence shown. No answer tells apart thresholds between neighbouring ones, and people's,
    which are round, often lie at the end of such a gap."""
    high: float
    """Upper end, from the 97.5 % quantile."""
    evidence: float
    """Log Bayes factor for a threshold over none: one share of agreement throughout."""


def threshold(
    confidence: NDArray[np.float64], agrees: NDArray[np.float64], right: NDArray[np.float64]
) -> Threshold:
    """A person's threshold.

    Parameters
    ----------
    confidence : (n,) in [0, 1], as shown
    agrees : (n,) of 0 and 1
    right : (n,) of 0 and 1, whether the prediction was right

    Raises
    ------
    InvalidData
        Without answers.
    """
    if not confidence.size:
        raise InvalidData("no answers with a confidence: there is no threshold to find")
    values, place = np.unique(confidence, return_inverse=True)
    log, same = np.zeros(values.size + 1), np.zeros(1)
    above_n, above_k = np.zeros(values.size + 1), np.zeros(values.size + 1)
    for verdict, prior in enumerate(BELOW):
        here = right == verdict
        n = np.bincount(place[here], minlength=values.size).astype(float)
        k = np.bincount(place[here], agrees[here], minlength=values.size)
        below_n, below_k = np.r_[0, n.cumsum()], np.r_[0, k.cumsum()]
        above_n, above_k = above_n + n.sum() - below_n, above_k + k.sum() - below_k
        log += _marginal(below_k, below_n, prior)
        same += _marginal(k.sum(), n.sum(), SAME)
    log += _marginal(above_k, above_n, ABOVE)
    edges = np.r_[0.0, values, 1.0]  # between neighbouring values all thresholds are alike
    with np.errstate(divide="ignore"):
        log = log + np.log(np.diff(edges))
    weight = np.exp(log - log.max())
    cumulated = np.r_[0, np.cumsum(weight / weight.sum())]
    middle = np.interp(0.5, cumulated, edges)
    low = edges[np.searchsorted(cumulated, 0.025, "right") - 1]
    high = edges[np.searchsorted(cumulated, 0.975)]
    always = _marginal(agrees.sum(), float(agrees.size), ABOVE)
    evidence = log.max() + np.log(weight.sum()) - np.logaddexp(same[0], always) + np.log(2)
    return Threshold(value=float(middle), low=float(low), high=float(high),
                     evidence=float(evidence))  # fmt: skip


def _marginal(
    k: NDArray[np.float64] | float, n: NDArray[np.float64] | float, prior: tuple[float, float]
) -> NDArray[np.float64]:
    """Log probability of k agreements in n, the share integrated out."""
    made = betaln(k + prior[0], n - k + prior[1]) - betaln(*prior)
    return np.asarray(made, dtype=np.float64)


def thresholds(trials: Sequence[Row]) -> dict[str, Threshold]:
    """Participant -> threshold, of all who saw confidences (as shown: whole per cents)."""
    parts: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for row in trials:
        if row["confidence_shown"]:
            told = (round(row["confidence"], 2), float(row["agrees"]), float(row["model_correct"]))
            parts[row["participant"]].append(told)
    return {name: threshold(*map(np.array, zip(*pairs))) for name, pairs in parts.items()}
