"""What every calibrator promises; calibrators are found by the registry."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrant.calibration import Calibrator, FittedCalibrator, cross_fit
from calibrant.errors import InvalidData, TooFewClasses, UnknownName
from calibrant.registry import get, variants

CALIBRATORS = variants("calibration")
every_calibrator = pytest.mark.parametrize("kind", CALIBRATORS.values(), ids=CALIBRATORS)
monotone_ones = pytest.mark.parametrize(
    "kind", [k for n, k in CALIBRATORS.items() if n != "histogram"]
)


def rows(n=400, seed=0):
    """Overconfident scores with ties, infinite ones and missing ones."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(0.5, 1, n)
    scores = np.round(3 * truth, 1)
    correct = generator.random(n) < 1 / (1 + np.exp(-truth))
    scores[:4] = [np.inf, -np.inf, np.nan, np.nan]
    return scores, correct


def test_the_registry_finds_the_calibrators_and_no_tool():
    assert list(CALIBRATORS) == [
        "beta",
        "by_subject",
        "histogram",
        "isotonic",
        "none",
        "platt",
        "temperature",
    ]
    assert all(isinstance(kind(), Calibrator) for kind in CALIBRATORS.values())
    assert all(kind().name == name for name, kind in CALIBRATORS.items())


@every_calibrator
def test_settings_are_frozen_and_make_an_equal_calibrator(kind):
    settings = kind()
    assert kind(**dataclasses.asdict(settings)) == settings
    for name in dataclasses.asdict(settings):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, name, 0.1)


@every_calibrator
def test_confidences_are_probabilities_and_missing_stays_missing(kind):
    scores, correct = rows()
    fitted = kind().fit(scores, correct)
    assert (fitted.n, fitted.n_missing) == (398, 2)
    made = fitted.confidence([0.0, np.nan, np.inf, -np.inf, 1e300, -3.0, None])
    assert np.isnan(made).tolist() == [False, True, False, False, False, False, True]
    there = made[~np.isnan(made)]
    assert ((there >= 0) & (there <= 1)).all()
    assert fitted.confidence([]).shape == (0,)


@every_calibrator
def test_missing_scores_change_nothing(kind):
    scores, correct = rows()
    there = ~np.isnan(scores)
    one, two = kind().fit(scores, correct), kind().fit(scores[there], correct[there])
    assert dataclasses.replace(one, n_missing=0) == two


@every_calibrator
def test_a_fitted_calibrator_survives_json_exactly(kind):
    scores, correct = rows()
    fitted = kind().fit(scores, correct)
    again = FittedCalibrator.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert again == fitted and type(again) is type(fitted)
    np.testing.assert_array_equal(again.confidence(scores), fitted.confidence(scores))


def test_what_is_no_fitted_calibrator_is_refused():
    made = get("calibration", "platt")().fit(*rows()).to_dict()
    with pytest.raises(UnknownName, match="plat"):
        FittedCalibrator.from_dict(made | {"calibrator": "plat"})
    for broken in ({}, {"calibrator": "platt"}, made | {"more": 1}, made | {"settings": {"x": 1}}):
        with pytest.raises(InvalidData, match="to_dict"):
            FittedCalibrator.from_dict(broken)


@every_calibrator
def test_row_order_never_matters_and_rows_are_treated_alone(kind):
    scores, correct = rows()
    order = np.random.default_rng(1).permutation(scores.size)
    one, two = kind().fit(scores, correct), kind().fit(scores[order], correct[order])
    there = ~np.isnan(scores)
    confidence = one.confidence(scores)
    np.testing.assert_allclose(two.confidence(scores), confidence, atol=1e-9)
    np.testing.assert_array_equal(one.confidence(scores[order]), confidence[order])
    alone = [one.confidence([s])[0] for s in scores[there]]
    np.testing.assert_array_equal(alone, confidence[there])


