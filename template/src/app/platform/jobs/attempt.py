"""Run one job once, and record what became of it."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import timedelta

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import TracebackRecord
from pgqueuer.types import QueueManagerId
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database, has_begun, statements_may_take
from app.platform.jobs.jobs import ArgumentsError, BoundJob, Delivery
from app.platform.jobs.queue import end
from app.platform.jobs.recovery import DeadlyJobError, has
from app.platform.timeouts import given_up_after, MARGIN

logger = logging.getLogger("app.worker")

_LONGEST_DELAY = 600


class DeadlineError(Exception):
    """An attempt took longer than the job may."""


class AbortedError(Exception):
    """An attempt ended with something that is no Exception; tells with what."""


class MovedError(Exception):
    """The data of the module have moved since the job was taken. It is to be taken again where they are."""


class _AlreadyDoneError(Exception):
    """Another worker has done this job meanwhile, so this transaction must be undone."""


async def attempt(
    engine: AsyncEngine, job: BoundJob, row: Row, is_here: Callable[[], bool] = lambda: True
) -> bool:
    """Run a job in a transaction of its module, which takes it from the queue as well: both or neither.

    Returns False for one that has still to be taken out: it takes no transaction, or sent no statement.
    Raises what the job raises, ArgumentsError, DeadlineError, or AbortedError; MovedError where it is not
    `is_here` that the job was taken; CancelledError only where the task that runs this is cancelled.
    """
    arguments = job.read(row.payload, row.headers)
    # As it was called when it was enqueued: its module may have been renamed since.
    named = (row.headers or {}).get("named", row.entrypoint)
    key = (row.headers or {}).get("key", f"{named}-{row.id}")
    delivery = Delivery(str(key), row.attempts + 1)
    try:
        # A little longer than the attempt, so that it is the attempt that ends.
        seconds = job.options.deadline
        with statements_may_take(seconds + MARGIN), given_up_after(seconds):
            async with asyncio.timeout(job.options.deadline) as limit:
                if not job.takes_tx:
                    await job.run(None, arguments, delivery)
                    return False
                async with Database(engine, job.module).transaction() as tx:
                    await job.run(tx, arguments, delivery)
                    if not await has_begun(tx):
                        return False
                    if not is_here():
                        raise MovedError("The data have moved since it was taken.")
                    # Last: before its first statement a job may speak to the network.
                    if not await end(tx, row.id):
                        raise _AlreadyDoneError
    except _AlreadyDoneError:
        logger.info("Another worker has done it meanwhile.")
        return True
    except asyncio.CancelledError as error:
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        raise AbortedError(
            f"{job.name} awaited something that was cancelled, by whoever else had it. Catch "
            "CancelledError where it does."
        ) from error
    except Exception as error:
        if not limit.expired():
            raise
        raise DeadlineError(
            f"{job.name} did not end within {job.options.deadline:g} s. Make it shorter, or give it "
            "a longer `deadline`."
        ) from error
    except (BaseExceptionGroup, GeneratorExit, SystemExit) as error:
        raise AbortedError(f"{job.name} raised {error!r}, which is no Exception.") from error
    return True


async def record(
    queue: Queries, worker: QueueManagerId, job: BoundJob, row: Row, error: Exception
) -> str:
    """Let a job that failed be tried again later, or hold it with its error; return which of them:
    `retried` or `held`, or `lost` where the worker does not have it any more."""
    if not await has(queue, worker, row.id):
        return "lost"
    failure = TracebackRecord.from_exception(error, row.id, {"attempt": row.attempts + 1})
    failure.exception_message = _storable(failure.exception_message)
    failure.traceback = _storable(failure.traceback)
    if isinstance(error, ArgumentsError | DeadlyJobError) or row.attempts >= job.options.retries:
        await queue.log_jobs([(row, "failed", failure)])
        return "held"
    await queue.retry_job(row, timedelta(seconds=backoff(row.attempts)), failure)
    return "retried"


def backoff(failed: int) -> float:
    """Return the seconds to wait after a number of attempts failed: about 1, 2, 4, 8 …, by chance up
    to half of it less, so that jobs which failed together do not come back together."""
    return min(2.0 ** min(failed, 30), _LONGEST_DELAY) * random.uniform(0.5, 1)


def _storable(said: str) -> str:
    """Return a text without what Postgres or UTF-8 does not take."""
    return said.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()
