"""Many requests to chat models: side by side, cached on disk, counted, within a budget."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calibrant.errors import DamagedFile, ModelUnavailable
from calibrant.models.remote import Chat, RemoteModel, Reply, run_async, side_by_side
from calibrant.records import content_hash

GIVE_UP_AFTER = 20
"""Requests in a row that failed, each after its retries, before an endpoint counts as down."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What asking may take."""

    max_new_tokens: int = 16
    """Of a reply."""
    n_top: int = 0
    """Likeliest tokens to be told at each place of a reply; 0 for none."""
    n_in_flight: int = 64
    """Requests that are open at once."""
    price_in: float = 0.0
    """Of a million tokens that are read, in any currency."""
    price_out: float = 0.0
    """Of a million tokens that are written."""
    budget: float | None = None
    """Most that may be spent, in that currency."""
    budget_tokens: int | None = None
    """Most tokens that may be read and written."""


class Ledger:
    """What was asked and spent; whether the next request may still be sent."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.n_requests = self.n_cached = self.n_failed = 0
        self.n_prompt_tokens = self.n_reply_tokens = 0
        self._held = (0, 0)
        self.spent = False
        self._in_a_row: dict[int, int] = {}

    @property
    def cost(self) -> float:
        """In the currency of the prices."""
        return self._price(self.n_prompt_tokens, self.n_reply_tokens)

    def _price(self, n_in: int, n_out: int) -> float:
        return (n_in * self.limits.price_in + n_out * self.limits.price_out) / 1e6

    def hold(self, text: str) -> tuple[int, int] | None:
        """Tokens set aside for a request, a generous guess; None when the budget has none left."""
        here = (len(text.encode()) // 2 + 16, self.limits.max_new_tokens)
        n_in = self.n_prompt_tokens + self._held[0] + here[0]
        n_out = self.n_reply_tokens + self._held[1] + here[1]
        budget, tokens = self.limits.budget, self.limits.budget_tokens
        self.spent |= budget is not None and self._price(n_in, n_out) > budget
        self.spent |= tokens is not None and n_in + n_out > tokens
        if self.spent:
            return None
        self._held = (self._held[0] + here[0], self._held[1] + here[1])
        return here

    def settle(self, model: int, held: tuple[int, int], reply: Reply | None) -> None:
        """Count what a request took in place of what was set aside."""
        self._held = (self._held[0] - held[0], self._held[1] - held[1])
        self.n_requests += 1
        self._in_a_row[model] = 0 if reply else self._in_a_row.get(model, 0) + 1
        if reply:
            self.n_prompt_tokens += reply.n_prompt_tokens
            self.n_reply_tokens += reply.n_reply_tokens
        else:
            self.n_failed += 1

    def is_down(self, model: int) -> bool:
        """Whether the model failed too often in a row to be asked again."""
        return self._in_a_row.get(model, 0) >= GIVE_UP_AFTER

    def told(self) -> dict[str, Any]:
        """The counts, for a manifest."""
        counts = ("n_requests", "n_cached", "n_failed", "n_prompt_tokens", "n_reply_tokens")
        return {name: getattr(self, name) for name in counts} | {"cost": round(self.cost, 6)}


class ReplyCache:
    """Replies on disk by the content of their request; used as `with ReplyCache(path) as cache:`.

    Raises
    ------
    DamagedFile
        When the file is no cache.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __enter__(self) -> ReplyCache:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._base = sqlite3.connect(self.path, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute("CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply)")
        except sqlite3.Error as error:
            raise DamagedFile(f"{self.path} is no cache of replies: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def get(self, key: str) -> Reply | None:
        """The reply that was kept under the key."""
        row = self._base.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        found = json.loads(row[0])
        found |= {"log_probs": tuple(found["log_probs"]), "top": tuple(found["top"])}
        return Reply(**found)

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply; it is on disk when this returns."""
        text = json.dumps(asdict(reply), ensure_ascii=False)
        self._base.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, text))


def usual_cache() -> Path:
    """The user's own cache of replies."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "calibrant" / "replies.sqlite"


def ask_all(
    models: Sequence[Chat], texts: Sequence[str], limits: Limits, cache: str | Path, ledger: Ledger
) -> list[list[Reply | str]]:
    """Each model's reply to each text (one user's turn), or why there is none.

    A text is asked about once, and a request that the cache knows is not sent. What was answered is
    in the cache when the work is stopped. When the budget is spent the rest is not sent.

    Parameters
    ----------
    cache
        Path of its file.
    ledger
        Takes the counts.
    """
    found: dict[tuple[str, int], Reply | str] = {}

    async def one(store: ReplyCache, text: str, i: int) -> None:
        model = models[i]
        asked = (getattr(model, "base_url", ""), model.name.name, model.name.revision, text)
        key = content_hash(*asked, limits.max_new_tokens, limits.n_top)
        if (kept := store.get(key)) is not None:
            ledger.n_cached += 1
            found[text, i] = kept
        elif ledger.is_down(i):
            found[text, i] = f"{model.name.name} is down: {GIVE_UP_AFTER} requests in a row failed"
        elif (held := ledger.hold(text)) is None:
            found[text, i] = f"the budget is spent ({_budget(limits)})"
        else:
            turns = [{"role": "user", "content": text}]
            reply = None
            try:
                reply = await model.chat(
                    turns, max_new_tokens=limits.max_new_tokens, n_top=limits.n_top
                )
                store.put(key, reply)
                found[text, i] = reply
            except ModelUnavailable as error:
                found[text, i] = str(error)
            ledger.settle(i, held, reply)

    async def work() -> None:
        async with AsyncExitStack() as stack:
            store = stack.enter_context(ReplyCache(cache))
            for model in models:
                if isinstance(model, RemoteModel):
                    await stack.enter_async_context(model)

            def jobs() -> Iterator[Any]:
                for text in dict.fromkeys(texts):
                    for i in range(len(models)):
                        yield one(store, text, i)

            await side_by_side(jobs(), limits.n_in_flight)

    run_async(work())
    return [[found[text, i] for i in range(len(models))] for text in texts]


def _budget(limits: Limits) -> str:
    if limits.budget is not None:
        return f"{limits.budget:g} at {limits.price_in:g} and {limits.price_out:g} a million tokens"
    return f"{limits.budget_tokens} tokens"
