"""An ensemble: a logistic regression on the scores of other estimators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calibrant.errors import InvalidData, NothingGraded
from calibrant.estimators.estimator import (
    Estimator,
    FittedEstimator,
    Say,
    Scores,
    graded_only,
    non_default,
    silent,
)
from calibrant.estimators.forms import described, forms_of, restored, with_settings
from calibrant.estimators.logistic_head import LogisticHead
from calibrant.models.model import Capability, Model
from calibrant.records import Answered, Graded, content_hash

NUMBERS = ("subject_rate", "sequence_likelihood", "token_entropy")
"""Members that a table of answers with log-probabilities is enough for."""
STATES = (
    'sequence_likelihood form="sum"',
    "token_entropy",
    'probe head="logistic" place="pooled"',
    'probe head="logistic" place="query"',
)
"""Likelihood and the states behind it: chosen on development subjects (docs/LOG.md)."""
N_FOLDS = 5
"""Of the form `states`."""
LIMIT = 15.0
"""Scores are held within these log-odds: some members' can be infinite."""


@dataclass(frozen=True, kw_only=True)
class Stacked(Estimator):
    """Members are fitted on the training answers, their weights on the validation answers, or on
    training answers of subjects that the members did not learn from (stacking, Wolpert 1992).

    The weights are regularised. Where a member's score is missing, that it is missing counts in
    place of the score, if the answers that weigh it had such; if not, the ensemble's is missing.
    """

    name: ClassVar = "stacked"
    members: tuple[str, ...] = NUMBERS
    """Names, each with settings if any (no spaces in them): `verbal scale="words" unread=0.5`."""
    strength: float = 0.1
    """Inverse of the penalty on the weights, as scikit-learn's C."""
    n_folds: int = 0
    """The weights are fitted on the training answers, each scored by members that learned without
    its subject: without one of so many parts of the subjects. It takes so many more fits, and
    weighs members by what they tell of new subjects. With fewer subjects, or where what is left
    is all right or all wrong, questions are parted. 0: the weights are fitted on the validation
    answers, whose subjects the members know."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.members:
            raise InvalidData("an ensemble needs members: name at least one estimator")
        if self.n_folds == 1:
            raise InvalidData("n_folds is 1: two or more, or 0 for none")
        every = [member.needs for member in self.estimators()]
        object.__setattr__(self, "needs", frozenset().union(*every))
        fields = dict.fromkeys(f for member in self.estimators() for f in member.reads)
        object.__setattr__(self, "reads", tuple(fields))
        shared = set.intersection(*(set(member.formats) for member in self.estimators()))
        object.__setattr__(self, "formats", tuple(sorted(shared, reverse=True)))

    @property
    def calls(self) -> frozenset[Capability]:
        """What the members do."""
        return frozenset().union(*(member.calls for member in self.estimators()))

    @property
    def asks(self) -> str:
        """The members' longest, for which there must be room."""
        return max((member.asks for member in self.estimators()), key=len)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The members'."""
        return tuple(url for member in self.estimators() for url in member.addresses)

    @property
    def variant(self) -> str:
        """Which members, and the settings that are not the usual ones."""
        named = zip(("numbers", "states"), self.forms())
        return next((name for name, form in named if form == self), non_default(self))

    @classmethod
    def forms(cls) -> tuple[Estimator, ...]:
        """Of the answer's numbers alone, and with the model's states."""
        return cls(), cls(members=STATES, n_folds=N_FOLDS)

    def look(self, model: Model) -> None:
        """What the members do."""
        for member in self.estimators():
            member.look(model)

    def prepare(
        self, splits: Mapping[str, Sequence[Answered]], model: Model, say: Say = silent
    ) -> None:
        """What the members share."""
        for member in self.estimators():
            member.prepare(splits, model, say)

    def estimators(self) -> list[Estimator]:
        """The members' settings."""
        found = []
        for text in self.members:
            name, *settings = text.split()
            found.append(with_settings(forms_of([name])[0], settings))
        return found

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
        """Fit the members, then the weights."""
        graded_only(train)
        kept, correct = graded_only(validation, "validation")
        how = _How(self.estimators(), model, seed, folder, say)
        members = how.fitted(train, validation)
        if self.n_folds:
            kept, correct = graded_only(train)
            found = how.scored_apart(kept, validation, self.n_folds)
        else:
            found = [member.score(kept, model, say) for member in members]
        can_miss = [bool(scores.reasons) for scores in found]
        for fitted, scores in zip(members, found):
            if len(scores.reasons) == len(kept):
                raise NothingGraded(
                    f"{fitted.estimator.name} scores none of the {len(kept)} answers that are to"
                    f" weigh it: {scores.reasons[0]}; leave it out"
                )
        centers = [float(np.nanmean(_held(scores))) for scores in found]
        features = _features(found, can_miss, centers)
        head = LogisticHead.fit(features, correct, strength=self.strength)
        return FittedStacked(self, members, can_miss, centers, head)


