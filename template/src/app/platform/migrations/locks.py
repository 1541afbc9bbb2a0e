"""How `app migrate` waits: for its turn, and for locks, without stopping everybody else meanwhile.

All who come later wait behind a statement that waits for a lock on a table, readers included. So it
gives up after some seconds, lets the others pass and tries again, a bounded number of times.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import Connection, event, text
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform.database import connect, MigrationError, sqlstate_of
from app.platform.timeouts import CONNECT, GAUGE, SILENCE

logger = logging.getLogger("app.migrations")
Done = TypeVar("Done")

TURN = 7_285_917_604
"""Key of the advisory lock that lets one migration run at a time."""
_SET_LOCK_TIMEOUT = "SET lock_timeout = '3s'"
"""How long a statement waits for a lock: what the application can bear to wait behind it."""
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0)
"""Seconds between one attempt and the next."""
_LOOK = 0.5
"""Seconds between two looks at who is in the way."""
NOT_GIVEN = {"55P03", "40P01"}
"""A lock was not given in time, or two sessions waited for each other."""
_BESIDE_WRITES = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
SESSION = """
    pid, coalesce(usename, backend_type) AS who, application_name, state,
    to_char(coalesce(xact_start, backend_start) AT TIME ZONE 'UTC', 'HH24:MI:SS UTC') AS since
