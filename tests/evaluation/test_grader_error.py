"""The grader's error in accuracy and calibration: by hand, by other estimators, by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calibrant import metrics
from calibrant.errors import InvalidData
from calibrant.evaluation.grader_error import accuracy, corrected, ece, mean_of, sample, upward
from calibrant.evaluation.table import Column, Table

SENSITIVITY, SPECIFICITY = 0.8, 0.9
N, N_HUMAN, N_WORLDS = 1500, 150, 120


def world(seed: int, shift: float = 0.0) -> tuple[np.ndarray, ...]:
    """(confidence, truth, grader's verdicts, people's verdicts on a random sample)."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 1.2, N)
    y = (rng.random(N) < np.clip(p - shift, 0, 1)).astype(float)
    right = rng.random(N) < np.where(y == 1, SENSITIVITY, SPECIFICITY)
    graded = np.where(right, y, 1 - y)
    human = np.full(N, np.nan)
    chosen = rng.choice(N, N_HUMAN, replace=False)
    human[chosen] = y[chosen]
    return p, y, graded, human


def test_accuracy_by_hand() -> None:
    graded = np.r_[np.ones(60), np.zeros(40)]
    human = np.full(100, np.nan)
    human[:12] = np.r_[np.ones(9), np.zeros(3)]
    human[60:68] = np.r_[np.ones(2), np.zeros(6)]
    drawn = sample(graded, human, np.arange(100))
    assert accuracy(drawn)[0] == pytest.approx(0.6 * 9 / 12 + 0.4 * 2 / 8)
    assert drawn.sensitivity[0] == pytest.approx(9 / 11)
    assert drawn.specificity[0] == pytest.approx(6 / 9)
    assert drawn.confusion == {
        "both_correct": 9,
        "only_human": 2,
        "only_grader": 3,
        "both_incorrect": 6,
    }


def test_post_stratification_is_tuned_prediction_powered_inference() -> None:
    _, _, graded, human = world(0)
    drawn = sample(graded, human, np.arange(N), n_resamples=2)
    ones, zeros = np.ones(N), np.zeros(N)
    assert mean_of(drawn, ones, zeros)[0] == pytest.approx(accuracy(drawn)[0], abs=1e-12)


def test_a_grader_without_errors_changes_nothing_but_is_not_certain() -> None:
    p, y, _, human = world(1, shift=0.1)
    drawn = sample(y, human, np.arange(N))
    assert accuracy(drawn)[0] == pytest.approx(y.mean())
    assert ece(drawn, p, 10)[0] == pytest.approx(metrics.ece(p, y))
    brier = mean_of(drawn, (1 - p) ** 2, p**2)
    assert brier[0] == pytest.approx(metrics.brier_score(p, y))
    exact = metrics.bootstrap(metrics.accuracy, p, y, metrics.resample(np.arange(N)), level=0.95)
    low, high = np.quantile(accuracy(drawn)[1:], [0.025, 0.975])
    assert high - low > exact.high - exact.low, "no error among 150 is not no error"


def test_all_answers_graded_by_people_gives_their_mean() -> None:
    p, y, graded, _ = world(2)
    drawn = sample(graded, y, np.arange(N), n_resamples=2)
    assert accuracy(drawn)[0] == pytest.approx(y.mean())
    assert mean_of(drawn, (1 - p) ** 2, p**2)[0] == pytest.approx(metrics.brier_score(p, y))


def _coverage(measure: Callable[..., np.ndarray], truth: Callable[..., float]) -> float:
    hits = []
    for seed in range(N_WORLDS):
        p, _, graded, human = world(seed, shift=0.15)
        drawn = sample(graded, human, np.arange(N), n_resamples=300, seed=seed)
        low, high = np.quantile(measure(drawn, p)[1:], [0.025, 0.975])
        hits.append(low <= truth() <= high)
    return float(np.mean(hits))


def _population() -> tuple[np.ndarray, np.ndarray]:
    """Confidences and the probabilities of being right behind them."""
    p = np.random.default_rng(99).beta(2, 1.2, 400_000)
    return p, np.clip(p - 0.15, 0, 1)


