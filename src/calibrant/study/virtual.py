"""Simulated sessions without HTTP: the same plans, people and tables, for power and null checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from calibrant.study.data import Row, participant_row, trial_rows
from calibrant.study.design import Design
from calibrant.study.flow import Session, Step, shown_confidence, shows_prediction
from calibrant.study.items import Item
from calibrant.study.plan import Plan, plan
from calibrant.study.policies import Mind, Person, Seen
from calibrant.study.store import Event, Participant


def virtual(
    design: Design, items: Sequence[Item], n: int, person: Callable[[str, int], Person], seed: int
) -> tuple[list[Row], list[Row]]:
    """Participants and trials of n simulated people who all finish.

    Parameters
    ----------
    person
        (first arm, number) -> who comes to this place.
    """
    participants, trials = [], []
    for slot in range(n):
        given = plan(design, items, slot)
        someone = person(given.arms[0], slot)
        generator = np.random.default_rng([seed, 9, slot])
        session = Session(design, items, given, _events(design, items, given, someone, generator))
        people = Participant(
            id=f"v{slot:05d}", slot=slot, holds=slot, language="en", external={}, started=0.0
        )
        rows = trial_rows(people, session)
        trials += rows
        participants.append(participant_row(people, session, rows))
    return participants, trials


def _events(
    design: Design,
    items: Sequence[Item],
    given: Plan,
    person: Person,
    generator: np.random.Generator,
) -> list[Event]:
    mind, now = Mind(person, generator), 0.0
    # A session that is empty but understands its instructions knows all its steps.
    passed = Event(
        kind="answer",
        step="comprehension-0",
        data={"passed": True},
        server_time=0,
        client_time=None,
    )
    events = [passed]
    session = Session(design, items, given, events)
    for step in session.steps():
        if step.is_question:
            data = _answer(mind, session, step, step.number / design.n_questions)
            now += data["seconds"]
        elif step.kind == "check":
            data = {"response": 0, "passed": True}
        elif step.kind in ("survey", "instructions"):
            data = {}
        else:
            continue
        made = Event(kind="answer", step=step.key, data=data, server_time=now, client_time=None)
        events.append(made)
    return [
        *events,
        Event(kind="shown", step="done", data={}, server_time=now, client_time=None),
    ]


def _answer(mind: Mind, session: Session, step: Step, progress: float) -> dict[str, Any]:
    assert step.trial is not None
    item, arm = step.trial.item, session.arm(step)
    shown = shows_prediction(arm, item)
    told = shown_confidence(arm, item) if arm and arm.form != "abstain" else None
    seen = Seen(prediction=item.prediction if shown else None, confidence=told if shown else None)
    response, sure = mind.answer(item, seen, progress if step.kind == "trial" else 0.0)
    if shown and session.design.feedback:
        mind.learn(item.model_correct)
    return {
        "item": item.id,
        "arm": step.trial.arm,
        "response": response,
        "own": round(sure, 2) if session.design.ask_confidence else None,
        "seconds": mind.seconds(progress),
    }
