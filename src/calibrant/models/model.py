"""What an estimator may need of a model."""

from __future__ import annotations

from abc import ABC
from enum import StrEnum
from pathlib import Path

from calibrant.records import ModelName


class Capability(StrEnum):
    """Something that a model can give."""

    GENERATE = "generate"
    LOGPROBS = "logprobs"
    HIDDEN_STATES = "hidden_states"
    TRAIN = "train"
    ADAPTERS = "adapters"


class Model(ABC):
    """A language model, local or not."""

    capabilities: frozenset[Capability]
    name: ModelName
    cache: Path | None = None
    """Folder for what it computes and several estimators share; None keeps nothing."""

    @property
    def dtype(self) -> str:
        """Precision of its computations, as PyTorch names it; the usual one where it has none."""
        return "float32"

    @property
    def known_as(self) -> str:
        """Its revision, or name where it has none, and its precision if that is not the usual."""
        kind = f" in {self.dtype}" if self.dtype != "float32" else ""
        return f"{self.name.revision or self.name.name}{kind}"

    @property
    def is_small(self) -> bool:
        """Whether work on it gains from a process for each core more than from threads."""
        return False


class Given(Model):
    """The author of answers that exist already: there is nothing to call."""

    capabilities = frozenset()

    def __init__(self, name: str = "given", revision: str = "") -> None:
        self.name = ModelName(name=name, revision=revision)
