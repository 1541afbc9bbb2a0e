"""Where a worker takes jobs, and took those in its hands, where a module may be in either of two databases."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pgqueuer.models import JobId

from app.platform.database import Place, Sides


class Places:
    """The places of one worker's jobs. Where there is one database, all are here."""

    def __init__(self, sides: Sides | None) -> None:
        self._sides = sides
        self._place: Place | None = None
        self._taken: dict[JobId, Place | None] = {}

    @asynccontextmanager
    async def used(
        self, leave: Callable[[], None], arrive: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Take jobs in this block, on the side that is open; `arrive` where it is another one than
        before, `leave` is called when it is to end."""
        if self._sides is None:
            yield
            return
        async with self._sides.used(leave):
            if self._place != self._sides.place:
                self._place = self._sides.place
                await arrive()
            yield

    @property
    def is_open(self) -> bool:
        """Whether jobs may be taken."""
        return self._sides is None or not self._sides.is_held

    def begin(self, id: JobId) -> None:
        """Note where a job was taken that is about to run."""
        self._taken[id] = self._place

    def end(self, id: JobId) -> None:
        """Forget it."""
        del self._taken[id]

    def left(self) -> list[JobId]:
        """Return the jobs that run, and were taken on the other side."""
        return [id for id, place in self._taken.items() if place != self._place]

    def is_with_data(self, id: JobId) -> bool:
        """Say whether transactions now go where a job was taken."""
        return self._sides is None or self._sides.place == self._taken[id]

    def elsewhere(self, id: JobId) -> str | None:
        """Return the URL of the database of whose queue a job was taken, unless that is asked anyway."""
        place = self._taken[id]
        if self._sides is None or place is None or (self.is_open and self.is_with_data(id)):
            return None
        return self._sides.urls[place.side]
