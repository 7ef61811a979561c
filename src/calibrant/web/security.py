"""What every server of ours says to a browser, and what it does not listen to (plain ASGI)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""Sent with every answer, beside the content security policy."""
FORM = "application/x-www-form-urlencoded"
REFUSALS = {
    400: "This request could not be understood.",
    403: "This form came from another site. Open the page's own address and try again.",
    413: "This is too long. Go back, shorten it and send it again.",
    415: "Only forms are taken here.",
}
"""What somebody reads whose request is refused."""


class Secured:
    """Adds headers; refuses forms of other sites, other content and bodies that are too long.

    Parameters
    ----------
    app
        An ASGI application.
    policy
        The content security policy of answers that bring none of their own.
    max_body
        Bytes that a request may carry.
    """

    def __init__(self, app: App, policy: str, max_body: int = 16_384) -> None:
        self.app, self.max_body = app, max_body
        self.headers = [
            (name.encode(), value.encode())
            for name, value in {"content-security-policy": policy, **HEADERS}.items()
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = dict(message.get("headers", ()))
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name, value) for name, value in self.headers if name not in own),
                ]
            await send(message)

        status, body = 0, b""
        if scope["method"] not in ("GET", "HEAD"):
            head = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
            status = self._refused(head)
            more = not status
            while more:
                part = await receive()
                if part["type"] == "http.disconnect":
                    return  # half a form is no form
                body += part.get("body", b"")
                more = part.get("more_body", False)
                if len(body) > self.max_body:
                    status, more = 413, False
        if status:
            kind = [(b"content-type", b"text/plain; charset=utf-8")]
            await dressed({"type": "http.response.start", "status": status, "headers": kind})
            await dressed({"type": "http.response.body", "body": REFUSALS[status].encode()})
            return

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, dressed)

    def _refused(self, head: MutableMapping[str, str]) -> int:
        """The status with which a request is refused, 0 for none."""
        origin = head.get("origin")
        if head.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403
        if origin is not None and _host(origin) != head.get("host"):
            return 403
        if head.get("content-type", FORM).split(";")[0].strip() != FORM:
            return 415
        try:
            is_long = int(head.get("content-length", 0)) > self.max_body
        except ValueError:
            return 400
        return 413 if is_long else 0


def _host(origin: str) -> str | None:
    """The host that an origin names; None where it is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
