"""An order is placed, declined or cancelled, and something happens at one of its messages to Postgres:
once it is settled, no order, charge, shipment or product is lost, and nothing happened twice.

Runs inside a generated repository whose example is changed as the bill of carving billing says.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from app.platform.errors import DomainError
from app.platform.settings import Settings
from app.platform.wiring import Wired
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.shop import trouble
from tests.shop.trouble import Strike, Trouble

from .accounts import CANCELLED, DECLINED, PLACED, Deal, deal, settle

ROOT = Path(__file__).parents[2]
RunJobs = Callable[[], Awaitable[int]]
END = {PLACED: "confirmed", DECLINED: "cancelled", CANCELLED: "cancelled"}
"""What becomes of an order where nothing happens."""
BEFORE = {PLACED: None, DECLINED: None, CANCELLED: "confirmed"}
"""What it is where all came to nothing."""


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.admin_url)
    yield connection
    await connection.close()


async def steps(engine: AsyncEngine, wired: Wired, kind: str) -> list[str]:
    """The messages of an order where nothing happens."""
    made = await deal(engine, wired, kind)
    with pytest.MonkeyPatch.context() as patch:
        watch = Trouble(patch)
        await asyncio.gather(made.strike(wired), return_exceptions=True)
    return watch.messages


@pytest.mark.parametrize("kind", END)
@pytest.mark.parametrize("strike", [trouble.fail, trouble.cancel], ids=["fail", "cancel"])
async def test_after_trouble_at_any_step_an_order_is_settled_whole_or_not_at_all(
    engine: AsyncEngine,
    wired: Wired,
    admin: asyncpg.Connection,
    run_jobs: RunJobs,
    kind: str,
    strike: Strike,
) -> None:
    messages = ["nothing", *await steps(engine, wired, kind)]
    assert sum(each.startswith("BEGIN") for each in messages) >= 2
    deals = [await deal(engine, wired, kind) for _ in messages]
    told: list[object] = []
    for at, each in enumerate(deals):
        with pytest.MonkeyPatch.context() as patch:
            Trouble(patch).expect(at, strike)
            task = asyncio.create_task(each.strike(wired))
            told += await asyncio.gather(task, return_exceptions=True)
    await settle(admin, run_jobs)
    for step, each, answer in zip(messages, deals, told, strict=True):
        became = await each.check(admin)
        assert became in (END[kind], BEFORE[kind]), f"struck at {step}"
        if not isinstance(answer, BaseException) or isinstance(answer, DomainError):
            assert became == END[kind], f"struck at {step}, and told {answer!r}"


async def test_processes_killed_at_any_step_leave_what_another_one_settles(
    settings: Settings,
    engine: AsyncEngine,
    wired: Wired,
    admin: asyncpg.Connection,
    run_jobs: RunJobs,
) -> None:
    deals: list[tuple[int, Deal]] = []
    for kind in END:
        messages = await steps(engine, wired, kind)
        deals += [(at, await deal(engine, wired, kind)) for at in range(1, len(messages) + 1)]
    lines = [
        f"{at} {each.kind} {each.customer} {each.product} {each.placed or ''}" for at, each in deals
    ]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.carved.die"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": settings.database_url, "DATABASE_POOL_SIZE": "1"},
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["-9"] * len(deals), done
    await settle(admin, run_jobs)
    became = {kind: set[str | None]() for kind in END}
    for _, each in deals:
        became[each.kind].add(await each.check(admin))
    assert became == {kind: {END[kind], BEFORE[kind]} for kind in END}
