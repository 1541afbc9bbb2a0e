"""Jobs: written in a transaction, run in one, tried again, held."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from pgqueuer import Queries
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.engine import create_engine
from app.platform.database.errors import BoundaryError
from app.platform.jobs.attempt import AbortedError, attempt, backoff, DeadlineError
from app.platform.jobs.jobs import ArgumentsError, Delivery, Job, job
from app.platform.jobs.queue import connect_queue
from app.platform.jobs.records import find_jobs
from app.platform.settings.settings import Settings
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire, Wired

from ..modules.catalog import Catalog


@dataclass(frozen=True)
class NewItem:
    name: str
    fail: bool = False


seen: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


@job(retries=2)
async def create(tx: Tx, new: NewItem, catalog: Catalog, delivery: Delivery) -> None:
    seen.append((new.name, delivery))
    await catalog.create_item(tx, "me", new.name)
    if new.fail:
        raise ZeroDivisionError("by zero")


@job(retries=0, deadline=0.1)
async def sleep(tx: Tx, new: NewItem, catalog: Catalog) -> None:
    await catalog.create_item(tx, "me", new.name)
    await asyncio.sleep(60)


@job()
async def add(tx: Tx, new: NewItem, catalog: Catalog) -> None:
    seen.append(new.name)
    await catalog.create_item(tx, "me", f"{new.name} {len(seen)}")
    while len(seen) < 5:  # All are under way.
        await asyncio.sleep(0.01)


@job()
async def who(tx: Tx, _new: NewItem) -> None:
    seen.append(await tx.scalar(text("SELECT current_user")))


@job()
async def idle(tx: Tx, new: NewItem) -> None:
    seen.append(new.name)


ERRORS: dict[str, BaseException] = {
    "exit": SystemExit(2),
    "group": BaseExceptionGroup("several", [GeneratorExit("a generator")]),
    "zero byte": ValueError("bad \x00"),
    "half a character": ValueError("bad \udc80"),
}


@job(retries=1)
async def fail(_tx: Tx, new: NewItem) -> None:
    if new.name == "cancelled":
        await cancelled()
    raise ERRORS[new.name]


@job()
async def forever(tx: Tx, new: NewItem) -> None:
    seen.append(await tx.scalar(text("SELECT 1")))
    await asyncio.sleep(3600)


@job(deadline=30)
async def slow(tx: Tx, new: NewItem, catalog: Catalog) -> None:
    async with tx.savepoint():
        await tx.execute(text("SELECT pg_sleep(:name)"), {"name": float(new.name)})
    await catalog.create_item(tx, "me", new.name)
    await tx.execute(text("SELECT pg_sleep(:name)"), {"name": float(new.name)})
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        seen.append(await tx.scalar(text(f"SHOW {limit}")))


async def cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


JOBS = (create, sleep, add, who, idle, fail, forever, slow)
for each in JOBS:  # As if they stood where jobs do.
    each.function.__module__ = "tests.platform.modules.catalog.jobs"


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    """Every module, and catalog with these jobs."""
    return wire([with_jobs(folder) for folder in folders], engine)


def with_jobs(folder: ModuleFolder) -> ModuleFolder:
    if folder.name != "catalog":
        return folder
    return replace(folder, declaration=replace(folder.declaration, jobs=JOBS))


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "ordering")


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queries]:
    async with connect_queue(settings) as queue:
        yield queue


RunJobs = Callable[[], Awaitable[int]]


async def enqueue(db: Database, job: Job[NewItem], *names: str, **how: Any) -> None:
    async with db.transaction() as tx:
        for name in names:
            assert await job.enqueue(tx, NewItem(name), **how)


async def items(wired: Wired) -> list[str]:
    return [item.name for item in await wired[Catalog].list_items("me", after=None, limit=100)]


async def make_due(queue: Queries) -> None:
    await queue.driver.execute("UPDATE queue.pgqueuer SET execute_after = now() - interval '1s'")


async def test_a_job_runs_once_what_enqueued_it_is_committed(
    db: Database, wired: Wired, run_jobs: RunJobs, queue: Queries
) -> None:
    async with db.transaction() as tx:
        await create.enqueue(tx, NewItem("tea"))
        assert await run_jobs() == 0
    assert await run_jobs() == 1
    assert await run_jobs() == 0
    assert await items(wired) == ["tea"]
    assert await queue.queue_size() == []


async def test_what_is_rolled_back_enqueues_nothing(
    db: Database, run_jobs: RunJobs, queue: Queries
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await create.enqueue(tx, NewItem("tea"))
            raise ZeroDivisionError
    async with db.transaction() as tx:
        with pytest.raises(ZeroDivisionError):
            async with tx.savepoint():
                await create.enqueue(tx, NewItem("coffee"))
                raise ZeroDivisionError
    assert await run_jobs() == 0


async def test_a_job_speaks_as_its_module(db: Database, run_jobs: RunJobs) -> None:
    await enqueue(db, who, "me")
    await run_jobs()
    assert seen == ["app_test__catalog"]


async def test_the_role_of_the_queue_is_no_parameter_of_the_start_which_poolers_refuse(
    queue: Queries,
) -> None:
    roles = []
    for statement in ("SELECT 1", "RESET ROLE"):  # To what it was at the start.
        await queue.driver.execute(statement)
        roles += await queue.driver.fetch("SELECT current_user AS name")
    assert [role["name"] for role in roles] == ["app_test__queue", "app_test"]


@pytest.mark.parametrize(
    "statement", ["SELECT 1 FROM queue.pgqueuer", "DELETE FROM queue.pgqueuer"]
)
async def test_a_module_cannot_touch_the_queue(db: Database, statement: str) -> None:
    with pytest.raises(BoundaryError, match="ordering may not touch the schema queue"):
        async with db.transaction() as tx:
            await tx.execute(text(statement))


async def test_a_job_that_fails_is_undone_tried_again_and_held(
    db: Database,
    wired: Wired,
    run_jobs: RunJobs,
    queue: Queries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with db.transaction() as tx:
        await create.enqueue(tx, NewItem("tea", fail=True))
    monkeypatch.setattr("app.platform.jobs.attempt.backoff", lambda _failed: 3600)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await run_jobs()
        assert await run_jobs() == 0  # It waits.
        await make_due(queue)
    assert await run_jobs() == 0
    assert [delivery.attempt for _, delivery in seen] == [1, 2, 3]
    assert len({delivery.key for _, delivery in seen}) == 1
    assert await items(wired) == []
    [held] = await queue.list_failed_jobs()
    history = await queue.job_log_history(held.id)
    failures = [each.traceback for each in history if each.traceback]
    assert [str(each.exception_message) for each in failures] == ["by zero"] * 3
    assert [each.status for each in history][-1] == "failed"


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("cancelled", AbortedError, "catalog.fail awaited something that was cancelled"),
        ("group", AbortedError, "catalog.fail raised BaseExceptionGroup('several'"),
        ("exit", AbortedError, "catalog.fail raised SystemExit(2)"),
        ("zero byte", ValueError, r"bad \x00"),
        ("half a character", ValueError, r"bad \udc80"),
    ],
)
async def test_whatever_a_job_ends_with_is_a_failed_attempt(
    db: Database,
    wired: Wired,
    run_jobs: RunJobs,
    queue: Queries,
    name: str,
    error: type[Exception],
    said: str,
) -> None:
    await enqueue(db, fail, name)
    for _ in range(2):
        with pytest.raises(error):
            await run_jobs()
        await make_due(queue)
    [held] = await find_jobs(queue, wired.jobs)
    assert (held.state, held.failed) == ("held", 2)
    assert f"{error.__name__}: {said}" in str(held.error)


async def test_one_whose_worker_is_cancelled_has_not_failed(
    db: Database, run_jobs: RunJobs, queue: Queries
) -> None:
    await enqueue(db, forever, "tea")
    working = asyncio.ensure_future(run_jobs())
    while not seen:
        await asyncio.sleep(0.01)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    [job] = await queue.browse_queue()
    assert (job.status, job.attempts) == ("picked", 0)


async def test_one_that_is_repaired_meanwhile_ends(
    db: Database, wired: Wired, run_jobs: RunJobs, queue: Queries
) -> None:
    await enqueue(db, create, "tea")
    async with db.transaction() as tx:
        id = (await wired[Catalog].create_item(tx, "me", "tea")).id
    with pytest.raises(Exception, match="taken"):
        await run_jobs()
    async with Database(db._engine, "catalog").transaction() as tx:
        await tx.execute(text("DELETE FROM catalog.items WHERE id = :id"), {"id": id})
    await make_due(queue)
    assert await run_jobs() == 1
    assert await items(wired) == ["tea"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b'{"title": "tea"}', r"name: Field required; title: Unexpected"),
        (b'{"name": 1}', r"name: Input should be a valid string"),
        (b"{", "all: Invalid JSON"),
    ],
)
async def test_arguments_of_another_version_are_held_at_once_and_not_lost(
    db: Database, run_jobs: RunJobs, queue: Queries, written: bytes, said: str
) -> None:
    [id] = await queue.enqueue("catalog.create", written)
    with pytest.raises(ArgumentsError, match=f"catalog.create do not fit its code: .*{said}"):
        await run_jobs()
    [held] = await queue.list_failed_jobs()
    assert (held.id, held.payload) == (id, written)
    assert seen == []


async def test_a_job_that_takes_too_long_is_stopped_and_undone(
    db: Database, wired: Wired, run_jobs: RunJobs
) -> None:
    await enqueue(db, sleep, "tea")
    with pytest.raises(DeadlineError, match=r"catalog.sleep did not end within 0.1 s"):
        await run_jobs()
    assert await items(wired) == []


async def test_the_statements_of_a_job_have_its_time_and_not_that_of_a_request(
    settings: Settings, folders: Sequence[ModuleFolder], db: Database, queue: Queries
) -> None:
    await enqueue(db, slow, "0.7", "60")
    hasty = create_engine(settings.model_copy(update={"database_statement_timeout": 0.5}))
    job = wire([with_jobs(folder) for folder in folders], hasty).jobs["catalog.slow"]
    quick, late = await queue.browse_queue()
    assert await attempt(hasty, job, quick)
    assert seen == ["31s", "31s"]
    with pytest.raises(DeadlineError, match="did not end within 1 s"):
        await attempt(hasty, replace(job, options=replace(job.options, deadline=1)), late)
    with pytest.raises(Exception, match="statement timeout"):
        async with Database(hasty, "catalog").transaction() as tx:
            await tx.execute(text("SELECT pg_sleep(60)"))
    await hasty.dispose()


async def test_a_job_that_two_workers_run_has_its_effect_once(
    db: Database, engine: AsyncEngine, wired: Wired, queue: Queries
) -> None:
    await enqueue(db, add, "tea")
    [id] = [job.id for job in await queue.browse_queue()]
    row = await queue.queue_job_by_id(id)
    assert row is not None
    await asyncio.gather(*(attempt(engine, wired.jobs["catalog.add"], row) for _ in range(5)))
    assert len(seen) == 5
    assert len(await items(wired)) == 1


async def test_jobs_of_higher_priority_run_first(db: Database, run_jobs: RunJobs) -> None:
    await enqueue(db, create, "low")
    await enqueue(db, create, "high", priority=1)
    await enqueue(db, create, "lowest", priority=-1)
    await run_jobs()
    assert [name for name, _ in seen] == ["high", "low", "lowest"]


async def test_a_job_that_sends_no_statement_ends_as_well(
    db: Database, run_jobs: RunJobs, queue: Queries
) -> None:
    await enqueue(db, idle, "a", "b")
    assert await run_jobs() == 2
    assert await queue.queue_size() == []


async def test_a_delayed_job_waits(db: Database, run_jobs: RunJobs, queue: Queries) -> None:
    await enqueue(db, create, "tea", delay=timedelta(hours=1))
    assert await run_jobs() == 0
    await make_due(queue)
    assert await run_jobs() == 1


async def test_a_key_is_taken_until_its_job_has_ended(db: Database, run_jobs: RunJobs) -> None:
    await enqueue(db, create, "one", key="k")
    async with db.transaction() as tx:
        assert not await create.enqueue(tx, NewItem("two"), key="k")
        assert await create.enqueue(tx, NewItem("three"), key="other")
        assert await who.enqueue(tx, NewItem("four"), key="k")
    assert await run_jobs() == 3
    await enqueue(db, create, "five", key="k")


def test_the_delay_doubles_up_to_ten_minutes_and_is_spread_by_chance() -> None:
    for failed, longest in ((0, 1), (1, 2), (4, 16), (20, 600), (10_000, 600)):
        delays = [backoff(failed) for _ in range(200)]
        assert longest / 2 <= min(delays) < longest * 0.7
        assert longest * 0.8 < max(delays) <= longest
