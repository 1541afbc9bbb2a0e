"""The fixtures of `conftest.py`, on modules of their own: `modules/`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from app.development.database import with_database
from app.development.fresh_databases import Execute, FreshDatabases
from app.platform.database.sides import Side
from app.platform.migrations import migrate
from app.platform.settings.settings import Settings
from app.platform.wiring import discover, ModuleFolder

from . import modules
from .moving import Gates, gates_in, MODULE

_PATIENT = (
    "database.copying.MARGIN",
    "database.credentials.CONNECT",
    "database.credentials.MARGIN",
    "database.driver.CONNECT",
    "database.driver.MARGIN",
    "database.engine.MARGIN",
    "jobs.worker.LEAVE",
    "jobs.worker.MARGIN",
    "monitoring.gauges_database.Asked.timeout",
    "monitoring.gauges_database.GAUGE",
    "monitoring.gauges_database.Readiness.timeout",
    "timeouts.ISSUER",
    "web.health.PROBE",
)
"""Limits, in seconds, on waiting for what does not answer. A busy machine needs more than they give."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _PATIENT:
        monkeypatch.setattr(f"app.platform.{name}", 60.0)


@pytest.fixture(autouse=True)
def _application(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application is made of these modules, and of no others."""
    monkeypatch.setattr("app.main.modules", modules)


@pytest.fixture(scope="session")
def folders() -> list[ModuleFolder]:
    return discover(modules)


@pytest.fixture(scope="session")
def template_database(
    admin_url: str, login_url: str, execute: Execute, folders: list[ModuleFolder]
) -> Iterator[str]:
    """The name of a database in which these modules are migrated."""
    name = f"test_template_{uuid4().hex}"
    execute(f"CREATE DATABASE {name}")
    try:
        asyncio.run(migrate(with_database(admin_url, name), "app_test", folders))
        yield name
    finally:
        execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def databases(admin_url: str, execute: Execute, template_database: str) -> Iterator[FreshDatabases]:
    fresh = FreshDatabases(admin_url, execute, template_database)
    yield fresh
    fresh.close()


@pytest.fixture
def moving(
    settings: Settings, admin_url: str, login_url: str, databases: FreshDatabases
) -> Iterator[Settings]:
    """Settings of a process that serves `catalog` only, which has a database of its own as well."""
    name = databases.take()
    yield settings.model_copy(
        update={
            "modules": MODULE,
            "database_pool_size": 5,
            "database_pool_timeout": 30,
            "own_database_url": with_database(login_url, name),
            "own_migration_database_url": with_database(admin_url, name),
        }
    )
    databases.give_back(name)


@pytest.fixture
async def gates(moving: Settings) -> AsyncIterator[Gates]:
    """The gates of both databases: main is open."""
    assert moving.migration_database_url
    assert moving.own_migration_database_url
    assert moving.own_database_url
    urls = {
        Side.MAIN: (moving.migration_database_url, moving.database_url),
        Side.OWN: (moving.own_migration_database_url, moving.own_database_url),
    }
    async with gates_in(urls) as gates:
        yield gates
