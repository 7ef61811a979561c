import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrant.errors import InvalidData
from calibrant.metrics import bin_edges, bin_index, reliability_diagram

probabilities = st.lists(
    st.one_of(st.floats(0, 1), st.sampled_from([0, 0.1, 0.3, 0.7, 1])), min_size=1, max_size=40
)


def test_every_tenth_is_in_the_bin_that_it_starts_and_one_in_the_last():
    tenths = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert bin_index(tenths).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]


@pytest.mark.parametrize("n_bins", [1, 2, 3, 7, 10, 15, 49, 100])
def test_edges_are_left_closed(n_bins):
    edges = bin_edges(n_bins)
    assert (edges[0], edges[-1], edges.size) == (0, 1, n_bins + 1)
    assert bin_index(edges[:-1], n_bins).tolist() == list(range(n_bins))
    assert bin_index(np.nextafter(edges[1:], 0), n_bins).tolist() == list(range(n_bins))


def test_values_that_multiplication_would_misplace():
    assert 0.29 * 100 < 29 and bin_index([0.29], 100).tolist() == [29]
    assert int(0.3 / 0.1) == 2 and bin_index([0.3]).tolist() == [3]


@settings(deadline=None)
@given(probabilities, st.integers(1, 20), st.sampled_from(["uniform", "quantile"]))
def test_every_row_is_in_one_bin_and_bins_rise_with_confidence(p, n_bins, strategy):
    index = bin_index(p, n_bins, strategy)
    assert np.bincount(index, minlength=n_bins).sum() == len(p)
    assert index.min() >= 0 and index.max() < n_bins
    order = np.argsort(p, kind="stable")
    assert (np.diff(index[order]) >= 0).all()
    assert all(len({i for q, i in zip(p, index) if q == v}) == 1 for v in p)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 12), st.randoms(use_true_random=False))
def test_quantile_bins_without_ties_differ_by_one_row_at_most(n, n_bins, random):
    p = [(i + 0.5) / n for i in random.sample(range(n), n)]
    counts = np.bincount(bin_index(p, n_bins, "quantile"), minlength=n_bins)
    assert counts.max() - counts.min() <= 1


def test_quantile_by_hand():
    # blocks: 0.2 has ranks 0-1 (middle 1 of 8), 0.9 ranks 1-5 (middle 3), then 5.5, 6.5, 7.5
    p = [0.9, 0.2, 0.9, 0.95, 0.9, 0.97, 0.9, 1.0]
    assert bin_index(p, 4, "quantile").tolist() == [1, 0, 1, 2, 1, 3, 1, 3]
    assert bin_index([1.0, 1.0, 1.0], 5, "quantile").tolist() == [2, 2, 2]
    assert bin_index([0.0], 1, "quantile").tolist() == [0]


def test_quantile_bins_follow_the_weights():
    w = np.array([[1, 1, 1, 1], [0, 0, 2, 2], [3, 0, 0, 1], [0, 0, 0, 0]], float)
    index = bin_index([0.1, 0.2, 0.3, 0.4], 2, "quantile", w)
    assert index[0].tolist() == [0, 0, 1, 1]
    assert index[1, 2:].tolist() == [0, 1]
    assert index[2, [0, 3]].tolist() == [0, 1]


@pytest.mark.parametrize("n_bins", [0, -1, 2.5, True, None])
def test_bad_n_bins(n_bins):
    with pytest.raises(InvalidData, match="n_bins"):
        bin_index([0.5], n_bins)


def test_bad_strategy():
    with pytest.raises(InvalidData, match="'uniform' and 'quantile'"):
        bin_index([0.5], strategy="equal")


def test_reliability_diagram_by_hand():
    made = reliability_diagram([0.0, 0.1, 0.1, 0.95, 1.0, 1.0], [0, 0, 1, 1, 1, 0])
    assert made.count.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 3]
    assert made.confidence[[0, 1, 9]] == pytest.approx([0, 0.1, 2.95 / 3])
    assert made.accuracy[[0, 1, 9]] == pytest.approx([0, 0.5, 2 / 3])
    assert np.isnan(made.accuracy[2]) and np.isnan(made.low[2]) and np.isnan(made.confidence[2])
    assert (made.left[3], made.right[3], made.right[9]) == (0.3, 0.4, 1.0)
    # Wilson, 2 of 3 and 0 of 1 (by scipy.stats.binomtest(...).proportion_ci("wilson"))
    assert (made.low[9], made.high[9]) == pytest.approx((0.2076596, 0.9385081), abs=1e-6)
    assert (made.low[0], made.high[0]) == pytest.approx((0.0, 0.7934507), abs=1e-6)


def test_reliability_diagram_against_scipy():
    from scipy.stats import binomtest

    generator = np.random.default_rng(0)
    p = generator.random(200)
    y = generator.random(200) < p
    made = reliability_diagram(p, y, n_bins=7, strategy="quantile", level=0.9)
    assert made.count.sum() == 200
    index = bin_index(p, 7, "quantile")
    for k in range(7):
        inside = index == k
        assert made.left[k] == p[inside].min() and made.right[k] == p[inside].max()
        test = binomtest(int(y[inside].sum()), int(inside.sum()))
        ends = test.proportion_ci(0.9, method="wilson")
        assert (made.low[k], made.high[k]) == pytest.approx((ends.low, ends.high))


def test_reliability_diagram_with_weights_is_that_of_copies():
    p, y, w = [0.2, 0.2, 0.5, 0.9], [0, 1, 1, 1], [2, 0, 1, 3]
    for strategy in ("uniform", "quantile"):
        one = reliability_diagram(p, y, w, n_bins=3, strategy=strategy)
        two = reliability_diagram(np.repeat(p, w), np.repeat(y, w), n_bins=3, strategy=strategy)
        for name in ("left", "right", "count", "confidence", "accuracy", "low", "high"):
            np.testing.assert_allclose(getattr(one, name), getattr(two, name))
    with pytest.raises(InvalidData, match="replicates"):
        reliability_diagram(p, y, [w, w])
    with pytest.raises(InvalidData, match="level"):
        reliability_diagram(p, y, level=95)
