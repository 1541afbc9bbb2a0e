"""Jobs that run by the clock: each tick enqueues one, however many workers there are."""

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, UTC
from typing import cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform import schemas
from app.platform.database import Database, Tx
from app.platform.jobs.jobs import BoundJob
from app.platform.jobs.names import NAMES
from app.platform.jobs.queue import enqueue
from app.platform.telemetry import cause

logger = logging.getLogger("app.worker")

_LONGEST_SLEEP = 60.0
_RETRY = 5.0
"""Seconds until what could not be enqueued is tried again."""
_TOLERANCE = 2.0
"""Seconds by which two clocks may differ before anybody is told."""
_AHEAD = timedelta(minutes=1)
"""By so much the database's clock may be set back without a job running twice. A last run further in
the future counts as none: a clock was wrong."""
_TABLE = NAMES.qualified.schedules_table
_NOW = text("SELECT clock_timestamp()")
_KNOWN = text(f"""
    SELECT expression, CASE WHEN isfinite(last_run) THEN last_run END AS last_run FROM {_TABLE} WHERE entrypoint = ANY(:names)
    ORDER BY updated DESC, id DESC LIMIT 1
""")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('schedule ' || :name, 0))")
_FORGET = text(f"DELETE FROM {_TABLE} WHERE entrypoint = ANY(:names)")
"""All rows of a job: there was one for each expression that it ever had."""
_SET = text(f"""
    INSERT INTO {_TABLE} (expression, entrypoint, next_run, last_run)
    VALUES (:cron, :name, :tick, :tick)
""")


async def keep_schedule(engine: AsyncEngine, jobs: Mapping[str, BoundJob]) -> None:
    """Enqueue jobs at their times, by the database's clock, until cancelled. What goes wrong is
    logged and tried again."""
    told, has_failed = 0.0, False
    while True:
        pause = _RETRY
        try:
            asked = time.monotonic()
            now, told = await _ask(Database(engine, schemas.QUEUE), told)
            has_failed = False
            if await enqueue_ticks(engine, jobs, now):
                ticks = [_tick(job, now, next=True) for job in jobs.values() if job.options.cron]
                until = min([*ticks, now + timedelta(seconds=_LONGEST_SLEEP)])
                pause = (until - now).total_seconds() - (time.monotonic() - asked)
        except Exception as error:
            if not has_failed:
                logger.warning("The database does not say what time it is: %s", cause(error))
            has_failed = True
        await asyncio.sleep(max(0.05, min(pause, _LONGEST_SLEEP)))


async def enqueue_ticks(engine: AsyncEngine, jobs: Mapping[str, BoundJob], now: datetime) -> bool:
    """Enqueue each scheduled job whose time has come, once for all who ask; say whether all went well.

    Of several times that passed while no worker ran, the last one is made up for, unless it passed
    under another schedule. One that cannot be enqueued does not keep the others from it.
    """
    done = True
    for job in jobs.values():
        if job.options.cron is not None:
            try:
                await _enqueue_tick(engine, job, now)
            except Exception:
                done = False
                logger.exception(
                    "%s could not be enqueued by the clock, trying again in a moment.", job.name
                )
    return done


async def _enqueue_tick(engine: AsyncEngine, job: BoundJob, now: datetime) -> None:
    tick = _tick(job, now, next=False)
    values = {"cron": job.options.cron, "name": job.name, "names": job.names, "tick": tick}

    async def last_run(tx: Tx) -> datetime | None:
        """Return when the job ran last under this schedule, or None."""
        known = (await tx.execute(_KNOWN, values)).one_or_none()
        if known is None or known.expression != job.options.cron or known.last_run is None:
            return None
        return cast(datetime, known.last_run) if known.last_run <= now + _AHEAD else None

    async with Database(engine, schemas.QUEUE).transaction() as tx:
        last = await last_run(tx)
        if last is not None and last >= tick:
            return
        for name in job.names:
            if not await tx.scalar(_ALONE, {"name": name}):
                return  # Another worker is at it.
        last = await last_run(tx)
        if last is not None and last >= tick:
            return  # It was.
        await tx.execute(_FORGET, values)
        await tx.execute(_SET, values)
        if last is not None:  # What was before it was deployed is not its business.
            await enqueue(tx, [job.write(job.default())])


async def _ask(database: Database, told: float) -> tuple[datetime, float]:
    """Return what time it is, and by how many seconds this worker's clock is ahead, if by more than
    the question took; say so where that differs from what was `told` before."""
    begun = datetime.now(UTC)
    async with database.transaction() as tx:
        now = cast(datetime, await tx.scalar(_NOW))
    taken = datetime.now(UTC) - begun
    ahead = (begun + taken / 2 - now).total_seconds()
    tolerance = _TOLERANCE + abs(taken.total_seconds())
    if abs(ahead - told) <= tolerance:
        return now, told
    if abs(ahead) <= tolerance:
        logger.info("The clock of this worker is right again.")
        return now, 0.0
    logger.warning(
        "The clock of this worker is %.0f s %s that of the database. Jobs by the clock go by the "
        "database's; set this one right, for all else.",
        abs(ahead),
        "ahead of" if ahead > 0 else "behind",
    )
    return now, ahead


def is_valid_cron(expression: str) -> bool:
    """Say whether five fields name times: `0 3 * * *`, in UTC."""
    from croniter import croniter, CroniterBadDateError  # type: ignore[import-untyped]

    if len(expression.split()) != 5 or not croniter.is_valid(expression):
        return False
    try:
        croniter(expression, datetime.now(UTC)).get_next()
    except CroniterBadDateError:  # Such as the 30th of February.
        return False
    return True


def _tick(job: BoundJob, now: datetime, *, next: bool) -> datetime:
    """Return the last time that has come, or the next one that has not."""
    from croniter import croniter

    times = croniter(job.options.cron, now.replace(microsecond=0) + timedelta(seconds=1))
    last: datetime = times.get_prev(datetime)
    return cast(datetime, times.get_next(datetime)) if next else last
