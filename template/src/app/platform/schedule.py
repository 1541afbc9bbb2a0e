"""Jobs that run by the clock: each tick enqueues one, however many workers there are."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta, UTC

from croniter import croniter  # type: ignore[import-untyped]
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
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
    """Enqueue jobs at their times, and forget old history, until cancelled."""
    while True:
        now = datetime.now(UTC)
        try:
            await enqueue_ticks(engine, jobs, now)
            async with Database(engine, SCHEMA).transaction() as tx:
                await tx.execute(_FORGET)
            await forget_keys(Database(engine, REQUESTS))
        except (SQLAlchemyError, OSError) as error:
            logger.warning("The schedule could not be kept, trying again: %s", error)
        ticks = [_tick(job, now, next=True) for job in jobs.values() if job.options.cron]
        until = min([*ticks, now + timedelta(seconds=_LONGEST_SLEEP)])
        await asyncio.sleep(max(0.05, (until - datetime.now(UTC)).total_seconds()))


async def enqueue_ticks(engine: AsyncEngine, jobs: Mapping[str, BoundJob], now: datetime) -> None:
    """Enqueue each scheduled job whose time has come, once for all who ask.

    Of several times that passed while no worker ran, the last one is made up for.
    """
    for job in jobs.values():
        if job.options.cron is None:
            continue
        tick = _tick(job, now, next=False)
        values = {"cron": job.options.cron, "name": job.name, "tick": tick}
        async with Database(engine, SCHEMA).transaction() as tx:
            is_new = await tx.scalar(_CLAIM, values)
            # None: this tick is another worker's. True: the job was not known before, and what was
            # before it was deployed is not its business.
            if is_new is False:
                await enqueue(tx, [job.write(job.default())])


def is_valid_cron(expression: str) -> bool:
    """Say whether five fields name times: `0 3 * * *`, in UTC."""
    return len(expression.split()) == 5 and bool(croniter.is_valid(expression))


def _tick(job: BoundJob, now: datetime, *, next: bool) -> datetime:
    """Return the last time that has come, or the next one that has not."""
    times = croniter(job.options.cron, now.replace(microsecond=0) + timedelta(seconds=1))
    last: datetime = times.get_prev(datetime)
    if not next:
        return last
    following: datetime = times.get_next(datetime)
    return following
