"""What every metric promises; metrics are found by the registry."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrant import metrics
from calibrant.errors import InvalidConfidence, InvalidData
from calibrant.registry import variants

METRICS = variants("metrics")
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@st.composite
def tables(draw):
    """Rows with many ties, 0 and 1 included, of both classes; and how often each counts."""
    n = draw(st.integers(2, 12))
    p = draw(st.lists(st.sampled_from([0, 0.1, 0.3, 0.5, 0.7, 0.95, 1]), min_size=n, max_size=n))
    y = [0, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))]
    w = [1, 2, *draw(st.lists(st.integers(0, 3), min_size=n - 2, max_size=n - 2))]
    return np.array(p, float), np.array(y), np.array(w)


def random_rows(n=60, seed=0):
    generator = np.random.default_rng(seed)
    p = np.round(generator.random(n), 2)
    return p, generator.random(n) < p


def test_the_registry_finds_the_metrics_and_no_tool():
    assert list(METRICS) == [
        "accuracy",
        "aurc",
        "auroc",
        "brier_score",
        "coverage",
        "ece",
        "ece_corrected",
        "ece_floor",
        "ece_folded",
        "log_loss",
        "smooth_ece",
    ]


@every_metric
@settings(max_examples=25, deadline=None)
@given(table=tables(), strategy=st.sampled_from(["uniform", "quantile"]))
def test_a_weight_of_k_is_k_copies(metric, table, strategy):
    p, y, w = table
    options = {"strategy": strategy} if metric.__name__.startswith("ece") else {}
    copies = metric(np.repeat(p, w), np.repeat(y, w), **options)
    assert metric(p, y, w, **options) == pytest.approx(copies, abs=1e-10)
    both = metric(p, y, np.stack([w, np.ones_like(w)]).astype(np.uint8), **options)
    assert both == pytest.approx([copies, metric(p, y, **options)], abs=1e-10)


@every_metric
@settings(max_examples=25, deadline=None)
@given(table=tables(), random=st.randoms(use_true_random=False))
def test_row_order_never_matters(metric, table, random):
    p, y, w = table
    order = random.sample(range(len(p)), len(p))
    assert metric(p[order], y[order]) == pytest.approx(metric(p, y), abs=1e-12)
    assert metric(p[order], y[order], w[order]) == pytest.approx(metric(p, y, w), abs=1e-12)


@every_metric
def test_shapes_and_types(metric):
    p, y = random_rows()
    assert type(metric(p, y)) is float
    assert type(metric(list(p), list(y), np.ones(len(p)))) is float
    weights = np.random.default_rng(1).integers(0, 4, (7, len(p)))
    values = metric(p, y, weights)
    assert values.shape == (7,)
    alone = [metric(p, y, w) for w in weights]
    np.testing.assert_allclose(values, alone, rtol=1e-9)


@every_metric
def test_many_replicates_in_chunks_equal_each_alone(metric, monkeypatch):
    p, y = random_rows()
    weights = np.random.default_rng(1).integers(0, 4, (7, len(p)))
    whole = metric(p, y, weights)
    monkeypatch.setattr("calibrant.metrics.common._CHUNK", 2 * len(p))
    np.testing.assert_allclose(metric(p, y, weights), whole, rtol=1e-9)


@every_metric
def test_a_replicate_of_nothing_is_nan_and_alone_an_error(metric):
    p, y = random_rows()
    weights = np.zeros((2, len(p)))
    weights[1] = 1
    values = metric(p, y, weights)
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(metric(p, y))
    with pytest.raises(InvalidData, match="0"):
        metric(p, y, np.zeros(len(p)))


@every_metric
@pytest.mark.parametrize(
    ("bad", "shown"),
    [(-0.1, "-0.1"), (1.0000001, "1.0000001"), (np.nan, "nan"), (None, "None"), (np.inf, "inf")],
)
def test_a_bad_confidence_is_named_with_its_place(metric, bad, shown):
    with pytest.raises(InvalidConfidence, match=rf"confidence\[1\] is .*{shown}"):
        metric([0.5, bad, 2.0], [1, 0, 1])


@every_metric
def test_other_bad_data_are_refused(metric):
    with pytest.raises(InvalidData, match=r"correct\[2\] is .*2"):
        metric([0.5, 0.5, 0.5], [1, 0, 2])
    with pytest.raises(InvalidData, match=r"correct\[1\] is None"):
        metric([0.5, 0.5, 0.5], [1, None, 0])
    with pytest.raises(InvalidData, match=r"correct\[0\] is .*nan"):
        metric([0.5, 0.5], [np.nan, 1])
    with pytest.raises(InvalidData, match="empty"):
        metric([], [])
    with pytest.raises(InvalidData, match="2 confidences but 3"):
        metric([0.5, 0.5], [1, 0, 1])
    with pytest.raises(InvalidConfidence, match="numbers"):
        metric(["a", "b"], [1, 0])
    with pytest.raises(InvalidData, match="shape"):
        metric([[0.5, 0.5]], [[1, 0]])
    for weights in (
        [1, -1],
        [1, np.nan],
        [1, np.inf],
        [1],
        [[1], [2]],
        ["a", "b"],
        np.ones((0, 2)),
    ):
        with pytest.raises(InvalidData, match="weights"):
            metric([0.5, 0.5], [1, 0], weights)


@every_metric
def test_zero_and_one_are_kept(metric):
    """Moving a row from the edge by a hair moves no metric far, so no row is dropped."""
    if metric is metrics.log_loss:
        assert metric([0, 1, 0.5], [0, 1, 1]) == pytest.approx(np.log(2) / 3)
    else:
        p, y = np.array([0, 1, 0, 1, 0.45]), [0, 1, 1, 0, 1]
        inside = np.clip(p, 1e-9, 1 - 1e-9)
        assert metric(p, y) == pytest.approx(metric(inside, y), abs=1e-5)


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(metrics.__path__)])
def test_examples_in_docstrings(name):
    module = importlib.import_module(f"calibrant.metrics.{name}")
    assert doctest.testmod(module).failed == 0


def test_public_names_exist():
    assert sorted(metrics.__all__) == metrics.__all__
    assert all(hasattr(metrics, name) for name in metrics.__all__)
