"""Several stochastic answers to a question, drawn together from one pass over the question.

What is drawn depends on the question, the model and the settings alone: each question has its own
random numbers, so neither its neighbours in a batch nor their order change its samples. (Two runs
can part where a random number falls within rounding error of the border between two tokens.)

Shape suffixes: B batch, K samples of a question, S rows that still run (at most B * K), T tokens,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from calibrant.answers.extract import extract
from calibrant.answers.generate import MAX_NEW_TOKENS, ends, limits_of, line_of, within
from calibrant.answers.prompts import Prompts, check_room
from calibrant.errors import InvalidData
from calibrant.models.local import LocalModel
from calibrant.records import Answer, Question, content_hash, from_row, to_row
from calibrant.runs import read_parquet, write_parquet

CHUNK = 256
"""Questions whose samples are written to disk at once."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How samples are drawn."""

    n_samples: int = 10
    """To each question."""
    top_p: float = 0.95
    """The likeliest tokens that together reach this probability are drawn from."""
    temperature: float = 1.0
    """Divides the logits before anything else."""
    max_new_tokens: int = MAX_NEW_TOKENS
    """Of open answers; a choice is one token."""
    seed: int = 0
    """Of each question's random numbers, with the question's id."""

    def __post_init__(self) -> None:
        if self.n_samples < 1 or self.max_new_tokens < 1:
            raise InvalidData(f"at least one sample of at least one token, not {self}")
        if not (0 < self.top_p <= 1 and self.temperature > 0):
            raise InvalidData(f"top_p is in (0, 1] and temperature above 0, not as in {self}")

    @property
    def label(self) -> str:
        """What a sample depends on beside question and model; not how many there are."""
        return (
            f"top_p={self.top_p} temperature={self.temperature}"
            f" max_new_tokens={self.max_new_tokens} seed={self.seed}"
        )

    def noise(self, question: Question) -> NDArray[np.float64]:
        """Uniform numbers (K, T) of a question; those of fewer samples are the first of more."""
        generator = np.random.default_rng(int(content_hash(question.id, self.seed), 16))
        return generator.random((self.n_samples, self.max_new_tokens))


def sample(
    questions: Sequence[Question],
    model: LocalModel,
    sampling: Sampling,
    *,
    say: Callable[[str], None] = print,
) -> list[list[Answer]]:
    """The samples of each question, in their order; kept in `model.cache` where it is set.

    Log-probabilities are the model's own, whatever temperature and top-p are. An open sample ends
    at the model's end marker or at the first line break; a choice is one token.
    """
    kind = () if model.dtype == "float32" else (model.dtype,)
    key = content_hash(asdict(model.name), Prompts.of(model).label, sampling.label, *kind)
    return kept_samples(
        questions,
        model.cache and model.cache / f"samples-{key}",
        sampling,
        lambda part: _sample_all(part, model, sampling, say),
    )


def kept_samples(
    questions: Sequence[Question],
    folder: Path | None,
    sampling: Sampling,
    work: Callable[[list[Question]], list[list[Answer]]],
) -> list[list[Answer]]:
    """The samples of each question, by `work` on those of which the folder holds too few.

    Parameters
    ----------
    folder
        Of samples that are drawn in this way and no other; None keeps nothing.
    work
        Samples of some questions; where there are fewer than asked for, they are not kept.
    """
    asked = {question.id: question for question in questions}
    found = _read(folder, sampling) if folder else {}
    pending = [question for id, question in asked.items() if id not in found]
    pending.sort(key=lambda q: (q.format, len(q.text) + sum(map(len, q.choices)), q.id))
    for start in range(0, len(pending), CHUNK):
        part = pending[start : start + CHUNK]
        drawn = dict(zip([question.id for question in part], work(part)))
        whole = {id: a for id, a in drawn.items() if len(a) == sampling.n_samples}
        if folder and whole:
            name = content_hash(list(whole), sampling.n_samples)
            rows = [to_row(one) for answers in whole.values() for one in answers]
            write_parquet(folder / f"{name}.parquet", rows)
        found.update(drawn)
    return [found[question.id] for question in questions]


def _read(folder: Path, sampling: Sampling) -> dict[str, list[Answer]]:
    """Questions of which there are as many samples as are asked for."""
    found: dict[str, list[Answer]] = {}
    for path in sorted(folder.glob("*.parquet")):
        drawn: dict[str, list[Answer]] = {}
        for row in read_parquet(path):
            answer = from_row(Answer, row)
            drawn.setdefault(answer.question_id, []).append(answer)
        found.update({id: a for id, a in drawn.items() if len(a) >= len(found.get(id, ()))})
    n = sampling.n_samples
    return {id: answers[:n] for id, answers in found.items() if len(answers) >= n}


