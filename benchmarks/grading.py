"""How fast grading is: short answers, mathematics, a judge against a slow endpoint, the sandbox.

    python benchmarks/grading.py --json runs/grading.json

Prints wall and processor seconds: on a machine that does other things only the latter compare.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from calibrant.grades.grader import grade, grader_called
from calibrant.models.scripted import ScriptedServer
from calibrant.records import Answer, Answered, ModelName, Question

DELAY_S, IN_FLIGHT = 1.0, 64
WORDS = ["capital", "small", "country", "town", "sea", "old", "house", "river", "tree", "stone"]


def items(n: int, kind: str = "words") -> list[Answered]:
    """Short answers with their targets, half of them right."""
    draw = random.Random(0)
    found = []
    for i in range(n):
        target = f"{i}" if kind == "numbers" else " ".join(draw.sample(WORDS, 3)) + f" {i}"
        question = Question(text=f"What is number {i}?", targets=(target,))
        words = target if draw.random() < 0.5 else "something else"
        text = f"The answer is {words}."
        answer = Answer(
            question_id=question.id, text=text, extracted=words, model=ModelName(name="m")
        )
        found.append(Answered(question=question, answer=answer))
    return found


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Wall and processor seconds."""
    wall, cpu = time.monotonic(), time.process_time()
    work()
    return {
        "wall_s": round(time.monotonic() - wall, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
    }


def short_answers(n: int) -> dict[str, Any]:
    """Exact match, substring and plain numbers."""
    words, numbers = items(n), items(n, "numbers")
    return {
        "exact": timed(lambda: grade(words, "exact")),
        "substring": timed(lambda: grade(words, "substring")),
        "number": timed(lambda: grade(numbers, "number")),
    }


def mathematics(n: int) -> dict[str, Any]:
    """Formulas, the start of the processes included."""
    found = []
    for i in range(n):
        question = Question(text="?", targets=(f"x^2+{2 * i}x+{i * i}",))
        text = f"It is $(x+{i})^2$."
        answer = Answer(question_id=question.id, text=text, model=ModelName(name="m"))
        found.append(Answered(question=question, answer=answer))
    told = timed(lambda: grade(found, "math"))
    return told | {"n": n, "per_s": round(n / told["wall_s"], 1)}


def _serve(address: Any, stop: Event) -> None:
    with ScriptedServer(lambda words: "no", delay_s=DELAY_S) as server:
        address.put(server.base_url)
        stop.wait()


def judged(n: int) -> dict[str, Any]:
    """A judge against an endpoint, another process, that takes a second for each request."""
    context = multiprocessing.get_context("spawn")
    address, stop = context.Queue(), context.Event()
    server = context.Process(target=_serve, args=(address, stop))
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"base_url={address.get()}", f"cache={folder}/cache", "judges=any"]
        judge = grader_called("judge", [*settings, f"n_in_flight={IN_FLIGHT}"])
        wrong = items(n)
        told = timed(lambda: judge.grade(wrong))
    stop.set()
    server.join()
    possible = IN_FLIGHT / DELAY_S
    reached = n / told["wall_s"]
    return told | {
        "n": n,
        "per_s": round(reached, 1),
        "endpoint_gives_per_s": possible,
        "share": round(reached / possible, 3),
    }


def programs(n: int) -> dict[str, Any]:
    """Small programs with a test each."""
    found = []
    for i in range(n):
        question = Question(text="?", tests=f"assert f({i}) == {2 * i}")
        answer = Answer(
            question_id=question.id, text="def f(x): return 2 * x", model=ModelName(name="m")
        )
        found.append(Answered(question=question, answer=answer))
    grade(found[:2], "code")
    told = timed(lambda: grade(found, "code"))
    return told | {"n": n, "per_s": round(n / told["wall_s"], 1)}


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--n", type=int, default=100_000, help="short answers")
    options = parser.parse_args()
    found = {
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "n_short": options.n,
        **short_answers(options.n),
        "math": mathematics(200),
        "judge": judged(1920),
        "code": programs(100),
    }
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
