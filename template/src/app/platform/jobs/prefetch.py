"""What a worker has taken from the queue and does not run: not yet, or not any more."""

import time
from collections.abc import Sequence

from pgqueuer import Queries
from pgqueuer.models import Job as Row
from pgqueuer.models import JobId
from pgqueuer.types import QueueManagerId

from app.platform.jobs.queue import release
from app.platform.jobs.recovery import is_suspected

_AHEAD = 9
"""A busy worker takes at most so many times more jobs than it runs at once."""


class Backlog:
    """Jobs in the order in which they start; says when to take more, and how many.

    `running` is how many of those that were started have not ended.
    """

    def __init__(self, worker: QueueManagerId, most: int) -> None:
        self._worker, self._most = worker, most
        self.rows: dict[JobId, Row] = {}
        self.idle: list[Row] = []
        """Jobs that have ended without a transaction that took them out."""
        self.has_more = False
        """Whether the queue may hold more jobs than were taken last."""
        self._since = 0.0
        self._low = 0
        self._ended = 0
        """How many jobs have ended since the queue was looked at."""
        self._suspected: JobId | None = None
        """The one job with which a worker died before, of those that run."""

    def held(self) -> set[JobId]:
        """Return the jobs that are not given back yet."""
        return {*self.rows, *(row.id for row in self.idle)}

    def room(self, running: int) -> int:
        """Return how many more jobs to take.

        Where there are more, twice as many as ended in the last moment: fewer queries, and no job
        waits here for long.
        """
        ahead = min(self._ended * 2, self._most * _AHEAD) if self.has_more else 0
        self._ended = 0
        return max(self._most + ahead - running - len(self.rows), 0)

    def add(self, rows: Sequence[Row], has_more: bool, running: int) -> None:
        """Keep what was taken, and whether there was more."""
        self.rows.update((row.id, row) for row in rows)
        self.has_more = has_more
        self._since = time.monotonic()
        self._low = (running + len(self.rows)) // 2

    def next(self, running: int) -> Row | None:
        """Return the next job to start; None where there is none, or so many run already."""
        if running >= self._most:
            return None
        for row in self.rows.values():
            if not is_suspected(row) or self._suspected is None:
                if is_suspected(row):
                    self._suspected = row.id
                del self.rows[row.id]
                return row
        return None

    def ended(self, row: Row) -> None:
        """Hear that a job which was started has ended."""
        self._ended += 1
        if self._suspected == row.id:
            self._suspected = None

    def is_low(self, running: int) -> bool:
        """Say whether it is time to take more."""
        return self.has_more and running + len(self.rows) <= self._low

    async def end_idle(self, queue: Queries) -> None:
        """Take out together what ended without a transaction."""
        if ended := list(self.idle):
            await queue.log_jobs([(row, "successful", None) for row in ended])
            del self.idle[: len(ended)]

    def forget(self) -> None:
        """Have nothing in hand any more: it is in another queue."""
        self.rows.clear()
        self.idle.clear()

    async def hand_back(self, queue: Queries, seconds: float, more: Sequence[JobId] = ()) -> None:
        """Let others have what has waited here for so long, and more."""
        late = list(self.rows) if time.monotonic() - self._since > seconds else []
        if late:
            self.rows.clear()
        if late or more:
            await release(queue, self._worker, [*more, *late])
