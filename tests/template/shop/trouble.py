"""Something happens while an order is being placed, just before a message goes to Postgres."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from asyncpg.prepared_stmt import PreparedStatement

Strike = Callable[[asyncpg.Connection], Awaitable[None]]
_EVERY_WAY = [
    (asyncpg.Connection, "execute"),
    (asyncpg.Connection, "executemany"),
    (PreparedStatement, "fetch"),
]


class Trouble:
    """Strikes before the message of a number, counted from 1; records the messages."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.messages: list[str] = []
        self._at, self._strike = 0, nothing
        for owner, name in _EVERY_WAY:
            patch.setattr(owner, name, self._watch(getattr(owner, name)))

    def expect(self, at: int, strike: Strike) -> None:
        self.messages.clear()
        self._at, self._strike = at, strike

    def _watch(self, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def watched(target: Any, *args: Any, **kwargs: Any) -> Any:
            prepared = isinstance(target, PreparedStatement)
            self.messages.append(target.get_query() if prepared else args[0])
            if len(self.messages) == self._at:
                self._at = 0  # Once; what follows, such as a ROLLBACK, goes through.
                await self._strike(target._connection if prepared else target)
            return await send(target, *args, **kwargs)

        return watched


async def nothing(_connection: asyncpg.Connection) -> None:
    """Let everything go its way."""


async def fail(connection: asyncpg.Connection) -> None:
    """Postgres refuses the statement."""
    await connection.fetch("SELECT 1/0")


async def time_out(connection: asyncpg.Connection) -> None:
    """Postgres stops a statement that takes too long."""
    await connection.execute("SET LOCAL statement_timeout = 10; SELECT pg_sleep(10)")


async def cancel(_connection: asyncpg.Connection) -> None:
    """The caller goes away: cancelled while the statement runs."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def cancel_while_waiting(connection: asyncpg.Connection) -> None:
    """The caller goes away: cancelled while Postgres makes the statement wait."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().call_later(0.01, task.cancel)
    await connection.execute("SELECT pg_sleep(0.5)")


async def kill(_connection: asyncpg.Connection) -> None:
    """The process dies."""
    os.kill(os.getpid(), signal.SIGKILL)
