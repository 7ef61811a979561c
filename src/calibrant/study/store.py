"""What participants did: append-only events in SQLite or PostgreSQL.

What was acknowledged is on disk; a turn (read, decide, append) happens whole or not at all, and
turns of one participant come one after the other. The only thing that deletes is a withdrawal.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from calibrant.errors import InvalidData, Mismatch, MissingExtra

try:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection
except ImportError as error:  # pragma: no cover - the message is tested without the extra
    raise MissingExtra("a study", "study") from error

from calibrant.study.database import Disk, engine_of, lock
from calibrant.study.schema import EVENTS, LOG, META, PARTICIPANTS, VERSION, migrate

__all__ = ["VERSION", "Event", "Participant", "Store", "Turn"]


MOST_KNOWN = 2000
"""Participants whose events are kept in memory."""
CLOSED_S = 1.0
"""A server notices so late that another process closed the study."""


# Built once: building them takes longer than SQLite takes to answer.
_FIND = sa.select(PARTICIPANTS).where(PARTICIPANTS.c.token_hash == sa.bindparam("token"))
_FIND_LOCKED = _FIND.with_for_update()
_NEWER = (
    sa.select(EVENTS)
    .where(EVENTS.c.participant == sa.bindparam("who"), EVENTS.c.seq >= sa.bindparam("first"))
    .order_by(EVENTS.c.seq)
)
_ADD = sa.insert(EVENTS)


@dataclass(frozen=True, kw_only=True)
class Participant:
    """One person's row."""

    id: str
    """Random; stands in exports."""
    slot: int | None
    """Place in line, once drawn."""
    holds: int | None
    """The same; None when the place went to somebody else."""
    language: str
    """Of the pages."""
    external: Mapping[str, str]
    """Parameters of the link, e.g. a panel's ids."""
    started: float
    """When, in seconds since 1970 UTC."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened."""

    kind: str
    """ "shown", "answer", "seen" or "assigned"."""
    step: str
    """Of which step of the session."""
    data: Mapping[str, Any]
    """What was answered."""
    server_time: float
    """Seconds since 1970 UTC, by the server."""
    client_time: float | None
    """The same by the participant's device, where it told."""


@dataclass
class Turn:
    """One participant's events within a transaction."""

    connection: Connection
    participant: Participant
    events: list[Event] = field(default_factory=list)

    def append(
        self,
        kind: str,
        step: str,
        data: Mapping[str, Any] | None = None,
        client_time: float | None = None,
    ) -> Event:
        """Add an event."""
        event = Event(
            kind=kind,
            step=step,
            data=data or {},
            server_time=time.time(),
            client_time=client_time,
        )
        row = {
            **vars(event),
            "participant": self.participant.id,
            "seq": len(self.events),
            "data": json.dumps(event.data, ensure_ascii=False),
        }
        self.connection.execute(_ADD, row)
        self.events.append(event)
        return event


