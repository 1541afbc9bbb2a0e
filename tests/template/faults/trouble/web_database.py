"""Routes that speak to the database at the wrong time."""

from app.platform.database import Database
from fastapi import APIRouter
from sqlalchemy import text


def routes(db: Database) -> APIRouter:
    router = APIRouter()

    @router.get("/one")
    async def one() -> int:
        """One SELECT."""
        async with db.transaction() as tx:
            return int(await tx.scalar(text("SELECT 1")))

    return router
