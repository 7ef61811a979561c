"""A study under load: sessions side by side, each submitting an answer every 10 to 12 seconds.

    python benchmarks/study_load.py [--sessions 500] [--seconds 300] [--database URL] [--json FILE]

Server and load generator are two processes on this machine. It reports the 95th percentile of the
time of a page (from sending a form until the next page is there, redirect included), and whether
an acknowledged answer was lost or stored twice, or places were out of balance. It also measures the
analysis of 500 participants with 60 questions each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from calibrant.study.design import Arm, Design
from calibrant.study.folder import Study, new_study, simulated_copy
from calibrant.study.plan import cell_of, n_cells
from calibrant.study.policies import crowd
from calibrant.study.report import write_report
from calibrant.study.simulate import visit
from calibrant.study.virtual import virtual
from study_null import ARMS, items


def make(folder: Path) -> Study:
    """The paper's design on synthetic items."""
    design = Design(arms=tuple(map(Arm.parse, ARMS)), min_seconds=10)
    study, _, _ = new_study(folder / "study", items(200), design, password="x")
    return simulated_copy(study, folder / "copy", wait=True)


def load(
    study: Study, n: int, seconds: float, database: str, pace: tuple[float, float] = (10, 12)
) -> dict[str, Any]:
    """Serve in a process of its own, send n sessions for some seconds, and compare."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from calibrant.cli import main; main()"
    words = ["study", "serve", str(study.folder), "--port", str(port), "--database", database]
    process = subprocess.Popen([sys.executable, "-c", code, *words])
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            httpx.get(f"{url}/health")
            break
        except httpx.TransportError:
            time.sleep(0.1)
    own = time.process_time()
    try:
        people = crowd(n, 0)
        found = asyncio.run(visit(study, people, url, seed=0, at_once=n, pace=pace, until=seconds))
    finally:
        own = time.process_time() - own
        process.terminate()
        process.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    lost = doubled = 0
    slots = []
    for person, events in study.store.everything():
        stored = [event.step for event in events if event.kind == "answer"]
        acknowledged = found.acknowledged[person.external["PROLIFIC_PID"]]
        lost += len(set(acknowledged) - set(stored))
        doubled += len(stored) - len(set(stored))
        slots += [] if person.slot is None else [person.slot]
    cells = Counter(cell_of(study.design, slot) for slot in slots)
    counts = [cells.get(cell, 0) for cell in range(n_cells(study.design))]
    times = np.array(found.seconds)
    return {
        "sessions": n,
        "seconds": seconds,
        "answers": sum(map(len, found.acknowledged.values())),
        "requests": found.requests,
        "requests per second": round(found.requests / seconds, 1),
        "page p50 ms": round(1000 * float(np.quantile(times, 0.5)), 1),
        "page p95 ms": round(1000 * float(np.quantile(times, 0.95)), 1),
        "page p99 ms": round(1000 * float(np.quantile(times, 0.99)), 1),
        "CPU ms per request": {
            "server (with its start)": round(
                1000 * (used.ru_utime + used.ru_stime) / found.requests, 2
            ),
            "load generator": round(1000 * own / found.requests, 2),
        },
        "failed": found.failed,
        "lost": lost,
        "doubled": doubled,
        "places per cell": [min(counts), max(counts)],
        "finished": found.finished,
    }


def analysis(study: Study, folder: Path) -> dict[str, Any]:
    """Seconds of the analysis and report of 500 x 60 answers."""
    people = crowd(500, 0)
    data = virtual(study.design, study.items, 500, lambda arm, i: people[i], 0)
    start = time.perf_counter()
    write_report(folder / "report", study.design, study.items, *data, simulated=True)
    return {"analysis of 500 x 60, seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--database", default="")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = make(Path(name))
        if given.database:
            study.database = given.database
        found = load(study, given.sessions, given.seconds, given.database)
        found |= analysis(study, Path(name))
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
