"""The composition root: which parts there are, and how they come together."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import modules
from app.platform.development import stop_with_parent
from app.platform.discovery import discover
from app.platform.engine import create_engine, login_of
from app.platform.health import health_routes
from app.platform.http import create_api
from app.platform.migrations import migrate
from app.platform.settings import load_settings, Settings
from app.platform.wiring import wire, WiringError


def create_app(settings: Settings | None = None, *, migrate_first: bool = False) -> FastAPI:
    """Create the web application with every module wired and mounted."""
    settings = settings or load_settings()
    engine = create_engine(settings)
    folders = discover(modules)
    wired = wire(folders, engine)

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        try:
            if migrate_first:
                await migrate(settings.admin_url, login_of(settings.database_url), folders)
            yield
        finally:
            await engine.dispose()

    api = create_api(wired.routers, lifespan, settings)
    api.include_router(health_routes(engine, folders))
    return api


def create_development_app() -> FastAPI:
    """Create what `app dev` serves: a module added while it runs is migrated at the reload."""
    stop_with_parent()
    try:
        return create_app(migrate_first=True)
    except WiringError as error:
        sys.exit(f"app: {error}")
