import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database
from app.platform.wiring import Wired

from .. import Catalog


@pytest.fixture
def catalog(wired: Wired) -> Catalog:
    return wired[Catalog]


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "catalog")
