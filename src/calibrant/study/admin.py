"""The administrators' page: how the study runs; what it finds only once it is closed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from calibrant.study.data import Row, tables
from calibrant.study.folder import Study
from calibrant.study.plan import n_cells
from calibrant.study.views import HERE
from calibrant.web.pages import Served

ACTIVE_S = 600
"""Somebody is there whose last answer is not older."""
EVERY_S = 5.0
"""An open page asks anew so often."""
SHARE = 0.1
"""Counting takes at most this share of the time, so that it does not hold up participants."""
MAX_REASON = 500
"""Characters of a reason."""


class Admin:
    """The page behind the password (HTTP basic authentication, so: over HTTPS).

    Parameters
    ----------
    study
        Its folder.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.served = Served(HERE, style="study.css", script="admin.js", asks=True)
        self._known: set[bytes] = set()  # digests of what was found right: hashing is slow
        self._one = threading.Lock()  # and guessing is slower: one at a time
        self._counting = threading.Lock()
        self._counted: tuple[float, float, tuple[list[Row], list[Row]]] | None = None

    def show(self, request: Request) -> Response:
        """Counts, balance, flags, the log; results by arm once they may be seen."""
        if not self._is_admin(request):
            return _denied()
        store = self.study.store
        at, participants, trials = self._tables()
        log = store.logged()
        unblinded = store.simulated or store.closed or any(w == "unblinded" for _, w, _ in log)
        page = self.served.render(
            "admin.html",
            title=self.study.design.title,
            simulated=store.simulated,
            closed=when(store.closed),
            state="closed" if store.closed else "unblinded" if unblinded else "open",
            at=when(at),
            every=EVERY_S,
            counts=counts(participants, trials, log),
            balance=balance(participants, n_cells(self.study.design)),
            flags=flags(participants),
            results=results(participants, trials) if unblinded else None,
            log=[(when(then), what, why) for then, what, why in log],
            max_reason=MAX_REASON,
        )
        return HTMLResponse(page, headers={"content-security-policy": self.served.policy})

    def _tables(self) -> tuple[float, list[Row], list[Row]]:
        """When it was counted, participants and trials; one count serves all who ask meanwhile."""
        with self._counting:
            now = time.time()
            if self._counted is None or now >= self._counted[1]:
                found = tables(self.study)
                self._counted = (now, time.time() + (time.time() - now) / SHARE, found)
            at, _, (participants, trials) = self._counted
            return at, participants, trials

    async def act(self, request: Request) -> Response:
        """Close the study, or show results by arm before that, for a reason that is logged."""
        if not await run_in_threadpool(self._is_admin, request):
            return _denied()
        try:
            form = dict(parse_qsl((await request.body()).decode(), max_num_fields=5))
        except ValueError:
            form = {}
        reason = form.get("reason", "").strip()[:MAX_REASON]
        if form.get("do") == "close" and form.get("sure") == "yes":
            await run_in_threadpool(self.study.store.close, "on the admin page")
            self._counted = None  # it closes on what is there now
        elif form.get("do") == "unblind" and reason:
            await run_in_threadpool(self.study.store.log, "unblinded", reason)
        else:
            return HTMLResponse("Give a reason, or say that you are sure.", 400)
        return RedirectResponse("/admin", 303)

    def _is_admin(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or len(given) > 1000:
            return False
        try:
            password = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
        digest = hashlib.sha256(password.encode()).digest()
        with self._one:
            if digest not in self._known and self.study.is_password(password):
                self._known.add(digest)
            return digest in self._known


def _denied() -> Response:
    head = {"www-authenticate": 'Basic realm="study", charset="UTF-8"'}
    return HTMLResponse("This page needs the study's password.", 401, head)


def when(at: float | None) -> str:
    """A time for people."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def counts(participants: Sequence[Row], trials: Sequence[Row], log: Sequence[Any]) -> Row:
    """How far the study is."""
    now = time.time()
    last: dict[str, float] = defaultdict(float)
    for row in trials:
        last[row["participant"]] = max(last[row["participant"]], row["answered_at"])
    return {
        "consented": len(participants),
        "arm drawn": sum(row["slot"] is not None for row in participants),
        "active in the last ten minutes": sum(now - at < ACTIVE_S for at in last.values()),
        "finished": sum(row["finished"] is not None for row in participants),
        "withdrawn": sum(what == "withdrawal" for _, what, _ in log),
        "answers": len(trials),
    }


def balance(participants: Sequence[Row], n: int) -> list[Row]:
    """Places held and sessions finished in each cell (arm or order, and batch)."""
    held: Counter[tuple[str, int]] = Counter()
    done: Counter[tuple[str, int]] = Counter()
    for row in participants:
        if row["slot"] is not None:
            cell = (row["arm"], row["batch"])
            held[cell] += row["holds_place"]
            done[cell] += row["finished"] is not None
    return [
        {"arm": arm, "batch": batch, "held": held[arm, batch], "finished": done[arm, batch]}
        for arm, batch in sorted(held)
    ]


def flags(participants: Sequence[Row]) -> list[Row]:
    """Participants whose data may be poor, without their arms."""
    typical = sorted(row["median_seconds"] for row in participants if row["median_seconds"])
    usual = typical[len(typical) // 2] if typical else 0.0
    found = []
    for row in participants:
        told = []
        if row["failed_checks"]:
            n = row["failed_checks"]
            told.append(f"{n} attention check{'s' * (n > 1)} failed")
        if row["comprehension_passed"] is False:
            told.append("instructions not understood")
        if row["median_seconds"] and row["n_trials"] > 4 and row["median_seconds"] < usual / 3:
            told.append(f"fast: {row['median_seconds']:.1f} s a question")
        if told:
            found.append({"participant": row["participant"], "why": "; ".join(told)})
    return found


def results(participants: Sequence[Row], trials: Sequence[Row]) -> list[Row]:
    """Accuracy and agreement by arm of those who are kept."""
    kept = {row["participant"] for row in participants if not row["excluded"]}
    by_arm: dict[str, list[Row]] = defaultdict(list)
    for row in trials:
        if row["kind"] == "trial" and row["participant"] in kept and row["response"] is not None:
            by_arm[row["arm"]].append(row)
    return [
        {
            "arm": arm,
            "answers": len(rows),
            "accuracy": sum(row["correct"] for row in rows) / len(rows),
            "agreement": sum(row["agrees"] for row in rows) / len(rows),
        }
        for arm, rows in sorted(by_arm.items())
    ]
