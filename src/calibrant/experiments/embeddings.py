"""Figure 5, right, of the paper: a text's embedding, the model's states, states that are tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from calibrant.experiments import arms
from calibrant.experiments.bench import Bench
from calibrant.experiments.drawing import bars
from calibrant.experiments.experiment import Claim, Experiment, Findings, Row
from calibrant.experiments.fitting import forms, name_of

ARMS = (
    "subject_rate",
    "text_embedding",
    'text_embedding head="logistic"',
    "tuned_encoder",
    'probe place="last"',
    'probe place="query"',
    "lora_head",
    "lora_prompt",
)


@dataclass(frozen=True, kw_only=True)
class Embeddings(Experiment):
    """Frozen embeddings, frozen hidden states, trained through."""

    name: ClassVar = "embeddings"
    place: ClassVar = 12
    title: ClassVar = "Is it more than the text?"
    counterpart: ClassVar = "Figure 5, right"
    question: ClassVar = "Does the model's own state tell more than an embedding of the text?"
    claims: ClassVar = (
        Claim(
            name="states_over_text",
            text="the probe on the answer's last state ranks better than the MLP on the embedding"
            " of question and answer (AUROC, open-ended)",
        ),
        Claim(
            name="tuned_over_states",
            text="lora_prompt ranks better than the probe on the last state (AUROC, open-ended)",
        ),
    )
    in_paper: ClassVar = "AUROC about 60 against 54.0"
    paper: ClassVar[tuple[Row, ...]] = (
        {"open-ended": "sentence embedding", "ECE after T": 15.4, "AUROC": 54.0},
        {"open-ended": "API embedding", "ECE after T": 17.3, "AUROC": 57.0},
        {"open-ended": "probe", "AUROC": "about 60"},
        {"open-ended": "LoRA + Prompt", "ECE after T": 10.1, "AUROC": 71.6},
    )

    def run(self, bench: Bench) -> Findings:
        """What is here of these."""
        chosen, not_run = {}, ["an API's embedding: it takes an endpoint (base_url)"]
        for form in forms(*ARMS):
            if why := arms.unavailable(form, bench):
                not_run.append(f"`{name_of(form)}`: {why}")
            else:
                chosen[name_of(form)] = arms.Arm(form)
        panel = arms.panel(bench, chosen)
        pairs = {
            "states_over_text": ("probe mlp last", "text_embedding mlp", "auroc"),
            "tuned_over_states": ("lora_prompt", "probe mlp last", "auroc"),
        }
        leads = ("lora_prompt", "lora_head")
        shown = {"AUROC": arms.drawn(panel, "auroc", leads), "ECE": arms.drawn(panel, "ece", leads)}
        return Findings(
            differences=arms.claimed(panel, pairs),
            tables={"arms": arms.rows(panel)},
            figures={"embeddings": bars(shown)},
            notes=arms.told_of_dear(bench, chosen.values()),
            not_run=not_run,
        )
