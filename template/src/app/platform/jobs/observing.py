"""What is told of each attempt to run a job."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.trace import SpanKind
from pgqueuer.models import Job as Row

from app.platform.jobs.jobs import BoundJob
from app.platform.telemetry import (
    Attribute,
    begin_trace,
    bound,
    exemplar_of,
    metrics,
    place,
    Span,
    text_of,
)

logger = logging.getLogger("app.jobs")


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
    duration, error = round(seconds * 1000, 1), attempt.error
    fields: dict[str, object] = {"job.outcome": attempt.outcome, "duration_ms": duration}
    if error is not None and attempt.outcome != "held":  # It is tried again: a line is enough.
        fields |= {"exception.type": type(error).__qualname__, "exception.message": text_of(error)}
        error = None
    logger.log(level, f"{job.name} {attempt.outcome}", extra=fields, exc_info=error)
