"""The web app: participants' pages and the administrators' one.

A participant is known by the secret in their link and by nothing else: there are no cookies, so
another site's form can do nothing in their name. Addresses are neither stored nor logged.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

from calibrant.errors import MissingExtra

try:
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import Route
except ImportError as error:  # pragma: no cover - the message is tested without the extra
    raise MissingExtra("a study", "study") from error

from calibrant.study.admin import Admin
from calibrant.study.answers import Malformed, Refused, client_time, read_answer
from calibrant.study.flow import Session
from calibrant.study.folder import Study, token_hash
from calibrant.study.messages import Messages
from calibrant.study.store import Event, Participant, Turn
from calibrant.study.views import Views
from calibrant.web.security import App, Secured

_ID = re.compile(r"[\w.@-]{1,64}", re.ASCII)
_TOKEN = re.compile(r"[0-9a-f]{40}")
_NONCE = re.compile(r"[0-9a-f]{32}")


def make_app(study: Study) -> App:
    """The ASGI application of a study."""
    pages = Participants(study)
    admin = Admin(study)
    study.store  # noqa: B018 - opened and migrated before the first request
    inner = Starlette(
        routes=[
            Route("/", pages.landing, methods=["GET"]),
            Route("/start", pages.start, methods=["POST"]),
            Route("/health", _health, methods=["GET"]),
            Route("/s/{token}", pages.show, methods=["GET"]),
            Route("/s/{token}", pages.submit, methods=["POST"]),
            Route("/s/{token}/withdraw", pages.ask_withdrawal, methods=["GET"]),
            Route("/s/{token}/withdraw", pages.withdraw, methods=["POST"]),
            Route("/admin", admin.show, methods=["GET"]),
            Route("/admin", admin.act, methods=["POST"]),
        ],
        exception_handlers={404: pages.nothing, 405: pages.nothing, 500: pages.failure},
    )
    return Secured(inner, pages.views.served.policy)


def _health(request: Request) -> Response:
    return PlainTextResponse("ok")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; the last of several with one name. Malformed ones are left out."""
    body = await request.body()
    try:
        found = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=40))
    except ValueError:
        return {}
    return {name: value.replace("\x00", "") for name, value in found.items()}  # no database has it


