"""The driver's connection: what it sends with BEGIN, how long it waits, how a transaction ends."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

from app.platform.database.credentials import Connection as BoundedConnection
from app.platform.database.errors import OF_DRIVER, TransactionError, UNDONE
from app.platform.timeouts import CONNECT, MARGIN

_NEVER = float("inf")
_Answer = TypeVar("_Answer")
longest_given: ContextVar[float | None] = ContextVar("longest", default=None)
"""How long each statement may take, where that differs from DATABASE_STATEMENT_TIMEOUT."""


@contextmanager
def statements_may_take(seconds: float) -> Iterator[None]:
    """Let each statement take so long in the transactions and reads that begin in the block, whatever
    DATABASE_STATEMENT_TIMEOUT says."""
    token = longest_given.set(seconds)
    try:
        yield
    finally:
        longest_given.reset(token)


@lru_cache(1000)
def _limit(seconds: float) -> str:
    # Of a process that is gone with its machine, Postgres hears nothing for hours; so long would what
    # its transaction has locked be locked.
    settings = "statement_timeout", "idle_in_transaction_session_timeout"
    return "".join(f" SET LOCAL {name} = {milliseconds(seconds)};" for name in settings)


def milliseconds(seconds: float) -> int:
    """Return what Postgres is to be told of so many seconds."""
    return max(round(seconds * 1000), 1)


class Connection(BoundedConnection):
    """Sends the first role of a transaction with BEGIN, and hears what became of its end."""

    opening = ""
    _loop: asyncio.AbstractEventLoop
    _unlimited: Any = None
    """What asyncpg goes by where it is to set no timer of its own."""
    _late, _rings = _NEVER, _NEVER
    """When an answer is late, and when the timer looks whether it is: seconds of the loop's clock."""

    def begin_with(self, seconds: float, more: str) -> None:
        """Send more with the next BEGIN, and let each statement behind it take so many seconds."""
        self.opening = more if longest_given.get() is None else _limit(seconds) + more
        if self._config.command_timeout != seconds + MARGIN:
            self._config = self._config._replace(command_timeout=seconds + MARGIN)

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Give what is sent in the block little time for an answer."""
        config, self._config = self._config, self._config._replace(command_timeout=MARGIN)
        try:
            yield
        finally:
            self._config = config

    async def in_time(self, answer: Awaitable[_Answer], seconds: float | None = None) -> _Answer:
        """Return an answer. Raises TimeoutError, and gives the connection up, where none comes in so
        many seconds, or in those of `begin_with`.

        A timer for each costs more than the rest of this. Here one serves whoever waits when it rings.
        """
        config = self._config
        if config is self._unlimited:
            return await answer  # Sent while another is waited for: the time of that one counts.
        if self._unlimited is None:
            self._unlimited = config._replace(command_timeout=None)
        self._late = self._loop.time() + (seconds or config.command_timeout)
        if self._late < self._rings:
            self._ring_at(self._late)
        self._config = self._unlimited
        try:
            return await answer
        except Exception as error:
            if self._late < 0:
                raise TimeoutError from error
            raise
        finally:
            self._late, self._config = _NEVER, config

    def _ring_at(self, when: float) -> None:
        self._rings = when
        self._loop.call_at(when, self._ring, when)

    def _ring(self, when: float) -> None:
        if when != self._rings:
            return  # Another timer rings sooner.
        self._rings = _NEVER
        if self._late <= self._loop.time():
            self._late = -1.0
            self.terminate()
        elif self._late < _NEVER:
            self._ring_at(self._late)

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        if query == "ROLLBACK;":
            return await self._roll_back(query)
        if not query.startswith(("BEGIN", "COMMIT")):
            return await super().execute(query, *args, **options)
        seconds = None
        if query.startswith("BEGIN"):
            # However long the statements may take: who does not answer this does not answer.
            query, seconds = query + self.opening, CONNECT
        try:
            status = await self.in_time(super().execute(query), seconds)
        except BaseException:
            # BEGIN may have passed and the rest failed, or COMMIT never have been sent. The driver
            # believes that no transaction is open and would hand the connection to the next
            # request as it is.
            self.terminate()
            raise
        if query.startswith("COMMIT") and status == "ROLLBACK":
            raise TransactionError(UNDONE)  # Postgres says it only here.
        return status

    async def _roll_back(self, query: str) -> str:
        """Undo what is open. This does not fail, so that what it is undone for is not forgotten: who
        has no connection any more has nothing open."""
        try:
            return await super().execute(query, timeout=MARGIN)
        except (OSError, *OF_DRIVER):
            self.terminate()
            return query
        except BaseException:
            self.terminate()
            raise
