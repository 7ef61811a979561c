"""Verbal elicitation (Tian et al. 2023): the model says how sure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from calibrant.answers import prompts
from calibrant.answers.extract import extract
from calibrant.answers.stated import WORDS, stated_guesses, stated_lines, stated_probability
from calibrant.answers.talk import talk_with
from calibrant.errors import InvalidData
from calibrant.estimators.estimator import (
    Estimator,
    Say,
    Scores,
    Unfitted,
    Untrained,
    log_odds,
    non_default,
    silent,
)
from calibrant.grades.grader import normalise
from calibrant.models.model import Capability, Model
from calibrant.records import Answered

Scale = Literal["numbers", "words"]
NOT_STATED = "the model stated no probability that can be read"
NOT_GUESSED = "the answer is not among the model's guesses"
UNREAD = (NOT_STATED, NOT_GUESSED)


@dataclass(frozen=True, kw_only=True)
class Verbal(Untrained):
    """The answering model is asked, and its reply is read.

    In two stages the request follows the answer; in one stage the model guesses and rates in a
    single reply, and the answer gets the rating of the guess that it equals (normalised). With
    `n_guesses` above 1 two stages are: guesses first, ratings then. What cannot be read is missing.

    References
    ----------
    Tian et al., "Just ask for calibration", EMNLP 2023 (the prompts are worded anew).
    """

    name: ClassVar = "verbal"
    needs: ClassVar = frozenset({Capability.GENERATE})
    n_stages: int = 2
    """1 or 2."""
    n_guesses: int = 1
    """How many guesses are rated; 1 in two stages rates the answer itself."""
    scale: Scale = "numbers"
    """Per cents, or the words of `answers.stated.WORDS`."""
    unread: float | None = None
    """Confidence where none can be read (the paper's 0.5); None: missing, with its reason. Where a
    request failed it is missing in any case."""
    max_new_tokens: int = 0
    """Length of a reply at most; 0: 12, and 24 more for each guess that is asked for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_stages not in (1, 2):
            raise InvalidData(f"verbal has 1 or 2 stages, not {self.n_stages}")

    @property
    def variant(self) -> str:
        """Stages, guesses and scale, and what else is not as usual."""
        form = f"{self.n_stages}-stage top-{self.n_guesses} {self.scale}"
        return f"{form} {non_default(self, but=['n_stages', 'n_guesses', 'scale'])}".strip()

    @classmethod
    def forms(cls) -> tuple[Estimator, ...]:
        """Numbers and words about the answer; one and four guesses with numbers."""
        return (
            cls(),
            cls(scale="words"),
            cls(n_stages=1),
            cls(n_stages=1, n_guesses=4),
            cls(n_guesses=4),
        )


class FittedVerbal(Unfitted):
    """Nothing but the requests."""

    estimator: Verbal

    def score(self, items: Sequence[Answered], model: Model, say: Say = silent) -> Scores:
        """Log-odds of what is stated; how many are missing, and why, is said."""
        stated = elicited(items, model, self.estimator, say)
        values, reasons = np.full(len(items), np.nan), {}
        for i, found in enumerate(stated):
            value = self.estimator.unread if found in UNREAD else found
            if value is None or isinstance(value, str):
                reasons[i] = str(found)
            else:
                values[i] = value
        told = Counter(found for found in stated if isinstance(found, str))
        for reason in UNREAD:
            taken = "missing" if self.estimator.unread is None else str(self.estimator.unread)
            if n := told.pop(reason, 0):
                say(f"{n} of {len(items)} confidences are {taken}: {reason}")
        for why, _ in told.most_common(1):
            say(f"{told.total()} of {len(items)} requests failed, most often: {why}")
        return Scores(values=log_odds(values), reasons=reasons)


def elicited(
    items: Sequence[Answered], model: Model, how: Verbal, say: Say = silent
) -> list[float | str]:
    """The probability that the model states for each answer, or why there is none.

    Raises
    ------
    ModelUnavailable
        When requests about every answer failed.
    """
    words = tuple(WORDS) if how.scale == "words" else ()
    n, guessing = how.n_guesses, how.n_stages == 1 or how.n_guesses > 1
    n_new = how.max_new_tokens or 12 + 24 * (n if guessing else 0)
    talk = talk_with(model, n_new, one_line=not guessing, say=say)
    if not guessing:
        texts = talk.about(items, prompts.probability(words))
        stated = [stated_probability(text, bool(words)) for text in texts]
        return [
            talk.failed.get(i, NOT_STATED if value is None else value)
            for i, value in enumerate(stated)
        ]
    ask = prompts.guesses(n, words, likely=how.n_stages == 1)
    replies = talk.ask([item.question for item in items], ask)
    guesses = [stated_guesses(text, bool(words))[:n] for text in replies]
    if how.n_stages == 2:
        rated = [
            stated_lines(text, n, bool(words))
            for text in talk.follow(prompts.probabilities(n, words))
        ]
        guesses = [
            [(guess, value) for (guess, _), value in zip(found, values)]
            for found, values in zip(guesses, rated)
        ]
    return [
        talk.failed.get(i, _of_answer(item, found))
        for i, (item, found) in enumerate(zip(items, guesses))
    ]


def _of_answer(item: Answered, guesses: Sequence[tuple[str, float | None]]) -> float | str:
    said = normalise(item.answer.said)
    for guess, value in guesses:
        if normalise(extract(guess, item.question) or guess) == said:
            return NOT_STATED if value is None else value
    return NOT_GUESSED if guesses else NOT_STATED
