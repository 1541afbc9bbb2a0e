"""Schemas, roles and migrations, by an admin who is no superuser."""

import asyncio
import os
import shutil
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.development.database import create_login, with_database
from app.platform.database.database import Database
from app.platform.database.errors import BoundaryError
from app.platform.database.roles import MigrationError
from app.platform.database.sides import Side
from app.platform.migrations.migrations import migrate, pending_migrations
from app.platform.settings.settings import Settings
from app.platform.wiring.discovery import discover
from app.platform.wiring.modules import ModuleFolder

from .. import modules
from ..moving import gates_in

FOLDERS = discover(modules)
CLI = (
    "import app; from tests.platform import modules; app.modules = modules\n"
    "from app.cli import main; main()"
)
"""The command `app`, on these modules."""
LOGIN = "app_test"
QUEUE = f"queue pgqueuer-{version('pgqueuer')}.1"
OWN = ["requests 0001", "requests 0002", QUEUE]
"""The platform's own."""


@pytest.fixture
async def empty(admin_url: str, login_url: str) -> str:
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(admin_url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return with_database(admin_url, name)


async def test_the_admin_of_these_tests_is_no_superuser(admin_url: str) -> None:
    connection = await asyncpg.connect(admin_url)
    row = await connection.fetchrow(
        "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    assert row is not None
    assert tuple(row) == (False, True)
    await connection.close()


async def test_a_first_run_applies_everything_and_a_second_nothing(empty: str) -> None:
    assert await migrate(empty, LOGIN, FOLDERS) == ["catalog 0001", "ordering 0001", *OWN]
    assert await migrate(empty, LOGIN, FOLDERS) == []


async def test_of_two_runs_at_once_one_waits(empty: str) -> None:
    runs = await asyncio.gather(migrate(empty, LOGIN, FOLDERS), migrate(empty, LOGIN, FOLDERS))
    assert sorted(map(len, runs)) == [0, len([*FOLDERS, *OWN])]


async def test_a_module_owns_its_schema(empty: str) -> None:
    await migrate(empty, LOGIN, FOLDERS)
    connection = await asyncpg.connect(empty)
    owners = await connection.fetch(
        "SELECT nspname, nspowner::regrole::text FROM pg_namespace WHERE nspname IN ('catalog', 'ordering') ORDER BY 1"
    )
    assert [tuple(each) for each in owners] == [
        ("catalog", "app_test__catalog__owner"),
        ("ordering", "app_test__ordering__owner"),
    ]
    await connection.close()


async def test_a_module_writes_its_tables_but_not_its_version(engine: AsyncEngine) -> None:
    async with Database(engine, "catalog").transaction() as tx:
        for table, may in (("items", True), ("alembic_version", False)):
            allowed = f"SELECT has_table_privilege('catalog.{table}', 'INSERT')"
            assert await tx.scalar(text(allowed)) is may


async def test_a_database_without_schemas_waits_for_every_module(
    empty: str, settings: Settings, engine: AsyncEngine
) -> None:
    async with engine.connect() as connection:
        assert await pending_migrations(connection, FOLDERS) == []
        await connection.rollback()
        new = replace(FOLDERS[0], name="catalogue")
        assert await pending_migrations(connection, [new, *FOLDERS]) == ["catalogue"]


async def test_a_database_ahead_of_the_code_waits_for_nothing(
    settings: Settings, engine: AsyncEngine
) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(
        "SET ROLE app_test__catalog__owner; UPDATE catalog.alembic_version SET version_num = '0009'"
    )
    await admin.close()
    async with engine.connect() as connection:
        assert await pending_migrations(connection, FOLDERS) == []


@pytest.mark.parametrize(
    ("installed", "applied"),
    [("NULL", [QUEUE]), ("'pgqueuer-1.0'", [QUEUE]), ("'pgqueuer-99.0'", [])],
)
async def test_the_queue_is_brought_up_to_date_and_never_back(
    settings: Settings, engine: AsyncEngine, installed: str, applied: list[str]
) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(
        "SET ROLE app_test__queue__owner; DROP INDEX queue.pgqueuer_ep_ea_idx;"
        f"COMMENT ON SCHEMA queue IS {installed}"
    )
    await admin.close()
    async with engine.connect() as connection:
        assert await pending_migrations(connection, FOLDERS) == [each[:5] for each in applied]
    assert await migrate(settings.admin_url, LOGIN, FOLDERS) == applied
    assert await migrate(settings.admin_url, LOGIN, FOLDERS) == []
    async with Database(engine, "queue").transaction() as tx:
        index = await tx.scalar(text("SELECT to_regclass('queue.pgqueuer_ep_ea_idx')::text"))
    assert (index is not None) == bool(applied)


async def test_a_queue_beside_the_main_one_numbers_its_jobs_apart(moving: Settings) -> None:
    url = moving.own_migration_database_url
    assert url
    own = await asyncpg.connect(url)
    number = "SELECT nextval('queue.pgqueuer_id_seq')"
    assert await own.fetchval(number) == 1
    async with gates_in({Side.OWN: (url, url)}):
        assert await migrate(url, LOGIN, FOLDERS, own=moving.modules) == []
        first = await own.fetchval(number)
        assert first > 1_000_000_000_000
        assert await migrate(url, LOGIN, FOLDERS, own=moving.modules) == []
        assert await own.fetchval(number) == first + 1
    await own.close()


async def test_a_missing_login_is_named_with_the_remedy(empty: str) -> None:
    with pytest.raises(MigrationError, match='CREATE ROLE "nobody" LOGIN NOINHERIT'):
        await migrate(empty, "nobody", FOLDERS)


async def test_a_login_that_would_inherit_is_refused_where_postgres_cannot_limit_the_grant(
    empty: str, admin_url: str
) -> None:
    connection = await asyncpg.connect(admin_url)
    name = f"heir_{uuid4().hex[:8]}"
    await connection.execute(f"CREATE ROLE {name} LOGIN INHERIT")
    if connection.get_server_version() >= (16,):
        await migrate(empty, name, FOLDERS[:1])
        owner = await asyncpg.connect(empty)
        assert not await owner.fetchval(f"SELECT pg_has_role('{name}', '{name}__catalog', 'USAGE')")
        assert await owner.fetchval(f"SELECT pg_has_role('{name}', '{name}__catalog', 'SET')")
        await owner.close()
    else:
        with pytest.raises(MigrationError, match=f'ALTER ROLE "{name}" NOINHERIT'):
            await migrate(empty, name, FOLDERS[:1])
    await connection.close()


async def test_a_database_of_another_login_is_refused(empty: str, admin_url: str) -> None:
    await migrate(empty, LOGIN, FOLDERS)
    await create_login(admin_url, "app_other")
    with pytest.raises(MigrationError, match="migrated for another login"):
        await migrate(empty, "app_other", FOLDERS)


async def test_a_role_name_that_postgres_would_cut_off_is_refused(
    empty: str, admin_url: str
) -> None:
    login = "l" * 50
    await create_login(admin_url, login)
    with pytest.raises(MigrationError, match="more than 63 bytes"):
        await migrate(empty, login, FOLDERS)


async def test_a_migration_cannot_touch_another_modules_schema(empty: str) -> None:
    await migrate(empty, LOGIN, FOLDERS)
    connection = await asyncpg.connect(empty)
    await connection.execute("SET ROLE app_test__ordering__owner")
    for statement in ("DROP TABLE catalog.items", "CREATE TABLE catalog.mine (id int)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_no_module_may_write_into_the_public_schema(engine: AsyncEngine) -> None:
    with pytest.raises(BoundaryError, match="catalog may not touch the schema public"):
        async with Database(engine, "catalog").transaction() as tx:
            await tx.execute(text("CREATE TABLE public.mine (id int)"))


async def test_migrations_of_two_branches_both_run(empty: str, tmp_path: Path) -> None:
    folder = with_migrations(tmp_path, a="a int", b="b int")
    applied = await migrate(empty, LOGIN, [folder])
    assert sorted(applied) == ["catalog 0001", "catalog a", "catalog b", *sorted(OWN)]
    assert await migrate(empty, LOGIN, [folder]) == []


async def test_a_failing_migration_is_named_and_leaves_its_module_as_it_was(
    empty: str, tmp_path: Path
) -> None:
    with pytest.raises(
        MigrationError, match=r"migrations failed and was undone: .*nonsense.*does not exist"
    ):
        await migrate(empty, LOGIN, [with_migrations(tmp_path, a="a nonsense")])
    assert await migrate(empty, LOGIN, FOLDERS) == ["catalog 0001", "ordering 0001", *OWN]


async def test_a_database_with_a_migration_that_the_code_lacks_is_named(
    empty: str, tmp_path: Path
) -> None:
    await migrate(empty, LOGIN, [with_migrations(tmp_path, a="a int")])
    with pytest.raises(
        MigrationError, match="ahead of this code: catalog has had the migration a,"
    ):
        await migrate(empty, LOGIN, FOLDERS)
    assert await migrate(empty, LOGIN, [with_migrations(tmp_path / "again", a="a int")]) == []


async def test_a_deployment_of_the_release_before_succeeds_where_a_developer_is_told(
    settings: Settings,
) -> None:
    admin = await asyncpg.connect(settings.admin_url)
    await admin.execute(
        f"SET ROLE {LOGIN}__catalog__owner; UPDATE catalog.alembic_version SET version_num = 'new'"
    )
    await admin.close()
    urls = {"DATABASE_URL": settings.database_url, "MIGRATION_DATABASE_URL": settings.admin_url}
    ended = []
    for options in [(), ("--unless-ahead",)]:
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLI, "migrate", *options),
            env={**os.environ, **urls},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await run.communicate()
        ended.append((run.returncode, said.decode().partition(" is ahead of this code")[0]))
    assert ended == [(1, "app: The database"), (0, "Warning: The database")]


async def test_runs_that_create_the_same_roles_at_once_all_succeed(admin_url: str) -> None:
    login_url = await create_login(admin_url, f"new_{uuid4().hex[:8]}")
    connection = await asyncpg.connect(admin_url)
    runs = []
    for _ in range(4):
        name = f"test_{uuid4().hex}"
        await connection.execute(f"CREATE DATABASE {name}")
        urls = {
            "DATABASE_URL": with_database(login_url, name),
            "MIGRATION_DATABASE_URL": with_database(admin_url, name),
        }
        command = (sys.executable, "-c", CLI, "migrate")
        runs.append(await asyncio.create_subprocess_exec(*command, env={**os.environ, **urls}))
    await connection.close()
    assert [await run.wait() for run in runs] == [0] * 4


def with_migrations(tmp_path: Path, **columns: str) -> ModuleFolder:
    """The module catalog with more migrations, each of which adds a column after 0001."""
    catalog = FOLDERS[0]
    shutil.copytree(catalog.path / "migrations", tmp_path / "migrations")
    for name, column in columns.items():
        (tmp_path / f"migrations/{name}.py").write_text(
            f"from alembic import op\nrevision = {name!r}\ndown_revision = '0001'\n"
            f"def upgrade():\n    op.execute('ALTER TABLE catalog.items ADD {column}')\n"
        )
    return replace(catalog, path=tmp_path)


async def test_public_stays_with_others_who_use_the_database_but_nobody_creates_in_it(
    empty: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await asyncpg.connect(empty)
    await connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    await migrate(empty, LOGIN, FOLDERS)
    assert "GRANT CREATE ON SCHEMA public TO" in caplog.text
    caplog.clear()
    await migrate(empty, LOGIN, FOLDERS)
    assert "public" not in caplog.text
    rights = [
        await connection.fetchval(f"SELECT has_schema_privilege('public', 'public', '{right}')")
        for right in ("USAGE", "CREATE")
    ]
    assert rights == [True, False]
    await connection.close()
