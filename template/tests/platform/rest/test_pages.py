"""A list, page by page, as it is asked for."""

from datetime import datetime
from typing import Literal

import pytest
from pydantic import AwareDatetime, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database.database import Database
from app.platform.rest.pages import Page, PageQuery, UnknownCursor

from ..modules.catalog.tables import ItemRow


class ItemQuery(PageQuery):
    name: str | None = None
    created_at_from: AwareDatetime | None = None
    created_at_before: AwareDatetime | None = None
    sort: Literal["name", "-name", "created_at"] | None = None


@pytest.fixture
async def db(engine: AsyncEngine) -> Database:
    """Five items, of which some are made at one time."""
    db = Database(engine, "catalog")
    for names in ("cab", "ed"):
        async with db.transaction() as tx:
            tx.add_all([ItemRow(owner="ada", name=name) for name in names])
    return db


async def ask(db: Database, query: ItemQuery) -> Page[str]:
    async with db.read() as reading:
        return await query.page(reading, select(ItemRow), lambda row: row.name)


async def walk(db: Database, query: ItemQuery) -> str:
    names = ""
    while True:
        page = await ask(db, query)
        assert len(page.items) <= query.limit
        names += "".join(page.items)
        if page.next is None:
            return names
        query = query.model_copy(update={"after": page.next})


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_every_row_is_on_one_page(db: Database, limit: int) -> None:
    assert await walk(db, ItemQuery(limit=limit)) == "cabed"
    assert await walk(db, ItemQuery(limit=limit, sort="name")) == "abcde"
    assert await walk(db, ItemQuery(limit=limit, sort="-name")) == "edcba"
    assert await walk(db, ItemQuery(limit=limit, sort="created_at")) == "cabed"


async def test_what_is_added_meanwhile_moves_no_page(db: Database) -> None:
    first = await ask(db, ItemQuery(limit=3, sort="name"))
    async with db.transaction() as tx:
        tx.add_all([ItemRow(owner="ada", name=name) for name in ("aa", "cc")])
    rest = await ask(db, ItemQuery(sort="name", after=first.next))
    assert first.items + rest.items == ["a", "b", "c", "cc", "d", "e"]


async def test_a_field_filters_by_its_column(db: Database) -> None:
    assert await walk(db, ItemQuery(name="c")) == "c"
    async with db.read() as reading:
        late = await reading.scalar(select(ItemRow.created_at).where(ItemRow.name == "e"))
    assert await walk(db, ItemQuery(created_at_from=late)) == "ed"
    assert await walk(db, ItemQuery(created_at_before=late)) == "cab"
    assert await walk(db, ItemQuery(created_at_before=late, name="e")) == ""


async def test_a_cursor_is_of_one_order(db: Database) -> None:
    page = await ask(db, ItemQuery(limit=1, sort="name"))
    for sort in (None, "-name", "created_at"):
        with pytest.raises(UnknownCursor):
            await ask(db, ItemQuery.model_validate({"after": page.next, "sort": sort}))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 101}, {"names": "a"}, {"sort": "id"}])
def test_what_a_list_does_not_know_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ItemQuery.model_validate(wrong)


def test_a_time_has_a_zone() -> None:
    with pytest.raises(ValidationError):
        ItemQuery(created_at_from=datetime(2030, 1, 1))
