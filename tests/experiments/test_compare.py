"""Claims, verdicts and paired differences, by hand-worked and simulated cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from calibrant.estimators.base_rate import BaseRate
from calibrant.estimators.estimator import Scores
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.estimators.zero_shot import ZeroShot
from calibrant.experiments import bench, cross_model, incorrect_answers, label_count, robustness
from calibrant.experiments.arms import worst
from calibrant.experiments.compare import Panel, over_models
from calibrant.experiments.drawing import curves
from calibrant.experiments.experiment import (
    HOLDS,
    IN_PART,
    NOT,
    NOT_RUN,
    UNTESTABLE,
    Claim,
    Difference,
    corrected,
    verdict,
)
from calibrant.experiments.fitting import Fit, Missing, Scored, calibrated, fit_and_score
from calibrant.experiments.subject_shift import as_many, few
from calibrant.experiments.user_study import share, together
from calibrant.models.model import Given
from calibrant.records import Answer, Grade, Graded, ModelName, Question, Verdict


def items(n: int, seed: int = 0) -> list[Graded]:
    """Answers of ten subjects, half of them right."""
    found = []
    for i in range(n):
        question = Question(text=f"Question {i}?", targets=("x",), subject=f"s{i % 10}")
        answer = Answer(question_id=question.id, text="x", model=ModelName(name="m"))
        verdict = (
            Verdict.CORRECT if np.random.default_rng([seed, i]).random() < 0.5 else "incorrect"
        )
        grade = Grade(answer_id=answer.id, verdict=Verdict(verdict), grader="g")
        found.append(Graded(question=question, answer=answer, grade=grade))
    return found


def made(n: int = 400) -> tuple[Panel, list[Graded], np.ndarray]:
    """A panel with a good, an equal and a poor arm."""
    answers = items(n)
    y = np.array([item.correct for item in answers], dtype=float)
    rng = np.random.default_rng(0)
    panel = Panel(n_resamples=300)
    good = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=n))))
    for seed in (0, 1):
        panel.add("good", "m", seed, answers, good)
        panel.add("same", "m", seed, answers, good.copy())
        panel.add("poor", "m", seed, answers, rng.random(n))
        panel.add("flat", "m", seed, answers, np.full(n, 0.5))
    return panel, answers, y


def test_values_and_differences() -> None:
    panel, answers, y = made()
    cells = panel.of("good")
    found = panel.value("good", "auroc")
    assert found is not None
    assert found["value"] == pytest.approx(roc_auc_score(y, cells[0].confidence))
    apart = panel.difference("good", "flat", "auroc")  # an interval is of one kind everywhere
    assert apart is not None and apart.drawn == "10 subjects"
    assert (found["low"], found["high"]) == pytest.approx((apart.low + 0.5, apart.high + 0.5))
    few = Panel(n_resamples=50)  # so few that the interval would leave the metric's range
    few.add("good", "m", 0, answers[:40], cells[0].confidence[:40])
    cell = few.value("good", "ece")
    assert cell is not None and 0 <= cell["low"] <= cell["value"] <= cell["high"] <= 1
    difference = panel.difference("good", "poor", "auroc")
    assert difference is not None and difference.low is not None
    expected = np.mean(
        [
            roc_auc_score(y, a.confidence) - roc_auc_score(y, b.confidence)
            for a, b in zip(cells, panel.of("poor"))
        ]
    )
    assert difference.value == pytest.approx(expected)
    assert difference.low > 0 and difference.p() < 0.001
    assert difference.df == 9  # ten subjects


def test_what_is_the_same_differs_by_nothing() -> None:
    panel, _, _ = made()
    difference = panel.difference("good", "same", "brier_score")
    assert difference is not None
    assert difference.value == 0 and difference.p() == 1.0


def test_a_missing_confidence_leaves_its_row_out_of_both() -> None:
    panel, answers, y = made()
    confidence = panel.of("good")[0].confidence.copy()
    confidence[:100] = np.nan
    panel.add("part", "m", 0, answers, confidence)
    difference = panel.difference("part", "poor", "auroc")
    assert difference is not None and difference.n == 300
    poor = panel.of("poor")[0].confidence
    expected = roc_auc_score(y[100:], confidence[100:]) - roc_auc_score(y[100:], poor[100:])
    assert difference.value == pytest.approx(expected)


def test_undefined_is_none() -> None:
    panel, answers, _ = made()
    panel.add("none", "m", 0, answers, np.full(len(answers), np.nan))
    assert panel.value("none", "auroc") is None
    assert panel.difference("none", "poor", "auroc") is None


def test_rulings() -> None:
    up = Difference(value=0.1, se=0.025, df=13, n=100)
    claim, against = Claim(name="a", text="", wish=1), Claim(name="b", text="", wish=-1)
    assert claim.ruling(up, up.p()) == "shown"
    assert against.ruling(up, up.p(-1)) == "reversed"
    assert claim.ruling(up, 0.2) == "undecided"
    down = Difference(value=-0.01, se=0.01, df=13, n=100)
    margin = Claim(name="c", text="", margin=0.05)
    assert margin.ruling(down, margin.p(down)) == "shown"
    within = Claim(name="d", text="", margin=0.05, is_within=True)
    far, odd = (Difference(value=v, se=0.01, df=13, n=100) for v in (-0.16, 0.1))
    assert [within.ruling(d, within.p(d)) for d in (down, far, odd)] == [
        "shown", "reversed", "reversed",
    ]  # fmt: skip
    near = Difference(value=0.045, se=0.01, df=13, n=9)
    assert within.ruling(near, within.p(near)) == "undecided"
    away = Difference(value=-0.03, se=0.01, df=13, n=9)
    picked, much = (replace(away, n_of=n) for n in (4, 100))  # the worst of so many
    assert claim.p(away) == pytest.approx(0.0102, abs=1e-4)  # t = 3 with 13 degrees of freedom
    assert claim.p(picked) == 4 * claim.p(away) and claim.p(much) == 1.0
    assert [claim.ruling(d, claim.p(d)) for d in (picked, much)] == ["reversed", "undecided"]
    best = replace(up, n_of=100)  # where the worst lies on the wished side, all do
    assert claim.p(best) == claim.p(up) and claim.ruling(best, claim.p(best)) == "shown"
    assert claim.ruling(down, down.p()) == "undecided"


def test_interval_and_p_agree() -> None:
    for value in (0.019, 0.0219, 0.0221, 0.03, -0.03):
        found = Difference(value=value, se=0.01, df=11, n=9)
        assert found.low is not None and found.high is not None
        assert (found.low > 0 or found.high < 0) == (found.p() < 0.05)
    assert Difference(value=0.1, se=np.nan, df=11, n=9).low is None


def test_all_claims_are_corrected_together() -> None:
    p = {("a", "1"): 0.01, ("b", "1"): 0.04, ("a", "2"): 0.02}
    assert corrected(p) == pytest.approx({("a", "1"): 0.03, ("b", "1"): 0.04, ("a", "2"): 0.04})
    assert corrected({}) == {}


def test_a_share_that_is_not_clear_of_enough_is_undecided() -> None:
    """93 of 107 thresholds against 0.8: Wilson's interval is 0.792 to 0.920, p 0.07."""
    found = share(93 / 107, 107)
    assert found.low is not None and found.high is not None
    assert found.low + 0.8 == pytest.approx(0.792, abs=0.003) and found.p() > 0.05
    assert found.high + 0.8 == pytest.approx(0.920, abs=0.003)
    assert share(0.95, 107).p() < 0.001


