"""LoRA + Prompt (Kapoor et al. 2024): the query on a model that was tuned to answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from peft import LoraConfig

from calibrant.answers.prompts import QUERY, Prompts
from calibrant.answers.query import ASKS, Activation, log_odds_after, query_scores
from calibrant.errors import Mismatch
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
from calibrant.models.local import LocalModel, local
from calibrant.models.model import Capability, Model
from calibrant.models.prefix import Prefix
from calibrant.records import Answered, Graded
from calibrant.training import adapters
from calibrant.training.loop import LoopSettings, rate_for_width, tune
from calibrant.training.losses import DIVERGENCES, RULES
from calibrant.training.prompt_tuning import FullTuning, QueryTuning, Tuning

ENGINE = "peft"
"""What runs adapters here."""
ENGINES: dict[Activation, tuple[str, ...]] = {
    "full": ("peft", "llama.cpp", "vllm"),
    "query": ("peft", "llama.cpp"),
    "short_query": ("peft", "llama.cpp"),
}
"""What can run each form; vLLM puts an adapter on the whole sequence."""


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
    """Modules that carry it: empty for the query and value projections, "all-linear" for all."""
    layers: tuple[int, ...] = ()
    """Layers that carry it, counted from 0, or from the end if negative; empty for all."""
    activation: Activation = "full"
    """Where the adapter acts: on every token (the paper's form), from the query on, or from a query
    of few tokens on, which costs least after an answer."""
    kappa: float = 1.0
    """Weight of the regulariser; 0 switches it off. From the query on there is none."""
    divergence: Literal["jsd", "forward_kl", "reverse_kl"] = "jsd"
    """What the regulariser is: Jensen-Shannon, KL(untuned || tuned) or KL(tuned || untuned)."""
    rule: Literal["log_loss", "brier"] = "log_loss"
    """Proper scoring rule that is minimised; the log loss on validation stops it in any case."""
    n_epochs: float = 3.0
    """Passes over the training answers at most; early stopping may end before."""
    batch_size: int = 16
    """Answers in one step. The paper has 32, and many more steps."""
    learning_rate: float | None = None
    """Peak rate; None: the paper's 1e-4 at width 4,096, and more for narrower models."""
    patience: int = 3
    """Evaluations (two an epoch) without a better validation log loss before it stops. 0: never,
    and the last weights are kept in place of the best."""

    @property
    def variant(self) -> str:
        """The settings that are not the usual ones."""
        return non_default(self)

    @property
    def asks(self) -> str:
        """Text of the query."""
        return ASKS[self.activation]

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
        checked, checked_correct = graded_only(validation, "validation")
        config = adapters.lora_config(
            base, rank=self.rank, alpha=self.alpha, dropout=self.dropout, targets=self.targets,
            layers=self.layers,
        )  # fmt: skip
        torch.manual_seed(seed)
        with adapters.attached(base, config) as peft:
            right = correct.astype(bool).tolist()
            tuning = self._tuning(peft, base, kept, right, say)
            tuning.rule = RULES[self.rule]
            checking = self._tuning(peft, base, checked, checked_correct.astype(bool).tolist())
            settings = LoopSettings(
                n_epochs=self.n_epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate or rate_for_width(base.width),
                patience=self.patience,
            )
            of = learned_from(self, model, train, validation)
            trained = tune(tuning, checking, settings, seed=seed, folder=folder, of=of, say=say)
            adapters.load_trained(peft, trained.weights)
            weights = adapters.take(peft)
        query = Prompts.of(base, self.asks).query
        return FittedLoraPrompt(self, config, weights, query, trained.losses, trained.history)

    def _tuning(
        self,
        peft: Any,
        model: LocalModel,
        items: Sequence[Answered],
        correct: Sequence[bool],
        say: Say = silent,
    ) -> Tuning:
        if self.activation != "full":
            return QueryTuning(peft, model, items, correct, self.asks)
        tuning = FullTuning(peft, model, items, correct, self.kappa)
        tuning.divergence = DIVERGENCES[self.divergence]
        if self.kappa and tuning.n_without_reference:
            say(f"{tuning.n_without_reference} questions have no reference: not regularised")
        return tuning


class FittedLoraPrompt(FittedEstimator):
    """An adapter."""

    def __init__(
        self,
        estimator: LoraPrompt,
        config: LoraConfig,
        weights: dict[str, torch.Tensor],
        query: tuple[int, ...],
        losses: tuple[float, ...] = (),
        history: tuple[dict[str, float], ...] = (),
    ) -> None:
        self.estimator: LoraPrompt = estimator
        self.config, self.weights = config, weights
        self.query, self.losses, self.history = query, losses, history
        self._merged: tuple[Any, adapters.Merged | None] | None = None

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the two options with the adapter on."""
        base, how = local(model), self.estimator
        with adapters.attached(base, self.config, self.weights) as peft:
            found = query_scores(items, base, peft, say, how.activation)
        return Scores.whole(found)

    def score_read(self, read: Prefix, model: LocalModel) -> Scores | None:
        """The query, after what was read, when the adapter acts from there on."""
        if self.estimator.activation == "full":
            return None
        if self._merged is None or self._merged[0] is not model.module:
            can = adapters.can_merge(model)
            made = adapters.Merged(model, self.config, self.weights) if can else None
            self._merged = model.module, made
        asks = self.estimator.asks
        if merged := self._merged[1]:
            with merged.on():
                return Scores.whole(log_odds_after(read, model, asks=asks))
        with adapters.attached(model, self.config, self.weights) as peft:
            return Scores.whole(log_odds_after(read, model, peft, asks))

    def save(self, folder: Path) -> dict[str, Any]:
        """The adapter in PEFT's format, how the training went, and what can run this form."""
        invocation = () if self.estimator.activation == "full" else self.query
        adapters.save(folder / "adapter", self.config, self.weights, invocation)
        return {
            "history": list(self.history),
            "query": self.estimator.asks,
            "query_ids": list(self.query),
            "engines": list(ENGINES[self.estimator.activation]),
        }

    @staticmethod
    def load(estimator: LoraPrompt, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From PEFT's format.

        Raises
        ------
        Mismatch
            When the adapter acts elsewhere than the settings say, or this engine cannot run it.
        """
        config, weights, invocation = adapters.read(folder / "adapter")
        query = tuple(state["query_ids"])
        if state.get("query", QUERY) != estimator.asks:
            raise Mismatch(f"the adapter in {folder} was tuned for another query")
        if invocation != (() if estimator.activation == "full" else query):
            raise Mismatch(
                f"the adapter at {folder / 'adapter'} does not act where the artefact says"
                f" (activation {estimator.activation!r}): its confidences would be wrong"
            )
        if ENGINE not in state["engines"]:
            raise Mismatch(f"{folder} runs on {', '.join(state['engines'])}, not on {ENGINE}")
        return FittedLoraPrompt(estimator, config, weights, query, (), tuple(state["history"]))


def from_adapter(folder: str | Path, model: LocalModel) -> FittedLoraPrompt:
    """An adapter that others tuned for the paper's query, in PEFT's format; not calibrated yet.

    Published ones may hold embeddings, enlarged by a pad token and saved along: these must be the
    base model's, and are left aside.

    Raises
    ------
    DamagedFile
        When it cannot be read.
    Mismatch
        When its embeddings are not the base model's, or it acts from some token on.
    """
    config, weights, invocation = adapters.read(Path(folder))
    if invocation:
        raise Mismatch(f"the adapter at {folder} acts from some token on: load its artefact")
    tables = {
        "embed_tokens": model.module.get_input_embeddings().weight,
        "lm_head": model.module.get_output_embeddings().weight,
    }
    for name in [name for name in weights if "lora_" not in name]:
        base = next((table for part, table in tables.items() if part in name), None)
        saved = weights.pop(name)
        n = 0 if base is None else min(len(base), len(saved))
        if base is None or not torch.allclose(saved[:n].to(base), base[:n], atol=1e-4, rtol=1e-2):
            raise Mismatch(f"the adapter at {folder} changes {name}, not only what LoRA adds")
    targets = tuple(sorted(config.target_modules or ()))
    usual = adapters.lora_config(model, rank=config.r, alpha=1, dropout=0, targets=())
    estimator = LoraPrompt(
        rank=config.r,
        alpha=config.lora_alpha,
        dropout=config.lora_dropout,
        targets=() if set(targets) == set(usual.target_modules or ()) else targets,
        layers=(on,) if isinstance(on := config.layers_to_transform, int) else tuple(on or ()),
    )
    return FittedLoraPrompt(estimator, config, weights, Prompts.of(model).query)
