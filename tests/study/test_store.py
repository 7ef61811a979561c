"""The store, on SQLite and PostgreSQL."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from calibrant.errors import InvalidData, Mismatch, MissingExtra
from calibrant.study.folder import Study, token_hash
from calibrant.study.plan import cell_of, n_cells
from calibrant.study.schema import EVENTS, PARTICIPANTS, TABLES
from calibrant.study.server import running
from calibrant.study.store import VERSION, Store

from .conftest import make_design
from .walk import Walker


@pytest.fixture
def opened(database: str) -> Any:
    store = Store(database, "study")
    yield store
    store.shut()


def someone(token: str) -> dict[str, Any]:
    return {
        "id": secrets.token_hex(8),
        "token_hash": token_hash(token),
        "nonce": token_hash("nonce" + token),
        "language": "en",
        "external": {},
    }


def arrive(store: Store, token: str) -> int:
    assert store.start(someone(token)) == ("", True)
    with store.turn(token_hash(token)) as turn:
        assert turn is not None
        return store.assign(turn)


def test_events_come_back_in_order_and_cannot_be_changed(opened: Store) -> None:
    arrive(opened, "a")
    with opened.turn(token_hash("a")) as turn:
        turn.append("answer", "trial-0", {"response": "ä <b>"}, 1700000000.25)
    person, events = opened.find(token_hash("a"))
    assert [event.step for event in events] == ["assigned", "trial-0"] and person.slot == 0
    assert events[1].data == {"response": "ä <b>"} and events[1].client_time == 1700000000.25
    for change in ("UPDATE events SET data = '{}'",):
        with pytest.raises(sa.exc.DBAPIError, match="never changed"), opened.engine.begin() as c:
            c.exec_driver_sql(change)
    with pytest.raises(sa.exc.IntegrityError), opened.turn(token_hash("a")) as turn:
        turn.append("answer", "trial-0", {"response": "another"})
    assert len(opened.find(token_hash("a"))[1]) == 2


def test_a_turn_that_fails_leaves_nothing(opened: Store) -> None:
    opened.start(someone("a"))
    with pytest.raises(RuntimeError), opened.turn(token_hash("a")) as turn:
        turn.append("answer", "x")
        raise RuntimeError
    assert opened.find(token_hash("a"))[1] == []


def test_assignment_is_balanced_under_concurrent_arrivals(opened: Store) -> None:
    design, n = make_design(), 37
    with ThreadPoolExecutor(12) as pool:
        slots = list(pool.map(lambda i: arrive(opened, f"t{i}"), range(n)))
    assert sorted(slots) == list(range(n))
    counts = Counter(cell_of(design, slot) for slot in slots)
    assert max(counts.values()) - min(counts[c] for c in range(n_cells(design))) <= 1


def test_the_same_page_starts_one_session(opened: Store) -> None:
    same = someone("a")
    with ThreadPoolExecutor(8) as pool:
        rows = [{**same, "id": secrets.token_hex(8)} for _ in range(8)]
        found = list(pool.map(lambda row: opened.start(row, "person-1"), rows))
    assert sorted(found) == [("", False)] * 7 + [("", True)]
    assert opened.start(someone("b"), "person-1") == ("taken", False)
    assert opened.start(someone("c"), limit=1) == ("full", False)


def test_turns_of_one_person_come_one_after_the_other(opened: Store) -> None:
    opened.start(someone("a"))

    def add(i: int) -> None:
        with opened.turn(token_hash("a")) as turn:
            turn.append("answer", f"step-{i}", {"after": len(turn.events)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    events = opened.find(token_hash("a"))[1]
    assert [event.data["after"] for event in events] == list(range(24))


def test_places_of_the_withdrawn_and_the_silent_pass_on(opened: Store) -> None:
    for i in range(4):
        assert arrive(opened, f"t{i}") == i
    assert opened.withdraw(token_hash("t1")) and not opened.withdraw(token_hash("t1"))
    assert opened.find(token_hash("t1")) is None
    assert arrive(opened, "t4") == 1
    opened.start(someone("t5"))
    with opened.turn(token_hash("t5")) as turn:
        assert opened.assign(turn, replace_after_hours=1) == 4
        turn.append("shown", "done")
    opened.start(someone("t6"))
    with opened.turn(token_hash("t6")) as turn:
        # everybody but those who finished has been silent for 0.1 microseconds by now
        assert opened.assign(turn, replace_after_hours=1e-10) in range(4)
    person, _ = opened.find(token_hash("t0"))
    assert person.slot == 0 and person.holds is None
    assert opened.find(token_hash("t5"))[0].holds == 4


def test_places_of_the_silent_are_open_to_newcomers(opened: Store) -> None:
    for i in range(2):
        arrive(opened, f"t{i}")
    opened.start(someone("t2"))  # no arm was drawn yet
    with opened.turn(token_hash("t0")) as turn:
        turn.append("shown", "done")
    assert opened.start(someone("t3"), limit=3) == ("full", False)
    assert opened.start(someone("t3"), limit=3, replace_after_hours=1) == ("full", False)
    # by now all have been silent for 0.1 microseconds, and one has finished
    for i in range(3, 5):
        assert opened.start(someone(f"t{i}"), limit=2, replace_after_hours=1e-10) == ("", True)
    with opened.turn(token_hash("t4")) as turn:
        assert opened.assign(turn, replace_after_hours=1e-10) == 1
        turn.append("shown", "done")
    assert opened.start(someone("t5"), limit=2, replace_after_hours=1e-10) == ("full", False)


def test_a_withdrawal_leaves_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store = Store(f"sqlite:///{path}", "study")
    arrive(store, "a")
    with store.turn(token_hash("a")) as turn:
        turn.append("answer", "survey", {"comment": "unmistakable words"})
    store.withdraw(token_hash("a"))
    store.shut()
    for file in tmp_path.iterdir():
        assert b"unmistakable" not in file.read_bytes(), file


V1 = """
CREATE TABLE meta (key VARCHAR(40) PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO meta VALUES ('version', '1'), ('study', '{study}');
CREATE TABLE participants (id VARCHAR(40) PRIMARY KEY, token_hash VARCHAR(64) NOT NULL UNIQUE,
 nonce VARCHAR(64) NOT NULL UNIQUE, external_id VARCHAR(128) UNIQUE, external TEXT NOT NULL,
 language VARCHAR(16) NOT NULL, started DOUBLE PRECISION NOT NULL, slot INTEGER);
CREATE TABLE events (id {serial}, participant VARCHAR(40) NOT NULL REFERENCES participants(id),
 seq INTEGER NOT NULL, kind VARCHAR(16) NOT NULL, step VARCHAR(40) NOT NULL, data TEXT NOT NULL,
 server_time DOUBLE PRECISION NOT NULL, client_time DOUBLE PRECISION, UNIQUE (participant, seq),
 UNIQUE (participant, kind, step))
"""
V1_ROWS = """
INSERT INTO participants VALUES ('p0', '{hash}', 'n0', NULL, '{{}}', 'en', 1.0, 0);
INSERT INTO events (participant, seq, kind, step, data, server_time)
 VALUES ('p0', 0, 'answer', 'trial-0', '{{"response": "x"}}', 2.0)
"""


def older(connection: sa.Connection, study: str) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    serial = "INTEGER PRIMARY KEY" if is_sqlite else "SERIAL PRIMARY KEY"
    for statement in V1.format(serial=serial, study=study).split(";\n"):
        connection.exec_driver_sql(statement)


def test_an_older_store_is_brought_up_to_date(database: str) -> None:
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        older(connection, "study")
        for statement in V1_ROWS.format(hash=token_hash("old")).split(";\n"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    store = Store(database, "study")
    person, events = store.find(token_hash("old"))
    assert person.holds == person.slot == 0 and events[0].data == {"response": "x"}
    assert arrive(store, "new") == 1 and store.logged() == []
    store.shut()
    again = Store(database, "study")  # once only
    assert again.find(token_hash("new"))[0].holds == 1
    with again.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE meta SET value = :v WHERE key = 'version'"), {"v": str(VERSION + 1)}
        )
    again.shut()
    with pytest.raises(Mismatch, match="update Calibrant"):
        Store(database, "study")


def test_sessions_of_an_older_store_go_on(study: Callable[..., Study], database: str) -> None:
    made = study(database=database)
    with running(made) as url, httpx.Client(base_url=url) as client:
        walker = Walker(client)
        walker.until(lambda step: step == "trial-2")
    with made.store.engine.begin() as connection:
        tables = (PARTICIPANTS, EVENTS)
        rows = {t: connection.execute(sa.select(t)).mappings().all() for t in tables}
        TABLES.drop_all(connection)
        older(connection, made.hash)
        for table, found in rows.items():
            new = "id" if table is EVENTS else "holds"
            kept = [column.name for column in table.columns if column.name != new]
            old = sa.table(table.name, *map(sa.column, kept))
            connection.execute(sa.insert(old), [{n: row[n] for n in kept} for row in found])
    made.store.shut()
    again = Study(made.folder, database)
    with running(again) as url, httpx.Client(base_url=url) as client:
        walker.client = client
        assert walker.step() == "trial-2"
        walker.finish()
        newcomer = Walker(client)
        newcomer.until(lambda step: step == "trial-0")
        assert client.post(f"{newcomer.path}/withdraw", data={"confirm": "yes"}).status_code == 200
    ((person, events),) = again.store.everything()
    answered = [event.step for event in events if event.kind == "answer"]
    assert person.holds == 0 and "survey" in answered and len(answered) == len(set(answered))
    again.store.shut()


def test_what_was_acknowledged_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power failure leaves what had been written when the disk was last waited for."""
    path, kept = tmp_path / "store.sqlite3", tmp_path / "kept"
    store = Store(f"sqlite:///{path}", "study")
    arrive(store, "a")
    kept.mkdir()
    waits = []

    def fsync(_: int) -> None:
        for file in (path, path.with_name("store.sqlite3-wal")):
            shutil.copy(file, kept / file.name)
        waits.append(1)
        time.sleep(0.02)  # others come meanwhile

    monkeypatch.setattr("calibrant.study.database.os.fsync", fsync)
    reading = threading.Lock()

    def add(i: int) -> bool:
        with store.turn(token_hash("a")) as turn:
            turn.append("answer", f"step-{i}")
        with reading, store._disk._lock:
            copy = shutil.copytree(kept, tmp_path / f"kept-{i}")
            with closing(sqlite3.connect(copy / path.name)) as found:
                return (f"step-{i}",) in found.execute("SELECT step FROM events").fetchall()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(add, range(40)))
    assert len(waits) < 40  # one wait served several
    store.shut()


def test_another_studys_store_is_refused(opened: Store, database: str) -> None:
    with pytest.raises(Mismatch, match="another study"):
        Store(database, "other")
    with pytest.raises(InvalidData, match="no address"):
        Store("nonsense", "study")


def test_results_stay_closed_until_the_study_is(opened: Store) -> None:
    with pytest.raises(InvalidData, match="--unblind"):
        opened.require_closed()
    opened.require_closed("safety board asked")
    assert opened.logged()[-1][1:] == ("unblinded by command", "safety board asked")
    opened.close("test")
    opened.require_closed()
    assert opened.start(someone("late")) == ("closed", False)


def test_without_the_extra_the_install_line_is_given() -> None:
    import subprocess
    import sys

    code = "import sys; sys.modules['sqlalchemy'] = None\nimport calibrant.study.store"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'calibrant[study]'" in found.stderr
    assert MissingExtra("a study", "study").args[0].endswith("pip install 'calibrant[study]'.")