def _sample_all(
    questions: Sequence[Question],
    model: LocalModel,
    sampling: Sampling,
    say: Callable[[str], None],
) -> list[list[Answer]]:
    prompts = Prompts.of(model)
    questions = [within(question, model, sampling.max_new_tokens) for question in questions]
    rows = [prompts.question(question) for question in questions]
    check_room(questions, [len(row) for row in rows], model)

    def work(batch: list[int]) -> list[list[Answer]]:
        n_tokens = max(1 if questions[i].choices else sampling.max_new_tokens for i in batch)
        noise_BKT = np.stack([sampling.noise(questions[i])[:, :n_tokens] for i in batch])
        ids, log_probs = draw(
            model,
            [rows[i] for i in batch],
            noise_BKT,
            top_p=sampling.top_p,
            temperature=sampling.temperature,
            limits=[1 if questions[i].choices else n_tokens for i in batch],
        )
        return [
            [
                _answer(questions[i], model, prompts, sampling, k, ids[b][k], log_probs[b][k])
                for k in range(sampling.n_samples)
            ]
            for b, i in enumerate(batch)
        ]

    # A row costs as many tokens as all its samples.
    n = sampling.n_samples
    costs = [range(n * len(row)) for row in rows]
    return model.batched(costs, work, n * sampling.max_new_tokens, say)


def _answer(
    question: Question,
    model: LocalModel,
    prompts: Prompts,
    sampling: Sampling,
    k: int,
    ids: list[int],
    log_probs: list[float],
) -> Answer:
    ended = ends(model, ids[-1])
    text = line_of(model, ids)
    return Answer(
        question_id=question.id,
        text=text,
        extracted=extract(text, question),
        model=model.name,
        prompt=prompts.label_of(question),
        sampling=f"{sampling.label} sample={k}",
        token_ids=tuple(ids),
        log_probs=tuple(log_probs),
        finish_reason="stop" if ended else "length",
    )


@torch.no_grad()
def draw(
    model: LocalModel,
    rows: Sequence[Sequence[int]],
    noise_BKT: NDArray[np.float64],
    *,
    top_p: float,
    temperature: float,
    limits: Sequence[int] | None = None,
) -> tuple[list[list[list[int]]], list[list[list[float]]]]:
    """K continuations of each row of token ids; a row's cache is computed once and repeated.

    Parameters
    ----------
    noise_BKT
        Uniform numbers in [0, 1), one for each token; T bounds the number of new tokens.
    limits
        The most new tokens of each row; T when not given.

    Returns
    -------
    ids, log_probs
        Per row and sample the new tokens, the ending one included, and their natural
        log-probabilities under the model itself.
    """
    n_rows, n_samples, n_tokens = noise_BKT.shape
    most = limits if limits is not None else [n_tokens] * n_rows
    limit = np.repeat(np.minimum(most, limits_of(model, rows, n_tokens)), n_samples)
    noise_ST = torch.tensor(noise_BKT.reshape(-1, n_tokens), device=model.device)
    ids: list[list[int]] = [[] for _ in limit]
    log_probs: list[list[float]] = [[] for _ in limit]
    ids_BT, mask_BT = model.pad(rows, left=True)
    output = model.forward(input_ids=ids_BT, attention_mask=mask_BT, use_cache=True, keep=1)
    cache = output.past_key_values
    each = torch.arange(len(rows), device=model.device).repeat_interleave(n_samples)
    cache.reorder_cache(each)  # select: a call that layers of every kind know
    mask_ST = mask_BT.repeat_interleave(n_samples, 0)
    logits_SV = output.logits[:, -1].float().repeat_interleave(n_samples, 0)
    running = list(range(len(ids)))
    for step in range(n_tokens):
        token_S = _pick(logits_SV / temperature, noise_ST[running, step], top_p)
        log_prob_S = logits_SV.log_softmax(-1).gather(1, token_S[:, None])[:, 0]
        for i, token, log_prob in zip(running, token_S.tolist(), log_prob_S.tolist()):
            ids[i].append(token)
            log_probs[i].append(log_prob)
        stay = [
            s
            for s, i in enumerate(running)
            if len(ids[i]) < limit[i] and not ends(model, ids[i][-1])
        ]
        if not stay:
            break
        if len(stay) < len(running):  # what has ended leaves the batch
            running = [running[s] for s in stay]
            chosen = torch.tensor(stay, device=model.device)
            cache.reorder_cache(chosen)
            mask_ST, token_S = mask_ST[chosen], token_S[chosen]
        mask_ST = torch.cat([mask_ST, mask_ST.new_ones(len(mask_ST), 1)], 1)
        output = model.forward(
            input_ids=token_S[:, None],
            attention_mask=mask_ST,
            past_key_values=cache,
            use_cache=True,
            keep=1,
        )
        cache, logits_SV = output.past_key_values, output.logits[:, -1].float()
    split = range(0, len(ids), n_samples)
    return [ids[i : i + n_samples] for i in split], [log_probs[i : i + n_samples] for i in split]


def _pick(logits_SV: torch.Tensor, noise_S: torch.Tensor, top_p: float) -> torch.Tensor:
    """One token (S,) of each row, drawn from the smallest set of probability `top_p` or more.

    The cumulative distribution goes through the vocabulary in its own order, not by probability:
    rounding error then moves its borders a little, and never swaps two tokens.
    """
    p_SV = logits_SV.softmax(-1)
    if top_p < 1:
        falling_SV = p_SV.sort(descending=True).values
        before_SV = falling_SV.cumsum(-1) - falling_SV
        least_S1 = falling_SV.masked_fill(before_SV >= top_p, 2.0).min(-1, keepdim=True).values
        p_SV = p_SV.masked_fill(p_SV < least_S1, 0.0)
    total_SV = p_SV.double().cumsum(-1)
    target_S1 = noise_S[:, None] * total_SV[:, -1:]
    return torch.searchsorted(total_SV, target_S1, right=True)[:, 0]
