"""The module's HTTP routes."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status
from pydantic import BaseModel, StringConstraints

from app.platform.auth import Caller, needs
from app.platform.database import Database

from . import Account, Billing, Entry

_MONEY = r"^([1-9][0-9]{0,5}(\.[0-9]{1,2})?|0\.(0[1-9]|[1-9][0-9]?))$"


class Payment(BaseModel):
    # As text, from 0.01 to 999999.99: in a JSON number, a cent is easily lost.
    amount: Annotated[str, StringConstraints(pattern=_MONEY)]


class EntryPage(BaseModel):
    items: list[Entry]
    next: UUID | None
    """Pass it as `after` to read on; null behind the last page."""


def routes(billing: Billing, db: Database) -> APIRouter:
    router = APIRouter()

    @router.get("/accounts/{customer_id}")
    async def get_account(customer_id: UUID, caller: Caller) -> Account:
        return await billing.get_account(caller.id, customer_id)

    @router.get("/accounts/{customer_id}/entries")
    async def list_entries(
        customer_id: UUID,
        caller: Caller,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> EntryPage:
        found = list(await billing.list_entries(caller.id, customer_id, after, limit + 1))
        page, rest = found[:limit], found[limit:]
        return EntryPage(items=page, next=page[-1].id if rest else None)

    @router.post(
        "/accounts/{customer_id}/payments",
        status_code=status.HTTP_201_CREATED,
        dependencies=[needs("billing:write")],
    )
    async def record_payment(customer_id: UUID, body: Payment) -> Entry:
        async with db.transaction() as tx:
            return await billing.record_payment(tx, customer_id, Decimal(body.amount))

    return router
