"""What a study found, as tidy tables: one row a participant, one row a question they answered."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from calibrant.study.answers import SCALES
from calibrant.study.design import Design
from calibrant.study.flow import (
    QUESTIONS,
    Session,
    Step,
    shown_confidence,
    shows_confidence,
    shows_prediction,
)
from calibrant.study.folder import Study
from calibrant.study.store import Event, Participant

Row = dict[str, Any]

TRIALS = {
    "participant": "random id of the participant",
    "block": "block of places that the participant's place lies in",
    "batch": "batch of questions",
    "kind": "ability (no model, before the arm was drawn), practice, or trial (counts)",
    "position": "place of the question among those of its kind, from 0",
    "arm": "what was shown; empty for ability questions",
    "item": "the question's number in items.parquet",
    "topic": "the question's topic",
    "confidence": "the confidence that the arm works with, in [0, 1]; empty where it has none",
    "prediction": "the model's answer",
    "prediction_shown": "whether it was shown",
    "confidence_shown": "whether the confidence was shown: as a number, in words or as a bar",
    "model_correct": "whether the model's answer is right",
    "response": "the person's answer; empty when the time was up",
    "late": "whether the time was up; then there is no answer, and it does not count as wrong",
    "correct": "whether the person's answer is right; empty when there is none",
    "agrees": "whether the person's answer is the model's; empty when there is none",
    "own_confidence": "the person's own confidence in [0, 1]; empty where not asked",
    "seconds": "from first showing to the answer, by the server's clock",
    "client_seconds": "the same by the participant's device; empty where it did not tell",
    "answered_at": "server time of the answer, seconds since 1970 UTC",
}
"""Columns of the trials -> meaning."""
PARTICIPANTS = {
    "participant": "random id",
    "slot": "place in line, from 0; empty when no arm was drawn",
    "block": "block of places",
    "batch": "batch of questions",
    "arm": "the arm; for designs within subjects the arms in their order, joined by >",
    "holds_place": "false when the place went to somebody else after a long silence",
    "language": "of the pages",
    "started": "server time of consent, seconds since 1970 UTC",
    "finished": "server time of the last page; empty when it was not reached",
    "n_trials": "questions that count and were answered",
    "ability": "share of ability questions that were right, late ones aside",
    "comprehension_attempts": "how often the questions about the instructions were answered",
    "comprehension_passed": "whether all were right in the end; empty when not reached",
    "failed_checks": "attention checks that were failed",
    "median_seconds": "median time of the questions that count",
    **{name: f"closing question: {told}; empty: not asked" for name, told in SCALES.items()},
    "comment": "closing comment, as it was written",
    "excluded": "why the participant is left out of the analysis; empty when kept",
}
"""Columns of the participants -> meaning."""


def tables(study: Study) -> tuple[list[Row], list[Row]]:
    """Participants and trials of a study's store, as it is now."""
    participants, trials = [], []
    for person, events in study.store.everything():
        plan = study.plan(person.slot) if person.slot is not None else None
        session = Session(study.design, study.items, plan, events)
        rows = trial_rows(person, session)
        trials += rows
        participants.append(participant_row(person, session, rows))
    return participants, trials


def trial_rows(person: Participant, session: Session) -> list[Row]:
    """The questions that a participant answered."""
    times = {event.step: event.server_time for event in session.events if event.kind == "answer"}
    return [
        _trial(person, session, step, times[step.key])
        for step in session.steps()
        if step.kind in QUESTIONS and step.key in session.answers
    ]


def _trial(person: Participant, session: Session, step: Step, answered_at: float) -> Row:
    assert step.trial is not None
    item, arm, answer = step.trial.item, session.arm(step), session.answers[step.key]
    response, plan = answer["response"], session.plan
    known = response is not None
    client_ms = answer.get("client_ms")
    return {
        "participant": person.id,
        "block": plan.block if plan else None,
        "batch": plan.batch if plan else None,
        "kind": step.kind,
        "position": step.number,
        "arm": arm.name if arm else "",
        "item": item.id,
        "topic": item.topic,
        "confidence": shown_confidence(arm, item),
        "prediction": item.prediction,
        "prediction_shown": shows_prediction(arm, item),
        "confidence_shown": shows_confidence(arm),
        "model_correct": item.model_correct,
        "response": response,
        "late": bool(answer.get("late")),
        "correct": item.is_right(response) if known else None,
        "agrees": item.agrees(response) if known else None,
        "own_confidence": answer.get("own"),
        "seconds": answer["seconds"],
        "client_seconds": None if client_ms is None else client_ms / 1000,
        "answered_at": answered_at,
    }


def participant_row(person: Participant, session: Session, rows: Sequence[Row]) -> Row:
    """A participant; `rows` are their trials."""
    plan, answers = session.plan, session.answers
    counting = [row for row in rows if row["kind"] == "trial"]
    ability = [r["correct"] for r in rows if r["kind"] == "ability" and r["correct"] is not None]
    attempts = [data for key, data in answers.items() if key.startswith("comprehension-")]
    checks = [data for key, data in answers.items() if key.startswith("check-")]
    survey = answers.get("survey", {})
    made: Row = {
        "participant": person.id,
        "slot": person.slot,
        "block": plan.block if plan else None,
        "batch": plan.batch if plan else None,
        "arm": ">".join(plan.arms) if plan else None,
        "holds_place": person.holds is not None,
        "language": person.language,
        "started": person.started,
        "finished": finished(session.events),
        "n_trials": len(counting),
        "ability": sum(map(bool, ability)) / len(ability) if ability else None,
        "comprehension_attempts": len(attempts),
        "comprehension_passed": attempts[-1]["passed"] if attempts else None,
        "failed_checks": sum(not data["passed"] for data in checks),
        "median_seconds": (
            statistics.median(row["seconds"] for row in counting) if counting else None
        ),
        **{name: survey.get(name) for name in SCALES},
        "comment": survey.get("comment", ""),
    }
    return made | {"excluded": excluded(made, session.design)}


def finished(events: Iterable[Event]) -> float | None:
    """When the last page was reached."""
    return next((e.server_time for e in events if (e.kind, e.step) == ("shown", "done")), None)


def excluded(row: Row, design: Design) -> str:
    """Why a participant is left out of the analysis, by rules that the design fixed; or ""."""
    if row["slot"] is None:
        return "left before an arm was drawn"
    if row["finished"] is None:
        return "did not finish"
    if row["comprehension_passed"] is False:
        return "did not understand the instructions"
    if row["failed_checks"] > design.max_failed_checks:
        return "failed attention checks"
    if row["median_seconds"] < design.min_median_seconds:
        return "answered too fast"
    return ""
