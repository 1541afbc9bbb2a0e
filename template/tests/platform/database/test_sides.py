"""The data of a module move to another database, and nobody notices but by waiting a little."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from contextvars import Context
from typing import Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select, String, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import side_watch
from app.platform.database.credentials import connect, connect_straight
from app.platform.database.database import Database
from app.platform.database.engine import close, create_engine, Pool
from app.platform.database.errors import sqlstate_of, UnreachableError
from app.platform.database.fetch import Prepared
from app.platform.database.gates import FENCED, Gate, lock_of
from app.platform.database.side_watch import find_open_side, SidesError, watched
from app.platform.database.sides import HeldError, Side, sides_of
from app.platform.settings.settings import Settings

from ..modules.catalog.tables import ItemRow
from ..moving import eventually, Gates, MODULE

WATCH = "app sides"
HERE = text("SELECT current_database()")
COUNT = Prepared(select(func.count()).where(ItemRow.owner == bindparam("owner", type_=String())))


class Process:
    """What a process has of its databases."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine: AsyncEngine = create_engine(settings)
        self.db = Database(self.engine, MODULE)
        self.sides = sides_of(settings)
        self._beside = AsyncExitStack()

    async def start(self) -> None:
        await self._beside.enter_async_context(watched(self.sides))

    async def stop(self) -> None:
        await self._beside.aclose()
        await close(self.engine)

    @property
    def pool(self) -> Pool:
        pool = self.engine.pool
        assert isinstance(pool, Pool)
        return pool

    async def write(self, name: str) -> str:
        """Write a row, and return where."""
        async with self.db.transaction() as tx:
            tx.add(ItemRow(owner="me", name=name))
            await tx.flush()
            return str(await tx.scalar(HERE))

    async def where(self) -> str:
        async with self.db.transaction() as tx:
            return str(await tx.scalar(HERE))


@pytest.fixture
async def process(moving: Settings, gates: Gates) -> AsyncIterator[Process]:
    process = Process(moving)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def names(gates: Gates) -> dict[Side, str]:
    """What the databases are called."""
    return {
        side: await each.fetchval("SELECT current_database()")
        for side, each in gates.admins.items()
    }


async def test_all_are_led_to_the_side_that_opens_and_back(
    process: Process, gates: Gates, names: dict[Side, str]
) -> None:
    assert await process.write("first") == names[Side.MAIN]
    await gates.move(Side.MAIN, Side.OWN)
    assert await process.write("second") == names[Side.OWN]
    past = await connect(process.settings.database_url, command_timeout=5)
    assert await past.fetchval("SELECT current_database()") == names[Side.OWN]
    past.terminate()
    assert await process.db.fetch(COUNT, owner="me") == [(1,)]
    await gates.move(Side.OWN, Side.MAIN)
    assert await process.write("third") == names[Side.MAIN]
    assert await process.db.fetch(COUNT, owner="me") == [(2,)]


async def test_whoever_asks_in_the_meantime_waits_and_is_served_there(
    process: Process, gates: Gates, names: dict[Side, str]
) -> None:
    told: list[str] = []

    async def ask(number: int) -> None:
        while names[Side.OWN] not in told[-100:]:
            if number % 3:
                told.append(await process.write(f"{number} {len(told)}"))
            else:
                await process.db.fetch(COUNT, owner="me")
            await asyncio.sleep(0.01)  # Others have their turn.

    count = "SELECT count(*) FROM catalog.items"
    async with asyncio.TaskGroup() as all:
        for number in range(30):
            all.create_task(ask(number))
        await eventually(lambda: len(told) > 50)
        await gates.close(Side.MAIN)
        written = await gates.admins[Side.MAIN].fetchval(count)
        await asyncio.sleep(0.3)
        await gates.set(Side.OWN, Gate.OPEN)
    assert await gates.admins[Side.MAIN].fetchval(count) == written
    on_own = await gates.admins[Side.OWN].fetchval(count)
    assert (told.count(names[Side.MAIN]), told.count(names[Side.OWN])) == (written, on_own)
    assert written
    assert on_own
    assert process.pool.checkedout() == process.pool.held == process.pool.timeouts == 0


