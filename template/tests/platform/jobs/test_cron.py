"""Jobs by the clock: one for each tick, however many ask."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo, UTC
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, Tx
from app.platform.database.errors import OutcomeUnknownError, TransactionError
from app.platform.jobs.cron import enqueue_ticks, keep_schedule
from app.platform.jobs.jobs import BoundJob, Job, job
from app.platform.wiring.module_toml import WiringError
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.wiring import wire, Wired


@dataclass(frozen=True)
class Night:
    note: str = "nightly"


notes = {"today": "tea"}


@dataclass(frozen=True)
class Looked:
    note: str = field(default_factory=lambda: notes["today"])


@dataclass(frozen=True)
class Needs:
    note: str


async def count(tx: Tx, night: Night) -> None: ...
async def needs(tx: Tx, needs: Needs) -> None: ...
async def look(tx: Tx, looked: Looked) -> None: ...


for each in (count, needs, look):  # As if they stood where jobs do.
    each.__module__ = "tests.platform.modules.catalog.jobs"
THREE = datetime(2030, 1, 1, 3, tzinfo=UTC)


def catalog_with(folders: Sequence[ModuleFolder], *jobs: Job[Any]) -> list[ModuleFolder]:
    [catalog] = [folder for folder in folders if folder.name == "catalog"]
    return [replace(catalog, declaration=replace(catalog.declaration, jobs=jobs))]


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    return wire(catalog_with(folders, job(cron="0 3 * * *")(count)), engine)


async def enqueued(engine: AsyncEngine) -> int:
    async with Database(engine, "queue").transaction() as tx:
        return await tx.scalar(text("SELECT count(*) FROM queue.pgqueuer")) or 0


async def test_each_tick_enqueues_one_however_many_workers_ask(
    engine: AsyncEngine, wired: Wired
) -> None:
    for days, expected in ((0, 0), (1, 1), (1, 1), (2, 2), (5, 3)):
        now = THREE + timedelta(days=days)
        await asyncio.gather(*(enqueue_ticks(engine, wired.jobs, now) for _ in range(5)))
        assert await enqueued(engine) == expected
    for seconds in (60, 3600, -30, 1):  # Between two ticks, and by a clock that was set back.
        await enqueue_ticks(engine, wired.jobs, now + timedelta(seconds=seconds))
    assert await enqueued(engine) == 3


async def test_a_last_run_in_the_future_counts_as_none(engine: AsyncEngine, wired: Wired) -> None:
    await enqueue_ticks(engine, wired.jobs, THREE + timedelta(days=365))
    for hours, expected in ((1, 0), (20, 0), (24, 1), (25, 1)):
        await enqueue_ticks(engine, wired.jobs, THREE + timedelta(hours=hours))
        assert await enqueued(engine) == expected


async def test_a_last_run_that_is_infinite_counts_as_none(
    engine: AsyncEngine, wired: Wired
) -> None:
    await enqueue_ticks(engine, wired.jobs, THREE)
    async with Database(engine, "queue").transaction() as tx:
        await tx.execute(text("UPDATE queue.pgqueuer_schedules SET last_run = 'infinity'"))
    for hours, expected in ((1, 0), (24, 1)):
        assert await enqueue_ticks(engine, wired.jobs, THREE + timedelta(hours=hours))
        assert await enqueued(engine) == expected


async def test_what_passed_under_another_schedule_is_not_made_up_for(
    engine: AsyncEngine, folders: Sequence[ModuleFolder]
) -> None:
    def at(cron: str) -> Mapping[str, BoundJob]:
        return wire(catalog_with(folders, job(cron=cron)(count)), engine).jobs

    at_three, at_four = at("0 3 * * *"), at("0 4 * * *")
    day = timedelta(days=1)
    for jobs, now, expected in (
        (at_three, THREE, 0),
        (at_three, THREE + day, 1),
        (at_four, THREE + day * 1.02, 1),  # A release changes it.
        (at_four, THREE + day * 1.1, 2),
        (at_three, THREE + day * 1.2, 2),  # It is rolled back: today it has run.
        (at_four, THREE + day * 1.21, 2),  # Both run side by side.
        (at_three, THREE + day * 1.22, 2),
        (at_three, THREE + day * 2, 3),
    ):
        await enqueue_ticks(engine, jobs, now)
        assert await enqueued(engine) == expected
    assert await schedules(engine) == ["0 3 * * *"]


async def test_rows_of_a_release_that_kept_one_for_each_expression_become_one(
    engine: AsyncEngine, wired: Wired
) -> None:
    insert = text(
        "INSERT INTO queue.pgqueuer_schedules (expression, entrypoint, last_run, updated)"
        " VALUES (:cron, 'catalog.count', :last, :updated)"
    )
    async with Database(engine, "queue").transaction() as tx:
        for days, cron in ((9, "0 3 * * *"), (1, "0 4 * * *")):
            last = THREE - timedelta(days=days)
            await tx.execute(insert, {"cron": cron, "last": last, "updated": last})
    await enqueue_ticks(engine, wired.jobs, THREE)
    assert await schedules(engine) == ["0 3 * * *"]
    assert await enqueued(engine) == 0


async def schedules(engine: AsyncEngine) -> list[str]:
    async with Database(engine, "queue").transaction() as tx:
        return list(await tx.scalars(text("SELECT expression FROM queue.pgqueuer_schedules")))


class Ahead(datetime):
    """The clock of a machine that is an hour ahead."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Ahead":
        return cls.fromtimestamp(time.time() + 3600, tz)


