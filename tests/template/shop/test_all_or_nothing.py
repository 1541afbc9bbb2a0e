"""An order is placed whole or not at all, whatever happens at whichever of its messages to Postgres.

Runs inside a generated repository that contains the example shop.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from app.platform.database import OutcomeUnknownError
from app.platform.settings import Settings
from app.platform.wiring import Wired
from sqlalchemy.ext.asyncio import AsyncEngine

from . import trouble
from .books import EVERYTHING, NOTHING, prepare
from .trouble import Strike, Trouble

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def login(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def steps(engine: AsyncEngine, wired: Wired) -> list[str]:
    """The messages of an order where nothing happens."""
    order = await prepare(engine, wired)
    with pytest.MonkeyPatch.context() as patch:
        watch = Trouble(patch)
        await order.place(engine, wired)
    return watch.messages


async def test_the_steps_are_a_transaction_that_visits_every_module(
    engine: AsyncEngine, wired: Wired, login: asyncpg.Connection, steps: list[str]
) -> None:
    assert steps[0].startswith("BEGIN")
    assert steps[-1] == "COMMIT;"
    assert sum(step.startswith("BEGIN") for step in steps) == 1
    for module in ("identity", "catalog", "ordering", "billing", "queue"):
        assert any(f" {module}." in step for step in steps), module
    order = await prepare(engine, wired)
    assert await order.books(login) == NOTHING
    await order.place(engine, wired)
    assert await order.books(login) == EVERYTHING


async def terminate(connection: asyncpg.Connection) -> None:
    """The connection to Postgres breaks."""
    login = await asyncpg.connect(os.environ["DATABASE_URL_TO_TERMINATE"])
    await login.fetchval("SELECT pg_terminate_backend($1, 1000)", connection.get_server_pid())
    await login.close()


@pytest.mark.parametrize(
    "strike",
    [
        trouble.fail,
        trouble.time_out,
        trouble.cancel,
        trouble.cancel_while_waiting,
        terminate,
    ],
    ids=lambda strike: strike.__name__,
)
async def test_after_trouble_at_any_step_all_of_it_exists_or_nothing(
    settings: Settings,
    engine: AsyncEngine,
    wired: Wired,
    login: asyncpg.Connection,
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    strike: Strike,
) -> None:
    monkeypatch.setenv("DATABASE_URL_TO_TERMINATE", settings.database_url)
    watch = Trouble(monkeypatch)
    for at, step in enumerate(steps, start=1):
        order = await prepare(engine, wired)
        watch.expect(at, strike)
        task = asyncio.create_task(order.place(engine, wired))
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        books = await order.books(login)
        if step == "COMMIT;" and strike is trouble.cancel:
            assert books in (EVERYTHING, NOTHING)  # It was on its way already.
        else:
            assert isinstance(outcome, BaseException), f"nothing happened at {at}: {step}"
            assert books == NOTHING, f"struck at {at}: {step}"
        watch.expect(0, trouble.nothing)
        again = await prepare(engine, wired)
        await again.place(engine, wired)
        assert await again.books(login) == EVERYTHING


async def lose_the_answer(connection: asyncpg.Connection) -> None:
    """The connection breaks when Postgres has committed, and before it can say so."""
    await connection.execute("COMMIT;")
    raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


async def test_a_commit_whose_answer_is_lost_is_not_taken_for_a_failure(
    engine: AsyncEngine,
    wired: Wired,
    login: asyncpg.Connection,
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = await prepare(engine, wired)
    Trouble(monkeypatch).expect(len(steps), lose_the_answer)
    with pytest.raises(OutcomeUnknownError, match="look what was done"):
        await order.place(engine, wired)
    assert await order.books(login) == EVERYTHING
    again = await prepare(engine, wired)
    await again.place(engine, wired)


async def test_a_process_killed_at_any_step_leaves_all_of_it_or_nothing(
    settings: Settings,
    engine: AsyncEngine,
    wired: Wired,
    login: asyncpg.Connection,
    steps: list[str],
) -> None:
    numbers = range(1, len(steps) + 2)  # The last one dies after COMMIT.
    orders = [await prepare(engine, wired) for _ in numbers]
    dying = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.shop.place_and_die"),
        *(f"{each.customer},{each.product}" for each in orders),
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": settings.database_url},
        stdout=PIPE,
    )
    said, _ = await dying.communicate()
    assert said.split() == [b"-9"] * len(orders)
    await _until_rolled_back(login)
    for at, order in zip(numbers, orders, strict=True):
        assert await order.books(login) == (NOTHING if at <= len(steps) else EVERYTHING), at


async def _until_rolled_back(login: asyncpg.Connection) -> None:
    """Wait until Postgres has noticed the death of its clients."""
    query = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"""
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while await login.fetchval(query):
                await asyncio.sleep(0.01)