P, RIGHT = _population()
TRUTHS: dict[str, tuple[Callable[..., np.ndarray], float]] = {
    "accuracy": (lambda drawn, p: accuracy(drawn), float(RIGHT.mean())),
    "brier_score": (
        lambda drawn, p: mean_of(drawn, (1 - p) ** 2, p**2),
        float((RIGHT * (1 - P) ** 2 + (1 - RIGHT) * P**2).mean()),
    ),
    "ece": (
        lambda drawn, p: ece(drawn, p, 10),
        float(np.abs(np.bincount(np.minimum((P * 10).astype(int), 9), P - RIGHT)).sum() / P.size),
    ),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_intervals_cover_what_the_grader_alone_misses(name: str) -> None:
    measure, truth = TRUTHS[name]
    covered = _coverage(measure, lambda: truth)
    assert 0.90 <= covered <= 1.0, covered


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05])
def test_an_ece_near_nothing_is_covered(shift: float) -> None:
    p = np.random.default_rng(99).beta(2, 1.2, 400_000)
    gaps = p - np.clip(p - shift, 0, 1)
    truth = np.abs(np.bincount(np.minimum((p * 10).astype(int), 9), gaps)).sum() / p.size
    hits = []
    for seed in range(N_WORLDS // 2):
        confidence, _, graded, human = world(seed, shift=shift)
        drawn = sample(graded, human, np.arange(N), n_resamples=300, seed=seed)
        cell = upward(ece(drawn, confidence, 10))
        assert cell is not None and cell["low"] is not None and cell["high"] is not None
        hits.append(cell["low"] <= truth <= cell["high"])
    assert np.mean(hits) >= 0.85


def test_intervals_cover_when_people_found_no_error() -> None:
    """A grader that errs in 1 of 100 answers, of which people saw 100: often no error is seen."""
    n, n_human, rate, n_worlds = 3000, 100, 0.01, 150
    hits: dict[str, list[bool]] = {"brier_score": [], "log_loss": []}
    clean = []
    for seed in range(n_worlds):
        rng = np.random.default_rng(seed)
        p = np.where(rng.random(n) < 0.6, 0.95, 0.05)
        y = (rng.random(n) < p).astype(float)
        graded = np.where(rng.random(n) < rate, 1 - y, y)
        human = np.where(np.arange(n) < n_human, y, np.nan)
        drawn = sample(graded, human, np.arange(n), n_resamples=300, seed=seed)
        clean.append(not drawn.confusion["only_human"] + drawn.confusion["only_grader"])
        losses = {"brier_score": ((1 - p) ** 2, p**2), "log_loss": (-np.log(p), -np.log1p(-p))}
        truths = {
            "brier_score": 0.95 * 0.05,
            "log_loss": -0.95 * np.log(0.95) - 0.05 * np.log(0.05),
        }
        for name, of in losses.items():
            low, high = np.quantile(mean_of(drawn, *of)[1:], [0.025, 0.975])
            hits[name].append(bool(low <= truths[name] <= high))
    assert 40 < sum(clean) < 80
    for name, covered in hits.items():
        assert np.mean(covered) >= 0.9, (name, np.mean(covered))
        assert np.mean(np.array(covered)[clean]) >= 0.9, (name, "no error seen")


def test_the_graders_own_interval_misses() -> None:
    hits = {"accuracy": 0, "ece": 0}
    for seed in range(20):
        p, _, graded, _ = world(seed, shift=0.15)
        draws = metrics.resample(np.arange(N), n_resamples=200, seed=seed)
        for name in hits:
            found = metrics.bootstrap(getattr(metrics, name), p, graded, draws)
            hits[name] += found.low <= TRUTHS[name][1] <= found.high
    assert max(hits.values()) <= 5, hits


def table(p: np.ndarray, graded: np.ndarray) -> Table:
    n = len(p)
    words = {name: np.array([""] * n) for name in ("subject", "subset")}
    column = Column(estimator="probe", calibrator="platt", confidence=p, answered={})
    raw = Column(estimator="raw", calibrator="none", confidence=p, is_confidence=False, answered={})
    formats = np.array(["open"] * (n - 10) + ["choice"] * 10)
    return Table(
        model="m",
        correct=graded,
        group=np.arange(n).astype(str),
        format=formats,
        columns=(column, raw),
        **words,
    )


def test_a_table_is_corrected_by_format() -> None:
    p, y, graded, human = world(3, shift=0.15)
    graded[0], p = np.nan, np.where(np.arange(N) == 1, np.nan, p)
    choice, opened = corrected(table(p, graded), human, n_resamples=200)
    assert choice["format"] == "choice" and "at least 20" in choice["reason"]
    assert opened["n"] == N - 11 and opened["n_human"] <= N_HUMAN
    right = opened["accuracy"]
    assert right["corrected"]["low"] < y.mean() < right["corrected"]["high"]
    assert abs(right["graded"] - y.mean()) > 0.02
    (only,) = opened["columns"]
    assert only["estimator"] == "probe"
    for name in ("ece", "brier_score", "log_loss", "confidence_minus_accuracy"):
        cell = only[name]["corrected"]
        assert cell["low"] <= cell["value"] <= cell["high"]
    gap = only["confidence_minus_accuracy"]["corrected"]["value"]
    assert gap == pytest.approx(0.15, abs=0.06)


def test_what_cannot_be_corrected() -> None:
    with pytest.raises(InvalidData, match="at least 20"):
        sample(np.ones(50), np.r_[np.ones(5), np.full(45, np.nan)], np.arange(50))
    with pytest.raises(InvalidData, match="one of the grader's verdicts"):
        sample(np.ones(50), np.ones(50), np.arange(50))
    with pytest.raises(InvalidData, match="0 and 1"):
        sample(np.full(50, np.nan), np.ones(50), np.arange(50))
    coin = np.arange(100) % 2
    drawn = sample(coin, (np.arange(100) // 2) % 2, np.arange(100), n_resamples=5)
    assert np.isnan(ece(drawn, np.full(100, 0.5), 10)[0]), "a grader that tells nothing"
