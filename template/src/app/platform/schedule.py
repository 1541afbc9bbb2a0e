"""Jobs that run by the clock: each tick enqueues one, however many workers there are."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, UTC

from croniter import croniter, CroniterBadDateError  # type: ignore[import-untyped]
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database
from app.platform.idempotency import forget_keys
from app.platform.idempotency import SCHEMA as REQUESTS
from app.platform.jobs import BoundJob
from app.platform.queue import enqueue, NAMES, SCHEMA

logger = logging.getLogger("app.worker")

_LONGEST_SLEEP = 60.0
_TABLES = NAMES.qualified
_CLAIM = text(f"""
    INSERT INTO {_TABLES.schedules_table} AS known (expression, entrypoint, next_run, last_run)
    VALUES (:cron, :name, :tick, :tick)
    ON CONFLICT (expression, entrypoint) DO UPDATE SET last_run = :tick, updated = now()
    WHERE known.last_run < :tick
    RETURNING xmax = 0 AS is_new
""")
_FORGET = text(f"""
    DELETE FROM {_TABLES.queue_table_log} AS log WHERE created < now() - interval '7 days'
    AND NOT EXISTS (SELECT FROM {_TABLES.queue_table} WHERE id = log.job_id)
""")
"""What became of jobs that are no longer in the queue."""


async def keep_schedule(engine: AsyncEngine, jobs: Mapping[str, BoundJob]) -> None:
    """Enqueue jobs at their times, and forget old history, until cancelled.

    What goes wrong is logged and tried again: a worker's clock must not stop while the worker runs.
    """
    while True:
        now = datetime.now(UTC)
        await enqueue_ticks(engine, jobs, now)
        with _logged("Old history of jobs could not be forgotten"):
            async with Database(engine, SCHEMA).transaction() as tx:
                await tx.execute(_FORGET)
        with _logged("Old idempotency keys could not be forgotten"):
            await forget_keys(Database(engine, REQUESTS))
        ticks = [_tick(job, now, next=True) for job in jobs.values() if job.options.cron]
        until = min([*ticks, now + timedelta(seconds=_LONGEST_SLEEP)])
        await asyncio.sleep(max(0.05, (until - datetime.now(UTC)).total_seconds()))


async def enqueue_ticks(engine: AsyncEngine, jobs: Mapping[str, BoundJob], now: datetime) -> None:
    """Enqueue each scheduled job whose time has come, once for all who ask.

    Of several times that passed while no worker ran, the last one is made up for. One that cannot
    be enqueued does not keep the others from it.
    """
    for job in jobs.values():
        if job.options.cron is not None:
            with _logged(f"{job.name} could not be enqueued by the clock"):
                await _enqueue_tick(engine, job, now)


async def _enqueue_tick(engine: AsyncEngine, job: BoundJob, now: datetime) -> None:
    tick = _tick(job, now, next=False)
    values = {"cron": job.options.cron, "name": job.name, "tick": tick}
    async with Database(engine, SCHEMA).transaction() as tx:
        is_new = await tx.scalar(_CLAIM, values)
        # None: this tick is another worker's. True: the job was not known before, and what was
        # before it was deployed is not its business.
        if is_new is False:
            await enqueue(tx, [job.write(job.default())])


@contextmanager
def _logged(what: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("%s, trying again within a minute.", what)


def is_valid_cron(expression: str) -> bool:
    """Say whether five fields name times: `0 3 * * *`, in UTC."""
    if len(expression.split()) != 5 or not croniter.is_valid(expression):
        return False
    try:
        croniter(expression, datetime.now(UTC)).get_next()
    except CroniterBadDateError:  # Such as the 30th of February.
        return False
    return True


def _tick(job: BoundJob, now: datetime, *, next: bool) -> datetime:
    """Return the last time that has come, or the next one that has not."""
    times = croniter(job.options.cron, now.replace(microsecond=0) + timedelta(seconds=1))
    last: datetime = times.get_prev(datetime)
    if not next:
        return last
    following: datetime = times.get_next(datetime)
    return following
