from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database
from app.platform.wiring import ModuleFolder, wire, Wired

from .. import Billing
from ..accounts import open_account


@pytest.fixture
def wired(folders: Sequence[ModuleFolder], engine: AsyncEngine) -> Wired:
    """The module with what it depends on, and nothing else."""
    return wire(folders, engine, only=Billing)


@pytest.fixture
def billing(wired: Wired) -> Billing:
    return wired[Billing]


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "billing")


OWNER = "ada"


@pytest.fixture
async def customer_id(db: Database) -> UUID:
    """Somebody who may owe 1,000, and owes nothing. Ada has registered them."""
    id = uuid4()
    async with db.transaction() as tx:
        await open_account(tx, OWNER, id)
    return id


@pytest.fixture
def client(client: AsyncClient, bearer: Callable[..., dict[str, str]]) -> AsyncClient:
    """A client of the whole application, with the token of Ada, who may book payments."""
    client.headers.update(bearer(OWNER, "billing:write"))
    return client
