"""The module's HTTP routes."""

from collections import Counter
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, status
from pydantic import BaseModel, Field

from app.platform.auth import Caller, needs
from app.platform.database import Database

from . import Order, Ordering, Shipment


class NewLine(BaseModel):
    product_id: UUID
    quantity: Annotated[int, Field(ge=1, le=1000)]


class NewOrder(BaseModel):
    customer_id: UUID
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=100)]


class OrderPage(BaseModel):
    items: list[Order]
    next: UUID | None
    """Pass it as `after` to read on; null behind the last page."""


class ShipmentPage(BaseModel):
    items: list[Shipment]
    next: UUID | None
    """Pass it as `after` to read on; null behind the last page."""


def routes(ordering: Ordering, db: Database) -> APIRouter:
    router = APIRouter()

    @router.post("/orders", status_code=status.HTTP_201_CREATED)
    async def place_order(
        body: NewOrder, caller: Caller, request: Request, response: Response
    ) -> Order:
        quantities: Counter[UUID] = Counter()
        for line in body.lines:
            quantities[line.product_id] += line.quantity
        async with db.transaction() as tx:
            order = await ordering.place_order(tx, caller.id, body.customer_id, quantities)
        response.headers["Location"] = f"{request.url.path}/{order.id}"
        return order

    @router.get("/orders/{id}")
    async def get_order(id: UUID, caller: Caller) -> Order:
        return await ordering.get_order(caller.id, id)

    @router.get("/orders")
    async def list_orders(
        customer_id: UUID,
        caller: Caller,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> OrderPage:
        found = list(await ordering.list_orders(caller.id, customer_id, after, limit + 1))
        page, rest = found[:limit], found[limit:]
        return OrderPage(items=page, next=page[-1].id if rest else None)

    @router.post("/orders/{id}/cancel")
    async def cancel_order(id: UUID, caller: Caller) -> Order:
        async with db.transaction() as tx:
            return await ordering.cancel_order(tx, caller.id, id)

    @router.post("/orders/{id}/ship", dependencies=[needs("orders:ship")])
    async def ship_order(id: UUID) -> Order:
        async with db.transaction() as tx:
            return await ordering.ship_order(tx, id)

    @router.get("/shipments", dependencies=[needs("orders:ship")])
    async def list_open_shipments(
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> ShipmentPage:
        found = list(await ordering.list_open_shipments(after, limit + 1))
        page, rest = found[:limit], found[limit:]
        return ShipmentPage(items=page, next=page[-1].order_id if rest else None)

    return router
