"""One request to another process, and its answer: what HTTP may do in between."""

import ssl
from collections.abc import AsyncIterable, Mapping
from typing import cast

import httpx

from app.platform.remote.answers import Answer, WRITTEN
from app.platform.timeouts import REMOTE_CONNECT, REMOTE_KEPT

LARGEST = 10_000_000
"""Bytes of an answer."""
_FIXED = {
    "accept-encoding": "identity",  # Or a small answer could become a large one.
    "content-type": "application/json",
}


class UnansweredError(Exception):
    """No answer came, or half of one."""

    def __init__(self, said: str, *, is_sent: bool) -> None:
        super().__init__(said)
        self.is_sent = is_sent
        """Whether the other side may have got it."""


class Exchange:
    """Posts to one address, on connections that are kept for the next call.

    It goes past httpx's client, whose redirects, cookies and proxies have no place here.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        is_encrypted = address.startswith("https:")
        self._transport = httpx.AsyncHTTPTransport(
            verify=ssl.create_default_context() if is_encrypted else False,
            # REMOTE_CONCURRENCY says how many calls there are.
            limits=httpx.Limits(max_connections=None, keepalive_expiry=REMOTE_KEPT),
        )

    def url_of(self, path: str) -> httpx.URL:
        """Return where to post."""
        return httpx.URL(self._address + path)

    async def post(
        self, url: httpx.URL, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Answer:
        """Return the answer, for which its caller waits so many seconds. Raises UnansweredError."""
        request = httpx.Request(
            "POST",
            url,
            headers={**_FIXED, **headers},
            content=body,
            # Who is cancelled in a handshake leaves the connection open: rather give up before.
            extensions={"timeout": {"connect": min(REMOTE_CONNECT, 0.9 * seconds)}},
        )
        try:
            answer = await self._transport.handle_async_request(request)
            try:
                read, said = await self._body(answer), answer.headers
                return Answer(answer.status_code, _kind(answer), read, WRITTEN in said)
            finally:
                await answer.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnansweredError(_said(error), is_sent=False) from error
        except httpx.TransportError as error:
            raise UnansweredError(_said(error), is_sent=True) from error
        except AttributeError as error:  # anyio's, on uvloop, for one that is reset as it is made.
            raise UnansweredError("the connection was reset", is_sent=True) from error

    async def _body(self, answer: httpx.Response) -> bytes:
        body = b""
        async for part in cast(AsyncIterable[bytes], answer.stream):
            body += part
            if len(body) > LARGEST:
                raise UnansweredError(f"it answers more than {LARGEST} bytes", is_sent=True)
        return body

    async def close(self) -> None:
        """Close what is open."""
        await self._transport.aclose()


def _kind(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")
