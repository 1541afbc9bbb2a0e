from collections.abc import Callable, Sequence

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database
from app.platform.wiring import ModuleFolder, wire

from .. import Identity


@pytest.fixture
def identity(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Identity:
    return wire(folders, engine, only=Identity)[Identity]


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "identity")


@pytest.fixture
def client(client: AsyncClient, bearer: Callable[..., dict[str, str]]) -> AsyncClient:
    """A client of the whole application, with the token of somebody who may close accounts."""
    client.headers.update(bearer("staff", "identity:write"))
    return client
