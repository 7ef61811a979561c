"""A model that says what it is told to, in the process or behind a local endpoint: for tests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from calibrant.errors import ModelUnavailable
from calibrant.models.model import Capability, Model
from calibrant.models.remote import Messages, Reply
from calibrant.records import ModelName

Script = Mapping[str, str | Reply] | Callable[[str], str | Reply]
"""The reply to the last user's words: a table or a function."""


class ScriptedModel(Model):
    """Replies by a script; a text that the table lacks is a failure, not a guess."""

    capabilities = frozenset({Capability.GENERATE, Capability.LOGPROBS})

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self.script = script
        self.name = ModelName(name=name)
        self.asked: list[str] = []
        """The words that it was asked, in order."""

    def reply(self, words: str) -> Reply:
        """The reply to the last user's words."""
        self.asked.append(words)
        if callable(self.script):
            said = self.script(words)
        elif words in self.script:
            said = self.script[words]
        else:
            raise ModelUnavailable(f"{self.name.name} has no reply to {words!r}")
        return said if isinstance(said, Reply) else Reply(text=said)

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
        """The script's reply; sampling settings change nothing."""
        return self.reply(messages[-1]["content"])


class ScriptedServer:
    """An OpenAI-compatible endpoint on this machine, `with ScriptedServer(script) as server:`.

    Parameters
    ----------
    script
        As of `ScriptedModel`.
    delay_s
        Time that each request takes, however many are open.
    failures
        HTTP statuses of the first requests, e.g. (429, 500): after them it works.
    embed
        Text -> vector, for /embeddings.
    """

    def __init__(
        self,
        script: Script,
        *,
        delay_s: float = 0.0,
        failures: tuple[int, ...] = (),
        embed: Callable[[str], list[float]] | None = None,
    ) -> None:
        self.model = ScriptedModel(script)
        self.delay_s, self.failures, self.embed = delay_s, list(failures), embed
        self.bodies: list[dict[str, Any]] = []
        """Requests that came, failures among them."""
        self.headers: list[dict[str, str]] = []
        """Their headers, with lower-case names."""
        self.most_open = 0
        """The most requests that were open at once."""
        self._open = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    @property
    def base_url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        self._handlers: set[asyncio.Task[Any]] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)
        try:
            while (found := await _request(reader)) is not None:
                status, answer = await self._answer(*found)
                payload = json.dumps(answer).encode()
                head = (
                    f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
                    f"content-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
                )
                writer.write(head.encode() + payload)
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        self.bodies.append(body)
        self.headers.append(headers)
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        try:
            if self.failures:
                return self.failures.pop(0), {"error": {"message": "as the script says"}}
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if path.endswith("/chat/completions"):
                return 200, _completion(self.model.reply(body["messages"][-1]["content"]), body)
            if path.endswith("/embeddings") and self.embed is not None:
                rows = [
                    {"index": i, "embedding": self.embed(t)} for i, t in enumerate(body["input"])
                ]
                return 200, {"object": "list", "data": rows}
            return 404, {"error": {"message": f"nothing is at {path}"}}
        except (ModelUnavailable, KeyError, TypeError) as error:
            return 400, {"error": {"message": str(error)}}
        finally:
            self._open -= 1


async def _request(
    reader: asyncio.StreamReader,
) -> tuple[str, dict[str, str], dict[str, Any]] | None:
    """(path, headers, JSON body) of the next request; None when the other side is gone."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
    except asyncio.IncompleteReadError:
        return None
    return head[0].split(" ")[1], headers, json.loads(raw or b"{}")


def _completion(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    words = body["messages"][-1]["content"]
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": reply.text},
        "finish_reason": reply.finish_reason,
    }
    if body.get("logprobs") and reply.top:
        choice["logprobs"] = {
            "content": [
                {
                    "token": max(place, key=lambda token: place[token]),
                    "logprob": max(place.values()),
                    "top_logprobs": [{"token": t, "logprob": p} for t, p in place.items()],
                }
                for place in reply.top
            ]
        }
    n_read = reply.n_prompt_tokens or len(words.split())
    n_written = reply.n_reply_tokens or len(reply.text.split())
    return {
        "object": "chat.completion",
        "model": body.get("model", ""),
        "choices": [choice],
        "usage": {
            "prompt_tokens": n_read,
            "completion_tokens": n_written,
            "total_tokens": n_read + n_written,
        },
    }
