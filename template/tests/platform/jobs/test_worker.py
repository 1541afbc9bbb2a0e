"""The worker: when it takes jobs, how many, and what becomes of them when it stops or dies."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pgqueuer import Queries
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.engine import create_engine
from app.platform.jobs.changes import drop_jobs, retry_jobs
from app.platform.jobs.jobs import Job, job
from app.platform.jobs.queue import connect_queue
from app.platform.jobs.records import find_jobs, JobsError
from app.platform.jobs.recovery import check_not_deadly, keep_alive, recover
from app.platform.jobs.worker import ClockError, Worker
from app.platform.settings.settings import Settings
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire, Wired

from ..modules.catalog import Catalog


@dataclass(frozen=True)
class Nap:
    name: str
    seconds: float = 0
    """Below 0: until the test says that it may end."""


running: list[str] = []
most: list[int] = []
may_end: list[asyncio.Event] = []
"""Of each test's own loop."""


async def nap(tx: Tx, nap: Nap, catalog: Catalog) -> None:
    running.append(nap.name)
    most.append(len(running))
    try:
        await catalog.create_item(tx, "me", nap.name)
        await (asyncio.sleep(nap.seconds) if nap.seconds >= 0 else may_end[0].wait())
    finally:
        running.remove(nap.name)


async def alone(tx: Tx, nap_: Nap, catalog: Catalog) -> None:
    await nap(tx, nap_, catalog)


@dataclass(frozen=True)
class Night:
    note: str = "nightly"


nights: list[Night] = []


async def at_night(_tx: Tx, night: Night) -> None:
    nights.append(night)


NAP: Job[Nap] = job()(nap)
ALONE: Job[Nap] = job(concurrency=1)(alone)
for each in (nap, alone, at_night):  # As if they stood where jobs do.
    each.__module__ = "tests.platform.modules.catalog.jobs"


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    running.clear()
    most.clear()
    may_end[:] = [asyncio.Event()]
    nights.clear()


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    return wire([with_jobs(folder, [NAP, ALONE]) for folder in folders], engine)


def with_jobs(folder: ModuleFolder, jobs: Sequence[Job[Any]]) -> ModuleFolder:
    """Catalog with these jobs, and the others with none."""
    own = jobs if folder.name == "catalog" else ()
    return replace(folder, declaration=replace(folder.declaration, jobs=own))


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queries]:
    async with connect_queue(settings) as queue:
        yield queue


@dataclass
class Work:
    """Starts workers, and enqueues for them."""

    settings: Settings
    engine: AsyncEngine
    wired: Wired

    @asynccontextmanager
    async def worker(self, **different: Any) -> AsyncIterator[Worker]:
        settings = self.settings.model_copy(update=different)
        worker = Worker(settings, self.engine, self.wired.jobs)
        task = asyncio.create_task(worker.run())
        yield worker
        worker.stop()
        await task

    async def enqueue(self, *names: str, job: Job[Nap] = NAP, seconds: float = 0) -> None:
        async with Database(self.engine, "ordering").transaction() as tx:
            for name in names:
                await job.enqueue(tx, Nap(name, seconds))

    async def items(self) -> list[str]:
        found = await self.wired[Catalog].list_items("me", after=None, limit=100)
        return sorted(item.name for item in found)


@pytest.fixture
def work(settings: Settings, engine: AsyncEngine, wired: Wired) -> Work:
    return Work(settings, engine, wired)


