"""What is told of each call between modules, and of each attempt to run a job."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from pgqueuer.models import Job as Row

from app.platform import metrics
from app.platform.boundary import BoundaryCall, Method
from app.platform.context import bound, speaking
from app.platform.discretion import text_of
from app.platform.errors import DomainError
from app.platform.jobs import BoundJob

logger = logging.getLogger("app.jobs")


def observe_call(call: BoundaryCall, method: Method) -> Method:
    """Say, while a method at the boundary runs, that its module speaks; count and time its calls.

    See `Instrument`.
    """
    observe = _Meters(call)

    @wraps(method)
    async def observed(*args: Any, **kwargs: Any) -> Any:
        token, begun = speaking.set(call.module), time.perf_counter()
        error = None
        try:
            return await method(*args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            speaking.reset(token)
            observe(error, time.perf_counter() - begun)

    @wraps(method)
    def observed_sync(*args: Any, **kwargs: Any) -> Any:
        token, begun = speaking.set(call.module), time.perf_counter()
        error = None
        try:
            return method(*args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            speaking.reset(token)
            observe(error, time.perf_counter() - begun)

    return observed if call.is_async else observed_sync


class _Meters:
    """The metrics of one method, looked up once. They are there before the first call."""

    def __init__(self, call: BoundaryCall) -> None:
        self._ok, self._refused, self._error = (
            metrics.calls.labels(call.module, call.method, outcome)
            for outcome in ("ok", "refused", "error")
        )
        self._seconds = metrics.call_seconds.labels(call.module, call.method)

    def __call__(self, error: BaseException | None, seconds: float) -> None:
        if error is None:
            self._ok.inc()
        elif isinstance(error, DomainError):
            self._refused.inc()
        else:
            self._error.inc()
        self._seconds.observe(seconds)


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
    fields: dict[str, object] = {
        "job.name": job.name,
        "job.id": row.id,
        "job.attempt": row.attempts + 1,
    }
    begun = time.perf_counter()
    origin = (row.headers or {}).get("request_id"), (row.otel_headers() or {}).get("traceparent")
    with bound(job.module, *origin, **fields):
        try:
            yield attempt
        finally:
            _tell(job, attempt, time.perf_counter() - begun)


def _tell(job: BoundJob, attempt: Attempt, seconds: float) -> None:
    metrics.attempts.labels(job.module, job.name, attempt.outcome).inc()
    metrics.job_seconds.labels(job.module, job.name).observe(seconds)
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
