"""Resamples, intervals, means over subjects."""

import numpy as np
import pytest

from calibrant.errors import InvalidData
from calibrant.metrics import (
    accuracy,
    aurc,
    auroc,
    bootstrap,
    brier_score,
    ece,
    interval,
    resample,
    selective_accuracy,
    smooth_ece,
    subject_mean,
)


def test_groups_are_drawn_whole():
    groups = np.array(["b", "a", "b", "c", "c", "c"])
    made = resample(groups, n_resamples=500, seed=1)
    assert made.weights.shape == (500, 6) and made.weights.dtype == np.uint8
    assert made.subject_weights is None and made.subjects is None
    assert (made.weights[:, 0] == made.weights[:, 2]).all()
    assert (made.weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert made.weights.mean() == pytest.approx(1, abs=0.1)


def test_subjects_are_drawn_and_groups_within_them():
    subjects = np.repeat(["x", "y", "z"], [4, 6, 2])
    groups = np.array([1, 1, 2, 3, 1, 2, 3, 4, 5, 5, 9, 9])  # 1 is in x and in y: two groups
    made = resample(groups, subjects, "subject", n_resamples=4000, seed=1)
    drawn = made.subject_weights
    assert made.subjects.tolist() == ["x", "y", "z"]
    assert (drawn.sum(axis=1) == 3).all()
    assert (made.weights[:, [0, 2, 3]].sum(axis=1) == 3 * drawn[:, 0]).all()
    assert (made.weights[:, [4, 5, 6, 7, 8]].sum(axis=1) == 5 * drawn[:, 1]).all()
    assert (made.weights[:, 10] == drawn[:, 2]).all()
    assert (made.weights[:, 0] == made.weights[:, 1]).all()
    # twice drawn: the six draws from three groups are independent, variance 6 * 2/9
    twice = made.weights[drawn[:, 0] == 2][:, 2]
    assert twice.var() == pytest.approx(6 * 2 / 9, rel=0.15)


@pytest.mark.parametrize("level", ["group", "subject"])
def test_draws_do_not_depend_on_row_order(level):
    generator = np.random.default_rng(0)
    subjects, groups = generator.integers(0, 5, 80), generator.integers(0, 30, 80)
    order = generator.permutation(80)
    one = resample(groups, subjects, level, n_resamples=20, seed=3)
    two = resample(groups[order], subjects[order], level, n_resamples=20, seed=3)
    assert (one.weights[:, order] == two.weights).all()
    other = resample(groups, subjects, level, n_resamples=20, seed=4)
    assert (one.weights != other.weights).any()


def test_bad_resamples():
    with pytest.raises(InvalidData, match="groups"):
        resample([])
    with pytest.raises(InvalidData, match="subject of every row"):
        resample([1, 2], level="subject")
    with pytest.raises(InvalidData, match="2 groups but 1"):
        resample([1, 2], [1], "subject")
    with pytest.raises(InvalidData, match="'group' and 'subject'"):
        resample([1, 2], level="rows")
    with pytest.raises(InvalidData, match="n_resamples"):
        resample([1, 2], n_resamples=0)


def test_large_counts_fit():
    made = resample([0] * 3, n_resamples=2)
    assert (made.weights == 1).all()
    one_subject = resample(np.arange(3), ["s"] * 3, "subject", n_resamples=5)
    assert (one_subject.weights.sum(axis=1) == 3).all()


# --- intervals


def test_interval_by_hand():
    made = interval(3.0, np.arange(101.0), level=0.9)
    assert (made.value, made.low, made.high) == pytest.approx((3, 5, 95))
    assert (made.n_resamples, made.n_undefined, made.level) == (101, 0, 0.9)


def test_undefined_replicates_are_counted_and_too_many_leave_no_interval():
    replicates = np.arange(100.0)
    replicates[:5] = np.nan
    made = interval(1.0, replicates)
    assert made.n_undefined == 5 and made.low == pytest.approx(5 + 0.025 * 94)
    replicates[5] = np.nan
    made = interval(1.0, replicates)
    assert (made.n_undefined, made.low, made.high) == (6, None, None)
    assert interval(1.0, np.full(3, np.nan)).low is None


def test_infinite_replicates():
    made = interval(np.inf, np.r_[np.zeros(50), np.full(50, np.inf)])
    assert (made.low, made.high) == (0.0, np.inf)


def test_bad_intervals():
    with pytest.raises(InvalidData, match="replicates"):
        interval(0.5, [])
    with pytest.raises(InvalidData, match="level"):
        interval(0.5, [1.0, 2.0], level=95)


def test_a_paired_difference_of_the_same_estimator_is_zero():
    generator = np.random.default_rng(0)
    p = generator.random(200)
    y = generator.random(200) < p
    made = resample(np.arange(200))
    better, worse = brier_score(p, y, made.weights), brier_score(p**2, y, made.weights)
    same = interval(0.0, better - better)
    assert (same.low, same.high) == (0, 0)
    paired = interval(brier_score(p, y) - brier_score(p**2, y), better - worse)
    apart = interval(0.0, better - np.roll(worse, 1))
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_bootstrap_is_the_metric_and_its_interval():
    generator = np.random.default_rng(0)
    p = generator.random(100)
    y = generator.random(100) < p
    made = resample(np.arange(100), n_resamples=50)
    found = bootstrap(ece, p, y, made, n_bins=5)
    assert found == interval(ece(p, y, n_bins=5), ece(p, y, made.weights, n_bins=5))


def clustered(generator, n_groups, chance):
    """Groups of 1 to 4 rows that share their verdict; `chance` (n_groups,) of being right."""
    size = generator.integers(1, 5, n_groups)
    right = generator.random(n_groups) < chance
    return np.repeat(np.arange(n_groups), size), np.repeat(right, size)


def test_group_intervals_cover_the_truth():
    """300 data sets of 100 groups; the standard error of a coverage of 0.95 is 0.013.

    The band, 0.91 to 0.985, is 3 standard errors around the 0.945 that a percentile interval of
    100 clusters has. Drawing single rows, as if they were independent, covers far less.
    """
    generator = np.random.default_rng(7)
    covered, naive, trials = 0, 0, 300
    for trial in range(trials):
        groups, y = clustered(generator, 100, np.full(100, 0.6))
        p = np.full(y.size, 0.5)
        for drawn in ("groups", "rows"):
            made = resample(
                groups if drawn == "groups" else np.arange(y.size), n_resamples=400, seed=trial
            )
            found = bootstrap(accuracy, p, y, made)
            hit = found.low <= 0.6 <= found.high
            covered, naive = (
                covered + (hit and drawn == "groups"),
                naive + (hit and drawn == "rows"),
            )
    assert 0.91 <= covered / trials <= 0.985
    assert naive / trials < 0.85


def test_subject_intervals_cover_the_truth():
    """200 data sets of 30 subjects, for the mean over subjects; standard error 0.015.

    Two effects oppose: 30 units make a percentile interval short (about 0.935), the noise within
    subjects counts twice (see `resample`), which makes it wide: the band is 0.90 to 0.99. Drawing
    groups only, as if the subjects were fixed, covers far less.
    """
    generator = np.random.default_rng(11)
    covered, fixed, trials = 0, 0, 200
    for trial in range(trials):
        chance = generator.beta(6, 4, 30)  # a mean of 0.6 over all subjects there could be
        parts = [clustered(generator, 25, np.full(25, c)) for c in chance]
        subject = np.repeat(np.arange(30), [len(y) for _, y in parts])
        groups = np.concatenate([g for g, _ in parts]) + 100 * subject
        y = np.concatenate([y for _, y in parts])
        p = np.full(y.size, 0.5)
        value = subject_mean(accuracy, p, y, subject).value
        for level in ("subject", "group"):
            made = resample(groups, subject, level, n_resamples=300, seed=trial)
            means = subject_mean(accuracy, p, y, subject, made.weights, made.subject_weights)
            found = interval(value, means.value)
            hit = found.low <= 0.6 <= found.high
            covered, fixed = (
                covered + (hit and level == "subject"),
                fixed + (hit and level == "group"),
            )
    assert 0.90 <= covered / trials <= 0.99
    assert fixed / trials < 0.8


# --- means over subjects


def test_subject_mean_by_hand():
    p = [0.9, 0.1, 0.8, 0.3, 0.5, 0.5, 0.2]
    y = [1, 0, 0, 1, 1, 1, 0]
    subject = list("aabbccd")
    found = subject_mean(auroc, p, y, subject, minimum=2)
    assert found.value == 0.5  # a 1, b 0; c has one class, d one row
    assert (found.n_subjects, found.n_undefined, found.n_too_small) == (2, 1, 1)
    assert found.subjects.tolist() == list("abcd")
    np.testing.assert_array_equal(found.by_subject, [1, 0, np.nan, np.nan])
    everything = subject_mean(ece, p, y, subject, n_bins=5)
    assert everything.value == pytest.approx(
        np.mean(
            [
                ece(np.array(p)[i], np.array(y)[i], n_bins=5)
                for i in ([0, 1], [2, 3], [4, 5], 6 * [6])
            ]
        )
    )


@pytest.mark.parametrize("metric", [auroc, ece, brier_score])
def test_subject_mean_is_that_of_each_subject_alone(metric):
    rng = np.random.default_rng(0)
    p, subject = np.round(rng.random(300), 1), rng.integers(0, 25, 300)
    y = (rng.random(300) < p).astype(float)
    y[subject == 3] = 1  # one class
    weights = rng.poisson(1, (40, 300))
    weights[0, subject == 5] = 0  # not drawn
    found = subject_mean(metric, p, y, subject, weights)
    for k in range(25):
        rows = subject == k
        alone = metric(p[rows], y[rows], weights[:, rows])
        np.testing.assert_allclose(found.by_subject[:, k], alone, rtol=1e-12)
    assert found.n_undefined == (metric is auroc)
    assert np.isnan(found.by_subject[0, 5])


def test_subject_mean_among_replicates():
    p = [0.9, 0.1, 0.8, 0.3]
    y = [1, 0, 0, 1]
    weights = [[1, 1, 1, 1], [1, 1, 2, 0], [0, 0, 2, 2], [2, 0, 0, 2]]
    drawn = [[1, 1], [1, 1], [0, 2], [1, 1]]
    found = subject_mean(auroc, p, y, list("aabb"), weights, drawn)
    # all; b of one class is left out; a not drawn; none defined
    np.testing.assert_array_equal(found.value, [0.5, 1, 0, np.nan])
    assert found.by_subject.shape == (4, 2)
    once = subject_mean(auroc, p, y, list("aabb"), weights)
    np.testing.assert_array_equal(once.value, found.value)
    heavy = subject_mean(accuracy, p, y, list("abbb"), [1, 1, 1, 1], [3, 1])
    assert heavy.value == pytest.approx((3 * 1 + 1 / 3) / 4)


def test_subject_mean_refuses_what_does_not_fit():
    with pytest.raises(InvalidData, match="no subject is left: 0 have"):
        subject_mean(auroc, [0.1, 0.2], [1, 0], ["a", "b"])
    with pytest.raises(InvalidData, match="one per row"):
        subject_mean(accuracy, [0.1, 0.2], [1, 0], ["a"])
    with pytest.raises(InvalidData, match="subject_weights"):
        subject_mean(accuracy, [0.1, 0.2], [1, 0], ["a", "b"], [[1, 1]], [1, 1])
    with pytest.raises(InvalidData, match="n_bins"):
        subject_mean(ece, [0.1, 0.2], [1, 0], ["a", "b"], n_bins=0)


def test_subject_mean_leaves_out_subjects_that_cover_nothing():
    found = subject_mean(selective_accuracy, [0.9, 0.1], [1, 0], ["a", "b"], threshold=0.5)
    assert (found.value, found.n_subjects, found.n_undefined) == (1.0, 1, 1)


@pytest.mark.parametrize("metric", [accuracy, aurc, smooth_ece, brier_score])
def test_subject_mean_of_one_subject_is_the_metric(metric):
    generator = np.random.default_rng(0)
    p = generator.random(50)
    y = generator.random(50) < p
    weights = generator.integers(0, 3, (4, 50))
    assert subject_mean(metric, p, y, ["s"] * 50).value == pytest.approx(metric(p, y))
    found = subject_mean(metric, p, y, ["s"] * 50, weights).value
    np.testing.assert_allclose(found, metric(p, y, weights))
