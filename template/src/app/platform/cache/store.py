"""Where cached values are kept: in memory, or in a Redis that several processes share."""

import asyncio
import logging
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import uuid4

from app.platform.settings import MEMORY
from app.platform.timeouts import CACHE, CACHE_AWAY

logger = logging.getLogger("app.cache")

T = TypeVar("T")

_MOST = 10_000
"""Entries in memory; then those that were not used for longest go."""


class CacheStore:
    """Bytes under keys, for a while. Without its Redis, it holds nothing, and raises nothing."""

    def __init__(self, url: str = MEMORY) -> None:
        # Here, since they take a quarter of a second that most commands have no use for.
        from cashews import Cache as Cashews
        from cashews.exceptions import CacheError
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError

        self._failures = (CacheError, RedisError, OSError, TimeoutError)
        self.is_shared = url != MEMORY
        self._cashews = Cashews()
        self._away_until = 0.0
        self._owed: dict[str, tuple[bytes, float, str]] = {}
        if not self.is_shared:
            self._cashews.setup("mem://", size=_MOST, check_interval=0)
            return
        self._cashews.setup(
            url,
            suppress=False,
            pickle_type="null",  # What is unpickled can run code. Only bytes are stored.
            max_connections=50,
            wait_for_connection_timeout=CACHE,
            socket_timeout=CACHE,
            socket_connect_timeout=CACHE,
            retry=Retry(NoBackoff(), 0),
        )

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        """Return what is stored under the keys."""
        nothing = (None,) * len(keys)
        return await self._try(lambda: self._cashews.get_many(*keys), nothing)

    async def write(self, key: str, value: bytes, seconds: float) -> None:
        """Store a value for a number of seconds."""
        await self._try(lambda: self._cashews.set(key, value, expire=seconds), False)

    async def replace(self, key: str, value: bytes, seconds: float, other: str) -> None:
        """Store a value and delete that of another key: now, or before anything else is done with
        the store once it answers again."""
        self._owed[key] = (value, seconds, other)
        if len(self._owed) > _MOST:
            del self._owed[next(iter(self._owed))]
        await self._try(self._settle, None)

    @asynccontextmanager
    async def lock(self, key: str, seconds: float) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
        """Yield what tries to take a lock that all processes share, for so many seconds at most. It
        says whether the lock was taken; it counts as taken where there is nobody to ask."""
        token = uuid4().hex
        is_taken = False

        async def take() -> bool:
            nonlocal is_taken
            # None: there is no store.
            lock = await self._try(lambda: self._cashews.set_lock(key, token, expire=seconds), None)
            is_taken = bool(lock)
            return lock is not False

        try:
            yield take
        finally:
            if is_taken:
                await self._try(lambda: self._cashews.unlock(key, token), False)

    async def close(self) -> None:
        """Close the connections."""
        with warnings.catch_warnings():
            # cashews calls a method of redis-py by its old name.
            warnings.simplefilter("ignore", DeprecationWarning)
            await self._cashews.close()

    async def _settle(self) -> None:
        for key, owed in list(self._owed.items()):
            value, seconds, other = owed
            await self._cashews.set(key, value, expire=seconds)
            await self._cashews.delete(other)
            if self._owed.get(key) is owed:
                del self._owed[key]

    async def _try(self, do: Callable[[], Awaitable[T]], otherwise: T) -> T:
        now = time.monotonic()
        if now < self._away_until:
            return otherwise
        if self._away_until:
            self._away_until = now + CACHE_AWAY
        try:
            async with asyncio.timeout(CACHE):
                await self._settle()
                answer = await do()
        except self._failures as error:
            if not self._away_until:
                logger.warning(
                    "The cache does not answer, so that everything is loaded: %r",
                    error.__cause__ or error,
                )
            self._away_until = time.monotonic() + CACHE_AWAY
            return otherwise
        self._away_until = 0.0
        return answer
