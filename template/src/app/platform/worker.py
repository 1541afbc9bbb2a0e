"""The worker: takes jobs from the queue and runs them, several at a time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from asyncpg import InterfaceError, InternalClientError, PostgresError
from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.backlog import Backlog
from app.platform.engine import UnreachableError
from app.platform.job_records import count_unknown
from app.platform.jobs import BoundJob
from app.platform.observing import observed_attempt
from app.platform.queue import connect_queue, NAMES, release
from app.platform.recovery import check_not_deadly, recover
from app.platform.runner import attempt, record
from app.platform.schedule import keep_schedule
from app.platform.settings import Settings

logger = logging.getLogger("app.worker")

_POLL = 1.0
"""Seconds after which a worker looks for jobs although nobody told it of one: those whose delay is
over, and those of a worker that died."""
_GATHER = 0.02
"""Seconds for which a busy worker lets jobs end, to take several new ones with one query."""
_NEVER = timedelta(days=36500)
"""pgqueuer does not look for what dead workers left: see `recovery`."""
_UNREACHABLE = (OSError, PostgresError, InterfaceError, InternalClientError, UnreachableError)


class ClockError(Exception):
    """A worker stopped because what keeps its schedule had ended by itself."""


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
        self._backlog = Backlog(settings.worker_concurrency)
        self._recovered = 0.0
        """When what dead workers left was looked for."""
        self._wake = asyncio.Event()
        self._idle: list[Row] = []
        """Jobs that have ended and wrote nothing, so that no transaction took them out."""
        self._stopping = False
        self._queue: Queries

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those that run have ended."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Run jobs until `stop` is called; outlive a database that is away for a while.

        Raises ClockError once running jobs have ended, where its schedule is not kept any more.
        """
        schedule = asyncio.create_task(keep_schedule(self._engine, self._jobs))
        schedule.add_done_callback(lambda _ended: self.stop())
        try:
            while not self._stopping:
                try:
                    async with connect_queue(self._settings) as self._queue:
                        await self._work()
                except _UNREACHABLE as error:
                    logger.warning("The queue is not reachable, trying again: %s", error)
                    await self._wait(_POLL)
            if schedule.done():
                reason = None if schedule.cancelled() else schedule.exception()
                logger.critical("The clock of this worker stopped.", exc_info=reason)
                raise ClockError("The clock of this worker stopped, so it stops too.") from reason
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
        await self._warn_of_unknown()
        await self._queue.driver.add_listener(NAMES.channel, lambda _payload: self._wake.set())
        beats = asyncio.create_task(self._beat())
        try:
            while not self._stopping:
                self._wake.clear()
                await self._end_idle()
                await self._hand_back(_POLL)
                await self._recover()
                if room := self._backlog.room(len(self._running)):
                    rows = await self._take(room)
                    self._backlog.add(rows, room, len(self._running))
                    self._start_waiting()
                await self._wait(_GATHER if self._backlog.has_more else _POLL)
            await self._drain()
        finally:
            beats.cancel()

    async def _take(self, number: int) -> list[Row]:
        taken = await self._queue.dequeue(
            batch_size=number,
            entrypoints=self._limits,
            queue_manager_id=self._id,
            global_concurrency_limit=None,
            heartbeat_timeout=_NEVER,
        )
        # With a heartbeat that came too late, a worker is handed what it has already.
        return [row for row in taken if row.id not in {**self._running, **self._backlog.rows}]

    def _start_waiting(self) -> None:
        while row := self._backlog.next(len(self._running)):
            self._start(row)

    def _start(self, row: Row) -> None:
        def ended(_task: asyncio.Task[object]) -> None:
            del self._running[row.id]
            self._backlog.ended(row)
            if not self._stopping:
                self._start_waiting()
            limited = self._jobs[row.entrypoint].options.concurrency
            idle = self._idle and not self._backlog.has_more
            if idle or limited or self._backlog.is_low(len(self._running)):
                self._wake.set()

        task = asyncio.create_task(self._run(row), name=f"job {row.id}")
        self._running[row.id] = task
        task.add_done_callback(ended)

    async def _run(self, row: Row) -> Exception | None:
        """Run a job once; return the error it ended with."""
        job = self._jobs[row.entrypoint]
        with observed_attempt(job, row) as observed:
            try:
                await check_not_deadly(self._queue, row)
                if not await attempt(self._engine, job, row):
                    self._idle.append(row)
                observed.outcome = "done"
            except Exception as error:
                observed.error = error
                try:
                    observed.outcome = await record(self._queue, job, row, error)
                except _UNREACHABLE as failure:
                    observed.outcome = "lost"  # It stays marked as running, for a moment.
                    logger.warning("What became of it could not be recorded: %s", failure)
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
            if held := [*self._running, *self._backlog.rows]:
                try:
                    await self._queue.update_heartbeat(held)
                except _UNREACHABLE as error:  # The next one may pass; a lost connection ends all.
                    logger.warning("A heartbeat failed: %s", error)

    async def _recover(self) -> None:
        """Put back what dead workers left, now and then."""
        if time.monotonic() - self._recovered > _POLL:
            self._recovered = time.monotonic()
            await recover(self._queue, self._settings.worker_lost_after)

    async def _warn_of_unknown(self) -> None:
        """Say what no worker of this version runs: for those of another, or left behind by one."""
        for name, number in (await count_unknown(self._queue, self._jobs)).items():
            logger.warning(
                "%s jobs wait for %s, which this version of the code does not have. If no other is "
                "to run them: `app jobs drop --unknown`.",
                number,
                name,
            )

    async def _hand_back(self, seconds: float) -> None:
        """Let others have what has waited here for so long."""
        if late := self._backlog.take_late(seconds):
            await release(self._queue, self._id, late)

    async def _drain(self) -> None:
        """Let running jobs end, and hand those back that do not in time."""
        await self._hand_back(0)
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
