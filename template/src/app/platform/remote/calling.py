"""One method that another process answers: how long, how often and by how many it is asked."""

import asyncio
import logging
from typing import Any

import anyio
import stamina
from opentelemetry.trace import SpanKind
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from app.platform.database import committed_ago, has_committed
from app.platform.errors import (
    RemoteError,
    RemoteRefused,
    RemoteTimeout,
    RemoteUnavailable,
)
from app.platform.remote import told
from app.platform.remote.answers import path_of, read_answer
from app.platform.remote.breaker import Breaker, OpenError
from app.platform.remote.codec import Codec
from app.platform.remote.context import answering
from app.platform.remote.exchange import Exchange, UnansweredError
from app.platform.remote.failures import Failures
from app.platform.remote.signing import claims, Signer
from app.platform.telemetry import begin, get_request, get_user, inside, place, waiting_for
from app.platform.timeouts import REMOTE_AWAY, until
from app.platform.wiring import Promise

logger = logging.getLogger("app.remote")

_FAILURES = 5
"""In a row; then a method is left alone for a while."""
_ATTEMPTS = 3
_SHORTEST, _LONGEST, _JITTER = 0.02, 0.2, 0.1
"""Seconds between two attempts."""


def _tell_retry(details: RetryDetails) -> None:
    """Log what others try again, in our format: stamina would print it. Our own attempts are counted."""
    if not isinstance(details.caused_by, UnansweredError):
        said = "%s is tried again in %.2g s: %r"
        logging.getLogger("stamina").warning(
            said, details.name, details.wait_for, details.caused_by
        )


set_on_retry_hooks([_tell_retry])


class _HurriedError(RemoteTimeout):
    """The caller had little time left, which says nothing of the module."""


class RemoteMethod:
    """A method that another process answers."""

    def __init__(
        self,
        module: str,
        promise: Promise,
        codec: Codec,
        exchange: Exchange,
        limiter: anyio.CapacityLimiter,
        seconds: float,
        is_off: bool,
        signer: Signer,
        failures: Failures,
    ) -> None:
        self._module, self._name = module, f"{module}.{promise.name}"
        self._labels = module, promise.name
        self._is_idempotent = promise.is_idempotent
        self._path = path_of(module, promise.name)
        self._url = exchange.url_of(self._path)
        self._codec, self._exchange, self._limiter = codec, exchange, limiter
        self._seconds, self._is_off = seconds, is_off
        self._signer, self._failures = signer, failures
        self._about = {"http.request.method": "POST", "server.address": self._url.host}
        self._breaker = Breaker(_FAILURES, REMOTE_AWAY, self._is_failure)
        for reason in told.REASONS:  # At 0: how many more there are is seen from the first one on.
            told.errors.labels(*self._labels, reason)
        self._is_told_open, self._open_meter = False, told.is_open.labels(*self._labels)

    async def call(self, body: bytes) -> Any:
        """Send written arguments; return the result, or raise the DomainError or RemoteError that it
        ended with."""
        try:
            with waiting_for(self._module):
                return await self._call(body)
        except RemoteError as error:
            if not error.is_undone:
                has_committed()  # It may have: nobody is to be told that nothing was done.
            if error.module == self._module:  # Others are counted where they were called.
                told.errors.labels(*self._labels, error.reason).inc()
            raise

    async def _call(self, body: bytes) -> Any:
        if self._is_off:
            raise self._refused("off", "is switched off by REMOTE_OFF", 30)
        caller = object()  # A task may have several calls of a module running.
        try:
            self._limiter.acquire_on_behalf_of_nowait(caller)
        except anyio.WouldBlock:
            raise self._refused(
                "full", f"is not called: {self._limiter.total_tokens:g} calls of {self._module} run"
            ) from None
        end = min(asyncio.get_running_loop().time() + self._seconds, until.get())
        try:
            return await self._try(body, end)
        except OpenError as error:
            raise self._refused(
                "open", "failed several times in a row, and is left alone", round(error.seconds)
            ) from None
        except UnansweredError as error:
            raise RemoteUnavailable(
                f"{self._name} is not reachable: {error}", self._module, is_undone=not error.is_sent
            ) from error
        finally:
            self._limiter.release_on_behalf_of(caller)

    def _refused(self, reason: str, said: str, wait: int = 1) -> RemoteError:
        said = f"{self._name} {said}"
        return RemoteRefused(said, self._module, reason=reason, is_undone=True, wait=wait)

    async def _try(self, body: bytes, end: float) -> Any:
        """Call once, and again where that is safe."""

        def may_try_again(error: Exception) -> bool:
            return (
                isinstance(error, UnansweredError)
                and (self._is_idempotent or not error.is_sent)
                and end - asyncio.get_running_loop().time() > _LONGEST + _JITTER
            )

        try:
            return await self._attempt(body, end)
        except UnansweredError as error:
            if answering.get():
                raise
            failed: UnansweredError | None = error
        async for attempt in stamina.retry_context(
            on=may_try_again,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=_SHORTEST,
            wait_max=_LONGEST,
            wait_jitter=_JITTER,
        ):
            with attempt:
                if failed is not None:  # The first attempt was made: most need no second one.
                    first, failed = failed, None
                    raise first
                told.retries.labels(*self._labels).inc()
                return await self._attempt(body, end)
        raise AssertionError("stamina always raises")

    async def _attempt(self, body: bytes, end: float) -> Any:
        try:
            result = await self._breaker.call(lambda: self._send(body, end))
        except Exception as error:
            self._tell_breaker(error)
            raise
        self._tell_breaker(None)
        return result

    def _tell_breaker(self, error: Exception | None) -> None:
        """Tell, once, that calls are refused from now on, or are made again."""
        if (is_open := self._breaker.is_open) is self._is_told_open:
            return
        self._is_told_open = is_open
        self._open_meter.set(is_open)
        if is_open:
            logger.warning(
                "%s failed %s times in a row, and is left alone; every %g s one call tries. Last: %s. "
                "See docs/services.md.",
                *(self._name, _FAILURES, REMOTE_AWAY, error),
            )
        else:
            logger.info("%s answers again.", self._name)

    async def _send(self, body: bytes, end: float) -> Any:
        time = asyncio.get_running_loop().time
        begun = time()
        if (seconds := end - begun) <= 0:
            raise self._late(0, is_undone=True)
        asked = claims(str(get_request() or ""), str(get_user() or ""), seconds, committed_ago())
        headers = self._signer.sign(self._path, body, asked)
        try:
            with inside(begin(f"POST {self._path}", SpanKind.CLIENT, self._about)):
                if (here := place.get()) is not None:
                    headers["traceparent"] = here.trace_parent
                async with asyncio.timeout_at(end):
                    answer = await self._exchange.post(self._url, headers, body, seconds)
        except TimeoutError:
            raise self._late(time() - begun) from None
        if answer.has_written:
            has_committed()
        return read_answer(answer, self._codec, self._failures, self._module, self._name)

    def _late(self, seconds: float, *, is_undone: bool = False) -> RemoteTimeout:
        said = f"{self._name} did not answer within {seconds:.2g} s"
        kind = _HurriedError if seconds < self._seconds / 2 else RemoteTimeout
        return kind(said, self._module, is_undone=is_undone)

    def _is_failure(self, error: Exception) -> bool | None:
        """Say whether an error is the module's fault; None where it says nothing of it."""
        if isinstance(error, RemoteTimeout) and error.module == self._module:
            return None if isinstance(error, _HurriedError) else True
        if isinstance(error, RemoteUnavailable):
            return error.module == self._module and error.reason != "keys"
        return isinstance(error, UnansweredError)
