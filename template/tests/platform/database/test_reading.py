"""Reads, with no replica: what they may not do, and what they see. With one: see `reads`."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database, in_transaction
from app.platform.database.engine import create_engine
from app.platform.database.errors import BoundaryError, TransactionError
from app.platform.database.fetch import Prepared
from app.platform.database.reading import Reading
from app.platform.database.replica import Replica
from app.platform.settings.settings import Settings
from app.platform.wiring.wiring import Wired

from ..modules.catalog import Catalog
from ..modules.catalog.tables import ItemRow

CATALOG = "app_test__catalog"


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")


async def test_every_way_to_ask_runs_as_the_module_and_sees_what_is_committed(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(row := ItemRow(owner="me", name="a"))
    async with db.read() as reading:
        found = await reading.get(ItemRow, row.id)
        assert found is not None
        assert found.name == "a"
        assert await reading.scalar(select(ItemRow.name)) == "a"
        assert (await reading.scalars(select(ItemRow.name))).all() == ["a"]
        [(id, name)] = await reading.execute(select(ItemRow.id, ItemRow.name))
        assert (id, name) == (row.id, "a")
        assert await reading.scalar(text("SELECT current_user")) == CATALOG


async def test_another_modules_table_is_refused(db: Database) -> None:
    with pytest.raises(BoundaryError, match="catalog may not touch the schema ordering"):
        async with db.read() as reading:
            await reading.scalar(text("SELECT count(*) FROM ordering.items"))


async def test_no_role_and_no_mode_is_left_on_the_connection(
    engine: AsyncEngine, db: Database
) -> None:
    async with db.read() as reading:
        await reading.scalar(text("SELECT 1"))
    async with engine.connect() as connection:
        asked = "SELECT current_user::text, current_setting('transaction_read_only')"
        assert (await connection.execute(text(asked))).one() == ("app_test", "off")


async def insert(reading: Reading) -> None:
    await reading.execute(
        text("INSERT INTO catalog.items (owner, id, name) VALUES ('me', uuidv7(), 'a')")
    )


async def lock(reading: Reading) -> None:
    await reading.scalars(select(ItemRow).with_for_update())


async def change(reading: Reading) -> None:
    row = await reading.scalar(select(ItemRow))
    assert row is not None
    row.name = "b"


@pytest.mark.parametrize(
    ("write", "said"), [(insert, "only reads"), (lock, "only reads"), (change, "would be lost")]
)
async def test_what_is_written_in_a_read_is_refused(
    db: Database, write: Callable[[Reading], Awaitable[None]], said: str
) -> None:
    async with db.transaction() as tx:
        tx.add(ItemRow(owner="me", name="a"))
    with pytest.raises(TransactionError, match=said):
        async with db.read() as reading:
            await write(reading)
    async with db.read() as reading:
        assert (await reading.scalars(select(ItemRow.name))).all() == ["a"]


async def test_one_at_a_time_be_it_a_read_or_a_transaction(db: Database, wired: Wired) -> None:
    async with db.transaction():
        with pytest.raises(TransactionError, match="open already"):
            async with db.read():
                pass
    async with db.read():
        assert in_transaction()
        for another in (db.read, db.transaction):
            with pytest.raises(TransactionError, match="open already"):
                async with another():
                    pass
        with pytest.raises(TransactionError, match="does not take `tx`"):
            await wired[Catalog].list_items("me", after=None, limit=1)
    assert not in_transaction()


async def test_a_method_that_joins_a_transaction_cannot_join_a_read(
    db: Database, wired: Wired
) -> None:
    async with db.read() as reading:
        with pytest.raises(TransactionError, match="joins its caller's transaction"):
            await wired[Catalog].create_item(reading, "me", "a")  # type: ignore[arg-type]


async def test_a_read_is_over_with_its_block_and_belongs_to_its_task(db: Database) -> None:
    async with db.read() as reading:
        other: Awaitable[Any] = asyncio.create_task(reading.scalar(text("SELECT 1")))
        with pytest.raises(TransactionError, match="belongs to the task"):
            await other
    with pytest.raises(TransactionError, match="is over"):
        await reading.scalar(text("SELECT 1"))


async def test_a_read_that_asks_nothing_takes_no_connection(
    engine: AsyncEngine, db: Database
) -> None:
    async with db.read():
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


WHO = Prepared(select(func.current_user()))


@pytest.fixture
def narrow(settings: Settings) -> Settings:
    """Room for one connection, and no patience."""
    few = {"database_pool_size": 1, "database_pool_timeout": 0.05}
    return settings.model_copy(update=few)


@pytest.fixture
async def busy(narrow: Settings) -> AsyncIterator[Replica]:
    """A replica that counts as recent, and whose only connection is taken."""
    replica = Replica(narrow, narrow.database_url)
    replica._holds_until = math.inf
    async with replica.engine.connect():
        yield replica
    await replica.engine.dispose()


async def test_a_read_that_got_no_connection_asks_again_as_the_module(narrow: Settings) -> None:
    engine = create_engine(narrow)
    async with Database(engine, "catalog").read() as reading:
        async with engine.connect():
            with pytest.raises(PoolTimeoutError):
                await reading.scalar(text("SELECT 1"))
        assert await reading.scalar(text("SELECT current_user")) == CATALOG
        assert await reading.scalar(text("SHOW transaction_read_only")) == "on"
    await engine.dispose()


async def test_a_read_whose_wait_for_a_connection_was_given_up_asks_again_as_the_module(
    narrow: Settings,
) -> None:
    engine = create_engine(narrow.model_copy(update={"database_pool_timeout": 30}))
    async with Database(engine, "catalog").read() as reading:
        async with engine.connect():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reading.scalar(text("SELECT 1"))
        assert await reading.scalar(text("SELECT current_user")) == CATALOG
        assert await reading.scalar(text("SHOW transaction_read_only")) == "on"
    await engine.dispose()


async def test_a_read_goes_on_after_a_query_that_failed_or_was_given_up(db: Database) -> None:
    async with db.read() as reading:
        with pytest.raises(DBAPIError, match="division by zero"):
            await reading.scalar(text("SELECT 1/0"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reading.scalar(text("SELECT pg_sleep(5)"))
        assert await reading.scalar(text("SELECT current_user")) == CATALOG


async def test_a_busy_replica_is_no_reason_to_refuse_a_read(
    engine: AsyncEngine, busy: Replica
) -> None:
    db = Database(engine, "catalog", busy)
    async with db.read() as reading:
        assert await reading.scalar(text("SELECT current_user")) == CATALOG
    assert await db.fetch_one(WHO) == (CATALOG,)
    assert busy.holds(-math.inf)  # It is not gone: the next read may find it free.
