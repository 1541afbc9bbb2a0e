"""The worker: takes jobs from the queue and runs them, several at a time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TypeVar
from uuid import uuid4

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.jobs.attempt import attempt, record
from app.platform.jobs.jobs import BoundJob
from app.platform.jobs.lifeline import lifeline
from app.platform.jobs.names import NAMES
from app.platform.jobs.observing import observed_attempt
from app.platform.jobs.prefetch import Backlog
from app.platform.jobs.queue import (
    connect_queue,
    has_answered,
    release,
    release_all_but,
    UNREACHABLE,
)
from app.platform.jobs.records import count_unknown
from app.platform.jobs.recovery import check_not_deadly, hold_unreadable, is_suspected, recover
from app.platform.jobs.versions import Versions
from app.platform.settings import Settings
from app.platform.telemetry import cause
from app.platform.timeouts import CLOSE, LEAVE, MARGIN

logger = logging.getLogger("app.worker")

Answer = TypeVar("Answer")

_POLL = 1.0
"""Seconds after which a worker looks for jobs although nobody told it of one: those whose delay is
over, and those of a worker that died."""
_GATHER = 0.02
"""Seconds for which a busy worker lets jobs end, to take several new ones with one query."""
_NEVER = timedelta(days=36500)
"""pgqueuer does not look for what dead workers left: see `recovery`."""
_LONG = 6
"""A worker is not well that has heard nothing of the queue for so many times WORKER_LOST_AFTER."""


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
        self._versions = Versions(jobs)
        self._recovered = 0.0
        """When what dead workers left was looked for."""
        self._answered = time.monotonic()
        """When the queue answered last."""
        self._wake = asyncio.Event()
        self._idle: list[Row] = []
        """Jobs that have ended and wrote nothing, so that no transaction took them out."""
        self._stopped = asyncio.Event()
        self._quiet = asyncio.Event()
        """Whether no more jobs are being taken."""
        self._serving: asyncio.Task[None] | None = None
        self._queue: Queries

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those that run have ended."""
        self._stopped.set()
        self._wake.set()

    @property
    def silence(self) -> float:
        """Seconds since the queue answered."""
        return time.monotonic() - self._answered

    @property
    def is_well(self) -> bool:
        """Whether the queue has answered within a reasonable time."""
        return self.silence < self._settings.worker_lost_after * _LONG

    async def run(self) -> None:
        """Run jobs until `stop` is called; outlive a database that is away for a while.

        Raises ClockError once running jobs have ended, where its schedule is not kept any more.
        """
        serving = self._serving = asyncio.create_task(self._serve())
        async with lifeline(self._settings, self._jobs, self._id, self._held) as schedule:
            for task in (schedule, serving):
                task.add_done_callback(lambda _ended: self.stop())
            try:
                await self._stopped.wait()
                late = await self._drain()
                has_failed = serving.done()
            finally:
                serving.cancel()
                await asyncio.wait([serving], timeout=CLOSE)
            await self._hand_over(late)
            if schedule.done():
                reason = None if schedule.cancelled() else schedule.exception()
                logger.critical("The clock of this worker stopped.", exc_info=reason)
                raise ClockError("The clock of this worker stopped, so it stops too.") from reason
            if has_failed:
                serving.result()

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
            is_more = True
            while is_more:
                rows, is_more = await self._take(1)
                for row in rows:
                    if error := await self._run(row):
                        errors.append(error)
                    else:
                        ended += 1
            await self._end_idle(self._queue)
        if errors:
            raise errors[0]
        return ended

    async def _serve(self) -> None:
        """Take jobs and start them, until cancelled; on a new connection where one does not answer."""
        is_away = False
        while True:
            try:
                async with connect_queue(
                    self._settings, self._settings.worker_lost_after + MARGIN
                ) as self._queue:
                    await self._warn_of_unknown()
                    await self._queue.driver.add_listener(NAMES.channel, lambda _: self._wake.set())
                    if is_away:
                        logger.warning("The queue answers again.")
                        # What was taken, and never arrived here.
                        await release_all_but(self._queue, self._id, self._held())
                    is_away = False
                    while True:
                        await self._work()
            except UNREACHABLE as error:
                if not is_away:
                    logger.warning("The queue does not answer, trying again: %s", cause(error))
                is_away = True
                await asyncio.sleep(_POLL)

    async def _work(self) -> None:
        """Take as many jobs as there is room for, and wait for news."""
        self._wake.clear()
        await self._end_idle(self._queue)
        if self._stopped.is_set():
            self._quiet.set()
            await self._hand_back(0)
        else:
            await self._hand_back(_POLL)
            await self._recover()
            if room := self._backlog.room(len(self._running)):
                await self._versions.take_back(self._queue, room)
                rows, is_more = await self._take(room)
                self._backlog.add(rows, is_more, len(self._running))
                self._start_waiting()
        self._answered = time.monotonic()
        await self._wait(_GATHER if self._backlog.has_more else _POLL)

    async def _take(self, number: int) -> tuple[list[Row], bool]:
        """Take so many jobs; return them, and whether the queue may hold more that are due."""
        try:
            taken = await self._queue.dequeue(
                batch_size=number,
                entrypoints=self._limits,
                queue_manager_id=self._id,
                global_concurrency_limit=None,
                heartbeat_timeout=_NEVER,
            )
        except (ValueError, ArithmeticError):  # They are taken nevertheless.
            if not await hold_unreadable(self._queue, self._id, self._held()):
                raise
            return [], True
        # With a heartbeat that came too late, a worker is handed what it has already.
        held = self._held()
        new = [row for row in taken if row.id not in held]
        rows = await self._versions.lay_aside(self._queue, self._id, new)
        if len(rows) < len(new):
            self._wake.set()  # What is behind those has waited for long enough.
        return rows, len(taken) == number

    def _held(self) -> set[JobId]:
        """Return the jobs that are in hand here."""
        return {*self._running, *self._backlog.rows, *(row.id for row in self._idle)}

    def _start_waiting(self) -> None:
        while row := self._backlog.next(len(self._running)):
            self._start(row)

    def _start(self, row: Row) -> None:
        def ended(_task: asyncio.Task[object]) -> None:
            del self._running[row.id]
            self._backlog.ended(row)
            if not self._stopped.is_set():
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
                if is_suspected(row):
                    await self._ask(lambda queue: check_not_deadly(queue, row))
                if not await attempt(self._engine, job, row):
                    self._idle.append(row)
                observed.outcome = "done"
            except Exception as error:
                observed.error = failed = error
                try:
                    observed.outcome = await self._ask(
                        lambda queue: record(queue, self._id, job, row, failed)
                    )
                except UNREACHABLE as failure:
                    observed.outcome = "lost"  # It stays marked as running, for a moment.
                    logger.warning("What became of it could not be recorded: %s", cause(failure))
                return error
        return None

    async def _ask(self, question: Callable[[Queries], Awaitable[Answer]]) -> Answer:
        """Ask the queue; again where it does not answer, on the next connection."""
        while True:
            try:
                return await question(self._queue)
            except UNREACHABLE as error:
                if self._serving is None or has_answered(error):
                    raise
                await asyncio.sleep(_POLL)

    async def _end_idle(self, queue: Queries) -> None:
        """Take out together what ended without a transaction."""
        if ended := list(self._idle):
            await queue.log_jobs([(row, "successful", None) for row in ended])
            del self._idle[: len(ended)]

    async def _recover(self) -> None:
        """Put back what dead workers left, and see what others could not read, now and then."""
        if time.monotonic() - self._recovered > _POLL:
            self._recovered = time.monotonic()
            await recover(self._queue, self._settings.worker_lost_after)
            await self._versions.look_aside(self._queue)

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

    async def _drain(self) -> list[JobId]:
        """Let running jobs end, whether or not the queue answers; return those that did not in time."""
        seconds = self._settings.worker_drain_timeout
        late: set[asyncio.Task[Exception | None]] = set()
        if self._running:
            logger.info("Stopping: %s jobs have %g s to end.", len(self._running), seconds)
            _, late = await asyncio.wait(self._running.values(), timeout=seconds)
        ids = [id for id, task in self._running.items() if task in late]
        if late:
            logger.warning("%s jobs did not end in time; another worker takes them.", len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=LEAVE)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE):
                await self._quiet.wait()
        return ids

    async def _hand_over(self, late: list[JobId]) -> None:
        """Leave nothing in hand: others take what did not end."""
        left = [*late, *self._backlog.take_late(0)]
        if not left and not self._idle:
            return
        try:
            async with asyncio.timeout(LEAVE), connect_queue(self._settings) as queue:
                await self._end_idle(queue)
                await release(queue, self._id, left)
        except UNREACHABLE as error:
            logger.warning(
                "The queue does not answer, so that others wait for WORKER_LOST_AFTER until they take "
                "what is left: %s",
                cause(error),
            )

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
