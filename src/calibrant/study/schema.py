"""The store's tables and how older ones become the present ones."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from calibrant.errors import Mismatch

VERSION = 2
"""1: participants, events and meta. 2: `log`, and places that can pass on (`holds`)."""

TABLES = sa.MetaData()
META = sa.Table(
    "meta",
    TABLES,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
PARTICIPANTS = sa.Table(
    "participants",
    TABLES,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("nonce", sa.String(64), nullable=False, unique=True),
    sa.Column("external_id", sa.String(128), unique=True),
    sa.Column("external", sa.Text, nullable=False),
    sa.Column("language", sa.String(16), nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("slot", sa.Integer),
    sa.Column("holds", sa.Integer, unique=True),
)
EVENTS = sa.Table(
    "events",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("participant", sa.String(40), sa.ForeignKey("participants.id"), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("step", sa.String(40), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("server_time", sa.Float(53), nullable=False),
    sa.Column("client_time", sa.Float(53)),
    sa.UniqueConstraint("participant", "seq"),
    # A step is answered once, whatever a browser sends.
    sa.UniqueConstraint("participant", "kind", "step"),
)
LOG = sa.Table(
    "log",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float(53), nullable=False),
    sa.Column("what", sa.String(40), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)
_APPEND_ONLY = {
    "sqlite": (
        "CREATE TRIGGER IF NOT EXISTS events_append_only BEFORE UPDATE ON events"
        " BEGIN SELECT RAISE(ABORT, 'events are never changed'); END",
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'events are never changed'; END $$",
        "DROP TRIGGER IF EXISTS events_append_only ON events",
        "CREATE TRIGGER events_append_only BEFORE UPDATE ON events"
        " FOR EACH ROW EXECUTE FUNCTION events_append_only()",
    ),
}


def migrate(connection: Connection) -> None:
    """Bring a store to the present version, within the transaction of the connection.

    Raises
    ------
    Mismatch
        When it was made by a later version of Calibrant.
    """
    known = sa.inspect(connection).has_table("meta")
    version = VERSION
    if known:
        told = sa.select(META.c.value).where(META.c.key == "version")
        version = int(connection.execute(told).scalar_one())
    if version > VERSION:
        raise Mismatch(
            f"the store has version {version}, this Calibrant knows {VERSION}: update Calibrant"
        )
    if version < 2:
        connection.execute(sa.text("ALTER TABLE participants ADD COLUMN holds INTEGER"))
        connection.execute(sa.text("UPDATE participants SET holds = slot"))
        connection.execute(sa.text("CREATE UNIQUE INDEX participants_holds ON participants(holds)"))
    TABLES.create_all(connection)
    for statement in _APPEND_ONLY.get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)
    if not known:
        connection.execute(sa.insert(META).values(key="version", value=str(VERSION)))
    elif version < VERSION:
        connection.execute(
            sa.update(META).where(META.c.key == "version").values(value=str(VERSION))
        )
