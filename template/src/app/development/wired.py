"""The application without a server: what a seed and a prompt work with."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from app import modules
from app.platform.cache import CacheStore
from app.platform.database import close, create_engine
from app.platform.flags import evaluate_with, FlagFiles
from app.platform.settings import Settings
from app.platform.wiring import discover, ModuleFolder, wire, Wired


@dataclass(frozen=True)
class Application:
    """Every module, wired, and the engine below."""

    folders: Sequence[ModuleFolder]
    engine: AsyncEngine
    wired: Wired


@asynccontextmanager
async def application(settings: Settings, name: str) -> AsyncIterator[Application]:
    """Wire the modules while the block lasts. Postgres shows the connections under the name."""
    folders = discover(modules)
    evaluate_with(FlagFiles(folders, settings.flags_file))
    engine, cache = create_engine(settings, name=name), CacheStore(settings.cache_url)
    try:
        yield Application(folders, engine, wire(folders, engine, cache=cache))
    finally:
        await cache.close()
        await close(engine)
