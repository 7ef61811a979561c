"""A session as a sequence of steps; where someone stands follows from their events alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from calibrant.study.design import Arm, Design
from calibrant.study.items import Item
from calibrant.study.plan import Plan, Trial
from calibrant.study.store import Event

QUESTIONS = ("ability", "practice", "trial")
GRACE_S = 2.0
"""An answer that left the browser within the limit may arrive so much later."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that a participant does."""

    kind: str
    """One of "ability", "instructions", "comprehension", "practice", "check", "trial", "survey",
    "done", or "assign" where the arm is to be drawn."""
    key: str
    """Its name in the session, e.g. "trial-7"."""
    number: int = 0
    """Which one of its kind, from 0."""
    trial: Trial | None = None
    """What is asked."""

    @property
    def is_question(self) -> bool:
        """Whether an item is asked."""
        return self.kind in QUESTIONS


@dataclass(frozen=True)
class Session:
    """A participant's way through the study.

    Parameters
    ----------
    design, items
        Of the study.
    plan
        None before the arm is drawn.
    events
        In order.
    """

    design: Design
    items: Sequence[Item]
    plan: Plan | None
    events: Sequence[Event]

    @cached_property
    def answers(self) -> Mapping[str, Mapping[str, Any]]:
        """Step -> what was answered."""
        return {e.step: e.data for e in self.events if e.kind == "answer"}

    @cached_property
    def seen(self) -> set[str]:
        """Steps whose feedback was seen."""
        return {e.step for e in self.events if e.kind == "seen"}

    @cached_property
    def shown(self) -> Mapping[str, float]:
        """Step -> when it was first shown."""
        return {e.step: e.server_time for e in self.events if e.kind == "shown"}

    def steps(self) -> Iterator[Step]:
        """All steps, as far as they are known."""
        ability = [item for item in self.items if item.role == "ability"]
        for i, item in enumerate(ability):
            yield Step(kind="ability", key=f"ability-{i}", number=i, trial=Trial(item=item, arm=""))
        if self.plan is None:
            yield Step(kind="assign", key="assign")
            return
        for attempt in range(max(1, self.design.comprehension_attempts)):
            yield Step(kind="instructions", key=f"instructions-{attempt}", number=attempt)
            if not self.design.comprehension_attempts:
                break
            key = f"comprehension-{attempt}"
            yield Step(kind="comprehension", key=key, number=attempt)
            if self.answers.get(key, {}).get("passed"):
                break
        for i, trial in enumerate(self.plan.practice):
            yield Step(kind="practice", key=f"practice-{i}", number=i, trial=trial)
        checks = {place: k for k, place in enumerate(self.plan.checks)}
        for i, trial in enumerate(self.plan.trials):
            if i in checks:
                yield Step(kind="check", key=f"check-{checks[i]}", number=checks[i])
            yield Step(kind="trial", key=f"trial-{i}", number=i, trial=trial)
        if self.design.survey:
            yield Step(kind="survey", key="survey")
        yield Step(kind="done", key="done")

    def has_feedback(self, step: Step) -> bool:
        """Whether the right answer is shown after this step."""
        return step.kind in ("practice", "trial") and self.design.feedback

    def is_over(self, step: Step) -> bool:
        """Whether nothing is left to do in a step."""
        return step.key in self.answers and (not self.has_feedback(step) or step.key in self.seen)

    @cached_property
    def current(self) -> Step:
        """The first step that is not over."""
        return next(step for step in self.steps() if step.kind == "done" or not self.is_over(step))

    @property
    def phase(self) -> str:
        """ "feedback" where the current step is answered, else "open"."""
        return "feedback" if self.current.key in self.answers else "open"

    @property
    def finished(self) -> bool:
        """Whether everything is done."""
        return self.current.kind == "done"

    def arm(self, step: Step) -> Arm | None:
        """What is shown in a step; None outside of the arms."""
        if step.trial is None or not step.trial.arm:
            return None
        return self.design.arm(step.trial.arm)

    @cached_property
    def trials(self) -> list[tuple[Trial, Mapping[str, Any]]]:
        """The questions that count and are answered, in order."""
        trials = self.plan.trials if self.plan else ()
        return [
            (trial, self.answers[key])
            for i, trial in enumerate(trials)
            if (key := f"trial-{i}") in self.answers
        ]

    @property
    def score(self) -> int:
        """Right answers so far."""
        return sum(is_right(trial.item, answer) for trial, answer in self.trials)

    def progress(self) -> tuple[int, int]:
        """Questions that are answered, and all of them."""
        n = self.design.n_ability + self.design.n_practice + self.design.n_questions
        asked = sum(key.split("-")[0] in QUESTIONS for key in self.answers)
        return min(asked, n), n

    def elapsed(self, step: Step, now: float) -> float:
        """Seconds since a step was first shown."""
        return now - self.shown.get(step.key, now)


def is_right(item: Item, answer: Mapping[str, Any]) -> bool:
    """Whether an answer is right; one that came too late is not."""
    return answer["response"] is not None and item.is_right(answer["response"])


def shown_confidence(arm: Arm | None, item: Item) -> float | None:
    """The confidence that an arm works with, in [0, 1]; None where it has none."""
    return item.confidences[arm.confidence] if arm and arm.confidence else None


def shows_confidence(arm: Arm | None) -> bool:
    """Whether a confidence is shown; an arm that abstains only works with it."""
    return arm is not None and bool(arm.confidence) and arm.form not in ("none", "abstain")


def shows_prediction(arm: Arm | None, item: Item) -> bool:
    """Whether the model's answer is shown."""
    if arm is None or arm.form == "none":
        return False
    confidence = shown_confidence(arm, item)
    return arm.form != "abstain" or (confidence is not None and confidence >= arm.threshold)
