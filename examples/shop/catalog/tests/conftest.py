from collections.abc import Sequence

import pytest
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
