"""Each calibrator against scikit-learn, scipy and values worked by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from calibrant.calibration import Beta, Histogram, Isotonic, Platt, Temperature, Uncalibrated
from calibrant.calibration.logistic import fit_logistic, smoothed_targets
from calibrant.errors import InvalidData
from calibrant.metrics import ece, log_loss


def rows(n=2000, seed=0, slope=2.0, shift=0.0):
    """Scores that are `slope` times too extreme and `shift` too high."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(0.5, 1, n)
    return slope * truth + shift, generator.random(n) < expit(truth)


def test_none_is_the_sigmoid():
    fitted = Uncalibrated().fit([1, 2], [0, 1])
    made = fitted.confidence([0.0, logit(0.9), np.inf, -np.inf])
    assert made == pytest.approx([0.5, 0.9, 1.0, 0.0])


# --- temperature


def test_temperature_of_maximum_likelihood():
    scores, correct = rows()
    fitted = Temperature().fit(scores, correct)
    assert fitted.temperature == pytest.approx(2, rel=0.1)
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    theirs.fit(scores[:, None], correct)
    assert fitted.inverse_temperature == pytest.approx(theirs.coef_[0, 0], rel=1e-5)
    assert fitted.confidence([0.0])[0] == 0.5


def test_temperature_by_hand():
    """Score 2, right three times in four: the best is 2/T = logit(3/4)."""
    fitted = Temperature().fit([2, 2, 2, 2], [1, 1, 1, 0])
    assert 2 * fitted.inverse_temperature == pytest.approx(np.log(3))
    assert fitted.confidence([2, -2]) == pytest.approx([0.75, 0.25])


def test_temperature_at_its_ends():
    backwards = Temperature().fit([2, 1, -1, -2], [0, 0, 1, 1])
    assert backwards.inverse_temperature == 0.0 and backwards.temperature == np.inf
    assert backwards.confidence([9.0, -9.0]).tolist() == [0.5, 0.5]
    perfect = Temperature(min_temperature=0.1).fit([2, 1, -1, -2], [1, 1, 0, 0])
    assert perfect.temperature == pytest.approx(0.1)


def test_infinite_scores_count_as_clipped_ones():
    one = Temperature(clip=0.01).fit([np.inf, 1, -1, -np.inf], [1, 0, 1, 0])
    two = Temperature(clip=0.01).fit([logit(0.99), 1, -1, logit(0.01)], [1, 0, 1, 0])
    assert one.inverse_temperature == pytest.approx(two.inverse_temperature)
    assert one.confidence([np.inf]) == pytest.approx(two.confidence([logit(0.99)]))


# --- platt


def likelihood(parameters, features, target):
    z = features @ parameters[:-1] + parameters[-1]
    return -np.mean(target * log_expit(z) + (1 - target) * log_expit(-z))


def test_platt_against_scikit_learn():
    from sklearn.calibration import _SigmoidCalibration

    scores, correct = rows(shift=1.0)
    fitted = Platt().fit(scores, correct)
    theirs = _SigmoidCalibration().fit(scores, correct)
    assert (fitted.slope, fitted.intercept) == pytest.approx((-theirs.a_, -theirs.b_), rel=1e-4)
    np.testing.assert_allclose(fitted.confidence(scores), theirs.predict(scores), atol=1e-5)
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.5, -0.5), abs=0.1)


def test_platt_by_hand():
    """Two scores: the map goes through the mean target of each."""
    scores, correct = [1] * 4 + [-1] * 4, [1, 1, 1, 0, 0, 0, 0, 1]
    fitted = Platt().fit(scores, correct)
    high = (3 * 5 / 6 + 1 / 6) / 4
    assert fitted.confidence([1, -1]) == pytest.approx([high, 1 - high])
    assert smoothed_targets(np.array([1, 1, 0])) == pytest.approx([3 / 4, 3 / 4, 1 / 3])


def test_platt_never_slopes_down():
    fitted = Platt().fit([2, 1, -1, -2, -3], [0, 0, 1, 1, 1])
    assert fitted.slope == 0
    assert fitted.confidence([-5, 5]) == pytest.approx((3 * 4 / 5 + 2 / 4) / 5)


def test_platt_of_separable_scores_is_finite():
    fitted = Platt().fit([-2, -1, 1, 2], [0, 0, 1, 1])
    assert 0 < fitted.slope < 10
    assert fitted.confidence([-1, 1]) == pytest.approx([0.25, 0.75], abs=0.1)


