#!/usr/bin/env bash
# SQLAlchemy 2.1.9, aiosqlite 0.22.1, Python 3.11: what a task that waits for a connection of a full
# asyncio pool gets depends on how others give theirs back. `async with` ends in a task of its own, so whoever
# waits runs before its loop asks again. `await connection.close()` and `await session.close()` put the
# connection back without letting anybody run: a loop takes again at once what it gave back, each time before
# the one that was woken, which gives up with "QueuePool limit … reached", though the pool was given back hundreds
# of times meanwhile and its own queue is first in, first out. (asyncio.Queue lets a getter that was woken too late
# stand at the end again.) `await asyncio.sleep(0)` after the close is enough.
# Seen on 2026-11-30:
#   async with engine.connect(): ok
#   async with AsyncSession: ok
#   connection.close(): TimeoutError, given back hundreds of times
#   session.close(): TimeoutError, given back hundreds of times
#   connection.close(), sleep(0): ok
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --quiet --disable-pip-version-check \
  'sqlalchemy[asyncio]==2.1.9' aiosqlite==0.22.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import asyncio
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import TimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

ONE = text("SELECT 1")


async def connection_with(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(ONE)


async def session_with(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        await session.execute(ONE)


async def connection_close(engine: AsyncEngine) -> None:
    connection = await engine.connect()
    await connection.execute(ONE)
    await connection.close()


async def session_close(engine: AsyncEngine) -> None:
    session = AsyncSession(engine)
    await session.execute(ONE)
    await session.close()


async def close_and_sleep(engine: AsyncEngine) -> None:
    await connection_close(engine)
    await asyncio.sleep(0)


async def wait_beside(use: Callable[[AsyncEngine], Awaitable[None]]) -> tuple[str, int]:
    """Wait for the one connection beside a loop that uses it; return what came of it, and the loop's turns."""
    url = f"sqlite+aiosqlite:///{sys.argv[1]}/one.db"
    engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=3)
    turns, is_over = 0, False

    async def again_and_again() -> None:
        nonlocal turns
        while not is_over:
            await use(engine)
            turns += 1

    loop = asyncio.create_task(again_and_again())
    while not turns:
        await asyncio.sleep(0.01)
    before = turns
    try:
        await connection_with(engine)
        outcome = "ok"
    except TimeoutError:
        outcome = "TimeoutError"
    turned, is_over = turns - before, True
    await loop
    await engine.dispose()
    return outcome, turned


async def main() -> None:
    for name, use, expected in (
        ("async with engine.connect()", connection_with, "ok"),
        ("async with AsyncSession", session_with, "ok"),
        ("connection.close()", connection_close, "TimeoutError"),
        ("session.close()", session_close, "TimeoutError"),
        ("connection.close(), sleep(0)", close_and_sleep, "ok"),
    ):
        outcome, turns = await wait_beside(use)
        print(f"{name}: {outcome}" + ", given back hundreds of times" * (turns > 200))
        assert outcome == expected, name
        assert turns > 200 if outcome == "TimeoutError" else turns < 20, turns


asyncio.run(main())
PYTHON
