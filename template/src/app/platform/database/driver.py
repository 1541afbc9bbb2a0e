"""The driver's connection: what it sends with BEGIN, how long it waits, how a transaction ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from app.platform.database.credentials import Connection as BoundedConnection
from app.platform.database.errors import OF_DRIVER, TransactionError, UNDONE
from app.platform.timeouts import CONNECT, MARGIN

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
            status = await super().execute(query, timeout=seconds)
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
