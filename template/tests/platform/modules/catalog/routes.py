"""The module's HTTP routes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status
from pydantic import BaseModel, StringConstraints

from app.platform.auth import Caller
from app.platform.database import Database

from . import (
    Catalog,
    Item,
)
from .jobs import prepare_item, PrepareItem

_NAME = r"^[^\x00]*[^\s\x00][^\x00]*$"
"""Something visible, and no NUL, which Postgres cannot store."""


class NewItem(BaseModel):
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_NAME)]


class ItemPage(BaseModel):
    items: list[Item]
    next: UUID | None
    """Pass it as `after` to read on; null behind the last page."""


def routes(service: Catalog, db: Database) -> APIRouter:
    router = APIRouter()

    @router.post("/items", status_code=status.HTTP_201_CREATED)
    async def create_item(
        body: NewItem,
        caller: Caller,
        request: Request,
        response: Response,
    ) -> Item:
        async with db.transaction() as tx:
            created = await service.create_item(tx, caller.id, body.name)
            new = PrepareItem(created.id)
            await prepare_item.enqueue(tx, new)
        response.headers["Location"] = f"{request.url.path}/{created.id}"
        return created

    @router.get("/items/{id}")
    async def get_item(id: UUID, caller: Caller) -> Item:
        return await service.get_item(caller.id, id)

    @router.get("/items")
    async def list_items(
        caller: Caller,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> ItemPage:
        found = list(await service.list_items(caller.id, after, limit + 1))
        page, rest = found[:limit], found[limit:]
        return ItemPage(items=page, next=page[-1].id if rest else None)

    return router
