"""Connections to SQLite and PostgreSQL, and how transactions begin in each."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from calibrant.errors import InvalidData, MissingExtra


def engine_of(url: str) -> Engine:
    try:
        made = sa.create_engine(url, pool_size=20, max_overflow=20)
    except ModuleNotFoundError as error:
        raise MissingExtra("PostgreSQL", "study") from error
    except sa.exc.ArgumentError as error:
        raise InvalidData(f"{url!r} is no address of a database: {error}") from error
    if made.dialect.name == "sqlite":
        sa.event.listen(made, "connect", _prepare)
        sa.event.listen(made, "begin", _begin)
    return made


def _prepare(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say
    # NORMAL: a commit does not wait for the disk, for all others would wait with it; see Disk.
    for pragma in (
        "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON",
        "busy_timeout=30000",
    ):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A transaction that will write takes the lock before it reads: no turn is decided on old data.
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def lock(connection: Connection, what: str) -> None:
    """Wait until no other transaction holds this lock (SQLite has one writer anyway)."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": what})


class Disk:
    """Waits until the disk has what SQLite has committed: once for all who wait at a time.

    Parameters
    ----------
    file
        The database; its journal lies beside it.
    """

    def __init__(self, file: str) -> None:
        self._journal = f"{file}-wal"
        self._lock = threading.Lock()
        self._committed = self._kept = 0

    def committed(self) -> int:
        """Count a commit; to be called by one thread at a time."""
        self._committed += 1
        return self._committed

    def wait(self, number: int) -> None:
        """Return when the commit of this number is on disk."""
        with self._lock:
            if self._kept >= number:
                return
            until = self._committed
            # Without a journal, SQLite has moved it into the database and synchronised that.
            with suppress(FileNotFoundError):
                file = os.open(self._journal, os.O_RDWR)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)
            self._kept = until
