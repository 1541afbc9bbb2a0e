"""Runs inside a generated shop, on its own platform and its local Postgres, commits durable.

`bare` is what one writes by hand: a table, and a loop that takes ten jobs with SKIP LOCKED, runs
the same functions in the same transactions, and deletes the ten. It has no retries, no log and no
limits, and it runs a job again whose worker died after the effect. procrastinate runs the same
functions too, as many at once as ours.
"""

import asyncio
import logging
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import asyncpg
from app import modules
from app.development.database import create_login, development_server, with_database
from app.modules.catalog import jobs as catalog_jobs
from app.modules.catalog.jobs import Work, hang, nothing, write
from app.platform.database import Database, Tx, create_engine, view_of
from app.platform.jobs import Delivery, Job, Worker
from app.platform.jobs.jobs import BoundJob
from app.platform.migrations import migrate
from app.platform.settings import Settings
from app.platform.wiring import discover, wire
from procrastinate import App, PsycopgConnector
from report import progress, report
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

logging.getLogger("procrastinate").setLevel(logging.ERROR)
LOGIN, NAME = "bench_jobs", f"bench_jobs_{os.getpid()}"
JOBS = {"bare": 2_000, "procrastinate": 200, "ours": 2_000}
PICK_UPS, TRANSACTIONS, PATIENCE = 250, 600, 60
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
            theirs = create_theirs(engine, settings)
            async with theirs.open_async():
                await theirs.schema_manager.apply_schema_async()
                progress("enqueue")
                enqueue = await measure_enqueue(engine, theirs)
                progress("pick-up")
                pick_up = await measure_pick_up(settings, engine, theirs)
                throughput = await measure_throughput(engine, theirs)
                progress(f"kill -9, and at most {PATIENCE} seconds")
                recovery = await measure_recovery(engine, theirs)
            report(enqueue=enqueue, pick_up=pick_up, throughput=throughput, recovery=recovery)
            await engine.dispose()


async def enqueue(side: str, tx: Tx, job: Job[Work], work: Work) -> None:
    if side == "ours":
        await job.enqueue(tx, work)
    else:
        arguments = job._adapter.dump_json(work)
        await tx.execute(INSERT, {"name": job.name, "arguments": arguments})


async def measure_enqueue(engine: AsyncEngine, theirs: App) -> dict[str, float]:
    """Return the microseconds of a transaction that writes one job, each kind in turn.

    procrastinate's has a connection and a transaction of its own.
    """
    db = Database(engine, "catalog")
    taken: dict[str, list[float]] = {"bare": [], "procrastinate": [], "ours": []}
    for number in range(TRANSACTIONS):
        for side, times in taken.items():
            start = time.perf_counter()
            if side == "procrastinate":
                await theirs.configure_task("nothing").defer_async(name=str(number))
            else:
                async with db.transaction() as tx:
                    await enqueue(side, tx, nothing, Work(str(number)))
            times.append((time.perf_counter() - start) * 1_000_000)
    await empty(engine, theirs)
    return {side: statistics.median(times) for side, times in taken.items()}


async def measure_pick_up(
    settings: Settings, engine: AsyncEngine, theirs: App
) -> dict[str, list[float]]:
    """Return p50 and p99 of the milliseconds from the return of COMMIT to a job's first line.

    A worker waits in this process.
    """
    wired = wire(discover(modules), engine)
    db = Database(engine, "catalog")
    found = {}
    for side in JOBS:
        delays = []
        async with in_background(side, settings, engine, wired.jobs, theirs):
            await asyncio.sleep(0.5)
            for number in range(PICK_UPS + 10):
                catalog_jobs.picked_up.clear()
                if side == "procrastinate":
                    await theirs.configure_task("nothing").defer_async(name="x")
                else:
                    async with db.transaction() as tx:
                        await enqueue(side, tx, nothing, Work("x"))
                start = time.perf_counter()
                while not catalog_jobs.picked_up:
                    await asyncio.sleep(0.0005)
                if number >= 10:  # The first ones warm up.
                    delays.append((catalog_jobs.picked_up[0] - start) * 1_000)
                await asyncio.sleep(0.01)
        cuts = statistics.quantiles(delays, n=100)
        found[side] = [cuts[49], cuts[98]]
        await empty(engine, theirs)
    return found


@asynccontextmanager
async def in_background(
    side: str, settings: Settings, engine: AsyncEngine, jobs: Mapping[str, BoundJob], theirs: App
) -> AsyncIterator[None]:
    if side == "ours":
        async with Worker(settings, engine, jobs).in_background():
            yield
        return
    runs = run_bare(settings) if side == "bare" else run_theirs(theirs, settings, "default")
    task = asyncio.create_task(runs)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def measure_throughput(engine: AsyncEngine, theirs: App) -> dict[str, dict[str, float]]:
    """Return the jobs per second of each side, by what they do and by the number of processes."""
    found = {}
    for job, what in ((nothing, "that do nothing"), (write, "that write a row")):
        for processes in (1, 2):
            label = f"{what}, {processes} process{'es' * (processes > 1)}"
            progress(f"jobs {label}")
            rates: dict[str, list[float]] = {side: [] for side in JOBS}
            for _ in range(3):
                for side, each in rates.items():
                    each.append(await rate(engine, theirs, side, job, processes))
            found[label] = {side: statistics.median(each) for side, each in rates.items()}
    return found


