from collections.abc import Sequence

import pytest
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
