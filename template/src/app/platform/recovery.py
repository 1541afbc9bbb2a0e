"""What dead workers left: run again, and held where it seems to be what kills them.

A job that a worker died with is suspected, and a worker runs one such job at a time: so those that
only ran beside the one that kills are not taken for it.
"""

from collections.abc import Collection
from datetime import timedelta

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId
from pgqueuer.types import QueueManagerId
from sqlalchemy import text

from app.platform.database import Database
from app.platform.queue import NAMES

_MOST = 5
"""So many workers die with a job until it is held: few enough for one that kills each, too many
for one that is merely unlucky."""

_TABLE = NAMES.qualified.queue_table
_HEADERS = "CASE jsonb_typeof(headers) WHEN 'object' THEN headers ELSE '{}' END"
_RECOVER = f"""
    UPDATE {_TABLE} SET status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now(),
        headers = {_HEADERS} - 'started' || jsonb_build_object(
            'lost', CASE WHEN headers ? 'lost' AND NOT headers ? 'started' THEN headers->'lost'
                ELSE to_jsonb(coalesce((headers->>'lost')::int, 0) + 1) END
        )
    WHERE id IN (
        SELECT id FROM {_TABLE} WHERE status = 'picked' AND heartbeat < now() - $1::interval
        FOR UPDATE SKIP LOCKED
    )
"""
_START = f"""UPDATE {_TABLE} SET headers = headers || jsonb_build_object('started', true)
    WHERE id = $1"""


_BEAT = text(f"""UPDATE {_TABLE} SET heartbeat = now()
    WHERE id IN (
        SELECT id FROM {_TABLE}
        WHERE id = ANY(CAST(:ids AS bigint[])) AND queue_manager_id = CAST(:worker AS uuid)
        FOR UPDATE SKIP LOCKED
    )""")
"""What is locked is being ended, and is not recovered either: no heartbeat waits for it."""

_HAS = f"SELECT FROM {_TABLE} WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'"


class DeadlyJobError(Exception):
    """Worker after worker died with a job, so it is not run again."""


async def keep_alive(database: Database, worker: QueueManagerId, ids: Collection[JobId]) -> None:
    """Say that a worker lives, and has these jobs in hand."""
    async with database.transaction() as tx:
        await tx.execute(_BEAT, {"ids": sorted(ids), "worker": worker})


async def has(queue: Queries, worker: QueueManagerId, id: JobId) -> bool:
    """Say whether a job is still in a worker's hands."""
    return bool(await queue.driver.fetch(_HAS, id, worker))


async def recover(queue: Queries, silence: float) -> None:
    """Put back what workers took that have been silent for so many seconds."""
    await queue.driver.execute(_RECOVER, timedelta(seconds=silence))


def is_suspected(row: Row) -> bool:
    """Say whether a worker died that had this job in hand."""
    return _workers_lost(row) > 0


async def check_not_deadly(queue: Queries, row: Row) -> None:
    """Note that a suspected job is being run. Raises DeadlyJobError where it must not be."""
    if (lost := _workers_lost(row)) >= _MOST:
        raise DeadlyJobError(
            f"{lost} workers that ran {row.entrypoint} died, or were silent for longer than "
            "WORKER_LOST_AFTER: out of memory, a crash in a library, or a loop without an `await`? "
            "Look for their last words, deploy a remedy, and run `app jobs retry`; or `app jobs "
            "drop`."
        )
    await queue.driver.execute(_START, row.id)


def _workers_lost(row: Row) -> int:
    lost = (row.headers or {}).get("lost", 0)
    return lost if isinstance(lost, int) else 0
