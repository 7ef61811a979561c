"""Probe, LoRA, LoRA + Prompt; where the adapter acts; rank, targets, layers: quality and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from calibrant.estimators.lora_head import LoraHead
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.estimators.probe import Probe
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import Panel
from calibrant.experiments.drawing import bars, curves
from calibrant.experiments.experiment import Claim, Experiment, Findings, Row

PAPER = {
    "probe": Probe(place="last"),
    "probe with query": Probe(),
    "LoRA head": LoraHead(),
    "LoRA + Prompt": LoraPrompt(),
    "LoRA + Prompt from the query on": LoraPrompt(activation="query"),
}
FORMS = {
    **PAPER,
    "LoRA + Prompt from a short query on": LoraPrompt(activation="short_query"),
}
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
FURTHER = {
    "probe with query, layer 2": Probe(layers=(2,)),
    "probe, pooled": Probe(place="pooled"),
    "LoRA head with query": LoraHead(with_query=True),
    "LoRA + Prompt, Brier rule": LoraPrompt(rule="brier"),
    "LoRA + Prompt, rank 2": LoraPrompt(rank=2, alpha=8),
    "LoRA + Prompt, rank 32": LoraPrompt(rank=32, alpha=128),
    "LoRA + Prompt, all linear": LoraPrompt(targets=LINEAR),
    "LoRA + Prompt, first two layers": LoraPrompt(layers=(0, 1)),
    "LoRA + Prompt, last two layers": LoraPrompt(layers=(-2, -1)),
    "LoRA + Prompt from the query on, rank 32": LoraPrompt(activation="query", rank=32, alpha=128),
    "LoRA + Prompt from a short query on, rank 32": LoraPrompt(
        activation="short_query", rank=32, alpha=128
    ),
    "LoRA + Prompt from the query on, all linear": LoraPrompt(activation="query", targets=LINEAR),
    "LoRA + Prompt from the query on, all linear, rank 16": LoraPrompt(
        activation="query", targets=LINEAR, rank=16, alpha=64
    ),
}
NAMES = ("auroc", "auroc_subject_mean", "ece", "brier_score", "log_loss")


@dataclass(frozen=True, kw_only=True)
class Parameterisation(Experiment):
    """What is tuned, and what that costs."""

    name: ClassVar = "parameterisation"
    place: ClassVar = 9
    on_all: ClassVar = True
    title: ClassVar = "What is tuned"
    counterpart: ClassVar = "Figure 3, left, and section 5"
    question: ClassVar = "Does LoRA with a language prompt beat a head on frozen or tuned states?"
    claims: ClassVar = (
        Claim(
            name="over_head",
            text="LoRA + Prompt ranks better than LoRA with a head (AUROC, open-ended)",
        ),
        Claim(
            name="over_probe",
            text="LoRA + Prompt ranks better than the probe with the query (AUROC, open-ended)",
        ),
        Claim(
            name="activation",
            text="LoRA + Prompt that acts from the query on ranks no worse than the full form"
            " (AUROC, open-ended)",
            margin=0.02,
        ),
        Claim(
            name="query_in_probe",
            text="the probe ranks better with the query appended than without (AUROC, open-ended)",
        ),
    )
    in_paper: ClassVar = "AUROC 71.6 against 61.9"
    paper: ClassVar[tuple[Row, ...]] = (
        {"open-ended": "probe", "AUROC": "about 60"},
        {"open-ended": "probe with query", "ECE after T": "10.0", "AUROC": "64.9"},
        {"open-ended": "LoRA head", "ECE after T": "14.2", "AUROC": "61.9"},
        {"open-ended": "LoRA + Prompt", "ECE after T": "10.1", "AUROC": "71.6"},
    )

    def run(self, bench: Bench) -> Findings:
        """The forms on every model and seed; what is chosen from, on one of each."""
        there = bench.splits(bench.models[0], bench.used_seeds[0])
        new = bench.judged(there)[0]
        chosen = {name: arms.Arm(form) for name, form in FORMS.items()}
        done = arms.scored(bench, chosen, subsets=list(dict.fromkeys((new, "seen"))))
        made = arms.panels(bench, done)
        panel = made[new, "platt"]
        pairs = {
            "over_head": ("LoRA + Prompt", "LoRA head", "auroc"),
            "over_probe": ("LoRA + Prompt", "probe with query", "auroc"),
            "activation": ("LoRA + Prompt from the query on", "LoRA + Prompt", "auroc"),
            "query_in_probe": ("probe with query", "probe", "auroc"),
        }
        tables = {"forms": _costed(panel, done)}
        if new != "seen":
            tables["forms_on_seen_subjects"] = _costed(made["seen", "platt"], done)
        not_run = ["rank, targets and layers: not in a quick run"] if bench.quick else []
        few_told: list[str] = []
        if not bench.quick:
            last = bench.models[-1].name.name
            few = replace(bench, model_names=(last,), seeds=bench.used_seeds[:1])
            first = bench if bench.full else few
            every = {name: arms.Arm(form) for name, form in {**FORMS, **FURTHER}.items()}
            subset = "development" if there["development"] else "seen"
            further = arms.scored(first, every, subsets=(subset,))
            (of_choice,) = arms.panels(first, further).values()
            tables[f"choices_on_{subset}_subjects"] = _costed(of_choice, further)
            on = f" on {last} with one seed (--full: all of both)" if first is few else ""
            few_told = [f"Rank, targets, layers and the rule: compared{on} on {subset} subjects."]
        leads = ("LoRA + Prompt",)
        titles = {"AUROC": "auroc", "ECE after Platt": "ece", "Brier": "brier_score"}
        shown = {title: arms.drawn(panel, metric, leads) for title, metric in titles.items()}
        return Findings(
            differences=arms.claimed(panel, pairs),
            tables=tables,
            figures={"forms": bars(shown), "cost": _against_cost(tables["forms"])},
            notes=[
                "Seconds are those of the fits as they ran, side by side, with states that were"
                " read before; the page on estimators measures costs alone.",
                *few_told,
            ],
            not_run=not_run,
        )


def _against_cost(table: Sequence[Row]) -> Figure:
    """AUROC against the seconds of a fit."""
    cost = "seconds to fit on 1,000"
    rows = [row for row in table if row[cost] is not None and row["auroc"] is not None]
    shown = {r["arm"]: [(r[cost], r["auroc"], r["auroc low"], r["auroc high"])] for r in rows}
    return curves(
        {"Quality and cost": shown},
        xlabel="Seconds to fit on 1,000 answers",
        ylabels={"Quality and cost": "AUROC"},
        log=True,
    )


def _costed(panel: Panel, done: Sequence[arms.Done]) -> list[Row]:
    table = arms.rows(panel, NAMES)
    for row in table:
        mine = [one.told for one in done if one.arm == row["arm"] and "seconds_fit" in one.told]
        per = [1000 * told["seconds_fit"] / told["n_train"] for told in mine]
        row["seconds to fit on 1,000"] = float(np.mean(per)) if per else None
    return table
