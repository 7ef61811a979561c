"""Greedy answers, batched by length, with token ids and log-probabilities.

Shape suffixes: B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from transformers import DynamicCache

from calibrant.answers.extract import extract
from calibrant.answers.prompts import Prompts, check_room, decode
from calibrant.errors import InvalidData
from calibrant.models.local import LocalModel
from calibrant.models.prefix import Prefix, kept
from calibrant.parallel import side_by_side
from calibrant.records import Answer, Question

T = TypeVar("T")

N_TOP = 5
"""Log-probabilities that are kept at each place, as servers give them."""
MAX_NEW_TOKENS = 30
"""Of open answers, as in the paper's training data; a choice is one token."""
MANY = 1000
"""Questions that take a small model longer than it takes a process to start."""


@dataclass(frozen=True)
class Generation:
    """What a batch was continued by."""

    ids: list[list[int]]
    """Per row the new tokens, the ending one included."""
    log_probs: list[list[float]]
    """Their natural log-probabilities."""
    top: list[list[list[float]]]
    """Per row and new token the `N_TOP` largest log-probabilities, falling."""
    first: torch.Tensor
    """Log-probabilities (B, V) at the first new position, float32 on the CPU."""
    cache: DynamicCache
    """Keys and values of all rows' tokens but the last, those after a row's end too; without
    `whole_cache` only those of the rows that ended last."""
    mask_BT: torch.Tensor
    """1 where there is a token in the cache."""

    def prefix(self, model: LocalModel) -> Prefix:
        """What was read of question and answer, without end markers, rows pushed together.

        Costs one step where a row was cut at the limit: its last token was not read yet.

        Raises
        ------
        Mismatch
            When the model keeps something else than keys and values of every token.
        ValueError
            When rows have left the cache.
        """
        if len(self.mask_BT) != len(self.ids):
            raise ValueError("the cache is not whole: it takes greedy(..., whole_cache=True)")
        read = kept(self.cache, self.mask_BT, model)
        mask_BT = self.mask_BT
        told = [row[: len(row) - bool(row and ends(model, row[-1]))] for row in self.ids]
        n_steps = max(map(len, self.ids))
        start = mask_BT.shape[1] - (n_steps - 1)
        if any(len(row) == n_steps for row in told):
            last = [[row[-1]] for row in self.ids]
            ids_BT = torch.tensor(last, device=model.device)
            cache = read.cache()
            mask_BT = torch.cat([mask_BT, torch.ones_like(ids_BT)], 1)
            model.forward(
                keep=1,
                input_ids=ids_BT,
                attention_mask=mask_BT,
                past_key_values=cache,
                use_cache=True,
            )
            read = kept(cache, mask_BT, model)
        places = [
            [*mask[:start].nonzero()[:, 0].tolist(), *range(start, start + len(row))]
            for mask, row in zip(mask_BT, told)
        ]
        return read.pick(places)


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
    return generated(
        questions,
        model,
        lambda asked, made, answers: answers,
        max_new_tokens=max_new_tokens,
        say=say,
        whole_cache=False,
    )


def in_batches(
    questions: Sequence[Question],
    model: LocalModel,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    say: Callable[[str], None] = print,
) -> Iterator[list[Answer]]:
    """What `answer` gives, a batch as soon as it is there; side by side if many, of a small model.

    What a batch learns of memory holds for those after it.
    """
    asked = []
    for part, limit in _by_limit(questions, max_new_tokens):
        within_room, rows = _rows([questions[i] for i in part], model, limit)
        asked += [[within_room[i] for i in batch] for batch in model.batches(rows, limit)]
    worth_it = model.is_small and len(questions) >= MANY
    jobs = ((batch, model, max_new_tokens) for batch in asked)
    for answers, budget, said in side_by_side(_batch, jobs, worth_it=worth_it, in_order=False):
        model.token_budget = min(model.token_budget, budget)
        for line in said:
            say(line)
        yield answers


def _batch(
    questions: list[Question], model: LocalModel, max_new_tokens: int
) -> tuple[list[Answer], int, list[str]]:
    """The answers, and what stays in this process else: the token budget, and what was said."""
    said: list[str] = []
    answers = answer(questions, model, max_new_tokens=max_new_tokens, say=said.append)
    return answers, model.token_budget, said


def generated(
    questions: Sequence[Question],
    model: LocalModel,
    work: Callable[[list[Question], Generation, list[Answer]], list[T]],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    say: Callable[[str], None] = print,
    whole_cache: bool,
) -> list[T]:
    """What `work` makes of the answers of each batch, in the order of the questions.

    Parameters
    ----------
    whole_cache
        As of `greedy`.
    """
    found: dict[int, T] = {}
    for part, limit in _by_limit(questions, max_new_tokens):
        chosen = [questions[i] for i in part]
        found.update(zip(part, _generated(chosen, model, work, limit, say, whole_cache)))
    return [found[i] for i in range(len(questions))]


def _by_limit(questions: Sequence[Question], max_new_tokens: int) -> list[tuple[list[int], int]]:
    """(Which ones, how many tokens their answers have at most) of each format."""
    if max_new_tokens < 1:
        raise InvalidData(f"an answer has one token at least, not {max_new_tokens}")
    chosen = [[i for i, q in enumerate(questions) if bool(q.choices) is it] for it in (False, True)]
    return list(zip(chosen, (max_new_tokens, 1)))


