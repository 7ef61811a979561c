"""AUROC, AURC, coverage."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from calibrant.errors import InvalidData, TooFewClasses
from calibrant.metrics import (
    aurc,
    auroc,
    coverage,
    risk_coverage_curve,
    selective_accuracy,
    threshold_for_accuracy,
)


def tied_rows(n=300, seed=0):
    generator = np.random.default_rng(seed)
    p = np.round(generator.random(n), 1)
    return p, generator.random(n) < p


@pytest.mark.parametrize("case", "ABCDE")
def test_auroc_of_the_oracles(oracles, case):
    rows = oracles[case]
    assert auroc(rows["p"], rows["y"]) == pytest.approx(rows["values"]["RLCR auroc"])


def test_auroc_against_scikit_learn():
    p, y = tied_rows()
    weights = np.random.default_rng(1).integers(0, 4, (20, p.size))
    assert auroc(p, y) == pytest.approx(roc_auc_score(y, p))
    theirs = [roc_auc_score(y, p, sample_weight=w) for w in weights]
    assert auroc(p, y, weights) == pytest.approx(theirs)


def test_auroc_by_hand():
    assert auroc([0, 1], [0, 1]) == 1.0
    assert auroc([0, 1], [1, 0]) == 0.0
    assert auroc([0.7] * 5, [1, 0, 0, 1, 0]) == 0.5
    assert auroc([0.2, 0.2, 0.9], [0, 1, 1]) == 0.75


def test_auroc_of_one_class():
    with pytest.raises(TooFewClasses, match="all answers are correct"):
        auroc([0.1, 0.2], [1, 1])
    with pytest.raises(TooFewClasses, match="all answers are incorrect"):
        auroc([0.1, 0.2], [0, 0])
    with pytest.raises(TooFewClasses, match="weights"):
        auroc([0.1, 0.2], [0, 1], [1, 0])
    assert np.isnan(auroc([0.1, 0.2], [1, 1], [[1, 1]])).all()
    assert np.isnan(auroc([0.1, 0.2], [0, 1], [[1, 0], [1, 1]])).tolist() == [True, False]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 0.3, 1.0]), st.integers(0, 1)), min_size=1, max_size=6)
)
def test_aurc_is_the_mean_over_all_orders_of_ties(rows):
    p, y = np.array(rows, float).T
    areas = []
    for order in itertools.permutations(range(len(p))):
        if (np.diff(p[list(order)]) <= 0).all():
            wrong = 1 - y[list(order)]
            areas.append(np.mean(np.cumsum(wrong) / np.arange(1, len(p) + 1)))
    assert aurc(p, y) == pytest.approx(np.mean(areas), abs=1e-12)


def test_aurc_by_hand():
    assert aurc([1.0], [1]) == 0.0
    assert aurc([0.0], [0]) == 1.0
    assert aurc([0.4] * 4, [1, 0, 1, 1]) == pytest.approx(0.25)
    assert aurc([0.9, 0.5, 0.1], [1, 1, 0]) == pytest.approx(1 / 9)
    assert aurc([0.9, 0.5, 0.1], [0, 1, 1]) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_aurc_continues_smoothly_between_whole_weights():
    p, y = tied_rows(30)
    near = aurc(p, y, np.full(30, 1 + 1e-9))
    assert near == pytest.approx(aurc(p, y), abs=1e-7)


def test_risk_coverage_curve():
    curve = risk_coverage_curve([0.9, 0.5, 0.5, 0.1, 0.0], [1, 1, 0, 0, 1])
    assert curve.threshold.tolist() == [0.9, 0.5, 0.1, 0.0]
    assert curve.coverage == pytest.approx([0.2, 0.6, 0.8, 1.0])
    assert curve.risk == pytest.approx([0, 1 / 3, 1 / 2, 2 / 5])
    weighted = risk_coverage_curve([0.9, 0.5, 0.5], [1, 1, 0], [0, 1, 3])
    assert weighted.threshold.tolist() == [0.5] and weighted.risk.tolist() == [0.75]
    with pytest.raises(InvalidData, match="weights"):
        risk_coverage_curve([0.9], [1], [[1]])


def test_coverage_and_selective_accuracy_at_the_edges():
    p, y = [0.0, 0.5, 0.5, 1.0], [1, 0, 1, 1]
    for threshold, share, right in (
        (0, 1, 0.75),
        (0.5, 0.75, 2 / 3),
        (0.51, 0.25, 1),
        (1, 0.25, 1),
    ):
        assert coverage(p, y, threshold=threshold) == share
        assert selective_accuracy(p, y, threshold=threshold) == pytest.approx(right)
    assert coverage(p, y, threshold=1.1) == 0.0
    with pytest.raises(InvalidData, match="highest is 1"):
        selective_accuracy(p, y, threshold=1.1)
    assert np.isnan(selective_accuracy(p, y, [[1, 1, 1, 0]], threshold=0.9))[0]
    assert selective_accuracy(p, y, [0, 2, 1, 1], threshold=0.5) == 0.5


def test_threshold_for_accuracy_by_hand():
    p, y = [0.9, 0.8, 0.8, 0.4, 0.1], [1, 1, 0, 1, 0]
    assert threshold_for_accuracy(p, y, 1.0) == 0.9
    assert threshold_for_accuracy(p, y, 0.75) == 0.4  # 2/3 at 0.8 misses it, 3/4 at 0.4 does not
    assert threshold_for_accuracy(p, y, 0.6) == 0.1
    assert threshold_for_accuracy(p, y, 0.0) == 0.1
    assert threshold_for_accuracy([0.9, 0.1], [0, 1], 0.9) is None
    assert threshold_for_accuracy([0.5] * 10, [1] * 9 + [0], 0.9) == 0.5
    for target in (-0.1, 1.1, np.nan):
        with pytest.raises(InvalidData, match="target"):
            threshold_for_accuracy(p, y, target)


@settings(deadline=None)
@given(st.integers(0, 50), st.sampled_from([0.3, 0.5, 0.8, 0.9]))
def test_threshold_for_accuracy_reaches_the_target_and_no_lower_one_does(seed, target):
    p, y = tied_rows(25, seed)
    found = threshold_for_accuracy(p, y, target)
    enough = [t for t in set(p) if selective_accuracy(p, y, threshold=t) >= target]
    assert found == min(enough, default=None)
