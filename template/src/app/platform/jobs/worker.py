"""The worker: takes jobs from the queue and runs them, several at a time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import TypeVar
from uuid import uuid4

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId
from pgqueuer.types import QueueManagerId
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import is_moving, sides_of
from app.platform.jobs.attempt import attempt, MovedError, record
from app.platform.jobs.carrier import Carrier
from app.platform.jobs.jobs import BoundJob, by_any_name
from app.platform.jobs.lifeline import lifeline
from app.platform.jobs.names import NAMES
from app.platform.jobs.observing import observed_attempt
from app.platform.jobs.places import Places
from app.platform.jobs.prefetch import Backlog
from app.platform.jobs.queue import (
    connect_queue,
    has_answered,
    put_off,
    release_all_but,
    UNREACHABLE,
)
from app.platform.jobs.records import names_of
from app.platform.jobs.recovery import check_not_deadly, is_suspected
from app.platform.jobs.taking import Taker
from app.platform.settings import Settings
from app.platform.telemetry import cause
from app.platform.timeouts import CLOSE, CONNECT, LEAVE, MARGIN

logger = logging.getLogger("app.worker")
Answer = TypeVar("Answer")

_POLL = 1.0
"""Seconds after which a worker looks for jobs although nobody told it of one."""
_GATHER = 0.02
"""Seconds for which a busy worker lets jobs end, to take several new ones with one query; and one that
was told of jobs that others run lets more come."""
_LONG = 6
"""A worker is not well that has heard nothing of the queue for so many times WORKER_LOST_AFTER."""


class ClockError(Exception):
    """A worker stopped because what keeps its schedule had ended by itself."""


class Worker:
    """Runs jobs until it is stopped; any number of workers share one queue.

    They may run different ones: `known` are all that the code has, by default those that this one runs.
    """

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        jobs: Mapping[str, BoundJob],
        known: Mapping[str, BoundJob] | None = None,
    ) -> None:
        self._settings, self._engine = settings, engine
        self._scheduled, self._jobs = jobs, by_any_name(jobs)
        self._id, self._answered = QueueManagerId(uuid4()), time.monotonic()
        self._taker = Taker(self._id, self._jobs, known or jobs, settings.worker_lost_after)
        self._running: dict[JobId, asyncio.Task[Exception | None]] = {}
        self._backlog = Backlog(self._id, settings.worker_concurrency)
        self._wake, self._stopped = asyncio.Event(), asyncio.Event()
        self._quiet = asyncio.Event()  # No more jobs are being taken.
        self._serving: asyncio.Task[None] | None = None
        self._queue: Queries
        sides = sides_of(settings)
        self._places = Places(sides)
        self.carrier: Carrier | None = None
        if sides is not None:
            names = names_of(sides.module, known or jobs)
            self.carrier = Carrier(settings, sides, names, self._id, self._places.left)

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
        """Run jobs until `stop` is called, through times in which the database is away. Raises
        ClockError once running jobs have ended, where its schedule is not kept any more."""
        serving = self._serving = asyncio.create_task(self._serve())
        async with (
            nullcontext() if self.carrier is None else self.carrier.in_background(),
            lifeline(self._settings, self._scheduled, self._id, self._held) as schedule,
        ):
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
        errors, ended, is_more = [], 0, True
        async with connect_queue(self._settings) as self._queue:
            while is_more:
                rows, is_more = await self._taker.take(self._queue, 1, self._held())
                for row in rows:
                    if error := await self._run(row):
                        errors.append(error)
                    else:
                        ended += 1
            await self._backlog.end_idle(self._queue)
        if errors:
            raise errors[0]
        return ended

    async def _serve(self) -> None:
        """Take jobs and start them, until cancelled; on a new connection where one does not answer."""
        limit, is_away = self._settings.worker_lost_after + MARGIN, False
        while True:
            try:
                async with (
                    self._places.used(self._wake.set, self._arrive),
                    connect_queue(self._settings, limit) as self._queue,
                ):
                    await self._taker.warn_of_unknown(self._queue)
                    await self._queue.driver.add_listener(NAMES.channel, lambda _: self._wake.set())
                    if is_away:
                        logger.warning("The queue answers again.")
                        # What was taken, and never arrived here.
                        await release_all_but(self._queue, self._id, self._held())
                    is_away = False
                    while self._places.is_open:
                        await self._work()
                    await self._backlog.end_idle(self._queue)
                    await self._backlog.hand_back(self._queue, 0)
            except UNREACHABLE as error:
                if not is_away:
                    logger.warning("The queue does not answer, trying again: %s", cause(error))
                is_away = True
                await asyncio.sleep(_POLL)

    async def _work(self) -> None:
        """Take as many jobs as there is room for, and wait for news."""
        self._wake.clear()
        await self._backlog.end_idle(self._queue)
        if self._stopped.is_set():
            self._quiet.set()
            await self._backlog.hand_back(self._queue, 0)
        else:
            await self._backlog.hand_back(self._queue, _POLL)
            await self._taker.recover(self._queue)
            if room := self._backlog.room(len(self._running)):
                rows, is_more = await self._taker.take(self._queue, room, self._held())
                self._backlog.add(rows, is_more, len(self._running))
                self._start_waiting()
                # It may be told of each of the others' jobs.
                if not rows and self._taker.elsewhere:
                    await asyncio.sleep(_GATHER)
        self._answered = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GATHER if self._backlog.has_more else _POLL):
                await self._wake.wait()

    def _held(self) -> set[JobId]:
        """Return the jobs that are in hand here."""
        return self._running.keys() | self._backlog.held()

    async def _arrive(self) -> None:
        """Begin anew, where the data are now: what was in hand and not handed back is in the other queue."""
        self._backlog.forget()
        if self.carrier is not None:
            await self.carrier.finish()

    def _start_waiting(self) -> None:
        while row := self._backlog.next(len(self._running)):
            task = asyncio.create_task(self._run(row), name=f"job {row.id}")
            self._running[row.id] = task
            task.add_done_callback(partial(self._has_ended, row))

    def _has_ended(self, row: Row, _task: object) -> None:
        del self._running[row.id]
        self._backlog.ended(row)
        if not self._stopped.is_set():
            self._start_waiting()
        limited = self._jobs[row.entrypoint].options.concurrency
        idle = self._backlog.idle and not self._backlog.has_more
        if idle or limited or self._backlog.is_low(len(self._running)):
            self._wake.set()

    async def _run(self, row: Row) -> Exception | None:
        """Run a job once; return the error it ended with."""
        job, places = self._jobs[row.entrypoint], self._places
        places.begin(row.id)
        with observed_attempt(job, row) as observed:
            try:
                if is_suspected(row):
                    await self._ask(row, lambda queue: check_not_deadly(queue, row))
                if not await attempt(self._engine, job, row, lambda: places.is_with_data(row.id)):
                    await self._end(row)
                observed.outcome = "done"
            except Exception as error:
                observed.error = failed = error
                try:
                    if isinstance(error, MovedError) or is_moving(error):
                        await self._ask(row, lambda queue: put_off(queue, self._id, row.id))
                        return error
                    observed.outcome = await self._ask(
                        row, lambda queue: record(queue, self._id, job, row, failed)
                    )
                except UNREACHABLE as failure:
                    observed.outcome = "lost"  # It stays marked as running, for a moment.
                    logger.warning("What became of it could not be recorded: %s", cause(failure))
                return error
            finally:
                places.end(row.id)
        return None

    async def _end(self, row: Row) -> None:
        """Take out what ended without a transaction: together with others, unless it was taken elsewhere."""
        if self._places.elsewhere(row.id) is None:
            self._backlog.idle.append(row)
        else:
            await self._ask(row, lambda queue: queue.log_jobs([(row, "successful", None)]))

    async def _ask(self, row: Row, question: Callable[[Queries], Awaitable[Answer]]) -> Answer:
        """Ask the queue of which a job was taken; again where it does not answer, on the next connection."""
        while True:
            try:
                if (url := self._places.elsewhere(row.id)) is None:
                    return await question(self._queue)
                async with connect_queue(self._settings, CONNECT, url) as queue:
                    return await question(queue)
            except UNREACHABLE as error:
                if self._serving is None or has_answered(error):
                    raise
                await asyncio.sleep(_POLL)

    async def _drain(self) -> list[JobId]:
        """Let running jobs end, whether or not the queue answers; return those that did not in time."""
        seconds, late = self._settings.worker_drain_timeout, set[asyncio.Task[Exception | None]]()
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
        if not late and not self._backlog.rows and not self._backlog.idle:
            return
        try:
            async with asyncio.timeout(LEAVE), connect_queue(self._settings) as queue:
                await self._backlog.end_idle(queue)
                await self._backlog.hand_back(queue, 0, late)
        except UNREACHABLE as error:
            logger.warning(
                "The queue does not answer: others take what is left after WORKER_LOST_AFTER: %s",
                cause(error),
            )
