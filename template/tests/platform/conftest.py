"""The fixtures of `conftest.py`, on modules of their own: `modules/`."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from app.development.database import with_database
from app.development.fresh_databases import Execute, FreshDatabases
from app.platform.migrations import migrate
from app.platform.wiring import discover, ModuleFolder

from . import modules


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
