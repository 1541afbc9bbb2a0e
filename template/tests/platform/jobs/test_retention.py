"""What is old is forgotten in batches, by one worker at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context

import pytest
from sqlalchemy import text, TextClause
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.database.driver import statements_may_take
from app.platform.database.engine import create_engine
from app.platform.jobs.retention import forget_jobs, forget_keys, keep_forgetting
from app.platform.settings.settings import Settings

MANY = 100_000
_JOBS = text(
    "INSERT INTO queue.pgqueuer_log (job_id, status, priority, entrypoint, created) SELECT number,"
    " 'successful', 0, 'catalog.count', now() - CAST(:age AS interval) FROM"
    " generate_series(CAST(:first AS int), CAST(:last AS int)) AS number"
)
_HELD = text(
    "INSERT INTO queue.pgqueuer (id, priority, status, entrypoint) SELECT number, 0, 'failed',"
    " 'catalog.count' FROM generate_series(1, 20000) AS number"
)
_KEYS = text(
    "INSERT INTO requests.idempotency_keys (principal, key, fingerprint, attempt, created_at)"
    " SELECT 'ada', number::text, '', gen_random_uuid(), now() - CAST(:age AS interval) FROM"
    " generate_series(CAST(:first AS int), CAST(:last AS int)) AS number"
)


async def fill(engine: AsyncEngine, module: str, *statements: TextClause) -> None:
    with statements_may_take(60):
        async with Database(engine, module).transaction() as tx:
            for statement in statements:
                await tx.execute(statement)


async def count(engine: AsyncEngine, module: str, table: str) -> int:
    async with Database(engine, module).transaction() as tx:
        return await tx.scalar(text(f"SELECT count(*) FROM {module}.{table}")) or 0


@pytest.fixture
async def hasty(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine whose statements may take a fraction of what the whole takes."""
    engine = create_engine(settings.model_copy(update={"database_statement_timeout": 0.25}))
    yield engine
    await engine.dispose()


async def test_a_hundred_thousand_jobs_are_forgotten_however_short_a_statement_must_be(
    engine: AsyncEngine, hasty: AsyncEngine
) -> None:
    old = _JOBS.bindparams(age="8 days", first=1, last=MANY)
    new = _JOBS.bindparams(age="6 days", first=MANY + 1, last=MANY + 10)
    await fill(engine, "queue", old, new, _HELD)
    await forget_jobs(hasty)
    # Of jobs that are there, all is kept.
    assert await count(engine, "queue", "pgqueuer_log") == 20_000 + 10


async def test_yesterdays_keys_are_forgotten_in_batches(engine: AsyncEngine) -> None:
    old = _KEYS.bindparams(age="25 hours", first=1, last=1000)
    new = _KEYS.bindparams(age="23 hours", first=1001, last=1010)
    await fill(engine, "requests", old, new)
    await forget_keys(engine, batch=100)
    assert await count(engine, "requests", "idempotency_keys") == 10


async def test_one_worker_at_a_time_forgets(engine: AsyncEngine) -> None:
    await fill(engine, "requests", _KEYS.bindparams(age="25 hours", first=1, last=10))
    async with Database(engine, "requests").transaction() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('forget', 0))"))
        another = asyncio.create_task(forget_keys(engine), context=Context())
        await another  # As if in another process: it is inside of no transaction.
        assert await tx.scalar(text("SELECT count(*) FROM requests.idempotency_keys")) == 10
    await forget_keys(engine)
    assert await count(engine, "requests", "idempotency_keys") == 0


async def test_it_goes_on_whatever_breaks(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(_engine: AsyncEngine) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.platform.jobs.retention._PAUSE", 0.01)
    monkeypatch.setattr("app.platform.jobs.retention.forget_jobs", breaks)
    forgetting = asyncio.create_task(keep_forgetting(engine))
    async with asyncio.timeout(30):
        while caplog.text.count("Old history of jobs could not be forgotten") < 2:
            await asyncio.sleep(0.01)
    forgetting.cancel()