def test_verdicts() -> None:
    assert verdict(["shown", "shown"]) == HOLDS
    assert verdict(["shown", "undecided"]) == IN_PART
    assert verdict(["undecided", "reversed"]) == NOT
    assert verdict([NOT_RUN, NOT_RUN]) == NOT_RUN
    assert verdict(["shown", NOT_RUN]) == IN_PART  # not all of what was declared is shown
    assert verdict([], "no model writes code") == UNTESTABLE


def test_no_answers_at_all() -> None:
    panel = Panel(n_resamples=10)
    panel.add("none", "m", 0, [], np.array([]))
    assert panel.value("none", "auroc") is None
    assert panel.difference("none", "none", "auroc") is None


def test_passed_tells_never_from_not_defined() -> None:
    """Clear at the largest size and all the way down to some size, or not."""

    class Found:
        def difference(self, one: str, other: str, metric: str) -> Difference | None:
            n, sign = int(one.rpartition(" ")[2]), 1 if metric == "auroc" else -1
            if other == "token_entropy":
                return None
            is_clear = n >= {"zero_shot": 100, "sequence_likelihood": 10_000}.get(other, 0)
            return Difference(value=sign, se=0.1 if is_clear else 1, df=9, n=9)

    rivals = label_count.BASELINES
    rows = label_count.passed(Found(), (50, 100, 200), rivals)  # type: ignore[arg-type]
    for metric in ("auroc", "brier_score"):
        told = [row[f"passed in {metric} from"] for row in rows[:4]]
        assert told == ["100", "not by 200", "50", "not defined"]
    sentence = label_count.told(rows)[0]
    assert "`zero_shot` from 100, `sequence_likelihood` not by 200" in sentence


