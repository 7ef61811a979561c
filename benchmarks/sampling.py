"""Ten samples of each question: from one shared prefix, and in the ways that repeat it.

    python benchmarks/sampling.py [--json FILE] [--questions 64]

Four ways to draw K = 10 samples (top-p 0.95, temperature 1, at most 30 new tokens) of the embedded
model's open questions, on one thread, alternating, the least time of three rounds:

- one prefix: `calibrant.answers.sample`, a question's cache computed once and repeated
- ten times one: the same loop, one sample at a time, each with a prefix pass of its own
- ten generations: `model.generate(do_sample=True)`, ten times
- num_return_sequences: `model.generate(do_sample=True, num_return_sequences=10)`, once

`batch` is the number of questions in one call. `speedup` is that of one prefix over the row's way.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from calibrant import LocalModel, load_questions
from calibrant.answers.prompts import Prompts
from calibrant.answers.sample import Sampling, sample
from calibrant.records import Question

SAMPLING = Sampling()
ROUNDS = 3


def _generate(model: LocalModel, questions: list[Question], n: int, times: int) -> int:
    """Samples by transformers' own loop; returns the number of new tokens."""
    prompts = Prompts(model.tokenizer)
    ids, mask = model.pad([prompts.question(question) for question in questions], left=True)
    n_tokens = 0
    for _ in range(times):
        found = model.module.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            top_p=SAMPLING.top_p,
            top_k=0,
            temperature=SAMPLING.temperature,
            max_new_tokens=SAMPLING.max_new_tokens,
            num_return_sequences=n,
            pad_token_id=model.pad_id,
        )
        n_tokens += int((found[:, ids.shape[1] :] != model.pad_id).sum())
    return n_tokens


def _sample(model: LocalModel, questions: list[Question], times: int) -> int:
    """Samples by our loop; returns the number of new tokens."""
    n = SAMPLING.n_samples // times
    drawn = [
        sample(questions, model, replace(SAMPLING, n_samples=n, seed=seed)) for seed in range(times)
    ]
    return sum(len(a.token_ids) for one in drawn for answers in one for a in answers)


WAYS: dict[str, Callable[[LocalModel, list[Question]], int]] = {
    "one prefix": lambda model, part: _sample(model, part, 1),
    "ten times one": lambda model, part: _sample(model, part, 10),
    "ten generations": lambda model, part: _generate(model, part, 1, 10),
    "num_return_sequences": lambda model, part: _generate(model, part, 10, 1),
}


def measure(model: LocalModel, questions: list[Question], batch: int) -> list[dict[str, Any]]:
    """A row for each way."""
    parts = [questions[i : i + batch] for i in range(0, len(questions), batch)]
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    tokens: dict[str, int] = {}
    for _ in range(ROUNDS):
        for way, work in WAYS.items():
            start = time.perf_counter()
            tokens[way] = sum(work(model, part) for part in parts)
            seconds[way].append(time.perf_counter() - start)
    return [
        {
            "way": way,
            "batch": batch,
            "n_questions": len(questions),
            "n_samples": SAMPLING.n_samples,
            "new_tokens": tokens[way],
            "seconds": min(seconds[way]),
            "samples_per_s": len(questions) * SAMPLING.n_samples / min(seconds[way]),
            "speedup": min(seconds[way]) / min(seconds["one prefix"]),
        }
        for way in WAYS
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--questions", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = LocalModel()
    questions = [q for q in load_questions("almanac") if not q.choices][: arguments.questions]
    rows = []
    for batch in (1, 8, 32):
        rows += measure(model, questions, batch)
    print(f"{'way':22} {'batch':>5} {'tokens':>7} {'seconds':>8} {'samples/s':>10} {'speedup':>8}")
    for row in rows:
        print(
            f"{row['way']:22} {row['batch']:5} {row['new_tokens']:7} {row['seconds']:8.2f}"
            f" {row['samples_per_s']:10.0f} {row['speedup']:8.2f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
