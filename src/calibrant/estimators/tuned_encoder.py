"""A text encoder tuned to judge answers: for answers of any model, with no access to that model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig
from safetensors.torch import save_file
from scipy.special import log_expit

from calibrant.answers.evidence import embeddings, sequences
from calibrant.estimators.answer_length import length_features
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
from calibrant.estimators.logistic_head import LogisticHead
from calibrant.estimators.vector_head import STRENGTHS
from calibrant.models.encoder import (
    DEFAULT,
    Encoder,
    Precision,
    check_encoder,
    encoder_called,
)
from calibrant.models.model import Model
from calibrant.records import Answered, Graded, ModelName, content_hash
from calibrant.training import adapters
from calibrant.training.loop import LoopSettings, tune
from calibrant.training.text_tuning import TextTuning

Floats = NDArray[np.float64]
N_FOLDS = 5
"""Of the training answers, for what the untuned encoder tells of answers that it did not see."""


@dataclass(frozen=True, kw_only=True)
class TunedEncoder(Estimator):
    """LoRA through a small encoder over category, question, chosen option and answer's end.

    Its head adds to what the untuned encoder and the answer's length tell: a logistic regression of
    both, fitted on training answers that the untuned encoder's own regression did not learn from.
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
    scores depend on the batch by some hundredths; elsewhere float32 takes its place."""

    @property
    def variant(self) -> str:
        """The settings that are not the usual ones."""
        return non_default(self)

    def look(self, model: Model) -> None:
        """The encoder."""
        encoder_called(self.encoder)

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
        with encoder.computing_in(self.precision):
            start, apart = Start.fit(kept, correct, encoder, self)
            before = apart, start.score(checked, encoder, self)
        torch.manual_seed(seed)
        line = torch.nn.Linear(encoder.width, 1).to(encoder.device)
        torch.nn.init.zeros_(line.weight)
        torch.nn.init.zeros_(line.bias)
        with adapters.attached(encoder, config) as peft:
            tuning, checking = (
                TextTuning(
                    peft,
                    line,
                    encoder,
                    _rows(items, encoder, self),
                    labels.tolist(),
                    known.tolist(),
                    precision=self.precision,
                )
                for items, labels, known in zip((kept, checked), (correct, checked_correct), before)
            )
            settings = LoopSettings(
                n_epochs=self.n_epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                evaluations_per_epoch=4,
                patience=self.patience,
            )
            of = learned_from(self, model, train, validation)
            more: Any = {"seed": seed, "folder": folder, "of": of, "say": say}
            trained = tune(tuning, checking, settings, line, **more)
            adapters.load_trained(peft, trained.weights)
            weights = adapters.take(peft)
        head = {name: trained.weights[f"head.{name}"] for name in ("weight", "bias")}
        return FittedTunedEncoder(self, encoder.name, config, weights, head, start, trained.history)


def _rows(items: Sequence[Answered], encoder: Encoder, how: TunedEncoder) -> list[list[int]]:
    return sequences(items, encoder, how.max_tokens, tell_model=how.tell_model)


@dataclass(frozen=True, kw_only=True)
class Start:
    """What the untuned encoder and the length tell."""

    frozen: LogisticHead
    """On the embedding."""
    both: LogisticHead
    """On that score and the length."""

    @staticmethod
    def fit(
        items: Sequence[Graded], correct: Floats, encoder: Encoder, how: TunedEncoder
    ) -> tuple[Start, Floats]:
        """The start, and its log-odds (N,) of these answers, each by a regression without it.

        Paraphrases are left out together; the penalty is the one that predicts what is left out.
        """
        vectors = embeddings(items, encoder, how.max_tokens, tell_model=how.tell_model)
        fold = np.array([int(content_hash(i.question.group), 16) % N_FOLDS for i in items])
        sign = np.where(correct == 1, 1.0, -1.0)
        best, apart, least = STRENGTHS[0], np.zeros(len(items)), np.inf
        for strength in STRENGTHS:
            found = np.zeros(len(items))
            for k in np.unique(fold):
                rest = fold != k
                head = LogisticHead.fit(vectors[rest], correct[rest], strength=strength)
                found[~rest] = head.score(vectors[~rest])
            if (loss := -float(log_expit(sign * found).mean())) < least:
                best, apart, least = strength, found, loss
        features = np.column_stack([apart, length_features(items)])
        both = LogisticHead.fit(features, correct)
        frozen = LogisticHead.fit(vectors, correct, strength=best)
        return Start(frozen=frozen, both=both), both.score(features)

    def score(self, items: Sequence[Answered], encoder: Encoder, how: TunedEncoder) -> Floats:
        """Log-odds (N,)."""
        vectors = embeddings(items, encoder, how.max_tokens, tell_model=how.tell_model)
        scores = self.frozen.score(vectors)
        return self.both.score(np.column_stack([scores, length_features(items)]))


class FittedTunedEncoder(FittedEstimator):
    """An adapter, a line, and what they start from."""

    def __init__(
        self,
        estimator: TunedEncoder,
        encoder: ModelName,
        config: LoraConfig,
        weights: dict[str, torch.Tensor],
        head: dict[str, torch.Tensor],
        start: Start,
        history: Sequence[dict[str, float]] = (),
    ) -> None:
        self.estimator: TunedEncoder = estimator
        self.encoder, self.config, self.weights, self.head = encoder, config, weights, head
        self.start, self.history = start, history

    @torch.no_grad()
    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the line on the tuned encoder's pooled states, and of the start."""
        if not items:
            return Scores.whole(np.empty(0))
        encoder = encoder_called(self.estimator.encoder)
        check_encoder(encoder, self.encoder)
        rows = _rows(items, encoder, self.estimator)
        with encoder.computing_in(self.estimator.precision):
            known = self.start.score(items, encoder, self.estimator)
        tuned = adapters.attached(encoder, self.config, self.weights)
        with tuned as peft, encoder.computing_in(self.estimator.precision):
            pooled_ND = encoder.batched(
                rows, lambda part: encoder.pooled([rows[i] for i in part], peft).float()
            )
        logits_N1 = torch.nn.functional.linear(pooled_ND, self.head["weight"], self.head["bias"])
        return Scores.whole(logits_N1[:, 0].double().numpy() + known)

    def save(self, folder: Path) -> dict[str, Any]:
        """The adapter in PEFT's format, the head, and which encoder they belong to."""
        adapters.save(folder / "adapter", self.config, self.weights)
        save_file(self.head, folder / "head.safetensors")
        return {
            "encoder": asdict(self.encoder),
            "start": {name: head.to_dict() for name, head in vars(self.start).items()},
            "history": list(self.history),
        }

    @staticmethod
    def load(estimator: TunedEncoder, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From PEFT's format."""
        config, weights, _ = adapters.read(folder / "adapter")
        head = adapters.read_tensors(folder / "head.safetensors")
        start = Start(**{name: LogisticHead(**one) for name, one in state["start"].items()})
        name = ModelName(**state["encoder"])
        return FittedTunedEncoder(estimator, name, config, weights, head, start, state["history"])
