"""What one request may cost: how large it is, how long it takes, how many run at once.

What goes beyond is refused early, with a status that says whether to come again.
"""

import asyncio
import sys
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.settings import Settings
from app.platform.timeouts import until
from app.platform.web.problems import later, problem

_TOO_LARGE = "The body is larger than {} bytes."
_TOO_SLOW = "The request took too long. Look whether it was done, then try again."
_NEVER = float("inf")
PROBES = ("/healthz", "/readyz")
"""Must answer when nothing else does."""


class Limits:
    """Middleware that refuses a request beyond the limits in the settings."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._bytes = settings.request_body_limit
        self._seconds = settings.request_timeout
        self._limit = _UnlessDebugged if settings.is_development else asyncio.timeout
        self._most = settings.request_concurrency
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
        elif self._running >= self._most:
            scope["refused"] = "concurrency"
            refusal = later("Too many requests run already. Try again in a moment.")
            await refusal(scope, receive, send)
        else:
            self._running += 1
            try:
                await self._run(scope, receive, send)
            finally:
                self._running -= 1

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._bytes:
            scope["refused"] = "size"
            await problem(413, _TOO_LARGE.format(self._bytes))(scope, receive, send)
            return
        has_body = bool(length.strip(b"0")) or b"transfer-encoding" in headers
        received, has_arrived, is_awaited = 0, False, False

        async def receive_some() -> Message:
            nonlocal received, has_arrived, is_awaited
            is_awaited = not has_arrived  # Stays so where the wait is given up.
            message = await receive()
            is_awaited = False
            received += len(message.get("body", b""))
            has_arrived = has_arrived or not message.get("more_body", False)
            if received > self._bytes:  # Sent in chunks, whose sum nobody declares.
                scope["refused"] = "size"
                raise HTTPException(413, _TOO_LARGE.format(self._bytes))
            return message

        try:
            async with self._limit(self._seconds) as time:
                token = until.set(time.when() or _NEVER)
                try:
                    await self._app(scope, receive_some if has_body else receive, send)
                finally:
                    until.reset(token)
        except Exception:  # Or what became of a TimeoutError on its way.
            if "status" in scope or not time.expired():
                raise
            scope["refused"] = "time"
            refusal = (
                problem(408, f"The body did not arrive within {self._seconds:g} seconds.")
                if is_awaited
                # Not to be tried again unseen: it may have been given up while it was committed.
                else problem(503, _TOO_SLOW)
            )
            await refusal(scope, receive, send)


class _UnlessDebugged:
    """Gives a block so many seconds, or any number while somebody looks at it step by step."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._time = seconds, asyncio.timeout(None)

    async def __aenter__(self) -> asyncio.Timeout:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return await self._time.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        self._timer.cancel()
        await self._time.__aexit__(*raised)

    def _expire(self) -> None:
        if not is_debugged():
            self._time.reschedule(0)


def is_debugged() -> bool:
    """Say whether a debugger is attached, or was: pdb lets go of what it has continued."""
    monitoring = getattr(sys, "monitoring", None)  # Since Python 3.12.
    return (
        sys.gettrace() is not None
        or (monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None)
        or ("pdb" in sys.modules and "pytest" not in sys.modules)  # Which imports it anyway.
    )