def test_marks_stand_on_their_curve() -> None:
    figure = curves(
        {"AUROC": {"one": [(10.0, 0.5, None, None), (20.0, 0.7, None, None)]}},
        xlabel="n", ylabels={}, marks={"AUROC": {"one": [(20.0, "ab")]}},
    )  # fmt: skip
    (text,) = figure.axes[0].texts
    assert text.get_text() == "ab" and text.xy == (20.0, 0.7)


def test_letters_of_near_levels_stand_together() -> None:
    """Near on the axis that the levels have widened; the legend has those of all panels."""
    points = [(10.0, 0.80, None, None), (20.0, 0.81, None, None)]
    levels = {"b: two": 0.505, "a: one": 0.5, "c: three": 0.9}
    figure = curves(
        {"AUROC": {"x": points}, "ECE": {"x": points}}, xlabel="n", ylabels={},
        levels={"AUROC": levels, "ECE": {"d: four": 0.8}},
    )  # fmt: skip
    assert [text.get_text() for text in figure.axes[0].texts] == ["ab", "c"]
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["x", "b: two", "a: one", "c: three", "d: four"]


def test_what_the_tests_of_two_seeds_share_is_drawn_for_both() -> None:
    """Means over seeds with nearly the same questions: the interval is as wide as they vary."""
    spread, errors = [], []
    for trial in range(120):
        rng = np.random.default_rng(trial)
        difficulty, every = rng.random(105), items(105, trial)
        panel = Panel(n_resamples=100, by_subject=False)
        for seed, start in enumerate((0, 5)):
            part = slice(start, start + 100)
            panel.add("arm", "m", seed, every[part], difficulty[part])
            panel.add("base", "m", seed, every[part], np.full(100, 0.5))
        found = panel.difference("arm", "base", "brier_score")
        assert found is not None
        spread.append(found.value)
        errors.append(found.se)
    assert np.std(spread) == pytest.approx(np.mean(errors), rel=0.15)


def test_a_flat_map_keeps_the_ranking() -> None:
    """Calibration answers that call for a falling map do not take the scores' order from them."""
    held, judged = items(60, 1), items(200, 2)
    wrong_way = np.where([item.correct for item in held], -1.0, 1.0) + np.linspace(0, 1, 60)
    scores = np.random.default_rng(0).normal(size=200)
    scores[::7] = np.nan
    there = ~np.isnan(scores)
    for name in ("platt", "temperature"):
        p = calibrated(wrong_way, held, scores, judged, name)
        assert np.ptp(p[there]) < 1e-8 and np.isnan(p[~there]).all()
        assert (np.argsort(p[there]) == np.argsort(scores[there])).all()


