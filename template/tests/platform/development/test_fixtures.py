"""What tests stand on: nobody's writing is seen by the next test."""

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.database import development_server, with_database
from app.modules.catalog import Catalog
from app.platform.database.database import Database
from app.platform.database.roles import MigrationError
from app.platform.settings.settings import Settings
from app.platform.wiring.wiring import Wired

written: list[str] = []


@pytest.mark.parametrize("name", ["first", "second"])
async def test_the_rows_of_a_test_are_gone_in_the_next(
    name: str, settings: Settings, engine: AsyncEngine, wired: Wired
) -> None:
    assert settings.database_url not in written
    assert await wired[Catalog].list_items("me", after=None, limit=10) == []
    async with Database(engine, "catalog").transaction() as tx:
        await wired[Catalog].create_item(tx, "me", name)
    written.append(settings.database_url)


@pytest.mark.parametrize("number", [1, 2])
async def test_a_table_made_in_a_test_is_gone_in_the_next(number: int, settings: Settings) -> None:
    assert settings.database_url not in written
    connection = await asyncpg.connect(settings.admin_url)
    try:
        await connection.execute("CREATE SCHEMA made CREATE UNLOGGED TABLE made (number int)")
        await connection.execute("INSERT INTO made.made VALUES (1)")
    finally:
        await connection.close()
    written.append(settings.database_url)


@pytest.mark.parametrize("number", [1, 2])
async def test_a_database_in_which_a_write_was_undone_is_not_used_again(
    number: int, settings: Settings, engine: AsyncEngine, wired: Wired
) -> None:
    assert settings.database_url not in written
    with pytest.raises(ZeroDivisionError):
        async with Database(engine, "catalog").transaction() as tx:
            await wired[Catalog].create_item(tx, "me", "undone")
            raise ZeroDivisionError
    written.append(settings.database_url)


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
