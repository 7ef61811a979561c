"""Brier score, log loss and accuracy; and all metrics on real answers."""

import csv

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from calibrant.errors import InvalidData
from calibrant.metrics import (
    accuracy,
    auroc,
    brier_decomposition,
    brier_score,
    ece,
    log_loss,
)


def rows(n=400, seed=0):
    generator = np.random.default_rng(seed)
    p = np.round(generator.beta(2, 1, n), 2)
    return p, generator.random(n) < p**2


def test_by_hand_at_the_edges():
    assert brier_score([0.0, 1.0, 1.0, 0.5], [0, 1, 0, 1]) == pytest.approx(1.25 / 4)
    assert accuracy([0.0, 1.0, 1.0, 0.5], [0, 1, 0, 1]) == 0.5
    assert log_loss([0.0, 1.0], [0, 1]) == 0.0
    assert log_loss([0.0, 0.5], [1, 1]) == np.inf
    assert log_loss([1.0, 0.5], [0, 1]) == np.inf
    assert log_loss([0.25, 0.5], [0, 1]) == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2)


def test_log_loss_among_replicates_is_infinite_only_where_the_row_was_drawn():
    values = log_loss([1.0, 0.5], [0, 1], [[1, 1], [0, 2], [0, 0]])
    assert values[0] == np.inf
    assert values[1] == pytest.approx(np.log(2))
    assert np.isnan(values[2])


def test_clip():
    assert log_loss([1.0], [0], clip=1e-3) == pytest.approx(-np.log(1e-3))
    assert log_loss([0.0], [1], clip=1e-3) == pytest.approx(-np.log(1e-3))
    assert log_loss([0.4], [1], clip=1e-3) == log_loss([0.4], [1])
    for clip in (0, 0.5, -1):
        with pytest.raises(InvalidData, match="clip"):
            log_loss([0.5], [1], clip=clip)


def test_against_scikit_learn():
    p, y = rows()
    w = np.random.default_rng(1).integers(0, 5, p.size)
    assert brier_score(p, y) == pytest.approx(brier_score_loss(y, p))
    assert brier_score(p, y, w) == pytest.approx(brier_score_loss(y, p, sample_weight=w))
    q = np.clip(p, 0.01, 0.99)
    assert log_loss(q, y, w) == pytest.approx(sklearn_log_loss(y, q, sample_weight=w))


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("n_bins", [1, 3, 10])
def test_the_parts_sum_to_the_brier_score(strategy, n_bins):
    p, y = rows()
    parts = brier_decomposition(p, y, n_bins=n_bins, strategy=strategy)
    assert parts.score == pytest.approx(brier_score(p, y), abs=1e-12)
    assert parts.uncertainty == pytest.approx(y.mean() * (1 - y.mean()))
    assert parts.reliability == pytest.approx(
        ece(p, y, n_bins=n_bins, strategy=strategy, norm="l2") ** 2
    )
    weights = np.random.default_rng(1).integers(0, 3, (5, p.size))
    many = brier_decomposition(p, y, weights, n_bins=n_bins, strategy=strategy)
    np.testing.assert_allclose(many.score, brier_score(p, y, weights), atol=1e-12)
    assert many.resolution.shape == (5,)


def test_decomposition_by_hand():
    """Two bins of one value each: nothing within bins, the parts of Murphy."""
    parts = brier_decomposition([0.25] * 4 + [1.0] * 4, [0, 0, 0, 1, 1, 1, 1, 0])
    assert parts.reliability == pytest.approx((0 + 0.25**2) / 2)
    assert parts.resolution == pytest.approx(0.25**2)
    assert parts.uncertainty == pytest.approx(0.25)
    assert (parts.within_bin_variance, parts.within_bin_covariance) == pytest.approx((0, 0))


def reference_values(p, y):
    return {
        "n": len(p),
        "accuracy": accuracy(p, y),
        "mean_confidence": np.mean(p),
        "ece10": ece(p, y),
        "ece15": ece(p, y, n_bins=15),
        "brier": brier_score(p, y),
        "nll": log_loss(p, y, clip=1e-12),
        "auroc": auroc(p, y),
    }


@pytest.mark.parametrize("prompt", ["0", "1"])
def test_llama_on_mmlu(shared, reference, prompt):
    with open(shared / "data/llm_answers/llama13b_mmlu_probs.csv", newline="") as file:
        answers = [row for row in csv.DictReader(file) if row["prompt"] == prompt]
    options = np.array([[float(row[f"p{letter}"]) for letter in "ABCD"] for row in answers])
    p, y = options.max(axis=1), options.argmax(axis=1) == [int(row["target"]) for row in answers]
    theirs = reference["llama13b_mmlu (max softmax vs correct)"][f"prompt{prompt}"]
    # computed before the file was rounded to six decimals
    assert reference_values(p, y) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(
    ("column", "name"),
    [("seq_likelihood", "seq_likelihood"), ("verbalized_quant", "verbalised %")],
)
def test_vicuna_on_truthfulqa(shared, reference, column, name):
    """The reference's log loss clips at 1e-12: 432 of the 816 verbalised confidences are 1."""
    with open(shared / "data/llm_answers/vicuna7b_truthfulqa_graded.csv", newline="") as file:
        answers = list(csv.DictReader(file))
    if column == "seq_likelihood":
        p = np.array([float(row[column]) for row in answers])
    else:
        p = np.array([float(row[column].split("%")[0]) / 100 for row in answers])
        assert log_loss(p, np.zeros(p.size)) == np.inf
    y = np.array([float(row["accuracy"]) for row in answers])
    found = reference_values(p, y)
    assert found == pytest.approx(reference[f"vicuna7b_truthfulqa {name}"], abs=1e-9)
    assert auroc(p, y) == pytest.approx(roc_auc_score(y, p))