def test_the_least_clear_of_all_or_of_none() -> None:
    panel, answers, _ = made()
    found, rival = worst(panel, "good", ["same", "poor"], "auroc", 1)
    assert found is not None and rival == "same" and found.n_of == 2
    panel.add("silent", "m", 0, answers, np.full(len(answers), np.nan))
    assert worst(panel, "good", ["silent", "poor"], "auroc", 1)[1] == "poor"
    right = np.where([item.correct for item in answers], 0.5, np.nan)
    panel.add("one class", "m", 0, answers, right)
    assert worst(panel, "good", ["one class", "poor"], "auroc", 1) == (None, "")


def test_clearness_knows_degrees_of_freedom() -> None:
    few = Difference(value=0.1, se=0.04, df=2, n=9)
    many = Difference(value=0.1, se=0.045, df=200, n=900)
    assert few.clearness() < many.clearness() and many.clearness(-1) < few.clearness(-1) < 0


def test_spreads_over_models_and_seeds() -> None:
    value, of_models, of_seeds = over_models({"a": [0.4, 0.6], "b": [0.9, 0.9]})
    assert value == pytest.approx(0.7)
    assert of_models == pytest.approx(np.std([0.5, 0.9], ddof=1))
    assert of_seeds == pytest.approx(np.sqrt(np.var([0.4, 0.6], ddof=1) / 2))
    assert over_models({"a": [0.4]}) == (0.4, None, None)


def test_a_contrast_over_crowds() -> None:
    row = {"measure": "slope", "arm": "a", "than": "b", "why": "", "n": (20, 30)}
    one, other = ({**row, "estimate": v, "low": v - 0.196, "high": v + 0.196} for v in (0.2, 0.4))
    found = together([one, other])
    assert found["estimate"] == pytest.approx(0.3) and found["n"] == 100
    assert found["se"] == pytest.approx(0.1 / np.sqrt(2))
    none = {**row, "estimate": None, "low": None, "high": None, "why": "nobody"}
    assert together([one, none])["why"] == "nobody"


def test_degrees_of_freedom_are_of_what_is_compared() -> None:
    answers = items(100)
    confidence = np.random.default_rng(0).random(100)
    partly = np.where(np.arange(100) % 10 < 3, confidence, np.nan)  # three of the ten subjects
    for by_subject, whole, part in ((True, 9, 2), (False, 99, 29)):
        panel = Panel(n_resamples=50, by_subject=by_subject)
        panel.add("a", "m", 0, answers, confidence)
        panel.add("b", "m", 0, answers, 1 - confidence)
        panel.add("c", "m", 0, answers, partly)
        assert panel.df(answers) == whole
        for other, df in (("b", whole), ("c", part)):
            found = panel.difference("a", other, "brier_score")
            assert found is not None and found.df == df


def test_a_missing_confidence_is_counted_once_and_told_why() -> None:
    answers, missing = items(6), Missing()
    scores = Scores(values=np.array([0.5, np.nan, np.nan]), reasons={1: "no number", 2: "a word"})
    one, other = (Fit(ZeroShot(), answers, answers, Given(), seed) for seed in (0, 1))
    learned = Fit(BaseRate(), answers, answers, Given(), 0)
    for _ in range(2):  # read twice, it is the same one
        missing.note(one, answers[:3], scores)
    missing.note(learned, answers[3:], scores)
    assert missing.told() == [
        "Open-ended, `zero_shot`: 2 confidences are missing (a word; no number).",
        "Open-ended, `base_rate`: 2 confidences are missing (a word; no number).",
    ]
    assert other.key == one.key  # it does not learn: the seed is nothing to it


def test_what_trains_longest_is_begun_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Fit] = []

    def noted(work: object, jobs: list[tuple[Path, Fit, object]], **_: object) -> list[object]:
        if work is fit_and_score:
            begun.extend(fit for _, fit, _ in jobs)
        return []

    monkeypatch.setattr(bench, "side_by_side", noted)
    nothing = Scored(scores=Scores(values=np.ones(1), reasons={}), told={})
    monkeypatch.setattr(bench, "read_scores", lambda *_: nothing)
    forms = (ZeroShot(), LoraPrompt(n_epochs=1.0), LoraPrompt(n_epochs=17.0), LoraPrompt())
    wanted = [(Fit(form, items(20), [], Given()), items(1)) for form in forms]
    bench.Bench(out=tmp_path).scored([*wanted, (Fit(LoraPrompt(), items(200), [], Given()), [])])
    assert [fit.work for fit in begun] == [600, 340, 60, 20, 0]


