from collections.abc import Callable, Sequence

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database
from app.platform.wiring import ModuleFolder, wire

from .. import Catalog


@pytest.fixture
def catalog(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Catalog:
    return wire(folders, engine, only=Catalog)[Catalog]


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")


@pytest.fixture
def client(client: AsyncClient, bearer: Callable[..., dict[str, str]]) -> AsyncClient:
    """A client of the whole application, with the token of somebody who may change the catalog."""
    client.headers.update(bearer("staff", "catalog:write"))
    return client
