"""The slowest statements of each module, with their plans and what would make them faster.

Read and planned under each module's own role, which sees its own statements only. Values never show.
"""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.platform import schemas
from app.platform.database import connect, login_of, role_of
from app.platform.query_stats.hints import advise, Statistics
from app.platform.query_stats.plans import explain, render, tables_of
from app.platform.query_stats.schema import BY_ROLE, OWN, why_absent
from app.platform.telemetry import without_values
from app.platform.timeouts import STATISTICS

_SPEAK = "SELECT set_config('role', $1, true)"
_MAY_SPEAK = "SELECT pg_has_role(session_user, $1::name, 'MEMBER')"
_LIMITS = "SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 1000"
_OURS = (
    r"^select set_config\(|\mpg_(catalog|class|type|prepared_statements)\M|\malembic_version\M|"
    + re.escape(OWN)
)
"""What is asked by this, by the driver and by the platform, of the catalogs."""
_READ = f"""SELECT query, calls, rows, total_exec_time, mean_exec_time, temp_blks_written, shared_blks
    FROM {OWN}
    WHERE query ~* '^\\s*(select|with|insert|update|delete|merge|values|\\()' AND query !~* '{_OURS}'
    ORDER BY total_exec_time DESC LIMIT $1"""
"""No other kinds: `SET` or `CREATE ROLE` would show what they were given."""
_OF_PLATFORM = {schemas.QUEUE, schemas.REQUESTS, schemas.STATEMENTS}
_TRANSACTIONS = f"SELECT sum(calls)::bigint FROM {OWN} WHERE query ILIKE 'set local role \"%'"
"""Each transaction of a module begins with its role; see `engine`."""


class StatisticsError(Exception):
    """There are no statistics of statements. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """A statement of a module, all its calls taken together, since the statistics began."""

    module: str
    statement: str
    """Without values: `$1` stands for them."""
    calls: int
    total_ms: float
    mean_ms: float
    rows_per_call: float
    plan: str | None
    """What Postgres would do, one step a line."""
    hint: str
    """What is slow about it and what to do, if anything."""
    cure: str | None
    """What the hint comes down to: an index, a cached read, a job, fewer calls, or pages."""


async def slow_statements(
    database_url: str, modules: Collection[str], limit: int, roles: str | None = None
) -> list[SlowStatement]:
    """Return, of each module, so many statements that took longest in all: the longest first, the
    platform's own last. Those are left out as which the login may not speak; `roles` are another's.
    Runs none of them. Raises StatisticsError, and what the driver raises."""
    roles = roles or login_of(database_url)
    found: list[SlowStatement] = []
    async with connect_statistics(database_url) as connection:
        sums = await sums_by_role(connection, roles)
        totals = {row["role"]: row["seconds"] * 1000 for row in sums}
        for module in modules:
            role = role_of(roles, module)
            if (total := totals.get(role)) and await connection.fetchval(_MAY_SPEAK, role):
                found += await _of_module(connection, roles, module, limit, total)
    return sorted(found, key=lambda each: (each.module in _OF_PLATFORM, -each.total_ms))


async def sums_by_role(connection: Any, roles: str) -> Sequence[Mapping[str, Any]]:
    """Return role, calls and seconds of all who speak in this database. Raises StatisticsError."""
    role = role_of(roles, schemas.STATEMENTS)
    try:
        async with _speaking(connection, role):
            rows: Sequence[Mapping[str, Any]] = await connection.fetch(
                f"SELECT role, calls, total_exec_time / 1000 AS seconds FROM {BY_ROLE}"
            )
    except asyncpg.PostgresError:
        if reason := await why_absent(connection, role):
            raise StatisticsError(reason) from None
        raise
    return rows


@asynccontextmanager
async def connect_statistics(url: str) -> AsyncIterator[Any]:
    """Open a connection of its own: a busy pool is when the answer matters."""
    connection = await connect(url, command_timeout=STATISTICS, statement_cache_size=0)
    try:
        yield connection
    finally:
        await connection.close()


async def _of_module(
    connection: Any, roles: str, module: str, limit: int, total: float
) -> list[SlowStatement]:
    role = role_of(roles, module)
    async with _speaking(connection, role):
        rows = await connection.fetch(_READ, limit)
        transactions = await connection.fetchval(_TRANSACTIONS) or 0
    found = []
    for row in rows:
        async with _speaking(connection, role):
            plan = await explain(connection, row["query"])
        tables = await tables_of(connection, plan) if plan else {}
        statistics = Statistics(
            statement=row["query"],
            calls=row["calls"],
            mean_ms=row["mean_exec_time"],
            rows_per_call=row["rows"] / row["calls"],
            temp_blocks_per_call=row["temp_blks_written"] / row["calls"],
            blocks_per_call=row["shared_blks"] / row["calls"],
            share=row["total_exec_time"] / total,
            calls_per_transaction=row["calls"] / transactions if transactions else 0,
            of_platform=module in _OF_PLATFORM,
        )
        advice = advise(statistics, plan, tables)
        found.append(
            SlowStatement(
                module=module,
                statement=without_values(row["query"]),
                calls=row["calls"],
                total_ms=row["total_exec_time"],
                mean_ms=row["mean_exec_time"],
                rows_per_call=statistics.rows_per_call,
                plan=render(plan) if plan else None,
                hint="\n".join(each.text for each in advice),
                cure=advice[0].cure if advice else None,
            )
        )
    return found


@asynccontextmanager
async def _speaking(connection: Any, role: str) -> AsyncIterator[None]:
    """Speak as a role, in a transaction that is read only and comes to nothing."""
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    try:
        # Not by SET LOCAL ROLE, of which each would count as a transaction of the module.
        await connection.fetchval(_SPEAK, role)
        await connection.execute(_LIMITS)
        yield
    finally:
        await transaction.rollback()
