"""The nouns that flow through the house: questions, answers, grades, confidences, decisions."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache, partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from calibrant.errors import InvalidData

T = TypeVar("T")
Format = Literal["open", "choice"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
NONE_TOLD = "-"
"""Stands for a letter where a file tells that there is none."""


def content_hash(*parts: object) -> str:
    """16 hexadecimal digits of the SHA-256 of the parts as JSON."""
    return hashlib.sha256(_JSON.encode(parts).encode()).hexdigest()[:16]


class Verdict(StrEnum):
    """Is the answer right? Unknown is a state of its own, so a verdict has no truth value."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNGRADED = "ungraded"

    def __bool__(self) -> bool:
        raise TypeError("a verdict has three states: compare it with Verdict.CORRECT")


class Action(StrEnum):
    """What a policy does with an answer."""

    ANSWER = "answer"
    ABSTAIN = "abstain"
    DEFER = "defer"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a question comes from."""

    name: str
    """Name of the question source."""
    revision: str = ""
    """Version or content hash of the source."""
    split: str = ""
    """The source's own part, e.g. "mixture", "development", "unseen", "test"."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A solved question that is shown before another one when that is asked."""

    text: str
    """The question itself."""
    context: str = ""
    """A passage that the question is about."""
    choices: tuple[str, ...] = ()
    """Options of a multiple-choice question; empty when open-ended."""
    reply: str
    """What is to be replied: the right option's letter, or a target."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something to ask."""

    id: str = ""
    """Content hash of everything that the model sees and of the targets; filled in when empty."""
    text: str
    """The question itself."""
    context: str = ""
    """A passage that the question is about."""
    choices: tuple[str, ...] = ()
    """Options of a multiple-choice question; empty when open-ended."""
    targets: tuple[str, ...] = ()
    """All accepted answers (for multiple choice: the right option's text)."""
    tests: str = ""
    """Python that is run after an answer that is a program, and raises when that is wrong."""
    answerable: bool = True
    """False when no answer is right; then there are no targets."""
    source: Source = Source(name="user")
    """Where it comes from."""
    group: str = ""
    """What must stay on one side of a split; the id when empty."""
    subject: str = ""
    """Its subject, e.g. "anatomy"."""
    category: str = ""
    """The subject's category, e.g. "STEM"."""
    shots: tuple[Shot, ...] = ()
    """Solved questions that are shown before it when it is asked, and only then."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InvalidData("a question has no text")
        if len(self.choices) > len(LETTERS):
            raise InvalidData(f"{len(self.choices)} choices: more than {len(LETTERS)} letters")
        if not self.answerable and self.targets:
            raise InvalidData(f"unanswerable, but with targets: {self.text!r}")
        if not self.id:
            seen = (self.text, self.context, self.choices, self.targets, self.answerable)
            more = [part for part in (self.tests, [asdict(s) for s in self.shots]) if part]
            object.__setattr__(self, "id", content_hash(*seen, *more))
        if not self.group:
            object.__setattr__(self, "group", self.id)

    @property
    def format(self) -> Format:
        """Multiple choice or open-ended."""
        return "choice" if self.choices else "open"


@dataclass(frozen=True, kw_only=True)
class ModelName:
    """Which model wrote something."""

    name: str
    """Name or path as given."""
    revision: str = ""
    """Hash of weights, tokenizer and template (local models) or what the server tells."""
    adapter: str = ""
    """Adapter in force, empty for none."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model said, with all that it takes to make it again."""

    id: str = ""
    """Content hash of question, model, prompt, sampling and text; filled in when empty."""
    question_id: str
    """The question's id."""
    text: str
    """The model's words, without the end marker."""
    extracted: str = ""
    """The answer proper: lead-ins and the final stop taken off, or the option's letter; `NONE_TOLD`
    where a file tells that its own rule found none."""
    model: ModelName
    """Who said it."""
    prompt: str = ""
    """Name, version and hash of the prompt."""
    sampling: str = "greedy"
    """The word "greedy", or the settings that it was sampled with."""
    token_ids: tuple[int, ...] = ()
    """The generated tokens, the end marker included when it was generated."""
    log_probs: tuple[float, ...] = ()
    """Natural log-probability of each token."""
    top_log_probs: tuple[tuple[float, ...], ...] = ()
    """Natural log-probabilities of the likeliest tokens at each token's place, falling."""
    option_probs: tuple[float, ...] = ()
    """Multiple choice: probability of each option's letter at the first position, as they are."""
    finish_reason: Literal["stop", "length", "given"] = "given"
    """Whether the model ended, was cut, or the answer was given to us."""
    samples: tuple[str, ...] = ()
    """Other answers to the same question, drawn by chance, where they came with this one."""

    def __post_init__(self) -> None:
        if not self.id:
            seen = (self.question_id, asdict(self.model), self.prompt, self.sampling, self.text)
            object.__setattr__(self, "id", content_hash(*seen))

    @property
    def said(self) -> str:
        """The answer proper; the text where none was found in it."""
        return self.text if self.extracted in ("", NONE_TOLD) else self.extracted


