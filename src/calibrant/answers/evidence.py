"""Question and answer as a text encoder reads them, whichever model answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibrant.answers.kept import kept
from calibrant.answers.prompts import evidence
from calibrant.models.encoder import Encoder
from calibrant.models.remote import RemoteModel, run_async, side_by_side
from calibrant.records import Answered, content_hash

AT_ONCE = 64
"""Texts in one request to an endpoint."""
HEAD_SHARE = 0.6
"""Share of the tokens that the question may take when the answer needs the rest."""


def sequences(
    items: Sequence[Answered], encoder: Encoder, max_tokens: int, *, tell_model: bool = False
) -> list[list[int]]:
    """Token ids of each item: question and chosen option, then the answer's words.

    Where both are too long, each is cut at its front: the end of a question asks, the end of the
    reasoning holds the answer. A short one leaves its room to the other.
    """
    pairs = [evidence(item, tell_model=tell_model) for item in items]
    tokenizer = encoder.tokenizer
    first, between = ([i] if i is not None else [] for i in _special(tokenizer))
    room = min(max_tokens, encoder.max_tokens) - len(first) - 2 * len(between)
    rows = []
    for texts in pairs:
        opening, question, answer = (
            tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts
        )
        space = max(room - len(opening), 0)
        n_question = max(space - len(answer), min(len(question), int(HEAD_SHARE * space)))
        question = _end(question, n_question)
        answer = _end(answer, space - len(question))
        rows.append(first + opening[:room] + question + between + answer + between)
    return rows


def _special(tokenizer: Any) -> tuple[int | None, int | None]:
    return tokenizer.cls_token_id, tokenizer.sep_token_id


def _end(ids: list[int], n: int) -> list[int]:
    return ids[len(ids) - n :] if len(ids) > n else ids


def kept_embeddings(
    items: Sequence[Answered],
    encoder: Encoder,
    max_tokens: int,
    cache: Path | None,
    *,
    tell_model: bool = False,
) -> NDArray[np.float64]:
    """As `embeddings`, each answer's computed once and kept in `cache` where it is set."""
    key = content_hash(asdict(encoder.name), max_tokens)
    folder = cache and cache / f"embedding-{key}"

    def told(item: Answered) -> str:
        return content_hash(*evidence(item, tell_model=tell_model))

    def compute(new: list[Answered]) -> NDArray[np.float32]:
        return embeddings(new, encoder, max_tokens, tell_model=tell_model).astype(np.float32)

    return kept(folder, items, told, compute).astype(np.float64)


def embeddings(
    items: Sequence[Answered],
    encoder: Encoder | RemoteModel,
    max_tokens: int,
    *,
    tell_model: bool = False,
) -> NDArray[np.float64]:
    """The frozen encoder's embedding of each item, (N, D).

    An endpoint is sent the text as it is: it cuts by rules of its own.
    """
    if not items:
        return np.empty((0, 0))
    if isinstance(encoder, RemoteModel):
        pairs = [evidence(item, tell_model=tell_model) for item in items]
        texts = ["\n".join(filter(None, parts)) for parts in pairs]
        return run_async(_remote(texts, encoder)).astype(np.float64)
    rows = sequences(items, encoder, max_tokens, tell_model=tell_model)
    found = encoder.batched(rows, lambda part: encoder.pooled([rows[i] for i in part]))
    return np.asarray(found.numpy(), dtype=np.float64)


async def _remote(texts: Sequence[str], encoder: RemoteModel) -> NDArray[np.float32]:
    """Embeddings (N, D) of texts, in requests of some texts each."""
    starts = range(0, len(texts), AT_ONCE)
    found: dict[int, NDArray[np.float32]] = {}

    async def one(start: int) -> None:
        found[start] = await encoder.embeddings(texts[start : start + AT_ONCE])

    async with encoder:
        await side_by_side((one(start) for start in starts), encoder.n_in_flight)
    return np.concatenate([found[start] for start in starts])
