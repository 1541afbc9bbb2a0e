"""What tests stand on: nobody's writing is seen by the next test."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.database import development_server, with_database
from app.platform.database.database import Database
from app.platform.database.roles import MigrationError
from app.platform.wiring.wiring import Wired

from ..modules.catalog import Catalog


@pytest.mark.parametrize("name", ["first", "second"])
async def test_the_rows_of_a_test_are_gone_in_the_next(
    name: str, engine: AsyncEngine, wired: Wired
) -> None:
    assert await wired[Catalog].list_items("me", after=None, limit=10) == []
    async with Database(engine, "catalog").transaction() as tx:
        await wired[Catalog].create_item(tx, "me", name)


def test_an_admin_who_may_not_create_databases_is_told_what_is_missing(
    login_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", with_database(login_url, "postgres"))
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    with (
        pytest.raises(MigrationError, match="app_test may not create databases and roles"),
        development_server(),
    ):
        raise AssertionError
