import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrant.errors import InvalidData
from calibrant.metrics import (
    bin_index,
    ece,
    ece_corrected,
    ece_floor,
    ece_folded,
    ece_noise_range,
    smooth_ece,
)


def plain_ece(p, y, n_bins=10, strategy="uniform"):
    """ECE as a reader would write it."""
    p, y = np.asarray(p), np.asarray(y)
    index = bin_index(p, n_bins, strategy)
    total = 0.0
    for k in range(n_bins):
        inside = index == k
        if inside.any():
            total += inside.mean() * abs(p[inside].mean() - y[inside].mean())
    return total


# --- ECE


@pytest.mark.parametrize("case", "ABCDEFG")
def test_ece_of_the_oracles(oracles, case):
    """uqlm bins as we do; netcal and relplot do, too, where no confidence is on an edge."""
    rows = oracles[case]
    ours = ece(rows["p"], rows["y"], n_bins=rows["nbins"])
    assert ours == pytest.approx(rows["values"]["uqlm"], abs=1e-9)
    if case in "ADEG":
        for name in ("netcal", "torchmetrics", "relplot.binnedECE"):
            assert ours == pytest.approx(rows["values"][name], abs=1e-9)
    largest = ece(rows["p"], rows["y"], n_bins=rows["nbins"], norm="max")
    if case in "ACD":
        assert largest == pytest.approx(rows["values"]["MCE uqlm"], abs=1e-9)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_one_row_has_its_own_residual(p):
    for strategy, norm in itertools.product(("uniform", "quantile"), ("l1", "l2", "max")):
        assert ece([p], [1], strategy=strategy, norm=norm) == pytest.approx(1 - p)
        assert ece([p], [0], strategy=strategy, norm=norm) == pytest.approx(p)


def test_ece_by_hand():
    p, y = [0.1, 0.1, 0.9, 0.9, 0.9, 0.9], [0, 1, 1, 1, 1, 0]
    assert ece(p, y) == pytest.approx((2 * 0.4 + 4 * 0.15) / 6)
    assert ece(p, y, norm="l2") == pytest.approx(np.sqrt((2 * 0.4**2 + 4 * 0.15**2) / 6))
    assert ece(p, y, norm="max") == pytest.approx(0.4)
    assert ece(p, y, n_bins=1) == pytest.approx(abs(3.8 - 4) / 6)
    with pytest.raises(InvalidData, match="norm"):
        ece(p, y, norm="linf")


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_ece_as_a_reader_would_write_it(strategy):
    generator = np.random.default_rng(3)
    p = np.round(generator.random(500), 2)
    y = generator.random(500) < 0.5
    for n_bins in (1, 10, 15):
        plain = plain_ece(p, y, n_bins, strategy)
        assert ece(p, y, n_bins=n_bins, strategy=strategy) == pytest.approx(plain, abs=1e-12)


def test_folded_by_hand():
    # 0.2 wrong -> 0.8 right; 0.5 counts as "correct"; 1 is kept
    assert ece_folded([0.2], [0]) == pytest.approx(0.2)
    assert ece_folded([0.2], [1]) == pytest.approx(0.8)
    assert ece_folded([0.5], [1]) == pytest.approx(0.5)
    assert ece_folded([0.0, 1.0], [1, 0]) == pytest.approx(1.0)
    assert ece_folded([0.05, 0.95, 1.0], [0, 1, 0]) == pytest.approx(abs(2.9 - 2) / 3)


def test_folding_cancels_errors_that_ece_sees():
    p, y = np.repeat([0.1, 0.9], 10), np.r_[[0] * 10, [1] * 8, [0] * 2]
    assert ece(p, y) == pytest.approx(0.1)
    assert ece_folded(p, y) == pytest.approx(0.0, abs=1e-12)


# --- the noise floor


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(0, 1), st.sampled_from([0, 0.5, 1, 0.95])), min_size=1, max_size=7
    ),
    st.integers(1, 5),
    st.sampled_from(["uniform", "quantile"]),
)
def test_floor_is_the_mean_over_all_verdicts(p, n_bins, strategy):
    """Bins of 1 to 7 rows: every one of the 2^n outcomes, weighted by its chance."""
    expected = 0.0
    for y in itertools.product([0, 1], repeat=len(p)):
        chance = np.prod([q if right else 1 - q for q, right in zip(p, y)])
        expected += chance * ece(p, y, n_bins=n_bins, strategy=strategy)
    assert ece_floor(p, n_bins=n_bins, strategy=strategy) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("n", "tolerance"), [(20, 0.02), (173, 0.02), (20_000, 0.02)])
def test_floor_and_range_against_simulation(n, tolerance):
    generator = np.random.default_rng(n)
    p = generator.beta(2, 1, n)
    simulated = [ece(p, generator.random(n) < p) for _ in range(2000)]
    error = np.std(simulated) / np.sqrt(len(simulated))
    assert abs(ece_floor(p) - np.mean(simulated)) < 4 * error
    low, high = ece_noise_range(p)
    assert np.quantile(simulated, [0.025, 0.975]) == pytest.approx([low, high], rel=0.1)
    assert low < ece_floor(p) < high
    assert ece_noise_range(p) == (low, high)
    assert ece_noise_range(p, seed=1) != (low, high)


def test_large_bins_approach_the_normal_law():
    """And the grid that bins of more than 4,096 rows are put on changes nothing visible."""
    p = np.random.default_rng(0).random(200_000)
    index = bin_index(p)
    deviation = [np.sqrt((q * (1 - q)).sum()) for q in (p[index == k] for k in range(10))]
    normal = np.sqrt(2 / np.pi) * np.sum(deviation) / p.size
    assert ece_floor(p) == pytest.approx(normal, rel=2e-4)