@dataclass(frozen=True, kw_only=True)
class Grade:
    """Whether an answer is right."""

    answer_id: str
    """The answer's id."""
    verdict: Verdict
    """Correct, incorrect, or not graded."""
    soft: float | None = None
    """Probability in [0, 1] that it is correct, where the grader gives one."""
    grader: str
    """Name and version of the grader."""
    reason: str = ""
    """Why, in a few words; for UNGRADED always."""


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """P(correct) of an answer."""

    answer_id: str
    """The answer's id."""
    value: float | None
    """In [0, 1]; None when missing."""
    reason: str = ""
    """Why it is missing."""
    score: float | None = None
    """Before calibration, on the scale of log-odds, higher = more likely right."""
    estimator: str
    """Name and variant of the estimator."""
    calibrator: str
    """Name of the calibrator."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do with an answer."""

    answer_id: str
    """The answer's id."""
    action: Action
    """Answer, abstain or defer."""
    policy: str
    """Name of the policy."""
    threshold: float | None
    """The confidence at which it answers; None when it never does."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A question with an answer: what an estimator sees at prediction."""

    question: Question
    """The question."""
    answer: Answer
    """The answer."""


@dataclass(frozen=True, kw_only=True)
class Graded(Answered):
    """An answered question with its grade: what an estimator is fitted on."""

    grade: Grade
    """The grade."""

    @property
    def is_graded(self) -> bool:
        """Whether the verdict is known."""
        return self.grade.verdict is not Verdict.UNGRADED

    @property
    def correct(self) -> bool:
        """Whether the verdict is CORRECT; an ungraded answer raises."""
        if not self.is_graded:
            raise InvalidData(f"answer {self.answer.id} is ungraded: {self.grade.reason}")
        return self.grade.verdict is Verdict.CORRECT


def to_row(record: Any) -> dict[str, Any]:
    """A record as a dictionary of plain values (nested records as dictionaries)."""
    return asdict(record)


def from_row(cls: type[T], row: Mapping[str, Any]) -> T:
    """The inverse of `to_row`. Unknown fields are refused.

    Raises
    ------
    InvalidData
        Naming the field that does not exist.
    """
    readers = _readers(cls)  # type: ignore[arg-type]  # every class is hashable
    if unknown := sorted(row.keys() - readers.keys()):
        raise InvalidData(
            f"{cls.__name__} has no field {unknown[0]!r}; it has {', '.join(sorted(readers))}"
        )
    return cls(**{k: v if v is None else readers[k](v) for k, v in row.items()})


@cache
def _readers(cls: Any) -> dict[str, Callable[[Any], Any]]:
    """For each field of a record what makes its value of a plain one."""
    hints = get_type_hints(cls)
    return {field.name: _reader(hints[field.name]) for field in fields(cls)}


def _reader(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(arg for arg in get_args(hint) if arg is not type(None))
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        if not (get_origin(inner) is tuple or is_dataclass(inner)):
            return tuple
        read = _reader(inner)
        return lambda values: tuple(None if one is None else read(one) for one in values)
    if is_dataclass(hint):
        return partial(from_row, hint)  # type: ignore[arg-type]
    return hint if isinstance(hint, type) and issubclass(hint, StrEnum) else _itself


def _itself(value: T) -> T:
    return value
