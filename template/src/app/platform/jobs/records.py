"""What is in the queue: for those who look after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TYPE_CHECKING

from app.platform.jobs.jobs import BoundJob, by_any_name
from app.platform.jobs.names import NAMES

if TYPE_CHECKING:
    from pgqueuer import Queries

STATES = {"waiting": "queued", "running": "picked", "held": "failed", "unknown": "unknown"}
"""The states of a job, and pgqueuer's names for them. An unknown one waits for another version of the
code: this one does not have it, or cannot read its arguments."""
_STATE_OF = {theirs: name for name, theirs in STATES.items()}
Known = Mapping[str, BoundJob]
"""The jobs that this version of the code has, by name."""

_TABLES = NAMES.qualified
_NAME = "split_part(entrypoint, '@', 1)"
"""See `versions`."""
_IS_UNKNOWN = f"""(status = 'queued'
    AND ({_NAME} <> ALL($1::text[]) OR (headers -> 'misfit' ?| $2::text[]) IS TRUE))"""
_STATUS = f"CASE WHEN {_IS_UNKNOWN} THEN 'unknown' ELSE status::text END"
_TIME = "greatest(least({0}, '9999-01-01Z'), '0001-01-02Z')"
"""Somebody may have written what Python has no time for, such as infinity."""
_DUE = _TIME.format("execute_after")
_JOBS = f"""
    SELECT id, {_NAME} AS name, {_STATUS} AS status, attempts, priority,
        {_TIME.format("created")} AS created, {_DUE} AS due, payload, dedupe_key, (
            SELECT concat(traceback->>'exception_type', ': ', traceback->>'exception_message')
            FROM {_TABLES.queue_table_log} WHERE job_id = job.id AND traceback IS NOT NULL
            ORDER BY created DESC, id DESC LIMIT 1
        ) AS error,
        CASE WHEN {_IS_UNKNOWN} THEN (
            SELECT why FROM jsonb_each_text(
                CASE jsonb_typeof(headers -> 'misfit') WHEN 'object' THEN headers -> 'misfit' END
            ) AS each (shape, why) WHERE shape = ANY($2)
        ) END AS misfit
    FROM {_TABLES.queue_table} AS job
    WHERE ($3::text[] IS NULL OR split_part(entrypoint, '.', 1) = ANY($3))
        AND ($4::text IS NULL OR {_STATUS} = $4) AND ($5::bigint[] IS NULL OR id = ANY($5))
    ORDER BY id LIMIT $6