async def test_what_had_begun_ends_where_it_began(
    process: Process, gates: Gates, names: dict[Side, str]
) -> None:
    async with process.db.transaction() as tx:
        tx.add(ItemRow(owner="me", name="begun before"))
        await tx.flush()
        moved = asyncio.create_task(gates.move(Side.MAIN, Side.OWN))
        await eventually(lambda: process.sides is not None and process.sides.is_held)
        later = asyncio.create_task(process.where(), context=Context())
        await asyncio.sleep(0.1)
        assert not moved.done()
        assert not later.done()
    await moved
    assert await later == names[Side.OWN]
    assert await gates.admins[Side.MAIN].fetchval("SELECT count(*) FROM catalog.items") == 1


async def test_a_move_that_is_given_up_lets_all_go_on(
    process: Process, gates: Gates, names: dict[Side, str]
) -> None:
    async with process.db.transaction() as tx:
        await tx.scalar(HERE)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await gates.close(Side.MAIN, seconds=0.2)
        async with asyncio.timeout(30):
            meanwhile = asyncio.create_task(process.write("meanwhile"), context=Context())
            assert await meanwhile == names[Side.MAIN]
    await gates.close(Side.MAIN)  # Nobody is there any more, and the lock was let go.
    await gates.set(Side.MAIN, Gate.OPEN)
    assert await process.where() == names[Side.MAIN]
    assert not await gates.admins[Side.MAIN].fetchval(
        "SELECT pg_try_advisory_lock($1, $2)", *lock_of(MODULE)
    )


async def test_who_waits_for_longer_than_for_any_connection_is_told(
    moving: Settings, gates: Gates
) -> None:
    process = Process(moving.model_copy(update={"database_pool_timeout": 0.2}))
    await process.start()
    await process.where()
    await gates.close(Side.MAIN)
    with pytest.raises(HeldError, match="The data of catalog have been moving for longer"):
        await process.where()
    with pytest.raises(HeldError):
        await process.db.fetch(COUNT, owner="me")
    assert (process.pool.held, process.pool.timeouts) == (2, 0)
    await process.stop()


async def test_a_process_that_starts_meanwhile_waits_as_well(
    moving: Settings, gates: Gates, names: dict[Side, str]
) -> None:
    await gates.close(Side.MAIN)
    process = Process(moving)
    await process.start()
    asked = asyncio.create_task(process.where())
    await asyncio.sleep(0.1)
    assert not asked.done()
    await gates.set(Side.OWN, Gate.OPEN)
    assert await asked == names[Side.OWN]
    await process.stop()


async def test_a_process_that_starts_while_a_side_is_closing_takes_no_lock_there(
    moving: Settings, gates: Gates, names: dict[Side, str]
) -> None:
    await gates.set(Side.MAIN, Gate.CLOSING)
    process = Process(moving)
    await process.start()
    asked = asyncio.create_task(process.where())
    await asyncio.sleep(0.1)
    assert not asked.done()
    await gates.move(Side.MAIN, Side.OWN)
    assert await asked == names[Side.OWN]
    await process.stop()


async def test_a_process_finds_the_side_that_is_open(
    moving: Settings, gates: Gates, names: dict[Side, str], caplog: pytest.LogCaptureFixture
) -> None:
    await gates.move(Side.MAIN, Side.OWN)
    with caplog.at_level(logging.INFO, "app.sides"):
        process = Process(moving)
        await process.start()
        assert await process.where() == names[Side.OWN]
        await gates.move(Side.OWN, Side.MAIN)
        assert await process.where() == names[Side.MAIN]
        await process.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "The data of catalog are in its own database.",
        "The data of catalog are in the main database.",
    ]
    past = await connect(moving.database_url, command_timeout=5)
    assert await past.fetchval("SELECT current_database()") == names[Side.MAIN]
    past.terminate()


async def test_without_gates_the_main_database_is_open(
    moving: Settings, gates: Gates, names: dict[Side, str]
) -> None:
    for admin in gates.admins.values():
        await admin.execute("DROP SCHEMA carving CASCADE")
    process = Process(moving)
    await process.start()
    assert await process.where() == names[Side.MAIN]
    for side in Side:  # They are made while it runs.
        await gates.set(side, Gate.OPEN if side is Side.MAIN else Gate.CLOSED)
    await gates.move(Side.MAIN, Side.OWN)
    assert await process.where() == names[Side.OWN]
    await process.stop()


