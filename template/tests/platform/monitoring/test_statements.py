"""SQL time and calls by module, as Prometheus is told."""

import asyncio
import logging
import time
from collections.abc import Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.monitoring.gauges_database import Statements
from app.platform.settings.settings import Settings

from ..looking import looked_at

CALLS = "db_module_calls_total"
SECONDS = "db_module_seconds_total"


@pytest.fixture
async def told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Statements:
    """A collector that asks anew each time."""
    for pause in ("pause", "share"):
        monkeypatch.setattr(Statements, pause, 0)
    return Statements(settings, asyncio.get_running_loop(), ["catalog", "ordering"])


async def ask(engine: AsyncEngine, module: str, *, times: int) -> None:
    async with Database(engine, module).transaction() as tx:
        for _ in range(times):
            await tx.execute(text("SELECT 1"))


async def test_what_each_module_asks_is_counted_and_timed(
    told: Statements, engine: AsyncEngine
) -> None:
    first = await looked_at(told)
    assert {first[CALLS, name] for name in ("catalog", "ordering", "platform")} == {0}
    await ask(engine, "catalog", times=10)
    await ask(engine, "ordering", times=1)
    found = await looked_at(told)
    assert found[CALLS, "catalog"] >= 10 > found[CALLS, "ordering"] >= 1
    assert found[SECONDS, "catalog"] > 0
    assert found[CALLS, "platform"] >= 2  # BEGIN, COMMIT.


async def test_what_postgres_forgets_is_not_counted_again(
    told: Statements, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = iter([{"catalog": (10.0, 100)}, {"catalog": (12.0, 120)}, {"catalog": (1.0, 10)}])

    async def measured() -> object:
        return next(sums)

    monkeypatch.setattr(told, "_measure", measured)
    for _ in range(3):
        found = await looked_at(told)
    assert (found[SECONDS, "catalog"], found[CALLS, "catalog"]) == (2.0, 20)


async def test_it_is_asked_for_now_and_then_and_not_at_each_scrape(
    settings: Settings, engine: AsyncEngine
) -> None:
    told = Statements(settings, asyncio.get_running_loop(), ["catalog"])
    await looked_at(told)
    await ask(engine, "catalog", times=10)
    assert (await looked_at(told))[CALLS, "catalog"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s, "No SQL time by module. Nobody may read the extension"),
        (
            lambda s: s.model_copy(update={"database_url": "postgresql://a:b@127.0.0.1:1/c"}),
            "SQL time could not be measured",
        ),
    ],
)
async def test_where_there_are_no_statistics_nothing_is_told_and_the_log_says_why_once(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Settings], Settings],
    said: str,
) -> None:
    caplog.set_level(logging.INFO)
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(
        "SET ROLE app_test__platform__owner;"
        "DROP VIEW platform.own_statements, platform.module_statements"
    )
    await admin.close()
    monkeypatch.setattr(Statements, "pause", 0)
    told = Statements(change(settings), asyncio.get_running_loop(), ["catalog"])
    for _ in range(2):
        assert await looked_at(told) == {}
    [line] = [record.message for record in caplog.records if record.name == "app.metrics"]
    assert said in line


async def test_whatever_the_driver_says_fails_no_scrape_and_is_asked_again_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = Statements(settings, asyncio.get_running_loop(), ["catalog"])

    async def odd() -> object:
        raise asyncpg.InternalClientError("odd handshake")

    monkeypatch.setattr(told, "_measure", odd)
    assert await looked_at(told) == {}
    assert await looked_at(told) == {}
    [line] = [record.message for record in caplog.records if record.name == "app.metrics"]
    assert "odd handshake" in line
    assert told._next > time.monotonic()


async def test_several_who_ask_at_once_ask_the_database_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, asked = Statements(settings, asyncio.get_running_loop(), ["catalog"]), 0

    async def measured() -> object:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.1)
        return {"catalog": (1.0, 10), "platform": (0.0, 0)}

    monkeypatch.setattr(told, "_measure", measured)
    found = await asyncio.gather(*(looked_at(told) for _ in range(3)))
    assert asked == 1
    assert found[0] == found[1] == found[2] != {}
