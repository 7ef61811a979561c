"""Figure 2, right, of the paper: asking the model in words against tuning it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.compare import speaks
from calibrant.experiments.drawing import bars
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import forms, name_of

NAMES = ("auroc", "auroc_subject_mean", "ece", "brier_score", "log_loss")


@dataclass(frozen=True, kw_only=True)
class PromptingVsTuning(Experiment):
    """The query on the untouched model, every verbal form, and what is tuned."""

    name: ClassVar = "prompting_vs_tuning"
    place: ClassVar = 4
    title: ClassVar = "Prompting against tuning"
    counterpart: ClassVar = "Figure 2, right"
    question: ClassVar = "Does tuning give what no way of asking gives?"
    claims: ClassVar = (
        Claim(
            name="over_zero_shot",
            text="lora_prompt ranks better than the zero-shot query (AUROC, open-ended)",
        ),
        Claim(
            name="over_verbal",
            text="lora_prompt ranks better than every verbal form that rates a tenth of the answers"
            " or more (AUROC, open-ended, on the answers that both rate): the least clear"
            " difference",
        ),
        Claim(
            name="brier",
            text="lora_prompt has a lower Brier score than the zero-shot query, both Platt-scaled",
            wish=-1,
        ),
    )
    in_paper: ClassVar = "AUROC 71.6 against 56.8"
    paper: ClassVar[tuple[Row, ...]] = (
        {"method": "zero-shot classifier", "ECE raw": "29.0", "AUROC": "56.8"},
        {"method": "verbal (chat models)", "ECE raw": "33-38", "AUROC": "56-65"},
        {"method": "LoRA + Prompt", "ECE raw": "10.8", "AUROC": "71.6"},
    )

    def run(self, bench: Bench) -> Findings:
        """Raw and Platt-scaled."""
        chosen, not_run = arms.every(bench, "open")
        asked = [a for a in chosen if chosen[a].estimator.name in ("zero_shot", "verbal")]
        chosen = {name: chosen[name] for name in asked}
        for form in (*forms("lora_prompt"), *arms.states()):
            chosen[name_of(form)] = arms.Arm(form)
        done = arms.scored(bench, chosen)
        raw, scaled = arms.panels(bench, done, ("none", "platt")).values()
        differences: dict[str, Difference] = {}
        for name, metric in (("over_zero_shot", "auroc"), ("brier", "brier_score")):
            if (found := scaled.difference("lora_prompt", "zero_shot", metric)) is not None:
                differences[name] = found
        verbal = [name for name in asked if name.startswith("verbal")]
        found, rival = arms.worst(scaled, "lora_prompt", verbal, "auroc", 1)
        notes = arms.told_of_dear(bench, chosen.values())
        if found is not None:
            differences["over_verbal"] = found
            silent = [f"`{form}`" for form in verbal if not speaks(scaled.of(form))]
            told = f"; {', '.join(silent)} rate less than a tenth of the answers" if silent else ""
            notes.append(f"Of the verbal forms `{rival}` is the least clear{told}.")
        shown = {
            "ECE raw": arms.drawn(raw, "ece", ("lora_prompt", "stacked states")),
            "AUROC": arms.drawn(scaled, "auroc", ("lora_prompt", "stacked states")),
        }
        tables = {"raw": arms.rows(raw, NAMES), "platt": arms.rows(scaled, NAMES)}
        return Findings(
            differences=differences,
            tables=tables,
            figures={"prompting": bars(shown)},
            notes=notes,
            not_run=[told for told in not_run if "verbal" in told],
        )
