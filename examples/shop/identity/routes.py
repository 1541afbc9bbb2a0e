"""The module's HTTP routes."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, status
from pydantic import BaseModel, StringConstraints

from app.platform.auth import Caller, needs
from app.platform.database import Database

from . import Customer, Identity

_NAME = r"^[^\x00]*[^\s\x00][^\x00]*$"
"""Something visible, and no NUL, which Postgres cannot store."""


class NewCustomer(BaseModel):
    # Visible ASCII with one @ in it; whether it exists, only a letter to it can tell.
    email: Annotated[str, StringConstraints(max_length=254, pattern=r"^[!-?A-~]+@[!-?A-~]+$")]
    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_NAME)]


def routes(identity: Identity, db: Database) -> APIRouter:
    router = APIRouter()

    @router.post("/customers", status_code=status.HTTP_201_CREATED)
    async def register_customer(
        body: NewCustomer, caller: Caller, request: Request, response: Response
    ) -> Customer:
        async with db.transaction() as tx:
            customer = await identity.register_customer(tx, caller.id, body.email, body.name)
        response.headers["Location"] = f"{request.url.path}/{customer.id}"
        return customer

    @router.get("/customers/{id}")
    async def get_customer(id: UUID, caller: Caller) -> Customer:
        return await identity.get_customer(caller.id, id)

    @router.post(
        "/customers/{id}/close",
        status_code=status.HTTP_204_NO_CONTENT,
        dependencies=[needs("identity:write")],
    )
    async def close_customer(id: UUID) -> None:
        async with db.transaction() as tx:
            await identity.close_customer(tx, id)

    return router
