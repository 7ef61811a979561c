"""What the estimators that draw samples share: how samples are got and how they are compared."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calibrant.answers.extract import extract
from calibrant.answers.generate import MAX_NEW_TOKENS
from calibrant.answers.sample import Sampling, sample
from calibrant.answers.sample_remote import sample_remote
from calibrant.errors import InvalidData
from calibrant.estimators.estimator import (
    Estimator,
    Say,
    Scores,
    non_default,
    silent,
)
from calibrant.grades.equivalence import Equivalence, Group, Kind, equivalence, similarities
from calibrant.models.local import local
from calibrant.models.model import Capability, Model
from calibrant.models.remote import Chat, at_endpoint
from calibrant.records import Answer, Answered

WEIGHING = {"likelihood": "counting", "weighted": "discrete"}
"""Forms that weigh samples by their likelihood, and those that do not."""
MISSING = "the samples have no token log-probabilities"
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sampled(Estimator, ABC):
    """An estimator that looks at several stochastic answers to the question.

    The model at hand draws them, whoever wrote the answer; with `source` "given" they are those
    that came with the answer (a column `samples`), and no model is needed to draw.
    """

    n_samples: int = 10
    """Samples to each question; an answer with fewer has no score, and the reason says so."""
    top_p: float = 0.95
    """The likeliest tokens that together reach this probability are drawn from."""
    temperature: float = 1.0
    """Divides the logits."""
    max_new_tokens: int = MAX_NEW_TOKENS
    """Of a sample."""
    seed: int = 0
    """Of the samples."""
    source: Literal["model", "given"] = "model"
    """Who draws."""

    @property
    def needs(self) -> frozenset[Capability]:  # type: ignore[override]  # it depends on a setting
        """Generation, unless samples are given; and what samples are weighed by."""
        if self.source == "given":
            return frozenset()
        return frozenset({Capability.GENERATE} | ({Capability.LOGPROBS} if self.weighs else set()))

    @property
    def calls(self) -> frozenset[Capability]:
        """All that it needs: log-probabilities of samples do not come with an answer."""
        return self.needs

    @property
    def weighs(self) -> bool:
        """Whether samples are weighed by their likelihood."""
        return getattr(self, "form", "") in WEIGHING

    def __post_init__(self) -> None:
        """Given samples are texts: there is nothing to weigh them by."""
        super().__post_init__()
        if self.max_new_tokens < 1:
            raise InvalidData(f"max_new_tokens cannot be {self.max_new_tokens}")
        if self.source == "given" and self.weighs:
            form = getattr(self, "form", "")
            raise InvalidData(
                f"given samples have no log-probabilities, by which {self.name} weighs them in the"
                f" form {form!r}: set form={WEIGHING[form]}"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # it depends on a setting
        """Samples, where they are given."""
        return ("samples",) if self.source == "given" else ()

    @property
    def variant(self) -> str:
        """The form and the settings that are not the usual ones."""
        return f"{getattr(self, 'form', '')} {non_default(self, but=['form'])}".strip()

    @property
    def sampling(self) -> Sampling:
        """How samples are drawn."""
        return Sampling(
            n_samples=self.n_samples,
            top_p=self.top_p,
            temperature=self.temperature,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
        )

    def prepare(
        self, splits: Mapping[str, Sequence[Answered]], model: Model, say: Say = silent
    ) -> None:
        """Draw the samples of all answers that will be scored."""
        if model.cache is not None:
            self.samples([*splits["calibration"], *splits["test"]], model, say)

    def samples(
        self, items: Sequence[Answered], model: Model, say: Say = silent
    ) -> list[list[Answer]]:
        """The samples to each item's question; fewer than `n_samples` where there are no more."""
        if self.source == "given":
            return [_given(item)[: self.n_samples] for item in items]
        questions = [item.question for item in items]
        if isinstance(model, Chat):
            form = getattr(self, "form", "")
            does = f"{self.name} {form} weighs samples by: set form={WEIGHING.get(form)}"
            return sample_remote(
                questions,
                model,
                self.sampling,
                # Asked for once, for all forms: they share the samples.
                log_probs=Capability.LOGPROBS in model.capabilities,
                needed_for=does if self.weighs else "",
                cache=model.cache,
                say=say,
            )
        return sample(questions, local(model), self.sampling, say=say)

    def scores(
        self,
        items: Sequence[Answered],
        model: Model,
        say: Say,
        work: Callable[[list[Answered], list[list[Answer]]], Sequence[float] | Floats],
        why: str = MISSING,
    ) -> Scores:
        """`work` on the items that have all their samples; the others are missing.

        `why` is the reason of a NaN from `work`.
        """
        found = self.samples(items, model, say)
        short = {
            i: f"{len(drawn)} samples in place of {self.n_samples}"
            for i, drawn in enumerate(found)
            if len(drawn) < self.n_samples
        }
        whole = [i for i in range(len(items)) if i not in short]
        values = np.full(len(items), np.nan)
        if whole:
            values[whole] = work([items[i] for i in whole], [found[i] for i in whole])
        unknown = {i: why for i in whole if np.isnan(values[i])}
        return Scores(values=values, reasons=short | unknown)


