"""A replica that is read only while it is known to be recent.

About once a second, the primary is asked how far its log is on disk, and the replica how far it has
replayed it. A replica that has passed a position holds what was committed before the question was put:
no clocks are compared, nothing is written. While that is not known, reads go to the primary.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from app.platform.database.credentials import connect
from app.platform.database.engine import close, create_engine
from app.platform.database.errors import UnreachableError
from app.platform.settings import Settings
from app.platform.timeouts import GAUGE

logger = logging.getLogger("app.replica")

_UNFLUSHED = 1.0
"""Seconds after which the log holds even what was committed without waiting for the disk: three
times `wal_writer_delay`, and some more."""
_REMEMBERED = 600.0
"""Seconds of lag that can be told; it is not read by far before that."""
_WRITTEN = """
SELECT pg_current_wal_flush_lsn() - '0/0' AS position, system_identifier FROM pg_control_system()
"""
_REPLAYED = """
SELECT pg_last_wal_replay_lsn() - '0/0' AS position, system_identifier,
       pg_is_in_recovery() AS is_replica
FROM pg_control_system()
"""


class Replica:
    """The replica in the settings: a pool of connections to it, and how recent it is."""

    def __init__(self, settings: Settings, url: str) -> None:
        self.engine = create_engine(settings.model_copy(update={"database_url": url}))
        self._max_lag = settings.database_replica_max_lag
        self._primary = _Probe(settings.database_url, _WRITTEN)
        self._replica = _Probe(url, _REPLAYED)
        self._holds_until = -math.inf
        self._positions: deque[tuple[float, int]] = deque()
        """Where the primary's log was at which time, as far as the replica has yet to get there."""
        self._said = ""

    def holds(self, moment: float) -> bool:
        """Say whether the replica is recent enough to be read, and holds what was committed before
        a moment of the monotonic clock."""
        return self._holds_until >= max(moment, time.monotonic() - self._max_lag)

    def lag(self) -> float:
        """Return how many seconds the replica may be behind; infinite where that is not known."""
        return time.monotonic() - self._holds_until

    def has_failed(self, error: Exception) -> None:
        """Take note of what a read of the replica raised: one that is gone is read no more until
        the next check has found it."""
        if isinstance(error, UnreachableError):
            self._holds_until = -math.inf

    async def check(self) -> None:
        """Ask both servers how far they are."""
        moment = time.monotonic() - _UNFLUSHED
        try:
            written = await self._primary.ask()
        except Exception as error:
            self._say(
                f"Not known how recent the replica is: no answer from the primary, {error!r}."
            )
            return
        self._positions.append((moment, written["position"]))
        while self._positions[0][0] < moment - _REMEMBERED:
            self._positions.popleft()
        try:
            replayed = await self._replica.ask()
        except Exception as error:
            self._give_up(f"no answer from the replica, {error!r}.")
            return
        is_same = replayed["system_identifier"] == written["system_identifier"]
        if not is_same or not replayed["is_replica"] or replayed["position"] is None:
            self._give_up(
                "DATABASE_REPLICA_URL leads to a server that is no replica of that in DATABASE_URL."
            )
            return
        while self._positions and self._positions[0][1] <= replayed["position"]:
            self._holds_until = self._positions.popleft()[0]
        if self.holds(-math.inf):
            self._say("Reads go to the replica.")
        else:
            self._say(
                f"Reads go to the primary: the replica is {self._max_lag:g} s behind, or more."
            )

    def _give_up(self, why: str) -> None:
        self._holds_until = -math.inf
        self._say(f"Reads go to the primary: {why}")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Check again and again while the block lasts, then close every connection."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            self._primary.close()
            self._replica.close()
            await close(self.engine)

    async def _watch(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(min(1.0, self._max_lag / 8))

    def _say(self, what: str) -> None:
        if what != self._said:
            logger.warning(what)
        self._said = what


def connect_replica(settings: Settings) -> Replica | None:
    """Return the replica that the settings name, if they name one."""
    url = settings.database_replica_url
    return Replica(settings, url) if url else None


class _Probe:
    """A connection on which one question is put again and again; a new one after each failure.

    Not one of the pool: an application that is merely busy must not take its replica for lost.
    """

    def __init__(self, url: str, question: str) -> None:
        self._url, self._question = url, question
        self._connection: asyncpg.Connection | None = None

    async def ask(self) -> asyncpg.Record:
        try:
            async with asyncio.timeout(GAUGE):
                if self._connection is None:
                    self._connection = await connect(self._url, command_timeout=GAUGE)
                answer = await self._connection.fetchrow(self._question)
                assert answer is not None
                return answer
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
