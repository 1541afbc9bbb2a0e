"""Workers are killed again and again under a load of events; nothing is lost, nothing happens twice.

Runs inside a generated repository with the example shop. What is measured is printed (`pytest -s`).
"""

import asyncio
import os
import random
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
from app.modules.identity import CustomerRegistered
from app.platform.database import Database
from app.platform.jobs import Events
from app.platform.settings import Settings
from app.platform.wiring import Wired
from sqlalchemy.ext.asyncio import AsyncEngine

from .books import ask

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("KILLS", "10"))
CHUNK, LOST_AFTER = 100, 2
WAITING = "SELECT count(*) FROM queue.pgqueuer"
LEFT_BY = "SELECT count(*) FROM queue.pgqueuer WHERE id = ANY($1)"
RUNNING = "SELECT array_agg(id) FROM queue.pgqueuer WHERE status = 'picked'"
COUNT = "SELECT count(*) FROM queue.pgqueuer_log WHERE status = "
AGAIN = "SELECT count(*) - count(DISTINCT job_id) FROM queue.pgqueuer_log WHERE status = "


async def start(settings: Settings) -> Process:
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "WORKER_LOST_AFTER": str(LOST_AFTER),
    }
    command = (sys.executable, "-m", "tests.shop.workers")
    return await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=DEVNULL, stderr=DEVNULL
    )


async def kill_while_it_works(
    worker: Process, login: asyncpg.Connection, publish: Callable[[], Awaitable[None]]
) -> list[int]:
    """Kill a worker that has jobs in hand; return the jobs that were in somebody's hands."""
    async with asyncio.timeout(120):
        while not (running := await ask(login, RUNNING)):
            if not await ask(login, WAITING):  # All were done before anybody looked.
                await publish()
            await asyncio.sleep(0.005)
    worker.kill()
    await worker.wait()
    assert isinstance(running, list)
    return running


async def test_workers_killed_again_and_again_lose_nothing_and_do_nothing_twice(
    settings: Settings, engine: AsyncEngine, wired: Wired
) -> None:
    customers: list[UUID] = []
    login = await asyncpg.connect(settings.database_url)
    chance = random.Random(1)
    recovered: list[float] = []

    async def publish() -> None:
        async with Database(engine, "identity").transaction() as tx:
            for _ in range(CHUNK):
                customers.append(uuid4())
                await wired[Events].publish(tx, CustomerRegistered(customers[-1], "ada"))

    async def recovery(left: list[int]) -> None:
        watching = await asyncpg.connect(settings.database_url)
        since = time.monotonic()
        while await ask(watching, LEFT_BY, left):
            await asyncio.sleep(0.02)
        recovered.append(time.monotonic() - since)
        await watching.close()

    watchers = []
    workers = [await start(settings) for _ in range(2)]
    try:
        for _ in range(KILLS):
            await publish()
            await asyncio.sleep(chance.uniform(0, 0.1))
            left = await kill_while_it_works(workers.pop(0), login, publish)
            watchers.append(asyncio.create_task(recovery(left)))
            workers.append(await start(settings))
        async with asyncio.timeout(120):
            while await ask(login, WAITING):
                await asyncio.sleep(0.05)
            await asyncio.gather(*watchers)
    finally:
        for worker in workers:
            worker.kill()
            await worker.wait()
    jobs = len(customers)
    # A job's line in the log is written in its own transaction, and nothing would stop a second one.
    assert await ask(login, f"{COUNT} 'successful'") == jobs
    assert await ask(login, f"{AGAIN} 'successful'") == 0
    assert await ask(login, "SELECT count(*) FROM billing.accounts") == jobs
    again = await ask(login, f"{AGAIN} 'picked'")
    await login.close()
    print(
        f"\n{KILLS} kills under {jobs} jobs: {again} jobs taken again; all that a killed worker left "
        f"was done after {statistics.median(recovered):.1f} s, at most {max(recovered):.1f} s "
        f"(WORKER_LOST_AFTER={LOST_AFTER})"
    )
