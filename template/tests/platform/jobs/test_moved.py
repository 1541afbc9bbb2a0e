"""Jobs of a module that is renamed: two releases on one queue."""

from dataclasses import replace
from datetime import date, datetime, timedelta, UTC
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.database.transaction import Tx
from app.platform.jobs.cron import enqueue_ticks
from app.platform.jobs.jobs import BoundJob, Delivery
from app.platform.jobs.queue import connect_queue, enqueue
from app.platform.jobs.records import count_jobs, find_jobs
from app.platform.jobs.worker import Worker
from app.platform.migrations.migrations import migrate
from app.platform.settings.settings import Settings
from app.platform.wiring.discovery import discover
from app.platform.wiring.moved_toml import Move
from app.platform.wiring.wiring import Wired

from .. import modules
from ..modules.catalog.jobs import PrepareItem

CATALOG, ORDERING = discover(modules)
DAY = date(2026, 11, 30)
RENAME = Move("rename", "catalog", DAY, "goods")
FINISH = Move("finish", "catalog", DAY)
RENAMED = [replace(CATALOG, name="goods", renamed=RENAME), ORDERING]
DEFAULT = UUID(int=1)
NAMES = "SELECT entrypoint FROM queue.pgqueuer ORDER BY id"


class Ran:
    """A job of two releases that notes what it was told."""

    def __init__(self, wired: Wired) -> None:
        self.seen: list[tuple[str, str]] = []
        before = wired.jobs["catalog.prepare_item"]
        self.before = {
            before.name: replace(before, function=self.noting("old"), delivery="delivery")
        }
        after = replace(before, name="goods.prepare_item", module="goods", former=before.name)
        self.after = {after.name: replace(after, function=self.noting("new"), delivery="delivery")}

    def noting(self, release: str) -> Any:
        async def note(tx: Tx, _arguments: object, delivery: Delivery) -> None:
            self.seen.append((release, delivery.key))
            await tx.execute(text("SELECT 1"))
            if release == "old":
                raise ConnectionError

        return note


@pytest.fixture
def ran(wired: Wired) -> Ran:
    return Ran(wired)


async def put(engine: AsyncEngine, job: BoundJob, key: str | None = None) -> int:

    new = replace(job.write(PrepareItem(uuid4())), key=key)
    async with Database(engine, job.module).transaction() as tx:
        return await enqueue(tx, [new])


async def names(settings: Settings) -> list[str]:
    admin = await asyncpg.connect(settings.admin_url)
    found = [row[0] for row in await admin.fetch(NAMES)]
    await admin.close()
    return found


async def test_a_job_waits_under_its_old_name_until_no_release_knows_only_that(
    settings: Settings, engine: AsyncEngine, ran: Ran
) -> None:
    [before], [after] = ran.before.values(), ran.after.values()
    old, new = Worker(settings, engine, ran.before), Worker(settings, engine, ran.after)
    await put(engine, before)
    with pytest.raises(ConnectionError):
        await old.run_due()
    await migrate(settings.admin_url, "app_test", RENAMED, [RENAME])
    await put(engine, after)
    assert await names(settings) == ["catalog.prepare_item"] * 2
    # The release before does what the next one enqueued: it may come back.
    with pytest.raises(ConnectionError):
        await old.run_due()
    await hurry(settings)
    assert await new.run_due() == 2
    tried, done = ({key for by, key in ran.seen if by == release} for release in ("old", "new"))
    assert tried == done
    assert all(key.startswith("catalog.prepare_item-") for key in done)


async def test_what_waits_when_it_is_finished_keeps_its_delivery_key_and_takes_the_new_name(
    settings: Settings, engine: AsyncEngine, ran: Ran
) -> None:
    [before], [after] = ran.before.values(), ran.after.values()
    await migrate(settings.admin_url, "app_test", RENAMED, [RENAME])
    await put(engine, before, "a")
    with pytest.raises(ConnectionError):
        await Worker(settings, engine, ran.before).run_due()
    await engine.dispose()
    await migrate(settings.admin_url, "app_test", RENAMED, [RENAME, FINISH])
    assert await names(settings) == ["goods.prepare_item"]
    assert await put(engine, after, "a") == 0
    await hurry(settings)
    last = replace(after, former=None)
    assert await Worker(settings, engine, {last.name: last}).run_due() == 1
    assert ran.seen[-1] == ("new", ran.seen[0][1])


async def test_a_key_is_taken_whichever_release_took_it(
    settings: Settings, engine: AsyncEngine, ran: Ran
) -> None:
    [before], [after] = ran.before.values(), ran.after.values()
    assert await put(engine, before, "a") == 1
    await migrate(settings.admin_url, "app_test", RENAMED, [RENAME])
    assert await put(engine, after, "a") == 0
    assert await put(engine, after, "b") == 1
    assert await put(engine, before, "b") == 0


async def test_a_time_comes_once_for_both_releases(
    settings: Settings, engine: AsyncEngine, ran: Ran
) -> None:
    def hourly(jobs: dict[str, BoundJob]) -> dict[str, BoundJob]:
        return {
            name: replace(
                job,
                options=replace(job.options, cron="0 * * * *"),
                default=lambda: PrepareItem(DEFAULT),
            )
            for name, job in jobs.items()
        }

    old, new = hourly(ran.before), hourly(ran.after)
    now = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    await enqueue_ticks(engine, old, now)
    await migrate(settings.admin_url, "app_test", RENAMED, [RENAME])
    for hour, releases in enumerate([(old, new), (new, old), (old,), (new,)], 1):
        for jobs in releases:
            assert await enqueue_ticks(engine, jobs, now + timedelta(hours=hour))
        assert await names(settings) == ["catalog.prepare_item"] * hour
    await engine.dispose()
    await migrate(settings.admin_url, "app_test", RENAMED, [RENAME, FINISH])
    # The release that finishes it runs beside the one that renamed it.
    last = {name: replace(job, former=None) for name, job in new.items()}
    for hour, releases in enumerate([(new, last), (last, new)], 5):
        for jobs in releases:
            assert await enqueue_ticks(engine, jobs, now + timedelta(hours=hour))
        assert await names(settings) == ["goods.prepare_item"] * hour


async def test_operators_see_a_job_under_the_name_that_the_code_has(
    settings: Settings, engine: AsyncEngine, ran: Ran
) -> None:
    [after] = ran.after.values()
    await migrate(settings.admin_url, "app_test", RENAMED, [RENAME])
    await put(engine, after)
    async with connect_queue(settings) as queue:
        [found] = await find_jobs(queue, ran.after, module="goods")
        assert (found.name, found.state) == ("goods.prepare_item", "waiting")
        assert (await count_jobs(queue, ran.after))["goods"]["waiting"] == 1


async def hurry(settings: Settings) -> None:
    """Let what failed be due now."""
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute("UPDATE queue.pgqueuer SET execute_after = now()")
    await admin.close()
