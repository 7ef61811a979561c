"""How long things take on this machine; nothing else should be running.

    python benchmarks/speed.py [--json FILE]

- metrics: every metric on a million confidences, without intervals
- bootstrap: 1,000 draws of 3,000 answers by subject and group, and smooth ECE on each
- import: `import calibrant` in a new process, against `python -c pass`
- threads: answering on the embedded model with one and two threads while another process keeps a
  core busy, with idle threads waiting passively and spinning
- replies: verbal replies of the demo's model, against batches that wait for their longest one
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ANSWER = """
import sys, time, torch
torch.set_num_threads(int(sys.argv[1]))
from calibrant import LocalModel, answer, load_questions
model = LocalModel()
questions = [q for q in load_questions("almanac") if not q.choices][:300]
answer(questions[:50], model)
start = time.perf_counter()
answer(questions, model)
print(time.perf_counter() - start)
"""


def metrics() -> list[dict[str, Any]]:
    """Seconds of each metric on a million confidences."""
    from calibrant.registry import variants

    generator = np.random.default_rng(0)
    confidence = generator.beta(2, 2, 1_000_000)
    correct = generator.random(1_000_000) < confidence
    rows, total = [], 0.0
    for name, metric in variants("metrics").items():
        start = time.perf_counter()
        metric(confidence, correct)
        seconds = time.perf_counter() - start
        total += seconds
        rows.append({"what": f"metrics: {name}", "seconds": seconds})
    return [*rows, {"what": "metrics: all", "seconds": total}]


def bootstrap() -> list[dict[str, Any]]:
    """Seconds of the draws, and of the metric that takes longest on them."""
    from calibrant.metrics import resample, smooth_ece

    generator = np.random.default_rng(0)
    confidence = generator.random(3000)
    correct = generator.random(3000) < confidence
    start = time.perf_counter()
    drawn = resample(np.arange(3000) // 2, np.arange(3000) % 40, "subject")
    middle = time.perf_counter()
    smooth_ece(confidence, correct, drawn.weights)
    seconds = {"draws": middle - start, "smooth ECE": time.perf_counter() - middle}
    return [{"what": f"bootstrap: {what}", "seconds": told} for what, told in seconds.items()]


def imports() -> list[dict[str, Any]]:
    """Least of five: a bare interpreter, and one that imports calibrant."""
    rows = []
    for code in ("pass", "import calibrant"):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - start)
        rows.append({"what": f"import: python -c '{code}'", "seconds": min(times)})
    return rows


def threads() -> list[dict[str, Any]]:
    """Answering 300 questions beside a busy process."""
    rows = []
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        for policy in ("PASSIVE", "ACTIVE"):
            for n in ("1", "2"):
                found = subprocess.run(
                    [sys.executable, "-c", ANSWER, n],
                    env={**os.environ, "OMP_WAIT_POLICY": policy},
                    capture_output=True,
                    text=True,
                    check=True,
                )
                what = f"threads: {n}, {policy.lower()}, beside a busy process"
                rows.append({"what": what, "seconds": float(found.stdout.split()[-1])})
    finally:
        busy.kill()
    return rows


def replies() -> list[dict[str, Any]]:
    """Four guesses and how likely they are, as `verbal` asks for them."""
    from calibrant import LocalModel, load_questions
    from calibrant.answers.generate import greedy
    from calibrant.answers.prompts import Prompts, guesses
    from calibrant.answers.talk import talk_with

    model, n_new = LocalModel("almanac-small-chat"), 108
    questions = [q for q in load_questions("almanac") if not q.choices][::70][:200]
    rows = [Prompts.of(model).question(question, guesses(4)) for question in questions]

    def waiting(part: list[int]) -> list[list[int]]:
        batch = [rows[i] for i in part]
        return greedy(model, batch, n_new, one_line=False, whole_cache=True).ids

    talk = talk_with(model, n_new, one_line=False, say=print)
    talk.ask(questions[:20], guesses(4))
    start = time.perf_counter()
    talk.ask(questions, guesses(4))
    middle = time.perf_counter()
    model.batched(rows, waiting, n_new)
    ours, theirs = middle - start, time.perf_counter() - middle
    return [
        {"what": f"replies: {len(rows)}", "seconds": ours},
        {"what": f"replies: waiting, {theirs / ours:.1f} times as long", "seconds": theirs},
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = metrics() + bootstrap() + imports() + threads() + replies()
    for row in rows:
        print(f"{row['what']:52} {row['seconds']:8.3f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
