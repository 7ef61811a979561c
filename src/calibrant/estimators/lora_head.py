"""LoRA with a head: the paper's MLP on the last state, trained together with an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import LoraConfig
from safetensors.torch import save_file

from calibrant.answers.query import sequences
from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    learned_from,
    non_default,
    silent,
)
from calibrant.models.local import local
from calibrant.models.model import Capability, Model
from calibrant.records import Answered, Graded
from calibrant.training import adapters
from calibrant.training.loop import LoopSettings, rate_for_width, tune
from calibrant.training.mlp import mlp
from calibrant.training.prompt_tuning import HeadTuning, head_logits

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class LoraHead(Estimator):
    """As the probe, but the model's states are tuned, too (Kapoor et al. 2024, "LoRA").

    The paper says that it is regularised as LoRA + Prompt is; its code and this one do not.
    """

    name: ClassVar = "lora_head"
    needs: ClassVar = frozenset({Capability.TRAIN, Capability.ADAPTERS, Capability.HIDDEN_STATES})
    rank: int = 8
    """Rank of the adapter."""
    alpha: int = 32
    """Scale of the adapter, over the rank."""
    dropout: float = 0.1
    """Dropout before the adapter."""
    targets: tuple[str, ...] = ()
    """Modules that carry it; empty for the query and value projections."""
    with_query: bool = False
    """Append the query's text, and read at its end."""
    n_epochs: float = 3.0
    """Passes over the training answers at most; early stopping may end before."""
    batch_size: int = 32
    """Answers in one step."""
    learning_rate: float | None = None
    """Peak rate; None: the paper's 1e-4 at width 4,096, and more for narrower models."""
    patience: int = 3
    """Evaluations (two an epoch) without a better validation log loss before it stops."""

    @property
    def variant(self) -> str:
        """The settings that are not the usual ones."""
        return non_default(self)

    def fit(
        self,
        train: Sequence[Graded],
        validation: Sequence[Graded],
        model: Model,
        seed: int,
        *,
        folder: Path | None = None,
        say: Say = silent,
    ) -> FittedEstimator:
        """Tune adapter and head; stop early by the validation log loss."""
        base = local(model)
        kept, correct = graded_only(train)
        checked, checked_correct = graded_only(validation, "validation")
        config = adapters.lora_config(
            base, rank=self.rank, alpha=self.alpha, dropout=self.dropout, targets=self.targets
        )
        torch.manual_seed(seed)
        head = mlp(base.width).to(base.device)
        with adapters.attached(base, config) as peft:
            tuning = HeadTuning(
                head, self.with_query, peft, base, kept, correct.astype(bool).tolist()
            )
            checking = HeadTuning(
                head, self.with_query, peft, base, checked, checked_correct.astype(bool).tolist()
            )
            settings = LoopSettings(
                n_epochs=self.n_epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate or rate_for_width(base.width),
                patience=self.patience,
            )
            of = learned_from(self, model, train, validation)
            more: Any = {"seed": seed, "folder": folder, "of": of, "say": say}
            trained = tune(tuning, checking, settings, head, **more)
            adapters.load_trained(peft, trained.weights)
            weights = adapters.take(peft)
        best = {name: trained.weights[f"head.{name}"] for name, _ in head.named_parameters()}
        return FittedLoraHead(self, config, weights, best)


class FittedLoraHead(FittedEstimator):
    """An adapter and a head."""

    def __init__(
        self, estimator: LoraHead, config: LoraConfig, weights: Tensors, head: Tensors
    ) -> None:
        self.estimator: LoraHead = estimator
        self.config, self.weights, self.head = config, weights, head

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the head with the adapter on."""
        base = local(model)
        rows = sequences(items, base, with_query=self.estimator.with_query)
        head = mlp(base.width).to(base.device)
        head.load_state_dict(self.head)

        @torch.no_grad()
        def work(batch: list[int]) -> list[float]:
            logits_B2 = head_logits([rows[i] for i in batch], base, peft, head)
            return (logits_B2[:, 1] - logits_B2[:, 0]).tolist()

        with adapters.attached(base, self.config, self.weights) as peft:
            return Scores.whole(base.batched(rows, work, say=say))

    def save(self, folder: Path) -> dict[str, Any]:
        """The adapter in PEFT's format, and the head."""
        adapters.save(folder / "adapter", self.config, self.weights)
        save_file(self.head, folder / "head.safetensors")
        return {}

    @staticmethod
    def load(estimator: LoraHead, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From both."""
        config, weights, _ = adapters.read(folder / "adapter")
        head = adapters.read_tensors(folder / "head.safetensors")
        return FittedLoraHead(estimator, config, weights, head)
