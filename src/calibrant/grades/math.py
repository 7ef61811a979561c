"""Mathematical equality, of LaTeX and expressions."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any, ClassVar

from calibrant.errors import MissingExtra
from calibrant.grades.grader import Grader, Note, Ruling, judge
from calibrant.records import Answered, Verdict

_START_S = 60.0
"""Time that a process may take to load its libraries."""


@dataclass(frozen=True, kw_only=True)
class Math(Grader):
    """Correct when the answer's last formula equals a target, numerically or symbolically.

    Formulas are found and compared by the library math-verify, in processes of their own.
    """

    name: ClassVar = "math"
    version: ClassVar = "2"
    timeout_s: float = 5.0
    """For one answer; one that takes longer is left ungraded."""

    def check(self) -> None:
        """The library must be there."""
        if find_spec("math_verify") is None:
            raise MissingExtra("the grader math", "grading")

    def rulings(self, items: Sequence[Answered], note: Note) -> list[Ruling]:
        """One process for each core."""
        self.check()
        workers: SimpleQueue[_Worker] = SimpleQueue()
        n_workers = min(os.cpu_count() or 1, len(items))
        started = [_Worker() for _ in range(n_workers)]
        for worker in started:
            workers.put(worker)

        def one(item: Answered) -> Ruling:
            worker = workers.get()
            try:
                return self._ruling(worker, item)
            finally:
                workers.put(worker)

        try:
            with ThreadPoolExecutor(n_workers) as pool:
                return list(pool.map(one, items))
        finally:
            for worker in started:
                worker.stop()

    def _ruling(self, worker: _Worker, item: Answered) -> Ruling:
        job = {"targets": item.question.targets, "answer": item.answer.text[-20_000:]}
        found = worker.ask(job, self.timeout_s)
        if found is None:
            return Ruling(Verdict.UNGRADED, f"comparing took longer than {self.timeout_s:g} s")
        if found["same"] is None:
            return Ruling(Verdict.UNGRADED, found["why"])
        return judge(found["same"], found["why"])


class _Worker:
    """A process of `math_worker`, started anew when it was killed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any] | None:
        """Its reply; None when it took too long. A process that dies gives a failure."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "calibrant.grades.math_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            if self._reply({"targets": ["$x$"], "answer": "$x$"}, _START_S) is None:
                self.stop()
                return {"same": None, "why": "the comparison could not be started"}
        reply = self._reply(job, timeout_s)
        if reply is None or "died" in reply:
            self.stop()
        if reply is not None and "died" in reply:
            return {"same": None, "why": "the comparison died: out of memory?"}
        return reply

    def _reply(self, job: dict[str, Any], timeout_s: float) -> dict[str, Any] | None:
        assert self.process is not None and self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"died": True}
        if not select.select([self.process.stdout], [], [], timeout_s)[0]:
            return None
        line = self.process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {"died": True}
        return found

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            with suppress(BrokenPipeError):
                self.process.communicate()
            self.process = None
