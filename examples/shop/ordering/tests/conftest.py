import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.platform.database import Database


@pytest.fixture
def db(engine: AsyncEngine) -> Database:
    return Database(engine, "ordering")
