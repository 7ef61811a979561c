"""Log loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibrant.errors import InvalidData
from calibrant.metrics.common import Array, Measure, checked, mean, measure


def log_loss(
    confidence: npt.ArrayLike,
    correct: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    clip: float | None = None,
) -> Measure:
    """Mean negative log-likelihood of the verdicts, in nats; 0 is perfect, lower is better.

    Without `clip` it is infinite when an incorrect answer has confidence 1 or a correct one 0:
    that is what such a confidence claims. A published log loss of confidences that touch 0 or 1
    depends on its clip alone: 432 of the 816 verbalised confidences of Vicuna-7B on TruthfulQA
    are 1, and 6.48 at clip 1e-6 becomes 12.01 at 1e-12 (the clip of shared/data's reference).

    Parameters
    ----------
    confidence : (n,) in [0, 1]
    correct : (n,) of 0 and 1
    weights : None, (n,) or (R, n), how often each row counts
    clip : confidences are clipped into [clip, 1 - clip]; in (0, 0.5)

    Returns
    -------
    float in [0, inf], or (R,) for weights (R, n): NaN where a replicate is empty.

    References
    ----------
    Good, "Rational decisions", JRSS B 14 (1952).

    Examples
    --------
    >>> round(log_loss([0.5, 0.5], [0, 1]), 4)
    0.6931
    >>> log_loss([1.0, 0.5], [0, 1])
    inf
    """
    p, y = checked(confidence, correct)
    if clip is not None:
        if not 0 < clip < 0.5:
            raise InvalidData(f"clip is {clip!r}: a number between 0 and 0.5 is needed, or None.")
        p = np.clip(p, clip, 1 - clip)
    with np.errstate(divide="ignore"):
        loss = np.where(y == 1, -np.log(p), -np.log1p(-p))
    never = np.isinf(loss)
    finite = np.where(never, 0.0, loss)

    def kernel(w: Array) -> Array:
        values = mean(w, finite)
        return np.where(w @ never > 0, np.inf, values) if never.any() else values

    return measure(kernel, p.size, weights)
