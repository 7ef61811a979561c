"""A text encoder tuned to judge answers: for answers of any model, with no access to that model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from peft import LoraConfig
from safetensors.torch import save_file

from calibrant.answers.evidence import sequences
from calibrant.estimators.answer_length import length_features
from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    non_default,
    silent,
)
from calibrant.estimators.logistic_head import LogisticHead
from calibrant.models.encoder import (
    DEFAULT,
    Encoder,
    Precision,
    check_encoder,
    encoder_called,
)
from calibrant.models.model import Model
from calibrant.records import Answered, Graded, ModelName
from calibrant.training import adapters
from calibrant.training.loop import LoopSettings, tune
from calibrant.training.text_tuning import TextTuning


@dataclass(frozen=True, kw_only=True)
class TunedEncoder(Estimator):
    """LoRA through a small encoder over category, question, chosen option and answer's end; its
    head adds to what the answer's length tells, which a text that was cut does not show.
    """

    name: ClassVar = "tuned_encoder"
    encoder: str = DEFAULT
    """Name of an encoder, or its folder."""
    tell_model: bool = False
    """Show the encoder which model answered; for graded answers of several models."""
    max_tokens: int = 160
    """Of question and answer; what is longer is cut at its front."""
    rank: int = 16
    """Rank of the adapter."""
    alpha: int = 32
    """Scale of the adapter, over the rank."""
    dropout: float = 0.1
    """Dropout before the adapter."""
    targets: tuple[str, ...] = ("query", "key", "value", "dense")
    """Modules that carry it; empty for the architecture's usual ones."""
    n_epochs: float = 1.0
    """Passes over the training answers at most."""
    batch_size: int = 32
    """Answers in one step."""
    learning_rate: float = 1e-3
    """Peak rate."""
    patience: int = 3
    """Evaluations (four an epoch) without a better validation log loss before it stops."""
    precision: Precision = "float32"
    """Of the matrix products; bfloat16 is three times as fast where the processor knows it, and its
    scores depend on the batch by some hundredths."""

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
        """Tune adapter and head; the weights of the lowest validation log loss are kept."""
        kept, correct = graded_only(train)
        checked, checked_correct = graded_only(validation, "validation")
        encoder = encoder_called(self.encoder)
        config = adapters.lora_config(
            encoder,
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            targets=self.targets,
            task="FEATURE_EXTRACTION",
        )
        config.exclude_modules = ["pooler.dense"]  # the mean is taken before it: no gradients
        length = LogisticHead.fit(length_features(kept), correct)
        torch.manual_seed(seed)
        line = torch.nn.Linear(encoder.width, 1).to(encoder.device)
        torch.nn.init.zeros_(line.weight)  # start from the length
        torch.nn.init.zeros_(line.bias)
        with adapters.attached(encoder, config) as peft:
            tuning, checking = (
                TextTuning(
                    peft,
                    line,
                    encoder,
                    _rows(items, encoder, self),
                    labels.tolist(),
                    length.score(length_features(items)).tolist(),
                    precision=self.precision,
                )
                for items, labels in ((kept, correct), (checked, checked_correct))
            )
            settings = LoopSettings(
                n_epochs=self.n_epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                evaluations_per_epoch=4,
                patience=self.patience,
            )
            trained = tune(tuning, checking, settings, line, seed=seed, folder=folder, say=say)
            adapters.load_trained(peft, trained.weights)
            weights = adapters.take(peft)
        head = {name: trained.weights[f"head.{name}"] for name in ("weight", "bias")}
        return FittedTunedEncoder(
            self, encoder.name, config, weights, head, length, trained.history
        )


def _rows(items: Sequence[Answered], encoder: Encoder, how: TunedEncoder) -> list[list[int]]:
    return sequences(items, encoder, how.max_tokens, tell_model=how.tell_model)


class FittedTunedEncoder(FittedEstimator):
    """An adapter, a line, and what the length tells."""

    def __init__(
        self,
        estimator: TunedEncoder,
        encoder: ModelName,
        config: LoraConfig,
        weights: dict[str, torch.Tensor],
        head: dict[str, torch.Tensor],
        length: LogisticHead,
        history: Sequence[dict[str, float]] = (),
    ) -> None:
        self.estimator: TunedEncoder = estimator
        self.encoder, self.config, self.weights, self.head = encoder, config, weights, head
        self.length, self.history = length, history

    @torch.no_grad()
    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the line on the tuned encoder's pooled states, and of the length."""
        if not items:
            return Scores.whole(np.empty(0))
        encoder = encoder_called(self.estimator.encoder)
        check_encoder(encoder, self.encoder)
        rows = _rows(items, encoder, self.estimator)
        tuned = adapters.attached(encoder, self.config, self.weights)
        with tuned as peft, encoder.computing_in(self.estimator.precision):
            pooled_ND = encoder.batched(
                rows, lambda part: encoder.pooled([rows[i] for i in part], peft).float()
            )
        logits_N1 = torch.nn.functional.linear(pooled_ND, self.head["weight"], self.head["bias"])
        of_length = self.length.score(length_features(items))
        return Scores.whole(logits_N1[:, 0].double().numpy() + of_length)

    def save(self, folder: Path) -> dict[str, Any]:
        """The adapter in PEFT's format, the head, and which encoder they belong to."""
        adapters.save(folder / "adapter", self.config, self.weights)
        save_file(self.head, folder / "head.safetensors")
        return {
            "encoder": asdict(self.encoder),
            "length": self.length.to_dict(),
            "history": list(self.history),
        }

    @staticmethod
    def load(estimator: TunedEncoder, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From PEFT's format."""
        config, weights, _ = adapters.read(folder / "adapter")
        head = adapters.read_tensors(folder / "head.safetensors")
        name, length = ModelName(**state["encoder"]), LogisticHead(**state["length"])
        return FittedTunedEncoder(estimator, name, config, weights, head, length, state["history"])
