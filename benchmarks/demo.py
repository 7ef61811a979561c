"""The demo's wall time and peak memory on this machine; nothing else should be running.

python benchmarks/demo.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from calibrant.runs import Run


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


def main() -> None:
    """Run the demo into a folder of its own and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo"
        start = time.perf_counter()
        run = ["run", "--model", "almanac-small-chat", "--out", str(out)]
        process = subprocess.Popen(
            [sys.executable, "-m", "calibrant", *run],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(0.5)
        if process.returncode:
            sys.exit(process.returncode)
        row = {
            "seconds": round(time.perf_counter() - start, 1),
            "peak_GiB": round(peak, 2),
            "n_answers": len(Run(out).read("answers")),
        }
    print(row)
    if arguments.json:
        arguments.json.write_text(json.dumps([row]))


if __name__ == "__main__":
    main()
