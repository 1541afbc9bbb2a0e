"""What is told of each call between modules, and of each attempt to run a job."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

from pgqueuer.models import Job as Row

from app.platform.boundary import BoundaryCall, Method
from app.platform.context import bound, speaking
from app.platform.discretion import text_of
from app.platform.jobs import BoundJob

logger = logging.getLogger("app.jobs")


def observe_call(call: BoundaryCall, method: Method) -> Method:
    """Say, while a method at the boundary runs, that its module speaks. See `Instrument`."""
    module = call.module

    @wraps(method)
    async def observed(*args: Any, **kwargs: Any) -> Any:
        token = speaking.set(module)
        try:
            return await method(*args, **kwargs)
        finally:
            speaking.reset(token)

    @wraps(method)
    def observed_sync(*args: Any, **kwargs: Any) -> Any:
        token = speaking.set(module)
        try:
            return method(*args, **kwargs)
        finally:
            speaking.reset(token)

    return observed if call.is_async else observed_sync


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
    fields = {"job.name": job.name, "job.id": row.id, "job.attempt": row.attempts + 1}
    begun = time.perf_counter()
    with bound(job.module, **fields):
        try:
            yield attempt
        finally:
            _tell(job, attempt, time.perf_counter() - begun)


def _tell(job: BoundJob, attempt: Attempt, seconds: float) -> None:
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
