"""What is old is forgotten: a batch at a time, by one worker at a time."""

import asyncio
import logging
import random
from datetime import datetime, UTC

from sqlalchemy import text, TextClause
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform import schemas
from app.platform.database import Database, sqlstate_of
from app.platform.jobs.names import NAMES

logger = logging.getLogger("app.worker")

_PAUSE = 600.0
"""Seconds after which it is looked again, about: several workers do not look together."""
_BREATH = 0.05
"""Seconds in which others come to their turn between two batches."""
_TOO_LONG = "57014"
_TABLES = NAMES.qualified
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('forget', 0))")
_JOBS = text(f"""
    WITH gone AS (
        DELETE FROM {_TABLES.queue_table_log} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {_TABLES.queue_table_log} AS log
            WHERE created >= :since AND created < now() - interval '7 days'
                AND NOT EXISTS (SELECT FROM {_TABLES.queue_table} WHERE id = log.job_id)
            ORDER BY created LIMIT :number
        )) RETURNING created
    )
    SELECT count(*), max(created) FROM gone
""")
"""What became of jobs that are no longer in the queue."""
_KEYS = text("""
    WITH gone AS (
        DELETE FROM requests.idempotency_keys WHERE (principal, key) IN (
            SELECT principal, key FROM requests.idempotency_keys
            WHERE created_at >= :since AND created_at < now() - interval '1 day'
            ORDER BY created_at LIMIT :number FOR UPDATE SKIP LOCKED
        ) RETURNING created_at
    )
    SELECT count(*), max(created_at) FROM gone
""")
"""Those of yesterday. One of them may just be taken again."""


async def keep_forgetting(engine: AsyncEngine) -> None:
    """Delete what is old, now and then, until cancelled. What goes wrong is logged and tried again."""
    while True:
        for what, forget in (("jobs", forget_jobs), ("requests", forget_keys)):
            try:
                await forget(engine)
            except Exception:
                logger.exception("Old history of %s could not be forgotten, trying again.", what)
        await asyncio.sleep(_PAUSE * random.uniform(0.5, 1))


async def forget_jobs(engine: AsyncEngine, batch: int = 5_000) -> None:
    """Delete what is known of jobs that ended a week ago."""
    await _forget(Database(engine, schemas.QUEUE), _JOBS, batch)


async def forget_keys(engine: AsyncEngine, batch: int = 500) -> None:
    """Delete the idempotency keys of yesterday, whose answers may be large."""
    await _forget(Database(engine, schemas.REQUESTS), _KEYS, batch)


async def _forget(database: Database, batch: TextClause, number: int) -> None:
    """Delete in batches, oldest first, until nothing is left or another worker is at it."""
    since, gone = datetime(1970, 1, 1, tzinfo=UTC), number
    while gone == number:
        try:
            async with database.transaction() as tx:
                if not await tx.scalar(_ALONE):
                    return
                values = {"since": since, "number": number}
                gone, last = (await tx.execute(batch, values)).one()
            since = last or since  # What is behind was looked at, and stays.
        except DBAPIError as error:
            if sqlstate_of(error) != _TOO_LONG or number == 1:
                raise
            gone = number = max(number // 4, 1)  # It took too long: less at a time.
        await asyncio.sleep(_BREATH)
