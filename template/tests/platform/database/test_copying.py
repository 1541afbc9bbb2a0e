"""COPY under a module's own role."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.database.driver import statements_may_take
from app.platform.database.errors import TransactionError
from app.platform.database.transaction import view_of

from ..modules.catalog.tables import ItemRow
from ..modules.ordering.tables import ItemRow as OrderingRow

COLUMNS = ("id", "owner", "name")
TABLE = ItemRow.metadata.tables["catalog.items"]


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")


def records(*names: str) -> list[tuple[UUID, str, str]]:
    return [(uuid4(), "me", name) for name in names]


async def names(db: Database) -> list[str]:
    async with db.read() as reading:
        return sorted((await reading.scalars(select(ItemRow.name))).all())


async def test_records_are_copied_as_the_first_statement(db: Database) -> None:
    async with db.transaction() as tx:
        assert await tx.copy_records(ItemRow, records("a", "b"), columns=COLUMNS) == 2
    assert await names(db) == ["a", "b"]


async def test_records_are_copied_after_another_module_has_spoken(db: Database) -> None:
    async with db.transaction() as tx:
        ordering = view_of(tx, "ordering")
        await ordering.execute(text("SELECT 1"))
        assert await tx.copy_records(TABLE, records("a"), columns=COLUMNS) == 1
        await ordering.execute(text("SELECT count(*) FROM ordering.items"))
    assert await names(db) == ["a"]


async def test_what_is_pending_is_written_before(db: Database) -> None:
    async with db.transaction() as tx:
        tx.add(ItemRow(owner="me", name="a"))
        with pytest.raises(IntegrityError, match="uq_items_owner_name"):
            async with tx.savepoint():
                await tx.copy_records(ItemRow, records("b", "a"), columns=COLUMNS)
        await tx.copy_records(ItemRow, records("c"), columns=COLUMNS)
    assert await names(db) == ["a", "c"]


async def test_records_may_come_one_after_the_other(db: Database) -> None:
    async def some() -> AsyncIterator[tuple[UUID, str, str]]:
        for each in records("a", "b"):
            yield each

    async with db.transaction() as tx:
        assert await tx.copy_records(ItemRow, some(), columns=COLUMNS) == 2


async def test_what_raises_while_records_are_made_is_raised(db: Database) -> None:
    def broken() -> Iterator[tuple[UUID, str, str]]:
        yield from records("a")
        raise ConnectionResetError("where they come from")

    async with db.transaction() as tx:
        with pytest.raises(ConnectionResetError, match="where they come from"):
            async with tx.savepoint():
                await tx.copy_records(ItemRow, broken(), columns=COLUMNS)
        await tx.copy_records(ItemRow, records("b"), columns=COLUMNS)
    assert await names(db) == ["b"]


async def test_other_tables_and_unknown_columns_are_refused(db: Database) -> None:
    async with db.transaction() as tx:
        with pytest.raises(ValueError, match="catalog cannot copy into ordering"):
            await tx.copy_records(OrderingRow, [], columns=COLUMNS)
        with pytest.raises(ValueError, match="has no column colour"):
            await tx.copy_records(ItemRow, [], columns=("id", "colour"))
    with pytest.raises(TransactionError, match="is over"):
        await tx.copy_records(ItemRow, [], columns=COLUMNS)


async def test_no_option_of_a_modules_statement_gets_hold_of_the_driver(db: Database) -> None:
    taken: list[object] = []

    async def send(driver: object) -> str:
        taken.append(driver)
        return ""

    async with db.transaction() as tx:
        for name in ("copy", "_copy"):
            assert await tx.scalar(text("SELECT 1"), execution_options={name: send}) == 1
    assert taken == []


async def test_a_copy_has_the_time_of_a_statement(db: Database) -> None:
    many = ((uuid4(), "me", str(number)) for number in range(1_000_000))
    with pytest.raises(DBAPIError, match="statement timeout"), statements_may_take(0.05):
        async with db.transaction() as tx:
            await tx.copy_records(ItemRow, many, columns=COLUMNS)
    assert await names(db) == []
