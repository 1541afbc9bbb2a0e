"""Runs inside a generated shop, on its own platform and its local Postgres."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg
from app import modules
from app.development.database import create_login, development_server, with_database
from app.platform.database import Database, Tx, create_engine, view_of
from app.platform.database.speaking import speaking_on
from app.platform.migrations import migrate
from app.platform.settings import Settings
from app.platform.wiring import discover
from app.platform.wiring.boundary import at_boundary
from report import report
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncEngine

LOGIN = NAME = "bench_boundary"
CALLS, ROUNDS, TRANSACTIONS = 10_000, 15, 1_500
SELECT = text("SELECT id FROM catalog.items WHERE name = 'none'")


class Shop(Protocol):
    async def joins(self, tx: Tx, number: int) -> int:
        """Join the caller's transaction."""

    async def stands_alone(self, number: int) -> int:
        """Need no transaction."""


class RealShop:
    async def joins(self, tx: Tx, number: int) -> int:
        return number

    async def stands_alone(self, number: int) -> int:
        return number


async def main() -> None:
    with development_server() as admin_url:
        async with database(admin_url) as url:
            settings = Settings(database_url=url)
            engine, separate = create_engine(settings), create_engine(settings)
            send_roles_separately(separate)
            report(
                calls=await measure_calls(engine),
                transactions=await measure_transactions(engine, separate),
            )
            for each in (engine, separate):
                await each.dispose()


async def measure_calls(engine: AsyncEngine) -> dict[str, list[float]]:
    """Return the nanoseconds of a call to the object itself and through the boundary, by kind."""
    direct = RealShop()
    outside = at_boundary(Shop, direct, "ordering")
    found = {
        "of a method without tx": await compare(
            lambda: direct.stands_alone(1), lambda: outside.stands_alone(1)
        )
    }
    async with Database(engine, "catalog").transaction() as tx:
        view = view_of(tx, "ordering")
        found["of a method with tx"] = await compare(
            lambda: direct.joins(view, 1), lambda: outside.joins(tx, 1)
        )

        def first() -> Awaitable[int]:
            del tx._transaction.views["ordering"]
            return outside.joins(tx, 1)

        found["the first one in a transaction"] = await compare(
            lambda: direct.joins(view, 1), first
        )
    return found


async def compare(*calls: Callable[[], Awaitable[object]]) -> list[float]:
    """Return the median nanoseconds of each call, in rounds that alternate."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter_ns()
            for _ in range(CALLS):
                await call()
            times.append((time.perf_counter_ns() - start) / CALLS)
    return [statistics.median(times) for times in taken]


async def measure_transactions(engine: AsyncEngine, separate: AsyncEngine) -> dict[str, float]:
    """Return the microseconds of a transaction with one SELECT, each kind in turn."""
    kinds = {
        "no role": (Database(engine, "catalog"), False),
        "role travels with BEGIN": (Database(engine, "catalog"), True),
        "role in a round trip of its own": (Database(separate, "catalog"), True),
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(TRANSACTIONS):
        for name, (db, speaks) in kinds.items():
            start = time.perf_counter()
            async with db.transaction() as tx:
                if not speaks:
                    tx.sync_session._role = ""
                await tx.execute(SELECT)
            taken[name].append((time.perf_counter() - start) * 1_000_000)
    return {name: statistics.median(times) for name, times in taken.items()}


def send_roles_separately(engine: AsyncEngine) -> None:
    """Let the platform believe that BEGIN has passed, so that it sends the role by itself."""

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.opening = ""
        speaking_on(connection).begun = True


@asynccontextmanager
async def database(admin_url: str) -> AsyncIterator[str]:
    """Yield the URL of a migrated database whose login may read without a role as well."""
    login_url = await create_login(admin_url, LOGIN)
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {NAME}")
    url = with_database(admin_url, NAME)
    await migrate(url, LOGIN, discover(modules))
    owner = await asyncpg.connect(url)
    await owner.execute(
        f"SET ROLE {LOGIN}__catalog__owner; GRANT USAGE ON SCHEMA catalog TO {LOGIN};"
        f"GRANT SELECT ON catalog.items TO {LOGIN}"
    )
    await owner.close()
    try:
        yield with_database(login_url, NAME)
    finally:
        await admin.execute(f"DROP DATABASE {NAME}")
        await admin.close()


if __name__ == "__main__":
    asyncio.run(main())
