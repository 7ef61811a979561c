"""Memory and rate of reading a JSONL of a gigabyte: rows, questions, and the draw of a run.

    python benchmarks/reading.py --json reading.json

The questions are made up; a third of the bytes is a context, as passages would be.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PASSAGE = "The lighthouse keeper wrote down the wind, the tide and the ships. " * 3


def make(path: Path, n_bytes: int) -> int:
    """Write about `n_bytes`; returns the number of rows."""
    n = size = 0
    with open(path, "w", encoding="utf-8") as file:
        while size < n_bytes:
            row = {
                "question": f"In which year was the lamp of lighthouse number {n} lit first?",
                "target": str(1700 + n % 300),
                "context": PASSAGE,
                "subject": f"coast {n % 57}",
                "choices": [str(1700 + (n + k) % 300) for k in range(4)],
                "note": "x" * 150,
            }
            size += file.write(json.dumps(row) + "\n")
            n += 1
    return n


def rows(path: str) -> int:
    """Read the rows."""
    from calibrant.tables import iterate_table

    return sum(1 for _ in iterate_table(path))


def questions(path: str) -> int:
    """Make questions of them, each checked and looked for a second time."""
    from calibrant.questions.source import iterate_questions

    return sum(1 for _ in iterate_questions(path))


def draw(path: str) -> int:
    """Draw those of a run."""
    from calibrant.questions.mixture import Sizes, choose
    from calibrant.questions.source import iterate_questions

    return len(choose(iterate_questions(path), Sizes(), (), 0))


def measured(job: Callable[[str], int], path: str, results: Any) -> None:
    """Run one job and tell its count, seconds and peak resident memory in MB."""
    start = time.perf_counter()
    n = job(path)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put({"job": job.__name__, "n": n, "seconds": seconds, "peak_mb": peak})


def main() -> None:
    """Measure at two sizes: flat memory is the same at both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (0.1, 1.0):
            path = Path(folder) / "questions.jsonl"
            n = make(path, round(options.gigabytes * part * 1e9))
            for job in (rows, questions, draw):
                results = context.Queue()
                process = context.Process(target=measured, args=(job, str(path), results))
                process.start()
                row = results.get() | {"gigabytes": path.stat().st_size / 1e9, "n_rows": n}
                process.join()
                row["rows_per_second"] = n / row["seconds"]
                found.append(row)
                print(row, flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
