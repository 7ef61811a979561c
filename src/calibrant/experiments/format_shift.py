"""Figure 4, centre, of the paper: learned on one format, used on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.drawing import bars
from calibrant.experiments.experiment import Claim, Difference, Experiment, Findings, Row
from calibrant.experiments.fitting import forms
from calibrant.records import Format

SHORT = {"open": "OE", "choice": "MC"}


@dataclass(frozen=True, kw_only=True)
class FormatShift(Experiment):
    """lora_prompt fitted and calibrated on open answers, on choices, and on both together."""

    name: ClassVar = "format_shift"
    place: ClassVar = 7
    title: ClassVar = "The other format"
    counterpart: ClassVar = "Figure 4, centre"
    question: ClassVar = "Does what is learned on open answers hold on multiple choice, and back?"
    claims: ClassVar = (
        Claim(
            name="to_choice",
            text="lora_prompt fitted on open answers ranks better than the zero-shot query on"
            " multiple choice (AUROC)",
        ),
        Claim(
            name="to_open",
            text="lora_prompt fitted on multiple choice ranks better than the zero-shot query on"
            " open answers (AUROC)",
        ),
        Claim(
            name="together_choice",
            text="fitted on both, lora_prompt is no worse on multiple choice than fitted on that"
            " alone",
            margin=0.02,
        ),
        Claim(
            name="together_open",
            text="fitted on both, it is no worse on open answers than fitted on these alone",
            margin=0.02,
        ),
    )
    in_paper: ClassVar = "AUROC 67.8; 71.1 when fitted on multiple choice itself"
    paper: ClassVar[tuple[Row, ...]] = (
        {"fitted on": "OE", "judges": "MC", "AUROC": 67.8},
        {"fitted on": "MC", "judges": "MC", "AUROC": 71.1},
        {"fitted on": "MC", "judges": "OE", "AUROC": 64.1},
        {"fitted on": "OE", "judges": "OE", "AUROC": 71.6},
    )

    def run(self, bench: Bench) -> Findings:
        """Both ways."""
        tables: dict[str, list[Row]] = {}
        differences: dict[str, Difference] = {}
        shown = {}
        (form,), (zero,) = forms("lora_prompt"), forms("zero_shot")
        kinds: tuple[Format, ...] = ("open", "choice")
        for kind in kinds:
            chosen = {f"fitted on {SHORT[k]}": arms.Arm(form, kind=k) for k in kinds}
            chosen["fitted on both"] = arms.Arm(form, kind="both")
            chosen["zero-shot"] = arms.Arm(zero)
            panel = arms.panel(bench, chosen, kind)
            tables[f"judging_{SHORT[kind]}"] = arms.rows(panel)
            other = SHORT["choice" if kind == "open" else "open"]
            pairs = {
                f"to_{kind}": (f"fitted on {other}", "zero-shot", "auroc"),
                f"together_{kind}": ("fitted on both", f"fitted on {SHORT[kind]}", "auroc"),
            }
            differences |= arms.claimed(panel, pairs)
            lead = (f"fitted on {other}",)
            shown[f"AUROC on {SHORT[kind]}"] = arms.drawn(panel, "auroc", lead)
            shown[f"ECE on {SHORT[kind]}"] = arms.drawn(panel, "ece", lead)
        note = "What is fitted on both learns from all answers that the other two learn from."
        return Findings(
            differences=differences,
            tables=tables,
            figures={"formats": bars(shown)},
            notes=[note],
        )
