"""Carries jobs between two queues: of a module whose data are in a database of its own, and of the others,
which know nothing of that.

While its own database is open, what others enqueue for the module in the main one is brought here, and what
it publishes for others there. While the main one is open, whatever is left in the other is brought home. A
job is written on the other side, together with a note of where it came from, before it is deleted here: who
is killed in between leaves the note, by which nobody writes it again.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgqueuer.models import JobId
from pgqueuer.types import QueueManagerId

from app.platform import schemas
from app.platform.database import Side, Sides
from app.platform.jobs.names import NAMES
from app.platform.jobs.queue import connect_as_queue, queries_on, UNREACHABLE
from app.platform.jobs.recovery import recover
from app.platform.settings import Settings
from app.platform.telemetry import cause, metrics

if TYPE_CHECKING:
    from asyncpg import Connection

logger = logging.getLogger("app.worker")

_POLL = 1.0
"""Seconds after which it is looked for jobs although nobody told of one."""
_GATHER = 0.02
"""Seconds in which more may come, before those are carried that it was told of."""
_LOOK = 5.0
"""Seconds after which it is looked for what is held, or was left by those who died."""
_BATCH = 100
_PREPARE = "SET datestyle = 'ISO'; SET idle_in_transaction_session_timeout = %d"
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
_BEAT = f"""UPDATE {_TABLES.queue_table} SET heartbeat = now()
    WHERE queue_manager_id = $1 AND id = ANY($2)"""
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
    """One of the two queues."""

    side: Side
    connection: "Connection"


class Carrier:
    """Carries the jobs of one module, beside a worker; any number of them do at once.

    `modules` are the names that it has in the queue, `left` the jobs in the worker's hands that it took on
    the other side.
    """

    def __init__(
        self,
        settings: Settings,
        sides: Sides,
        modules: Collection[str],
        worker: QueueManagerId,
        left: Callable[[], Collection[JobId]],
    ) -> None:
        self._settings, self._sides, self._modules = settings, sides, modules
        self._worker, self._left = worker, left
        self._wake, self._carried = asyncio.Event(), time.monotonic()
        self._looked = 0.0

    @property
    def silence(self) -> float:
        """Seconds since all had been carried that was to be."""
        return time.monotonic() - self._carried

    @asynccontextmanager
    async def in_background(self) -> AsyncIterator[None]:
        """Carry while the block lasts."""
        carrying = asyncio.create_task(self._carry())
        arriving = self._sides.when_moved(self._bring_schedules)
        try:
            yield
        finally:
            arriving()
            carrying.cancel()
            await asyncio.wait([carrying])

    async def finish(self) -> None:
        """Delete what was carried from the open side, and is there still: before it is taken again."""
        if (place := self._sides.place) is None:
            return
        try:
            async with self._connected(place.side) as (here, there):
                await finish(here, there)
        except UNREACHABLE as error:
            logger.warning(
                "Whether all that was carried is gone from this queue is not known: %s",
                cause(error),
            )

    async def _carry(self) -> None:
        is_away = False
        while True:
            try:
                async with self._sides.used(self._wake.set):
                    assert self._sides.place is not None
                    side = self._sides.place.side
                    async with self._connected(side) as (here, there):
                        if is_away:
                            logger.info("Jobs are carried between the two queues again.")
                        is_away, self._looked = False, 0.0
                        while not self._sides.is_held:
                            await self._round(here, there)
            except Exception as error:
                if not is_away:
                    logger.warning(
                        "Jobs cannot be carried between the two queues, trying again: %s",
                        cause(error),
                    )
                is_away = True
                await asyncio.sleep(_POLL)

    async def _round(self, here: Queue, there: Queue) -> None:
        """Carry what there is, and wait for more."""
        self._wake.clear()
        if left := self._left():
            await there.connection.execute(_BEAT, self._worker, sorted(left))
        is_time = time.monotonic() - self._looked > _LOOK
        if is_time:
            self._looked = time.monotonic()
            await self._look_after(here, there)
        has_more = await self._pull(there, here, is_time)
        if here.side is Side.OWN:
            has_more |= await self._push(here, there, is_time)
        if has_more:
            return
        self._carried = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL):
                await self._wake.wait()
                await asyncio.sleep(_GATHER)

    async def _look_after(self, here: Queue, there: Queue) -> None:
        """See to what dead workers left on the other side, and dead carriers on either."""
        elsewhere = [
            name for name in await _names(there, held=True) if not self._is_pulled(there, name)
        ]
        silence = self._settings.worker_lost_after
        await recover(queries_on(there.connection), silence, elsewhere)
        await finish(here, there)
        await finish(there, here)

    async def _pull(self, there: Queue, here: Queue, held: bool) -> bool:
        names = [name for name in await _names(there, held) if self._is_pulled(there, name)]
        return bool(names) and await carry(there, here, names)

    async def _push(self, here: Queue, there: Queue, held: bool) -> bool:
        names = [name for name in await _names(here, held) if not self._is_ours(name)]
        return bool(names) and await carry(here, there, names)

    def _is_pulled(self, there: Queue, name: str) -> bool:
        return there.side is Side.OWN or self._is_ours(name)

    def _is_ours(self, name: str) -> bool:
        return name.partition(".")[0] in self._modules

    async def _bring_schedules(self, side: Side) -> None:
        """Let the clock of the side that opens know what has run on the other."""
        async with self._connected(side) as (here, there):
            for row in await there.connection.fetch(_SCHEDULES, [*self._modules]):
                await here.connection.execute(_SCHEDULE, *row)

    @asynccontextmanager
    async def _connected(self, here: Side) -> AsyncIterator[tuple[Queue, Queue]]:
        """Connect to the queue that is open, and to the other one."""
        there = Side.OWN if here is Side.MAIN else Side.MAIN
        limit = self._settings.worker_lost_after
        async with AsyncExitStack() as all:
            queues = []
            for side in (here, there):
                asked = connect_as_queue(self._settings, limit, self._sides.urls[side])
                connection = await all.enter_async_context(asked)
                await connection.execute(_PREPARE % (limit * 1000))
                connection.add_termination_listener(lambda _: self._wake.set())
                await connection.add_listener(NAMES.channel, lambda *_: self._wake.set())
                queues.append(Queue(side, connection))
            yield queues[0], queues[1]


async def carry(source: Queue, target: Queue, names: Collection[str]) -> bool:
    """Carry some jobs of these names, each once; say whether there may be more."""
    async with source.connection.transaction():
        rows = await source.connection.fetch(_TAKE, list(names))
        if not rows:
            return False
        ids, *columns = ([*column] for column in zip(*rows, strict=True))
        await target.connection.execute(_PUT, source.side, ids, *columns)
        await source.connection.execute(_GONE, ids)
    await target.connection.execute(_FORGET, source.side, ids)
    for row in rows:
        module = row["entrypoint"].partition(".")[0]
        metrics.carried.labels(module, f"to_{target.side}").inc()
    return len(rows) == _BATCH


async def finish(source: Queue, target: Queue) -> None:
    """Delete from one queue what is noted in the other as arrived, and then the notes."""
    noted = [row["id"] for row in await target.connection.fetch(_NOTED, source.side)]
    if not noted:
        return
    async with source.connection.transaction():
        free = [row["id"] for row in await source.connection.fetch(_FREE, noted)]
        await source.connection.execute(_GONE, free)
    left = {row["id"] for row in await source.connection.fetch(_LEFT, noted)}
    gone = [id for id in noted if id not in left]
    await target.connection.execute(_FORGET, source.side, gone)


async def _names(queue: Queue, held: bool) -> set[str]:
    """Return the names of all jobs that wait; of those that are held as well, where asked for."""
    found = {row["entrypoint"] for row in await queue.connection.fetch(_NAMES)}
    if held:
        found |= {row["entrypoint"] for row in await queue.connection.fetch(_HELD_NAMES)}
    return found
