"""Figure 4, right, of the paper: questions that have no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from calibrant.errors import CalibrantError
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import Panel
from calibrant.experiments.drawing import histograms
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import Fit, Floats, calibrated, correct_of, forms, name_of
from calibrant.questions.mixture import equal_quota
from calibrant.questions.source import load_questions
from calibrant.records import Graded, Verdict

LEAD, BASE = "lora_prompt", "zero_shot"
N_SELFAWARE = 280


@dataclass(frozen=True, kw_only=True)
class Unanswerable(Experiment):
    """Two measures that the paper's text runs together, told apart.

    *Separation*: the AUROC of confidence for "this question has an answer". *Correctness*: the
    AUROC of confidence for "this answer is right", where any answer to a question without one is
    wrong: the paper's number.
    """

    name: ClassVar = "unanswerable"
    place: ClassVar = 8
    data: ClassVar = ("selfaware/data/SelfAware.json",)
    title: ClassVar = "Questions without an answer"
    counterpart: ClassVar = "Figure 4, right (SelfAware)"
    question: ClassVar = "Is confidence lower where there is nothing to know?"
    claims: ClassVar = (
        Claim(
            name="correctness",
            text="lora_prompt's correctness AUROC over answerable and unanswerable questions is"
            " above the zero-shot query's (open-ended)",
        ),
        Claim(
            name="separation",
            text="lora_prompt separates answerable from unanswerable questions better than chance",
        ),
        Claim(
            name="separation_over",
            text="lora_prompt separates them better than the zero-shot query does",
        ),
    )
    in_paper: ClassVar = "AUROC 78.3 against 72.9"
    paper: ClassVar[tuple[Row, ...]] = (
        {"correctness AUROC": "zero-shot", "SelfAware": 72.9},
        {"correctness AUROC": "LoRA + Prompt", "SelfAware": 78.3},
    )

    def run(self, bench: Bench) -> Findings:
        """On the almanac's own questions, and on SelfAware's where they are."""
        names = (LEAD, BASE, "sequence_likelihood", 'sequence_likelihood form="sum"')
        chosen = {name_of(form): arms.Arm(form) for form in forms(*names)}
        chosen["stacked states"] = arms.Arm(arms.states()[0])
        chosen["chance"] = arms.Arm(forms("base_rate")[0])
        splits = bench.splits(bench.models[0], bench.used_seeds[0])
        new = bench.judged(splits)[0]
        differences: dict[str, Difference] = {}
        tables, figures, notes, not_run = {}, {}, [], []
        if any(item.question.source.split == new for item in splits["unanswerable"]):
            done = arms.scored(bench, chosen, subsets=(new, "unanswerable"))
            correct, separate = _panels(bench, done, new)
            pairs = {
                "separation": (LEAD, "chance", "auroc"),
                "separation_over": (LEAD, BASE, "auroc"),
            }
            differences = arms.claimed(separate, pairs)
            differences |= arms.claimed(correct, {"correctness": (LEAD, BASE, "auroc")})
            tables["almanac"] = _table(correct, separate)
            figures["histograms"] = _drawn(separate, (LEAD, BASE, "stacked states"))
            notes.append(
                "The claims are told of the almanac's questions: SelfAware's are far from anything"
                " that these models know, so that they answer hardly any of them right."
            )
        else:
            not_run.append(f"the claims: {bench.questions} has no unanswerable {new} questions")
        try:
            correct, separate = self._selfaware(bench, chosen)
            tables["selfaware"] = _table(correct, separate)
            told = separate.difference(LEAD, "chance", "auroc")
            if told is not None and told.low is not None and told.high is not None:
                notes.append(
                    f"On SelfAware {LEAD} separates them by an AUROC of {told.value + 0.5:.3f}"
                    f" [{told.low + 0.5:.3f}, {told.high + 0.5:.3f}]; 0.5 is chance, and less is"
                    " more confidence where there is nothing to know."
                )
            others = [arm for arm in chosen if arm != LEAD]
            tables["selfaware_separation"] = arms.against(separate, [LEAD], others, ("auroc",))
            figures["selfaware_histograms"] = _drawn(separate, (LEAD, BASE, "stacked states"))
            if correct.value(LEAD, "auroc") is not None:
                paired = arms.against(correct, [LEAD], others, ("auroc",))
                tables["selfaware_correctness"] = paired
            else:
                right = [int(np.nansum(correct_of(cell.items))) for cell in correct.of(LEAD)]
                not_run.append(
                    "the correctness AUROC on SelfAware, which takes answers that are right: of"
                    f" {len(correct.of(LEAD)[0].items)} of a model {max(right)} are, at most"
                )
        except CalibrantError as error:
            not_run.append(f"SelfAware: {error}")
        return Findings(
            differences=differences, tables=tables, figures=figures, notes=notes, not_run=not_run
        )

    def _selfaware(self, bench: Bench, chosen: Mapping[str, arms.Arm]) -> tuple[Panel, Panel]:
        """(correctness, separation)."""
        place = bench.data_at("selfaware", "data", "SelfAware.json")
        every = load_questions(f"selfaware:{place}")
        n = 40 if bench.quick else N_SELFAWARE
        asked = [
            question
            for answerable in (True, False)
            for question in equal_quota([q for q in every if q.answerable is answerable], n)
        ]
        correct = Panel(n_resamples=bench.n_resamples, by_subject=False)
        separate = Panel(n_resamples=bench.n_resamples, by_subject=False)
        for model in bench.models:
            items = bench.answered(model, asked)
            for seed in bench.used_seeds:
                splits = bench.splits(model, seed)
                wanted = [
                    (Fit(a.estimator, splits["train"], splits["validation"], model, seed),
                     [*splits["calibration"], *items])
                    for a in chosen.values()
                ]  # fmt: skip
                held = splits["calibration"]
                for name, found in zip(chosen, bench.scored(wanted)):
                    values = found.values
                    n_held = len(held)
                    p = calibrated(values[:n_held], held, values[n_held:], items, "platt")
                    correct.add(name, model.name.name, seed, items, p)
                    separate.add(name, model.name.name, seed, answerable(items), p)
        return correct, separate


def answerable(items: Sequence[Graded]) -> list[Graded]:
    """The items with "has an answer" in place of the verdict."""
    return [
        replace(
            item,
            grade=replace(
                item.grade,
                verdict=Verdict.CORRECT if item.question.answerable else Verdict.INCORRECT,
            ),
        )
        for item in items
    ]


def _panels(bench: Bench, done: Sequence[arms.Done], new: str) -> tuple[Panel, Panel]:
    """(correctness, separation) over answerable and unanswerable questions of new subjects."""
    correct, separate = (Panel(n_resamples=bench.n_resamples) for _ in range(2))
    for one in done:
        known, scores = one.judged[new]
        nothing, further = one.judged["unanswerable"]
        mine = np.array([item.question.source.split == new for item in nothing], dtype=bool)
        items = [*known, *(item for item, is_in in zip(nothing, mine) if is_in)]
        values: Floats = np.concatenate([scores, further[mine]])
        p = calibrated(one.held_scores, one.held, values, items, "platt")
        n = len(known[: one.cut]) + int(mine[: one.cut].sum())
        correct.add(one.arm, one.model.name.name, one.seed, items, p, n)
        separate.add(one.arm, one.model.name.name, one.seed, answerable(items), p, n)
    return correct, separate


def _table(correct: Panel, separate: Panel) -> list[Row]:
    made = []
    for arm in correct.arms:
        row: Row = {"arm": arm}
        for title, panel in (("separation AUROC", separate), ("correctness AUROC", correct)):
            cell = panel.value(arm, "auroc") or {"value": None, "low": None, "high": None}
            row |= {
                title: cell["value"], f"{title} low": cell["low"], f"{title} high": cell["high"],
            }  # fmt: skip
        for title, wanted in (("answerable", True), ("unanswerable", False)):
            values = [_of(cell.items, cell.confidence, wanted) for cell in correct.of(arm)]
            row[f"mean confidence, {title}"] = float(np.nanmean(np.concatenate(values)))
            row[f"n {title}"] = min(map(len, values))
        made.append(row)
    return made


def _of(items: Sequence[Graded], confidence: Floats, wanted: bool) -> Floats:
    mask = np.array([item.question.answerable is wanted for item in items], dtype=bool)
    return np.asarray(confidence[mask])


def _drawn(panel: Panel, names: Sequence[str]) -> Figure:
    return histograms(
        {
            name: {
                title: np.concatenate([_of(c.items, c.confidence, wanted) for c in panel.of(name)])
                for title, wanted in (("answerable", True), ("unanswerable", False))
            }
            for name in names
        },
        xlabel="Confidence (Platt-scaled)",
    )
