"""The queue: a table of jobs, in a schema and under a role of its own; pgqueuer knows the SQL."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TYPE_CHECKING

from asyncpg import PostgresError
from opentelemetry.trace import SpanKind

from app.platform import schemas
from app.platform.database import (
    connect,
    connect_straight,
    OF_DRIVER,
    role_of,
    roles_in,
    send,
    send_last,
    sqlstate_of,
    Tx,
    view_of,
)
from app.platform.jobs.names import ENQUEUE, NAMES
from app.platform.settings import Settings
from app.platform.telemetry import begin, begin_trace, get_request, inside, Place, place
from app.platform.timeouts import QUEUE

if TYPE_CHECKING:
    from asyncpg import Connection
    from pgqueuer import Queries
    from pgqueuer.models import JobId
    from pgqueuer.types import QueueManagerId

UNREACHABLE = (OSError, *OF_DRIVER)
"""What a connection to the queue raises that does not work, or not any more."""

_END = f"""SET LOCAL ROLE "%(role)s";
    WITH ended AS (
        DELETE FROM {NAMES.qualified.queue_table} WHERE id = %(id)d
        RETURNING id, entrypoint, priority
    )
    INSERT INTO {NAMES.qualified.queue_table_log} (job_id, status, entrypoint, priority)
    SELECT id, 'successful', entrypoint, priority FROM ended"""
_ENDED = f"DELETE FROM {NAMES.qualified.queue_table} WHERE id = $1"
"""It in short, for traces."""
_RELEASE = f"""UPDATE {NAMES.qualified.queue_table}
    SET status = 'queued', queue_manager_id = NULL, slot = NULL, execute_after =
        CASE WHEN headers ? 'lost' THEN now() + interval '10 seconds' ELSE execute_after END
    WHERE queue_manager_id = $1 AND status = 'picked' AND"""


_PUT_OFF = f"""UPDATE {NAMES.qualified.queue_table}
    SET status = 'queued', queue_manager_id = NULL, slot = NULL,
        execute_after = now() + interval '1 second'
    WHERE queue_manager_id = $1 AND status = 'picked' AND id = $2"""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as it is written."""

    name: str
    arguments: bytes
    priority: int = 0
    delay: timedelta = timedelta(0)
    key: str | None = None
    """No second job of the same name and key is written while one waits or runs."""
    shape: str | None = None
    """Of the arguments; see `shapes`."""
    members: Mapping[str, object] = field(default_factory=dict)


async def enqueue(tx: Tx, jobs: Sequence[NewJob], what: str = "") -> int:
    """Write jobs in the caller's transaction; return how many, those with a taken key left out.

    In a trace, it is `what` was done: by default, that the job was enqueued.
    """
    name, about = what or f"enqueue {jobs[0].name}", {"job.name": jobs[0].name}
    if (here := place.get()) is not None:
        span = begin(name, SpanKind.PRODUCER, about)
    else:  # The clock enqueues it: all attempts are to be in one trace nevertheless.
        span = begin_trace(None, name, SpanKind.PRODUCER, about)
    try:
        with inside(span):
            return await _write(tx, jobs, place.get())
    finally:
        place.set(here)


async def _write(tx: Tx, jobs: Sequence[NewJob], origin: Place | None) -> int:
    columns = (
        [job.priority for job in jobs],
        [job.name for job in jobs],
        [job.arguments for job in jobs],
        [job.delay for job in jobs],
        [job.key and f"{job.name} {job.key}" for job in jobs],
        [_headers(origin, job) for job in jobs],
    )
    return await send(view_of(tx, schemas.QUEUE), ENQUEUE, columns)


def _headers(origin: Place | None, job: NewJob) -> str:
    """Return what a job takes along: whose request it comes from, and how its arguments are to be read."""
    request_id = get_request()
    headers = {
        "request_id": request_id,
        "shape": job.shape,
        "members": job.members,
        "otel": origin and {"traceparent": origin.trace_parent},  # Where pgqueuer has it as well.
    }
    told = {name: value for name, value in headers.items() if value}
    return json.dumps(told) if told else "null"


async def end(tx: Tx, id: int) -> bool:
    """Take a job that is done from the queue, by the last statement of its transaction, which it leaves
    in the role of the queue. Returns False if the job was done before: then do not commit."""
    role = role_of(roles_in(tx), schemas.QUEUE)
    ended = await send_last(tx, _END % {"role": role, "id": id}, _ENDED, role)
    return ended == "INSERT 0 1"


async def release(queue: "Queries", worker: "QueueManagerId", ids: "Sequence[JobId]") -> None:
    """Give back what a worker has taken and not ended; what is suspected waits for a moment."""
    await queue.driver.execute(f"{_RELEASE} id = ANY($2)", worker, ids)


async def put_off(queue: "Queries", worker: "QueueManagerId", id: "JobId") -> None:
    """Give back what could not be done just now, for a moment; that is no failed attempt."""
    await queue.driver.execute(_PUT_OFF, worker, id)


async def release_all_but(
    queue: "Queries", worker: "QueueManagerId", held: "Collection[JobId]"
) -> None:
    """Give back what a worker has taken without having heard of it."""
    await queue.driver.execute(f"{_RELEASE} id <> ALL($2)", worker, sorted(held))


def has_answered(error: Exception) -> bool:
    """Say whether it was Postgres that refused what the queue was asked, and the connection lives."""
    return isinstance(error, PostgresError) and not sqlstate_of(error).startswith(("08", "57P"))


@asynccontextmanager
async def connect_queue(
    settings: Settings, limit: float = QUEUE, url: str | None = None
) -> "AsyncIterator[Queries]":
    """Open a connection of its own that speaks as the queue; pgqueuer's queries on it.

    Without an answer within so many seconds it ends, with a TimeoutError. To the open side of two, unless
    a `url` says which.
    """
    async with connect_as_queue(settings, limit, url) as connection:
        yield queries_on(connection)


@asynccontextmanager
async def connect_as_queue(
    settings: Settings, limit: float = QUEUE, url: str | None = None
) -> "AsyncIterator[Connection]":
    """Open such a connection, to be asked in plain SQL."""
    role = role_of(settings.roles, schemas.QUEUE).replace('"', '""')
    options: dict[str, Any] = {
        "command_timeout": limit,
        "server_settings": {"application_name": "app worker"},
    }
    if url is None:
        connection = await connect(settings.database_url, **options)
    else:
        connection = await connect_straight(url, **options)
    try:
        # Not as a parameter of the start, which poolers refuse.
        await connection.execute(f'SET ROLE "{role}"')
        yield connection
    finally:
        connection.terminate()  # A close waits for a network that may be silent.


def queries_on(connection: Any) -> "Queries":
    """Return pgqueuer's queries on an asyncpg connection."""
    from pgqueuer import Queries
    from pgqueuer.adapters.persistence import qb
    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.domain.settings import DBSettings

    names = DBSettings(
        db_schema=schemas.QUEUE
    )  # For each of its objects: by default, it is public.
    return Queries(
        AsyncpgDriver(connection),
        qb.QueryBuilderEnvironment(names),
        qb.QueryQueueBuilder(names),
        qb.QuerySchedulerBuilder(names),
    )
