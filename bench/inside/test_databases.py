"""Runs inside a repository, as one of its tests: what a database for a test costs."""

import asyncio
import statistics
import time

import asyncpg
from app.development.database import with_database
from app.development.fresh_databases import FreshDatabases

ROUNDS = 40
INSERT = "INSERT INTO catalog.items (id, owner, name) VALUES (gen_random_uuid(), 'me', 'x')"


def test_a_database_is_as_good_as_new(databases: FreshDatabases, admin_url: str) -> None:
    async def write() -> None:
        connection = await asyncpg.connect(with_database(admin_url, name))
        await connection.execute(INSERT)
        await connection.close()

    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        name = databases.take()
        asyncio.run(write())
        databases.give_back(name)
        taken.append((time.perf_counter() - start) * 1000)
    print(f"\nmilliseconds: {statistics.median(taken):.1f}")
