"""What an estimator is: settings that are fitted on graded answers and then score others.

A score is any real number on the scale of log-odds, higher = more likely right; a missing one is
NaN with its reason.
"""

from __future__ import annotations

import math
import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calibrant.answers.prompts import QUERY
from calibrant.errors import InvalidData, NothingGraded, TooFewClasses
from calibrant.models.local import LocalModel
from calibrant.models.model import Capability, Model
from calibrant.models.prefix import Prefix
from calibrant.records import Answered, Format, Graded, content_hash
from calibrant.settings import check_choices, choices_of

Say = Callable[[str], None]
ABOVE_0 = {
    "alpha", "batch_size", "learning_rate", "max_tokens", "n_epochs", "n_guesses", "n_samples",
    "n_stages", "rank", "strength", "temperature", "top_p",
}  # fmt: skip
AT_LEAST_0 = {
    "dropout", "kappa", "max_new_tokens", "n_folds", "patience", "seed", "threshold", "unread",
}  # fmt: skip
SHARES = {"dropout", "top_p", "threshold", "unread"}
"""Settings that are 1 at most."""
LONGEST = 100
"""Bytes of the settings in a variant, which is part of a folder's name; a hash may follow."""


def silent(line: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of some answers."""

    values: NDArray[np.float64]
    """(N,), any real number, NaN where missing."""
    reasons: Mapping[int, str]
    """Index of a missing score -> why it is missing."""

    def __post_init__(self) -> None:
        if set(np.flatnonzero(np.isnan(self.values)).tolist()) != set(self.reasons):
            raise InvalidData("each missing score, and no other, must have a reason")

    def first(self, n: int) -> Scores:
        """Those of the first `n` answers."""
        reasons = {i: reason for i, reason in self.reasons.items() if i < n}
        return Scores(values=self.values[:n], reasons=reasons)

    @staticmethod
    def whole(values: Sequence[float] | NDArray[Any]) -> Scores:
        """Scores of which none is missing."""
        return Scores(values=np.asarray(values, dtype=np.float64), reasons={})


@dataclass(frozen=True, kw_only=True)
class Estimator(ABC):
    """Settings of a way to score answers."""

    name: ClassVar[str]
    needs: ClassVar[frozenset[Capability]] = frozenset()
    reads: ClassVar[tuple[str, ...]] = ()
    """Fields of an answer, beside its text, without which it has no score."""
    formats: ClassVar[tuple[Format, ...]] = ("open", "choice")
    """Formats of the answers that it can score; those of others are missing."""
    learns: ClassVar[bool] = True
    """Whether `fit` looks at the answers; if not, its scores are the same whatever it is given."""

    def __post_init__(self) -> None:
        check_choices(self)
        for name, value in self.settings().items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                is_low = (name in ABOVE_0 and value <= 0) or (name in AT_LEAST_0 and value < 0)
                if is_low or (name in SHARES and value > 1) or not math.isfinite(value):
                    raise InvalidData(f"{name} cannot be {value}")

    @property
    def learns_from_verdicts(self) -> bool:
        """Whether `fit` needs graded answers; calibrating does in any case."""
        return self.learns

    @property
    def variant(self) -> str:
        """The form in a word, empty for the usual one."""
        return ""

    @property
    def calls(self) -> frozenset[Capability]:
        """What it needs of a model when the answers are there, with their log-probabilities."""
        return self.needs - {Capability.LOGPROBS}

    @property
    def calls_model(self) -> bool:
        """Whether it runs a model; if not, the table of answers is all that it takes."""
        return bool(self.calls)

    @property
    def tunes(self) -> bool:
        """Whether it tunes a model, and shares nothing that would be prepared."""
        return Capability.TRAIN in self.needs and type(self).prepare is Estimator.prepare

    @property
    def asks(self) -> str:
        """Text of the confidence query, where one is put to the model."""
        return QUERY

    @property
    def addresses(self) -> tuple[str, ...]:
        """Endpoints that its settings name."""
        return ()

    @property
    def score_is_confidence(self) -> bool:
        """Whether the sigmoid of the score claims to be P(correct); else it has no raw ECE."""
        return True

    @classmethod
    def forms(cls) -> tuple[Estimator, ...]:
        """The forms that are evaluated when an estimator is named without settings.

        One for each value of the setting `form`, where there is one.
        """
        named = choices_of(cls).get("form")
        return tuple(cls(**{"form": form}) for form in named) if named else (cls(),)

    @abstractmethod
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
        """Fit on graded answers; ungraded ones are left out.

        Parameters
        ----------
        train, validation
            Disjoint by question group; validation serves early stopping.
        folder
            Where checkpoints may go.

        Raises
        ------
        NothingGraded, TooFewClasses
            When there is no graded answer, or all are right or all wrong.
        """

    def prepare(
        self, splits: Mapping[str, Sequence[Answered]], model: Model, say: Say = silent
    ) -> None:
        """Compute into `model.cache` what several estimators share; nothing for most.

        A run calls it for each estimator before any is fitted, for these may be fitted side by
        side.

        Parameters
        ----------
        splits
            Answers by split: train, validation, calibration, test.
        """
        return None

    def look(self, model: Model) -> None:
        """Open what it reads beside the model, an encoder or a judge; nothing for most.

        Called before any work, so that what is missing, which is raised, costs none.
        """
        return None

    def settings(self) -> dict[str, Any]:
        """The settings as plain values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def learned_from(estimator: Estimator, model: Model, *parts: Sequence[Graded]) -> str:
    """Hash of settings, model and its precision, answers and verdicts."""
    answers = [[[i.answer.id, str(i.grade.verdict)] for i in items] for items in parts]
    how = [estimator.name, estimator.settings(), asdict(model.name), model.dtype]
    return content_hash(how, answers)


def non_default(estimator: Estimator, but: Sequence[str] = ()) -> str:
    """The settings that differ from the class's own, e.g. "kappa=0.0 n_epochs=6.0".

    It is part of a folder's name: of a path or an address its last part, and of all no more than
    `LONGEST` bytes; a hash of the whole then tells apart what looks the same. `but` are left out.
    """
    usual = type(estimator)().settings()
    whole = " ".join(
        f"{name}={value}"
        for name, value in estimator.settings().items()
        if value != usual[name] and name not in but
    )
    short = re.sub(r"[^\s=@,'\"(]*/", "", whole).encode()[:LONGEST].decode(errors="ignore")
    return whole if short == whole else f"{short} {content_hash(whole)[:6]}"


class FittedEstimator(ABC):
    """A fitted estimator. It cannot see grades."""

    estimator: Estimator

    @property
    def reads(self) -> tuple[str, ...]:
        """Fields of an answer without which it has no score, now that it is fitted."""
        return self.estimator.reads

    @abstractmethod
    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """A score for each item, in their order, the same alone or in a batch."""

    def score_read(self, read: Prefix, model: LocalModel) -> Scores | None:
        """Scores of answers that the model has read; None where it takes passes of its own.

        Parameters
        ----------
        read
            Question and answer of each item, as the bare model reads them.
        """
        return None

    @abstractmethod
    def save(self, folder: Path) -> dict[str, Any]:
        """Write what does not fit JSON into the folder and return what does."""

    @staticmethod
    @abstractmethod
    def load(estimator: Any, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """The inverse of `save`."""


def fitted_class(estimator: Estimator) -> type[FittedEstimator]:
    """What an estimator becomes: in its module the class `Fitted` + its name."""
    module = sys.modules[type(estimator).__module__]
    found: type[FittedEstimator] = getattr(module, f"Fitted{type(estimator).__name__}")
    return found


@dataclass(frozen=True, kw_only=True)
class Untrained(Estimator, ABC):
    """An estimator of which nothing is fitted: its settings are all that there is."""

    learns: ClassVar[bool] = False

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
        """Nothing to fit."""
        return fitted_class(self).load(self, {}, Path())


class Unfitted(FittedEstimator, ABC):
    """What such an estimator becomes."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def save(self, folder: Path) -> dict[str, Any]:
        """Nothing."""
        return {}

    @classmethod
    def load(cls, estimator: Any, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From nothing."""
        return cls(estimator)


def graded_only(
    items: Sequence[Graded], split: str = "training"
) -> tuple[list[Graded], NDArray[np.float64]]:
    """The graded items and whether each is correct (N,).

    Raises
    ------
    NothingGraded, TooFewClasses
        When there is none, or all are right or all wrong.
    """
    kept = [item for item in items if item.is_graded]
    if not kept:
        why = Counter(item.grade.reason for item in items).most_common(1)
        reason = f": {why[0][1]} x {why[0][0]}" if why else ""
        raise NothingGraded(f"none of the {len(items)} {split} answers is graded{reason}")
    correct = np.array([item.correct for item in kept], dtype=np.float64)
    if correct.min() == correct.max():
        word = "correct" if correct[0] else "incorrect"
        kinds = " and ".join(sorted({item.question.format for item in kept}))
        raise TooFewClasses(
            f"all {len(kept)} graded {split} answers ({kinds}) are {word}: nothing to learn"
        )
    return kept, correct


def log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)), infinite at 0 and 1."""
    with np.errstate(divide="ignore"):
        return np.log(probability) - np.log1p(-probability)


def unlearnable(items: Sequence[Graded], split: str) -> InvalidData | None:
    """Why nothing can be learned from the verdicts on these answers, if so."""
    try:
        graded_only(items, split)
    except (NothingGraded, TooFewClasses) as error:
        return error
    return None