"""
_MEASURE = f"""
    SELECT split_part(entrypoint, '.', 1) AS module, {_STATUS} AS status, count(*) AS number,
        max(extract(epoch FROM now() - {_DUE})) FILTER (WHERE status = 'queued') AS oldest
    FROM {_TABLES.queue_table} GROUP BY 1, 2 ORDER BY 1"""
_UNKNOWN = f"""SELECT {_NAME} AS name, count(*) AS number FROM {_TABLES.queue_table}
    WHERE {_IS_UNKNOWN} GROUP BY 1 ORDER BY 1"""


class Asked(Protocol):
    """A connection to the queue: asyncpg's, or pgqueuer's."""

    async def fetch(self, query: str, *args: object) -> Any:
        """Return rows."""


class JobsError(Exception):
    """What was asked of a job cannot be done with it; says why."""


@dataclass(frozen=True)
class JobRecord:
    """A job in the queue."""

    id: int
    name: str
    state: str
    failed: int
    """How many attempts failed since it was enqueued, or retried by hand."""
    priority: int
    created: datetime
    due: datetime
    key: str | None
    arguments: str
    """As they were written, JSON."""
    error: str | None
    """Of the last attempt that failed; of an unknown job, why it cannot be read."""


@dataclass(frozen=True)
class ModuleQueue:
    """What a module has in the queue."""

    jobs: Mapping[str, int]
    """How many, by state."""
    oldest_due: float
    """Seconds for which one is due that no worker has taken; 0 for none."""


@dataclass(frozen=True)
class Step:
    """Something that became of a job."""

    at: datetime
    what: str
    error: str | None
    """With the traceback."""


async def find_jobs(
    queue: "Queries",
    known: Known,
    *,
    module: str | None = None,
    state: str | None = None,
    ids: Sequence[int] | None = None,
    limit: int | None = None,
) -> list[JobRecord]:
    """Return the jobs in the queue, oldest first. `known` are those that the code has."""
    status = STATES[state] if state else None
    called = None if module is None else [*names_of(module, known)]
    rows = await queue.driver.fetch(_JOBS, *_of(known), called, status, ids, limit)
    names = by_any_name(known)
    return [_record(row, names) for row in rows]


async def find_job(queue: "Queries", known: Known, id: int) -> JobRecord:
    """Return one job. Raises JobsError."""
    for found in await find_jobs(queue, known, ids=[id]):
        return found
    raise absent(id)


async def history_of(queue: "Queries", id: int) -> list[Step]:
    """Return what became of a job, oldest first."""
    from pgqueuer.models import JobId

    return [
        Step(entry.created, state_of(entry.status), getattr(entry.traceback, "traceback", None))
        for entry in await queue.job_log_history(JobId(id), limit=10_000)
    ]


async def count_jobs(queue: "Queries", known: Known) -> dict[str, Mapping[str, int]]:
    """Return how many jobs of each module are in each state."""
    return {name: each.jobs for name, each in (await measure_queue(queue.driver, known)).items()}


async def measure_queue(asked: Asked, known: Known) -> dict[str, ModuleQueue]:
    """Return what each module has in the queue; modules that have nothing there are left out."""
    found: dict[str, ModuleQueue] = {}
    modules = {former: job.module for job in known.values() for former in _modules_of(job)}
    row: Any
    for row in await asked.fetch(_MEASURE, *_of(known)):
        module, state = modules.get(row["module"], row["module"]), state_of(row["status"])
        before = found.get(module, ModuleQueue(dict.fromkeys(STATES, 0), 0.0))
        found[module] = ModuleQueue(
            {**before.jobs, state: before.jobs.get(state, 0) + row["number"]},
            max(before.oldest_due, float(row["oldest"] or 0)),
        )
    return found


async def count_unknown(queue: "Queries", known: Known) -> dict[str, int]:
    """Return how many jobs of each name wait for another version of the code."""
    rows = await queue.driver.fetch(_UNKNOWN, *_of(known))
    return {str(row["name"]): int(str(row["number"])) for row in rows}


def _record(row: Mapping[str, Any], names: Known) -> JobRecord:
    state, name = state_of(row["status"]), row["name"]
    return JobRecord(
        id=row["id"],
        name=names[name].name if name in names else name,
        state=state,
        failed=row["attempts"] + (state == "held"),
        priority=row["priority"],
        created=row["created"],
        due=row["due"],
        key=row["dedupe_key"],
        arguments=(row["payload"] or b"null").decode(errors="replace"),
        error=row["misfit"] or row["error"],
    )


def _of(known: Known) -> tuple[list[str], list[str]]:
    """Return the names of jobs, and the shapes of their arguments."""
    return list(by_any_name(known)), [job.shape for job in known.values()]


def names_of(module: str, known: Known) -> set[str]:
    """Return what a module may be called in the queue."""
    return {module, *_former_of(module, known)}


def _former_of(module: str, known: Known) -> set[str]:
    """Return what else a module may be called in the queue."""
    return {name for job in known.values() if job.module == module for name in _modules_of(job)}


def _modules_of(job: BoundJob) -> set[str]:
    return {name.partition(".")[0] for name in job.names}


def state_of(status: object) -> str:
    """Return what we call a state of pgqueuer's."""
    return _STATE_OF.get(str(status), str(status))


def absent(id: int) -> JobsError:
    """Return the error to raise where there is no such job."""
    return JobsError(f"There is no job {id} in the queue: it has ended, was dropped, or never was.")
