"""Liveness and readiness, for load balancers and orchestrators."""

import asyncio
import logging
from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.platform.migrations import pending_migrations
from app.platform.principal import PUBLIC
from app.platform.problems import problem
from app.platform.serving import leaving
from app.platform.wiring import ModuleFolder

logger = logging.getLogger("app.health")

_PATIENCE = 3.0
"""Seconds after which a silent database counts as unreachable."""


def health_routes(engine: AsyncEngine, folders: Sequence[ModuleFolder]) -> APIRouter:
    """`/healthz` says that the process lives; `/readyz` that it can serve requests."""
    router = APIRouter(tags=["platform"])
    # Not from the pool: an instance that is merely busy must not be taken out of service.
    probe = create_async_engine(engine.url, poolclass=NullPool)
    migrated = False

    @router.get("/healthz", openapi_extra=PUBLIC)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", response_model=None, openapi_extra=PUBLIC)
    async def readyz() -> dict[str, str] | JSONResponse:
        nonlocal migrated
        if leaving.is_set():
            return problem(503, "This instance is being stopped.")
        try:
            async with asyncio.timeout(_PATIENCE), probe.connect() as connection:
                await connection.execute(text("SELECT 1"))
                if not migrated:  # Once done, it stays done for this version of the code.
                    waiting = await pending_migrations(connection, folders)
                    if waiting:
                        names = ", ".join(waiting)
                        return problem(503, f"Migrations are pending: {names}. Run `app migrate`.")
                    migrated = True
        except (SQLAlchemyError, OSError, TimeoutError):
            logger.warning("The database is not reachable.", exc_info=True)
            return problem(503, "The database is not reachable.")
        return {"status": "ok"}

    return router
