"""Health: what a load balancer asks, and what strangers cannot use it for."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient

from app.main import create_app
from app.platform.migrations.migrations import pending_migrations
from app.platform.settings.settings import Settings
from app.platform.web import health

_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def stranger(settings: Settings) -> AsyncIterator[AsyncClient]:
    transport = ASGITransport(create_app(settings))
    async with AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


async def test_many_who_ask_at_once_take_one_connection(
    stranger: AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def watched(*given: object) -> object:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.1)
        others.append(await watching.fetchval(_OTHERS))
        return await pending_migrations(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(health, "_FRESH", 60)
    others: list[int] = []
    watching = await asyncpg.connect(settings.database_url)
    before = await watching.fetchval(_OTHERS)
    monkeypatch.setattr("app.platform.migrations.pending_migrations", watched)
    answers = await asyncio.gather(*(stranger.get("/readyz") for _ in range(200)))
    await watching.close()
    assert {answer.status_code for answer in answers} == {200}
    assert (asked, others) == (1, [before + 1])


async def test_what_has_changed_is_seen_a_moment_later(
    stranger: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pending(*_given: object) -> list[str]:
        return waiting

    waiting = ["catalog"]
    monkeypatch.setattr(health, "_FRESH", 60)
    monkeypatch.setattr("app.platform.migrations.pending_migrations", pending)
    refused = await stranger.get("/readyz")
    assert refused.status_code == 503
    assert refused.json()["detail"] == "Migrations are pending: catalog. Run `app migrate`."
    waiting.clear()
    assert (await stranger.get("/readyz")).status_code == 503
    now = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: now() + 61)
    assert (await stranger.get("/readyz")).status_code == 200


async def test_a_database_that_is_away_is_logged_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_FRESH", 60)
    unreachable = Settings(
        environment="development", database_url="postgresql://app:secret@127.0.0.1:1/app"
    )
    transport = ASGITransport(create_app(unreachable))
    with caplog.at_level(logging.WARNING):
        async with AsyncClient(transport=transport, base_url="http://app") as client:
            answers = await asyncio.gather(*(client.get("/readyz") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {503}
    (record,) = caplog.records
    assert record.getMessage().startswith("The database is not reachable: ConnectionRefusedError")
    assert "\n" not in caplog.text.strip()
