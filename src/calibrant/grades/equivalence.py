"""Do two answers to the same question say the same? Four ways to tell, each with a threshold.

Shape suffixes: K answers, N pairs.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from calibrant.answers.prompts import Prompts
from calibrant.answers.query import row_scores
from calibrant.errors import InvalidData, ModelUnavailable, UnknownName
from calibrant.grades.grader import normalise
from calibrant.grades.judge import soft_of, word_of
from calibrant.models.asking import Ledger, Limits, ask_all, usual_cache
from calibrant.models.encoder import DEFAULT, encoder_called
from calibrant.models.entailment import entailment
from calibrant.models.local import LocalModel, local
from calibrant.models.model import Model
from calibrant.models.remote import Chat, RemoteModel, Reply, at_endpoint
from calibrant.records import Question

ASKED = """Question: {question}
First answer: {one}
Second answer: {other}
Do both answers say the same? Reply with one word, yes or no."""
Pair = tuple[Question, str, str]
Group = tuple[Question, Sequence[str], Sequence[str]]
Say = Callable[[str], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Equivalence(ABC):
    """A similarity in [0, 1] that does not depend on the order of the two answers."""

    kind: ClassVar[str]
    threshold: float = 0.5
    """Answers at least so similar say the same."""

    def look(self) -> None:
        """Open what compares, so that what is missing is raised before any work."""
        return None

    @abstractmethod
    def similarity(self, pairs: Sequence[Pair], say: Say = print) -> Floats:
        """Of each pair of different answers, (N,)."""


@dataclass(frozen=True, kw_only=True)
class Match(Equivalence):
    """1 when both are the same after normalisation, else 0."""

    kind: ClassVar = "match"

    def similarity(self, pairs: Sequence[Pair], say: Say = print) -> Floats:
        """0 or 1."""
        return np.array([float(_plain(a) == _plain(b)) for _, a, b in pairs], dtype=np.float64)


def _plain(text: str) -> str:
    return normalise(text) or text.strip()


@dataclass(frozen=True, kw_only=True)
class Embedded(Equivalence):
    """The cosine between the embeddings of both, 0 when it is negative.

    Encoders hardly tell "1947" from "1948": when both answers hold numbers and neither has all
    those of the other, the similarity is 0.
    """

    kind: ClassVar = "embedding"
    threshold: float = 0.6
    """Chosen on labelled pairs: docs/equivalence.md."""
    model: str
    """Folder or name of the sentence encoder."""

    def look(self) -> None:
        """The encoder."""
        encoder_called(self.model)

    def similarity(self, pairs: Sequence[Pair], say: Say = print) -> Floats:
        """Each text is embedded once."""
        texts = list(dict.fromkeys(text for _, a, b in pairs for text in (a, b)))
        vectors = dict(zip(texts, encoder_called(self.model).embed(texts).astype(np.float64)))
        found = [vectors[a] @ vectors[b] if _numbers_agree(a, b) else 0.0 for _, a, b in pairs]
        return np.clip(np.array(found, dtype=np.float64), 0.0, 1.0)


def _numbers_agree(a: str, b: str) -> bool:
    one, other = (set(re.findall(r"\d+", normalise(text))) for text in (a, b))
    return one <= other or other <= one


@dataclass(frozen=True, kw_only=True)
class Entails(Equivalence):
    """The lesser of the two probabilities that one entails the other, after the question."""

    kind: ClassVar = "nli"
    model: str
    """Folder or name of the classifier."""

    def look(self) -> None:
        """The classifier."""
        entailment(self.model)

    def similarity(self, pairs: Sequence[Pair], say: Say = print) -> Floats:
        """Both directions, for answers that only one of them entails are not the same."""
        there = [(f"{q.text} {a}", f"{q.text} {b}") for q, a, b in pairs]
        both = entailment(self.model).probability([*there, *((b, a) for a, b in there)])
        return np.minimum(both[: len(pairs)], both[len(pairs) :])


@dataclass(frozen=True, kw_only=True)
class Judged(Equivalence):
    """A language model is asked with the answers in both orders; its log-odds are averaged."""

    kind: ClassVar = "judge"
    model: LocalModel
    """The judge."""

    def similarity(self, pairs: Sequence[Pair], say: Say = print) -> Floats:
        """P(yes)."""
        prompts = Prompts.of(self.model)
        there = [prompts.alike(question, a, b) for question, a, b in pairs]
        back = [prompts.alike(question, b, a) for question, a, b in pairs]
        both = np.array(row_scores([*there, *back], self.model, say=say), dtype=np.float64)
        return np.asarray(expit((both[: len(pairs)] + both[len(pairs) :]) / 2))


@dataclass(frozen=True, kw_only=True)
class JudgedRemotely(Equivalence):
    """As `Judged`, by a model behind an endpoint: P(yes) where it tells it, else its yes or no.

    Replies are kept in the user's cache: what was answered is not asked again.
    """

    kind: ClassVar = "judge"
    model: Chat
    """The judge."""
    cache: str = ""
    """File with the replies; empty: the user's own."""

    def similarity(self, pairs: Sequence[Pair], say: Say = print) -> Floats:
        """P(yes), the mean over both orders.

        Raises
        ------
        ModelUnavailable
            When a pair was not judged.
        """
        asked = [(q, *two) for q, a, b in pairs for two in ((a, b), (b, a))]
        texts = [ASKED.format(question=q.text, one=a, other=b) for q, a, b in asked]
        limits = Limits(max_new_tokens=4, n_top=5)
        cache = self.cache or usual_cache()
        replies = [said[0] for said in ask_all([self.model], texts, limits, cache, Ledger(limits))]
        found = [_yes(reply) for reply in replies]
        if unknown := [i for i, p in enumerate(found) if p is None]:
            first = replies[unknown[0]]
            why = first if isinstance(first, str) else word_of(first.text)
            raise ModelUnavailable(f"{len(unknown)} of {len(found)} comparisons failed: {why}")
        return np.asarray(np.array(found, dtype=np.float64).reshape(-1, 2).mean(1))