def test_many_rare_events_are_not_normal():
    """20,000 rows at 1e-4: a Poisson number of mean 2, mean absolute deviation 4 exp(-2) 2^2/2!."""
    p = np.full(20_000, 1e-4)
    assert ece_floor(p) * p.size == pytest.approx(8 * np.exp(-2), rel=1e-3)


def test_floor_of_sure_confidences_is_zero():
    assert ece_floor([0.0, 1.0, 1.0]) == pytest.approx(0.0, abs=1e-12)
    assert ece_noise_range([0.0, 1.0]) == pytest.approx((0, 0), abs=1e-12)


def test_floor_of_the_paper_s_subjects():
    """paper.md: means of about 7.4 % and, folded, 5.5 % at subjects of some 173 rows."""
    p = np.random.default_rng(0).beta(2, 2, 173)
    assert 0.06 < ece_floor(p) < 0.1
    assert 0.04 < ece_floor(np.maximum(p, 1 - p)) < ece_floor(p)


def test_corrected_is_never_negative_and_vanishes_for_calibrated_rows():
    generator = np.random.default_rng(5)
    p = generator.random(1000)
    y = np.stack([generator.random(1000) < p for _ in range(50)])
    corrected = [ece_corrected(p, one) for one in y]
    assert min(corrected) == 0.0 and np.mean(corrected) < 0.01
    wrong = ece_corrected(p, ~y[0])
    assert wrong == pytest.approx(ece(p, ~y[0]) - ece_floor(p))


# --- smooth ECE


def exact_smooth_ece(p, y, images=3):
    """The definition: mirror images, a fine mesh, the fixed point by bisection."""
    p, y = np.asarray(p, float), np.asarray(y, float)
    mesh, turns = np.linspace(0, 1, 1001), range(1 - images, images + 1)

    def size(sigma):
        smooth = np.zeros(mesh.size)
        for image in (*(p + 2 * j for j in turns), *(2 * j - p for j in turns)):
            kernel = np.exp(-((mesh[:, None] - image) ** 2) / (2 * sigma**2))
            smooth += kernel @ (y - p)
        return np.trapezoid(np.abs(smooth), mesh) / (sigma * np.sqrt(2 * np.pi) * p.size)

    low, high = 1e-3, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if size(middle) > middle else (low, middle)
    return high


@pytest.mark.parametrize("case", "ABCDEF")
def test_smooth_ece_is_its_definition(oracles, case):
    p, y = np.array(oracles[case]["p"][:100]), np.array(oracles[case]["y"][:100])
    assert smooth_ece(p, y) == pytest.approx(exact_smooth_ece(p, y), abs=1e-5)


def test_smooth_ece_of_narrow_kernels_is_its_definition():
    """A width of 0.005, far below the change of grid at 0.03: verdicts that even out quickly."""
    p = np.linspace(0, 1, 600)
    y = np.diff(np.floor(np.cumsum(p) + 0.25), prepend=0)
    exact = exact_smooth_ece(p, y, images=1)
    assert 0.003 < exact < 0.008
    assert smooth_ece(p, y) == pytest.approx(exact, abs=3e-5)


@pytest.mark.parametrize("case", "ABCDEFG")
def test_smooth_ece_of_the_oracles(oracles, case):
    """relplot's values, to 0.0015.

    relplot mirrors its grid without the end points, so rows with confidence exactly 0 or 1 count
    half there (cases B, C and F; in B the total residual, -0.475, is larger than its smooth ECE).
    Its kernel is cut off at a distance of 1/2, its width found to 1/1024.
    """
    p, y = np.array(oracles[case]["p"]), np.array(oracles[case]["y"])
    value = 0.0 if case == "G" else oracles[case]["values"]["smECE"]
    half = np.where((p == 0) | (p == 1), 0.5, 1.0)
    assert smooth_ece(p, y, half) == pytest.approx(value, abs=1.5e-3)


def test_smooth_ece_against_relplot():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        relplot = pytest.importorskip("relplot")
    generator = np.random.default_rng(1)
    for n, power in itertools.product((50, 300, 2000), (0.5, 1.0, 2.0)):
        p = generator.beta(2, 2, n)
        y = generator.random(n) < p**power
        theirs = relplot.smECE(p, y.astype(float))
        assert smooth_ece(p, y) == pytest.approx(theirs, abs=3e-4)


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_smooth_ece_of_a_constant_is_the_gap(p):
    assert smooth_ece([p] * 4, [1, 0, 0, 0]) == pytest.approx(abs(p - 0.25), abs=1e-9)


def test_smooth_ece_lies_between_its_bounds():
    generator = np.random.default_rng(2)
    for n in (2, 10, 100):
        p = generator.random(n)
        y = generator.random(n) < 0.5
        assert abs(np.mean(y - p)) - 1e-9 <= smooth_ece(p, y) <= np.mean(np.abs(y - p)) + 1e-9


def test_smooth_ece_of_a_subset_of_replicates_does_not_depend_on_the_others():
    generator = np.random.default_rng(4)
    p = generator.random(300)
    y = generator.random(300) < p**2
    weights = generator.poisson(1, (20, 300))
    weights[3] = np.arange(300) < 5
    np.testing.assert_allclose(
        smooth_ece(p, y, weights)[[3, 7]], smooth_ece(p, y, weights[[3, 7]]), rtol=1e-10
    )
