"""Liveness and readiness, for load balancers and orchestrators."""

import asyncio
import logging
import time
from collections.abc import Collection, Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.platform.auth import PUBLIC
from app.platform.database import connect_in_greenlet, ROLES, roles_of
from app.platform.settings import Settings
from app.platform.telemetry import cause
from app.platform.timeouts import PROBE
from app.platform.web.problems import problem
from app.platform.web.serving import leaving
from app.platform.wiring import ModuleFolder

logger = logging.getLogger("app.health")

_FRESH = 0.5
"""Seconds for which the database's answer is passed on to whoever asks next."""


def health_routes(probe: "Probe", settings: Settings) -> APIRouter:
    """`/healthz` says that the process lives, and which release it is; `/readyz` that it can serve
    requests."""
    router = APIRouter(tags=["platform"], generate_unique_id_function=lambda route: route.name)

    @router.get("/healthz", openapi_extra=PUBLIC)
    async def healthz() -> dict[str, str | None]:
        return {"status": "ok", "version": settings.app_version, "commit": settings.app_commit}

    @router.get("/readyz", response_model=None, openapi_extra=PUBLIC)
    async def readyz() -> dict[str, str] | JSONResponse:
        if leaving.is_set():
            return problem(503, "This instance is being stopped.")
        if obstacle := await probe.obstacle():
            return problem(503, obstacle)
        return {"status": "ok"}

    return router


class Probe:
    """Asks the database for everybody: anyone may call `/readyz`, and as often as they like."""

    is_reachable = False
    """Whether the database answered when it was asked last."""
    pending: Collection[str] = ()
    """The modules whose migrations were pending then."""

    def __init__(self, engine: AsyncEngine, folders: Sequence[ModuleFolder]) -> None:
        # Not from the pool: an instance that is merely busy must not be taken out of service.
        options = {"command_timeout": PROBE, "async_creator_fn": connect_in_greenlet}
        self._engine = create_async_engine(
            engine.url,
            poolclass=NullPool,
            connect_args=options,
            execution_options={ROLES: roles_of(engine)},
        )
        self._folders = folders
        self._is_migrated = False
        self._alone = asyncio.Lock()
        self._asked = float("-inf")
        self._obstacle: str | None = None

    async def obstacle(self) -> str | None:
        """Return why no request can be served, as it was a moment ago, or None."""
        async with self._alone:  # Who waited here finds the answer that the first one got.
            if time.monotonic() - self._asked > _FRESH:
                self._obstacle = await self._ask()
                self._asked = time.monotonic()
            return self._obstacle

    async def _ask(self) -> str | None:
        from app.platform.migrations import pending_migrations

        self.is_reachable = False
        try:
            async with asyncio.timeout(PROBE), self._engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                if not self._is_migrated:  # Once done, it stays done for this version of the code.
                    self.pending = await pending_migrations(connection, self._folders)
                    self._is_migrated = not self.pending
        except Exception as error:  # Also what the driver cannot make sense of.
            logger.warning("The database is not reachable: %s", cause(error))
            return "The database is not reachable."
        self.is_reachable = True
        if self.pending:
            return f"Migrations are pending: {', '.join(self.pending)}. Run `app migrate`."
        return None
