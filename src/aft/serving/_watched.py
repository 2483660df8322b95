"""What every request for predictions goes through: a limit on its length, a count, a duration, and an answer to errors."""

import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aft.serving._limits import Limits

log = logging.getLogger("aft")

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


class Watched:
    """An ASGI application around another one.

    Starlette has a helper for such things; it starts a task and a stream for each request, which takes as long as a small model.

    Args:
        app: The application.
        limits: What it accepts.
        observe: Called with the status and the duration in seconds of each request for predictions.
    """

    def __init__(self, app: Any, limits: Limits, observe: Callable[[int, float], None]) -> None:
        self._app, self._limits, self._observe = app, limits, observe

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] != "/predict" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        started, status, begun = time.perf_counter(), 500, False

        async def watched(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(message)

        try:
            refused = _refused(dict(scope["headers"]), self._limits)
            if refused is None:
                await self._app(scope, receive, watched)
            else:
                await _answer(watched, *refused)
        except Exception:
            log.exception("a request has failed")
            if begun:
                raise
            await _answer(
                watched, 500, "a request gets predictions; this one met an error of the server's; see its log"
            )
        finally:
            self._observe(status, time.perf_counter() - started)


def _refused(headers: dict[bytes, bytes], limits: Limits) -> tuple[int, str] | None:
    """Why a request is not read at all; None if it is."""
    length = headers.get(b"content-length", b"").decode("latin-1")
    if not length.isdigit() or b"transfer-encoding" in headers:  # a body in chunks has any length
        return 411, "a request states its length; received none; send the header Content-Length"
    if int(length) > limits.bytes:
        return 413, f"a request has at most {limits.bytes} bytes; received {length}; send fewer inputs at a time"
    return None


async def _answer(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
