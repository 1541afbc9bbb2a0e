"""What dead workers left is run again, and held where it seems to kill them.

A job that a worker died with is suspected. A worker runs one such job at a time, so that others
which only ran beside it are not blamed. What nobody can read is held as well.
"""

import logging
from collections.abc import Collection
from datetime import timedelta

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId, TracebackRecord
from pgqueuer.types import QueueManagerId
from sqlalchemy import text

from app.platform.database import Database
from app.platform.jobs.names import NAMES
from app.platform.jobs.queue import release_all_but
from app.platform.telemetry import text_of

logger = logging.getLogger("app.worker")

_MOST = 5
"""So many workers die with a job until it is held."""

_TABLE = NAMES.qualified.queue_table
_HEADERS = "CASE jsonb_typeof(headers) WHEN 'object' THEN headers ELSE '{}' END"
_RECOVER = f"""
    UPDATE {_TABLE} SET status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now(),
        headers = {_HEADERS} - 'started' || jsonb_build_object(
            'lost', CASE WHEN jsonb_typeof(headers->'lost') IS DISTINCT FROM 'number' THEN 1
                ELSE least(trunc((headers->>'lost')::numeric), {_MOST})
                    + (headers ? 'started')::int END
        )
    WHERE id IN (
        SELECT id FROM {_TABLE} WHERE status = 'picked' AND heartbeat < now() - $1::interval
            AND (entrypoint <> ALL($2) OR heartbeat < now() - interval '15 minutes')
        FOR UPDATE SKIP LOCKED
    )
"""
"""What other processes run may have another WORKER_LOST_AFTER. Where none of them is left, it is put back
nevertheless, so that it is seen to wait."""
_START = f"""UPDATE {_TABLE} SET headers = headers || jsonb_build_object('started', true)
    WHERE id = $1"""
_BEAT = text(f"""UPDATE {_TABLE} SET heartbeat = now()
    WHERE id IN (
        SELECT id FROM {_TABLE}
        WHERE id = ANY(CAST(:ids AS bigint[])) AND queue_manager_id = CAST(:worker AS uuid)
        FOR UPDATE SKIP LOCKED
    )""")
"""No heartbeat waits for a job that is being ended, which is locked."""
_TAKEN = f"""SELECT id FROM {_TABLE}
    WHERE queue_manager_id = $1 AND status = 'picked' AND id <> ALL($2)"""
_ROW = f"SELECT * FROM {_TABLE} WHERE id = $1"
_HAS = f"SELECT FROM {_TABLE} WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'"


class DeadlyJobError(Exception):
    """Worker after worker died with a job, so it is not run again."""


class UnreadableError(Exception):
    """A row of the queue's table is none that pgqueuer writes."""


async def keep_alive(database: Database, worker: QueueManagerId, ids: Collection[JobId]) -> None:
    """Say that a worker lives, and has these jobs in hand."""
    async with database.transaction() as tx:
        await tx.execute(_BEAT, {"ids": sorted(ids), "worker": worker})


async def has(queue: Queries, worker: QueueManagerId, id: JobId) -> bool:
    """Say whether a job is still in a worker's hands."""
    return bool(await queue.driver.fetch(_HAS, id, worker))


async def recover(queue: Queries, silence: float, elsewhere: Collection[str] = ()) -> None:
    """Put back what workers took that have been silent for so many seconds; much longer, where it is
    one of the jobs that are run `elsewhere`."""
    await queue.driver.execute(_RECOVER, timedelta(seconds=silence), [*elsewhere])


async def hold_unreadable(queue: Queries, worker: QueueManagerId, held: Collection[JobId]) -> int:
    """Hold what a worker has taken and nobody can read, as somebody wrote it by hand; give back the
    rest. Return how many are held."""
    unreadables = 0
    for taken in await queue.driver.fetch(_TAKEN, worker, sorted(held)):
        id = JobId(int(str(taken["id"])))
        try:
            for row in await queue.driver.fetch(_ROW, id):
                Row.model_validate(row)
        except (ValueError, ArithmeticError) as error:
            unreadables += 1
            unreadable = UnreadableError(
                f"The row of job {id} cannot be read: {text_of(error)}. Mend it in {_TABLE}, and run "
                "`app jobs retry`; or `app jobs drop`."
            )
            failure = TracebackRecord.from_exception(unreadable, id).model_dump_json()
            await queue.driver.execute(queue.qbq.build_log_job_query(), [id], ["failed"], [failure])
            logger.error("Held: %s", unreadable)
    await release_all_but(queue, worker, held)
    return unreadables


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
