"""Carries jobs between two queues: of a module whose data are in a database of its own, and of the others,
which know nothing of that.

While its own database is open, what others enqueue for the module in the main one is brought here, and what
it publishes for others there. While the main one is open, whatever is left in the other is brought home.
See `crossing`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, AsyncExitStack, suppress

from pgqueuer.models import JobId
from pgqueuer.types import QueueManagerId

from app.platform.database import Side, Sides
from app.platform.jobs.crossing import bring_schedules, carry, finish, names_in, Queue
from app.platform.jobs.names import NAMES
from app.platform.jobs.queue import connect_as_queue, queries_on, UNREACHABLE
from app.platform.jobs.recovery import recover
from app.platform.settings import Settings
from app.platform.telemetry import cause

logger = logging.getLogger("app.worker")

_POLL = 1.0
"""Seconds after which it is looked for jobs although nobody told of one."""
_GATHER = 0.02
"""Seconds in which more may come, before those are carried that it was told of."""
_LOOK = 5.0
"""Seconds after which it is looked for what is held, or was left by those who died."""
_PREPARE = "SET datestyle = 'ISO'; SET idle_in_transaction_session_timeout = %d; SET synchronous_commit = on"
"""What is deleted on one side has to be on the disk of the other."""
_BEAT = f"""UPDATE {NAMES.qualified.queue_table} SET heartbeat = now()
    WHERE queue_manager_id = $1 AND id = ANY($2)"""


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
            name for name in await names_in(there, held=True) if not self._is_pulled(there, name)
        ]
        silence = self._settings.worker_lost_after
        await recover(queries_on(there.connection), silence, elsewhere)
        await finish(here, there)
        await finish(there, here)

    async def _pull(self, there: Queue, here: Queue, held: bool) -> bool:
        names = [name for name in await names_in(there, held) if self._is_pulled(there, name)]
        return bool(names) and await carry(there, here, names)

    async def _push(self, here: Queue, there: Queue, held: bool) -> bool:
        names = [name for name in await names_in(here, held) if not self._is_ours(name)]
        return bool(names) and await carry(here, there, names)

    def _is_pulled(self, there: Queue, name: str) -> bool:
        return there.side is Side.OWN or self._is_ours(name)

    def _is_ours(self, name: str) -> bool:
        return name.partition(".")[0] in self._modules

    async def _bring_schedules(self, side: Side) -> None:
        """Let the clock of the side that opens know what has run on the other."""
        async with self._connected(side) as (here, there):
            await bring_schedules(there, here, self._modules)

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
                queues.append(Queue(side, connection, self._sides.module))
            yield queues[0], queues[1]
