"""Logins of services: one speaks as its module and as what every process needs, and as no other."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import text

from app.development.database import create_login, with_database
from app.main import create_app
from app.platform.database.database import Database, Tx
from app.platform.database.engine import close, create_engine
from app.platform.database.roles import MigrationError
from app.platform.jobs.worker import Worker
from app.platform.migrations.migrations import migrate, pending_migrations
from app.platform.query_stats.slow import slow_statements
from app.platform.settings.settings import Settings
from app.platform.wiring.discovery import discover
from app.platform.wiring.modules import ModuleFolder
from app.platform.wiring.moved_toml import Move
from app.platform.wiring.wiring import wire

from .. import modules
from ..modules.catalog import Catalog, ItemCreated
from ..modules.catalog.jobs import prepare_item, PrepareItem

CATALOG, ORDERING = discover(modules)
LOGIN = "app_test"
RENAME = Move("rename", "catalog", date(2026, 11, 30), "goods")
FINISH = Move("finish", "catalog", date(2026, 11, 30))
OF_ALL = ["platform", "queue", "requests"]

Migrate = Callable[..., Awaitable[list[str]]]


@pytest.fixture
async def own(admin_url: str) -> AsyncIterator[str]:
    """The URL of a login that a service has for itself; the roles of a server are of all its databases."""
    login = f"service_{uuid4().hex[:12]}"
    yield await create_login(admin_url, login)
    admin = await asyncpg.connect(admin_url)
    await admin.execute(f"DROP ROLE {login}")
    await admin.close()


@pytest.fixture
def service(own: str) -> str:
    return own.partition("//")[2].partition(":")[0]


@pytest.fixture
async def its_settings(settings: Settings, own: str) -> Settings:
    """Those of a process of the service, on the database of the test."""
    name = settings.database_url.rpartition("/")[2]
    return settings.model_copy(
        update={"database_url": with_database(own, name), "database_roles": LOGIN}
    )


@pytest.fixture
def again(settings: Settings) -> Migrate:
    async def again(
        *services: tuple[str, str],
        folders: Sequence[ModuleFolder] = (CATALOG, ORDERING),
        moves: Sequence[Move] = (),
    ) -> list[str]:
        return await migrate(settings.admin_url, LOGIN, folders, moves, services)

    return again


async def roles_of(url: str, service: str) -> list[str]:
    """What the service may switch to."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'app_test__') "
        "AND pg_has_role($1, oid, 'MEMBER') ORDER BY 1",
        service,
    )
    await connection.close()
    return [row["rolname"].removeprefix("app_test__") for row in rows]


async def test_it_speaks_as_its_module_and_as_no_other(
    again: Migrate, its_settings: Settings, service: str
) -> None:
    await again(("catalog", service))
    assert await roles_of(its_settings.admin_url, service) == ["catalog", *OF_ALL]
    connection = await asyncpg.connect(its_settings.database_url)
    await connection.execute("SET ROLE app_test__catalog")
    for other in ("app_test__ordering", "app_test__catalog__owner", LOGIN):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied to set"):
            await connection.execute(f"SET ROLE {other}")
    await connection.execute("RESET ROLE")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT FROM catalog.items")
    await connection.close()


heard: list[str] = []


async def hear(_tx: Tx, event: ItemCreated) -> None:
    heard.append(event.name)


async def test_its_process_serves_runs_jobs_and_is_heard_by_other_modules(
    again: Migrate, settings: Settings, its_settings: Settings, service: str
) -> None:
    await again(("catalog", service))
    api = create_app(its_settings)
    async with (
        api.router.lifespan_context(api),
        AsyncClient(transport=ASGITransport(api), base_url="http://test") as client,
    ):
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "Migrations are pending: ordering." in answer.text
    engine = create_engine(its_settings)
    async with engine.connect() as connection:
        assert await pending_migrations(connection, [CATALOG]) == []
        assert await pending_migrations(connection, [CATALOG, ORDERING]) == ["ordering"]
    declared = replace(ORDERING.declaration, subscriptions={ItemCreated: hear})
    wired = wire([CATALOG, replace(ORDERING, declaration=declared)], engine)
    async with Database(engine, "catalog").transaction() as tx:
        assert await tx.scalar(text("SELECT current_user")) == "app_test__catalog"
        item = await wired[Catalog].create_item(tx, "me", "tea")
        await prepare_item.enqueue(tx, PrepareItem(item.id))
    jobs = {name: each for name, each in wired.jobs.items() if each.module == "catalog"}
    assert await Worker(its_settings, engine, jobs, wired.known).run_due() == 1
    assert (await wired[Catalog].get_item("me", item.id)).ready_at is not None
    with pytest.raises(Exception, match='permission denied to set role "app_test__ordering"'):
        async with Database(engine, "ordering").transaction() as tx:
            await tx.execute(text("SELECT 1"))
    await close(engine)
    others = create_engine(settings)
    wired = wire(wired.folders, others)
    jobs = {name: each for name, each in wired.jobs.items() if each.module == "ordering"}
    assert await Worker(settings, others, jobs, wired.known).run_due() == 1
    assert heard == ["tea"]
    async with Database(others, "ordering").transaction() as tx:
        await tx.execute(text("SELECT 1"))
    await close(others)
    url, roles, names = its_settings.database_url, its_settings.roles, ["catalog", "ordering"]
    assert {each.module for each in await slow_statements(url, names, 50, roles)} == {"catalog"}


