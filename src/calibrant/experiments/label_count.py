"""Figure 3, right, of the paper: how many graded answers it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_lowercase
from typing import ClassVar

from matplotlib.figure import Figure

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench, Splits
from calibrant.experiments.compare import Panel
from calibrant.experiments.drawing import Point, curves
from calibrant.experiments.experiment import Claim, Experiment, Findings, Row
from calibrant.experiments.fitting import forms
from calibrant.records import Graded

SIZES = (50, 100, 200, 500, 1000, 2000, 5000)
FULL, QUICK = (*SIZES, 10_000, 20_000), (16, 32, 64)
POINT = 1000
LEARNED = {
    "LoRA + Prompt": forms("lora_prompt")[0],
    "probe": forms('probe place="query"')[0],
    "stacked states": arms.states()[0],
}
METRICS = {"auroc": ("AUROC", 1), "brier_score": ("Brier", -1)}
"""Metric -> its name in words, and the sign of what is better."""
NEVER = "not by"
BASELINES = (
    "zero_shot", "sequence_likelihood", 'sequence_likelihood form="sum"', "token_entropy",
    "answer_length", "verbal", "sampling", "semantic_entropy", "similarity_graph", "p_true",
)  # fmt: skip
"""Black boxes that rank open answers, in their usual forms."""


@dataclass(frozen=True, kw_only=True)
class LabelCount(Experiment):
    """Nested subsets of the training answers, without replacement."""

    name: ClassVar = "label_count"
    place: ClassVar = 5
    title: ClassVar = "How many labels"
    counterpart: ClassVar = "Figure 3, right"
    question: ClassVar = "How many graded answers does a tuned confidence need?"
    claims: ClassVar = (
        Claim(
            name="over_zero_shot",
            text=f"with {POINT:,} graded answers lora_prompt ranks better than the zero-shot query"
            " (AUROC, open-ended)",
        ),
        Claim(
            name="over_likelihood",
            text=f"with {POINT:,} graded answers lora_prompt ranks better than sequence_likelihood"
            " (mean; AUROC, open-ended)",
        ),
        Claim(
            name="more_is_better",
            text="lora_prompt ranks better with the most answers than with the fewest (AUROC)",
        ),
    )
    in_paper: ClassVar = "AUROC 66.0 at 1,850 answers, zero-shot 56.8; 1,000 were not tried"
    paper: ClassVar[tuple[Row, ...]] = (
        {"share of 18,500": "1 %", "ECE after T": 18.6, "AUROC": 57.6},
        {"share of 18,500": "10 %", "ECE after T": 13.0, "AUROC": 66.0},
        {"share of 18,500": "25 %", "ECE after T": 10.1, "AUROC": 69.5},
        {"share of 18,500": "50 %", "ECE after T": 9.3, "AUROC": 70.9},
        {"share of 18,500": "100 %", "ECE after T": 10.1, "AUROC": 71.6},
    )

    def run(self, bench: Bench) -> Findings:
        """The largest sizes that there are answers for."""
        wanted = QUICK if bench.quick else FULL if bench.full else SIZES
        n_train = max(wanted)
        there = min(
            len(bench.splits(model, seed, "open", n_train=n_train)["train"])
            for model in bench.models
            for seed in bench.used_seeds
        )
        sizes = [n for n in wanted if n <= there] or [there]
        why = {n: arms.unavailable(f, bench) for n, f in zip(BASELINES, forms(*BASELINES))}
        missing = [f"`{name}`: {reason}" for name, reason in why.items() if reason]
        rivals = [name for name, reason in why.items() if not reason]
        chosen = {n: arms.Arm(form, n_train=n_train) for n, form in zip(rivals, forms(*rivals))}
        for label, form in LEARNED.items():
            for n in sizes:
                chosen[f"{label}, {n}"] = arms.Arm(form, train=_first(n), n_train=n_train)
        panel = arms.panel(bench, chosen)
        lead = f"LoRA + Prompt, {POINT}"
        pairs = {
            "over_zero_shot": (lead, "zero_shot", "auroc"),
            "over_likelihood": (lead, "sequence_likelihood", "auroc"),
            "more_is_better": (
                f"LoRA + Prompt, {sizes[-1]}",
                f"LoRA + Prompt, {sizes[0]}",
                "auroc",
            ),
        }
        table = passed(panel, sizes, rivals)
        notes = [
            *told(table),
            "A letter on a curve: from there on it is clearly above the baseline of that letter.",
            f"Beside the training answers, {bench.sizes.validation:,} graded answers stop the"
            f" training and {bench.sizes.calibration:,} calibrate, at every size.",
            *arms.told_of_dear(bench, chosen.values()),
            "The figure's lines of the dear ones are on these answers alone, its curves on all.",
        ]
        missing += [f"{n:,} training answers: there are {there:,}" for n in wanted if n > there]
        if POINT not in sizes:
            missing.append(f"what is claimed of {POINT:,} answers: here are {max(sizes):,} at most")
        if not bench.full and not bench.quick:
            missing.append("10,000 and 20,000 training answers: --full")
        return Findings(
            differences=arms.claimed(panel, pairs),
            tables={
                "sizes": arms.rows(panel),
                "passed": table,
                "differences": arms.against(
                    panel,
                    [arm for arm in panel.arms if arm not in rivals],
                    rivals,
                    tuple(METRICS),
                ),
            },
            figures={"labels": drawn(panel, sizes, table)},
            notes=notes,
            not_run=missing,
            sizes=f"{sizes[0]:,} to {sizes[-1]:,} open answers to train",
        )


def _first(n: int) -> arms.Chosen:
    """The first n of an equal quota of every subject: a larger n only adds."""

    def chosen(splits: Splits, seed: int) -> Sequence[Graded]:
        return splits["train"][:n]

    return chosen


def passed(panel: Panel, sizes: Sequence[int], rivals: Sequence[str]) -> list[Row]:
    """For each learner and baseline the fewest labels from which on it is clearly better.

    As text: the number, "not by" the largest that was tried, or "not defined" there.
    """
    made = []
    for label in LEARNED:
        for baseline in rivals:
            row: Row = {"learned": label, "baseline": baseline}
            for metric, (_, wish) in METRICS.items():
                every = [panel.difference(f"{label}, {n}", baseline, metric) for n in sizes]
                ends = [None if d is None else d.low if wish > 0 else d.high for d in every]
                clear = [end is not None and wish * end > 0 for end in ends]
                first = next((n for i, n in enumerate(sizes) if all(clear[i:])), None)
                never = "not defined" if ends[-1] is None else f"{NEVER} {sizes[-1]:,}"
                row[f"passed in {metric} from"] = never if first is None else f"{first:,}"
            made.append(row)
    return made


def told(table: Sequence[Row]) -> list[str]:
    """How many labels it takes: a sentence a learner and metric."""
    made = []
    for label in LEARNED:
        for metric, (words, _) in METRICS.items():
            parts = []
            for row in table:
                n = row[f"passed in {metric} from"]
                if row["learned"] == label:
                    parts.append(f"`{row['baseline']}` {'from ' * n[0].isdigit()}{n}")
            made.append(f"Labels until {label} is clearly better in {words}: {', '.join(parts)}.")
    return made


def drawn(panel: Panel, sizes: Sequence[int], table: Sequence[Row]) -> Figure:
    """AUROC and ECE against the number of labels; baselines as levels, and where they are passed.

    A letter at a point of a curve: from there on it is clearly above the baseline of that letter.
    """
    rivals = list(dict.fromkeys(row["baseline"] for row in table))
    letters = dict(zip(rivals, ascii_lowercase))
    marks: dict[str, list[tuple[int, str]]] = {label: [] for label in LEARNED}
    for label, n in product(LEARNED, sizes):
        found = [r for r in table if (r["learned"], r["passed in auroc from"]) == (label, f"{n:,}")]
        if found:
            marks[label].append((n, "".join(letters[row["baseline"]] for row in found)))
    panels: dict[str, dict[str, list[Point]]] = {}
    levels: dict[str, dict[str, float]] = {}
    for title, metric in (("AUROC", "auroc"), ("ECE, Platt-scaled", "ece")):
        panels[title], levels[title] = {}, {}
        for label in LEARNED:
            cells = [(n, panel.value(f"{label}, {n}", metric)) for n in sizes]
            panels[title][label] = [(n, c["value"], c["low"], c["high"]) for n, c in cells if c]
        for baseline in rivals:
            if (cell := panel.value(baseline, metric)) is not None:
                levels[title][f"{letters[baseline]}: {baseline}"] = cell["value"]
    return curves(
        panels,
        xlabel="Graded training answers",
        ylabels={"AUROC": "AUROC", "ECE, Platt-scaled": "ECE"},
        levels=levels,
        marks={"AUROC": marks},
        log=True,
    )
