"""Greedy answers, batched by length, with token ids and log-probabilities.

Shape suffixes: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from calibrant.answers.extract import extract
from calibrant.answers.prompts import Prompts, decode
from calibrant.models.local import LocalModel
from calibrant.records import Answer, Question

N_TOP = 5
"""Log-probabilities that are kept at each place, as servers give them."""
MAX_NEW_TOKENS = 30
"""Of open answers, as in the paper's training data; a choice is one token."""


def answer(
    questions: Sequence[Question],
    model: LocalModel,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    say: Callable[[str], None] = print,
) -> list[Answer]:
    """One greedy answer to each question, in their order.

    An open answer ends at the model's end marker or at the first line break.
    """
    by_format: dict[bool, list[Question]] = {False: [], True: []}
    for question in questions:
        by_format[bool(question.choices)].append(question)
    made = [
        *_answer_all(by_format[False], model, max_new_tokens, say),
        *_answer_all(by_format[True], model, 1, say),
    ]
    found = {one.question_id: one for one in made}
    return [found[question.id] for question in questions]


def _answer_all(
    questions: list[Question], model: LocalModel, max_new_tokens: int, say: Callable[[str], None]
) -> list[Answer]:
    prompts = Prompts(model.tokenizer)
    rows = [prompts.question(question) for question in questions]

    def work(batch: list[int]) -> list[Answer]:
        chosen, ids = [questions[i] for i in batch], [rows[i] for i in batch]
        return _answer_batch(chosen, ids, model, prompts, max_new_tokens)

    return model.batched(rows, work, max_new_tokens, say)


def _answer_batch(
    questions: list[Question],
    rows: list[list[int]],
    model: LocalModel,
    prompts: Prompts,
    max_new_tokens: int,
) -> list[Answer]:
    ids, log_probs, first, top = greedy(model, rows, max_new_tokens)
    answers = []
    for i, question in enumerate(questions):
        ended = bool(ids[i]) and ends(model, ids[i][-1])
        text = decode(model.tokenizer, ids[i][:-1] if ended else ids[i])
        letters = prompts.letters(question) if question.choices else []
        answers.append(
            Answer(
                question_id=question.id,
                text=text,
                extracted=extract(text, question),
                model=model.name,
                prompt=prompts.label,
                token_ids=tuple(ids[i]),
                log_probs=tuple(log_probs[i]),
                top_log_probs=tuple(map(tuple, top[i])),
                option_probs=tuple(first[i, letters].exp().tolist()),
                finish_reason="stop" if ended else "length",
            )
        )
    return answers


def ends(model: LocalModel, token: int) -> bool:
    """Whether a generated token ends the answer: an end marker or one with a line break."""
    return token in model.end_ids or "\n" in model.tokenizer.decode([token])


@torch.no_grad()
def greedy(
    model: LocalModel, rows: Sequence[Sequence[int]], max_new_tokens: int
) -> tuple[list[list[int]], list[list[float]], torch.Tensor, list[list[list[float]]]]:
    """Continue each row of token ids by the likeliest token until it ends.

    Returns
    -------
    ids, log_probs
        Per row the new tokens, the ending one included, and their natural log-probabilities.
    first
        Log-probabilities (B, V) at the first new position, float32 on the CPU.
    top
        Per row and new token the `N_TOP` largest log-probabilities, falling.
    """
    ids_BT, mask_BT = model.pad(rows, left=True)
    ids: list[list[int]] = [[] for _ in rows]
    log_probs: list[list[float]] = [[] for _ in rows]
    top: list[list[list[float]]] = [[] for _ in rows]
    first = torch.empty(0)
    for step, (token_B, log_prob_B, log_probs_BV) in enumerate(_steps(model, ids_BT, mask_BT)):
        if step == 0:
            first = log_probs_BV.float().cpu()
        chosen, values = token_B.tolist(), log_prob_B.tolist()
        likeliest = log_probs_BV.topk(min(N_TOP, log_probs_BV.shape[-1])).values.tolist()
        for i, token in enumerate(chosen):
            if not (ids[i] and ends(model, ids[i][-1])):
                ids[i].append(token)
                log_probs[i].append(values[i])
                top[i].append(likeliest[i])
        if step + 1 == max_new_tokens or all(ends(model, row[-1]) for row in ids):
            break
    return ids, log_probs, first, top


def _steps(
    model: LocalModel, ids_BT: torch.Tensor, mask_BT: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """(token (B,), its log-probability (B,), all log-probabilities (B, V)) of each step."""
    cache = None
    while True:
        output = model.forward(
            input_ids=ids_BT, attention_mask=mask_BT, past_key_values=cache, use_cache=True, keep=1
        )
        cache = output.past_key_values
        log_probs_BV = output.logits[:, -1].float().log_softmax(-1)
        log_prob_B, token_B = log_probs_BV.max(-1)
        yield token_B, log_prob_B, log_probs_BV
        ids_BT = token_B[:, None]
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(mask_BT), 1)], 1)
