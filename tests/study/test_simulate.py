"""Simulated people through the real app; kill -9; export; analysis; report."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from calibrant.cli import app
from calibrant.errors import CalibrantError, InvalidData, UnknownName
from calibrant.runs import read_parquet
from calibrant.study.data import PARTICIPANTS, TRIALS, tables
from calibrant.study.design import Arm
from calibrant.study.export import export
from calibrant.study.folder import Study, simulated_copy, token_hash
from calibrant.study.items import Item
from calibrant.study.plan import cell_of
from calibrant.study.policies import crowd
from calibrant.study.report import write_report
from calibrant.study.server import running
from calibrant.study.simulate import simulate, visit

from .walk import Walker


def test_export_and_report_of_a_simulated_study(
    study: Callable[..., Study], tmp_path: Path
) -> None:
    made = study(n_batches=1, ask_confidence=True, n_questions=8)
    out = tmp_path / "simulated"
    found = simulate(made, out, 24, leaving=0.2)
    assert found["failed"] == 0 and found["finished"] < 24, found
    copy = Study(out)
    assert copy.store.simulated and not (made.folder / "study.sqlite3").exists()
    participants, trials = tables(copy)
    counts = Counter(cell_of(copy.design, row["slot"]) for row in participants)
    assert set(counts.values()) == {6}  # places are balanced, whoever left
    assert export(copy, out / "export", with_ids=True)["trials"] == len(trials)
    for name, columns in (("participants", PARTICIPANTS), ("trials", TRIALS)):
        rows = read_parquet(out / "export" / f"{name}.parquet")
        with open(out / "export" / f"{name}.csv", newline="", encoding="utf-8") as file:
            head, *written = csv.reader(file)
        assert head == list(columns) == list(rows[0]) and len(written) == len(rows)
        assert all(f"| {column} |" in (out / "export/codebook.md").read_text() for column in head)
        assert not any(cell.startswith(("=", "+", "@")) for line in written for cell in line)
    assert all(f"| {field.name} |" in (out / "export/codebook.md").read_text()
               for field in fields(Item))  # fmt: skip
    ids = (out / "export" / "ids.csv").read_text()
    assert "sim-00003" in ids and "sim-00003" not in (out / "export/participants.csv").read_text()
    analysed = write_report(
        out / "report", copy.design, copy.items, participants, trials,
        simulated=True, n_permutations=199, n_resamples=50,
    )  # fmt: skip
    page = (out / "report" / "report.html").read_text("utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert "simulated participants" in page
    assert '="http' not in page.replace("http://www.w3.org", "")
    assert analysed["exclusions"] == {"did not finish": 24 - found["finished"]}
    assert analysed["own_confidence"] and analysed["n"]["kept"] == found["finished"]
    assert json.loads((out / "report" / "analysis.json").read_text())["n"] == analysed["n"]
    copy.store.shut()
    with pytest.raises(InvalidData, match="is not empty"):
        simulate(made, out, 2)
    with pytest.raises(UnknownName, match="threshold_40"):
        simulate(made, tmp_path / "other", 2, ["threshold_4"])


@pytest.mark.slow
def test_thresholds_are_recovered(study: Callable[..., Study], tmp_path: Path) -> None:
    made = study(
        n_items=200, n_questions=60, n_batches=3, n_ability=5, n_practice=2,
        arms=(Arm.parse("no_model"), Arm.parse("tuned"), Arm.parse("bar=tuned:bar")),
    )  # fmt: skip
    found = simulate(made, tmp_path / "sim", 150, ["threshold_40", "threshold_50"], seed=1)
    assert found["failed"] == 0 and found["thresholds"] == 100
    assert found["thresholds_near"] >= 90 and found["thresholds_covered"] >= 95, found


def test_sessions_side_by_side_lose_and_double_nothing(
    study: Callable[..., Study], tmp_path: Path, database: str
) -> None:
    copy = simulated_copy(study(), tmp_path / "copy")
    copy.database = database
    with running(copy) as url:
        load = asyncio.run(visit(copy, crowd(16, 0), url, seed=0, at_once=16))
    assert load.failed == [] and load.finished == 16
    for person, events in copy.store.everything():
        answered = [event.step for event in events if event.kind == "answer"]
        assert answered == load.acknowledged[person.external["PROLIFIC_PID"]]
        assert len(set(answered)) == len(answered)
    slots = sorted(person.slot for person, _ in copy.store.everything())
    assert slots == list(range(16))
    copy.store.shut()


@pytest.fixture
def serve() -> Iterator[Callable[[Study, int], subprocess.Popen[bytes]]]:
    """Serve a study from a process of its own."""
    started: list[subprocess.Popen[bytes]] = []
    code = "from calibrant.cli import main; main()"

    def start(made: Study, port: int) -> subprocess.Popen[bytes]:
        words = ["study", "serve", str(made.folder), "--port", str(port)]
        words += ["--database", made.database]
        started.append(
            subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL)
        )
        for _ in range(2400):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    return started[-1]
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("the server does not start")

    yield start
    for process in started:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_kill_9_loses_nothing_that_was_acknowledged(
    study: Callable[..., Study], serve: Callable[..., subprocess.Popen[bytes]], database: str
) -> None:
    made, port = study(n_ability=0, n_practice=0, n_checks=0, database=database), _free_port()
    process = serve(made, port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        walker = Walker(client)
        for number in range(2):
            page = walker.until(lambda step, n=number: step == f"trial-{n}")
            assert walker.send({**page.hidden, "response": "1"}).status_code == 303
            os.kill(process.pid, signal.SIGKILL)  # between the acknowledgement and all else
            process.wait()
            process = serve(made, port)
            assert walker.page().data["step"] == "feedback"
        walker.finish()
    process.terminate()
    assert process.wait() in (0, -signal.SIGTERM)
    participants, trials = tables(made)
    assert participants[0]["n_trials"] == len(trials) == 6 and participants[0]["finished"]


def test_kill_9_at_any_time(
    study: Callable[..., Study], serve: Callable[..., subprocess.Popen[bytes]], database: str
) -> None:
    """People act side by side while the server is killed and started again, three times."""
    made, port = study(n_ability=1, n_practice=0, n_checks=0, database=database), _free_port()
    process = serve(made, port)
    last_kill = threading.Event()

    def take_part(_: int) -> tuple[str, list[str]]:
        acknowledged: list[str] = []
        walker = None
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for _ in range(2000):
                try:
                    walker = walker or Walker(client)
                    page = walker.page()
                    if "code" in page.data:
                        return walker.token, acknowledged
                    if page.hidden["step"] == "survey":  # nobody is done before the last kill
                        last_kill.wait(60)
                    reply = walker.send(walker.filled(page))
                except httpx.TransportError:  # no server: try again, as people do
                    time.sleep(0.05)
                    continue
                assert reply.status_code == 303
                acknowledged += [page.hidden["step"]] * (page.hidden["kind"] == "answer")
        raise AssertionError("the session does not end")

    with ThreadPoolExecutor(8) as pool:
        coming = [pool.submit(take_part, i) for i in range(8)]
        for kill in range(3):
            time.sleep(random.uniform(0.2, 0.6))
            if kill == 2:
                last_kill.set()
            process.kill()
            process.wait()
            process = serve(made, port)
        found = [future.result() for future in coming]
    slots = []
    for token, acknowledged in found:
        person, events = made.store.find(token_hash(token))
        stored = [event.step for event in events if event.kind == "answer"]
        assert set(acknowledged) <= set(stored) and len(stored) == len(set(stored))
        assert "survey" in stored
        slots.append(person.slot)
    assert sorted(slots) == list(range(8))


def call(*words: str) -> None:
    app(["study"])(["study", *words], standalone_mode=False)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": f"Q{i}?", "choices": ["a", "b"], "target": "ab"[i % 2], "prediction": "a",
         "tuned": i / 20, "topic": "x"} for i in range(20)
    ]  # fmt: skip
    table = tmp_path / "items.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)))
    folder = str(tmp_path / "study")
    new = ["new", folder, "--table", str(table), "--arms", "no_model,tuned"]
    sizes = ["--n-questions", "4", "--n-batches", "2", "--n-ability", "2", "--n-practice", "1"]

    def refused(expected: str, *words: str) -> None:
        with pytest.raises(CalibrantError, match=expected):
            call(*words)

    refused("--run FOLDER", "new", folder)
    refused("20 complete items, but the design takes 193", *new)
    call(*new, *sizes, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["items"] == 11 and len(told["password"]) >= 12
    text = (tmp_path / "study" / "preregistration.md").read_text()
    assert "1. accuracy: tuned - no_model differs from zero" in text
    refused("is not empty", *new, *sizes)
    refused("no participants yet", "export", folder, "--unblind", "a test")
    refused("stay closed", "analyse", folder)
    refused("nobody", "link", folder, "nobody")
    capsys.readouterr()
    call("power", folder, "--sizes", "16", "--n-simulations", "2", "--json")
    needed = json.loads(capsys.readouterr().out)["needed"]
    assert needed.keys() == {"accuracy: tuned - no_model"}
    call("close", folder, "--json")
    assert json.loads(capsys.readouterr().out)["closed"] > 0
    refused("0 consented", "analyse", folder)
