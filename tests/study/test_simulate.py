"""Simulated people through the real app; kill -9; export; analysis; report."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from calibrant.errors import InvalidData, UnknownName
from calibrant.runs import read_parquet
from calibrant.study.data import PARTICIPANTS, TRIALS, tables
from calibrant.study.design import Arm
from calibrant.study.export import export
from calibrant.study.folder import Study, simulated_copy
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
    found = simulate(made, tmp_path / "sim", 90, ["threshold_40", "threshold_50"], seed=1)
    assert found["failed"] == 0 and found["thresholds"] == 60
    assert found["thresholds_near"] >= 54, found


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


def _serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    code = "from calibrant.cli import main; main()"
    words = [sys.executable, "-c", code, "study", "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    for _ in range(400):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return process
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError("the server does not start")


def test_kill_9_loses_nothing_that_was_acknowledged(study: Callable[..., Study]) -> None:
    made = study(n_ability=0, n_practice=0, n_checks=0)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = _serve(made.folder, port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        walker = Walker(client)
        for number in range(2):
            page = walker.until(lambda step, n=number: step == f"trial-{n}")
            assert walker.send({**page.hidden, "response": "1"}).status_code == 303
            os.kill(process.pid, signal.SIGKILL)  # between the acknowledgement and all else
            process.wait()
            process = _serve(made.folder, port)
            assert walker.page().data["step"] == "feedback"
        walker.finish()
    process.terminate()
    assert process.wait() in (0, -signal.SIGTERM)
    participants, trials = tables(made)
    assert participants[0]["n_trials"] == len(trials) == 6 and participants[0]["finished"]


def call(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from calibrant.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "study", *words], capture_output=True, text=True
    )


def test_on_the_command_line(tmp_path: Path) -> None:
    generator_rows: list[dict[str, Any]] = [
        {"question": f"Q{i}?", "choices": ["a", "b"], "target": "ab"[i % 2], "prediction": "a",
         "tuned": i / 20, "topic": "x"} for i in range(20)
    ]  # fmt: skip
    table = tmp_path / "items.jsonl"
    table.write_text("\n".join(map(json.dumps, generator_rows)))
    folder = str(tmp_path / "study")
    sizes = ["--n-questions", "4", "--n-batches", "2", "--n-ability", "2", "--n-practice", "1"]
    new = ["new", folder, "--table", str(table), "--arms", "no_model,tuned", *sizes]
    assert "--run" in call("new", folder).stderr
    assert "1000" in call(*new[:6], *sizes[:0], "--n-questions", "1000").stderr
    made = call(*new, "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["items"] == 11 and len(told["password"]) >= 12
    text = (tmp_path / "study" / "preregistration.md").read_text()
    assert "slope" not in text.split("## Arms")[0] and "accuracy: tuned - no_model" in text
    assert "is not empty" in call(*new).stderr
    assert "no participants yet" in call("export", folder, "--unblind", "a test").stderr
    assert "stay closed" in call("analyse", folder).stderr
    assert "nobody" in call("link", folder, "nobody").stderr
    needed = call("power", folder, "--sizes", "16", "--n-simulations", "2", "--json")
    assert json.loads(needed.stdout)["needed"].keys() == {"accuracy: tuned - no_model"}
    assert json.loads(call("close", folder, "--json").stdout)["closed"] > 0
    assert "consented" in call("analyse", folder).stderr