async def test_what_is_taken_out_of_the_setting_is_revoked(
    again: Migrate, its_settings: Settings, service: str
) -> None:
    await again(("catalog", service), ("ordering", service))
    assert await roles_of(its_settings.admin_url, service) == ["catalog", "ordering", *OF_ALL]
    await again(("ordering", service))
    assert await roles_of(its_settings.admin_url, service) == ["ordering", *OF_ALL]
    await migrate(its_settings.admin_url, LOGIN, [CATALOG, ORDERING])  # It says nothing of them.
    assert await roles_of(its_settings.admin_url, service) == ["ordering", *OF_ALL]
    await again()
    assert await roles_of(its_settings.admin_url, service) == []


async def test_a_login_or_a_module_that_is_not_there_is_refused_before_anything_changes(
    again: Migrate, its_settings: Settings, service: str
) -> None:
    with pytest.raises(
        MigrationError,
        match=r'"nobody" of SERVICE_LOGINS does not exist\. .*CREATE ROLE "nobody" LOGIN NOINHERIT',
    ):
        await again(("catalog", service), ("ordering", "nobody"))
    with pytest.raises(MigrationError, match=r'"nope" of DATABASE_URL, or of DATABASE_ROLES, does'):
        await migrate(its_settings.admin_url, "nope", [CATALOG, ORDERING])
    with pytest.raises(MigrationError, match="SERVICE_LOGINS names the module reviews, and there"):
        await again(("catalog", service), ("reviews", service))
    assert await roles_of(its_settings.admin_url, service) == []


async def test_one_that_may_speak_as_others_nevertheless_is_refused(
    again: Migrate, its_settings: Settings, service: str
) -> None:
    admin = await asyncpg.connect(its_settings.admin_url)
    await admin.execute(f"GRANT {LOGIN} TO {service}")
    with pytest.raises(MigrationError, match=r"may speak as app_test__.* as well\. Is it a"):
        await again(("catalog", service))
    await admin.execute(f"REVOKE {LOGIN} FROM {service}")
    await admin.close()
    assert await roles_of(its_settings.admin_url, service) == []


async def test_a_process_that_was_granted_nothing_says_what_is_missing(
    its_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_engine(its_settings)
    async with engine.connect() as connection:
        pending = await pending_migrations(connection, [CATALOG])
    await close(engine)
    assert pending == ["catalog", "requests"]
    assert "may not speak as app_test__catalog: set DATABASE_ROLES" in caplog.text


async def test_a_rename_takes_its_login_along_and_its_end_the_old_name(
    again: Migrate, its_settings: Settings, service: str, tmp_path: Path
) -> None:
    await again(("catalog", service))
    for file in (CATALOG.path / "migrations").glob("*.py"):
        copy = tmp_path / "goods/migrations" / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text().replace("catalog", "goods"))
    goods = replace(CATALOG, name="goods", path=tmp_path / "goods", renamed=RENAME)
    before = await asyncpg.connect(its_settings.database_url)
    await migrate(its_settings.admin_url, LOGIN, [goods, ORDERING], [RENAME])
    both = ["catalog", "goods", *OF_ALL]
    assert await roles_of(its_settings.admin_url, service) == both
    await again(("catalog", service), folders=[goods, ORDERING], moves=[RENAME])
    assert await roles_of(its_settings.admin_url, service) == both
    finished = [replace(goods, renamed=None), ORDERING]
    with pytest.raises(
        MigrationError, match="catalog still stands in for goods: sessions are open"
    ):
        await again(("goods", service), folders=finished, moves=[RENAME, FINISH])
    await before.close()
    await again(("goods", service), folders=finished, moves=[RENAME, FINISH])
    assert await roles_of(its_settings.admin_url, service) == ["goods", *OF_ALL]