async def test_ticks_go_by_the_clock_of_the_database_and_a_wrong_one_is_told_once(
    engine: AsyncEngine,
    folders: Sequence[ModuleFolder],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = wire(catalog_with(folders, job(cron="* * * * *")(count)), engine).jobs
    asked: list[datetime] = []

    async def ask(_engine: object, _jobs: object, now: datetime) -> bool:
        asked.append(now)
        if len(asked) == 3:
            monkeypatch.setattr("app.platform.jobs.cron.datetime", datetime)
        return True

    monkeypatch.setattr("app.platform.jobs.cron.datetime", Ahead)
    monkeypatch.setattr("app.platform.jobs.cron._LONGEST_SLEEP", 0.01)
    monkeypatch.setattr("app.platform.jobs.cron.enqueue_ticks", ask)
    with caplog.at_level("INFO", "app.worker"):
        keeping = asyncio.create_task(keep_schedule(engine, jobs))
        async with asyncio.timeout(30):
            while "is right again" not in caplog.text:
                await asyncio.sleep(0.01)
        keeping.cancel()
    assert all(abs(datetime.now(UTC) - now) < timedelta(minutes=10) for now in asked)
    assert len(re.findall(r"is 3[56]\d\d s ahead of that of the database", caplog.text)) == 1


async def test_one_that_cannot_be_enqueued_is_named_and_keeps_no_other_from_it(
    engine: AsyncEngine,
    folders: Sequence[ModuleFolder],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheduled = [job(cron="0 3 * * *")(each) for each in (look, count)]
    jobs = wire(catalog_with(folders, *scheduled), engine).jobs
    monkeypatch.delitem(notes, "today")
    for days in (0, 1):
        await enqueue_ticks(engine, jobs, THREE + timedelta(days=days))
    assert await enqueued(engine) == 1
    assert "catalog.look could not be enqueued by the clock" in caplog.text
    assert "KeyError: 'today'" in caplog.text


@pytest.mark.parametrize(
    "error",
    [OutcomeUnknownError("COMMIT"), TransactionError("undone"), OSError("away"), TypeError("?")],
)
async def test_the_clock_goes_on_whatever_breaks(
    engine: AsyncEngine, wired: Wired, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    transaction = Database.transaction
    broken: list[Database] = []

    @asynccontextmanager
    async def breaks_at_first(db: Database) -> AsyncIterator[Tx]:
        async with transaction(db) as tx:
            yield tx
        if len(broken) < 3:  # The first rounds: the time, the time again and what is due.
            broken.append(db)
            if len(broken) != 2:
                raise error

    monkeypatch.setattr("app.platform.jobs.cron._LONGEST_SLEEP", 0.01)
    monkeypatch.setattr("app.platform.jobs.cron._RETRY", 0.01)
    monkeypatch.setattr(Database, "transaction", breaks_at_first)
    keeping = asyncio.create_task(keep_schedule(engine, wired.jobs))
    async with asyncio.timeout(30):
        while len(broken) < 3:
            await asyncio.sleep(0.01)
        async with Database(engine, "queue").transaction() as tx:
            await tx.execute(
                text("UPDATE queue.pgqueuer_schedules SET last_run = now() - interval '9 days'")
            )
        while await enqueued(engine) == 0:
            assert not keeping.done()
            await asyncio.sleep(0.01)
    keeping.cancel()


async def test_what_is_enqueued_runs_with_its_defaults(
    engine: AsyncEngine, folders: Sequence[ModuleFolder]
) -> None:
    wired = wire(catalog_with(folders, job(cron="* * * * *")(count)), engine)
    bound = wired.jobs["catalog.count"]
    assert bound.read(bound.write(bound.default()).arguments) == Night()


@pytest.mark.parametrize(
    ("cron", "function", "said"),
    [
        ("every night", count, "cron='every night' of count names no times"),
        ("0 3 * * * *", count, "Write five fields"),
        ("0 3 30 2 *", count, "names no times"),
        ("0 3 * * *", needs, "each field of Needs needs a default"),
        ("0 3 * * *", look, "each field of Looked needs a default: 'today'"),
    ],
)
async def test_a_schedule_that_does_not_fit_is_refused(
    engine: AsyncEngine,
    folders: Sequence[ModuleFolder],
    monkeypatch: pytest.MonkeyPatch,
    cron: str,
    function: object,
    said: str,
) -> None:
    monkeypatch.delitem(notes, "today", raising=False)
    with pytest.raises(WiringError, match=said.replace("*", r"\*")):
        wire(catalog_with(folders, job(cron=cron)(function)), engine)  # type: ignore[call-overload]
