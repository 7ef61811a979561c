"""Models behind an OpenAI-compatible endpoint: chat completions and embeddings."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from calibrant.errors import InvalidData, MissingExtra, ModelUnavailable
from calibrant.models.model import Capability, Model
from calibrant.records import ModelName

T = TypeVar("T")
Messages = Sequence[Mapping[str, str]]
"""Turns of a conversation: {"role": ..., "content": ...}."""
TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""
KEY, ADDRESS = "OPENAI_API_KEY", "OPENAI_BASE_URL"
"""Environment variables with the user's key, and with the address that he means it for."""
_HERE = re.compile(r"https?://(localhost|127\.0\.0\.1)(:[0-9]+)?(/.*)?")
LONGEST_WAIT_S = 60.0
PER_CLIENT = 4
"""Connections of one HTTP client."""


class Refused(ModelUnavailable):
    """An endpoint that answers, and does not serve what it was asked."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model said in one turn."""

    text: str
    """Its words."""
    log_probs: tuple[float, ...] = ()
    """Natural log-probability of each token, where the endpoint gives them."""
    top: tuple[Mapping[str, float], ...] = ()
    """For each token the likeliest tokens there with their natural log-probabilities."""
    finish_reason: str = "stop"
    """The endpoint's word, e.g. "stop" or "length"."""
    n_prompt_tokens: int = 0
    """Tokens that were read, as the endpoint counts them."""
    n_reply_tokens: int = 0
    """Tokens that were written."""


@runtime_checkable
class Chat(Protocol):
    """Something that replies: `RemoteModel`, or a scripted one."""

    name: ModelName

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
        """The reply to a conversation; see `RemoteModel.chat`."""


