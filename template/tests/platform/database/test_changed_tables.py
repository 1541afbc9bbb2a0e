"""A table changes under statements that are prepared on connections of the pool."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import NotSupportedError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.modules.catalog.tables import ItemRow
from app.platform.database.database import Database
from app.platform.database.engine import create_engine
from app.platform.database.fetch import Prepared
from app.platform.settings.settings import Settings

OWNER = "app_test__catalog__owner"
PREPARED = Prepared(select(ItemRow.id, ItemRow.name))


@pytest.fixture
async def one(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """A pool of one connection, on which everything is prepared."""
    engine = create_engine(settings.model_copy(update={"database_pool_size": 1}))
    yield engine
    await engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "ADD added text",
        "ADD added int NOT NULL DEFAULT 7",
        "DROP COLUMN dropped",
        "ALTER dropped DROP NOT NULL",
        "ADD CONSTRAINT ck CHECK (name <> '') NOT VALID",
        "ALTER name SET STATISTICS 7",
    ],
)
async def test_statements_that_name_their_columns_go_on(
    settings: Settings, one: AsyncEngine, change: str
) -> None:
    db = Database(one, "catalog")
    owner = await asyncpg.connect(settings.admin_url)
    await owner.execute(f"SET ROLE {OWNER}; ALTER TABLE catalog.items ADD dropped text DEFAULT ''")

    async def use() -> None:
        async with db.transaction() as tx:
            tx.add(ItemRow(owner="me", name=uuid4().hex))
        async with db.read() as reading:
            (await reading.scalars(select(ItemRow))).all()
        await db.fetch(PREPARED)

    for _ in range(2):
        await use()
    await owner.execute(f"ALTER TABLE catalog.items {change}")
    await owner.close()
    await use()


async def test_a_star_fails_once_on_each_connection(settings: Settings, one: AsyncEngine) -> None:
    """Which is why docs/postgres.md says to name the columns."""
    db = Database(one, "catalog")

    async def star() -> None:
        async with db.transaction() as tx:
            (await tx.execute(text("SELECT * FROM catalog.items"))).all()

    await star()
    owner = await asyncpg.connect(settings.admin_url)
    await owner.execute(f"SET ROLE {OWNER}; ALTER TABLE catalog.items ADD added text")
    await owner.close()
    with pytest.raises(NotSupportedError, match="cached statement plan is invalid"):
        await star()
    await star()
