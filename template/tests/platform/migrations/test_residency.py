"""Which modules a database has, where one of them has moved."""

from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest
from sqlalchemy import text

from app.development.database import with_database
from app.platform.database import close, create_engine, Database, fence, INSTALL, MigrationError
from app.platform.database.errors import ClosedError
from app.platform.migrations import is_migrated, migrate, pending_migrations
from app.platform.settings import Settings
from app.platform.wiring import ModuleFolder, Move

from ..leaving import drop

pytestmark = pytest.mark.anyio
LOGIN = "app_test"
SCHEMAS = "SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|info|public)'"


async def ask(url: str, statement: str) -> object:
    session = await asyncpg.connect(url)
    try:
        return await session.fetchval(statement)
    finally:
        await session.close()


@pytest.fixture
async def own_url(admin_url: str) -> AsyncIterator[str]:
    await ask(admin_url, "CREATE DATABASE own_of_catalog")
    try:
        yield with_database(admin_url, "own_of_catalog")
    finally:
        await drop(admin_url, "own_of_catalog")


async def test_the_own_database_has_its_module_alone_closed_until_it_is_moved(
    own_url: str, settings: Settings, folders: list[ModuleFolder]
) -> None:
    applied = await migrate(own_url, LOGIN, folders, own="catalog")
    assert {each.split()[0] for each in applied} == {"catalog", "requests", "queue"}
    assert await migrate(own_url, LOGIN, folders, own="catalog") == []
    schemas = str(await ask(own_url, SCHEMAS)).split()
    assert {"carving", "catalog", "queue", "requests"} <= set(schemas)
    assert "ordering" not in schemas
    assert await ask(own_url, "SELECT state || is_own FROM carving.gates") == "closedtrue"
    with pytest.raises(asyncpg.PostgresError, match="are not written in this database"):
        await ask(own_url, "DELETE FROM catalog.items")
    url = with_database(settings.database_url, "own_of_catalog")
    engine = create_engine(settings.model_copy(update={"database_url": url}))
    assert await is_migrated(engine, folders)
    async with engine.connect() as connection:
        assert await pending_migrations(connection, folders) == []
    await close(engine)


async def test_a_table_that_a_migration_makes_in_a_closed_database_is_fenced(
    own_url: str, folders: list[ModuleFolder]
) -> None:
    await migrate(own_url, LOGIN, folders, own="catalog")
    await ask(own_url, "CREATE TABLE catalog.later (id int)")
    await migrate(own_url, LOGIN, folders, own="catalog")
    with pytest.raises(asyncpg.PostgresError, match=r"catalog\.later"):
        await ask(own_url, "INSERT INTO catalog.later VALUES (1)")


async def test_the_main_database_is_left_without_what_has_moved(
    admin_url: str, folders: list[ModuleFolder]
) -> None:
    await ask(admin_url, "CREATE DATABASE main_without")
    url = with_database(admin_url, "main_without")
    try:
        await migrate(url, LOGIN, [each for each in folders if each.name != "catalog"])
        await migrate(url, LOGIN, folders)
        await ask(url, "DROP SCHEMA catalog CASCADE")
        await ask(url, "CREATE SCHEMA carving")
        await ask(
            url,
            "CREATE TABLE carving.gates AS SELECT 'catalog' AS module, 'away' AS state, false AS is_own",
        )
        assert await migrate(url, LOGIN, folders) == []
        assert await ask(url, "SELECT to_regnamespace('catalog')::text") is None
    finally:
        await drop(admin_url, "main_without")


@pytest.mark.parametrize(
    "what",
    [
        "INSERT INTO carving.gates (module, state, is_own) VALUES ('catalog', 'closed', false)",
        "CREATE PUBLICATION carving_catalog FOR TABLE catalog.items",
    ],
)
async def test_what_moves_is_neither_renamed_nor_removed(
    admin_url: str, folders: list[ModuleFolder], what: str
) -> None:
    await ask(admin_url, "CREATE DATABASE main_of_all")
    url = with_database(admin_url, "main_of_all")
    day = date(2026, 11, 30)
    rename = Move("rename", "catalog", day, "goods")
    others = [each for each in folders if each.name != "catalog"]
    try:
        await migrate(url, LOGIN, folders)
        await ask(url, INSTALL)
        await ask(url, what)
        for move in (rename, Move("remove", "catalog", day)):
            with pytest.raises(MigrationError, match=r"moved.toml re.*s catalog, .* home first"):
                await migrate(url, LOGIN, others, [move])
        assert await ask(url, "SELECT count(*) FROM catalog.items") == 0
        await ask(url, "DROP PUBLICATION IF EXISTS carving_catalog")
        await ask(url, "UPDATE carving.gates SET state = 'open'")
        await migrate(url, LOGIN, others, [rename])
    finally:
        await drop(admin_url, "main_of_all")


async def test_who_knows_one_database_alone_goes_on_when_a_module_has_left_it(
    admin_url: str, settings: Settings, folders: list[ModuleFolder]
) -> None:
    await ask(admin_url, "CREATE DATABASE main_left")
    url = with_database(admin_url, "main_left")
    try:
        await migrate(url, LOGIN, folders)
        for statement in (
            INSTALL,
            "INSERT INTO carving.gates (module, state, is_own) VALUES ('catalog', 'closed', false)",
            fence("catalog"),
        ):
            await ask(url, statement)
        left = with_database(settings.database_url, "main_left")
        engine = create_engine(settings.model_copy(update={"database_url": left}))
        try:
            async with engine.connect() as connection:
                assert await pending_migrations(connection, folders) == []
            with pytest.raises(ClosedError, match="The data of catalog are in another database"):
                async with Database(engine, "catalog").transaction() as tx:
                    await tx.scalar(text("SELECT count(*) FROM catalog.items"))
        finally:
            await close(engine)
    finally:
        await drop(admin_url, "main_left")


async def test_one_database_is_not_taken_for_another(
    own_url: str, settings: Settings, folders: list[ModuleFolder]
) -> None:
    with pytest.raises(MigrationError, match="in which all modules live"):
        await migrate(settings.admin_url, LOGIN, folders, own="catalog")
    await migrate(own_url, LOGIN, folders, own="catalog")
    with pytest.raises(MigrationError, match="is the own one of catalog"):
        await migrate(own_url, LOGIN, folders)
    with pytest.raises(MigrationError, match="names the own database of catalog"):
        await migrate(own_url, LOGIN, folders, own="ordering")
    with pytest.raises(MigrationError, match="which is no module"):
        await migrate(own_url, LOGIN, folders, own="nothing")


async def test_the_login_that_names_roles_is_made_where_it_is_missing(
    own_url: str, folders: list[ModuleFolder]
) -> None:
    try:
        await migrate(own_url, "elsewhere", folders, own="catalog")
        may_log_in = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'elsewhere'"
        assert await ask(own_url, may_log_in) is False
        with pytest.raises(MigrationError, match=r'login "nobody" .* does not exist. Create it'):
            await migrate(
                own_url, "elsewhere", folders, services=[("catalog", "nobody")], own="catalog"
            )
    finally:
        roles = await ask(
            own_url,
            "SELECT string_agg(rolname, ', ') FROM pg_roles WHERE starts_with(rolname, 'elsewhere')",
        )
        await ask(own_url, f"GRANT {roles} TO CURRENT_USER WITH INHERIT TRUE")
        await ask(own_url, f"REASSIGN OWNED BY {roles} TO CURRENT_USER")
        await ask(own_url, f"DROP OWNED BY {roles}")
        await ask(own_url, f"DROP ROLE {roles}")
