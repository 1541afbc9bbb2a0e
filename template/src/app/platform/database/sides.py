"""The two databases that a module's data may be in, the main one and its own: which is open, who is led
where, and who waits while neither is.

Whoever connects to DATABASE_URL is led to the open side. While the data move, the pools hand out no
connection: who asks for one waits, at most as long as for any other. See `gates` and `side_watch`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from typing import NamedTuple, Protocol
from weakref import WeakSet, WeakValueDictionary

from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.util import await_only

from app.platform.database.credentials import lead
from app.platform.settings import Settings
from app.platform.telemetry import cause
from app.platform.timeouts import MARGIN

logger = logging.getLogger("app.sides")


class HeldError(PoolTimeout):
    """Somebody waited for a connection while the data of a module moved, and they moved for longer."""


class Side(StrEnum):
    """Which of the two."""

    MAIN = "main"
    OWN = "own"


class Place(NamedTuple):
    """A side, from one move to the next."""

    side: Side
    moves: int


class HasConnections(Protocol):
    """A pool, as much as has to be known of it."""

    def checkedout(self) -> int: ...

    def clear(self) -> None: ...


class Sides:
    """Both databases of the module that this process serves."""

    def __init__(self, module: str, urls: Mapping[Side, str]) -> None:
        self.module, self.urls = module, urls
        self.place: Place | None = None
        """Where the data are; None as long as that is not known."""
        self.is_held = False
        self._let_go = asyncio.Event()
        self._pools = WeakSet[HasConnections]()
        self._users: dict[object, Callable[[], None]] = {}
        self._afterwards: list[Callable[[Side], Awaitable[None]]] = []
        self._watches = 0

    def add(self, pool: HasConnections) -> None:
        """Hold a pool as well."""
        self._pools.add(pool)

    def when_moved(self, do: Callable[[Side], Awaitable[None]]) -> Callable[[], None]:
        """Do something whenever the data are found somewhere else, before anything goes on there; return
        what ends that."""
        self._afterwards.append(do)
        return lambda: self._afterwards.remove(do)

    async def has_moved(self, side: Side) -> None:
        """Do that. It must not keep others waiting for long."""
        for do in self._afterwards:
            try:
                async with asyncio.timeout(MARGIN):
                    await do(side)
            except Exception as error:
                logger.warning(
                    "Something was not brought along to where the data are: %s", cause(error)
                )

    def hold(self) -> None:
        """Let nothing begin on either side."""
        if not self.is_held:
            self.is_held = True
            self._let_go.clear()
            for leave in list(self._users.values()):
                leave()

    def let_go(self) -> None:
        """Let go on what waits."""
        self.is_held = False
        self._let_go.set()

    @property
    def is_left(self) -> bool:
        """Whether all that had begun before `hold` has ended."""
        return not self._users and not any(pool.checkedout() for pool in self._pools)

    def move(self, side: Side) -> None:
        """Lead there who connects from now on. Nothing is to be under way."""
        lead(self.urls[Side.MAIN], self.urls[side] if side is Side.OWN else None)
        self.place = Place(side, self.place.moves + 1 if self.place else 0)
        for pool in self._pools:
            pool.clear()

    async def until_open(self) -> None:
        """Wait until connections are handed out."""
        while self.is_held:
            await self._let_go.wait()

    def wait(self, seconds: float) -> None:
        """Wait for that inside SQLAlchemy's greenlet. Raises HeldError after so many seconds."""
        try:
            await_only(asyncio.wait_for(self.until_open(), max(seconds, 0)))
        except TimeoutError:
            raise HeldError(
                f"The data of {self.module} have been moving for longer than DATABASE_POOL_TIMEOUT."
            ) from None

    @asynccontextmanager
    async def used(self, leave: Callable[[], None]) -> AsyncIterator[None]:
        """Once a side is open, count as under way there, past the pools, until the block ends; `leave` is
        called when it is to."""
        await self.until_open()
        user = object()
        self._users[user] = leave
        try:
            yield
        finally:
            del self._users[user]

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Know of one more who follows the open side; without any, all are led to the main one."""
        self._watches += 1
        if self.place is None:
            self.hold()  # Until it is known where the data are.
        try:
            yield
        finally:
            self._watches -= 1
            if not self._watches:
                lead(self.urls[Side.MAIN], None)
                self.place = None
                self.let_go()


_known: WeakValueDictionary[tuple[str, str], Sides] = WeakValueDictionary()
"""All pools of one process wait for the same."""


def sides_of(settings: Settings) -> Sides | None:
    """Return the sides of the module that this process serves, where it may have a database of its own."""
    if settings.own_database_url is None:
        return None
    urls = {Side.MAIN: settings.database_url, Side.OWN: settings.own_database_url}
    key = (urls[Side.MAIN], urls[Side.OWN])
    sides = _known.get(key)
    if sides is None:
        (module,) = set(settings.modules.split())
        sides = _known[key] = Sides(module, urls)
    return sides