@dataclass(frozen=True)
class _How:
    """How members are fitted."""

    members: Sequence[Estimator]
    model: Model
    seed: int
    folder: Path | None
    say: Say

    def fitted(
        self, train: Sequence[Graded], validation: Sequence[Graded], part: str = ""
    ) -> list[FittedEstimator]:
        """All of them; a part's checkpoints lie apart."""
        made = []
        for number, member in enumerate(self.members):
            place = self.folder / f"{number}-{member.name}{part}" if self.folder else None
            made.append(
                member.fit(train, validation, self.model, self.seed, folder=place, say=self.say)
            )
        return made

    def scored_apart(
        self, train: Sequence[Graded], validation: Sequence[Graded], n_folds: int
    ) -> list[Scores]:
        """Each training answer scored by members that learned without its subject."""
        values = np.full((len(self.members), len(train)), np.nan)
        reasons: list[dict[int, str]] = [{} for _ in self.members]
        for part, gone in enumerate(_parts(train, n_folds, self.seed)):
            places = [i for i, item in enumerate(train) if _is_of(item, gone)]
            rest = [item for item in train if not _is_of(item, gone)]
            stop = [item for item in validation if not _is_of(item, gone)]
            self.say(f"stacked: part {part + 1} of {n_folds} left out")
            if not _has_both(stop):
                self.say("too few validation answers without it: all of them stop the training")
                stop = list(validation)
            for n, member in enumerate(self.fitted(rest, stop, f"-{part}")):
                scores = member.score([train[i] for i in places], self.model, self.say)
                values[n, places] = scores.values
                reasons[n] |= {places[i]: why for i, why in scores.reasons.items()}
        return [Scores(values=row, reasons=why) for row, why in zip(values, reasons)]


Part = frozenset[tuple[str, str]]
"""("subject", name) or ("group", name) of each that is left out; groups always go whole."""


def _parts(train: Sequence[Graded], n_folds: int, seed: int) -> list[Part]:
    """Parts by subject or, where that is not possible, by question group."""
    for unit in ("subject", "group"):
        names = sorted(
            {getattr(item.question, unit) for item in train},
            key=lambda name: content_hash("fold", seed, name),
        )
        found = []
        for part in range(n_folds):
            gone = frozenset((unit, name) for name in names[part::n_folds])
            groups = {item.question.group for item in train if _is_of(item, gone)}
            found.append(gone | {("group", name) for name in groups})
        left = ([i for i in train if not _is_of(i, gone)] for gone in found)
        if len(names) >= n_folds and all(map(_has_both, left)):
            return found
    raise NothingGraded(
        f"{len(train)} training answers are too few, or too much alike, to be parted in {n_folds}"
        " with right and wrong ones left each time: n_folds=0 does without"
    )


def _is_of(item: Graded, part: Part) -> bool:
    question = item.question
    return ("subject", question.subject) in part or ("group", question.group) in part


def _has_both(items: Sequence[Graded]) -> bool:
    """Whether there are right and wrong answers."""
    return len({item.correct for item in items if item.is_graded}) == 2


def _held(scores: Scores) -> NDArray[np.float64]:
    return np.clip(scores.values, -LIMIT, LIMIT)


def _features(
    found: Sequence[Scores], can_miss: Sequence[bool], centers: Sequence[float]
) -> NDArray[np.float64]:
    """Each member's scores, and where it can miss some, whether it does; (N, D)."""
    columns = []
    for scores, may, center in zip(found, can_miss, centers):
        values = _held(scores)
        if may:
            columns.append(np.isnan(values).astype(np.float64))
            values = np.where(np.isnan(values), center, values)
        columns.append(values)
    return np.column_stack(columns)


class FittedStacked(FittedEstimator):
    """Fitted members and their weights."""

    def __init__(
        self,
        estimator: Stacked,
        members: Sequence[FittedEstimator],
        can_miss: Sequence[bool],
        centers: Sequence[float],
        head: LogisticHead,
    ) -> None:
        self.estimator: Stacked = estimator
        self.members, self.can_miss, self.centers, self.head = members, can_miss, centers, head

    @property
    def reads(self) -> tuple[str, ...]:
        """What the members read that may not miss a score."""
        needed = [member for member, may in zip(self.members, self.can_miss) if not may]
        return tuple(dict.fromkeys(field for member in needed for field in member.reads))

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of the regression."""
        found = [member.score(items, model, say) for member in self.members]
        values = self.head.score(_features(found, self.can_miss, self.centers))
        reasons: dict[int, str] = {}
        for member, scores, may in zip(self.members, found, self.can_miss):
            if not may:
                name = member.estimator.name
                reasons |= {i: f"{name}: {why}" for i, why in scores.reasons.items()}
        return Scores(values=values, reasons=reasons)

    def save(self, folder: Path) -> dict[str, Any]:
        """The weights, and each member in a folder of its own."""
        return {
            "members": [
                described(member, folder / f"{number}-{member.estimator.name}")
                for number, member in enumerate(self.members)
            ],
            "can_miss": list(self.can_miss),
            "centers": list(self.centers),
            "head": self.head.to_dict(),
        }

    @staticmethod
    def load(estimator: Stacked, state: dict[str, Any], folder: Path) -> FittedEstimator:
        """From the folders of the members."""
        members = [
            restored(told, folder / f"{number}-{told['estimator']['name']}")
            for number, told in enumerate(state["members"])
        ]
        head = LogisticHead(**state["head"])
        return FittedStacked(estimator, members, state["can_miss"], state["centers"], head)
