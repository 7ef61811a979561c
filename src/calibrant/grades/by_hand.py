"""A small page on this machine where a person grades answers; each grade is kept at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from calibrant.errors import InvalidData
from calibrant.grades.human import STAGE
from calibrant.records import Answered, Grade, Verdict
from calibrant.runs import Run
from calibrant.web.pages import render

TEMPLATES = Path(__file__).parent / "templates"
MOST_BYTES = 4096
"""Of a form."""


class ByHand:
    """Answers to grade, and the grades that a person gave.

    Parameters
    ----------
    run
        Keeps the grades.
    items
        In the order in which they are shown; a random sample, for what is computed from it.
    who
        The person, as the grades name them.
    """

    def __init__(self, run: Run, items: Sequence[Answered], who: str) -> None:
        if not items:
            raise InvalidData("there are no answers to grade by hand")
        self.run, self.items, self.who = run, list(items), who
        self.grades: dict[str, Grade] = {g.answer_id: g for g in run.read(STAGE)}
        self.token = secrets.token_urlsafe(16)
        self._lock = Lock()

    def give(self, answer_id: str, verdict: Verdict, reason: str = "") -> None:
        """Keep a grade; it is on disk when this returns. A second one replaces the first."""
        if answer_id not in {item.answer.id for item in self.items}:
            raise InvalidData(f"answer {answer_id} is not among those to grade")
        if verdict is Verdict.UNGRADED and not reason:
            reason = "the person could not tell"
        grade = Grade(
            answer_id=answer_id, verdict=verdict, grader=f"human/{self.who}", reason=reason
        )
        with self._lock:
            self.run.append(STAGE, [grade])
            self.grades[answer_id] = grade

    def page(self, i: int | None = None) -> str:
        """The page of an answer, by default of the first that has no grade."""
        left = [k for k, item in enumerate(self.items) if item.answer.id not in self.grades]
        here = i if i is not None and 0 <= i < len(self.items) else (left[0] if left else None)
        item = None if here is None else self.items[here]
        given = self.grades.get(item.answer.id) if item else None
        before = (len(self.items) if here is None else here) - 1
        return render(
            "by_hand.html",
            TEMPLATES,
            sends=True,
            n=len(self.items),
            n_done=len(self.items) - len(left),
            who=self.who,
            item=item,
            given=given.verdict.value if given else "",
            reason=given.reason if given else "",
            back=before if before >= 0 else None,
            token=self.token,
        )


def serve(grading: ByHand, port: int = 0) -> ThreadingHTTPServer:
    """A server on this machine only, not yet started; its address is `.server_address`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            i = query.get("i", [""])[0]
            self._send(200, grading.page(int(i) if i.isdecimal() else None))

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > MOST_BYTES:
                return self._send(413, "too long")
            form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
            first = {name: values[0] for name, values in form.items()}
            if not secrets.compare_digest(first.get("token", "").encode(), grading.token.encode()):
                return self._send(403, "this form comes from elsewhere: load the page again")
            try:
                verdict = Verdict(first.get("verdict", ""))
                grading.give(first.get("answer_id", ""), verdict, first.get("reason", "")[:200])
            except (ValueError, InvalidData) as error:
                return self._send(400, str(error))
            self._send(303, "", location="/")

        def _send(self, status: int, text: str, **headers: str) -> None:
            host = self.headers.get("host", "").rpartition(":")[0]
            if host not in ("127.0.0.1", "localhost"):  # a name that was pointed at this machine
                status, text = 403, "this page is for this machine only"
            body = text.encode()
            self.send_response(status)
            kind = "html" if status == 200 else "plain"
            self.send_header("content-type", f"text/{kind}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.send_header("x-frame-options", "DENY")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def grade_by_hand(
    grading: ByHand, port: int = 0, say: Callable[[str], None] = print
) -> dict[str, int]:
    """Serve until interrupted; the number of each verdict."""
    with serve(grading, port) as server:
        say(f"http://127.0.0.1:{server.server_address[1]} (end with Ctrl-C; grades are kept)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("stopped")
    found = [grade.verdict.value for grade in grading.grades.values()]
    return {verdict: found.count(verdict) for verdict in sorted(set(found))}
