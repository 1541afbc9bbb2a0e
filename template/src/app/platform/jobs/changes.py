"""What is done with jobs in the queue: held ones are run again, or deleted. All that is asked, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from asyncpg import UniqueViolationError
from pgqueuer import Queries

from app.platform.jobs.names import NAMES
from app.platform.jobs.records import JobsError, STATES

_TABLES = NAMES.qualified
_FIND = f"""
    SELECT job.id, job.status::text AS status, job.dedupe_key AS key,
        job.heartbeat >= now() - $2::interval AS lives,
        other.id AS other, other.status::text AS other_status
    FROM {_TABLES.queue_table} AS job LEFT JOIN {_TABLES.queue_table} AS other
        ON other.dedupe_key = job.dedupe_key AND other.status IN ('queued', 'picked')
            AND other.id <> job.id
    WHERE job.id = ANY($1) ORDER BY job.id DESC"""
_RETRY = f"""
    WITH held AS (
        SELECT id FROM {_TABLES.queue_table} WHERE id = ANY($1) AND status = 'failed' FOR UPDATE
    ), again AS (
        UPDATE {_TABLES.queue_table} SET status = 'queued', execute_after = now(), updated = now(),
            attempts = 0, queue_manager_id = NULL, slot = NULL, headers = CASE
                WHEN jsonb_typeof(headers) = 'object' THEN headers - 'lost' - 'started'
                ELSE headers END
        WHERE id IN (SELECT id FROM held) AND (SELECT count(*) FROM held) = cardinality($1)
        RETURNING id, entrypoint, priority
    ), logged AS (
        INSERT INTO {_TABLES.queue_table_log} (job_id, status, entrypoint, priority)
        SELECT id, 'queued', entrypoint, priority FROM again
    )
    SELECT id FROM again"""
"""The workers that died with a job are not held against it any more."""
_DROP = f"""
    WITH there AS (
        SELECT id FROM {_TABLES.queue_table} WHERE id = ANY($1) AND status::text = ANY($2)
            AND (status <> 'picked' OR heartbeat < now() - $3::interval) FOR UPDATE
    ), gone AS (
        DELETE FROM {_TABLES.queue_table}
        WHERE id IN (SELECT id FROM there) AND (SELECT count(*) FROM there) = cardinality($1)
        RETURNING id, entrypoint, priority
    ), logged AS (
        INSERT INTO {_TABLES.queue_table_log} (job_id, status, entrypoint, priority)
        SELECT id, 'deleted', entrypoint, priority FROM gone
    )
    SELECT id FROM gone"""
_NO_WORKER = timedelta(0)
_TRIES = 5
"""How often it is looked again where others change the same jobs meanwhile."""


@dataclass(frozen=True)
class Left:
    """A held job that is not run again, since another has its key."""

    id: int
    key: str
    other: int
    other_state: str
    """`waiting`, `running`, or `held`: the newest of several, which was run again in its place."""

    def __str__(self) -> str:
        return f"job {self.id} has the same key as job {self.other}, which {_IS[self.other_state]}"


_IS = {"waiting": "waits", "running": "runs", "held": "is held as well"}


async def retry_jobs(queue: Queries, ids: Sequence[int]) -> None:
    """Let held jobs run again, with all their attempts. Raises JobsError, and then changes none."""
    wanted = sorted(set(ids))
    for _ in range(_TRIES):
        found = {row["id"]: row for row in await queue.driver.fetch(_FIND, wanted, _NO_WORKER)}
        for id in wanted:
            _check_there(id, found)
            if (state := _state(found[id]["status"])) != "held":
                raise JobsError(f"Job {id} is {state}, not held: there is nothing to retry.")
        chosen, left = _one_of_each_key(list(found.values()))
        if left:
            raise JobsError(
                f"Of a key, one job waits or runs at a time: {left[0]}. Wait until that has ended, or "
                "retry the newest, and drop the other."
            )
        if await _retry(queue, chosen):
            return
    raise _busy()


async def retry_held(queue: Queries, ids: Sequence[int]) -> tuple[list[int], list[Left]]:
    """Let those that are held run again, of each key the newest; return them, and those left held."""
    for _ in range(_TRIES):
        rows = await queue.driver.fetch(_FIND, sorted(set(ids)), _NO_WORKER)
        chosen, left = _one_of_each_key([row for row in rows if row["status"] == "failed"])
        if not chosen or await _retry(queue, chosen):
            return chosen, left
    raise _busy()


async def drop_jobs(
    queue: Queries, ids: Sequence[int], silence: float, states: Sequence[str] = tuple(STATES)
) -> None:
    """Delete jobs that wait, are held, or whose worker has been silent for so many seconds.

    Raises JobsError, also where one is in no such state any more, and then deletes none.
    """
    wanted, patience = sorted(set(ids)), timedelta(seconds=silence)
    statuses = [STATES[state] for state in states if state != "unknown"]
    for _ in range(_TRIES):
        found = {row["id"]: row for row in await queue.driver.fetch(_FIND, wanted, patience)}
        for id in wanted:
            _check_there(id, found)
            if found[id]["status"] == "picked" and found[id]["lives"]:
                raise JobsError(
                    f"Job {id} is running. Wait until it has ended or is held, or until its worker "
                    f"has been silent for {silence:g} s (WORKER_LOST_AFTER)."
                )
            if found[id]["status"] not in statuses:
                raise JobsError(f"Job {id} is {_state(found[id]['status'])} meanwhile: look again.")
        if len(await queue.driver.fetch(_DROP, wanted, statuses, patience)) == len(wanted):
            return
    raise _busy()


async def _retry(queue: Queries, ids: Sequence[int]) -> bool:
    """Say whether all of them are enqueued again; otherwise none is."""
    try:
        return len(await queue.driver.fetch(_RETRY, ids)) == len(ids)
    except UniqueViolationError:
        return False  # A job with the key of one of them was enqueued meanwhile.


def _one_of_each_key(rows: Sequence[dict[str, object]]) -> tuple[list[int], list[Left]]:
    """Choose from held jobs, newest first, those that can run together."""
    chosen: dict[object, int] = {}
    left = []
    for row in rows:
        id, key = int(str(row["id"])), row["key"]
        if row["other"] is not None:
            other, state = int(str(row["other"])), _state(row["other_status"])
            left.append(Left(id, str(key), other, state))
        elif key in chosen:
            left.append(Left(id, str(key), chosen[key], "held"))
        else:
            chosen[id if key is None else key] = id
    return sorted(chosen.values()), left


def _check_there(id: int, found: dict[object, dict[str, object]]) -> None:
    if id not in found:
        raise JobsError(
            f"There is no job {id} in the queue: it has ended, was dropped, or never was."
        )


def _state(status: object) -> str:
    return next((name for name, theirs in STATES.items() if theirs == status), str(status))


def _busy() -> JobsError:
    return JobsError("Others change these jobs at this moment: try again.")
