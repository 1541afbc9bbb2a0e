"""What is told of each call between modules, and of each attempt to run a job."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from opentelemetry.trace import SpanKind
from pgqueuer.models import Job as Row
from prometheus_client import Counter

from app.platform import metrics
from app.platform.boundary import BoundaryCall, CallError, read
from app.platform.context import bound, place, speaking
from app.platform.deferred import deferred
from app.platform.discretion import text_of
from app.platform.errors import DomainError
from app.platform.interfaces import Method
from app.platform.jobs import BoundJob
from app.platform.objectives import take_part
from app.platform.traces import Attribute, begin, begin_trace, exemplar_of, Span

logger = logging.getLogger("app.jobs")


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
        else:
            take_part(self.module, None if is_refused else error)
        if span is not None:
            span.end(error, expected=is_refused)
        outcome = self._ok if error is None else self._refused if is_refused else self._error
        deferred.call(self._count, outcome, seconds, span)

    def _count(self, outcome: Counter, seconds: float, span: Span | None) -> None:
        outcome.inc()
        self._seconds.observe(seconds, exemplar_of(span))


@dataclass
class Attempt:
    """One attempt to run a job, and what became of it."""

    outcome: str = "interrupted"
    """`done`; `retried` later; `held`; `lost`, which nobody could write down; `interrupted`, so that
    another worker takes it."""
    error: BaseException | None = None


@contextmanager
def observed_attempt(job: BoundJob, row: Row) -> Iterator[Attempt]:
    """Tell of an attempt, one line in the log, when the block ends; the block says how it ended."""
    attempt = Attempt()
    fields: dict[str, Attribute] = {
        "job.name": job.name,
        "job.id": row.id,
        "job.attempt": row.attempts + 1,
    }
    begun = time.perf_counter()
    trace_parent = (row.otel_headers() or {}).get("traceparent")
    before = place.get()
    with bound(job.module, (row.headers or {}).get("request_id"), **fields):
        span = begin_trace(trace_parent, f"run {job.name}", SpanKind.CONSUMER, fields)
        try:
            yield attempt
        finally:
            _tell(job, attempt, time.perf_counter() - begun, span)
            place.set(before)


def _tell(job: BoundJob, attempt: Attempt, seconds: float, span: Span | None) -> None:
    metrics.attempts.labels(job.module, job.name, attempt.outcome).inc()
    metrics.job_seconds.labels(job.module, job.name).observe(seconds, exemplar_of(span))
    if span is not None:
        span.attributes["job.outcome"] = attempt.outcome
        span.failed = attempt.outcome != "done"
        span.end(attempt.error)
    level = {"done": logging.INFO, "held": logging.ERROR}.get(attempt.outcome, logging.WARNING)
    if not logger.isEnabledFor(level):
        return
    fields: dict[str, object] = {
        "job.outcome": attempt.outcome,
        "duration_ms": round(seconds * 1000, 1),
    }
    error = attempt.error
    if error is not None and attempt.outcome != "held":  # It is tried again: a line is enough.
        fields |= {"exception.type": type(error).__qualname__, "exception.message": text_of(error)}
        error = None
    logger.log(level, f"{job.name} {attempt.outcome}", extra=fields, exc_info=error)
