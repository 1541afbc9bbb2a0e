"""Jobs by the clock: one for each tick, however many ask."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from app.platform.database import Database, Tx
from app.platform.engine import OutcomeUnknownError, TransactionError
from app.platform.jobs import job
from app.platform.schedule import enqueue_ticks, keep_schedule
from app.platform.wiring import ModuleFolder, Wired, WiringError, wire
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


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
    each.__module__ = "app.modules.catalog.jobs"
THREE = datetime(2030, 1, 1, 3, tzinfo=UTC)


def catalog_with(folders: Sequence[ModuleFolder], *jobs: object) -> list[ModuleFolder]:
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
    for minutes in (1, 60, -60):  # Between two ticks, and by a clock that is slow.
        await enqueue_ticks(engine, wired.jobs, now + timedelta(minutes=minutes))
    assert await enqueued(engine) == 3


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
        if len(broken) < 3:  # Each step of the first round.
            broken.append(db)
            raise error

    monkeypatch.setattr("app.platform.schedule._LONGEST_SLEEP", 0.01)
    monkeypatch.setattr(Database, "transaction", breaks_at_first)
    keeping = asyncio.create_task(keep_schedule(engine, wired.jobs))
    async with asyncio.timeout(20):
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


async def test_history_is_forgotten_after_a_week_but_not_of_jobs_that_are_there(
    engine: AsyncEngine, wired: Wired
) -> None:
    for day in (0, 1):
        await enqueue_ticks(engine, wired.jobs, THREE + timedelta(days=day))
    async with Database(engine, "queue").transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO queue.pgqueuer_log (job_id, status, priority, entrypoint)"
                " VALUES (99999, 'successful', 0, 'catalog.count')"
            )
        )
        await tx.execute(text("UPDATE queue.pgqueuer_log SET created = now() - interval '8 days'"))
    keeping = asyncio.create_task(keep_schedule(engine, wired.jobs))
    async with asyncio.timeout(20):
        while 99999 in (left := await remembered(engine)):
            await asyncio.sleep(0.01)
    keeping.cancel()
    assert len(left) == 1


async def remembered(engine: AsyncEngine) -> list[int]:
    async with Database(engine, "queue").transaction() as tx:
        return list(await tx.scalars(text("SELECT job_id FROM queue.pgqueuer_log")))


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
        wire(catalog_with(folders, job(cron=cron)(function)), engine)  # type: ignore[arg-type]
