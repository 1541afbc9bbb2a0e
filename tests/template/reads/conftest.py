"""A primary and its replica, with every module migrated; the application is to read the replica."""

import asyncio
from collections.abc import Iterator

import pytest
from app.platform.migrations import migrate
from app.platform.settings import Settings
from app.platform.wiring import ModuleFolder

from .replica import Server, primary_and_replica
from .servers import LOGIN, tell


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, folders: list[ModuleFolder]
) -> Iterator[tuple[Server, Server]]:
    """Both servers, every module migrated."""
    with primary_and_replica(tmp_path_factory.mktemp("servers")) as (primary, replica):
        asyncio.run(create_login(primary))
        asyncio.run(migrate(primary.url(), LOGIN, folders))
        yield primary, replica


async def create_login(primary: Server) -> None:
    await tell(primary, f"CREATE ROLE {LOGIN} LOGIN NOINHERIT PASSWORD '{primary.password}'")


@pytest.fixture
def primary(servers: tuple[Server, Server]) -> Server:
    return servers[0]


@pytest.fixture
def standby(servers: tuple[Server, Server]) -> Server:
    """The replica, running, and as far as its primary."""
    return servers[1]


@pytest.fixture
def settings(primary: Server, standby: Server) -> Settings:
    return Settings(
        environment="development",
        database_url=primary.url(user=LOGIN),
        database_replica_url=standby.url(user=LOGIN),
        database_replica_max_lag=60,  # However busy the machine is.
    )
