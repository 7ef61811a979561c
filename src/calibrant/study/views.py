"""Pages of a session: which template, with what in it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibrant.study.answers import (
    MAX_COMMENT,
    N_OPTIONS,
    check_option,
    comprehension,
    comprehension_options,
    scales,
)
from calibrant.study.flow import Session, Step, is_right, shown_confidence, shows_prediction
from calibrant.study.folder import Study
from calibrant.study.items import MAX_TEXT
from calibrant.study.messages import Messages
from calibrant.study.store import Participant
from calibrant.web.pages import Served

HERE = Path(__file__).parent / "templates"
WORD_EDGES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)
"""Confidences from which on the next of the seven wordings is used."""

_EXPLAINED = {
    "alone": {"none"},
    "model": {"prediction", "number", "words", "bar"},
    "model_sometimes": {"abstain"},
    **{form: {form} for form in ("number", "words", "bar")},
}
"""Paragraph of the instructions -> the forms that it is true of."""


class Views:
    """All pages of a study.

    Parameters
    ----------
    study
        Its folder.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.design = study, study.design
        self.served = Served(HERE, style="study.css", script="study.js")

    def _page(self, template: str, m: Messages, **context: Any) -> str:
        common: dict[str, Any] = {
            "m": m,
            "lang": m.language,
            "skip": m("skip"),
            "study_title": self.design.title,
            "contact": self.design.contact,
            "token": "",
            "problem": "",
            "given": {},
        }
        return self.served.render(template, **{**common, **context})

    def consent(self, m: Messages, external: Mapping[str, str], problem: str = "") -> str:
        """The first page."""
        n = self.design.n_questions + self.design.n_ability + self.design.n_practice
        minutes = max(5, 5 * round(n * (self.design.min_seconds + 12) / 300))
        others = [(code, texts("language")) for code, texts in self.study.messages.items()]
        return self._page(
            "consent.html", m, external=external, languages=others, problem=problem,
            nonce=secrets.token_hex(16),
            paragraphs=m.paragraphs(
                "consent.text", n_questions=n, duration=m("common.minutes", n=minutes)
            ),
        )  # fmt: skip

    def notice(self, m: Messages, key: str, token: str = "", *, ends: bool = False) -> str:
        """A page that only says something: keys KEY_title and KEY, or KEY.title and KEY.text.

        With a token its holder can withdraw and, unless it `ends` the session, go on.
        """
        title, text = f"notice.{key}_title", f"notice.{key}"
        if not m.has(text):
            title, text = f"{key}.title", f"{key}.text"
        return self._page("notice.html", m, title=m(title), text=m(text), token=token, ends=ends)

    def withdraw(self, m: Messages, token: str) -> str:
        """Asks once more."""
        return self._page("withdraw.html", m, token=token)

    def withdrawn(self, m: Messages) -> str:
        """After a withdrawal."""
        title, text = m("withdraw.gone_title"), m("withdraw.gone")
        return self._page("notice.html", m, title=title, text=text, ends=True)

    def step(
        self,
        session: Session,
        person: Participant,
        token: str,
        link: str,
        problem: str = "",
        given: Mapping[str, str] | None = None,
    ) -> str:
        """The page of the current step; after a problem with what was given to it."""
        m, step = self.study.messages[person.language], session.current
        context: dict[str, Any] = {"step": step, "token": token, "session": session}
        context |= {"problem": problem, "given": given or {}}
        context |= dict(zip(("n_done", "n_all"), session.progress()))
        if step.is_question:
            template = "feedback.html" if session.phase == "feedback" else "question.html"
            context |= self._question(session, step, m)
        elif step.kind == "instructions":
            template = "instructions.html"
            context |= {"link": link, "paragraphs": self._instructions(session, step, m)}
        elif step.kind in ("comprehension", "check"):
            template = "choices.html"
            context |= self._choices(session, step, m)
        elif step.kind == "survey":
            template = "survey.html"
            context |= {
                "scales": scales(session),
                "points": range(N_OPTIONS),
                "max_comment": MAX_COMMENT,
            }
        else:
            template = "done.html"
            context |= {"code": self.study.code(person.id), "url": self.design.completion_url}
        return self._page(template, m, **context)

    def _question(self, session: Session, step: Step, m: Messages) -> dict[str, Any]:
        assert step.trial is not None
        item, arm, design = step.trial.item, session.arm(step), self.design
        confidence = shown_confidence(arm, item)
        form = arm.form if arm else "none"
        elapsed = session.elapsed(step, time.time())
        n = {"ability": design.n_ability, "practice": design.n_practice}
        shown: dict[str, Any] = {
            "item": item,
            "number": step.number + 1,
            "n_of_kind": n.get(step.kind, design.n_questions),
            "part": self._part(session, step),
            "prediction": item.prediction if shows_prediction(arm, item) else None,
            "abstains": form == "abstain" and not shows_prediction(arm, item),
            "form": form,
            "percent": None if confidence is None else round(100 * confidence),
            "word": None if confidence is None else f"words.w{word(confidence)}",
            "seconds_left": max(0, round(design.min_seconds - elapsed, 1)),
            # 0 says that there is no limit, so one that is reached is a moment
            "limit_left": max(0.1, round(design.max_seconds - elapsed, 1))
            * bool(design.max_seconds),
            "max_text": MAX_TEXT,
            "highlight": design.highlight,
            "ask_confidence": design.ask_confidence,
            "content_lang": design.content_language,
            "score": session.score if design.feedback and design.running_score else None,
            "n_scored": len(session.trials),
        }
        if session.phase == "feedback":
            answer = session.answers[step.key]
            shown |= {"answer": answer, "right": is_right(item, answer)}
        return shown

    def _part(self, session: Session, step: Step) -> tuple[int, int] | None:
        """Within subjects: which part of how many."""
        if step.kind != "trial" or session.plan is None or len(session.plan.arms) == 1:
            return None
        n = len(session.plan.arms)
        return 1 + step.number * n // len(session.plan.trials), n

    def _instructions(self, session: Session, step: Step, m: Messages) -> list[str]:
        """What this participant is to know, a paragraph each."""
        design, plan = self.design, session.plan
        assert plan is not None
        forms = {design.arm(name).form for name in plan.arms}
        told = [m("instructions.again")] if step.number else []
        told.append(m("instructions.task", n=design.n_questions))
        if len(plan.arms) > 1:
            told.append(m("instructions.parts", n=len(plan.arms)))
        for key, group in _EXPLAINED.items():
            if forms & group:
                text = m(f"instructions.{key}")
                told.append(text if forms <= group else m("instructions.some", text=text))
        if design.highlight and forms & {"number", "words", "bar"}:
            told.append(m("instructions.marks"))
        for key, is_told, n in (
            ("time", design.min_seconds, f"{design.min_seconds:g}"),
            ("limit", design.max_seconds, f"{design.max_seconds:g}"),
            ("own", design.ask_confidence, ""),
            ("feedback", design.feedback, ""),
            ("practice", design.n_practice, design.n_practice),
        ):
            if is_told:
                told.append(m(f"instructions.{key}", n=n))
        return told

    def _choices(self, session: Session, step: Step, m: Messages) -> dict[str, Any]:
        assert session.plan is not None
        if step.kind == "check":
            option = m(f"check.o{check_option(session, step)}")
            asked = [
                {
                    "name": "response",
                    "text": m("check.text", option=option),
                    "options": [m(f"check.o{k}") for k in range(N_OPTIONS)],
                }
            ]
        else:
            asked = [
                {
                    "name": name,
                    "text": m(f"comprehension.{name}"),
                    "options": [
                        m(f"comprehension.{key}") for key in comprehension_options(session, name)
                    ],
                }
                for name in comprehension(self.design, session.plan)
            ]
        return {"asked": asked, "title": m(f"{step.kind}.title")}


def word(confidence: float) -> int:
    """Which of the seven wordings a confidence has, from 0 (surely wrong) to 6 (surely right)."""
    return sum(confidence >= edge for edge in WORD_EDGES)
