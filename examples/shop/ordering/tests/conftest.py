from collections.abc import Callable

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "ordering")


@pytest.fixture
def client(client: AsyncClient, bearer: Callable[..., dict[str, str]]) -> AsyncClient:
    """A client of the whole application, with the token of somebody who may do all that an order takes."""
    client.headers.update(bearer("staff", "catalog:write", "orders:ship"))
    return client
