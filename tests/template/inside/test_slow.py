"""The slowest statements of each module, and what is said about them. Runs in a generated repository."""

from uuid import uuid4

import asyncpg
import pytest
from app.platform.database import Database
from app.platform.development import with_database
from app.platform.settings import Settings
from app.platform.slow import slow_statements, SlowStatement
from app.platform.slow_texts import without_values
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

ROWS = 50_000


@pytest.fixture
async def things(settings: Settings) -> str:
    """A table of catalog's with many rows, analysed, and no index but its key; its URL."""
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(
        f"""SET ROLE app_test__catalog__owner;
        CREATE TABLE catalog.things (id int PRIMARY KEY, name text, kind text, made int);
        INSERT INTO catalog.things SELECT i, 'name ' || i, 'kind ' || i % 2, i
            FROM generate_series(1, {ROWS}) i;
        ANALYZE catalog.things"""
    )
    await admin.close()
    return settings.database_url


async def send(
    engine: AsyncEngine, statement: str, *values: object, times: int = 1, module: str = "catalog"
) -> None:
    """Send a statement in a transaction of a module."""
    async with Database(engine, module).transaction() as tx:
        connection = await tx.connection()
        for _ in range(times):
            await connection.exec_driver_sql(statement, values)


async def found(url: str, part: str) -> SlowStatement:
    [statement] = [
        each for each in await slow_statements(url, ["catalog"], 50) if part in each.statement
    ]
    return statement


async def test_a_scan_of_a_large_table_asks_for_an_index_and_names_it(
    things: str, engine: AsyncEngine
) -> None:
    await send(engine, "SELECT id FROM catalog.things WHERE name = $1", "name 7", times=3)
    slow = await found(things, "FROM catalog.things")
    assert slow.calls == 3
    assert slow.cure == "an index"
    assert 'op.create_index("ix_catalog_things_name", "things", ["name"]' in slow.hint
    assert slow.plan == "Seq Scan on catalog.things, about 1 row; filter (things.name = $1)"