async def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if await result if asyncio.iscoroutine(result) else result:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def _seldom_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker looks for jobs of which nobody told it once an hour: never in a test."""
    monkeypatch.setattr("app.platform.jobs.worker._POLL", 3600)


@pytest.mark.usefixtures("_seldom_looks")
async def test_a_worker_that_waits_is_told_of_a_new_job(work: Work) -> None:
    async with work.worker():
        await asyncio.sleep(0.3)  # It has looked, and waits.
        await work.enqueue("tea")
        await eventually(lambda: most)


@pytest.mark.usefixtures("_seldom_looks")
async def test_a_backlog_is_worked_off_without_waiting_for_news(work: Work) -> None:
    names = [f"{number:03}" for number in range(100)]
    await work.enqueue(*names)
    async with work.worker(worker_concurrency=3):
        await eventually(lambda: len(most) == 100 and not running)
    assert await work.items() == names


async def test_it_runs_as_many_at_once_as_it_may(work: Work) -> None:
    await work.enqueue(*"abcdefgh", seconds=0.1)
    async with work.worker(worker_concurrency=3):
        await eventually(lambda: len(most) == 8 and not running)
    assert max(most) == 3
    assert await work.items() == list("abcdefgh")


async def test_a_job_with_a_limit_keeps_to_it_in_all_workers_together(work: Work) -> None:
    await work.enqueue(*"abcde", job=ALONE, seconds=0.02)
    async with work.worker(), work.worker(), work.worker():
        await eventually(lambda: len(most) == 5 and not running)
    assert max(most) == 1


async def test_stopping_lets_running_jobs_end_and_takes_no_more(work: Work) -> None:
    await work.enqueue("a", "b", seconds=0.3)
    async with work.worker(worker_concurrency=1):
        await eventually(lambda: running)
    assert await work.items() == ["a"]


async def test_what_does_not_end_in_time_is_undone_and_handed_on_at_once(
    work: Work, queue: Queries
) -> None:
    await work.enqueue("a", seconds=20)
    async with work.worker(worker_drain_timeout=0.1) as worker:
        await eventually(lambda: running)
    assert await work.items() == []  # Or it was waited for.
    [row] = await queue.browse_queue()
    assert (row.status, row.attempts, row.queue_manager_id) == ("queued", 0, None)
    assert worker is not None


async def test_what_was_taken_ahead_is_left_to_others_when_jobs_turn_out_to_be_long(
    work: Work, queue: Queries
) -> None:
    async def count(table: str) -> int:
        statement = f"SELECT id FROM queue.{table} WHERE status = 'picked'"
        return len(await queue.driver.fetch(statement))

    quick, slow = ([f"{kind}{number:02}" for number in range(40)] for kind in "qs")
    await work.enqueue(*quick)
    await work.enqueue(*slow, seconds=60)
    async with work.worker(worker_concurrency=4, worker_drain_timeout=0):
        await eventually(lambda: len(running) == 4 and set(running) <= set(slow))
        assert await count("pgqueuer_log") > 44
        async with asyncio.timeout(30):
            while await count("pgqueuer") > 4:
                await asyncio.sleep(0.05)
        assert len(running) == 4
    assert await work.items() == quick
    assert await count("pgqueuer") == 0
    assert [row.attempts for row in await queue.browse_queue(limit=100)] == [0] * 40


async def test_what_a_dead_worker_left_is_taken_when_it_has_been_silent(
    work: Work, queue: Queries
) -> None:
    await work.enqueue("a")
    await queue.driver.execute(LEFT)
    async with work.worker(worker_lost_after=3700):
        await asyncio.sleep(0.5)
        assert await work.items() == []
        await queue.driver.execute(LEFT.replace("1 hour", "3701 seconds"))
        await eventually(lambda: most)
    assert await work.items() == ["a"]


LEFT = """UPDATE queue.pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),
    heartbeat = now() - interval '1 hour'"""


async def test_of_jobs_that_a_worker_died_with_one_runs_at_a_time(
    work: Work, queue: Queries
) -> None:
    await work.enqueue("a", "b", "c", seconds=0.3)
    await queue.driver.execute(LEFT)
    await work.enqueue("d", "e", seconds=0.3)
    together: set[frozenset[str]] = set()

    def all_done() -> bool:
        together.add(frozenset(running))
        return len(most) == 5 and not running

    async with work.worker():
        await eventually(all_done)
    assert any(each >= {"d", "e"} for each in together)
    assert all(len(each & {"a", "b", "c"}) <= 1 for each in together)
    assert await work.items() == list("abcde")


async def test_no_heartbeat_waits_for_a_job_that_is_being_ended(
    work: Work, queue: Queries, engine: AsyncEngine
) -> None:
    await work.enqueue("ending", "running")
    worker = QueueManagerId(uuid4())
    parameters = {QueueEntrypoint("catalog.nap"): EntrypointExecutionParameter(0)}
    ids = [row.id for row in await queue.dequeue(2, parameters, worker, None, timedelta(days=1))]
    await queue.driver.execute("UPDATE queue.pgqueuer SET heartbeat = now() - interval '1 hour'")
    async with Database(engine, "queue").transaction() as tx:
        await tx.execute(
            text("SELECT FROM queue.pgqueuer WHERE id = :id FOR UPDATE"), {"id": ids[0]}
        )
        async with asyncio.timeout(30):
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    keep_alive(Database(engine, "queue"), worker, ids), context=Context()
                )
        await recover(queue, 60)
    states = await queue.driver.fetch(
        "SELECT status::text, heartbeat > now() - interval '1 minute' AS beats FROM queue.pgqueuer ORDER BY id"
    )
    assert [(row["status"], row["beats"]) for row in states] == [
        ("picked", False),
        ("picked", True),
    ]


async def test_only_what_a_dead_worker_had_started_is_held_against_a_job(
    work: Work, queue: Queries
) -> None:
    await work.enqueue("deadly", "harmless")
    for _ in range(4):
        await queue.driver.execute(LEFT)
        await recover(queue, 5)
        deadly, _harmless = await queue.dequeue(
            2,
            {QueueEntrypoint("catalog.nap"): EntrypointExecutionParameter(0)},
            QueueManagerId(uuid4()),
            None,
            timedelta(days=1),
        )
        await check_not_deadly(queue, deadly)
    await queue.driver.execute(LEFT)
    async with work.worker():
        await eventually(lambda: most)
    assert await work.items() == ["harmless"]
    [held] = await find_jobs(queue, work.wired.jobs)
    assert (held.id, held.state, held.failed) == (deadly.id, "held", 1)
    assert "DeadlyJobError: 5 workers that ran catalog.nap died, or were silent" in str(held.error)
    await retry_jobs(queue, [held.id])
    async with work.worker():
        await eventually(lambda: len(most) == 2)
    assert await work.items() == ["deadly", "harmless"]


async def test_a_job_is_dropped_once_its_worker_is_silent_and_not_before(
    work: Work, queue: Queries
) -> None:
    await work.enqueue("a")
    await queue.driver.execute(LEFT)
    [job] = await queue.browse_queue()
    with pytest.raises(JobsError, match=f"Job {job.id} is running. Wait until"):
        await drop_jobs(queue, [job.id], 7200)
    await drop_jobs(queue, [job.id], 10)
    assert await queue.browse_queue() == []


async def has_beaten(queue: Queries) -> None:
    """Wait until two heartbeats have come of a job that was taken long ago."""
    await queue.driver.execute(
        "UPDATE queue.pgqueuer SET created = now() - interval '1 day', "
        "updated = now() - interval '1 day', execute_after = now() - interval '1 day'"
    )
    beats = set[object]()

    async def are_three() -> bool:
        heartbeat = "SELECT heartbeat FROM queue.pgqueuer WHERE entrypoint = 'catalog.nap'"
        rows = await queue.driver.fetch(heartbeat)
        beats.update(row["heartbeat"] for row in rows)
        return len(beats) > 2

    await eventually(are_three)


async def test_a_long_job_is_not_taken_for_that_of_a_dead_worker(
    work: Work, queue: Queries
) -> None:
    await work.enqueue("a", seconds=-1)
    async with work.worker(worker_lost_after=6), work.worker(worker_lost_after=6):
        await eventually(lambda: running)
        await has_beaten(queue)
        may_end[0].set()
        await eventually(lambda: not running)
    assert most == [1]
    assert await work.items() == ["a"]


async def test_what_goes_by_the_clock_does_not_wait_for_the_connections_of_jobs(
    settings: Settings, folders: Sequence[ModuleFolder], queue: Queries
) -> None:
    """Nor does a heartbeat: another worker would take what runs."""
    one = settings.model_copy(update={"database_pool_size": 1, "worker_lost_after": 6})
    engine = create_engine(one)
    jobs: list[Job[Any]] = [NAP, job(cron="* * * * *")(at_night)]
    work = Work(one, engine, wire([with_jobs(folder, jobs) for folder in folders], engine))
    async with Database(engine, "queue").transaction() as tx:
        await tx.execute(text(YESTERDAY))
    await work.enqueue("a", seconds=-1)
    async with work.worker(), work.worker():
        await eventually(lambda: nights)
        assert running == ["a"]
        await has_beaten(queue)
        may_end[0].set()
        await eventually(lambda: not running)
    assert most == [1]
    await engine.dispose()


YESTERDAY = """INSERT INTO queue.pgqueuer_schedules (expression, entrypoint, last_run)
    VALUES ('* * * * *', 'catalog.at_night', now() - interval '1 day')"""


async def test_it_ends_its_jobs_and_then_loudly_when_its_clock_stops(
    work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def stop_once_a_job_runs(*_: object) -> None:
        await eventually(lambda: running)
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("app.platform.jobs.lifeline.keep_schedule", stop_once_a_job_runs)
    await work.enqueue("a", seconds=0.2)
    with pytest.raises(ClockError, match="so it stops too"):
        await Worker(work.settings, work.engine, work.wired.jobs).run()
    assert await work.items() == ["a"]
    assert "ZeroDivisionError: by zero" in caplog.text


async def test_it_goes_on_when_its_connections_break(work: Work, settings: Settings) -> None:
    others = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user
            AND pid <> pg_backend_pid()"""
    async with work.worker():
        await asyncio.sleep(0.2)
        login = await asyncpg.connect(settings.database_url)
        await login.execute(others)
        await login.close()
        await work.engine.dispose()
        await work.enqueue("a")
        await eventually(lambda: most)
    assert await work.items() == ["a"]