class RemoteModel(Model):
    """A model that an OpenAI-compatible endpoint serves.

    Connections are kept while the model is used as `async with model:`; outside of it each request
    opens its own.

    Parameters
    ----------
    name
        As the endpoint calls it.
    base_url
        Up to and including the version, e.g. "http://localhost:8000/v1".
    key_variable
        Environment variable with the key; it may be unset where the endpoint asks for none.
    timeout_s
        For one attempt.
    n_retries
        Attempts after the first, for failures that may pass (no connection, 429, 5xx). Waits
        double from `first_wait_s`, or are what the endpoint asks for, and are never over a minute.
    n_in_flight
        Requests that whoever asks much should have open at once.
    log_probs
        Whether the endpoint tells log-probabilities; if not, samples are drawn without them, and
        estimators that need them are refused.
    """

    capabilities = frozenset({Capability.GENERATE, Capability.LOGPROBS})

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        key_variable: str = KEY,
        timeout_s: float = 60.0,
        n_retries: int = 4,
        first_wait_s: float = 0.5,
        n_in_flight: int = 64,
        log_probs: bool = True,
    ) -> None:
        if find_spec("httpx") is None:
            raise MissingExtra("a remote model", "grading")
        if not base_url.startswith(("http://", "https://")):
            raise InvalidData(f"{base_url!r} is no address of an endpoint: http(s)://HOST/v1")
        self.name = ModelName(name=name)
        self.base_url = base_url.rstrip("/")
        self.timeout_s, self.n_retries, self.first_wait_s = timeout_s, n_retries, first_wait_s
        self.n_in_flight = n_in_flight
        if not log_probs:
            self.capabilities -= {Capability.LOGPROBS}
        key = os.environ.get(key_variable, "")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._clients: Iterator[Any] | None = None
        self._looked = False

    async def __aenter__(self) -> RemoteModel:
        self._open = AsyncExitStack()
        # httpx looks at all connections of a client for each request: many are dear, so a few each.
        clients = self._new_clients(-(-self.n_in_flight // PER_CLIENT))
        self._clients = cycle([await self._open.enter_async_context(c) for c in clients])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._clients = None
        await self._open.aclose()

    def _new_clients(self, n: int) -> list[Any]:
        import httpx

        context = httpx.create_ssl_context()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        return [
            httpx.AsyncClient(
                headers=self._headers, limits=limits, timeout=self.timeout_s, verify=context
            )
            for _ in range(n)
        ]

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
        """The reply to a conversation.

        Parameters
        ----------
        n_top
            How many of the likeliest tokens are told at each place; 0 asks for none.

        Raises
        ------
        ModelUnavailable
            When the endpoint fails after all retries; `Refused`, when it refuses.
        """
        body: dict[str, Any] = {
            "model": self.name.name,
            "messages": [dict(turn) for turn in messages],
            "max_tokens": max_new_tokens,
            "temperature": temperature,
        }
        if top_p < 1:
            body["top_p"] = top_p
        if n_top:
            body |= {"logprobs": True, "top_logprobs": n_top}
        if seed is not None:
            body["seed"] = seed
        return _reply(await self._post("/chat/completions", body), self.base_url)

    def look_for_log_probs(self) -> None:
        """Ask once whether log-probabilities are told; from then on `capabilities` says so.

        Raises
        ------
        ModelUnavailable
            When the endpoint does not reply.
        """
        if self._looked or Capability.LOGPROBS not in self.capabilities:
            return
        asked = [{"role": "user", "content": "Say yes."}]
        try:
            reply = run_async(self.chat(asked, max_new_tokens=1, n_top=1))
        except Refused:
            reply = run_async(self.chat(asked, max_new_tokens=1))
        if reply.text and not reply.log_probs:
            self.capabilities -= {Capability.LOGPROBS}
        self._looked = True

    async def embeddings(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings (N, D) as the endpoint gives them, in the order of the texts."""
        found = await self._post("/embeddings", {"model": self.name.name, "input": list(texts)})
        try:
            rows = sorted(found["data"], key=lambda row: row["index"])
            vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnavailable(f"{self.base_url} gave no embeddings: {error!r}") from error
        if len(vectors) != len(texts):
            raise ModelUnavailable(
                f"{self.base_url} gave {len(vectors)} embeddings of {len(texts)} texts"
            )
        return vectors

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        if self._clients is None:
            async with self._new_clients(1)[0] as client:
                return await self._attempts(client, path, body)
        return await self._attempts(next(self._clients), path, body)

    async def _attempts(self, client: Any, path: str, body: Mapping[str, Any]) -> Any:
        import httpx

        problem, kind = "", ModelUnavailable
        for attempt in range(self.n_retries + 1):
            wait_s = self.first_wait_s * 2**attempt * random.uniform(0.8, 1.2)
            try:
                response = await client.post(self.base_url + path, json=body)
                if response.status_code == 200:
                    return response.json()
                problem = f"status {response.status_code}: {_message(response)}"
                if response.status_code not in TRANSIENT:
                    kind = Refused
                    break
                wait_s = _asked_wait(response.headers.get("retry-after"), wait_s)
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            except ValueError as error:
                problem = f"no JSON: {error}"
                break
            if attempt < self.n_retries:
                await asyncio.sleep(min(wait_s, LONGEST_WAIT_S))
        raise kind(
            f"{self.name.name} at {self.base_url} did not answer"
            f" ({attempt + 1} attempt{'s' * (attempt > 0)}): {problem}"
        )


def at_endpoint(text: str) -> tuple[str, str]:
    """Name and address of NAME@URL; the address is empty where a model here is named."""
    name, http, rest = text.partition("@http")
    return name, http[1:] + rest


def model_called(name: str, **options: Any) -> Model:
    """NAME@URL of a model behind an endpoint, or one here with these options of a `LocalModel`."""
    remote, url = at_endpoint(name)
    if url:
        return RemoteModel(remote, base_url=url)
    from calibrant.models.local import LocalModel

    return LocalModel(name, **options)


def refuse_unnamed(url: str, where: str) -> None:
    """Keep the user's key from an address that a file names and he does not.

    Raises
    ------
    InvalidData
        When there is a key, and the address is neither on this machine nor in `ADDRESS`.
    """
    named = os.environ.get(ADDRESS, "").rstrip("/")
    if os.environ.get(KEY) and url.rstrip("/") != named and not _HERE.fullmatch(url):
        raise InvalidData(
            f"{where} would send your {KEY} to {url}: if you trust that address, name it"
            f" ({ADDRESS}={url}); if not, unset {KEY}"
        )


def _reply(found: Any, base_url: str) -> Reply:
    try:
        choice, usage = found["choices"][0], found.get("usage") or {}
        places = (choice.get("logprobs") or {}).get("content") or []
        return Reply(
            text=choice["message"].get("content") or "",
            log_probs=tuple(place["logprob"] for place in places),
            top=tuple(
                {one["token"]: one["logprob"] for one in place.get("top_logprobs") or []}
                for place in places
            ),
            finish_reason=choice.get("finish_reason") or "",
            n_prompt_tokens=int(usage.get("prompt_tokens") or 0),
            n_reply_tokens=int(usage.get("completion_tokens") or 0),
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"{base_url} gave no chat completion: {error!r}") from error


def _message(response: Any) -> str:
    """What the endpoint says about its failure, in one short line."""
    try:
        error = response.json()["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        text = response.text
    return " ".join(text.split())[:200]


def _asked_wait(header: str | None, usual_s: float) -> float:
    try:
        return max(0.0, float(header)) if header else usual_s
    except ValueError:  # a date
        return usual_s


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, called from anywhere: inside a running loop a thread waits."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def side_by_side(jobs: Iterable[Coroutine[Any, Any, None]], n_in_flight: int) -> None:
    """Run coroutines in their order, at most `n_in_flight` at once.

    A job is begun when the one before it was: what the first ones decide (a budget that is spent)
    the later ones see. Where a job fails, the others end and its error is raised.
    """
    waiting = iter(jobs)

    async def worker() -> None:
        for job in waiting:
            await job

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(n_in_flight):
                group.create_task(worker())
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