def _given(item: Answered) -> list[Answer]:
    """The samples that came with an answer, as answers."""
    return [
        Answer(
            question_id=item.question.id,
            text=text,
            extracted=extract(text, item.question),
            model=item.answer.model,
            sampling=f"given sample={k}",
        )
        for k, text in enumerate(item.answer.samples)
    ]


@dataclass(frozen=True, kw_only=True)
class Compared(Sampled, ABC):
    """An estimator that asks which samples say the same."""

    equivalence: Kind = "match"
    """How that is told: match, embedding, nli or judge (see grades/equivalence.py)."""
    judge: str = ""
    """The model that compares, where it is not the one that answers; as a judge also one behind an
    endpoint, NAME@URL."""
    threshold: float | None = None
    """Answers at least so similar say the same; None for the usual one."""

    def __post_init__(self) -> None:
        """A classifier is nobody's usual one."""
        super().__post_init__()
        if self.equivalence == "nli" and not self.judge:
            raise InvalidData("equivalence by NLI takes a classifier: set judge to its folder")

    def look(self, model: Model) -> None:
        """What compares."""
        self.comparison(model).look()

    @property
    def needs(self) -> frozenset[Capability]:  # type: ignore[override]
        """The logits of the model, too, where it judges itself."""
        judges = self.equivalence == "judge" and not self.judge
        return super().needs | frozenset({Capability.HIDDEN_STATES} if judges else ())

    @property
    def addresses(self) -> tuple[str, ...]:
        """The judge's, where it is behind an endpoint."""
        _, url = at_endpoint(self.judge)
        return (url,) if url and self.equivalence == "judge" else ()

    def comparison(self, model: Model) -> Equivalence:
        """How answers are compared."""
        return equivalence(self.equivalence, model, judge=self.judge, threshold=self.threshold)

    def compare(self, groups: Sequence[Group], model: Model, say: Say) -> list[Floats]:
        """The similarities of each (question, texts, other texts)."""
        return similarities(self.comparison(model), groups, say)

    def same(self, groups: Sequence[Group], model: Model, say: Say) -> list[NDArray[np.bool_]]:
        """Whether the texts of each (question, texts, other texts) say the same."""
        how = self.comparison(model)
        return [found >= how.threshold for found in similarities(how, groups, say)]


def said(answer: Answer) -> str:
    """What is compared: the answer proper, or the whole text where none was found."""
    return answer.said


def likelihoods(samples: Sequence[Answer]) -> Floats:
    """Length-normalised likelihood exp(mean log p) of each sample, NaN where unknown."""
    return np.array(
        [np.exp(np.mean(one.log_probs)) if one.log_probs else np.nan for one in samples],
        dtype=np.float64,
    )
