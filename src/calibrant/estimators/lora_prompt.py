"""LoRA + Prompt (Kapoor et al. 2024): the query on a model that was tuned to answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import LoraConfig

from calibrant.answers.query import query_scores
from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    non_default,
    silent,
)
from calibrant.models.local import local
from calibrant.models.model import Capability, Model
from calibrant.records import Answered, Graded
from calibrant.training import adapters
from calibrant.training.loop import LoopSettings, train
from calibrant.training.prompt_tuning import PromptTuning

PAPER_RATE, PAPER_WIDTH = 1e-4, 4096


@dataclass(frozen=True, kw_only=True)
class LoraPrompt(Estimator):
    """The paper's best estimator, with the paper's settings."""

    name: ClassVar = "lora_prompt"
    needs: ClassVar = frozenset({Capability.TRAIN, Capability.ADAPTERS})
    rank: int = 8
    """Rank of the adapter."""
    alpha: int = 32
    """Scale of the adapter, over the rank."""
    dropout: float = 0.1
    """Dropout before the adapter."""
    targets: tuple[str, ...] = ()
    """Modules that carry it; empty for the query and value projections."""
    kappa: float = 1.0
    """Weight of the regulariser; 0 switches it off."""
    n_epochs: float = 3.0
    """Passes over the training answers at most; early stopping may end before."""
    batch_size: int = 32
    """Answers in one step."""
    learning_rate: float | None = None
    """Peak rate; None: the paper's 1e-4 at width 4,096, and inversely to the width elsewhere."""
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
        """Tune the adapter; stop early by the validation log loss."""
        base = local(model)
        kept, correct = graded_only(train)
        checked, checked_correct = graded_only(validation)
        config = adapters.lora_config(
            base, rank=self.rank, alpha=self.alpha, dropout=self.dropout, targets=self.targets
        )
        torch.manual_seed(seed)
        with adapters.attached(base, config) as peft:
            tuning = PromptTuning(peft, base, kept, correct.astype(bool).tolist(), self.kappa)
            checking = PromptTuning(peft, base, checked, checked_correct.astype(bool).tolist(), 0.0)
            if tuning.n_without_reference and self.kappa:
                say(f"{tuning.n_without_reference} questions have no reference: not regularised")
            trained = _train(self, tuning, checking, seed, folder, say)
            adapters.load_trained(peft, trained.weights)
            weights = adapters.take(peft)
        return FittedLoraPrompt(self, config, weights, trained.losses, trained.history)


def _train(
    estimator: LoraPrompt,
    tuning: PromptTuning,
    checking: PromptTuning,
    seed: int,
    folder: Path | None,
    say: Say,
) -> Any:
    rate = estimator.learning_rate or PAPER_RATE * PAPER_WIDTH / tuning.model.width
    settings = LoopSettings(
        n_epochs=estimator.n_epochs,
        batch_size=estimator.batch_size,
        learning_rate=rate,
        patience=estimator.patience,
    )
    parameters = {n: p for n, p in tuning.peft.named_parameters() if p.requires_grad}
    return train(
        parameters,
        len(tuning.rows),
        tuning.backward,
        checking.log_loss,
        settings,
        seed=seed,
        folder=folder,
        say=say,
    )


class FittedLoraPrompt(FittedEstimator):
    """An adapter."""

    def __init__(
        self,
        estimator: LoraPrompt,
        config: LoraConfig,
        weights: dict[str, torch.Tensor],
        losses: tuple[float, ...] = (),
        history: tuple[dict[str, float], ...] = (),
    ) -> None:
        self.estimator, self.config, self.weights = estimator, config, weights
        self.losses, self.history = losses, history

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the two options with the adapter on."""
        base = local(model)
        with adapters.attached(base, self.config, self.weights) as peft:
            return Scores.whole(query_scores(items, base, peft, say))

    def save(self, folder: Path) -> dict[str, Any]:
        """The adapter in PEFT's format, and how the training went."""
        adapters.save(folder / "adapter", self.config, self.weights)
        return {"history": list(self.history)}

    @staticmethod
    def load(estimator: LoraPrompt, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From PEFT's format."""
        config, weights = adapters.read(folder / "adapter")
        return FittedLoraPrompt(estimator, config, weights, (), tuple(state["history"]))
