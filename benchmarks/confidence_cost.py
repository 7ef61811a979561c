"""What a confidence costs on top of its answer; nothing else should be running.

    python benchmarks/confidence_cost.py [--model almanac-small] [--json FILE]

An answer is 30 tokens of a bare cached decode loop (one pass a token, no bookkeeping) after one
pass over the question. Every estimator is fitted on a few answers first; then the confidence of a
batch of answers is timed, in turns with the question's pass and the loop, and medians are
compared. Rows: `estimator, activation, batch, decode_steps` (multiples of one decode step),
`share_of_answer` (of the whole answer's time), `flops_share` (forward FLOPs of the confidence over
those of the answer).

- `lora_prompt`, query and short_query: the answer's cache is there, the query is appended, as
  `answer_with_confidence` does it (it first reads the last token of answers cut at their limit).
- all others: `score` as it is called for answers that exist.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from calibrant import LocalModel, answer, grade, load_questions
from calibrant.answers.prompts import Prompts
from calibrant.errors import CalibrantError
from calibrant.estimators.estimator import FittedEstimator
from calibrant.estimators.forms import forms_of
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.models import prefix
from calibrant.models.prefix import Prefix
from calibrant.records import Answered, Graded
from calibrant.registry import variants

ANSWER_TOKENS, ROUNDS, FITTED_ON = 30, 9, 96


def medians(*works: Callable[[], Any], rounds: int) -> list[float]:
    """Median seconds of each, in turns, after one round to warm up."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + 1):
        for work, mine in zip(works, times):
            start = time.perf_counter()
            work()
            mine.append(time.perf_counter() - start)
    return [statistics.median(mine[1:]) for mine in times]


def flops(work: Callable[[], Any]) -> int:
    """Forward FLOPs."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


@torch.no_grad()
def decode(model: LocalModel, rows: list[list[int]], n: int) -> Prefix:
    """The bare loop: a pass over the question, then one a token."""
    read = prefix.read(rows, model)
    cache, mask_BT = read.cache(), read.mask_BT
    token_B1 = mask_BT.new_ones(len(rows), 1)
    for _ in range(n):
        mask_BT = torch.cat([mask_BT, token_B1], 1)
        output = model.forward(
            keep=1,
            input_ids=token_B1,
            attention_mask=mask_BT,
            past_key_values=cache,
            use_cache=True,
        )
        token_B1 = output.logits[:, -1].argmax(-1, keepdim=True)
    return Prefix(tuple((layer.keys, layer.values) for layer in cache.layers), mask_BT)


def measure(model: LocalModel, items: list[Answered], fitted: dict[str, Any]) -> list[dict]:  # type: ignore[type-arg]
    """Rows of one batch."""
    rows = [Prompts.of(model).question(item.question) for item in items]
    loop = partial(decode, model, rows, ANSWER_TOKENS)
    read, answer_flops, found = loop(), flops(loop), []

    def row(name: str, activation: str, work: Callable[[], Any], rounds: int = ROUNDS) -> None:
        asks = partial(prefix.read, rows, model)
        seconds, whole, asked = medians(work, loop, asks, rounds=rounds)
        found.append(
            {
                "estimator": name,
                "activation": activation,
                "batch": len(items),
                "decode_steps": seconds * ANSWER_TOKENS / (whole - asked),
                "share_of_answer": seconds / whole,
                "flops_share": flops(work) / answer_flops,
            }
        )

    for name, one in fitted.items():
        how = getattr(one.estimator, "activation", "")
        if one.score_read(read, model) is not None and how:
            row(one.estimator.name, how, partial(one.score_read, read, model), 5 * ROUNDS)
            how += ", from the text"
        row(name.split(" activation")[0], how, partial(one.score, items, model))
    return found


def fit_all(model: LocalModel, items: list[Graded]) -> dict[str, FittedEstimator]:
    """A form of every estimator, with as little training as will do."""
    half, found = len(items) // 2, {}
    forms = forms_of(variants("estimators"))
    forms += [LoraPrompt(activation=where) for where in ("query", "short_query")]
    for form in forms:
        label = " ".join(filter(None, (form.name, form.variant)))
        quick = replace(form, n_epochs=1.0) if hasattr(form, "n_epochs") else form
        try:
            found[label] = quick.fit(items[:half], items[half:], model, 0)
        except CalibrantError as error:
            print(f"{label}: left out: {error}")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="almanac-small")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = LocalModel(arguments.model)
    open_ended = [q for q in load_questions("almanac") if not q.choices and q.answerable]
    questions = open_ended[:: len(open_ended) // FITTED_ON][:FITTED_ON]
    answers = answer(questions, model)
    given = [Answered(question=q, answer=a) for q, a in zip(questions, answers)]
    items = [
        Graded(question=i.question, answer=i.answer, grade=g) for i, g in zip(given, grade(given))
    ]
    fitted = fit_all(model, items)
    rows = [row for batch in (1, 8, 32) for row in measure(model, given[:batch], fitted)]
    for row in rows:
        name = " ".join(filter(None, (row["estimator"], row["activation"])))
        print(
            f"{name:45} batch {row['batch']:2}  {row['decode_steps']:8.2f} decode steps"
            f"  {row['share_of_answer']:8.1%} of the answer  {row['flops_share']:8.1%} of its FLOPs"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
