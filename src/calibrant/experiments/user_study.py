"""Figure 6 of the paper: the analysis of a study, on simulated people whose reliance is known."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from calibrant.errors import MissingExtra
from calibrant.experiments.bench import Bench
from calibrant.experiments.drawing import Bar, bars, histograms
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.parallel import side_by_side

USING, DEAF = ("threshold_40", "threshold_50", "bayesian"), ("deaf",)
ARMS = ("no_model", "prediction", "random", "tuned")
USUAL, QUICK = (40, 96), (12, 24)
"""Questions of a person, and people of each crowd."""
ENOUGH = 0.8
"""Share of the known thresholds that is to be found within five points."""


@dataclass(frozen=True, kw_only=True)
class UserStudy(Experiment):
    """People who look at the confidence, and people who do not, go through the real web app."""

    name: ClassVar = "user_study"
    place: ClassVar = 16
    uses_models: ClassVar = False
    title: ClassVar = "The study's analysis"
    counterpart: ClassVar = "Figure 6 (simulated people; the study itself takes real ones)"
    question: ClassVar = "Does the analysis find the reliance that was put in, and none where none?"
    claims: ClassVar = (
        Claim(
            name="found",
            text="simulated people who use the confidence agree more steeply with the tuned one"
            " than with a random one (reliance slope)",
        ),
        Claim(
            name="none_found",
            text="simulated people who never look at it do so by less than the margin",
            wish=-1,
            margin=0.25,
        ),
        Claim(
            name="thresholds",
            text=f"more than {ENOUGH:.0%} of the thresholds that people decided by are found within"
            " 5 points: the share, less that",
        ),
    )
    in_paper: ClassVar = "a figure alone; 181 people"
    paper: ClassVar[tuple[Row, ...]] = (
        {"finding": "calibrated confidence: agree more when it is high, less when low"},
        {"finding": "random and zero-shot confidence do not move people"},
        {"finding": "the lowest performers gain most"},
    )

    def run(self, bench: Bench) -> Findings:
        """Two crowds in two copies of one study; other items and other people with each seed."""
        for needed in ("httpx", "sqlalchemy", "starlette", "statsmodels"):
            if find_spec(needed) is None:
                raise MissingExtra(f"the user study (it imports {needed})", "study")
        crowds = (
            ("who use confidence", "found", USING),
            ("who do not look at it", "none_found", DEAF),
        )
        jobs = [
            (bench.out / "cache", bench.quick, claim, policies, seed)
            for _, claim, policies in crowds
            for seed in bench.used_seeds
        ]
        every = list(side_by_side(simulated, jobs, worth_it=True))
        n_seeds = len(bench.used_seeds)
        differences: dict[str, Difference] = {}
        tables: dict[str, list[Row]] = {"contrasts": [], "arms": []}
        bars_of: dict[str, list[Bar]] = {}
        relied: dict[str, dict[str, np.ndarray]] = {}
        for at, (crowd, claim, _) in enumerate(crowds):
            made = every[at * n_seeds : (at + 1) * n_seeds]
            contrasts = [together(rows) for rows in zip(*(f["primary"] for _, f, _ in made))]
            for row in contrasts:
                tables["contrasts"].append({"people": crowd, **_contrast(row)})
                is_it = (row["measure"], row["arm"], row["than"]) == ("slope", "tuned", "random")
                if is_it and row["estimate"] is not None:
                    differences[claim] = _difference(row)
            bars_of[f"People {crowd}"] = [_bar(row) for row in contrasts]
            tables["arms"] += [
                {"people": crowd, "arm": arm, "seed": seed, **_measures(measures)}
                for seed, (_, found, _) in zip(bench.used_seeds, made)
                for arm, measures in found["arms"].items()
            ]
            relied |= _relied([agreed for _, _, agreed in made], looking=claim == "found")
            near, n = (
                sum(told[k] for told, _, _ in made) for k in ("thresholds_near", "thresholds")
            )
            if claim == "found" and n:
                differences["thresholds"] = share(near / n, n)
        return Findings(
            differences=differences,
            tables=tables,
            figures={
                "agreement": histograms(relied, xlabel="Confidence that was shown"),
                "contrasts": bars(bars_of, xlabels=dict.fromkeys(bars_of, "Difference")),
            },
            notes=[
                "The first figure shows which confidences people agreed with, and which not; in the"
                " last panel those of people who do not look at it.",
                "The reliance slope is the change of agreement from confidence 0 to 1. A contrast"
                " of slopes sets the agreement in both arms against the first one's confidence,"
                " shown or not; an arm's own slope is against the confidence that it showed."
                " Simulated people know, forget and tire by a model that the analysis does not use;"
                " each seed is other items and another crowd.",
            ],
            not_run=["the study with people: docs/study.md"],
        )


def _relied(
    crowds: Sequence[dict[str, dict[str, list[float]]]], *, looking: bool
) -> dict[str, dict[str, np.ndarray]]:
    """Panels of confidences that people agreed with, and not; the random ones where they look."""
    return {
        f"{arm.capitalize()} confidence{'' if looking else ', not looked at'}": {
            name: np.concatenate([crowd[arm][name] for crowd in crowds])
            for name in ("agreed", "disagreed")
        }
        for arm in (("random", "tuned") if looking else ("tuned",))
    }


def together(rows: Sequence[Row]) -> Row:
    """One contrast over crowds that have nothing in common: the mean, and its interval."""
    made = {k: rows[0][k] for k in ("measure", "arm", "than")}
    if why := next((row["why"] or "undefined" for row in rows if row["estimate"] is None), ""):
        return made | {"estimate": None, "low": None, "high": None, "n": 0, "why": why}
    errors = [(row["high"] - row["low"]) / (2 * 1.96) for row in rows]
    value, se = float(np.mean([row["estimate"] for row in rows])), float(np.hypot.reduce(errors))
    se /= len(rows)
    n = sum(sum(row["n"]) for row in rows)
    ends = {"low": value - 1.96 * se, "high": value + 1.96 * se}
    return made | {"estimate": value, "se": se, **ends, "n": n, "why": ""}


def simulated(
    folder: Path, quick: bool, claim: str, policies: Sequence[str], seed: int
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, list[float]]]]:
    """(what the simulation tells, the analysis, confidences that people agreed with) of a crowd."""
    from calibrant.study.analysis import analyse
    from calibrant.study.data import tables
    from calibrant.study.design import Arm, Design
    from calibrant.study.folder import Study, new_study
    from calibrant.study.simulate import simulate
    from calibrant.study.summaries import counting

    place = folder / f"study-{claim}-{'quick' if quick else 'usual'}-{seed}"
    shutil.rmtree(place, ignore_errors=True)  # what a stopped run left is no whole study
    n_questions, n = QUICK if quick else USUAL
    design = Design(
        arms=tuple(Arm.parse(arm) for arm in ARMS),
        n_questions=n_questions, n_batches=2, n_ability=4, n_practice=1, n_checks=1,
        min_seconds=0, contact="study@example.org",
    )  # fmt: skip
    study, _, _ = new_study(place / "study", items(8 * n_questions, seed), design)
    told = simulate(study, place / "people", n, policies, seed=seed)
    copy = Study(place / "people")
    participants, trials = tables(copy)
    analysed = analyse(
        copy.design, copy.items, participants, trials,
        n_permutations=499 if quick else 4999, n_resamples=200 if quick else 1000,
    )  # fmt: skip
    for opened in (copy, study):
        if "store" in vars(opened):
            opened.store.shut()
    counted = counting(participants, trials)
    shown = {
        arm: {
            name: [r["confidence"] for r in counted if r["arm"] == arm and r["agrees"] is agrees]
            for name, agrees in (("agreed", True), ("disagreed", False))
        }
        for arm in ("random", "tuned")
    }
    return told, analysed, shown


def items(n: int, seed: int) -> list[Any]:
    """Multiple-choice items of which the confidence "tuned" is calibrated."""
    from calibrant.study.items import Item

    generator = np.random.default_rng(seed)
    found = []
    for i in range(n):
        confidence = float(np.round(generator.random(), 3))
        choices = tuple(f"Answer {letter} to question {i}" for letter in "ABCD")
        target = int(generator.integers(4))
        right = bool(generator.random() < confidence)
        said = target if right else (target + 1 + int(generator.integers(3))) % 4
        found.append(
            Item(
                question_id=f"q{i}", text=f"Which one is right, number {i}?", choices=choices,
                targets=(choices[target],), prediction=choices[said], model_correct=right,
                confidences={"tuned": confidence}, topic=f"topic {i % 4}",
            )
        )  # fmt: skip
    return found


def _bar(row: Row) -> Bar:
    return Bar(
        label=f"{row['measure']}: {row['arm']} − {row['than']}",
        value=np.nan if row["estimate"] is None else row["estimate"],
        low=row["low"], high=row["high"], lead=row["measure"] == "slope",
    )  # fmt: skip


def _contrast(row: Row) -> Row:
    return {
        "measure": row["measure"], "arm": row["arm"], "minus": row["than"],
        "difference": row["estimate"], "difference low": row["low"],
        "difference high": row["high"], "why not": row["why"],
    }  # fmt: skip


def _measures(measures: dict[str, Any]) -> Row:
    made: Row = {"participants": measures["participants"]}
    for name in ("accuracy", "slope", "sensible", "over_reliance", "under_reliance"):
        if cell := measures[name]:
            made |= {name: cell["value"], f"{name} low": cell["low"], f"{name} high": cell["high"]}
        else:
            made[name] = None
    return made


def _difference(row: Row) -> Difference:
    return Difference(
        value=row["estimate"], se=row["se"],
        df=max(row["n"] - 2, 1), n=row["n"], drawn=f"{row['n']} participants",
    )  # fmt: skip


def share(share: float, n: int) -> Difference:
    """A share less ENOUGH, as Agresti and Coull estimate it: two more of each kind."""
    middle = (share * n + 2) / (n + 4)
    se = float(np.sqrt(middle * (1 - middle) / (n + 4)))
    return Difference(value=middle - ENOUGH, se=se, df=n - 1, n=n, drawn=f"{n} thresholds")
