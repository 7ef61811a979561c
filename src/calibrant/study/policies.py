"""Simulated people: they decide by a known policy, with lapses, learning, fatigue, mixed ability.

They know an answer by an item-response model and forget, tire and learn as no analysis here
assumes: what is recovered from them was not put in by the same formula.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from calibrant.study.items import Item

POLICIES = ("always", "never", "threshold_40", "threshold_50", "bayesian", "random")
"""Follow the model always, never, from a confidence on, when it is surer than oneself, or choose
blindly. A further one, "deaf", weighs the model by experience and never looks at a confidence."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """What someone is like."""

    policy: str
    """One of POLICIES, or "deaf"."""
    ability: float = 0.0
    """Log-odds of knowing an item of middling difficulty."""
    lapse: float = 0.02
    """Share of answers that are clicked blindly, at the start."""
    fatigue: float = 0.02
    """What is added to it until the end."""
    learning: float = 0.2
    """What is added to ability until the end."""
    seconds: float = 14.0
    """Median time of an answer."""
    trust: float = 0.6
    """How right the model is thought to be before any feedback."""
    patience: float = 1.0
    """Share of the session after which they leave for good; 1 for never."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a page shows of the model."""

    prediction: str | None = None
    """Its answer."""
    confidence: float | None = None
    """Its confidence, as far as the page tells."""


@dataclass
class Mind:
    """A person in a session."""

    person: Person
    generator: np.random.Generator
    right: int = 0
    known: int = 0

    def answer(self, item: Item, seen: Seen, progress: float) -> tuple[str, float]:
        """The response to an item and how sure they are of it, in [0, 1]."""
        person, draw = self.person, self.generator
        options = list(item.choices) or [item.targets[0], item.prediction, "something else"]
        if person.policy == "random" or draw.random() < person.lapse + person.fatigue * progress:
            return str(draw.choice(options)), 0.5
        own, sure = self._own(item, options, progress)
        if seen.prediction is None or person.policy == "never":
            return own, sure
        return (
            (seen.prediction, max(sure, self._believed(seen)))
            if self._follows(seen, sure)
            else (
                own,
                sure,
            )
        )

    def _own(self, item: Item, options: list[str], progress: float) -> tuple[str, float]:
        person, draw = self.person, self.generator
        knows = 1 / (1 + math.exp(difficulty(item) - person.ability - person.learning * progress))
        sure = min(max(float(knows + draw.normal(0, 0.12)), 0.05), 0.98)
        wrong = [option for option in options if not item.is_right(option)]
        if draw.random() < knows or not wrong:
            return item.targets[0], sure
        return str(draw.choice(wrong)), sure

    def _believed(self, seen: Seen) -> float:
        """How right the prediction is thought to be: as told, else as experienced."""
        if seen.confidence is not None and self.person.policy != "deaf":
            return seen.confidence
        return (4 * self.person.trust + self.right) / (4 + self.known)

    def _follows(self, seen: Seen, sure: float) -> bool:
        policy, believed = self.person.policy, self._believed(seen)
        if policy == "always":
            return True
        if policy.startswith("threshold"):
            if seen.confidence is None:
                return bool(self.generator.random() < believed)
            return seen.confidence >= int(policy[-2:]) / 100
        return believed > sure

    def learn(self, model_was_right: bool) -> None:
        """Take in what feedback says of the model."""
        self.right += model_was_right
        self.known += 1

    def seconds(self, progress: float) -> float:
        """How long an answer takes."""
        typical = self.person.seconds * (1 - 0.3 * progress)
        return float(typical * math.exp(self.generator.normal(0, 0.4)))


def difficulty(item: Item) -> float:
    """Log-odds of not knowing an item; what is hard for the model is a little harder for people."""
    return _difficulty(item.text, item.model_correct)


@lru_cache(100_000)
def _difficulty(text: str, model_correct: bool) -> float:
    draw = np.random.default_rng(zlib.crc32(text.encode()))
    return float(draw.normal(-0.2 if model_correct else 0.4, 0.9))


def crowd(
    n: int, seed: int, policies: Sequence[str] = POLICIES, leaving: float = 0.0
) -> list[Person]:
    """People with each policy in turn; a share of `leaving` breaks off on the way."""
    draw = np.random.default_rng([seed, 5])
    return [
        Person(
            policy=policies[i % len(policies)],
            ability=float(draw.normal(0, 0.9)),
            lapse=float(draw.uniform(0, 0.03)),
            fatigue=float(draw.uniform(0, 0.03)),
            learning=float(draw.uniform(0, 0.4)),
            seconds=float(draw.uniform(11, 20)),
            trust=float(draw.uniform(0.4, 0.8)),
            patience=float(draw.random()) if draw.random() < leaving else 1.0,
        )
        for i in range(n)
    ]