class Store:
    """The database of one study.

    Parameters
    ----------
    url
        As SQLAlchemy knows it: sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.
    study
        Hash of design and items; another study's store is refused.
    """

    def __init__(self, url: str, study: str, *, simulated: bool = False) -> None:
        self.engine = engine_of(url)
        self._reading = self.engine.execution_options(reading=True)
        # SQLite has one writer: threads wait here in line, not there with growing naps.
        is_sqlite = self.engine.dialect.name == "sqlite"
        self._line = threading.Lock() if is_sqlite else nullcontext()
        self._disk = Disk(self.engine.url.database or "") if is_sqlite else None
        self._known: dict[str, list[Event]] = {}
        self._closed: tuple[float, float | None] = (-CLOSED_S, None)
        try:
            self._open(study, simulated)
        except BaseException as error:
            self.shut()
            if isinstance(error, sa.exc.OperationalError):
                raise InvalidData(f"{self.engine.url!r} cannot be opened: {error.orig}") from error
            raise

    def shut(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _open(self, study: str, simulated: bool) -> None:
        with self._writing() as connection:
            lock(connection, "migration")
            migrate(connection)
            told = {row.key: row.value for row in connection.execute(sa.select(META))}
            if not told.get("study"):
                told["study"] = study
                for key, value in {"study": study, "simulated": str(int(simulated))}.items():
                    connection.execute(sa.insert(META).values(key=key, value=value))
        if told["study"] != study:
            raise Mismatch(
                f"the store holds another study ({told['study']}, not {study}): its design or items"
                " were changed, or the URL is that of another one"
            )
        self.simulated = told.get("simulated", str(int(simulated))) == "1"

    def _events(self, connection: Connection, participant: str) -> list[Event]:
        """Events are never changed, so those that were read before are not read again."""
        known = self._known.get(participant, [])
        asked = {"who": participant, "first": len(known)}
        found = [*known, *map(_event, connection.execute(_NEWER, asked))]
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[participant] = found
        return list(found)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        number = 0
        with self._line:
            with self.engine.begin() as connection:
                yield connection
            if self._disk:
                number = self._disk.committed()
        if self._disk:
            self._disk.wait(number)

    # -- participants -------------------------------------------------------------------------

    def start(
        self,
        made: Mapping[str, Any],
        external_id: str = "",
        limit: int = 0,
        replace_after_hours: float = 0,
    ) -> tuple[str, bool]:
        """Add a participant, once for each nonce.

        Parameters
        ----------
        made
            id, token_hash, nonce, language, external.
        external_id
            What a person may start only once with; empty for none.
        limit
            Places; 0 for no limit.
        replace_after_hours
            Who was silent for longer takes none of them (0: everybody does).

        Returns
        -------
        "" or why not ("taken", "full", "closed"), and whether one was added.
        """
        with self._writing() as connection:
            lock(connection, "participants")
            if _meta(connection, "closed"):
                return "closed", False
            known = sa.select(PARTICIPANTS.c.nonce).where(PARTICIPANTS.c.nonce == made["nonce"])
            if connection.execute(known).first():
                return "", False
            same = sa.select(PARTICIPANTS.c.id).where(PARTICIPANTS.c.external_id == external_id)
            if external_id and connection.execute(same).first():
                return "taken", False
            count = sa.select(sa.func.count()).select_from(PARTICIPANTS)
            if replace_after_hours:
                count = count.where(
                    sa.or_(PARTICIPANTS.c.holds.is_not(None), PARTICIPANTS.c.slot.is_(None)),
                    PARTICIPANTS.c.id.not_in(_silent(time.time() - 3600 * replace_after_hours)),
                )
            if limit and connection.execute(count).scalar_one() >= limit:
                return "full", False
            row = {**made, "external": json.dumps(made["external"], ensure_ascii=False)}
            connection.execute(
                sa.insert(PARTICIPANTS).values(
                    **row, external_id=external_id or None, started=time.time()
                )
            )
        return "", True

    def find(self, token_hash: str) -> tuple[Participant, list[Event]] | None:
        """The participant with this token and their events; None when there is none."""
        with self._reading.connect() as connection:
            found = connection.execute(_FIND, {"token": token_hash}).first()
            return found and (_participant(found), self._events(connection, found.id))

    @contextmanager
    def turn(self, token_hash: str) -> Iterator[Turn | None]:
        """A transaction in which nobody else acts for this participant; None: no such one."""
        with self._writing() as connection:
            found = connection.execute(_FIND_LOCKED, {"token": token_hash}).first()
            if found is None:
                yield None
                return
            yield Turn(connection, _participant(found), self._events(connection, found.id))

    def assign(self, turn: Turn, replace_after_hours: float = 0) -> int:
        """Give the lowest free place to the participant whose turn it is.

        Places of participants who were silent for longer than `replace_after_hours` are free
        again (0: never); they themselves can go on as before.
        """
        connection = turn.connection
        lock(connection, "places")
        has_one = PARTICIPANTS.c.holds.is_not(None)
        if replace_after_hours:
            is_silent = PARTICIPANTS.c.id.in_(_silent(time.time() - 3600 * replace_after_hours))
            connection.execute(sa.update(PARTICIPANTS).where(is_silent, has_one).values(holds=None))
        taken = set(connection.execute(sa.select(PARTICIPANTS.c.holds).where(has_one)).scalars())
        slot = next(n for n in range(len(taken) + 1) if n not in taken)
        connection.execute(
            sa.update(PARTICIPANTS)
            .where(PARTICIPANTS.c.id == turn.participant.id)
            .values(slot=slot, holds=slot)
        )
        turn.append("assigned", "assigned", {"slot": slot})
        return slot

    def withdraw(self, token_hash: str) -> bool:
        """Delete a participant with everything about them; their place is free again."""
        with self._writing() as connection:
            found = connection.execute(_FIND_LOCKED, {"token": token_hash}).first()
            if found is None:
                return False
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.participant == found.id))
            connection.execute(sa.delete(PARTICIPANTS).where(PARTICIPANTS.c.id == found.id))
            _log(connection, "withdrawal", "")
            self._known.pop(found.id, None)
        if self.engine.dialect.name == "sqlite":  # not even in the journal
            with self._reading.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return True

    def new_token(self, participant: str, token_hash: str) -> bool:
        """Put another token in place of a participant's; the old one is worth nothing then."""
        with self._writing() as connection:
            changed = connection.execute(
                sa.update(PARTICIPANTS)
                .where(PARTICIPANTS.c.id == participant)
                .values(token_hash=token_hash)
            )
            return changed.rowcount == 1

    def everything(self) -> Iterator[tuple[Participant, list[Event]]]:
        """All participants in the order of their start, with their events."""
        with self._reading.connect() as connection:
            events: dict[str, list[Event]] = {}
            rows = connection.execute(
                sa.select(EVENTS).order_by(EVENTS.c.participant, EVENTS.c.seq)
            )
            for row in rows:
                events.setdefault(row.participant, []).append(_event(row))
            people = connection.execute(
                sa.select(PARTICIPANTS).order_by(PARTICIPANTS.c.started, PARTICIPANTS.c.id)
            ).all()
        for row in people:
            yield _participant(row), events.get(row.id, [])

    # -- the study ----------------------------------------------------------------------------

    @property
    def closed(self) -> float | None:
        """When the study was closed; None while it is open."""
        asked, known = self._closed
        if known is None and time.monotonic() >= asked + CLOSED_S:
            with self._reading.connect() as connection:
                found = _meta(connection, "closed")
            self._closed = (time.monotonic(), float(found) if found else None)
        return self._closed[1]

    def close(self, who: str) -> None:
        """End the study: nobody can start or go on."""
        with self._writing() as connection:
            if not _meta(connection, "closed"):
                connection.execute(sa.insert(META).values(key="closed", value=str(time.time())))
                _log(connection, "closed", who)
        self._closed = (-CLOSED_S, None)

    def log(self, what: str, why: str) -> None:
        """Write something down that an administrator did."""
        with self._writing() as connection:
            _log(connection, what, why)

    def logged(self) -> list[tuple[float, str, str]]:
        """(time, what, why) of everything that was written down."""
        with self._reading.connect() as connection:
            rows = connection.execute(sa.select(LOG).order_by(LOG.c.id))
            return [(row.time, row.what, row.why) for row in rows]

    def require_closed(self, reason: str = "") -> None:
        """Refuse to show results by arm while the study is open, unless a reason is logged."""
        if self.simulated or self.closed:
            return
        if not reason.strip():
            raise InvalidData(
                "the study is open: results by arm stay closed until `calibrant study close`."
                " --unblind REASON shows them now and is logged"
            )
        self.log("unblinded by command", reason.strip())


