"""Extensions that modules ask for in their module.toml, made by an admin who is no superuser."""

from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import Integer, literal_column, select, text

from app.development.database import with_database
from app.platform.database.database import Database
from app.platform.database.engine import create_engine
from app.platform.database.fetch import Prepared
from app.platform.database.roles import MigrationError
from app.platform.migrations.migrations import migrate, prepare
from app.platform.settings.settings import Settings
from app.platform.wiring.discovery import discover
from app.platform.wiring.modules import ModuleFolder

from .. import modules
from ..leaving import drop

LOGIN = "app_test"
FOLDERS = discover(modules)
EXISTS = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = $1"


def asking_for(*extensions: str) -> list[ModuleFolder]:
    return [replace(FOLDERS[0], extensions=extensions), *FOLDERS[1:]]


async def test_what_a_module_asks_for_is_found_by_everything_that_runs_as_a_module(
    settings: Settings,
) -> None:
    for _ in range(2):
        await migrate(settings.admin_url, LOGIN, asking_for("citext", "cube", "vector"))
    engine = create_engine(settings)
    same = "'A'::citext = 'a'::text::citext"
    for name in ("catalog", "ordering"):
        db = Database(engine, name)
        async with db.transaction() as tx:
            assert await tx.scalar(text(f"SELECT {same}"))
            async with tx.savepoint():
                assert await tx.scalar(text(f"SELECT {same}"))
            assert await tx.scalar(text("SELECT '(1,2)'::cube @> '(1,2)'::cube"))
            assert await tx.scalar(text("SELECT '[1,2]'::vector <-> '[1,2]'::vector")) == 0
        async with db.read() as reading:
            assert await reading.scalar(text(f"SELECT {same}"))
        statement = Prepared(select(literal_column(f"({same})::int", Integer).label("same")))
        assert await db.fetch_one(statement) == (1,)
    await engine.dispose()


async def test_roles_alone_make_extensions_too_as_a_restore_needs_them(
    admin_url: str, login_url: str
) -> None:
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    url = with_database(admin_url, name)
    await prepare(url, LOGIN, asking_for("citext"))
    empty = await asyncpg.connect(url)
    assert await empty.fetchval(EXISTS, "citext") == "extensions"
    await empty.close()
    await admin.close()
    await drop(admin_url, name)


@pytest.mark.parametrize(
    ("extension", "said"),
    [
        ("nonsense", r"catalog \(module.toml\) needs .* nonsense, which this .* does not bring"),
        (
            "pageinspect",
            'may not create. .* this database: CREATE EXTENSION "pageinspect" SCHEMA',
        ),
    ],
)
async def test_an_extension_that_is_not_to_be_had_is_named(
    settings: Settings, extension: str, said: str
) -> None:
    with pytest.raises(MigrationError, match=said):
        await migrate(settings.admin_url, LOGIN, asking_for(extension))


async def test_an_extension_in_another_schema_is_named_with_what_moves_it(
    settings: Settings,
) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute("CREATE SCHEMA elsewhere; CREATE EXTENSION citext SCHEMA elsewhere")
    await admin.close()
    with pytest.raises(MigrationError, match=r"stands in the schema elsewhere.* SET SCHEMA ext"):
        await migrate(settings.admin_url, LOGIN, asking_for("citext"))


async def test_modules_make_nothing_in_the_schema_of_extensions(settings: Settings) -> None:
    await migrate(settings.admin_url, LOGIN, asking_for("citext"))
    admin = await asyncpg.connect(settings.admin_url)
    for role in ("catalog", "catalog__owner", "ordering"):
        rights = "SELECT has_schema_privilege($1, 'extensions', $2)"
        assert await admin.fetchval(rights, f"{LOGIN}__{role}", "USAGE")
        assert not await admin.fetchval(rights, f"{LOGIN}__{role}", "CREATE")
    await admin.close()
