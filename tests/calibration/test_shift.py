"""Subjects and base rates: what each calibrator can repair, and what it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from calibrant.calibration import BySubject, Platt
from calibrant.calibration.cross_fitting import cross_fit
from calibrant.errors import InvalidData
from calibrant.metrics import auroc, ece
from calibrant.registry import get, variants

ALL = variants("calibration")
LEARNED = [name for name in ALL if name != "none"]
BEFORE, AFTER = 0.74, 0.39
"""Accuracy in validation and in test, as in the paper."""


def drawn(rate: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose distributions given the verdict never change: only the base rate does.

    The score claims twice the log-odds that it should, and 3 too much.
    """
    generator = np.random.default_rng(seed)
    correct = generator.random(n) < rate
    evidence = generator.normal(np.where(correct, 0.75, -0.75), np.sqrt(1.5))
    return 2 * evidence + logit(BEFORE) + 3, correct


@pytest.mark.parametrize("name", LEARNED)
def test_a_base_rate_shift_needs_a_new_bias(name: str) -> None:
    scores, correct = drawn(BEFORE, 3000, 0)
    test, right = drawn(AFTER, 20_000, 1)
    held, held_right = drawn(BEFORE, 20_000, 2)
    fitted = get("calibration", name)().fit(scores, correct)
    # In the domain it was fitted on: all but the temperature, which has no bias.
    found = ece(fitted.confidence(held), held_right)
    assert 0.05 < found < 0.12 if name == "temperature" else found < 0.03
    # In the other: none, since no map from scores alone can know the rate.
    before = fitted.confidence(test)
    assert before.mean() - AFTER > 0.1 and ece(before, right) > 0.1
    # Forty labels of it: all, and the order of answers stays.
    few, few_right = drawn(AFTER, 40, 3)
    moved = fitted.shifted(few, few_right)
    after = moved.confidence(test)
    assert abs(after.mean() - AFTER) < 0.08 and ece(after, right) < 0.09
    assert auroc(after, right) == pytest.approx(auroc(before, right), abs=1e-3)
    # With many labels what is left is the map's own error, and only the temperature has one.
    many = ece(fitted.shifted(*drawn(AFTER, 20_000, 4)).confidence(test), right)
    assert 0.035 < many < 0.08 if name == "temperature" else many < 0.03
    assert moved.shift < 0 and get("calibration", name)().fit(scores, correct) == fitted


def test_a_shift_by_hand() -> None:
    """All confidences 1/2 and 3 of 4 right: Platt's targets 4/5 and 1/3, log-odds of their mean."""
    fitted = get("calibration", "none")().fit([0.0, 0.0], [0, 1])
    moved = fitted.shifted([0.0] * 4 + [np.nan], [1, 1, 1, 0, 1])
    assert moved.shift == pytest.approx(logit((3 * 4 / 5 + 1 / 3) / 4))
    again = moved.shifted([0.0] * 4, [1, 1, 1, 0])
    assert again.shift == pytest.approx(moved.shift)  # fitted anew, not on top of the last
    assert fitted.shifted([0.0] * 30, [1] * 30).confidence([0.0])[0] == pytest.approx(31 / 32)
    with pytest.raises(InvalidData, match="missing"):
        fitted.shifted([np.nan], [1])


