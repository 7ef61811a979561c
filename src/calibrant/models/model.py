"""What an estimator may need of a model."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from calibrant.errors import MissingCapability
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
    def is_small(self) -> bool:
        """Whether work on it gains from a process for each core more than from threads."""
        return False


class Given(Model):
    """The author of answers that exist already: there is nothing to call."""

    def __init__(
        self, name: str = "given", revision: str = "", *, has_log_probs: bool = False
    ) -> None:
        self.name = ModelName(name=name, revision=revision)
        self.capabilities = frozenset({Capability.LOGPROBS} if has_log_probs else ())


def require(needs: Mapping[str, frozenset[Capability]], model: Model) -> None:
    """Refuse estimators (name -> needs) that this model cannot serve, before any work.

    Raises
    ------
    MissingCapability
        Naming what is missing and which of the estimators would run.
    """
    able = [name for name, need in needs.items() if need <= model.capabilities]
    for name, need in needs.items():
        if missing := sorted(need - model.capabilities):
            raise MissingCapability(
                f"{name} needs {', '.join(missing)}, which {model.name.name} does not give;"
                f" of the estimators asked for these would run: {', '.join(able) or 'none'}"
            )
