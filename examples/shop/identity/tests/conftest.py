import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database
from app.platform.wiring import Wired

from .. import Identity


@pytest.fixture
def identity(wired: Wired) -> Identity:
    return wired[Identity]


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "identity")
