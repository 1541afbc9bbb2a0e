"""What pgqueuer calls its tables, and how it enqueues: importing it would take longer than all else.

Its version is bounded in `pyproject.toml`; a test holds what stands here to it.
"""

from dataclasses import dataclass

from app.platform import schemas


@dataclass(frozen=True, slots=True)
class _Tables:
    queue_table: str = f"{schemas.QUEUE}.pgqueuer"
    queue_table_log: str = f"{schemas.QUEUE}.pgqueuer_log"
    schedules_table: str = f"{schemas.QUEUE}.pgqueuer_schedules"


@dataclass(frozen=True, slots=True)
class _Names:
    qualified: _Tables
    queue_table: str = "pgqueuer"
    channel: str = "ch_pgqueuer"
    function: str = "fn_pgqueuer_changed"
    trigger: str = "tg_pgqueuer_changed"


NAMES = _Names(_Tables())

ENQUEUE = f"""
    WITH input AS MATERIALIZED (
        SELECT
            nextval(
                (SELECT pg_get_serial_sequence('{NAMES.qualified.queue_table}', 'id'))
            ) AS id,
            priority, entrypoint, payload, execute_after, dedupe_key, headers, ord
        FROM UNNEST(
            $1::int[], $2::text[], $3::bytea[],
            $4::interval[], $5::text[], $6::jsonb[]
        ) WITH ORDINALITY AS
            t(priority, entrypoint, payload, execute_after, dedupe_key, headers, ord)
    ),
    inserted AS (
        INSERT INTO {NAMES.qualified.queue_table} AS job
        (id, priority, entrypoint, payload, execute_after, dedupe_key, headers, status)
        SELECT id, priority, entrypoint, payload, execute_after + NOW(),
            dedupe_key, headers, 'queued'
        FROM input
        ON CONFLICT (dedupe_key)
            WHERE ((status = ANY (ARRAY['queued'::{schemas.QUEUE}.pgqueuer_status, 'picked'::{schemas.QUEUE}.pgqueuer_status])) AND (dedupe_key IS NOT NULL))
            DO NOTHING
        RETURNING id, entrypoint, priority, dedupe_key
    ),
    logged AS (
        INSERT INTO {NAMES.qualified.queue_table_log}
        (job_id, status, entrypoint, priority)
        SELECT id, 'queued', entrypoint, priority
        FROM inserted
        WHERE id IN (SELECT id FROM input)
    )
    SELECT i.ord AS ord, ins.id AS id
    FROM inserted ins
    JOIN input i ON i.id = ins.id
    ORDER BY i.ord
"""
"""Returns a row for each job that was written: a taken key leaves it out."""
