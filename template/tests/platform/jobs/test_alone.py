"""Jobs without a transaction: they may call what stands alone, and are done at least once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing import get_context

import pytest
from pgqueuer import Queries
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, in_transaction, Tx
from app.platform.database.engine import close, create_engine
from app.platform.jobs.attempt import DeadlineError
from app.platform.jobs.events import Event, Events, Handler
from app.platform.jobs.jobs import Delivery, Job, job
from app.platform.jobs.queue import connect_queue
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.wiring.boundary import TransactionCallError
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire, Wired

from ..modules.catalog import Catalog, ItemCreated


@dataclass(frozen=True)
class Named:
    name: str = "by the clock"


seen: list[object] = []


@job(retries=0)
async def look(named: Named, catalog: Catalog) -> None:
    await catalog.list_items("me", after=None, limit=1)
    seen.append((named.name, in_transaction()))


@job(retries=0)
async def look_inside(named: Named, catalog: Catalog, db: Database) -> None:
    async with db.transaction():
        await catalog.list_items(named.name, after=None, limit=1)


@job()
async def write(named: Named, catalog: Catalog, db: Database) -> None:
    async with db.transaction() as tx:
        await catalog.create_item(tx, "me", named.name)
        await look.enqueue(tx, named)


mortal: set[int] = set()
"""Processes that die with the job, once it has done what it does."""


@job()
async def write_and_die(_named: Named, catalog: Catalog, db: Database, delivery: Delivery) -> None:
    before = await catalog.list_items("me", after=None, limit=1)
    async with db.transaction() as tx:
        await catalog.create_item(tx, "me", f"{delivery.key}{' again' if before else ''}")
    if os.getpid() in mortal:
        os.kill(os.getpid(), signal.SIGKILL)


begun: list[asyncio.Event] = []
"""That the job has begun its second transaction, of each test's own loop."""


@job(deadline=60)
async def sleep(named: Named, catalog: Catalog, db: Database) -> None:
    async with db.transaction() as tx:
        await catalog.create_item(tx, "me", "kept")
    async with db.transaction() as tx:
        await catalog.create_item(tx, "me", named.name)
        begun[-1].set()
        await asyncio.sleep(600)


@job(cron="0 0 1 1 *")
async def by_the_clock(named: Named) -> None:
    seen.append(named.name)


async def hear_alone(event: ItemCreated, catalog: Catalog) -> None:
    seen.append(("alone", event.name, (await catalog.get_item(event.owner, event.id)).name))


async def hear(tx: Tx, event: ItemCreated) -> None:
    assert in_transaction()
    seen.append(("with tx", event.name))


JOBS = (look, look_inside, write, write_and_die, sleep, by_the_clock)
for each in JOBS:  # As if they stood where jobs do.
    each.function.__module__ = "tests.platform.modules.catalog.jobs"


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()
    begun[:] = [asyncio.Event()]


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    return wire([with_these(folder) for folder in folders], engine)


def with_these(folder: ModuleFolder) -> ModuleFolder:
    """Catalog with these jobs, and two who listen to it."""
    declared = folder.declaration
    if folder.name == "catalog":
        return replace(folder, declaration=replace(declared, jobs=JOBS, subscriptions={}))
    handler: Handler = hear_alone if folder.name == "ordering" else hear
    subscriptions: Mapping[type[Event], Handler] = {ItemCreated: handler}
    return replace(folder, declaration=replace(declared, jobs=(), subscriptions=subscriptions))


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "ordering")


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queries]:
    async with connect_queue(settings) as queue:
        yield queue


@pytest.fixture
def worker(settings: Settings, engine: AsyncEngine, wired: Wired) -> Worker:
    return Worker(settings, engine, wired.jobs)


async def enqueue(db: Database, job: Job[Named], *names: str) -> None:
    async with db.transaction() as tx:
        for name in names:
            await job.enqueue(tx, Named(name))


async def items(wired: Wired) -> list[str]:
    return [item.name for item in await wired[Catalog].list_items("me", after=None, limit=100)]


SILENT = """UPDATE queue.pgqueuer SET heartbeat = now() - interval '1 hour'
    WHERE status = 'picked'"""


