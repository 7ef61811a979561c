"""Figure 3, right, of the paper: how many graded answers it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from matplotlib.figure import Figure

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench, Splits, forms
from calibrant.experiments.compare import Panel
from calibrant.experiments.drawing import Point, curves
from calibrant.experiments.experiment import Claim, Experiment, Findings, Row
from calibrant.records import Graded

SIZES = (50, 100, 200, 500, 1000, 2000, 5000)
FULL, QUICK = (*SIZES, 10_000, 20_000), (40, 80, 160)
POINT = 1000
LEARNED = {
    "LoRA + Prompt": forms("lora_prompt")[0],
    "probe": forms('probe place="query"')[0],
    "stacked states": arms.states()[0],
}
BASELINES = ("zero_shot", "sequence_likelihood", 'sequence_likelihood form="sum"', "token_entropy")


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
        chosen = {name: arms.Arm(form) for name, form in zip(BASELINES, forms(*BASELINES))}
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
        notes = [
            f"Beside the training answers, {bench.sizes.validation:,} graded answers stop the"
            f" training and {bench.sizes.calibration:,} calibrate, at every size."
        ]
        missing = [f"{n:,} training answers: there are {there:,}" for n in wanted if n > there]
        if POINT not in sizes:
            missing.append(f"what is claimed of {POINT:,} answers: here are {max(sizes):,} at most")
        if not bench.full and not bench.quick:
            missing.append("10,000 and 20,000 training answers: --full")
        return Findings(
            differences=arms.claimed(panel, pairs),
            tables={"sizes": arms.rows(panel), "passed": passed(panel, sizes)},
            figures={"labels": drawn(panel, sizes)},
            notes=notes,
            not_run=missing,
        )


def _first(n: int) -> arms.Chosen:
    """The first n of an equal quota of every subject: a larger n only adds."""

    def chosen(splits: Splits, seed: int) -> Sequence[Graded]:
        return splits["train"][:n]

    return chosen


def passed(panel: Panel, sizes: Sequence[int]) -> list[Row]:
    """For each learner and baseline the fewest labels from which on it is clearly better."""
    made = []
    for label in LEARNED:
        for baseline in BASELINES:
            row: Row = {"learned": label, "baseline": baseline}
            for metric, wish in (("auroc", 1), ("brier_score", -1)):
                clear = []
                for n in sizes:
                    found = panel.difference(f"{label}, {n}", baseline, metric)
                    ends = (found.low, found.high) if found else (None, None)
                    end = ends[0] if wish > 0 else ends[1]
                    clear.append(end is not None and wish * end > 0)
                first = next((n for i, n in enumerate(sizes) if all(clear[i:])), None)
                row[f"passed in {metric} from"] = "never" if first is None else f"{first:,}"
            made.append(row)
    return made


def drawn(panel: Panel, sizes: Sequence[int]) -> Figure:
    """AUROC and ECE against the number of labels; baselines as levels."""
    panels: dict[str, dict[str, list[Point]]] = {}
    levels: dict[str, dict[str, float]] = {}
    for title, metric in (("AUROC", "auroc"), ("ECE, Platt-scaled", "ece")):
        panels[title], levels[title] = {}, {}
        for label in LEARNED:
            cells = [(n, panel.value(f"{label}, {n}", metric)) for n in sizes]
            panels[title][label] = [(n, c["value"], c["low"], c["high"]) for n, c in cells if c]
        for baseline in BASELINES:
            if (cell := panel.value(baseline, metric)) is not None:
                levels[title][baseline] = cell["value"]
    return curves(
        panels,
        xlabel="Graded training answers",
        ylabels={"AUROC": "AUROC", "ECE, Platt-scaled": "ECE"},
        levels=levels,
        log=True,
    )
