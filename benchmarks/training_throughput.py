"""Examples a second of LoRA + Prompt against the plain way; nothing else should be running.

    python benchmarks/training_throughput.py [--model almanac-small] [--json FILE]

Three ways through the same graded answers on the same model, batch by batch in turns, the median
of three rounds of an epoch's gradients (no optimiser):

- plain: random batches padded to the longest; one pass over question, answer and query, one over
  question and reference, one of the untuned model over the same, gradients everywhere
- full: the paper's loss as the package computes it (question read once, branches, distributions of
  the untuned model kept)
- query: the adapter acts from the query on; what stands before it is kept

`context` is what was put before each question: nothing (the almanac's own, short), a few lines or
a passage; `tokens` is the mean length. Without dropout the plain and the full loss are equal, which
is checked first.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from calibrant import LocalModel, answer, grade, load_questions
from calibrant.answers.query import option_logits, sequences
from calibrant.records import Answered, Question
from calibrant.training import adapters, losses
from calibrant.training.prompt_tuning import FullTuning, QueryTuning

BATCH, N, ROUNDS = 32, 256, 3
LINES = {"": 0, "a few lines": 3, "a passage": 14}


def plain_backward(tuning: FullTuning, rows: list[list[int]], batch: list[int]) -> float:
    """The loss with three whole passes."""
    adapters.train_mode(tuning.peft)
    logits_B2 = option_logits([rows[i] for i in batch], tuning.model, tuning.peft)
    loss = losses.two_token_cross_entropy(logits_B2, tuning.correct[batch])
    some = [i for i in batch if tuning.references[i]]
    width = max(len(tuning.references[i]) for i in some)
    ids_BT, mask_BT = tuning.model.pad(
        [tuning.questions[i] + tuning.references[i] for i in some], left=True
    )
    inputs = {"input_ids": ids_BT, "attention_mask": mask_BT}
    lengths_B = torch.tensor([len(tuning.references[i]) for i in some])
    counted_BT = torch.arange(width, 0, -1)[None] <= lengths_B[:, None]

    def log_probs() -> torch.Tensor:
        output = tuning.model.forward(tuning.peft, keep=width + 1, **inputs)
        found: torch.Tensor = output.logits[:, -width - 1 : -1].float().log_softmax(-1)
        return found

    with torch.no_grad(), tuning.peft.disable_adapter():
        base = log_probs()
    loss = (loss + losses.jensen_shannon(base, log_probs(), counted_BT)) / len(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def epoch(ways: dict[str, Callable[[list[int]], float]], n: int) -> dict[str, float]:
    """Seconds that each way takes for an epoch in random batches."""
    order, times = random.Random(0).sample(range(n), n), dict.fromkeys(ways, 0.0)
    for place in range(0, n, BATCH):
        for way, backward in ways.items():
            start = time.perf_counter()
            backward(order[place : place + BATCH])
            times[way] += time.perf_counter() - start
    return times


def measure(model: LocalModel, kind: str) -> list[dict[str, Any]]:
    """Rows of one kind of context."""
    context = " ".join(f"Line {i} of the page tells of nothing." for i in range(LINES[kind]))
    open_ended = [q for q in load_questions("almanac") if not q.choices and q.answerable]
    questions = [
        Question(text=q.text, targets=q.targets, context=context)
        for q in open_ended[:: len(open_ended) // N][:N]
    ]
    answers = answer(questions, model)
    items = [Answered(question=q, answer=a) for q, a in zip(questions, answers)]
    correct = [one.verdict.value == "correct" for one in grade(items)]
    config = adapters.lora_config(model, rank=8, alpha=32, dropout=0.0, targets=())
    rows = sequences(items, model)
    with adapters.attached(model, config) as peft:
        for name, parameter in peft.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
        full = FullTuning(peft, model, items, correct, 1.0)
        query = QueryTuning(peft, model, items, correct)
        ways = {
            "plain": lambda batch: plain_backward(full, rows, batch),
            "full": full.backward,
            "query": query.backward,
        }
        batch = list(range(BATCH))
        one, other = ways["plain"](batch), ways["full"](batch)
        assert abs(one - other) < 1e-3 * one, (one, other)
        epoch(ways, N)  # fills what is kept
        rounds = [epoch(ways, N) for _ in range(ROUNDS)]
        times = {way: statistics.median(one[way] for one in rounds) for way in ways}
    tokens = sum(map(len, rows)) / N
    return [
        {
            "way": way,
            "context": kind,
            "tokens": tokens,
            "examples_per_s": N / seconds,
            "speedup": times["plain"] / seconds,
        }
        for way, seconds in times.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="almanac-small")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = LocalModel(arguments.model)
    rows = [row for kind in LINES for row in measure(model, kind)]
    for row in rows:
        print(
            f"{row['way']:6} context {row['context'] or '-':10} ({row['tokens']:.0f} tokens)"
            f"  {row['examples_per_s']:7.0f} examples/s  {row['speedup']:.2f} x plain"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
