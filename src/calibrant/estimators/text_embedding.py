"""A frozen sentence encoder over question and answer, with a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from calibrant.answers.evidence import embeddings, kept_embeddings
from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    non_default,
    silent,
)
from calibrant.estimators.vector_head import (
    Head,
    Kind,
    Vectors,
    fit_head,
    head_scores,
    load_head,
    save_head,
)
from calibrant.models.encoder import DEFAULT, Encoder, check_encoder, encoder_called
from calibrant.models.model import Model
from calibrant.models.remote import RemoteModel
from calibrant.records import Answered, Graded, ModelName


@dataclass(frozen=True, kw_only=True)
class TextEmbedding(Estimator):
    """Knows what question and answer are about; needs nothing of the model that answered."""

    name: ClassVar = "text_embedding"
    head: Kind = "mlp"
    """The paper's MLP, or a logistic regression whose penalty the validation answers choose."""
    encoder: str = DEFAULT
    """Name of an encoder, or its folder; with `base_url` the endpoint's name of it."""
    base_url: str = ""
    """Address of an OpenAI-compatible embeddings endpoint; empty for an encoder here."""
    tell_model: bool = False
    """Show the encoder which model answered; for graded answers of several models."""
    max_tokens: int = 192
    """Of question and answer; what is longer is cut at its front."""
    n_epochs: float = 30.0
    """Of the MLP, at most; the validation log loss ends it before."""
    learning_rate: float = 1e-3
    """Of the MLP."""

    @property
    def variant(self) -> str:
        """The head, and the settings that are not the usual ones."""
        return f"{self.head} {non_default(self, but=['head'])}".strip()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The encoder's, where it is behind an endpoint."""
        return (self.base_url,) if self.base_url else ()

    @classmethod
    def forms(cls) -> tuple[Estimator, ...]:
        """Both heads."""
        return cls(), cls(head="logistic")

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
        """Fit the head on the embeddings."""
        kept, correct = graded_only(train)
        checked, checked_correct = graded_only(validation, "validation")
        encoder = self._opened()
        here, there = (self._embedded(items, encoder, model) for items in (kept, checked))
        head = self.fit_head(here, correct, there, checked_correct, seed)
        return FittedTextEmbedding(self, encoder.name, head)

    def _opened(self) -> Encoder | RemoteModel:
        if self.base_url:
            return RemoteModel(self.encoder, base_url=self.base_url)
        return encoder_called(self.encoder)

    def look(self, model: Model) -> None:
        """The encoder."""
        self._opened()

    def prepare(
        self, splits: Mapping[str, Sequence[Answered]], model: Model, say: Say = silent
    ) -> None:
        """Embed all answers, for both heads."""
        if model.cache is not None and not self.base_url:
            every = [item for items in splits.values() for item in items]
            self._embedded(every, self._opened(), model)

    def _embedded(
        self, items: Sequence[Answered], encoder: Encoder | RemoteModel, model: Model
    ) -> Vectors:
        if isinstance(encoder, RemoteModel):
            return embeddings(items, encoder, self.max_tokens, tell_model=self.tell_model)
        told = self.tell_model
        return kept_embeddings(items, encoder, self.max_tokens, model.cache, tell_model=told)

    def fit_head(
        self, vectors: Vectors, correct: Vectors, held: Vectors, held_correct: Vectors, seed: int
    ) -> Head:
        """The head on embeddings (N, D) that are computed already."""
        return fit_head(
            self.head,
            vectors,
            correct,
            held,
            held_correct,
            seed=seed,
            n_epochs=self.n_epochs,
            learning_rate=self.learning_rate,
        )


class FittedTextEmbedding(FittedEstimator):
    """A head, and the name of the encoder that it reads."""

    def __init__(self, estimator: TextEmbedding, encoder: ModelName, head: Head) -> None:
        self.estimator: TextEmbedding = estimator
        self.encoder, self.head = encoder, head

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the head."""
        if not items:
            return Scores.whole([])
        encoder = self.estimator._opened()
        if isinstance(encoder, Encoder):
            check_encoder(encoder, self.encoder)
        return Scores.whole(head_scores(self.estimator._embedded(items, encoder, model), self.head))

    def save(self, folder: Path) -> dict[str, Any]:
        """The head, and which encoder it belongs to."""
        return {"encoder": asdict(self.encoder), **save_head(self.head, folder)}

    @staticmethod
    def load(estimator: TextEmbedding, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the head."""
        encoder = ModelName(**state["encoder"])
        return FittedTextEmbedding(estimator, encoder, load_head(state, folder))