@pytest.fixture
def comes_back(process: Process, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """A watch that is lost connects again once this is set, and not before."""
    comes_back = asyncio.Event()

    async def late(*given: Any, **more: Any) -> asyncpg.Connection:
        await comes_back.wait()
        return await connect_straight(*given, **more)

    monkeypatch.setattr(side_watch, "connect_straight", late)
    return comes_back


async def test_a_watch_that_is_lost_holds_nobody_and_takes_the_lock_again(
    process: Process,
    gates: Gates,
    names: dict[Side, str],
    comes_back: asyncio.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await gates.kill(Side.MAIN, WATCH)
    await eventually(lambda: "cannot be watched" in caplog.text)
    assert await process.where() == names[Side.MAIN]
    comes_back.set()
    alone = "SELECT pg_try_advisory_lock($1, $2)"

    async def is_locked() -> bool:
        admin = gates.admins[Side.MAIN]
        if await admin.fetchval(alone, *lock_of(MODULE)):
            await admin.execute("SELECT pg_advisory_unlock_all()")
            return False
        return True

    await eventually(is_locked)
    assert len([each for each in caplog.records if each.name == "app.sides"]) == 1


async def test_a_process_whose_watch_was_lost_during_a_move_finds_its_way(
    process: Process, gates: Gates, names: dict[Side, str], comes_back: asyncio.Event
) -> None:
    await process.where()
    await gates.kill(Side.MAIN, WATCH)
    await gates.close(Side.MAIN)  # Nobody keeps it from that.
    with pytest.raises(DBAPIError) as refused:
        async with process.db.transaction() as tx:
            tx.add(ItemRow(owner="me", name="too late"))
    assert sqlstate_of(refused.value) == FENCED
    await gates.set(Side.OWN, Gate.OPEN)
    comes_back.set()

    async def is_there() -> bool:
        return await process.where() == names[Side.OWN]

    await eventually(is_there)


async def test_a_process_without_a_watch_is_refused_by_the_fence(
    moving: Settings, gates: Gates
) -> None:
    process = Process(moving)
    await gates.move(Side.MAIN, Side.OWN)
    with pytest.raises(DBAPIError) as refused:
        await process.write("as the release before would")
    assert sqlstate_of(refused.value) == FENCED
    await process.stop()


async def test_two_sides_that_are_both_open_are_used_by_nobody_who_starts(
    moving: Settings, gates: Gates, caplog: pytest.LogCaptureFixture
) -> None:
    await gates.set(Side.OWN, Gate.OPEN)
    process = Process(moving.model_copy(update={"database_pool_timeout": 0.1}))
    await process.start()
    with pytest.raises(HeldError):
        await process.where()
    await eventually(lambda: "both databases say that they are open" in caplog.text)
    with pytest.raises(SidesError, match="both"):
        assert process.sides
        await find_open_side(process.sides)
    await gates.close(Side.OWN)

    async def serves() -> bool:
        try:
            await process.where()
        except HeldError:
            return False
        return True

    await eventually(serves)
    await process.stop()


async def test_where_the_own_database_is_away_the_main_one_is_open_or_nobody_knows(
    moving: Settings, gates: Gates, names: dict[Side, str]
) -> None:
    away = moving.own_database_url
    assert away is not None
    away = away.rpartition("/")[0] + "/nowhere"
    process = Process(moving.model_copy(update={"own_database_url": away}))
    await process.start()
    assert await process.where() == names[Side.MAIN]
    await process.stop()
    await gates.close(Side.MAIN)
    settings = moving.model_copy(update={"own_database_url": away, "database_pool_timeout": 0.1})
    process = Process(settings)
    await process.start()
    with pytest.raises(HeldError):
        await process.where()
    assert process.sides
    with pytest.raises(UnreachableError, match="Where the data of catalog are is not known"):
        await find_open_side(process.sides)
    await process.stop()


async def test_what_runs_for_a_moment_looks_once(
    moving: Settings, gates: Gates, names: dict[Side, str]
) -> None:
    sides = sides_of(moving)
    assert sides
    await gates.close(Side.MAIN)
    with pytest.raises(SidesError, match="neither database takes its writes"):
        await find_open_side(sides)
    await gates.set(Side.OWN, Gate.OPEN)
    await find_open_side(sides)
    past = await connect(moving.database_url, command_timeout=5)
    assert await past.fetchval("SELECT current_database()") == names[Side.OWN]
    past.terminate()
    with sides.counted():  # Behind it, all is as it was.
        pass
