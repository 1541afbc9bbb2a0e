"""What is told of each call between modules."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from app.platform.errors import DomainError, RemoteError
from app.platform.telemetry import (
    begin,
    deferred,
    exemplar_of,
    metrics,
    place,
    Span,
    speaking,
    take_part,
)
from app.platform.wiring.boundary import BoundaryCall, CallError, read
from app.platform.wiring.interfaces import Method


def observe_call(call: BoundaryCall, method: Method) -> Method:
    """Say, while a method at the boundary runs, that its module speaks; count, time and trace its
    calls. See `Instrument`.
    """
    calls = _Calls(call, method)

    @wraps(method)
    async def observed(*args: Any, **kwargs: Any) -> Any:
        token, begun = speaking.set(call.module), time.perf_counter()
        span, error = calls.begin(), None
        try:
            return await method(*args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            speaking.reset(token)
            calls.end(span, error, time.perf_counter() - begun)

    @wraps(method)
    def observed_sync(*args: Any, **kwargs: Any) -> Any:
        token, begun = speaking.set(call.module), time.perf_counter()
        span, error = calls.begin(), None
        try:
            return method(*args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            speaking.reset(token)
            calls.end(span, error, time.perf_counter() - begun)

    @wraps(method)
    def observed_stream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        return _observed_stream(calls, lambda: method(*args, **kwargs))

    return observed_stream if call.streams else observed if call.is_async else observed_sync


async def _observed_stream(
    calls: "_Calls", begin: Callable[[], AsyncIterator[Any]]
) -> AsyncIterator[Any]:
    """Tell of a stream as of one call, which takes as long as its module works for it."""
    span: Span | None = None
    seconds = 0.0
    error: BaseException | None = None

    @contextmanager
    def step() -> Iterator[None]:
        nonlocal span, seconds, error
        token, begun, outside = speaking.set(calls.module), time.perf_counter(), place.get()
        if span is None:
            span = calls.begin()
        else:
            place.set(span)
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            seconds += time.perf_counter() - begun
            place.set(outside)
            speaking.reset(token)

    reading = read(begin, step)
    try:
        async for item in reading:
            yield item
    finally:
        try:
            await reading.aclose()
        finally:
            calls.tell(span, error, seconds)


class _Calls:
    """What is told of the calls of one method."""

    def __init__(self, call: BoundaryCall, method: Method) -> None:
        self._ok, self._refused, self._error = (
            metrics.calls.labels(call.module, call.method, outcome)
            for outcome in ("ok", "refused", "error")
        )
        self._seconds = metrics.call_seconds.labels(call.module, call.method)
        self.module = call.module
        self._name = f"{call.module}.{call.method}"
        self._about = {"code.function.name": f"{method.__module__}.{method.__qualname__}"}

    def begin(self) -> Span | None:
        """Begin the span of a call, and go there; None where nobody wants it."""
        if (span := begin(self._name, SpanKind.INTERNAL, self._about)) is not None:
            place.set(span)
        return span

    def end(self, span: Span | None, error: BaseException | None, seconds: float) -> None:
        """Tell of a call that has ended, and go back to where it was called."""
        if span is not None:
            place.set(span.parent)
        self.tell(span, error, seconds)

    def tell(self, span: Span | None, error: BaseException | None, seconds: float) -> None:
        """Tell of a call that has ended, where the caller speaks again."""
        is_refused = isinstance(error, DomainError)
        if isinstance(error, CallError) and not error.is_told:
            error.is_told = is_refused = True
            take_part(speaking.get(), error)
        elif error is not None and isinstance(error, RemoteError):
            take_part(error.module, error)  # Perhaps further on than the one that was called.
        else:
            take_part(self.module, None if is_refused else error)
        if span is not None:
            span.end(error, expected=is_refused)
        outcome = self._ok if error is None else self._refused if is_refused else self._error
        deferred.call(self._count, outcome, seconds, span)

    def _count(self, outcome: Counter, seconds: float, span: Span | None) -> None:
        outcome.inc()
        self._seconds.observe(seconds, exemplar_of(span))
