"""How a worker takes jobs from the queue, and leaves to others what it cannot read."""

import logging
import time
from collections.abc import Mapping, Set
from datetime import timedelta

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from app.platform.jobs.jobs import BoundJob, by_any_name
from app.platform.jobs.records import count_unknown
from app.platform.jobs.recovery import hold_unreadable, recover
from app.platform.jobs.versions import Versions

logger = logging.getLogger("app.worker")

_PAUSE = 1.0
"""Seconds after which it is looked again for what dead workers left."""
_NEVER = timedelta(days=36500)
"""pgqueuer does not look for that itself: see `recovery`."""


class Taker:
    """Takes jobs for one worker. `known` are those as well that only others run."""

    def __init__(
        self,
        worker: QueueManagerId,
        jobs: Mapping[str, BoundJob],
        known: Mapping[str, BoundJob],
        silence: float,
    ) -> None:
        self._worker, self._jobs, self._silence = worker, jobs, silence
        self._known, self.elsewhere = known, by_any_name(known).keys() - jobs.keys()
        self._limits = {
            QueueEntrypoint(name): EntrypointExecutionParameter(job.options.concurrency)
            for name, job in jobs.items()
        }
        self._versions = Versions(jobs)
        self._recovered = 0.0

    async def take(self, queue: Queries, number: int, held: Set[JobId]) -> tuple[list[Row], bool]:
        """Take so many jobs, beside those that are held; return them, and whether the queue may hold
        more that are due."""
        await self._versions.take_back(queue, number)
        try:
            taken = await queue.dequeue(
                batch_size=number,
                entrypoints=self._limits,
                queue_manager_id=self._worker,
                global_concurrency_limit=None,
                heartbeat_timeout=_NEVER,
            )
        except (ValueError, ArithmeticError):  # They are taken nevertheless.
            if not await hold_unreadable(queue, self._worker, held):
                raise
            return [], True
        # With a heartbeat that came too late, a worker is handed what it has already.
        new = [row for row in taken if row.id not in held]
        rows = await self._versions.lay_aside(queue, self._worker, new)
        return rows, len(taken) == number or len(rows) < len(new)

    async def recover(self, queue: Queries) -> None:
        """Put back what dead workers left, and see what others could not read, now and then."""
        if time.monotonic() - self._recovered > _PAUSE:
            self._recovered = time.monotonic()
            await recover(queue, self._silence, self.elsewhere)
            await self._versions.look_aside(queue)

    async def warn_of_unknown(self, queue: Queries) -> None:
        """Say what no worker of this version runs."""
        for name, number in (await count_unknown(queue, self._known)).items():
            logger.warning(
                "%s jobs wait for %s, which this version of the code does not have. If no other is "
                "to run them: `app jobs drop --unknown`.",
                number,
                name,
            )
