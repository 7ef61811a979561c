"""What a form says: an answer to the current step, or why it is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from calibrant.study.design import Design
from calibrant.study.flow import GRACE_S, Session, Step
from calibrant.study.items import MAX_TEXT
from calibrant.study.plan import Plan

MAX_COMMENT = 1500
"""Characters of the closing comment; a form has room for so many of any script."""
EARLY_S = 0.25
"""Clocks and networks: an answer may come so much before the least time."""
SCALES = {
    "difficulty": "how hard the questions were, from 1 (very easy) to 5 (very hard)",
    "follow": "how often the model's answer was taken over, from 1 (never) to 5 (always)",
    "helpful": "how helpful was what was shown of the model, from 1 (not at all) to 5 (very)",
    "trust": "how much they would rely on the model in future, from 1 (not at all) to 5 (fully)",
}
"""Closing questions with five points -> meaning; the last three are for those who saw a model."""
N_OPTIONS = 5
"""Options of an attention check and points of a scale."""
Form = Mapping[str, str]


class Refused(Exception):
    """A form that is no answer; its text is the key of a message."""

    def __init__(self, message: str, **values: Any) -> None:
        super().__init__(message)
        self.message, self.values = message, values


class Malformed(Exception):
    """A form that no page of ours sends."""


def read_answer(session: Session, step: Step, form: Form, now: float) -> dict[str, Any]:
    """The answer to a step.

    Raises
    ------
    Refused
        When something is missing, too long or too early: the page is shown again.
    Malformed
        When a browser with our page could not have sent it.
    """
    if step.is_question:
        return _question(session, step, form, now)
    if step.kind == "comprehension":
        return _comprehension(session, step, form)
    if step.kind == "check":
        if not form.get("response"):
            raise Refused("question.missing")
        chosen, wanted = _index(form["response"], N_OPTIONS), check_option(session, step)
        return {"response": chosen, "passed": chosen == wanted}
    if step.kind == "survey":
        return _survey(session, form)
    return {}


def _question(session: Session, step: Step, form: Form, now: float) -> dict[str, Any]:
    assert step.trial is not None
    item, design = step.trial.item, session.design
    seconds = session.elapsed(step, now)
    data: dict[str, Any] = {"item": item.id, "arm": step.trial.arm, "seconds": round(seconds, 3)}
    data |= {"client_ms": _client_ms(form), "response": None}
    if design.max_seconds and seconds > design.max_seconds + GRACE_S:
        return data | {"late": True}
    if seconds < design.min_seconds - EARLY_S:
        raise Refused("question.early")
    given = form.get("response", "").strip()
    if not given:
        # Pages submit themselves when the time is up.
        if design.max_seconds and seconds >= design.max_seconds - 1:
            return data | {"late": True}
        raise Refused("question.missing")
    if len(given) > MAX_TEXT:
        raise Refused("question.long", n=MAX_TEXT)
    data["response"] = item.choices[_index(given, len(item.choices))] if item.choices else given
    if design.ask_confidence:
        data["own"] = _percent(form.get("own", ""))
    return data


def _percent(text: str) -> float:
    try:
        value = float(text.strip().rstrip("%").replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise Refused("question.missing_own")
    return round(value / 100, 4)


def _index(text: str, n: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) < n):
        raise Malformed(f"no option {text[:20]!r}")
    return int(text)


def client_time(form: Form) -> float | None:
    """When the participant's device says that the form was sent, in seconds since 1970 UTC."""
    return _milliseconds(form.get("client_sent", ""), 1000)


def _client_ms(form: Form) -> float | None:
    shown, sent = (_milliseconds(form.get(f"client_{w}", ""), 1) for w in ("shown", "sent"))
    return round(sent - shown, 1) if shown is not None and sent is not None else None


def _milliseconds(text: str, divisor: float) -> float | None:
    try:
        value = float(text[:24])
    except ValueError:
        return None
    return value / divisor if 0 < value < 1e14 else None


def comprehension(design: Design, plan: Plan) -> list[str]:
    """The questions about the instructions that fit what the participant will see."""
    forms = [design.arm(name).form for name in plan.arms]
    found = ["goal"]
    if set(forms) - {"none"}:
        found.append("model")
    if set(forms) & {"number", "words", "bar"}:
        found.append("confidence")
    return found


def comprehension_options(session: Session, name: str) -> list[str]:
    """The keys of a question's options, in the participant's order."""
    assert session.plan is not None
    options = [f"{name}_right", f"{name}_wrong1", f"{name}_wrong2"]
    generator = np.random.default_rng([session.design.seed, 3, session.plan.slot, len(name)])
    return [options[i] for i in generator.permutation(len(options))]


def _comprehension(session: Session, step: Step, form: Form) -> dict[str, Any]:
    assert session.plan is not None
    chosen = {}
    for name in comprehension(session.design, session.plan):
        if not form.get(name):
            raise Refused("question.missing")
        options = comprehension_options(session, name)
        chosen[name] = options[_index(form[name], len(options))]
    return {
        "response": chosen,
        "passed": all(option == f"{name}_right" for name, option in chosen.items()),
    }


def check_option(session: Session, step: Step) -> int:
    """The option that an attention check asks for."""
    assert session.plan is not None
    generator = np.random.default_rng([session.design.seed, 4, session.plan.slot, step.number])
    return int(generator.integers(N_OPTIONS))


def scales(session: Session) -> tuple[str, ...]:
    """The closing questions that fit what the participant saw."""
    assert session.plan is not None
    saw_model = any(session.design.arm(name).form != "none" for name in session.plan.arms)
    return tuple(SCALES)[: None if saw_model else 1]


def _survey(session: Session, form: Form) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name in scales(session):
        if not form.get(name):
            raise Refused("survey.missing")
        data[name] = 1 + _index(form[name], N_OPTIONS)
    # A browser's line breaks are two characters; its own limit counts them as one.
    comment = form.get("comment", "").replace("\r\n", "\n").strip()
    if len(comment) > MAX_COMMENT:
        raise Refused("question.long", n=MAX_COMMENT)
    return data | {"comment": comment}
