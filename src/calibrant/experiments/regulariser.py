"""Table 1 of the paper: is it the regulariser, or the epochs?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.drawing import bars
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row

PAPER_EPOCHS = 17.0
STOPPED = {
    "kappa 0": LoraPrompt(kappa=0.0),
    "kappa 0.1": LoraPrompt(kappa=0.1),
    "kappa 1": LoraPrompt(kappa=1.0),
    "kappa 10": LoraPrompt(kappa=10.0),
    "kappa 1, forward KL": LoraPrompt(kappa=1.0, divergence="forward_kl"),
    "kappa 1, reverse KL": LoraPrompt(kappa=1.0, divergence="reverse_kl"),
}
LONG = {
    f"kappa {kappa:g}, {PAPER_EPOCHS:g} epochs": LoraPrompt(
        kappa=kappa, n_epochs=PAPER_EPOCHS, patience=0
    )
    for kappa in (0.0, 1.0)
}
NAMES = ("ece", "auroc", "brier_score", "log_loss")


@dataclass(frozen=True, kw_only=True)
class Regulariser(Experiment):
    """Weights and kinds of the regulariser under one protocol, and the paper's seventeen epochs."""

    name: ClassVar = "regulariser"
    place: ClassVar = 8
    title: ClassVar = "The regulariser"
    counterpart: ClassVar = "Table 1"
    question: ClassVar = "Is it the regulariser that calibrates, or does stopping early do it?"
    claims: ClassVar = (
        Claim(
            name="ece",
            text="with kappa 1 the raw ECE is lower than without the regulariser, both stopped"
            " early (open-ended, no temperature)",
            wish=-1,
        ),
        Claim(
            name="auroc",
            text="with kappa 1 the AUROC is higher than without, both stopped early (open-ended)",
        ),
    )
    in_paper: ClassVar = "ECE 10.8 against 29.9, but under two protocols"
    paper: ClassVar[tuple[Row, ...]] = (
        {"LoRA + Prompt": "without (with temperature)", "ECE": 29.9, "AUROC": 70.2},
        {"LoRA + Prompt": "with JSD (no temperature)", "ECE": 10.8, "AUROC": 71.6},
    )

    def run(self, bench: Bench) -> Findings:
        """All weights on all seeds; all epochs on the first one, unless --full."""
        short = {name: arms.Arm(form) for name, form in STOPPED.items()}
        long = {name: arms.Arm(form) for name, form in LONG.items()}
        notes, not_run = [], []
        first = bench if bench.full else replace(bench, seeds=bench.used_seeds[:1])
        if bench.quick:
            short = {name: short[name] for name in ("kappa 0", "kappa 1", "kappa 1, forward KL")}
            long = {}
            not_run = [f"{PAPER_EPOCHS:g} epochs: not in a quick run"]
        else:
            seeds = ", ".join(map(str, first.used_seeds))
            notes = [
                f"{PAPER_EPOCHS:g} epochs: every step is taken, and the last weights are kept, as"
                f" in the paper. These have only the seed {seeds} (--full: all)."
            ]
        done = arms.scored(bench, short) + arms.scored(first, long)
        made = arms.panels(bench, done, ("none", "temperature", "platt"))
        by_calibrator = {calibrator: panel for (_, calibrator), panel in made.items()}
        raw = by_calibrator["none"]
        pairs = {
            "ece": ("kappa 1", "kappa 0", "ece"),
            "auroc": ("kappa 1", "kappa 0", "auroc"),
        }
        shown = {
            "ECE raw": arms.drawn(raw, "ece", ("kappa 1",)),
            "ECE after T": arms.drawn(by_calibrator["temperature"], "ece", ("kappa 1",)),
            "AUROC": arms.drawn(raw, "auroc", ("kappa 1",)),
        }
        tables = {
            "raw" if name == "none" else name: arms.rows(panel, NAMES)
            for name, panel in by_calibrator.items()
        }
        if long:
            bare, tamed = long
            against = ((bare, "kappa 0"), (tamed, "kappa 1"), (tamed, bare))
            tables["epochs_on_one_seed"] = [
                row for one, other in against for row in arms.against(raw, [one], [other], NAMES)
            ]
            notes += [
                f"{one} against {other}, raw ECE: {_words(raw.difference(one, other, 'ece'))}."
                for one, other in against
            ]
        return Findings(
            differences=arms.claimed(raw, pairs),
            tables=tables,
            figures={"regulariser": bars(shown)},
            notes=notes,
            not_run=not_run,
        )


def _words(found: Difference | None) -> str:
    if found is None or found.low is None or found.high is None:
        return "not defined"
    return f"{found.value:+.3f} [{found.low:.3f}, {found.high:.3f}]"
