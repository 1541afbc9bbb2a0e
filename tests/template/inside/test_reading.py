"""Reads, with no replica: what they may not do, and what they see. With one: see `reads`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from app.modules.catalog import Catalog
from app.modules.catalog.tables import ItemRow
from app.platform.database import Database, in_transaction
from app.platform.engine import BoundaryError, TransactionError
from app.platform.reading import Reading
from app.platform.wiring import Wired
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

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
