"""Rows and comparisons: against direct computation, edges by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from calibrant.errors import InvalidData, NothingGraded
from calibrant.evaluation.evaluate import BRIER_PARTS, MEASURES, Settings, answered, evaluate
from calibrant.evaluation.table import Column, Table
from calibrant.metrics import auroc, bootstrap, brier_score, resample

N = 400


def table(**changes: object) -> Table:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.02, 0.98, N)
    correct = (rng.random(N) < confidence).astype(float)
    noisy = np.clip(confidence + rng.normal(0, 0.3, N), 0, 1)
    base = np.full(N, 0.5)
    given = {0.9: (confidence > 0.8).astype(float), 0.95: np.zeros(N)}
    fields = {
        "model": "m",
        "correct": correct,
        "group": np.array([f"g{i // 2}" for i in range(N)]),
        "subject": np.array([f"s{i % 8}" for i in range(N)]),
        "subset": np.array([("seen", "unseen")[i % 16 // 8] for i in range(N)]),
        "format": np.array([("open", "choice")[i // 200] for i in range(N)]),
        "columns": (
            Column(estimator="base", calibrator="platt", confidence=base, answered=given),
            Column(
                estimator="raw",
                calibrator="none",
                confidence=noisy,
                is_confidence=False,
                answered=given,
            ),
            Column(estimator="noisy", calibrator="platt", confidence=noisy, answered=given),
            Column(estimator="lead", calibrator="platt", confidence=confidence, answered=given),
        ),
    }
    return Table(**{**fields, **changes})  # type: ignore[arg-type]


def row(found: dict, estimator: str, kind: str = "all", subset: str = "all") -> dict:  # type: ignore[type-arg]
    return next(
        r
        for r in found["rows"]
        if (r["estimator"], r["format"], r["subset"]) == (estimator, kind, subset)
    )


@pytest.fixture(scope="module")
def found() -> dict:  # type: ignore[type-arg]
    return evaluate(table(), Settings(n_resamples=300))


def test_values_against_scikit_learn(found: dict) -> None:  # type: ignore[type-arg]
    data = table()
    for kind in ("all", "open"):
        rows = np.ones(N, bool) if kind == "all" else data.format == kind
        y, p = data.correct[rows], data.columns[-1].confidence[rows]
        lead = row(found, "lead", kind)
        assert lead["n"] == rows.sum()
        assert lead["auroc"]["value"] == pytest.approx(roc_auc_score(y, p))
        assert lead["brier_score"]["value"] == pytest.approx(brier_score_loss(y, p))
        assert lead["log_loss"]["value"] == pytest.approx(log_loss(y, p))
        assert lead["accuracy"]["value"] == pytest.approx(y.mean())
        assert lead["coverage_90"]["value"] == pytest.approx((p > 0.8).mean())
        assert lead["coverage_95"]["value"] == 0


def test_intervals_hold_their_values(found: dict) -> None:  # type: ignore[type-arg]
    lead = row(found, "lead")
    for name in ("accuracy", "auroc", "brier_score", "log_loss", "aurc", "auroc_subject_mean"):
        cell = lead[name]
        assert cell["low"] < cell["value"] < cell["high"], name


@pytest.mark.parametrize(("subset", "kind"), [("seen", "group"), ("unseen", "subject")])
def test_intervals_are_those_of_the_bootstrap_that_is_told(
    found: dict,  # type: ignore[type-arg]
    subset: str,
    kind: str,
) -> None:
    """By group on seen subjects; by subject, then group, on others; 95 %."""
    data = table()
    here = data.subset == subset
    p, y = data.columns[-1].confidence[here], data.correct[here]
    subjects = data.subject[here] if kind == "subject" else None
    drawn = resample(data.group[here], subjects, kind, n_resamples=300, seed=0)  # type: ignore[arg-type]
    told = row(found, "lead", subset=subset)
    for name, metric in (("brier_score", brier_score), ("auroc", auroc)):
        expected = bootstrap(metric, p, y, drawn)
        assert (told[name]["low"], told[name]["high"]) == pytest.approx(
            (expected.low, expected.high)
        )
        narrow = bootstrap(metric, p, y, drawn, level=0.5)
        assert expected.low < narrow.low < narrow.high < expected.high  # type: ignore[operator]


def test_the_corrected_error_s_interval_is_less_the_floor(found: dict) -> None:  # type: ignore[type-arg]
    told = row(found, "noisy")
    floor = told["ece_floor"]["value"]
    assert floor > 0.01
    for end in ("low", "high"):
        expected = max(0.0, told["ece"][end] - floor)
        assert told["ece_corrected"][end] == pytest.approx(expected, abs=1e-9)


def test_leads_are_compared_with_every_other() -> None:
    settings = Settings(n_resamples=50, leads=("base",))
    led = {c["estimator"] for c in evaluate(table(), settings)["comparisons"]}
    assert led == {"base", "lead"}


def test_subjects_of_few_answers_are_left_out_of_their_mean() -> None:
    """Nine answers are too few: whatever they are, the mean stays."""
    few = np.array(["few" if i < 9 else f"s{i % 8}" for i in range(N)])
    here = table(subject=few)
    turned = np.where(few == "few", 1 - here.correct, here.correct)
    settings = Settings(n_resamples=0)
    one, two = (
        row(evaluate(t, settings), "lead")["auroc_subject_mean"]["value"]
        for t in (here, table(subject=few, correct=turned))
    )
    assert one == two
    ten = np.array(["few" if i < 10 else f"s{i % 8}" for i in range(N)])
    turned = np.where(ten == "few", 1 - here.correct, here.correct)
    one, two = (
        row(evaluate(t, settings), "lead")["auroc_subject_mean"]["value"]
        for t in (table(subject=ten), table(subject=ten, correct=turned))
    )
    assert one != two


def test_a_score_that_claims_nothing_has_no_calibration_error(found: dict) -> None:  # type: ignore[type-arg]
    raw = row(found, "raw")
    assert raw["ece"] is None and "no probability" in raw["reasons"]["ece"]
    assert raw["brier_score"] is None and raw["auroc"] is not None


def test_paired_differences(found: dict) -> None:  # type: ignore[type-arg]
    one = {
        c["baseline"]: c["difference"]
        for c in found["comparisons"]
        if (c["metric"], c["format"], c["subset"]) == ("brier_score", "all", "all")
    }
    assert set(one) == {"base", "noisy"}  # of the same calibrator
    for name, difference in one.items():
        expected = row(found, "lead")["brier_score"]["value"]
        expected -= row(found, name)["brier_score"]["value"]
        assert difference["value"] == pytest.approx(expected)
        assert difference["high"] < 0


def test_pairing_is_tighter_than_apart(found: dict) -> None:  # type: ignore[type-arg]
    paired = next(
        c["difference"]
        for c in found["comparisons"]
        if (c["baseline"], c["metric"], c["format"], c["subset"])
        == ("noisy", "brier_score", "all", "seen")
    )
    widths = [
        (lambda c: c["high"] - c["low"])(row(found, name, subset="seen")["brier_score"])
        for name in ("lead", "noisy")
    ]
    assert paired["high"] - paired["low"] < sum(widths)


def test_the_brier_score_has_its_parts(found: dict) -> None:  # type: ignore[type-arg]
    one, part = row(found, "lead", "open", "seen"), table()
    kept = (part.format == "open") & (part.subset == "seen")
    p, y = part.columns[-1].confidence[kept], part.correct[kept]
    known = ~np.isnan(y) & ~np.isnan(p)
    rate = y[known].mean()
    assert one["brier_uncertainty"]["value"] == pytest.approx(rate * (1 - rate))
    bins = np.ceil(p[known] * 10)
    sizes = [(bins == b).mean() for b in range(11)]
    gaps = [(y[known] - p[known])[bins == b].mean() if s else 0 for b, s in enumerate(sizes)]
    expected = float(np.dot(sizes, np.square(gaps)))
    assert one["brier_reliability"]["value"] == pytest.approx(expected, rel=1e-6)
    assert one["brier_resolution"]["value"] > 0
    assert not {c["metric"] for c in found["comparisons"]} & set(BRIER_PARTS)


def test_subjects_tell_three_things(found: dict) -> None:  # type: ignore[type-arg]
    one = row(found, "lead", "open", "subject:s3")
    assert set(one) & set(MEASURES) == {"accuracy", "brier_score", "auroc"}


def test_all_leaves_out_the_unanswerable() -> None:
    subset = np.array(["seen"] * 300 + ["unanswerable"] * 100)
    correct = table().correct.copy()
    correct[300:] = 0
    made = evaluate(table(subset=subset, correct=correct), Settings(n_resamples=20))
    assert row(made, "lead")["n"] == 300
    nothing = row(made, "lead", "all", "unanswerable")
    assert nothing["auroc"] is None and nothing["reasons"]["auroc"]
    assert nothing["accuracy"]["value"] == 0


def test_ungraded_and_missing_are_counted() -> None:
    correct = table().correct.copy()
    correct[:7] = np.nan
    missing = table().columns[-1].confidence.copy()
    missing[5:15] = np.nan
    columns = (
        table().columns[0],
        Column(estimator="lead", calibrator="platt", confidence=missing, answered={}),
    )
    columns[1].__dict__["answered"] = columns[0].answered
    made = evaluate(table(correct=correct, columns=columns), Settings(n_resamples=20))
    lead, base = row(made, "lead"), row(made, "base")
    assert (lead["n"], lead["n_ungraded"], lead["n_missing"]) == (N - 15, 7, 8)
    assert (base["n"], base["n_ungraded"], base["n_missing"]) == (N - 7, 7, 0)
    both = ~np.isnan(correct) & ~np.isnan(missing)
    expected = brier_score_loss(correct[both], missing[both]) - 0.25
    (brier,) = (
        c["difference"]
        for c in made["comparisons"]
        if (c["metric"], c["format"], c["subset"]) == ("brier_score", "all", "all")
    )
    assert brier["value"] == pytest.approx(expected)
    with pytest.raises(NothingGraded):
        evaluate(table(correct=np.full(N, np.nan)))


def test_infinite_log_loss_is_told_and_json_stays_valid() -> None:
    sure = np.ones(N)
    columns = (
        Column(
            estimator="sure",
            calibrator="none",
            confidence=sure,
            answered=table().columns[0].answered,
        ),
    )
    made = evaluate(table(columns=columns), Settings(n_resamples=20))
    assert row(made, "sure")["log_loss"] is None
    assert "infinite" in row(made, "sure")["reasons"]["log_loss"]
    json.dumps(made, allow_nan=False)
    clipped = evaluate(table(columns=columns), Settings(n_resamples=20, clip=1e-12))
    assert row(clipped, "sure")["log_loss"]["value"] > 1


def test_rows_may_stand_in_any_order() -> None:
    order = np.random.default_rng(1).permutation(N)
    one = evaluate(table(), Settings(n_resamples=0))
    other = evaluate(table().select(order), Settings(n_resamples=0))
    for name in MEASURES:
        a, b = row(one, "lead")[name], row(other, "lead")[name]
        assert a["value"] == pytest.approx(b["value"], abs=1e-12), name


def test_answered_by_hand() -> None:
    held, correct = np.array([0.9, 0.8, 0.3]), np.array([1.0, 1.0, 0.0])
    found = answered(held, correct, np.array([0.95, 0.8, 0.5, np.nan]))
    assert found[0.9].tolist() == [1, 1, 0, 0]
    nothing = answered(held, np.zeros(3), np.array([0.95]))
    assert nothing[0.9].tolist() == [0]


@pytest.mark.parametrize(
    "wrong", [{"n_bins": 0}, {"n_resamples": -1}, {"clip": 0.0}, {"clip": 1.0}]
)
def test_settings_that_cannot_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidData, match="needed"):
        Settings(**wrong)
