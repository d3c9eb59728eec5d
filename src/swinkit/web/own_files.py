"""Requests that name an address where an upload belongs are refused: the server fetches nothing for anybody."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_JSON = 32 * 2**20
"""Bytes of a request that is no upload; a camera's picture is part of one."""


class OwnFilesAlone:
    """ASGI middleware. gradio downloads what stands as the `path` of a file where that is an address, without a bound
    on bytes; a page of swinkit only ever names files that were uploaded to it."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on what is no JSON; of JSON, what is short enough and names no address."""
        kinds = [value for name, value in scope.get("headers", ()) if name == b"content-type"]
        if scope["type"] != "http" or not any(kind.startswith(b"application/json") for kind in kinds):
            await self.app(scope, receive, send)
            return
        body = await _whole(receive)
        reason = _why_refused(body)
        if reason:
            await _refuse(send, reason)
            return
        parts = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            return next(parts, None) or await receive()

        await self.app(scope, again, send)


def names_an_address(value: Any) -> bool:
    """Whether plain data hold, at any depth, a mapping whose `path` is an address."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and path.strip().lower().startswith(("http:", "https:")):
            return True
        return any(map(names_an_address, value.values()))
    return isinstance(value, list) and any(map(names_an_address, value))


def _why_refused(body: bytes | None) -> str:
    if body is None:
        return f"a request has at most {MOST_JSON} bytes"
    try:
        has_address = names_an_address(json.loads(body or b"null"))
    except (ValueError, RecursionError):
        return "the request is not JSON"
    return "a picture is uploaded, and not named by its address" if has_address else ""


async def _whole(receive: Receive) -> bytes | None:
    """The body of a request; None where it is too long."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_JSON:
            return None
        more = message.get("more_body", False)
    return bytes(body)


async def _refuse(send: Send, reason: str) -> None:
    content = json.dumps({"detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": content})
