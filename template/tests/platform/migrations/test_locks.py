"""Migrations that wait, give up, are killed, or leave something behind: real sessions, real locks."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import make_url

from app.main import create_app
from app.platform.database.roles import MigrationError
from app.platform.migrations import locks as migration_locks
from app.platform.migrations.migrations import migrate
from app.platform.settings.settings import Settings
from app.platform.wiring.discovery import discover
from app.platform.wiring.modules import ModuleFolder

from .. import modules

CATALOG, ORDERING = discover(modules)
LOGIN = "app_test"
OWNER = "app_test__catalog__owner"
ADD_COLUMN = "op.execute('ALTER TABLE catalog.items ADD note text')"
BUILD = """with op.get_context().autocommit_block():
        op.create_index("ix_name", "items", ["name"], schema="catalog", unique=True,
            if_not_exists=True, postgresql_concurrently=True)"""
DOUBLES = (
    "ALTER TABLE catalog.items DROP CONSTRAINT uq_items_owner_name;"
    "INSERT INTO catalog.items SELECT gen_random_uuid(), 'me', 'tea' FROM generate_series(1, 2)"
)


@pytest.fixture
def migrated(settings: Settings) -> str:
    """A database in which every module is migrated, as the admin reaches it."""
    return settings.admin_url


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for tenths of a second where a deployment would wait for seconds."""
    monkeypatch.setattr(migration_locks, "_SET_LOCK_TIMEOUT", "SET lock_timeout = '300ms'")
    monkeypatch.setattr(migration_locks, "_PAUSES", (0.1, 0.1))
    monkeypatch.setattr(migration_locks, "_LOOK", 0.05)


def with_migration(tmp_path: Path, body: str, module: ModuleFolder = CATALOG) -> ModuleFolder:
    """A module with one migration more."""
    migrations = tmp_path / module.name / "migrations"
    shutil.copytree(module.path / "migrations", migrations)
    (migrations / "0002.py").write_text(
        "from alembic import op\nrevision = '0002'\ndown_revision = '0001'\n"
        f"def upgrade():\n    {body}\n"
    )
    return replace(module, path=tmp_path / module.name)