def test_a_base_rate_shift_needs_an_intercept():
    """74 % right where it was calibrated, 39 % where it is used (paper.md, section 3).

    Even the best temperature for the new answers leaves a large error; Platt scaling, fitted
    again on some of them, does not.
    """
    generator = np.random.default_rng(0)

    def answers(share, n=4000):
        right = generator.random(n) < share
        return 2 * generator.normal(np.where(right, 1, -1)) + logit(0.74), right

    scores, correct = answers(0.74)
    assert ece(Temperature().fit(scores, correct).confidence(scores), correct) < 0.03
    seen, verdicts = answers(0.39)
    unseen, truth = answers(0.39)
    before = ece(Temperature().fit(scores, correct).confidence(unseen), truth)
    temperature = ece(Temperature().fit(seen, verdicts).confidence(unseen), truth)
    platt = ece(Platt().fit(seen, verdicts).confidence(unseen), truth)
    assert before > 0.12 and temperature > 0.12
    assert platt < 0.03


# --- beta


def test_beta_is_the_best_of_its_family():
    scores, correct = rows(500)
    fitted = Beta().fit(scores, correct)
    features = np.column_stack([log_expit(scores), -log_expit(-scores)])
    target = smoothed_targets(correct.astype(float))
    best = minimize(
        likelihood,
        [1, 1, 0],
        (features, target),
        method="L-BFGS-B",
        bounds=[(0, None), (0, None), (None, None)],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    ours = likelihood([fitted.a, fitted.b, fitted.c], features, target)
    assert ours <= best.fun + 1e-9
    assert (fitted.a, fitted.b, fitted.c) == pytest.approx(best.x, abs=1e-3)


def test_beta_repairs_what_platt_cannot():
    """Too sure towards 1 only."""
    truth = np.random.default_rng(0).normal(0, 2, 5000)
    correct = np.random.default_rng(1).random(5000) < expit(truth)
    scores = np.where(truth > 0, 3 * truth, truth)
    beta, platt = (kind().fit(scores, correct).confidence(scores) for kind in (Beta, Platt))
    assert log_loss(beta, correct) < log_loss(platt, correct) - 0.005
    assert ece(beta, correct) < ece(platt, correct)


@pytest.mark.parametrize("seed", range(8))
def test_slopes_are_the_constrained_optimum(seed):
    """With correlated features and true slopes of either sign, against a general solver."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(200, 2)) @ [[1, 0.8], [0, 0.6]] + [5, -3]
    z = features @ generator.normal(0, 1.5, 2)
    target = smoothed_targets((generator.random(200) < expit(z - z.mean())).astype(float))
    slopes, intercept = fit_logistic(features, target)
    best = minimize(
        likelihood,
        [0.1, 0.1, 0],
        (features, target),
        method="L-BFGS-B",
        bounds=[(0, None), (0, None), (None, None)],
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10_000},
    )
    assert (slopes >= 0).all()
    assert likelihood([*slopes, intercept], features, target) <= best.fun + 1e-8


# --- isotonic and histogram


def test_isotonic_against_scikit_learn():
    scores, correct = rows(600)
    scores = np.round(scores, 1)
    fitted = Isotonic().fit(scores, correct)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, correct)
    at = np.r_[scores, np.linspace(-12, 12, 101)]
    np.testing.assert_allclose(fitted.confidence(at), theirs.predict(at), atol=1e-7)


def test_isotonic_by_hand():
    fitted = Isotonic().fit([1, 2, 3, 4, 4], [0, 1, 0, 1, 1])
    assert fitted.knots == (1, 2, 3, 4) and fitted.values == (0, 0.5, 0.5, 1)
    assert fitted.confidence([0, 1.5, 2.5, 3.5, 9]) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert Isotonic().fit([3, 2, 1], [0, 0, 1]).confidence([0, 2, 9]) == pytest.approx([1 / 3] * 3)


def test_histogram_by_hand():
    fitted = Histogram(n_bins=2).fit([-1, 0, 1, 2], [0, 1, 1, 1])
    assert fitted.values == (0.5, 1.0) and fitted.starts == pytest.approx([expit(1)])
    assert fitted.confidence([-np.inf, 0.99, 1, np.inf]).tolist() == [0.5, 0.5, 1, 1]
    tied = Histogram(n_bins=10).fit([5] * 6, [1, 0, 1, 1, 0, 0])
    assert tied.values == (0.5,) and tied.starts == ()


def test_all_of_them_repair_overconfidence():
    scores, correct = rows(3000, slope=3)
    unseen, truth = rows(3000, seed=1, slope=3)
    before = ece(expit(unseen), truth)
    for calibrator in (Temperature(), Platt(), Beta(), Isotonic(), Histogram()):
        after = ece(calibrator.fit(scores, correct).confidence(unseen), truth)
        assert after < 0.04 < before - 0.05


@pytest.mark.parametrize(
    "make",
    [
        lambda: Temperature(clip=0),
        lambda: Platt(clip=0.5),
        lambda: Beta(clip=-1),
        lambda: Isotonic(clip=2),
        lambda: Temperature(min_temperature=0),
        lambda: Histogram(n_bins=0),
    ],
)
def test_bad_settings(make):
    with pytest.raises(InvalidData, match=r"clip|min_temperature|n_bins"):
        make()
