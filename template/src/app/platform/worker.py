"""The worker: takes jobs from the queue and runs them, several at a time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from asyncpg import InterfaceError, PostgresError
from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.jobs import BoundJob
from app.platform.queue import connect_queue, NAMES, release
from app.platform.runner import attempt, record
from app.platform.schedule import keep_schedule
from app.platform.settings import Settings

logger = logging.getLogger("app.worker")

_POLL = 1.0
"""Seconds after which a worker looks for jobs although nobody told it of one: those whose delay is
over, and those of a worker that died."""
_GATHER = 0.02
"""Seconds for which a busy worker lets jobs end, to take several new ones with one query."""
_AHEAD = 9
"""A busy worker takes at most so many times more jobs than it runs at once."""
_UNREACHABLE = (OSError, PostgresError, InterfaceError, TimeoutError)


class Worker:
    """Runs jobs until it is stopped; any number of workers share one queue."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, jobs: Mapping[str, BoundJob]
    ) -> None:
        self._settings, self._engine, self._jobs = settings, engine, jobs
        self._id = QueueManagerId(uuid4())
        self._limits = {
            QueueEntrypoint(name): EntrypointExecutionParameter(job.options.concurrency)
            for name, job in jobs.items()
        }
        self._running: dict[JobId, asyncio.Task[Exception | None]] = {}
        self._waiting: dict[JobId, Row] = {}
        """Jobs that were taken, in the order in which they start when others have ended."""
        self._waiting_since = 0.0
        self._wake = asyncio.Event()
        self._more = False
        """Whether the queue may hold more jobs than were taken last."""
        self._ended = 0
        """How many jobs have ended since the queue was looked at."""
        self._low = 0
        """With no more jobs in hand than this, it is looked at again."""
        self._idle: list[Row] = []
        """Jobs that have ended and wrote nothing, so that no transaction took them out."""
        self._stopping = False
        self._queue: Queries

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those that run have ended."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Run jobs until `stop` is called; outlive a database that is away for a while."""
        schedule = asyncio.create_task(keep_schedule(self._engine, self._jobs))
        try:
            while not self._stopping:
                try:
                    async with connect_queue(self._settings) as self._queue:
                        await self._work()
                except _UNREACHABLE as error:
                    logger.warning("The queue is not reachable, trying again: %s", error)
                    await self._wait(_POLL)
        finally:
            schedule.cancel()
            await asyncio.wait([schedule])

    @asynccontextmanager
    async def in_background(self) -> AsyncIterator[None]:
        """Run jobs while the block lasts."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            self.stop()
            await task

    async def run_due(self) -> int:
        """Run what is due, one job after the other, until nothing is; return how many ended.

        Raises the first error that a job raised, once the others have run.
        """
        errors = []
        ended = 0
        async with connect_queue(self._settings) as self._queue:
            while rows := await self._take(1):
                if error := await self._run(rows[0]):
                    errors.append(error)
                else:
                    ended += 1
            await self._end_idle()
        if errors:
            raise errors[0]
        return ended

    async def _work(self) -> None:
        await self._queue.driver.add_listener(NAMES.channel, lambda _payload: self._wake.set())
        beats = asyncio.create_task(self._beat())
        try:
            while not self._stopping:
                self._wake.clear()
                await self._end_idle()
                await self._hand_back_late()
                if room := self._room():
                    rows = await self._take(room)
                    self._waiting.update((row.id, row) for row in rows)
                    self._waiting_since = time.monotonic()
                    self._more = len(rows) == room
                    self._low = self._in_hand() // 2
                    self._start_waiting()
                await self._wait(_GATHER if self._more else _POLL)
            await self._drain()
        finally:
            beats.cancel()

    def _in_hand(self) -> int:
        return len(self._running) + len(self._waiting)

    def _room(self) -> int:
        """Return how many more jobs to take.

        Where there is more to do, twice as many as ended in the last moment wait here for those
        that run: so much fewer are the queries, and no job waits long.
        """
        most = self._settings.worker_concurrency
        ahead = min(self._ended * 2, most * _AHEAD) if self._more else 0
        self._ended = 0
        return max(most + ahead - self._in_hand(), 0)

    async def _take(self, number: int) -> list[Row]:
        taken = await self._queue.dequeue(
            batch_size=number,
            entrypoints=self._limits,
            queue_manager_id=self._id,
            global_concurrency_limit=None,
            heartbeat_timeout=timedelta(seconds=self._settings.worker_lost_after),
        )
        # With a heartbeat that came too late, a worker is handed what it has already.
        return [row for row in taken if row.id not in {**self._running, **self._waiting}]

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._settings.worker_concurrency:
            self._start(self._waiting.pop(next(iter(self._waiting))))

    def _start(self, row: Row) -> None:
        def ended(_task: asyncio.Task[object]) -> None:
            del self._running[row.id]
            self._ended += 1
            if not self._stopping:
                self._start_waiting()
            wanted = self._in_hand() <= self._low if self._more else self._idle
            if wanted or self._jobs[row.entrypoint].options.concurrency:
                self._wake.set()

        task = asyncio.create_task(self._run(row), name=f"job {row.id}")
        self._running[row.id] = task
        task.add_done_callback(ended)

    async def _run(self, row: Row) -> Exception | None:
        """Run a job once; return the error it ended with."""
        job = self._jobs[row.entrypoint]
        try:
            if not await attempt(self._engine, job, row):
                self._idle.append(row)
        except Exception as error:
            try:
                await record(self._queue, job, row, error)
            except _UNREACHABLE as failure:
                # It stays marked as running, and counts as lost in a moment.
                logger.warning("Job %s %s failed unrecorded: %s", row.id, job.name, failure)
            return error
        return None

    async def _end_idle(self) -> None:
        """Take out together what ended without a transaction."""
        ended, self._idle = self._idle, []
        if ended:
            await self._queue.log_jobs([(row, "successful", None) for row in ended])

    async def _beat(self) -> None:
        """Tell the other workers what is still in hand here."""
        while True:
            await asyncio.sleep(self._settings.worker_lost_after / 4)
            if held := [*self._running, *self._waiting]:
                await self._queue.update_heartbeat(held)

    async def _hand_back_late(self) -> None:
        """Let others have what waits, where jobs take longer than it seemed."""
        if self._waiting and time.monotonic() - self._waiting_since > _POLL:
            await self._hand_back()

    async def _hand_back(self) -> None:
        waiting, self._waiting = self._waiting, {}
        await release(self._queue, self._id, list(waiting))

    async def _drain(self) -> None:
        """Let running jobs end, and hand those back that do not in time."""
        if self._waiting:
            await self._hand_back()
        seconds = self._settings.worker_drain_timeout
        late: set[asyncio.Task[Exception | None]] = set()
        if self._running:
            logger.info("Stopping: %s jobs have %g s to end.", len(self._running), seconds)
            _, late = await asyncio.wait(self._running.values(), timeout=seconds)
        await self._end_idle()
        if late:
            logger.warning("%s jobs did not end in time; another worker takes them.", len(late))
            ids = [id for id, task in self._running.items() if task in late]
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=5)
            await release(self._queue, self._id, ids)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
