"""Workers that run different jobs of one queue: none takes, ends, counts or waits for the others'."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pgqueuer import Queries
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.jobs.events import Events
from app.platform.jobs.jobs import BoundJob, Job, job
from app.platform.jobs.queue import connect_queue
from app.platform.jobs.records import count_jobs, measure_queue
from app.platform.jobs.taking import Taker
from app.platform.jobs.worker import Worker
from app.platform.settings.settings import Settings
from app.platform.wiring.binding import bind_job
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire, Wired

from ..modules.catalog import Catalog, ItemCreated


@dataclass(frozen=True)
class Named:
    name: str = "by the clock"


ran: list[str] = []

YEARLY = "0 0 1 1 *"
"""A time that hardly comes while a test runs."""


@job(cron=YEARLY, concurrency=1)
async def ours(tx: Tx, named: Named, catalog: Catalog) -> None:
    await catalog.create_item(tx, "me", named.name)
    ran.append(f"ours {named.name}")


@job(cron=YEARLY)
async def theirs(_tx: Tx, named: Named) -> None:
    ran.append(f"theirs {named.name}")


async def hear(_tx: Tx, event: ItemCreated) -> None:
    ran.append(f"theirs heard {event.name}")


ours.function.__module__ = "tests.platform.modules.catalog.jobs"
theirs.function.__module__ = "tests.platform.modules.ordering.jobs"


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    return wire([with_these(folder) for folder in folders], engine)


def with_these(folder: ModuleFolder) -> ModuleFolder:
    given: dict[str, Any] = {"jobs": [], "subscriptions": {}}
    if folder.name == "catalog":
        given["jobs"] = [ours]
    if folder.name == "ordering":
        given = {"jobs": [theirs], "subscriptions": {ItemCreated: hear}}
    return replace(folder, declaration=replace(folder.declaration, **given))


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[Queries]:
    async with connect_queue(settings) as queue:
        yield queue


Share = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def share(settings: Settings, engine: AsyncEngine, wired: Wired) -> Share:
    """Run a worker that serves these modules only."""

    def share(*modules: str, **different: Any) -> AbstractAsyncContextManager[None]:
        jobs = {name: each for name, each in wired.jobs.items() if each.module in modules}
        return Worker(
            settings.model_copy(update=different), engine, jobs, wired.known
        ).in_background()

    return share


async def enqueue(engine: AsyncEngine, job: Job[Named], *names: str) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        for name in names:
            await job.enqueue(tx, Named(name))


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.01)


async def test_each_runs_its_own_and_hears_of_what_the_other_publishes(
    share: Share, engine: AsyncEngine, queue: Queries
) -> None:
    names = [f"{number}" for number in range(20)]
    await enqueue(engine, theirs, *names)
    await enqueue(engine, ours, *names)

    async def is_done() -> bool:
        return not await queue.queue_size()

    async with share("catalog"):
        await eventually(lambda: len(ran) == 20)
        await asyncio.sleep(0.1)
        assert all(each.startswith("ours") for each in ran)
        async with share("ordering"):
            await eventually(is_done)
    assert sorted(ran) == sorted(
        f"{whose} {name}" for name in names for whose in ("ours", "theirs", "theirs heard")
    )


async def test_it_does_not_look_for_each_job_of_the_others(
    share: Share, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, take = [], Taker.take

    async def counted(self: Taker, *given: Any) -> Any:
        looks.append(time.monotonic())
        return await take(self, *given)

    monkeypatch.setattr(Taker, "take", counted)
    async with share("catalog"):
        await eventually(lambda: bool(looks))
        for number in range(100):
            await enqueue(engine, theirs, f"{number}")
        await enqueue(engine, ours, "tea")
        await eventually(lambda: ran == ["ours tea"])
        many, spent = len(looks), looks[-1] - looks[0]
    assert many <= spent / 0.02 + 3


async def test_its_clock_enqueues_its_own(share: Share, queue: Queries) -> None:
    async def names() -> list[str]:
        rows = await queue.driver.fetch("SELECT entrypoint FROM queue.pgqueuer_schedules")
        return sorted(str(row["entrypoint"]) for row in rows)

    async def is_known() -> bool:
        return await names() != []

    async with share("ordering"):
        await eventually(is_known)
    assert await names() == ["ordering.theirs"]


PICKED = """UPDATE queue.pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),
    heartbeat = now() - interval '{}'"""


@pytest.mark.parametrize(("silence", "status"), [("5 minutes", "picked"), ("16 minutes", "queued")])
async def test_what_others_run_is_put_back_only_after_a_long_silence(
    share: Share, engine: AsyncEngine, queue: Queries, silence: str, status: str
) -> None:
    await enqueue(engine, theirs, "silent")
    await queue.driver.execute(PICKED.format(silence))
    await enqueue(engine, ours, "tea")
    async with share("catalog"):
        await eventually(lambda: len(ran) == 1)
    [left] = [each for each in await queue.browse_queue() if each.entrypoint == "ordering.theirs"]
    assert left.status == status
    assert ran == ["ours tea"]


async def test_what_nobody_serves_waits_and_is_late_but_not_unknown(
    share: Share,
    engine: AsyncEngine,
    queue: Queries,
    wired: Wired,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await enqueue(engine, theirs, "late")
    await queue.driver.execute("UPDATE queue.pgqueuer SET execute_after = now() - interval '1h'")
    await enqueue(engine, ours, "tea")
    async with share("catalog"):
        await eventually(lambda: len(ran) == 1)
    assert "does not have" not in caplog.text
    told = (await measure_queue(queue.driver, wired.known))["ordering"]
    assert (told.jobs["waiting"], told.jobs["unknown"]) == (2, 0)  # It also hears of the tea.
    assert told.oldest_due > 3500
    assert (await count_jobs(queue, wired.known))["ordering"] == told.jobs


async def test_one_that_serves_a_module_without_jobs_takes_none(
    settings: Settings, engine: AsyncEngine, wired: Wired
) -> None:
    await enqueue(engine, ours, "tea")
    assert await Worker(settings, engine, {}, wired.known).run_due() == 0


async def test_a_job_that_is_run_elsewhere_is_written_alike(
    folders: Sequence[ModuleFolder], wired: Wired
) -> None:
    folder = next(with_these(each) for each in folders if each.name == "catalog")
    there: BoundJob = bind_job(folder, ours, None)
    here = wired.jobs["catalog.ours"]
    assert there.write(Named("tea")) == here.write(Named("tea"))
    assert (there.names, there.shape) == (here.names, here.shape)
    assert wired[Events] is not None
