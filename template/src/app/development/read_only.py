"""One query as a module would send it, that changes nothing."""

from dataclasses import dataclass
from typing import Any

from app.platform.database import connect, login_of, role_of

_ROWS = 100
_CHARACTERS = 1_000
"""Of one value."""
_SECONDS = 5


class QueryError(Exception):
    """A query that is not run. The message says why."""


@dataclass(frozen=True)
class Found:
    """What a query returned."""

    columns: list[str]
    rows: list[list[object]]
    has_more: bool
    """Whether there are rows that are left out."""


async def read(database_url: str, module: str, sql: str) -> Found:
    """Run one SELECT, VALUES or WITH under a module's role. Raises QueryError, and what the driver raises.

    The role is a fence against mistakes: who means to can go around it.
    """
    if "set_config" in sql.lower():
        raise QueryError("The query calls set_config, which could change whose tables it reads.")
    connection = await connect(database_url, command_timeout=_SECONDS + 1, statement_cache_size=0)
    try:
        async with connection.transaction(readonly=True):
            role = role_of(login_of(database_url), module)
            await connection.execute("SELECT set_config('role', $1, true)", role)
            await connection.execute(
                f"SET LOCAL statement_timeout = '{_SECONDS}s'; SET LOCAL lock_timeout = '1s'"
            )
            # A cursor takes one statement, and none but those that read; `fetch` sends one at a time.
            await connection.fetch(f"DECLARE found NO SCROLL CURSOR FOR {sql}")
            fetch = await connection.prepare(f"FETCH {_ROWS + 1} FROM found")
            columns = [each.name for each in fetch.get_attributes()]
            rows = await fetch.fetch()
    finally:
        await connection.close()
    return Found(
        columns,
        [[_short(value) for value in row.values()] for row in rows[:_ROWS]],
        len(rows) > _ROWS,
    )


def _short(value: Any) -> object:
    if isinstance(value, bytes):
        value = value.hex()
    if not isinstance(value, str) or len(value) <= _CHARACTERS:
        return value
    return f"{value[:_CHARACTERS]}… ({len(value):,} characters)"