def _meta(connection: Connection, key: str) -> str:
    return connection.execute(sa.select(META.c.value).where(META.c.key == key)).scalar() or ""


def _log(connection: Connection, what: str, why: str) -> None:
    connection.execute(sa.insert(LOG).values(time=time.time(), what=what, why=why))


def _silent(before: float) -> sa.Select[tuple[str]]:
    """Ids of those who have not finished and did nothing since."""
    last = (
        sa.select(EVENTS.c.participant, sa.func.max(EVENTS.c.server_time).label("at"))
        .group_by(EVENTS.c.participant)
        .subquery()
    )
    ended = sa.select(EVENTS.c.participant).where(EVENTS.c.step == "done")
    return (
        sa.select(PARTICIPANTS.c.id)
        .outerjoin(last, last.c.participant == PARTICIPANTS.c.id)
        .where(sa.func.coalesce(last.c.at, PARTICIPANTS.c.started) < before)
        .where(PARTICIPANTS.c.id.not_in(ended))
    )


def _event(row: Any) -> Event:
    return Event(
        kind=row.kind,
        step=row.step,
        data=json.loads(row.data) if row.data != "{}" else {},
        server_time=row.server_time,
        client_time=row.client_time,
    )


def _participant(row: Any) -> Participant:
    return Participant(
        id=row.id,
        slot=row.slot,
        holds=row.holds,
        language=row.language,
        external=json.loads(row.external),
        started=row.started,
    )
