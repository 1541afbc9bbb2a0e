"""What keeps a worker alive, on a connection of its own: its jobs may have taken all the others."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from pgqueuer.models import JobId
from pgqueuer.types import QueueManagerId

from app.platform import schemas
from app.platform.database import close, create_engine, Database
from app.platform.jobs.cron import keep_schedule
from app.platform.jobs.jobs import BoundJob
from app.platform.jobs.recovery import keep_alive
from app.platform.jobs.retention import keep_forgetting
from app.platform.settings import Settings
from app.platform.telemetry import cause
from app.platform.timeouts import CLOSE

logger = logging.getLogger("app.worker")


@asynccontextmanager
async def lifeline(
    settings: Settings,
    jobs: Mapping[str, BoundJob],
    worker: QueueManagerId,
    held: Callable[[], Collection[JobId]],
) -> AsyncIterator[asyncio.Task[None]]:
    """Send heartbeats for what a worker holds, and do what goes by the clock, while the block lasts.
    Returns the task that keeps the schedule, which must not end before."""
    pulse = settings.worker_lost_after / 4
    # No heartbeat may be missed because of a statement before it, or a connection that is silent.
    limit = min(settings.database_statement_timeout, max(1.0, pulse))
    update = {"database_pool_size": 1, "database_statement_timeout": limit}
    engine = create_engine(settings.model_copy(update=update), name="app worker clock")
    schedule = asyncio.create_task(keep_schedule(engine, jobs))
    others = (
        asyncio.create_task(_beat(Database(engine, schemas.QUEUE), worker, held, pulse)),
        asyncio.create_task(keep_forgetting(engine)),
    )
    try:
        yield schedule
    finally:
        for task in (schedule, *others):
            task.cancel()
        await asyncio.wait((schedule, *others), timeout=CLOSE)
        await close(engine)


async def _beat(
    database: Database,
    worker: QueueManagerId,
    held: Callable[[], Collection[JobId]],
    pulse: float,
) -> None:
    """Tell the other workers what is still in hand here."""
    has_failed = False
    while True:
        await asyncio.sleep(min(pulse, 1.0) if has_failed else pulse)
        try:
            if ids := held():
                await keep_alive(database, worker, ids)
            has_failed = False
        except Exception as error:  # On another connection, the next one may pass.
            if not has_failed:
                logger.warning("A heartbeat failed, trying again: %s", cause(error))
            has_failed = True
