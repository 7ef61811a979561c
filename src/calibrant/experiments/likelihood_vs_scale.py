"""Figure 2, left, of the paper: what likelihood is worth as models grow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import Panel, difference
from calibrant.experiments.drawing import Point, curves
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import Floats, correct_of, forms
from calibrant.models.local import embedded
from calibrant.records import Format

BEST = {"choice": "max_softmax", "open": "sequence_likelihood mean"}
N_OPTIONS = 4


@dataclass(frozen=True, kw_only=True)
class LikelihoodVsScale(Experiment):
    """Max softmax on multiple choice and likelihood on open answers, against accuracy."""

    name: ClassVar = "likelihood_vs_scale"
    place: ClassVar = 3
    on_all: ClassVar = True
    title: ClassVar = "Likelihood and scale"
    counterpart: ClassVar = "Figure 2, left"
    question: ClassVar = (
        "Is max softmax informative on multiple choice, and more so for better models, while the"
        " likelihood of open answers is so less?"
    )
    claims: ClassVar = (
        Claim(
            name="informative",
            text="max_softmax ranks better than chance (AUROC, multiple choice, all models)",
        ),
        Claim(
            name="grows",
            text="the AUROC of max_softmax is higher on the model that answers best than on the"
            " one that answers worst (multiple choice; which these are, development subjects say)",
        ),
        Claim(
            name="grows_less",
            text="that growth is larger on multiple choice than the growth of the AUROC of"
            " sequence_likelihood (mean) on open answers",
        ),
    )
    in_paper: ClassVar = "a figure alone; the text has its ECE, 7 to 9 on base models"
    paper: ClassVar[tuple[Row, ...]] = (
        {"multiple choice": "max softmax, base models", "ECE": "7-9"},
        {"multiple choice": "max softmax, chat models", "ECE": "22-28"},
    )
    may_be_untestable: ClassVar = True

    def run(self, bench: Bench) -> Findings:
        """Every model; training checkpoints are further ones, named with --model."""
        kinds, not_run = bench.formats()
        if not kinds:
            return Findings(not_run=not_run)
        panels = {kind: self._panel(bench, kind) for kind in sorted(kinds)}
        table: list[Row] = []
        for kind, panel in panels.items():
            for model in bench.models:
                (row,) = arms.rows(panel, ("accuracy", "auroc", "ece"), [model.name.name])[:1]
                size = sum(p.numel() for p in model.module.parameters())
                table.append({"format": kind, "model": model.name.name, "parameters": size, **row})
        at_chance = [
            row["model"]
            for row in table
            if row["format"] == "choice" and (row.get("accuracy low") or 0) <= 1 / N_OPTIONS
        ]
        reason = ""
        if len(at_chance) == len(bench.models):
            reason = (
                "every model here answers multiple choice at chance (the table): its option"
                " probabilities cannot tell right from wrong. It takes models that can choose"
                " (--model)."
            )
        named: dict[str, list[tuple[float, str]]] = {
            kind: [
                (row["accuracy"], Path(row["model"]).name.removeprefix("almanac-"))
                for row in table
                if row["format"] == kind and row["auroc"] is not None
            ]
            for kind in panels
        }
        figure = curves(
            {"AUROC": {k: _points(table, k, "auroc") for k in panels},
             "ECE, raw": {k: _points(table, k, "ece") for k in panels}},
            xlabel="Accuracy of the model", ylabels={"AUROC": "AUROC", "ECE, raw": "ECE"},
            marks={"AUROC": named}, lines=False,
        )  # fmt: skip
        notes = [f"At chance on multiple choice: {', '.join(at_chance)}."] if at_chance else []
        if len({model.name.name for model in bench.models} - set(embedded())) < 2:
            not_run.append(
                "training checkpoints: tools/make_model.py writes them (--checkpoints);"
                " name each with --model"
            )
        return Findings(
            differences={} if reason else _claims(bench, panels),
            tables={"by_model": table},
            figures={"scale": figure},
            notes=notes,
            not_run=not_run,
            untestable=reason,
        )

    def _panel(self, bench: Bench, kind: Format) -> Panel:
        chosen = {BEST[kind]: arms.Arm(forms("max_softmax")[0])}
        if kind == "open":
            chosen = {BEST[kind]: arms.Arm(forms("sequence_likelihood")[0])}
        chosen["base_rate"] = arms.Arm(forms("base_rate")[0])
        (panel,) = arms.panels(bench, arms.scored(bench, chosen, kind), ("none",)).values()
        return panel


def _points(table: list[Row], kind: str, metric: str) -> list[Point]:
    rows = [row for row in table if row["format"] == kind and row[metric] is not None]
    found = [(r["accuracy"], r[metric], r[f"{metric} low"], r[f"{metric} high"]) for r in rows]
    return sorted(found)


def _by_accuracy(bench: Bench) -> list[str]:
    """The models, from the one that answers worst, by answers that nothing is claimed of."""
    found = {}
    for model in bench.models:
        splits = bench.splits(model, bench.used_seeds[0], "choice")
        items = splits["development"] or splits["calibration"]
        found[model.name.name] = float(np.nanmean(correct_of(items)))
    return sorted(found, key=lambda name: found[name])


def _claims(bench: Bench, panels: Mapping[Format, Panel]) -> dict[str, Difference]:
    if "choice" not in panels:
        return {}
    models = _by_accuracy(bench)
    found = panels["choice"].difference(BEST["choice"], "base_rate", "auroc")
    made = {"informative": found} if found is not None else {}
    worst, best = models[0], models[-1]
    if worst == best:
        return made
    growth = {kind: _growth(panel, BEST[kind], worst, best) for kind, panel in panels.items()}
    df, n, units = (found.df, found.n, panels["choice"].units) if found else (1, 0, "")
    a, a_r = growth["choice"]
    if np.isfinite(a):
        told = f"{best} minus {worst}"
        made["grows"] = difference([a], [a_r], df=df, n=n, about=told, units=units)
    b, b_r = growth.get("open", (np.nan, a_r))
    if np.isfinite(a - b):
        made["grows_less"] = difference([a - b], [a_r - b_r], df=df, n=n, units=units)
    return made


def _growth(panel: Panel, arm: str, worst: str, best: str) -> tuple[float, Floats]:
    """AUROC on one model minus that on another, the mean over seeds, with replicates."""
    pairs = list(zip(panel.of(arm, [best]), panel.of(arm, [worst])))
    found = [(panel.measure(a, "auroc"), panel.measure(b, "auroc")) for a, b in pairs]
    value = float(np.mean([a - b for (a, _), (b, _) in found]))
    return value, np.mean([a - b for (_, a), (_, b) in found], axis=0)