def test_what_hardly_speaks_is_not_measured() -> None:
    panel, answers, _ = made()
    few = np.where(np.arange(len(answers)) < len(answers) // 20, 0.5, np.nan)
    few[:2] = 0.4, 0.6
    for seed in (0, 1):
        panel.add("few", "m", seed, answers, few)
    assert panel.value("few", "brier_score") is None
    assert panel.difference("good", "few", "brier_score") is None
    assert panel.value("good", "brier_score") is not None


def test_what_speaks_is_decided_model_by_model_on_what_it_was_to_judge() -> None:
    panel, answers, _ = made()
    n = len(answers)
    some = np.where(np.arange(n) < n // 20, np.linspace(0.2, 0.8, n), np.nan)
    panel.add("dear", "m", 0, answers, some, n_judged=n // 4)  # a fifth of these
    assert panel.value("dear", "brier_score") is not None
    assert panel.difference("good", "dear", "brier_score") is not None
    panel.add("dear", "quiet", 0, answers, some)  # a twentieth
    assert panel.value("dear", "brier_score") is None
    assert panel.difference("good", "dear", "brier_score") is None
    assert panel.value("dear", "brier_score", ["m"]) is not None


def test_swapped_answers_stand_in_the_words_of_the_models_own() -> None:
    (item,) = items(1)
    answer = replace(item.answer, id="", text="It is x, I think.", extracted="x")
    found = incorrect_answers.saying(replace(item, answer=answer), "Rome", Verdict.INCORRECT)
    assert (found.answer.text, found.answer.extracted) == ("It is Rome, I think.", "Rome")
    assert not found.correct


def test_a_change_that_changes_nothing_is_none() -> None:
    (item,) = items(1)
    told = {}
    for text in ("x", "It is x."):
        answer = replace(item.answer, id="", text=text, extracted="x")
        changed = replace(item, answer=answer, grade=replace(item.grade, answer_id=answer.id))
        told[text] = [robustness.applied(c, changed) is None for c in robustness.CHANGES]
        assert robustness.applied(robustness.AS_IS, changed) is not None
    assert sum(told["x"]) > 0 < sum(told["It is x."]) and told["x"] != told["It is x."]


def test_lots_give_every_subject_both_labels_and_every_model() -> None:
    """Answers come subject by subject in turn: whatever counts them would follow the subject."""
    answers = items(400)
    labels = incorrect_answers.options({"train": answers}, 0)
    kinds = {(item.question.subject, item.grade.verdict) for item in labels}
    assert len(kinds) == 20
    models = [SimpleNamespace(name=ModelName(name=name)) for name in "wxyz"]
    parts = ("train", "validation", "calibration")
    splits = {(m.name.name, 0): {part: of_model(m, answers) for part in parts} for m in models}
    made = cross_model.joint(SimpleNamespace(models=models), splits, 0)  # type: ignore[arg-type]
    for part in parts:
        mine = {(i.question.subject, i.answer.model.name) for i in made[part]}
        assert len(mine) == 40 and len(made[part]) == 400
        assert len({item.question.id for item in made[part]}) == 400


def of_model(model: SimpleNamespace, answers: list[Graded]) -> list[Graded]:
    return [replace(i, answer=replace(i.answer, id="", model=model.name)) for i in answers]


def test_a_few_subjects_and_as_many_answers_of_all() -> None:
    splits = {"train": items(200)}
    for seed in (0, 1):
        some, every = few(splits, seed), as_many(splits, seed)
        assert len(some) == len(every) == 120  # six of ten subjects, twenty answers each
        assert len({item.question.subject for item in some}) == 6
        assert len({item.question.subject for item in every}) == 10
    assert few(splits, 0) != few(splits, 1)