def _yes(reply: Reply | str) -> float | None:
    if isinstance(reply, str):
        return None
    soft = soft_of(reply)
    word = word_of(reply.text)
    return soft if soft is not None else {"yes": 1.0, "no": 0.0}.get(word)


Kind = Literal["match", "embedding", "nli", "judge"]


def equivalence(
    kind: str, model: Model, *, judge: str = "", threshold: float | None = None
) -> Equivalence:
    """A way to compare answers, by its name.

    Parameters
    ----------
    model
        The model that answers: it judges where no other is named.
    judge
        Model that compares: the sentence encoder of "embedding", the classifier of "nli", the
        language model of "judge" (one here, or NAME@URL behind an endpoint).
    threshold
        The usual one of the kind when None.

    Raises
    ------
    UnknownName
        When there is no such kind.
    InvalidData
        When it takes a model to compare with and none is named.
    """
    settings: dict[str, Any] = {} if threshold is None else {"threshold": threshold}
    if kind == "match":
        return Match(**settings)
    if kind == "embedding":
        return Embedded(model=judge or DEFAULT, **settings)
    if kind == "nli":
        if not judge:
            raise InvalidData("equivalence by NLI takes a classifier: set judge to its folder")
        return Entails(model=judge, **settings)
    name, url = at_endpoint(judge)
    if kind == "judge" and url:
        return JudgedRemotely(model=RemoteModel(name, base_url=url), **settings)
    if kind == "judge":
        return Judged(model=LocalModel(judge) if judge else local(model), **settings)
    raise UnknownName("way to compare answers", kind, get_args(Kind))


def similarities(how: Equivalence, groups: Sequence[Group], say: Say = print) -> list[Floats]:
    """For each (question, texts, other texts) the similarities (K, K') of each text to each other.

    Equal texts have the similarity 1; every other pair of a question is compared once.
    """
    wanted: dict[tuple[str, str, str], Pair] = {}
    for question, left, right in groups:
        for a, b in ((a, b) for a in left for b in right if a != b):
            first, second = sorted((a, b))
            wanted[question.id, first, second] = (question, first, second)
    found = how.similarity(list(wanted.values()), say) if wanted else np.zeros(0)
    known = dict(zip(wanted, found.tolist()))
    return [
        np.array(
            [
                [1.0 if a == b else known[question.id, min(a, b), max(a, b)] for b in right]
                for a in left
            ],
            dtype=np.float64,
        ).reshape(len(left), len(right))
        for question, left, right in groups
    ]


def clusters(same: NDArray[np.bool_]) -> list[int]:
    """Number of the cluster of each answer, from whether each says the same as each other (K, K).

    As by Kuhn et al. (2023): an answer joins the first cluster whose first member says the same.
    """
    firsts: list[int] = []
    labels = []
    for i in range(len(same)):
        joined = next((c for c, first in enumerate(firsts) if same[i, first]), len(firsts))
        if joined == len(firsts):
            firsts.append(i)
        labels.append(joined)
    return labels