"""
_HOLDER = text(
    f"""SELECT {SESSION} FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND database = datid AND datname = current_database()
        AND (classid::bigint << 32) + objid::bigint = :key"""
)
_SIGN = """SELECT CASE WHEN state LIKE 'idle%' THEN state_change ELSE clock_timestamp() END
    FROM pg_stat_activity WHERE pid = $1"""
"""Changes while a session works: whoever waits for one that does not will hear nothing any more."""
_SILENT = (
    "The connection to Postgres fell silent and was given up; a migration that was under way is undone. "
    "Run `app migrate` again."
)
_BLOCKERS = f"SELECT {SESSION} FROM pg_stat_activity WHERE pid = ANY(pg_blocking_pids($1))"


async def take_turn(connection: AsyncConnection) -> None:
    """Wait until no other migration of this database runs, and say so. The turn ends with the
    connection."""
    said = False
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": TURN}):
        holder = (await connection.execute(_HOLDER, {"key": TURN})).mappings().first()
        # Not inside a transaction: an index that is built CONCURRENTLY waits for all that are open.
        await connection.commit()
        if holder is not None and not said:
            logger.warning("Another migration runs: %s. Waiting until it has ended.", told(holder))
            said = True
        await asyncio.sleep(_LOOK)
    # A killed migration is noticed at once, and does not keep its locks until its statement ends.
    await connection.execute(text("SET client_connection_check_interval = '1s'"))
    await connection.commit()


class Patience:
    """Lets work on a connection be done again where a lock was not given in time."""

    def __init__(self, connection: AsyncConnection, admin_url: str) -> None:
        self._connection, self._url = connection, admin_url
        self._blockers = ""
        self._seen: dict[int, float] = {}
        """When each of them was first in the way, on the monotonic clock."""
        self._is_silent = False

    async def attempt(self, what: str, work: Callable[[], Awaitable[Done]]) -> Done:
        """Do work that can be done again, and return what it returns.

        Raises MigrationError, which names who holds the lock, when all attempts have failed.
        """
        seen = "a session that Postgres did not name in time"
        for number, pause in enumerate((*_PAUSES, None), 1):
            self._blockers = ""
            try:
                async with self.watched():
                    await self._connection.run_sync(_be_impatient)
                    return await work()
            except (DBAPIError, asyncpg.PostgresError) as error:
                if sqlstate_of(error) not in NOT_GIVEN:
                    raise
                await self._connection.rollback()
                seen = self._blockers or seen  # Named at the last attempt, or at the one before.
                if pause is None:
                    raise MigrationError(
                        f"The migrations of {what} need a lock that is held by {seen}. They "
                        f"were tried {number} times, and undone each time. Run `app migrate` again "
                        "when that has ended, or end it: SELECT pg_terminate_backend(pid)"
                    ) from error
                logger.warning(
                    "Gave up for now, so that nobody has to wait behind a migration of %s. "
                    "Trying again in %g s.",
                    what,
                    pause,
                )
            await asyncio.sleep(pause)
        raise AssertionError

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look from outside at what is done on the connection in the block. Raises MigrationError where
        the network has lost it: a statement may take hours, but not where Postgres has none."""
        raw = await self._connection.get_raw_connection()
        try:
            async with asyncio.timeout(SILENCE):
                pid = await self._connection.scalar(text("SELECT pg_backend_pid()"))
                await self._connection.commit()
        except TimeoutError as error:
            raise MigrationError(_SILENT) from error
        watching = asyncio.create_task(self._watch(pid, raw.driver_connection))
        try:
            yield
        except Exception as error:
            if self._is_silent:
                raise MigrationError(_SILENT) from error
            raise
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self, pid: int, driver: Any) -> None:
        """Whoever waits cannot look, and afterwards it is late."""
        watcher: asyncpg.Connection | None = None
        quiet, sign, looked = 0.0, None, time.monotonic()
        try:
            while quiet < SILENCE:
                await asyncio.sleep(_LOOK)
                try:
                    watcher = watcher or await connect(self._url, command_timeout=GAUGE)
                    await self._look(watcher, pid)
                    before, sign = sign, await watcher.fetchval(_SIGN, pid)
                except OSError:
                    before, watcher = sign, None
                except (asyncpg.PostgresError, asyncpg.InterfaceError):
                    before, sign, watcher = sign, object(), None  # Postgres is there.
                # While Python computes, nobody looks: that is no silence.
                passed = min(time.monotonic() - looked, _LOOK + CONNECT)
                quiet, looked = quiet + passed if sign == before else 0.0, time.monotonic()
            self._is_silent = True
            driver.terminate()
        finally:
            if watcher is not None:
                watcher.terminate()

    async def _look(self, watcher: asyncpg.Connection, pid: int) -> None:
        if found := await watcher.fetch(_BLOCKERS, pid):
            if not self._blockers:
                logger.warning("Waiting for %s.", self._told(found[0]))
            self._blockers = "; ".join(map(self._told, found))

    def _told(self, session: asyncpg.Record) -> str:
        since = self._seen.setdefault(session["pid"], time.monotonic())
        return told(session, f"for {time.monotonic() - since:.0f} s at least")


def let_concurrent_wait(connection: Connection) -> None:
    """Let what is built CONCURRENTLY take its time: others pass it by."""

    @event.listens_for(connection, "before_cursor_execute")
    def wait(_connection: object, cursor: DBAPICursor, statement: str, *_rest: object) -> None:
        if _BESIDE_WRITES.search(statement):
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SET statement_timeout = 0")

    @event.listens_for(connection, "after_cursor_execute")
    def hurry(_connection: object, cursor: DBAPICursor, statement: str, *_rest: object) -> None:
        if _BESIDE_WRITES.search(statement):
            cursor.execute(_SET_LOCK_TIMEOUT)
            cursor.execute("RESET statement_timeout")


def _be_impatient(connection: Connection) -> None:
    connection.execute(text(_SET_LOCK_TIMEOUT))
    connection.execute(text("RESET statement_timeout"))
    connection.commit()


def told(session: Any, otherwise: str = "") -> str:
    """Return which session that is, for somebody who may have to end it.

    Since when it is at it, only its own user sees, and members of pg_read_all_stats.
    """
    name = session["application_name"] or "without an application_name"
    since = f"{session['state']} since {session['since']}" if session["since"] else otherwise
    return f"pid {session['pid']} ({', '.join(filter(None, (session['who'], name, since)))})"
