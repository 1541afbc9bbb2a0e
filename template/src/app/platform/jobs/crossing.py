"""How a job crosses from one queue to another, once, whoever dies when.

It is written on the other side, together with a note of where it came from, before it is deleted here: who
is killed in between leaves the note, by which nobody writes it again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform import schemas
from app.platform.database import Side
from app.platform.jobs.names import NAMES
from app.platform.telemetry import metrics

if TYPE_CHECKING:
    from asyncpg import Connection

_BATCH = 100
_TABLES = NAMES.qualified
_ARRIVED = f"{schemas.QUEUE}.arrived"
_NAMES = f"""
    WITH RECURSIVE each AS (
        (SELECT entrypoint FROM {_TABLES.queue_table} WHERE status = 'queued'
            ORDER BY entrypoint LIMIT 1)
        UNION ALL
        SELECT (SELECT entrypoint FROM {_TABLES.queue_table} WHERE status = 'queued'
            AND entrypoint > each.entrypoint ORDER BY entrypoint LIMIT 1)
        FROM each WHERE entrypoint IS NOT NULL
    )
    SELECT entrypoint FROM each WHERE entrypoint IS NOT NULL"""
"""From one name to the next in the index, however many jobs there are."""
_HELD_NAMES = f"SELECT DISTINCT entrypoint FROM {_TABLES.queue_table} WHERE status <> 'queued'"
_TAKE = f"""
    SELECT id, priority, entrypoint, payload, execute_after::text, created::text, attempts,
        dedupe_key, status::text, (
            CASE jsonb_typeof(headers) WHEN 'object' THEN headers ELSE '{{}}' END
            || jsonb_build_object('key', coalesce(headers ->> 'key',
                coalesce(headers ->> 'named', split_part(entrypoint, '@', 1)) || '-' || id))
        )::text AS headers, (
            SELECT traceback::text FROM {_TABLES.queue_table_log}
            WHERE job_id = job.id AND traceback IS NOT NULL ORDER BY created DESC, id DESC LIMIT 1
        ) AS traceback
    FROM {_TABLES.queue_table} AS job
    WHERE entrypoint = ANY($1) AND status IN ('queued', 'failed')
    ORDER BY priority DESC, id LIMIT {_BATCH} FOR UPDATE OF job SKIP LOCKED"""
_PUT = f"""
    WITH given AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('{_TABLES.queue_table}', 'id')) AS new_id, given.*
        FROM unnest($2::bigint[], $3::int[], $4::text[], $5::bytea[], $6::text[], $7::text[],
            $8::int[], $9::text[], $10::text[], $11::text[], $12::text[])
            AS given (id, priority, entrypoint, payload, execute_after, created, attempts,
                dedupe_key, status, headers, traceback)
    ), noted AS (
        INSERT INTO {_ARRIVED} (source, id) SELECT $1, id FROM given
        ON CONFLICT DO NOTHING RETURNING id
    ), written AS (
        INSERT INTO {_TABLES.queue_table} (id, priority, entrypoint, payload, execute_after, created,
            attempts, dedupe_key, status, headers)
        SELECT new_id, priority, entrypoint, payload, execute_after::timestamptz,
            created::timestamptz, attempts, dedupe_key, status::{schemas.QUEUE}.pgqueuer_status,
            headers::jsonb
        FROM given JOIN noted USING (id)
        ON CONFLICT (dedupe_key)
            WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL
            DO NOTHING
        RETURNING id, entrypoint, priority, status
    )
    INSERT INTO {_TABLES.queue_table_log} (job_id, status, entrypoint, priority, traceback)
    SELECT written.id, written.status, written.entrypoint, written.priority, traceback::jsonb
    FROM written JOIN given ON new_id = written.id"""
"""As `enqueue` does, it leaves out what has a key that is taken."""
_GONE = f"DELETE FROM {_TABLES.queue_table} WHERE id = ANY($1)"
_FORGET = f"DELETE FROM {_ARRIVED} WHERE source = $1 AND id = ANY($2)"
_NOTED = f"SELECT id FROM {_ARRIVED} WHERE source = $1 LIMIT 1000"
_FREE = f"SELECT id FROM {_TABLES.queue_table} WHERE id = ANY($1) FOR UPDATE SKIP LOCKED"
_LEFT = f"SELECT id FROM {_TABLES.queue_table} WHERE id = ANY($1)"
_SCHEDULES = f"""SELECT expression, entrypoint, next_run::text, last_run::text
    FROM {_TABLES.schedules_table} WHERE split_part(entrypoint, '.', 1) = ANY($1)"""
_SCHEDULE = f"""
    INSERT INTO {_TABLES.schedules_table} AS known (expression, entrypoint, next_run, last_run)
    VALUES ($1, $2, $3::text::timestamptz, $4::text::timestamptz)
    ON CONFLICT (expression, entrypoint) DO UPDATE
        SET next_run = excluded.next_run, last_run = excluded.last_run, updated = now()
        WHERE known.last_run IS NULL OR known.last_run < excluded.last_run"""


@dataclass(frozen=True)
class Queue:
    """One of the two queues of a module."""

    side: Side
    connection: "Connection"
    module: str

    @property
    def source(self) -> str:
        """What the other queue notes: the main one may hear from own ones of several modules."""
        return f"{self.side} of {self.module}" if self.side is Side.OWN else self.side


async def carry(source: Queue, target: Queue, names: Collection[str]) -> bool:
    """Carry some jobs of these names, each once; say whether there may be more."""
    async with source.connection.transaction():
        rows = await source.connection.fetch(_TAKE, list(names))
        if not rows:
            return False
        ids, *columns = ([*column] for column in zip(*rows, strict=True))
        await target.connection.execute(_PUT, source.source, ids, *columns)
        await source.connection.execute(_GONE, ids)
    await target.connection.execute(_FORGET, source.source, ids)
    for row in rows:
        module = row["entrypoint"].partition(".")[0]
        metrics.carried.labels(module, f"to_{target.side}").inc()
    return len(rows) == _BATCH


async def finish(source: Queue, target: Queue) -> None:
    """Delete from one queue what is noted in the other as arrived, and then the notes."""
    noted = [row["id"] for row in await target.connection.fetch(_NOTED, source.source)]
    if not noted:
        return
    async with source.connection.transaction():
        free = [row["id"] for row in await source.connection.fetch(_FREE, noted)]
        await source.connection.execute(_GONE, free)
    left = {row["id"] for row in await source.connection.fetch(_LEFT, noted)}
    gone = [id for id in noted if id not in left]
    await target.connection.execute(_FORGET, source.source, gone)


async def names_in(queue: Queue, held: bool) -> set[str]:
    """Return the names of all jobs that wait; of those that are held as well, where asked for."""
    found = {row["entrypoint"] for row in await queue.connection.fetch(_NAMES)}
    if held:
        found |= {row["entrypoint"] for row in await queue.connection.fetch(_HELD_NAMES)}
    return found


async def bring_schedules(source: Queue, target: Queue, modules: Collection[str]) -> None:
    """Let the clock of one side know what has run by that of the other."""
    for row in await source.connection.fetch(_SCHEDULES, [*modules]):
        await target.connection.execute(_SCHEDULE, *row)
