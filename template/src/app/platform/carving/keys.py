"""Idempotency keys, with the answers kept under them: who asks again is answered as before the move."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg

from app.platform.carving.ends import End

_COLUMNS = """SELECT attname FROM pg_attribute
    WHERE attrelid = 'requests.idempotency_keys'::regclass AND attnum > 0 AND NOT attisdropped"""
_TEMPORARY = (
    """CREATE TEMPORARY TABLE carried_keys (LIKE requests.idempotency_keys) ON COMMIT DROP"""
)
_WAITING = 100
"""Pieces of what was read that may wait to be written."""


class Keys:
    """Carries keys in several turns, each those since the one before: the last one is short.

    A key counts from when its transaction began, which it may outlive by so many seconds.
    """

    def __init__(self, source: End, target: End, module: str, longest: float) -> None:
        self._source, self._target, self._module = source, target, module
        self._longest = timedelta(seconds=longest)
        self._since: datetime | None = None

    async def carry(self) -> int:
        """Carry what was written since the turn before; return how many."""
        now: datetime = await self._source.session.fetchval("SELECT clock_timestamp()")
        theirs = {each[0] for each in await self._target.session.fetch(_COLUMNS)}
        ours = [each[0] for each in await self._source.session.fetch(_COLUMNS)]
        columns = [each for each in ours if each in theirs]
        which = ["true"]
        if self._since is not None:
            which.append(f"created_at >= '{(self._since - self._longest).isoformat()}'")
        if "module" in ours:
            which.append(f"(module = '{self._module}' OR module IS NULL)")
        query = (
            f"SELECT {_names(columns)} FROM requests.idempotency_keys WHERE {' AND '.join(which)}"
        )
        carried = await self._upsert(columns, query)
        self._since = now
        return carried

    async def _upsert(self, columns: list[str], query: str) -> int:
        session, names = self._target.session, _names(columns)
        values = ", ".join(f'excluded."{each}"' for each in columns)
        async with session.transaction():
            await session.execute(_TEMPORARY)
            pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
            async with asyncio.TaskGroup() as group:
                group.create_task(_read(self._source.session, query, pieces))
                group.create_task(
                    session.copy_to_table("carried_keys", columns=columns, source=_each(pieces))
                )
            status = await session.execute(
                f"INSERT INTO requests.idempotency_keys ({names}) SELECT {names} FROM carried_keys "
                f"ON CONFLICT (principal, key) DO UPDATE SET ({names}) = ROW({values})"
            )
        return int(status.split()[-1])


async def _read(
    session: asyncpg.Connection, query: str, pieces: "asyncio.Queue[bytes | None]"
) -> None:
    await session.copy_from_query(query, output=pieces.put)
    await pieces.put(None)


async def _each(pieces: "asyncio.Queue[bytes | None]") -> AsyncIterator[bytes]:
    while (piece := await pieces.get()) is not None:
        yield piece


def _names(columns: list[str]) -> str:
    return ", ".join(f'"{each}"' for each in columns)
