"""A logistic regression on a few numbers of an answer, which others build on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from calibrant.errors import NothingGraded, TooFewClasses


@dataclass(frozen=True, kw_only=True)
class LogisticHead:
    """Standardised features, weighted and summed: log-odds."""

    mean: list[float]
    """Of each feature, in the training answers."""
    spread: list[float]
    """Standard deviation of each feature; 1 where it does not vary."""
    weights: list[float]
    """Of each standardised feature."""
    bias: float
    """In log-odds."""

    @staticmethod
    def fit(
        features: NDArray[Any], correct: NDArray[Any], *, strength: float = 1.0, why: str = ""
    ) -> LogisticHead:
        """Maximum likelihood with an L2 penalty; rows that are not finite are left out.

        Parameters
        ----------
        features : (N, D)
        correct : (N,) of 0 and 1
        strength
            Inverse of the penalty, as scikit-learn's C.
        why
            Said when no row is whole.
        """
        known = np.isfinite(features).all(1)
        if not known.any():
            raise NothingGraded(f"no graded answer to fit on: {why}")
        rows, correct = features[known], correct[known]
        if correct.min() == correct.max():
            kind = "correct" if correct[0] else "incorrect"
            raise TooFewClasses(f"all {len(rows)} answers to fit on are {kind}: nothing to learn")
        mean, spread = rows.mean(0), rows.std(0)
        spread[spread <= 1e-9 * (1 + np.abs(mean))] = 1.0  # constant, but for rounding
        head = LogisticRegression(C=strength, max_iter=2000)
        head.fit((rows - mean) / spread, correct)
        return LogisticHead(
            mean=mean.tolist(),
            spread=spread.tolist(),
            weights=head.coef_[0].tolist(),
            bias=float(head.intercept_[0]),
        )

    def score(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Log-odds (N,), NaN where a feature is."""
        scaled = (features - np.array(self.mean)) / np.array(self.spread)
        return np.asarray(scaled @ np.array(self.weights) + self.bias, dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)
