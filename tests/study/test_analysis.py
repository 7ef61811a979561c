"""The tests and estimates, against brute force, other libraries and known answers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calibrant.errors import InvalidData
from calibrant.study.analysis import analyse, primary
from calibrant.study.design import Arm, Contrast
from calibrant.study.items import freeze
from calibrant.study.mixed import agreement_model
from calibrant.study.permutation import contrast, strata
from calibrant.study.policies import Person, crowd
from calibrant.study.power import power, rejections
from calibrant.study.summaries import counting, measures, slope, summaries
from calibrant.study.thresholds import threshold, thresholds
from calibrant.study.virtual import virtual

from .conftest import make_design, make_items

AB = Contrast(measure="accuracy", arm="a", than="b")


def people(values: list[tuple[str, int, float]], batch: int = 0) -> list[dict[str, Any]]:
    return [
        {"participant": f"p{i}", "arm": arm, "block": block, "batch": batch, "accuracy": value}
        for i, (arm, block, value) in enumerate(values)
    ]


def test_permutation_test_equals_all_permutations() -> None:
    """Pairs within blocks: 2^6 equally likely assignments."""
    a, b = [0.9, 0.7, 0.8, 0.6, 0.9, 0.5], [0.4, 0.6, 0.5, 0.7, 0.3, 0.5]
    rows = people([(n, k, v) for k in range(6) for n, v in (("a", a[k]), ("b", b[k]))])
    d = np.subtract(a, b)
    all_ = [abs(np.dot(s, d)) for s in itertools.product((-1, 1), repeat=6)]
    exact = np.mean(np.array(all_) >= abs(d.sum()) - 1e-12)
    found = contrast(rows, AB, within=False, n_permutations=20_000)
    assert found.estimate == pytest.approx(d.mean()) and found.n == (6, 6)
    assert found.p == pytest.approx(exact, abs=0.01)
    pairs = [dict(row, participant=f"p{row['block']}") for row in rows]
    inside = contrast(pairs, AB, within=True, n_permutations=20_000)
    assert inside.p == pytest.approx(exact, abs=0.01) and inside.n == (6,)


def test_permutation_test_equals_scipy_in_one_stratum() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(0.6, 0.2, 14), generator.normal(0.45, 0.2, 11)
    rows = people([("a", 0, v) for v in a] + [("b", 0, v) for v in b])
    found = contrast(rows, AB, within=False, n_permutations=20_000)
    other = stats.permutation_test(
        (a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True, n_resamples=20_000
    )
    assert found.p == pytest.approx(other.pvalue, abs=0.012)
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    classical = stats.ttest_ind(a, b).confidence_interval()
    assert found.low == pytest.approx(classical.low, abs=0.03)
    assert found.high == pytest.approx(classical.high, abs=0.03)


def test_intervals_are_those_that_the_test_does_not_refuse() -> None:
    generator = np.random.default_rng(1)
    values = [(n, k, float(generator.normal(0.3 * (n == "a"), 1))) for k in range(20) for n in "ab"]
    found = contrast(people(values), AB, within=False, n_permutations=4999)
    for edge, inside in ((found.low, 0.02), (found.high, -0.02)):
        for shift, refused in ((edge + inside, False), (edge - inside, True)):
            moved = [(n, k, v - shift * (n == "a")) for n, k, v in values]
            p = contrast(people(moved), AB, within=False, n_permutations=4999).p
            assert (p <= 0.05) is refused


def test_strata_hold_both_arms_and_nobody_is_dropped() -> None:
    rows = people([("a", 0, 1.0), ("b", 0, 0.0), ("a", 1, 1.0), ("a", 2, 1.0), ("b", 2, 0.0),
                   ("b", 3, 0.0)])  # fmt: skip
    rows += people([("b", 0, 0.5), ("a", 4, 0.5)], batch=1)
    found = strata(rows, "a")
    assert found.tolist() == [0, 0, 1, 1, 1, 1, 2, 2]


def test_too_few_and_missing() -> None:
    rows = people([("a", 0, 1.0), ("b", 0, 0.0)] * 3)
    with pytest.raises(InvalidData, match="3 and 3 participants, 4 are needed"):
        contrast(rows, AB, within=False)
    rows = people([("a", k, 1.0) for k in range(5)] + [("b", k, 0.5) for k in range(5)])
    rows.append({**rows[0], "accuracy": None})
    assert contrast(rows, AB, within=False, n_permutations=99).n_missing == 1


def test_measures_by_hand() -> None:
    def row(shown: bool, right: bool, agrees: bool, correct: bool, c: float | None) -> Any:
        return {"prediction_shown": shown, "model_correct": right, "agrees": agrees,
                "correct": correct, "confidence": c}  # fmt: skip

    rows = [row(True, True, True, True, 0.9), row(True, True, False, False, 0.8),
            row(True, False, True, False, 0.4), row(True, False, False, True, 0.1)]  # fmt: skip
    found = measures(rows)
    assert found["accuracy"] == found["agreement"] == found["sensible"] == 0.5
    assert found["over_reliance"] == found["under_reliance"] == 0.5 and found["slope"] is None
    alone = measures([row(False, True, True, True, None)])
    assert alone["agreement"] is None and alone["sensible"] is None and alone["accuracy"] == 1
    x, y = np.array([0.1, 0.3, 0.5, 0.7, 0.9]), np.array([0.0, 0, 1, 1, 1])
    assert slope(x, y) == pytest.approx(stats.linregress(x, y).slope)
    assert slope(x, np.ones(5)) == pytest.approx(0) and slope(np.full(9, 0.5), np.ones(9)) is None


def test_a_threshold_is_found() -> None:
    generator = np.random.default_rng(0)
    errors = []
    for k in range(60):
        true = (0.4, 0.5)[k % 2]
        c = np.round(generator.random(90), 2)
        right = (generator.random(90) < c).astype(float)
        own = generator.random(90) < np.where(right, 0.5, 0.15)
        agrees = np.where(c >= true, 1.0, own)
        agrees = np.where(generator.random(90) < 0.02, 1 - agrees, agrees)
        found = threshold(c, agrees, right)
        assert found.low <= found.value <= found.high
        errors.append(abs(found.value - true))
    assert np.mean(np.array(errors) <= 0.05) >= 0.9
    with pytest.raises(InvalidData):
        threshold(np.array([]), np.array([]), np.array([]))
    flat = threshold(c, np.ones(90), right)
    assert flat.evidence < 0  # who always agrees has no threshold


def test_intervals_of_thresholds_hold_them() -> None:
    """Thresholds from 15 to 85 %, of people who lapse, learn and tire."""
    design = make_design(arms=(Arm.parse("tuned"), Arm.parse("bar=tuned:bar")), n_questions=60,
                         n_batches=3, n_practice=0)  # fmt: skip
    items, _ = freeze(make_items(200), design)
    people_ = crowd(142, 0, [f"threshold_{percent}" for percent in range(15, 86)])
    data = virtual(design, items, len(people_), lambda _, number: people_[number], 0)
    found = thresholds(counting(*data))
    truth = {name: int(who.policy[-2:]) / 100 for name, who in zip(sorted(found), people_)}
    held = [found[name].low <= value <= found[name].high for name, value in truth.items()]
    assert len(held) == 142 and np.mean(held) >= 0.95
    assert np.median([one.high - one.low for one in found.values()]) < 0.2
    near = [abs(found[name].value - value) <= 0.05 for name, value in truth.items()]
    assert np.mean(near) >= 0.9


def test_mixed_model_finds_slopes_and_honest_errors() -> None:
    generator = np.random.default_rng(0)
    person, item = generator.normal(0, 0.8, 60), generator.normal(0, 0.5, 40)
    rows = []
    for p in range(60):
        for i in range(40):
            c, arm = generator.random(), ("x", "y")[p % 2]
            eta = person[p] + item[i] + (3 * (c - 0.5) if arm == "y" else 0)
            rows.append({"participant": f"p{p}", "item": f"i{i}", "arm": arm, "confidence": c,
                         "prediction_shown": True,
                         "agrees": generator.random() < 1 / (1 + np.exp(-eta))})  # fmt: skip
    found = {(row["arm"], row["term"]): row for row in agreement_model(rows)}
    assert abs(found["x", "slope"]["estimate"]) < 3 * found["x", "slope"]["sd"]
    assert found["y", "slope"]["estimate"] == pytest.approx(3, abs=0.6)
    assert found["", "sd of participants"]["estimate"] == pytest.approx(0.8, abs=0.25)
    # An intercept is known no better than the mean of 30 people's.
    assert found["x", "at 50 %"]["sd"] > 0.8 * 0.8 / np.sqrt(30)


def test_slopes_differ_between_confidences_that_nobody_looks_at() -> None:
    """Own slopes differ by knowledge alone; the contrast, on one confidence, does not."""
    design = make_design(
        n_questions=20, n_batches=1, arms=tuple(map(Arm.parse, ("random", "tuned")))
    )
    items, _ = freeze(make_items(), design)
    participants, trials = virtual(design, items, 60, lambda arm, k: Person(policy="never"), 0)
    rows = summaries(participants, trials)
    mean = {
        arm: np.mean([r["slope"] for r in rows if r["arm"] == arm]) for arm in ("random", "tuned")
    }
    assert mean["tuned"] - mean["random"] > 0.15
    (found,) = primary(design, items, rows, [t for t in trials if t["kind"] == "trial"],
                       n_permutations=499)  # fmt: skip
    assert found["measure"] == "slope" and found["p"] > 0.01 and abs(found["estimate"]) < 0.15


@pytest.mark.parametrize("within", [False, True])
def test_analysis_of_an_effect_and_none(within: bool) -> None:
    design = make_design(n_questions=20, n_batches=1, within=within, n_ability=6)
    items, _ = freeze(make_items(), design)
    participants, trials = virtual(
        design, items, 64, lambda arm, k: Person(policy="threshold_50", ability=(k % 5 - 2) / 2), 0
    )
    found = analyse(design, items, participants, trials, n_permutations=499, n_resamples=100)
    by_name = {(r["measure"], r["than"]): r for r in found["primary"]}
    assert by_name["slope", "prediction"]["p_holm"] < 0.05
    assert by_name["slope", "prediction"]["estimate"] > 0.3
    assert (
        found["arms"]["tuned"]["sensible"]["value"] > found["arms"]["random"]["sensible"]["value"]
    )
    assert found["arms"]["no_model"]["agreement"] is None and found["n"]["kept"] == 64
    assert len(found["ability"]["groups"]) == 12
    late = [{**t, "response": None, "late": True} for t in trials]
    with pytest.raises(InvalidData, match="no participant is kept"):
        analyse(design, items, participants, late)


def test_power_rises_and_a_null_effect_is_found_rarely() -> None:
    design = make_design(
        n_questions=12,
        n_batches=1,
        n_practice=0,
        n_ability=0,
        arms=tuple(map(Arm.parse, ("prediction", "tuned"))),
        contrasts=(Contrast(measure="slope", arm="tuned", than="prediction"),),
    )
    items, _ = freeze(make_items(), design)
    found = power(design, items, [10, 50], 0.9, n_simulations=6)
    assert found["power"][50][0]["holm"] > 0.7 > found["power"][10][0]["holm"]
    assert found["needed"] == {"slope: tuned - prediction": 50}
    never = Person(policy="never")
    null = rejections(design, items, 12, never, n_simulations=20, n_permutations=199)
    assert null[0]["alone"] <= 0.25  # 20 tries at 5 %: 6 happen once in 3,000
    with pytest.raises(InvalidData, match="share"):
        power(design, items, [20], 1.5)
    with pytest.raises(InvalidData, match="2 participants"):
        rejections(design, items, 2, 0.5, n_simulations=1)
