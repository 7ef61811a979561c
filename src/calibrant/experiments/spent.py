"""What an experiment took, added up over calls: stopped and called again, it took both."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calibrant.estimators.estimator import Say
from calibrant.runs import write_json


class Spent:
    """Seconds, calls and memory in a file, which is written with every line of progress."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._start = time.monotonic()
        self._place: Path | None = None
        self.told: dict[str, Any] = {"seconds": 0.0, "n_calls": 0, "peak_gib": None}
        """seconds and n_calls so far; peak_gib, None where it is not known."""

    @contextmanager
    def kept_at(self, place: Path) -> Iterator[None]:
        """Add to what the file tells of calls before, whether the block ends well or not."""
        if place.exists():
            self.told = json.loads(place.read_text("utf-8"))
        self.told["n_calls"] += 1
        self._place = place
        try:
            yield
        finally:
            self._note(place)

    def say(self, line: str) -> None:
        """Tell progress."""
        if self._place is not None:
            self._note(self._place)
        self._say(line)

    def _note(self, place: Path) -> None:
        now = time.monotonic()
        known = [gib for gib in (self.told["peak_gib"], peak_gib()) if gib is not None]
        seconds = round(self.told["seconds"] + now - self._start, 3)
        self.told |= {"seconds": seconds, "peak_gib": max(known, default=None)}
        self._start = now
        write_json(place, self.told)


def peak_gib() -> float | None:
    """At most so much memory was held by this process and those that it started and that run.

    The sum of the most that each held; None where the system does not tell.
    """
    mine, found = str(os.getpid()), 0
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            told = dict(line.split(":", 1) for line in path.read_text().splitlines())
        except (OSError, ValueError):  # it has ended
            continue
        if mine in (path.parent.name, told["PPid"].strip()) and "VmHWM" in told:
            found += int(told["VmHWM"].split()[0])
    return round(found / 2**20, 2) if found else None
