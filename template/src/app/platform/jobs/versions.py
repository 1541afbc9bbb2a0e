"""Two versions of the code at once: what one of them cannot read waits for the other.

Each job tells the shape of its arguments. One of another shape that cannot be read is laid aside, which
is no failed attempt. The shapes that could not read it are added to its name, `billing.greet@5f1c…`, so
that no worker of theirs takes it again. A worker of another shape takes it back before it takes jobs.
"""

import logging
from collections.abc import Mapping, Sequence

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.types import QueueManagerId

from app.platform.jobs.jobs import ArgumentsError, BoundJob
from app.platform.jobs.names import NAMES

logger = logging.getLogger("app.worker")

_MARK = "@"
_TABLES = NAMES.qualified
_LAY_ASIDE = f"""
    WITH given AS (
        SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[]) AS given (id, shape, why)
    ), aside AS (
        UPDATE {_TABLES.queue_table} AS job
        SET status = 'queued', queue_manager_id = NULL, slot = NULL, updated = now(),
            headers = job.headers || jsonb_build_object('misfit', misfit),
            entrypoint = job.entrypoint || '{_MARK}' || (
                SELECT string_agg(shape, ',' ORDER BY shape) FROM jsonb_object_keys(misfit) AS shape
            )
        FROM given JOIN {_TABLES.queue_table} AS taken ON taken.id = given.id, LATERAL (
            SELECT CASE jsonb_typeof(taken.headers -> 'misfit') WHEN 'object'
                THEN taken.headers -> 'misfit' ELSE '{{}}' END || jsonb_build_object(shape, why)
        ) AS known (misfit)
        WHERE job.id = given.id AND job.queue_manager_id = $1 AND job.status = 'picked'
        RETURNING job.id, job.entrypoint, job.priority
    )
    INSERT INTO {_TABLES.queue_table_log} (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM aside"""
_ASIDE = f"""
    WITH RECURSIVE each AS (
        (SELECT entrypoint FROM {_TABLES.queue_table} WHERE status = 'queued'
            ORDER BY entrypoint LIMIT 1)
        UNION ALL
        SELECT (SELECT entrypoint FROM {_TABLES.queue_table} WHERE status = 'queued'
            AND entrypoint > each.entrypoint ORDER BY entrypoint LIMIT 1)
        FROM each WHERE entrypoint IS NOT NULL
    )
    SELECT entrypoint AS name FROM each WHERE entrypoint LIKE '%{_MARK}%'"""
"""From one name to the next in the index, however many jobs there are."""
_TAKE_BACK = f"""
    UPDATE {_TABLES.queue_table} SET entrypoint = split_part(entrypoint, '{_MARK}', 1)
    WHERE id IN (
        SELECT id FROM {_TABLES.queue_table}
        WHERE status = 'queued' AND entrypoint = ANY($1) AND execute_after < now()
        ORDER BY priority DESC, id LIMIT $2 FOR UPDATE SKIP LOCKED
    )"""


class Versions:
    """What one worker cannot read, and what others could not."""

    def __init__(self, jobs: Mapping[str, BoundJob]) -> None:
        self._jobs = jobs
        self._aside: list[str] = []
        """The names under which there is what this version has not tried to read."""
        self._told: set[tuple[str, str]] = set()

    async def look_aside(self, queue: Queries) -> None:
        """See whether others have laid something aside."""
        names = [str(row["name"]) for row in await queue.driver.fetch(_ASIDE)]
        self._aside = [name for name in names if self._is_new(name)]

    async def take_back(self, queue: Queries, number: int) -> None:
        """Put back so many jobs that others have laid aside."""
        if self._aside:
            await queue.driver.execute(_TAKE_BACK, self._aside, number)

    async def lay_aside(
        self, queue: Queries, worker: QueueManagerId, rows: Sequence[Row]
    ) -> list[Row]:
        """Leave to other workers what this one has taken and cannot read; return the rest."""
        wrong = {row.id: why for row in rows if (why := self._misfit(row)) is not None}
        if wrong:
            shapes = [self._jobs[row.entrypoint].shape for row in rows if row.id in wrong]
            await queue.driver.execute(_LAY_ASIDE, worker, list(wrong), shapes, [*wrong.values()])
        return [row for row in rows if row.id not in wrong]

    def _is_new(self, aside: str) -> bool:
        name, _, shapes = aside.partition(_MARK)
        return name in self._jobs and self._jobs[name].shape not in shapes.split(",")

    def _misfit(self, row: Row) -> str | None:
        """Return why a job of another version cannot be read, or None."""
        job = self._jobs[row.entrypoint]
        if not job.is_foreign(row.headers):
            return None
        shape = str((row.headers or {})["shape"])
        try:
            job.read(row.payload, row.headers)
        except ArgumentsError as error:
            if (job.name, shape) not in self._told:
                self._told.add((job.name, shape))
                logger.warning(
                    "Another version of the code enqueued %s, and this one cannot read it: %s. It "
                    "waits for a worker that can.",
                    job.name,
                    error.wrong,
                )
            return error.wrong[:500].replace("\x00", "\\x00")
        except Exception:  # What a team's own type raises is met again by the attempt.
            pass
        return None
