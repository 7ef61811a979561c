"""A local model as one that is chatted with, like a remote one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from calibrant.answers.generate import ends, greedy, line_of
from calibrant.answers.prompts import Prompts
from calibrant.models.local import LocalModel
from calibrant.models.remote import Messages, Reply

GATHER_S = 0.01
"""Requests that come within this time are answered as one batch."""


def replies(
    texts: Sequence[str], model: LocalModel, *, max_new_tokens: int = 16, n_top: int = 0
) -> list[Reply]:
    """The greedy reply to each text, in their order, with the likeliest first tokens."""
    prompts = Prompts.of(model)
    rows = [prompts.posed(text) for text in texts]

    def work(batch: list[int]) -> list[Reply]:
        made = greedy(model, [rows[i] for i in batch], max_new_tokens)
        found = []
        for i, (ids, log_probs) in enumerate(zip(made.ids, made.log_probs)):
            ended = bool(ids) and ends(model, ids[-1])
            best = made.first[i].topk(n_top) if n_top else None
            tokens = [model.tokenizer.decode([t]) for t in best.indices.tolist()] if best else []
            found.append(
                Reply(
                    text=line_of(model, ids),
                    log_probs=tuple(log_probs),
                    top=(dict(zip(tokens, best.values.tolist())),) if best else (),
                    finish_reason="stop" if ended else "length",
                    n_prompt_tokens=len(rows[batch[i]]),
                    n_reply_tokens=len(ids),
                )
            )
        return found

    return model.batched(rows, work, max_new_tokens)


class LocalChat:
    """A local model that replies greedily; what is asked at the same time becomes a batch."""

    def __init__(self, name: str) -> None:
        self.model = LocalModel(name)
        self.name = self.model.name
        self._waiting: list[tuple[str, asyncio.Future[Reply]]] = []

    async def chat(
        self,
        messages: Messages,
        *,
        max_new_tokens: int = 30,
        temperature: float = 0.0,
        top_p: float = 1.0,
        n_top: int = 0,
        seed: int | None = None,
    ) -> Reply:
        """The reply to the last turn; sampling settings change nothing."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[Reply] = loop.create_future()
        if not self._waiting:
            loop.call_later(GATHER_S, self._answer, max_new_tokens, n_top)
        self._waiting.append((messages[-1]["content"], mine))
        return await mine

    def _answer(self, max_new_tokens: int, n_top: int) -> None:
        batch, self._waiting = self._waiting, []
        try:
            texts = [text for text, _ in batch]
            found = replies(texts, self.model, max_new_tokens=max_new_tokens, n_top=n_top)
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), reply in zip(batch, found):
            future.set_result(reply)