@asynccontextmanager
async def session(url: str, *statements: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else's open transaction, as the owner of the catalog's tables."""
    about = {"application_name": "psql of ada"}
    connection = await asyncpg.connect(url, server_settings=about)
    try:
        await connection.execute(f"BEGIN; SET LOCAL ROLE {OWNER}; {';'.join(statements)}")
        yield connection
    finally:
        await connection.close()


async def fetch(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until(url: str, condition: str) -> None:
    async with asyncio.timeout(60):
        while not await fetch(url, f"SELECT {condition}"):
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("impatient")
async def test_whoever_keeps_a_lock_is_named_and_nobody_waits_behind_the_migration(
    migrated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = with_migration(tmp_path, ADD_COLUMN)
    async with session(migrated, "SELECT FROM catalog.items") as blocker:
        pid = blocker.get_server_pid()
        with pytest.raises(
            MigrationError,
            match=rf"migrations of catalog need a lock that is held by pid {pid} \(\w+, psql of ada,"
            r" idle in transaction since \d\d:\d\d:\d\d UTC\)\. They were tried 3 times",
        ):
            await migrate(migrated, LOGIN, [catalog, ORDERING])
        assert "Gave up for now" in caplog.text
    assert await migrate(migrated, LOGIN, [catalog, ORDERING]) == ["catalog 0002"]


@pytest.mark.usefixtures("impatient")
async def test_whoever_was_seen_is_named_although_the_last_look_came_too_late(
    migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, seen = migration_locks.Patience._look, list[bool]()

    async def look_until_seen(patience: Any, watcher: asyncpg.Connection, pid: int) -> None:
        if not seen:
            await look(patience, watcher, pid)
            seen.extend([True] if patience._blockers else [])

    monkeypatch.setattr(migration_locks.Patience, "_look", look_until_seen)
    async with session(migrated, "SELECT FROM catalog.items") as blocker:
        held = rf"a lock that is held by pid {blocker.get_server_pid()} "
        with pytest.raises(MigrationError, match=held):
            await migrate(migrated, LOGIN, [with_migration(tmp_path, ADD_COLUMN), ORDERING])


@pytest.mark.usefixtures("impatient")
async def test_readers_pass_while_a_migration_waits_for_a_lock(
    migrated: str, tmp_path: Path
) -> None:
    catalog = with_migration(tmp_path, ADD_COLUMN)
    slowest = 0.0
    async with session(migrated, "SELECT FROM catalog.items"), session(migrated) as reader:
        migrating = asyncio.ensure_future(migrate(migrated, LOGIN, [catalog]))
        while not migrating.done():
            since = asyncio.get_running_loop().time()
            await reader.execute(f"COMMIT; BEGIN; SET LOCAL ROLE {OWNER}; TABLE catalog.items")
            await reader.execute("COMMIT; BEGIN")
            slowest = max(slowest, asyncio.get_running_loop().time() - since)
            await asyncio.sleep(0.01)
        assert isinstance(migrating.exception(), MigrationError)
    assert 0.05 < slowest < 20  # It waited behind the migration, and was let go.


@pytest.mark.usefixtures("impatient")
async def test_a_lock_that_is_given_back_in_time_is_waited_for(
    migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_locks, "_PAUSES", (0.1,) * 50)
    catalog = with_migration(tmp_path, ADD_COLUMN)
    async with session(migrated, "SELECT FROM catalog.items") as blocker:
        migrating = asyncio.ensure_future(migrate(migrated, LOGIN, [catalog]))
        await asyncio.sleep(0.6)
        await blocker.execute("COMMIT")
        assert await migrating == ["catalog 0002"]


async def test_of_two_runs_at_once_the_one_that_waits_says_for_whom(
    migrated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = with_migration(tmp_path, "op.execute('SELECT pg_sleep(1)')")
    runs = await asyncio.gather(*(migrate(migrated, LOGIN, [catalog]) for _ in range(2)))
    assert sorted(runs) == [[], ["catalog 0002"]]
    waits = [each for each in caplog.messages if "Another migration runs: pid" in each]
    assert len(waits) == 1
    assert "app migrate" in waits[0]


async def test_a_killed_run_keeps_what_it_has_done_and_the_next_one_ends_it(
    migrated: str, tmp_path: Path
) -> None:
    catalog = with_migration(tmp_path, ADD_COLUMN)
    body = "op.execute('CREATE TABLE ordering.half (id int)')\n    {}"
    slow = with_migration(
        tmp_path / "a", body.format("op.execute('SELECT pg_sleep(600)')"), ORDERING
    )
    program = (
        "import asyncio, sys; from pathlib import Path; from dataclasses import replace\n"
        "from tests.platform import modules; from app.platform.wiring.discovery import discover\n"
        "from app.platform.migrations.migrations import migrate\n"
        "folders = [replace(f, path=Path(p)) for f, p in zip(discover(modules), sys.argv[2:])]\n"
        f"asyncio.run(migrate(sys.argv[1], {LOGIN!r}, folders))"
    )
    paths = (str(catalog.path), str(slow.path))
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", program, migrated, *paths)
    await until(
        migrated,
        "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND"
        " datname = current_database() AND pid <> pg_backend_pid())",
    )
    os.kill(run.pid, signal.SIGKILL)
    await run.wait()
    half = "SELECT count(*) FROM pg_tables WHERE tablename = 'half'"
    await until(migrated, f"({half}) = 0")
    whole = with_migration(tmp_path / "b", body.format("pass"), ORDERING)
    async with asyncio.timeout(60):  # Not the minutes that the killed one would have slept.
        assert await migrate(migrated, LOGIN, [catalog, whole]) == ["ordering 0002"]
    assert await migrate(migrated, LOGIN, [catalog, whole]) == []


@pytest.mark.usefixtures("impatient")
async def test_an_index_is_built_beside_a_long_transaction(migrated: str, tmp_path: Path) -> None:
    """It waits for the transaction longer than anything else may, since nobody waits for it; and
    another migration that waits for its turn is not among those for whom it waits."""
    catalog = with_migration(tmp_path, BUILD)
    async with session(
        migrated, "INSERT INTO catalog.items VALUES (gen_random_uuid(), 'me', 'tea')"
    ):
        runs = [asyncio.ensure_future(migrate(migrated, LOGIN, [catalog])) for _ in range(2)]
        await asyncio.sleep(1.5)
        assert not any(run.done() for run in runs)
        async with session(migrated) as writer:
            await writer.execute(
                "INSERT INTO catalog.items VALUES (gen_random_uuid(), 'me', 'pot')"
            )
    assert sorted([await run for run in runs]) == [[], ["catalog 0002"]]


async def test_an_index_that_failed_is_told_and_built_again(
    migrated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = with_migration(tmp_path, BUILD)
    async with session(migrated, DOUBLES, "COMMIT"):
        pass
    valid = "SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = 'ix_name'"
    with pytest.raises(MigrationError, match=r"could not create unique index \"ix_name\""):
        await migrate(migrated, LOGIN, [catalog])
    assert await fetch(migrated, valid) is False
    async with session(migrated, "TRUNCATE catalog.items", "COMMIT"):
        pass
    assert await migrate(migrated, LOGIN, [catalog]) == ["catalog 0002"]
    assert "Dropped the index catalog.ix_name, which was never completed." in caplog.text
    assert await fetch(migrated, valid) is True


@pytest.mark.usefixtures("impatient")
async def test_an_index_that_somebody_is_building_is_waited_for_and_kept(
    migrated: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = with_migration(tmp_path, BUILD)
    built = "SELECT oid FROM pg_class WHERE relname = 'ix_name'"
    async with session(migrated, "COMMIT") as dba:
        await dba.execute(f"SET ROLE {OWNER}")
        async with session(
            migrated, "INSERT INTO catalog.items VALUES (gen_random_uuid(), 'me', 'tea')"
        ):
            index = "CREATE UNIQUE INDEX CONCURRENTLY ix_name ON catalog.items (name)"
            building = asyncio.ensure_future(dba.execute(index))
            await until(migrated, f"EXISTS ({built})")
            begun = await fetch(migrated, built)
            migrating = asyncio.ensure_future(migrate(migrated, LOGIN, [catalog]))
            await asyncio.sleep(1.5)
            assert not migrating.done()
        await building
        assert await migrating == ["catalog 0002"]
    assert await fetch(migrated, built) == begun
    assert "Dropped" not in caplog.text


async def test_an_invalid_index_that_no_migration_builds_is_told(
    migrated: str, caplog: pytest.LogCaptureFixture
) -> None:
    index = "CREATE UNIQUE INDEX CONCURRENTLY mine ON catalog.items (name)"
    async with session(migrated, DOUBLES, "COMMIT") as dba:
        await dba.execute(f"SET ROLE {OWNER}")
        with pytest.raises(asyncpg.UniqueViolationError):
            await dba.execute(index)
    assert await migrate(migrated, LOGIN, [CATALOG, ORDERING]) == []
    assert "The index catalog.mine is invalid." in caplog.text


async def test_what_takes_too_long_is_said_to_have_done_so(migrated: str, tmp_path: Path) -> None:
    slow = "op.execute(\"SET LOCAL statement_timeout = '50ms'\"); op.execute('SELECT pg_sleep(5)')"
    with pytest.raises(MigrationError, match=r"statement timeout.* move large data in a job"):
        await migrate(migrated, LOGIN, [with_migration(tmp_path, slow)])


async def test_a_connection_that_breaks_is_one_sentence(migrated: str, tmp_path: Path) -> None:
    end = "op.execute('SELECT pg_terminate_backend(pg_backend_pid())')"
    with pytest.raises(MigrationError, match=r"A migration in .* failed"):
        await migrate(migrated, LOGIN, [with_migration(tmp_path, end)])
    assert await migrate(migrated, LOGIN, [CATALOG, ORDERING]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"port": 1}, "Cannot connect as .* 127.0.0.1: .*MIGRATION_DATABASE_URL"),
        ({"password": "wrong"}, "Cannot connect as .* password authentication failed"),
        ({"database": "nowhere"}, 'Cannot connect as .*"nowhere" does not exist'),
    ],
)
async def test_a_server_that_cannot_be_reached_is_named(
    migrated: str, change: dict[str, object], said: str
) -> None:
    url = make_url(migrated)
    wrong = url.set(**change).render_as_string(hide_password=False)  # type: ignore[arg-type]
    with pytest.raises(MigrationError, match=said) as refused:
        await migrate(wrong, LOGIN, [CATALOG, ORDERING])
    assert str(url.password) not in str(refused.value)


async def test_an_admin_without_createrole_is_told_what_is_missing(migrated: str) -> None:
    connection = await asyncpg.connect(migrated)
    name, secret = "admin_without_createrole", "s" * 20
    await connection.execute(f"DROP ROLE IF EXISTS {name}")
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{secret}'")
    await connection.close()
    url = make_url(migrated).set(username=name, password=secret)
    poor = url.render_as_string(hide_password=False)
    with pytest.raises(MigrationError, match="The admin needs CREATEROLE"):
        await migrate(poor, LOGIN, [CATALOG, ORDERING])


async def test_the_release_before_serves_on_a_database_that_is_ahead(
    settings: Settings, bearer: Callable[..., dict[str, str]]
) -> None:
    owner = await asyncpg.connect(settings.admin_url)
    await owner.execute(
        f"SET ROLE {OWNER}; ALTER TABLE catalog.items ADD note text;"
        "UPDATE catalog.alembic_version SET version_num = '0009'"
    )
    await owner.close()
    api = create_app(settings)
    async with (
        api.router.lifespan_context(api),
        AsyncClient(transport=ASGITransport(api), base_url="http://app") as client,
    ):
        assert (await client.get("/readyz")).json() == {"status": "ok"}
        headers = bearer("ada", "catalog:write")
        made = await client.post("/catalog/items", json={"name": "Tea"}, headers=headers)
        assert made.status_code == 201, made.text