async def rate(
    engine: AsyncEngine, theirs: App, side: str, job: Job[Work], processes: int
) -> float:
    """Jobs per second of waiting processes, from the commit that enqueues all to the last end."""
    children = [await start(side) for _ in range(processes)]
    await asyncio.sleep(0.5)
    number = JOBS[side]
    if side == "procrastinate":
        task = theirs.configure_task(job.name.rpartition(".")[2])
        await task.batch_defer_async(*({"name": uuid4().hex} for _ in range(number)))
    else:
        async with Database(engine, "catalog").transaction() as tx:
            for _ in range(number):
                await enqueue(side, tx, job, Work(uuid4().hex))
    begun = time.perf_counter()
    while await left(engine, theirs, side):
        await asyncio.sleep(0.02)
    taken = time.perf_counter() - begun
    for child in children:
        child.terminate()
        await child.wait()
    await empty(engine, theirs)
    return number / taken


async def left(engine: AsyncEngine, theirs: App, side: str) -> int:
    if side == "procrastinate":
        query = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        return int((await theirs.connector.execute_query_one_async(query))["count"])
    schema, table = ("queue", "pgqueuer") if side == "ours" else ("catalog", "bare")
    async with Database(engine, schema).transaction() as tx:
        return await tx.scalar(text(f"SELECT count(*) FROM {schema}.{table}")) or 0


async def start(side: str, queue: str = "default") -> asyncio.subprocess.Process:
    """Start a worker of one side; it waits for jobs."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, side, queue, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    await child.stdout.readline()
    return child


async def measure_recovery(engine: AsyncEngine, theirs: App) -> dict[str, float | None]:
    """Return the seconds from `kill -9` of a worker until another one runs its job, of each side.

    All at once, since they wait. procrastinate once by itself, once with somebody who asks it for
    stalled jobs each second and retries them, as its documentation says.
    """

    async def recovery(side: str, queue: str = "default") -> float | None:
        with tempfile.NamedTemporaryFile("r") as file:
            children = [await start(side, queue) for _ in range(2)]
            if side == "procrastinate":
                task = theirs.configure_task("hang", queue=queue)
                await task.defer_async(name=file.name)
            else:
                async with Database(engine, "catalog").transaction() as tx:
                    await enqueue(side, tx, hang, Work(file.name))
            [victim] = await lines(file.name, 1)
            os.kill(int(victim), signal.SIGKILL)
            killed = time.monotonic()
            again = await lines(file.name, 2)
            taken = time.monotonic() - killed
            for child in children:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
            return taken if len(again) > 1 else None

    async def reap() -> None:
        while True:
            for job in await theirs.job_manager.get_stalled_jobs(queue="reaped"):
                await theirs.job_manager.retry_job(job)
            await asyncio.sleep(1)

    reaper = asyncio.create_task(reap())
    bare, alone, reaped, ours = await asyncio.gather(
        recovery("bare"),
        recovery("procrastinate", "alone"),
        recovery("procrastinate", "reaped"),
        recovery("ours"),
    )
    reaper.cancel()
    return {"bare": bare, "procrastinate": alone, "procrastinate, reaped": reaped, "ours": ours}


async def lines(file: str, number: int) -> list[str]:
    """Wait until a file has so many lines; return those that there are."""
    end = time.monotonic() + PATIENCE
    while len(found := Path(file).read_text().split()) < number and time.monotonic() < end:
        await asyncio.sleep(0.02)
    return found


async def empty(engine: AsyncEngine, theirs: App) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        await tx.execute(text("DELETE FROM catalog.bare"))
        await tx.execute(text("DELETE FROM catalog.items"))
        queue = view_of(tx, "queue")
        await queue.execute(text("DELETE FROM queue.pgqueuer"))
        await queue.execute(text("DELETE FROM queue.pgqueuer_log"))
    await theirs.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")


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


def create_theirs(engine: AsyncEngine, settings: Settings) -> App:
    """Create an application of procrastinate's whose tasks run the same functions."""
    bound = {name.rpartition(".")[2]: each for name, each in by_name(engine).items()}
    db = Database(engine, "catalog")
    options = "-c search_path=procrastinate"
    app = App(
        connector=PsycopgConnector(conninfo=settings.database_url, kwargs={"options": options})
    )

    def add(name: str) -> None:
        @app.task(name=name)
        async def run(**arguments: str) -> None:
            async with db.transaction() as tx:
                await bound[name].run(tx, Work(**arguments), Delivery("", 1))

    for name in ("nothing", "write", "hang"):
        add(name)
    return app


def by_name(engine: AsyncEngine) -> Mapping[str, BoundJob]:
    return wire(discover(modules), engine).jobs


async def run_theirs(app: App, settings: Settings, queue: str) -> None:
    await app.run_worker_async(
        queues=[queue],
        concurrency=settings.worker_concurrency,
        delete_jobs="successful",
        install_signal_handlers=False,
    )


async def run_side(side: str, queue: str) -> None:
    settings = Settings()
    engine = create_engine(settings)
    print("ready", flush=True)
    match side:
        case "bare":
            await run_bare(settings)
        case "procrastinate":
            app = create_theirs(engine, settings)
            async with app.open_async():
                await run_theirs(app, settings, queue)
        case _:
            await Worker(settings, engine, by_name(engine)).run()


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
    await owner.execute(
        f"CREATE SCHEMA procrastinate; GRANT ALL ON SCHEMA procrastinate TO {LOGIN};"
        f"SET ROLE {LOGIN}__catalog__owner; {BARE}"
    )
    await owner.close()
    try:
        yield with_database(login_url, NAME)
    finally:
        await admin.execute(f"DROP DATABASE {NAME}")
        await admin.close()


if __name__ == "__main__":
    asyncio.run(run_side(*sys.argv[1:]) if sys.argv[1:] else main())