async def runs(settings: Settings, folders: Sequence[ModuleFolder]) -> list[str]:
    """Enqueue a job unless it is there already, run it, and return what it has written."""
    engine = create_engine(settings)
    wired = wire([with_these(folder) for folder in folders], engine)
    async with Database(engine, "ordering").transaction() as tx:
        await write_and_die.enqueue(tx, Named("tea"), key="once")
    async with connect_queue(settings) as queue, asyncio.timeout(60):
        await queue.driver.execute(SILENT)  # If somebody has it who is dead.
        async with Worker(settings, engine, wired.jobs).in_background():
            while await queue.queue_size():
                await asyncio.sleep(0.01)
    written = await items(wired)
    await close(engine)
    return written


def run_and_die(settings: Settings, folders: Sequence[ModuleFolder]) -> None:
    mortal.add(os.getpid())
    asyncio.run(runs(settings, folders))


async def test_it_may_call_what_stands_alone(db: Database, worker: Worker, queue: Queries) -> None:
    await enqueue(db, look, "tea")
    assert await worker.run_due() == 1
    assert seen == [("tea", False)]
    assert await queue.queue_size() == []
    [ended] = [each for each in await queue.queue_log() if each.status == "successful"]
    assert ended.entrypoint == "catalog.look"


async def test_inside_its_own_transaction_it_may_not(db: Database, worker: Worker) -> None:
    await enqueue(db, look_inside, "me")
    with pytest.raises(TransactionCallError, match=r"catalog\.list_items does not take `tx`"):
        await worker.run_due()


async def test_what_it_writes_and_enqueues_in_its_own_transaction_is_there(
    db: Database, worker: Worker, wired: Wired
) -> None:
    await enqueue(db, write, "tea")
    assert await worker.run_due() >= 2
    assert await items(wired) == ["tea"]
    assert ("tea", False) in seen


def test_one_whose_worker_is_killed_before_its_end_runs_once_more_with_the_same_key(
    settings: Settings, folders: Sequence[ModuleFolder]
) -> None:
    child = get_context("fork").Process(target=run_and_die, args=(settings, folders))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    key, again = asyncio.run(runs(settings, folders))
    assert key.startswith("catalog.write_and_die-")
    assert again == f"{key} again"


async def test_one_that_takes_too_long_is_stopped_and_only_what_is_open_undone(
    db: Database, worker: Worker, wired: Wired, queue: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enqueue(db, sleep, "tea")
    working = asyncio.create_task(worker.run_due())
    await begun[0].wait()
    loop, now = asyncio.get_running_loop(), asyncio.get_running_loop().time
    monkeypatch.setattr(loop, "time", lambda: now() + 60)
    with pytest.raises(DeadlineError, match=r"catalog.sleep did not end within 60 s"):
        await working
    assert await items(wired) == ["kept"]
    [left] = await queue.browse_queue()
    assert (left.entrypoint, left.status, left.attempts) == ("catalog.sleep", "queued", 1)


async def test_one_whose_worker_stops_is_left_to_another(
    db: Database, settings: Settings, engine: AsyncEngine, wired: Wired, queue: Queries
) -> None:
    one = wired.jobs["catalog.sleep"]
    hasty = settings.model_copy(update={"worker_drain_timeout": 0.1})
    await enqueue(db, sleep, "tea")
    async with Worker(hasty, engine, {one.name: one}).in_background(), asyncio.timeout(30):
        await begun[0].wait()
    assert await items(wired) == ["kept"]
    [left] = [each for each in await queue.browse_queue() if each.entrypoint == "catalog.sleep"]
    assert (left.status, left.attempts) == ("queued", 0)


async def test_the_clock_enqueues_one(worker: Worker, wired: Wired, db: Database) -> None:
    bound = wired.jobs["catalog.by_the_clock"]
    assert bound.read(bound.write(bound.default()).arguments) == Named()
    async with db.transaction() as tx:
        await by_the_clock.enqueue(tx, Named(), delay=timedelta(0))
    await worker.run_due()
    assert seen == ["by the clock"]


async def test_handlers_of_both_forms_hear_of_an_event(
    engine: AsyncEngine, worker: Worker, wired: Wired
) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        await wired[Catalog].create_item(tx, "me", "tea")
    await worker.run_due()
    assert ("alone", "tea", "tea") in seen
    assert wired[Events] is not None