def _generated(
    questions: list[Question],
    model: LocalModel,
    work: Callable[[list[Question], Generation, list[Answer]], list[T]],
    limit: int,
    say: Callable[[str], None],
    whole_cache: bool,
) -> list[T]:
    questions, rows = _rows(questions, model, limit)

    def on(batch: list[int]) -> list[T]:
        asked = [questions[i] for i in batch]
        made = greedy(model, [rows[i] for i in batch], limit, whole_cache=whole_cache)
        return work(asked, made, to_answers(asked, made, model, Prompts.of(model)))

    return model.batched(rows, on, limit, say)


def _rows(
    questions: Sequence[Question], model: LocalModel, limit: int
) -> tuple[list[Question], list[list[int]]]:
    """The questions with the shots that there is room for, and their token ids."""
    prompts = Prompts.of(model)
    asked = [within(question, model, limit) for question in questions]
    rows = [prompts.question(question) for question in asked]
    check_room(asked, [len(row) for row in rows], model)
    return asked, rows


def within(question: Question, model: LocalModel, n_new: int) -> Question:
    """The question with as many of its shots, the last ones, as the model has positions for."""
    most, prompts = model.max_tokens, Prompts.of(model)
    while most and question.shots and len(prompts.question(question)) + n_new > most:
        question = replace(question, shots=question.shots[1:])
    return question


def to_answers(
    questions: Sequence[Question], made: Generation, model: LocalModel, prompts: Prompts
) -> list[Answer]:
    """What was generated, as records."""
    ids, answers = made.ids, []
    for i, question in enumerate(questions):
        ended = bool(ids[i]) and ends(model, ids[i][-1])
        text = line_of(model, ids[i])
        letters = prompts.letters(question) if question.choices else []
        answers.append(
            Answer(
                question_id=question.id,
                text=text,
                extracted=extract(text, question),
                model=model.name,
                prompt=prompts.label_of(question),
                token_ids=tuple(ids[i]),
                log_probs=tuple(made.log_probs[i]),
                top_log_probs=tuple(map(tuple, made.top[i])),
                option_probs=tuple(made.first[i, letters].exp().tolist()),
                finish_reason="stop" if ended else "length",
            )
        )
    return answers


def ends(model: LocalModel, token: int, one_line: bool = True) -> bool:
    """Whether a generated token ends the answer: an end marker or one with a line break."""
    return token in model.end_ids or (one_line and "\n" in model.tokenizer.decode([token]))


def line_of(model: LocalModel, ids: Sequence[int]) -> str:
    """Text of an answer's tokens up to its end; a line break may stand within the last one."""
    kept = ids[:-1] if ids and ids[-1] in model.end_ids else ids
    return decode(model.tokenizer, kept, one_line=True)


def limits_of(model: LocalModel, rows: Sequence[Sequence[int]], most: int) -> list[int]:
    """How many new tokens each row may have: the last one is not read, and takes no position."""
    n = model.max_tokens
    return [min(most, n + 1 - len(row)) if n else most for row in rows]


@torch.no_grad()
def greedy(
    model: LocalModel,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    one_line: bool = True,
    whole_cache: bool = False,
) -> Generation:
    """Continue each row of token ids by the likeliest token until it ends, or has no room.

    Parameters
    ----------
    one_line
        Whether a line break ends it, too.
    whole_cache
        Whether rows that have ended stay in the cache, for `Generation.prefix`, at the cost of
        going on with them until all have ended.
    """
    ids_BT, mask_BT = model.pad(rows, left=True)
    limits = limits_of(model, rows, max_new_tokens)
    ids: list[list[int]] = [[] for _ in rows]
    log_probs: list[list[float]] = [[] for _ in rows]
    top: list[list[list[float]]] = [[] for _ in rows]
    done = [False] * len(rows)
    first = torch.empty(0)
    # Layers of the kinds that the model has, unless each is to keep keys and values of all tokens.
    cache = DynamicCache(config=None if whole_cache else model.module.config)
    running = list(range(len(rows)))
    while True:
        output = model.forward(
            input_ids=ids_BT, attention_mask=mask_BT, past_key_values=cache, use_cache=True, keep=1
        )
        log_probs_BV = output.logits[:, -1].float().log_softmax(-1)
        log_prob_B, token_B = log_probs_BV.max(-1)
        if not len(first):
            first = log_probs_BV.cpu()
        chosen, values = token_B.tolist(), log_prob_B.tolist()
        likeliest = log_probs_BV.topk(min(N_TOP, log_probs_BV.shape[-1])).values.tolist()
        for b, i in enumerate(running):
            if not done[i]:
                ids[i].append(chosen[b])
                log_probs[i].append(values[b])
                top[i].append(likeliest[b])
                done[i] = len(ids[i]) >= limits[i] or ends(model, chosen[b], one_line)
        if all(done):
            return Generation(ids, log_probs, top, first, cache, mask_BT)
        stay = [b for b, i in enumerate(running) if whole_cache or not done[i]]
        if len(stay) < len(running):  # what has ended leaves the batch
            running = [running[b] for b in stay]
            places = torch.tensor(stay, device=model.device)
            cache.reorder_cache(places)  # select: a call that layers of every kind know
            mask_BT, token_B = mask_BT[places], token_B[places]
        ids_BT = token_B[:, None]
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(mask_BT), 1)], 1)
