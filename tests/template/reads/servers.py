"""What both files of tests do with the two servers."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from .replica import Server

LOGIN = "app"


async def tell(server: Server, statement: str) -> object:
    """Execute a statement as superuser; return its value."""
    connection = await asyncpg.connect(server.url())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(180):
        while not condition():
            await asyncio.sleep(0.05)


async def will(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a question is answered with yes."""
    async with asyncio.timeout(180):
        while not await condition():
            await asyncio.sleep(0.05)
