"""Connections to SQLite and PostgreSQL, and how transactions begin in each."""

from __future__ import annotations

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
    for pragma in (
        "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON",
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
