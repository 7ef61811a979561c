"""What a command takes on this machine, in wall time and peak memory; nothing else should run.

python benchmarks/spent.py experiment all --out DIR --data DIR
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path


def memory(session: int) -> float:
    """GiB held by all processes of a session, shared pages counted once (Linux)."""
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if int((place / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                lines = (place / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:  # ended meanwhile
            continue
    return total / 2**20


def spent(arguments: list[str]) -> dict[str, float]:
    """Seconds and peak GiB of one calibrant command; exits as it does where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "calibrant", *arguments],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    peak = 0.0
    try:
        while process.poll() is None:
            looked = time.perf_counter()
            peak = max(peak, memory(process.pid))
            # Adding up pages takes its time, and holds up who asks for more.
            pause = max(0.5, 50 * (time.perf_counter() - looked))
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=min(pause, 5))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    if process.returncode:
        sys.exit(process.returncode)
    return {"seconds": round(time.perf_counter() - start, 1), "peak_GiB": round(peak, 2)}


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    print(spent(sys.argv[1:]))