@monotone_ones
@settings(max_examples=40, deadline=None)
@given(
    data=st.lists(
        st.tuples(
            st.one_of(st.floats(-30, 30), st.sampled_from([0, np.inf, -np.inf])), st.booleans()
        ),
        min_size=2,
        max_size=30,
    )
)
def test_a_higher_score_never_has_a_lower_confidence(kind, data):
    scores, correct = zip(*data)
    if len(set(correct)) == 1:
        return
    made = kind().fit(scores, correct).confidence(np.r_[-np.inf, np.linspace(-40, 40, 201), np.inf])
    assert (np.diff(made) >= -1e-12).all()
    assert np.isfinite(made).all()


@every_calibrator
def test_bad_data_are_refused(kind):
    calibrator = kind()
    with pytest.raises(TooFewClasses, match="all 2 answers are correct"):
        calibrator.fit([0.1, 0.2, np.nan], [1, 1, 0])
    with pytest.raises(TooFewClasses, match="incorrect"):
        calibrator.fit([0.1, 0.2], [0, 0])
    with pytest.raises(InvalidData, match="empty"):
        calibrator.fit([], [])
    with pytest.raises(InvalidData, match="all 2 scores are missing"):
        calibrator.fit([np.nan, None], [0, 1])
    with pytest.raises(InvalidData, match="2 scores but 3"):
        calibrator.fit([0.1, 0.2], [0, 1, 1])
    with pytest.raises(InvalidData, match=r"correct\[1\]"):
        calibrator.fit([0.1, 0.2], [0, 0.5])
    with pytest.raises(InvalidData, match="numbers"):
        calibrator.fit(["a", "b"], [0, 1])
    with pytest.raises(InvalidData, match="shape"):
        calibrator.fit([[0.1, 0.2]], [[0, 1]])


@every_calibrator
def test_separable_and_constant_scores_are_survived(kind):
    for scores in (
        [-2, -1, 1, 2],
        [1, 2, 3, 4],
        [0.7] * 4,
        [-np.inf, -np.inf, np.inf, np.inf],
        [0] * 4,
    ):
        made = kind().fit(scores, [0, 0, 1, 1]).confidence(scores)
        assert ((made >= 0) & (made <= 1)).all()


@every_calibrator
def test_cross_fitting_keeps_groups_apart(kind):
    scores, correct = rows(200)
    groups = np.random.default_rng(2).integers(0, 60, 200)
    made = cross_fit(kind(), scores, correct, groups, seed=1)
    np.testing.assert_array_equal(np.isnan(made), np.isnan(scores))
    order = np.random.default_rng(3).permutation(200)
    again = cross_fit(kind(), scores[order], correct[order], groups[order], seed=1)
    np.testing.assert_allclose(again, made[order], atol=1e-9)
    # a group's own verdicts have no part in its confidences
    group = groups[10]
    flipped = np.where(groups == group, ~correct, correct)
    other = cross_fit(kind(), scores, flipped, groups, seed=1)
    np.testing.assert_array_equal(other[groups == group], made[groups == group])


def test_folds_are_of_like_size_and_cover_all():
    from calibrant.calibration.cross_fitting import _folds

    groups = np.repeat(np.arange(23), np.r_[30, np.full(22, 4)])
    fold = _folds(groups, 4, np.random.default_rng(0))
    counts = np.bincount(fold)
    assert counts.size == 4 and counts.max() - counts.min() <= 4
    assert all(len(set(fold[groups == g])) == 1 for g in range(23))


def test_too_many_folds():
    calibrator = get("calibration", "platt")()
    for n_folds in (1, 4):
        with pytest.raises(InvalidData, match="2 to 3"):
            cross_fit(calibrator, [1, 2, 3], [0, 1, 1], ["a", "b", "c"], n_folds=n_folds)
    with pytest.raises(InvalidData, match="one of each per row"):
        cross_fit(calibrator, [1, 2, 3], [0, 1, 1], ["a", "b"])
    with pytest.raises(TooFewClasses):
        cross_fit(calibrator, [1, 2], [0, 1], ["a", "b"], n_folds=2)
