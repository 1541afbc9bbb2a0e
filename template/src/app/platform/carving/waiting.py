"""Waits within the pause, all of which together take no longer than it may, and who is waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from app.platform.carving.ends import End
from app.platform.carving.errors import CarvingError
from app.platform.database import lock_of

_LOOK = 0.01
_ARRIVED = """SELECT confirmed_flush_lsn >= $2::text::pg_lsn FROM pg_replication_slots
    WHERE slot_name = $1"""
_IN_THE_WAY = """SELECT pid, application_name, usename, state,
        to_char(coalesce(xact_start, state_change) AT TIME ZONE 'UTC', 'HH24:MI:SS UTC') AS since
    FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND pid IN (
        SELECT pid FROM pg_locks WHERE granted AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database()
        ) AND (relation IN (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)))
            AND mode NOT IN ('AccessShareLock', 'RowShareLock')
            OR locktype = 'advisory' AND classid::bigint = $2::bigint & 4294967295
                AND objid::bigint = $3::bigint & 4294967295)
    ) ORDER BY xact_start NULLS LAST LIMIT 3"""


class Pause:
    """The time in which writes wait."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._began = seconds, time.monotonic()

    @property
    def taken(self) -> float:
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds, and never none, which would be no limit."""
        return max(self._seconds - self.taken, 0.001)

    @property
    def milliseconds(self) -> int:
        """What is left, for Postgres."""
        return max(round(self.left * 1000), 1)

    @asynccontextmanager
    async def limit(self, what: str) -> AsyncIterator[None]:
        """Give what is in the block no longer than is left. Raises CarvingError."""
        try:
            async with asyncio.timeout(self.left):
                yield
        except TimeoutError as error:
            raise CarvingError(f"Given up after {self.taken:.1f} s, at {what}.") from error

    async def until(self, question: Callable[[], Awaitable[bool | None]], otherwise: str) -> None:
        """Ask until it is so. Raises CarvingError."""
        async with self.limit(otherwise):
            while not await question():  # noqa: ASYNC110 Nothing tells of it.
                await asyncio.sleep(_LOOK)


@asynccontextmanager
async def alone(source: End, module: str, pause: Pause) -> AsyncIterator[None]:
    """Wait until no process has anything under way, and let none begin while the block lasts."""
    first, second = lock_of(module)
    try:
        await source.session.execute(f"SET lock_timeout = {pause.milliseconds}")
        await source.session.execute(f"SELECT pg_advisory_lock({first}, {second})")
        try:
            yield
        finally:
            await source.session.execute("RESET lock_timeout")
            await source.session.execute(f"SELECT pg_advisory_unlock({first}, {second})")
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        raise CarvingError(
            f"Given up after {pause.taken:.1f} s: {await who_is_in_the_way(source, module)}."
        ) from error


async def arrived(source: End, target: End, module: str, pause: Pause) -> None:
    """Wait until the target has all that the source has written so far."""
    position = await source.session.fetchval("SELECT pg_current_wal_lsn()::text")
    await pause.until(
        lambda: source.session.fetchval(_ARRIVED, source.stream_of(module), position),
        f"{target.name}, which has not got everything",
    )


async def who_is_in_the_way(end: End, module: str) -> str:
    """Return who holds what a cut waits for, for somebody who may have to end it."""
    found = await end.session.fetch(_IN_THE_WAY, module, *lock_of(module))
    if not found:
        return f"somebody on {end.name}, who has ended meanwhile, was in the way"
    return "; ".join(
        f"pid {each['pid']} ({each['application_name'] or each['usename'] or 'a worker of Postgres'}) on "
        f"{end.name}" + (f", {each['state']} since {each['since']}" if each["since"] else "")
        for each in found
    )
