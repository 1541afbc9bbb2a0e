"""Names the implementation."""

from app.platform.database import Database
from app.platform.wiring import Module
from fastapi import APIRouter

from . import Trouble, web_database, web_edge
from .jobs import JOBS


class TroubleService:
    async def nothing(self) -> None:
        return None


def build(db: Database) -> Trouble:
    return TroubleService()


def routes(service: Trouble, db: Database) -> APIRouter:
    router = APIRouter()
    router.include_router(web_database.routes(db))
    router.include_router(web_edge.routes(db))
    return router


module = Module(build, routes=routes, jobs=JOBS)