def test_a_mix_of_subjects_is_repaired_by_subject_and_by_no_other() -> None:
    """Rates of 90 % and 30 %; validation is mostly of the easy subject, the test of the hard."""
    rates = {"easy": 0.9, "hard": 0.3}

    def mixed(share_easy: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        subject = np.where(generator.random(n) < share_easy, "easy", "hard")
        correct = generator.random(n) < np.vectorize(rates.get)(subject)
        return generator.normal(np.where(correct, 0.5, -0.5)), correct, subject

    scores, correct, subject = mixed(0.75, 2000, 0)
    test, right, of = mixed(0.1, 20_000, 1)
    found = {
        name: ece(
            get("calibration", name)().fit(scores, correct, subject).confidence(test, of), right
        )
        for name in LEARNED
    }
    assert found.pop("by_subject") < 0.03
    assert min(found.values()) > 0.1
    # A subject that it has not met gets the common map: that shift is beyond it, too.
    fitted = BySubject().fit(scores, correct, subject)
    assert ece(fitted.confidence(test, np.full(test.size, "new")), right) > 0.1


def test_small_subjects_do_not_overfit() -> None:
    """300 subjects of 6 answers: better than the common map and than each subject's own rate."""
    generator = np.random.default_rng(5)
    shift = generator.normal(0, 0.8, 300)
    subject = np.repeat(np.arange(300), 6)

    def answers() -> tuple[np.ndarray, np.ndarray]:
        score = generator.normal(0.5, 1.0, subject.size)
        return score, generator.random(subject.size) < expit(score + shift[subject])

    (scores, correct), (test, right) = answers(), answers()
    loss = {"by_subject": BySubject(), "platt": Platt()}
    loss = {
        name: np.mean((kind.fit(scores, correct, subject).confidence(test, subject) - right) ** 2)
        for name, kind in loss.items()
    }
    own = np.bincount(subject, correct) / 6
    loss["own rate"] = np.mean((own[subject] - right) ** 2)
    assert loss["by_subject"] < loss["platt"] - 0.005
    assert loss["by_subject"] < loss["own rate"] - 0.02
    fitted = BySubject().fit(scores, correct, subject)
    assert fitted.spread == pytest.approx(0.8, abs=0.2)
    assert np.std(fitted.shifts) < 0.8 * fitted.spread


def test_subjects_that_do_not_differ_get_no_shift() -> None:
    """Eight subjects with the very same answers."""
    generator = np.random.default_rng(6)
    scores = generator.normal(size=50)
    correct = np.tile(generator.random(50) < expit(scores), 8)
    scores, subject = np.tile(scores, 8), np.repeat(np.arange(8), 50)
    fitted, common = BySubject().fit(scores, correct, subject), Platt().fit(scores, correct)
    assert fitted.spread == 0 and set(fitted.shifts) == {0.0}
    np.testing.assert_allclose(
        fitted.confidence(scores, np.full(400, "new")), common.confidence(scores)
    )
    np.testing.assert_allclose(fitted.confidence(scores), common.confidence(scores))


def test_a_shift_is_shrunk_as_worked_by_hand() -> None:
    """The posterior mean from the fitted spread, by plain summation over a finer grid."""
    scores = np.zeros(60)
    correct = np.r_[np.ones(28), np.zeros(2), np.ones(2), np.zeros(28)]
    subject = np.repeat(["a", "b"], 30)
    fitted = BySubject().fit(scores, correct, subject)
    grid = np.linspace(-12, 12, 20_001)
    p = expit(fitted.intercept + grid)
    weight = p**28 * (1 - p) ** 2 * np.exp(-0.5 * (grid / fitted.spread) ** 2)
    assert fitted.shifts[0] == pytest.approx((weight @ grid) / weight.sum(), abs=1e-3)
    assert fitted.shifts == pytest.approx((fitted.shifts[0], -fitted.shifts[0]))


def test_subjects_are_one_per_row() -> None:
    with pytest.raises(InvalidData, match="one per row"):
        Platt().fit([0.0, 1.0], [0, 1], ["a"])


def test_cross_fitted_by_subject() -> None:
    """Subjects are told of the rows that are judged, not only of those that are learned from."""
    rng = np.random.default_rng(0)
    scores, subject = rng.normal(0, 1, 400), np.repeat(["a", "b"], 200)
    correct = (rng.random(400) < np.where(subject == "a", 0.9, 0.2)).astype(float)
    made = cross_fit(BySubject(), scores, correct, np.arange(400), subjects=subject)
    assert made[subject == "a"].mean() > made[subject == "b"].mean() + 0.4
