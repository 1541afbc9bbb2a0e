"""What is done with jobs in the queue: held ones are run again, or deleted. All that is asked, or nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from asyncpg import UniqueViolationError
from pgqueuer import Queries

from app.platform.jobs.names import NAMES
from app.platform.jobs.records import absent, JobsError, state_of, STATES

_TABLES = NAMES.qualified
_FIND = f"""
    SELECT job.id, job.status::text AS status, job.dedupe_key AS key,
        job.heartbeat >= now() - $2::interval AS lives,
        other.id AS other, other.status::text AS other_status
    FROM {_TABLES.queue_table} AS job LEFT JOIN {_TABLES.queue_table} AS other
        ON other.dedupe_key = job.dedupe_key AND other.status IN ('queued', 'picked')
            AND other.id <> job.id
    WHERE job.id = ANY($1) ORDER BY job.id DESC"""


def _for_all(condition: str, change: str, status: str) -> str:
    """Return SQL that changes all jobs of $1, if the condition holds for each of them, or none."""
    return f"""
        WITH found AS (
            SELECT id FROM {_TABLES.queue_table} WHERE id = ANY($1) AND {condition} FOR UPDATE
        ), changed AS (
            {change}
            WHERE id IN (SELECT id FROM found) AND (SELECT count(*) FROM found) = cardinality($1)
            RETURNING id, entrypoint, priority
        ), logged AS (
            INSERT INTO {_TABLES.queue_table_log} (job_id, status, entrypoint, priority)
            SELECT id, '{status}', entrypoint, priority FROM changed
        )
        SELECT id FROM changed"""


# The workers that died with a job are not held against it any more.
_RETRY = _for_all(
    "status = 'failed'",
    f"""UPDATE {_TABLES.queue_table} SET status = 'queued', execute_after = now(), updated = now(),
        attempts = 0, queue_manager_id = NULL, slot = NULL, headers = CASE
            WHEN jsonb_typeof(headers) = 'object' THEN headers - 'lost' - 'started'
            ELSE headers END""",
    "queued",
)
_DROP = _for_all(
    "status::text = ANY($2) AND (status <> 'picked' OR heartbeat < now() - $3::interval)",
    f"DELETE FROM {_TABLES.queue_table}",
    "deleted",
)
_TRIES = 5
"""How often it is looked again where others change the same jobs meanwhile."""
_BUSY = "Others change these jobs at this moment: try again."


@dataclass(frozen=True)
class Left:
    """A held job that is not run again, since another has its key."""

    id: int
    key: str
    other: int
    other_state: str
    """`waiting`, `running`, or `held`: the newest of several, which was run again in its place."""

    def __str__(self) -> str:
        state = {"waiting": "waits", "running": "runs", "held": "is held as well"}
        return (
            f"job {self.id} has the same key as job {self.other}, which {state[self.other_state]}"
        )


async def retry_jobs(queue: Queries, ids: Sequence[int]) -> None:
    """Let held jobs run again, with all their attempts. Raises JobsError, and then changes none."""
    for _ in range(_TRIES):
        found = await _find(queue, ids)
        for id, row in sorted(found.items()):
            if (state := state_of(row["status"])) != "held":
                raise JobsError(f"Job {id} is {state}, not held: there is nothing to retry.")
        chosen, left = _one_of_each_key(found.values())
        if left:
            raise JobsError(
                f"Of a key, one job waits or runs at a time: {left[0]}. Wait until that has ended, or "
                "retry the newest, and drop the other."
            )
        if await _retry(queue, chosen):
            return
    raise JobsError(_BUSY)


async def retry_held(queue: Queries, ids: Sequence[int]) -> tuple[list[int], list[Left]]:
    """Let those that are held run again, of each key the newest; return them, and those left held."""
    for _ in range(_TRIES):
        rows: Any = await queue.driver.fetch(_FIND, sorted(set(ids)), timedelta(0))
        chosen, left = _one_of_each_key(row for row in rows if row["status"] == "failed")
        if not chosen or await _retry(queue, chosen):
            return chosen, left
    raise JobsError(_BUSY)


async def drop_jobs(
    queue: Queries, ids: Sequence[int], silence: float, states: Sequence[str] = tuple(STATES)
) -> None:
    """Delete jobs that wait, are held, or whose worker has been silent for so many seconds.

    Raises JobsError, also where one is in no such state any more, and then deletes none.
    """
    limit = timedelta(seconds=silence)
    statuses = [STATES[state] for state in states if state != "unknown"]
    for _ in range(_TRIES):
        found = await _find(queue, ids, limit)
        for id, row in sorted(found.items()):
            if row["status"] == "picked" and row["lives"]:
                raise JobsError(
                    f"Job {id} is running. Wait until it has ended or is held, or until its worker "
                    f"has been silent for {silence:g} s (WORKER_LOST_AFTER)."
                )
            if row["status"] not in statuses:
                raise JobsError(f"Job {id} is {state_of(row['status'])} meanwhile: look again.")
        if len(await queue.driver.fetch(_DROP, sorted(found), statuses, limit)) == len(found):
            return
    raise JobsError(_BUSY)


async def _find(
    queue: Queries, ids: Sequence[int], limit: timedelta = timedelta(0)
) -> dict[int, dict[str, Any]]:
    """Return these jobs, newest first. Raises JobsError where one is not there."""
    wanted = sorted(set(ids))
    rows: Any = await queue.driver.fetch(_FIND, wanted, limit)
    found = {row["id"]: row for row in rows}
    for id in wanted:
        if id not in found:
            raise absent(id)
    return found


async def _retry(queue: Queries, ids: Sequence[int]) -> bool:
    """Say whether all of them are enqueued again; otherwise none is."""
    try:
        return len(await queue.driver.fetch(_RETRY, ids)) == len(ids)
    except UniqueViolationError:
        return False  # A job with the key of one of them was enqueued meanwhile.


def _one_of_each_key(rows: Iterable[dict[str, Any]]) -> tuple[list[int], list[Left]]:
    """Choose from held jobs, newest first, those that can run together."""
    chosen: dict[object, int] = {}
    left = []
    for row in rows:
        id, key, other = row["id"], row["key"], row["other"]
        if other is not None:
            left.append(Left(id, key, other, state_of(row["other_status"])))
        elif key in chosen:
            left.append(Left(id, key, chosen[key], "held"))
        else:
            chosen[id if key is None else key] = id
    return sorted(chosen.values()), left