class Participants:
    """What participants ask for.

    Parameters
    ----------
    study
        Its folder.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.design = study, study.design
        self.views = Views(study)

    # -- before a session ---------------------------------------------------------------------

    def landing(self, request: Request) -> Response:
        """Consent; language and panel ids come with the link."""
        m = self._language(request)
        if self.study.store.closed:
            return _html(self.views.notice(m, "closed"), 410)
        return _html(self.views.consent(m, self._external(request.query_params)))

    async def start(self, request: Request) -> Response:
        """A new session, or the one that this very page started before."""
        form = await form_of(request)
        return await run_in_threadpool(self._start, request, form)

    def _start(self, request: Request, form: dict[str, str]) -> Response:
        language = form.get("language", "")
        m = self.study.messages.get(language) or self._language(request)
        if form.get("agree") == "no":
            return _html(self.views.notice(m, "refused"))
        external = self._external(form)
        if form.get("agree") != "yes" or form.get("age") != "yes":
            return _html(self.views.consent(m, external, m("consent.must")), 422)
        nonce = form.get("nonce", "")
        if not _NONCE.fullmatch(nonce):
            return _html(self.views.notice(m, "bad"), 400)
        token = self.study.token(nonce)
        person = {
            "id": secrets.token_hex(8),
            "token_hash": token_hash(token),
            "nonce": token_hash(nonce),
            "language": m.language,
            "external": external,
        }
        main = external.get(self.design.id_parameters[0], "") if self.design.id_parameters else ""
        design = self.design
        why, _ = self.study.store.start(
            person, main, design.n_participants, design.replace_after_hours
        )
        if why:
            return _html(self.views.notice(m, why), 410 if why == "closed" else 409)
        return RedirectResponse(f"/s/{token}", 303)

    def _external(self, found: Mapping[str, str]) -> dict[str, str]:
        values = {name: found.get(name, "") for name in self.design.id_parameters}
        return {name: value for name, value in values.items() if _ID.fullmatch(value)}

    def _language(self, request: Request) -> Messages:
        """The language of the link, else the first of the browser's that there is."""
        wanted = [request.query_params.get("lang", "")]
        accepted = request.headers.get("accept-language", "")[:200].split(",")
        wanted += [part.split(";")[0].strip().lower() for part in accepted]
        for code in wanted:
            for known in (code, code.split("-")[0]):
                if known in self.study.messages:
                    return self.study.messages[known]
        return self.study.messages[self.design.languages[0]]

    # -- a session ----------------------------------------------------------------------------

    def show(self, request: Request) -> Response:
        """Where a participant stands."""
        token = str(request.path_params["token"])
        found = self._find(token)
        if found is None:
            return _html(self.views.notice(self._language(request), "unknown"), 404)
        person, events = found
        m = self.study.messages[person.language]
        session = self._session(person, events)
        closed = self.study.store.closed
        if closed and not session.finished:
            return _html(self.views.notice(m, "closed", token, ends=True), 410)
        step = session.current
        if not closed and (step.kind == "assign" or step.key not in session.shown):
            with self.study.store.turn(token_hash(token)) as turn:
                if turn is None:
                    return _html(self.views.notice(m, "unknown"), 404)
                session = self._mark_shown(turn)
                person = turn.participant
        return _html(self.views.step(session, person, token, self._link(request, token)))

    async def submit(self, request: Request) -> Response:
        """An answer to the current step; one that came before changes nothing."""
        form = await form_of(request)
        return await run_in_threadpool(self._submit, request, form)

    def _submit(self, request: Request, form: dict[str, str]) -> Response:
        token = str(request.path_params["token"])
        closed = self.study.store.closed
        problem, status, message = "", 303, ""
        with self.study.store.turn(token_hash(token)) as turn:
            if turn is None:
                return _html(self.views.notice(self._language(request), "unknown"), 404)
            person = turn.participant
            m = self.study.messages[person.language]
            session = self._session(person, turn.events)
            if closed:
                status, message = 410, "closed"
            else:
                try:
                    status, message = self._take(turn, session, form)
                except Refused as refused:
                    status, problem = 422, m(refused.message, **refused.values)
                    session = self._mark_shown(turn)  # the page shows the step: its clock runs
                except Malformed:
                    status, message = 400, "bad"
        if problem:
            link = self._link(request, token)
            return _html(self.views.step(session, person, token, link, problem, form), status)
        if message:
            return _html(self.views.notice(m, message, token, ends=bool(closed)), status)
        return RedirectResponse(f"/s/{token}", 303)

    def _take(self, turn: Turn, session: Session, form: dict[str, str]) -> tuple[int, str]:
        """Append what a form says; the status and the notice, if any."""
        step, key, kind = session.current, form.get("step", ""), form.get("kind", "")
        if kind not in ("answer", "seen"):
            return 400, "bad"
        done = session.answers if kind == "answer" else session.seen
        if key in done:
            return 303, ""  # sent twice, or from another tab: the first one counts
        wanted = "seen" if session.phase == "feedback" else "answer"
        if key != step.key or kind != wanted or step.kind in ("assign", "done"):
            return 409, "order"
        data = read_answer(session, step, form, time.time()) if kind == "answer" else {}
        turn.append(kind, key, data, client_time(form))
        # The next step is shown by this very answer's redirect; its clock starts there.
        return 303, ""

    def ask_withdrawal(self, request: Request) -> Response:
        """Asks once more before everything is deleted."""
        token = str(request.path_params["token"])
        found = self._find(token)
        if found is None:
            return _html(self.views.notice(self._language(request), "unknown"), 404)
        return _html(self.views.withdraw(self.study.messages[found[0].language], token))

    async def withdraw(self, request: Request) -> Response:
        """Delete everything about a participant."""
        form = await form_of(request)
        token = str(request.path_params["token"])
        found = await run_in_threadpool(self._find, token)
        if found is None:
            return _html(self.views.notice(self._language(request), "unknown"), 404)
        m = self.study.messages[found[0].language]
        if form.get("confirm") != "yes":
            return _html(self.views.notice(m, "bad", token), 400)
        await run_in_threadpool(self.study.store.withdraw, token_hash(token))
        return _html(self.views.withdrawn(m))

    # -- what goes wrong ----------------------------------------------------------------------

    def nothing(self, request: Request, error: Exception) -> Response:
        """No such page."""
        return _html(self.views.notice(self._language(request), "unknown"), 404)

    def failure(self, request: Request, error: Exception) -> Response:
        """Our fault; the server's log has the error."""
        return _html(self.views.notice(self._language(request), "error"), 500)

    # -- shared -------------------------------------------------------------------------------

    def _find(self, token: str) -> tuple[Participant, list[Event]] | None:
        return self.study.store.find(token_hash(token)) if _TOKEN.fullmatch(token) else None

    def _session(self, person: Participant, events: list[Event]) -> Session:
        slot = person.slot
        plan = self.study.plan(slot) if slot is not None else None
        return Session(self.design, self.study.items, plan, events)

    def _mark_shown(self, turn: Turn) -> Session:
        """Draw the arm where it is due, and note when the current step was first shown."""
        session = self._session(turn.participant, turn.events)
        if session.current.kind == "assign":
            slot = self.study.store.assign(turn, self.design.replace_after_hours)
            session = Session(self.design, self.study.items, self.study.plan(slot), turn.events)
        step = session.current
        if step.key not in session.shown:
            turn.append("shown", step.key)
            session = Session(self.design, self.study.items, session.plan, turn.events)
        return session

    def _link(self, request: Request, token: str) -> str:
        return str(request.url.replace(path=f"/s/{token}", query=""))


def _html(page: str, status: int = 200) -> Response:
    return HTMLResponse(page, status)
