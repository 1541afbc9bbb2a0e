"""Runs inside a generated shop, on its own platform and its local Postgres, commits durable.

The other side is what one writes by hand: a table, and a loop that takes ten jobs with SKIP LOCKED,
runs the same functions in the same transactions, and deletes the ten. It has no retries, no log and
no limits, and it runs a job again whose worker died after the effect.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
from app import modules
from app.development.database import create_login, development_server, with_database
from app.modules.catalog import jobs as catalog_jobs
from app.modules.catalog.jobs import Work, nothing, write
from app.platform.database import Database, create_engine, view_of
from app.platform.jobs import Delivery, Job, Worker
from app.platform.migrations import migrate
from app.platform.settings import Settings
from app.platform.wiring import discover, wire
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

LOGIN, NAME = "bench_jobs", f"bench_jobs_{os.getpid()}"
JOBS, PICK_UPS, TRANSACTIONS = 3_000, 400, 600
BARE = """
    CREATE TABLE catalog.bare (
        id bigserial PRIMARY KEY, name text NOT NULL, arguments bytea NOT NULL,
        status text NOT NULL DEFAULT 'queued', created timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON catalog.bare (id) WHERE status = 'queued'
"""
TAKE = """
    UPDATE catalog.bare SET status = 'picked' WHERE id IN (
        SELECT id FROM catalog.bare WHERE status = 'queued' ORDER BY id LIMIT 10
        FOR UPDATE SKIP LOCKED
    ) RETURNING id, name, arguments
"""
INSERT = text("INSERT INTO catalog.bare (name, arguments) VALUES (:name, :arguments)")


async def main() -> None:
    with development_server() as admin_url:
        async with database(admin_url) as url:
            os.environ["DATABASE_URL"] = url
            settings = Settings(database_url=url)
            engine = create_engine(settings)
            await measure_enqueue(engine)
            await measure_pick_up(settings, engine)
            await measure_throughput(settings, engine)
            await engine.dispose()


async def measure_enqueue(engine: AsyncEngine) -> None:
    """A transaction that writes one job, each kind in turn."""
    db = Database(engine, "catalog")
    taken: dict[str, list[float]] = {"a bare INSERT": [], "enqueue": []}
    for number in range(TRANSACTIONS):
        for name, times in taken.items():
            work = Work(str(number))
            start = time.perf_counter()
            async with db.transaction() as tx:
                if name == "enqueue":
                    await nothing.enqueue(tx, work)
                else:
                    values = {"name": "nothing", "arguments": nothing._adapter.dump_json(work)}
                    await tx.execute(INSERT, values)
            times.append((time.perf_counter() - start) * 1_000_000)
    bare, ours = (statistics.median(times) for times in taken.values())
    print(f"{'a transaction that writes a job, µs':40}{'bare':>8}{'ours':>8}{'ratio':>8}")
    print(f"{'':40}{bare:8.0f}{ours:8.0f}{ours / bare:8.2f}   bound 1.50\n")
    await empty(engine)


async def measure_pick_up(settings: Settings, engine: AsyncEngine) -> None:
    """From the return of COMMIT to the first line of the job, a worker waiting in this process."""
    wired = wire(discover(modules), engine)
    delays = []
    async with Worker(settings, engine, wired.jobs).in_background():
        await asyncio.sleep(0.5)
        for _ in range(PICK_UPS):
            catalog_jobs.picked_up.clear()
            async with Database(engine, "catalog").transaction() as tx:
                await nothing.enqueue(tx, Work("x"))
            start = time.perf_counter()
            while not catalog_jobs.picked_up:
                await asyncio.sleep(0.0005)
            delays.append((catalog_jobs.picked_up[0] - start) * 1_000)
            await asyncio.sleep(0.01)
    delays.sort()
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(f"{'pick-up, ms':40}{'p50':>8}{'p99':>8}")
    print(f"{'':40}{p50:8.1f}{p99:8.1f}           bound p99 20\n")


async def measure_throughput(settings: Settings, engine: AsyncEngine) -> None:
    print(f"{'jobs per second':40}{'bare':>8}{'ours':>8}{'ratio':>8}")
    for job, what in ((nothing, "that do nothing"), (write, "that write a row")):
        for processes in (1, 2):
            rates: dict[str, list[float]] = {"bare": [], "ours": []}
            for _ in range(3):
                for side, found in rates.items():
                    found.append(await rate(settings, engine, side, job, processes))
            bare, ours = (statistics.median(found) for found in rates.values())
            label = f"{what}, {processes} process{'es' * (processes > 1)}"
            print(f"{label:40}{bare:8.0f}{ours:8.0f}{ours / bare:8.2f}   bound 0.75", flush=True)


async def rate(
    settings: Settings, engine: AsyncEngine, side: str, job: Job[Work], processes: int
) -> float:
    """Jobs per second of waiting processes, from the commit that enqueues all to the last end."""
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, __file__, side, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(processes)
    ]
    for child in children:
        assert child.stdout is not None
        await child.stdout.readline()
    await asyncio.sleep(0.5)
    async with Database(engine, "catalog").transaction() as tx:
        for _ in range(JOBS):
            work = Work(uuid4().hex)
            if side == "ours":
                await job.enqueue(tx, work)
            else:
                arguments = job._adapter.dump_json(work)
                await tx.execute(INSERT, {"name": job.name, "arguments": arguments})
    start = time.perf_counter()
    schema, table = ("queue", "pgqueuer") if side == "ours" else ("catalog", "bare")
    left = JOBS
    while left:
        await asyncio.sleep(0.02)
        async with Database(engine, schema).transaction() as tx:
            left = await tx.scalar(text(f"SELECT count(*) FROM {schema}.{table}")) or 0
    taken = time.perf_counter() - start
    for child in children:
        child.terminate()
        await child.wait()
    await empty(engine)
    return JOBS / taken


async def empty(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        await tx.execute(text("DELETE FROM catalog.bare"))
        await tx.execute(text("DELETE FROM catalog.items"))
        queue = view_of(tx, "queue")
        await queue.execute(text("DELETE FROM queue.pgqueuer"))
        await queue.execute(text("DELETE FROM queue.pgqueuer_log"))


async def run_bare(settings: Settings) -> None:
    """The hand-written loop."""
    engine = create_engine(settings)
    wired = wire(discover(modules), engine)
    connection = await asyncpg.connect(
        settings.database_url, server_settings={"role": f"{LOGIN}__catalog"}
    )
    db = Database(engine, "catalog")
    while True:
        rows = await connection.fetch(TAKE)
        if not rows:
            await asyncio.sleep(0.001)
            continue
        for row in rows:
            bound = wired.jobs[row["name"]]
            arguments = bound.read(row["arguments"])
            async with db.transaction() as tx:
                await bound.run(tx, arguments, Delivery("", 1))
        ids = [row["id"] for row in rows]
        await connection.execute("DELETE FROM catalog.bare WHERE id = ANY($1)", ids)


async def run_side(side: str) -> None:
    settings = Settings()
    print("ready", flush=True)
    if side == "bare":
        await run_bare(settings)
    engine = create_engine(settings)
    await Worker(settings, engine, wire(discover(modules), engine).jobs).run()


@asynccontextmanager
async def database(admin_url: str) -> AsyncIterator[str]:
    """Yield the URL of a migrated database whose commits wait for the disk."""
    login_url = await create_login(admin_url, LOGIN)
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {NAME}")
    await admin.execute(f"ALTER DATABASE {NAME} SET synchronous_commit = on")
    url = with_database(admin_url, NAME)
    await migrate(url, LOGIN, discover(modules))
    owner = await asyncpg.connect(url)
    await owner.execute(f"SET ROLE {LOGIN}__catalog__owner; {BARE}")
    await owner.close()
    try:
        yield with_database(login_url, NAME)
    finally:
        await admin.execute(f"DROP DATABASE {NAME}")
        await admin.close()


if __name__ == "__main__":
    asyncio.run(run_side(sys.argv[1]) if sys.argv[1:] else main())
